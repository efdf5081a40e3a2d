#!/usr/bin/env python3
"""Small animated GIF, PNG and WebP files, and their frames as Pillow shows them -> tests/golden/animations.golden.

    python tests/golden_animations.py       needs Pillow 12 or 13 with WebP, numpy, safetensors

FILE (bytes) is a picture file, FILE.frames [count, height, width, 3] what is seen over white; the metadata of FILE are the milliseconds of each frame.
What is half transparent may be off by 2 in apng.over, which is by the formula of the PNG specification, 11.3.6.2, as Pillow mixes in black where the canvas
is transparent, and in webp.over, where libwebp rounds down over what is transparent.  refuse.FILE is broken; its metadata are a part of the reason.
"""
import io
import os
import struct
import zlib

import numpy as np
from PIL import Image
from safetensors.numpy import save_file

rng = np.random.default_rng(7)
out, meta = {}, {}
W, H = 23, 19


def scene(w, h, t, channels=3):
    y, x = np.mgrid[0:h, 0:w]
    s = np.stack([127 + 90 * np.sin(x / 3 + k + t) * np.cos(y / 4 - k) + 60 * (x + 2 * y > w + 3 * t) for k in range(channels)], -1)
    return np.clip(s + rng.normal(0, 3, s.shape), 0, 255).astype(np.uint8)


def over_white(rgba):
    c, a = rgba[..., :3].astype(int), rgba[..., 3:].astype(int)
    return ((c * a + 255 * (255 - a) + 127) // 255).astype(np.uint8)


def by_pillow(data):
    im = Image.open(io.BytesIO(data))
    frames, times = [], []
    for i in range(getattr(im, "n_frames", 1)):
        im.seek(i)
        im.load()
        times.append(im.info.get("duration", 0))
        frames.append(over_white(np.asarray(im.convert("RGBA"))))
    return np.stack(frames), times


def add(name, data, frames=None, times=None):
    if frames is None:
        frames, times = by_pillow(data)
    assert name not in out
    out[name], out[name + ".frames"] = np.frombuffer(data, np.uint8), np.ascontiguousarray(frames)
    meta[name] = " ".join(f"{t:g}" for t in times)


def refuse(name, data, reason):
    out["refuse." + name], meta["refuse." + name] = np.frombuffer(data, np.uint8), reason


def saved(frames, kind, **how):
    f = io.BytesIO()
    ims = [x if isinstance(x, Image.Image) else Image.fromarray(x) for x in frames]
    ims[0].save(f, kind, save_all=True, append_images=ims[1:], **how)
    return f.getvalue()


# ---- GIF: by Pillow's writer, and by one of our own for what that one does not write ----

def lzw(indices, bits):
    """Variable-length codes, with the table cleared when it is full."""
    clear, out_bits, acc, n = 1 << bits, bytearray(), 0, 0

    def put(code, size):
        nonlocal acc, n
        acc |= code << n
        n += size
        while n >= 8:
            out_bits.append(acc & 255)
            acc >>= 8
            n -= 8
    size, table = bits + 1, {}
    put(clear, size)
    word, following = (), clear + 2
    for i in indices:
        longer = word + (int(i),)
        if len(longer) == 1 or longer in table:
            word = longer
            continue
        put(table[word] if len(word) > 1 else word[0], size)
        if following == 4096:
            put(clear, size)
            size, table, following = bits + 1, {}, clear + 2
        else:
            table[longer] = following
            if following == 1 << size:
                size += 1
            following += 1
        word = longer[-1:]
    put(table[word] if len(word) > 1 else word[0], size)
    put(clear + 1, size)
    put(0, 7)
    return bytes(out_bits)


def blocks(data, most=255):
    return b"".join(bytes([len(data[i:i + most])]) + data[i:i + most] for i in range(0, len(data), most)) + b"\0"


def table(colours):
    return bytes(np.asarray(colours, np.uint8).ravel())


def image(indices, at=(0, 0), colours=None, bits=2, interlaced=False, delay=7, disposal=0, transparent=None, most=255):
    h, w = indices.shape
    flags = disposal << 2 | (transparent is not None)
    control = b"\x21\xf9\x04" + struct.pack("<BHBB", flags, delay, transparent or 0, 0)
    packed = (0x80 | (len(colours).bit_length() - 2) if colours is not None else 0) | (0x40 if interlaced else 0)
    if interlaced:
        order = [y for start, step in ((0, 8), (4, 8), (2, 4), (1, 2)) for y in range(start, h, step)]
        indices = indices[order]
    head = b"\x2c" + struct.pack("<HHHHB", *at, w, h, packed) + (table(colours) if colours is not None else b"")
    return control + head + bytes([bits]) + blocks(lzw(indices.ravel(), bits), most)


def gif(images, size=(W, H), colours=None, background=0, version=b"GIF89a"):
    packed = 0x80 | (len(colours).bit_length() - 2) if colours is not None else 0
    return version + struct.pack("<HHBBB", *size, packed, background, 0) + (table(colours) if colours is not None else b"") + b"".join(images) + b"\x3b"


FOUR = [[255, 0, 0], [0, 200, 0], [0, 0, 255], [250, 250, 200]]
OTHER = [[10, 20, 30], [200, 100, 50], [90, 0, 90], [0, 128, 128], [255, 255, 0], [1, 2, 3], [99, 99, 99], [240, 200, 240]]
whole = rng.integers(0, 4, (H, W))
part = rng.integers(0, 4, (8, 9))
tall = rng.integers(0, 8, (17, 5))
palettes = [Image.fromarray(scene(W, H, t)).quantize(64) for t in range(4)]

add("gif.pillow", saved(palettes, "GIF", duration=[70, 130, 20, 400], loop=0))
add("gif.still", saved(palettes[:1], "GIF"))
add("gif.whole", gif([image(whole), image(np.roll(whole, 5, 1), delay=0), image(np.roll(whole, 3, 0), delay=1)], colours=FOUR))
add("gif.offsets", gif([image(whole), image(part, (4, 6), delay=20), image(part[:3], (14, 2), transparent=1)], colours=FOUR))
add("gif.cleared", gif([image(whole, transparent=3), image(part, (4, 6), disposal=2, transparent=3), image(part[:3], (14, 2), disposal=2, transparent=3),
                        image(part[2:], (1, 1), transparent=3)], colours=FOUR))
add("gif.restored", gif([image(whole, disposal=1), image(part, (4, 6), disposal=3, transparent=0), image(part[:5], (8, 9), disposal=3, transparent=2),
                         image(part[2:], (1, 1), transparent=3)], colours=FOUR))
add("gif.local", gif([image(whole), image(tall, (2, 1), OTHER, 3), image(part, (9, 9), OTHER[:4][::-1])], colours=FOUR))
add("gif.no_global", gif([image(whole, colours=FOUR), image(tall, (2, 1), OTHER, 3)]))
add("gif.interlaced", gif([image(whole, interlaced=True), image(tall, (2, 1), OTHER, 3, True), image(part, (9, 9), interlaced=True)], colours=FOUR))
add("gif.small_blocks", gif([image(whole, most=3), image(part, (4, 6), most=1)], colours=FOUR))
add("gif.87", gif([image(whole)[8:]], colours=FOUR, version=b"GIF87a"))
noisy = [rng.integers(0, 256, (80, 90)) for _ in range(2)]
grey = [[i, i, 255 - i] for i in range(256)]
add("gif.full_table", gif([image(i, bits=8) for i in noisy], (90, 80), grey))
add("gif.comment", gif([b"\x21\xfe" + blocks(b"hello"), image(whole), b"\x21\xff\x0bNETSCAPE2.0\x03\x01\0\0\0", image(part, (4, 6))], colours=FOUR))
good = gif([image(whole), image(part, (4, 6))], colours=FOUR)
add("gif.trailing", good + b"something else")
add("gif.zero_between", gif([image(whole), b"\0", image(part, (4, 6))], colours=FOUR))
refuse("gif.no_frame", gif([], colours=FOUR), "no picture in it")
refuse("gif.no_colours", gif([image(whole)]), "frame 1 has no colour table")
refuse("gif.few_pixels", gif([image(whole)[:18] + bytes([2]) + blocks(lzw(whole.ravel()[:100], 2))], colours=FOUR), "frame 1 of this GIF cannot be read: its data have 100 pixels, expected 437")
refuse("gif.huge_canvas", gif([image(whole)], (65535, 65535), FOUR), "a canvas of 65535x65535")
refuse("gif.huge_frame", gif([image(whole)[:13] + struct.pack("<HH", 65535, 65535) + image(whole)[17:]], colours=FOUR), "frame 1 is 65535x65535")
refuse("gif.no_width", gif([image(whole)[:13] + struct.pack("<HH", 0, 19) + image(whole)[17:]], colours=FOUR), "frame 1 is 0x19")
refuse("gif.lzw_size", gif([image(whole)[:18] + bytes([9]) + blocks(lzw(whole.ravel(), 2))], colours=FOUR), "LZW codes of 9 bits")

# ---- APNG ----

def chunk(kind, data):
    return struct.pack(">I", len(data)) + kind + data + struct.pack(">I", zlib.crc32(kind + data))


def packed_rows(pixels, bits=8):
    rows = pixels.reshape(len(pixels), -1)
    if bits == 16:
        rows = np.stack([rows >> 8, rows & 255], -1).reshape(len(rows), -1)
    elif bits < 8:
        rows = np.stack([np.packbits(np.unpackbits(r.astype(np.uint8)[:, None], axis=1)[:, 8 - bits:]) for r in rows])
    return zlib.compress(b"".join(b"\0" + bytes(r.astype(np.uint8)) for r in rows))


def apng(frames, colour, bits=8, size=(W, H), extra=b"", hidden=None, said=None, pieces=1, numbers=None):
    """frames: (pixels, (x, y), disposal, blend, delay (numerator, denominator))"""
    data = b"\x89PNG\r\n\x1a\n" + chunk(b"IHDR", struct.pack(">IIBBBBB", *size, bits, colour, 0, 0, 0))
    data += chunk(b"acTL", struct.pack(">II", len(frames) if said is None else said, 0)) + extra
    number = iter(numbers or range(10 ** 6))
    if hidden is not None:
        data += chunk(b"IDAT", packed_rows(hidden, bits))
    for i, (pixels, at, disposal, blend, delay) in enumerate(frames):
        data += chunk(b"fcTL", struct.pack(">IIIIIHHBB", next(number), pixels.shape[1], pixels.shape[0], *at, *delay, disposal, blend))
        rows = packed_rows(pixels, bits)
        step = -(-len(rows) // pieces)
        for k in range(0, len(rows), step):
            piece = rows[k:k + step]
            data += chunk(b"IDAT", piece) if i == 0 and hidden is None else chunk(b"fdAT", struct.pack(">I", next(number)) + piece)
    return data + chunk(b"IEND", b"")


def over(frames, size=(W, H)):
    """By the specification, in floating point: alpha = a + below (1 - a)."""
    canvas, shown = np.zeros((size[1], size[0], 4)), []
    for i, (pixels, (x, y), disposal, blend, _) in enumerate(frames):
        h, w = pixels.shape[:2]
        before, there, new = canvas.copy(), canvas[y:y + h, x:x + w], pixels / 255
        a, below = new[..., 3:], there[..., 3:] * (1 - new[..., 3:])
        mixed = np.divide(new[..., :3] * a + there[..., :3] * below, a + below, out=np.zeros_like(new[..., :3]), where=a + below > 0)
        canvas[y:y + h, x:x + w] = np.concatenate([mixed, a + below], -1) if blend else new
        shown.append(np.round(255 * (canvas[..., :3] * canvas[..., 3:] + 1 - canvas[..., 3:])))
        if disposal == 1:
            canvas[y:y + h, x:x + w] = 0
        if disposal == 2:
            canvas = before
    return np.stack(shown).astype(np.uint8)


def binary(pixels):
    alpha = 255 * (rng.random(pixels.shape[:2]) < 0.6)
    return np.concatenate([pixels, alpha[..., None].astype(np.uint8)], -1)


rgb = [scene(W, H, t) for t in range(4)]
small = [scene(9, 8, t) for t in range(4)]
add("apng.pillow", saved(rgb, "PNG", duration=[70, 130, 20, 400], loop=0))
add("apng.hidden", saved([rgb[3], rgb[0], rgb[1]], "PNG", duration=100, default_image=True), *[x[1:] for x in by_pillow(saved([rgb[3], rgb[0], rgb[1]], "PNG", duration=100, default_image=True))])
add("apng.parts", apng([(rgb[0], (0, 0), 0, 0, (1, 10)), (small[0], (4, 6), 0, 0, (1, 0)), (small[1], (14, 11), 0, 0, (1000, 3000))], 2))
add("apng.pieces", apng([(rgb[0], (0, 0), 0, 0, (1, 10)), (small[0], (4, 6), 0, 0, (1, 8))], 2, pieces=4))
clear = [binary(x) for x in small]
add("apng.cleared", apng([(binary(rgb[0]), (0, 0), 0, 0, (1, 10)), (clear[0], (4, 6), 1, 1, (1, 8)), (clear[1], (8, 2), 1, 0, (1, 8)), (clear[2], (6, 6), 0, 1, (1, 8))], 6))
back = [(binary(rgb[0]), (0, 0), 0, 0, (1, 10)), (clear[0], (4, 6), 2, 1, (1, 8)), (clear[1], (8, 2), 2, 0, (1, 8)), (clear[2], (6, 6), 0, 1, (1, 8))]
add("apng.restored", apng(back, 6), over(back), [100, 125, 125, 125])          # Pillow restores the second of two wrongly
add("apng.first_restored", apng([(binary(rgb[0]), (0, 0), 2, 0, (1, 10)), (clear[0], (4, 6), 0, 1, (1, 8))], 6))
index = rng.integers(0, 4, (H, W)).astype(np.uint8)
add("apng.palette", apng([(index, (0, 0), 0, 0, (1, 10)), (index[:7, :9], (3, 3), 0, 0, (1, 8))], 3, 2, extra=chunk(b"PLTE", table(FOUR)) + chunk(b"tRNS", bytes([255, 0]))))
deep = rng.integers(0, 65536, (H, W, 3))
add("apng.grey", apng([(deep[..., 0] >> 8, (0, 0), 0, 0, (1, 10)), (deep[:5, :5, 1] >> 8, (3, 3), 0, 0, (1, 8))], 0))
halves = [np.concatenate([x, rng.integers(0, 256, x.shape[:2] + (1,))], -1).astype(np.uint8) for x in [rgb[0]] + small]
mixed = [(halves[0], (0, 0), 0, 0, (1, 10)), (halves[1], (4, 6), 1, 1, (1, 8)), (halves[2], (8, 2), 2, 1, (1, 8)), (halves[3], (6, 6), 0, 1, (1, 8))]
add("apng.over", apng(mixed, 6), over(mixed), [100, 125, 125, 125])
refuse("apng.too_few", apng([(rgb[0], (0, 0), 0, 0, (1, 10))], 2, said=2), "it says that it has 2 frames, and has 1")
refuse("apng.none", apng([], 2, hidden=rgb[0], said=0), "it says that it has 0 frames, and has 0")
refuse("apng.order", apng([(rgb[0], (0, 0), 0, 0, (1, 10)), (small[0], (4, 6), 0, 0, (1, 8))], 2, numbers=[0, 2, 1]), "out of order")
refuse("apng.outside", apng([(rgb[0], (0, 0), 0, 0, (1, 10)), (small[0], (15, 6), 0, 0, (1, 8))], 2), "lies outside of the picture")
refuse("apng.huge", apng([(rgb[0], (0, 0), 0, 0, (1, 10))], 2, size=(2 ** 20, 2 ** 20)), "a canvas of 1048576x1048576")

# ---- WebP ----

rgba = [np.concatenate([x, rng.integers(0, 256, x.shape[:2] + (1,))], -1).astype(np.uint8) for x in rgb]
masked = [binary(x) for x in rgb]
add("webp.lossless", saved(rgb, "WEBP", duration=[70, 130, 20, 400], lossless=True))
add("webp.lossy", saved(rgb, "WEBP", duration=90, quality=60))
add("webp.masked", saved(masked, "WEBP", duration=90, lossless=True))
add("webp.half", saved(rgba, "WEBP", duration=90, lossless=True))
add("webp.half_lossy", saved(rgba, "WEBP", duration=90, quality=70))
moving = [np.array(rgb[0]) for _ in range(4)]
for t, m in enumerate(moving):
    m[4 + t:9 + t, 5 + 2 * t:12 + 2 * t] = small[t][:5, :7]
add("webp.parts", saved(moving, "WEBP", duration=60, lossless=True, minimize_size=True))


def anmf(still, at, milliseconds, flags):
    """One of Pillow's stills as a frame: the chunks of its file, without VP8X."""
    width, height = Image.open(io.BytesIO(still)).size
    body, k = b"", 12
    while k < len(still):
        n = struct.unpack_from("<I", still, k + 4)[0]
        if still[k:k + 4] in (b"ALPH", b"VP8 ", b"VP8L"):
            body += still[k:k + 8 + n + n % 2]
        k += 8 + n + n % 2
    little = lambda x: struct.pack("<I", x)[:3]
    data = little(at[0] // 2) + little(at[1] // 2) + little(width - 1) + little(height - 1) + little(milliseconds) + bytes([flags]) + body
    return b"ANMF" + struct.pack("<I", len(data)) + data


def webp(frames, size=(W, H)):
    little = lambda x: struct.pack("<I", x)[:3]
    body = b"VP8X" + struct.pack("<I", 10) + b"\x12\0\0\0" + little(size[0] - 1) + little(size[1] - 1)
    body += b"ANIM" + struct.pack("<I", 6) + b"\x40\x80\xff\xff\0\0" + b"".join(frames)
    return b"RIFF" + struct.pack("<I", 4 + len(body)) + b"WEBP" + body


def still(pixels, **how):
    f = io.BytesIO()
    Image.fromarray(pixels).save(f, "WEBP", **how)
    return f.getvalue()


tiles = [still(halves[k + 1], lossless=k % 2 == 0, exact=True) for k in range(3)]
add("webp.blended", webp([anmf(still(rgba[0], lossless=True, exact=True), (0, 0), 100, 2), anmf(tiles[0], (4, 6), 50, 0), anmf(tiles[1], (8, 2), 5, 0), anmf(tiles[2], (6, 6), 70, 0)]))
add("webp.over", webp([anmf(still(rgba[0], lossless=True, exact=True), (0, 0), 100, 2), anmf(tiles[0], (4, 6), 50, 1), anmf(tiles[1], (8, 2), 5, 3), anmf(tiles[2], (6, 6), 70, 0)]))
refuse("webp.outside", webp([anmf(tiles[0], (16, 6), 50, 0)]), "lies outside of the picture")
refuse("webp.no_frame", webp([]), "no frame in it")
refuse("webp.huge", webp([anmf(tiles[0], (0, 0), 50, 0)], (2 ** 24, 2 ** 24)), "a canvas of 16777216x16777216")

path = os.path.join(os.path.dirname(os.path.abspath(__file__)), "golden", "animations.golden")
save_file(out, path, meta)
print(len(out), "tensors", os.path.getsize(path), "bytes")
