/* sha256.h - SHA-256 (FIPS 180-4), by which people tell files of weights apart. */
#ifndef SHA256_H
#define SHA256_H

#include <stddef.h>

enum { SHA256_TEXT = 65 };               /* 64 digits and NUL */

/* Writes the digest of n bytes as 64 hexadecimal digits, lower case. */
void sha256_text(const void *data, size_t n, char text[SHA256_TEXT]);

#endif
