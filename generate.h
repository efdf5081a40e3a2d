/* generate.h - a job in, frames out.  The way in for a program that embeds persona: see README. */
#ifndef GENERATE_H
#define GENERATE_H

#include "lora.h"
#include "sampler.h"
#include "context_windows.h"
#include <signal.h>

typedef struct {
    const char *prompt, *negative;       /* UTF-8; NULL is empty */
    const char *model;                   /* path of an SD 1.x checkpoint; required */
    const char *vae, *motion;            /* paths; NULL: the checkpoint's own, a still */
    const char *merges;                  /* path of CLIP's merges; required */
    const LoraUse *lora;  size_t loras;
    const char *const *embedding;  size_t embeddings;      /* paths of those that the prompts may name; what is wrong with the others is no matter */
    int      width, height, frames;      /* pixels, multiples of 8; 0: what suits the model and module */
    int      steps, clip_skip, threads;  /* 0: 25, 1, all cores */
    double   cfg, eta, fps;              /* guidance, fresh noise; 0: 7.5, what the sampler usually takes, 8; eta -1: none */
    uint64_t seed;
    const char *sampler, *schedule;      /* names, see sampler.h; NULL: DDIM, Automatic */
    const char *rng;                     /* "CPU": torch's, or "NV": the web UI's, a seed for each frame; NULL: CPU */
    const char *prediction;              /* "epsilon" or "v" (or "v_prediction"); NULL: what the model's file says, or else epsilon */
    const char *noise_schedule;          /* "Default" or "Zero Terminal SNR"; NULL: what the model's file says, or else the default */
    double   cfg_rescale;                /* 0..1 */
    int      context, stride, overlap;   /* windows over clips longer than the module holds, see windows.h; 0: 16 frames, 1, a quarter of them; overlap -1: none */
    const char *loop;                    /* "N", "R-P", "R+P" or "A", see windows.h; NULL: N */
    const char *init;                    /* path of a picture that every frame begins as; NULL: noise alone */
    double   strength;                   /* how much of a picture is drawn anew, up to 1: of init, and of the first pass; 0: 0.75 */
    double   hires;                      /* a second pass at so many times the size, up to 8; 0: none */
    int      hires_steps;                /* 0: as many as steps */
    const char *upscaler;                /* of its latents: "Latent" or "Latent (nearest)", others are told and become the first; NULL: Latent */
    const char *precision;               /* "f32", or "bf16": products and attention in bf16, sums in float32; NULL: f32 */
} Job;

typedef struct { int frames, width, height; unsigned char *rgb; } Pictures;      /* rgb: [frames,height,width,3] in the arena */

typedef struct {                         /* what the caller wants to hear; every part may be NULL */
    void *to;
    void (*say)     (void *to, const char *line);                             /* what was loaded and chosen, then the plan */
    void (*progress)(void *to, const char *stage, int done, int of);          /* "step" ("pass", where steps take several) and "frame", done from 0 */
    void (*note)    (void *to, const char *words);                            /* what to show beside the progress from now on: "loss 0.1034, rate 0.0001" */
    void (*preview) (void *to, Pictures small);                               /* what it comes to so far, a pixel for each latent; at most a hundredth of the time */
    void (*probe)   (void *to, const char *layer, Tensor output);             /* every named layer's output, for tests */
    const volatile sig_atomic_t *stop;                                        /* set it, and the job fails with "interrupted" before its next layer */
} Watch;

/* Tell it, if it wants to hear; w may be NULL. */
void watch_say     (const Watch *w, const char *fmt, ...) __attribute__((format(printf, 2, 3)));
void watch_progress(const Watch *w, const char *stage, int done, int of);
void watch_note    (const Watch *w, const char *fmt, ...) __attribute__((format(printf, 2, 3)));

/* Draws.  Fills in the job's zero fields with what was chosen.  All memory comes from the arena and
 * only the pictures stay taken.  Fails with a message; call it inside attempt(). */
Pictures generate(Arena *a, Job *job, const Watch *watch);

/* What a job takes, and what comes of it. */
typedef struct {
    double ops;                          /* operations, as machine_speed counts them */
    size_t memory, mapped;               /* bytes of the stage that needs most, and of its weights */
    int    passes;                       /* steps, as progress counts them, of both passes */
    int    frames, width, height;
    int    threads, bf16;
} Plan;

/* Everything up to the first step of work: files found, shapes right, LoRA matched. */
Plan generate_check(Arena *a, Job *job, const Watch *watch);

/* "plan: 0.05 GB of memory (...), about 3 s on 2 threads", as fast as the machine is now */
void plan_say(Arena *a, const Plan *plan, const Watch *watch);

/* "DDIM, Euler or LCM", from names by number up to NULL */
char *names_of(Arena *a, const char *(*name)(int));

#endif
