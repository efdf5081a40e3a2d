/* test_own_pictures.c - the mark of pictures that training makes: put in, found again, changing neither picture nor
 * settings; absent from others; files cut short and damaged. */
#include "gif.h"
#include "gif_comment.h"
#include "own_pictures.h"
#include "png.h"
#include "test.h"

#include <stdlib.h>

enum { SIDE = 8, FRAMES = 2 };

static const unsigned char rgb[FRAMES * SIDE * SIDE * 3] = { 255, 1, 2, 3 };

static Bytes png_of(Arena *a, const char *settings)
{
    Bytes b;
    b.data = arena_own(a, png_encode(rgb, SIDE, SIDE, settings, &b.size));
    return b;
}

static Bytes gif_of(Arena *a, const char *settings)
{
    Bytes b;
    b.data = arena_own(a, gif_encode(rgb, FRAMES, SIDE, SIDE, 8, settings, &b.size));
    return b;
}

static void test_png(Arena *a)
{
    Bytes plain = png_of(a, "portrait");
    CHECK(own_picture_kind(a, plain) == NOT_OWN);
    for (OwnPicture kind = OWN_CURVE; kind <= OWN_CLASS_IMAGE; kind++) {
        int width, height;
        char why[PNG_WHY];
        Bytes b = own_picture_mark(a, plain, kind);
        CHECK_MSG(own_picture_kind(a, b) == kind, "kind %d: found %d", kind, own_picture_kind(a, b));
        unsigned char *decoded = arena_own(a, png_decode(b.data, b.size, &width, &height, why));
        CHECK_MSG(decoded && !memcmp(decoded, rgb, SIDE * SIDE * 3), "%s", why);
        const char *settings = arena_own(a, png_text(b.data, b.size, "parameters"));
        CHECK(settings && !strcmp(settings, "portrait"));
    }
}

static void test_gif(Arena *a)
{
    Bytes plain = gif_of(a, "portrait");
    Bytes b = own_picture_mark(a, plain, OWN_SAMPLE);
    const char *settings = arena_own(a, gif_comment(b.data, b.size));
    CHECK(own_picture_kind(a, plain) == NOT_OWN && own_picture_kind(a, b) == OWN_SAMPLE);
    CHECK(settings && !strcmp(settings, "portrait"));
    CHECK(!memcmp(plain.data, b.data, plain.size - 1) && b.data[b.size - 1] == 0x3B);
}

static void test_grids(Arena *a)
{
    static const char ours[] = "a\nSteps: 1, Sampler: DDIM, Seed: 1, Size: 8x8, Frames: 1, X: \"Seed: 1-2\"";
    static const char theirs[] = "a\nSteps: 1, Sampler: DDIM, Seed: 1, Size: 8x8, Script: X/Y/Z plot, X Type: Steps";
    static const char single[] = "a, X, Y\nSteps: 1, Sampler: DDIM, Seed: 1, Size: 8x8, Frames: 1";
    CHECK(own_picture_kind(a, png_of(a, ours)) == OWN_GRID);
    CHECK(own_picture_kind(a, png_of(a, theirs)) == OWN_GRID);
    CHECK(own_picture_kind(a, gif_of(a, ours)) == OWN_GRID);
    CHECK(own_picture_kind(a, png_of(a, single)) == NOT_OWN);
}

/* in memory of exactly its size, so that the sanitizers see a byte too far */
static OwnPicture kind_of(Arena *a, const unsigned char *bytes, size_t n)
{
    unsigned char *exact = malloc(n ? n : 1);
    if (!exact) abort();
    memcpy(exact, bytes, n);
    OwnPicture kind = own_picture_kind(a, (Bytes){ exact, n });
    free(exact);
    return kind;
}

static void test_damage(Arena *a, Bytes b)
{
    unsigned char *damaged = memcpy(allocate(a, b.size, 1), b.data, b.size);
    int unknown = 0;
    for (size_t n = 0; n < b.size; n++) CHECK(kind_of(a, b.data, n) < OWN_KINDS);
    for (size_t bit = 0; bit < 8 * b.size; bit++) {
        damaged[bit / 8] ^= (unsigned char)(1 << bit % 8);
        unknown += kind_of(a, damaged, b.size) == NOT_OWN;
        damaged[bit / 8] = b.data[bit / 8];
    }
    CHECK(unknown > 200);                /* at least the bits of the mark itself */
}

static void run(void *arena)
{
    Arena *a = arena;
    test_png(a);
    test_gif(a);
    test_grids(a);
    test_damage(a, own_picture_mark(a, png_of(a, "portrait"), OWN_CURVE));
    test_damage(a, own_picture_mark(a, gif_of(a, "portrait"), OWN_SAMPLE));
    CHECK(own_picture_kind(a, (Bytes){ (const unsigned char *)"", 0 }) == NOT_OWN);
}

int main(void)
{
    char message[MESSAGE];
    Arena *a = arena_new();
    if (!a) return 1;
    CHECK_MSG(!attempt(a, run, a, message), "%s", message);
    arena_free(a);
    return done();
}
