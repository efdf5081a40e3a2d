/* run.h - one run of the program: what all its commands share. */
#ifndef RUN_H
#define RUN_H

#include "callbacks.h"
#include "dataset_config.h"
#include "files.h"
#include "options.h"
#include "samples.h"
#include "search_path.h"
#include "terminal.h"

#include <signal.h>

enum { DONE = 0, FAILED = 1, MISUSED = 2, INTERRUPTED = 130 };          /* exit statuses */

typedef struct {
    Arena      *a;
    int         status;                  /* the exit status, should anything fail from here on */
    int         argc;
    char      **argv;
    Options     options;
    Terminal    terminal;
    Request     request;
    int         is_redrawn;              /* the request is that of a picture: the input file is a GIF or PNG */
    int         is_seed_random;
    const char *prompt_label;            /* where the prompt stands, for messages */
    Name       *folder;                  /* [folders] that are searched for weights, and where they are named */
    size_t      folders, folder_room;
    const char *out;                     /* the path of the result */
    SamplePrompts samples;               /* of training */
    Subsets     subsets;
    const volatile sig_atomic_t *stopped;        /* not zero after Ctrl-C */
} Run;

/* A LineCallback: prints a message, unless --quiet. */
void run_say(void *run, const char *line);

/* Fails because the command line is wrong. */
_Noreturn void run_misuse(Run *r, const char *message);

/* "prompt" is prompt.txt, where there is no file of that very name; says so. */
void run_complete_input(Run *r);

/* Maps an input file.  expected: what it may be, for messages.  Fails when it cannot be opened, with what may have been
 * meant. */
Bytes run_open_input(Run *r, const char *path, const char *expected);

/* Reads the settings of the file, and those of the command line after them.  input: may be NULL.  Fails when one of
 * them is wrong; r->status says whether it was typed. */
void run_read_request(Run *r, const char *input);

/* Fills in r->folder. */
void run_find_folders(Run *r);

/* Where names are looked for.  beside: the path of the prompt file or picture; NULL when there is none. */
SearchPath *run_search_path(Run *r, const char *beside);

void run_choose_seed(Run *r);                /* a seed at random */

/* To whom a job tells what it does: the terminal. */
Callbacks run_callbacks(Run *r);

#endif
