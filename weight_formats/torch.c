/* torch.c - weights as torch.save writes them (PyTorch, torch/serialization.py and torch/_utils.py).
 *
 *     since 1.6, a zip archive     NAME/data.pkl      a pickle of the saved object, usually a state dict
 *                                  NAME/data/KEY      the bytes of each storage
 *                                  NAME/byteorder     "little"
 *     before 1.6, five pickles     a magic number, the version 1001, sizes of C types, the object, the storage keys;
 *                                  then for each key: the number of elements (8 bytes) and the bytes of the storage
 *
 * A tensor is a view of a storage.  In the pickle it is a call of _rebuild_tensor_v2(storage, offset, size, stride,
 * ...), where storage is the persistent id ("storage", type, key, location, number of elements).  Offset, size and
 * stride are in elements.  Each of these numbers is checked: a storage's number of elements against the bytes that are
 * there, and the furthest element of a tensor against its storage, for any strides.
 *
 * Anything but tensors, dicts, lists and plain values is skipped.  The walk through the object does not recurse.  A
 * dict that was visited already, or that holds itself, is skipped too, so the walk is no longer than the file.
 *
 * It refuses: the tar layout, TorchScript, big-endian files, conjugate and negative views. */
#include "torch.h"

#include "pickle.h"
#include "zip.h"

#include <stdlib.h>
#include <string.h>

enum { DEEPEST = 32, MOST_DIMS = 8, MOST_TENSORS = 100000, MOST_PAIRS = 1000, LONGEST_NAME = 500 };
enum { VERSION = 1001 };
static const unsigned char MAGIC[] = { 0x6c, 0xfc, 0x9c, 0x46, 0xf9, 0x20, 0x6a, 0xa8, 0x50, 0x19 };
static const size_t MOST_COPIED = 16 << 20;      /* bytes of copied tensors, beyond the size of the file */

/* type: the name of its class    count: of elements    data: where they are, filled in later
 * untyped: since torch 2.1 a storage may be bytes, and the dtype be with the tensor */
typedef struct { const char *key, *type; size_t count; Bytes data; int untyped; DType dtype; } Storage;

typedef struct {
    Arena      *mem;
    const char *path;
    Bytes       file;
    Storage    *storage;             /* [storages], sorted by key */
    size_t      storages;
    size_t      copied;              /* bytes of tensors that were not contiguous */
    WeightFile *out;
    size_t      weights_room;
} Torch;

static _Noreturn void bad(const Torch *t, const char *what)
{
    fail(t->mem, "%s: not as torch.save writes it: %s; download it again, or convert it to safetensors", t->path, what);
}

/* ---- values of the pickle --------------------------------------------------------------------- */

/* The class of a storage, and the dtype, as they are named in pickles.  Newer dtypes have no class of storage. */
static const struct { const char *storage, *dtype; DType type; } dtypes[] = {
    { .storage = "torch.FloatStorage",        .dtype = "torch.float32",       .type = F32 },
    { .storage = "torch.HalfStorage",         .dtype = "torch.float16",       .type = F16 },
    { .storage = "torch.BFloat16Storage",     .dtype = "torch.bfloat16",      .type = BF16 },
    { .storage = "torch.DoubleStorage",       .dtype = "torch.float64",       .type = F64 },
    { .storage = "torch.LongStorage",         .dtype = "torch.int64",         .type = I64 },
    { .storage = "torch.IntStorage",          .dtype = "torch.int32",         .type = I32 },
    { .storage = "torch.ShortStorage",        .dtype = "torch.int16",         .type = I16 },
    { .storage = "torch.CharStorage",         .dtype = "torch.int8",          .type = I8 },
    { .storage = "torch.ByteStorage",         .dtype = "torch.uint8",         .type = U8 },
    { .storage = "torch.BoolStorage",         .dtype = "torch.bool",          .type = BOOL },
    { .storage = "torch.ComplexFloatStorage", .dtype = "torch.complex64",     .type = C64 },
    { .storage = "",                          .dtype = "torch.float8_e5m2",   .type = F8_E5M2 },
    { .storage = "",                          .dtype = "torch.float8_e4m3fn", .type = F8_E4M3 },
    { .storage = "",                          .dtype = "torch.uint16",        .type = U16 },
    { .storage = "",                          .dtype = "torch.uint32",        .type = U32 },
    { .storage = "",                          .dtype = "torch.uint64",        .type = U64 },
};
enum { KNOWN_DTYPES = sizeof dtypes / sizeof *dtypes };

static DType dtype_named(const Torch *t, const char *name)
{
    for (size_t i = 0; i < KNOWN_DTYPES; i++)
        if (!strcmp(dtypes[i].storage, name) || !strcmp(dtypes[i].dtype, name)) return dtypes[i].type;
    fail(t->mem, "%s: it holds tensors of %s, which is not known here", t->path, name);
}

static int is_name(const Pickled *p, const char *name) { return p->kind == P_NAME && !strcmp(p->text, name); }
static int is_text(const Pickled *p, const char *text) { return p->kind == P_TEXT && !strcmp(p->text, text); }

static size_t whole_number(const Torch *t, const Pickled *p)
{
    if (p->kind != P_INT || p->integer < 0) bad(t, "a size, stride or offset is no whole number");
    return (size_t)p->integer;
}

/* ---- storages --------------------------------------------------------------------------------- */

/* Reads a persistent id: ("storage", type, key, location, number of elements).  The old layout has a sixth item, which
 * is None unless the storage is a view of another. */
static Storage storage_of_id(const Torch *t, const Pickled *id)
{
    Pickled *const *item = id->item;
    if (id->kind != P_TUPLE || id->count < 5 || id->count > 6
        || !is_text(item[0], "storage") || item[1]->kind != P_NAME || item[2]->kind != P_TEXT)
        bad(t, "something outside the pickle is no storage");
    if (id->count == 6 && item[5]->kind != P_NONE)
        bad(t, "a storage is a view of another, which torch has not written since 0.4");
    Storage s = { .key = item[2]->text, .type = item[1]->text };
    s.count = whole_number(t, item[4]);
    s.untyped = is_name(item[1], "torch.storage.UntypedStorage");
    s.dtype = s.untyped ? U8 : dtype_named(t, s.type);
    return s;
}

static size_t storage_bytes(const Torch *t, const Storage *s)
{
    size_t bytes;
    if (!dtype_bytes(s->dtype, s->count, &bytes)) bad(t, "a storage is too large to count");
    return bytes;
}

static int by_key(const void *x, const void *y)
{
    const Storage *a = x;
    const Storage *b = y;
    return strcmp(a->key, b->key);
}

/* Fills t->storage, one for each key.  Every tensor describes its storage anew, and they must agree. */
static void collect_storages(Torch *t, Pickle p)
{
    Storage *s = allocate(t->mem, p.persistents, sizeof *s);
    for (size_t i = 0; i < p.persistents; i++) s[i] = storage_of_id(t, p.persistent[i]->item[0]);
    if (p.persistents) qsort(s, p.persistents, sizeof *s, by_key);
    t->storage = s;
    for (size_t i = 0; i < p.persistents; i++) {
        const Storage *last = t->storages ? &s[t->storages - 1] : NULL;
        if (!last || strcmp(last->key, s[i].key)) s[t->storages++] = s[i];
        else if (strcmp(last->type, s[i].type) || last->count != s[i].count)
            bad(t, "two tensors disagree about their storage");
    }
}

static Storage *storage_with_key(const Torch *t, const char *key)
{
    Storage wanted = { .key = key };
    if (!t->storages) return NULL;
    return bsearch(&wanted, t->storage, t->storages, sizeof wanted, by_key);
}

/* ---- views of storages ------------------------------------------------------------------------ */

/* size and stride: [rank].  Element (i, j, ...) is the storage's element offset + i stride[0] + j stride[1] + ... */
typedef struct { size_t rank, offset, size[MOST_DIMS], stride[MOST_DIMS]; } View;

static int is_contiguous(const View *v)
{
    size_t expected = 1;
    for (size_t i = v->rank; i-- > 0; ) {
        if (v->size[i] > 1 && v->stride[i] != expected) return 0;
        expected *= v->size[i];
    }
    return 1;
}

static int is_empty(const View *v)
{
    for (size_t i = 0; i < v->rank; i++)
        if (!v->size[i]) return 1;
    return 0;
}

/* Does every element of the view lie in a storage of `count` elements?  The furthest one is the last. */
static int is_inside(const View *v, size_t count)
{
    size_t last = v->offset;
    if (is_empty(v)) return 1;
    for (size_t i = 0; i < v->rank; i++) {
        size_t steps = v->size[i] - 1;
        if (steps && v->stride[i] > (SIZE_MAX - last) / steps) return 0;
        last += steps * v->stride[i];
    }
    return last < count;
}

/* Copies the elements of a view one behind the other: tensor.contiguous().  The index counts up like a mileometer, its
 * last dim fastest.  element_bytes: size of an element    bytes: of the whole copy */
static const void *contiguous(Torch *t, const unsigned char *data, const View *v, size_t element_bytes, size_t bytes)
{
    size_t index[MOST_DIMS] = { 0 };
    size_t from = v->offset;
    if (bytes > t->file.size + MOST_COPIED - t->copied)
        bad(t, "its tensors with gaps or repetitions would be larger than the file");
    t->copied += bytes;
    unsigned char *out = allocate(t->mem, bytes, 1);
    for (size_t done = 0; done < bytes; done += element_bytes) {
        memcpy(out + done, data + from * element_bytes, element_bytes);
        for (size_t i = v->rank; i-- > 0; ) {
            from += v->stride[i];
            if (++index[i] < v->size[i]) break;
            from -= index[i] * v->stride[i];
            index[i] = 0;
        }
    }
    return out;
}

/* A size is a tuple, or torch.Size(tuple). */
static const Pickled *size_tuple(const Pickled *size)
{
    if (size->kind != P_CALL || !is_name(size->item[0], "torch.Size")) return size;
    const Pickled *arguments = size->item[1];
    return pickle_is(arguments, P_TUPLE, 1) ? arguments->item[0] : size;
}

static View view_of(const Torch *t, const Pickled *offset, const Pickled *size, const Pickled *stride)
{
    View v = { .offset = whole_number(t, offset) };
    size = size_tuple(size);
    if (size->kind != P_TUPLE || !pickle_is(stride, P_TUPLE, size->count))
        bad(t, "a tensor's size or stride is missing");
    if (size->count > MOST_DIMS) bad(t, "a tensor has more than eight dims");
    v.rank = size->count;
    for (size_t i = 0; i < v.rank; i++) {
        v.size[i] = whole_number(t, size->item[i]);
        v.stride[i] = whole_number(t, stride->item[i]);
    }
    return v;
}

/* ---- tensors ---------------------------------------------------------------------------------- */

/* The arguments of a call that makes a tensor:
 *     v2: (storage, offset, size, stride, requires_grad, backward_hooks, metadata)
 *     v3: (storage, offset, size, stride, requires_grad, backward_hooks, dtype, metadata)
 * arguments == NULL: no such call. */
typedef struct { const Pickled *arguments; int has_dtype; } Rebuild;

/* Returns the call that makes p, when p is a tensor.  The tensor may be wrapped: a parameter is
 * _rebuild_parameter(tensor, ...), and a subclass is _rebuild_from_type_v2(function, type, arguments, ...). */
static Rebuild rebuild_of(const Pickled *p)
{
    enum { MOST_WRAPS = 4 };
    Rebuild none = { NULL, 0 };
    for (int wraps = 0; p->kind == P_CALL && wraps < MOST_WRAPS; wraps++) {
        const Pickled *name = p->item[0];
        const Pickled *arguments = p->item[1];
        if (is_name(name, "torch._tensor._rebuild_from_type_v2")
            && arguments->kind == P_TUPLE && arguments->count >= 3) {
            name = arguments->item[0];
            arguments = arguments->item[2];
        }
        if (is_name(name, "torch._utils._rebuild_tensor_v3")) return (Rebuild){ arguments, 1 };
        if (is_name(name, "torch._utils._rebuild_tensor_v2")) return (Rebuild){ arguments, 0 };
        if (is_name(name, "torch._utils._rebuild_tensor")) return (Rebuild){ arguments, 0 };
        if (!is_name(name, "torch._utils._rebuild_parameter")
            && !is_name(name, "torch._utils._rebuild_parameter_with_state")) return none;
        if (arguments->kind != P_TUPLE || !arguments->count) return none;
        p = arguments->item[0];
    }
    return none;
}

static DType dtype_of(const Torch *t, const Storage *s, Rebuild r)
{
    if (!r.has_dtype) {
        if (s->untyped) bad(t, "a tensor's type is missing");
        return s->dtype;
    }
    const Pickled *dtype = r.arguments->item[6];
    if (dtype->kind != P_NAME) bad(t, "a tensor's type is missing");
    return dtype_named(t, dtype->text);
}

/* The metadata of a tensor is {"conj": True} or {"neg": True} when its numbers are not its values. */
static void check_no_lazy_view(const Torch *t, const char *name, Rebuild r)
{
    size_t metadata = r.has_dtype ? 7 : 6;
    if (r.arguments->count > metadata && r.arguments->item[metadata]->count)
        fail(t->mem, "%s: %s is a conjugate or negative view; save it again from a copy", t->path, name);
}

static const void *data_of(Torch *t, const Storage *s, const View *v, size_t element_bytes, size_t bytes)
{
    if (!bytes) return t->file.data;
    if (is_contiguous(v)) return s->data.data + v->offset * element_bytes;
    return contiguous(t, s->data.data, v, element_bytes, bytes);
}

static Weight tensor(Torch *t, const char *name, Rebuild r)
{
    const Pickled *arguments = r.arguments;
    if (arguments->kind != P_TUPLE || arguments->count < (r.has_dtype ? 7 : 4)) bad(t, "a tensor has too few parts");
    Pickled *const *item = arguments->item;
    if (item[0]->kind != P_PERSISTENT) bad(t, "a tensor stands on no storage");
    const Storage *s = storage_with_key(t, storage_of_id(t, item[0]->item[0]).key);
    View v = view_of(t, item[1], item[2], item[3]);
    DType type = dtype_of(t, s, r);
    check_no_lazy_view(t, name, r);

    size_t *shape = allocate(t->mem, v.rank, sizeof *shape);
    memcpy(shape, v.size, v.rank * sizeof *shape);
    Weight w = { .name = name, .type = type, .rank = v.rank, .shape = shape };
    const char *wrong = shape_bytes(type, v.rank, shape, &w.bytes);
    if (wrong) fail(t->mem, "%s: %s %s", t->path, name, wrong);

    size_t element_bytes;
    dtype_bytes(type, 1, &element_bytes);
    size_t held = s->data.size / element_bytes;
    if (!is_inside(&v, held)) fail(t->mem, "%s: %s reaches beyond its storage of %zu elements", t->path, name, held);
    w.data = data_of(t, s, &v, element_bytes, w.bytes);
    return w;
}

/* ---- the walk through the saved object -------------------------------------------------------- */

static void add_weight(Torch *t, Weight w)
{
    WeightFile *f = t->out;
    if (f->count == MOST_TENSORS) bad(t, "it has more tensors than any model");
    f->weight = grow_array(t->mem, f->weight, f->count, &t->weights_room, sizeof *f->weight);
    f->weight[f->count++] = w;
}

/* Returns a plain value as text, and NULL for any other, or for a text with a NUL in it. */
static const char *plain_value(const Torch *t, const Pickled *p)
{
    switch (p->kind) {
    case P_TEXT:  return strlen(p->text) == p->count ? p->text : NULL;
    case P_INT:   return format(t->mem, "%lld", (long long)p->integer);
    case P_FLOAT: return format(t->mem, "%.9g", p->number);
    case P_BOOL:  return p->integer ? "true" : "false";
    default:      return NULL;
    }
}

static void add_metadata(Torch *t, const char *name, const Pickled *p)
{
    WeightFile *f = t->out;
    const char *text = plain_value(t, p);
    if (!text || f->pairs == MOST_PAIRS) return;
    if (!f->metadata) f->metadata = allocate(t->mem, MOST_PAIRS, sizeof *f->metadata);
    f->metadata[f->pairs++] = (KeyValue){ name, text };
}

/* Makes "a.b" of "a" and the key "b".  Returns NULL when the key is neither a text nor a whole number. */
static const char *name_under(const Torch *t, const char *above, const Pickled *key)
{
    const char *dot = *above ? "." : "";
    if (key->kind == P_INT) return format(t->mem, "%s%s%lld", above, dot, (long long)key->integer);
    if (key->kind != P_TEXT) return NULL;
    if (strlen(key->text) != key->count || strlen(above) + key->count > LONGEST_NAME)
        bad(t, "a name is too long or has a NUL in it");
    return format(t->mem, "%s%s%s", above, dot, key->text);
}

/* A dict or list that the walk is in.  next: which child comes next    name: its own name, "" for the root */
typedef struct { Pickled *in; size_t next; const char *name; } Level;

typedef struct { Level level[DEEPEST]; size_t depth; } Walk;

static size_t child_count(const Pickled *p)
{
    if (p->kind == P_DICT) return p->count / 2;
    if (p->kind == P_LIST || p->kind == P_TUPLE) return p->count;
    return 0;
}

/* Returns child n of a dict or list.  Writes its name, which is NULL when its key cannot be one. */
static Pickled *child(const Torch *t, const Level *l, size_t n, const char **name)
{
    if (l->in->kind == P_DICT) {
        *name = name_under(t, l->name, l->in->item[2 * n]);
        return l->in->item[2 * n + 1];
    }
    Pickled number = { .kind = P_INT, .integer = (int64_t)n };
    *name = name_under(t, l->name, &number);
    return l->in->item[n];
}

static void enter(const Torch *t, Walk *w, Pickled *p, const char *name)
{
    if (w->depth == DEEPEST) bad(t, "it is nested too deep");
    p->seen = 1;
    w->level[w->depth++] = (Level){ .in = p, .next = 0, .name = name };
}

static void visit_next_child(Torch *t, Walk *w)
{
    Level *l = &w->level[w->depth - 1];
    size_t before = mark(t->mem);
    const char *name;
    Pickled *p = child(t, l, l->next++, &name);
    if (!name) return;
    if (pickle_is(p, P_CALL, 3)) p = p->item[2];      /* a ParameterDict: its state */
    Rebuild r = rebuild_of(p);
    if (r.arguments) add_weight(t, tensor(t, name, r));
    else if (!child_count(p)) {
        if (l->in->kind == P_DICT) add_metadata(t, name, p);
    }
    else if (p->seen) release(t->mem, before);
    else enter(t, w, p, name);
}

static void walk(Torch *t, Pickled *root)
{
    Walk w = { .depth = 0 };
    enter(t, &w, root, "");
    while (w.depth) {
        const Level *l = &w.level[w.depth - 1];
        if (l->next < child_count(l->in)) visit_next_child(t, &w);
        else w.depth--;
    }
}

/* Collects the tensors of the saved object: one alone, which gets the name "tensor", or all in dicts and lists. */
static void collect_weights(Torch *t, Pickled *root)
{
    t->out = allocate(t->mem, 1, sizeof *t->out);
    *t->out = (WeightFile){ .path = t->path, .bytes = t->file.size };
    Rebuild alone = rebuild_of(root);
    if (alone.arguments) add_weight(t, tensor(t, "tensor", alone));
    else walk(t, root);
    file_sort(t->mem, t->out);
}

/* ---- the zip archive -------------------------------------------------------------------------- */

/* Returns "name" of "folder/name", and "" when there is no slash. */
static const char *after_folder(const char *name)
{
    const char *slash = strchr(name, '/');
    return slash ? slash + 1 : "";
}

static int is_torchscript(const char *name) { return !strcmp(name, "constants.pkl") || !strncmp(name, "code/", 5); }

/* Finds data.pkl in the one folder that all entries are in. */
static const ZipEntry *only_pickle(const Torch *t, const Zip *zip)
{
    const ZipEntry *found = NULL;
    size_t folder = 0;
    for (size_t i = 0; i < zip->count; i++) {
        const ZipEntry *e = &zip->entry[i];
        const char *name = after_folder(e->name);
        size_t n = (size_t)(name - e->name);
        if (!*name)
            fail(t->mem, "%s: %s lies beside the folder that torch makes: is it another kind of zip archive?",
                 t->path, e->name);
        if (i && (n != folder || strncmp(e->name, zip->entry[0].name, n))) bad(t, "its entries lie in several folders");
        folder = n;
        if (is_torchscript(name))
            fail(t->mem, "%s: is a TorchScript program, expected weights; look for a safetensors copy", t->path);
        if (!strcmp(name, "data.pkl")) found = e;
    }
    if (!found) fail(t->mem, "%s: is a zip archive without a data.pkl, so not a file of torch.save", t->path);
    return found;
}

static void check_byte_order(const Torch *t, const Zip *zip, const char *folder)
{
    const ZipEntry *order = zip_find(zip, format(t->mem, "%sbyteorder", folder));
    if (!order) return;
    if (order->data.size != 6 || memcmp(order->data.data, "little", 6))
        fail(t->mem, "%s: its numbers are big-endian, expected little-endian; save it again on another machine",
             t->path);
}

/* Returns the data of a storage: the entry FOLDERdata/KEY, which must have its size. */
static Bytes storage_entry(const Torch *t, const Zip *zip, const char *folder, const Storage *s)
{
    const ZipEntry *e = zip_find(zip, format(t->mem, "%sdata/%s", folder, s->key));
    if (!e)
        fail(t->mem, "%s: %sdata/%s, the data of a tensor, is missing from the archive; download it again",
             t->path, folder, s->key);
    size_t expected = storage_bytes(t, s);
    if (e->data.size != expected)
        fail(t->mem, "%s: %s has %zu bytes, expected %zu; download it again", t->path, e->name, e->data.size, expected);
    return e->data;
}

/* Returns the saved object, with all storages found. */
static Pickled *read_archive(Torch *t)
{
    Zip zip = zip_read(t->mem, t->path, t->file);
    const ZipEntry *e = only_pickle(t, &zip);
    const char *folder = format(t->mem, "%.*s", (int)(after_folder(e->name) - e->name), e->name);
    check_byte_order(t, &zip, folder);
    if (!zip_whole(e)) bad(t, "the checksum of data.pkl does not hold");
    Bytes rest = e->data;
    Pickle p = pickle_read(t->mem, t->path, &rest);
    if (rest.size) bad(t, "data.pkl goes on after its end");
    collect_storages(t, p);
    for (size_t i = 0; i < t->storages; i++) t->storage[i].data = storage_entry(t, &zip, folder, &t->storage[i]);
    return p.root;
}

/* ---- the layout before 1.6 -------------------------------------------------------------------- */

static void check_magic(const Torch *t, const Pickled *magic, const Pickled *version)
{
    static const char WRONG[] = "the magic number or version at its start";
    if (!pickle_is(magic, P_BYTES, sizeof MAGIC) || memcmp(magic->text, MAGIC, sizeof MAGIC)) bad(t, WRONG);
    if (version->kind != P_INT || version->integer != VERSION) bad(t, WRONG);
}

/* Takes the storage with this key from the start of *rest: its number of elements in 8 bytes, then its data. */
static void take_storage(Torch *t, const Pickled *key, Bytes *rest)
{
    Storage *s = key->kind == P_TEXT ? storage_with_key(t, key->text) : NULL;
    if (!s || s->data.data) bad(t, "it lists a storage twice, or one that no tensor stands on");
    size_t bytes = storage_bytes(t, s);
    if (rest->size < 8 || rest->size - 8 < bytes) fail(t->mem, "%s: cut short; download it again", t->path);
    for (size_t k = 0; k < 8; k++)
        if (rest->data[k] != (unsigned char)((uint64_t)s->count >> 8 * k))
            bad(t, "a storage has another size than its tensors say");
    s->data = (Bytes){ rest->data + 8, bytes };
    *rest = (Bytes){ rest->data + 8 + bytes, rest->size - 8 - bytes };
}

/* Returns the saved object, with all storages found. */
static Pickled *read_five_pickles(Torch *t)
{
    enum { MAGIC_NUMBER, PROTOCOL_VERSION, SYSTEM, OBJECT, KEYS, PICKLES };
    Bytes rest = t->file;
    Pickle part[PICKLES];
    for (int i = 0; i < PICKLES; i++) part[i] = pickle_read(t->mem, t->path, &rest);
    check_magic(t, part[MAGIC_NUMBER].root, part[PROTOCOL_VERSION].root);
    const Pickled *keys = part[KEYS].root;
    if (keys->kind != P_LIST) bad(t, "the list of storages is missing");
    collect_storages(t, part[OBJECT]);
    for (size_t i = 0; i < keys->count; i++) take_storage(t, keys->item[i], &rest);
    for (size_t i = 0; i < t->storages; i++)
        if (!t->storage[i].data.data) bad(t, "a tensor's storage is not in its list");
    if (rest.size)
        fail(t->mem, "%s: %zu bytes after the last storage: not a valid file of torch.save", t->path, rest.size);
    return part[OBJECT].root;
}

/* ---- both ------------------------------------------------------------------------------------- */

static int is_zip   (Bytes f) { return has_bytes_at(f, 0, "PK\3\4", 4) || has_bytes_at(f, 0, "PK\5\6", 4); }
static int is_tar   (Bytes f) { return has_bytes_at(f, 257, "ustar", 5); }
static int is_pickle(Bytes f) { return f.size > 2 && f.data[0] == 0x80 && f.data[1] >= 2 && f.data[1] <= 5; }

int torch_is(Bytes file) { return is_zip(file) || is_tar(file) || is_pickle(file); }

WeightFile *torch_read(Arena *a, const char *path, Bytes file)
{
    Torch t = { .mem = a, .path = format(a, "%s", path), .file = file };
    if (is_tar(file))
        fail(a, "%s: is in the tar layout, which torch has not written since 0.1; load it with torch and save it again",
             t.path);
    collect_weights(&t, is_zip(file) ? read_archive(&t) : read_five_pickles(&t));
    return t.out;
}
