/* survey.c - pictures looked at before anything is learned from them.
 *
 * What is wrong with a folder should be known before hours of work, all of it at once, and in few lines: of each kind of trouble
 * some names, and how many more.  Only a picture that cannot be used stops the job.
 *
 * The same file twice counts twice, which is rarely meant.  Nearly the same picture, as another program saved it or at another size, is found
 * by what is left of it at 8 x 8 pixels. */
#include "survey.h"

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
    if (p.width / p.height >= LONGEST_SHAPE || p.height / p.width >= LONGEST_SHAPE) fail(l->a, "%s: is %dx%d, no shape that can be learned", one->path, p.width, p.height);
    one->bucket = bucket_of(l->buckets, p.width, p.height);
    if (!one->bucket.width || !one->bucket.height) fail(l->a, "%s: is %dx%d, and without enlarging it is too small for --bucket_reso_steps %d", one->path, p.width, p.height, l->buckets->step);
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

static void tell_doubles(Arena *a, const Photos *p, const Watch *watch)
{
    List same = { 0 }, near = { 0 };
    for (size_t i = 0; i < p->count; i++)
        for (size_t k = 0; k < i; k++) {
            const Photo *x = &p->photo[k], *y = &p->photo[i];
            if (x->role == PRIOR && y->role == PRIOR) continue;
            int equal = x->digest == y->digest;
            if (equal || alike(x, y)) { list(a, equal ? &same : &near, NAMED, format(a, "%s and %s", x->name, y->name)); break; }
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
    if (mute.count) watch_say(watch, "warning: nothing is said of %s; a caption beside it, a name of its folder or --prompt would", listed(a, &mute, NAMED));
}

static void tell_buckets(Arena *a, const Photos *p, const Watch *watch)
{
    List sizes = { 0 };
    for (size_t i = 0; i < p->count; i++) {
        const Bucket *b = &p->photo[i].bucket;
        size_t first = 0, n = 0;
        while (p->photo[first].bucket.width != b->width || p->photo[first].bucket.height != b->height) first++;
        for (size_t k = i; k < p->count && first == i; k++) n += p->photo[k].bucket.width == b->width && p->photo[k].bucket.height == b->height;
        if (first == i) list(a, &sizes, SIZES, format(a, "%zu of %dx%d", n, b->width, b->height));
    }
    watch_say(watch, "buckets: %s", listed(a, &sizes, SIZES));
}

void survey(Arena *a, Photos *p, const Buckets *b, const char *folder, const Watch *watch)
{
    look_at_all(a, p, b, watch);
    size_t before = mark(a);
    watch_say(watch, "%s: %zu pictures, %zu with a caption, %zu in an epoch%s%s", folder, p->count, p->captioned, p->repeated, p->prior ? format(a, "; %zu of them of the class", p->prior) : "",
        p->held_out ? format(a, "; %zu held out", p->held_out) : "");
    tell_doubles(a, p, watch);
    tell_troubles(a, p, watch);
    if (b->step) tell_buckets(a, p, watch);
    release(a, before);
}
