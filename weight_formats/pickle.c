/* pickle.c - a Python pickle read as data.
 *
 * A pickle is a program for a machine with a stack and a memo (Python, Lib/pickletools.py).  Its opcodes push values,
 * put them together into tuples, lists and dicts, store them in the memo and fetch them again.  One opcode is
 * dangerous: REDUCE calls a function by its name.  That is how a downloaded .ckpt file takes over a computer.
 *
 * The machine here calls nothing.  A name stays text, and a call becomes a value of its own, P_CALL: (name, arguments).
 * What the calls mean is for the reader of the result to decide: see torch.c.
 *
 * Calls are accepted only of the names in one table: what torch.save writes for tensors, and what the trainers of
 * checkpoints that people have leave in them.  Any other call makes the file refused, with the name in the message.
 * This program could keep such a call as data as well; the refusal protects the next program that loads the file.
 *
 * The file may be made to harm:
 *     - opcodes that are not in the list are refused, and none reads past the end;
 *     - nothing recurses;
 *     - values are made once and shared, since the memo holds pointers, so repeating them takes no memory;
 *     - at most a million opcodes are read, and each makes at most one value. */
#include "pickle.h"

#include <stdio.h>
#include <string.h>

enum { MOST_OPCODES = 1000000, VALUES_AT_ONCE = 512, LONGEST_NAME = 200, HIGHEST_PROTOCOL = 5 };

/* A list of values that grows. */
typedef struct { Pickled **item; size_t count, room; } Values;

typedef struct {
    Arena               *mem;
    const char          *path;
    const unsigned char *start, *at, *end;
    Values               stack, memo, persistent;
    size_t              *mark;          /* [marks]: the heights of the stack at which MARK was executed */
    size_t               marks, marks_room;
    size_t               opcodes;       /* executed so far */
    Pickled             *fresh;         /* [left]: memory for values */
    size_t               left;
    const char          *refused_name;  /* the first name in the pickle that may not be called; for messages */
} Unpickler;

/* The names that may be called, each with its module: what is harmless in one module may not be so in another. */
static const char *const callable[] = {
    "torch._utils._rebuild_tensor",
    "torch._utils._rebuild_tensor_v2",
    "torch._utils._rebuild_tensor_v3",
    "torch._utils._rebuild_parameter",
    "torch._utils._rebuild_parameter_with_state",
    "torch._utils._rebuild_qtensor",
    "torch._utils._rebuild_sparse_tensor",
    "torch._utils._rebuild_device_tensor_from_numpy",
    "torch._utils._rebuild_meta_tensor_no_storage",
    "torch._tensor._rebuild_from_type_v2",
    "torch.Size",
    "torch.device",
    "torch.Tensor",
    "torch.nn.parameter.Parameter",
    "torch.nn.modules.container.ParameterDict",
    "collections.OrderedDict",
    "collections.Counter",
    "collections.defaultdict",
    "_codecs.encode",
    "builtins.set",
    "builtins.frozenset",
    "builtins.bytearray",
    "builtins.complex",
    "__builtin__.set",
    "__builtin__.frozenset",
    "__builtin__.bytearray",
    "numpy.core.multiarray.scalar",
    "numpy.core.multiarray._reconstruct",
    "numpy._core.multiarray.scalar",
    "numpy._core.multiarray._reconstruct",
    "numpy.core.numeric._frombuffer",
    "numpy._core.numeric._frombuffer",
    "numpy.dtype",
    "numpy.ndarray",
    "pytorch_lightning.callbacks.model_checkpoint.ModelCheckpoint",
    "pytorch_lightning.callbacks.ModelCheckpoint",
    "pytorch_lightning.callbacks.early_stopping.EarlyStopping",
    "pytorch_lightning.utilities.parsing.AttributeDict",
    "lightning_fabric.utilities.data.AttributeDict",
    "lightning.fabric.utilities.data.AttributeDict",
    "omegaconf.dictconfig.DictConfig",
    "omegaconf.listconfig.ListConfig",
    "omegaconf.base.ContainerMetadata",
    "omegaconf.base.Metadata",
    "omegaconf.nodes.AnyNode",
    "omegaconf.nodes.BooleanNode",
    "omegaconf.nodes.FloatNode",
    "omegaconf.nodes.IntegerNode",
    "omegaconf.nodes.StringNode",
    "argparse.Namespace",
    "pathlib.PosixPath",
    "pathlib.WindowsPath",
};
enum { CALLABLES = sizeof callable / sizeof *callable };

static int may_be_called(const char *name)
{
    for (size_t i = 0; i < CALLABLES; i++)
        if (!strcmp(callable[i], name)) return 1;
    return 0;
}

static _Noreturn void bad(const Unpickler *m, const char *what)
{
    size_t byte = (size_t)(m->at - m->start);
    const char *names = m->refused_name ? format(m->mem, "; it names %s", m->refused_name) : "";
    fail(m->mem, "%s: its pickle is damaged at byte %zu: %s%s; download it again, or look for a safetensors copy",
         m->path, byte, what, names);
}

/* ---- values ----------------------------------------------------------------------------------- */

static Pickled *value(Unpickler *m, PickleKind kind)
{
    if (!m->left) {
        m->left = VALUES_AT_ONCE;
        m->fresh = allocate(m->mem, m->left, sizeof *m->fresh);
    }
    Pickled *v = &m->fresh[--m->left];
    *v = (Pickled){ .kind = kind };
    return v;
}

static void append(Unpickler *m, Values *list, Pickled *v)
{
    list->item = grow_array(m->mem, list->item, list->count, &list->room, sizeof *list->item);
    list->item[list->count++] = v;
}

/* Appends v to the items of a tuple, list, dict, call or persistent id. */
static void add_item(Unpickler *m, Pickled *to, Pickled *v)
{
    to->item = grow_array(m->mem, to->item, to->count, &to->room, sizeof *to->item);
    to->item[to->count++] = v;
}

int pickle_is(const Pickled *p, PickleKind kind, size_t count) { return p->kind == kind && p->count == count; }

/* ---- the stack, its marks, the memo ----------------------------------------------------------- */

static void push(Unpickler *m, Pickled *v) { append(m, &m->stack, v); }

/* Opcodes other than those that take a mark may not reach below the last mark. */
static size_t stack_floor(const Unpickler *m) { return m->marks ? m->mark[m->marks - 1] : 0; }

static Pickled *top(const Unpickler *m)
{
    if (m->stack.count <= stack_floor(m)) bad(m, "nothing is left to work on");
    return m->stack.item[m->stack.count - 1];
}

static Pickled *pop(Unpickler *m)
{
    Pickled *v = top(m);
    m->stack.count--;
    return v;
}

/* Pops n values into item, in the order in which they were pushed. */
static void pop_several(Unpickler *m, Pickled **item, size_t n)
{
    for (size_t i = n; i-- > 0; ) item[i] = pop(m);
}

static void push_mark(Unpickler *m)
{
    m->mark = grow_array(m->mem, m->mark, m->marks, &m->marks_room, sizeof *m->mark);
    m->mark[m->marks++] = m->stack.count;
}

/* Takes the last mark and all values above it away.  Returns them: [count], valid until the next push; NULL when there
 * are none, for the stack may have no memory yet, and C forbids to add even 0 to NULL. */
static Pickled **pop_mark(Unpickler *m, size_t *count)
{
    if (!m->marks) bad(m, "a mark is missing");
    size_t bottom = m->mark[--m->marks];
    *count = m->stack.count - bottom;
    m->stack.count = bottom;
    return *count ? m->stack.item + bottom : NULL;
}

/* Picklers number their memo from 0 on, so an honest index is never larger than the number of opcodes so far. */
static void memo_put(Unpickler *m, size_t index)
{
    if (index > m->opcodes) bad(m, "a memo number is out of range");
    while (m->memo.count <= index) append(m, &m->memo, NULL);
    m->memo.item[index] = top(m);
}

static void memo_get(Unpickler *m, size_t index)
{
    if (index >= m->memo.count || !m->memo.item[index]) bad(m, "it refers to a memo that was never made");
    push(m, m->memo.item[index]);
}

/* ---- the operands of opcodes ------------------------------------------------------------------ */

static const unsigned char *bytes(Unpickler *m, size_t n)
{
    if ((size_t)(m->end - m->at) < n) bad(m, "it is cut short");
    const unsigned char *p = m->at;
    m->at += n;
    return p;
}

/* Reads an unsigned number of n <= 8 bytes, little-endian. */
static uint64_t number(Unpickler *m, size_t n)
{
    uint64_t u = 0;
    const unsigned char *p = bytes(m, n);
    for (size_t i = n; i-- > 0; ) u = u << 8 | p[i];
    return u;
}

/* Reads a length in bytes, of n bytes itself.  It must not be more than what is left. */
static size_t length(Unpickler *m, size_t n)
{
    uint64_t u = number(m, n);
    if (u > (uint64_t)(m->end - m->at)) bad(m, "it is cut short");
    return (size_t)u;
}

static void push_text(Unpickler *m, PickleKind kind, size_t n)
{
    Pickled *v = value(m, kind);
    char *copy = allocate(m->mem, n + 1, 1);
    memcpy(copy, bytes(m, n), n);
    copy[n] = 0;
    v->text = copy;
    v->count = n;
    push(m, v);
}

static void push_integer(Unpickler *m, PickleKind kind, int64_t i)
{
    Pickled *v = value(m, kind);
    v->integer = i;
    push(m, v);
}

/* LONG has n bytes, little-endian, two's complement. */
static void push_long(Unpickler *m, size_t n)
{
    if (n > 8) {
        push_text(m, P_BYTES, n);
        return;
    }
    uint64_t u = number(m, n);
    int negative = n && u >> (8 * n - 1);
    if (negative && n < 8) u |= UINT64_MAX << 8 * n;
    push_integer(m, P_INT, (int64_t)u);
}

/* BINFLOAT has eight bytes, big-endian. */
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

/* A part of the pickle, or of a text in it. */
typedef struct { const char *at; size_t n; } Slice;

static int is_good_name(Slice s) { return s.n <= LONGEST_NAME && !memchr(s.at, 0, s.n); }

static void push_name(Unpickler *m, Slice module, Slice name)
{
    if (!is_good_name(module) || !is_good_name(name)) bad(m, "a name is too long or has a NUL in it");
    Pickled *v = value(m, P_NAME);
    v->text = format(m->mem, "%.*s.%.*s", (int)module.n, module.at, (int)name.n, name.at);
    if (!m->refused_name && !may_be_called(v->text) && strncmp(v->text, "torch.", 6)) m->refused_name = v->text;
    push(m, v);
}

/* Returns the text up to the end of the line, and moves behind it. */
static Slice line(Unpickler *m)
{
    const unsigned char *stop = memchr(m->at, '\n', (size_t)(m->end - m->at));
    if (!stop) bad(m, "a name does not end");
    Slice s = { (const char *)m->at, (size_t)(stop - m->at) };
    m->at = stop + 1;
    return s;
}

/* GLOBAL has a line with the module, and a line with the name. */
static void push_global(Unpickler *m)
{
    Slice module = line(m);
    Slice name = line(m);
    push_name(m, module, name);
}

/* STACK_GLOBAL has the module and the name on the stack. */
static void push_global_of_stack(Unpickler *m)
{
    const Pickled *name = pop(m);
    const Pickled *module = pop(m);
    if (name->kind != P_TEXT || module->kind != P_TEXT) bad(m, "a name is no text");
    push_name(m, (Slice){ module->text, module->count }, (Slice){ name->text, name->count });
}

/* Modules whose whole models people keep beside weights: what such a file is; NULL for all other names. */
static const char *program_of(const char *name)
{
    static const struct { const char *module, *what; } programs[] = {
        { "ultralytics.", "a detector (YOLO)" },
        { "models.yolo.", "a detector (YOLO)" },
        { "models.common.", "a detector (YOLO)" },
    };
    for (size_t i = 0; i < sizeof programs / sizeof *programs; i++)
        if (!strncmp(name, programs[i].module, strlen(programs[i].module))) return programs[i].what;
    return NULL;
}

/* Python would call name(*arguments).  Here the two become one value.  OrderedDict() becomes an empty dict. */
static void push_call(Unpickler *m, Pickled *name, Pickled *arguments)
{
    if (name->kind != P_NAME) bad(m, "it calls something that is no name");
    const char *program = program_of(name->text);
    if (program)
        fail(m->mem, "%s: is %s with its program, of %s; it finds things in pictures, and nothing here can use it",
             m->path, program, name->text);
    if (!may_be_called(name->text))
        fail(m->mem, "%s: its pickle calls %s, which no file of weights needs: it may be made to harm; refused.  "
             "Look for a safetensors copy, and load this file nowhere else", m->path, name->text);
    if (!strcmp(name->text, "collections.OrderedDict") && pickle_is(arguments, P_TUPLE, 0)) {
        push(m, value(m, P_DICT));
        return;
    }
    Pickled *v = value(m, P_CALL);
    add_item(m, v, name);
    add_item(m, v, arguments);
    push(m, v);
}

/* REDUCE and NEWOBJ have the arguments on the stack, above the name. */
static void reduce(Unpickler *m)
{
    Pickled *arguments = pop(m);
    Pickled *name = pop(m);
    push_call(m, name, arguments);
}

/* NEWOBJ_EX has keyword arguments, too; nobody asks for them. */
static void new_object_ex(Unpickler *m)
{
    pop(m);
    reduce(m);
}

/* BUILD sets the state of an object.  Only that of a ParameterDict is kept: it holds the tensors of the first textual
 * inversion embeddings. */
static void build(Unpickler *m)
{
    Pickled *state = pop(m);
    Pickled *object = top(m);
    if (object->kind != P_CALL && object->kind != P_DICT) bad(m, "it sets the state of something that has none");
    if (!pickle_is(object, P_CALL, 2) || state->kind != P_DICT) return;
    if (!strcmp(object->item[0]->text, "torch.nn.modules.container.ParameterDict")) add_item(m, object, state);
}

/* BINPERSID has on the stack the id of something outside the pickle. */
static void push_persistent(Unpickler *m)
{
    Pickled *v = value(m, P_PERSISTENT);
    add_item(m, v, pop(m));
    push(m, v);
    append(m, &m->persistent, v);
}

/* ---- tuples, lists, dicts --------------------------------------------------------------------- */

static void push_tuple(Unpickler *m, Pickled **item, size_t n)
{
    Pickled *v = value(m, P_TUPLE);
    for (size_t i = 0; i < n; i++) add_item(m, v, item[i]);
    push(m, v);
}

/* TUPLE1, TUPLE2 and TUPLE3 take so many values. */
static void tuple_of(Unpickler *m, size_t n)
{
    Pickled *item[3];
    pop_several(m, item, n);
    push_tuple(m, item, n);
}

/* TUPLE and FROZENSET take all values above the mark. */
static void tuple_to_mark(Unpickler *m)
{
    size_t n;
    Pickled **item = pop_mark(m, &n);
    push_tuple(m, item, n);
}

/* Adds items to the list or dict on top of the stack.  What is added to the result of a call is dropped: nobody asks
 * for the contents of such an object. */
static void extend(Unpickler *m, PickleKind kind, Pickled **item, size_t n)
{
    Pickled *to = top(m);
    if (to->kind == P_CALL) return;
    if (to->kind != kind) bad(m, "it adds to something that is neither list nor dict");
    if (kind == P_DICT && n % 2) bad(m, "a key is without a value");
    for (size_t i = 0; i < n; i++) add_item(m, to, item[i]);
}

/* APPEND adds one item.  SETITEM adds two, a key and a value. */
static void extend_by(Unpickler *m, PickleKind kind, size_t n)
{
    Pickled *item[2];
    pop_several(m, item, n);
    extend(m, kind, item, n);
}

/* APPENDS, ADDITEMS and SETITEMS add all values above the mark. */
static void extend_to_mark(Unpickler *m, PickleKind kind)
{
    size_t n;
    Pickled **item = pop_mark(m, &n);
    extend(m, kind, item, n);
}

/* ---- the machine ------------------------------------------------------------------------------ */

static void check_protocol(Unpickler *m)
{
    if (number(m, 1) > HIGHEST_PROTOCOL) bad(m, "it is of a version of pickle that is not known");
}

static _Noreturn void refuse_opcode(Unpickler *m, int opcode)
{
    char text[64];
    if (opcode == 'i') push_global(m);      /* INST is GLOBAL and a call in one: the message shall have the name */
    snprintf(text, sizeof text, "instruction 0x%02x is none that torch writes", (unsigned)opcode);
    bad(m, text);
}

static void execute(Unpickler *m, int opcode)
{
    switch (opcode) {
    case 0x80: check_protocol(m); break;                                    /* PROTO */
    case 0x95: length(m, 8); break;                                         /* FRAME */

    case 'N':  push(m, value(m, P_NONE)); break;                            /* NONE */
    case 0x88: push_integer(m, P_BOOL, 1); break;                           /* NEWTRUE */
    case 0x89: push_integer(m, P_BOOL, 0); break;                           /* NEWFALSE */
    case 'K':  push_integer(m, P_INT, (int64_t)number(m, 1)); break;        /* BININT1 */
    case 'M':  push_integer(m, P_INT, (int64_t)number(m, 2)); break;        /* BININT2 */
    case 'J':  push_integer(m, P_INT, (int32_t)number(m, 4)); break;        /* BININT, signed */
    case 0x8a: push_long(m, length(m, 1)); break;                           /* LONG1 */
    case 0x8b: push_long(m, length(m, 4)); break;                           /* LONG4 */
    case 'G':  push_float(m); break;                                        /* BINFLOAT */

    case 0x8c: push_text(m, P_TEXT, length(m, 1)); break;                   /* SHORT_BINUNICODE */
    case 'X':  push_text(m, P_TEXT, length(m, 4)); break;                   /* BINUNICODE */
    case 0x8d: push_text(m, P_TEXT, length(m, 8)); break;                   /* BINUNICODE8 */
    case 'U':  push_text(m, P_TEXT, length(m, 1)); break;                   /* SHORT_BINSTRING, of Python 2 */
    case 'T':  push_text(m, P_TEXT, length(m, 4)); break;                   /* BINSTRING, of Python 2 */
    case 'C':  push_text(m, P_BYTES, length(m, 1)); break;                  /* SHORT_BINBYTES */
    case 'B':  push_text(m, P_BYTES, length(m, 4)); break;                  /* BINBYTES */
    case 0x8e: push_text(m, P_BYTES, length(m, 8)); break;                  /* BINBYTES8 */
    case 0x96: push_text(m, P_BYTES, length(m, 8)); break;                  /* BYTEARRAY8 */

    case '(':  push_mark(m); break;                                         /* MARK */
    case ')':  push(m, value(m, P_TUPLE)); break;                           /* EMPTY_TUPLE */
    case 0x85: tuple_of(m, 1); break;                                       /* TUPLE1 */
    case 0x86: tuple_of(m, 2); break;                                       /* TUPLE2 */
    case 0x87: tuple_of(m, 3); break;                                       /* TUPLE3 */
    case 't':  tuple_to_mark(m); break;                                     /* TUPLE */
    case 0x91: tuple_to_mark(m); break;                                     /* FROZENSET */
    case ']':  push(m, value(m, P_LIST)); break;                            /* EMPTY_LIST */
    case 'a':  extend_by(m, P_LIST, 1); break;                              /* APPEND */
    case 'e':  extend_to_mark(m, P_LIST); break;                            /* APPENDS */
    case 0x8f: push(m, value(m, P_LIST)); break;                            /* EMPTY_SET */
    case 0x90: extend_to_mark(m, P_LIST); break;                            /* ADDITEMS */
    case '}':  push(m, value(m, P_DICT)); break;                            /* EMPTY_DICT */
    case 's':  extend_by(m, P_DICT, 2); break;                              /* SETITEM */
    case 'u':  extend_to_mark(m, P_DICT); break;                            /* SETITEMS */

    case 'q':  memo_put(m, number(m, 1)); break;                            /* BINPUT */
    case 'r':  memo_put(m, number(m, 4)); break;                            /* LONG_BINPUT */
    case 0x94: memo_put(m, m->memo.count); break;                           /* MEMOIZE */
    case 'h':  memo_get(m, number(m, 1)); break;                            /* BINGET */
    case 'j':  memo_get(m, number(m, 4)); break;                            /* LONG_BINGET */

    case 'c':  push_global(m); break;                                       /* GLOBAL */
    case 0x93: push_global_of_stack(m); break;                              /* STACK_GLOBAL */
    case 'R':  reduce(m); break;                                            /* REDUCE */
    case 0x81: reduce(m); break;                                            /* NEWOBJ */
    case 0x92: new_object_ex(m); break;                                     /* NEWOBJ_EX */
    case 'b':  build(m); break;                                             /* BUILD */
    case 'Q':  push_persistent(m); break;                                   /* BINPERSID */
    default:   refuse_opcode(m, opcode);
    }
}

Pickle pickle_read(Arena *a, const char *path, Bytes *file)
{
    enum { STOP = '.' };
    Unpickler m = { .mem = a, .path = path, .start = file->data, .at = file->data, .end = file->data + file->size };
    for (;;) {
        int opcode = *bytes(&m, 1);
        if (opcode == STOP) break;
        if (m.opcodes++ == MOST_OPCODES) bad(&m, "it has more instructions than any file of weights");
        execute(&m, opcode);
    }
    if (m.stack.count != 1 || m.marks) bad(&m, "it ends with something left over");
    file->size -= (size_t)(m.at - m.start);
    file->data = m.at;
    return (Pickle){ .root = m.stack.item[0], .persistent = m.persistent.item, .persistents = m.persistent.count };
}
