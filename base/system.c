/* system.c - the operating system: POSIX, with what Linux and macOS know better.
 *
 * These are thin wrappers.  They hide how the calls look and how errors are reported (errno).  The caller decides what
 * to do about a failure, and how to word it.
 *
 * Memory is reserved in one piece and costs nothing before it is touched.  So a program can plan with sizes that it
 * will never use.  A system that counts reserved memory as used (Windows) has to commit each page when it is first
 * touched, from an exception handler.
 *
 * Source: POSIX.1-2008.  Beyond it: MAP_ANONYMOUS, MAP_NORESERVE and madvise (Linux, macOS, BSD), /proc and /sys
 * (Linux: proc(5), cgroups(7), and Documentation/admin-guide/cgroup-v1/memory.rst and cgroup-v2.rst). */
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

/* The number that a file holds; SIZE_MAX when it holds another word ("max"), or is not there. */
static size_t number_in_file(const char *path)
{
    unsigned long long n;
    FILE *f = fopen(path, "r");
    if (!f) return SIZE_MAX;
    int is_number = fscanf(f, "%llu", &n) == 1 && n < SIZE_MAX;
    fclose(f);
    return is_number ? (size_t)n : SIZE_MAX;
}

/* The smallest limit of a group and of all groups that it lies in.  group: "/a/b", which is cut off to "". */
static size_t least_limit(const char *root, const char *hierarchy, char *group, const char *file)
{
    size_t least = SIZE_MAX;
    char *slash = group;
    while (slash) {
        char path[8192];
        snprintf(path, sizeof path, "%s/sys/fs/cgroup%s%s/%s", root, hierarchy, group, file);
        size_t limit = number_in_file(path);
        if (limit < least) least = limit;
        slash = strrchr(group, '/');
        if (slash) *slash = 0;
    }
    return least;
}

static int has_memory_controller(const char *controllers)
{
    const char *found = strstr(controllers, "memory");
    if (!found || (found > controllers && found[-1] != ',')) return 0;
    char after = found[strlen("memory")];
    return !after || after == ',';
}

/* line: "4:cpu,memory:/a/b" of version 1, "0::/a/b" of version 2 of control groups */
static size_t limit_of_line(const char *root, char *line)
{
    char *controllers = strchr(line, ':');
    char *group = controllers ? strchr(controllers + 1, ':') : NULL;
    if (!group) return SIZE_MAX;
    *group++ = 0;
    controllers++;
    if (has_memory_controller(controllers)) return least_limit(root, "/memory", group, "memory.limit_in_bytes");
    return *controllers ? SIZE_MAX : least_limit(root, "", group, "memory.max");
}

size_t system_memory_limit(const char *root)
{
    char line[4096];
    size_t least = SIZE_MAX;
    snprintf(line, sizeof line, "%s/proc/self/cgroup", root);
    FILE *f = fopen(line, "r");
    while (f && fgets(line, sizeof line, f)) {
        line[strcspn(line, "\n")] = 0;
        size_t limit = limit_of_line(root, line);
        if (limit < least) least = limit;
    }
    if (f) fclose(f);
    return least;
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

double system_disk_free(const char *folder)
{
    struct statvfs disk;
    if (statvfs(folder, &disk)) return -1;
    return (double)disk.f_bavail * (double)disk.f_frsize;
}

/* ---- the process ------------------------------------------------------------------------------- */

long system_process_id(void)
{
    return (long)getpid();
}

/* Linux lists, for each thread of the processor, the threads of the same core.  A core counts by the first of them. */
int system_cores(void)
{
    int count = 0;
    for (int cpu = 0; cpu < 1024; cpu++) {
        char path[80];
        int first;
        snprintf(path, sizeof path, "/sys/devices/system/cpu/cpu%d/topology/thread_siblings_list", cpu);
        FILE *f = fopen(path, "r");
        if (!f) continue;
        if (fscanf(f, "%d", &first) == 1 && first == cpu) count++;
        fclose(f);
    }
    return count;
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
