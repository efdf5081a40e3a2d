/* optimizer_args.h - hyperparameters of all optimizers (kohya: --optimizer_args), and the tensors that they move. */
#ifndef OPTIMIZER_ARGS_H
#define OPTIMIZER_ARGS_H

#include "tensor.h"

typedef enum {
    OPTIMIZER_ADAMW,
    OPTIMIZER_ADAMW_8BIT,
    OPTIMIZER_LION,
    OPTIMIZER_ADAFACTOR,
    OPTIMIZER_PRODIGY,
    OPTIMIZER_DADAPT_ADAM,
    OPTIMIZER_DADAPT_LION,
    OPTIMIZERS                           /* how many there are */
} OptimizerType;

extern const char *const optimizer_names[];      /* "AdamW", ... by OptimizerType, as in kohya; NULL after the last */

/* The optimizer that stands in for one of another name: "PagedAdamW8bit" is AdamW8bit.  note: receives how the two
 * differ, NULL when they do not.  Returns OPTIMIZERS when there is none. */
OptimizerType optimizer_instead(const char *name, const char **note);

/* One tensor of trainable parameters. */
typedef struct {
    float       *x;                      /* [count] */
    const float *d;                      /* [count] its gradient */
    size_t       count;
    size_t       rows, columns;          /* its last two dimensions; rows 0: it is a vector */
    double       lr;                     /* of this step; 0: it stays as it is */
} OptimizerTensor;

/* By the names of the packages.  Each optimizer uses some of them. */
typedef struct {
    double weight_decay;
    double beta1, beta2, beta3;          /* beta3 0: sqrt(beta2) */
    double eps, eps2;                    /* eps2: Adafactor's second one */
    double d0, d_coef, growth_rate;      /* of those that find the rate themselves */
    double clip_threshold, decay_rate;   /* of Adafactor */
    int    decouple, use_bias_correction, safeguard_warmup;
    int    scale_parameter, relative_step, warmup_init;
    int    decoupled_weight_decay;       /* of Lion */
} OptimizerArgs;

/* The defaults of the package that has this optimizer. */
OptimizerArgs optimizer_args_default(OptimizerType type);

/* Reads "name=value name=value ..." as kohya's --optimizer_args takes them: numbers, True and False, None, and pairs as
 * betas=0.9,0.99 or betas=(0.9, 0.99).  text: NULL for none.  Fails when an argument is not one of this optimizer's, or
 * is out of range, with all of them in one message. */
void optimizer_args_read(Arena *a, OptimizerArgs *args, OptimizerType type, const char *text);

/* Does it find the learning rate itself?  Then the rate that is given is only a factor, usually 1. */
int finds_own_rate(OptimizerType type);

#endif
