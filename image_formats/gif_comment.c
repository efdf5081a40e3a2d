/* gif_comment.c - reads the comment of a GIF.
 *
 * gif.c stores there the settings that a picture was made with; other programs store what they like.  It steps over
 * the blocks of the file, and no pixel is decoded:
 *     Header | Logical Screen Descriptor | Global Color Table
 *     for each block, by its first byte:  21: Extension; 21 FE: Comment Extension | 2C: image | 3B: Trailer
 * Text, like all data of blocks, is cut into sub-blocks (GIF89a, 15):   | n 1..255 | n bytes | n | n bytes | ... | 0 |
 *
 * Invariants: the file may be any bytes at all.  Nothing behind its end is read, each step goes forward, and the text
 * is never longer than what is left of the file.
 * It refuses, as if there were no comment, a file that is broken before the end of its first comment.  What is broken
 * behind that is not its concern: gif_frames.c reads pictures. */
#include "gif_comment.h"
#include <stdlib.h>
#include <string.h>

typedef unsigned char Byte;
typedef struct { const Byte *at, *end; } Reader;

/* Returns 0 when the file ends before. */
static int skip(Reader *r, size_t n)
{
    if ((size_t)(r->end - r->at) < n) return 0;
    r->at += n;
    return 1;
}

/* Returns the next byte, -1 at the end of the file. */
static int next_byte(Reader *r) { return r->at < r->end ? *r->at++ : -1; }

/* Skips data sub-blocks.  Returns 0 when the file ends in them. */
static int skip_sub_blocks(Reader *r)
{
    int n;
    while ((n = next_byte(r)) > 0)
        if (!skip(r, (size_t)n)) return 0;
    return n == 0;
}

/* Skips the colour table that a descriptor's flags announce: 2 << (flags & 7) entries of 3 bytes. */
static int skip_colour_table(Reader *r, int flags)
{
    if (!(flags & 0x80)) return 1;
    return skip(r, (size_t)6 << (flags & 7));
}

static int skip_logical_screen(Reader *r)
{
    const Byte *at = r->at;
    if (!skip(r, 13) || (memcmp(at, "GIF87a", 6) && memcmp(at, "GIF89a", 6))) return 0;
    return skip_colour_table(r, at[10]);
}

/* Skips what follows the 2C of an Image Descriptor. */
static int skip_image(Reader *r)
{
    const Byte *at = r->at;
    if (!skip(r, 9)) return 0;
    if (!skip_colour_table(r, at[8])) return 0;
    return skip(r, 1) && skip_sub_blocks(r);
}

/* Goes to the data of the first comment.  Returns 0 when there is none, or the file is broken before it. */
static int find_comment(Reader *r)
{
    if (!skip_logical_screen(r)) return 0;
    for (;;) {
        int introducer = next_byte(r);
        if (introducer == 0x2C) {
            if (!skip_image(r)) return 0;
            continue;
        }
        if (introducer != 0x21) return 0;
        if (next_byte(r) == 0xFE) return 1;
        if (!skip_sub_blocks(r)) return 0;
    }
}

/* Joins the data sub-blocks between at and end, which are whole.  Returns NULL when out of memory. */
static char *join_sub_blocks(const Byte *at, const Byte *end)
{
    char *text = malloc((size_t)(end - at));            /* room for the bytes, and for the NUL instead of the last 0 */
    if (!text) return NULL;
    size_t size = 0;
    while (*at) {
        memcpy(text + size, at + 1, *at);
        size += *at;
        at += 1 + *at;
    }
    text[size] = 0;
    return text;
}

char *gif_comment(const unsigned char *gif, size_t size)
{
    Reader r = { gif, gif + size };
    if (!find_comment(&r)) return NULL;
    const Byte *data = r.at;
    return skip_sub_blocks(&r) ? join_sub_blocks(data, r.at) : NULL;
}
