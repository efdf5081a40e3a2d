/* result.c - a drawn picture into files.
 *
 * The ending of the path says the format: a row of `formats`.  A clip as PNG is one file a frame; all of them are
 * written or none.  The settings of the picture stand inside each file.
 *
 * A picture that is drawn again from its own settings replaces the old one only by the same bytes.  Other weights,
 * another machine or other options may give a different picture; then the new one is saved beside the old one, as
 * NAME-again.
 *
 * Source of the settings' place: the web UI's "parameters" text of a PNG; a GIF has them as its comment. */
#include "result.h"

#include "chars.h"
#include "gif.h"
#include "output.h"
#include "own_pictures.h"
#include "png.h"

#include <string.h>

/* ---- formats ----------------------------------------------------------------------------------- */

/* Encodes the pictures.  Returns *size bytes from malloc; NULL when there is no memory, or the format has no such
 * pictures. */
typedef unsigned char *Encode(Arena *a, const Result *r, Pictures p, const char *settings, size_t *size);

/* Says how the GIF was made small enough for "Max size", or that it is not. */
static void say_effort(Arena *a, const Result *r, GifEffort e, size_t most, size_t size)
{
    const char *limit = bytes_text(a, most);
    const char *loss = e.loss ? format(a, ", matched within %d/255", e.loss) : "";
    const char *frames = e.every > 1 ? format(a, ", one frame of %d", e.every) : "";
    if (e.colours < 256) callbacks_say(r->callbacks, "to keep to %s: %d colours%s%s", limit, e.colours, loss, frames);
    if (size > most)
        callbacks_say(r->callbacks, "Max size is %s, but %.0f KB is as small as this GIF gets; "
                            "a smaller Size or fewer Frames would do more", limit, (double)size / 1024);
}

static unsigned char *to_gif(Arena *a, const Result *r, Pictures p, const char *settings, size_t *size)
{
    size_t most = r->request->max_size ? (size_t)r->request->max_size : SIZE_MAX;
    double fps = r->request->job.fps;
    GifEffort e;
    unsigned char *gif = gif_encode_within(p.rgb, p.frames, p.width, p.height, fps, settings, most, &e, size);
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
    (void)a;
    (void)r;
    return png_encode(p.rgb, p.width, p.height, settings, size);
}

typedef struct {
    const char *ending;
    Encode     *encode;
    int         is_file_a_frame;         /* a file holds one frame */
    int         has_max_size;            /* can be made smaller for "Max size" */
} Format;

static const Format formats[] = {
    { .ending = ".gif",  .encode = to_gif,  .has_max_size = 1 },
    { .ending = ".png",  .encode = to_png,  .is_file_a_frame = 1 },
    { .ending = ".apng", .encode = to_apng },
};

/* The format that the path's ending names; NULL when there is none. */
static const Format *format_of(const char *path)
{
    const char *ending = file_extension(path);
    for (size_t i = 0; i < sizeof formats / sizeof *formats; i++)
        if (same(ending, formats[i].ending)) return &formats[i];
    return NULL;
}

int result_has_format(const char *path)
{
    return format_of(path) != NULL;
}

enum { QUICKEST = 50 };                  /* frames a second: delays of 20 ms */

/* ---- before the work --------------------------------------------------------------------------- */

void result_check(Arena *a, const Result *r, const char *prompt_file)
{
    const Format *f = format_of(r->path);
    const char *hint = r->is_redrawn ? "; name one with -o" : "";
    if (!f) fail(a, "%s: expected an output that ends in .gif, .png or .apng%s", r->path, hint);
    if (r->request->max_size && !f->has_max_size)
        fail(a, "%s: Max size makes GIFs smaller, other pictures keep every pixel; take it out, or --max-size 0",
             r->path);
    if (!r->is_streamed) output_check(a, r->path, 0);
    int is_clip = r->request->job.frames != 1;
    if (f->has_max_size && is_clip && r->request->job.fps > QUICKEST)
        callbacks_say(r->callbacks, "FPS is %s, but browsers play a GIF's frames of less than 20 ms for 100 ms each; "
                      "%d is the most that they keep to", number_text(a, r->request->job.fps), QUICKEST);
    if (prompt_file && same_file(prompt_file, r->path))
        fail(a, "%s: the picture would replace the prompt file; choose another name with -o", r->path);
}

/* ---- encoding ---------------------------------------------------------------------------------- */

/* The path without its ending.  Of a series that is drawn again also without its number: "name-001.png" is "name". */
static const char *stem_of(Arena *a, const Result *r)
{
    char *stem = without_extension(a, r->path);
    size_t n = strlen(stem);
    size_t digits = 0;
    if (!r->is_redrawn) return stem;
    while (digits < n && digit(stem[n - 1 - digits])) digits++;
    int is_numbered = digits >= 3 && n > digits + 1 && stem[n - 1 - digits] == '-';
    if (is_numbered) stem[n - 1 - digits] = 0;
    return stem;
}

static Bytes encode(Arena *a, const Result *r, Pictures p, const char *settings)
{
    const Format *f = format_of(r->path);
    size_t size = 0;
    unsigned char *bytes = arena_own(a, f->encode(a, r, p, settings, &size));
    if (!bytes)
        fail(a, "%s: %d frames of %dx%d cannot be made into a %s: out of memory, or larger than it can be", r->path,
             p.frames, p.width, p.height, f->ending + 1);
    return (Bytes){ bytes, size };
}

/* One frame of a clip, as a picture of its own. */
static Pictures one_frame(Pictures p, size_t i)
{
    size_t frame = (size_t)p.width * (size_t)p.height * 3;
    return (Pictures){ .frames = 1, .width = p.width, .height = p.height, .rgb = p.rgb + i * frame };
}

/* r->path, or one file a frame: stem-001.png, stem-002.png, ... */
static File *encode_all(Arena *a, const Result *r, Pictures p, size_t *count)
{
    const char *settings = prompt_infotext(a, r->request);
    const char *stem = stem_of(a, r);
    const char *ending = file_extension(r->path);
    *count = format_of(r->path)->is_file_a_frame ? (size_t)p.frames : 1;
    File *files = allocate(a, *count, sizeof *files);
    if (*count == 1) {
        files[0] = (File){ r->path, encode(a, r, p, settings) };
        return files;
    }
    for (size_t i = 0; i < *count; i++) {
        const char *path = format(a, "%s-%03zu%s", stem, i + 1, ending);
        files[i] = (File){ path, encode(a, r, one_frame(p, i), settings) };
    }
    return files;
}

/* ---- saving ------------------------------------------------------------------------------------ */

/* A sample or class image of training that is drawn again keeps its mark, so that training goes on leaving it out. */
static void keep_marks(Arena *a, File *files, size_t count)
{
    for (size_t i = 0; i < count; i++) {
        if (!file_is(files[i].path)) continue;
        OwnPicture kind = own_picture_kind(a, file_map(a, files[i].path));
        if (kind == OWN_SAMPLE || kind == OWN_CLASS_IMAGE)
            files[i].content = own_picture_mark(a, files[i].content, kind);
    }
}

/* Does one of the paths hold a file with other bytes? */
static int would_lose_another(Arena *a, const File *files, size_t count)
{
    for (size_t i = 0; i < count; i++) {
        if (!file_is(files[i].path)) continue;
        Bytes new = files[i].content;
        Bytes old = file_map(a, files[i].path);
        if (old.size != new.size || memcmp(old.data, new.data, old.size)) return 1;
    }
    return 0;
}

static size_t how_many_exist(const File *files, size_t count)
{
    size_t n = 0;
    for (size_t i = 0; i < count; i++)
        if (file_is(files[i].path)) n++;
    return n;
}

/* Gives the files other paths, with -again, -again-2, ... before the ending, so that no different file is replaced. */
static void keep_old(Arena *a, const Result *r, File *files, size_t count)
{
    if (!would_lose_another(a, files, count)) {
        if (how_many_exist(files, count) == count) callbacks_say(r->callbacks, "the same bytes as before");
        return;
    }
    const char **first = allocate(a, count, sizeof *first);
    for (size_t i = 0; i < count; i++) first[i] = files[i].path;
    for (int n = 1; would_lose_another(a, files, count); n++) {
        const char *number = n > 1 ? format(a, "-%d", n) : "";
        for (size_t i = 0; i < count; i++)
            files[i].path = format(a, "%s-again%s%s", without_extension(a, first[i]), number, file_extension(first[i]));
    }
    callbacks_say(r->callbacks, "%s: came out different than it was, so the first is kept; to replace it: -o %s",
                  r->path, r->path);
}

File *result_save(Arena *a, const Result *r, Pictures p, size_t *count)
{
    File *files = encode_all(a, r, p, count);
    if (r->is_streamed) return files;
    if (r->is_redrawn) {
        keep_marks(a, files, *count);
        keep_old(a, r, files, *count);
    }
    files_save(a, files, *count);
    return files;
}
