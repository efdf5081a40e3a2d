/* me_words.c - the words of persona me: what captions call the person, and what prompts say.
 *
 * A LoRA is called by the words that stood in all captions, for they go with what all pictures have in common: the
 * person.  People write them at the beginning ("portrait of yumin woman, red sweater"), so that is looked at first, up
 * to the first comma; then for single words that every caption holds.  Words that every caption has anyway ("a",
 * "photo") name nobody.
 *
 * When there is no such word, one is put before the captions: --name, or "ohwx", which means nothing to the models and
 * is what people use. */
#include "me_words.h"

#include "chars.h"
#include "lines.h"

#include <string.h>

static const char CHOSEN_NAME[] = "ohwx";

static const char *const PEOPLE[] = { "woman", "man", "girl", "boy", "lady", "guy", "person", NULL };

static const char *const SAYS_NOTHING[] = {
    "a", "an", "the", "of", "in", "on", "at", "with", "and", "is", "to", "portrait", "photo", "picture", "image",
    "photograph", "drawing", "closeup", "close-up", "selfie", "woman", "man", "girl", "boy", "lady", "guy", "person",
    "best", "quality", "masterpiece", "looking", "viewer", "background", NULL
};

static int is_in(const char *word, const char *const *list)
{
    while (*list && !same(*list, word)) list++;
    return *list != NULL;
}

/* ---- captions as words --------------------------------------------------------------------------- */

static Lines words_of(Arena *a, const char *text)
{
    static const char between[] = " \t\r\n,.;:()[]{}\"";
    Lines words = { 0 };
    while (*(text += strspn(text, between))) {
        size_t n = strcspn(text, between);
        lines_add(a, &words, copy(a, text, n));
        text += n;
    }
    return words;
}

/* The words up to the first comma or the end of the line. */
static Lines head_of(Arena *a, const char *caption)
{
    return words_of(a, copy(a, caption, strcspn(caption, ",.;\n")));
}

static size_t common_length(const Lines *x, const Lines *y)
{
    size_t n = 0;
    while (n < x->count && n < y->count && same(x->line[n], y->line[n])) n++;
    return n;
}

static int names_somebody(const Lines *words)
{
    for (size_t i = 0; i < words->count; i++)
        if (!is_in(words->line[i], SAYS_NOTHING)) return 1;
    return 0;
}

/* What all captions begin with; an empty list when that names nobody. */
static Lines common_beginning(Arena *a, const Photos *p)
{
    Lines common = { 0 };
    int is_first = 1;
    for (size_t i = 0; i < p->count; i++) {
        if (!*p->photo[i].caption) continue;
        Lines words = head_of(a, p->photo[i].caption);
        if (is_first) common = words;
        else common.count = common_length(&common, &words);
        is_first = 0;
    }
    if (!names_somebody(&common)) common.count = 0;
    return common;
}

/* The first word that all captions hold and that may be a name. */
static const char *common_word(Arena *a, const Photos *p)
{
    Lines left = { 0 };
    int is_first = 1;
    for (size_t i = 0; i < p->count; i++) {
        if (!*p->photo[i].caption) continue;
        Lines words = words_of(a, p->photo[i].caption);
        Lines both = { 0 };
        for (size_t k = 0; !is_first && k < left.count; k++)
            if (lines_hold(&words, left.line[k])) lines_add(a, &both, left.line[k]);
        left = is_first ? words : both;
        is_first = 0;
    }
    for (size_t i = 0; i < left.count; i++)
        if (!is_in(left.line[i], SAYS_NOTHING)) return left.line[i];
    return NULL;
}

static int captions_hold(Arena *a, const Photos *p, const char *name)
{
    Lines wanted = words_of(a, name);
    for (size_t i = 0; i < p->count; i++) {
        if (!*p->photo[i].caption) continue;
        Lines words = words_of(a, p->photo[i].caption);
        for (size_t k = 0; k < wanted.count; k++)
            if (!lines_hold(&words, wanted.line[k])) return 0;
    }
    return 1;
}

/* Who it is, by a word that says it in the name or in most captions. */
static const char *who_of(Arena *a, const Photos *p, const char *name)
{
    Lines words = words_of(a, name ? name : "");
    for (size_t k = 0; PEOPLE[k]; k++)
        if (lines_hold(&words, PEOPLE[k])) return PEOPLE[k];
    for (size_t k = 0; PEOPLE[k]; k++) {
        size_t count = 0;
        for (size_t i = 0; i < p->count; i++) {
            Lines caption = words_of(a, p->photo[i].caption);
            if (lines_hold(&caption, PEOPLE[k])) count++;
        }
        if (2 * count > p->count) return PEOPLE[k];
    }
    return "person";
}

/* ---- the subject --------------------------------------------------------------------------------- */

static int are_captions(const Photos *p)
{
    for (size_t i = 0; i < p->count; i++)
        if (*p->photo[i].caption) return 1;
    return 0;
}

static const char *portrait_of(Arena *a, const char *name)
{
    return begins(name, "portrait") || begins(name, "photo") ? name : format(a, "portrait of %s", name);
}

/* Captions that do not hold the name get it in front. */
static Subject named(Arena *a, const Photos *p, const char *name)
{
    Subject s = { .words = portrait_of(a, name), .from = FROM_NAME };
    if (are_captions(p) && !captions_hold(a, p, name)) s.prefix = format(a, "%s, ", s.words);
    return s;
}

Subject me_subject(Arena *a, const Photos *p, const char *name)
{
    Subject s = { 0 };
    const char *who = who_of(a, p, name);
    Lines beginning = common_beginning(a, p);
    const char *word = common_word(a, p);
    if (name) {
        s = named(a, p, name);
    } else if (beginning.count) {
        s = (Subject){ .words = lines_joined(a, &beginning, " "), .from = FROM_CAPTIONS };
    } else if (word) {
        s = (Subject){ .words = format(a, "portrait of %s %s", word, who), .from = FROM_CAPTIONS };
    } else {
        s = named(a, p, format(a, "%s %s", CHOSEN_NAME, who));
        s.from = CHOSEN;
    }
    s.who = who;
    return s;
}

const char *me_subject_said(Arena *a, const Subject *s)
{
    static const char *const where[] = {
        [FROM_CAPTIONS] = "the words that all captions have in common",
        [FROM_NAME] = "the words of --name",
        [CHOSEN] = "for no caption names anybody; --name \"yumin woman\" would",
    };
    const char *before = s->prefix ? ", put before every caption" : "";
    return format(a, "prompts call the person by %s: %s%s", quoted(a, s->words), where[s->from], before);
}

/* ---- prompts ------------------------------------------------------------------------------------- */

static void add_part(StringBuilder *text, const char *part)
{
    if (!part || !*part) return;
    if (text->n) string_builder_add(text, ", ");
    string_builder_add(text, part);
}

const char *me_caption(Arena *a, const Subject *s, const PortraitWords *w)
{
    StringBuilder text = string_builder(a);
    add_part(&text, s->words);
    if (w->clothes) add_part(&text, format(a, "%s clothes", w->clothes));
    if (w->background) add_part(&text, format(a, "%s background", w->background));
    return text.text;
}

const char *me_prompt(Arena *a, const Subject *s, const char *asked, const char *move)
{
    StringBuilder text = string_builder(a);
    if (asked && begins(asked, "portrait")) return asked;
    add_part(&text, s->words);
    add_part(&text, asked ? asked : move);
    return text.text;
}

/* Dark clothes are drawn as a jacket, others as a sweater: the model has no word for clothes. */
static const char *garment(const char *colour)
{
    int is_dark = !strcmp(colour, "black") || !strcmp(colour, "grey");
    return is_dark ? "jacket" : "sweater";
}

const char *me_described(Arena *a, const Subject *s, const PortraitWords *w, const char *asked, const char *move)
{
    StringBuilder text = string_builder(a);
    if (asked && begins(asked, "portrait")) return asked;
    string_builder_add(&text, format(a, "portrait of a %s", s->who));
    if (w->hair) string_builder_add(&text, format(a, " with %s %s hair", w->hair_length, w->hair));
    if (w->skin) add_part(&text, format(a, "%s skin", w->skin));
    if (w->clothes) add_part(&text, format(a, "%s %s", w->clothes, garment(w->clothes)));
    if (w->background) add_part(&text, format(a, "%s background", w->background));
    add_part(&text, asked ? asked : "happy");
    if (!asked) add_part(&text, move);
    return text.text;
}
