/* test.h - a test is a program: CHECK what must hold, and end main with `return done();`. */
#ifndef TEST_H
#define TEST_H
#include <stdio.h>
#include <string.h>

static struct { int passed, failed; } checks;

#define CHECK(cond) CHECK_MSG(cond, "%s", #cond)
#define CHECK_MSG(cond, ...) do {                                   \
        if (cond) { checks.passed++; break; }                       \
        checks.failed++;                                            \
        fprintf(stderr, "%s:%d: ", __FILE__, __LINE__);             \
        fprintf(stderr, __VA_ARGS__);                               \
        fputc('\n', stderr);                                        \
    } while (0)

/* "test_gif: 123 passed, 0 failed", and the exit status that says so. */
#define done() done_with(__FILE__)
static int done_with(const char *file)
{
    const char *slash = strrchr(file, '/'), *name = slash ? slash + 1 : file;
    printf("%.*s: %d passed, %d failed\n", (int)strcspn(name, "."), name, checks.passed, checks.failed);
    return checks.failed > 0;
}

#endif
