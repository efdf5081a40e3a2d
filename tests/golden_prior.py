#!/usr/bin/env python3
"""Makes tests/golden/prior.golden: what PyTorch and peft make of some steps of DreamBooth with prior preservation, for tests/test_train.c to
compare with.

    python tests/golden_prior.py           packages as in golden.py

Models, pairs and optimizer are those of golden_train.py.  A step is a batch of a picture and a class picture, of another shape and with other
words, as kohya's trainer weighs them: loss = mean of (mse of the picture, PRIOR * mse of the class picture).

    class_ids [1,77] I32, class_latents [pictures,h,w,4] F32
    steps [STEPS,8] F64      timestep, alpha_bar, seed of the noise, loss of the picture; the same of the class picture
    after [2 pairs,17]       the pairs after them, as in golden_train.py
    metadata                 prior, eps
"""
import os

import numpy as np
import torch
from golden import OUT, encode, uniform
from golden_train import CLIP_SKIP, DECAY, HEIGHT, PICTURES, TEXT_RATE, UNET_RATE, WIDTH, Run, rows
from safetensors.numpy import save_file

STEPS, PRIOR, EPS = 10, 0.4, 1e-4


def loss_of(r, clean, ids, t, seed):
    """-> alpha_bar, loss"""
    h, w, _ = clean.shape
    noise = torch.randn((1, 4, h, w), generator=torch.Generator().manual_seed(seed)).to(r.dtype)
    clean = torch.from_numpy(clean).permute(2, 0, 1)[None].to(r.dtype)
    alpha = float(r.ddpm.alphas_cumprod[t])
    words = encode(r.text, ids, CLIP_SKIP).reshape(1, len(ids) * 77, -1)
    return alpha, torch.nn.functional.mse_loss(r.unet(alpha**0.5 * clean + (1 - alpha) ** 0.5 * noise, t, words).sample, noise)


def main():
    torch.set_num_threads(2)
    r = Run(torch.float64, 0)
    ids = [list(r.ids[1])]
    latents = uniform("class latents", PICTURES * HEIGHT * WIDTH * 4).astype(np.float32).reshape(PICTURES, WIDTH, HEIGHT, 4) * 2
    groups = [dict(params=[r.pairs[k] for k in sorted(r.pairs) if k[0].startswith(part)], lr=rate) for part, rate in (("te.", TEXT_RATE), ("unet.", UNET_RATE))]
    optimizer, steps = torch.optim.AdamW(groups, weight_decay=DECAY, eps=EPS), []
    for i in range(STEPS):
        t, u, seed = (301, 700, 44, 903, 555, 818, 222, 95, 640, 410)[i], (120, 830, 480, 12, 660, 270, 955, 390, 75, 590)[i], 500 + i
        optimizer.zero_grad()
        alpha, loss = loss_of(r, r.latents[i % PICTURES], r.ids, t, seed)
        beta, prior = loss_of(r, latents[i % PICTURES], ids, u, seed + 100)
        (torch.stack([loss, prior]) * torch.tensor([1, PRIOR], dtype=torch.float64)).mean().backward()
        optimizer.step()
        steps.append((t, alpha, seed, loss.item(), u, beta, seed + 100, prior.item()))
    print(np.array(steps)[:, [3, 7]])
    save_file({"class_ids": np.array(ids, np.int32), "class_latents": latents, "steps": np.array(steps), "after": rows(r.sorted()).astype(np.float32)},
              os.path.join(OUT, "prior.golden"), {"prior": str(PRIOR), "eps": str(EPS)})


if __name__ == "__main__":
    main()
