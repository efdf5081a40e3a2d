/* dataset_config.c - several folders of pictures, each with settings of its own.
 *
 * The file is that of kohya's trainer (sd-scripts, library/config_util.py, docs/config_README-en.md):
 *
 *     [general]                           holds for all datasets
 *     [[datasets]]                        pictures of one resolution
 *     [[datasets.subsets]]                a folder of pictures
 *
 * A subset's settings are a training configuration of its own: a copy of the job's, on which [general], then the
 * dataset, then the subset set their options.  So the order in which kohya looks a key up needs no code, and each
 * option of captions that training_config.c learns is one of subsets too.
 *
 * Differences: kohya's batches are of one dataset; here a batch takes pictures of any size, so datasets mix.  A batch
 * size, and the part that is held out, can only be one for all.  Values may be text where kohya wants a number. */
#include "dataset_config.h"

#include "chars.h"
#include "config_file.h"

#include <stdlib.h>
#include <string.h>

/* Where a key may stand. */
enum { IN_DATASET = 1, IN_SUBSET = 2, ANYWHERE = 3 };

typedef enum { OPTION, FOLDER, CLASS_TOKENS, IS_REG, PASSED_OVER, NOT_DONE } KeyMeaning;

typedef struct {
    const char *key;
    int         where;
    KeyMeaning  meaning;
    const char *ours;                    /* of an option, where it has another name */
} Key;

static const Key keys[] = {
    { "resolution", IN_DATASET, OPTION },
    { "batch_size", IN_DATASET, OPTION, "train_batch_size" },
    { "enable_bucket", IN_DATASET, OPTION },
    { "min_bucket_reso", IN_DATASET, OPTION },
    { "max_bucket_reso", IN_DATASET, OPTION },
    { "bucket_reso_steps", IN_DATASET, OPTION },
    { "bucket_no_upscale", IN_DATASET, OPTION },
    { "validation_split", IN_DATASET, OPTION },
    { "validation_seed", IN_DATASET, OPTION },
    { "network_multiplier", IN_DATASET, NOT_DONE },
    { "num_repeats", ANYWHERE, OPTION, "repeats" },
    { "shuffle_caption", ANYWHERE, OPTION },
    { "caption_separator", ANYWHERE, OPTION },
    { "keep_tokens", ANYWHERE, OPTION },
    { "keep_tokens_separator", ANYWHERE, OPTION },
    { "secondary_separator", ANYWHERE, OPTION },
    { "enable_wildcard", ANYWHERE, OPTION },
    { "caption_prefix", ANYWHERE, OPTION },
    { "caption_suffix", ANYWHERE, OPTION },
    { "caption_dropout_rate", ANYWHERE, OPTION },
    { "caption_dropout_every_n_epochs", ANYWHERE, OPTION },
    { "caption_tag_dropout_rate", ANYWHERE, OPTION },
    { "token_warmup_min", ANYWHERE, OPTION },
    { "token_warmup_step", ANYWHERE, OPTION },
    { "caption_extension", ANYWHERE, OPTION },
    { "flip_aug", ANYWHERE, OPTION },
    { "color_aug", ANYWHERE, NOT_DONE },
    { "random_crop", ANYWHERE, NOT_DONE },
    { "face_crop_aug_range", ANYWHERE, NOT_DONE },
    { "custom_attributes", ANYWHERE, NOT_DONE },
    { "resize_interpolation", ANYWHERE, PASSED_OVER },
    { "cache_info", ANYWHERE, PASSED_OVER },
    { "class_tokens", ANYWHERE, CLASS_TOKENS },
    { "image_dir", IN_SUBSET, FOLDER },
    { "is_reg", IN_SUBSET, IS_REG },
    { "alpha_mask", IN_SUBSET, OPTION },
    { "conditioning_data_dir", IN_SUBSET, OPTION },
    { "metadata_file", IN_SUBSET, NOT_DONE },
};

static const Key *key_named(const char *name)
{
    for (size_t i = 0; i < sizeof keys / sizeof *keys; i++)
        if (!strcmp(keys[i].key, name)) return &keys[i];
    return NULL;
}

typedef struct {
    Arena         *a;
    const char    *path;
    ConfigEntries  entries;
    Lines         *told, *faults;
    Subset        *s;                    /* whose options are being set, */
    const char    *option, *value;       /* and one of them */
} Reading;

static void fault(Reading *r, const ConfigEntry *e, const char *what)
{
    const char *line = e->line ? format(r->a, ", line %zu", e->line) : "";
    lines_add_once(r->a, r->faults, format(r->a, "%s%s: %s %s", r->path, line, e->path, what));
}

static void tell(Reading *r, const ConfigEntry *e, const char *what)
{
    lines_add_once(r->a, r->told, format(r->a, "%s: %s %s", r->path, e->path, what));
}

/* ---- one value --------------------------------------------------------------------------------- */

static void try_option(void *reading)
{
    Reading *r = reading;
    training_config_set(r->a, &r->s->config, r->option, r->value);
}

/* [512, 768] -> "512,768" */
static const char *value_of(Reading *r, const ConfigEntry *e)
{
    size_t n = strlen(e->path);
    const char *value = e->text;
    if (n < 2 || strcmp(e->path + n - 2, ".0")) return value;
    const char *array = copy(r->a, e->path, n - 2);
    for (size_t i = 1;; i++) {
        const ConfigEntry *next = config_at(&r->entries, format(r->a, "%s.%zu", array, i));
        if (!next) return value;
        value = format(r->a, "%s,%s", value, next->text ? next->text : "");
    }
}

/* Is a value the same as none?  Files hold many that are off. */
static int is_off(const char *value)
{
    double x;
    return !*value || same(value, "false") || (number_at(value, &x) && !(x < 0 || x > 0));
}

static void set_option(Reading *r, const ConfigEntry *e, const Key *key)
{
    char why[MESSAGE];
    int is_bare;
    const char *value = value_of(r, e);
    r->option = training_option_find(key->ours ? key->ours : key->key, &is_bare);
    r->value = value;
    int is_repeated_never = same(key->key, "num_repeats") && is_off(value);
    int is_validation_off = same(key->key, "validation_split") && is_off(value);
    if (is_repeated_never || is_validation_off) return;
    if (!r->option && is_off(value)) return;
    if (!r->option) fault(r, e, "is not done here");
    else if (attempt(r->a, try_option, r, why)) fault(r, e, format(r->a, "is wrong: %s", why));
}

static void set_value(Reading *r, const ConfigEntry *e, const Key *key)
{
    int is_bare;
    int is_option = key->meaning == OPTION || training_option_find(key->key, &is_bare);
    double x;
    int is_one = number_at(e->text, &x) && x >= 1 && x <= 1;
    if (is_option) set_option(r, e, key);
    else if (key->meaning == FOLDER) r->s->image_dir = e->text;
    else if (key->meaning == CLASS_TOKENS) r->s->class_tokens = *e->text ? e->text : NULL;
    else if (key->meaning == IS_REG) r->s->is_reg = same(e->text, "true");
    else if (key->meaning == PASSED_OVER) tell(r, e, "has no meaning here");
    else if (!is_off(e->text) && !(is_one && same(key->key, "network_multiplier")))
        fault(r, e, "is not done here");
}

static const char *did_you_mean_key(Reading *r, const char *name)
{
    Nearest near = nearest_to(name);
    for (size_t i = 0; i < sizeof keys / sizeof *keys; i++) nearest_consider(&near, keys[i].key);
    return did_you_mean(r->a, near);
}

/* within: the path of the value, in its table */
static void read_entry(Reading *r, const ConfigEntry *e, const char *within, int where)
{
    static const char *const of_the_command[] = { "prior_loss_weight", "max_token_length", "debug_dataset" };
    const char *dot = strchr(within, '.');
    const char *name = copy(r->a, within, dot ? (size_t)(dot - within) : strlen(within));
    const Key *key = key_named(name);
    if (!e->text || (dot && strcmp(dot, ".0"))) return;          /* a table, or a further element of an array */
    for (size_t i = 0; i < 3; i++)
        if (same(name, of_the_command[i])) {
            fault(r, e, format(r->a, "is for the command line only, as --%s", name));
            return;
        }
    if (!key) fault(r, e, format(r->a, "is no key of a dataset configuration%s", did_you_mean_key(r, name)));
    else if (!(key->where & where))
        fault(r, e, where == IN_SUBSET ? "stands in [[datasets]] or [general], not in a subset"
                                       : "stands in [[datasets.subsets]]");
    else set_value(r, e, key);
}

/* ---- a subset ---------------------------------------------------------------------------------- */

static int is_below(const char *within, const char *table)
{
    return !strcmp(within, table) || config_within(within, table) != NULL;
}

/* Sets what stands in one table, without the tables in it. */
static void read_table(Reading *r, const char *table, int where)
{
    for (size_t i = 0; i < r->entries.count; i++) {
        const ConfigEntry *e = &r->entries.entry[i];
        const char *within = config_within(e->path, table);
        if (within && !is_below(within, "subsets")) read_entry(r, e, within, where);
    }
}

/* "datasets.1.subsets.0" -> "datasets.1"; NULL when the path is none of a subset */
static const char *dataset_of(Arena *a, const char *path)
{
    char *end;
    const char *number = config_within(path, "datasets");
    if (!number || !digit(*number)) return NULL;
    (void)strtoul(number, &end, 10);
    const char *subset = config_within(end, ".subsets");
    if (!subset || !*subset || subset[strspn(subset, "0123456789")]) return NULL;
    return copy(a, path, (size_t)(end - path));
}

static void read_subset(Reading *r, Subset *s, const char *path, const char *dataset)
{
    r->s = s;
    read_table(r, "general", IN_DATASET);
    read_table(r, dataset, IN_DATASET);
    read_table(r, path, IN_SUBSET);
    if (!s->image_dir) lines_add(r->a, r->faults, format(r->a, "%s: %s has no image_dir", r->path, path));
}

/* kohya passes these over with a warning. */
static const char *why_left_out(Reading *r, const Subset *all, const Subset *s, const char *path, const char *dataset)
{
    const ConfigEntry *repeats = config_at(&r->entries, format(r->a, "%s.num_repeats", path));
    if (repeats && repeats->text && is_off(repeats->text)) return "is passed over: its num_repeats is below 1";
    if (!s->image_dir) return NULL;
    for (const Subset *other = all; other < s; other++)
        if (other->dataset == s->dataset && other->image_dir && !strcmp(other->image_dir, s->image_dir))
            return format(r->a, "is passed over: %s is in %s already", s->image_dir, dataset);
    return NULL;
}

/* ---- all of it --------------------------------------------------------------------------------- */

static void check_top(Reading *r)
{
    for (size_t i = 0; i < r->entries.count; i++) {
        const ConfigEntry *e = &r->entries.entry[i];
        if (!is_below(e->path, "general") && !is_below(e->path, "datasets"))
            fault(r, e, "stands in no table; expected [general], [[datasets]] and [[datasets.subsets]]");
    }
}

/* Of these there is one for all. */
static void take_common(Reading *r, TrainingConfig *base, const Subsets *all)
{
    const TrainingConfig *first = &all->subset[0].config;
    for (size_t i = 1; i < all->count; i++) {
        const TrainingConfig *other = &all->subset[i].config;
        if (other->train_batch_size != first->train_batch_size)
            lines_add_once(r->a, r->faults, format(r->a, "%s: datasets of different batch_size; here all have one",
                                                   r->path));
        if (other->validation_split < first->validation_split || other->validation_split > first->validation_split)
            lines_add_once(r->a, r->faults, format(r->a, "%s: datasets of different validation_split; here all have "
                                                         "one", r->path));
        if (other->validation_seed != first->validation_seed)
            lines_add_once(r->a, r->faults, format(r->a, "%s: datasets of different validation_seed; here all have one",
                                                   r->path));
    }
    base->train_batch_size = first->train_batch_size;
    base->validation_split = first->validation_split;
    base->validation_seed = first->validation_seed;
    base->resolution = first->resolution;
}

Subsets dataset_config_read(Arena *a, const char *path, TrainingConfig *base, Lines *told, Lines *faults)
{
    Reading r = { .a = a, .path = path, .told = told, .faults = faults, .entries = config_file_read(a, path) };
    Subsets all = { .subset = allocate(a, r.entries.count + 1, sizeof *all.subset) };
    check_top(&r);
    for (size_t i = 0; i < r.entries.count; i++) {
        const ConfigEntry *e = &r.entries.entry[i];
        const char *dataset = e->type == CONFIG_TABLE ? dataset_of(a, e->path) : NULL;
        if (!dataset) continue;
        Subset *s = &all.subset[all.count];
        *s = (Subset){ .config = *base, .dataset = atoi(dataset + strlen("datasets.")) };
        read_subset(&r, s, e->path, dataset);
        const char *why = why_left_out(&r, all.subset, s, e->path, dataset);
        if (why) tell(&r, e, why);
        else all.count++;
    }
    if (!all.count)
        lines_add(a, faults, format(a, "%s: no [[datasets.subsets]] with an image_dir to learn from", path));
    else take_common(&r, base, &all);
    return all;
}
