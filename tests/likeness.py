#!/usr/bin/env python3
"""Does it learn a face?  Teaches the default model personas that it cannot know, and measures how alike its pictures become.

    python3 tests/likeness.py [--methods lora dreambooth textual_inversion me] [--personas yumin ...] [--model FILE] [-- OPTIONS OF TRAINING]

The personas are those of weights/personas.py: 15 pictures with captions are for learning, 5 are kept.  Training and drawing are done by ./persona
alone.  What RECIPE says was chosen on two personas, and is measured on three others.  "me" is `persona me`, which decides by itself.

Likeness is a distance in the space of Fisher's linear discriminants (as in Belhumeur et al., "Eigenfaces vs. Fisherfaces", 1997): of head and
hair, what differs between personas, in units of what differs between pictures of one: clothes, background, expression, place, and how exactly it is
drawn (blur, tint, blotches).  The space is found on a few hundred random personas with random marks, none of them measured here.  Measured is the
distance of each drawn picture from the mean of the kept ones, between two ends: that of the untrained model's pictures of the same prompts
and seeds, and that of the persona's other paintings seen through the autoencoder, for no method can draw more than that gives back.  Gap: how
much of the way from the first end to the second.  Words: how much of it the painter goes with hair, skin and eyes right, and no mark.

Features: the same for each thing that makes the persona, measured by the colour of the part of the picture that changes with it; the first end
is here the persona painted with something else in its place, or for a mark without it.  Below 0 is further off than that.  An eye is few
pixels, and its reading rough.

Other prompts: how far pictures of people who were not learned are from the untrained model's, in 1/255 a pixel.

Needs what weights/personas.py needs.
"""
import argparse
import dataclasses
import os
import subprocess
import sys
import time

import numpy as np
from PIL import Image, ImageFilter

ROOT = os.path.dirname(os.path.dirname(os.path.abspath(__file__)))
sys.path.insert(0, os.path.join(ROOT, "weights"))
import paint       # noqa: E402
import personas    # noqa: E402

LEARNED, KEPT, SEEDS = 15, 5, (1, 2)
RECIPE = {"lora": ["--max_train_steps", "600", "--learning_rate", "1e-3", "--min_snr_gamma", "5"],
          "dreambooth": ["--max_train_steps", "600", "--learning_rate", "1e-3", "--min_snr_gamma", "5", "--num_class_images", "30"],
          "textual_inversion": ["--max_train_steps", "2000", "--num_vectors", "8", "--min_snr_gamma", "5"]}

# ---- the space in which faces are compared -------------------------------------------------------------------


def look(picture):
    """Head and hair, at half the size: [5808]."""
    return np.asarray(Image.fromarray(picture).crop((20, 4, 108, 92)).resize((44, 44), Image.Resampling.BOX), np.float32).ravel() / 255


def inexact(rng, picture):
    """As a model may draw it: a little blurred, tinted, blotched."""
    blots = Image.fromarray(np.clip(rng.normal(128, 5, (16, 16, 3)), 0, 255).astype(np.uint8)).resize((paint.SIZE, paint.SIZE), Image.Resampling.BICUBIC)
    soft = np.asarray(Image.fromarray(picture).filter(ImageFilter.GaussianBlur(rng.uniform(0, 1.2))), np.float32)
    return np.clip(soft + np.asarray(blots, np.float32) - 128 + rng.normal(0, 4, 3) + .5, 0, 255).astype(np.uint8)


def random_marks(rng, another):
    """Strands, eyes, and patches of skin."""
    x, wide, lean, low = rng.uniform(-36, 36), rng.uniform(5, 14), rng.uniform(-14, 14), rng.uniform(-20, 60)
    left, y, r = float(rng.choice((-1, 1))), rng.uniform(-6, 16), rng.uniform(7, 14)
    marks = {"strand": (dict(hair=another["hair"]), [(x - wide, -60), (x + wide, -60), (x + wide + lean, low), (x - wide + lean, low)]),
             "eye": (dict(eyes=another["eyes"]), [(left * px, py) for px, py in personas.EYE]),
             "ends": (dict(hair=another["hair"]), [(left * -60, low), (left * 60, low), (left * 60, 90), (left * -60, 90)]),
             "skin": (dict(skin=another["skin"]), [(left * 14 + r * np.cos(t), y + r * np.sin(t)) for t in np.linspace(0, 6, 9)])}
    return {k: m for k, m in marks.items() if rng.random() < .35}


def random_who(rng):
    pick = lambda names: str(rng.choice(sorted(names)))
    return dict(sex=pick(("woman", "man")), hair=pick(paint.HAIR), style=pick(set(paint.STYLES) - {"bald"}), skin=pick(paint.SKIN), eyes=pick(paint.EYES))


def random_persona(rng):
    shape = paint.sample_jitter(rng)
    return personas.Persona(random_who(rng), {k: shape[k] for k in ("rx", "ry", "gap", "eye", "fringe")}, random_marks(rng, random_who(rng)))


def looks(rng, persona, count, exact=False):
    pictures = [personas.draw(persona, personas.scene(rng, persona)) for _ in range(count)]
    return np.stack([look(p if exact else inexact(rng, p)) for p in pictures])


class Faces:
    """A space in which the pictures of one persona differ by one in every direction, and what tells personas apart comes first."""

    def __init__(self, count=400, each=6, principal=240, kept=40):
        rng = np.random.default_rng(7)
        x = np.stack([looks(rng, random_persona(rng), each) for _ in range(count)])       # [count, each, 5808]
        self.mean = x.mean((0, 1))
        flat = (x - self.mean).reshape(count * each, -1)
        value, vector = np.linalg.eigh(flat @ flat.T)
        axes = (flat.T @ vector[:, -principal:]) / np.sqrt(value[-principal:])
        y = (flat @ axes).reshape(count, each, principal).astype(np.float64)
        within = (y - y.mean(1, keepdims=True)).reshape(-1, principal)
        value, vector = np.linalg.eigh(within.T @ within / (count * (each - 1)))
        white = vector / np.sqrt(value)
        between = y.mean(1) @ white
        _, _, best = np.linalg.svd(between - between.mean(0), full_matrices=False)
        self.to = axes @ white @ best[:kept].T

    def __call__(self, pictures):
        return (np.stack([look(p) for p in pictures]) - self.mean) @ self.to

    def check(self, count=60, each=6):
        """How often a picture of somebody new is nearest to the mean of that one's other pictures."""
        rng = np.random.default_rng(8)
        z = (np.stack([looks(rng, random_persona(rng), each) for _ in range(count)]) - self.mean) @ self.to
        means = z[:, 1:].mean(1)
        return (np.linalg.norm(z[:, :1] - means[None], axis=2).argmin(1) == np.arange(count)).mean()


def distance(z, to):
    return np.linalg.norm(z - to.mean(0), axis=1).mean()


# ---- and things about a face ---------------------------------------------------------------------------------


def without(rng, persona, feature):
    """The persona with something else in its place; a mark is left out."""
    if feature in persona.marks:
        return dataclasses.replace(persona, marks={k: v for k, v in persona.marks.items() if k != feature})
    who = random_who(rng)
    while who[feature] == persona.who[feature]:
        who = random_who(rng)
    return dataclasses.replace(persona, who=dict(persona.who, **{k: who[k] for k in ((feature, "style") if feature == "hair" else (feature,))}))


class Features:
    """The colour of the part of the picture that changes with a feature."""

    def __init__(self, persona, itself, count=60):
        """itself: pictures of the persona that are as good as they can be"""
        rng = np.random.default_rng(9)
        self.part, self.there, self.ends = {}, {}, {}
        for f in ["hair", "skin", *persona.marks]:
            scenes = [personas.scene(rng, persona) for _ in range(count)]
            there = np.stack([look(personas.draw(persona, a)) for a in scenes])
            other = [without(rng, persona, f) for _ in scenes]
            other = np.stack([look(personas.draw(p, dict(a, **p.who))) for p, a in zip(other, scenes)])
            change = np.abs(other - there).mean(0).reshape(-1, 3).sum(1)
            self.part[f] = change > change.max() / 2
            self.there[f] = self.colour(f, there).mean(0)
            self.ends[f] = self.away(f, other), self.away(f, np.stack([look(p) for p in itself]))

    def colour(self, f, x):
        return x.reshape(len(x), -1, 3)[:, self.part[f]].mean(1)

    def away(self, f, x):
        return np.linalg.norm(self.colour(f, x) - self.there[f], axis=1).mean()

    def __call__(self, pictures):
        x = np.stack([look(p) for p in pictures])
        return {f: (other - self.away(f, x)) / (other - itself) for f, (other, itself) in self.ends.items()}


# ---- training and drawing ------------------------------------------------------------------------------------


def persona(*arguments):
    r = subprocess.run([os.path.join(ROOT, "persona"), *map(str, arguments)], capture_output=True, text=True)
    if r.returncode:
        sys.exit(f"persona {' '.join(map(str, arguments))}: {r.stderr}")
    return r.stderr


class Studio:
    """Draws, with what was said on the command line."""

    def __init__(self, o):
        self.o, self.model = o, ["--model", o.model] if o.model else []

    def still(self, path, prompt, *more):
        persona("--prompt", prompt, "--frames", 1, "--size", f"{paint.SIZE}x{paint.SIZE}", "--threads", self.o.threads, "--quiet", "-o", path, *self.model, *more)
        return np.asarray(Image.open(path).convert("RGB"))

    def draw(self, prompts, tag, *more):
        return [self.still(f"{self.o.work}/{tag}-{i + 1}-{seed}.png", prompt, "--steps", 20, "--cfg", self.o.guidance, "--seed", seed, *more)
                for i, prompt in enumerate(prompts) for seed in SEEDS]

    def encoded(self, folder, count):
        """Pictures through the autoencoder: begun as they are, and denoised in the last of 1000 steps only."""
        return [self.still(f"{folder}-{i + 1}-encoded.png", "portrait", "--init", f"{folder}/{i + 1:02}.png", "--steps", 1000, "--strength", .001, "--seed", 1)
                for i in range(count)]

    def learn(self, name, method, *more):
        """-> what draws with it, and the minutes that it took"""
        sex, began = personas.PERSONAS[name].who["sex"], time.time()
        if method == "me":
            persona("me", f"{self.o.work}/{name}", "-o", f"{self.o.work}/{name}-me.gif", "--threads", self.o.threads, *self.model)
            return ["--lora", f"{self.o.work}/{name}-me.safetensors:1"], (time.time() - began) / 60
        word = method == "textual_inversion"
        out = f"{self.o.work}/{name}-word/embeddings/{name}.safetensors" if word else f"{self.o.work}/{name}-{method}.safetensors"
        os.makedirs(os.path.dirname(out), exist_ok=True)
        extra = ["--token", name, "--init_word", sex] if word else ["--class_prompt", f"portrait of a {sex}"] if method == "dreambooth" else []
        persona("train", f"{self.o.work}/{name}", "-o", out, "--method", method, "--seed", 1, "--threads", self.o.threads, *RECIPE[method], *self.model, *extra, *more)
        return ["--weights", f"{self.o.work}/{name}-word"] if word else ["--lora", f"{out}:1"], (time.time() - began) / 60


OTHERS = ["portrait of a man with short red hair, light skin, blue hoodie, happy, yellow background", "portrait of a woman with long black hair, brown skin, glasses, white t-shirt, green background",
          "portrait of a man with curly brown hair, beard, red sweater, grey background", "portrait of a woman with blonde hair in a bun, pale skin, purple dress, beach"]


class Subject:
    """A persona, and where it stands before anything is learned."""

    def __init__(self, name, faces, studio):
        person = personas.PERSONAS[name]
        photos = personas.photos(name, LEARNED + KEPT)
        personas.save(photos[:LEARNED], f"{studio.o.work}/{name}")
        self.name, self.faces, self.prompts = name, faces, [words for _, words in photos[LEARNED:]]
        self.kept = faces([picture for picture, _ in photos[LEARNED:]])
        self.untrained, encoded = studio.draw(self.prompts, f"{name}-untrained"), studio.encoded(f"{studio.o.work}/{name}", LEARNED)
        self.features = Features(person, encoded)
        self.before, self.itself = self.away(self.untrained), self.away(encoded)
        plain = looks(np.random.default_rng(10), dataclasses.replace(person, marks={}), 20, exact=True)
        words = distance((plain - faces.mean) @ faces.to, self.kept)
        print(f"{name}: untrained {self.before:.1f}, itself {self.itself:.1f}, words {self.gap(words):.0f} %; features untrained: {self.read(self.untrained)}", flush=True)

    def away(self, pictures):
        return distance(self.faces(pictures), self.kept)

    def gap(self, away):
        return 100 * (self.before - away) / (self.before - self.itself)

    def read(self, pictures):
        return ", ".join(f"{k} {100 * v:.0f}" for k, v in self.features(pictures).items())


def main():
    p = argparse.ArgumentParser()
    p.add_argument("--methods", nargs="*", default=list(RECIPE), choices=[*RECIPE, "me"])
    p.add_argument("--personas", nargs="*", default=list(personas.MEASURED), choices=list(personas.PERSONAS))
    p.add_argument("--model", help="instead of the default")
    p.add_argument("--work", default="build/likeness")
    p.add_argument("--guidance", type=float, default=3)
    p.add_argument("--threads", type=int, default=2)
    own = sys.argv[1:sys.argv.index("--")] if "--" in sys.argv else sys.argv[1:]
    more = sys.argv[sys.argv.index("--") + 1:] if "--" in sys.argv else []
    o = p.parse_args(own)
    os.makedirs(o.work, exist_ok=True)
    faces, studio = Faces(), Studio(o)
    print(f"a picture of somebody new is nearest to its own persona, of 60: {100 * faces.check():.0f} %")
    subjects = {name: Subject(name, faces, studio) for name in o.personas}
    plain = studio.draw(OTHERS, "plain")
    print(f"{'persona':8} {'method':18} {'minutes':>7} {'away':>6} {'gap':>5} {'other prompts':>13}  from the others; features")
    for name, s in subjects.items():
        for method in o.methods:
            use, minutes = studio.learn(name, method, *more)
            pictures = studio.draw(s.prompts, f"{name}-{method}", *use)
            drift = np.mean([np.abs(a.astype(int) - b).mean() for a, b in zip(studio.draw(OTHERS, f"{name}-{method}-other", *use), plain)])
            others = ", ".join(f"{other} {subjects[other].away(pictures):.0f}" for other in subjects if other != name)
            print(f"{name:8} {method:18} {minutes:7.1f} {s.away(pictures):6.1f} {s.gap(s.away(pictures)):4.0f}% {drift:13.1f}  {others or '-'}; {s.read(pictures)}", flush=True)


if __name__ == "__main__":
    main()
