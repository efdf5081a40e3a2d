/* options.h - the command line: a command, the name of a file, and options. */
#ifndef OPTIONS_H
#define OPTIONS_H

#include "faults.h"
#include "lines.h"
#include "prompt.h"
#include "training_config.h"

enum { MOST_FOLDERS = 64 };              /* of --weights */

/* A setting of prompt files that was given as an option. */
typedef struct { const Setting *setting; const char *value; } Given;

/* Strings are those of argv. */
typedef struct {
    const char    *program;              /* argv[0] */
    const char    *command;              /* a name of `commands`, or "version"; NULL: to draw */
    const char    *input;                /* a prompt file, a picture, weights or a folder of photos; NULL: not given */
    Lines          several;              /* of info and list: all arguments that are no options, input too */
    const char    *output;               /* NULL: not given */
    const char    *format;               /* of the output: "gif", "png" or "apng"; NULL: its name says it */
    const char    *folder[MOST_FOLDERS]; /* --weights */
    size_t         folders;
    Given         *given;                /* in their order; a prompt file is read before them */
    size_t         givens;
    TrainingConfig training;             /* how to train */
    int            has_prompt;           /* --prompt is among the given settings */
    int            quiet, verbose, preview, keep_cells, overwrite;
    int            no_config;            /* --no-config */
    int            fresh;                /* --fresh */
    int            keep_latents;         /* --keep-latents */
    const char    *attention;            /* --attention: the words whose maps are wanted; NULL: not given */
    double         state_every;          /* --state-every: seconds; negative: off */
    int            wants_training_help;  /* persona train --help */
    int            wants_me_help;        /* persona me --help */
    const char    *name;                 /* of "me": what captions call the person; NULL: not given */
    Lines          training_words;       /* of "me": the options of training, as they were typed */
    Lines          told;                 /* of training: see trainer_command.h */
    Faults         faults;               /* all that is wrong with the command line; a command adds its own */
    int            operands;             /* arguments that are no options, the command aside */
    int            is_command_wrong;     /* the command is none, so nothing else can be said */
    const char    *sample_text, *output_folder;
} Options;

/* argv[argc]: of main.  faults has all that is wrong, with the options that may be meant.  Fails when nothing was
 * asked for. */
void options_read(Arena *a, Options *o, int argc, char **argv);

/* The command that a word is most like; NULL when none is near. */
const char *nearest_command(const char *word);

extern const char drawing_usage[];               /* a line for each command */

/* For the help: the i-th option that is no setting, its value (NULL: it takes none) and what it is for; NULL behind the
 * last. */
const char *option_listed(size_t i, const char **value, const char **help);

char option_letter(const char *flag);            /* its name of one letter; 0: it has none */

#endif
