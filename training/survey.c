/* survey.c - pictures looked at before anything is learned from them.
 *
 * What is wrong with a folder should be known before hours of work, all of it at once, and in few lines: of each kind of trouble
 * some names, and how many more.  Only a picture that cannot be used stops the job.
 *
 * The same file twice counts twice, which is rarely meant.  Nearly the same picture, as another program saved it or at another size, is found
 * by what is left of it at 8 x 8 pixels. */
#include "survey.h"

#include "chars.h"
#include "image.h"

#include <stdlib.h>
#include <string.h>

enum { NAMED = 3, ALIKE = 2 * LOOK, LONGEST_SHAPE = 32, SIZES = 8 };      /* ALIKE: the sum of differences, 2/255 on average */

/* ---- names, a few of them ------------------------------------------------------------------------ */

typedef struct { const char *text; size_t count; } List;

static void list(Arena *a, List *l, size_t most, const char *name)
{
    if (l->count++ < most) l->text = format(a, "%s%s%s", l->text ? l->text : "", l->text ? ", " : "", name);
}

static const char *listed(Arena *a, const List *l, size_t most) { return l->count > most ? format(a, "%s and %zu more", l->text, l->count - most) : l->text; }

/* ---- one picture --------------------------------------------------------------------------------- */

typedef struct { Arena *a; Photo *photo; const Buckets *buckets; } Look;

static void look(void *to)
{
    const Look *l = to;
    Photo *one = l->photo;
    Bytes b = file_map(l->a, one->path);
    Picture p = image_read(l->a, b, one->path);
    one->digest = digest(0, b.data, b.size), one->width = p.width, one->height = p.height;
    if (p.width / p.height >= LONGEST_SHAPE || p.height / p.width >= LONGEST_SHAPE)
        fail(l->a, "%s: is %dx%d, no shape that can be learned", one->path, p.width, p.height);
    one->bucket = bucket_of(l->buckets, p.width, p.height);
    if (!one->bucket.width || !one->bucket.height)
        fail(l->a, "%s: is %dx%d, and without enlarging it is too small for --bucket_reso_steps %d", one->path, p.width, p.height, l->buckets->step);
    memcpy(one->look, image_resize(l->a, p, 8, 8, BOX).rgb, LOOK);
}

static void look_at_all(Arena *a, Photos *p, const Buckets *b, const Watch *watch)
{
    List bad = { 0 };
    char why[1024];
    for (size_t i = 0; i < p->count; i++) {
        size_t before = mark(a);
        Look l = { a, &p->photo[i], b };
        watch_progress(watch, "looking", (int)i, (int)p->count);
        if (watch && watch->stop && *watch->stop) fail(a, "interrupted");
        if (attempt(a, look, &l, why)) list(a, &bad, NAMED, format(a, "%.300s", why));
        else release(a, before);
    }
    watch_progress(watch, "done", (int)p->count, (int)p->count);
    if (bad.count) fail(a, "%zu of %zu pictures cannot be used, repair them or take them away: %s", bad.count, p->count, listed(a, &bad, NAMED));
}

/* ---- all of them --------------------------------------------------------------------------------- */

static int alike(const Photo *x, const Photo *y)
{
    int sum = 0;
    for (int i = 0; i < LOOK && sum <= ALIKE; i++) sum += abs(x->look[i] - y->look[i]);
    return sum <= ALIKE;
}

/* In the order of their brightness, which differs by no more than the pictures do, those that are alike stand near each other.
 * -> of each picture the first that it is alike to, itself when it is none before it */
typedef struct { const Photo *photo; int brightness; } Bright;

static int by_brightness(const void *x, const void *y) { return ((const Bright *)x)->brightness - ((const Bright *)y)->brightness; }

static const Photo **find_doubles(Arena *a, const Photos *p)
{
    const Photo **first = take(a, p->count, sizeof *first);
    Bright *order = take(a, p->count, sizeof *order);
    for (size_t i = 0; i < p->count; i++) {
        first[i] = &p->photo[i], order[i] = (Bright){ first[i], 0 };
        for (int k = 0; k < LOOK; k++) order[i].brightness += first[i]->look[k];
    }
    qsort(order, p->count, sizeof *order, by_brightness);
    for (size_t i = 0; i < p->count; i++)
        for (size_t k = i + 1; k < p->count && order[k].brightness - order[i].brightness <= ALIKE; k++) {
            const Photo *x = order[i].photo, *y = order[k].photo, *one = x < y ? x : y, *other = x < y ? y : x;
            if ((x->role == PRIOR && y->role == PRIOR) || !alike(x, y)) continue;
            if (one < first[other - p->photo]) first[other - p->photo] = one;
        }
    return first;
}

static void tell_doubles(Arena *a, const Photos *p, const Watch *watch)
{
    List same = { 0 }, near = { 0 };
    const Photo **first = find_doubles(a, p);
    for (size_t i = 0; i < p->count; i++) {
        const Photo *x = first[i], *y = &p->photo[i];
        if (x != y) list(a, x->digest == y->digest ? &same : &near, NAMED, format(a, "%s and %s", x->name, y->name));
    }
    if (same.count) watch_say(watch, "warning: the same picture twice: %s", listed(a, &same, NAMED));
    if (near.count) watch_say(watch, "warning: nearly the same picture: %s", listed(a, &near, NAMED));
}

static void tell_troubles(Arena *a, const Photos *p, const Watch *watch)
{
    List small = { 0 }, mute = { 0 };
    for (const Photo *one = p->photo; one < p->photo + p->count; one++) {
        if (one->bucket.wide > one->width) list(a, &small, NAMED, format(a, "%s (%dx%d)", one->name, one->width, one->height));
        if (!*one->caption) list(a, &mute, NAMED, one->name);
    }
    if (small.count) watch_say(watch, "warning: smaller than they are learned at, so enlarged and soft: %s", listed(a, &small, NAMED));
    if (mute.count) watch_say(watch, "warning: nothing is said of %s; a caption beside it, a name of its folder or --%s would", listed(a, &mute, NAMED),
                              p->photo->role == PRIOR ? "class_prompt" : "prompt");
}

static void tell_buckets(Arena *a, const Photos *p, const Watch *watch)
{
    List sizes = { 0 };
    size_t count;
    const BucketCount *b = photos_buckets(a, p, &count);
    for (size_t i = 0; i < count; i++) list(a, &sizes, SIZES, format(a, "%zu of %dx%d", b[i].pictures, b[i].width, b[i].height));
    watch_say(watch, "buckets: %s", listed(a, &sizes, SIZES));
}

void survey(Arena *a, Photos *p, const Buckets *b, const char *folder, const Watch *watch)
{
    look_at_all(a, p, b, watch);
    size_t before = mark(a);
    watch_say(watch, "%s: %s, %zu with a caption, %zu in an epoch%s", folder, amount(a, p->count, "picture"), p->captioned, p->repeated,
        p->held_out ? format(a, "; %zu held out", p->held_out) : "");
    if (p->passed_over) watch_say(watch, "warning: pictures in %s are left out; to learn from them call it <repeats>_<words>, as 1_%s", p->passed_over, file_name(p->passed_over));
    tell_doubles(a, p, watch);
    tell_troubles(a, p, watch);
    if (b->step) tell_buckets(a, p, watch);
    release(a, before);
}
