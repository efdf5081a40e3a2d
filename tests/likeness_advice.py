#!/usr/bin/env python3
"""Is the step that held-out pictures say was best the best one?  Teaches the default model personas, and compares what ./persona train advises
with tests/likeness.py's measure of each saved step.

    python3 tests/likeness_advice.py [--personas orsel ...] [--steps 600] [--every 100] [--work build/advice] [-- OPTIONS OF TRAINING]

The six personas here are painted from random_persona() of likeness.py by a seed that is made from their names; no choice in the program was made on
them.  CHOSEN_ON were looked at while the measure was chosen (training/validation.c).

15 pictures are for learning, of which --validation_split 0.2 holds out 3; 5 others are kept from training altogether, and with their prompts each saved
step draws.  Gap: how much of the way from the untrained model's pictures to the persona's own ones, in likeness.py's space of faces.  Advised: the step
of the greatest likeness that training itself measured.  The advice holds where its gap is at least 0.9 of the greatest.

Every picture, LoRA and the space of faces stays in --work, and what is there is not made again: after an interruption the same command goes on.
Needs what weights/personas.py needs.
"""
import argparse
import os
import re
import subprocess
import sys
import types

import numpy as np
from PIL import Image

import likeness
import personas

CHOSEN_ON = ("dorvek", "sefira")
MEASURED = ("orsel", "pavin", "ludmo", "keshia", "tarvo", "minela")
ENOUGH = .9


def persona_of(name):
    """Somebody with one mark at least."""
    rng = np.random.default_rng(sum(ord(c) * 31 ** i for i, c in enumerate(name)))
    while True:
        somebody = likeness.random_persona(rng)
        if somebody.marks:
            return somebody


def faces_of(path, count):
    """likeness.Faces, as it was computed the first time."""
    if not os.path.exists(path):
        made = likeness.Faces(count=count)
        np.savez(path, to=made.to, mean=made.mean)
    kept = np.load(path)
    faces = likeness.Faces.__new__(likeness.Faces)
    faces.to, faces.mean = kept["to"], kept["mean"]
    return faces


class Studio(likeness.Studio):
    """Draws what is not there yet."""

    def still(self, path, prompt, *more):
        if not os.path.exists(path):
            super().still(path, prompt, *more)
        return np.asarray(Image.open(path).convert("RGB"))


def advised_step(lora):
    """-> step, {step: likeness in percent}"""
    told = subprocess.run([os.path.join(likeness.ROOT, "persona"), "info", lora], capture_output=True, text=True).stdout
    measured = {int(s): float(x) for s, x in re.findall(r"(\d+):(-?[\d.]+)", re.search("persona_likeness: (.*)", told).group(1))}
    return max(measured, key=measured.get), measured


def main():
    p = argparse.ArgumentParser()
    p.add_argument("--personas", nargs="*", default=list(MEASURED))
    p.add_argument("--steps", type=int, default=600)
    p.add_argument("--every", type=int, default=100)
    p.add_argument("--work", default="build/advice")
    p.add_argument("--faces", type=int, default=400, help="how many personas the space of faces is found on")
    p.add_argument("--guidance", type=float, default=3)
    p.add_argument("--threads", type=int, default=1)
    own = sys.argv[1:sys.argv.index("--")] if "--" in sys.argv else sys.argv[1:]
    more = sys.argv[sys.argv.index("--") + 1:] if "--" in sys.argv else []
    o = p.parse_args(own)
    os.makedirs(o.work, exist_ok=True)
    faces = faces_of(f"{o.work}/faces.npz", o.faces)
    studio = Studio(types.SimpleNamespace(work=o.work, model=None, guidance=o.guidance, threads=o.threads))
    holds = []
    print("| persona | advised: step | gap there | best saved step | gap there | of the best | gaps of all |")
    print("|---|---|---|---|---|---|---|", flush=True)
    for name in o.personas:
        if name not in personas.PERSONAS:
            personas.PERSONAS[name] = persona_of(name)
        photos = personas.photos(name, likeness.LEARNED + likeness.KEPT)
        folder, out = f"{o.work}/{name}", f"{o.work}/{name}.safetensors"
        personas.save(photos[:likeness.LEARNED], folder)
        if not os.path.exists(out):
            state = f"{o.work}/{name}-state.safetensors"
            likeness.persona("train", folder, "-o", out, "--seed", 1, "--threads", o.threads, "--max_train_steps", o.steps, "--learning_rate", "1e-3", "--min_snr_gamma", "5",
                             "--validation_split", "0.2", "--validate_every_n_steps", o.every // 2, "--save_every_n_steps", o.every, *more, *(["--resume", state] if os.path.exists(state) else []))
        prompts, kept = [words for _, words in photos[likeness.LEARNED:]], faces([picture for picture, _ in photos[likeness.LEARNED:]])
        before = likeness.distance(faces(studio.draw(prompts, f"{name}-untrained")), kept)
        itself = likeness.distance(faces(studio.encoded(folder, likeness.LEARNED)), kept)

        def gap(tag, lora):
            return 100 * (before - likeness.distance(faces(studio.draw(prompts, f"{name}-{tag}", "--lora", f"{lora}:1")), kept)) / (before - itself)

        gaps = {step: gap(step, f"{o.work}/{name}-step{step:08}.safetensors") for step in range(o.every, o.steps, o.every)}
        gaps[o.steps] = gap(o.steps, out)
        advised, _ = advised_step(out)
        best_file = f"{o.work}/{name}-best.safetensors"
        there = gaps[advised] if advised in gaps else gap("best", best_file) if os.path.exists(best_file) else 0
        best = max(gaps, key=gaps.get)
        holds.append(there >= ENOUGH * gaps[best])
        print(f"| {name} | {advised} | {there:.1f} % | {best} | {gaps[best]:.1f} % | {there / gaps[best]:.2f} | {', '.join(f'{s}: {g:.0f}' for s, g in sorted(gaps.items()))} |", flush=True)
    print(f"\nthe advice holds for {sum(holds)} of {len(holds)}")


if __name__ == "__main__":
    main()
