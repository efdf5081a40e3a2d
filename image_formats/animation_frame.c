/* animation_frame.c - a list of frames that grows, and how a reader of animated pictures refuses.
 *
 * The readers of GIF, APNG and WebP share this and nothing else.  A list grows with what is found in the file, never
 * with what the file says that it has: so it is a few times as large as the file at most. */
#include "animation_frame.h"

#include <stdarg.h>
#include <stdio.h>
#include <stdlib.h>

int animation_refuse(char why[ANIMATION_WHY], const char *fmt, ...)
{
    va_list args;
    va_start(args, fmt);
    vsnprintf(why, ANIMATION_WHY, fmt, args);
    va_end(args);
    return 0;
}

int animation_add(AnimationFrames *all, AnimationFrame f, char why[ANIMATION_WHY])
{
    if (all->count == all->room) {
        size_t room = 2 * all->room + 16;
        AnimationFrame *more = realloc(all->frame, room * sizeof *more);
        if (!more) return animation_refuse(why, "no memory left");
        all->frame = more;
        all->room = room;
    }
    all->frame[all->count++] = f;
    return 1;
}
