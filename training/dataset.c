/* dataset.c - the training images and their captions as training examples.
 *
 *     picture -> resized, its middle cut out -> latents       image.c, vae.c; once (kohya: --cache_latents)
 *     caption -> token numbers -> hidden states               captions.c, clip.c; once, where nothing changes them
 *     an epoch: all pictures with their repeats, in a new order; each mirrored or not, its caption augmented, under
 *     fresh noise at a random timestep
 *
 * A batch is one picture after the other (objective.c), so those of an epoch follow each other whatever their sizes.
 * kohya's trainer must fill each batch from one bucket.
 *
 * All random numbers come from one generator, in one order.  So a seed says which LoRA comes out, to the byte. */
#include "dataset.h"

#include "chars.h"
#include "image.h"
#include "masks.h"
#include "vae.h"

#include <math.h>
#include <string.h>

/* ---- encoding ---------------------------------------------------------------------------------- */

static size_t latent_values(const Photo *p)
{
    return (size_t)(p->bucket.width / FACTOR) * (size_t)(p->bucket.height / FACTOR) * LATENT;
}

/* kohya: cv2.INTER_AREA where a picture shrinks, and Lanczos where it grows */
static Picture read_picture(Dataset *d, const Photo *photo)
{
    const Bucket *b = &photo->bucket;
    Picture p = image_open(d->mem, photo->path);
    int shrinks = p.width >= b->wide && p.height >= b->high;
    p = image_resize(d->mem, p, b->wide, b->high, shrinks ? BOX : LANCZOS);
    return image_center_crop(d->mem, p, b->width, b->height);
}

/* pixels / 127.5 - 1: [1,height,width,3], -1 .. 1 */
static Tensor pixels_of(Dataset *d, const Photo *photo, int mirror)
{
    Picture p = read_picture(d, photo);
    Tensor x = tensor(d->run, 1, p.height, p.width, 3);
    size_t width = (size_t)p.width;
    for (size_t i = 0; i < rows(x); i++) {
        size_t row = i / width * width;
        size_t column = i % width;
        size_t from = mirror ? row + width - 1 - column : i;
        for (size_t c = 0; c < 3; c++) x.x[i * 3 + c] = (float)p.rgb[from * 3 + c] / 127.5f - 1;
    }
    return x;
}

static float normal(Rng *rng)
{
    float x;
    rng_normal(rng, &x, 1);
    return x;
}

/* latents = vae.encode(pixels).latent_dist.sample() * 0.18215, with std = exp(logvar / 2) and logvar within -30 ..
 * 20 */
static float *encode_photo(Dataset *d, const Photo *photo, int mirror, Rng *rng)
{
    float *latents = allocate(d->mem, latent_values(photo), sizeof *latents);
    size_t before = mark(d->mem);
    Tensor moments = vae_encode(d->run, pixels_of(d, photo, mirror));
    for (size_t i = 0; i < rows(moments); i++) {
        const float *mean = moments.x + i * 2 * LATENT;
        const float *logvar = mean + LATENT;
        for (size_t c = 0; c < LATENT; c++) {
            float std = expf(0.5f * fminf(fmaxf(logvar[c], -30), 20));
            latents[i * LATENT + c] = LATENT_SCALE * (mean[c] + std * normal(rng));
        }
    }
    release(d->mem, before);
    return latents;
}

/* Pictures that were not found in a folder have the options of the job. */
static const TrainingConfig *config_of(const Dataset *d, const Photo *photo)
{
    return photo->config ? photo->config : d->config;
}

/* kohya:  token_warmup_step below 1 is a part of all steps: math.floor(token_warmup_step * max_train_steps) */
static CaptionAugmentation augmentation_of(const Dataset *d, const Photo *photo)
{
    const TrainingConfig *c = config_of(d, photo);
    double warmup = c->token_warmup_step < 1 ? floor(c->token_warmup_step * d->steps) : c->token_warmup_step;
    return (CaptionAugmentation){
        .caption_dropout_rate = c->caption_dropout_rate,
        .caption_dropout_every_n_epochs = c->caption_dropout_every_n_epochs,
        .enable_wildcard = c->enable_wildcard,
        .caption_prefix = c->caption_prefix,
        .caption_suffix = c->caption_suffix,
        .caption_separator = c->caption_separator,
        .shuffle_caption = c->shuffle_caption,
        .keep_tokens = c->keep_tokens,
        .keep_tokens_separator = c->keep_tokens_separator,
        .token_warmup_step = (int)warmup,
        .token_warmup_min = c->token_warmup_min,
        .caption_tag_dropout_rate = c->caption_tag_dropout_rate,
        .secondary_separator = c->secondary_separator,
    };
}

static int names_word(const Photo *photo) { return photo->role != CLASS_IMAGE; }

/* The caption without anything random: what a picture that is held out always has.  Of lines the first counts, of
 * {a|b} always the same one. */
static const char *plain_caption(Dataset *d, const Photo *photo)
{
    CaptionAugmentation how = augmentation_of(d, photo);
    Rng *rng = allocate(d->mem, 1, sizeof *rng);
    how.caption_dropout_rate = 0;
    how.caption_dropout_every_n_epochs = 0;
    how.shuffle_caption = 0;
    how.token_warmup_step = 0;
    how.caption_tag_dropout_rate = 0;
    rng_seed(rng, 0);
    return caption_augmented(d->mem, photo->caption, &how, 1, 0, rng);
}

/* Are the hidden states of its caption the same in every step? */
static int caption_stays_encoded(const Dataset *d, const Photo *photo)
{
    CaptionAugmentation how = augmentation_of(d, photo);
    int text_encoder_stays = !d->captions.word && !(training_learning_rates(d->config).text > 0);
    return text_encoder_stays && caption_stays(&how);
}

static void read_item(Dataset *d, const Photo *photo, DatasetItem *item, Rng *rng)
{
    int *ids = allocate(d->mem, (size_t)d->captions.chunks * CONTEXT, sizeof *ids);
    caption_ids(d->mem, &d->captions, plain_caption(d, photo), names_word(photo), ids);
    *item = (DatasetItem){ .photo = photo };
    item->latents = encode_photo(d, photo, 0, rng);
    item->mask = mask_read(d->mem, photo, 0);
    if (config_of(d, photo)->flip_aug) {
        item->mirrored = encode_photo(d, photo, 1, rng);
        item->mirrored_mask = mask_read(d->mem, photo, 1);
    }
    TrainingExample *e = &item->example;
    e->ids = ids;
    e->texts = d->captions.chunks;
    e->joins_chunks = 1;
    e->clip_skip = d->clip_skip;
    e->noise = d->noise;
    e->mask = item->mask;
    e->is_class_image = photo->role == CLASS_IMAGE;
    e->latents = (Tensor){ .n = 1, .h = photo->bucket.height / FACTOR, .w = photo->bucket.width / FACTOR, .c = LATENT,
                           .x = item->latents };
    if (!caption_stays_encoded(d, photo)) return;
    e->text = clip_join_chunks(d->run, clip_encode(d->run, ids, e->texts, e->clip_skip, NULL));
    e->ids = NULL;
}

void dataset_read(Dataset *d, Rng *rng)
{
    size_t most = 0;
    size_t n = d->photos.count;
    for (size_t i = 0; i < n; i++) {
        size_t values = latent_values(&d->photos.photo[i]);
        if (values > most) most = values;
    }
    d->noise = allocate(d->mem, 2 * most, sizeof *d->noise);
    d->item = allocate(d->mem, n, sizeof *d->item);
    for (size_t i = 0; i < n; i++) {
        callbacks_progress(d->callbacks, "picture", (int)i, (int)n);
        read_item(d, &d->photos.photo[i], &d->item[i], rng);
    }
    callbacks_progress(d->callbacks, "picture", (int)n, (int)n);
}

/* ---- what is cut ------------------------------------------------------------------------------- */

/* The caption's tags as far as they are within the tokens that are read, in the arena.  A tag that is cut in two is
 * not learned. */
static const char *learned_part(Dataset *d, const Photo *photo, size_t most)
{
    char *text = copy(d->mem, photo->caption, strlen(photo->caption));
    while (caption_length(d->mem, &d->captions, text, names_word(photo)) > most) {
        char *comma = strrchr(text, ',');
        if (!comma) return "";
        *comma = 0;
    }
    return text;
}

static const char *advice(Dataset *d, size_t longest)
{
    size_t chunks = (longest + CHUNK_TOKENS - 1) / CHUNK_TOKENS;
    if (d->captions.chunks == MOST_CHUNKS) return "shorter captions, please: more cannot be read";
    int is_enough = chunks <= MOST_CHUNKS;
    return format(d->mem, "--max_token_length %d reads %s", is_enough ? (int)chunks * CHUNK_TOKENS
                                                                      : MOST_CHUNKS * CHUNK_TOKENS,
                  is_enough ? "all of it" : "most of it, and more cannot be read");
}

void dataset_check_captions(Dataset *d)
{
    size_t most = (size_t)d->captions.chunks * CHUNK_TOKENS;
    size_t longest = 0;
    size_t cut = 0;
    const char *name = NULL;
    for (size_t i = 0; i < d->photos.count; i++) {
        Photo *photo = &d->photos.photo[i];
        size_t tokens = caption_length(d->mem, &d->captions, plain_caption(d, photo), names_word(photo));
        photo->learned = photo->caption;
        if (tokens <= most) continue;
        cut++;
        if (!config_of(d, photo)->shuffle_caption) photo->learned = learned_part(d, photo, most);
        if (tokens <= longest) continue;
        longest = tokens;
        name = photo->name;
    }
    if (!cut) return;
    callbacks_say(d->callbacks, "warning: %s of %zu %s longer than the %zu tokens that are read, the longest %zu (%s); "
                  "what is behind them is not learned; %s", amount(d->mem, cut, "caption"), d->photos.count,
                  cut == 1 ? "is" : "are", most, longest, name, advice(d, longest));
}

/* ---- memory ------------------------------------------------------------------------------------ */

/* The first item of the same size, which may be itself. */
static DatasetItem *first_of_size(Dataset *d, const DatasetItem *item)
{
    Tensor size = item->example.latents;
    DatasetItem *first = d->item;
    while (first->example.latents.h != size.h || first->example.latents.w != size.w) first++;
    return first;
}

/* The next held-out picture that is measured, from number i on; NULL: there are no more.  measured: how many were. */
static TrainingExample *next_held_out(Dataset *d, size_t *i, size_t measured)
{
    size_t most = (size_t)d->config->max_validation_steps;
    if (most && measured == most) return NULL;
    while (*i < d->photos.count && d->item[*i].photo->role != VALIDATION_IMAGE) ++*i;
    return *i < d->photos.count ? &d->item[(*i)++].example : NULL;
}

/* The operations of one measurement of the held-out pictures: forward passes alone. */
static void count_validation(Dataset *d)
{
    Run forward = *d->run;
    const TrainingExample *e;
    size_t measured = 0;
    forward.tape = NULL;
    forward.machine->ops = 0;
    forward.machine->dry = 1;
    for (size_t i = 0; (e = next_held_out(d, &i, measured)); measured++) objective_loss(&forward, e);
    forward.machine->dry = 0;
    d->validation_ops = VALIDATION_TIMES * forward.machine->ops;
}

void dataset_dry_run(Dataset *d)
{
    double all = 0;
    for (size_t i = 0; i < d->photos.count; i++) {
        DatasetItem *item = &d->item[i];
        DatasetItem *first = first_of_size(d, item);
        if (first == item) {
            d->run->machine->ops = 0;
            objective_dry_run(d->run, &item->example);
            item->ops = d->run->machine->ops;
        }
        all += first->ops * item->photo->repeats;
    }
    count_validation(d);
    objective_start(d->run);
    d->run->machine->ops = all / (double)d->photos.repeated;
}

/* ---- drawing ----------------------------------------------------------------------------------- */

void dataset_begin(const Dataset *d, TrainingProgress *p)
{
    size_t n = 0;
    for (size_t i = 0; i < d->photos.count; i++)
        for (int k = 0; k < d->photos.photo[i].repeats; k++) p->order[n++] = (uint32_t)i;
    p->next = (uint32_t)d->photos.repeated;
}

/* A new epoch, in a new order: Fisher-Yates. */
static void begin_epoch(TrainingProgress *p, size_t n)
{
    for (size_t i = n; i > 1; i--) {
        size_t j = rng_below(&p->rng, (uint32_t)i);
        uint32_t swapped = p->order[i - 1];
        p->order[i - 1] = p->order[j];
        p->order[j] = swapped;
    }
    p->next = 0;
}

/* flip_aug: one time in two the mirrored picture */
static void draw_side(DatasetItem *item, Rng *rng)
{
    if (!item->mirrored) return;
    int is_mirrored = rng_bits(rng) & 1;
    item->example.latents.x = is_mirrored ? item->mirrored : item->latents;
    item->example.mask = is_mirrored ? item->mirrored_mask : item->mask;
}

/* Epochs count from 1, as for files that are saved: the last step of one may take pictures of the next. */
static size_t epoch_of(const Dataset *d, const TrainingProgress *p)
{
    size_t examples = (size_t)objective_examples(d->objective);
    return p->step / ((d->photos.repeated + examples - 1) / examples) + 1;
}

static void draw_caption(Dataset *d, DatasetItem *item, TrainingProgress *p)
{
    const Photo *photo = item->photo;
    const CaptionAugmentation how = augmentation_of(d, photo);
    if (caption_stays(&how)) return;
    size_t before = mark(d->mem);
    const char *caption = caption_augmented(d->mem, photo->caption, &how, epoch_of(d, p), p->step, &p->rng);
    caption_ids(d->mem, &d->captions, caption, names_word(photo), d->ids);
    item->example.ids = d->ids;
    release(d->mem, before);
}

const DatasetItem *dataset_next(Dataset *d, TrainingProgress *p)
{
    if (p->next == d->photos.repeated) begin_epoch(p, d->photos.repeated);
    DatasetItem *item = &d->item[p->order[p->next++]];
    draw_side(item, &p->rng);
    draw_caption(d, item, p);
    objective_draw(d->mem, d->objective, &item->example, d->noise, &p->rng);
    return item;
}

/* ---- validation -------------------------------------------------------------------------------- */

void dataset_validate(Dataset *d, double loss[VALIDATION_TIMES])
{
    size_t before = mark(d->mem);
    Rng *rng = allocate(d->mem, 1, sizeof *rng);
    TrainingExample *e;
    size_t measured = 0;
    rng_seed(rng, d->config->validation_seed < 0 ? 0 : (uint64_t)d->config->validation_seed);
    for (int k = 0; k < VALIDATION_TIMES; k++) loss[k] = 0;
    for (size_t i = 0; (e = next_held_out(d, &i, measured)); measured++) {
        for (int k = 0; k < VALIDATION_TIMES; k++) {
            objective_set_timestep(d->objective, e, validation_timesteps[k]);
            e->perturbation = NULL;
            e->noise = d->noise;
            rng_normal(rng, d->noise, size(e->latents));
            loss[k] += objective_loss(d->run, e);
        }
    }
    release(d->mem, before);
    for (int k = 0; k < VALIDATION_TIMES; k++) loss[k] /= (double)measured;
}
