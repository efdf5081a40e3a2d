/* init_clip.c - what a drawing begins as: a picture, or a clip with a picture for each frame.
 *
 * Two steps, so that the number of frames is known before the job's own is chosen, and nothing is decoded that is not
 * drawn from: a film of an hour costs its list of frames, then the frames that are wanted, at the size of the job.
 *
 * Time: frame i of F shows what a viewer of the clip sees at the moment  i / F  of its length.  So the first is the
 * first, and a frame that is seen longer may come several times. */
#include "init_clip.h"

#include "chars.h"
#include "picture_sequence.h"

#include <string.h>

InitClip init_clip_find(Arena *a, const char *path)
{
    InitClip c = { .path = path };
    c.file = picture_sequence(a, path, &c.files);
    if (!c.files && folder_is(path)) fail(a, "%s: no picture is in this folder, expected one for each frame", path);
    if (!c.files) c.file = allocate(a, 1, sizeof *c.file);
    if (!c.files) c.file[c.files++] = path;
    c.count = c.files;
    if (c.files > 1) return c;
    c.animation = animation_find(a, file_map(a, c.file[0]), c.file[0]);
    c.count = c.animation.count;
    if (c.count > 1) c.seconds = c.animation.start[c.count];
    return c;
}

/* The last frame that has begun at this part of the whole, 0..1. */
static size_t frame_at(const InitClip *c, double part)
{
    const double ALMOST = 1e-9;          /* a frame that begins at this very moment has begun */
    if (c->files > 1) return (size_t)((part + ALMOST) * (double)c->count);
    double moment = (part + ALMOST) * c->seconds;
    size_t from = 0, to = c->count - 1;
    while (from < to) {
        size_t middle = (from + to + 1) / 2;
        if (c->animation.start[middle] <= moment) from = middle;
        else to = middle - 1;
    }
    return from;
}

void init_clip_choose(const InitClip *c, int frames, size_t *of)
{
    int is_one_by_one = (size_t)frames == c->count;
    for (int i = 0; i < frames; i++) of[i] = is_one_by_one ? (size_t)i : frame_at(c, (double)i / frames);
}

/* ---- decoding ---- */

typedef struct {
    Arena *a;
    unsigned char *rgb;                  /* [frames, height, width, 3] */
    int width, height;
    size_t nth;                          /* of these frames is filled next */
    const Callbacks *stop;
    Picture *original;
} Filling;

static void fill(Filling *f, Picture p)
{
    size_t bytes = 3 * (size_t)f->width * (size_t)f->height;
    size_t before = mark(f->a);
    if (callbacks_stopped(f->stop)) fail_as(f->a, CANCELLED, "interrupted");
    if (!f->nth) *f->original = p;
    Picture q = image_resize_and_crop(f->a, p, f->width, f->height, LANCZOS);
    memcpy(f->rgb + f->nth++ * bytes, q.rgb, bytes);
    release(f->a, before);
}

static void visit(void *filling, size_t nth, Picture p)
{
    (void)nth;
    fill(filling, p);
}

/* Of a file with several frames the first. */
static void decode_file(Filling *f, const char *path)
{
    size_t before = mark(f->a);
    const size_t first = 0;
    Animation m = animation_find(f->a, file_map(f->a, path), path);
    animation_decode(f->a, &m, &first, 1, visit, f);
    release(f->a, before);
}

Picture init_clip_decode(Arena *a, const InitClip *c, const size_t *of, int frames, int width, int height,
                         const Callbacks *stop, Picture *original)
{
    Filling f = { .a = a, .width = width, .height = height, .stop = stop, .original = original };
    f.rgb = allocate(a, 3 * (size_t)width * (size_t)height, (size_t)frames);
    if (c->files == 1) animation_decode(a, &c->animation, of, (size_t)frames, visit, &f);
    for (int i = 0; c->files > 1 && i < frames; i++) decode_file(&f, c->file[of[i]]);
    return (Picture){ .width = width, .height = height, .rgb = f.rgb };
}
