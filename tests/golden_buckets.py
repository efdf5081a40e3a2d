#!/usr/bin/env python3
"""Makes tests/golden/buckets.txt: the sizes that kohya's trainer learns pictures at, for tests/test_dataset.c to compare with.

    python tests/golden_buckets.py

A straight reading of its rule (sd-scripts, make_bucket_resolutions and BucketManager.select_bucket), with numpy's argmin over the sorted list.
A line: side least most step no_upscale   width height   bucket's width and height, width and height it is resized to before it is cut
"""
import math
import os
import random

import numpy as np

RULES = [(512, 256, 1024, 64, 0), (768, 256, 1024, 64, 0), (512, 256, 1024, 64, 1), (128, 64, 256, 16, 0), (64, 32, 128, 8, 0), (640, 320, 1280, 8, 1), (512, 256, 1024, 256, 0), (512, 0, 0, 0, 0)]
ODD = [(512, 512), (1, 1), (448, 448), (256, 1024), (1024, 256), (3000, 100), (100, 3000), (4000, 3000), (3000, 4000), (640, 360), (513, 511), (300, 200), (832, 320), (1919, 1080), (1000, 500), (1400, 400)]


def resolutions(side, least, most, step):
    if not step:
        return [(side, side)]
    square = side // step * step
    found = {(square, square)}
    for width in range(least, most + 1, step):
        height = min(most, side * side // width // step * step)
        if height >= least:
            found |= {(width, height), (height, width)}
    return sorted(found)


def to_step(x, step):
    x = int(x + 0.5)
    return x - x % step


def choose(side, least, most, step, no_upscale, width, height):
    aspect = width / height
    if not no_upscale:
        sizes = resolutions(side, least, most, step)
        size = (width, height) if (width, height) in sizes else sizes[np.abs(np.array([w / h for w, h in sizes]) - aspect).argmin()]
        scale = size[1] / height if aspect > size[0] / size[1] else size[0] / width
        return size + (int(width * scale + 0.5), int(height * scale + 0.5))
    resized = (width, height)
    if width * height > side * side:
        w = math.sqrt(side * side * aspect)
        h = side * side / w
        by_w, by_h = to_step(w, step), to_step(h, step)
        h_of_w, w_of_h = to_step(by_w / aspect, step), to_step(by_h * aspect, step)
        if abs(by_w / h_of_w - aspect) < abs(w_of_h / by_h - aspect):
            resized = (by_w, int(by_w / aspect + 0.5))
        else:
            resized = (int(by_h * aspect + 0.5), by_h)
    return (resized[0] - resized[0] % step, resized[1] - resized[1] % step) + resized


def main():
    random.seed(1)
    with open(os.path.join(os.path.dirname(os.path.abspath(__file__)), "golden", "buckets.txt"), "w") as f:
        for rule in RULES:
            shapes = ODD + [tuple(int(2 ** random.uniform(6, 12)) for _ in range(2)) for _ in range(40)]
            for size in shapes:
                if rule[4] and max(size) > 8 * min(size):
                    continue        # there kohya's trainer divides by zero
                print(*rule, *size, *choose(*rule, *size), file=f)


if __name__ == "__main__":
    main()
