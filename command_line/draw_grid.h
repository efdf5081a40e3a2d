/* draw_grid.h - a grid of pictures in place of one, as a run of the program draws it. */
#ifndef DRAW_GRID_H
#define DRAW_GRID_H

#include "run.h"

void draw_grid_read (void *run);             /* RunCommand: the axes of the request to r->sweep; fails as sweep_read */
void draw_grid_check(void *run);             /* RunCommand: all cells; what is wrong is added to the faults */

Pictures draw_grid(Run *r);                  /* Draws them, as sweep_draw does. */

void draw_grid_done(Run *r);                 /* The grid is saved: its cells are removed, unless they are to be kept. */

#endif
