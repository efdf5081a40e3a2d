/* foreign_prompt.h - prompts as NovelAI, InvokeAI and Midjourney write them, as the web UI writes them. */
#ifndef FOREIGN_PROMPT_H
#define FOREIGN_PROMPT_H

#include "tensor.h"

/* NovelAI: {more}, [less] and 1.2::words :: become (more:1.05), (less:0.952381) and (words:1.2).  Round brackets
 * are plain characters there, and get a backslash.  In the arena. */
char *foreign_prompt_novelai(Arena *a, const char *text);

/* InvokeAI (compel): word++, (some words)- and (some words)1.3 become (word:1.21), (some words:0.9) and
 * (some words:1.3).  In the arena. */
char *foreign_prompt_compel(Arena *a, const char *text);

/* What in these words is the language of another program, and what to write instead, in one message; NULL when there
 * is nothing of that.  The words stay as they are. */
char *foreign_prompt_warning(Arena *a, const char *text);

#endif
