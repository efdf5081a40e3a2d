#!/usr/bin/env python3
"""How far do frames i and i + 1 of a long clip differ where the windows of the last step begin or end, and where they do not?

    make && python tests/seams.py [SEEDS]           pip install numpy pillow

Draws 64 and 10 frames with the model in weights/, open and closed, and prints the mean difference of pixels in 1/255 at seams, elsewhere, and at the
joint from the last frame to the first."""
import os
import subprocess
import sys
import tempfile

import numpy as np
from PIL import Image

from golden_windows import windows

ROOT = os.path.dirname(os.path.dirname(os.path.abspath(__file__)))
PROMPT = "portrait of a woman with long blonde hair, light skin, blue eyes, red sweater, beach, happy, wind in the hair"
STEPS = 25


def clip(folder, seed, frames, loop, overlap):
    out = os.path.join(folder, "f.png")
    subprocess.run([os.path.join(ROOT, "persona"), "--prompt", PROMPT, "--seed", str(seed), "--steps", str(STEPS), "--cfg", "4", "--size", "128x128", "--frames", str(frames),
                    "--context", "16", "--closed-loop", loop, "--overlap", str(overlap), "--quiet", "-o", out], check=True, stdout=subprocess.DEVNULL)
    return np.array([np.asarray(Image.open(out.replace(".png", "-%03d.png" % (i + 1))), dtype=float) for i in range(frames)])


def main(seeds):
    for frames, loop, overlap in ((64, "N", 4), (64, "A", 4), (10, "N", 2), (10, "A", 2), (10, "A", 0)):
        at, apart, joint = [], [], []
        found = windows(STEPS - 1, frames, min(frames, 16), 1, overlap, loop)
        seams = {(w[0] - 1) % frames for w in found} | {w[-1] for w in found} if len(found) > 1 else set()
        for seed in range(1, seeds + 1):
            with tempfile.TemporaryDirectory() as folder:
                x = clip(folder, seed, frames, loop, overlap)
            d = np.abs(x - np.roll(x, -1, 0)).mean((1, 2, 3))
            at += [d[i] for i in seams if i < frames - 1]
            apart += [d[i] for i in range(frames - 1) if i not in seams]
            joint.append(d[-1])
        print("%d frames, loop %s, overlap %d: seams %s, elsewhere %.2f (largest %.2f), last to first %.2f"
              % (frames, loop, overlap, "%.2f (largest %.2f)" % (np.mean(at), np.max(at)) if at else "none", np.mean(apart), np.max(apart), np.mean(joint)), flush=True)


if __name__ == "__main__":
    main(int(sys.argv[1]) if sys.argv[1:] else 3)
