/* pickle.c - Python's pickles as data.
 *
 * A pickle is a program for a machine with a stack, a memo and one dangerous instruction: call this by name.  It is
 * how a downloaded file takes over a computer.  This machine has no such instruction.  A name stays text, a call
 * stays a pair (name, arguments), and what they mean is for the reader of the result to decide.
 *
 * Calls are accepted of names in one table: what torch writes for tensors, and what else stands in the checkpoints
 * people have, from their trainers.  Any other call refuses the file and is named.  That protects nobody from this
 * program, which could keep it as data too, but from the next one that the file is given to.
 *
 * Everything is hostile: instructions outside the list are refused, none reads past the end, none recurses.  Values are
 * made once and shared, the memo holds references, so nothing grows by being repeated; and there are never more of them
 * than instructions, which are counted. */
#include "pickle.h"

#include <stdio.h>
#include <string.h>

enum { MOST_STEPS = 1000000, CHUNK = 512, LONGEST_NAME = 200 };

typedef struct { Pickled **item; size_t count, room; } Items;

typedef struct {
    Arena   *mem;
    const char *path;
    const unsigned char *start, *at, *end;
    Items    stack, memo, persistent;
    size_t  *mark, marks, marks_room;    /* heights of the stack */
    size_t   steps;
    Pickled *fresh;  size_t left;        /* values taken ahead */
    const char *stranger;                /* the first name that may not be called */
} Unpickler;

/* by their whole names; what is inert in one module may be a way to anything in the next */
static const char *const callable[] = {
    "torch._utils._rebuild_tensor", "torch._utils._rebuild_tensor_v2", "torch._utils._rebuild_tensor_v3", "torch._utils._rebuild_parameter",
    "torch._utils._rebuild_parameter_with_state", "torch._utils._rebuild_qtensor", "torch._utils._rebuild_sparse_tensor",
    "torch._utils._rebuild_device_tensor_from_numpy", "torch._utils._rebuild_meta_tensor_no_storage", "torch._tensor._rebuild_from_type_v2",
    "torch.Size", "torch.device", "torch.Tensor", "torch.nn.parameter.Parameter", "torch.nn.modules.container.ParameterDict",
    "collections.OrderedDict", "collections.Counter", "collections.defaultdict", "_codecs.encode",
    "builtins.set", "builtins.frozenset", "builtins.bytearray", "builtins.complex", "__builtin__.set", "__builtin__.frozenset", "__builtin__.bytearray",
    "numpy.core.multiarray.scalar", "numpy.core.multiarray._reconstruct", "numpy._core.multiarray.scalar", "numpy._core.multiarray._reconstruct",
    "numpy.core.numeric._frombuffer", "numpy._core.numeric._frombuffer", "numpy.dtype", "numpy.ndarray",
    "pytorch_lightning.callbacks.model_checkpoint.ModelCheckpoint", "pytorch_lightning.callbacks.ModelCheckpoint",
    "pytorch_lightning.callbacks.early_stopping.EarlyStopping", "pytorch_lightning.utilities.parsing.AttributeDict",
    "lightning_fabric.utilities.data.AttributeDict", "lightning.fabric.utilities.data.AttributeDict",
    "omegaconf.dictconfig.DictConfig", "omegaconf.listconfig.ListConfig", "omegaconf.base.ContainerMetadata", "omegaconf.base.Metadata",
    "omegaconf.nodes.AnyNode", "omegaconf.nodes.BooleanNode", "omegaconf.nodes.FloatNode", "omegaconf.nodes.IntegerNode", "omegaconf.nodes.StringNode",
    "argparse.Namespace", "pathlib.PosixPath", "pathlib.WindowsPath",
};

static int may_be_called(const char *name)
{
    for (size_t i = 0; i < sizeof callable / sizeof *callable; i++) if (!strcmp(callable[i], name)) return 1;
    return 0;
}

static _Noreturn void bad(const Unpickler *m, const char *what)
{
    const char *names = m->stranger ? format(m->mem, "; it names %s", m->stranger) : "";
    fail(m->mem, "%s: its pickle is damaged at byte %zu: %s%s; download it again, or look for a safetensors copy", m->path, (size_t)(m->at - m->start), what, names);
}

/* ---- values ----------------------------------------------------------------------------------- */

static Pickled *value(Unpickler *m, PickleKind kind)
{
    if (!m->left) m->fresh = take(m->mem, m->left = CHUNK, sizeof *m->fresh);
    Pickled *v = &m->fresh[--m->left];
    *v = (Pickled){ .kind = kind };
    return v;
}

static void append(Unpickler *m, Pickled ***item, size_t *count, size_t *room, Pickled *v)
{
    *item = roomier(m->mem, *item, *count, room, sizeof **item);
    (*item)[(*count)++] = v;
}

static void hold(Unpickler *m, Pickled *in, Pickled *v) { append(m, &in->item, &in->count, &in->room, v); }

int pickle_is(const Pickled *p, PickleKind kind, size_t count) { return p->kind == kind && p->count == count; }

/* ---- the stack, its marks, the memo ----------------------------------------------------------- */

static void push(Unpickler *m, Pickled *v) { append(m, &m->stack.item, &m->stack.count, &m->stack.room, v); }

static size_t floor_of(const Unpickler *m) { return m->marks ? m->mark[m->marks - 1] : 0; }

static Pickled *top(const Unpickler *m)
{
    if (m->stack.count <= floor_of(m)) bad(m, "nothing is left to work on");
    return m->stack.item[m->stack.count - 1];
}

static Pickled *pop(Unpickler *m)
{
    Pickled *v = top(m);
    m->stack.count--;
    return v;
}

static void set_mark(Unpickler *m)
{
    m->mark = roomier(m->mem, m->mark, m->marks, &m->marks_room, sizeof *m->mark);
    m->mark[m->marks++] = m->stack.count;
}

/* everything above the last mark, which is gone then -> where it lies, until the next push */
static Pickled **pop_mark(Unpickler *m, size_t *count)
{
    if (!m->marks) bad(m, "a mark is missing");
    size_t floor = m->mark[--m->marks];
    *count = m->stack.count - floor;
    m->stack.count = floor;
    return m->stack.item + floor;
}

/* pickles number their memo as they go, so a number cannot be larger than the steps so far */
static void remember(Unpickler *m, size_t index)
{
    if (index > m->steps) bad(m, "a memo number is out of range");
    while (m->memo.count <= index) append(m, &m->memo.item, &m->memo.count, &m->memo.room, NULL);
    m->memo.item[index] = top(m);
}

static void recall(Unpickler *m, size_t index)
{
    if (index >= m->memo.count || !m->memo.item[index]) bad(m, "it refers to a memo that was never made");
    push(m, m->memo.item[index]);
}

/* ---- operands --------------------------------------------------------------------------------- */

static const unsigned char *bytes(Unpickler *m, size_t n)
{
    if ((size_t)(m->end - m->at) < n) bad(m, "it is cut short");
    return (m->at += n) - n;
}

/* n <= 8 bytes, little-endian */
static uint64_t number(Unpickler *m, size_t n)
{
    uint64_t u = 0;
    const unsigned char *p = bytes(m, n);
    for (size_t i = n; i-- > 0; ) u = u << 8 | p[i];
    return u;
}

static size_t length(Unpickler *m, size_t n)
{
    uint64_t u = number(m, n);
    if (u > (uint64_t)(m->end - m->at)) bad(m, "it is cut short");
    return (size_t)u;
}

static void push_text(Unpickler *m, PickleKind kind, size_t n)
{
    Pickled *v = value(m, kind);
    char *copy = take(m->mem, n + 1, 1);
    memcpy(copy, bytes(m, n), n);
    copy[n] = 0;
    v->text = copy, v->count = n;
    push(m, v);
}

static void push_integer(Unpickler *m, PickleKind kind, int64_t i)
{
    Pickled *v = value(m, kind);
    v->integer = i;
    push(m, v);
}

/* n bytes, two's complement */
static void push_long(Unpickler *m, size_t n)
{
    if (n > 8) { push_text(m, P_BYTES, n); return; }
    uint64_t u = number(m, n);
    if (n && n < 8 && u >> (8 * n - 1)) u |= UINT64_MAX << 8 * n;
    push_integer(m, P_INT, (int64_t)u);
}

/* eight bytes, big-endian */
static void push_float(Unpickler *m)
{
    uint64_t u = 0;
    const unsigned char *p = bytes(m, 8);
    Pickled *v = value(m, P_FLOAT);
    for (int i = 0; i < 8; i++) u = u << 8 | p[i];
    memcpy(&v->number, &u, 8);
    push(m, v);
}

/* ---- names and calls -------------------------------------------------------------------------- */

static void push_name(Unpickler *m, const char *module, size_t n, const char *name, size_t k)
{
    if (n > LONGEST_NAME || k > LONGEST_NAME || memchr(module, 0, n) || memchr(name, 0, k)) bad(m, "a name is too long or has a NUL in it");
    Pickled *v = value(m, P_NAME);
    v->text = format(m->mem, "%.*s.%.*s", (int)n, module, (int)k, name);
    if (!m->stranger && !may_be_called(v->text) && strncmp(v->text, "torch.", 6)) m->stranger = v->text;
    push(m, v);
}

static const char *line(Unpickler *m, size_t *n)
{
    const unsigned char *stop = memchr(m->at, '\n', (size_t)(m->end - m->at));
    if (!stop) bad(m, "a name does not end");
    const char *text = (const char *)m->at;
    *n = (size_t)(stop - m->at);
    m->at = stop + 1;
    return text;
}

static void push_global(Unpickler *m)
{
    size_t n, k;
    const char *module = line(m, &n), *name = line(m, &k);
    push_name(m, module, n, name, k);
}

static void push_global_of_stack(Unpickler *m)
{
    const Pickled *name = pop(m), *module = pop(m);
    if (name->kind != P_TEXT || module->kind != P_TEXT) bad(m, "a name is no text");
    push_name(m, module->text, module->count, name->text, name->count);
}

static void call(Unpickler *m, Pickled *name, Pickled *arguments)
{
    if (name->kind != P_NAME) bad(m, "it calls something that is no name");
    if (!may_be_called(name->text))
        fail(m->mem, "%s: its pickle calls %s, which no file of weights needs: it may be made to harm; refused.  Look for a safetensors copy, and load this file nowhere else",
             m->path, name->text);
    int ordered = !strcmp(name->text, "collections.OrderedDict") && pickle_is(arguments, P_TUPLE, 0);
    Pickled *v = value(m, ordered ? P_DICT : P_CALL);
    if (!ordered) hold(m, v, name), hold(m, v, arguments);
    push(m, v);
}

/* what is added to the result of a call is dropped: nobody asks for the state of such things */
static void extend(Unpickler *m, PickleKind kind, Pickled **item, size_t n)
{
    Pickled *in = top(m);
    if (in->kind == P_CALL) return;
    if (in->kind != kind) bad(m, "it adds to something that is neither list nor dict");
    if (kind == P_DICT && n % 2) bad(m, "a key is without a value");
    for (size_t i = 0; i < n; i++) hold(m, in, item[i]);
}

static void extend_to_mark(Unpickler *m, PickleKind kind)
{
    size_t n;
    Pickled **item = pop_mark(m, &n);
    extend(m, kind, item, n);
}

static void push_tuple(Unpickler *m, Pickled **item, size_t n)
{
    Pickled *v = value(m, P_TUPLE);
    for (size_t i = 0; i < n; i++) hold(m, v, item[i]);
    push(m, v);
}

static void tuple_of(Unpickler *m, size_t n)
{
    Pickled *item[3];
    for (size_t i = n; i-- > 0; ) item[i] = pop(m);
    push_tuple(m, item, n);
}

static void pop_and(Unpickler *m, PickleKind kind, size_t n)
{
    Pickled *item[2];
    for (size_t i = n; i-- > 0; ) item[i] = pop(m);
    extend(m, kind, item, n);
}

/* the state of a ParameterDict is kept, for it holds the tensors of early embeddings */
static void build(Unpickler *m)
{
    Pickled *state = pop(m), *of = top(m);
    if (pickle_is(of, P_CALL, 2) && !strcmp(of->item[0]->text, "torch.nn.modules.container.ParameterDict") && state->kind == P_DICT) hold(m, of, state);
    if (top(m)->kind != P_CALL && top(m)->kind != P_DICT) bad(m, "it sets the state of something that has none");
}

static void push_persistent(Unpickler *m)
{
    Pickled *v = value(m, P_PERSISTENT);
    hold(m, v, pop(m));
    push(m, v);
    append(m, &m->persistent.item, &m->persistent.count, &m->persistent.room, v);
}

static _Noreturn void refuse_opcode(Unpickler *m, int opcode)
{
    char text[64];
    size_t n, k;
    if (opcode == 'i') {                         /* INST: names and calls in one */
        const char *module = line(m, &n), *name = line(m, &k);
        push_name(m, module, n, name, k);
    }
    snprintf(text, sizeof text, "instruction 0x%02x is none that torch writes", (unsigned)opcode);
    bad(m, text);
}

/* ---- the machine ------------------------------------------------------------------------------ */

static void step(Unpickler *m, int opcode)
{
    size_t n;
    Pickled **item, *second;
    switch (opcode) {
    case 0x80: if (number(m, 1) > 5) bad(m, "it is of a version of pickle that is not known"); break;      /* PROTO */
    case 0x95: length(m, 8); break;                                          /* FRAME */
    case 'N':  push(m, value(m, P_NONE)); break;
    case 0x88: push_integer(m, P_BOOL, 1); break;
    case 0x89: push_integer(m, P_BOOL, 0); break;
    case 'K':  push_integer(m, P_INT, (int64_t)number(m, 1)); break;         /* BININT1, 2, BININT */
    case 'M':  push_integer(m, P_INT, (int64_t)number(m, 2)); break;
    case 'J':  push_integer(m, P_INT, (int32_t)number(m, 4)); break;
    case 0x8a: push_long(m, length(m, 1)); break;                            /* LONG1, LONG4 */
    case 0x8b: push_long(m, length(m, 4)); break;
    case 'G':  push_float(m); break;
    case 'X':  push_text(m, P_TEXT, length(m, 4)); break;                    /* BINUNICODE, and short, and long */
    case 0x8c: push_text(m, P_TEXT, length(m, 1)); break;
    case 0x8d: push_text(m, P_TEXT, length(m, 8)); break;
    case 'U':  push_text(m, P_TEXT, length(m, 1)); break;                    /* Python 2's strings */
    case 'T':  push_text(m, P_TEXT, length(m, 4)); break;
    case 'C':  push_text(m, P_BYTES, length(m, 1)); break;
    case 'B':  push_text(m, P_BYTES, length(m, 4)); break;
    case 0x8e: case 0x96: push_text(m, P_BYTES, length(m, 8)); break;        /* BINBYTES8, BYTEARRAY8 */
    case '(':  set_mark(m); break;
    case ')':  push(m, value(m, P_TUPLE)); break;
    case ']': case 0x8f: push(m, value(m, P_LIST)); break;                   /* EMPTY_LIST, EMPTY_SET */
    case '}':  push(m, value(m, P_DICT)); break;
    case 0x85: tuple_of(m, 1); break;
    case 0x86: tuple_of(m, 2); break;
    case 0x87: tuple_of(m, 3); break;
    case 't': case 0x91: item = pop_mark(m, &n); push_tuple(m, item, n); break;      /* TUPLE, FROZENSET */
    case 'a':  pop_and(m, P_LIST, 1); break;                                 /* APPEND, APPENDS, ADDITEMS */
    case 'e': case 0x90: extend_to_mark(m, P_LIST); break;
    case 's':  pop_and(m, P_DICT, 2); break;                                 /* SETITEM, SETITEMS */
    case 'u':  extend_to_mark(m, P_DICT); break;
    case 'q':  remember(m, number(m, 1)); break;                             /* BINPUT, LONG_BINPUT, MEMOIZE */
    case 'r':  remember(m, number(m, 4)); break;
    case 0x94: remember(m, m->memo.count); break;
    case 'h':  recall(m, number(m, 1)); break;
    case 'j':  recall(m, number(m, 4)); break;
    case 'c':  push_global(m); break;
    case 0x93: push_global_of_stack(m); break;
    case 'R': case 0x81: second = pop(m); call(m, pop(m), second); break;    /* REDUCE, NEWOBJ */
    case 0x92: pop(m); second = pop(m); call(m, pop(m), second); break;      /* NEWOBJ_EX */
    case 'b':  build(m); break;
    case 'Q':  push_persistent(m); break;
    default:   refuse_opcode(m, opcode);
    }
}

Pickle pickle_read(Arena *a, const char *path, Bytes *file)
{
    Unpickler m = { .mem = a, .path = path, .start = file->data, .at = file->data, .end = file->data + file->size };
    for (int opcode; (opcode = *bytes(&m, 1)) != '.'; step(&m, opcode))
        if (m.steps++ == MOST_STEPS) bad(&m, "it has more instructions than any file of weights");
    if (m.stack.count != 1 || m.marks) bad(&m, "it ends with something left over");
    file->size -= (size_t)(m.at - m.start), file->data = m.at;
    return (Pickle){ m.stack.item[0], m.persistent.item, m.persistent.count };
}
