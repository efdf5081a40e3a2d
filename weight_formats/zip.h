/* zip.h - archives of stored entries, as torch.save makes them (PKWARE's APPNOTE, with zip64). */
#ifndef ZIP_H
#define ZIP_H

#include "files.h"

typedef struct { const char *name; Bytes data; uint32_t crc; } ZipEntry;
typedef struct { ZipEntry *entry; size_t count; } Zip;         /* sorted by name */

/* Every header checked against every other: see zip.c.  Names are copied; data stay in file.
 * Fails with path, entry and reason. */
Zip             zip_read (Arena *a, const char *path, Bytes file);
const ZipEntry *zip_find (const Zip *z, const char *name);     /* NULL when absent */
int             zip_whole(const ZipEntry *e);                  /* does the checksum hold?  Reads all of the entry */

#endif
