#!/usr/bin/env python3
"""Makes tests/golden/validation.golden: the losses of held-out pictures as PyTorch computes them, for tests/test_train.c to compare with.

    python tests/golden_validation.py      packages as in golden.py

The models, the LoRA pairs, the new words, the prompt and the pictures are those of golden_train.py before its first step.

    losses [PICTURES,4] F64     mse_loss(unet(x_t, t, words), noise) at kohya's validation timesteps: np.linspace(0, 1000, 4 + 2, dtype=int)[1:-1]
                                noise: torch.randn(h, w, 4), one after the other, pictures outside and timesteps inside, of one generator with seed SEED
    metadata                    seed; float32: how far PyTorch's own float32 is from this, of the worst
"""
import os

import numpy as np
import torch
from golden import OUT, encode
from golden_train import CLIP_SKIP, HEIGHT, PICTURES, UP, WIDTH, Run
from safetensors.numpy import save_file

SEED = 7
TIMESTEPS = [int(t) for t in np.linspace(0, 1000, 4 + 2, dtype=int)[1:-1]]


def losses(dtype):
    r, out, generator = Run(dtype, UP), [], torch.Generator().manual_seed(SEED)
    with torch.no_grad():
        words = encode(r.text, r.ids, CLIP_SKIP).reshape(1, len(r.ids) * 77, -1)
        for picture in r.latents:
            clean = torch.from_numpy(picture).permute(2, 0, 1)[None].to(dtype)
            for t in TIMESTEPS:
                noise = torch.randn((HEIGHT, WIDTH, 4), generator=generator).permute(2, 0, 1)[None].to(dtype)
                noisy = r.ddpm.add_noise(clean, noise, torch.tensor([t]))
                out.append(torch.nn.functional.mse_loss(r.unet(noisy, torch.tensor([t]), words).sample, noise).item())
    return np.array(out).reshape(PICTURES, len(TIMESTEPS))


def main():
    torch.set_num_threads(1)
    found = losses(torch.float64)
    off = np.abs(losses(torch.float32) / found - 1).max()
    print(found, off)
    save_file({"losses": found}, os.path.join(OUT, "validation.golden"), {"seed": str(SEED), "float32": f"{off:.3g}"})


if __name__ == "__main__":
    main()
