/* lesson.h - one step of learning to predict the noise in pictures. */
#ifndef LESSON_H
#define LESSON_H

#include "nn.h"

/* A picture as it was encoded, the noise to put over it, and what is said of it. */
typedef struct {
    const int   *ids;                /* [texts,77] tokens, of one prompt; NULL: */
    Tensor       text;               /* what they were encoded to, [1,1,tokens,width], by an encoder that does not learn */
    int          texts, clip_skip;
    Tensor       latents;            /* [1,h,w,4] */
    const float *noise;              /* laid out as the latents */
    int          timestep;           /* 0 .. 999 */
    float        alpha_bar;          /* of that timestep: noisy = sqrt(alpha_bar) latents + sqrt(1 - alpha_bar) noise */
} Lesson;

/* Finds out what room the way back takes for a lesson of such sizes: for each size there will be, in any order, and for all of them then
 * begin_lessons takes it, for r->tape.  Fails as a dry run does.  It stays until released; the lessons are to begin where the arena stands then. */
void   rehearse_lesson(Run *r, const Lesson *l);
void   begin_lessons(Run *r);

/* The loss, the mean of (predicted noise - noise)^2; adds its gradients, times weight, to those of r->learner. */
double learn_from(Run *r, const Lesson *l, double weight);

/* The loss alone. */
double lesson_loss(Run *r, const Lesson *l);

#endif
