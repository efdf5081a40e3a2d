/* hostile_pictures.h - what the tests of broken pictures share: a clock, random numbers that are the same each time, and
 * one reading. */
#ifndef HOSTILE_PICTURES_H
#define HOSTILE_PICTURES_H

#include "image.h"

#include <time.h>

/* seconds of work, whatever else the machine does */
static double now(void) { return (double)clock() / CLOCKS_PER_SEC; }

static uint32_t state = 1;
static uint32_t any(uint32_t below)
{
    state ^= state << 13;
    state ^= state >> 17;
    state ^= state << 5;
    return (state >> 4) % below;
}

static double slowest;

typedef struct { Arena *a; Bytes file; Picture got; } Reading;

static inline void read_it(void *reading)
{
    Reading *r = reading;
    r->got = image_decode(r->a, r->file, "it");
}

#endif
