/* preview.c - latents as a small picture.
 *
 * A latent has four channels and stands for 8x8 pixels, whose mean colour is nearly a linear function of it.  Which one differs
 * from one decoder to the next, so it is fitted, by least squares over
 *
 *     (z, mean colour of the 8x8 pixels that z is decoded to)     z: the job's own latents, averaged to at most 8x8
 *
 * Latents as they are in this picture fit better than random ones, as most random ones are far from those of any picture; averaged ones
 * cover all of it at the cost of one small decode.  A little is added to the diagonal, for pictures of one colour. */
#include "preview.h"

#include "vae.h"

#include <math.h>
#include <string.h>

enum { RGB = 3, SIDE = 8 };

/* by blocks of f x f, the middle of what does not divide; at most 2 SIDE a side */
static Tensor averaged(Run *r, Tensor z)
{
    int f = (z.h < z.w ? z.h : z.w) / SIDE, h, w;
    if (f < 1) f = 1;
    h = z.h / f < 2 * SIDE ? z.h / f : 2 * SIDE, w = z.w / f < 2 * SIDE ? z.w / f : 2 * SIDE;
    Tensor y = tensor(r, 1, h, w, LATENT);
    int top = (z.h - h * f) / 2, left = (z.w - w * f) / 2;
    memset(y.x, 0, size(y) * sizeof *y.x);
    for (int i = 0; i < h * f; i++)
        for (int k = 0; k < w * f; k++)
            for (int c = 0; c < LATENT; c++)
                y.x[((i / f) * w + k / f) * LATENT + c] += z.x[((size_t)(top + i) * (size_t)z.w + (size_t)(left + k)) * LATENT + (size_t)c] / (float)(f * f);
    return y;
}

/* mean of channel c over the 8x8 pixels that latent i, of w in a row, stands for */
static double colour(Tensor picture, int i, int w, int c)
{
    double sum = 0;
    for (int y = 0; y < FACTOR; y++)
        for (int x = 0; x < FACTOR; x++)
            sum += (double)picture.x[((size_t)(i / w * FACTOR + y) * (size_t)picture.w + (size_t)(i % w * FACTOR + x)) * RGB + (size_t)c];
    return sum / (FACTOR * FACTOR);
}

/* a x = b for each of the columns of b, a symmetric and positive, by elimination; x in b's place */
static void solve(double a[LATENT][LATENT], double b[LATENT][RGB])
{
    for (int p = 0; p < LATENT; p++)
        for (int i = 0; i < LATENT; i++) {
            double by = i == p ? 0 : a[i][p] / a[p][p];
            for (int k = 0; k < LATENT; k++) a[i][k] -= by * a[p][k];
            for (int c = 0; c < RGB; c++) b[i][c] -= by * b[p][c];
        }
    for (int i = 0; i < LATENT; i++) for (int c = 0; c < RGB; c++) b[i][c] /= a[i][i];
}

/* (Z' Z + n / 50) by = Z' C, both about their means */
static LatentMap fit(Tensor z, Tensor picture)
{
    int n = z.h * z.w;
    double mean[LATENT] = { 0 }, mean_colour[RGB] = { 0 }, a[LATENT][LATENT] = { { 0 } }, b[LATENT][RGB] = { { 0 } };
    LatentMap m;
    for (int i = 0; i < n; i++) for (int k = 0; k < LATENT; k++) mean[k] += (double)z.x[i * LATENT + k] / n;
    for (int i = 0; i < n; i++) for (int c = 0; c < RGB; c++) mean_colour[c] += colour(picture, i, z.w, c) / n;
    for (int k = 0; k < LATENT; k++) a[k][k] = n / 50.0;
    for (int i = 0; i < n; i++)
        for (int k = 0; k < LATENT; k++) {
            double d = (double)z.x[i * LATENT + k] - mean[k];
            for (int l = 0; l < LATENT; l++) a[k][l] += d * ((double)z.x[i * LATENT + l] - mean[l]);
            for (int c = 0; c < RGB; c++) b[k][c] += d * (colour(picture, i, z.w, c) - mean_colour[c]);
        }
    solve(a, b);
    for (int c = 0; c < RGB; c++) {
        double plus = mean_colour[c];
        for (int k = 0; k < LATENT; k++) plus -= b[k][c] * mean[k], m.by[k][c] = (float)b[k][c];
        m.plus[c] = (float)plus;
    }
    return m;
}

LatentMap preview_fit(Run *r, Tensor z)
{
    size_t before = mark(r->machine->mem);
    Tensor small = averaged(r, z);
    LatentMap m = fit(small, vae_decode(r, small));
    release(r->machine->mem, before);
    return m;
}

void preview_draw(const LatentMap *m, Tensor z, unsigned char *rgb)
{
    for (size_t i = 0; i < rows(z); i++)
        for (int c = 0; c < RGB; c++) {
            float x = m->plus[c];
            for (int k = 0; k < LATENT; k++) x += m->by[k][c] * z.x[i * LATENT + (size_t)k];
            *rgb++ = (unsigned char)lrintf(255 * fminf(fmaxf(x / 2 + 0.5f, 0), 1));
        }
}
