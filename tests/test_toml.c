/* test_toml.c - files of options: the lists of values that TOML and JSON give, against what Python's toml package
 * reads; and bytes that are no TOML. */
#include "config_file.h"
#include "test.h"

#include <stdlib.h>
#include <string.h>

typedef struct {
    Arena        *a;
    const char   *text;
    size_t        size;
    ConfigEntries all;
} Case;

static void read_toml(void *to)
{
    Case *c = to;
    c->all = toml_read(c->a, (Bytes){ (const unsigned char *)c->text, c->size }, "x.toml");
}

static void read_file(void *to)
{
    Case *c = to;
    file_give(c->a, "given", (Bytes){ (const unsigned char *)c->text, c->size });
    c->all = config_file_read(c->a, "given");
}

/* expected: "path=text" and so on, with '\n' between; of tables "path{" */
static void gives(Arena *a, const char *text, const char *expected)
{
    char why[MESSAGE] = "";
    Case c = { .a = a, .text = text, .size = strlen(text) };
    CHECK_MSG(!attempt(a, read_file, &c, why), "%s: %s", text, why);
    const char *found = "";
    for (size_t i = 0; i < c.all.count; i++) {
        const ConfigEntry *e = &c.all.entry[i];
        found = format(a, "%s%s%s%s%s", found, i ? "\n" : "", e->path, e->text ? "=" : "{", e->text ? e->text : "");
    }
    CHECK_MSG(!strcmp(found, expected), "%s: expected\n%s\nfound\n%s", text, expected, found);
}

static void refuses(Arena *a, const char *text, const char *words)
{
    char why[MESSAGE] = "";
    Case c = { .a = a, .text = text, .size = strlen(text) };
    int failed = attempt(a, read_file, &c, why);
    CHECK_MSG(failed && strstr(why, words), "%s: expected \"%s\", found %s", text, words, failed ? why : "nothing");
}

static const char dataset[] =
    "# kohya's documentation\n[general]\nshuffle_caption = true\ncaption_extension = '.txt'\nkeep_tokens = 1\n\n"
    "[[datasets]]\nresolution = 512\nbatch_size = 4\n  [[datasets.subsets]]\n  image_dir = 'C:\\hoge'\n"
    "  class_tokens = \"hoge girl\"\n  [[datasets.subsets]]\n  image_dir = \"C:\\\\fuga\"\n"
    "[[datasets]]\nresolution = [768, 512] # two\n  [[datasets.subsets]]\n  is_reg = true\n";

static void test_values(Arena *a)
{
    gives(a, dataset, "general.shuffle_caption=true\ngeneral.caption_extension=.txt\ngeneral.keep_tokens=1\ndatasets.0{\n"
          "datasets.0.resolution=512\ndatasets.0.batch_size=4\ndatasets.0.subsets.0{\n"
          "datasets.0.subsets.0.image_dir=C:\\hoge\ndatasets.0.subsets.0.class_tokens=hoge girl\ndatasets.0.subsets.1{\n"
          "datasets.0.subsets.1.image_dir=C:\\fuga\ndatasets.1{\ndatasets.1.resolution.0=768\n"
          "datasets.1.resolution.1=512\ndatasets.1.subsets.0{\ndatasets.1.subsets.0.is_reg=true");
    gives(a, "\xef\xbb\xbf" "a=1\r\nb = \"\"\r\n'c d'=2\n\"e\"=3", "a=1\nb=\nc d=2\ne=3");
    gives(a, "n = [1_000, +2.5, -3e-4, 0x1F, 0o17, 0b101,\n  # more\n 5e+22,]", "n.0=1000\nn.1=2.5\nn.2=-3e-4\nn.3=31\n"
          "n.4=15\nn.5=5\nn.6=5e+22");
    gives(a, "e = []\nt = {x = 1, y.z = \"q\"}\nd.f = true", "e=\nt{\nt.x=1\nt.y.z=q\nd.f=true");
    gives(a, "s = \"\"\"\nfirst\n\"two\" \\\n   three\"\"\"\nl = '''\nraw\\n'''\nq = \"\"\"a\"\"\"\"",
          "s=first\n\"two\" three\nl=raw\\n\nq=a\"");
    gives(a, "u = \"\\u00e9\\t\\U0001F600\"", "u=\xc3\xa9\t\xf0\x9f\x98\x80");
    gives(a, "{\"datasets\": [{\"resolution\": 512, \"subsets\": [{\"image_dir\": \"a\", \"flip\": false}]}], \"n\": null}",
          "datasets.0{\ndatasets.0.resolution=512\ndatasets.0.subsets.0{\ndatasets.0.subsets.0.image_dir=a\n"
          "datasets.0.subsets.0.flip=false");
    gives(a, "datasets = [{subsets = [{image_dir = 'a'}]}]", "datasets.0{\ndatasets.0.subsets.0{\n"
          "datasets.0.subsets.0.image_dir=a");
    gives(a, "[a]\n[a.b]\nx=1\n[[c.d]]\n[c.d.e]\nx=2", "a.b.x=1\nc.d.0{\nc.d.0.e.x=2");
}

static void test_refused(Arena *a)
{
    refuses(a, "a = 1\na = 2", "line 2: \"a\" is there twice");
    refuses(a, "a = 1\na.b = 2", "line 2: \"a\" is a value already");
    refuses(a, "a = 1\n[a]\nb=2", "line 2: \"a\" is a value already");
    refuses(a, "[a]\n[a]", "line 2: the table \"a\" is there twice");
    refuses(a, "a = [1]\n[[a]]", "line 2: \"a\" is there twice");
    refuses(a, "d = 1979-05-27", "is a date or a time");
    refuses(a, "d = 07:32:00", "is a date or a time");
    refuses(a, "a = yes", "\"yes\" is no value; text needs quotes");
    refuses(a, "a = C:\\dir", "");
    refuses(a, "a = \"C:\\dir\"", "paths of Windows go in '...'");
    refuses(a, "a = \"x", "a string that is never closed");
    refuses(a, "a = \"x\ny\"", "goes on over the end of its line");
    refuses(a, "a", "expected = behind a key");
    refuses(a, "= 1", "expected a key");
    refuses(a, "a = 1 b = 2", "more in a line than one value");
    refuses(a, "a = [1 2]", "expected , or ] in an array");
    refuses(a, "a = {x = 1", "expected , or } in an inline table");
    refuses(a, "a = 1__0", "not between digits");
    refuses(a, "a = 0xfffffffffffffffff", "too large");
    refuses(a, "a = \"\\ud800\"", "no character");
    refuses(a, "a = \"\\u0000\"", "no character");
    refuses(a, "\"a.b\" = 1", "a key with a dot");
    refuses(a, "a = \x01", "control character");
    refuses(a, "a = '\xff'", "not UTF-8");
    refuses(a, "a=[[[[[[[[[[[[[[[[[[[[[[[[1]]]]]]]]]]]]]]]]]]]]]]]]", "nested too deeply");
    refuses(a, "{\"a\": 1, \"a\": 2}", "\"a\" is there twice");
    refuses(a, "{\"a\": {\"b.c\": 2}}", "a key with a dot");
    refuses(a, "{\"a\": 1} x", "more behind the object");
}

/* Every cut and every flipped bit of a file is read, or refused; nothing else happens. */
static void test_damage(Arena *a)
{
    static const char text[] = "[a]\nb = [1_0, 'x', {c = \"\\u00e9\"}]\n[[d.e]]\nf = '''\nq'''\n[[d.e]]\ng.h = 0x1f # c\n";
    char why[MESSAGE];
    size_t read = 0, tried = 0;
    for (size_t i = 0; i < 9 * (sizeof text - 1); i++) {
        size_t before = mark(a);
        size_t at = i % (sizeof text - 1);
        size_t bit = i / (sizeof text - 1);
        size_t size = bit < 8 ? sizeof text - 1 : at;
        char *exact = malloc(size + !size);          /* so that the sanitizers see a byte too far */
        CHECK(exact != NULL);
        memcpy(exact, text, size);
        if (bit < 8) exact[at] = (char)(exact[at] ^ (1 << bit));
        Case c = { .a = a, .text = exact, .size = size };
        if (!attempt(a, read_toml, &c, why)) read++;
        tried++;
        free(exact);
        release(a, before);
    }
    CHECK_MSG(read > 20 && read < tried, "%zu of %zu were read", read, tried);
}

int main(void)
{
    Arena *a = arena_new();
    CHECK(a != NULL);
    test_values(a);
    test_refused(a);
    test_damage(a);
    arena_free(a);
    return done();
}
