/* info_command.c - persona info: says what a file is.
 *
 * What a file is decides its content, not its name.  Weights, also as a folder, are described by info.c; a picture by
 * its size and the settings that it carries; a workflow by those that can be read off it.  A word that is no path is
 * looked for as drawing looks for names.
 *
 * Several files, and the files of a folder, have a line each.  One that cannot be read has a line with the reason, and
 * the exit status is that of a failure then, as ls and file do it. */
#include "info_command.h"

#include "chars.h"
#include "info.h"
#include "input_file.h"
#include "list_command.h"
#include "picture_info.h"
#include "picture_kinds.h"
#include "system.h"
#include "weight_names.h"
#include "weight_row.h"

#include <stdio.h>
#include <string.h>

/* ---- one file ----------------------------------------------------------------------------------- */

/* The name by which drawing finds this file: its stem, when that means it, or its path. */
static const char *name_of(Run *r, const char *path)
{
    const char *stem = weight_name_stem(r->a, path);
    const char *found = list_find(r, stem);
    return found && same_file(found, path) ? stem : path;
}

static void print_tensors(Run *r, const WeightFile *f)
{
    puts("tensors:");
    for (size_t i = 0; i < f->count && !*r->stopped; i++) {
        size_t before = mark(r->a);
        puts(info_tensor(r->a, &f->weight[i]));
        release(r->a, before);
    }
}

static void print_weights(Run *r, const WeightFile *f)
{
    enum { SHORT = 200, LONG = 1 << 20 };                        /* bytes of a value */
    int is_verbose = r->options.verbose;
    InfoWanted wanted = { .most = is_verbose ? LONG : SHORT, .all = is_verbose, .name = name_of(r, f->path) };
    fputs(info_weights(r->a, f, wanted), stdout);
    if (is_verbose) print_tensors(r, f);
    else run_say(r, "--verbose shows the tensors too");
}

static void info_picture(Run *r, const char *path, Bytes b)
{
    const PictureKind *kind = picture_kind(b.data, b.size);
    int width, height;
    picture_size(b.data, b.size, &width, &height);
    const char *what = info_metadata(r->a, path, b);
    printf("%s: %s %s of %dx%d, %s\n", path, kind->article, kind->name, width, height, what);
    const char *embedding = !strcmp(kind->name, "PNG") ? info_embedding(r->a, path) : NULL;
    if (embedding) printf("carries %s\n", embedding);
}

/* Does its name say that it is to be a file of weights? */
static int is_called_weights(const char *path)
{
    static const char *const endings[] = { ".safetensors", ".ckpt", ".pt", ".pth", ".bin", ".gguf" };
    for (size_t i = 0; i < sizeof endings / sizeof *endings; i++)
        if (same(file_extension(path), endings[i])) return 1;
    return 0;
}

static void info_file(Run *r, const char *path)
{
    if (!file_is(path) && weights_exist(r->a, path)) {           /* a folder of weights */
        print_weights(r, weights_open(r->a, path));
        return;
    }
    Bytes b = run_open_input(r, path, "weights, a picture or a workflow");
    int is_weights = looks_like_weights(b) || is_called_weights(path);
    const char *found = "none of them; for a prompt file there is persona check";
    const PictureKind *kind = picture_kind(b.data, b.size);
    if (kind) found = format(r->a, "%s %s, which carries no settings that are read", kind->article, kind->name);
    if (input_file_may_carry_settings(b)) info_picture(r, path, b);
    else if (is_weights) print_weights(r, weights_read(r->a, path, b));
    else if (input_file_is_json(b)) printf("%s: %s\n", path, info_metadata(r->a, path, b));
    else fail(r->a, "%s: expected weights, a GIF, a PNG, a JPEG or a WebP, found %s", path, found);
}

/* ---- several files ------------------------------------------------------------------------------ */

/* The files of a folder, but not those in folders below, unless they are models themselves. */
static void add_folder(Run *r, Lines *paths, const char *folder)
{
    size_t count;
    const char **names = folder_list(r->a, folder, &count);
    for (size_t i = 0; i < count; i++) {
        const char *path = search_path_join(r->a, folder, names[i]);
        int is_weights = file_is(path) ? is_called_weights(path) : weights_exist(r->a, path);
        if (is_weights) lines_add(r->a, paths, path);
    }
}

static int is_plain_folder(Run *r, const char *path)
{
    return folder_is(path) && !weights_exist(r->a, path);
}

/* A path, or the path of what is called so where drawing looks for names. */
static const char *path_of(Run *r, const char *word)
{
    if (file_is_given(r->a, word) || file_is(word) || folder_is(word) || strchr(word, '/')) return word;
    const char *found = list_find(r, word);
    if (found) run_say(r, format(r->a, "%s is %s", quoted(r->a, word), found));
    return found ? found : word;
}

typedef struct { Run *r; const char *path, *line; } PictureLine;

static void read_picture(void *to)
{
    PictureLine *p = to;
    int width, height;
    Bytes b = file_map(p->r->a, p->path);
    const PictureKind *kind = picture_kind(b.data, b.size);
    if (!kind) return;
    picture_size(b.data, b.size, &width, &height);
    p->line = format(p->r->a, "%s: %s %s of %dx%d", p->path, kind->article, kind->name, width, height);
}

/* A line for a picture; NULL when it is none. */
static const char *picture_line(Run *r, const char *path)
{
    char why[MESSAGE];
    PictureLine p = { .r = r, .path = path };
    return attempt(r->a, read_picture, &p, why) ? NULL : p.line;
}

/* Returns whether it could be read. */
static int print_line(Run *r, Arena *scratch, const char *path, size_t width)
{
    const char *picture = folder_is(path) ? NULL : picture_line(r, path);
    if (picture) {
        printf("%s\n", picture);
        return 1;
    }
    WeightRow row = weight_row(r->a, scratch, path);
    row.words = *row.words ? format(r->a, "%s; %s", row.what, row.words) : row.what;
    fputs(weight_row_text(r->a, &row, width, LONG_LINE), stdout);
    return row.bytes != 0;
}

static void free_scratch(void *scratch) { arena_free(scratch); }

static void print_lines(Run *r, const Lines *paths)
{
    size_t width = 0;
    size_t broken = 0;
    Arena *scratch = arena_new();
    if (!scratch) fail_as(r->a, NO_MEMORY, "out of memory");
    on_release(r->a, free_scratch, scratch);
    for (size_t i = 0; i < paths->count; i++) width = weight_row_width(width, paths->line[i]);
    for (size_t i = 0; i < paths->count && !*r->stopped; i++) {
        size_t before = mark(r->a);
        broken += !print_line(r, scratch, paths->line[i], width);
        release(r->a, before);
    }
    if (broken) fail(r->a, "%s of %zu cannot be read", amount(r->a, broken, "file"), paths->count);
    run_say(r, format(r->a, "%s; persona info FILE says more of one", amount(r->a, paths->count, "file")));
}

void info_command(Run *r)
{
    const Lines *words = &r->options.several;
    Lines paths = { 0 };
    if (!words->count) run_misuse(r, "persona info needs a file; persona list shows what is in weights/");
    for (size_t i = 0; i < words->count; i++) {
        const char *path = path_of(r, i ? words->line[i] : r->options.input);      /* it may be standard input */
        if (is_plain_folder(r, path)) add_folder(r, &paths, path);
        else lines_add(r->a, &paths, path);
    }
    int is_one = words->count == 1 && !is_plain_folder(r, r->options.input);
    if (is_one) info_file(r, paths.line[0]);
    else if (paths.count) print_lines(r, &paths);
    else fail(r->a, "%s: is a folder without files of weights; name a file", words->line[0]);
}
