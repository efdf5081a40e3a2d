/* output.c - the place of an output file.
 *
 * A picture takes minutes and a training hours, so what can be known about the place of the result is checked before:
 * whether its folder exists, whether a file can be made there (by making one), and whether there is room on the disk.
 * The room is only a guess at what will be free later, and hours later the folder may be gone, the disk full or
 * read-only.  Then what was learned is the only copy of those hours, and it is saved wherever it can be: where it is
 * wanted, in a second try, after the folder was made again; then in other folders.  There it gets a name that is free,
 * so that it replaces nothing.
 *
 * What stands in a file's place and is not of the same job is kept: it gets a second name, with -before in it, and then
 * the new file takes the first.  So there is no moment without either, and when the new one cannot be written, the
 * second name goes again.  A lock on the folder makes two processes that save there at once do so one after the
 * other; it is held for a moment, and a file system that knows no locks goes without. */
#include "output.h"

#include "chars.h"
#include "files.h"
#include "near_path.h"
#include "system.h"

#include <string.h>

/* Makes a file and removes it.  Its name is as long as the longest that will be needed: PATH-001.PROCESS.part */
static void try_writing(Arena *a, const char *path)
{
    const char *trial = format(a, "%s-001.%ld.part", path, system_process_id());
    int file;
    const char *why = system_file_create(trial, &file);
    if (why) fail(a, "%s: cannot be written: %s; choose another place with -o", path, why);
    system_file_close(file);
    system_file_remove(trial);
}

void output_check(Arena *a, const char *path, double bytes)
{
    FileInfo info;
    path = file_target(a, path);
    const char *folder = folder_of(a, path);
    if (!system_file_info(path, &info) && !info.is_regular)
        fail(a, "%s: is there and no file; choose another name with -o", path);
    if (!folder_is(folder))
        fail(a, "%s: there is no folder %s%s; make it first, or choose another with -o", path, quoted(a, folder),
             near_path_hint(a, folder, FOLDER_PATH));
    try_writing(a, path);
    double room = system_disk_free(folder);
    if (room >= 0 && room < bytes)
        fail(a, "%s: %s are to be written, and there is room for %s; make some, or choose another place with -o",
             path, data_size(a, bytes), data_size(a, room));
}

void output_check_protected(Arena *a, const char *path)
{
    FileInfo info;
    if (system_file_info(path, &info) || !info.is_read_only) return;
    fail(a, "%s: is write-protected; choose another name with -o, or let it be written to: chmod u+w", path);
}

void output_spare(Arena *a, const char *path, const char *input)
{
    if (input && same_file(input, path))
        fail(a, "%s: would be replaced by what is made from it; choose another name with -o", path);
}

/* ---- one after the other ------------------------------------------------------------------------ */

enum { CLOSED = -1 };

struct OutputLock {
    int         number;                  /* CLOSED: it is not locked */
    const char *path;                    /* a file that goes with the lock; NULL: none */
};

static void unlock(void *lock)
{
    OutputLock *l = lock;
    if (l->path) system_file_remove(l->path);
    if (l->number != CLOSED) system_unlock(l->number);
    *l = (OutputLock){ .number = CLOSED };
}

static OutputLock *new_lock(Arena *a)
{
    OutputLock *l = allocate(a, 1, sizeof *l);
    *l = (OutputLock){ .number = CLOSED };
    on_release(a, unlock, l);
    return l;
}

OutputLock *output_lock(Arena *a, const char *path)
{
    const double LONGEST = 20, PAUSE = 0.01;         /* seconds; whoever holds it longer was stopped, as by Ctrl-Z */
    OutputLock *l = new_lock(a);
    const char *folder = folder_of(a, file_target(a, path));
    double began = system_seconds();
    int is_taken;
    while (!system_lock(folder, &l->number, &is_taken)) {
        l->number = CLOSED;
        if (!is_taken || system_seconds() - began > LONGEST) break;
        system_sleep(PAUSE);
    }
    return l;
}

void output_unlock(OutputLock *lock) { unlock(lock); }

/* Is the locked file still the one of that path?  Another process may have removed it, and a third made a new one. */
static int is_still_there(int lock, const char *path)
{
    FileInfo locked, there;
    if (system_file_about(lock, &locked) || system_file_info(path, &there)) return 0;
    return locked.device == there.device && locked.number == there.number;
}

void output_claim(Arena *a, const char *path)
{
    enum { TRIES = 10 };
    OutputLock *l = new_lock(a);
    const char *file = format(a, "%s.lock", file_target(a, path));
    for (int i = 0; i < TRIES; i++) {
        int made, lock, is_taken;
        if (!system_file_create(file, &made)) system_file_close(made);
        int has_it = system_lock(file, &lock, &is_taken);
        if (is_taken)
            fail(a, "%s: another run of persona trains to this file; let it end, or choose another name with -o", path);
        if (!has_it) return;
        if (is_still_there(lock, file)) {
            *l = (OutputLock){ .number = lock, .path = file };
            return;
        }
        system_unlock(lock);
    }
}

/* ---- what is there already ----------------------------------------------------------------------- */

struct KeptFile {
    const char *path;                    /* NULL: for good */
    const char *to;
};

/* Where the file has two names, one of them goes; where it was renamed, it gets its name back. */
static void undo_keeping(void *kept)
{
    KeptFile *k = kept;
    if (!k->path) return;
    if (system_file_exists(k->path)) system_file_remove(k->to);
    else system_file_rename(k->to, k->path);
}

const char *output_beside(Arena *a, const char *path, const char *word, int n)
{
    const char *number = n > 1 ? format(a, "-%d", n) : "";
    return format(a, "%s%s%s%s", without_extension(a, path), word, number, file_extension(path));
}

int output_is_free(Arena *a, const char *path)
{
    FileInfo info;
    const char *why = system_file_find(path, &info);
    if (why) fail(a, "%s: cannot be looked at: %s", path, why);
    return !info.is_regular && !system_file_exists(path);
}

KeptFile *output_keep_as(Arena *a, const char *path, const char *to)
{
    KeptFile *k = allocate(a, 1, sizeof *k);
    *k = (KeptFile){ .to = format(a, "%s", to) };
    on_release(a, undo_keeping, k);
    path = file_target(a, path);
    const char *why = system_file_name_too(path, to);
    if (why) fail(a, "%s: cannot be kept as %s: %s; nothing was replaced", path, to, why);
    k->path = path;
    return k;
}

const char *output_before(Arena *a, const char *path)
{
    const char *target = file_target(a, path);
    int n = 1;
    while (!output_is_free(a, output_beside(a, target, "-before", n))) n++;
    return output_beside(a, target, "-before", n);
}

KeptFile *output_keep(Arena *a, const char *path)
{
    return output_keep_as(a, path, output_before(a, path));
}

const char *output_kept(KeptFile *kept)
{
    kept->path = NULL;
    return kept->to;
}

/* ---- saving ------------------------------------------------------------------------------------ */

typedef struct {
    Arena      *a;
    SaveFile   *save;
    void       *what;
    const char *wanted;
    int         keeps;                   /* what is at the wanted path */
    const char *folder;                  /* where to save it; NULL: at the wanted path */
    const char *saved;                   /* the path where it is */
    const char *kept;                    /* the path of what was there before; NULL: nothing was */
} Saving;

/* The file's name in that folder; with -2, -3, ... before the ending where something of that name is there. */
static const char *free_path_in(Arena *a, const char *folder, const char *path)
{
    const char *beside = strcmp(folder, ".") ? format(a, "%s/", folder) : "";
    const char *wanted = format(a, "%s%s", beside, file_name(path));
    int n = 1;
    while (!output_is_free(a, output_beside(a, wanted, "", n))) n++;
    return output_beside(a, wanted, "", n);
}

static void save(void *saving)
{
    Saving *s = saving;
    s->saved = s->folder ? free_path_in(s->a, s->folder, s->wanted) : s->wanted;
    OutputLock *lock = output_lock(s->a, s->saved);
    int keeps = s->keeps && !s->folder;
    KeptFile *kept = keeps && file_is_there(s->a, s->wanted) ? output_keep(s->a, s->wanted) : NULL;
    s->save(s->what, s->saved);
    if (kept) s->kept = output_kept(kept);
    output_unlock(lock);
}

/* Where it is wanted; returns whether it was saved. */
static int save_as_wanted(Saving *s, const Callbacks *callbacks, char *why)
{
    if (attempt(s->a, save, s, why)) return 0;
    if (s->kept) callbacks_say(callbacks, "%s: what was there before is kept as %s", s->wanted, s->kept);
    return 1;
}

const char *output_save(Arena *a, const char *path, int keeps, const char *const *elsewhere, SaveFile *save_file,
                        void *what, const Callbacks *callbacks)
{
    Saving s = { .a = a, .save = save_file, .what = what, .wanted = path, .keeps = keeps };
    char why[MESSAGE], why_not[MESSAGE];
    if (save_as_wanted(&s, callbacks, why)) return path;
    folder_make_again(a, folder_of(a, path));
    if (save_as_wanted(&s, callbacks, why)) return path;
    if (!elsewhere) fail(a, "%s", why);
    for (; *elsewhere; elsewhere++) {
        s.folder = *elsewhere;
        if (attempt(a, save, &s, why_not)) continue;
        callbacks_say(callbacks, "warning: %s; so it was saved as %s", why, s.saved);
        return s.saved;
    }
    fail(a, "%s; nor can it be saved elsewhere: %s", why, why_not);
}
