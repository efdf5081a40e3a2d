#!/usr/bin/env python3
"""Trains the default model: a tiny Stable Diffusion 1.5 with an AnimateDiff motion module.

    python train.py vae      the picture <-> latent autoencoder, on painted portraits
    python train.py text     the text encoder, on what the captions say
    python train.py latents  paints portraits and clips, keeps their latents and captions
    python train.py unet     text encoder and UNet together, on still latents
    python train.py motion   motion module (and UNet, slowly), on clips of 16 latents
    python train.py decoder  the decoder alone, a while longer
    python train.py upscaler what makes 256x256 of the decoder's 128x128
    python train.py export   writes persona.safetensors, persona_motion.safetensors and persona_upscaler.safetensors
    python train.py header   writes what they say about themselves anew; the tensors stay as they are

Each stage keeps its whole state under --work, resumes from there after any kind of end, and can be
made longer by giving more --minutes.  --from begins with weights exported before, so that a new style
of pictures does not have to be learned from noise.  The rate follows the share of the minutes that is used up.
"""
import argparse
import atexit
import copy
import fcntl
import gzip
import json
import math
import os
import signal
import sys
import time

import numpy as np
import torch
import torch.nn.functional as F
from torch import nn

import paint

SMALL = 4                    # how many times more an error on an eye or a mouth counts
SCALE = 0.18215              # Stable Diffusion's latent scale, used literally everywhere
LATENT = paint.SIZE // 8
FRAMES = paint.FRAMES
MERGES = 4000                # how many of CLIP's merges the small vocabulary keeps
WIDTH = 128                  # text width
UNET_CHANNELS = (64, 64, 64, 64)
VAE_CHANNELS = (32, 64, 96, 96)
UPSCALE = 2
UPSCALER_CHANNELS, UPSCALER_LAYERS = 32, 8


# ---------------------------------------------------------------- models

def make_vae():
    from diffusers import AutoencoderKL
    return AutoencoderKL(block_out_channels=VAE_CHANNELS, down_block_types=["DownEncoderBlock2D"] * 4,
                         up_block_types=["UpDecoderBlock2D"] * 4, layers_per_block=1, latent_channels=4,
                         norm_num_groups=32, sample_size=paint.SIZE, scaling_factor=SCALE)


class Upscaler(nn.Module):
    """SRVGGNetCompact of Real-ESRGAN: 3x3 convolutions at the size of the input, a pixel shuffle, added to the enlarged input.  RGB in 0..1."""

    def __init__(self):
        super().__init__()
        layers, width = [], 3
        for _ in range(UPSCALER_LAYERS + 1):
            layers += [nn.Conv2d(width, UPSCALER_CHANNELS, 3, padding=1), nn.PReLU(UPSCALER_CHANNELS)]
            width = UPSCALER_CHANNELS
        self.body = nn.Sequential(*layers, nn.Conv2d(width, 3 * UPSCALE ** 2, 3, padding=1))
        for m in self.body[:-1]:
            if isinstance(m, nn.Conv2d):
                nn.init.kaiming_normal_(m.weight, a=0.25)
                nn.init.zeros_(m.bias)

    def forward(self, x):
        return F.pixel_shuffle(self.body(x), UPSCALE) + F.interpolate(x, scale_factor=UPSCALE)


def make_unet():
    from diffusers import UNet2DConditionModel
    # diffusers' attention_head_dim is the NUMBER of heads here: 8 everywhere, as in SD 1.x
    return UNet2DConditionModel(sample_size=LATENT, block_out_channels=UNET_CHANNELS, layers_per_block=2,
                                cross_attention_dim=WIDTH, attention_head_dim=8, norm_num_groups=32)


def make_text():
    from transformers import CLIPTextConfig, CLIPTextModel
    return CLIPTextModel(CLIPTextConfig(vocab_size=512 + MERGES + 2, hidden_size=WIDTH, intermediate_size=4 * WIDTH,
                                        num_hidden_layers=3, num_attention_heads=WIDTH // 64, hidden_act="quick_gelu",
                                        max_position_embeddings=77, bos_token_id=512 + MERGES, eos_token_id=512 + MERGES + 1,
                                        pad_token_id=512 + MERGES + 1))


def make_tokenizer(merges_file):
    """CLIP's tokenizer with the first MERGES merges only; the file is open_clip_torch's list (MIT)."""
    from transformers import CLIPTokenizer
    opener = gzip.open if merges_file.endswith(".gz") else open
    with opener(merges_file, "rt", encoding="utf-8") as f:
        lines = [line for line in f.read().split("\n") if line]
    skip = "#version" in lines[0]
    merges = [tuple(line.split()) for line in lines[skip:skip + MERGES]]
    codes = list(range(33, 127)) + list(range(161, 173)) + list(range(174, 256))
    rest = [b for b in range(256) if b not in codes]
    letters = [chr(c) for c in codes] + [chr(256 + i) for i in range(len(rest))]
    words = letters + [c + "</w>" for c in letters] + ["".join(m) for m in merges] + ["<|startoftext|>", "<|endoftext|>"]
    return CLIPTokenizer(vocab={w: i for i, w in enumerate(words)}, merges=merges)


def tokens(tokenizer, texts):
    return tokenizer(texts, padding="max_length", max_length=77, truncation=True, return_tensors="pt").input_ids


class TemporalAttention(nn.Module):
    """Attention over the frames at one place of the picture; positions are added before q, k and v."""

    def __init__(self, c, positions=32):
        super().__init__()
        self.to_q, self.to_k, self.to_v = (nn.Linear(c, c, bias=False) for _ in range(3))
        self.to_out = nn.ModuleList([nn.Linear(c, c)])
        p, i = torch.arange(positions)[:, None].float(), torch.arange(0, c, 2).float()
        pe = torch.zeros(1, positions, c)
        pe[0, :, 0::2] = torch.sin(p * 10000 ** (-i / c))
        pe[0, :, 1::2] = torch.cos(p * 10000 ** (-i / c))
        self.pos_encoder = nn.Module()
        self.pos_encoder.register_buffer("pe", pe)

    def forward(self, x, places):
        n, f, c = x.shape
        x = x + self.pos_encoder.pe[:, places]
        q, k, v = (m(x).view(n, f, 8, c // 8).transpose(1, 2) for m in (self.to_q, self.to_k, self.to_v))
        return self.to_out[0](F.scaled_dot_product_attention(q, k, v).transpose(1, 2).reshape(n, f, c))


class TemporalBlock(nn.Module):
    def __init__(self, c):
        super().__init__()
        from diffusers.models.attention import FeedForward
        self.attention_blocks = nn.ModuleList([TemporalAttention(c) for _ in range(2)])
        self.norms = nn.ModuleList([nn.LayerNorm(c) for _ in range(2)])
        self.ff = FeedForward(c, activation_fn="geglu")
        self.ff_norm = nn.LayerNorm(c)

    def forward(self, x, places):
        for attention, norm in zip(self.attention_blocks, self.norms):
            x = x + attention(norm(x), places)
        return x + self.ff(self.ff_norm(x))


class TemporalTransformer(nn.Module):
    def __init__(self, c):
        super().__init__()
        self.norm = nn.GroupNorm(32, c, eps=1e-6)           # statistics of each frame alone
        self.proj_in = nn.Linear(c, c)
        self.transformer_blocks = nn.ModuleList([TemporalBlock(c)])
        self.proj_out = nn.Linear(c, c)
        nn.init.zeros_(self.proj_out.weight)
        nn.init.zeros_(self.proj_out.bias)

    def forward(self, x, places):
        (n, c, h, w), frames = x.shape, len(places)
        y = self.norm(x).reshape(n // frames, frames, c, h * w).permute(0, 3, 1, 2).reshape(-1, frames, c)
        y = self.proj_out(self.transformer_blocks[0](self.proj_in(y), places))
        return x + y.reshape(n // frames, h * w, frames, c).permute(0, 2, 3, 1).reshape(n, c, h, w)


class Motion(nn.Module):
    """AnimateDiff's v3 layout: a module after every resnet (and its attention) of the down and up blocks."""

    def __init__(self, channels=UNET_CHANNELS):
        super().__init__()

        def blocks(widths, count):
            made = nn.ModuleList()
            for c in widths:
                block = nn.Module()
                block.motion_modules = nn.ModuleList()
                for _ in range(count):
                    m = nn.Module()
                    m.temporal_transformer = TemporalTransformer(c)
                    block.motion_modules.append(m)
                made.append(block)
            return made
        self.down_blocks = blocks(channels, 2)
        self.up_blocks = blocks(channels[::-1], 3)
        self.places = []                # which frames of the clip are given; none: stills, the modules do nothing

    def attach(self, unet):
        """Puts the modules behind the UNet's layers by forward hooks."""
        def hook(module):
            def after(_, __, out):
                if not self.places:
                    return None
                if isinstance(out, tuple):
                    return (module(out[0], self.places),) + tuple(out[1:])
                return module(out, self.places)
            return after
        for mine, theirs in ((self.down_blocks, unet.down_blocks), (self.up_blocks, unet.up_blocks)):
            for a, b in zip(mine, theirs):
                layers = b.attentions if getattr(b, "attentions", None) else b.resnets
                for m, layer in zip(a.motion_modules, layers):
                    layer.register_forward_hook(hook(m.temporal_transformer))
        return self


# ---------------------------------------------------------------- noise and sampling

def alphas(kind):
    """Cumulative alphas: "stills" have scaled-linear betas, "clips" linear ones (in diffusers' sense)."""
    lo, hi = 0.00085, 0.012
    betas = torch.linspace(lo ** 0.5, hi ** 0.5, 1000).square() if kind == "stills" else torch.linspace(lo, hi, 1000)
    return torch.cumprod(1 - betas, 0)


def encode_text(text, ids):
    return text(input_ids=ids).last_hidden_state


@torch.no_grad()
def draw(parts, prompts, seeds, steps=25, guidance=5.0, negative="", frames=0):
    """DDIM as the program does it; returns latents [n, 4, h, w] or [n * frames, 4, h, w]."""
    from diffusers import DDIMScheduler
    text, unet, motion, tokenizer = parts["text"], parts["unet"], parts["motion"], parts["tokenizer"]
    ddim = DDIMScheduler(beta_start=0.00085, beta_end=0.012, beta_schedule="linear" if frames else "scaled_linear",
                         clip_sample=False, set_alpha_to_one=bool(frames), steps_offset=1, timestep_spacing="leading")
    ddim.set_timesteps(steps)
    words = encode_text(text, tokens(tokenizer, list(prompts) + [negative] * len(prompts)))
    x = []
    for s in seeds:
        g = torch.Generator().manual_seed(s)
        x.append(torch.randn((4, frames or 1, LATENT, LATENT), generator=g).transpose(0, 1))
    x = torch.cat(x)
    if frames:
        words = words.repeat_interleave(frames, 0)
    if motion is not None:
        motion.places = list(range(frames))
    for t in ddim.timesteps:
        with bf16():
            good, bad = unet(torch.cat([x, x]), t, words).sample.float().chunk(2)
        x = ddim.step(bad + guidance * (good - bad), t, x).prev_sample
    if motion is not None:
        motion.places = []
    return x


@torch.no_grad()
def decode(vae, latents):
    with bf16():
        return np.concatenate([to_bytes(vae.decode(z / SCALE).sample) for z in latents.split(16)])


# ---------------------------------------------------------------- training loop

def ema_update(ema, model, step, decay=0.985):
    d = min(decay, (1 + step) / (10 + step))
    with torch.no_grad():
        for e, p in zip(ema.parameters(), model.parameters()):
            e.lerp_(p, 1 - d)


class Muon(torch.optim.Optimizer):
    """AdamW; but a matrix of a group with "muon" moves along its momentum made orthogonal (Jordan et al., 2024).

    All directions of a layer then learn at one speed, which takes about half the steps.  A convolution counts as
    the matrix [out, in * k * k].  The factor 0.2 sqrt(longer side) gives its steps AdamW's usual size, so that both
    share a rate (Liu et al., "Muon is Scalable for LLM Training", 2025).
    """

    def __init__(self, groups, weight_decay=0.01):
        super().__init__(groups, {"lr": 1e-3, "weight_decay": weight_decay, "muon": False})

    @staticmethod
    def orthogonal(g):
        """U V^T of g = U S V^T, nearly: five steps of a quintic Newton-Schulz iteration."""
        tall = g.shape[0] > g.shape[1]
        x = (g.T if tall else g) / (g.norm() + 1e-7)
        for _ in range(5):
            a = x @ x.T
            x = 3.4445 * x + (-4.7750 * a + 2.0315 * a @ a) @ x
        return x.T if tall else x

    @torch.no_grad()
    def step(self):
        for group in self.param_groups:
            for p in group["params"]:
                if p.grad is None:
                    continue
                s, g = self.state[p], p.grad
                p.mul_(1 - group["lr"] * group["weight_decay"])
                mean = s.setdefault("mean", torch.zeros_like(g))
                if group["muon"] and p.dim() > 1 and min(p.flatten(1).shape) >= 32:
                    mean.lerp_(g, 0.05)
                    u = self.orthogonal(g.lerp(mean, 0.95).flatten(1))
                    p.add_(u.view_as(p), alpha=-group["lr"] * 0.2 * max(u.shape) ** 0.5)
                    continue
                square = s.setdefault("square", torch.zeros_like(g))
                s["step"] = s.get("step", 0) + 1
                mean.lerp_(g, 0.1)
                square.lerp_(g * g, 0.01)
                p.addcdiv_(mean, square.sqrt() / (1 - 0.99 ** s["step"]) ** 0.5 + 1e-8, value=-group["lr"] / (1 - 0.9 ** s["step"]))


class Run:
    """One stage: its models, optimizer, averaged copies, clock and state file."""

    def __init__(self, args, name, models, groups):
        self.path = os.path.join(args.work, f"{name}.pt")
        self.rank, self.workers = args.rank, args.workers
        self.models, self.minutes = models, args.minutes
        self.ema = {k: copy.deepcopy(m).eval().requires_grad_(False) for k, m in models.items()}
        for g in groups:
            g["peak"] = g["lr"]
        self.opt = Muon(groups)
        self.step, self.used, self.saved, self.loss = 0, 0.0, time.time(), None
        self.rng = np.random.default_rng(args.seed)
        torch.manual_seed(args.seed)
        if os.path.exists(self.path) and not args.restart:
            s = torch.load(self.path, weights_only=False)
            for k, m in models.items():
                m.load_state_dict(s["models"][k])
                self.ema[k].load_state_dict(s["ema"][k])
            self.opt.load_state_dict(s["opt"])
            for g, new in zip(self.opt.param_groups, groups):
                g["peak"] = new["lr"]
            self.step, self.used = s["step"], s["used"]
            self.rng.bit_generator.state = s["rng"]
            torch.set_rng_state(s["torch_rng"])
            if not self.rank:
                print(f"resumed at step {self.step}, {self.used / 60:.1f} minutes used", flush=True)
        if self.rank:
            self.rng = np.random.default_rng([args.seed, self.rank, self.step])
            torch.manual_seed(args.seed + 1000003 * self.rank + self.step)
        self.stop = self.leaving = False
        signal.signal(signal.SIGTERM, lambda *_: setattr(self, "stop", True))      # save, then leave

    def save(self):
        state = {"models": {k: m.state_dict() for k, m in self.models.items()},
                 "ema": {k: m.state_dict() for k, m in self.ema.items()}, "opt": self.opt.state_dict(),
                 "step": self.step, "used": self.used, "rng": self.rng.bit_generator.state, "torch_rng": torch.get_rng_state()}
        torch.save(state, self.path + ".new")
        os.replace(self.path + ".new", self.path)
        self.saved = time.time()

    def steps(self, every=50, sample=None, sample_every=600):
        """Yields until the minutes are used up; the caller does one step with self.update(loss)."""
        last_sample = time.time()
        self.clock = self.used          # as of the last step that the workers shared
        while self.clock < self.minutes * 60:
            t = self.clock / (self.minutes * 60)
            rate = min(1.0, (self.step + 1) / 150) * (0.03 + 0.97 * 0.5 * (1 + math.cos(math.pi * t)))
            for g in self.opt.param_groups:
                g["lr"] = g["peak"] * rate
            start = time.thread_time()          # our own time: a busy machine does not use it up
            yield t
            if not self.rank:
                self.used += time.thread_time() - start
            self.step += 1
            if self.rank:
                if self.leaving:
                    sys.exit()
                continue
            if self.step % every == 0:
                left = self.minutes * 60 - self.used
                print(f"step {self.step}  {self.words}  {self.used / self.step:.2f} s/step  {left / 60:.1f} min left", flush=True)
            if time.time() - self.saved > 150 or self.leaving:
                self.save()
            if self.leaving:
                sys.exit("stopped; the state is saved")
            if sample and time.time() - last_sample > sample_every:
                sample()
                last_sample = time.time()
        if not self.rank:
            self.save()
            if sample:
                sample()

    def share(self):
        """Averages the gradients of the workers, and takes the first one's clock."""
        grads = [p.grad for g in self.opt.param_groups for p in g["params"] if p.grad is not None]
        clock = torch.zeros(2) if self.rank else torch.tensor([self.used, float(self.stop)])
        flat = torch.cat([g.flatten() for g in grads] + [clock])
        torch.distributed.all_reduce(flat)
        if self.rank:
            self.used = float(flat[-2])
        self.clock, self.leaving = float(flat[-2]), bool(flat[-1])
        at = 0
        for g in grads:
            g.copy_(flat[at:at + g.numel()].view_as(g)).div_(self.workers)
            at += g.numel()

    def update(self, objective, clip=1.0, **shown):
        self.opt.zero_grad(set_to_none=True)
        objective.backward()
        self.clock, self.leaving = self.used, self.stop
        if self.workers > 1:
            self.share()
        nn.utils.clip_grad_norm_([p for g in self.opt.param_groups for p in g["params"]], clip)
        self.opt.step()
        if self.rank:
            return
        for k, m in self.models.items():
            ema_update(self.ema[k], m, self.step)
        self.loss = self.loss or {}
        for k, v in shown.items():
            v = float(v.detach() if torch.is_tensor(v) else v)
            self.loss[k] = v if k not in self.loss or v != v else self.loss[k] * 0.98 + v * 0.02
        self.words = "  ".join(f"{k} {v:.4f}" for k, v in self.loss.items())


def bf16():
    """bfloat16 where the processor has it; elsewhere it would take many times as long."""
    return torch.autocast("cpu", torch.bfloat16, enabled=torch.ops.mkldnn._is_mkldnn_bf16_supported())


def save_picture(path, tiles, columns):
    """Tiles [h, w, 3] uint8 as one PNG."""
    from PIL import Image
    while len(tiles) % columns:
        tiles.append(np.zeros_like(tiles[0]))
    rows = [np.concatenate(tiles[i:i + columns], 1) for i in range(0, len(tiles), columns)]
    Image.fromarray(np.concatenate(rows)).save(path)


def to_bytes(x):
    """[n, 3, h, w] in -1..1 to uint8 [n, h, w, 3]."""
    return (255 * (x.float() / 2 + 0.5).clamp(0, 1)).round().byte().permute(0, 2, 3, 1).numpy()


def to_float(pictures):
    return torch.from_numpy(np.ascontiguousarray(pictures)).permute(0, 3, 1, 2).float() / 127.5 - 1


# ---------------------------------------------------------------- vae

def painted(args, name, count, seed):
    """`count` painted stills [n, 128, 128, 3], kept on disk."""
    path = os.path.join(args.work, name)
    if not os.path.exists(path):
        rng = np.random.default_rng(seed)
        out = np.empty((count, paint.SIZE, paint.SIZE, 3), np.uint8)
        for i in range(count):
            a = paint.sample_attributes(rng)
            out[i] = paint.paint(a, rng.uniform(0, 1))
        new = f"{path}.{os.getpid()}.npy"           # each worker paints its own when there is none yet
        np.save(new, out)
        os.replace(new, path)
    return np.load(path, mmap_mode="r")


def painted_parts(args, name, count, seed):
    """What paint.small_parts says of the portraits that painted() made of the same seed: [n, 16, 16], kept on disk."""
    path = os.path.join(args.work, name)
    if not os.path.exists(path):
        rng = np.random.default_rng(seed)
        new = f"{path}.{os.getpid()}.npy"
        np.save(new, np.stack([paint.small_parts(paint.sample_attributes(rng), rng.uniform(0, 1)) for _ in range(count)]).astype(np.float16))
        os.replace(new, path)
    return np.load(path, mmap_mode="r")


def heavier(parts, much):
    """Weights, 1 on average, that count the small parts of a face `much` times more than the rest.  By the plain mean of a picture's errors
    both irises together are one part in eighty; a mouth on dark skin, or whether eyes are grey or blue, is then never learned."""
    w = 1 + much * parts
    return w / w.mean(tuple(range(1, w.dim())), keepdim=True)


def crops(pictures, parts, rng, count, size):
    """Random square crops, and their weights [n, 1, size, size].  Half of them lie around an eye, the mouth or a hand, in the one of four
    pictures that has most of these: a hand is in one picture of twenty, and would be a mitten for long."""
    out, weights = np.empty((count, size, size, 3), np.uint8), np.empty((count, 1, size, size), np.float32)
    for i in range(count):
        near = rng.random() < 0.5
        n = max(rng.integers(len(pictures), size=4 if near else 1), key=lambda j: parts[j].sum(dtype=float))
        p, wide = pictures[n], np.kron(parts[n], np.ones((8, 8), np.float32))
        room = paint.SIZE - size
        x, y = rng.integers(0, room + 1, 2)
        if room and near:
            at = rng.choice(parts[n].size, p=parts[n].astype(float).ravel() / parts[n].sum(dtype=float))
            x, y = np.clip(np.array([at % LATENT, at // LATENT]) * 8 + 4 - size // 2 + rng.integers(-12, 13, 2), 0, room)
        out[i], weights[i, 0] = p[y:y + size, x:x + size], wide[y:y + size, x:x + size]
    return to_float(out), heavier(torch.from_numpy(weights), SMALL)


def picture_loss(out, x, t, weights):
    """L1, L2, and L1 of the differences between neighbours: edges are what one sees; later in training nearly L2 alone, which is PSNR."""
    d = out - x
    l2 = d.square().mean()
    far, d = (weights * d.square()).mean(), weights * d
    edge = (d[..., 1:, :] - d[..., :-1, :]).abs().mean() + (d[..., :, 1:] - d[..., :, :-1]).abs().mean()
    # colours of areas come before everything else; those of an iris, whose area is half a square, too
    flat = F.avg_pool2d(d, 8).abs().mean() + 0.5 * F.avg_pool2d(d, 4).abs().mean()
    return 10 * far + (0.5 * flat if t > 0.3 else d.abs().mean() + 0.3 * edge + 2 * flat), l2


def colour_loss(z, x):
    """How badly a linear map of the latents tells the colour of each 8x8 square.

    Left alone, the encoder is slow to find the third colour axis.  The best map for the batch is
    solved, not learned, so there is nothing to keep.
    """
    z = z.permute(0, 2, 3, 1).reshape(-1, 4)
    z = torch.cat([z, torch.ones(len(z), 1)], 1)
    y = F.avg_pool2d(x, 8).permute(0, 2, 3, 1).reshape(-1, 3)
    with torch.no_grad():
        best = torch.linalg.solve(z.T @ z + 1e-3 * torch.eye(5), z.T @ y)
    return (z @ best - y).square().mean()


def psnr(l2):
    return 10 * math.log10(4 / max(float(torch.as_tensor(l2).detach()), 1e-9))


@torch.no_grad()
def vae_sample(vae, pictures, path):
    x = to_float(pictures)
    y = torch.cat([vae(x[i:i + 8]).sample for i in range(0, len(x), 8)])
    a, b = to_bytes(x), to_bytes(y)
    tiles = []
    for i in range(0, len(a), 8):
        tiles += list(a[i:i + 8]) + list(b[i:i + 8])
    save_picture(path, tiles, 8)
    print(f"PSNR on {len(x)} unseen portraits {psnr((x - y).square().mean()):.2f} dB", flush=True)


def train_vae(args):
    pictures, parts = painted(args, "stills.npy", 6000, 1), painted_parts(args, "stills_parts.npy", 6000, 1)
    unseen = painted(args, "unseen.npy", 16, 2)
    vae = beginning(args, "vae")
    run = Run(args, "vae", {"vae": vae}, [{"params": list(vae.parameters()), "lr": args.lr or 1.2e-3, "weight_decay": 1e-4, "muon": True}])
    show = lambda: vae_sample(run.ema["vae"], unseen, os.path.join(args.work, "vae.png"))
    for t in run.steps(sample=show, sample_every=420):
        whole = run.step % 3 == 2 or t > 0.8
        x, weights = crops(pictures, parts, run.rng, *((6 // run.workers, paint.SIZE) if whole else (24 // run.workers, 64)))
        with bf16():
            post = vae.encode(x).latent_dist
            out = vae.decode(post.sample()).sample
        loss, l2 = picture_loss(out.float(), x, t, weights)
        kl = 0.5 * (post.mean.float().square() + post.var.float() - 1 - post.logvar.float()).mean()
        colour = colour_loss(post.mean.float(), x)
        run.update(loss + 3e-4 * kl + 2 * colour, loss=loss, db=psnr(l2), kl=kl, colour=colour)


# ---------------------------------------------------------------- latents

def beginning(args, part):
    """A part to train: as the files in the folder --from hold it, or from noise."""
    if not args.begin:
        return PARTS[part][0]()
    return exported(part, os.path.join(args.begin, PARTS[part][1])).train().requires_grad_(True)


def result(args, stage, part):
    """A part as an earlier stage left it; one that did not run leaves it as the folder --from holds it."""
    path = os.path.join(args.work, f"{stage}.pt")
    if not os.path.exists(path) and args.begin:
        return exported(part, os.path.join(args.begin, PARTS[part][1]))
    m = PARTS[part][0]()
    m.load_state_dict(torch.load(path, weights_only=False, map_location="cpu")["ema"][part])
    return m.eval().requires_grad_(False)


def fold(vae, pictures):
    """Rescales each latent channel to mean 0 and, times SCALE, deviation 1, inside quant_conv and post_quant_conv."""
    with torch.no_grad():
        z = torch.cat([vae.encode(to_float(p)).latent_dist.mean for p in np.array_split(pictures, len(pictures) // 16)])
        mean, k = z.mean((0, 2, 3)), 1 / (SCALE * z.std((0, 2, 3)))
        q, p = vae.quant_conv, vae.post_quant_conv
        q.weight[:4] *= k[:, None, None, None]
        q.bias[:4] = (q.bias[:4] - mean) * k
        q.bias[4:] += 2 * torch.log(k)
        p.bias += (p.weight[:, :, 0, 0] * mean).sum(1)
        p.weight /= k[None, :, None, None]
    print("latent channels: mean", mean.tolist(), "deviation", z.std((0, 2, 3)).tolist())
    return vae


def fixed_vae(args):
    """The folded autoencoder whose encoder made the latents."""
    vae = make_vae()
    vae.load_state_dict(torch.load(os.path.join(args.work, "vae_folded.pt")))
    return vae.eval().requires_grad_(False)


@torch.no_grad()
def encode(vae, pictures):
    with bf16():
        return torch.cat([vae.encode(to_float(p)).latent_dist.mean.float() * SCALE
                          for p in np.array_split(pictures, max(1, len(pictures) // 16))]).half()


def make_latents(args):
    path = os.path.join(args.work, "vae_folded.pt")
    if not os.path.exists(path):
        vae = result(args, "vae", "vae")
        if os.path.exists(os.path.join(args.work, "vae.pt")):
            vae = fold(vae, painted(args, "stills.npy", 6000, 1)[:512])
        torch.save(vae.state_dict(), path)
    vae = fixed_vae(args)
    for name, count, frames, seed in (("stills", args.stills, 1, 11), ("clips", args.clips, FRAMES, 12)):
        path = os.path.join(args.work, f"latents_{name}.pt")
        if not count or os.path.exists(path):
            continue
        part, saved = path + ".part", time.time()
        who, z, parts = torch.load(part, weights_only=False) if os.path.exists(part) else ([], torch.empty(0, 4, LATENT, LATENT).half(), torch.empty(0, LATENT, LATENT).half())
        while len(who) < count:
            rng = np.random.default_rng([seed, len(who)])
            new = [paint.sample_attributes(rng, moving=frames > 1) for _ in range(min(256 // frames, count - len(who)))]
            phases = lambda a: [k / frames for k in range(frames)] if frames > 1 else [paint.still_phase(a, rng)]
            shown = [(a, p) for a in new for p in phases(a)]
            z = torch.cat([z, encode(vae, np.stack([paint.paint(a, p) for a, p in shown]))])
            parts = torch.cat([parts, torch.from_numpy(np.stack([paint.small_parts(a, p) for a, p in shown])).half()])
            who += new
            if time.time() - saved > 60 or len(who) == count:
                torch.save((who, z, parts), part + ".new")
                os.replace(part + ".new", part)
                saved = time.time()
                print(f"{name} {len(who)}/{count}", flush=True)
        torch.save({"who": who, "latents": z.view(count, frames, *z.shape[1:]), "parts": parts.view(count, frames, 1, LATENT, LATENT)}, path + ".new")
        os.replace(path + ".new", path)
        os.remove(part)
        print(f"{name}: latents {tuple(z.shape)} mean {z.float().mean():.3f} deviation {z.float().std():.3f}", flush=True)


# ---------------------------------------------------------------- text encoder, UNet, motion module

PROMPTS = ("portrait of a woman with long red hair, light skin, green eyes, glasses, blue hoodie, happy, yellow background",
           "portrait of a man with short black hair, brown skin, beard, red t-shirt, green background",
           "portrait of a woman with curly brown hair, dark skin, white shirt, pink background, smiling",
           "portrait of a bald man, tan skin, sunglasses, black jacket, blue background",
           "portrait of a woman with blonde hair in a ponytail, pale skin, blue eyes, purple dress, at the beach",
           "portrait of a man with spiky green hair, orange sweater, surprised, night sky, waving",
           "portrait of a woman with bob pink hair, yellow beanie, grey hoodie, sad, white background",
           "portrait of a man with short grey hair, moustache, green cap, blue shirt, angry, in a forest")
MOVING = ("portrait of a woman with long red hair, light skin, green eyes, blue hoodie, yellow background, waving",
          "portrait of a man with short black hair, brown skin, red t-shirt, green background, turning",
          "portrait of a woman with long blonde hair, blue dress, pink background, wind in the hair",
          "portrait of a man with spiky green hair, orange sweater, blue background, smiling",
          "portrait of a woman with bob pink hair, yellow shirt, white background, talking",
          "portrait of a bald man, black jacket, blue background, nodding")


class Words:
    """Captions made afresh each time, as tokens; one in ten is empty so that guidance has something to start from."""

    def __init__(self, tokenizer, who, rng):
        self.tokenizer, self.who, self.rng = tokenizer, who, rng

    def __call__(self, indices):
        return tokens(self.tokenizer, ["" if self.rng.random() < 0.1 else paint.caption(self.who[i]) if self.rng.random() < 0.3 else
                                       paint.reword(paint.caption(self.who[i], self.rng), self.rng) for i in indices])


def labels(a, words):
    """For every attribute: which of its values the caption names, 0 for none."""
    kinds = [(paint.HAIR, "{} hair", a["hair"]), (paint.CLOTH, "{} " + a["clothes"], a["cloth"]), (paint.CLOTHES, "{}", a["clothes"]),
             (paint.BACK, "{} background", a["background"]), (paint.SCENES, "{}", a["background"]), (paint.STYLES, "{}", a["style"]),
             (paint.SKIN, "{} skin", a["skin"]), (paint.EYES, "{} eyes", a["eyes"]), (paint.HATS, "{}", a["hat"]),
             (paint.CLOTH, "{} " + (a["hat"] or "none"), a["hat_colour"]), (("glasses", "sunglasses"), "{}", a["glasses"]),
             (("beard", "moustache"), "{}", a["beard"]), (paint.EXPRESSIONS[1:], "{}", a["expression"])]
    out = [1 + list(names).index(value) if value in names and form.format(value) in words else 0 for names, form, value in kinds]
    out += [int(m in a["moves"] and m in words) for m in paint.MOVES]
    out.append(int(any(w in words.split(",")[0] for w in ("man", "boy", "guy")) and "woman" not in words))
    return out, [1 + len(k[0]) for k in kinds] + [2] * (len(paint.MOVES) + 1)


def train_text(args):
    """Teaches the text encoder to hold what the words say, before the UNet asks: every token from the
    end mark on must tell, by one linear map, each attribute that the caption names."""
    tokenizer, text = make_tokenizer(args.merges), beginning(args, "text")
    who_rng = np.random.default_rng(21)
    who = [paint.sample_attributes(who_rng) for _ in range(6000)]
    sizes = labels(who[0], "")[1]
    head = nn.Linear(WIDTH, sum(sizes))
    run = Run(args, "text", {"text": text, "head": head}, [{"params": list(text.parameters()) + list(head.parameters()), "lr": args.lr or 1e-3}])
    for _ in run.steps():
        chosen = [who[i] for i in run.rng.integers(0, len(who), 32 // run.workers)]
        words = [paint.caption(a, None if run.rng.random() < 0.3 else run.rng) for a in chosen]
        goal = torch.tensor([labels(a, w)[0] for a, w in zip(chosen, words)])
        ids = tokens(tokenizer, [paint.reword(w, run.rng) for w in words])
        with bf16():
            states = encode_text(text, ids).float()
        first = (ids == 512 + MERGES + 1).int().argmax(1)
        place = (first + (torch.rand(len(first)) * (77 - first)).long()) * (torch.rand(len(first)) < 0.5) + 0
        loss, right = 0, 0
        for at in (first, torch.maximum(first, place)):
            guess = head(states[torch.arange(len(at)), at]).split(sizes, 1)
            loss = loss + sum(F.cross_entropy(g, goal[:, k]) for k, g in enumerate(guess)) / 2
            right = right + sum((g.argmax(1) == goal[:, k]).float().mean() for k, g in enumerate(guess)) / len(sizes) / 2
        run.update(loss, loss=loss, right=right)


def where_it_moves(x, parts):
    """Weights for a clip's errors, 1 on average: half of it where the clip leaves its own mean, half as heavier() says.  A blink is eight
    of 256 places in a quarter of the frames; by their plain mean an error there counts for nothing."""
    away = (x - x.mean(1, keepdim=True)).abs().mean(2, keepdim=True)
    return 0.5 * heavier(parts, SMALL) + 0.5 * away / away.mean((1, 2, 3, 4), keepdim=True)


def flicker(error, x):
    """How much a clip's errors differ from frame to frame where the clip itself stands still; the last frame's neighbour is the first."""
    step = lambda c: c.roll(-1, 1) - c
    moves = step(x).abs().mean(2, keepdim=True)
    still = torch.exp(-moves.square() / 0.02)          # latents of deviation 1: a step of .14 is as good as none
    return 0.5 * (still * step(error).square()).mean((1, 2, 3, 4))


def noise_loss(unet, x, words, table, offset, weight, steady=0.0):
    """Error of the predicted noise, weighted min-SNR-5 (but never under 0.3); x is [clips, frames, 4, h, w], table [clips, 1000].
    `steady` is how much flicker() counts."""
    b, f = x.shape[:2]
    t = torch.where(torch.rand(b) < 0.4, torch.randint(400, 1000, (b,)), torch.randint(0, 1000, (b,)))
    a = table[torch.arange(b), t]
    # a little noise that a whole clip shares, so that the first, nearly pure noise does not decide the flat colours
    noise = torch.randn_like(x) + offset * torch.randn(b, 1, 4, 1, 1)
    noise += offset * F.interpolate(torch.randn(b, 4, 4, 4), size=x.shape[-2:], mode="bilinear")[:, None]
    # 1,024 values never have deviation 1 exactly; a net that takes it for granted leaves the surplus in the picture
    noise *= 1 + 0.06 * torch.randn(b, f, 1, 1, 1)
    w = a.view(b, 1, 1, 1, 1)
    noisy = (w.sqrt() * x + (1 - w).sqrt() * noise).flatten(0, 1)
    guess = unet(noisy, t.repeat_interleave(f), words.repeat_interleave(f, 0)).sample
    off = guess.view_as(x) - noise
    error = (weight * off.square()).mean((1, 2, 3, 4))
    if steady:
        error = error + steady * flicker(off, x)
    snr = a / (1 - a)
    return (error * (snr.clamp(max=5) / snr).clamp(min=0.3)).mean(), error.mean()


def show(args, parts, name, guidance=5.0):
    vae = final_vae(args)
    pictures = decode(vae, draw(parts, PROMPTS, range(1, 9), guidance=guidance))
    save_picture(os.path.join(args.work, f"{name}.png"), list(pictures), 8)
    if parts["motion"] is not None:
        clips = decode(vae, draw(parts, MOVING[:3], range(1, 4), steps=14, guidance=guidance, frames=FRAMES))
        save_picture(os.path.join(args.work, f"{name}_clips.png"), list(clips[::2]), 8)


def train_unet(args):
    data = torch.load(os.path.join(args.work, "latents_stills.pt"), weights_only=False)
    latents, tokenizer = data["latents"], make_tokenizer(args.merges)
    text, unet = result(args, "text", "text").train().requires_grad_(True), beginning(args, "unet")
    unet.to(memory_format=torch.channels_last)          # float32 in this order is faster here than bf16: the layers are small
    run = Run(args, "unet", {"text": text, "unet": unet},
              [{"params": list(text.parameters()), "lr": (args.lr or 1.2e-3) * 0.3}, {"params": list(unet.parameters()), "lr": args.lr or 1.2e-3, "muon": True}])
    words = Words(tokenizer, data["who"], run.rng)
    stills, clips = alphas("stills"), alphas("clips")
    parts = {"text": run.ema["text"], "unet": run.ema["unet"], "motion": None, "tokenizer": tokenizer}
    for _ in run.steps(sample=lambda: show(args, parts, "unet"), sample_every=480):
        i = torch.from_numpy(run.rng.integers(0, len(latents), args.batch // run.workers))
        # a quarter with the clips' betas: the motion stage starts from there
        table = torch.where(torch.rand(len(i), 1) < 0.25, clips, stills)
        with bf16():
            embedded = encode_text(text, words(i.tolist())).float()
        loss, error = noise_loss(unet, latents[i].float(), embedded, table, 0.07, heavier(data["parts"][i].float(), SMALL))
        run.update(loss, loss=loss, error=error)


def train_motion(args):
    data = {kind: torch.load(os.path.join(args.work, f"latents_{kind}.pt"), weights_only=False) for kind in (["clips"] if args.alone else ["stills", "clips"])}
    tokenizer = make_tokenizer(args.merges)
    text, unet = (result(args, "unet", part).train().requires_grad_(True) for part in ("text", "unet"))
    motion = beginning(args, "motion")
    rate = args.lr or 1e-3
    groups = [{"params": list(motion.parameters()), "lr": rate, "muon": True}]
    if args.alone:
        text.eval().requires_grad_(False)
        unet.eval().requires_grad_(False)
    else:
        unet.to(memory_format=torch.channels_last)      # not where it is frozen: torch 2.13's way back through frozen 1x1 convolutions fails then
        groups += [{"params": list(text.parameters()), "lr": rate * 0.2}, {"params": list(unet.parameters()), "lr": rate * 0.5, "muon": True}]
    run = Run(args, "motion", {"text": text, "unet": unet, "motion": motion}, groups)
    motion.attach(unet)
    run.ema["motion"].attach(run.ema["unet"])
    words, tables = {kind: Words(tokenizer, d["who"], run.rng) for kind, d in data.items()}, {kind: alphas(kind) for kind in data}
    parts = {"text": run.ema["text"], "unet": run.ema["unet"], "motion": run.ema["motion"], "tokenizer": tokenizer}
    for t in run.steps(sample=lambda: show(args, parts, "motion"), sample_every=800, every=20):
        kind = "stills" if run.step % 4 == 3 and not args.alone else "clips"
        # mostly 8 of the 16 frames, from twice as many clips; whole clips at the end, or where they are all there is
        shown = [] if kind == "stills" else sorted(run.rng.permutation(FRAMES)[:FRAMES // 2].tolist()) if t < 0.4 and not args.alone else list(range(FRAMES))
        count = max(1, args.batch // run.workers // (len(shown) or 1))
        i = torch.from_numpy(run.rng.integers(0, len(data[kind]["latents"]), count))
        motion.places = shown
        with bf16():
            embedded = encode_text(text, words[kind](i.tolist())).float()
        x, small = (data[kind][k][i][:, shown or [0]].float() for k in ("latents", "parts"))
        loss, error = noise_loss(unet, x, embedded, tables[kind].expand(count, 1000), 0.07,
                                 where_it_moves(x, small) if shown else heavier(small, SMALL), 0.3 if shown else 0)
        run.update(loss, **({"moving": loss, "error": error} if shown else {"still": loss}))


# ---------------------------------------------------------------- decoder

def final_vae(args):
    """The folded autoencoder, with the longer-trained decoder where there is one."""
    vae = fixed_vae(args)
    path = os.path.join(args.work, "decoder.pt")
    if os.path.exists(path):
        s = torch.load(path, weights_only=False)["ema"]
        vae.decoder.load_state_dict(s["decoder"])
        vae.post_quant_conv.load_state_dict(s["post"])
    return vae


def train_decoder(args):
    """The latents stay as they are; only what draws them is trained on."""
    vae = fixed_vae(args).requires_grad_(True)
    pictures, unseen = painted(args, "stills.npy", 6000, 1), painted(args, "unseen.npy", 16, 2)
    parts = painted_parts(args, "stills_parts.npy", 6000, 1)
    run = Run(args, "decoder", {"decoder": vae.decoder, "post": vae.post_quant_conv},
              [{"params": list(vae.decoder.parameters()) + list(vae.post_quant_conv.parameters()), "lr": args.lr or 8e-4, "weight_decay": 1e-4, "muon": True}])

    def sample():
        vae_sample(final_vae(args), unseen, os.path.join(args.work, "decoder.png"))
    for t in run.steps(sample=sample, sample_every=400):
        i = run.rng.integers(0, len(pictures), (16 if t < 0.8 else 4) // run.workers)
        x = to_float(pictures[i])
        weights = F.interpolate(torch.from_numpy(parts[i].astype(np.float32))[:, None], scale_factor=8)
        with torch.no_grad(), bf16():
            z = vae.encode(x).latent_dist.mean.float()
        # sampled latents are never quite right, some more and some less
        z = z + 0.25 / SCALE * torch.rand(len(z), 1, 1, 1).square() * torch.randn_like(z)
        if t < 0.8:
            u, v = run.rng.integers(0, LATENT // 2 + 1, 2)
            cut = slice(8 * v, 8 * v + 64), slice(8 * u, 8 * u + 64)
            z, x, weights = z[..., v:v + 8, u:u + 8], x[(..., *cut)], weights[(..., *cut)]
        with bf16():
            out = vae.decode(z).sample
        loss, l2 = picture_loss(out.float(), x, t, heavier(weights, SMALL))
        run.update(loss, loss=loss, db=psnr(l2))


# ---------------------------------------------------------------- upscaler

def decoded_pairs(args, name, count, seed):
    """Pictures as the autoencoder gives them at 128, from latents that are a little wrong, and the same painted at 256: two uint8 arrays on disk."""
    paths = [os.path.join(args.work, f"{name}_{kind}.npy") for kind in ("decoded", "large")]
    if not all(map(os.path.exists, paths)):
        vae, rng = exported("vae", os.path.join(args.out, PARTS["vae"][1])), np.random.default_rng(seed)
        torch.manual_seed(seed)
        size = paint.SIZE
        decoded, large = (np.empty((count, n, n, 3), np.uint8) for n in (size, UPSCALE * size))
        for i in range(0, count, 8):
            part = slice(i, min(i + 8, count))
            who = [paint.sample_attributes(rng, moving=True) for _ in range(*part.indices(count))]
            phase = [float(rng.uniform(0, 1)) for _ in who]
            large[part] = [paint.paint(a, p, UPSCALE * size) for a, p in zip(who, phase)]
            with torch.no_grad(), bf16():
                z = vae.encode(to_float(np.stack([paint.paint(a, p) for a, p in zip(who, phase)]))).latent_dist.mean.float()
                z += 0.08 / SCALE * torch.rand(len(z), 1, 1, 1).square() * torch.randn_like(z)
                decoded[part] = to_bytes(vae.decode(z).sample)
        for path, pictures in zip(paths, (decoded, large)):
            np.save(path + ".new.npy", pictures)
            os.replace(path + ".new.npy", path)
    return [np.load(path, mmap_mode="r") for path in paths]


def unit(pictures):
    """uint8 [n, h, w, 3] to [n, 3, h, w] in 0..1."""
    return to_float(pictures) / 2 + 0.5


def sharpness(x):
    """How steep lines are: of all places, the 98th percentile of the length of the gradient, [n, 3, h, w] in 0..1."""
    right, down = x[..., :-1, 1:] - x[..., :-1, :-1], x[..., 1:, :-1] - x[..., :-1, :-1]
    return float((right.square() + down.square()).sum(1).sqrt().flatten().sort().values[int(.98 * right[:, 0].numel())])


@torch.no_grad()
def upscaler_sample(upscaler, decoded, large, path):
    """Beside enlarging by Lanczos, and what the painter makes at that size: of decoded pictures, and of painted ones averaged down."""
    from PIL import Image
    y = unit(large)
    averaged = to_bytes(2 * F.avg_pool2d(y, UPSCALE) - 1)
    for kind, small in (("averaged down", averaged), ("decoded", decoded)):
        lanczos = np.stack([np.asarray(Image.fromarray(p).resize(large.shape[1:3], Image.Resampling.LANCZOS)) for p in small])
        x = unit(small)
        ours = torch.cat([upscaler(x[i:i + 8]) for i in range(0, len(x), 8)]).clamp(0, 1)
        (db, steep), (db_lanczos, steep_lanczos) = ((-10 * math.log10(float((p - y).square().mean())), sharpness(p)) for p in (ours, unit(lanczos)))
        print(f"{len(x)} unseen portraits, {kind}: {db:.2f} dB from those painted at {large.shape[1]}, by Lanczos {db_lanczos:.2f} dB; "
              f"sharpness {steep:.3f}, by Lanczos {steep_lanczos:.3f}, painted {sharpness(y):.3f}", flush=True)
    ours = to_bytes(2 * ours - 1)
    save_picture(path, [p for three in zip(lanczos[:6], ours[:6], large[:6]) for p in three], 3)


def train_upscaler(args):
    decoded, large = decoded_pairs(args, "upscaler", 2400, 21)
    unseen = [np.array(p) for p in decoded_pairs(args, "upscaler_unseen", 48, 22)]
    upscaler = beginning(args, "upscaler").to(memory_format=torch.channels_last)
    run = Run(args, "upscaler", {"upscaler": upscaler}, [{"params": list(upscaler.parameters()), "lr": args.lr or 8e-4, "weight_decay": 0.0}])
    side = 64
    for _ in run.steps(sample=lambda: upscaler_sample(run.ema["upscaler"], *unseen, os.path.join(args.work, "upscaler.png")), sample_every=300, every=200):
        small, big = [], []
        for i in run.rng.integers(0, len(decoded), 16 // run.workers):
            u, v = run.rng.integers(0, paint.SIZE - side + 1, 2)
            small.append(decoded[i, v:v + side, u:u + side])
            big.append(large[i, UPSCALE * v:UPSCALE * (v + side), UPSCALE * u:UPSCALE * (u + side)])
        x, y = (unit(np.stack(p)).contiguous(memory_format=torch.channels_last) for p in (small, big))
        x[::4] = F.avg_pool2d(y[::4], UPSCALE)          # some without the autoencoder's faults, so that lines come out as sharp as they can be
        with bf16():
            out = upscaler(x)
        d = out.float() - y
        edge = (d[..., 1:, :] - d[..., :-1, :]).abs().mean() + (d[..., :, 1:] - d[..., :, :-1]).abs().mean()
        run.update(10 * (d.abs().mean() + 0.3 * edge), l1=d.abs().mean(), db=psnr(4 * d.square().mean()))


# ---------------------------------------------------------------- export

def ldm_unet(name):
    """A diffusers UNet name in the single-file (LDM) layout."""
    p = name.split(".")
    inside = {"norm1": "in_layers.0", "conv1": "in_layers.2", "time_emb_proj": "emb_layers.1", "norm2": "out_layers.0",
              "conv2": "out_layers.3", "conv_shortcut": "skip_connection"}
    top = {"conv_in": "input_blocks.0.0", "conv_norm_out": "out.0", "conv_out": "out.2"}
    if p[0] in top:
        return ".".join([top[p[0]]] + p[1:])
    if p[0] == "time_embedding":
        return f"time_embed.{0 if p[1] == 'linear_1' else 2}.{p[2]}"
    if p[0] == "mid_block":
        place = f"middle_block.{1 if p[1] == 'attentions' else 2 * int(p[2])}"
        kind, rest = p[1], p[3:]
    else:
        i, kind, j, rest = int(p[1]), p[2], int(p[3]), p[4:]
        if kind == "downsamplers":
            return f"input_blocks.{3 + 3 * i}.0.op.{rest[-1]}"
        if kind == "upsamplers":
            return f"output_blocks.{2 + 3 * i}.{1 if i == 0 else 2}.conv.{rest[-1]}"
        place = f"input_blocks.{1 + 3 * i + j}" if p[0] == "down_blocks" else f"output_blocks.{3 * i + j}"
        place += ".0" if kind == "resnets" else ".1"
    if kind == "resnets":
        rest = [inside[rest[0]]] + rest[1:]
    return ".".join([place] + rest)


def ldm_vae(name):
    """A diffusers autoencoder name in the single-file (LDM) layout."""
    p = name.split(".")
    swap = {"conv_norm_out": "norm_out", "conv_shortcut": "nin_shortcut", "group_norm": "norm", "to_q": "q", "to_k": "k", "to_v": "v"}
    if p[0] in ("quant_conv", "post_quant_conv"):
        return name
    if p[1] == "mid_block":
        if p[2] == "resnets":
            return ".".join([p[0], "mid", f"block_{int(p[3]) + 1}"] + [swap.get(q, q) for q in p[4:]])
        rest = "proj_out" if p[4] == "to_out" else swap[p[4]]
        return ".".join([p[0], "mid.attn_1", rest, p[-1]])
    if p[1] in ("down_blocks", "up_blocks"):
        place = f"{p[0]}.down.{p[2]}" if p[1] == "down_blocks" else f"{p[0]}.up.{3 - int(p[2])}"
        if p[3] == "resnets":
            return ".".join([place, "block", p[4]] + [swap.get(q, q) for q in p[5:]])
        return ".".join([place, "downsample" if p[3] == "downsamplers" else "upsample", "conv", p[-1]])
    return ".".join(swap.get(q, q) for q in p)


# the parts: how each is made, the exported file that holds it, and its tensors' names there
PARTS = {"vae": (make_vae, "persona.safetensors", lambda k: "first_stage_model." + ldm_vae(k)),
         "text": (make_text, "persona.safetensors", lambda k: "cond_stage_model.transformer." + ("" if k.startswith("text_model.") else "text_model.") + k),
         "unet": (make_unet, "persona.safetensors", lambda k: "model.diffusion_model." + ldm_unet(k)),
         "motion": (Motion, "persona_motion.safetensors", lambda k: k),
         "upscaler": (Upscaler, "persona_upscaler.safetensors", lambda k: k)}


def single_file(**models):
    """Everything but the motion module, named as in a Stable Diffusion 1.5 checkpoint."""
    named = [(PARTS[part][2](k), v) for part, m in models.items() for k, v in m.state_dict().items() if not k.endswith("position_ids")]
    assert len(dict(named)) == len(named)
    return {k: v[:, :, None, None] if "attn_1" in k and v.dim() == 2 else v for k, v in named}


def exported(part, path):
    """A part as an exported file holds it."""
    from safetensors.torch import load_file
    make, _, name = PARTS[part]
    file, m = load_file(path), make()
    m.load_state_dict({k: file[name(k)].float().view(v.shape) if "position_ids" not in k else v for k, v in m.state_dict().items()})
    return m.eval().requires_grad_(False)


def trained(args):
    """The newest averaged weights of every part; an untrained motion module is made nearly, not quite, silent."""
    text, unet, motion = make_text(), make_unet(), Motion()
    path = os.path.join(args.work, "motion.pt")
    if os.path.exists(path):
        s = torch.load(path, weights_only=False)["ema"]
        motion.load_state_dict(s["motion"])
    else:
        s = torch.load(os.path.join(args.work, "unet.pt"), weights_only=False)["ema"]
        for k, p in motion.named_parameters():
            if k.endswith("temporal_transformer.proj_out.weight"):
                nn.init.normal_(p, std=0.02)
    text.load_state_dict(s["text"])
    unet.load_state_dict(s["unet"])
    for m in (text, unet, motion):
        m.eval().requires_grad_(False)
    return {"text": text, "unet": unet, "motion": motion, "vae": final_vae(args)}


# What each file says about itself (model_spec.c reads it): modelspec's keys where it has one, else persona's.
# docs/files.md explains them; weights/README.md says where sizes and recipes come from.
LICENCE = "Trained from scratch on portraits painted by paint.py; no outside pictures or weights. Same licence as this repository."
COMMON = {"format": "pt", "modelspec.license": LICENCE, "modelspec.resolution": f"{paint.SIZE}x{paint.SIZE}"}
RECIPE = "max_train_steps=600 learning_rate=0.001 min_snr_gamma=5"
ABOUT = {
    "persona.safetensors": {
        **COMMON, "modelspec.title": "persona default portraits", "modelspec.prediction_type": "epsilon",
        "modelspec.usage_hint": f"One drawn portrait, seen from the front, CFG scale 4, 25 steps, in the words of persona.words; drawn at {paint.SIZE}x{paint.SIZE}, "
                               f"and made {UPSCALE * paint.SIZE}x{UPSCALE * paint.SIZE} by its upscaler",
        "persona.sizes": "112x112-128x144", "persona.cfg_scale": "4", "persona.steps": "25", "persona.pictures": "drawn portraits",
        "persona.upscaler": "persona_upscaler.safetensors",
        "persona.words": " ".join(paint.words()),
        "persona.train.lora": RECIPE, "persona.train.dreambooth": RECIPE,
        "persona.train.textual_inversion": "max_train_steps=2000 min_snr_gamma=5 num_vectors=8"},
    "persona_motion.safetensors": {
        **COMMON, "modelspec.title": "persona default motion module",
        "modelspec.usage_hint": "16 frames that loop, 8 a second"},
    "persona_upscaler.safetensors": {
        **COMMON, "modelspec.title": "persona default upscaler",
        "modelspec.resolution": f"{UPSCALE * paint.SIZE}x{UPSCALE * paint.SIZE}",
        "modelspec.usage_hint": f"Makes the default model's {paint.SIZE}x{paint.SIZE} pictures {UPSCALE} times as large, and their lines sharp"}}


def export(args):
    """Writes the files whose parts have been trained in the work folder."""
    files = {}
    if os.path.exists(os.path.join(args.work, "unet.pt")):
        parts = trained(args)
        files["persona.safetensors"] = single_file(vae=parts["vae"], text=parts["text"], unet=parts["unet"])
        files["persona_motion.safetensors"] = parts["motion"].state_dict()
    if os.path.exists(os.path.join(args.work, "upscaler.pt")):
        files["persona_upscaler.safetensors"] = load_ema(args, "upscaler", "upscaler", Upscaler()).state_dict()
    for name, tensors in files.items():
        save_exported(os.path.join(args.out, name), tensors)


def save_exported(path, tensors):
    from safetensors.torch import save_file
    save_file({k: v.half().contiguous() for k, v in tensors.items()}, path + ".new", dict(sorted(ABOUT[os.path.basename(path)].items())))
    os.chmod(path + ".new", 0o644)
    os.replace(path + ".new", path)
    print(f"{path}: {len(tensors)} tensors, {sum(v.numel() for v in tensors.values())} values, {os.path.getsize(path)} bytes")


def header(args):
    """Files that are there get what ABOUT says; their tensors stay, byte by byte."""
    for name, about in ABOUT.items():
        path = os.path.join(args.out, name)
        with open(path, "rb") as f:
            size = int.from_bytes(f.read(8), "little")
            tensors, data = json.loads(f.read(size)), f.read()
        tensors.pop("__metadata__", None)
        text = json.dumps({"__metadata__": dict(sorted(about.items())), **tensors}, separators=(",", ":")).encode()
        text += b" " * (-len(text) % 8)
        with open(path + ".new", "wb") as f:
            f.write(len(text).to_bytes(8, "little") + text + data)
        os.replace(path + ".new", path)
        print(f"{path}: {len(about)} entries, {len(tensors)} tensors, {os.path.getsize(path)} bytes")


# ---------------------------------------------------------------- command line

STAGES = {"vae": (train_vae, 35), "text": (train_text, 8), "latents": (make_latents, 0), "unet": (train_unet, 50), "motion": (train_motion, 30),
          "decoder": (train_decoder, 10), "upscaler": (train_upscaler, 30), "export": (export, 0), "header": (header, 0)}


def main():
    here = os.path.dirname(os.path.abspath(__file__))
    p = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    p.add_argument("stage", choices=list(STAGES))
    p.add_argument("--work", default="weights/work", help="folder for data, states and samples")
    p.add_argument("--from", dest="begin", metavar="FOLDER", help="begin vae, text, unet and motion with the files exported there, not with noise")
    p.add_argument("--minutes", type=float, help="training time of the stage, in all")
    p.add_argument("--lr", type=float, help="peak rate instead of the stage's own")
    p.add_argument("--seed", type=int, default=0)
    p.add_argument("--workers", type=int, default=2, help="training processes, one thread each")
    p.add_argument("--batch", type=int, default=48, help="stills, or frames of clips, in one step of all workers")
    p.add_argument("--stills", type=int, default=8000, help="portraits to keep latents of")
    p.add_argument("--clips", type=int, default=700, help="clips to keep latents of")
    p.add_argument("--alone", action="store_true", help="motion: the module learns by itself, on clips; UNet and text encoder stay as they are")
    p.add_argument("--merges", default=os.path.join(here, "merges.txt"), help="CLIP's list of merges")
    p.add_argument("--out", default=here, help="folder for the exported files")
    p.add_argument("--restart", action="store_true", help="forget the stage's state")
    args = p.parse_args()
    function, minutes = STAGES[args.stage]
    args.minutes = args.minutes or minutes
    os.makedirs(args.work, exist_ok=True)
    one = open(os.path.join(args.work, f"{args.stage}.lock"), "w")
    fcntl.flock(one, fcntl.LOCK_EX)             # waits for one that is still at it, or still saving
    args.rank = 0
    if args.stage not in ("vae", "text", "unet", "motion", "decoder", "upscaler"):
        args.workers = 1
    if args.workers > 1:
        # processes that meet once a step waste less than threads that meet at every layer
        meeting = os.path.join(args.work, f"meeting.{time.time_ns()}")
        for rank in range(1, args.workers):
            if os.fork() == 0:
                args.rank = rank
                break
        if args.rank == 0:
            atexit.register(lambda: os.path.exists(meeting) and os.remove(meeting))
        torch.set_num_threads(1)
        torch.distributed.init_process_group("gloo", init_method=f"file://{os.path.abspath(meeting)}", rank=args.rank, world_size=args.workers)
    function(args)


if __name__ == "__main__":
    main()
