/* settings.h - a request, and the table of all settings in it: one for prompt files, the command line, and its help.
 * Nothing here opens a file; search_path.h turns names into paths. */
#ifndef SETTINGS_H
#define SETTINGS_H

#include "faults.h"
#include "job.h"
#include "tensor.h"

/* A name as the user wrote it.  label: where it stands, for messages: "prompt.txt: Model" or "--model". */
typedef struct { const char *text, *label; } Name;

typedef struct {
    Name   name;
    double text, unet;                  /* strengths in the text encoder and in the UNet */
    const char *how;                    /* by block, step and frame, as adapter_strength.h reads it; or NULL */
} LoraName;

enum { LORAS = 64 };                    /* most LoRAs in one request */

typedef struct {
    Job         job;                    /* its prompt is without tags; paths, seed and LoRAs are added later */
    const char *prompt;                 /* with its <lora:name:strength> tags */
    const char *prompt_template, *negative_template;    /* what the prompts were drawn from; NULL: as written */
    int         is_prompt_drawn, is_negative_drawn;     /* no choices are made in them any more, see drawn_prompts.h */
    const char *dynamic;                /* "off": braces are plain characters */
    Name        model, vae, motion, init, last, mask;   /* text is NULL when not given, and may be "none" */
    Name        upscaler, hires_upscaler;
    Name        model_hash, vae_hash, lora_hashes, ti_hashes, hashes;   /* of files, as others write them; or NULL */
    int         is_by_hash;             /* a file was found by one of them, so they matter */
    LoraName    tag[LORAS];             /* LoRAs from the prompt's tags */
    LoraName    key[LORAS];             /* LoRAs from LoRA keys, which win over tags of the same name */
    size_t      tags, keys;
    const char *ignored;                /* parts of the prompt's tags that are ignored, as a list for people; or NULL */
    size_t      ignored_count;          /* how many parts */
    int         negative_tags;          /* LoRA tags in the negative prompt, which do nothing and are taken out */
    const char *broken_tag;             /* where the first broken LoRA tag begins, which is read as words; or NULL */
    int         seeded;                 /* job.seed was given */
    int         batch;                  /* so many pictures, with this seed and those behind it; 0: one */
    uint64_t    max_size;               /* bytes that a GIF is to keep to; 0: any */
    Name        axis[3];                /* X, Y, Z of a grid: "Steps: 10-50 (+10)", see sweep.h; text may be NULL */
    const char *const *given;           /* [all_settings] the value of each as its text has it, or NULL */
    Faults     *faults;                 /* gets what is wrong with a tag, which is left out; NULL: that fails */
} Request;

typedef struct Setting Setting;

typedef enum { WORDS, WHOLE, NUMBER } ValueType;

/* How one kind of value is read and written. */
typedef struct {
    /* Checks a value and puts it into the request.  label begins the message of a failure, which says the value and
       what is allowed. */
    void    (*set) (Arena *a, Request *r, const Setting *s, const char *label, const char *value);
    /* Prints the value as `set` reads it; NULL when it does not matter.  NULL: never printed. */
    char   *(*show)(Arena *a, const Request *r, const Setting *s);
    ValueType type;
    int       is_axis;
    int       is_list;                  /* numbers, or NUMBER: NUMBER, between commas that need no quotes in a file */
} ValueKind;

/* A row of the table. */
struct Setting {
    const char      *key;               /* in prompt files; NULL: not there */
    const char      *flag;              /* on the command line */
    const ValueKind *kind;
    size_t           field;             /* offset in the request */
    double           low, high;         /* bounds of a number */
    double           not_shown;         /* a whole number of this value is not printed */
    const char      *choices[5];        /* the first is the default */
    int              clips_only;        /* does not matter for a still */
    const char      *value, *help;      /* for --help: what to call a value, and what the setting is for */
};

/* In the order of printing, which is the web UI's and then ours.  The last row has no flag. */
extern const Setting all_settings[];

/* The setting of this key, or of another spelling of it that people paste; NULL when there is none.  Upper and
 * lower case are alike, and so are "-", "_" and " ". */
const Setting *setting_key(const char *name);

/* The same, by command-line name or key. */
const Setting *setting_named(const char *name);

ValueType setting_value_type(const Setting *s);
int setting_is_axis(const Setting *s);
int setting_is_list(const Setting *s);

/* "Steps: 25, Sampler: DDIM, ...": everything in the request that matters, except the two prompts. */
char *settings_line(Arena *a, const Request *r);

/* A number of bytes as Max size is written: "256K", "1M", "1000". */
char *bytes_text(Arena *a, uint64_t bytes);

#endif
