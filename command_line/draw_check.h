/* draw_check.h - everything about a drawing that can be known before the minutes of work. */
#ifndef DRAW_CHECK_H
#define DRAW_CHECK_H

#include "run.h"

/* Draws a seed at random; a job that was interrupted goes on with the one that was drawn when it began. */
void draw_choose_seed(Run *r);

void draw_say_seed(Run *r);                  /* that it was drawn at random, and how it is given */

/* Finds all that r->request names, and checks it; ends the run when anything is wrong, with all that is.  Sets r->sweep
 * for a grid, and for persona check says what the job takes, and sets r->placed. */
void draw_check(Run *r);

void draw_check_passed(Run *r);              /* the last line of persona check: what drawing would do */

#endif
