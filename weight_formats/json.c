/* json.c - JSON by RFC 8259 and no more: no comments, no trailing commas, no NaN.
 *
 * The text comes from a file that may be made to harm.  These things always hold:
 *     - the whole text is UTF-8 without NUL, which json_begin checks once;
 *     - the cursor never passes the end of the text;
 *     - nothing recurses: json_skip keeps the open brackets on a stack of its own, at most 128 of them;
 *     - a string takes no more memory than it has bytes in the text.
 *
 * Stricter than the RFC: an escape that stands for NUL is refused, as is half a surrogate pair. */
#include "json.h"

#include <stdio.h>
#include <string.h>

enum { DEEPEST = 128 };

_Noreturn void json_bad(const Json *c, const char *what)
{
    fail(c->mem, "%s: not a valid %s: %s; download or convert it again", c->path, c->kind, what);
}

/* ---- the cursor ------------------------------------------------------------------------------- */

static int is_white_space(int b) { return b == ' ' || b == '\t' || b == '\n' || b == '\r'; }

static void skip_white_space(Json *c)
{
    while (c->at < c->end && is_white_space(*c->at)) c->at++;
}

static int at_digit(const Json *c) { return c->at < c->end && *c->at >= '0' && *c->at <= '9'; }

/* Steps over this byte if it is the next; white space counts. */
static int skip_byte(Json *c, int b)
{
    if (c->at >= c->end || *c->at != b) return 0;
    c->at++;
    return 1;
}

int json_peek(Json *c)
{
    skip_white_space(c);
    return c->at < c->end ? *c->at : -1;
}

int json_accept(Json *c, int want)
{
    if (json_peek(c) != want) return 0;
    c->at++;
    return 1;
}

void json_expect(Json *c, int want, const char *else_say)
{
    if (!json_accept(c, want)) json_bad(c, else_say);
}

/* ---- strings ---------------------------------------------------------------------------------- */

static unsigned hex_digit(Json *c)
{
    int d = c->at < c->end ? *c->at++ : 0;
    if (d >= '0' && d <= '9') return (unsigned)(d - '0');
    if (d >= 'a' && d <= 'f') return (unsigned)(d - 'a') + 10;
    if (d >= 'A' && d <= 'F') return (unsigned)(d - 'A') + 10;
    json_bad(c, "its JSON has a broken \\u escape");
}

static unsigned four_hex_digits(Json *c)
{
    unsigned value = 0;
    for (int i = 0; i < 4; i++) value = value * 16 + hex_digit(c);
    return value;
}

static int is_high_surrogate(unsigned u) { return u >= 0xd800 && u < 0xdc00; }
static int is_low_surrogate (unsigned u) { return u >= 0xdc00 && u < 0xe000; }

/* Reads what follows "\u": a code point below U+10000, or a high surrogate, "\u" and a low surrogate. */
static unsigned code_point(Json *c)
{
    unsigned u = four_hex_digits(c);
    if (is_low_surrogate(u)) json_bad(c, "its JSON has half a surrogate pair");
    if (!is_high_surrogate(u)) return u;
    if (!skip_byte(c, '\\') || !skip_byte(c, 'u')) json_bad(c, "its JSON has half a surrogate pair");
    unsigned low = four_hex_digits(c);
    if (!is_low_surrogate(low)) json_bad(c, "its JSON has half a surrogate pair");
    return 0x10000 + ((u - 0xd800) << 10) + (low - 0xdc00);
}

/* Writes code point u as UTF-8 and returns the number of bytes, 1 to 4. */
static size_t utf8_encode(char *out, unsigned u)
{
    static const unsigned first_byte[5] = { 0, 0, 0xc0, 0xe0, 0xf0 };      /* by n */
    size_t n = 1;
    if (u >= 0x80) n = 2;
    if (u >= 0x800) n = 3;
    if (u >= 0x10000) n = 4;
    for (size_t i = n - 1; i > 0; i--) {
        out[i] = (char)(0x80 | (u & 63));
        u >>= 6;
    }
    out[0] = (char)(first_byte[n] | u);
    return n;
}

/* Returns the character that the escape "\e" stands for. */
static char unescaped(Json *c, int e)
{
    static const char from[] = "\"\\/bfnrt";
    static const char to[] = "\"\\/\b\f\n\r\t";
    const char *p = e ? strchr(from, e) : NULL;
    if (!p) json_bad(c, "its JSON has an unknown escape in a string");
    return to[p - from];
}

/* Reads one character of a string, or one escape; writes what it is and returns the number of bytes. */
static size_t string_character(Json *c, char *out)
{
    int b = *c->at++;
    if (b < 0x20) json_bad(c, "a string in its JSON has a control character");
    *out = (char)b;
    if (b != '\\') return 1;
    int e = *c->at++;
    if (e != 'u') {
        *out = unescaped(c, e);
        return 1;
    }
    unsigned u = code_point(c);
    if (u == 0) json_bad(c, "a name in its JSON contains a NUL character");
    return utf8_encode(out, u);
}

/* Returns where the quote is that closes the string which begins here. */
static const unsigned char *closing_quote(const Json *c)
{
    const unsigned char *p = c->at;
    while (p < c->end && *p != '"') p += *p == '\\' ? 2 : 1;
    if (p >= c->end) json_bad(c, "a string in its JSON does not end");
    return p;
}

char *json_string(Json *c)
{
    json_expect(c, '"', "its JSON is not what it should be (a string was expected)");
    /* An escape is never shorter than what it stands for, so the string fits into its length in the text. */
    char *out = allocate(c->mem, (size_t)(closing_quote(c) - c->at) + 1, 1);
    char *end = out;
    while (*c->at != '"') end += string_character(c, end);
    c->at++;
    *end = 0;
    return out;
}

/* ---- numbers ---------------------------------------------------------------------------------- */

/* Steps over digits, of which there must be one at least. */
static void skip_digits(Json *c)
{
    if (!at_digit(c)) json_bad(c, "its JSON has a malformed number");
    while (at_digit(c)) c->at++;
}

/* Steps over  -? (0 | [1-9][0-9]*) (. [0-9]+)? ([eE] [+-]? [0-9]+)?
 * Returns whether it was digits only. */
static int skip_number(Json *c)
{
    int whole = !skip_byte(c, '-');
    const unsigned char *first = c->at;
    skip_digits(c);
    if (*first == '0' && c->at - first > 1) json_bad(c, "its JSON has a malformed number");
    if (skip_byte(c, '.')) {
        whole = 0;
        skip_digits(c);
    }
    if (skip_byte(c, 'e') || skip_byte(c, 'E')) {
        whole = 0;
        if (!skip_byte(c, '+')) skip_byte(c, '-');
        skip_digits(c);
    }
    return whole;
}

static int begins_number(int b) { return b == '-' || (b >= '0' && b <= '9'); }

size_t json_size(Json *c)
{
    static const char UNCOUNTABLE[] = "a shape or offset is not a whole number that can be counted";
    if (!begins_number(json_peek(c))) json_bad(c, "a shape or offset is not a number");
    const unsigned char *start = c->at;
    if (!skip_number(c)) json_bad(c, UNCOUNTABLE);
    size_t value = 0;
    for (const unsigned char *p = start; p < c->at; p++) {
        size_t digit = (size_t)(*p - '0');
        if (value > (SIZE_MAX - digit) / 10) json_bad(c, UNCOUNTABLE);
        value = value * 10 + digit;
    }
    return value;
}

char *json_number(Json *c)
{
    if (!begins_number(json_peek(c))) return NULL;
    const unsigned char *start = c->at;
    skip_number(c);
    return format(c->mem, "%.*s", (int)(c->at - start), (const char *)start);
}

/* ---- any value -------------------------------------------------------------------------------- */

int json_literal(Json *c, const char *w)
{
    size_t n = strlen(w);
    skip_white_space(c);
    if ((size_t)(c->end - c->at) < n || memcmp(c->at, w, n)) return 0;
    c->at += n;
    return 1;
}

/* Steps over the name of an object's member, and the colon behind it. */
static void skip_name(Json *c)
{
    json_string(c);
    json_expect(c, ':', "its JSON lacks a colon after a name");
}

/* Steps over a string, a number, true, false or null. */
static void skip_scalar(Json *c)
{
    int b = json_peek(c);
    if (b == '"') json_string(c);
    else if (begins_number(b)) skip_number(c);
    else if (!json_literal(c, "true") && !json_literal(c, "false") && !json_literal(c, "null"))
        json_bad(c, "its JSON is not what it should be");
}

static int closing(int bracket) { return bracket == '{' ? '}' : ']'; }

void json_skip(Json *c, int depth)
{
    char open[DEEPEST];      /* the brackets that are open, outermost first */
    int count = 0;
    for (;;) {
        int b = json_peek(c);
        if (b == '{' || b == '[') {
            c->at++;
            if (count + depth >= DEEPEST) json_bad(c, "its JSON is nested too deep");
            if (!json_accept(c, closing(b))) {
                open[count++] = (char)b;
                if (b == '{') skip_name(c);
                continue;
            }
        }
        else skip_scalar(c);
        while (count && json_accept(c, closing(open[count - 1]))) count--;
        if (!count) return;
        json_expect(c, ',', "its JSON lacks a comma");
        if (open[count - 1] == '{') skip_name(c);
    }
}

int json_member(Json *c, const char *key)
{
    int found = 0;
    Json here = *c;
    json_expect(c, '{', "an object was expected");
    if (json_accept(c, '}')) {
        *c = here;
        return 0;
    }
    do {
        int same = !strcmp(json_string(c), key);
        json_expect(c, ':', "its JSON lacks a colon after a name");
        if (same && !found) {
            found = 1;
            here = *c;
        }
        json_skip(c, 1);
    } while (json_accept(c, ','));
    json_expect(c, '}', "its JSON lacks a comma or its end");
    *c = here;
    return found;
}

/* ---- UTF-8 ------------------------------------------------------------------------------------ */

/* Returns how many bytes follow the first byte of a character, or -1 when no character begins so. */
static int utf8_following(unsigned first)
{
    if (first < 0x80) return 0;
    if (first < 0xc2) return -1;      /* a byte from within a character, or an overlong form of ASCII */
    if (first < 0xe0) return 1;
    if (first < 0xf0) return 2;
    if (first < 0xf5) return 3;
    return -1;
}

/* After some first bytes, fewer second bytes are allowed than 80 .. bf (Unicode, table 3-7). */
static int second_byte_fits(unsigned first, unsigned second)
{
    switch (first) {
    case 0xe0: return second >= 0xa0;      /* below: overlong */
    case 0xed: return second <= 0x9f;      /* above: surrogates */
    case 0xf0: return second >= 0x90;      /* below: overlong */
    case 0xf4: return second <= 0x8f;      /* above: past U+10FFFF */
    default:   return 1;
    }
}

static int utf8_valid(const unsigned char *p, const unsigned char *end)
{
    while (p < end) {
        unsigned first = *p++;
        int more = utf8_following(first);
        if (more < 0 || end - p < more) return 0;
        if (more && !second_byte_fits(first, *p)) return 0;
        for (; more > 0; more--)
            if ((*p++ & 0xc0) != 0x80) return 0;
    }
    return 1;
}

/* Returns the size of the character at p, or 0 when it is not UTF-8.  p is ended by NUL; nothing behind it is read. */
static size_t utf8_size(const unsigned char *p)
{
    size_t n = 1;
    while (n < 4 && p[n] && !utf8_valid(p, p + n)) n++;
    return utf8_valid(p, p + n) ? n : 0;
}

Json json_begin(Arena *a, const char *path, const char *kind, Bytes text)
{
    Json c = {
        .mem = a,
        .path = format(a, "%s", path),
        .kind = kind,
        .at = text.data,
        .end = text.data + text.size,
    };
    if (!utf8_valid(c.at, c.end)) json_bad(&c, "its JSON is not UTF-8");
    if (text.size && memchr(c.at, 0, text.size)) json_bad(&c, "its JSON contains a NUL");
    return c;
}

/* ---- writing ---------------------------------------------------------------------------------- */

/* Writes the ASCII character b of a JSON string; returns the number of bytes, at most 6. */
static size_t quoted_ascii(char *out, int b)
{
    if (b < 0x20) return (size_t)sprintf(out, "\\u%04x", (unsigned)b);
    if (b == '"' || b == '\\') return (size_t)sprintf(out, "\\%c", b);
    *out = (char)b;
    return 1;
}

char *json_quoted(Arena *a, const char *text)
{
    char *out = allocate(a, 6 * strlen(text) + 3, 1);
    char *end = out;
    *end++ = '"';
    for (const unsigned char *p = (const unsigned char *)text; *p; ) {
        size_t n = utf8_size(p);
        if (n == 0) {      /* The name of a file may be any bytes; JSON may not. */
            end += sprintf(end, "\\ufffd");
            p++;
            continue;
        }
        if (n == 1) end += quoted_ascii(end, *p);
        else {
            memcpy(end, p, n);
            end += n;
        }
        p += n;
    }
    *end++ = '"';
    *end = 0;
    return out;
}
