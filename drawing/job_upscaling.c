/* job_upscaling.c - which upscalers a drawing job has.
 *
 * There are two places for one: behind the last step, where it makes the finished picture larger (Upscaler), and before
 * the second pass, which then draws over a larger picture instead of larger latents (Hires upscaler).  Either is a
 * network in a file, or Lanczos or Nearest, which need none.
 *
 * A model may have an upscaler of its own: its metadata name a file that lies beside it.  With it, Size is the size of
 * the result: the model that comes with persona draws 128x128 for a Size of 256x256.  Upscaler: None turns it off. */
#include "work.h"

#include "chars.h"
#include "vae.h"

#include <stdio.h>
#include <stdlib.h>
#include <string.h>

typedef struct { Work *w; const char *path, *prefix; Upscaling *to; } Opening;

static void open_network(void *opening)
{
    Opening *o = opening;
    Work *w = o->w;
    Weights *all = weights_add_upscaler(w->mem, w->weights, o->path, o->prefix);
    Run r = { .machine = &w->machine, .weights = all };
    o->to->network = upscaler_of(&r, o->prefix);
    o->to->factor = o->to->network.scale;
    w->weights = all;
    w->run.weights = all;
    callbacks_say(w->callbacks, "upscaler %s: %s", o->path, upscaler_said(w->mem, &o->to->network));
}

/* name: as upscale_method() takes it, or the path of a file */
static Upscaling upscaling_named(Work *w, const char *name, const char *prefix)
{
    const double USUAL = 2;
    const Upscaling none = { .factor = 1 };
    Upscaling u = { .method = upscale_method(name), .factor = 1 };
    Opening o = { w, name, prefix, &u };
    if (u.method == BY_NEAREST || u.method == BY_LANCZOS) u.factor = USUAL;
    if (u.method != BY_NETWORK) return u;
    if (is_unfound(name)) return none;
    return faults_try(w->mem, w->faults, open_network, &o) ? none : u;
}

/* ---- the model's own ---------------------------------------------------------------------------- */

/* The path of the model's own upscaler; NULL: it has none, or the job has another way to its size. */
static const char *own_upscaler(Work *w)
{
    const Job *j = w->job;
    const char *name = w->spec.upscaler;
    if (!name || !w->has_model || j->upscaler || j->hires > 0) return NULL;
    const char *folder = folder_of(w->mem, j->model);
    const char *path = strcmp(folder, ".") ? format(w->mem, "%s/%s", folder, name) : name;
    int is_in_memory = file_is_given(w->mem, j->model);        /* then its upscaler is, too, or there is none */
    if (is_in_memory ? file_is_given(w->mem, path) : weights_exist(w->mem, path)) return path;
    callbacks_say(w->callbacks, "%s names the upscaler %s, which is not beside it: pictures stay as large as they are "
                  "drawn", j->model, name);
    return NULL;
}

static int is_drawn_well(const ModelSpec *m, PixelSize s)
{
    PixelSize near = model_spec_nearest_size(m, s);
    return near.width == s.width && near.height == s.height;
}

/* Can a picture of size s be enlarged by one factor to the one that is wanted? */
static int has_same_shape(PixelSize s, PixelSize wanted)
{
    return (int64_t)s.height * wanted.width == (int64_t)wanted.height * s.width;
}

/* Of the sizes that the model draws well and that have the shape of the one wanted, the nearest to what it was trained
 * on: each of its widths has one height at most.  The size wanted, where there is none. */
static PixelSize drawn_size(const ModelSpec *m, PixelSize wanted)
{
    PixelSize best = wanted;
    if (!m->least.width || is_drawn_well(m, wanted)) return wanted;
    for (int width = m->least.width; width <= m->most.width && width <= wanted.width; width += FACTOR) {
        PixelSize s = { width, (int)((int64_t)wanted.height * width / wanted.width) };
        int is_possible = has_same_shape(s, wanted) && s.height % FACTOR == 0 && is_drawn_well(m, s);
        int is_nearer = best.width == wanted.width || abs(width - m->size.width) < abs(best.width - m->size.width);
        if (is_possible && is_nearer && wanted.width <= MOST_UPSCALING * width) best = s;
    }
    return best;
}

/* A size within the model's limits is drawn as it is.  A larger one is drawn at a size that the model knows, and its
 * own upscaler makes it what was asked for.  Where no size is asked for, the upscaler does what it was made for. */
void job_choose_size(Work *w)
{
    Job *j = w->job;
    PixelSize wanted = { j->width, j->height };
    const char *own = own_upscaler(w);
    int is_chosen = own && !strcmp(j->own_upscaler, w->spec.upscaler);       /* by a check of this job */
    job_fill_from_model(j, &w->spec);
    w->own_upscaler = own;
    if (!own) j->own_upscaler[0] = 0;
    if (!own || is_chosen) return;
    snprintf(j->own_upscaler, sizeof j->own_upscaler, "%s", w->spec.upscaler);
    if (!wanted.width || !wanted.height || j->upscale_by > 0) return;
    PixelSize drawn = drawn_size(&w->spec, wanted);
    if (drawn.width == wanted.width) {
        w->own_upscaler = NULL;
        j->own_upscaler[0] = 0;
        return;
    }
    j->width = drawn.width;
    j->height = drawn.height;
    j->upscale_by = (double)wanted.width / drawn.width;
}

void job_choose_upscaler(Work *w)
{
    const Job *j = w->job;
    const char *own = w->own_upscaler;
    const char *name = own ? own : j->upscaler;
    if (!name && j->upscale_by > 0) name = upscale_method_name(BY_LANCZOS);
    w->upscaling = upscaling_named(w, name, "upscaler.");
    if (name && upscale_method(name) == NOT_UPSCALED && j->upscale_by > 0)
        callbacks_say(w->callbacks, "Upscale by has no effect: Upscaler is None");
    if (w->upscaling.method == NOT_UPSCALED) return;
    if (j->upscale_by > 0) w->upscaling.factor = j->upscale_by;
    int width = job_result_side(w, j->width);
    int height = job_result_side(w, j->height);
    const char *drawn = own ? format(w->mem, "drawn at %dx%d, ", j->width, j->height) : "";
    const char *whose = own ? ", the model's own (Upscaler: None turns it off)" : "";
    if (width < 1 || height < 1 || width > LARGEST_SIDE || height > LARGEST_SIDE)
        job_fault(w, format(w->mem, "Upscale by is %g, which makes %dx%d; expected 1 to %d a side",
                            w->upscaling.factor, width, height, LARGEST_SIDE));
    else callbacks_say(w->callbacks, "%sthen upscaled to %dx%d by %s%s", drawn, width, height, name, whose);
}

/* ---- the second pass ---------------------------------------------------------------------------- */

static const struct { const char *name; int nearest; } of_latents[] = { { "Latent", 0 }, { "Latent (nearest)", 1 } };
enum { OF_LATENTS = sizeof of_latents / sizeof *of_latents };

static size_t latents_named(const char *name)
{
    size_t i = 0;
    while (i < OF_LATENTS && strcmp(of_latents[i].name, name)) i++;
    return i;
}

int job_upscales_to_nearest(const Job *j)
{
    return of_latents[latents_named(j->hires_upscaler)].nearest;
}

/* "Latent" and its like enlarge latents; everything else pictures.  What is none of them, and no file, is Latent. */
static void choose_enlarging(Work *w)
{
    Job *j = w->job;
    const char *latent = of_latents[0].name;
    if (!j->hires_upscaler) j->hires_upscaler = latent;
    const char *name = j->hires_upscaler;
    if (latents_named(name) < OF_LATENTS) return;
    UpscaleMethod method = upscale_method(name);
    if (method == BY_NETWORK && !weights_exist(w->mem, name)) method = NOT_UPSCALED;
    if (method != NOT_UPSCALED) {
        w->enlarging = upscaling_named(w, name, "enlarging.");
        return;
    }
    callbacks_say(w->callbacks, "Hires upscaler %s is not here; %s instead (it can be Latent, Latent (nearest), "
                  "Lanczos, Nearest, or a file of Real-ESRGAN's or ESRGAN's)", name, latent);
    j->hires_upscaler = latent;
}

void job_choose_enlarging(Work *w)
{
    const Job *j = w->job;
    if (!w->has_hires) return;
    choose_enlarging(w);
    callbacks_say(w->callbacks, "then at %dx%d, %s, strength %g: %s", job_hires_side(j, j->width),
                  job_hires_side(j, j->height), j->hires_upscaler, j->strength,
                  amount(w->mem, (size_t)(w->hires.sampling.steps - w->hires.first_step), "step"));
}

int job_result_side(const Work *w, int side)
{
    return (int)(job_hires_side(w->job, side) * w->upscaling.factor + 0.5);
}

PixelSize job_decoded_size(const Work *w)
{
    const Job *j = w->job;
    if (w->has_face) return (PixelSize){ job_hires_side(j, j->width), job_hires_side(j, j->height) };
    return (PixelSize){ job_result_side(w, j->width), job_result_side(w, j->height) };
}
