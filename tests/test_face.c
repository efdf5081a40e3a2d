/* test_face.c - the box of the face pass: what an attention map shows, as a square that stands still. */
#include "face_pass.h"
#include "test.h"

enum { SIDE = 16 };

static void fill(float *map, int frame, int left, int top, int right, int bottom, float value)
{
    for (int y = top; y <= bottom; y++)
        for (int x = left; x <= right; x++) map[(frame * SIDE + y) * SIDE + x] = value;
}

static void test_boxes(Arena *a)
{
    static float map[2 * SIDE * SIDE];
    for (int i = 0; i < 2 * SIDE * SIDE; i++) map[i] = 0.1f;
    FaceBox none = face_box(a, map, 2, SIDE, SIDE, 512, 512);
    CHECK(none.side == 0);                                       /* it is flat */
    fill(map, 0, 5, 3, 8, 6, 1);
    fill(map, 0, 14, 14, 14, 14, 1);                             /* a smaller part is none of it */
    FaceBox b = face_box(a, map, 1, SIDE, SIDE, 512, 512);
    CHECK_MSG(b.side >= 4 * 32 && b.side < 9 * 32, "side %d", b.side);
    CHECK(b.left <= 5 * 32 && b.left + b.side >= 9 * 32 && b.top <= 3 * 32 && b.top + b.side >= 7 * 32);
    fill(map, 1, 8, 3, 11, 6, 1);                                /* it moves: the box holds both places */
    FaceBox both = face_box(a, map, 2, SIDE, SIDE, 512, 512);
    CHECK(both.left <= 5 * 32 && both.left + both.side >= 12 * 32 && both.side > b.side);
    FaceBox wide = face_box(a, map, 2, SIDE, SIDE, 512, 256);
    CHECK_MSG(wide.side <= 256 && wide.top >= 0 && wide.top + wide.side <= 256, "%d at %d", wide.side, wide.top);
    fill(map, 0, 0, 0, 15, 15, 1);
    fill(map, 0, 0, 0, 0, 0, 0.1f);
    FaceBox all = face_box(a, map, 1, SIDE, SIDE, 512, 512);
    CHECK(all.side == 512 && all.left == 0 && all.top == 0);
}

int main(void)
{
    Arena *a = arena_new();
    if (!a) return 1;
    size_t before = mark(a);
    test_boxes(a);
    CHECK(mark(a) == before);
    arena_free(a);
    return done();
}
