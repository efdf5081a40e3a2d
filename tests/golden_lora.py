#!/usr/bin/env python3
"""Goldens of adapters: a file of each family and each spelling of names, and the picture that PyTorch draws with it.

    pip install lycoris-lora==4.1.3, and what golden.py needs
    python tests/golden_lora.py                 all cases
    python tests/golden_lora.py lora_loha ...   some
    python tests/golden_lora.py --weights DIR   writes the made files, to try by hand

The tensors of a family, their names, shapes and what they do to a weight are the defining library's: LyCORIS' modules and
PEFT's layers are made for the layers of golden.py's small models, their values are drawn from the hash, the library
computes W', and PyTorch runs with it.  Recipes are golden.py's, with one more kind of line:

    metadata KEY VALUE

Two families are computed with care:
  - LyCORIS' get_diff_weight of LoHa and LoKr multiplies by alpha / rank twice; its forward pass, which training follows, once.
  - a strength s other than 1 makes DoRA W + s (W' - W), as the web UI and ComfyUI have it; LyCORIS scales otherwise.
"""
import copy
import json
import os
import sys
import tempfile

import numpy as np
import torch
from torch import nn

import golden
from golden import Line

# ---------------------------------------------------------------- layers to choose from

def modules_of(parts, kinds):
    """[(part, key, layer)] in the order of the models; keys as in our names."""
    return [(part, golden.text_name(key) if part == "te" else key, layer) for part, model in parts.items() if model is not None
            for key, layer in model.named_modules() if isinstance(layer, kinds)]


def kohya(part, key):
    return "lora_" + part + "_" + key.replace(".", "_")


def plain_parts(model, motion=None):
    """The models without adapters, float64."""
    size, lines = golden.model_size(model), golden.model_recipe(model)
    parts = {part: golden.load(make(size), part, lines, torch.float64) for make, part in ((golden.text_model, "te"), (golden.unet_model, "unet"))}
    if motion:
        parts["motion"] = golden.load(golden.empty_motion(motion, size["unet"]), "motion", golden.motion_recipe(motion), torch.float64)
    return parts


def rms(x):
    return float(x.detach().double().pow(2).mean().sqrt())


# ---------------------------------------------------------------- families, by LyCORIS

class Lycoris:
    """Some layers of a model with LyCORIS modules.  choose(i, layer) -> class and arguments of the i-th."""

    def __init__(self, model, dtype, every, start, choose, kinds=(nn.Linear, nn.Conv2d), strength=0.3):
        self.model, self.dtype, self.every, self.start, self.choose, self.kinds, self.strength = model, dtype, every, start, choose, kinds, strength

    def modules(self, parts):
        for i, (part, key, layer) in enumerate(modules_of(parts, self.kinds)[self.start::self.every]):
            make, arguments = self.choose(i, layer)
            with torch.random.fork_rng():
                module = make(kohya(part, key), layer, multiplier=1, **arguments)
            yield kohya(part, key), layer, module.double()

    def recipe(self):
        lines = []
        for name, layer, module in self.modules(plain_parts(self.model)):
            made = {}
            for k, v in module.state_dict().items():
                if k == "alpha":
                    made[k] = Line(f"{name}.{k}", self.dtype, (), float(v), 0)
                elif k == "dora_scale":
                    made[k] = Line(f"{name}.{k}", self.dtype, v.shape, float(v.mean()), 0.25 * float(v.mean()))
                else:
                    made[k] = Line(f"{name}.{k}", self.dtype, v.shape, 0, 3 ** 0.5)
            fill(module, made)
            for d, w, ends in zip(delta(module), (layer.weight, layer.bias), (("lora_up.weight", "w1_a", "w1", "diff", "w_norm"), ("diff_b", "b_norm"))):
                if d is not None:                             # the first factor makes dW as strong as asked for
                    first = next(k for k in made if k.endswith(ends))
                    old = made[first]
                    made[first] = Line(old.name, old.dtype, old.dims, 0, old.scale * self.strength * max(rms(w), 0.05) / rms(d))
            lines += list(made.values())
        return [(line, None, None) for line in lines]

    def attach(self, lines, strengths, parts, dtype):
        stored = {line.name: line for line, _, _ in lines}
        used = 0
        for name, layer, module in self.modules({k: parts[k] for k in ("te", "unet")}):
            mine = {k[len(name) + 1:]: line for k, line in stored.items() if k.startswith(name + ".")}
            used += len(mine)
            strength = strengths["te" if name.startswith("lora_te") else "unet"]
            fill(module, mine)
            for old, new in zip((layer.weight, layer.bias), merged(module, layer)):
                if new is not None:
                    old.data = (old.data.double() + strength * (new - old.data.double())).to(dtype)
        assert used == len(stored)


def fill(module, lines):
    """The lines' values into a LyCORIS module, rounded as the file has them."""
    own = {"diff": "weight", "diff_b": "bias"}
    for k, line in lines.items():
        value = line.tensor().double()
        if k == "alpha":
            assert abs(float(value) - float(module.alpha)) < 1e-2 * float(value)
            module.scale = float(value) / module.lora_dim          # as it is read back
            continue
        target = module
        *path, last = own.get(k, k).split(".")
        for p in path:
            target = getattr(target, p)
        getattr(target, last).data = value


def delta(module):
    """What the module adds to weight and bias at strength 1, DoRA aside."""
    if hasattr(module, "get_weight"):
        return module.get_weight(module.shape), None
    if hasattr(module, "make_weight") and hasattr(module, "lora_up"):
        return module.make_weight() * module.scale, None
    return module.get_diff_weight(1)


def merged(module, layer):
    weight, bias = (x if x is None else x.data.double() for x in (layer.weight, layer.bias))
    w, b = delta(module)
    new = weight + w.reshape(weight.shape)
    if getattr(module, "wd", False):
        new = module.apply_weight_decompose(new, 1)
    return new.detach(), None if b is None else (bias + b).detach()


# ---------------------------------------------------------------- plain pairs, in many spellings

class Pairs:
    """W' = W + strength * alpha / r * up down, for the layers that spell() has a name for: (prefix, down's ending, up's, alpha's or None)."""

    def __init__(self, model, motion, dtype, rank, every, start, spell, alpha=None):
        self.model, self.motion, self.dtype, self.rank, self.every, self.start, self.spell, self.alpha = model, motion, dtype, rank, every, start, spell, alpha

    def layers(self, parts):
        named = [(part, layer, self.spell(part, key)) for part, key, layer in modules_of(parts, (nn.Linear, nn.Conv2d))]
        return [x for x in named if x[2]][self.start::self.every]

    def recipe(self):
        lines = []
        for part, layer, (prefix, down, up, alpha) in self.layers(plain_parts(self.model, self.motion)):
            shape, r = tuple(layer.weight.shape), self.rank
            square = (1, 1) if len(shape) == 4 else ()
            lines.append(Line(prefix + down, self.dtype, (r,) + shape[1:], 0, (3 / np.prod(shape[1:])) ** 0.5))
            lines.append(Line(prefix + up, self.dtype, (shape[0], r) + square, 0, 0.5 * (3 / r) ** 0.5))
            if alpha:
                lines.append(Line(prefix + alpha, self.dtype, (), self.alpha, 0))
        return [(line, None, None) for line in lines]

    def attach(self, lines, strengths, parts, dtype):
        stored = {line.name: line.tensor().double() for line, _, _ in lines}
        used = 0
        for part, layer, (prefix, down, up, alpha) in self.layers(parts):
            d, u = stored[prefix + down], stored[prefix + up]
            used += 2 + bool(alpha)
            scale = strengths["te" if part == "te" else "unet"] * (float(stored[prefix + alpha]) / len(d) if alpha else 1)
            w = layer.weight.data
            layer.weight.data = (w.double() + scale * (u.flatten(1) @ d.flatten(1)).reshape(w.shape)).to(dtype)
        assert used == len(stored)


def older_diffusers(part, key):
    """attention processors; as AnimateDiff's LoRAs are, too"""
    if part == "te":
        parent, _, last = key.rpartition(".")
        q = {"q_proj": "to_q", "k_proj": "to_k", "v_proj": "to_v", "out_proj": "to_out"}.get(last)
        return q and (f"text_encoder.{parent}.{q}_lora", ".down.weight", ".up.weight", None)
    short = processor(key)
    return short and ("unet." + short, ".down.weight", ".up.weight", None)


def processor(key):
    parent, _, last = key.removesuffix(".0").rpartition(".")
    return f"{parent}.processor.{last}_lora" if last in ("to_q", "to_k", "to_v", "to_out") else None


def animatediff(wanted):
    def spell(part, key):
        short = processor(key)
        return (short, ".down.weight", ".up.weight", None) if part == wanted and short else None
    return spell


def newer_diffusers(part, key):
    if part == "te":
        return ("text_encoder." + key, ".lora_linear_layer.down.weight", ".lora_linear_layer.up.weight", ".alpha")
    return ("unet." + key, ".lora.down.weight", ".lora.up.weight", ".alpha")


def single_file(part, key):
    if part == "te":
        return None
    name = golden.ldm_unet(key + ".weight").removesuffix(".weight")
    return ("lora_unet_" + name.replace(".", "_"), ".lora_down.weight", ".lora_up.weight", ".alpha")


def web_ui_motion(part, key):
    """where the web UI's extension puts the modules among the UNet's blocks"""
    if part != "motion":
        return None
    p = key.split(".")
    if p[0] == "mid_block":
        place = "middle_block_2"
    elif p[0] == "down_blocks":
        place = f"input_blocks_{1 + 3 * int(p[1]) + int(p[3])}_{2 if int(p[1]) < 3 else 1}"
    else:
        place = f"output_blocks_{3 * int(p[1]) + int(p[3])}_{2 if int(p[1]) > 0 else 1}"
    rest = "_".join(p[3 if p[0] == "mid_block" else 4:])
    return (f"lora_unet_{place}_{rest}", ".lora_down.weight", ".lora_up.weight", ".alpha")


# ---------------------------------------------------------------- PEFT, saved by diffusers

class Metadata:
    """A line of a recipe that is no tensor."""

    def __init__(self, key, value):
        self.name, self.value = key, value

    def __str__(self):
        return f"metadata {self.name} {self.value}"


class Peft:
    """PEFT's layers in some modules of both models; the file is what diffusers' save_lora_weights writes, and its metadata."""

    def __init__(self, model, dtype, unet, text):
        self.model, self.dtype, self.configs = model, dtype, {"unet": unet, "te": text}

    def injected(self, parts):
        """copies of the models with PEFT's layers in them"""
        from peft import LoraConfig
        models = {part: copy.deepcopy(parts[part]) for part in self.configs}
        for part, model in models.items():
            chosen = [key for key, layer in model.named_modules() if isinstance(layer, (nn.Linear, nn.Conv2d))][part == "te"::4]
            with torch.random.fork_rng():
                model.add_adapter(LoraConfig(target_modules=chosen, **self.configs[part]))
        return models

    def layers(self, models):
        from peft.tuners.lora import LoraLayer
        return [(part, key, layer) for part, model in models.items() for key, layer in model.named_modules() if isinstance(layer, LoraLayer)]

    def recipe(self):
        from diffusers import StableDiffusionPipeline
        from peft.utils import get_peft_model_state_dict
        from safetensors import safe_open
        models = self.injected(plain_parts(self.model))
        state = {part: get_peft_model_state_dict(model) for part, model in models.items()}
        config = {part: model.peft_config["default"].to_dict() for part, model in models.items()}
        for c in config.values():
            c.update({k: sorted(v) for k, v in c.items() if isinstance(v, set)}, target_modules=[])       # their names are long, and in the file
        with tempfile.TemporaryDirectory() as folder:
            StableDiffusionPipeline.save_lora_weights(folder, unet_lora_layers=state["unet"], text_encoder_lora_layers=state["te"],
                                                      unet_lora_adapter_metadata=config["unet"], text_encoder_lora_adapter_metadata=config["te"])
            with safe_open(os.path.join(folder, "pytorch_lora_weights.safetensors"), "pt") as f:
                shapes = {k: f.get_slice(k).get_shape() for k in f.keys()}
                written = json.loads(f.metadata()["lora_adapter_metadata"])
        lengths = {name: float(v.mean()) for part in state for k, v in state[part].items() if "magnitude" in k for name in shapes if name.endswith(k)}
        lines = []
        for name, shape in sorted(shapes.items()):
            if "magnitude" in name:
                lines.append(Line(name, self.dtype, shape, lengths[name], 0.2 * lengths[name]))
            else:
                lines.append(Line(name, self.dtype, shape, 0, (3 / np.prod(shape[1:])) ** 0.5 * (0.5 if "lora_B" in name else 1)))
        lines.append(Metadata("lora_adapter_metadata", json.dumps({k: v for k, v in written.items() if v not in (None, [])}, separators=(",", ":"), sort_keys=True)))
        return [(line, None, None) for line in lines]

    def attach(self, lines, strengths, parts, dtype):
        stored = {line.name: line.tensor().double() for line, _, _ in lines if isinstance(line, Line)}
        models, used = self.injected(parts), 0
        for part, key, layer in self.layers(models):
            prefix = ("unet." if part == "unet" else "text_encoder.") + key
            for name, tensor in stored.items():
                if name.startswith(prefix + "."):
                    which = name[len(prefix) + 1:].removesuffix(".weight")
                    target = getattr(layer, which)["default"]
                    target.weight.data = tensor
                    used += 1
            layer.double()
            target = parts[part].get_submodule(key)
            old = layer.base_layer.weight.data.clone()
            layer.merge()
            target.weight.data = (old + strengths[part] * (layer.base_layer.weight.data - old)).to(dtype)
        assert used == len(stored)


# ---------------------------------------------------------------- the files

def lycoris(name):
    import lycoris.modules.full
    import lycoris.modules.locon
    import lycoris.modules.loha
    import lycoris.modules.lokr
    import lycoris.modules.norms
    return {"locon": lycoris.modules.locon.LoConModule, "loha": lycoris.modules.loha.LohaModule, "lokr": lycoris.modules.lokr.LokrModule,
            "full": lycoris.modules.full.FullModule, "norm": lycoris.modules.norms.NormModule}[name]


def locon(i, layer):
    return lycoris("locon"), dict(lora_dim=3 + i % 3, alpha=2, use_tucker=i % 5 != 0, rs_lora=i % 4 == 1)


def loha(i, layer):
    return lycoris("loha"), dict(lora_dim=2 + i % 3, alpha=1.5, use_tucker=i % 2 == 0)


def lokr(i, layer):
    """both whole; the second factored, with a core or without; both factored"""
    return lycoris("lokr"), [dict(lora_dim=1000, factor=4), dict(lora_dim=2, alpha=1, factor=4), dict(lora_dim=2, alpha=3, factor=8, use_tucker=True),
                             dict(lora_dim=2, alpha=1, factor=8, decompose_both=True)][i % 4]


def dora(i, layer):
    family = ["locon", "locon", "loha", "lokr"][i % 4]
    more = dict(factor=4) if family == "lokr" else {}
    return lycoris(family), dict(lora_dim=2, alpha=1.5, weight_decompose=True, wd_on_out=i % 3 == 0, use_tucker=i % 5 == 0, **more)


def full(i, layer):
    return (lycoris("norm") if isinstance(layer, (nn.LayerNorm, nn.GroupNorm)) else lycoris("full")), {}


ADAPTERS = {
    "lora_locon":  Lycoris("model_f32", "F32", 9, 4, locon),
    "lora_loha":   Lycoris("model_f32", "F16", 9, 1, loha),
    "lora_lokr":   Lycoris("model_f32", "BF16", 7, 2, lokr),
    "lora_dora":   Lycoris("model_f32", "F32", 9, 3, dora),
    "lora_full":   Lycoris("model_f32", "F16", 25, 2, full, (nn.Linear, nn.Conv2d, nn.LayerNorm, nn.GroupNorm), 0.15),
    "lora_older":  Pairs("model_f32", None, "F16", 2, 4, 0, older_diffusers),
    "lora_newer":  Pairs("model_f32", None, "F32", 2, 11, 3, newer_diffusers, 1),
    "lora_single": Pairs("model_f32", None, "F16", 2, 9, 0, single_file, 3),
    "lora_peft":   Peft("model_f32", "F32", dict(r=4, lora_alpha=3, use_rslora=True, use_dora=True), dict(r=2, lora_alpha=3, use_dora=True)),
    "lora_alphas": Peft("model_f32", "F16", dict(r=3, lora_alpha=2, alpha_pattern={"down_blocks.0.attentions.1.transformer_blocks.0.attn1.to_q": 6, "conv2": 1}), dict(r=2, lora_alpha=5)),
    "lora_pan":    Pairs("model_f16", "motion_v2", "F32", 2, 5, 0, animatediff("motion")),
    "lora_roll":   Pairs("model_f16", "motion_v2", "F16", 2, 7, 1, web_ui_motion, 2),
    "lora_domain": Pairs("model_bf16", None, "F32", 2, 5, 0, animatediff("unet")),
}

STILL = dict(model="model_f32", prompt="a man with a red hat smiling", negative="blue", steps=2, cfg=4.0, width=64, height=64)
CLIP = dict(prompt="a woman nodding in the wind", negative="still", steps=2, cfg=4.0, width=48, height=48, frames=3)
CASES = {
    "lora_locon": dict(STILL, seed=21, lora=[("lora_locon", 0.9)]),
    "lora_loha":  dict(STILL, seed=22, lora=[("lora_loha", 0.8)]),
    "lora_lokr":  dict(STILL, seed=23, lora=[("lora_lokr", 1.1)]),
    "lora_dora":  dict(STILL, seed=24, lora=[("lora_dora", 1)]),
    "lora_mixed": dict(STILL, seed=25, lora=[("lora_newer", 0.5), ("lora_dora", 0.6), ("lora_lokr", -0.4)]),
    "lora_full":  dict(STILL, seed=26, lora=[("lora_full", 0.9)]),
    "lora_names": dict(STILL, seed=27, lora=[("lora_older", 0.7), ("lora_newer", 0.3, 0.9), ("lora_single", 0.8)]),
    "lora_peft":  dict(STILL, seed=31, lora=[("lora_peft", 0.8)]),
    "lora_alphas": dict(STILL, seed=32, lora=[("lora_alphas", 0.8)]),
    "clip_moved": dict(CLIP, model="model_f16", motion="motion_v2", seed=28, lora=[("lora_pan", 0.8), ("lora_roll", -0.5)]),
    "clip_domain": dict(CLIP, model="model_bf16", motion="motion_v3", seed=29, lora=[("lora_domain", 0.9)]),
    "clip_lcm":   dict(CLIP, model="model_f16", motion="motion_lcm", seed=30),
}
CHECKPOINTS = {          # AnimateDiff's own come as torch.save writes them
    "lora_pan":    lambda weights: weights,
    "lora_domain": lambda weights: {"global_step": 1, "state_dict": {"module." + k: v for k, v in weights.items()}},
}
golden.OTHERS.update(ADAPTERS)
golden.CASES.update(CASES)


def save_checkpoint(name):
    import golden_formats
    shell = golden_formats.Shell(name)
    shell.file(name + ".ckpt", golden_formats.torch_file(CHECKPOINTS[name](golden_formats.tensors(shell.lines))), golden_formats.as_stored(shell.lines))
    shell.save(name)


def main(words):
    torch.set_num_threads(int(os.environ.get("OMP_NUM_THREADS", "2")))
    if words[:1] == ["--weights"]:
        os.makedirs(words[1], exist_ok=True)
        for name in words[2:] or ADAPTERS:
            golden.save_weights(words[1], name)
        return
    for name in words or CASES:
        golden.make(name, picture_only=True)
        for lora, *_ in CASES[name].get("lora", ()):
            if lora in CHECKPOINTS:
                save_checkpoint(lora)


if __name__ == "__main__":
    main(sys.argv[1:])
