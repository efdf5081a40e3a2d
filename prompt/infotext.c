/* infotext.c - the parts of infotext: the text that the Stable Diffusion web UI writes about a picture.
 *
 *     infotext = prompt lines, ["Negative prompt:" lines], [settings], [lines of other tools]
 *     settings = key ":" value { separator key ":" value }
 *
 * The web UI takes the last line for settings when it holds three pairs of key and value, whatever their keys.  But
 * people's prompts hold colons, too: "a cat: a dog: a bird, hello: 3".  So here the keys must be known ones.  A line
 * with three of them is settings wherever it stands ("strong"), and what follows it is of other tools.  A line that
 * only begins with a key of persona ("weak") is settings when nothing but such lines and lines of other tools follow;
 * so one setting on each line works as well.
 *
 * A separator is a comma; or "|", ";", a tab or a newline when a known key follows, so that these may stand in values.
 * Asian commas and colons are taken for ours under the same rule, and curly quotes for straight ones.
 *
 * Text that was pressed into one line by a form or by exiftool is cut before its first known key.
 *
 * Every search walks through the text once, so a prompt of ten megabytes is no trouble. */
#include "infotext.h"

#include "chars.h"
#include "foreign_settings.h"

#include <string.h>

enum { LONGEST_KEY = 64, STRONG_PAIRS = 3, LONGEST_JAM = 1 << 16 };

/* ---- values ----------------------------------------------------------------------------------- */

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

/* A piece of a settings line; value is NULL without a colon. */
typedef struct { const char *key, *value; size_t key_size, value_size; } Piece;

/* Reads the piece at s -> what follows it. */
static const char *next_piece(const char *s, Piece *p)
{
    *p = (Piece){ .key = s, .key_size = strcspn(s, ":,") };
    s += p->key_size;
    if (*s == ':') {
        s++;
        while (blank(*s)) s++;
        const char *end = json_end(s);
        p->value = s;
        p->value_size = end ? (size_t)(end - s) : strcspn(s, ",");
        s += p->value_size;
        s += strcspn(s, ",");
    }
    return *s == ',' ? s + 1 : s;
}

const char *next_setting(Arena *a, const char *s, char **key, char **value)
{
    Piece p;
    s = next_piece(s, &p);
    *key = trimmed(a, p.key, p.key_size);
    *value = NULL;
    if (!p.value) return s;
    int is_string = *p.value == '"' && json_end(p.value) == p.value + p.value_size;
    *value = is_string ? json_text(a, p.value, p.value_size) : trimmed(a, p.value, p.value_size);
    return s;
}

/* ---- keys ------------------------------------------------------------------------------------- */

/* key: [n], with blanks around it, into room.  -> 0 when it is empty, or too long for a key */
static int key_text(const char *key, size_t n, char room[LONGEST_KEY + 1])
{
    while (n && blank(*key)) {
        key++;
        n--;
    }
    while (n && blank(key[n - 1])) n--;
    if (!n || n > LONGEST_KEY) return 0;
    memcpy(room, key, n);
    room[n] = 0;
    return 1;
}

static int is_animatediff(const char *key) { return begins(key, "AnimateDiff"); }

static int is_known(const char *key, size_t n)
{
    char text[LONGEST_KEY + 1];
    return key_text(key, n, text) && (foreign_key(text) || is_animatediff(text) || foreign_key_is_known(text));
}

/* A key by which a line alone is settings: one of persona's own. */
static int is_own_key(const char *key, size_t n)
{
    char text[LONGEST_KEY + 1];
    return key_text(key, n, text) && (setting_key(text) || is_animatediff(text));
}

static int is_tail_key(const char *key, size_t n)
{
    char text[LONGEST_KEY + 1];
    return key_text(key, n, text) && foreign_key_is_tail(text);
}

/* ---- separators ------------------------------------------------------------------------------- */

static const char full_width_colon[] = "\xef\xbc\x9a";

/* The size of the colon at s, or 0. */
static size_t colon_size(const char *s)
{
    if (*s == ':') return 1;
    return *s == full_width_colon[0] && begins(s, full_width_colon) ? 3 : 0;
}

/* The bytes up to the next colon, or past the longest key. */
static size_t key_size(const char *s)
{
    size_t n = 0;
    while (n <= LONGEST_KEY && s[n] && s[n] != ',' && !colon_size(s + n)) n++;
    return n;
}

/* Does a known key with a colon stand at s? */
static int key_follows(const char *s)
{
    size_t n = key_size(s);
    return colon_size(s + n) && is_known(s, n);
}

/* What stands in settings for a character of ASCII.  needs_key: only where a known key follows. */
static const struct { const char *text; char ascii; int needs_key; } lookalikes[] = {
    { "|",            ',', 1 },
    { ";",            ',', 1 },
    { "\t",           ',', 1 },
    { "\n",           ',', 0 },                 /* settings of several lines: each begins with a key */
    { "\xef\xbc\x8c", ',', 1 },                  /* full-width comma */
    { "\xe3\x80\x81", ',', 1 },                  /* ideographic comma */
    { "\xef\xbc\x9b", ',', 1 },                  /* full-width semicolon */
    { "\xef\xbd\x9c", ',', 1 },                  /* full-width vertical line */
    { "\xe2\x80\x9c", '"', 0 },                  /* curly quotes */
    { "\xe2\x80\x9d", '"', 0 },
    { "\xc2\xa0",     ' ', 0 },                  /* no-break space */
    { "\xe3\x80\x80", ' ', 0 },                  /* ideographic space */
    { "\xe2\x88\x92", '-', 0 },                  /* minus sign */
};

/* A character of settings as ASCII -> the bytes that it takes; 0 when it stays as it is. */
static size_t lookalike(const char *s, char *ascii)
{
    int may_be_one = (*s & 0x80) || *s == '|' || *s == ';' || *s == '\t' || *s == '\n';
    for (size_t i = 0; may_be_one && i < sizeof lookalikes / sizeof *lookalikes; i++) {
        size_t n = strlen(lookalikes[i].text);
        if (strncmp(s, lookalikes[i].text, n)) continue;
        *ascii = lookalikes[i].ascii;
        return lookalikes[i].needs_key && !key_follows(s + n) ? 0 : n;
    }
    return 0;
}

/* line: [n], settings with any separators -> with commas and colons of ASCII.  JSON strings stay as they are. */
static char *with_commas(Arena *a, const char *line, size_t n)
{
    const char *in = copy(a, line, n);
    char *out = allocate(a, n + 1, 1), *end = out, *key = out;
    int has_strings = 1;                         /* no quote without its partner was met so far */
    while (*in) {
        if (*in == '"' && has_strings) has_strings = string_end(in) != NULL;
        const char *string = *in == '"' && has_strings ? json_end(in) : NULL;
        if (string) {
            memcpy(end, in, (size_t)(string - in));
            end += string - in;
            in = string;
            continue;
        }
        char ascii = *in;
        size_t size = lookalike(in, &ascii);
        if (!size && colon_size(in) > 1 && is_known(key, (size_t)(end - key))) {
            ascii = ':';
            size = colon_size(in);
        }
        *end++ = size ? ascii : *in;
        in += size ? size : 1;
        if (end[-1] == ',') key = end;
    }
    *end = 0;
    return out;
}

/* ---- which lines are settings ----------------------------------------------------------------- */

/* KEY_LINE: begins with something like a key, KNOWN_LINE: with a key of other programs, WEAK_LINE: with one of ours */
typedef enum { WORDS_LINE, BLANK_LINE, TAIL_LINE, KEY_LINE, KNOWN_LINE, WEAK_LINE, STRONG_LINE } LineKind;

/* The pairs with known keys of a settings line, up to three.  all: all pairs. */
static int known_pairs(const char *settings, int *all)
{
    int known = 0;
    *all = 0;
    while (*settings && known < STRONG_PAIRS) {
        Piece p;
        settings = next_piece(settings, &p);
        if (!p.value) continue;
        ++*all;
        known += is_known(p.key, p.key_size);
    }
    return known;
}

static size_t line_size(const char *line) { return strcspn(line, "\n"); }

static int has_colon(const char *line, size_t n)
{
    for (size_t i = 0; i < n; i++)
        if (colon_size(line + i)) return 1;
    return 0;
}

static int is_blank(const char *line, size_t n)
{
    for (size_t i = 0; i < n; i++)
        if (!blank(line[i])) return 0;
    return 1;
}

/* Is this what the web UI takes for a key?  Words of letters, digits, "-" and "/". */
static int may_be_key(const char *key, size_t n)
{
    enum { SHORT = 32 };
    for (size_t i = 0; i < n; i++)
        if (!word_character(key[i]) && !blank(key[i]) && !strchr("-/", key[i])) return 0;
    return n > 1 && n <= SHORT;
}

/* is_first: the first line of all, which rather is a prompt when it begins with words */
static LineKind kind_of_settings(const char *settings, int is_first, int is_picture)
{
    Piece first;
    int all;
    int known = known_pairs(settings, &all);
    next_piece(settings, &first);
    if (!first.value) return WORDS_LINE;
    int is_own = is_own_key(first.key, first.key_size);
    int begins_known = is_own || is_known(first.key, first.key_size);
    int may_begin = begins_known || (!is_first && may_be_key(first.key, first.key_size));
    if (may_begin && known >= STRONG_PAIRS) return STRONG_LINE;
    if (may_begin && is_picture && known && all >= STRONG_PAIRS) return STRONG_LINE;
    if (is_own || (begins_known && (known > 1 || is_picture))) return WEAK_LINE;
    if (begins_known) return KNOWN_LINE;
    if (is_tail_key(first.key, first.key_size)) return TAIL_LINE;
    return may_be_key(first.key, first.key_size) ? KEY_LINE : WORDS_LINE;
}

static LineKind line_kind(Arena *a, const char *line, int is_first, int is_picture)
{
    size_t n = line_size(line);
    if (is_blank(line, n)) return BLANK_LINE;
    if (!has_colon(line, n) || negative_mark_size(line)) return WORDS_LINE;
    size_t before = mark(a);
    LineKind kind = kind_of_settings(with_commas(a, line, n), is_first, is_picture);
    release(a, before);
    return kind;
}

/* The line before this one, or NULL. */
static char *line_before(const char *text, char *line)
{
    if (line == text) return NULL;
    line--;
    while (line > text && line[-1] != '\n') line--;
    return line;
}

static char *last_line(char *text)
{
    char *end = strrchr(text, '\n');
    return end ? end + 1 : text;
}

/* Where settings stand.  end: behind their last line. */
typedef struct { char *begin, *end; } Block;

/* The weak lines above this one, up to a strong one, belong to it; blank lines and lines with unknown keys may stand
 * between them.  weak: how many weak or strong lines there are, with this one.  -> the first of them */
static char *first_of_group(Arena *a, char *text, char *line, int is_picture, int *weak)
{
    char *first = line;
    *weak = 0;
    for (; line; line = line_before(text, line)) {
        LineKind kind = line_kind(a, line, line == text, is_picture);
        if (kind == WORDS_LINE || kind == TAIL_LINE) break;
        if (kind < WEAK_LINE) continue;
        first = line;
        ++*weak;
        if (kind == STRONG_LINE) break;
    }
    return first;
}

/* The last lines, when they are settings.  The last one alone must be strong or weak; one with another program's key
 * needs a weak one above it, and one with an unknown key three. */
static Block last_lines(Arena *a, char *text, int is_picture)
{
    static const int needed[] = { [KEY_LINE] = 3, [KNOWN_LINE] = 1, [WEAK_LINE] = 1 };
    int weak;
    char *line = last_line(text);
    LineKind kind = line_kind(a, line, line == text, is_picture);
    Block block = { line, line + strlen(line) };
    if (kind == STRONG_LINE) return block;
    if (kind >= KEY_LINE) {
        block.begin = first_of_group(a, text, line, is_picture, &weak);
        if (weak >= needed[kind]) return block;
    }
    return (Block){ NULL, NULL };
}

/* The last strong line, wherever it stands. */
static Block last_strong(Arena *a, char *text, int is_picture)
{
    for (char *line = last_line(text); line; line = line_before(text, line))
        if (line_kind(a, line, line == text, is_picture) == STRONG_LINE) return (Block){ line, line + line_size(line) };
    return (Block){ NULL, NULL };
}

/* The first weak lines behind which a line of another tool stands, blank lines aside. */
static Block weak_before_tail(Arena *a, char *text, int is_picture)
{
    char *weak = NULL;
    for (char *line = text; *line; line += line_size(line) + (line[line_size(line)] == '\n')) {
        int ignored;
        LineKind kind = line_kind(a, line, line == text, is_picture);
        if (kind == TAIL_LINE && weak)
            return (Block){ first_of_group(a, text, weak, is_picture, &ignored), weak + line_size(weak) };
        if (kind != BLANK_LINE) weak = kind == WEAK_LINE ? line : NULL;
    }
    return (Block){ NULL, NULL };
}

static Block find_block(Arena *a, char *text, int is_picture)
{
    Block block = last_lines(a, text, is_picture);
    if (!block.begin) block = last_strong(a, text, is_picture);
    return block.begin ? block : weak_before_tail(a, text, is_picture);
}

/* ---- text that was pressed into one line ------------------------------------------------------- */

static int separates(char c) { return blank(c) || strchr(".,;|>)", c) != NULL; }

/* Where the longest known key of up to four words before this colon begins, or NULL. */
static char *key_before(char *line, char *colon)
{
    char *found = NULL;
    char *s = colon;
    for (int words = 0; words < 4 && s > line; words++) {
        while (s > line && blank(s[-1])) s--;
        while (s > line && !separates(s[-1])) s--;
        if (colon - s > LONGEST_KEY) break;
        if (is_known(s, (size_t)(colon - s))) found = s;
        if (s > line && !blank(s[-1])) break;
    }
    return found;
}

/* Where settings begin within a line of words, or NULL. */
static char *key_in_line(Arena *a, char *line, size_t n)
{
    for (char *colon = line; colon < line + n; colon++) {
        char *key = colon_size(colon) ? key_before(line, colon) : NULL;
        if (!key) continue;
        size_t before = mark(a);
        int all;
        int known = known_pairs(with_commas(a, key, (size_t)(line + n - key)), &all);
        release(a, before);
        return known >= STRONG_PAIRS ? key : NULL;
    }
    return NULL;
}

/* The last settings that stand behind words in one line. */
static Block find_jammed(Arena *a, char *text)
{
    char *end = text + strlen(text);
    for (char *line = last_line(text); line && end - line <= LONGEST_JAM; line = line_before(text, line)) {
        size_t n = line_size(line);
        char *key = key_in_line(a, line, n);
        if (key) return (Block){ key, line + n };
    }
    return (Block){ NULL, NULL };
}

/* ---- the negative prompt ----------------------------------------------------------------------- */

/* A label at the beginning of a text, with its colon: its size, or 0. */
static size_t label_size(const char *text, const char *const *labels)
{
    char key[LONGEST_KEY + 1];
    size_t n = key_size(text);
    if (!colon_size(text + n) || !key_text(text, n, key)) return 0;
    for (; *labels; labels++)
        if (same(key, *labels)) return n + colon_size(text + n);
    return 0;
}

size_t negative_mark_size(const char *line)
{
    static const char *const labels[] = { "Negative prompt", "Negative", NULL };
    return label_size(line, labels);
}

const char *without_prompt_label(const char *text)
{
    static const char *const labels[] = { "Prompt", "Positive prompt", "Positive", "parameters", NULL };
    size_t n;
    while ((n = label_size(text, labels))) {
        text += n;
        while (blank(*text)) text++;
    }
    return text;
}

char *find_negative(char *text)
{
    for (char *line = text; line; line = strchr(line, '\n')) {
        while (blank(*line)) line++;
        if (negative_mark_size(line)) return line;
    }
    return NULL;
}

/* The same within a line that was pressed together. */
static char *find_jammed_negative(char *text)
{
    for (char *s = text; *s; s++)
        if ((s == text || separates(s[-1])) && begins(s, "Negative prompt:")) return s;
    return NULL;
}

/* ---- all parts --------------------------------------------------------------------------------- */

/* A text without white space around it; with_marks: without separators at its end, too. */
static char *without_separators(Arena *a, const char *text, int with_marks)
{
    char *out = trimmed(a, text, strlen(text));
    size_t n = strlen(out);
    while (with_marks && n && strchr(",;| \t\n", out[n - 1])) n--;
    out[n] = 0;
    return out;
}

/* Settings, cut out of text.  rest: what follows them. */
static char *cut_settings(Arena *a, char *text, int is_picture, int *is_jammed, char **rest)
{
    Block block = find_block(a, text, is_picture);
    *is_jammed = !block.begin;
    if (*is_jammed) block = find_jammed(a, text);
    *rest = text + strlen(text);
    if (!block.begin) return NULL;
    char *settings = with_commas(a, block.begin, (size_t)(block.end - block.begin));
    *rest = trimmed(a, block.end, strlen(block.end));
    *block.begin = 0;
    return trimmed(a, settings, strlen(settings));
}

/* Cuts the negative prompt off the end of the prompt. */
static void cut_negative(Arena *a, Infotext *parts, int is_jammed)
{
    char *negative = is_jammed ? find_jammed_negative(parts->prompt) : find_negative(parts->prompt);
    if (negative) {
        parts->negative = without_separators(a, negative + negative_mark_size(negative), is_jammed);
        *negative = 0;
    }
    parts->prompt = without_separators(a, parts->prompt, is_jammed);
}

/* What follows settings: the negative prompt, the prompt if there is none before them, or lines of other tools. */
static void take_rest(Arena *a, Infotext *parts, char *rest)
{
    int is_words = !*parts->prompt && !parts->negative && line_kind(a, rest, 1, 0) == WORDS_LINE;
    if (is_words || (!parts->negative && negative_mark_size(rest))) {
        char *prompt = parts->prompt;
        parts->prompt = rest;
        cut_negative(a, parts, 0);
        if (*prompt) parts->prompt = prompt;
    } else {
        parts->tail = rest;
    }
}

Infotext infotext_parts(Arena *a, char *text, int is_picture)
{
    int is_jammed;
    char *rest;
    Infotext parts = { .prompt = text };
    parts.settings = cut_settings(a, text, is_picture, &is_jammed, &rest);
    cut_negative(a, &parts, parts.settings && is_jammed);
    if (parts.settings && *rest) take_rest(a, &parts, rest);
    return parts;
}
