/* test_animations.c - the frames of animated GIF, PNG and WebP files beside those that Pillow shows
 * (tests/golden_animations.py); then the same files cut off at every length, with flipped bits and changed bytes.
 * Nothing may be read or written outside (make asan), nothing may take long, and what is refused has a reason. */
#include "animation.h"
#include "hostile_pictures.h"
#include "safetensors.h"
#include "test.h"

#include <math.h>
#include <stdlib.h>

typedef unsigned char Byte;

enum { MOST = 64, FLIPS = 500, MUTATED = 6000, LARGEST = 1 << 15, LARGE_CANVAS = 1 << 18, OFF_BY = 2 };

/* ---- as Pillow ---- */

typedef struct {
    Arena *a;
    Bytes  file;
    const char *name;
    const Byte *expected;               /* [count, height, width, 3] */
    size_t shown;
    int    worst;                       /* difference */
    int    width, height;
    Animation m;
} Showing;

static void compare(void *to, size_t nth, Picture p)
{
    Showing *s = to;
    size_t bytes = 3 * (size_t)p.width * (size_t)p.height;
    CHECK_MSG(nth == s->shown, "%s: frame %zu comes as number %zu", s->name, nth, s->shown);
    s->shown++;
    s->width = p.width;
    s->height = p.height;
    for (size_t i = 0; i < bytes && s->expected; i++) {
        int off = abs(p.rgb[i] - s->expected[nth * bytes + i]);
        if (off > s->worst) s->worst = off;
    }
    allocate(s->a, 100, 1);
}

static void show_all(void *showing)
{
    Showing *s = showing;
    size_t wanted[MOST];
    s->m = animation_find(s->a, s->file, s->name);
    for (size_t i = 0; i < s->m.count && i < MOST; i++) wanted[i] = i;
    animation_decode(s->a, &s->m, wanted, s->m.count < MOST ? s->m.count : MOST, compare, s);
}

/* times: the milliseconds in the file; 10 and less are played as 100 */
static void check_times(const char *name, const Animation *m, const char *times)
{
    for (size_t i = 0; i < m->count; i++) {
        char *end;
        double said = strtod(times, &end);
        double found = 1000 * (m->start[i + 1] - m->start[i]);
        double expected = said <= 10 ? 100 : said;
        CHECK_MSG(end > times, "%s: more frames than times", name);
        if (m->reader) CHECK_MSG(fabs(found - expected) < 0.51, "%s: %g ms, expected %g", name, found, expected);
        times = end;
    }
}

static int begins(const char *s, const char *with) { return !strncmp(s, with, strlen(with)); }

static void test_frames(Arena *a, const WeightFile *g, const Weight *w)
{
    const Weight *frames = file_weight(g, format(a, "%s.frames", w->name));
    int tolerance = strstr(w->name, ".over") ? OFF_BY : 0;
    char why[MESSAGE] = "";
    if (!frames) return;
    Showing s = { .a = a, .file = { w->data, w->bytes }, .name = w->name, .expected = frames->data };
    size_t before = mark(a);
    int is_read = !attempt(a, show_all, &s, why);
    CHECK_MSG(is_read, "%s", why);
    if (!is_read) return;
    CHECK_MSG(mark(a) == before || s.m.start, "memory is left");
    CHECK_MSG(s.shown == frames->shape[0], "%s: %zu frames, expected %zu", w->name, s.shown, frames->shape[0]);
    CHECK_MSG((size_t)s.height == frames->shape[1] && (size_t)s.width == frames->shape[2], "%s: another size", w->name);
    CHECK_MSG(s.worst <= tolerance, "%s: off by %d", w->name, s.worst);
    CHECK_MSG(!s.m.ends_early, "%s: ends early", w->name);
    check_times(w->name, &s.m, file_metadata(g, w->name));
}

static void test_refused(Arena *a, const WeightFile *g, const Weight *w)
{
    char why[MESSAGE] = "";
    Showing s = { .a = a, .file = { w->data, w->bytes }, .name = w->name };
    CHECK_MSG(attempt(a, show_all, &s, why), "%s is read", w->name);
    CHECK_MSG(strstr(why, file_metadata(g, w->name)), "%s: %s", w->name, why);
}

/* ---- only what is wanted ---- */

typedef struct { Arena *a; const Animation *m; size_t wanted[4]; Byte corner[4]; } Picking;

static void keep_corner(void *to, size_t nth, Picture p) { ((Picking *)to)->corner[nth] = p.rgb[0]; }

static void pick(void *picking)
{
    Picking *p = picking;
    animation_decode(p->a, p->m, p->wanted, 4, keep_corner, p);
}

/* The same frame may be wanted twice, and what is broken behind the last does not matter. */
static void test_wanted(Arena *a, const WeightFile *g)
{
    const Weight *w = file_weight(g, "gif.pillow");
    const Weight *frames = file_weight(g, "gif.pillow.frames");
    Animation m = animation_find(a, (Bytes){ w->data, w->bytes }, "it");
    size_t frame = frames->bytes / frames->shape[0];
    const Byte *expected = frames->data;
    Picking p = { a, &m, { 0, 1, 1, 3 }, { 0 } };
    pick(&p);
    for (size_t i = 0; i < 4; i++) CHECK(p.corner[i] == expected[p.wanted[i] * frame]);
    Byte *broken = allocate(a, w->bytes, 1);
    char why[MESSAGE];
    memcpy(broken, w->data, w->bytes);
    memset(broken + m.frames.frame[3].end - 40, 255, 38);
    m.file.data = broken;
    CHECK(attempt(a, pick, &p, why));
    CHECK_MSG(begins(why, "it: frame 4 of this GIF cannot be read: "), "%s", why);
    p.wanted[3] = 2;
    CHECK(!attempt(a, pick, &p, why));
}

/* ---- broken files ---- */

static int is_large(const Showing *s)
{
    return s->m.frames.height && s->m.frames.width > LARGE_CANVAS / s->m.frames.height;
}

static void find_it(void *showing)
{
    Showing *s = showing;
    s->m = animation_find(s->a, s->file, s->name);
}

/* Reads a copy with nothing behind it. 1: all frames are read. */
static int survives(Arena *a, const Byte *data, size_t n)
{
    char why[MESSAGE] = "it is too large for this test";
    size_t before = mark(a);
    Byte *copy = malloc(n ? n : 1);
    memcpy(copy, data, n);
    Showing s = { .a = a, .file = { copy, n }, .name = "it" };
    double begun = now();
    int refused = attempt(a, find_it, &s, why) || is_large(&s) || attempt(a, show_all, &s, why);
    if (now() - begun > slowest) slowest = now() - begun;
    if (refused && strlen(why) < 12) CHECK_MSG(0, "refused for no reason: %s", why);
    if (!refused && !s.shown) CHECK_MSG(0, "read without a frame");
    int is_whole = !refused && !s.m.ends_early;
    release(a, before);
    free(copy);
    return is_whole;
}

static void test_damage(Arena *a, const Weight *w)
{
    static Byte data[LARGEST];
    size_t n = w->bytes;
    if (n > LARGEST || strstr(w->name, "trailing")) return;
    memcpy(data, w->data, n);
    for (size_t k = 0; k < n; k++) CHECK_MSG(!survives(a, data, k), "%s is whole in its first %zu bytes", w->name, k);
    size_t step = 8 * n / FLIPS | 1;
    for (size_t k = 0; k < 8 * n; k += step) {
        data[k / 8] ^= (Byte)(1 << k % 8);
        survives(a, data, n);
        data[k / 8] ^= (Byte)(1 << k % 8);
    }
}

static Byte odd_byte(void)
{
    static const Byte odd[] = { 0, 1, 2, 3, 7, 8, 0x21, 0x2c, 0x3b, 127, 128, 254, 255 };
    return any(2) ? odd[any(sizeof odd)] : (Byte)any(256);
}

static void test_mutations(Arena *a, const WeightFile *g, const char *kind)
{
    static Byte data[LARGEST];
    const Weight *file[MOST];
    size_t files = 0, read = 0;
    for (size_t i = 0; i < g->count; i++) {
        const Weight *w = &g->weight[i];
        int is_file = begins(w->name, kind) && !strstr(w->name, ".frames") && w->bytes <= LARGEST;
        if (is_file && files < MOST) file[files++] = w;
    }
    for (int i = 0; i < MUTATED; i++) {
        const Weight *w = file[any((uint32_t)files)];
        memcpy(data, w->data, w->bytes);
        for (uint32_t k = 1 + any(3); k > 0; k--) data[12 + any((uint32_t)w->bytes - 12)] = odd_byte();
        read += (size_t)survives(a, data, w->bytes);
    }
    printf("%s %d mutations of %zu files, %zu of them read\n", kind, MUTATED, files, read);
    CHECK_MSG(read > 0 && read < MUTATED, "%s %zu are read: too tame or too wild", kind, read);
}

/* ---- hundreds of thousands of frames ---- */

/* A GIF of many frames of one pixel: only what is wanted is decoded, and the list is as long as the file allows. */
static void test_many_frames(Arena *a)
{
    enum { COUNT = 300000 };
    static const Byte head[] = { 'G', 'I', 'F', '8', '9', 'a', 1, 0, 1, 0, 0x80, 0, 0, 255, 0, 0, 0, 0, 255 };
    static const Byte frame[] = { 0x2c, 0, 0, 0, 0, 1, 0, 1, 0, 0, 2, 2, 0x44, 1, 0 };
    size_t size = sizeof head + COUNT * sizeof frame + 1;
    Byte *gif = allocate(a, size, 1);
    memcpy(gif, head, sizeof head);
    for (size_t i = 0; i < COUNT; i++) memcpy(gif + sizeof head + i * sizeof frame, frame, sizeof frame);
    gif[size - 1] = 0x3b;
    Animation m = animation_find(a, (Bytes){ gif, size }, "it");
    CHECK(m.count == COUNT);
    Picking p = { a, &m, { 0, 5, COUNT / 2, COUNT - 1 }, { 9, 9, 9, 9 } };
    double begun = now();
    pick(&p);
    CHECK(p.corner[0] == 255 && p.corner[3] == 255);
    CHECK_MSG(now() - begun < 10, "%.1f s", now() - begun);
    m = animation_find(a, (Bytes){ gif, size - 1 }, "it");
    CHECK(m.count == COUNT && m.ends_early);
}

int main(void)
{
    Arena *a = arena_new();
    const WeightFile *g = safetensors_open(a, "tests/golden/animations.golden");
    for (size_t i = 0; i < g->count; i++) {
        size_t before = mark(a);
        const Weight *w = &g->weight[i];
        int is_refused = begins(w->name, "refuse.");
        if (is_refused) test_refused(a, g, w);
        else test_frames(a, g, w);
        if (!is_refused && !strstr(w->name, ".frames")) test_damage(a, w);
        release(a, before);
    }
    printf("the slowest %.1f ms\n", slowest * 1e3);
    CHECK_MSG(slowest < 2, "a file of some kilobytes takes %.1f s", slowest);
    test_wanted(a, g);
    test_mutations(a, g, "gif.");
    test_mutations(a, g, "webp.");
    test_many_frames(a);
    arena_free(a);
    return done();
}
