/* test_tape.c - the way back of every op against central differences, and 1, 2 and 3 threads against each other.
 *
 * A case computes y from some inputs.  With f = sum of g y for random g, the tape's gradients are compared with
 * (f(x + h v) - f(x - h v)) / 2h for a random v, twice, with h and h/2, and what their difference says of the limit. */
#include "checkpoint.h"
#include "clip.h"
#include "nn.h"
#include "test.h"
#include "trainable.h"

#include <math.h>

enum { MOST = 4, MOST_OUT = 1 << 19, CLIP = 3 };

typedef struct {
    Arena *a;
    Machine machine;
    Run run;
    Trainable trainable;
    Tensor in[MOST];
    float *d[MOST];
    int inputs;
} Lab;

static uint32_t state = 1;
static float noise(void)                                       /* -1 .. 1 */
{
    state = state * 1664525u + 1013904223u;
    return (float)(state >> 8) * 0x1p-23f - 1;
}

static float *noises(Arena *a, size_t n)
{
    float *x = allocate(a, n, sizeof *x);
    for (size_t i = 0; i < n; i++) x[i] = noise();
    return x;
}

/* ---- a model of a few layers, as many as the cases need ------------------------------------------ */

enum { C = 32, WIDE = 48, RANK = 3 };

static Weight made(Arena *a, const char *name, DType type, size_t rank, size_t s0, size_t s1, size_t side, float scale,
                   float offset)
{
    size_t *shape = allocate(a, 4, sizeof *shape), n = s0 * (rank > 1 ? s1 : 1) * (rank > 2 ? side * side : 1);
    memcpy(shape, (size_t[]){ s0, s1, side, side }, 4 * sizeof *shape);
    float *x = noises(a, n);
    uint16_t *half = allocate(a, n, sizeof *half);
    for (size_t i = 0; i < n; i++) {
        x[i] = offset + scale * x[i];
        half[i] = float_to_half(x[i]);
    }
    return (Weight){ name, type == F16 ? (void *)half : x, type, rank, shape, n * (type == F16 ? 2 : 4) };
}

static const Weights *model(Arena *a)
{
    Weight list[26] = {
        made(a, "narrow.weight", F32, 2, C, C, 1, 0.3f, 0),           made(a, "narrow.bias", F32, 1, C, 0, 0, 0.1f, 0),
        made(a, "wide.weight", F16, 4, WIDE, C, 1, 0.3f, 0),          made(a, "wide.bias", F32, 1, WIDE, 0, 0, 0.1f, 0),
        made(a, "conv.weight", F32, 4, WIDE, C, 3, 0.1f, 0),          made(a, "conv.bias", F32, 1, WIDE, 0, 0, 0.1f, 0),
        made(a, "norm.weight", F32, 1, C, 0, 0, 0.3f, 1),             made(a, "norm.bias", F32, 1, C, 0, 0, 0.3f, 0),
        made(a, "r.norm1.weight", F16, 1, C, 0, 0, 0.3f, 1),          made(a, "r.norm1.bias", F32, 1, C, 0, 0, 0.3f, 0),
        made(a, "r.conv1.weight", F16, 4, 64, C, 3, 0.1f, 0),
        made(a, "r.conv1.bias", F32, 1, 64, 0, 0, 0.1f, 0),
        made(a, "r.norm2.weight", F32, 1, 64, 0, 0, 0.3f, 1),
        made(a, "r.norm2.bias", F32, 1, 64, 0, 0, 0.3f, 0),
        made(a, "r.conv2.weight", F32, 4, 64, 64, 3, 0.1f, 0),
        made(a, "r.conv2.bias", F32, 1, 64, 0, 0, 0.1f, 0),
        made(a, "r.time_emb_proj.weight", F32, 2, 64, WIDE, 1, 0.1f, 0),
        made(a, "r.time_emb_proj.bias", F32, 1, 64, 0, 0, 0.1f, 0),
        made(a, "r.conv_shortcut.weight", F32, 4, 64, C, 1, 0.1f, 0),
        made(a, "r.conv_shortcut.bias", F32, 1, 64, 0, 0, 0.1f, 0),
        made(a, "f.ff.net.0.proj.weight", F32, 2, 2 * WIDE, C, 1, 0.3f, 0),
        made(a, "f.ff.net.0.proj.bias", F32, 1, 2 * WIDE, 0, 0, 0.1f, 0),
        made(a, "f.ff.net.2.weight", F32, 2, C, WIDE, 1, 0.3f, 0),
        made(a, "f.ff.net.2.bias", F32, 1, C, 0, 0, 0.1f, 0),
        made(a, "f.norm.weight", F32, 1, C, 0, 0, 0.3f, 1),           made(a, "f.norm.bias", F32, 1, C, 0, 0, 0.3f, 0),
    };
    size_t count = sizeof list / sizeof *list;
    Weight *kept = allocate(a, count, sizeof *kept);
    memcpy(kept, list, sizeof list);
    return weights_of(a, NULL, kept, count);
}

/* adapters for conv, narrow and wide; the parts of each stand in one array with those of the others */
static Trainable adapters(Arena *a, const Weights *w, AdapterKind kind, size_t rank, float alpha)
{
    static const char *const layer[3] = { "conv", "narrow", "wide" };
    Trainable l = { .module = allocate(a, 3, sizeof *l.module), .modules = 3 };
    for (int i = 0; i < 3; i++) {
        const Weight *own = weights_find(w, format(a, "%s.weight", layer[i]));
        l.module[i] = adapter_parts(a, layer[i], own, &kind, rank, alpha * (float)rank);
        for (AdapterPart p = DOWN; p < ALPHA; p++)
            if (l.module[i].part[p]) l.count += l.module[i].part[p]->bytes / sizeof(float);
    }
    l.x = noises(a, 2 * l.count);
    l.d = l.x + l.count;
    size_t at = 0;
    for (int i = 0; i < 3; i++)
        for (AdapterPart p = DOWN; p < ALPHA; p++) {
            Weight *part = (Weight *)(uintptr_t)l.module[i].part[p];
            if (!part) continue;
            part->data = l.x + at;
            at += part->bytes / sizeof(float);
        }
    return l;
}

/* ---- inputs that learn ------------------------------------------------------------------------ */

static void hand_over(Machine *m, const Op *n)
{
    if (!m->dry) memcpy(n->embedding.d, n->y.d, size(n->y.t) * sizeof(float));
}

/* input i, taken where ops expect their inputs; its gradient goes to d[i] */
static Tensor input(Lab *l, int i)
{
    Tensor x = tensor(&l->run, l->in[i].n, l->in[i].h, l->in[i].w, l->in[i].c);
    if (!l->machine.dry) memcpy(x.x, l->in[i].x, size(x) * sizeof *x.x);
    return record(&l->machine, l->run.tape, x,
                  (Op){ .backward = hand_over, .is_leaf = 1, .embedding = { .d = l->d[i] } });
}

/* ---- the cases -------------------------------------------------------------------------------- */

typedef Tensor Compute(Lab *l);

static Tensor do_linear(Lab *l)     { return linear(&l->run, "narrow", input(l, 0)); }
static Tensor do_unbiased(Lab *l)   { return linear_no_bias(&l->run, "wide", input(l, 0)); }
static Tensor do_conv(Lab *l)       { return conv2d(&l->run, "conv", input(l, 0), 1); }
static Tensor do_conv_by_2(Lab *l)  { return conv2d(&l->run, "conv", input(l, 0), 2); }
static Tensor do_group_norm(Lab *l) { return group_norm(&l->run, "norm", input(l, 0), 1e-5f, 1, NO_ACTIVATION); }
static Tensor do_norm_silu(Lab *l)  { return group_norm(&l->run, "norm", input(l, 0), 1e-2f, 1, SILU); }
static Tensor do_across(Lab *l)     { return group_norm(&l->run, "norm", input(l, 0), 1e-5f, CLIP, SILU); }
static Tensor do_layer_norm(Lab *l) { return layer_norm(&l->run, "norm", input(l, 0)); }
static Tensor do_silu(Lab *l)       { return silu(&l->run, input(l, 0)); }
static Tensor do_quick_gelu(Lab *l) { return quick_gelu(&l->run, input(l, 0)); }
static Tensor do_geglu(Lab *l)      { return geglu(&l->run, input(l, 0)); }
static Tensor do_upsample(Lab *l)
{
    Tensor x = input(l, 0);
    return upsample(&l->run, x, 2 * x.h - 1, 2 * x.w);
}

static Tensor do_repeat(Lab *l)
{
    Tensor x = input(l, 0);
    return repeat(&l->run, x, 3 * x.n);
}

static Tensor do_space(Lab *l)
{
    Tensor q = input(l, 0), k = input(l, 1), v = input(l, 2);
    return attention(&l->run, q, k, v, 2, SPATIAL);
}

static Tensor do_causal(Lab *l)
{
    Tensor q = input(l, 0), k = input(l, 1), v = input(l, 2);
    return attention(&l->run, q, k, v, 2, CAUSAL);
}

static Tensor do_time(Lab *l)
{
    Tensor q = input(l, 0), k = input(l, 1), v = input(l, 2);
    return attention(&l->run, q, k, v, 4, TEMPORAL);
}

static Tensor do_self(Lab *l)
{
    Tensor x = input(l, 0);
    return attention(&l->run, x, x, x, 2, SPATIAL);
}

static Tensor do_feed_forward(Lab *l) { return feed_forward(&l->run, "f", "norm", input(l, 0)); }

/* in place on what others read before and after, and b once whole, once as one row */
static Tensor do_add(Lab *l)
{
    Tensor x = input(l, 0), y = silu(&l->run, x);
    x = add(&l->run, x, input(l, 1));
    x = add(&l->run, x, input(l, 2));
    return add(&l->run, y, geglu(&l->run, concat(&l->run, x, x)));
}

/* moved down by less than its size, by more, and not at all; its old place is used again at once */
static Tensor do_keep(Lab *l)
{
    Run *r = &l->run;
    Tensor x = input(l, 0);
    size_t before = mark(l->a);
    tensor(r, 1, 1, 1, 16);
    Tensor y = compact(r, before, silu(r, x));
    tensor(r, 1, 1, 1, 4096);
    Tensor z = compact(r, mark(l->a) - 4096 * sizeof(float), quick_gelu(r, y)), again = silu(r, y);
    return compact(r, before, add(r, add(r, again, z), y));
}

static Tensor do_concat(Lab *l)
{
    Tensor a = input(l, 0), b = input(l, 1);
    return concat(&l->run, a, b);
}

static Tensor do_join(Lab *l) { return clip_join_chunks(&l->run, input(l, 0)); }

static Tensor do_resnet(Lab *l)
{
    Tensor x = input(l, 0), time = input(l, 1);
    return resnet(&l->run, "r", x, &time, 1e-5f, 1);
}

/* what pairs read of these is made again on the way back: it is not kept */
static Tensor do_again(Lab *l)
{
    Run *r = &l->run;
    Tensor x = input(l, 0), y = linear(r, "narrow", layer_norm(r, "norm", x));
    y = add(r, y, linear(r, "narrow", group_norm(r, "norm", x, 1e-2f, 1, SILU)));
    y = add(r, y, linear(r, "narrow", silu(r, x)));
    y = add(r, y, linear(r, "narrow", quick_gelu(r, x)));
    return add(r, y, linear(r, "narrow", geglu(r, concat(r, x, x))));
}

/* a layer that learns over an input that does not: nothing below it is on the tape */
static Tensor do_first(Lab *l) { return linear(&l->run, "narrow", silu(&l->run, l->in[0])); }

typedef struct { const char *name; Compute *compute; Tensor in[MOST]; } Try;
static const Try tries[] = {
    { "linear",               do_linear,       { { 2, 5, 3, C } } },
    { "linear, 300 rows",     do_linear,       { { 1, 300, 1, C } } },
    { "linear, no bias, F16", do_unbiased,     { { 1, 5, 3, C } } },
    { "conv",                 do_conv,         { { 2, 5, 3, C } } },
    { "conv, Winograd",       do_conv,         { { 1, 14, 17, C } } },
    { "conv, stride 2",       do_conv_by_2,    { { 2, 7, 6, C } } },
    { "group norm",           do_group_norm,   { { 2, 5, 3, C } } },
    { "group norm, silu",     do_norm_silu,    { { 1, 20, 17, C } } },
    { "group norm of a clip", do_across,       { { 2 * CLIP, 5, 3, C } } },
    { "layer norm",           do_layer_norm,   { { 2, 5, 3, C } } },
    { "silu",                 do_silu,         { { 1, 5, 3, 7 } } },
    { "quick gelu",           do_quick_gelu,   { { 1, 5, 3, 7 } } },
    { "geglu",                do_geglu,        { { 1, 5, 3, 46 } } },
    { "upsample",             do_upsample,     { { 2, 3, 4, 5 } } },
    { "repeat",               do_repeat,       { { 2, 3, 4, 5 } } },
    { "concat",               do_concat,       { { 2, 3, 4, 5 }, { 2, 3, 4, 6 } } },
    { "join chunks",          do_join,         { { 3, 77, 1, 5 } } },
    { "attention, itself",    do_self,         { { 2, 9, 9, 20 } } },
    { "attention, blocks",    do_self,         { { 1, 26, 43, 16 } } },
    { "attention, text",      do_space,        { { 4, 5, 9, 48 }, { 2, 70, 1, 48 }, { 2, 70, 1, 48 } } },
    { "attention, one key",   do_space,        { { 1, 5, 9, 6 }, { 1, 1, 1, 6 }, { 1, 1, 1, 6 } } },
    { "attention, causal",    do_causal,       { { 2, 77, 1, 40 }, { 2, 77, 1, 40 }, { 2, 77, 1, 40 } } },
    { "attention, time",      do_time,
      { { 2 * CLIP, 3, 4, 16 }, { 2 * CLIP, 3, 4, 16 }, { 2 * CLIP, 3, 4, 16 } } },
    { "add",                  do_add,          { { 1, 5, 3, 8 }, { 1, 5, 3, 8 }, { 1, 1, 1, 8 } } },
    { "keep",                 do_keep,         { { 1, 5, 3, 8 } } },
    { "resnet",               do_resnet,       { { 1, 9, 12, C }, { 1, 1, 1, WIDE } } },
    { "made again",           do_again,        { { 1, 300, 1, C } } },
    { "feed forward",         do_feed_forward, { { 1, 61, 5, C } } },
    { "feed forward, slices", do_feed_forward, { { 1, 8200, 1, C } } },
};

/* ---- comparing -------------------------------------------------------------------------------- */

static double f_of(Lab *l, Compute *compute, const float *g)
{
    size_t before = mark(l->a);
    Tape *tape = l->run.tape;
    l->run.tape = NULL;
    Tensor y = compute(l);
    double sum = 0;
    for (size_t i = 0; i < size(y); i++) sum += (double)g[i] * (double)y.x[i];
    l->run.tape = tape;
    release(l->a, before);
    return sum;
}

/* (f(x + h v) - f(x - h v)) / 2h */
static double slope(Lab *l, Compute *compute, const float *g, float *x, const float *v, size_t n, float h)
{
    size_t before = mark(l->a);
    float *kept = allocate(l->a, n, sizeof *kept);
    double f[2];
    memcpy(kept, x, n * sizeof *x);
    for (int side = 0; side < 2; side++) {
        for (size_t i = 0; i < n; i++) x[i] = kept[i] + (side ? h : -h) * v[i];
        f[side] = f_of(l, compute, g);
    }
    memcpy(x, kept, n * sizeof *x);
    release(l->a, before);
    return (f[1] - f[0]) / (2 * (double)h);
}

static double worst;
/* what float32 and the limit leave: errors are of the sum's typical size, the root of the sum of squares */
static const double TOLERANCE = 4e-4;

/* the slope along random directions, by central differences over one, two and three steps, right to the sixth order */
static void compare(Lab *l, const char *name, const char *of, Compute *compute, const float *g, float *x,
                    const float *d, size_t n)
{
    size_t before = mark(l->a);
    for (int k = 0; k < 2; k++) {
        float *v = noises(l->a, n), h = 0.08f;
        double found = 0, scale = 0, expected = 1.5 * slope(l, compute, g, x, v, n, h) - 0.6 * slope(l, compute, g, x,
                v, n, 2 * h) + 0.1 * slope(l, compute, g, x, v, n, 3 * h);
        for (size_t i = 0; i < n; i++) {
            found += (double)d[i] * (double)v[i];
            scale += pow((double)d[i] * (double)v[i], 2);
        }
        double error = fabs(found - expected) / (sqrt(scale) + 1e-30);
        CHECK_MSG(error < TOLERANCE, "%s: gradient by %s is off by %.2g: %g, expected %g", name, of, error, found,
                  expected);
        worst = fmax(worst, error);
    }
    release(l->a, before);
}

/* forward with the tape, and back */
static void go(Lab *l, Compute *compute, const float *g)
{
    size_t before = mark(l->a);
    Tensor y = compute(l);
    float *d = gradient(l->run.tape, y);
    CHECK(d != NULL);
    if (d && !l->machine.dry) memcpy(d, g, size(y) * sizeof *d);
    release(l->a, before);
    backward(&l->machine, l->run.tape);
}

static void try(Lab *l, const Try *t)
{
    size_t before = mark(l->a);
    for (l->inputs = 0; l->inputs < MOST && t->in[l->inputs].c; l->inputs++) {
        l->in[l->inputs] = t->in[l->inputs];
        l->in[l->inputs].x = noises(l->a, size(t->in[l->inputs]));
        l->d[l->inputs] = allocate(l->a, size(t->in[l->inputs]), sizeof(float));
    }
    float *g = noises(l->a, MOST_OUT), *kept[MOST + 1] = { NULL };
    for (int i = 0; i <= l->inputs; i++)
        kept[i] = allocate(l->a, i < l->inputs ? size(l->in[i]) : l->trainable.count, sizeof(float));
    for (int threads = 1; threads <= 3; threads++) {
        l->machine.threads = threads;
        l->run.tape = tape_new(l->a);
        l->machine.dry = 1;
        go(l, t->compute, g);
        l->machine.dry = 0;
        tape_start(l->a, l->run.tape);
        for (int again = 0; again < 2; again++) {      /* the second time finds what the first has left: nothing */
            memset(l->trainable.d, 0, l->trainable.count * sizeof(float));
            go(l, t->compute, g);
            for (int i = 0; i <= l->inputs; i++) {
                float *d = i < l->inputs ? l->d[i] : l->trainable.d;
                size_t bytes = (i < l->inputs ? size(l->in[i]) : l->trainable.count) * sizeof(float);
                if (threads == 1 && !again) memcpy(kept[i], d, bytes);
                else
                    CHECK_MSG(!memcmp(kept[i], d, bytes),
                              "%s: %d threads, pass %d: other bytes than those of one thread", t->name, threads,
                              again + 1);
            }
        }
    }
    for (int i = 0; i < l->inputs; i++)
        compare(l, t->name, format(l->a, "input %d", i), t->compute, g, l->in[i].x, l->d[i], size(l->in[i]));
    for (size_t i = 0; i < l->trainable.modules; i++)
        for (AdapterPart p = DOWN; p < ALPHA; p++) {
            const Weight *w = l->trainable.module[i].part[p];
            if (!w) continue;
            size_t at = (size_t)((const float *)w->data - l->trainable.x), n = w->bytes / sizeof(float), any = 0;
            for (size_t k = 0; k < n; k++) any |= l->trainable.d[at + k] != 0;
            if (any)
                compare(l, t->name, format(l->a, "%s %s", l->trainable.module[i].layer, w->name), t->compute, g,
                        l->trainable.x + at, l->trainable.d + at, n);
        }
    release(l->a, before);
}

/* what does not depend on anything that learns leaves no note, and takes no room; nor does what is made again */
static void kept(Lab *l)
{
    size_t before = mark(l->a);
    enum { X = 300 * C, MIDDLE = 912 };                 /* x of a pair; down(x), 300 x 3 in whole lines */
    l->in[0] = (Tensor){ 1, 300, 1, C, noises(l->a, X) };
    l->run.tape = tape_new(l->a);
    l->machine.dry = 1;
    Tensor y = silu(&l->run, layer_norm(&l->run, "norm", l->in[0]));
    CHECK(!y.from && !gradient(l->run.tape, y));
    y = do_first(l);
    CHECK(y.from && gradient(l->run.tape, y));
    backward(&l->machine, l->run.tape);
    CHECK(tape_copies(l->run.tape) == (X + MIDDLE) * sizeof(float));
    l->run.tape = tape_new(l->a);
    do_again(l);
    /* x, once and twice as wide, and what is between the pairs */
    CHECK(tape_copies(l->run.tape) == (3 * X + 5 * MIDDLE) * sizeof(float));
    l->machine.dry = 0;
    release(l->a, before);
}

/* The families whose W' is made before the product. */
static void relatives(Lab *l)
{
    static const struct { const char *name; size_t rank; AdapterKind kind; } kinds[] = {
        { "LoHa", 3, { .algo = ALGO_LOHA } },
        { "LoKr", 3, { .algo = ALGO_LOKR, .factor = 4 } },
        { "LoKr, both factored", 1, { .algo = ALGO_LOKR, .factor = 8, .decompose_both = 1 } },
        { "LoKr, whole", 3, { .algo = ALGO_LOKR, .factor = -1, .full_matrix = 1 } },
        { "DoRA", 3, { .algo = ALGO_LORA, .dora_wd = 1, .wd_on_output = 1 } },
        { "DoRA of inputs", 3, { .algo = ALGO_LORA, .dora_wd = 1 } },
        { "DoRA of LoHa", 2, { .algo = ALGO_LOHA, .dora_wd = 1, .wd_on_output = 1 } },
        { "DoRA of LoKr, rsLoRA", 2, { .algo = ALGO_LOKR, .factor = 4, .dora_wd = 1, .rs_lora = 1 } },
    };
    static const Try products[] = {
        { "linear", do_linear, { { 2, 5, 3, C } } },
        { "linear, no bias, F16", do_unbiased, { { 1, 5, 3, C } } },
        { "conv", do_conv, { { 2, 5, 3, C } } },
        { "conv, stride 2", do_conv_by_2, { { 2, 7, 6, C } } },
    };
    for (size_t k = 0; k < sizeof kinds / sizeof *kinds; k++) {
        size_t before = mark(l->a);
        worst = 0;
        /* DoRA's dW is small beside W: dividing by |V| is nearly straight over the steps of the differences then */
        float alpha = kinds[k].kind.dora_wd ? 0.1f : 0.7f;
        l->trainable = adapters(l->a, l->run.weights, kinds[k].kind, kinds[k].rank, alpha);
        for (size_t i = 0; i < sizeof products / sizeof *products; i++) {
            Try t = products[i];
            t.name = format(l->a, "%s, %s", kinds[k].name, t.name);
            try(l, &t);
        }
        printf("  worst of %s: %.0f%% of %g\n", kinds[k].name, 100 * worst / TOLERANCE, TOLERANCE);
        release(l->a, before);
    }
}

int main(void)
{
    Lab l = { .a = arena_new() };
    if (!l.a) return 1;
    l.machine = (Machine){ .mem = l.a, .threads = 1 };
    l.run = (Run){ .machine = &l.machine, .weights = model(l.a), .trainable = &l.trainable, .frames = CLIP };
    l.trainable = adapters(l.a, l.run.weights, (AdapterKind){ .algo = ALGO_LORA }, RANK, 0.7f);
    for (size_t i = 0; i < sizeof tries / sizeof *tries; i++) try(&l, &tries[i]);
    printf("  worst of all ops: %.0f%% of %g\n", 100 * worst / TOLERANCE, TOLERANCE);
    kept(&l);
    relatives(&l);
    arena_free(l.a);
    return done();
}
