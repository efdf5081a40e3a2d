#!/usr/bin/env python3
"""Makes tests/golden/formats: a whole tiny model in every container, and what PyTorch draws with it.

    pip install torch==2.13.0 diffusers==0.42.1 transformers==5.23.0 safetensors==0.8.0 gguf==0.19.0 numpy==2.4.6

The library that defines a container writes it, with the weights of one of golden.py's recipes.  Of the megabytes only the shell is
kept, which is the file without its weights; tests/hash_weights.c fills them in again.  A shell (NAME.shell) is, packed by zlib,

    the recipe's name, a newline, then for each file: its path, a newline, and pieces:
    piece:  n, n bytes as they are, line, type - the weights of that line of the recipe, as that type - or line -1: the file ends

with numbers of four bytes, little-endian.

pictures.safetensors holds a picture for each set of values: f32 and f16 (the recipes' own), fp8, q8_0, and clip (bf16, with motion_v3).
"""
import io
import json
import os
import shutil
import sys
import tempfile
import zlib

import gguf
import numpy as np
import torch
from safetensors.numpy import save_file
from safetensors.torch import save as torch_safetensors

sys.path.insert(0, os.path.dirname(os.path.abspath(__file__)))
import golden  # noqa: E402

OUT = os.path.join(golden.OUT, "formats")
CASE = dict(prompt="a man with a red hat smiling", negative="blue", steps=3, cfg=7.5, seed=1, width=64, height=64)
TYPES = {"F32": 0, "F16": 1, "BF16": 2, "Q8_0": 3, "I64": 4, "F64": 5, "F8_E4M3": 6, "F8_E5M2": 7}


# ---------------------------------------------------------------- shells

def number(n):
    return (n & 0xFFFFFFFF).to_bytes(4, "little")


class Shell:
    def __init__(self, recipe):
        self.lines, self.out = golden.recipe(recipe), bytearray(recipe.encode() + b"\n")

    def file(self, path, data, stored):
        """stored: {line: (type, bytes)} of the weights to be left out."""
        holes = sorted((data.find(b), len(b), line, kind) for line, (kind, b) in stored.items() if len(b) >= 64 and data.find(b) >= 0)
        at = 0
        self.out += path.encode() + b"\n"
        for begin, size, line, kind in holes:
            if begin < at:                                    # the same bytes under two names
                continue
            self.out += number(begin - at) + data[at:begin] + number(line) + number(TYPES[kind])
            at = begin + size
        self.out += number(len(data) - at) + data[at:] + number(-1)

    def save(self, name):
        with open(os.path.join(OUT, name + ".shell"), "wb") as f:
            f.write(zlib.compress(bytes(self.out), 9))


def as_stored(lines):
    return {i: (line.dtype, line.stored().tobytes()) for i, (line, _, _) in enumerate(lines)}


# ---------------------------------------------------------------- containers

def tensors(lines, part=None):
    """{file's name: tensor}, or of one part {diffusers' name: tensor}."""
    return {key if part else line.name: torch.from_numpy(line.stored()) for line, p, key in lines if part in (None, p)}


def torch_file(value, **how):
    f = io.BytesIO()
    torch.save(value, f, **how)
    return f.getvalue()


def other_type(name, choose):
    """A safetensors file by torch, its float32 tensors in the types that choose(i) names."""
    s, stored, made = Shell("model_f32"), {}, {}
    kinds = {"F64": torch.float64, "F8_E4M3": torch.float8_e4m3fn, "F8_E5M2": torch.float8_e5m2}
    for i, (line, _, _) in enumerate(s.lines):
        t, kind = torch.from_numpy(line.stored()), line.dtype
        if kind == "F32":
            kind = choose(i)
            t = t.to(kinds[kind])
        made[line.name], stored[i] = t, (kind, t.contiguous().flatten().view(torch.uint8).numpy().tobytes() if t.ndim else b"")
    s.file(name + ".safetensors", torch_safetensors(made), stored)
    s.save(name)


def float64():
    other_type("f64", lambda i: "F64")


def float8():
    other_type("fp8", lambda i: ("F8_E4M3", "F8_E5M2")[i % 2])


def checkpoint():
    s = Shell("model_f16")
    s.file("model.ckpt", torch_file({"state_dict": tensors(s.lines), "global_step": 470000}), as_stored(s.lines))
    s.save("ckpt_zip")


def external_vae():
    s = Shell("model_f32")
    weights = {k.removeprefix("first_stage_model."): v for k, v in tensors(s.lines).items() if k.startswith("first_stage_model.")}
    weights["loss.logvar"] = torch.zeros(())
    s.file("model.vae.pt", torch_file({"epoch": 3, "state_dict": weights}, _use_new_zipfile_serialization=False), as_stored(s.lines))
    s.save("vae_old")


def older_vae():
    """A folder of one part, with attention named as diffusers did before 0.18."""
    s = Shell("model_f32")
    older = {"to_q": "query", "to_k": "key", "to_v": "value", "to_out.0": "proj_attn"}
    weights = {}
    for k, v in tensors(s.lines, "vae").items():
        v = v.reshape(v.shape[:2]) if ".attentions." in k and v.ndim == 4 else v
        for new, old in older.items():
            k = k.replace("attentions.0." + new, "attentions.0." + old)
        weights[k] = v
    s.file("vae/diffusion_pytorch_model.bin", torch_file(weights), as_stored(s.lines))
    s.save("vae_bin")


def folder():
    """The pipeline's parts by save_pretrained, in shards."""
    s, size, place = Shell("model_f32"), golden.MODELS["model_f32"], tempfile.mkdtemp()
    for name, part, make in (("unet", "unet", golden.unet_model), ("vae", "vae", golden.vae_model), ("text_encoder", "te", golden.text_model)):
        model = golden.load(make(size), part, s.lines, torch.float32)
        model.save_pretrained(os.path.join(place, name), max_shard_size="200KB" if part == "te" else "5MB")
    files = {"model_index.json": json.dumps({"_class_name": "StableDiffusionPipeline", "_diffusers_version": "0.42.1"}).encode()}
    for root, _, names in os.walk(place):
        for n in names:
            if n != "config.json":
                with open(os.path.join(root, n), "rb") as f:
                    files[os.path.relpath(os.path.join(root, n), place)] = f.read()
    shutil.rmtree(place)
    for path in sorted(files):
        s.file("folder/" + path, files[path], as_stored(s.lines))
    s.save("folder")


def motion_adapter():
    from diffusers import MotionAdapter
    s, m, place = Shell("motion_v3"), golden.MOTIONS["motion_v3"], tempfile.mkdtemp()
    model = MotionAdapter(block_out_channels=m["channels"], use_motion_mid_block=False, motion_max_seq_length=m["positions"])
    weights = {}
    for k, v in ((line.name, line.tensor()) for line, _, _ in s.lines):
        k = k.replace("temporal_transformer.", "").replace("attention_blocks.0.pos_encoder", "pos_embed").replace("norms.0", "norm1").replace("norms.1", "norm2")
        k = k.replace("ff_norm", "norm3").replace("attention_blocks.0", "attn1").replace("attention_blocks.1", "attn2")
        if "attn2.pos_encoder" not in k:
            weights[k] = v
    model.load_state_dict(weights)
    model.to(torch.bfloat16).save_pretrained(place)
    with open(os.path.join(place, "diffusion_pytorch_model.safetensors"), "rb") as f:
        s.file("adapter/diffusion_pytorch_model.safetensors", f.read(), as_stored(s.lines))
    shutil.rmtree(place)
    s.save("motion")


def quantized(line):
    """What stable-diffusion.cpp's convert --type q8_0 makes of a tensor: the type, the bytes, the values again."""
    plain = golden.widened(line.stored())
    kept = plain.ndim == 0 or plain.shape[-1] % 32 or line.name.endswith(".bias") or "time_embed." in line.name or "embedding" in line.name
    if kept:
        return line.dtype, line.stored(), plain
    stored = gguf.quants.quantize(plain, gguf.GGMLQuantizationType.Q8_0)
    return "Q8_0", stored, gguf.quants.dequantize(stored, gguf.GGMLQuantizationType.Q8_0)


def gguf_file():
    s, place = Shell("model_f16"), tempfile.mkdtemp()
    path, stored = os.path.join(place, "model.gguf"), {}
    w = gguf.GGUFWriter(path, "sd1")
    for i, (line, part, _) in enumerate(s.lines):
        if part is None:
            continue
        kind, bits, _ = quantized(line)
        w.add_tensor(line.name, bits, raw_dtype=gguf.GGMLQuantizationType[kind])
        stored[i] = (kind, bits.tobytes())
    for step in (w.write_header_to_file, w.write_kv_data_to_file, w.write_tensors_to_file, w.close):
        step()
    with open(path, "rb") as f:
        s.file("model.gguf", f.read(), stored)
    shutil.rmtree(place)
    s.save("gguf_q8_0")


# ---------------------------------------------------------------- pictures

class As:
    """A line with other values."""

    def __init__(self, line, values):
        self.line, self.values = line, values

    def tensor(self):
        return torch.from_numpy(np.ascontiguousarray(self.values(self.line), dtype=np.float32))


def fp8(i, line):
    kind = (torch.float8_e4m3fn, torch.float8_e5m2)[i % 2]
    return torch.from_numpy(line.stored()).to(kind).float().numpy()


def picture(model, values=None, **more):
    lines = golden.model_recipe(model)
    if values:
        lines = [(As(line, lambda x, i=i: values(i, x)) if part else line, part, key) for i, (line, part, key) in enumerate(lines)]
    kept, golden.model_recipe = golden.model_recipe, lambda name: lines
    drawn, _ = golden.run(dict(CASE, model=model, **more), torch.float32)
    golden.model_recipe = kept
    return golden.rounded(drawn)


def pictures():
    save_file({"f32": picture("model_f32"), "f16": picture("model_f16"), "fp8": picture("model_f32", fp8),
               "q8_0": picture("model_f16", lambda i, line: quantized(line)[2]), "clip": picture("model_bf16", motion="motion_v3", frames=2)}, os.path.join(OUT, "pictures.safetensors"))


if __name__ == "__main__":
    os.makedirs(OUT, exist_ok=True)
    for make in (float64, float8, checkpoint, external_vae, older_vae, folder, motion_adapter, gguf_file, pictures):
        if not sys.argv[1:] or make.__name__ in sys.argv[1:]:
            make()
