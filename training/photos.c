/* photos.c - what is learned from.
 *
 * Two ways to lay pictures out are common: a plain folder, each picture with a text file of its name beside it, and the
 * tree of kohya's trainer, where a folder's name says how often its pictures are seen in an epoch and what they
 * show.  Both may stand in one folder.  Names are sorted, so that the same folder is the same lesson everywhere.
 *
 * Pictures to learn from, class pictures and those that are held out are one list: what they are for only changes how often
 * they come in an epoch, and how much they count. */
#include "photos.h"

#include "chars.h"
#include "files.h"

#include <stdlib.h>
#include <string.h>

enum { MOST_CAPTION = 1 << 16, MOST_REPEATS = 1 << 16, MOST_REPEATED = 1000000000 };

/* the first three can be read; the others are found all the same, so that survey.c names them instead of nothing being learned from them */
static const char *const pictures[] = { ".png", ".jpg", ".jpeg", ".webp", ".bmp", ".tif", ".tiff", ".heic", ".avif", ".jxl" };

static int is_picture(const char *name)
{
    const char *dot = strrchr(name, '.');
    for (size_t i = 0; dot && i < sizeof pictures / sizeof *pictures; i++) if (same(dot, pictures[i])) return 1;
    return 0;
}

/* Text in another encoding would be learned as other words, and nobody would be told. */
static void check_caption(Arena *a, const char *path, const char *text, size_t n)
{
    uint32_t c;
    if (n > MOST_CAPTION) fail(a, "%s: expected a caption, a line of text of at most %d bytes", path, MOST_CAPTION);
    for (size_t i = 0; i < n; ) {
        i += utf8_decode((const unsigned char *)text + i, n - i, &c);
        if (!c || c == 0xFFFD) fail(a, "%s: expected a caption in UTF-8, found text in another encoding, or none; save it again as UTF-8", path);
    }
}

/* the first line of the file beside a picture, without a byte order mark, NULL when there is no such file */
static const char *line_beside(Arena *a, const char *picture, const char *ending)
{
    const char *path = format(a, "%s%s%s", without_ending(a, picture), *ending == '.' ? "" : ".", ending);
    if (!file_is(path)) return NULL;
    Bytes b = file_map(a, path);
    const char *text = (const char *)b.data, *end = b.size ? memchr(text, '\n', b.size) : NULL;
    size_t n = end ? (size_t)(end - text) : b.size;
    if (n >= 3 && !memcmp(text, "\xef\xbb\xbf", 3)) text += 3, n -= 3;
    check_caption(a, path, text, n);
    return trimmed(a, text, n);
}

static const char *caption_of(Arena *a, const char *picture, const char *ending)
{
    if (ending) return line_beside(a, picture, ending);
    const char *text = line_beside(a, picture, ".txt");
    return text ? text : line_beside(a, picture, ".caption");
}

static int holds_pictures(Arena *a, const char *folder)
{
    size_t count, i = 0;
    const char **names = names_in(a, folder, &count);
    while (i < count && !is_picture(names[i])) i++;
    return i < count;
}

/* a picture that training to `stem` draws: stem-loss.png, stem-000002-sample1.png */
static int is_drawn(const char *name, const char *stem)
{
    size_t n = strlen(stem);
    if (strncmp(name, stem, n) || name[n] != '-') return 0;
    const char *sample = strstr(name + n, "-sample");
    return !strcmp(name + n, "-loss.png") || (sample && digit(sample[strlen("-sample")]));
}

static void add_folder(Arena *a, Photos *p, size_t *room, const char *root, const char *folder, const char *ending, const char *words, int repeats, const char *out)
{
    size_t count;
    const char **names = names_in(a, folder, &count), *stem = out && same_file(folder, folder_of(a, out)) ? without_ending(a, file_name(out)) : NULL;
    for (size_t i = 0; i < count; i++) {
        const char *path = format(a, "%s/%s", folder, names[i]), *name = path + strlen(root);
        if (!is_picture(names[i]) || !file_is(path) || (stem && is_drawn(names[i], stem))) continue;
        const char *caption = caption_of(a, path, ending);
        p->photo = roomier(a, p->photo, p->count, room, sizeof *p->photo);
        p->photo[p->count++] = (Photo){ .path = path, .name = name + strspn(name, "/"), .caption = caption ? caption : words ? words : "",
                                        .captioned = caption != NULL, .repeats = repeats };
        p->captioned += caption != NULL, p->learned++, p->repeated += (size_t)repeats;
        if (p->repeated > MOST_REPEATED) fail(a, "%s: an epoch of more than %d pictures, with their repeats; fewer repeats, please", folder, MOST_REPEATED);
    }
}

/* "20_sks woman" -> 20 and the words behind it; 0 when the name is no such name */
static int repeats_in(const char *name, const char **words)
{
    char *end;
    long n = digit(*name) ? strtol(name, &end, 10) : 0;
    if (n < 1 || n > MOST_REPEATS || *end != '_') return 0;
    *words = end + 1;
    return (int)n;
}

Photos photos_find(Arena *a, const char *folder, const char *ending, const char *words, int repeats, const char *out)
{
    Photos p = { 0 };
    size_t room = 0, count;
    if (!folder_is(folder)) fail(a, "%s: there is no such folder of pictures", folder);
    const char **names = names_in(a, folder, &count), *class;
    add_folder(a, &p, &room, folder, folder, ending, words, repeats, out);
    for (size_t i = 0; i < count; i++) {
        int times = repeats_in(names[i], &class);
        if (times > MOST_REPEATED / repeats)
            fail(a, "%s/%s: %d times %d repeats of each picture, expected at most %d together; fewer repeats, please", folder, names[i], times, repeats, MOST_REPEATED);
        const char *below = format(a, "%s/%s", folder, names[i]);
        if (times) add_folder(a, &p, &room, folder, below, ending, class, times * repeats, out);
        else if (!p.passed_over && holds_pictures(a, below)) p.passed_over = below;
    }
    if (!p.count)
        fail(a, "%s: no pictures to learn from: looked for .png, .jpg and .jpeg files, and for folders of them called <repeats>_<words>, found %s%s%s", folder,
             count ? quoted(a, names[0]) : "nothing", count > 1 ? " and " : "", count > 1 ? amount(a, count - 1, "other") : "");
    return p;
}

void photos_hold_out(Arena *a, Photos *p, double part)
{
    for (size_t i = 0; i < p->count; i++) {
        Photo *one = &p->photo[i];
        if ((size_t)((double)(i + 1) * part + 0.5) == (size_t)((double)i * part + 0.5)) continue;
        p->repeated -= (size_t)one->repeats, p->learned--, p->held_out++;
        one->role = HELD_OUT, one->repeats = 0;
    }
    if (!p->held_out || !p->learned) fail(a, "--validation_split %g of %zu pictures holds out %s of them", part, p->count, p->learned ? "none" : "all");
}

void photos_add_prior(Arena *a, Photos *p, Photos class)
{
    size_t wanted = p->repeated, n = 0;
    Photo *all = take(a, p->count + class.count, sizeof *all);
    p->photo = memcpy(all, p->photo, p->count * sizeof *all);
    Photo *first = p->photo + p->count, *end = first;
    for (size_t i = 0; i < class.count && n < wanted; i++, end++) {
        *end = class.photo[i];
        end->role = PRIOR, n += (size_t)end->repeats;
        p->captioned += (size_t)end->captioned;
    }
    while (n < wanted)
        for (Photo *one = first; one < end && n < wanted; one++) one->repeats++, n++;
    p->prior = (size_t)(end - first), p->count += p->prior, p->repeated += n;
}

static int by_size(const void *x, const void *y)
{
    const BucketCount *a = x, *b = y;
    return a->width != b->width ? a->width - b->width : a->height - b->height;
}

static int by_pictures(const void *x, const void *y)
{
    const BucketCount *a = x, *b = y;
    return a->pictures != b->pictures ? (a->pictures < b->pictures ? 1 : -1) : by_size(x, y);
}

const BucketCount *photos_buckets(Arena *a, const Photos *p, size_t *count)
{
    size_t n = 0;
    BucketCount *b = take(a, p->count, sizeof *b);
    for (size_t i = 0; i < p->count; i++) b[i] = (BucketCount){ p->photo[i].bucket.width, p->photo[i].bucket.height, 1, (size_t)p->photo[i].repeats };
    qsort(b, p->count, sizeof *b, by_size);
    for (size_t i = 0; i < p->count; i++)
        if (n && !by_size(&b[n - 1], &b[i])) b[n - 1].pictures++, b[n - 1].repeated += b[i].repeated;
        else b[n++] = b[i];
    qsort(b, n, sizeof *b, by_pictures);
    *count = n;
    return b;
}
