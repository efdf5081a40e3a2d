/* adafactor.c - Adafactor: AdamW's second moment, in the memory of two vectors.
 *
 * The mean square of the gradient, a matrix, is kept as the means of its rows and of its columns; their product over
 * the mean of all stands in for it.  A kernel [out,in,k,k] is out in such matrices of k x k, as in the reference.  An
 * update that is longer than usual is scaled down (clip_threshold).
 *
 * With scale_parameter the rate is in proportion to the size of the parameters, which for LoRA's up matrix begins as
 * zero: then it moves only by eps2, 1/1000 of the rate.  With relative_step the rate follows from the step alone, and
 * the one that was given does not count. */
#include "adafactor.h"

#include <math.h>

size_t adafactor_rows(const OptimizerTensor *t) { return t->rows ? t->count / t->columns : t->count; }
size_t adafactor_columns(const OptimizerTensor *t) { return t->rows ? t->count / t->rows : 0; }

static double root_mean_square(const float *x, size_t n)
{
    double square = 0;
    for (size_t i = 0; i < n; i++) square += (double)x[i] * (double)x[i];
    return sqrt(square / (double)n);
}

/* lr = min(1e-6 step or 1e-2, 1 / sqrt(step)) with relative_step
 * lr *= max(eps2, RMS(p))                    with scale_parameter */
static double rate_of(const OptimizerTensor *t, const OptimizerArgs *args, int step)
{
    double rate = t->lr;
    if (args->relative_step) {
        double most = args->warmup_init ? 1e-6 * step : 1e-2;
        rate = fmin(most, 1 / sqrt((double)step));
    }
    if (args->scale_parameter) rate *= fmax(args->eps2, root_mean_square(t->x, t->count));
    return rate;
}

/* ---- the second moment ------------------------------------------------------------------------- */

/* beta2t = 1 - step^decay_rate */
typedef struct { float beta, rest, eps; } Average;

static float averaged(float old, double mean, const Average *v) { return v->beta * old + v->rest * (float)mean; }

static float square_at(const OptimizerTensor *t, size_t i, const Average *v) { return t->d[i] * t->d[i] + v->eps; }

/* exp_avg_sq = beta exp_avg_sq + (1 - beta) (grad^2 + eps);  update = grad / sqrt(exp_avg_sq) */
static void vector_update(float *update, const OptimizerTensor *t, float *exp_avg_sq, const Average *v)
{
    for (size_t i = 0; i < t->count; i++) {
        exp_avg_sq[i] = averaged(exp_avg_sq[i], (double)square_at(t, i, v), v);
        update[i] = t->d[i] / sqrtf(exp_avg_sq[i]);
    }
}

/* One matrix, which begins at element `first` of the tensor:
 *     row = beta row + (1 - beta) mean over columns of (grad^2 + eps);  column: the same over rows
 *     update = grad / sqrt(row / mean(row)) / sqrt(column) */
static void matrix_update(float *update, const OptimizerTensor *t, size_t first, float *row, float *column,
                          const Average *v)
{
    double all = 0;
    for (size_t r = 0; r < t->rows; r++) {
        double sum = 0;
        for (size_t c = 0; c < t->columns; c++) sum += (double)square_at(t, first + r * t->columns + c, v);
        row[r] = averaged(row[r], sum / (double)t->columns, v);
        all += (double)row[r];
    }
    for (size_t c = 0; c < t->columns; c++) {
        double sum = 0;
        for (size_t r = 0; r < t->rows; r++) sum += (double)square_at(t, first + r * t->columns + c, v);
        column[c] = averaged(column[c], sum / (double)t->rows, v);
    }
    float mean = (float)(all / (double)t->rows);
    for (size_t r = 0; r < t->rows; r++)
        for (size_t c = 0; c < t->columns; c++) {
            size_t i = first + r * t->columns + c;
            update[i] = t->d[i] / sqrtf(row[r] / mean) / sqrtf(column[c]);
        }
}

static void matrices_update(float *update, const OptimizerTensor *t, float *row, float *column, const Average *v)
{
    size_t each = t->rows * t->columns;
    for (size_t m = 0; m < t->count / each; m++)
        matrix_update(update, t, m * each, row + m * t->rows, column + m * t->columns, v);
}

/* ---- a step ------------------------------------------------------------------------------------ */

/* update *= lr / max(1, RMS(update) / clip_threshold)
 * exp_avg = beta1 exp_avg + (1 - beta1) update;  update = exp_avg         with beta1
 * p -= weight_decay lr p;  p -= update */
static void move(const OptimizerTensor *t, const float *update, float *exp_avg, const OptimizerArgs *args, double lr)
{
    double longer = fmax(1, root_mean_square(update, t->count) / args->clip_threshold);
    float scale = (float)(lr / longer);
    float decay = (float)(args->weight_decay * lr);
    float beta1 = (float)args->beta1;
    float rest1 = (float)(1 - args->beta1);
    for (size_t i = 0; i < t->count; i++) {
        float u = update[i] * scale;
        if (args->beta1 > 0) {
            exp_avg[i] = beta1 * exp_avg[i] + rest1 * u;
            u = exp_avg[i];
        }
        t->x[i] -= decay * t->x[i];
        t->x[i] -= u;
    }
}

void adafactor_step(Arena *a, const OptimizerTensor *t, float *row, float *column, float *exp_avg,
                    const OptimizerArgs *args, int step)
{
    size_t before = mark(a);
    float *update = allocate(a, t->count, sizeof *update);
    double forgets = pow(step, args->decay_rate);
    Average v = { .beta = (float)(1 - forgets), .rest = (float)forgets, .eps = (float)args->eps };
    double lr = rate_of(t, args, step);
    if (t->rows) matrices_update(update, t, row, column, &v);
    else vector_update(update, t, row, &v);
    move(t, update, exp_avg, args, lr);
    release(a, before);
}
