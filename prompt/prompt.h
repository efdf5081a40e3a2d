/* prompt.h - prompt files: the text that the Stable Diffusion web UI calls infotext, to a request and back.
 *
 *     a portrait, red hair, <lora:yumin:0.8>
 *     Negative prompt: watermark
 *     Steps: 25, Sampler: DDIM, CFG scale: 7.5, Seed: 42, Size: 512x512, Model: toonyou_beta3
 *
 * Nothing here opens a file; search_path.h turns names into paths. */
#ifndef PROMPT_H
#define PROMPT_H

#include "settings.h"

/* A callback that gets one line of text; to is the caller's. */
typedef void LineCallback(void *to, const char *line);

/* Reads infotext.  text: [n], any bytes at all -> r, which need not be initialised.  path is only named in messages.
 * Settings of other programs are translated.  A value that means nothing here is left out, so that its default is
 * drawn.  warn gets a line with all of these, and one with all unknown keys; it may be NULL.  Fails for a text that is
 * empty or no text, and for a broken LoRA tag in the prompt. */
void prompt_parse(Arena *a, Request *r, const char *text, size_t n, const char *path, LineCallback *warn, void *to);

/* The same for text that was stored in a picture: a line of three pairs is settings as soon as one key is known. */
void prompt_parse_stored(Arena *a, Request *r, const char *text, const char *path, LineCallback *warn, void *to);

/* is_stored: it was stored in a picture */
typedef struct { const char *text; size_t n; const char *path; int is_stored; } PromptText;

/* Both of these.  What is wrong with the prompt's tags is added to faults, which r keeps; only a text that is no prompt
 * at all fails.  faults: NULL, and the first of them fails. */
void prompt_read(Arena *a, Request *r, PromptText t, Faults *faults, LineCallback *warn, void *to);

/* Does such a text hold more than the words of a prompt: a settings line, or a negative prompt? */
int prompt_is_infotext(Arena *a, const char *text, size_t n, const char *path);

/* Sets one setting, by its command-line name (without dashes) or its key; checks as above. */
void prompt_set(Arena *a, Request *r, const char *flag, const char *value);

/* The same; label begins the message of a failure. */
void prompt_set_as(Arena *a, Request *r, const char *name, const char *label, const char *value);

/* Tells warn, in a line each, which parts of the prompt's tags are ignored, and which tag is none.  label begins
 * the lines. */
void prompt_warn(Arena *a, const Request *r, const char *label, LineCallback *warn, void *to);

/* Writes the infotext that reads as this request again: keys in the web UI's order, only those that matter. */
char *prompt_infotext(Arena *a, const Request *r);

#endif
