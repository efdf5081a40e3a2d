/* damage.h - what a reader of files must survive: every truncation, every flipped bit, and many guided mutations.
 * Each damaged file is handed over in memory of exactly its size, so that the sanitizers see a byte too far. */
#ifndef DAMAGE_H
#define DAMAGE_H

#include "safetensors.h"
#include "test.h"

#include <stdlib.h>
#include <time.h>

typedef const WeightFile *Read(Arena *a, const char *path, Bytes file);
typedef struct { Arena *a; Read *read; Bytes file; unsigned sum; char *message; } Attempt;

/* touches every byte of every tensor that is accepted */
static void read_all(void *to)
{
    Attempt *t = to;
    const WeightFile *f = t->read(t->a, "test", t->file);
    for (size_t i = 0; i < f->count; i++)
        for (size_t k = 0; k < f->weight[i].bytes; k++) t->sum += ((const unsigned char *)f->weight[i].data)[k];
    for (size_t i = 0; i < f->pairs; i++)
        t->sum += (unsigned)(strlen(f->metadata[i].key) + strlen(f->metadata[i].value));
}

/* 0 when accepted, else -1 and a message; the arena is back where it was either way */
static int reads(Arena *a, Read *read, const unsigned char *bytes, size_t size, char message[MESSAGE])
{
    size_t before = mark(a);
    unsigned char *exact = malloc(size ? size : 1);
    if (!exact) abort();
    memcpy(exact, bytes, size);
    message[0] = 0;
    Attempt t = { a, read, { exact, size }, 0, message };
    int status = attempt(a, read_all, &t, message);
    if (status && !*message) CHECK_MSG(0, "refused without a word");
    release(a, before);
    free(exact);
    return status;
}

/* every truncation, one byte more, every flipped bit, every byte at its edges */
static void damage(Arena *a, Read *read, Bytes file, const char *name)
{
    static const unsigned char edges[] = { 0, 0x7f, 0x80, 0xff };
    char message[MESSAGE];
    unsigned char *copy = malloc(file.size + 1);
    size_t accepted = 0, tried = 0;
    if (!copy) abort();
    memcpy(copy, file.data, file.size);
    copy[file.size] = 0;
    CHECK_MSG(reads(a, read, copy, file.size, message) == 0, "%s: %s", name, message);
    for (size_t n = 0; n < file.size; n++)
        CHECK_MSG(reads(a, read, copy, n, message), "%s: accepted when cut to %zu bytes", name, n);
    CHECK_MSG(reads(a, read, copy, file.size + 1, message), "%s: accepted with a byte behind it", name);
    for (size_t i = 0; i < file.size; i++) {
        for (int bit = 0; bit < 8; bit++, tried++) {
            copy[i] = file.data[i] ^ (unsigned char)(1 << bit);
            accepted += !reads(a, read, copy, file.size, message);
        }
        for (size_t e = 0; e < sizeof edges; e++) copy[i] = edges[e], reads(a, read, copy, file.size, message);
        copy[i] = file.data[i];
    }
    printf("  %s: %zu truncations refused, %zu flipped bits survived, %zu of them accepted\n", name, file.size, tried,
           accepted);
    free(copy);
}

static uint64_t random64(uint64_t *state)
{
    *state ^= *state << 13, *state ^= *state >> 7, *state ^= *state << 17;
    return *state;
}

static size_t below(uint64_t *state, size_t n) { return (size_t)(random64(state) % n); }

/* numbers at which readers go wrong */
static uint64_t edge(uint64_t *state, uint64_t near)
{
    const uint64_t edges[] = { 0, 1, 2, 0x7f, 0x80, 0xff, 0x7fff, 0xffff, 0x10000, 0x7fffffff, 0x80000000, 0xffffffff,
                               0x100000000, (uint64_t)1 << 62,
                               INT64_MAX, (uint64_t)1 << 63, UINT64_MAX, UINT64_MAX - 7, near - 1, near + 1, near * 2,
                                   near / 2, random64(state) };
    return edges[below(state, sizeof edges / sizeof *edges)];
}

static void put_little(unsigned char *p, uint64_t value, size_t n)
{
    for (size_t i = 0; i < n; i++) p[i] = (unsigned char)(value >> 8 * i);
}
static uint64_t get_little(const unsigned char *p, size_t n)
{
    uint64_t u = 0;
    while (n-- > 0) u = u << 8 | p[n];
    return u;
}

/* Writes a mutation of file into out (room for twice its size and 4096) and returns its size. */
typedef size_t Mutate(uint64_t *state, Bytes file, unsigned char *out);

enum { MUTATIONS = 200000 };

static void mutations(Arena *a, Read *read, Bytes file, Mutate *mutate, const char *name)
{
    char message[MESSAGE];
    uint64_t state = 88172645463325252u;
    int accepted = 0;
    unsigned char *out = malloc(2 * file.size + 4096);
    if (!out) abort();
    clock_t begun = clock();
    for (int i = 0; i < MUTATIONS; i++) accepted += !reads(a, read, out, mutate(&state, file, out), message);
    printf("  %s: %d mutations in %.1f s, %d accepted, nothing found\n", name, MUTATIONS,
           (double)(clock() - begun) / CLOCKS_PER_SEC, accepted);
    CHECK_MSG(accepted > 0 && accepted < MUTATIONS,
              "%s: mutations are all accepted or all refused: not what they should be", name);
    free(out);
}

#endif
