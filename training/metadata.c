/* metadata.c - the metadata of a result of training: how it was made.
 *
 * The names are those of kohya's trainer (sd-scripts, train_network.py), because the web UI's cards, galleries
 * and other people's tools read these: how large the pictures were (ss_bucket_info), how many in which folder
 * (ss_dataset_dirs), how often each tag stands in the captions (ss_tag_frequency).  Those three are JSON within a
 * text.
 *
 * Names for things that this program does not do are left out.  So is everything that the weights do not depend on,
 * like the time or the file's name.  So the same job writes the same bytes. */
#include "metadata.h"

#include "chars.h"
#include "json.h"

#include <math.h>
#include <stdlib.h>
#include <string.h>

/* ---- pictures by folder ------------------------------------------------------------------------ */

/* Pictures of one folder and purpose stand together.  Returns the end of those that begin with p. */
static const Photo *folder_end(Arena *a, const Photo *p, const Photo *end)
{
    const char *folder = folder_of(a, p->path);
    int is_class = p->role == CLASS_IMAGE;
    while (p < end && (p->role == CLASS_IMAGE) == is_class && !strcmp(folder_of(a, p->path), folder)) p++;
    return p;
}

static const char *folder_name(Arena *a, const Photo *p) { return json_quoted(a, file_name(folder_of(a, p->path))); }

/* "10_sks": {"n_repeats": 10, "img_count": 15}, or NULL when none of these pictures comes in an epoch */
static const char *folder_entry(Arena *a, const Photo *p, const Photo *end)
{
    size_t count = 0;
    size_t repeats = SIZE_MAX;
    const char *name = folder_name(a, p);
    for (; p < end; p++) {
        if (!p->repeats) continue;
        count++;
        if ((size_t)p->repeats < repeats) repeats = (size_t)p->repeats;
    }
    return count ? format(a, "%s: {\"n_repeats\": %zu, \"img_count\": %zu}", name, repeats, count) : NULL;
}

/* {"10_sks": {"n_repeats": 10, "img_count": 15}} of class images, or of the others */
static const char *dataset_dirs(Arena *a, const Photos *photos, int of_class)
{
    StringBuilder d = string_builder(a);
    const Photo *end = photos->photo + photos->count;
    const Photo *next;
    string_builder_add(&d, "{");
    for (const Photo *p = photos->photo; p < end; p = next) {
        next = folder_end(a, p, end);
        const char *entry = (p->role == CLASS_IMAGE) == of_class ? folder_entry(a, p, next) : NULL;
        if (!entry) continue;
        if (d.n > 1) string_builder_add(&d, ", ");
        string_builder_add(&d, entry);
    }
    string_builder_add(&d, "}");
    return d.text;
}

/* ---- buckets ----------------------------------------------------------------------------------- */

/* {"buckets": {"0": {"resolution": [512, 512], "count": 150}}} */
static const char *bucket_info(Arena *a, const Photos *photos)
{
    size_t count;
    const BucketCount *b = photos_buckets(a, photos, &count);
    StringBuilder d = string_builder(a);
    string_builder_add(&d, "{\"buckets\": {");
    for (size_t i = 0; i < count; i++)
        string_builder_add(&d, format(a, "%s\"%zu\": {\"resolution\": [%d, %d], \"count\": %zu}", i ? ", " : "", i,
                                      b[i].width, b[i].height, b[i].repeated));
    string_builder_add(&d, "}}");
    return d.text;
}

/* ---- tags -------------------------------------------------------------------------------------- */

static int by_text(const void *x, const void *y) { return strcmp(*(char *const *)x, *(char *const *)y); }

static void to_lower(char *text)
{
    for (; *text; text++) *text = (char)lower(*text);
}

/* Several lines of a caption are as parts with commas between. */
static const char *on_one_line(Arena *a, const char *text)
{
    char *line = copy(a, text, strlen(text));
    for (char *s = line; (s = strchr(s, '\n')); ) *s = ',';
    return line;
}

/* The tags of these captions, which are what stands between their commas, in lower case, sorted. */
static char **tags_of(Arena *a, const Photo *p, const Photo *end, size_t *count)
{
    size_t most = 0;
    size_t n = 0;
    for (const Photo *one = p; one < end; one++) most += strlen(one->learned) + 1;
    char **tag = allocate(a, most, sizeof *tag);
    for (; p < end; p++) {
        size_t parts;
        char **part = comma_parts(a, on_one_line(a, p->learned), &parts);
        for (size_t i = 0; i < parts; i++) {
            to_lower(part[i]);
            if (*part[i]) tag[n++] = part[i];
        }
    }
    if (n) qsort(tag, n, sizeof *tag, by_text);
    *count = n;
    return tag;
}

/* "red hair": 7, "smiling": 9 */
static void add_tags(Arena *a, StringBuilder *d, char **tag, size_t count)
{
    for (size_t i = 0, n; i < count; i += n) {
        n = 1;
        while (i + n < count && !strcmp(tag[i], tag[i + n])) n++;
        string_builder_add(d, format(a, "%s%s: %zu", i ? ", " : "", json_quoted(a, tag[i]), n));
    }
}

/* {"10_sks": {"red hair": 7, "smiling": 9}} */
static const char *tag_frequency(Arena *a, const Photos *photos)
{
    StringBuilder d = string_builder(a);
    const Photo *end = photos->photo + photos->count;
    const Photo *next;
    string_builder_add(&d, "{");
    for (const Photo *p = photos->photo; p < end; p = next) {
        size_t count;
        next = folder_end(a, p, end);
        char **tag = tags_of(a, p, next, &count);
        string_builder_add(&d, format(a, "%s%s: {", p > photos->photo ? ", " : "", folder_name(a, p)));
        add_tags(a, &d, tag, count);
        string_builder_add(&d, "}");
    }
    string_builder_add(&d, "}");
    return d.text;
}

/* ---- the entries ------------------------------------------------------------------------------- */

typedef struct {
    Arena    *a;
    KeyValue *pair;
    size_t    count;
} Entries;

static void add_text(Entries *e, const char *key, const char *value) { e->pair[e->count++] = (KeyValue){ key, value }; }
static void add_number(Entries *e, const char *key, double x)        { add_text(e, key, number_text(e->a, x)); }
static void add_whole(Entries *e, const char *key, size_t n)         { add_number(e, key, (double)n); }
static void add_switch(Entries *e, const char *key, int is_on)       { add_text(e, key, is_on ? "True" : "False"); }

/* {"conv_dim": "4", "conv_alpha": "1", "algo": "lokr"}: what kohya's trainer was given as --network_args; NULL: none */
static const char *network_args(Arena *a, const TrainingConfig *c)
{
    StringBuilder d = string_builder(a);
    int conv_dim = training_conv_dim(c);
    if (conv_dim > 0)
        string_builder_add(&d, format(a, ", \"conv_dim\": \"%d\", \"conv_alpha\": \"%s\"", conv_dim,
                                      number_text(a, training_conv_alpha(c))));
    if (is_lycoris(c)) {
        string_builder_add(&d, format(a, ", \"algo\": \"%s\", \"preset\": \"%s\"", adapter_algo_names[c->algo],
                                      training_preset_name(c)));
        if (c->algo == ALGO_LOKR) string_builder_add(&d, format(a, ", \"factor\": \"%d\"", c->factor));
        if (c->decompose_both) string_builder_add(&d, ", \"decompose_both\": \"True\"");
        if (c->full_matrix) string_builder_add(&d, ", \"full_matrix\": \"True\"");
        if (c->dora_wd) string_builder_add(&d, ", \"dora_wd\": \"True\"");
        if (c->dora_wd && !c->wd_on_output) string_builder_add(&d, ", \"wd_on_output\": \"False\"");
        if (c->rs_lora) string_builder_add(&d, ", \"rs_lora\": \"True\"");
    }
    return d.n ? format(a, "{%s}", d.text + strlen(", ")) : NULL;
}

static void add_lora(Entries *e, const TrainingConfig *c)
{
    LearningRates rates = training_learning_rates(c);
    const char *args = network_args(e->a, c);
    add_text(e, "modelspec.architecture", "stable-diffusion-v1/lora");
    add_text(e, "ss_network_module", network_module_names[is_lycoris(c) ? LYCORIS_KOHYA : NETWORKS_LORA]);
    if (c->dim_from_weights) {           /* as kohya's tools call it where ranks may differ */
        add_text(e, "ss_network_dim", "Dynamic");
        add_text(e, "ss_network_alpha", "Dynamic");
    }
    else {
        add_number(e, "ss_network_dim", c->network_dim);
        add_number(e, "ss_network_alpha", training_alpha(c));
        if (args) add_text(e, "ss_network_args", args);
    }
    if (c->scale_weight_norms > 0) add_number(e, "ss_scale_weight_norms", c->scale_weight_norms);
    if (c->network_dropout > 0) add_number(e, "ss_network_dropout", c->network_dropout);
    add_number(e, "ss_unet_lr", rates.unet);
    add_number(e, "ss_text_encoder_lr", rates.text);
}

static const char *const optimizer_class[] = {
    [OPTIMIZER_ADAMW]       = "torch.optim.adamw.AdamW",
    [OPTIMIZER_ADAMW_8BIT]  = "bitsandbytes.optim.adamw.AdamW8bit",
    [OPTIMIZER_LION]        = "lion_pytorch.lion_pytorch.Lion",
    [OPTIMIZER_ADAFACTOR]   = "transformers.optimization.Adafactor",
    [OPTIMIZER_PRODIGY]     = "prodigyopt.prodigy.Prodigy",
    [OPTIMIZER_DADAPT_ADAM] = "dadaptation.dadapt_adam.DAdaptAdam",
    [OPTIMIZER_DADAPT_LION] = "dadaptation.dadapt_lion.DAdaptLion",
};

/* kohya: the class, and in brackets the arguments as "weight_decay=0.1,decouple=True" */
static const char *optimizer_said(Arena *a, const TrainingConfig *c)
{
    const char *class = optimizer_class[c->optimizer_type];
    if (!c->optimizer_args || !*c->optimizer_args) return class;
    return format(a, "%s(%s)", class, c->optimizer_args);
}

static void add_config(Entries *e, const TrainingConfig *c, size_t steps)
{
    LrScheduler scheduler = training_lr_scheduler(c);
    add_number(e, "ss_learning_rate", training_learning_rate(c));
    add_text(e, "ss_optimizer", optimizer_said(e->a, c));
    add_text(e, "ss_lr_scheduler", lr_scheduler_names[c->lr_scheduler]);
    add_number(e, "ss_lr_warmup_steps", lr_warmup_steps(&scheduler, (int)steps));
    add_number(e, "ss_max_grad_norm", c->max_grad_norm);
    add_number(e, "ss_total_batch_size", c->train_batch_size * c->gradient_accumulation_steps);
    add_number(e, "ss_gradient_accumulation_steps", c->gradient_accumulation_steps);
    add_switch(e, "ss_flip_aug", c->flip_aug);
    add_switch(e, "ss_shuffle_caption", c->shuffle_caption);
    add_number(e, "ss_keep_tokens", c->keep_tokens);
    add_number(e, "ss_caption_dropout_rate", c->caption_dropout_rate);
    if (c->caption_dropout_every_n_epochs > 0)
        add_number(e, "ss_caption_dropout_every_n_epochs", c->caption_dropout_every_n_epochs);
    if (c->caption_tag_dropout_rate > 0) add_number(e, "ss_caption_tag_dropout_rate", c->caption_tag_dropout_rate);
    if (c->max_token_length != training_config_default.max_token_length)
        add_number(e, "ss_max_token_length", c->max_token_length);
    add_number(e, "ss_noise_offset", c->noise_offset);
    if (c->noise_offset_random_strength) add_switch(e, "ss_noise_offset_random_strength", 1);
    if (c->adaptive_noise_scale != 0) add_number(e, "ss_adaptive_noise_scale", c->adaptive_noise_scale);
    if (c->multires_noise_iterations > 0) {
        add_number(e, "ss_multires_noise_iterations", c->multires_noise_iterations);
        add_number(e, "ss_multires_noise_discount", c->multires_noise_discount);
    }
    if (c->ip_noise_gamma > 0) add_number(e, "ss_ip_noise_gamma", c->ip_noise_gamma);
    if (c->ip_noise_gamma_random_strength) add_switch(e, "ss_ip_noise_gamma_random_strength", 1);
    if (c->debiased_estimation_loss) add_switch(e, "ss_debiased_estimation", 1);
    if (c->loss_type != LOSS_L2) add_text(e, "ss_loss_type", loss_type_names[c->loss_type]);
    if (c->loss_type == LOSS_HUBER || c->loss_type == LOSS_SMOOTH_L1) {
        add_text(e, "ss_huber_schedule", huber_schedule_names[c->huber_schedule]);
        add_number(e, "ss_huber_c", c->huber_c);
        add_number(e, "ss_huber_scale", c->huber_scale);
    }
    add_number(e, "ss_min_snr_gamma", c->min_snr_gamma);
    add_number(e, "ss_prior_loss_weight", c->prior_loss_weight);
    add_switch(e, "ss_enable_bucket", c->enable_bucket);
    add_switch(e, "ss_bucket_no_upscale", c->bucket_no_upscale);
}

static size_t in_epochs(size_t steps, size_t epoch) { return (steps + epoch - 1) / epoch; }

static void add_progress(Entries *e, const ResultInfo *info)
{
    size_t epoch = info->epoch ? info->epoch : 1;
    add_whole(e, "ss_steps", info->step);
    add_whole(e, "ss_max_train_steps", info->steps);
    add_whole(e, "ss_epoch", in_epochs(info->step, epoch));
    add_whole(e, "ss_num_epochs", in_epochs(info->steps, epoch));
    add_number(e, "ss_num_batches_per_epoch", (double)epoch * info->config->gradient_accumulation_steps);
}

static void add_pictures(Entries *e, const Photos *p)
{
    size_t instances = 0;
    for (size_t i = 0; i < p->count; i++)
        if (p->photo[i].role == INSTANCE_IMAGE) instances += (size_t)p->photo[i].repeats;
    add_whole(e, "ss_num_train_images", instances);
    add_whole(e, "ss_num_reg_images", p->classes);
    add_whole(e, "ss_num_validation_images", p->validations);
    add_text(e, "ss_dataset_dirs", dataset_dirs(e->a, p, 0));
    add_text(e, "ss_reg_dataset_dirs", dataset_dirs(e->a, p, 1));
    add_text(e, "ss_bucket_info", bucket_info(e->a, p));
    add_text(e, "ss_tag_frequency", tag_frequency(e->a, p));
}

/* sd-scripts has the options.  The measurements are persona's. */
static void add_validation(Entries *e, const ResultInfo *info)
{
    const TrainingConfig *c = info->config;
    if (!info->photos->validations) return;
    add_number(e, "ss_validation_split", c->validation_split);
    if (c->validation_seed >= 0) add_number(e, "ss_validation_seed", c->validation_seed);
    if (c->validate_every_n_steps > 0) add_number(e, "ss_validate_every_n_steps", c->validate_every_n_steps);
    if (c->validate_every_n_epochs > 0) add_number(e, "ss_validate_every_n_epochs", c->validate_every_n_epochs);
    if (c->max_validation_steps > 0) add_number(e, "ss_max_validation_steps", c->max_validation_steps);
    add_text(e, "persona_validation_loss", validation_losses_text(e->a, info->validation));
    add_text(e, "persona_likeness", validation_likeness_text(e->a, info->validation));
}

KeyValue *metadata_of(Arena *a, const ResultInfo *info, ResultKind kind, size_t more, size_t *count)
{
    enum { MOST = 128 };
    Entries e = { .a = a, .pair = allocate(a, MOST + more, sizeof *e.pair) };
    add_text(&e, "ss_sd_model_name", file_name(info->model));
    add_text(&e, "ss_base_model_version", "sd_v1");
    if (kind == LORA_RESULT) add_lora(&e, info->config);
    add_config(&e, info->config, info->steps);
    add_progress(&e, info);
    add_text(&e, "ss_resolution", format(a, "(%d, %d)", info->side, info->side));
    add_number(&e, "ss_clip_skip", info->clip_skip);
    add_text(&e, "ss_seed", format(a, "%llu", (unsigned long long)info->seed));
    add_pictures(&e, info->photos);
    add_validation(&e, info);
    *count = e.count;
    return e.pair;
}
