/* photos.c - what is learned from.
 *
 * Two ways to lay pictures out are common: a plain folder, each picture with a text file of its name beside it, and the
 * tree of kohya's trainer, where a folder's name says how often its pictures are seen in an epoch and what they
 * show.  Both may stand in one folder.  Names are sorted, so that the same folder is the same lesson everywhere. */
#include "photos.h"

#include "chars.h"
#include "lookup.h"

#include <stdlib.h>
#include <string.h>

enum { MOST_CAPTION = 1 << 16, MOST_REPEATS = 1 << 16 };

static const char *const pictures[] = { ".png", ".jpg", ".jpeg" };

static int is_picture(const char *name)
{
    const char *dot = strrchr(name, '.');
    for (size_t i = 0; dot && i < sizeof pictures / sizeof *pictures; i++) if (same(dot, pictures[i])) return 1;
    return 0;
}

/* the first line of the file beside a picture, NULL when there is no such file */
static const char *line_beside(Arena *a, const char *picture, const char *ending)
{
    const char *path = format(a, "%.*s%s%s", (int)(strrchr(picture, '.') - picture), picture, *ending == '.' ? "" : ".", ending);
    if (!file_is(path)) return NULL;
    Bytes b = file_map(a, path);
    const char *text = (const char *)b.data, *end = b.size ? memchr(text, '\n', b.size) : NULL;
    size_t n = end ? (size_t)(end - text) : b.size;
    if (n > MOST_CAPTION || memchr(text, 0, n)) fail(a, "%s: expected a caption, a line of text of at most %d bytes", path, MOST_CAPTION);
    return trimmed(a, text, n);
}

static const char *caption_of(Arena *a, const char *picture, const char *ending)
{
    if (ending) return line_beside(a, picture, ending);
    const char *text = line_beside(a, picture, ".txt");
    return text ? text : line_beside(a, picture, ".caption");
}

static void add(Arena *a, Photos *p, size_t *room, Photo one)
{
    if (p->count == *room) {
        Photo *more = take(a, *room = 2 * *room + 16, sizeof *more);
        if (p->count) memcpy(more, p->photo, p->count * sizeof *more);
        p->photo = more;
    }
    if (!one.caption) one.caption = "";
    p->photo[p->count++] = one;
    p->repeated += (size_t)one.repeats;
}

static void add_folder(Arena *a, Photos *p, size_t *room, const char *folder, const char *ending, const char *words, int repeats)
{
    size_t count;
    const char **names = names_in(a, folder, &count);
    for (size_t i = 0; i < count; i++) {
        const char *path = format(a, "%s/%s", folder, names[i]);
        if (!is_picture(names[i]) || !file_is(path)) continue;
        const char *caption = caption_of(a, path, ending);
        p->captioned += caption != NULL;
        add(a, p, room, (Photo){ path, caption ? caption : words, repeats });
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

Photos photos_find(Arena *a, const char *folder, const char *ending, const char *words, int repeats)
{
    Photos p = { 0 };
    size_t room = 0, count;
    const char **names = names_in(a, folder, &count), *class;
    add_folder(a, &p, &room, folder, ending, words, repeats);
    for (size_t i = 0; i < count; i++) {
        int times = repeats_in(names[i], &class);
        if (times) add_folder(a, &p, &room, format(a, "%s/%s", folder, names[i]), ending, class, times * repeats);
    }
    if (!p.count) fail(a, "%s: no pictures to learn from: looked for .png, .jpg and .jpeg files, and for folders of them called <repeats>_<words>", folder);
    return p;
}
