#!/usr/bin/env python3
"""Makes tests/golden/loss.golden: noise and losses as kohya's own functions compute them, for tests/test_loss.c to compare with.

    SD_SCRIPTS=PATH python tests/golden_loss.py    packages as in golden.py; PATH: a checkout of kohya-ss/sd-scripts

u(name) as in golden.py.  Tensors are [h,w,c] as in the program.  Where kohya draws a normal number, u("draw i") stands in for it, i = 0, 1, ... over the calls.

    offset [H,W,C], offset.adaptive       apply_noise_offset(latents = u("latents"), noise = u("noise"), 0.3, none or -0.2)
    pyramid [H,W,C]                       pyramid_noise_like(u("noise"), iterations 8, discount 0.3);  metadata r: its random factors
    loss TYPE SCHEDULE C SCALE [T,2] F64  at each of the timesteps T: conditional_loss of prediction u("prediction") and target u("target"), times the weights of
                                          apply_snr_weight(5) and apply_debiased_estimation, and times apply_masked_loss with u("mask") / 2 + 1 / 2, shrunk by area
                                          from [8H,8W]; then the root of the sum of the squares of the gradient
    mask [H,W]                            that mask, shrunk
    alpha.MODE.png [bytes], alpha.MODE [H,W] U8         a PNG file that Pillow wrote in that mode, and its alpha channel
"""
import ast
import io
import os
import random
import types

import numpy as np
import torch
from golden import OUT, uniform
from PIL import Image
from safetensors.numpy import save_file

H, W, C = 20, 12, 4
TIMESTEPS = (0, 1, 200, 499, 800, 999)
CASES = (("l2", "snr", 0.1, 1.0), ("l1", "snr", 0.1, 1.0), ("huber", "snr", 0.1, 1.0), ("smooth_l1", "snr", 0.2, 3.0), ("huber", "exponential", 0.1, 1.0),
         ("smooth_l1", "exponential", 0.3, 2.0), ("huber", "constant", 0.5, 0.5), ("smooth_l1", "constant", 0.2, 1.0))
FUNCTIONS = {"library/custom_train_functions.py": ("apply_snr_weight", "apply_debiased_estimation", "apply_masked_loss", "apply_noise_offset", "pyramid_noise_like"),
             "library/train_util.py": ("conditional_loss", "get_huber_threshold_if_needed")}


def functions_of(root):
    """Those functions alone, because importing the files needs everything that kohya's trainer is made of."""
    import math
    from typing import Optional, Tuple
    names = {"torch": torch, "random": random, "math": math, "Optional": Optional, "Tuple": Tuple, "Number": float, "DDPMScheduler": object}
    for path, wanted in FUNCTIONS.items():
        tree = ast.parse(open(os.path.join(root, path)).read())
        tree.body = [f for f in tree.body if isinstance(f, ast.FunctionDef) and f.name in wanted]
        assert len(tree.body) == len(wanted)
        exec(compile(tree, path, "exec"), names)
    return types.SimpleNamespace(**names)


def hwc(name):
    return torch.from_numpy(uniform(name, H * W * C).astype(np.float32)).reshape(H, W, C).permute(2, 0, 1)[None].contiguous()


class Draws:
    """torch.randn, replaced: the program's layout, [h,w,c]."""

    def __init__(self):
        self.calls = 0

    def __call__(self, *shape, **_):
        _, c, h, w = shape[0] if len(shape) == 1 else shape
        x = uniform(f"draw {self.calls}", h * w * c).astype(np.float32)
        self.calls += 1
        return torch.from_numpy(x).reshape(h, w, c).permute(2, 0, 1)[None].contiguous()


def with_draws(f):
    saved, torch.randn = torch.randn, Draws()
    try:
        return f()[0].permute(1, 2, 0).contiguous().numpy()
    finally:
        torch.randn = saved


def scheduler():
    alphas = torch.cumprod(1 - torch.linspace(0.00085**0.5, 0.012**0.5, 1000, dtype=torch.float32) ** 2, 0)
    return types.SimpleNamespace(alphas_cumprod=alphas, all_snr=alphas / (1 - alphas), config=types.SimpleNamespace(num_train_timesteps=1000))


def loss_at(k, case, t, mask):
    kind, schedule, c, scale = case
    args, s = types.SimpleNamespace(loss_type=kind, huber_schedule=schedule, huber_c=c, huber_scale=scale), scheduler()
    prediction, steps = hwc("prediction").double().requires_grad_(True), torch.tensor([t])
    loss = k.conditional_loss(prediction, hwc("target").double(), kind, "none", k.get_huber_threshold_if_needed(args, steps, s))
    loss = k.apply_masked_loss(loss, {"alpha_masks": mask.double()[None]}).mean([1, 2, 3])
    loss = k.apply_debiased_estimation(k.apply_snr_weight(loss, steps, s, 5), steps, s).mean()
    loss.backward()
    return [loss.item(), prediction.grad.norm().item()]


def with_alpha(mode):
    """A PNG of that mode whose transparency is a hash; for P by its palette."""
    values = ((uniform("alpha " + mode, 4 * H * W) + 1) * 127.5).astype(np.uint8)
    if mode == "P":
        picture = Image.fromarray(values[: H * W].reshape(H, W) % 16, "P")
        picture.putpalette(list(values[:48]))
        more = {"transparency": bytes(range(0, 256, 17))}
    else:
        picture, more = Image.fromarray(values.reshape(H, W, 4), "RGBA").convert(mode), {}
    file = io.BytesIO()
    picture.save(file, "PNG", **more)
    alpha = np.asarray(Image.open(io.BytesIO(file.getvalue())).convert("RGBA"))[:, :, 3]
    return {f"alpha.{mode}.png": np.frombuffer(file.getvalue(), np.uint8), f"alpha.{mode}": np.ascontiguousarray(alpha)}


def main():
    k = functions_of(os.environ["SD_SCRIPTS"])
    mask = torch.from_numpy(uniform("mask", 64 * H * W).astype(np.float32)).reshape(8 * H, 8 * W) / 2 + 0.5
    rs, draw = [], random.random
    random.seed(1)
    random.random = lambda: rs.append(draw()) or rs[-1]
    tensors = {
        "offset": with_draws(lambda: k.apply_noise_offset(hwc("latents"), hwc("noise"), 0.3, None)),
        "offset.adaptive": with_draws(lambda: k.apply_noise_offset(hwc("latents"), hwc("noise"), 0.003, -0.2)),
        "pyramid": with_draws(lambda: k.pyramid_noise_like(hwc("noise"), "cpu", 8, 0.3)),
        "mask": torch.nn.functional.interpolate(mask[None, None], size=(H, W), mode="area")[0, 0].numpy(),
    }
    for case in CASES:
        tensors["loss %s %s %g %g" % case] = np.array([loss_at(k, case, t, mask) for t in TIMESTEPS])
    for mode in ("RGBA", "LA", "P", "RGB"):
        tensors |= with_alpha(mode)
    save_file(tensors, os.path.join(OUT, "loss.golden"), {"r": " ".join(repr(r * 2 + 2) for r in rs)})
    print(rs, {k: v.shape for k, v in tensors.items()})


if __name__ == "__main__":
    main()
