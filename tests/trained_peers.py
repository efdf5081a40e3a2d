#!/usr/bin/env python3
"""Do a LoRA, one with pairs for 3x3 convolutions, DreamBooth's, an embedding, a LoRA with a word, and those of other families, optimizers and losses, trained by
persona, load in diffusers (LoHa, LoKr and DoRA by LyCORIS) with nothing left over, and draw the same picture there?

    make && python tests/trained_peers.py          packages as in golden.py, and lycoris-lora; or with the names of some cases

Photos are drawn by persona with the model in weights/, each is trained on them for a hundred steps, and one portrait is drawn by persona and
by diffusers, whose own loaders (load_lora_weights's, load_textual_inversion) read the files.  What changes nothing would prove nothing,
so the change is printed too.
"""
import os
import subprocess
import sys
import tempfile

import numpy as np
import torch
from golden import DEFAULT, ROOT, Record, draw, parts_of, rounded
from PIL import Image

CASE = dict(model=DEFAULT, prompt="portrait of sks", negative="", steps=12, cfg=4.0, seed=11, width=128, height=128)

LORA = ["--learning_rate", "5e-4"]
LEARNED = (("LoRA", "sks.safetensors", LORA),
           ("LoRA with convolutions", "sks.safetensors", LORA + ["--conv_dim", "8", "--conv_alpha", "4", "--optimizer_type", "AdamW8bit"]),
           ("LoRA of DreamBooth", "sks.safetensors", LORA + ["--method", "dreambooth", "--class_prompt", "portrait of a man", "--num_class_images", "4"]),
           ("embedding", "embeddings/sks.safetensors", ["--method", "textual_inversion", "--init_word", "man"]),
           ("LoRA with a word", "sks.safetensors", LORA + ["--token", "sks", "--init_word", "man"]),
           ("LoRA by Prodigy", "sks.safetensors", ["--optimizer_type", "Prodigy", "--optimizer_args", "d_coef=2 safeguard_warmup=True", "--loss_type", "huber"]),
           ("LoRA by Adafactor", "sks.safetensors", ["--optimizer_type", "Adafactor", "--max_token_length", "150", "--multires_noise_iterations", "6"]),
           ("LoHa", "sks.safetensors", LORA + ["--algo", "loha"]),
           ("LoKr", "sks.safetensors", LORA + ["--algo", "lokr", "--factor", "8", "--optimizer_type", "Lion"]),
           ("DoRA", "sks.safetensors", LORA + ["--dora_wd"]))
OF_LYCORIS = ("LoHa", "LoKr", "DoRA")


def persona(*words):
    subprocess.run([os.path.join(ROOT, "persona"), *words, "--quiet"], cwd=ROOT, check=True, stdout=subprocess.DEVNULL)


def persona_draws(folder, *more):
    path = os.path.join(folder, "drawn.png")
    persona("--prompt", CASE["prompt"], "--frames", "1", "--steps", "12", "--cfg", "4", "--seed", "11", "--size", "128x128", "-o", path, *more)
    return np.array(Image.open(path).convert("RGB")).astype(int)


def load_lycoris(path, text, unet):
    from lycoris.kohya import LycorisNetworkKohya, create_network_from_weights
    LycorisNetworkKohya.UNET_TARGET_REPLACE_MODULE = []      # only the file says which layers; its own list finds diffusers' time embedding twice
    if not hasattr(text, "text_model"):                      # transformers 5 leaves out this part of the names
        whole = torch.nn.Module()
        whole.text_model = text
        text = whole
    network, state = create_network_from_weights(1.0, path, None, text, unet, for_inference=True)
    network.apply_to(text, unet, True, True)
    named, loaded = {key.split(".")[0] for key in state}, len(network.unet_loras) + len(network.text_encoder_loras)
    print(f"{len(named)} layers in the file, {loaded} of them in use")
    assert len(named) == loaded


def diffusers_draws(lora=None, embedding=None, lycoris=None):
    from diffusers.loaders import StableDiffusionLoraLoaderMixin as Loader, TextualInversionLoaderMixin
    parts, case = parts_of(CASE, torch.float32), CASE
    if embedding:
        class Pipeline(TextualInversionLoaderMixin):
            components, hf_device_map, _is_pipeline_device_mapped = {}, None, staticmethod(lambda: False)
            text_encoder, tokenizer = parts[0], parts[4]
        Pipeline().load_textual_inversion(embedding, token="<sks>")
        case = dict(CASE, prompt=Pipeline().maybe_convert_prompt("portrait of <sks>", parts[4]))
    if lora:
        state, alphas = Loader.lora_state_dict(lora)
        Loader.load_lora_into_unet(state, alphas, parts[1], adapter_name="sks")
        Loader.load_lora_into_text_encoder(state, alphas, parts[0], adapter_name="sks")
        layers = sum("lora_A" in name for model in parts[:2] for name, _ in model.named_parameters())
        print(f"{len(state)} tensors in the file, {2 * layers} of them in use")
        assert len(state) == 2 * layers
    if lycoris:
        load_lycoris(lycoris, parts[0], parts[1])
    return rounded(draw(case, parts, torch.float32, Record(1, off=True)))[0].astype(int)


def main():
    with tempfile.TemporaryDirectory() as folder:
        photos = os.path.join(folder, "photos")
        os.mkdir(photos)
        for seed in "1234":
            persona("--prompt", "portrait of a man with blue hat and blonde hair, beach", "--frames", "1", "--steps", "12", "--seed", seed, "-o", os.path.join(photos, seed + ".png"))
        without, theirs = persona_draws(folder), diffusers_draws()
        for name, out, more in LEARNED:
            if sys.argv[1:] and name not in sys.argv[1:]:
                continue
            home = os.path.join(folder, name.replace(" ", "-"))
            lora, word = os.path.join(home, "sks.safetensors"), os.path.join(home, "embeddings", "sks.safetensors")
            os.makedirs(os.path.dirname(os.path.join(home, out)))
            persona("train", photos, "--prompt", CASE["prompt"], "--max_train_steps", "100", "--seed", "1", "-o", os.path.join(home, out), *more)
            lora, word = (path if os.path.exists(path) else None for path in (lora, word))
            assert bool(lora) == (out == "sks.safetensors") and bool(word) == ("--init_word" in more)
            ours, there = persona_draws(folder, "--weights", home, *(["--lora", lora + ":1"] if lora else [])), diffusers_draws(*((None, None, lora) if name in OF_LYCORIS else (lora, word)))
            print(f"{name}: persona and diffusers differ by {np.abs(without - theirs).max()}/255 without it, {np.abs(ours - there).max()}/255 with it; "
                  f"it changes {np.abs(ours - without).mean():.1f}/255 on average")
            assert np.abs(ours - there).max() <= 2 < np.abs(ours - without).mean()


if __name__ == "__main__":
    main()
