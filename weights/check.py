#!/usr/bin/env python3
"""Measures the default model: prints what stands under "Measured" in README.md.

    make && python weights/check.py [--write]

./persona draws, as it does for anybody: portraits whose three colours never came together in training, each word alone,
negative prompts, weights, other guidances, and clips.  reader.py says what the pictures show.  It is asked about the painter's own
pictures first, as painted and as the autoencoder gives them back; how often it is right there stands beside the model's figures.
Pictures stay in --work, named by what they were made from, so that a second run only counts.
"""
import argparse
import hashlib
import os
import subprocess
import textwrap
from collections import Counter, defaultdict
from concurrent.futures import ThreadPoolExecutor

import numpy as np
import torch
from PIL import Image, ImageSequence

import paint
import reader
import train

HERE = os.path.dirname(os.path.abspath(__file__))
BEGIN, END = "<!-- check.py writes from here -->\n", "<!-- to here -->\n"
SURE = .97                      # how often the reader has to be right for its figures to count

# what stands in the table, the attribute, its words, whether they are colours, and a prompt that names nothing else
KINDS = (("who", "sex", ("woman", "man"), False, "portrait of a {}"), ("hair", "style", paint.STYLES, False, "woman with {} hair"),
         ("its colour", "hair", tuple(paint.HAIR), True, "woman with {} hair"), ("skin", "skin", tuple(paint.SKIN), True, "man, {} skin"),
         ("eyes", "eyes", tuple(paint.EYES), True, "woman with {} eyes"), ("glasses", "glasses", ("glasses", "sunglasses"), False, "woman, {}"),
         ("beard", "beard", ("beard", "moustache"), False, "man with a {}"), ("hat", "hat", paint.HATS, False, "woman, {}"),
         ("its colour", "hat_colour", tuple(paint.CLOTH), True, "man, {} cap"), ("clothes", "clothes", paint.CLOTHES, False, "woman, {}"),
         ("their colour", "cloth", tuple(paint.CLOTH), True, "man, {} hoodie"), ("expression", "expression", paint.EXPRESSIONS, False, "woman, {}"),
         ("background", "background", tuple(paint.BACK), True, "man, {} background"), ("scene", "background", paint.SCENES, False, "woman, {}"))
ODD = {"bun": "woman with hair in a bun", "ponytail": "woman with hair in a ponytail", "bald": "bald man"}
NEGATIVES = (("portrait of a woman", "glasses, sunglasses", "glasses"), ("portrait of a woman", "cap, beanie, hat, crown", "hat"),
             ("portrait of a man", "beard, moustache", "beard"))
GUIDANCES = (3, 5, 7.5)
FEW = 40                        # portraits at each of these
WEIGHTED = ("hair", "glasses", "beard", "hat", "cloth")
LASTING = ("sex", "style", "hair", "skin", "glasses", "beard", "hat", "clothes", "cloth", "background")      # what no move changes


# ---------------------------------------------------------------- asking and drawing

class Program:
    """./persona with the files to be measured; as many at a time as there are processors."""

    def __init__(self, args):
        self.folder = os.path.join(args.work, "check")
        os.makedirs(self.folder, exist_ok=True)
        self.words = [args.program, "--model", args.model, "--steps", str(args.steps), "--threads", "1", "--quiet"]
        self.motion, self.guidance = args.motion, args.guidance
        self.files = b"".join(hashlib.sha1(open(f, "rb").read()).digest() for f in (args.program, args.model, args.motion))
        self.pool, self.begun = ThreadPoolExecutor(os.cpu_count()), {}

    def draw(self, prompt, seed, guidance=None, negative="", frames=1):
        """The promise of a picture [h, w, 3], or of a clip [frames, h, w, 3]."""
        words = self.words + ["--prompt", prompt, "--negative", negative, "--seed", str(seed), "--cfg", str(guidance or self.guidance), "--frames", str(frames)]
        words += ["--motion", self.motion] if frames > 1 else []
        path = os.path.join(self.folder, hashlib.sha1(self.files + repr(words).encode()).hexdigest()[:20] + (".apng" if frames > 1 else ".png"))

        def work():
            if not os.path.exists(path):
                subprocess.run(words + ["-o", path], check=True, stdout=subprocess.DEVNULL)
            shown = [painters_size(np.array(frame.convert("RGB"))) for frame in ImageSequence.Iterator(Image.open(path))]
            return np.stack(shown) if frames > 1 else shown[0]
        if path not in self.begun:
            self.begun[path] = self.pool.submit(work)
        return self.begun[path]


def painters_size(picture):
    """An enlarged picture as large as the painter's, by the averages of its squares: the readers and the painter know one size."""
    h, w, _ = picture.shape
    k = h // paint.SIZE
    if not k or (h, w) != (k * paint.SIZE, k * paint.SIZE):
        raise SystemExit(f"a picture of {w}x{h}: expected {paint.SIZE}x{paint.SIZE} or a multiple; let the model draw at its own size")
    return picture if k == 1 else picture.reshape(paint.SIZE, k, paint.SIZE, k, 3).mean((1, 3)).round().astype(np.uint8)


def came(drawn):
    return [d.result() for d in drawn]


def portraits(count, seed, moves=()):
    """Portraits whose colours never came together in training."""
    rng, out = np.random.default_rng(seed), []
    while len(out) < count:
        a = reader.portrait(rng, moves)
        if paint.held_out(a):
            out.append(a)
    return out


def prompt(a):
    """All words of a portrait."""
    return paint.caption(a) + (", neutral" if a["expression"] == "neutral" and "smiling" not in a["moves"] else "")


class Asked:
    """Portraits, what their pictures have to show, and the pictures."""

    def __init__(self, program, who, **more):
        self.who, self.goals, self.prompts = who, [reader.seen(a) for a in who], [prompt(a) for a in who]
        self.drawn = [program.draw(words, seed, **more) for seed, words in enumerate(self.prompts, 1)]


# ---------------------------------------------------------------- counting

class Tally(defaultdict):
    """For each attribute and value that was asked for, whether the pictures show it, one by one."""

    def __init__(self, read, goals):
        super().__init__(list)
        self.whole = 0                          # pictures in which nothing is wrong
        for r, goal in zip(map(reader.seen, read), goals):
            answers = [(key, value, r.get(key) == value) for key, value in goal.items()]
            self.whole += all(right for *_, right in answers)
            for key, value, right in answers:
                self[key, value].append(right)

    def of(self, *kinds):
        """The answers about the words of these kinds."""
        return [right for _, key, words, *_ in kinds for w in words for right in self[key, w]]

    def totals(self):
        """Shares of the colours and of the rest."""
        return [share(self.of(*(k for k in KINDS if k[3] == colour))) for colour in (True, False)]


def share(answers):
    return f"{100 * np.mean(answers):.3g} %" if len(answers) else ""


def said(text):
    return textwrap.wrap(text, 108, break_on_hyphens=False) + [""]


def table(head, rows):
    line = lambda cells: "| " + " | ".join(str(c) for c in cells) + " |"
    return [line(head), "|" + "---|" * len(head)] + [line(r) for r in rows] + [""]


# ---------------------------------------------------------------- the sections
# Each begins its drawings, waits for the readers, and gives its lines: what is drawn is drawn while the readers learn.

def words_section(program, args, asked):
    single = [(key, w, ODD.get(w, form.format(w))) for _, key, words, _, form in KINDS for w in words for _ in (1, 2)]
    drawn = [program.draw(words, 1 + i % 2) for i, (*_, words) in enumerate(single)]
    pictures, _ = yield
    others, rng, vae = portraits(300, 78), np.random.default_rng(79), train.exported("vae", args.model)
    painted = np.stack([paint.paint(a, paint.still_phase(a, rng)) for a in others])
    decoded = returned(vae, painted)
    tally, alone = Tally(pictures.read(came(asked.drawn)), asked.goals), Tally(pictures.read(came(drawn)), [{key: w} for key, w, _ in single])
    readers = [Tally(pictures.read(p), [reader.seen(a) for a in others]) for p in (painted, decoded)]

    def row(kind):
        name, key, words, *_ = kind
        right, sure = tally.of(kind), min(np.mean(r.of(kind)) for r in readers) >= SURE
        each = [f"{w} {sum(tally[key, w])}/{len(tally[key, w])}" for w in words if tally[key, w]]
        if tally[key, ""]:
            each.append(f"none {sum(tally[key, ''])}/{len(tally[key, ''])}")
        return [name, share(right) if sure else f"({share(right)})", ", ".join(each), *(share(t.of(kind)) for t in (alone, *readers))]

    def plain(who, shown):
        return [reader.colours(p)[k] == a[k] for a, p in zip(who, shown) if reader.plain(a) for k in ("hair", "cloth", "background")]
    sums = [[f"**{name}**", f"**{right}**", "", *more] for name, right, *more in zip(("colours", "the rest"), *(t.totals() for t in (tally, alone, *readers)))]
    error = np.square(painted.astype(float) - decoded).mean()
    yield [*said(f"By `check.py`, which has `./persona` draw {len(asked.who)} portraits over colour combinations left out of training, all their words in the prompt, "
                 f"at guidance {args.guidance:g} in {args.steps} DDIM steps. \"Alone\" is each word in a prompt that says nothing else (\"woman with green hair\"), "
                 f"two seeds each. A network taught on the painter's pictures (`reader.py`) reads them; the last two columns say how often it is right on "
                 f"{len(others)} painted ones that it has not seen, as they are, and encoded and decoded. Shares in brackets do not count: there it is right on "
                 f"less than {100 * SURE:g} %. \"None\" is what was not asked for, and is not there."),
           *table(["", "right", "word by word", "alone", "reader on painted", "and decoded"], [row(k) for k in KINDS] + sums),
           *said(f"Nothing at all is wrong in {tally.whole} of {len(asked.who)}. By the colours of pixels at fixed places, without a network, hair, clothes and background "
                 f"of the portraits that show them there are right in {share(plain(asked.who, came(asked.drawn)))} (painted: {share(plain(others, painted))})."),
           *said(f"Reconstruction of the {len(others)} by the autoencoder: {10 * np.log10(255 ** 2 / error):.2f} dB.")]


def guidance_section(program, args, asked):
    drawn = {g: [program.draw(words, seed, g) for seed, words in enumerate(asked.prompts[:FEW], 1)] for g in GUIDANCES}
    pictures, _ = yield
    drawn[args.guidance] = asked.drawn[:FEW]
    tallies = [(g, Tally(pictures.read(came(d)), asked.goals)) for g, d in sorted(drawn.items())]
    yield [*said(f"The first {len(asked.drawn[:FEW])} of these at other guidances:"),
           *table(["guidance", "colours", "the rest", "nothing wrong in"], [[f"{g:g}", *t.totals(), t.whole] for g, t in tallies])]


def other_words_section(program, args, asked):
    rng = np.random.default_rng(80)
    drawn = [program.draw(paint.reword(words, rng, .5), seed) for seed, words in enumerate(asked.prompts[:FEW], 1)]
    pictures, _ = yield
    colours, rest = Tally(pictures.read(came(drawn)), asked.goals).totals()
    yield said(f"The first {len(drawn)} again, in other people's words (`reword` in `paint.py`: \"blond hair\", \"suit\", \"furious\", \"masterpiece, best quality\"), "
               f"half of what can be said otherwise: colours {colours}, the rest {rest}.")


def negative_section(program, args, asked):
    drawn = [[[program.draw(words, seed, negative=n) for seed in range(1, 17)] for n in ("", negative)] for words, negative, _ in NEGATIVES]
    pictures, _ = yield
    count = lambda key, d: sum(r[key] != "" for r in pictures.read(came(d)))
    yield [*said("Negative prompts, 16 seeds each: how many pictures show any of it."),
           *table(["prompt", "negative prompt", "without it", "with it"],
                  [[words, negative, *(count(key, d) for d in both)] for (words, negative, key), both in zip(NEGATIVES, drawn)])]


def phrase(a, key):
    """What the prompt of `a` says of an attribute."""
    return {"hair": f"{a['hair']} hair", "cloth": f"{a['cloth']} {a['clothes']}", "hat": "crown" if a["hat"] == "crown" else f"{a['hat_colour']} {a['hat']}"}.get(key, a[key])


def weight_section(program, args, asked):
    which = {key: [i for i, a in enumerate(asked.who) if a[key] and f" {phrase(a, key)}" in asked.prompts[i]][:12] for key in WEIGHTED}
    weighted = lambda i, key: asked.prompts[i].replace(f" {phrase(asked.who[i], key)}", f" ({phrase(asked.who[i], key)}:1.4)")
    drawn = {key: [program.draw(weighted(i, key), i + 1) for i in which[key]] for key in WEIGHTED}
    pictures, _ = yield
    rows = []
    for key in filter(which.get, WEIGHTED):
        goals = [asked.goals[i] for i in which[key]]
        tallies = [Tally(pictures.read(came(d)), goals) for d in ([asked.drawn[i] for i in which[key]], drawn[key])]
        right = lambda t, own: share([x for (k, _), answers in t.items() for x in answers if (k == key) == own])
        rows.append([f"`({phrase(asked.who[which[key][0]], key)}:1.4)`", len(goals), *(right(t, own) for own in (True, False) for t in tallies)])
    yield [*said("A weight of 1.4 on one thing, in portraits that have it, and the same pictures without the weight:"),
           *table(["for example", "pictures", "right without", "with", "all else without", "with"], rows)]


@torch.no_grad()
def returned(vae, pictures):
    """Pictures as the autoencoder gives them back."""
    parts = np.array_split(pictures, -(-len(pictures) // 10))
    return np.concatenate([train.to_bytes(vae.decode(vae.encode(train.to_float(p)).latent_dist.mean).sample) for p in parts])


def energy(clip):
    """How far the frames are from their average picture."""
    c = clip.astype(float)
    return np.abs(c - c.mean(0)).mean()


def steps(clip):
    """How far each frame is from the one before it, place by place: [frames, h, w]; the first from the last."""
    c = clip.astype(float)
    return np.abs(c - np.roll(c, 1, 0)).mean(-1)


def joint(clip):
    """The step from the last frame to the first, in mean steps between neighbours and in the largest of them."""
    first, *others = steps(clip).mean((1, 2))
    return first / np.mean(others), first / np.max(others)


def jitter(clip):
    """How far each frame is from the average of the two beside it, place by place: what moves evenly has none."""
    c = clip.astype(float)
    return np.abs(c - (np.roll(c, 1, 0) + np.roll(c, -1, 0)) / 2).mean(-1)


def still(painted):
    """Which places stand still in the painter's clip, and are not near what moves: drawn outlines lie a little elsewhere. [h, w]"""
    moves = torch.from_numpy(steps(painted).max(0) > 2).float()[None, None]
    return torch.nn.functional.max_pool2d(moves, 9, 1, 4)[0, 0].numpy() == 0


def small(a):
    """How much each place belongs to an eye, a brow, the mouth or the hand, frame by frame: [frames, h, w]."""
    return np.stack([np.kron(paint.small_parts(a, k / paint.FRAMES), np.ones((8, 8))) for k in range(paint.FRAMES)])


def clips_section(program, args, _):
    words = [move for move in reader.MOVES for _ in range(args.clips)]
    asked = Asked(program, [a for m, move in enumerate(reader.MOVES) for a in portraits(args.clips, 100 + m, [move] if move else [])], frames=paint.FRAMES)
    pictures, moves = yield
    vae = train.exported("vae", args.model)
    drawn, painted = came(asked.drawn), [reader.clip(a) for a in asked.who]
    decoded = [returned(vae, c) for c in painted]
    looks = [r["move"] for r in moves.read(drawn)]
    tests = [(move, reader.clip(a)) for m, move in enumerate(reader.MOVES) for a in portraits(12, 200 + m, [move] if move else [])]
    sure = share([r["move"] == move for r, (move, _) in zip(moves.read([c for _, c in tests]), tests)])
    kinds = drawn, decoded, painted
    rest = [still(c) for c in painted]
    flicker = np.array([[steps(c)[:, r].mean() if r.any() else np.nan for c, r in zip(which, rest)] for which in kinds])
    places = [small(a) for a in asked.who]
    shaking = np.array([[np.average(jitter(c), weights=w) for c, w in zip(which, places)] for which in kinds])
    force = np.array([[energy(c) for c in which] for which in kinds])
    joints = np.array([[joint(c) for c in which] for which in kinds])          # [drawn ..., clip, in mean steps or in the largest]

    def row(move):
        mine = [i for i, w in enumerate(words) if w == move]
        middle = lambda x: np.nanmedian(x[:, mine], 1)
        both = [f"{x:.2f}" for x in middle(force)[[0, 2]]]
        seams = [f"{x:.2f}" for x in middle(joints[..., 0])[[0, 2]]]
        apart = [f"{x:.2f}" for values in (flicker, shaking) for x in middle(values)]
        return [move or "none", *both, share([np.median(force[0, mine] / force[2, mine])]), *seams, *apart,
                ", ".join(f"{m or 'none'} {n}" for m, n in Counter(looks[i] for i in mine).most_common())]
    read = [[pictures.read(c) for c in which] for which in (drawn, painted)]
    most = [[{k: Counter(f[k] for f in frames).most_common(1)[0][0] for k in frames[0]} for frames in which] for which in read]
    lasting = [share([f[k] == m[k] for frames, m in zip(*both) for f in frames for k in LASTING]) for both in zip(read, most)]
    colours, others = Tally(most[0], asked.goals).totals()
    ratio = lambda x: f"{np.nanmedian(x[0]) / np.nanmedian(x[1]):.2f}"
    yield [*said(f"Clips, {args.clips} for each move, of the same kind of portrait; medians. \"Energy\" is the mean distance of the frames from their average picture "
                 "(0 to 255), and how much of the painter's that is. \"Last to first\" is that step in mean steps between neighbours. \"Flicker\" is the mean step between "
                 "neighbouring frames where the painter's clip of the same words stands still; \"jitter\" is how far eyes, brows, mouth and hand of a frame are from the "
                 "average of the two frames beside it: as drawn, as the autoencoder gives the painter's clip back, and as painted. "
                 "\"Looks like\" is what a second network, taught on painted clips, "
                 f"takes them for (it is right on {sure} of painted ones that it has not seen)."),
           *table(["move", "energy, drawn", "painted", "share", "last to first, drawn", "painted", "flicker, drawn", "decoded", "painted",
                   "jitter, drawn", "decoded", "painted", "looks like"], [row(m) for m in reader.MOVES]),
           *said(f"{share([a == b for a, b in zip(words, looks)])} of the clips look like what was asked for. "
                 f"All in all flicker is {ratio(flicker)} and jitter {ratio(shaking)} times that of the painter's clips as the autoencoder gives them back. "
                 f"The step from the last frame to the first is no larger than the largest other one in {share(joints[0, :, 1] <= 1)} of the clips "
                 f"(painted: {share(joints[2, :, 1] <= 1)}). Words, as most of a clip's frames show them: colours {colours}, the rest {others} right. "
                 f"Who, hair, skin, glasses, beard, hat, clothes and background read the same in a frame as in most of its clip in {lasting[0]} (painted: {lasting[1]}).")]


# ---------------------------------------------------------------- command line

SECTIONS = (words_section, guidance_section, other_words_section, negative_section, weight_section, clips_section)


def measure(args):
    program = Program(args)
    few = min(FEW, args.prompts)
    asked = Asked(program, portraits({"clips": 0, "negative": 0, "guidance": few, "other_words": few}.get(args.only, args.prompts), 77))
    sections = [f(program, args, asked) for f in SECTIONS if args.only in (None, f.__name__.removesuffix("_section"))]
    for s in sections:
        next(s)
    readers = reader.pictures(args.work), reader.moves(args.work)
    return "\n".join(line for s in sections for line in s.send(readers))


def write(measured):
    path = os.path.join(HERE, "README.md")
    with open(path, encoding="utf-8") as f:
        text = f.read()
    begin, end = text.index(BEGIN) + len(BEGIN), text.index(END)
    with open(path, "w", encoding="utf-8") as f:
        f.write(f"{text[:begin]}\n{measured}\n{text[end:]}")


def main():
    p = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    p.add_argument("--model", default=os.path.join(HERE, "persona.safetensors"))
    p.add_argument("--motion", default=os.path.join(HERE, "persona_motion.safetensors"))
    p.add_argument("--program", default=os.path.join(HERE, "..", "persona"))
    p.add_argument("--work", default=os.path.join(HERE, "work"), help="folder for pictures and readers")
    p.add_argument("--prompts", type=int, default=200, help="portraits to ask for")
    p.add_argument("--clips", type=int, default=6, help="clips for each move")
    p.add_argument("--guidance", type=float, default=4.0)
    p.add_argument("--steps", type=int, default=25)
    p.add_argument("--write", action="store_true", help="put the tables into README.md")
    p.add_argument("--only", choices=[f.__name__.removesuffix("_section") for f in SECTIONS], help="one of the sections, without the others")
    args = p.parse_args()
    if args.only and args.write:
        p.error("--write puts in all sections: leave out --only")
    torch.set_num_threads(1)            # the other processors draw
    measured = measure(args)
    print(measured)
    if args.write:
        write(measured)


if __name__ == "__main__":
    main()
