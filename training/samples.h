/* samples.h - sample images: pictures drawn while training, which show how it goes.  kohya sd-scripts:
 * --sample_prompts. */
#ifndef SAMPLES_H
#define SAMPLES_H

#include "callbacks.h"
#include "files.h"
#include "prompt.h"

/* What to draw: one request for each sample image. */
typedef struct { Request *request; size_t count; } SamplePrompts;

/* Reads text, n bytes of a file, any bytes at all.  It is either infotext, as prompt.h reads it, which is one sample,
 * or a prompt on each line as kohya's trainer takes them, with options behind it:
 *     portrait of yumin --n negative prompt --w 512 --h 512 --d 1 --l 7.5 --s 25
 * Any other option of drawing may stand there by its full name.  A line is a still unless it has --frames.  Empty
 * lines and those that begin with # are passed over.  Names of files stay names until search_path.h makes them paths.
 * Fails, with file and line, when an option is wrong or there is no prompt. */
SamplePrompts sample_prompts_read(Arena *a, const char *text, size_t n, const char *path, LineCallback *warn, void *to);

/* What has been trained so far, in files; NULL: none of that kind. */
typedef struct {
    const char *lora;                    /* is used at strength 1 */
    const char *lora_name;               /* the name under which the picture's settings say it */
    const char *embedding;
} TrainedFiles;

/* Draws one sample image with them: stem.png, or stem.gif for a clip, with the settings that draw it again, and its
 * mark as an own picture.  Writes nothing.  Returns it in the arena.  Fails as generate() does. */
File sample_draw(Arena *a, const Request *r, TrainedFiles trained, const char *stem, const Callbacks *callbacks);

#endif
