/* utf16.c - reads UTF-16.
 *
 * A unit has 16 bits, low byte first or high byte first; the caller knows which.  A character above U+FFFF is a pair of
 * surrogates:
 *
 *     c = 0x10000 + (high - 0xD800) 2^10 + (low - 0xDC00),    high in [0xD800, 0xDC00), low in [0xDC00, 0xE000)
 *
 * Anything else in these ranges stands for nothing.  It becomes U+FFFD, as for a browser; a caller that would rather
 * refuse it looks for that. */
#include "utf16.h"

#include "chars.h"

/* the unit at p; no character when fewer than two bytes are left */
static uint32_t unit(const unsigned char *p, size_t left, int is_little_endian)
{
    if (left < 2) return 0xFFFD;
    return is_little_endian ? p[0] | (uint32_t)p[1] << 8 : p[1] | (uint32_t)p[0] << 8;
}

char *utf16_decode(Arena *a, const unsigned char *s, size_t n, int is_little_endian, size_t *size)
{
    char *text = allocate(a, n / 2 * 3 + 4, 1);
    char *end = text;
    for (size_t i = 0; i < n; i += 2) {
        uint32_t c = unit(s + i, n - i, is_little_endian);
        uint32_t low = i + 2 < n ? unit(s + i + 2, n - i - 2, is_little_endian) : 0;
        int is_pair = c >> 10 == 0xD800 >> 10 && low >> 10 == 0xDC00 >> 10;
        if (is_pair) {
            c = 0x10000 + ((c - 0xD800) << 10) + (low - 0xDC00);
            i += 2;
        }
        int is_half = c >> 11 == 0xD800 >> 11;
        end += utf8_encode(end, is_half ? 0xFFFD : c);
    }
    *end = 0;
    *size = (size_t)(end - text);
    return text;
}
