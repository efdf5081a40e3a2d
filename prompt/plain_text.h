/* plain_text.h - the bytes of a text file as one plain text. */
#ifndef PLAIN_TEXT_H
#define PLAIN_TEXT_H

#include "tensor.h"

/* text: [n], any bytes, UTF-8 or UTF-16 with or without a byte-order mark -> UTF-8 with NUL behind it, in the arena,
 * without byte-order mark and without white space around it; CR LF and CR are LF.  Fails for NUL bytes in a text that
 * is not UTF-16; path is named in the message. */
char *plain_text(Arena *a, const char *text, size_t n, const char *path);

#endif
