/* tensor.c - the arena, and how a function fails.
 *
 * The arena reserves one large range of addresses and moves one number up and down in it.  The system gives memory to a
 * page only when the page is touched.  So a dry run of a model can allocate everything that the real run will, at no
 * cost, and its peak is the plan.  Released pages stay in memory for the next layer.
 *
 * What is not memory (a mapped file, a half-written file) is undone by a function that on_release() registers.
 * release() calls it, after success, after a failure and after Ctrl-C.  fail() jumps to the innermost attempt(), which
 * releases what was allocated since it began and returns the message to its caller.
 *
 * The arena refuses to allocate more than the machine has, which gives a message at once and not a crash later. */
#include "tensor.h"

#include "system.h"

#include <setjmp.h>
#include <stdarg.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

/* ---- the arena --------------------------------------------------------------------------------- */

typedef struct Undo {
    struct Undo *before;                 /* the one registered before this; NULL: this is the first */
    size_t       at;                     /* runs when the arena is released to this mark, or below */
    void       (*how)(void *);
    void        *what;
} Undo;

typedef struct Catch {                   /* an attempt that is under way */
    struct Catch *outer;
    jmp_buf       out;
    size_t        mark;
    char         *message;
} Catch;

struct Arena {
    size_t used, most, limit;            /* bytes, this struct counted too */
    Undo  *last_undo;                    /* the last one that on_release() registered */
    Catch *catch;                        /* the innermost attempt */
    FailKind kind;                       /* of the last failure */
    struct MappedFile *mapped;
    /* the rest of the reserved range follows */
};

enum { ALIGN = 64, FIRST = 128 };       /* FIRST: where allocating begins, behind the struct */

/* Reserves as many bytes as the machine has.  Where the system refuses, tries three quarters of that, and so on. */
Arena *arena_new(void)
{
    const size_t least = (size_t)1 << 24;
    size_t all = system_memory_size();
    if (all > SIZE_MAX / 4) all = SIZE_MAX / 4;
    for (size_t want = all; want >= least; want -= want / 4) {
        Arena *a = system_memory_reserve(want);
        if (!a) continue;
        *a = (Arena){ .used = FIRST, .most = FIRST, .limit = want };
        return a;
    }
    return NULL;
}

void arena_free(Arena *a)
{
    if (!a) return;
    release(a, FIRST);
    system_memory_free(a, a->limit);
}

size_t mark(const Arena *a)
{
    return a->used;
}

size_t arena_peak(const Arena *a)
{
    return a->most;
}

void arena_peak_reset(Arena *a)
{
    a->most = a->used;
}

void arena_trim(Arena *a)
{
    system_memory_discard((char *)a + a->used, a->limit - a->used);
}

struct MappedFile **mapped_files(Arena *a)
{
    return &a->mapped;
}

static size_t aligned(size_t bytes)
{
    return (bytes + ALIGN - 1) / ALIGN * ALIGN;
}

void *allocate(Arena *a, size_t count, size_t each)
{
    if (each && count > (SIZE_MAX - ALIGN) / each)
        fail_as(a, NO_MEMORY, "out of memory: %zu x %zu bytes is more than can be counted", count, each);
    size_t bytes = aligned(count * each);
    if (bytes > a->limit - a->used)
        fail_as(a, NO_MEMORY, "out of memory: this needs more than the %.1f GB there are; "
                "try a smaller size or fewer frames", (double)a->limit / 1e9);
    void *p = (char *)a + a->used;
    a->used += bytes;
    if (a->used > a->most) a->most = a->used;
    return p;
}

void *grow_array(Arena *a, void *list, size_t count, size_t *room, size_t each)
{
    if (count < *room) return list;
    *room = 2 * count + 16;
    void *longer = allocate(a, *room, each);
    if (count) memcpy(longer, list, count * each);
    return longer;
}

void on_release(Arena *a, void (*how)(void *), void *what)
{
    size_t at = a->used;
    if (a->limit - at < aligned(sizeof(Undo))) how(what);        /* allocate() fails, and nobody else would call it */
    Undo *u = allocate(a, 1, sizeof *u);
    *u = (Undo){ .before = a->last_undo, .at = at, .how = how, .what = what };
    a->last_undo = u;
}

void *arena_own(Arena *a, void *memory)
{
    if (memory) on_release(a, free, memory);
    return memory;
}

void release(Arena *a, size_t to)
{
    while (a->last_undo && a->last_undo->at >= to) {
        Undo *u = a->last_undo;
        a->last_undo = u->before;
        u->how(u->what);
    }
    a->used = to;
}

char *format(Arena *a, const char *fmt, ...)
{
    va_list args;
    va_list second;
    va_start(args, fmt);
    va_copy(second, args);
    int n = vsnprintf(NULL, 0, fmt, args);
    va_end(args);
    char *s = allocate(a, n > 0 ? (size_t)n + 1 : 1, 1);
    s[0] = 0;
    if (n > 0) vsnprintf(s, (size_t)n + 1, fmt, second);
    va_end(second);
    return s;
}

/* ---- failing ----------------------------------------------------------------------------------- */

int attempt(Arena *a, void (*work)(void *), void *job, char message[MESSAGE])
{
    Catch here = { .outer = a->catch, .mark = mark(a), .message = message };
    a->catch = &here;
    int failed = setjmp(here.out);
    if (!failed) work(job);
    a->catch = here.outer;
    if (failed) release(a, here.mark);
    return failed ? -1 : 0;
}

FailKind fail_kind(const Arena *a)
{
    return a->kind;
}

_Noreturn static void leave(Arena *a, FailKind kind, const char text[MESSAGE])
{
    if (!a->catch) {                             /* a program that calls these functions outside attempt() */
        fprintf(stderr, "%s\n", text);
        _Exit(1);
    }
    a->kind = kind;
    memcpy(a->catch->message, text, MESSAGE);
    longjmp(a->catch->out, 1);
}

_Noreturn void fail_as(Arena *a, FailKind kind, const char *fmt, ...)
{
    char text[MESSAGE];                          /* not straight into the message: the arguments may point into it */
    va_list args;
    va_start(args, fmt);
    vsnprintf(text, sizeof text, fmt, args);
    va_end(args);
    leave(a, kind, text);
}

_Noreturn void fail(Arena *a, const char *fmt, ...)
{
    char text[MESSAGE];
    va_list args;
    va_start(args, fmt);
    vsnprintf(text, sizeof text, fmt, args);
    va_end(args);
    leave(a, FAILURE, text);
}
