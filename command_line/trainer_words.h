/* trainer_words.h - the words of a pasted command line, wherever they stand. */
#ifndef TRAINER_WORDS_H
#define TRAINER_WORDS_H

#include "foreign_options.h"
#include "lines.h"

typedef struct {
    Lines words;                         /* options, values and names of folders */
    Lines told, faults;
    const ForeignScript *script;         /* that is named; NULL: none */
    int   is_changed;                    /* they are not just the words that were given */
} TrainerWords;

/* words: those behind "persona train".  Files of words, and of options, are read; nothing is run. */
TrainerWords trainer_words(Arena *a, Lines words);

/* A value without quotes around it, which cmd.exe leaves there. */
const char *without_quotes(Arena *a, const char *value);

#endif
