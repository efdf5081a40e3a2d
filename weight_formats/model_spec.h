/* model_spec.h - what a model was made for, as its metadata say: sizes, guidance, steps, words, recipes of training. */
#ifndef MODEL_SPEC_H
#define MODEL_SPEC_H

#include "checkpoint.h"
#include "lines.h"

typedef struct { int width, height; } PixelSize;

/* Texts live with the weights.  What is not said is 0 or NULL, but for size. */
typedef struct {
    PixelSize   size;                    /* of the pictures that it was trained on; 512 x 512 where it does not say */
    int         is_size_said;
    PixelSize   least, most;             /* the sizes that it draws well */
    double      cfg;                     /* guidance scale, 0.1 .. 100 */
    int         steps;                   /* of denoising, 1 .. 1000 */
    int         clip_skip;               /* that it was trained with, 1 or 2 */
    int         v_prediction, zero_snr;
    const char *upscaler;                /* the name of a file beside it, which makes its pictures larger */
    const char *words;                   /* those that it knows, a blank between each two */
    const char *pictures;                /* the kind of pictures, "drawn portraits" */
} ModelSpec;

/* Reads it.  ignored: receives a message for each value that makes no sense and is left out; may be NULL. */
ModelSpec model_spec(Arena *a, const Weights *w, Lines *ignored);

/* How a LoRA or an embedding is best trained for it: "max_train_steps=600 learning_rate=0.001".  method: as --method
 * names it.  NULL: it does not say. */
const char *model_spec_recipe(const Weights *w, const char *method);

/* The nearest size of about the same shape that the model draws well; the size itself where nothing is said. */
PixelSize model_spec_nearest_size(const ModelSpec *m, PixelSize size);

#endif
