#!/usr/bin/env python3
"""What does the face pass do to a face?  Puts portraits into larger canvases, and draws these with and without it.

    python3 tests/face_pass.py [--portraits N] [--canvas 192] [--head 80] [--strength 0.2] [--passes 0.1 0.2 0.4] [--frames 4]

Each portrait of examples/yumin stands at another place of a canvas in the colour of its corner, which is drawn from (Init image).  For each
picture, without the pass and with each strength of it, a line says:

    found     where the box is, and how much of the portrait's head is inside of it
    alike     the correlation of the pixels of the head with those of the portrait, and their PSNR in dB
    shift     by how many pixels the head matches the one without the pass best: across, down
    flicker   of a clip, the mean change of a pixel from frame to frame, of 255, in the head and in the rest, which stands still

The head is the middle of the upper half of the portrait.  Needs pillow and numpy.  It draws with ./persona, and prints what it measured.
"""
import argparse
import os
import re
import subprocess
import sys
import tempfile

import numpy as np
from PIL import Image, ImageSequence

SHIFTS = 6


def canvas(portrait, size, head, left, top):
    ground = Image.new("RGB", (size, size), portrait.getpixel((2, 2)))
    ground.paste(portrait.resize((head, head), Image.LANCZOS), (left, top))
    return ground


def frames_of(path):
    with Image.open(path) as picture:
        return [np.asarray(f.convert("RGB"), dtype=np.float64) for f in ImageSequence.Iterator(picture)]


def draw(folder, init, options):
    out = os.path.join(folder, "drawn.apng")
    command = ["./persona", "--prompt", "portrait of a woman with purple hair, happy", "--init", init, "--upscaler", "None", "--seed", "1",
               "--steps", "20", "--overwrite", "--fresh", "-o", out, *options]
    if os.path.exists(out):
        os.remove(out)
    run = subprocess.run(command, stderr=subprocess.PIPE, stdout=subprocess.DEVNULL, text=True)
    if run.returncode:
        sys.exit(run.stderr)
    found = re.search(r"^face: (\d+)x\d+ pixels at (\d+),(\d+)", run.stderr, re.MULTILINE)
    large = re.search(r"the face fills (\d+)x", run.stderr)
    why = f"{large[1]} pixels, which is too large to draw anew" if large else "nothing"
    return frames_of(out), found and [int(x) for x in found.groups()], why


def correlation(x, y):
    return np.corrcoef(x.ravel(), y.ravel())[0, 1]


def psnr(x, y):
    return 10 * np.log10(255 ** 2 / max(np.mean((x - y) ** 2), 1e-9))


def part(picture, box, dx=0, dy=0):
    left, top, right, bottom = box
    return picture[top + dy:bottom + dy, left + dx:right + dx]


def shift(before, after, box):
    places = [(dx, dy) for dx in range(-SHIFTS, SHIFTS + 1) for dy in range(-SHIFTS, SHIFTS + 1)]
    return max(places, key=lambda p: correlation(part(before, box), part(after, box, *p)))


def flicker(frames, box):
    if len(frames) < 2:
        return None
    change = np.mean([np.abs(a - b) for a, b in zip(frames, frames[1:])], axis=0).mean(axis=2)
    inside = np.zeros(change.shape, dtype=bool)
    part(inside, box)[:] = True
    return change[inside].mean(), change[~inside].mean()


def inside_of(found, box):
    side, left, top = found
    across = max(0, min(left + side, box[2]) - max(left, box[0]))
    down = max(0, min(top + side, box[3]) - max(top, box[1]))
    return 100 * across * down / ((box[2] - box[0]) * (box[3] - box[1]))


def measure(name, portrait, place, options, folder):
    left, top = place
    init = os.path.join(folder, "canvas.png")
    picture = canvas(portrait, options.canvas, options.head, left, top)
    picture.save(init)
    wanted = np.asarray(picture, dtype=np.float64)
    quarter = options.head // 4
    box = (left + quarter, top + quarter // 2, left + 3 * quarter, top + 5 * quarter // 2)
    settings = ["--size", f"{options.canvas}x{options.canvas}", "--strength", str(options.strength), "--frames", str(options.frames)]
    before = None
    for strength in [0.0, *options.passes]:
        frames, found, why = draw(folder, init, [*settings, "--face-pass", str(strength)])
        before = frames[0] if before is None else before
        where = why if strength else "not asked for"
        if found:
            where = f"{found[0]} pixels at {found[1]},{found[2]}, {inside_of(found, box):.0f}% of the head"
        said = f"{name} at {left},{top}, face pass {strength:g}: found {where}; alike {correlation(part(frames[0], box), part(wanted, box)):.3f}, "
        said += f"{psnr(part(frames[0], box), part(wanted, box)):.1f} dB; shift {'%d,%d' % shift(before, frames[0], box)}"
        moves = flicker(frames, box)
        print(said + (f"; flicker {moves[0]:.2f} in the head, {moves[1]:.2f} in the rest" if moves else ""), flush=True)


def main():
    words = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    words.add_argument("--portraits", type=int, default=3)
    words.add_argument("--canvas", type=int, default=192)
    words.add_argument("--head", type=int, default=80)
    words.add_argument("--strength", type=float, default=0.2)
    words.add_argument("--passes", type=float, nargs="+", default=[0.1, 0.2, 0.4])
    words.add_argument("--frames", type=int, default=1)
    options = words.parse_args()
    random = np.random.default_rng(1)
    folder = "examples/yumin"
    names = sorted(f for f in os.listdir(folder) if f.endswith(".png"))[:options.portraits]
    with tempfile.TemporaryDirectory() as scratch:
        for name in names:
            # as far from the edges as a shift needs
            place = random.integers(SHIFTS, options.canvas - options.head - SHIFTS, size=2)
            with Image.open(os.path.join(folder, name)) as portrait:
                measure(name, portrait.convert("RGB"), [int(x) for x in place], options, scratch)


if __name__ == "__main__":
    main()
