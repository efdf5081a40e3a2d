/* Where a picture may go: what is said before the work. */
#define _POSIX_C_SOURCE 200809L
#include "output.h"
#include "result.h"
#include "test.h"

#include <stdlib.h>
#include <sys/stat.h>
#include <unistd.h>

typedef struct { Arena *a; const char *path, *keep; double bytes; Request *request; char message[MESSAGE]; } Case;

static void place(void *to)  { Case *c = to; output_check(c->a, c->path, c->bytes); }
static void result(void *to) { Case *c = to; result_check(c->a, &(Result){ c->path, 0, c->request, NULL }, c->keep); }

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
    CHECK_MSG(strstr(why(&c, place), "x.safetensors: 1000000000000.0 MB are to be written, and there is room for "),
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

int main(void)
{
    char folder[] = "/tmp/persona-test-XXXXXX";
    Arena *a = arena_new();
    if (!a || !mkdtemp(folder)) return 1;
    test_places(a, folder), test_results(a, folder);
    rmdir(folder);
    arena_free(a);
    return done();
}
