/* The operating system: the limits of containers, from files as Linux has them. */
#define _XOPEN_SOURCE 700
#include "files.h"
#include "system.h"
#include "test.h"

#include <stdlib.h>

/* Files of a system, below a folder of the test's own. */
static void put(Arena *a, const char *root, const char *path, const char *text)
{
    const char *full = format(a, "%s/%s", root, path);
    folder_make_again(a, format(a, "%.*s", (int)(strrchr(full, '/') - full), full));
    files_save(a, &(File){ full, { (const unsigned char *)text, strlen(text) } }, 1);
}

typedef struct { const char *path, *text; } Given;
typedef struct { size_t limit; Given file[6]; } Case;

#define V1 "sys/fs/cgroup/memory"
#define V2 "sys/fs/cgroup"
static const Case cases[] = {
    /* version 2: its own group, the one around it, none, a number that is none */
    { 500, { { "proc/self/cgroup", "0::/a/b\n" }, { V2 "/a/b/memory.max", "500\n" }, { V2 "/a/memory.max", "max\n" } } },
    { 400, { { "proc/self/cgroup", "0::/a/b\n" }, { V2 "/a/b/memory.max", "500\n" }, { V2 "/a/memory.max", "400\n" } } },
    { 300, { { "proc/self/cgroup", "0::/a/b\n" }, { V2 "/memory.max", "300\n" } } },
    { SIZE_MAX, { { "proc/self/cgroup", "0::/a/b\n" }, { V2 "/a/b/memory.max", "max\n" } } },
    { SIZE_MAX, { { "proc/self/cgroup", "0::/a/b\n" }, { V2 "/a/b/memory.max", "" } } },
    { SIZE_MAX, { { "proc/self/cgroup", "0::/a/b\n" }, { V2 "/a/bc/memory.max", "5\n" }, { V2 "/c/memory.max", "5" } } },
    /* in a container its group is the root of what can be seen */
    { 700, { { "proc/self/cgroup", "0::/\n" }, { V2 "/memory.max", "700\n" } } },
    /* version 1: alone, with another controller, beside version 2; in a container that sees only its own folder */
    { 600, { { "proc/self/cgroup", "3:cpu:/x\n2:memory:/a\n" }, { V1 "/a/memory.limit_in_bytes", "600\n" } } },
    { 600, { { "proc/self/cgroup", "2:cpu,memory:/a\n" }, { V1 "/a/memory.limit_in_bytes", "600\n" } } },
    { 600, { { "proc/self/cgroup", "2:memory:/a\n0::/\n" }, { V1 "/a/memory.limit_in_bytes", "600\n" } } },
    { 600, { { "proc/self/cgroup", "2:memory:/docker/a\n" }, { V1 "/memory.limit_in_bytes", "600\n" } } },
    { 200, { { "proc/self/cgroup", "2:memory:/a/b\n" }, { V1 "/a/b/memory.limit_in_bytes", "9223372036854771712\n" },
             { V1 "/a/memory.limit_in_bytes", "200\n" } } },
    { SIZE_MAX, { { "proc/self/cgroup", "2:memoryx:/a\n3:xmemory:/a\n" }, { V1 "/a/memory.limit_in_bytes", "600" } } },
    /* what is no such file */
    { SIZE_MAX, { { "proc/self/cgroup", "\n:\n::\n0:\nmemory" } } },
    { SIZE_MAX, { { "proc/self/none", "" } } },
};

static void remove_all(const char *root)
{
    char command[256];
    snprintf(command, sizeof command, "rm -rf '%s'", root);
    CHECK(!system(command));
}

static void test_limits(Arena *a)
{
    for (size_t i = 0; i < sizeof cases / sizeof *cases; i++) {
        char root[] = "/tmp/persona-test-XXXXXX";
        if (!mkdtemp(root)) abort();
        for (const Given *g = cases[i].file; g->path; g++) put(a, root, g->path, g->text);
        size_t limit = system_memory_limit(root);
        CHECK_MSG(limit == cases[i].limit, "case %zu: limit %zu, expected %zu", i, limit, cases[i].limit);
        remove_all(root);
    }
    CHECK(system_memory_size() <= system_memory_limit(""));
}

int main(void)
{
    Arena *a = arena_new();
    if (!a) return 1;
    test_limits(a);
    arena_free(a);
    return done();
}
