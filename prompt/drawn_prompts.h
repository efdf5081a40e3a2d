/* drawn_prompts.h - the prompts of a request as they are drawn: without comments, with every choice made. */
#ifndef DRAWN_PROMPTS_H
#define DRAWN_PROMPTS_H

#include "settings.h"
#include "wildcards.h"

/* Draws both prompts by the request's seed (dynamic_prompt.h), takes comments out, and writes ComfyUI's
 * "embedding:name" as "name".  What a prompt was drawn from is kept as its template.  A prompt that comes from a
 * picture is drawn already and stays; so do all with "Dynamic prompts: off", but for comments.  label: for messages,
 * "p.txt".  Fails with everything that was not found. */
void prompts_draw(Arena *a, Request *r, const Wildcards *w, const char *label);

/* Tells warn what in the two prompts is the language of another program, or a tag where none is read. */
void prompts_warn(Arena *a, const Request *r, const char *label, void (*warn)(void *to, const char *line), void *to);

#endif
