/* attention_files.c - --attention: the attention maps of a drawing job into files.
 *
 * Two pictures for each word: "prompt-attention-hair.png" has the heat over the frames,
 * "prompt-attention-hair-layers.png" the same layer by layer.  They are saved before the picture itself, which is well
 * without them: what cannot be saved is a warning.  A file that is there and differs is kept, as that of a picture is.
 *
 * A word becomes part of a name: what file systems or shells do not like is "_" there. */
#include "attention_files.h"

#include "attention_pictures.h"
#include "chars.h"
#include "output.h"
#include "png.h"

#include <string.h>

enum { MOST_OF_WORD = 60 };

/* "red sweater" -> "red_sweater" */
static const char *as_name(Arena *a, const char *word)
{
    size_t n = strlen(word);
    while (n > MOST_OF_WORD || (n < strlen(word) && ((unsigned char)word[n] & 0xc0) == 0x80)) n--;
    char *name = copy(a, word, n);
    for (char *c = name; *c; c++)
        if (!word_character(*c) && *c != '-' && (unsigned char)*c < 128) *c = '_';
    return name;
}

typedef struct { Arena *a; Bytes content; } Drawn;

static void save_drawn(void *drawn, const char *path)
{
    const Drawn *d = drawn;
    files_save(d->a, &(File){ path, d->content }, 1);
}

/* Is this file, to the byte, at that path? */
static int is_there(Arena *a, const char *path, Bytes content)
{
    if (!file_is(path)) return 0;
    size_t before = mark(a);
    Bytes there = file_map(a, path);
    int is = there.size == content.size && !memcmp(there.data, content.data, content.size);
    release(a, before);
    return is;
}

static const char *save_picture(Run *r, const char *path, Picture p)
{
    size_t bytes;
    unsigned char *png = arena_own(r->a, png_encode(p.rgb, p.width, p.height, NULL, &bytes));
    if (!png) fail(r->a, "%s: no memory for a PNG of %dx%d", path, p.width, p.height);
    Drawn d = { r->a, { png, bytes } };
    if (is_there(r->a, path, d.content)) return path;
    return output_save(r->a, path, !r->options.overwrite, NULL, save_drawn, &d, &r->callbacks);
}

/* The pictures of one word. */
typedef struct { Run *r; const char *word; Picture strip, sheet; } WordFiles;

static void save_word(void *files)
{
    const WordFiles *f = files;
    Run *r = f->r;
    const char *target = r->placed ? r->placed : r->state.target;
    const char *stem = format(r->a, "%s-attention-%s", without_extension(r->a, target), as_name(r->a, f->word));
    const char *strip = save_picture(r, format(r->a, "%s.png", stem), f->strip);
    const char *sheet = save_picture(r, format(r->a, "%s-layers.png", stem), f->sheet);
    run_say(r, format(r->a, "attention of %s: %s, %s", f->word, strip, sheet));
}

static void save_maps(void *run, const char *word, Picture strip, Picture sheet)
{
    Run *r = run;
    char why[MESSAGE];
    WordFiles f = { r, word, strip, sheet };
    if (attempt(r->a, save_word, &f, why))
        run_say(r, format(r->a, "warning: the attention map of %s cannot be saved: %s", word, why));
}

void attention_files_ask(Run *r, const char *words)
{
    AttentionWish *wish = allocate(r->a, 1, sizeof *wish);
    *wish = (AttentionWish){ .asked = words, .on_map = save_maps, .to = r };
    r->callbacks.attention = wish;
}
