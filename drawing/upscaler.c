/* upscaler.c - networks that make a finished picture larger: SRVGGNetCompact and RRDBNet.
 *
 *     SRVGGNetCompact   a row of 3x3 convolutions, each with PReLU, at the size of the picture.  The last one gives
 *                       out * scale^2 channels, which pixel_shuffle lays out as pixels; they are added to the picture,
 *                       enlarged by its nearest pixels.
 *     RRDBNet           residual in residual dense blocks (RRDB) at the size of the picture, then nearest-neighbour
 *                       upsampling with a convolution for each doubling
 *
 * A large picture is upscaled in tiles, each with some of its surroundings, of which only the middle is kept.
 * SRVGGNetCompact sees one pixel far for each convolution; and Winograd's convolutions round the 4 x 4 pixels of one of
 * their tiles together.  So with 4 pixels around it for each convolution, a tile gives the very bytes of the whole
 * picture.  An RRDBNet sees hundreds of pixels far, though little from so far away: Real-ESRGAN takes 10 pixels around
 * a tile, and CONTEXT is more.  tests/test_upscaler.c measures what difference that leaves.
 *
 * A clip is upscaled frame by frame.  These networks have no memory, so it is as steady as its frames. */
#include "upscaler.h"

#include "chars.h"
#include "checkpoint.h"

#include <string.h>

enum { COLOURS = 3, MOST_LAYERS = 200, CONTEXT = 16 };
enum { ALIGNED = 4 };           /* tiles begin at multiples of it: of Winograd's tiles, and of unshuffle */

/* ---- layers without weights --------------------------------------------------------------------- */

/* F.pixel_shuffle(x, s):  out[y s + a, x s + b, c] = in[y, x, c s s + a s + b].  [1,h,w,c s s] -> [1,h s,w s,c] */
static Tensor pixel_shuffle(Run *r, Tensor x, int s)
{
    Tensor y = tensor(r, x.n, x.h * s, x.w * s, x.c / (s * s));
    float *to = y.x;
    for (int i = 0; i < y.h && !r->machine->dry; i++)
        for (int j = 0; j < y.w; j++) {
            const float *from = x.x + ((size_t)(i / s) * (size_t)x.w + (size_t)(j / s)) * (size_t)x.c;
            for (int c = 0; c < y.c; c++) *to++ = from[c * s * s + i % s * s + j % s];
        }
    return y;
}

/* F.pixel_unshuffle(x, s):  out[y, x, c s s + a s + b] = in[y s + a, x s + b, c].  A size that s does not divide grows
 * by reflection on the right and below.  [1,h,w,c] -> [1,h/s,w/s,c s s] */
static Tensor pixel_unshuffle(Run *r, Tensor x, int s)
{
    Tensor y = tensor(r, x.n, (x.h + s - 1) / s, (x.w + s - 1) / s, x.c * s * s);
    for (int i = 0; i < y.h * s && !r->machine->dry; i++)
        for (int j = 0; j < y.w * s; j++) {
            int row = i < x.h ? i : 2 * x.h - 2 - i;
            int column = j < x.w ? j : 2 * x.w - 2 - j;
            if (row < 0) row = 0;
            if (column < 0) column = 0;
            const float *from = x.x + ((size_t)row * (size_t)x.w + (size_t)column) * (size_t)x.c;
            float *to = y.x + ((size_t)(i / s) * (size_t)y.w + (size_t)(j / s)) * (size_t)y.c + i % s * s + j % s;
            for (int c = 0; c < x.c; c++) to[c * s * s] = from[c];
        }
    return y;
}

/* x + 0.2 y, in place of y */
static Tensor residual(Run *r, Tensor x, Tensor y)
{
    for (size_t i = 0; i < size(y) && !r->machine->dry; i++) y.x[i] = x.x[i] + 0.2f * y.x[i];
    return y;
}

/* ---- SRVGGNetCompact ---------------------------------------------------------------------------- */

/* body.0 (convolution), body.1 (PReLU), ..., body.2n (convolution);  pixel_shuffle(body) + interpolate(x, "nearest") */
static Tensor srvgg_compact(Run *r, const Upscaler *u, Tensor x)
{
    Arena *a = r->machine->mem;
    int last = 2 * (u->blocks + 1);
    size_t before = mark(a);
    Tensor h = x;
    for (int i = 0; i < last; i += 2) {
        h = conv2d(r, format(a, "%sbody.%d", u->prefix, i), h, 1);
        if (u->is_prelu) h = prelu(r, format(a, "%sbody.%d", u->prefix, i + 1), h);
        else h = leaky_relu(r, h, 0);
        h = compact(r, before, h);
    }
    h = conv2d(r, format(a, "%sbody.%d", u->prefix, last), h, 1);
    h = compact(r, before, pixel_shuffle(r, h, u->scale));
    Tensor base = upsample(r, x, x.h * u->scale, x.w * u->scale);
    return compact(r, before, add(r, h, base));
}

/* ---- RRDBNet ------------------------------------------------------------------------------------ */

static Tensor conv_lrelu(Run *r, const char *layer, Tensor x)
{
    return leaky_relu(r, conv2d(r, layer, x, 1), 0.2f);
}

/* ResidualDenseBlock:  x_i = lrelu(conv_i([x, x_1, ..., x_{i-1}])),  x + 0.2 conv5([x, x_1, ..., x_4])
 * ESRGAN+ (N. Rakotonirina and A. Rasoanaivo, 2020) adds conv1x1(x) to x_2, and x_2 to x_4. */
static Tensor dense_block(Run *r, const char *p, Tensor x)
{
    size_t before = mark(r->machine->mem);
    int is_plus = has(r, at(r, p, "conv1x1"));
    Tensor all = concat(r, x, conv_lrelu(r, at(r, p, "conv1"), x));
    Tensor x2 = conv_lrelu(r, at(r, p, "conv2"), all);
    if (is_plus) x2 = add(r, x2, linear_no_bias(r, at(r, p, "conv1x1"), x));
    all = concat(r, all, x2);
    all = concat(r, all, conv_lrelu(r, at(r, p, "conv3"), all));
    Tensor x4 = conv_lrelu(r, at(r, p, "conv4"), all);
    if (is_plus) x4 = add(r, x4, x2);
    all = concat(r, all, x4);
    return compact(r, before, residual(r, x, conv2d(r, at(r, p, "conv5"), all, 1)));
}

/* RRDB:  x + 0.2 rdb3(rdb2(rdb1(x))) */
static Tensor rrdb(Run *r, const char *p, Tensor x)
{
    size_t before = mark(r->machine->mem);
    Tensor h = dense_block(r, at(r, p, "rdb1"), x);
    h = dense_block(r, at(r, p, "rdb2"), h);
    h = dense_block(r, at(r, p, "rdb3"), h);
    return compact(r, before, residual(r, x, h));
}

/* f = conv_first(x);  f += conv_body(body(f));  f = lrelu(conv_up(interpolate(f, 2, "nearest"))), once or more;
 * conv_last(lrelu(conv_hr(f))) */
static Tensor rrdbnet(Run *r, const Upscaler *u, Tensor x)
{
    Arena *a = r->machine->mem;
    const char *p = u->prefix;
    size_t before = mark(a);
    if (u->unshuffle > 1) x = pixel_unshuffle(r, x, u->unshuffle);
    Tensor first = conv2d(r, format(a, "%sconv_first", p), x, 1);
    size_t after_first = mark(a);
    Tensor h = first;
    for (int i = 0; i < u->blocks; i++) h = compact(r, after_first, rrdb(r, format(a, "%sbody.%d", p, i), h));
    h = compact(r, before, add(r, conv2d(r, format(a, "%sconv_body", p), h, 1), first));
    for (int i = 1; i <= u->ups; i++) {
        h = compact(r, before, upsample(r, h, 2 * h.h, 2 * h.w));
        h = compact(r, before, conv_lrelu(r, format(a, "%sconv_up%d", p, i), h));
    }
    h = compact(r, before, conv_lrelu(r, format(a, "%sconv_hr", p), h));
    return compact(r, before, conv2d(r, format(a, "%sconv_last", p), h, 1));
}

/* ---- what the weights say ----------------------------------------------------------------------- */

static const Weight *weight_of(Run *r, const char *prefix, const char *name)
{
    return weights_find(r->weights, format(r->machine->mem, "%s%s", prefix, name));
}

static size_t dim(const Weight *w, size_t i) { return w && w->rank == 4 ? w->shape[i] : 0; }

/* The whole s with s * s * each = n; 0 when there is none. */
static int square_side(size_t n, size_t each)
{
    for (size_t s = 1; s <= 8; s++)
        if (s * s * each == n) return (int)s;
    return 0;
}

static int count_layers(Run *r, const char *prefix, const char *pattern, int first, int step)
{
    int i = first;
    while (i < MOST_LAYERS && weight_of(r, prefix, format(r->machine->mem, pattern, i))) i += step;
    return (i - first) / step;
}

static void read_compact(Run *r, Upscaler *u)
{
    int convolutions = count_layers(r, u->prefix, "body.%d.weight", 0, 2);
    const Weight *last = weight_of(r, u->prefix, format(r->machine->mem, "body.%d.weight", 2 * (convolutions - 1)));
    u->blocks = convolutions - 2;
    u->is_prelu = weight_of(r, u->prefix, "body.1.weight") != NULL;
    u->scale = square_side(dim(last, 0), COLOURS);
    u->unshuffle = 1;
}

static void read_rrdb(Run *r, Upscaler *u)
{
    u->is_rrdb = 1;
    u->blocks = count_layers(r, u->prefix, "body.%d.rdb1.conv1.weight", 0, 1);
    u->ups = count_layers(r, u->prefix, "conv_up%d.weight", 1, 1);
    u->unshuffle = square_side(dim(weight_of(r, u->prefix, "conv_first.weight"), 1), COLOURS);
    int is_whole = u->unshuffle && u->ups <= 3 && (1 << u->ups) % u->unshuffle == 0;
    u->scale = is_whole ? (1 << u->ups) / u->unshuffle : 0;
}

Upscaler upscaler_of(Run *r, const char *prefix)
{
    Arena *a = r->machine->mem;
    Upscaler u = { .prefix = prefix };
    const Weight *first = weight_of(r, prefix, "body.0.weight");
    const char *input = first ? "body.0.weight" : "conv_first.weight";
    if (first) read_compact(r, &u);
    else read_rrdb(r, &u);
    const char *path = weights_path(r->weights, format(a, "%s%s", prefix, input));
    int is_there = weight_of(r, prefix, input) != NULL;
    int is_known_scale = u.scale >= 1 && u.scale <= 8;
    if (is_there && u.blocks >= 0 && is_known_scale && (!first || dim(first, 1) == COLOURS)) return u;
    if (!is_there) fail(a, "the upscaler has neither body.0.weight nor conv_first.weight: is the file whole?");
    fail(a, "%s: its layers are those of neither SRVGGNetCompact nor RRDBNet for RGB pictures that become 1 to 8 times "
            "as large; use another upscaler, such as RealESRGAN_x4plus or realesr-animevideov3", path ? path : prefix);
}

const char *upscaler_said(Arena *a, const Upscaler *u)
{
    const char *blocks = amount(a, (size_t)u->blocks, "block");
    if (u->is_rrdb) return format(a, "RRDBNet of %s, %dx", blocks, u->scale);
    return format(a, "SRVGGNetCompact of %s, %dx", amount(a, (size_t)u->blocks + 2, "convolution"), u->scale);
}

/* ---- tiles -------------------------------------------------------------------------------------- */

/* A rectangle of a picture, in pixels: [top, bottom) x [left, right). */
typedef struct { int top, left, bottom, right; } Box;

static int least(int a, int b) { return a < b ? a : b; }
static int above(int at, int context) { return at > context ? (at - context) / ALIGNED * ALIGNED : 0; }
static int below(int at, int context, int end) { return least(end, (at + context + ALIGNED - 1) / ALIGNED * ALIGNED); }

static Tensor cut(Run *r, Tensor x, Box b)
{
    Tensor y = tensor(r, 1, b.bottom - b.top, b.right - b.left, x.c);
    size_t row = (size_t)y.w * (size_t)y.c;
    for (int i = 0; i < y.h && !r->machine->dry; i++) {
        size_t from = ((size_t)(b.top + i) * (size_t)x.w + (size_t)b.left) * (size_t)x.c;
        memcpy(y.x + (size_t)i * row, x.x + from, row * sizeof *y.x);
    }
    return y;
}

/* Copies the box `inner` of y's picture out of the tile, which covers the box `outer`.  The boxes are in pixels of the
 * picture before. */
static void paste(Run *r, Tensor y, Tensor tile, Box inner, Box outer, int scale)
{
    size_t row = (size_t)((inner.right - inner.left) * scale) * (size_t)y.c;
    for (int i = inner.top * scale; i < inner.bottom * scale && !r->machine->dry; i++) {
        size_t from = ((size_t)(i - outer.top * scale) * (size_t)tile.w
                       + (size_t)((inner.left - outer.left) * scale)) * (size_t)tile.c;
        size_t to = ((size_t)i * (size_t)y.w + (size_t)(inner.left * scale)) * (size_t)y.c;
        memcpy(y.x + to, tile.x + from, row * sizeof *y.x);
    }
}

static Tensor network(Run *r, const Upscaler *u, Tensor x)
{
    return u->is_rrdb ? rrdbnet(r, u, x) : srvgg_compact(r, u, x);
}

static void upscale_tile(Run *r, const Upscaler *u, Tensor y, Tensor x, Box inner)
{
    size_t before = mark(r->machine->mem);
    int context = u->is_rrdb ? CONTEXT : ALIGNED * (u->blocks + 2);
    Box outer = { above(inner.top, context), above(inner.left, context), below(inner.bottom, context, x.h),
                  below(inner.right, context, x.w) };
    Tensor tile = network(r, u, cut(r, x, outer));
    int fits = tile.c == y.c;
    if (tile.c && !fits) problem(r, "%sconv_last gives %d channels, expected %d", u->prefix, tile.c, y.c);
    if (fits) paste(r, y, tile, inner, outer, u->scale);
    release(r->machine->mem, before);
}

Tensor upscale(Run *r, const Upscaler *u, Tensor x, int tile)
{
    Tensor y = tensor(r, 1, x.h * u->scale, x.w * u->scale, COLOURS);
    if (!tile) tile = x.h > x.w ? x.h : x.w;
    for (int i = 0; i < x.h; i += tile)
        for (int j = 0; j < x.w; j += tile) {
            if (r->problems && r->problems->count) return y;
            upscale_tile(r, u, y, x, (Box){ i, j, least(i + tile, x.h), least(j + tile, x.w) });
        }
    return y;
}
