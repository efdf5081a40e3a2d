/* job.h - a drawing job: everything that decides what is drawn, as plain values.
 *
 * The command line and prompt files fill it in (settings.c), and generate.c carries it out.  A job begins as all zero:
 * a zero field stands for its default, and generate() writes the chosen value back.  Strings and lists belong to the
 * caller and must stay in place while the job runs. */
#ifndef JOB_H
#define JOB_H

#include <stddef.h>
#include <stdint.h>

/* A LoRA file and its strengths in the text encoder, and in UNet and motion module: <lora:name:unet>. */
typedef struct {
    const char *path;
    float       text, unet;
} LoraUse;

typedef struct {
    /* what is drawn */
    const char *prompt, *negative;       /* UTF-8; NULL is empty */
    int         width, height;           /* pixels, multiples of 8; 0: the size that the model was trained at */
    int         frames;                  /* 1 is a still; 0: 16 with a motion module, else 1 */
    double      fps;                     /* frames a second; 0: 8 */
    uint64_t    seed;

    /* with which weights */
    const char *model;                   /* path of a Stable Diffusion 1.x checkpoint; required */
    const char *vae;                     /* path; NULL: the checkpoint's own */
    const char *motion;                  /* path of a motion module; NULL: none, which makes a still */
    const char *merges;                  /* path of CLIP's merges.txt; required */
    const LoraUse *lora;
    size_t      loras;
    const char *const *embedding;        /* paths of textual inversion embeddings that the prompts may name.  Those that
                                            no prompt names are never opened. */
    size_t      embeddings;

    /* how it is sampled */
    const char *sampler, *schedule;      /* names, see sampler.h; NULL: DDIM, Automatic */
    int         steps;                   /* 1..1000; 0: 25 */
    double      cfg;                     /* scale of classifier-free guidance; 0: 7.5 */
    double      cfg_rescale;             /* CFG rescale: phi of Lin et al., 2024, 0..1; 0: none */
    double      eta;                     /* how much noise a step adds, 0..1; 0: the sampler's default; -1: none */
    int         clip_skip;               /* counted as the web UI does, from 1 (the last layer); 0: 1 */
    const char *rng;                     /* "CPU": torch's CPU generator; "NV": the web UI's Philox, frame i from
                                            seed + i; NULL: CPU */
    const char *prediction;              /* "epsilon" or "v"; NULL: what the model's file says, or epsilon */
    const char *noise_schedule;          /* "Default", "Zero Terminal SNR"; NULL: what the file says, or Default */
    const char *precision;               /* "f32"; "bf16": products and attention in bf16, sums in float32; NULL: f32 */
    int         threads;                 /* 0: as many as there are cores */

    /* clips longer than the motion module can take at once: context windows, see context_windows.h */
    int         context;                 /* frames of a window; 0: 16 */
    int         stride;                  /* the largest stride of windows, see context_windows.h; 0: 1 */
    int         overlap;                 /* frames that two windows share; 0: a quarter of a window; -1: none */
    const char *loop;                    /* closed loop: "N", "R-P", "R+P" or "A"; NULL: N */

    /* img2img, and a second pass (hires fix) */
    const char *init;                    /* path of a picture that every frame begins as (img2img); NULL: noise alone */
    double      strength;                /* denoising strength of init and of the second pass, up to 1; 0: 0.75 */
    double      hires;                   /* a second pass, at this many times the size, up to 8; 0: none */
    int         hires_steps;             /* 0: as many as steps */
    const char *upscaler;                /* of the second pass: "Latent" or "Latent (nearest)"; NULL: Latent.  Another
                                            name is reported and replaced by Latent. */
} Job;

#endif
