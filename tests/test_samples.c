/* test_samples.c - prompt files for sample images: kohya's lines with their options, infotext, and what is refused. */
#include "samples.h"
#include "test.h"

#include <stdlib.h>
#include <string.h>

typedef struct { Arena *a; const char *text; size_t n; SamplePrompts s; } Read;

static void read_it(void *to)
{
    Read *r = to;
    r->s = sample_prompts_read(r->a, r->text, r->n, "f.txt", NULL, NULL);
}

static SamplePrompts of(Arena *a, const char *text)
{
    char why[MESSAGE];
    Read r = { a, text, strlen(text), { NULL, 0 } };
    int failed = attempt(a, read_it, &r, why);
    CHECK_MSG(!failed, "\"%s\": %s", text, why);
    return failed ? (SamplePrompts){ NULL, 0 } : r.s;
}

static void refuses(Arena *a, const char *text, const char *words)
{
    char why[MESSAGE];
    Read r = { a, text, strlen(text), { NULL, 0 } };
    int failed = attempt(a, read_it, &r, why);
    CHECK_MSG(failed && strstr(why, words), "\"%s\": expected \"%s\", found %s", text, words, failed ? why : "nothing");
}

static int is(const char *a, const char *b) { return a && !strcmp(a, b); }

static void test_lines(Arena *a)
{
    SamplePrompts s = of(a, "# comment\n\n"
                            "  a woman, best--quality -- really --n low, worst --w 256 --h 320 --d 12345 --l 7.5 "
                            "--s 28 --ss dpm++ 2m\r\n"
                            "#--w\n"
                            "second <lora:x:0.5> --w 64\n"
                            "third --d 3 --frames 16 --motion m");
    CHECK(s.count == 3);
    if (s.count != 3) return;
    const Request *r = s.request;
    CHECK(is(r[0].prompt, "a woman, best--quality -- really") && is(r[0].job.negative, "low, worst"));
    CHECK(r[0].job.width == 256 && r[0].job.height == 320 && r[0].job.frames == 1);
    CHECK(r[0].job.seed == 12345 && r[0].seeded && r[0].job.cfg == 7.5);
    CHECK(r[0].job.steps == 28 && is(r[0].job.sampler, "DPM++ 2M"));
    CHECK(is(r[1].prompt, "second <lora:x:0.5>") && r[1].tags == 1 && r[1].job.width == 64 && r[1].job.height == 64);
    CHECK(!r[1].seeded && !r[1].job.steps && r[1].job.frames == 1);
    CHECK(is(r[2].prompt, "third") && r[2].job.frames == 16 && is(r[2].motion.text, "m") && !r[2].job.width);
}

static void test_infotext(Arena *a)
{
    SamplePrompts s = of(a, "a woman\nin two lines\nNegative prompt: low\nSteps: 7, Size: 64x128, Seed: 3");
    CHECK(s.count == 1 && is(s.request[0].prompt, "a woman\nin two lines"));
    CHECK(s.request[0].job.steps == 7 && s.request[0].job.height == 128 && s.request[0].job.frames == 0);
    CHECK(of(a, "a woman\nsecond").count == 2 && of(a, "a woman\nNegative prompt: low").count == 1);
    CHECK(of(a, "\xef\xbb\xbf" "a woman\n").count == 1);
}

static void test_refused(Arena *a)
{
    refuses(a, "", "f.txt: no prompt to draw samples of");
    refuses(a, "\n# only this\n", "no prompt to draw samples of");
    refuses(a, "one\ntwo --s", "f.txt, line 2: --s needs a value behind it");
    refuses(a, "one --w --h 64", "f.txt, line 1: --w needs a value");
    refuses(a, "one --w 63", "--w and --h");
    refuses(a, "one --s 0", "f.txt, line 1: --s");
    refuses(a, "one --s many", "f.txt, line 1: --s");
    refuses(a, "one --q 3", "--q\" is no option of a sample");
    refuses(a, "one --strange 3", "--strange\" is no option of a sample");
    refuses(a, "one\nX: Steps: 3, Steps: 3", "");
    char why[MESSAGE];
    Read r = { a, "one\0two", 7, { NULL, 0 } };
    CHECK(attempt(a, read_it, &r, why) && strstr(why, "NUL"));
}

int main(void)
{
    Arena *a = arena_new();
    CHECK(a != NULL);
    test_lines(a);
    test_infotext(a);
    test_refused(a);
    arena_free(a);
    return done();
}
