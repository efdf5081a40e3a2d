/* system.c - the operating system: POSIX, with what Linux and macOS know better.
 *
 * These are thin wrappers.  They hide how the calls look and how errors are reported (errno).  The caller decides what
 * to do about a failure, and how to word it.
 *
 * Memory is reserved in one piece and costs nothing before it is touched.  So a program can plan with sizes that it
 * will never use.  A system that counts reserved memory as used (Windows) has to commit each page when it is first
 * touched, from an exception handler.
 *
 * Source: POSIX.1-2008.  Beyond it: MAP_ANONYMOUS, MAP_NORESERVE, madvise and flock (Linux, macOS, BSD), /proc and /sys
 * (Linux: proc(5), cgroups(7), Documentation/admin-guide/cgroup-v1/memory.rst and cgroup-v2.rst, and
 * Documentation/scheduler/sched-bwc.rst for the processor's time). */
#define _XOPEN_SOURCE 700
#define _DEFAULT_SOURCE
#define _DARWIN_C_SOURCE
#include "system.h"

#include <dirent.h>
#include <errno.h>
#include <fcntl.h>
#include <signal.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/file.h>
#include <sys/ioctl.h>
#include <sys/mman.h>
#include <sys/resource.h>
#include <sys/stat.h>
#include <sys/statvfs.h>
#include <unistd.h>

/* The reason for a call's failure; NULL when it returned no error. */
static const char *reason_if(int failed)
{
    return failed ? strerror(errno) : NULL;
}

/* Was the call ended by a signal before it did anything?  Then it is made again. */
static int is_interrupted(int failed)
{
    return failed && errno == EINTR;
}

/* ---- control groups (Linux) --------------------------------------------------------------------- */

/* Reads at most two whole numbers from a file into n, which keeps its values where the file holds another word ("max",
 * "-1"), or is not there.  Returns how many were read. */
static int numbers_in_file(const char *folder, const char *name, unsigned long long n[2])
{
    char path[8192];
    unsigned long long found[2];
    snprintf(path, sizeof path, "%s/%s", folder, name);
    FILE *f = fopen(path, "r");
    if (!f) return 0;
    char text[64] = "";
    size_t length = fread(text, 1, sizeof text - 1, f);
    fclose(f);
    text[length] = 0;
    if (*text < '0' || *text > '9') return 0;      /* sscanf would take a sign */
    int count = sscanf(text, "%llu %llu", &found[0], &found[1]);
    for (int i = 0; i < count; i++) n[i] = found[i];
    return count < 0 ? 0 : count;
}

/* These four are the limit of the group in a folder; SIZE_MAX: it has none.  That of the processor is a time in each
 * period, here in thousandths of a processor. */

static size_t memory_limit_in_bytes(const char *folder)
{
    unsigned long long n[2] = { SIZE_MAX };
    numbers_in_file(folder, "memory.limit_in_bytes", n);
    return n[0] < SIZE_MAX ? (size_t)n[0] : SIZE_MAX;
}

static size_t memory_max(const char *folder)
{
    unsigned long long n[2] = { SIZE_MAX };
    numbers_in_file(folder, "memory.max", n);
    return n[0] < SIZE_MAX ? (size_t)n[0] : SIZE_MAX;
}

static size_t thousandths(unsigned long long quota, unsigned long long period)
{
    double part = 1000 * (double)quota / (double)period;
    return period && part < 1e9 ? (size_t)part : SIZE_MAX;
}

static size_t cpu_cfs_quota(const char *folder)
{
    unsigned long long quota[2];
    unsigned long long period[2] = { 100000 };
    if (!numbers_in_file(folder, "cpu.cfs_quota_us", quota)) return SIZE_MAX;
    numbers_in_file(folder, "cpu.cfs_period_us", period);
    return thousandths(quota[0], period[0]);
}

static size_t cpu_max(const char *folder)
{
    unsigned long long n[2] = { 0, 100000 };
    return numbers_in_file(folder, "cpu.max", n) ? thousandths(n[0], n[1]) : SIZE_MAX;
}

/* What is limited: the name of its controller, and how to read its limit in versions 1 and 2. */
typedef struct {
    const char *controller;
    size_t    (*version1)(const char *folder);
    size_t    (*version2)(const char *folder);
} Limited;

static const Limited limited_memory    = { "memory", memory_limit_in_bytes, memory_max };
static const Limited limited_processor = { "cpu", cpu_cfs_quota, cpu_max };

/* The smallest limit of a group and of all groups that it lies in.  group: "/a/b" */
static size_t least_limit(const char *root, const char *hierarchy, const char *group, size_t (*limit_of)(const char *))
{
    size_t least = SIZE_MAX;
    size_t n = strlen(group);
    for (;;) {
        char folder[8192];
        snprintf(folder, sizeof folder, "%s/sys/fs/cgroup%s%.*s", root, hierarchy, (int)n, group);
        size_t limit = limit_of(folder);
        if (limit < least) least = limit;
        if (!n) return least;
        do n--;
        while (n && group[n] != '/');
    }
}

/* Is the name one of those with commas between? */
static int is_listed(const char *list, const char *name)
{
    size_t n = strlen(name);
    while (list) {
        if (!strncmp(list, name, n) && (!list[n] || list[n] == ',')) return 1;
        list = strchr(list, ',');
        if (list) list++;
    }
    return 0;
}

/* line: "4:cpu,memory:/a/b" of version 1, whose folder is called "memory" or "cpu,memory"; "0::/a/b" of version 2 */
static size_t limit_of_line(const char *root, char *line, const Limited *what)
{
    char hierarchy[4100];
    char *controllers = strchr(line, ':');
    char *group = controllers ? strchr(controllers + 1, ':') : NULL;
    if (!group) return SIZE_MAX;
    *group++ = 0;
    controllers++;
    if (!*controllers) return least_limit(root, "", group, what->version2);
    if (!is_listed(controllers, what->controller)) return SIZE_MAX;
    snprintf(hierarchy, sizeof hierarchy, "/%s", what->controller);
    size_t limit = least_limit(root, hierarchy, group, what->version1);
    snprintf(hierarchy, sizeof hierarchy, "/%s", controllers);
    size_t other = least_limit(root, hierarchy, group, what->version1);
    return other < limit ? other : limit;
}

/* The least of all limits for this process. */
static size_t group_limit(const char *root, const Limited *what)
{
    char line[4096];
    size_t least = SIZE_MAX;
    snprintf(line, sizeof line, "%s/proc/self/cgroup", root);
    FILE *f = fopen(line, "r");
    while (f && fgets(line, sizeof line, f)) {
        line[strcspn(line, "\n")] = 0;
        size_t limit = limit_of_line(root, line, what);
        if (limit < least) least = limit;
    }
    if (f) fclose(f);
    return least;
}

size_t system_memory_limit(const char *root)
{
    return group_limit(root, &limited_memory);
}

double system_processor_limit(const char *root)
{
    size_t limit = group_limit(root, &limited_processor);
    return limit < SIZE_MAX ? (double)limit / 1000 : 0;
}

/* ---- memory ------------------------------------------------------------------------------------ */

void *system_memory_reserve(size_t bytes)
{
    void *memory = mmap(NULL, bytes, PROT_READ | PROT_WRITE, MAP_PRIVATE | MAP_ANONYMOUS | MAP_NORESERVE, -1, 0);
    if (memory == MAP_FAILED) return NULL;
#ifdef MADV_HUGEPAGE
    madvise(memory, bytes, MADV_HUGEPAGE);       /* fewer, larger pages: a tile of a picture touches many */
#endif
    return memory;
}

void system_memory_free(void *memory, size_t bytes)
{
    munmap(memory, bytes);
}

void system_memory_discard(void *memory, size_t bytes)
{
#ifdef MADV_DONTNEED
    enum { PAGE = 1 << 16 };                     /* a multiple of the page size, whatever that is here */
    size_t skipped = (PAGE - (uintptr_t)memory % PAGE) % PAGE;
    if (skipped < bytes) madvise((char *)memory + skipped, bytes - skipped, MADV_DONTNEED);
#else
    (void)memory;
    (void)bytes;
#endif
}

size_t system_memory_size(void)
{
    size_t limit = system_memory_limit("");
    long pages = sysconf(_SC_PHYS_PAGES);
    long page_size = sysconf(_SC_PAGESIZE);
    if (pages <= 0 || page_size <= 0) return limit;
    size_t memory = (size_t)pages * (size_t)page_size;
    return memory < limit ? memory : limit;
}

double system_memory_peak(void)
{
#ifdef __linux__                         /* getrusage would count what the parent had before it became this process */
    char line[128];
    double kilobytes = 0;
    FILE *f = fopen("/proc/self/status", "r");
    while (f && fgets(line, sizeof line, f) && sscanf(line, "VmHWM: %lf", &kilobytes) != 1) { }
    if (f) fclose(f);
    if (kilobytes > 0) return kilobytes * 1024;
#endif
    struct rusage usage;
    getrusage(RUSAGE_SELF, &usage);
#ifdef __APPLE__
    return (double)usage.ru_maxrss;
#else
    return (double)usage.ru_maxrss * 1024;
#endif
}

/* ---- files ------------------------------------------------------------------------------------- */

static void fill_info(FileInfo *info, const struct stat *s)
{
    *info = (FileInfo){
        .is_regular = S_ISREG(s->st_mode),
        .is_folder = S_ISDIR(s->st_mode),
        .is_device = S_ISCHR(s->st_mode),
        .is_read_only = !(s->st_mode & (S_IWUSR | S_IWGRP | S_IWOTH)),
        .size = (size_t)s->st_size,
        .device = (uint64_t)s->st_dev,
        .number = (uint64_t)s->st_ino,
#ifdef __APPLE__
        .modified = s->st_mtimespec,
        .changed = s->st_ctimespec,
#else
        .modified = s->st_mtim,
        .changed = s->st_ctim,
#endif
    };
}

int system_path_is_absolute(const char *path)
{
    return *path == '/';
}

const char *system_file_info(const char *path, FileInfo *info)
{
    struct stat s;
    if (stat(path, &s)) return strerror(errno);
    fill_info(info, &s);
    return NULL;
}

const char *system_file_find(const char *path, FileInfo *info)
{
    struct stat s;
    *info = (FileInfo){ 0 };
    if (stat(path, &s)) return reason_if(errno != ENOENT && errno != ENOTDIR);
    fill_info(info, &s);
    return NULL;
}

const char *system_file_about(int file, FileInfo *info)
{
    struct stat s;
    if (fstat(file, &s)) return strerror(errno);
    fill_info(info, &s);
    return NULL;
}

int system_file_exists(const char *path)
{
    struct stat s;
    return lstat(path, &s) == 0;
}

const char *system_file_rename(const char *from, const char *to)
{
    int failed;
    do failed = rename(from, to);
    while (is_interrupted(failed));
    return reason_if(failed);
}

/* A file system without second names says so in one of these ways. */
static int has_no_second_names(int error)
{
    return error == EPERM || error == ENOSYS || error == ENOTSUP || error == EOPNOTSUPP || error == EMLINK;
}

const char *system_file_name_too(const char *from, const char *to)
{
    if (!linkat(AT_FDCWD, from, AT_FDCWD, to, 0)) return NULL;
    if (!has_no_second_names(errno)) return strerror(errno);
    if (system_file_exists(to)) return strerror(EEXIST);
    return system_file_rename(from, to);
}

const char *system_file_target(const char *path, char *target, size_t size)
{
    enum { MOST_LINKS = 40, LONGEST = 4096 };          /* as Linux has it: path_resolution(7) */
    char link[LONGEST];
    if (strlen(path) >= size) return strerror(ENAMETOOLONG);
    strcpy(target, path);
    for (int i = 0; i < MOST_LINKS; i++) {
        ssize_t n = readlink(target, link, sizeof link);
        if (n < 0) return reason_if(errno != EINVAL && errno != ENOENT && errno != ENOTDIR);      /* EINVAL: no link */
        const char *slash = strrchr(target, '/');
        size_t folder = slash && *link != '/' ? (size_t)(slash + 1 - target) : 0;
        if (folder + (size_t)n >= size) return strerror(ENAMETOOLONG);
        memcpy(target + folder, link, (size_t)n);
        target[folder + (size_t)n] = 0;
    }
    return strerror(ELOOP);
}

void system_file_remove(const char *path)
{
    unlink(path);
}

const char *system_file_open(const char *path, int *file)
{
    do *file = open(path, O_RDONLY | O_CLOEXEC | O_NONBLOCK);
    while (is_interrupted(*file < 0));
    return reason_if(*file < 0);
}

const char *system_file_create(const char *path, int *file)
{
    do *file = open(path, O_WRONLY | O_CREAT | O_EXCL | O_CLOEXEC, 0666);
    while (is_interrupted(*file < 0));
    return reason_if(*file < 0);
}

const char *system_file_write(int file, const void *data, size_t size)
{
    for (size_t done = 0; done < size; ) {
        ssize_t n = write(file, (const char *)data + done, size - done);
        if (is_interrupted(n < 0)) continue;
        if (n == 0) errno = ENOSPC;
        if (n <= 0) return strerror(errno);
        done += (size_t)n;
    }
    return NULL;
}

const char *system_file_flush(int file)
{
    int failed;
    do failed = fsync(file);
    while (is_interrupted(failed));
    return reason_if(failed && errno != EINVAL);      /* which means: of a kind that is never flushed */
}

/* A signal that ends close() finds the file closed already; a second close() could hit another file of that number. */
const char *system_file_close(int file)
{
    int failed = close(file);
    return reason_if(failed && errno != EINTR);
}

const char *system_file_map(int file, size_t size, const void **data)
{
    *data = mmap(NULL, size, PROT_READ, MAP_PRIVATE, file, 0);
    return reason_if(*data == MAP_FAILED);
}

void system_file_unmap(const void *data, size_t size)
{
    munmap((void *)(uintptr_t)data, size);
}

void system_file_discard(const void *data, size_t size)
{
#ifdef MADV_DONTNEED                             /* not posix_madvise, which glibc ignores */
    madvise((void *)(uintptr_t)data, size, MADV_DONTNEED);
#else
    (void)data;
    (void)size;
#endif
}

/* ---- folders and disks ------------------------------------------------------------------------- */

const char *system_folder_open(const char *path, Folder **folder)
{
    do *folder = (Folder *)opendir(path);
    while (is_interrupted(!*folder));
    return reason_if(!*folder && errno != ENOENT && errno != ENOTDIR);
}

/* readdir() returns NULL at the end and on an error; only errno tells which. */
const char *system_folder_next(Folder *folder, const char **name)
{
    struct dirent *entry;
    do {
        errno = 0;
        entry = readdir((DIR *)folder);
    } while (is_interrupted(!entry));
    *name = entry ? entry->d_name : NULL;
    return reason_if(!entry && errno);
}

void system_folder_close(Folder *folder)
{
    closedir((DIR *)folder);
}

const char *system_folder_make(const char *path)
{
    int failed = mkdir(path, 0777);
    return reason_if(failed && errno != EEXIST);
}

void system_folder_remove(const char *path)
{
    rmdir(path);
}

const char *system_temporary_folder(void)
{
    const char *folder = getenv("TMPDIR");
    return folder && *folder ? folder : "/tmp";
}

int system_lock(const char *path, int *lock, int *is_taken)
{
    *is_taken = 0;
    if (system_file_open(path, lock)) return 0;
    if (!flock(*lock, LOCK_EX | LOCK_NB)) return 1;
    *is_taken = errno == EWOULDBLOCK;
    system_file_close(*lock);
    return 0;
}

void system_unlock(int lock)
{
    system_file_close(lock);
}

double system_disk_free(const char *folder)
{
    struct statvfs disk;
    if (statvfs(folder, &disk)) return -1;
    return (double)disk.f_bavail * (double)disk.f_frsize;
}

/* ---- the process ------------------------------------------------------------------------------- */

char system_list_separator(void) { return ':'; }

long system_process_id(void)
{
    return (long)getpid();
}

int system_process_runs(long id)
{
    return !kill((pid_t)id, 0) || errno == EPERM;
}

enum { MOST_PROCESSORS = 4096 };

/* Reads "0-3,8,10-11" into is_on[MOST_PROCESSORS].  Returns how many are on. */
static int read_processor_list(const char *list, unsigned char is_on[MOST_PROCESSORS])
{
    int count = 0;
    memset(is_on, 0, MOST_PROCESSORS);
    for (;;) {
        char *end;
        long first = strtol(list, &end, 10);
        if (end == list) return count;
        long last = *end == '-' ? strtol(end + 1, &end, 10) : first;
        for (long i = first < 0 ? 0 : first; i <= last && i < MOST_PROCESSORS; i++) {
            count += !is_on[i];
            is_on[i] = 1;
        }
        if (*end != ',') return count;
        list = end + 1;
    }
}

/* The processors that this process may run on; none when that is not known. */
static int allowed_processors(const char *root, unsigned char is_on[MOST_PROCESSORS])
{
    static const char key[] = "Cpus_allowed_list:";
    char line[8192];
    int count = 0;
    snprintf(line, sizeof line, "%s/proc/self/status", root);
    FILE *f = fopen(line, "r");
    while (f && !count && fgets(line, sizeof line, f))
        if (!strncmp(line, key, sizeof key - 1)) count = read_processor_list(line + sizeof key - 1, is_on);
    if (f) fclose(f);
    return count;
}

/* Is it the first of the threads of its core that this process may run on?  Not known is 1: a core of its own. */
static int is_first_of_core(const char *root, int cpu, const unsigned char allowed[MOST_PROCESSORS])
{
    unsigned char siblings[MOST_PROCESSORS];
    char line[4096];
    snprintf(line, sizeof line, "%s/sys/devices/system/cpu/cpu%d/topology/thread_siblings_list", root, cpu);
    FILE *f = fopen(line, "r");
    if (!f) return 1;
    int is_read = fgets(line, sizeof line, f) && read_processor_list(line, siblings);
    fclose(f);
    for (int i = 0; is_read && i < cpu; i++)
        if (siblings[i] && allowed[i]) return 0;
    return 1;
}

int system_cores(const char *root)
{
    unsigned char allowed[MOST_PROCESSORS];
    int cores = 0;
    if (!allowed_processors(root, allowed)) return 0;
    for (int cpu = 0; cpu < MOST_PROCESSORS; cpu++)
        if (allowed[cpu]) cores += is_first_of_core(root, cpu, allowed);
    return cores;
}

int system_processors(void)
{
    long count = sysconf(_SC_NPROCESSORS_ONLN);
    return count > 0 && count < MOST_PROCESSORS ? (int)count : 0;
}

/* "0.20 0.18 0.12 1/80 11206": the fourth is how many run, of how many there are (proc(5)) */
int system_running(const char *root)
{
    char path[4096];
    int running = 0;
    snprintf(path, sizeof path, "%s/proc/loadavg", root);
    FILE *f = fopen(path, "r");
    if (!f) return 0;
    if (fscanf(f, "%*s %*s %*s %6d/", &running) != 1) running = 0;
    fclose(f);
    return running > 0 ? running : 0;
}

uint32_t system_random_bits(void)
{
    uint32_t bits = (uint32_t)time(NULL) * 2654435761u ^ (uint32_t)getpid();
    int file = open("/dev/urandom", O_RDONLY | O_CLOEXEC);
    if (file < 0) return bits;
    if (read(file, &bits, sizeof bits) < 0) bits ^= (uint32_t)clock();
    close(file);
    return bits;
}

const char *system_environment(const char *name)
{
    return getenv(name);
}

/* Linux only; a name with no "/" in argv[0] came from PATH, and is not looked for there */
int system_program_path(const char *argv0, char *path, size_t size)
{
    ssize_t length = readlink("/proc/self/exe", path, size - 1);
    if (length > 0) {
        path[length] = 0;
        return 1;
    }
    char *real = argv0 && strchr(argv0, '/') ? realpath(argv0, NULL) : NULL;
    int known = real && strlen(real) < size;
    if (known) strcpy(path, real);
    free(real);
    return known;
}

void system_restart(char **argv, const char *name, const char *value)
{
    char path[4096];                             /* its own path, so that the process keeps its name */
    if (!system_program_path(NULL, path, sizeof path)) return;
    if (setenv(name, value, 1)) return;
    execv(path, argv);
}

/* ---- clock ------------------------------------------------------------------------------------- */

double system_seconds(void)
{
    struct timespec t;
    clock_gettime(CLOCK_MONOTONIC, &t);
    return (double)t.tv_sec + (double)t.tv_nsec * 1e-9;
}

void system_sleep(double seconds)
{
    time_t whole = (time_t)seconds;
    struct timespec t = { .tv_sec = whole, .tv_nsec = (long)((seconds - (double)whole) * 1e9) };
    nanosleep(&t, NULL);
}

/* ---- signals ----------------------------------------------------------------------------------- */

static void (*lost_file)(const void *address);   /* a handler gets no argument of ours, so this one is global */

static void on_bus_error(int signal, siginfo_t *info, void *context)
{
    (void)signal;
    (void)context;
    lost_file(info->si_addr);
}

void system_on_lost_file(void (*handler)(const void *address))
{
    lost_file = handler;
    struct sigaction on = { .sa_sigaction = on_bus_error, .sa_flags = SA_SIGINFO };
    sigaction(SIGBUS, &on, NULL);
}

void system_on_interrupt(void (*handler)(int signal))
{
    struct sigaction on = { .sa_handler = handler, .sa_flags = (int)SA_RESETHAND };
    struct sigaction before;
    sigaction(SIGINT, &on, NULL);
    sigaction(SIGTERM, &on, NULL);
    if (!sigaction(SIGHUP, NULL, &before) && before.sa_handler != SIG_IGN) sigaction(SIGHUP, &on, NULL);
}

static void ignore(int signal)
{
    struct sigaction off = { .sa_handler = SIG_IGN };
    sigaction(signal, &off, NULL);
}

void system_ignore_broken_pipe(void)
{
    ignore(SIGPIPE);
}

void system_ignore_size_limit(void)
{
    ignore(SIGXFSZ);
}

void system_write_error(const char *text)
{
    if (write(STDERR_FILENO, text, strlen(text)) < 0) return;
}

/* ---- the terminal ------------------------------------------------------------------------------ */

int system_is_terminal(void)
{
    return isatty(STDERR_FILENO);
}

int system_input_is_terminal(void)
{
    return isatty(STDIN_FILENO);
}

int system_output_is_terminal(void)
{
    return isatty(STDOUT_FILENO);
}

int system_terminal_size(int *columns, int *rows)
{
    struct winsize size = { 0 };
    if (ioctl(STDERR_FILENO, TIOCGWINSZ, &size)) return 0;
    *columns = size.ws_col;
    *rows = size.ws_row;
    return 1;
}

const char *system_terminal_colours(void)
{
    return getenv("COLORTERM");
}
