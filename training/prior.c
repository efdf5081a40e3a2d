/* prior.c - class images for prior preservation.
 *
 * A model that is trained on fifteen photos of one woman forgets all others.  DreamBooth (Ruiz et al., 2022)
 * therefore also trains it on pictures of "a woman" that the model itself has drawn before the training.
 * objective.c says how much they count.  diffusers: --with_prior_preservation; kohya: reg images.
 *
 * Each picture depends on its own seed only, and is kept.  So the next run finds it, and a set that was interrupted,
 * or lost some pictures, becomes the same set again. */
#include "prior.h"

#include "chars.h"
#include "files.h"
#include "generate.h"
#include "own_pictures.h"
#include "png.h"
#include "png_info.h"

#include <string.h>

typedef struct {
    Arena           *a;
    const Job       *job;
    const char      *folder;
    size_t           count, done;
    const Callbacks *callbacks;
} Set;

static const char *path_of(const Set *s, size_t i) { return format(s->a, "%s/%04zu.png", s->folder, i + 1); }

static void draw_one(Set *s, size_t i, const char *path)
{
    const Callbacks quiet = callbacks_silent(s->callbacks);
    size_t size;
    Job job = *s->job;
    job.frames = 1;
    job.motion = NULL;
    job.seed += i;
    job.upscaler = "None";                   /* they are learned from at the size that is drawn */
    Pictures p = generate(s->a, &job, &quiet);
    unsigned char *png = arena_own(s->a, png_encode(p.rgb, p.width, p.height, s->job->prompt, &size));
    if (!png) fail(s->a, "%s: out of memory", path);
    files_save(s->a, &(File){ path, own_picture_mark(s->a, (Bytes){ png, size }, OWN_CLASS_IMAGE) }, 1);
}

static void draw_missing(void *set)
{
    Set *s = set;
    for (; s->done < s->count; s->done++) {
        size_t before = mark(s->a);
        const char *path = path_of(s, s->done);
        if (file_is(path)) continue;
        callbacks_progress(s->callbacks, "class picture", (int)s->done, (int)s->count);
        draw_one(s, s->done, path);
        release(s->a, before);
    }
    callbacks_progress(s->callbacks, "done", (int)s->count, (int)s->count);
}

/* A picture says in its settings what it was drawn of.  Other words than now mean that --class_prompt was another
 * one. */
static void warn_of_other_words(const Set *s)
{
    size_t before = mark(s->a);
    for (size_t i = 0; i < s->count; i++) {
        const char *path = path_of(s, i);
        const char *words = png_settings(s->a, path);
        if (!words || !strcmp(words, s->job->prompt)) continue;
        callbacks_say(s->callbacks, "warning: %s was drawn of %s, not of what --class_prompt says now; "
                      "without that folder all are drawn anew", path, quoted(s->a, words));
        break;
    }
    release(s->a, before);
}

static size_t count_there(const Set *s)
{
    size_t there = 0;
    for (size_t i = 0; i < s->count; i++)
        if (file_is(path_of(s, i))) there++;
    return there;
}

void prior_draw(Arena *a, const Job *job, const char *folder, size_t count, const Callbacks *callbacks)
{
    Set s = { .a = a, .job = job, .folder = folder, .count = count, .callbacks = callbacks };
    char why[MESSAGE];
    size_t there = count_there(&s);
    if (there) callbacks_say(callbacks, "%s: %s there already, kept", folder, amount(a, there, "class picture"));
    warn_of_other_words(&s);
    if (there == count) return;
    callbacks_say(callbacks, "%s: draws %s: %s", folder, amount(a, count - there, "class picture"), job->prompt);
    folder_make(a, folder);
    if (!attempt(a, draw_missing, &s, why)) return;
    FailKind kind = fail_kind(a);
    if (kind != CANCELLED) fail_as(a, kind, "%s", why);
    fail_as(a, kind, "interrupted after %zu of %zu class pictures, which stay in %s; "
                     "the same command goes on from there",
            s.done, count, folder);
}
