/* inpainting.c - which part of a picture is drawn anew, and which is kept.
 *
 * A mask is white where the picture is drawn anew and black where it is kept, as in the web UI, ComfyUI and diffusers.
 * It acts twice:
 *
 *     in the latents      a latent is drawn or kept as a whole.  After each step those that are kept become the init
 *                         image's again, with the noise of the next step (denoise.c)
 *     in the pixels       where the mask is black, the result has the bytes of the init image, as it was resized.
 *                         Grey mixes both.  Mask blur makes the edge soft, as the web UI does:
 *                         cv2.GaussianBlur(mask, (2 * int(2.5 * sigma + 0.5) + 1, 1), sigma)
 *
 * Latents see the mask without its blur, as diffusers does it:
 *     mask[mask >= 0.5] = 1;   mask = torch.nn.functional.interpolate(mask, size=(height // 8, width // 8))
 *
 * The alpha channel as a mask is ComfyUI's: what is transparent is drawn anew.  Masks are resized by means of areas, as
 * a sharper filter would leave grey beside an edge, where the picture is to keep its bytes.
 *
 * A clip has one mask for all of its frames.  Its alpha channel is refused, as each frame may have another.  Refused,
 * too: a mask of another shape than the init image, one that leaves nothing to draw, and one so small that it holds no
 * latent. */
#include "inpainting.h"

#include "chars.h"
#include "mask_box.h"
#include "vae.h"

#include <math.h>
#include <stdlib.h>
#include <string.h>

/* ---- the kinds of masks ------------------------------------------------------------------------- */

static size_t pixels_of(Mask m) { return (size_t)m.width * (size_t)m.height; }

static Mask new_mask(Arena *a, int width, int height)
{
    Mask m = { .width = width, .height = height };
    m.white = allocate(a, pixels_of(m), 1);
    memset(m.white, 0, pixels_of(m));
    return m;
}

/* Pillow: convert("L"), (19595 R + 38470 G + 7471 B + 2^15) >> 16 */
static Mask grey(Arena *a, Picture p)
{
    Mask m = new_mask(a, p.width, p.height);
    for (size_t i = 0; i < pixels_of(m); i++) {
        const unsigned char *rgb = p.rgb + 3 * i;
        m.white[i] = (unsigned char)((19595u * rgb[0] + 38470u * rgb[1] + 7471u * rgb[2] + 32768u) >> 16);
    }
    return m;
}

static void turn(Mask m)
{
    for (size_t i = 0; i < pixels_of(m); i++) m.white[i] = (unsigned char)(255 - m.white[i]);
}

static Mask box_mask(Arena *a, const char *text, int width, int height)
{
    MaskBox box;
    int at[4];
    const char *wrong = mask_box_read(a, text, &box);
    if (!wrong) wrong = mask_box_pixels(a, &box, width, height, at);
    if (wrong) fail(a, "Mask is %s, %s", quoted(a, text), wrong);
    Mask m = new_mask(a, width, height);
    for (int y = at[1]; y < at[3]; y++)
        memset(m.white + (size_t)y * (size_t)width + at[0], 255, (size_t)(at[2] - at[0]));
    return m;
}

static Mask alpha_mask(Arena *a, const MaskedInit *init, int width, int height)
{
    if (init->frames > 1)
        fail(a, "Mask is alpha, and %s is a clip of %zu frames, each with its own alpha channel; expected one mask for "
                "all: a picture whose white is drawn anew, or a box", init->path, init->frames);
    Mask m = grey(a, image_resize_and_crop(a, image_open_alpha(a, init->file), width, height, BOX));
    turn(m);
    return m;
}

/* Does it have the shape of the other, to a pixel? */
static int same_shape(Picture p, const MaskedInit *other)
{
    long long across = (long long)p.width * other->height;
    long long down = (long long)p.height * other->width;
    long long apart = across > down ? across - down : down - across;
    return apart <= (other->width > other->height ? other->width : other->height);
}

static Mask painted_mask(Arena *a, const char *path, const MaskedInit *init, int width, int height)
{
    Picture p = image_open(a, path);
    int is_of_size = p.width == width && p.height == height;
    if (!is_of_size && !same_shape(p, init))
        fail(a, "%s: is %dx%d, expected the shape of %s, which is %dx%d, or the Size of the picture, %dx%d", path,
             p.width, p.height, init->path, init->width, init->height, width, height);
    return grey(a, image_resize_and_crop(a, p, width, height, BOX));
}

static int is_black(Mask m)
{
    for (size_t i = 0; i < pixels_of(m); i++)
        if (m.white[i]) return 0;
    return 1;
}

Mask mask_open(Arena *a, const char *mask, const MaskedInit *init, int width, int height, int is_turned)
{
    Mask m;
    int is_alpha = same(mask, "alpha");
    if (is_alpha) m = alpha_mask(a, init, width, height);
    else if (mask_is_box(mask)) m = box_mask(a, mask, width, height);
    else m = painted_mask(a, mask, init, width, height);
    if (is_turned) turn(m);
    if (!is_black(m)) return m;
    if (is_turned)
        fail(a, "Mask %s: is white everywhere, and with Mask mode: Inpaint not masked nothing would be drawn anew",
             mask);
    if (is_alpha)
        fail(a, "%s: nothing in it is transparent, so with Mask: alpha nothing would be drawn anew", init->path);
    fail(a, "%s: as a mask it is black everywhere, so nothing would be drawn anew; white is what is drawn, or black "
            "with Mask mode: Inpaint not masked", mask);
}

/* ---- latents ------------------------------------------------------------------------------------ */

float *mask_latents(Arena *a, Mask m, size_t *count)
{
    size_t width = (size_t)m.width / FACTOR;
    size_t height = (size_t)m.height / FACTOR;
    float *latent = allocate(a, width * height, sizeof *latent);
    *count = 0;
    for (size_t i = 0; i < width * height; i++) {
        size_t row = i / width * FACTOR;
        size_t column = i % width * FACTOR;
        int is_drawn = m.white[row * (size_t)m.width + column] >= 128;
        latent[i] = is_drawn ? 1 : 0;
        *count += (size_t)is_drawn;
    }
    return latent;
}

/* ---- mask blur ---------------------------------------------------------------------------------- */

/* OpenCV's BORDER_REFLECT_101: 2 1 | 0 1 2 ... */
static int mirrored(int i, int n)
{
    if (n == 1) return 0;
    i = abs(i) % (2 * n - 2);
    return i < n ? i : 2 * n - 2 - i;
}

/* One pass of a Gaussian over `count` values that lie `step` apart.  weight: [2 radius + 1] */
static void blur_line(const float *from, float *to, int count, size_t step, const double *weight, int radius)
{
    for (int i = 0; i < count; i++) {
        double sum = 0;
        for (int k = -radius; k <= radius; k++)
            sum += weight[k + radius] * (double)from[(size_t)mirrored(i + k, count) * step];
        to[(size_t)i * step] = (float)sum;
    }
}

/* exp(-x^2 / (2 sigma^2)), whose sum is 1 */
static double *gaussian(Arena *a, double sigma, int radius)
{
    double sum = 0;
    double *weight = allocate(a, 2 * (size_t)radius + 1, sizeof *weight);
    for (int k = -radius; k <= radius; k++) {
        weight[k + radius] = exp(-k * k / (2 * sigma * sigma));
        sum += weight[k + radius];
    }
    for (int k = -radius; k <= radius; k++) weight[k + radius] /= sum;
    return weight;
}

Mask mask_blurred(Arena *a, Mask m, double sigma)
{
    if (!(sigma > 0)) return m;
    Mask soft = new_mask(a, m.width, m.height);
    size_t before = mark(a);
    int radius = (int)(2.5 * sigma + 0.5);
    size_t width = (size_t)m.width;
    const double *weight = gaussian(a, sigma, radius);
    float *x = allocate(a, pixels_of(m), sizeof *x);
    float *y = allocate(a, pixels_of(m), sizeof *y);
    for (size_t i = 0; i < pixels_of(m); i++) x[i] = m.white[i];
    for (size_t row = 0; row < (size_t)m.height; row++)
        blur_line(x + row * width, y + row * width, m.width, 1, weight, radius);
    for (size_t column = 0; column < width; column++)
        blur_line(y + column, x + column, m.height, width, weight, radius);
    for (size_t i = 0; i < pixels_of(m); i++) soft.white[i] = (unsigned char)lround((double)x[i]);
    release(a, before);
    return soft;
}

/* ---- pixels ------------------------------------------------------------------------------------- */

/* A byte of the picture that is kept, and of the one that is drawn, mixed as the web UI mixes bytes. */
static float mixed(unsigned white, unsigned char kept, float drawn)
{
    unsigned byte = (unsigned)lroundf(255 * fminf(fmaxf(drawn / 2 + 0.5f, 0), 1));
    unsigned mixture = (white * byte + (255 - white) * kept + 127) / 255;
    return 2 * ((float)mixture / 255) - 1;
}

void mask_composite(Mask m, const unsigned char *kept, float *drawn)
{
    for (size_t i = 0; i < 3 * pixels_of(m); i++)
        if (m.white[i / 3] < 255) drawn[i] = mixed(m.white[i / 3], kept[i], drawn[i]);
}
