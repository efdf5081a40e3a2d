#!/usr/bin/env python3
"""Writes base/unicode.c:   python3 tests/unicode_tables.py > base/unicode.c

The tables are what the library behind transformers' CLIPTokenizer does with every code point, found by
asking it, so they hold whatever editions of Unicode its parts were built with (composition 9.0, lower
case 17.0, letters and numbers 16.0 in the version pinned here).  Python's own unicodedata supplies the
numbers that cannot be seen from outside, combining classes and single decomposition steps, and every one
of them is checked against what the library does.

How many columns of a terminal a character takes is not asked of the library: it is East_Asian_Width and
General_Category of Unicode 18.0 (UAX 11), as the package unicodedata2 has them.

Needs Python 3.11 (unicodedata 14.0), tokenizers 0.23.3 and unicodedata2 18.0."""
import unicodedata
import unicodedata2
from tokenizers import Regex, normalizers

NFC = normalizers.NFC().normalize_str
NFD = normalizers.NFD().normalize_str
LOWER = normalizers.Lowercase().normalize_str
POINTS = [c for c in range(0x110000) if not 0xD800 <= c < 0xE000]
HANGUL = range(0xAC00, 0xAC00 + 11172)

HEAD = """\
/* unicode.c - the tables of unicode.h, written by tests/unicode_tables.py; change that script, not this file.
 *
 * The tables hold what the library behind transformers' CLIPTokenizer does with every code point, whatever editions of
 * Unicode its parts were built with.  The script says how it was asked.
 *
 * What is where:   letters, numbers, spaces   ranges of code points           \\p{L}, \\p{N} and \\s
 *                  wide, zero_width           ranges of code points           columns of a terminal, by Unicode 18.0
 *                  classes                    ranges with a combining class   the order of marks
 *                  lower                      ranges with their lower case
 *                  decompositions             whole, first, second            one step of NFD
 *                  compositions               indexes of decompositions       what NFC puts together again
 *
 * The data is derived from the Unicode Character Database, under this licence:
 *"""

LICENSE = """\
UNICODE LICENSE V3

COPYRIGHT AND PERMISSION NOTICE

Copyright © 1991-2026 Unicode, Inc.

NOTICE TO USER: Carefully read the following legal agreement. BY
DOWNLOADING, INSTALLING, COPYING OR OTHERWISE USING DATA FILES, AND/OR
SOFTWARE, YOU UNEQUIVOCALLY ACCEPT, AND AGREE TO BE BOUND BY, ALL OF THE
TERMS AND CONDITIONS OF THIS AGREEMENT. IF YOU DO NOT AGREE, DO NOT
DOWNLOAD, INSTALL, COPY, DISTRIBUTE OR USE THE DATA FILES OR SOFTWARE.

Permission is hereby granted, free of charge, to any person obtaining a
copy of data files and any associated documentation (the "Data Files") or
software and any associated documentation (the "Software") to deal in the
Data Files or Software without restriction, including without limitation
the rights to use, copy, modify, merge, publish, distribute, and/or sell
copies of the Data Files or Software, and to permit persons to whom the
Data Files or Software are furnished to do so, provided that either (a)
this copyright and permission notice appear with all copies of the Data
Files or Software, or (b) this copyright and permission notice appear in
associated Documentation.

THE DATA FILES AND SOFTWARE ARE PROVIDED "AS IS", WITHOUT WARRANTY OF ANY
KIND, EXPRESS OR IMPLIED, INCLUDING BUT NOT LIMITED TO THE WARRANTIES OF
MERCHANTABILITY, FITNESS FOR A PARTICULAR PURPOSE AND NONINFRINGEMENT OF
THIRD PARTY RIGHTS.

IN NO EVENT SHALL THE COPYRIGHT HOLDER OR HOLDERS INCLUDED IN THIS NOTICE
BE LIABLE FOR ANY CLAIM, OR ANY SPECIAL INDIRECT OR CONSEQUENTIAL DAMAGES,
OR ANY DAMAGES WHATSOEVER RESULTING FROM LOSS OF USE, DATA OR PROFITS,
WHETHER IN AN ACTION OF CONTRACT, NEGLIGENCE OR OTHER TORTIOUS ACTION,
ARISING OUT OF OR IN CONNECTION WITH THE USE OR PERFORMANCE OF THE DATA
FILES OR SOFTWARE.

Except as contained in this notice, the name of a copyright holder shall
not be used in advertising or otherwise to promote the sale, use or other
dealings in these Data Files or Software without prior written
authorization of the copyright holder."""


def members(pattern):
    """code points that the regular expression matches"""
    replace = normalizers.Replace(Regex(pattern), "").normalize_str
    return [c for c in POINTS if replace(chr(c)) == ""]


def ranges(points):
    """[3, 4, 5, 9] -> [(3, 5), (9, 9)]"""
    found = []
    for c in points:
        if found and found[-1][1] == c - 1:
            found[-1] = (found[-1][0], c)
        else:
            found.append((c, c))
    return found


def classes():
    """[(first, last, class)] of the code points that the library puts in order"""
    def swaps(a, b):
        return a != b and NFD(chr(a) + chr(b)) == chr(b) + chr(a)
    known = {}
    for c in POINTS:
        if NFD(chr(c)) == chr(c) and (swaps(0x345, c) or swaps(c, 0x334)):      # classes 240 and 1
            known[c] = unicodedata.combining(chr(c))
    one_of = {k: c for c, k in known.items()}
    for c, k in known.items():
        for other, mark in one_of.items():
            assert swaps(mark, c) == (k < other), f"U+{c:04X}: the library does not take it for class {k}"
    rows = []
    for c, k in known.items():
        if rows and rows[-1][1:] == (c - 1, k):
            rows[-1] = (rows[-1][0], c, k)
        else:
            rows.append((c, c, k))
    return rows


def lower():
    """[(first, last, every, to)]"""
    assert LOWER("\u0130") == "i\u0307"
    pairs = [(c, LOWER(chr(c))) for c in POINTS if c != 0x130 and LOWER(chr(c)) != chr(c)]
    assert all(len(s) == 1 for _, s in pairs)
    rows = []
    for c, s in pairs:
        to = ord(s)
        if rows:
            first, last, every, start = rows[-1]
            step = c - last if first == last else every
            if c - last == step and step <= 2 and to - start == c - first:
                rows[-1] = (first, c, step, start)
                continue
        rows.append((c, c, 1, to))
    return rows


def decompositions():
    """[(whole, first, second or 0)] and the indexes of those that the library composes"""
    rows = []
    for c in POINTS:
        if NFD(chr(c)) != chr(c) and c not in HANGUL:
            parts = [int(x, 16) for x in unicodedata.decomposition(chr(c)).split()]
            rows.append((c, *parts, 0)[:3])
    step = {c: chr(a) + (chr(b) if b else "") for c, a, b in rows}

    def full(c):
        return "".join(full(ord(x)) for x in step[c]) if c in step else chr(c)
    assert all(full(c) == NFD(chr(c)) for c in step)
    assert all(b not in step for _, _, b in rows)
    undone = [i for i, (c, a, b) in enumerate(rows) if b and NFC(chr(a) + chr(b)) == chr(c)]
    return rows, sorted(undone, key=lambda i: rows[i][1:])


def zero_width():
    """code points that take no column: marks, what is not seen, and the parts of a Hangul syllable behind its first"""
    hangul = [*range(0x1160, 0x1200), *range(0xD7B0, 0xD800)]
    marks = [c for c in POINTS if unicodedata2.category(chr(c)) in ("Mn", "Me", "Cf") and c != 0xAD]
    return sorted({*marks, *(c for c in hangul if c < 0xD800)})


def wide():
    """code points that take two columns"""
    none = set(zero_width())
    return [c for c in POINTS if unicodedata2.east_asian_width(chr(c)) in "WF" and c not in none]


def table(items):
    """items as lines of at most 120 columns"""
    line, lines = "   ", []
    for item in items:
        if len(line) + len(item) + 2 > 120:
            lines.append(line)
            line = "   "
        line += " " + item + ","
    return "\n".join(lines + [line])


def row(*numbers):
    return "{" + ",".join(f"0x{n:X}" if n > 9 else str(n) for n in numbers) + "}"


def main():
    rows, undone = decompositions()
    cased = (f"{{{row(first, last)},{every},0x{to:X}}}" for first, last, every, to in lower())
    print(HEAD)
    print("\n".join((" * " + line).rstrip() for line in LICENSE.split("\n")) + " */")
    print('#include "unicode.h"')
    assert unicodedata2.unidata_version.startswith("18.0")
    for name, points in (("letters", members(r"\p{L}")), ("numbers", members(r"\p{N}")), ("spaces", members(r"\s")),
                         ("wide", wide()), ("zero_width", zero_width())):
        print(f"\nstatic const UnicodeRange {name}[] = {{\n{table(row(*r) for r in ranges(points))}\n}};")
        print(f"const UnicodeSet unicode_{name} = {{ {name}, sizeof {name} / sizeof *{name} }};")
    for kind, name, items in (("UnicodeClass", "classes", (f"{{{row(a, b)},{k}}}" for a, b, k in classes())),
                              ("UnicodeLower", "lower", cased),
                              ("UnicodeDecomposition", "decompositions", (row(*r) for r in rows)),
                              ("uint16_t", "compositions", (str(i) for i in undone))):
        print(f"\nconst {kind} unicode_{name}[] = {{\n{table(items)}\n}};")
        print(f"const size_t unicode_{name}_count = sizeof unicode_{name} / sizeof *unicode_{name};")


if __name__ == "__main__":
    main()
