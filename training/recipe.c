/* recipe.c - how to learn.
 *
 * One table says of each option what kohya's trainer calls it, what it may be and what it is for; reading, checking and
 * help come from it. */
#include "recipe.h"

#include "chars.h"

#include <math.h>
#include <string.h>

const Recipe recipe_default = { .method = "lora", .init_word = "person", .vectors = 4, .rank = 16, .batch = 1, .accumulate = 1, .repeats = 1, .prior_weight = 1,
                                .rate = -1, .unet_rate = -1, .text_rate = -1, .word_rate = -1, .optimizer = "AdamW",
                                .decay = 0.01, .clip = 1, .schedule = { .name = "cosine", .cycles = 1, .power = 1 } };

typedef enum { WHOLE, REAL, SWITCH, SCHEDULE, OPTIMIZER, METHOD, TEXT } Kind;      /* from SCHEDULE on they are words */

#define AT(field) offsetof(Recipe, field)
static const struct { const char *flag, *value; Kind kind; size_t at; double least, most; const char *help; } options[] = {
    { "method",                      "NAME", METHOD,   AT(method), 0, 0,
      "lora, dreambooth (a LoRA that keeps its class: see --class_prompt) or textual_inversion (lora)" },
    { "token",                       "NAME", TEXT,     AT(token), 0, 0,
      "a word in the captions that is learned, put first where it is missing; with a LoRA both are (the output's name; with a LoRA none)" },
    { "init_word",                   "TEXT", TEXT,     AT(init_word), 0, 0, "what the learned word begins as (person)" },
    { "num_vectors",                 "N",    WHOLE,    AT(vectors), 1, 64, "tokens that the learned word takes in a prompt (4)" },
    { "resolution",                  "N",    WHOLE,    AT(resolution), 64, 2048, "side of the pictures in pixels, a multiple of 8 (the model's own)" },
    { "network_dim",                 "N",    WHOLE,    AT(rank), 1, 1024, "rank of the pairs (16)" },
    { "network_alpha",               "X",    REAL,     AT(alpha), 0, 65504, "the pairs count alpha / rank times (the rank)" },
    { "conv_dim",                    "N",    WHOLE,    AT(conv_rank), 1, 1024,
      "rank of pairs for the UNet's 3x3 convolutions, and its resnets learn too (LoCon) (none)" },
    { "conv_alpha",                  "X",    REAL,     AT(conv_alpha), 0, 65504, "as network_alpha, for the pairs of convolutions (conv_dim)" },
    { "learning_rate",               "X",    REAL,     AT(rate), 0, 10, "how far a step moves what learns (0.0001; 0.005 for textual inversion)" },
    { "unet_lr",                     "X",    REAL,     AT(unet_rate), 0, 10, "the learning rate of the UNet (learning_rate)" },
    { "text_encoder_lr",             "X",    REAL,     AT(text_rate), 0, 10, "that of the text encoder (half of learning_rate)" },
    { "embedding_lr",                "X",    REAL,     AT(word_rate), 0, 10, "that of the word beside a LoRA (0.005)" },
    { "network_train_unet_only",     NULL,   SWITCH,   AT(unet_only), 0, 1, "the text encoder stays as it is" },
    { "max_train_steps",             "N",    WHOLE,    AT(steps), 1, 1e7, "steps in all (100 for each picture)" },
    { "max_train_epochs",            "N",    WHOLE,    AT(epochs), 1, 1e6, "or how often all pictures are seen, with their repeats; of both what comes to fewer steps" },
    { "train_batch_size",            "N",    WHOLE,    AT(batch), 1, 1024, "pictures in a step (1)" },
    { "gradient_accumulation_steps", "N",    WHOLE,    AT(accumulate), 1, 1024, "batches in a step (1)" },
    { "repeats",                     "N",    WHOLE,    AT(repeats), 1, 65536, "how often each picture is seen in an epoch, times what its folder's name says (1)" },
    { "reg_data_dir",                "DIR",  TEXT,     AT(class_photos), 0, 0, "pictures of the class, laid out as PHOTOS; as many are seen as of PHOTOS" },
    { "class_prompt",                "TEXT", TEXT,     AT(class_prompt), 0, 0,
      "what class pictures show; without --reg_data_dir they are drawn first, into OUT-class, and kept" },
    { "num_class_images",            "N",    WHOLE,    AT(class_images), 1, 100000, "how many class pictures are drawn (4 for each picture, at most 100)" },
    { "prior_loss_weight",           "X",    REAL,     AT(prior_weight), 0, 1000, "how much class pictures count (1)" },
    { "enable_bucket",               NULL,   SWITCH,   AT(buckets), 0, 1, "pictures keep about their shape: sizes of the same area instead of squares" },
    { "min_bucket_reso",             "N",    WHOLE,    AT(bucket_least), 8, 4096, "the shortest side of a bucket (256; for small models half the resolution)" },
    { "max_bucket_reso",             "N",    WHOLE,    AT(bucket_most), 8, 4096, "the longest side of a bucket (1024; for small models twice the resolution)" },
    { "bucket_reso_steps",           "N",    WHOLE,    AT(bucket_step), 8, 512,
      "sides of buckets are multiples of it (64; for small models an eighth of the resolution)" },
    { "bucket_no_upscale",           NULL,   SWITCH,   AT(no_upscale), 0, 1, "small pictures stay small" },
    { "flip_aug",                    NULL,   SWITCH,   AT(flip), 0, 1, "every other picture is mirrored; not for faces with a parting, or a mark on one side" },
    { "shuffle_caption",             NULL,   SWITCH,   AT(shuffle), 0, 1, "what stands between the commas of a caption, in a new order each time" },
    { "keep_tokens",                 "N",    WHOLE,    AT(keep), 0, 1000, "so many parts of a caption stay in front when it is shuffled (0)" },
    { "caption_dropout_rate",        "X",    REAL,     AT(drop), 0, 1, "how often nothing is said of a picture (0)" },
    { "validation_split",            "X",    REAL,     AT(held_out), 0, 0.9,
      "so large a part of the pictures is not learned from; their loss is told after each epoch (0)" },
    { "optimizer_type",              "NAME", OPTIMIZER, AT(optimizer), 0, 0,
      "AdamW, or AdamW8bit, which keeps a quarter of the memory for what it knows of each weight (AdamW)" },
    { "lr_scheduler",                "NAME", SCHEDULE, AT(schedule.name), 0, 0,
      "constant, constant_with_warmup, linear, cosine, cosine_with_restarts or polynomial (cosine)" },
    { "lr_warmup_steps",             "X",    REAL,     AT(schedule.warmup), 0, 1e7, "steps until the learning rate is full, or below 1 the part of all steps (0)" },
    { "lr_scheduler_num_cycles",     "N",    WHOLE,    AT(schedule.cycles), 1, 1e6, "cycles of cosine_with_restarts (1)" },
    { "lr_scheduler_power",          "X",    REAL,     AT(schedule.power), 0, 100, "the power of polynomial (1)" },
    { "weight_decay",                "X",    REAL,     AT(decay), 0, 1, "how much of itself a weight loses in a step, times the learning rate (0.01)" },
    { "max_grad_norm",               "X",    REAL,     AT(clip), 0, 1e6, "longer gradients are made this long; 0: never (1)" },
    { "min_snr_gamma",               "X",    REAL,     AT(snr), 0, 1000, "steps of little noise count less (Hang et al., 2023); 0: not (0)" },
    { "noise_offset",                "X",    REAL,     AT(noise_offset), 0, 1,
      "how far the noise of a channel is shifted as a whole, for very dark and bright pictures (0)" },
    { "caption_extension",           "EXT",  TEXT,     AT(ending), 0, 0, "how files of captions end (.txt, or .caption)" },
    { "gradient_checkpointing",      NULL,   SWITCH,   AT(checkpointing), 0, 1, "less memory: each block is computed again on the way back; the result is the same" },
    { "save_every_n_epochs",         "N",    WHOLE,    AT(save_epochs), 1, 1e6,
      "how often what is learned so far is saved, to OUT-000001.safetensors, and the state, to OUT-state.safetensors (never)" },
    { "save_last_n_epochs",          "N",    WHOLE,    AT(last_epochs), 1, 1e6, "so many of those stay, older ones that this job saved are deleted (all)" },
    { "save_every_n_steps",          "N",    WHOLE,    AT(save_steps), 1, 1e7, "the same counted in steps, to OUT-step00000001.safetensors (never)" },
    { "save_state",                  NULL,   SWITCH,   AT(save_state), 0, 1, "the state is saved at the end, too, as it always is after Ctrl-C" },
    { "sample_prompts",              "FILE", TEXT,     AT(samples), 0, 0,
      "what to draw on the way, to OUT-000001-sample1.png: a prompt file; or a prompt on each line, with --n negative --w 512 --h 512 --d seed --l cfg --s steps behind it" },
    { "sample_every_n_epochs",       "N",    WHOLE,    AT(sample_epochs), 1, 1e6, "how often samples are drawn (at the end)" },
    { "sample_every_n_steps",        "N",    WHOLE,    AT(sample_steps), 1, 1e7, "the same counted in steps, to OUT-step00000001-sample1.png (at the end)" },
    { "resume",                      "PATH", TEXT,     AT(resume), 0, 0,
      "goes on from a state, or from OUT-state.safetensors in that folder, with all else but the number of steps as before" },
};
enum { OPTIONS = sizeof options / sizeof *options };

static const char *const optimizers[] = { "AdamW", "AdamW8bit", NULL }, *const methods[] = { "lora", "dreambooth", "textual_inversion", NULL };

static size_t option_named(const char *name)
{
    size_t i = 0;
    while (i < OPTIONS && !same(options[i].flag, name)) i++;
    return i;
}

const char *recipe_flag(size_t i, const char **value, const char **help)
{
    if (i >= OPTIONS) return NULL;
    *value = options[i].value, *help = options[i].help;
    return options[i].flag;
}

const char *recipe_flag_find(const char *name, int *bare)
{
    size_t i = option_named(name);
    if (i == OPTIONS) return NULL;
    *bare = options[i].kind == SWITCH;
    return options[i].flag;
}

static const char *chosen(Arena *a, const char *flag, const char *const *choice, const char *value)
{
    for (size_t i = 0; choice[i]; i++) if (same(choice[i], value)) return choice[i];
    fail(a, "--%s is %s, expected %s", flag, quoted(a, value), one_of(a, choice));
}

const char *recipe_text(Arena *a, const Recipe *r, size_t i)
{
    if (options[i].at >= AT(steps) || options[i].at == AT(token)) return NULL;      /* the word itself is said, wherever it comes from */
    const void *at = (const char *)r + options[i].at;
    if (options[i].kind < SCHEDULE) return *(const double *)at < 0 ? "as usual" : number_text(a, *(const double *)at);
    const char *text = *(const char *const *)at;
    return text ? quoted(a, text) : "";
}

/* kohya's trainer takes "512" or "512,512" */
static const char *one_side(Arena *a, const char *flag, const char *value)
{
    const char *comma = strchr(value, ',');
    if (!comma) return value;
    char *side = trimmed(a, value, (size_t)(comma - value));
    if (!strcmp(side, trimmed(a, comma + 1, strlen(comma + 1)))) return side;
    fail(a, "--%s is %s, expected one side as 512; pictures keep their shapes with --enable_bucket", flag, quoted(a, value));
}

void recipe_set(Arena *a, Recipe *r, const char *flag, const char *value)
{
    static const char *const *const choices[] = { [SCHEDULE] = schedule_names, [OPTIMIZER] = optimizers, [METHOD] = methods };
    size_t i = option_named(flag);
    if (i == OPTIONS) fail(a, "%s is no option of training", quoted(a, flag));
    const char *name = options[i].flag;
    Kind kind = options[i].kind;
    void *at = (char *)r + options[i].at;
    double x = 1;
    if (at == &r->resolution) value = one_side(a, name, value);
    if (kind >= SCHEDULE) { *(const char **)at = kind == TEXT ? value : chosen(a, name, choices[kind], value); return; }
    size_t n = kind == SWITCH ? 0 : number_at(value, &x);                          /* "0.0001" or "1e-4" */
    int right = kind == SWITCH || (n && !value[n] && x >= options[i].least && x <= options[i].most && (kind == REAL || x == floor(x)));
    if (!right)
        fail(a, "--%s is %s, expected %s from %s to %s", name, quoted(a, value), kind == WHOLE ? "a whole number" : "a number", number_text(a, options[i].least),
             number_text(a, options[i].most));
    if ((at == &r->resolution || at == &r->bucket_step) && fmod(x, 8) != 0) fail(a, "--%s is %s, expected a multiple of 8", name, quoted(a, value));
    *(double *)at = x;
}

void recipe_check(Arena *a, const Recipe *r)
{
    if (r->schedule.warmup > 0 && !strcmp(r->schedule.name, "constant"))
        fail(a, "--lr_scheduler constant has no warm-up: use constant_with_warmup, or no --lr_warmup_steps");
    Rates rates = recipe_rates(r);
    if (recipe_is_word(r) ? !(rates.words > 0) : !(rates.unet > 0 || rates.text > 0))
        fail(a, "with these learning rates nothing learns; expected one of %s above 0",
             recipe_is_word(r) ? "--learning_rate and --embedding_lr" : "--unet_lr and --text_encoder_lr");
    if (r->token && (!*r->token || strchr(r->token, '/'))) fail(a, "--token is %s, expected a word that can be a file's name", quoted(a, r->token));
    if (recipe_has_class(r) && !r->class_photos && !r->class_prompt)
        fail(a, "--method dreambooth needs pictures of the class: --reg_data_dir with a folder of them, or --class_prompt, as \"portrait of a woman\", "
                "to have them drawn");
    if (!r->samples && (r->sample_epochs > 0 || r->sample_steps > 0)) fail(a, "samples are to be drawn, but nothing says of what; add --sample_prompts FILE");
}

int recipe_is_word(const Recipe *r) { return r->method == methods[2]; }

int recipe_has_class(const Recipe *r) { return r->method == methods[1] || r->class_photos || r->class_prompt; }

/* kohya's numbers are those of a model of 512 x 512 or more; a smaller one's are in proportion */
Buckets recipe_buckets(Arena *a, const Recipe *r, int side)
{
    int unit = side < 512 ? side : 512;
    Buckets b = { .side = side, .step = r->bucket_step > 0 ? (int)r->bucket_step : unit < 64 ? 8 : unit / 64 * 8, .no_upscale = r->no_upscale > 0 };
    if (!(r->buckets > 0)) return (Buckets){ .side = side };
    b.least = r->bucket_least > 0 ? (int)r->bucket_least : unit / 2;
    b.most = r->bucket_most > 0 ? (int)r->bucket_most : 2 * unit > side ? 2 * unit : side;
    b.least -= b.least % b.step, b.most += (b.step - b.most % b.step) % b.step;
    if (b.least < b.step) b.least = b.step;
    if (b.least > side || b.most < side)
        fail(a, "buckets of %d to %d pixels a side do not hold --resolution %d; --min_bucket_reso and --max_bucket_reso say which do", b.least, b.most, side);
    return b;
}

double recipe_rate(const Recipe *r) { return r->rate >= 0 ? r->rate : recipe_is_word(r) ? 5e-3 : 1e-4; }

Rates recipe_rates(const Recipe *r)
{
    double rate = recipe_rate(r);
    return (Rates){ .words = r->word_rate >= 0 ? r->word_rate : recipe_is_word(r) ? rate : 5e-3,
                    .text = r->unet_only > 0 ? 0 : r->text_rate >= 0 ? r->text_rate : rate / 2,
                    .unet = r->unet_rate >= 0 ? r->unet_rate : rate };
}

int recipe_eight_bits(const Recipe *r) { return r->optimizer == optimizers[1]; }

/* diffusers' polynomial schedule ends at a rate of 1e-7 */
double recipe_factor(const Recipe *r, int step, int steps)
{
    RateSchedule s = r->schedule;
    s.end = recipe_rate(r) > 0 ? 1e-7 / recipe_rate(r) : 0;
    return schedule_factor(&s, step, steps);
}
