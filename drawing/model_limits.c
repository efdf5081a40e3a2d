/* model_limits.c - what a model was not made for, told before the work.
 *
 * The model that comes with persona draws one portrait of 128x128 in two hundred words.  Asked for 512x512 it draws a
 * wallpaper of heads, and a word that it does not know is passed over.  Neither is an error, and the picture may be
 * wanted.  So each is one warning, which says what is wrong and what to use.  Model and limits are those of the model's
 * metadata (model_spec.c); a model that says nothing of its limits is never warned about.
 *
 * The words that may stand in a prompt are those of the model, those that the LoRAs of the job were trained with, and
 * the names of embeddings.  A LoRA whose file does not say what it was trained with may know any word, so with it
 * nothing is told. */
#include "model_limits.h"

#include "chars.h"
#include "json_tree.h"
#include "known_words.h"
#include "reconstruction.h"

#include <string.h>

const char large_model[] = "a Stable Diffusion 1.5 checkpoint, as --model v1-5-pruned-emaonly (docs/files.md says "
                           "where they are)";

/* ---- size -------------------------------------------------------------------------------------- */

static const char *size_text(Arena *a, PixelSize s) { return format(a, "%dx%d", s.width, s.height); }

void limits_tell_size(Arena *a, const ModelSpec *m, const char *model, PixelSize size, const char *label,
                      const Callbacks *callbacks)
{
    size_t before = mark(a);
    PixelSize near = model_spec_nearest_size(m, size);
    if (near.width == size.width && near.height == size.height) return;
    callbacks_say(callbacks, "warning: %s %s is not what %s was made for: it draws well from %s to %s, and at other "
                  "sizes several pictures in one, or parts of them; use %s, or %s", label, size_text(a, size), model,
                  size_text(a, m->least), size_text(a, m->most), size_text(a, near), large_model);
    release(a, before);
}

/* ---- words ------------------------------------------------------------------------------------- */

typedef struct { Arena *a; const char *path; Lines *known; int says; } Adapter;

/* {"10_sks": {"red hair": 7}} or {"10_sks person": {"n_repeats": 10}}: the keys, and with `inner` those in them */
static void add_keys(Adapter *l, const char *json, int inner)
{
    if (!json) return;
    Bytes text = { (const unsigned char *)json, strlen(json) };
    const JsonValue *all = json_tree(l->a, l->path, "metadata", text);
    for (const JsonValue *folder = all->first; folder; folder = folder->next) {
        if (folder->key) lines_add(l->a, l->known, folder->key);
        for (const JsonValue *tag = inner ? folder->first : NULL; tag; tag = tag->next)
            if (tag->key) lines_add(l->a, l->known, tag->key);
        l->says = 1;
    }
}

static void add_value(Adapter *l, const char *value)
{
    if (!value) return;
    lines_add(l->a, l->known, value);
    l->says = 1;
}

/* What kohya's trainer and ours write, and modelspec's key for it. */
static void read_adapter(void *to)
{
    Adapter *l = to;
    const WeightFile *f = weights_open(l->a, l->path);
    lines_add(l->a, l->known, without_extension(l->a, file_name(l->path)));
    for (size_t i = 0; i < f->count; i++)
        if (begins(f->weight[i].name, "bundle_emb.")) lines_add(l->a, l->known, f->weight[i].name);
    add_value(l, file_metadata(f, "modelspec.trigger_phrase"));
    add_value(l, file_metadata(f, "ss_trigger_words"));
    add_keys(l, file_metadata(f, "ss_dataset_dirs"), 0);
    add_keys(l, file_metadata(f, "ss_tag_frequency"), 1);
}

/* Returns 0 when the file does not say what it was trained with, or says it in a broken way. */
static int add_words_of_adapter(Arena *a, const char *path, Lines *known)
{
    char why[MESSAGE];
    Adapter l = { .a = a, .path = path, .known = known };
    return !attempt(a, read_adapter, &l, why) && l.says;
}

/* Names of embeddings.  Those that a file gives itself are in it, and those files are many, so they are not opened. */
static void add_names(Arena *a, const Job *j, Lines *known)
{
    for (size_t i = 0; i < j->embeddings; i++)
        lines_add(a, known, without_extension(a, file_name(j->embedding[i])));
}

void limits_tell_words(Arena *a, const ModelSpec *m, const Job *j, const Callbacks *callbacks)
{
    enum { SHOWN = 40 };
    Lines known = { 0 }, unknown = { 0 };
    int says = callbacks && callbacks->say && m->words && j->prompt;
    if (!says) return;
    size_t before = mark(a);
    lines_add(a, &known, m->words);
    add_names(a, j, &known);
    for (size_t i = 0; i < j->loras && says; i++) says = add_words_of_adapter(a, j->lora[i].path, &known);
    if (says) unknown_words(a, j->prompt, &known, &unknown);
    const char *more = unknown.count > SHOWN ? ", and more" : "";
    if (unknown.count > SHOWN) unknown.count = SHOWN;
    const char *line = format(a, "warning: %s does not know %s%s: such words change little or nothing; persona.words "
                              "in persona info --verbose %s are those that it knows, others need a LoRA that was "
                              "taught them, as <lora:NAME:1>, or %s", j->model, lines_joined(a, &unknown, ", "), more,
                              j->model, large_model);
    if (unknown.count) callbacks->say(callbacks->to, line);      /* longer than callbacks_say() formats */
    release(a, before);
}

/* ---- kind of picture --------------------------------------------------------------------------- */

void limits_tell_picture(const ModelSpec *m, const char *model, const char *picture, double error,
                         const Callbacks *callbacks)
{
    if (!m->pictures || error <= MOST_RECONSTRUCTION_ERROR) return;
    callbacks_say(callbacks, "warning: %s is another kind of picture than %s was made for, %s: its autoencoder gives "
                  "it back with an error of %.0f of 255, and theirs with one below 10; for a photograph use %s",
                  picture, model, m->pictures, error, large_model);
}
