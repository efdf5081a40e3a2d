/* chars.h - characters, texts, paths and numbers: for everything that reads what people wrote, or talks to them. */
#ifndef CHARS_H
#define CHARS_H

#include "tensor.h"
#include "unicode.h"

/* ---- ASCII characters, whatever the locale ---- */

static inline int blank(int c) { return c == ' ' || (c >= '\t' && c <= '\r'); }         /* isspace */
static inline int lower(int c) { return c >= 'A' && c <= 'Z' ? c + 32 : c; }            /* tolower */
static inline int digit(int c) { return c >= '0' && c <= '9'; }                         /* isdigit */

/* A letter, a digit or "_": \w of regular expressions. */
static inline int word_character(int c) { return digit(c) || c == '_' || (lower(c) >= 'a' && lower(c) <= 'z'); }

/* ---- Unicode ---- */

/* Decodes one code point of s: [n], n > 0 -> the bytes that it takes, 1 to 4 (Unicode 15, table 3-7).  Invalid bytes
 * become U+FFFD, up to the first byte that cannot follow. */
size_t utf8_decode(const unsigned char *s, size_t n, uint32_t *c);

/* Writes a code point, below 0x110000 -> the bytes that it takes, 1 to 4 (table 3-6); no NUL stands behind them. */
size_t utf8_encode(char out[4], uint32_t c);

int unicode_is(UnicodeSet set, uint32_t c);

/* Compares for bsearch.  c: a uint32_t.  row: anything that begins with a UnicodeRange. */
int unicode_in_range(const void *c, const void *row);

/* ---- text ---- */

/* Are these two names the same?  Upper and lower case are alike, and so are "-", "_" and " ". */
int same(const char *a, const char *b);

/* Is it the same as one of these?  names: ends with NULL. */
int is_one_of(const char *const *names, const char *name);

/* Does text begin with that?  Upper and lower case are alike. */
int begins(const char *text, const char *with);

/* A copy of n bytes with NUL behind them; trimmed leaves out the white space at both ends. */
char *copy   (Arena *a, const char *text, size_t n);
char *trimmed(Arena *a, const char *text, size_t n);

/* The parts between commas, each trimmed -> [count], at least one. */
char **comma_parts(Arena *a, const char *text, size_t *count);

char *data_size(Arena *a, double bytes);                    /* "612 bytes", "1.9 kB", "16.1 MB", "4.27 GB" */
char *amount(Arena *a, size_t n, const char *what);         /* "1 step", "25 steps" */

/* "a, b or c": a list of choices, which is not empty and ends with NULL; or name(0), name(1), ... up to NULL. */
char *one_of  (Arena *a, const char *const *choice);
char *names_of(Arena *a, const char *(*name)(int));

/* The size in bytes of the UTF-8 character that text begins with.  0 for a broken one, and for a control character,
 * which a terminal would obey. */
size_t printable_size(const char *text);

/* The columns of a terminal that n bytes of printable text take: a wide character (CJK, emoji) two, a mark none.  What
 * several characters become together (flags, families) counts as all of them, for terminals differ. */
int text_columns(const char *text, size_t n);

/* How many bytes of the text, whole characters with their marks, fit into so many columns. */
size_t fitting_size(const char *text, int columns);

/* Replaces each byte that is not printable by a space, except the bytes in `but`. */
void make_printable(char *text, const char *but);

/* "text" with its quotes, for a message: control characters and broken bytes become ?, and it is cut after 60 bytes. */
char *quoted(Arena *a, const char *text);

/* A string builder: text is everything that was added, n bytes and NUL. */
typedef struct { Arena *mem; char *text; size_t n, room; } StringBuilder;
StringBuilder string_builder(Arena *a);
void string_builder_add(StringBuilder *d, const char *words);
void string_builder_add_bytes(StringBuilder *d, const char *bytes, size_t n);       /* they hold no NUL */
void string_builder_add_code_point(StringBuilder *d, uint32_t c);

/* ---- "did you mean" ---- */

/* Levenshtein distance: insertions, deletions and replacements.  Letters are compared as `same` compares them; only
 * the first 128 bytes count. */
size_t edit_distance(const char *a, const char *b);

/* The nearest of several names to a word that is none of them.  name is NULL when none is near enough. */
typedef struct { const char *word, *name; size_t distance; } Nearest;
Nearest nearest_to(const char *word);

/* Considers one more name. */
void nearest_consider(Nearest *n, const char *name);

/* " (did you mean NAME?)", or "" */
char *did_you_mean(Arena *a, Nearest n);

/* ---- paths ---- */

/* Of the path "dir/name.txt".  A name whose only dot is its first character has no extension. */
const char *file_name(const char *path);        /* "name.txt" */
const char *file_extension(const char *path);        /* ".txt", or "" */
char *without_extension(Arena *a, const char *path);       /* "dir/name" */
char *without_slashes(Arena *a, const char *path);         /* "dir/name" of "dir/name/"; "/" stays */
char *folder_of(Arena *a, const char *path);            /* "dir", or "." */

/* ---- numbers ---- */

/* strtod and printf change with the locale, so numbers are read and written here.  read_* return 0 unless the whole
 * text is a number. */
int read_whole (const char *s, uint64_t *value);            /* digits; the value must fit */
int read_number(const char *s, double *value);              /* [+-]digits[.digits], up to 15 digits before the point */

/* The number [+-]digits[.digits][e[+-]digits] at the start of s -> its length, or 0 when there is none.  A value
 * that is too large is infinite. */
size_t number_at(const char *s, double *value);

/* The shortest decimals that read as the same number, at most 14 behind the point. */
char *number_text(Arena *a, double x);

#endif
