/* file_hash.h - the hashes by which download sites and the web UI call files of weights. */
#ifndef FILE_HASH_H
#define FILE_HASH_H

#include "tensor.h"

/* The hash in `text`, "0x" and capitals or not -> 8 to 64 lower-case digits, in the arena; NULL when it is none. */
const char *file_hash_read(Arena *a, const char *text);

/* Is this the hash of the weights at this path?  hash: from file_hash_read().  in_full: reads all of the file where
 * that is what the hash is of; else only its metadata, or the 64 kB that the oldest hashes are of. */
int file_hash_is(Arena *a, const char *path, const char *hash, int in_full);

#endif
