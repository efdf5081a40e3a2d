/* foreign_prompt.c - prompts as other programs write them.
 *
 * The same words mean the same everywhere, but how much a word counts is written in many ways:
 *
 *     NovelAI            {more} is 1.05 times, [less] is 1/1.05 times, 1.2::words :: is 1.2 times
 *     InvokeAI, compel   word+ is 1.1 times, word++ 1.1 * 1.1, word- 0.9, (some words)1.3
 *     the web UI         (words:1.3), and with (words) 1.1 times
 *
 * In a picture that says which program made it these are translated.  In words that somebody typed they may be meant as
 * they stand, so there they stay, and are told: C++ is a word, and {word} is one for the web UI.
 *
 * Text may be anything.  Brackets that do not match are plain characters, and nothing recurses. */
#include "foreign_prompt.h"

#include "chars.h"

#include <math.h>
#include <string.h>

enum { DEEPEST = 64 };

/* A weight with four decimals at most. */
static const char *weight_text(Arena *a, double x)
{
    return number_text(a, round(fmin(fmax(x, -1e6), 1e6) * 1e4) / 1e4);
}

/* ---- NovelAI ----------------------------------------------------------------------------------- */

/* A bracket that is open: the character that closes it, and its weight as text. */
typedef struct { char close; const char *weight; } Open;

/* n::words :: -> the length of "n::", 0 when s does not begin so */
static size_t numeric_weight(const char *s, double *weight)
{
    size_t n = number_at(s, weight);
    return n && s[n] == ':' && s[n + 1] == ':' ? n + 2 : 0;
}

char *foreign_prompt_novelai(Arena *a, const char *text)
{
    Open open[DEEPEST];
    size_t depth = 0;
    double weight;
    StringBuilder out = string_builder(a);
    for (const char *s = text; *s; ) {
        size_t starts = s == text || blank(s[-1]) || s[-1] == ',' ? numeric_weight(s, &weight) : 0;
        int closes = depth && (open[depth - 1].close == *s && (*s != ':' || s[1] == ':'));
        if (closes) {
            depth--;
            string_builder_add(&out, format(a, ":%s)", open[depth].weight));
            s += *s == ':' ? 2 : 1;
        } else if (depth < DEEPEST && (starts || *s == '{' || *s == '[')) {
            Open one = { *s == '{' ? '}' : ']', *s == '{' ? "1.05" : "0.9524" };
            if (starts) one = (Open){ ':', weight_text(a, weight) };
            open[depth++] = one;
            string_builder_add(&out, "(");
            s += starts ? starts : 1;
        } else {
            if (strchr("()[]", *s)) string_builder_add(&out, "\\");
            string_builder_add_bytes(&out, s, 1);
            s++;
        }
    }
    while (depth--) string_builder_add(&out, format(a, ":%s)", open[depth].weight));
    return out.text;
}

/* ---- InvokeAI: compel -------------------------------------------------------------------------- */

/* The pluses or minuses at s -> how many there are; *weight is what they come to, 1 without any. */
static size_t signs_at(const char *s, double *weight)
{
    size_t n = strspn(s, *s == '-' ? "-" : "+");
    *weight = pow(*s == '-' ? 0.9 : 1.1, (double)n);
    return n;
}

/* What may stand behind a bracket: pluses, minuses or a number -> its length. */
static size_t weight_behind(const char *s, double *weight)
{
    size_t n = signs_at(s, weight);
    if (n && !digit(s[n])) return n;
    n = digit(*s) || *s == '.' ? number_at(s, weight) : 0;
    if (!n) *weight = 1;
    return n;
}

/* A word with signs behind it -> the length of the word without them; 0 when it has none.  *signs: how many. */
static size_t weighted_word(const char *s, size_t *signs, double *weight)
{
    size_t n = strcspn(s, " \t\r\n,()\"");
    size_t word = n;
    while (word && (s[word - 1] == '+' || s[word - 1] == '-') && s[word - 1] == s[n - 1]) word--;
    *signs = n - word;
    if (!word || !*signs) return 0;
    signs_at(s + word, weight);
    return word;
}

char *foreign_prompt_compel(Arena *a, const char *text)
{
    size_t depth = 0;
    double weight;
    StringBuilder out = string_builder(a);
    for (const char *s = text; *s; ) {
        size_t signs, word = weighted_word(s, &signs, &weight);
        if (*s == '\\' && s[1]) {
            string_builder_add_bytes(&out, s, 2);
            s += 2;
        } else if (*s == '(') {
            depth++;
            string_builder_add(&out, "(");
            s++;
        } else if (*s == ')' && depth) {
            depth--;
            s += 1 + weight_behind(s + 1, &weight);
            string_builder_add(&out, format(a, ":%s)", weight_text(a, weight)));
        } else if (word) {
            string_builder_add(&out, format(a, "(%.*s:%s)", (int)word, s, weight_text(a, weight)));
            s += word + signs;
        } else {
            size_t n = strcspn(s, " \t\r\n,()[]\"\\");
            if (!n) n = 1;
            if (strchr("[])", *s)) string_builder_add(&out, "\\");
            string_builder_add_bytes(&out, s, n);
            s += n;
        }
    }
    while (depth--) string_builder_add(&out, ":1)");
    return out.text;
}

/* ---- words that are no words ------------------------------------------------------------------- */

/* Options at the end of a prompt: Midjourney's, and those of kohya's sample prompts.  NULL: nothing stands for it
 * here. */
static const struct { const char *name, *instead; } options[] = {
    { "ar", "Size: 768x512" },   { "aspect", "Size: 768x512" }, { "no", "Negative prompt: ..." },
    { "seed", "Seed: 1" },       { "n", "Negative prompt: ..." }, { "w", "Size: 512x512" },
    { "h", "Size: 512x512" },    { "d", "Seed: 1" },            { "l", "CFG scale: 7" },
    { "s", "Steps: 25" },        { "v", NULL },                 { "q", NULL },
    { "style", NULL },           { "stylize", NULL },           { "niji", NULL },
    { "chaos", NULL },           { "quality", NULL },           { "iw", NULL },
    { "tile", NULL },            { "raw", NULL },               { "weird", NULL },
    { "sref", NULL },            { "cref", NULL },              { "version", NULL },
};

/* Words of extensions of the web UI that divide a prompt. */
static const char *const dividers[] = {
    "ADDCOMM", "ADDBASE", "ADDCOL", "ADDROW", "AND_PERP", "AND_SALT", "AND_TOPK",
};

typedef struct { Arena *a; StringBuilder list; size_t count; } Found;

/* Adds a piece of text, once, and what to write instead. */
static void found(Found *f, const char *at, size_t n, const char *whose, const char *instead)
{
    enum { LISTED = 8 };
    const char *piece = quoted(f->a, copy(f->a, at, n));
    if (strstr(f->list.text, piece) || f->count >= LISTED) return;
    const char *here = instead ? format(f->a, "here %s", instead) : "leave it out";
    string_builder_add(&f->list, format(f->a, "%s%s (%s; %s)", f->count ? ", " : "", piece, whose, here));
    f->count++;
}

/* "16:9" -> "Size: 680x384", of about the area of 512x512; otherwise as it is in the table */
static const char *size_of_ratio(Arena *a, const char *ratio, const char *otherwise)
{
    double width, height;
    size_t n = number_at(ratio, &width);
    if (!n || ratio[n] != ':' || !number_at(ratio + n + 1, &height)) return otherwise;
    if (!(width > 0 && height > 0 && width / height <= 8 && height / width <= 8)) return otherwise;
    double root = sqrt(width / height);
    return format(a, "Size: %.0fx%.0f", floor(512 * root / 8 + 0.5) * 8, floor(512 / root / 8 + 0.5) * 8);
}

static void find_option(Found *f, const char *s)
{
    size_t n = strcspn(s + 2, " \t\r\n,");
    const char *name = copy(f->a, s + 2, n);
    for (size_t i = 0; i < sizeof options / sizeof *options; i++) {
        if (!same(name, options[i].name)) continue;
        size_t value = strspn(s + 2 + n, " ");
        const char *instead = options[i].instead;
        if (instead && begins(instead, "Size: 768")) instead = size_of_ratio(f->a, s + 2 + n + value, instead);
        value += strcspn(s + 2 + n + value, " \t\r\n,");
        found(f, s, 2 + n + value, "an option of another program", instead);
    }
}

/* word++, word--, (words)++ and (words)1.3 */
static void find_compel(Found *f, const char *text, const char *s)
{
    double weight;
    int starts = s == text || strchr(" \t\r\n,(", s[-1]) != NULL;
    size_t signs, word = starts && *s != '-' ? weighted_word(s, &signs, &weight) : 0;
    if (word && signs > 1 && signs < 8)
        found(f, s, word + signs, "InvokeAI", format(f->a, "(%.*s:%s)", (int)word, s, weight_text(f->a, weight)));
    if (*s != ')') return;
    size_t n = weight_behind(s + 1, &weight);
    if (n && (strchr(" \t\r\n,", s[1 + n]) || !s[1 + n]))
        found(f, s, 1 + n, "InvokeAI", format(f->a, "(words:%s)", weight_text(f->a, weight)));
}

/* ("a", "b").blend(0.7, 0.3) */
static void find_call(Found *f, const char *s)
{
    static const struct { const char *name, *instead; } calls[] = {
        { ".blend(", "a :0.7 AND b :0.3" }, { ".and(", "a AND b" }, { ".swap(", "[a:b:0.5]" },
    };
    for (size_t i = 0; i < sizeof calls / sizeof *calls; i++)
        if (begins(s, calls[i].name)) found(f, s, strlen(calls[i].name), "InvokeAI", calls[i].instead);
}

/* strcspn(s, stop), at most `most` */
static size_t strcspn_most(const char *s, const char *stop, size_t most)
{
    size_t n = 0;
    while (n < most && s[n] && !strchr(stop, s[n])) n++;
    return n;
}

/* word::2 at the end of a word, and {{word}} */
static void find_weights(Found *f, const char *text, const char *s)
{
    double weight;
    size_t n = s > text && !blank(s[-1]) && s[0] == ':' && s[1] == ':' ? number_at(s + 2, &weight) : 0;
    int ends = n && (!s[2 + n] || strchr(" \t\r\n,", s[2 + n]));
    if (ends) found(f, s, 2 + n, "Midjourney", format(f->a, "(words:%s)", weight_text(f->a, weight)));
    size_t length = s[0] == '{' && s[1] == '{' ? 2 + strcspn_most(s + 2, "{}|", 200) : 0;
    if (length && s[length] == '}' && s[length + 1] == '}') found(f, s, length + 2, "NovelAI", "(words:1.1)");
}

static void find_divider(Found *f, const char *text, const char *s)
{
    if (s > text && word_character(s[-1])) return;
    for (size_t i = 0; i < sizeof dividers / sizeof *dividers; i++) {
        size_t n = strlen(dividers[i]);
        if (!strncmp(s, dividers[i], n) && !word_character(s[n])) found(f, s, n, "an extension of the web UI", NULL);
    }
}

char *foreign_prompt_warning(Arena *a, const char *text)
{
    Found f = { .a = a, .list = string_builder(a) };
    for (const char *s = text; *s; s++) {
        int starts = s == text || blank(s[-1]);
        if (starts && s[0] == '-' && s[1] == '-') find_option(&f, s);
        if (*s == '.') find_call(&f, s);
        find_compel(&f, text, s);
        find_weights(&f, text, s);
        if (*s == 'A') find_divider(&f, text, s);
    }
    return f.count ? f.list.text : NULL;
}
