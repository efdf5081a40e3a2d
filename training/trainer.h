/* trainer.h - a training job while it runs, and the parts that train.c puts together:
 *     train_setup.c      model, pictures, initial parameters
 *     train_plan.c       steps, memory, time, and what is said of them
 *     train_resume.c     what a job depends on, and resuming it
 *     train_validation.c how alike it becomes, measured on held-out pictures
 *     train_outputs.c    every file that training writes
 *     train_paths.c      what those files are called
 *
 * All of them fail with a message, and say what they do through the callbacks. */
#ifndef TRAINER_H
#define TRAINER_H

#include "dataset.h"
#include "generate.h"
#include "model_spec.h"
#include "optimizer.h"
#include "training_job.h"

typedef struct { double sum; size_t count; } LossSum;

typedef struct {
    Arena                *mem;
    const TrainingJob    *job;
    const TrainingConfig *config;        /* the job's; once the model is open, with what it fills in */
    const Callbacks      *callbacks;
    Machine               machine;
    Run                   run;
    uint64_t              seed;
    ModelSpec             spec;          /* what the model was made for */
    const char           *recipe;        /* the options that came from there, see model_recipe.h */
    double                usual_rate;    /* the learning rate when none is given */
    int                   clip_skip;
    int                   side;          /* of the pictures, in pixels */
    Subsets               subsets;       /* the folders of pictures, at least one */
    const char           *word;          /* of textual inversion, alone or beside a LoRA; NULL: none */

    Dataset               dataset;
    Objective             objective;
    Trainable            *trainable;
    Optimizer            *optimizer;

    size_t                keys_scaled;   /* of --scale_weight_norms, in the last step */
    double                mean_norm;
    int                   steps;         /* in all */
    float                *loss;          /* [steps] as far as they are done; NaN: left out */
    TrainingProgress     *progress;      /* where the job stands */
    TrainingProgress     *safe;          /* where it stood after the last whole step */
    Validation            validation;
    LossSum               zero_loss;     /* that of a prediction of nothing, over the examples so far */
    int                   is_break_said; /* that learning breaks, or that a loss was not finite */
    Plan                  sampling;      /* memory: what the largest of the samples takes; mapped: of it, the weights */
    TrainingState         state;
    const WeightFile     *resumed;       /* the state that it goes on from; NULL: it begins anew */
} Trainer;

/* ---- train_setup.c, in the order of the calls ---------------------------------------------------- */

void trainer_open_model(Trainer *t);         /* weights, picture size, the word's name */
void trainer_check_model(Trainer *t);        /* fails when a tensor is missing or does not fit */
void trainer_check_samples(Trainer *t);      /* fails when a sample image could not be drawn; completes the prompts */
void trainer_find_photos(Trainer *t);        /* finds and surveys pictures, draws missing class images */
void trainer_begin(Trainer *t);              /* trainable parameters as before the first step; the random generator */

/* ---- train_plan.c ---------------------------------------------------------------------------------- */

size_t trainer_epoch(const Trainer *t);      /* steps in which all pictures are seen */
void   trainer_count_steps(Trainer *t);      /* steps in all, and the room for losses and progress */
size_t trainer_count_validations(const Trainer *t);      /* how many measurements of held-out pictures a job makes */
int    trainer_validates_at(const Trainer *t, size_t step);      /* is there one after this step? */
size_t trainer_trim(Trainer *t);             /* gives back what encoding took, and returns how many bytes that was */
void   trainer_say_plan(Trainer *t, size_t encoding);      /* encoding: what trainer_trim() returned */

/* ---- train_resume.c -------------------------------------------------------------------------------- */

void trainer_open_state(Trainer *t);         /* opens the state of --resume; takes its seed unless one was asked for */
void trainer_identify(Trainer *t);           /* lists what the result depends on; fails unless an open state agrees */
void trainer_resume(Trainer *t);             /* goes on from the state, after everything random before the first step */
void trainer_set_aside(Trainer *t);          /* renames the state of another job that this one would overwrite */
const char *trainer_job_id(Trainer *t);      /* a number for all that the result depends on, as text */

/* ---- train_validation.c ----------------------------------------------------------------------------- */

void   trainer_validate(Trainer *t);         /* measures and tells, where that is wanted at this step; keeps the best */
void   trainer_say_best(Trainer *t, TrainedFiles result);      /* at the end: which step was best, and where it is */

/* ---- train_outputs.c ------------------------------------------------------------------------------- */

void trainer_check_room(Trainer *t);         /* fails when a file that will be written cannot be */
TrainedFiles trainer_save(Trainer *t);       /* the result, elsewhere when it must be; returns where */
void trainer_save_curve(Trainer *t);         /* warns when it cannot be saved, as do all below */
void trainer_save_state(Trainer *t);         /* where the job stood after the last whole step */
const char *trainer_keep_state(Trainer *t);  /* saves the state of a job that ends early; returns what to say of it */
void trainer_draw_samples(Trainer *t);       /* of the result */
void trainer_save_periodically(Trainer *t);  /* what the configuration wants saved after this step */
void trainer_save_best(Trainer *t);          /* what is learned so far, as OUT-best */
void trainer_delete_best(Trainer *t);        /* where this job saved it */
void trainer_sample_periodically(Trainer *t);      /* the same for sample images */

/* ---- train_paths.c; all in the arena ---------------------------------------------------------------- */

const char *trainer_stem(Arena *a, const char *path);      /* a path without its folder and its ending */
const char *trainer_state_path(Trainer *t);
const char *trainer_class_path(Trainer *t);                /* the folder of class images */
const char *trainer_curve_path(Trainer *t);
/* `what` stands behind OUT: "" for the result, "-000001" for the result of an epoch.  NULL: there is none of this
 * kind. */
const char *trainer_path(Trainer *t, const char *what);
const char *trainer_lora_path(Trainer *t, const char *what);
const char *trainer_embedding_path(Trainer *t, const char *what);
extern const char trainer_best[];                          /* "-best" */
const char *trainer_after_epoch(Trainer *t, size_t epoch); /* "-000001" */
const char *trainer_after_step(Trainer *t, size_t step);   /* "-step00000001" */

#endif
