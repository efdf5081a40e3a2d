/* callbacks.h - what a caller may hear and see while a job runs: messages, progress, previews, and how to stop it.
 *
 * Every function of Callbacks may be NULL, and so may a pointer to Callbacks itself.  Then nobody listens.  All of
 * them are called from the thread that runs the job, between layers, never inside a parallel loop. */
#ifndef CALLBACKS_H
#define CALLBACKS_H

#include "tensor.h"

#include <signal.h>

/* rgb: [frames,height,width,3], in the arena */
typedef struct { int frames, width, height; unsigned char *rgb; } Pictures;

enum { ATTENTION_WORDS = 75 };           /* the most whose attention maps are wanted at once */

typedef struct {
    void *to;                            /* passed to each of them */
    /* A message: what was loaded and chosen, the plan, a warning. */
    void (*say)     (void *to, const char *line);
    /* stage: "step" ("pass", where a step takes several) or "frame".  done counts from 0. */
    void (*progress)(void *to, const char *stage, int done, int of);
    /* What to show beside the progress from now on: "loss 0.1034, rate 0.0001". */
    void (*note)    (void *to, const char *words);
    /* The picture so far, a pixel for each latent.  Takes at most a hundredth of the time. */
    void (*preview) (void *to, Pictures small);
    /* The output of every named layer, for tests. */
    void (*probe)   (void *to, const char *layer, Tensor output);
    /* The final latents, [frames,h,w,4], before they are decoded. */
    void (*latents) (void *to, Tensor x);
    /* Two ways to stop a job, looked at before each layer: it then fails as CANCELLED, with "interrupted". */
    int  (*cancel)  (void *to);          /* returns nonzero to stop it */
    const volatile sig_atomic_t *stop;   /* is set to stop it; a signal handler may do that */
    /* Where a drawing job keeps how far it is, and goes on from; see clip_state.h. */
    struct ClipState *state;
    /* The words whose attention maps are wanted, and who gets them; see attention_pictures.h. */
    const struct AttentionWish *attention;
} Callbacks;

int       callbacks_stopped(const Callbacks *w);      /* Is the job to stop? */
Callbacks callbacks_silent (const Callbacks *w);      /* Callbacks that hear nothing, and stop a job as w does. */

/* Each formats a text of at most 1023 bytes and passes it on, if somebody listens. */
void callbacks_say     (const Callbacks *c, const char *fmt, ...) __attribute__((format(printf, 2, 3)));
void callbacks_note    (const Callbacks *c, const char *fmt, ...) __attribute__((format(printf, 2, 3)));
void callbacks_progress(const Callbacks *c, const char *stage, int done, int of);

#endif
