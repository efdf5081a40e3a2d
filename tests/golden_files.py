#!/usr/bin/env python3
"""Makes tests/golden/files: small files of weights in every container, each by the library that defines it.

    pip install torch==2.13.0 safetensors==0.8.0 numpy==2.4.6

torch_*.ckpt hold the same things, in torch's layouts; torch_expected.safetensors holds what they come to, flattened.
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
torch_files()
large_file()
hostile_files()
