/* gif_comment.h - reads the comment of a GIF.
 *
 * Stands alone: copy gif_comment.c and gif_comment.h.  It uses no files and no globals, and it prints nothing. */
#ifndef GIF_COMMENT_H
#define GIF_COMMENT_H
#include <stddef.h>

/* Returns the first comment of a GIF as text, which the caller frees.  The text ends at its first NUL, if it has one.
 *   gif      any bytes at all, [size]
 * Returns NULL when this is no GIF, when it is broken before or in its first comment, when it has no comment, or when
 * out of memory. */
char *gif_comment(const unsigned char *gif, size_t size);

#endif
