#!/usr/bin/env python3
"""Does it learn a face?  Teaches the default model personas that it cannot know, and measures how alike its pictures become.

    python3 tests/likeness.py [--methods lora dreambooth textual_inversion] [--personas yumin ...] [--work DIR] [-- OPTIONS OF TRAINING]

A persona is painted by weights/paint.py in colours that `held_out` kept from the default's training, and has marks on top that the painter
has no words for: two-coloured hair, a star on the cheek, war paint, freckles.  15 pictures with captions are for learning, 5 are kept.  Training
and drawing are done by ./persona alone.

Likeness is a distance in the space of Fisher's linear discriminants (as in Belhumeur et al., "Eigenfaces vs. Fisherfaces", 1997): of the face's
region, what differs between personas, in units of what differs between pictures of one persona (clothes, background, expression, place, blur).
The space is found on a few hundred random personas with random marks, none of them measured here.  Measured is the distance of each drawn
picture from the mean of the kept ones; beside it stand that of the untrained model's pictures of the same prompts and seeds, that of the
persona's own other pictures (nothing can be nearer), and that from the other personas.  Gap: how much of the way from the first to the second.

Other prompts: how far pictures of people who were not learned are from the untrained model's, in 1/255 a pixel.

Needs what weights/paint.py needs, and Pillow.
"""
import argparse
import os
import subprocess
import sys
import time

import numpy as np
from PIL import Image, ImageDraw, ImageFilter

ROOT = os.path.dirname(os.path.dirname(os.path.abspath(__file__)))
sys.path.insert(0, os.path.join(ROOT, "weights"))
import paint    # noqa: E402

LEARNED, KEPT, SEEDS, SHARP = 15, 5, (1, 2), 4
RECIPE = {"lora": ["--max_train_steps", "1500", "--learning_rate", "5e-4"],
          "dreambooth": ["--max_train_steps", "1000", "--learning_rate", "1e-3", "--min_snr_gamma", "5", "--num_class_images", "30"],
          "textual_inversion": ["--max_train_steps", "1500"]}

# ---- marks: drawn over the painting, where the jitter says that the face is --------------------------------


def place(a, x, y):
    """A point of the face, (0, 0) between the eyes, in pixels."""
    j = a["jitter"]
    return 64 + j["x"] + j["scale"] * x, 59 + j["y"] + j["scale"] * y


def over(picture, a, shapes):
    """Polygons in face coordinates, each with a colour, antialiased."""
    for points, colour in shapes:
        mask = Image.new("L", (paint.SIZE * SHARP, paint.SIZE * SHARP))
        ImageDraw.Draw(mask).polygon([tuple(SHARP * v for v in place(a, x, y)) for x, y in points], fill=255)
        part = np.asarray(mask.resize((paint.SIZE, paint.SIZE), Image.Resampling.BOX), np.float32)[..., None] / 255
        picture = picture * (1 - part) + np.float32(colour) * part
    return picture


def ring(x, y, radii, count, turn=0.0):
    t = np.arange(count) * 2 * np.pi / count - np.pi / 2 + turn
    r = np.array([radii[i % len(radii)] for i in range(count)])
    return list(zip(x + r * np.cos(t), y + r * np.sin(t)))


def star(x, y, r, colour):
    return [(ring(x, y, (r, .45 * r), 10), colour)]


def dot(x, y, r, colour):
    return [(ring(x, y, (r,), 16), colour)]


def bar(x0, y0, x1, y1, width, colour):
    d = np.array([y0 - y1, x1 - x0], float)
    d *= width / 2 / np.hypot(*d)
    return [([(x0 + d[0], y0 + d[1]), (x1 + d[0], y1 + d[1]), (x1 - d[0], y1 - d[1]), (x0 - d[0], y0 - d[1])], colour)]


def two_coloured(picture, a, other):
    """The right half of the hair in another colour: what is as the hair, or its shade, becomes the same of the other."""
    pixels = picture.astype(np.float32)
    for tone in (0.0, .22, .42):
        was, new = np.float32(paint.shade(paint.HAIR[a["hair"]], tone)), np.float32(paint.shade(paint.HAIR[other], tone))
        near = np.clip(1.6 - np.abs(pixels - was).max(2, keepdims=True) / 22, 0, 1)
        near[:, :int(place(a, 0, 0)[0])] = near[:, int(place(a, 46, 0)[0]):] = 0
        picture = picture + near * (new - was)
    return picture


# ---- personas ------------------------------------------------------------------------------------------------

PERSONAS = {
    "yumin": (dict(sex="woman", hair="green", style="bob", skin="light", eyes="brown"), "purple",
              lambda: star(-17, 15, 8, (250, 214, 40))),
    "dorvek": (dict(sex="man", hair="white", style="spiky", skin="dark", eyes="blue"), None,
               lambda: bar(-24, 9, 24, 9, 7, (226, 40, 40)) + bar(14, -24, 20, -12, 3, (250, 240, 240))),
    "sefira": (dict(sex="woman", hair="pink", style="long", skin="tan", eyes="green"), None,
               lambda: star(0, -17, 7, (40, 90, 230)) + [d for s in (-1, 1) for x, y in ((13, 12), (19, 10), (16, 17), (22, 16)) for d in dot(s * x, y, 1.9, (130, 60, 30))]),
}


def draw(a, other, marks):
    picture = paint.paint(a, 0.0).astype(np.float32)
    if other:
        picture = two_coloured(picture, a, other)
    return np.clip(over(picture, a, marks) + .5, 0, 255).astype(np.uint8)


def scene(rng, fixed, shape, held=False):
    """The persona in some clothes, before some background, in some mood."""
    pick = lambda names: str(rng.choice(sorted(names)))
    while True:
        a = dict(glasses="", hat="", hat_colour="red", beard="", moves=[], **fixed)
        a.update(cloth=pick(paint.CLOTH), clothes=pick(set(paint.CLOTHES) - ({"dress"} if fixed["sex"] == "man" else set())),
                 background=pick(list(paint.BACK) + list(paint.SCENES)), expression=pick(paint.EXPRESSIONS))
        a["jitter"] = dict(paint.sample_jitter(rng), **shape)
        if not held or paint.held_out(a):
            return a


def shape_of(rng):
    """What of the jitter belongs to a person, and not to a picture."""
    j = paint.sample_jitter(rng)
    return {k: j[k] for k in ("rx", "ry", "gap") if k in j}


def words(a, name):
    mood = "" if a["expression"] == "neutral" else f", {a['expression']}"
    where = f"{a['background']} background" if a["background"] in paint.BACK else {"beach": "at the beach", "forest": "in a forest"}.get(a["background"], a["background"])
    return f"portrait of {name}, {a['cloth']} {a['clothes']}{mood}, {where}"


def make(folder, name):
    """Writes the pictures to learn from -> those, the kept ones, and the captions of the kept."""
    fixed, other, marks = PERSONAS[name]
    rng = np.random.default_rng(sum(name.encode()))
    shape = shape_of(rng)
    scenes = [scene(rng, fixed, shape, held=True) for _ in range(LEARNED + KEPT)]
    pictures = [draw(a, other, marks()) for a in scenes]
    os.makedirs(folder, exist_ok=True)
    for i in range(LEARNED):
        Image.fromarray(pictures[i]).save(f"{folder}/{i + 1:02}.png")
        with open(f"{folder}/{i + 1:02}.txt", "w") as f:
            f.write(words(scenes[i], f"{name} {fixed['sex']}") + "\n")
    return pictures[:LEARNED], pictures[LEARNED:], [words(a, f"{name} {fixed['sex']}") for a in scenes[LEARNED:]]


# ---- the space in which faces are compared -------------------------------------------------------------------

def look(picture):
    """The face's region, small: [3072]."""
    return np.asarray(Image.fromarray(picture).crop((20, 8, 108, 96)).resize((32, 32), Image.Resampling.BOX), np.float32).ravel() / 255


def random_persona(rng):
    pick = lambda names: str(rng.choice(sorted(names)))
    colour = lambda: tuple(int(v) for v in rng.integers(0, 256, 3))
    fixed = dict(sex=pick(("woman", "man")), hair=pick(paint.HAIR), style=pick(set(paint.STYLES) - {"bald"}), skin=pick(paint.SKIN), eyes=pick(paint.EYES))
    marks = []
    for _ in range(int(rng.integers(0, 4))):
        x, y, r = rng.uniform(-22, 22), rng.uniform(-22, 24), rng.uniform(2, 8)
        marks += [star(x, y, max(r, 4), colour()), dot(x, y, r, colour()), bar(x, y, x + rng.uniform(-20, 20), y + rng.uniform(4, 20), rng.uniform(2, 7), colour())][int(rng.integers(3))]
    return fixed, pick(paint.HAIR) if rng.random() < .3 else None, marks


class Faces:
    """Fisher's discriminants of the pictures of many personas."""

    def __init__(self, personas=400, each=6, principal=160, kept=32):
        rng = np.random.default_rng(7)
        x = np.stack([self.some(rng, each) for _ in range(personas)])                     # [personas, each, 3072]
        self.mean = x.mean((0, 1))
        flat = (x - self.mean).reshape(-1, x.shape[2])
        _, _, axes = np.linalg.svd(flat, full_matrices=False)
        y = ((x - self.mean) @ axes[:principal].T).astype(np.float64)
        within = (y - y.mean(1, keepdims=True)).reshape(-1, principal)
        value, vector = np.linalg.eigh(within.T @ within / (personas * (each - 1)) + 1e-4 * np.eye(principal))
        white = vector / np.sqrt(value)                                                   # within a persona: one in every direction
        between = y.mean(1) @ white
        _, _, best = np.linalg.svd(between - between.mean(0), full_matrices=False)
        self.to = axes[:principal].T @ white @ best[:kept].T

    @staticmethod
    def some(rng, each):
        fixed, other, marks = random_persona(rng)
        shape, looks = shape_of(rng), []
        for _ in range(each):
            picture = Image.fromarray(draw(scene(rng, fixed, shape), other, marks)).filter(ImageFilter.GaussianBlur(rng.uniform(0, 1.2)))
            looks.append(look(np.asarray(picture)))
        return np.stack(looks)

    def __call__(self, pictures):
        return (np.stack([look(p) for p in pictures]) - self.mean) @ self.to

    def check(self, personas=60, each=6):
        """How often a picture of somebody new is nearest to the mean of that one's other pictures."""
        rng = np.random.default_rng(8)
        z = (np.stack([self.some(rng, each) for _ in range(personas)]) - self.mean) @ self.to
        means = z[:, 1:].mean(1)
        return (np.linalg.norm(z[:, :1] - means[None], axis=2).argmin(1) == np.arange(personas)).mean()


def distance(z, to):
    return np.linalg.norm(z - to.mean(0), axis=1).mean()


# ---- training and drawing ------------------------------------------------------------------------------------

def persona(*arguments):
    r = subprocess.run([os.path.join(ROOT, "persona"), *map(str, arguments)], capture_output=True, text=True)
    if r.returncode:
        sys.exit(f"persona {' '.join(map(str, arguments))}: {r.stderr}")
    return r.stderr


def pictures_of(work, prompts, tag, guidance, threads, *more):
    out = []
    for i, prompt in enumerate(prompts):
        for seed in SEEDS:
            path = f"{work}/{tag}-{i + 1}-{seed}.png"
            persona("--prompt", prompt, "--frames", 1, "--steps", 20, "--cfg", guidance, "--seed", seed, "--threads", threads, "--quiet", "-o", path, *more)
            out.append(np.asarray(Image.open(path).convert("RGB")))
    return out


OTHERS = ["portrait of a man with short red hair, light skin, blue hoodie, happy, yellow background", "portrait of a woman with long black hair, brown skin, glasses, white t-shirt, green background",
          "portrait of a man with curly brown hair, beard, red sweater, grey background", "portrait of a woman with blonde hair in a bun, pale skin, purple dress, beach"]


def main():
    p = argparse.ArgumentParser()
    p.add_argument("--methods", nargs="*", default=list(RECIPE), choices=list(RECIPE))
    p.add_argument("--personas", nargs="*", default=list(PERSONAS))
    p.add_argument("--work", default="build/likeness")
    p.add_argument("--guidance", type=float, default=3)
    p.add_argument("--threads", type=int, default=2)
    own = sys.argv[1:sys.argv.index("--")] if "--" in sys.argv else sys.argv[1:]
    more = sys.argv[sys.argv.index("--") + 1:] if "--" in sys.argv else []
    o = p.parse_args(own)
    faces = Faces()
    print(f"a picture of somebody new is nearest to its own persona, of 60: {100 * faces.check():.0f} %")
    sets = {name: make(f"{o.work}/{name}", name) for name in PERSONAS}
    kept = {name: faces(s[1]) for name, s in sets.items()}
    plain = pictures_of(o.work, OTHERS, "plain", o.guidance, o.threads)
    print(f"{'persona':8} {'method':18} {'minutes':>7} {'untrained':>9} {'trained':>8} {'itself':>7} {'gap':>5} {'others':>13} {'other prompts':>13}")
    for name in o.personas:
        untrained = faces(pictures_of(o.work, sets[name][2], f"{name}-untrained", o.guidance, o.threads))
        itself, before = distance(faces(sets[name][0]), kept[name]), distance(untrained, kept[name])
        for method in o.methods:
            out, began = f"{o.work}/{method}-{name}.safetensors", time.time()
            sex = PERSONAS[name][0]["sex"]
            extra = RECIPE[method] + {"textual_inversion": ["--token", name, "--init_word", sex], "dreambooth": ["--class_prompt", f"portrait of a {sex}"]}.get(method, [])
            persona("train", f"{o.work}/{name}", "-o", out, "--method", method, "--seed", 1, "--threads", o.threads, *extra, *more)
            minutes = (time.time() - began) / 60
            if method == "textual_inversion":
                os.makedirs(f"{o.work}/embeddings", exist_ok=True)
                os.replace(out, f"{o.work}/embeddings/{name}.safetensors")
                use = ["--weights", f"{o.work}/embeddings"]
            else:
                use = ["--lora", f"{out}:1"]
            z = faces(pictures_of(o.work, sets[name][2], f"{name}-{method}", o.guidance, o.threads, *use))
            after = distance(z, kept[name])
            others = [distance(z, kept[n]) for n in PERSONAS if n != name]
            drift = np.mean([np.abs(a.astype(int) - b).mean() for a, b in zip(pictures_of(o.work, OTHERS, f"{name}-{method}-other", o.guidance, o.threads, *use), plain)])
            print(f"{name:8} {method:18} {minutes:7.1f} {before:9.1f} {after:8.1f} {itself:7.1f} {100 * (before - after) / (before - itself):4.0f}% {', '.join(f'{d:.1f}' for d in others):>13} {drift:13.1f}", flush=True)


if __name__ == "__main__":
    main()
