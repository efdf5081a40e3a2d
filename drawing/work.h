/* work.h - a drawing job while it runs, and the parts that generate.c puts together:
 *     job_faults.c       collects what is wrong
 *     job_settings.c     what the settings mean: defaults, sampler, windows, img2img, the second pass
 *     job_files.c        opens the files: model, VAE, motion module, LoRAs, words
 *     job_upscaling.c    which upscalers it has
 *     job_plan.c         memory and time, and what is said of a job before it begins
 *     going_on.c         how far a job is, kept and taken up again
 *
 * Checks that do not depend on each other are tried one by one, and all that is wrong is told together.  What is wrong
 * is then left out: a VAE that cannot be opened must not hide a LoRA of another model. */
#ifndef WORK_H
#define WORK_H

#include "attention_maps.h"
#include "attention_pictures.h"
#include "callbacks.h"
#include "clip_identity.h"
#include "clip_state.h"
#include "denoise.h"
#include "faults.h"
#include "image.h"
#include "init_clip.h"
#include "inpainting.h"
#include "model_spec.h"
#include "motion.h"
#include "plan.h"
#include "text.h"
#include "upscaling.h"

enum { DEFAULT_FRAMES = 16, DEFAULT_STEPS = 25, DEFAULT_CONTEXT = 16, LARGEST_SIDE = 8192, MOST_UPSCALING = 8 };

/* The face drawn anew (face_pass.c). */
typedef struct {
    Denoising               look;            /* the calls that find it */
    Denoising               denoising;       /* those that draw it */
    const TokenizedPrompts *sought, *drawn;
    const char             *word;            /* what it is found by */
    int                     side;            /* pixels of the square that it is drawn at */
    AttentionMaps           maps;
} FacePass;

typedef struct {
    Arena                  *mem;
    Job                    *job;
    Job                     asked;           /* the job as it came: a field that is zero has its default in `job` */
    ModelSpec               spec;            /* what the model was made for */
    const Callbacks        *callbacks;
    Machine                 machine;
    Run                     run;
    MotionKind              motion;
    const TokenizedPrompts *text;
    InitClip                init_clip;       /* img2img: what it begins as; .count 0: nothing that can be read */
    Picture                 init;            /* the same at the size of the first pass; of a clip, the first frame */
    PixelSize               init_size;       /* of its first frame, as its file has it */
    int                     init_frames;     /* how many there are, one behind the other: 1; one for each frame; or 2
                                                with has_last */
    AttentionMaps          *maps;            /* of the first pass; NULL: none are wanted */
    Mask                    mask, soft_mask; /* inpainting: what of init is drawn anew, and the same with its blur */
    Denoising               denoising;       /* the first pass */
    Denoising               hires;           /* the second pass (hires fix) */
    Upscaling               upscaling;       /* of the finished picture */
    Upscaling               enlarging;       /* of the first pass's pictures, before the second; NOT_UPSCALED: latents
                                                are enlarged */
    const char             *own_upscaler;    /* the path of the model's own upscaler, where it is taken; else NULL */
    FacePass                face;
    double                  next_preview;    /* no preview before this time */
    size_t                  planned;         /* dry run: bytes of the stage that needs most, mapped weights counted */
    size_t                  mapped;          /* dry run: bytes of that stage's mapped weights */
    double                  ops_before[FRAMES + 2];      /* dry run: operations before each stage, and of all */
    ClipState              *state;           /* where it is kept how far the job is; NULL: nowhere */
    ClipIdentity           *identity;
    ClipBounds              bounds;
    ClipPosition            at;              /* how far it is */
    const DenoisingState   *denoised;        /* how far a pass is, while one is under way */
    Weights                *weights;         /* those of run, as files are added */
    double                  ops;             /* dry run: floating point operations */
    Faults                 *faults;          /* everything that is wrong with the job */
    int                     has_model, has_vae, has_init, has_last, has_hires, has_face;    /* is there, in order */
    int                     is_run_dry;      /* every layer has asked for its weights */
} Work;

/* ---- job_faults.c ---- */

/* Runs check(w); -1: it failed, and its message is among the faults. */
int  job_try(Work *w, void (*check)(void *work));
void job_fault(Work *w, const char *what);
/* Was the file of this path not found?  That was told. */
int  is_unfound(const char *path);

/* ---- job_settings.c ---- */

/* Checks what does not depend on the files, and fills in the defaults that do not either.  Returns 0 when the job makes
 * no sense, whatever the files hold. */
int  job_check(Work *w);
void job_fill_from_model(Job *j, const ModelSpec *m);    /* the defaults that are the model's, or else usual */
void job_choose_sampler(void *work);                     /* sampler, schedule type, steps, eta */
void job_choose_prediction(Work *w);                     /* what the model predicts, and its zero terminal SNR */

/* most: how many frames the motion module can take.  A clip of up to that many frames is one window, unless the job
 * sets another length (Context). */
void job_choose_windows(Work *w, int most);
void job_choose_motion_strength(Work *w);
void job_choose_one_window(Work *w);     /* without a motion module, so that the rest can be checked */
void job_find_init(Work *w);             /* img2img: a picture, or a clip of how many frames */
int  job_usual_frames(const Work *w);    /* the frames of a clip, where nobody says how many */
void job_choose_init(Work *w);           /* the rest of it */
void job_choose_mask(Work *w);           /* inpainting */
void job_choose_hires(Work *w);          /* the second pass */
int  job_hires_side(const Job *j, int side);             /* width or height of what is decoded, pixels */
void job_say_without_effect(Work *w);    /* settings that have no effect in this job, because they expect one */

/* ---- last_image.c ---- */

double job_init_strength(const Job *j);  /* at which the run begins: that of the picture of which less is drawn anew */
void   job_choose_last(Work *w);         /* what a clip ends as, behind job_choose_init() */

/* ---- job_files.c ---- */

void job_load(Work *w);                  /* opens all files, and chooses all that depends on them */
void job_load_text(Work *w);             /* tokenizes the prompts */

/* ---- job_upscaling.c ---- */

void job_choose_size(Work *w);           /* the size to draw at, and whether the model's own upscaler is taken */
void job_choose_upscaler(Work *w);       /* opens the upscaler of the finished picture */
void job_choose_enlarging(Work *w);      /* opens that of the second pass */
int  job_upscales_to_nearest(const Job *j);              /* the second pass enlarges latents so, else smoothly */
int  job_result_side(const Work *w, int side);           /* width or height of the result, pixels */
/* The size of the frames that are kept.  Where the face is drawn anew, it is on them, and they are upscaled after. */
PixelSize job_decoded_size(const Work *w);

/* ---- job_plan.c ---- */

const char *job_files_used(Work *w);     /* "model.safetensors with module.safetensors and face.safetensors" */
Plan job_plan(Work *w);                  /* says what was chosen, and returns what it takes */

/* ---- going_on.c ---- */

/* Looks for a state of this job, and takes it up.  Fails when the disk has no room for the result and two states. */
void   job_take_up_state(Work *w, const Plan *plan);
double job_ops_done(Work *w);            /* the operations that a job saves which goes on */
/* What the words became is known now: a state that was made with other vectors is another job's. */
void   job_check_conditioning(Work *w, const Conditioning *conditioning);
int    job_is_past(const Work *w, ClipStage stage);             /* 1: the job goes on behind this stage */
int    job_goes_on(Work *w, ClipStage stage, DenoisingState *at);    /* 1: this stage is over already */
void   job_keep(Work *w);                /* writes how far the job is */
void   job_keep_if_due(Work *w);
/* Runs a stage of the work.  When it is interrupted, or has no memory, keeps how far it came. */
void   job_run_stage(Work *w, void (*run)(void *stage), void *stage);

#endif
