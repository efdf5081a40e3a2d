/* settings.h - a request, and all that can be said in it: one table for prompt files, the command line, and its help.
 * Nothing here opens a file; names become paths in lookup.h. */
#ifndef SETTINGS_H
#define SETTINGS_H

#include "job.h"
#include "tensor.h"

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
    const char *open;               /* where the prompt's first LoRA tag that is none begins, which is words then; NULL: all are whole */
    int         seeded;             /* job.seed was given */
    uint64_t    max_size;           /* bytes that a GIF is to keep to; 0: any */
    Name        axis[3];            /* X, Y, Z of a grid, "Steps: 10-50 (+10)", see sweep.h; text NULL: none */
} Request;

/* A row of the table.  label begins the message of a failure, which says the value and what is allowed. */
typedef struct Setting Setting;
struct Setting {
    const char *key, *flag;         /* in prompt files; on the command line; key NULL: not there */
    void      (*set) (Arena *a, Request *r, const Setting *s, const char *label, const char *value);
    char     *(*show)(Arena *a, const Request *r, const Setting *s);      /* as set takes it; NULL: nothing that matters */
    size_t      field;              /* where in the request */
    double      low, high, usual;   /* usual is not shown */
    const char *choices[5];         /* the first is the default */
    int         of_clips;           /* nothing that matters for a still */
    const char *value, *help;       /* what to call a value; what it is for */
};

extern const Setting all_settings[];    /* in the order in which they are printed, which is the web UI's and then ours; the last has no flag */

/* By key, or another spelling of it that people paste; by command-line name or key.  Case, "-", "_" and " " alike; NULL when there is none. */
const Setting *setting_key  (const char *name);
const Setting *setting_named(const char *name);

typedef enum { WORDS, WHOLE, NUMBER } Takes;
Takes setting_takes  (const Setting *s);
int   setting_is_axis(const Setting *s);

/* "Steps: 25, Sampler: DDIM, ...": all of the request that matters but the two prompts. */
char *settings_line(Arena *a, const Request *r);

char *bytes_text(Arena *a, uint64_t bytes);      /* as Max size is written: 256K, 1M, 1000 */

#endif
