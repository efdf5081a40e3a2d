#!/usr/bin/env python3
"""Writes the goldens of prompts:

    tests/golden/embeddings    textual inversions in every container, each written by the library that defines it
    tests/golden/chunks.txt    how the web UI's rules (tests/webui.py) lay prompts out in chunks of 75 tokens
    tests/golden/words_*       pictures of prompts that use all of the prompt language

    python3 tests/golden_text.py [CASE ...]          needs what golden.py does, and pillow 13.0.0

A line of chunks.txt is
    UTF-8 prompt in hexadecimal <tab> id id*weight ... / id ...
with / between chunks, without BOS and the padding; a weight is float32 in hexadecimal bits.  Ids from 49408 on are the
vectors of the embeddings that the prompt names, in the order in which it names them first."""
import base64
import json
import os
import random
import struct
import sys
import zlib

import numpy as np
import torch
from PIL import Image, PngImagePlugin
from safetensors.torch import save_file

import golden
import golden_tokens
import webui

OUT = "tests/golden/embeddings/"
WIDTH, VOCABULARY = 64, 49408


def values(rows, seed):
    return torch.randn(rows, WIDTH, generator=torch.manual_seed(seed)) * 0.7


def web_ui(vectors, name):
    return {"string_to_token": {"*": 265}, "string_to_param": {"*": vectors}, "name": name, "step": 500,
            "sd_checkpoint": None, "sd_checkpoint_name": None}


def image_with_text(path, vectors, name):
    """As the web UI saves the embedding that it trains: JSON with tensors as lists, in base64, beside a sample picture."""
    data = web_ui(vectors, name)
    data["string_to_param"]["*"] = {"TORCHTENSOR": vectors.numpy().tolist()}
    info = PngImagePlugin.PngInfo()
    info.add_text("sd-ti-embedding", base64.b64encode(json.dumps(data).encode()))
    Image.new("RGB", (2, 2), (90, 20, 20)).save(path, pnginfo=info)


def image_with_pixels(path, vectors, name):
    """The same in the pixels alone: the halves of a zlib stream's bytes left and right of the picture, behind a black
    column each."""
    data = web_ui(vectors, name)
    data["string_to_param"]["*"] = {"TORCHTENSOR": vectors.numpy().tolist()}
    packed = np.frombuffer(zlib.compress(json.dumps(data).encode(), 9), np.uint8)
    height, seed, mask = 24, 0, []
    packed = np.resize(packed, -(-len(packed) // (3 * height)) * 3 * height)        # the rest is its beginning again
    for _ in packed:
        seed = (1664525 * seed + 1013904223) % 2**32
        mask.append(seed % 255 & 15)
    halves = [((half ^ np.array(mask, np.uint8)) | 0x50).reshape(height, -1, 3) for half in (packed & 15, packed >> 4)]
    black, middle = np.zeros((height, 1, 3), np.uint8), np.full((height, 8, 3), 99, np.uint8)
    whole = np.concatenate([halves[0], black, middle, black, halves[1]], 1)
    Image.fromarray(np.pad(whole, ((2, 1), (3, 2), (0, 0)))).save(path, optimize=True)       # a border too, which is cut off


def bundle():
    """a LoRA that carries two embeddings, and one for another model, as the web UI reads them"""
    save_file({"lora_te_text_model_encoder_layers_0_mlp_fc1.lora_down.weight": values(1, 11), "lora_te_text_model_encoder_layers_0_mlp_fc1.lora_up.weight": torch.zeros(256, 1),
               "bundle_emb.carried thing.string_to_param.*": values(2, 12), "bundle_emb.other.string_to_param.*": values(1, 13).half(),
               "bundle_emb.wide.string_to_param.*": torch.zeros(1, 768)}, OUT + "bundle.safetensors")


def embeddings():
    """-> {trigger: vectors}"""
    os.makedirs(OUT, exist_ok=True)
    made = {}
    made["easythings"] = values(3, 1)
    torch.save(web_ui(torch.nn.Parameter(made["easythings"]), "easythings"), OUT + "EasyThings.pt")
    made["first-kind"] = values(1, 2)
    torch.save({"string_to_token": {"*": torch.tensor(265)}, "string_to_param": torch.nn.ParameterDict({"*": torch.nn.Parameter(made["first-kind"])})}, OUT + "first-kind.pt")
    made["sks_face"] = values(2, 3)
    save_file({"emb_params": made["sks_face"]}, OUT + "sks_face.safetensors")
    made["half"] = values(4, 4).half()
    save_file({"emb_params": made["half"]}, OUT + "half.safetensors")
    made["<cat-toy>"] = values(1, 5)
    save_file({"<cat-toy>": made["<cat-toy>"][0]}, OUT + "learned_embeds.safetensors")
    made["<dog-toy>"] = values(2, 6)
    torch.save({"<dog-toy>": made["<dog-toy>"]}, OUT + "learned_embeds_2.bin")
    made["painted thing"] = values(2, 7)
    image_with_text(OUT + "sample-500.png", made["painted thing"], "painted thing")
    made["hidden thing"] = values(1, 10)
    image_with_pixels(OUT + "sample-600.png", made["hidden thing"], "hidden thing")
    made["sks_face profile"] = values(2, 8)
    torch.save(web_ui(made["sks_face profile"], "?"), OUT + "sks_face profile.pt", _use_new_zipfile_serialization=False)
    save_file({"emb_params": torch.zeros(1, 1024, dtype=torch.float16)}, OUT + "of-sd2.safetensors")
    save_file({"clip_l": values(1, 9), "clip_g": torch.zeros(1, 80)}, OUT + "of-sdxl.safetensors")
    bundle()
    save_file({k: v.float().contiguous() for k, v in made.items()}, "tests/golden/embeddings/expected.safetensors")
    return made


WORDS = ("portrait woman man red hair smiling (masterpiece) (best quality:1.2) [blurry] a the of in BREAK easythings sks_face <cat-toy> half , , , , . detailed "
         "blue-eyed 8k ((sun)) (sks_face:0.8) EASYTHINGS, (painted thing, wind:1.37) \\(day\\) extraordinarily <dog-toy> sks_face profile").split(" ")

CHOSEN = [
    "", " ", "BREAK", "BREAK BREAK a", "a BREAK", "a BREAK b", "(a BREAK b)", "(a BREAK b:0)", "(BREAK:-1)", "a, " * 37 + "b c, d", "a, " * 36 + "b b b b, c",
    "word " * 74 + ", more", "word " * 75 + ", more", "word " * 60 + ", " + "x " * 14 + "y z", "word " * 53 + ", " + "x " * 21 + "y z", "word " * 54 + ", " + "x " * 20 + "y z",
    "word " * 55 + ", " + "x " * 19 + "y z", "word " * 73 + "easythings more", "word " * 72 + "easythings more", "word " * 74 + "easythings, more", "word " * 70 + ", word easythings, more",
    "easythings", "EasyThings,EASYTHINGS", "easythingss", "veasythings", "(easythings:1.5) [easythings]", "easy(things)", "sks_face", "sks_face profile", "sks_face, profile",
    "sks_face profiles", "a <cat-toy> and a <dog-toy>", "<CAT-TOY>", "<cat-toy", "painted thing painted  thing", "painted (thing)", "half half half",
    "a (((house:1.3)) [on] a (hill:0.5), sun, (((sky))).", "(unbalanced", "\\(literal\\]", "(unnecessary)(parens)", "un(necess)ary", "(a:1.1)(b)", "(x:1e999)", "(x:nan)", "(x:1.2.3)",
    "a:1.5", "(a : 1.5 )", "((a):1.2)", "(a:-1)", "(a:.5)", "(a:+5.)", "(a)b(c)d:1.4)", "été (naïve:1.1) 日本語", "\u3000BREAK\u00a0x", "aBREAK BREAKb _BREAK BREAK_", "BREAK" * 3,
]


def layout(tokenizer, made):
    def tokenize(text):
        return tokenizer.encode(text, add_special_tokens=False)
    special = (VOCABULARY - 2, VOCABULARY - 1, tokenize(",")[0])
    r = random.Random(7)
    texts = CHOSEN + ["".join(r.choice(WORDS) + r.choice((" ", " ", ", ")) for _ in range(r.choice((20, 60, 90, 130)))) for _ in range(8)]
    with open("tests/golden/chunks.txt", "w", encoding="ascii", newline="\n") as out:
        for text in texts:
            named = [(tokenize(name), [(name, i) for i in range(len(v))]) for name, v in made.items()]
            done, rows = webui.chunks(tokenize, special, text, named), {}
            for chunk in done:
                for id, _ in chunk:
                    if isinstance(id, tuple):
                        rows.setdefault(id[0], sum(len(made[n]) for n in rows))
            lines = []
            for chunk in done:
                said = [(VOCABULARY + rows[i[0]] + i[1] if isinstance(i, tuple) else i, w) for i, w in chunk[1:]]
                while said and said[-1] == (special[1], 1.0):
                    said.pop()
                lines.append(" ".join(str(i) if w == 1 else f"{i}*{struct.pack('>f', w).hex()}" for i, w in said))
            print(text.encode().hex(), " / ".join(lines), sep="\t", file=out)


SMALL, SMALLER = dict(width=64, height=64), dict(width=40, height=48)
CASES = {
    "words_emphasis": dict(SMALL, model="model_f32", prompt="a (((man:1.3)) [with] a (red hat:0.5), smiling, (((sky))). \\(day\\)", negative="(blue:1.4), [grey]", steps=3, cfg=7.5, seed=21),
    "words_break": dict(SMALL, model="model_f32", prompt="a man BREAK a red hat, (smiling BREAK wind:1.2)" + ", blue sky" * 30 + " and a long (green:1.3) coat by the old stone bridge, end",
                        negative="grey", steps=2, cfg=6.0, seed=22),
    "words_edit": dict(SMALL, model="model_f32", prompt="a [man:woman:0.4] with [red|blue|green] hat [smiling::2] [in the (wind:1.3):3]" + " and so on" * 20 + " [" + "far away " * 20 + "::1]",
                       negative="[grey:dark:2]", steps=5, cfg=5.0, seed=23),
    "words_and": dict(SMALL, model="model_f16", prompt="a man :1.2 AND a red (hat:1.2) AND a [blue:grey:1] sky :-0.5", negative="bad", steps=3, cfg=4.0, seed=24, clip_skip=2),
    "words_and_cfg1": dict(SMALL, model="model_f32", prompt="a man AND a red hat", negative="bad", steps=2, cfg=1.0, seed=25),
    "words_embedding": dict(SMALL, model="model_f32", prompt="portrait of (sks_face:1.2) with EasyThings, smiling", negative="half, bad", steps=3, cfg=7.0, seed=26,
                            embedding=[OUT + f for f in ("sks_face.safetensors", "EasyThings.pt", "half.safetensors")]),
    "words_travel": dict(SMALLER, model="model_f32", motion="motion_v1", prompt="a man\n1: smiling\n3: ((sad:1.3)) [face|eyes]\nblue sky", negative="grey", steps=2, cfg=5.0, seed=27, frames=6),
    "words_round": dict(SMALLER, model="model_f16", motion="motion_v2", prompt="1: a man AND a hat:0.5\n3: a girl waving AND a coat:0.5", negative="bad", steps=2, cfg=5.0, seed=28, frames=5, loop="R+P"),
    "words_heun": dict(SMALL, model="model_f32", prompt="a [man:woman:0.5] with [red|blue|green] hat", negative="[grey::2]", steps=3, cfg=5.0, seed=29, sampler="Heun"),
    "words_windows": dict(SMALLER, model="model_f16", motion="motion_v2", prompt="a man\n0: smiling\n5: (sad:1.3)", negative="bad", steps=2, cfg=5.0, seed=30, frames=6, context=4, overlap=1, loop="A"),
}
golden.CASES.update(CASES)


def main(words):
    torch.set_num_threads(int(os.environ.get("OMP_NUM_THREADS", "2")))
    if not words:
        layout(golden_tokens.tokenizer(VOCABULARY), embeddings())
    for name in words or CASES:
        golden.make(name, picture_only=True)


if __name__ == "__main__":
    main(sys.argv[1:])
