/* search_path.h - the search path: the folders that names of weights are looked for in. */
#ifndef SEARCH_PATH_H
#define SEARCH_PATH_H

#include "prompt.h"

typedef struct {
    const char *path;
    uint64_t    device, number;          /* which folder that is, whatever it is called */
    int         depth;                   /* so many levels of folders in it are in the list too */
    int         is_root;                 /* a weights folder itself, not one in it */
    int         has_embeddings;          /* one of its names says that it holds what prompts may name */
} SearchedFolder;

/* The folders that are searched, in this order, none of them twice:
 *   - the folder of the prompt file, and the current folder, without the folders in them
 *   - embeddings/ in both, the extra folders (--weights), weights/ in the current folder, and weights/ where the
 *     program lies; each of these with all folders in it
 *   - those of the web UI or of ComfyUI, when one of the first two is in its tree */
typedef struct SearchPath SearchPath;
struct SearchPath {
    SearchedFolder *folder;
    size_t          count, room;
    LineCallback   *say;                 /* hears by which rule a name was found; may be NULL */
    void           *to;
    struct Told    *told;
    const SearchPath *at_home;           /* of other programs there: for names that are nowhere else */
    int             is_incomplete;       /* a folder is not there, so nothing can be said of a name that is not found */
};

/* beside: the path of the prompt file or picture; NULL when there is none.  extra[extras]: folders, with
 * where each is named.  program: argv[0].  Fails when an extra folder does not exist that was typed ("--weights"). */
SearchPath *search_path_new(Arena *a, const char *beside, const Name *extra, size_t extras, const char *program,
                            LineCallback *say, void *to);

/* The path of a name in a folder of the list. */
const char *search_path_join(Arena *a, const char *folder, const char *name);

/* The folders, for a message: "the current folder, weights/ and below". */
const char *search_path_list(Arena *a, const SearchPath *p);

/* Tells a line, once. */
void search_path_say(const SearchPath *p, const char *line);

#endif
