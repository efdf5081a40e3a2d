/* pickle.h - Python's pickles as data: what they say, never what they would do. */
#ifndef PICKLE_H
#define PICKLE_H

#include "files.h"

typedef enum {
    P_NONE, P_BOOL, P_INT, P_FLOAT,     /* integer, or number */
    P_TEXT, P_BYTES,                    /* text, count bytes and a NUL behind them; an integer of over 64 bits is its BYTES */
    P_TUPLE, P_LIST,                    /* count items */
    P_DICT,                             /* count items: a key, its value, a key, ...; an OrderedDict too */
    P_NAME,                             /* text: "torch._utils._rebuild_tensor_v2" */
    P_CALL,                             /* two items: the name, and the tuple or whatever it is called with.  Nothing was called.
                                         * A ParameterDict's third is its state. */
    P_PERSISTENT                        /* one item: what stands for something outside the pickle */
} PickleKind;

typedef struct Pickled Pickled;
struct Pickled {
    PickleKind kind;
    int        seen;                    /* 0; for who walks: things may be shared, and may hold themselves */
    size_t     count, room;
    union { int64_t integer; double number; const char *text; Pickled **item; };
};

typedef struct { Pickled *root, **persistent; size_t persistents; } Pickle;      /* persistent: every one of that kind, as they came */

/* Reads one pickle from *file and moves *file behind it.  Fails with path and reason: damaged, larger than
 * any file of weights, or one that calls what no file of weights has reason to call, which is named. */
Pickle pickle_read(Arena *a, const char *path, Bytes *file);

int pickle_is(const Pickled *p, PickleKind kind, size_t count);      /* is it of this kind, with so many items? */

#endif
