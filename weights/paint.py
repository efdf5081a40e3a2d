#!/usr/bin/env python3
"""Paints the moving cartoon portraits that the default model learns from.

    paint(attributes, phase, size=128) -> uint8 array [size, size, 3]      phase in [0, 1)
    sample_attributes(rng)   -> a random portrait, as a dict of plain words
    caption(attributes, rng) -> the words for it
    reword(caption, rng)     -> the same, as other people say it
    words()                  -> all words that these two can say

Every movement has period 1 in `phase`, so 16 evenly spaced phases make a GIF that loops.
Needs skia-python and numpy.  `python paint.py sheet.png` draws a sheet of examples.
"""
import contextlib
import math
import re
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
EYES = {"brown": (110, 62, 30), "blue": (52, 128, 220), "green": (48, 156, 84), "grey": (150, 162, 174)}
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

INK = (58, 34, 50)             # lashes and pupils: the darkest thing in a picture
PLUM = (52, 18, 66)            # what shadows lean to
GLOW = (255, 246, 228)         # what lights lean to; the one light is warm and comes from the upper left
VISEMES = ((.0, .95, .0), (1.0, .95, .1), (.45, 1.15, .0), (.0, .95, .0), (.75, .62, 1.0), (.95, 1.0, .1), (.3, 1.2, .0), (.6, .58, 1.0))   # open, wide, round


def mix(a, b, t):
    return tuple(x + (y - x) * t for x, y in zip(a, b))


def shade(c, t=0.2):
    """The shadow tone of a colour."""
    return mix(c, PLUM, t) if sum(c) > 210 else mix(c, (14, 8, 22), t * 1.6)


def light(c, t=0.3):
    return mix(c, GLOW, t)


def line(c):
    """The line art of a colour: darker, of the same hue, never black."""
    return mix(tuple(v * .56 for v in c), PLUM, .22) if sum(c) > 210 else shade(c, .3)


def ease(x):
    x = min(1.0, max(0.0, x))
    return x * x * (3 - 2 * x)


def hold(x):
    """A sine that lingers at its ends."""
    return x * (1.5 - .5 * x * x)


def since(t, start):
    """How long ago `start` was, in a loop of length 1."""
    return (t - start) % 1.0


def blink(t, start, until=.10):
    """How far the lids are down in a blink: fast down, slower up."""
    d = since(t, start)
    return ease(d / .07) if d < until else 1 - ease((d - until) / .15)


def blinks(t):
    """The same where blinking is asked for: twice, and longer."""
    return max(blink(t, .1, .2), blink(t, .6, .2))


def stay(t, a, b, rise=.16):
    """0, then 1 from a to b, with eased ends and a small overshoot on arrival."""
    d, e = since(t, a - rise), since(t, b)
    inside = d < (b - a) + rise
    if not inside:
        return 1 - ease(e / rise)
    x = min(1.0, d / rise)
    return 1 + 2.4 * (x - 1) ** 3 + 1.4 * (x - 1) ** 2


def pose(moves, t):
    """The head at time t: yaw and pitch in -1..1 (pitch down is positive), roll in degrees (to the right is positive)."""
    w = 2 * math.pi * t
    yaw, pitch, roll = .04 * math.sin(w), .03 * math.sin(w + 1), .5 * math.sin(w)
    if "turning" in moves:
        yaw, roll = hold(math.sin(w)), 2.5 * math.sin(w + .5)
        pitch += .3 * math.cos(2 * w)                # the head dips as it passes the middle
    if "nodding" in moves:
        pitch += .15 - (.95 + .2 * math.cos(w)) * hold(math.cos(2 * w))
    if "talking" in moves:
        yaw, roll, pitch = yaw + .16 * math.sin(w), roll + 2.6 * math.sin(w + .4), pitch + .26 * math.sin(3 * w)
    if "smiling" in moves:
        s = stay(t, .34, .70)
        roll, pitch = roll - 5 * s, pitch - .3 * s
    if "waving" in moves:
        roll += 4.5 * stay(t, .22, .80) + 1.2 * math.sin(3 * w)
    if "wind" in moves:
        roll, yaw = roll + 2.2 + 1.2 * math.sin(w - .8), yaw + .12
    if "blinking" in moves:
        pitch += .38 * blinks(t) - .1
    return yaw, pitch, roll


def motion(a, t):
    """What moves, as plain numbers, at time t."""
    moves, w = a["moves"], 2 * math.pi * t
    yaw, pitch, roll = pose(moves, t)
    late = pose(moves, t - .10)
    m = {"t": t, "yaw": yaw, "pitch": pitch, "roll": roll, "breath": math.sin(w), "smile": 0.0, "talk": None, "wave": None, "wind": "wind" in moves}
    m["lag"] = [x - y for x, y in zip(late, (yaw, pitch, roll))]          # hair and strings arrive later
    m["look"] = (pose(moves, t + .07)[0] if "turning" in moves else yaw, pitch)   # eyes arrive earlier
    m["lid"], m["brow"] = blink(t, .64), 0.0
    if "blinking" in moves:
        m["lid"] = blinks(t)
        m["brow"] = .5 - 1.4 * m["lid"]
    elif "turning" in moves:
        m["lid"] = max(blink(t, .42), blink(t, .92))
    if "smiling" in moves:
        m["smile"] = stay(t, .34, .70)
        m["brow"] += .8 * m["smile"]
    if "talking" in moves:
        i, d = divmod(8 * (t % 1.0), 1.0)
        m["talk"] = mix(VISEMES[int(i)], VISEMES[(int(i) + 1) % 8], ease(d))
        m["brow"] += .7 * math.sin(w + .9) + .5 * math.sin(2 * w)
    if "waving" in moves:
        m["wave"] = (stay(t, .22, .80), math.sin(3 * w), math.sin(3 * w - .7))
        m["smile"] = max(m["smile"], .55 * stay(t, .2, .8))
    if "wind" in moves:
        m["lid"] = max(m["lid"], .2 + .1 * math.sin(w))
    return m


class Pen:
    """Filled and outlined shapes on a skia canvas."""

    def __init__(self, canvas):
        self.canvas = canvas

    def fill(self, path, colour, alpha=1.0):
        self.canvas.drawPath(path, skia.Paint(AntiAlias=True, Color=rgb(colour, alpha)))

    def blend(self, path, ends, colours, alphas=(1.0, 1.0), radius=None):
        """A gradient between two points, or outward from the first."""
        colours, ends = [rgb(c, a) for c, a in zip(colours, alphas)], [skia.Point(*p) for p in ends]
        shader = skia.GradientShader.MakeRadial(ends[0], radius, colours) if radius else skia.GradientShader.MakeLinear(ends, colours)
        self.canvas.drawPath(path, skia.Paint(AntiAlias=True, Shader=shader))

    def glow(self, x, y, r, colour, alpha):
        """A spot that fades to nothing."""
        self.blend(oval(x, y, r, r), [(x, y)], (colour, colour), (alpha, 0), r)

    def stroke(self, path, colour, width, alpha=1.0):
        self.canvas.drawPath(path, skia.Paint(AntiAlias=True, Color=rgb(colour, alpha), Style=skia.Paint.kStroke_Style, StrokeWidth=width,
                                              StrokeCap=skia.Paint.kRound_Cap, StrokeJoin=skia.Paint.kRound_Join))

    def shape(self, path, colour, width=1.7, shadow=None, inner=None):
        """Flat fill, the shadow side that a shift of the shape leaves uncovered, what `inner` draws on it, and a line in the same hue."""
        self.fill(path, colour)
        if shadow or inner:
            with self.clip(path):
                if shadow:
                    cut = skia.Path(path)
                    cut.offset(*shadow)
                    with self.clip(cut, skia.ClipOp.kDifference):
                        self.fill(path, shade(colour))
                if inner:
                    inner()
        self.stroke(path, line(colour), width)

    @contextlib.contextmanager
    def clip(self, path, how=skia.ClipOp.kIntersect):
        self.canvas.save()
        self.canvas.clipPath(path, how, True)
        yield
        self.canvas.restore()

    @contextlib.contextmanager
    def moved(self, x, y, turn=0.0):
        self.canvas.save()
        self.canvas.translate(x, y)
        self.canvas.rotate(turn)
        yield
        self.canvas.restore()


def rgb(colour, alpha=1.0):
    r, g, b = (min(255, max(0, int(v + .5))) for v in colour)
    return skia.Color(r, g, b, int(255 * min(1.0, max(0.0, alpha))))


def oval(x, y, rx, ry):
    p = skia.Path()
    p.addOval(skia.Rect.MakeLTRB(x - rx, y - ry, x + rx, y + ry))
    return p


def box(x, y, w, h, r=0.0):
    p = skia.Path()
    p.addRoundRect(skia.Rect.MakeXYWH(x, y, w, h), r, r)
    return p


def blob(points, closed=True):
    """A smooth curve through the points (Catmull-Rom); a point with a third value is a corner: the tip of a lock, a parting."""
    n = len(points)
    at = (lambda i: points[i % n]) if closed else (lambda i: points[min(n - 1, max(0, i))])

    def handle(p, q, before, after, sign):        # the control point at p of the side towards q
        return (p[0] + (q[0] - p[0]) / 3, p[1] + (q[1] - p[1]) / 3) if len(p) > 2 else (p[0] + sign * (after[0] - before[0]) / 6, p[1] + sign * (after[1] - before[1]) / 6)
    path = skia.Path()
    path.moveTo(*points[0][:2])
    for i in range(n if closed else n - 1):
        p0, p1, p2, p3 = at(i - 1), at(i), at(i + 1), at(i + 2)
        path.cubicTo(*handle(p1, p2, p0, p2, 1), *handle(p2, p1, p1, p3, -1), *p2[:2])
    if closed:
        path.close()
    return path


def flip(points, s=-1):
    return [(s * p[0], *p[1:]) for p in points]


def mirror(points):
    """The points, then their mirror images on the other side of x = 0, in order."""
    return points + flip([p for p in reversed(points) if p[0]])


def draw_background(pen, a, t):
    b, c, w = a["background"], pen.canvas, 2 * math.pi * t
    full = box(-1, -1, SIZE + 2, SIZE + 2)
    if b in BACK:
        flat = BACK[b]
        pen.blend(full, [(0, 40), (0, 128)], (flat, shade(flat, .10)))
        pen.glow(60, 54, 74, light(flat, .5 if b != "black" else .24), .75)
        pen.fill(oval(64, 62, 51, 51), light(flat, .35 if b != "black" else .12), .4)
    elif b == "beach":
        pen.blend(full, [(0, 0), (0, 74)], ((96, 188, 244), (206, 240, 250)))
        pen.glow(22, 22, 26, (255, 240, 170), .8)
        pen.fill(oval(22, 22, 10, 10), (255, 226, 96))
        for x, y, k in ((104 + 2 * math.sin(w), 26, 1.0), (118 + 2 * math.sin(w + 1), 46, .7)):
            pen.fill(oval(x, y, 15 * k, 5 * k), (255, 255, 255), .85)
            pen.fill(oval(x - 3 * k, y - 4 * k, 7 * k, 6 * k), (255, 255, 255), .85)
        pen.blend(box(-1, 66, 130, 34), [(0, 66), (0, 96)], ((22, 122, 196), (72, 196, 216)))
        pen.fill(blob([(-4, 91 + 1.5 * math.sin(w)), (22, 94 - 1.5 * math.sin(w)), (64, 92), (104, 94 + 1.5 * math.sin(w)), (132, 91), (132, 104), (-4, 104)]), (240, 252, 250))
        pen.fill(blob([(-4, 95 + 1.5 * math.sin(w)), (22, 98 - 1.5 * math.sin(w)), (64, 96), (104, 98 + 1.5 * math.sin(w)), (132, 95), (140, 140), (-10, 140)]), (248, 218, 150))
    elif b == "forest":
        pen.blend(full, [(0, 0), (0, 110)], ((214, 240, 190), (150, 208, 160)))
        pen.glow(20, 8, 60, (255, 255, 220), .7)
        for x, h, wide, tone in ((20, 22, 17, (128, 194, 132)), (108, 16, 18, (128, 194, 132)), (50, 4, 16, (128, 194, 132)), (82, 10, 15, (128, 194, 132)),
                                 (-2, 40, 24, (70, 152, 96)), (130, 34, 25, (70, 152, 96)), (30, 66, 20, (42, 114, 76)), (104, 70, 20, (42, 114, 76))):
            bend = .8 * math.sin(w + x)
            pen.fill(blob([(x + bend, h, 1), (x + wide * .55, h + 30), (x + wide, h + 62), (x + wide, 130), (x - wide, 130), (x - wide, h + 62), (x - wide * .55, h + 30)]), tone)
        pen.fill(blob([(-10, 112), (30, 106), (64, 110), (100, 106), (140, 112), (140, 140), (-10, 140)]), (84, 148, 72))
    else:
        pen.blend(full, [(0, 0), (0, 128)], ((22, 28, 82), (74, 66, 142)))
        pen.glow(104, 22, 34, (190, 196, 255), .45)
        pen.fill(oval(104, 22, 12, 12), (252, 242, 196))
        with pen.clip(oval(104, 22, 12, 12)):
            pen.fill(oval(109, 19, 11, 11), (222, 206, 166))
        for i, (x, y) in enumerate(((12, 14), (29, 32), (9, 56), (46, 9), (80, 10), (119, 52), (16, 84), (113, 80))):
            twinkle = .5 + .5 * math.sin(w + 2.4 * i)
            pen.glow(x, y, 5, (255, 250, 210), .2 + .3 * twinkle)
            pen.fill(oval(x, y, 1.2 + .7 * twinkle, 1.2 + .7 * twinkle), (255, 250, 214))
        pen.fill(blob([(-10, 112), (20, 102), (50, 110), (90, 100), (140, 112), (140, 140), (-10, 140)]), (34, 34, 88))


class Look:
    """The measures of one head in one frame, in coordinates whose origin is the middle of the head."""

    def __init__(self, a, m):
        j = a["jitter"]
        self.a, self.m, self.man = a, m, a["sex"] == "man"
        self.rx, self.ry, self.gap, self.eye, self.fringe = j["rx"], j["ry"], j["gap"], j["eye"], j["fringe"]
        self.fx, self.fy = 9 * m["yaw"], 5.2 * m["pitch"]        # how far the features slide over the head
        self.f = .55 * self.fx                                   # and the hair above them
        self.skin, self.hair = SKIN[a["skin"]], HAIR[a["hair"]]
        self.flat = a["hat"] not in ("", "crown")                # hair lies flat under a hat

    def sway(self, p):
        """Hair follows late, more so the further from its roots; wind blows it to the right in waves."""
        x, y, m = p[0], p[1], self.m
        down, up = max(0.0, (y + 6) / 56), max(0.0, (-self.ry - 3 - y) / 16)
        far = down ** 1.2 + .55 * up
        dx = far * (11 * m["lag"][0] + .8 * math.sin(2 * math.pi * (m["t"] - .15)) + (-.28 if down else .2) * m["roll"] + .9 * m["lag"][2] * (-1 if down else 1))
        dy = far * 5 * m["lag"][1]
        if m["wind"]:
            w, far = 2 * math.pi * m["t"] - y * .05 - x * .012, max(far, .25 + .3 * up)
            dx += far * (6.0 + 7.5 * math.sin(w) + 2 * math.sin(2 * w + 1) + (2.5 if x > 0 else -1.5))
            dy -= far * (2.0 + 3.5 * math.sin(w + .9)) * (1.3 if x > 0 else .6)
        return (x + dx, y + dy, *p[2:])

    def strand(self, points):
        return blob([self.sway(p) for p in points])


def back_hair(pen, k):
    """Hair behind the neck."""
    a, rx, ry, h = k.a, k.rx, k.ry, k.hair
    style, dark, b = a["style"], shade(h, .2), -.25 * k.fx
    if style == "long":
        pen.shape(k.strand([(0, -ry), (rx + b, -ry + 6), (rx + 8 + b, 0), (rx + 9, 30), (rx + 13, 58, 1), (rx - 2, 54), (0, 50), (-rx + 2, 54), (-rx - 13, 58, 1),
                            (-rx - 9, 30), (-rx - 8 + b, 0), (-rx + b, -ry + 6)]), dark)
    elif style == "bob":
        pen.shape(k.strand([(0, -ry), (rx + b, -ry + 6), (rx + 9 + b, 2), (rx + 6, 30), (rx - 10, 34), (0, 30), (-rx + 10, 34),
                            (-rx - 6, 30), (-rx - 9 + b, 2), (-rx + b, -ry + 6)]), dark)
    elif style == "ponytail":
        pen.shape(k.strand([(10 + b, -ry), (rx + 2 + b, -ry - 3), (rx + 17 + b, -16), (rx + 17, 12), (rx + 20, 44, 1), (rx + 7, 34), (rx + 1, 12),
                            (rx - 4 + b, -14)]), h, shadow=(-5, -2))
    elif style == "curly":
        curls(pen, k, [(s * (rx + 2) + b, y, 11.5) for s in (-1, 1) for y in range(-18, 33 if not k.man else 8, 13)], dark, False)
    elif style == "short" and not k.man:
        pen.shape(k.strand(mirror([(0, 0), (rx, 0), (rx + 4, 12), (rx - 5, 27, 1), (0, 24)])), dark)
    elif style == "bun" and not k.flat:
        x, y = k.sway((b * .5, -ry - 12))[:2]
        pen.shape(oval(x, y, 13.5, 11.5), h, shadow=(-4, -3), inner=lambda: pen.stroke(blob([(x - 8, y - 1), (x - 5, y - 6), (x + 1, y - 7.5)], False), light(h, .35), 3))


def curls(pen, k, spots, colour, lit=True):
    """A cloud of locks: one outline around all, light on the upper left of each."""
    spots = [(*k.sway((x, y))[:2], r) for x, y, r in spots]
    for x, y, r in spots:
        pen.fill(oval(x, y, r + 1.5, r + 1.5), line(colour))
    for x, y, r in spots:
        pen.fill(oval(x, y, r, r), colour)
    for i, (x, y, r) in enumerate(spots if lit else ()):
        if i % 2:
            pen.stroke(blob([(x + r * .62, y + r * .2), (x + r * .3, y + r * .62), (x - r * .3, y + r * .6)], False), shade(colour, .22), 2.2)
        if x < 12 and y < -18:
            pen.stroke(blob([(x - r * .55, y), (x - r * .4, y - r * .45), (x + r * .05, y - r * .55)], False), light(colour, .32), 2.6)


def fringe_line(k, low):
    """The lower edge of the hair over the forehead, from the right temple to the left one."""
    rx, f, style, kind = k.rx, k.f, k.a["style"], k.fringe
    right, left = [(rx + 2, low, 1), (rx - 3, -8)], [(-rx + 3, -8), (-rx - 2, low, 1)]
    if style in ("bun", "ponytail") and kind == 1:
        kind = 2
    if style == "bald":
        return []
    if k.flat:                                             # only the temples show under a hat
        return right + [(rx * .78 + f, -15), (rx * .4 + f, -21), (-rx * .4 + f, -21), (-rx * .78 + f, -15)] + left
    if style == "spiky":
        return right + [(rx - 6, -16), (17 + f, -11, 1), (14 + f, -18), (10 + f, -24, 1), (6 + f, -16), (f, -10, 1),
                        (-1 + f, -18), (-5 + f, -24, 1), (-10 + f, -16), (-17 + f, -11, 1), (-rx + 6, -18)] + left
    if k.man and style != "long":
        return right + ([(rx - 5, -16), (rx * .6 + f, -25, 1), (4 + f, -22.5), (-10 + f, -24), (-rx * .7 + f, -18)],                                                  # swept back
                        [(rx - 5, -18), (17 + f, -12, 1), (16 + f, -17), (12 + f, -22, 1), (8 + f, -15), (0 + f, -10.5, 1), (1 + f, -17), (-3 + f, -22, 1),
                         (-9 + f, -15), (-17 + f, -12, 1), (-rx + 5, -18)],                                                                         # tousled
                        [(rx * .7 + f, -15), (rx * .3 + f, -17), (-8 + f, -29, 1), (-15 + f, -20)])[kind] + left                                  # side parting
    return right + ([(rx * .62 + f, -15), (11 + f, -23), (1 + f, -32, 1), (-9 + f, -23), (-rx * .62 + f, -15)],                                     # curtains
                    [(rx - 5, -11, 1), (15 + f, -9), (8 + f, -18, 1), (-1 + f, -9), (-8 + f, -17, 1), (-15 + f, -9.5), (-rx + 5, -12, 1)],            # full fringe
                    [(rx * .7 + f, -9), (rx * .36 + f, -13), (-4 + f, -23), (-11 + f, -32, 1), (-17 + f, -20)])[kind] + left                        # swept from a side parting


def side_locks(pen, k):
    """Locks beside the face, which come out from under the cap of hair."""
    rx, h, f, style = k.rx, k.hair, k.f, k.a["style"]
    lock = {"long": [(rx - 7, -20), (rx + 3, -22), (rx + 6.5, 0), (rx + 5, 20), (rx + 10, 42), (rx + 3, 62, 1), (rx - 1, 48), (rx - 6, 34), (rx - 2, 14)],
            "bob": [(rx - 7, -20), (rx + 3, -22), (rx + 8, 2), (rx + 7, 22), (rx - 8, 34, 1), (rx - 4, 22), (rx - 3, 6)],
            "bun": [(rx - 5, -14), (rx + 2, -14), (rx + 3.5, 4), (rx + 1, 20, 1), (rx - 2.5, 6)]}
    lock["ponytail"] = lock["bun"]
    if style == "short" and not k.man:
        lock["short"] = [(rx - 7, -14), (rx + 4, -16), (rx + 6, 2), (rx - 3, 21, 1), (rx - 4, 4)]
    for s in (-1, 1) if style in lock else ():
        pen.shape(k.strand([(p[0] + (.4 * f if p[1] < 0 else 0), *p[1:]) for p in flip(lock[style], s)]), h, shadow=(-4.5, -1))


def front_hair(pen, k):
    """Hair over the forehead, its shadow on the face, the band of light, and the locks beside the face."""
    a, rx, ry, h, f = k.a, k.rx, k.ry, k.hair, k.f
    style = a["style"]
    if style == "bald":
        return
    full = 0 if k.flat else {"short": 3, "spiky": 2, "curly": 4}.get(style, 1)
    low = {"short": 4 if k.man else 8, "spiky": 2, "long": 10, "bob": 12, "curly": 2}.get(style, 5)
    top = [(-rx - 3.5, -6), (-rx - 4 - full * .5, -20), (-rx * .74, -ry - 1 - full), (-rx * .28, -ry - 7.5 - full * 1.3),
           (rx * .28, -ry - 8 - full * 1.3), (rx * .74, -ry - 1.5 - full), (rx + 4 + full * .5, -20), (rx + 3.5, -6)]
    if style == "spiky" and not k.flat:
        top = [(-rx - 3, -4), (-rx - 10, -14, 1), (-rx - 3, -21), (-rx - 8, -ry + 3, 1), (-rx * .72, -ry - 2), (-rx * .62, -ry - 14, 1), (-rx * .14, -ry - 7), (3, -ry - 19, 1),
               (rx * .38, -ry - 6), (rx * .84, -ry - 13, 1), (rx * .82, -ry + 3), (rx + 10, -ry + 4, 1), (rx + 3, -20), (rx + 11, -14, 1), (rx + 3, -4)]
    elif style == "short" and k.man and k.fringe == 0 and not k.flat:          # a quiff
        top[2:6] = [(-rx * .84, -ry - 1), (-rx * .42, -ry - 9), (rx * .2, -ry - 14), (rx * .74, -ry - 9), (rx * .98, -ry + 4)]
    edge = fringe_line(k, low)
    hair = blob([k.sway(p) for p in top] + [k.sway(p) if k.m["wind"] and 1 < i < len(edge) - 2 else p for i, p in enumerate(edge)])
    with pen.clip(k.head):                                 # the shadow it throws on the forehead
        cast = skia.Path(hair)
        cast.offset(1.8, 3.2)
        pen.fill(cast, shade(k.skin, .22))
    side_locks(pen, k)
    pen.fill(hair, h)
    with pen.clip(hair):
        pen.fill(blob([(rx * .5, -ry - 20), (rx * .86, -ry * .6), (rx * .74, -14), (rx * .9, 14), (rx + 30, 14), (rx + 30, -ry - 20)]), shade(h, .16))   # the side away from the light
        if not k.flat:
            part = (-11 + f, -31) if k.fringe == 2 else (1 + f, -31)
            if style in ("long", "bob", "bun", "ponytail") or (style == "short" and k.fringe == 2):
                pen.stroke(blob([part, (part[0] - 1, -ry - 3), (part[0] + 3, -ry - 12)], False), shade(h, .26), 1.8)
            g = f - 2.5 * k.m["yaw"]
            for start, end, tone in ((172, 97, .36), (74, 46, .24)):                   # the band of light follows the skull
                turn = [math.radians(v) for v in np.linspace(start, end, 5)]
                pen.fill(blob([(g + rx * .93 * math.cos(u), -6 - (ry - 5) * math.sin(u), *((1,) if u in (turn[0], turn[-1]) else ())) for u in turn] +
                              [(g + rx * .84 * math.cos(u), -6 - (ry - 12) * math.sin(u)) for u in turn[-2:0:-1]]), light(h, tone))
    pen.stroke(hair, line(h), 1.7)
    if style == "curly":
        if k.flat:
            ring = [(s * (rx + 1), y, 9) for s in (-1, 1) for y in (-10, 0)]
        else:
            ring = [(rx * math.cos(u), -9 - (ry - 4) * math.sin(u), 10.5) for u in np.linspace(0.0, math.pi, 8)]
            ring += [(f + x, -ry * .72 + .015 * x * x, 8.5) for x in (15, 0, -15)]
        curls(pen, k, ring, h)


def draw_body(pen, k):
    """Neck, shoulders and clothes; they breathe."""
    a, skin, c, man, m = k.a, k.skin, CLOTH[k.a["cloth"]], k.man, k.m
    kind, y = a["clothes"], -.9 * m["breath"]
    w, dark, pale = (51 if man else 43) + .5 * m["breath"], shade(c), light(c, .3)
    lean = -6 * m["lag"][0] + (3 + 2 * math.sin(2 * math.pi * m["t"] - 1)) * m["wind"]        # how far strings and cloth swing
    if kind == "hoodie":
        pen.shape(blob(mirror([(0, 82 + y), (24, 84 + y), (33, 97 + y), (26, 112 + y)])), dark)
    n = 12 if man else 8.5
    pen.shape(blob([(-n, 76), (-n, 92), (-n - 7, 104 + y), (-n - 7, 124), (n + 7, 124), (n + 7, 104 + y), (n, 92), (n, 76)]), skin)
    pen.fill(blob([(-n, 80), (n, 80), (n + .5, 96), (2, 101 + y), (-n + 3, 92)]), shade(skin, .26))      # the chin's shadow
    chin = blob([(-n + 2, 92), (n, 88), (n + 2, 97), (2, 102 + y)])                                     # and where an open collar shows it
    body = blob(mirror([(0, 102 + y), (15, 101 + y), (w - 13, 105 + y), (w - 1, 114 + y), (w + 3, 132), (w + 3, 160)]))

    def folds(tone=dark):
        pen.fill(blob([(w - 20, 160), (w - 16, 126 + y), (w - 19, 112 + y, 1), (w - 8, 122 + y), (w + 20, 104), (w + 20, 160)]), tone)      # the arm's shadow side
        pen.fill(blob([(-w + 16, 160), (-w + 13, 128 + y), (-w + 16, 116 + y, 1), (-w + 20, 128 + y), (-w + 21, 160)]), tone)
    if kind == "dress":
        pen.shape(body, skin, inner=lambda: folds(shade(skin)))
        for s in (-1, 1):
            pen.stroke(blob([(s * 20, 101 + y), (s * 19, 116 + y)], False), line(c), 6.5)
            pen.stroke(blob([(s * 20, 101 + y), (s * 19, 116 + y)], False), c, 4)
        pen.shape(blob(mirror([(0, 119 + y, 1), (9, 112.5 + y), (20, 113 + y), (29, 118 + y, 1), (31, 160)])), c, shadow=(-6, 0))
        return
    pen.shape(body, c, inner=folds)
    if kind == "t-shirt":
        pen.shape(blob(mirror([(0, 116 + y), (11, 112 + y), (17, 101 + y, 1), (12, 96 + y)])), pale)
        pen.fill(blob(mirror([(0, 112 + y), (9, 108.5 + y), (13.5, 100 + y, 1), (12, 90 + y)])), skin)
        pen.fill(chin, shade(skin, .26))
    elif kind == "sweater":
        pen.shape(blob(mirror([(0, 110 + y), (13, 107 + y), (16, 99 + y), (n + 3, 91 + y), (0, 94 + y)])), c, shadow=(-5, -1),
                  inner=lambda: pen.stroke(blob([(-16, 101 + y), (0, 104 + y), (16, 101 + y)], False), dark, 2))
        for s in (-1, 1):
            pen.stroke(blob([(s * 15, 107 + y), (s * 23, 118 + y), (s * 26, 130)], False), dark, 2)
    elif kind == "hoodie":
        pen.fill(blob(mirror([(0, 113 + y), (12, 100 + y), (n, 92)])), shade(skin, .1))
        pen.fill(chin, shade(skin, .26))
        for s in (-1, 1):
            pen.shape(blob(flip([(12, 94 + y), (25, 92 + y), (29, 102 + y), (19, 115 + y), (0, 122 + y, 1), (0, 113 + y, 1), (9, 106 + y)], s)), c if s < 0 else mix(c, dark, .6))
            pen.stroke(blob([(s * 8, 117 + y), (s * 8.5 + lean * .5, 124 + y), (s * 8 + lean, 133 + y)], False), light(c, .75) if sum(c) < 640 else shade(c, .3), 2.6)
    elif kind == "shirt":
        pen.fill(blob([(-11, 96 + y, 1), (11, 96 + y, 1), (0, 114 + y, 1)]), skin)
        pen.fill(chin, shade(skin, .26))
        pen.stroke(blob([(0, 113 + y), (0, 132)], False), line(c), 1.7)
        pen.fill(oval(4, 121 + y, 1.7, 1.7), light(c, .6) if sum(c) < 600 else shade(c, .4))
        for s in (-1, 1):
            pen.shape(blob(flip([(n, 91 + y, 1), (19, 97 + y), (23, 104 + y, 1), (13, 117 + y, 1), (0, 112 + y, 1)], s)), pale if sum(c) < 690 else light(c, .5))
    else:                                                  # a jacket over a light top
        pen.fill(blob([(-16, 98 + y, 1), (16, 98 + y, 1), (11, 140, 1), (-11, 140, 1)]), (240, 238, 240))
        pen.fill(blob(mirror([(0, 108 + y), (9, 104 + y), (12, 96 + y)])), skin)
        pen.fill(chin, shade(skin, .26))
        for s in (-1, 1):
            pen.shape(blob(flip([(n, 91 + y, 1), (19, 97 + y), (25, 108 + y, 1), (19, 112 + y, 1), (22, 116 + y, 1), (9, 140, 1), (6, 134, 1), (10, 110 + y)], s)),
                      mix(c, dark, .7) if sum(c) > 210 else light(c, .16))


def draw_head(pen, k):
    """Ears, the face and its shading."""
    skin, rx, fx, fy, a = k.skin, k.rx, k.fx, k.fy, k.a
    for s in (-1, 1):
        x, y = s * (rx + .5) - .3 * fx, 6 + .5 * fy
        pen.shape(oval(x, y, 5.5, 7), mix(skin, shade(skin), .3 if s < 0 else .8))
        pen.fill(oval(x + s * .8, y, 2.4, 3.8), shade(skin, .3))
        if not k.man and a["style"] in ("short", "bun", "ponytail", "bald"):
            swing = 5 * k.m["lag"][0] - .3 * k.m["roll"] + (2.5 + 2 * math.sin(2 * math.pi * k.m["t"])) * k.m["wind"]
            pen.shape(oval(x + s + swing, y + 10, 2.8, 2.8), (250, 204, 84), 1.6)
    pen.fill(k.head, skin)
    with pen.clip(k.head):
        cut = skia.Path(k.head)
        cut.offset(-5 + .3 * fx, -3)
        with pen.clip(cut, skia.ClipOp.kDifference):
            pen.fill(k.head, shade(skin, .15))
        pen.glow(-12 + .5 * fx, -8, 22, light(skin, .5), .5)
        for s in (-1, 1):
            pen.glow(s * (k.gap + 4.5) + fx, 14.5 + fy - 1.5 * k.m["smile"], 9 + k.m["smile"], (240, 76, 84), .5 if not k.man else .3)
    pen.stroke(k.head, line(skin), 1.7)


def draw_eyes(pen, k):
    a, m, e, fx = k.a, k.m, k.a["expression"], k.fx
    smile, iris = m["smile"], EYES[a["eyes"]]
    up = 8.6 * k.eye * {"surprised": 1.16, "happy": .95, "angry": .78, "sad": .80}.get(e, 1.0) * (.88 if k.man else 1.03)
    down = 6.6 * k.eye * {"surprised": 1.12, "happy": .72, "angry": .84}.get(e, 1.0) * (1 - .5 * smile)
    tilt = {"sad": 2.8, "angry": -3.2}.get(e, -.4)          # positive: the outer end of the lid hangs
    for s in (-1, 1):
        squash = 1 - .2 * max(0.0, s * m["yaw"])           # the far eye narrows when the head turns
        x, y, w = s * k.gap * (1 - .04 * abs(m["yaw"])) + fx, 4.5 + k.fy, 7.9 * k.eye * squash
        lid = min(1.0, max(0.0, m["lid"] + .16 * smile))
        shut = lambda v: v + (4.2 - 2.2 * smile - v) * lid       # the upper lid comes down to meet the lower
        upper = [(x - s * (w - .3), y + 1.2 + .4 * lid), (x - s * w * .6, shut(y - up * .80 - y - tilt * .9) + y), (x + s * .5, y + shut(-up)),
                 (x + s * w * .7, y + shut(-up * .70 + tilt)), (x + s * (w + .6), y + .2 + .3 * tilt + 1.2 * lid)]
        lower = [(x + s * w * .6, y + down * .80), (x, y + down), (x - s * w * .62, y + down * .82)]
        if lid < .85:
            eye = blob([(*upper[0], 1), *upper[1:4], (*upper[4], 1), *lower])
            pen.fill(eye, (252, 250, 252))
            with pen.clip(eye):
                ix, iy = x + 3.2 * m["look"][0] - s * .5, y - .4 + 1.6 * m["look"][1]
                pen.blend(oval(ix, iy, 5.3 * squash * k.eye, 6.7 * k.eye), [(ix, iy - 6), (ix, iy + 6)], (mix(iris, INK, .62), light(iris, .3 if a["eyes"] != "grey" else .08)))
                pen.fill(oval(ix, iy - .2, 2.5 * squash, 3.2), mix(INK, (0, 0, 0), .35))
                lashes = [(p[0], p[1] + 2.6) for p in upper]
                pen.fill(blob([(q[0], q[1] - 14) for q in upper[:1]] + lashes + [(upper[4][0], upper[4][1] - 14)]), (60, 40, 90), .22)       # the lid's shadow
                pen.fill(oval(ix - 1.9, iy - 2.7, 2.0, 2.1), (255, 255, 255))
                pen.fill(oval(ix + 2.1, iy + 2.9, 1.1, 1.1), (255, 255, 255), .85)
        pen.stroke(blob(upper, False), INK, 2.2 if k.man else 2.7)
        if not k.man:
            with pen.moved(*upper[4]):
                pen.fill(blob(flip([(-3.4, -3.2), (.6, -1.6), (3.2, -3.4 + 2.5 * lid, 1), (.6, 1.2), (-2, .4)], s)), INK)
        if lid < .5:                                       # the crease
            pen.stroke(blob([(p[0] + s * .4, p[1] - 3.6) for p in upper[1:4]], False), shade(k.skin, .3), 1.6, .45)
        elif lid > .85:
            pen.stroke(blob([(p[0], p[1] - 4) for p in (upper[1], upper[2], upper[3])], False), shade(k.skin, .25), 1.6, .7)
    return 4.5 + k.fy


def draw_brows(pen, k):
    e = k.a["expression"]
    colour = INK if k.a["style"] == "bald" else mix(k.hair, INK, .5 if sum(k.hair) < 560 else .38)
    lift = {"surprised": 4.0, "sad": 1.4, "angry": -3.2, "happy": 1.0}.get(e, 0) + 2.0 * k.m["brow"]
    tilt = {"sad": 4.2, "angry": -5.0, "surprised": .6}.get(e, .5)          # positive: the inner end rises
    t = (3.5 if k.man else 2.6) * (.7 + .3 * k.eye)
    for s in (-1, 1):
        x, y = s * (k.gap + .6) * (1 - .04 * abs(k.m["yaw"])) + k.fx * 1.04, -8.6 - 2 * (k.eye - 1) + k.fy * 1.1 - lift
        with pen.moved(x, y):
            pen.fill(blob(flip([(-7, -tilt), (0, -1.8 - t * .45), (8.4, tilt * .7 + .8, 1), (0, -1.8 + t * .55), (-6.6, -tilt + t)], s)), colour)


def draw_mouth(pen, k):
    m, e, fx, woman = k.m, k.a["expression"], k.fx, not k.man
    lip = mix((192, 60, 78), line(k.skin), .12) if woman else mix(line(k.skin), (112, 26, 44), .45)
    curve, wide, opened, rounded = {"happy": (.85, 10.5, .55, 0), "sad": (-1.3, 9, 0, 0), "angry": (-.7, 10, .5, 0), "surprised": (0, 6, .8, 1)}.get(e, (.3, 7.5, 0, 0))
    s = m["smile"]
    curve, wide, opened, rounded = max(curve, curve + (1 - curve) * s), wide + (11.5 - wide) * max(0, s), max(opened, .82 * ease((s - .25) * 1.5)), rounded * (1 - s)
    if m["talk"]:                                          # the mouth speaks whatever the expression
        o, w, r = m["talk"]
        opened, wide, rounded, curve = .95 * o, 8.8 * w, r, curve * .6
    x, y = fx * 1.06, 22 + k.fy * 1.05 - .8 * s
    yc, w = y - 3.4 * curve, wide * (1 - .12 * abs(m["yaw"]))
    if opened < .1:
        pen.stroke(blob([(x - w, yc), (x, y + 2.2 * curve), (x + w, yc)], False), lip, 2.5)
    else:
        d = 11.5 * opened
        flat = curve > .5                                  # a grin has a straight upper edge
        top, low = (y + .2 * curve if flat else y - d * .36), (y + d * (.95 if flat else .66))
        p = skia.Path()
        p.moveTo(x - w, yc)
        p.cubicTo(x - w * .5, top + (top - yc) * .33, x + w * .5, top + (top - yc) * .33, x + w, yc)
        round_ = .75 + .45 * rounded
        p.cubicTo(x + w * round_ * .95, low + (low - yc) * .32, x - w * round_ * .95, low + (low - yc) * .32, x - w, yc)
        p.close()
        pen.fill(p, (116, 30, 50))
        with pen.clip(p):
            pen.fill(oval(x, low + 1.5, w * .62, d * .42 + .6), (228, 104, 112))
            if not rounded > .5:
                pen.fill(blob([(x - w, yc - 6), (x + w, yc - 6), (x + w, yc + 2.2), (x, top + 3.6), (x - w, yc + 2.2)]), (252, 250, 248))
        pen.stroke(p, lip, 2.1)
    if k.a["beard"] != "beard":                            # the hollow below the lip
        pen.stroke(blob([(x - 3, y + 6.4 + 7.2 * opened), (x + 3, y + 6.4 + 7.2 * opened)], False), shade(k.skin, .2), 1.8, .7)


def draw_face(pen, k):
    a, fx, fy, rx, ry, h = k.a, k.fx, k.fy, k.rx, k.ry, k.hair
    draw_head(pen, k)
    m = k.m
    jaw = 9 * (m["talk"][0] if m["talk"] else 0) * .28
    if a["beard"] == "beard":
        full = blob([(-rx - 1, 0, 1), (-rx + 5 + .4 * fx, 8), (fx - 15, 16 + fy), (fx - 8, 15 + fy), (fx, 16.5 + fy), (fx + 8, 15 + fy), (fx + 15, 16 + fy),
                     (rx - 5 + .4 * fx, 8), (rx + 1, 0, 1),
                     (rx + .5, 14), (rx * .84, ry * .76), (rx * .4 + .4 * fx, ry + 4 + jaw), (-rx * .4 + .4 * fx, ry + 4 + jaw), (-rx * .84, ry * .76), (-rx - .5, 14)])
        pen.shape(full, h, shadow=(-6, -3))
    nx, ny = fx * 1.3, 12.5 + 1.15 * fy
    pen.stroke(blob([(nx - 2.4, ny), (nx + .4, ny + 1.5), (nx + 2.8, ny - .4)] + ([(nx + 2.2, ny - 4)] if k.man else []), False), shade(k.skin, .36), 2.0)
    pen.glow(nx - 1, ny - 3.5, 3.6, light(k.skin, .7), .7)
    draw_eyes(pen, k)
    if a["beard"] == "beard":
        pen.fill(oval(fx, 22.5 + fy, 9 + 2 * max(0, m["smile"]), 4 + jaw), mix(k.skin, (214, 96, 96), .35))
    draw_mouth(pen, k)
    if a["beard"] == "moustache":
        lobe = [(0, 15.4), (5, 13.6), (11, 16), (17, 14.6, 1), (14, 20), (7, 20.6), (0, 18.4)]
        half = lobe + flip(lobe[1:-1][::-1])
        pen.shape(blob([(p[0] + fx * 1.1, p[1] + fy * 1.1 - .8 * m["smile"], *p[2:]) for p in half]), h, shadow=(-2, -1.5))


def draw_glasses(pen, k):
    if not k.a["glasses"]:
        return
    y, sun, frame = 4.5 + k.fy, k.a["glasses"] == "sunglasses", (66, 46, 58)
    for s in (-1, 1):
        squash = 1 - .16 * max(0.0, s * k.m["yaw"])
        x, w = s * k.gap * 1.02 + k.fx * 1.05, 12 * squash
        lens = blob([(x - w, y - 4), (x - w * .66, y - 10), (x + w * .66, y - 10), (x + w, y - 4),
                     (x + w * .82, y + 7), (x + w * .35, y + 10.5), (x - w * .35, y + 10.5), (x - w * .82, y + 7)])
        if sun:
            pen.blend(lens, [(x, y - 10), (x, y + 10)], ((42, 38, 66), (110, 124, 178)))
            with pen.clip(lens):
                pen.fill(blob([(x - 9, y + 8, 1), (x - 1, y - 12, 1), (x + 4, y - 12, 1), (x - 4, y + 8, 1)]), (190, 214, 250), .5)
        else:
            pen.fill(lens, (214, 238, 255), .1)
            with pen.clip(lens):
                pen.fill(blob([(x - 7, y + 12, 1), (x + 4, y - 12, 1), (x + 8, y - 12, 1), (x - 3, y + 12, 1)]), (255, 255, 255), .16)
        pen.stroke(lens, frame, 2.4)
        pen.stroke(blob([(x + s * w, y - 3), (s * k.rx - .3 * k.fx, y - 1)], False), frame, 2.2)
    pen.stroke(blob([(k.fx * 1.05 - k.gap + 11.5, y - 2), (k.fx * 1.12, y - 4), (k.fx * 1.05 + k.gap - 11.5, y - 2)], False), frame, 2.4)


def draw_hat(pen, k):
    kind, rx, ry, f = k.a["hat"], k.rx, k.ry, k.f
    if not kind:
        return
    c = CLOTH[k.a["hat_colour"]]
    dark, pale = shade(c), light(c, .3)
    dome = [(-rx - 5, -16, 1), (-rx - 4.5, -28), (-rx * .66, -ry - 9), (0, -ry - 13), (rx * .66, -ry - 9), (rx + 4.5, -28), (rx + 5, -16, 1)]
    with pen.clip(k.head):
        if kind != "crown":
            pen.fill(blob([(-rx - 9, -30), (rx + 9, -30), (rx + 9, -9), (f, -14 if kind == "hat" else -10.5), (-rx - 9, -9)]), shade(k.skin, .3), .55)
    if kind == "cap":
        def panels():
            pen.stroke(blob([(f * 1.2, -ry - 13), (f * 1.5 - 1, -18)], False), dark, 2)
            pen.fill(blob([(-rx * .72, -26), (-rx * .5, -ry), (-4, -ry - 8), (-rx * .42, -ry + 5)]), pale)
        pen.shape(blob(dome + [(0, -18)]), c, shadow=(-9, 0), inner=panels)
        pen.shape(oval(f * .5, -ry - 13, 4, 2.4), dark)
        g = 1.5 * f
        pen.shape(blob([(-rx - 1 + f, -18, 1), (-rx * .5 + f, -24), (f, -26), (rx * .5 + f, -24), (rx + 1 + f, -18, 1), (rx * .86 + g, -11), (g, -14.5), (-rx * .86 + g, -11)]),
                  mix(c, dark, .6),
                  inner=lambda: pen.fill(blob([(-rx * .7 + f, -19), (-8 + f, -23.5), (-4 + f, -21), (-rx * .6 + g, -15)]), c))
    elif kind == "beanie":
        x, y = k.sway((f * .6, -ry - 15))[:2]
        pen.shape(oval(x, y, 8, 7.5), light(c, .5) if sum(c) < 640 else shade(c, .14), shadow=(-3, -2))
        pen.shape(blob(dome + [(0, -14)]), c, shadow=(-9, 0), inner=lambda: pen.fill(blob([(-rx * .86, -26), (-rx * .56, -ry), (-4, -ry - 8), (-rx * .46, -ry + 5)]), pale))
        band = blob([(-rx - 6, -27), (0, -31 + .4 * k.fy), (rx + 6, -27), (rx + 7, -15), (0, -18 + .6 * k.fy), (-rx - 7, -15)])
        pen.shape(band, mix(c, dark, .55) if sum(c) > 210 else light(c, .14), shadow=(-7, 0),
                  inner=lambda: [pen.stroke(blob([(x + f, -31), (x * 1.04 + f, -13)], False), line(c), 1.8, .5) for x in (-22, -11, 0, 11, 22)])
    elif kind == "hat":
        pen.shape(blob([(-rx + 1, -20, 1), (-rx + 3, -36), (-rx * .55, -ry - 15), (0, -ry - 11.5), (rx * .55, -ry - 15), (rx - 3, -36), (rx - 1, -20, 1)]), c, shadow=(-8, 0),
                  inner=lambda: [pen.fill(blob([(-rx * .74, -28), (-rx * .6, -ry - 6), (-rx * .4, -ry - 12), (-rx * .38, -ry + 2), (-rx * .5, -26)]), pale),
                                 pen.fill(blob([(-rx - 4, -30), (0, -27), (rx + 4, -30), (rx + 4, -14), (-rx - 4, -14)]), shade(c, .4) if sum(c) > 210 else light(c, .3))])
        pen.shape(blob([(-rx - 17 + f, -21), (-rx * .6 + f, -24), (f, -22), (rx * .6 + f, -24), (rx + 17 + f, -21), (rx * .7 + f, -14), (f, -12.5), (-rx * .7 + f, -14)]), c,
                  inner=lambda: pen.fill(blob([(-rx - 17 + f, -17), (f, -17), (rx + 17 + f, -18), (rx + f, -8), (-rx + f, -8)]), dark))
    else:
        w, b, t = rx * .84, -ry * .68, -ry - 16
        pen.shape(blob([(-w + f, b, 1), (-w - 4 + f, t + 5, 1), (-w * .48 + f, b - 13, 1), (f, t - 2, 1), (w * .48 + f, b - 13, 1), (w + 4 + f, t + 5, 1),
                        (w + f, b, 1), (f, b + 4)]), (252, 206, 74),
                  shadow=(-7, 0), inner=lambda: pen.fill(blob([(-w + f, b - 2), (f, b + 2), (w + f, b - 2), (w + f, b + 9), (-w + f, b + 9)]), (226, 160, 48)))
        for x, r, tone in ((-w * .6, 2.4, (66, 130, 226)), (0, 3.2, (222, 52, 84)), (w * .6, 2.4, (66, 130, 226))):
            pen.fill(oval(x + f * 1.2, b - 4 + (2.5 if not x else 0), r, r), tone)
        for x, y in ((-w - 4, t + 4), (0, t - 3), (w + 4, t + 4)):
            pen.shape(oval(x + f, y, 3, 3), (255, 226, 120), 1.6)


def draw_hand(pen, k):
    """An open hand that rises at the right, waves from the elbow, the wrist following late, and leaves."""
    (up, swing, late), a, skin = k.m["wave"], k.a, k.skin
    c = CLOTH[a["cloth"]]
    bare = a["clothes"] in ("dress", "t-shirt")
    with pen.moved(105.5, 147 + 62 * (1 - up), 9.5 * swing * min(1, up) + 3):
        pen.shape(blob([(-8, -40), (8, -40), (10, 0), (10, 30), (-10, 30), (-10, 0)]), skin if bare else c, shadow=(-4, 0))
        if not bare:
            pen.shape(box(-9.5, -42, 19, 7, 3), mix(c, shade(c), .5))
        with pen.moved(0, -42, 8 * late):
            parts = [blob([(-8.5, 2), (-10.5, -8), (-9.5, -19), (0, -21), (9.5, -18), (10, -8), (8, 2)])]
            for x, y, long, turn, wide in ((-7.4, -18, 13, -13, 3.0), (-2.5, -20, 16, -4, 3.1), (2.7, -19.5, 15, 5, 3.1), (7.6, -17, 11.5, 15, 2.8), (-8, -5, 14, -56, 3.2)):
                finger = box(-wide, -long, 2 * wide, long + 4, wide)
                finger.transform(skia.Matrix().setRotate(turn).postTranslate(x, y))
                parts.append(finger)
            for p in parts:
                pen.stroke(p, line(skin), 3.2)
            for p in parts:
                pen.fill(p, skin)
            with pen.clip(parts[0]):
                pen.fill(blob([(4, 4), (7, -6), (5, -18), (14, -20), (14, 4)]), shade(skin, .14))
            pen.stroke(blob([(-5.5, -10), (-1.5, -6), (-2, -1)], False), shade(skin, .26), 1.8)
            for x, y in ((-5, -18), (.1, -19.5), (5.2, -18.5)):
                pen.stroke(blob([(x, y), (x * 1.05, y - 3)], False), shade(skin, .34), 1.6)


def paint(a, phase, size=SIZE):
    """One frame of the portrait `a` as a uint8 RGB array.  Places and widths are those of SIZE, whatever the size."""
    surface = skia.Surface(size, size)
    canvas = surface.getCanvas()
    canvas.scale(size / SIZE, size / SIZE)
    pen, j, m = Pen(canvas), a["jitter"], motion(a, phase)
    k = Look(a, m)
    rx, ry, chin = k.rx, k.ry, .35 * k.fx
    drop = 3.2 * (m["talk"][0] if m["talk"] else 0)
    if k.man:
        side, low = [(rx * .98, ry * .26), (rx * .88, ry * .62), (rx * .47 + chin, ry * .96 + drop)], (chin, ry * 1.03 + drop)
    else:
        side, low = [(rx * .97, ry * .24), (rx * .78, ry * .60), (rx * .30 + chin, ry * .91 + drop)], (chin, ry * .97 + drop)
    right, left = side, [(-x + (2 * chin if i == 2 else 0), y) for i, (x, y) in enumerate(side)]
    k.head = blob([(0, -ry), (rx * .66, -ry * .82), (rx, -ry * .24)] + right + [low] + left[::-1] + [(-rx, -ry * .24), (-rx * .66, -ry * .82)])
    draw_background(pen, a, phase)
    canvas.save()
    canvas.translate(64 + j["x"], 60 + j["y"])
    canvas.scale(j["scale"], j["scale"])
    canvas.translate(0, -60)
    place = (2.2 * m["yaw"] + .35 * m["roll"], 60 + 2.4 * m["pitch"] - .5 * m["breath"], m["roll"])
    with pen.moved(*place):
        back_hair(pen, k)
    draw_body(pen, k)
    with pen.moved(*place):
        draw_face(pen, k)
        front_hair(pen, k)
        draw_brows(pen, k)
        draw_glasses(pen, k)
        draw_hat(pen, k)
    canvas.restore()
    if m["wave"]:
        draw_hand(pen, k)
    return surface.toarray(colorType=skia.kRGBA_8888_ColorType)[:, :, :3].copy()


def small_parts(a, phase):
    """Where the small parts are that a face is read by: [16, 16], how far each 8x8 square is on an eye, a brow, the mouth or the waving hand.

    A model that learns by the mean error of all squares hardly hears of them: both irises together are 3 squares of 256."""
    j, m = a["jitter"], motion(a, phase)
    k, y, x = Look(a, m), *np.mgrid[:SIZE, :SIZE] + .5
    out = np.zeros((SIZE, SIZE), np.float32)

    def mark(u, v, cx, cy, rx, ry, much):
        inside = (np.abs(u - cx) < rx) & (np.abs(v - cy) < ry)
        out[inside] = np.maximum(out[inside], much)
    # back from pixels to the head's own coordinates: paint() moves, scales and turns them
    u = (x - 64 - j["x"]) / j["scale"] - 2.2 * m["yaw"] - .35 * m["roll"]
    v = (y - 60 - j["y"]) / j["scale"] - 2.4 * m["pitch"] + .5 * m["breath"]
    c, s = math.cos(math.radians(m["roll"])), math.sin(math.radians(m["roll"]))
    u, v = c * u + s * v, c * v - s * u
    mark(u, v, k.fx, 22 + k.fy, 11, 6.5, 1)
    for side in (-1, 1):
        mark(u, v, side * k.gap + k.fx, -9 + 1.1 * k.fy, 9, 5, .6)
        if a["glasses"] != "sunglasses":
            mark(u, v, side * k.gap + k.fx, 4.5 + k.fy, 7.5, 8.5, 1)
    if m["wave"]:
        up, swing, _ = m["wave"]
        turn = math.radians(9.5 * swing * min(1, up) + 3)
        mark(x, y, 105.5 + 58 * math.sin(turn), 147 + 62 * (1 - up) - 58 * math.cos(turn), 18, 21, .6)
    return out.reshape(SIZE // 8, 8, SIZE // 8, 8).mean((1, 3))


def held_out(a):
    """Colour combinations that are never trained on, so that a test can ask for them."""
    return zlib.crc32(f"{a['hair']}/{a['cloth']}/{a['background']}".encode()) % 10 == 0


def sample_jitter(rng):
    return {"x": rng.uniform(-2.5, 2.5), "y": rng.uniform(-1.5, 2.5), "scale": rng.uniform(.96, 1.04), "rx": rng.uniform(28, 31),
            "ry": rng.uniform(33.5, 36), "gap": rng.uniform(13.4, 15.2),
            "eye": rng.uniform(.94, 1.06), "fringe": int(rng.integers(3))}


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
        a["expression"] = pick(EXPRESSIONS, (.28, .18, .2, .14, .2))
        a["background"] = pick(list(BACK) + list(SCENES))
        a["moves"] = []
        if rng.random() < (.86 if moving else .6):
            a["moves"] = sorted({pick(MOVES, (.2, .1, .19, .11, .12, .18, .1)) for _ in range(1 if rng.random() < .8 else 2)})
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
    low, high = (.36, .68) if {"waving", "smiling"} & set(a["moves"]) else (0, 1)
    while True:
        phase = float(rng.uniform(low, high))
        if "blinking" in a["moves"] or motion(a, phase)["lid"] < .4:
            return phase


def caption(a, rng=None):
    """Plain words for the portrait; without rng everything is named, in the usual order."""
    chance = (lambda p: False) if rng is None else (lambda p: rng.random() < p)
    alone = chance(.2)           # a fifth of the captions names one thing or two, and no more
    loose = not alone and chance(.5)            # and half of the rest leaves things out or changes the order
    drop = lambda p: loose and chance(p)
    who = a["sex"]
    if chance(.15):
        who = {"woman": ("girl", "lady"), "man": ("boy", "guy")}[who][int(rng.integers(2))]
    head = f"portrait of a {who}"
    if chance(.25):
        head = (who, f"a {who}", f"cartoon portrait of a {who}", f"avatar of a {who}", f"picture of a {who}")[int(rng.integers(5))]
    person = head
    if a["style"] == "bald":
        hair = "bald head" if chance(.3) else "bald"
        head = head if drop(.1) else f"{head}, {hair}" if chance(.5) else head.replace(who, f"bald {who}")
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
    if alone:
        rng.shuffle(parts)
        head, parts = (head, parts[:int(chance(.4))]) if chance(.25) else (person, parts[:1 + int(chance(.4))])
    if loose and chance(.5):
        rng.shuffle(parts)
    return ", ".join([head] + parts)


SAID_TOO = {
    "woman": ("female", "person", "young woman"), "man": ("male", "person", "young man"), "girl": ("anime girl",), "portrait": ("photo", "face", "close-up"),
    "blonde hair": ("blond hair", "golden hair"), "red hair": ("ginger hair", "auburn hair"), "grey hair": ("gray hair", "silver hair"), "brown hair": ("chestnut hair",),
    "curly": ("wavy", "frizzy"), "spiky": ("messy",), "bob": ("bobbed",), "bald": ("hairless",), "dark skin": ("black skin",), "light skin": ("fair skin",),
    "grey": ("gray",), "purple": ("violet",), "glasses": ("eyeglasses", "spectacles"), "sunglasses": ("shades", "dark glasses"), "beard": ("full beard",), "moustache": ("mustache",),
    "cap": ("baseball cap",), "hat": ("fedora",), "beanie": ("knit hat", "woolly hat"), "crown": ("golden crown", "king's crown"),
    "t-shirt": ("tshirt", "tee", "top"), "hoodie": ("hooded sweatshirt",), "shirt": ("blouse", "button-up"), "dress": ("gown", "summer dress"),
    "sweater": ("pullover", "jumper"), "jacket": ("suit", "coat", "blazer"), "happy": ("laughing", "cheerful", "big smile", "grinning"),
    "sad": ("unhappy", "sad face", "crying"), "surprised": ("shocked", "amazed", "astonished"), "angry": ("mad", "furious", "angry face"), "neutral": ("serious", "calm"),
    "beach": ("sea", "ocean", "seaside"), "forest": ("woods", "trees"), "night sky": ("starry night", "at night", "stars and moon"), "background": ("wall", "backdrop"),
    "waving": ("waving hand", "waves hello"), "turning": ("turning head", "looking around"), "nodding": ("nods", "nodding head"), "talking": ("speaking", "talks"),
    "wind in the hair": ("windy", "hair blowing in the wind"), "blinking": ("blinks", "blink"), "smiling": ("smiles", "smile")}
PRAISE = ("masterpiece, best quality", "highly detailed", "best quality", "cute", "beautiful", "cartoon", "anime style", "profile picture", "avatar", "cool", "solo", "looking at viewer",
          "upper body", "illustration", "digital art", "4k", "high quality", "detailed face")


def reword(words, rng, chance=.15):
    """A caption as other people may say it: other words for the same, and words that mean nothing here."""
    for plain, others in SAID_TOO.items():
        if rng.random() < chance:
            words = re.sub(rf"(?<![\w-]){plain}\b", str(rng.choice(others)), words)
    if rng.random() < chance:
        praise = ", ".join(str(p) for p in rng.choice(PRAISE, int(rng.integers(1, 4)), replace=False))
        words = f"{praise}, {words}" if rng.random() < .5 else f"{words}, {praise}"
    return words


def words():
    """All words that a caption can hold, also in other people's words."""
    said = """portrait cartoon avatar picture of a girl lady boy guy woman man bald head with hair in a bun ponytail skin eyes glasses sunglasses
              beard moustache background at the beach in a forest night sky wind in the hair"""
    lists = (SKIN, HAIR, EYES, CLOTH, BACK, SCENES, STYLES, CLOTHES, HATS, EXPRESSIONS, MOVES, PRAISE, SAID_TOO, *SAID_TOO.values())
    return sorted(set(" ".join([said] + [" ".join(names) for names in lists]).replace(",", " ").split()))


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
