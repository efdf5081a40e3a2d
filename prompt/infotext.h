/* infotext.h - the parts of infotext: the text that the Stable Diffusion web UI writes about a picture. */
#ifndef INFOTEXT_H
#define INFOTEXT_H

#include "tensor.h"

typedef struct {
    char *prompt;               /* "" when there is none */
    char *negative;             /* NULL: none */
    char *settings;             /* "key: value, key: value"; NULL: none */
    char *tail;                 /* lines of other tools behind the settings; NULL: none */
} Infotext;

/* Takes a text apart.  text: as plain_text() returns it; it is overwritten.  is_picture: 1 when it was stored in a
 * picture, so it does hold settings. */
Infotext infotext_parts(Arena *a, char *text, int is_picture);

/* The next "key: value" of a settings line, both in the arena -> what follows it.  value is NULL for a piece without a
 * colon.  A value is a JSON string, which loses its quotes, a JSON list or object, or anything up to the next comma. */
const char *next_setting(Arena *a, const char *s, char **key, char **value);

/* The size of the words "Negative prompt:" that the line begins with, or 0. */
size_t negative_mark_size(const char *line);

/* The first line that begins so, or NULL. */
char *find_negative(char *text);

/* The words behind labels like "Prompt:" at the beginning of a prompt. */
const char *without_prompt_label(const char *text);

#endif
