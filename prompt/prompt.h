/* prompt.h - prompt files: the text that the Stable Diffusion web UI calls infotext, to a job and back.
 *
 *     a portrait, red hair, <lora:yumin:0.8>
 *     Negative prompt: watermark
 *     Steps: 25, Sampler: DDIM, CFG scale: 7.5, Seed: 42, Size: 512x512, Model: toonyou_beta3
 *
 * Nothing here opens a file; names become paths in lookup.h. */
#ifndef PROMPT_H
#define PROMPT_H

#include "settings.h"

typedef void Say(void *to, const char *line);

/* text: n bytes, any bytes at all -> r, which need not be initialised.  path is named in messages only.
 * Unknown keys are told to warn in one line; a bad value fails with key, value and what is allowed. */
void prompt_parse(Arena *a, Request *r, const char *text, size_t n, const char *path, Say *warn, void *to);

/* Does such a text hold more than the words of a prompt: a settings line, or a negative prompt? */
int prompt_is_infotext(Arena *a, const char *text, size_t n, const char *path);

/* One setting, by its command-line name (without dashes) or its key; checks as above. */
void prompt_set(Arena *a, Request *r, const char *flag, const char *value);

/* The same; label begins the message of a failure. */
void prompt_set_as(Arena *a, Request *r, const char *name, const char *label, const char *value);

/* What is left out of the prompt's tags, or is none: told to warn, in a line each. */
void prompt_warn(Arena *a, const Request *r, const char *label, Say *warn, void *to);

/* The infotext that gives this request again: keys in the web UI's order, only those that matter. */
char *prompt_settings(Arena *a, const Request *r);

#endif
