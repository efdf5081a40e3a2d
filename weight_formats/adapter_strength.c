/* adapter_strength.c - how strong a LoRA is: in which model, block of the UNet, step and frame.
 *
 *     <lora:NAME:TEXT:UNET:RANK>             the web UI; each part may be named too: te=, unet=, dyn=
 *     <lora:NAME:0@0,1@0.5>                  over the steps (sd-webui-loractl): strength@position; hr=: the second pass
 *     <lora:NAME:0@0f,1@8f>                  over the frames of a clip: positions that end with f
 *     <lora:NAME:1:lbw=IND:start=5:stop=14>  by block, and from step to step (sd-webui-lora-block-weight); step=5-14
 *     <lora:NAME:1:in=0.5:mid=1:out=0>       by parts of the UNet (SD.Next)
 *
 * Weights by block are 26 numbers, for BASE (the text encoder), IN00 to IN11, M00 and OUT00 to OUT11, or 17, without
 * the blocks that have no attention, which then get 0; or the name of a preset.  A block that is named alone has 1, and
 * all others, but BASE, have 0.
 *
 * The text encoder is run once, before the first step, so its strength is the one at the beginning. */
#include "adapter_strength.h"

#include "chars.h"

#include <math.h>
#include <stdio.h>
#include <string.h>

/* ---- curves ------------------------------------------------------------------------------------ */

static StrengthCurve constant(double x)
{
    return (StrengthCurve){ .unit = CONSTANT, .count = 1, .value = { (float)x } };
}

/* One point: "0.8", "0.8@0.5", "0.8@8f" -> 0 when it is none.  Without a position it is at the end, as in loractl. */
static int read_point(Arena *a, const char *text, float *value, float *at, int *is_frame)
{
    static const double MOST = 100;
    double x;
    double position = 1;
    size_t n = strcspn(text, "@~");
    if (!read_number(trimmed(a, text, n), &x) || fabs(x) > MOST) return 0;
    *is_frame = 0;
    if (text[n]) {
        char *where = trimmed(a, text + n + 1, strlen(text + n + 1));
        size_t end = strlen(where);
        *is_frame = end && lower(where[end - 1]) == 'f';
        if (*is_frame) where[end - 1] = 0;
        if (!read_number(where, &position) || position < 0 || position > 1e5) return 0;
    }
    *value = (float)x;
    *at = (float)position;
    return 1;
}

static void insert_point(StrengthCurve *c, float at, float value)
{
    int i = c->count++;
    for (; i > 0 && c->at[i - 1] > at; i--) {
        c->at[i] = c->at[i - 1];
        c->value[i] = c->value[i - 1];
    }
    c->at[i] = at;
    c->value[i] = value;
}

int strength_curve(Arena *a, const char *text, StrengthCurve *c)
{
    int frames = 0;
    *c = (StrengthCurve){ .unit = CONSTANT };
    while (text) {
        size_t n = strcspn(text, ",;");
        float value;
        float at;
        int is_frame;
        if (c->count == CURVE_POINTS || !read_point(a, copy(a, text, n), &value, &at, &is_frame)) return 0;
        insert_point(c, at, value);
        frames += is_frame;
        c->unit = STEP_SHARES;
        text = text[n] ? text + n + 1 : NULL;
    }
    if (frames && frames < c->count) return 0;
    if (c->at[c->count - 1] > 1) c->unit = STEP_NUMBERS;
    if (frames) c->unit = FRAME_NUMBERS;
    int is_constant = c->count == 1;
    if (is_constant) c->unit = CONSTANT;
    return 1;
}

/* numpy.interp(x, at, value) */
static float interpolate(const StrengthCurve *c, float x)
{
    int next = 0;                                    /* the first point behind x */
    while (next < c->count && c->at[next] <= x) next++;
    if (next == 0) return c->value[0];
    if (next == c->count) return c->value[c->count - 1];
    float share = (x - c->at[next - 1]) / (c->at[next] - c->at[next - 1]);
    return c->value[next - 1] + share * (c->value[next] - c->value[next - 1]);
}

static float curve_at_step(const StrengthCurve *c, int step, int steps)
{
    switch (c->unit) {
    case STEP_SHARES:   return interpolate(c, steps > 1 ? (float)step / (float)(steps - 1) : 0);
    case STEP_NUMBERS:  return interpolate(c, (float)step);
    case FRAME_NUMBERS: return 1;
    case CONSTANT:      break;
    }
    return c->value[0];
}

/* ---- weights by block -------------------------------------------------------------------------- */

static const char *const block_name[STRENGTH_BLOCKS] = {
    "BASE", "IN00", "IN01", "IN02", "IN03", "IN04", "IN05", "IN06", "IN07", "IN08", "IN09", "IN10", "IN11", "M00",
    "OUT00", "OUT01", "OUT02", "OUT03", "OUT04", "OUT05", "OUT06", "OUT07", "OUT08", "OUT09", "OUT10", "OUT11",
};

/* The blocks of 17 numbers: those with attention, and the text encoder. */
static const int with_attention[] = { 0, 2, 3, 5, 6, 8, 9, 13, 17, 18, 19, 20, 21, 22, 23, 24, 25 };
enum { WITH_ATTENTION = sizeof with_attention / sizeof *with_attention };

/* The presets of sd-webui-lora-block-weight (DEF_WEIGHT_PRESET). */
static const struct { const char *name, *weights; } presets[] = {
    { "NONE",   "0,0,0,0,0,0,0,0,0,0,0,0,0,0,0,0,0" }, { "ALL",    "1,1,1,1,1,1,1,1,1,1,1,1,1,1,1,1,1" },
    { "INS",    "1,1,1,1,0,0,0,0,0,0,0,0,0,0,0,0,0" }, { "IND",    "1,0,0,0,1,1,1,0,0,0,0,0,0,0,0,0,0" },
    { "INALL",  "1,1,1,1,1,1,1,0,0,0,0,0,0,0,0,0,0" }, { "MIDD",   "1,0,0,0,1,1,1,1,1,1,1,1,0,0,0,0,0" },
    { "OUTD",   "1,0,0,0,0,0,0,0,1,1,1,1,0,0,0,0,0" }, { "OUTS",   "1,0,0,0,0,0,0,0,0,0,0,0,1,1,1,1,1" },
    { "OUTALL", "1,0,0,0,0,0,0,0,1,1,1,1,1,1,1,1,1" },
    { "ALL0.5", "0.5,0.5,0.5,0.5,0.5,0.5,0.5,0.5,0.5,0.5,0.5,0.5,0.5,0.5,0.5,0.5,0.5" },
};

static int block_named(const char *name, size_t n)
{
    for (int i = 0; i < STRENGTH_BLOCKS; i++)
        if (strlen(block_name[i]) == n && begins(name, block_name[i])) return i;
    return n == 3 && begins(name, "MID") ? MIDDLE_BLOCK : -1;
}

/* "IN02" or "IN05-OUT05" -> 0 when it is neither */
static int read_blocks(const char *text, int *first, int *last)
{
    const char *dash = strchr(text, '-');
    *first = block_named(text, dash ? (size_t)(dash - text) : strlen(text));
    *last = dash ? block_named(dash + 1, strlen(dash + 1)) : *first;
    return *first >= 0 && *last >= *first;
}

static const char *preset_named(const char *name)
{
    for (size_t i = 0; i < sizeof presets / sizeof *presets; i++)
        if (same(presets[i].name, name)) return presets[i].weights;
    return NULL;
}

int strength_is_preset(const char *name)
{
    int first;
    int last;
    return preset_named(name) || read_blocks(name, &first, &last);
}

/* Puts the weights by block into s. -> 0 when they are neither 17 or 26 numbers nor a name */
static int read_weights(Arena *a, const char *text, LoraStrength *s)
{
    int first;
    int last;
    size_t count;
    s->has_blocks = 1;
    for (int i = 0; i < STRENGTH_BLOCKS; i++) s->block[i] = 0;
    if (read_blocks(text, &first, &last)) {
        s->block[BASE_BLOCK] = 1;
        for (int i = first; i <= last; i++) s->block[i] = 1;
        return 1;
    }
    const char *preset = preset_named(text);
    char **part = comma_parts(a, preset ? preset : text, &count);
    if (count != WITH_ATTENTION && count != STRENGTH_BLOCKS) return 0;
    for (size_t i = 0; i < count; i++) {
        double x;
        if (!read_number(part[i], &x) || fabs(x) > 100) return 0;
        s->block[count == STRENGTH_BLOCKS ? (int)i : with_attention[i]] = (float)x;
    }
    return 1;
}

/* The same weight for blocks first .. last (SD.Next).  -> 0 when it is no number */
static int read_part(const char *text, LoraStrength *s, int first, int last)
{
    double x;
    if (!read_number(text, &x) || fabs(x) > 100) return 0;
    for (int i = 0; i < STRENGTH_BLOCKS && !s->has_blocks; i++) s->block[i] = 1;
    s->has_blocks = 1;
    for (int i = first; i <= last; i++) s->block[i] = (float)x;
    return 1;
}

/* The block of a layer, by its flat name; -1 when it is in none (the time embedding, a motion module). */
static int block_of(const char *flat)
{
    int level;
    int j;
    if (begins(flat, "te_")) return BASE_BLOCK;
    if (begins(flat, "unet_mid_block_")) return MIDDLE_BLOCK;
    if (begins(flat, "unet_conv_in")) return FIRST_IN_BLOCK;
    if (sscanf(flat, "unet_down_blocks_%1d_downsamplers_%1d", &level, &j) == 2) return FIRST_IN_BLOCK + 3 * level + 3;
    if (sscanf(flat, "unet_down_blocks_%1d_%*[a-z]_%1d", &level, &j) == 2) return FIRST_IN_BLOCK + 3 * level + j + 1;
    if (sscanf(flat, "unet_up_blocks_%1d_upsamplers_%1d", &level, &j) == 2) return FIRST_OUT_BLOCK + 3 * level + 2;
    if (sscanf(flat, "unet_up_blocks_%1d_%*[a-z]_%1d", &level, &j) == 2) return FIRST_OUT_BLOCK + 3 * level + j;
    return -1;
}

static float block_weight(const LoraStrength *s, const char *flat)
{
    int block = s->has_blocks ? block_of(flat) : -1;
    return block >= 0 && block < STRENGTH_BLOCKS ? s->block[block] : 1;
}

/* ---- reading ----------------------------------------------------------------------------------- */

static int read_step(const char *text, double *step)
{
    return read_number(text, step) && *step >= 0 && *step <= 1e5;
}

/* step=5-14 */
static int read_steps(Arena *a, const char *text, LoraStrength *s)
{
    const char *dash = strchr(text, '-');
    if (!dash) return 0;
    return read_step(trimmed(a, text, (size_t)(dash - text)), &s->start) && read_step(dash + 1, &s->stop);
}

static int read_rank(const char *text, LoraStrength *s)
{
    uint64_t rank;
    if (!read_whole(text, &rank) || !rank || rank > 1 << 20) return 0;
    s->rank = (size_t)rank;
    return 1;
}

/* One "key=value" -> 0 when the key is unknown or the value wrong */
static int read_named(Arena *a, const char *key, const char *value, LoraStrength *s)
{
    if (same(key, "te")) return strength_curve(a, value, &s->text);
    if (same(key, "unet")) return strength_curve(a, value, &s->unet);
    if (same(key, "hr") || same(key, "hrunet")) {
        s->has_second = 1;
        return strength_curve(a, value, &s->second);
    }
    if (same(key, "dyn")) return read_rank(value, s);
    if (same(key, "lbw") || same(key, "w")) return read_weights(a, value, s);
    if (same(key, "start")) return read_step(value, &s->start);
    if (same(key, "stop")) return read_step(value, &s->stop);
    if (same(key, "step")) return read_steps(a, value, s);
    if (same(key, "in")) return read_part(value, s, FIRST_IN_BLOCK, MIDDLE_BLOCK - 1);
    if (same(key, "mid")) return read_part(value, s, MIDDLE_BLOCK, MIDDLE_BLOCK);
    if (same(key, "out")) return read_part(value, s, FIRST_OUT_BLOCK, STRENGTH_BLOCKS - 1);
    return 0;
}

const char *strength_read(Arena *a, double text, double unet, const char *how, LoraStrength *s)
{
    *s = (LoraStrength){ .text = constant(text), .unet = constant(unet) };
    while (how) {
        const char *colon = strchr(how, ':');
        char *item = trimmed(a, how, colon ? (size_t)(colon - how) : strlen(how));
        const char *sign = strchr(item, '=');
        how = colon ? colon + 1 : NULL;
        if (sign && read_named(a, trimmed(a, item, (size_t)(sign - item)), sign + 1, s)) continue;
        return format(a, "%s is not understood, expected te=, unet=, hr= (a strength, or strength@position, ...; 8f is "
                         "frame 8), dyn=RANK, lbw=17 or 26 numbers or a name like IND or IN02, in=, mid=, out=, "
                         "start=STEP, stop=STEP or step=FROM-TO", quoted(a, item));
    }
    if (s->text.unit == FRAME_NUMBERS)
        return "the text encoder's strength cannot change with the frames, as all frames share their text";
    return NULL;
}

/* ---- at a moment ------------------------------------------------------------------------------- */

/* sd-webui-lora-block-weight: below 1 a share of the steps, at least the first one */
static double step_number(double step, int steps)
{
    return step > 0 && step < 1 ? fmax(1, nearbyint(step * steps)) : step;
}

static int is_off(const LoraStrength *s, const LoraMoment *m)
{
    if (s->start > 0 && m->step < step_number(s->start, m->steps)) return 1;
    return s->stop > 0 && m->step >= step_number(s->stop, m->steps);
}

static const StrengthCurve *unet_curve(const LoraStrength *s, const LoraMoment *m)
{
    return s->has_second && m->is_second_pass ? &s->second : &s->unet;
}

float strength_at(const LoraStrength *s, const char *flat, const LoraMoment *m)
{
    float block = block_weight(s, flat);
    if (begins(flat, "te_")) return block * curve_at_step(&s->text, 0, m->steps);
    if (is_off(s, m)) return 0;
    return block * curve_at_step(unet_curve(s, m), m->step, m->steps);
}

const StrengthCurve *strength_by_frame(const LoraStrength *s, const LoraMoment *m)
{
    const StrengthCurve *c = unet_curve(s, m);
    return c->unit == FRAME_NUMBERS ? c : NULL;
}

float strength_in_frame(const StrengthCurve *c, int frame)
{
    return interpolate(c, (float)frame);
}
