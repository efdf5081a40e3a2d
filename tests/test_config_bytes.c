/* test_config_bytes.c - the user's config of any bytes: as it is typed, cut at every byte, and with every bit flipped. */
#include "test.h"
#include "user_config.h"

#include <stdlib.h>
#include <string.h>

static const char TYPED[] = "\n# mine\nWeights: \"/data/my models\"  # on a disk\nWeights: beside\nModel = toonyou\n"
                            "Size: 512 * 770\nsteps: 30 # many\nNegative prompt: a, b#c\nSteps: 31\n"
                            "Stepz: 4\nCFG scale: abc\nPrompt: no\nthreads: 2";

static UserConfig *parse(Arena *a, const char *bytes, size_t n)
{
    return user_config_parse(a, "/etc/persona/config", (Bytes){ (const unsigned char *)bytes, n });
}

static const char *value_of(const UserConfig *c, const char *flag)
{
    for (size_t i = 0; i < c->settings; i++)
        if (!strcmp(c->setting[i].setting->flag, flag)) return c->setting[i].value;
    return "";
}

static void test_typed(Arena *a, const char *bytes, size_t n)
{
    const UserConfig *c = parse(a, bytes, n);
    CHECK(c->folders == 2);
    CHECK(!strcmp(c->folder[0].text, "/data/my models"));
    CHECK(!strcmp(c->folder[1].text, "/etc/persona/beside"));
    CHECK(!strcmp(c->folder[1].label, "/etc/persona/config: line 4: Weights"));
    CHECK(c->settings == 5);
    CHECK(!strcmp(value_of(c, "model"), "toonyou"));
    CHECK(!strcmp(value_of(c, "size"), "512x768"));
    CHECK(!strcmp(value_of(c, "steps"), "31"));
    CHECK(!strcmp(value_of(c, "negative"), "a, b#c"));
    CHECK(!strcmp(value_of(c, "threads"), "2"));
    const char *told = user_config_told(a, c);
    CHECK_MSG(told && !strcmp(told, "/etc/persona/config: left out: line 9: Steps stands above too; this line counts; "
                                    "line 10: \"Stepz\" is no setting (did you mean Steps?); line 11: CFG scale is "
                                    "\"abc\", expected a number from 0.1 to 100; line 12: Prompt belongs to one picture, "
                                    "and this file to all"), "%s", told);
}

/* What Windows' Notepad makes of it. */
static void test_notepad(Arena *a)
{
    char *bytes = allocate(a, 4 * sizeof TYPED, 1);
    size_t n = 0;
    memcpy(bytes, "\xff\xfe", 2);
    n = 2;
    for (const char *s = TYPED; *s; s++) {
        if (*s == '\n') memcpy(bytes + n, "\r\0", 2);
        if (*s == '\n') n += 2;
        bytes[n++] = *s;
        bytes[n++] = 0;
    }
    test_typed(a, bytes, n);
}

/* Nothing fails, and what is told can be printed. */
static void check_survives(Arena *a, const char *bytes, size_t n)
{
    size_t before = mark(a);
    char *exact = malloc(n ? n : 1);
    if (!exact) abort();
    memcpy(exact, bytes, n);
    const UserConfig *c = parse(a, exact, n);
    const char *told = user_config_told(a, c);
    for (const char *s = told ? told : ""; *s; s++)
        if ((unsigned char)*s < ' ') CHECK_MSG(0, "byte %d is told", *s);
    checks.passed++;
    release(a, before);
    free(exact);
}

static void test_damaged(Arena *a)
{
    char bytes[sizeof TYPED];
    size_t size = sizeof TYPED - 1;
    memcpy(bytes, TYPED, sizeof TYPED);
    for (size_t n = 0; n <= size; n++) check_survives(a, bytes, n);
    for (size_t bit = 0; bit < 8 * size; bit++) {
        bytes[bit / 8] ^= (char)(1 << bit % 8);
        check_survives(a, bytes, size);
        bytes[bit / 8] ^= (char)(1 << bit % 8);
    }
}

static void test_large(Arena *a)
{
    enum { SIZE = 64 << 10 };
    char *bytes = allocate(a, SIZE + 1, 1);
    for (size_t i = 0; i < SIZE + 1; i++) bytes[i] = "Weights: a\n"[i % 11];
    const UserConfig *c = parse(a, bytes, SIZE);
    CHECK(c->folders == MOST_FOLDERS);
    CHECK(strstr(user_config_told(a, c), "line 65: more than 64 folders"));
    CHECK(strstr(user_config_told(a, parse(a, bytes, SIZE + 1)), "all of it: 65537 bytes, expected at most 65536"));
    CHECK(strstr(user_config_told(a, parse(a, "Steps: \0", 8)), "all of it: no text"));
    CHECK(!user_config_told(a, parse(a, "", 0)));
}

int main(void)
{
    Arena *a = arena_new();
    if (!a) return 1;
    test_typed(a, TYPED, sizeof TYPED - 1);
    test_notepad(a);
    test_damaged(a);
    test_large(a);
    arena_free(a);
    return done();
}
