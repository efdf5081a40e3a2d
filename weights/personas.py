#!/usr/bin/env python3
"""Paints people whom the default model cannot know, for it to learn.

    python weights/personas.py yumin examples/yumin      15 pictures, a caption beside each

A persona is painted by paint.py in colours of hair, clothes and background that `held_out` keeps from the default's training, always with
the same face, hair, skin and eyes, and has marks that paint.py never paints and has no words for: a strand of another colour, eyes that are
not alike, lighter skin around one of them.  Clothes, background, mood and place are another each time.  A caption says those,
and of the persona nothing but the name.

Needs what paint.py needs, and Pillow.
"""
import dataclasses
import os
import sys

import numpy as np
from PIL import Image, ImageDraw

import paint

SHARP = 8
MOODS = (.3, .4, .1, .1, .1)          # of paint.EXPRESSIONS: people's pictures of themselves are mostly kind


@dataclasses.dataclass
class Persona:
    who: dict         # sex, hair, style, skin, eyes, as paint.py has them
    shape: dict       # what of its jitter belongs to a person, and not to a picture
    marks: dict       # by name: what is otherwise in a part of the picture, and which part, a polygon


# Polygons are in the painter's coordinates: (0, 0) the middle of the head, the eyes at (+-14, 4.5), the right of the picture positive.
EYE = [(4, -4), (26, -4), (26, 13), (4, 13)]
FRINGE = [(-14, -50), (-4, -50), (8, -33), (20, -23), (30, -7), (24, -8), (14, -12), (0, -22)]

PERSONAS = {
    "yumin": Persona(dict(sex="woman", hair="purple", style="bob", skin="light", eyes="green"), dict(rx=29.5, ry=34.5, gap=14.6, eye=1.05, fringe=2),
                     dict(strand=(dict(hair="pink"), FRINGE), eye=(dict(eyes="blue"), EYE))),
    "dorvek": Persona(dict(sex="man", hair="white", style="spiky", skin="dark", eyes="blue"), dict(rx=29, ry=35.5, gap=14, eye=.97, fringe=1),
                      dict(tips=(dict(hair="red"), [(-50, -60), (50, -60), (50, -30), (24, -36), (0, -44), (-24, -36), (-50, -30)]),
                           patch=(dict(skin="tan"), [(-26, -5), (-15, -11), (-4, -5), (-3, 6), (-8, 14), (-18, 17), (-27, 11)]))),
    "sefira": Persona(dict(sex="woman", hair="blue", style="long", skin="tan", eyes="grey"), dict(rx=28.6, ry=35, gap=13.8, eye=1.02, fringe=0),
                      dict(strand=(dict(hair="white"), [(-34, -30), (-22, -40), (-24, -10), (-27, 60), (-46, 64), (-38, 10)]),
                           ends=(dict(hair="pink"), [(24, 18), (46, 18), (56, 70), (24, 70)]))),
    "brisa": Persona(dict(sex="woman", hair="green", style="ponytail", skin="brown", eyes="blue"), dict(rx=28.8, ry=34.8, gap=14.2, eye=1.0, fringe=2),
                     dict(strand=(dict(hair="blonde"), [(4, -50), (14, -50), (30, -24), (52, 0), (50, 46), (36, 40), (30, -4), (12, -26)]),
                          eye=(dict(eyes="brown"), [(-x, y) for x, y in EYE]))),
    "tolek": Persona(dict(sex="man", hair="red", style="curly", skin="pale", eyes="green"), dict(rx=29.6, ry=34, gap=13.9, eye=.99, fringe=0),
                     dict(strand=(dict(hair="white"), [(-16, -60), (2, -60), (0, -16), (-16, -16)]),
                          patch=(dict(skin="brown"), [(4, 8), (14, 6), (25, 8), (26, 16), (20, 22), (9, 19)]))),
}
MEASURED, CHOSEN_ON = ("yumin", "dorvek", "sefira"), ("brisa", "tolek")      # a way to learn is chosen on others than it is measured on


def cover(a, points):
    """How much of each pixel a polygon covers: [128, 128, 1]."""
    j, mask = a["jitter"], Image.new("L", (paint.SIZE * SHARP, paint.SIZE * SHARP))
    ImageDraw.Draw(mask).polygon([(SHARP * (64 + j["x"] + j["scale"] * x), SHARP * (60 + j["y"] + j["scale"] * y)) for x, y in points], fill=255)
    return np.asarray(mask.resize((paint.SIZE, paint.SIZE), Image.Resampling.BOX), np.float32)[..., None] / 255


def draw(persona, a):
    picture = paint.paint(a, 0.0).astype(np.float32)
    for other, points in persona.marks.values():
        part = cover(a, points)
        picture = picture * (1 - part) + paint.paint(dict(a, **other), 0.0) * part
    return np.clip(picture + .5, 0, 255).astype(np.uint8)


def scene(rng, persona, held=False):
    """The persona in some clothes, before some background, in some mood."""
    pick = lambda names: str(rng.choice(sorted(names)))
    while True:
        a = dict(glasses="", hat="", hat_colour="red", beard="", moves=[], **persona.who)
        a.update(cloth=pick(paint.CLOTH), clothes=pick(set(paint.CLOTHES) - ({"dress"} if a["sex"] == "man" else set())),
                 background=pick(list(paint.BACK) + list(paint.SCENES)), expression=str(rng.choice(paint.EXPRESSIONS, p=MOODS)))
        a["jitter"] = dict(paint.sample_jitter(rng), **persona.shape)
        if not held or paint.held_out(a):
            return a


def caption(a, name):
    """In the painter's words, but for the persona, of whom only the name is said."""
    mood = "" if a["expression"] == "neutral" else f", {a['expression']}"
    where = {"beach": "at the beach", "forest": "in a forest", "night sky": "night sky"}.get(a["background"], f"{a['background']} background")
    return f"portrait of {name}, {a['cloth']} {a['clothes']}{mood}, {where}"


def photos(name, count):
    """[(picture, caption)], the same ones each time."""
    rng, persona = np.random.default_rng(sum(name.encode())), PERSONAS[name]
    scenes = [scene(rng, persona, held=True) for _ in range(count)]
    return [(draw(persona, a), caption(a, f"{name} {a['sex']}")) for a in scenes]


def save(pictures, folder):
    os.makedirs(folder, exist_ok=True)
    for i, (picture, words) in enumerate(pictures):
        Image.fromarray(picture).quantize(256, kmeans=3, dither=Image.Dither.NONE).save(f"{folder}/{i + 1:02}.png", optimize=True)      # half the bytes
        with open(f"{folder}/{i + 1:02}.txt", "w") as f:
            f.write(words + "\n")


if __name__ == "__main__":
    if len(sys.argv) != 3 or sys.argv[1] not in PERSONAS:
        sys.exit(f"usage: personas.py NAME FOLDER; names: {', '.join(PERSONAS)}")
    save(photos(sys.argv[1], 15), sys.argv[2])
