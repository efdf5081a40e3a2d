/* upscaler_names.c - the key names in files of upscalers -> those of BasicSR's modules.
 *
 * An RRDBNet has three sets of names, as old as its files: that of ESRGAN's first code, which numbers its modules
 * (model.0), that of BSRGAN and RealSR (RRDB_trunk), and BasicSR's, which is used here (body, conv_up1).  The numbers
 * of the first depend on how often the picture is doubled, so the file is looked at as a whole:
 *
 *     model.0   model.1.sub.0 .. sub.N-1   model.1.sub.N   model.3, 6, ...    model.M-2   model.M
 *     conv_first       body                 conv_body      conv_up1, 2, ...    conv_hr    conv_last
 *
 * Training programs put the state dict into another one, beside that of the optimizer; where there are two, params_ema,
 * the average over the training, is the one that people use.  Everything outside is left out.
 * Sources: BasicSR, archs/rrdbnet_arch.py; spandrel, architectures/ESRGAN and __helpers/canonicalize.py */
#include "upscaler_names.h"

#include "chars.h"

#include <stdlib.h>
#include <string.h>

/* ---- what is around the state dict -------------------------------------------------------------- */

/* Is there a tensor whose name begins with prefix, and then with rest? */
static int has_key(const WeightFile *f, const char *prefix, const char *rest)
{
    for (size_t i = 0; i < f->count; i++) {
        const char *name = f->weight[i].name;
        if (begins(name, prefix) && begins(name + strlen(prefix), rest)) return 1;
    }
    return 0;
}

static int all_have(const WeightFile *f, const char *prefix, const char *rest)
{
    for (size_t i = 0; i < f->count; i++) {
        const char *name = f->weight[i].name;
        if (begins(name, prefix) && !begins(name + strlen(prefix), rest)) return 0;
    }
    return 1;
}

/* What stands in front of the names of the state dict.  ESRGAN's own modules are called model.0, model.1. */
static const char *wrapper(Arena *a, const WeightFile *f)
{
    static const char *const dicts[] = {
        "model_state_dict.", "state_dict.", "params_ema.", "params-ema.", "params.", "model.", "net."
    };
    static const char *const modules[] = { "module.", "netG.", "generator." };
    const char *front = "";
    for (size_t i = 0; i < sizeof dicts / sizeof *dicts; i++) {
        int is_module = !strcmp(dicts[i], "model.") && has_key(f, front, "model.0.");
        if (!is_module && has_key(f, front, dicts[i])) front = format(a, "%s%s", front, dicts[i]);
    }
    for (size_t i = 0; i < sizeof modules / sizeof *modules; i++)
        if (all_have(f, front, modules[i])) front = format(a, "%s%s", front, modules[i]);
    return front;
}

/* ---- the names of an RRDBNet -------------------------------------------------------------------- */

/* ESRGAN's numbers.  last: of the module that makes the picture; trunk: of conv_body in model.1.sub; -1: there is none,
 * so these are not ESRGAN's names. */
typedef struct { long last, trunk; } Numbers;

/* The number that text begins with, and what is behind it; NULL when it begins with none. */
static const char *number_behind(const char *text, const char *prefix, long *number)
{
    if (!begins(text, prefix) || !digit(text[strlen(prefix)])) return NULL;
    char *end;
    *number = strtol(text + strlen(prefix), &end, 10);
    return *end == '.' ? end + 1 : NULL;
}

static Numbers numbers_of(const WeightFile *f, const char *front)
{
    Numbers n = { -1, -1 };
    for (size_t i = 0; i < f->count; i++) {
        const char *name = f->weight[i].name;
        long number;
        if (!begins(name, front)) continue;
        name += strlen(front);
        if (number_behind(name, "model.", &number) && number > n.last) n.last = number;
        if (number_behind(name, "model.1.sub.", &number) && number > n.trunk) n.trunk = number;
    }
    return n;
}

/* "RDB1.conv1.0.weight" or "rdb1.conv1.weight" -> "rdb1.conv1.weight" */
static const char *dense_block_name(Arena *a, const char *key)
{
    int layer = 0;
    if (!begins(key, "RDB") || strlen(key) < sizeof "RDB1.conv1.") return key;
    const char *conv = key + 5;
    const char *leaf = strrchr(conv, '.');
    if (!leaf) return key;
    while (conv[layer] && conv[layer] != '.') layer++;
    return format(a, "rdb%c.%.*s%s", key[3], layer, conv, leaf);
}

/* The names of ESRGAN's first code. */
static const char *numbered_name(Arena *a, const char *key, Numbers n)
{
    long number;
    const char *leaf = number_behind(key, "model.1.sub.", &number);
    if (leaf && number == n.trunk) return format(a, "conv_body.%s", leaf);
    if (leaf) return format(a, "body.%ld.%s", number, dense_block_name(a, leaf));
    leaf = number_behind(key, "model.", &number);
    if (!leaf) return key;
    if (number == 0) return format(a, "conv_first.%s", leaf);
    if (number == n.last) return format(a, "conv_last.%s", leaf);
    if (number == n.last - 2) return format(a, "conv_hr.%s", leaf);
    if (number % 3 == 0) return format(a, "conv_up%ld.%s", number / 3, leaf);
    return key;
}

/* The names of BSRGAN and RealSR. */
static const char *trunk_name(Arena *a, const char *key)
{
    static const struct { const char *theirs, *ours; } names[] = {
        { "trunk_conv.", "conv_body." }, { "upconv", "conv_up" }, { "HRconv.", "conv_hr." },
    };
    long number;
    const char *leaf = number_behind(key, "RRDB_trunk.", &number);
    if (leaf) return format(a, "body.%ld.%s", number, dense_block_name(a, leaf));
    for (size_t i = 0; i < sizeof names / sizeof *names; i++)
        if (begins(key, names[i].theirs)) return format(a, "%s%s", names[i].ours, key + strlen(names[i].theirs));
    return key;
}

/* ---- all names ---------------------------------------------------------------------------------- */

Weight *upscaler_weights(Arena *a, const WeightFile *f, const char *prefix, size_t *count)
{
    Weight *list = allocate(a, f->count, sizeof *list);
    size_t n = 0;
    const char *front = wrapper(a, f);
    Numbers numbers = numbers_of(f, front);
    for (size_t i = 0; i < f->count; i++) {
        const char *key = f->weight[i].name;
        if (!begins(key, front)) continue;
        key += strlen(front);
        key = numbers.trunk >= 0 ? numbered_name(a, key, numbers) : trunk_name(a, key);
        list[n] = f->weight[i];
        list[n++].name = format(a, "%s%s", prefix, key);
    }
    *count = n;
    return list;
}
