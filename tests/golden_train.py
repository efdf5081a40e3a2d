#!/usr/bin/env python3
"""Makes tests/golden/train.golden and train_conv.golden: what PyTorch's autograd, peft and torch.optim.AdamW make of some steps of LoRA training,
for tests/test_train.c to compare with.

    python tests/golden_train.py           packages as in golden.py

The models are those of golden.py, in float64, with peft's LoRA on kohya's targets: all linear layers and 1x1 convolutions of the UNet's
transformers, attention and MLP of the text encoder.  The pairs begin as a hash of their names:
    down = u(name) / sqrt(in k k),   up = UP * u(name) for the gradients, 0 for the steps        name: kohya's, as lora_unet_..._to_q.lora_down.weight

    ids [texts,77] I32, latents [pictures,h,w,4] F32        what is learned from: step i takes picture i % pictures and all texts as one prompt
    steps [STEPS,5] F64      timestep, alpha_bar there, seed of the noise (torch.randn of [1,4,h,w]), loss, norm of the gradient before clipping
    gradients [2 pairs,17]   of the loss of the first step, with up = UP u: of down and up of each layer, in the order of the layers' names
                             (unet.... te....): 16 samples as in golden.py, then the root mean square
    after [2 pairs,17]       the pairs after STEPS steps of AdamW
    picture [1,h,w,3] F32    -1..1;  moments [1,h/8,w/8,8]: what the autoencoder's encoder makes of it, means and logarithms of variances
    word_gradient, words_after [VECTORS,width] F32    the same of the vectors of new words, which begin as WORD u("words")
    metadata                 rank, alpha, up, word, unet_rate, text_rate, word_rate, decay, eps, clip, clip_skip, loss (of the gradients' step), float32: how far PyTorch's
                             own float32 is from this; bf16.gradients, bf16.all, bf16.losses, bf16.after: how far its float32 under autocast to bfloat16 is, of the
                             gradients of the worst pair, of all, of the losses, of the pairs after the steps

In train_conv.golden peft's LoRA is also on the UNet's resnets, downsamplers and upsamplers, with another rank and alpha for 3x3 convolutions, as kohya's
trainer has them with conv_dim and conv_alpha (LoRANetwork.UNET_TARGET_REPLACE_MODULE_CONV2D_3X3).  There are no new words and no picture in it, but
    batch [2 pairs,17]       gradients of the mean loss of steps 0 .. 3, as two batches of two pictures, accumulated;  metadata: batch_loss, conv_rank, conv_alpha
"""
import os

import numpy as np
import torch
from golden import OUT, SAMPLES, WORDS, chunks, encode, make_tokenizer, model_recipe, model_size, load, text_model, text_name, uniform, unet_model, vae_model
from peft import LoraConfig, inject_adapter_in_model
from safetensors.numpy import save_file

MODEL, RANK, ALPHA, UP, STEPS, PICTURES, HEIGHT, WIDTH, CLIP_SKIP = "model_f32", 4, 3.0, 0.3, 10, 3, 20, 12, 2
UNET_RATE, TEXT_RATE, WORD_RATE, DECAY, CLIP, EPS = 1e-3, 5e-4, 1e-3, 1e-2, 0.05, 3e-5
VECTORS, WORD, PLACES = 2, 0.03, ((0, 5, 0), (0, 6, 1), (0, 30, 0), (1, 3, 1))        # chunk, token, vector: where new words stand in the prompt
CONV_RANK, CONV_ALPHA = 3, 2.0
UNET_TARGETS = r".*\.attentions\..*(proj_in|proj_out|to_q|to_k|to_v|to_out\.0|ff\.net\.0\.proj|ff\.net\.2)"
CONV_TARGETS = r".*\.(resnets|downsamplers|upsamplers)\..*(conv|conv1|conv2|conv_shortcut|time_emb_proj)"
TEXT_TARGETS = r".*(q_proj|k_proj|v_proj|out_proj|fc1|fc2)"


class Run:
    def __init__(self, dtype, up, conv=False, half=False):
        lines = model_recipe(MODEL)
        self.dtype, self.half = dtype, half
        self.text, self.unet = (load(make(model_size(MODEL)), part, lines, dtype) for make, part in ((text_model, "te"), (unet_model, "unet")))
        three = ("conv", "conv1", "conv2")
        inject_adapter_in_model(LoraConfig(r=RANK, lora_alpha=ALPHA, target_modules=f"{UNET_TARGETS}|{CONV_TARGETS}" if conv else UNET_TARGETS,
                                           rank_pattern=dict.fromkeys(three, CONV_RANK), alpha_pattern=dict.fromkeys(three, CONV_ALPHA)), self.unet)
        inject_adapter_in_model(LoraConfig(r=RANK, lora_alpha=ALPHA, target_modules=TEXT_TARGETS), self.text)
        self.pairs = {}
        for prefix, model in (("te.", self.text), ("unet.", self.unet)):
            for key, p in model.named_parameters():
                if "lora_" not in key:
                    assert not p.requires_grad
                    continue
                layer, side = key.removesuffix(".default.weight").rsplit(".", 1)
                layer = prefix + (text_name(layer) if prefix == "te." else layer)
                name = "lora_" + layer.replace(".", "_") + (".lora_down.weight" if side == "lora_A" else ".lora_up.weight")
                scale = 1 / np.sqrt(p[0].numel()) if side == "lora_A" else up
                with torch.no_grad():
                    p.copy_(torch.from_numpy((scale * uniform(name, p.numel())).astype(np.float32)).reshape(p.shape))
                p.data = p.data.to(dtype)
                self.pairs[layer, side] = p
        tokenizer = make_tokenizer(model_size(MODEL)["merges"])
        self.ids = chunks(tokenizer, WORDS)
        table = getattr(self.text, "text_model", self.text).embeddings.token_embedding
        count, width = table.weight.shape
        for chunk, token, vector in PLACES if not conv else ():
            self.ids[chunk][token] = count + vector
        self.words = torch.from_numpy((WORD * uniform("words", VECTORS * width)).astype(np.float32)).reshape(VECTORS, width).to(dtype).requires_grad_()
        table.forward = lambda ids: torch.nn.functional.embedding(ids, torch.cat([table.weight, self.words]))
        self.latents = uniform("latents", PICTURES * HEIGHT * WIDTH * 4).astype(np.float32).reshape(PICTURES, HEIGHT, WIDTH, 4) * 2
        from diffusers import DDPMScheduler
        self.ddpm = DDPMScheduler(beta_start=0.00085, beta_end=0.012, beta_schedule="scaled_linear", num_train_timesteps=1000)

    def sorted(self):
        return [self.pairs[key] for key in sorted(self.pairs)]

    def step(self, *examples, share=1):
        """-> timestep, alpha_bar, seed, loss; gradients are in the parameters"""
        ts, seeds = [(37, 985, 401, 600, 1, 820, 250, 999, 512, 130)[i] for i in examples], [100 + i for i in examples]
        noise = torch.cat([torch.randn((1, 4, HEIGHT, WIDTH), generator=torch.Generator().manual_seed(seed)) for seed in seeds]).to(self.dtype)
        clean = torch.stack([torch.from_numpy(self.latents[i % PICTURES]).permute(2, 0, 1) for i in examples]).to(self.dtype)
        alpha = torch.tensor([float(self.ddpm.alphas_cumprod[t]) for t in ts], dtype=torch.float64)
        noisy = (alpha**0.5).to(self.dtype)[:, None, None, None] * clean + ((1 - alpha) ** 0.5).to(self.dtype)[:, None, None, None] * noise
        with torch.autocast("cpu", torch.bfloat16, enabled=self.half):
            words = encode(self.text, self.ids, CLIP_SKIP).reshape(1, len(self.ids) * 77, -1)
            loss = torch.nn.functional.mse_loss(self.unet(noisy, torch.tensor(ts), words.repeat(len(ts), 1, 1)).sample.to(self.dtype), noise)
        (loss * share).backward()
        return ts[0], alpha[0].item(), seeds[0], loss.item()


def rows(tensors):
    out = []
    for x in tensors:
        x = np.zeros(1) if x is None else x.detach().double().numpy().ravel()
        i = (SAMPLES % np.uint64(x.size)).astype(np.int64)
        out.append(np.append(x[i], np.sqrt(np.mean(x**2))))
    return np.array(out)


def run(dtype, conv, half=False):
    first = Run(dtype, UP, conv, half)
    loss = first.step(0)[3]
    gradients, word_gradient = rows([p.grad for p in first.sorted()]), first.words.grad
    r, steps = Run(dtype, 0, conv, half), []
    groups = [dict(params=[r.pairs[k] for k in sorted(r.pairs) if k[0].startswith(part)], lr=rate) for part, rate in (("te.", TEXT_RATE), ("unet.", UNET_RATE))]
    learned = r.sorted() if conv else r.sorted() + [r.words]
    optimizer = torch.optim.AdamW(groups + [dict(params=learned[len(r.pairs):], lr=WORD_RATE)][:not conv], weight_decay=DECAY, eps=EPS)
    for i in range(STEPS):
        optimizer.zero_grad()
        told = r.step(i)
        norm = torch.nn.utils.clip_grad_norm_(learned, CLIP).item()
        optimizer.step()
        steps.append(told + (norm,))
    return r, loss, gradients, np.array(steps), rows(r.sorted()), word_gradient


def batches():
    """-> gradients of two batches of two, and the mean of their losses"""
    r = Run(torch.float64, UP, True)
    losses = [r.step(i, i + 1, share=0.5)[3] for i in (0, 2)]
    return rows([p.grad for p in r.sorted()]), np.mean(losses)


def off(a, b):
    """root mean square of the samples' differences, in parts of the tensor's: of the worst tensor, and of all.  What is 0 but for
    rounding, as the gradient of what a group norm of one channel takes away again, counts as it is."""
    square, whole = np.mean((a - b)[:, :16] ** 2, 1), b[:, 16] ** 2
    return np.max(np.sqrt(square / np.where(whole > 1e-20, whole, 1))), np.sqrt(square.sum() / whole.sum())


def golden(conv):
    """tensors and metadata that both files have"""
    r, loss, gradients, steps, after, word_gradient = run(torch.float64, conv)
    told = {}
    for kind, half in (("float32", False), ("bf16", True)):
        _, _, g, s, x, _ = run(torch.float32, conv, half)
        told |= {f"{kind}.gradients": off(g, gradients)[0], f"{kind}.all": off(g, gradients)[1], f"{kind}.losses": np.abs(s[:, 3] / steps[:, 3] - 1).max(), f"{kind}.after": off(x, after)[1]}
    print(f"{len(gradients) // 2} pairs, losses {steps[:, 3]}, norms {steps[:, 4]}; off by", {k: f"{v:.2g}" for k, v in told.items()})
    tensors = {"ids": np.array(r.ids, np.int32), "latents": r.latents, "steps": steps, "gradients": gradients.astype(np.float32), "after": after.astype(np.float32)}
    metadata = {"model": MODEL, "rank": RANK, "alpha": ALPHA, "up": UP, "unet_rate": UNET_RATE, "text_rate": TEXT_RATE, "word_rate": WORD_RATE, "word": WORD, "decay": DECAY, "clip": CLIP, "eps": EPS,
                "clip_skip": CLIP_SKIP, "loss": loss} | {k: f"{v:.3g}" for k, v in told.items()}
    return r, word_gradient, tensors, metadata


def write(name, tensors, metadata):
    save_file(tensors, os.path.join(OUT, name), {k: str(v) for k, v in metadata.items()})


def encoded():
    """a picture, and its moments"""
    vae = load(vae_model(model_size(MODEL)), "vae", model_recipe(MODEL), torch.float64)
    picture = uniform("picture", 40 * 24 * 3).astype(np.float32).reshape(1, 40, 24, 3)
    with torch.no_grad():
        moments = vae.encode(torch.from_numpy(picture).permute(0, 3, 1, 2).double()).latent_dist.parameters
    return picture, np.ascontiguousarray(moments.permute(0, 2, 3, 1).numpy().astype(np.float32))


def main():
    torch.set_num_threads(2)
    r, word_gradient, tensors, metadata = golden(False)
    picture, moments = encoded()
    write("train.golden", tensors | {"word_gradient": word_gradient.numpy().astype(np.float32), "words_after": r.words.detach().numpy().astype(np.float32), "picture": picture, "moments": moments}, metadata)
    _, _, tensors, metadata = golden(True)
    batch, loss = batches()
    write("train_conv.golden", tensors | {"batch": batch.astype(np.float32)}, metadata | {"conv_rank": CONV_RANK, "conv_alpha": CONV_ALPHA, "batch_loss": loss})


if __name__ == "__main__":
    main()
