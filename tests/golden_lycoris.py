#!/usr/bin/env python3
"""Makes tests/golden/train_loha.golden and others: what LyCORIS' network for kohya's trainer and torch.optim.AdamW make of some steps of training.

    pip install lycoris-lora==4.1.3, and what golden.py needs
    python tests/golden_lycoris.py                     all, or those that are named
    python tests/golden_lycoris.py --float32 NAME      adds to a golden how far PyTorch's own float32 is from it: float32.losses, float32.norms

The models, the prompt, the latents and the steps are those of golden_train.py.  The network is LyCORIS' own create_network() with the arguments of
CASES, so it also says which layers learn and what their tensors are called.  Its tensors begin as a hash of their names, dora_scale as LyCORIS has it:

    SCALE u(name), for those that begin at zero UP u(name) for the gradients and 0 for the steps

    ids, latents, steps       as in golden_train.py
    gradients, after [N,5]    of all tensors, in the order of the layers' names and then of PARTS: 4 samples as in golden.py, then the root mean square
    metadata                  the constants; kind.NAME: the arguments; file: a digest of the names, shapes and alphas of the file that
                              LyCORIS writes
"""

import os
import sys

import numpy as np
import torch
from golden import OUT, SAMPLES, WORDS, chunks, load, make_tokenizer, model_recipe, model_size, text_model, text_name, uniform, unet_model
from golden_train import CLIP, CLIP_SKIP, DECAY, EPS, HEIGHT, MODEL, PICTURES, STEPS, TEXT_RATE, UNET_RATE, WIDTH, Run, write

RANK, ALPHA, SCALE, UP, KEPT = 3, 2.0, 0.2, 0.2, 4
PARTS = ("lora_down.weight", "lora_up.weight", "hada_w1_a", "hada_w1_b", "hada_w2_a", "hada_w2_b", "lokr_w1", "lokr_w1_a", "lokr_w1_b", "lokr_w2", "lokr_w2_a", "lokr_w2_b", "dora_scale")
CASES = {
    "train_loha": dict(algo="loha", preset="attn-mlp"),
    "train_lokr": dict(algo="lokr", factor=4, decompose_both=True),
    "train_dora": dict(algo="lora", dora_wd=True, preset="attn-mlp"),
    "train_dokr": dict(algo="lokr", factor=8, dora_wd=True, wd_on_output=False, preset="full-lin", rs_lora=True),
}


class Lycoris(Run):
    def __init__(self, dtype, up, arguments):
        from lycoris.config import PRESET
        from lycoris.kohya import create_network
        for name in PRESET:      # a class of another model, with the name that diffusers gives the time embedding
            modules = PRESET[name].get("unet_target_module", ())
            if modules:
                PRESET[name]["unet_target_module"] = [m for m in modules if m != "TimestepEmbedding"]
        lines = model_recipe(MODEL)
        self.dtype, self.half = dtype, False
        self.text, self.unet = (load(make(model_size(MODEL)), part, lines, dtype) for make, part in ((text_model, "te"), (unet_model, "unet")))
        with torch.random.fork_rng():
            self.network = create_network(1.0, RANK, ALPHA, None, self.text, self.unet, **arguments)
        self.network.apply_to(self.text, self.unet, True, True)
        self.network.to(dtype)
        for p in list(self.text.parameters()) + list(self.unet.parameters()):
            p.requires_grad_(False)
        self.pairs, self.alphas = {}, {}
        models = {"lora_te_": ("te.", self.text), "lora_unet_": ("unet.", self.unet)}
        paths = {prefix + key.replace(".", "_"): start + (text_name(key) if start == "te." else key)
                 for prefix, (start, model) in models.items() for key, _ in model.named_modules()}
        for module in self.network.unet_loras + self.network.text_encoder_loras:
            layer = paths[module.lora_name]
            self.alphas[layer] = float(module.alpha)
            for key, p in module.named_parameters():
                zero = key in ("lora_up.weight", "hada_w2_a", "lokr_w2_b") or key == "lokr_w2"
                p.requires_grad_(True)
                self.pairs[layer, key] = p
                if key == "dora_scale":
                    continue
                name = "lora_" + layer.replace(".", "_") + "." + key
                with torch.no_grad():
                    p.copy_(torch.from_numpy(((up if zero else SCALE) * uniform(name, p.numel())).astype(np.float32)).reshape(p.shape))
        self.ids = chunks(make_tokenizer(model_size(MODEL)["merges"]), WORDS)
        self.latents = uniform("latents", PICTURES * HEIGHT * WIDTH * 4).astype(np.float32).reshape(PICTURES, HEIGHT, WIDTH, 4) * 2
        from diffusers import DDPMScheduler
        self.ddpm = DDPMScheduler(beta_start=0.00085, beta_end=0.012, beta_schedule="scaled_linear", num_train_timesteps=1000)

    def keys(self):
        return sorted(self.pairs, key=lambda k: (k[0].encode(), PARTS.index(k[1])))

    def sorted(self):
        return [self.pairs[k] for k in self.keys()]

    def digest(self):
        """FNV-1a of the lines "name dims" of all tensors of the file, alphas with their values, sorted"""
        lines = ["lora_" + layer.replace(".", "_") + "." + key + " " + ",".join(map(str, p.shape)) for (layer, key), p in self.pairs.items()]
        lines += ["lora_" + layer.replace(".", "_") + ".alpha " + f"{np.float16(alpha):.3f}" for layer, alpha in self.alphas.items()]
        h = 14695981039346656037
        for b in "".join(line + "\n" for line in sorted(lines)).encode():
            h = ((h ^ b) * 1099511628211) % 2**64
        return f"{h:016x}"


def rows(tensors):
    out = []
    for x in tensors:
        x = np.zeros(1) if x is None else x.detach().double().numpy().ravel()
        i = (SAMPLES[:KEPT] % np.uint64(x.size)).astype(np.int64)
        out.append(np.append(x[i], np.sqrt(np.mean(x**2))))
    return np.array(out)


def run(dtype, arguments):
    first = Lycoris(dtype, UP, arguments)
    loss = first.step(0)[3]
    gradients = rows([p.grad for p in first.sorted()])
    r, steps = Lycoris(dtype, 0, arguments), []
    optimizer = torch.optim.AdamW([dict(params=[r.pairs[k] for k in r.keys() if k[0].startswith(part)], lr=rate) for part, rate in (("te.", TEXT_RATE), ("unet.", UNET_RATE))],
                                  weight_decay=DECAY, eps=EPS)
    for i in range(STEPS):
        optimizer.zero_grad()
        told = r.step(i)
        norm = torch.nn.utils.clip_grad_norm_(r.sorted(), CLIP).item()
        optimizer.step()
        steps.append(told + (norm,))
    return r, loss, gradients, np.array(steps), rows(r.sorted())


def add_float32(name):
    from safetensors import safe_open
    with safe_open(os.path.join(OUT, name + ".golden"), "np") as f:
        tensors, metadata = {k: f.get_tensor(k) for k in f.keys()}, f.metadata()
    steps = run(torch.float32, CASES[name])[3]
    told = {key: np.abs(steps[:, i] / tensors["steps"][:, i] - 1).max() for key, i in (("losses", 3), ("norms", 4))}
    write(name + ".golden", tensors, metadata | {f"float32.{k}": f"{v:.3g}" for k, v in told.items()})


def main():
    torch.set_num_threads(int(os.environ.get("OMP_NUM_THREADS", "2")))
    if sys.argv[1:2] == ["--float32"]:
        for name in sys.argv[2:]:
            add_float32(name)
        return
    for name, arguments in CASES.items():
        if sys.argv[1:] and name not in sys.argv[1:]:
            continue
        r, loss, gradients, steps, after = run(torch.float64, arguments)
        print(f"{name}: {len(r.alphas)} layers, {len(gradients)} tensors, losses {steps[:, 3]}, norms {steps[:, 4]}", flush=True)
        metadata = {"model": MODEL, "rank": RANK, "alpha": ALPHA, "scale": SCALE, "up": UP, "unet_rate": UNET_RATE, "text_rate": TEXT_RATE, "decay": DECAY, "clip": CLIP, "eps": EPS,
                    "clip_skip": CLIP_SKIP, "loss": loss, "file": r.digest()} | {f"kind.{k}": v for k, v in arguments.items()}
        write(name + ".golden", {"ids": np.array(r.ids, np.int32), "latents": r.latents, "steps": steps, "gradients": gradients.astype(np.float32), "after": after.astype(np.float32)}, metadata)


if __name__ == "__main__":
    main()
