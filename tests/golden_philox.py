"""Writes tests/golden/philox.inc: the web UI's "NV" noise, for tests/test_tensor.c, by Philox 4x32-10 as its authors publish it and in whole numbers of any size.

    pip install numpy==2.4.6"""
import os

import numpy as np

WORD = 2**32


def philox(counter, key):
    c, k = list(counter), list(key)
    for _ in range(10):
        a, b = 0xD2511F53 * c[0], 0xCD9E8D57 * c[2]
        c = [b // WORD ^ c[1] ^ k[0], b % WORD, a // WORD ^ c[3] ^ k[1], a % WORD]
        k = [(k[0] + 0x9E3779B9) % WORD, (k[1] + 0xBB67AE85) % WORD]
    return c


def normal(seed, call, i):
    u, v = (np.float64(w) for w in philox((call, 0, i, 0), (seed % WORD, seed // WORD))[:2])
    unit, turn = np.float32(2.3283064e-10), np.float32(2.3283064e-10 * 6.2831855)
    return np.float32(np.sqrt(-2 * np.log(u * unit + unit / 2)) * np.sin(v * turn + turn / 2))


def normals(seed, call, n):
    return np.array([normal(seed, call, i) for i in range(n)])


CASES = [(0, 0, 12), (0, 1, 12), (1, 0, 4096), (1793506252, 3, 16384), (2**32 + 5, 2, 1000), (12192490710448890259, 40, 5000)]


def main():
    # the known answers of Random123's kat_vectors
    assert philox((0,) * 4, (0,) * 2) == [0x6627E8D5, 0xE169C58D, 0xBC57AC4C, 0x9B00DBD8]
    assert philox((WORD - 1,) * 4, (WORD - 1,) * 2) == [0x408F276D, 0x41C83B0E, 0xA20BC7C6, 0x6D5451FD]
    with open(os.path.join(os.path.dirname(os.path.abspath(__file__)), "golden", "philox.inc"), "w") as out:
        out.write("/* by tests/golden_philox.py: seed, call, n, four places, the values there */\n")
        for seed, call, n in CASES:
            at = [0, n // 3, n // 2, n - 1]
            out.write("    { %dull, %d, %d, { %s }, { %s } },\n" % (seed, call, n, ", ".join(map(str, at)), ", ".join("%.9g" % normal(seed, call, i) for i in at)))


if __name__ == "__main__":
    main()
