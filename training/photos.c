/* photos.c - the training images.
 *
 * There are two common layouts of pictures: a plain folder, each picture with a text file of its name beside it, and
 * the tree of kohya's trainer, where a folder's name says how often its pictures are seen in an epoch and what they
 * show.  Both may stand in one folder.  Names are sorted, so that the same folder gives the same training everywhere.
 *
 * Instance images, class images and validation images are one list: what they are for only changes how often they
 * come in an epoch, and how much they count.
 *
 * Nothing here opens a picture; survey.c does. */
#include "photos.h"

#include "caption_file.h"
#include "chars.h"
#include "files.h"

#include <stdlib.h>
#include <string.h>

enum { MOST_REPEATS = 1 << 16, MOST_REPEATED = 1000000000 };

/* The first three can be read.  The others are found all the same, so that survey.c refuses them by name instead of
 * training going on without them. */
static const char *const picture_endings[] = {
    ".png", ".jpg", ".jpeg", ".webp", ".bmp", ".tif", ".tiff", ".heic", ".avif", ".jxl", NULL
};

static int is_picture(const char *name)
{
    const char *dot = strrchr(name, '.');
    for (size_t i = 0; dot && picture_endings[i]; i++)
        if (same(dot, picture_endings[i])) return 1;
    return 0;
}

/* ---- captions ----------------------------------------------------------------------------------- */

/* The text of the caption file of that ending beside a picture; NULL when there is no such file. */
static char *text_beside(Arena *a, const char *stem, const char *ending)
{
    const char *fault;
    const char *path = format(a, "%s%s%s", stem, *ending == '.' ? "" : ".", ending);
    if (!file_is(path)) return NULL;
    char *text = caption_file_text(a, file_map(a, path), &fault);
    if (!text) fail(a, "%s: %s", path, fault);
    return text;
}

static char *text_of(Arena *a, const char *stem, const char *caption_extension)
{
    if (caption_extension) return text_beside(a, stem, caption_extension);
    char *text = text_beside(a, stem, ".txt");
    return text ? text : text_beside(a, stem, ".caption");
}

/* Tools that cut faces out of "a.png" call them "a_0_10_20_30.png".  kohya, read_caption: a stem of five parts or more
 * with "_" between, without the last four, is tried second.  NULL when it is not of that form. */
static const char *stem_before_cropping(Arena *a, const char *stem)
{
    enum { LEFT_OUT = 4 };
    char *shorter = copy(a, stem, strlen(stem));
    for (int i = 0; i < LEFT_OUT; i++) {
        char *underline = strrchr(shorter, '_');
        if (!underline || strchr(underline, '/')) return NULL;
        *underline = 0;
    }
    return shorter;
}

/* All lines of a picture's caption; NULL when it has none. */
static char *caption_of(Arena *a, const char *picture, const char *caption_extension)
{
    const char *stem = without_extension(a, picture);
    char *text = text_of(a, stem, caption_extension);
    const char *shorter = text ? NULL : stem_before_cropping(a, stem);
    return shorter ? text_of(a, shorter, caption_extension) : text;
}

/* Cuts a caption behind its first line -> how many lines that leaves out. */
static int keep_first_line(char *caption)
{
    int lines = 0;
    for (const char *s = caption; *s; s++)
        if (*s == '\n') lines++;
    caption[strcspn(caption, "\n")] = 0;
    return lines;
}

/* ---- folders ------------------------------------------------------------------------------------ */

/* What photos_find() was asked for, and what it has found so far. */
typedef struct {
    Arena             *a;
    const PhotoSearch *search;
    Photos             photos;
    size_t             room;             /* for photos.photo */
} Finding;

static int holds_pictures(Arena *a, const char *folder)
{
    size_t count, i = 0;
    const char **names = folder_list(a, folder, &count);
    while (i < count && !is_picture(names[i])) i++;
    return i < count;
}

/* Is it a picture that training to `stem` draws: stem-loss.png, stem-000002-sample1.png? */
static int is_drawn(const char *name, const char *stem)
{
    size_t n = strlen(stem);
    if (strncmp(name, stem, n) || name[n] != '-') return 0;
    const char *sample = strstr(name + n, "-sample");
    return !strcmp(name + n, "-loss.png") || (sample && digit(sample[strlen("-sample")]));
}

static void add_photo(Finding *f, const char *path, const char *words, int repeats)
{
    Photos *p = &f->photos;
    const char *name = path + strlen(f->search->folder);
    char *caption = caption_of(f->a, path, f->search->caption_extension);
    p->photo = grow_array(f->a, p->photo, p->count, &f->room, sizeof *p->photo);
    Photo *photo = &p->photo[p->count++];
    *photo = (Photo){ .path = path, .name = name + strspn(name, "/"), .repeats = repeats };
    photo->captioned = caption != NULL;
    if (caption && !f->search->keeps_lines) photo->lines_left = keep_first_line(caption);
    if (caption) photo->caption = caption;
    else photo->caption = words ? words : "";
    if (caption) p->captioned++;
    p->instances++;
    p->repeated += (size_t)repeats;
}

static void add_folder(Finding *f, const char *folder, const char *words, int repeats)
{
    size_t count;
    const char **names = folder_list(f->a, folder, &count);
    const char *stem = NULL;
    const char *out = f->search->out;
    if (out && same_file(folder, folder_of(f->a, out))) stem = without_extension(f->a, file_name(out));
    for (size_t i = 0; i < count; i++) {
        const char *path = format(f->a, "%s/%s", folder, names[i]);
        if (!is_picture(names[i]) || !file_is(path)) continue;
        if (stem && is_drawn(names[i], stem)) continue;
        add_photo(f, path, words, repeats);
        if (f->photos.repeated > MOST_REPEATED)
            fail(f->a, "%s: an epoch of more than %d pictures, with their repeats; fewer repeats, please", folder,
                 MOST_REPEATED);
    }
}

/* "20_sks woman" -> 20 and the class tokens behind it; 0 when the name is not of this form. */
static int repeats_in(const char *name, const char **class_tokens)
{
    char *end;
    if (!digit(*name)) return 0;
    long n = strtol(name, &end, 10);
    if (n < 1 || n > MOST_REPEATS || *end != '_') return 0;
    *class_tokens = end + 1;
    return (int)n;
}

/* A folder within the folder: its pictures count when its name says how often. */
static void add_subfolder(Finding *f, const char *name, int repeats)
{
    const char *class_tokens;
    int times = repeats_in(name, &class_tokens);
    if (times > MOST_REPEATED / repeats)
        fail(f->a, "%s/%s: %d times %d repeats of each picture, expected at most %d together; fewer repeats, please",
             f->search->folder, name, times, repeats, MOST_REPEATED);
    const char *folder = format(f->a, "%s/%s", f->search->folder, name);
    if (times) add_folder(f, folder, class_tokens, times * repeats);
    else if (!f->photos.passed_over && holds_pictures(f->a, folder)) f->photos.passed_over = folder;
}

static _Noreturn void fail_without_pictures(Arena *a, const char *folder, const char **names, size_t count)
{
    const char *found = "nothing";
    if (count) found = quoted(a, names[0]);
    if (count > 1) found = format(a, "%s and %s", found, amount(a, count - 1, "other"));
    fail(a, "%s: no pictures to learn from: looked for .png, .jpg and .jpeg files, and for folders of them called "
            "<repeats>_<words>, found %s", folder, found);
}

Photos photos_find(Arena *a, const PhotoSearch *search)
{
    Finding f = { .a = a, .search = search };
    const char *folder = search->folder;
    size_t count;
    if (!folder_is(folder)) fail(a, "%s: there is no such folder of pictures", folder);
    const char **names = folder_list(a, folder, &count);
    add_folder(&f, folder, search->words, search->repeats);
    for (size_t i = 0; i < count; i++) add_subfolder(&f, names[i], search->repeats);
    if (!f.photos.count) fail_without_pictures(a, folder, names, count);
    return f.photos;
}

/* ---- roles -------------------------------------------------------------------------------------- */

/* Of n pictures in a row, how many are validation images: n * split, rounded. */
static size_t held_out_of(size_t n, double split) { return (size_t)((double)n * split + 0.5); }

void photos_hold_out(Arena *a, Photos *p, double validation_split)
{
    for (size_t i = 0; i < p->count; i++) {
        Photo *photo = &p->photo[i];
        if (held_out_of(i + 1, validation_split) == held_out_of(i, validation_split)) continue;
        p->repeated -= (size_t)photo->repeats;
        p->instances--;
        p->validations++;
        photo->role = VALIDATION_IMAGE;
        photo->repeats = 0;
    }
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
