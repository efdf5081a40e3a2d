/* files.c - files and folders.
 *
 * Files are read by mapping them: a checkpoint of gigabytes costs memory only where it is read, and the system may
 * drop that memory again at any time.  The price is that a file which is cut short while it is mapped ends the
 * program with a signal; mapped_file_at() names the file then.
 *
 * Files are saved whole or not at all, and several together: each is written to "PATH.PROCESS.part" and flushed
 * before the first is renamed to its real name.  Until the last one is, the old files have a second name, and go back
 * when a rename fails.  A large file is written piece by piece, so that saving takes no memory of its size.  Whatever
 * fails on the way, release() removes the temporary files.  A file that is written through a symbolic link is written
 * to where the link leads, and the link stays.
 *
 * All that is opened here is registered with the arena at once, so that no failure leaves it open. */
#include "files.h"

#include "system.h"

#include <stdlib.h>
#include <string.h>

int has_bytes_at(Bytes b, size_t at, const void *what, size_t n)
{
    return b.size >= n && b.size - n >= at && !memcmp(b.data + at, what, n);
}

/* ---- what a path is ---------------------------------------------------------------------------- */

int file_is(const char *path)
{
    FileInfo info;
    return !system_file_info(path, &info) && info.is_regular;
}

int file_is_there(Arena *a, const char *path)
{
    FileInfo info;
    const char *why = system_file_find(path, &info);
    if (why) fail(a, "%s: cannot be looked at: %s", path, why);
    return info.is_regular;
}

int folder_is(const char *path)
{
    FileInfo info;
    return !system_file_info(path, &info) && info.is_folder;
}

int same_file(const char *x, const char *y)
{
    FileInfo one, other;
    if (system_file_info(x, &one) || system_file_info(y, &other)) return 0;
    return one.device == other.device && one.number == other.number;
}

/* ---- reading ----------------------------------------------------------------------------------- */

/* A list hangs on the arena, the file that was mapped last in front. */
typedef struct MappedFile {
    struct MappedFile *before;
    Arena             *arena;
    const char        *path;
    Bytes              content;
    int                is_given;         /* the caller's memory, which is neither unmapped nor given back */
} MappedFile;

/* Release goes backwards, so this is the first of the list. */
static void unmap(void *file)
{
    MappedFile *f = file;
    *mapped_files(f->arena) = f->before;
    if (!f->is_given) system_file_unmap(f->content.data, f->content.size);
}

/* To the front of the list, until release. */
static void add_mapped(Arena *a, MappedFile *f)
{
    f->before = *mapped_files(a);
    *mapped_files(a) = f;
    on_release(a, unmap, f);
}

static const MappedFile *given_file(Arena *a, const char *path)
{
    for (const MappedFile *f = *mapped_files(a); f; f = f->before)
        if (f->is_given && !strcmp(f->path, path)) return f;
    return NULL;
}

int file_is_given(Arena *a, const char *path)
{
    return given_file(a, path) != NULL;
}

void file_give(Arena *a, const char *path, Bytes content)
{
    MappedFile *f = allocate(a, 1, sizeof *f);
    *f = (MappedFile){ .arena = a, .path = path, .content = content, .is_given = 1 };
    add_mapped(a, f);
}

/* Opens a regular file and finds out its size.  Returns its number. */
static int open_regular(Arena *a, const char *path, size_t *size)
{
    int file;
    FileInfo info;
    const char *why = system_file_open(path, &file);
    if (why) fail(a, "%s: cannot be opened: %s", path, why);
    if (system_file_about(file, &info) || !info.is_regular) {
        system_file_close(file);
        fail(a, "%s: expected a file, found something else (a folder, a pipe or a device)", path);
    }
    *size = info.size;
    return file;
}

Bytes file_map(Arena *a, const char *path)
{
    const MappedFile *given = given_file(a, path);
    if (given) return given->content;
    MappedFile *f = allocate(a, 1, sizeof *f);       /* before the file is open, as this may fail */
    const void *data = f;                        /* of an empty file: any address, but not NULL */
    const char *why = NULL;
    *f = (MappedFile){ .arena = a, .path = format(a, "%s", path) };
    int file = open_regular(a, path, &f->content.size);
    if (f->content.size) why = system_file_map(file, f->content.size, &data);
    system_file_close(file);
    if (why) fail(a, "%s: cannot be mapped: %s", path, why);
    f->content.data = data;
    if (!f->content.size) return f->content;
    add_mapped(a, f);
    return f->content;
}

const char *mapped_file_at(Arena *a, const void *address)
{
    for (const MappedFile *f = *mapped_files(a); f; f = f->before)
        if ((uintptr_t)address - (uintptr_t)f->content.data < f->content.size) return f->path;
    return NULL;
}

void files_trim(Arena *a)
{
    for (const MappedFile *f = *mapped_files(a); f; f = f->before)
        if (!f->is_given) system_file_discard(f->content.data, f->content.size);
}

/* ---- folders ----------------------------------------------------------------------------------- */

/* Makes the folders around it first, each where there is none.  Whether the last one could be made says the file that
 * is then written there. */
void folder_make_again(Arena *a, const char *path)
{
    size_t before = mark(a);
    char *part = format(a, "%s", path);
    for (char *slash = strchr(part + (*part != 0), '/'); slash; slash = strchr(slash + 1, '/')) {
        *slash = 0;
        system_folder_make(part);
        *slash = '/';
    }
    system_folder_make(part);
    release(a, before);
}

void folder_make(Arena *a, const char *path)
{
    const char *why = system_folder_make(path);
    if (why) fail(a, "%s: this folder cannot be made: %s", path, why);
}

static int by_name(const void *a, const void *b)
{
    return strcmp(*(char *const *)a, *(char *const *)b);
}

/* open: a Folder *, NULL once the folder has been closed */
static void close_folder(void *open)
{
    Folder **folder = open;
    if (*folder) system_folder_close(*folder);
    *folder = NULL;
}

static void check_readable(Arena *a, const char *folder, const char *why)
{
    if (why) fail(a, "%s: this folder cannot be read: %s; make it readable, or name another", folder, why);
}

const char **folder_list(Arena *a, const char *folder, size_t *count)
{
    const char **names = NULL;
    const char *name, *why;
    size_t room = 0;
    Folder **open = allocate(a, 1, sizeof *open);
    *count = 0;
    *open = NULL;
    on_release(a, close_folder, open);
    check_readable(a, folder, system_folder_open(folder, open));
    if (!*open) return NULL;
    while (!(why = system_folder_next(*open, &name)) && name) {
        if (*name == '.') continue;
        names = grow_array(a, names, *count, &room, sizeof *names);
        names[(*count)++] = format(a, "%s", name);
    }
    check_readable(a, folder, why);
    close_folder(open);
    if (*count) qsort(names, *count, sizeof *names, by_name);
    return names;
}

int listed_file_is(Arena *a, const char *path)
{
    FileInfo info;
    const char *why = system_file_info(path, &info);
    if (why) fail(a, "%s: is in its folder, and cannot be looked at: %s; mend it, or take it away", path, why);
    return info.is_regular;
}

/* ---- saving ------------------------------------------------------------------------------------ */

/* A file that is being written. */
struct FileWriter {
    Arena      *arena;
    const char *path;                    /* what it is going to be called */
    const char *target;                  /* the same, or where a symbolic link of that name leads */
    char       *temporary;               /* what it is called until then; "" from then on */
    const char *old;                     /* of one of several: the second name of the file before; NULL: none */
    int         can_go_back;             /* it has its name, and others of the same series do not yet */
    int         file;                    /* its number; CLOSED when it is not open */
};

enum { CLOSED = -1 };

/* When the old file cannot have its name again, it stays under the other one.  Of two names of one file, rename() would
 * leave both. */
static void put_back(FileWriter *w)
{
    if (w->can_go_back && !w->old) system_file_remove(w->target);
    if (w->old && !system_file_rename(w->old, w->target)) system_file_remove(w->old);
}

static void abandon(void *writer)
{
    FileWriter *w = writer;
    if (w->file != CLOSED) system_file_close(w->file);
    if (*w->temporary) system_file_remove(w->temporary);
    put_back(w);
}

static void check_written(const FileWriter *w, const char *why)
{
    if (why) fail(w->arena, "%s: cannot be written: %s; what was there before is untouched", w->path, why);
}

const char *file_target(Arena *a, const char *path)
{
    enum { LONGEST = 4096 };
    char target[LONGEST];
    const char *why = system_file_target(path, target, sizeof target);
    if (why) fail(a, "%s: cannot be written: %s", path, why);
    return format(a, "%s", target);
}

FileWriter *file_begin(Arena *a, const char *path)
{
    FileWriter *w = allocate(a, 1, sizeof *w);
    *w = (FileWriter){ .arena = a, .path = path, .file = CLOSED };
    w->target = file_target(a, path);
    w->temporary = format(a, "%s.%ld.part", w->target, system_process_id());
    system_file_remove(w->temporary);            /* left by a process that had our number, and was killed */
    on_release(a, abandon, w);
    const char *why = system_file_create(w->temporary, &w->file);
    if (why) fail(a, "%s: cannot be written: %s; does the folder exist, and may you write there?", path, why);
    return w;
}

void file_append(FileWriter *w, const void *data, size_t size)
{
    check_written(w, system_file_write(w->file, data, size));
}

void file_finish(FileWriter *w)
{
    const char *why = system_file_flush(w->file);
    const char *why_close = system_file_close(w->file);
    w->file = CLOSED;
    check_written(w, why ? why : why_close);
}

void file_replace(FileWriter *w)
{
    const char *why = system_file_rename(w->temporary, w->target);
    if (why) fail(w->arena, "%s: cannot be replaced: %s", w->path, why);
    w->temporary[0] = 0;
}

/* The file before gets a second name. */
static void keep_old(FileWriter *w)
{
    if (!file_is_there(w->arena, w->target)) return;
    const char *old = format(w->arena, "%s.%ld.old.part", w->target, system_process_id());
    system_file_remove(old);
    check_written(w, system_file_name_too(w->target, old));
    w->old = old;
}

static void forget_old(FileWriter *w)
{
    if (w->old) system_file_remove(w->old);
    w->old = NULL;
    w->can_go_back = 0;
}

/* All of them, or none. */
static void replace_all(FileWriter *const *writer, size_t count)
{
    for (size_t i = 0; i < count; i++) keep_old(writer[i]);
    for (size_t i = 0; i < count; i++) {
        file_replace(writer[i]);
        writer[i]->can_go_back = 1;
    }
    for (size_t i = 0; i < count; i++) forget_old(writer[i]);
}

/* A folder, a pipe or a device of that name is not replaced. */
static void check_target(Arena *a, const char *path)
{
    const char *target = file_target(a, path);
    if (!system_file_exists(target) || file_is_there(a, target)) return;
    fail(a, "%s: cannot be replaced: it is %s; nothing was written", path, folder_is(target) ? "a folder" : "no file");
}

void files_save(Arena *a, const File *files, size_t count)
{
    size_t before = mark(a);
    FileWriter **writer = allocate(a, count, sizeof *writer);
    for (size_t i = 0; i < count; i++) check_target(a, files[i].path);      /* all, or none */
    for (size_t i = 0; i < count; i++) {
        writer[i] = file_begin(a, files[i].path);
        file_append(writer[i], files[i].content.data, files[i].content.size);
        file_finish(writer[i]);
    }
    if (count == 1) file_replace(writer[0]);         /* in one step */
    else replace_all(writer, count);
    release(a, before);
}

/* The number of the process that made a temporary file of this name for the file `path`; 0 when it is none. */
static long writer_of(const char *name, const char *path)
{
    char *end;
    size_t n = strlen(path);
    if (strncmp(name, path, n) || name[n] != '.') return 0;
    if (name[n + 1] < '1' || name[n + 1] > '9') return 0;
    long process = strtol(name + n + 1, &end, 10);
    return strcmp(end, ".part") ? 0 : process;
}

typedef struct { Arena *a; const char *path; } Abandoned;

static void remove_abandoned(void *abandoned)
{
    const Abandoned *r = abandoned;
    size_t count;
    const char *slash = strrchr(r->path, '/');
    size_t length = slash ? (size_t)(slash + 1 - r->path) : 0;
    const char *folder = length ? format(r->a, "%.*s", (int)length, r->path) : ".";
    const char **names = folder_list(r->a, folder, &count);
    for (size_t i = 0; i < count; i++) {
        long process = writer_of(names[i], r->path + length);
        if (!process || system_process_runs(process)) continue;
        system_file_remove(format(r->a, "%.*s%s", (int)length, r->path, names[i]));
    }
}

void file_remove_abandoned(Arena *a, const char *path)
{
    char why[MESSAGE];
    size_t before = mark(a);
    Abandoned r = { .a = a, .path = path };
    attempt(a, remove_abandoned, &r, why);
    release(a, before);
}

/* ---- digests ----------------------------------------------------------------------------------- */

/* FNV-1a (Fowler, Noll, Vo) over words of eight bytes.  Each step is a bijection, so no single change goes unseen. */
uint64_t digest(uint64_t of, const void *data, size_t bytes)
{
    const unsigned char *p = data;
    uint64_t hash = (of ^ 0xcbf29ce484222325u) + bytes;
    for (size_t at = 0; at < bytes; at += sizeof(uint64_t)) {
        uint64_t word = 0;
        size_t left = bytes - at;
        memcpy(&word, p + at, left < sizeof word ? left : sizeof word);
        hash = (hash ^ word) * 0x100000001b3u;
        hash ^= hash >> 29;
    }
    return hash;
}
