/* result.c - a picture into a file.
 *
 * The ending of a path says the format: a row of `formats`.  A clip as PNG is a file a frame, all of them written or none.  What the
 * picture was made with stands inside.
 *
 * What can be wrong with a place is asked before the minutes of work: the folder, the right to write there, room.  A picture that was
 * made again, and came out different by other weights, machine or options, is no reason to lose the first: it stands beside. */
#include "result.h"

#include "chars.h"
#include "files.h"
#include "gif.h"
#include "output.h"
#include "png.h"

#include <string.h>

/* ---- formats ---------------------------------------------------------------------------------- */

typedef unsigned char *Encode(Arena *a, const Result *r, Pictures p, const char *settings, size_t *size);

static void say_effort(Arena *a, const Result *r, GifEffort e, size_t most, size_t size)
{
    const char *loss = e.loss ? format(a, ", matched within %d/255", e.loss) : "", *frames = e.every > 1 ? format(a, ", one frame of %d", e.every) : "";
    const char *limit = bytes_text(a, most);
    if (e.colours < 256) watch_say(r->watch, "to keep to %s: %d colours%s%s", limit, e.colours, loss, frames);
    if (size > most)
        watch_say(r->watch, "Max size is %s, but %.0f KB is as small as this GIF gets; a smaller Size or fewer Frames would do more", limit, (double)size / 1024);
}

static unsigned char *to_gif(Arena *a, const Result *r, Pictures p, const char *settings, size_t *size)
{
    size_t most = r->request->max_size ? (size_t)r->request->max_size : SIZE_MAX;
    GifEffort e;
    unsigned char *gif = gif_encode_within(p.rgb, p.frames, p.width, p.height, r->request->job.fps, settings, most, &e, size);
    if (gif) say_effort(a, r, e, most, *size);
    return gif;
}

static unsigned char *to_apng(Arena *a, const Result *r, Pictures p, const char *settings, size_t *size)
{
    (void)a;
    return apng_encode(p.rgb, p.frames, p.width, p.height, r->request->job.fps, settings, size);
}

static unsigned char *to_png(Arena *a, const Result *r, Pictures p, const char *settings, size_t *size)
{
    (void)a, (void)r;
    return png_encode(p.rgb, p.width, p.height, settings, size);
}

static const struct { const char *ending; Encode *encode; int numbered; } formats[] = {
    { ".gif", to_gif, 0 }, { ".png", to_png, 1 }, { ".apng", to_apng, 0 },
};
enum { FORMATS = sizeof formats / sizeof *formats };

static size_t format_of(const char *path)
{
    const char *ending = ending_of(path);
    size_t i = 0;
    while (i < FORMATS && !same(ending, formats[i].ending)) i++;
    return i;
}

int result_known(const char *path) { return format_of(path) < FORMATS; }

/* ---- the place -------------------------------------------------------------------------------- */

void result_check(Arena *a, const Result *r, const char *keep)
{
    size_t kind = format_of(r->path);
    if (kind == FORMATS) fail(a, "%s: expected an output that ends in .gif, .png or .apng%s", r->path, r->again ? "; name one with -o" : "");
    if (r->request->max_size && formats[kind].encode != to_gif)
        fail(a, "%s: Max size makes GIFs smaller, other pictures keep every pixel; take it out, or --max-size 0", r->path);
    place_check(a, r->path, 0);
    if (keep && same_file(keep, r->path)) fail(a, "%s: the picture would replace the prompt file; choose another name with -o", r->path);
}

/* ---- writing ---------------------------------------------------------------------------------- */

/* the path without its ending; of "name-001", one of several, "name": a series is made again as a series */
static const char *stem_of(Arena *a, const Result *r)
{
    char *stem = without_ending(a, r->path);
    size_t n = strlen(stem), digits = 0;
    while (digits < n && digit(stem[n - 1 - digits])) digits++;
    if (r->again && digits >= 3 && n > digits + 1 && stem[n - 1 - digits] == '-') stem[n - 1 - digits] = 0;
    return stem;
}

static Bytes encode(Arena *a, const Result *r, Pictures p, const char *settings)
{
    size_t n = 0, kind = format_of(r->path);
    unsigned char *bytes = adopt(a, formats[kind].encode(a, r, p, settings, &n));
    if (!bytes)
        fail(a, "%s: %d frames of %dx%d cannot be made into a %s: out of memory, or larger than it can be", r->path, p.frames, p.width, p.height,
             formats[kind].ending + 1);
    return (Bytes){ bytes, n };
}

/* path, or one file a frame: stem-001.png */
static File *encode_all(Arena *a, const Result *r, Pictures p, size_t *count)
{
    size_t frame = (size_t)p.width * (size_t)p.height * 3;
    const char *stem = stem_of(a, r), *settings = prompt_settings(a, r->request);
    *count = formats[format_of(r->path)].numbered ? (size_t)p.frames : 1;
    File *files = take(a, *count, sizeof *files);
    for (size_t i = 0; i < *count; i++) {
        Pictures part = *count > 1 ? (Pictures){ 1, p.width, p.height, p.rgb + i * frame } : p;
        const char *path = *count > 1 ? format(a, "%s-%03zu%s", stem, i + 1, ending_of(r->path)) : r->path;
        files[i] = (File){ path, encode(a, r, part, settings) };
    }
    return files;
}

/* Is a picture there already that these bytes differ from? */
static int differs(Arena *a, const File *files, size_t count)
{
    for (size_t i = 0; i < count; i++) {
        if (!file_is(files[i].path)) continue;
        Bytes old = file_map(a, files[i].path);
        if (old.size != files[i].content.size || memcmp(old.data, files[i].content.data, old.size)) return 1;
    }
    return 0;
}

static void keep_old(Arena *a, const Result *r, File *files, size_t count)
{
    size_t there = 0;
    for (size_t i = 0; i < count; i++) there += (size_t)file_is(files[i].path);
    if (!differs(a, files, count)) {
        if (there == count) watch_say(r->watch, "the same bytes as before");
        return;
    }
    File *first = take(a, count, sizeof *first);
    memcpy(first, files, count * sizeof *first);
    int n = 0;
    do {
        const char *which = ++n > 1 ? format(a, "-%d", n) : "";
        for (size_t i = 0; i < count; i++) files[i].path = format(a, "%s-again%s%s", without_ending(a, first[i].path), which, ending_of(first[i].path));
    } while (differs(a, files, count));
    watch_say(r->watch, "%s: came out different than it was, so the first is kept; to replace it: -o %s", r->path, r->path);
}

File *result_save(Arena *a, const Result *r, Pictures p, size_t *count)
{
    File *files = encode_all(a, r, p, count);
    if (r->again) keep_old(a, r, files, *count);
    files_save(a, files, *count);
    return files;
}
