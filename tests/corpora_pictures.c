/* corpora_pictures.c FOLDER - pictures that others made to check and to break readers. Not part of make test.
 *     FOLDER/png/primary, primary_check     the same pixels                    png/16bit     read
 *     FOLDER/png/corrupt                    refused                            png/survive   either
 *     FOLDER/jpeg/reftest                   within 2 of the PNG beside (four inks: 3), or refused for a printed reason
 *     FOLDER/jpeg/crashtest, survive        either */
#define _XOPEN_SOURCE 700
#include "image.h"
#include "test.h"
#include <ftw.h>
#include <stdlib.h>
#include <time.h>

enum { NEAR = 2 };

/* Four inks have no one way to become RGB.  Ours is Pillow's, to the byte (test_picture_files), and Pillow's is 3 away
 * from the PNG beside ycck.jpg. */
static int allowed_for(const char *path) { return strstr(path, "/ycck.jpg") ? 3 : NEAR; }

typedef struct { Arena *a; const char *path; Picture got; char why[MESSAGE]; int refused; } Reading;

static void open_it(void *reading)
{
    Reading *r = reading;
    r->got = image_open(r->a, r->path);
}

/* nftw hands over nothing of ours */
static struct { Arena *a; int files, read, compared, most; double slowest; } now;

static Reading opened(const char *path)
{
    Reading r = { .a = now.a, .path = path };
    clock_t begun = clock();
    r.refused = attempt(now.a, open_it, &r, r.why);
    double seconds = (double)(clock() - begun) / CLOCKS_PER_SEC;
    if (seconds > now.slowest) now.slowest = seconds;
    now.files++, now.read += !r.refused;
    return r;
}

static void compare(const Reading *r, const char *path, int allowed)
{
    Reading other = { .a = now.a, .path = path };
    other.refused = attempt(now.a, open_it, &other, other.why);
    int same = !other.refused && other.got.width == r->got.width && other.got.height == r->got.height,
        most = same ? 0 : 999;
    for (size_t i = 0; same && i < 3 * (size_t)r->got.width * (size_t)r->got.height; i++) {
        int d = abs(r->got.rgb[i] - other.got.rgb[i]);
        if (d > most) most = d;
    }
    CHECK_MSG(most <= allowed, "%s: differs by %d, allowed %d", r->path, most, allowed);
    if (most > now.most) now.most = most;
    now.compared++;
}

static int look(const char *path, const struct stat *s, int type, struct FTW *f)
{
    (void)s, (void)f;
    if (type != FTW_F) return 0;
    size_t before = mark(now.a), n = strlen(path);
    const char *primary = strstr(path, "png/primary/");
    int reference = strstr(path, "jpeg/reftest/") != NULL, jpg = n > 4 && !strcmp(path + n - 4, ".jpg");
    if (!(reference && !jpg)) {
        Reading r = opened(path);
        if (strstr(path, "png/corrupt/")) CHECK_MSG(r.refused, "%s is read", path);
        if (strstr(path, "png/16bit/") || primary) CHECK_MSG(!r.refused, "%s", r.why);
        if (primary && !r.refused)
            compare(&r, format(now.a, "%.*spng/primary_check/%s", (int)(primary - path), path, primary + 12), 0);
        if (reference && !r.refused) compare(&r, format(now.a, "%.*s.png", (int)n - 4, path), allowed_for(path));
        if (reference && r.refused) printf("  %s\n", r.why);
    }
    release(now.a, before);
    return 0;
}

int main(int argc, char **argv)
{
    static const char *const folders[] = { "png/primary", "png/16bit", "png/corrupt", "png/survive", "jpeg/reftest",
                                           "jpeg/crashtest", "jpeg/survive" };
    if (argc != 2) { fprintf(stderr, "corpora_pictures FOLDER\n"); return 2; }
    Arena *a = arena_new();
    for (size_t i = 0; i < sizeof folders / sizeof *folders; i++) {
        memset(&now, 0, sizeof now);
        now.a = a;
        CHECK_MSG(!nftw(format(a, "%s/%s", argv[1], folders[i]), look, 16, FTW_PHYS), "%s/%s: no such folder", argv[1],
                  folders[i]);
        printf("%s: %d files, %d read, %d compared, the largest difference %d, the slowest %.0f ms\n", folders[i],
               now.files, now.read, now.compared, now.most, now.slowest * 1e3);
    }
    arena_free(a);
    return done();
}
