#!/usr/bin/env python3
"""Makes the goldens clip_SAMPLER, still_SAMPLER and clip_WINDOWS in tests/golden: whole pictures by diffusers' schedulers, noise and windows, as golden.py
draws them, of the small models.  Of the pictures every eighth row is kept.

    python tests/golden_sampling.py           all cases; packages as in golden.py
    python tests/golden_sampling.py clip_long ...   some"""
import sys

import torch

import golden

SIZE = dict(width=72, height=72)
CASES = {
    "clip_euler_a": dict(model="model_f32", motion="motion_v1", prompt="a man with a red hat smiling", negative="blue", steps=5, cfg=7.0, seed=21, frames=5,
                         sampler="Euler a", schedule="Karras", **SIZE),
    "clip_2m_sde":  dict(model="model_f16", motion="motion_v2", prompt="a woman waving", negative="still", steps=5, cfg=6.0, seed=22, frames=4,
                         sampler="DPM++ 2M SDE", rng="NV", **SIZE),
    "clip_unipc":   dict(model="model_bf16", motion="motion_v3", prompt="a boy talking", negative="", steps=5, cfg=5.0, seed=23, frames=4, sampler="UniPC", **SIZE),
    "clip_plms":    dict(model="model_f32", motion="motion_v1", prompt="a man nodding", negative="grey", steps=6, cfg=2.0, seed=33, frames=4, sampler="PLMS", **SIZE),
    "still_lms":    dict(model="model_bf16", prompt="a boy with a hat", negative="red", steps=6, cfg=5.0, seed=34, sampler="LMS", schedule="Karras", **SIZE),
    "clip_heun":    dict(model="model_f32", motion="motion_v1", prompt="a girl nodding", negative="grey", steps=4, cfg=5.0, seed=24, frames=4, sampler="Heun",
                         **SIZE),
    "clip_2m":      dict(model="model_f32", motion="motion_v1", prompt="a girl nodding", negative="grey", steps=6, cfg=7.0, seed=25, frames=4, sampler="DPM++ 2M", **SIZE),
    "still_euler":  dict(model="model_f16", prompt="a man with a red hat", negative="blue", steps=6, cfg=7.5, seed=26, sampler="Euler", schedule="Exponential",
                         rng="NV", **SIZE),
    "still_lcm":    dict(model="model_f32", prompt="a girl with black hair", negative="", steps=4, cfg=1.0, seed=27, sampler="LCM", **SIZE),
    "still_zero":   dict(model="model_f32", prompt="a dark street", negative="day", steps=6, cfg=4.0, seed=28, sampler="DPM++ 2M", schedule="SGM Uniform",
                         prediction="v", noise_schedule="Zero Terminal SNR", cfg_rescale=0.7, **SIZE),
    "clip_long":    dict(model="model_f32", motion="motion_v1", prompt="a man turning his head", negative="flat", steps=3, cfg=7.5, seed=29, **SIZE,
                         frames=26, sampler="Euler", context=8, overlap=3),
    "clip_closed":  dict(model="model_bf16", motion="motion_v3", prompt="a boy waving", negative="", steps=4, cfg=8.0, seed=30, frames=6, **SIZE,
                         loop="A"),
    "clip_closed_long": dict(model="model_f16", motion="motion_v2", prompt="a woman nodding", negative="", steps=3, cfg=6.0, seed=31, frames=12, **SIZE,
                         sampler="Euler a", rng="NV", context=5, overlap=2, stride=2, loop="A", cfg_rescale=0.4),
    "clip_travel":  dict(model="model_f32", motion="motion_v1", prompt="a man\n2: smiling AND a hat:0.6\n9: sad AND rain:0.6", negative="grey", steps=2, cfg=5.0, seed=32,
                         frames=13, sampler="DPM++ 2M", context=6, overlap=2, loop="A", **SIZE),
}
golden.CASES.update(CASES)

if __name__ == "__main__":
    torch.set_num_threads(2)
    for case in sys.argv[1:] or CASES:
        golden.make(case, picture_only=True, rows=8)
