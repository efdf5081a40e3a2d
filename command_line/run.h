/* run.h - one run of the program: what all its commands share. */
#ifndef RUN_H
#define RUN_H

#include "callbacks.h"
#include "clip_state.h"
#include "dataset_config.h"
#include "files.h"
#include "latents_file.h"
#include "options.h"
#include "samples.h"
#include "search_path.h"
#include "terminal.h"
#include "user_config.h"
#include "wildcards.h"

#include <signal.h>

enum { DONE = 0, FAILED = 1, MISUSED = 2, INTERRUPTED = 130 };          /* exit statuses */

typedef struct {
    Arena      *a;
    int         status;                  /* the exit status, should anything fail from here on */
    int         argc;
    char      **argv;
    Options     options;
    int         is_check;                /* persona check: nothing is drawn */
    Terminal    terminal;
    Request     request;
    int         is_input_wrong;          /* the input file could not be read, so its settings are not known */
    int         is_redrawn;              /* the request is that of a picture: the input file is a GIF or PNG */
    int         is_stored;               /* its settings were stored in a file by a program, and are all there are */
    int         is_seed_random;
    Latents     latents;                 /* those of the input file, to be decoded again; .x.x NULL: it has none */
    const char *prompt_label;            /* where the prompt stands, for messages */
    Name       *folder;                  /* [folders] that are searched for weights, and where they are named */
    size_t      folders, folder_room;
    UserConfig *config;                  /* of the user; NULL: none */
    const char *out;                     /* the path of the result */
    const char *placed;                  /* where it will be, as result_place() has it; NULL: not asked */
    struct Sweep *sweep;                 /* the grid that is drawn; NULL: one picture */
    Pictures    pictures;                /* what was drawn */
    const File *saved;                   /* [saved_files] that it was saved in */
    size_t      saved_files;
    Callbacks   callbacks;               /* of drawing */
    ClipState   state;                   /* how far an interrupted job was */
    SamplePrompts samples;               /* of training */
    Subsets     subsets;
    const volatile sig_atomic_t *stopped;        /* not zero after Ctrl-C */
} Run;

typedef void RunCommand(void *run);      /* carries out a command of a Run, or a part of it */

/* A LineCallback: prints a message, unless --quiet. */
void run_say(void *run, const char *line);

/* Says what a command is for, and the command below it, alone in its line, to be copied. */
void run_say_command(Run *r, const char *what_for, const char *command);

/* Fails because the command line is wrong. */
_Noreturn void run_misuse(Run *r, const char *message);

/* "-" as the input file: reads standard input, which then goes by a name of its own. */
void run_read_standard_input(Run *r);

/* "prompt" is prompt.txt, where there is no file of that very name; says so. */
void run_complete_input(Run *r);

/* Adds a fault of the command line. */
void run_add_typed(Run *r, const char *message);

/* Runs check(r).  When it fails, adds its message to the faults, with the exit status that r->status then has, and
 * returns -1; r->request is as before. */
int run_try(Run *r, RunCommand *check);

/* Adds what is wrong with the options of training; for run_try(). */
void run_check_training_options(void *run);

/* Ends the run when there are faults: tells all of them, and how many they are. */
void run_end_if_faulty(Run *r);

/* Maps an input file.  expected: what it may be, for messages.  Fails when it cannot be opened, with what may have been
 * meant. */
Bytes run_open_input(Run *r, const char *path, const char *expected);

/* Reads the settings of the file, those of the user's config that it leaves open, and those of the command line.
 * input: may be NULL.  What is wrong is added to the faults. */
void run_read_request(Run *r, const char *input);

/* Fills in r->folder. */
void run_find_folders(Run *r);

/* Where names are looked for.  beside: the path of the prompt file or picture; NULL when there is none.  A folder of
 * --weights that is not there is added to the faults. */
SearchPath *run_search_path(Run *r, const char *beside);

/* The wildcards of dynamic prompts. */
Wildcards *run_wildcards(Run *r);

/* Is this setting among the options of the command line? */
int run_is_typed(const Run *r, const char *flag);

void run_choose_seed(Run *r);                /* a seed at random */

/* To whom a job tells what it does: the terminal. */
Callbacks run_callbacks(Run *r);

#endif
