/* prompt.c - prompt files, or infotext: prompt, negative prompt, and a line of settings.
 *
 * The grammar is the web UI's, so that what people copy from galleries works as pasted:
 *
 *     file     = prompt lines, ["Negative prompt:" lines], [settings line]
 *     settings = key ":" value { "," key ":" value }        the last line, when it begins with a known key
 *     value    = a JSON string, list or object, or anything up to the next comma
 *
 * Keys of extensions are not errors: they are listed in one warning.  Some of them are understood: those of
 * sd-webui-animatediff, of the X/Y/Z plot script, and the template of Dynamic Prompts.
 *
 * A request is printed as text that reads as the same request.  This text is saved inside every picture.
 *
 * Text is read from front to back once, so a prompt of ten megabytes is no trouble.  NUL bytes and UTF-16 are
 * refused.  Bytes that are no UTF-8 pass through to the tokenizer. */
#include "prompt.h"

#include "chars.h"

#include <string.h>

/* ---- reading: values -------------------------------------------------------------------------- */

/* Where the JSON string at s ends, or NULL. */
static const char *string_end(const char *s)
{
    if (*s != '"') return NULL;
    for (s++; *s && *s != '"'; s++)
        if (*s == '\\' && s[1]) s++;
    return *s ? s + 1 : NULL;
}

/* Where the JSON list or object at s ends, found by its brackets, or NULL. */
static const char *brackets_end(const char *s)
{
    enum { DEEPEST = 64 };
    int depth = 0;
    do {
        if (*s == '"') {
            s = string_end(s);
            if (!s) return NULL;
            continue;
        }
        if (*s == '[' || *s == '{') depth++;
        if (*s == ']' || *s == '}') depth--;
        if (!*s || depth > DEEPEST) return NULL;
        s++;
    } while (depth > 0);
    return s;
}

/* Where the JSON string, list or object at s ends, or NULL.  It only counts when a comma or the end follows. */
static const char *json_end(const char *s)
{
    const char *end = *s == '[' || *s == '{' ? brackets_end(s) : string_end(s);
    if (!end) return NULL;
    const char *after = end;
    while (blank(*after)) after++;
    return !*after || *after == ',' ? end : NULL;
}

static char unescaped(char c)
{
    switch (c) {
    case 'n': return '\n';
    case 't': return '\t';
    case 'r': return '\r';
    default:  return c;
    }
}

/* quoted_text: [n], a JSON string with its quotes -> the text without quotes and escapes.  \uXXXX stays as it is. */
static char *json_text(Arena *a, const char *quoted_text, size_t n)
{
    char *out = allocate(a, n, 1), *end = out;
    for (const char *s = quoted_text + 1; s < quoted_text + n - 1; s++) {
        if (*s != '\\') {
            *end++ = *s;
            continue;
        }
        s++;
        if (*s == 'u') *end++ = '\\';
        *end++ = unescaped(*s);
    }
    *end = 0;
    return out;
}

/* The next "key: value" of a settings line -> what follows it.  value is NULL for a piece without a colon. */
static const char *next_setting(Arena *a, const char *s, char **key, char **value)
{
    size_t n = strcspn(s, ":,");
    *key = trimmed(a, s, n);
    *value = NULL;
    s += n;
    if (*s == ':') {
        s++;
        while (blank(*s)) s++;
        const char *end = json_end(s);
        n = end ? (size_t)(end - s) : strcspn(s, ",");
        *value = end && *s == '"' ? json_text(a, s, n) : trimmed(a, s, n);
        s += n;
        s += strcspn(s, ",");
    }
    return *s == ',' ? s + 1 : s;
}

/* ---- reading: settings ------------------------------------------------------------------------ */

enum { LISTED = 12 };

typedef struct {
    Arena      *a;
    Request    *r;
    const char *path;
    const char *unknown[LISTED];            /* the first unknown keys, as the warning lists them */
    size_t      unknowns;                   /* all of them */
    const char *plot_type[3];               /* "X Type", "Y Type" and "Z Type" of the web UI's X/Y/Z plot */
} Reader;

static size_t listed(const Reader *rd) { return rd->unknowns < LISTED ? rd->unknowns : LISTED; }

/* Remembers a key that is unknown, once, with the key that may have been meant.  prefix: what the key belongs to,
 * or "". */
static void add_unknown(Reader *rd, const char *prefix, const char *key)
{
    size_t before = mark(rd->a);
    int is_typo = key[0] && key[1];         /* a single letter means nothing */
    Nearest near = nearest_to(key);
    for (const Setting *s = all_settings; s->flag; s++)
        if (s->key && is_typo) nearest_consider(&near, s->key);
    char *line = format(rd->a, "%s%s%s", prefix, quoted(rd->a, key), did_you_mean(rd->a, near));
    for (size_t i = 0; i < listed(rd); i++)
        if (!strcmp(rd->unknown[i], line)) {
            release(rd->a, before);
            return;
        }
    if (rd->unknowns < LISTED) rd->unknown[rd->unknowns] = line;
    else release(rd->a, before);
    rd->unknowns++;
}

static void warn_unknown(const Reader *rd, LineCallback *warn, void *to)
{
    if (!rd->unknowns || !warn) return;
    char *list = format(rd->a, "%s: ignored, as persona does not know them:", rd->path);
    for (size_t i = 0; i < listed(rd); i++) list = format(rd->a, "%s%s %s", list, i ? "," : "", rd->unknown[i]);
    if (rd->unknowns > LISTED) list = format(rd->a, "%s and %zu more", list, rd->unknowns - LISTED);
    warn(to, list);
}

/* as: how the text calls this setting, for messages */
static void read_setting(Reader *rd, const Setting *s, const char *as, const char *value)
{
    s->kind->set(rd->a, rd->r, s, format(rd->a, "%s: %s", rd->path, as), value ? value : "");
}

/* The setting that a key of sd-webui-animatediff means, or NULL. */
static const Setting *animatediff_setting(const char *key)
{
    static const struct { const char *theirs, *ours; } keys[] = {
        { "model", "Motion module" }, { "video_length", "Frames" }, { "fps", "FPS" },
        { "batch_size", "Context" },  { "stride", "Stride" },       { "overlap", "Overlap" },
        { "closed_loop", "Closed loop" },
    };
    for (size_t i = 0; i < sizeof keys / sizeof *keys; i++)
        if (same(key, keys[i].theirs)) return setting_key(keys[i].ours);
    return NULL;
}

/* AnimateDiff: "enable: True, model: mm_sd_v14.ckpt, video_length: 16, fps: 8, ..."          (sd-webui-animatediff) */
static void read_animatediff(Reader *rd, const char *text)
{
    char *key, *value;
    while (*text) {
        text = next_setting(rd->a, text, &key, &value);
        const Setting *setting = animatediff_setting(key);
        int automatic = same(key, "video_length") && value && !strcmp(value, "0");
        if (same(key, "enable") && value && same(value, "false")) {
            rd->r->motion = (Name){ "none", NULL };
            return;
        }
        if (automatic || same(key, "enable")) continue;
        if (setting) read_setting(rd, setting, format(rd->a, "AnimateDiff %s", key), value);
        else if (*key) add_unknown(rd, "AnimateDiff ", key);
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

static void read_settings(Reader *rd, const char *line)
{
    char *key, *value;
    while (*line) {
        line = next_setting(rd->a, line, &key, &value);
        const Setting *s = setting_key(key);
        if (s) read_setting(rd, s, s->key, value);
        else if (same(key, "AnimateDiff")) read_animatediff(rd, value ? value : "");
        else if (!read_plot(rd, key, value) && *key) add_unknown(rd, "", key);
    }
}

/* ---- reading: the parts of a file ------------------------------------------------------------- */

static const char negative_mark[] = "Negative prompt:";
static const char template_mark[] = "Template:";

static int is_settings(Arena *a, const char *line)
{
    const char *colon = strchr(line, ':');
    if (!colon || colon - line > 64) return 0;
    char *key = trimmed(a, line, (size_t)(colon - line));
    return setting_key(key) || same(key, "AnimateDiff");
}

/* The bytes of white space and byte-order marks that text begins with. */
static size_t leading(const char *text, size_t n)
{
    size_t i = 0;
    for (;;) {
        if (i < n && blank(text[i])) i++;
        else if (i + 3 <= n && !memcmp(text + i, "\xef\xbb\xbf", 3)) i += 3;
        else return i;
    }
}

static void check_encoding(Arena *a, const char *text, size_t n, const char *path)
{
    const char *nul = n ? memchr(text, 0, n) : NULL;
    if (!nul) return;
    if (n >= 2 && (!memcmp(text, "\xff\xfe", 2) || !memcmp(text, "\xfe\xff", 2)))
        fail(a, "%s: this is UTF-16 text, expected UTF-8; save it again as UTF-8", path);
    fail(a, "%s: byte %zu is NUL, expected text in UTF-8; is this a prompt file?", path, (size_t)(nul - text) + 1);
}

/* text without byte-order mark and without white space around it; CR LF and CR become LF */
static char *plain(Arena *a, const char *text, size_t n, const char *path)
{
    check_encoding(a, text, n, path);
    char *out = allocate(a, n + 1, 1), *end = out;
    for (size_t i = leading(text, n); i < n; i++) {
        int next_is_newline = i + 1 < n && text[i + 1] == '\n';
        if (text[i] != '\r') *end++ = text[i];
        else if (!next_is_newline) *end++ = '\n';
    }
    return trimmed(a, out, (size_t)(end - out));
}

/* The first line that begins with the mark, or NULL. */
static char *find_negative(char *text)
{
    for (char *line = text; line; line = strchr(line, '\n')) {
        while (blank(*line)) line++;
        if (begins(line, negative_mark)) return line;
    }
    return NULL;
}

/* A last line with settings that does not begin with one is read as words, which may not be meant. */
static void warn_settings(Arena *a, const char *line, const char *path, LineCallback *warn, void *to)
{
    char *key, *value;
    while (*line) {
        line = next_setting(a, line, &key, &value);
        if (!value || !setting_key(key) || !warn) continue;
        warn(to, format(a, "%s: the last line holds \"%s:\", but does not begin with a setting as \"Steps: 25\" does, "
                        "so all of it is read as words", path, key));
        return;
    }
}

static char *last_line(char *text)
{
    char *end = strrchr(text, '\n');
    return end ? end + 1 : text;
}

/* The Dynamic Prompts extension writes the template of a prompt behind its settings: "Template: ...".
 * -> the end of such a settings line, or NULL */
static char *find_template(Arena *a, char *text)
{
    char *line = text;
    for (char *end = strchr(text, '\n'); end; end = strchr(end + 1, '\n')) {
        if (begins(end + 1, template_mark) && is_settings(a, line)) return end;
        line = end + 1;
    }
    return NULL;
}

int prompt_is_infotext(Arena *a, const char *text, size_t n, const char *path)
{
    char *whole = plain(a, text, n, path);
    return find_negative(whole) || find_template(a, whole) || is_settings(a, last_line(whole));
}

static void set(Arena *a, Request *r, const char *name, const char *label, const char *value)
{
    const Setting *s = setting_named(name);
    if (!s) fail(a, "%s: no such setting", label);
    s->kind->set(a, r, s, label, value);
}

/* Cuts the template and the settings line off the end of whole -> the settings line, or NULL. */
static char *cut_settings(Reader *rd, char *whole, LineCallback *warn, void *to)
{
    char *line = last_line(whole);
    char *template = is_settings(rd->a, line) ? NULL : find_template(rd->a, whole);
    if (template) {
        *template = 0;
        line = last_line(whole);
        add_unknown(rd, "", "Template");
    }
    if (!is_settings(rd->a, line)) {
        warn_settings(rd->a, line, rd->path, warn, to);
        return NULL;
    }
    char *settings = format(rd->a, "%s", line);
    *line = 0;
    return settings;
}

void prompt_parse(Arena *a, Request *r, const char *text, size_t n, const char *path, LineCallback *warn, void *to)
{
    Reader rd = { .a = a, .r = r, .path = path };
    char *whole = plain(a, text, n, path);
    if (!*whole) fail(a, "%s: is empty, expected a prompt", path);
    char *settings = cut_settings(&rd, whole, warn, to);
    char *negative = find_negative(whole);
    size_t prompt_size = negative ? (size_t)(negative - whole) : strlen(whole);

    *r = (Request){ .job = { .prompt = "" } };
    if (negative) {
        const char *words = negative + strlen(negative_mark);
        set(a, r, "negative", path, trimmed(a, words, strlen(words)));
    }
    set(a, r, "prompt", path, trimmed(a, whole, prompt_size));
    if (settings) read_settings(&rd, settings);
    warn_unknown(&rd, warn, to);
}

void prompt_set_as(Arena *a, Request *r, const char *name, const char *label, const char *value)
{
    char *text = plain(a, value, strlen(value), label);
    if (same(name, "prompt") && find_negative(text))
        fail(a, "%s holds a line that begins with \"%s\"; put what follows it into --negative", label, negative_mark);
    set(a, r, name, label, text);
}

void prompt_set(Arena *a, Request *r, const char *flag, const char *value)
{
    const Setting *s = setting_named(flag);
    prompt_set_as(a, r, flag, format(a, "--%s", s ? s->flag : flag), value);
}

void prompt_warn(Arena *a, const Request *r, const char *label, LineCallback *warn, void *to)
{
    if (r->ignored)
        warn(to, format(a, "%s: ignored in the prompt, as persona knows LoRA tags and their strengths only: %s", label,
                        r->ignored));
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
    const char *second = *negative ? format(a, "%s %s\n", negative_mark, negative) : "";
    return format(a, "%s%s%s", first, second, settings_line(a, r));
}
