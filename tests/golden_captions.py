#!/usr/bin/env python3
"""Makes tests/golden/captions.golden: captions as kohya's trainer encodes them with --max_token_length 75, 150 and 225, for tests/test_captions.c.

    python tests/golden_captions.py        packages as in golden.py

What sd-scripts do is restated here line by line: library/strategy_base.py, _get_input_ids, and library/strategy_sd.py, encode_tokens, with
transformers' tokenizer and text encoder on the hashed weights of model_f32.

    ids_NAME_L [L/75,77] I32       of the caption NAME
    states_NAME_L [rows,width] F32 the hidden states at ROWS of L + 2, at clip skip 1 and then at 2
    metadata                       NAME: the caption
"""
import os

import torch
from safetensors.torch import save_file

from golden import OUT, WORDS, load, make_tokenizer, model_recipe, model_size, text_model

CAPTIONS = {"short": "photo of sks, red hat", "middle": WORDS[:420], "long": ", ".join(f"tag number {i}" for i in range(70))}
ROWS = (0, 1, 37, 75, 76, 77, 150, 151, 152, 225, 226)


def get_input_ids(tokenizer, text, length):
    """tokenizer(text, padding="max_length", truncation=True, max_length=tokenizer_max_length), then the chunks of SD 1.x"""
    tokenizer_max_length = length + 2
    ids = tokenizer(text, padding="max_length", truncation=True, max_length=tokenizer_max_length, return_tensors="pt").input_ids
    if tokenizer_max_length <= 77:
        return ids
    ids, parts = ids.squeeze(0), []
    for i in range(1, tokenizer_max_length - 77 + 2, 75):
        parts.append(torch.cat((ids[0].unsqueeze(0), ids[i:i + 75], ids[-1].unsqueeze(0))))
    return torch.stack(parts)


def encode_tokens(text_encoder, ids, clip_skip):
    out = text_encoder(ids, output_hidden_states=True)
    inner = getattr(text_encoder, "text_model", text_encoder)
    states = inner.final_layer_norm(out.hidden_states[-clip_skip])
    if len(states) == 1:
        return states[0]
    list_ = [states[0][0].unsqueeze(0)]
    for one in states:
        list_.append(one[1:76])                   # <BOS> ... <EOS> without both
    list_.append(states[-1][-1].unsqueeze(0))
    return torch.cat(list_)


def main():
    tokenizer = make_tokenizer(model_size("model_f32")["merges"])
    tokenizer.pad_token = tokenizer.eos_token
    text = load(text_model(model_size("model_f32")), "te", model_recipe("model_f32"), torch.float64)
    text.config.eos_token_id = tokenizer.eos_token_id
    tensors = {}
    with torch.no_grad():
        for name, caption in CAPTIONS.items():
            for length in (75, 150, 225):
                ids = get_input_ids(tokenizer, caption, length)
                rows = [r for r in ROWS if r < length + 2]
                tensors[f"ids_{name}_{length}"] = ids.to(torch.int32).contiguous()
                tensors[f"states_{name}_{length}"] = torch.cat([encode_tokens(text, ids, skip)[rows] for skip in (1, 2)]).float().contiguous()
    save_file(tensors, os.path.join(OUT, "captions.golden"), metadata=dict(CAPTIONS))


main()
