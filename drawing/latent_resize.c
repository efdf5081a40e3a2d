/* latent_resize.c - latents at another size: PyTorch's interpolate, align_corners=False, in float32.
 *
 * Bilinear: output position i reads at x = (i + 0.5) * from / to - 0.5, between two neighbours that are weighted by
 * their distance.  Nearest: it reads at the whole part of i * from / to.  Nothing reads past an edge.
 *
 * All arithmetic is float32, as in PyTorch, because the second pass begins with these numbers.
 * Source: torch.nn.functional.interpolate; PyTorch, aten/src/ATen/native/UpSample.h. */
#include "latent_resize.h"

#include <math.h>

/* Where output position i reads: from two neighbours, weighted 1 - t and t. */
typedef struct { int lower, upper; float t; } Between;

static Between between(int i, int from, int to, int nearest)
{
    float scale = (float)from / (float)to;
    float x = fmaxf(((float)i + 0.5f) * scale - 0.5f, 0);
    if (nearest) x = (float)i * scale;
    int lower = (int)x < from - 1 ? (int)x : from - 1;
    Between b = { .lower = lower, .upper = lower, .t = 0 };
    if (lower < from - 1) b.upper = lower + 1;
    if (!nearest) b.t = x - (float)lower;
    return b;
}

static const float *pixel(Tensor x, int n, int i, int j)
{
    return x.x + (((size_t)n * (size_t)x.h + (size_t)i) * (size_t)x.w + (size_t)j) * (size_t)x.c;
}

void latent_resize(Tensor y, Tensor x, int nearest)
{
    float *to = y.x;
    for (int n = 0; n < y.n; n++)
        for (int i = 0; i < y.h; i++)
            for (int j = 0; j < y.w; j++) {
                Between v = between(i, x.h, y.h, nearest);
                Between u = between(j, x.w, y.w, nearest);
                const float *a = pixel(x, n, v.lower, u.lower);
                const float *b = pixel(x, n, v.lower, u.upper);
                const float *c = pixel(x, n, v.upper, u.lower);
                const float *d = pixel(x, n, v.upper, u.upper);
                for (int k = 0; k < x.c; k++) {
                    float upper_row = (1 - u.t) * a[k] + u.t * b[k];
                    float lower_row = (1 - u.t) * c[k] + u.t * d[k];
                    *to++ = (1 - v.t) * upper_row + v.t * lower_row;
                }
            }
}
