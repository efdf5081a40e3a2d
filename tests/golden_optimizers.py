#!/usr/bin/env python3
"""Makes tests/golden/optimizers.golden: what Lion, Adafactor, Prodigy and D-Adaptation make of some steps, by their own packages, for
tests/test_optimizer.c to compare with.

    python tests/golden_optimizers.py          packages as in golden.py, and lion-pytorch, prodigyopt, dadaptation

Tensor i of SHAPES begins as u("x i"), the second one as zeros, as a LoRA's up matrix does.  Its gradient in step s = 1 .. STEPS is
0.1 u("d i s")^3 + 0.05 (x - u("goal i")), so it depends on where the parameters are.  u as in golden.py.  All in float32, as they are trained.

    NAME ARGUMENTS [all elements] F32      the tensors after the steps, one after the other: NAME as kohya has it, ARGUMENTS as --optimizer_args, with the
                                           rate as its first: "lr=1 decouple=True"; "warmup=5" too is the schedule's, not the optimizer's
    d NAME ARGUMENTS [STEPS] F64           the estimate after each step, of those that find the rate themselves
    schedule NAME WARMUP CYCLES TIMESCALE RATIO DECAY [20] F64         the factors of transformers' get_scheduler, for 20 steps
"""
import ast
import os

import numpy as np
import torch
from dadaptation import DAdaptAdam, DAdaptLion
from golden import OUT, uniform
from lion_pytorch import Lion
from prodigyopt import Prodigy
from safetensors.numpy import save_file
from transformers.optimization import Adafactor, get_scheduler

STEPS = 40
SHAPES = ((6, 20), (20, 6), (7,), (4, 3, 3, 3), (5, 4, 1, 1))
CLASSES = {c.__name__: c for c in (Lion, Adafactor, Prodigy, DAdaptAdam, DAdaptLion)}
CASES = (
    "Lion lr=1e-3",
    "Lion lr=1e-3 weight_decay=0.5 betas=0.95,0.98",
    "Lion lr=1e-3 weight_decay=0.001 decoupled_weight_decay=True",
    "Adafactor lr=None",
    "Adafactor lr=None warmup_init=True beta1=0.9",
    "Adafactor lr=1e-2 relative_step=False scale_parameter=False weight_decay=0.1",
    "Adafactor lr=1e-2 relative_step=False warmup=5 clip_threshold=0.5 decay_rate=-0.5 eps=1e-20,1e-2",
    "Prodigy lr=1",
    "Prodigy lr=1 weight_decay=0.1 decouple=True use_bias_correction=True safeguard_warmup=True d_coef=2 warmup=5",
    "Prodigy lr=0.5 weight_decay=0.1 decouple=False beta3=0.9 growth_rate=1.2 betas=0.8,0.99",
    "DAdaptAdam lr=1",
    "DAdaptAdam lr=1 weight_decay=0.1 decouple=True use_bias_correction=True growth_rate=1.5 warmup=5",
    "DAdaptAdam lr=1 weight_decay=0.1 betas=0.8,0.99 d0=1e-4",
    "DAdaptLion lr=1",
    "DAdaptLion lr=1 weight_decay=0.1 betas=0.8,0.95 d0=1e-4",
)

SCHEDULES = (("inverse_sqrt", 0, 1, 0, 0, 0), ("inverse_sqrt", 4, 1, 0, 0, 0), ("inverse_sqrt", 4, 1, 9, 0, 0), ("cosine_with_min_lr", 3, 1, 0, 0.1, 0),
             ("cosine_with_min_lr", 0, 3, 0, 0.25, 0), ("warmup_stable_decay", 4, 1, 0, 0.1, 6), ("warmup_stable_decay", 0, 2, 0, 0, 10))


def factors(name, warmup, cycles, timescale, ratio, decay):
    """num_cycles as kohya's trainer gives it: half of lr_scheduler_num_cycles."""
    steps, o = 20, torch.optim.SGD([torch.nn.Parameter(torch.zeros(1))], lr=1.0)
    more = {"inverse_sqrt": {"timescale": timescale or None}, "cosine_with_min_lr": {"num_cycles": cycles / 2, "min_lr_rate": ratio},
            "warmup_stable_decay": {"num_cycles": cycles / 2, "min_lr_ratio": ratio, "num_decay_steps": decay}}[name]
    s = get_scheduler(name, o, num_warmup_steps=warmup, num_training_steps=steps, scheduler_specific_kwargs=more)
    out = []
    for _ in range(steps):
        out.append(s.get_last_lr()[0])
        o.step(), s.step()
    return np.array(out)


def start(i):
    n = int(np.prod(SHAPES[i]))
    x = np.zeros(n) if i == 1 else uniform(f"x {i}", n)
    return torch.nn.Parameter(torch.from_numpy(x.astype(np.float32)).reshape(SHAPES[i]))


def gradient(p, i, step):
    n = p.numel()
    noise = (0.1 * uniform(f"d {i} {step}", n) ** 3).astype(np.float32)
    goal = uniform(f"goal {i}", n).astype(np.float32)
    return torch.from_numpy(noise).reshape(p.shape) + 0.05 * (p.detach() - torch.from_numpy(goal).reshape(p.shape))


def run(case):
    name, *arguments = case.split()
    args = {k: ast.literal_eval(v) for k, v in (a.split("=") for a in arguments)}
    warmup = args.pop("warmup", 0)
    rate = args["lr"]
    params = [start(i) for i in range(len(SHAPES))]
    optimizer = CLASSES[name](params, **args)
    estimates = []
    for step in range(1, STEPS + 1):
        if rate is not None:
            factor = (step - 1) / warmup if step - 1 < warmup else 1
            optimizer.param_groups[0]["lr"] = rate * factor
        for i, p in enumerate(params):
            p.grad = gradient(p, i, step)
        optimizer.step()
        estimates.append(optimizer.param_groups[0].get("d", 1))
    return torch.cat([p.detach().flatten() for p in params]).numpy(), np.array(estimates, np.float64)


def main():
    tensors = {}
    for case in CASES:
        x, estimates = run(case)
        tensors[case] = x
        if "Prodigy" in case or "DAdapt" in case:
            tensors["d " + case] = estimates
        print(case, "|", estimates[-1], np.abs(x).max())
    for s in SCHEDULES:
        tensors["schedule %s %g %g %g %g %g" % s] = factors(*s)
    save_file(tensors, os.path.join(OUT, "optimizers.golden"))


if __name__ == "__main__":
    main()
