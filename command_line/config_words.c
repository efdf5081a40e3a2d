/* config_words.c - a file of options, as the words of a command line.
 *
 * Three programs keep options in files:
 *     - kohya's trainer, --config_file, TOML: keys are options without dashes, and tables mean nothing;
 *     - its GUI (bmaltais/kohya_ss), JSON: one object with most of the trainer's names, and some of its own;
 *     - OneTrainer, JSON: names of its own, in objects within objects.
 *
 * All become words as on a command line, so trainer_command.c knows one language.  What is off there (false, 0, "" and
 * null in the GUI's file) is not said.  Keys that no option has are told: kohya passes them over without a word, and so
 * a letter too many trains another LoRA. */
#include "config_words.h"

#include "chars.h"
#include "config_file.h"
#include "files.h"
#include "foreign_options.h"
#include "settings.h"
#include "shell_words.h"
#include "training_config.h"

#include <string.h>

typedef struct {
    Arena        *a;
    const char   *path;
    ConfigEntries entries;
    Lines         words, unknown;
} Reading;

static int is_known(const char *name)
{
    int is_bare;
    return training_option_find(name, &is_bare) || foreign_training_option(name) || setting_named(name);
}

/* "section.key" -> "key", "section.key.0" -> "key"; element: which one of an array it is, or -1 */
static const char *key_of(Arena *a, const char *path, int *element)
{
    const char *key = strrchr(path, '.');
    key = key ? key + 1 : path;
    *element = -1;
    if (!digit(*key) || key == path) return key;
    *element = *key == '0' ? 0 : 1;
    const char *array = copy(a, path, (size_t)(key - 1 - path));
    const char *dot = strrchr(array, '.');
    return dot ? dot + 1 : array;
}

/* "--key", "--key=value", or for arrays "--key" "value" "value" */
static void say(Reading *r, const char *key, const char *value, int element)
{
    if (element >= 0) {
        if (!element) lines_add(r->a, &r->words, format(r->a, "--%s", key));
        lines_add(r->a, &r->words, value);
    }
    else if (same(value, "true")) lines_add(r->a, &r->words, format(r->a, "--%s", key));
    else lines_add(r->a, &r->words, format(r->a, "--%s=%s", key, value));
}

static int is_off(const ConfigEntry *e)
{
    return !*e->text || (e->type == CONFIG_SWITCH && same(e->text, "false"));
}

/* ---- kohya's --config_file --------------------------------------------------------------------- */

static void read_kohya(Reading *r)
{
    for (size_t i = 0; i < r->entries.count; i++) {
        int element;
        const ConfigEntry *e = &r->entries.entry[i];
        const char *key = key_of(r->a, e->path, &element);
        if (!e->text || is_off(e)) continue;
        if (is_known(key)) say(r, key, e->text, element);
        else lines_add_once(r->a, &r->unknown, key);
    }
}

/* ---- the GUI's file ---------------------------------------------------------------------------- */

static const char *value_at(const Reading *r, const char *path)
{
    const ConfigEntry *e = config_at(&r->entries, path);
    return e && e->text && !is_off(e) ? e->text : NULL;
}

static int is_zero(const char *value)
{
    double x;
    size_t n = number_at(value, &x);
    return n && !value[n] && !(x < 0 || x > 0);
}

/* Keys that stand for something of the GUI itself, or that are read together with another. */
static int is_of_gui(const char *key)
{
    static const char *const keys[] = { "LoRA_type", "model_list", "save_model_as", "additional_parameters",
        "noise_offset_type", "sample_prompts", "lr_warmup", "LyCORIS_preset", "num_cpu_threads_per_process",
        "num_machines", "num_processes", "gpu_ids", "multi_gpu", "extra_accelerate_launch_args", "main_process_port",
        "xformers", "dynamo_mode", "dynamo_use_dynamic", "dynamo_use_fullgraph", "text_encoder_lr",
        "epoch", "max_train_epochs", "max_train_steps", "unit", "train_on_input" };
    for (size_t i = 0; i < sizeof keys / sizeof *keys; i++)
        if (!strcmp(keys[i], key)) return 1;
    return 0;
}

/* The GUI writes the fields of all kinds of models into every file; those of others have no meaning in this one. */
static int is_of_other_models(const char *key)
{
    static const char *const keys[] = { "train_blocks", "guidance_scale", "discrete_flow_shift",
        "model_prediction_type",
        "timestep_sampling", "weighting_scheme", "logit_mean", "logit_std", "mode_scale", "apply_t5_attn_mask", "ae",
        "in_dims", "split_qkv", "split_mode", "train_double_block_indices", "train_single_block_indices",
        "enable_all_linear", "pos_emb_random_crop_rate", "clip_l", "clip_g", "blocks_to_swap" };
    static const char *const fronts[] = { "t5xxl", "train_t5xxl", "clip_g_", "clip_l_", "flux1_cache", "sd3_cache",
        "sd3_fused", "sd3_text", "single_", "double_", "img_", "txt_", "ggpo_", "train_lora_ggpo", "save_t5xxl",
        "save_clip" };
    for (size_t i = 0; i < sizeof keys / sizeof *keys; i++)
        if (!strcmp(keys[i], key)) return 1;
    for (size_t i = 0; i < sizeof fronts / sizeof *fronts; i++)
        if (begins(key, fronts[i])) return 1;
    return 0;
}

static void say_if(Reading *r, const char *key, const char *value)
{
    if (value && !is_zero(value)) say(r, key, value, -1);
}

/* The GUI gives steps only when they are not 0, or else epochs. */
static void say_length(Reading *r)
{
    const char *steps = value_at(r, "max_train_steps");
    const char *epochs = value_at(r, "max_train_epochs");
    if (!epochs) epochs = value_at(r, "epoch");
    if (steps && !is_zero(steps)) say(r, "max_train_steps", steps, -1);
    else say_if(r, "max_train_epochs", epochs);
}

/* lr_warmup is per cent of all steps. */
static void say_warmup(Reading *r)
{
    const char *percent = value_at(r, "lr_warmup");
    int is_given = value_at(r, "lr_warmup_steps") && !is_zero(value_at(r, "lr_warmup_steps"));
    if (percent && !is_given && !is_zero(percent)) say(r, "lr_warmup_steps", format(r->a, "%s%%", percent), -1);
}

/* The network that LoRA_type names. */
static void say_network(Reading *r)
{
    const char *type = value_at(r, "LoRA_type");
    if (!type) return;
    int is_kohya = same(type, "Standard") || same(type, "Kohya LoCon");
    say(r, "network_module", is_kohya ? "networks.lora" : "lycoris.kohya", -1);
    if (!is_kohya) {
        const char *algo = begins(type, "LyCORIS/") ? type + strlen("LyCORIS/") : type;
        lines_add(r->a, &r->words, "--network_args");
        lines_add(r->a, &r->words, format(r->a, "algo=%s", same(algo, "LoCon") ? "lora" : algo));
        if (value_at(r, "LyCORIS_preset"))
            lines_add(r->a, &r->words, format(r->a, "preset=%s", value_at(r, "LyCORIS_preset")));
    }
}

/* A field with a command line of its own, and one with prompts that the GUI puts into a file. */
static void say_fields(Reading *r)
{
    const char *more = value_at(r, "additional_parameters");
    const char *prompts = value_at(r, "sample_prompts");
    if (prompts && file_is(prompts)) say(r, "sample_prompts", prompts, -1);
    else if (prompts) lines_add(r->a, &r->unknown, "sample_prompts (put them into a file: --sample_prompts FILE)");
    if (!more) return;
    ShellText text = shell_words(r->a, more, strlen(more), r->path);
    for (size_t i = 0; i < text.count; i++)
        for (size_t k = 0; k < text.command[i].count; k++) lines_add(r->a, &r->words, text.command[i].line[k]);
}

static void read_gui(Reading *r)
{
    lines_add(r->a, &r->words, "train_network.py");
    int is_plain = same(value_at(r, "LoRA_type") ? value_at(r, "LoRA_type") : "", "Standard");
    say(r, "output_name", value_at(r, "output_name") ? value_at(r, "output_name") : "last", -1);
    for (size_t i = 0; i < r->entries.count; i++) {
        int element;
        const ConfigEntry *e = &r->entries.entry[i];
        const char *key = key_of(r->a, e->path, &element);
        int is_of_convolutions = same(key, "conv_dim") || same(key, "conv_alpha");
        if (!e->text || is_off(e) || is_of_gui(key) || same(key, "output_name") || is_zero(e->text)) continue;
        if ((is_plain && is_of_convolutions) || is_of_other_models(key)) continue;
        if (is_known(key)) say(r, key, e->text, element);
        else lines_add_once(r->a, &r->unknown, key);
    }
    say_length(r);
    say_warmup(r);
    say_network(r);
    const char *text_rate = value_at(r, "text_encoder_lr");
    if (text_rate) say(r, "text_encoder_lr", text_rate, -1);
    say_fields(r);
}

/* ---- OneTrainer -------------------------------------------------------------------------------- */

/* A key of its configuration (modules/util/config/TrainConfig.py) -> an option. */
static const struct { const char *path, *option; } one_trainer[] = {
    { "base_model_name", "model" },
    { "lora_rank", "network_dim" },
    { "lora_alpha", "network_alpha" },
    { "dropout_probability", "network_dropout" },
    { "learning_rate", "learning_rate" },
    { "unet.learning_rate", "unet_lr" },
    { "text_encoder.learning_rate", "text_encoder_lr" },
    { "batch_size", "train_batch_size" },
    { "gradient_accumulation_steps", "gradient_accumulation_steps" },
    { "epochs", "max_train_epochs" },
    { "resolution", "resolution" },
    { "learning_rate_warmup_steps", "lr_warmup_steps" },
    { "clip_grad_norm", "max_grad_norm" },
    { "optimizer.weight_decay", "weight_decay" },
    { "offset_noise_weight", "noise_offset" },
    { "perturbation_noise_weight", "ip_noise_gamma" },
    { "embedding.initial_embedding_text", "init_word" },
    { "embedding.token_count", "num_vectors" },
};

static const struct { const char *theirs, *ours; } schedules[] = {
    { "CONSTANT", "constant" }, { "LINEAR", "linear" }, { "COSINE", "cosine" },
    { "COSINE_WITH_HARD_RESTARTS", "cosine_with_restarts" },
};

static void say_schedule(Reading *r)
{
    const char *name = value_at(r, "learning_rate_scheduler");
    for (size_t i = 0; name && i < sizeof schedules / sizeof *schedules; i++)
        if (same(schedules[i].theirs, name)) name = schedules[i].ours;
    if (!name) return;
    const char *warmup = value_at(r, "learning_rate_warmup_steps");
    int warms_up = warmup && !is_zero(warmup);
    say(r, "lr_scheduler", same(name, "constant") && warms_up ? "constant_with_warmup" : name, -1);
}

/* OneTrainer writes ADAMW_8BIT where kohya writes AdamW8bit. */
static void say_optimizer(Reading *r)
{
    const char *name = value_at(r, "optimizer.optimizer");
    if (!name) return;
    char *plain = copy(r->a, name, strlen(name));
    size_t n = 0;
    for (const char *c = name; *c; c++)
        if (*c != '_') plain[n++] = *c;
    plain[n] = 0;
    say(r, "optimizer_type", plain, -1);
}

static void say_method(Reading *r)
{
    const char *method = value_at(r, "training_method");
    if (!method || same(method, "LORA")) return;
    say(r, "method", same(method, "EMBEDDING") ? "textual_inversion" : method, -1);
    if (same(method, "EMBEDDING")) say_if(r, "token", value_at(r, "embedding.placeholder"));
}

static void say_loss_weight(Reading *r)
{
    const char *name = value_at(r, "loss_weight_fn");
    const char *strength = value_at(r, "loss_weight_strength");
    if (!name || same(name, "CONSTANT")) return;
    if (same(name, "MIN_SNR_GAMMA")) say(r, "min_snr_gamma", strength ? strength : "5", -1);
    else if (same(name, "DEBIASED_ESTIMATION")) say(r, "debiased_estimation_loss", "true", -1);
    else lines_add(r->a, &r->unknown, format(r->a, "loss_weight_fn %s", name));
}

/* The first concept is the folder of pictures. */
static void say_concepts(Reading *r)
{
    const char *path = value_at(r, "concepts.0.path");
    if (path) say(r, "train_data_dir", path, -1);
    if (value_at(r, "concepts.1.path")) lines_add(r->a, &r->unknown, "all concepts but the first");
    if (!path) lines_add(r->a, &r->unknown, "concept_file_name (give the folder of pictures beside this file)");
    const char *skip = value_at(r, "text_encoder_layer_skip");
    double layers = 0;
    if (skip && number_at(skip, &layers) && layers > 0) say(r, "clip_skip", number_text(r->a, layers + 1), -1);
    const ConfigEntry *trains_text = config_at(&r->entries, "text_encoder.train");
    int trains_unet_only = trains_text && trains_text->text && same(trains_text->text, "false");
    if (trains_unet_only) say(r, "network_train_unet_only", "true", -1);
    say_if(r, "output", value_at(r, "output_model_destination"));
}

/* What OneTrainer does beyond this when the value is another than its default. */
static const struct { const char *path, *usual; } beyond_one_trainer[] = {
    { "ema", "OFF" }, { "peft_type", "LORA" }, { "lora_decompose", "false" }, { "masked_training", "false" },
    { "learning_rate_scaler", "NONE" }, { "custom_learning_rate_scheduler", "" },
    { "timestep_distribution", "UNIFORM" },
    { "min_noising_strength", "0" }, { "max_noising_strength", "1" }, { "force_v_prediction_loss", "false" },
    { "rescale_noise_scheduler_to_zero_terminal_snr", "false" }, { "mse_strength", "1" }, { "mae_strength", "0" },
    { "log_cosh_strength", "0" }, { "huber_strength", "0" }, { "unet.train", "true" }, { "layer_filter", "" },
    { "learning_rate_cycles", "1" }, { "learning_rate_min_factor", "0" }, { "lora_model_name", "" },
    { "vae.model_name", "" },
    { "loss_scaler", "NONE" }, { "offset_noise_per_channel", "false" }, { "aspect_ratio_bucketing", "true" },
};

static void tell_beyond(Reading *r)
{
    for (size_t i = 0; i < sizeof beyond_one_trainer / sizeof *beyond_one_trainer; i++) {
        const ConfigEntry *e = config_at(&r->entries, beyond_one_trainer[i].path);
        double x, y;
        int is_usual = !e || !e->text || !*e->text || same(e->text, beyond_one_trainer[i].usual);
        int is_same_number = !is_usual && number_at(e->text, &x) && number_at(beyond_one_trainer[i].usual, &y)
                          && !(x < y) && !(x > y);
        if (!is_usual && !is_same_number) lines_add(r->a, &r->unknown, format(r->a, "%s %s", e->path, e->text));
    }
}

static void read_one_trainer(Reading *r)
{
    lines_add(r->a, &r->words, "train.py");
    for (size_t i = 0; i < sizeof one_trainer / sizeof *one_trainer; i++) {
        const char *value = value_at(r, one_trainer[i].path);
        int is_of_words = begins(one_trainer[i].path, "embedding.");
        int trains_words = same(value_at(r, "training_method") ? value_at(r, "training_method") : "", "EMBEDDING");
        if (value && !is_zero(value) && (!is_of_words || trains_words)) say(r, one_trainer[i].option, value, -1);
    }
    say_schedule(r);
    say_optimizer(r);
    say_method(r);
    say_loss_weight(r);
    say_concepts(r);
    tell_beyond(r);
}

/* ---- which of them ----------------------------------------------------------------------------- */

Lines config_words(Arena *a, const char *path, Lines *told)
{
    Reading r = { .a = a, .path = path, .entries = config_file_read(a, path) };
    if (value_at(&r, "training_method") || value_at(&r, "base_model_name")) read_one_trainer(&r);
    else if (value_at(&r, "LoRA_type")) read_gui(&r);
    else read_kohya(&r);
    if (r.unknown.count)
        lines_add(a, told, format(a, "%s: nothing here is called, and so nothing is done with: %s", path,
                                  lines_joined(a, &r.unknown, ", ")));
    return r.words;
}
