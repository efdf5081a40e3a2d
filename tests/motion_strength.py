#!/usr/bin/env python3
"""Does more motion strength move more?  Eight prompts with a move, each with one seed, at seven strengths, with the model in weights/.

    pip install numpy pillow
    make && python tests/motion_strength.py [STEPS] [FOLDER]       STEPS: 25; FOLDER: keeps the clips there, and those that are there count

Motion energy is how far the frames are from their average picture: the root of the mean square over the channels of a pixel, averaged over pixels and
frames, in 1/255.  It prints that of each clip, how often it falls from one strength to the next, and the median of the prompts, which must rise.
"""
import os
import subprocess
import sys
import tempfile

import numpy as np
from PIL import Image

ROOT = os.path.dirname(os.path.dirname(os.path.abspath(__file__)))
PROMPTS = ("waving", "turning", "nodding", "wind", "smiling", "talking", "beanie", "night")          # examples/gallery
STRENGTHS = (0, 0.25, 0.5, 0.75, 1, 1.25, 1.5)


def frames(path):
    with Image.open(path) as clip:
        for i in range(clip.n_frames):
            clip.seek(i)
            yield np.asarray(clip.convert("RGB"), float)


def energy(path):
    x = np.stack(list(frames(path)))
    return np.sqrt(((x - x.mean(0)) ** 2).mean(-1)).mean()


def clip(folder, prompt, strength, steps):
    path = os.path.join(folder, f"{prompt}-{strength}.apng")
    if not os.path.exists(path):
        subprocess.run([os.path.join(ROOT, "persona"), os.path.join(ROOT, f"examples/gallery/{prompt}.txt"), "--steps", str(steps), "--no-config", "--quiet",
                        "--state-every", "off", "--motion-strength", str(strength), "-o", path], check=True, stdout=subprocess.DEVNULL)
    return path


def measure(folder, steps):
    table = np.array([[energy(clip(folder, p, s, steps)) for s in STRENGTHS] for p in PROMPTS])
    print("motion strength ", *(f"{s:6g}" for s in STRENGTHS))
    for prompt, row in list(zip(PROMPTS, table)) + [("median", np.median(table, 0))]:
        print(f"{prompt:16}", *(f"{x:6.2f}" for x in row))
    print(f"of {table[:, 1:].size} steps to a higher strength, motion energy fell in {(np.diff(table) < 0).sum()}")
    return (np.diff(np.median(table, 0)) > 0).all()


if __name__ == "__main__":
    steps = int(sys.argv[1]) if len(sys.argv) > 1 else 25
    with tempfile.TemporaryDirectory() as folder:
        sys.exit(0 if measure(sys.argv[2] if len(sys.argv) > 2 else folder, steps) else 1)
