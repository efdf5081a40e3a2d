/* job_upscaling.c - which upscalers a drawing job has.
 *
 * There are two places for one: behind the last step, where it makes the finished picture larger (Upscaler), and before
 * the second pass, which then draws over a larger picture instead of larger latents (Hires upscaler).  Either is a
 * network in a file, or Lanczos or Nearest, which need none.
 *
 * A model may have an upscaler of its own: its metadata name a file that lies beside it.  That one is used where the
 * job says nothing; Upscaler: None turns it off. */
#include "work.h"

#include "chars.h"

#include <stdio.h>

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

/* The path of the model's own upscaler, where the job names none and the file is there; NULL otherwise.  The job gets
 * its name. */
static const char *own_upscaler(Work *w)
{
    Job *j = w->job;
    const char *name = w->spec.upscaler;
    j->own_upscaler[0] = 0;
    if (j->upscaler || !name || !w->has_model) return NULL;
    const char *path = format(w->mem, "%s/%s", folder_of(w->mem, j->model), name);
    if (!weights_exist(w->mem, path)) {
        callbacks_say(w->callbacks, "%s names the upscaler %s, which is not beside it: pictures stay as large as they "
                      "are drawn", j->model, name);
        return NULL;
    }
    snprintf(j->own_upscaler, sizeof j->own_upscaler, "%s", name);
    return path;
}

void job_choose_upscaler(Work *w)
{
    const Job *j = w->job;
    const char *own = own_upscaler(w);
    const char *name = own ? own : j->upscaler;
    if (!name && j->upscale_by > 0) name = upscale_method_name(BY_LANCZOS);
    w->upscaling = upscaling_named(w, name, "upscaler.");
    if (name && upscale_method(name) == NOT_UPSCALED && j->upscale_by > 0)
        callbacks_say(w->callbacks, "Upscale by has no effect: Upscaler is None");
    if (w->upscaling.method == NOT_UPSCALED) return;
    if (j->upscale_by > 0) w->upscaling.factor = j->upscale_by;
    int width = job_result_side(w, j->width);
    int height = job_result_side(w, j->height);
    const char *whose = own ? ", the model's own (Upscaler: None turns it off)" : "";
    if (width < 1 || height < 1 || width > LARGEST_SIDE || height > LARGEST_SIDE)
        job_fault(w, format(w->mem, "Upscale by is %g, which makes %dx%d; expected 1 to %d a side",
                            w->upscaling.factor, width, height, LARGEST_SIDE));
    else callbacks_say(w->callbacks, "then upscaled to %dx%d by %s%s", width, height, name, whose);
}

int job_result_side(const Work *w, int side)
{
    return (int)(job_hires_side(w->job, side) * w->upscaling.factor + 0.5);
}
