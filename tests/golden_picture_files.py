#!/usr/bin/env python3
"""Small WebP, BMP and rare JPEG files, and settings inside pictures -> tests/golden/picture_files.golden.

    python tests/golden_picture_files.py       needs Pillow 13, numpy, safetensors, and cwebp 1.2, cjpeg and jpegtran

Each file is a tensor of bytes. Its metadata says what it holds:
    webp.*, bmp.*, jpeg.*    "WIDTH HEIGHT CRC-32" of the pixels that Pillow reads, put over white, the right way up
    settings.*               the text that was stored in it; empty where there are only words that are no settings
    refuse.*                 a part of the reason
"""
import io
import struct
import subprocess
import tempfile
import zlib
from xml.sax.saxutils import escape

import numpy as np
from PIL import Image, ImageOps
from safetensors.numpy import save_file

rng = np.random.default_rng(11)
out, meta = {}, {}


def scene(w, h, channels=3):
    """waves, an edge and some noise: [h, w, channels]"""
    y, x = np.mgrid[0:h, 0:w]
    s = np.stack([127 + 100 * np.sin(x / 4 + k) * np.cos(y / 5 - k) + 40 * (x + 2 * y > w) for k in range(channels)], -1)
    return np.clip(s + rng.normal(0, 4, s.shape), 0, 255).astype(np.uint8)


def over_white(im):
    rgba = np.asarray(im.convert("RGBA")).astype(int)
    c, a = rgba[..., :3], rgba[..., 3:]
    return ((c * a + 255 * (255 - a) + 127) // 255).astype(np.uint8)


def add(name, data, rgb=None):
    if rgb is None:
        rgb = over_white(ImageOps.exif_transpose(Image.open(io.BytesIO(data))))
    assert name not in out
    out[name] = np.frombuffer(data, np.uint8)
    meta[name] = f"{rgb.shape[1]} {rgb.shape[0]} {zlib.crc32(rgb.tobytes()):08x}"


def refuse(name, data, reason):
    out["refuse." + name], meta["refuse." + name] = np.frombuffer(data, np.uint8), reason


def saved(pixels, kind, mode=None, **how):
    f = io.BytesIO()
    im = Image.fromarray(pixels)
    (im.convert(mode) if mode else im).save(f, kind, **how)
    return f.getvalue()


# ---- WebP ----------------------------------------------------------------------------------------

def cwebp(pixels, *args):
    with tempfile.NamedTemporaryFile(suffix=".png") as f:
        Image.fromarray(pixels).save(f.name)
        return subprocess.run(["cwebp", "-quiet", *args, f.name, "-o", "-"], check=True, stdout=subprocess.PIPE).stdout


wide, see_through = scene(37, 21), scene(23, 19, 4)
see_through[:6, :, 3], see_through[6:9, :, 3] = 0, 255
for quality in (0, 10, 50, 75, 90, 100):
    add(f"webp.quality {quality}", saved(wide, "WEBP", quality=quality, method=quality // 10 % 7))
for w, h in ((1, 1), (2, 1), (1, 2), (3, 3), (16, 16), (17, 33), (31, 5)):
    add(f"webp.lossy {w}x{h}", saved(scene(w, h), "WEBP", quality=60))
    add(f"webp.lossless {w}x{h}", saved(scene(w, h), "WEBP", lossless=True))
for name, args in {
        "four segments": ["-segments", "4", "-sns", "100", "-q", "30"],
        "strong filter": ["-strong", "-f", "100", "-q", "5"],
        "simple filter": ["-nostrong", "-f", "80", "-q", "20"],
        "sharpness 7": ["-sharpness", "7", "-f", "60", "-q", "10"],
        "sharpness 3": ["-sharpness", "3", "-f", "90", "-q", "40"],
        "no filter": ["-f", "0", "-q", "40"],
        "one segment": ["-segments", "1", "-q", "15", "-m", "2"],
        "partition limit": ["-partition_limit", "100", "-q", "50"],
        "sharp YUV": ["-sharp_yuv", "-q", "50"],
        "near lossless": ["-near_lossless", "40"]}.items():
    add(f"webp.{name}", cwebp(scene(50, 40), *args))
for filtering in ("none", "fast", "best"):
    for method in "01":
        add(f"webp.alpha filter {filtering}, method {method}", cwebp(see_through, "-alpha_filter", filtering, "-alpha_method", method, "-q", "30"))
add("webp.alpha of few levels", cwebp(see_through, "-alpha_q", "20", "-q", "30"))
for kind in (0, 1, 2, 3):                                               # the filters of raw transparency, whatever the encoder chooses
    plane, w, h = see_through[..., 3].astype(int), 23, 19
    above = np.vstack([np.zeros((1, w), int), plane[:-1]])
    left = np.hstack([np.zeros((h, 1), int), plane[:, :-1]])
    corner = np.vstack([np.zeros((1, w), int), left[:-1]])
    guess = [np.zeros((h, w), int), left.copy(), above.copy(), np.clip(left + above - corner, 0, 255)][kind]
    if kind:
        guess[0, 1:], guess[1:, 0], guess[0, 0] = plane[0, :-1], plane[:-1, 0], 0
    alph = bytes([kind << 2]) + ((plane - guess) % 256).astype(np.uint8).tobytes()
    lossy = saved(see_through[..., :3].copy(), "WEBP", quality=30)[12:]
    body = b"VP8X" + struct.pack("<IIHBHB", 10, 0x10, w - 1, 0, h - 1, 0) + b"ALPH" + struct.pack("<I", len(alph)) + alph + bytes(len(alph) % 2) + lossy
    data = b"RIFF" + struct.pack("<I", 4 + len(body)) + b"WEBP" + body
    assert np.array_equal(np.asarray(Image.open(io.BytesIO(data)))[..., 3], plane)
    add(f"webp.raw alpha, filter {kind}", data)
for colours in (1, 2, 3, 4, 5, 16, 17, 256):
    palette = rng.integers(0, 256, (colours, 3), dtype=np.uint8)
    add(f"webp.{colours} colours", saved(palette[rng.integers(0, colours, (13, 19))], "WEBP", lossless=True, method=6, quality=100))
for method in (0, 3, 6):
    add(f"webp.lossless, method {method}", saved(scene(29, 31), "WEBP", lossless=True, method=method, quality=100))
add("webp.lossless with alpha", saved(see_through, "WEBP", lossless=True, exact=True))
add("webp.lossless noise", saved(rng.integers(0, 256, (9, 11, 3), dtype=np.uint8), "WEBP", lossless=True))
add("webp.lossless, repeated", saved(np.tile(scene(9, 7), (4, 5, 1)), "WEBP", lossless=True))
for level in range(0, 10, 3):
    add(f"webp.lossless, level {level}", cwebp(scene(40, 24) // 8 * 8, "-lossless", "-z", str(level)))
for lossless in (False, True):
    f = io.BytesIO()
    frames = [Image.fromarray(see_through), Image.fromarray(np.ascontiguousarray(see_through[::-1]))]
    frames[0].save(f, "WEBP", save_all=True, append_images=frames[1:], lossless=lossless, quality=40)
    add(f"webp.animated, lossless {lossless}", f.getvalue())
exif = Image.Exif()
exif[0x0112] = 6
add("webp.turned by EXIF", saved(wide[:9, :14].copy(), "WEBP", exif=exif))
turned = "<x:xmpmeta xmlns:x='adobe:ns:meta/'><rdf:Description tiff:Orientation='8'/></x:xmpmeta>".replace("'", '"').encode()
add("webp.turned by XMP", saved(wide[:9, :14].copy(), "WEBP", xmp=turned))
add("png.turned by EXIF", saved(wide[:9, :14].copy(), "PNG", exif=exif))
good = saved(wide, "WEBP", quality=50)
small = saved(wide, "WEBP", lossless=True)
for name, data, reason in (
        ("WebP cut", good[:-9], "the file ends early"),
        ("WebP chunk cut", good[:4] + struct.pack("<I", len(good) - 28) + good[8:-20], "it ends early"),
        ("WebP of nothing", b"RIFF\4\0\0\0WEBP", "it ends early"),
        ("WebP, no key frame", good[:20] + bytes([good[20] | 1]) + good[21:], "no key frame"),
        ("WebP, version", good[:20] + bytes([good[20] | 14]) + good[21:], "version 7"),
        ("WebP, no VP8L", small[:20] + b"\0" + small[21:], "no VP8L"),
        ("WebP, lossless cut", small[:16] + struct.pack("<I", 60) + small[20:], "it ends early"),
):
    refuse(name, data, reason)


# ---- BMP -----------------------------------------------------------------------------------------

def bmp(rows, w, h, bits, header=40, compression=0, masks=(), palette=None, used=0, offset=None):
    """h below 0: from the top"""
    if header == 12:
        head = struct.pack("<IHHHH", 12, w, h, 1, bits)
    else:
        head = struct.pack("<IiiHHIIiiII", header, w, h, 1, bits, compression, len(rows), 2835, 2835, used, 0)
        head += b"".join(struct.pack("<I", m) for m in masks) if header > 40 else b""
        head += bytes(header - len(head))
        head += b"".join(struct.pack("<I", m) for m in masks) if header == 40 else b""
    table = b"" if palette is None else b"".join(bytes(c[::-1]) + bytes(header != 12) for c in palette.astype(np.uint8))
    start = 14 + len(head) + len(table)
    return b"BM" + struct.pack("<III", start + len(rows), 0, start if offset is None else offset) + head + table + rows


def packed(values, bits):
    """values: [h, w] -> rows from the bottom, padded to 4 bytes"""
    data = b""
    for row in values[::-1]:
        if bits < 8:
            each = ((row[:, None] >> np.arange(bits - 1, -1, -1)) & 1).reshape(-1)
            line = np.packbits(each.astype(np.uint8)).tobytes()
        else:
            line = b"".join(int(v).to_bytes(bits // 8, "little") for v in row)
        data += line + bytes(-len(line) % 4)
    return data


W, H = 11, 7
for bits in (1, 4, 8):
    colours = rng.integers(0, 256, (1 << bits, 3))
    values = rng.integers(0, 1 << bits, (H, W))
    rows = packed(values, bits)
    add(f"bmp.{bits} bits", bmp(rows, W, H, bits, palette=colours))
    add(f"bmp.{bits} bits, from the top", bmp(packed(values[::-1], bits), W, -H, bits, palette=colours))
    add(f"bmp.{bits} bits, OS/2", bmp(rows, W, H, bits, header=12, palette=colours))
    add(f"bmp.{bits} bits, OS/2 2", bmp(rows, W, H, bits, header=64, palette=colours))
few = rng.integers(0, 256, (5, 3))
add("bmp.8 bits, 5 colours", bmp(packed(rng.integers(0, 5, (H, W)), 8), W, H, 8, palette=few, used=5))
add("bmp.8 bits, offset before the palette", bmp(packed(rng.integers(0, 256, (H, W)), 8), W, H, 8, palette=rng.integers(0, 256, (256, 3)), offset=54))
add("bmp.16 bits", bmp(packed(rng.integers(0, 1 << 16, (H, W)), 16), W, H, 16))
add("bmp.24 bits", bmp(packed(rng.integers(0, 1 << 24, (H, W)), 24), W, H, 24))
add("bmp.32 bits", bmp(packed(rng.integers(0, 1 << 32, (H, W)), 32), W, H, 32))
for name, bits, masks, headers in (
        ("5-6-5", 16, (0xF800, 0x7E0, 0x1F), (40, 52)), ("5-5-5", 16, (0x7C00, 0x3E0, 0x1F), (40, 108)),
        ("8-8-8", 24, (0xFF0000, 0xFF00, 0xFF), (40,)), ("BGRX", 32, (0xFF0000, 0xFF00, 0xFF), (40, 52)),
        ("XBGR", 32, (0xFF000000, 0xFF0000, 0xFF00), (40,)), ("BGXR", 32, (0xFF000000, 0xFF00, 0xFF), (40,)),
        ("ABGR", 32, (0xFF000000, 0xFF0000, 0xFF00, 0xFF), (56,)), ("RGBA", 32, (0xFF, 0xFF00, 0xFF0000, 0xFF000000), (56, 124)),
        ("BGRA", 32, (0xFF0000, 0xFF00, 0xFF, 0xFF000000), (108, 124)), ("BGAR", 32, (0xFF000000, 0xFF00, 0xFF, 0xFF0000), (56,)),
        ("masks of zeros", 32, (0, 0, 0, 0), (56,))):
    for header in headers:
        values = rng.integers(0, 1 << bits, (H, W))
        add(f"bmp.{name}, header {header}", bmp(packed(values, bits), W, H, bits, header=header, compression=3, masks=masks))
opaque = rng.integers(0, 1 << 24, (H, W))                                # its alpha is 0 everywhere: nobody has filled it
add("bmp.BGRA, alpha of zeros", bmp(packed(opaque, 32), W, H, 32, header=56, compression=3, masks=(0xFF0000, 0xFF00, 0xFF, 0xFF000000)),
    np.stack([opaque >> 16 & 255, opaque >> 8 & 255, opaque & 255], -1).astype(np.uint8))
tens = rng.integers(0, 1 << 30, (H, W))
add("bmp.10-10-10", bmp(packed(tens, 32), W, H, 32, compression=3, masks=(1023 << 20, 1023 << 10, 1023)),
    np.stack([(tens >> s & 1023) * 255 // 1023 for s in (20, 10, 0)], -1).astype(np.uint8))
p256, p16 = rng.integers(0, 256, (256, 3)), rng.integers(0, 256, (16, 3))
rle8 = bytes([11, 7, 0, 0, 3, 1, 0, 5, 9, 8, 7, 6, 5, 0, 3, 2, 0, 0, 0, 2, 4, 1, 7, 3, 0, 0, 20, 4, 0, 0, 0, 4, 1, 2, 3, 4, 7, 9, 0, 0, 11, 3, 0, 0, 11, 200, 0, 1])
rle4 = bytes([11, 0x27, 0, 0, 3, 0x12, 0, 5, 0x98, 0x76, 0x50, 0, 3, 0x34, 0, 0, 0, 2, 4, 1, 7, 0x35, 0, 0, 20, 0x41, 0, 0, 0, 7, 0x12, 0x34, 0x56, 0x70, 4, 0x99, 0, 0, 11, 3, 0, 0,
              11, 0xAB, 0, 1])
add("bmp.RLE8", bmp(rle8, W, H, 8, compression=1, palette=p256))
add("bmp.RLE4", bmp(rle4, W, H, 4, compression=2, palette=p16))
add("bmp.RLE8, from the top", bmp(rle8, W, -H, 8, compression=1, palette=p256))
stops = np.zeros((H, W), int)
stops[H - 1] = 7                                                        # the last row of the picture is the first of the file
add("bmp.RLE8, ends after a row", bmp(rle8[:2] + b"\0\1", W, H, 8, compression=1, palette=p256), p256[stops].astype(np.uint8))
for name, data, reason in (
        ("BMP cut", bmp(packed(opaque, 24), W, H, 24)[:-9], "ends early"),
        ("BMP, RLE cut", bmp(rle8[:20], W, H, 8, compression=1, palette=p256), "ends early"),
        ("BMP, header", bmp(b"", W, H, 24).replace(struct.pack("<I", 40), struct.pack("<I", 41)), "a header of 41 bytes"),
        ("BMP, bits", bmp(packed(opaque, 24), W, H, 25), "25 bits a pixel"),
        ("BMP, JPEG inside", bmp(b"\xff\xd8\xff\xd9", W, H, 24, compression=4), "compression 4"),
        ("BMP, no size", bmp(b"", 0, 5, 24), "a picture of 0x5"),
        ("BMP, too large", bmp(b"", 1 << 20, 1 << 20, 24), "at most 268435456 pixels"),
        ("BMP, a mask in pieces", bmp(packed(tens, 32), W, H, 32, compression=3, masks=(5 << 20, 1023 << 10, 1023)), "a mask 00500000"),
):
    refuse(name, data, reason)


# ---- settings ------------------------------------------------------------------------------------

def directory(e, entries, start, pointer=False):
    count = len(entries) + pointer
    at, head, data = start + 2 + 12 * count + 4, struct.pack(e + "H", count), b""
    for tag, kind, value in entries:
        place = value.ljust(4, b"\0") if len(value) <= 4 else struct.pack(e + "I", at + len(data))
        data += b"" if len(value) <= 4 else value + bytes(len(value) % 2)
        head += struct.pack(e + "HHI", tag, kind, len(value)) + place
    if pointer:
        head += struct.pack(e + "HHII", 0x8769, 4, 1, at + len(data))
    return head + bytes(4) + data


def tiff(order, entries, inner=None):
    """entries of the first directory, and of EXIF's own: tag, type, bytes"""
    e = "<" if order == b"II" else ">"
    first = directory(e, entries, 8, inner is not None)
    return b"Exif\0\0" + order + struct.pack(e + "HI", 42, 8) + first + (directory(e, inner, 8 + len(first)) if inner is not None else b"")


def settings(name, kind, text=None, **how):
    out["settings." + name] = np.frombuffer(saved(np.full((2, 2, 3), 99, np.uint8), kind, **how), np.uint8)
    meta["settings." + name] = WORDS if text is None else text


WORDS = "a portrait, \u732b \u4e00\u4e00\u4e00\u4e00, \U0001f600 caf\xe9\nNegative prompt: <blurry> & bad\nSteps: 3, Sampler: Euler, Seed: 7, Size: 64x64"
COMMENT, DESCRIPTION, XP_COMMENT, MAKE, MODEL, SOFTWARE = 0x9286, 0x010E, 0x9C9C, 0x010F, 0x0110, 0x0131
be, le, utf8 = WORDS.encode("utf-16-be"), WORDS.encode("utf-16-le"), WORDS.encode()
for name, order, value in (
        ("web UI", b"MM", b"UNICODE\0" + be), ("the standard", b"II", b"UNICODE\0" + le), ("big in little", b"II", b"UNICODE\0" + be),
        ("little in big", b"MM", b"UNICODE\0" + le), ("a mark, big", b"II", b"UNICODE\0\xfe\xff" + be), ("a mark, little", b"MM", b"UNICODE\0\xff\xfe" + le),
        ("UTF-8 as UNICODE", b"MM", b"UNICODE\0" + utf8), ("ASCII", b"II", b"ASCII\0\0\0" + utf8), ("UTF8", b"II", b"UTF8\0\0\0\0" + utf8),
        ("undefined", b"MM", bytes(8) + utf8), ("padded", b"MM", b"UNICODE\0" + be + bytes(20))):
    settings(f"comment, {name}", "JPEG", exif=tiff(order, [], [(COMMENT, 7, value)]))
    settings(f"comment, {name}, first directory", "WEBP", exif=tiff(order, [(COMMENT, 7, value)]))
ascii_words = WORDS.encode("ascii", "replace")
settings("Fooocus", "JPEG", ascii_words.decode(), exif=tiff(b"II", [(SOFTWARE, 2, b"Fooocus v2.5\0"), (COMMENT, 2, ascii_words + b"\0")]))
settings("Latin-1", "JPEG", "caf\xe9\nSteps: 1", exif=tiff(b"II", [(DESCRIPTION, 2, b"caf\xe9\nSteps: 1\0")]))
settings("description", "WEBP", exif=tiff(b"MM", [(DESCRIPTION, 2, utf8 + b"\0")]))
settings("XPComment", "JPEG", exif=tiff(b"MM", [(XP_COMMENT, 1, le + b"\0\0")]))
settings("ComfyUI", "WEBP", 'prompt:{"3": {}}', exif=tiff(b"MM", [(MAKE, 2, b"workflow:{}\0"), (MODEL, 2, b'prompt:{"3": {}}\0')]))
settings("a camera", "JPEG", "", exif=tiff(b"MM", [(DESCRIPTION, 2, b"OLYMPUS DIGITAL CAMERA\0"), (MAKE, 2, b"OLYMPUS\0")], [(COMMENT, 7, b"ASCII\0\0\0" + b" " * 30)]))
settings("an editor", "JPEG", "", comment=b"File written by an editor")
settings("a JPEG's comment", "JPEG", comment=utf8)
settings("a GIF's comment", "GIF", comment=utf8)
settings("a PNG's EXIF", "PNG", exif=tiff(b"MM", [], [(COMMENT, 7, b"UNICODE\0" + be)]))
element = f"<x:xmpmeta><rdf:Description><sdcpp:parameters>{escape(WORDS)}</sdcpp:parameters></rdf:Description></x:xmpmeta>".encode()
quoted = escape(WORDS, {"\n": "&#10;", '"': "&quot;", "\xe9": "&#xE9;"})
attribute = f'<x:xmpmeta><rdf:Description sdcpp:parametersOf="x" sdcpp:parameters = "{quoted}"/></x:xmpmeta>'.encode()
things = b'<x:xmpmeta><exif:UserComment>\n <rdf:Alt> <rdf:li xml:lang="x-default">{&quot;c&quot;:&quot;a cat&quot;}</rdf:li></rdf:Alt></exif:UserComment></x:xmpmeta>'
settings("XMP, an element", "WEBP", xmp=element)
settings("XMP, an attribute", "JPEG", xmp=attribute)
settings("XMP, a list", "JPEG", '{"c":"a cat"}', xmp=things)

# ---- JPEG ----------------------------------------------------------------------------------------

def cjpeg(rgb, *args):
    ppm = b"P6 %d %d 255\n" % rgb.shape[1::-1] + rgb.tobytes()
    return subprocess.run(["cjpeg", *args], input=ppm, check=True, stdout=subprocess.PIPE).stdout


for name, args in {
        "sequential": [], "progressive": ["-progressive"], "grey": ["-grayscale"], "2x2": ["-sample", "2x2"],
        "grey, progressive": ["-grayscale", "-progressive"], "restarts": ["-restart", "2B"],
        "quality 100": ["-quality", "100"], "progressive, restarts": ["-progressive", "-restart", "1"],
        "RGB": ["-rgb"]}.items():
    add(f"jpeg.arithmetic, {name}", cjpeg(wide, "-arithmetic", *args))
coded = cjpeg(wide, "-arithmetic")
for name, table in (("DC 1 to 4", bytes([0x00, 0x41])), ("AC 20", bytes([0x10, 20]))):  # another conditioning: the same data means other
    at = coded.index(b"\xff\xda")                                        # numbers, which must still be the same as Pillow's
    add(f"jpeg.arithmetic, {name}", coded[:at] + b"\xff\xcc\0\4" + table + coded[at:])
ink = np.concatenate([scene(19, 17), scene(19, 17)[..., :1] // 2], -1)
for name, how in {"plain": {}, "progressive": {"progressive": True}, "quality 95": {"quality": 95}}.items():
    f = io.BytesIO()
    Image.fromarray(ink, "CMYK").save(f, "JPEG", **how)
    data = f.getvalue()
    add(f"jpeg.CMYK, {name}", data)
    at = data.index(b"Adobe")
    add(f"jpeg.YCCK, {name}", data[:at + 11] + b"\2" + data[at + 12:])
    add(f"jpeg.CMYK without a word, {name}", data[:at - 4] + data[at + 12:])
arithmetic_frame = coded.index(b"\xff\xc9")
refuse("JPEG, lossless arithmetic", coded[:arithmetic_frame + 1] + b"\xcb" + coded[arithmetic_frame + 2:], "lossless coding")
refuse("JPEG, conditioning", coded[:2] + b"\xff\xcc\0\4\0\x12" + coded[2:], "broken conditioning")
refuse("JPEG, arithmetic cut", coded[:-2], "ends early")

# ---- orientation ---------------------------------------------------------------------------------

for kind, form in ((1, "B"), (2, "4s"), (3, "H"), (4, "I"), (8, "h"), (9, "i")):
    for order, e in ((b"II", "<"), (b"MM", ">")):
        value = struct.pack(e + form, b"6\0" if form == "4s" else 6).ljust(4, b"\0")
        exif = b"Exif\0\0" + order + struct.pack(e + "HIHHHI", 42, 8, 1, 0x0112, kind, 1) + value + bytes(4)
        add(f"jpeg.turned by type {kind}, {order.decode()}", saved(wide[:9, :14].copy(), "JPEG", exif=exif))
add("jpeg.turned by XMP", saved(wide[:9, :14].copy(), "JPEG", xmp=b"<x:xmpmeta><tiff:Orientation>5</tiff:Orientation></x:xmpmeta>"))

save_file({k: np.ascontiguousarray(v) for k, v in out.items()}, "tests/golden/picture_files.golden", meta)
print(len(out), "files,", sum(v.nbytes for v in out.values()), "bytes")
