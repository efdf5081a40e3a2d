#!/usr/bin/env python3
"""How far pictures in bf16 are from those in float32: python tests/precision.py [steps] [cfg]

Ten prompts on the model in weights/, a still each.  PSNR is 20 log10(255 / root mean square difference) over a picture's values.
Needs numpy and Pillow, and the program built.
"""
import os
import subprocess
import sys
import tempfile

import numpy as np
from PIL import Image

PROMPTS = [
    "portrait of a woman with long blonde hair, light skin, blue eyes, red sweater, beach, happy",
    "portrait of a man with short black hair, brown skin, beard, green hoodie, grey background, neutral",
    "portrait of a woman with curly red hair, glasses, yellow dress, blue background, smiling",
    "portrait of a man, bald, dark skin, sunglasses, white shirt, orange background",
    "portrait of a girl with pink hair in a bun, pale skin, purple t-shirt, night sky",
    "portrait of a boy with spiky blue hair, tan skin, black jacket, forest, surprised",
    "portrait of a lady with grey hair, bob, green eyes, blue sweater, white background, sad",
    "portrait of a guy with brown hair, cap, moustache, red t-shirt, green background, angry",
    "portrait of a woman with black hair in a ponytail, crown, pink dress, purple background, happy",
    "portrait of a man with white hair, beanie, grey eyes, orange jacket, yellow background",
]


def draw(folder, prompt, precision, steps, cfg):
    out = os.path.join(folder, precision + ".png")
    subprocess.run(["./persona", "--quiet", "--prompt", prompt, "--frames", "1", "--seed", "1", "--steps", steps, "--cfg", cfg, "--precision", precision, "-o", out],
                   check=True, stdout=subprocess.DEVNULL)
    return np.asarray(Image.open(out).convert("RGB")).astype(float)


def main(steps="25", cfg="4"):
    with tempfile.TemporaryDirectory() as folder:
        found = []
        for prompt in PROMPTS:
            square = np.mean((draw(folder, prompt, "f32", steps, cfg) - draw(folder, prompt, "bf16", steps, cfg)) ** 2)
            found.append(20 * np.log10(255 / np.sqrt(square)) if square else np.inf)
            print(f"{found[-1]:6.2f} dB  {prompt}")
    print(f"{np.mean(found):6.2f} dB on average, {min(found):.2f} at worst; {steps} steps, guidance {cfg}")


main(*sys.argv[1:])
