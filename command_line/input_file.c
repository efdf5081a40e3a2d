/* input_file.c - the file that a command begins with.
 *
 * People name a prompt file, a picture that carries settings, a workflow, weights, or a folder, and mix them up.  What
 * a file is, its first bytes say, whatever it is called.  A message says what was found and what was expected, so that
 * the next try is the right one.
 *
 * It refuses weights, pictures of other kinds and JSON of other programs where words were expected, because a tokenizer
 * would read any bytes as words.  A prompt file has at most 64 MB. */
#include "input_file.h"

#include "chars.h"
#include "picture_kinds.h"
#include "system.h"
#include "weights_open.h"

#include <string.h>

enum { LARGEST_PROMPT = 64 << 20 };      /* bytes of a prompt file */

int input_file_may_carry_settings(Bytes b)
{
    static const char *const kinds[] = { "GIF", "PNG", "JPEG", "WebP" };
    const PictureKind *kind = picture_kind(b.data, b.size);
    for (size_t i = 0; i < sizeof kinds / sizeof *kinds; i++)
        if (kind && !strcmp(kind->name, kinds[i])) return 1;
    return 0;
}

int input_file_is_json(Bytes b)
{
    size_t i = 0;
    while (i < b.size && blank(b.data[i])) i++;
    if (i == b.size || b.data[i] != '{') return 0;
    i++;
    while (i < b.size && blank(b.data[i])) i++;
    return i < b.size && b.data[i] == '"';
}

Bytes input_file_open(Arena *a, const char *path, const char *expected, const char *hint)
{
    FileInfo info;
    const char *why = system_file_info(path, &info);
    if (why) fail(a, "%s: cannot be opened: %s; expected %s%s", path, why, expected, hint);
    if (info.is_folder) fail(a, "%s: is a folder, expected %s%s", path, expected, hint);
    return file_map(a, path);
}

void input_file_refuse_binary(Arena *a, Bytes b, const char *path)
{
    if (looks_like_weights(b))
        fail(a, "%s: this is a weights file, expected a prompt file; name it in one as Model, VAE, Motion module or "
                "LoRA, or see persona info", path);
    const PictureKind *kind = picture_kind(b.data, b.size);
    if (kind)
        fail(a, "%s: this is %s %s, expected a prompt file, or a picture that carries settings: a GIF, PNG, JPEG or "
                "WebP", path, kind->article, kind->name);
    if (input_file_is_json(b))
        fail(a, "%s: this is JSON, but neither a workflow of ComfyUI nor the settings of a program that persona "
                "knows, or it is broken; expected a prompt file: words, then a line like Steps: 25, Seed: 1", path);
    if (b.size > LARGEST_PROMPT)
        fail(a, "%s: %.0f MB is too much for a prompt file, expected at most %d", path, (double)b.size / 1e6,
             LARGEST_PROMPT >> 20);
}
