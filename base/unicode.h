/* unicode.h - what CLIP's tokenizer, and who writes to a terminal, have to know about characters, as tables.
 *
 * The library behind transformers' CLIPTokenizer mixes three editions of Unicode: it composes characters by Unicode 9,
 * lowers case by Unicode 17 and tells letters from numbers by Unicode 16.  Token ids depend on each of them.  So
 * tests/unicode_tables.py asks that library about every code point and writes down the answers, as base/unicode.c.
 *
 * All tables are in rising order of their first column. */
#ifndef UNICODE_H
#define UNICODE_H

#include <stddef.h>
#include <stdint.h>

typedef struct { uint32_t first, last; } UnicodeRange;                        /* both included */
typedef struct { const UnicodeRange *at; size_t count; } UnicodeSet;
typedef struct { UnicodeRange range; int class; } UnicodeClass;               /* canonical combining class, 1..254 */
typedef struct { UnicodeRange range; uint32_t every, to; } UnicodeLower;      /* first + k*every -> to + k*every */
typedef struct { uint32_t whole, first, second; } UnicodeDecomposition;       /* second is 0 when there is one part */

extern const UnicodeSet unicode_letters, unicode_numbers, unicode_spaces;     /* \p{L}, \p{N}, \s */

/* What takes two columns of a terminal, and what takes none: East_Asian_Width W and F; marks (Mn, Me), what is not seen
 * (Cf, but the soft hyphen) and the later parts of Hangul syllables.  Unicode 18.0, UAX 11. */
extern const UnicodeSet unicode_wide, unicode_zero_width;

/* Canonical combining classes, for the order of marks.  Code points of class 0 are left out. */
extern const UnicodeClass unicode_classes[];
extern const size_t       unicode_classes_count;

/* Lower case.  Left out are code points that are their own lower case, and U+0130, the only one that becomes two
 * code points. */
extern const UnicodeLower unicode_lower[];
extern const size_t       unicode_lower_count;

/* One step of canonical decomposition; only `first` can be decomposed further.  Hangul syllables are left out, because
 * they are computed. */
extern const UnicodeDecomposition unicode_decompositions[];
extern const size_t               unicode_decompositions_count;

/* Canonical compositions: indexes of the decompositions that may be undone, in rising order of (first, second). */
extern const uint16_t unicode_compositions[];
extern const size_t   unicode_compositions_count;

#endif
