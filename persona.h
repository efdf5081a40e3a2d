/* persona.h - the library: draw pictures, and train LoRAs, from another program.
 *
 * `make lib` makes libpersona.a (and libpersona.so); this is the only header of it.  C and C++ programs may include it.
 * docs/embedding.md has an example.
 *
 *   - Nothing is global: any number of jobs may run at once, each in a thread of its own.
 *   - A function that can fail returns a status, and writes the reason into message[PERSONA_MESSAGE], which may be
 *     NULL.  It never ends the program, and prints nothing.
 *   - A struct that is all zero is a valid start: a zero field means "choose what is usual".
 *   - Texts are UTF-8.  Strings and lists belong to the caller, and must stay while the function runs. */
#ifndef PERSONA_H
#define PERSONA_H

#include <stddef.h>
#include <stdint.h>

#ifdef __cplusplus
extern "C" {
#endif

#if defined __GNUC__
#define PERSONA_API __attribute__((visibility("default")))
#else
#define PERSONA_API
#endif

#define PERSONA_VERSION_MAJOR 1
#define PERSONA_VERSION_MINOR 0
#define PERSONA_VERSION_PATCH 0
#define PERSONA_VERSION "1.0.0"

/* The version of the library that is linked; the macros are those of this header. */
PERSONA_API const char *persona_version(void);

/* ---- a drawing job ----------------------------------------------------------------------------- */

/* A LoRA file and its strengths in the text encoder, and in UNet and motion module: <lora:name:text:unet>. */
typedef struct persona_lora {
    const char *path;
    float       text, unet;
    const char *how;                     /* by block, step and frame: what a tag has behind its strengths, "lbw=IND" */
} persona_lora;                          /* or "unet=0@0,1@0.5"; NULL: the same everywhere */

/* A file in memory.  Wherever a path is this name, these bytes are read and no file on a disk. */
typedef struct persona_file {
    const char *name;
    const void *data;
    size_t      size;                    /* bytes */
} persona_file;

/* Everything that decides what is drawn. */
typedef struct persona_job {
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
    const persona_lora *lora;
    size_t      loras;
    const char *const *embedding;        /* paths of textual inversion embeddings that the prompts may name; */
    size_t      embeddings;              /* those they do not name are never opened */

    /* how noise is taken away */
    const char *sampler, *schedule;      /* names, see sampler.h; NULL: DDIM, Automatic */
    int         steps;                   /* 1..1000; 0: what the model says, or 25 */
    double      cfg;                     /* scale of classifier-free guidance; 0: what the model says, or 7.5 */
    double      cfg_rescale;             /* 0..1, phi of Lin et al., 2024; 0: none */
    double      eta;                     /* share of fresh noise, 0..1; 0: what the sampler usually takes; -1: none */
    int         clip_skip;               /* counted as the web UI does, from 1, the last layer; 0: the model's, or 1 */
    const char *rng;                     /* "CPU": torch's CPU generator; "NV": the web UI's Philox, frame i from
                                            seed + i; NULL: CPU */
    const char *prediction;              /* "epsilon" or "v"; NULL: what the model's file says, or epsilon */
    const char *noise_schedule;          /* "Default", "Zero Terminal SNR"; NULL: what the file says, or Default */
    const char *precision;               /* "f32"; "bf16": products and attention in bf16, sums in float32; NULL: f32 */
    int         threads;                 /* 0: as many as there are cores */

    /* clips longer than the motion module holds: context windows, see context_windows.h */
    int         context;                 /* frames of a window; 0: 16 */
    int         stride;                  /* 0: 1 */
    int         overlap;                 /* frames; 0: a quarter of a window; -1: none */
    const char *loop;                    /* closed loop: "N", "R-P", "R+P" or "A"; NULL: N */
    const char *motion_strength;         /* how much moves: "0.5", or frame by frame "0: 0.5, 8: 1.5"; NULL: 1 */

    /* from a picture, and a second pass */
    const char *init;                    /* path of a picture that every frame begins as (img2img), or of a clip, which
                                            it begins as frame by frame; NULL: noise alone */
    const char *mask;                    /* what of init is drawn anew: a picture, white there; "alpha": where init is
                                            transparent; or a box "LEFT,TOP,RIGHT,BOTTOM"; NULL: all of it */
    double      mask_blur;               /* sigma of its soft edge, pixels; 0: 4; -1: none */
    const char *mask_mode;               /* "Inpaint masked", "Inpaint not masked": what is black is drawn; NULL: the
                                            first */
    const char *masked_content;          /* what is drawn anew begins as "original", "latent noise" or "latent nothing";
                                            NULL: original */
    double      strength;                /* denoising strength of init and of the second pass, up to 1; 0: 0.75 */
    const char *last;                    /* path of the picture that a clip ends as; init is the first; NULL: none */
    double      last_strength;           /* its denoising strength, up to 1; 0: that of init */
    double      latent_power, latent_scale;              /* how init fades, see last_image.h; 0: 1, 32 */
    double      latent_power_last, latent_scale_last;    /* and last, from the other end; 0: 1, 32 */
    double      hires;                   /* a second pass at so many times the size, up to 8; 0: none */
    int         hires_steps;             /* 0: as many as steps */
    const char *hires_upscaler;          /* of the second pass: "Latent" or "Latent (nearest)" of latents; "Lanczos",
                                            "Nearest" or the path of an SRVGGNetCompact or RRDBNet of pictures; NULL:
                                            Latent; another becomes Latent, and that is said */

    /* the finished picture, made larger */
    const char *upscaler;                /* path of an SRVGGNetCompact or RRDBNet, or "Lanczos", "Nearest" or "None";
                                            NULL: what the model's file names (a file beside it, or in memory one
                                            of that name), or none */
    char        own_upscaler[256];       /* written: the name of the upscaler beside the model, where it was taken */
    double      upscale_by;              /* so many times as large, up to 8; 0: the network's own scale, or 2 */

    /* the face once more, see face_pass.h */
    double      face_pass;               /* denoising strength of drawing it anew, larger, up to 1; 0: not */
    const char *face_prompt;             /* what is drawn there; NULL: as prompt */

    /* read by the functions of this header alone */
    const persona_file *file;            /* files in memory: weights, merges.txt, pictures */
    size_t      files;
    int         keep_latents;            /* persona_generate returns the final latents, too */
} persona_job;

/* ---- what happens meanwhile -------------------------------------------------------------------- */

/* Each function may be NULL.  They are called from the thread that runs the job, and must return: no exception of C++
 * and no longjmp may leave them. */
typedef struct persona_callbacks {
    void *to;                            /* passed to each of them */
    /* A message: what was loaded and chosen, the plan, a warning. */
    void (*message) (void *to, const char *line);
    /* stage: "step" ("pass", where a step takes several) or "frame".  done counts from 0. */
    void (*progress)(void *to, const char *stage, int done, int of);
    /* The picture so far, a pixel for each latent.  rgb: [frames,height,width,3], valid until this returns. */
    void (*preview) (void *to, const unsigned char *rgb, int frames, int width, int height);
    /* Called before each layer.  Returns nonzero to cancel the job, which then ends as PERSONA_CANCELLED. */
    int  (*cancel)  (void *to);
} persona_callbacks;

typedef enum persona_status {
    PERSONA_OK = 0,
    PERSONA_FAILED = 1,                  /* a missing or broken file, a setting that is not allowed, ... */
    PERSONA_CANCELLED = 2,
    PERSONA_OUT_OF_MEMORY = 3
} persona_status;

enum { PERSONA_MESSAGE = 16384 };        /* bytes of a message, with its NUL */

/* ---- to draw ----------------------------------------------------------------------------------- */

typedef struct persona_pictures {
    int            frames, width, height;
    unsigned char *rgb;                  /* [frames,height,width,3], sRGB, rows from the top */
    float         *latents;              /* [frames,height/8,width/8,4]; NULL unless the job has keep_latents */
} persona_pictures;

/* Draws.  Zero fields of the job receive what was chosen.  callbacks may be NULL.  Of a failure the pictures are all
 * zero; otherwise persona_pictures_free() frees them. */
PERSONA_API persona_status persona_generate(persona_job *job, const persona_callbacks *callbacks,
                                            persona_pictures *pictures, char *message);
PERSONA_API void persona_pictures_free(persona_pictures *pictures);      /* and sets all to zero */

/* What a job takes, and what comes of it. */
typedef struct persona_plan {
    size_t memory;                       /* bytes of the stage that needs most */
    size_t mapped;                       /* of these, mapped weights, which the system may drop and read again */
    double operations;                   /* of floating point numbers */
    double seconds;                      /* about, on this machine as busy as it is now */
    int    passes;                       /* calls of the UNet, as progress counts them */
    int    frames, width, height;
} persona_plan;

/* Everything up to the first step of work: files are found, shapes fit, LoRAs are matched.  Fails as persona_generate
 * does, and writes to the job as it does. */
PERSONA_API persona_status persona_check(persona_job *job, const persona_callbacks *callbacks, persona_plan *plan,
                                         char *message);

/* ---- to train ---------------------------------------------------------------------------------- */

/* Trains a LoRA, or an embedding, and writes it to `out`, a path that ends in .safetensors.
 *   photos   a folder of pictures, with captions beside them (a.jpg, a.txt)
 *   job      what counts of it: model, vae, merges, clip_skip, seed, threads, precision, files, and prompt for
 *            pictures without a caption.  With the option resume, seed 0 keeps the seed of the job that is resumed.
 *   option   [options], named as those of kohya's trainer: "network_dim=16", "method=dreambooth", "flip_aug".
 *            ./persona train --help lists them; sample_prompts and its sample_every_n_* are for the program alone.
 * A job that is cancelled after its first step has begun leaves its state beside `out`, and the message says where.
 * When `out` cannot be written any more at the end, what was learned is saved beside the pictures, in the current
 * folder or in that of temporary files; the status is PERSONA_FAILED, and the message says where. */
PERSONA_API persona_status persona_train(const char *photos, const char *out, const persona_job *job,
                                         const char *const *option, size_t options,
                                         const persona_callbacks *callbacks, char *message);

/* ---- files of pictures ------------------------------------------------------------------------- */

/* Encodes [frames,height,width,3] as an animated GIF.  comment: UTF-8, to be stored in it; NULL: none.  *size receives
 * its bytes.  Returns the file, for persona_free(); NULL when out of memory or when an argument is out of range. */
PERSONA_API unsigned char *persona_gif_encode(const unsigned char *rgb, int frames, int width, int height, double fps,
                                              const char *comment, size_t *size);

/* Encodes [height,width,3] as a PNG.  parameters: UTF-8, stored where the web UI stores its settings; NULL: none.  The
 * rest is as in persona_gif_encode. */
PERSONA_API unsigned char *persona_png_encode(const unsigned char *rgb, int width, int height, const char *parameters,
                                              size_t *size);

PERSONA_API void persona_free(void *memory);      /* what the two above returned; NULL is fine */

#ifdef __cplusplus
}
#endif
#endif
