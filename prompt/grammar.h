/* grammar.h - the prompt language of the Stable Diffusion web UI, on text alone (its modules/prompt_parser.py, 1.6 and later):
 *
 *     a cat AND a dog :1.2               several prompts at once, each with a weight
 *     [from:to:when]  [to:when]          prompt editing; when: a step, or with a point a part of all steps; past them, of a second pass
 *     [a|b|c]                            alternation, from step to step
 *     (more)  (much more:1.5)  [less]    emphasis: 1.1, 1.5, 1/1.1 times; brackets nest, and \( \) \[ \] \\ are letters
 *     BREAK                              the rest begins a new chunk of tokens
 *
 * and prompt travel as sd-webui-animatediff writes it: lines "8: closed eyes" between a head and a tail.
 * The levels are taken apart from the outside in: travel, AND, editing, emphasis.  Brackets that do not match are letters. */
#ifndef GRAMMAR_H
#define GRAMMAR_H

#include "tensor.h"

typedef struct { const char *text; double weight; } Phrase;
typedef struct { Phrase *at; size_t count; } Phrases;

/* The prompts between the ANDs, at least one.  A number behind the last colon is a weight, of a single prompt too. */
Phrases grammar_and(Arena *a, const char *text);

typedef struct Edits Edits;
/* The places where a prompt changes from step to step; of `steps`, and of `again` in a second pass (Hires), 0 without one.  Steps
 * are counted as calls of the noise predictor. */
const Edits *grammar_edits(Arena *a, const char *text, int steps, int again);
int          grammar_edited(const Edits *e);                 /* is there any? */
/* The prompt of step 0, 1, ... of pass 0 or 1.  Like the web UI, whose steps count from 1 here, step 0 is told the same as step 1. */
const char  *grammar_at(Arena *a, const Edits *e, int pass, int step);

/* Stretches of equal weight, at least one; grammar_break() tells the marks between chunks.  Fails, naming `what`, when more
 * than a thousand brackets are open at once, or there are more than 65536 stretches. */
Phrases grammar_emphasis(Arena *a, const char *text, const char *what);
int     grammar_break(Phrase p);

typedef struct { int frame; const char *line; } Key;
typedef struct { Key *key; size_t count; const char *head, *tail; } Travel;
/* The keys of a clip's prompt, in rising order; none when no line is one.  Fails for a key at or past `frames`, or out of order. */
Travel      grammar_travel(Arena *a, const char *text, int frames);
const char *grammar_key   (Arena *a, const Travel *t, size_t i);      /* the whole prompt of key i: head, line, tail with commas between */

#endif
