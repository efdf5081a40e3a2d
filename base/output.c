/* output.c - the place of an output file.
 *
 * A picture takes minutes and a training hours, so what can be known about the place of the result is checked before:
 * whether its folder exists, whether a file can be made there (by making one), and whether there is room on the disk.
 * The room is only a guess at what will be free later; files_save() still reports what goes wrong then. */
#include "output.h"

#include "chars.h"
#include "files.h"
#include "system.h"

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
        fail(a, "%s: there is no folder %s; make it first, or choose another with -o", path, quoted(a, folder));
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
