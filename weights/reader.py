"""Reads off a picture which of the painter's words it shows, and off a clip which move.

    pictures(folder).read(uint8 [n, h, w, 3])        -> for each a dict of attributes, named as in paint.py
    moves(folder).read(uint8 [n, frames, h, w, 3])   -> for each {"move": word}
    colours(uint8 [h, w, 3])                         -> three of them without any learning

The first two are small convolutional networks that learn from the painter alone, on portraits in which rare words are as
frequent as others and no combination is left out.  What they learn on is blurred, shifted, tinted and noisy, more than
generated pictures are, so that they name what is there and not how cleanly it is drawn.  How often they are right on
portraits that they have not seen is for the caller to measure (check.py does): what they say is no surer than that.
They are kept in the folder and learn again when this file or the painter has changed.
"""
import os
import zlib

import numpy as np
import torch
import torch.nn.functional as F
from torch import nn

import paint
import train

ATTRIBUTES = {"sex": ("woman", "man"), "style": paint.STYLES, "hair": tuple(paint.HAIR), "skin": tuple(paint.SKIN), "eyes": tuple(paint.EYES),
              "glasses": ("", "glasses", "sunglasses"), "beard": ("", "beard", "moustache"), "hat": ("",) + paint.HATS, "hat_colour": tuple(paint.CLOTH),
              "clothes": paint.CLOTHES, "cloth": tuple(paint.CLOTH), "expression": paint.EXPRESSIONS, "background": tuple(paint.BACK) + paint.SCENES}
MOVES = ("",) + paint.MOVES
HARMONICS = 6


# ---------------------------------------------------------------- portraits

def portrait(rng, moves=None):
    """A random portrait in which every word is about as frequent as the others of its kind, held-out colours too."""
    while True:
        a = paint.sample_attributes(rng)
        a.update({k: str(rng.choice(values)) for k, values in ATTRIBUTES.items() if k != "sex"})
        if rng.random() < .4:
            a["hat"] = ""
        if a["sex"] == "woman":
            a["beard"] = ""
        if moves is not None:
            a["moves"] = list(moves)
        if "smiling" in a["moves"]:
            a["expression"] = "neutral"
        blind = a["glasses"] == "sunglasses" and "blinking" in a["moves"]
        still = a["style"] == "bald" and "wind" in a["moves"]
        if not blind and not still and not (a["sex"] == "man" and a["clothes"] == "dress"):      # the painter has none of these
            return a


def seen(a):
    """The attributes that a picture of `a` can show."""
    out = {k: a[k] for k in ATTRIBUTES}
    del out["hat_colour" if a["hat"] in ("", "crown") else "style"]
    moves, dark = set(a.get("moves", ())), a["glasses"] == "sunglasses"
    if dark or "blinking" in moves:
        del out["eyes"]
    if dark or {"smiling", "talking", "waving"} & moves:
        del out["expression"]
    if a["style"] == "bald" and not a["beard"]:
        del out["hair"]
    return out


def clip(a):
    """All frames of a portrait: [frames, h, w, 3]."""
    return np.stack([paint.paint(a, k / paint.FRAMES) for k in range(paint.FRAMES)])


# ---------------------------------------------------------------- networks

def planes(pictures):
    """[n, h, w, 3] to [n, 3, h, w]."""
    return np.ascontiguousarray(np.asarray(pictures).transpose(0, 3, 1, 2))


def brightness(clips):
    """[n, frames, h, w, 3] to [n, frames, h / 2, w / 2]: a frame is a channel."""
    half = lambda c: c.reshape(len(c), c.shape[1] // 2, 2, c.shape[2] // 2, 2, 3).mean((2, 4, 5))
    return np.stack([half(c) for c in clips]).astype(np.uint8)


def unit(x):
    return torch.from_numpy(x).float() / 127.5 - 1


def resize(x, size):
    return F.interpolate(x, size=(size, size), mode="bilinear")


def blur(x, sigma):
    radius = int(3 * sigma + 1)
    k = torch.exp(-torch.arange(-radius, radius + 1.0).square() / (2 * sigma * sigma))
    k = (k / k.sum()).expand(x.shape[1], 1, 1, -1)
    x = F.conv2d(F.pad(x, (radius, radius, 0, 0), "replicate"), k, groups=x.shape[1])
    return F.conv2d(F.pad(x, (0, 0, radius, radius), "replicate"), k.transpose(2, 3), groups=x.shape[1])


def damage(x, rng):
    """What an autoencoder and a generator do to pictures: other size and place, blur, noise, blotches, tint."""
    n, c, size = x.shape[:3]
    wide = size + 2 * int(rng.integers(-4, 5)) * size // 128
    left, top = (8 + (wide - size) // 2 + int(v) for v in rng.integers(-3, 4, 2))
    x = F.pad(resize(x, wide), (8, 8, 8, 8), "replicate")[..., top:top + size, left:left + size]
    sigma = rng.uniform(0, 1.6) * size / 128
    if sigma > .3:
        x = blur(x, sigma)
    strength = lambda most: most * torch.rand(n, 1, 1, 1)
    noise = strength(.10) * torch.randn(n, c, size // 2, size // 2) + resize(strength(.12) * torch.randn(n, c, size // 8, size // 8), size // 2)
    return x * (1 + strength(.07) * torch.randn(n, c, 1, 1)) + strength(.05) * torch.randn(n, c, 1, 1) + resize(noise, size)


class Spectrum(nn.Module):
    """How strongly each place changes at the multiples of the loop's frequency: [n, frames, h, w] -> [n, HARMONICS, h, w]."""

    def forward(self, x):
        return torch.fft.rfft(x.float(), dim=1)[:, 1:HARMONICS + 1].abs().add(1e-6).sqrt()


class Reader(nn.Module):
    """Layers of stride 2 down to 8x8, and one linear map from there to the values of all attributes."""

    def __init__(self, attributes, view, first, channels):
        super().__init__()
        self.attributes, self.view = attributes, view
        layers = [first]
        for i, (c, d) in enumerate(zip(channels, channels[1:])):
            layers += [nn.Conv2d(c, d, 3 if i else 5, 2, 1 if i else 2, bias=False), nn.BatchNorm2d(d), nn.ReLU()]
        layers += [nn.Conv2d(channels[-1], 32, 1, bias=False), nn.BatchNorm2d(32), nn.ReLU(), nn.Flatten(), nn.Dropout(.2)]
        self.layers = nn.Sequential(*layers, nn.Linear(32 * 64, sum(map(len, attributes.values()))))

    def forward(self, x):
        return self.layers(x).float().split([len(v) for v in self.attributes.values()], 1)

    @torch.no_grad()
    def read(self, pictures):
        x = unit(self.view(pictures))
        best = torch.cat([torch.stack([g.argmax(1) for g in self(part)], 1) for part in x.split(64)])
        return [{k: values[i] for i, (k, values) in zip(row, self.attributes.items())} for row in best.tolist()]

    def learn(self, pictures, words, steps, batch=64, rate=4e-3):
        """Learns what `words` (a dict each) say of the pictures; an attribute that is not there is not asked for."""
        rng, order = np.random.default_rng(0), []
        goal = torch.tensor([[values.index(w[k]) if k in w else -1 for k, values in self.attributes.items()] for w in words])
        optimizer = torch.optim.AdamW(self.parameters(), rate)
        schedule = torch.optim.lr_scheduler.OneCycleLR(optimizer, rate, total_steps=steps)
        self.to(memory_format=torch.channels_last).train()
        for step in range(steps):
            if len(order) < batch:
                order = rng.permutation(len(pictures)).tolist()
            i, order = order[:batch], order[batch:]
            x = damage(unit(pictures[i]), rng).to(memory_format=torch.channels_last)
            with train.bf16():
                guesses = self(x)
            loss = sum(F.cross_entropy(g, goal[i, k], ignore_index=-1) for k, g in enumerate(guesses))
            optimizer.zero_grad()
            loss.backward()
            optimizer.step()
            schedule.step()
            if step % 100 == 99:
                print(f"reader {'/'.join(list(self.attributes)[:3])}: step {step + 1} of {steps}, loss {loss.item():.3f}", flush=True)


def kept(folder, name, reader, learn):
    """The reader as the folder holds it, or else taught by learn(reader) and put there."""
    here = os.path.dirname(os.path.abspath(__file__))
    source = b"".join(open(os.path.join(here, f), "rb").read() for f in ("paint.py", "reader.py"))
    path = os.path.join(folder, f"{name}-{zlib.crc32(source):08x}.pt")
    if not os.path.exists(path):
        learn(reader)
        torch.save(reader.state_dict(), path + ".new")
        os.replace(path + ".new", path)
    reader.load_state_dict(torch.load(path))
    return reader.eval()


def pictures(folder, count=8000, steps=1500):
    def learn(reader):
        rng = np.random.default_rng(31)
        who = [portrait(rng) for _ in range(count)]
        reader.learn(planes([paint.paint(a, paint.still_phase(a, rng)) for a in who]), [seen(a) for a in who], steps)
    torch.manual_seed(0)
    return kept(folder, "pictures", Reader(ATTRIBUTES, planes, nn.Identity(), (3, 24, 48, 96, 128)), learn)


def moves(folder, count=640, steps=300):
    def learn(reader):
        rng = np.random.default_rng(32)
        words = [{"move": MOVES[i % len(MOVES)]} for i in range(count)]
        reader.learn(np.concatenate([brightness([clip(portrait(rng, [w["move"]] if w["move"] else []))]) for w in words]), words, steps)
    torch.manual_seed(0)
    return kept(folder, "moves", Reader({"move": MOVES}, brightness, Spectrum(), (HARMONICS, 24, 32, 32)), learn)


# ---------------------------------------------------------------- without learning

def lab(rgb):
    """sRGB bytes to CIE Lab, where distances are about what one sees."""
    c = np.asarray(rgb, float) / 255
    c = np.where(c > 0.04045, ((c + 0.055) / 1.055) ** 2.4, c / 12.92)
    xyz = c @ np.array([[0.4124, 0.2126, 0.0193], [0.3576, 0.7152, 0.1192], [0.1805, 0.0722, 0.9505]]) / [0.9505, 1.0, 1.089]
    f = np.where(xyz > 0.008856, np.cbrt(xyz), 7.787 * xyz + 16 / 116)
    return np.stack([116 * f[..., 1] - 16, 500 * (f[..., 0] - f[..., 1]), 200 * (f[..., 1] - f[..., 2])], -1)


def colours(picture):
    """The named colours nearest to the top of the hair, the clothes and the corners of a picture."""
    def nearest(boxes, names):
        pixels = np.concatenate([picture[y0:y1, x0:x1].reshape(-1, 3) for x0, x1, y0, y1 in boxes])
        d = np.linalg.norm(lab(np.median(pixels, 0)) - lab(list(names.values())), axis=-1)
        return list(names)[int(d.argmin())]
    return {"hair": nearest([(54, 74, 22, 32)], paint.HAIR), "cloth": nearest([(38, 45, 119, 128), (83, 90, 119, 128)], paint.CLOTH),
            "background": nearest([(2, 14, 4, 30), (114, 126, 4, 30)], paint.BACK)}


def plain(a):
    """Whether colours() looks at the right places of a picture of `a`."""
    return not a["hat"] and a["style"] not in ("bald", "bun", "spiky") and a["clothes"] not in ("jacket", "sweater", "dress") and a["background"] in paint.BACK
