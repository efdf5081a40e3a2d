"""Writes tests/golden/sampler.inc: diffusers' schedulers over whole trajectories, for tests/test_sampler.c.

    pip install torch==2.13.0 diffusers==0.42.1 scipy
    pip install --no-deps k-diffusion==0.1.1.post1 torchsde torchdiffeq trampoline

Call c of the model, at timestep t, predicts sin(x_k + t/100 + k) in element k.  The noise of call c is cos(4 c + k).
The first noise is 1, -2, 0.5.  The file holds x after every call, in the scale that the model sees; schedulers that
count in sigmas hold x * sqrt(sigma^2 + 1).

Settings that correspond, beside beta_start 0.00085 and beta_end 0.012:
    Uniform       timestep_spacing="linspace"
    Karras        use_karras_sigmas, "linspace" (Euler's and Heun's sigmas are taken from the spaced ones, so this is
                  from the first to the last)
    Exponential   use_exponential_sigmas, "linspace"
    SGM Uniform   timestep_spacing="trailing"
    DDIM          timestep_spacing="leading", steps_offset=1; clip_sample=False; set_alpha_to_one for clips only
    DPM++ 2M      DPMSolverMultistepScheduler, dpmsolver++ of order 2;  DPM++ 2M SDE: sde-dpmsolver++
    UniPC         UniPCMultistepScheduler, bh2 of order 2
    LCM           LCMScheduler, original_inference_steps=50
    PLMS          PNDMScheduler, skip_prk_steps
    Beta          use_beta_sigmas, "linspace"
    Simple, KL Optimal, Align Your Steps: sigmas by the web UI's formulas (modules/sd_schedulers.py)

DPM2, DPM2 a, DPM++ 2S a, DPM++ SDE and DPM++ 3M SDE are k-diffusion's own functions, in float64, on the sigmas of
EulerDiscreteScheduler; for DPM2, DPM2 a and DPM++ 3M SDE on one sigma more, of which the last but zero is left out, as
in the web UI.
DPM++ SDE's Brownian tree gives for the first half of a step the noise of the first call, and for the whole step the sum
of that and the noise of the second call.

k-diffusion and the web UI differ from diffusers here: DPM++ 2M starts from noise * sigma, and its timesteps lie between
whole ones; SGM Uniform counts down from 999 in steps of 999/n; UniPC is of order 3; the noise of DPM++ 2M SDE comes
from a Brownian tree.  What diffusers lacks is put together from its parts: Karras for Euler a from the sigmas of
EulerDiscreteScheduler, DDIM and LCM at zero SNR with 2^-24 as the others have it.  One step of Euler or Heun starts at
timestep 0 there (linspace(0, 999, 1)), at 999 here and in the web UI."""
import importlib
import importlib.util
import os
import sys
import types

import numpy as np
import torch
from diffusers import (DDIMScheduler, DPMSolverMultistepScheduler, EulerAncestralDiscreteScheduler,
                       EulerDiscreteScheduler, HeunDiscreteScheduler, LCMScheduler, LMSDiscreteScheduler, PNDMScheduler,
                       UniPCMultistepScheduler)


def sampling_of_k_diffusion():
    """k_diffusion.sampling alone, because the package as a whole needs many other packages"""
    found = importlib.util.find_spec("k_diffusion")
    package = sys.modules["k_diffusion"] = types.ModuleType("k_diffusion")
    package.__path__ = found.submodule_search_locations
    package.utils = types.SimpleNamespace(append_dims=lambda x, n: x[(...,) + (None,) * (n - x.ndim)])
    return importlib.import_module("k_diffusion.sampling")


sampling = sampling_of_k_diffusion()
CLASSES = {"DDIM": DDIMScheduler, "Euler": EulerDiscreteScheduler, "Euler a": EulerAncestralDiscreteScheduler,
           "Heun": HeunDiscreteScheduler, "DPM++ 2M": DPMSolverMultistepScheduler,
           "DPM++ 2M SDE": DPMSolverMultistepScheduler, "UniPC": UniPCMultistepScheduler, "LCM": LCMScheduler,
           "LMS": LMSDiscreteScheduler, "PLMS": PNDMScheduler, "DPM++ 2M SDE Heun": DPMSolverMultistepScheduler}
K_DIFFUSION = {"DPM2": "sample_dpm_2", "DPM2 a": "sample_dpm_2_ancestral", "DPM++ 2S a": "sample_dpmpp_2s_ancestral",
               "DPM++ SDE": "sample_dpmpp_sde", "DPM++ 3M SDE": "sample_dpmpp_3m_sde"}
DISCARDS_PENULTIMATE_SIGMA = ("DPM2", "DPM2 a", "DPM++ 3M SDE")
TYPES = {"Uniform": dict(timestep_spacing="linspace"),
         "Karras": dict(timestep_spacing="linspace", use_karras_sigmas=True),
         "Exponential": dict(timestep_spacing="linspace", use_exponential_sigmas=True),
         "SGM Uniform": dict(timestep_spacing="trailing"),
         "DDIM": dict(timestep_spacing="leading", steps_offset=1),           # LCMScheduler is given these timesteps
         "LCM": {},
         "Simple": {},
         "Normal": dict(timestep_spacing="linspace"),
         "Beta": dict(timestep_spacing="linspace", use_beta_sigmas=True),
         "KL Optimal": {},
         "Align Your Steps": {}}
AUTOMATIC = {"DDIM": "DDIM", "Euler": "Uniform", "Euler a": "Uniform", "Heun": "Uniform", "DPM++ 2M": "Karras",
             "DPM++ 2M SDE": "Exponential", "DPM++ 2M SDE Heun": "Exponential", "LMS": "Uniform", "PLMS": "DDIM",
             "UniPC": "Uniform", "LCM": "LCM"}
S, L = "scaled_linear", "linear"
CASES = [("DDIM", "DDIM", S, 25, 0), ("DDIM", "DDIM", S, 1, 0), ("DDIM", "DDIM", S, 45, 0.7),
         ("DDIM", "DDIM", S, 999, 0), ("DDIM", "DDIM", S, 1000, 1),
         ("DDIM", "DDIM", L, 25, 0), ("DDIM", "DDIM", L, 7, 1), ("DDIM", "DDIM", L, 3, 0.3),
         ("DDIM", "SGM Uniform", S, 10, 0),
         ("DDIM", "SGM Uniform", S, 10, 0, "v"), ("DDIM", "SGM Uniform", L, 8, 0.5, "v zero"),
         ("DPM++ 2M", "Uniform", S, 12, 0), ("DPM++ 2M", "Uniform", L, 20, 0), ("UniPC", "Uniform", L, 20, 0),
         ("LCM", "LCM", S, 4, 0), ("LCM", "LCM", L, 7, 0),
         ("LCM", "LCM", L, 1, 0), ("LCM", "LCM", S, 5, 0, "v zero"), ("LCM", "DDIM", L, 20, 0),
         ("UniPC", "Uniform", S, 1, 0), ("UniPC", "Uniform", S, 2, 0), ("DPM++ 2M", "Karras", L, 1, 0),
         ("Euler a", "Karras", L, 8, 0), ("Euler a", "Uniform", S, 9, 0), ("Euler a", "Uniform", L, 9, 0),
         ("Euler a", "SGM Uniform", L, 6, 0, "v zero"), ("Euler", "SGM Uniform", S, 8, 0, "v zero"),
         ("DPM++ 2M", "SGM Uniform", L, 16, 0, "v zero"),
         ("DPM++ 2M SDE", "SGM Uniform", S, 6, 0, "v zero"), ("UniPC", "SGM Uniform", S, 8, 0, "v zero"),
         ("Heun", "SGM Uniform", S, 5, 0, "v")]
CASES += [(name, kind, betas, 10 if betas == S else 9, 0)
          for name in ("Euler", "Heun", "DPM++ 2M", "DPM++ 2M SDE", "UniPC")
          for kind, betas in (("Uniform", S), ("Karras", L), ("Karras", S), ("Exponential", L), ("Exponential", S),
                              ("SGM Uniform", L))]
CASES += [("LMS", "Uniform", S, 10, 0), ("LMS", "Karras", L, 9, 0), ("LMS", "Exponential", S, 4, 0),
          ("LMS", "SGM Uniform", L, 8, 0, "v"),
          ("PLMS", "DDIM", S, 12, 0), ("PLMS", "DDIM", L, 8, 0), ("PLMS", "DDIM", S, 1, 0),
          ("PLMS", "DDIM", L, 2, 0), ("PLMS", "DDIM", S, 3, 0),
          ("DPM++ 2M SDE Heun", "Exponential", S, 10, 0), ("DPM++ 2M SDE Heun", "Karras", L, 9, 0),
          ("DPM++ 2M", "Beta", S, 10, 0), ("Euler", "Beta", L, 9, 0),
          ("Euler", "Beta", S, 30, 0), ("Euler", "Normal", S, 7, 0), ("Euler", "Simple", S, 7, 0),
          ("Euler", "Simple", L, 20, 0), ("Euler", "KL Optimal", S, 9, 0),
          ("Euler", "KL Optimal", L, 6, 0), ("Euler", "Align Your Steps", S, 11, 0),
          ("Euler", "Align Your Steps", S, 25, 0), ("Euler a", "Align Your Steps", S, 7, 0)]
CASES += [(name, kind, betas, 10 if betas == S else 9, eta, special) for name in K_DIFFUSION
          for kind, betas, eta, special in (("Karras", S, 0, ""), ("Exponential", L, 0, ""), ("Uniform", S, 0, "v"),
                                            ("Karras", L, 0.6, "")) if not (name == "DPM2" and eta)]
CASES += [(name, "Karras", S, 2, 0) for name in K_DIFFUSION]
START = torch.tensor([1, -2, 0.5])


def webui_sigmas(kind, n, sigmas):
    """sigmas: those of all timesteps, from the first -> n sigmas of a run, and zero"""
    if kind == "Simple":
        found = [sigmas[-(1 + int(x * (len(sigmas) / n)))] for x in range(n)]
    elif kind == "KL Optimal":
        i = np.arange(n) / n
        found = np.tan(i * np.arctan(sigmas[0]) + (1 - i) * np.arctan(sigmas[-1]))
    else:
        published = [14.615, 6.475, 3.861, 2.697, 1.886, 1.396, 0.963, 0.652, 0.399, 0.152, 0.029]
        found = np.exp(np.interp(np.linspace(0, 1, n), np.linspace(0, 1, 11), np.log(published)))
    return np.append(found, 0)


def scheduler(name, kind, betas, steps, special):
    """-> scheduler with its timesteps set, timesteps"""
    base = dict(beta_start=0.00085, beta_end=0.012, beta_schedule=betas,
                prediction_type="v_prediction" if "v" in special else "epsilon")
    if "zero" in special:
        base["rescale_betas_zero_snr"] = True
    if name == "DDIM":
        base |= dict(clip_sample=False, set_alpha_to_one=betas == L)
    if name.startswith("DPM++ 2M SDE"):
        base |= dict(algorithm_type="sde-dpmsolver++", solver_type="heun" if "Heun" in name else "midpoint")
    if name == "PLMS":
        base |= dict(skip_prk_steps=True, set_alpha_to_one=betas == L)
    if kind in ("Simple", "KL Optimal", "Align Your Steps") and name != "Euler a":
        s = CLASSES[name](**base)
        s.set_timesteps(sigmas=webui_sigmas(kind, steps, ((1 - s.alphas_cumprod) / s.alphas_cumprod).sqrt().numpy()))
        return s, s.timesteps
    if name == "Euler a" and kind in ("Karras", "Align Your Steps"):
        other = scheduler("Euler", kind, betas, steps, special)[0]
        s = EulerAncestralDiscreteScheduler(**base, timestep_spacing="linspace")
        s.set_timesteps(steps)
        s.sigmas, s.timesteps = other.sigmas, other.timesteps
        return s, s.timesteps
    s = CLASSES[name](**base, **({} if name == "LCM" else TYPES[kind]))
    if name in ("DDIM", "LCM") and "zero" in special:
        s.alphas_cumprod[-1] = 2**-24
    if name == "LCM" and kind == "DDIM":
        s.set_timesteps(timesteps=[1 + (1000 // steps) * i for i in range(steps)][::-1])
    else:
        s.set_timesteps(steps)
    return s, s.timesteps


def by_k_diffusion(name, kind, betas, steps, eta, special):
    discards, k = name in DISCARDS_PENULTIMATE_SIGMA, torch.arange(3)
    s = scheduler("Euler", kind, betas, steps + discards, special)[0]
    sigmas, all_sigmas = s.sigmas.double(), ((1 - s.alphas_cumprod) / s.alphas_cumprod).sqrt().double()
    times = {float(sigma): float(t) for sigma, t in zip(sigmas, s.timesteps)}
    if discards:
        sigmas = torch.cat([sigmas[:-2], sigmas[-1:]])
    seen, first = [], {}                        # x of every call, in the scale of the model

    def model(x, sigma):                        # x in the scale of sigmas -> the predicted x0
        sigma, x = sigma[0], x[0]
        t = times.get(float(sigma), float(s._sigma_to_t(np.array(float(sigma)), np.log(all_sigmas.numpy()))))
        seen.append(x / (sigma ** 2 + 1) ** 0.5)
        output = torch.sin(seen[-1] + t / 100 + k)
        return ((seen[-1] - sigma * output) / (sigma ** 2 + 1) ** 0.5 if special else x - sigma * output)[None]

    def noise_sampler(sigma, sigma_next):
        c = len(seen) - 1
        noise = torch.cos((k + 4 * c).double())
        if name != "DPM++ SDE":
            return noise
        if c % 2 == 0:
            first["noise"], first["middle"] = noise, sigma_next
            return noise
        half = (sigma - first["middle"]) / (sigma - sigma_next)
        return half ** 0.5 * first["noise"] + (1 - half) ** 0.5 * noise

    more = {} if name == "DPM2" else dict(noise_sampler=noise_sampler, eta=eta or 1)
    end = getattr(sampling, K_DIFFUSION[name])(model, (START.double() * sigmas[0])[None], sigmas, disable=True, **more)
    return torch.stack(seen[1:] + [end[0]]).numpy()


def trajectory(name, kind, betas, steps, eta=0, special=""):
    if name in K_DIFFUSION:
        return by_k_diffusion(name, kind, betas, steps, eta, special)
    s, times = scheduler(name, kind, betas, steps, special)
    sigmas = s.sigmas if name in ("Euler", "Euler a", "Heun", "LMS") else None
    x, out = START * s.init_noise_sigma, []
    for c, t in enumerate(times):
        if c == 0 and t > 999:                  # of 1000 steps of DDIM the first begins at 1000: it is left out
            out.append(x)
            continue
        k = torch.arange(3)
        noise = torch.cos((k + 4 * c).double()).float()
        for module in (DPMSolverMultistepScheduler, EulerAncestralDiscreteScheduler, LCMScheduler):
            __import__(module.__module__, fromlist=["x"]).randn_tensor = lambda *_, noise=noise, **__: noise
        seen = s.scale_model_input(x[None], t)[0]
        output = torch.sin(seen.double() + float(t) / 100 + k).float()
        more = dict(eta=eta, variance_noise=noise[None] if eta else None) if name == "DDIM" else {}
        x = s.step(output[None], t, x[None], **more).prev_sample[0]
        out.append(x / (sigmas[c + 1] ** 2 + 1) ** 0.5 if sigmas is not None else x)
    return torch.stack(out).double().numpy()


def main():
    with open(os.path.join(os.path.dirname(os.path.abspath(__file__)), "golden", "sampler.inc"), "w") as out:
        out.write("/* by tests/golden_sampler.py: sampler, schedule type, betas, steps, eta, v-prediction, zero SNR, "
                  "x after so many calls */\n")
        for case in CASES:
            name, kind, betas, steps, eta = case[:5]
            special = case[5] if len(case) > 5 else ""
            x = trajectory(name, kind, betas, steps, eta, special)
            assert np.isfinite(x).all(), case
            every = max(1, len(x) // 40)                  # of the longest, some calls and the last
            kept = [i for i in range(len(x)) if i % every == every - 1 or i == len(x) - 1]
            rows = ",\n      ".join("{ %d, { %s } }" % (i, ", ".join("%.8g" % v for v in x[i])) for i in kept)
            out.write('    { "%s", "%s", %s, %d, %g, %d, %d, %d, (const Row[]){\n      %s } },\n'
                      % (name, kind, betas.upper(), steps, eta, "v" in special, "zero" in special, len(kept), rows))


if __name__ == "__main__":
    main()
