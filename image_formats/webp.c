/* webp.c - reads WebP files (RFC 9649).
 *
 *     | "RIFF" | size 4 | "WEBP" | chunks: name 4, size 4, content, and a byte of padding when the size is odd |
 *
 * All numbers are little endian.  Sizes are checked before use.  The size of the whole file, as its head says it, is
 * not relied on. */
#include "webp.h"

#include <stdint.h>
#include <string.h>

typedef unsigned char Byte;

static uint32_t get32(const Byte *p)
{
    return p[0] | (uint32_t)p[1] << 8 | (uint32_t)p[2] << 16 | (uint32_t)p[3] << 24;
}

const unsigned char *webp_chunk(const unsigned char *webp, size_t size, const char *name, size_t *n)
{
    if (size < 12 || memcmp(webp, "RIFF", 4) || memcmp(webp + 8, "WEBP", 4)) return NULL;
    size_t at = 12;
    while (size - at >= 8) {
        size_t left = size - at - 8;
        size_t length = get32(webp + at + 4);
        if (length > left) return NULL;
        if (!memcmp(webp + at, name, 4)) {
            *n = length;
            return webp + at + 8;
        }
        if (length == left) return NULL;
        at += 8 + length + length % 2;
    }
    return NULL;
}
