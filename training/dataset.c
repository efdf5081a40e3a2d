/* dataset.c - a folder of pictures as lessons.
 *
 *     picture -> resized, its middle cut out -> latents, drawn from what the autoencoder makes of it      image.c, vae.c; once
 *     caption -> tokens -> vectors, where nothing about them changes                                      captions.c, clip.c; once
 *     an epoch: all pictures with their repeats, in a new order; each mirrored or not, its caption as chance has it, under fresh noise
 *     at a random time
 *
 * A batch is one picture after the other (train.c), so those of an epoch follow each other whatever their sizes: kohya's trainer must
 * fill each batch from one bucket.
 *
 * All chance comes from the course's generator, in one order, so a seed says which LoRA comes out, to the byte. */
#include "dataset.h"

#include "image.h"
#include "vae.h"

#include <math.h>

static float normal(Rng *rng)
{
    float x;
    rng_normal(rng, &x, 1);
    return x;
}

static size_t latent_values(const Photo *p) { return (size_t)(p->bucket.width / FACTOR) * (size_t)(p->bucket.height / FACTOR) * LATENT; }

/* [1,height,width,3], -1..1; kohya: the mean of an area where it shrinks, and Lanczos where it grows */
static Tensor read_photo(Dataset *d, const Photo *photo, int mirrored)
{
    const Bucket *b = &photo->bucket;
    Picture p = image_open(d->mem, photo->path);
    p = image_resize(d->mem, p, b->wide, b->high, p.width >= b->wide && p.height >= b->high ? BOX : LANCZOS);
    p = image_middle(d->mem, p, b->width, b->height);
    Tensor x = tensor(d->run, 1, p.height, p.width, 3);
    size_t width = (size_t)p.width;
    for (size_t i = 0; i < rows(x); i++)
        for (size_t c = 0, from = mirrored ? i / width * width + width - 1 - i % width : i; c < 3; c++) x.x[i * 3 + c] = (float)p.rgb[from * 3 + c] / 127.5f - 1;
    return x;
}

/* latents drawn from what the autoencoder makes of a picture */
static float *encode_photo(Dataset *d, const Photo *photo, int mirrored, Rng *rng)
{
    float *to = take(d->mem, latent_values(photo), sizeof *to);
    size_t before = mark(d->mem);
    Tensor moments = vae_encode(d->run, read_photo(d, photo, mirrored));
    for (size_t i = 0; i < rows(moments); i++)
        for (size_t c = 0; c < LATENT; c++) {
            float mean = moments.x[i * 2 * LATENT + c], log_variance = moments.x[i * 2 * LATENT + LATENT + c];
            float spread = expf(0.5f * fminf(fmaxf(log_variance, -30), 20));
            to[i * LATENT + c] = LATENT_SCALE * (mean + spread * normal(rng));
        }
    release(d->mem, before);
    return to;
}

/* are a picture's words the same in every step, and what they are encoded to as well? */
static int text_stays(const Dataset *d) { return !d->captions.word && !(recipe_rates(d->recipe).text > 0) && !(d->recipe->shuffle > 0) && !(d->recipe->drop > 0); }

static void read_sample(Dataset *d, const Photo *photo, Sample *s, Rng *rng)
{
    Lesson *l = &s->lesson;
    int *ids = take(d->mem, CONTEXT, sizeof *ids);
    caption_ids(d->mem, &d->captions, photo->caption, photo->role != PRIOR, ids);
    *s = (Sample){ .photo = photo, .latents = { encode_photo(d, photo, 0, rng), d->recipe->flip > 0 ? encode_photo(d, photo, 1, rng) : NULL } };
    *l = (Lesson){ .ids = ids, .texts = 1, .clip_skip = d->clip_skip, .noise = d->noise,
                   .latents = { 1, photo->bucket.height / FACTOR, photo->bucket.width / FACTOR, LATENT, s->latents[0] } };
    if (!text_stays(d)) return;
    Tensor text = clip_encode(d->run, ids, 1, l->clip_skip, NULL);
    l->ids = NULL, l->text = (Tensor){ 1, 1, text.h, text.c, text.x };
}

void dataset_read(Dataset *d, Rng *rng)
{
    size_t most = 0, n = d->photos.count;
    for (size_t i = 0; i < n; i++) if (latent_values(&d->photos.photo[i]) > most) most = latent_values(&d->photos.photo[i]);
    alpha_bars(d->alpha_bar, SCALED_LINEAR, 0);
    d->noise = take(d->mem, most, sizeof *d->noise);
    d->sample = take(d->mem, n, sizeof *d->sample);
    for (size_t i = 0; i < n; i++) {
        watch_progress(d->watch, "picture", (int)i, (int)n);
        read_sample(d, &d->photos.photo[i], &d->sample[i], rng);
    }
    watch_progress(d->watch, "picture", (int)n, (int)n);
}

/* the first sample of that size */
static const Sample *alike(const Dataset *d, const Sample *s)
{
    const Sample *first = d->sample;
    while (first->lesson.latents.h != s->lesson.latents.h || first->lesson.latents.w != s->lesson.latents.w) first++;
    return first;
}

void dataset_rehearse(Dataset *d)
{
    double all = 0;
    for (Sample *s = d->sample; s < d->sample + d->photos.count; s++) {
        const Sample *first = alike(d, s);
        d->run->machine->ops = 0;
        if (first == s) rehearse_lesson(d->run, &s->lesson), s->ops = d->run->machine->ops;
        all += first->ops * s->photo->repeats;
    }
    begin_lessons(d->run);
    d->run->machine->ops = all / (double)d->photos.repeated;
}

/* ---- order -------------------------------------------------------------------------------------- */

void dataset_order(const Dataset *d, Course *c)
{
    size_t at = 0;
    for (size_t i = 0; i < d->photos.count; i++)
        for (int k = 0; k < d->photos.photo[i].repeats; k++) c->order[at++] = (uint32_t)i;
    c->next = (uint32_t)d->photos.repeated;
}

static void shuffle(Course *c, size_t n)
{
    for (size_t i = n; i > 1; i--) {
        size_t j = rng_below(&c->rng, (uint32_t)i);
        uint32_t kept = c->order[i - 1];
        c->order[i - 1] = c->order[j], c->order[j] = kept;
    }
    c->next = 0;
}

/* the noise of a whole channel may be shifted */
static void draw_noise(Dataset *d, size_t n, Rng *rng)
{
    float offset[LATENT];
    rng_normal(rng, d->noise, n);
    for (int k = 0; k < LATENT && d->recipe->noise_offset > 0; k++) offset[k] = (float)d->recipe->noise_offset * normal(rng);
    for (size_t i = 0; i < n && d->recipe->noise_offset > 0; i++) d->noise[i] += offset[i % LATENT];
}

static void draw_words(Dataset *d, Sample *s, Rng *rng)
{
    size_t before = mark(d->mem);
    const Recipe *r = d->recipe;
    if (!(r->shuffle > 0) && !(r->drop > 0)) return;
    const char *caption = caption_drawn(d->mem, s->photo->caption, (CaptionChance){ r->drop, r->shuffle > 0, (int)r->keep }, rng);
    caption_ids(d->mem, &d->captions, caption, s->photo->role != PRIOR, d->ids);
    s->lesson.ids = d->ids;
    release(d->mem, before);
}

static void set_time(Dataset *d, Lesson *l, int timestep) { l->timestep = timestep, l->alpha_bar = d->alpha_bar[timestep]; }

const Sample *dataset_next(Dataset *d, Course *c)
{
    if (c->next == d->photos.repeated) shuffle(c, d->photos.repeated);
    Sample *s = &d->sample[c->order[c->next++]];
    if (s->latents[1]) s->lesson.latents.x = s->latents[rng_bits(&c->rng) & 1];
    draw_words(d, s, &c->rng);
    set_time(d, &s->lesson, (int)rng_below(&c->rng, TRAIN_STEPS));
    draw_noise(d, size(s->lesson.latents), &c->rng);
    return s;
}

/* min(snr, gamma) / snr, snr = a / (1 - a)      (Hang et al., "Efficient Diffusion Training via Min-SNR Weighting", 2023) */
double sample_weight(const Dataset *d, const Sample *s)
{
    double a = (double)s->lesson.alpha_bar, snr = a / (1 - a), gamma = d->recipe->snr, weight = gamma > 0 && snr > gamma ? gamma / snr : 1;
    return s->photo->role == PRIOR ? weight * d->recipe->prior_weight : weight;
}

/* ---- held out ----------------------------------------------------------------------------------- */

double dataset_held_out_loss(Dataset *d)
{
    static const int timestep[] = { 200, 400, 600, 800 };
    enum { TIMES = sizeof timestep / sizeof *timestep };
    size_t before = mark(d->mem);
    Rng *rng = take(d->mem, 1, sizeof *rng);
    double sum = 0;
    rng_seed(rng, 0);
    for (Sample *s = d->sample; s < d->sample + d->photos.count; s++)
        for (int i = 0; i < TIMES && s->photo->role == HELD_OUT; i++) {
            set_time(d, &s->lesson, timestep[i]);
            rng_normal(rng, d->noise, size(s->lesson.latents));
            sum += lesson_loss(d->run, &s->lesson);
        }
    release(d->mem, before);
    return sum / (double)(TIMES * d->photos.held_out);
}
