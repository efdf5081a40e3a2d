/* clip_state.h - how far a drawing job is, in a file beside its result: an interrupted job goes on from it. */
#ifndef CLIP_STATE_H
#define CLIP_STATE_H

#include "callbacks.h"
#include "files.h"
#include "random.h"
#include "weight_file.h"

/* The stages of a job, in their order. */
typedef enum { FIRST_PASS, SECOND_PASS, FRAMES } ClipStage;

/* How far a job is.  What is to come depends on this and on the job, and on nothing else. */
typedef struct {
    ClipStage            stage;
    uint32_t             done;           /* of a pass: calls of the model; of FRAMES: frames that are decoded */
    uint32_t             draws;          /* of a pass: how often noise was drawn */
    Rng                  rng;            /* of a pass: torch's generator */
    Tensor               latents;        /* [frames,h,w,4], of the stage */
    const float         *memory;         /* of a pass: what the sampler keeps, [buffers * size(latents)] */
    int                  buffers;
    const unsigned char *rgb;            /* of FRAMES: [done,height,width,3] */
    int                  width, height;
} ClipPosition;

/* What a job's positions may be: the shapes, and `done` as the number of all calls or frames. */
typedef struct { ClipPosition most[FRAMES + 1]; } ClipBounds;

/* Where a job keeps how far it is. */
typedef struct ClipState {
    /* the caller's */
    const char *target;                  /* the path of the result, "prompt.gif": the state is "prompt.gif.state" */
    double      every;                   /* seconds, at least, from one state to the next; 0: after each call of the
                                            model and each frame; negative: none is written */
    const char *asked;                   /* what was asked for, when the seed was drawn at random; or NULL */
    int         is_fresh;                /* begins anew where it could go on */
    const Callbacks *callbacks;          /* who hears of states; or NULL */
    Tensor      given;                   /* the final latents, which are only to be decoded: no state is looked for, and
                                            none is written; .x NULL: none */
    void      (*on_latents)(void *to, Tensor x);      /* sees the final latents before they are decoded; or NULL */
    void       *on_latents_to;
    /* by the functions below */
    int         number;                  /* of the file: "prompt.gif.state" is 1, "prompt.gif-2.state" is 2 */
    int         is_found;                /* the job goes on from `from`, whose arrays are mapped */
    ClipPosition from;
    const WeightFile *file;
    int         is_ours;                 /* there is a file of this job: it is replaced, and removed in the end */
    char        own[17];                 /* that file's digest */
    int         is_warned;
    double      begun, next;             /* seconds of system_seconds(): when the job began, when a state is due */
} ClipState;

/* Looks for a state of a job for which the same was asked, whose seed was drawn at random: then returns 1, and the
 * seed. */
int clip_state_drawn_seed(Arena *a, const ClipState *s, uint64_t *seed);

/* The state for which the same was asked, for what clip_state_save_begun() wrote in its metadata; NULL: there is none.
 */
const WeightFile *clip_state_asked(Arena *a, const ClipState *s);

/* Looks for a state of this job among the files "TARGET.state", "TARGET-2.state", ..., and finds the file that the
 * job's own state will be in.  States of other jobs, and files that are damaged, stay as they are, and are told.
 * What killed processes left half written of these files, and of TARGET, is removed.
 * identity: all that the result depends on, by name.  To be called again, it looks behind the file that it found. */
void clip_state_find(Arena *a, ClipState *s, const KeyValue *identity, size_t entries, const ClipBounds *bounds);

/* Checks that a file in memory is a state and whole.  Fails with path and reason. */
const WeightFile *clip_state_read(Arena *a, const char *path, Bytes file);

const char *clip_state_path(Arena *a, const ClipState *s);
double      clip_state_bytes(const ClipBounds *b);      /* of the largest state that the job will have */

void clip_state_begin(ClipState *s);             /* the work begins now, and the time is counted */
int  clip_state_due  (const ClipState *s);       /* is it time for a state? */
int  clip_state_worth(const ClipState *s);       /* has the job lasted so long that a last state is worth it? */

/* Writes the state, through a temporary file.  When that fails, the state before stays, and a warning is said once.
 * Returns whether the file has it. */
int  clip_state_save(Arena *a, ClipState *s, const KeyValue *identity, size_t entries, const ClipPosition *p);

/* Writes a state that says nothing but with which seed the job began, and what else its caller notes: [notes]; for a
 * grid and for several pictures, which have states of their own. */
void clip_state_save_begun(Arena *a, ClipState *s, uint64_t seed, const KeyValue *note, size_t notes);

/* The result is saved: removes the file. */
void clip_state_done(Arena *a, ClipState *s);

#endif
