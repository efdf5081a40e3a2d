/* caption_file.c - the text of a caption file, in whatever encoding an editor saved it.
 *
 * kohya's trainer reads strict UTF-8 and makes a byte order mark a part of the first word.  Editors on Windows write
 * such marks, and UTF-16 too, so both are read as what they mean.  Without a mark nothing tells Windows-1252 from
 * Shift-JIS: text in another encoding would be learned as other words, and nobody would notice.  It is a fault.
 *
 * Lines are made alike here: "\r\n" and "\r" end a line as "\n" does, blank lines say nothing and go.  So a caption
 * below a blank line is the caption, where kohya's trainer would learn nothing. */
#include "caption_file.h"

#include "chars.h"
#include "utf16.h"

#include <string.h>

enum { MOST_CAPTION = 1 << 16 };

static const char OTHER_ENCODING[] = "expected a caption in UTF-8, found text in another encoding, or none; save it "
                                     "again as UTF-8";

/* ---- encodings ---------------------------------------------------------------------------------- */

/* NULL when it is no UTF-8, or has a NUL in it, as UTF-16 without a mark has */
static char *from_utf8(Arena *a, const unsigned char *p, size_t n)
{
    for (size_t i = 0; i < n; ) {
        uint32_t c;
        i += utf8_decode(p + i, n - i, &c);
        if (!c || c == 0xFFFD) return NULL;
    }
    return copy(a, (const char *)p, n);
}

/* n bytes behind the byte order mark; NULL when half of a surrogate pair or of a unit is missing */
static char *from_utf16(Arena *a, const unsigned char *p, size_t n, int is_little_endian)
{
    size_t size;
    const char *text = utf16_decode(a, p, n, is_little_endian, &size);
    return from_utf8(a, (const unsigned char *)text, size);
}

static char *decoded(Arena *a, Bytes b)
{
    if (has_bytes_at(b, 0, "\xEF\xBB\xBF", 3)) return from_utf8(a, b.data + 3, b.size - 3);
    if (has_bytes_at(b, 0, "\xFF\xFE", 2)) return from_utf16(a, b.data + 2, b.size - 2, 1);
    if (has_bytes_at(b, 0, "\xFE\xFF", 2)) return from_utf16(a, b.data + 2, b.size - 2, 0);
    return from_utf8(a, b.data, b.size);
}

/* ---- lines -------------------------------------------------------------------------------------- */

/* In place: the result is never longer. */
static void tidy_lines(Arena *a, char *text)
{
    char *to = text;
    for (const char *from = text; *from; ) {
        size_t n = strcspn(from, "\r\n");
        size_t before = mark(a);
        const char *line = trimmed(a, from, n);
        size_t length = strlen(line);
        from += n;
        if (*from) from++;
        if (length && to > text) *to++ = '\n';
        memcpy(to, line, length);
        to += length;
        release(a, before);
    }
    *to = 0;
}

char *caption_file_text(Arena *a, Bytes file, const char **fault)
{
    if (file.size > MOST_CAPTION) {
        *fault = format(a, "expected a caption, a line of text of at most %d bytes, found %zu", MOST_CAPTION,
                        file.size);
        return NULL;
    }
    char *text = decoded(a, file);
    if (!text) *fault = OTHER_ENCODING;
    else tidy_lines(a, text);
    return text;
}
