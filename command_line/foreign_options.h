/* foreign_options.h - what options are called in other programs. */
#ifndef FOREIGN_OPTIONS_H
#define FOREIGN_OPTIONS_H

/* The option of drawing that another program calls by that name (without its dashes), as words for people; NULL when
 * there is none. */
const char *foreign_option(const char *name);

/* What becomes of another trainer's option. */
typedef enum {
    RENAMED,                             /* it is `ours`, with its value, or with `value` */
    FIXED,                               /* only `value` is what happens here */
    NEEDLESS,                            /* it changes no result, or nothing that persona has */
    MISSING,                             /* persona does not do it; why says what to do */
    PLACED,                              /* trainer_command.c knows what it is */
} ForeignMeaning;

typedef enum { NO_VALUE, ONE_VALUE, VALUES } ForeignValues;

typedef struct {
    const char    *name;                 /* NULL: the end of the table */
    ForeignMeaning meaning;
    ForeignValues  values;
    const char    *ours, *value, *why;
} ForeignOption;

/* An option of kohya's trainer or of diffusers' scripts, by its name without dashes; NULL when it is none of them. */
const ForeignOption *foreign_training_option(const char *name);

/* Row i of that table, or NULL. */
const ForeignOption *foreign_training_row(int i);

/* A trainer's script, by the name of its file. */
typedef struct {
    const char *script;                  /* "train_network.py" */
    const char *trainer;                 /* "kohya's trainer" */
    const char *refused;                 /* NULL, or why persona cannot do what it does */
    const char *defaults[24];            /* its own, where they are not ours: name, value, name, value, ... */
} ForeignScript;

/* NULL when there is no such script. */
const ForeignScript *foreign_script(const char *script);

#endif
