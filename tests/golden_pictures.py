"""Small PNG and JPEG files and their pixels -> tests/golden/pictures.golden.

    python tests/golden_pictures.py       needs Pillow, numpy, opencv-python-headless, safetensors, and libjpeg-turbo's cjpeg

PNG files are written here row by row, so that every colour type, depth, filter, interlacing and kind of deflate block is
there; their pixels are worked out from the values written, and must be what Pillow reads (OpenCV where Pillow drops bits).
JPEG files are written by Pillow and cjpeg, their pixels are Pillow's. Resized pictures are Pillow's.
"""
import io
import struct
import subprocess
import zlib

import cv2
import numpy as np
from PIL import Image, ImageOps
from PIL.PngImagePlugin import PngInfo
from safetensors.numpy import save_file

rng = np.random.default_rng(7)
out, why = {}, {}
ADAM7 = [(0, 0, 8, 8), (4, 0, 8, 8), (0, 4, 4, 8), (2, 0, 4, 4), (0, 2, 2, 4), (1, 0, 2, 2), (0, 1, 1, 2)]
CHANNELS = {0: 1, 2: 3, 3: 1, 4: 2, 6: 4}


def scene(w, h):
    """waves, an edge and some noise: [h, w, 3]"""
    y, x = np.mgrid[0:h, 0:w]
    s = np.stack([127 + 90 * np.sin(x / 4 + k) * np.cos(y / 5 - k) + 30 * (x + 2 * y > w) for k in range(3)], -1)
    return np.clip(s + rng.normal(0, 6, s.shape), 0, 255).astype(np.uint8)


# ---- PNG -----------------------------------------------------------------------------------------

def chunk(kind, data):
    return struct.pack(">I", len(data)) + kind + data + struct.pack(">I", zlib.crc32(kind + data))


def filtered(row, above, bpp, f):
    left = np.concatenate([np.zeros(bpp, np.int64), row[:-bpp]]) if len(row) > bpp else np.zeros(len(row), np.int64)
    corner = np.concatenate([np.zeros(bpp, np.int64), above[:-bpp]]) if len(row) > bpp else np.zeros(len(row), np.int64)
    p = left + above - corner
    a, b, c = abs(p - left), abs(p - above), abs(p - corner)
    paeth = np.where((a <= b) & (a <= c), left, np.where(b <= c, above, corner))
    return bytes([f]) + ((row - [0, left, above, (left + above) // 2, paeth][f]) % 256).astype(np.uint8).tobytes()


def rows_of(values, depth):
    """values: [h, w, channels] -> each row packed"""
    for row in values.reshape(len(values), -1):
        if depth == 16:
            yield np.frombuffer(row.astype(">u2").tobytes(), np.uint8).astype(np.int64)
        elif depth == 8:
            yield row.astype(np.int64)
        else:
            bits = (row[:, None] >> np.arange(depth - 1, -1, -1)) & 1
            yield np.packbits(bits.reshape(-1).astype(np.uint8)).astype(np.int64)


def png(values, kind, depth, interlaced=False, before=b"", level=9, strategy=zlib.Z_DEFAULT_STRATEGY, pieces=1, flushed=False):
    h, w = values.shape[:2]
    bpp = max(1, CHANNELS[kind] * depth // 8)
    raw = b""
    for x, y, dx, dy in ADAM7 if interlaced else [(0, 0, 1, 1)]:
        part = values[y::dy, x::dx]
        if not part.size:
            continue
        above = None
        for i, row in enumerate(rows_of(part, depth)):
            raw += filtered(row, np.zeros_like(row) if above is None else above, bpp, (i + x + y) % 5)
            above = row
    packer = zlib.compressobj(level, zlib.DEFLATED, 15, 9, strategy)
    half = len(raw) // 2                                            # between them an empty stored block
    data = packer.compress(raw[:half]) + (packer.flush(zlib.Z_FULL_FLUSH) if flushed else b"") + packer.compress(raw[half:]) + packer.flush()
    cuts = [len(data) * i // pieces for i in range(pieces + 1)]
    idat = b"".join(chunk(b"IDAT", data[a:b]) for a, b in zip(cuts, cuts[1:]))
    head = struct.pack(">IIBBBBB", w, h, depth, kind, 0, 0, int(interlaced))
    return b"\x89PNG\r\n\x1a\n" + chunk(b"IHDR", head) + before + idat + chunk(b"IEND", b"")


def expected(values, kind, depth, palette=None, alphas=None, key=None):
    """[h, w, 3] over white; 16 bits rounded"""
    v = values.astype(np.int64)
    to8 = lambda x: (x * 510 + (1 << depth) - 1) // (2 * ((1 << depth) - 1))
    if kind == 3:
        c = palette[v[..., 0]]
        a = alphas[v[..., 0]] if alphas is not None else np.full(v.shape[:2], 255)
    else:
        n = 1 if kind in (0, 4) else 3
        c = to8(v[..., :n]) * np.ones(3, np.int64)
        a = to8(v[..., n]) if kind in (4, 6) else np.where((v == key).all(-1), 0, 255) if key is not None else np.full(v.shape[:2], 255)
    a = a[..., None]
    return ((c * a + 255 * (255 - a)) * 2 + 255) // 510


def check_by_others(data, rgb, depth, kind, key):
    if depth == 16 and kind != 0:                                   # Pillow keeps the high bytes only
        raw = cv2.imdecode(np.frombuffer(data, np.uint8), cv2.IMREAD_UNCHANGED).astype(np.int64)
        if key is not None and raw.shape[2] == 3:
            return                                                  # OpenCV does not know the key
        c = (raw[..., 2::-1] * 510 + 65535) // 131070
        a = (raw[..., 3:] * 510 + 65535) // 131070 if raw.shape[2] == 4 else 255
    elif key is not None and kind == 0 and depth != 8:
        return                                                      # Pillow compares it with the 8 bits it has made
    elif depth == 16:
        c, a = (np.asarray(Image.open(io.BytesIO(data))).astype(np.int64)[..., None] * 510 + 65535) // 131070, 255
    else:
        rgba = np.asarray(Image.open(io.BytesIO(data)).convert("RGBA")).astype(np.int64)
        c, a = rgba[..., :3], rgba[..., 3:]
    assert np.array_equal(((c * a + 255 * (255 - a)) * 2 + 255) // 510 + np.zeros(3, np.int64), rgb), "others read it differently"


def add_png(name, kind, depth, w=11, h=9, palette=None, alphas=None, key=None, **how):
    most = 1 << depth
    values = rng.integers(0, most, (h, w, CHANNELS[kind]))
    if depth >= 8 and kind != 3:                                    # something that packs, and repeats
        values[h // 2:, : w // 2] = most // 3
    if kind in (4, 6):
        values[:2, :, -1], values[2:4, :, -1] = 0, most - 1
    before = b""
    if kind == 3:
        palette = rng.integers(0, 256, (most, 3))
        before += chunk(b"PLTE", palette.astype(np.uint8).tobytes())
        if alphas is not None:
            alphas = np.concatenate([rng.integers(0, 256, alphas), np.full(most - alphas, 255)])
            before += chunk(b"tRNS", alphas.astype(np.uint8).tobytes())
    if key:
        key = values[1, 1].copy()
        before += chunk(b"tRNS", key.astype(">u2").tobytes())
    else:
        key = None
    data, rgb = png(values, kind, depth, before=before, **how), expected(values, kind, depth, palette, alphas, key)
    check_by_others(data, rgb, depth, kind, key)
    out[f"png.{name}"], out[f"png.{name}.rgb"] = np.frombuffer(data, np.uint8), rgb.astype(np.uint8)


for kind, depths in {0: (1, 2, 4, 8, 16), 2: (8, 16), 3: (1, 2, 4, 8), 4: (8, 16), 6: (8, 16)}.items():
    for depth in depths:
        for interlaced in (False, True):
            add_png(f"type {kind}, {depth} bits{', interlaced' if interlaced else ''}", kind, depth, interlaced=interlaced)
for w, h in ((1, 1), (2, 1), (1, 5), (3, 3), (5, 2)):
    add_png(f"{w}x{h}, interlaced", 0, 1, w, h, interlaced=True)
for kind, depth in ((0, 1), (0, 4), (0, 8), (0, 16), (2, 8), (2, 16)):
    add_png(f"type {kind}, {depth} bits, a transparent colour", kind, depth, key=True)
add_png("palette, some transparent", 3, 4, alphas=7)
add_png("stored", 2, 8, level=0)
add_png("fixed codes", 2, 8, strategy=zlib.Z_FIXED)
add_png("no repeats", 2, 8, strategy=zlib.Z_HUFFMAN_ONLY)
add_png("runs", 0, 8, 30, 20, strategy=zlib.Z_RLE)
add_png("in pieces", 2, 8, pieces=9)
add_png("flushed", 2, 8, flushed=True)
small = rng.integers(0, 256, (2, 3, 3))
good = png(small, 2, 8)
apple = good[:8] + chunk(b"CgBI", b"\0\0\0\0") + good[8:]
for name, data, reason in (
        ("no picture", good[:33] + chunk(b"IEND", b""), "no picture in it"),
        ("a palette that is missing", png(small[..., :1] % 4, 3, 2), "palette is missing"),
        ("too long a palette", png(small[..., :1], 3, 8, before=chunk(b"PLTE", b"abc" * 257)), "PLTE has 771 bytes"),
        ("an unknown chunk", good[:33] + chunk(b"ABCD", b"x") + good[33:], "unknown type ABCD"),
        ("Apple's", apple, "CgBI where it may not stand"),
        ("a second header", good[:33] + good[8:], "IHDR where it may not stand"),
        ("a transparent colour after the data", good[:-12] + chunk(b"tRNS", b"\0" * 6) + good[-12:], "tRNS where it may not stand"),
        ("too large", good[:16] + struct.pack(">II", 16385, 16384) + good[24:29] + struct.pack(">I", zlib.crc32(good[12:16] + struct.pack(">II", 16385, 16384) + good[24:29])) + good[33:], "at most 268435456 pixels"),
        ("too short", png(small[:1], 2, 8).replace(struct.pack(">II", 3, 1), struct.pack(">II", 3, 2)), "wrong CRC in a chunk IHDR"),
        ("a row too many", None, "more than there should be"),
        ("a row too few", None, "expected 20"),
):
    if data is None:
        rows = {"a row too many": 3, "a row too few": 1}[name]
        data = good[:33] + chunk(b"IDAT", zlib.compress(b"\0" * 10 * rows)) + good[-12:]
    out[f"refuse.png, {name}"], why[f"refuse.png, {name}"] = np.frombuffer(data, np.uint8), reason


for name, words, zipped in (("tEXt", "a portrait, caf\xe9\nSteps: 25", False), ("zTXt", "a portrait, caf\xe9\nSteps: 25", True), ("iTXt", "a \u732b\nSteps: 25", False),
                            ("iTXt, packed", "a \u732b\nSteps: 25", True)):
    info, f = PngInfo(), io.BytesIO()
    info.add_text("parameters", words, zip=zipped)
    Image.fromarray(small.astype(np.uint8)).save(f, "PNG", pnginfo=info)
    assert Image.open(f).info["parameters"] == words
    out[f"text.{name}"], why[f"text.{name}"] = np.frombuffer(f.getvalue(), np.uint8), words

# ---- zlib streams that were changed, and zlib's verdict ------------------------------------------

def dynamic_block(literals, distances, message):
    """a zlib stream of one block: code lengths of both alphabets, then (alphabet, symbol) or (bits, value)"""
    bits, order = [], [16, 17, 18, 0, 8, 7, 9, 6, 10, 5, 11, 4, 12, 3, 13, 2, 14, 1, 15]
    put = lambda value, n: bits.extend(value >> i & 1 for i in range(n))
    put(1, 1), put(2, 2), put(len(literals) - 257, 5), put(len(distances) - 1, 5), put(15, 4)
    for s in order:
        put(4 if s < 16 else 0, 3)                                  # the lengths 0 to 15, each in 4 bits
    for n in literals + distances:
        bits.extend(n >> i & 1 for i in (3, 2, 1, 0))
    for what, value in message:
        if isinstance(what, int):
            put(value, what)
            continue
        code = sum(1 << (what[value] - n) for s, n in enumerate(what) if n and (n, s) < (what[value], value))
        bits.extend(code >> i & 1 for i in range(what[value] - 1, -1, -1))
    data = np.packbits(np.array(bits, np.uint8), bitorder="little").tobytes()
    return b"\x78\x9c" + data + b"\0\0\0\0"


streams, verdicts = [], []
lit = [0] * 286
lit[65], lit[66], lit[256], lit[257] = 2, 2, 2, 2
over, under, alone = lit[:], lit[:], [0] * 286
over[67], under[66], alone[256] = 2, 0, 1
crafted = [dynamic_block(l, d, [(l, 65), (l, 257), (1, 0), (l, 256)]) for l, d in (
    (lit, [1]), (lit, [0, 1]), (lit, [2]), (lit, [1, 1, 1]), (lit, [1] + [0] * 29), (lit, [1] + [0] * 30), (over, [1]), (under, [1]), (lit + [0], [1]))]
crafted += [dynamic_block(lit, [0], [(lit, 65), (lit, 256)]), dynamic_block(alone, [0], [(alone, 256)]), dynamic_block(lit, [0], [(lit, 65), (lit, 257), (1, 0)])]
for i in range(4000):
    packer = zlib.compressobj(9, zlib.DEFLATED, 15, 9, [zlib.Z_DEFAULT_STRATEGY, zlib.Z_FIXED][i % 8 == 0])
    data = bytearray(packer.compress(bytes(rng.integers(0, [4, 40][i % 2], 40, dtype=np.uint8)) * 2) + packer.flush())
    if i < len(crafted):
        data = crafted[i]
    for _ in range(1 + i % 3 if i >= len(crafted) else 0):
        data[rng.integers(0, min(len(data), 30))] ^= 1 << rng.integers(0, 8)
    try:
        verdict = "good" if zlib.decompress(bytes(data)) is not None else ""
    except zlib.error as e:
        verdict = "good" if "incorrect data check" in str(e) else "early" if "incomplete" in str(e) else "bad"
    if verdicts.count("gbe".index(verdict[0])) < 100:
        streams.append(bytes(data))
        verdicts.append("gbe".index(verdict[0]))
print("zlib:", *map(verdicts.count, range(3)))
out["zlib.streams"] = np.frombuffer(b"".join(struct.pack("<BB", len(s), v) + s for s, v in zip(streams, verdicts)), np.uint8)


# ---- JPEG ----------------------------------------------------------------------------------------

def add_jpeg(name, data, turn=False):
    im = Image.open(io.BytesIO(data))
    rgb = np.asarray((ImageOps.exif_transpose(im) if turn else im).convert("RGB"))
    out[f"jpeg.{name}"], out[f"jpeg.{name}.rgb"] = np.frombuffer(data, np.uint8), rgb


def cjpeg(rgb, *args):
    return subprocess.run(["cjpeg", *args], input=b"P6 %d %d 255\n" % rgb.shape[1::-1] + rgb.tobytes(), check=True, stdout=subprocess.PIPE).stdout


def pillow(rgb, **how):
    f = io.BytesIO()
    Image.fromarray(rgb).save(f, "JPEG", **how)
    return f.getvalue()


wide = scene(27, 19)
for i, sampling in enumerate(("1x1", "2x1", "1x2", "2x2", "4x1", "1x4", "4x2", "2x4", "2x2,1x2", "2x2,2x1,1x2", "1x1,2x2,2x2")):
    add_jpeg(f"baseline {sampling}", cjpeg(wide, "-quality", str(90 - 5 * i), "-optimize", "-sample", sampling))
for sampling in ("1x1", "2x1", "1x2", "2x2", "4x1"):
    add_jpeg(f"progressive {sampling}", cjpeg(wide, "-quality", "85", "-progressive", "-sample", sampling))
add_jpeg("Pillow's", pillow(wide, quality=75))
add_jpeg("Pillow's progressive", pillow(wide, quality=95, progressive=True, optimize=True))
add_jpeg("quality 100", pillow(rng.integers(0, 256, (17, 17, 3), dtype=np.uint8), quality=100, subsampling=0))
add_jpeg("grey", pillow(wide[..., 1], quality=80))
add_jpeg("grey progressive", pillow(wide[..., 1], quality=80, progressive=True))
add_jpeg("grey 2x2", cjpeg(wide, "-grayscale", "-sample", "2x2"))
add_jpeg("restarts", cjpeg(wide, "-restart", "1B"))
add_jpeg("restarts by row, progressive", cjpeg(wide, "-restart", "1", "-progressive"))
add_jpeg("stored as RGB", cjpeg(wide, "-rgb", "-optimize"))
for w, h in ((1, 1), (2, 3), (3, 2), (5, 17)):
    add_jpeg(f"{w}x{h}", cjpeg(scene(w, h), "-optimize"))
for way in range(2, 9):
    exif = Image.Exif()
    exif[0x0112] = way
    add_jpeg(f"turned {way}", pillow(wide[:9, :14], quality=60, exif=exif, optimize=True), turn=True)
exif = Image.Exif()
exif[0x010F], exif[0x0112] = "maker", 6
f = io.BytesIO()
Image.fromarray(wide[:5, :7]).save(f, "PNG", exif=exif)
out["png.turned by EXIF"], out["png.turned by EXIF.rgb"] = np.frombuffer(f.getvalue(), np.uint8), np.asarray(ImageOps.exif_transpose(Image.open(f)).convert("RGB"))

plain = cjpeg(wide, "-optimize")
sof = plain.index(b"\xff\xc0")
twice = plain[:-2] + plain[plain.index(b"\xff\xda"):]
for name, data, reason in (
        ("lossless", plain[:sof + 1] + b"\xc3" + plain[sof + 2:], "lossless"),
        ("hierarchical", plain[:sof + 1] + b"\xc5" + plain[sof + 2:], "hierarchical"),
        ("12 bits", plain[:sof + 4] + b"\x0c" + plain[sof + 5:], "12 bits"),
        ("no height", plain[:sof + 5] + b"\0\0" + plain[sof + 7:], "at least 1x1"),
        ("too large", plain[:sof + 5] + b"\xff\xff\xff\xff" + plain[sof + 9:], "at most 268435456 pixels"),
        ("three to two", plain[:sof + 11] + b"\x31" + plain[sof + 12:sof + 14] + b"\x21" + plain[sof + 15:], "expected a divisor"),
        ("the same twice", twice, "brings again"),
        ("no scan", plain[:plain.index(b"\xff\xda")] + b"\xff\xd9", "the scan of component 1 is missing"),
        ("nothing", b"\xff\xd8\xff\xd9", "no picture"),
        ("no end", plain[:-2], "ends early"),
        ("a scan cut short", plain[:-12] + b"\xff\xd9", "ends early"),
        ("no Huffman tables", plain[:plain.index(b"\xff\xc4")] + plain[plain.index(b"\xff\xda"):], "Motion JPEG"),
):
    out[f"refuse.jpeg, {name}"], why[f"refuse.jpeg, {name}"] = np.frombuffer(data, np.uint8), reason
for name, data, reason in (("a GIF", b"GIF89a......", "is a GIF"), ("a HEIC", b"\0\0\0\x18ftypheic", "is a HEIC"),
                           ("text", b"a portrait", "is no picture")):
    out[f"refuse.{name}"], why[f"refuse.{name}"] = np.frombuffer(data, np.uint8), reason


# ---- other sizes ---------------------------------------------------------------------------------

source = scene(29, 23)
source[5:9, 3:20] = 255
source[9:12] = 0
out["size.source"] = source
for name, f in (("box", Image.Resampling.BOX), ("lanczos", Image.Resampling.LANCZOS)):
    for w, h in ((10, 8), (14, 23), (29, 7), (1, 1), (31, 33), (5, 30)):
        out[f"size.{name} {w} {h}"] = np.asarray(Image.fromarray(source).resize((w, h), f))
        assert out[f"size.{name} {w} {h}"].shape == (h, w, 3)
for w, h in ((16, 16), (8, 24), (40, 16)):
    scale = max(w / 29, h / 23)
    big = (w if w / 29 == scale else int(29 * scale + 0.5), h if h / 23 == scale else int(23 * scale + 0.5))
    x, y = (big[0] - w) // 2, (big[1] - h) // 2
    out[f"size.cover {w} {h}"] = np.asarray(Image.fromarray(source).resize(big, Image.Resampling.LANCZOS).crop((x, y, x + w, y + h)))

save_file({k: np.ascontiguousarray(v) for k, v in out.items()}, "tests/golden/pictures.golden", why)
print(len(out), "tensors,", sum(v.nbytes for v in out.values()), "bytes")
