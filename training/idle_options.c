/* idle_options.c - options that were given and change nothing in this job.
 *
 * --keep_tokens without --shuffle_caption is no error, but whoever gives it expects something of it.  kohya's trainer
 * takes it without a word.  All such pairs are in one table: an option, when it counts, and what it is without.  An
 * option counts as given when it is not as it would be otherwise. */
#include "idle_options.h"

#include "chars.h"

typedef struct {
    const char *option;
    int       (*counts)(const TrainingConfig *c);
    const char *why_not;
} Rule;

static int trains_lora(const TrainingConfig *c) { return !is_textual_inversion(c); }
static int trains_word(const TrainingConfig *c) { return is_textual_inversion(c) || c->token; }
static int has_convolutions(const TrainingConfig *c) { return training_conv_dim(c) > 0; }
static int trains_text(const TrainingConfig *c) { return !c->network_train_unet_only; }
static int draws_class(const TrainingConfig *c) { return c->class_prompt && !c->reg_data_dir; }
static int has_class(const TrainingConfig *c) { return has_prior_preservation(c) || c->dataset_config; }
static int has_buckets(const TrainingConfig *c) { return c->enable_bucket || c->dataset_config; }
static int enlarges(const TrainingConfig *c) { return !c->enable_bucket || !c->bucket_no_upscale; }
static int warms_tags_up(const TrainingConfig *c) { return c->token_warmup_step > 0; }
static int offsets_noise(const TrainingConfig *c) { return c->noise_offset > 0; }
static int perturbs_input(const TrainingConfig *c) { return c->ip_noise_gamma > 0; }
static int has_multires_noise(const TrainingConfig *c) { return c->multires_noise_iterations > 0; }
static int saves_epochs(const TrainingConfig *c) { return c->save_every_n_epochs > 0; }
static int is_polynomial(const TrainingConfig *c) { return c->lr_scheduler == LR_POLYNOMIAL; }
static int is_inverse_sqrt(const TrainingConfig *c) { return c->lr_scheduler == LR_INVERSE_SQRT; }
static int decays_at_end(const TrainingConfig *c) { return c->lr_scheduler == LR_WARMUP_STABLE_DECAY; }
static int is_huber(const TrainingConfig *c) { return c->loss_type == LOSS_HUBER || c->loss_type == LOSS_SMOOTH_L1; }
static int scales_huber(const TrainingConfig *c) { return is_huber(c) && c->huber_schedule != HUBER_SNR; }

static int holds_out(const TrainingConfig *c) { return c->validation_split > 0; }

static int has_least(const TrainingConfig *c)
{
    return c->lr_scheduler == LR_COSINE_WITH_MIN_LR || c->lr_scheduler == LR_WARMUP_STABLE_DECAY;
}

static int has_cycles(const TrainingConfig *c)
{
    return c->lr_scheduler == LR_COSINE_WITH_RESTARTS || has_least(c);
}

/* Are captions taken apart at their commas? */
static int takes_tags_apart(const TrainingConfig *c)
{
    return c->shuffle_caption || c->caption_tag_dropout_rate > 0 || c->token_warmup_step > 0 || c->dataset_config;
}

static int has_separator_use(const TrainingConfig *c)
{
    return takes_tags_apart(c) || c->secondary_separator || c->keep_tokens_separator;
}

/* Is there a part that learns at learning_rate itself?  The end of a polynomial schedule is counted from it, too. */
static int needs_rate(const TrainingConfig *c)
{
    int text_has_own = c->text_encoder_lr >= 0 || c->network_train_unet_only;
    if (is_textual_inversion(c)) return !(c->embedding_lr >= 0);
    return !(c->unet_lr >= 0 && text_has_own) || is_polynomial(c);
}

static const char NO_LORA[] = "textual inversion trains no LoRA";
static const char NO_BUCKETS[] = "without --enable_bucket";
static const char NO_HUBER[] = "without --loss_type huber or smooth_l1";
static const char NO_WORD[] = "no word is learned; --token or --method textual_inversion";
static const char NONE_HELD_OUT[] = "no pictures are held out without --validation_split";
static const char NOT_ENLARGED[] = "with --bucket_no_upscale pictures keep their sizes";

static const Rule rules[] = {
    { "network_dim", trains_lora, NO_LORA },
    { "network_alpha", trains_lora, NO_LORA },
    { "conv_dim", trains_lora, NO_LORA },
    { "conv_alpha", has_convolutions, "without --conv_dim" },
    { "unet_lr", trains_lora, NO_LORA },
    { "text_encoder_lr", trains_lora, NO_LORA },
    { "text_encoder_lr", trains_text, "with --network_train_unet_only" },
    { "network_train_unet_only", trains_lora, NO_LORA },
    { "learning_rate", needs_rate, "all that learns has a rate of its own" },
    { "init_word", trains_word, NO_WORD },
    { "num_vectors", trains_word, NO_WORD },
    { "embedding_lr", trains_word, NO_WORD },
    { "num_class_images", draws_class, "none are drawn without --class_prompt, or with --reg_data_dir" },
    { "prior_loss_weight", has_class, "without pictures of the class: --reg_data_dir or --class_prompt" },
    { "bucket_no_upscale", has_buckets, NO_BUCKETS },
    { "min_bucket_reso", has_buckets, NO_BUCKETS },
    { "max_bucket_reso", has_buckets, NO_BUCKETS },
    { "bucket_reso_steps", has_buckets, NO_BUCKETS },
    { "min_bucket_reso", enlarges, NOT_ENLARGED },
    { "max_bucket_reso", enlarges, NOT_ENLARGED },
    { "keep_tokens", takes_tags_apart, "without --shuffle_caption" },
    { "keep_tokens_separator", takes_tags_apart, "without --shuffle_caption it is only left out of the captions" },
    { "caption_separator", has_separator_use, "without --shuffle_caption" },
    { "token_warmup_min", warms_tags_up, "without --token_warmup_step" },
    { "lr_scheduler_num_cycles", has_cycles, "this --lr_scheduler has no cycles" },
    { "lr_scheduler_power", is_polynomial, "without --lr_scheduler polynomial" },
    { "lr_scheduler_min_lr_ratio", has_least, "this --lr_scheduler has no least rate" },
    { "lr_scheduler_timescale", is_inverse_sqrt, "without --lr_scheduler inverse_sqrt" },
    { "lr_decay_steps", decays_at_end, "without --lr_scheduler warmup_stable_decay" },
    { "noise_offset_random_strength", offsets_noise, "without --noise_offset" },
    { "multires_noise_discount", has_multires_noise, "without --multires_noise_iterations" },
    { "ip_noise_gamma_random_strength", perturbs_input, "without --ip_noise_gamma" },
    { "huber_schedule", is_huber, NO_HUBER },
    { "huber_c", is_huber, NO_HUBER },
    { "huber_scale", scales_huber, "without a huber loss, or with --huber_schedule snr" },
    { "validation_seed", holds_out, NONE_HELD_OUT },
    { "validate_every_n_steps", holds_out, NONE_HELD_OUT },
    { "validate_every_n_epochs", holds_out, NONE_HELD_OUT },
    { "max_validation_steps", holds_out, NONE_HELD_OUT },
    { "save_last_n_epochs", saves_epochs, "without --save_every_n_epochs" },
};

Lines idle_options(Arena *a, const TrainingConfig *c)
{
    Lines idle = { 0 };
    for (size_t i = 0; i < sizeof rules / sizeof *rules; i++) {
        const Rule *r = &rules[i];
        if (training_option_given(c, r->option) && !r->counts(c))
            lines_add(a, &idle, format(a, "--%s (%s)", r->option, r->why_not));
    }
    return idle;
}
