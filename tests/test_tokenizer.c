/* test_tokenizer.c - byte-pair encoding: ids against those of transformers' CLIPTokenizer (tests/golden_tokens.py),
 * huge texts, and refused merges. */
#include "test.h"
#include "tokenizer.h"
#include "unicode.h"

#include <stdlib.h>
#include <time.h>

#define MERGES "weights/merges.txt"

static const char *const goldens[] = { "tests/golden/tokens_49408.txt", "tests/golden/tokens_3514.txt" };

/* Text lies in memory of its very size, so that ASan sees a byte read behind it. */
static Tokens tokens_of(Arena *a, const Tokenizer *t, const void *text, size_t length)
{
    char *copy = malloc(length ? length : 1);
    if (copy && length) memcpy(copy, text, length);
    Tokens tokens = tokenize(a, t, copy, length);
    free(copy);
    return tokens;
}

/* ---- goldens ---------------------------------------------------------------------------------- */

static int hex(char c) { return c >= '0' && c <= '9' ? c - '0' : c >= 'a' && c <= 'f' ? c - 'a' + 10 : -1; }

/* "6162*3" -> "ababab" */
static size_t read_text(Arena *a, const char *s, char **text)
{
    size_t n = 0, times = 1;
    while (hex(s[2 * n]) >= 0) n++;
    if (s[2 * n] == '*') times = strtoul(s + 2 * n + 1, NULL, 10);
    *text = allocate(a, n * times, 1);
    for (size_t i = 0; i < n * times; i++) (*text)[i] = (char)(hex(s[2 * (i % n)]) << 4 | hex(s[2 * (i % n) + 1]));
    return n * times;
}

static int same_ids(Tokens t, const char *want)
{
    char *end;
    if (*want == '#') {
        uint32_t sum = 0;
        for (size_t i = 0; i < t.count; i++) sum += (uint32_t)t.id[i] * (uint32_t)(i + 1);
        size_t count = strtoul(want + 1, &end, 10);
        return t.count == count && sum == strtoul(end, NULL, 10);
    }
    for (size_t i = 0; i < t.count; i++, want = end)
        if (strtol(want, &end, 10) != t.id[i] || end == want) return 0;
    return *want == 0;
}

static void test_line(Arena *a, const Tokenizer *t, const char *file, size_t number, const char *line)
{
    size_t before = mark(a);
    char *text;
    size_t length = read_text(a, line, &text);
    Tokens got = tokens_of(a, t, text, length);
    CHECK_MSG(same_ids(got, strchr(line, '\t') + 1), "%s:%zu: %zu ids, the first is %d, expected %.99s", file, number,
              got.count, got.count ? got.id[0] : -1, strchr(line, '\t') + 1);
    release(a, before);
}

static void test_golden(Arena *a, const char *file)
{
    Bytes b = file_map(a, file);
    char *text = allocate(a, b.size + 1, 1);
    memcpy(text, b.data, b.size);
    text[b.size] = 0;
    Tokenizer *t = tokenizer_new(a, file_map(a, MERGES), strtoul(text, NULL, 10));
    size_t number = 1;
    strtok(text, "\n");
    for (char *line = strtok(NULL, "\n"); line; line = strtok(NULL, "\n")) {
        number++;
        test_line(a, t, file, number, line);
    }
    CHECK_MSG(number > 250, "%s: only %zu lines", file, number);
}

/* ---- huge texts -------------------------------------------------------------------------------- */

static double seconds(void) { return (double)clock() / CLOCKS_PER_SEC; }

/* What is quadratic needs minutes for one of these; what is not, half a second, ASan a few. */
static void test_huge(Arena *a, const Tokenizer *t)
{
    enum { LETTERS = 2000000, WORDS = 600000 };
    size_t before = mark(a);
    double start = seconds();
    char *s = allocate(a, LETTERS, 1);
    uint32_t x = 1;
    for (size_t i = 0; i < LETTERS; i++) {
        x = x * 1664525u + 1013904223u;
        s[i] = (char)('a' + (x >> 16) % 26);
    }
    Tokens one = tokens_of(a, t, s, LETTERS);
    CHECK(one.count > LETTERS / 8 && one.count < LETTERS);
    for (size_t i = 0; i < LETTERS; i++) memcpy(s + i / 2 * 2, i / 2 % 2 ? "\xcc\x81" : "\xcc\xa3", 2);
    CHECK(tokens_of(a, t, s, LETTERS).count >= LETTERS / 2);        /* a million marks to sort */
    CHECK_MSG(seconds() - start < 30, "a word of 2 MB took %.0f s", seconds() - start);
    release(a, before);

    start = seconds();
    static const char cat[] = "a photo of a cat, ";
    s = allocate(a, WORDS, sizeof cat - 1);
    for (size_t i = 0; i < WORDS; i++) memcpy(s + i * (sizeof cat - 1), cat, sizeof cat - 1);
    Tokens many = tokens_of(a, t, s, WORDS * (sizeof cat - 1));
    static const int ids[] = { 320, 1125, 539, 320, 2368, 267 };
    size_t wrong = many.count != 6 * WORDS;
    for (size_t i = 0; i < many.count; i++) wrong += many.id[i] != ids[i % 6];
    CHECK_MSG(!wrong, "%zu wrong ids in a text of 10 MB", wrong);
    CHECK_MSG(seconds() - start < 30, "a text of 10 MB took %.0f s", seconds() - start);
    release(a, before);
}

static void test_corners(Arena *a, const Tokenizer *t)
{
    CHECK(tokenizer_bos(t) == 49406 && tokenizer_eos(t) == 49407);
    CHECK(tokenize(a, t, NULL, 0).count == 0);
    CHECK(tokens_of(a, t, " \t\r\n\xc2\xa0\xe3\x80\x80", 9).count == 0);
    Tokens nul = tokens_of(a, t, "a\0b", 3);
    CHECK(nul.count == 3 && nul.id[0] == 320 && nul.id[1] == 444 && nul.id[2] == 321);
    size_t before = mark(a);
    Tokens few = tokens_of(a, t, "two cats", 8);
    CHECK(few.count == 2 && mark(a) - before == 64);               /* nothing stays but the ids */
    Tokenizer *bytes = tokenizer_new(a, (Bytes){ NULL, 0 }, 514);  /* no merges at all: bytes */
    Tokens ab = tokens_of(a, bytes, "Ab<|endoftext|>", 15);
    CHECK(ab.count == 3 && ab.id[0] == 64 && ab.id[1] == 256 + 65 && ab.id[2] == 513);
}

/* ---- refusing --------------------------------------------------------------------------------- */

typedef struct { Arena *a; Bytes merges; size_t vocabulary; } Opening;

static void work_open(void *job)
{
    Opening *o = job;
    tokenizer_new(o->a, o->merges, o->vocabulary);
}

static void refuses(Arena *a, Bytes merges, size_t vocabulary, const char *because)
{
    Opening o = { a, merges, vocabulary };
    char message[MESSAGE] = "(it opened)";
    size_t before = mark(a);
    int failed = attempt(a, work_open, &o, message);
    CHECK_MSG(failed && strstr(message, because) && mark(a) == before, "%zu rows: \"%s\", expected \"%s\"", vocabulary,
              message, because);
}

static Bytes bytes_of(const char *s) { return (Bytes){ (const unsigned char *)s, strlen(s) }; }

static void test_refusing(Arena *a)
{
    Bytes merges = file_map(a, MERGES);
    refuses(a, merges, 0, "0 rows");
    refuses(a, merges, 513, "513 rows");
    refuses(a, merges, 49409, "expected at most 49408");
    refuses(a, merges, SIZE_MAX, "rows");
    refuses(a, bytes_of("#version: 0.2\na b\nab c"), 517, "expected at most 516");
    refuses(a, bytes_of("#version: 0.2\na b\n\nab c\n"), 517, "merge 2 is \"\"");
    refuses(a, bytes_of("a b\nabc\nab c\n"), 517, "merge 2 is \"abc\"");
    refuses(a, bytes_of("a b\nabc d\nab c\n"), 517, "joins \"abc\"");
    refuses(a, bytes_of("a b\r\nab c\r\nd e\r\n"), 517, "joins \"b\r\"");
    refuses(a, bytes_of("a b</w>\na b\na b</w>\n"), 517, "merge 3 makes");
    refuses(a, bytes_of("a b\na \n b\n    "), 517, "joins \"\"");
    refuses(a, bytes_of("a \xc3\n"), 515, "joins");
    for (size_t cut = 0; cut < 200; cut++) refuses(a, (Bytes){ merges.data, cut }, 49408, "CLIP's text encoder");
}

/* ---- tables ----------------------------------------------------------------------------------- */

/* Binary search needs them in order. */
static void test_tables(void)
{
    const UnicodeSet set[3] = { unicode_letters, unicode_numbers, unicode_spaces };
    size_t wrong = 0;
    for (size_t k = 0; k < 3; k++)
        for (size_t i = 1; i < set[k].count; i++) wrong += set[k].at[i].first <= set[k].at[i - 1].last;
    for (size_t i = 1; i < unicode_classes_count; i++)
        wrong += unicode_classes[i].range.first <= unicode_classes[i - 1].range.last;
    for (size_t i = 1; i < unicode_lower_count; i++)
        wrong += unicode_lower[i].range.first <= unicode_lower[i - 1].range.last;
    for (size_t i = 1; i < unicode_decompositions_count; i++)
        wrong += unicode_decompositions[i].whole <= unicode_decompositions[i - 1].whole;
    for (size_t i = 1; i < unicode_compositions_count; i++) {
        UnicodeDecomposition x = unicode_decompositions[unicode_compositions[i - 1]];
        UnicodeDecomposition y = unicode_decompositions[unicode_compositions[i]];
        wrong += x.first > y.first || (x.first == y.first && x.second >= y.second) || y.second < 0x300;
    }
    CHECK(wrong == 0);
}

/* Arguments are more goldens, as tests/golden_tokens.py writes them. */
int main(int argc, char **argv)
{
    Arena *a = arena_new();
    if (!a) return 1;
    size_t before = mark(a);
    for (int i = 1; i < argc; i++) test_golden(a, argv[i]);
    for (size_t i = 0; i < sizeof goldens / sizeof *goldens; i++) {
        test_golden(a, goldens[i]);
        release(a, before);
    }
    Tokenizer *t = tokenizer_new(a, file_map(a, MERGES), 49408);
    test_corners(a, t);
    test_huge(a, t);
    test_refusing(a);
    test_tables();
    arena_free(a);
    return done();
}
