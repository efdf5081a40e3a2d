/* file_kind.c - what a weight file is for, recognized by the names and shapes of its tensors.
 *
 * known_kinds.c has one table of kinds.  The first row that fits any tensor of the file decides.  A second table says
 * for which model an adapter is made; where it is silent, the metadata are asked.
 *
 * A file may have a million tensors and a folder a thousand files, so names are read once: the rows are sorted by the
 * first byte of their parts, and a name is compared where a word of it begins, after '.', '_' or ':', and only with
 * the rows of that byte.  Nothing is kept between two calls. */
#include "file_kind.h"

#include "chars.h"

#include <string.h>

/* ---- looking for many signs at once ------------------------------------------------------------ */

enum { MOST_SIGNS = 256, NONE = -1 };

/* Signs, and which of them were seen: sign i in some tensor's name, with its inputs, and what it asks for besides.
 * first, next: lists of numbers 2 i (the part of sign i) and 2 i + 1 (what is asked for besides), by their first byte;
 * anchored: those of parts that begin with '^' */
typedef struct {
    const Sign *sign[MOST_SIGNS];
    size_t      count;
    int         first[256], next[2 * MOST_SIGNS], anchored;
    char        is_seen[2 * MOST_SIGNS];
} Search;

static void add_words(Search *s, int number, const char *words)
{
    int *list = *words == '^' ? &s->anchored : &s->first[(unsigned char)*words];
    s->next[number] = *list;
    *list = number;
}

static void search_begin(Search *s)
{
    memset(s->is_seen, 0, sizeof s->is_seen);
    for (size_t i = 0; i < sizeof s->first / sizeof *s->first; i++) s->first[i] = NONE;
    s->anchored = NONE;
    s->count = 0;
}

static void search_add(Search *s, const Sign *sign)
{
    int number = 2 * (int)s->count;
    s->sign[s->count++] = sign;
    add_words(s, number, sign->part);
    if (sign->with) add_words(s, number + 1, sign->with);
    else s->is_seen[number + 1] = 1;
}

/* Usually the first bytes differ already, so this is quicker than strncmp. */
static int begins_with(const char *text, const char *words)
{
    while (*words && *text == *words) {
        text++;
        words++;
    }
    return !*words;
}

static int has_inputs(const Weight *w, size_t inputs) { return !inputs || (w->rank > 1 && w->shape[1] == inputs); }

/* Compares the text with all signs of a list. */
static void compare(Search *s, int list, const char *text, const Weight *w)
{
    for (int number = list; number != NONE; number = s->next[number]) {
        const Sign *sign = s->sign[number / 2];
        const char *words = number % 2 ? sign->with : sign->part;
        if (*words == '^') words++;
        if (s->is_seen[number] || !begins_with(text, words)) continue;
        s->is_seen[number] = number % 2 || has_inputs(w, sign->inputs);
    }
}

static int ends_a_word(char c) { return c == '.' || c == '_' || c == ':' || c == '/'; }

static void search_name(Search *s, const Weight *w)
{
    compare(s, s->anchored, w->name, w);
    int is_start = 1;
    for (const char *at = w->name; *at; at++) {
        if (is_start) compare(s, s->first[(unsigned char)*at], at, w);
        is_start = ends_a_word(*at);
    }
}

static int is_found(const Search *s, size_t i) { return s->is_seen[2 * i] && s->is_seen[2 * i + 1]; }

/* ---- what a file is ---------------------------------------------------------------------------- */

/* The first row that fits; the last one, without a name, when none does. */
static const KnownKind *kind_of(const WeightFile *f)
{
    Search s;
    search_begin(&s);
    for (const KnownKind *k = known_kinds; k->name; k++) search_add(&s, &k->sign);
    for (size_t i = 0; i < f->count; i++) search_name(&s, &f->weight[i]);
    size_t i = 0;
    while (known_kinds[i].name && !is_found(&s, i)) i++;
    return &known_kinds[i];
}

static const char *base_of_tensors(const WeightFile *f)
{
    Search s;
    search_begin(&s);
    for (const KnownBase *b = known_bases; b->base; b++) search_add(&s, &b->sign);
    for (size_t i = 0; i < f->count; i++) search_name(&s, &f->weight[i]);
    size_t i = 0;
    while (known_bases[i].base && !is_found(&s, i)) i++;
    return known_bases[i].base;
}

/* Does one of the value's words begin so? */
static int has_words(const char *value, const char *words)
{
    for (const char *at = value; *at; at++)
        if ((at == value || !word_character(at[-1]) || at[-1] == '_') && begins(at, words)) return 1;
    return 0;
}

/* The model that the metadata name; `other`, a value that says it in words not known here, when none is known. */
static const char *base_of_metadata(const WeightFile *f, const char **other)
{
    static const char *const keys[] = { "ss_base_model_version", "modelspec.architecture", "general.architecture",
                                        "base_model", "ss_sd_model_name" };
    enum { KEYS = sizeof keys / sizeof *keys, KEYS_OF_BASES = KEYS - 1 };      /* a file's name is no name of a base */
    *other = NULL;
    for (size_t k = 0; k < KEYS; k++) {
        const char *value = file_metadata(f, keys[k]);
        if (!value) continue;
        for (const BaseWords *b = base_words; b->base; b++)
            if (has_words(value, b->words)) return b->base;
        if (k < KEYS_OF_BASES && *value && strcmp(value, "None") && !*other) *other = value;
    }
    return NULL;
}

/* The trainers of newer models write the oldest one down where they know no better. */
static const char *base_of(const WeightFile *f)
{
    const char *other;
    const char *said = base_of_metadata(f, &other);
    const char *seen = base_of_tensors(f);
    if (seen && (!said || base_is_used(said))) return seen;
    if (said) return said;
    return other;
}

int base_is_used(const char *base) { return !base || !strcmp(base, "Stable Diffusion 1.x"); }

FileAbout file_about(const WeightFile *f)
{
    const KnownKind *k = kind_of(f);
    FileAbout about = {
        .kind = k->kind,
        .name = k->name ? k->name : "a file of no kind known here",
        .base = k->base,
        .purpose = k->purpose,
        .advice = k->advice,
    };
    if (!about.base) about.base = base_of(f);
    return about;
}

FileKind file_kind(const WeightFile *f) { return kind_of(f)->kind; }

const char *file_kind_name(const WeightFile *f)
{
    const char *name = kind_of(f)->name;
    return name ? name : "a file of no kind known here";
}

const char *file_in_words(Arena *a, FileAbout about)
{
    int is_said = !about.base || strstr(about.name, about.base) != NULL;
    return is_said ? about.name : format(a, "%s for %s", about.name, about.base);
}

const char *kind_name(FileKind kind)
{
    size_t k = 0;
    while (known_kinds[k].name && known_kinds[k].kind != kind) k++;
    return known_kinds[k].name;
}

void check_file_kind(Arena *a, const WeightFile *f, FileKind wanted)
{
    FileAbout about = file_about(f);
    if (about.kind == wanted) return;
    if (wanted == VAE_FILE && about.kind == MODEL_FILE) return;
    const char *advice = about.advice ? format(a, ": %s", about.advice) : "";
    const char *found = base_is_used(about.base) ? about.name : file_in_words(a, about);
    fail(a, "%s: expected %s, found %s%s", f->path, kind_name(wanted), found, advice);
}
