#!/usr/bin/env python3
"""Makes tests/golden/elements.inc: what torch and gguf read from the types of number in files of weights.

    pip install torch==2.13.0 gguf==0.19.0 numpy==2.4.6

Each line is type, number of values, their bytes, and the values as the bits of float32 (NaN as 0x7fc00000).
"""
import os

import gguf
import numpy as np
import torch

OUT = os.path.join(os.path.dirname(os.path.abspath(__file__)), "golden", "elements.inc")


def line(name, stored, values):
    bits = np.where(np.isnan(values), np.uint32(0x7FC00000), values.astype(np.float32).view(np.uint32))
    return "    { %s, %d, { %s }, { %s } },\n" % (name, bits.size, ", ".join(map(str, stored)), ", ".join(map(hex, bits)))


with open(OUT, "w") as f:
    f.write("/* by tests/golden_elements.py: type, count, bytes, values */\n")
    every = torch.arange(256, dtype=torch.uint8)
    for name, t in (("F8_E4M3", torch.float8_e4m3fn), ("F8_E5M2", torch.float8_e5m2)):
        f.write(line(name, every.numpy(), every.view(t).float().numpy()))
    numbers = [0, 1, -1, 77, -128, 127]
    for name, t in (("I8", np.int8), ("I16", np.int16), ("I32", np.int32), ("I64", np.int64), ("F64", np.float64)):
        stored = np.array(numbers, t)
        f.write(line(name, stored.view(np.uint8), stored.astype(np.float32)))
    values = (np.sin(np.arange(96) * 1.7) * np.linspace(0.01, 3, 96)).astype(np.float32).reshape(1, 96)
    for name in ("Q4_0", "Q4_1", "Q5_0", "Q5_1", "Q8_0"):
        kind = gguf.GGMLQuantizationType[name]
        stored = gguf.quants.quantize(values, kind)
        f.write(line(name, stored.reshape(-1), gguf.quants.dequantize(stored, kind).reshape(-1)))
    # gguf writes none of these, but reads them: bytes all over, and scales that are halves of a sane size
    for i, (name, size, scales) in enumerate((("Q2_K", 84, (80, 82)), ("Q3_K", 110, (108,)), ("Q4_K", 144, (0, 2)), ("Q5_K", 176, (0, 2)), ("Q6_K", 210, (208,)))):
        stored = ((np.arange(size, dtype=np.uint64) + np.uint64(1000 * i + 1)) * np.uint64(0x9E3779B97F4A7C15) >> np.uint64(56)).astype(np.uint8)
        for k, at in enumerate(scales):
            stored[at:at + 2] = np.array([0.0123 + 0.004 * k], np.float16).view(np.uint8)
        f.write(line(name, stored, gguf.quants.dequantize(stored.reshape(1, size), gguf.GGMLQuantizationType[name]).reshape(-1)))
