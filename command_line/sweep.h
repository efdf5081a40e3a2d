/* sweep.h - one request over the values of up to three axes: a grid. */
#ifndef SWEEP_H
#define SWEEP_H

#include "callbacks.h"
#include "lookup.h"

enum { SWEEP_CELLS = 1000 };             /* most of a grid */

typedef struct Sweep Sweep;

int sweep_asked(const Request *r);       /* is there an axis? */

/* The cells, each a request of its own.  r, whose axes these are, stays the caller's.  Fails with axis, value and what is allowed;
 * no file is opened. */
Sweep *sweep_read(Arena *a, const Request *r);

/* Names to paths, and every cell rehearsed, which must come to pictures of one size; says what each takes, once, and the plan of all.
 * Gives r the frames and the speed of the grid, which goes to out. */
void sweep_check(Arena *a, Sweep *s, Request *r, const Places *p, const char *out, const Watch *watch);

/* Draws the grid: cells that are alike once, and none that a folder of finished ones holds already, with the same settings inside.
 * Those folders are `cells`, and `cells`.part, which an interrupted sweep leaves behind.  Each cell is saved as soon as it is drawn, to the
 * first when they are to be kept, and else to the second.  Fails as generate does, and says what is kept; command: what goes on from
 * there, "the same command". */
Pictures sweep_draw(Arena *a, Sweep *s, const char *cells, int keep, const char *command, const Watch *watch);

/* The grid is saved: its cells in `cells`.part go, and that folder when nothing else is in it. */
void sweep_done(Arena *a, const Sweep *s, const char *cells);

#endif
