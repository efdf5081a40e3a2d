/* checkpoint.c - the weights of a model, from the files that people have, under one set of names.
 *
 * Each file is opened, its kind is checked, and each of its keys is replaced by a diffusers name.  After that, tensors
 * are looked up by this name only, and the layout of the file does not matter any more.
 *
 * The files form a list, the one added last first.  Each has its tensors in a table sorted by name.
 *
 * Tensors that are not used here (EMA copies, noise schedules) are left out without a message.  What is missing or has
 * a wrong shape is found later, in the dry run, where a layer asks for it. */
#include "checkpoint.h"

#include "checkpoint_names.h"
#include "upscaler_names.h"

#include <stdio.h>
#include <string.h>

/* The tensors of one file, and the files added before it.  file is NULL for tensors in memory. */
struct Weights { Weight *weight; size_t count; const WeightFile *file; Weights *below; };

static int begins_with(const char *text, const char *prefix) { return !strncmp(text, prefix, strlen(prefix)); }

/* ---- adding ----------------------------------------------------------------------------------- */

Weights *weights_of(Arena *a, Weights *below, Weight *weights, size_t count)
{
    Weights *w = allocate(a, 1, sizeof *w);
    *w = (Weights){ .weight = weights, .count = count, .below = below };
    weights_sort(weights, count);
    return w;
}

/* Returns the tensors of f that are used here, under their diffusers names, and writes how many they are. */
static Weight *renamed_weights(Arena *a, const WeightFile *f, const char *path, FileKind kind, size_t *count)
{
    Weight *list = allocate(a, f->count, 2 * sizeof *list);      /* a tensor has two names at most */
    size_t n = 0;
    for (size_t i = 0; i < f->count; i++) {
        const Weight *w = &f->weight[i];
        const char *name = diffusers_name(a, kind, w->name);
        if (!name || (kind == VAE_FILE && !begins_with(name, "vae."))) continue;
        if (!dtype_is_float(w->type))
            fail(a, "%s: %s is of type %s, expected floating point", path, w->name, dtype_name(w->type));
        list[n] = *w;
        list[n++].name = name;
        const char *second = diffusers_second_name(a, w->name, name);
        if (!second) continue;
        list[n] = *w;
        list[n++].name = second;
    }
    *count = n;
    return list;
}

static void check_names_differ(Arena *a, const char *path, const Weights *w)
{
    for (size_t i = 1; i < w->count; i++) {
        const char *name = w->weight[i].name;
        if (!strcmp(w->weight[i - 1].name, name)) fail(a, "%s: two of its tensors are both %s", path, name);
    }
}

static Weights *weights_of_file(Arena *a, Weights *below, const WeightFile *f, Weight *weight, size_t count)
{
    Weights *w = weights_of(a, below, weight, count);
    w->file = f;
    check_names_differ(a, f->path, w);
    return w;
}

Weights *weights_add(Arena *a, Weights *below, const char *path, FileKind wanted)
{
    size_t count;
    const WeightFile *f = weights_open(a, path);
    check_file_kind(a, f, wanted);
    Weight *weight = renamed_weights(a, f, path, wanted, &count);
    if (!count) fail(a, "%s: holds no weights that %s has", path, kind_name(wanted));
    return weights_of_file(a, below, f, weight, count);
}

Weights *weights_add_upscaler(Arena *a, Weights *below, const char *path, const char *prefix)
{
    size_t count;
    const WeightFile *f = weights_open(a, path);
    check_file_kind(a, f, UPSCALER_FILE);
    Weight *weight = upscaler_weights(a, f, prefix, &count);
    for (size_t i = 0; i < count; i++)
        if (!dtype_is_float(weight[i].type))
            fail(a, "%s: %s is of type %s, expected floating point", path, weight[i].name, dtype_name(weight[i].type));
    return weights_of_file(a, below, f, weight, count);
}

/* ---- finding ---------------------------------------------------------------------------------- */

const Weight *weights_find(const Weights *w, const char *name)
{
    for (; w; w = w->below) {
        const Weight *found = weight_named(w->weight, w->count, name);
        if (found) return found;
    }
    return NULL;
}

const char *weights_path(const Weights *w, const char *name)
{
    for (; w; w = w->below)
        if (weight_named(w->weight, w->count, name)) return w->file ? w->file->path : NULL;
    return NULL;
}

const Weight *weights_at(const Weights *w, size_t i)
{
    while (w && i >= w->count) {
        i -= w->count;
        w = w->below;
    }
    return w ? &w->weight[i] : NULL;
}

size_t weights_bytes(const Weights *w, const char *prefix)
{
    size_t bytes = 0;
    for (; w; w = w->below)
        for (size_t i = 0; i < w->count; i++)
            if (begins_with(w->weight[i].name, prefix)) bytes += w->weight[i].bytes;
    return bytes;
}

/* ---- metadata --------------------------------------------------------------------------------- */

const char *weights_metadata(const Weights *w, const char *key)
{
    for (; w; w = w->below) {
        const char *value = w->file ? file_metadata(w->file, key) : NULL;
        if (value) return value;
    }
    return NULL;
}

int weights_v_prediction(const Weights *w)
{
    const char *prediction = weights_metadata(w, "modelspec.prediction_type");      /* "v", "v_prediction", "epsilon" */
    if (weights_find(w, "unet.v_pred")) return 1;
    return prediction && *prediction == 'v';
}
