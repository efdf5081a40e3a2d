/* draw_target.h - where a drawn picture goes. */
#ifndef DRAW_TARGET_H
#define DRAW_TARGET_H

#include "result.h"
#include "run.h"

/* What the picture goes to when that is no file: "standard output", or a device; NULL: a file. */
const char *draw_target_stream(const Run *r);

/* Where the picture goes: to -o, or into the folder that it names, to the picture that it comes from, or beside it: a
 * JPEG carries settings, but no clip. */
const char *draw_target_path(Run *r);

/* The picture goes to this path, and how far it is stands beside it.  Sets r->out, r->state and r->callbacks. */
void draw_target_set(Run *r, const char *out);

/* r->out as result.h has it. */
Result draw_target_result(Run *r);

/* Saves r->pictures: the path on stdout, or there the picture itself; then removes the state, and says how long it took
 * since `began`, a system_seconds(), and how to make another one.  What cannot be saved at its path is saved in the
 * current folder or that for temporary files, which is said.  Fails as result_save does when that fails, too. */
void draw_target_save(Run *r, double began);

#endif
