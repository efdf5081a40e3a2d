/* caption_file.h - the text of a caption file, in whatever encoding an editor saved it. */
#ifndef CAPTION_FILE_H
#define CAPTION_FILE_H

#include "files.h"

/* file: any bytes at all.  Returns its lines as UTF-8, in the arena: each trimmed, blank ones left out, with '\n'
 * between them; "" when there are none.
 *
 * Read are UTF-8, with a byte order mark or without, and UTF-16 of both byte orders with its mark.  Returns NULL for
 * anything else, and then *fault says what it is and what to do, without the file's name. */
char *caption_file_text(Arena *a, Bytes file, const char **fault);

#endif
