/* torch.c - weights as torch.save writes them.
 *
 *     zip archive:     NAME/data.pkl, the objects;  NAME/data/KEY, a storage each
 *     before 1.6:      five pickles: a magic number, 1001, how the machine counts, the objects, the keys;
 *                      then for each key 8 bytes of count and the storage
 *
 * An object that is a tensor is, as data, a call of _rebuild_tensor_v2(storage, offset, size, stride, ...), and a
 * storage ("storage", type, key, place, count).  Each of these numbers is checked: a storage's count against
 * the bytes there are, a tensor's furthest element against its storage, for any strides.
 *
 * What is no tensor, dict, list or plain value says nothing here.  Walking needs no recursion, and a dict that is met
 * again, or holds itself, is passed by, so the walk is no longer than the file. */
#include "torch.h"

#include "pickle.h"
#include "zip.h"

#include <stdio.h>
#include <stdlib.h>
#include <string.h>

enum { DEEPEST = 32, MOST_DIMS = 8, MOST_TENSORS = 100000, MOST_PAIRS = 1000, LONGEST_NAME = 500 };
static const unsigned char MAGIC[] = { 0x6c, 0xfc, 0x9c, 0x46, 0xf9, 0x20, 0x6a, 0xa8, 0x50, 0x19 };      /* 0x1950a86a20f9469cfc6c */
static const size_t COPIES = 16 << 20;

typedef struct { const char *key, *type; size_t count; Bytes data; int untyped; DType dtype; } Storage;

typedef struct {
    Arena      *mem;
    const char *path;
    Bytes       file;
    Storage    *storage;  size_t storages;      /* sorted by key */
    size_t      copied;                  /* bytes of tensors that were not contiguous */
    WeightFile *out;      size_t weights_room;
} Torch;

/* ---- names of torch's ------------------------------------------------------------------------- */

static const struct { const char *storage, *dtype; DType type; } types[] = {
    { "torch.FloatStorage",    "torch.float32",       F32 },     { "torch.HalfStorage",  "torch.float16",     F16 },
    { "torch.BFloat16Storage", "torch.bfloat16",      BF16 },    { "torch.DoubleStorage", "torch.float64",    F64 },
    { "torch.LongStorage",     "torch.int64",         I64 },     { "torch.IntStorage",   "torch.int32",       I32 },
    { "torch.ShortStorage",    "torch.int16",         I16 },     { "torch.CharStorage",  "torch.int8",        I8 },
    { "torch.ByteStorage",     "torch.uint8",         U8 },      { "torch.BoolStorage",  "torch.bool",        BOOL },
    { "torch.ComplexFloatStorage", "torch.complex64", C64 },     { "",                   "torch.float8_e5m2", F8_E5M2 },
    { "",                      "torch.float8_e4m3fn", F8_E4M3 }, { "",                   "torch.uint16",      U16 },
    { "",                      "torch.uint32",        U32 },     { "",                   "torch.uint64",      U64 },
};
enum { TYPES = sizeof types / sizeof *types };

static DType dtype_named(const Torch *t, const char *name)
{
    for (size_t i = 0; i < TYPES; i++) if (!strcmp(types[i].storage, name) || !strcmp(types[i].dtype, name)) return types[i].type;
    fail(t->mem, "%s: it holds tensors of %s, which is not known here", t->path, name);
}

static _Noreturn void bad(const Torch *t, const char *what)
{
    fail(t->mem, "%s: not as torch.save writes it: %s; download it again, or convert it to safetensors", t->path, what);
}

static int named(const Pickled *p, const char *name) { return p->kind == P_NAME && !strcmp(p->text, name); }
static int is_text(const Pickled *p, const char *text) { return p->kind == P_TEXT && !strcmp(p->text, text); }

static size_t whole(const Torch *t, const Pickled *p)
{
    if (p->kind != P_INT || p->integer < 0) bad(t, "a size, stride or offset is no whole number");
    return (size_t)p->integer;
}

/* ---- storages --------------------------------------------------------------------------------- */

/* ("storage", type, key, place, count), and in the old layout None, which would be a view of another */
static Storage storage_said(const Torch *t, const Pickled *id)
{
    Pickled *const *item = id->item;
    if (id->kind != P_TUPLE || id->count < 5 || id->count > 6 || !is_text(item[0], "storage") || item[1]->kind != P_NAME || item[2]->kind != P_TEXT)
        bad(t, "something outside the pickle is no storage");
    if (id->count == 6 && item[5]->kind != P_NONE) bad(t, "a storage is a view of another, which torch has not written since 0.4");
    int untyped = named(item[1], "torch.storage.UntypedStorage");
    return (Storage){ item[2]->text, item[1]->text, whole(t, item[4]), { 0 }, untyped, untyped ? U8 : dtype_named(t, item[1]->text) };
}

static size_t storage_bytes(const Torch *t, const Storage *s)
{
    size_t bytes;
    if (!dtype_bytes(s->dtype, s->count, &bytes)) bad(t, "a storage is too large to count");
    return bytes;
}

static int by_key(const void *x, const void *y) { return strcmp(((const Storage *)x)->key, ((const Storage *)y)->key); }

/* One for each key: every tensor says anew what it stands on, and they must agree. */
static void collect_storages(Torch *t, Pickle p)
{
    Storage *s = t->storage = take(t->mem, p.persistents, sizeof *s);
    for (size_t i = 0; i < p.persistents; i++) s[i] = storage_said(t, p.persistent[i]->item[0]);
    if (p.persistents) qsort(s, p.persistents, sizeof *s, by_key);
    for (size_t i = 0; i < p.persistents; i++) {
        Storage *last = t->storages ? &s[t->storages - 1] : NULL;
        if (!last || strcmp(last->key, s[i].key)) s[t->storages++] = s[i];
        else if (strcmp(last->type, s[i].type) || last->count != s[i].count) bad(t, "two tensors disagree about their storage");
    }
}

static Storage *storage_keyed(const Torch *t, const char *key)
{
    Storage wanted = { .key = key };
    return t->storages ? bsearch(&wanted, t->storage, t->storages, sizeof wanted, by_key) : NULL;
}

/* ---- tensors ---------------------------------------------------------------------------------- */

typedef struct { size_t rank, offset, size[MOST_DIMS], stride[MOST_DIMS]; } View;

static int contiguous(const View *v)
{
    size_t expected = 1;
    for (size_t i = v->rank; i-- > 0; expected *= v->size[i]) if (v->size[i] > 1 && v->stride[i] != expected) return 0;
    return 1;
}

/* Does every element of the view lie in a storage of so many? */
static int inside(const View *v, size_t count)
{
    size_t last = v->offset;
    for (size_t i = 0; i < v->rank; i++) if (!v->size[i]) return 1;
    for (size_t i = 0; i < v->rank; i++) {
        size_t steps = v->size[i] - 1;
        if (steps && v->stride[i] > (SIZE_MAX - last) / steps) return 0;
        last += steps * v->stride[i];
    }
    return last < count;
}

/* the elements of a view one behind the other, counted like a mileometer */
static const void *gathered(Torch *t, const unsigned char *data, const View *v, size_t each, size_t bytes)
{
    size_t at[MOST_DIMS] = { 0 }, from = v->offset;
    if (bytes > t->file.size + COPIES - t->copied) bad(t, "its tensors with gaps or repetitions would be larger than the file");
    t->copied += bytes;
    unsigned char *out = take(t->mem, bytes, 1);
    for (size_t done = 0; done < bytes; done += each) {
        memcpy(out + done, data + from * each, each);
        for (size_t i = v->rank; i-- > 0; ) {
            from += v->stride[i];
            if (++at[i] < v->size[i]) break;
            from -= at[i] * v->stride[i], at[i] = 0;
        }
    }
    return out;
}

static View view_said(const Torch *t, Pickled *const *item)
{
    const Pickled *size = item[2], *stride = item[3];
    View v = { .offset = whole(t, item[1]) };
    if (size->kind == P_CALL && named(size->item[0], "torch.Size") && pickle_is(size->item[1], P_TUPLE, 1)) size = size->item[1]->item[0];
    if (size->kind != P_TUPLE || !pickle_is(stride, P_TUPLE, size->count)) bad(t, "a tensor's size or stride is missing");
    if (size->count > MOST_DIMS) bad(t, "a tensor has more than eight dims");
    for (v.rank = 0; v.rank < size->count; v.rank++) v.size[v.rank] = whole(t, size->item[v.rank]), v.stride[v.rank] = whole(t, stride->item[v.rank]);
    return v;
}

/* (storage, offset, size, stride, gradient, hooks, marks), and in the third form the type before the marks */
static Weight tensor(Torch *t, const char *name, const Pickled *arguments, int third)
{
    if (arguments->kind != P_TUPLE || arguments->count < 4 || (third && arguments->count < 7)) bad(t, "a tensor has too few parts");
    if (arguments->item[0]->kind != P_PERSISTENT) bad(t, "a tensor stands on no storage");
    Storage s = *storage_keyed(t, storage_said(t, arguments->item[0]->item[0]).key);
    View v = view_said(t, arguments->item);
    size_t each, held, *shape = take(t->mem, v.rank, sizeof *shape);
    if (third) {
        const Pickled *type = arguments->item[6];
        if (type->kind != P_NAME) bad(t, "a tensor's type is missing");
        s.dtype = dtype_named(t, type->text);
    }
    else if (s.untyped) bad(t, "a tensor's type is missing");
    size_t marks = third ? 7 : 6;                              /* {"conj": true} or {"neg": true}: the numbers are not the values */
    if (arguments->count > marks && arguments->item[marks]->count) fail(t->mem, "%s: %s is a conjugate or negative view; save it again from a copy", t->path, name);
    memcpy(shape, v.size, v.rank * sizeof *shape);
    Weight w = { .name = name, .type = s.dtype, .rank = v.rank, .shape = shape };
    const char *wrong = shape_bytes(w.type, w.rank, shape, &w.bytes);
    if (wrong) fail(t->mem, "%s: %s %s", t->path, name, wrong);
    dtype_bytes(w.type, 1, &each);
    held = s.data.size / each;
    if (!inside(&v, held)) fail(t->mem, "%s: %s reaches beyond its storage of %zu elements", t->path, name, held);
    w.data = !w.bytes ? (const void *)t->file.data : contiguous(&v) ? s.data.data + v.offset * each : gathered(t, s.data.data, &v, each, w.bytes);
    return w;
}

/* A tensor may be wrapped: a parameter in _rebuild_parameter(tensor, ...), a subclass in _rebuild_from_type_v2(function,
 * type, arguments, ...).  -> its arguments, and whether they are of the third form; NULL when this is no tensor. */
static const Pickled *tensor_arguments(const Pickled *p, int *third)
{
    for (int wraps = 0; p->kind == P_CALL && wraps < 4; wraps++) {
        const Pickled *name = p->item[0], *arguments = p->item[1];
        if (named(name, "torch._tensor._rebuild_from_type_v2") && arguments->kind == P_TUPLE && arguments->count >= 3)
            name = arguments->item[0], arguments = arguments->item[2];
        *third = named(name, "torch._utils._rebuild_tensor_v3");
        if (*third || named(name, "torch._utils._rebuild_tensor") || named(name, "torch._utils._rebuild_tensor_v2")) return arguments;
        int parameter = named(name, "torch._utils._rebuild_parameter") || named(name, "torch._utils._rebuild_parameter_with_state");
        if (!parameter || arguments->kind != P_TUPLE || !arguments->count) return NULL;
        p = arguments->item[0];
    }
    return NULL;
}

/* ---- the walk --------------------------------------------------------------------------------- */

static void add_weight(Torch *t, Weight w)
{
    WeightFile *f = t->out;
    if (f->count == MOST_TENSORS) bad(t, "it has more tensors than any model");
    f->weight = roomier(t->mem, f->weight, f->count, &t->weights_room, sizeof *f->weight);
    f->weight[f->count++] = w;
}

static void add_pair(Torch *t, const char *name, const Pickled *p)
{
    WeightFile *f = t->out;
    const char *text = p->kind == P_TEXT && strlen(p->text) == p->count ? p->text
                     : p->kind == P_INT ? format(t->mem, "%lld", (long long)p->integer)
                     : p->kind == P_FLOAT ? format(t->mem, "%.9g", p->number)
                     : p->kind == P_BOOL ? (p->integer ? "true" : "false") : NULL;
    if (!text || f->pairs == MOST_PAIRS) return;
    if (!f->metadata) f->metadata = take(t->mem, MOST_PAIRS, sizeof *f->metadata);
    f->metadata[f->pairs++] = (Pair){ name, text };
}

/* "a.b" of "a" and the key b; NULL when the key is neither text nor number */
static const char *name_under(const Torch *t, const char *above, const Pickled *key)
{
    const char *dot = *above ? "." : "";
    if (key->kind == P_INT) return format(t->mem, "%s%s%lld", above, dot, (long long)key->integer);
    if (key->kind != P_TEXT) return NULL;
    if (strlen(key->text) != key->count || strlen(above) + key->count > LONGEST_NAME) bad(t, "a name is too long or has a NUL in it");
    return format(t->mem, "%s%s%s", above, dot, key->text);
}

typedef struct { Pickled *in; size_t next; const char *name; } Level;

/* item n of a dict or list, and its name */
static Pickled *child(const Torch *t, const Level *l, size_t n, const char **name)
{
    Pickled number = { .kind = P_INT, .integer = (int64_t)n };
    int dict = l->in->kind == P_DICT;
    *name = name_under(t, l->name, dict ? l->in->item[2 * n] : &number);
    return dict ? l->in->item[2 * n + 1] : l->in->item[n];
}

static size_t children(const Pickled *p) { return p->kind == P_DICT ? p->count / 2 : p->kind == P_LIST || p->kind == P_TUPLE ? p->count : 0; }

static void walk(Torch *t, Pickled *root)
{
    Level level[DEEPEST] = { { root, 0, "" } };
    root->seen = 1;
    int third;
    for (size_t depth = 1; depth; ) {
        Level *l = &level[depth - 1];
        if (l->next == children(l->in)) { depth--; continue; }
        size_t before = mark(t->mem);
        const char *name;
        Pickled *p = child(t, l, l->next++, &name);
        if (pickle_is(p, P_CALL, 3)) p = p->item[2];
        const Pickled *arguments = tensor_arguments(p, &third);
        if (!name) continue;
        if (arguments) add_weight(t, tensor(t, name, arguments, third));
        else if (children(p)) {
            if (p->seen++) { release(t->mem, before); continue; }
            if (depth == DEEPEST) bad(t, "it is nested too deep");
            level[depth++] = (Level){ p, 0, name };
        }
        else if (l->in->kind == P_DICT) add_pair(t, name, p);
    }
}

static void finish(Torch *t, Pickled *root)
{
    int third;
    const Pickled *alone = tensor_arguments(root, &third);
    t->out = take(t->mem, 1, sizeof *t->out);
    *t->out = (WeightFile){ .path = t->path, .bytes = t->file.size };
    if (alone) add_weight(t, tensor(t, "tensor", alone, third));
    else walk(t, root);
    file_sort(t->mem, t->out);
}

/* ---- the zip archive -------------------------------------------------------------------------- */

static const char *after_folder(const char *name)
{
    const char *slash = strchr(name, '/');
    return slash ? slash + 1 : "";
}

static const ZipEntry *only_pickle(const Torch *t, const Zip *zip)
{
    const ZipEntry *found = NULL;
    size_t folder = 0;
    for (size_t i = 0; i < zip->count; i++) {
        const ZipEntry *e = &zip->entry[i];
        const char *rest = after_folder(e->name);
        size_t n = (size_t)(rest - e->name);
        if (!*rest) fail(t->mem, "%s: %s lies beside the folder that torch makes: is it another kind of zip archive?", t->path, e->name);
        if (i && (n != folder || strncmp(e->name, zip->entry[0].name, n))) bad(t, "its entries lie in several folders");
        folder = n;
        if (!strcmp(rest, "constants.pkl") || !strncmp(rest, "code/", 5))
            fail(t->mem, "%s: is a TorchScript program, expected weights; look for a safetensors copy", t->path);
        if (!strcmp(rest, "data.pkl")) found = e;
    }
    if (!found) fail(t->mem, "%s: is a zip archive without a data.pkl, so not a file of torch.save", t->path);
    return found;
}

static Pickled *read_archive(Torch *t)
{
    Zip zip = zip_read(t->mem, t->path, t->file);
    const ZipEntry *e = only_pickle(t, &zip);
    const char *folder = format(t->mem, "%.*s", (int)(after_folder(e->name) - e->name), e->name);
    const ZipEntry *order = zip_find(&zip, format(t->mem, "%sbyteorder", folder));
    if (order && (order->data.size != 6 || memcmp(order->data.data, "little", 6)))
        fail(t->mem, "%s: its numbers are big-endian, expected little-endian; save it again on another machine", t->path);
    if (!zip_whole(e)) bad(t, "the checksum of data.pkl does not hold");
    Bytes rest = e->data;
    Pickle p = pickle_read(t->mem, t->path, &rest);
    if (rest.size) bad(t, "data.pkl goes on after its end");
    collect_storages(t, p);
    for (size_t i = 0; i < t->storages; i++) {
        Storage *s = &t->storage[i];
        const ZipEntry *data = zip_find(&zip, format(t->mem, "%sdata/%s", folder, s->key));
        if (!data) fail(t->mem, "%s: %sdata/%s, the data of a tensor, is missing from the archive; download it again", t->path, folder, s->key);
        if (data->data.size != storage_bytes(t, s))
            fail(t->mem, "%s: %s has %zu bytes, expected %zu; download it again", t->path, data->name, data->data.size, storage_bytes(t, s));
        s->data = data->data;
    }
    return p.root;
}

/* ---- the layout before 1.6 -------------------------------------------------------------------- */

static Pickled *read_five_pickles(Torch *t)
{
    Bytes rest = t->file;
    Pickle part[5];
    for (int i = 0; i < 5; i++) part[i] = pickle_read(t->mem, t->path, &rest);
    const Pickled *version = part[1].root, *keys = part[4].root;
    if (!pickle_is(part[0].root, P_BYTES, sizeof MAGIC) || memcmp(part[0].root->text, MAGIC, sizeof MAGIC) || version->kind != P_INT || version->integer != 1001)
        bad(t, "the magic number or version at its start");
    if (keys->kind != P_LIST) bad(t, "the list of storages is missing");
    collect_storages(t, part[3]);
    for (size_t i = 0; i < keys->count; i++) {
        Storage *s = keys->item[i]->kind == P_TEXT ? storage_keyed(t, keys->item[i]->text) : NULL;
        if (!s || s->data.data) bad(t, "it lists a storage twice, or one that no tensor stands on");
        size_t bytes = storage_bytes(t, s);
        if (rest.size < 8 || rest.size - 8 < bytes) fail(t->mem, "%s: cut short; download it again", t->path);
        for (size_t k = 0; k < 8; k++) if (rest.data[k] != (unsigned char)((uint64_t)s->count >> 8 * k)) bad(t, "a storage has another size than its tensors say");
        s->data = (Bytes){ rest.data + 8, bytes };
        rest = (Bytes){ rest.data + 8 + bytes, rest.size - 8 - bytes };
    }
    for (size_t i = 0; i < t->storages; i++) if (!t->storage[i].data.data) bad(t, "a tensor's storage is not in its list");
    if (rest.size) fail(t->mem, "%s: %zu bytes after the last storage: not a valid file of torch.save", t->path, rest.size);
    return part[3].root;
}

/* ---- both ------------------------------------------------------------------------------------- */

static int is_zip   (Bytes f) { return stands_at(f, 0, "PK\3\4", 4) || stands_at(f, 0, "PK\5\6", 4); }
static int is_tar   (Bytes f) { return stands_at(f, 257, "ustar", 5); }
static int is_pickle(Bytes f) { return f.size > 2 && f.data[0] == 0x80 && f.data[1] >= 2 && f.data[1] <= 5; }

int torch_is(Bytes file) { return is_zip(file) || is_tar(file) || is_pickle(file); }

WeightFile *torch_read(Arena *a, const char *path, Bytes file)
{
    Torch t = { .mem = a, .path = format(a, "%s", path), .file = file };
    if (is_tar(file)) fail(a, "%s: is in the tar layout, which torch has not written since 0.1; load it with torch and save it again", t.path);
    finish(&t, is_zip(file) ? read_archive(&t) : read_five_pickles(&t));
    return t.out;
}
