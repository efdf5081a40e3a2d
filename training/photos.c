/* photos.c - the training images: what each is for, and how often it comes.
 *
 * Instance images, class images and validation images are one list: what they are for only changes how often they
 * come in an epoch, and how much they count.  photo_folders.c finds them, survey.c opens them.
 *
 * Class images all together come as often in an epoch as the others, as in kohya's trainer. */
#include "photos.h"

#include "chars.h"
#include "random.h"

#include <stdlib.h>
#include <string.h>

void photos_remove_faulty(Photos *p)
{
    size_t kept = 0;
    for (size_t i = 0; i < p->count; i++) {
        const Photo *photo = &p->photo[i];
        if (!photo->fault) {
            p->photo[kept++] = *photo;
            continue;
        }
        p->repeated -= (size_t)photo->repeats;
        p->captioned -= (size_t)photo->captioned;
        p->instances--;
    }
    p->count = kept;
}

/* ---- roles -------------------------------------------------------------------------------------- */

enum { LEAST_TO_HOLD_OUT = 5 };          /* of fewer pictures each is needed to learn from */

/* Of n pictures in a row, how many are validation images: n * split, rounded. */
static size_t held_out_of(size_t n, double split) { return (size_t)((double)n * split + 0.5); }

/* The pictures' numbers in their own order. */
static size_t *in_order(Arena *a, size_t n)
{
    size_t *order = allocate(a, n, sizeof *order);
    for (size_t i = 0; i < n; i++) order[i] = i;
    return order;
}

/* The same in an order by chance: Fisher-Yates. */
static size_t *shuffled(Arena *a, size_t n, int seed)
{
    Rng *rng = allocate(a, 1, sizeof *rng);
    size_t *order = in_order(a, n);
    rng_seed(rng, (uint64_t)seed);
    for (size_t i = n; i > 1; i--) {
        size_t j = rng_below(rng, (uint32_t)i);
        size_t swapped = order[i - 1];
        order[i - 1] = order[j];
        order[j] = swapped;
    }
    return order;
}

static void hold_out(Photos *p, Photo *photo)
{
    p->repeated -= (size_t)photo->repeats;
    p->instances--;
    p->validations++;
    photo->role = VALIDATION_IMAGE;
    photo->repeats = 0;
}

void photos_hold_out(Arena *a, Photos *p, double validation_split, int validation_seed)
{
    if (p->count < LEAST_TO_HOLD_OUT)
        fail(a, "--validation_split %g of %zu pictures: of fewer than %d none can be held out, for each is needed to "
                "learn from; add pictures, or leave it out", validation_split, p->count, LEAST_TO_HOLD_OUT);
    size_t *order = validation_seed < 0 ? in_order(a, p->count) : shuffled(a, p->count, validation_seed);
    for (size_t i = 0; i < p->count; i++)
        if (held_out_of(i + 1, validation_split) > held_out_of(i, validation_split)) hold_out(p, &p->photo[order[i]]);
    if (!p->validations || !p->instances)
        fail(a, "--validation_split %g of %zu pictures holds out %s of them", validation_split, p->count,
             p->instances ? "none" : "all");
}

void photos_add_class(Arena *a, Photos *p, Photos class_images)
{
    size_t wanted = p->repeated;
    size_t n = 0;
    Photo *all = allocate(a, p->count + class_images.count, sizeof *all);
    p->photo = memcpy(all, p->photo, p->count * sizeof *all);
    Photo *first = p->photo + p->count;
    for (size_t i = 0; i < class_images.count && n < wanted; i++) {
        Photo *photo = &first[p->classes++];
        *photo = class_images.photo[i];
        photo->role = CLASS_IMAGE;
        n += (size_t)photo->repeats;
        if (photo->captioned) p->captioned++;
    }
    while (n < wanted)
        for (size_t i = 0; i < p->classes && n < wanted; i++) {
            first[i].repeats++;
            n++;
        }
    p->count += p->classes;
    p->repeated += n;
}

/* ---- buckets in use ----------------------------------------------------------------------------- */

static int by_size(const void *x, const void *y)
{
    const BucketCount *a = x;
    const BucketCount *b = y;
    return a->width != b->width ? a->width - b->width : a->height - b->height;
}

static int by_pictures(const void *x, const void *y)
{
    const BucketCount *a = x;
    const BucketCount *b = y;
    if (a->pictures == b->pictures) return by_size(x, y);
    return a->pictures < b->pictures ? 1 : -1;
}

const BucketCount *photos_buckets(Arena *a, const Photos *p, size_t *count)
{
    size_t n = 0;
    BucketCount *b = allocate(a, p->count, sizeof *b);
    for (size_t i = 0; i < p->count; i++) {
        const Photo *photo = &p->photo[i];
        b[i] = (BucketCount){ .width = photo->bucket.width, .height = photo->bucket.height, .pictures = 1,
                              .repeated = (size_t)photo->repeats };
    }
    qsort(b, p->count, sizeof *b, by_size);
    for (size_t i = 0; i < p->count; i++) {
        if (n && !by_size(&b[n - 1], &b[i])) {
            b[n - 1].pictures++;
            b[n - 1].repeated += b[i].repeated;
        }
        else b[n++] = b[i];
    }
    qsort(b, n, sizeof *b, by_pictures);
    *count = n;
    return b;
}

/* ---- captions ---------------------------------------------------------------------------------- */

static int has_part(Arena *a, const char *caption, const char *part)
{
    size_t before = mark(a);
    size_t count;
    int is_found = 0;
    char **all = comma_parts(a, caption, &count);
    for (size_t i = 0; i < count && !is_found; i++) is_found = same(all[i], part);
    release(a, before);
    return is_found;
}

static int is_shared(Arena *a, const Photos *p, const char *part)
{
    for (size_t i = 0; i < p->count; i++) {
        const Photo *photo = &p->photo[i];
        if (photo->role == INSTANCE_IMAGE && photo->caption && !has_part(a, photo->caption, part)) return 0;
    }
    return 1;
}

const char *photos_shared_words(Arena *a, const Photos *p)
{
    const char *first = NULL;
    for (size_t i = 0; i < p->count && !first; i++)
        if (p->photo[i].role == INSTANCE_IMAGE) first = p->photo[i].caption;
    if (!first) return "";
    size_t count;
    StringBuilder shared = string_builder(a);
    char **part = comma_parts(a, first, &count);
    for (size_t i = 0; i < count; i++) {
        if (!*part[i] || !is_shared(a, p, part[i])) continue;
        if (shared.n) string_builder_add(&shared, ", ");
        string_builder_add(&shared, part[i]);
    }
    return shared.n ? shared.text : first;
}
