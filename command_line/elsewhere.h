/* elsewhere.h - what options are called in other programs. */
#ifndef ELSEWHERE_H
#define ELSEWHERE_H

/* What does here what an option of this name (without dashes; "-", "_" and case alike) does elsewhere, in words for a message; NULL when it is not known.
 * training: of training, else of drawing. */
const char *option_elsewhere(const char *name, int training);

#endif
