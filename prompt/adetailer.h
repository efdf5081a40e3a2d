/* adetailer.h - the settings of ADetailer, an extension of the web UI that draws faces anew. */
#ifndef ADETAILER_H
#define ADETAILER_H

#include "tensor.h"

#include <stddef.h>

/* The settings as they were pasted, of all tabs: "ADetailer model" is the first tab's, "ADetailer model 2nd" that of
 * the second.  Texts are the caller's. */
typedef struct { const char *key[32], *value[32]; size_t count; } ADetailer;

/* What the settings say of a face; .suffix NULL: nothing.
 * suffix: of the tab, "" or " 2nd"        model, strength: as pasted; 0.4, which is not written, is the default there
 * prompt: what remains of its prompt, or NULL: the picture's         tags: what was taken out of it, or NULL */
typedef struct { const char *suffix, *model, *strength, *prompt, *tags; } ADetailerFace;

/* Keeps a setting of a model, a prompt or a denoising strength.  -> 0 for any other */
int adetailer_keep(ADetailer *d, const char *key, const char *value);

/* The first tab whose model finds faces.  prompt: the picture's, which "[PROMPT]" stands for */
ADetailerFace adetailer_face(Arena *a, const ADetailer *d, const char *prompt);

/* Is this key one that the face was read from? */
int adetailer_is_used(const ADetailerFace *face, const char *key);

#endif
