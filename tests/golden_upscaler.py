#!/usr/bin/env python3
"""Makes tests/golden/upscaler.golden: pictures as spandrel's modules make them larger, and recipes of the weights, in the spellings that files have.

    python tests/golden_upscaler.py         packages: torch, safetensors, spandrel 0.4.2

    upscaler_NAME.weights      the recipe of a file of weights (hash_weights.c)
    upscaler.golden            NAME.x [h,w,3] in 0..1, NAME.y [h scale,w scale,3], in float64 until they are stored
"""
import os

import numpy as np
import torch
from golden import OUT, Line, uniform
from safetensors.torch import save_file
from spandrel import ModelLoader
from spandrel.architectures.Compact.__arch.SRVGG import SRVGGNetCompact

HEIGHT, WIDTH = 9, 7


def convolution(name, out, inputs, side=3, bias=True):
    lines = [(f"{name}.weight", (out, inputs, side, side), 0, 1.4 / (inputs * side * side) ** 0.5)]
    return lines + [(f"{name}.bias", (out,), 0, 0.1)] if bias else lines


def compact(nf, convs, scale, prelu=True):
    lines = []
    for i in range(convs + 1):
        lines += convolution(f"body.{2 * i}", nf, nf if i else 3)
        if prelu:
            lines.append((f"body.{2 * i + 1}.weight", (nf,), 0.2, 0.3))
    return lines + convolution(f"body.{2 * convs + 2}", 3 * scale * scale, nf)


def rrdb(names, nf, blocks, ups, inputs=3, plus=False):
    """names: conv_first, body, rdb, a convolution in it, conv_body, conv_up, conv_hr, conv_last"""
    first, body, rdb, conv, trunk, up, hr, last = names
    lines = convolution(first, nf, inputs)
    for b in range(blocks):
        for d in (1, 2, 3):
            p = f"{body.format(b)}.{rdb}{d}"
            for k in range(1, 6):
                lines += convolution(f"{p}.{conv.format(k)}", 32 if k < 5 else nf, nf + 32 * (k - 1))
            if plus:
                lines += convolution(f"{p}.conv1x1", 32, nf, side=1, bias=False)
    lines += convolution(trunk.format(blocks), nf, nf)
    for i in range(ups):
        lines += convolution(up.format(i + 1, 3 * (i + 1)), nf, nf)
    return lines + convolution(hr.format(2 + 3 * ups), nf, nf) + convolution(last.format(4 + 3 * ups), 3, nf)


NEW = "conv_first", "body.{0}", "rdb", "conv{0}", "conv_body", "conv_up{0}", "conv_hr", "conv_last"
TRUNK = "conv_first", "RRDB_trunk.{0}", "RDB", "conv{0}", "trunk_conv", "upconv{0}", "HRconv", "conv_last"
OLD = "model.0", "model.1.sub.{0}", "RDB", "conv{0}.0", "model.1.sub.{0}", "model.{1}", "model.{0}", "model.{0}"

# wrapper, dtype, tensors
CASES = {
    "compact_4x": ("params.", "F32", compact(32, 3, 4)),
    "compact_2x": ("", "F16", compact(24, 5, 2)),
    "compact_1x": ("", "F32", compact(16, 2, 1)),
    "compact_relu": ("", "F32", compact(32, 2, 2, prelu=False)),
    "rrdb_4x": ("params_ema.", "F32", rrdb(NEW, 32, 2, 2)),
    "rrdb_2x": ("params_ema.", "BF16", rrdb(NEW, 32, 1, 2, inputs=12)),
    "rrdb_1x": ("", "F32", rrdb(NEW, 32, 1, 2, inputs=48)),
    "rrdb_trunk": ("module.", "F32", rrdb(TRUNK, 32, 1, 2)),
    "esrgan_4x": ("", "F32", rrdb(OLD, 32, 2, 2)),
    "esrgan_2x": ("", "F32", rrdb(OLD, 32, 1, 1)),
    "esrgan_1x": ("state_dict.", "F32", rrdb(OLD, 32, 1, 0)),
    "esrgan_8x": ("", "F32", rrdb(OLD, 16, 1, 3)),
    "esrgan_plus": ("", "F32", rrdb(OLD, 32, 1, 2, plus=True)),
}


def lines_of(wrapper, dtype, tensors):
    lines = [Line(wrapper + name, dtype, shape, offset, scale) for name, shape, offset, scale in tensors]
    if wrapper == "params_ema.":        # what the training saw last is not what people use
        lines += [Line("params." + name, dtype, shape, 0, 1) for name, shape, _, _ in tensors if "conv_first" in name or "conv_last" in name]
    return lines


def network_of(name, wrapper, lines):
    state = {l.name[len(wrapper):]: l.tensor() for l in lines if l.name.startswith(wrapper)}
    if name != "compact_relu":
        return ModelLoader().load_from_state_dict(state).model.double()
    network = SRVGGNetCompact(num_in_ch=3, num_out_ch=3, num_feat=32, num_conv=2, upscale=2, act_type="relu")
    network.load_state_dict(state)
    return network.double()


def main():
    torch.set_num_threads(2)
    out = {}
    for name, (wrapper, dtype, tensors) in CASES.items():
        lines = lines_of(wrapper, dtype, tensors)
        with open(os.path.join(OUT, f"upscaler_{name}.weights"), "w") as f:
            f.write("\n".join(map(str, lines)) + "\n")
        x = torch.from_numpy(uniform(f"{name}.x", HEIGHT * WIDTH * 3) / 2 + 0.5).reshape(HEIGHT, WIDTH, 3)
        with torch.no_grad():
            y = network_of(name, wrapper, lines)(x.permute(2, 0, 1)[None])[0].permute(1, 2, 0)
        out |= {f"{name}.x": x.float(), f"{name}.y": y.float().contiguous()}
        print(name, tuple(y.shape), f"{y.min():.3f} .. {y.max():.3f}, mean square {np.sqrt((y ** 2).mean().item()):.3f}")
    save_file(out, os.path.join(OUT, "upscaler.golden"))


if __name__ == "__main__":
    main()
