/* settings.c - a request, and the table of everything that can be set in it.
 *
 * A setting is a row of the table: its name in a file and on the command line, the kind of its value, and its help.
 * A kind of value is two functions: one checks a value and puts it into the request, the other prints it again.
 * The table is the only list of settings there is; the prompt file, the command line, its help and the axes of a
 * grid all read it.
 *
 * A value is printed as text that reads as the same value.  Defaults that people expect are not printed.
 *
 * The prompt is a setting too.  Its tags are LoRAs:
 *
 *     tag      = "<lora:" name { ":" strength } ">"      taken out of the prompt; adapter_strength.c has the strengths
 *
 * Names with a path are refused inside tags: a prompt from the internet must not choose files. */
#include "settings.h"

#include "adapter_strength.h"
#include "chars.h"
#include "frame_values.h"
#include "infotext_writer.h"
#include "mask_box.h"
#include "sampler_names.h"

#include <math.h>
#include <string.h>

/* ---- kinds of values: numbers ----------------------------------------------------------------- */

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
    return n && n != (int)s->not_shown ? format(a, "%d", n) : NULL;
}

/* What says how a job is run, and nothing about the picture. */
static char *show_nothing(Arena *a, const Request *r, const Setting *s)
{
    (void)a;
    (void)r;
    (void)s;
    return NULL;
}

static void set_number(Arena *a, Request *r, const Setting *s, const char *label, const char *value)
{
    double x;
    if (!read_number(value, &x) || x < s->low || x > s->high)
        fail(a, "%s is %s, expected a number from %s to %s", label, quoted(a, value), number_text(a, s->low),
             number_text(a, s->high));
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
    uint64_t seed = 0;
    int is_random = !strcmp(value, "-1");
    if (!is_random && !read_whole(value, &seed))
        fail(a, "%s is %s, expected a whole number from 0 to 18446744073709551615, or -1 for a random one", label,
             quoted(a, value));
    r->seeded = !is_random;
    r->job.seed = is_random ? 0 : seed;
}

static char *show_seed(Arena *a, const Request *r, const Setting *s)
{
    (void)s;
    return r->seeded ? format(a, "%llu", (unsigned long long)r->job.seed) : NULL;
}

/* The number of bytes that a unit of one letter stands for: K is 1024; 1 for anything else. */
static size_t unit_of(char letter)
{
    switch (lower(letter)) {
    case 'k': return 1 << 10;
    case 'm': return 1 << 20;
    default:  return 1;
    }
}

/* 300000, 256K, 256KB, 1M */
static void set_bytes(Arena *a, Request *r, const Setting *s, const char *label, const char *value)
{
    size_t n = strlen(value);
    uint64_t count;
    if (n && lower(value[n - 1]) == 'b') n--;
    size_t unit = n ? unit_of(value[n - 1]) : 1;
    if (unit > 1) n--;
    if (!read_whole(trimmed(a, value, n), &count) || count > (uint64_t)s->high / unit)
        fail(a, "%s is %s, expected bytes like 256K, 1M or 300000, 0 for any size", label, quoted(a, value));
    *(uint64_t *)field(r, s) = count * unit;
}

char *bytes_text(Arena *a, uint64_t bytes)
{
    if (bytes % (1 << 20) == 0) return format(a, "%lluM", (unsigned long long)(bytes >> 20));
    if (bytes % (1 << 10) == 0) return format(a, "%lluK", (unsigned long long)(bytes >> 10));
    return format(a, "%llu", (unsigned long long)bytes);
}

static char *show_bytes(Arena *a, const Request *r, const Setting *s)
{
    uint64_t bytes = *(const uint64_t *)shown_field(r, s);
    return bytes ? bytes_text(a, bytes) : NULL;
}

/* A number for all frames, or some by their frames.  1 in all of them is as if it were not given. */
static void set_by_frame(Arena *a, Request *r, const Setting *s, const char *label, const char *value)
{
    FrameValues v;
    const char *wrong = frame_values_read(a, value, s->low, s->high, &v);
    if (wrong) fail(a, "%s is %s, %s", label, quoted(a, value), wrong);
    *(const char **)field(r, s) = frame_values_are(&v, 1) ? NULL : value;
}

/* text: [n], one side of a size -> 0 when it is none */
static int read_side(Arena *a, const Setting *s, const char *text, size_t n, uint64_t *side)
{
    if (!read_whole(trimmed(a, text, n), side)) return 0;
    return *side >= (uint64_t)s->low && *side <= (uint64_t)s->high && *side % 8 == 0;
}

static void set_size(Arena *a, Request *r, const Setting *s, const char *label, const char *value)
{
    uint64_t width, height;
    const char *x = strpbrk(value, "xX");
    if (!x || !read_side(a, s, value, (size_t)(x - value), &width) || !read_side(a, s, x + 1, strlen(x + 1), &height))
        fail(a, "%s is %s, expected WIDTHxHEIGHT, like 512x768, both multiples of 8 from %.0f to %.0f", label,
             quoted(a, value), s->low, s->high);
    r->job.width = (int)width;
    r->job.height = (int)height;
}

static void set_side(Arena *a, Request *r, const Setting *s, const char *label, const char *value)
{
    uint64_t side;
    if (!read_side(a, s, value, strlen(value), &side))
        fail(a, "%s is %s, expected a multiple of 8 from %.0f to %.0f", label, quoted(a, value), s->low, s->high);
    *(int *)field(r, s) = (int)side;
}

static char *show_size(Arena *a, const Request *r, const Setting *s)
{
    (void)s;
    return r->job.width ? format(a, "%dx%d", r->job.width, r->job.height) : NULL;
}

/* Frames, or -1 for as many as suit.  The request keeps those as 0, and 0 frames as -1. */
static void set_overlap(Arena *a, Request *r, const Setting *s, const char *label, const char *value)
{
    int *overlap = field(r, s);
    if (!strcmp(value, "-1")) {
        *overlap = 0;
        return;
    }
    set_whole(a, r, s, label, value);
    if (!*overlap) *overlap = -1;
}

static char *show_overlap(Arena *a, const Request *r, const Setting *s)
{
    int overlap = *(const int *)shown_field(r, s);
    if (!overlap) return NULL;
    return format(a, "%d", overlap > 0 ? overlap : 0);
}

/* The request keeps what the sampler usually adds as 0, and an eta of 0 as -1. */
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

/* The request keeps the usual blur as 0, and none as -1. */
static void set_blur(Arena *a, Request *r, const Setting *s, const char *label, const char *value)
{
    set_number(a, r, s, label, value);
    if (!(r->job.mask_blur > 0)) r->job.mask_blur = -1;
}

static char *show_blur(Arena *a, const Request *r, const Setting *s)
{
    (void)s;
    double blur = r->job.mask_blur;
    return blur < 0 || blur > 0 ? number_text(a, fmax(blur, 0)) : NULL;
}

/* A model that is named brings no motion module, so a still need not say that it is one.  A grid may leave the
 * model open. */
static char *show_frames(Arena *a, const Request *r, const Setting *s)
{
    int is_grid = r->axis[0].text || r->axis[1].text || r->axis[2].text;
    if (r->job.frames == 1 && (r->job.model || !is_grid)) return NULL;
    return show_whole(a, r, s);
}

/* ---- kinds of values: words ------------------------------------------------------------------- */

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

/* Prints only what was asked for. */
static char *show_asked(Arena *a, const Request *r, const Setting *s)
{
    const char *chosen = *(const char *const *)shown_field(r, s);
    return chosen ? format(a, "%s", chosen) : NULL;
}

/* Prints only what is not the default. */
static char *show_unusual(Arena *a, const Request *r, const Setting *s)
{
    char *chosen = show_choice(a, r, s);
    return strcmp(chosen, s->choices[0]) ? chosen : NULL;
}

/* A sampler, maybe with its schedule type behind it: "DPM++ 2M Karras".  One that other programs have and persona lacks
 * stays as it is; generate.c says so and takes the nearest. */
static void set_sampler(Arena *a, Request *r, const Setting *s, const char *label, const char *value)
{
    SpelledSampler found = sampler_spelled(value);
    if (found.method < 0) fail(a, "%s is %s, expected %s", label, quoted(a, value), names_of(a, sampler_name));
    *(const char **)field(r, s) = found.is_near ? value : sampler_name(found.method);
    if (!found.is_near && found.type != AUTOMATIC) r->job.schedule = schedule_name((int)found.type);
}

static char *show_sampler(Arena *a, const Request *r, const Setting *s)
{
    (void)s;
    return format(a, "%s", r->job.sampler ? r->job.sampler : sampler_name(0));
}

/* NULL is the automatic schedule.  One that persona lacks stays as it is, like a sampler. */
static void set_schedule(Arena *a, Request *r, const Setting *s, const char *label, const char *value)
{
    SpelledSchedule found = schedule_spelled(value);
    if (found.type < 0) fail(a, "%s is %s, expected %s", label, quoted(a, value), names_of(a, schedule_name));
    const char *name = found.type == AUTOMATIC ? NULL : schedule_name(found.type);
    *(const char **)field(r, s) = found.is_near ? value : name;
}

/* Prints only what was asked for.  With hashes, as programs without "Automatic" wrote them, it says so, or the text
 * would be read as theirs (prompt.c). */
static char *show_schedule(Arena *a, const Request *r, const Setting *s)
{
    const char *chosen = *(const char *const *)shown_field(r, s);
    if (!chosen && r->is_by_hash) chosen = schedule_name(AUTOMATIC);
    return chosen ? format(a, "%s", chosen) : NULL;
}

static void set_text(Arena *a, Request *r, const Setting *s, const char *label, const char *value)
{
    if (!*value) fail(a, "%s is empty, expected a name", label);
    *(const char **)field(r, s) = value;
}

static char *show_text(Arena *a, const Request *r, const Setting *s)
{
    const char *text = *(const char *const *)shown_field(r, s);
    return text ? infotext_quoted(a, text) : NULL;
}

/* The name of a file.  All of the choices mean the first of them. */
static void set_name(Arena *a, Request *r, const Setting *s, const char *label, const char *value)
{
    if (!*value) fail(a, "%s is empty, expected the name of a file", label);
    for (size_t i = 0; s->choices[i]; i++)
        if (same(value, s->choices[i])) value = s->choices[0];
    *(Name *)field(r, s) = (Name){ value, label };
}

static char *show_name(Arena *a, const Request *r, const Setting *s)
{
    const Name *name = shown_field(r, s);
    return name->text ? infotext_quoted(a, name->text) : NULL;
}

/* Lanczos, Nearest and None need no file. */
static void set_upscaler(Arena *a, Request *r, const Setting *s, const char *label, const char *value)
{
    if (!*value) fail(a, "%s is empty, expected the name of a file, Lanczos, Nearest or None", label);
    set_name(a, r, s, label, value);
}

/* The model's own upscaler lies beside the model, so it is named as the model is. */
static char *show_upscaler(Arena *a, const Request *r, const Setting *s)
{
    const char *own = r->job.own_upscaler;
    if (r->upscaler.text || !*own) return show_name(a, r, s);
    const char *model = r->model.text ? r->model.text : "";
    const char *slash = strrchr(model, '/');
    return infotext_quoted(a, format(a, "%.*s%s", slash ? (int)(slash + 1 - model) : 0, model, own));
}

/* What it became: a name whose file is not here is Latent. */
static char *show_hires_upscaler(Arena *a, const Request *r, const Setting *s)
{
    const char *latent = "Latent";
    const char *used = r->job.hires_upscaler;
    return used && !strcmp(used, latent) ? copy(a, latent, strlen(latent)) : show_name(a, r, s);
}

/* The name of a file, or a box. */
static void set_mask(Arena *a, Request *r, const Setting *s, const char *label, const char *value)
{
    MaskBox box;
    const char *wrong = mask_is_box(value) ? mask_box_read(a, value, &box) : NULL;
    if (wrong) fail(a, "%s is %s, %s", label, quoted(a, value), wrong);
    set_name(a, r, s, label, value);
}

/* Hashes matter only where no file has the name, and a name that is set later may be another file's. */
static char *show_hash(Arena *a, const Request *r, const Setting *s)
{
    return r->is_by_hash ? show_name(a, r, s) : NULL;
}

/* An axis of a grid, or none. */
static void set_axis(Arena *a, Request *r, const Setting *s, const char *label, const char *value)
{
    if (!*value)
        fail(a, "%s is empty, expected SETTING: VALUE, VALUE, ... like \"CFG scale: 3, 7, 11\", or none", label);
    *(Name *)field(r, s) = (Name){ same(value, "none") ? NULL : value, label };
}

/* ---- kinds of values: the prompts, and LoRAs -------------------------------------------------- */

static const double strongest = 100;

static double strength(Arena *a, const char *label, const char *value)
{
    double x;
    if (!read_number(value, &x) || fabs(x) > strongest)
        fail(a, "%s: the strength is %s, expected a number from -%.0f to %.0f", label, quoted(a, value), strongest,
             strongest);
    return x;
}

static void add_lora(Arena *a, LoraName *list, size_t *count, LoraName l)
{
    if (*count == LORAS) fail(a, "%s: more than %d LoRAs; leave some out", l.name.label, LORAS);
    list[*count] = l;
    ++*count;
}

/* Remembers a part of the prompt that other programs understand, so that the caller can tell. */
static void ignore_part(Arena *a, Request *r, const char *part)
{
    enum { LISTED = 8 };
    size_t before = r->ignored_count++;
    if (before == 0) r->ignored = quoted(a, part);
    else if (before < LISTED) r->ignored = format(a, "%s, %s", r->ignored, quoted(a, part));
    else if (before == LISTED) r->ignored = format(a, "%s and more", r->ignored);
}

/* Adds a part to `how`.  What adapter_strength.c does not understand is remembered as ignored. */
static void add_how(Arena *a, Request *r, LoraName *l, const char *part)
{
    LoraStrength ignored;
    if (strength_read(a, 1, 1, part, &ignored)) ignore_part(a, r, format(a, "%s: %s", l->name.text, part));
    else l->how = l->how ? format(a, "%s:%s", l->how, part) : part;
}

/* A number for the UNet, which wins over a curve that stands before it for both models. */
static double unet_strength(Arena *a, Request *r, const char *label, LoraName *l, const char *value)
{
    double x = strength(a, label, value);
    if (l->how && strstr(l->how, "unet=")) add_how(a, r, l, format(a, "unet=%s", value));
    return x;
}

/* A strength that is not a plain number: one that changes, the third number of a tag, or the old form of lbw=. */
static void add_unnamed(Arena *a, Request *r, const char *label, LoraName *l, const char *item, int numbers)
{
    static const char *const names[] = { "te", "unet", "dyn" };
    StrengthCurve curve;
    if (strength_is_preset(item)) add_how(a, r, l, format(a, "lbw=%s", item));
    else if (numbers == 2) add_how(a, r, l, format(a, "%s=%s", names[numbers], item));
    else if (!strength_curve(a, item, &curve) || numbers > 2)
        fail(a, "%s: the strength is %s, expected a number from -%.0f to %.0f, or some as strength@position: "
                "0@0,1@0.5 over the steps, 0@0f,1@8f over the frames", label, quoted(a, item), strongest, strongest);
    else {
        if (curve.unit != FRAME_NUMBERS || numbers == 1) add_how(a, r, l, format(a, "%s=%s", names[numbers], item));
        if (numbers == 0) add_how(a, r, l, format(a, "unet=%s", item));
    }
}

/* list: "0.8"; or "0.5:0.8" for text encoder and UNet; or "te=0.5:unet=0.8".  NULL is the strength 1.  Without a
 * strength of its own, the UNet has that of the text encoder.  Everything else is for adapter_strength.c. */
static LoraName with_strengths(Arena *a, Request *r, const char *label, Name name, const char *list)
{
    double unet = NAN;
    int numbers = 0;                    /* strengths without a name so far */
    LoraName l = { .name = name, .text = 1 };
    while (list) {
        double x;
        const char *colon = strchr(list, ':');
        char *item = trimmed(a, list, colon ? (size_t)(colon - list) : strlen(list));
        list = colon ? colon + 1 : NULL;
        int is_number = !strpbrk(item, "@,;");
        if (begins(item, "te=") && is_number) l.text = strength(a, label, item + 3);
        else if (begins(item, "unet=") && is_number) unet = unet_strength(a, r, label, &l, item + 5);
        else if (strchr(item, '=')) add_how(a, r, &l, item);
        else {
            if (numbers == 0 && read_number(item, &x)) l.text = strength(a, label, item);
            else if (numbers == 1 && read_number(item, &x)) unet = unet_strength(a, r, label, &l, item);
            else add_unnamed(a, r, label, &l, item, numbers);
            if (!strength_is_preset(item)) numbers++;
        }
    }
    l.unet = isnan(unet) ? l.text : unet;
    return l;
}

/* Is this a strength or what belongs to one, and no part of a name? */
static int is_strength(Arena *a, const char *item)
{
    StrengthCurve curve;
    LoraStrength ignored;
    return strength_curve(a, item, &curve) || (strchr(item, '=') && !strength_read(a, 1, 1, item, &ignored));
}

/* Where the name ends in NAME, NAME:STRENGTH or NAME:TEXT:UNET, each with more behind it: its colon, or NULL.  A name
 * may hold colons itself, so it ends before the last part, whatever that is, and the parts before it that are
 * strengths, of which two may have no name. */
static const char *name_end(Arena *a, const char *value)
{
    const char *end = strrchr(value, ':');
    if (!end) return NULL;
    int unnamed = !strchr(end, '=');
    while (end > value) {
        const char *before = end - 1;
        while (before > value && *before != ':') before--;
        if (before == value) break;
        char *item = trimmed(a, before + 1, (size_t)(end - before - 1));
        if (!is_strength(a, item)) break;
        if (!strchr(item, '=') && ++unnamed > 2) break;
        end = before;
    }
    return end;
}

/* A LoRA that is there already gets the new strengths. */
static void set_lora(Arena *a, Request *r, const Setting *s, const char *label, const char *value)
{
    (void)s;
    const char *colon = name_end(a, value);
    const char *name = colon ? trimmed(a, value, (size_t)(colon - value)) : value;
    if (!*name) fail(a, "%s is %s, expected NAME, NAME:STRENGTH or NAME:TEXT:UNET", label, quoted(a, value));
    LoraName l = with_strengths(a, r, label, (Name){ name, label }, colon ? colon + 1 : NULL);
    for (size_t i = 0; i < r->keys; i++) {
        if (strcmp(r->key[i].name.text, name)) continue;
        r->key[i] = l;
        return;
    }
    add_lora(a, r->key, &r->keys, l);
}

/* Each LoRA gets a key of its own, because its name may hold commas.  A name with a colon gets both strengths,
 * because its end could be taken for one of them. */
static char *show_loras(Arena *a, const Request *r, const Setting *s)
{
    char *all = NULL;
    for (size_t i = 0; i < r->keys; i++) {
        const LoraName *l = &r->key[i];
        char *one = format(a, "%s:%s", l->name.text, number_text(a, l->text));
        if (l->unet != l->text || strchr(l->name.text, ':')) one = format(a, "%s:%s", one, number_text(a, l->unet));
        if (l->how) one = format(a, "%s:%s", one, l->how);
        one = infotext_quoted(a, one);
        all = all ? format(a, "%s, %s: %s", all, s->key, one) : one;
    }
    return all;
}

/* inside: what stands between "<lora:" and ">" */
static void add_tag(Arena *a, Request *r, const char *label, const char *inside)
{
    const char *colon = strchr(inside, ':');
    char *name = trimmed(a, inside, colon ? (size_t)(colon - inside) : strlen(inside));
    if (!*name || strchr("./\\", *name) || strstr(name, ".."))        /* "people/yumin" is a name, "../yumin" is not */
        fail(a, "%s: a tag takes a name without folders, not %s; for a path there is --lora F:STRENGTH", label,
             quoted(a, name));
    Name named = { name, format(a, "%s: the name", label) };
    add_lora(a, r->tag, &r->tags, with_strengths(a, r, label, named, colon ? colon + 1 : NULL));
}

typedef struct { Arena *a; Request *r; const char *label, *inside; } TagReading;

static void read_tag(void *reading)
{
    TagReading *t = reading;
    add_tag(t->a, t->r, t->label, t->inside);
}

/* A tag that is wrong is left out where its fault can be told later. */
static void try_to_read_tag(TagReading t)
{
    Request before = *t.r;
    if (!t.r->faults) read_tag(&t);
    else if (faults_try(t.a, t.r->faults, read_tag, &t)) *t.r = before;
}

static int is_lora_tag(const char *s) { return begins(s, "<lora:") || begins(s, "<lyco:"); }

/* The colon of the tag <word:anything but ">"> at s, or NULL.  close: the next ">" from s on, or NULL. */
static const char *tag_colon(const char *s, const char *close)
{
    if (*s != '<' || !close) return NULL;
    const char *p = s + 1;
    while (word_character(*p)) p++;
    return p > s + 1 && *p == ':' && p + 1 < close ? p : NULL;
}

/* Takes the tags out of the prompt (web UI: re.sub(r"<(\w+):([^>]+)>", "", prompt)). */
static void set_prompt(Arena *a, Request *r, const Setting *s, const char *label, const char *value)
{
    (void)s;
    const char *at = value, *close = strchr(at, '>');
    char *out = allocate(a, strlen(at) + 1, 1), *end = out;
    r->prompt = value;
    r->prompt_template = NULL;
    r->is_prompt_drawn = 0;
    r->tags = 0;
    r->ignored = NULL;
    r->ignored_count = 0;
    r->broken_tag = NULL;
    while (*at) {
        if (close && close < at) close = strchr(at, '>');
        const char *colon = tag_colon(at, close);
        if (!colon) {
            if (is_lora_tag(at) && !r->broken_tag) r->broken_tag = at;
            *end++ = *at++;
            continue;
        }
        char *tag = copy(a, at, (size_t)(close + 1 - at));
        char *inside = copy(a, colon + 1, (size_t)(close - colon - 1));
        const char *where = format(a, "%s: in %s", label, quoted(a, tag));
        if (is_lora_tag(at)) try_to_read_tag((TagReading){ a, r, where, inside });
        else ignore_part(a, r, tag);
        at = close + 1;
    }
    *end = 0;
    r->job.prompt = out;
}

/* A LoRA changes the model for both prompts, so its tag means nothing in this one (web UI: it stays as words). */
static void set_negative(Arena *a, Request *r, const Setting *s, const char *label, const char *value)
{
    (void)s;
    (void)label;
    char *out = format(a, "%s", value);
    char *end = out;
    const char *last = strrchr(value, '>');      /* behind it no tag ends, and none is looked for */
    r->negative_tags = 0;
    for (const char *at = value; *at; ) {
        const char *close = last && at < last && is_lora_tag(at) ? strchr(at, '>') : NULL;
        if (close) r->negative_tags++;
        else *end++ = *at;
        at = close ? close + 1 : at + 1;
    }
    *end = 0;
    r->job.negative = out;
    r->negative_template = NULL;
    r->is_negative_drawn = 0;
}

/* ---- the table -------------------------------------------------------------------------------- */

static const ValueKind
    prompt_kind   = { .set = set_prompt },
    negative_kind = { .set = set_negative },
    whole_kind    = { .set = set_whole,    .show = show_whole,   .type = WHOLE },
    batch_kind    = { .set = set_whole,    .show = show_nothing, .type = WHOLE },
    seed_kind     = { .set = set_seed,     .show = show_seed,    .type = WHOLE },
    overlap_kind  = { .set = set_overlap,  .show = show_overlap, .type = WHOLE },
    frames_kind   = { .set = set_whole,    .show = show_frames,  .type = WHOLE },
    number_kind   = { .set = set_number,   .show = show_number,  .type = NUMBER },
    mask_kind     = { .set = set_mask,     .show = show_name,    .is_list = 1 },
    blur_kind     = { .set = set_blur,     .show = show_blur,    .type = NUMBER },
    by_frame_kind = { .set = set_by_frame, .show = show_text,    .type = NUMBER, .is_list = 1 },
    eta_kind      = { .set = set_eta,      .show = show_eta,     .type = NUMBER },
    side_kind     = { .set = set_side },
    size_kind     = { .set = set_size,     .show = show_size },
    bytes_kind    = { .set = set_bytes,    .show = show_bytes },
    sampler_kind  = { .set = set_sampler,  .show = show_sampler },
    schedule_kind = { .set = set_schedule, .show = show_schedule },
    choice_kind   = { .set = set_choice,   .show = show_choice },
    asked_kind    = { .set = set_choice,   .show = show_asked },
    unusual_kind  = { .set = set_choice,   .show = show_unusual },
    text_kind     = { .set = set_text,     .show = show_text },
    path_kind     = { .set = set_name,     .show = show_name },
    upscaler_kind = { .set = set_upscaler, .show = show_upscaler },
    enlarging_kind = { .set = set_name,    .show = show_hires_upscaler },
    hash_kind     = { .set = set_name,     .show = show_hash },
    lora_kind     = { .set = set_lora,     .show = show_loras },
    axis_kind     = { .set = set_axis,     .show = show_name,    .is_axis = 1 };

#define AT(member) offsetof(Request, member)

const Setting all_settings[] = {
    { .flag = "prompt", .kind = &prompt_kind, .value = "TEXT",
      .help = "the picture in words, with <lora:NAME:STRENGTH>" },
    { .flag = "negative", .kind = &negative_kind, .value = "TEXT",
      .help = "what it should not be" },
    { .key = "Steps", .flag = "steps", .kind = &whole_kind, .field = AT(job.steps), .low = 1, .high = 1000,
      .value = "N",
      .help = "denoising steps, 1 to 1000 (what the model's file says, or 25)" },
    { .key = "Sampler", .flag = "sampler", .kind = &sampler_kind, .field = AT(job.sampler), .value = "NAME",
      .help = "DDIM, PLMS, Euler, Euler a, Heun, LMS, DPM2, DPM2 a, DPM++ 2M, 2M SDE, 2M SDE Heun, 2S a, SDE, "
              "3M SDE, UniPC or LCM (DDIM)" },
    { .key = "Schedule type", .flag = "schedule-type", .kind = &schedule_kind, .field = AT(job.schedule),
      .value = "NAME",
      .help = "Uniform, Karras, Exponential, SGM Uniform, Simple, Normal, Beta, KL Optimal, Align Your Steps, "
              "DDIM or LCM (Automatic: the sampler's own)" },
    { .key = "CFG scale", .flag = "cfg", .kind = &number_kind, .field = AT(job.cfg), .low = 0.1, .high = 100,
      .value = "X",
      .help = "guidance: how closely to follow the words, 0.1 to 100 (what the model's file says, 4 for the one that "
              "comes with persona; else 7.5)" },
    { .key = "Seed", .flag = "seed", .kind = &seed_kind, .field = AT(job.seed), .value = "N",
      .help = "same seed, same picture; -1: random, printed (-1)" },
    { .key = "Batch count", .flag = "batch", .kind = &batch_kind, .field = AT(batch), .low = 1, .high = 1000,
      .value = "N",
      .help = "so many pictures, OUT-1, OUT-2, ..., with this seed and those behind it (1)" },
    { .key = "Size", .flag = "size", .kind = &size_kind, .low = 8, .high = 8192, .value = "WxH",
      .help = "pixels, multiples of 8 (what suits the model)" },
    { .flag = "width", .kind = &side_kind, .field = AT(job.width), .low = 8, .high = 8192, .value = "N",
      .help = "the same, a side alone" },
    { .flag = "height", .kind = &side_kind, .field = AT(job.height), .low = 8, .high = 8192, .value = "N",
      .help = "and the other" },
    { .key = "Model", .flag = "model", .kind = &path_kind, .field = AT(model), .value = "F",
      .help = "a Stable Diffusion 1.x checkpoint (the one that comes with persona)" },
    { .key = "Model hash", .flag = "model-hash", .kind = &hash_kind, .field = AT(model_hash), .value = "HEX",
      .help = "what Model is found by where no file has its name: the beginning of the file's SHA-256" },
    { .key = "VAE hash", .flag = "vae-hash", .kind = &hash_kind, .field = AT(vae_hash), .value = "HEX",
      .help = "the same for VAE" },
    { .key = "Lora hashes", .flag = "lora-hashes", .kind = &hash_kind, .field = AT(lora_hashes), .value = "LIST",
      .help = "the same for LoRAs, \"NAME: HEX, NAME: HEX\"" },
    { .key = "TI hashes", .flag = "ti-hashes", .kind = &hash_kind, .field = AT(ti_hashes), .value = "LIST",
      .help = "the embeddings that the prompts name, \"NAME: HEX, NAME: HEX\": those that are not here are told" },
    { .key = "Hashes", .flag = "hashes", .kind = &hash_kind, .field = AT(hashes), .value = "JSON",
      .help = "the same for all, as civitai writes it: {\"model\": HEX, \"lora:NAME\": HEX}" },
    { .key = "VAE", .flag = "vae", .kind = &path_kind, .field = AT(vae), .choices = { "none", "Automatic" },
      .value = "F",
      .help = "another decoder, or none (the model's own)" },
    { .key = "Init image", .flag = "init", .kind = &path_kind, .field = AT(init), .value = "F",
      .help = "a PNG, JPEG, WebP or BMP that every frame begins as; or a clip, frame by frame: an animated GIF, PNG or "
              "WebP, a folder of pictures, or frames/%04d.png (noise alone)" },
    { .key = "Mask", .flag = "mask", .kind = &mask_kind, .field = AT(mask), .value = "F",
      .help = "what of Init image is drawn anew, and the rest is kept: a picture, white there; alpha: where Init image "
              "is transparent; or a box 20,30,90,120 or 10%,20%,60%,90%" },
    { .key = "Mask blur", .flag = "mask-blur", .kind = &blur_kind, .field = AT(job.mask_blur), .high = 64, .value = "X",
      .help = "how soft the edge of Mask is, pixels, 0 to 64 (4)" },
    { .key = "Mask mode", .flag = "mask-mode", .kind = &asked_kind, .field = AT(job.mask_mode),
      .choices = { "Inpaint masked", "Inpaint not masked" }, .value = "NAME",
      .help = "Inpaint masked: white is drawn anew, Inpaint not masked: black (Inpaint masked)" },
    { .key = "Masked content", .flag = "masked-content", .kind = &asked_kind, .field = AT(job.masked_content),
      .choices = { "original", "latent noise", "latent nothing" }, .value = "NAME",
      .help = "what is drawn anew begins as original, latent noise or latent nothing (original)" },
    { .key = "Denoising strength", .flag = "strength", .kind = &number_kind, .field = AT(job.strength), .low = 0.001,
      .high = 1, .value = "X",
      .help = "how much of Init image, or of the pass before Hires, is drawn anew, up to 1 (0.75)" },
    { .key = "Last image", .flag = "last", .kind = &path_kind, .field = AT(last), .value = "F",
      .help = "a picture that a clip ends as, where Init image is the first" },
    { .key = "Last strength", .flag = "last-strength", .kind = &number_kind, .field = AT(job.last_strength),
      .low = 0.001, .high = 1, .value = "X",
      .help = "how much of Last image is drawn anew, up to 1 (as Init image)" },
    { .key = "Latent power", .flag = "latent-power", .kind = &number_kind, .field = AT(job.latent_power), .low = 0.1,
      .high = 10, .value = "X",
      .help = "with Last image: frame i begins as 1 - i^power/scale of Init image (1)" },
    { .key = "Latent scale", .flag = "latent-scale", .kind = &number_kind, .field = AT(job.latent_scale), .low = 1,
      .high = 128, .value = "X",
      .help = "the scale there, 1 to 128: less leaves more to the words in between (32)" },
    { .key = "Latent power last", .flag = "latent-power-last", .kind = &number_kind,
      .field = AT(job.latent_power_last), .low = 0.1, .high = 10, .value = "X",
      .help = "the power for Last image, i counted from the end (1)" },
    { .key = "Latent scale last", .flag = "latent-scale-last", .kind = &number_kind,
      .field = AT(job.latent_scale_last), .low = 1, .high = 128, .value = "X",
      .help = "the scale for Last image (32)" },
    { .key = "Clip skip", .flag = "clip-skip", .kind = &whole_kind, .field = AT(job.clip_skip), .low = 1, .high = 12,
      .not_shown = 1, .value = "N",
      .help = "1: the text encoder's last layer, 2: the one before, ... (what the model's file says, or 1)" },
    { .key = "RNG", .flag = "rng", .kind = &choice_kind, .field = AT(job.rng), .choices = { "CPU", "NV" },
      .value = "NAME",
      .help = "CPU: noise as torch makes it on a CPU, NV: as the web UI's NV, a seed for each frame (CPU)" },
    { .key = "Eta", .flag = "eta", .kind = &eta_kind, .field = AT(job.eta), .high = 1, .value = "X",
      .help = "noise added in each step, 0 to 1 (DDIM: 0; samplers with an \"a\" or SDE: 1)" },
    { .key = "CFG rescale", .flag = "cfg-rescale", .kind = &number_kind, .field = AT(job.cfg_rescale), .high = 1,
      .value = "X",
      .help = "against overexposed pictures of v-prediction models, 0 to 1 (0)" },
    { .key = "Prediction type", .flag = "prediction", .kind = &asked_kind, .field = AT(job.prediction),
      .choices = { "epsilon", "v", "v_prediction" }, .value = "NAME",
      .help = "what the model predicts, epsilon or v (what its file says)" },
    { .key = "Noise Schedule", .flag = "noise-schedule", .kind = &asked_kind, .field = AT(job.noise_schedule),
      .choices = { "Default", "Zero Terminal SNR" }, .value = "NAME",
      .help = "Default, or Zero Terminal SNR for models trained so (what its file says)" },
    { .key = "Hires upscale", .flag = "hires", .kind = &number_kind, .field = AT(job.hires), .low = 1, .high = 8,
      .value = "X",
      .help = "once more, so many times as large, 1 to 8 (no)" },
    { .key = "Hires steps", .flag = "hires-steps", .kind = &whole_kind, .field = AT(job.hires_steps), .high = 1000,
      .value = "N",
      .help = "steps of that second pass (as many as Steps)" },
    { .key = "Hires upscaler", .flag = "hires-upscaler", .kind = &enlarging_kind, .field = AT(hires_upscaler),
      .value = "F",
      .help = "what grows before it: latents by Latent or Latent (nearest), or the picture by Lanczos, Nearest or a "
              "file as Upscaler takes it (Latent)" },
    { .key = "Upscaler", .flag = "upscaler", .kind = &upscaler_kind, .field = AT(upscaler), .value = "F",
      .help = "what makes the finished picture larger: a file of Real-ESRGAN's or ESRGAN's, Lanczos, Nearest or None "
              "(what the model's file names, or None)" },
    { .key = "Upscale by", .flag = "upscale-by", .kind = &number_kind, .field = AT(job.upscale_by), .low = 0.1,
      .high = 8, .value = "X",
      .help = "so many times as large, 0.1 to 8 (what Upscaler does by itself; Lanczos and Nearest 2)" },
    { .key = "Face pass", .flag = "face-pass", .kind = &number_kind, .field = AT(job.face_pass), .high = 1,
      .value = "X",
      .help = "a small face is found, drawn anew at the model's own size and put back; so much of it anew, 0 to 1, "
              "as 0.4 (no)" },
    { .key = "Face prompt", .flag = "face-prompt", .kind = &text_kind, .field = AT(job.face_prompt), .value = "TEXT",
      .help = "the words for that (those of the picture)" },
    { .key = "LoRA", .flag = "lora", .kind = &lora_kind, .value = "F:X[:Y]",
      .help = "a LoRA and its strength, or those for text encoder and UNet; once for each.  Behind it: lbw=IND by "
              "block, start=5:stop=14; or F:0@0,1@0.5 over the steps, F:0@0f,1@8f over the frames" },
    { .key = "Motion module", .flag = "motion", .kind = &path_kind, .field = AT(motion), .choices = { "none" },
      .clips_only = 1, .value = "F",
      .help = "an AnimateDiff module, or none for a still (none with a model of your own)" },
    { .key = "Frames", .flag = "frames", .kind = &frames_kind, .field = AT(job.frames), .low = 1, .high = 100000,
      .value = "N",
      .help = "frames of the clip, 1 is a still (16; a still with a model of your own)" },
    { .key = "FPS", .flag = "fps", .kind = &number_kind, .field = AT(job.fps), .low = 0.1, .high = 100,
      .clips_only = 1, .value = "X",
      .help = "frames a second, 0.1 to 100 (8)" },
    { .key = "Max size", .flag = "max-size", .kind = &bytes_kind, .field = AT(max_size), .high = 1 << 30, .value = "N",
      .help = "256K, 1M: fewer colours, then loss, then frames until the GIF is no larger (any size)" },
    { .key = "Context", .flag = "context", .kind = &whole_kind, .field = AT(job.context), .low = 1, .high = 65535,
      .clips_only = 1, .value = "N",
      .help = "frames seen together in a longer clip (16)" },
    { .key = "Overlap", .flag = "overlap", .kind = &overlap_kind, .field = AT(job.overlap), .high = 65535,
      .clips_only = 1, .value = "N",
      .help = "frames that neighbouring windows share (a quarter of Context)" },
    { .key = "Stride", .flag = "stride", .kind = &whole_kind, .field = AT(job.stride), .low = 1, .high = 30,
      .not_shown = 1, .clips_only = 1, .value = "N",
      .help = "2: also windows of every second frame, 3: every fourth too (1)" },
    { .key = "Closed loop", .flag = "closed-loop", .kind = &asked_kind, .field = AT(job.loop),
      .choices = { "N", "R-P", "R+P", "A" }, .clips_only = 1, .value = "NAME",
      .help = "A: the last frame leads into the first; R-P, R+P: a little, in long clips (N)" },
    { .key = "Motion strength", .flag = "motion-strength", .kind = &by_frame_kind, .field = AT(job.motion_strength),
      .high = 10, .clips_only = 1, .value = "X",
      .help = "how much moves: 0.5 less, 1.5 more; frame by frame \"0: 0.5, 8: 1.5\" (1)" },
    { .key = "Precision", .flag = "precision", .kind = &unusual_kind, .field = AT(job.precision),
      .choices = { "f32", "bf16" }, .value = "NAME",
      .help = "f32, or bf16: faster, and a little different (f32)" },
    { .key = "X", .flag = "x", .kind = &axis_kind, .field = AT(axis[0]), .value = "AXIS",
      .help = "a grid, a column for each: \"CFG scale: 3, 7, 11\", \"Steps: 10-50 (+10)\", \"Prompt S/R: red, blue\"" },
    { .key = "Y", .flag = "y", .kind = &axis_kind, .field = AT(axis[1]), .value = "AXIS",
      .help = "a row for each: any setting, \"LoRA NAME: 0.4, 0.8\"" },
    { .key = "Z", .flag = "z", .kind = &axis_kind, .field = AT(axis[2]), .value = "AXIS",
      .help = "a grid of rows and columns for each" },
    { .key = "Dynamic prompts", .flag = "dynamic-prompts", .kind = &unusual_kind, .field = AT(dynamic),
      .choices = { "on", "off" }, .value = "on|off",
      .help = "on: {red|blue} and __wildcard__ are drawn by the seed; off: they are words (on)" },
    { .flag = "threads", .kind = &whole_kind, .field = AT(job.threads), .low = 1, .high = 1024, .value = "N",
      .help = "1 to 1024; the picture stays the same (OMP_NUM_THREADS, or all cores that it may use)" },
    { .flag = NULL }
};

/* other spellings of keys that people paste */
static const struct { const char *pasted, *key; } aliases[] = {
    { "Batch", "Batch count" },
    { "CFG Rescale \xcf\x86", "CFG rescale" }, { "CFG Rescale phi", "CFG rescale" }, { "Eta DDIM", "Eta" },
    { "Checkpoint name", "Model" }, { "Denoising", "Denoising strength" }, { "RNG source", "RNG" },
};

const Setting *setting_key(const char *name)
{
    for (size_t i = 0; i < sizeof aliases / sizeof *aliases; i++)
        if (same(aliases[i].pasted, name)) name = aliases[i].key;
    for (const Setting *s = all_settings; s->flag; s++)
        if (s->key && same(s->key, name)) return s;
    return NULL;
}

const Setting *setting_named(const char *name)
{
    for (const Setting *s = all_settings; s->flag; s++)
        if (same(s->flag, name)) return s;
    return same(name, "negative-prompt") ? setting_named("negative") : setting_key(name);
}

ValueType setting_value_type(const Setting *s) { return s->kind->type; }

int setting_is_axis(const Setting *s) { return s->kind->is_axis; }

int setting_is_list(const Setting *s) { return s->kind->is_list; }

char *settings_line(Arena *a, const Request *r)
{
    char *line = format(a, "%s", "");
    for (const Setting *s = all_settings; s->flag; s++) {
        if (!s->key || (s->clips_only && r->job.frames == 1)) continue;
        char *value = s->kind->show(a, r, s);
        if (value) line = format(a, "%s%s%s: %s", line, *line ? ", " : "", s->key, value);
    }
    return line;
}
