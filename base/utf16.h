/* utf16.h - reads UTF-16. */
#ifndef UTF16_H
#define UTF16_H

#include "tensor.h"

/* s: [n] bytes of UTF-16 -> UTF-8 of *size bytes, with a NUL behind them.  What is no character, half of a surrogate
 * pair or of a unit, becomes U+FFFD; a NUL stays one.  Source: RFC 2781. */
char *utf16_decode(Arena *a, const unsigned char *s, size_t n, int is_little_endian, size_t *size);

#endif
