#!/usr/bin/env python3
"""Makes the goldens of motion strength, as golden.py draws them: the keys of temporal attention are multiplied, all alike, and frame by frame in windows.
Of the pictures every eighth row is kept.

    python tests/golden_motion_strength.py           both cases; packages as in golden.py"""
import sys

import torch

import golden

CASES = {
    "clip_strength":  dict(model="model_f32", motion="motion_v1", prompt="a boy talking", negative="", steps=4, cfg=5.0, seed=51, frames=4, motion_strength="1.5",
                           width=64, height=64),
    "clip_strengths": dict(model="model_f32", motion="motion_v1", prompt="a woman waving", negative="still", steps=4, cfg=6.0, seed=52, frames=6, context=4,
                           overlap=2, motion_strength="1: 0.25, 4: 3", sampler="Euler", width=64, height=72),
}
golden.CASES.update(CASES)

if __name__ == "__main__":
    torch.set_num_threads(1)
    for case in sys.argv[1:] or CASES:
        golden.make(case, picture_only=True, rows=8)
