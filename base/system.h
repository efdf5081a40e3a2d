/* system.h - all that this program asks of the operating system beyond C11.
 *
 * Everything that differs between Linux, macOS and Windows is behind these functions.  All other files include standard
 * headers only, so a port to another system is another system.c.
 *
 * A function that can fail returns NULL when it succeeded, else the reason in words ("No such file or directory"),
 * which is valid until another call here fails.  Paths are UTF-8 and have "/" between folders. */
#ifndef SYSTEM_H
#define SYSTEM_H

#include <stddef.h>
#include <stdint.h>
#include <time.h>

/* ---- memory ------------------------------------------------------------------------------------ */

/* Reserves a range of addresses, filled with zeros.  A page costs memory from when it is first touched.  Returns NULL
 * when there is no such range. */
void  *system_memory_reserve(size_t bytes);
void   system_memory_free   (void *memory, size_t bytes);       /* the whole range that was reserved */
/* Gives the memory of a part of a reserved range back.  The addresses stay; their bytes may be zeros from now on. */
void   system_memory_discard(void *memory, size_t bytes);
/* Bytes of memory in this machine, or that the container may take which this runs in; SIZE_MAX when it is not known. */
size_t system_memory_size   (void);
/* The least of the limits that Linux' control groups set for this process: that of its own group and those of all
 * groups around it; SIZE_MAX: there is none.  root: the folder that /proc and /sys are in, "" but for a test. */
size_t system_memory_limit  (const char *root);
double system_memory_peak   (void);      /* the most bytes of memory that this process had at once */

/* ---- files ------------------------------------------------------------------------------------- */

typedef struct {
    int             is_regular;          /* a file with bytes on a disk: no folder, no pipe, no device */
    int             is_folder;
    int             is_device;           /* takes bytes as they come, as /dev/null does; a disk is none */
    int             is_read_only;        /* nobody may write to it, so somebody wants it to stay as it is */
    size_t          size;                /* bytes */
    uint64_t        device, number;      /* two paths lead to the same file when both of these are equal */
    struct timespec modified;            /* when its content was written */
    struct timespec changed;             /* when it was written, renamed or moved here */
} FileInfo;

int         system_path_is_absolute(const char *path);      /* Does it begin at the root of a file system? */
const char *system_file_info  (const char *path, FileInfo *info);      /* of the file that a link leads to */
const char *system_file_find  (const char *path, FileInfo *info);      /* nothing there: neither file nor folder */
int         system_file_exists(const char *path);      /* Is there anything of this name?  A link to nothing counts. */
void        system_file_remove(const char *path);      /* does nothing when there is no such file */
/* Replaces the file `to` in one step: readers see the old file or the new one. */
const char *system_file_rename(const char *from, const char *to);
/* Gives the file `from` the name `to`, and fails when anything has that name.  `from` remains, as a second name of the
 * same file, where the file system has such names; elsewhere it is gone. */
const char *system_file_name_too(const char *from, const char *to);
/* Writes the path that a symbolic link leads to into target[size], whether or not anything is there; the path itself
 * when it is no link. */
const char *system_file_target(const char *path, char *target, size_t size);

/* Open files have numbers.  Opening never waits, not even for the other end of a pipe. */
const char *system_file_open  (const char *path, int *file);           /* to read */
const char *system_file_create(const char *path, int *file);           /* to write; fails when it exists already */
const char *system_file_about (int file, FileInfo *info);
const char *system_file_write (int file, const void *data, size_t size);      /* all of it */
const char *system_file_flush (int file);              /* what was written is on the disk, or this fails */
const char *system_file_close (int file);              /* closes it in any case; an earlier write may fail only now */

/* Maps the first `size` > 0 bytes of an open file into memory, to read.  The mapping outlives system_file_close. */
const char *system_file_map    (int file, size_t size, const void **data);
void        system_file_unmap  (const void *data, size_t size);
void        system_file_discard(const void *data, size_t size);      /* gives its memory back; it stays mapped */

/* ---- folders and disks ------------------------------------------------------------------------- */

typedef struct Folder Folder;            /* an open folder */

const char *system_folder_open  (const char *path, Folder **folder);      /* *folder is NULL: there is none */
const char *system_folder_next  (Folder *folder, const char **name);      /* valid until the next call; NULL: no more */
void        system_folder_close (Folder *folder);
const char *system_folder_make  (const char *path);      /* does nothing when it exists already */
void        system_folder_remove(const char *path);      /* does nothing unless the folder is empty */

/* A lock on an existing file or folder, which one process at a time can have; it ends with the process, too.  Writes
 * its number for system_unlock().  Returns whether this process has it now: not when another has it, or when this file
 * system knows no locks, which *is_taken tells apart. */
int         system_lock  (const char *path, int *lock, int *is_taken);
void        system_unlock(int lock);
double      system_disk_free    (const char *folder);    /* bytes that fit on its disk; negative: not known */
const char *system_temporary_folder(void);               /* where anybody may write; it may be emptied at any time */

/* ---- the process ------------------------------------------------------------------------------- */

char     system_list_separator(void);    /* what stands between the folders of a variable as PATH */
long     system_process_id(void);
int      system_process_runs(long id);   /* Is there a process of this number now? */
/* Cores that this process may run on, not the two threads that each may have; 0: not known.  root: as above */
int      system_cores(const char *root);
/* How many processors' time Linux' control groups let this process take, as 1.5; 0: there is no limit. */
double   system_processor_limit(const char *root);
int      system_processors(void);        /* of the machine; 0: not known */
int      system_running(const char *root);      /* threads of all programs that run or want to, now; 0: not known */
uint32_t system_random_bits(void);       /* 32 bits that nobody can foretell, to be a seed */
const char *system_environment(const char *name);      /* the value of this variable; NULL when it is not set */

/* Writes the path of the running program into path[size].  argv0: main's argv[0], used where the system does not know
 * the path; may be NULL.  Returns whether the path is known. */
int  system_program_path(const char *argv0, char *path, size_t size);

/* Runs the program from its beginning again, in this process, with one more environment variable.  Returns only when
 * that is not possible.  What is read from the environment before main() can only be set this way. */
void system_restart(char **argv, const char *name, const char *value);

/* ---- clock ------------------------------------------------------------------------------------- */

double system_seconds(void);                  /* seconds, of a clock that never goes back */
void   system_sleep(double seconds);     /* a signal ends it early */

/* ---- signals ----------------------------------------------------------------------------------- */

/* Calls the handler on Ctrl-C, on a request to end, and when the terminal goes away (unless that was set to be
 * ignored, as nohup does).  The second signal of a kind ends the program at once. */
void system_on_interrupt(void (*handler)(int signal));

/* Calls the handler when the file behind mapped memory cannot be read any more: it was cut short, or its disk is gone.
 * address: where that was.  The handler must end the program; it may call system_write_error. */
void system_on_lost_file(void (*handler)(const void *address));

void system_ignore_broken_pipe(void);    /* writing to a pipe that nobody reads is an error, no longer the end */
void system_ignore_size_limit(void);     /* so is passing the limit of a file's size */
void system_write_error(const char *text);      /* to stderr, unbuffered; may be called from a handler */

/* ---- the terminal: what stderr is connected to -------------------------------------------------- */

int         system_is_terminal(void);
int         system_input_is_terminal(void);       /* the same for stdin ... */
int         system_output_is_terminal(void);      /* ... and stdout */
int         system_terminal_size(int *columns, int *rows);      /* returns 0 when it is not known */
const char *system_terminal_colours(void);      /* "truecolor" or "24bit" where it shows 24-bit colour; may be NULL */

#endif
