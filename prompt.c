/* prompt.c - prompt files: prompt, negative prompt, and a line of settings.
 *
 * The grammar is the web UI's, so that what people copy from galleries works as pasted:
 *
 *     file     = prompt lines, ["Negative prompt:" lines], [settings line]
 *     settings = key ":" value { "," key ":" value }        the last line, when it begins with a known key
 *     value    = a JSON string, list or object, or anything up to the next comma
 *     tag      = "<lora:" name [":" strength [":" of the UNet]] ">"           taken out of the prompt
 *
 * `keys` is the only list of settings there is.  Text is cut up front to back, once, so a prompt of ten
 * megabytes is no trouble.  What was read prints as text that reads as the same again; that text travels inside every picture.
 *
 * It refuses NUL bytes, and names with a path inside tags: a prompt from a stranger must not pick files.
 * Bytes that are not UTF-8 pass through to the tokenizer. */
#include "prompt.h"

#include "chars.h"

#include <math.h>
#include <stdio.h>
#include <string.h>

/* ---- values ----------------------------------------------------------------------------------- */

/* the value with quotes around it where the grammar needs them (web UI: quote()) */
static char *in_quotes(Arena *a, const char *value)
{
    static const char escaped[] = "\n\t\r\"\\";
    size_t n = strlen(value);
    if (n && !strpbrk(value, ",:\"\n\r\t") && !blank(value[0]) && !blank(value[n - 1])) return format(a, "%s", value);
    char *out = take(a, 2 * n + 3, 1), *end = out;
    *end++ = '"';
    for (; *value; value++) {
        const char *special = strchr(escaped, *value);
        if (special) *end++ = '\\';
        *end++ = special ? "ntr\"\\"[special - escaped] : *value;
    }
    *end++ = '"';
    *end = 0;
    return out;
}

/* ---- the settings ----------------------------------------------------------------------------- */

typedef struct Key Key;
typedef void  Set (Arena *a, Request *r, const Key *k, const char *label, const char *value);
typedef char *Show(Arena *a, const Request *r, const Key *k);      /* NULL: nothing that matters */

typedef enum { ALWAYS, CLIP, NEVER } Shown;                        /* CLIP: only when there are several frames */

struct Key {
    const char *name, *flag;                /* in the file; on the command line; NULL: not there */
    Set        *set;
    Show       *show;
    size_t      field;                      /* where in Request */
    double      low, high, usual;           /* usual is not shown */
    const char *choices[5];                 /* the first is the default */
    Shown       shown;
    const char *value, *help;
};

static void *field(Request *r, const Key *k)            { return (char *)r + k->field; }
static const void *shown_field(const Request *r, const Key *k) { return (const char *)r + k->field; }

static void set_whole(Arena *a, Request *r, const Key *k, const char *label, const char *value)
{
    uint64_t n;
    if (!read_whole(value, &n) || n < (uint64_t)k->low || n > (uint64_t)k->high)
        fail(a, "%s is %s, expected a whole number from %.0f to %.0f", label, quoted(a, value), k->low, k->high);
    *(int *)field(r, k) = (int)n;
}

static char *show_whole(Arena *a, const Request *r, const Key *k)
{
    int n = *(const int *)shown_field(r, k);
    return n && n != (int)k->usual ? format(a, "%d", n) : NULL;
}

static void set_number(Arena *a, Request *r, const Key *k, const char *label, const char *value)
{
    double x;
    if (!read_number(value, &x) || x < k->low || x > k->high)
        fail(a, "%s is %s, expected a number from %s to %s", label, quoted(a, value), number_text(a, k->low), number_text(a, k->high));
    *(double *)field(r, k) = x;
}

static char *show_number(Arena *a, const Request *r, const Key *k)
{
    double x = *(const double *)shown_field(r, k);
    return x < 0 || x > 0 ? number_text(a, x) : NULL;
}

static void set_seed(Arena *a, Request *r, const Key *k, const char *label, const char *value)
{
    (void)k;
    r->seeded = strcmp(value, "-1") != 0;
    r->job.seed = 0;
    if (r->seeded && !read_whole(value, &r->job.seed))
        fail(a, "%s is %s, expected a whole number from 0 to 18446744073709551615, or -1 for a random one", label, quoted(a, value));
}

static char *show_seed(Arena *a, const Request *r, const Key *k)
{
    (void)k;
    return r->seeded ? format(a, "%llu", (unsigned long long)r->job.seed) : NULL;
}

/* 300000, 256K, 1M: K is 1024 */
static void set_bytes(Arena *a, Request *r, const Key *k, const char *label, const char *value)
{
    size_t n = strlen(value), unit = 1;
    uint64_t count;
    if (n && lower(value[n - 1]) == 'b') n--;
    if (n && lower(value[n - 1]) == 'k') n--, unit = 1 << 10;
    else if (n && lower(value[n - 1]) == 'm') n--, unit = 1 << 20;
    if (!read_whole(trimmed(a, value, n), &count) || count > (uint64_t)k->high / unit) fail(a, "%s is %s, expected bytes like 256K, 1M or 300000, 0 for any size", label, quoted(a, value));
    *(uint64_t *)field(r, k) = count * unit;
}

char *bytes_text(Arena *a, uint64_t bytes)
{
    int shift = bytes % (1 << 20) == 0 ? 20 : bytes % (1 << 10) == 0 ? 10 : 0;
    return format(a, "%llu%s", (unsigned long long)(bytes >> shift), shift == 20 ? "M" : shift ? "K" : "");
}

static char *show_bytes(Arena *a, const Request *r, const Key *k)
{
    uint64_t bytes = *(const uint64_t *)shown_field(r, k);
    return bytes ? bytes_text(a, bytes) : NULL;
}

static void set_size(Arena *a, Request *r, const Key *k, const char *label, const char *value)
{
    uint64_t size[2] = {0};
    const char *x = strpbrk(value, "xX");
    int good = x && read_whole(trimmed(a, value, (size_t)(x - value)), &size[0]) && read_whole(trimmed(a, x + 1, strlen(x + 1)), &size[1]);
    for (int i = 0; i < 2; i++) good = good && size[i] >= (uint64_t)k->low && size[i] <= (uint64_t)k->high && size[i] % 8 == 0;
    if (!good) fail(a, "%s is %s, expected WIDTHxHEIGHT, like 512x768, both multiples of 8 from %.0f to %.0f", label, quoted(a, value), k->low, k->high);
    r->job.width = (int)size[0], r->job.height = (int)size[1];
}

static char *show_size(Arena *a, const Request *r, const Key *k)
{
    (void)k;
    return r->job.width ? format(a, "%dx%d", r->job.width, r->job.height) : NULL;
}

static char *choice_list(Arena *a, const Key *k)
{
    char *list = format(a, "%s", k->choices[0]);
    for (size_t i = 1; k->choices[i]; i++) list = format(a, "%s%s%s", list, k->choices[i + 1] ? ", " : " or ", k->choices[i]);
    return list;
}

static void set_choice(Arena *a, Request *r, const Key *k, const char *label, const char *value)
{
    for (size_t i = 0; k->choices[i]; i++) {
        if (!same(value, k->choices[i])) continue;
        *(const char **)field(r, k) = k->choices[i];
        return;
    }
    fail(a, "%s is %s, expected %s%s", label, quoted(a, value), choice_list(a, k), k->choices[1] ? "" : ", the only one so far");
}

static char *show_choice(Arena *a, const Request *r, const Key *k)
{
    const char *chosen = *(const char *const *)shown_field(r, k);
    return format(a, "%s", chosen ? chosen : k->choices[0]);
}

/* only what was asked for */
static char *show_asked(Arena *a, const Request *r, const Key *k)
{
    const char *chosen = *(const char *const *)shown_field(r, k);
    return chosen ? format(a, "%s", chosen) : NULL;
}

/* a sampler, maybe with its schedule type behind it: "DPM++ 2M Karras"; one that is only known by name is told and replaced in generate.c */
static void set_sampler(Arena *a, Request *r, const Key *k, const char *label, const char *value)
{
    ScheduleType type = AUTOMATIC;
    int method = sampler_named(value, &type);
    if (method < 0 && sampler_nearest(value, &type) < 0) fail(a, "%s is %s, expected %s", label, quoted(a, value), names_of(a, sampler_name));
    *(const char **)field(r, k) = method < 0 ? value : sampler_name(method);
    if (method >= 0 && type != AUTOMATIC) r->job.schedule = schedule_name((int)type);
}

static char *show_sampler(Arena *a, const Request *r, const Key *k)
{
    (void)k;
    return format(a, "%s", r->job.sampler ? r->job.sampler : sampler_name(0));
}

static void set_schedule(Arena *a, Request *r, const Key *k, const char *label, const char *value)
{
    int type = schedule_named(value);
    if (type < 0 && schedule_nearest(value) < 0) fail(a, "%s is %s, expected %s", label, quoted(a, value), names_of(a, schedule_name));
    *(const char **)field(r, k) = type < 0 ? value : type == AUTOMATIC ? NULL : schedule_name(type);
}

/* frames, or -1 for as many as suit; kept as 0 for those, and none as -1 */
static void set_overlap(Arena *a, Request *r, const Key *k, const char *label, const char *value)
{
    int *overlap = field(r, k);
    if (!strcmp(value, "-1")) { *overlap = 0; return; }
    set_whole(a, r, k, label, value);
    if (!*overlap) *overlap = -1;
}

static char *show_overlap(Arena *a, const Request *r, const Key *k)
{
    int overlap = *(const int *)shown_field(r, k);
    return overlap ? format(a, "%d", overlap > 0 ? overlap : 0) : NULL;
}

/* A model that is named brings no motion module, so a still need not say that it is one; a grid may leave the model open. */
static char *show_frames(Arena *a, const Request *r, const Key *k)
{
    int grid = r->axis[0].text || r->axis[1].text || r->axis[2].text;
    return r->job.frames == 1 && (r->job.model || !grid) ? NULL : show_whole(a, r, k);
}

/* only where it changes the picture */
static char *show_precision(Arena *a, const Request *r, const Key *k)
{
    char *chosen = show_choice(a, r, k);
    return strcmp(chosen, k->choices[0]) ? chosen : NULL;
}

static void set_text(Arena *a, Request *r, const Key *k, const char *label, const char *value)
{
    if (!*value) fail(a, "%s is empty, expected a name", label);
    *(const char **)field(r, k) = value;
}

static char *show_text(Arena *a, const Request *r, const Key *k)
{
    const char *text = *(const char *const *)shown_field(r, k);
    return text ? in_quotes(a, text) : NULL;
}

static void set_name(Arena *a, Request *r, const Key *k, const char *label, const char *value)
{
    if (!*value) fail(a, "%s is empty, expected the name of a file", label);
    for (size_t i = 0; k->choices[i]; i++) if (same(value, k->choices[i])) value = k->choices[0];
    *(Name *)field(r, k) = (Name){ value, label };
}

static char *show_name(Arena *a, const Request *r, const Key *k)
{
    const Name *name = shown_field(r, k);
    return name->text ? in_quotes(a, name->text) : NULL;
}

/* an axis of a grid, or none */
static void set_axis(Arena *a, Request *r, const Key *k, const char *label, const char *value)
{
    (void)a;
    *(Name *)field(r, k) = (Name){ *value && !same(value, "none") ? value : NULL, label };
}

/* ---- LoRA ------------------------------------------------------------------------------------- */

static const double strongest = 100;

static double strength(Arena *a, const char *label, const char *value)
{
    double x;
    if (!read_number(value, &x) || fabs(x) > strongest)
        fail(a, "%s: the strength is %s, expected a number from -%.0f to %.0f", label, quoted(a, value), strongest, strongest);
    return x;
}

static void add_lora(Arena *a, LoraName *list, size_t *count, LoraName l)
{
    if (*count == LORAS) fail(a, "%s: more than %d LoRAs; leave some out", l.name.label, LORAS);
    list[(*count)++] = l;
}

/* Remembers a part of the prompt that other programs understand, for the caller to tell. */
static void leave_out(Arena *a, Request *r, const char *part)
{
    enum { LISTED = 8 };
    if (r->left_out < LISTED) r->left = format(a, "%s%s%s", r->left ? r->left : "", r->left ? ", " : "", quoted(a, part));
    if (r->left_out++ == LISTED) r->left = format(a, "%s and more", r->left);
}

/* "0.8", or "0.5:0.8" for text encoder and UNet, or "te=0.5:unet=0.8"; the UNet's is the text encoder's where it is not given.
 * Other "key=value" are extensions' of the web UI: weights by block, first and last step. */
static LoraName with_strengths(Arena *a, Request *r, const char *label, Name name, const char *list)
{
    double text = 1, unet = NAN;
    int place = 0;
    while (list) {
        const char *colon = strchr(list, ':');
        char *item = trimmed(a, list, colon ? (size_t)(colon - list) : strlen(list));
        list = colon ? colon + 1 : NULL;
        if      (begins(item, "te="))   text = strength(a, label, item + 3);
        else if (begins(item, "unet=")) unet = strength(a, label, item + 5);
        else if (strchr(item, '=')) leave_out(a, r, format(a, "%s: %s", name.text, item));
        else if (place == 2) fail(a, "%s: %s is not understood, expected NAME:STRENGTH or NAME:TEXT:UNET", label, quoted(a, item));
        else *(place++ ? &unet : &text) = strength(a, label, item);
    }
    return (LoraName){ name, text, isnan(unet) ? text : unet };
}

/* NAME, NAME:STRENGTH or NAME:TEXT:UNET; one that is there already gets the new strengths.  A name may hold colons. */
static void set_lora(Arena *a, Request *r, const Key *k, const char *label, const char *value)
{
    const char *last = strrchr(value, ':'), *first = last;
    double ignored;
    while (first && first > value && *--first != ':') {}
    const char *colon = last && first > value && read_number(trimmed(a, first + 1, (size_t)(last - first - 1)), &ignored) ? first : last;
    const char *name = colon ? trimmed(a, value, (size_t)(colon - value)) : value;
    if (!*name) fail(a, "%s is %s, expected NAME, NAME:STRENGTH or NAME:TEXT:UNET", label, quoted(a, value));
    LoraName l = with_strengths(a, r, label, (Name){ name, label }, colon ? colon + 1 : NULL);
    (void)k;
    for (size_t i = 0; i < r->keys; i++)
        if (!strcmp(r->key[i].name.text, name)) { r->key[i] = l; return; }
    add_lora(a, r->key, &r->keys, l);
}

/* a key of its own for each, as a name may hold commas; both strengths after a name with a colon, whose end could be taken for one */
static char *show_loras(Arena *a, const Request *r, const Key *k)
{
    char *all = NULL;
    for (size_t i = 0; i < r->keys; i++) {
        const LoraName *l = &r->key[i];
        char *one = format(a, "%s:%s", l->name.text, number_text(a, l->text));
        if (l->unet != l->text || strchr(l->name.text, ':')) one = format(a, "%s:%s", one, number_text(a, l->unet));
        one = in_quotes(a, one);
        all = all ? format(a, "%s, %s: %s", all, k->name, one) : one;
    }
    return all;
}

/* what stands between "<lora:" and ">": NAME[:STRENGTH], or NAME:TEXT:UNET */
static void tag_lora(Arena *a, Request *r, const char *label, const char *inside)
{
    const char *colon = strchr(inside, ':');
    char *name = trimmed(a, inside, colon ? (size_t)(colon - inside) : strlen(inside));
    if (!*name || strpbrk(name, "/\\") || !strcmp(name, ".."))
        fail(a, "%s: a tag takes a name without folders, not %s; for a path there is --lora F:STRENGTH", label, quoted(a, name));
    LoraName l = with_strengths(a, r, label, (Name){ name, format(a, "%s: the name", label) }, colon ? colon + 1 : NULL);
    add_lora(a, r->tag, &r->tags, l);
}

/* End of the tag <word:anything but ">"> at s, NULL when there is none.  close: the next ">" there is. */
static const char *tag_end(const char *s, const char *close, const char **colon)
{
    const char *p = s + 1;
    while (word(*p)) p++;
    *colon = p;
    return p > s + 1 && *p == ':' && p + 1 < close ? close + 1 : NULL;
}

/* The prompt without its tags (web UI: re.sub(r"<(\w+):([^>]+)>", "", prompt)). */
static void set_prompt(Arena *a, Request *r, const Key *k, const char *label, const char *value)
{
    const char *s = r->prompt = value, *close = strchr(s, '>'), *colon;
    char *out = take(a, strlen(s) + 1, 1), *end = out;
    (void)k;
    r->left = NULL, r->left_out = 0;
    for (r->tags = 0; *s; ) {
        if (close && close < s) close = strchr(s, '>');
        const char *after = *s == '<' && close ? tag_end(s, close, &colon) : NULL;
        if (!after) { *end++ = *s++; continue; }
        char *inside = copy(a, colon + 1, (size_t)(close - colon - 1));
        char *where = format(a, "%s: in %s", label, quoted(a, copy(a, s, (size_t)(after - s))));
        if (begins(s, "<lora:") || begins(s, "<lyco:")) tag_lora(a, r, where, inside);
        else leave_out(a, r, copy(a, s, (size_t)(after - s)));
        s = after;
    }
    *end = 0;
    r->job.prompt = out;
}

static void set_negative(Arena *a, Request *r, const Key *k, const char *label, const char *value)
{
    (void)a, (void)k, (void)label;
    r->job.negative = value;
}

/* ---- the table -------------------------------------------------------------------------------- */

#define AT(member) offsetof(Request, member)

/* in the order in which they are printed, which is the web UI's and then ours */
static const Key keys[] = {
    { NULL, "prompt", set_prompt, NULL, 0, .value = "TEXT", .help = "the picture in words, <lora:NAME:STRENGTH> tags too" },
    { NULL, "negative", set_negative, NULL, 0, .value = "TEXT", .help = "what it should not be" },
    { "Steps", "steps", set_whole, show_whole, AT(job.steps), 1, 1000, .value = "N", .help = "denoising steps, 1 to 1000 (25)" },
    { "Sampler", "sampler", set_sampler, show_sampler, AT(job.sampler), .value = "NAME", .help = "DDIM, PLMS, Euler, Euler a, Heun, LMS, DPM2, DPM2 a, DPM++ 2M, 2M SDE, 2M SDE Heun, 2S a, SDE, 3M SDE, UniPC or LCM (DDIM)" },
    { "Schedule type", "schedule-type", set_schedule, show_asked, AT(job.schedule), .value = "NAME", .help = "Uniform, Karras, Exponential, SGM Uniform, Simple, Normal, Beta, KL Optimal, Align Your Steps, DDIM or LCM (Automatic: the sampler's own)" },
    { "CFG scale", "cfg", set_number, show_number, AT(job.cfg), 0.1, 100, .value = "X", .help = "guidance: how closely to follow the words, 0.1 to 100 (7.5)" },
    { "Seed", "seed", set_seed, show_seed, AT(job.seed), .value = "N", .help = "same seed, same picture; -1: random, and printed (-1)" },
    { "Size", "size", set_size, show_size, 0, 8, 8192, .value = "WxH", .help = "pixels, multiples of 8 (what suits the model)" },
    { "Model", "model", set_name, show_name, AT(model), .value = "F", .help = "a Stable Diffusion 1.x checkpoint (the one that comes with persona)" },
    { "VAE", "vae", set_name, show_name, AT(vae), .choices = { "none", "Automatic" }, .value = "F", .help = "another decoder, or none (the model's own)" },
    { "Init image", "init", set_name, show_name, AT(init), .value = "F", .help = "a PNG or JPEG that every frame begins as (noise alone)" },
    { "Denoising strength", "strength", set_number, show_number, AT(job.strength), 0.001, 1, .value = "X", .help = "how much of Init image, or of the pass before Hires, is drawn anew, up to 1 (0.75)" },
    { "Clip skip", "clip-skip", set_whole, show_whole, AT(job.clip_skip), 1, 12, 1, .value = "N", .help = "1: the text encoder's last layer, 2: the one before, ... (1)" },
    { "RNG", "rng", set_choice, show_choice, AT(job.rng), .choices = { "CPU", "NV" }, .value = "NAME", .help = "CPU: noise as torch makes it on a CPU, NV: as the web UI's NV, a seed for each frame (CPU)" },
    { "Eta", "eta", set_number, show_number, AT(job.eta), 0, 1, .value = "X", .help = "noise added in each step, 0 to 1 (DDIM: 0; samplers with an \"a\" or SDE: 1)" },
    { "CFG rescale", "cfg-rescale", set_number, show_number, AT(job.cfg_rescale), 0, 1, .value = "X", .help = "against overexposed pictures of v-prediction models, 0 to 1 (0)" },
    { "Prediction type", "prediction", set_choice, show_asked, AT(job.prediction), .choices = { "epsilon", "v", "v_prediction" }, .value = "NAME", .help = "what the model predicts, epsilon or v (what its file says)" },
    { "Noise Schedule", "noise-schedule", set_choice, show_asked, AT(job.noise_schedule), .choices = { "Default", "Zero Terminal SNR" }, .value = "NAME", .help = "Default, or Zero Terminal SNR for models trained so (what its file says)" },
    { "Hires upscale", "hires", set_number, show_number, AT(job.hires), 1, 8, .value = "X", .help = "then once more at so many times the size, 1 to 8 (no)" },
    { "Hires steps", "hires-steps", set_whole, show_whole, AT(job.hires_steps), 0, 1000, .value = "N", .help = "its steps (as many as Steps)" },
    { "Hires upscaler", "hires-upscaler", set_text, show_text, AT(job.upscaler), .value = "NAME", .help = "Latent, smoothly, or Latent (nearest) (Latent)" },
    { "LoRA", "lora", set_lora, show_loras, 0, .value = "F:X[:Y]", .help = "a LoRA and its strength, or those for text encoder and UNet; once for each" },
    { "Motion module", "motion", set_name, show_name, AT(motion), .choices = { "none" }, .shown = CLIP, .value = "F", .help = "an AnimateDiff module, or none for a still (none with a model of your own)" },
    { "Frames", "frames", set_whole, show_frames, AT(job.frames), 1, 100000, .value = "N", .help = "frames of the clip, 1 is a still (16)" },
    { "FPS", "fps", set_number, show_number, AT(job.fps), 0.1, 100, .shown = CLIP, .value = "X", .help = "frames a second, 0.1 to 100 (8)" },
    { "Max size", "max-size", set_bytes, show_bytes, AT(max_size), 0, 1 << 30, .value = "N", .help = "256K, 1M: fewer colours, then loss, then frames until the GIF is no larger (any size)" },
    { "Context", "context", set_whole, show_whole, AT(job.context), 1, 65535, .shown = CLIP, .value = "N", .help = "frames seen together in a longer clip (16)" },
    { "Overlap", "overlap", set_overlap, show_overlap, AT(job.overlap), 0, 65535, .shown = CLIP, .value = "N", .help = "frames that neighbouring windows share (a quarter of Context)" },
    { "Stride", "stride", set_whole, show_whole, AT(job.stride), 1, 30, 1, .shown = CLIP, .value = "N", .help = "2: also windows of every second frame, 3: every fourth too (1)" },
    { "Closed loop", "closed-loop", set_choice, show_asked, AT(job.loop), .choices = { "N", "R-P", "R+P", "A" }, .shown = CLIP, .value = "NAME", .help = "A: the last frame leads into the first; R-P, R+P: a little, in long clips (N)" },
    { "Precision", "precision", set_choice, show_precision, AT(job.precision), .choices = { "f32", "bf16" }, .value = "NAME", .help = "f32, or bf16: faster, and a little different (f32)" },
    { "X", "x", set_axis, show_name, AT(axis[0]), .value = "AXIS", .help = "a grid, a column for each: \"CFG scale: 3, 7, 11\", \"Steps: 10-50 (+10)\", \"Prompt S/R: red, blue\"" },
    { "Y", "y", set_axis, show_name, AT(axis[1]), .value = "AXIS", .help = "a row for each: any setting, \"LoRA NAME: 0.4, 0.8\" too" },
    { "Z", "z", set_axis, show_name, AT(axis[2]), .value = "AXIS", .help = "and a grid of those for each" },
    { NULL, "threads", set_whole, NULL, AT(job.threads), 1, 1024, .value = "N", .help = "1 to 1024; the picture stays the same (all cores)" },
};

enum { KEYS = sizeof keys / sizeof *keys };

/* other spellings that people paste */
static const char *const also[][2] = { { "CFG Rescale \xcf\x86", "CFG rescale" }, { "CFG Rescale phi", "CFG rescale" }, { "Eta DDIM", "Eta" },
                                         { "Checkpoint name", "Model" }, { "Denoising", "Denoising strength" }, { "RNG source", "RNG" } };

static const Key *key_named(const char *name)
{
    for (size_t i = 0; i < sizeof also / sizeof *also; i++) if (same(also[i][0], name)) name = also[i][1];
    for (size_t i = 0; i < KEYS; i++) if (keys[i].name && same(keys[i].name, name)) return &keys[i];
    return NULL;
}

static const Key *flag_named(const char *name)
{
    for (size_t i = 0; i < KEYS; i++) if (same(keys[i].flag, name)) return &keys[i];
    return same(name, "negative-prompt") ? flag_named("negative") : key_named(name);
}

const char *prompt_flag(size_t i, const char **value, const char **help)
{
    if (i >= KEYS) return NULL;
    *value = keys[i].value, *help = keys[i].help;
    return keys[i].flag;
}

const char *prompt_key(const char *name, Takes *takes)
{
    const Key *k = flag_named(name);
    if (!k || k->set == set_axis) return NULL;
    *takes = k->set == set_whole || k->set == set_seed || k->set == set_overlap ? WHOLE : k->set == set_number ? NUMBER : WORDS;
    return k->name ? k->name : k->flag;
}

const char *prompt_flag_find(const char *name)
{
    const Key *k = flag_named(name);
    return k ? k->flag : NULL;
}

/* ---- reading ---------------------------------------------------------------------------------- */

enum { LISTED = 12 };

typedef struct {
    Arena      *a;
    Request    *r;
    const char *path;
    const char *unknown[LISTED];            /* the first of them, as they will be told */
    size_t      unknowns;
    const char *plotted[3];                 /* what the web UI's grid has on X, Y, Z */
} Reader;

/* where a JSON string ends; NULL when s is none */
static const char *string_end(const char *s)
{
    if (*s++ != '"') return NULL;
    for (; *s && *s != '"'; s++) s += *s == '\\' && s[1];
    return *s ? s + 1 : NULL;
}

/* where a JSON list or object ends, by its brackets; NULL when s is none */
static const char *brackets_end(const char *s)
{
    enum { DEEPEST = 64 };
    int depth = 0;
    do {
        if (*s == '"') { if (!(s = string_end(s))) return NULL; continue; }
        depth += *s == '[' || *s == '{', depth -= *s == ']' || *s == '}';
        if (!*s++ || depth > DEEPEST) return NULL;
    } while (depth > 0);
    return s;
}

/* where a JSON value of one of these kinds ends that the end or a comma follows, NULL when s is none */
static const char *json_end(const char *s)
{
    const char *end = *s == '[' || *s == '{' ? brackets_end(s) : string_end(s), *after = end;
    while (after && blank(*after)) after++;
    return end && (!*after || *after == ',') ? end : NULL;
}

/* from, n bytes with their quotes, without quotes and escapes.  \uXXXX stays as it is. */
static char *json_text(Arena *a, const char *from, size_t n)
{
    char *out = take(a, n, 1), *end = out;
    for (const char *s = from + 1; s < from + n - 1; s++) {
        if (*s != '\\') { *end++ = *s; continue; }
        s++;
        if (*s == 'u') *end++ = '\\';
        *end++ = *s == 'n' ? '\n' : *s == 't' ? '\t' : *s == 'r' ? '\r' : *s;
    }
    *end = 0;
    return out;
}

/* The next "key: value" of a settings line -> what follows it.  A piece without a colon is a key with no value (NULL). */
static const char *next_pair(Arena *a, const char *s, char **key, char **value)
{
    size_t n = strcspn(s, ":,");
    *key = trimmed(a, s, n), *value = NULL;
    s += n;
    if (*s != ':') return s + (*s == ',');
    for (s++; blank(*s); s++) ;
    const char *end = json_end(s);
    n = end ? (size_t)(end - s) : strcspn(s, ",");
    *value = *s == '"' && end ? json_text(a, s, n) : trimmed(a, s, n);
    s += n + strcspn(s + n, ",");
    return s + (*s == ',');
}

/* remembers a key that is none, once, with the key that may have been meant */
static void unknown(Reader *rd, const char *what, const char *key)
{
    const char *near = NULL;
    for (size_t i = 0; i < KEYS; i++) if (keys[i].name && edit_distance(keys[i].name, key) <= (strlen(key) + 1) / 3) near = keys[i].name;
    size_t before = mark(rd->a), listed = rd->unknowns < LISTED ? rd->unknowns : LISTED;
    char *line = format(rd->a, "%s%s%s%s%s", what, quoted(rd->a, key), near ? " (did you mean " : "", near ? near : "", near ? "?)" : "");
    int known = 0;
    for (size_t i = 0; i < listed; i++) known |= !strcmp(rd->unknown[i], line);
    if (!known && rd->unknowns++ < LISTED) rd->unknown[listed] = line;
    else release(rd->a, before);
}

static void tell_unknown(const Reader *rd, Say *warn, void *to)
{
    if (!rd->unknowns || !warn) return;
    char *list = format(rd->a, "%s: ignored, as persona does not know them:", rd->path);
    for (size_t i = 0; i < rd->unknowns && i < LISTED; i++) list = format(rd->a, "%s%s %s", list, i ? "," : "", rd->unknown[i]);
    if (rd->unknowns > LISTED) list = format(rd->a, "%s and %zu more", list, rd->unknowns - LISTED);
    warn(to, list);
}

static void read_setting(Reader *rd, const Key *k, const char *as, const char *value)
{
    char *label = format(rd->a, "%s: %s", rd->path, as);
    k->set(rd->a, rd->r, k, label, value ? value : "");
}

/* AnimateDiff: "enable: True, model: mm_sd_v14.ckpt, video_length: 16, fps: 8, ..." (sd-webui-animatediff) */
static void read_animatediff(Reader *rd, const char *text)
{
    static const char *const ours[][2] = { { "model", "Motion module" }, { "video_length", "Frames" }, { "fps", "FPS" }, { "batch_size", "Context" },
                                           { "stride", "Stride" }, { "overlap", "Overlap" }, { "closed_loop", "Closed loop" } };
    char *key, *value;
    for (const char *s = text; *s; ) {
        s = next_pair(rd->a, s, &key, &value);
        const Key *k = NULL;
        for (size_t i = 0; i < sizeof ours / sizeof *ours; i++) if (same(key, ours[i][0])) k = key_named(ours[i][1]);
        int automatic = same(key, "video_length") && value && !strcmp(value, "0");
        if (same(key, "enable") && value && same(value, "false")) {
            rd->r->motion = (Name){ "none", NULL };
            return;
        }
        if (automatic || same(key, "enable")) continue;
        if (k) read_setting(rd, k, format(rd->a, "AnimateDiff %s", key), value);
        else if (*key) unknown(rd, "AnimateDiff ", key);
    }
}

/* Script: X/Y/Z plot, X Type: Steps, X Values: "10-50 (+10)", ... (web UI) -> X: Steps: 10-50 (+10).  What it drew at random stands in Fixed X Values. */
static int read_plot(Reader *rd, const char *key, const char *value)
{
    const char *name = begins(key, "Fixed ") ? key + 6 : key, *what = name + 1;
    if (same(key, "Script") && value && same(value, "X/Y/Z plot")) return 1;
    if (lower(*name) < 'x' || lower(*name) > 'z' || !(same(what, " Type") || same(what, " Values"))) return 0;
    const Key *k = key_named((char[]){ *name, 0 });
    const char **type = &rd->plotted[lower(*name) - 'x'];
    if (same(what, " Type")) *type = value;
    else if (*type) read_setting(rd, k, k->name, format(rd->a, "%s: %s", *type, value ? value : ""));
    return 1;
}

static void read_settings(Reader *rd, const char *line)
{
    char *key, *value;
    while (*line) {
        line = next_pair(rd->a, line, &key, &value);
        const Key *k = key_named(key);
        if (k) read_setting(rd, k, k->name, value);
        else if (same(key, "AnimateDiff")) read_animatediff(rd, value ? value : "");
        else if (read_plot(rd, key, value)) continue;
        else if (*key) unknown(rd, "", key);
    }
}

static int is_settings(Arena *a, const char *line)
{
    const char *colon = strchr(line, ':');
    if (!colon || colon - line > 64) return 0;
    char *key = trimmed(a, line, (size_t)(colon - line));
    return key_named(key) || same(key, "AnimateDiff");
}

/* how many bytes of white space and byte-order marks text begins with */
static size_t leading(const char *text, size_t n)
{
    size_t i = 0;
    for (;;) {
        if (i < n && blank(text[i])) i++;
        else if (i + 3 <= n && !memcmp(text + i, "\xef\xbb\xbf", 3)) i += 3;
        else return i;
    }
}

/* text without byte-order mark, CR LF and CR as LF, ended by NUL */
static char *plain(Arena *a, const char *text, size_t n, const char *path)
{
    const char *nul = n ? memchr(text, 0, n) : NULL;
    if (nul && n >= 2 && (!memcmp(text, "\xff\xfe", 2) || !memcmp(text, "\xfe\xff", 2)))
        fail(a, "%s: this is UTF-16 text, expected UTF-8; save it again as UTF-8", path);
    if (nul) fail(a, "%s: byte %zu is NUL, expected text in UTF-8; is this a prompt file?", path, (size_t)(nul - text) + 1);
    char *out = take(a, n + 1, 1), *end = out;
    for (size_t i = leading(text, n); i < n; i++)
        if (text[i] != '\r') *end++ = text[i];
        else if (i + 1 == n || text[i + 1] != '\n') *end++ = '\n';
    *end = 0;
    return out;
}

static const char negative_mark[] = "Negative prompt:";

/* the first line that begins with the mark, or NULL */
static char *find_negative(char *text)
{
    for (char *line = text; line; line = strchr(line, '\n')) {
        while (blank(*line)) line++;
        if (begins(line, negative_mark)) return line;
    }
    return NULL;
}

static char *last_line(char *text)
{
    char *end = strrchr(text, '\n');
    return end ? end + 1 : text;
}

/* the end of the settings line that "Template:" follows, as the Dynamic Prompts extension writes what it made the prompt from; or NULL */
static char *find_template(Arena *a, char *text)
{
    static const char mark[] = "Template:";
    char *before = text;
    for (char *end = strchr(text, '\n'); end; end = strchr(end + 1, '\n')) {
        if (begins(end + 1, mark) && is_settings(a, before)) return end;
        before = end + 1;
    }
    return NULL;
}

int prompt_is_infotext(Arena *a, const char *text, size_t n, const char *path)
{
    char *whole = plain(a, text, n, path);
    whole = trimmed(a, whole, strlen(whole));
    return find_negative(whole) || find_template(a, whole) || is_settings(a, last_line(whole));
}

void prompt_parse(Arena *a, Request *r, const char *text, size_t n, const char *path, Say *warn, void *to)
{
    Reader rd = { .a = a, .r = r, .path = path };
    char *whole = plain(a, text, n, path);
    whole = trimmed(a, whole, strlen(whole));
    if (!*whole) fail(a, "%s: is empty, expected a prompt", path);
    char *line = last_line(whole), *template = find_template(a, whole);
    if (template) *template = 0, line = last_line(whole), unknown(&rd, "", "Template");
    char *settings = is_settings(a, line) ? format(a, "%s", line) : NULL;
    if (settings) *line = 0;
    char *negative = find_negative(whole);
    size_t end = negative ? (size_t)(negative - whole) : strlen(whole);

    *r = (Request){ .job = { .prompt = "" } };
    if (negative) r->job.negative = trimmed(a, negative + sizeof negative_mark - 1, strlen(negative) - (sizeof negative_mark - 1));
    set_prompt(a, r, NULL, path, trimmed(a, whole, end));
    if (settings) read_settings(&rd, settings);
    tell_unknown(&rd, warn, to);
}

void prompt_set_as(Arena *a, Request *r, const char *name, const char *label, const char *value)
{
    const Key *k = flag_named(name);
    if (!k) fail(a, "%s: no such setting", label);
    char *text = plain(a, value, strlen(value), label);
    text = trimmed(a, text, strlen(text));
    if (k->set == set_prompt && find_negative(text))
        fail(a, "%s holds a line that begins with \"%s\"; put what follows it into --negative", label, negative_mark);
    k->set(a, r, k, label, text);
}

void prompt_set(Arena *a, Request *r, const char *flag, const char *value)
{
    const Key *k = flag_named(flag);
    prompt_set_as(a, r, flag, format(a, "--%s", k ? k->flag : flag), value);
}

/* ---- writing ---------------------------------------------------------------------------------- */

char *prompt_settings(Arena *a, const Request *r)
{
    char *line = format(a, "%s", "");
    for (size_t i = 0; i < KEYS; i++) {
        const Key *k = &keys[i];
        if (!k->name || k->shown == NEVER || (k->shown == CLIP && r->job.frames == 1)) continue;
        char *value = k->show(a, r, k);
        if (value) line = format(a, "%s%s%s: %s", line, *line ? ", " : "", k->name, value);
    }
    const char *prompt = r->prompt ? r->prompt : "", *negative = r->job.negative ? r->job.negative : "";
    return format(a, "%s%s%s%s%s%s", prompt, *prompt ? "\n" : "", *negative ? "Negative prompt: " : "", negative, *negative ? "\n" : "", line);
}
