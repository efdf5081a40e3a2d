/* known_kinds.h - the kinds of files of weights that people have, each with what gives it away. */
#ifndef KNOWN_KINDS_H
#define KNOWN_KINDS_H

#include <stddef.h>

typedef enum {
    UNKNOWN_FILE, MODEL_FILE, VAE_FILE, MOTION_FILE, LORA_FILE, EMBEDDING_FILE, UPSCALER_FILE,
    UNSUPPORTED_FILE      /* known by name, but not used here: SDXL, ControlNet, ... */
} FileKind;

/* What gives a kind away.
 * part:    stands in the name of a tensor, from the beginning of a word on; "^part": from the beginning of the name on
 * inputs:  the second dim of that tensor; 0: any
 * with:    stands so in the name of some tensor too; NULL: nothing more is asked for */
typedef struct { const char *part, *with; size_t inputs; } Sign;

/* name:    what the file is, "an SDXL checkpoint"
 * base:    the model that it is, or is made for; NULL: base_of_tensors and its metadata may say
 * purpose: what it is for
 * advice:  how it is used here, or what to take instead */
typedef struct { Sign sign; FileKind kind; const char *name, *base, *purpose, *advice; } KnownKind;

/* The first row that fits a file says what it is.  Ends with a row without a name. */
extern const KnownKind known_kinds[];

/* What the tensors of an adapter or a ControlNet tell of the model that it is made for; the first that fits. */
typedef struct { Sign sign; const char *base; } KnownBase;
extern const KnownBase known_bases[];            /* ends with a row without a base */

/* What metadata call the models.  The first whose words stand in a value counts, whatever the case. */
typedef struct { const char *words, *base; } BaseWords;
extern const BaseWords base_words[];             /* ends with a row without a base */

#endif
