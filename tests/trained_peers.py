#!/usr/bin/env python3
"""Does a LoRA that persona trained load in diffusers with nothing left over, and draw the same picture there?

    make && python tests/trained_peers.py          packages as in golden.py

Photos are drawn by persona with the model in weights/, a LoRA is trained on them for a hundred steps, and one portrait is drawn by
persona and by diffusers, whose own loader (load_lora_weights's) reads the file.  A LoRA that changes nothing would prove nothing, so the
change it makes is printed too.
"""
import os
import subprocess
import tempfile

import numpy as np
import torch
from golden import DEFAULT, ROOT, Record, draw, parts_of, rounded
from PIL import Image

CASE = dict(model=DEFAULT, prompt="portrait of sks", negative="", steps=12, cfg=4.0, seed=11, width=128, height=128)


def persona(*words):
    subprocess.run([os.path.join(ROOT, "persona"), *words, "--quiet"], cwd=ROOT, check=True, stdout=subprocess.DEVNULL)


def persona_draws(folder, *more):
    path = os.path.join(folder, "drawn.png")
    persona("--prompt", CASE["prompt"], "--frames", "1", "--steps", "12", "--cfg", "4", "--seed", "11", "--size", "128x128", "-o", path, *more)
    return np.array(Image.open(path).convert("RGB")).astype(int)


def diffusers_draws(lora):
    from diffusers.loaders import StableDiffusionLoraLoaderMixin as Loader
    parts = parts_of(CASE, torch.float32)
    if lora:
        state, alphas = Loader.lora_state_dict(lora)
        Loader.load_lora_into_unet(state, alphas, parts[1], adapter_name="sks")
        Loader.load_lora_into_text_encoder(state, alphas, parts[0], adapter_name="sks")
        layers = sum("lora_A" in name for model in parts[:2] for name, _ in model.named_parameters())
        print(f"{len(state)} tensors in the file, {2 * layers} of them in use")
        assert len(state) == 2 * layers
    return rounded(draw(CASE, parts, torch.float32, Record(1, off=True)))[0].astype(int)


def main():
    with tempfile.TemporaryDirectory() as folder:
        photos, lora = os.path.join(folder, "photos"), os.path.join(folder, "sks.safetensors")
        os.mkdir(photos)
        for seed in "1234":
            persona("--prompt", "portrait of a man with blue hat and blonde hair, beach", "--frames", "1", "--steps", "12", "--seed", seed, "-o", os.path.join(photos, seed + ".png"))
        persona("train", photos, "-o", lora, "--prompt", CASE["prompt"], "--max_train_steps", "100", "--learning_rate", "5e-4", "--seed", "1")
        plain, with_lora, there, theirs_plain = persona_draws(folder), persona_draws(folder, "--lora", lora + ":1"), diffusers_draws(lora), diffusers_draws(None)
    print(f"persona and diffusers differ by {np.abs(plain - theirs_plain).max()}/255 without it, {np.abs(with_lora - there).max()}/255 with it; the LoRA changes {np.abs(with_lora - plain).mean():.1f}/255 on average")
    assert np.abs(with_lora - there).max() <= 2


if __name__ == "__main__":
    main()
