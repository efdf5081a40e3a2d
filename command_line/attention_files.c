/* attention_files.c - --attention: the attention maps of a drawing job into files.
 *
 * Two pictures for each word: "prompt-attention-hair.png" has the heat over the frames,
 * "prompt-attention-hair-layers.png" the same layer by layer.  They are saved before the picture itself, which is well
 * without them: what cannot be saved is a warning.  A file that is there and differs is kept, as that of a picture is.
 *
 * A word becomes part of a name: what file systems or shells do not like is "_" there.  Two words may become the same
 * name ("red hair", "red/hair"), or that of another word's layers; the later one gets a number then, "red_hair-2". */
#include "attention_files.h"

#include "attention_pictures.h"
#include "chars.h"
#include "output.h"
#include "png.h"

#include <stdio.h>
#include <string.h>

enum { MOST_OF_WORD = 60, MOST_OF_NAME = MOST_OF_WORD + 8 };

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

/* The names of the words so far.  What is allocated for one word is gone at the next, so they are kept here. */
typedef struct {
    Run   *r;
    size_t count;
    char   name[ATTENTION_WORDS][MOST_OF_NAME];
} Maps;

/* Would two words of these names share a file? */
static int share_a_file(Arena *a, const char *x, const char *y)
{
    return same(x, y) || same(format(a, "%s-layers", x), y) || same(format(a, "%s-layers", y), x);
}

/* The name, with -2, -3 ... behind it where a word before has it. */
static const char *name_of_its_own(Maps *m, const char *name)
{
    Arena *a = m->r->a;
    const char *own = name;
    int number = 1;
    for (size_t i = 0; i < m->count; ) {
        int is_taken = share_a_file(a, m->name[i], own);
        if (is_taken) own = format(a, "%s-%d", name, ++number);
        i = is_taken ? 0 : i + 1;
    }
    snprintf(m->name[m->count++], MOST_OF_NAME, "%s", own);
    return own;
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
typedef struct { Run *r; const char *word, *name; Picture strip, sheet; } WordFiles;

static void save_word(void *files)
{
    const WordFiles *f = files;
    Run *r = f->r;
    const char *target = r->placed ? r->placed : r->state.target;
    const char *stem = format(r->a, "%s-attention-%s", without_extension(r->a, target), f->name);
    const char *strip = save_picture(r, format(r->a, "%s.png", stem), f->strip);
    const char *sheet = save_picture(r, format(r->a, "%s-layers.png", stem), f->sheet);
    run_say(r, format(r->a, "attention of %s: %s, %s", f->word, strip, sheet));
}

static void save_maps(void *maps, const char *word, Picture strip, Picture sheet)
{
    Maps *m = maps;
    Run *r = m->r;
    char why[MESSAGE];
    WordFiles f = { r, word, name_of_its_own(m, as_name(r->a, word)), strip, sheet };
    if (attempt(r->a, save_word, &f, why))
        run_say(r, format(r->a, "warning: the attention map of %s cannot be saved: %s", word, why));
}

void attention_files_ask(Run *r, const char *words)
{
    AttentionWish *wish = allocate(r->a, 1, sizeof *wish);
    Maps *maps = allocate(r->a, 1, sizeof *maps);
    maps->r = r;
    maps->count = 0;
    *wish = (AttentionWish){ .asked = words, .on_map = save_maps, .to = maps };
    r->callbacks.attention = wish;
}
