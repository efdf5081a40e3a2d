/* deflate.h - zlib streams, in and out, and CRC-32. Stands alone: copy deflate.c and deflate.h.
 *
 * No files, no globals, no printing: bytes in memory to bytes in memory. Any number of threads may call at once.
 * RFC 1950 (zlib), RFC 1951 (deflate). */
#ifndef DEFLATE_H
#define DEFLATE_H
#include <stddef.h>
#include <stdint.h>

/* Bytes that grow: start from { 0 }, free(at) at the end. After a failed malloc it stays failed, and one look is enough. */
typedef struct { unsigned char *at; size_t size, room; int failed; } Buffer;

void buffer_append(Buffer *b, const void *from, size_t n);
void buffer_put   (Buffer *b, int byte);

/* data: [size], less than 4 GB  ->  a zlib stream at the end of out */
void zlib_pack(Buffer *out, const unsigned char *data, size_t size);

/* The stream that begins at from: [n]  ->  to: [room], of which *size bytes were written. What follows the stream is not
 * looked at. NULL: all is well, the checksum too. Otherwise what is wrong, in words: the stream ends early, breaks the
 * rules, or unpacks to more than room. Accepts what zlib accepts, but no preset dictionary. */
const char *zlib_unpack(const unsigned char *from, size_t n, unsigned char *to, size_t room, size_t *size);

/* CRC-32 as PNG and zip have it. Of several pieces: give each the result of the one before, the first 0. */
uint32_t crc32_of(uint32_t before, const unsigned char *data, size_t size);

#endif
