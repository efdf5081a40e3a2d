/* weight_row.h - a file of weights in one line, for lists. */
#ifndef WEIGHT_ROW_H
#define WEIGHT_ROW_H

#include "file_kind.h"

/* path:  of a file or folder
 * name:  what it is called in the line; set by whoever prints it, the path until then
 * kind:  UNKNOWN_FILE when it could not be read
 * what:  "a LoRA for SDXL"
 * base:  "SD 1.x", "SDXL"; "" when it is not known
 * words: what it is called by (trigger words), or what it is like, "AnimateDiff v3, up to 32 frames at once"
 * why_not: why it cannot be used here; NULL: it can
 * bytes: its size    sample: a digest of its size and of some of its bytes, the same for copies
 * note:  what more is to be said of it, in a line of its own; NULL: nothing */
typedef struct {
    const char *path, *name, *what, *base, *words, *why_not, *note;
    FileKind    kind;
    size_t      bytes;
    uint64_t    sample;
} WeightRow;

/* Reads the beginning of the file, and the notes beside it.  What it says lives in a; scratch is an arena for all that
 * is read, empty again afterwards.  Does not fail for a file that is broken. */
WeightRow weight_row(Arena *a, Arena *scratch, const char *path);

/* A column of names at least as wide as `width` that this name fits, unless it is a very long one.  Begin with 0. */
size_t weight_row_width(size_t width, const char *name);

enum { TERMINAL_LINE = 80, LONG_LINE = 240 };      /* columns */

/* The line, or two with a note: name, base, size, words.  width: of the column of names.  columns: of the whole line,
 * whose words are cut.  In the arena, printable, with '\n'. */
const char *weight_row_text(Arena *a, const WeightRow *r, size_t width, size_t columns);

#endif
