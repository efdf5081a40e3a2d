/* lion.c - Lion: every parameter moves by the same length, the learning rate, and only the sign of the averaged
 * gradient says which way.
 *
 * It keeps one float for each parameter, where AdamW keeps two.  Because no step is shorter than the rate, its rate is
 * usually a third to a tenth of AdamW's. */
#include "lion.h"

float sign(float x)
{
    if (x > 0) return 1;
    return x < 0 ? -1 : 0;
}

/* p *= 1 - lr weight_decay
 * p -= lr sign(beta1 exp_avg + (1 - beta1) grad)
 * exp_avg = beta2 exp_avg + (1 - beta2) grad */
void lion_step(const OptimizerTensor *t, float *exp_avg, const OptimizerArgs *args, double lr)
{
    double decay = args->weight_decay;
    if (args->decoupled_weight_decay && lr > 0) decay /= lr;
    float keep = (float)(1 - t->lr * decay);
    float rate = (float)t->lr;
    float beta1 = (float)args->beta1;
    float beta2 = (float)args->beta2;
    float rest1 = (float)(1 - args->beta1);
    float rest2 = (float)(1 - args->beta2);
    for (size_t i = 0; i < t->count; i++) {
        t->x[i] = t->x[i] * keep - rate * sign(beta1 * exp_avg[i] + rest1 * t->d[i]);
        exp_avg[i] = beta2 * exp_avg[i] + rest2 * t->d[i];
    }
}
