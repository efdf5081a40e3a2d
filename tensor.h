/* tensor.h - what every other room stands on: memory, failing, files, random numbers.
 *
 * This pair is useful copied alone.  No globals; everything hangs on an Arena,
 * and one arena serves one thread (parallel loops never allocate). */
#ifndef TENSOR_H
#define TENSOR_H

#include <stddef.h>
#include <stdint.h>

/* Images and tokens alike are [n, h, w, c], c fastest.
 * n: pictures or frames    h, w: rows and columns (tokens: h = count, w = 1)    c: channels
 * from: the op on the tape that made it, where it depends on something trainable (tape.h); else NULL */
typedef struct { int n, h, w, c; float *x; struct Op *from; } Tensor;

static inline size_t rows(Tensor t) { return (size_t)t.n * (size_t)t.h * (size_t)t.w; }
static inline size_t size(Tensor t) { return rows(t) * (size_t)t.c; }

/* ---- memory, and the way out ------------------------------------------------------------------ */

typedef struct Arena Arena;

Arena *arena_new (void);              /* reserves address space, not memory; NULL when there is none */
void   arena_free(Arena *a);          /* releases everything taken, and the arena itself */
void  *take   (Arena *a, size_t count, size_t each);   /* count*each bytes, 64-byte aligned, not cleared; fails when out of memory */
void  *roomier(Arena *a, void *list, size_t count, size_t *room, size_t each);      /* a list of count elements, or, where room is full, its copy with more */
char  *format (Arena *a, const char *fmt, ...) __attribute__((format(printf, 2, 3)));    /* sprintf into the arena */
size_t mark   (const Arena *a);       /* how much is taken now */
void   release(Arena *a, size_t to);  /* gives back all taken since that mark, running undo functions, last first */
void   undo   (Arena *a, void (*how)(void *), void *what);    /* how(what) runs when this point is released */
void  *adopt  (Arena *a, void *memory);      /* malloc'ed memory, or NULL, to be freed when this point is released; -> memory */
size_t peak   (const Arena *a);       /* most bytes taken at once, since the arena was made or peak_anew was called */
void   peak_anew(Arena *a);
void   arena_rest(Arena *a);          /* what has been given back leaves memory, until it is taken again */

/* Runs work(job).  Returns 0; or -1 when it called fail(), with the reason in message, all that it
 * took released.  Attempts nest.  Never call fail() inside a parallel loop. */
int attempt(Arena *a, void (*work)(void *), void *job, char message[1024]);
_Noreturn void fail(Arena *a, const char *fmt, ...) __attribute__((format(printf, 2, 3)));

/* ---- files ------------------------------------------------------------------------------------ */

typedef struct { const unsigned char *data; size_t size; } Bytes;
typedef struct { const char *path; Bytes content; } File;

int   stands_at(Bytes b, size_t at, const void *what, size_t n);      /* are those n bytes there? */

Bytes file_map (Arena *a, const char *path);      /* read-only, unmapped on release; fails when it is no readable regular file */
void  files_rest(Arena *a);                       /* mapped files leave memory; what is read of them again comes back */
const char *file_at(const Arena *a, const void *address);      /* the mapped file that this lies in, NULL when there is none; for handlers of signals too */
int   file_is  (const char *path);                /* is there a regular file? */
int   folder_is(const char *path);
int   same_file(const char *x, const char *y);      /* are both there, and one? */
void  folder_make(Arena *a, const char *path);    /* in one that is there; stays as it is when it is there */
const char **names_in(Arena *a, const char *folder, size_t *count);     /* sorted, hidden ones left out; none when it cannot be read */
/* Writes every file to a temporary one beside its target, flushes, then renames them all: a reader
 * sees the old file or the whole new one.  Fails with nothing left behind and old files untouched. */
void  files_save(Arena *a, const File *files, size_t count);

uint64_t digest(uint64_t of, const void *data, size_t bytes);      /* a number that other bytes will not have by accident; of: what came before, 0 at first */

double clock_now(void);               /* seconds, of a clock that never goes back */

/* ---- random numbers --------------------------------------------------------------------------- */

/* torch's CPU generator, a Mersenne twister */
typedef struct { uint32_t state[624]; int next; } Rng;

void     rng_seed  (Rng *r, uint64_t seed);            /* as torch.manual_seed: the low 32 bits count */
uint32_t rng_bits  (Rng *r);
uint32_t rng_below (Rng *r, uint32_t n);               /* 0 .. n-1; as torch takes them, so smaller ones are more likely by n / 2^32 */
void     rng_normal(Rng *r, float *out, size_t n);     /* one torch.randn call of n float32 values */

/* torch's CUDA generator as the web UI's "NV" and stable-diffusion.cpp have it, Philox: the n < 2^32 values of randn call 0, 1, 2 ... after seeding */
void philox_normal(uint64_t seed, uint32_t call, float *out, size_t n);

#endif
