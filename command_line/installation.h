/* installation.h - where other programs keep their weights. */
#ifndef INSTALLATION_H
#define INSTALLATION_H

#include "files.h"

/* An installation of a program: what it is called, the folders in it that hold weights, up to NULL, and the file in it
 * that names more (extra_model_paths.h), or NULL. */
typedef struct { const char *program, *marker, *const *folder, *more; } Installation;

/* The program whose root this folder is; NULL when it is none that is known. */
const Installation *installation_at(Arena *a, const char *folder);

/* Where people have it in their home folder: name i below it, or NULL. */
const char *installation_usual_place(size_t i);

/* "~/models" is in the home folder, where no shell has seen it. */
const char *path_with_home(Arena *a, const char *path);

/* Folders of these names are full, and never of weights: "node_modules". */
int installation_is_clutter(const char *name);

#endif
