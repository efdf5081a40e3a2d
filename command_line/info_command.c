/* info_command.c - persona info: says what a file is.
 *
 * What a file is decides its content, not its name.  Weights, also as a folder, are described by info.c; a picture by
 * its size and the settings that it carries; a workflow by those that can be read off it. */
#include "info_command.h"

#include "chars.h"
#include "info.h"
#include "input_file.h"
#include "picture_info.h"
#include "picture_kinds.h"

#include <stdio.h>
#include <string.h>

static void print_weights(Run *r, const WeightFile *f)
{
    size_t most = r->options.verbose ? 1 << 20 : 200;            /* bytes of a value */
    fputs(info_weights(r->a, f, most), stdout);
}

static void info_picture(Run *r, Bytes b)
{
    const char *path = r->options.input;
    const PictureKind *kind = picture_kind(b.data, b.size);
    int width, height;
    picture_size(b.data, b.size, &width, &height);
    const char *what = info_metadata(r->a, path, b);
    printf("%s: %s %s of %dx%d, %s\n", path, kind->article, kind->name, width, height, what);
    const char *embedding = !strcmp(kind->name, "PNG") ? info_embedding(r->a, path) : NULL;
    if (embedding) printf("carries %s\n", embedding);
}

void info_command(Run *r)
{
    const char *path = r->options.input;
    if (!path) run_misuse(r, "persona info needs a file");
    if (!file_is(path) && weights_exist(r->a, path)) {           /* a folder of weights */
        print_weights(r, weights_open(r->a, path));
        return;
    }
    Bytes b = run_open_input(r, path, "weights, a picture or a workflow");
    int is_weights = looks_like_weights(b) || strstr(file_name(path), ".safetensors");
    const char *found = "none of them; for a prompt file there is persona check";
    const PictureKind *kind = picture_kind(b.data, b.size);
    if (kind) found = format(r->a, "%s %s, which carries no settings that are read", kind->article, kind->name);
    if (input_file_may_carry_settings(b)) info_picture(r, b);
    else if (input_file_is_json(b)) printf("%s: %s\n", path, info_metadata(r->a, path, b));
    else if (is_weights) print_weights(r, weights_read(r->a, path, b));
    else fail(r->a, "%s: expected weights, a GIF, a PNG, a JPEG or a WebP, found %s", path, found);
}
