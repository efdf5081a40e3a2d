#!/usr/bin/env python3
"""Makes tests/golden/network.golden: dropouts and max norm regularization of LoRA pairs by kohya's formulas (networks/lora.py), in torch with autograd.

    python tests/golden_network.py         needs torch and safetensors

Two layers, a linear one [6,5] for x [2,3,4,5] (pictures, height, width, channels) and a convolution [6,5,3,3], with a pair of rank 4 and alpha 2 each.
The random numbers are those of dropout_uniform(seed, i) in kernels/kernel.h, written out here; layer k has the seed SEED + (k + 1) 0x100000001.

    NAME.w, .down, .up, .x, .dy             NAME is linear or conv
    NAME.CASE.y, .d_down, .d_up, .d_x       y = w x + scale up(drop(down x)); gradients of the sum of y dy.  CASES: (network_dropout, rank_dropout)
    NAME.limited.down, .up                  the pairs after apply_max_norm_regularization(LIMIT)
    metadata                                keys_scaled, mean: what that returns
"""
import os

import torch
from safetensors.torch import save_file

SEED, RANK, ALPHA, LIMIT = 1234567, 4, 2.0, 3.0
CASES = {"network": (0.3, 0), "rank": (0, 0.4), "both": (0.2, 0.3)}
MASK = 2**64 - 1


def uniform(seed, i):
    z = (seed + (i + 1) * 0x9E3779B97F4A7C15) & MASK
    z = ((z ^ z >> 30) * 0xBF58476D1CE4E5B9) & MASK
    z = ((z ^ z >> 27) * 0x94D049BB133111EB) & MASK
    return ((z ^ z >> 31) >> 40) * 2.0**-24


def dropped(middle, seed, network, rank):
    """middle [n,h,w,r];  kohya: lx = F.dropout(lx, p);  mask = torch.rand((lx.size(0), r)) > rank_dropout;  scale = scale / (1 - rank_dropout)"""
    n, h, w, r = middle.shape
    if network:
        keep = torch.tensor([uniform(seed, 2 * i) >= network for i in range(middle.numel())], dtype=middle.dtype).reshape(middle.shape)
        middle = middle * keep / (1 - network)
    if rank:
        mask = torch.tensor([uniform(seed, 2 * i + 1) > rank for i in range(n * r)], dtype=middle.dtype).reshape(n, 1, 1, r)
        middle = middle * mask / (1 - rank)
    return middle


def channels_last(x):
    return x.permute(0, 2, 3, 1)


def main():
    torch.manual_seed(3)
    out, norms, scaled = {}, [], 0
    scale = ALPHA / RANK
    for k, (name, side) in enumerate((("linear", 1), ("conv", 3))):
        w = torch.randn(6, 5, side, side).double() * 0.3
        down, up = (torch.randn(RANK, 5, side, side).double() * 0.5).requires_grad_(), (torch.randn(6, RANK, 1, 1).double() * (1.5 if k else 0.6)).requires_grad_()
        x, dy = torch.randn(2, 3, 4, 5).double().requires_grad_(), torch.randn(2, 3, 4, 6).double()
        flat = (lambda t: t.detach().reshape(t.shape[:2])) if side == 1 else (lambda t: t.detach())
        out |= {f"{name}.w": flat(w), f"{name}.down": flat(down), f"{name}.up": up.detach().reshape(6, RANK) if side == 1 else up.detach(), f"{name}.x": x.detach(), f"{name}.dy": dy}
        for case, (network, rank) in CASES.items():
            convolve = lambda t, weight, pad: torch.nn.functional.conv2d(t, weight, padding=pad)
            picture = x.permute(0, 3, 1, 2)
            middle = dropped(channels_last(convolve(picture, down, side // 2)), SEED + (k + 1) * 0x100000001, network, rank)
            y = channels_last(convolve(picture, w, side // 2)) + scale * channels_last(convolve(middle.permute(0, 3, 1, 2), up, 0))
            gradients = torch.autograd.grad((y * dy).sum(), (down, up, x))
            out |= {f"{name}.{case}.{key}": v.detach() for key, v in zip(("y", "d_down", "d_up", "d_x"), (y,) + gradients)}
        updown = (up.reshape(6, RANK) @ down.reshape(RANK, -1)).detach() * scale
        norm = updown.norm().clamp(min=LIMIT / 2)
        ratio = torch.clamp(norm, max=LIMIT) / norm
        if ratio != 1:
            scaled += 1
        out |= {f"{name}.limited.down": flat(down) * ratio**0.5, f"{name}.limited.up": up.detach() * ratio**0.5}
        norms.append((updown.norm() * ratio).item())
    here = os.path.dirname(os.path.abspath(__file__))
    save_file({k: v.float().contiguous() for k, v in out.items()}, os.path.join(here, "golden", "network.golden"),
              {"keys_scaled": str(scaled), "mean": repr(sum(norms) / len(norms)), "limit": str(LIMIT), "seed": str(SEED)})
    print(scaled, norms)


if __name__ == "__main__":
    main()
