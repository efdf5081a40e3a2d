#!/usr/bin/env python3
"""The program against PyTorch at full size: a still of 512x512 and a clip of 16 frames of 256x256.

    python tests/golden_full.py WORK              writes 3 GB of weights into the folder WORK, then draws with both and compares
    python tests/golden_full.py WORK --only clip  or still
    python tests/golden_full.py WORK --tiny       the same with a small model, in a minute

The weights are made as golden.py makes them, in the shapes of Stable Diffusion 1.5 and of mm_sd_v15, F16.  The reference is
golden.py's pipeline in float32.  Pictures must agree within 2/255 everywhere and 0.01/255 on average; times and memory are
printed and not judged.  PyTorch's time and memory are those of drawing, without loading; the program's are all of it.
Needs what golden.py needs, and about 16 GB of memory, most of it for PyTorch.
"""
import argparse
import json
import os
import subprocess
import sys
import time

import numpy as np

import golden

FULL = dict(dtype="F16", unet=(320, 640, 1280, 1280), text=768, text_layers=12, merges=48894, vae=(128, 256, 512, 512), vae_layers=2)
FULL_MOTION = dict(dtype="F16", channels=FULL["unet"], positions=24, mid=False)
PROMPT, NEGATIVE = "portrait of a woman with red hair and glasses smiling at the sea", "worst quality low quality"


def write_weights(work, tiny):
    """-> paths of the checkpoint and the motion module; made only once."""
    model, motion = ("tiny", "tiny_motion") if tiny else ("sd15", "mm_sd_v15")
    golden.MODELS[model] = dict(golden.MODELS["model_f32"], dtype="F16") if tiny else FULL
    golden.MOTIONS[motion] = dict(golden.MOTIONS["motion_v1"], dtype="F16") if tiny else FULL_MOTION
    for name in (model, motion):
        if not os.path.exists(os.path.join(work, name + ".safetensors")):
            print(f"writing {work}/{name}.safetensors", flush=True)
            golden.save_weights(work, name)
    return [os.path.abspath(os.path.join(work, name + ".safetensors")) for name in (model, motion)]


def peak_memory(process="self"):
    """GB of a process; None when it has ended."""
    with open(f"/proc/{process}/status") as f:
        return next((int(line.split()[1]) / 1e6 for line in f if line.startswith("VmHWM")), None)


def reference(case_file, out):
    """In a process of its own, for its memory: draws with PyTorch, saves the pictures, prints seconds and GB."""
    import torch
    with open(case_file) as f:
        case = json.load(f)
    torch.set_num_threads(case["threads"])
    parts = golden.parts_of(case, torch.float32)
    with open("/proc/self/clear_refs", "w") as f:
        f.write("5")                                          # the peak of memory begins anew
    start = time.time()
    picture = golden.draw(case, parts, torch.float32, golden.Record(case.get("frames", 1), off=True))
    np.save(out, golden.rounded(picture))
    print(json.dumps([time.time() - start, peak_memory()]))


def run_reference(work, name, case):
    path, out = os.path.join(work, name + ".json"), os.path.join(work, name + ".npy")
    with open(path, "w") as f:
        json.dump(case, f)
    answer = subprocess.run([sys.executable, __file__, "--reference", path, out], check=True, stdout=subprocess.PIPE, text=True).stdout
    return np.load(out), *json.loads(answer.strip().split("\n")[-1])


def run_program(program, work, name, case):
    """-> pictures, seconds, GB."""
    from PIL import Image
    settings = f"Steps: {case['steps']}, Sampler: DDIM, CFG scale: {case['cfg']}, Seed: {case['seed']}, Size: {case['width']}x{case['height']}, Model: {case['model']}"
    frames = case.get("frames", 1)
    settings += f", Motion module: {case['motion']}, Frames: {frames}" if "motion" in case else ", Frames: 1"
    prompt, out = os.path.join(work, name + ".txt"), os.path.join(work, name + ".png")
    with open(prompt, "w") as f:
        f.write(f"{case['prompt']}\nNegative prompt: {case['negative']}\n{settings}\n")
    start, memory = time.time(), 0
    process = subprocess.Popen([program, prompt, "-o", out, "--threads", str(case["threads"])], stdout=subprocess.DEVNULL)
    while process.poll() is None:                             # not by getrusage: a child begins with its parent's peak
        memory = max(memory, peak_memory(process.pid) or 0)
        time.sleep(0.02)
    seconds = time.time() - start
    if process.returncode:
        sys.exit(f"{program} failed with status {process.returncode}")
    paths = [out] if frames == 1 else [os.path.join(work, f"{name}-{i + 1:03d}.png") for i in range(frames)]
    return np.stack([np.asarray(Image.open(p).convert("RGB")) for p in paths]), seconds, memory


def compare(program, work, name, case):
    theirs, their_seconds, their_memory = run_reference(work, name, case)
    ours, seconds, memory = run_program(program, work, name, case)
    if ours.shape != theirs.shape:
        sys.exit(f"{name}: pictures are {ours.shape}, PyTorch's {theirs.shape}")
    d = np.abs(ours.astype(int) - theirs)
    good = d.max() <= 2 and d.mean() <= 0.01
    print(f"{name}: {case['width']}x{case['height']}, {case.get('frames', 1)} frames, {case['steps']} steps, {case['threads']} threads")
    print(f"    pictures off by {d.max()} of 2, mean {d.mean():.5f} of 0.01 (deviation of the picture {theirs.std():.0f}): {'good' if good else 'WRONG'}")
    print(f"    PyTorch float32 {their_seconds:.1f} s, {their_memory:.2f} GB;  this program {seconds:.1f} s, {memory:.2f} GB;  "
          f"time x {seconds / their_seconds:.2f}", flush=True)
    return good


def main():
    if sys.argv[1:2] == ["--reference"]:
        return reference(*sys.argv[2:])
    p = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    p.add_argument("work", help="folder for weights and pictures")
    p.add_argument("--only", choices=["still", "clip"])
    p.add_argument("--tiny", action="store_true")
    p.add_argument("--threads", type=int, default=len(os.sched_getaffinity(0)))
    p.add_argument("--program", default=os.path.join(golden.ROOT, "persona"))
    args = p.parse_args()
    os.makedirs(args.work, exist_ok=True)
    model, motion = write_weights(args.work, args.tiny)
    common = dict(model=model, prompt=PROMPT, negative=NEGATIVE, threads=args.threads)
    still, clip = (128, 128) if args.tiny else (512, 256)
    cases = {"still": dict(common, steps=3, cfg=7.5, seed=1, width=still, height=still),
             "clip": dict(common, motion=motion, steps=2, cfg=7.5, seed=2, width=clip, height=clip, frames=16)}
    good = [compare(args.program, args.work, name, case) for name, case in cases.items() if args.only in (None, name)]
    sys.exit(0 if all(good) else 1)


if __name__ == "__main__":
    main()
