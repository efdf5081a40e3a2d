#!/usr/bin/env python3
"""Does a GIF open alike elsewhere?  Compares two other decoders' frames, delays and loop.

    python tests/gif_peers.py prompt.gif [more.gif ...]        needs Pillow and ImageMagick (convert, identify)
"""
import subprocess
import sys

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
    raw = subprocess.run(["convert", path, "-coalesce", "-depth", "8", "rgb:-"], check=True, stdout=subprocess.PIPE).stdout
    text = subprocess.run(["identify", "-format", "%T\n", path], check=True, stdout=subprocess.PIPE, text=True).stdout
    return np.frombuffer(raw, np.uint8).reshape(shape), [int(line) for line in text.split()]


good = True
for path in sys.argv[1:]:
    frames, delays, loop = pillow(path)
    other, other_delays = imagemagick(path, frames.shape)
    alike = np.array_equal(frames, other) and delays == other_delays
    good &= alike and loop == 0
    print(f"{path}: {len(frames)} frames of {frames.shape[2]}x{frames.shape[1]}, delays {delays} hundredths, loop {loop}: "
          f"Pillow and ImageMagick {'agree' if alike else 'DIFFER'}")
sys.exit(not good)
