#!/usr/bin/env python3
"""Makes tests/golden/optimizer.golden: what moves the trainable parameters, as bitsandbytes, torch and diffusers have it, for tests/test_optimizer.c.

    python tests/golden_optimizer.py           packages as in golden.py, and bitsandbytes

A parameter of n elements begins as u("x n"); its gradient in step s = 1 .. STEPS is G u("d n s")^3, u as in golden.py, but elements 256 .. 511 have
none in the first ten steps.  Of each, x.n [n/8] is every eighth element after the steps.

    signed, unsigned [256]                       bitsandbytes' create_dynamic_map(True), (False)
    x.n, mean.n, square.n [n], mean.largest.n, square.largest.n [blocks]
                                                 AdamW8bit: a straight reading of its CUDA kernels in float32 (kOptimizerStatic8bit2StateBlockwise;
                                                 under 4096 elements kOptimizer32bit2State), but with exact division and powers; 0 is the code where a block is zero
    torch.x, torch.mean, torch.square [300]      torch.optim.AdamW
    NAME WARMUP CYCLES POWER [20] F64            learning rates by diffusers' get_scheduler, of 1e-3, for 20 steps
    metadata                                     library: how far bitsandbytes' own CPU code is from the reading.  It looks codes up in a table of 65536 steps,
                                                 so that small values become other codes there than on the devices that it is made for
"""
import os

import numpy as np
import torch
from bitsandbytes.functional import create_dynamic_map
from bitsandbytes.optim import AdamW8bit
from diffusers.optimization import get_scheduler
from golden import OUT, uniform
from safetensors.numpy import save_file

STEPS, G, RATE, DECAY, EPS, B1, B2, BLOCK = 50, 0.1, 1e-2, 1e-1, 1e-8, 0.9, 0.999, 256
SIZES, FEWEST = (300, 4095, 4096, 4353), 4096
F = np.float32
SCHEDULES = (("constant", 0, 1, 1), ("constant_with_warmup", 4, 1, 1), ("linear", 0, 1, 1), ("linear", 4, 1, 1), ("cosine", 0, 1, 1), ("cosine", 0.25, 1, 1),
             ("cosine_with_restarts", 2, 3, 1), ("cosine_with_restarts", 0, 1, 1), ("polynomial", 4, 1, 1), ("polynomial", 0.1, 1, 2.5))


def gradient(n, step):
    d = (G * uniform(f"d {n} {step}", n) ** 3).astype(F)
    if step <= 10:
        d[256:512] = 0
    return d


def start(n):
    return uniform(f"x {n}", n).astype(F)


def search(code, x):
    """Seven halvings from the middle of the sorted codes; then the nearer one of where that ends and its neighbour on x's side."""
    at, above, below = np.full(x.shape, 127), np.full(x.shape, 255), np.zeros(x.shape, int)
    for half in (64, 32, 16, 8, 4, 2, 1):
        right = x > code[at]
        below, above = np.where(right, at, below), np.where(right, above, at)
        at = at + np.where(right, half, -half)
    right = x > code[at]
    up, down = (code[above] + code[at]) * F(0.5), (code[below] + code[at]) * F(0.5)
    return np.where(right, np.where(x > up, above, at), np.where(x < down, below, at))


def pack(code, x, signed):
    blocks = np.pad(x, (0, -len(x) % BLOCK)).reshape(-1, BLOCK)
    largest = np.abs(blocks).max(1)
    with np.errstate(invalid="ignore"):
        c = search(code, (blocks / largest[:, None]).astype(F))
    if signed:
        c -= np.signbit(blocks) & ~np.signbit(code[c])
    c[largest == 0] = 0
    return c.ravel()[: len(x)].astype(np.uint8), largest


def unpack(code, c, largest):
    return code[c] * np.repeat(largest, BLOCK)[: len(c)]


def kernel(n, signed, unsigned):
    x, small = start(n), n < FEWEST
    mean, square = (np.zeros(n, F if small else np.uint8) for _ in range(2))
    mean_largest, square_largest = (np.zeros(-(-n // BLOCK), F) for _ in range(2))
    b1, b2, rate, decay, eps = F(B1), F(B2), F(RATE), F(DECAY), F(EPS)
    for step in range(1, STEPS + 1):
        d = gradient(n, step)
        m, s = (mean, square) if small else (unpack(signed, mean, mean_largest), unpack(unsigned, square, square_largest))
        correction1, correction2 = F(1) - F(np.float64(b1) ** step), np.sqrt(F(1) - F(np.float64(b2) ** step))
        m, s = m * b1 + (F(1) - b1) * d, s * b2 + (F(1) - b2) * d * d
        x = x + (-rate * correction2 / correction1) * (m / (np.sqrt(s) + correction2 * eps))
        x = x * (F(1) - rate * decay)
        mean, square = m, s
        if not small:
            (mean, mean_largest), (square, square_largest) = pack(signed, m, True), pack(unsigned, s, False)
    assert x.dtype == F
    out = {f"x.{n}": x[::8], f"mean.{n}": mean[::8] if small else mean, f"square.{n}": square[::8] if small else square}
    return out if small else out | {f"mean.largest.{n}": mean_largest, f"square.largest.{n}": square_largest}


def library(n, optimizer=AdamW8bit, **more):
    x = torch.nn.Parameter(torch.from_numpy(start(n).copy()))
    o = optimizer([x], lr=RATE, weight_decay=DECAY, eps=EPS, betas=(B1, B2), **more)
    for step in range(1, STEPS + 1):
        x.grad = torch.from_numpy(gradient(n, step))
        o.step()
    return x.detach().numpy(), o.state[x]


def factors(name, warmup, cycles, power):
    steps = 20
    o = torch.optim.SGD([torch.nn.Parameter(torch.zeros(1))], lr=1e-3)
    s = get_scheduler(name, o, num_warmup_steps=int(warmup * steps) if warmup < 1 else warmup, num_training_steps=steps, num_cycles=cycles, power=power)
    out = []
    for _ in range(steps):
        out.append(s.get_last_lr()[0])
        o.step(), s.step()
    return np.array(out)


def main():
    signed, unsigned = (create_dynamic_map(s).numpy() for s in (True, False))
    tensors, told = {"signed": signed, "unsigned": unsigned}, []
    for n in SIZES:
        tensors |= kernel(n, signed, unsigned)
        x, state = library(n)
        off = np.abs(x[::8] - tensors[f"x.{n}"]).max()
        same = " ".join(f"{(state[key].numpy() == tensors[name]).mean():.4f}" for key, name in (("state1", f"mean.{n}"), ("state2", f"square.{n}"))) if n >= FEWEST else "none"
        told.append(f"{n}: x off by at most {off:.2g} after steps of {RATE}, codes equal: {same}")
    x, state = library(300, torch.optim.AdamW)
    tensors |= {"torch.x": x, "torch.mean": state["exp_avg"].numpy(), "torch.square": state["exp_avg_sq"].numpy()}
    for s in SCHEDULES:
        tensors["%s %g %g %g" % s] = factors(*s)
    print("\n".join(told))
    save_file({k: np.ascontiguousarray(v) for k, v in tensors.items()}, os.path.join(OUT, "optimizer.golden"), {"library": "; ".join(told)})


if __name__ == "__main__":
    main()
