/* frame_values.c - a number that changes with the frames of a clip, as people write it.
 *
 *     values = number                              the same in all frames
 *            | frame ":" number { "," frame ":" number }
 *
 * Frames are counted from 0 and rise, as the keys of prompt travel do.  Between two of them the number changes evenly,
 * as the strength of a LoRA does.
 *
 * It refuses what is not a number, a number out of range, and frames out of order.  How many frames the clip has is
 * not known here, so a frame behind its end is for the caller. */
#include "frame_values.h"

#include "chars.h"

#include <string.h>

/* "8: 1.5" -> 0 when it is none */
static int read_one(Arena *a, const char *text, double low, double high, FrameValue *v)
{
    uint64_t frame = 0;
    const char *colon = strchr(text, ':');
    const char *number = colon ? colon + 1 : text;
    if (colon && (!read_whole(trimmed(a, text, (size_t)(colon - text)), &frame) || frame > 100000)) return 0;
    v->frame = (int)frame;
    return read_number(trimmed(a, number, strlen(number)), &v->value) && v->value >= low && v->value <= high;
}

const char *frame_values_read(Arena *a, const char *text, double low, double high, FrameValues *v)
{
    size_t count;
    char **part = comma_parts(a, text, &count);
    *v = (FrameValues){ .at = allocate(a, count, sizeof *v->at) };
    for (size_t i = 0; i < count; i++) {
        FrameValue *at = &v->at[v->count++];
        int is_alone = count == 1 || strchr(part[i], ':');
        if (!is_alone || !read_one(a, part[i], low, high, at))
            return format(a, "expected a number from %s to %s, or some with their frames, as 0: 0.5, 8: 1.5",
                          number_text(a, low), number_text(a, high));
        if (i && at->frame <= at[-1].frame)
            return format(a, "where frame %d stands behind frame %d, expected rising order", at->frame, at[-1].frame);
    }
    return NULL;
}

double frame_values_in(const FrameValues *v, int frame)
{
    size_t next = 0;                                 /* the first one behind the frame */
    while (next < v->count && v->at[next].frame <= frame) next++;
    if (next == 0) return v->at[0].value;
    if (next == v->count) return v->at[v->count - 1].value;
    const FrameValue *from = &v->at[next - 1];
    const FrameValue *to = &v->at[next];
    double share = (double)(frame - from->frame) / (to->frame - from->frame);
    return from->value + share * (to->value - from->value);
}

int frame_values_are(const FrameValues *v, double x)
{
    for (size_t i = 0; i < v->count; i++)
        if (v->at[i].value < x || v->at[i].value > x) return 0;
    return 1;
}
