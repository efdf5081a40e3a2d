/* metadata.c - what is said within a result of training of how it came to be.
 *
 * The names are those of kohya's trainer (sd-scripts, train_network.py), for it is these that the web UI's cards, galleries and other
 * people's tools read: how large the pictures were (ss_bucket_info), how many in which folder (ss_dataset_dirs), which words are said of
 * them how often (ss_tag_frequency).  Those three are JSON within a text.
 *
 * Nothing is said that is not so here, and nothing that the weights do not depend on, as the time or the file's name: the same job writes
 * the same bytes. */
#include "metadata.h"

#include "chars.h"
#include "json.h"

#include <math.h>
#include <stdlib.h>
#include <string.h>

/* ---- the pictures ----------------------------------------------------------------------------- */

/* Photos of one folder stand together: those from one on, up to `end`, that this one's folder holds and that are for the same. */
static const Photo *folder_end(Arena *a, const Photo *one, const Photo *end)
{
    const Photo *p = one;
    const char *folder = folder_of(a, one->path);
    while (p < end && (p->role == PRIOR) == (one->role == PRIOR) && !strcmp(folder_of(a, p->path), folder)) p++;
    return p;
}

static const char *folder_name(Arena *a, const Photo *p) { return json_quoted(a, file_name(folder_of(a, p->path))); }

/* {"10_sks": {"n_repeats": 10, "img_count": 15}}, of class pictures or of the others; those that are held out are none */
static const char *dataset_dirs(Arena *a, const Photos *photos, int prior)
{
    Draft d = draft(a);
    const Photo *end = photos->photo + photos->count, *next;
    draft_add(&d, "{");
    for (const Photo *p = photos->photo; p < end; p = next) {
        size_t count = 0, repeats = SIZE_MAX;
        next = folder_end(a, p, end);
        for (const Photo *one = p; one < next && (p->role == PRIOR) == prior; one++)
            if (one->repeats) count++, repeats = (size_t)one->repeats < repeats ? (size_t)one->repeats : repeats;
        if (count) draft_add(&d, format(a, "%s%s: {\"n_repeats\": %zu, \"img_count\": %zu}", d.n > 1 ? ", " : "", folder_name(a, p), repeats, count));
    }
    draft_add(&d, "}");
    return d.text;
}

/* {"buckets": {"0": {"resolution": [512, 512], "count": 150}}} */
static const char *bucket_info(Arena *a, const Photos *photos)
{
    size_t count;
    const BucketCount *b = photos_buckets(a, photos, &count);
    Draft d = draft(a);
    draft_add(&d, "{\"buckets\": {");
    for (size_t i = 0; i < count; i++)
        draft_add(&d, format(a, "%s\"%zu\": {\"resolution\": [%d, %d], \"count\": %zu}", i ? ", " : "", i, b[i].width, b[i].height, b[i].repeated));
    draft_add(&d, "}}");
    return d.text;
}

static int by_text(const void *x, const void *y) { return strcmp(*(char *const *)x, *(char *const *)y); }

/* what stands between the commas of these photos' captions, in small letters, sorted */
static char **tags_of(Arena *a, const Photo *from, const Photo *end, size_t *count)
{
    size_t most = 0, parts, n = 0;
    for (const Photo *p = from; p < end; p++) most += strlen(p->caption) + 1;
    char **tag = take(a, most, sizeof *tag);
    for (const Photo *p = from; p < end; p++) {
        char **part = comma_parts(a, p->caption, &parts);
        for (size_t i = 0; i < parts; i++) {
            for (char *c = part[i]; *c; c++) *c = (char)lower(*c);
            if (*part[i]) tag[n++] = part[i];
        }
    }
    *count = n;
    if (*count) qsort(tag, *count, sizeof *tag, by_text);
    return tag;
}

/* {"10_sks": {"red hair": 7, "smiling": 9}} */
static const char *tag_frequency(Arena *a, const Photos *photos)
{
    Draft d = draft(a);
    const Photo *end = photos->photo + photos->count, *next;
    draft_add(&d, "{");
    for (const Photo *p = photos->photo; p < end; p = next) {
        size_t count, n;
        next = folder_end(a, p, end);
        char **tag = tags_of(a, p, next, &count);
        draft_add(&d, format(a, "%s%s: {", p > photos->photo ? ", " : "", folder_name(a, p)));
        for (size_t i = 0; i < count; i += n) {
            for (n = 1; i + n < count && !strcmp(tag[i], tag[i + n]); ) n++;
            draft_add(&d, format(a, "%s%s: %zu", i ? ", " : "", json_quoted(a, tag[i]), n));
        }
        draft_add(&d, "}");
    }
    draft_add(&d, "}");
    return d.text;
}

/* ---- all of it -------------------------------------------------------------------------------- */

typedef struct { Arena *a; Pair *pair; size_t count; } Said;

static void say(Said *s, const char *key, const char *value) { s->pair[s->count++] = (Pair){ key, value }; }
static void say_number(Said *s, const char *key, double x)   { say(s, key, number_text(s->a, x)); }
static void say_whether(Said *s, const char *key, double is) { say(s, key, is > 0 ? "True" : "False"); }

static void say_lora(Said *s, const Recipe *r)
{
    Rates rates = recipe_rates(r);
    double alpha = r->alpha > 0 ? r->alpha : r->rank, conv_alpha = r->conv_alpha > 0 ? r->conv_alpha : r->conv_rank;
    say(s, "modelspec.architecture", "stable-diffusion-v1/lora");
    say(s, "ss_network_module", "networks.lora");
    say_number(s, "ss_network_dim", r->rank), say_number(s, "ss_network_alpha", alpha);
    if (r->conv_rank > 0)
        say(s, "ss_network_args", format(s->a, "{\"conv_dim\": \"%s\", \"conv_alpha\": \"%s\"}", number_text(s->a, r->conv_rank), number_text(s->a, conv_alpha)));
    say_number(s, "ss_unet_lr", rates.unet), say_number(s, "ss_text_encoder_lr", rates.text);
}

static void say_recipe(Said *s, const Recipe *r, size_t steps)
{
    say_number(s, "ss_learning_rate", recipe_rate(r));
    say(s, "ss_optimizer", recipe_eight_bits(r) ? "bitsandbytes.optim.adamw.AdamW8bit" : "torch.optim.adamw.AdamW");
    say(s, "ss_lr_scheduler", r->schedule.name);
    say_number(s, "ss_lr_warmup_steps", schedule_warmup(&r->schedule, (int)steps));
    say_number(s, "ss_max_grad_norm", r->clip);
    say_number(s, "ss_total_batch_size", r->batch * r->accumulate), say_number(s, "ss_gradient_accumulation_steps", r->accumulate);
    say_whether(s, "ss_flip_aug", r->flip), say_whether(s, "ss_shuffle_caption", r->shuffle), say_number(s, "ss_keep_tokens", r->keep);
    say_number(s, "ss_caption_dropout_rate", r->drop);
    say_number(s, "ss_noise_offset", r->noise_offset), say_number(s, "ss_min_snr_gamma", r->snr), say_number(s, "ss_prior_loss_weight", r->prior_weight);
    say_whether(s, "ss_enable_bucket", r->buckets), say_whether(s, "ss_bucket_no_upscale", r->no_upscale);
}

static void say_pictures(Said *s, const Photos *p)
{
    size_t learned = 0;
    for (size_t i = 0; i < p->count; i++) if (p->photo[i].role == LEARNED) learned += (size_t)p->photo[i].repeats;
    say_number(s, "ss_num_train_images", (double)learned), say_number(s, "ss_num_reg_images", (double)p->prior);
    say_number(s, "ss_num_validation_images", (double)p->held_out);
    say(s, "ss_dataset_dirs", dataset_dirs(s->a, p, 0)), say(s, "ss_reg_dataset_dirs", dataset_dirs(s->a, p, 1));
    say(s, "ss_bucket_info", bucket_info(s->a, p)), say(s, "ss_tag_frequency", tag_frequency(s->a, p));
}

Pair *metadata_of(Arena *a, const Made *m, int lora, size_t more, size_t *count)
{
    enum { MOST = 64 };
    Said s = { a, take(a, MOST + more, sizeof *s.pair), 0 };
    size_t each = m->epoch ? m->epoch : 1;
    say(&s, "ss_sd_model_name", file_name(m->model)), say(&s, "ss_base_model_version", "sd_v1");
    if (lora) say_lora(&s, m->recipe);
    say_recipe(&s, m->recipe, m->steps);
    say_number(&s, "ss_steps", (double)m->step), say_number(&s, "ss_max_train_steps", (double)m->steps);
    say_number(&s, "ss_epoch", (double)((m->step + each - 1) / each)), say_number(&s, "ss_num_epochs", (double)((m->steps + each - 1) / each));
    say_number(&s, "ss_num_batches_per_epoch", (double)each * m->recipe->accumulate);
    say(&s, "ss_resolution", format(a, "(%d, %d)", m->side, m->side)), say_number(&s, "ss_clip_skip", m->clip_skip);
    say(&s, "ss_seed", format(a, "%llu", (unsigned long long)m->seed));
    say_pictures(&s, m->photos);
    *count = s.count;
    return s.pair;
}
