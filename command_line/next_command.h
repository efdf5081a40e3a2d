/* next_command.h - the command to type next, exactly: to draw with what was trained, or another picture. */
#ifndef NEXT_COMMAND_H
#define NEXT_COMMAND_H

#include "options.h"
#include "train.h"

/* The command that this program was started with, but for another seed: its words as a shell takes them, with --seed -1
 * at the end.  NULL where they would not mean the same, or are too many to be read. */
const char *command_of_another_seed(Arena *a, int argc, char **argv);

/* The command that draws with what was trained: its words, the files, and the model that was named in o. */
const char *command_of_trained(Arena *a, const Options *o, const Trained *t);

#endif
