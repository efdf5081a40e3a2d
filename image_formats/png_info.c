/* png_info.c - the settings that a PNG was made with.
 *
 * The web UI stores the prompt and the settings of a picture inside it, as the text chunk "parameters", and persona
 * does the same.  So it can be found whether a picture with these settings is finished already.  Any file may be
 * asked: a broken file, or one that is no PNG, has no settings, and this is not a failure. */
#include "png_info.h"

#include "files.h"
#include "png.h"

typedef struct { Arena *a; const char *path; char *text; } Reading;

static void read_settings(void *reading)
{
    Reading *r = reading;
    Bytes png = file_map(r->a, r->path);
    r->text = png_text(png.data, png.size, "parameters");
}

const char *png_settings(Arena *a, const char *path)
{
    char why[MESSAGE];
    size_t before = mark(a);
    Reading r = { .a = a, .path = path };
    if (file_is(path)) attempt(a, read_settings, &r, why);
    release(a, before);                  /* the file is unmapped; the text came from malloc and stays */
    return arena_own(a, r.text);
}
