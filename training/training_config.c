/* training_config.c - the training configuration.
 *
 * One table says of each option what it is called, which values it takes and what it is for.  Reading, checking, the
 * help and the text in a saved state come from it.  Names and meanings are those of kohya's trainer (sd-scripts,
 * train_network.py), and each is the name of its field too.  Some options are not among them: method, token,
 * num_vectors and repeats, which kohya has in other scripts and files, and class_prompt and num_class_images, which are
 * diffusers'.
 *
 * Words that choose between ways (method, optimizer_type, lr_scheduler) become enums here, once, when they are read.
 * Nothing later compares strings. */
#include "training_config.h"

#include "chars.h"

#include <math.h>
#include <string.h>

const double TRAINING_LION_RATE = 0.3;

const TrainingConfig training_config_default = {
    .method = METHOD_LORA,
    .init_word = "person",
    .network_dim = 16,
    .factor = -1, .wd_on_output = 1,
    .learning_rate = -1, .unet_lr = -1, .text_encoder_lr = -1, .embedding_lr = -1,
    .train_batch_size = 1, .gradient_accumulation_steps = 1, .repeats = 1,
    .prior_loss_weight = 1,
    .max_token_length = 75, .token_warmup_min = 1,
    .validation_seed = -1,
    .optimizer_type = OPTIMIZER_ADAMW,
    .lr_scheduler = LR_COSINE, .lr_scheduler_num_cycles = 1, .lr_scheduler_power = 1,
    .weight_decay = -1, .max_grad_norm = 1, .min_snr_gamma = -1,
    .huber_c = 0.1, .huber_scale = 1, .multires_noise_discount = 0.3,
};

static const char *const method_names[] = {
    [METHOD_LORA]              = "lora",
    [METHOD_DREAMBOOTH]        = "dreambooth",
    [METHOD_TEXTUAL_INVERSION] = "textual_inversion",
    [METHODS]                  = NULL,
};

const char *const network_module_names[] = {
    [NETWORKS_LORA]   = "networks.lora",
    [LYCORIS_KOHYA]   = "lycoris.kohya",
    [NETWORK_MODULES] = NULL,
};

static const char *const preset_names[] = {
    [PRESET_FULL]      = "full",
    [PRESET_FULL_LIN]  = "full-lin",
    [PRESET_ATTN_MLP]  = "attn-mlp",
    [PRESET_ATTN_ONLY] = "attn-only",
    [PRESET_UNET_ONLY] = "unet-only",
    [PRESETS]          = NULL,
};

/* ---- the table --------------------------------------------------------------------------------- */

/* What a field is: int, double, int that is 0 or 1, one of the five enums, or const char *. */
typedef enum { WHOLE, REAL, SWITCH, METHOD, MODULE, ALGO, PRESET, OPTIMIZER, SCHEDULER, LOSS, HUBER, TEXT } OptionType;

/* Does another value change what a job that is resumed comes to?  Its metadata name what does. */
typedef enum { FIXED, FREE } OnResume;

typedef struct {
    const char *name;
    const char *value;                   /* what to call its argument; NULL: it takes none */
    OptionType  type;
    OnResume    resume;
    size_t      at;                      /* of the field */
    double      least, most;             /* of numbers */
    const char *help;                    /* in brackets what holds when it is not given */
} Option;

/* An option is called as its field. */
#define FIELD(field) .name = #field, .at = offsetof(TrainingConfig, field)

static const Option options[] = {
    { FIELD(method), .value = "NAME", .type = METHOD,
      .help = "lora, dreambooth (a LoRA that keeps its class: see --class_prompt) or textual_inversion (lora)" },
    { FIELD(token), .value = "NAME", .type = TEXT, .resume = FREE,      /* train_resume.c names the word itself */
      .help = "a word in the captions that is learned, put first where it is missing; with a LoRA both are "
              "(the output's name; with a LoRA none)" },
    { FIELD(init_word), .value = "TEXT", .type = TEXT, .help = "what the learned word begins as (person)" },
    { FIELD(num_vectors), .value = "N", .type = WHOLE, .least = 1, .most = 64,
      .help = "tokens that the learned word takes in a prompt (what the model's file says, or 4)" },
    { FIELD(resolution), .value = "N", .type = WHOLE, .least = 64, .most = 2048,
      .help = "side of the pictures in pixels, a multiple of 8 (the model's own)" },
    { FIELD(network_dim), .value = "N", .type = WHOLE, .least = 1, .most = 1024, .help = "rank of the pairs (16)" },
    { FIELD(network_alpha), .value = "X", .type = REAL, .most = 65504,
      .help = "the pairs count alpha / rank times (the rank)" },
    { FIELD(conv_dim), .value = "N", .type = WHOLE, .least = 1, .most = 1024,
      .help = "rank of pairs for the UNet's 3x3 convolutions, and its resnets learn too (LoCon) (none)" },
    { FIELD(conv_alpha), .value = "X", .type = REAL, .most = 65504,
      .help = "as network_alpha, for the pairs of convolutions (conv_dim)" },
    { FIELD(network_weights), .value = "FILE", .type = TEXT, .resume = FREE,      /* train_resume.c has its digest */
      .help = "a LoRA that training goes on from, with other pictures too (none)" },
    { FIELD(dim_from_weights), .type = SWITCH,
      .help = "layers, ranks and alphas are those of --network_weights, whatever --network_dim says" },
    { FIELD(network_dropout), .value = "X", .type = REAL, .most = 0.99,
      .help = "the part of the values between the two matrices of a pair that is dropped in each step (0)" },
    { FIELD(rank_dropout), .value = "X", .type = REAL, .most = 0.99, .help = "the same of the rank's components (0)" },
    { FIELD(module_dropout), .value = "X", .type = REAL, .most = 0.99,
      .help = "the part of the layers whose adapter is left out in each step (0)" },
    { FIELD(scale_weight_norms), .value = "X", .type = REAL, .most = 65504,
      .help = "no adapter changes its weight by a longer difference, 1 is usual (max norm regularization); 0: any "
              "length (0)" },
    { FIELD(network_module), .value = "NAME", .type = MODULE,
      .help = "networks.lora, or lycoris.kohya: more families, --conv_dim as --network_dim, layers of --preset "
              "(networks.lora)" },
    { FIELD(algo), .value = "NAME", .type = ALGO, .help = "lora, loha or lokr, as LyCORIS trains them (lora)" },
    { FIELD(preset), .value = "NAME", .type = PRESET,
      .help = "the layers that LyCORIS trains: full, full-lin, attn-mlp, attn-only or unet-only (full)" },
    { FIELD(factor), .value = "N", .type = WHOLE, .least = -1, .most = 1024,
      .help = "LoKr: the smaller side of the first factor; -1: near the square root (-1)" },
    { FIELD(decompose_both), .type = SWITCH, .help = "LoKr: the first factor may be a product of two, too" },
    { FIELD(full_matrix), .type = SWITCH, .help = "LoKr: the second factor is never a product of two" },
    { FIELD(dora_wd), .type = SWITCH, .help = "DoRA: lengths and directions of a weight learn apart" },
    { FIELD(wd_on_output), .type = SWITCH,
      .help = "DoRA: a length for each output; false: for each input (true)" },
    { FIELD(rs_lora), .type = SWITCH, .help = "alpha / sqrt(rank) instead of alpha / rank" },
    { FIELD(learning_rate), .value = "X", .type = REAL, .most = 10,
      .help = "how far a step moves what learns (what the model's file says, or 0.0001; 0.005 for textual inversion)" },
    { FIELD(unet_lr), .value = "X", .type = REAL, .most = 10, .help = "the learning rate of the UNet (learning_rate)" },
    { FIELD(text_encoder_lr), .value = "X", .type = REAL, .most = 10,
      .help = "that of the text encoder (half of learning_rate)" },
    { FIELD(embedding_lr), .value = "X", .type = REAL, .most = 10, .help = "that of the word beside a LoRA (0.005)" },
    { FIELD(network_train_unet_only), .type = SWITCH, .help = "the text encoder stays as it is" },
    { FIELD(max_train_steps), .value = "N", .type = WHOLE, .resume = FREE, .least = 1, .most = 1e7,
      .help = "steps in all (what the model's file says, or 100 for each picture)" },
    { FIELD(max_train_epochs), .value = "N", .type = WHOLE, .resume = FREE, .least = 1, .most = 1e6,
      .help = "or how often all pictures are seen, with their repeats; of both what comes to fewer steps" },
    { FIELD(train_batch_size), .value = "N", .type = WHOLE, .least = 1, .most = 1024,
      .help = "pictures in a step (1)" },
    { FIELD(gradient_accumulation_steps), .value = "N", .type = WHOLE, .least = 1, .most = 1024,
      .help = "batches in a step (1)" },
    { FIELD(repeats), .value = "N", .type = WHOLE, .least = 1, .most = 65536,
      .help = "how often each picture is seen in an epoch, times what its folder's name says (1)" },
    { FIELD(dataset_config), .value = "FILE", .type = TEXT, .resume = FREE,
      .help = "several folders of pictures, each with options of its own, in place of PHOTOS: TOML or JSON, as kohya's "
              "trainer reads it" },
    { FIELD(reg_data_dir), .value = "DIR", .type = TEXT, .resume = FREE,
      .help = "pictures of the class, laid out as PHOTOS; as many are seen as of PHOTOS" },
    { FIELD(class_prompt), .value = "TEXT", .type = TEXT, .resume = FREE,
      .help = "what class pictures show; without --reg_data_dir they are drawn first, into OUT-class, and kept" },
    { FIELD(num_class_images), .value = "N", .type = WHOLE, .resume = FREE, .least = 1, .most = 100000,
      .help = "how many class pictures are drawn (4 for each picture, at most 100)" },
    { FIELD(prior_loss_weight), .value = "X", .type = REAL, .most = 1000, .help = "how much class pictures count (1)" },
    { FIELD(enable_bucket), .type = SWITCH,
      .help = "pictures keep about their shape: sizes of the same area instead of squares" },
    { FIELD(min_bucket_reso), .value = "N", .type = WHOLE, .least = 8, .most = 4096,
      .help = "the shortest side of a bucket (256; for small models half the resolution)" },
    { FIELD(max_bucket_reso), .value = "N", .type = WHOLE, .least = 8, .most = 4096,
      .help = "the longest side of a bucket (1024; for small models twice the resolution)" },
    { FIELD(bucket_reso_steps), .value = "N", .type = WHOLE, .least = 8, .most = 512,
      .help = "sides of buckets are multiples of it (64; for small models an eighth of the resolution)" },
    { FIELD(bucket_no_upscale), .type = SWITCH, .help = "small pictures stay small" },
    { FIELD(flip_aug), .type = SWITCH,
      .help = "every other picture is mirrored; not for faces with a parting, or a mark on one side" },
    { FIELD(shuffle_caption), .type = SWITCH,
      .help = "what stands between the commas of a caption, in a new order each time" },
    { FIELD(keep_tokens), .value = "N", .type = WHOLE, .most = 1000,
      .help = "so many parts of a caption stay in front when it is shuffled (0)" },
    { FIELD(caption_dropout_rate), .value = "X", .type = REAL, .most = 1,
      .help = "how often nothing is said of a picture (0)" },
    { FIELD(caption_dropout_every_n_epochs), .value = "N", .type = WHOLE, .least = 1, .most = 1e6,
      .help = "in each n-th epoch nothing is said of any picture (in none)" },
    { FIELD(caption_tag_dropout_rate), .value = "X", .type = REAL, .most = 1,
      .help = "how often a part of a caption between commas is left out; those of keep_tokens never are (0)" },
    { FIELD(max_token_length), .value = "N", .type = WHOLE, .least = 75, .most = 225,
      .help = "75, 150 or 225: so many tokens of a caption are read (75)" },
    { FIELD(caption_prefix), .value = "TEXT", .type = TEXT, .help = "stands before each caption, with a space behind" },
    { FIELD(caption_suffix), .value = "TEXT", .type = TEXT, .help = "stands behind each caption" },
    { FIELD(enable_wildcard), .type = SWITCH,
      .help = "each time one line of a caption, and of each {a|b|c} in it one alternative" },
    { FIELD(caption_separator), .value = "TEXT", .type = TEXT,
      .help = "what stands between the parts of a caption (,)" },
    { FIELD(secondary_separator), .value = "TEXT", .type = TEXT,
      .help = "parts with it between stay together when they are shuffled or left out; it becomes caption_separator" },
    { FIELD(keep_tokens_separator), .value = "TEXT", .type = TEXT,
      .help = "as |||: parts before it stay in front, parts behind the second one at the end (keep_tokens)" },
    { FIELD(token_warmup_step), .value = "X", .type = REAL, .most = 1e7,
      .help = "until this step, or below 1 this part of all steps, more and more parts of a caption are seen (0)" },
    { FIELD(token_warmup_min), .value = "N", .type = WHOLE, .most = 1000,
      .help = "so many parts in the first step (1)" },
    { FIELD(validation_split), .value = "X", .type = REAL, .most = 0.9,
      .help = "so large a part of the pictures, of 5 or more, is not learned from but measured with: how alike it "
              "becomes, and at which step it was best, which is kept as OUT-best.safetensors (0)" },
    { FIELD(validation_seed), .value = "N", .type = WHOLE, .resume = FREE, .most = 2147483647,
      .help = "which pictures are held out, and the noise that they are measured under (spread evenly over the "
              "names)" },
    { FIELD(validate_every_n_steps), .value = "N", .type = WHOLE, .resume = FREE, .least = 1, .most = 1e7,
      .help = "how often they are measured, in steps; always at the beginning and at the end (after each epoch)" },
    { FIELD(validate_every_n_epochs), .value = "N", .type = WHOLE, .resume = FREE, .least = 1, .most = 1e6,
      .help = "the same counted in epochs; with both, both (1)" },
    { FIELD(max_validation_steps), .value = "N", .type = WHOLE, .resume = FREE, .least = 1, .most = 100000,
      .help = "so many of the held-out pictures are measured (all)" },
    { FIELD(optimizer_type), .value = "NAME", .type = OPTIMIZER,
      .help = "AdamW; AdamW8bit, in a quarter of the memory; Lion; Adafactor; or Prodigy, DAdaptAdam and DAdaptLion, "
              "which find the learning rate themselves (AdamW)" },
    { FIELD(optimizer_args), .value = "K=V ...", .type = TEXT,
      .help = "what else the optimizer takes, as \"weight_decay=0.1 betas=0.9,0.99 decouple=True\" (none)" },
    { FIELD(lr_scheduler), .value = "NAME", .type = SCHEDULER,
      .help = "constant, constant_with_warmup, linear, cosine, cosine_with_restarts, polynomial, inverse_sqrt, "
              "cosine_with_min_lr or warmup_stable_decay (cosine)" },
    { FIELD(lr_warmup_steps), .value = "X", .type = REAL, .most = 1e7,
      .help = "steps until the learning rate is full, or below 1 the part of all steps (0)" },
    { FIELD(lr_scheduler_num_cycles), .value = "N", .type = WHOLE, .least = 1, .most = 1e6,
      .help = "cycles of cosine_with_restarts, and half waves of cosine_with_min_lr and warmup_stable_decay (1)" },
    { FIELD(lr_scheduler_min_lr_ratio), .value = "X", .type = REAL, .most = 1,
      .help = "the part of the learning rate that cosine_with_min_lr and warmup_stable_decay end at (0)" },
    { FIELD(lr_scheduler_timescale), .value = "N", .type = WHOLE, .most = 1e7,
      .help = "how slowly inverse_sqrt falls, in steps (the warm-up, or 10000)" },
    { FIELD(lr_decay_steps), .value = "X", .type = REAL, .most = 1e7,
      .help = "the last steps, in which warmup_stable_decay falls, or below 1 the part of all steps" },
    { FIELD(lr_scheduler_power), .value = "X", .type = REAL, .most = 100, .help = "the power of polynomial (1)" },
    { FIELD(weight_decay), .value = "X", .type = REAL, .most = 1,
      .help = "how much of itself a weight loses in a step, times the learning rate (0.01 for AdamW, 0 for others)" },
    { FIELD(max_grad_norm), .value = "X", .type = REAL, .most = 1e6,
      .help = "longer gradients are made this long; 0: never (1)" },
    { FIELD(min_snr_gamma), .value = "X", .type = REAL, .most = 1000,
      .help = "steps of little noise count less (Hang et al., 2023); 0: not (what the model's file says, or 0)" },
    { FIELD(debiased_estimation_loss), .type = SWITCH,
      .help = "steps of much noise count more (Yu et al., 2023); a lower learning rate may be needed" },
    { FIELD(masked_loss), .type = SWITCH,
      .help = "only what is white in the pictures of --conditioning_data_dir is learned, or without it, what is "
              "opaque" },
    { FIELD(conditioning_data_dir), .value = "DIR", .type = TEXT,
      .help = "masks, called as the pictures are: white where they are to be learned, black where not" },
    { FIELD(alpha_mask), .type = SWITCH, .help = "only what is opaque in a picture is learned" },
    { FIELD(loss_type), .value = "NAME", .type = LOSS,
      .help = "l2, l1, huber or smooth_l1: the last three mind less what is far off (l2)" },
    { FIELD(huber_schedule), .value = "NAME", .type = HUBER,
      .help = "snr, exponential or constant: how huber_c depends on the timestep (snr)" },
    { FIELD(huber_c), .value = "X", .type = REAL, .least = 1e-6, .most = 1000,
      .help = "where the losses huber and smooth_l1 turn from a square to a straight line (0.1)" },
    { FIELD(huber_scale), .value = "X", .type = REAL, .least = 1e-6, .most = 1000,
      .help = "huber_c times it, in the schedules exponential and constant (1)" },
    { FIELD(noise_offset), .value = "X", .type = REAL, .most = 1,
      .help = "how far the noise of a channel is shifted as a whole, for very dark and bright pictures (0)" },
    { FIELD(noise_offset_random_strength), .type = SWITCH,
      .help = "each time another part of noise_offset, from none to all of it" },
    { FIELD(adaptive_noise_scale), .value = "X", .type = REAL, .least = -10, .most = 10,
      .help = "noise_offset grows by so much of the channel's mean; needs noise_offset (0)" },
    { FIELD(multires_noise_iterations), .value = "N", .type = WHOLE, .most = 64,
      .help = "levels of coarse noise that are added, 6 to 10 are usual; for the same as noise_offset (0)" },
    { FIELD(multires_noise_discount), .value = "X", .type = REAL, .most = 10,
      .help = "how much each of them counts of the one before it (0.3)" },
    { FIELD(ip_noise_gamma), .value = "X", .type = REAL, .most = 10,
      .help = "the input has so much more noise than the target says, 0.1 is usual (0)" },
    { FIELD(ip_noise_gamma_random_strength), .type = SWITCH,
      .help = "each time another part of ip_noise_gamma, from none to all of it" },
    { FIELD(min_timestep), .value = "N", .type = WHOLE, .most = 999, .help = "the first timestep that is learned (0)" },
    { FIELD(max_timestep), .value = "N", .type = WHOLE, .least = 1, .most = 1000,
      .help = "the timesteps below it are learned (1000)" },
    { FIELD(caption_extension), .value = "EXT", .type = TEXT, .help = "how files of captions end (.txt, or .caption)" },
    { FIELD(skip_unreadable), .type = SWITCH, .resume = FREE,
      .help = "pictures that cannot be read, and those whose captions cannot, are left out" },
    { FIELD(gradient_checkpointing), .type = SWITCH, .resume = FREE,
      .help = "less memory: each block is computed again on the way back; the result is the same" },
    { FIELD(save_every_n_epochs), .value = "N", .type = WHOLE, .resume = FREE, .least = 1, .most = 1e6,
      .help = "how often what is learned so far is saved, to OUT-000001.safetensors, and the state, "
              "to OUT-state.safetensors (never)" },
    { FIELD(save_last_n_epochs), .value = "N", .type = WHOLE, .resume = FREE, .least = 1, .most = 1e6,
      .help = "so many of those stay, older ones that this job saved are deleted (all)" },
    { FIELD(save_every_n_steps), .value = "N", .type = WHOLE, .resume = FREE, .least = 1, .most = 1e7,
      .help = "the same counted in steps, to OUT-step00000001.safetensors (never)" },
    { FIELD(save_state), .type = SWITCH, .resume = FREE,
      .help = "the state is saved at the end, too, as it always is after Ctrl-C" },
    { FIELD(sample_prompts), .value = "FILE", .type = TEXT, .resume = FREE,
      .help = "what to draw on the way, to OUT-000001-sample1.png: a prompt file; or a prompt on each line, with "
              "--n negative --w 512 --h 512 --d seed --l cfg --s steps behind it" },
    { FIELD(sample_every_n_epochs), .value = "N", .type = WHOLE, .resume = FREE, .least = 1, .most = 1e6,
      .help = "how often samples are drawn (at the end)" },
    { FIELD(sample_every_n_steps), .value = "N", .type = WHOLE, .resume = FREE, .least = 1, .most = 1e7,
      .help = "the same counted in steps, to OUT-step00000001-sample1.png (at the end)" },
    { FIELD(resume), .value = "PATH", .type = TEXT, .resume = FREE,
      .help = "goes on from a state, or from OUT-state.safetensors in that folder, with all else but the number of "
              "steps as before" },
};
enum { OPTIONS = sizeof options / sizeof *options };

static const Option *option_named(const char *name)
{
    for (size_t i = 0; i < OPTIONS; i++)
        if (same(options[i].name, name)) return &options[i];
    return NULL;
}

const char *training_option(size_t i, const char **value, const char **help)
{
    if (i >= OPTIONS) return NULL;
    *value = options[i].value;
    *help = options[i].help;
    return options[i].name;
}

const char *training_option_find(const char *name, int *bare)
{
    const Option *o = option_named(name);
    if (!o) return NULL;
    *bare = o->type == SWITCH;
    return o->name;
}

int training_option_given(const TrainingConfig *c, const char *name)
{
    const Option *o = option_named(name);
    const char *field = (const char *)c + o->at;
    const char *otherwise = (const char *)&training_config_default + o->at;
    size_t bytes = sizeof(int);
    if (o->type == REAL) bytes = sizeof(double);
    if (o->type == TEXT) bytes = sizeof(const char *);
    return memcmp(field, otherwise, bytes) != 0;
}

/* ---- reading ----------------------------------------------------------------------------------- */

/* The number of the choice that a value names.  names end with NULL. */
static int choice(Arena *a, const Option *o, const char *const *names, const char *value)
{
    for (int i = 0; names[i]; i++)
        if (same(names[i], value)) return i;
    fail(a, "--%s is %s, expected %s", o->name, quoted(a, value), one_of(a, names));
}

/* kohya's trainer takes "512" or "512,512" */
static const char *one_side(Arena *a, const Option *o, const char *value)
{
    const char *comma = strchr(value, ',');
    if (!comma) return value;
    char *side = trimmed(a, value, (size_t)(comma - value));
    if (!strcmp(side, trimmed(a, comma + 1, strlen(comma + 1)))) return side;
    fail(a, "--%s is %s, expected one side as 512; pictures keep their shapes with --enable_bucket", o->name,
         quoted(a, value));
}

/* "0.0001" or "1e-4" */
static double number(Arena *a, const Option *o, const char *value)
{
    double x;
    size_t n = number_at(value, &x);
    int is_part = n && !strcmp(value + n, "%") && o->at == offsetof(TrainingConfig, lr_warmup_steps);
    if (is_part) {                       /* kohya: "5%" is 0.05 of all steps */
        x /= 100;
        n++;
    }
    int is_number = n && !value[n] && x >= o->least && x <= o->most;
    if (is_number && (o->type == REAL || x == floor(x))) return x;
    fail(a, "--%s is %s, expected %s from %s to %s", o->name, quoted(a, value),
         o->type == WHOLE ? "a whole number" : "a number", number_text(a, o->least), number_text(a, o->most));
}

/* A switch alone is on; files of options say true or false. */
static int is_on(Arena *a, const Option *o, const char *value)
{
    static const char *const words[] = { "false", "true", "0", "1", NULL };
    if (!value) return 1;
    for (int i = 0; words[i]; i++)
        if (same(words[i], value)) return i % 2;
    fail(a, "--%s is %s, expected true, false or no value", o->name, quoted(a, value));
}

static void check_multiple_of_8(Arena *a, const Option *o, const char *value, int x)
{
    if (x % 8) fail(a, "--%s is %s, expected a multiple of 8", o->name, quoted(a, value));
}

/* LoCon is LoRA on convolutions too, which here --conv_dim says. */
static void set_algo(Arena *a, TrainingConfig *c, const Option *o, const char *value)
{
    if (value && same(value, "locon")) value = adapter_algo_names[ALGO_LORA];
    c->algo = (AdapterAlgo)choice(a, o, adapter_algo_names, value);
    c->network_module = LYCORIS_KOHYA;
}

static void set_optimizer(Arena *a, TrainingConfig *c, const Option *o, const char *value)
{
    const char *note = NULL;
    OptimizerType type = optimizer_instead(value, &note);
    if (type == OPTIMIZERS) type = (OptimizerType)choice(a, o, optimizer_names, value);
    c->optimizer_type = type;
    c->optimizer_note = note;
}

void training_config_set(Arena *a, TrainingConfig *c, const char *name, const char *value)
{
    const Option *o = option_named(name);
    if (!o) fail(a, "%s is no option of training", quoted(a, name));
    void *field = (char *)c + o->at;
    if (field == &c->resolution) value = one_side(a, o, value);
    switch (o->type) {
    case WHOLE:     *(int *)field = (int)number(a, o, value); break;
    case REAL:      *(double *)field = number(a, o, value); break;
    case SWITCH:    *(int *)field = is_on(a, o, value); break;
    case TEXT:      *(const char **)field = value; break;
    case METHOD:    c->method = (TrainingMethod)choice(a, o, method_names, value); break;
    case MODULE:    c->network_module = (NetworkModule)choice(a, o, network_module_names, value); break;
    case ALGO:      set_algo(a, c, o, value); break;
    case PRESET:    c->preset = (Preset)choice(a, o, preset_names, value); break;
    case OPTIMIZER: set_optimizer(a, c, o, value); break;
    case SCHEDULER: c->lr_scheduler = (LrSchedulerType)choice(a, o, lr_scheduler_names, value); break;
    case LOSS:      c->loss_type = (LossType)choice(a, o, loss_type_names, value); break;
    case HUBER:     c->huber_schedule = (HuberSchedule)choice(a, o, huber_schedule_names, value); break;
    }
    if (field == &c->resolution) check_multiple_of_8(a, o, value, c->resolution);
    if (field == &c->bucket_reso_steps) check_multiple_of_8(a, o, value, c->bucket_reso_steps);
}

/* ---- as text ----------------------------------------------------------------------------------- */

static const char *shown_number(Arena *a, double x) { return x < 0 ? "as usual" : number_text(a, x); }

static const char *shown_text(Arena *a, const char *text) { return text ? quoted(a, text) : ""; }

const char *training_option_text(Arena *a, const TrainingConfig *c, size_t i)
{
    const Option *o = &options[i];
    const void *field = (const char *)c + o->at;
    if (o->resume == FREE) return NULL;
    switch (o->type) {
    case REAL:      return shown_number(a, *(const double *)field);
    case TEXT:      return shown_text(a, *(const char *const *)field);
    case METHOD:    return shown_text(a, method_names[c->method]);
    case MODULE:    return shown_text(a, network_module_names[c->network_module]);
    case ALGO:      return shown_text(a, adapter_algo_names[c->algo]);
    case PRESET:    return shown_text(a, preset_names[c->preset]);
    case OPTIMIZER: return shown_text(a, optimizer_names[c->optimizer_type]);
    case SCHEDULER: return shown_text(a, lr_scheduler_names[c->lr_scheduler]);
    case LOSS:      return shown_text(a, loss_type_names[c->loss_type]);
    case HUBER:     return shown_text(a, huber_schedule_names[c->huber_schedule]);
    default:        return shown_number(a, *(const int *)field);
    }
}

/* ---- checking ---------------------------------------------------------------------------------- */

/* An enum that a host program set by hand must be one of its names. */
static void check_choice(Arena *a, const char *name, int value, const char *const *names, int count)
{
    if (value < 0 || value >= count) fail(a, "--%s is number %d, expected %s", name, value, one_of(a, names));
}

/* A number that a host program set by hand must be in the range of the table, or be the default.  A batch of 0 pictures
 * would divide by 0. */
static void check_number(Arena *a, const TrainingConfig *c, const Option *o)
{
    const void *field = (const char *)c + o->at;
    const void *otherwise = (const char *)&training_config_default + o->at;
    double x = o->type == WHOLE ? *(const int *)field : *(const double *)field;
    double usual = o->type == WHOLE ? *(const int *)otherwise : *(const double *)otherwise;
    if ((x >= o->least && x <= o->most) || x == usual) return;
    fail(a, "--%s is %g, expected from %s to %s", o->name, x, number_text(a, o->least), number_text(a, o->most));
}

/* One estimate of the rate serves all parameters, so every rate that is not 0 is the same: prodigyopt says "Setting
 * different lr values in different parameter groups is only supported for values of 0". */
static void check_one_rate(Arena *a, const TrainingConfig *c)
{
    LearningRates r = training_learning_rates(c);
    int trains_words = is_textual_inversion(c) || c->token;
    double words = trains_words ? r.words : 0;
    double most = fmax(words, fmax(r.text, r.unet));
    const double rates[] = { words, r.text, r.unet };
    for (int i = 0; i < 3; i++)
        if (rates[i] > 0 && rates[i] < most)
            fail(a, "--optimizer_type %s finds one rate for all that learns: --learning_rate, --unet_lr, "
                    "--text_encoder_lr and --embedding_lr are %s and %s, expected one number, usually 1, or 0",
                 optimizer_names[c->optimizer_type], number_text(a, rates[i]), number_text(a, most));
}

static void check_optimizer(Arena *a, const TrainingConfig *c)
{
    OptimizerArgs args = training_optimizer_args(a, c);
    int ignores_rates = c->optimizer_type == OPTIMIZER_ADAFACTOR && args.relative_step;
    if (finds_own_rate(c->optimizer_type)) check_one_rate(a, c);
    if (ignores_rates && c->lr_warmup_steps > 0)
        fail(a, "Adafactor takes its rate from the step alone, so --lr_warmup_steps means nothing; "
                "--optimizer_args \"relative_step=False scale_parameter=False warmup_init=False\" makes rates count");
}

static void check_lokr(Arena *a, const TrainingConfig *c)
{
    if (c->factor == 0) fail(a, "--factor is 0, expected -1, or a number from 1 on");
    if (c->algo != ALGO_LOKR && (c->factor > 0 || c->decompose_both || c->full_matrix))
        fail(a, "--factor, --decompose_both and --full_matrix are for --algo lokr; give that, or none of them");
}

static void check_dora(Arena *a, const TrainingConfig *c)
{
    if (!c->wd_on_output && !c->dora_wd) fail(a, "--wd_on_output is for --dora_wd; give both, or neither");
}

static void check_dropouts(Arena *a, const TrainingConfig *c)
{
    int is_pair = c->algo == ALGO_LORA && !c->dora_wd;
    if (!is_pair && (c->network_dropout > 0 || c->rank_dropout > 0))
        fail(a, "--network_dropout and --rank_dropout are for pairs of --algo lora without --dora_wd; --module_dropout "
                "is for all");
}

static void check_network_weights(Arena *a, const TrainingConfig *c)
{
    if (c->dim_from_weights && !c->network_weights)
        fail(a, "--dim_from_weights takes ranks from a file: give --network_weights too");
    if (c->network_weights && is_textual_inversion(c))
        fail(a, "--network_weights is a LoRA to go on from, and --method textual_inversion trains none");
}

static void check_choices(Arena *a, const TrainingConfig *c)
{
    check_choice(a, "method", (int)c->method, method_names, METHODS);
    check_choice(a, "network_module", (int)c->network_module, network_module_names, NETWORK_MODULES);
    check_choice(a, "algo", (int)c->algo, adapter_algo_names, ALGOS);
    check_choice(a, "preset", (int)c->preset, preset_names, PRESETS);
    check_choice(a, "optimizer_type", (int)c->optimizer_type, optimizer_names, OPTIMIZERS);
    check_choice(a, "lr_scheduler", (int)c->lr_scheduler, lr_scheduler_names, LR_SCHEDULERS);
    check_choice(a, "loss_type", (int)c->loss_type, loss_type_names, LOSS_TYPES);
    check_choice(a, "huber_schedule", (int)c->huber_schedule, huber_schedule_names, HUBER_SCHEDULES);
}

static void check_noise(Arena *a, const TrainingConfig *c)
{
    if (c->adaptive_noise_scale != 0 && !(c->noise_offset > 0))
        fail(a, "--adaptive_noise_scale changes --noise_offset, and there is none; give both, or neither");
}

static void check_timesteps(Arena *a, const TrainingConfig *c)
{
    if (c->max_timestep > 0 && c->min_timestep >= c->max_timestep)
        fail(a, "--min_timestep %d and --max_timestep %d leave no timestep to learn; expected the first below the "
                "second", c->min_timestep, c->max_timestep);
}

static void check_scheduler(Arena *a, const TrainingConfig *c)
{
    if (c->lr_scheduler == LR_WARMUP_STABLE_DECAY && !(c->lr_decay_steps > 0))
        fail(a, "--lr_scheduler warmup_stable_decay needs --lr_decay_steps: in how many steps at the end it falls");
    if (c->lr_warmup_steps > 0 && c->lr_scheduler == LR_CONSTANT)
        fail(a, "--lr_scheduler constant has no warm-up: use constant_with_warmup, or no --lr_warmup_steps");
}

static void check_captions(Arena *a, const TrainingConfig *c)
{
    if (c->max_token_length % 75) fail(a, "--max_token_length is %d, expected 75, 150 or 225", c->max_token_length);
}

static void check_rates(Arena *a, const TrainingConfig *c)
{
    LearningRates rates = training_learning_rates(c);
    int trains_lora = rates.unet > 0 || rates.text > 0;
    int trains_something = is_textual_inversion(c) ? rates.words > 0 : trains_lora;
    if (trains_something) return;
    fail(a, "with these learning rates nothing learns; expected one of %s above 0",
         is_textual_inversion(c) ? "--learning_rate and --embedding_lr" : "--unet_lr and --text_encoder_lr");
}

static void check_token(Arena *a, const TrainingConfig *c)
{
    if (c->token && (!*c->token || strchr(c->token, '/')))
        fail(a, "--token is %s, expected a word that can be a file's name", quoted(a, c->token));
}

static void check_class(Arena *a, const TrainingConfig *c)
{
    if (has_prior_preservation(c) && !c->reg_data_dir && !c->class_prompt && !c->dataset_config)
        fail(a, "--method dreambooth needs pictures of the class: --reg_data_dir with a folder of them, or "
                "--class_prompt, as \"portrait of a woman\", to have them drawn");
}

static void check_samples(Arena *a, const TrainingConfig *c)
{
    if (!c->sample_prompts && (c->sample_every_n_epochs > 0 || c->sample_every_n_steps > 0))
        fail(a, "samples are to be drawn, but nothing says of what; add --sample_prompts FILE");
}

/* Each fails with one message, or returns. */
typedef void Check(Arena *a, const TrainingConfig *c);

static Check *const checks[] = {
    check_lokr, check_dora, check_dropouts, check_network_weights,
    check_noise, check_timesteps, check_scheduler, check_optimizer, check_captions, check_rates, check_token,
    check_class, check_samples,
};

typedef struct {
    Arena                *a;
    const TrainingConfig *c;
    Check                *check;         /* NULL: of the number of `option` */
    const Option         *option;
} Checking;

static void try_check(void *checking)
{
    Checking *k = checking;
    if (k->check) k->check(k->a, k->c);
    else check_number(k->a, k->c, k->option);
}

static void add_fault(Checking *k, Lines *faults)
{
    char why[MESSAGE];
    if (attempt(k->a, try_check, k, why)) lines_add(k->a, faults, format(k->a, "%s", why));
}

void training_config_faults(Arena *a, const TrainingConfig *c, Lines *faults)
{
    Checking k = { .a = a, .c = c };
    size_t before = faults->count;
    for (size_t i = 0; i < OPTIONS; i++) {
        k.option = &options[i];
        if (k.option->type == WHOLE || k.option->type == REAL) add_fault(&k, faults);
    }
    k.check = check_choices;
    add_fault(&k, faults);
    if (faults->count > before) return;
    for (size_t i = 0; i < sizeof checks / sizeof *checks; i++) {
        k.check = checks[i];
        add_fault(&k, faults);
    }
}

void training_config_check(Arena *a, const TrainingConfig *c)
{
    Lines faults = { 0 };
    training_config_faults(a, c, &faults);
    if (faults.count) fail(a, "%s", lines_joined(a, &faults, "\n"));
}

/* ---- what follows ------------------------------------------------------------------------------ */

int is_textual_inversion(const TrainingConfig *c) { return c->method == METHOD_TEXTUAL_INVERSION; }

int has_prior_preservation(const TrainingConfig *c)
{
    return c->method == METHOD_DREAMBOOTH || c->reg_data_dir || c->class_prompt;
}

static int usual(int asked, int otherwise) { return asked > 0 ? asked : otherwise; }

/* kohya's numbers, 256 to 1024 in steps of 64, are those of a model of 512 x 512 or more.  A smaller model's are in
 * proportion. */
Buckets training_buckets(Arena *a, const TrainingConfig *c, int side)
{
    if (!c->enable_bucket) return (Buckets){ .side = side };
    int unit = side < 512 ? side : 512;
    Buckets b = { .side = side, .no_upscale = c->bucket_no_upscale };
    b.step = usual(c->bucket_reso_steps, unit < 64 ? 8 : unit / 64 * 8);
    b.least = usual(c->min_bucket_reso, unit / 2);
    b.most = usual(c->max_bucket_reso, 2 * unit > side ? 2 * unit : side);
    if (b.no_upscale && b.least > side) b.least = side;              /* pictures keep their sizes */
    b.least -= b.least % b.step;
    b.most += (b.step - b.most % b.step) % b.step;
    if (b.least < b.step) b.least = b.step;
    if (b.least > side || b.most < side)
        fail(a, "buckets of %d to %d pixels a side do not hold --resolution %d; --min_bucket_reso and "
                "--max_bucket_reso say which do", b.least, b.most, side);
    return b;
}

/* Lion's steps are all as long as the rate: about a third of AdamW's is usual.  Where the optimizer finds the rate
 * itself, the one that is given is a factor. */
static double usual_rate(const TrainingConfig *c, int of_words)
{
    double adamw = of_words ? 5e-3 : 1e-4;
    if (finds_own_rate(c->optimizer_type)) return 1;
    return c->optimizer_type == OPTIMIZER_LION ? TRAINING_LION_RATE * adamw : adamw;
}

double training_learning_rate(const TrainingConfig *c)
{
    if (c->learning_rate >= 0) return c->learning_rate;
    return usual_rate(c, is_textual_inversion(c));
}

LearningRates training_learning_rates(const TrainingConfig *c)
{
    double rate = training_learning_rate(c);
    int one_for_all = finds_own_rate(c->optimizer_type);
    LearningRates rates = { .words = rate, .text = rate, .unet = rate };
    if (!one_for_all) rates.text = rate / 2;
    if (!one_for_all && !is_textual_inversion(c)) rates.words = usual_rate(c, 1);
    if (c->embedding_lr >= 0) rates.words = c->embedding_lr;
    if (c->text_encoder_lr >= 0) rates.text = c->text_encoder_lr;
    if (c->unet_lr >= 0) rates.unet = c->unet_lr;
    if (c->network_train_unet_only) rates.text = 0;
    return rates;
}

/* diffusers' polynomial schedule ends at a rate of 1e-7. */
LrScheduler training_lr_scheduler(const TrainingConfig *c)
{
    double rate = training_learning_rate(c);
    return (LrScheduler){ .type = c->lr_scheduler, .warmup = c->lr_warmup_steps, .cycles = c->lr_scheduler_num_cycles,
                          .power = c->lr_scheduler_power, .end = rate > 0 ? 1e-7 / rate : 0,
                          .timescale = c->lr_scheduler_timescale, .min_ratio = c->lr_scheduler_min_lr_ratio,
                          .decay = c->lr_decay_steps };
}

OptimizerArgs training_optimizer_args(Arena *a, const TrainingConfig *c)
{
    OptimizerArgs args = optimizer_args_default(c->optimizer_type);
    if (c->weight_decay >= 0) args.weight_decay = c->weight_decay;
    optimizer_args_read(a, &args, c->optimizer_type, c->optimizer_args);
    return args;
}

int is_lycoris(const TrainingConfig *c)
{
    return c->network_module == LYCORIS_KOHYA || c->algo != ALGO_LORA || c->dora_wd || c->rs_lora
        || c->preset != PRESET_FULL;
}

const char *training_preset_name(const TrainingConfig *c) { return preset_names[c->preset]; }

int training_conv_dim(const TrainingConfig *c)
{
    return usual(c->conv_dim, is_lycoris(c) ? c->network_dim : 0);
}

double training_alpha(const TrainingConfig *c) { return c->network_alpha > 0 ? c->network_alpha : c->network_dim; }

/* LyCORIS: conv_alpha is as network_alpha when that is given */
double training_conv_alpha(const TrainingConfig *c)
{
    if (c->conv_alpha > 0) return c->conv_alpha;
    return is_lycoris(c) && c->network_alpha > 0 ? c->network_alpha : training_conv_dim(c);
}

static Targets targets_of(const TrainingConfig *c)
{
    static const Targets of_preset[] = {
        [PRESET_FULL]      = TARGETS_FULL,
        [PRESET_FULL_LIN]  = TARGETS_FULL_LIN,
        [PRESET_ATTN_MLP]  = TARGETS_ATTN_MLP,
        [PRESET_ATTN_ONLY] = TARGETS_ATTN_ONLY,
        [PRESET_UNET_ONLY] = TARGETS_FULL,
    };
    return is_lycoris(c) ? of_preset[c->preset] : TARGETS_KOHYA;
}

TrainableConfig training_trainable(const TrainingConfig *c)
{
    LearningRates rates = training_learning_rates(c);
    int trains_lora = !is_textual_inversion(c);
    TrainableConfig t = { .rank = c->network_dim, .conv_rank = training_conv_dim(c), .targets = targets_of(c) };
    t.unet = trains_lora && rates.unet > 0;
    t.text = trains_lora && rates.text > 0 && !(is_lycoris(c) && c->preset == PRESET_UNET_ONLY);
    t.alpha = (float)training_alpha(c);
    t.conv_alpha = (float)training_conv_alpha(c);
    if (t.targets == TARGETS_FULL_LIN || t.targets == TARGETS_ATTN_MLP || t.targets == TARGETS_ATTN_ONLY)
        t.conv_rank = 0;
    t.kind = (AdapterKind){ .algo = c->algo, .dora_wd = c->dora_wd, .wd_on_output = c->wd_on_output,
                            .factor = c->factor, .decompose_both = c->decompose_both,
                            .full_matrix = c->full_matrix, .rs_lora = c->rs_lora };
    return t;
}
