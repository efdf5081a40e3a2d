/* json.c - JSON by RFC 8259, no more: strict UTF-8 without NUL, numbers and escapes as the grammar has them, nested at most 128 deep.
 *
 * The text is hostile until checked: the cursor never passes its end, nothing recurses, and whatever is wrong fails with the
 * file's name. */
#include "json.h"

#include <stdio.h>
#include <string.h>

enum { DEEPEST = 128 };

_Noreturn void json_bad(const Json *c, const char *what)
{
    fail(c->mem, "%s: not a valid %s: %s; download or convert it again", c->path, c->kind, what);
}

static void space(Json *c)
{
    while (c->at < c->end && (*c->at == ' ' || *c->at == '\t' || *c->at == '\n' || *c->at == '\r')) c->at++;
}

int json_peek(Json *c)
{
    space(c);
    return c->at < c->end ? *c->at : -1;
}

int json_next(Json *c, int want)
{
    if (json_peek(c) != want) return 0;
    c->at++;
    return 1;
}

void json_expect(Json *c, int want, const char *else_say)
{
    if (!json_next(c, want)) json_bad(c, else_say);
}

static unsigned hex4(Json *c)
{
    unsigned value = 0;
    for (int i = 0; i < 4; i++) {
        int d = c->at < c->end ? *c->at++ : 0;
        if      (d >= '0' && d <= '9') d -= '0';
        else if (d >= 'a' && d <= 'f') d -= 'a' - 10;
        else if (d >= 'A' && d <= 'F') d -= 'A' - 10;
        else json_bad(c, "its JSON has a broken \\u escape");
        value = value * 16 + (unsigned)d;
    }
    return value;
}

/* \uXXXX, in pairs where it is a surrogate, as UTF-8 */
static size_t unicode_escape(Json *c, char *out)
{
    unsigned u = hex4(c);
    if (u >= 0xdc00 && u < 0xe000) json_bad(c, "its JSON has half a surrogate pair");
    if (u >= 0xd800 && u < 0xdc00) {
        if (c->end - c->at < 2 || c->at[0] != '\\' || c->at[1] != 'u') json_bad(c, "its JSON has half a surrogate pair");
        c->at += 2;
        unsigned low = hex4(c);
        if (low < 0xdc00 || low >= 0xe000) json_bad(c, "its JSON has half a surrogate pair");
        u = 0x10000 + ((u - 0xd800) << 10) + (low - 0xdc00);
    }
    if (u == 0) json_bad(c, "a name in its JSON contains a NUL character");
    if (u < 0x80)    { out[0] = (char)u; return 1; }
    if (u < 0x800)   { out[0] = (char)(0xc0 | u >> 6); out[1] = (char)(0x80 | (u & 63)); return 2; }
    if (u < 0x10000) { out[0] = (char)(0xe0 | u >> 12); out[1] = (char)(0x80 | (u >> 6 & 63)); out[2] = (char)(0x80 | (u & 63)); return 3; }
    out[0] = (char)(0xf0 | u >> 18); out[1] = (char)(0x80 | (u >> 12 & 63)); out[2] = (char)(0x80 | (u >> 6 & 63)); out[3] = (char)(0x80 | (u & 63));
    return 4;
}

static char simple_escape(Json *c, int e)
{
    static const char from[] = "\"\\/bfnrt", to[] = "\"\\/\b\f\n\r\t";
    const char *p = e ? strchr(from, e) : NULL;
    if (!p) json_bad(c, "its JSON has an unknown escape in a string");
    return to[p - from];
}

char *json_string(Json *c)
{
    json_expect(c, '"', "its JSON is not what it should be (a string was expected)");
    const unsigned char *close = c->at;
    while (close < c->end && *close != '"') close += *close == '\\' ? 2 : 1;
    if (close >= c->end) json_bad(c, "a string in its JSON does not end");
    char *out = take(c->mem, (size_t)(close - c->at) + 1, 1), *o = out;      /* an escape is longer than what it stands for */
    while (*c->at != '"') {
        int b = *c->at++;
        if (b < 0x20) json_bad(c, "a string in its JSON has a control character");
        if (b != '\\') { *o++ = (char)b; continue; }
        int e = *c->at++;
        if (e == 'u') o += unicode_escape(c, o);
        else *o++ = simple_escape(c, e);
    }
    c->at++;
    *o = 0;
    return out;
}

static size_t digits(Json *c)
{
    size_t n = 0;
    while (c->at < c->end && *c->at >= '0' && *c->at <= '9') c->at++, n++;
    return n;
}

/* -? (0 | [1-9][0-9]*) (. [0-9]+)? ([eE] [+-]? [0-9]+)?   and says whether it was a plain whole number */
static int number(Json *c, size_t *value)
{
    const unsigned char *start = c->at;
    int whole = 1;
    if (c->at < c->end && *c->at == '-') c->at++, whole = 0;
    const unsigned char *first = c->at;
    size_t n = digits(c);
    if (!n || (n > 1 && *first == '0')) json_bad(c, "its JSON has a malformed number");
    if (c->at < c->end && *c->at == '.') {
        c->at++, whole = 0;
        if (!digits(c)) json_bad(c, "its JSON has a malformed number");
    }
    if (c->at < c->end && (*c->at == 'e' || *c->at == 'E')) {
        c->at++, whole = 0;
        if (c->at < c->end && (*c->at == '+' || *c->at == '-')) c->at++;
        if (!digits(c)) json_bad(c, "its JSON has a malformed number");
    }
    *value = 0;
    for (const unsigned char *p = start; whole && p < c->at; p++) {
        size_t d = (size_t)(*p - '0');
        if (*value > (SIZE_MAX - d) / 10) return 0;
        *value = *value * 10 + d;
    }
    return whole;
}

size_t json_whole(Json *c)
{
    size_t value;
    int b = json_peek(c);
    if (b != '-' && (b < '0' || b > '9')) json_bad(c, "a shape or offset is not a number");
    if (!number(c, &value)) json_bad(c, "a shape or offset is not a whole number that can be counted");
    return value;
}

int json_word(Json *c, const char *w)
{
    space(c);
    size_t n = strlen(w);
    if ((size_t)(c->end - c->at) < n || memcmp(c->at, w, n)) return 0;
    c->at += n;
    return 1;
}

/* Steps over any one value; open brackets are kept on a small stack, not on ours. */
void json_skip(Json *c, int depth)
{
    char open[DEEPEST];
    int top = 0;
    for (;;) {
        int b = json_peek(c);
        if (b == '{' || b == '[') {
            c->at++;
            if (top + depth >= DEEPEST) json_bad(c, "its JSON is nested too deep");
            if (!json_next(c, b == '{' ? '}' : ']')) {
                open[top++] = (char)b;
                if (b == '{') { json_string(c); json_expect(c, ':', "its JSON lacks a colon after a name"); }
                continue;
            }
        }
        else if (b == '"') json_string(c);
        else if (b == '-' || (b >= '0' && b <= '9')) { size_t ignored; number(c, &ignored); }
        else if (!json_word(c, "true") && !json_word(c, "false") && !json_word(c, "null")) json_bad(c, "its JSON is not what it should be");
        while (top && json_next(c, open[top - 1] == '{' ? '}' : ']')) top--;
        if (!top) return;
        json_expect(c, ',', "its JSON lacks a comma");
        if (open[top - 1] == '{') { json_string(c); json_expect(c, ':', "its JSON lacks a colon after a name"); }
    }
}

/* ---- a whole text ----------------------------------------------------------------------------- */

static int utf8_valid(const unsigned char *p, const unsigned char *end)
{
    while (p < end) {
        unsigned b = *p++, more = b < 0x80 ? 0 : b >= 0xc2 && b < 0xe0 ? 1 : b >= 0xe0 && b < 0xf0 ? 2 : b >= 0xf0 && b < 0xf5 ? 3 : 9;
        if (more == 9 || (size_t)(end - p) < more) return 0;
        if (more && ((b == 0xe0 && *p < 0xa0) || (b == 0xed && *p > 0x9f) || (b == 0xf0 && *p < 0x90) || (b == 0xf4 && *p > 0x8f))) return 0;
        while (more--) if ((*p++ & 0xc0) != 0x80) return 0;
    }
    return 1;
}

Json json_begin(Arena *a, const char *path, const char *kind, Bytes text)
{
    Json c = { a, format(a, "%s", path), kind, text.data, text.data + text.size };
    if (!utf8_valid(c.at, c.end)) json_bad(&c, "its JSON is not UTF-8");
    if (text.size && memchr(c.at, 0, text.size)) json_bad(&c, "its JSON contains a NUL");
    return c;
}

int json_member(Json *c, const char *key)
{
    int found = 0;
    Json here = *c;
    json_expect(c, '{', "an object was expected");
    if (json_next(c, '}')) { *c = here; return 0; }
    do {
        int same = !strcmp(json_string(c), key);
        json_expect(c, ':', "its JSON lacks a colon after a name");
        if (same && !found++) here = *c;
        json_skip(c, 1);
    } while (json_next(c, ','));
    json_expect(c, '}', "its JSON lacks a comma or its end");
    *c = here;
    return found;
}

char *json_number(Json *c)
{
    size_t ignored;
    int b = json_peek(c);
    if (b != '-' && (b < '0' || b > '9')) return NULL;
    const unsigned char *start = c->at;
    number(c, &ignored);
    return format(c->mem, "%.*s", (int)(c->at - start), (const char *)start);
}

/* of the character at p, 0 when it is none; no byte behind the NUL is read */
static size_t utf8_size(const unsigned char *p)
{
    size_t n = 1;
    while (n < 4 && p[n] && !utf8_valid(p, p + n)) n++;
    return utf8_valid(p, p + n) ? n : 0;
}

char *json_quoted(Arena *a, const char *text)
{
    char *out = take(a, 6 * strlen(text) + 3, 1), *end = out;
    size_t n;
    *end++ = '"';
    for (; *text; text++)
        if (!(n = utf8_size((const unsigned char *)text))) end += sprintf(end, "\\ufffd");      /* a file's name may be any bytes, JSON may not */
        else if (n > 1) memcpy(end, text, n), end += n, text += n - 1;
        else if ((unsigned char)*text < 0x20) end += sprintf(end, "\\u%04x", (unsigned)*text);
        else {
            if (*text == '"' || *text == '\\') *end++ = '\\';
            *end++ = *text;
        }
    *end++ = '"', *end = 0;
    return out;
}
