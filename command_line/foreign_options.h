/* foreign_options.h - what options are called in other programs, for "did you mean". */
#ifndef FOREIGN_OPTIONS_H
#define FOREIGN_OPTIONS_H

/* What persona has instead of an option of another program, in words for a message: "--steps N", or "not needed".
 * name: without dashes in front; case, "-" and "_" do not matter.  is_training: of training first, then of drawing.
 * Returns NULL when the name is not known. */
const char *foreign_option(const char *name, int is_training);

#endif
