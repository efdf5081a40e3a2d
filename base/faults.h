/* faults.h - everything that is wrong, collected and told in one message. */
#ifndef FAULTS_H
#define FAULTS_H

#include "tensor.h"

enum { FAULTS_TEXT = 4 * MESSAGE };

/* An empty list is { 0 }.  It holds its texts itself, so an attempt that fails takes none of them away. */
typedef struct {
    char     text[FAULTS_TEXT];          /* a fault a line; lines that begin with a blank belong to the one above */
    size_t   size;                       /* bytes of text */
    size_t   count;                      /* faults, those counted too for which there was no room */
    FailKind kind;                       /* of all faults; FAILURE when they differ */
    int      is_misuse;                  /* one of them was typed on the command line */
} Faults;

/* Adds the faults of a message, each once: a line each, of the form that text has. */
void faults_add(Faults *f, const char *message);

/* Adds words to the fault that was added last. */
void faults_add_to_last(Faults *f, const char *words);

/* Runs check(to).  When it fails, adds the message and returns -1; what check has put elsewhere is not to be used
 * then.  A job that was cancelled is no fault: that failure goes on. */
int faults_try(Arena *a, Faults *f, void (*check)(void *to), void *to);

/* The bytes of the fault that text begins with, without its newline. */
size_t fault_size(const char *text);

/* All of them, grouped by what they are about: "p.txt: ..." beside "p.txt: ...", and what was typed last. */
char *faults_told(Arena *a, const Faults *f);

/* Fails with all of them, if there are any. */
void faults_fail(Arena *a, const Faults *f);

#endif
