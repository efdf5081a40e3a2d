/* dynamic_prompt.h - dynamic prompts: text that is drawn anew for every seed, as the web UI's extension of that
 * name writes it (adieyal/dynamicprompts):
 *
 *     {red|blue|}             one of them                {2::red|blue}    red twice as often
 *     {2$$red|blue|green}     two of them, with ","      {1-2$$ and $$red|blue}    one or two, with " and "
 *     __hair__                a line of wildcards/hair.txt, see wildcards.h
 *     ${c=!{red|blue}}        a name for what was drawn; without "!" it is drawn each time;  ${c?=...} unless it is set
 *     ${c}  ${c:red}          what the name stands for; red when it stands for nothing
 *     {@a|b}  __@hair__       in turn: the next seed has the next one;  {~a|b}  at random
 *     \{ \}                   plain braces
 *
 * A pair of braces without "|" or "$$" is plain text, and so is "__" with no second one. */
#ifndef DYNAMIC_PROMPT_H
#define DYNAMIC_PROMPT_H

#include "random.h"
#include "wildcards.h"

typedef struct {
    Arena           *a;
    const Wildcards *wildcards;          /* may be NULL */
    uint64_t         seed;
    Rng              rng;
    struct Variable *variable;           /* the latest first */
    struct Known    *known;              /* wildcards that were read already */
    char            *missing;            /* what was not found, as a list for people; NULL: all was */
    size_t           draws, read;        /* how often something was drawn; bytes that were read for that */
    size_t           weighed;            /* options that it was drawn from */
} DynamicPrompt;

/* Begins with a seed, of which the low 32 bits count, as for torch's generator (MT19937).  Draws come in the order
 * of the text, and within a choice the choice comes before what is in it.  A choice of n with weights takes the
 * next 32 bits, as a share of all weights. */
DynamicPrompt dynamic_prompt_begin(Arena *a, const Wildcards *w, uint64_t seed);

/* The text with everything drawn, in the arena; the text itself when there is nothing to draw.  A variable and the
 * generator go on to the next text.  Wildcards without a file and variables without a value are collected in
 * d->missing, and stay as they are.  Fails when what is drawn leads in a circle, or to more than a megabyte. */
const char *dynamic_prompt_draw(DynamicPrompt *d, const char *text);

/* The text without comments: lines that begin with "#", and what follows "#" between blanks to the end of its line.  In
 * the arena; the text itself when it has none. */
const char *dynamic_prompt_uncomment(Arena *a, const char *text);

#endif
