/* tensor.h - tensors, the arena that their memory comes from, and how a function fails.
 *
 * There are no globals: all memory belongs to an Arena.  One arena serves one thread; parallel loops never allocate.
 * Useful copied alone, with system.[ch]. */
#ifndef TENSOR_H
#define TENSOR_H

#include <stddef.h>
#include <stdint.h>

/* ---- tensors ----------------------------------------------------------------------------------- */

/* Images and tokens alike are [n, h, w, c] ("channels last"), c fastest.
 * n:    images or frames
 * h, w: rows and columns; for tokens, h is their number and w is 1
 * c:    channels
 * x:    the values
 * from: the op on the tape that made it, as grad_fn in PyTorch (tape.h); NULL when nothing trainable is behind it */
typedef struct { int n, h, w, c; float *x; struct Op *from; } Tensor;

static inline size_t rows(Tensor t) { return (size_t)t.n * (size_t)t.h * (size_t)t.w; }      /* pixels or tokens */
static inline size_t size(Tensor t) { return rows(t) * (size_t)t.c; }                        /* floats */

/* ---- the arena --------------------------------------------------------------------------------- */

/* An arena allocates by moving one number up.  Moving it back to a mark frees all that was allocated since. */
typedef struct Arena Arena;

Arena *arena_new(void);               /* reserves addresses, not memory; returns NULL when that fails */
void   arena_free(Arena *a);          /* releases everything, and the arena itself; a may be NULL */

/* Allocates count * each bytes, 64-byte aligned, not cleared.  Fails when there is no memory. */
void  *allocate(Arena *a, size_t count, size_t each);
size_t mark(const Arena *a);          /* how many bytes are allocated now */
/* Frees everything that was allocated since that mark.  The functions that on_release() has registered since are
 * called, last first. */
void   release(Arena *a, size_t to);

/* Grows a list of `count` elements of `each` bytes: returns the list itself, or a longer copy of it when all `*room`
 * slots are in use.  An empty list is NULL, with *room 0. */
void  *grow_array(Arena *a, void *list, size_t count, size_t *room, size_t each);
/* sprintf into the arena */
char  *format(Arena *a, const char *fmt, ...) __attribute__((format(printf, 2, 3)));

/* Registers how(what), to be called when the arena is released to the present mark or below.  It frees what is no
 * memory of the arena, like an open file.  When there is no memory to register it, how(what) is called at once, and
 * this fails. */
void   on_release(Arena *a, void (*how)(void *), void *what);
/* Owns memory from malloc: calls free() on release.  Returns the memory; NULL is fine. */
void  *arena_own(Arena *a, void *memory);

size_t arena_peak(const Arena *a);    /* the most bytes allocated at once since the last arena_peak_reset() */
void   arena_peak_reset(Arena *a);
void   arena_trim(Arena *a);          /* gives the memory that is not allocated back to the system */

struct MappedFile **mapped_files(Arena *a);      /* where files.c keeps the list of this arena's mapped files */

/* ---- failing ----------------------------------------------------------------------------------- */

/* What a caller may want to tell apart without reading the message. */
typedef enum { FAILURE, CANCELLED, NO_MEMORY } FailKind;

enum { MESSAGE = 16384 };                /* bytes of a message, with its NUL: room for every fault of a job */

/* try/catch: runs work(job) and returns 0.  When work calls fail(), everything that it allocated is released, the
 * reason is written to message, and -1 is returned.  Attempts nest.  Never call fail() inside a parallel loop. */
int attempt(Arena *a, void (*work)(void *), void *job, char message[MESSAGE]);
FailKind fail_kind(const Arena *a);      /* of the attempt that failed last; allocate() fails as NO_MEMORY */

/* Ends the innermost attempt with this message; fail() is fail_as() of kind FAILURE. */
_Noreturn void fail(Arena *a, const char *fmt, ...) __attribute__((format(printf, 2, 3)));
_Noreturn void fail_as(Arena *a, FailKind kind, const char *fmt, ...) __attribute__((format(printf, 3, 4)));

#endif
