#!/usr/bin/env python3
"""Makes tests/golden/attention/*.safetensors: cross-attention maps by diffusers' UNet, for tests/test_attention.c.

A processor takes the place of diffusers' own in each attn2, computes the same and keeps the softmax, as DAAM's does
(castorini/daam, trace.py).  Its conditional half is summed over the steps; a word is the mean over its tokens; heads are
averaged.  `map` is DAAM's global heat map: each layer at the size of the largest one, bicubic, clamped at 0; then the mean
of all layers on the way down and up.

    words       metadata, a line each, and settings as in golden.py
    LAYER       [words,frames,h,w] F32, by the name of the attention: down_blocks.0.attentions.0
    map         [words,frames,h,w] F32
"""
import os

import torch
import torch.nn.functional as F
from safetensors.numpy import save_file

import golden
from golden_windows import windows

CASES = {
    "still": dict(model="model_f32", prompt="a man with a (red hat:1.2) smiling, red", negative="blue", steps=4, cfg=7.5, seed=1, width=64, height=96,
                  words=["man", "red hat", "red"]),
    "clip":  dict(model="model_f32", motion="motion_v1", prompt="a man turning his head", negative="grey", steps=3, cfg=5.0, seed=11, width=64, height=64,
                  frames=4, words=["head"]),
    "long":  dict(model="model_f32", motion="motion_v1", prompt="a man turning his head", negative="grey", steps=2, cfg=1.0, seed=3, width=64, height=64,
                  frames=6, context=4, overlap=2, words=["head", "man"]),
}


class Kept:
    """diffusers' AttnProcessor, which says its softmax"""

    def __init__(self, name, tell):
        self.name, self.tell = name, tell

    def __call__(self, attn, hidden_states, encoder_hidden_states=None, attention_mask=None, temb=None, *_, **__):
        q = attn.head_to_batch_dim(attn.to_q(hidden_states))
        k, v = (attn.head_to_batch_dim(f(encoder_hidden_states)) for f in (attn.to_k, attn.to_v))
        p = (q @ k.transpose(1, 2) * attn.scale).softmax(-1)
        self.tell(self.name, p.unflatten(0, (-1, attn.heads)))
        return attn.to_out[1](attn.to_out[0](attn.batch_to_head_dim(p @ v)))


def columns(tokenizer, prompt, word):
    """77 * chunk + 1 + position; the emphasis of these prompts is no token"""
    plain = prompt.replace("(", "").replace(":1.2)", "")
    ids, wanted = golden.tokens(tokenizer, plain), golden.tokens(tokenizer, word)
    ids, wanted = ([int(i) for i in x] for x in (ids, wanted))
    starts, i = [], 0
    while i + len(wanted) <= len(ids):
        if ids[i:i + len(wanted)] == wanted:
            starts.append(i)
            i += len(wanted) - 1
        i += 1
    return [1 + s + j for s in starts for j in range(len(wanted))]


def make(name):
    case = CASES[name]
    parts = golden.parts_of(case, torch.float64)
    text, unet, motion, vae, tokenizer = parts
    frames, wanted = case.get("frames", 1), [columns(tokenizer, case["prompt"], w) for w in case["words"]]
    assert all(wanted), wanted
    size, sums, now = (case["height"] // 8, case["width"] // 8), {}, {}

    def tell(layer, p):                                       # p: [prompts * window, heads, pixels, 77]
        seen = now["frames"]
        p = p[-len(seen):].mean(1)                            # the conditional half; heads
        h, w = next((h, w) for h, w in (tuple(-(-s // d) for s in size) for d in (1, 2, 4, 8)) if h * w == p.shape[1])
        shape = (len(wanted), frames, h, w)
        total = sums.setdefault(layer, torch.zeros(shape, dtype=p.dtype))
        for i, f in enumerate(seen):
            for word, c in enumerate(wanted):
                total[word, f] += now["weight"][i] * p[i][:, c].mean(-1).reshape(shape[2:])

    own = golden.in_windows

    def in_windows(model, case, y, t, words, call, prompts):
        length = min(frames, case.get("context", frames))
        plan = windows(call, frames, length, 1, case.get("overlap", length // 4), "N")
        total = torch.zeros(frames)
        for w in plan:
            total[w] += torch.tensor([min(i + 1, length - i) for i in range(length)], dtype=total.dtype)
        turn = iter(plan)

        def told(*args):
            seen = next(turn)
            now.update(frames=seen, weight=[min(i + 1, length - i) / float(total[f]) for i, f in enumerate(seen)])
            return model(*args)
        return own(told, case, y, t, words, call, prompts)

    for layer, module in unet.named_modules():
        if layer.endswith(".attn2"):
            module.set_processor(Kept(layer.split(".transformer_blocks")[0], tell))
    golden.in_windows = in_windows
    golden.draw(case, parts, torch.float64, golden.Record(frames, off=True))
    golden.in_windows = own
    layers = [s for k, s in sums.items() if not k.startswith("mid_")]
    grown = [F.interpolate(s, size=size, mode="bicubic").clamp(min=0) for s in layers]
    values = {k: s.float().numpy() for k, s in sums.items()} | {"map": torch.stack(grown).mean(0).float().numpy()}
    os.makedirs(os.path.join(golden.OUT, "attention"), exist_ok=True)
    save_file(values, os.path.join(golden.OUT, "attention", name + ".safetensors"),
              {"prompt": case["prompt"], "negative": case["negative"], "words": ",".join(case["words"]),
               "settings": golden.settings({k: v for k, v in case.items() if k != "words"})})
    print(f"{name}: {len(sums)} layers, map from {values['map'].min():.5f} to {values['map'].max():.5f}")


if __name__ == "__main__":
    for case in CASES:
        make(case)
