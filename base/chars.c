/* chars.c - characters, texts, paths and numbers.
 *
 * What people write is UTF-8 with any bytes in it.  Decoding replaces invalid bytes as Python's
 * bytes.decode(errors="replace") does.  Messages never repeat them: quoting shows them, and control characters, as
 * question marks, because a terminal would obey some of them.
 *
 * Names are compared without regard to case and to "-", "_" and " ", since people write them in all of these ways.
 *
 * Numbers do not depend on the locale.  They are read with one rounding (Clinger 1990: a quotient of two doubles
 * that are exact), and written with the fewest digits that read as the same number.
 *
 * Nothing here fails: a function returns 0 or NULL for text that is not what it looks for. */
#include "chars.h"

#include <math.h>
#include <stdlib.h>
#include <string.h>

/* ---- Unicode ---------------------------------------------------------------------------------- */

enum { REPLACEMENT = 0xFFFD };

/* How many bytes follow this first byte. */
static size_t utf8_following(unsigned first)
{
    if (first >= 0xF0) return 3;
    if (first >= 0xE0) return 2;
    return first >= 0x80 ? 1 : 0;
}

size_t utf8_decode(const unsigned char *s, size_t n, uint32_t *c)
{
    unsigned first = s[0], low = 0x80, high = 0xBF;     /* the bounds of the next byte */
    size_t more = utf8_following(first);
    *c = first;
    if (!more) return 1;
    *c = REPLACEMENT;
    if (first < 0xC2 || first > 0xF4) return 1;
    if (first == 0xE0) low = 0xA0;                      /* below, a shorter form exists */
    if (first == 0xF0) low = 0x90;
    if (first == 0xED) high = 0x9F;                     /* above are surrogates */
    if (first == 0xF4) high = 0x8F;                     /* above is past U+10FFFF */
    uint32_t value = first & (0x3Fu >> more);
    for (size_t i = 1; i <= more; i++) {
        if (i == n || s[i] < low || s[i] > high) return i;
        value = value << 6 | (s[i] & 0x3Fu);
        low = 0x80;
        high = 0xBF;
    }
    *c = value;
    return more + 1;
}

size_t utf8_encode(char out[4], uint32_t c)
{
    static const unsigned char first[] = { 0, 0xC0, 0xE0, 0xF0 };
    size_t more = (size_t)(c >= 0x80) + (c >= 0x800) + (c >= 0x10000);
    out[0] = (char)(first[more] | c >> 6 * more);
    for (size_t i = 1; i <= more; i++) out[i] = (char)(0x80 | (c >> 6 * (more - i) & 0x3F));
    return 1 + more;
}

int unicode_in_range(const void *key, const void *row)
{
    const uint32_t *c = key;
    const UnicodeRange *r = row;
    if (*c < r->first) return -1;
    return *c > r->last;
}

int unicode_is(UnicodeSet set, uint32_t c)
{
    return bsearch(&c, set.at, set.count, sizeof *set.at, unicode_in_range) != NULL;
}

/* ---- text ------------------------------------------------------------------------------------- */

/* A character of a name, as names are compared. */
static int folded(int c) { return c == '_' || c == ' ' ? '-' : lower(c); }

int same(const char *a, const char *b)
{
    size_t i = 0;
    while (a[i] && folded(a[i]) == folded(b[i])) i++;
    return !a[i] && !b[i];
}

int is_one_of(const char *const *names, const char *name)
{
    while (*names && !same(*names, name)) names++;
    return *names != NULL;
}

int begins(const char *text, const char *with)
{
    size_t i = 0;
    while (with[i] && lower(text[i]) == lower(with[i])) i++;
    return !with[i];
}

char *copy(Arena *a, const char *text, size_t n)
{
    char *s = allocate(a, n + 1, 1);
    memcpy(s, text, n);
    s[n] = 0;
    return s;
}

char *trimmed(Arena *a, const char *text, size_t n)
{
    while (n && blank(text[n - 1])) n--;
    size_t from = 0;
    while (from < n && blank(text[from])) from++;
    return copy(a, text + from, n - from);
}

char **comma_parts(Arena *a, const char *text, size_t *count)
{
    size_t parts = 1;
    for (const char *s = text; *s; s++)
        if (*s == ',') parts++;
    char **part = allocate(a, parts, sizeof *part);
    const char *s = text;
    for (size_t i = 0; i < parts; i++) {
        size_t n = strcspn(s, ",");
        part[i] = trimmed(a, s, n);
        s += n + 1;
    }
    *count = parts;
    return part;
}

char *data_size(Arena *a, double bytes)
{
    if (bytes < 1e3) return format(a, "%.0f bytes", bytes);
    if (bytes < 1e6) return format(a, "%.1f kB", bytes / 1e3);
    if (bytes < 1e9) return format(a, "%.1f MB", bytes / 1e6);
    return format(a, "%.2f GB", bytes / 1e9);
}

char *amount(Arena *a, size_t n, const char *what) { return format(a, "%zu %s%s", n, what, n == 1 ? "" : "s"); }

char *one_of(Arena *a, const char *const *choice)
{
    char *list = format(a, "%s", choice[0]);
    for (size_t i = 1; choice[i]; i++) list = format(a, "%s%s%s", list, choice[i + 1] ? ", " : " or ", choice[i]);
    return list;
}

char *names_of(Arena *a, const char *(*name)(int))
{
    char *list = format(a, "%s", name(0));
    for (int i = 1; name(i); i++) list = format(a, "%s%s%s", list, name(i + 1) ? ", " : " or ", name(i));
    return list;
}

size_t printable_size(const char *text)
{
    const unsigned char *s = (const unsigned char *)text;
    size_t n = utf8_following(*s) + 1;
    if (*s < 0x20 || *s == 0x7f) return 0;              /* a control character */
    if (*s == 0xc2 && s[1] < 0xa0) return 0;            /* U+0080 to U+009F are control characters, too */
    if ((*s >= 0x80 && *s < 0xc2) || *s > 0xf4) return 0;
    for (size_t i = 1; i < n; i++)
        if ((s[i] & 0xc0) != 0x80) return 0;
    return n;
}

static int columns_of(uint32_t c)
{
    if (unicode_is(unicode_zero_width, c)) return 0;
    return unicode_is(unicode_wide, c) ? 2 : 1;
}

int text_columns(const char *text, size_t n)
{
    int columns = 0;
    while (n) {
        uint32_t c;
        size_t size = utf8_decode((const unsigned char *)text, n, &c);
        columns += columns_of(c);
        text += size;
        n -= size;
    }
    return columns;
}

size_t fitting_size(const char *text, int columns)
{
    size_t length = strlen(text);
    size_t at = 0;
    while (at < length) {
        uint32_t c;
        size_t size = utf8_decode((const unsigned char *)text + at, length - at, &c);
        columns -= columns_of(c);
        if (columns < 0) break;
        at += size;
    }
    return at;
}

void make_printable(char *text, const char *but)
{
    while (*text) {
        size_t n = printable_size(text);
        if (!n && !strchr(but, *text)) *text = ' ';
        text += n ? n : 1;
    }
}

char *quoted(Arena *a, const char *text)
{
    enum { CUT = 60 };
    char *out = allocate(a, CUT + 16, 1);
    size_t n = 0;
    out[n++] = '"';
    while (*text && n < CUT) {
        size_t size = printable_size(text);
        if (size) memcpy(out + n, text, size);
        else out[n] = '?';
        if (!size) size = 1;
        n += size;
        text += size;
    }
    strcpy(out + n, *text ? "...\"" : "\"");
    return out;
}

StringBuilder string_builder(Arena *a) { return (StringBuilder){ .mem = a, .text = format(a, "%s", "") }; }

void string_builder_add_bytes(StringBuilder *d, const char *bytes, size_t n)
{
    if (d->n + n + 1 > d->room) {
        d->room = 2 * (d->n + n) + 1024;
        char *more = allocate(d->mem, d->room, 1);
        memcpy(more, d->text, d->n);
        d->text = more;
    }
    if (n) memcpy(d->text + d->n, bytes, n);
    d->n += n;
    d->text[d->n] = 0;
}

void string_builder_add(StringBuilder *d, const char *words)
{
    string_builder_add_bytes(d, words, strlen(words));
}

void string_builder_add_code_point(StringBuilder *d, uint32_t c)
{
    char bytes[4];
    string_builder_add_bytes(d, bytes, utf8_encode(bytes, c));
}

/* ---- "did you mean" --------------------------------------------------------------------------- */

static size_t least(size_t x, size_t y) { return x < y ? x : y; }

/* Levenshtein 1965, Wagner and Fischer 1974.  row[j] is the distance of the first i bytes of a to the first j bytes
 * of b. */
size_t edit_distance(const char *a, const char *b)
{
    enum { MOST = 128 };
    size_t n = least(strlen(b), MOST), row[MOST + 1];
    for (size_t j = 0; j <= n; j++) row[j] = j;
    for (size_t i = 0; a[i] && i < MOST; i++) {
        size_t diagonal = row[0];                       /* row[j] of the row before, while row[j + 1] is computed */
        row[0] = i + 1;
        for (size_t j = 0; j < n; j++) {
            size_t replaced = folded(a[i]) == folded(b[j]) ? diagonal : diagonal + 1;
            diagonal = row[j + 1];
            row[j + 1] = least(replaced, least(row[j], row[j + 1]) + 1);
        }
    }
    return row[n];
}

Nearest nearest_to(const char *word)
{
    size_t n = strlen(word);
    size_t limit = n > 1 ? (n + 2) / 3 + 1 : 1;         /* a single letter is near only to what it begins */
    return (Nearest){ .word = word, .distance = limit };
}

void nearest_consider(Nearest *n, const char *name)
{
    int is_beginning = *n->word && begins(name, n->word);
    size_t distance = is_beginning ? 0 : edit_distance(name, n->word);
    if (distance >= n->distance) return;
    n->name = name;
    n->distance = distance;
}

char *did_you_mean(Arena *a, Nearest n)
{
    return n.name ? format(a, " (did you mean %s?)", n.name) : format(a, "%s", "");
}

/* ---- paths ------------------------------------------------------------------------------------ */

const char *file_name(const char *path)
{
    const char *slash = strrchr(path, '/');
    return slash ? slash + 1 : path;
}

const char *file_extension(const char *path)
{
    const char *name = file_name(path);
    const char *dot = strrchr(name, '.');
    return dot && dot > name ? dot : name + strlen(name);
}

char *without_extension(Arena *a, const char *path) { return copy(a, path, (size_t)(file_extension(path) - path)); }

char *without_slashes(Arena *a, const char *path)
{
    size_t n = strlen(path);
    while (n > 1 && path[n - 1] == '/') n--;
    return copy(a, path, n);
}

char *folder_of(Arena *a, const char *path)
{
    size_t n = (size_t)(file_name(path) - path);
    while (n > 1 && path[n - 1] == '/') n--;
    return n ? copy(a, path, n) : format(a, ".");
}

/* ---- numbers ---------------------------------------------------------------------------------- */

int read_whole(const char *s, uint64_t *value)
{
    *value = 0;
    if (!*s) return 0;
    for (; digit(*s); s++) {
        uint64_t d = (uint64_t)(*s - '0');
        if (*value > (UINT64_MAX - d) / 10) return 0;
        *value = 10 * *value + d;
    }
    return !*s;
}

/* 10^n, exact up to 22 */
static double ten_to(int n)
{
    double p = 1;
    for (int i = 0; i < n; i++) p *= 10;
    return p;
}

/* [+-]digits[.digits] is digits / 10^places.  Both are exact up to 15 digits, so there is one rounding, and it is
 * the right one.  Digits behind the point that are too many are ignored. */
int read_number(const char *s, double *value)
{
    const uint64_t full = 100000000000000u;             /* 10^14: from here on there is no room for another digit */
    uint64_t digits = 0;
    int places = 0, any = 0, point = 0;
    double sign = *s == '-' ? -1 : 1;
    if (*s == '-' || *s == '+') s++;
    for (; digit(*s) || (*s == '.' && !point); s++) {
        if (*s == '.') {
            point = 1;
            continue;
        }
        any = 1;
        int fits = digits < full && places < 22;
        if (!fits && !point) return 0;
        if (!fits) continue;
        digits = 10 * digits + (uint64_t)(*s - '0');
        if (point) places++;
    }
    *value = sign * (double)digits / ten_to(places);
    return any && !*s;
}

/* The length of [+-]digits[.digits] at s, 0 when there is none. */
static size_t decimal_length(const char *s)
{
    size_t n = 0, digits = 0;
    if (*s == '-' || *s == '+') n++;
    for (int point = 0; digit(s[n]) || (s[n] == '.' && !point); n++) {
        if (s[n] == '.') point = 1;
        else digits++;
    }
    return digits ? n : 0;
}

/* The length of e[+-]digits at s, and its value, at most some thousands; 0 and 0 when there is none. */
static size_t exponent_at(const char *s, int *power)
{
    *power = 0;
    if (*s != 'e' && *s != 'E') return 0;
    size_t n = 1;
    int minus = s[n] == '-';
    if (s[n] == '-' || s[n] == '+') n++;
    if (!digit(s[n])) return 0;
    for (; digit(s[n]); n++)
        if (*power < 1000) *power = 10 * *power + s[n] - '0';
    if (minus) *power = -*power;
    return n;
}

/* x * 10^power, in steps whose powers of ten are exact */
static double scaled(double x, int power)
{
    int minus = power < 0;
    for (int left = abs(power); left > 0 && x != 0; left -= 22) {
        double p = ten_to(left < 22 ? left : 22);
        x = minus ? x / p : x * p;
    }
    return x;
}

size_t number_at(const char *s, double *value)
{
    char mantissa[64];
    int power;
    size_t n = decimal_length(s);
    size_t kept = least(n, sizeof mantissa - 1);
    if (!n) return 0;
    memcpy(mantissa, s, kept);
    mantissa[kept] = 0;
    if (!read_number(mantissa, value)) *value = *s == '-' ? -HUGE_VAL : HUGE_VAL;
    n += exponent_at(s + n, &power);
    *value = scaled(*value, power);
    return n;
}

char *number_text(Arena *a, double x)
{
    const char *sign = x < 0 ? "-" : "";
    int places = 0;
    double whole = round(fabs(x));
    while (places < 14 && whole / ten_to(places) != fabs(x) && whole < 1e14) {
        places++;
        whole = round(fabs(x) * ten_to(places));
    }
    unsigned long long digits = (unsigned long long)whole, unit = (unsigned long long)ten_to(places);
    if (!places) return format(a, "%s%llu", sign, digits);
    return format(a, "%s%llu.%0*llu", sign, digits / unit, places, digits % unit);
}
