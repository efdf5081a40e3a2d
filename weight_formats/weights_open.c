/* weights_open.c - opens any file or folder of weights; its content says which kind it is.
 *
 * A file is known by its first bytes, never by its name: people rename them, and a failed download has the right name.
 *
 * A folder in diffusers' layout holds a pipeline in parts, or one part.  Each part is one file, or several shards with
 * an index of them:
 *
 *     unet/  vae/  text_encoder/        diffusion_pytorch_model.safetensors, model.safetensors, pytorch_model.bin, ...
 *         NAME.safetensors.index.json   {"weight_map": {"tensor": "NAME-00001-of-00003.safetensors", ...}}
 *     scheduler/scheduler_config.json   what the model predicts, and the noise schedule
 *
 * It comes to one table, as if it were one file: the tensors of a part have its name in front, "unet.conv_in.weight".
 * All other configuration files are not read, as they repeat what the tensors say.
 *
 * An index is as untrusted as any file: it may name only files beside it, and what it lists must be there. */
#include "weights_open.h"

#include "gguf.h"
#include "json.h"
#include "safetensors.h"
#include "torch.h"

#include <stdlib.h>
#include <string.h>

/* ---- files ------------------------------------------------------------------------------------ */

/* A safetensors file begins with a length of less than 4 GB, and '{'. */
static int safetensors_is(Bytes f) { return has_bytes_at(f, 4, "\0\0\0\0{", 5); }

int looks_like_weights(Bytes file) { return safetensors_is(file) || torch_is(file) || gguf_is(file); }

/* The first bytes of other kinds of file. */
static const struct { const char *begin; size_t n; const char *name; } other_kinds[] = {
    { .begin = "\x89PNG",          .n = 4, .name = "a PNG" },
    { .begin = "GIF8",             .n = 4, .name = "a GIF" },
    { .begin = "\xff\xd8\xff",     .n = 3, .name = "a JPEG" },
    { .begin = "RIFF",             .n = 4, .name = "a WebP picture, a sound or a film" },
    { .begin = "\x1f\x8b",         .n = 2, .name = "packed by gzip" },
    { .begin = "7z\xbc\xaf",       .n = 4, .name = "a 7z archive" },
    { .begin = "Rar!",             .n = 4, .name = "a RAR archive" },
    { .begin = "BZh",              .n = 3, .name = "packed by bzip2" },
    { .begin = "\xfd" "7zXZ",      .n = 5, .name = "packed by xz" },
    { .begin = "\x28\xb5\x2f\xfd", .n = 4, .name = "packed by Zstandard" },
    { .begin = "%PDF",             .n = 4, .name = "a PDF" },
    { .begin = "\x7f" "ELF",       .n = 4, .name = "a program" },
    { .begin = "\x89HDF",          .n = 4, .name = "an HDF5 file, as Keras writes them" },
    { .begin = "\x93NUMPY",        .n = 6, .name = "an array of numpy's" },
};
enum { OTHER_KINDS = sizeof other_kinds / sizeof *other_kinds };

/* Says what a file is that is no weight file.  Returns NULL when it is of none of these kinds. */
static const char *other_kind(Bytes f)
{
    for (size_t i = 0; i < OTHER_KINDS; i++)
        if (has_bytes_at(f, 0, other_kinds[i].begin, other_kinds[i].n)) return other_kinds[i].name;
    if (has_bytes_at(f, 4, "ftyp", 4)) return "a film, or a HEIC or AVIF picture";
    return NULL;
}

static int is_white_space(int b) { return b == ' ' || (b >= '\t' && b <= '\r'); }

static int is_web_page(Bytes f)
{
    while (f.size && is_white_space(*f.data)) {
        f.data++;
        f.size--;
    }
    return has_bytes_at(f, 0, "<!", 2) || has_bytes_at(f, 0, "<h", 2) || has_bytes_at(f, 0, "<H", 2)
        || has_bytes_at(f, 0, "<?xml", 5);
}

/* Does it begin with text: 64 printable ASCII characters, or as many as it has? */
static int is_text(Bytes f)
{
    enum { ENOUGH = 64 };
    size_t n = f.size < ENOUGH ? f.size : ENOUGH;
    for (size_t i = 0; i < n; i++) {
        int printable = f.data[i] >= ' ' && f.data[i] != 0x7f;
        if (!printable && !is_white_space(f.data[i])) return 0;
    }
    return 1;
}

/* Fails when it is something that people have where weights should be, as after a failed download. */
static void refuse_other_kinds(Arena *a, const char *path, Bytes file)
{
    if (is_web_page(file))
        fail(a, "%s: is a web page, expected weights: the download asked for a login, or failed; download it again",
             path);
    if (has_bytes_at(file, 0, "version https://git-lfs", 23))
        fail(a, "%s: is a Git LFS pointer, expected weights: run git lfs pull, or download the file itself", path);
    if (!file.size) fail(a, "%s: is empty, expected weights; download it again", path);
    const char *kind = other_kind(file);
    if (!kind) return;
    int packed = strstr(kind, "pack") || strstr(kind, "archive");
    fail(a, "%s: is %s, expected weights%s; is it the file you mean?", path, kind, packed ? ": unpack it" : "");
}

static WeightFile *read_any(Arena *a, const char *path, Bytes file)
{
    /* safetensors first: the length at its start can be any bytes, also those that the other formats begin with */
    if (safetensors_is(file)) return safetensors_read(a, path, file);
    if (torch_is(file)) return torch_read(a, path, file);
    if (gguf_is(file)) return gguf_read(a, path, file);
    refuse_other_kinds(a, path, file);
    if (is_text(file)) fail(a, "%s: is text, expected weights", path);
    return safetensors_read(a, path, file);      /* says what is wrong with it */
}

static WeightFile *open_file(Arena *a, const char *path) { return read_any(a, path, file_map(a, path)); }

const WeightFile *weights_read(Arena *a, const char *path, Bytes file) { return read_any(a, path, file); }

/* ---- folders: which files --------------------------------------------------------------------- */

static const char *const stems[] = { "diffusion_pytorch_model", "model", "pytorch_model", "pytorch_lora_weights",
                                     "adapter_model" };

/* float32 before float16, safetensors before pickles */
static const char *const endings[] = {
    ".safetensors",
    ".safetensors.index.json",
    ".fp16.safetensors",
    ".safetensors.index.fp16.json",
    ".bin",
    ".bin.index.json",
    ".fp16.bin",
    ".bin.index.fp16.json",
};
enum { STEMS = sizeof stems / sizeof *stems, ENDINGS = sizeof endings / sizeof *endings };

/* Returns the file that holds the weights of a part, or that lists its shards; NULL when there is none. */
static const char *weights_in(Arena *a, const char *folder)
{
    for (size_t e = 0; e < ENDINGS; e++)
        for (size_t s = 0; s < STEMS; s++) {
            const char *path = format(a, "%s/%s%s", folder, stems[s], endings[e]);
            if (file_is(path)) return path;
        }
    return NULL;
}

int weights_exist(Arena *a, const char *path)
{
    if (file_is(path)) return 1;
    if (!folder_is(path)) return 0;
    return file_is(format(a, "%s/model_index.json", path)) || weights_in(a, path);
}

/* ---- folders: one table of several files ------------------------------------------------------ */

/* prefix: goes in front of the names of this file's tensors */
typedef struct { const WeightFile *file; const char *prefix; } FolderPart;

static WeightFile *joined(Arena *a, const char *path, const FolderPart *part, size_t parts)
{
    WeightFile *all = allocate(a, 1, sizeof *all);
    *all = (WeightFile){ .path = format(a, "%s", path) };
    size_t count = 0;
    for (size_t i = 0; i < parts; i++) count += part[i].file->count;
    all->weight = allocate(a, count, sizeof *all->weight);
    for (size_t i = 0; i < parts; i++) {
        const WeightFile *f = part[i].file;
        const char *prefix = part[i].prefix;
        all->bytes += f->bytes;
        for (size_t k = 0; k < f->count; k++) {
            Weight *w = &all->weight[all->count++];
            *w = f->weight[k];
            if (*prefix) w->name = format(a, "%s%s", prefix, w->name);
        }
    }
    file_sort(a, all);
    return all;
}

/* ---- folders: shards -------------------------------------------------------------------------- */

/* A tensor, and the file that it is in. */
typedef struct { const char *tensor, *file; } Listed;

static int by_file(const void *x, const void *y)
{
    const Listed *a = x;
    const Listed *b = y;
    return strcmp(a->file, b->file);
}

/* Reads {"weight_map": {"tensor": "file", ...}} and writes how many tensors it lists. */
static Listed *weight_map(Arena *a, const char *index, size_t *count)
{
    Json c = json_begin(a, index, "list of shards", file_map(a, index));
    size_t most = 1;
    for (const unsigned char *p = c.at; p < c.end; p++)
        if (*p == ':') most++;
    Listed *map = allocate(a, most, sizeof *map);
    *count = 0;
    if (!json_member(&c, "weight_map")) json_bad(&c, "it has no weight_map");
    json_expect(&c, '{', "its weight_map is not an object");
    if (json_accept(&c, '}')) return map;
    do {
        Listed *l = &map[(*count)++];
        l->tensor = json_string(&c);
        json_expect(&c, ':', "a tensor in it is without a file");
        l->file = json_string(&c);
    } while (json_accept(&c, ','));
    json_expect(&c, '}', "its weight_map does not end");
    return map;
}

/* A shard lies beside its index; an index that says anything else is refused. */
static const char *shard_path(Arena *a, const char *index, const char *name)
{
    if (strchr(name, '/') || *name == '.') fail(a, "%s: %s is no name of a file beside it", index, name);
    size_t folder = (size_t)(strrchr(index, '/') - index);
    return format(a, "%.*s/%s", (int)folder, index, name);
}

static WeightFile *open_shards(Arena *a, const char *index)
{
    size_t count;
    Listed *map = weight_map(a, index, &count);
    FolderPart *shard = allocate(a, count, sizeof *shard);
    size_t shards = 0;
    if (count) qsort(map, count, sizeof *map, by_file);
    for (size_t i = 0; i < count; i++) {
        if (i && !strcmp(map[i - 1].file, map[i].file)) continue;
        shard[shards++] = (FolderPart){ open_file(a, shard_path(a, index, map[i].file)), "" };
    }
    WeightFile *all = joined(a, index, shard, shards);
    for (size_t i = 0; i < count; i++)
        if (!file_weight(all, map[i].tensor))
            fail(a, "%s: it lists %s, which none of the files holds; download the folder again", index, map[i].tensor);
    return all;
}

/* path: what weights_in has found */
static WeightFile *open_part(Arena *a, const char *path)
{
    size_t n = strlen(path);
    if (!strcmp(path + n - strlen(".json"), ".json")) return open_shards(a, path);
    return open_file(a, path);
}

/* ---- folders: configuration ------------------------------------------------------------------- */

enum { FOLDER_METADATA = 3 };      /* entries at most: the three that follow */

static void add_metadata(WeightFile *f, const char *key, const char *value)
{
    f->metadata[f->pairs++] = (KeyValue){ key, value };
}

static void add_pipeline(Arena *a, WeightFile *f, const char *folder)
{
    const char *path = format(a, "%s/model_index.json", folder);
    if (!file_is(path)) return;
    Json c = json_begin(a, path, "model_index.json", file_map(a, path));
    if (json_member(&c, "_class_name")) add_metadata(f, "pipeline", json_string(&c));
}

/* Adds what the model predicts (epsilon or v), by the key that single files have for it, and whether the noise schedule
 * is rescaled to zero terminal SNR. */
static void add_schedule(Arena *a, WeightFile *f, const char *folder)
{
    const char *path = format(a, "%s/scheduler/scheduler_config.json", folder);
    if (!file_is(path)) return;
    const Json config = json_begin(a, path, "scheduler_config.json", file_map(a, path));
    Json c = config;
    if (json_member(&c, "prediction_type")) add_metadata(f, "modelspec.prediction_type", json_string(&c));
    c = config;
    if (json_member(&c, "rescale_betas_zero_snr") && json_peek(&c) == 't')
        add_metadata(f, "rescale_betas_zero_snr", "true");
}

/* ---- both ------------------------------------------------------------------------------------- */

static WeightFile *open_folder(Arena *a, const char *path)
{
    static const char *const names[] = { "unet", "vae", "text_encoder" };
    enum { PARTS = sizeof names / sizeof *names };
    const char *alone = weights_in(a, path);
    if (alone) return open_part(a, alone);
    FolderPart part[PARTS];
    size_t parts = 0;
    for (size_t i = 0; i < PARTS; i++) {
        const char *weights = weights_in(a, format(a, "%s/%s", path, names[i]));
        if (!weights) continue;
        part[parts++] = (FolderPart){ open_part(a, weights), format(a, "%s.", names[i]) };
    }
    if (!parts)
        fail(a, "%s: is a folder without weights as diffusers writes them "
             "(unet/diffusion_pytorch_model.safetensors and so on); name a file", path);
    WeightFile *all = joined(a, path, part, parts);
    all->metadata = allocate(a, FOLDER_METADATA, sizeof *all->metadata);
    add_pipeline(a, all, path);
    add_schedule(a, all, path);
    return all;
}

const WeightFile *weights_open(Arena *a, const char *path)
{
    if (folder_is(path) && !file_is_given(a, path)) return open_folder(a, path);
    return open_file(a, path);
}
