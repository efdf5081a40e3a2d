/* pasted_command.h - command lines of other programs as prompt files. */
#ifndef PASTED_COMMAND_H
#define PASTED_COMMAND_H

#include "infotext.h"

/* Is text a command line that draws a picture?  Then its parts are written to parts, as infotext_parts() does it, and 1
 * is returned.  text: as plain_text() returns it.  Fails for a command line with a quote that is not closed; path is
 * named in the message. */
int pasted_command(Arena *a, const char *text, const char *path, Infotext *parts);

#endif
