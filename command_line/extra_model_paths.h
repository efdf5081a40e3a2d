/* extra_model_paths.h - the folders of weights that ComfyUI's extra_model_paths.yaml names. */
#ifndef EXTRA_MODEL_PATHS_H
#define EXTRA_MODEL_PATHS_H

#include "files.h"

/* kind: "checkpoints", "loras", ...  path: absolute, or from the current folder; whether it is there is not looked at.
 * is_default: it is searched before ComfyUI's own folders.  line: of the file, from 1 */
typedef struct {
    const char *kind, *path;
    int         is_default;
    size_t      line;
} ExtraFolder;

typedef struct { ExtraFolder *folder; size_t count, room; } ExtraFolders;

/* Those of kinds that are used here, in the arena.  Fails with path, line and reason when the file cannot be read, or
 * is none that ComfyUI would read. */
ExtraFolders extra_model_paths(Arena *a, const char *path);

#endif
