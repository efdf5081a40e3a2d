/* survey.c - looks at all training images before training.
 *
 * All that is wrong with a folder should be known before hours of work, at once and in few lines.  For each kind of
 * problem a few names are listed, and how many more there are.  Only a picture that cannot be used stops the job, and
 * a caption that cannot be read; --skip_unreadable leaves these pictures out.
 *
 * The same file twice counts twice, which is rarely meant.  Nearly the same picture, as another program saved it or
 * at another size, is found by comparing thumbnails of 8 x 8 pixels. */
#include "survey.h"

#include "chars.h"

#include <stdlib.h>
#include <string.h>

enum {
    NAMED = 3,                           /* names in a message, of each kind of trouble */
    SIZES = 8,                           /* buckets in a message */
    LONGEST_SHAPE = 32,                  /* width / height, or the other way round */
    ALIKE = 2 * THUMBNAIL                /* the sum of differences of thumbnails: 2/255 on average */
};

/* ---- names, a few of them ----------------------------------------------------------------------- */

typedef struct {
    const char *text;
    size_t      count;
} List;

static void list(Arena *a, List *l, size_t most, const char *name)
{
    if (l->count < most) l->text = l->text ? format(a, "%s, %s", l->text, name) : format(a, "%s", name);
    l->count++;
}

static const char *listed(Arena *a, const List *l, size_t most)
{
    return l->count > most ? format(a, "%s and %zu more", l->text, l->count - most) : l->text;
}

/* ---- one picture -------------------------------------------------------------------------------- */

typedef struct {
    Arena         *a;
    Photo         *photo;
} Look;

Picture survey_open(Arena *a, Photo *photo)
{
    Bytes b = file_map(a, photo->path);
    Picture p = image_decode(a, b, photo->path);
    photo->digest = digest(0, b.data, b.size);
    photo->width = p.width;
    photo->height = p.height;
    memcpy(photo->thumbnail, image_resize(a, p, 8, 8, BOX).rgb, THUMBNAIL);
    return p;
}

static void look(void *to)
{
    const Look *l = to;
    Photo *photo = l->photo;
    Picture p = survey_open(l->a, photo);
    if (p.width / p.height >= LONGEST_SHAPE || p.height / p.width >= LONGEST_SHAPE)
        fail(l->a, "%s: is %dx%d, no shape that can be learned", photo->path, p.width, p.height);
    photo->bucket = bucket_of(photo->buckets, p.width, p.height);
    if (!photo->bucket.width || !photo->bucket.height)
        fail(l->a, "%s: is %dx%d, and without enlarging it is too small for --bucket_reso_steps %d", photo->path,
             p.width, p.height, photo->buckets->step);
}

/* All faults, a line each, as far as a message holds them. */
static const char *faults_said(Arena *a, const Photos *p, size_t faults)
{
    enum { MOST = MESSAGE / 2 };
    StringBuilder text = string_builder(a);
    size_t said = 0;
    for (size_t i = 0; i < p->count && text.n < MOST; i++) {
        if (!p->photo[i].fault) continue;
        string_builder_add(&text, format(a, "\n  %s", p->photo[i].fault));
        said++;
    }
    if (said < faults) string_builder_add(&text, format(a, "\n  and %zu more", faults - said));
    return text.text;
}

/* Fails, or leaves the faulty pictures out. */
static void refuse_faulty(Arena *a, Photos *p, int skip_unreadable, const Callbacks *callbacks)
{
    List faulty = { 0 };
    for (size_t i = 0; i < p->count; i++)
        if (p->photo[i].fault) list(a, &faulty, NAMED, p->photo[i].name);
    if (!faulty.count) return;
    if (!skip_unreadable)
        fail(a, "%zu of %zu pictures cannot be used; repair them, take them away, or leave them out with "
                "--skip_unreadable:%s", faulty.count, p->count, faults_said(a, p, faulty.count));
    if (faulty.count == p->count)
        fail(a, "none of %zu pictures can be used:%s", p->count, faults_said(a, p, faulty.count));
    callbacks_say(callbacks, "warning: left out, for they cannot be used:%s", faults_said(a, p, faulty.count));
    photos_remove_faulty(p);
}

void survey_look(Arena *a, Photos *p, int skip_unreadable, const Callbacks *callbacks)
{
    char why[MESSAGE];
    for (size_t i = 0; i < p->count; i++) {
        size_t before = mark(a);
        Photo *photo = &p->photo[i];
        Look l = { .a = a, .photo = photo };
        callbacks_progress(callbacks, "looking", (int)i, (int)p->count);
        if (callbacks_stopped(callbacks)) fail_as(a, CANCELLED, "interrupted");
        if (!attempt(a, look, &l, why)) release(a, before);
        else photo->fault = photo->fault ? format(a, "%s\n  %s", photo->fault, why) : format(a, "%s", why);
    }
    callbacks_progress(callbacks, "done", (int)p->count, (int)p->count);
    refuse_faulty(a, p, skip_unreadable, callbacks);
}

/* ---- doubles ------------------------------------------------------------------------------------ */

int survey_are_alike(const Photo *x, const Photo *y)
{
    int sum = 0;
    for (int i = 0; i < THUMBNAIL && sum <= ALIKE; i++) sum += abs(x->thumbnail[i] - y->thumbnail[i]);
    return sum <= ALIKE;
}

typedef struct {
    const Photo *photo;
    int          brightness;             /* the sum of the thumbnail */
} Bright;

static int by_brightness(const void *x, const void *y)
{
    return ((const Bright *)x)->brightness - ((const Bright *)y)->brightness;
}

static Bright *in_order_of_brightness(Arena *a, const Photos *p)
{
    Bright *order = allocate(a, p->count, sizeof *order);
    for (size_t i = 0; i < p->count; i++) {
        order[i] = (Bright){ &p->photo[i], 0 };
        for (int k = 0; k < THUMBNAIL; k++) order[i].brightness += p->photo[i].thumbnail[k];
    }
    qsort(order, p->count, sizeof *order, by_brightness);
    return order;
}

/* Returns for each picture the first one that it is like, which may be itself.  Brightness differs by no more than
 * thumbnails do, so in its order pictures that are alike stand near each other. */
static const Photo **find_doubles(Arena *a, const Photos *p)
{
    const Photo **first = allocate(a, p->count, sizeof *first);
    for (size_t i = 0; i < p->count; i++) first[i] = &p->photo[i];
    const Bright *order = in_order_of_brightness(a, p);
    for (size_t i = 0; i < p->count; i++)
        for (size_t k = i + 1; k < p->count && order[k].brightness - order[i].brightness <= ALIKE; k++) {
            const Photo *x = order[i].photo;
            const Photo *y = order[k].photo;
            if ((x->role == CLASS_IMAGE && y->role == CLASS_IMAGE) || !survey_are_alike(x, y)) continue;
            const Photo *earlier = x < y ? x : y;
            const Photo *later = x < y ? y : x;
            if (earlier < first[later - p->photo]) first[later - p->photo] = earlier;
        }
    return first;
}

/* ---- messages ----------------------------------------------------------------------------------- */

static void say_doubles(Arena *a, const Photos *p, const Callbacks *callbacks)
{
    List identical = { 0 };
    List near = { 0 };
    const Photo **first = find_doubles(a, p);
    for (size_t i = 0; i < p->count; i++) {
        const Photo *x = first[i];
        const Photo *y = &p->photo[i];
        if (x == y) continue;
        list(a, x->digest == y->digest ? &identical : &near, NAMED, format(a, "%s and %s", x->name, y->name));
    }
    if (identical.count) callbacks_say(callbacks, "warning: the same picture twice: %s", listed(a, &identical, NAMED));
    if (near.count) callbacks_say(callbacks, "warning: nearly the same picture: %s", listed(a, &near, NAMED));
}

static void say_enlarged(Arena *a, const Photos *p, const Callbacks *callbacks)
{
    List small = { 0 };
    for (size_t i = 0; i < p->count; i++) {
        const Photo *photo = &p->photo[i];
        if (photo->bucket.wide <= photo->width) continue;
        list(a, &small, NAMED, format(a, "%s (%dx%d)", photo->name, photo->width, photo->height));
    }
    if (!small.count) return;
    callbacks_say(callbacks, "warning: smaller than they are learned at, so enlarged and soft: %s",
                  listed(a, &small, NAMED));
}

static void say_without_caption(Arena *a, const Photos *p, const Callbacks *callbacks)
{
    List mute = { 0 };
    for (size_t i = 0; i < p->count; i++)
        if (!*p->photo[i].caption) list(a, &mute, NAMED, p->photo[i].name);
    if (!mute.count) return;
    callbacks_say(callbacks, "warning: nothing is said of %s; a caption beside it, a name of its folder or --%s would",
                  listed(a, &mute, NAMED), p->photo->role == CLASS_IMAGE ? "class_prompt" : "prompt");
}

static void say_lines_left(Arena *a, const Photos *p, const Callbacks *callbacks)
{
    List more = { 0 };
    for (size_t i = 0; i < p->count; i++)
        if (p->photo[i].lines_left) list(a, &more, NAMED, p->photo[i].name);
    if (!more.count) return;
    callbacks_say(callbacks, "warning: only the first line of a caption is learned, and there are more of %s: %s; "
                  "--enable_wildcard takes another line each time",
                  amount(a, more.count, "file"), listed(a, &more, NAMED));
}

static void say_alternatives(Arena *a, const Photos *p, const Callbacks *callbacks)
{
    List with = { 0 };
    for (size_t i = 0; i < p->count; i++)
        if (p->photo[i].has_alternatives) list(a, &with, NAMED, p->photo[i].name);
    if (!with.count) return;
    callbacks_say(callbacks, "warning: {a|b} in a caption is learned as it stands, with its signs: %s; "
                  "--enable_wildcard takes one of them each time", listed(a, &with, NAMED));
}

static void say_buckets(Arena *a, const Photos *p, const Callbacks *callbacks)
{
    List sizes = { 0 };
    size_t count;
    const BucketCount *b = photos_buckets(a, p, &count);
    for (size_t i = 0; i < count; i++)
        list(a, &sizes, SIZES, format(a, "%zu of %dx%d", b[i].pictures, b[i].width, b[i].height));
    callbacks_say(callbacks, "buckets: %s", listed(a, &sizes, SIZES));
}

static void say_counts(Arena *a, const Photos *p, const char *folder, const Callbacks *callbacks)
{
    const char *held_out = p->validations ? format(a, "; %zu held out", p->validations) : "";
    callbacks_say(callbacks, "%s: %s, %zu with a caption, %zu in an epoch%s", folder, amount(a, p->count, "picture"),
                  p->captioned, p->repeated, held_out);
    for (size_t i = 0; i < p->notes; i++) callbacks_say(callbacks, "%s", p->note[i]);
}

static int has_buckets(const Photos *p)
{
    size_t i = 0;
    while (i < p->count && !p->photo[i].buckets->step) i++;
    return i < p->count;
}

void survey_tell(Arena *a, const Photos *p, const char *folder, const Callbacks *callbacks)
{
    size_t before = mark(a);
    say_counts(a, p, folder, callbacks);
    say_doubles(a, p, callbacks);
    say_enlarged(a, p, callbacks);
    say_without_caption(a, p, callbacks);
    say_lines_left(a, p, callbacks);
    say_alternatives(a, p, callbacks);
    if (has_buckets(p)) say_buckets(a, p, callbacks);
    release(a, before);
}
