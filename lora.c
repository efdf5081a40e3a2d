/* lora.c - low-rank pairs.
 *
 * A kohya file names a layer by its diffusers path with every '.' turned to '_', after lora_unet_ or
 * lora_te_.  That cannot be undone (names have underscores of their own), so nothing is parsed: a layer asks
 * for its own name, rewritten the same way, when it runs.  What nobody asked for is left over, and said. */
#include "lora.h"

#include "checkpoint.h"

#include <string.h>

struct LoraFile { const WeightFile *weights; float strength; unsigned char *applied; size_t pairs; };

static const char DOWN[] = ".lora_down.weight";

static int ends_with(const char *name, const char *end)
{
    size_t n = strlen(name), m = strlen(end);
    return n >= m && !strcmp(name + n - m, end);
}

static const Weight *partner(Arena *a, const WeightFile *s, const char *down, const char *end)
{
    size_t before = mark(a);
    const Weight *w = file_weight(s, format(a, "%.*s%s", (int)(strlen(down) - strlen(DOWN)), down, end));
    release(a, before);
    return w;
}

static int fits(const Weight *down, const Weight *up)
{
    int kernel = down->rank == 4 && down->shape[2] == down->shape[3], flat = up->rank == 4 && up->shape[2] == 1 && up->shape[3] == 1;
    return (down->rank == 2 || kernel) && (up->rank == 2 || flat) && down->shape[0] && down->shape[0] == up->shape[1];
}

static void check_pair(Arena *a, const WeightFile *s, const Weight *down)
{
    const Weight *up = partner(a, s, down->name, ".lora_up.weight"), *alpha = partner(a, s, down->name, ".alpha");
    if (!up) fail(a, "%s: %s has no lora_up.weight beside it: the file is damaged or of a kind not known here", s->path, down->name);
    if (!fits(down, up))
        fail(a, "%s: %s is %s and its lora_up %s, which do not fit together", s->path, down->name, shape_text(a, down->rank, down->shape), shape_text(a, up->rank, up->shape));
    const Weight *const parts[] = { down, up, alpha };
    for (int i = 0; i < 3; i++)
        if (parts[i] && !dtype_is_float(parts[i]->type))
            fail(a, "%s: %s is of type %s, expected F32, F16 or BF16", s->path, parts[i]->name, dtype_name(parts[i]->type));
    if (alpha && alpha->bytes == 0) fail(a, "%s: the alpha of %s is empty", s->path, down->name);
}

static LoraFile open_one(Arena *a, LoraUse use)
{
    LoraFile f = { .weights = weights_open(a, use.path), .strength = use.strength };
    const WeightFile *s = f.weights;
    if (file_kind(s) != LORA_FILE) fail(a, "%s: expected a LoRA in kohya's layout, found %s", use.path, file_kind_name(s));
    f.applied = take(a, s->count, 1);
    memset(f.applied, 0, s->count);
    for (size_t i = 0; i < s->count; i++) {
        if (strstr(s->weight[i].name, ".lora_mid.") || strstr(s->weight[i].name, ".dora_scale"))
            fail(a, "%s: %s: this kind of LoRA (LoCon with lora_mid, DoRA) is not supported yet", use.path, s->weight[i].name);
        if (!ends_with(s->weight[i].name, DOWN)) continue;
        check_pair(a, s, &s->weight[i]);
        f.pairs++;
    }
    return f;
}

Lora *lora_open(Arena *a, const LoraUse *use, size_t count)
{
    Lora *l = take(a, 1, sizeof *l);
    *l = (Lora){ take(a, count, sizeof *l->file), count };
    for (size_t i = 0; i < count; i++) l->file[i] = open_one(a, use[i]);
    return l;
}

int lora_pair(Arena *a, const Lora *l, size_t i, const char *layer, LoraPair *pair)
{
    size_t before = mark(a);
    const LoraFile *f = &l->file[i];
    char *key = format(a, "lora_%s%s", layer, DOWN);
    for (char *p = key + 5, *end = p + strlen(layer); p < end; p++) if (*p == '.') *p = '_';
    const Weight *down = file_weight(f->weights, key);
    release(a, before);
    if (!down) return 0;
    const Weight *up = partner(a, f->weights, down->name, ".lora_up.weight"), *alpha = partner(a, f->weights, down->name, ".alpha");
    float rank = (float)down->shape[0], top = alpha ? dtype_value(alpha->data, alpha->type, 0) : 0;
    *pair = (LoraPair){ down, up, f->strength * (top != 0 ? top / rank : 1) };
    f->applied[down - f->weights->weight] = 1;
    return 1;
}

void lora_report(Arena *a, const Lora *l, void (*say)(void *, const char *), void *to)
{
    for (size_t i = 0; i < l->count; i++) {
        const LoraFile *f = &l->file[i];
        size_t applied = 0, before = mark(a);
        const char *left = "";
        for (size_t j = 0, listed = 0; j < f->weights->count; j++) {
            const char *name = f->weights->weight[j].name;
            applied += f->applied[j];
            if (f->applied[j] || !ends_with(name, DOWN) || listed++ >= 3) continue;
            left = format(a, "%s%s %.*s", left, listed == 1 ? "; no layer here is called" : ",", (int)(strlen(name) - strlen(DOWN)), name);
        }
        const char *line = format(a, "LoRA %s: strength %g, applied %zu/%zu%s", f->weights->path, (double)f->strength, applied, f->pairs, left);
        if (!applied) fail(a, "%s: nothing of this LoRA fits this model (0/%zu)%s: was it made for another kind of model?", f->weights->path, f->pairs, left);
        if (say) say(to, line);
        release(a, before);
    }
}
