/* prompt.c - prompt files: prompt, negative prompt, and a line of settings.
 *
 * The grammar is the web UI's, so that what people copy from galleries works as pasted:
 *
 *     file     = prompt lines, ["Negative prompt:" lines], [settings line]
 *     settings = key ":" value { "," key ":" value }        the last line, when it begins with a known key
 *     value    = a JSON string, list or object, or anything up to the next comma
 *
 * Text is cut up front to back, once, so a prompt of ten megabytes is no trouble.  What was read prints as text that reads as the same
 * again; that text travels inside every picture.
 *
 * It refuses NUL bytes.  Bytes that are not UTF-8 pass through to the tokenizer. */
#include "prompt.h"

#include "chars.h"

#include <string.h>

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
    size_t before = mark(rd->a), listed = rd->unknowns < LISTED ? rd->unknowns : LISTED;
    Nearest near = nearest_to(key);
    for (const Setting *s = all_settings; s->flag; s++) if (s->key && key[0] && key[1]) nearest_of(&near, s->key);
    char *line = format(rd->a, "%s%s%s", what, quoted(rd->a, key), did_you_mean(rd->a, near));
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

static void read_setting(Reader *rd, const Setting *s, const char *as, const char *value)
{
    s->set(rd->a, rd->r, s, format(rd->a, "%s: %s", rd->path, as), value ? value : "");
}

/* AnimateDiff: "enable: True, model: mm_sd_v14.ckpt, video_length: 16, fps: 8, ..." (sd-webui-animatediff) */
static void read_animatediff(Reader *rd, const char *text)
{
    static const char *const ours[][2] = { { "model", "Motion module" }, { "video_length", "Frames" }, { "fps", "FPS" }, { "batch_size", "Context" },
                                           { "stride", "Stride" }, { "overlap", "Overlap" }, { "closed_loop", "Closed loop" } };
    char *key, *value;
    for (const char *s = text; *s; ) {
        s = next_pair(rd->a, s, &key, &value);
        const Setting *setting = NULL;
        for (size_t i = 0; i < sizeof ours / sizeof *ours; i++) if (same(key, ours[i][0])) setting = setting_key(ours[i][1]);
        int automatic = same(key, "video_length") && value && !strcmp(value, "0");
        if (same(key, "enable") && value && same(value, "false")) {
            rd->r->motion = (Name){ "none", NULL };
            return;
        }
        if (automatic || same(key, "enable")) continue;
        if (setting) read_setting(rd, setting, format(rd->a, "AnimateDiff %s", key), value);
        else if (*key) unknown(rd, "AnimateDiff ", key);
    }
}

/* Script: X/Y/Z plot, X Type: Steps, X Values: "10-50 (+10)", ... (web UI) -> X: Steps: 10-50 (+10).  What it drew at random stands in Fixed X Values. */
static int read_plot(Reader *rd, const char *key, const char *value)
{
    const char *name = begins(key, "Fixed ") ? key + 6 : key, *what = name + 1;
    if (same(key, "Script") && value && same(value, "X/Y/Z plot")) return 1;
    if (lower(*name) < 'x' || lower(*name) > 'z' || !(same(what, " Type") || same(what, " Values"))) return 0;
    const Setting *axis = setting_key((char[]){ *name, 0 });
    const char **type = &rd->plotted[lower(*name) - 'x'];
    if (same(what, " Type")) *type = value;
    else if (*type) read_setting(rd, axis, axis->key, format(rd->a, "%s: %s", *type, value ? value : ""));
    return 1;
}

static void read_settings(Reader *rd, const char *line)
{
    char *key, *value;
    while (*line) {
        line = next_pair(rd->a, line, &key, &value);
        const Setting *s = setting_key(key);
        if (s) read_setting(rd, s, s->key, value);
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
    return setting_key(key) || same(key, "AnimateDiff");
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

/* A line of settings that begins with none of them is words, which may be meant or not. */
static void warn_settings(Arena *a, const char *line, const char *path, Say *warn, void *to)
{
    char *key, *value;
    for (const char *s = line; *s; ) {
        s = next_pair(a, s, &key, &value);
        if (!value || !setting_key(key) || !warn) continue;
        warn(to, format(a, "%s: the last line holds \"%s:\", but does not begin with a setting as \"Steps: 25\" does, so all of it is read as words", path, key));
        return;
    }
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

static void set(Arena *a, Request *r, const char *name, const char *label, const char *value)
{
    const Setting *s = setting_named(name);
    if (!s) fail(a, "%s: no such setting", label);
    s->set(a, r, s, label, value);
}

void prompt_parse(Arena *a, Request *r, const char *text, size_t n, const char *path, Say *warn, void *to)
{
    Reader rd = { .a = a, .r = r, .path = path };
    char *whole = plain(a, text, n, path);
    whole = trimmed(a, whole, strlen(whole));
    if (!*whole) fail(a, "%s: is empty, expected a prompt", path);
    char *line = last_line(whole), *template = is_settings(a, line) ? NULL : find_template(a, whole);
    if (template) *template = 0, line = last_line(whole), unknown(&rd, "", "Template");
    char *settings = is_settings(a, line) ? format(a, "%s", line) : NULL;
    if (settings) *line = 0;
    else warn_settings(a, line, path, warn, to);
    char *negative = find_negative(whole);
    size_t end = negative ? (size_t)(negative - whole) : strlen(whole);

    *r = (Request){ .job = { .prompt = "" } };
    if (negative) set(a, r, "negative", path, trimmed(a, negative + sizeof negative_mark - 1, strlen(negative) - (sizeof negative_mark - 1)));
    set(a, r, "prompt", path, trimmed(a, whole, end));
    if (settings) read_settings(&rd, settings);
    tell_unknown(&rd, warn, to);
}

void prompt_set_as(Arena *a, Request *r, const char *name, const char *label, const char *value)
{
    char *text = plain(a, value, strlen(value), label);
    text = trimmed(a, text, strlen(text));
    if (same(name, "prompt") && find_negative(text))
        fail(a, "%s holds a line that begins with \"%s\"; put what follows it into --negative", label, negative_mark);
    set(a, r, name, label, text);
}

void prompt_set(Arena *a, Request *r, const char *flag, const char *value)
{
    const Setting *s = setting_named(flag);
    prompt_set_as(a, r, flag, format(a, "--%s", s ? s->flag : flag), value);
}

void prompt_warn(Arena *a, const Request *r, const char *label, Say *warn, void *to)
{
    if (r->left) warn(to, format(a, "%s: ignored in the prompt, as persona knows LoRA tags and their strengths only: %s", label, r->left));
    if (r->open) warn(to, format(a, "%s: %s in the prompt is no tag, expected <lora:NAME:STRENGTH> with its end; it is read as words", label, quoted(a, r->open)));
}

/* ---- writing ---------------------------------------------------------------------------------- */

char *prompt_settings(Arena *a, const Request *r)
{
    const char *prompt = r->prompt ? r->prompt : "", *negative = r->job.negative ? r->job.negative : "";
    return format(a, "%s%s%s%s%s%s", prompt, *prompt ? "\n" : "", *negative ? "Negative prompt: " : "", negative, *negative ? "\n" : "", settings_line(a, r));
}
