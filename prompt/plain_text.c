/* plain_text.c - the bytes of a text file as one plain text.
 *
 * Editors save the same words in several ways.  Windows' Notepad writes a byte-order mark, CR LF between lines and,
 * when it is told "Unicode", UTF-16.  Without a byte-order mark UTF-16 is known by its zeros: in words of Latin letters
 * every second byte is one.
 *
 * Some programs write a newline as the two characters "\n": exiftool, through which the web UI's AnimateDiff extension
 * sends the comments of its GIFs.  This is undone where the text has no newline and such a pair stands before the
 * negative prompt or the steps.
 *
 * Bytes that are no UTF-8 pass: a tokenizer reads them as U+FFFD.  NUL bytes are refused, since what holds them is no
 * text. */
#include "plain_text.h"

#include "chars.h"
#include "utf16.h"

#include <string.h>

/* ---- UTF-16 ----------------------------------------------------------------------------------- */

typedef enum { NOT_UTF16, LITTLE, BIG } Utf16;

/* Without a mark: no zero in one half of the bytes, and zeros in most of the other. */
static Utf16 utf16_by_zeros(const unsigned char *s, size_t n)
{
    size_t zeros[2] = { 0, 0 };
    for (size_t i = 0; i < n; i++)
        if (!s[i]) zeros[i % 2]++;
    size_t most = n / 2 - n / 8;
    if (n < 8 || n % 2) return NOT_UTF16;
    if (!zeros[0] && zeros[1] >= most) return LITTLE;
    return !zeros[1] && zeros[0] >= most ? BIG : NOT_UTF16;
}

/* Does ": " stand in it, byte by byte, as in settings?  Then a byte-order mark is a broken byte of UTF-8. */
static int has_colon(const unsigned char *s, size_t n)
{
    for (size_t i = 0; i + 1 < n; i++)
        if (s[i] == ':' && s[i + 1] == ' ') return 1;
    return 0;
}

static Utf16 utf16_kind(const unsigned char *s, size_t n)
{
    int may_have_mark = n >= 2 && (memchr(s, 0, n) || !has_colon(s, n));
    if (may_have_mark && s[0] == 0xff && s[1] == 0xfe) return LITTLE;
    if (may_have_mark && s[0] == 0xfe && s[1] == 0xff) return BIG;
    return utf16_by_zeros(s, n);
}

/* ---- lines ------------------------------------------------------------------------------------ */

/* The bytes of white space and byte-order marks that text begins with. */
static size_t leading(const char *text, size_t n)
{
    size_t i = 0;
    for (;;) {
        if (i < n && blank(text[i])) i++;
        else if (i + 3 <= n && !memcmp(text + i, "\xef\xbb\xbf", 3)) i += 3;
        else return i;
    }
}

/* Where "\n" in two letters stands before a part of infotext, or NULL. */
static char *spelled_newline(char *text)
{
    for (char *s = text; (s = strstr(s, "\\n")); s += 2)
        if (begins(s + 2, "Negative prompt:") || begins(s + 2, "Steps:")) return s;
    return NULL;
}

/* "\n" in two letters -> a newline */
static void spell_newlines(char *text)
{
    char *end = text;
    for (const char *s = text; *s; s++) {
        int is_newline = s[0] == '\\' && s[1] == 'n';
        *end++ = is_newline ? '\n' : *s;
        s += is_newline;
    }
    *end = 0;
}

char *plain_text(Arena *a, const char *text, size_t n, const char *path)
{
    Utf16 kind = utf16_kind((const unsigned char *)text, n);
    if (kind) text = utf16_decode(a, (const unsigned char *)text, n, kind == LITTLE, &n);
    const char *nul = n ? memchr(text, 0, n) : NULL;
    if (nul)
        fail(a, "%s: byte %zu is NUL, expected text in UTF-8; is this a prompt file?", path, (size_t)(nul - text) + 1);
    char *out = allocate(a, n + 1, 1);
    char *end = out;
    for (size_t i = leading(text, n); i < n; i++) {
        int next_is_newline = i + 1 < n && text[i + 1] == '\n';
        if (text[i] != '\r') *end++ = text[i];
        else if (!next_is_newline) *end++ = '\n';
    }
    out = trimmed(a, out, (size_t)(end - out));
    if (!strchr(out, '\n') && spelled_newline(out)) spell_newlines(out);
    return out;
}
