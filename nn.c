/* nn.c - layers.
 *
 * Every op has the same parts: find and check its weights, take its result, hand both to the kernels, and
 * note for the tape how to go back.  The way back of an op stands above it, the formula of the op above that; d stands
 * for the gradient of the loss by a thing, s for the sigmoid.  A tensor with c = 0 stands for one whose size nobody knows, because the weight that sets it is
 * missing: checks pass over it, so a dry run reports causes and not their consequences. */
#include "nn.h"

#include <math.h>
#include <stdarg.h>
#include <stdio.h>
#include <string.h>

enum { LISTED = 8, GROUPS = 32 };

/* ---- names and complaints --------------------------------------------------------------------- */

const char *at(Run *r, const char *prefix, const char *leaf) { return format(r->machine->mem, "%s.%s", prefix, leaf); }

const Weight *find(Run *r, const char *layer, const char *leaf)
{
    size_t before = mark(r->machine->mem);
    const Weight *w = weights_find(r->weights, at(r, layer, leaf));
    release(r->machine->mem, before);
    return w;
}

int has(Run *r, const char *layer) { return find(r, layer, "weight") != NULL; }

void problem(Run *r, const char *fmt, ...)
{
    char line[400];
    va_list args;
    va_start(args, fmt);
    vsnprintf(line, sizeof line, fmt, args);
    va_end(args);
    if (!r->problems) fail(r->machine->mem, "%s", line);
    if (r->problems->count++ >= LISTED) return;
    size_t n = strlen(r->problems->text);
    snprintf(r->problems->text + n, LISTED * sizeof line - n, "\n  %s", line);
}

/* the weight of a layer with inputs of c channels: [out,in] or [out,in,1,1] for side 1, else [out,in,side,side]; NULL after a complaint */
static const Weight *matrix(Run *r, const char *layer, int c, size_t side)
{
    const Weight *w = find(r, layer, "weight");
    if (!w) { problem(r, "%s.weight is missing", layer); return NULL; }
    const size_t *s = w->shape;
    int right = (w->rank == 4 ? s[2] == side && s[3] == side : w->rank == 2 && side == 1) && s[0] && s[0] < 1 << 20;
    if (right && (!c || s[1] == (size_t)c)) return w;
    Arena *a = r->machine->mem;
    const char *expected = side == 1 ? format(a, "[out,%d]", c) : format(a, "[out,%d,%zu,%zu]", c, side, side), *hint = "";
    if (right && !strcmp(layer, "unet.conv_in") && s[1] > 4) hint = ": an inpainting or editing checkpoint? use a text-to-image one";
    problem(r, "%s.weight is %s, expected %s%s", layer, shape_text(a, w->rank, s), expected, hint);
    return NULL;
}

/* a vector of c values; NULL after a complaint */
static const Weight *vector(Run *r, const char *layer, const char *leaf, int c)
{
    const Weight *w = find(r, layer, leaf);
    if (!w) { problem(r, "%s.%s is missing", layer, leaf); return NULL; }
    if (w->rank == 1 && (!c || w->shape[0] == (size_t)c)) return w;
    problem(r, "%s.%s is %s, expected [%d]", layer, leaf, shape_text(r->machine->mem, w->rank, w->shape), c);
    return NULL;
}

static Tensor probed(Run *r, const char *layer, Tensor y)
{
    if (r->probe && !r->machine->dry) r->probe(r->to, layer, y);
    return y;
}

/* ---- tensors ---------------------------------------------------------------------------------- */

Tensor tensor(Run *r, int n, int h, int w, int c)
{
    Tensor t = { n, h, w, c, NULL };
    t.x = take(r->machine->mem, size(t), sizeof *t.x);
    return t;
}

/* y = x, moved down:  dx = dy, moved up again */
static void keep_back(Machine *m, const Note *n)
{
    size_t count = size(n->y.t), shift = (size_t)(n->in[0].d - n->y.d);
    if (m->dry || !shift) return;
    memmove(n->in[0].d, n->y.d, count * sizeof *n->y.d);
    memset(n->y.d, 0, (shift < count ? shift : count) * sizeof *n->y.d);
}

Tensor keep(Run *r, size_t to, Tensor t)
{
    Tensor was = t;
    const float *from = t.x;
    release(r->machine->mem, to);
    t.x = take(r->machine->mem, size(t), sizeof *t.x);
    move_down(r->machine, t.x, from, size(t));
    return noted(r->machine, r->tape, t, (Note){ keep_back, .in = { { was } } });
}

/* ---- what adapters add to weight and bias, where it is more than a pair ------------------------- */

/* What is built for the call is gone before the way back: pairs beside it can learn, but not through it. */
static void merge(Run *r, const char *layer, const Weight **w, const Weight **bias)
{
    const Weight *before[] = { *w, *bias };
    const char *wrong = r->lora ? lora_merge(r->machine, r->lora, layer, w, bias) : NULL;
    if (wrong) problem(r, "%s", wrong);
    if (r->tape && (*w != before[0] || *bias != before[1])) problem(r, "%s: nothing can learn while a file in use changes this layer by more than a low-rank pair", layer);
}

/* ---- products --------------------------------------------------------------------------------- */

static Tensor like(Var v) { v.t.x = v.d; return v.t; }       /* the gradient as a tensor */

/* y = x W' + b:  dx += dy W */
static void product_back(Machine *m, const Note *n) { if (n->in[0].d) conv_back(m, like(n->in[0]), like(n->y), n->product.w, n->product.how); }

/* y = x W' + b + scale up(middle), middle = down(x):  d up += scale dy' middle;  d middle = scale dy up;  d down += d middle' x;  dx += dy W + d middle down */
static void low_rank_note(Machine *m, const Note *n) { low_rank_back(m, like(n->in[0]), like(n->y), n->in[0].t, n->in[1].t, &n->low_rank); }

static Tensor low_rank(Run *r, Tensor y, Tensor x, const Weight *bias, LowRank p)
{
    size_t before = mark(r->machine->mem);
    Tensor middle = tensor(r, y.n, y.h, y.w, (int)p.down->shape[0]);
    low_rank_product(r->machine, y, middle, x, bias, &p);
    y = noted(r->machine, r->tape, y, (Note){ low_rank_note, .in = { { x }, { middle } }, .values = p.d_down ? 2 : 0, .learns = p.d_down != NULL, .low_rank = p });
    release(r->machine->mem, before);
    return y;
}

static int pair_fits(Run *r, Tensor y, Tensor x, const Weight *w, const LowRank *p)
{
    size_t side = w->rank == 4 ? w->shape[2] : 1, down_side = p->down->rank == 4 ? p->down->shape[2] : 1;
    int square = weight_values(p->down) == p->down->shape[0] * p->down->shape[1] * side * side;
    if (p->down->shape[1] == (size_t)x.c && p->up->shape[0] == (size_t)y.c && down_side == side && square) return 1;
    Arena *a = r->machine->mem;
    problem(r, "%s is %s and its lora_up %s, but the layer it is for is %s", p->down->name, shape_text(a, p->down->rank, p->down->shape),
            shape_text(a, p->up->rank, p->up->shape), shape_text(a, w->rank, w->shape));
    return 0;
}

/* y += scale * up(down(x)) for every file that has a pair for this layer */
static Tensor pairs_of_files(Run *r, const char *layer, Tensor y, Tensor x, const Weight *w, Conv how)
{
    for (size_t i = 0; r->lora && i < r->lora->count; i++) {
        LoraPair pair;
        if (!lora_pair(r->machine->mem, r->lora, i, layer, &pair)) continue;
        LowRank p = { NULL, pair.down, pair.up, pair.scale, how };
        if (pair_fits(r, y, x, w, &p)) y = low_rank(r, y, x, NULL, p);
    }
    return y;
}

/* room: for the result, where it has been taken already; NULL: it is taken here */
static Tensor product(Run *r, const char *layer, Tensor x, int stride, size_t side, int pad, int biased, const Tensor *room)
{
    const Weight *w = matrix(r, layer, x.c, side), *bias = biased ? vector(r, layer, "bias", w ? (int)w->shape[0] : 0) : NULL;
    Conv how = { stride, pad, 1, 0 };
    Tensor y = room && w ? *room : tensor(r, x.n, (x.h - 1) / stride + 1, (x.w - 1) / stride + 1, w ? (int)w->shape[0] : 0);
    if (!w || !x.c) return y;
    if (r->stop && *r->stop) fail(r->machine->mem, "interrupted");
    size_t before = mark(r->machine->mem);
    merge(r, layer, &w, &bias);
    LowRank p = { .w = w, .how = how };
    if (learning_pair(r->learner, layer, &p) && pair_fits(r, y, x, w, &p)) y = low_rank(r, y, x, bias, p);
    else {
        conv(r->machine, y, x, w, bias, how);
        y = noted(r->machine, r->tape, y, (Note){ product_back, .in = { { x } }, .product = { w, how } });
    }
    y = pairs_of_files(r, layer, y, x, w, how);
    release(r->machine->mem, before);
    return probed(r, layer, y);
}

Tensor linear(Run *r, const char *layer, Tensor x)             { return product(r, layer, x, 1, 1, 0, 1, NULL); }
Tensor linear_unbiased(Run *r, const char *layer, Tensor x)    { return product(r, layer, x, 1, 1, 0, 0, NULL); }
Tensor conv2d(Run *r, const char *layer, Tensor x, int stride) { return product(r, layer, x, stride, 3, 1, 1, NULL); }
Tensor conv2d_half(Run *r, const char *layer, Tensor x)        { return product(r, layer, x, 2, 3, 0, 1, NULL); }

/* ---- norms ------------------------------------------------------------------------------------ */

/* y = (x - mean) / sqrt(var + eps) gamma + beta =: v, or silu v.  With z = (x - mean) over, over = 1 / sqrt(var + eps), a = gamma dv:
 * dx += over (a - mean a - z mean(a z)) */
static void group_norm_back(Machine *m, const Note *n)
{
    group_normalize_back(m, n->in[0].d, n->y.d, n->in[0].t.x, n->norm.gamma, n->norm.beta, n->norm.shape);
}

static void group_norm_forth(Machine *m, const Note *n) { group_normalize(m, n->y.t.x, n->in[0].t.x, n->norm.gamma, n->norm.beta, n->norm.shape); }

Tensor group_norm(Run *r, const char *layer, Tensor x, float eps, int frames, int silu_too)
{
    const Weight *gamma = vector(r, layer, "weight", x.c), *beta = vector(r, layer, "bias", x.c);
    if (x.c % GROUPS) problem(r, "%s: %d channels do not divide into %d groups", layer, x.c, GROUPS);
    Tensor y = tensor(r, x.n, x.h, x.w, x.c);
    if (!gamma || !beta || x.c % GROUPS || !x.c) return y;
    size_t before = mark(r->machine->mem);
    GroupNorm shape = { (size_t)(x.n / frames), (size_t)frames * (size_t)x.h * (size_t)x.w, x.c, GROUPS, eps, silu_too };
    merge(r, layer, &gamma, &beta);
    group_normalize(r->machine, y.x, x.x, gamma, beta, shape);
    y = noted(r->machine, r->tape, y, (Note){ group_norm_back, group_norm_forth, .in = { { x } }, .values = 1, .norm = { gamma, beta, shape } });
    release(r->machine->mem, before);
    return probed(r, layer, y);
}

static const float LAYER_EPS = 1e-5f;

/* the same over each row alone */
static void layer_norm_back(Machine *m, const Note *n)
{
    layer_normalize_back(m, n->in[0].d, n->y.d, n->in[0].t.x, n->norm.gamma, rows(n->y.t), n->y.t.c, LAYER_EPS);
}

static void layer_norm_forth(Machine *m, const Note *n)
{
    layer_normalize(m, n->y.t.x, n->in[0].t.x, n->norm.gamma, n->norm.beta, rows(n->y.t), n->y.t.c, LAYER_EPS);
}

Tensor layer_norm(Run *r, const char *layer, Tensor x)
{
    const Weight *gamma = vector(r, layer, "weight", x.c), *beta = vector(r, layer, "bias", x.c);
    Tensor y = tensor(r, x.n, x.h, x.w, x.c);
    if (!gamma || !beta || !x.c) return y;
    size_t before = mark(r->machine->mem);
    merge(r, layer, &gamma, &beta);
    layer_normalize(r->machine, y.x, x.x, gamma, beta, rows(x), x.c, LAYER_EPS);
    y = noted(r->machine, r->tape, y, (Note){ layer_norm_back, layer_norm_forth, .in = { { x } }, .values = 1, .norm = { gamma, beta } });
    release(r->machine->mem, before);
    return probed(r, layer, y);
}

/* ---- element by element ----------------------------------------------------------------------- */

/* y = x s(k x):  dx += dy s (1 + k x (1 - s)) */
static void silu_back(Machine *m, const Note *n)       { swish_back(m, n->in[0].d, n->y.d, n->in[0].t.x, size(n->y.t), 1); }
static void quick_gelu_back(Machine *m, const Note *n) { swish_back(m, n->in[0].d, n->y.d, n->in[0].t.x, size(n->y.t), 1.702f); }

static void silu_forth(Machine *m, const Note *n)       { silu_of(m, n->y.t.x, n->in[0].t.x, size(n->y.t)); }
static void quick_gelu_forth(Machine *m, const Note *n) { quick_gelu_of(m, n->y.t.x, n->in[0].t.x, size(n->y.t)); }

Tensor silu(Run *r, Tensor x)
{
    Tensor y = tensor(r, x.n, x.h, x.w, x.c);
    silu_of(r->machine, y.x, x.x, size(x));
    return noted(r->machine, r->tape, y, (Note){ silu_back, silu_forth, .in = { { x } }, .values = 1 });
}

Tensor quick_gelu(Run *r, Tensor x)
{
    Tensor y = tensor(r, x.n, x.h, x.w, x.c);
    quick_gelu_of(r->machine, y.x, x.x, size(x));
    return noted(r->machine, r->tape, y, (Note){ quick_gelu_back, quick_gelu_forth, .in = { { x } }, .values = 1 });
}

/* y = value gelu(gate):  d value += dy gelu(gate);  d gate += dy value gelu'(gate) */
static void geglu_note(Machine *m, const Note *n) { geglu_back(m, n->in[0].d, n->y.d, n->in[0].t.x, rows(n->y.t), n->y.t.c); }
static void geglu_forth(Machine *m, const Note *n) { geglu_of(m, n->y.t.x, n->in[0].t.x, rows(n->y.t), n->y.t.c); }

Tensor geglu(Run *r, Tensor x)
{
    if (x.c % 2) problem(r, "a feed-forward layer has %d outputs, expected an even number", x.c);
    Tensor y = tensor(r, x.n, x.h, x.w, x.c / 2);
    geglu_of(r->machine, y.x, x.x, rows(x), y.c);
    return noted(r->machine, r->tape, y, (Note){ geglu_note, geglu_forth, .in = { { x } }, .values = 1 });
}

/* a += b:  db += da, summed over the rows where b has but one */
static void add_back(Machine *m, const Note *n)
{
    Var b = n->in[0];
    if (b.d && rows(b.t) == rows(n->y.t)) add_into(m, b.d, n->y.d, size(b.t));
    else if (b.d) sum_rows_of(m, b.d, n->y.d, rows(n->y.t), b.t.c);
}

Tensor add(Run *r, Tensor a, Tensor b)
{
    int whole = size(a) == size(b);
    if (a.c && b.c && a.c != b.c) { problem(r, "a layer gives %d channels where %d are added to it", a.c, b.c); return a; }
    if (!a.c || !b.c) { a.c = a.c ? a.c : b.c; return a; }
    if (whole) add_into(r->machine, a.x, b.x, size(a));
    else add_row(r->machine, a.x, b.x, rows(a), (size_t)a.c);
    return noted(r->machine, r->tape, a, (Note){ add_back, .in = { { b } } });
}

/* y = [a b]:  da += the left of dy, db += the right */
static void concat_back(Machine *m, const Note *n)
{
    size_t wide = (size_t)n->y.t.c, from = 0;
    for (int k = 0; k < 2; from += (size_t)n->in[k++].t.c)
        if (n->in[k].d) add_columns(m, n->in[k].d, n->y.d + from, wide, rows(n->y.t), (size_t)n->in[k].t.c);
}

Tensor concat(Run *r, Tensor a, Tensor b)
{
    Tensor y = tensor(r, a.n, a.h, a.w, a.c && b.c ? a.c + b.c : 0);
    size_t left = (size_t)a.c, right = (size_t)b.c;
    if (y.c) gather_rows(r->machine, y.x, left + right, a.x, left, NULL, rows(y), left);
    if (y.c) gather_rows(r->machine, y.x + left, left + right, b.x, right, NULL, rows(y), right);
    return noted(r->machine, r->tape, y, (Note){ concat_back, .in = { { a }, { b } } });
}

/* torch.nn.functional.interpolate(x, size=(h, w), mode="nearest"): source = floor(target * float32(in / out)) */
static int nearest(int target, int in, int out)
{
    int i = (int)floorf((float)target * ((float)in / (float)out));
    return i < in ? i : in - 1;
}

/* y[i,j] = x[nearest i, nearest j]:  dx there += dy[i,j] */
static void upsample_back(Machine *m, const Note *n)
{
    Tensor y = n->y.t, x = n->in[0].t;
    size_t c = (size_t)x.c;
    for (size_t k = 0; k < rows(y) && !m->dry; k++) {
        size_t picture = k / ((size_t)y.h * (size_t)y.w), i = k / (size_t)y.w % (size_t)y.h, j = k % (size_t)y.w;
        float *to = n->in[0].d + ((picture * (size_t)x.h + (size_t)nearest((int)i, x.h, y.h)) * (size_t)x.w + (size_t)nearest((int)j, x.w, y.w)) * c;
        for (size_t e = 0; e < c; e++) to[e] += n->y.d[k * c + e];
    }
}

Tensor upsample(Run *r, Tensor x, int h, int w)
{
    Tensor y = tensor(r, x.n, h, w, x.c);
    size_t c = (size_t)x.c, before = mark(r->machine->mem), *from = take(r->machine->mem, rows(y), sizeof *from), *next = from;
    for (int n = 0; n < x.n && !r->machine->dry; n++)
        for (int i = 0; i < h; i++)
            for (int j = 0; j < w; j++) *next++ = ((size_t)n * (size_t)x.h + (size_t)nearest(i, x.h, h)) * (size_t)x.w + (size_t)nearest(j, x.w, w);
    gather_rows(r->machine, y.x, c, x.x, c, from, rows(y), c);
    release(r->machine->mem, before);
    return noted(r->machine, r->tape, y, (Note){ upsample_back, .in = { { x } } });
}

/* y = [x; x; ...]:  dx += dy of each */
static void repeat_back(Machine *m, const Note *n)
{
    size_t each = size(n->in[0].t);
    for (size_t i = 0; i < size(n->y.t); i += each) add_into(m, n->in[0].d, n->y.d + i, each);
}

Tensor repeat(Run *r, Tensor x, int n)
{
    if (x.n == n) return x;
    Tensor y = tensor(r, n, x.h, x.w, x.c);
    for (int i = 0; i < n / x.n; i++) gather_rows(r->machine, y.x + (size_t)i * size(x), (size_t)x.c, x.x, (size_t)x.c, NULL, rows(x), (size_t)x.c);
    return noted(r->machine, r->tape, y, (Note){ repeat_back, .in = { { x } } });
}

/* ---- attention -------------------------------------------------------------------------------- */

/* p = softmax(q k' / sqrt d), y = p v:  with ds = p (dy v' - the sum of p dy v' over the keys) / sqrt d,
 * dq += ds k;  dk += ds' q;  dv += p' dy */
static void attention_back(Machine *m, const Note *n)
{
    Rows q = n->attention.q, k = n->attention.k, v = n->attention.v;
    Attention shape = n->attention.shape;
    q.x = n->in[0].t.x, k.x = n->in[1].t.x, v.x = n->in[2].t.x, shape.sums = n->in[3].t.x;
    attend_back(m, (AttentionGradients){ n->in[0].d, n->in[1].d, n->in[2].d }, n->y.d, n->copy, q, k, v, shape);
}

Tensor attention(Run *r, Tensor q, Tensor k, Tensor v, int heads, Axis over)
{
    Tensor y = tensor(r, q.n, q.h, q.w, q.c);
    if (q.c % heads) problem(r, "attention over %d channels does not divide into %d heads", q.c, heads);
    if (q.c && k.c && v.c && (k.c != q.c || v.c != q.c)) problem(r, "attention: queries have %d channels, keys %d and values %d; expected the same", q.c, k.c, v.c);
    if (!q.c || k.c != q.c || v.c != q.c || q.c % heads) return y;
    size_t pixels = (size_t)q.h * (size_t)q.w, tokens = (size_t)k.h * (size_t)k.w;
    int share = q.n / k.n, width = q.c / heads;                /* pictures that look at the same keys */
    Rows q_rows, k_rows;
    Attention shape;
    if (over == TIME) {
        q_rows = k_rows = (Rows){ NULL, { (size_t)r->clip * pixels, 1, pixels }, (size_t)q.c };
        shape = (Attention){ q.n / r->clip, (int)pixels, r->clip, r->clip, heads, width, 0, NULL };
    }
    else {
        q_rows = (Rows){ NULL, { (size_t)share * pixels, pixels, 1 }, (size_t)q.c }, k_rows = (Rows){ NULL, { tokens, 0, 1 }, (size_t)k.c };
        shape = (Attention){ k.n, share, (int)pixels, (int)tokens, heads, width, over == CAUSAL, NULL };
    }
    Rows v_rows = k_rows;
    q_rows.x = q.x, k_rows.x = k.x, v_rows.x = v.x;
    size_t before = mark(r->machine->mem);
    Tensor sums = tensor(r, q.n, q.h, q.w, r->tape ? 2 * heads : 0);
    if (r->tape) shape.sums = sums.x;
    attend(r->machine, y.x, q_rows, k_rows, v_rows, shape);
    y = noted(r->machine, r->tape, y, (Note){ attention_back, .in = { { q }, { k }, { v }, { sums } }, .values = 4, .result = 1, .attention = { q_rows, k_rows, v_rows, shape } });
    release(r->machine->mem, before);
    return y;
}

/* ---- blocks ----------------------------------------------------------------------------------- */

Tensor recomputed(Run *r, Part *part, const void *told, size_t bytes, const Tensor in[INPUTS])
{
    return r->tape && r->again ? noted_again(r->machine, r->tape, part, r, told, bytes, in) : part(r, told);
}

static void rest_back(Machine *m, const Note *n) { (void)n; if (!m->dry) files_rest(m->mem); }

Tensor by_turns(Run *r, Tensor x)
{
    if (!r->learner) return x;
    if (!r->machine->dry) files_rest(r->machine->mem);
    return noted(r->machine, r->tape, x, (Note){ rest_back });
}

enum { SLICE = 8192 };

Tensor feed_forward(Run *r, const char *block, const char *norm, Tensor h)
{
    size_t before = mark(r->machine->mem), all = rows(h), c = (size_t)h.c;
    for (size_t i = 0; i < all; i += SLICE) {
        Tensor part = { 1, (int)(all - i < SLICE ? all - i : SLICE), 1, h.c, h.x + i * c, h.from };
        Tensor y = linear(r, at(r, block, "ff.net.0.proj"), layer_norm(r, at(r, block, norm), part));
        h.from = add(r, part, linear(r, at(r, block, "ff.net.2"), geglu(r, y))).from;
        release(r->machine->mem, before);
    }
    return h;
}

/* conv(SiLU(norm x)).  The result's place is taken first, so that what is normalized can go and nothing has to move. */
static Tensor norm_conv(Run *r, const char *norm, const char *layer, Tensor x, float eps, int frames)
{
    const Weight *w = find(r, layer, "weight");
    Tensor room = tensor(r, x.n, x.h, x.w, w && w->rank && w->shape[0] < 1 << 20 ? (int)w->shape[0] : 0);
    size_t before = mark(r->machine->mem);
    Tensor y = product(r, layer, group_norm(r, norm, x, eps, frames, SILU), 1, 3, 1, 1, &room);
    release(r->machine->mem, before);
    return y;
}

Tensor resnet(Run *r, const char *block, Tensor x, const Tensor *time, float eps, int frames)
{
    size_t before = mark(r->machine->mem);
    Tensor h = norm_conv(r, at(r, block, "norm1"), at(r, block, "conv1"), x, eps, frames);
    if (time) h = add(r, h, linear(r, at(r, block, "time_emb_proj"), silu(r, *time)));
    h = norm_conv(r, at(r, block, "norm2"), at(r, block, "conv2"), h, eps, frames);
    if (has(r, at(r, block, "conv_shortcut"))) x = linear(r, at(r, block, "conv_shortcut"), x);
    return keep(r, before, add(r, h, x));
}
