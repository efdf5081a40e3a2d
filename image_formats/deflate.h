/* deflate.h - zlib streams, written and read, and CRC-32.
 *
 * Stands alone: copy deflate.c and deflate.h.  It uses no files and no globals, and it prints nothing: it turns bytes
 * in memory into bytes in memory.  Any number of threads may call it at once.
 * Sources: RFC 1950 (zlib), RFC 1951 (DEFLATE), PNG specification 5.5 (CRC-32). */
#ifndef DEFLATE_H
#define DEFLATE_H
#include <stddef.h>
#include <stdint.h>

/* Bytes that grow.  It starts as { 0 }; the caller frees `at` at the end.  After a failed malloc `failed` is set and
 * stays set, and nothing is appended any more, so one look at the end is enough. */
typedef struct { unsigned char *at; size_t size, room; int failed; } Buffer;

void buffer_append(Buffer *b, const void *from, size_t n);
void buffer_put   (Buffer *b, int byte);

/* Appends data: [size] to out as a zlib stream.  size is less than 4 GB.  When out of memory, out->failed is set. */
void zlib_compress(Buffer *out, const unsigned char *data, size_t size);

/* Unpacks the zlib stream that begins at from: [n] into to: [room].  *size receives the number of bytes that were
 * written.  Bytes behind the stream are not looked at.
 * Returns NULL when all is well, the Adler-32 checksum too.  Otherwise returns what is wrong, in words: the stream ends
 * early, breaks the format's rules, or unpacks to more than room; or memory is out.  What is written until then is
 * counted in *size.  It accepts what zlib accepts, except preset dictionaries. */
const char *zlib_decompress(const unsigned char *from, size_t n, unsigned char *to, size_t room, size_t *size);

/* Returns the CRC-32 that PNG and zip use, of data: [size].  For data in pieces, `before` is the result of the piece
 * before; for the first piece it is 0. */
uint32_t crc32_of(uint32_t before, const unsigned char *data, size_t size);

#endif
