#!/usr/bin/env python3
"""Are pictures read as others read them?  Random ones, beyond the goldens of tests/golden_pictures.py.

    python tests/picture_peers.py [how many]      needs Pillow, numpy, libjpeg-turbo's cjpeg, a C compiler

JPEG: size, content, quality, sampling, progression and restarts at random, by cjpeg; pixels against Pillow.
PNG: what Pillow writes of every mode it knows, and ours in Pillow, words too.
zlib: streams with bits changed; the verdict, and what was unpacked, against zlib.
"""
import ctypes
import io
import random
import subprocess
import sys
import tempfile
import zlib
from collections import Counter

import numpy as np
from PIL import Image

N = int(sys.argv[1]) if len(sys.argv) > 1 else 500
random.seed(1)
rng = np.random.default_rng(1)
path = tempfile.mktemp(suffix=".so")
sources = [f"image_formats/{name}.c" for name in ("png", "jpeg", "jpeg_arithmetic", "jpeg_pixels", "deflate")]
subprocess.run(["cc", "-std=c11", "-O2", "-shared", "-fPIC", *sources, "-o", path, "-lm"], check=True)
lib, libc = ctypes.CDLL(path), ctypes.CDLL(None)
for name in ("png_decode", "jpeg_decode", "png_encode", "zlib_decompress"):
    getattr(lib, name).restype = ctypes.c_void_p
wrong = []


def read(decode, data):
    w, h, why = ctypes.c_int(), ctypes.c_int(), ctypes.create_string_buffer(128)
    rgb = decode(data, ctypes.c_size_t(len(data)), ctypes.byref(w), ctypes.byref(h), why)
    if not rgb:
        return why.value.decode()
    pixels = np.frombuffer(ctypes.string_at(rgb, 3 * w.value * h.value), np.uint8).reshape(h.value, w.value, 3)
    libc.free(ctypes.c_void_p(rgb))
    return pixels


def compare(what, ours, theirs):
    if isinstance(ours, str) or ours.shape != theirs.shape or not np.array_equal(ours, theirs):
        wrong.append(f"{what}: {ours if isinstance(ours, str) else 'differs'}")


def content():
    w, h = (int(2 ** random.uniform(0, 7)) for _ in range(2))
    if random.random() < 0.5:
        return rng.integers(0, 256, (h, w, 3), dtype=np.uint8)
    y, x = np.mgrid[0:h, 0:w]
    return np.stack([127 + 120 * np.sin(x / 5 + k) * np.cos(y / 7 + 2 * k) for k in range(3)], -1).astype(np.uint8)


def jpeg():
    samplings = ["1x1", "2x1", "1x2", "2x2", "4x1", "1x4", "4x2", "2x4",
                 "2x2,1x2", "2x2,2x1,1x2", "2x2,2x2,1x1", "1x1,2x2,2x2", "2x1,1x1,2x1"]
    rgb = content()
    args = ["cjpeg", "-quality", str(random.choice([5, 30, 75, 95, 100])), "-sample", random.choice(samplings)]
    args += random.choice([[], ["-progressive"]]) + random.choice([[], ["-restart", random.choice(["1", "2B", "5B"])]])
    args += random.choice([[], [], [], ["-grayscale"], ["-rgb"]]) + random.choice([[], ["-optimize"]])
    ppm = b"P6 %d %d 255\n" % rgb.shape[1::-1] + rgb.tobytes()
    made = subprocess.run(args, input=ppm, stdout=subprocess.PIPE, stderr=subprocess.PIPE)
    if made.returncode:                                             # more than ten blocks in a unit
        return 0
    theirs = np.asarray(Image.open(io.BytesIO(made.stdout)).convert("RGB"))
    compare(" ".join(args), read(lib.jpeg_decode, made.stdout), theirs)
    return 1


def png():
    mode = random.choice(["1", "L", "LA", "P", "RGB", "RGBA"])
    im, f = Image.fromarray(content()).convert(mode), io.BytesIO()
    if mode in ("LA", "RGBA"):
        im.putalpha(Image.fromarray(content()).convert("L").resize(im.size))
    im.save(f, "PNG", **random.choice([{}, {"optimize": True}, {"compress_level": random.randint(0, 9)}]))
    rgba = np.asarray(im.convert("RGBA")).astype(int)
    c, a = rgba[..., :3], rgba[..., 3:]
    over_white = ((c * a + 255 * (255 - a) + 127) // 255).astype(np.uint8)
    compare(f"PNG, mode {mode}", read(lib.png_decode, f.getvalue()), over_white)


def written():
    rgb, n = content(), ctypes.c_size_t()
    words = random.choice(["a portrait\nSteps: 25, Size: 128x128", "ein Bär, \N{SNOWMAN}, \N{CAT FACE}\nSteps: 1",
                           "café \x7f", ""])
    pixels = rgb.ctypes.data_as(ctypes.c_void_p)
    at = lib.png_encode(pixels, rgb.shape[1], rgb.shape[0], words.encode(), ctypes.byref(n))
    im = Image.open(io.BytesIO(ctypes.string_at(at, n.value)))
    libc.free(ctypes.c_void_p(at))
    compare("a PNG of ours in Pillow", np.asarray(im.convert("RGB")), rgb)
    if im.info.get("parameters") != words:
        wrong.append(f"words come out as {im.info.get('parameters')!r}")


def stream():
    strategies = [zlib.Z_DEFAULT_STRATEGY, zlib.Z_FIXED, zlib.Z_HUFFMAN_ONLY, zlib.Z_RLE]
    packer = zlib.compressobj(random.randint(0, 9), zlib.DEFLATED, 15, 9, random.choice(strategies))
    noise = rng.integers(0, random.choice([2, 9, 256]), random.randint(0, 300), dtype=np.uint8)
    data = bytearray(packer.compress(bytes(noise) * 2) + packer.flush())
    for _ in range(random.randint(0, 3)):
        data[random.randrange(len(data))] ^= 1 << random.randrange(8)
    room, n, got = 100000, len(data), ctypes.c_size_t()
    to = ctypes.create_string_buffer(room)
    why = lib.zlib_decompress(bytes(data), ctypes.c_size_t(n), to, ctypes.c_size_t(room), ctypes.byref(got))
    ours = ctypes.string_at(why).decode() if why else "good"
    theirs, unpacked, d = "good", b"", zlib.decompressobj()
    try:
        unpacked = d.decompress(bytes(data))
        theirs = "good" if d.eof else "refused"
    except zlib.error as e:
        theirs = "a wrong checksum" if "data check" in str(e) else "refused"
    kind = ours if ours in ("good", "a wrong checksum") else "refused"
    if kind != theirs or (theirs == "good" and unpacked != to.raw[: got.value]):
        wrong.append(f"stream {bytes(data).hex()}: {ours}, zlib's verdict {theirs}")
    return theirs


jpegs = sum(jpeg() for _ in range(N))
for _ in range(N):
    png(), written()
verdicts = Counter(stream() for _ in range(100 * N))
print(f"{jpegs} JPEG, {N} PNG read and {N} written, {100 * N} zlib streams {dict(verdicts)}: {len(wrong)} differ")
print("\n".join(wrong[:20]))
sys.exit(bool(wrong))
