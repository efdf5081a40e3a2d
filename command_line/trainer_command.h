/* trainer_command.h - a command line of another trainer, as one of persona's. */
#ifndef TRAINER_COMMAND_H
#define TRAINER_COMMAND_H

#include "lines.h"

typedef struct {
    Lines       words;                   /* what stands behind "persona train" for the same */
    Lines       told;                    /* what was understood in another way, and what has no meaning here */
    Lines       faults;                  /* everything that is wrong or missing, each a message of its own */
    const char *sample_text;             /* what to draw while training, as words and not as a file; NULL: nothing */
    const char *output_folder;           /* the folder of the result, which other trainers make; NULL: it was not named
                                          * in their way */
} TrainerCommand;

/* words: those behind "persona train", persona's own, another trainer's or both.  A file of them may stand first, or
 * anywhere as @FILE.  Words that are neither another trainer's nor wrong stay as they are.  Nothing is run. */
TrainerCommand trainer_command(Arena *a, Lines words);

#endif
