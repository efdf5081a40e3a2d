"""Writes tests/golden/randn.inc: what torch.randn gives, for tests/test_tensor.c.    pip install torch==2.13.0"""
import os
import torch

CASES = [(0, 4), (1, 5), (42, 15), (42, 16), (7, 17), (1793506252, 1024), (12192490710448890259, 1000), (3683541395, 16384), (99, 100003)]
with open(os.path.join(os.path.dirname(os.path.abspath(__file__)), "golden", "randn.inc"), "w") as out:
    out.write("/* by tests/golden_randn.py: seed, n, four places, torch's values there */\n")
    for seed, n in CASES:
        torch.manual_seed(seed)
        x = torch.randn(n)
        at = [0, n // 3, n // 2, n - 1]
        places, values = ", ".join(map(str, at)), ", ".join("%.9g" % x[i].item() for i in at)
        out.write("    { %dull, %d, { %s }, { %s } },\n" % (seed, n, places, values))
