/* noise.c - the noise that training adds to a picture.
 *
 * Diffusion learns from pictures under normal noise, each value for itself.  Such noise hardly changes the mean of a
 * picture, so a model trained with it alone draws everything at medium brightness.  The options here add noise that is
 * the same over the picture, or over parts of it:
 *
 *     noise_offset          one shift for each channel (Guttenberg, "Diffusion with Offset Noise", 2023)
 *     multires noise        coarse noise on several scales, "pyramid noise" (Whitaker, 2023)
 *     ip_noise_gamma        input perturbation (Ning et al., 2023): x_t is noisier than the target says
 *
 * The reference is kohya's sd-scripts: apply_noise_offset and pyramid_noise_like in library/custom_train_functions.py,
 * get_noise_noisy_latents_and_timesteps in library/train_util.py.  There a random strength, and the std of the pyramid,
 * belong to a whole batch.  Here every picture is computed alone, and has its own. */
#include "noise.h"

#include <math.h>

enum { MOST_CHANNELS = 16 };

/* ---- offset ------------------------------------------------------------------------------------ */

/* latents.mean(dim=(2, 3)) of one channel */
static double channel_mean(Tensor latents, int c)
{
    double sum = 0;
    size_t pixels = (size_t)latents.h * (size_t)latents.w;
    for (size_t i = 0; i < pixels; i++) sum += (double)latents.x[i * (size_t)latents.c + (size_t)c];
    return sum / (double)pixels;
}

void add_noise_offset(float *noise, Tensor latents, double offset, double adaptive, const float drawn[])
{
    float shift[MOST_CHANNELS];
    size_t channels = (size_t)latents.c;
    for (int c = 0; c < latents.c; c++) {
        double more = adaptive != 0 ? adaptive * fabs(channel_mean(latents, c)) : 0;
        shift[c] = (float)fmax(0, offset + more) * drawn[c];
    }
    for (size_t i = 0; i < size(latents); i++) noise[i] += shift[i % channels];
}

static void draw_offset(const NoiseConfig *n, Tensor latents, float *noise, Rng *rng)
{
    float drawn[MOST_CHANNELS];
    double offset = n->noise_offset;
    if (n->noise_offset_random_strength) offset *= (double)rng_uniform(rng);
    for (int c = 0; c < latents.c; c++) rng_normal(rng, &drawn[c], 1);
    add_noise_offset(noise, latents, offset, n->adaptive_noise_scale, drawn);
}

/* ---- multires noise ---------------------------------------------------------------------------- */

int pyramid_side(int side, double r, int i)
{
    int at_level = (int)(side / pow(r, i));
    return at_level > 1 ? at_level : 1;
}

/* Where row i of `to` rows lies between the rows of a picture of `from` rows (torch, align_corners=False):
 *     at = (i + 0.5) from / to - 0.5, at least 0 */
typedef struct { size_t low, high; float share; } Between;

static Between between(int i, int to, int from)
{
    double at = fmax(0, (i + 0.5) * from / to - 0.5);
    Between b = { .low = (size_t)at };
    b.high = b.low + 1 < (size_t)from ? b.low + 1 : b.low;
    b.share = (float)(at - (double)b.low);
    return b;
}

void pyramid_noise_level(float *noise, Tensor like, const float *drawn, int rows, int columns, double scale)
{
    size_t channels = (size_t)like.c;
    size_t row_size = (size_t)columns * channels;
    for (int y = 0; y < like.h; y++)
        for (int x = 0; x < like.w; x++) {
            Between v = between(y, like.h, rows);
            Between h = between(x, like.w, columns);
            for (size_t c = 0; c < channels; c++) {
                const float *top = drawn + v.low * row_size + c;
                const float *bottom = drawn + v.high * row_size + c;
                float above = top[h.low * channels] * (1 - h.share) + top[h.high * channels] * h.share;
                float below = bottom[h.low * channels] * (1 - h.share) + bottom[h.high * channels] * h.share;
                *noise++ += (float)scale * (above * (1 - v.share) + below * v.share);
            }
        }
}

/* torch.std: n - 1 in the denominator */
void divide_by_std(float *noise, size_t n)
{
    double sum = 0, square = 0;
    for (size_t i = 0; i < n; i++) sum += (double)noise[i];
    double mean = sum / (double)n;
    for (size_t i = 0; i < n; i++) square += ((double)noise[i] - mean) * ((double)noise[i] - mean);
    double std = sqrt(square / (double)(n - 1));
    for (size_t i = 0; i < n; i++) noise[i] = (float)((double)noise[i] / std);
}

/* for i in range(iterations):
 *     r = random.random() * 2 + 2
 *     noise += upsample(randn(h / r^i, w / r^i)) * discount^i
 *     stop after a level with a side of 1
 * return noise / noise.std() */
static void add_multires_noise(Arena *a, const NoiseConfig *n, Tensor latents, float *noise, Rng *rng)
{
    size_t before = mark(a);
    float *drawn = allocate(a, size(latents), sizeof *drawn);
    for (int i = 0; i < n->multires_noise_iterations; i++) {
        double r = (double)rng_uniform(rng) * 2 + 2;
        int rows = pyramid_side(latents.h, r, i);
        int columns = pyramid_side(latents.w, r, i);
        rng_normal(rng, drawn, (size_t)rows * (size_t)columns * (size_t)latents.c);
        pyramid_noise_level(noise, latents, drawn, rows, columns, pow(n->multires_noise_discount, i));
        if (rows == 1 || columns == 1) break;
    }
    divide_by_std(noise, size(latents));
    release(a, before);
}

/* ---- all of it --------------------------------------------------------------------------------- */

void noise_draw(Arena *a, const NoiseConfig *n, Tensor latents, float *noise, Rng *rng)
{
    rng_normal(rng, noise, size(latents));
    if (n->noise_offset > 0) draw_offset(n, latents, noise, rng);
    if (n->multires_noise_iterations > 0) add_multires_noise(a, n, latents, noise, rng);
}

/* noisy_latents = add_noise(latents, noise + strength * randn_like(latents), timesteps);  the target stays noise */
int noise_draw_perturbation(const NoiseConfig *n, size_t count, float *perturbation, Rng *rng)
{
    double strength = n->ip_noise_gamma;
    if (!(strength > 0)) return 0;
    if (n->ip_noise_gamma_random_strength) strength *= (double)rng_uniform(rng);
    rng_normal(rng, perturbation, count);
    for (size_t i = 0; i < count; i++) perturbation[i] *= (float)strength;
    return 1;
}
