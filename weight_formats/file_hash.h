/* file_hash.h - the hashes by which download sites and the web UI call files of weights. */
#ifndef FILE_HASH_H
#define FILE_HASH_H

#include "tensor.h"

/* The hash in `text`, "0x" and capitals or not -> 8 to 64 lower-case digits, in the arena; NULL when it is none. */
const char *file_hash_read(Arena *a, const char *text);

/* Is this the hash of the weights at this path?  hash: from file_hash_read().  in_full: reads all of the file where
 * that is what the hash is of; else only its metadata, or the 64 kB that the oldest hashes are of. */
int file_hash_is(Arena *a, const char *path, const char *hash, int in_full);

/* The hashes of a file, as people write them; "" where it has none, or where it was not asked to be read for them. */
typedef struct { char auto_v1[9], auto_v2[11], auto_v3[13]; } FileHashes;

/* The hashes of the weights at this path, a file.  in_full: reads all of it; else auto_v2 is "", and auto_v3 what its
 * metadata state.  Fails when it cannot be read. */
FileHashes file_hashes(Arena *a, const char *path, int in_full);

#endif
