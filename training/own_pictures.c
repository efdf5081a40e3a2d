/* own_pictures.c - pictures that training makes: how they are marked, and known again.
 *
 * The result often lies among the photos, and with it what training draws: the loss curve, samples, class images.
 * The next training must not learn from them.  Names are no help, since people rename files and have photos of any
 * name.  So each carries a mark inside, which survives renaming and copying:
 *
 *     PNG      a text of the keyword "Software", right behind the header          PNG specification, 11.3.3
 *     GIF      a comment at the end; the first comment holds the settings         GIF89a, 24
 *
 * A grid has no mark: that it is one stands in its settings, and the web UI's grids say so too.  A picture that
 * somebody drew on purpose has neither, and may be learned from. */
#include "own_pictures.h"

#include "deflate.h"
#include "output.h"
#include "picture_settings.h"
#include "png.h"

#include <stdlib.h>
#include <string.h>

const char *const own_picture_names[OWN_KINDS] = {
    [OWN_CURVE] = "loss curve", [OWN_SAMPLE] = "sample", [OWN_CLASS_IMAGE] = "class picture", [OWN_GRID] = "grid"
};

static const char *const marks[OWN_KINDS] = {
    [OWN_CURVE]       = "persona: the loss curve of a training",
    [OWN_SAMPLE]      = "persona: a sample of a training",
    [OWN_CLASS_IMAGE] = "persona: a class image of a training",
};

static const char KEYWORD[] = "Software";

enum { PNG_HEADER = 33 };                /* the signature, and the chunk IHDR */

static int is_png(Bytes b) { return has_bytes_at(b, 0, "\x89PNG\r\n\x1A\n", 8) && b.size >= PNG_HEADER; }
static int is_gif(Bytes b) { return has_bytes_at(b, 0, "GIF8", 4); }

/* ---- marking ------------------------------------------------------------------------------------ */

/* The picture with n bytes put in at a place. */
static Bytes inserted(Arena *a, Bytes picture, size_t at, const void *bytes, size_t n)
{
    unsigned char *to = allocate(a, picture.size + n, 1);
    memcpy(to, picture.data, at);
    memcpy(to + at, bytes, n);
    memcpy(to + at + n, picture.data + at, picture.size - at);
    return (Bytes){ to, picture.size + n };
}

static void put_big_endian(unsigned char *to, uint32_t x)
{
    for (int i = 0; i < 4; i++) to[i] = (unsigned char)(x >> 8 * (3 - i));
}

/* | length 4 | "tEXt" | keyword | NUL | text | CRC-32 of all but the length 4 | */
static Bytes mark_png(Arena *a, Bytes picture, const char *mark)
{
    unsigned char chunk[128];
    size_t n = sizeof KEYWORD + strlen(mark);
    put_big_endian(chunk, (uint32_t)n);
    memcpy(chunk + 4, "tEXt", 4);
    memcpy(chunk + 8, KEYWORD, sizeof KEYWORD);
    memcpy(chunk + 8 + sizeof KEYWORD, mark, strlen(mark));
    put_big_endian(chunk + 8 + n, crc32_of(0, chunk + 4, 4 + n));
    return inserted(a, picture, PNG_HEADER, chunk, 12 + n);
}

/* The end of a GIF with this mark:  | 0x21 0xFE | length 1 | text | 0 | 0x3B, the trailer |  -> its length */
static size_t gif_end(unsigned char end[128], const char *mark)
{
    size_t n = strlen(mark);
    end[0] = 0x21;
    end[1] = 0xFE;
    end[2] = (unsigned char)n;
    memcpy(end + 3, mark, n);
    end[3 + n] = 0;
    end[4 + n] = 0x3B;
    return 5 + n;
}

Bytes own_picture_mark(Arena *a, Bytes picture, OwnPicture kind)
{
    unsigned char end[128];
    if (is_png(picture)) return mark_png(a, picture, marks[kind]);
    size_t n = gif_end(end, marks[kind]);
    return inserted(a, picture, picture.size - 1, end, n - 1);
}

/* ---- knowing it again ---------------------------------------------------------------------------- */

static int has_png_mark(const char *software, OwnPicture kind) { return software && !strcmp(software, marks[kind]); }

static int has_gif_mark(Bytes file, OwnPicture kind)
{
    unsigned char end[128];
    size_t n = gif_end(end, marks[kind]);
    return file.size > n && has_bytes_at(file, file.size - n, end, n);
}

/* The settings of a grid name an axis, as X: "Seed: 1-4" here, and by the name of the script in the web UI. */
static int is_grid(Arena *a, Bytes file)
{
    static const char *const axes[] = { ", X: \"", ", Y: \"", ", Z: \"", "Script: X/Y/Z plot" };
    const char *settings = picture_settings(a, file.data, file.size);
    for (size_t i = 0; settings && i < sizeof axes / sizeof *axes; i++)
        if (strstr(settings, axes[i])) return 1;
    return 0;
}

OwnPicture own_picture_kind(Arena *a, Bytes file)
{
    size_t before = mark(a);
    OwnPicture found = NOT_OWN;
    const char *software = NULL;
    if (is_png(file)) software = arena_own(a, png_text(file.data, file.size, KEYWORD));
    for (OwnPicture kind = OWN_CURVE; kind <= OWN_CLASS_IMAGE; kind++)
        if (is_gif(file) ? has_gif_mark(file, kind) : has_png_mark(software, kind)) found = kind;
    if (!found && is_grid(a, file)) found = OWN_GRID;
    release(a, before);
    return found;
}

/* ---- saving -------------------------------------------------------------------------------------- */

int own_picture_keeps(Arena *a, File picture, int overwrite)
{
    if (!file_is_there(a, picture.path)) return 0;
    size_t before = mark(a);
    Bytes new = picture.content;
    Bytes old = file_map(a, picture.path);
    int is_same = old.size == new.size && !memcmp(old.data, new.data, new.size);
    int is_own = own_picture_kind(a, old) != NOT_OWN;
    release(a, before);
    return !is_same && !(overwrite && is_own);
}

typedef struct { Arena *a; File picture; } SavedPicture;

static void save_file(void *file, const char *path)
{
    const SavedPicture *s = file;
    files_save(s->a, &(File){ path, s->picture.content }, 1);
}

void own_picture_save(Arena *a, File picture, int overwrite, const Callbacks *callbacks)
{
    SavedPicture s = { a, picture };
    output_save(a, picture.path, own_picture_keeps(a, picture, overwrite), NULL, save_file, &s, callbacks);
}
