#!/usr/bin/env python3
"""Writes tests/golden/tokens_49408.txt and tokens_3514.txt: what transformers' CLIPTokenizer makes of about 2,400 texts.

    python3 tests/golden_tokens.py          (from the root of the repository)
    python3 tests/golden_tokens.py FILE 500 SEED; build/test_tokenizer FILE          500 more texts of each of 20 kinds, to try once

Needs transformers 5.23.0 and tokenizers 0.23.3 under Python 3.11.  The first line of a file says how many rows the
vocabulary has, every other line is

    UTF-8 text in hexadecimal <tab> id id ...
    UTF-8 text in hexadecimal *repeat <tab> #count sum      (sum: of id * place, counted from 1, modulo 2^32)

A text may be no UTF-8; CLIPTokenizer is then given bytes.decode(errors="replace")."""
import random
import sys
import unicodedata
from transformers import CLIPTokenizer

PRINTABLE = [*range(33, 127), *range(161, 173), *range(174, 256)]
MERGES = [tuple(line.split(" ")) for line in open("weights/merges.txt", encoding="utf-8", newline="").read().split("\n")[1:-1]]

CHOSEN = [
    b"", b" ", b"\0", b"a\0b", b"\0\0 \0", b"a photo of a cat", b"A  Photo\tof\r\na CAT", b"\xef\xbb\xbfa byte-order mark",
    *(
        "don't I'M we'll they've he'd it's you're 'S 'say ''s '' ' 'x 'lla a'sb '’s ’s",
        "1girl 2,000 3.14 1/2 ½ ² Ⅷ ٣ 一二 𝟘 10th",
        "a, (b:1.2) [c] <lora:d:0.8> {e|f}_g BREAK --h ... !!! ?!? :) #tag @me $5 100% a/b\\c",
        "naïve café Ångström Å Å Å coöp ﬁ ﬃ ſ K Ω", "İstanbul ISTANBUL ıI i̇ İ İİ", "ΑΣ ΣΑΣ Σ ς σ ΌΣΟΣ",
        "ẞ ß ŉ ǆ ǅ Ǆ ᾈ ᾼ ΐ ΰ Ԁ Ⴀ Ა Ꭰ ꭰ Ⅷ ⓐ Ⓐ 𐐀 𞤀 \ua7ce \ua7cb \u1c89 \U00010d50 \U00016ea0",
        "각 각 ᄀ ᆨ 각 각ᆨ \uac00\u11a7 \u1113\u1161 \uac1c\u11c3 \u1112\u1176 한국어 ᅡ ꥠᅡᆨ", "日本語 テキスト がが ﾊﾟ 丽 豈 豈",
        "กำ ਸ਼ क़ ক়ো ૱ ໄຂ່ ཧྲཱི ཀྵ ဦ", "👩‍👩‍👧‍👦 👍🏽 🇩🇪🇫🇷 1️⃣ ☺️ ☺︎ 🫠 🏴󠁧󠁢󠁥󠁮󠁧󠁿", "\u200b\u200c\u200d\u2060\ufeff\u00ad\u180e",
        "a\u00a0b\u2003c\u3000d\u0085e\u2028f\x1cg\x0bh\u1680i\u202fj",
        "\u0301a e\u0301 e\u0323\u0301 e\u0301\u0323 e\u0334\u0301 q\u0323\u0307 \u1e69 s\u0307\u0323 "
        "\u0344 \u0308\u0301 o\u031b\u0323 \u1eb7\u0334",
        "\u0378 \ue000 \ufdd0 \uffff \U0010ffff \U000e0001 \ufffd",
        "\U0001d15e \U0001d1bb \U00011935\U00011930 \U00011938 \U0001109a \U00011131\U00011127", "<|startoftext|>",
        "<|endoftext|>", "a<|endoftext|>b", "e<|endoftext|>\u0301", "<|startoftext|>\u0301", "<|STARTOFTEXT|>",
        "<|EndOfText|>!!", "!<|ENDOFTEXT|>", "<|startoftext|><|endoftext|><|endoftext|>", "<|<|endoftext|>|>", "<|endoftext",
        "endoftext|>", "<|endoftext|", " <|ENDOFTEXT|>'s <|endoftext|>'s",
        "antidisestablishmentarianism pneumonoultramicroscopicsilicovolcanoconiosis",
        "aaaaaaaaaaaaaaaaa ababababab lolololololol hahahahaha",
    ),
    b"\xff", b"\x80\x80", b"\xc0\xaf", b"\xe0\x80\xaf", b"\xe2\x82", b"\xe2\x82a", b"\xed\xa0\x80",
    b"\xed\xb0\x80\xed\x9f\xbf", b"\xf0\x80\x80\x80", b"\xf0\x9f\x98", b"\xf0\x9f\x98<|endoftext|>",
    b"\xf4\x8f\xbf\xbf\xf4\x90\x80\x80", b"\xf5\xf6\xfe\xff", b"a\xe9b", b"\xf1\x80\x80\xe1\x80\xc2", b"e\xcc\x81\xcc",
    b"\xc3\xc3\xa9",
]
LETTERS = "".join(random.Random(3).choices("abcdefghijklmnopqrstuvwxyz", k=1000))
REPEATED = [("a", 1000000), ("hello", 200000), ("!", 300000), ("é", 100000), ("e\u0323\u0301", 50000), ("<|endoftext|>", 50000),
            ("\u0301\u0323", 100000), (" \n", 100000), ("Ab1'", 30000), (b"\xff", 100000), (LETTERS, 1000)]


def alphabet():
    """CLIP's spelling of bytes: printable Latin-1 as it is, the rest from U+0100 on"""
    rest = [256 + i for i in range(256 - len(PRINTABLE))]
    return [chr(c) for c in PRINTABLE + rest]


def tokenizer(vocabulary):
    merges = MERGES[:vocabulary - 514]
    tokens = alphabet() + [c + "</w>" for c in alphabet()] + [a + b for a, b in merges] + ["<|startoftext|>", "<|endoftext|>"]
    return CLIPTokenizer(vocab={token: i for i, token in enumerate(tokens)}, merges=merges)


def random_texts(seed, each):
    """each texts of every kind that has its own way to go wrong"""
    r = random.Random(seed)
    points = [c for c in range(0x110000) if not 0xD800 <= c < 0xE000]
    marks = [c for c in points if unicodedata.combining(chr(c))]
    whole = [c for c in points if unicodedata.decomposition(chr(c))[:1] not in ("", "<")]
    parts = sorted({ord(x) for c in whole for x in unicodedata.normalize("NFD", chr(c))})
    letters = [c for c in points if c < 0x3400 and unicodedata.category(chr(c))[0] == "L"]
    cased = [c for c in points if chr(c).lower() != chr(c) or chr(c).upper() != chr(c)]
    jamo = [*range(0x1100, 0x1200), *range(0xAC00, 0xAC00 + 28 * 20, 7), *range(0xA960, 0xA97D), *range(0xD7B0, 0xD7FC)]
    emoji = [*range(0x1F300, 0x1F700), *range(0x1F3FB, 0x1F400), 0x200D, 0x200D, 0xFE0F, 0xFE0F,
             *range(0x1F1E6, 0x1F200), 0x20E3, *range(48, 58)]
    spaces = [*range(9, 14), *range(28, 33), 0x85, 0xA0, 0x1680, *range(0x2000, 0x2010), 0x2028, 0x2029,
              0x202F, 0x205F, 0x3000, 0, 0x180E]
    english = "a the portrait Photo of woman MAN don't I'm we'll they've 'S blue-eyed 8k, (best:1.2) naïve 2,000 É".split()
    special = ["<|startoftext|>", "<|endoftext|>", "<|StartOfText|>", "<|ENDOFTEXT|>",
               "<|", "|>", "endoftext", "\u0301", "!", " ", "'s", "a"]
    spelled = [(a + b).replace("</w>", "") for a, b in MERGES]
    byte = dict(zip(alphabet(), PRINTABLE + [b for b in range(256) if b not in PRINTABLE]))

    def some(pool, least, most):
        return "".join(chr(r.choice(pool)) for _ in range(r.randint(least, most)))

    def words(pool, most):
        return "".join(r.choice(pool) for _ in range(r.randint(1, most)))
    kinds = [
        lambda: some(points, 1, 14),
        lambda: some(letters, 1, 20),
        lambda: some(parts, 1, 20),
        lambda: some(whole, 1, 16),
        lambda: some(cased, 1, 16),
        lambda: some(jamo, 1, 16),
        lambda: some(emoji, 1, 12),
        lambda: "".join(some(r.choice((parts, letters)), 1, 1) + some(marks, 0, 4) for _ in range(r.randint(1, 5))),
        lambda: "".join(r.choice("aeiosAEI") + words("\u0301\u0302\u0323\u0327\u0307\u0334\u031b", 4) for _ in range(r.randint(1, 6))),
        lambda: "".join(some(spaces, 1, 3) + r.choice(english) for _ in range(r.randint(1, 5))),
        lambda: "".join(r.choice(english) + r.choice((" ", "", "'", ", ", "\n")) for _ in range(r.randint(2, 10))),
        lambda: some(range(128), 5, 40),
        lambda: words("'’stmdrvleSTMDRVLE 1", 30),
        lambda: words(special, 8),
        lambda: words("abcdefghijklmnopqrstuvwxyz", 40),
        lambda: words(r.choice(("ab", "aeo", "lo", "the")), 60),
        lambda: bytes(byte[c] for _ in range(r.randint(1, 8)) for c in r.choice(spelled)),
        lambda: bytes(r.randrange(256) for _ in range(r.randint(1, 30))),
        lambda: some(points, 2, 8).encode()[r.randint(0, 3):][:-r.randint(1, 3)],
        lambda: words([chr(c) for c in points if 0x4E00 <= c < 0xA000] + ["\u3042", "\u30ac", "\uff21"], 20),
    ]
    return [kind() for _ in range(each) for kind in kinds]


def write(vocabulary, texts, path=None):
    reference = tokenizer(vocabulary)
    with open(path or f"tests/golden/tokens_{vocabulary}.txt", "w", encoding="ascii", newline="\n") as out:
        print(vocabulary, file=out)
        for text, times in texts:
            raw = text if isinstance(text, bytes) else text.encode()
            ids = reference.encode((raw * times).decode(errors="replace"), add_special_tokens=False)
            if times == 1:
                print(raw.hex(), " ".join(map(str, ids)), sep="\t", file=out)
            else:
                print(f"{raw.hex()}*{times}\t#{len(ids)} {sum(i * n for n, i in enumerate(ids, 1)) % 2**32}", file=out)


def main(words):
    if words:
        write(49408, [(text, 1) for text in random_texts(int(words[2]), int(words[1]))], words[0])
        return
    chosen = [(text, 1) for text in CHOSEN]
    write(49408, chosen + REPEATED + [(text, 1) for text in random_texts(1, 100)])
    write(3514, chosen + [(text, 1) for text in random_texts(2, 12)])


if __name__ == "__main__":
    main(sys.argv[1:])
