/* sweep.h - one request over the values of up to three axes: the web UI's X/Y/Z plot, a grid of pictures. */
#ifndef SWEEP_H
#define SWEEP_H

#include "callbacks.h"
#include "drawn_prompts.h"
#include "request_paths.h"

enum { SWEEP_CELLS = 1000 };             /* most pictures of a grid */

typedef struct Sweep Sweep;

int sweep_asked(const Request *r);       /* Does the request have an axis? */

/* Reads the request's axes and makes the cells of the grid, each a request of its own.  r stays the caller's.  Fails
 * with every axis and value that is wrong, and what is allowed.  Opens no file. */
Sweep *sweep_read(Arena *a, const Request *r);

/* Draws the dynamic prompts of each cell by its own seed, as prompts_draw does.  What is wrong is added to faults. */
void sweep_draw_prompts(Arena *a, Sweep *s, const Wildcards *w, const char *label, Faults *faults);

/* Finds the files that the cells name, and checks every cell as generate_check does.  All must come to pictures of
 * one size and length.  Says what each takes, without repeating itself, and the plan of all together.  out: the path
 * of the grid.  Sets the frames and fps of r to those of the grid.  Everything that is wrong is added to faults, each
 * fault once, with the cell that has it unless all have. */
void sweep_check(Arena *a, Sweep *s, Request *r, const SearchPath *p, const char *out, const Callbacks *callbacks,
                 Faults *faults);

/* Draws the grid and returns its pictures, in the arena.
 *
 * Cells with the same settings are drawn once.  A finished cell is saved at once, as a picture with its settings
 * inside; a cell that is found there already is not drawn again.  So a sweep that was interrupted goes on from there.
 *
 * cells:   the folder of the finished cells when they are to be kept; otherwise they are in "<cells>.part" until the
 *          grid is done.  Both folders are searched.
 * keep:    whether they are to be kept
 * command: what goes on from there ("the same command"), for the message of a failure
 *
 * Fails as generate does, and says how many cells are kept. */
Pictures sweep_draw(Arena *a, Sweep *s, const char *cells, int keep, const char *command, const Callbacks *callbacks);

/* To be called once the grid is saved: removes the cells in "<cells>.part", and that folder when it is empty then. */
void sweep_done(Arena *a, const Sweep *s, const char *cells);

#endif
