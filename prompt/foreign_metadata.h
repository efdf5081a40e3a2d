/* foreign_metadata.h - the settings inside a picture, whichever program made it. */
#ifndef FOREIGN_METADATA_H
#define FOREIGN_METADATA_H

#include "files.h"

/* What was found.
 * program:  which program made the picture: "ComfyUI"; NULL when it holds infotext, as the web UI and persona write it
 * where:    where that stands: "prompt", "EXIF UserComment"
 * infotext: for prompt_parse; NULL when it cannot be translated
 * lost:     what has no equal here, as a list for people; without infotext, what there is instead; NULL: nothing */
typedef struct { const char *program, *where, *infotext, *lost; } ForeignMetadata;

/* Finds the settings inside a GIF, PNG, JPEG or WebP, or in a workflow of ComfyUI or such JSON that was saved as a
 * file.  path: for messages.  file: any bytes.  Returns 0 when there are none.  What is broken is as if it were not
 * there. */
int foreign_metadata(Arena *a, const char *path, Bytes file, ForeignMetadata *found);

/* "a.png: made by ComfyUI, read from its graph; not translated: ..." as a message; NULL when there is nothing to say.
 * The same says why there is no infotext. */
char *foreign_metadata_message(Arena *a, const char *path, const ForeignMetadata *m);

#endif
