#!/usr/bin/env python3
"""Paints the moving cartoon portraits that the default model learns from.

    paint(attributes, phase) -> uint8 array [128, 128, 3]      phase in [0, 1)
    sample_attributes(rng)   -> a random portrait, as a dict of plain words
    caption(attributes, rng) -> the words for it

Every movement has period 1 in `phase`, so 16 evenly spaced phases make a GIF that loops.
Needs skia-python and numpy.  `python paint.py sheet.png` draws a sheet of examples.
"""
import math
import zlib

import numpy as np
import skia

SIZE = 128
FRAMES = 16

SKIN = {"pale": (252, 226, 208), "light": (245, 205, 175), "tan": (222, 168, 124),
        "brown": (168, 112, 74), "dark": (108, 68, 48)}
HAIR = {"black": (44, 40, 48), "brown": (116, 72, 42), "blonde": (240, 204, 104), "red": (190, 62, 36),
        "grey": (148, 150, 158), "white": (238, 238, 242), "blue": (58, 104, 214), "pink": (244, 124, 178),
        "green": (62, 160, 84), "purple": (136, 74, 184)}
EYES = {"brown": (110, 62, 30), "blue": (52, 128, 220), "green": (48, 156, 84), "grey": (122, 134, 146)}
CLOTH = {"red": (214, 44, 48), "orange": (244, 132, 36), "yellow": (248, 208, 48), "green": (48, 150, 76),
         "blue": (44, 92, 204), "purple": (126, 62, 176), "pink": (244, 128, 176), "white": (242, 242, 244),
         "black": (46, 46, 54), "grey": (138, 142, 150), "brown": (128, 84, 54)}
BACK = {"white": (246, 246, 248), "grey": (170, 174, 182), "black": (34, 34, 42), "red": (226, 84, 80),
        "orange": (252, 166, 84), "yellow": (252, 228, 120), "green": (126, 204, 134), "blue": (120, 182, 244),
        "purple": (178, 138, 226), "pink": (250, 184, 212)}
SCENES = ("beach", "forest", "night sky")
STYLES = ("short", "long", "bob", "curly", "bun", "ponytail", "spiky", "bald")
CLOTHES = ("t-shirt", "hoodie", "shirt", "dress", "sweater", "jacket")
HATS = ("cap", "beanie", "hat", "crown")
EXPRESSIONS = ("neutral", "happy", "sad", "surprised", "angry")
MOVES = ("blinking", "smiling", "nodding", "turning", "waving", "talking", "wind")

INK = (52, 34, 48)


def mix(a, b, t):
    return tuple(x + (y - x) * t for x, y in zip(a, b))


def shade(c, t=0.22):
    """The one shadow tone of a colour."""
    return mix(c, (46, 18, 62), t)


def ease(x):
    x = min(1.0, max(0.0, x))
    return x * x * (3 - 2 * x)


def bump(phase, centre, half):
    """A soft bump of height 1 around `centre`, periodic in phase."""
    d = abs((phase - centre + 0.5) % 1.0 - 0.5)
    return ease(1 - d / half)


def motion(a, phase):
    """What moves, as plain numbers, at this phase."""
    moves = a["moves"]
    m = {"breath": math.sin(2 * math.pi * phase), "yaw": 0.0, "pitch": 0.0, "smile": 0.0, "open": None, "wave": None, "wind": None}
    m["lid"] = bump(phase, 0.69, 0.11)
    if "blinking" in moves:
        m["lid"] = max(bump(phase, 0.25, 0.14), bump(phase, 0.69, 0.14))
    if "smiling" in moves:
        m["smile"] = 0.25 + 0.75 * ease(0.5 - 0.62 * math.cos(2 * math.pi * phase))
    if "nodding" in moves:
        m["pitch"] = 0.5 - 0.5 * math.cos(4 * math.pi * phase)
    if "turning" in moves:
        m["yaw"] = math.sin(2 * math.pi * phase)
    if "talking" in moves:
        m["open"] = (0.62 + 0.38 * math.sin(2 * math.pi * phase)) * (0.5 - 0.5 * math.cos(8 * math.pi * phase))
    if "waving" in moves:
        m["wave"] = (ease(0.5 - 0.75 * math.cos(2 * math.pi * phase)), math.sin(6 * math.pi * phase))
    if "wind" in moves:
        m["wind"] = phase
    return m


class Pen:
    """Filled and outlined shapes on a skia canvas."""

    def __init__(self, canvas):
        self.canvas = canvas

    def fill(self, path, colour, alpha=1.0):
        r, g, b = (int(v) for v in colour)
        self.canvas.drawPath(path, skia.Paint(AntiAlias=True, Color=skia.Color(r, g, b, int(255 * alpha))))

    def stroke(self, path, colour, width):
        r, g, b = (int(v) for v in colour)
        self.canvas.drawPath(path, skia.Paint(AntiAlias=True, Color=skia.Color(r, g, b), Style=skia.Paint.kStroke_Style,
                                              StrokeWidth=width, StrokeCap=skia.Paint.kRound_Cap,
                                              StrokeJoin=skia.Paint.kRound_Join))

    def shape(self, path, colour, width=1.6):
        """Flat fill with a soft outline in the same hue."""
        self.fill(path, colour)
        self.stroke(path, shade(colour, 0.42), width)

    def clipped(self, path, draw):
        self.canvas.save()
        self.canvas.clipPath(path, skia.ClipOp.kIntersect, True)
        draw()
        self.canvas.restore()


def oval(x, y, rx, ry):
    p = skia.Path()
    p.addOval(skia.Rect.MakeLTRB(x - rx, y - ry, x + rx, y + ry))
    return p


def box(x, y, w, h, r=0.0):
    p = skia.Path()
    p.addRoundRect(skia.Rect.MakeXYWH(x, y, w, h), r, r)
    return p


def poly(points):
    p = skia.Path()
    p.addPoly([skia.Point(*q) for q in points], True)
    return p


def blob(points, closed=True):
    """A smooth curve through the points (Catmull-Rom)."""
    n = len(points)
    at = (lambda i: points[i % n]) if closed else (lambda i: points[min(n - 1, max(0, i))])
    p = skia.Path()
    p.moveTo(*points[0])
    for i in range(n if closed else n - 1):
        p0, p1, p2, p3 = at(i - 1), at(i), at(i + 1), at(i + 2)
        p.cubicTo(p1[0] + (p2[0] - p0[0]) / 6, p1[1] + (p2[1] - p0[1]) / 6,
                  p2[0] - (p3[0] - p1[0]) / 6, p2[1] - (p3[1] - p1[1]) / 6, p2[0], p2[1])
    if closed:
        p.close()
    return p


def mirror(points):
    """The points, then their mirror images on the other side of x = 0, in order."""
    return points + [(-x, y) for x, y in reversed(points) if x]


def draw_background(pen, a):
    b = a["background"]
    if b in BACK:
        pen.canvas.clear(skia.Color(*BACK[b]))
        # one lighter disc behind the head gives the flat colour some depth
        pen.fill(oval(64, 60, 54, 54), mix(BACK[b], (255, 255, 255), 0.22 if b != "black" else 0.09))
    elif b == "beach":
        pen.canvas.clear(skia.Color(140, 214, 248))
        pen.fill(oval(106, 20, 11, 11), (255, 228, 96))
        pen.fill(box(-1, 70, 130, 24), (36, 140, 204))
        pen.fill(box(-1, 90, 130, 40), (246, 218, 150))
    elif b == "forest":
        pen.canvas.clear(skia.Color(190, 228, 196))
        for x, h, c in ((8, 14, 0), (120, 10, 0), (32, 30, 1), (98, 34, 1), (-4, 44, 1), (132, 46, 1)):
            pen.fill(poly([(x, h), (x - 24, h + 96), (x + 24, h + 96)]), ((70, 150, 96), (38, 108, 72))[c])
        pen.fill(box(-1, 112, 130, 20), (84, 140, 70))
    else:
        pen.canvas.clear(skia.Color(28, 34, 84))
        pen.fill(oval(106, 22, 12, 12), (250, 240, 190))
        pen.fill(oval(112, 19, 10, 10), (28, 34, 84))
        for x, y in ((12, 14), (30, 34), (10, 58), (44, 10), (84, 12), (118, 52), (18, 86), (112, 80)):
            pen.fill(oval(x, y, 1.8, 1.8), (255, 250, 210))


def back_hair(pen, a, m, rx, ry, sway):
    """Hair behind the neck, in head coordinates."""
    h, style, dark = HAIR[a["hair"]], a["style"], shade(HAIR[a["hair"]])
    if style == "long":
        pen.shape(blob([sway(p) for p in mirror([(0, -ry - 4), (rx * .8, -ry + 2), (rx + 7, -8), (rx + 9, 22), (rx + 11, 48),
                                                  (rx - 2, 60), (8, 56)])]), dark)
    elif style == "bob":
        pen.shape(blob([sway(p) for p in mirror([(0, -ry - 4), (rx * .8, -ry + 2), (rx + 8, -8), (rx + 10, 14), (rx + 7, 31),
                                                  (rx - 12, 32)])]), dark)
    elif style == "ponytail":
        pen.shape(blob([sway(p) for p in [(12, -ry + 2), (rx + 4, -ry + 4), (rx + 17, -10), (rx + 18, 18), (rx + 9, 42),
                                          (rx + 3, 26), (rx + 3, 0), (rx - 6, -16)]]), h)
    elif style == "curly":
        low = 22 if a["sex"] == "woman" else 6
        spots = [(s * (rx + 4), y, 11) for s in (-1, 1) for y in range(-20, low + 1, 13)]
        for grow, colour in ((1.4, shade(h, .42)), (0, dark)):
            for x, y, r in spots:
                x, y = sway((x, y))
                pen.fill(oval(x, y, r + grow, r + grow), colour)
    elif style == "bun" and not a["hat"]:
        pen.shape(oval(*sway((0, -ry - 11)), 14, 12), h)


def front_hair(pen, a, m, rx, ry, sway, face_x):
    """Hair over the forehead; `face_x` is how far the head has turned."""
    h, style = HAIR[a["hair"]], a["style"]
    if style == "bald":
        return
    f = face_x * 0.6
    top = [(rx + 3, -2), (rx + 4, -18), (rx * .72, -ry - 3), (0, -ry - 8), (-rx * .72, -ry - 3), (-rx - 4, -18), (-rx - 3, -2)]
    if style in ("short", "ponytail", "bun"):
        side = 2 if a["sex"] == "man" else -4
        inner = [(-rx + 3, side - 12), (-rx * .66 + f, -ry * .52), (f - 4, -ry * .62), (rx * .5 + f, -ry * .45), (rx - 3, side - 12)]
    elif style == "bob":
        inner = [(-rx + 4, 4), (-rx + 5, -10), (-10 + f, -14), (10 + f, -14), (rx - 5, -10), (rx - 4, 4)]
    elif style == "long":
        inner = [(-rx + 3, 8), (-rx + 7, -10), (-8 + f, -ry * .72), (4 + f, -ry * .62), (rx - 7, -10), (rx - 3, 8)]
    else:
        inner = [(-rx + 3, -10), (-rx * .6 + f, -ry * .50), (f, -ry * .56), (rx * .6 + f, -ry * .50), (rx - 3, -10)]
    if style == "spiky" and not a["hat"]:
        peaks = [(rx + 3, -2), (rx + 10, -20), (rx + 1, -20), (rx + 5, -ry - 4), (rx * .55, -ry + 2), (rx * .38, -ry - 13), (0, -ry - 2),
                 (-rx * .42, -ry - 13), (-rx * .55, -ry + 2), (-rx - 5, -ry - 4), (-rx - 1, -20), (-rx - 10, -20), (-rx - 3, -2)]
        zig = [(-rx + 3, -12), (-14 + f, -ry * .62), (-9 + f, -14), (-2 + f, -ry * .62), (5 + f, -15), (11 + f, -ry * .62), (rx - 3, -12)]
        pen.shape(poly([sway(p) for p in peaks] + zig), h)
    elif style == "curly" and not a["hat"]:
        spots = [(rx * .98 * math.cos(t), -8 - (ry - 3) * math.sin(t), 11) for t in np.linspace(0.1, math.pi - 0.1, 8)]
        spots += [(f + x, -ry * .66, 9) for x in (-14, 0, 14)]
        for grow, colour in ((1.4, shade(h, .42)), (0, h)):
            for x, y, r in spots:
                x, y = sway((x, y))
                pen.fill(oval(x, y, r + grow, r + grow), colour)
    else:
        pen.shape(blob([sway(p) for p in top] + inner), h)
        if not a["hat"] and style != "curly":     # a shine
            pen.stroke(blob([(-rx * .5 + f, -ry * .82), (f - 4, -ry - 1), (rx * .28 + f, -ry * .95)], False), mix(h, (255, 255, 255), .35), 2.6)
    if style == "long":      # locks that fall over the shoulders
        for s in (-1, 1):
            pen.shape(blob([sway((s * x, y)) for x, y in [(rx - 5, -14), (rx + 2.5, -16), (rx + 6.5, 2), (rx + 8, 26), (rx + 10, 48),
                                                          (rx + 2, 62), (rx - 5, 44), (rx - 2, 18)]]), h)


def draw_body(pen, a, y):
    """Neck, shoulders and clothes; `y` is the breathing."""
    skin, c, kind, man = SKIN[a["skin"]], CLOTH[a["cloth"]], a["clothes"], a["sex"] == "man"
    w = 50 if man else 44
    line, dark = shade(c, .45), shade(c)
    if kind == "hoodie":
        pen.shape(blob(mirror([(0, 84 + y), (24, 86 + y), (30, 98 + y), (22, 112 + y)])), dark)
    neck = box(-11, 72, 22, 36, 4) if man else box(-9, 72, 18, 36, 4)
    pen.shape(neck, skin)
    pen.fill(box(-8, 84, 16, 10, 4), shade(skin))
    shoulders = blob(mirror([(0, 101 + y), (16, 101 + y), (w - 12, 106 + y), (w, 116 + y), (w + 4, 150)]))
    pen.shape(shoulders, skin if kind == "dress" else c)
    if kind == "dress":
        pen.shape(poly([(-27, 103 + y), (-20, 101 + y), (-15, 113 + y), (0, 117 + y), (15, 113 + y), (20, 101 + y), (27, 103 + y), (36, 150), (-36, 150)]), c)
    elif kind in ("t-shirt", "sweater"):
        pen.shape(blob(mirror([(0, 99 + y), (12, 97 + y), (17, 102 + y), (10, 110 + y), (0, 112 + y)])), skin)
        if kind == "sweater":
            pen.shape(box(-16, 93 + y, 32, 14, 6), c)
            for dy in (114, 122):
                pen.clipped(shoulders, lambda: pen.fill(box(-60, dy + y, 120, 4), mix(c, (255, 255, 255), .45)))
        else:
            pen.stroke(blob([(-17, 101 + y), (-10, 110 + y), (0, 112.5 + y), (10, 110 + y), (17, 101 + y)], False), dark, 3.2)
    elif kind == "hoodie":
        pen.shape(blob([(-20, 98 + y), (-8, 104 + y), (0, 113 + y), (8, 104 + y), (20, 98 + y), (18, 112 + y), (0, 120 + y), (-18, 112 + y)]), dark)
        pen.fill(poly([(-10, 101 + y), (10, 101 + y), (0, 112 + y)]), skin)
        for s in (-1, 1):
            pen.stroke(blob([(s * 7, 117 + y), (s * 8, 128 + y)], False), mix(c, (255, 255, 255), .75), 2.2)
    elif kind == "shirt":
        pen.fill(poly([(-11, 97 + y), (11, 97 + y), (0, 113 + y)]), skin)
        for s in (-1, 1):
            pen.shape(poly([(s * 10, 94 + y), (s * 20, 101 + y), (s * 12, 116 + y), (0, 112 + y)]), mix(c, (255, 255, 255), .3))
        pen.stroke(blob([(0, 113 + y), (0, 130)], False), line, 1.6)
    else:
        pen.fill(poly([(-13, 97 + y), (13, 97 + y), (8, 130), (-8, 130)]), (240, 240, 244))
        for s in (-1, 1):
            pen.shape(poly([(s * 11, 95 + y), (s * 21, 100 + y), (s * 23, 114 + y), (s * 6, 130), (s * 3, 130)]), dark)


def draw_eyes(pen, a, m, fx, fy, gap):
    """Eyes and brows."""
    e, man = a["expression"], a["sex"] == "man"
    brow = INK if a["style"] == "bald" else shade(HAIR[a["hair"]], .5)
    wide = {"surprised": 1.18, "happy": .92, "angry": .86, "sad": .88}.get(e, .95)
    openness = max(0.0, 1 - m["lid"]) * wide * (1 - .18 * m["smile"])
    for s in (-1, 1):
        squash = 1 - .16 * max(0.0, s * fx / 9)      # the far eye narrows when the head turns
        x, y, ew, eh = s * gap * (1 - .02 * abs(fx)) + fx, fy, 8.0 * squash, 8.2 * openness
        if openness < .25:
            pen.stroke(blob([(x - ew, y + 1), (x, y + 4), (x + ew, y + 1)], False), INK, 2.4)
        else:
            white = oval(x, y, ew, eh)
            pen.fill(white, (252, 252, 255))

            def iris():
                pen.fill(oval(x + fx * .12, y + .4, 5.4 * squash, 5.8), EYES[a["eyes"]])
                pen.fill(oval(x + fx * .12, y + .4, 2.7 * squash, 3.0), (24, 18, 26))
                pen.fill(oval(x + fx * .12 + 2.0, y - 2.0, 1.7, 1.7), (255, 255, 255))
            pen.clipped(white, iris)
            pen.stroke(blob([(x - ew - .4, y - .1 * eh), (x - ew * .7, y - eh * .78), (x, y - eh), (x + ew * .7, y - eh * .78), (x + ew + .4, y - .1 * eh)], False), INK, 2.2)
            if not man:
                pen.stroke(blob([(x + s * ew * .75, y - eh * .7), (x + s * (ew + 3), y - eh * .7 - 2.4)], False), INK, 1.8)
        lift = {"surprised": -4.5, "sad": -1.0, "angry": 1.6}.get(e, 0) - 1.5 * m["smile"]
        tilt = {"sad": 3.6, "angry": -4.2}.get(e, -.8)     # positive: inner ends up
        by = y - 12.5 + lift
        pen.stroke(blob([(x - s * 8, by - tilt * .7), (x, by - 1.8), (x + s * 8, by + tilt * .7 + 1)], False), brow, 3.2 if man else 2.4)


def draw_mouth(pen, a, m, fx, y):
    e = a["expression"]
    lip = (176, 62, 74) if a["sex"] == "woman" else shade(SKIN[a["skin"]], .6)
    curve = {"happy": .8, "sad": -.75, "angry": -.5, "surprised": 0.0}.get(e, .18)
    curve = max(curve, m["smile"]) if m["smile"] > .3 else curve + m["smile"] * .4
    opened = max({"surprised": .8, "happy": .55}.get(e, 0.0), .75 * ease((m["smile"] - .3) * 1.5))
    talk = m["open"] or 0.0
    if m["open"] is not None:      # talking: the mouth opens and shuts whatever the expression
        opened = talk
    w = (10 + 2.5 * max(0.0, curve)) * (1 - .35 * (e == "surprised") - .2 * talk)
    if opened > .12:
        d = 10 * opened
        if curve > .5:       # a broad smile: flat top with teeth
            p = blob([(fx - w, y - 2), (fx, y), (fx + w, y - 2), (fx + w * .62, y + d), (fx, y + d + 2), (fx - w * .62, y + d)])
        else:
            p = oval(fx, y + d * .3, w * (.92 - .15 * opened), d * .72)
        pen.fill(p, (112, 28, 44))

        def inside():
            pen.fill(oval(fx, y + d * 1.15, w * .6, d * .42), (226, 98, 104))
            pen.fill(box(fx - 20, y - 8, 40, 8 + (3.4 if curve > .5 else -d * .02)), (250, 250, 250))
        pen.clipped(p, inside)
        pen.stroke(p, lip, 2.0)
    else:
        pen.stroke(blob([(fx - w, y - 4 * curve), (fx, y + 3.2 * curve), (fx + w, y - 4 * curve)], False), lip, 2.8)


def draw_face(pen, a, m, rx, ry, fx, fy, j):
    skin, man = SKIN[a["skin"]], a["sex"] == "man"
    dark = shade(skin)
    for s in (-1, 1):
        pen.shape(oval(s * rx - fx * .25, 3 + fy * .4, 5.5, 7.5), mix(skin, dark, .35))
    jaw = .66 if man else .5
    head = blob(mirror([(0, -ry), (rx * .62, -ry * .84), (rx, -ry * .3), (rx * .98, ry * .22), (rx * jaw + 4, ry * .74), (rx * .2, ry)]))
    pen.fill(head, skin)
    # the shadow tone: a soft crescent on the right side of the face
    cut = skia.Path(head)
    cut.offset(-5, -2)
    pen.canvas.save()
    pen.canvas.clipPath(head, skia.ClipOp.kIntersect, True)
    pen.canvas.clipPath(cut, skia.ClipOp.kDifference, True)
    pen.fill(head, mix(skin, dark, .6))
    pen.canvas.restore()
    pen.stroke(head, shade(skin, .5), 1.6)
    pen.clipped(head, lambda: [pen.fill(oval(s * 19 + fx, 14 + fy, 6.5, 4.5), (236, 96, 96), .3) for s in (-1, 1)])
    gap = j["gap"]
    eye_y = -1 + fy
    if a["beard"] == "beard":
        h = HAIR[a["hair"]]
        full = blob([(-rx + 1, 4), (-rx * .74, 14 + fy), (fx - 13, 15 + fy), (fx, 13 + fy), (fx + 13, 15 + fy), (rx * .74, 14 + fy), (rx - 1, 4),
                     (rx * .86, ry * .62), (rx * .4, ry + 5), (0, ry + 8), (-rx * .4, ry + 5), (-rx * .86, ry * .62)])
        pen.shape(full, h)
        pen.fill(oval(fx, 21 + fy, 12, 6.5), skin)
    draw_eyes(pen, a, m, fx, eye_y, gap)
    pen.stroke(blob([(fx * 1.25 - 1, 7 + fy), (fx * 1.25 + 3.2, 11 + fy), (fx * 1.25 - 1.5, 12 + fy)], False), shade(skin, .42), 2.2)
    draw_mouth(pen, a, m, fx, 21 + fy)
    if a["beard"] == "moustache":
        pen.shape(blob([(fx, 13.6 + fy), (fx + 8, 13 + fy), (fx + 15, 18.5 + fy), (fx + 6, 18.6 + fy), (fx, 17 + fy), (fx - 6, 18.6 + fy), (fx - 15, 18.5 + fy), (fx - 8, 13 + fy)]), HAIR[a["hair"]])
    return gap, eye_y


def draw_glasses(pen, a, fx, eye_y, gap, rx):
    if not a["glasses"]:
        return
    sun, frame = a["glasses"] == "sunglasses", (30, 28, 36)
    for s in (-1, 1):
        lens = box(s * gap + fx - 12, eye_y - 10, 24, 21 if not sun else 19, 8)
        if sun:
            pen.fill(lens, (38, 38, 50))
            pen.stroke(blob([(s * gap + fx - 6, eye_y + 2), (s * gap + fx - 1, eye_y - 5)], False), (130, 140, 170), 2.4)
        else:
            pen.fill(lens, (210, 236, 255), .22)
        pen.stroke(lens, frame, 2.6)
        pen.stroke(blob([(s * (gap + 12) + fx, eye_y - 3), (s * rx, eye_y - 2)], False), frame, 2.2)
    pen.stroke(blob([(fx - gap + 12, eye_y - 1), (fx, eye_y - 3), (fx + gap - 12, eye_y - 1)], False), frame, 2.4)


def draw_hat(pen, a, fx, rx, ry):
    kind = a["hat"]
    if not kind:
        return
    c = CLOTH[a["hat_colour"]]
    dark, f = shade(c), fx * .5
    dome = [(rx + 6, -14), (rx + 5, -26), (rx * .7, -ry - 9), (0, -ry - 14), (-rx * .7, -ry - 9), (-rx - 5, -26), (-rx - 6, -14)]
    if kind == "cap":
        pen.shape(blob(dome + [(-rx * .5, -19), (0, -20), (rx * .5, -19)]), c)
        pen.shape(blob([(-rx - 2 + f, -15), (f, -25), (rx + 2 + f, -15), (rx * .8 + f * 1.6, -10.5), (f * 1.6, -14), (-rx * .8 + f * 1.6, -10.5)]), dark)
    elif kind == "beanie":
        pen.shape(oval(f, -ry - 15, 7, 6.5), mix(c, (255, 255, 255), .6))
        pen.shape(blob(dome), c)
        pen.shape(box(-rx - 7, -25, 2 * rx + 14, 12, 5), dark)
    elif kind == "hat":
        pen.shape(blob([(rx - 3, -18), (rx - 5, -ry - 9), (0, -ry - 14), (-rx + 5, -ry - 9), (-rx + 3, -18)]), c)
        pen.fill(box(-rx + 2, -29, 2 * rx - 4, 7), dark)
        pen.shape(oval(f * .6, -19, rx + 21, 6.5), c)
    else:
        gold = (250, 204, 60)
        w, t, b = rx - 1, -ry - 18, -ry * .62
        pen.shape(poly([(-w, b), (-w - 4, t + 4), (-w * .5, b - 12), (0, t), (w * .5, b - 12), (w + 4, t + 4), (w, b)]), gold)
        for x in (-w * .6, 0, w * .6):
            pen.fill(oval(x + f, b - 5, 2.6, 2.6), (214, 44, 72))


def draw_hand(pen, a, m):
    """A hand that rises at the right and waves."""
    up, swing = m["wave"]
    skin = SKIN[a["skin"]]
    sleeve = skin if a["clothes"] in ("dress", "t-shirt") else CLOTH[a["cloth"]]
    c = pen.canvas
    c.save()
    c.translate(112, 138 - 34 * up)
    c.rotate(16 * swing * up - 4)
    pen.shape(box(-7, 8, 14, 60, 5), sleeve)
    line = shade(skin, .5)
    fingers = [(-8, -12, -24), (-2.8, -17, -8), (2.8, -17, 6), (8, -13, 20)]
    parts = [box(-10.5, -11, 21, 21, 8)]
    for x, y, turn in fingers + [(-13, 2, -58)]:
        f = box(-2.9, -8, 5.8, 17, 2.9)
        f.transform(skia.Matrix().setRotate(turn).postTranslate(x, y + 3))
        parts.append(f)
    for p in parts:
        pen.stroke(p, line, 3.0)
    for p in parts:
        pen.fill(p, skin)
    c.restore()


def paint(a, phase):
    """One frame of the portrait `a` as a uint8 RGB array."""
    surface = skia.Surface(SIZE, SIZE)
    canvas = surface.getCanvas()
    pen, m, j = Pen(canvas), motion(a, phase), a["jitter"]
    draw_background(pen, a)
    rx, ry = j["rx"], j["ry"]
    fx, fy = 8.5 * m["yaw"], 5.5 * m["pitch"]      # how far the features slide over the head

    def sway(p):
        """Hair moves more the further it is from the roots; wind blows it to the right."""
        x, y = p[0] - 2.2 * m["yaw"], p[1] + .6 * m["pitch"]
        if m["wind"] is not None:
            far = max(0.0, (y + ry) / 60) ** 1.3 if y > -ry else .4 + (-ry - y) * .06
            t = 2 * math.pi * m["wind"]
            x += far * (5.0 + 6.5 * math.sin(t - y * .045) + (2.0 if p[0] > 0 else 0))
            y -= far * (1.5 + 2.5 * math.sin(t - y * .045 + .9))
        return x, y

    canvas.save()
    canvas.translate(64 + j["x"], 59 + j["y"])
    canvas.scale(j["scale"], j["scale"])
    canvas.translate(0, -59)
    head = (m["yaw"] * 2.0, 59 + 2.2 * m["pitch"] + .5 * m["breath"])

    def in_head(draw):
        canvas.save()
        canvas.translate(*head)
        draw()
        canvas.restore()
    in_head(lambda: back_hair(pen, a, m, rx, ry, sway))
    draw_body(pen, a, -.9 * m["breath"])

    def face():
        gap, eye_y = draw_face(pen, a, m, rx, ry, fx, fy, j)
        front_hair(pen, a, m, rx, ry, sway, fx)
        draw_glasses(pen, a, fx, eye_y, gap, rx)
        draw_hat(pen, a, fx, rx, ry)
    in_head(face)
    canvas.restore()
    if m["wave"]:
        draw_hand(pen, a, m)
    return surface.toarray(colorType=skia.kRGBA_8888_ColorType)[:, :, :3].copy()


def held_out(a):
    """Colour combinations that are never trained on, so that a test can ask for them."""
    return zlib.crc32(f"{a['hair']}/{a['cloth']}/{a['background']}".encode()) % 10 == 0


def sample_jitter(rng):
    return {"x": rng.uniform(-2.5, 2.5), "y": rng.uniform(-1.5, 2.5), "scale": rng.uniform(.96, 1.04), "rx": rng.uniform(28, 31.5),
            "ry": rng.uniform(33.5, 37), "gap": rng.uniform(13.2, 15)}


def sample_attributes(rng, moving=False):
    """A random portrait (numpy Generator); never a held-out colour combination."""
    pick = lambda names, p=None: str(rng.choice(list(names), p=p))
    while True:
        a = {"sex": pick(("woman", "man")), "skin": pick(SKIN), "hair": pick(HAIR), "eyes": pick(EYES), "cloth": pick(CLOTH)}
        woman = a["sex"] == "woman"
        a["style"] = pick(STYLES, (.10, .26, .18, .14, .12, .14, .04, .02) if woman else (.34, .08, .03, .16, .03, .04, .20, .12))
        a["clothes"] = pick(CLOTHES, (.18, .2, .14, .24, .12, .12) if woman else (.24, .24, .2, .0, .16, .16))
        a["glasses"] = pick(("", "glasses", "sunglasses"), (.7, .2, .1))
        a["hat"] = pick(("",) + HATS, (.72, .09, .08, .07, .04))
        a["hat_colour"] = pick(CLOTH)
        a["beard"] = "" if woman else pick(("", "beard", "moustache"), (.58, .26, .16))
        a["expression"] = pick(EXPRESSIONS, (.4, .22, .12, .14, .12))
        a["background"] = pick(list(BACK) + list(SCENES))
        a["moves"] = []
        if rng.random() < (.86 if moving else .6):
            a["moves"] = sorted({pick(MOVES) for _ in range(1 if rng.random() < .72 else 2)})
        if a["glasses"] == "sunglasses" and "blinking" in a["moves"]:
            continue
        if "smiling" in a["moves"]:
            a["expression"] = "neutral"
        if "wind" in a["moves"] and a["style"] == "bald":
            continue
        a["jitter"] = sample_jitter(rng)
        if not held_out(a):
            return a


def still_phase(a, rng):
    """A phase at which the named moves can be seen, for single pictures."""
    if {"waving", "smiling"} & set(a["moves"]):
        return float(rng.uniform(.25, .75))
    return float(rng.uniform(0, 1))


def caption(a, rng=None):
    """Plain words for the portrait; without rng everything is named, in the usual order."""
    chance = (lambda p: False) if rng is None else (lambda p: rng.random() < p)
    loose = chance(.5)           # half of the captions leave things out or change the order
    drop = lambda p: loose and chance(p)
    who = a["sex"]
    if chance(.15):
        who = {"woman": ("girl", "lady"), "man": ("boy", "guy")}[who][int(rng.integers(2))]
    head = f"portrait of a {who}"
    if chance(.25):
        head = (f"a {who}", f"cartoon portrait of a {who}", f"avatar of a {who}", f"picture of a {who}")[int(rng.integers(4))]
    if a["style"] == "bald":
        hair = "bald head" if chance(.3) else "bald"
        head = head if drop(.1) else f"{head}, {hair}" if chance(.5) else head.replace(f"a {who}", f"a bald {who}")
    elif not drop(.12):
        style = a["style"] if a["style"] not in ("bun", "ponytail") else ""
        hair = f"{style} {a['hair']} hair".strip() if not drop(.15) else f"{a['hair']} hair"
        if a["style"] in ("bun", "ponytail"):
            hair = f"{hair} in a {a['style']}"
        head = f"{head} with {hair}" if chance(.7) or rng is None else f"{head}, {hair}"
    parts = []
    if not drop(.35):
        parts.append(f"{a['skin']} skin")
    if a["glasses"] != "sunglasses" and not drop(.35):
        parts.append(f"{a['eyes']} eyes")
    if a["glasses"] and not drop(.1):
        parts.append(a["glasses"])
    if a["beard"] and not drop(.1):
        parts.append(f"{a['hair']} {a['beard']}" if a["style"] == "bald" else a["beard"])
    if a["hat"] and not drop(.1):
        parts.append("crown" if a["hat"] == "crown" else f"{a['hat_colour']} {a['hat']}")
    if not drop(.15):
        parts.append(f"{a['cloth']} {a['clothes']}")
    if a["expression"] != "neutral" and not drop(.15):
        parts.append(a["expression"])
    elif a["expression"] == "neutral" and "smiling" not in a["moves"] and chance(.25):
        parts.append("neutral")
    if not drop(.15):
        parts.append(f"{a['background']} background" if a["background"] in BACK or chance(.4) else
                     {"beach": "at the beach", "forest": "in a forest", "night sky": "night sky"}[a["background"]])
    for move in a["moves"]:
        parts.append("wind in the hair" if move == "wind" else move)
    if loose and chance(.5):
        rng.shuffle(parts)
    return ", ".join([head] + parts)


def sheet(count, columns, seed=1, phases=(None,)):
    """A sheet of examples: one portrait each, or rows of frames."""
    rng = np.random.default_rng(seed)
    tiles = []
    for _ in range(count):
        a = sample_attributes(rng)
        tiles += [paint(a, still_phase(a, rng) if p is None else p) for p in phases]
    rows = [np.concatenate(tiles[i:i + columns], 1) for i in range(0, len(tiles), columns)]
    return np.concatenate(rows)


if __name__ == "__main__":
    import sys
    from PIL import Image
    Image.fromarray(sheet(40, 8)).save(sys.argv[1] if len(sys.argv) > 1 else "sheet.png")
