/* tensor.c - memory, failing, files, random numbers.
 *
 * The arena reserves a large range of addresses once and moves one number up and down in it.  The
 * system gives pages only when they are touched, so a dry run of a model may take everything the
 * real run will take and cost nothing: its peak is the plan.  Released pages stay warm for the next
 * layer.  Things that are not memory (mapped files, half-written files) register an undo and end with the
 * same release, so there is one way out for success, for failure and for Ctrl-C.
 *
 * What it refuses: taking more than the machine has.  That is a message, not a crash later on. */
#define _POSIX_C_SOURCE 200809L
#define _DEFAULT_SOURCE
#include "tensor.h"

#include <dirent.h>
#include <errno.h>
#include <fcntl.h>
#include <math.h>
#include <setjmp.h>
#include <stdarg.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/mman.h>
#include <sys/stat.h>
#include <time.h>
#include <unistd.h>

/* ---- memory ----------------------------------------------------------------------------------- */

typedef struct Undo { struct Undo *before; size_t at; void (*how)(void *); void *what; } Undo;
typedef struct Catch { struct Catch *outer; jmp_buf out; size_t mark; char *message; } Catch;

struct Arena {
    size_t used, peak, limit;
    Undo  *undo;
    Catch *catch;
    /* the rest of the reservation follows */
};

enum { ALIGN = 64, FIRST = 128, MESSAGE = 1024 };

/* bytes of memory in this machine, or all that can be counted when it will not say */
static size_t physical_memory(void)
{
    long pages = sysconf(_SC_PHYS_PAGES), page = sysconf(_SC_PAGESIZE);
    return pages > 0 && page > 0 ? (size_t)pages * (size_t)page : SIZE_MAX;
}

Arena *arena_new(void)
{
    size_t want = physical_memory(), least = (size_t)1 << 24;
    for (want = want > SIZE_MAX / 4 ? SIZE_MAX / 4 : want; want >= least; want -= want / 4) {
        void *p = mmap(NULL, want, PROT_READ | PROT_WRITE, MAP_PRIVATE | MAP_ANONYMOUS | MAP_NORESERVE, -1, 0);
        if (p == MAP_FAILED) continue;
#ifdef MADV_HUGEPAGE
        madvise(p, want, MADV_HUGEPAGE);             /* fewer, larger pages: a tile of a picture touches many */
#endif
        Arena *a = p;
        *a = (Arena){ .used = FIRST, .peak = FIRST, .limit = want };
        return a;
    }
    return NULL;
}

void arena_free(Arena *a)
{
    if (!a) return;
    release(a, FIRST);
    munmap(a, a->limit);
}

size_t mark(const Arena *a) { return a->used; }
size_t peak(const Arena *a) { return a->peak; }
void   peak_anew(Arena *a)  { a->peak = a->used; }

void arena_rest(Arena *a)
{
#ifdef MADV_DONTNEED
    enum { PAGES = 1 << 16 };                        /* whole pages, however large they are here */
    size_t from = (a->used + PAGES - 1) / PAGES * PAGES;
    if (from < a->limit) madvise((char *)a + from, a->limit - from, MADV_DONTNEED);
#else
    (void)a;
#endif
}

void *take(Arena *a, size_t count, size_t each)
{
    size_t room = a->limit - a->used;
    if (each && count > (SIZE_MAX - ALIGN) / each) fail(a, "out of memory: %zu x %zu bytes is more than can be counted", count, each);
    size_t bytes = (count * each + ALIGN - 1) / ALIGN * ALIGN;
    if (bytes > room)
        fail(a, "out of memory: this needs more than the %.1f GB there are; try a smaller size or fewer frames", (double)a->limit / 1e9);
    void *p = (char *)a + a->used;
    a->used += bytes;
    if (a->used > a->peak) a->peak = a->used;
    return p;
}

void *roomier(Arena *a, void *list, size_t count, size_t *room, size_t each)
{
    if (count < *room) return list;
    void *more = take(a, *room = 2 * count + 16, each);
    return count ? memcpy(more, list, count * each) : more;
}

void undo(Arena *a, void (*how)(void *), void *what)
{
    size_t at = a->used;
    if (a->limit - at < (sizeof(Undo) + ALIGN - 1) / ALIGN * ALIGN) how(what);      /* take() will fail: nobody else would undo it */
    Undo *u = take(a, 1, sizeof *u);
    *u = (Undo){ a->undo, at, how, what };
    a->undo = u;
}

void *adopt(Arena *a, void *memory)
{
    if (memory) undo(a, free, memory);
    return memory;
}

void release(Arena *a, size_t to)
{
    while (a->undo && a->undo->at >= to) {
        Undo *u = a->undo;
        a->undo = u->before;
        u->how(u->what);
    }
    a->used = to;
}

char *format(Arena *a, const char *fmt, ...)
{
    va_list args, again;
    va_start(args, fmt);
    va_copy(again, args);
    int n = vsnprintf(NULL, 0, fmt, args);
    va_end(args);
    char *s = take(a, n > 0 ? (size_t)n + 1 : 1, 1);
    s[0] = 0;
    if (n > 0) vsnprintf(s, (size_t)n + 1, fmt, again);
    va_end(again);
    return s;
}

/* ---- the way out ------------------------------------------------------------------------------ */

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

_Noreturn void fail(Arena *a, const char *fmt, ...)
{
    char text[MESSAGE];                          /* the arguments may live in what is about to be released */
    va_list args;
    va_start(args, fmt);
    vsnprintf(text, sizeof text, fmt, args);
    va_end(args);
    if (!a->catch) {                             /* nobody listens: a host that calls outside attempt() */
        fprintf(stderr, "%s\n", text);
        _exit(1);
    }
    memcpy(a->catch->message, text, sizeof text);
    longjmp(a->catch->out, 1);
}

/* ---- files ------------------------------------------------------------------------------------ */

int stands_at(Bytes b, size_t at, const void *what, size_t n) { return b.size >= n && b.size - n >= at && !memcmp(b.data + at, what, n); }

static void file_unmap(void *file) { File *f = file; munmap((void *)(uintptr_t)f->content.data, f->content.size); }

int file_is(const char *path)
{
    struct stat s;
    return stat(path, &s) == 0 && S_ISREG(s.st_mode);
}

int folder_is(const char *path)
{
    struct stat s;
    return stat(path, &s) == 0 && S_ISDIR(s.st_mode);
}

int same_file(const char *x, const char *y)
{
    struct stat one, other;
    return !stat(x, &one) && !stat(y, &other) && one.st_dev == other.st_dev && one.st_ino == other.st_ino;
}

void folder_make(Arena *a, const char *path)
{
    if (mkdir(path, 0777) && errno != EEXIST) fail(a, "%s: this folder cannot be made: %s", path, strerror(errno));
}

Bytes file_map(Arena *a, const char *path)
{
    File *f = take(a, 1, sizeof *f);
    *f = (File){ format(a, "%s", path), { (const void *)f, 0 } };
    int fd = open(path, O_RDONLY | O_CLOEXEC | O_NONBLOCK);      /* a pipe must not make us wait */
    if (fd < 0) fail(a, "%s: cannot be opened: %s", path, strerror(errno));
    struct stat s;
    if (fstat(fd, &s) || !S_ISREG(s.st_mode)) {
        close(fd);
        fail(a, "%s: expected a file, found something else (a folder, a pipe or a device)", path);
    }
    f->content.size = (size_t)s.st_size;
    if (f->content.size) f->content.data = mmap(NULL, f->content.size, PROT_READ, MAP_PRIVATE, fd, 0);
    int error = errno;
    close(fd);
    if (f->content.data == MAP_FAILED) fail(a, "%s: cannot be mapped: %s", path, strerror(error));
    if (f->content.size) undo(a, file_unmap, f);
    return f->content;
}

const char *file_at(const Arena *a, const void *address)
{
    for (const Undo *u = a->undo; u; u = u->before) {
        const File *f = u->what;
        if (u->how == file_unmap && (uintptr_t)address - (uintptr_t)f->content.data < f->content.size) return f->path;
    }
    return NULL;
}

void files_rest(Arena *a)
{
#ifdef MADV_DONTNEED                                             /* not posix_madvise, which glibc ignores */
    for (const Undo *u = a->undo; u; u = u->before) {
        const File *f = u->what;
        if (u->how == file_unmap) madvise((void *)(uintptr_t)f->content.data, f->content.size, MADV_DONTNEED);
    }
#else
    (void)a;
#endif
}

static int by_name(const void *a, const void *b) { return strcmp(*(char *const *)a, *(char *const *)b); }

static void close_folder(void *open) { DIR **d = open; if (*d) closedir(*d); }

const char **names_in(Arena *a, const char *folder, size_t *count)
{
    size_t room = 0;
    const char **names = NULL;
    DIR **d = take(a, 1, sizeof *d);
    *count = 0, *d = opendir(folder);
    if (!*d) return names;
    undo(a, close_folder, d);
    for (struct dirent *e; (e = readdir(*d)); ) {
        if (*e->d_name == '.') continue;
        names = roomier(a, names, *count, &room, sizeof *names);
        names[(*count)++] = format(a, "%s", e->d_name);
    }
    closedir(*d);
    *d = NULL;
    if (*count) qsort(names, *count, sizeof *names, by_name);
    return names;
}

static void file_remove(void *path) { if (*(char *)path) unlink(path); }

static void write_all(Arena *a, int fd, Bytes b, const char *path)
{
    for (size_t done = 0; done < b.size; ) {
        ssize_t n = write(fd, b.data + done, b.size - done);
        if (n < 0 && errno == EINTR) continue;
        if (n <= 0) {
            int error = n ? errno : ENOSPC;
            close(fd);
            fail(a, "%s: cannot be written: %s; what was there before is untouched", path, strerror(error));
        }
        done += (size_t)n;
    }
    if (fsync(fd) && errno != EINVAL && errno != EROFS) {
        int error = errno;
        close(fd);
        fail(a, "%s: cannot be written: %s; what was there before is untouched", path, strerror(error));
    }
    if (close(fd)) fail(a, "%s: cannot be written: %s; what was there before is untouched", path, strerror(errno));
}

/* a finished copy of the file under a temporary name, which goes away when released */
static char *write_beside(Arena *a, const File *f)
{
    char *name = format(a, "%s.%ld.part", f->path, (long)getpid());
    unlink(name);                                                /* of a process that had our number, and was killed */
    undo(a, file_remove, name);
    int fd = open(name, O_WRONLY | O_CREAT | O_EXCL | O_CLOEXEC, 0666);
    if (fd < 0) fail(a, "%s: cannot be written: %s; does the folder exist, and may you write there?", f->path, strerror(errno));
    write_all(a, fd, f->content, f->path);
    return name;
}

void files_save(Arena *a, const File *files, size_t count)
{
    size_t before = mark(a);
    char **temporary = take(a, count, sizeof *temporary);
    for (size_t i = 0; i < count; i++)                            /* all, or none */
        if (folder_is(files[i].path)) fail(a, "%s: cannot be replaced: it is a folder; nothing was written", files[i].path);
    for (size_t i = 0; i < count; i++) temporary[i] = write_beside(a, &files[i]);
    for (size_t i = 0; i < count; i++) {
        if (rename(temporary[i], files[i].path)) fail(a, "%s: cannot be replaced: %s", files[i].path, strerror(errno));
        temporary[i][0] = 0;                                     /* it is the result now; nothing to remove */
    }
    release(a, before);
}

/* FNV-1a over words of eight bytes: each step is a bijection, so that no single change goes unseen */
uint64_t digest(uint64_t of, const void *data, size_t bytes)
{
    const unsigned char *p = data;
    uint64_t h = (of ^ 0xcbf29ce484222325u) + bytes, word;
    for (size_t at = 0; at < bytes; at += sizeof word) {
        size_t n = bytes - at < sizeof word ? bytes - at : sizeof word;
        word = 0;
        memcpy(&word, p + at, n);
        h = (h ^ word) * 0x100000001b3u;
        h ^= h >> 29;
    }
    return h;
}

double clock_now(void)
{
    struct timespec t;
    clock_gettime(CLOCK_MONOTONIC, &t);
    return (double)t.tv_sec + (double)t.tv_nsec * 1e-9;
}

/* ---- random numbers --------------------------------------------------------------------------- */
/* Matsumoto and Nishimura, "Mersenne Twister", 1998; the constants are MT19937's. */

void rng_seed(Rng *r, uint64_t seed)
{
    r->state[0] = (uint32_t)seed;
    for (uint32_t i = 1; i < 624; i++) {
        uint32_t last = r->state[i - 1];
        r->state[i] = 1812433253u * (last ^ last >> 30) + i;
    }
    r->next = 624;
}

static void rng_turn(Rng *r)
{
    for (int i = 0; i < 624; i++) {
        uint32_t y = (r->state[i] & 0x80000000u) | (r->state[(i + 1) % 624] & 0x7fffffffu);
        r->state[i] = r->state[(i + 397) % 624] ^ y >> 1 ^ (y & 1u ? 0x9908b0dfu : 0);
    }
    r->next = 0;
}

uint32_t rng_bits(Rng *r)
{
    if (r->next == 624) rng_turn(r);
    uint32_t y = r->state[r->next++];
    y ^= y >> 11;
    y ^= y << 7 & 0x9d2c5680u;
    y ^= y << 15 & 0xefc60000u;
    return y ^ y >> 18;
}

uint32_t rng_below(Rng *r, uint32_t n) { return rng_bits(r) % n; }

static float uniform(Rng *r) { return (float)(rng_bits(r) & 0xffffffu) * 0x1p-24f; }

/* Box-Muller on 16 uniforms in place: the first eight give radii, the last eight angles. */
static void box_muller(float x[16])
{
    for (int i = 0; i < 8; i++) {
        float radius = sqrtf(-2 * logf(1 - x[i])), angle = 6.28318548f * x[i + 8];     /* float32, as torch rounds them */
        x[i]     = radius * cosf(angle);
        x[i + 8] = radius * sinf(angle);
    }
}

static double uniform53(Rng *r)
{
    uint64_t high = rng_bits(r), low = rng_bits(r);
    return (double)((high << 32 | low) & 0x1fffffffffffffu) * 0x1p-53;
}

/* fewer than 16 values: pairs in double precision */
static void normal_few(Rng *r, float *out, size_t n)
{
    for (size_t i = 0; i < n; i += 2) {
        double angle = 6.283185307179586 * uniform53(r), radius = sqrt(-2.0 * log1p(-uniform53(r)));
        out[i] = (float)(radius * cos(angle));
        if (i + 1 < n) out[i + 1] = (float)(radius * sin(angle));
    }
}

/* torch fills all n with uniforms, then turns whole blocks of 16; a tail shorter than a block is
 * drawn anew as the last 16 values. */
void rng_normal(Rng *r, float *out, size_t n)
{
    if (n < 16) { normal_few(r, out, n); return; }
    for (size_t i = 0; i < n; i++) out[i] = uniform(r);
    for (size_t i = 0; i + 16 <= n; i += 16) box_muller(out + i);
    if (n % 16 == 0) return;
    for (size_t i = n - 16; i < n; i++) out[i] = uniform(r);
    box_muller(out + n - 16);
}

/* Salmon et al., "Parallel Random Numbers: As Easy as 1, 2, 3", 2011: ten rounds scramble a counter of four words by a key of two. */
static void philox(uint32_t c[4], uint32_t key0, uint32_t key1)
{
    for (int round = 0; round < 10; round++, key0 += 0x9e3779b9u, key1 += 0xbb67ae85u) {
        uint64_t a = (uint64_t)c[0] * 0xd2511f53u, b = (uint64_t)c[2] * 0xcd9e8d57u;
        uint32_t next[4] = { (uint32_t)(b >> 32) ^ c[1] ^ key0, (uint32_t)b, (uint32_t)(a >> 32) ^ c[3] ^ key1, (uint32_t)a };
        memcpy(c, next, sizeof next);
    }
}

/* Each value has a counter of its own, { call, 0, index, 0 }, and takes the first half of its Box-Muller pair.
 * The constants are rounded to float32 and used in double, as the web UI's numpy does. */
void philox_normal(uint64_t seed, uint32_t call, float *out, size_t n)
{
    const double unit = 0x1p-32, turn = (double)(float)(2.3283064e-10 * 6.2831855);
    for (size_t i = 0; i < n; i++) {
        uint32_t c[4] = { call, 0, (uint32_t)i, 0 };
        philox(c, (uint32_t)seed, (uint32_t)(seed >> 32));
        out[i] = (float)(sqrt(-2 * log(c[0] * unit + unit / 2)) * sin(c[1] * turn + turn / 2));
    }
}
