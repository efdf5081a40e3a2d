/* samples.h - pictures that show how training goes. */
#ifndef SAMPLES_H
#define SAMPLES_H

#include "callbacks.h"
#include "prompt.h"

typedef struct { Request *request; size_t count; } Samples;

/* text: n bytes of a file, any bytes at all.  Either infotext, as prompt.h reads it: one sample.  Or a prompt on each line as kohya's trainer
 * takes them, with options behind it: "portrait of yumin --n negative prompt --w 512 --h 512 --d 1 --l 7.5 --s 25"; any other of ours may stand
 * there by its full name: "--frames 16".  Lines that are empty or begin with # are passed over, and what --frames does not make a clip is a still.
 * Names become paths in lookup.h.  Fails, with file and line, when an option is wrong, or there is no prompt. */
Samples samples_read(Arena *a, const char *text, size_t n, const char *path, Say *warn, void *to);

/* What is added to a request: a LoRA at full strength, to be found later under the name `as`; a new word.  Files; NULL: none. */
typedef struct { const char *lora, *as, *word; } Newcomer;

/* Draws, and writes stem.png, or stem.gif for a clip, with the settings that draw it again.  Fails as generate does.  -> the path */
const char *sample_draw(Arena *a, const Request *r, Newcomer l, const char *stem, const Watch *watch);

#endif
