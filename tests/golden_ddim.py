"""Writes tests/golden/ddim.inc: diffusers' DDIMScheduler over whole trajectories, for tests/test_ddim.c.

    pip install torch==2.13.0 diffusers==0.42.1

The predicted noise at step i is sin(4 i + k) in element k, the fresh noise cos(4 i + k); x starts as 1, -2, 0.5, 3."""
import os
import torch
from diffusers import DDIMScheduler

CASES = [("scaled_linear", 25, 0.0), ("scaled_linear", 1, 0.0), ("scaled_linear", 45, 0.7), ("scaled_linear", 999, 0.0), ("scaled_linear", 1000, 1.0),
         ("linear", 25, 0.0), ("linear", 45, 0.0), ("linear", 7, 1.0), ("linear", 3, 0.3)]

with open(os.path.join(os.path.dirname(os.path.abspath(__file__)), "golden", "ddim.inc"), "w") as out:
    out.write("/* by tests/golden_ddim.py: betas, steps, eta, first and last timestep, x after the first, the middle and the last step */\n")
    for betas, steps, eta in CASES:
        s = DDIMScheduler(beta_start=0.00085, beta_end=0.012, beta_schedule=betas, steps_offset=1, clip_sample=False,
                          set_alpha_to_one=betas == "linear", timestep_spacing="leading")
        s.set_timesteps(steps)
        times = [min(int(t), 999) for t in s.timesteps]
        x, kept = torch.tensor([1, -2, 0.5, 3]), []
        for i, t in enumerate(times):
            k = torch.arange(4) + 4 * i
            x = s.step(torch.sin(k.double()).float(), t, x, eta=eta, variance_noise=torch.cos(k.double()).float() if eta else None).prev_sample
            kept.append(x)
        rows = ", ".join("{ " + ", ".join("%.9g" % v for v in kept[i]) + " }" for i in (0, steps // 2, steps - 1))
        out.write("    { %s, %d, %g, %d, %d, { %s } },\n" % (betas.upper(), steps, eta, times[0], times[-1], rows))
