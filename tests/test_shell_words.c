/* test_shell_words.c - command lines as text: the words that bash, cmd.exe and PowerShell would make of them, and any
 * bytes at all. */
#include "shell_words.h"
#include "test.h"

#include <stdlib.h>
#include <string.h>

typedef struct {
    Arena      *a;
    const char *text;
    size_t      size;
    ShellText   all;
} Case;

static void split(void *to)
{
    Case *c = to;
    c->all = shell_words(c->a, c->text, c->size, "x.sh");
}

/* expected: words with '|' between, commands with '\n' between */
static void gives(Arena *a, const char *text, const char *expected)
{
    char why[MESSAGE] = "";
    Case c = { .a = a, .text = text, .size = strlen(text) };
    CHECK_MSG(!attempt(a, split, &c, why), "%s: %s", text, why);
    Lines commands = { 0 };
    for (size_t i = 0; i < c.all.count; i++) lines_add(a, &commands, lines_joined(a, &c.all.command[i], "|"));
    const char *found = lines_joined(a, &commands, "\n");
    CHECK_MSG(!strcmp(found, expected), "%s: expected\n%s\nfound\n%s", text, expected, found);
}

static void refuses(Arena *a, const char *text, size_t size, const char *words)
{
    char why[MESSAGE] = "";
    Case c = { .a = a, .text = text, .size = size };
    int failed = attempt(a, split, &c, why);
    CHECK_MSG(failed && strstr(why, words), "%s: expected \"%s\", found %s", text, words, failed ? why : "nothing");
}

static void test_words(Arena *a)
{
    gives(a, "a b  c\t d\n", "a|b|c|d");
    gives(a, "a 'b c' \"d e\"f '' # no\ng", "a|b c|d ef|\ng");
    gives(a, "a \\\n b ^ \r\n c `\n d\ne", "a|b|c|d\ne");
    gives(a, "run --a 1\n  --b 2\n--c\n\nnext", "run|--a|1|--b|2|--c\nnext");
    gives(a, "a \\\"b\\\" \"c\\\"d\" 'e\\' C:\\new\\x\\ y", "a|\"b\"|c\"d|e\\|C:\\new\\x y");
    gives(a, "a; b && c | d", "a\nb\nc\nd");
    gives(a, "\xef\xbb\xbf" "a\r\nb", "a\nb");
}

static void test_variables(Arena *a)
{
    gives(a, "export M=\"x y\"\nrun $M ${M}z '$M' \"$M\"", "run|x y|x yz|$M|x y");
    gives(a, "set M=x\nrun %M% 5% 100%% %N%", "run|x|5%|100%%|%N%");
    gives(a, "$M = \"x\"\n$env:N = 'y'\nrun $M $env:N", "run|x|y");
    gives(a, "A=1 B=2\nrun $A$B$C", "run|12$C");
    Case c = { .a = a, .text = "run $A ${B} $5", .size = 14 };
    char why[MESSAGE];
    CHECK(!attempt(a, split, &c, why) && c.all.unset.count == 3 && !strcmp(c.all.unset.line[1], "B"));
}

static void test_refused(Arena *a)
{
    refuses(a, "a\nb 'c\nd", 7, "x.sh, line 2: a quote is opened and never closed");
    refuses(a, "a\0b", 3, "holds NUL bytes");
}

/* Every cut and every flipped bit: in memory of exactly that size. */
static void test_damage(Arena *a)
{
    static const char text[] = "export M='x'\nrun \"$M\" ${M} %M% \\\n --b=\"q\\\"r\" `\n 'c' # d\n$N = \"e\"; f";
    enum { LENGTH = sizeof text - 1 };
    char why[MESSAGE];
    size_t read = 0;
    for (size_t i = 0; i < 9 * LENGTH; i++) {
        size_t before = mark(a);
        size_t at = i % LENGTH;
        size_t bit = i / LENGTH;
        size_t size = bit < 8 ? LENGTH : at;
        char *exact = malloc(size + !size);
        CHECK(exact != NULL);
        memcpy(exact, text, size);
        if (bit < 8) exact[at] = (char)(exact[at] ^ (1 << bit));
        Case c = { .a = a, .text = exact, .size = size };
        if (!attempt(a, split, &c, why)) read++;
        free(exact);
        release(a, before);
    }
    CHECK_MSG(read > LENGTH, "%zu were read", read);
}

int main(void)
{
    Arena *a = arena_new();
    CHECK(a != NULL);
    test_words(a);
    test_variables(a);
    test_refused(a);
    test_damage(a);
    arena_free(a);
    return done();
}
