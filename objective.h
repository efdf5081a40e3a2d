/* objective.h - the training objective: what a step of training minimises.  objective.c states it, with sources. */
#ifndef OBJECTIVE_H
#define OBJECTIVE_H

#include "checkpoint.h"
#include "loss.h"
#include "nn.h"
#include "noise.h"
#include "random.h"
#include "sampler.h"

/* One training example: x0 and its caption, and the noise and timestep of this step. */
typedef struct {
    const int   *ids;                /* [texts,77] token numbers of the caption; NULL: it is encoded already, in text */
    Tensor       text;               /* [1,1,tokens,width] hidden states, by a text encoder that is not trained */
    int          texts;              /* chunks of 77 tokens in ids */
    int          joins_chunks;       /* 1: with one begin and one end for all of them, see clip_join_chunks() */
    int          clip_skip;          /* as in clip.h */
    Tensor       latents;            /* x0 [1,h,w,4] */
    const float *noise;              /* eps, laid out as the latents */
    const float *perturbation;       /* what x_t has on top of eps (ip_noise_gamma); NULL: nothing */
    const float *mask;               /* [h,w] how much each place counts, 0 to 1; NULL: all alike */
    int          timestep;           /* t, 0 .. 999 */
    float        alpha_bar;          /* of t */
    Loss         loss;               /* of t; zero: l2 */
    int          is_class_image;     /* 1: a class image of prior preservation */
} TrainingExample;

/* What the objective depends on, by the names of kohya's options. */
typedef struct {
    double min_snr_gamma;                        /* 0: every timestep counts alike */
    double prior_loss_weight;                    /* of class images */
    int    debiased_estimation_loss;             /* 1: weigh by 1 / sqrt(snr) */
    int    min_timestep, max_timestep;           /* t is drawn from min_timestep .. max_timestep - 1; 0, 0: from all */
    NoiseConfig noise;
    LossConfig  loss;
    int    train_batch_size;                     /* examples in a batch */
    int    gradient_accumulation_steps;          /* batches in a step of the optimizer */
    float  alpha_bar[TRAIN_TIMESTEPS];           /* of each timestep; objective_schedule() fills it in */
} Objective;

/* Fills in alpha_bar, by the noise schedule that Stable Diffusion 1.x was trained with. */
void objective_schedule(Objective *o);

/* Fails, with the model's path, when the model predicts v and not eps. */
void objective_check_prediction(Arena *a, int v_prediction, const char *path);

/* Draws t and then eps, into noise, which has room for twice as many floats as the latents: the second half is for the
 * perturbation.  All of it goes into the example. */
void objective_draw(Arena *a, const Objective *o, TrainingExample *e, float *noise, Rng *rng);

/* Sets t, and the alpha_bar and the loss that belong to it. */
void objective_set_timestep(const Objective *o, TrainingExample *e, int timestep);

/* How much an example counts: w(t), times the prior loss weight for a class image. */
double objective_weight(const Objective *o, const TrainingExample *e);

/* Examples whose gradients are averaged in one step of the optimizer: batch size times accumulation steps. */
int objective_examples(const Objective *o);

/* ---- computing it ------------------------------------------------------------------------------ */

/* How much memory the backward pass needs depends on the size of the latents.  Before training, call
 * objective_dry_run() with one example of each size, in any order, and then objective_start() once.  The first makes
 * r->tape and counts, the second allocates the memory for the largest example, which stays until it is released.
 * Examples must then begin at the arena's mark after objective_start().  Fails as a dry run does. */
void objective_dry_run(Run *r, const TrainingExample *e);
void objective_start(Run *r);

/* Returns the loss of one example, the mean over its elements (with l2 that of |eps - prediction|^2), and adds the
 * gradients of weight * loss to those of r->trainable.  PyTorch: (weight * mse_loss(prediction, noise)).backward() */
double objective_backward(Run *r, const TrainingExample *e, double weight);

/* One example's part of a step: objective_backward() with its weight divided by the number of examples.  Returns its
 * part of the step's mean loss, unweighted. */
double objective_accumulate(Run *r, const Objective *o, const TrainingExample *e);

/* The loss of predicting nothing, eps = 0, for this example.  A model that has learned anything is below. */
double objective_zero_loss(const TrainingExample *e);

/* The loss alone, without gradients: for validation. */
double objective_loss(Run *r, const TrainingExample *e);

#endif
