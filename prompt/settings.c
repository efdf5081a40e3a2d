/* settings.c - a request, and the table of all that can be said in it.
 *
 * A setting is a row: what it is called in a file and on the command line, how a value is checked and put into the request, how it is
 * printed again, and its help.  The table is the only list of settings there is.  A value prints as text that reads as the same value;
 * one that is as usual, and that everybody takes for granted, prints as nothing.
 *
 * The prompt is a setting too, with tags in it that are LoRAs:
 *
 *     tag      = "<lora:" name [":" strength [":" of the UNet]] ">"           taken out of the prompt
 *
 * It refuses names with a path inside tags: a prompt from a stranger must not pick files. */
#include "settings.h"

#include "chars.h"
#include "sampler.h"

#include <math.h>
#include <string.h>

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

/* ---- one kind of value after the other -------------------------------------------------------- */

static void       *field      (Request *r, const Setting *s)       { return (char *)r + s->field; }
static const void *shown_field(const Request *r, const Setting *s) { return (const char *)r + s->field; }

static void set_whole(Arena *a, Request *r, const Setting *s, const char *label, const char *value)
{
    uint64_t n;
    if (!read_whole(value, &n) || n < (uint64_t)s->low || n > (uint64_t)s->high)
        fail(a, "%s is %s, expected a whole number from %.0f to %.0f", label, quoted(a, value), s->low, s->high);
    *(int *)field(r, s) = (int)n;
}

static char *show_whole(Arena *a, const Request *r, const Setting *s)
{
    int n = *(const int *)shown_field(r, s);
    return n && n != (int)s->usual ? format(a, "%d", n) : NULL;
}

static void set_number(Arena *a, Request *r, const Setting *s, const char *label, const char *value)
{
    double x;
    if (!read_number(value, &x) || x < s->low || x > s->high)
        fail(a, "%s is %s, expected a number from %s to %s", label, quoted(a, value), number_text(a, s->low), number_text(a, s->high));
    *(double *)field(r, s) = x;
}

static char *show_number(Arena *a, const Request *r, const Setting *s)
{
    double x = *(const double *)shown_field(r, s);
    return x < 0 || x > 0 ? number_text(a, x) : NULL;
}

static void set_seed(Arena *a, Request *r, const Setting *s, const char *label, const char *value)
{
    (void)s;
    r->seeded = strcmp(value, "-1") != 0;
    r->job.seed = 0;
    if (r->seeded && !read_whole(value, &r->job.seed))
        fail(a, "%s is %s, expected a whole number from 0 to 18446744073709551615, or -1 for a random one", label, quoted(a, value));
}

static char *show_seed(Arena *a, const Request *r, const Setting *s)
{
    (void)s;
    return r->seeded ? format(a, "%llu", (unsigned long long)r->job.seed) : NULL;
}

/* 300000, 256K, 1M: K is 1024 */
static void set_bytes(Arena *a, Request *r, const Setting *s, const char *label, const char *value)
{
    size_t n = strlen(value), unit = 1;
    uint64_t count;
    if (n && lower(value[n - 1]) == 'b') n--;
    if (n && lower(value[n - 1]) == 'k') n--, unit = 1 << 10;
    else if (n && lower(value[n - 1]) == 'm') n--, unit = 1 << 20;
    if (!read_whole(trimmed(a, value, n), &count) || count > (uint64_t)s->high / unit)
        fail(a, "%s is %s, expected bytes like 256K, 1M or 300000, 0 for any size", label, quoted(a, value));
    *(uint64_t *)field(r, s) = count * unit;
}

char *bytes_text(Arena *a, uint64_t bytes)
{
    int shift = bytes % (1 << 20) == 0 ? 20 : bytes % (1 << 10) == 0 ? 10 : 0;
    return format(a, "%llu%s", (unsigned long long)(bytes >> shift), shift == 20 ? "M" : shift ? "K" : "");
}

static char *show_bytes(Arena *a, const Request *r, const Setting *s)
{
    uint64_t bytes = *(const uint64_t *)shown_field(r, s);
    return bytes ? bytes_text(a, bytes) : NULL;
}

static void set_size(Arena *a, Request *r, const Setting *s, const char *label, const char *value)
{
    uint64_t size[2] = {0};
    const char *x = strpbrk(value, "xX");
    int good = x && read_whole(trimmed(a, value, (size_t)(x - value)), &size[0]) && read_whole(trimmed(a, x + 1, strlen(x + 1)), &size[1]);
    for (int i = 0; i < 2; i++) good = good && size[i] >= (uint64_t)s->low && size[i] <= (uint64_t)s->high && size[i] % 8 == 0;
    if (!good) fail(a, "%s is %s, expected WIDTHxHEIGHT, like 512x768, both multiples of 8 from %.0f to %.0f", label, quoted(a, value), s->low, s->high);
    r->job.width = (int)size[0], r->job.height = (int)size[1];
}

static char *show_size(Arena *a, const Request *r, const Setting *s)
{
    (void)s;
    return r->job.width ? format(a, "%dx%d", r->job.width, r->job.height) : NULL;
}

static void set_choice(Arena *a, Request *r, const Setting *s, const char *label, const char *value)
{
    for (size_t i = 0; s->choices[i]; i++) {
        if (!same(value, s->choices[i])) continue;
        *(const char **)field(r, s) = s->choices[i];
        return;
    }
    fail(a, "%s is %s, expected %s", label, quoted(a, value), one_of(a, s->choices));
}

static char *show_choice(Arena *a, const Request *r, const Setting *s)
{
    const char *chosen = *(const char *const *)shown_field(r, s);
    return format(a, "%s", chosen ? chosen : s->choices[0]);
}

/* only what was asked for */
static char *show_asked(Arena *a, const Request *r, const Setting *s)
{
    const char *chosen = *(const char *const *)shown_field(r, s);
    return chosen ? format(a, "%s", chosen) : NULL;
}

/* a sampler, maybe with its schedule type behind it: "DPM++ 2M Karras"; one that is only known by name is told and replaced in generate.c */
static void set_sampler(Arena *a, Request *r, const Setting *s, const char *label, const char *value)
{
    ScheduleType type = AUTOMATIC;
    int method = sampler_named(value, &type);
    if (method < 0 && sampler_nearest(value, &type) < 0) fail(a, "%s is %s, expected %s", label, quoted(a, value), names_of(a, sampler_name));
    *(const char **)field(r, s) = method < 0 ? value : sampler_name(method);
    if (method >= 0 && type != AUTOMATIC) r->job.schedule = schedule_name((int)type);
}

static char *show_sampler(Arena *a, const Request *r, const Setting *s)
{
    (void)s;
    return format(a, "%s", r->job.sampler ? r->job.sampler : sampler_name(0));
}

static void set_schedule(Arena *a, Request *r, const Setting *s, const char *label, const char *value)
{
    int type = schedule_named(value);
    if (type < 0 && schedule_nearest(value) < 0) fail(a, "%s is %s, expected %s", label, quoted(a, value), names_of(a, schedule_name));
    *(const char **)field(r, s) = type < 0 ? value : type == AUTOMATIC ? NULL : schedule_name(type);
}

/* frames, or -1 for as many as suit; kept as 0 for those, and none as -1 */
static void set_overlap(Arena *a, Request *r, const Setting *s, const char *label, const char *value)
{
    int *overlap = field(r, s);
    if (!strcmp(value, "-1")) { *overlap = 0; return; }
    set_whole(a, r, s, label, value);
    if (!*overlap) *overlap = -1;
}

static char *show_overlap(Arena *a, const Request *r, const Setting *s)
{
    int overlap = *(const int *)shown_field(r, s);
    return overlap ? format(a, "%d", overlap > 0 ? overlap : 0) : NULL;
}

/* kept as 0 for what the sampler usually adds, and none as -1 */
static void set_eta(Arena *a, Request *r, const Setting *s, const char *label, const char *value)
{
    set_number(a, r, s, label, value);
    if (!(r->job.eta > 0)) r->job.eta = -1;
}

static char *show_eta(Arena *a, const Request *r, const Setting *s)
{
    double eta = *(const double *)shown_field(r, s);
    return eta < 0 || eta > 0 ? number_text(a, fmax(eta, 0)) : NULL;
}

/* A model that is named brings no motion module, so a still need not say that it is one; a grid may leave the model open. */
static char *show_frames(Arena *a, const Request *r, const Setting *s)
{
    int grid = r->axis[0].text || r->axis[1].text || r->axis[2].text;
    return r->job.frames == 1 && (r->job.model || !grid) ? NULL : show_whole(a, r, s);
}

/* only where it changes the picture */
static char *show_precision(Arena *a, const Request *r, const Setting *s)
{
    char *chosen = show_choice(a, r, s);
    return strcmp(chosen, s->choices[0]) ? chosen : NULL;
}

static void set_text(Arena *a, Request *r, const Setting *s, const char *label, const char *value)
{
    if (!*value) fail(a, "%s is empty, expected a name", label);
    *(const char **)field(r, s) = value;
}

static char *show_text(Arena *a, const Request *r, const Setting *s)
{
    const char *text = *(const char *const *)shown_field(r, s);
    return text ? in_quotes(a, text) : NULL;
}

static void set_name(Arena *a, Request *r, const Setting *s, const char *label, const char *value)
{
    if (!*value) fail(a, "%s is empty, expected the name of a file", label);
    for (size_t i = 0; s->choices[i]; i++) if (same(value, s->choices[i])) value = s->choices[0];
    *(Name *)field(r, s) = (Name){ value, label };
}

static char *show_name(Arena *a, const Request *r, const Setting *s)
{
    const Name *name = shown_field(r, s);
    return name->text ? in_quotes(a, name->text) : NULL;
}

/* an axis of a grid, or none */
static void set_axis(Arena *a, Request *r, const Setting *s, const char *label, const char *value)
{
    if (!*value) fail(a, "%s is empty, expected SETTING: VALUE, VALUE, ... like \"CFG scale: 3, 7, 11\", or none", label);
    *(Name *)field(r, s) = (Name){ same(value, "none") ? NULL : value, label };
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
static void set_lora(Arena *a, Request *r, const Setting *s, const char *label, const char *value)
{
    const char *last = strrchr(value, ':'), *first = last;
    double ignored;
    while (first && first > value && *--first != ':') {}
    const char *colon = last && first > value && read_number(trimmed(a, first + 1, (size_t)(last - first - 1)), &ignored) ? first : last;
    const char *name = colon ? trimmed(a, value, (size_t)(colon - value)) : value;
    if (!*name) fail(a, "%s is %s, expected NAME, NAME:STRENGTH or NAME:TEXT:UNET", label, quoted(a, value));
    LoraName l = with_strengths(a, r, label, (Name){ name, label }, colon ? colon + 1 : NULL);
    (void)s;
    for (size_t i = 0; i < r->keys; i++)
        if (!strcmp(r->key[i].name.text, name)) { r->key[i] = l; return; }
    add_lora(a, r->key, &r->keys, l);
}

/* a key of its own for each, as a name may hold commas; both strengths after a name with a colon, whose end could be taken for one */
static char *show_loras(Arena *a, const Request *r, const Setting *s)
{
    char *all = NULL;
    for (size_t i = 0; i < r->keys; i++) {
        const LoraName *l = &r->key[i];
        char *one = format(a, "%s:%s", l->name.text, number_text(a, l->text));
        if (l->unet != l->text || strchr(l->name.text, ':')) one = format(a, "%s:%s", one, number_text(a, l->unet));
        one = in_quotes(a, one);
        all = all ? format(a, "%s, %s: %s", all, s->key, one) : one;
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
static void set_prompt(Arena *a, Request *r, const Setting *s, const char *label, const char *value)
{
    const char *at = r->prompt = value, *close = strchr(at, '>'), *colon;
    char *out = take(a, strlen(at) + 1, 1), *end = out;
    (void)s;
    r->left = NULL, r->left_out = 0, r->open = NULL;
    for (r->tags = 0; *at; ) {
        if (close && close < at) close = strchr(at, '>');
        int lora = begins(at, "<lora:") || begins(at, "<lyco:");
        const char *after = *at == '<' && close ? tag_end(at, close, &colon) : NULL;
        if (lora && !after && !r->open) r->open = at;
        if (!after) { *end++ = *at++; continue; }
        char *tag = copy(a, at, (size_t)(after - at));
        if (lora) tag_lora(a, r, format(a, "%s: in %s", label, quoted(a, tag)), copy(a, colon + 1, (size_t)(close - colon - 1)));
        else leave_out(a, r, tag);
        at = after;
    }
    *end = 0;
    r->job.prompt = out;
}

static void set_negative(Arena *a, Request *r, const Setting *s, const char *label, const char *value)
{
    (void)a, (void)s, (void)label;
    r->job.negative = value;
}

/* ---- the table -------------------------------------------------------------------------------- */

#define AT(member) offsetof(Request, member)

const Setting all_settings[] = {
    { NULL, "prompt", set_prompt, NULL, 0, .value = "TEXT",
      .help = "the picture in words, <lora:NAME:STRENGTH> tags too" },
    { NULL, "negative", set_negative, NULL, 0, .value = "TEXT",
      .help = "what it should not be" },
    { "Steps", "steps", set_whole, show_whole, AT(job.steps), 1, 1000, .value = "N",
      .help = "denoising steps, 1 to 1000 (25)" },
    { "Sampler", "sampler", set_sampler, show_sampler, AT(job.sampler), .value = "NAME",
      .help = "DDIM, PLMS, Euler, Euler a, Heun, LMS, DPM2, DPM2 a, DPM++ 2M, 2M SDE, 2M SDE Heun, 2S a, SDE, 3M SDE, UniPC or LCM (DDIM)" },
    { "Schedule type", "schedule-type", set_schedule, show_asked, AT(job.schedule), .value = "NAME",
      .help = "Uniform, Karras, Exponential, SGM Uniform, Simple, Normal, Beta, KL Optimal, Align Your Steps, DDIM or LCM (Automatic: the sampler's own)" },
    { "CFG scale", "cfg", set_number, show_number, AT(job.cfg), 0.1, 100, .value = "X",
      .help = "guidance: how closely to follow the words, 0.1 to 100 (7.5)" },
    { "Seed", "seed", set_seed, show_seed, AT(job.seed), .value = "N",
      .help = "same seed, same picture; -1: random, and printed (-1)" },
    { "Size", "size", set_size, show_size, 0, 8, 8192, .value = "WxH",
      .help = "pixels, multiples of 8 (what suits the model)" },
    { "Model", "model", set_name, show_name, AT(model), .value = "F",
      .help = "a Stable Diffusion 1.x checkpoint (the one that comes with persona)" },
    { "VAE", "vae", set_name, show_name, AT(vae), .choices = { "none", "Automatic" }, .value = "F",
      .help = "another decoder, or none (the model's own)" },
    { "Init image", "init", set_name, show_name, AT(init), .value = "F",
      .help = "a PNG or JPEG that every frame begins as (noise alone)" },
    { "Denoising strength", "strength", set_number, show_number, AT(job.strength), 0.001, 1, .value = "X",
      .help = "how much of Init image, or of the pass before Hires, is drawn anew, up to 1 (0.75)" },
    { "Clip skip", "clip-skip", set_whole, show_whole, AT(job.clip_skip), 1, 12, 1, .value = "N",
      .help = "1: the text encoder's last layer, 2: the one before, ... (1)" },
    { "RNG", "rng", set_choice, show_choice, AT(job.rng), .choices = { "CPU", "NV" }, .value = "NAME",
      .help = "CPU: noise as torch makes it on a CPU, NV: as the web UI's NV, a seed for each frame (CPU)" },
    { "Eta", "eta", set_eta, show_eta, AT(job.eta), 0, 1, .value = "X",
      .help = "noise added in each step, 0 to 1 (DDIM: 0; samplers with an \"a\" or SDE: 1)" },
    { "CFG rescale", "cfg-rescale", set_number, show_number, AT(job.cfg_rescale), 0, 1, .value = "X",
      .help = "against overexposed pictures of v-prediction models, 0 to 1 (0)" },
    { "Prediction type", "prediction", set_choice, show_asked, AT(job.prediction), .choices = { "epsilon", "v", "v_prediction" }, .value = "NAME",
      .help = "what the model predicts, epsilon or v (what its file says)" },
    { "Noise Schedule", "noise-schedule", set_choice, show_asked, AT(job.noise_schedule), .choices = { "Default", "Zero Terminal SNR" }, .value = "NAME",
      .help = "Default, or Zero Terminal SNR for models trained so (what its file says)" },
    { "Hires upscale", "hires", set_number, show_number, AT(job.hires), 1, 8, .value = "X",
      .help = "then once more at so many times the size, 1 to 8 (no)" },
    { "Hires steps", "hires-steps", set_whole, show_whole, AT(job.hires_steps), 0, 1000, .value = "N",
      .help = "steps of that second pass (as many as Steps)" },
    { "Hires upscaler", "hires-upscaler", set_text, show_text, AT(job.upscaler), .value = "NAME",
      .help = "how the latents grow: Latent, smoothly, or Latent (nearest) (Latent)" },
    { "LoRA", "lora", set_lora, show_loras, 0, .value = "F:X[:Y]",
      .help = "a LoRA and its strength, or those for text encoder and UNet; once for each" },
    { "Motion module", "motion", set_name, show_name, AT(motion), .choices = { "none" }, .of_clips = 1, .value = "F",
      .help = "an AnimateDiff module, or none for a still (none with a model of your own)" },
    { "Frames", "frames", set_whole, show_frames, AT(job.frames), 1, 100000, .value = "N",
      .help = "frames of the clip, 1 is a still (16; a still with a model of your own)" },
    { "FPS", "fps", set_number, show_number, AT(job.fps), 0.1, 100, .of_clips = 1, .value = "X",
      .help = "frames a second, 0.1 to 100 (8)" },
    { "Max size", "max-size", set_bytes, show_bytes, AT(max_size), 0, 1 << 30, .value = "N",
      .help = "256K, 1M: fewer colours, then loss, then frames until the GIF is no larger (any size)" },
    { "Context", "context", set_whole, show_whole, AT(job.context), 1, 65535, .of_clips = 1, .value = "N",
      .help = "frames seen together in a longer clip (16)" },
    { "Overlap", "overlap", set_overlap, show_overlap, AT(job.overlap), 0, 65535, .of_clips = 1, .value = "N",
      .help = "frames that neighbouring windows share (a quarter of Context)" },
    { "Stride", "stride", set_whole, show_whole, AT(job.stride), 1, 30, 1, .of_clips = 1, .value = "N",
      .help = "2: also windows of every second frame, 3: every fourth too (1)" },
    { "Closed loop", "closed-loop", set_choice, show_asked, AT(job.loop), .choices = { "N", "R-P", "R+P", "A" }, .of_clips = 1, .value = "NAME",
      .help = "A: the last frame leads into the first; R-P, R+P: a little, in long clips (N)" },
    { "Precision", "precision", set_choice, show_precision, AT(job.precision), .choices = { "f32", "bf16" }, .value = "NAME",
      .help = "f32, or bf16: faster, and a little different (f32)" },
    { "X", "x", set_axis, show_name, AT(axis[0]), .value = "AXIS",
      .help = "a grid, a column for each: \"CFG scale: 3, 7, 11\", \"Steps: 10-50 (+10)\", \"Prompt S/R: red, blue\"" },
    { "Y", "y", set_axis, show_name, AT(axis[1]), .value = "AXIS",
      .help = "a row for each: any setting, \"LoRA NAME: 0.4, 0.8\" too" },
    { "Z", "z", set_axis, show_name, AT(axis[2]), .value = "AXIS",
      .help = "a grid of rows and columns for each" },
    { NULL, "threads", set_whole, NULL, AT(job.threads), 1, 1024, .value = "N",
      .help = "1 to 1024; the picture stays the same (all cores)" },
    { NULL }
};

/* other spellings that people paste */
static const char *const also[][2] = { { "CFG Rescale \xcf\x86", "CFG rescale" }, { "CFG Rescale phi", "CFG rescale" }, { "Eta DDIM", "Eta" },
                                         { "Checkpoint name", "Model" }, { "Denoising", "Denoising strength" }, { "RNG source", "RNG" } };

const Setting *setting_key(const char *name)
{
    for (size_t i = 0; i < sizeof also / sizeof *also; i++) if (same(also[i][0], name)) name = also[i][1];
    for (const Setting *s = all_settings; s->flag; s++) if (s->key && same(s->key, name)) return s;
    return NULL;
}

const Setting *setting_named(const char *name)
{
    for (const Setting *s = all_settings; s->flag; s++) if (same(s->flag, name)) return s;
    return same(name, "negative-prompt") ? setting_named("negative") : setting_key(name);
}

int setting_is_axis(const Setting *s) { return s->set == set_axis; }

Takes setting_takes(const Setting *s)
{
    return s->set == set_whole || s->set == set_seed || s->set == set_overlap ? WHOLE : s->set == set_number || s->set == set_eta ? NUMBER : WORDS;
}

char *settings_line(Arena *a, const Request *r)
{
    char *line = format(a, "%s", "");
    for (const Setting *s = all_settings; s->flag; s++) {
        if (!s->key || (s->of_clips && r->job.frames == 1)) continue;
        char *value = s->show(a, r, s);
        if (value) line = format(a, "%s%s%s: %s", line, *line ? ", " : "", s->key, value);
    }
    return line;
}
