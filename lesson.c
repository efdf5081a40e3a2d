/* lesson.c - one step of learning to predict the noise in pictures.
 *
 *     noisy = sqrt(a) latents + sqrt(1 - a) noise;   loss = mean (unet(noisy, t, clip(ids)) - noise)^2      (Ho et al., 2020)
 *
 * One pass forward through the very models that draw, and back. */
#include "lesson.h"

#include "clip.h"
#include "unet.h"

#include <math.h>

static Tensor words(Run *r, const Lesson *l)
{
    if (!l->ids) return l->text;
    Tensor t = clip_encode(r, l->ids, l->texts, l->clip_skip, r->learner ? r->learner->words.data : NULL);
    return (Tensor){ 1, 1, t.n * t.h, t.c, t.x, t.from };
}

static Tensor predict(Run *r, const Lesson *l)
{
    Tensor text = words(r, l), noisy = tensor(r, l->latents.n, l->latents.h, l->latents.w, l->latents.c);
    float keep_of = sqrtf(l->alpha_bar), rest = sqrtf(1 - l->alpha_bar);
    for (size_t i = 0; i < size(noisy) && !r->machine->dry; i++) noisy.x[i] = keep_of * l->latents.x[i] + rest * l->noise[i];
    return unet(r, noisy, (float)l->timestep, text);
}

double learn_from(Run *r, const Lesson *l, double weight)
{
    size_t before = mark(r->machine->mem), n = size(l->latents);
    Tensor predicted = predict(r, l);
    float *d = r->tape ? gradient(r->tape, predicted) : NULL;
    double loss = 0;
    for (size_t i = 0; i < n && !r->machine->dry; i++) {
        double error = (double)predicted.x[i] - (double)l->noise[i];
        loss += error * error / (double)n;
        if (d) d[i] = (float)(2 * weight * error / (double)n);
    }
    release(r->machine->mem, before);      /* backward needs copies and gradients only */
    if (r->tape) backward(r->machine, r->tape);
    return loss;
}

double lesson_loss(Run *r, const Lesson *l)
{
    Run forward = *r;
    forward.tape = NULL;
    return learn_from(&forward, l, 0);
}

void rehearse_lesson(Run *r, const Lesson *l)
{
    if (!r->tape) r->tape = tape_new(r->machine->mem);
    r->machine->dry = 1;
    learn_from(r, l, 1);
    r->machine->dry = 0;
}

void begin_lessons(Run *r) { tape_start(r->machine->mem, r->tape); }
