/* upscaling.c - pictures after the VAE as bytes, at the size that is wanted.
 *
 *     x / 2 + 0.5, clamped to 0..1        as torch and diffusers do
 *     the network, clamped to 0..1        upscaler.c, for BY_NETWORK; it sees the float picture, not its 256 levels
 *     255 x, rounded                      halves to even, as torch and numpy do
 *     resized                             where that is not the size: by Lanczos, as the web UI does (Pillow, to the
 *                                         byte), or to the nearest pixel
 *
 * A palette and its dithering come after all of this, so a GIF is made of the large picture. */
#include "upscaling.h"

#include "finite.h"
#include "image.h"

#include <math.h>
#include <string.h>

enum { COLOURS = 3 };

static float clamped(float v)
{
    if (v < 0) v = 0;
    if (v > 1) v = 1;
    return v;
}

/* (x / 2 + 0.5).clamp(0, 1) */
static Tensor unit_picture(Run *r, Tensor x)
{
    Tensor y = tensor(r, x.n, x.h, x.w, x.c);
    for (size_t i = 0; i < size(x) && !r->machine->dry; i++) y.x[i] = clamped(x.x[i] / 2 + 0.5f);
    return y;
}

/* (255 * x.clamp(0, 1)).round() */
static Picture bytes_of(Run *r, Tensor x, unsigned char *rgb)
{
    for (size_t i = 0; i < size(x) && !r->machine->dry; i++) rgb[i] = (unsigned char)nearbyintf(255 * clamped(x.x[i]));
    return (Picture){ .width = x.w, .height = x.h, .rgb = rgb };
}

/* PIL.Image.NEAREST: the pixel that the middle of each new one lies in. */
static void resize_to_nearest(unsigned char *rgb, int width, int height, Picture p)
{
    for (int i = 0; i < height; i++)
        for (int j = 0; j < width; j++) {
            size_t row = (size_t)((2 * (int64_t)i + 1) * p.height / (2 * (int64_t)height));
            size_t column = (size_t)((2 * (int64_t)j + 1) * p.width / (2 * (int64_t)width));
            memcpy(rgb, p.rgb + (row * (size_t)p.width + column) * COLOURS, COLOURS);
            rgb += COLOURS;
        }
}

static void resize(Run *r, UpscaleMethod method, Picture p, unsigned char *rgb, int width, int height)
{
    size_t bytes = (size_t)width * (size_t)height * COLOURS;
    if (r->machine->dry) {
        allocate(r->machine->mem, bytes + (size_t)width * (size_t)p.height * COLOURS, 1);      /* rows, then columns */
        return;
    }
    if (method == BY_NEAREST) resize_to_nearest(rgb, width, height, p);
    else memcpy(rgb, image_resize(r->machine->mem, p, width, height, LANCZOS).rgb, bytes);
}

void upscale_picture(Run *r, const Upscaling *u, Tensor x, unsigned char *rgb, int width, int height)
{
    Arena *a = r->machine->mem;
    size_t before = mark(a);
    Tensor y = unit_picture(r, x);
    if (u->method == BY_NETWORK)
        y = upscale(r, &u->network, y, u->network.is_rrdb ? RRDB_TILE : COMPACT_TILE);
    if (u->method == BY_NETWORK)
        check_finite(r, y, (FiniteCheck){ .what = "the upscaled picture is not finite", .part = u->network.prefix,
                                          .is_upscaler = 1 });
    if (y.w == width && y.h == height) bytes_of(r, y, rgb);
    else resize(r, u->method, bytes_of(r, y, allocate(a, size(y), 1)), rgb, width, height);
    release(a, before);
}

Tensor picture_of_bytes(Run *r, const unsigned char *rgb, int width, int height)
{
    Tensor x = tensor(r, 1, height, width, COLOURS);
    for (size_t i = 0; i < size(x) && !r->machine->dry; i++) x.x[i] = 2 * (rgb[i] / 255.0f) - 1;
    return x;
}
