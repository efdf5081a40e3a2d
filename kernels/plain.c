/* plain.c - every kernel in plain C11: no vectors, no blocks, no threads.
 *
 * Read this file first: it says what each kernel computes, with its formula or its line of PyTorch above it
 * (F is torch.nn.functional).  The other files of this folder compute the same, fast.
 *
 * It is also the oracle of those files: tests/test_kernel.c compares each fast kernel with the function of the same
 * name here.  And `make PLAIN=1` builds the whole program with this file instead of them, with any C11 compiler.
 *
 * - Tensors are [n,h,w,c], channels last: a row of c numbers for each pixel or token.
 * - Sums are taken in double, and rounded to float32 once, when they are stored.  So this rounding is the only error.
 *   The fast kernels sum in float32, in another order, and may differ in the last digits.
 * - With machine->bf16, what products and attention multiply is rounded to bf16 first.
 * - With machine->dry, a function allocates its scratch and counts its operations, but reads and writes no tensor.
 * - Whatever machine->threads is, one thread does the work.
 *
 * As in the fast kernels, the arguments are trusted: nn.c has checked them. */
#include "backward.h"
#include "system.h"

#include <float.h>
#include <math.h>

/* ---- weights, rounding, the matrix product ------------------------------------------------------ */

/* w.float(): the first n numbers of a weight of any type, in the arena.  Returns NULL when w is NULL. */
static float *floats(Machine *m, const Weight *w, size_t n)
{
    if (!w) return NULL;
    float *x = allocate(m->mem, n, sizeof *x);
    if (!m->dry) dtype_to_float(x, w->data, w->type, 0, n);
    return x;
}

/* x.bfloat16() when machine->bf16 is set, else x. */
static double rounded(const Machine *m, double x)
{
    return m->bf16 ? (double)bf16_to_float(float_to_bf16((float)x)) : x;
}

static void zero(double *x, size_t n)
{
    for (size_t i = 0; i < n; i++) x[i] = 0;
}

/* c += a @ b, for matrices a [m,k], b [k,n] and c [m,n]:  c[i,j] += the sum over p of a[i,p] * b[p,j]
 * The last loop over p would be enough.  The one before it takes four terms of the sum at a time, which saves
 * most of the loads and stores of c: half of the time, with compilers that optimise little. */
static void add_product(double *c, const double *a, const double *b, size_t m, size_t k, size_t n)
{
    for (size_t i = 0; i < m; i++) {
        const double *left = a + i * k;
        double *sum = c + i * n;
        size_t p = 0;
        for (; p + 4 <= k; p += 4) {
            double a0 = left[p], a1 = left[p + 1], a2 = left[p + 2], a3 = left[p + 3];
            const double *b0 = b + p * n, *b1 = b0 + n, *b2 = b1 + n, *b3 = b2 + n;
            for (size_t j = 0; j < n; j++) sum[j] += a0 * b0[j] + a1 * b1[j] + a2 * b2[j] + a3 * b3[j];
        }
        for (; p < k; p++)
            for (size_t j = 0; j < n; j++) sum[j] += left[p] * b[p * n + j];
    }
}

/* c = a @ b */
static void product(double *c, const double *a, const double *b, size_t m, size_t k, size_t n)
{
    zero(c, m * n);
    add_product(c, a, b, m, k, n);
}

/* ---- convolutions and linear layers ------------------------------------------------------------ */

/* 3 for a weight [out,in,3,3], 1 for [out,in]: a linear layer is a 1x1 convolution. */
static int kernel_side(const Weight *w) { return w->rank == 4 ? (int)w->shape[2] : 1; }

/* A weight [r,c,k,k] as a matrix for the right side of a product: [k*k*c,r], or [k*k*r,c] where transposed */
static double *matrix_of(Machine *m, const Weight *w, int transposed)
{
    size_t height = w->shape[0], width = w->shape[1], taps = (size_t)(kernel_side(w) * kernel_side(w));
    const float *from = floats(m, w, height * width * taps);
    double *to = allocate(m->mem, height * width * taps, sizeof *to);
    for (size_t r = 0; r < height && !m->dry; r++)
        for (size_t c = 0; c < width; c++)
            for (size_t t = 0; t < taps; t++) {
                size_t at = transposed ? (t * height + r) * width + c : (t * width + c) * height + r;
                to[at] = rounded(m, (double)from[(r * width + c) * taps + t]);
            }
    return to;
}

/* Row r of a tensor as [n,h,w,c] counts it */
typedef struct { int n, i, j; } Pixel;
static Pixel pixel_of(Tensor t, size_t r)
{
    size_t h = (size_t)t.h, w = (size_t)t.w;
    return (Pixel){ .n = (int)(r / (h * w)), .i = (int)(r / w % h), .j = (int)(r % w) };
}

/* to[c] = x[n,i,j,c], or zeros outside of the picture: the padding */
static void copy_pixel(const Machine *m, double *to, Tensor x, int n, int i, int j)
{
    size_t c = (size_t)x.c;
    zero(to, c);
    if (i < 0 || i >= x.h || j < 0 || j >= x.w) return;
    const float *from = x.x + (((size_t)n * (size_t)x.h + (size_t)i) * (size_t)x.w + (size_t)j) * c;
    for (size_t k = 0; k < c; k++) to[k] = rounded(m, (double)from[k]);
}

/* The row (or column) of x that is under tap a of the kernel, for row (or column) i of y */
static int input_of(Conv how, int i, int a) { return i * how.stride - how.pad + a; }

/* F.linear(x, w, bias), or F.conv2d(x, w, bias, stride, pad):
 *
 *     y[n,i,j,o] = bias[o] + scale * the sum over a,b,c of x[n, i*stride - pad + a, j*stride - pad + b, c] * w[o,c,a,b]
 *
 * x is zero outside of the picture.  With how.add, y as it was takes the bias' place.
 * With how.transposed, w is w.transpose(0, 1).flip(2, 3): w[c,o,k-1-a,k-1-b].
 * The window, F.unfold(x), is all that one pixel of y is computed from, as one row [k*k*in]. */
void conv(Machine *m, Tensor y, Tensor x, const Weight *w, const Weight *bias, Conv how)
{
    size_t before = mark(m->mem), in = (size_t)x.c, out = (size_t)y.c;
    int side = kernel_side(w), taps = side * side;
    const double *matrix = matrix_of(m, w, how.transposed);
    const float *b = floats(m, bias, out);
    double *window = allocate(m->mem, (size_t)taps * in, sizeof *window);
    double *sum = allocate(m->mem, out, sizeof *sum);
    m->ops += 2.0 * (double)size(y) * taps * (double)in;
    for (size_t r = 0; r < rows(y) && !m->dry; r++) {
        Pixel p = pixel_of(y, r);
        for (int t = 0; t < taps; t++) {
            int i = input_of(how, p.i, t / side);
            int j = input_of(how, p.j, t % side);
            int to = how.transposed ? taps - 1 - t : t;
            copy_pixel(m, window + (size_t)to * in, x, p.n, i, j);
        }
        product(sum, window, matrix, 1, (size_t)taps * in, out);
        for (size_t o = 0; o < out; o++) {
            double start = b ? (double)b[o] : 0;
            if (how.add) start = (double)y.x[r * out + o];
            y.x[r * out + o] = (float)(start + (double)how.scale * sum[o]);
        }
    }
    release(m->mem, before);
}

/* The other way round: the row of y that has row p of x under tap a.  Returns -1 when there is none. */
static int output_of(Conv how, int p, int a)
{
    int i = p + how.pad - a;
    return i >= 0 && i % how.stride == 0 ? i / how.stride : -1;
}

/* Backward of conv() by x: torch.nn.grad.conv2d_input.  What dy[n,i,j] was computed from gets its share of it:
 *
 *     dx[n, i*stride - pad + a, j*stride - pad + b, c] += scale * the sum over o of dy[n,i,j,o] * w[o,c,a,b]
 *
 * Here a pixel of dx collects what comes back to it: from one pixel of dy, or from none, for each tap. */
void conv_back(Machine *m, Tensor dx, Tensor dy, const Weight *w, Conv how)
{
    size_t before = mark(m->mem), in = (size_t)dx.c, out = (size_t)dy.c;
    int side = kernel_side(w), taps = side * side;
    const double *matrix = matrix_of(m, w, 1);
    double *window = allocate(m->mem, (size_t)taps * out, sizeof *window);
    double *sum = allocate(m->mem, in, sizeof *sum);
    m->ops += 2.0 * (double)size(dx) * taps * (double)out;
    for (size_t r = 0; r < rows(dx) && !m->dry; r++) {
        Pixel p = pixel_of(dx, r);
        for (int t = 0; t < taps; t++) {
            int i = output_of(how, p.i, t / side);
            int j = output_of(how, p.j, t % side);
            copy_pixel(m, window + (size_t)t * out, dy, p.n, i, j);
        }
        product(sum, window, matrix, 1, (size_t)taps * out, in);
        for (size_t c = 0; c < in; c++) dx.x[r * in + c] += (float)((double)how.scale * sum[c]);
    }
    release(m->mem, before);
}

/* Backward of conv() by w [out,in,side,side]: torch.nn.grad.conv2d_weight.  Nothing is rounded to bf16 here.
 *
 *     d[o,c,a,b] += scale * the sum over n,i,j of dy[n,i,j,o] * x[n, i*stride - pad + a, j*stride - pad + b, c]      */
static void weight_back(Machine *m, float *d, int side, Tensor dy, Tensor x, Conv how)
{
    size_t before = mark(m->mem), in = (size_t)x.c, out = (size_t)dy.c, taps = (size_t)(side * side);
    double *window = allocate(m->mem, taps * in, sizeof *window);
    double *left = allocate(m->mem, out, sizeof *left);
    double *sum = allocate(m->mem, out * taps * in, sizeof *sum);
    Machine exact = { .mem = m->mem };
    m->ops += 2.0 * (double)size(dy) * (double)(taps * in);
    if (!m->dry) zero(sum, out * taps * in);
    for (size_t r = 0; r < rows(dy) && !m->dry; r++) {
        Pixel p = pixel_of(dy, r);
        copy_pixel(&exact, left, dy, p.n, p.i, p.j);
        for (int t = 0; t < side * side; t++) {
            int i = input_of(how, p.i, t / side);
            int j = input_of(how, p.j, t % side);
            copy_pixel(&exact, window + (size_t)t * in, x, p.n, i, j);
        }
        add_product(sum, left, window, out, 1, taps * in);
    }
    for (size_t k = 0; k < out * in * taps && !m->dry; k++) {
        size_t o = k / (in * taps), c = k / taps % in, t = k % taps;
        d[k] += (float)((double)how.scale * sum[(o * taps + t) * in + c]);
    }
    release(m->mem, before);
}

void conv_weight_back(Machine *m, float *dw, Tensor dy, Tensor x, const Weight *w, Conv how)
{
    weight_back(m, dw, kernel_side(w), dy, x, how);
}

/* ---- LoRA: a layer and its low-rank pair ------------------------------------------------------- */

/* SplitMix64 (G. Steele et al., 2014) */
double dropout_uniform(uint64_t seed, uint64_t i)
{
    uint64_t z = seed + (i + 1) * 0x9e3779b97f4a7c15u;
    z = (z ^ z >> 30) * 0xbf58476d1ce4e5b9u;
    z = (z ^ z >> 27) * 0x94d049bb133111ebu;
    return (double)((z ^ z >> 31) >> 40) * 0x1p-24;
}

/* z = F.dropout(z, element);  z *= (u > rank) / (1 - rank), with one u for each component of each picture */
void drop_out(Machine *m, Tensor z, Dropout d)
{
    size_t r = (size_t)z.c, picture = (size_t)z.h * (size_t)z.w * r;
    for (size_t i = 0; i < size(z) && d.seed && !m->dry; i++) {
        size_t component = i / picture * r + i % r;
        if (d.element > 0 && dropout_uniform(d.seed, 2 * i) < (double)d.element) z.x[i] = 0;
        else if (d.element > 0) z.x[i] *= 1 / (1 - d.element);
        if (d.rank > 0 && dropout_uniform(d.seed, 2 * component + 1) <= (double)d.rank) z.x[i] = 0;
        else if (d.rank > 0) z.x[i] *= 1 / (1 - d.rank);
    }
}

/* The layer's weight with the pair merged into it:  W' = W + scale * up @ down.
 * The fast kernels multiply by it where that is less work than the pair beside the layer; here nothing does. */
const Weight *lora_merged_weight(Machine *m, const LoraLayer *p, size_t rows)
{
    size_t out = p->up->shape[0], rank = p->up->shape[1], in = p->down->shape[1];
    if (!p->w || p->dropout.seed || m->bf16 || kernel_side(p->down) > 1) return NULL;
    if (rows * (in + out) < 2 * in * out) return NULL;
    Weight *merged = allocate(m->mem, 1, sizeof *merged);
    float *x = floats(m, p->w, out * in);
    const float *up = floats(m, p->up, out * rank);
    const float *down = floats(m, p->down, rank * in);
    m->ops += 2.0 * (double)(out * in) * (double)(rank + 1);
    for (size_t k = 0; k < out * in && !m->dry; k++) {
        double sum = 0;
        for (size_t r = 0; r < rank; r++) sum += (double)up[k / in * rank + r] * (double)down[r * in + k % in];
        x[k] = (float)((double)x[k] + (double)p->scale * sum);
    }
    *merged = (Weight){
        .name = p->w->name,
        .data = x,
        .type = F32,
        .rank = p->w->rank,
        .shape = p->w->shape,
        .bytes = out * in * sizeof *x,
    };
    return merged;
}

/* middle = down(x);  y = layer(x) + scale * up(middle)        or, without a layer, y += scale * up(middle) */
void lora_forward(Machine *m, Tensor y, Tensor middle, Tensor x, const Weight *bias, const LoraLayer *p)
{
    conv(m, middle, x, p->down, NULL, p->how);
    drop_out(m, middle, p->dropout);
    if (p->w) conv(m, y, x, p->w, bias, p->how);
    conv(m, y, middle, p->up, NULL, (Conv){ .stride = 1, .scale = p->scale, .add = 1 });
}

/* Backward of lora_forward():
 *
 *     d_middle = scale * dy @ up;   d_up += scale * dy.T @ middle;   d_down += d_middle.T @ x
 *     dx += what comes back through the layer from dy, and through down from d_middle */
void lora_backward(Machine *m, Tensor dx, Tensor dy, Tensor x, Tensor middle, const LoraLayer *p)
{
    size_t before = mark(m->mem), rank = p->down->shape[0];
    Tensor d_middle = { .n = dy.n, .h = dy.h, .w = dy.w, .c = (int)rank };
    d_middle.x = allocate(m->mem, size(d_middle), sizeof *d_middle.x);
    conv(m, d_middle, dy, p->up, NULL, (Conv){ .stride = 1, .scale = p->scale, .transposed = 1 });
    drop_out(m, d_middle, p->dropout);
    if (p->d_up) weight_back(m, p->d_up, 1, dy, middle, (Conv){ .stride = 1, .scale = p->scale });
    if (p->d_down) weight_back(m, p->d_down, kernel_side(p->down), d_middle, x, p->how);
    if (dx.x && p->w) conv_back(m, dx, dy, p->w, p->how);
    if (dx.x) conv_back(m, dx, d_middle, p->down, p->how);
    release(m->mem, before);
}

/* ---- attention -------------------------------------------------------------------------------- */

static const double LOG2_E = 1.4426950408889634;

/* One head of one sequence (outer, inner): where its first token's channels are, and the step from token to token */
typedef struct { size_t at, step; } Head;

static Head head_of(StridedRows r, const Attention *s, size_t job)
{
    size_t heads = (size_t)s->heads, inner = (size_t)s->inner, head = job % heads, in = job / heads % inner;
    size_t row = job / heads / inner * r.step[0] + in * r.step[1];
    return (Head){ row * r.row + head * (size_t)s->width, r.step[2] * r.row };
}

/* Returns where shape.softmax_stats has its two numbers for the query and head whose channels are at `at`, or NULL. */
static float *sums_of(StridedRows q, const Attention *s, size_t at)
{
    size_t row = at / q.row, head = at % q.row / (size_t)s->width;
    return s->softmax_stats ? s->softmax_stats + (row * (size_t)s->heads + head) * 2 : NULL;
}

/* A head's tokens as a matrix [count,width], or [width,count] where transposed */
static void pack(const Machine *m, double *to, const float *x, Head h, size_t count, size_t width, int transposed)
{
    for (size_t t = 0; t < count; t++)
        for (size_t e = 0; e < width; e++) {
            size_t at = transposed ? e * count + t : t * width + e;
            to[at] = rounded(m, (double)x[h.at + t * h.step + e]);
        }
}

/* The reverse:  to += scale * x, for a matrix x [count,width].  A gradient that is not wanted is NULL. */
static void add_unpacked(float *to, Head h, const double *x, size_t count, size_t width, double scale)
{
    for (size_t t = 0; t < count && to; t++)
        for (size_t e = 0; e < width; e++) to[h.at + t * h.step + e] += (float)(scale * x[t * width + e]);
}

/* The scores of the i-th query:  s = scaled @ k.T,  scaled = q / sqrt(width) * log2(e).
 * The last factor makes them powers of two: 2^s is what e^s would be without it.
 * With a causal mask, no key after the query's own is seen. */
static void scores(const Machine *m, double *s, double *scaled, const float *q, size_t i, const double *k_t,
                   const Attention *shape)
{
    size_t keys = (size_t)shape->keys, width = (size_t)shape->width;
    for (size_t e = 0; e < width; e++) scaled[e] = rounded(m, (double)q[e] * LOG2_E / sqrt((double)width));
    product(s, scaled, k_t, 1, width, keys);
    for (size_t j = i + 1; j < keys && shape->causal; j++) s[j] = -INFINITY;
}

/* F.softmax of n scores in powers of two, in their place:  p[j] = 2^(s[j] - max) / (the sum of all 2^(s[j] - max))
 * sums, where it is not NULL, gets max and 1 / (that sum), from which the backward pass computes p again. */
static void softmax(const Machine *m, double *s, size_t n, float *sums)
{
    float max = (float)s[0];
    double total = 0;
    for (size_t j = 1; j < n; j++)
        if (s[j] > (double)max) max = (float)s[j];
    for (size_t j = 0; j < n; j++) {
        s[j] = exp2(s[j] - (double)max);
        total += s[j];
    }
    for (size_t j = 0; j < n; j++) s[j] = rounded(m, s[j] / total);
    if (sums) {
        sums[0] = max;
        sums[1] = (float)(1 / total);
    }
}

/* F.scaled_dot_product_attention(q, k, v, is_causal=causal), for each query of each head:
 *     p = softmax(q @ k.T / sqrt(width));   y = p @ v      */
void attend(Machine *m, float *y, StridedRows q, StridedRows k, StridedRows v, Attention s)
{
    size_t before = mark(m->mem), keys = (size_t)s.keys, width = (size_t)s.width;
    size_t jobs = (size_t)s.outer * (size_t)s.inner * (size_t)s.heads;
    double *k_t = allocate(m->mem, keys * width, sizeof *k_t);
    double *v_of = allocate(m->mem, keys * width, sizeof *v_of);
    double *scaled = allocate(m->mem, width, sizeof *scaled);
    double *sum = allocate(m->mem, width, sizeof *sum);
    double *p = allocate(m->mem, keys, sizeof *p);
    m->ops += 4.0 * (double)jobs * (double)s.queries * s.keys * s.width;
    for (size_t job = 0; job < jobs && !m->dry; job++) {
        Head mine = head_of(q, &s, job);
        pack(m, k_t, k.x, head_of(k, &s, job), keys, width, 1);
        pack(m, v_of, v.x, head_of(v, &s, job), keys, width, 0);
        for (size_t i = 0; i < (size_t)s.queries; i++) {
            scores(m, p, scaled, q.x + mine.at, i, k_t, &s);
            softmax(m, p, keys, sums_of(q, &s, mine.at));
            product(sum, p, v_of, 1, keys, width);
            for (size_t e = 0; e < width; e++) y[mine.at + e] = (float)sum[e];
            mine.at += mine.step;
        }
    }
    release(m->mem, before);
}

/* Backward of one query's softmax.  p, which has the scores, is computed again from what softmax() kept in sums:
 *     dp = dy @ v.T;   ds = p * (dp - the sum of dy * y)      */
static void softmax_back(const Machine *m, double *p, double *ds, const float *sums, const double *dy, const float *y,
                         const double *v_t, size_t keys, size_t width)
{
    double dy_y = 0;
    for (size_t e = 0; e < width; e++) dy_y += dy[e] * (double)y[e];
    product(ds, dy, v_t, 1, width, keys);
    for (size_t j = 0; j < keys; j++) {
        double exact = exp2(p[j] - (double)sums[0]) * (double)sums[1];
        ds[j] = rounded(m, exact * (ds[j] - dy_y));
        p[j] = rounded(m, exact);
    }
}

/* Backward of attend(), for each query:
 *     dv += p.T @ dy;   dq += ds @ k / sqrt(width);   dk += ds.T @ q / sqrt(width)      */
void attend_back(Machine *m, AttentionGradients d, const float *dy, const float *y,
                 StridedRows q, StridedRows k, StridedRows v, Attention s)
{
    size_t before = mark(m->mem), keys = (size_t)s.keys, width = (size_t)s.width, n = keys * width;
    size_t jobs = (size_t)s.outer * (size_t)s.inner * (size_t)s.heads;
    double *k_of = allocate(m->mem, n, sizeof *k_of);
    double *dk = allocate(m->mem, n, sizeof *dk);
    double *k_t = allocate(m->mem, n, sizeof *k_t);
    double *v_t = allocate(m->mem, n, sizeof *v_t);
    double *dv = allocate(m->mem, n, sizeof *dv);
    double *scaled = allocate(m->mem, width, sizeof *scaled);
    double *dy_of = allocate(m->mem, width, sizeof *dy_of);
    double *p = allocate(m->mem, keys, sizeof *p);
    double *ds = allocate(m->mem, keys, sizeof *ds);
    double *dq = allocate(m->mem, width, sizeof *dq);
    m->ops += 10.0 * (double)jobs * (double)s.queries * s.keys * s.width;
    for (size_t job = 0; job < jobs && !m->dry; job++) {
        Head mine = head_of(q, &s, job);
        Head my_keys = head_of(k, &s, job);
        Head my_values = head_of(v, &s, job);
        pack(m, k_of, k.x, my_keys, keys, width, 0);
        pack(m, k_t, k.x, my_keys, keys, width, 1);
        pack(m, v_t, v.x, my_values, keys, width, 1);
        zero(dk, n);
        zero(dv, n);
        for (size_t i = 0; i < (size_t)s.queries; i++) {
            scores(m, p, scaled, q.x + mine.at, i, k_t, &s);
            pack(m, dy_of, dy, mine, 1, width, 0);
            softmax_back(m, p, ds, sums_of(q, &s, mine.at), dy_of, y + mine.at, v_t, keys, width);
            add_product(dv, p, dy_of, keys, 1, width);
            add_product(dk, ds, scaled, keys, 1, width);
            product(dq, ds, k_of, 1, keys, width);
            add_unpacked(d.q, mine, dq, 1, width, 1 / sqrt((double)width));
            mine.at += mine.step;
        }
        add_unpacked(d.k, my_keys, dk, keys, width, 1 / LOG2_E);      /* scaled has 1 / sqrt(width), and log2(e) too */
        add_unpacked(d.v, my_values, dv, keys, width, 1);
    }
    release(m->mem, before);
}

/* ---- norms ------------------------------------------------------------------------------------ */

static double sigmoid(double x) { return 1 / (1 + exp(-x)); }

/* The derivative of x * sigmoid(k x):  s (1 + k x (1 - s)), with s = sigmoid(k x) */
static double swish_slope(double x, double k)
{
    double s = sigmoid(k * x);
    return s * (1 + k * x * (1 - s));
}

/* The n numbers that share a mean: one group of channels, first .. first + wide - 1, in all rows of one sample */
typedef struct {
    size_t n, row, c, first, wide;      /* row: the sample's first; c: the length of a row */
    double mean, over;                  /* over: 1 / sqrt(var + eps) */
} Group;

/* Where the j-th of them stands, and its channel */
static size_t element(const Group *g, size_t j) { return (g->row + j / g->wide) * g->c + g->first + j % g->wide; }
static size_t channel(const Group *g, size_t j) { return g->first + j % g->wide; }

/* The k-th group of all samples, with x.mean() and x.var(unbiased=False) */
static Group group_of(const float *x, const GroupNorm *shape, size_t k)
{
    size_t groups = (size_t)shape->groups, wide = (size_t)shape->c / groups;
    Group g = { .n = shape->rows * wide, .row = k / groups * shape->rows, .c = (size_t)shape->c, .wide = wide };
    double sum = 0, square = 0;
    g.first = k % groups * wide;
    for (size_t j = 0; j < g.n; j++) sum += (double)x[element(&g, j)];
    g.mean = sum / (double)g.n;
    for (size_t j = 0; j < g.n; j++) {
        double far = (double)x[element(&g, j)] - g.mean;
        square += far * far;
    }
    g.over = 1 / sqrt(square / (double)g.n + (double)shape->eps);
    return g;
}

/* F.group_norm(x, groups, gamma, beta, eps), then F.silu where it is wanted:
 *     z = (x - mean) / sqrt(var + eps);   v = z * gamma + beta;   y = v, or v * sigmoid(v)      */
void group_normalize(Machine *m, float *y, const float *x, const Weight *gamma, const Weight *beta, GroupNorm shape)
{
    size_t before = mark(m->mem), c = (size_t)shape.c;
    const float *w = floats(m, gamma, c);
    const float *b = floats(m, beta, c);
    m->ops += 8.0 * (double)shape.samples * (double)shape.rows * (double)c;
    for (size_t k = 0; k < shape.samples * (size_t)shape.groups && !m->dry; k++) {
        Group g = group_of(x, &shape, k);
        for (size_t j = 0; j < g.n; j++) {
            double z = ((double)x[element(&g, j)] - g.mean) * g.over;
            double v = z * (double)w[channel(&g, j)] + (double)b[channel(&g, j)];
            y[element(&g, j)] = (float)(shape.silu ? v * sigmoid(v) : v);
        }
    }
    release(m->mem, before);
}

/* Backward of group_normalize():
 *     dv = dy, or dy * silu'(v);   a = dv * gamma;   dx += (a - mean(a) - z * mean(a * z)) / sqrt(var + eps)
 * beta may be NULL where there is no silu: then nothing depends on it. */
void group_normalize_back(Machine *m, float *dx, const float *dy, const float *x, const Weight *gamma,
                          const Weight *beta, GroupNorm shape)
{
    size_t before = mark(m->mem), c = (size_t)shape.c, n = shape.rows * c / (size_t)shape.groups;
    const float *w = floats(m, gamma, c);
    const float *b = floats(m, beta, c);
    double *z = allocate(m->mem, n, sizeof *z);
    double *a = allocate(m->mem, n, sizeof *a);
    m->ops += 24.0 * (double)shape.samples * (double)shape.rows * (double)c;
    for (size_t k = 0; k < shape.samples * (size_t)shape.groups && !m->dry; k++) {
        Group g = group_of(x, &shape, k);
        double sum_a = 0, sum_az = 0;
        for (size_t j = 0; j < n; j++) {
            double scale = (double)w[channel(&g, j)];
            z[j] = ((double)x[element(&g, j)] - g.mean) * g.over;
            a[j] = (double)dy[element(&g, j)] * scale;
            if (shape.silu) a[j] *= swish_slope(z[j] * scale + (double)b[channel(&g, j)], 1);
            sum_a += a[j];
            sum_az += a[j] * z[j];
        }
        for (size_t j = 0; j < n; j++)
            dx[element(&g, j)] += (float)((a[j] - sum_a / (double)n - z[j] * sum_az / (double)n) * g.over);
    }
    release(m->mem, before);
}

/* F.layer_norm(x, [c], gamma, beta, eps) of each row: a group norm of one group, where each row is a sample */
void layer_normalize(Machine *m, float *y, const float *x, const Weight *gamma, const Weight *beta, size_t count, int c,
                     float eps)
{
    group_normalize(m, y, x, gamma, beta, (GroupNorm){ .samples = count, .rows = 1, .c = c, .groups = 1, .eps = eps });
}

void layer_normalize_back(Machine *m, float *dx, const float *dy, const float *x, const Weight *gamma, size_t count,
                          int c, float eps)
{
    GroupNorm shape = { .samples = count, .rows = 1, .c = c, .groups = 1, .eps = eps };
    group_normalize_back(m, dx, dy, x, gamma, NULL, shape);
}

/* ---- activations ------------------------------------------------------------------------------ */

/* y = x * sigmoid(k x) */
static void swish(Machine *m, float *y, const float *x, size_t n, double k)
{
    m->ops += 4.0 * (double)n;
    for (size_t i = 0; i < n && !m->dry; i++) y[i] = (float)((double)x[i] * sigmoid(k * (double)x[i]));
}

/* F.silu(x) */
void silu_of(Machine *m, float *y, const float *x, size_t n) { swish(m, y, x, n, 1); }

/* QuickGELUActivation()(x), which OpenAI's CLIP has instead of gelu */
void quick_gelu_of(Machine *m, float *y, const float *x, size_t n) { swish(m, y, x, n, 1.702); }

/* F.prelu(x, slope), or F.leaky_relu(x, same) */
void prelu_of(Machine *m, float *x, const Weight *slope, float same, size_t count, int c)
{
    size_t before = mark(m->mem);
    const float *s = slope ? floats(m, slope, (size_t)c) : NULL;
    m->ops += 2.0 * (double)count * c;
    for (size_t i = 0; i < count * (size_t)c && !m->dry; i++)
        if (x[i] < 0) x[i] *= s ? s[i % (size_t)c] : same;
    release(m->mem, before);
}

/* Backward of both, where k is 1 or 1.702 */
void swish_back(Machine *m, float *dx, const float *dy, const float *x, size_t n, float k)
{
    m->ops += 8.0 * (double)n;
    for (size_t i = 0; i < n && !m->dry; i++) dx[i] += (float)((double)dy[i] * swish_slope((double)x[i], (double)k));
}

/* Phi(x) = (1 + erf(x / sqrt 2)) / 2, the normal distribution up to x.  erfc keeps its digits where Phi is small. */
static double normal_cdf(double x) { return erfc(-x / sqrt(2)) / 2; }

/* value, gate = x.chunk(2, dim=-1);   y = value * F.gelu(gate), with gelu(g) = g * Phi(g) */
void geglu_of(Machine *m, float *y, const float *x, size_t count, int c)
{
    size_t wide = (size_t)c;
    m->ops += 8.0 * (double)count * c;
    for (size_t r = 0; r < count && !m->dry; r++)
        for (size_t i = 0; i < wide; i++) {
            double value = (double)x[r * 2 * wide + i], gate = (double)x[r * 2 * wide + wide + i];
            y[r * wide + i] = (float)(value * gate * normal_cdf(gate));
        }
}

/* Backward of geglu_of():
 *     d value += dy * gelu(gate);   d gate += dy * value * gelu'(gate)
 * with gelu'(g) = Phi(g) + g * e^(-g^2 / 2) / sqrt(2 pi) */
void geglu_back(Machine *m, float *dx, const float *dy, const float *x, size_t count, int c)
{
    size_t wide = (size_t)c;
    m->ops += 24.0 * (double)count * c;
    for (size_t r = 0; r < count && !m->dry; r++)
        for (size_t i = 0; i < wide; i++) {
            size_t at = r * 2 * wide + i;
            double value = (double)x[at], gate = (double)x[at + wide], d = (double)dy[r * wide + i];
            double slope = normal_cdf(gate) + gate * exp(-gate * gate / 2) * 0.3989422804014327;
            dx[at] += (float)(d * gate * normal_cdf(gate));
            dx[at + wide] += (float)(d * value * slope);
        }
}

/* ---- copies and sums -------------------------------------------------------------------------- */

/* y[r] = x[from[r]], of c numbers each; from NULL: y[r] = x[r] */
void gather_rows(Machine *m, float *y, size_t y_row, const float *x, size_t x_row, const size_t *from, size_t count,
                 size_t c)
{
    for (size_t r = 0; r < count && !m->dry; r++) {
        size_t row = from ? from[r] : r;
        for (size_t i = 0; i < c; i++) y[r * y_row + i] = x[row * x_row + i];
    }
}

/* y = x.  y lies below x, so counting upwards reads each number before it is overwritten. */
void move_down(Machine *m, float *y, const float *x, size_t n)
{
    for (size_t i = 0; i < n && !m->dry; i++) y[i] = x[i];
}

/* y.zero_() */
void clear(Machine *m, float *y, size_t n)
{
    for (size_t i = 0; i < n && !m->dry; i++) y[i] = 0;
}

/* y += x */
void add_into(Machine *m, float *y, const float *x, size_t n)
{
    m->ops += (double)n;
    for (size_t i = 0; i < n && !m->dry; i++) y[i] += x[i];
}

/* y += x[:, :c], for y [count,c] and rows of x that are x_row long */
void add_columns(Machine *m, float *y, const float *x, size_t x_row, size_t count, size_t c)
{
    m->ops += (double)count * (double)c;
    for (size_t r = 0; r < count && !m->dry; r++)
        for (size_t i = 0; i < c; i++) y[r * c + i] += x[r * x_row + i];
}

/* y += row, for y [count,c] and one row [c] */
void add_row(Machine *m, float *y, const float *row, size_t count, size_t c) { add_columns(m, y, row, 0, count, c); }

/* Backward of add_row():  dx += dy.sum(0), for dy [count,c] */
void add_row_back(Machine *m, float *dx, const float *dy, size_t count, int c)
{
    size_t wide = (size_t)c;
    m->ops += (double)count * c;
    for (size_t i = 0; i < wide && !m->dry; i++) {
        double sum = 0;
        for (size_t r = 0; r < count; r++) sum += (double)dy[r * wide + i];
        dx[i] += (float)sum;
    }
}

/* ---- what adapters add to a weight ------------------------------------------------------------ */

/* y = scale * w, or y += scale * w */
void weight_into(Machine *m, float *y, const Weight *w, size_t n, float scale, int add)
{
    size_t before = mark(m->mem);
    const float *x = floats(m, w, n);
    m->ops += 2 * (double)n;
    for (size_t i = 0; i < n && !m->dry; i++) {
        float start = add ? y[i] : 0;
        y[i] = start + scale * x[i];
    }
    release(m->mem, before);
}

/* LoHa:  y += scale * a * b, element by element */
void add_hadamard(Machine *m, float *y, const float *a, const float *b, size_t n, float scale)
{
    m->ops += 3 * (double)n;
    for (size_t i = 0; i < n && !m->dry; i++) y[i] += scale * a[i] * b[i];
}

/* LoKr:  y += scale * torch.kron(a, b):   y[i * b.rows + k, j * b.columns + l] += scale * a[i,j] * b[k,l] */
void add_kronecker(Machine *m, float *y, Matrix a, Matrix b, float scale)
{
    size_t rows = a.rows * b.rows, columns = a.columns * b.columns;
    m->ops += 2 * (double)rows * (double)columns;
    for (size_t r = 0; r < rows && !m->dry; r++)
        for (size_t c = 0; c < columns; c++) {
            float left = a.x[r / b.rows * a.columns + c / b.columns];
            float right = b.x[r % b.rows * b.columns + c % b.columns];
            y[r * columns + c] += scale * left * right;
        }
}

/* DoRA (Liu et al., 2024), for each of the matrix' vectors y:
 *     y = old + strength * (size * y / (|y| + FLT_EPSILON) - old)
 * A vector is d.parts pieces, one row of y apart, each of d.n numbers. */
void decompose(Machine *m, Matrix y, const float *old, const float *size, Decompose d)
{
    size_t length = d.parts * d.n;
    m->ops += 6 * (double)y.rows * (double)y.columns;
    for (size_t v = 0; v < y.rows * y.columns / length && !m->dry; v++) {
        double square = 0;
        for (size_t k = 0; k < length; k++) {
            double part = (double)y.x[v * d.n + k / d.n * y.columns + k % d.n];
            square += part * part;
        }
        double by = (double)size[v] / (sqrt(square) + (double)FLT_EPSILON);
        for (size_t k = 0; k < length; k++) {
            size_t at = v * d.n + k / d.n * y.columns + k % d.n;
            double start = (double)old[at], whole = by * (double)y.x[at];
            y.x[at] = (float)(start + (double)d.strength * (whole - start));
        }
    }
}

/* ---- the machine ------------------------------------------------------------------------------ */

/* One: nothing here is shared out among threads. */
int machine_threads(void) { return 1; }

/* Operations per second, of the products [64,64] @ [64,64] that are done in a thirtieth of a second.  What other
 * programs take of it meanwhile is not told apart. */
MachineSpeed machine_speed(Machine *m)
{
    enum { N = 64 };
    size_t before = mark(m->mem), shape[] = { N, N };
    Machine real = { .mem = m->mem, .threads = 1, .bf16 = m->bf16 };
    float *x = allocate(m->mem, N * N, sizeof *x);
    Tensor y = { .n = 1, .h = N, .w = 1, .c = N, .x = allocate(m->mem, N * N, sizeof *x) };
    Weight w = { .name = "", .data = x, .type = F32, .rank = 2, .shape = shape, .bytes = N * N * sizeof *x };
    clear(&real, x, N * N);
    double begun = system_seconds(), seconds = 0;
    while (seconds < 1 / 30.0) {
        conv(&real, y, (Tensor){ .n = 1, .h = N, .w = 1, .c = N, .x = x }, &w, NULL, (Conv){ .stride = 1, .scale = 1 });
        seconds = system_seconds() - begun;
    }
    release(m->mem, before);
    double now = real.ops / seconds;
    return (MachineSpeed){ .alone = now, .now = now };
}
