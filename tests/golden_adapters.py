#!/usr/bin/env python3
"""Makes tests/golden/adapters: adapter files of many families, each for two small layers, and the weights that LyCORIS and PEFT make with them.

    pip install lycoris-lora==4.1.3, and what golden.py needs
    python tests/golden_adapters.py

    CASE.safetensors                          the file, as the library saves it; or
    CASE/adapter_model.safetensors, adapter_config.json     PEFT's folder
    expected.safetensors                      "linear", "conv": the weights W of the layers unet.down_blocks.0.attentions.0.proj_in [24,16] and
                                              unet.down_blocks.0.resnets.0.conv1 [16,8,3,3];  "CASE LAYER STRENGTH": W' of that strength

Where the library has no strength (PEFT) it is 1 only.  Old GLoRA and oft_diag, which no library here makes any more, are their formulas in torch.
"""
import os
import shutil
import tempfile

import torch
from safetensors.torch import save_file
from torch import nn

OUT = os.path.join(os.path.dirname(os.path.abspath(__file__)), "golden", "adapters")
LAYERS = {"linear": "down_blocks.0.attentions.0.proj_in", "conv": "down_blocks.0.resnets.0.conv1"}
STRENGTHS = (1, 0.4, -0.7)


def layers():
    torch.manual_seed(1)
    return {"linear": nn.Linear(16, 24), "conv": nn.Conv2d(8, 16, 3, padding=1)}


def scatter(tensor, size):
    with torch.no_grad():
        tensor.copy_(torch.randn(tensor.shape) * size)


def kohya(name, prefix="lora_unet_"):
    return prefix + LAYERS[name].replace(".", "_")


EXPECTED = {name: layer.weight.detach().clone() for name, layer in layers().items()}


def keep(case, name, strength, weight):
    EXPECTED[f"{case} {name} {strength}"] = weight.detach().float().reshape(EXPECTED[name].shape).contiguous()


def lycoris(case, make, arguments, size=0.3, prefix="lora_unet_", change=None):
    """arguments: by layer"""
    state = {}
    for name, layer in layers().items():
        if name not in arguments:
            continue
        torch.manual_seed(len(case) + len(name))
        module = make(kohya(name, prefix), layer, multiplier=1, **arguments[name])
        for key, p in module.named_parameters():
            scatter(p, 0.3 if key != "rescale" else 0.2)
            p.data *= size / 0.3
            if key == "rescale":
                p.data += 1
        for strength in STRENGTHS:
            keep(case, name, strength, module.get_merged_weight(strength)[0])
        state.update({f"{kohya(name, prefix)}.{k}": v.detach().clone().contiguous() for k, v in module.state_dict().items()})
    save_file(change(state) if change else state, os.path.join(OUT, case + ".safetensors"))


def both(**arguments):
    return {"linear": arguments, "conv": arguments}


def old_glora():
    state = {}
    for name, layer in layers().items():
        torch.manual_seed(5)
        w, r = layer.weight.detach(), 3
        o, i, k = w.shape[0], w.shape[1], tuple(w.shape[2:])
        one = (1,) * len(k)
        a1, a2, b1, b2 = torch.randn(r, i, *one), torch.randn(i, r, *one), torch.randn(r, i, *k), torch.randn(o, r, *one)
        state.update({f"{kohya(name)}.{key}.weight": 0.3 * v for key, v in (("a1", a1), ("a2", a2), ("b1", b1), ("b2", b2))})
        state[kohya(name) + ".alpha"] = torch.tensor(2.0)
        mix = 0.09 * a2.reshape(i, r) @ a1.reshape(r, i)
        delta = torch.einsum("oi...,ij->oj...", w, mix) + (0.09 * b2.reshape(o, r) @ b1.reshape(r, -1)).reshape(w.shape)
        for strength in STRENGTHS:
            keep("glora_old", name, strength, w + strength * 2 / r * delta)
    save_file(state, os.path.join(OUT, "glora_old.safetensors"))


def oft_diag():
    state, w = {}, layers()["linear"].weight.detach()
    torch.manual_seed(6)
    r = torch.linalg.qr(torch.randn(6, 4, 4))[0].contiguous()
    state[kohya("linear") + ".oft_diag"] = r
    for strength in STRENGTHS:
        turn = torch.eye(4) + strength * (r - torch.eye(4))
        keep("oft_diag", "linear", strength, torch.einsum("knm,kn...->km...", turn, w.reshape(6, 4, 16)))
    save_file(state, os.path.join(OUT, "oft_diag.safetensors"))


class Model(nn.Module):
    """the two layers, where the UNet has them"""

    def __init__(self):
        super().__init__()
        for name, path in LAYERS.items():
            parent = self
            *steps, last = path.split(".")
            for step in steps:
                if not hasattr(parent, step):
                    parent.add_module(step, nn.Module())
                parent = getattr(parent, step)
            parent.add_module(last, layers()[name])


def peft(case, config, size=0.3):
    import peft as library
    torch.manual_seed(len(case))
    model = library.get_peft_model(Model(), config)
    for key, p in model.named_parameters():
        if p.requires_grad:
            one = key.split(".")[-2] in ("boft_s", "ia3_l") or "boft_s" in key or "ia3_l" in key
            scatter(p, size)
            if one:
                p.data += 1
            if "magnitude" in key:
                p.data += 1
    folder = os.path.join(OUT, case)
    with tempfile.TemporaryDirectory() as work:
        model.save_pretrained(work)
        os.makedirs(folder, exist_ok=True)
        for file in ("adapter_model.safetensors", "adapter_config.json"):
            shutil.copy(os.path.join(work, file), folder)
    merged = model.merge_and_unload()
    for name, path in LAYERS.items():
        weight = merged.get_submodule(path).weight
        if not torch.equal(weight, EXPECTED[name]):
            keep(case, name, 1, weight)


def main():
    from lycoris.modules.boft import ButterflyOFTModule as Boft
    from lycoris.modules.diag_oft import DiagOFTModule as Oft
    from lycoris.modules.glora import GLoRAModule as Glora
    from lycoris.modules.ia3 import IA3Module as Ia3
    from peft import BOFTConfig, IA3Config, LoHaConfig, LoKrConfig, LoraConfig, OFTConfig
    shutil.rmtree(OUT, ignore_errors=True)
    os.makedirs(OUT)
    lycoris("ia3_output", Ia3, both(train_on_input=False))
    lycoris("ia3_input", Ia3, both(train_on_input=True))
    lycoris("ia3_flag", Ia3, both(train_on_input=True), change=lambda s: {k: v.bool() if k.endswith("on_input") else v for k, v in s.items()})
    lycoris("glora", Glora, both(lora_dim=3, alpha=2))
    lycoris("oft", Oft, both(lora_dim=4, constraint=0))
    lycoris("oft_constraint", Oft, both(lora_dim=4, constraint=0.02))
    lycoris("oft_rescale", Oft, both(lora_dim=8, constraint=0, rescaled=True))
    lycoris("oft_kohya", Oft, both(lora_dim=4, constraint=1e-3), prefix="oft_unet_")
    lycoris("boft", Boft, {"conv": dict(lora_dim=4, constraint=0)})
    lycoris("boft_rescale", Boft, {"conv": dict(lora_dim=4, constraint=0.01, rescaled=True), "linear": dict(lora_dim=6)})
    old_glora()
    oft_diag()
    every = [name.rsplit(".", 1)[1] for name in LAYERS.values()]
    peft("peft_lora", LoraConfig(r=3, lora_alpha=2, use_rslora=True, target_modules=every, alpha_pattern={"^" + LAYERS["conv"]: 6}, rank_pattern={"conv1": 2}))
    peft("peft_dora", LoraConfig(r=3, lora_alpha=2, use_dora=True, target_modules=every))
    peft("peft_loha", LoHaConfig(r=3, alpha=2, target_modules=every, use_effective_conv2d=True))
    peft("peft_lokr", LoKrConfig(r=2, alpha=3, decompose_factor=4, target_modules=every))
    peft("peft_ia3", IA3Config(target_modules=every, feedforward_modules=["conv1"]))
    peft("peft_oft", OFTConfig(oft_block_size=8, target_modules=every), 0.1)
    peft("peft_oft_exact", OFTConfig(oft_block_size=4, target_modules=every, use_cayley_neumann=False))
    peft("peft_oft_terms", OFTConfig(oft_block_size=4, target_modules=every, num_cayley_neumann_terms=3), 0.1)
    peft("peft_oft_shared", OFTConfig(oft_block_size=4, target_modules=every, block_share=True), 0.1)
    peft("peft_oft_limited", OFTConfig(oft_block_size=4, target_modules=every, coft=True, eps=0.3), 0.1)
    peft("peft_boft", BOFTConfig(boft_block_size=4, boft_n_butterfly_factor=1, target_modules=every))
    save_file(EXPECTED, os.path.join(OUT, "expected.safetensors"))
    print(len(EXPECTED) - 2, "weights of", sum(len(f) for _, _, f in os.walk(OUT)), "files")


if __name__ == "__main__":
    main()
