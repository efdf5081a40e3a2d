/* The operating system: the limits of containers, and the processors of a process, from files as Linux has them. */
#define _XOPEN_SOURCE 700
#include "files.h"
#include "load.h"
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

/* Puts these files, does the check, and removes them. */
static void put_all(Arena *a, char *root, const Given *g)
{
    strcpy(root, "/tmp/persona-test-XXXXXX");
    if (!mkdtemp(root)) abort();
    for (; g->path; g++) put(a, root, g->path, g->text);
}

static void test_limits(Arena *a)
{
    for (size_t i = 0; i < sizeof cases / sizeof *cases; i++) {
        char root[32];
        put_all(a, root, cases[i].file);
        size_t limit = system_memory_limit(root);
        CHECK_MSG(limit == cases[i].limit, "case %zu: limit %zu, expected %zu", i, limit, cases[i].limit);
        remove_all(root);
    }
    CHECK(system_memory_size() <= system_memory_limit(""));
}

typedef struct { double limit; Given file[6]; } TimeCase;

#define CPU1 "sys/fs/cgroup/cpu"
static const TimeCase time_cases[] = {
    { 1.5, { { "proc/self/cgroup", "0::/a/b\n" }, { V2 "/a/b/cpu.max", "150000 100000\n" } } },
    { 0.25, { { "proc/self/cgroup", "0::/a/b\n" }, { V2 "/a/b/cpu.max", "max 100000\n" }, { V2 "/a/cpu.max", "5000 20000" } } },
    { 2, { { "proc/self/cgroup", "0::/\n" }, { V2 "/cpu.max", "200000\n" } } },
    { 0, { { "proc/self/cgroup", "0::/a\n" }, { V2 "/a/cpu.max", "max 100000\n" } } },
    { 0, { { "proc/self/cgroup", "0::/a\n" }, { V2 "/a/cpu.max", "100000 0\n" } } },
    { 0, { { "proc/self/cgroup", "0::/a\n" }, { V2 "/a/cpu.max", "" } } },
    { 0, { { "proc/self/cgroup", "0::/a\n" } } },
    { 3, { { "proc/self/cgroup", "1:cpu:/a\n0::/\n" }, { CPU1 "/a/cpu.cfs_quota_us", "300000\n" },
           { CPU1 "/a/cpu.cfs_period_us", "100000\n" } } },
    { 0.5, { { "proc/self/cgroup", "4:cpu,cpuacct:/a\n" }, { V2 "/cpu,cpuacct/a/cpu.cfs_quota_us", "25000\n" },
             { V2 "/cpu,cpuacct/a/cpu.cfs_period_us", "50000\n" } } },
    { 0, { { "proc/self/cgroup", "1:cpu:/a\n" }, { CPU1 "/a/cpu.cfs_quota_us", "-1\n" },
           { CPU1 "/a/cpu.cfs_period_us", "100000\n" } } },
    { 1, { { "proc/self/cgroup", "1:cpu:/a/b\n" }, { CPU1 "/a/b/cpu.cfs_quota_us", "-1\n" },
           { CPU1 "/cpu.cfs_quota_us", "100000\n" }, { CPU1 "/cpu.cfs_period_us", "100000\n" } } },
    { 0, { { "proc/self/cgroup", "1:cpuset:/a\n2:cpuacct:/a\n" }, { V2 "/cpuset/a/cpu.cfs_quota_us", "100000\n" } } },
};

static void test_time_limits(Arena *a)
{
    for (size_t i = 0; i < sizeof time_cases / sizeof *time_cases; i++) {
        char root[32];
        put_all(a, root, time_cases[i].file);
        double limit = system_processor_limit(root);
        CHECK_MSG(limit == time_cases[i].limit, "case %zu: %g processors, expected %g", i, limit, time_cases[i].limit);
        remove_all(root);
    }
}

typedef struct { int cores; Given file[6]; } CoreCase;

#define STATUS "proc/self/status"
#define SIBLINGS(cpu) "sys/devices/system/cpu/cpu" #cpu "/topology/thread_siblings_list"
static const CoreCase core_cases[] = {
    { 4, { { STATUS, "Name:\tx\nCpus_allowed:\tf\nCpus_allowed_list:\t0-3\nMems_allowed_list:\t0\n" } } },
    { 2, { { STATUS, "Cpus_allowed_list:\t0-3\n" }, { SIBLINGS(0), "0,2\n" }, { SIBLINGS(1), "1,3\n" },
           { SIBLINGS(2), "0,2\n" }, { SIBLINGS(3), "1,3\n" } } },
    /* taskset: the second threads alone, both threads of one core, and what this machine does not have */
    { 2, { { STATUS, "Cpus_allowed_list:\t2,3\n" }, { SIBLINGS(2), "0,2\n" }, { SIBLINGS(3), "1,3\n" } } },
    { 1, { { STATUS, "Cpus_allowed_list:\t0-1\n" }, { SIBLINGS(0), "0-1\n" }, { SIBLINGS(1), "0-1\n" } } },
    { 67, { { STATUS, "Cpus_allowed_list:\t0-1,64-127,9\n" }, { SIBLINGS(0), "0\n" }, { SIBLINGS(1), "1\n" } } },
    { 0, { { STATUS, "Cpus_allowed_list:\t\n" } } },
    { 0, { { STATUS, "Cpus_allowed_list:\tnone\n" } } },
    { 4096, { { STATUS, "Cpus_allowed_list:\t-7-99999999999999999999\n" } } },
    { 0, { { "proc/self/none", "" } } },
};

static void test_cores(Arena *a)
{
    for (size_t i = 0; i < sizeof core_cases / sizeof *core_cases; i++) {
        char root[32];
        put_all(a, root, core_cases[i].file);
        int cores = system_cores(root);
        CHECK_MSG(cores == core_cases[i].cores, "case %zu: %d cores, expected %d", i, cores, core_cases[i].cores);
        remove_all(root);
    }
}

static void test_running(Arena *a)
{
    static const struct { int running; Given file[2]; } running_cases[] = {
        { 3, { { "proc/loadavg", "0.20 0.18 0.12 3/80 11206\n" } } },
        { 0, { { "proc/loadavg", "0.00 0.00 0.00 0/0 0\n" } } },
        { 0, { { "proc/loadavg", "0.20 0.18\n" } } },
        { 0, { { "proc/loadavg", "" } } },
        { 0, { { "proc/none", "" } } },
    };
    for (size_t i = 0; i < sizeof running_cases / sizeof *running_cases; i++) {
        char root[32];
        put_all(a, root, running_cases[i].file);
        int running = system_running(root);
        CHECK_MSG(running == running_cases[i].running, "case %zu: %d run", i, running);
        remove_all(root);
    }
}

static int is_near(double x, double y) { return x > y - 1e-9 && x < y + 1e-9; }

static void test_share(void)
{
    CHECK(is_near(load_share_of(1, 0, 2, 2), 1));
    CHECK(is_near(load_share_of(1, -1, 2, 2), 1));        /* nobody knows */
    CHECK(is_near(load_share_of(1, 2, 2, 2), 0.5));       /* two busy loops beside two threads on two processors */
    CHECK(is_near(load_share_of(1, 1, 2, 1), 1));         /* there is one for each */
    CHECK(is_near(load_share_of(1, 8, 64, 32), 1));
    CHECK(is_near(load_share_of(1, 64, 64, 32), 64 / 96.0));
    CHECK(is_near(load_share_of(0.4, 1, 4, 1), 0.4));     /* they share one processor, though others are free */
    CHECK(is_near(load_share_of(0.4, -1, 0, 1), 0.4));
    CHECK(is_near(load_share_of(1.3, 0, 2, 2), 1));       /* clocks are not that exact */
    CHECK(is_near(load_share_of(0, 5, 2, 2), 0.01));
    LoadMeter m = load_begin();
    load_look(&m);
    double share = load_share(&m, 1);
    CHECK(share > 0 && share <= 1);
}

int main(void)
{
    Arena *a = arena_new();
    if (!a) return 1;
    test_limits(a);
    test_time_limits(a);
    test_cores(a);
    test_running(a);
    test_share();
    arena_free(a);
    return done();
}
