/* faults.c - makes one call of the operating system fail, to see what becomes of the work: a library to be loaded
 * before libc (LD_PRELOAD).  tests/faults.sh says with which calls, and what must hold.
 *
 *     FAULT_CALL      the name of the function below, as "write"; malloc stands for calloc and realloc, too
 *     FAULT_AT        the first of these calls that fails, counted from 1
 *     FAULT_ERROR     errno of the failure; 0: a write that writes only half
 *     FAULT_FOR_GOOD  set: all calls from there on fail, not only one
 *     FAULT_WHERE     only calls count whose path, or whose file's path, has this in it
 *     FAULT_COUNT     the file that receives how many such calls there were
 *
 * Standard input, output and error always work.  Linux with glibc, for its __libc_malloc and /proc. */
#define _GNU_SOURCE
#include <dirent.h>
#include <dlfcn.h>
#include <errno.h>
#include <fcntl.h>
#include <stdarg.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/mman.h>
#include <sys/stat.h>
#include <sys/statvfs.h>
#include <unistd.h>

/* ---- which calls fail ---------------------------------------------------------------------------- */

static int calls;

static int number(const char *name)
{
    const char *text = getenv(name);
    return text ? atoi(text) : 0;
}

/* path: NULL: of no file */
static int fails(const char *call, const char *path)
{
    const char *wanted = getenv("FAULT_CALL");
    const char *where = getenv("FAULT_WHERE");
    if (!wanted || strcmp(wanted, call)) return 0;
    if (where && !(path && strstr(path, where))) return 0;
    int n = __sync_add_and_fetch(&calls, 1);
    int at = number("FAULT_AT");
    if (n != at && !(n > at && getenv("FAULT_FOR_GOOD"))) return 0;
    errno = number("FAULT_ERROR");
    return 1;
}

static int fails_at_file(const char *call, int file)
{
    char link[64], path[4096];
    if (file <= STDERR_FILENO) return 0;
    snprintf(link, sizeof link, "/proc/self/fd/%d", file);
    ssize_t n = readlink(link, path, sizeof path - 1);
    path[n > 0 ? n : 0] = 0;
    return fails(call, path);
}

/* The function of that name in libc. */
#define REAL(type, name, ...)                                              \
    static type (*real)(__VA_ARGS__);                                      \
    if (!real) real = (type (*)(__VA_ARGS__))dlsym(RTLD_NEXT, name)

__attribute__((destructor)) static void report(void)
{
    REAL(FILE *, "fopen", const char *, const char *);
    const char *path = getenv("FAULT_COUNT");
    FILE *f = path ? real(path, "w") : NULL;
    if (!f) return;
    fprintf(f, "%d\n", calls);
    fclose(f);
}

/* ---- memory -------------------------------------------------------------------------------------- */

extern void *__libc_malloc(size_t), *__libc_calloc(size_t, size_t), *__libc_realloc(void *, size_t);

void *malloc(size_t n)            { return fails("malloc", NULL) ? NULL : __libc_malloc(n); }
void *calloc(size_t n, size_t m)  { return fails("malloc", NULL) ? NULL : __libc_calloc(n, m); }
void *realloc(void *p, size_t n)  { return fails("malloc", NULL) ? NULL : __libc_realloc(p, n); }

void *mmap(void *at, size_t n, int protection, int flags, int file, off_t from)
{
    REAL(void *, "mmap", void *, size_t, int, int, int, off_t);
    return fails("mmap", NULL) ? MAP_FAILED : real(at, n, protection, flags, file, from);
}

/* ---- files --------------------------------------------------------------------------------------- */

int open(const char *path, int flags, ...)
{
    REAL(int, "open", const char *, int, ...);
    va_list more;
    va_start(more, flags);
    int mode = va_arg(more, int);
    va_end(more);
    return fails("open", path) ? -1 : real(path, flags, mode);
}

FILE *fopen(const char *path, const char *mode)
{
    REAL(FILE *, "fopen", const char *, const char *);
    return fails("fopen", path) ? NULL : real(path, mode);
}

ssize_t read(int file, void *data, size_t n)
{
    REAL(ssize_t, "read", int, void *, size_t);
    return fails_at_file("read", file) ? -1 : real(file, data, n);
}

ssize_t write(int file, const void *data, size_t n)
{
    REAL(ssize_t, "write", int, const void *, size_t);
    if (!fails_at_file("write", file)) return real(file, data, n);
    return errno ? -1 : real(file, data, (n + 1) / 2);
}

int fsync(int file)
{
    REAL(int, "fsync", int);
    return fails_at_file("fsync", file) ? -1 : real(file);
}

/* The file is closed all the same, as Linux does it. */
int close(int file)
{
    REAL(int, "close", int);
    if (!fails_at_file("close", file)) return real(file);
    int error = errno;
    real(file);
    errno = error;
    return -1;
}

int rename(const char *from, const char *to)
{
    REAL(int, "rename", const char *, const char *);
    return fails("rename", to) ? -1 : real(from, to);
}

int unlink(const char *path)
{
    REAL(int, "unlink", const char *);
    return fails("unlink", path) ? -1 : real(path);
}

int stat(const char *path, struct stat *s)
{
    REAL(int, "stat", const char *, struct stat *);
    return fails("stat", path) ? -1 : real(path, s);
}

int lstat(const char *path, struct stat *s)
{
    REAL(int, "lstat", const char *, struct stat *);
    return fails("lstat", path) ? -1 : real(path, s);
}

int fstat(int file, struct stat *s)
{
    REAL(int, "fstat", int, struct stat *);
    return fails_at_file("fstat", file) ? -1 : real(file, s);
}

/* ---- folders ------------------------------------------------------------------------------------- */

int mkdir(const char *path, mode_t mode)
{
    REAL(int, "mkdir", const char *, mode_t);
    return fails("mkdir", path) ? -1 : real(path, mode);
}

DIR *opendir(const char *path)
{
    REAL(DIR *, "opendir", const char *);
    return fails("opendir", path) ? NULL : real(path);
}

struct dirent *readdir(DIR *folder)
{
    REAL(struct dirent *, "readdir", DIR *);
    return fails_at_file("readdir", dirfd(folder)) ? NULL : real(folder);
}

int statvfs(const char *path, struct statvfs *disk)
{
    REAL(int, "statvfs", const char *, struct statvfs *);
    return fails("statvfs", path) ? -1 : real(path, disk);
}
