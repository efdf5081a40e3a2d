#!/usr/bin/env python3
"""Our GIFs beside others' programs.

    python tests/gif_peers.py clip.gif [more.gif ...]
        Do Pillow and ImageMagick show the same frames and delays?
    python tests/gif_peers.py --ffmpeg frames-001.png [other-001.png ...]
        Size and error beside ffmpeg's palettegen and paletteuse.
    GIFSKI=path/of/gifski python tests/gif_peers.py --gifski [--double] frames-001.png [other-001.png ...]
        Size, error and flicker beside gifski at quality 90; --double: of frames of twice the size, by Lanczos.
        (npm pack gifski has a binary of version 1.7.1.)

The frames of a clip are a series as persona writes it (-o frames.png), or a GIF, whose frames are decoded first.
Error: of all pixels of all frames, the root mean square in 255ths; "afar": the same after a 5x5 binomial blur, where
dithering pays.  Flicker: the mean change of pixels whose source changes by at most 2/255 to the next frame.
needs Pillow and numpy; ImageMagick (convert, identify), or ffmpeg or gifski and a C compiler.
"""
import ctypes
import glob
import io
import os
import re
import subprocess
import sys
import tempfile

import numpy as np
from PIL import Image, ImageSequence


def pillow(path):
    with Image.open(path) as im:
        frames = [np.asarray(f.convert("RGB")) for f in ImageSequence.Iterator(im)]
        im.seek(0)
        delays = []
        for i in range(im.n_frames):
            im.seek(i)
            delays.append(round(im.info.get("duration", 0) / 10))
        return np.stack(frames), delays, im.info.get("loop")


def imagemagick(path, shape):
    coalesce = ["convert", path, "-coalesce", "-depth", "8", "rgb:-"]
    raw = subprocess.run(coalesce, check=True, stdout=subprocess.PIPE).stdout
    text = subprocess.run(["identify", "-format", "%T\n", path], check=True, stdout=subprocess.PIPE, text=True).stdout
    return np.frombuffer(raw, np.uint8).reshape(shape), [int(line) for line in text.split()]


def alike(path):
    frames, delays, loop = pillow(path)
    other, other_delays = imagemagick(path, frames.shape)
    agree = np.array_equal(frames, other) and delays == other_delays
    print(f"{path}: {len(frames)} frames of {frames.shape[2]}x{frames.shape[1]}, "
          f"delays {delays} hundredths, loop {loop}: Pillow and ImageMagick {'agree' if agree else 'DIFFER'}")
    return agree and loop == 0


def clip(path):
    if path.endswith(".gif"):
        return pillow(path)[0]
    files = sorted(glob.glob(re.sub(r"\d+\.png$", "*.png", path)))
    return np.stack([np.asarray(Image.open(f).convert("RGB")) for f in files])


def encoder():
    lib = tempfile.mktemp(suffix=".so")
    sources = ["gif.c", "image_formats/palette.c"]
    cc = ["cc", "-std=c11", "-O2", "-shared", "-fPIC", "-Iimage_formats"]
    subprocess.run([*cc, *sources, "-o", lib, "-lm"], check=True)
    encode = ctypes.CDLL(lib).gif_encode
    encode.restype = ctypes.c_void_p

    def ours(frames):
        size = ctypes.c_size_t()
        n, h, w, _ = frames.shape
        gif = encode(frames.ctypes.data_as(ctypes.c_void_p), n, w, h, ctypes.c_double(8), None, ctypes.byref(size))
        return ctypes.string_at(gif, size.value)
    return ours


def ffmpeg(frames):
    n, h, w, _ = frames.shape
    source = ["-f", "rawvideo", "-pix_fmt", "rgb24", "-s", f"{w}x{h}", "-r", "8", "-i", "-"]
    filters = ["-filter_complex", "split[a][b];[a]palettegen[p];[b][p]paletteuse"]
    return subprocess.run(["ffmpeg", "-v", "error", *source, *filters, "-f", "gif", "-"],
                          input=frames.tobytes(), stdout=subprocess.PIPE, check=True).stdout


def errors(frames, gif):
    shown = pillow(io.BytesIO(gif))[0].astype(float)
    d, still = shown - frames, np.abs(np.diff(frames.astype(int), axis=0)).max(-1) <= 2
    flicker = np.abs(np.diff(shown, axis=0)[still]).mean() if still.any() else 0
    near, kernel = np.sqrt((d**2).mean()), np.array([1, 4, 6, 4, 1]) / 16
    for axis in (1, 2):
        d = np.apply_along_axis(lambda row: np.convolve(row, kernel, "valid"), axis, d)
    return near, np.sqrt((d**2).mean()), flicker


def beside_ffmpeg(paths):
    ours, good = encoder(), True
    for path in paths:
        frames = np.ascontiguousarray(clip(path))
        a, b = ours(frames), ffmpeg(frames)
        (near, afar, _), (their_near, their_afar, _) = errors(frames, a), errors(frames, b)
        good &= near <= their_near and len(a) <= 1.1 * len(b)
        print(f"{path}: {len(frames)} frames, {len(a)} bytes, error {near:.2f}, afar {afar:.2f}; "
              f"ffmpeg {len(b)} bytes, error {their_near:.2f}, afar {their_afar:.2f}: "
              f"{len(a) / len(b):.2f} of its size, {near / their_near if their_near else 0:.2f} of its error")
    return good


def gifski(frames):
    with tempfile.TemporaryDirectory() as folder:
        names = [f"{folder}/{i:04}.png" for i in range(len(frames))]
        for name, frame in zip(names, frames):
            Image.fromarray(frame).save(name)
        command = [os.environ.get("GIFSKI", "gifski"), "-q", "-Q", "90", "-r", "8", "-W", str(frames.shape[2])]
        subprocess.run([*command, "-o", f"{folder}/out.gif", *names], check=True)
        with open(f"{folder}/out.gif", "rb") as file:
            return file.read()


def doubled(frames):
    size = (2 * frames.shape[2], 2 * frames.shape[1])
    return np.stack([np.asarray(Image.fromarray(f).resize(size, Image.LANCZOS)) for f in frames])


def beside_gifski(paths):
    ours, good, double = encoder(), True, paths[0] == "--double"
    for path in paths[double:]:
        frames = np.ascontiguousarray(doubled(clip(path)) if double else clip(path))
        a, b = ours(frames), gifski(frames)
        mine, theirs = (len(a), *errors(frames, a)), (len(b), *errors(frames, b))
        good &= all(x <= y for x, y in zip(mine, theirs))
        parts = [f"{x / y if y else 0:.2f} of its {name}"
                 for x, y, name in zip(mine, theirs, ("size", "error", "error afar", "flicker"))]
        print(f"{path}: {frames.shape[2]}x{frames.shape[1]}, {len(a)} bytes, gifski {len(b)}: {', '.join(parts)}")
    return good


if sys.argv[1] == "--gifski":
    sys.exit(not beside_gifski(sys.argv[2:]))
if sys.argv[1] == "--ffmpeg":
    sys.exit(not beside_ffmpeg(sys.argv[2:]))
sys.exit(not all([alike(path) for path in sys.argv[1:]]))
