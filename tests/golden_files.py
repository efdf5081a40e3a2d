#!/usr/bin/env python3
"""Makes tests/golden/files: small files of weights in every container, each by the library that defines it.

    pip install torch==2.13.0 safetensors==0.8.0 gguf==0.19.0 numpy==2.4.6

torch_*.ckpt hold the same things, in torch's layouts; torch_expected.safetensors holds what they come to, flattened.
gguf_small.gguf holds a tensor of each type that is read, gguf_expected.safetensors the values of each.
calls_*.ckpt run a command when they are loaded by pickle (echo, and only there): they must be refused by name.
"""
import os
import pickle
import sys
import types

import numpy as np
import torch
from safetensors.torch import save_file
from torch import nn

OUT = os.path.join(os.path.dirname(os.path.abspath(__file__)), "golden", "files")


def place(name):
    return os.path.join(OUT, name)


def trainers_class():
    """A class by the name under which trainers leave their callbacks in checkpoints."""
    name = "pytorch_lightning.callbacks.model_checkpoint"
    for i in range(1, name.count(".") + 2):
        part = ".".join(name.split(".")[:i])
        sys.modules[part] = types.ModuleType(part)
    cls = type("ModelCheckpoint", (), {"__module__": name, "__qualname__": "ModelCheckpoint"})
    sys.modules[name].ModelCheckpoint = cls
    return cls


def torch_files():
    base = torch.arange(48, dtype=torch.float32).sin()
    shared = base.half()
    weights = {
        "model.weight": base[:12].reshape(3, 4).clone(),
        "model.bias": nn.Parameter(base[:3].clone()),
        "turned": base[:12].reshape(3, 4).clone().t(),
        "slice": base.reshape(4, 12)[1:3, 2:9:3],
        "repeated": torch.tensor([2.5]).expand(2, 3),
        "tied": shared[:6].reshape(2, 3),
        "tied.again": shared[4:8],
        "scalar": torch.tensor(0.5, dtype=torch.float64),
        "empty": torch.zeros(0, 3),
        "bf16": base[:5].bfloat16(),
        "e4m3": base[:5].to(torch.float8_e4m3fn),
        "e5m2": base[:5].to(torch.float8_e5m2),
        "ids": torch.arange(77).expand((1, -1)),
        "flags": torch.tensor([True, False]),
        "byte": torch.tensor([1, 255], dtype=torch.uint8),
    }
    cls = trainers_class()
    junk = cls()
    junk.best = np.float64(0.25)
    everything = {
        "epoch": 7, "global_step": 1 << 33, "lr": 1e-4, "pytorch-lightning_version": "1.4.2", "done": True, "big": 1 << 100, "nothing": None,
        "state_dict": weights, "callbacks": {cls: {"best": torch.tensor(1.0), "path": ""}, "object": junk}, "numbers": np.arange(3),
        "optimizer_states": [{"state": {0: {"step": 3, "exp_avg": base[:2].clone()}}, "param_groups": [{"lr": 0.1, "betas": (0.9, 0.999)}]}],
    }
    everything["itself"] = everything
    torch.save(everything, place("torch_zip.ckpt"))
    torch.save(everything, place("torch_protocol4.ckpt"), pickle_protocol=4)
    torch.save(everything, place("torch_old.ckpt"), _use_new_zipfile_serialization=False)
    flat = {"state_dict." + k: v.detach().contiguous().clone() for k, v in weights.items()}
    flat["optimizer_states.0.state.0.exp_avg"] = base[:2].clone()
    save_file(flat, place("torch_expected.safetensors"))
    torch.save({"w": torch.ones(2)}, place("torch_tiny.pt"))
    torch.save({"w": torch.ones(2)}, place("torch_tiny_old.pt"), _use_new_zipfile_serialization=False)


def gguf_files():
    import gguf
    kinds = gguf.GGMLQuantizationType
    values = (np.sin(np.arange(128) * 1.3) * 2).astype(np.float32).reshape(2, 64)
    w = gguf.GGUFWriter(place("gguf_small.gguf"), "sd1")
    w.add_string("general.name", "small")
    w.add_uint32("answer", 42)
    w.add_float32("half", 0.5)
    w.add_bool("yes", True)
    w.add_array("words", ["a", "bc"])
    w.add_array("numbers", [1, 2, 3])
    flat = {}

    def add(name, stored, plain, kind):
        w.add_tensor(name, stored, raw_dtype=kind)
        flat[name] = torch.from_numpy(np.ascontiguousarray(plain, dtype=np.float32))
    for name in ("F32", "F16", "BF16", "Q4_0", "Q4_1", "Q5_0", "Q5_1", "Q8_0"):
        stored = gguf.quants.quantize(values, kinds[name])
        add("model." + name, stored, gguf.quants.dequantize(stored, kinds[name]), kinds[name])
    for name, size in (("Q2_K", 84), ("Q3_K", 110), ("Q4_K", 144), ("Q5_K", 176), ("Q6_K", 210)):
        stored = (np.arange(2 * size) * 37 % 61).astype(np.uint8).reshape(2, size)            # halves of such bytes are numbers
        add("model." + name, stored, gguf.quants.dequantize(stored, kinds[name]), kinds[name])
    add("model.conv", values[:, :54].reshape(2, 3, 3, 6), values[:, :54].reshape(2, 3, 3, 6), kinds.F32)
    for name, t in (("I8", np.int8), ("I32", np.int32), ("I64", np.int64), ("F64", np.float64)):
        stored = (values[0, :5] * 50).astype(t)
        add("model." + name, stored, stored, kinds[name])
    for step in (w.write_header_to_file, w.write_kv_data_to_file, w.write_tensors_to_file, w.close):
        step()
    save_file(flat, place("gguf_expected.safetensors"))


def large_file():
    """A checkpoint of over 4 GB, in zeros but for its first and last 4 kB, which are kept: its length, then both."""
    path = place("torch_large.ckpt")
    torch.save({"large": torch.zeros((1 << 32) + 100, dtype=torch.uint8), "behind": torch.arange(5.0)}, path)
    size = os.path.getsize(path)
    with open(path, "rb") as f:
        head = f.read(4096)
        f.seek(size - 4096)
        tail = f.read()
    os.remove(path)
    with open(place("torch_large.ends"), "wb") as f:
        f.write(size.to_bytes(8, "little") + head + tail)


class Calls:
    def __init__(self, *call):
        self.call = call

    def __reduce__(self):
        return self.call


def hostile_files():
    import builtins
    echo = Calls(os.system, ("echo this ran",))
    torch.save({"w": torch.ones(2), "x": echo}, place("calls_zip.ckpt"))
    torch.save({"w": torch.ones(2), "x": echo}, place("calls_old.ckpt"), _use_new_zipfile_serialization=False)
    torch.save({"w": torch.ones(2), "x": Calls(builtins.eval, ("print('this ran')",))}, place("calls_eval.ckpt"), pickle_protocol=4)
    with open(place("calls_bare.ckpt"), "wb") as f:
        pickle.dump(echo, f, 2)


os.makedirs(OUT, exist_ok=True)
for make in (torch_files, gguf_files, large_file, hostile_files):
    if not sys.argv[1:] or make.__name__ in sys.argv[1:]:
        make()
