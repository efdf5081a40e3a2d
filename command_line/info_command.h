/* info_command.h - persona info: says what a file is. */
#ifndef INFO_COMMAND_H
#define INFO_COMMAND_H

#include "run.h"

/* Prints on stdout what the input file holds.  Fails when it is none that is known. */
void info_command(Run *r);

#endif
