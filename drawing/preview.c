/* preview.c - latents as a small picture.
 *
 * A latent has four channels and stands for 8x8 pixels, whose mean colour is nearly a linear function of it.  The
 * function differs from one decoder to the next, so it is fitted here, by least squares over pairs of
 *
 *     z, and the mean colour of the 8x8 pixels that z is decoded to      z: the job's own latents, averaged to at
 *     most 16x16
 *
 * Random latents would fit worse: most of them are far from those of any picture.  Averaged ones cover the whole
 * picture at the cost of one small decode.  A little is added to the diagonal (ridge regression), for pictures of a
 * single colour. */
#include "preview.h"

#include "vae.h"

#include <math.h>
#include <string.h>

enum { RGB = 3, SIDE = 8 };

static int smaller(int a, int b)
{
    return a < b ? a : b;
}

/* Averages z over squares of f x f, at most 2 SIDE a side, from the middle of what does not divide. */
static Tensor average(Run *r, Tensor z)
{
    int f = smaller(z.h, z.w) / SIDE;
    if (f < 1) f = 1;
    int h = smaller(z.h / f, 2 * SIDE);
    int w = smaller(z.w / f, 2 * SIDE);
    int top = (z.h - h * f) / 2;
    int left = (z.w - w * f) / 2;
    Tensor y = tensor(r, 1, h, w, LATENT);
    memset(y.x, 0, size(y) * sizeof *y.x);
    for (int i = 0; i < h * f; i++)
        for (int k = 0; k < w * f; k++) {
            const float *from = z.x + ((size_t)(top + i) * (size_t)z.w + (size_t)(left + k)) * LATENT;
            float *to = y.x + ((i / f) * w + k / f) * LATENT;
            for (int c = 0; c < LATENT; c++) to[c] += from[c] / (float)(f * f);
        }
    return y;
}

/* The mean of channel c over the 8x8 pixels that latent i, of w in a row, stands for. */
static double mean_colour(Tensor picture, int i, int w, int c)
{
    double sum = 0;
    size_t top = (size_t)(i / w * FACTOR);
    size_t left = (size_t)(i % w * FACTOR);
    for (size_t y = 0; y < FACTOR; y++)
        for (size_t x = 0; x < FACTOR; x++)
            sum += (double)picture.x[((top + y) * (size_t)picture.w + left + x) * RGB + (size_t)c];
    return sum / (FACTOR * FACTOR);
}

/* Solves a x = b for each column of b, by Gauss-Jordan elimination; a is symmetric and positive.  x takes b's place.
 * */
static void solve(double a[LATENT][LATENT], double b[LATENT][RGB])
{
    for (int p = 0; p < LATENT; p++)
        for (int i = 0; i < LATENT; i++) {
            double factor = i == p ? 0 : a[i][p] / a[p][p];
            for (int k = 0; k < LATENT; k++) a[i][k] -= factor * a[p][k];
            for (int c = 0; c < RGB; c++) b[i][c] -= factor * b[p][c];
        }
    for (int i = 0; i < LATENT; i++)
        for (int c = 0; c < RGB; c++) b[i][c] /= a[i][i];
}

/* (Z' Z + n/50 I) factor = Z' C,  Z and C about their means */
static LatentMap fit(Tensor z, Tensor picture)
{
    int n = z.h * z.w;
    double mean[LATENT] = { 0 };
    double mean_rgb[RGB] = { 0 };
    double a[LATENT][LATENT] = { { 0 } };
    double b[LATENT][RGB] = { { 0 } };
    for (int i = 0; i < n; i++) {
        for (int k = 0; k < LATENT; k++) mean[k] += (double)z.x[i * LATENT + k] / n;
        for (int c = 0; c < RGB; c++) mean_rgb[c] += mean_colour(picture, i, z.w, c) / n;
    }
    for (int k = 0; k < LATENT; k++) a[k][k] = n / 50.0;
    for (int i = 0; i < n; i++)
        for (int k = 0; k < LATENT; k++) {
            double d = (double)z.x[i * LATENT + k] - mean[k];
            for (int l = 0; l < LATENT; l++) a[k][l] += d * ((double)z.x[i * LATENT + l] - mean[l]);
            for (int c = 0; c < RGB; c++) b[k][c] += d * (mean_colour(picture, i, z.w, c) - mean_rgb[c]);
        }
    solve(a, b);
    LatentMap m;
    for (int c = 0; c < RGB; c++) {
        double offset = mean_rgb[c];
        for (int k = 0; k < LATENT; k++) {
            offset -= b[k][c] * mean[k];
            m.factor[k][c] = (float)b[k][c];
        }
        m.offset[c] = (float)offset;
    }
    return m;
}

LatentMap preview_fit(Run *r, Tensor z)
{
    size_t before = mark(r->machine->mem);
    Tensor small = average(r, z);
    LatentMap m = fit(small, vae_decode(r, small));
    release(r->machine->mem, before);
    return m;
}

void preview_draw(const LatentMap *m, Tensor z, unsigned char *rgb)
{
    for (size_t i = 0; i < rows(z); i++)
        for (int c = 0; c < RGB; c++) {
            float x = m->offset[c];
            for (int k = 0; k < LATENT; k++) x += m->factor[k][c] * z.x[i * LATENT + (size_t)k];
            float unit = fminf(fmaxf(x / 2 + 0.5f, 0), 1);
            *rgb++ = (unsigned char)lrintf(255 * unit);
        }
}
