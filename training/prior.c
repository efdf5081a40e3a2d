/* prior.c - class pictures.
 *
 * Who learns one woman from fifteen photos forgets all others.  DreamBooth (Ruiz et al., 2022) shows the model, between the photos, what it
 * used to make of "a woman": what it draws itself, before it learns anything.  Each picture depends on its own seed only, and is
 * kept, so that another run finds it, and a set that was interrupted, or lost some, becomes the same set again. */
#define _POSIX_C_SOURCE 200809L
#include "prior.h"

#include "chars.h"
#include "generate.h"
#include "png.h"
#include "result.h"

#include <string.h>

typedef struct { Arena *a; const Job *job; const char *folder; size_t count, done; const Watch *watch; } Set;

static const char *path_of(const Set *s, size_t i) { return format(s->a, "%s/%04zu.png", s->folder, i + 1); }

static void draw(void *set)
{
    Set *s = set;
    const Watch quiet = { .stop = s->watch ? s->watch->stop : NULL };
    for (; s->done < s->count; s->done++) {
        size_t before = mark(s->a), size;
        const char *path = path_of(s, s->done);
        if (file_is(path)) continue;
        watch_progress(s->watch, "class picture", (int)s->done, (int)s->count);
        Job job = *s->job;
        job.frames = 1, job.motion = NULL, job.seed += s->done;
        Pictures p = generate(s->a, &job, &quiet);
        unsigned char *png = adopt(s->a, png_encode(p.rgb, p.width, p.height, s->job->prompt, &size));
        if (!png) fail(s->a, "%s: out of memory", path);
        files_save(s->a, &(File){ path, { png, size } }, 1);
        release(s->a, before);
    }
    watch_progress(s->watch, "done", (int)s->count, (int)s->count);
}

/* the words that a picture there says it was drawn of, when they are others; NULL: it says none, or is not there */
static const char *other_words(const Set *s, const char *path)
{
    const char *words = settings_in(s->a, path);
    return words && strcmp(words, s->job->prompt) ? words : NULL;
}

static void warn_of_words(const Set *s)
{
    size_t before = mark(s->a);
    const char *words = NULL, *path = NULL;
    for (size_t i = 0; i < s->count && !words; i++) words = other_words(s, path = path_of(s, i));
    if (words) watch_say(s->watch, "warning: %s was drawn of %s, not of what --class_prompt says now; without that folder all are drawn anew", path, quoted(s->a, words));
    release(s->a, before);
}

void prior_draw(Arena *a, const Job *job, const char *folder, size_t count, const Watch *watch)
{
    Set s = { a, job, folder, count, 0, watch };
    size_t there = 0;
    char why[1024];
    for (size_t i = 0; i < count; i++) there += (size_t)file_is(path_of(&s, i));
    if (there) watch_say(watch, "%s: %s there already, kept", folder, amount(a, there, "class picture"));
    warn_of_words(&s);
    if (there == count) return;
    watch_say(watch, "%s: draws %s: %s", folder, amount(a, count - there, "class picture"), job->prompt);
    folder_make(a, folder);
    if (!attempt(a, draw, &s, why)) return;
    if (strcmp(why, "interrupted")) fail(a, "%s", why);
    fail(a, "interrupted after %zu of %zu class pictures, which stay in %s; the same command goes on from there", s.done, count, folder);
}
