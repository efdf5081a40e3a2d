/* optimizer.c - updates the trainable parameters.
 *
 * The optimizer sees parameters as torch's does: tensors of floats, each in a parameter group with a learning rate.
 * What a step is, each optimizer says in a file of its own; here are the state that it keeps and the walk over the
 * tensors.
 *
 * Every array of the state has the tensors one after the other, in the order of their places in Trainable, so that a
 * saved state fits. */
#include "optimizer.h"

#include "adafactor.h"
#include "lion.h"

#include <math.h>
#include <string.h>

/* ---- the state --------------------------------------------------------------------------------- */

static void add_array(Optimizer *o, const char *name, void *data, DType type, size_t count)
{
    o->array[o->arrays++] = (StateArray){ name, data, type, count };
}

static float *floats(Arena *a, Optimizer *o, const char *name, size_t count)
{
    float *x = allocate(a, count, sizeof *x);
    memset(x, 0, count * sizeof *x);
    add_array(o, name, x, F32, count);
    return x;
}

static void begin_adamw(Arena *a, Optimizer *o, const Trainable *t)
{
    AdamWState *s = &o->adamw;
    s->eight_bits = o->type == OPTIMIZER_ADAMW_8BIT;
    for (size_t i = 0; i < t->tensors; i++) adamw_add(s, t->tensor[i].count);
    adamw_allocate(a, s);
    add_array(o, "mean", s->mean.value, F32, s->floats);
    add_array(o, "square", s->square.value, F32, s->floats);
    add_array(o, "mean.codes", s->mean.code, U8, s->codes);
    add_array(o, "square.codes", s->square.code, U8, s->codes);
    add_array(o, "mean.largest", s->mean.absmax, F32, s->blocks);
    add_array(o, "square.largest", s->square.absmax, F32, s->blocks);
}

static OptimizerTensor tensor_at(const Optimizer *o, const Trainable *t, size_t i, double factor)
{
    const ParameterTensor *p = &t->tensor[i];
    double lr = o->rates.unet;
    if (p->group == TOKEN_VECTORS) lr = o->rates.words;
    if (p->group == TEXT_ENCODER_LORA) lr = o->rates.text;
    return (OptimizerTensor){ .x = t->x + p->offset, .d = t->d + p->offset, .count = p->count, .rows = p->rows,
                              .columns = p->columns, .lr = factor * lr };
}

static void begin_adafactor(Arena *a, Optimizer *o, const Trainable *t)
{
    size_t rows = 0, columns = 0;
    for (size_t i = 0; i < t->tensors; i++) {
        OptimizerTensor tensor = tensor_at(o, t, i, 1);
        rows += adafactor_rows(&tensor);
        columns += adafactor_columns(&tensor);
    }
    o->row = floats(a, o, "exp_avg_sq_row", rows);
    o->column = floats(a, o, "exp_avg_sq_col", columns);
    if (o->args.beta1 > 0) o->d_state.exp_avg = floats(a, o, "exp_avg", t->count);
}

static void begin_d_adapting(Arena *a, Optimizer *o, const Trainable *t)
{
    DState *s = &o->d_state;
    o->estimate = (DEstimate){ .d = o->args.d0, .d_max = o->args.d0 };
    s->exp_avg = floats(a, o, "exp_avg", t->count);
    s->s = floats(a, o, "s", t->count);
    if (o->type != OPTIMIZER_DADAPT_LION) s->exp_avg_sq = floats(a, o, "exp_avg_sq", t->count);
    if (o->type == OPTIMIZER_PRODIGY) {
        s->p0 = floats(a, o, "p0", t->count);
        memcpy(s->p0, t->x, t->count * sizeof *t->x);
    }
    add_array(o, "estimate", &o->estimate, F64, sizeof o->estimate / sizeof(double));
}

Optimizer *optimizer_new(Arena *a, const Trainable *t, OptimizerType type, OptimizerArgs args, LearningRates rates)
{
    Optimizer *o = allocate(a, 1, sizeof *o);
    *o = (Optimizer){ .type = type, .args = args, .rates = rates };
    if (finds_own_rate(type)) begin_d_adapting(a, o, t);
    else if (type == OPTIMIZER_ADAFACTOR) begin_adafactor(a, o, t);
    else if (type == OPTIMIZER_LION) o->d_state.exp_avg = floats(a, o, "exp_avg", t->count);
    else begin_adamw(a, o, t);
    return o;
}

double optimizer_d(const Optimizer *o) { return finds_own_rate(o->type) ? o->estimate.d : 1; }

/* ---- a step ------------------------------------------------------------------------------------ */

/* NULL for an array that this optimizer does not have. */
static float *from(float *array, size_t offset) { return array ? array + offset : NULL; }

static void step_adamw(Optimizer *o, const OptimizerTensor *t, size_t tensors, int step, int threads)
{
    AdamWState next = o->adamw;
    AdamW how = { .weight_decay = o->args.weight_decay, .beta1 = o->args.beta1, .beta2 = o->args.beta2,
                  .eps = o->args.eps };
    for (size_t i = 0; i < tensors; i++) {
        how.lr = t[i].lr;
        adamw_step(&next, t[i].x, t[i].d, t[i].count, how, step, threads);
    }
}

static void step_lion(Optimizer *o, const Trainable *all, const OptimizerTensor *t, size_t tensors)
{
    for (size_t i = 0; i < tensors; i++) {
        size_t at = all->tensor[i].offset;
        double unscheduled = tensor_at(o, all, i, 1).lr;
        lion_step(&t[i], o->d_state.exp_avg + at, &o->args, unscheduled);
    }
}

static void step_adafactor(Arena *a, Optimizer *o, const Trainable *all, const OptimizerTensor *t, size_t tensors,
                           int step)
{
    float *row = o->row;
    float *column = o->column;
    for (size_t i = 0; i < tensors; i++) {
        float *exp_avg = from(o->d_state.exp_avg, all->tensor[i].offset);
        if (t[i].count) adafactor_step(a, &t[i], row, column, exp_avg, &o->args, step);
        row += adafactor_rows(&t[i]);
        column += adafactor_columns(&t[i]);
    }
}

static void step_d_adapting(Arena *a, Optimizer *o, const Trainable *all, const OptimizerTensor *t, size_t tensors,
                            int threads)
{
    const DState *s = &o->d_state;
    DState *part = allocate(a, tensors, sizeof *part);
    for (size_t i = 0; i < tensors; i++) {
        size_t at = all->tensor[i].offset;
        part[i] = (DState){ .exp_avg = from(s->exp_avg, at), .exp_avg_sq = from(s->exp_avg_sq, at),
                            .s = from(s->s, at), .p0 = from(s->p0, at) };
    }
    switch (o->type) {
    case OPTIMIZER_PRODIGY:
        prodigy_step(a, t, part, tensors, &o->estimate, &o->args, threads);
        break;
    case OPTIMIZER_DADAPT_ADAM:
        dadapt_adam_step(a, t, part, tensors, &o->estimate, &o->args, threads);
        break;
    default:
        dadapt_lion_step(a, t, part, tensors, &o->estimate, &o->args, threads);
        break;
    }
}

void optimizer_step(Arena *a, Optimizer *o, Trainable *t, double factor, int step, int threads)
{
    size_t before = mark(a);
    OptimizerTensor *tensor = allocate(a, t->tensors, sizeof *tensor);
    for (size_t i = 0; i < t->tensors; i++) tensor[i] = tensor_at(o, t, i, factor);
    if (finds_own_rate(o->type)) step_d_adapting(a, o, t, tensor, t->tensors, threads);
    else if (o->type == OPTIMIZER_ADAFACTOR) step_adafactor(a, o, t, tensor, t->tensors, step);
    else if (o->type == OPTIMIZER_LION) step_lion(o, t, tensor, t->tensors);
    else step_adamw(o, tensor, t->tensors, step, threads);
    release(a, before);
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
