/* formats.c - any file or folder of weights, told apart by what is in it.
 *
 * Files are known by their first bytes, never by their names: people rename them.
 *
 * A diffusers folder holds a model in parts, or one part, each in one file or in shards with an index:
 *
 *     unet/  vae/  text_encoder/        diffusion_pytorch_model.safetensors, model.safetensors; pytorch_model.bin, ...
 *         NAME.safetensors.index.json   {"weight_map": {"tensor": "NAME-00001-of-00003.safetensors", ...}}
 *
 * It comes to one table, as if it were one file: the tensors of a part are called after it, "unet.conv_in.weight".  Of the
 * configurations, all but the scheduler's repeat what the tensors say. */
#include "formats.h"

#include "gguf.h"
#include "json.h"
#include "torch.h"

#include <stdlib.h>
#include <string.h>

/* ---- files ------------------------------------------------------------------------------------ */

/* a length of less than 4 GB, and JSON */
static int safetensors_is(Bytes f) { return stands_at(f, 4, "\0\0\0\0{", 5); }

int weights_like(Bytes file) { return safetensors_is(file) || torch_is(file) || gguf_is(file); }

/* Not by the ending: a download of the wrong link has the right one. */
static const char *other_kind(Bytes f)
{
    static const struct { const char *begin; size_t n; const char *name; } others[] = {
        { "\x89PNG", 4, "a PNG" }, { "GIF8", 4, "a GIF" }, { "\xff\xd8\xff", 3, "a JPEG" }, { "RIFF", 4, "a WebP picture, a sound or a film" },
        { "\x1f\x8b", 2, "packed by gzip" }, { "7z\xbc\xaf", 4, "a 7z archive" }, { "Rar!", 4, "a RAR archive" }, { "BZh", 3, "packed by bzip2" },
        { "\xfd" "7zXZ", 5, "packed by xz" }, { "\x28\xb5\x2f\xfd", 4, "packed by Zstandard" }, { "%PDF", 4, "a PDF" }, { "\x7f" "ELF", 4, "a program" },
        { "\x89HDF", 4, "an HDF5 file, as Keras writes them" }, { "\x93NUMPY", 6, "an array of numpy's" },
    };
    for (size_t i = 0; i < sizeof others / sizeof *others; i++) if (stands_at(f, 0, others[i].begin, others[i].n)) return others[i].name;
    return stands_at(f, 4, "ftyp", 4) ? "a film, or a HEIC or AVIF picture" : NULL;
}

/* what people have where a download went wrong */
static void refuse_other(Arena *a, const char *path, Bytes file)
{
    Bytes f = file;
    while (f.size && (*f.data == ' ' || (*f.data >= '\t' && *f.data <= '\r'))) f.data++, f.size--;
    if (stands_at(f, 0, "<!", 2) || stands_at(f, 0, "<h", 2) || stands_at(f, 0, "<H", 2) || stands_at(f, 0, "<?xml", 5))
        fail(a, "%s: is a web page, expected weights: the download asked for a login, or failed; download it again", path);
    if (stands_at(file, 0, "version https://git-lfs", 23)) fail(a, "%s: is a Git LFS pointer, expected weights: run git lfs pull, or download the file itself", path);
    if (!file.size) fail(a, "%s: is empty, expected weights; download it again", path);
    const char *kind = other_kind(file);
    if (kind) fail(a, "%s: is %s, expected weights%s; is it the file you mean?", path, kind, strstr(kind, "pack") || strstr(kind, "archive") ? ": unpack it" : "");
}

static int text_is(Bytes f)
{
    size_t n = 0;
    while (n < f.size && n < 64 && ((f.data[n] >= ' ' && f.data[n] != 0x7f) || (f.data[n] >= '\t' && f.data[n] <= '\r'))) n++;
    return n == f.size || n == 64;
}

static WeightFile *read_any(Arena *a, const char *path, Bytes file)
{
    if (safetensors_is(file)) return safetensors_read(a, path, file);      /* first: its length can be any bytes */
    if (torch_is(file)) return torch_read(a, path, file);
    if (gguf_is(file)) return gguf_read(a, path, file);
    refuse_other(a, path, file);
    if (text_is(file)) fail(a, "%s: is text, expected weights", path);
    return safetensors_read(a, path, file);
}

const WeightFile *weights_read(Arena *a, const char *path, Bytes file) { return read_any(a, path, file); }

/* ---- folders ---------------------------------------------------------------------------------- */

static const char *const parts[] = { "unet", "vae", "text_encoder" };
static const char *const stems[] = { "diffusion_pytorch_model", "model", "pytorch_model", "pytorch_lora_weights" };
static const char *const endings[] = {      /* whole before halves, safetensors before pickles */
    ".safetensors", ".safetensors.index.json", ".fp16.safetensors", ".safetensors.index.fp16.json", ".bin", ".bin.index.json", ".fp16.bin", ".bin.index.fp16.json",
};
enum { PARTS = sizeof parts / sizeof *parts, STEMS = sizeof stems / sizeof *stems, ENDINGS = sizeof endings / sizeof *endings };

/* the file that holds a part's weights, or lists those that do; NULL when there is none */
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
    return file_is(path) || (folder_is(path) && (file_is(format(a, "%s/model_index.json", path)) || weights_in(a, path)));
}

/* One table of several, each with a prefix to its names. */
static WeightFile *joined(Arena *a, const char *path, WeightFile *const *file, const char *const *prefix, size_t files)
{
    WeightFile *all = take(a, 1, sizeof *all);
    *all = (WeightFile){ .path = format(a, "%s", path) };
    size_t count = 0;
    for (size_t i = 0; i < files; i++) count += file[i]->count;
    all->weight = take(a, count, sizeof *all->weight);
    for (size_t i = 0; i < files; i++) {
        all->bytes += file[i]->bytes;
        for (size_t k = 0; k < file[i]->count; k++) {
            Weight *w = &all->weight[all->count++];
            *w = file[i]->weight[k];
            if (*prefix[i]) w->name = format(a, "%s%s", prefix[i], w->name);
        }
    }
    file_sort(a, all);
    return all;
}

static int by_value(const void *x, const void *y) { return strcmp(((const Pair *)x)->value, ((const Pair *)y)->value); }

/* {"weight_map": {"tensor": "file", ...}} */
static Pair *weight_map(Arena *a, const char *index, size_t *count)
{
    Json c = json_begin(a, index, "list of shards", file_map(a, index));
    size_t most = 1;
    for (const unsigned char *p = c.at; p < c.end; p++) most += *p == ':';
    Pair *map = take(a, most, sizeof *map);
    *count = 0;
    if (!json_member(&c, "weight_map")) json_bad(&c, "it has no weight_map");
    json_expect(&c, '{', "its weight_map is not an object");
    if (json_next(&c, '}')) return map;
    do {
        const char *tensor = json_string(&c);
        json_expect(&c, ':', "a tensor in it is without a file");
        map[(*count)++] = (Pair){ tensor, json_string(&c) };
    } while (json_next(&c, ','));
    json_expect(&c, '}', "its weight_map does not end");
    return map;
}

static WeightFile *open_shards(Arena *a, const char *index)
{
    size_t count, files = 0, folder = (size_t)(strrchr(index, '/') - index);
    Pair *map = weight_map(a, index, &count);
    WeightFile **file = take(a, count, sizeof *file);
    const char **none = take(a, count, sizeof *none);
    if (count) qsort(map, count, sizeof *map, by_value);
    for (size_t i = 0; i < count; i++) {
        const char *name = map[i].value;
        if (i && !strcmp(map[i - 1].value, name)) continue;
        if (strchr(name, '/') || *name == '.') fail(a, "%s: %s is no name of a file beside it", index, name);
        const char *path = format(a, "%.*s/%s", (int)folder, index, name);
        none[files] = "", file[files++] = read_any(a, path, file_map(a, path));
    }
    WeightFile *all = joined(a, index, file, none, files);
    for (size_t i = 0; i < count; i++)
        if (!file_weight(all, map[i].key)) fail(a, "%s: it lists %s, which none of the files holds; download the folder again", index, map[i].key);
    return all;
}

static WeightFile *open_part(Arena *a, const char *path)
{
    size_t n = strlen(path);
    return !strcmp(path + n - 5, ".json") ? open_shards(a, path) : read_any(a, path, file_map(a, path));
}

/* What a model predicts, and whether its schedule ends without signal, by the name that single files have for the first. */
static void add_schedule(Arena *a, WeightFile *all, const char *folder)
{
    const char *path = format(a, "%s/scheduler/scheduler_config.json", folder);
    if (!file_is(path)) return;
    Json c = json_begin(a, path, "scheduler_config.json", file_map(a, path)), again = c;
    if (json_member(&c, "prediction_type")) all->metadata[all->pairs++] = (Pair){ "modelspec.prediction_type", json_string(&c) };
    if (json_member(&again, "rescale_betas_zero_snr") && json_peek(&again) == 't') all->metadata[all->pairs++] = (Pair){ "rescale_betas_zero_snr", "true" };
}

static WeightFile *open_folder(Arena *a, const char *path)
{
    const char *index = format(a, "%s/model_index.json", path), *alone = weights_in(a, path), *prefix[PARTS];
    if (alone) return open_part(a, alone);
    WeightFile *file[PARTS], *all;
    size_t files = 0;
    for (size_t i = 0; i < PARTS; i++) {
        const char *part = weights_in(a, format(a, "%s/%s", path, parts[i]));
        if (part) prefix[files] = format(a, "%s.", parts[i]), file[files++] = open_part(a, part);
    }
    if (!files) fail(a, "%s: is a folder without weights as diffusers writes them (unet/diffusion_pytorch_model.safetensors and so on); name a file", path);
    all = joined(a, path, file, prefix, files);
    all->metadata = take(a, 3, sizeof *all->metadata);
    if (file_is(index)) {
        Json c = json_begin(a, index, "model_index.json", file_map(a, index));
        if (json_member(&c, "_class_name")) all->metadata[all->pairs++] = (Pair){ "pipeline", json_string(&c) };
    }
    add_schedule(a, all, path);
    return all;
}

const WeightFile *weights_open(Arena *a, const char *path)
{
    return folder_is(path) ? open_folder(a, path) : read_any(a, path, file_map(a, path));
}
