/* infotext_writer.h - writes infotext: what other programs store about a picture, as text that prompt_parse reads. */
#ifndef INFOTEXT_WRITER_H
#define INFOTEXT_WRITER_H

#include "chars.h"

/* What is known about a picture so far.
 * prompt, negative: the words; NULL or "" for none
 * settings:         "Steps: 25, Seed: 7"
 * lost:             what has no equal here, as a list for people; losses: how many things */
typedef struct {
    Arena        *a;
    const char   *prompt, *negative;
    StringBuilder settings, lost;
    size_t        losses;
} InfotextWriter;

InfotextWriter infotext_begin(Arena *a);

/* Adds a setting; does nothing when value is NULL or empty. */
void infotext_set(InfotextWriter *t, const char *key, const char *value);

/* Adds a LoRA.  file: its name, maybe with folders and ending.  text, unet: the strengths as numbers; NULL is 1, and a
 * strength that is no number is told. */
void infotext_lora(InfotextWriter *t, const char *file, const char *text, const char *unet);

/* Remembers something that is not translated, once. */
void infotext_lose(InfotextWriter *t, const char *what);

/* The infotext. */
char *infotext_text(const InfotextWriter *t);

/* The value with quotes around it where the grammar of prompt files needs them. */
char *infotext_quoted(Arena *a, const char *value);

/* The name of a file without its folders, which other programs divide with "/" or "\".  path may be NULL, and then the
 * result is. */
const char *infotext_file(Arena *a, const char *path);

#endif
