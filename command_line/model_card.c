/* model_card.c - what a file of weights, and the notes beside it, say about how to use it.
 *
 * A LoRA is of no use to whom does not know the words that it was trained with.  They are in one of these places:
 *
 *     modelspec.trigger_phrase and its like        what the trainer was told to write into the file
 *     activation text, trainedWords                in a file of notes beside it, from the web UI or from civitai
 *     ss_tag_frequency                             how often each tag stood in the captions (kohya's trainer)
 *     ss_dataset_dirs                              the names of its folders, "10_ohwx woman", when there is no caption
 *
 * The file's own words count before those of notes, which may be of another version.  Everything here was written by
 * strangers: a table of tags that is longer than any real one is not read, and nothing broken is a fault, because all
 * of it is only told to people. */
#include "model_card.h"

#include "chars.h"
#include "json_tree.h"

#include <stdlib.h>
#include <string.h>

enum { LONGEST_TABLE = 4 << 20, LARGEST_NOTES = 4 << 20 };      /* bytes */

/* ---- tags of the captions ----------------------------------------------------------------------- */

/* The order is: the most frequent first, then by name. */
static int by_count(const void *x, const void *y)
{
    const Tag *a = x;
    const Tag *b = y;
    if (a->count > b->count) return -1;
    if (a->count < b->count) return 1;
    return strcmp(a->name, b->name);
}

static int by_name(const void *x, const void *y)
{
    const Tag *a = x;
    const Tag *b = y;
    return strcmp(a->name, b->name);
}

/* Reads "folder": {"tag": count, ...} and appends its tags. */
static void read_folder(Json *c, Tag *tag, size_t *count)
{
    json_string(c);
    json_expect(c, ':', "a folder is without tags");
    json_expect(c, '{', "a folder is without tags");
    do {
        if (json_peek(c) == '}') break;
        const char *name = json_string(c);
        json_expect(c, ':', "a tag is without its count");
        const char *number = json_number(c);
        tag[(*count)++] = (Tag){ name, number ? strtod(number, NULL) : 0 };
    } while (json_accept(c, ','));
    json_expect(c, '}', "a folder does not end");
}

/* Adds up the counts of tags that are there several times; returns how many tags are left, sorted by name. */
static size_t merge_same(Tag *tag, size_t count)
{
    size_t kept = 0;
    if (count) qsort(tag, count, sizeof *tag, by_name);
    for (size_t i = 0; i < count; i++) {
        if (kept && !strcmp(tag[kept - 1].name, tag[i].name)) tag[kept - 1].count += tag[i].count;
        else tag[kept++] = tag[i];
    }
    return kept;
}

/* Reads {"folder": {"tag": count, ...}, ...} and writes how many different tags there are. */
static Tag *all_tags(Arena *a, const char *path, const char *json, size_t *count)
{
    Bytes text = { (const unsigned char *)json, strlen(json) };
    Json c = json_begin(a, path, "table of tags", text);
    size_t most = 1;
    for (const char *p = json; *p; p++)
        if (*p == ':') most++;
    Tag *tag = allocate(a, most, sizeof *tag);
    size_t n = 0;
    json_expect(&c, '{', "it is not an object");
    do {
        if (json_peek(&c) == '}') break;
        read_folder(&c, tag, &n);
    } while (json_accept(&c, ','));
    *count = merge_same(tag, n);
    return tag;
}

typedef struct { Arena *a; const char *path, *json; Tag *tag; size_t count; } TagTable;

static void read_tags(void *to)
{
    TagTable *t = to;
    t->tag = all_tags(t->a, t->path, t->json, &t->count);
    if (t->count) qsort(t->tag, t->count, sizeof *t->tag, by_count);
}

static void add_tags(Arena *a, ModelCard *c, const WeightFile *f)
{
    char why[MESSAGE];
    TagTable t = { .a = a, .path = f->path, .json = file_metadata(f, "ss_tag_frequency") };
    if (!t.json || strlen(t.json) > LONGEST_TABLE || attempt(a, read_tags, &t, why)) return;
    c->tag = t.tag;
    c->tags = t.count;
}

/* ---- the folders of the pictures ------------------------------------------------------------------ */

typedef struct { Arena *a; const char *path, *json, *words; } Folders;

/* kohya calls a folder "<repeats>_<words>". */
static const char *words_of_folder(const char *name)
{
    size_t digits = strspn(name, "0123456789");
    return digits && name[digits] == '_' ? name + digits + 1 : "";
}

/* {"10_ohwx woman": {"n_repeats": 10, "img_count": 20}} */
static void read_folders(void *to)
{
    Folders *f = to;
    Json c = json_begin(f->a, f->path, "list of folders", (Bytes){ (const unsigned char *)f->json, strlen(f->json) });
    json_expect(&c, '{', "it is not an object");
    do {
        if (json_peek(&c) == '}') break;
        const char *words = words_of_folder(json_string(&c));
        json_expect(&c, ':', "a folder is without its count");
        json_skip(&c, 1);
        if (*words && !f->words) f->words = words;
    } while (json_accept(&c, ','));
}

static const char *folder_words(Arena *a, const WeightFile *f)
{
    char why[MESSAGE];
    Folders t = { .a = a, .path = f->path, .json = file_metadata(f, "ss_dataset_dirs") };
    if (!t.json || strlen(t.json) > LONGEST_TABLE || attempt(a, read_folders, &t, why)) return NULL;
    return t.words;
}

/* ---- metadata ------------------------------------------------------------------------------------- */

/* The first of these keys that says something; NULL when none does. */
static const char *first_said(const WeightFile *f, const char *const *keys)
{
    for (; *keys; keys++) {
        const char *value = file_metadata(f, *keys);
        if (value && *value && strcmp(value, "None") && strcmp(value, "{}") && strcmp(value, "[]")) return value;
    }
    return NULL;
}

static void read_metadata(ModelCard *c, const WeightFile *f)
{
    static const char *const words[] = { "modelspec.trigger_phrase", "modelspec.trigger_words", "trigger_phrase",
                                         "ss_trigger_words", "trigger_words", "trigger_word", "instance_prompt",
                                         "ssmd_keywords", NULL };
    static const char *const titles[] = { "modelspec.title", "ssmd_display_name", "ss_output_name", "general.name",
                                          "name", NULL };
    static const char *const hints[] = { "modelspec.usage_hint", "ss_training_comment", NULL };
    static const char *const strengths[] = { "preferred_weight", "recommended_weight", "recommended_strength", NULL };
    c->words = first_said(f, words);
    c->title = first_said(f, titles);
    c->hint = first_said(f, hints);
    c->strength = first_said(f, strengths);
}

/* ---- notes beside the file ------------------------------------------------------------------------ */

typedef struct { Arena *a; const char *path; ModelCard *card; } Notes;

/* What a value says: a text, a number that is not 0, or the texts of a list, with commas between them; NULL: nothing */
static const char *said(Arena *a, const JsonValue *v)
{
    if (!v) return NULL;
    const char *text = json_words(v);
    if (v->kind == JSON_NUMBER && text && strtod(text, NULL) == 0) return NULL;
    if (text) return *text ? text : NULL;
    if (v->kind != JSON_LIST) return NULL;
    StringBuilder all = string_builder(a);
    for (const JsonValue *item = v->first; item; item = item->next) {
        const char *words = json_words(item);
        if (!words || !*words) continue;
        if (all.n) string_builder_add(&all, ", ");
        string_builder_add(&all, words);
    }
    return all.n ? all.text : NULL;
}

static void set(Notes *n, const char **what, const JsonValue *v)
{
    const char *words = *what ? NULL : said(n->a, v);
    if (!words) return;
    *what = words;
    n->card->notes = n->path;
}

/* civitai's answer about a version of a model, alone or within the notes of a LoRA manager */
static void read_civitai(Notes *n, const JsonValue *v)
{
    set(n, &n->card->words, json_get(v, "trainedWords"));
    set(n, &n->card->base, json_get(v, "baseModel"));
    set(n, &n->card->title, json_get(json_get(v, "model"), "name"));
}

static void read_notes(void *notes)
{
    Notes *n = notes;
    Bytes text = file_map(n->a, n->path);
    if (text.size > LARGEST_NOTES) return;
    const JsonValue *v = json_tree(n->a, n->path, "file of notes", text);
    set(n, &n->card->words, json_get(v, "activation text"));
    set(n, &n->card->strength, json_get(v, "preferred weight"));
    set(n, &n->card->negative, json_get(v, "negative text"));
    set(n, &n->card->hint, json_get(v, "notes"));
    set(n, &n->card->base, json_get(v, "sd version"));
    set(n, &n->card->base, json_get(v, "base_model"));
    set(n, &n->card->words, json_get(v, "TrainedWords"));
    set(n, &n->card->base, json_get(v, "BaseModel"));
    read_civitai(n, v);
    read_civitai(n, json_get(v, "civitai"));
}

static void add_notes(Arena *a, ModelCard *c, const char *path)
{
    static const char *const endings[] = { ".json", ".civitai.info", ".cm-info.json", ".metadata.json" };
    char why[MESSAGE];
    const char *stem = without_extension(a, path);
    for (size_t i = 0; i < sizeof endings / sizeof *endings; i++) {
        const ModelCard before = *c;
        Notes n = { .a = a, .path = format(a, "%s%s", stem, endings[i]), .card = c };
        if (!strcmp(n.path, path) || !file_is(n.path)) continue;
        if (attempt(a, read_notes, &n, why)) *c = before;
    }
}

/* ---- all of it ------------------------------------------------------------------------------------ */

ModelCard model_card(Arena *a, const WeightFile *f)
{
    ModelCard c = { 0 };
    read_metadata(&c, f);
    if (!folder_is(f->path)) add_notes(a, &c, f->path);
    add_tags(a, &c, f);
    if (!c.words && !c.tags) c.words = folder_words(a, f);
    if (c.base && !strcmp(c.base, "Unknown")) c.base = NULL;
    return c;
}

const char *model_card_words(Arena *a, const ModelCard *c, size_t most)
{
    if (c->words) return c->words;
    StringBuilder words = string_builder(a);
    for (size_t i = 0; i < c->tags && i < most; i++) {
        if (i) string_builder_add(&words, ", ");
        string_builder_add(&words, c->tag[i].name);
    }
    return words.n ? words.text : "";
}
