#!/usr/bin/env python3
"""Makes tests/golden/train.golden: what PyTorch's autograd, peft and torch.optim.AdamW make of some steps of LoRA training,
for tests/test_train.c to compare with.

    python tests/golden_train.py           packages as in golden.py

The models are those of golden.py, in float64, with peft's LoRA on kohya's targets: all linear layers and 1x1 convolutions of the UNet's
transformers, attention and MLP of the text encoder.  The pairs begin as a hash of their names:
    down = u(name) / sqrt(in),   up = UP * u(name) for the gradients, 0 for the steps        name: kohya's, as lora_unet_..._to_q.lora_down.weight

    ids [texts,77] I32, latents [pictures,h,w,4] F32        what is learned from: step i takes picture i % pictures and all texts as one prompt
    steps [STEPS,5] F64      timestep, alpha_bar there, seed of the noise (torch.randn of [1,4,h,w]), loss, norm of the gradient before clipping
    gradients [2 pairs,17]   of the loss of the first step, with up = UP u: of down and up of each layer, in the order of the layers' names
                             (unet.... te....): 16 samples as in golden.py, then the root mean square
    after [2 pairs,17]       the pairs after STEPS steps of AdamW
    picture [1,h,w,3] F32    -1..1;  moments [1,h/8,w/8,8]: what the autoencoder's encoder makes of it, means and logarithms of variances
    word_gradient, words_after [VECTORS,width] F32    the same of the vectors of new words, which begin as WORD u("words")
    metadata                 rank, alpha, up, word, unet_rate, text_rate, word_rate, decay, eps, clip, clip_skip, loss (of the gradients' step), float32: how far PyTorch's
                             own float32 is from this
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
UNET_TARGETS = r".*\.attentions\..*(proj_in|proj_out|to_q|to_k|to_v|to_out\.0|ff\.net\.0\.proj|ff\.net\.2)"
TEXT_TARGETS = r".*(q_proj|k_proj|v_proj|out_proj|fc1|fc2)"


class Run:
    def __init__(self, dtype, up):
        lines = model_recipe(MODEL)
        self.dtype = dtype
        self.text, self.unet = (load(make(model_size(MODEL)), part, lines, dtype) for make, part in ((text_model, "te"), (unet_model, "unet")))
        inject_adapter_in_model(LoraConfig(r=RANK, lora_alpha=ALPHA, target_modules=UNET_TARGETS), self.unet)
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
                scale = 1 / np.sqrt(p.shape[1]) if side == "lora_A" else up
                with torch.no_grad():
                    p.copy_(torch.from_numpy((scale * uniform(name, p.numel())).astype(np.float32)).reshape(p.shape))
                p.data = p.data.to(dtype)
                self.pairs[layer, side] = p
        tokenizer = make_tokenizer(model_size(MODEL)["merges"])
        self.ids = chunks(tokenizer, WORDS)
        table = getattr(self.text, "text_model", self.text).embeddings.token_embedding
        count, width = table.weight.shape
        for chunk, token, vector in PLACES:
            self.ids[chunk][token] = count + vector
        self.words = torch.from_numpy((WORD * uniform("words", VECTORS * width)).astype(np.float32)).reshape(VECTORS, width).to(dtype).requires_grad_()
        table.forward = lambda ids: torch.nn.functional.embedding(ids, torch.cat([table.weight, self.words]))
        self.latents = uniform("latents", PICTURES * HEIGHT * WIDTH * 4).astype(np.float32).reshape(PICTURES, HEIGHT, WIDTH, 4) * 2
        from diffusers import DDPMScheduler
        self.ddpm = DDPMScheduler(beta_start=0.00085, beta_end=0.012, beta_schedule="scaled_linear", num_train_timesteps=1000)

    def sorted(self):
        return [self.pairs[key] for key in sorted(self.pairs)]

    def step(self, i):
        """-> timestep, alpha_bar, seed, loss; gradients are in the parameters"""
        t, seed = (37, 985, 401, 600, 1, 820, 250, 999, 512, 130)[i], 100 + i
        noise = torch.randn((1, 4, HEIGHT, WIDTH), generator=torch.Generator().manual_seed(seed)).to(self.dtype)
        clean = torch.from_numpy(self.latents[i % PICTURES]).permute(2, 0, 1)[None].to(self.dtype)
        alpha = float(self.ddpm.alphas_cumprod[t])
        noisy = alpha**0.5 * clean + (1 - alpha) ** 0.5 * noise
        words = encode(self.text, self.ids, CLIP_SKIP).reshape(1, len(self.ids) * 77, -1)
        loss = torch.nn.functional.mse_loss(self.unet(noisy, t, words).sample, noise)
        loss.backward()
        return t, alpha, seed, loss.item()


def rows(tensors):
    out = []
    for x in tensors:
        x = np.zeros(1) if x is None else x.detach().double().numpy().ravel()
        i = (SAMPLES % np.uint64(x.size)).astype(np.int64)
        out.append(np.append(x[i], np.sqrt(np.mean(x**2))))
    return np.array(out)


def run(dtype):
    first = Run(dtype, UP)
    loss = first.step(0)[3]
    gradients, word_gradient = rows([p.grad for p in first.sorted()]), first.words.grad
    r, steps = Run(dtype, 0), []
    groups = [dict(params=[r.pairs[k] for k in sorted(r.pairs) if k[0].startswith(part)], lr=rate) for part, rate in (("te.", TEXT_RATE), ("unet.", UNET_RATE))]
    optimizer = torch.optim.AdamW(groups + [dict(params=[r.words], lr=WORD_RATE)], weight_decay=DECAY, eps=EPS)
    for i in range(STEPS):
        optimizer.zero_grad()
        told = r.step(i)
        norm = torch.nn.utils.clip_grad_norm_(r.sorted() + [r.words], CLIP).item()
        optimizer.step()
        steps.append(told + (norm,))
    return r, loss, gradients, np.array(steps), rows(r.sorted()), word_gradient.numpy().astype(np.float32)


def encoded():
    """a picture, and its moments"""
    vae = load(vae_model(model_size(MODEL)), "vae", model_recipe(MODEL), torch.float64)
    picture = uniform("picture", 40 * 24 * 3).astype(np.float32).reshape(1, 40, 24, 3)
    with torch.no_grad():
        moments = vae.encode(torch.from_numpy(picture).permute(0, 3, 1, 2).double()).latent_dist.parameters
    return picture, np.ascontiguousarray(moments.permute(0, 2, 3, 1).numpy().astype(np.float32))


def off(a, b):
    """root mean square of the samples' differences, in parts of the tensor's: of the worst tensor, and of all"""
    square, whole = np.mean((a - b)[:, :16] ** 2, 1), b[:, 16] ** 2
    return f"{np.max(np.sqrt(square / np.maximum(whole, 1e-30))):.2g}/{np.sqrt(square.sum() / whole.sum()):.2g}"


def main():
    torch.set_num_threads(2)
    r, loss, gradients, steps, after, word_gradient = run(torch.float64)
    _, _, gradients32, steps32, after32, _ = run(torch.float32)
    told = f"gradients {off(gradients32, gradients)}, losses {np.abs(steps32[:, 3] / steps[:, 3] - 1).max():.2g}, after {off(after32, after)}"
    print(f"{len(gradients) // 2} pairs, losses {steps[:, 3]}, norms {steps[:, 4]}; float32 is off by: {told}")
    picture, moments = encoded()
    words = r.words.detach().numpy().astype(np.float32)
    save_file({"word_gradient": word_gradient, "words_after": words, "picture": picture, "moments": moments, "ids": np.array(r.ids, np.int32), "latents": r.latents, "steps": steps, "gradients": gradients.astype(np.float32), "after": after.astype(np.float32)},
              os.path.join(OUT, "train.golden"),
              {"model": MODEL, "rank": str(RANK), "alpha": str(ALPHA), "up": str(UP), "unet_rate": str(UNET_RATE), "text_rate": str(TEXT_RATE), "word_rate": str(WORD_RATE), "word": str(WORD), "decay": str(DECAY), "clip": str(CLIP), "eps": str(EPS),
               "clip_skip": str(CLIP_SKIP), "loss": repr(loss), "float32": told})


if __name__ == "__main__":
    main()
