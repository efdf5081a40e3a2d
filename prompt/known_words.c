/* known_words.c - which words of a prompt a model does not know.
 *
 * A small model knows a few hundred words.  CLIP makes vectors of any others too, so they are drawn as noise in the
 * words, or as nothing, and nobody is told.  Here a prompt is taken apart into words, and each is looked for among
 * those that the model, its LoRAs and the embeddings name.
 *
 * This must not nag about a prompt that is fine.  So words are compared by their stems: "waves", "waved" and "waving"
 * are one word, and so are "eye", "eyes" and "eyed".  Too much is forgiven rather than too little, as "hated" for
 * "hat". "1girl" is "girl", "long_hair" is two words, "dark-skinned" is two when it is not known as one.
 *
 * What a word does in the prompt language does not matter: brackets, weights and times are no words. */
#include "known_words.h"

#include "chars.h"

#include <stdlib.h>
#include <string.h>

enum { MOST_UNKNOWN = 100, SHORTEST_STEM = 2 };

/* Words that ask for nothing to be seen: of grammar, and of praise. */
static const char stop_words[] =
    "a an the and or but of in on at with by for from to as into over under behind near beside against up down out off "
    "is are am be was were being has have had having do does not no without his her hers him its it their they she he "
    "my your our we you who which that this these those there here very more most less much so too also just only "
    "wear wears wearing dressed one two some many both each other another like camera "
    "break color colors colour colours colored coloured "
    "good great nice pretty handsome lovely gorgeous perfect stunning ultra super extremely quality highres absurdres "
    "hd uhd hdr res resolution intricate professional artstation trending";

/* ---- words ------------------------------------------------------------------------------------- */

static int is_part_of_word(uint32_t c)
{
    if (c < 0x80) return c != '_' && word_character((int)c);
    return unicode_is(unicode_letters, c) || unicode_is(unicode_numbers, c);
}

/* Bytes of a text, but no more than a code point can take. */
static size_t bytes_ahead(const char *s)
{
    enum { LONGEST = 4 };
    size_t n = 0;
    while (n < LONGEST && s[n]) n++;
    return n;
}

/* Bytes of the word that begins at s; 0: none does.  - and ' may stand within it. */
static size_t word_at(const char *s)
{
    size_t n = 0;
    while (s[n]) {
        uint32_t c;
        size_t bytes = utf8_decode((const unsigned char *)s + n, bytes_ahead(s + n), &c);
        int joins = (c == '-' || c == '\'') && n && s[n + 1] && s[n + 1] != '-' && s[n + 1] != '\'';
        if (!joins && !is_part_of_word(c)) break;
        n += bytes;
    }
    while (n && (s[n - 1] == '-' || s[n - 1] == '\'')) n--;
    return n;
}

static int is_vowel(int c) { return c && strchr("aeiou", c) != NULL; }

/* Takes an ending off, if enough is left. */
static int strip(char *word, const char *ending)
{
    size_t n = strlen(word);
    size_t e = strlen(ending);
    if (n < e + SHORTEST_STEM || strcmp(word + n - e, ending)) return 0;
    word[n - e] = 0;
    return 1;
}

/* "waving", "waves" and "wave" -> "wav"; "nodding" -> "nod"; "happily" -> "happi", as "happy" */
static void stem(char *word)
{
    static const char *const endings[] = { "'s", "s", NULL }, *const more[] = { "ing", "ed", "ly", "er", NULL };
    for (size_t i = 0; endings[i] && !strip(word, endings[i]); i++) { }
    size_t i = 0;
    while (more[i] && !strip(word, more[i])) i++;
    size_t n = strlen(word);
    int is_doubled = more[i] && n > 3 && word[n - 1] == word[n - 2] && !is_vowel(word[n - 1]);
    if (is_doubled) word[--n] = 0;
    strip(word, "e");
    n = strlen(word);
    if (n > 2 && word[n - 1] == 'y') word[n - 1] = 'i';
}

/* word: [n] -> its stem, in the arena */
static char *stem_of(Arena *a, const char *word, size_t n)
{
    char *s = copy(a, word, n);
    for (char *c = s; *c; c++) *c = (char)lower(*c);
    stem(s);
    return s;
}

/* ---- a set of stems ---------------------------------------------------------------------------- */

static int by_text(const void *x, const void *y) { return strcmp(*(const char *const *)x, *(const char *const *)y); }

/* Calls see(to, word, n) for each word of a text. */
static void each_word(const char *text, void (*see)(void *to, const char *word, size_t n), void *to)
{
    while (*text) {
        size_t n = word_at(text);
        if (n) see(to, text, n);
        text += n ? n : 1;               /* a byte within a code point begins no word */
    }
}

typedef struct { Arena *a; Lines stems, words; } Known;

static void add_known(void *to, const char *word, size_t n)
{
    Known *k = to;
    lines_add(k->a, &k->stems, stem_of(k->a, word, n));
    lines_add(k->a, &k->words, copy(k->a, word, n));
}

static int is_known(const Known *k, const char *one)
{
    return bsearch(&one, k->stems.line, k->stems.count, sizeof *k->stems.line, by_text) != NULL;
}

/* ---- the prompt -------------------------------------------------------------------------------- */

typedef struct { Arena *a; Known known; Lines *unknown; } Asked;

/* In a number, 85mm and one letter there is nothing to know.  More letters behind a number are a word: 1girl. */
static const char *without_number(const char *word, size_t *n)
{
    enum { LONGEST_UNIT = 2 };
    size_t digits = 0;
    while (digits < *n && digit(word[digits])) digits++;
    int is_unit = digits && *n - digits <= LONGEST_UNIT;
    *n = is_unit ? 0 : *n - digits;
    return word + digits;
}

static int means_nothing(const char *word, size_t n)
{
    return n == 0 || (n == 1 && !(word[0] & 0x80));
}

/* Is each part between its hyphens known? */
static int are_parts_known(Asked *s, const char *word, size_t n)
{
    size_t begin = 0;
    for (size_t i = 0; i <= n; i++) {
        if (i < n && word[i] != '-') continue;
        if (!means_nothing(word + begin, i - begin) && !is_known(&s->known, stem_of(s->a, word + begin, i - begin)))
            return 0;
        begin = i + 1;
    }
    return 1;
}

/* Does one have the letters of the other, two of them in each other's place? */
static int are_swapped(const char *one, const char *other)
{
    size_t i = 0;
    while (one[i] && one[i] == other[i]) i++;
    if (!one[i] || !one[i + 1] || !other[i]) return 0;
    return one[i] == other[i + 1] && one[i + 1] == other[i] && !strcmp(one + i + 2, other + i + 2);
}

/* The known word that a mistyped one of five letters or more is: another letter, one more or less, or two swapped.
 * NULL: none is near. */
static const char *meant_by(const Asked *s, const char *word)
{
    size_t n = strlen(word);
    for (size_t i = 0; n > 4 && i < s->known.words.count; i++) {
        const char *one = s->known.words.line[i];
        size_t length = strlen(one);
        if (length > n + 1 || length + 1 < n) continue;
        if (are_swapped(one, word) || edit_distance(one, word) < 2) return one;
    }
    return NULL;
}

static void ask(void *to, const char *word, size_t n)
{
    Asked *s = to;
    size_t before = mark(s->a);
    word = without_number(word, &n);
    if (means_nothing(word, n) || is_known(&s->known, stem_of(s->a, word, n)) || are_parts_known(s, word, n)
        || s->unknown->count == MOST_UNKNOWN) {
        release(s->a, before);
        return;
    }
    char *shown = copy(s->a, word, n);
    for (char *c = shown; *c; c++) *c = (char)lower(*c);
    const char *meant = meant_by(s, shown);
    lines_add_once(s->a, s->unknown, meant ? format(s->a, "%s (%s?)", shown, meant) : shown);
}

void unknown_words(Arena *a, const char *prompt, const Lines *known, Lines *unknown)
{
    Asked s = { .a = a, .known = { .a = a }, .unknown = unknown };
    each_word(stop_words, add_known, &s.known);
    s.known.words = (Lines){ 0 };                    /* a stop word is never meant */
    for (size_t i = 0; i < known->count; i++) each_word(known->line[i], add_known, &s.known);
    qsort(s.known.stems.line, s.known.stems.count, sizeof *s.known.stems.line, by_text);
    each_word(prompt, ask, &s);
}
