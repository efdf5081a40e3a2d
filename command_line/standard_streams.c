/* standard_streams.c - "-" in place of a file: standard input and standard output.
 *
 * What is read here goes by a name, "standard input", as if it were a file of it (files.h, file_give), so nothing else
 * knows that there is none.  It may be anything that a file may be: words, a picture, weights.  It is read whole
 * before anything is done with it, because its kind is known by its beginning and its length is not known at all.
 *
 * The shell writes <(command) as /dev/fd/63, which is read in the same way, and >(command), which is written to.  A
 * pipe with a name of its own is not: one that nobody writes to would be waited for, without a word.  A device, as
 * /dev/null, takes the bytes as they are: no file is made beside it, and it is never renamed.
 *
 * Source: POSIX, Utility Syntax Guidelines, 13: "-" means standard input or standard output. */
#include "standard_streams.h"

#include "chars.h"
#include "system.h"

#include <errno.h>
#include <stdio.h>
#include <string.h>

enum { LARGEST = 256 << 20 };            /* bytes */

static const char *const numbered[] = { "/dev/fd/", "/proc/self/fd/" };

static int is_numbered(const char *path)
{
    for (size_t i = 0; i < sizeof numbered / sizeof *numbered; i++)
        if (begins(path, numbered[i])) return 1;
    return 0;
}

int stream_is_input(const char *path)
{
    return !strcmp(path, "-") || !strcmp(path, "/dev/stdin") || is_numbered(path);
}

static int is_standard_output(const char *path)
{
    return !strcmp(path, "-") || !strcmp(path, "/dev/stdout");
}

const char *stream_output(const char *path)
{
    FileInfo info;
    if (is_standard_output(path)) return "standard output";
    int is_open = is_numbered(path) || !strcmp(path, "/dev/stderr");
    int is_device = !system_file_info(path, &info) && info.is_device;
    return is_open || is_device ? path : NULL;
}

/* Returns its bytes; the list of them doubles as they come. */
static Bytes read_all(Arena *a, FILE *f, const char *name, const volatile sig_atomic_t *stopped)
{
    size_t room = 1 << 16;
    size_t size = 0;
    char *data = allocate(a, room, 1);
    for (;;) {
        size += fread(data + size, 1, room - size, f);
        if (stopped && *stopped) fail_as(a, CANCELLED, "interrupted");
        if (ferror(f)) fail(a, "%s: cannot be read: %s", name, errno ? strerror(errno) : "it is closed");
        if (size < room) return (Bytes){ (const unsigned char *)data, size };
        if (size >= LARGEST)
            fail(a, "%s: more than %d MB; save them to a file, and name that", name, LARGEST >> 20);
        char *longer = allocate(a, 2 * room, 1);
        memcpy(longer, data, size);
        data = longer;
        room *= 2;
    }
}

static void close_file(void *file)
{
    fclose(file);
}

const char *stream_read(Arena *a, const char *path, const volatile sig_atomic_t *stopped)
{
    const char *name = is_numbered(path) ? format(a, "input %s", file_name(path)) : "standard input";
    FILE *f = stdin;
    errno = 0;
    if (is_numbered(path)) {
        f = fopen(path, "rb");
        if (!f) fail(a, "%s: cannot be opened: %s", path, strerror(errno));
        on_release(a, close_file, f);
    }
    file_give(a, name, read_all(a, f, name, stopped));
    return name;
}

void stream_write(Arena *a, const char *path, Bytes content)
{
    FILE *f = stdout;
    errno = 0;
    if (!is_standard_output(path)) {
        f = fopen(path, "wb");
        if (!f) fail(a, "%s: cannot be written: %s", path, strerror(errno));
        on_release(a, close_file, f);
    }
    int is_written = fwrite(content.data, 1, content.size, f) == content.size && !fflush(f);
    if (!is_written)
        fail(a, "%s cannot be written: %s", stream_output(path), errno ? strerror(errno) : "it is closed");
}
