/* attention_files.h - --attention: the attention maps of a drawing job into files. */
#ifndef ATTENTION_FILES_H
#define ATTENTION_FILES_H

#include "run.h"

/* Asks the job of r->callbacks for the maps of these words.  They go beside r->out: NAME-attention-WORD.png over the
 * frames, and NAME-attention-WORD-layers.png. */
void attention_files_ask(Run *r, const char *words);

#endif
