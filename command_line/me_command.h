/* me_command.h - persona me: from photos of a person to a moving portrait. */
#ifndef ME_COMMAND_H
#define ME_COMMAND_H

#include "me_steps.h"

/* Looks at the photos, says what it will do, and does it step by step.  run_command: main()'s, which carries each step
 * out. */
void me_command(Run *r, RunCommand *run_command);

#endif
