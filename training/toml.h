/* toml.h - TOML 1.0 (toml.io), the part that files of options use, as a flat list of values. */
#ifndef TOML_H
#define TOML_H

#include "files.h"

typedef enum { CONFIG_TEXT, CONFIG_NUMBER, CONFIG_SWITCH, CONFIG_EMPTY, CONFIG_TABLE } ConfigType;

/* One value and where it stands: "datasets.0.subsets.1.image_dir"; elements of arrays by their number.
 * CONFIG_EMPTY: an array without elements.  CONFIG_TABLE: an element of an array of tables begins; it has no text. */
typedef struct {
    const char *path;
    ConfigType  type;
    const char *text;                    /* a number without "_", and "true" or "false" of a switch */
    size_t      line;
} ConfigEntry;

typedef struct { ConfigEntry *entry; size_t count, room; } ConfigEntries;

/* Reads any bytes at all.  path: the file, for messages.
 * Fails with file and line on what is no TOML, on a key that is there twice, on dates (no option has one), on a key
 * with a dot or nothing in it, on brackets deeper than 16, and on more than 10000 values. */
ConfigEntries toml_read(Arena *a, Bytes text, const char *path);

/* For other readers of such files: adds a value.  Fails as above. */
void config_add(Arena *a, ConfigEntries *all, const char *file, ConfigEntry entry);

/* The value at that path; NULL: none. */
const ConfigEntry *config_at(const ConfigEntries *all, const char *path);

#endif
