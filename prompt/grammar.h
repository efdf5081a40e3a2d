/* grammar.h - the prompt language of the Stable Diffusion web UI 1.6 (its modules/prompt_parser.py), on text alone:
 *
 *     a cat AND a dog :1.2               composable diffusion: several prompts at once, each with a weight
 *     [from:to:when]  [to:when]          prompt editing, or scheduling: the text changes at a step
 *     [a|b|c]                            alternation: the text changes from step to step
 *     (more)  (much more:1.5)  [less]    emphasis, or attention weighting: 1.1, 1.5 and 1/1.1 times.  Brackets
 *                                        nest, and \( \) \[ \] \\ are plain characters.
 *     BREAK                              the rest begins a new chunk of tokens
 *
 * "when" is a number of steps, or with a decimal point a share of all steps.  Numbers past the first pass belong to
 * the second pass (Hires).
 *
 * Prompt travel is as sd-webui-animatediff writes it: lines "8: closed eyes", one for each key, between a head and
 * a tail.
 *
 * The levels are read from the outside in: travel, AND, editing, emphasis.  Brackets that do not match are plain
 * characters. */
#ifndef GRAMMAR_H
#define GRAMMAR_H

#include "tensor.h"

typedef struct { const char *text; double weight; } WeightedText;
typedef struct { WeightedText *at; size_t count; } WeightedTexts;

/* The prompts between the ANDs, at least one.  A number behind the last colon is the weight, 1 without; a single
 * prompt may have one, too. */
WeightedTexts grammar_split_and(Arena *a, const char *text);

/* A prompt with its edits and alternations.  Keeps a pointer to the text. */
typedef struct PromptEdits PromptEdits;

/* steps: of the first pass.  again: of a second pass, 0 without one.  A step is a call of the noise predictor. */
const PromptEdits *grammar_edits(Arena *a, const char *text, int steps, int again);

/* Does the text change at all? */
int grammar_has_edits(const PromptEdits *e);

/* The text at a step of a pass; both count from 0.  The web UI counts steps from 1 here, so step 0 has the text of
 * step 1. */
const char *grammar_at_step(Arena *a, const PromptEdits *e, int pass, int step);

/* Stretches of text with their emphasis, at least one; neighbours differ in weight.  what: "prompt" or "negative
 * prompt", for messages.  Fails when more than 1024 brackets are open at once, or with more than 65536 stretches. */
WeightedTexts grammar_emphasis(Arena *a, const char *text, const char *what);

/* Is this one of the stretches that stand for BREAK? */
int grammar_is_break(WeightedText p);

typedef struct { int frame; const char *line; } TravelKey;
typedef struct { TravelKey *key; size_t count; const char *head, *tail; } Travel;

/* The keys of prompt travel, in rising order; count is 0 when no line is a key.  Fails for a key at or past
 * `frames`, or out of order. */
Travel grammar_travel(Arena *a, const char *text, int frames);

/* The whole prompt of key i: "head, line, tail". */
const char *grammar_key_prompt(Arena *a, const Travel *t, size_t i);

#endif
