/* tensor.c - memory, failing, files, types of number, random numbers.
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

void undo(Arena *a, void (*how)(void *), void *what)
{
    size_t at = a->used;
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

void folder_make(Arena *a, const char *path)
{
    if (mkdir(path, 0777) && errno != EEXIST) fail(a, "%s: this folder cannot be made: %s", path, strerror(errno));
}

Bytes file_map(Arena *a, const char *path)
{
    int fd = open(path, O_RDONLY | O_CLOEXEC | O_NONBLOCK);      /* a pipe must not make us wait */
    if (fd < 0) fail(a, "%s: cannot be opened: %s", path, strerror(errno));
    struct stat s;
    if (fstat(fd, &s) || !S_ISREG(s.st_mode)) {
        close(fd);
        fail(a, "%s: expected a file, found something else (a folder, a pipe or a device)", path);
    }
    File *f = take(a, 1, sizeof *f);
    *f = (File){ format(a, "%s", path), { (const void *)f, (size_t)s.st_size } };
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
    size_t room = 64;
    const char **names = take(a, room, sizeof *names);
    DIR **d = take(a, 1, sizeof *d);
    *count = 0, *d = opendir(folder);
    if (!*d) return names;
    undo(a, close_folder, d);
    for (struct dirent *e; (e = readdir(*d)); ) {
        if (*e->d_name == '.') continue;
        if (*count == room) {
            const char **more = take(a, room *= 2, sizeof *more);
            memcpy(more, names, *count * sizeof *names);
            names = more;
        }
        names[(*count)++] = format(a, "%s", e->d_name);
    }
    closedir(*d);
    *d = NULL;
    qsort(names, *count, sizeof *names, by_name);
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
    int fd = open(name, O_WRONLY | O_CREAT | O_EXCL | O_CLOEXEC, 0666);
    if (fd < 0) fail(a, "%s: cannot be written: %s; does the folder exist, and may you write there?", f->path, strerror(errno));
    undo(a, file_remove, name);
    write_all(a, fd, f->content, f->path);
    return name;
}

void files_save(Arena *a, const File *files, size_t count)
{
    size_t before = mark(a);
    char **temporary = take(a, count, sizeof *temporary);
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

/* ---- half floats ------------------------------------------------------------------------------ */

static float    bits_to_float(uint32_t u) { float f;    memcpy(&f, &u, 4); return f; }
static uint32_t float_to_bits(float f)    { uint32_t u; memcpy(&u, &f, 4); return u; }

/* Shifted into place, a half reads as a float 2^112 times too small, subnormals included. */
float half_to_float(uint16_t h)
{
    uint32_t sign = (uint32_t)(h & 0x8000u) << 16, rest = (uint32_t)(h & 0x7fffu) << 13;
    if (rest >= 0x0f800000u) return bits_to_float(sign | 0x70000000u | rest);      /* infinity, NaN */
    return bits_to_float(sign | float_to_bits(bits_to_float(rest) * 0x1p112f));
}

/* Adding 2^(e+13) to a value of exponent e leaves it rounded to ten bits, to nearest even, by the adder itself. */
uint16_t float_to_half(float f)
{
    uint32_t u = float_to_bits(f), sign = u >> 16 & 0x8000u, magnitude = u & 0x7fffffffu;
    if (magnitude > 0x7f800000u) return (uint16_t)(sign | 0x7e00u);                /* NaN */
    if (magnitude >= 0x477ff000u) return (uint16_t)(sign | 0x7c00u);               /* rounds past 65504 */
    if (magnitude < 0x38800000u) {                                                 /* subnormal half: units of 2^-24 */
        float units = bits_to_float(magnitude) + 0.5f;                             /* 0.5 has ulp 2^-24 */
        return (uint16_t)(sign | (float_to_bits(units) - 0x3f000000u));
    }
    uint32_t even = magnitude >> 13 & 1u;
    return (uint16_t)(sign | ((magnitude - 0x38000000u + 0xfffu + even) >> 13));
}

float bf16_to_float(uint16_t b) { return bits_to_float((uint32_t)b << 16); }

uint16_t float_to_bf16(float f)
{
    uint32_t u = float_to_bits(f);
    if ((u & 0x7fffffffu) > 0x7f800000u) return (uint16_t)(u >> 16 | 0x40u);       /* NaN stays NaN */
    return (uint16_t)((u + 0x7fffu + (u >> 16 & 1u)) >> 16);
}

/* ---- elements --------------------------------------------------------------------------------- */

enum { BLOCK = 32, SUPER = 256, GROUP = 16 };    /* values in one of ggml's blocks, in one of its larger ones, and in a part of that with one scale */

static const struct { const char *name; unsigned bits, values; enum { BITS, INTEGER, FLOAT } is; } dtypes[DTYPES] = {      /* bits of so many values together */
    [BOOL]        = { "BOOL",        8, 1, BITS },            [F4]          = { "F4",          4, 1, BITS },            [F6_E2M3]     = { "F6_E2M3",     6, 1, BITS },
    [F6_E3M2]     = { "F6_E3M2",     6, 1, BITS },            [U8]          = { "U8",          8, 1, INTEGER },         [I8]          = { "I8",          8, 1, INTEGER },
    [F8_E5M2]     = { "F8_E5M2",     8, 1, FLOAT },           [F8_E4M3]     = { "F8_E4M3",     8, 1, FLOAT },           [F8_E8M0]     = { "F8_E8M0",     8, 1, BITS },
    [F8_E4M3FNUZ] = { "F8_E4M3FNUZ", 8, 1, BITS },            [F8_E5M2FNUZ] = { "F8_E5M2FNUZ", 8, 1, BITS },            [I16]         = { "I16",         16, 1, INTEGER },
    [U16]         = { "U16",         16, 1, INTEGER },        [F16]         = { "F16",         16, 1, FLOAT },          [BF16]        = { "BF16",        16, 1, FLOAT },
    [I32]         = { "I32",         32, 1, INTEGER },        [U32]         = { "U32",         32, 1, INTEGER },        [F32]         = { "F32",         32, 1, FLOAT },
    [C64]         = { "C64",         64, 1, BITS },           [F64]         = { "F64",         64, 1, FLOAT },          [I64]         = { "I64",         64, 1, INTEGER },
    [U64]         = { "U64",         64, 1, INTEGER },        [Q4_0]        = { "Q4_0",        18 * 8, BLOCK, FLOAT },  [Q4_1]        = { "Q4_1",        20 * 8, BLOCK, FLOAT },
    [Q5_0]        = { "Q5_0",        22 * 8, BLOCK, FLOAT },  [Q5_1]        = { "Q5_1",        24 * 8, BLOCK, FLOAT },  [Q8_0]        = { "Q8_0",        34 * 8, BLOCK, FLOAT },
    [Q2_K]        = { "Q2_K",        84 * 8, SUPER, FLOAT },  [Q3_K]        = { "Q3_K",        110 * 8, SUPER, FLOAT }, [Q4_K]        = { "Q4_K",        144 * 8, SUPER, FLOAT },
    [Q5_K]        = { "Q5_K",        176 * 8, SUPER, FLOAT }, [Q6_K]        = { "Q6_K",        210 * 8, SUPER, FLOAT },
};

const char *dtype_name(DType t)     { return dtypes[t].name; }
int         dtype_is_float(DType t) { return dtypes[t].is == FLOAT; }
int         dtype_is_number(DType t) { return dtypes[t].is != BITS; }

int dtype_bytes(DType t, size_t n, size_t *bytes)
{
    size_t blocks = n / dtypes[t].values, bits = dtypes[t].bits;
    if (n % dtypes[t].values || blocks > SIZE_MAX / bits || blocks * bits % 8) return 0;
    *bytes = blocks * bits / 8;
    return 1;
}

/* Four bits of exponent, biased by 7, three of mantissa; no infinity, and NaN where all are set.
 * As with halves: shifted into place it reads as a float 2^120 times too small. */
static float e4m3_to_float(unsigned b)
{
    uint32_t sign = (b & 0x80u) << 24, rest = (b & 0x7fu) << 20;
    return bits_to_float(sign | (rest == 0x7f00000u ? 0x7fc00000u : float_to_bits(bits_to_float(rest) * 0x1p120f)));
}

/* One block of ggml's: a scale d, in some types a least value m, in some a fifth bit of every value, then the values;
 * of four bits each, a byte holds one of the first half and one of the second.  value = d * q, q signed, or d * q + m. */
static void widen_block(float out[BLOCK], const unsigned char *p, DType t)
{
    uint16_t half[2];
    uint32_t fifth = 0;
    memcpy(half, p, 4);
    float d = half_to_float(half[0]), m = half_to_float(half[1]);
    int least = t == Q4_1 || t == Q5_1, five = t == Q5_0 || t == Q5_1;
    p += least ? 4 : 2;
    if (t == Q8_0) {
        for (int i = 0; i < BLOCK; i++) out[i] = d * (float)(signed char)p[i];
        return;
    }
    if (five) memcpy(&fifth, p, 4), p += 4;
    for (int i = 0; i < BLOCK; i++) {
        int q = (i < BLOCK / 2 ? p[i] & 15 : p[i - BLOCK / 2] >> 4) | (int)(fifth >> i & 1) << 4;
        out[i] = least ? d * (float)q + m : d * (float)(q - (five ? 16 : 8));
    }
}

/* ---- ggml's larger blocks: of group g, 0 to 15, the scale d, the least value m, and q
 *      value = d * scale * q - m * least         with scales of 4 or 6 bits and halves d and m for the whole block
 * q lies in layers: 32 bytes hold two or four bits each of the values 32 apart, so a group is 16 bytes in a row and a shift. */

static float half_at(const unsigned char *p) { uint16_t h; memcpy(&h, p, 2); return half_to_float(h); }

static void widen_q2(float *out, const unsigned char *p, int g)                         /* scales and leasts, q, d, m */
{
    float d = half_at(p + 80) * (float)(p[g] & 15), m = half_at(p + 82) * (float)(p[g] >> 4);
    const unsigned char *q = p + 16 + g / 8 * 32 + g % 2 * GROUP;
    for (int i = 0; i < GROUP; i++) out[i] = d * (float)(q[i] >> g / 2 % 4 * 2 & 3) - m;
}

static void widen_q3(float *out, const unsigned char *p, int g)                         /* q's highest bits, q, scales, d */
{
    const unsigned char *high = p + g % 2 * GROUP, *q = p + 32 + g / 8 * 32 + g % 2 * GROUP, *s = p + 96;
    int scale = (s[g % 8] >> g / 8 * 4 & 15) | (s[8 + g % 4] >> g / 4 * 2 & 3) << 4;
    float d = half_at(p + 108) * (float)(scale - 32);
    for (int i = 0; i < GROUP; i++) out[i] = d * (float)((q[i] >> g / 2 % 4 * 2 & 3) - (high[i] >> g / 2 & 1 ? 0 : 4));
}

static void widen_q4(float *out, const unsigned char *p, int g, const unsigned char *fifth)      /* d, m, scales and leasts; in Q5_K q's fifth bits; q */
{
    int k = g / 2;
    const unsigned char *s = p + 4, *q = p + (fifth ? 48 : 16) + g / 4 * 32 + g % 2 * GROUP;
    int scale = k < 4 ? s[k] & 63 : (s[k + 4] & 15) | s[k - 4] >> 6 << 4, least = k < 4 ? s[k + 4] & 63 : s[k + 4] >> 4 | s[k] >> 6 << 4;
    float d = half_at(p) * (float)scale, m = half_at(p + 2) * (float)least;
    for (int i = 0; i < GROUP; i++) out[i] = d * (float)((q[i] >> k % 2 * 4 & 15) | (fifth ? fifth[g % 2 * GROUP + i] >> k & 1 : 0) << 4) - m;
}

static void widen_q6(float *out, const unsigned char *p, int g)                         /* q's low four bits, its high two, scales, d */
{
    const unsigned char *low = p + g / 8 * 64 + g % 4 * GROUP, *high = p + 128 + g / 8 * 32 + g % 2 * GROUP;
    float d = half_at(p + 208) * (float)(signed char)p[192 + g];
    for (int i = 0; i < GROUP; i++) out[i] = d * (float)(((low[i] >> g / 4 % 2 * 4 & 15) | (high[i] >> g / 2 % 4 * 2 & 3) << 4) - 32);
}

static void widen_group(float out[GROUP], const unsigned char *p, DType t, int g)
{
    switch (t) {
    case Q2_K: widen_q2(out, p, g); return;
    case Q3_K: widen_q3(out, p, g); return;
    case Q6_K: widen_q6(out, p, g); return;
    default:   widen_q4(out, p, g, t == Q5_K ? p + 16 : NULL);
    }
}

static void widen_blocks(float *out, const unsigned char *p, DType t, size_t i, size_t n)
{
    float part[BLOCK];
    size_t whole = dtypes[t].values, unit = whole == SUPER ? GROUP : BLOCK;
    for (size_t end = i + n; i < end; ) {
        size_t skip = i % unit, now = unit - skip < end - i ? unit - skip : end - i;
        const unsigned char *block = p + i / whole * (dtypes[t].bits / 8);
        if (whole == SUPER) widen_group(part, block, t, (int)(i % whole / unit));
        else                widen_block(part, block, t);
        memcpy(out, part + skip, now * sizeof *out);
        out += now, i += now;
    }
}

#define WIDEN(type, expression) for (size_t j = 0; j < n; j++) { type v; memcpy(&v, p + (i + j) * sizeof v, sizeof v); out[j] = expression; } return
void dtype_widen(float *out, const void *data, DType t, size_t i, size_t n)
{
    const unsigned char *p = data;
    switch (t) {
    case F64:     WIDEN(double,   (float)v);
    case F32:     memcpy(out, p + i * 4, n * 4); return;
    case F16:     WIDEN(uint16_t, half_to_float(v));
    case BF16:    WIDEN(uint16_t, bf16_to_float(v));
    case F8_E4M3: WIDEN(uint8_t,  e4m3_to_float(v));
    case F8_E5M2: WIDEN(uint8_t,  half_to_float((uint16_t)(v << 8)));      /* a half without its last bits */
    case I8:      WIDEN(int8_t,   (float)v);
    case U8:      WIDEN(uint8_t,  (float)v);
    case I16:     WIDEN(int16_t,  (float)v);
    case U16:     WIDEN(uint16_t, (float)v);
    case I32:     WIDEN(int32_t,  (float)v);
    case U32:     WIDEN(uint32_t, (float)v);
    case I64:     WIDEN(int64_t,  (float)v);
    case U64:     WIDEN(uint64_t, (float)v);
    case Q4_0: case Q4_1: case Q5_0: case Q5_1: case Q8_0:
    case Q2_K: case Q3_K: case Q4_K: case Q5_K: case Q6_K: widen_blocks(out, p, t, i, n); return;
    default:      memset(out, 0, n * sizeof *out);
    }
}
#undef WIDEN

float dtype_value(const void *data, DType t, size_t i)
{
    float f;
    dtype_widen(&f, data, t, i, 1);
    return f;
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
