#!/usr/bin/env python3
"""Makes the goldens in tests/golden: what PyTorch draws, for tests/test_golden.c to compare with.

    pip install torch==2.13.0 diffusers==0.42.1 transformers==5.23.0 peft==0.21.2 safetensors==0.8.0 numpy==2.4.6
    python tests/golden.py                 all cases
    python tests/golden.py still_f32 ...   some
    python tests/golden.py --weights DIR   writes the made weights as files, to try by hand

Nothing here shares code with the program: the models are diffusers' and transformers' own classes; the
motion module, which diffusers computes otherwise than its authors do, is written out below.

Weights are made, not stored.  A recipe (tests/golden/NAME.weights) has one line for each tensor:

    name dtype dims offset scale       value = offset + scale * u(name, element), in double, then float32, then dtype
    name dtype dims sinusoid           the motion module's positions, [1,L,C]

with u a hash of the name and the element's index, a multiple of 2^-23 in [-1, 1): see uniform() below and
hash_weights.c.  Offset and scale are float32 values, so that scale * u is exact and fused arithmetic changes nothing.
dims are joined by commas, "-" for none.

A golden (tests/golden/CASE.safetensors) holds
    picture [frames,h,w,3] U8     from the float32 run; or, where h is a part of the height, rows as far apart, the first on
    layers  [N,17] F32            from the float64 run: 16 sampled values of a layer's output, then its root mean square
    metadata prompt, negative     the job's texts
             settings             "key: value" lines; model, motion and lora (name and strength) name recipes, or are files
             layers               N lines "name size", in the order of PyTorch's execution
             float64              how far the float32 run is from the float64 one: picture (max, mean in 1/255), then the worst of
                                  error / root mean square among the layers, and among the decoder's

The cases default_* draw with the files in weights/ and hold the picture only: make them again when those files change.  More cases that
hold the picture only are in golden_lora.py and golden_text.py.

Layers are those of the text encoder's call, of the first UNet call and of the first decoded frame, named as diffusers and
transformers name the module, behind te. unet. motion. or vae.  Samples j = 0..15 stand at (j * 2654435761 + 12345) mod size of
the output as [n,h,w,c], c fastest.  Conventions:
  - the batch is [negative frames, positive frames]; the text encoder's is [negative chunks, positive chunks], and only the
    positive half of either exists when guidance is off (cfg <= 1);
  - norms before a SiLU (in resnets, and conv_norm_out) are recorded after it; the other norms as they are;
  - attn2.to_k and to_v see every text once, not once a frame; time embeddings stand once for every row of the batch;
  - motion modules keep [n,h,w,c] throughout; layers above a clip skip are not recorded.
"""
import os
import sys

import numpy as np
import torch
import torch.nn.functional as F
from safetensors import safe_open
from safetensors.numpy import save_file
from torch import nn

import webui

ROOT = os.path.dirname(os.path.dirname(os.path.abspath(__file__)))
OUT = os.path.join(ROOT, "tests", "golden")
MERGES = os.path.join(ROOT, "weights", "merges.txt")

os.environ.setdefault("DIFFUSERS_VERBOSITY", "error")          # they warn of a tiny vocabulary, and of casting
os.environ.setdefault("TRANSFORMERS_VERBOSITY", "error")

# ---------------------------------------------------------------- weights from a hash

ODD = 0x9E3779B97F4A7C15


def fnv1a(name):
    h = 0xCBF29CE484222325
    for b in name.encode():
        h = (h ^ b) * 0x100000001B3 % 2**64
    return h


def uniform(name, count):
    """count values in [-1, 1), each a multiple of 2^-23, by splitmix64's finaliser."""
    with np.errstate(over="ignore"):
        h = np.uint64(fnv1a(name)) + np.arange(count, dtype=np.uint64) * np.uint64(ODD)
        h = (h ^ (h >> np.uint64(30))) * np.uint64(0xBF58476D1CE4E5B9)
        h = (h ^ (h >> np.uint64(27))) * np.uint64(0x94D049BB133111EB)
        h ^= h >> np.uint64(31)
    return (h >> np.uint64(40)).astype(np.float64) * 2.0**-23 - 1


def round_to(x, dtype):
    """float32 -> the file's type, nearest even.  BF16 comes as its bits (numpy has no such type)."""
    if dtype == "BF16":
        bits = x.view(np.uint32)
        return ((bits + 0x7FFF + ((bits >> 16) & 1)) >> 16).astype(np.uint16)
    return x.astype({"F32": np.float32, "F16": np.float16, "I64": np.int64}[dtype])


def widened(x):
    """The values as float32 again."""
    return (x.astype(np.uint32).reshape(-1) << 16).view(np.float32).reshape(x.shape) if x.dtype == np.uint16 else x.astype(np.float32)


class Line:
    """One tensor of a recipe."""

    def __init__(self, name, dtype, dims, offset=0.0, scale=0.0, sinusoid=False):
        self.name, self.dtype, self.dims, self.sinusoid = name, dtype, tuple(dims), sinusoid
        self.offset, self.scale = float(np.float32(offset)), float(np.float32(scale))

    def __str__(self):
        dims = ",".join(map(str, self.dims)) or "-"
        rule = "sinusoid" if self.sinusoid else f"{self.offset:.9g} {self.scale:.9g}"
        return f"{self.name} {self.dtype} {dims} {rule}"

    def stored(self):
        count = int(np.prod(self.dims, dtype=np.int64))
        if self.sinusoid:
            _, rows, c = self.dims
            p, i = np.arange(rows)[:, None], np.arange(c // 2)[None]
            x = np.empty((rows, c))
            x[:, 0::2] = np.sin(p * 10000.0 ** (-2 * i / c))
            x[:, 1::2] = np.cos(p * 10000.0 ** (-2 * i / c))
        else:
            x = self.offset + self.scale * uniform(self.name, count)
        return round_to(x.astype(np.float32), self.dtype).reshape(self.dims)

    def tensor(self):
        return torch.from_numpy(widened(self.stored()))


class Stored:
    """One tensor of a real file."""

    def __init__(self, file, name):
        self.file, self.name = file, name

    def tensor(self):
        return self.file.get_tensor(self.name).float()


# ---------------------------------------------------------------- names and sizes of the tensors

def ldm_unet(name):
    """diffusers' name -> the single-file (LDM) one, under model.diffusion_model."""
    part = name.split(".")
    if part[0] == "time_embedding":
        return f"time_embed.{'0' if part[1] == 'linear_1' else '2'}.{part[2]}"
    if len(part) == 2:
        return {"conv_in": "input_blocks.0.0", "conv_norm_out": "out.0", "conv_out": "out.2"}[part[0]] + "." + part[1]
    if part[0] == "mid_block":
        where, rest = {"resnets0": "middle_block.0", "attentions0": "middle_block.1", "resnets1": "middle_block.2"}[part[1] + part[2]], part[3:]
        kind = part[1]
    else:
        i, kind, j, rest = int(part[1]), part[2], int(part[3]), part[4:]
        if kind == "downsamplers":
            return f"input_blocks.{3 + 3 * i}.0.op.{rest[1]}"
        if kind == "upsamplers":
            return f"output_blocks.{3 * i + 2}.{1 if i == 0 else 2}.conv.{rest[1]}"
        block = f"input_blocks.{1 + 3 * i + j}" if part[0] == "down_blocks" else f"output_blocks.{3 * i + j}"
        where = block + (".0" if kind == "resnets" else ".1")
    if kind == "resnets":
        rest[0] = {"norm1": "in_layers.0", "conv1": "in_layers.2", "time_emb_proj": "emb_layers.1", "norm2": "out_layers.0",
                   "conv2": "out_layers.3", "conv_shortcut": "skip_connection"}[rest[0]]
    return ".".join([where] + rest)


def ldm_vae(name):
    """diffusers' name -> the single-file one, under first_stage_model."""
    name = name.replace("mid_block.resnets.0", "mid.block_1").replace("mid_block.resnets.1", "mid.block_2")
    name = name.replace("mid_block.attentions.0.to_out.0", "mid.attn_1.proj_out").replace("mid_block.attentions.0.group_norm", "mid.attn_1.norm")
    name = name.replace("mid_block.attentions.0.to_", "mid.attn_1.")
    part = name.split(".")
    if part[1] == "down_blocks":
        part[1] = "down"
    if part[1] == "up_blocks":
        part[1], part[2] = "up", str(3 - int(part[2]))
    name = ".".join(part)
    for a, b in (("resnets", "block"), ("downsamplers.0", "downsample"), ("upsamplers.0", "upsample"),
                 ("conv_shortcut", "nin_shortcut"), ("conv_norm_out", "norm_out")):
        name = name.replace(a, b)
    return name


GAINS = (                      # part of a name, gain: root mean square of output / of input, roughly
    ("attn1.to_q", 1.5), ("attn1.to_k", 1.5), ("attn2.to_q", 1.7), ("attn2.to_k", 1.7), ("attn2.to_out", 1.5), ("attn2.to_v", 1.5),
    ("q_proj", 1.4), ("k_proj", 1.4), ("unet.conv_out", 1.5), ("vae.decoder.conv_out", 0.75), ("attention_blocks.0.to_q", 1.5),
    ("attention_blocks.0.to_k", 1.5), ("temporal_transformer.proj_out", 1.5),
)
SMALL = (                      # these give hundredths, so that every kind of norm meets an input small enough for its eps to show
    "te.text_model.embeddings.", "unet.conv_in.", "unet.down_blocks.0.resnets.0.", "unet.down_blocks.0.attentions.0.proj_",
    "motion.down_blocks.0.motion_modules.0.temporal_transformer.proj_", "unet.up_blocks.3.resnets.2.", "unet.up_blocks.3.attentions.2.proj_out.",
    "motion.up_blocks.3.motion_modules.2.temporal_transformer.proj_out.", "vae.post_quant_conv.", "vae.decoder.conv_in.",
    "vae.decoder.mid_block.resnets.0.",
)


def rule(name, shape):
    """offset, scale for the tensor with this diffusers name, so that activations stay near 1."""
    if "norm" in name and name.endswith(".weight"):
        return 1, 0.1
    small = 0.03 if any(part in name for part in SMALL) else 1
    if name.endswith(".bias"):
        return 0, 0.05 * small
    if "embeddings." in name:
        return 0, small
    gain = next((g for part, g in GAINS if part in name), 1.0)
    return 0, small * gain * (3 / np.prod(shape[1:])) ** 0.5


def unet_model(size):
    from diffusers import UNet2DConditionModel
    return UNet2DConditionModel(block_out_channels=size["unet"], cross_attention_dim=size["text"], attention_head_dim=8, norm_num_groups=32)


def vae_model(size):
    from diffusers import AutoencoderKL
    return AutoencoderKL(block_out_channels=size["vae"], down_block_types=["DownEncoderBlock2D"] * 4, up_block_types=["UpDecoderBlock2D"] * 4,
                         layers_per_block=size["vae_layers"], latent_channels=4, norm_num_groups=32)


def text_model(size):
    from transformers import CLIPTextConfig, CLIPTextModel
    rows, width = 514 + size["merges"], size["text"]
    return CLIPTextModel(CLIPTextConfig(vocab_size=rows, hidden_size=width, intermediate_size=4 * width, num_hidden_layers=size["text_layers"],
                                        num_attention_heads=width // 64, hidden_act="quick_gelu", max_position_embeddings=77,
                                        bos_token_id=rows - 2, eos_token_id=rows - 1, pad_token_id=rows - 1))


def text_name(name):
    return name if name.startswith("text_model.") else "text_model." + name


# ---------------------------------------------------------------- recipes

MODELS = {
    "model_f32":  dict(dtype="F32", unet=(32, 64, 64, 64), text=64, text_layers=3, merges=1000, vae=(32, 32, 64, 64), vae_layers=2),
    "model_f16":  dict(dtype="F16", unet=(64, 32, 64, 96), text=128, text_layers=4, merges=400, vae=(32, 64, 32, 64), vae_layers=1, encoder=False),
    "model_bf16": dict(dtype="BF16", unet=(32, 32, 64, 128), text=64, text_layers=2, merges=2500, vae=(32, 32, 32, 64), vae_layers=2, short=True),
}                        # short: CLIP keys without text_model., as some published files have them, and more to be ignored
MOTIONS = {
    "motion_v1": dict(dtype="F32", channels=(32, 64, 64, 64), positions=24, mid=False),
    "motion_v2": dict(dtype="F16", channels=(64, 32, 64, 96), positions=32, mid=True),
    "motion_v3": dict(dtype="BF16", channels=(32, 32, 64, 128), positions=32, mid=False),
    "motion_lcm": dict(dtype="F16", channels=(64, 32, 64, 96), positions=64, mid=True, stored=False),      # as AnimateLCM: positions by their formula
}
LORAS = {                # every nth of the layers that kohya's trainer would take; with convolutions
    "lora_one":  dict(dtype="F32", model="model_f32", rank=4, every=3, start=0),
    "lora_two":  dict(dtype="F16", model="model_f32", rank=2, every=4, start=1),
    "lora_clip": dict(dtype="BF16", model="model_bf16", rank=3, every=5, start=2),
}
OTHERS = {}              # adapters of other families, by name: see golden_lora.py
TEXT = "cond_stage_model.transformer."


def is_file(name):
    return name.endswith(".safetensors")


def open_file(name):
    return safe_open(os.path.join(ROOT, name), "pt")


def model_size(name):
    """What MODELS says, or the same read from a file."""
    if not is_file(name):
        return MODELS[name]
    shape = {k: tuple(v.get_shape()) for f in [open_file(name)] for k in f.keys() for v in [f.get_slice(k)]}
    rows, width = shape[TEXT + "text_model.embeddings.token_embedding.weight"]
    layers = {k.split("layers.")[1].split(".")[0] for k in shape if k.startswith(TEXT) and "layers." in k}
    return dict(unet=tuple(shape[f"model.diffusion_model.input_blocks.{i}.0.in_layers.2.weight"][0] for i in (1, 4, 7, 10)),
                text=width, text_layers=len(layers), merges=rows - 514,
                vae=tuple(shape[f"first_stage_model.decoder.up.{i}.block.0.conv1.weight"][0] for i in range(4)),
                vae_layers=sum(f"first_stage_model.decoder.up.0.block.{i}.conv1.weight" in shape for i in range(9)) - 1,
                encoder="first_stage_model.encoder.conv_in.weight" in shape)


def model_recipe(name):
    """[(Line, part, diffusers name)] of a whole checkpoint."""
    size, out = model_size(name), []
    file = open_file(name) if is_file(name) else None

    def add(file_name, part, key, shape, file_shape=None):
        out.append((Stored(file, file_name) if file else Line(file_name, size["dtype"], file_shape or shape, *rule(part + "." + key, shape)), part, key))
    with torch.device("meta"):
        parts = unet_model(size), vae_model(size), text_model(size)
    for key, v in parts[0].state_dict().items():
        add("model.diffusion_model." + ldm_unet(key), "unet", key, tuple(v.shape))
    for key, v in parts[1].state_dict().items():
        if not size.get("encoder", True) and key.startswith(("encoder.", "quant_conv.")):
            continue
        new, shape = ldm_vae(key), tuple(v.shape)
        add("first_stage_model." + new, "vae", key, shape, shape + (1, 1) if "attn_1" in new and len(shape) == 2 else shape)
    short = size.get("short", False)
    for key, v in parts[2].state_dict().items():
        if "position_ids" not in key:
            key = text_name(key)
            add(TEXT + (key.removeprefix("text_model.") if short else key), "te", key, tuple(v.shape))
    ignored = [] if file else [Line(TEXT + ("" if short else "text_model.") + "embeddings.position_ids", "F32" if short else "I64", (1, 77), 40, 50)]
    if short:
        ignored += [Line(n, "F32", (1000,), 0.5, 0.5) for n in ("betas", "alphas_cumprod", "alphas_cumprod_prev", "sqrt_alphas_cumprod",
                                                                "sqrt_one_minus_alphas_cumprod", "posterior_variance")]
        ignored += [Line("model_ema.diffusion_modelinput_blocks00weight", "BF16", (32, 4, 3, 3), 0, 1),
                    Line("model_ema.diffusion_modelinput_blocks00bias", "BF16", (32,), 0, 1),
                    Line("model_ema.decay", "F32", (), 0.9999, 0), Line("model_ema.num_updates", "I64", (), 1000, 0)]
    return out + [(line, None, None) for line in ignored]


def empty_motion(name, channels):
    if not is_file(name):
        return Motion(channels, MOTIONS[name]["positions"], MOTIONS[name]["mid"])
    f, first = open_file(name), "motion_modules.0.temporal_transformer.transformer_blocks.0.attention_blocks.0.pos_encoder.pe"
    return Motion(channels, f.get_slice("down_blocks.0." + first).get_shape()[1], "mid_block." + first in f.keys())


def motion_recipe(name):
    if is_file(name):
        return [(Stored(f, key), "motion", key) for f in [open_file(name)] for key in f.keys()]
    m = MOTIONS[name]
    return [(Line(key, m["dtype"], v.shape, *rule("motion." + key, tuple(v.shape)), sinusoid=key.endswith(".pe")), "motion", key)
            for key, v in empty_motion(name, m["channels"]).state_dict().items() if m.get("stored", True) or not key.endswith(".pe")]


def lora_recipe(name):
    lora, out = LORAS[name], []
    size, layers = MODELS[lora["model"]], []
    with torch.device("meta"):
        for prefix, model in (("lora_te_", text_model(size)), ("lora_unet_", unet_model(size))):
            for key, layer in model.named_modules():
                if isinstance(layer, (nn.Linear, nn.Conv2d)):
                    layers.append((prefix + (text_name(key) if prefix == "lora_te_" else key).replace(".", "_"), key, layer.weight.shape))
    for i, (flat, key, shape) in enumerate(layers[lora["start"]::lora["every"]]):
        r, square = lora["rank"], (1, 1) if len(shape) == 4 else ()
        down, up = (r,) + tuple(shape[1:]), (shape[0], r) + square
        out.append((Line(flat + ".lora_down.weight", lora["dtype"], down, 0, (3 / np.prod(down[1:])) ** 0.5), flat, "down"))
        out.append((Line(flat + ".lora_up.weight", lora["dtype"], up, 0, 0.35 * (3 / r) ** 0.5), flat, "up"))
        if i % 5 != 3:                                        # alpha: usual, half, absent, zero
            out.append((Line(flat + ".alpha", lora["dtype"], (), 0 if i % 5 == 4 else r if i % 5 == 0 else r / 2, 0), flat, "alpha"))
    return out


def recipe(name):
    if name in OTHERS:
        return OTHERS[name].recipe()
    return (model_recipe if name in MODELS else motion_recipe if name in MOTIONS else lora_recipe)(name)


def save_weights(folder, name):
    """The file that the recipe describes."""
    dtype = {"F32": torch.float32, "F16": torch.float16, "BF16": torch.bfloat16, "I64": torch.int64}
    from safetensors.torch import save_file as save
    save({line.name: torch.from_numpy(line.stored()).view(dtype[line.dtype]) for line, _, _ in recipe(name)}, os.path.join(folder, name + ".safetensors"))


# ---------------------------------------------------------------- AnimateDiff's motion module

class TemporalAttention(nn.Module):
    """Attention over the frames at one place.  x: [b, frames, places, c]; positions are added before q, k and v.
    strength: [frames], what AnimateDiff-Evolved multiplies the keys by (scale_multival)."""
    strength = None

    def __init__(self, c, positions):
        super().__init__()
        self.to_q, self.to_k, self.to_v = (nn.Linear(c, c, bias=False) for _ in range(3))
        self.to_out = nn.ModuleList([nn.Linear(c, c)])
        self.pos_encoder = nn.Module()
        self.pos_encoder.register_buffer("pe", torch.zeros(1, positions, c))

    def forward(self, x):
        b, f, places, c = x.shape
        x = x + self.pos_encoder.pe[:, :f, None]
        q, k, v = (m(x).view(b, f, places, 8, c // 8).permute(0, 2, 3, 1, 4) for m in (self.to_q, self.to_k, self.to_v))
        if self.strength is not None:
            k = k * self.strength.to(k.dtype)[:, None]
        p = (q @ k.transpose(-1, -2) / (c // 8) ** 0.5).softmax(-1)
        return self.to_out[0]((p @ v).permute(0, 3, 1, 2, 4).reshape(b, f, places, c))


class Geglu(nn.Module):
    def __init__(self, c):
        super().__init__()
        self.proj = nn.Linear(c, 8 * c)

    def forward(self, x):
        value, gate = self.proj(x).chunk(2, -1)
        return value * F.gelu(gate)


class FeedForward(nn.Module):
    def __init__(self, c):
        super().__init__()
        self.net = nn.ModuleList([Geglu(c), nn.Identity(), nn.Linear(4 * c, c)])

    def forward(self, x):
        return self.net[2](self.net[0](x))


class TemporalBlock(nn.Module):
    def __init__(self, c, positions):
        super().__init__()
        self.attention_blocks = nn.ModuleList([TemporalAttention(c, positions) for _ in range(2)])
        self.norms = nn.ModuleList([nn.LayerNorm(c) for _ in range(2)])
        self.ff, self.ff_norm = FeedForward(c), nn.LayerNorm(c)

    def forward(self, x):
        for attention, norm in zip(self.attention_blocks, self.norms):
            x = x + attention(norm(x))
        return x + self.ff(self.ff_norm(x))


class TemporalTransformer(nn.Module):
    def __init__(self, c, positions):
        super().__init__()
        self.norm = nn.GroupNorm(32, c, eps=1e-6)             # statistics of each frame alone
        self.proj_in, self.proj_out = nn.Linear(c, c), nn.Linear(c, c)
        self.transformer_blocks = nn.ModuleList([TemporalBlock(c, positions)])

    def forward(self, x, frames):
        n, c, h, w = x.shape
        y = self.norm(x).permute(0, 2, 3, 1).reshape(n // frames, frames, h * w, c)
        y = self.proj_out(self.transformer_blocks[0](self.proj_in(y)))
        return x + y.reshape(n, h, w, c).permute(0, 3, 1, 2)


def add_positions(motion):
    """Sinusoids in every place for positions."""
    for key, pe in motion.named_buffers():
        pe.copy_(Line(key, "F32", pe.shape, sinusoid=True).tensor())


class Motion(nn.Module):
    """mm_sd_v14, mm_sd_v15 (24 positions), v2 (mid block), v3: modules behind the layers of a UNet."""

    def __init__(self, channels, positions, mid):
        super().__init__()

        def block(c, count):
            b = nn.Module()
            b.motion_modules = nn.ModuleList()
            for _ in range(count):
                m = nn.Module()
                m.temporal_transformer = TemporalTransformer(c, positions)
                b.motion_modules.append(m)
            return b
        self.down_blocks = nn.ModuleList([block(c, 2) for c in channels])
        self.up_blocks = nn.ModuleList([block(c, 3) for c in channels[::-1]])
        if mid:
            self.mid_block = block(channels[-1], 1)
        self.frames, self.version1 = 0, positions == 24

    def attach(self, unet, frames):
        self.frames = frames

        def behind(module, layer):
            def hook(_, __, y):
                return (module(y[0], frames),) + tuple(y[1:]) if isinstance(y, tuple) else module(y, frames)
            layer.register_forward_hook(hook)
        pairs = list(zip(self.down_blocks, unet.down_blocks)) + list(zip(self.up_blocks, unet.up_blocks))
        if hasattr(self, "mid_block"):
            pairs.append((self.mid_block, unet.mid_block))    # between the attention and the second resnet
        for mine, theirs in pairs:
            layers = getattr(theirs, "attentions", None) or theirs.resnets
            assert len(layers) == len(mine.motion_modules)
            for m, layer in zip(mine.motion_modules, layers):
                behind(m.temporal_transformer, layer)
        if self.version1:
            for name, m in unet.named_modules():
                if isinstance(m, nn.GroupNorm) and (".resnets." in name or name == "conv_norm_out"):
                    m.forward = across_frames(m, frames)


def across_frames(norm, frames):
    """v1 was trained with the UNet's resnet norms over all frames of a clip: (b f) c h w -> b c f h w."""
    def forward(x):
        n, c, h, w = x.shape
        y = x.reshape(n // frames, frames, c, h, w).transpose(1, 2)
        y = F.group_norm(y, norm.num_groups, norm.weight, norm.bias, norm.eps)
        return y.transpose(1, 2).reshape(n, c, h, w)
    return forward


# ---------------------------------------------------------------- LoRA

def attach_lora(name, strength, text, unet, dtype):
    """y += strength * alpha / r * up(down(x)) behind each layer the file names."""
    pairs = {}
    for line, flat, kind in recipe(name):
        pairs.setdefault(flat, {})[kind] = line.tensor().to(dtype)
    used = 0
    for prefix, model in (("lora_te_", text), ("lora_unet_", unet)):
        for key, layer in model.named_modules():
            pair = pairs.get(prefix + (text_name(key) if prefix == "lora_te_" else key).replace(".", "_"))
            if pair is None:
                continue
            down, up = pair["down"], pair["up"]
            alpha = float(pair.get("alpha", 0)) or float(len(down))
            scale = strength * alpha / len(down)

            def hook(layer, x, y, down=down, up=up, scale=scale):
                if isinstance(layer, nn.Conv2d):
                    return y + scale * F.conv2d(F.conv2d(x[0], down, stride=layer.stride, padding=layer.padding), up)
                return y + scale * F.linear(F.linear(x[0], down), up)
            layer.register_forward_hook(hook)
            used += 1
    assert used == len(pairs)


# ---------------------------------------------------------------- text

def make_tokenizer(merges):
    """CLIP's tokenizer with the first so many merges only."""
    from transformers import CLIPTokenizer
    with open(MERGES, encoding="utf-8") as f:
        lines = [s for s in f.read().split("\n") if s and not s.startswith("#version")][:merges]
    codes = list(range(33, 127)) + list(range(161, 173)) + list(range(174, 256))
    letters = [chr(c) for c in codes] + [chr(256 + i) for i in range(256 - len(codes))]
    words = letters + [c + "</w>" for c in letters] + [s.replace(" ", "") for s in lines] + ["<|startoftext|>", "<|endoftext|>"]
    return CLIPTokenizer(vocab={w: i for i, w in enumerate(words)}, merges=[tuple(s.split()) for s in lines])


def tokens(tokenizer, text):
    return tokenizer(text, add_special_tokens=False).input_ids


def weighted_chunks(tokenizer, text, embeddings=()):
    """[[(id, weight)] * 77]"""
    vocabulary = tokenizer.get_vocab()
    special = vocabulary["<|startoftext|>"], vocabulary["<|endoftext|>"], tokens(tokenizer, ",")[0]
    return webui.chunks(lambda s: tokens(tokenizer, s), special, text, embeddings)


def chunks(tokenizer, text):
    """[[77 ids]]"""
    return [[i for i, _ in chunk] for chunk in weighted_chunks(tokenizer, text)]


def embedding_vectors(path):
    """[n,width] of a file in tests/golden/embeddings, by the library that the format is from."""
    path = os.path.join(ROOT, path)
    if path.endswith(".safetensors"):
        return open_file(path).get_tensor("emb_params").float()
    return torch.load(path, weights_only=True)["string_to_param"]["*"].detach().float()


def wording(case, guided, calls):
    """What each call of the UNet is told: [[negative], [[prompt, ...] for each key]], texts only, and the frames of the keys and the weights of the prompts."""
    frames, steps = case.get("frames", 1), case["steps"] * (2 if calls > case["steps"] else 1)
    keys = webui.travel(case["prompt"]) if frames > 1 else {}
    keys = keys or {0: case["prompt"]}
    parts = [webui.subprompts(text) for text in keys.values()]
    weights = [w for _, w in parts[0]]
    assert all([w for _, w in p] == weights for p in parts)
    told = [([webui.at_step(case["negative"], i, steps)] if guided(weights) else [], [[webui.at_step(t, i, steps) for t, _ in p] for p in parts]) for i in range(calls)]
    return told, list(keys), weights


def vectors(case, text, tokenizer, texts):
    """{text: [chunks,77,width]}, as many chunks for each."""
    ids, rows = [], []
    table = text.get_input_embeddings().weight
    for path in case.get("embedding", ()):
        v = embedding_vectors(path)
        start = len(table) + sum(map(len, rows))
        ids.append((tokens(tokenizer, os.path.basename(path).rsplit(".", 1)[0]), list(range(start, start + len(v)))))
        rows.append(v.to(table.dtype))
    if rows:
        text.set_input_embeddings(nn.Embedding.from_pretrained(torch.cat([table] + rows)))
    laid = [weighted_chunks(tokenizer, t, ids) for t in texts]
    empty, count = weighted_chunks(tokenizer, ""), max(map(len, laid))
    laid = [chunk for rows in laid for chunk in rows + empty * (count - len(rows))]
    z = encode(text, [[i for i, _ in chunk] for chunk in laid], case.get("clip_skip", 1))
    z = webui.emphasized(z, [[w for _, w in chunk] for chunk in laid])
    return dict(zip(texts, z.reshape(len(texts), count, 77, -1)))


def guides(case, text, tokenizer, guided, calls):
    """For each call [prompts * frames, tokens, width], the negative first where there is one; and the weights of the others."""
    frames, closed = case.get("frames", 1), case.get("loop") in ("R+P", "A")
    told, keys, weights = wording(case, guided, calls)
    texts = list(dict.fromkeys(t for negative, prompts in told for t in negative + sum(prompts, [])))
    z = vectors(case, text, tokenizer, texts)
    out = []
    for negative, prompts in told:
        rows = [z[t] for t in negative for _ in range(frames)]
        for k in range(len(weights)):
            at_key = {key: z[p[k]] for key, p in zip(keys, prompts)}
            rows += [webui.frame_vectors(at_key, f, frames, closed) for f in range(frames)]
        out.append(torch.stack(rows).flatten(1, 2))
    return out, weights


def encode(text, ids, clip_skip):
    """Clip skip as the web UI counts: N = 2 is the last layer but one, then the final norm."""
    inner = getattr(text, "text_model", text)
    caught = {}
    layer = inner.encoder.layers[len(inner.encoder.layers) - clip_skip]
    hook = layer.register_forward_hook(lambda _, __, y: caught.update(y=y[0] if isinstance(y, tuple) else y))
    text(input_ids=torch.tensor(ids))
    hook.remove()
    return inner.final_layer_norm(caught["y"])


# ---------------------------------------------------------------- recording

SAMPLES = (np.arange(16, dtype=np.uint64) * np.uint64(2654435761) + np.uint64(12345))


class Record:
    """Forward hooks that keep samples of every layer's output, the last of a phase's calls."""

    def __init__(self, frames, off=False):
        self.layers, self.phase, self.frames, self.off = {}, None, frames, off

    def watch(self, prefix, model, keep=lambda name: True):
        if self.off:
            return
        for name, layer in model.named_modules():
            if isinstance(layer, (nn.Linear, nn.Conv2d, nn.GroupNorm, nn.LayerNorm)) and keep(name):
                if prefix == "te.":
                    name = text_name(name)
                layer.register_forward_hook(lambda m, _, y, name=prefix + name: self.keep(name, m, y))

    def keep(self, name, layer, y):
        if self.phase != name.split(".")[0].replace("motion", "unet"):
            return
        if isinstance(layer, nn.GroupNorm) and (".resnets." in name or name.endswith("conv_norm_out")):
            y = F.silu(y)
        if isinstance(layer, (nn.Conv2d, nn.GroupNorm)):
            y = y.movedim(1, -1)
        if name.endswith("attn2.to_k") or name.endswith("attn2.to_v"):
            y = y[::self.frames]
        y = y.detach().contiguous().numpy().ravel()
        i = (SAMPLES % np.uint64(y.size)).astype(np.int64)
        rms = np.sqrt(np.mean(y.astype(np.float64) ** 2))
        self.layers[name] = (y.size, np.append(y[i], rms))


# ---------------------------------------------------------------- drawing

def load(model, part, lines, dtype):
    own = model.state_dict()
    values = {(key if key in own else key.removeprefix("text_model.")): line.tensor() for line, p, key in lines if p == part}
    values = {k: v.reshape(own[k].shape) for k, v in values.items()}
    missing, unexpected = model.load_state_dict(values, strict=False)
    assert not unexpected and all("position_ids" in k or k.endswith(".pe") or k.startswith(("encoder.", "quant_conv.")) for k in missing), (missing, unexpected)
    return model.eval().requires_grad_(False).to(dtype)


def parts_of(case, dtype):
    """text, unet, motion (or None), vae, tokenizer, from the recipes the case names."""
    size, lines = model_size(case["model"]), model_recipe(case["model"])
    text, unet, vae = (load(make(size), part, lines, dtype) for make, part in ((text_model, "te"), (unet_model, "unet"), (vae_model, "vae")))
    motion = None
    if "motion" in case:
        motion = load(empty_motion(case["motion"], size["unet"]), "motion", motion_recipe(case["motion"]), dtype)
        if not MOTIONS.get(case["motion"], {}).get("stored", True):
            add_positions(motion)
    for name, *strength in case.get("lora", ()):
        if name in OTHERS:
            strengths = {"te": strength[0], "unet": strength[-1]}
            OTHERS[name].attach(recipe(name), strengths, {"te": text, "unet": unet, "motion": motion}, dtype)
        else:
            attach_lora(name, strength[0], text, unet, dtype)
    return text, unet, motion, vae, make_tokenizer(size["merges"])


def scheduler_of(case, betas):
    """The scheduler of diffusers' that corresponds, timesteps set -> it, and the timesteps."""
    from golden_sampler import AUTOMATIC, scheduler
    name = case.get("sampler", "DDIM")
    special = ("v" if case.get("prediction") == "v" else "") + ("zero" if "noise_schedule" in case else "")
    return scheduler(name, case.get("schedule", AUTOMATIC[name]), betas, case["steps"], special)


def motion_strength(case):
    """[frames] of "1.5" or "0: 0.5, 8: 1.5", linear between those that are given; None: 1."""
    said = [one.split(":") for one in case.get("motion_strength", "").split(",") if one]
    if said:
        at = [int(one[0]) if len(one) > 1 else 0 for one in said]
        return torch.tensor(np.interp(range(case["frames"]), at, [float(one[-1]) for one in said]), dtype=torch.float32)


def in_windows(unet, case, y, t, words, call, prompts):
    """[prompts * frames, ...]: what the UNet says of y [frames, ...], averaged where windows overlap, most weight in a window's middle."""
    from golden_windows import windows
    frames = len(y)
    length = min(frames, case.get("context", frames))
    overlap = case.get("overlap", length // 4)
    total, weights = torch.zeros((prompts, *y.shape), dtype=y.dtype), torch.zeros(frames, dtype=y.dtype)
    strength = motion_strength(case)
    for w in windows(call, frames, length, case.get("stride", 1), overlap, case.get("loop", "N")):
        TemporalAttention.strength = None if strength is None else strength[w]
        said = unet(torch.cat([y[w]] * prompts), t, words.unflatten(0, (prompts, frames))[:, w].flatten(0, 1)).sample.reshape(prompts, length, *y.shape[1:])
        for i, f in enumerate(w):
            weight = min(i + 1, length - i)
            total[:, f] += weight * said[:, i]
            weights[f] += weight
    return (total / weights[:, None, None, None]).flatten(0, 1)


def picture_of(case, dtype):
    """The picture that a case begins from, or the frames of a clip, or the first and the last picture: [n,3,h,w], -1..1"""
    from PIL import Image, ImageSequence
    frames = [np.array(f.convert("RGB")) for k in ("init", "last") if k in case for f in ImageSequence.Iterator(Image.open(os.path.join(ROOT, case[k])))]
    return torch.from_numpy(np.stack(frames)).permute(0, 3, 1, 2).to(dtype) / 255 * 2 - 1


def first_and_last(case):
    """How much of the first and of the last picture each frame begins as, after sd-webui-animatediff's AnimateDiffI2VLatent.randomize: [frames] each"""
    frames = case["frames"]
    a, b = (np.maximum(0, 1 - np.arange(frames) ** case.get("latent_power" + end, 1) / case.get("latent_scale" + end, 32)) for end in ("", "_last"))
    b = b[::-1]
    a, b = np.where(a + b > 1, (a / (a + b), b / (a + b)), (a, b))
    a[0], b[0], a[-1], b[-1] = 1, 0, 0, 1
    first, last = (1 - case[k] for k in ("strength", "last_strength"))         # all frames begin at the lower strength; of the other picture less is left
    return a * min(1, first / last), b * min(1, last / first)


def mask_of(case):
    """[h,w], 0..255: white is drawn anew.  A box, or a picture of the size that is drawn."""
    from PIL import Image
    if is_picture(case["mask"]):
        return np.array(Image.open(os.path.join(ROOT, case["mask"])).convert("L"))
    left, top, right, bottom = map(int, case["mask"].split(","))
    mask = np.zeros((case["height"], case["width"]), np.uint8)
    mask[top:bottom, left:right] = 255
    return mask


def is_picture(name):
    return name.endswith(".png")


def blurred(mask, sigma):
    """cv2.GaussianBlur of the web UI's Mask blur, along rows and columns."""
    if sigma <= 0:
        return mask
    radius = int(2.5 * sigma + 0.5)
    weight = np.exp(-np.arange(-radius, radius + 1) ** 2 / (2 * sigma ** 2))
    weight /= weight.sum()
    for axis in (1, 0):
        mask = np.apply_along_axis(lambda x: np.convolve(np.pad(x.astype(float), radius, "reflect"), weight, "valid"), axis, mask)
    return np.round(mask)


@torch.no_grad()
def draw(case, parts, dtype, record):
    """-> [frames, h, w, 3] in 0..255, not yet rounded."""
    text, unet, motion, vae, tokenizer = parts
    frames, cfg, eta = case.get("frames", 1), case["cfg"], case.get("eta", 0.0)
    clip_skip = case.get("clip_skip", 1)
    if motion is not None:
        motion.attach(unet, min(frames, case.get("context", frames)))
        record.watch("motion.", motion)
    top = text.config.num_hidden_layers - clip_skip
    record.watch("te.", text, lambda name: "layers." not in name or int(name.split("layers.")[1].split(".")[0]) <= top)
    record.watch("unet.", unet)
    record.watch("vae.", vae)

    def guided(weights):                                      # if not, the negative text has no part in it, nor has its length
        return cfg > 1 or weights != [1]

    sampler, times = scheduler_of(case, "scaled_linear" if motion is None else "linear")
    record.phase = "te"
    words, weights = guides(case, text, tokenizer, guided, len(times))
    rng, calls, by_frame = torch.manual_seed(case["seed"]), [], False
    shape = (1, 4) + ((frames,) if motion is not None else ()) + (case["height"] // 8, case["width"] // 8)

    def noise(*_, **__):
        calls.append(0)
        if case.get("rng") == "NV":
            from golden_philox import normals
            pictures = [torch.from_numpy(normals(case["seed"] + f, len(calls) - 1, int(np.prod(shape)) // frames)).reshape(1, 4, *shape[-2:]) for f in range(frames)]
            return torch.stack(pictures, 2).reshape(shape).to(dtype)
        if by_frame and len(calls) == 1:
            return torch.randn((1, shape[2], 4, *shape[-2:]), generator=rng).transpose(1, 2).to(dtype)
        return torch.randn(shape, generator=rng).to(dtype)
    sys.modules[type(sampler).__module__].randn_tensor = noise

    def to_frames(x):
        return x[0].transpose(0, 1) if motion is not None else x

    def denoised(x, sampler, times, told, keep=lambda x, _: x):
        for call, t in enumerate(times):
            said = in_windows(unet, case, to_frames(sampler.scale_model_input(x, t)), t, told[call], call, len(told[call]) // frames).split(frames)
            eps = said[0]
            if guided(weights):
                worse, toward = said[0], sum(w * (better - said[0]) for w, better in zip(weights, said[1:]))
                eps = worse + cfg * toward
                phi = case.get("cfg_rescale", 0)          # diffusers' rescale_noise_cfg
                eps = phi * eps * ((worse + toward).std() / eps.std()) + (1 - phi) * eps if phi else eps
            if motion is not None:
                eps = eps.transpose(0, 1)[None]
            ddim = dict(eta=eta, variance_noise=noise() if eta > 0 else None) if case.get("sampler", "DDIM") == "DDIM" else {}
            x = keep(sampler.step(eps, t, x, **ddim).prev_sample.to(dtype), times[call + 1:call + 2])
            record.phase = None
        return x

    def over(z, sampler, times, first, told):             # as diffusers' img2img pipelines begin
        if hasattr(sampler, "set_begin_index"):
            sampler.set_begin_index(first * sampler.order)
        times = times[first * sampler.order:]
        eps = noise()
        x = sampler.add_noise(z, eps, times[:1]).to(dtype)
        if "mask" not in case:
            return denoised(x, sampler, times, told)
        mask = F.interpolate(torch.from_numpy(mask_of(case) >= 128)[None, None].to(dtype), size=shape[-2:])[0, 0]

        def keep(x, time):                                # as diffusers' StableDiffusionInpaintPipeline does with a UNet of 4 channels
            return (1 - mask) * (sampler.add_noise(z, eps, time).to(dtype) if len(time) else z) + mask * x
        return denoised(x if first else eps * sampler.init_noise_sigma, sampler, times, told, keep)

    record.phase = "unet"
    strength, steps = case.get("strength", 0.75), case["steps"]
    if "init" in case:
        seen = vae.encode(picture_of(case, dtype)).latent_dist
        z = seen.mean if case.get("rng") == "NV" else seen.mean + seen.std * torch.randn(seen.mean.shape, generator=rng).to(dtype)
        z = 0.18215 * z
        if "last" in case:
            strength = min(strength, case["last_strength"])
            first, last = (torch.from_numpy(np.ascontiguousarray(weight)).to(dtype)[:, None, None] for weight in first_and_last(case))
            z = first * z[:1, :, None] + last * z[1:, :, None] + (1 - first - last) * noise()
        elif len(z) > 1:                                  # a clip; its noise is drawn as [1, frames, 4, h, w]
            z = z.transpose(0, 1)[None]
            by_frame = case.get("rng") != "NV"
        elif motion is not None:
            z = z[:, :, None].expand(shape)
        x = over(z, sampler, times, steps - min(int(steps * strength), steps), words)
    else:
        x = denoised(noise() * sampler.init_noise_sigma, sampler, times, words)
    if "hires" in case:                                   # the web UI's second pass: its noise begins anew
        left = case.get("hires_steps", steps)
        total = int(left / min(strength, 0.999))
        size = [int(case[k] * case["hires"]) // 8 for k in ("height", "width")]
        x = F.interpolate(to_frames(x), size=size, mode="nearest" if "nearest" in case.get("upscaler", "") else "bilinear")
        x, shape = x.transpose(0, 1)[None] if motion is not None else x, shape[:-2] + tuple(size)
        rng = torch.manual_seed(case["seed"])
        calls.clear()
        x = over(x, *scheduler_of(dict(case, steps=total), "scaled_linear" if motion is None else "linear"), total - left, words[-1:] * left * 2)
    out = []
    record.phase = "vae"
    for z in to_frames(x).split(1):
        out.append(vae.decode(z / 0.18215).sample)
        record.phase = None
    drawn = (255 * (torch.cat(out) / 2 + 0.5).clamp(0, 1)).permute(0, 2, 3, 1).double().numpy()
    if "mask" in case:
        soft = blurred(mask_of(case), case.get("mask_blur", 4))[..., None] / 255
        drawn = soft * rounded(drawn) + (1 - soft) * (255 * (picture_of(case, torch.float64) / 2 + 0.5)).permute(0, 2, 3, 1).numpy()
    return drawn


def rounded(picture):
    return np.ascontiguousarray(np.round(picture).astype(np.uint8))      # save_file would store a transposed view as it lies in memory


# ---------------------------------------------------------------- cases

WORDS = ("portrait of a woman with red hair and green eyes smiling at the sea under a wide sky while the wind moves her long blue coat and "
         "small birds fly over the old town where people walk home from work with bread and flowers in their hands because the day was warm and "
         "bright and the children still play by the water near the stone bridge until the evening bells ring and lamps are lit in every window "
         "of the street and the river")

DEFAULT, DEFAULT_MOTION = "weights/persona.safetensors", "weights/persona_motion.safetensors"
CASES = {
    "still_f32":   dict(model="model_f32", prompt="a man with a red hat smiling", negative="blue", steps=5, cfg=7.5, seed=1, width=128, height=128),
    "still_f16":   dict(model="model_f16", prompt="portrait of an old woman with white hair", negative="red hair and glasses",
                        steps=7, cfg=15.0, seed=1793506252, width=144, height=112, clip_skip=2),
    "still_bf16":  dict(model="model_bf16", prompt=WORDS, negative="bad", steps=4, cfg=6.0, seed=77, width=136, height=104),
    "still_cfg1":  dict(model="model_f32", prompt="a girl with black hair", negative=WORDS, steps=3, cfg=1.0, seed=12192490710448890259, width=96, height=136),
    "still_eta":   dict(model="model_f16", prompt="a boy in a green coat", negative="", steps=4, cfg=5.0, seed=3, width=120, height=128, eta=0.5),
    "lora_one":    dict(model="model_f32", prompt="a man with a red hat smiling", negative="blue", steps=4, cfg=7.0, seed=5, width=128, height=128,
                        lora=[("lora_one", 0.8)]),
    "lora_two":    dict(model="model_f32", prompt="a woman waving", negative="dark", steps=3, cfg=9.0, seed=6, width=112, height=128, clip_skip=2,
                        lora=[("lora_one", 1.2), ("lora_two", -0.5)]),
    "clip_v1":     dict(model="model_f32", motion="motion_v1", prompt="a man turning his head", negative="grey and flat", steps=3, cfg=7.5, seed=11,
                        width=128, height=128, frames=8),
    "clip_v1_24":  dict(model="model_f32", motion="motion_v1", prompt="a face", negative=WORDS, steps=2, cfg=4.0, seed=12, width=96, height=96, frames=24),
    "clip_v2":     dict(model="model_f16", motion="motion_v2", prompt="a woman nodding in the wind", negative="still", steps=4, cfg=15.0, seed=13,
                        width=112, height=144, frames=6, clip_skip=2),
    "default_still": dict(model=DEFAULT, prompt="portrait of a woman with red hair and glasses smiling", negative="", steps=20, cfg=5.0, seed=1,
                          width=128, height=128),
    "default_clip":  dict(model=DEFAULT, motion=DEFAULT_MOTION, prompt="portrait of a man with blue hat waving", negative="", steps=10, cfg=5.0, seed=2,
                          width=128, height=128, frames=16),
    "clip_v3":     dict(model="model_bf16", motion="motion_v3", prompt="a boy talking and waving", negative="", steps=3, cfg=8.0, seed=14,
                        width=136, height=104, frames=5, eta=0.25, lora=[("lora_clip", 0.9)]),
}
KEYS = ("model", "motion", "steps", "cfg", "seed", "width", "height", "frames", "clip_skip", "eta", "sampler", "schedule", "rng",
        "prediction", "noise_schedule", "cfg_rescale", "context", "overlap", "stride", "loop", "motion_strength", "init", "last", "last_strength", "latent_power",
        "latent_scale", "latent_power_last", "latent_scale_last", "mask", "mask_blur", "strength", "hires", "hires_steps", "upscaler")


def settings(case):
    lines = [f"{k}: {case[k]}" for k in KEYS if k in case]
    lines += [f"lora: {name} {' '.join(map(str, strength))}" for name, *strength in case.get("lora", ())] + [f"embedding: {path}" for path in case.get("embedding", ())]
    return "\n".join(lines) + "\n"


def run(case, dtype):
    record = Record(case.get("frames", 1))
    return draw(case, parts_of(case, dtype), dtype, record), record.layers


def compared(a, b):
    d = np.abs(rounded(a).astype(int) - rounded(b))
    return f"{d.max()} {d.mean():.6f}"


def make(name, picture_only=False, rows=1):
    """rows: of the picture every so many are kept"""
    case = CASES[name]
    files = [case[k] for k in ("model", "motion") if k in case] + [lora[0] for lora in case.get("lora", ())]
    if not all(os.path.exists(os.path.join(ROOT, f)) for f in files if is_file(f)):
        print(f"{name}: left out, there is no {' or no '.join(filter(is_file, files))}")
        return
    for file in files:
        if not is_file(file):
            with open(os.path.join(OUT, file + ".weights"), "w") as f:
                f.writelines(f"{line}\n" for line, _, _ in recipe(file))
    (fine, layers), (plain, rough) = run(case, torch.float64), run(case, torch.float32)
    assert list(layers) == list(rough)
    error = {k: np.abs(layers[k][1] - rough[k][1])[:16].max() / layers[k][1][16] for k in layers}
    worst = [max(e for k, e in error.items() if k.startswith("vae.") == decoding) for decoding in (False, True)]
    if picture_only or is_file(case["model"]):
        layers = {}
    picture = rounded(plain)
    values = np.array([v for _, v in layers.values()], np.float32).reshape(-1, 17)
    save_file({"picture": np.ascontiguousarray(picture[:, ::rows]), "layers": values}, os.path.join(OUT, name + ".safetensors"),
              {"prompt": case["prompt"], "negative": case["negative"], "settings": settings(case),
               "layers": "".join(f"{k} {size}\n" for k, (size, _) in layers.items()),
               "float64": f"{compared(fine, plain)} {worst[0]:.2g} {worst[1]:.2g}"})
    frames = f", frames differ by {np.abs(np.diff(plain, axis=0)).mean():.1f}" if len(plain) > 1 else ""
    print(f"{name}: {len(layers)} layers, float32 - float64: picture {compared(fine, plain)}, before rounding {np.abs(fine - plain).max():.2g}, "
          f"layers {worst[0]:.2g}, decoder {worst[1]:.2g}; mean {plain.mean():.0f}, deviation {plain.std():.0f}, "
          f"{100 * np.isin(picture, (0, 255)).mean():.1f}% at the ends{frames}", flush=True)


def main(words):
    torch.set_num_threads(int(os.environ.get("OMP_NUM_THREADS", "2")))
    if words[:1] == ["--weights"]:
        os.makedirs(words[1], exist_ok=True)
        for name in words[2:] or list(MODELS) + list(MOTIONS) + list(LORAS):
            save_weights(words[1], name)
        return
    os.makedirs(OUT, exist_ok=True)
    for name in words or CASES:
        make(name)


if __name__ == "__main__":
    main(sys.argv[1:])
