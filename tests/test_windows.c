/* Context windows: the schedule against a statement of it in Python, and that no frame is left out. */
#include "context_windows.h"
#include "test.h"

#include <stdint.h>

/* in the order of golden/windows.inc */
static const struct { ContextOptions w; int call, count; uint32_t hash; } cases[] = {
#include "golden/windows.inc"
};

enum { MOST = 512 };

/* FNV-1a over the frames of all windows */
static uint32_t hash_of(const ContextOptions *w, const ContextWindow *window, int count)
{
    uint32_t hash = 2166136261u;
    int frame[MOST];
    for (int k = 0; k < count; k++) {
        context_window_frames(w, window[k], frame);
        for (int i = 0; i < w->length; i++) hash = (hash ^ (uint32_t)frame[i]) * 16777619u;
    }
    return hash;
}

static void same_as_python(void)
{
    for (size_t c = 0; c < sizeof cases / sizeof *cases; c++) {
        const ContextOptions *w = &cases[c].w;
        ContextWindow window[MOST];
        int count = context_windows(w, cases[c].call, NULL);
        CHECK(count <= MOST && context_windows(w, cases[c].call, window) == count);
        CHECK_MSG(count == cases[c].count && hash_of(w, window, count) == cases[c].hash,
                  "%d frames, windows of %d, overlap %d, stride %d, loop %s, call %d: other windows than Python's",
                  w->frames, w->length, w->overlap, w->stride, closed_loop_name((int)w->loop), cases[c].call);
    }
}

/* Every frame is in some window.  In an open clip with stride 1 no window wraps around. */
static void covered(const ContextOptions *w, int call)
{
    int frame[MOST];
    int seen[MOST] = { 0 };
    int missing = 0;
    int wraps = 0;
    ContextWindow window[MOST];
    for (int k = context_windows(w, call, window) - 1; k >= 0; k--) {
        context_window_frames(w, window[k], frame);
        for (int i = 0; i < w->length; i++) seen[frame[i]] = 1;
        for (int i = 1; i < w->length; i++) wraps |= frame[i] < frame[i - 1];
    }
    for (int f = 0; f < w->frames; f++) missing += !seen[f];
    CHECK_MSG(!missing, "%d frames, windows of %d, overlap %d, stride %d, loop %s, call %d: %d frames are in no window",
              w->frames, w->length, w->overlap, w->stride, closed_loop_name((int)w->loop), call, missing);
    CHECK_MSG(!(wraps && w->loop == OPEN && w->stride == 1), "%d frames, windows of %d: an open clip wraps around",
              w->frames, w->length);
}

static void all_covered(int frames, int length)
{
    for (int overlap = 0; overlap < length; overlap += 3)
        for (int loop = OPEN; loop <= CLOSED; loop++)
            for (int call = 0; call < 20; call++)
                covered(&(ContextOptions){
                    .frames = frames,
                    .length = length,
                    .overlap = overlap,
                    .stride = 1 + call % 3,
                    .loop = (ClosedLoop)loop,
                }, call);
}

static void all_lengths_covered(void)
{
    for (int frames = 1; frames < 70; frames += frames < 20 ? 1 : 7)
        for (int length = 1; length <= frames; length += length < 4 ? 1 : 5) all_covered(frames, length);
}

/* In a closed clip of one window the joint, too, is inside a window in some calls. */
static void closed_short(void)
{
    ContextOptions w = { .frames = 16, .length = 16, .overlap = 4, .stride = 1, .loop = CLOSED };
    int frame[MOST];
    int joined = 0;
    ContextWindow window[MOST];
    for (int call = 0; call < 4; call++)
        for (int k = context_windows(&w, call, window) - 1; k >= 0; k--) {
            context_window_frames(&w, window[k], frame);
            for (int i = 1; i < 16; i++) joined += frame[i - 1] == 15 && frame[i] == 0;
        }
    CHECK_MSG(joined >= 4, "the joint of a closed clip is inside a window %d times in 4 calls", joined);
}

static void names(void)
{
    CHECK(closed_loop_named("R+P") == REDUCED_WITH_PROMPTS);
    CHECK(closed_loop_named("x") == -1);
    CHECK(!closed_loop_name(CLOSED + 1));
}

static void weights(void)
{
    ContextOptions even = { .length = 16 };
    ContextOptions odd = { .length = 5 };
    CHECK(context_window_weight(&even, 0) == 1);
    CHECK(context_window_weight(&even, 7) == 8);
    CHECK(context_window_weight(&even, 8) == 8);
    CHECK(context_window_weight(&odd, 2) == 3);
}

int main(void)
{
    same_as_python();
    all_lengths_covered();
    closed_short();
    names();
    weights();
    return done();
}
