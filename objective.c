/* objective.c - the training objective, all of it in one place.
 *
 * A step of training minimises, on average over the examples of a batch and over the accumulated batches,
 *
 *     w(t) |target - prediction|^2                prediction = unet(x_t, t, clip(caption))        (Ho et al., 2020)
 *
 *     x_t    = sqrt(alpha_bar_t) x0 + sqrt(1 - alpha_bar_t) eps           t uniform over 0 .. 999, eps normal
 *     target = eps                                                        v_prediction is refused, see below
 *     w(t)   = 1, or with min_snr_gamma  min(snr_t, gamma) / snr_t,  with debiased_estimation_loss  1 / sqrt(snr_t)
 *              times prior_loss_weight                                    for the class images of prior preservation
 *
 * The prediction is a forward pass through the same models that draw, and the gradient a backward pass over their tape.
 * Every example is computed alone, and its gradients are added to those of the others.  The norms in these models look
 * at one picture only, so the sum is that of a batch, in the memory of one picture.
 *
 * The references are kohya's sd-scripts (train_network.py, library/) and diffusers (examples/dreambooth/). */
#include "objective.h"

#include "clip.h"
#include "trainable.h"
#include "unet.h"
#include "vae.h"

#include <math.h>

/* ---- noise ------------------------------------------------------------------------------------ */

void objective_schedule(Objective *o) { alpha_bars(o->alpha_bar, SCALED_LINEAR, 0); }

void objective_set_timestep(const Objective *o, TrainingExample *e, int timestep)
{
    e->timestep = timestep;
    e->alpha_bar = o->alpha_bar[timestep];
    e->loss = loss_at(&o->loss, timestep, TRAIN_TIMESTEPS, (double)e->alpha_bar);
}

/* timesteps = torch.randint(min_timestep, max_timestep, (1,));  noise = torch.randn_like(latents)
 * noise.c has what may be added to it. */
void objective_draw(Arena *a, const Objective *o, TrainingExample *e, float *noise, Rng *rng)
{
    size_t n = size(e->latents);
    int end = o->max_timestep > 0 ? o->max_timestep : TRAIN_TIMESTEPS;
    objective_set_timestep(o, e, o->min_timestep + (int)rng_below(rng, (uint32_t)(end - o->min_timestep)));
    noise_draw(a, &o->noise, e->latents, noise, rng);
    e->noise = noise;
    e->perturbation = noise_draw_perturbation(&o->noise, n, noise + n, rng) ? noise + n : NULL;
}

static float noise_at(const TrainingExample *e, size_t i)
{
    return e->perturbation ? e->noise[i] + e->perturbation[i] : e->noise[i];
}

/* Forward diffusion, noise_scheduler.add_noise(latents, noise, timesteps):
 *     x_t = sqrt(alpha_bar) x0 + sqrt(1 - alpha_bar) eps */
static Tensor add_noise(Run *r, const TrainingExample *e)
{
    Tensor x_t = tensor(r, e->latents.n, e->latents.h, e->latents.w, e->latents.c);
    float sqrt_alpha_bar = sqrtf(e->alpha_bar);
    float sqrt_one_minus_alpha_bar = sqrtf(1 - e->alpha_bar);
    if (r->machine->dry) return x_t;
    for (size_t i = 0; i < size(x_t); i++)
        x_t.x[i] = sqrt_alpha_bar * e->latents.x[i] + sqrt_one_minus_alpha_bar * noise_at(e, i);
    return x_t;
}

/* ---- target ----------------------------------------------------------------------------------- */

/* Only eps is learned.  A model of v_prediction (Salimans and Ho, 2022; kohya: --v_parameterization; diffusers:
 * noise_scheduler.get_velocity) would need the target v = sqrt(alpha_bar) eps - sqrt(1 - alpha_bar) x0, and min-SNR the
 * weight min(snr, gamma) / (snr + 1).  Trained on eps instead, it would forget how to draw, so it is refused. */
void objective_check_prediction(Arena *a, int v_prediction, const char *path)
{
    if (v_prediction)
        fail(a, "%s: predicts v, and only models that predict epsilon can learn here yet", path);
}

/* ---- weight ----------------------------------------------------------------------------------- */

/* min_snr_gamma (Hang et al., "Efficient Diffusion Training via Min-SNR Weighting Strategy", 2023): timesteps with
 * little noise count less, because their snr is high.  snr = alpha_bar / (1 - alpha_bar).
 * kohya: library/custom_train_functions.py, apply_snr_weight.  diffusers: compute_snr in training_utils.py
 *     snr_weight = torch.div(torch.minimum(snr, gamma), snr) */
static double min_snr_weight(double snr, double gamma) { return gamma > 0 && snr > gamma ? gamma / snr : 1; }

/* debiased_estimation_loss (Yu et al., "Debias the Training of Diffusion Models", 2023): timesteps with much noise
 * count more.  kohya: apply_debiased_estimation
 *     weight = 1 / torch.sqrt(torch.minimum(snr, 1000)) */
static double debiased_weight(double snr) { return 1 / sqrt(fmin(snr, 1000)); }

/* w(t), and prior preservation (Ruiz et al., "DreamBooth", 2022): the batch also holds images of the class that the
 * subject belongs to, as the model drew them before (prior.c), so that it keeps what it knew of the class.
 *     loss = loss * loss_weights                                  kohya: train_network.py; 1, or prior_loss_weight
 *     loss = loss + args.prior_loss_weight * prior_loss           diffusers: train_dreambooth_lora.py */
double objective_weight(const Objective *o, const TrainingExample *e)
{
    double alpha_bar = (double)e->alpha_bar;
    double snr = alpha_bar / (1 - alpha_bar);
    double weight = min_snr_weight(snr, o->min_snr_gamma);
    if (o->debiased_estimation_loss) weight *= debiased_weight(snr);
    return e->is_class_image ? weight * o->prior_loss_weight : weight;
}

/* ---- batch and gradient accumulation ---------------------------------------------------------- */

/* gradient accumulation: the gradients of gradient_accumulation_steps batches are averaged before the optimizer's step.
 * As every example is computed alone, one batch of 4 and 4 batches of 1 are the same.
 * kohya and diffusers: with accelerator.accumulate(model), which is
 *     loss = loss.mean() / gradient_accumulation_steps;  loss.backward() */
int objective_examples(const Objective *o) { return o->train_batch_size * o->gradient_accumulation_steps; }

double objective_accumulate(Run *r, const Objective *o, const TrainingExample *e)
{
    int examples = objective_examples(o);
    return objective_backward(r, e, objective_weight(o, e) / examples) / examples;
}

/* ---- forward and backward --------------------------------------------------------------------- */

/* encoder_hidden_states = text_encoder(ids): [1,1,tokens,width] */
static Tensor encode_caption(Run *r, const TrainingExample *e)
{
    if (!e->ids) return e->text;
    const float *token_vectors = r->trainable ? r->trainable->words.data : NULL;
    Tensor t = clip_encode(r, e->ids, e->texts, e->clip_skip, token_vectors);
    if (e->joins_chunks) return clip_join_chunks(r, t);
    return (Tensor){ .n = 1, .h = 1, .w = t.n * t.h, .c = t.c, .x = t.x, .from = t.from };
}

/* model_pred = unet(noisy_latents, timesteps, encoder_hidden_states) */
static Tensor predict(Run *r, const TrainingExample *e)
{
    Tensor text = encode_caption(r, e);
    Tensor x_t = add_noise(r, e);
    return unet(r, x_t, (float)e->timestep, text);
}

static double mask_at(const TrainingExample *e, size_t i) { return e->mask ? (double)e->mask[i / LATENT] : 1; }

/* loss = mean of mask l(prediction - eps):   d prediction = weight mask l'(prediction - eps) / n
 * kohya: the mean is over all places, not over those of the mask (apply_masked_loss). */
double objective_backward(Run *r, const TrainingExample *e, double weight)
{
    size_t before = mark(r->machine->mem);
    size_t n = size(e->latents);
    Tensor predicted = predict(r, e);
    float *d = r->tape ? gradient(r->tape, predicted) : NULL;
    double loss = 0;
    for (size_t i = 0; i < n && !r->machine->dry; i++) {
        double error = (double)predicted.x[i] - (double)e->noise[i];
        double counts = mask_at(e, i);
        double derivative;
        loss += loss_of(e->loss, error, &derivative) * counts / (double)n;
        if (d) d[i] = (float)(weight * derivative * counts / (double)n);
    }
    release(r->machine->mem, before);      /* backward() needs only the tape's copies and gradients */
    if (r->tape) backward(r->machine, r->tape);
    return loss;
}

double objective_zero_loss(const TrainingExample *e)
{
    size_t n = size(e->latents);
    double loss = 0;
    double derivative;
    for (size_t i = 0; i < n; i++)
        loss += loss_of(e->loss, -(double)e->noise[i], &derivative) * mask_at(e, i) / (double)n;
    return loss;
}

double objective_loss(Run *r, const TrainingExample *e)
{
    Run forward = *r;
    forward.tape = NULL;
    return objective_backward(&forward, e, 0);
}

void objective_dry_run(Run *r, const TrainingExample *e)
{
    if (!r->tape) r->tape = tape_new(r->machine->mem);
    r->machine->dry = 1;
    objective_backward(r, e, 1);
    r->machine->dry = 0;
}

void objective_start(Run *r) { tape_start(r->machine->mem, r->tape); }
