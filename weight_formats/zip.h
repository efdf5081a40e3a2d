/* zip.h - zip archives of stored (not compressed) entries, as torch.save writes them. */
#ifndef ZIP_H
#define ZIP_H

#include "files.h"

/* data: in the file, not copied    crc: the CRC-32 that the archive gives for data */
typedef struct { const char *name; Bytes data; uint32_t crc; } ZipEntry;

/* entry: [count], sorted by name; no two have the same name */
typedef struct { ZipEntry *entry; size_t count; } Zip;

/* Reads all headers and checks each against the other; zip.c lists the rules.  Names are copied to the arena, data stay
 * in file.  The CRC-32 of entries up to 1 MiB is checked.  Fails with path, entry and reason. */
Zip zip_read(Arena *a, const char *path, Bytes file);

/* Returns the entry of this name, or NULL when it is absent. */
const ZipEntry *zip_find(const Zip *z, const char *name);

/* Does the CRC-32 of the data hold?  Reads all of the data. */
int zip_whole(const ZipEntry *e);

#endif
