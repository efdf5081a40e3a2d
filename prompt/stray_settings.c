/* stray_settings.c - settings that people wrote among the words of a prompt file.
 *
 * infotext.c knows the settings of the web UI, which stand in the last lines.  People who write a file by hand put them
 * above the words, behind a bullet, in quotes, with "=" for ":", or as options, "--steps 20".  Here each line of words
 * is looked at:
 *
 *     line   = marks key separator value        marks: "- ", "> ", "1. ", **, `, quotes; separator: ":", "=" or "："
 *            | "--" key value { "--" key value }
 *
 * It is taken for a setting only when there is no doubt: the whole line is such pairs, each key is a setting's, and the
 * setting takes its value.  "style: photo", "Title: a movie poster", "(steps:1.2)" and "resolution: 8k" are words.  A
 * name of a file is plain when it looks like one: without blanks, and with a digit, a dot or "_".
 *
 * "Prompt:" and "Negative prompt:" in front of words, whatever the marks, say which prompt these words and the lines
 * below belong to.  "#" begins a comment.  Fences (```) and rules (---) around a text are no words.
 *
 * Text that was stored in a picture is never looked at: no person wrote it. */
#include "stray_settings.h"

#include "chars.h"
#include "foreign_settings.h"
#include "settings.h"

#include <string.h>

/* ---- marks ------------------------------------------------------------------------------------- */

static size_t begins_with_any(const char *s, const char *const *texts)
{
    for (; *texts; texts++) {
        size_t n = strlen(*texts);
        if (!strncmp(s, *texts, n)) return n;
    }
    return 0;
}

static const char *skip_blanks(const char *s)
{
    static const char *const blanks[] = { "\xc2\xa0", "\xe3\x80\x80", "\xe2\x80\x8b", "\xef\xbb\xbf", NULL };
    for (;;) {
        size_t n = blank(*s) ? 1 : begins_with_any(s, blanks);
        if (!n) return s;
        s += n;
    }
}

/* Bullets, quotations and numbers of a list. */
static const char *skip_bullets(const char *s)
{
    static const char *const bullets[] = { "- ", "* ", "+ ", "> ", "\xe2\x80\xa2", "\xc2\xb7", "\xe2\x80\x93 ", NULL };
    s = skip_blanks(s);
    for (;;) {
        size_t n = begins_with_any(s, bullets);
        size_t digits = strspn(s, "0123456789");
        if (digits && digits < 3 && strchr(".)", s[digits]) && s[digits] && s[digits + 1] == ' ') n = digits + 2;
        if (!n) return s;
        s = skip_blanks(s + n);
    }
}

/* Quotes and emphasis around a key or a value. */
static const char *skip_quotes(const char *s)
{
    static const char *const quotes[] = {
        "*", "_", "`", "\"", "'", "\xe2\x80\x9c", "\xe2\x80\x9d", "\xe2\x80\x98", "\xe2\x80\x99", NULL
    };
    size_t n;
    while ((n = begins_with_any(s, quotes))) s += n;
    return s;
}

static size_t separator_size(const char *s)
{
    static const char *const separators[] = { ":", "=", "\xef\xbc\x9a", NULL };
    return begins_with_any(s, separators);
}

/* ---- pairs ------------------------------------------------------------------------------------- */

typedef struct { char *key, *value; } Pair;

/* A value without quotes around it, and without a comma behind it. */
static char *plain_value(Arena *a, const char *s, size_t n)
{
    static const char *const closing[] = { "\xe2\x80\x9d", "\xe2\x80\x99", "\xc2\xa0", NULL };
    const char *begin = skip_blanks(skip_quotes(skip_blanks(s)));
    char *value = begin < s + n ? copy(a, begin, (size_t)(s + n - begin)) : copy(a, "", 0);
    size_t size = strlen(value);
    for (;;) {
        if (size && (blank(value[size - 1]) || strchr(",;*`\"'", value[size - 1]))) size--;
        else if (size > 2 && begins_with_any(value + size - 3, closing) == 3) size -= 3;
        else if (size > 1 && begins_with_any(value + size - 2, closing) == 2) size -= 2;
        else break;
    }
    value[size] = 0;
    return value;
}

/* The bytes of a key at s: letters, digits, blanks, "-", "_" and "/". */
static size_t key_size(const char *s)
{
    enum { LONGEST = 40 };
    size_t n = 0;
    while (n <= LONGEST && (word_character(s[n]) || s[n] == ' ' || s[n] == '-' || s[n] == '/')) n++;
    while (n && strchr(" _", s[n - 1])) n--;
    return n <= LONGEST ? n : 0;
}

/* Reads "key: value" with its marks, the value up to the end -> 0 when it is none.  line: one line */
static int read_pair(Arena *a, const char *line, Pair *p)
{
    const char *key = skip_quotes(skip_bullets(line));
    size_t n = key_size(key);
    const char *at = skip_blanks(skip_quotes(skip_blanks(key + n)));
    size_t separator = separator_size(at);
    if (!n || !separator) return 0;
    at += separator;
    *p = (Pair){ trimmed(a, key, n), copy(a, at, strlen(at)) };
    return 1;
}

/* Reads "--key value" or "--key=value" -> what follows it, or NULL when it is none. */
static const char *read_option(Arena *a, const char *s, Pair *p)
{
    if (s[0] != '-' || s[1] != '-' || !word_character(s[2])) return NULL;
    s += 2;
    size_t n = strcspn(s, " \t=");
    const char *value = s[n] ? s + n + 1 : s + n;
    const char *next = strstr(value, " --");
    size_t size = next ? (size_t)(next - value) : strlen(value);
    *p = (Pair){ copy(a, s, n), copy(a, value, size) };
    return next ? next + 1 : value + size;
}

/* ---- is it a setting beyond doubt? ------------------------------------------------------------- */

typedef struct { Arena *a; const Setting *s; const char *value; } Trial;

static void try_to_set(void *trial)
{
    const Trial *t = trial;
    Request *scratch = allocate(t->a, 1, sizeof *scratch);
    *scratch = (Request){ 0 };
    t->s->kind->set(t->a, scratch, t->s, "", t->value);
}

static int is_taken(Arena *a, const Setting *s, const char *value)
{
    char why[MESSAGE];
    size_t before = mark(a);
    Trial t = { a, s, value };
    int is_right = !attempt(a, try_to_set, &t, why);
    t.value = is_right ? NULL : foreign_value(a, s, value);
    if (t.value) is_right = !attempt(a, try_to_set, &t, why);
    release(a, before);
    return is_right;
}

/* "512x768", "512 × 768": two numbers, not "8k". */
static int has_two_numbers(const char *value)
{
    const char *s = value + strcspn(value, "0123456789");
    s += strspn(s, "0123456789");
    return s - value > 1 && strpbrk(s, "0123456789") && strlen(value) < 24;
}

static int looks_like_file(const char *value)
{
    return !strpbrk(value, " \t,") && strpbrk(value, "0123456789._");
}

static int is_of(const char *key, const char *const *names)
{
    while (*names && !same(*names, key)) names++;
    return *names != NULL;
}

static int is_whole(const char *value) { return *value && !value[strspn(value, "0123456789")]; }

/* An axis of a grid: "X: Steps: 10-50 (+10)". */
static int is_axis_value(Arena *a, const char *value)
{
    size_t n = strcspn(value, ":");
    return value[n] && (setting_named(trimmed(a, value, n)) || begins(value, "Prompt S/R") || begins(value, "LoRA "));
}

static int is_sure(Arena *a, const char *key, const char *value)
{
    static const char *const sides[] = { "Width", "Height", NULL };
    static const char *const files[] = {
        "Model", "VAE", "Init image", "Last image", "Motion module", "Hires upscaler", "LoRA", NULL,
    };
    if (is_of(key, sides)) return is_whole(value);
    const Setting *s = foreign_setting(key, value);
    if (!s) s = setting_named(key);
    if (!s || !s->key) return !s && foreign_key_is_known(key) && is_whole(value);
    if (setting_is_axis(s)) return is_axis_value(a, value);
    if (is_of(s->key, files)) return looks_like_file(value);
    if (same(s->key, "Size") && !has_two_numbers(value)) return 0;
    return *value && is_taken(a, s, value);
}

/* ---- which prompt do words belong to? ----------------------------------------------------------- */

static int is_prompt_label(const char *key)
{
    static const char *const labels[] = { "Prompt", "Positive prompt", "Positive", NULL };
    return is_of(key, labels);
}

static int is_negative_label(const char *key)
{
    static const char *const labels[] = { "Negative prompt", "Negative", "neg", "neg prompt", NULL };
    return is_of(key, labels);
}

typedef struct {
    Arena        *a;
    StringBuilder prompt, negative, settings;
    int           is_negative;           /* words go to the negative prompt now */
    Lines        *read, *left_out;
    int           changes;               /* lines that are no words */
} Sorting;

static void add_words(Sorting *s, const char *words)
{
    StringBuilder *to = s->is_negative ? &s->negative : &s->prompt;
    if (to->n) string_builder_add(to, "\n");
    string_builder_add(to, words);
}

/* Words behind a label, without quotes around all of them. */
static void add_labelled(Sorting *s, Pair p)
{
    char *words = trimmed(s->a, p.value, strlen(p.value));
    const char *begin = skip_blanks(words);
    int is_marked = begin[0] == '*' || begin[0] == '"' || (begin[0] & 0x80);
    s->is_negative = is_negative_label(p.key);
    add_words(s, is_marked ? plain_value(s->a, words, strlen(words)) : begin);
    s->changes++;
}

/* ", key: value", as infotext has it; a value with a comma in quotes. */
static void add_setting(Sorting *s, Pair p)
{
    const char *value = plain_value(s->a, p.value, strlen(p.value));
    int needs_quotes = strchr(value, ',') != NULL;
    const Setting *known = foreign_setting(p.key, value);
    if (!known) known = setting_named(p.key);
    const char *key = known && known->key ? known->key : p.key;
    const char *one = format(s->a, needs_quotes ? "%s: \"%s\"" : "%s: %s", key, value);
    if (s->settings.n) string_builder_add(&s->settings, ", ");
    string_builder_add(&s->settings, one);
    lines_add(s->a, s->read, one);
    s->changes++;
}

/* ---- lines ------------------------------------------------------------------------------------- */

static int is_label(const char *key) { return is_prompt_label(key) || is_negative_label(key); }

/* All pairs of "Steps: 20, CFG: 7" -> 0 unless each is sure. */
static int read_pairs(Sorting *s, const char *line)
{
    Pair pair[16];
    size_t count = 0;
    if (!read_pair(s->a, line, &pair[0])) return 0;
    if (is_sure(s->a, pair[0].key, plain_value(s->a, pair[0].value, strlen(pair[0].value)))) {
        add_setting(s, pair[0]);
        return 1;
    }
    for (const char *at = line; *at && count < 16; ) {
        size_t n = strcspn(at, ",;|");
        const char *piece = trimmed(s->a, at, n);
        at += n + (at[n] != 0);
        if (!*piece) continue;
        if (!read_pair(s->a, piece, &pair[count])) return 0;
        const char *value = plain_value(s->a, pair[count].value, strlen(pair[count].value));
        if (!is_sure(s->a, pair[count].key, value)) return 0;
        count++;
    }
    for (size_t i = 0; i < count; i++) add_setting(s, pair[i]);
    return count > 0;
}

/* A line of options -> 0 unless each is sure, or words with a label. */
static int read_options(Sorting *s, const char *line)
{
    Pair p;
    const char *at = skip_bullets(line);
    int count = 0;
    for (const char *o = at; *o; count++) {
        o = read_option(s->a, o, &p);
        if (!o) return 0;
        if (!is_label(p.key) && !is_sure(s->a, p.key, plain_value(s->a, p.value, strlen(p.value)))) return 0;
    }
    while (*at) {
        at = read_option(s->a, at, &p);
        if (is_label(p.key)) add_labelled(s, p);
        else add_setting(s, p);
    }
    return count > 0;
}

/* "```", "---", "***", "===" */
static int is_rule(const char *line)
{
    if (begins(line, "```") || begins(line, "~~~")) return 1;
    return strlen(line) > 2 && strchr("-=*_", *line) && strspn(line, (char[]){ *line, 0 }) == strlen(line);
}

/* Where the web UI's own label stands within a line of the prompt, behind a blank; or NULL. */
static const char *label_within(const char *line)
{
    for (const char *s = line; *s; s++)
        if (s > line && blank(s[-1]) && begins(s, "Negative prompt") && separator_size(s + strlen("Negative prompt")))
            return s;
    return NULL;
}

/* Words, and behind a label within them the negative prompt. */
static void sort_words(Sorting *s, const char *line)
{
    Pair p;
    const char *label = s->is_negative ? NULL : label_within(line);
    if (!label || !read_pair(s->a, label, &p)) {
        add_words(s, line);
        return;
    }
    size_t n = (size_t)(label - line);
    while (n && strchr(" ,.;|", line[n - 1])) n--;
    add_words(s, copy(s->a, line, n));
    add_labelled(s, p);
    lines_add(s->a, s->read, format(s->a, "Negative prompt: %s", skip_blanks(p.value)));
}

static void sort_line(Sorting *s, const char *line)
{
    Pair p;
    const char *text = trimmed(s->a, line, strlen(line));
    if (*text == '#' || is_rule(text)) {
        lines_add(s->a, s->left_out, quoted(s->a, text));
        s->changes++;
        return;
    }
    if (read_options(s, text) || read_pairs(s, text)) return;
    if (read_pair(s->a, text, &p) && is_label(p.key)) add_labelled(s, p);
    else sort_words(s, line);
}

static void sort_lines(Sorting *s, const char *text)
{
    while (text && *text) {
        size_t n = strcspn(text, "\n");
        sort_line(s, copy(s->a, text, n));
        text += n;
        if (!*text) return;
        text++;
    }
}

/* A prompt of megabytes was written by no hand. */
void stray_settings(Arena *a, Infotext *parts, Lines *read, Lines *left_out)
{
    enum { LARGEST = 1 << 16 };
    size_t size = strlen(parts->prompt) + (parts->negative ? strlen(parts->negative) : 0);
    Sorting s = { .a = a, .read = read, .left_out = left_out };
    s.prompt = string_builder(a);
    s.negative = string_builder(a);
    s.settings = string_builder(a);
    if (size > LARGEST) return;
    sort_lines(&s, parts->prompt);
    s.is_negative = parts->negative != NULL;
    sort_lines(&s, parts->negative);
    if (!s.changes) return;
    parts->prompt = s.prompt.n ? s.prompt.text : copy(a, "", 0);
    if (s.negative.n) parts->negative = s.negative.text;
    if (!s.settings.n) return;
    if (parts->settings) parts->settings = format(a, "%s, %s", s.settings.text, parts->settings);
    else parts->settings = s.settings.text;
}
