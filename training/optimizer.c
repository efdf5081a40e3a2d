/* optimizer.c - updates the trainable parameters.
 *
 * The optimizer sees parameters as torch's does: tensors of floats, each in a parameter group with a learning rate.
 * One call of AdamW updates one tensor; adamw.c has the arithmetic.
 *
 * The order of the tensors is that of their places in Trainable, for the moments too, so that a saved state fits. */
#include "optimizer.h"

#include <math.h>

const char *const optimizer_names[] = {
    [OPTIMIZER_ADAMW]      = "AdamW",
    [OPTIMIZER_ADAMW_8BIT] = "AdamW8bit",
    [OPTIMIZERS]           = NULL,
};

AdamWState *optimizer_new(Arena *a, const Trainable *t, OptimizerType type)
{
    AdamWState *s = allocate(a, 1, sizeof *s);
    *s = (AdamWState){ .eight_bits = type == OPTIMIZER_ADAMW_8BIT };
    for (size_t i = 0; i < t->tensors; i++) adamw_add(s, t->tensor[i].count);
    adamw_allocate(a, s);
    return s;
}

static double rate_of(const LearningRates *rates, ParameterGroup group)
{
    switch (group) {
    case TOKEN_VECTORS:     return rates->words;
    case TEXT_ENCODER_LORA: return rates->text;
    default:                return rates->unet;
    }
}

void optimizer_step(AdamWState *s, Trainable *t, LearningRates rates, AdamW how, int step, int threads)
{
    AdamWState next = *s;
    for (size_t i = 0; i < t->tensors; i++) {
        const ParameterTensor *p = &t->tensor[i];
        how.lr = rate_of(&rates, p->group);
        adamw_step(&next, t->x + p->offset, t->d + p->offset, p->count, how, step, threads);
    }
}

double clip_grad_norm(float *d, size_t count, double max_norm)
{
    double square = 0;
    for (size_t i = 0; i < count; i++) square += (double)d[i] * (double)d[i];
    double norm = sqrt(square);
    double factor = max_norm / (norm + 1e-6);
    if (max_norm > 0 && factor < 1)
        for (size_t i = 0; i < count; i++) d[i] *= (float)factor;
    return norm;
}
