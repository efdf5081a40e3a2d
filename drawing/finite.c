/* finite.c - when numbers are not finite: which tensor of which file is to blame.
 *
 * A file that was saved as fp16 with values that fp16 cannot hold has infinities in it, and one of a training that
 * diverged has NaN.  One such number spoils every number behind it, and a picture of them is black.  So each part of
 * the model is checked where its result leaves it: the text encoder, every step of the loop, the VAE in both
 * directions, the upscaler.
 *
 * Only then are the weights of that part read again, to name the first tensor that is broken.  When there is none, the
 * numbers grew too large on the way, as with a strength that is far too high.  The tensors of LoRAs and embeddings are
 * few, so adapter_report.c and embedding.c look at them before. */
#include "finite.h"

#include "chars.h"
#include "checkpoint.h"

#include <math.h>
#include <string.h>

static int is_finite(Tensor x)
{
    for (size_t i = 0; i < size(x); i++)
        if (!isfinite(x.x[i])) return 0;
    return 1;
}

int weight_is_finite(const Weight *w)
{
    if (!dtype_is_float(w->type)) return 1;
    for (size_t i = 0; i < weight_numel(w); i++)
        if (!isfinite(dtype_value(w->data, w->type, i))) return 0;
    return 1;
}

/* The name of a broken tensor of that part, and the path of its file; or NULL. */
static const char *broken_in_model(const Weights *model, const char *part, const char **path)
{
    const Weight *w;
    for (size_t i = 0; (w = weights_at(model, i)); i++) {
        if (!begins(w->name, part) || weight_is_finite(w)) continue;
        *path = weights_path(model, w->name);
        return w->name;
    }
    return NULL;
}

void check_finite(Run *r, Tensor x, FiniteCheck c)
{
    Arena *a = r->machine->mem;
    if (r->machine->dry || is_finite(x)) return;
    const char *path = NULL;
    const char *name = broken_in_model(r->weights, c.part, &path);
    if (!name && c.other) name = broken_in_model(r->weights, c.other, &path);
    const char *why = "no weight is broken, so the numbers grew too large: is a LoRA's strength far too high?";
    if (c.is_vae || c.is_upscaler) why = "its numbers grew too large";
    if (name) why = format(a, "%s: %s holds numbers that are not finite: the file is broken, or was saved as fp16, "
                              "which cannot hold them", path ? path : "a model in memory", name);
    const char *advice = name ? "; download it again or use another" : "";
    if (c.is_upscaler) advice = "; use another upscaler";
    if (c.is_vae)
        advice = "; name another one as VAE or --vae: vae-ft-mse-840000-ema-pruned, or kl-f8-anime2 for drawings";
    fail(a, "%s: %s%s", c.what, why, advice);
}
