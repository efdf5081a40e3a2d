/* train_command.h - persona train: a folder of pictures into a LoRA or an embedding. */
#ifndef TRAIN_COMMAND_H
#define TRAIN_COMMAND_H

#include "run.h"

/* Trains as the options run_say, and prints the path of the result on stdout.  Fails with all faults that can be known
 * before the work. */
void train_command(Run *r);

#endif
