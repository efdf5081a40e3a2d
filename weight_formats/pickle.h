/* pickle.h - a Python pickle read as data: what it describes is kept, nothing that it asks for is done. */
#ifndef PICKLE_H
#define PICKLE_H

#include "files.h"

typedef enum {
    P_NONE, P_BOOL, P_INT,      /* integer */
    P_FLOAT,                    /* number */
    P_TEXT,                     /* text: count bytes, and a NUL behind them */
    P_BYTES,                    /* the same; also an integer of more than 64 bits, little-endian */
    P_TUPLE, P_LIST,            /* item[count]; a set is a list, a frozenset is a tuple */
    P_DICT,                     /* item[count]: a key, its value, a key, ...; an OrderedDict too */
    P_NAME,                     /* text: a name in a module, "torch._utils._rebuild_tensor_v2" */
    P_CALL,                     /* item[0] is the name that would be called, item[1] its arguments, usually a tuple.
                                 * Nothing was called.  item[2] of a ParameterDict is its state. */
    P_PERSISTENT                /* item[0] is a persistent id: it stands for something outside the pickle, a storage */
} PickleKind;

typedef struct Pickled Pickled;

struct Pickled {
    PickleKind kind;
    int        seen;            /* 0; for a walk to count in, since values are shared and may hold themselves */
    size_t     count, room;
    union { int64_t integer; double number; const char *text; Pickled **item; };
};

/* root: what the pickle describes    persistent: [persistents], all values of that kind in the order of the pickle */
typedef struct { Pickled *root, **persistent; size_t persistents; } Pickle;

/* Reads one pickle at the start of *file and moves *file behind it.  The result lives in the arena.
 * Fails with path and reason when the pickle is damaged, is longer than any weight file has, or calls something that no
 * weight file has reason to call; the message names what it calls. */
Pickle pickle_read(Arena *a, const char *path, Bytes *file);

/* Is it of this kind, with this count? */
int pickle_is(const Pickled *p, PickleKind kind, size_t count);

#endif
