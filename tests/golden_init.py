#!/usr/bin/env python3
"""Makes tests/golden/init.png, last.png and init.gif, and the goldens of pictures that begin as it, and of second passes at a larger size, as golden.py draws them.  Of the
pictures every eighth row is kept.  The first case is also drawn by diffusers' own img2img pipeline, which must agree.

    python tests/golden_init.py           all cases; packages as in golden.py, and Pillow
    python tests/golden_init.py clip_init ...   some"""
import os
import sys

import numpy as np
import torch
from PIL import Image

import golden

PICTURE = "tests/golden/init.png"
LAST, CLIP = "tests/golden/last.png", "tests/golden/init.gif"
SIZE = dict(width=72, height=72)
CASES = {
    "still_init":      dict(model="model_f32", prompt="a man with a red hat smiling", negative="blue", steps=8, cfg=7.0, seed=41, init=PICTURE, strength=0.6, **SIZE),
    "still_init_2m":   dict(model="model_f32", prompt="a dark street", negative="", steps=8, cfg=4.0, seed=42, init=PICTURE, strength=0.5, sampler="DPM++ 2M",
                            schedule="Karras", **SIZE),
    "still_init_heun": dict(model="model_f32", prompt="a boy", negative="", steps=6, cfg=4.0, seed=43, init=PICTURE, strength=1, sampler="Heun", **SIZE),
    "clip_init":       dict(model="model_f32", motion="motion_v1", prompt="a woman waving", negative="still", steps=6, cfg=6.0, seed=44, frames=4, init=PICTURE,
                            strength=0.7, sampler="Euler a", **SIZE),
    "clip_init_nv":    dict(model="model_f32", motion="motion_v1", prompt="a girl nodding", negative="", steps=5, cfg=5.0, seed=45, frames=3, init=PICTURE,
                            strength=0.5, rng="NV", **SIZE),
    "clip_of_clip_a":  dict(model="model_f32", motion="motion_v1", prompt="a boy talking", negative="", steps=5, cfg=5.0, seed=50, frames=4, init=CLIP,
                            strength=0.8, sampler="Euler a", **SIZE),
    "clip_to_last":    dict(model="model_f32", motion="motion_v1", prompt="a woman turning", negative="", steps=4, cfg=2.0, seed=51, frames=5, init=PICTURE, last=LAST,
                            strength=0.5, last_strength=0.7, latent_scale=6, latent_power_last=2, latent_scale_last=9, sampler="Euler", **SIZE),
    "clip_to_last_nv": dict(model="model_f32", motion="motion_v1", prompt="a boy waving", negative="", steps=5, cfg=5.0, seed=52, frames=4, init=PICTURE, last=LAST,
                            strength=0.8, last_strength=0.6, rng="NV", **SIZE),
    "still_hires":     dict(model="model_f32", prompt="a red hat", negative="grey", steps=4, cfg=6.0, seed=46, hires=1.5, hires_steps=3, strength=0.6, width=64, height=72),
    "clip_hires":      dict(model="model_bf16", motion="motion_v3", prompt="a boy talking", negative="", steps=4, cfg=5.0, seed=47, frames=3, hires=1.75, strength=0.8,
                            upscaler="Latent (nearest)", sampler="Euler", rng="NV", width=48, height=40),
    "default_init":    dict(model=golden.DEFAULT, prompt="portrait of a man with red hair", negative="", steps=8, cfg=4.0, seed=48, init=PICTURE, strength=0.75, **SIZE),
}
golden.CASES.update(CASES)


def make_pictures():
    y, x = np.mgrid[0:72, 0:72] / 71
    face = np.hypot(x - 0.5, (y - 0.45) * 0.8) < 0.28
    other = np.hypot(x - 0.6, (y - 0.5) * 0.7) < 0.22
    first = np.where(face[..., None], [224, 172, 140], np.stack([60 + 90 * y, 120 + 60 * x, 200 - 80 * y], -1))
    last = np.where(other[..., None], [150, 100, 70], np.stack([210 - 90 * x, 90 + 60 * y, 60 + 80 * x], -1))
    for picture, path in ((first, PICTURE), (last, LAST)):
        Image.fromarray(picture.astype(np.uint8)).save(os.path.join(golden.ROOT, path), optimize=True)


def make_clip():
    """The face moves."""
    y, x = np.mgrid[0:72, 0:72] / 71
    frames = []
    for t in range(4):
        face = np.hypot(x - 0.35 - 0.1 * t, (y - 0.45) * 0.8) < 0.28
        rgb = np.where(face[..., None], [224, 172, 140], np.stack([60 + 90 * y, 120 + 60 * x, 200 - 80 * y], -1))
        frames.append(Image.fromarray(rgb.astype(np.uint8)).quantize(255, dither=Image.Dither.NONE))
    frames[0].save(os.path.join(golden.ROOT, CLIP), save_all=True, append_images=frames[1:], duration=120, loop=0)


def clip_by_pipeline(name):
    """The clip as AnimateDiffVideoToVideoPipeline makes its latents: from the case's frames, and noise drawn in its order."""
    from diffusers import AnimateDiffVideoToVideoPipeline, DDIMScheduler
    case = golden.CASES[name]
    _, _, _, vae, _ = golden.parts_of(case, torch.float32)
    scheduler = DDIMScheduler(beta_start=0.00085, beta_end=0.012, beta_schedule="linear", clip_sample=False, set_alpha_to_one=False, steps_offset=1)
    scheduler.set_timesteps(case["steps"])
    pipe = AnimateDiffVideoToVideoPipeline.__new__(AnimateDiffVideoToVideoPipeline)
    pipe.vae, pipe.scheduler, pipe.vae_scale_factor = vae, scheduler, 8
    first = case["steps"] - int(case["steps"] * case["strength"])
    at = scheduler.timesteps[first:first + 1]
    return AnimateDiffVideoToVideoPipeline.prepare_latents(
        pipe, golden.picture_of(case, torch.float32)[None], 72, 72, 4, 1, at, torch.float32, torch.device("cpu"),
        torch.manual_seed(case["seed"]), None, 16, False), lambda z, noise: scheduler.add_noise(z, noise, at)


def by_pipeline(name):
    """The picture as StableDiffusionImg2ImgPipeline draws it from our words and the case's picture."""
    from diffusers import DDIMScheduler, StableDiffusionImg2ImgPipeline
    case = golden.CASES[name]
    text, unet, _, vae, tokenizer = golden.parts_of(case, torch.float32)
    good, bad = (golden.encode(text, golden.chunks(tokenizer, case[k]), 1).reshape(1, 77, -1) for k in ("prompt", "negative"))
    unet.register_to_config(sample_size=64)
    scheduler = DDIMScheduler(beta_start=0.00085, beta_end=0.012, beta_schedule="scaled_linear", clip_sample=False, set_alpha_to_one=False, steps_offset=1)
    pipe = StableDiffusionImg2ImgPipeline(vae, None, None, unet, scheduler, None, None, requires_safety_checker=False)
    pipe.set_progress_bar_config(disable=True)
    out = pipe(prompt_embeds=good, negative_prompt_embeds=bad, image=Image.open(os.path.join(golden.ROOT, PICTURE)), strength=case["strength"],
               num_inference_steps=case["steps"], guidance_scale=case["cfg"], generator=torch.manual_seed(case["seed"]), output_type="np")
    return 255 * out.images


if __name__ == "__main__":
    torch.set_num_threads(2)
    make_pictures()
    make_clip()
    for case in sys.argv[1:] or CASES:
        golden.make(case, picture_only=True, rows=8)
    ours = golden.run(golden.CASES["still_init"], torch.float32)[0]
    case = golden.CASES["clip_of_clip_a"]
    vae, rng = golden.parts_of(case, torch.float32)[3], torch.Generator().manual_seed(case["seed"])
    with torch.no_grad():
        theirs, add_noise = clip_by_pipeline("clip_of_clip_a")
        seen = vae.encode(golden.picture_of(case, torch.float32)).latent_dist
        z = 0.18215 * (seen.mean + seen.std * torch.randn(seen.mean.shape, generator=rng))
        begun = add_noise(z, torch.randn(1, *z.shape, generator=rng)[0]).transpose(0, 1)[None]
    print("clip_of_clip_a begins beside diffusers' pipeline: off by", (begun - theirs).abs().max().item())
    assert torch.allclose(begun, theirs)
    off = np.abs(golden.rounded(ours).astype(int) - golden.rounded(by_pipeline("still_init"))).max()
    print("still_init beside diffusers' pipeline: off by", off)
    assert off <= 1
