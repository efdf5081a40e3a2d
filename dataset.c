/* dataset.c - a folder of pictures as lessons.
 *
 *     picture -> resized, its middle cut out -> latents, drawn from what the autoencoder makes of it      image.c, vae.c; once
 *     caption -> tokens -> vectors, where their encoder does not learn                                    captions.c, clip.c; once
 *     an epoch: all pictures with their repeats, in a new order; each under fresh noise at a random time
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

static size_t latent_values(const Dataset *d) { return (size_t)(d->side / PIXELS) * (size_t)(d->side / PIXELS) * LATENT; }

/* latents drawn from what the autoencoder makes of a picture */
static Tensor encode_photo(Dataset *d, const Photo *photo, float *to, Rng *rng)
{
    size_t before = mark(d->mem);
    Picture p = image_open(d->mem, photo->path);
    p = image_cover(d->mem, p, d->side, d->side, p.width > d->side && p.height > d->side ? BOX : LANCZOS);
    Tensor x = tensor(d->run, 1, d->side, d->side, 3);
    for (size_t i = 0; i < size(x); i++) x.x[i] = (float)p.rgb[i] / 127.5f - 1;
    Tensor moments = vae_encode(d->run, x);
    for (size_t i = 0; i < rows(moments); i++)
        for (size_t c = 0; c < LATENT; c++) {
            float mean = moments.x[i * 2 * LATENT + c], log_variance = moments.x[i * 2 * LATENT + LATENT + c];
            float spread = expf(0.5f * fminf(fmaxf(log_variance, -30), 20));
            to[i * LATENT + c] = LATENT_SCALE * (mean + spread * normal(rng));
        }
    release(d->mem, before);
    return (Tensor){ 1, moments.h, moments.w, LATENT, to };
}

static void read_lesson(Dataset *d, const Photo *photo, Lesson *l, Rng *rng)
{
    int *ids = take(d->mem, CONTEXT, sizeof *ids);
    caption_ids(d->mem, &d->captions, photo->caption, ids);
    *l = (Lesson){ .ids = ids, .texts = 1, .clip_skip = d->clip_skip, .noise = d->noise };
    l->latents = encode_photo(d, photo, take(d->mem, latent_values(d), sizeof(float)), rng);
    if (d->captions.word || d->recipe->unet_only <= 0) return;
    Tensor text = clip_encode(d->run, l->ids, 1, l->clip_skip, NULL);
    l->ids = NULL, l->text = (Tensor){ 1, 1, text.h, text.c, text.x };
}

void dataset_read(Dataset *d, Rng *rng)
{
    alpha_bars(d->alpha_bar, SCALED_LINEAR, 0);
    d->noise = take(d->mem, latent_values(d), sizeof *d->noise);
    d->lesson = take(d->mem, d->photos.count, sizeof *d->lesson);
    for (size_t i = 0; i < d->photos.count; i++) {
        watch_progress(d->watch, "picture", (int)i, (int)d->photos.count);
        read_lesson(d, &d->photos.photo[i], &d->lesson[i], rng);
    }
    watch_progress(d->watch, "picture", (int)d->photos.count, (int)d->photos.count);
}

const Photo *dataset_photo(const Dataset *d, const Lesson *l) { return &d->photos.photo[l - d->lesson]; }

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
        size_t j = rng_bits(&c->rng) % i;
        uint32_t kept = c->order[i - 1];
        c->order[i - 1] = c->order[j], c->order[j] = kept;
    }
    c->next = 0;
}

Lesson *dataset_next(Dataset *d, Course *c)
{
    if (c->next == d->photos.repeated) shuffle(c, d->photos.repeated);
    Lesson *l = &d->lesson[c->order[c->next++]];
    size_t n = size(l->latents);
    float offset[LATENT];
    l->timestep = (int)(rng_bits(&c->rng) % TRAIN_STEPS), l->alpha_bar = d->alpha_bar[l->timestep];
    rng_normal(&c->rng, d->noise, n);
    for (int k = 0; k < LATENT && d->recipe->noise_offset > 0; k++) offset[k] = (float)d->recipe->noise_offset * normal(&c->rng);
    for (size_t i = 0; i < n && d->recipe->noise_offset > 0; i++) d->noise[i] += offset[i % LATENT];
    return l;
}
