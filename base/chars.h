/* chars.h - characters and numbers in text, for all that read what people wrote, and that talk to them. */
#ifndef CHARS_H
#define CHARS_H

#include "tensor.h"
#include "unicode.h"

static inline int blank(int c) { return c == ' ' || (c >= '\t' && c <= '\r'); }
static inline int lower(int c) { return c >= 'A' && c <= 'Z' ? c + 32 : c; }
static inline int digit(int c) { return c >= '0' && c <= '9'; }
static inline int word (int c) { return digit(c) || c == '_' || (lower(c) >= 'a' && lower(c) <= 'z'); }

/* The bytes that one code point takes, 1 to 4, of n > 0 (Unicode 15, table 3-7); what is none becomes U+FFFD up to the
 * first byte that cannot follow. */
size_t utf8_decode(const unsigned char *s, size_t n, uint32_t *c);
int    unicode_is(UnicodeSet set, uint32_t c);
int    unicode_in_range(const void *c, const void *row);   /* for bsearch over rows that begin with a UnicodeRange; c: uint32_t */

int    same  (const char *a, const char *b);            /* case, "-", "_" and " " alike */
int    begins(const char *text, const char *with);      /* case aside */
char  *copy   (Arena *a, const char *text, size_t n);
char  *trimmed(Arena *a, const char *text, size_t n);   /* without the white space around it */
char **comma_parts(Arena *a, const char *text, size_t *count);      /* what stands between its commas, each trimmed; one at least */
char  *amount (Arena *a, size_t n, const char *what);   /* "1 step", "25 steps" */
char  *one_of (Arena *a, const char *const *choice);    /* "a, b or c" of those before NULL, at least one */
size_t printable(const char *text);                     /* bytes of the UTF-8 character there; 0: none, or one of control, which a terminal would obey */
void   make_printable(char *text, const char *but);     /* each other byte becomes a space, except those in `but` */
char  *quoted (Arena *a, const char *text);             /* "text" for a message: control and broken bytes as ?, cut after 60 bytes */

/* Text that grows: text is all that was added, [n]. */
typedef struct { Arena *mem; char *text; size_t n, room; } Draft;
Draft  draft    (Arena *a);
void   draft_add(Draft *d, const char *words);

size_t edit_distance(const char *a, const char *b);     /* insertions, deletions and replacements, case aside; first 128 bytes */

/* Of the path "dir/name.txt": "name.txt"; ".txt", "" when there is none; "dir/name"; "dir", "." when there is none.  A name that begins
 * with its only dot has no ending. */
const char *file_name (const char *path);
const char *ending_of (const char *path);
char   *without_ending(Arena *a, const char *path);
char   *folder_of     (Arena *a, const char *path);

/* For "did you mean": a word that is no name, and of the names that it was held against the nearest; NULL: none is near enough. */
typedef struct { const char *word, *name; size_t apart; } Nearest;
Nearest nearest_to  (const char *word);
void    nearest_of  (Nearest *n, const char *name);     /* holds it against one more */
char   *did_you_mean(Arena *a, Nearest n);              /* " (did you mean NAME?)", or "" */

/* Numbers by hand: strtod and printf change with the locale.  Reading fails (0) unless all of the text is a number. */
int    read_whole (const char *s, uint64_t *value);     /* digits; fits */
int    read_number(const char *s, double *value);       /* [+-]digits[.digits], at most 15 digits before the point */
size_t number_at  (const char *s, double *value);       /* [+-]digits[.digits][e[+-]digits] there -> its length, 0 when there is none; may be infinite */
char  *number_text(Arena *a, double x);                 /* the fewest decimals that read as the same number */

/* "DDIM, Euler or LCM", from names by number up to NULL */
char *names_of(Arena *a, const char *(*name)(int));

#endif
