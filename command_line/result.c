/* result.c - a drawn picture into files.
 *
 * The ending of the path says the format: a row of `formats`.  A clip as PNG is one file a frame; all of them are
 * written or none.  The settings of the picture stand inside each file.
 *
 * What stands in the picture's place is told by the settings inside it.  The picture of the same settings is this
 * job's own, until the new one has other bytes, which other weights of the same name, or another machine, may give.
 * Everything else stays: where nobody named the path, the new picture gets a free name beside it, NAME-2, or NAME-again
 * when it is drawn again from its own settings; what -o names is kept as NAME-before.  --overwrite replaces what this
 * program drew, and never a photo, which cannot be drawn again.
 *
 * Source of the settings' place: the web UI's "parameters" text of a PNG; a GIF has them as its comment. */
#include "result.h"

#include "chars.h"
#include "gif_limit.h"
#include "output.h"
#include "own_pictures.h"
#include "picture_settings.h"
#include "png.h"
#include "system.h"

#include <string.h>

/* ---- formats ----------------------------------------------------------------------------------- */

/* Encodes the pictures.  Returns *size bytes from malloc; NULL when there is no memory, or the format has no such
 * pictures. */
typedef unsigned char *Encode(Arena *a, const Result *r, Pictures p, const char *settings, size_t *size);

/* Says how the GIF was made small enough for "Max size", or that it is not. */
static void say_effort(Arena *a, const Result *r, GifEffort e, size_t most, size_t size)
{
    const char *limit = bytes_text(a, most);
    const char *loss = format(a, ", matched within %d/255", e.loss);
    const char *frames = e.every > 1 ? format(a, ", one frame of %d", e.every) : "";
    if (e.loss) callbacks_say(r->callbacks, "to keep to %s: %d colours%s%s", limit, e.colours, loss, frames);
    if (size > most)
        callbacks_say(r->callbacks, "Max size is %s, but %.1f KB is as small as this GIF gets; "
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

/* ---- what is there already --------------------------------------------------------------------- */

typedef enum {
    NOTHING,
    OWN,                                 /* the picture of this very job */
    DRAWN,                               /* another picture of this program */
    NOT_DRAWN                            /* a photo, another program's picture, no picture, or what must stay */
} Standing;

/* All settings that this program writes have this one; it is nobody else's. */
static int is_of_persona(const char *settings) { return settings && strstr(settings, "Frames: "); }

static int are_same(Bytes x, Bytes y) { return x.size == y.size && !memcmp(x.data, y.data, x.size); }

typedef struct {
    Arena        *a;
    const Result *r;
    const char   *path;
    const char   *settings;              /* of the new picture; NULL: any other one stands there */
    Bytes         new;                   /* its file; data NULL: not known yet */
    Standing      standing;
} Look;

static void read_old(void *look)
{
    Look *l = look;
    Bytes old = file_map(l->a, l->path);
    const char *said = picture_settings(l->a, old.data, old.size);
    int has_same_settings = said && l->settings && !strcmp(said, l->settings);
    int is_own = l->new.data ? are_same(old, l->new) : has_same_settings && !l->r->is_redrawn;
    l->standing = is_of_persona(said) ? DRAWN : NOT_DRAWN;
    if (is_own) l->standing = OWN;
}

/* Is this file one of the pictures that the job begins from? */
static int is_input_of(const Job *j, const char *path)
{
    const char *const inputs[] = { j->init, j->last, j->mask };
    for (size_t i = 0; i < sizeof inputs / sizeof *inputs; i++)
        if (inputs[i] && same_file(inputs[i], path)) return 1;
    return 0;
}

/* What cannot be read is not known to be this program's. */
static Standing standing_at(Arena *a, const Result *r, const char *path, const char *settings, Bytes new)
{
    FileInfo info;
    char why[MESSAGE];
    Look l = { .a = a, .r = r, .path = path, .settings = settings, .new = new };
    if (output_is_free(a, file_target(a, path))) return NOTHING;
    if (!file_is_there(a, path)) return NOT_DRAWN;
    int is_input = is_input_of(&r->request->job, path);
    if (is_input || system_file_info(path, &info) || info.is_read_only) return NOT_DRAWN;
    size_t before = mark(a);
    if (attempt(a, read_old, &l, why)) l.standing = NOT_DRAWN;
    release(a, before);
    return l.standing;
}

static int may_be_replaced(const Result *r, Standing s) { return s <= OWN || (s == DRAWN && r->overwrite); }

const char *result_file_path(Arena *a, const char *path, size_t i, size_t count)
{
    if (count == 1) return path;
    return format(a, "%s-%03zu%s", without_extension(a, path), i + 1, file_extension(path));
}

/* Of a series that is drawn again the path without its number: name.png of name-001.png. */
static const char *path_of_all(Arena *a, const Result *r, size_t count)
{
    char *stem = without_extension(a, r->path);
    size_t n = strlen(stem);
    size_t digits = 0;
    if (!r->is_redrawn || count == 1) return r->path;
    while (digits < n && digit(stem[n - 1 - digits])) digits++;
    int is_numbered = digits >= 3 && n > digits + 1 && stem[n - 1 - digits] == '-';
    if (is_numbered) stem[n - 1 - digits] = 0;
    return format(a, "%s%s", stem, file_extension(r->path));
}

static int can_be(Arena *a, const Result *r, const char *path, const char *settings, const File *files, size_t count)
{
    for (size_t i = 0; i < count; i++) {
        const char *one = result_file_path(a, path, i, count);
        if (!may_be_replaced(r, standing_at(a, r, one, settings, files[i].content))) return 0;
    }
    return 1;
}

/* The first path at which nothing is lost.  --overwrite is about the wanted one. */
static const char *choose_path(Arena *a, const Result *r, const char *settings, const File *files, size_t count)
{
    const char *wanted = path_of_all(a, r, count);
    const char *word = r->is_redrawn ? "-again" : "";
    const char *path;
    Result beside = *r;
    beside.overwrite = 0;
    if (can_be(a, r, wanted, settings, files, count)) return wanted;
    int n = *word ? 1 : 2;
    do path = output_beside(a, wanted, word, n++);
    while (!can_be(a, &beside, path, settings, files, count));
    return path;
}

const char *result_place(Arena *a, const Result *r)
{
    const char *settings = prompt_infotext(a, r->request);
    const File not_yet = { .path = r->path };
    if (r->is_redrawn) return r->path;
    if (!r->is_named) {
        const char *path = choose_path(a, r, settings, &not_yet, 1);
        if (strcmp(path, r->path))
            callbacks_say(r->callbacks, "%s: another picture is there and stays; this one becomes %s", r->path, path);
        return path;
    }
    if (!may_be_replaced(r, standing_at(a, r, r->path, settings, not_yet.content)))
        callbacks_say(r->callbacks, "%s: what is there now will be kept as %s", r->path,
                      output_before(a, r->path));
    return r->path;
}

/* ---- before the work --------------------------------------------------------------------------- */

static void check_named(Arena *a, const Result *r)
{
    output_check_protected(a, r->path);
    if (r->overwrite && standing_at(a, r, r->path, NULL, (Bytes){ NULL, 0 }) == NOT_DRAWN)
        fail(a, "%s: was not drawn by persona, so --overwrite does not replace it; without --overwrite it is kept as "
                "%s", r->path, output_before(a, r->path));
}

void result_check(Arena *a, const Result *r, const char *prompt_file)
{
    const Format *f = format_of(r->path);
    const char *hint = r->is_redrawn ? "; name one with -o" : "";
    if (!f) fail(a, "%s: expected an output that ends in .gif, .png or .apng%s", r->path, hint);
    if (r->request->max_size && !f->has_max_size)
        fail(a, "%s: Max size makes GIFs smaller, other pictures keep every pixel; take it out, or --max-size 0",
             r->path);
    if (!r->is_streamed) output_check(a, r->path, 0);
    if (!r->is_streamed && r->is_named) check_named(a, r);
    int is_clip = r->request->job.frames != 1;
    if (f->has_max_size && is_clip && r->request->job.fps > QUICKEST)
        callbacks_say(r->callbacks, "FPS is %s, but browsers play a GIF's frames of less than 20 ms for 100 ms each; "
                      "%d is the most that they keep to", number_text(a, r->request->job.fps), QUICKEST);
    if (prompt_file && same_file(prompt_file, r->path))
        fail(a, "%s: the picture would replace the prompt file; choose another name with -o", r->path);
}

/* ---- encoding ---------------------------------------------------------------------------------- */

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

/* The file itself, or one for each frame: stem-001.png, stem-002.png, ... */
static File *encode_all(Arena *a, const Result *r, Pictures p, const char *settings, size_t *count)
{
    *count = format_of(r->path)->is_file_a_frame ? (size_t)p.frames : 1;
    File *files = allocate(a, *count, sizeof *files);
    if (*count == 1) files[0].content = encode(a, r, p, settings);
    for (size_t i = 0; *count > 1 && i < *count; i++) files[i].content = encode(a, r, one_frame(p, i), settings);
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

/* ---- keeping what was there -------------------------------------------------------------------- */

/* Files that make room for the new ones. */
typedef struct { const char *path; size_t number; } Other;      /* number: in its series, from 0 */
typedef struct { Other *file; size_t count, room; } Others;

static void add_other(Arena *a, Others *o, const char *path, size_t number)
{
    o->file = grow_array(a, o->file, o->count, &o->room, sizeof *o->file);
    o->file[o->count++] = (Other){ path, number };
}

/* "name-017.png" is number 16 of the series name.png; returns 0 for what is none of it. */
static int number_in_series(const char *name, const char *stem, const char *ending, size_t *number)
{
    uint64_t n = 0;
    size_t digits = 0;
    size_t length = strlen(stem);
    if (strncmp(name, stem, length) || name[length] != '-') return 0;
    const char *at = name + length + 1;
    for (; digit(at[digits]) && digits < 9; digits++) n = 10 * n + (uint64_t)(at[digits] - '0');
    if (digits < 3 || !n || strcmp(at + digits, ending)) return 0;
    *number = (size_t)n - 1;
    return 1;
}

/* Frames of a longer clip before would be taken for some of this one.  Other pictures of such names stay, and are
 * told. */
static void add_stale(Arena *a, const Result *r, const char *path, size_t count, Others *o)
{
    size_t names, number;
    const char *strange = NULL;
    int folder = (int)(file_name(path) - path);
    const char *stem = file_name(without_extension(a, path));
    const char **name = folder_list(a, folder_of(a, path), &names);
    for (size_t i = 0; i < names; i++) {
        if (!number_in_series(name[i], stem, file_extension(path), &number) || number < count) continue;
        const char *frame = format(a, "%.*s%s", folder, path, name[i]);
        int is_drawn = standing_at(a, r, frame, NULL, (Bytes){ NULL, 0 }) == DRAWN;
        if (is_drawn) add_other(a, o, frame, number);
        else strange = frame;
    }
    if (strange) callbacks_say(r->callbacks, "warning: %s is there, and is no frame of this clip", strange);
}

static Others find_others(Arena *a, const Result *r, const char *path, const char *settings, const File *files,
                          size_t count)
{
    Others o = { 0 };
    for (size_t i = 0; i < count; i++) {
        Standing s = standing_at(a, r, files[i].path, settings, files[i].content);
        if (!may_be_replaced(r, s) && file_is_there(a, files[i].path)) add_other(a, &o, files[i].path, i);
    }
    if (count > 1 && r->is_named) add_stale(a, r, path, count, &o);
    return o;
}

/* Of one file the path that it is kept as; of a series of `count` the same with the file's number. */
static const char *kept_path(Arena *a, const char *path, int n, const Others *o, size_t i, size_t count)
{
    const char *before = output_beside(a, count == 1 ? file_target(a, path) : path, "-before", n);
    return result_file_path(a, before, count == 1 ? 0 : o->file[i].number, count);
}

static int are_free(Arena *a, const char *path, int n, const Others *o, size_t count)
{
    for (size_t i = 0; i < o->count; i++)
        if (!output_is_free(a, kept_path(a, path, n, o, i, count))) return 0;
    return 1;
}

static void save_and_keep(Arena *a, const Result *r, const char *path, const Others *o, File *files, size_t count)
{
    int n = 1;
    while (!are_free(a, path, n, o, count)) n++;
    KeptFile **kept = allocate(a, o->count, sizeof *kept);
    for (size_t i = 0; i < o->count; i++)
        kept[i] = output_keep_as(a, o->file[i].path, kept_path(a, path, n, o, i, count));
    files_save(a, files, count);
    for (size_t i = 0; i < o->count; i++) {
        output_kept(kept[i]);
        int is_stale = count > 1 && o->file[i].number >= count;
        if (is_stale) system_file_remove(o->file[i].path);
    }
    if (!o->count) return;
    const char *more = o->count > 1 ? format(a, ", and %zu more like it", o->count - 1) : "";
    callbacks_say(r->callbacks, "%s: what was there before is kept as %s%s", o->file[0].path,
                  kept_path(a, path, n, o, 0, count), more);
}

/* ---- saving ------------------------------------------------------------------------------------ */

static int are_there(const File *files, size_t count)
{
    for (size_t i = 0; i < count; i++)
        if (!file_is(files[i].path)) return 0;
    return 1;
}

/* Says why the picture is elsewhere than was said before, or that it is as it was. */
static void say_place(Arena *a, const Result *r, const char *path, const File *files, size_t count, int was_there)
{
    int is_elsewhere = strcmp(path, r->placed ? r->placed : path_of_all(a, r, count)) != 0;
    if (is_elsewhere && r->is_redrawn)
        callbacks_say(r->callbacks, "%s: came out different than it was, so the first is kept; to replace it: "
                      "--overwrite", r->path);
    else if (is_elsewhere)
        callbacks_say(r->callbacks, "%s: the picture that is there is another one and stays; this one is %s", r->path,
                      files[0].path);
    else if (r->is_redrawn && was_there && !r->overwrite) callbacks_say(r->callbacks, "the same bytes as before");
}

/* What a killed run of this job had half written goes: "NAME-001.png.PROCESS.part" */
static void remove_abandoned(Arena *a, const File *files, size_t count)
{
    for (size_t i = 0; i < count; i++) file_remove_abandoned(a, file_target(a, files[i].path));
}

File *result_save(Arena *a, const Result *r, Pictures p, size_t *count)
{
    const char *settings = prompt_infotext(a, r->request);
    File *files = encode_all(a, r, p, settings, count);
    if (r->is_streamed) return files;
    OutputLock *lock = output_lock(a, r->path);
    const char *path = path_of_all(a, r, *count);
    for (size_t i = 0; i < *count; i++) files[i].path = result_file_path(a, path, i, *count);
    if (r->is_redrawn) keep_marks(a, files, *count);
    if (!r->is_named) path = choose_path(a, r, settings, files, *count);
    for (size_t i = 0; i < *count; i++) files[i].path = result_file_path(a, path, i, *count);
    int was_there = are_there(files, *count);
    Others others = find_others(a, r, path, settings, files, *count);
    save_and_keep(a, r, path, &others, files, *count);
    remove_abandoned(a, files, *count);
    say_place(a, r, path, files, *count, was_there);
    output_unlock(lock);
    return files;
}
