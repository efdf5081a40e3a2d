/* prompt.h - prompt files: the text that the Stable Diffusion web UI calls infotext, to a job and back.
 *
 *     a portrait, red hair, <lora:yumin:0.8>
 *     Negative prompt: watermark
 *     Steps: 25, Sampler: DDIM, CFG scale: 7.5, Seed: 42, Size: 512x512, Model: toonyou_beta3
 *
 * Every key is one row of one table, with its command-line twin: parser, printer and help come from it.
 * Nothing here opens a file; names become paths in lookup.h. */
#ifndef PROMPT_H
#define PROMPT_H

#include "generate.h"

/* a name as the user wrote it, and who says so, for messages: "prompt.txt: Model" or "--model" */
typedef struct { const char *text, *label; } Name;
typedef struct { Name name; double text, unet; } LoraName;      /* strengths in the text encoder and in the UNet */

enum { LORAS = 64 };                /* most LoRAs in one request */

typedef struct {
    Job         job;                /* prompt is without tags; paths, seed and LoRAs are filled in by lookup.h and the caller */
    const char *prompt;             /* with its <lora:name:strength> tags */
    Name        model, vae, motion, init;   /* text NULL: not said; "none" */
    LoraName    tag[LORAS], key[LORAS];     /* from the prompt's tags; from LoRA keys, which win over tags of that name */
    size_t      tags, keys;
    const char *left;               /* what of the prompt's tags is left out, as a list for people; NULL: nothing */
    size_t      left_out;           /* so many parts */
    int         seeded;             /* job.seed was given */
    uint64_t    max_size;           /* bytes that a GIF is to keep to; 0: any */
    Name        axis[3];            /* X, Y, Z of a grid, "Steps: 10-50 (+10)", see sweep.h; text NULL: none */
} Request;

typedef void Say(void *to, const char *line);

/* text: n bytes, any bytes at all -> r, which need not be initialised.  path is named in messages only.
 * Unknown keys are told to warn in one line; a bad value fails with key, value and what is allowed. */
void prompt_parse(Arena *a, Request *r, const char *text, size_t n, const char *path, Say *warn, void *to);

/* Does such a text hold more than the words of a prompt: a settings line, or a negative prompt? */
int prompt_is_infotext(Arena *a, const char *text, size_t n, const char *path);

/* One setting, by its command-line name (without dashes) or its key; checks as above. */
void prompt_set(Arena *a, Request *r, const char *flag, const char *value);

/* The name of a setting as the table has it, by its key or its command-line name, and what it takes; NULL when there is none. */
typedef enum { WORDS, WHOLE, NUMBER } Takes;
const char *prompt_key(const char *name, Takes *takes);

/* One setting by that name; label begins the message of a failure. */
void prompt_set_as(Arena *a, Request *r, const char *name, const char *label, const char *value);

/* The infotext that gives this request again: keys in the web UI's order, only those that matter. */
char *prompt_settings(Arena *a, const Request *r);

char *bytes_text(Arena *a, uint64_t bytes);      /* as Max size is written: 256K, 1M, 1000 */

/* Command-line names: i from 0; NULL after the last.  value is what to call its argument. */
const char *prompt_flag(size_t i, const char **value, const char **help);
/* The same by name, "-", "_" and case alike; NULL when there is none. */
const char *prompt_flag_find(const char *name);

#endif
