/* prompt.c - prompt files, or infotext: prompt, negative prompt, and settings, to a request and back.
 *
 * infotext.c takes a text apart; here its settings become those of a request.  People copy them from galleries, from
 * pictures and from other programs, so three things may happen to one:
 *
 *   - it is read as it stands;
 *   - its key or its value is another program's, and is translated (foreign_settings.c);
 *   - it means nothing here, and is left out, so that its default is drawn.
 *
 * Translations and what was left out are told together in one line, unknown keys in another.  Only what was typed on
 * the command line is an error when it is wrong.
 *
 * Some settings can only be understood when all are known: what a sampler's bare name meant depends on the program
 * and its version, an Eta on the sampler, "Scheduler" on whether there is a "Sampler".  finish() looks at these.
 *
 * Some keys of extensions are understood: those of sd-webui-animatediff, of the X/Y/Z plot script, and those of
 * ADetailer that are of a face.
 *
 * A request is printed as text that reads as the same request.  This text is saved inside every picture. */
#include "prompt.h"

#include "adetailer.h"
#include "chars.h"
#include "civitai_resources.h"
#include "foreign_settings.h"
#include "infotext.h"
#include "pasted_command.h"
#include "plain_text.h"
#include "sampler_names.h"
#include "stray_settings.h"
#include "template_lines.h"

#include <math.h>
#include <string.h>

/* ---- reading: what is told --------------------------------------------------------------------- */

enum { LISTED = 12 };

/* The first of what is to be told, and how many there are of them. */
typedef struct { const char *text[LISTED]; size_t count; } Notes;

typedef struct {
    Arena      *a;
    Request    *r;
    const char *path;
    Notes       unknown, translated, left_out;
    const char **given;                     /* the value of each of all_settings, as the text has it, or NULL */
    const char *plot_type[3];               /* "X Type", "Y Type" and "Z Type" of the web UI's X/Y/Z plot */

    /* what finish() needs; NULL: not said */
    const char *version, *app;              /* of the program */
    const char *sampler, *scheduler, *eta, *rng, *width, *height;
    const char *spacing;                    /* SD.Next's */
    const char *batch_size, *batch_pos;     /* the web UI's: which picture of several this was */
    const char *hires_size;                 /* "Hires resize" */
    ADetailer   adetailer;
    const char *result_size;                /* "Postprocess upscale to" */
    int         is_schedule_said;
    int         is_strength_zero;
    int         is_of_program;              /* a program wrote these settings: they have keys that nobody types */
} Reader;

static size_t listed(const Notes *n) { return n->count < LISTED ? n->count : LISTED; }

/* Adds a note, once.  before: the arena's mark before the note was made. */
static void add_note(Reader *rd, Notes *n, const char *note, size_t before)
{
    for (size_t i = 0; i < listed(n); i++) {
        if (strcmp(n->text[i], note)) continue;
        release(rd->a, before);
        return;
    }
    if (n->count < LISTED) n->text[n->count] = note;
    else release(rd->a, before);
    n->count++;
}

/* "head first, second and 3 more" */
static char *list_notes(Arena *a, const Notes *n, const char *head, const char *separator)
{
    char *list = format(a, "%s", head);
    for (size_t i = 0; i < listed(n); i++) list = format(a, "%s%s %s", list, i ? separator : "", n->text[i]);
    return n->count > LISTED ? format(a, "%s and %zu more", list, n->count - LISTED) : list;
}

/* Remembers a key that is unknown, with the key that may have been meant.  prefix: what the key belongs to, or "". */
static void add_unknown(Reader *rd, const char *prefix, const char *key)
{
    size_t before = mark(rd->a);
    int is_typo = key[0] && key[1] && !*prefix && !foreign_key_is_known(key);         /* a letter means nothing */
    Nearest near = nearest_to(key);
    for (const Setting *s = all_settings; s->flag; s++)
        if (s->key && is_typo) nearest_consider(&near, s->key);
    add_note(rd, &rd->unknown, format(rd->a, "%s%s%s", prefix, quoted(rd->a, key), did_you_mean(rd->a, near)), before);
}

static void add_translated(Reader *rd, const char *as, const char *value, const char *ours)
{
    size_t before = mark(rd->a);
    add_note(rd, &rd->translated, format(rd->a, "%s %s is %s", as, quoted(rd->a, value), ours), before);
}

static void tell(Reader *rd, LineCallback *warn, void *to)
{
    Arena *a = rd->a;
    if (!warn) return;
    char *line = NULL;
    if (rd->translated.count) line = list_notes(a, &rd->translated, format(a, "%s: in persona,", rd->path), ",");
    if (rd->left_out.count) {
        const char *head = line ? format(a, "%s; left out:", line) : format(a, "%s: left out:", rd->path);
        line = list_notes(a, &rd->left_out, head, ";");
    }
    if (line) warn(to, line);
    const char *head = format(a, "%s: ignored, as persona does not know them:", rd->path);
    if (rd->unknown.count) warn(to, list_notes(a, &rd->unknown, head, ","));
}

/* ---- reading: settings ------------------------------------------------------------------------ */

typedef struct { Reader *rd; const Setting *s; const char *label, *value; } Trial;

static void try_to_set(void *trial)
{
    Trial *t = trial;
    t->s->kind->set(t->rd->a, t->rd->r, t->s, t->label, t->value);
}

/* Are these the same number, however it is written? */
static int is_same_number(const char *x, const char *y)
{
    double a, b;
    size_t n = number_at(x, &a);
    size_t m = number_at(y, &b);
    return n && m && !x[n] && !y[m] && !(a < b) && !(a > b);
}

/* A name that says that there is none is not looked for, except where "none" is a choice. */
static const char *name_or_nothing(const Setting *s, const char *value)
{
    static const char *const names[] = { "Model", "VAE", "Init image", "Last image", "Motion module",
                                        "Hires upscaler" };
    int is_choice = s->choices[0] && same(value, s->choices[0]);
    if (!foreign_value_is_nothing(value) || is_choice) return value;
    for (size_t i = 0; i < sizeof names / sizeof *names; i++)
        if (s->key && same(s->key, names[i])) return "";
    return value;
}

/* A place for the value of each setting, all NULL. */
static const char **nothing_given(Arena *a)
{
    size_t count = 0;
    while (all_settings[count].flag) count++;
    const char **given = allocate(a, count, sizeof *given);
    for (size_t i = 0; i < count; i++) given[i] = NULL;
    return given;
}

/* A setting that a text has twice: the last one counts, and the other is told. */
static void tell_given_before(Reader *rd, const Setting *s, const char *as, const char *value)
{
    const char **given = &rd->given[s - all_settings];
    int is_list = s->key && same(s->key, "LoRA");            /* each names another file */
    int is_chosen = *given && !same(*given, "default");
    int is_other = is_chosen && !is_list && !same(*given, value) && !is_same_number(*given, value);
    if (is_other)
        add_note(rd, &rd->left_out, format(rd->a, "%s %s, as %s comes after it and counts", s->key ? s->key : as,
                                           quoted(rd->a, *given), quoted(rd->a, value)), mark(rd->a));
    *given = value;
}

/* as: how the text calls this setting, for messages */
static void read_setting(Reader *rd, const Setting *s, const char *as, const char *value)
{
    char why[MESSAGE], ignored[MESSAGE];
    size_t before = mark(rd->a);
    value = name_or_nothing(s, value ? value : "");
    Trial t = { rd, s, format(rd->a, "%s: %s", rd->path, as), value };
    if (!attempt(rd->a, try_to_set, &t, why)) {
        tell_given_before(rd, s, as, value);
        return;
    }
    t.value = foreign_value(rd->a, s, value);
    if (t.value && !attempt(rd->a, try_to_set, &t, ignored)) {
        if (!is_same_number(value, t.value)) add_translated(rd, as, value, t.value);
        tell_given_before(rd, s, as, t.value);
        return;
    }
    size_t path_size = strlen(rd->path) + 2;         /* "p.txt: " */
    if (fail_kind(rd->a) != FAILURE) fail_as(rd->a, fail_kind(rd->a), "%s", why);
    const char *fault = strlen(why) > path_size ? why + path_size : why;      /* a very long path fills the message */
    add_note(rd, &rd->left_out, format(rd->a, "%s", fault), before);
}

/* The setting that a key of sd-webui-animatediff means, or NULL. */
static const Setting *animatediff_setting(const char *key)
{
    static const struct { const char *theirs, *ours; } keys[] = {
        { "model", "Motion module" }, { "video_length", "Frames" }, { "fps", "FPS" },
        { "batch_size", "Context" },  { "stride", "Stride" },       { "overlap", "Overlap" },
        { "closed_loop", "Closed loop" },
        { "last_frame", "Last image" },
        { "latent_power", "Latent power" },           { "latent_scale", "Latent scale" },
        { "latent_power_last", "Latent power last" }, { "latent_scale_last", "Latent scale last" },
    };
    for (size_t i = 0; i < sizeof keys / sizeof *keys; i++)
        if (same(key, keys[i].theirs)) return setting_key(keys[i].ours);
    return NULL;
}

/* Text without the quotes, or brackets, around it. */
static char *inside(Arena *a, const char *text, const char *open, const char *close)
{
    size_t n = strlen(text);
    const char *kind = n > 1 ? strchr(open, text[0]) : NULL;
    int is_closed = kind && *kind && text[n - 1] == close[kind - open];
    return is_closed ? trimmed(a, text + 1, n - 2) : trimmed(a, text, n);
}

/* One setting of the extension.  -> 0 when it is switched off, and the others mean nothing */
static int read_animatediff_setting(Reader *rd, const char *key, const char *value)
{
    const Setting *setting = animatediff_setting(key);
    int is_automatic = same(key, "video_length") && value && is_same_number(value, "0");
    if (same(key, "enable") && value && same(value, "false")) {
        rd->r->motion = (Name){ "none", NULL };
        rd->given[setting_key("Motion module") - all_settings] = "none";
        return 0;
    }
    if (is_automatic || same(key, "enable")) return 1;
    if (setting) read_setting(rd, setting, format(rd->a, "AnimateDiff %s", key), value);
    else if (*key) add_unknown(rd, "AnimateDiff ", key);
    return 1;
}

/* AnimateDiff: "enable: True, model: mm_sd_v14.ckpt, video_length: 16, fps: 8, ..."          (sd-webui-animatediff)
 * AnimateDiff: {"enable": true, "model": "mm_sd_v14.ckpt", "video_length": 16, ...}          (before 1.9.4) */
static void read_animatediff(Reader *rd, const char *text)
{
    char *key, *value;
    text = inside(rd->a, text, "{", "}");
    while (*text) {
        text = next_setting(rd->a, text, &key, &value);
        key = inside(rd->a, key, "\"'", "\"'");
        if (value) value = inside(rd->a, value, "'", "'");
        if (!read_animatediff_setting(rd, key, value)) return;
    }
}

/* Script: X/Y/Z plot, X Type: Steps, X Values: "10-50 (+10)", ...          (web UI)
 * is the setting       X: Steps: 10-50 (+10)
 * Random values that were drawn stand in "Fixed X Values".  -> 0 when this key is none of the plot's. */
static int read_plot(Reader *rd, const char *key, const char *value)
{
    if (same(key, "Script") && value && same(value, "X/Y/Z plot")) return 1;
    const char *name = begins(key, "Fixed ") ? key + strlen("Fixed ") : key;
    int axis = lower(*name) - 'x';
    if (axis < 0 || axis > 2) return 0;
    const char *what = name + 1;
    if (same(what, " Type")) {
        rd->plot_type[axis] = value;
        return 1;
    }
    if (!same(what, " Values")) return 0;
    if (!rd->plot_type[axis]) return 1;
    const Setting *setting = setting_key((char[]){ *name, 0 });
    read_setting(rd, setting, setting->key, format(rd->a, "%s: %s", rd->plot_type[axis], value ? value : ""));
    return 1;
}

/* Remembers what finish() needs.  -> 1 when finish() reads the setting */
static int keep_for_finish(Reader *rd, const char *key, const Setting *s, const char *value)
{
    const struct { const char *key, **kept; int is_read_later; } kept[] = {
        { "Version", &rd->version, 0 }, { "App", &rd->app, 0 },      { "Scheduler", &rd->scheduler, 1 },
        { "Width", &rd->width, 1 },     { "Height", &rd->height, 1 }, { "Sampler", &rd->sampler, 0 },
        { "Eta", &rd->eta, 0 },         { "RNG", &rd->rng, 0 },
    };
    const char *name = s && s->key && !same(key, "Scheduler") ? s->key : key;
    if (same(key, "Sampler spacing")) {
        rd->spacing = value;
        return 1;
    }
    if (same(key, "Hires resize") || same(key, "Postprocess upscale to")) {
        *(same(key, "Hires resize") ? &rd->hires_size : &rd->result_size) = value;
        return 1;
    }
    if (foreign_key_is_known(key) && !same(key, "Width") && !same(key, "Height")) rd->is_of_program = 1;
    if (adetailer_keep(&rd->adetailer, key, value)) return 1;
    if (same(key, "Batch size") || same(key, "Batch pos")) {
        *(same(key, "Batch size") ? &rd->batch_size : &rd->batch_pos) = value;
        return 1;
    }
    if (same(name, "Schedule type") && value && !same(value, "default")) rd->is_schedule_said = 1;
    if (same(name, "Denoising strength") && value && is_same_number(value, "0")) {
        rd->is_strength_zero = 1;
        return 1;
    }
    for (size_t i = 0; i < sizeof kept / sizeof *kept; i++) {
        if (!same(name, kept[i].key)) continue;
        *kept[i].kept = value;
        return kept[i].is_read_later;
    }
    return 0;
}

/* The models of a picture made on civitai, which has no tags for its LoRAs, and often no Model. */
static void read_resources(Reader *rd, const char *json)
{
    size_t before = mark(rd->a);
    char *list = civitai_resources(rd->a, json, rd->r->tags > 0, rd->r->model.text || rd->r->model_hash.text);
    if (!list) add_unknown(rd, "", "Civitai resources");
    else if (*list) add_note(rd, &rd->left_out, format(rd->a, "the picture's %s", list), before);
}

static int is_digits(const char *text) { return *text && !text[strspn(text, "0123456789")]; }

/* "CFG scale: 7,5" is 7.5 in half of the world.  line: what follows the 7 -> what follows the 5 */
static const char *read_decimal_comma(Reader *rd, const char *line, const Setting *s, char **value)
{
    char *decimals, *none;
    if (!s || setting_value_type(s) != NUMBER || !*value || !is_digits(*value)) return line;
    const char *after = next_setting(rd->a, line, &decimals, &none);
    if (none || !is_digits(decimals)) return line;
    char *number = format(rd->a, "%s.%s", *value, decimals);
    add_translated(rd, s->key, format(rd->a, "%s,%s", *value, decimals), number);
    *value = number;
    return after;
}

/* Does a piece of a line continue a list: "8: 1.5" behind "0: 0.5", "30%" behind "20%"? */
static int continues_list(const char *list, const char *key, const char *value)
{
    double x;
    size_t n = number_at(key, &x);
    int is_number = n && (!key[n] || !strcmp(key + n, "%"));
    return value ? strchr(list, ':') && is_digits(key) : !strchr(list, ':') && is_number;
}

/* Motion strength: 0: 0.5, 8: 1.5.  line: what follows the 0.5 -> what follows the list */
static const char *read_list(Reader *rd, const char *line, const Setting *s, char **value)
{
    enum { MOST_PIECES = 1000 };
    double x;
    if (!s || !setting_is_list(s) || !*value || !number_at(*value, &x)) return line;
    for (int pieces = 0; *line && pieces < MOST_PIECES; pieces++) {
        char *key, *next;
        const char *after = next_setting(rd->a, line, &key, &next);
        if (!continues_list(*value, key, next)) break;
        *value = next ? format(rd->a, "%s, %s: %s", *value, key, next) : format(rd->a, "%s, %s", *value, key);
        line = after;
    }
    return line;
}

static void read_settings(Reader *rd, const char *line)
{
    char *key, *value;
    while (*line) {
        line = next_setting(rd->a, line, &key, &value);
        if (!*key) continue;
        const Setting *s = foreign_setting(key, value);
        line = read_decimal_comma(rd, line, s, &value);
        line = read_list(rd, line, s, &value);
        if (keep_for_finish(rd, key, s, value)) continue;
        if (s) read_setting(rd, s, same(key, s->key) ? s->key : key, value);
        else if (same(key, "AnimateDiff")) read_animatediff(rd, value ? value : "");
        else if (begins(key, "AnimateDiff ")) read_animatediff_setting(rd, key + strlen("AnimateDiff "), value);
        else if (same(key, "Civitai resources") && value) read_resources(rd, value);
        else if (!read_plot(rd, key, value)) add_unknown(rd, "", key);
    }
}

/* ---- reading: settings that depend on others --------------------------------------------------- */

/* The digits at s as a number -> what follows them. */
static const char *read_digits(const char *s, unsigned *number)
{
    enum { MOST = 100000 };
    *number = 0;
    for (; digit(*s); s++)
        if (*number < MOST) *number = *number * 10 + (unsigned)(*s - '0');
    return s;
}

/* "v1.9.4-191-g6ca0466e", "f2.0.1v1.10.1-previous", "1.6.0": is the web UI in it 1.9 or later? */
static int is_webui_since_1_9(const char *version)
{
    unsigned major, minor;
    const char *v = version;
    while (*v && !(lower(*v) == 'v' && digit(v[1]))) v++;
    v = read_digits(*v ? v + 1 : version, &major);
    if (*v != '.') return 0;
    read_digits(v + 1, &minor);
    return major > 1 || (major == 1 && minor >= 9);
}

static int is_of_sd_next(const Reader *rd) { return rd->app && same(rd->app, "SD.Next"); }

/* Programs without the schedule type "Automatic" spaced the steps of a bare DPM++ name evenly: the web UI before 1.9,
 * ComfyUI's savers (they leave out "normal"), stable-diffusion.cpp, SD.Next. */
static void finish_sampler(Reader *rd)
{
    Request *r = rd->r;
    if (is_of_sd_next(rd) && rd->sampler && same(rd->sampler, "DPM++ SDE")) {
        r->job.sampler = "Euler a";              /* a solver of first order, which is near */
        add_translated(rd, "Sampler", "DPM++ SDE", "Euler a, as it is SD.Next's");
    }
    if (!rd->is_of_program || !r->job.sampler || r->job.schedule || rd->is_schedule_said) return;
    if (rd->version && is_webui_since_1_9(rd->version)) return;
    SpelledSampler found = sampler_spelled(r->job.sampler);
    if (found.is_near || schedule_before_automatic(found.method) == AUTOMATIC) return;
    r->job.schedule = schedule_name(UNIFORM);
    add_translated(rd, "Sampler", rd->sampler, format(rd->a, "%s with Schedule type Uniform", r->job.sampler));
}

/* In SD.Next "Scheduler" is a class of diffusers beside its Sampler, in InvokeAI and diffusers it is the sampler, in
 * ComfyUI and Fooocus the schedule type. */
static void finish_scheduler(Reader *rd)
{
    const char *value = rd->scheduler;
    if (!value || rd->r->job.schedule) return;
    int is_sampler = sampler_spelled(value).method >= 0;
    int is_schedule = schedule_spelled(value).type >= 0;
    rd->is_schedule_said |= is_schedule && rd->sampler;
    if (is_sampler && !rd->sampler) rd->sampler = value;
    if (is_sampler && rd->sampler == value) read_setting(rd, setting_key("Sampler"), "Scheduler", value);
    else if (is_schedule || !is_sampler) read_setting(rd, setting_key("Schedule type"), "Scheduler", value);
}

/* SD.Next's spacing and its sigmas are both schedule types here.  Sigmas win, as in diffusers. */
static void finish_spacing(Reader *rd)
{
    if (!rd->spacing || same(rd->spacing, "default")) return;
    if (rd->r->job.schedule || rd->is_schedule_said)
        add_note(rd, &rd->left_out, format(rd->a, "Sampler spacing %s, as another setting says the schedule type",
                                           quoted(rd->a, rd->spacing)), mark(rd->a));
    else read_setting(rd, setting_key("Schedule type"), "Sampler spacing", rd->spacing);
    rd->is_schedule_said = 1;
}

static int has_six_decimals(const char *number)
{
    const char *point = strchr(number, '.');
    return point && strlen(point + 1) == 6;
}

/* stable-diffusion.cpp writes an Eta of 0, with the six decimals of C's %f, for every sampler, and samplers that add
 * noise do so all the same.  Elsewhere people who want none have typed the 0. */
static void finish_eta(Reader *rd)
{
    Request *r = rd->r;
    if (!rd->eta || !(r->job.eta < 0) || !r->job.sampler) return;
    int is_sdcpp = rd->version && begins(rd->version, "stable-diffusion.cpp");
    int method = sampler_spelled(r->job.sampler).method;
    if (method <= 0 || !sampler_takes_eta(method) || (!is_sdcpp && !has_six_decimals(rd->eta))) return;
    size_t before = mark(rd->a);
    r->job.eta = 0;
    add_note(rd, &rd->left_out, format(rd->a, "Eta %s, which stable-diffusion.cpp writes for every sampler, as %s adds "
                                       "noise there, too", quoted(rd->a, rd->eta), r->job.sampler), before);
}

static void finish_size(Reader *rd)
{
    if (rd->r->job.width || (!rd->width && !rd->height)) return;
    const char *width = rd->width ? rd->width : rd->height;
    const char *height = rd->height ? rd->height : rd->width;
    read_setting(rd, setting_key("Size"), "Width and Height", format(rd->a, "%sx%s", width, height));
}

/* "1024x1536", of a picture of width x height, as how many times as large.  A side of 0 follows from the other.
 * Returns NULL for a size of another shape, where the web UI cuts, which is not done here. */
static const char *size_as_factor(Reader *rd, const char *size, double width, double height)
{
    double to_width, to_height;
    size_t n = number_at(size, &to_width);
    int is_size = n && size[n] == 'x' && number_at(size + n + 1, &to_height) && width > 0 && height > 0;
    double across = is_size ? to_width / width : 0;
    double down = is_size ? to_height / height : 0;
    if (!(across > 0)) across = down;
    if (!(down > 0)) down = across;
    return across > 0 && fabs(across - down) <= 0.02 * across ? number_text(rd->a, across) : NULL;
}

/* A factor that is said as a size.  *is: the factor of the job */
static void finish_as_factor(Reader *rd, const char *key, const char *size, const char *factor, const char *ours,
                             const double *is)
{
    if (!factor) {
        add_unknown(rd, "", key);
        return;
    }
    read_setting(rd, setting_key(ours), key, factor);
    if (*is > 0) add_translated(rd, key, size, format(rd->a, "%s %s", ours, factor));
}

/* The web UI's second pass by its size, "Hires resize", and its Extras', "Postprocess upscale to", behind that. */
static void finish_sizes(Reader *rd)
{
    const Job *job = &rd->r->job;
    double width = job->width;
    double height = job->height;
    if (rd->hires_size && !(job->hires > 0)) {
        const char *factor = size_as_factor(rd, rd->hires_size, width, height);
        finish_as_factor(rd, "Hires resize", rd->hires_size, factor, "Hires upscale", &job->hires);
    }
    if (job->hires > 0) {
        width *= job->hires;
        height *= job->hires;
    }
    if (rd->result_size && !(job->upscale_by > 0)) {
        const char *factor = size_as_factor(rd, rd->result_size, width, height);
        finish_as_factor(rd, "Postprocess upscale to", rd->result_size, factor, "Upscale by", &job->upscale_by);
    }
}

/* A strength of 0 changes nothing.  Without a picture to change, the web UI left it behind, and it means nothing. */
static void finish_strength(Reader *rd)
{
    Request *r = rd->r;
    if (!rd->is_strength_zero) return;
    int has_picture = r->init.text || r->job.hires > 0;
    if (has_picture) read_setting(rd, setting_key("Denoising strength"), "Denoising strength", "0.001");
    if (has_picture) add_translated(rd, "Denoising strength", "0", "0.001");
    else add_note(rd, &rd->left_out, "Denoising strength \"0\", as there is nothing to change", mark(rd->a));
}

/* The web UI writes into each picture of a batch the seed of that one, with which it comes out alone, too
 * (processing.py, create_infotext: all_seeds[index]; the noise of each is drawn by its own seed). */
static void finish_batch(Reader *rd)
{
    if (rd->batch_pos)
        add_note(rd, &rd->translated, format(rd->a, "Batch pos %s of %s is this one picture, by its own Seed",
                                             quoted(rd->a, rd->batch_pos),
                                             quoted(rd->a, rd->batch_size ? rd->batch_size : "?")), mark(rd->a));
    else if (rd->batch_size)
        add_note(rd, &rd->left_out, format(rd->a, "Batch size %s, as pictures are drawn one by one; Batch count is how "
                                           "many", quoted(rd->a, rd->batch_size)), mark(rd->a));
}

/* The web UI does not write its default, noise from the graphics card. */
static void finish_noise(Reader *rd)
{
    int is_webui = rd->is_of_program && (!rd->version || digit(*rd->version) || strchr("vf", *rd->version));
    if (rd->rng || !rd->r->seeded || !is_webui) return;
    add_note(rd, &rd->translated, "RNG is CPU, as it is not said; the web UI then took a graphics card's, to which NV "
                                  "comes nearer", mark(rd->a));
}

/* ADetailer draws a face anew, as Face pass does.  A Face pass that is said wins. */
static void finish_adetailer(Reader *rd)
{
    const Setting *pass = setting_key("Face pass");
    Job *job = &rd->r->job;
    ADetailerFace face = { 0 };
    if (!rd->given[pass - all_settings]) face = adetailer_face(rd->a, &rd->adetailer, job->prompt ? job->prompt : "");
    for (size_t i = 0; i < rd->adetailer.count; i++)
        if (!adetailer_is_used(&face, rd->adetailer.key[i])) add_unknown(rd, "", rd->adetailer.key[i]);
    if (!face.suffix) return;
    read_setting(rd, pass, format(rd->a, "ADetailer denoising strength%s", face.suffix), face.strength);
    if (!(job->face_pass > 0)) return;
    add_translated(rd, format(rd->a, "ADetailer model%s", face.suffix), face.model,
                   format(rd->a, "Face pass %g", job->face_pass));
    if (face.prompt && !job->face_prompt) {
        const char *key = format(rd->a, "ADetailer prompt%s", face.suffix);
        read_setting(rd, setting_key("Face prompt"), key, face.prompt);
        add_translated(rd, key, face.prompt, "Face prompt");
    }
    if (face.tags)
        add_note(rd, &rd->left_out, format(rd->a, "%s in ADetailer prompt%s, as the face has the LoRAs of the prompt",
                                           face.tags, face.suffix), mark(rd->a));
}

static void finish(Reader *rd)
{
    finish_adetailer(rd);
    finish_spacing(rd);
    finish_scheduler(rd);
    finish_sampler(rd);
    finish_eta(rd);
    finish_size(rd);
    finish_sizes(rd);
    finish_strength(rd);
    finish_noise(rd);
    finish_batch(rd);
}

/* ---- reading: the parts of a file ------------------------------------------------------------- */

/* The first setting in a line of words, or NULL: at its beginning, or anywhere in the last line. */
static const char *setting_in(Arena *a, const char *line, size_t n, int is_last)
{
    const char *at = copy(a, line, n);
    while (*at) {
        char *key, *value;
        at = next_setting(a, at, &key, &value);
        if (value && setting_key(key)) return key;
        if (!is_last) return NULL;
    }
    return NULL;
}

/* Settings that are not taken for them are read as words, which may not be meant.  is_last: a last line without
 * settings behind it may hold them anywhere. */
static void warn_settings(Arena *a, const char *words, int is_last, const char *path, LineCallback *warn, void *to)
{
    size_t before = mark(a);
    while (warn && *words) {
        size_t n = strcspn(words, "\n");
        const char *key = memchr(words, ':', n) ? setting_in(a, words, n, is_last && !words[n]) : NULL;
        if (key) {
            warn(to, format(a, "%s: \"%s:\" stands among words, so its line is read as words; settings stand in the "
                            "last lines, and begin with a key as \"Steps: 25\" does", path, key));
            return;
        }
        release(a, before);
        words += n + (words[n] == '\n');
    }
}

/* SD.Next writes the template of a prompt before its settings.  Cuts it off -> the template's lines, or NULL */
static char *cut_template(Arena *a, char *text)
{
    for (char *line = text; line; line = strchr(line, '\n')) {
        while (*line == '\n') line++;
        if (!template_line(line)) continue;
        char *lines = trimmed(a, line, strlen(line));
        *line = 0;
        return lines;
    }
    return NULL;
}

/* Names the lines of other tools. */
static void add_tail(Reader *rd, char *tail)
{
    while (tail && *tail) {
        char *key, *value, *end = strchr(tail, '\n');
        if (template_line(tail)) {                   /* it may span the other lines */
            template_lines_read(rd->a, rd->r, tail);
            return;
        }
        if (end) *end = 0;
        next_setting(rd->a, tail, &key, &value);
        int is_tail = value && foreign_key_is_tail(key);
        if (*key) add_unknown(rd, "", is_tail ? key : trimmed(rd->a, tail, strlen(tail)));
        tail = end ? end + 1 : NULL;
    }
}

int prompt_is_infotext(Arena *a, const char *text, size_t n, const char *path)
{
    Infotext parts = infotext_parts(a, plain_text(a, text, n, path), 0);
    return parts.settings || parts.negative;
}

static void set(Arena *a, Request *r, const char *name, const char *label, const char *value)
{
    const Setting *s = setting_named(name);
    if (!s) fail(a, "%s: no such setting", label);
    s->kind->set(a, r, s, label, value);
}

typedef struct { LineCallback *call; void *to; } Warn;

/* "a, b and 3 more" */
static const char *listed_lines(Arena *a, Lines *l)
{
    size_t count = l->count;
    if (l->count > LISTED) l->count = LISTED;
    const char *all = lines_joined(a, l, ", ");
    return count > LISTED ? format(a, "%s and %zu more", all, count - LISTED) : all;
}

/* Where "Negative:" begins a piece of a line, it may be meant as a label. */
static void warn_label(Arena *a, const char *words, const char *path, Warn warn)
{
    for (const char *s = words; (s = strchr(s, ',')); s++) {
        const char *piece = s + 1 + strspn(s + 1, " ");
        if (!begins(piece, "Negative:")) continue;
        warn.call(warn.to, format(a, "%s: \"Negative:\" stands within a line, so what follows is read as words of the "
                                     "prompt; the negative prompt begins a line", path));
        return;
    }
}

/* Settings among the words of a file that a person wrote, and the warning where it is not sure that they are some. */
static void sort_words(Arena *a, Infotext *parts, const char *path, Warn warn)
{
    Lines read = { 0 }, left_out = { 0 };
    int had_settings = parts->settings != NULL;
    stray_settings(a, parts, &read, &left_out);
    if (!warn.call) return;
    if (read.count)
        warn.call(warn.to, format(a, "%s: read as settings, though they stand among words: %s", path,
                                  listed_lines(a, &read)));
    if (left_out.count)
        warn.call(warn.to, format(a, "%s: not drawn as words: %s", path, listed_lines(a, &left_out)));
    warn_label(a, parts->prompt, path, warn);
    warn_settings(a, parts->prompt, !had_settings && !parts->negative, path, warn.call, warn.to);
    if (parts->negative) warn_settings(a, parts->negative, !had_settings, path, warn.call, warn.to);
}

static void parse(Reader *rd, const char *text, size_t n, int is_picture, Faults *faults, Warn warn)
{
    char *whole = plain_text(rd->a, text, n, rd->path);
    if (!*whole) fail(rd->a, "%s: is empty, expected a prompt", rd->path);
    Infotext parts = infotext_parts(rd->a, format(rd->a, "%s", whole), is_picture);
    if (!parts.settings && !is_picture) pasted_command(rd->a, whole, rd->path, &parts);
    char *words = parts.negative ? parts.negative : parts.prompt;
    int is_sd_next = parts.settings && strstr(parts.settings, "App: SD.Next");
    char *template = is_sd_next ? cut_template(rd->a, words) : NULL;
    if (!is_picture) sort_words(rd->a, &parts, rd->path, warn);
    rd->given = nothing_given(rd->a);
    *rd->r = (Request){ .job = { .prompt = "" }, .faults = faults, .given = rd->given };
    if (parts.negative) rd->given[setting_named("negative") - all_settings] = parts.negative;
    if (parts.negative) set(rd->a, rd->r, "negative", rd->path, trimmed(rd->a, parts.negative, strlen(parts.negative)));
    const char *prompt = without_prompt_label(parts.prompt);
    set(rd->a, rd->r, "prompt", rd->path, trimmed(rd->a, prompt, strlen(prompt)));
    if (parts.settings) read_settings(rd, parts.settings);
    if (parts.tail) add_tail(rd, parts.tail);
    if (template) template_lines_read(rd->a, rd->r, template);
    finish(rd);
    tell(rd, warn.call, warn.to);
}

void prompt_read(Arena *a, Request *r, PromptText t, Faults *faults, LineCallback *warn, void *to)
{
    parse(&(Reader){ .a = a, .r = r, .path = t.path }, t.text, t.n, t.is_stored, faults, (Warn){ warn, to });
}

void prompt_parse(Arena *a, Request *r, const char *text, size_t n, const char *path, LineCallback *warn, void *to)
{
    prompt_read(a, r, (PromptText){ text, n, path, 0 }, NULL, warn, to);
}

void prompt_parse_stored(Arena *a, Request *r, const char *text, const char *path, LineCallback *warn, void *to)
{
    prompt_read(a, r, (PromptText){ text, strlen(text), path, 1 }, NULL, warn, to);
}

void prompt_set_as(Arena *a, Request *r, const char *name, const char *label, const char *value)
{
    char *text = plain_text(a, value, strlen(value), label);
    int is_prompt = same(name, "prompt");
    const char *negative = is_prompt ? find_negative(text) : NULL;
    if (negative)
        fail(a, "%s holds a line that begins with \"%.*s\"; put what follows it into --negative", label,
             (int)negative_mark_size(negative), negative);
    set(a, r, name, label, is_prompt ? without_prompt_label(text) : text);
}

void prompt_set(Arena *a, Request *r, const char *flag, const char *value)
{
    const Setting *s = setting_named(flag);
    prompt_set_as(a, r, flag, format(a, "--%s", s ? s->flag : flag), value);
}

void prompt_warn(Arena *a, const Request *r, const char *label, LineCallback *warn, void *to)
{
    if (r->ignored)
        warn(to, format(a, "%s: ignored in the prompt: %s; understood are <lora:NAME:STRENGTH>, and behind the "
                        "strength te=, unet=, hr=, dyn=RANK, lbw=17 or 26 numbers or a name like IND, in=, mid=, out=, "
                        "start=, stop= and step=FROM-TO", label, r->ignored));
    if (r->negative_tags)
        warn(to, format(a, "%s: %s in the negative prompt left out, as a LoRA changes the model for both prompts; "
                        "put it into the prompt", label, amount(a, (size_t)r->negative_tags, "LoRA tag")));
    if (r->broken_tag)
        warn(to, format(a, "%s: %s in the prompt is no tag, expected <lora:NAME:STRENGTH> with its end; "
                        "it is read as words", label, quoted(a, r->broken_tag)));
}

/* ---- writing ---------------------------------------------------------------------------------- */

char *prompt_infotext(Arena *a, const Request *r)
{
    const char *prompt = r->prompt ? r->prompt : "";
    const char *negative = r->job.negative ? r->job.negative : "";
    const char *first = *prompt ? format(a, "%s\n", prompt) : "";
    const char *second = *negative ? format(a, "Negative prompt: %s\n", negative) : "";
    return format(a, "%s%s%s%s", first, second, settings_line(a, r), template_lines(a, r));
}
