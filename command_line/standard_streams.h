/* standard_streams.h - "-" in place of a file: standard input and standard output. */
#ifndef STANDARD_STREAMS_H
#define STANDARD_STREAMS_H

#include "files.h"

#include <signal.h>

/* Does the path mean standard input ("-", "/dev/stdin"), or another open file, as the shell's <(...) does
 * ("/dev/fd/63")? */
int stream_is_input(const char *path);

/* What takes bytes and is no file, for messages: "standard output" ("-", "/dev/stdout"), an open file as of the shell's
 * >(...), or a device ("/dev/null").  NULL: the path is that of a file. */
const char *stream_output(const char *path);

/* Reads it to its end, and gives its bytes the name that is returned: file_map() of this name returns them, until
 * release.  Fails when it cannot be read, when it has more than 256 MB, and when *stopped becomes nonzero. */
const char *stream_read(Arena *a, const char *path, const volatile sig_atomic_t *stopped);

/* Writes the bytes to a stream_output().  Fails with the reason. */
void stream_write(Arena *a, const char *path, Bytes content);

#endif
