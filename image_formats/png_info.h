/* png_info.h - the settings that a PNG was made with: the web UI's "PNG info". */
#ifndef PNG_INFO_H
#define PNG_INFO_H

#include "tensor.h"

/* The text stored as "parameters" in this PNG file, in the arena.  Returns NULL when it holds none, is no PNG, or
 * cannot be read. */
const char *png_settings(Arena *a, const char *path);

#endif
