#!/usr/bin/env python3
"""Makes tests/golden/mask.png, and the goldens of inpainting, as golden.py draws them, over tests/golden/init.png.  Of the pictures every eighth row is kept.
The first case is also drawn by diffusers' own inpainting pipeline, which must agree.

    python tests/golden_inpaint.py           all cases; packages as in golden.py, and Pillow
    python tests/golden_inpaint.py clip_mask ...   some"""
import os
import sys

import numpy as np
import torch
from PIL import Image

import golden

PICTURE, MASK = "tests/golden/init.png", "tests/golden/mask.png"
SIZE = dict(width=72, height=72)
CASES = {
    "still_mask":      dict(model="model_f32", prompt="a man with a red hat smiling", negative="blue", steps=8, cfg=7.0, seed=61, init=PICTURE, strength=0.75,
                            mask="20,13,57,64", mask_blur=-1, **SIZE),
    "still_mask_blur": dict(model="model_f32", prompt="a dark street", negative="", steps=5, cfg=4.0, seed=62, init=PICTURE, strength=1, mask="0,30,41,72",
                            mask_blur=3, sampler="DPM++ 2M", schedule="Karras", **SIZE),
    "clip_mask":       dict(model="model_f32", motion="motion_v1", prompt="a woman waving", negative="still", steps=5, cfg=6.0, seed=63, frames=3, init=PICTURE,
                            strength=0.7, mask=MASK, sampler="Euler a", **SIZE),
}
golden.CASES.update(CASES)


def make_mask():
    """An ellipse with a grey rim."""
    y, x = np.mgrid[0:72, 0:72]
    far = np.hypot((x - 36) / 20, (y - 33) / 26)
    Image.fromarray(np.where(far < 0.9, 255, np.where(far < 1.1, 150, 0)).astype(np.uint8)).save(os.path.join(golden.ROOT, MASK), optimize=True)


def by_pipeline(name):
    """The picture as StableDiffusionInpaintPipeline draws it from our words, the case's picture and its mask; its outside is the picture's own."""
    from diffusers import DDIMScheduler, StableDiffusionInpaintPipeline
    case = golden.CASES[name]
    text, unet, _, vae, tokenizer = golden.parts_of(case, torch.float32)
    good, bad = (golden.encode(text, golden.chunks(tokenizer, case[k]), 1).reshape(1, 77, -1) for k in ("prompt", "negative"))
    unet.register_to_config(sample_size=64)
    scheduler = DDIMScheduler(beta_start=0.00085, beta_end=0.012, beta_schedule="scaled_linear", clip_sample=False, set_alpha_to_one=False, steps_offset=1)
    pipe = StableDiffusionInpaintPipeline(vae, None, None, unet, scheduler, None, None, requires_safety_checker=False)
    pipe.set_progress_bar_config(disable=True)
    picture, mask = Image.open(os.path.join(golden.ROOT, PICTURE)).convert("RGB"), golden.mask_of(case)
    out = pipe(prompt_embeds=good, negative_prompt_embeds=bad, image=picture, mask_image=Image.fromarray(mask), height=case["height"], width=case["width"],
               strength=case["strength"], num_inference_steps=case["steps"], guidance_scale=case["cfg"], generator=torch.manual_seed(case["seed"]), output_type="np")
    return np.where(mask[..., None] > 0, 255 * out.images, np.asarray(picture))


if __name__ == "__main__":
    torch.set_num_threads(1)
    make_mask()
    for case in sys.argv[1:] or CASES:
        golden.make(case, picture_only=True, rows=8)
    ours = golden.run(golden.CASES["still_mask"], torch.float32)[0]
    off = np.abs(golden.rounded(ours).astype(int) - golden.rounded(by_pipeline("still_mask"))).max()
    print("still_mask beside diffusers' pipeline: off by", off)
    assert off <= 1
