/* webp_frames.c - reads the frames of animated WebP files (RFC 9649).
 *
 *     | "RIFF" | size 4 | "WEBP" | VP8X | ANIM | ANMF | ANMF | ... |
 *
 * A chunk ANMF has the place and the time of a frame, and then the chunks of a still picture.  So a frame is decoded as
 * one: a WebP is put together in memory from a head with the frame's size, and from these chunks.  webp.c reads that.
 *
 * Invariants: a chunk lies inside the file and inside its ANMF, a frame inside the canvas.  A file that is shorter than
 * its head says is refused, and what follows its end is ignored.  The background colour is not used: what is cleared
 * is transparent, as in libwebp. */
#include "webp_frames.h"

#include "webp.h"

#include <stdint.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

typedef unsigned char Byte;

enum { VP8X_SIZE = 10, ANMF_HEAD = 16, VP8X_ANIMATION = 0x02, VP8X_ALPHA = 0x10 };

static size_t number(const Byte *p, int bytes)
{
    size_t x = 0;
    for (int i = bytes - 1; i >= 0; i--) x = x << 8 | p[i];
    return x;
}

/* VP8X: | flags 1 | 0, 3 bytes | width - 1, 3 | height - 1, 3 | is the first chunk, behind the 12 bytes of the file */
static const Byte *extended_head(const Byte *webp, size_t size)
{
    size_t n;
    const Byte *head = webp_chunk(webp, size, "VP8X", &n);
    return head && n >= VP8X_SIZE && head == webp + 20 ? head : NULL;
}

int webp_is_animated(const unsigned char *webp, size_t size)
{
    const Byte *head = extended_head(webp, size);
    return head && head[0] & VP8X_ANIMATION;
}

/* ANMF:  | x / 2, 3 bytes | y / 2, 3 | width - 1, 3 | height - 1, 3 | milliseconds 3 | 1: cleared; 2: no blending |
 *        | chunks |          data: its content, [size]; at: where that lies in the file */
static int read_frame(const Byte *data, size_t size, size_t at, AnimationFrames *all, char *why)
{
    if (size < ANMF_HEAD) return animation_refuse(why, "frame %zu is broken", all->count + 1);
    AnimationFrame f = {
        .x = 2 * (int)number(data, 3),
        .y = 2 * (int)number(data + 3, 3),
        .width = (int)number(data + 6, 3) + 1,
        .height = (int)number(data + 9, 3) + 1,
        .seconds = (double)number(data + 12, 3) / 1000,
        .blends = !(data[15] & 2),
        .disposal = data[15] & 1 ? CLEARED : STAYS,
        .at = at + ANMF_HEAD,
        .end = at + size,
    };
    if (f.x > all->width - f.width || f.y > all->height - f.height)
        return animation_refuse(why, "frame %zu, %dx%d at %d, %d, lies outside of the picture", all->count + 1, f.width,
                                f.height,
                      f.x, f.y);
    return animation_add(all, f, why);
}

int webp_frames(const unsigned char *webp, size_t size, AnimationFrames *all, char why[ANIMATION_WHY])
{
    *all = (AnimationFrames){ .count = 0 };
    if (!webp_is_animated(webp, size)) return animation_refuse(why, "no animated WebP");
    const Byte *head = extended_head(webp, size);
    size_t said = number(webp + 4, 4);
    if (said > size - 8) return animation_refuse(why, "the file ends early");
    all->width = (int)number(head + 4, 3) + 1;
    all->height = (int)number(head + 7, 3) + 1;
    if (all->width > ANIMATION_MAX_PIXELS / all->height)
        return animation_refuse(why, "a canvas of %dx%d, expected at most %d pixels", all->width, all->height,
                      ANIMATION_MAX_PIXELS);
    size_t end = 8 + said;
    for (size_t at = 12; end >= 8 && at <= end - 8; ) {
        size_t n = number(webp + at + 4, 4);
        if (n > end - at - 8) return animation_refuse(why, "it ends within a chunk behind frame %zu", all->count);
        int is_frame = !memcmp(webp + at, "ANMF", 4);
        if (is_frame && !read_frame(webp + at + 8, n, at + 8, all, why)) return 0;
        at += 8 + n + n % 2;
    }
    return all->count ? 1 : animation_refuse(why, "no frame in it");
}

static void put_little(Byte *p, size_t value, int bytes)
{
    for (int i = 0; i < bytes; i++) p[i] = (Byte)(value >> 8 * i);
}

unsigned char *webp_frame_decode(const unsigned char *webp, size_t size, const AnimationFrame *f,
                                 char why[ANIMATION_WHY])
{
    enum { HEAD = 12 + 8 + VP8X_SIZE };
    size_t n = f->end - f->at;
    int width, height;
    Byte *still = malloc(HEAD + n);
    (void)size;
    if (!still) {
        animation_refuse(why, "no memory left");
        return NULL;
    }
    memcpy(still, "RIFF....WEBPVP8X", 16);
    memset(still + 16, 0, HEAD - 16);
    put_little(still + 4, HEAD - 8 + n, 4);
    put_little(still + 16, VP8X_SIZE, 4);
    still[20] = VP8X_ALPHA;
    put_little(still + 24, (size_t)f->width - 1, 3);
    put_little(still + 27, (size_t)f->height - 1, 3);
    memcpy(still + HEAD, webp + f->at, n);
    Byte *rgba = webp_decode_rgba(still, HEAD + n, &width, &height, why);
    free(still);
    return rgba;
}
