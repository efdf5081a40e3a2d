/* test_dynamic.c - dynamic prompts: what is drawn and what stays as it is, wildcard files, templates in infotext,
 * hostile text; and words that belong to other programs. */
#define _XOPEN_SOURCE 700
#include "chars.h"
#include "drawn_prompts.h"
#include "dynamic_prompt.h"
#include "foreign_prompt.h"
#include "prompt.h"
#include "test.h"

#include <stdlib.h>
#include <sys/stat.h>
#include <unistd.h>

enum { CIRCLES = 20 };

static char folder[] = "/tmp/test_dynamicXXXXXX";

static void write_file(Arena *a, const char *name, const char *text)
{
    FILE *f = fopen(format(a, "%s/%s", folder, name), "w");
    if (!f) abort();
    fputs(text, f);
    fclose(f);
}

static Wildcards *make_wildcards(Arena *a)
{
    static const char *folders[1];
    if (!mkdtemp(folder)) abort();
    mkdir(format(a, "%s/people", folder), 0700);
    write_file(a, "one.txt", "\xef\xbb\xbf# about\n\nred\r\n");
    write_file(a, "three.txt", "a\nb\nc");
    write_file(a, "never.txt", "0::x\n3::y");
    write_file(a, "empty.txt", "# nothing\n");
    write_file(a, "people/Hair.txt", "{long|long} __one__ hair");
    write_file(a, "people/names.txt", "${who:Ada} of __one__");
    write_file(a, "colour-warm.txt", "red");
    write_file(a, "colour-cold.txt", "red");
    write_file(a, "loop.txt", "x __loop__");
    write_file(a, "my.txt", "never");
    for (int i = 0; i < CIRCLES; i++) CHECK(!symlink("..", format(a, "%s/people/to%d", folder, i)));
    folders[0] = folder;
    return wildcards_new(a, folders, 1);
}

static void remove_wildcards(Arena *a)
{
    for (int i = 0; i < CIRCLES; i++) remove(format(a, "%s/people/to%d", folder, i));
    static const char *const names[] = { "one", "three", "never", "empty", "people/Hair", "people/names", "colour-warm",
                                         "colour-cold", "loop", "my" };
    for (size_t i = 0; i < sizeof names / sizeof *names; i++) remove(format(a, "%s/%s.txt", folder, names[i]));
    rmdir(format(a, "%s/people", folder));
    rmdir(folder);
}

typedef struct { Arena *a; Wildcards *w; const char *text; uint64_t seed; const char *drawn, *missing; } Drawing;

static void draw(void *to)
{
    Drawing *t = to;
    DynamicPrompt d = dynamic_prompt_begin(t->a, t->w, t->seed);
    t->drawn = dynamic_prompt_draw(&d, t->text);
    t->missing = d.missing;
}

/* What comes out with a seed, or the message. */
static const char *drawn(Arena *a, Wildcards *w, const char *text, uint64_t seed)
{
    static char why[MESSAGE];
    Drawing t = { .a = a, .w = w, .text = text, .seed = seed };
    return attempt(a, draw, &t, why) ? why : t.drawn;
}

/* ---- what is certain, whatever the seed ---- */

static void test_certain(Arena *a, Wildcards *w)
{
    static const struct { const char *text, *drawn; } cases[] = {
        { "a cat", "a cat" },
        { "{word} and {{more}} (a:1.2) [b|c] \\( ", "{word} and {{more}} (a:1.2) [b|c] \\( " },
        { "a { b", "a { b" },
        { "a } | b", "a } | b" },
        { "_a_ b_ __ c", "_a_ b_ __ c" },
        { "$ $$ 5$ ${", "$ $$ 5$ ${" },
        { "{a|a}", "a" },
        { "{ a | a } b", " a  b" },
        { "{|} x", " x" },
        { "{{a|a}|{a|a}}{b|b}", "ab" },
        { "\\{a|b\\}", "{a|b}" },
        { "{0::a|1::b}", "b" },
        { "{ 0.0::a| 2::b}", "b" },
        { "{2$$a|a}", "a,a" },
        { "{2$$ and $$a|a|a}", "a and a" },
        { "{9$$, $$a|a}", "a, a" },
        { "{-1$$a|a}", "a" },
        { "{2-2$$a|a|a}", "a,a" },
        { "{0$$a|b}x", "x" },
        { "{1$$a}", "a" },
        { "{x$$a|x$$a}", "x$$a" },
        { "__one__ cat", "red cat" },
        { "{__one__|__one__}", "red" },
        { "{2$$__one__}", "red" },
        { "__never__", "y" },
        { "__people/hair__", "long red hair" },
        { "__hair__", "long red hair" },
        { "__colour*__", "red" },
        { "__people/names__", "Ada of red" },
        { "__people/names(who=Bo)__", "Bo of red" },
        { "<lora:__one__:{1|1}>", "<lora:red:1>" },
        { "<lora:a__b__c:1> x__y__z", "<lora:a__b__c:1> x__y__z" },
        { "${c=!{a|a}}${c} ${c}", "a a" },
        { "${c={a|a}} ${c}", " a" },
        { "${c=a}${c?=b}${c}", "a" },
        { "${c?=b}${c}", "b" },
        { "${c:d {e|e}}", "d e" },
    };
    for (size_t i = 0; i < sizeof cases / sizeof *cases; i++)
        for (uint64_t seed = 0; seed < 5; seed++) {
            const char *got = drawn(a, w, cases[i].text, seed);
            CHECK_MSG(!strcmp(got, cases[i].drawn), "%s: drawn as \"%s\", expected \"%s\"", cases[i].text, got,
                      cases[i].drawn);
        }
}

/* ---- chance ---- */

static void test_chance(Arena *a, Wildcards *w)
{
    enum { SEEDS = 2000 };
    int heavy = 0, three = 0, pairs[3] = { 0 }, later = 0;
    for (uint64_t seed = 0; seed < SEEDS; seed++) {
        heavy += !strcmp(drawn(a, w, "{3::a|b}", seed), "a");
        three += !strcmp(drawn(a, w, "__three__", seed), "c");
        const char *two = drawn(a, w, "{2$$a|b|c}", seed);
        CHECK_MSG(strlen(two) == 3 && two[0] != two[2], "%s", two);
        pairs[two[0] - 'a']++;
        const char *again = drawn(a, w, "${c=!__three__}${c}${c} ${d=__three__}${d}${d}", seed);
        CHECK_MSG(again[0] == again[1], "%s", again);
        later += again[3] != again[4];
        CHECK(!strcmp(again, format(a, "%s", drawn(a, w, "${c=!__three__}${c}${c} ${d=__three__}${d}${d}", seed))));
    }
    CHECK_MSG(heavy > 1400 && heavy < 1600, "%d of 2000 for a weight of 3 to 1", heavy);
    CHECK_MSG(three > 590 && three < 745, "%d of 2000 for one of three lines", three);
    for (int i = 0; i < 3; i++) CHECK_MSG(pairs[i] > 590 && pairs[i] < 745, "%d of 2000 begin with one of three", pairs[i]);
    CHECK_MSG(later > 1200 && later < 1470, "%d of 2000 differ where two in three should", later);
    CHECK(!strcmp(drawn(a, w, "{@a|b|c}", 0), "a") && !strcmp(drawn(a, w, "{@a|b|c}", 1), "b"));
    CHECK(!strcmp(drawn(a, w, "__@three__", 5), "c"));
    /* "abc"[int.from_bytes(numpy.random.RandomState(s).bytes(4), "little") * 3 >> 32] for s in 0..9 */
    static const char expected[] = "bbbbcacaca";
    char got[11] = { 0 };
    for (uint64_t seed = 0; seed < 10; seed++) got[seed] = *drawn(a, w, "{a|b|c}", seed);
    CHECK_MSG(!strcmp(got, expected), "the first draws are %s", got);
}

/* ---- what is missing, and what goes too far ---- */

static void test_missing(Arena *a, Wildcards *w)
{
    Drawing t = { .a = a, .w = w, .text = "__on__ {a|a __nope__} ${v} __empty__ __on__" };
    char why[MESSAGE];
    CHECK(!attempt(a, draw, &t, why) && t.missing);
    const char *missing = t.missing ? t.missing : "";
    CHECK_MSG(strstr(missing, "\"__on__\"") && strstr(missing, "did you mean __one__?"), "%s", missing);
    CHECK_MSG(strstr(missing, "\"__nope__\"") && strstr(missing, "\"v\"") && strstr(missing, "\"__empty__\""), "%s",
              missing);
    CHECK_MSG(strstr(missing, "empty.txt has no lines") && !strstr(missing, "mean __empty__"), "%s", missing);
    const char *first = strstr(missing, "\"__on__\"");
    CHECK_MSG(first && !strstr(first + 1, "\"__on__\""), "told twice: %s", missing);
    CHECK(strstr(drawn(a, w, "__loop__", 1), "deep in each other"));
    CHECK(strstr(drawn(a, w, "${a={${a}|${a}}}${a}", 1), "circle"));
    CHECK(strstr(drawn(a, NULL, "${a=xxxxxxxxxxxxxxxxxxxx}${b=${a}${a}${a}${a}${a}${a}${a}${a}${a}${a}}"
                                "${c=${b}${b}${b}${b}${b}${b}${b}${b}${b}${b}${b}}${d=${c}${c}${c}${c}${c}${c}${c}${c}${c}}"
                                "${e=${d}${d}${d}${d}${d}${d}${d}${d}${d}${d}${d}}${f=${e}${e}${e}${e}${e}${e}${e}${e}}"
                                "${f}${f}${f}${f}${f}${f}${f}", 1), "more than"));
}

static void test_hostile(Arena *a, Wildcards *w)
{
    static const char text[] = "{1-2$$ & $$__one__|<lora:a:{1|2}>|\\{${c=!{x|__three__}}${c:d}} __people/names(who=b)__";
    char *copied = format(a, "%s", text);
    for (size_t i = 0; i < sizeof text - 1; i++) {
        for (int bit = 0; bit < 8; bit++) {
            copied[i] = (char)(text[i] ^ (1 << bit));
            CHECK(*drawn(a, w, copied, i) || !*copied);
        }
        copied[i] = 0;
        CHECK(drawn(a, w, copied, i) != NULL);
        copied[i] = text[i];
    }
    enum { LINES = 500000 };
    char *lines = allocate(a, 2 * LINES + 1, 1);
    for (size_t i = 0; i < LINES; i++) memcpy(lines + 2 * i, "x\n", 3);
    write_file(a, "three.txt", lines);
    const char *refused = drawn(a, w, "{4096$$__three__}", 1);
    CHECK_MSG(strstr(refused, "too often from lists that are too long"), "%.80s", refused);
    CHECK(!strcmp(drawn(a, w, "{3$$__three__}", 1), "x,x,x"));
    write_file(a, "three.txt", "a\nb\nc");
    enum { LONG = 900000 };
    static const char *const pieces[] = { "{", "}", "{x", "{a|", "__", "__a", "${", "<a:", "\\", "{1$$", "# " };
    for (size_t k = 0; k < sizeof pieces / sizeof *pieces; k++) {
        size_t before = mark(a), n = strlen(pieces[k]);
        char *many = allocate(a, LONG + 8, 1);
        for (size_t i = 0; i < LONG; i += n) memcpy(many + i, pieces[k], n + 1);
        const char *got = drawn(a, NULL, many, 1);
        CHECK(got && *got);
        CHECK(dynamic_prompt_uncomment(a, many) != NULL);
        foreign_prompt_warning(a, many);
        release(a, before);
    }
}

/* ---- comments, and prompts of a request ---- */

static void test_comments(Arena *a)
{
    static const struct { const char *text, *left; } cases[] = {
        { "# all", "" },
        { "# one\na\n#two\nb", "a\nb" },
        { "a # two\nb", "a \nb" },
        { "a #1 #ff0000 C# b#c", "a #1 #ff0000 C# b#c" },
        { "a #", "a" },
    };
    for (size_t i = 0; i < sizeof cases / sizeof *cases; i++) {
        const char *got = dynamic_prompt_uncomment(a, cases[i].text);
        CHECK_MSG(!strcmp(got, cases[i].left), "\"%s\" becomes \"%s\"", cases[i].text, got);
    }
}

static void keep_line(void *to, const char *line)
{
    snprintf(to, MESSAGE, "%s", line);
}

static Request request_of(Arena *a, const char *text)
{
    Request r;
    prompt_parse(a, &r, text, strlen(text), "p.txt", NULL, NULL);
    return r;
}

static void test_requests(Arena *a, Wildcards *w)
{
    Request r = request_of(a, "# mine\na {red|red} embedding:face, <lora:{x|x}:0.5>\nNegative prompt: {hat|hat}\n"
                              "Steps: 3, Seed: 1");
    prompts_draw(a, &r, w, "p.txt");
    CHECK_MSG(!strcmp(r.job.prompt, "a red face, ") && !strcmp(r.job.negative, "hat"), "%s", r.job.prompt);
    CHECK(r.tags == 1 && !strcmp(r.tag[0].name.text, "x"));
    const char *text = prompt_infotext(a, &r);
    CHECK_MSG(strstr(text, "\nTemplate: a {red|red} face, <lora:{x|x}:0.5>\nNegative Template: {hat|hat}"), "%s", text);

    Request again = request_of(a, text);                /* the way back: drawn already, and the same text */
    CHECK(again.is_prompt_drawn && again.is_negative_drawn);
    again.job.seed = 99;
    prompts_draw(a, &again, NULL, "p.txt");
    again.job.seed = 1;
    CHECK_MSG(!strcmp(prompt_infotext(a, &again), text), "%s", prompt_infotext(a, &again));
    prompt_set(a, &again, "prompt", "a {blue|blue} cat");               /* words of one's own are drawn again */
    prompts_draw(a, &again, w, "p.txt");
    CHECK(!strcmp(again.job.prompt, "a blue cat") && !strcmp(again.prompt_template, "a {blue|blue} cat"));

    Request lines = request_of(a, "a\n{b|b} \"c\"\nSteps: 3");
    prompts_draw(a, &lines, w, "p.txt");
    text = prompt_infotext(a, &lines);
    CHECK_MSG(strstr(text, "\nTemplate: \"a\\n{b|b} \\\"c\\\"\""), "%s", text);
    Request read = request_of(a, text);
    CHECK_MSG(!strcmp(read.prompt_template, "a\n{b|b} \"c\""), "%s", read.prompt_template);

    Request off = request_of(a, "a {b|c} __x__\nSteps: 3, Dynamic prompts: off");
    prompts_draw(a, &off, w, "p.txt");
    CHECK(!strcmp(off.job.prompt, "a {b|c} __x__") && strstr(prompt_infotext(a, &off), "Dynamic prompts: off"));
    Request plain = request_of(a, "a {b} (c:1.2)\nSteps: 3");
    prompts_draw(a, &plain, w, "p.txt");
    CHECK(!strcmp(plain.job.prompt, "a {b} (c:1.2)") && !strstr(prompt_infotext(a, &plain), "Template"));

    char told[MESSAGE] = "";
    Request tag = request_of(a, "a cat\nNegative prompt: <lora:x:1> dog\nSteps: 3");
    prompt_warn(a, &tag, "p.txt", keep_line, told);
    CHECK_MSG(strstr(told, "1 LoRA tag in the negative prompt left out"), "%s", told);
}

/* ---- words of other programs ---- */

static void test_foreign_words(Arena *a)
{
    static const struct { const char *text, *words; } cases[] = {
        { "a cat, (b:1.2), [c|d], C++ code, self-made, e--f, 3:2, half-", NULL },
        { "a cat --ar 16:9 --v 5", "\"--ar 16:9\" (an option of another program; here Size: 680x384)" },
        { "a cat --ar 2:3", "\"--ar 2:3\" (an option of another program; here Size: 416x624)" },
        { "a cat --v 5", "\"--v 5\" (an option of another program; leave it out)" },
        { "a cat --no dogs", "here Negative prompt: ..." },
        { "a red++ cat", "\"red++\" (InvokeAI; here (red:1.21))" },
        { "a (red cat)1.3, b", "(words:1.3)" },
        { "a (red cat)++", "(words:1.21)" },
        { "(\"a\", \"b\").blend(0.7, 0.3)", "\".blend(\"" },
        { "a cat::2 dog", "\"::2\" (Midjourney; here (words:2))" },
        { "a {{red}} cat", "\"{{red}}\" (NovelAI; here (words:1.1))" },
        { "a ADDCOMM b", "\"ADDCOMM\"" },
    };
    for (size_t i = 0; i < sizeof cases / sizeof *cases; i++) {
        const char *got = foreign_prompt_warning(a, cases[i].text);
        int is_right = cases[i].words ? got && strstr(got, cases[i].words) : !got || strstr(cases[i].text, "C++");
        CHECK_MSG(is_right, "%s: %s", cases[i].text, got ? got : "nothing said");
    }
    CHECK(!strcmp(foreign_prompt_compel(a, "a+ (b c)- (d) e- well-known (f"),
                  "(a:1.1) (b c:0.9) (d:1) (e:0.9) well-known (f:1)"));
    CHECK(!strcmp(foreign_prompt_novelai(a, "{a, [b]} 1.5::c:: d} e{"), "(a, (b:0.9524):1.05) (c:1.5) d} e(:1.05)"));
}

int main(void)
{
    Arena *a = arena_new();
    Wildcards *w = make_wildcards(a);
    test_certain(a, w);
    test_chance(a, w);
    test_missing(a, w);
    test_hostile(a, w);
    test_comments(a);
    test_requests(a, w);
    test_foreign_words(a);
    remove_wildcards(a);
    arena_free(a);
    return done();
}
