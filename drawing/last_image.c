/* last_image.c - a clip that begins as one picture and ends as another (sd-webui-animatediff's img2img).
 *
 *     a_i = max(0, 1 - i^power / scale),   b_i the same from the other end,   a_i + b_i <= 1
 *     x0_i = a_i first + b_i last + (1 - a_i - b_i) z         in denoise.c; then img2img adds its noise
 *
 * Each picture has a denoising strength, but all frames begin at one noise level.  So the run begins at the lower of
 * the two strengths, and of the other picture less is left:
 *     part = (1 - its strength) / (1 - the lower strength)
 * A picture of strength 1 is not seen at all, and with equal strengths both are whole.
 *
 * It refuses a still, a last picture without a first one, a clip in the place of either, and a mask. */
#include "last_image.h"

#include "chars.h"
#include "work.h"

#include <math.h>
#include <string.h>

static double left_of(LatentFade f, int i) { return fmax(0, 1 - pow(i, f.power) / f.scale); }

/* Latent power and latent scale, from both ends. */
void last_image_weights(int frames, LatentFade first, LatentFade last, float *a, float *b)
{
    for (int i = 0; i < frames; i++) {
        double of_first = left_of(first, i);
        double of_last = left_of(last, frames - 1 - i);
        double sum = fmax(1, of_first + of_last);
        a[i] = (float)(first.part * of_first / sum);
        b[i] = (float)(last.part * of_last / sum);
    }
    a[0] = (float)first.part;
    b[0] = 0;
    a[frames - 1] = 0;
    b[frames - 1] = (float)last.part;
}

static double last_strength(const Job *j) { return j->last_strength > 0 ? j->last_strength : j->strength; }

double job_init_strength(const Job *j)
{
    return j->last ? fmin(j->strength, last_strength(j)) : j->strength;
}

static LatentFade fade(double power, double scale, double strength, double lower)
{
    return (LatentFade){
        .power = power > 0 ? power : 1,
        .scale = scale > 0 ? scale : 32,
        .part = strength > lower ? (1 - strength) / (1 - lower) : 1,
    };
}

static void choose_weights(Work *w)
{
    const Job *j = w->job;
    double lower = job_init_strength(j);
    LatentFade first = fade(j->latent_power, j->latent_scale, j->strength, lower);
    LatentFade last = fade(j->latent_power_last, j->latent_scale_last, last_strength(j), lower);
    float *a = allocate(w->mem, (size_t)j->frames, sizeof *a);
    float *b = allocate(w->mem, (size_t)j->frames, sizeof *b);
    last_image_weights(j->frames, first, last, a, b);
    w->denoising.first_weight = a;
    w->denoising.last_weight = b;
}

/* Puts the last picture behind the first one. */
static void open_last(void *work)
{
    Work *w = work;
    const Job *j = w->job;
    InitClip found = init_clip_find(w->mem, j->last);
    if (found.count > 1)
        fail(w->mem, "%s: has %zu frames, expected one picture as Last image; keep its last frame as a PNG, and name "
                     "that", j->last, found.count);
    const size_t only = 0;
    Picture original;
    Picture last = init_clip_decode(w->mem, &found, &only, 1, j->width, j->height, w->callbacks, &original);
    size_t bytes = 3 * (size_t)last.width * (size_t)last.height;
    unsigned char *both = allocate(w->mem, bytes, 2);
    memcpy(both, w->init.rgb, bytes);
    memcpy(both + bytes, last.rgb, bytes);
    w->init.rgb = both;
    w->init_frames = 2;
    w->has_last = 1;
    choose_weights(w);
    callbacks_say(w->callbacks, "ends as %s (%dx%d), strength %g: the middle frame begins as %.0f%% of the first and "
                  "%.0f%% of the last picture", j->last, original.width, original.height, last_strength(j),
                  100 * (double)w->denoising.first_weight[j->frames / 2],
                  100 * (double)w->denoising.last_weight[j->frames / 2]);
}

void job_choose_last(Work *w)
{
    const Job *j = w->job;
    size_t before = w->faults->count;
    if (!j->last) return;
    if (!j->init)
        job_fault(w, format(w->mem, "Last image is %s, but there is no first one; name it as Init image, or --init",
                            j->last));
    if (w->init_clip.count > 1)
        job_fault(w, format(w->mem, "Last image goes with a picture as Init image, and %s is a clip of %zu frames; "
                            "leave one out", j->init, w->init_clip.count));
    if (j->frames < 2)
        job_fault(w, "Last image needs a clip: set Motion module, and Frames to 2 or more");
    if (j->mask && strcmp(j->mask, "none"))
        job_fault(w, "Mask and Last image do not go together: what is kept would be one picture in all frames; leave "
                     "one out");
    if (w->faults->count == before && w->has_init && !is_unfound(j->last)) job_try(w, open_last);
}
