/* Windows over a long clip: the schedule against a statement of it in Python, and that no frame is left out. */
#include "context_windows.h"
#include "test.h"

#include <stdint.h>

static const struct { Windows w; int call, count; uint32_t hash; } cases[] = {
#include "golden/windows.inc"
};

enum { MOST = 512 };

static void schedule(void)
{
    for (size_t c = 0; c < sizeof cases / sizeof *cases; c++) {
        const Windows *w = &cases[c].w;
        uint32_t hash = 2166136261u;
        int frame[MOST], count = windows(w, cases[c].call, NULL);
        Window one[MOST];
        CHECK(count <= MOST && windows(w, cases[c].call, one) == count);
        for (int k = 0; k < count; k++) {
            window_frames(w, one[k], frame);
            for (int i = 0; i < w->length; i++) hash = (hash ^ (uint32_t)frame[i]) * 16777619u;
        }
        CHECK_MSG(count == cases[c].count && hash == cases[c].hash, "%d frames, windows of %d, overlap %d, stride %d, loop %s, call %d: other windows than Python's",
                  w->frames, w->length, w->overlap, w->stride, loop_name(w->loop), cases[c].call);
    }
}

/* every frame in some window; in an open clip no window, stride 1, goes around */
static void covered(const Windows *w, int call)
{
    int frame[MOST], seen[MOST] = { 0 }, left = 0, around = 0;
    Window one[MOST];
    for (int k = windows(w, call, one) - 1; k >= 0; k--) {
        window_frames(w, one[k], frame);
        for (int i = 0; i < w->length; i++) seen[frame[i]]++, around |= i && frame[i] < frame[i - 1];
    }
    for (int f = 0; f < w->frames; f++) left += !seen[f];
    CHECK_MSG(!left, "%d frames, windows of %d, overlap %d, stride %d, loop %s, call %d: %d frames are in no window", w->frames, w->length, w->overlap, w->stride,
              loop_name(w->loop), call, left);
    CHECK_MSG(!(around && w->loop == OPEN && w->stride == 1), "%d frames, windows of %d: an open clip goes around", w->frames, w->length);
}

static void all_covered(void)
{
    for (int frames = 1; frames < 70; frames += frames < 20 ? 1 : 7)
        for (int length = 1; length <= frames; length += length < 4 ? 1 : 5)
            for (int overlap = 0; overlap < length; overlap += 3)
                for (int loop = OPEN; loop <= CLOSED; loop++)
                    for (int call = 0; call < 20; call++) covered(&(Windows){ frames, length, overlap, 1 + call % 3, (Loop)loop }, call);
}

/* a closed clip of one window: in some call each place but one is an inner one, the joint too */
static void closed_short(void)
{
    Windows w = { 16, 16, 4, 1, CLOSED };
    int frame[MOST], joined = 0;
    Window one[MOST];
    for (int call = 0; call < 4; call++)
        for (int k = windows(&w, call, one) - 1; k >= 0; k--) {
            window_frames(&w, one[k], frame);
            for (int i = 1; i < 16; i++) joined += frame[i - 1] == 15 && frame[i] == 0;
        }
    CHECK_MSG(joined >= 4, "the joint of a closed clip is inside a window %d times in 4 calls", joined);
}

int main(void)
{
    schedule();
    all_covered();
    closed_short();
    CHECK(loop_named("R+P") == REDUCED_TOO && loop_named("x") == -1 && !loop_name(CLOSED + 1));
    CHECK(window_weight(&(Windows){ .length = 16 }, 0) == 1 && window_weight(&(Windows){ .length = 16 }, 7) == 8 && window_weight(&(Windows){ .length = 16 }, 8) == 8 && window_weight(&(Windows){ .length = 5 }, 2) == 3);
    return done();
}
