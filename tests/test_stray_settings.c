/* test_stray_settings.c - settings among the words of a file that a person wrote: the shapes that people type, what must
 * stay words, and texts that are cut and changed at every byte. */
#include "prompt.h"
#include "test.h"

#include <stdlib.h>
#include <string.h>

typedef struct { Arena *a; const char *text; size_t n; int is_stored; Request r; const char *told; } Read;

static void hear(void *to, const char *line)
{
    Read *r = to;
    r->told = format(r->a, "%s%s\n", r->told, line);
}

static void read_it(void *to)
{
    Read *r = to;
    PromptText t = { r->text, r->n, "p.txt", r->is_stored };
    prompt_read(r->a, &r->r, t, NULL, hear, r);
}

/* The request as infotext, without what is always printed. */
static const char *read_as(Arena *a, Read *r)
{
    char why[MESSAGE];
    r->a = a;
    r->n = strlen(r->text);
    r->told = "";
    if (attempt(a, read_it, r, why)) return format(a, "refused: %s", why);
    const Job *j = &r->r.job;
    const char *all = format(a, "%s|%s|", r->r.prompt, j->negative ? j->negative : "");
    if (j->steps) all = format(a, "%ssteps %d,", all, j->steps);
    if (j->cfg > 0) all = format(a, "%scfg %g,", all, j->cfg);
    if (r->r.seeded) all = format(a, "%sseed %d,", all, (int)j->seed);
    if (j->width) all = format(a, "%s%dx%d,", all, j->width, j->height);
    if (j->sampler) all = format(a, "%s%s,", all, j->sampler);
    if (r->r.model.text) all = format(a, "%smodel %s,", all, r->r.model.text);
    return all;
}

static const struct { const char *text, *as; } shapes[] = {
    { "a woman\nSteps: 20\nCFG: 7\n\nbeach", "a woman\n\nbeach||steps 20,cfg 7," },
    { "Steps: 20\na woman", "a woman||steps 20," },
    { "Steps: 20, CFG scale: 7\na woman", "a woman||steps 20,cfg 7," },
    { "Steps: 20\nSeed: 5\nPrompt: a woman\nNegative: bad", "a woman|bad|steps 20,seed 5," },
    { "Prompt: a woman\nNegative prompt: bad\nSteps: 20", "a woman|bad|steps 20," },
    { "a woman\nnegative prompt: bad\nSteps: 20\nworse", "a woman|bad\nworse|steps 20," },
    { "positive prompt: a woman\nSeed: 5\nnegative: bad", "a woman|bad|seed 5," },
    { "prompt = a woman\nnegative = bad\nsteps = 20\nseed=5", "a woman|bad|steps 20,seed 5," },
    { "a woman\nSeed = 5", "a woman||seed 5," },
    { "a woman\nSteps: 20\n\n# my comment", "a woman||steps 20," },
    { "# my comment\nSteps: 20\na woman", "a woman||steps 20," },
    { "a woman\nSteps: 20\n\n\n", "a woman||steps 20," },
    { "a woman\nSize: 512 x 768\nbeach", "a woman\nbeach||512x768," },
    { "```\na woman\nSteps: 20\n```", "a woman||steps 20," },
    { "- Prompt: a woman\n- Negative prompt: bad\n- Steps: 20", "a woman|bad|steps 20," },
    { "* Steps: 20\n* Seed: 5\na woman", "a woman||steps 20,seed 5," },
    { "> a woman\n> Steps: 20, Seed: 5", "> a woman||steps 20,seed 5," },
    { "1. Steps: 20\n2. Seed: 5\na woman", "a woman||steps 20,seed 5," },
    { "**Prompt:** a woman\n**Negative prompt:** bad\n**Steps:** 20", "a woman|bad|steps 20," },
    { "a woman\n`Steps: 20`", "a woman||steps 20," },
    { "a woman\n--steps 20\n--seed 5", "a woman||steps 20,seed 5," },
    { "a woman\n--steps=20 --cfg 7 --size 512x768", "a woman||steps 20,cfg 7,512x768," },
    { "a woman\n--steps 20\nbeach\n--neg bad, ugly", "a woman\nbeach|bad, ugly|steps 20," },
    { "a woman\n\"steps\": 20,\n\"seed\": 5", "a woman||steps 20,seed 5," },
    { "\xe2\x80\x9cSteps\xe2\x80\x9d: 20\na woman", "a woman||steps 20," },
    { "Steps: \xe2\x80\x9c" "20\xe2\x80\x9d\na woman", "a woman||steps 20," },
    { "Steps\xef\xbc\x9a" "20\na woman", "a woman||steps 20," },
    { "\xc2\xa0Steps:\xc2\xa0" "20\na woman", "a woman||steps 20," },
    { "\xef\xbb\xbfSteps: 20\r\na woman\r\nbeach", "a woman\nbeach||steps 20," },
    { "---\nprompt: a woman\nsteps: 20\nseed: 5\n---", "a woman||steps 20,seed 5," },
    { "---\nsteps: 20\nnegative: bad\n---\nworse", "|bad\nworse|steps 20," },
    { "sampler: euler a\na woman\nbeach", "a woman\nbeach||Euler a," },
    { "Model: toonyou_beta3.safetensors\na woman", "a woman||model toonyou_beta3.safetensors," },
    { "width: 512\nheight: 768\na woman", "a woman||512x768," },
    { "a woman. Negative prompt: bad", "a woman|bad|" },
    { "Steps: 20\na woman\nSteps: 25, Sampler: DDIM, CFG scale: 7, Seed: 5", "a woman||steps 25,cfg 7,seed 5,DDIM," },
};

/* What must stay words. */
static const char *const words[] = {
    "style: photo\na woman", "Title: a movie poster\na woman", "(steps:1.2), a woman\nbeach",
    "resolution: 8k\na woman", "model: kate moss\na woman", "Steps: many\na woman", "negative space: white\na woman",
    "0: smiling\n2: (sad:1.3)\n4: a woman", "seed of life, flower = 5\na woman", "a woman :0.9 AND a man :1.1",
    "size: large\na woman", "steps to the temple: 20 of them\na woman", "context: a beach\na woman", "a - b\n- c",
    "eta: carinae nebula\na woman", "a = b\nc", "frames: wooden\na woman", "a woman --no-hat\nbeach",
    "[a:b:0.5]\nbeach", "<lora:yumin:0.8> a woman\nbeach", "sampler: embroidery\na woman", "__hair__\n{a|b}",
};

static void test_shapes(Arena *a)
{
    for (size_t i = 0; i < sizeof shapes / sizeof *shapes; i++) {
        size_t before = mark(a);
        Read r = { .text = shapes[i].text };
        const char *as = read_as(a, &r);
        CHECK_MSG(!strcmp(as, shapes[i].as), "\"%s\" is read as \"%s\", expected \"%s\"", r.text, as, shapes[i].as);
        release(a, before);
    }
}

static void test_words(Arena *a)
{
    for (size_t i = 0; i < sizeof words / sizeof *words; i++) {
        size_t before = mark(a);
        Read r = { .text = words[i] };
        const char *as = read_as(a, &r);
        CHECK_MSG(!strcmp(as, format(a, "%s||", words[i])), "\"%s\" is read as \"%s\"", r.text, as);
        release(a, before);
    }
}

static void check_told(Arena *a, const char *text, const char *line)
{
    Read r = { .text = text };
    read_as(a, &r);
    CHECK_MSG(strstr(r.told, line), "\"%s\": \"%s\" is not in \"%s\"", text, line, r.told);
}

static void test_told(Arena *a)
{
    check_told(a, "Steps: 20\nSeed: 5\na woman", "p.txt: read as settings, though they stand among words: Steps: 20, Seed: 5");
    check_told(a, "a woman\nSteps: 20\n# note", "p.txt: not drawn as words: \"# note\"");
    check_told(a, "Steps: many\na woman", "p.txt: \"Steps:\" stands among words");
    check_told(a, "Steps: many\na woman\nNegative: bad", "p.txt: \"Steps:\" stands among words");
    check_told(a, "a woman, Negative: bad", "p.txt: \"Negative:\" stands within a line");
    check_told(a, "Steps: 20\na woman\nSteps: 25, Sampler: DDIM, Seed: 5", "Steps \"20\", as \"25\" comes after it and counts");
}

/* What a program stored is not looked at: its prompt may hold such a line. */
static void test_stored(Arena *a)
{
    Read r = { .text = "Steps: 20\na woman\nSteps: 25, Sampler: DDIM, Seed: 5", .is_stored = 1 };
    const char *as = read_as(a, &r);
    CHECK_MSG(!strcmp(as, "Steps: 20\na woman||steps 25,seed 5,DDIM,"), "%s", as);
}

/* Any bytes are read or refused; each text lies in memory of exactly its size. */
static void try_bytes(Arena *a, const char *text, size_t n)
{
    char why[MESSAGE];
    size_t before = mark(a);
    char *exact = malloc(n ? n : 1);
    if (!exact) abort();
    memcpy(exact, text, n);
    Read r = { .a = a, .text = exact, .n = n, .told = "" };
    int failed = attempt(a, read_it, &r, why);
    CHECK(!failed || *why);
    release(a, before);
    free(exact);
}

static void test_damage(Arena *a)
{
    char changed[256];
    for (size_t i = 0; i < sizeof shapes / sizeof *shapes; i++) {
        size_t n = strlen(shapes[i].text);
        for (size_t k = 0; k < n; k++) try_bytes(a, shapes[i].text, k);
        for (size_t k = 0; k < n * 8 && n < sizeof changed; k++) {
            memcpy(changed, shapes[i].text, n);
            changed[k / 8] ^= (char)(1 << k % 8);
            try_bytes(a, changed, n);
        }
    }
}

int main(void)
{
    Arena *a = arena_new();
    test_shapes(a);
    test_words(a);
    test_told(a);
    test_stored(a);
    test_damage(a);
    arena_free(a);
    return done();
}
