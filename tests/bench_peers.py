#!/usr/bin/env python3
"""The same work by this program, PyTorch and OpenVINO in one run: python tests/bench_peers.py [unet] [clip] [vae] [upscaler] [rrdb]

    pip install what golden.py wants, spandrel for the upscalers, and openvino==2026.4 to have it in the table

Models are golden.py's, in Stable Diffusion 1.5's shapes, with random weights; each row is one call: the guidance pair of the
UNet at 512x512, the pair of 16 frames of 256x256 with mm_sd_v15's module, a VAE decode of 512x512.  Seconds are the median
of three calls after one to warm up (one of one for the clip).  Ratios are to this program's float32.
"""
import re
import subprocess
import sys
import time

import torch

import golden
import golden_full

ROWS = {"unet": (2, 64, 3), "clip": (32, 32, 1), "vae": (1, 64, 3), "upscaler": (1, 128, 5), "rrdb": (1, 128, 3)}


def seconds(call, runs):
    call()
    times = []
    for _ in range(runs):
        start = time.time()
        call()
        times.append(time.time() - start)
    return sorted(times)[runs // 2]


class Unet(torch.nn.Module):
    """Only tensors in and out, so that every peer takes it."""

    def __init__(self, unet):
        super().__init__()
        self.unet = unet

    def forward(self, x, t, text):
        return self.unet(x, t, text, return_dict=False)[0]


class Decoder(torch.nn.Module):
    def __init__(self, vae):
        super().__init__()
        self.vae = vae

    def forward(self, z):
        return self.vae.decode(z, return_dict=False)[0]


def model_of(row):
    n, side, _ = ROWS[row]
    if row == "vae":
        return Decoder(golden.vae_model(golden_full.FULL)).eval(), (torch.randn(n, 4, side, side),)
    if row == "upscaler":
        from spandrel.architectures.Compact.__arch.SRVGG import SRVGGNetCompact
        return SRVGGNetCompact(num_in_ch=3, num_out_ch=3, num_feat=64, num_conv=16, upscale=4).eval(), (torch.rand(n, 3, side, side),)
    if row == "rrdb":
        from spandrel.architectures.ESRGAN.__arch.RRDB import RRDBNet
        return RRDBNet(in_nc=3, out_nc=3, num_filters=64, num_blocks=23, scale=4).eval(), (torch.rand(n, 3, side, side),)
    unet = golden.unet_model(golden_full.FULL)
    if row == "clip":
        motion = golden.Motion(golden_full.FULL["unet"], 24, False)
        unet.motion = motion
        motion.attach(unet, 16)
    return Unet(unet).eval(), (torch.randn(n, 4, side, side), torch.tensor(500.0), torch.randn(n, 77, golden_full.FULL["text"]))


def by_torch(row, dtype):
    model, inputs = model_of(row)
    model, inputs = model.to(dtype), [x.to(dtype) for x in inputs]
    with torch.no_grad():
        return seconds(lambda: model(*inputs), ROWS[row][2])


def by_openvino(row, precision):
    import openvino
    model, inputs = model_of(row)
    with torch.no_grad():
        converted = openvino.convert_model(model, example_input=inputs)
    del model
    compiled = openvino.Core().compile_model(converted, "CPU", {"INFERENCE_PRECISION_HINT": precision, "PERFORMANCE_HINT": "LATENCY"})
    arrays = [x.numpy() for x in inputs]
    return seconds(lambda: compiled(arrays), ROWS[row][2])


def by_program(row, words):
    text = subprocess.run(["build/bench", f"{row} {words}"], check=True, stdout=subprocess.PIPE, text=True).stdout
    return float(re.search(r"([\d.]+) s median", text).group(1))


def main(rows):
    subprocess.run(["make", "-s", "build/bench"], check=True)
    peers = [("this program, f32", lambda r: by_program(r, "")), ("this program, bf16", lambda r: by_program(r, "bf16")),
             ("PyTorch, f32", lambda r: by_torch(r, torch.float32)), ("PyTorch, bf16", lambda r: by_torch(r, torch.bfloat16))]
    try:
        import openvino
        peers += [(f"OpenVINO {openvino.__version__[:6]}, f32", lambda r: by_openvino(r, "f32")), ("OpenVINO, bf16", lambda r: by_openvino(r, "bf16"))]
    except ImportError:
        print("OpenVINO is not installed: left out")
    for row in rows:
        own = None
        for name, measure in peers:
            s = measure(row)
            own = own or s
            print(f"{row:5} {name:24} {s:7.2f} s   x {s / own:.2f}", flush=True)


main([w for w in sys.argv[1:] if w in ROWS] or list(ROWS))
