/* model_spec.c - what a model was made for, as its metadata say.
 *
 * A file of weights may say of itself what its user has to know: the size of its pictures, whether it predicts eps or
 * v, how strong guidance should be, which words it knows.  So defaults are the model's, and what it cannot do is told
 * before the work.  Three sets of keys are read:
 *
 *     modelspec.*    Stability-AI/ModelSpec: resolution, prediction_type, and encoder_layer, which kohya's trainer
 *                    writes for clip skip
 *     ss_*           kohya's trainer: ss_resolution "(512, 512)", ss_clip_skip, ss_v_parameterization,
 *                    ss_zero_terminal_snr; and rescale_betas_zero_snr of diffusers' folders
 *     persona.*      ours, for what the others have no key for; docs/files.md lists them
 *
 * Metadata are whatever somebody wrote.  A value is used where it is possible; otherwise it is left out, as if it were
 * not there, and the caller can tell so.  Learning rates under ss_ are those that this model was made with, not what a
 * LoRA for it needs, so they are not read. */
#include "model_spec.h"

#include "chars.h"

#include <math.h>
#include <stdio.h>
#include <string.h>

enum { STEP = 8, LARGEST_SIDE = 8192, USUAL_SIDE = 512, MOST_WORDS = 1 << 16, MOST_KIND = 60, MOST_NAME = 200 };

typedef struct { Arena *a; const Weights *w; Lines *ignored; } Reader;

/* Python's trainers write None for what they were not given. */
static const char *said(const Reader *r, const char *key)
{
    const char *value = weights_metadata(r->w, key);
    return value && *value && !same(value, "None") ? value : NULL;
}

static void ignore(Reader *r, const char *key, const char *value, const char *expected)
{
    if (!r->ignored) return;
    lines_add(r->a, r->ignored, format(r->a, "%s is %s, expected %s", key, quoted(r->a, value), expected));
}

/* ---- sizes ------------------------------------------------------------------------------------- */

static int is_possible(PixelSize s)
{
    int is_step = s.width % STEP == 0 && s.height % STEP == 0;
    return is_step && s.width >= STEP && s.height >= STEP && s.width <= LARGEST_SIDE && s.height <= LARGEST_SIDE;
}

/* "512x512", "(512, 512)", "512,512" or "512" */
static int read_size(const char *text, PixelSize *s)
{
    char end;
    if (sscanf(text, "%5dx%5d%c", &s->width, &s->height, &end) == 2) return is_possible(*s);
    if (sscanf(text, "(%5d ,%5d )%c", &s->width, &s->height, &end) == 2) return is_possible(*s);
    if (sscanf(text, "%5d ,%5d%c", &s->width, &s->height, &end) == 2) return is_possible(*s);
    if (sscanf(text, "%5d%c", &s->width, &end) != 1) return 0;
    s->height = s->width;
    return is_possible(*s);
}

static void read_trained_size(Reader *r, ModelSpec *m)
{
    static const char *const keys[] = { "modelspec.resolution", "ss_resolution" };
    for (size_t i = 0; i < sizeof keys / sizeof *keys; i++) {
        const char *text = said(r, keys[i]);
        m->is_size_said = text && read_size(text, &m->size);
        if (m->is_size_said) return;
        if (text) ignore(r, keys[i], text, "WIDTHxHEIGHT in multiples of 8 up to 8192");
    }
    m->size = (PixelSize){ USUAL_SIDE, USUAL_SIDE };
}

/* "112x112-128x144": from the one to the other, side by side; the size that it was trained on lies between */
static void read_good_sizes(Reader *r, ModelSpec *m)
{
    char end;
    PixelSize low, high;
    const char *text = said(r, "persona.sizes");
    if (!text) return;
    int n = sscanf(text, "%5dx%5d-%5dx%5d%c", &low.width, &low.height, &high.width, &high.height, &end);
    int is_range = n == 4 && is_possible(low) && is_possible(high);
    if (is_range && low.width <= m->size.width && low.height <= m->size.height && high.width >= m->size.width
        && high.height >= m->size.height) {
        m->least = low;
        m->most = high;
        return;
    }
    ignore(r, "persona.sizes", text, "two sizes, as 112x112-128x144, with that of modelspec.resolution between");
}

/* A multiple of 8 near x, from least to most. */
static int near_side(double x, int least, int most)
{
    int side = (int)(x / STEP + 0.5) * STEP;
    if (side < least) return least;
    return side < most ? side : most;
}

PixelSize model_spec_nearest_size(const ModelSpec *m, PixelSize s)
{
    if (!m->most.width) return s;
    double shrink = fmin((double)m->most.width / s.width, (double)m->most.height / s.height);
    double grow = fmax((double)m->least.width / s.width, (double)m->least.height / s.height);
    double scale = fmin(1, shrink);
    if (grow > 1 && shrink > 1) scale = fmin(grow, shrink);
    return (PixelSize){ near_side(scale * s.width, m->least.width, m->most.width),
                        near_side(scale * s.height, m->least.height, m->most.height) };
}

/* ---- numbers ----------------------------------------------------------------------------------- */

static double number_of(Reader *r, const char *key, double low, double high, const char *expected)
{
    double x;
    const char *text = said(r, key);
    if (!text) return 0;
    if (read_number(text, &x) && x >= low && x <= high) return x;
    ignore(r, key, text, expected);
    return 0;
}

static int whole_of(Reader *r, const char *key, int high, const char *expected)
{
    uint64_t n;
    const char *text = said(r, key);
    if (!text) return 0;
    if (read_whole(text, &n) && n >= 1 && n <= (uint64_t)high) return (int)n;
    ignore(r, key, text, expected);
    return 0;
}

/* ModelSpec: "Specific layer of the text encoder"; kohya's trainer writes its --clip_skip there. */
static int trained_clip_skip(Reader *r)
{
    int clip_skip = whole_of(r, "modelspec.encoder_layer", 2, "1 or 2");
    return clip_skip ? clip_skip : whole_of(r, "ss_clip_skip", 2, "1 or 2");
}

static int is_true(Reader *r, const char *key)
{
    const char *text = said(r, key);
    if (!text || same(text, "false") || !strcmp(text, "0")) return 0;
    if (same(text, "true") || !strcmp(text, "1")) return 1;
    ignore(r, key, text, "True or False");
    return 0;
}

static int predicts_v(Reader *r)
{
    const char *text = said(r, "modelspec.prediction_type");
    if (weights_v_prediction(r->w)) return 1;
    if (!text) return is_true(r, "ss_v_parameterization");
    if (!begins(text, "eps")) ignore(r, "modelspec.prediction_type", text, "epsilon or v");
    return 0;
}

/* ---- words ------------------------------------------------------------------------------------- */

/* Can this be shown to people as it stands? */
static int is_plain(const char *text)
{
    for (const char *c = text; *c; c++)
        if (!word_character(*c) && !strchr(" -'", *c)) return 0;
    return 1;
}

static const char *words_of(Reader *r, const char *key, size_t most, const char *expected)
{
    const char *text = said(r, key);
    if (!text || (strlen(text) <= most && is_plain(text))) return text;
    ignore(r, key, text, expected);
    return NULL;
}

/* The name of a file in the model's own folder. */
static const char *file_beside(Reader *r, const char *key)
{
    const char *name = said(r, key);
    if (!name || (!strpbrk(name, "/\\:") && *name != '.' && strlen(name) <= MOST_NAME)) return name;
    ignore(r, key, name, "the name of a file beside the model");
    return NULL;
}

/* ---- all of it --------------------------------------------------------------------------------- */

ModelSpec model_spec(Arena *a, const Weights *w, Lines *ignored)
{
    Reader r = { .a = a, .w = w, .ignored = ignored };
    ModelSpec m = { 0 };
    read_trained_size(&r, &m);
    read_good_sizes(&r, &m);
    m.cfg = number_of(&r, "persona.cfg_scale", 0.1, 100, "a number from 0.1 to 100");
    m.steps = whole_of(&r, "persona.steps", 1000, "a whole number from 1 to 1000");
    m.clip_skip = trained_clip_skip(&r);
    m.v_prediction = predicts_v(&r);
    m.zero_snr = weights_find(w, "unet.ztsnr") || is_true(&r, "rescale_betas_zero_snr")
              || is_true(&r, "ss_zero_terminal_snr");
    m.upscaler = file_beside(&r, "persona.upscaler");
    m.words = words_of(&r, "persona.words", MOST_WORDS, "words of letters, digits, - and ', at most 64 KB");
    m.pictures = words_of(&r, "persona.pictures", MOST_KIND, "a few words, as drawn portraits");
    return m;
}

const char *model_spec_recipe(const Weights *w, const char *method)
{
    char key[64];
    snprintf(key, sizeof key, "persona.train.%s", method);
    return weights_metadata(w, key);
}
