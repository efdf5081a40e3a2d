/* test_text.c - prompts: the web UI's published examples, chunks against its rules in Python, embeddings in every
 * container, and hostile prompts and files. */
#define _XOPEN_SOURCE 700
#include "chars.h"
#include "chunks.h"
#include "grammar.h"
#include "text.h"
#include "test.h"

#include <math.h>
#include <stdlib.h>
#include <unistd.h>

enum { STEPS = 10, MOST_PARTS = 12, VOCABULARY = 49408, WIDTH = 64 };

/* ---- the grammar ------------------------------------------------------------------------------ */

typedef struct { const char *text; WeightedText part[MOST_PARTS]; } Example;

static void check_parts(const char *text, WeightedTexts p, const WeightedText *want)
{
    size_t n = 0;
    while (n < MOST_PARTS && want[n].text) n++;
    CHECK_MSG(p.count == n, "%s: %zu parts, expected %zu", text, p.count, n);
    for (size_t i = 0; i < n && i < p.count; i++)
        CHECK_MSG(!strcmp(p.at[i].text, want[i].text) && p.at[i].weight == want[i].weight,
                  "%s: part %zu is \"%s\" %.17g, expected \"%s\" %.17g", text, i,
                  p.at[i].text, p.at[i].weight, want[i].text, want[i].weight);
}

/* modules/prompt_parser.py, parse_prompt_attention; and the web UI's wiki, "Attention/emphasis" */
static void test_emphasis(Arena *a)
{
    static const Example examples[] = {
        { "normal text", { { "normal text", 1 } } },
        { "an (important) word", { { "an ", 1 }, { "important", 1.1 }, { " word", 1 } } },
        { "(unbalanced", { { "unbalanced", 1.1 } } },
        { "\\(literal\\]", { { "(literal]", 1 } } },
        { "(unnecessary)(parens)", { { "unnecessaryparens", 1.1 } } },
        { "a (((house:1.3)) [on] a (hill:0.5), sun, (((sky))).",
          { { "a ", 1 }, { "house", 1.5730000000000004 }, { " ", 1.1 }, { "on", 1 }, { " a ", 1.1 }, { "hill", 0.55 },
            { ", sun, ", 1.1 }, { "sky", 1.4641000000000006 }, { ".", 1.1 } } },
        { "a (word) - increase", { { "a ", 1 }, { "word", 1.1 }, { " - increase", 1 } } },
        { "((word))", { { "word", 1.1 * 1.1 } } }, { "[word]", { { "word", 1 / 1.1 } } },
        { "(word:1.5)", { { "word", 1.5 } } }, { "(word:0.25)", { { "word", 0.25 } } },
        { "\\(word\\)", { { "(word)", 1 } } }, { "anime_\\(character\\)", { { "anime_(character)", 1 } } },
        { "", { { "", 1 } } }, { "\\", { { "", 1 } } }, { "a\\b", { { "ab", 1 } } }, { "\\\\(", { { "\\", 1 } } },
        { "(x: 1.2 )", { { "x", 1.2 } } }, { "(x:.5)", { { "x", 0.5 } } }, { "(x:-1)", { { "x", -1 } } },
        { "x:1.2)", { { "x:1.2)", 1 } } }, { "a)b]c", { { "a)b]c", 1 } } }, { "([)]", { { "", 1.1 / 1.1 } } },
        { "(a[b)c]", { { "a", 1.1 }, { "b", 1.1 * (1 / 1.1) }, { "c", 1 / 1.1 } } },
        { "(x:1e999)", { { "x:1e999", 1.1 } } }, { "(x:nan)", { { "x:nan", 1.1 } } },
        { "(x:1.2.3)", { { "x:1.2.3", 1.1 } } }, { "(x:)", { { "x:", 1.1 } } },
        { "a BREAK b", { { "a", 1 }, { "BREAK", -1 }, { "b", 1 } } }, { "aBREAK", { { "aBREAK", 1 } } },
        { "(a BREAK b)", { { "a", 1.1 }, { "BREAK", -1.1 }, { "b", 1.1 } } },
    };
    for (size_t i = 0; i < sizeof examples / sizeof *examples; i++)
        check_parts(examples[i].text, grammar_emphasis(a, examples[i].text, "prompt"), examples[i].part);
}

/* the wiki, "Composable Diffusion" */
static void test_and(Arena *a)
{
    static const Example examples[] = {
        { "a cat AND a dog", { { "a cat", 1 }, { " a dog", 1 } } },
        { "a cat :1.2 AND a dog AND a penguin :2.2", { { "a cat", 1.2 }, { " a dog", 1 }, { " a penguin", 2.2 } } },
        { "", { { "", 1 } } }, { "SAND ANDy _AND ANDé éAND", { { "SAND ANDy _AND ANDé éAND", 1 } } },
        { "a:-.5 AND", { { "a", -0.5 }, { "", 1 } } }, { "a: 1. ", { { "a", 1 } } },
        { "12:30", { { "12", 30 } } }, { "a:1.2.3", { { "a:1.2.3", 1 } } }, { "a:1:2", { { "a:1", 2 } } },
        { ":2", { { "", 2 } } }, { "a (b:1.2)", { { "a (b:1.2)", 1 } } },
    };
    for (size_t i = 0; i < sizeof examples / sizeof *examples; i++)
        check_parts(examples[i].text, grammar_split_and(a, examples[i].text), examples[i].part);
}

/* what each of ten steps, from 1, is told: version[k] up to and with until[k] */
typedef struct { const char *text; struct { int until; const char *text; } version[MOST_PARTS]; } Schedule;

/* modules/prompt_parser.py, get_learned_conditioning_prompt_schedules */
static void test_editing(Arena *a)
{
    static const Schedule examples[] = {
        { "test", { { 10, "test" } } },
        { "a [b:3]", { { 3, "a " }, { 10, "a b" } } }, { "a [b: 3]", { { 3, "a " }, { 10, "a b" } } },
        { "a [b: 3 ]", { { 3, "a " }, { 10, "a b" } } },
        { "a [[[b]]:2]", { { 2, "a " }, { 10, "a [[b]]" } } },
        { "[(a:2):3]", { { 3, "" }, { 10, "(a:2)" } } },
        { "a [b : c : 1] d", { { 1, "a b  d" }, { 10, "a  c  d" } } },
        { "a[b:[c:d:2]:1]e", { { 1, "abe" }, { 2, "ace" }, { 10, "ade" } } },
        { "a [unbalanced", { { 10, "a [unbalanced" } } },
        { "a [b:.5] c", { { 5, "a  c" }, { 10, "a b c" } } },
        /* "not handling this right now": the bar cannot be read, so nothing is */
        { "a [{b|d{:.5] c", { { 10, "a [{b|d{:.5] c" } } },
        { "((a][:b:c [d:3]", { { 3, "((a][:b:c " }, { 10, "((a][:b:c d" } } },
        { "[a|(b:1.1)]", { { 1, "a" }, { 2, "(b:1.1)" }, { 3, "a" }, { 4, "(b:1.1)" }, { 5, "a" }, { 6, "(b:1.1)" },
                           { 7, "a" }, { 8, "(b:1.1)" }, { 9, "a" }, { 10, "(b:1.1)" } } },
        { "[fe|]male", { { 1, "female" }, { 2, "male" }, { 3, "female" }, { 4, "male" }, { 5, "female" }, { 6, "male" },
                         { 7, "female" }, { 8, "male" }, { 9, "female" }, { 10, "male" } } },
        { "[fe|||]male", { { 1, "female" }, { 4, "male" }, { 5, "female" }, { 8, "male" }, { 9, "female" },
                           { 10, "male" } } },
        { "fantasy landscape with a [mountain:lake:0.25] and [an oak:a christmas tree:0.75][ in foreground::0.6][ in "
          "background:0.25] [shoddy:masterful:0.5]",
          { { 2, "fantasy landscape with a mountain and an oak in foreground shoddy" },
            { 5, "fantasy landscape with a lake and an oak in foreground in background shoddy" },
            { 6, "fantasy landscape with a lake and an oak in foreground in background masterful" },
            { 7, "fantasy landscape with a lake and an oak in background masterful" },
            { 10, "fantasy landscape with a lake and a christmas tree in background masterful" } } },
        { "[a:b:1.0]", { { 10, "a" } } }, { "[a:b:1]", { { 1, "a" }, { 10, "b" } } }, { "[a:b:0]", { { 10, "b" } } },
        { "[a:b:-3]", { { 10, "b" } } }, { "[a:b:99]", { { 10, "a" } } },
        { "[a:b:2.5e-1]", { { 2, "a" }, { 10, "b" } } }, { "[a:b:1e1]", { { 10, "a" } } },
        { "[a:b:1e999]", { { 10, "a" } } }, { "[a:b:1e-999]", { { 10, "b" } } },
        { "[a:b:nan]", { { 10, "[a:b:nan]" } } },
        { "[a:b]", { { 10, "[a:b]" } } }, { "[a:b:c:3]", { { 10, "[a:b:c:3]" } } },
        { "(a:b:c) [d:2]", { { 2, "(a:b:c) " }, { 10, "(a:b:c) d" } } },
        { "[x (a:b:c):2]", { { 10, "[x (a:b:c):2]" } } }, { "[a) b:c:2]", { { 10, "[a) b:c:2]" } } },
        { "a|b [c:2]", { { 10, "a|b [c:2]" } } }, { "(a|b) [c:2]", { { 10, "(a|b) [c:2]" } } },
        { "[c:2] \\", { { 10, "[c:2] \\" } } }, { "[c:2] \\\nx", { { 10, "[c:2] \\\nx" } } },
        { "[\\[:\\]:2]", { { 2, "\\[" }, { 10, "\\]" } } },
        { "[a|b]] [c|d]", { { 1, "a] c" }, { 2, "b] d" }, { 3, "a] c" }, { 4, "b] d" }, { 5, "a] c" }, { 6, "b] d" },
                            { 7, "a] c" }, { 8, "b] d" }, { 9, "a] c" }, { 10, "b] d" } } },
    };
    for (size_t i = 0; i < sizeof examples / sizeof *examples; i++) {
        const Schedule *s = &examples[i];
        const PromptEdits *e = grammar_edits(a, s->text, STEPS, 0);
        CHECK_MSG(grammar_has_edits(e) == (s->version[0].until < STEPS || strcmp(s->version[0].text, s->text)),
                  "%s: edited %d", s->text, grammar_has_edits(e));
        CHECK_MSG(!strcmp(grammar_at_step(a, e, 0, 0), s->version[0].text), "%s: step 0 is \"%s\"", s->text,
                  grammar_at_step(a, e, 0, 0));
        for (int step = 1, k = 0; step <= STEPS; step++) {
            const char *said = grammar_at_step(a, e, 0, step);
            CHECK_MSG(!strcmp(said, s->version[k].text), "%s: step %d is \"%s\", expected \"%s\"", s->text, step, said,
                      s->version[k].text);
            if (step == s->version[k].until) k++;
        }
    }
}

/* the same, for a second pass of ten steps */
static void test_second_pass(Arena *a)
{
    static const struct { const char *text; int until; const char *before, *after; } examples[] = {
        { "a [b:.5] c", 0, "", "a b c" }, { "a [b:1.5] c", 5, "a  c", "a b c" },
        { "a [b:12] c", 2, "a  c", "a b c" }, { "a [b:10] c", 0, "", "a b c" }, { "a [b:99] c", 10, "a  c", "" },
        { "a [b:2.] c", 10, "a  c", "" }, { "[a|b]", 1, "a", "b" },
    };
    for (size_t i = 0; i < sizeof examples / sizeof *examples; i++) {
        const PromptEdits *e = grammar_edits(a, examples[i].text, STEPS, 10);
        for (int step = 1; step <= 10 && (step < 3 || *examples[i].text != '['); step++) {
            const char *said = grammar_at_step(a, e, 1, step);
            const char *expected = step <= examples[i].until ? examples[i].before : examples[i].after;
            CHECK_MSG(!strcmp(said, expected), "%s: step %d of the second pass is \"%s\", expected \"%s\"",
                      examples[i].text, step, said, expected);
        }
    }
}

typedef struct { Arena *a; const char *text; int frames; Travel travel; char message[MESSAGE]; } Journey;

static void travel(void *to) { Journey *j = to; j->travel = grammar_travel(j->a, j->text, j->frames); }

static const char *travelling(Journey *j)
{
    j->message[0] = 0;
    attempt(j->a, travel, j, j->message);
    return j->message;
}

static void check_key(Arena *a, const Journey *j, size_t k, int frame, const char *expected)
{
    int found = j->travel.key[k].frame;
    const char *prompt = grammar_key_prompt(a, &j->travel, k);
    CHECK_MSG(found == frame && !strcmp(prompt, expected), "%s: key %zu at %d is \"%s\"", j->text, k, found, prompt);
}

static void test_travel(Arena *a)
{
    static const struct { const char *text; int frame[3]; const char *prompt[3]; size_t count; } examples[] = {
        /* sd-webui-animatediff, docs/features.md */
        { "1girl, Masterpiece,\n0: closed mouth\n8: open mouth\nsmile", { 0, 8 },
          { "1girl, Masterpiece,, closed mouth, smile", "1girl, Masterpiece,, open mouth, smile" }, 2 },
        { "0: a\n1: b", { 0, 1 }, { ", a, ", ", b, " }, 2 },
        { "x\ny\n3: a\nz\n4: b\nw", { 3 }, { "x, y, a, z, 4: b, w" }, 1 },
        { "a\nb", { 0 }, { 0 }, 0 }, { "a\n8:b\n9: c", { 0 }, { 0 }, 0 }, { "a\n 8: b", { 0 }, { 0 }, 0 },
        { "8: ", { 0 }, { 0 }, 0 }, { "", { 0 }, { 0 }, 0 },
    };
    for (size_t i = 0; i < sizeof examples / sizeof *examples; i++) {
        Journey j = { .a = a, .text = examples[i].text, .frames = 16 };
        CHECK_MSG(!*travelling(&j) && j.travel.count == examples[i].count, "%s: %zu keys %s", j.text, j.travel.count,
                  j.message);
        for (size_t k = 0; k < examples[i].count && k < j.travel.count; k++)
            check_key(a, &j, k, examples[i].frame[k], examples[i].prompt[k]);
    }
    static const char *const wrong[][2] = {
        { "0: a\n16: b", "key at frame \"16\", but the clip's 16 frames are 0 to 15" },
        { "99999999999999999999: b", "frame \"99999999999999999999\"" },
        { "4: a\n2: b", "frame 2 stands behind the one at 4" }, { "4: a\n4: b", "rising order" },
    };
    for (size_t i = 0; i < 4; i++) {
        Journey j = { .a = a, .text = wrong[i][0], .frames = 16 };
        CHECK_MSG(strstr(travelling(&j), wrong[i][1]), "%s: %s", j.text, j.message);
    }
}

/* ---- chunks and embeddings -------------------------------------------------------------------- */

static const char FOLDER[] = "tests/golden/embeddings/";
static const char *const files[] = {
    "sks_face.safetensors", "EasyThings.pt", "first-kind.pt", "half.safetensors", "learned_embeds.safetensors",
    "learned_embeds_2.bin", "of-sd2.safetensors", "of-sdxl.safetensors", "sample-500.png", "sample-600.png",
    "sks_face profile.pt",
};
enum { FILES = sizeof files / sizeof *files };

typedef struct {
    Arena      *a;
    const char *path[FILES + 2];
    size_t      paths;
    Tokenizer  *tokenizer;
    Weights    *model;
    Embeddings *embeddings;
    const char *text;
    Chunk       chunk[MOST_CHUNKS];
    int         chunks;
    char        message[MESSAGE];
} Bench;

static void set_up(Bench *b, Arena *a)
{
    static const size_t shape[] = { VOCABULARY, WIDTH };
    Weight *w = allocate(a, 1, sizeof *w);
    *w = (Weight){ "te.text_model.embeddings.token_embedding.weight", w, F32, 2, shape, 0 };
    b->a = a;
    b->paths = 0;
    for (size_t i = 0; i < FILES; i++) b->path[b->paths++] = format(a, "%s%s", FOLDER, files[i]);
    b->model = weights_of(a, NULL, w, 1);
    b->tokenizer = tokenizer_new(a, file_map(a, "weights/merges.txt"), VOCABULARY);
    b->embeddings = embeddings_open(a, b->tokenizer, b->path, b->paths, NULL, 0, b->model);
}

static void work_chunks(void *bench)
{
    Bench *b = bench;
    memset(b->chunk, 0xee, sizeof b->chunk);
    b->chunks = chunks_tokenize(b->a, b->tokenizer, b->embeddings, b->text, "prompt", b->chunk);
}

/* Fills b->chunk -> "", or the message of the failure. */
static const char *chunking(Bench *b, const char *text)
{
    b->text = text;
    b->message[0] = 0;
    attempt(b->a, work_chunks, b, b->message);
    return b->message;
}

/* as tests/golden/chunks.txt has it: without the first token and the padding */
static char *written(const Bench *b)
{
    static char out[1 << 16];
    char *end = out;
    *out = 0;
    for (int i = 0; i < b->chunks; i++) {
        const Chunk *c = &b->chunk[i];
        int n = CONTEXT;
        while (n > 1 && c->id[n - 1] == VOCABULARY - 1 && c->weight[n - 1] == 1) n--;
        end += sprintf(end, "%s", i ? " / " : "");
        for (int k = 1; k < n; k++) {
            uint32_t bits;
            memcpy(&bits, &c->weight[k], sizeof bits);
            end += sprintf(end, "%s%d", k > 1 ? " " : "", c->id[k]);
            if (c->weight[k] != 1) end += sprintf(end, "*%08x", (unsigned)bits);
        }
        CHECK(c->id[0] == VOCABULARY - 2 && c->weight[0] == 1);
    }
    return out;
}

static void test_chunks(Arena *a)
{
    static char line[1 << 16], text[1 << 15];
    FILE *f = fopen("tests/golden/chunks.txt", "r");
    size_t lines = 0;
    while (f && fgets(line, sizeof line, f)) {
        size_t before = mark(a), n = 0;
        Bench *b = allocate(a, 1, sizeof *b);
        char *tab = strchr(line, '\t'), *end = strchr(line, '\n');
        if (!tab || !end) break;
        *tab = *end = 0;
        for (char *s = line; *s; s += 2, n++) text[n] = (char)strtol((char[]){ s[0], s[1], 0 }, NULL, 16);
        text[n] = 0;
        set_up(b, a);
        CHECK_MSG(!*chunking(b, text), "%s: %s", text, b->message);
        CHECK_MSG(!strcmp(written(b), tab + 1), "%s:\n     is %s\n expected %s", text, written(b), tab + 1);
        release(a, before);
        lines++;
    }
    CHECK_MSG(lines > 60, "%zu lines in tests/golden/chunks.txt: run from the repository's root", lines);
    if (f) fclose(f);
}

/* every container brings the vectors that were put into it */
static void test_containers(Arena *a)
{
    const WeightFile *expected = weights_open(a, "tests/golden/embeddings/expected.safetensors");
    for (size_t i = 0; i < expected->count; i++) {
        const Weight *w = &expected->weight[i];
        Bench *b = allocate(a, 1, sizeof *b);
        set_up(b, a);
        CHECK_MSG(!*chunking(b, w->name) && b->chunk[0].id[1] == VOCABULARY, "%s: %s", w->name, b->message);
        const float *rows = embeddings_rows(a, b->embeddings);
        int tokens = 1;
        while (tokens < CONTEXT && b->chunk[0].id[tokens] >= VOCABULARY) tokens++;
        CHECK_MSG((size_t)tokens == w->shape[0] + 1, "%s: %d vectors, expected %zu", w->name, tokens - 1, w->shape[0]);
        CHECK_MSG(!memcmp(rows, w->data, w->bytes), "%s: first vector begins %g, expected %g", w->name, (double)rows[0],
                  (double)dtype_value(w->data, F32, 0));
    }
    CHECK(expected->count == 9);
}

/* embeddings within a LoRA; the LoRA's own name is none */
static void test_bundle(Arena *a)
{
    const char *path = "tests/golden/embeddings/bundle.safetensors", *const lora[] = { path };
    const Weight *w = file_weight(weights_open(a, path), "bundle_emb.carried thing.string_to_param.*");
    Bench *b = allocate(a, 1, sizeof *b);
    set_up(b, a);
    b->embeddings = embeddings_open(a, b->tokenizer, b->path, b->paths, lora, 1, b->model);
    CHECK_MSG(!*chunking(b, "bundle carried thing, other"), "%s", b->message);
    int at = 1;
    while (at < CONTEXT && b->chunk[0].id[at] < VOCABULARY) at++;
    CHECK(at > 1 && b->chunk[0].id[at] == VOCABULARY && b->chunk[0].id[at + 1] == VOCABULARY + 1 &&
          b->chunk[0].id[at + 3] == VOCABULARY + 2);
    CHECK(w && !memcmp(embeddings_rows(a, b->embeddings), w->data, w->bytes));
    static const char wrong[] = "bundle.safetensors: this embedding's vectors are 768 wide, but the model's are 64";
    CHECK(strstr(chunking(b, "wide"), wrong));
}

static void keep_line(void *to, const char *line)
{
    strcat(to, line);
    strcat(to, "\n");
}

static void test_messages(Arena *a)
{
    static const char *const cases[][2] = {
        { "a of-sd2", "of-sd2.safetensors: this embedding's vectors are 1024 wide, but the model's are 64: it is for "
                      "Stable Diffusion 2" },
        { "of-sdxl", "of-sdxl.safetensors: this embedding is for SDXL" },
        { "notes", "notes.pt" },
        { "(a:1001)", "the prompt gives \"a\" the weight 1001, expected at most 1000" },
        { "(a:99999999999999)", "weight 1e+14" },
    };
    static const char expected[] =
        "embedding sks_face: 2 vectors, tests/golden/embeddings/sks_face.safetensors\n"
        "embedding half: 4 vectors, tests/golden/embeddings/half.safetensors\n"
        "warning: elsewhere/half.pt has the name \"half\" too and is not used; rename one of them\n";
    Bench *b = allocate(a, 1, sizeof *b);
    char path[] = "/tmp/persona-XXXXXX", said[MESSAGE] = "";
    if (!mkdtemp(path)) { CHECK_MSG(0, "no temporary folder"); return; }
    const char *broken = format(a, "%s/notes.pt", path);
    FILE *f = fopen(broken, "w");
    if (f) {
        fputs("these are only notes", f);
        fclose(f);
    }
    set_up(b, a);
    b->path[b->paths++] = broken;
    b->path[b->paths++] = "elsewhere/half.pt";
    b->embeddings = embeddings_open(a, b->tokenizer, b->path, b->paths, NULL, 0, b->model);
    for (size_t i = 0; i < sizeof cases / sizeof *cases; i++)
        CHECK_MSG(strstr(chunking(b, cases[i][0]), cases[i][1]), "%s: \"%s\"", cases[i][0], b->message);
    CHECK(!*chunking(b, "sks_face half"));
    embeddings_report(a, b->embeddings, keep_line, said);
    CHECK_MSG(!strcmp(said, expected), "%s", said);
    unlink(broken);
    rmdir(path);
}

/* ---- hostile prompts and files ---------------------------------------------------------------- */

static const char *repeated(Arena *a, const char *piece, size_t times, const char *tail)
{
    size_t n = strlen(piece);
    char *text = allocate(a, n * times + strlen(tail) + 1, 1), *end = text;
    for (size_t i = 0; i < times; i++, end += n) memcpy(end, piece, n);
    strcpy(end, tail);
    return text;
}

/* Each ends in chunks or in a message about the prompt, and soon. */
static void test_hostile_prompts(Arena *a)
{
    static const char *const pieces[] = {
        "(", "[", ")", "]", ":", "|", "\\", "[a:", "[a|", "(a", "[a", "a)", "(a:1.1)", "[a:b:2]", "AND ", " BREAK ",
        ":1.1)", "( [ ", "a, ", "\xff", "\xe2\x82", ",", " ", "\n", "1", "((a:0.5) ", "é", "easythings ",
    };
    for (size_t i = 0; i < sizeof pieces / sizeof *pieces; i++) {
        size_t before = mark(a);
        Bench *b = allocate(a, 1, sizeof *b);
        set_up(b, a);
        const char *text = repeated(a, pieces[i], 1000000 / strlen(pieces[i]), "x:2]");
        const PromptEdits *e = grammar_edits(a, text, STEPS, 0);
        grammar_split_and(a, text);
        const char *said = grammar_at_step(a, e, 0, 3);
        if (*chunking(b, said))
            CHECK_MSG(strstr(b->message, "the prompt "), "many times %s: %s", pieces[i], b->message);
        release(a, before);
    }
    size_t before = mark(a);
    Bench *b = allocate(a, 1, sizeof *b);
    set_up(b, a);
    CHECK_MSG(strstr(chunking(b, repeated(a, "(", 1000000, repeated(a, ")", 1000000, ""))),
                     "more than 1024 brackets open at once"), "%s", b->message);
    CHECK_MSG(strstr(chunking(b, repeated(a, "a portrait, ", 900000, "")),
                     "the prompt fills more than 64 chunks of 75 tokens; shorten it"), "%s", b->message);
    CHECK_MSG(strstr(chunking(b, repeated(a, "(a)", 60000, "(b:2)")), "64 chunks"), "%s", b->message);
    CHECK_MSG(strstr(chunking(b, repeated(a, "(a) ", 70000, "")), "more than 65536 stretches"), "%s", b->message);
    CHECK_MSG(strstr(chunking(b, repeated(a, "a", 1000000, "")), "64 chunks"), "%s", b->message);
    CHECK_MSG(strstr(chunking(b, repeated(a, "(", 1000, "x")), "weight 2.46993e+41"), "%s", b->message);
    CHECK_MSG(!*chunking(b, repeated(a, " ", 10000000, "")) && b->chunks == 1, "%s", b->message);
    release(a, before);
}

/* every prefix and every flipped bit of each file is an embedding or a message */
static void test_damaged_files(Arena *a)
{
    char folder[] = "/tmp/persona-XXXXXX";
    if (!mkdtemp(folder)) { CHECK_MSG(0, "no temporary folder"); return; }
    size_t tried = 0, used = 0;
    for (size_t i = 0; i < FILES; i++) {
        size_t before = mark(a);
        Bench *b = allocate(a, 1, sizeof *b);
        set_up(b, a);
        Bytes whole = file_map(a, b->path[i]);
        const char *path = format(a, "%s/x%s", folder, strrchr(files[i], '.'));
        for (size_t k = 0; k < 9 * whole.size; k += k < whole.size ? 7 : 11, tried++) {
            size_t here = mark(a);
            unsigned char *bytes = allocate(a, whole.size, 1);
            memcpy(bytes, whole.data, whole.size);
            if (k >= whole.size) bytes[(k - whole.size) / 8] ^= (unsigned char)(1u << (k - whole.size) % 8);
            FILE *f = fopen(path, "w");
            if (f) {
                fwrite(bytes, 1, k < whole.size ? k : whole.size, f);
                fclose(f);
            }
            b->embeddings = embeddings_open(a, b->tokenizer, &path, 1, NULL, 0, b->model);
            if (*chunking(b, "x")) {
                CHECK_MSG(strstr(b->message, path), "%s, %zu: %s", files[i], k, b->message);
            } else {
                embeddings_rows(a, b->embeddings);
                used++;
            }
            release(a, here);
        }
        release(a, before);
        unlink(path);
    }
    rmdir(folder);
    CHECK_MSG(used > 100 && used < tried, "%zu of %zu damaged files were used", used, tried);
}

int main(void)
{
    Arena *a = arena_new();
    if (!a) return 1;
    test_emphasis(a);
    test_and(a);
    test_editing(a);
    test_second_pass(a);
    test_travel(a);
    test_chunks(a);
    test_containers(a);
    test_bundle(a);
    test_messages(a);
    test_hostile_prompts(a);
    test_damaged_files(a);
    arena_free(a);
    return done();
}
