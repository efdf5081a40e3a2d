"""Writes tests/golden/windows.inc: the context windows of the schedule "uniform", for tests/test_windows.c.

They are stated here once more, by the rules of sd-webui-animatediff: call t shifts all windows by
round(frames * ordered_halving(t)); closed loop N puts the last and the first window in the place of those that wrap
around the end.  No packages are needed."""
import math
import os


def ordered_halving(t):
    """t's 64 bits reversed, as a fraction of 2^64"""
    return sum(((t >> i) & 1) << (63 - i) for i in range(64)) / 2**64


def windows(call, frames, length, stride, overlap, loop):
    if length >= frames and loop != "A":
        return [list(range(frames))]
    out, fraction = [], ordered_halving(call)
    for level in range(min(stride, math.ceil(math.log2(frames / length)) + 1)):
        by = 2**level
        shift = round(frames * fraction)
        end = frames + shift - (0 if loop == "A" else overlap)
        starts = list(range(int(fraction * by) + shift, end, length * by - overlap))
        found = [[(s + i * by) % frames for i in range(length)] for s in starts]
        if loop == "N" and level == 0:
            straight = [w for w in found if w == sorted(w)]
            if len(straight) < len(found):
                last_and_first = list(range(frames - length, frames)), list(range(length))
                straight += [w for w in last_and_first if w not in straight]
            found = straight
        out += found
    return out


CASES = [(frames, length, stride, overlap, loop) for frames, length, stride, overlap in
         ((32, 16, 1, 4), (64, 16, 1, 4), (33, 16, 1, 4), (20, 16, 1, 8), (48, 24, 2, 6), (100, 16, 3, 4),
          (17, 16, 1, 0), (40, 8, 2, 7))
         for loop in ("N", "R-P", "R+P", "A")]
CASES += [(16, 16, 1, 4, "N"), (16, 16, 1, 4, "A"), (16, 16, 1, 0, "A"), (5, 5, 1, 1, "A"), (2, 2, 3, 1, "A"),
          (1, 1, 1, 0, "N")]
LOOPS = {"N": "OPEN", "R-P": "REDUCED", "R+P": "REDUCED_WITH_PROMPTS", "A": "CLOSED"}


def main():
    with open(os.path.join(os.path.dirname(os.path.abspath(__file__)), "golden", "windows.inc"), "w") as out:
        out.write("/* by tests/golden_windows.py: frames, length, overlap, stride, loop, call, how many windows, "
                  "their hash */\n")
        for frames, length, stride, overlap, loop in CASES:
            for call in (0, 1, 2, 3, 6, 11, 24):
                found, h = windows(call, frames, length, stride, overlap, loop), 2166136261
                for w in found:
                    for e in w:
                        h = (h ^ e) * 16777619 % 2**32
                out.write('    { { %d, %d, %d, %d, %s }, %d, %d, 0x%08xu },\n'
                          % (frames, length, overlap, stride, LOOPS[loop], call, len(found), h))


if __name__ == "__main__":
    main()
