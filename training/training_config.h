/* training_config.h - the training configuration: the options of kohya's trainer, by its names. */
#ifndef TRAINING_CONFIG_H
#define TRAINING_CONFIG_H

#include "adapter_parts.h"
#include "buckets.h"
#include "lines.h"
#include "loss.h"
#include "lr_scheduler.h"
#include "optimizer.h"
#include "tensor.h"

typedef enum {
    METHOD_LORA,
    METHOD_DREAMBOOTH,                   /* a LoRA with prior preservation */
    METHOD_TEXTUAL_INVERSION,
    METHODS                              /* how many there are */
} TrainingMethod;

/* kohya's module of LoRA, or LyCORIS with its other families and its own defaults: any of LyCORIS' options means it. */
typedef enum { NETWORKS_LORA, LYCORIS_KOHYA, NETWORK_MODULES } NetworkModule;

/* LyCORIS' presets: which layers learn (Targets in trainable.h). */
typedef enum { PRESET_FULL, PRESET_FULL_LIN, PRESET_ATTN_MLP, PRESET_ATTN_ONLY, PRESET_UNET_ONLY, PRESETS } Preset;

extern const char *const network_module_names[];      /* "networks.lora", "lycoris.kohya"; NULL after the last */

/* Every field is an option of its name: training_config.c has the table, with what each is for and its range.  A host
 * program may set fields by hand, or by training_config_set().  training_config_check() then says what does not go
 * together. */
typedef struct {
    TrainingMethod  method;
    const char     *token;               /* a word that is trained; NULL: the output's name, or none beside a LoRA */
    const char     *init_word;           /* what its vectors begin as */
    int             num_vectors;         /* 0: as the model says, see model_recipe.h; train() fills it in */
    int             resolution;          /* a side in pixels; 0: the model's own */
    int             network_dim, conv_dim; /* rank of the LoRA pairs, and of those for 3x3 convolutions (0: none) */
    double          network_alpha, conv_alpha;      /* 0: as the rank */
    const char     *network_weights;     /* a LoRA to go on from; NULL: none */
    int             dim_from_weights;    /* its layers, ranks and alphas are those of the file */
    double          network_dropout, rank_dropout, module_dropout;
    double          scale_weight_norms;  /* 0: lengths are not limited */
    NetworkModule   network_module;
    AdapterAlgo     algo;                /* this and the next are LyCORIS', see adapter_parts.h */
    Preset          preset;
    int             factor, decompose_both, full_matrix, dora_wd, wd_on_output, rs_lora;
    double          learning_rate;       /* this and the next three -1: see training_learning_rates(); */
    double          unet_lr, text_encoder_lr, embedding_lr;      /* 0: that part stays as it is */
    int             network_train_unet_only;

    int             max_train_steps;     /* 0: by epochs */
    int             max_train_epochs;    /* 0: as the model says, or as many as make 100 steps for each picture */
    int             train_batch_size, gradient_accumulation_steps;
    int             repeats;
    const char     *dataset_config;      /* a file with folders of pictures, see dataset_config.h; NULL: none */
    const char     *reg_data_dir;        /* folder of class images; NULL: none */
    const char     *class_prompt;        /* what class images show; NULL: none */
    int             num_class_images;    /* to be drawn; 0: see the table */
    double          prior_loss_weight;

    int             enable_bucket, bucket_no_upscale;
    int             min_bucket_reso, max_bucket_reso, bucket_reso_steps;      /* 0: see training_buckets() */
    int             flip_aug, shuffle_caption, keep_tokens;
    int             max_token_length;    /* of a caption: 75, 150 or 225 */
    int             enable_wildcard;
    double          caption_dropout_rate, caption_tag_dropout_rate;
    int             caption_dropout_every_n_epochs;
    double          token_warmup_step;   /* below 1 the part of all steps */
    int             token_warmup_min;
    const char     *caption_prefix, *caption_suffix, *caption_separator, *secondary_separator, *keep_tokens_separator;
    double          validation_split;
    int             validation_seed;     /* -1: held-out pictures are spread evenly over the names */
    int             validate_every_n_steps, validate_every_n_epochs;      /* both 0: after each epoch */
    int             max_validation_steps;        /* 0: all held-out pictures are measured */
    int             skip_unreadable;     /* pictures that cannot be used are left out */
    const char     *caption_extension;   /* NULL: .txt, or .caption */

    OptimizerType   optimizer_type;
    LrSchedulerType lr_scheduler;
    double          lr_warmup_steps;     /* below 1 the part of all steps */
    int             lr_scheduler_num_cycles;
    double          lr_scheduler_power;
    double          lr_scheduler_min_lr_ratio;
    double          lr_decay_steps;      /* below 1 the part of all steps */
    int             lr_scheduler_timescale;      /* 0: the warm-up, or 10000 */
    const char     *optimizer_note;      /* how optimizer_type differs from what was asked for; NULL: it does not */
    const char     *optimizer_args;      /* "name=value name=value", see optimizer_args.h; NULL: none */
    double          weight_decay;        /* -1: the optimizer's own */
    double          max_grad_norm;
    double          min_snr_gamma;       /* 0: every timestep counts alike; -1: as the model says */
    int             debiased_estimation_loss;
    int             masked_loss, alpha_mask;
    const char     *conditioning_data_dir;       /* folder of masks; NULL: none */
    LossType        loss_type;
    HuberSchedule   huber_schedule;
    double          huber_c, huber_scale;
    double          noise_offset, adaptive_noise_scale, multires_noise_discount, ip_noise_gamma;
    int             noise_offset_random_strength, ip_noise_gamma_random_strength, multires_noise_iterations;
    int             min_timestep, max_timestep;      /* max_timestep 0: all of them */
    int             gradient_checkpointing;

    int             save_every_n_epochs, save_every_n_steps;      /* 0: never */
    int             save_last_n_epochs;  /* 0: all of them stay */
    int             save_state;
    const char     *sample_prompts;      /* a file, see samples.h; NULL: none */
    int             sample_every_n_epochs, sample_every_n_steps;      /* 0: at the end only */
    const char     *resume;              /* a state, or the folder of one; NULL: from the beginning */
} TrainingConfig;

extern const TrainingConfig training_config_default;

/* The part of AdamW's learning rate that is usual for Lion. */
extern const double TRAINING_LION_RATE;

/* ---- the table of options ---------------------------------------------------------------------- */

/* Sets one option by its name without dashes ("-", "_" and case alike).  value: NULL, true or false for a switch.
 * Strings are not copied.  Fails with what is allowed. */
void training_config_set(Arena *a, TrainingConfig *c, const char *name, const char *value);

/* Option i from 0 on: returns its name, NULL after the last.  value: what to call its argument, NULL when it takes
 * none. */
const char *training_option(size_t i, const char **value, const char **help);

/* The option of that name, written in any way; NULL when there is none.  bare: it takes no value. */
const char *training_option_find(const char *name, int *bare);

/* Is that option, by its name in the table, other than when it is not given? */
int training_option_given(const TrainingConfig *c, const char *name);

/* What option i is, as text, when the bytes of the result depend on it; NULL otherwise.  A state can be resumed only
 * where all of these are the same. */
const char *training_option_text(Arena *a, const TrainingConfig *c, size_t i);

/* Adds a message for each option that is none of its choices or out of its range.  When there is none, adds one for
 * each two that are right and do not go together. */
void training_config_faults(Arena *a, const TrainingConfig *c, Lines *faults);

/* Fails with all of them. */
void training_config_check(Arena *a, const TrainingConfig *c);

/* ---- what follows from the options -------------------------------------------------------------- */

int is_textual_inversion(const TrainingConfig *c);
int is_lycoris(const TrainingConfig *c);                  /* by its module, or by one of its options */
int has_prior_preservation(const TrainingConfig *c);

/* Buckets for pictures of about side x side.  Fails when the options contradict each other. */
Buckets training_buckets(Arena *a, const TrainingConfig *c, int side);

double        training_learning_rate(const TrainingConfig *c);      /* as asked for, or what is usual */
LearningRates training_learning_rates(const TrainingConfig *c);     /* of each parameter group; 0: it is not trained */

/* The schedule of the learning rate.  lr_factor() tells what it comes to in a step. */
LrScheduler training_lr_scheduler(const TrainingConfig *c);

/* Fails when --optimizer_args are not right. */
OptimizerArgs   training_optimizer_args(Arena *a, const TrainingConfig *c);

const char     *training_preset_name(const TrainingConfig *c);
int             training_conv_dim(const TrainingConfig *c);         /* 0: 3x3 convolutions do not learn */
double          training_alpha(const TrainingConfig *c);
double          training_conv_alpha(const TrainingConfig *c);
TrainableConfig training_trainable(const TrainingConfig *c);        /* the LoRA's part of it */

#endif
