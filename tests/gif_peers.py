#!/usr/bin/env python3
"""Our GIFs beside others' programs.

    python tests/gif_peers.py clip.gif [more.gif ...]
        Do Pillow and ImageMagick show the same frames and delays?
    python tests/gif_peers.py --ffmpeg frames-001.png [other-001.png ...]
        Size and error beside ffmpeg's palettegen and paletteuse.

The frames of a clip are a series as persona writes it (-o frames.png), or a GIF, whose frames are decoded first.
Error: of all pixels of all frames, the root mean square in 255ths; "afar": the same after a 5x5 binomial blur, where
dithering pays.  needs Pillow and numpy; ImageMagick (convert, identify) or ffmpeg; --ffmpeg also a C compiler.
"""
import ctypes
import glob
import io
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
    d = pillow(io.BytesIO(gif))[0].astype(float) - frames
    near, kernel = np.sqrt((d**2).mean()), np.array([1, 4, 6, 4, 1]) / 16
    for axis in (1, 2):
        d = np.apply_along_axis(lambda row: np.convolve(row, kernel, "valid"), axis, d)
    return near, np.sqrt((d**2).mean())


def beside_ffmpeg(paths):
    ours, good = encoder(), True
    for path in paths:
        frames = np.ascontiguousarray(clip(path))
        a, b = ours(frames), ffmpeg(frames)
        (near, afar), (their_near, their_afar) = errors(frames, a), errors(frames, b)
        good &= near <= their_near and len(a) <= 1.1 * len(b)
        print(f"{path}: {len(frames)} frames, {len(a)} bytes, error {near:.2f}, afar {afar:.2f}; "
              f"ffmpeg {len(b)} bytes, error {their_near:.2f}, afar {their_afar:.2f}: "
              f"{len(a) / len(b):.2f} of its size, {near / their_near if their_near else 0:.2f} of its error")
    return good


if sys.argv[1] == "--ffmpeg":
    sys.exit(not beside_ffmpeg(sys.argv[2:]))
sys.exit(not all([alike(path) for path in sys.argv[1:]]))
