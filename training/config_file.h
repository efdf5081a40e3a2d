/* config_file.h - a file of options: TOML, or JSON, as a flat list of values. */
#ifndef CONFIG_FILE_H
#define CONFIG_FILE_H

#include "toml.h"

/* Reads a file of at most 1 MB; its content says which of the two it is.  Paths of values are as toml.h says.  null of
 * JSON is no value.  Fails with the file, and the line of TOML. */
ConfigEntries config_file_read(Arena *a, const char *path);

/* Is it JSON, by its first byte? */
int is_json_text(Bytes b);

/* The part of a path behind "datasets.0." and so on: returns what follows `parent` and ".", NULL when path is not
 * within it. */
const char *config_within(const char *path, const char *parent);

#endif
