/* Where a picture may go: what is said before the work. */
#define _POSIX_C_SOURCE 200809L
#include "output.h"
#include "result.h"
#include "test.h"

#include <stdlib.h>
#include <sys/stat.h>
#include <unistd.h>

typedef struct { Arena *a; const char *path, *keep; double bytes; Request *request; char message[MESSAGE]; } Case;

static void place(void *to) { Case *c = to; output_check(c->a, c->path, c->bytes); }

static void result(void *to)
{
    Case *c = to;
    result_check(c->a, &(Result){ .path = c->path, .request = c->request }, c->keep);
}

/* "" when all is well */
static const char *why(Case *c, void (*check)(void *))
{
    if (!attempt(c->a, check, c, c->message)) c->message[0] = 0;
    return c->message;
}

static void test_places(Arena *a, const char *folder)
{
    size_t files;
    Case c = { .a = a, .path = format(a, "%s/x.safetensors", folder), .bytes = 1 };
    CHECK_MSG(!*why(&c, place), "%s", c.message);
    c.bytes = 1e18;
    CHECK_MSG(strstr(why(&c, place), "x.safetensors: 1000000000.00 GB are to be written, and there is room for "),
              "%s", c.message);
    c.path = format(a, "%s/none/x", folder);
    CHECK_MSG(strstr(why(&c, place), "there is no folder"), "%s", c.message);
    folder_list(a, folder, &files);
    CHECK(!files);
}

static void test_results(Arena *a, const char *folder)
{
    Request *r = allocate(a, 1, sizeof *r);
    *r = (Request){ 0 };
    Case c = { .a = a, .request = r, .path = format(a, "%s/x.GIF", folder) };
    CHECK_MSG(!*why(&c, result), "%s", c.message);
    r->max_size = 1, c.path = format(a, "%s/x.png", folder);
    CHECK_MSG(strstr(why(&c, result), "Max size makes GIFs smaller"), "%s", c.message);
    r->max_size = 0, c.path = format(a, "%s/x.jpg", folder);
    CHECK_MSG(strstr(why(&c, result), "expected an output that ends in"), "%s", c.message);
    c.path = c.keep = format(a, "%s/p.png", folder);
    files_save(a, &(File){ c.path, { (const unsigned char *)"p", 1 } }, 1);
    CHECK_MSG(strstr(why(&c, result), "would replace the prompt file"), "%s", c.message);
    unlink(c.path);
    CHECK(result_has_format("a.apng") && result_has_format("b/c.PNG") && !result_has_format("png")
          && !result_has_format(".png") && !result_has_format("a.png/b"));
}

/* ---- several files: all of them, or none ---- */

static Bytes text(const char *s) { return (Bytes){ (const unsigned char *)s, strlen(s) }; }

static int holds(Arena *a, const char *path, const char *what)
{
    if (!file_is(path)) return !what;
    Bytes b = file_map(a, path);
    return what && b.size == strlen(what) && !memcmp(b.data, what, b.size);
}

typedef struct { Arena *a; File *file; size_t count; } Series;
static void save(void *to) { Series *s = to; files_save(s->a, s->file, s->count); }

/* The first two are renamed before it is seen that the third cannot be. */
static void test_series(Arena *a, const char *folder)
{
    char message[MESSAGE];
    size_t files;
    File new[3] = { { format(a, "%s/1", folder), text("new 1") }, { format(a, "%s/2", folder), text("new 2") } };
    new[2] = (File){ format(a, "%s/3", folder), text("new 3") };
    files_save(a, &(File){ new[0].path, text("old 1") }, 1);
    Series s = { a, new, 3 };
    if (mkfifo(new[2].path, 0600)) return;
    CHECK(attempt(a, save, &s, message) && strstr(message, "3: cannot be replaced: it is no file"));
    unlink(new[2].path);
    CHECK(holds(a, new[0].path, "old 1") && holds(a, new[1].path, NULL));
    CHECK(!attempt(a, save, &s, message));
    for (int i = 0; i < 3; i++) CHECK(holds(a, new[i].path, format(a, "new %d", i + 1)));
    folder_list(a, folder, &files);
    CHECK(files == 3);
    for (int i = 0; i < 3; i++) unlink(new[i].path);
}

/* What is written through a link lands where the link leads. */
static void test_links(Arena *a, const char *folder)
{
    char message[MESSAGE];
    const char *link = format(a, "%s/link", folder), *real = format(a, "%s/real", folder);
    File new[2] = { { link, text("new") }, { format(a, "%s/other", folder), text("other") } };
    Series one = { a, new, 1 }, two = { a, new, 2 };
    if (symlink("real", link)) return;
    CHECK(!attempt(a, save, &one, message) && holds(a, real, "new"));
    new[0].content = text("newer");
    CHECK(!attempt(a, save, &two, message) && holds(a, real, "newer") && same_file(link, real));
    CHECK(!unlink(link) && !symlink("link", link));
    CHECK(attempt(a, save, &one, message) && strstr(message, "link: cannot be written: "));
    unlink(link);
    unlink(real);
    unlink(new[1].path);
}

int main(void)
{
    char folder[] = "/tmp/persona-test-XXXXXX";
    Arena *a = arena_new();
    if (!a || !mkdtemp(folder)) return 1;
    test_places(a, folder);
    test_results(a, folder);
    test_series(a, folder);
    test_links(a, folder);
    rmdir(folder);
    arena_free(a);
    return done();
}
