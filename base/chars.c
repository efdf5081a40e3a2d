/* chars.c - characters and numbers in text.
 *
 * What people write comes as UTF-8 with any byte in it, and what is said to them must not carry any of that on: decoding
 * replaces what is no UTF-8 as Python does, quoting shows it as question marks.  Numbers are read with one rounding, and
 * written with the fewest digits that read as the same; neither asks for the locale. */
#include "chars.h"

#include <math.h>
#include <stdlib.h>
#include <string.h>

/* ---- Unicode ---------------------------------------------------------------------------------- */

enum { REPLACEMENT = 0xFFFD };

size_t utf8_decode(const unsigned char *s, size_t n, uint32_t *c)
{
    unsigned lead = s[0], low = 0x80, high = 0xBF;
    size_t more = lead >= 0xF0 ? 3 : lead >= 0xE0 ? 2 : lead >= 0x80 ? 1 : 0;
    *c = lead;
    if (!more) return 1;
    *c = REPLACEMENT;
    if (lead < 0xC2 || lead > 0xF4) return 1;
    if (lead == 0xE0) low = 0xA0;           /* else a shorter form would do */
    if (lead == 0xED) high = 0x9F;          /* else a surrogate */
    if (lead == 0xF0) low = 0x90;
    if (lead == 0xF4) high = 0x8F;          /* else past U+10FFFF */
    uint32_t value = lead & (0x3Fu >> more);
    for (size_t i = 1; i <= more; i++, low = 0x80, high = 0xBF) {
        if (i == n || s[i] < low || s[i] > high) return i;
        value = value << 6 | (s[i] & 0x3Fu);
    }
    *c = value;
    return more + 1;
}

int unicode_in_range(const void *key, const void *row)
{
    const uint32_t *c = key;
    const UnicodeRange *r = row;
    return *c < r->first ? -1 : *c > r->last;
}

int unicode_is(UnicodeSet set, uint32_t c) { return bsearch(&c, set.at, set.count, sizeof *set.at, unicode_in_range) != NULL; }

/* ---- text ------------------------------------------------------------------------------------- */

/* letters of a key or an option: case, "-", "_" and " " alike */
static int letter(int c) { return c == '_' || c == ' ' ? '-' : lower(c); }

int same(const char *a, const char *b)
{
    while (*a && letter(*a) == letter(*b)) a++, b++;
    return !*a && !*b;
}

int begins(const char *text, const char *with)
{
    while (*with && lower(*text) == lower(*with)) text++, with++;
    return !*with;
}

char *copy(Arena *a, const char *text, size_t n)
{
    char *s = take(a, n + 1, 1);
    memcpy(s, text, n);
    s[n] = 0;
    return s;
}

char *trimmed(Arena *a, const char *text, size_t n)
{
    while (n && blank(text[n - 1])) n--;
    while (n && blank(*text)) text++, n--;
    return copy(a, text, n);
}

char **comma_parts(Arena *a, const char *text, size_t *count)
{
    size_t parts = 1, n = 0;
    for (const char *s = text; *s; s++) parts += *s == ',';
    char **part = take(a, parts, sizeof *part);
    for (const char *s = text; n < parts; s += strcspn(s, ",") + 1) part[n++] = trimmed(a, s, strcspn(s, ","));
    *count = parts;
    return part;
}

char *amount(Arena *a, size_t n, const char *what) { return format(a, "%zu %s%s", n, what, n == 1 ? "" : "s"); }

char *one_of(Arena *a, const char *const *choice)
{
    char *list = format(a, "%s", choice[0]);
    for (size_t i = 1; choice[i]; i++) list = format(a, "%s%s%s", list, choice[i + 1] ? ", " : " or ", choice[i]);
    return list;
}

Draft draft(Arena *a) { return (Draft){ .mem = a, .text = format(a, "%s", "") }; }

void draft_add(Draft *d, const char *words)
{
    size_t n = strlen(words);
    if (d->n + n + 1 > d->room) {
        char *more = take(d->mem, d->room = 2 * (d->n + n) + 1024, 1);
        memcpy(more, d->text, d->n);
        d->text = more;
    }
    memcpy(d->text + d->n, words, n + 1);
    d->n += n;
}

size_t printable(const char *text)
{
    const unsigned char *s = (const unsigned char *)text;
    size_t n = *s < 0x80 ? 1 : *s >= 0xf0 ? 4 : *s >= 0xe0 ? 3 : 2;
    if (*s < 0x20 || *s == 0x7f || (*s >= 0x80 && *s < 0xc2) || *s > 0xf4) return 0;
    if (*s == 0xc2 && s[1] < 0xa0) return 0;
    for (size_t i = 1; i < n; i++) if ((s[i] & 0xc0) != 0x80) return 0;
    return n;
}

void make_printable(char *text, const char *but)
{
    for (size_t n; *text; text += n ? n : 1) if (!(n = printable(text)) && !strchr(but, *text)) *text = ' ';
}

char *quoted(Arena *a, const char *text)
{
    enum { CUT = 60 };
    char *out = take(a, CUT + 16, 1);
    size_t n = 0;
    out[n++] = '"';
    while (*text && n < CUT) {
        size_t step = printable(text);
        if (!step) { out[n++] = '?'; text++; continue; }
        memcpy(out + n, text, step);
        n += step, text += step;
    }
    strcpy(out + n, *text ? "...\"" : "\"");
    return out;
}

/* Levenshtein 1965; one row of the table is kept */
size_t edit_distance(const char *a, const char *b)
{
    enum { MOST = 128 };
    size_t n = strlen(b) < MOST ? strlen(b) : MOST, row[MOST + 1];
    for (size_t j = 0; j <= n; j++) row[j] = j;
    for (size_t i = 0; a[i] && i < MOST; i++) {
        size_t corner = row[0];
        row[0] = i + 1;
        for (size_t j = 0; j < n; j++) {
            size_t replaced = corner + (letter(a[i]) != letter(b[j]));
            corner = row[j + 1];
            size_t least = row[j] < corner ? row[j] : corner;
            row[j + 1] = replaced <= least ? replaced : least + 1;
        }
    }
    return row[n];
}

/* one letter is too little to be nearly anything */
Nearest nearest_to(const char *word) { return (Nearest){ word, NULL, strlen(word) > 1 ? (strlen(word) + 2) / 3 + 1 : 1 }; }

/* a beginning may be meant as the whole */
void nearest_of(Nearest *n, const char *name)
{
    size_t apart = *n->word && begins(name, n->word) ? 0 : edit_distance(name, n->word);
    if (apart < n->apart) n->name = name, n->apart = apart;
}

char *did_you_mean(Arena *a, Nearest n) { return n.name ? format(a, " (did you mean %s?)", n.name) : format(a, "%s", ""); }

/* ---- paths ------------------------------------------------------------------------------------ */

const char *file_name(const char *path)
{
    const char *slash = strrchr(path, '/');
    return slash ? slash + 1 : path;
}

const char *ending_of(const char *path)
{
    const char *name = file_name(path), *dot = strrchr(name, '.');
    return dot && dot > name ? dot : name + strlen(name);
}

char *without_ending(Arena *a, const char *path) { return copy(a, path, (size_t)(ending_of(path) - path)); }

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

static double ten_to(int n)              /* exact up to 22 */
{
    double p = 1;
    while (n-- > 0) p *= 10;
    return p;
}

/* [+-]digits[.digits] as digits / 10^places: both exact up to 15 digits, so one rounding, the right one (Clinger 1990) */
int read_number(const char *s, double *value)
{
    const uint64_t full = 100000000000000u;              /* 10^14: room for one digit more */
    uint64_t digits = 0;
    int places = 0, seen = 0, point = 0, minus = *s == '-';
    for (s += *s == '-' || *s == '+'; digit(*s) || (*s == '.' && !point); s++) {
        if (*s == '.') { point = 1; continue; }
        seen = 1;
        if (digits >= full || places == 22) {
            if (!point) return 0;
            continue;
        }
        digits = 10 * digits + (uint64_t)(*s - '0');
        places += point;
    }
    *value = (minus ? -1 : 1) * (double)digits / ten_to(places);
    return seen && !*s;
}

size_t number_at(const char *s, double *value)
{
    char mantissa[64];
    size_t sign = *s == '-' || *s == '+', n = sign, digits = 0;
    int point = 0, power = 0;
    for (; digit(s[n]) || (s[n] == '.' && !point); n++) point |= s[n] == '.', digits += s[n] != '.';
    if (!digits) return 0;
    size_t kept = n < sizeof mantissa ? n : sizeof mantissa - 1;
    memcpy(mantissa, s, kept);
    mantissa[kept] = 0;
    if (!read_number(mantissa, value)) *value = *s == '-' ? -HUGE_VAL : HUGE_VAL;
    if (s[n] != 'e' && s[n] != 'E') return n;
    size_t e = n + 1, minus = s[e] == '-';
    e += s[e] == '-' || s[e] == '+';
    if (!digit(s[e])) return n;
    for (; digit(s[e]); e++) power = power < 1000 ? 10 * power + s[e] - '0' : power;
    for (; power > 0 && *value != 0; power -= 22) *value = minus ? *value / ten_to(power < 22 ? power : 22) : *value * ten_to(power < 22 ? power : 22);
    return e;
}

char *number_text(Arena *a, double x)
{
    const char *sign = x < 0 ? "-" : "";
    int places = 0;
    double whole = round(fabs(x));
    while (places < 14 && whole / ten_to(places) != fabs(x) && whole < 1e14) whole = round(fabs(x) * ten_to(++places));
    unsigned long long digits = (unsigned long long)whole, unit = (unsigned long long)ten_to(places);
    if (!places) return format(a, "%s%llu", sign, digits);
    return format(a, "%s%llu.%0*llu", sign, digits / unit, places, digits % unit);
}

char *names_of(Arena *a, const char *(*name)(int))
{
    char *list = format(a, "%s", name(0));
    for (int i = 1; name(i); i++) list = format(a, "%s%s%s", list, name(i + 1) ? ", " : " or ", name(i));
    return list;
}
