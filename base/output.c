/* output.c - the place of an output file.
 *
 * A picture takes minutes and a training hours, so what can be known about the place of the result is checked before:
 * whether its folder exists, whether a file can be made there (by making one), and whether there is room on the disk.
 * The room is only a guess at what will be free later, and hours later the folder may be gone, the disk full or
 * read-only.  Then what was learned is the only copy of those hours, and it is saved wherever it can be: where it is
 * wanted, in a second try, after the folder was made again; then in other folders.  There it gets a name that is free,
 * so that it replaces nothing. */
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
    const char *folder = folder_of(a, path);
    if (!system_file_info(path, &info) && !info.is_regular)
        fail(a, "%s: is there and no file; choose another name with -o", path);
    if (!folder_is(folder))
        fail(a, "%s: there is no folder %s%s; make it first, or choose another with -o", path, quoted(a, folder),
             near_path_hint(a, folder, FOLDER_PATH));
    try_writing(a, path);
    double room = system_disk_free(folder);
    if (room >= 0 && room < bytes)
        fail(a, "%s: %.1f MB are to be written, and there is room for %.1f; make some, or choose another place with -o",
             path, bytes / 1e6, room / 1e6);
}

void output_spare(Arena *a, const char *path, const char *input)
{
    if (input && same_file(input, path))
        fail(a, "%s: would be replaced by what is made from it; choose another name with -o", path);
}

/* ---- saving ------------------------------------------------------------------------------------ */

typedef struct {
    Arena      *a;
    SaveFile   *save;
    void       *what;
    const char *wanted;
    const char *folder;                  /* where to save it; NULL: at the wanted path */
    const char *saved;                   /* the path where it is */
} Saving;

static int is_free(Arena *a, const char *path)
{
    FileInfo info;
    const char *why = system_file_find(path, &info);
    if (why) fail(a, "%s: cannot be looked at: %s", path, why);
    return !system_file_exists(path);
}

/* The file's name in that folder; with -2, -3, ... before the ending where something of that name is there. */
static const char *free_path_in(Arena *a, const char *folder, const char *path)
{
    const char *beside = strcmp(folder, ".") ? format(a, "%s/", folder) : "";
    const char *stem = format(a, "%s%s", beside, without_extension(a, file_name(path)));
    const char *ending = file_extension(path);
    const char *free_path = format(a, "%s%s", stem, ending);
    for (int n = 2; !is_free(a, free_path); n++) free_path = format(a, "%s-%d%s", stem, n, ending);
    return free_path;
}

static void save(void *saving)
{
    Saving *s = saving;
    s->saved = s->folder ? free_path_in(s->a, s->folder, s->wanted) : s->wanted;
    s->save(s->what, s->saved);
}

const char *output_save(Arena *a, const char *path, const char *const *elsewhere, SaveFile *save_file, void *what,
                        const Callbacks *callbacks)
{
    Saving s = { .a = a, .save = save_file, .what = what, .wanted = path };
    char why[MESSAGE], why_not[MESSAGE];
    if (!attempt(a, save, &s, why)) return path;
    folder_make_again(a, folder_of(a, path));
    if (!attempt(a, save, &s, why)) return path;
    if (!elsewhere) fail(a, "%s", why);
    for (; *elsewhere; elsewhere++) {
        s.folder = *elsewhere;
        if (attempt(a, save, &s, why_not)) continue;
        callbacks_say(callbacks, "warning: %.400s; so it was saved as %s", why, s.saved);
        return s.saved;
    }
    fail(a, "%.400s; nor can it be saved elsewhere: %.400s", why, why_not);
}
