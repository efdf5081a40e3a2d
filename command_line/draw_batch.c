/* draw_batch.c - several pictures in one run: the web UI's batch count.
 *
 * Each is what its seed and the same settings make alone: the first has the seed that was given or drawn at random, the
 * others those behind it.  Until all are drawn, a state beside the target says with which seed they began, and of each
 * that is finished a digest of its files.  So after an interruption, or when one has failed, the same command draws
 * those that are missing, and one that is there as it was saved is kept.
 *
 * The first picture that fails says what is wrong with all, and nothing more is tried.  Later the others are drawn all
 * the same, and in the end it is said how many failed. */
#include "draw_batch.h"

#include "chars.h"
#include "draw_check.h"
#include "draw_target.h"
#include "sweep.h"

#include <stdio.h>
#include <stdlib.h>
#include <string.h>

/* A grid has a seed axis of its own, and standard output is one file. */
void draw_batch_check(void *run)
{
    Run *r = run;
    if (run_is_typed(r, "batch")) r->status = MISUSED;
    if (sweep_asked(&r->request))
        fail(r->a, "Batch count is %d, and this is a grid; give it an axis, as --z \"Seed: 1-4\"", r->request.batch);
    const char *stream = draw_target_stream(r);
    if (stream) fail(r->a, "Batch count is %d, and %s is one file; name files with -o", r->request.batch, stream);
}

/* ---- which are finished ------------------------------------------------------------------------ */

typedef struct { Run *r; const char *path; size_t count; char *text; } Written;

/* "3 0123456789abcdef": so many files, and a digest of their bytes. */
static void describe(void *written)
{
    Written *w = written;
    uint64_t h = 0;
    for (size_t i = 0; i < w->count; i++) {
        Bytes file = file_map(w->r->a, result_file_path(w->r->a, w->path, i, w->count));
        h = digest(h, file.data, file.size);
    }
    snprintf(w->text, NOTE_TEXT, "%zu %016llx", w->count, (unsigned long long)h);
}

/* Is the picture there, as the state says that it was saved?  Its paths then go to standard output. */
static int is_finished(Run *r, const char *note)
{
    char why[MESSAGE], text[NOTE_TEXT] = "";
    Written w = { .r = r, .path = r->out, .count = strtoul(note, NULL, 10), .text = text };
    size_t before = mark(r->a);
    int is_there = w.count && !attempt(r->a, describe, &w, why) && !strcmp(text, note);
    release(r->a, before);
    for (size_t i = 0; is_there && i < w.count; i++) printf("%s\n", result_file_path(r->a, r->out, i, w.count));
    return is_there;
}

/* What is saved under another name is not looked for there. */
static void note_finished(Run *r, char text[NOTE_TEXT])
{
    char why[MESSAGE];
    Written w = { .r = r, .path = r->out, .count = r->saved_files, .text = text };
    size_t before = mark(r->a);
    attempt(r->a, describe, &w, why);
    release(r->a, before);
}

/* ---- all of them ------------------------------------------------------------------------------- */

typedef struct {
    Run       *r;
    Request    asked;                    /* with the seed of the first */
    ClipState  state;
    KeyValue  *note;                     /* [notes] of the pictures that are finished */
    size_t     notes;
} Batch;

static Batch begin(Run *r)
{
    Batch b = { .r = r };
    if (!r->request.seeded) {
        draw_choose_seed(r);
        if (!r->is_check) draw_say_seed(r);
    }
    else r->state.asked = prompt_infotext(r->a, &r->request);
    b.asked = r->request;
    b.state = r->state;
    b.note = allocate(r->a, (size_t)r->request.batch, sizeof *b.note);
    r->is_seed_random = 0;                       /* it was said */
    r->is_redrawn = 0;                           /* none of them is the picture that the settings came from */
    return b;
}

static void save_state(Batch *b)
{
    clip_state_save_begun(b->r->a, &b->state, b->asked.job.seed, b->note, b->notes);
}

/* Returns whether it was drawn. */
static int draw_or_tell(const Batch *b, RunCommand *draw_picture)
{
    Run *r = b->r;
    char why[MESSAGE];
    if (!attempt(r->a, draw_picture, r, why)) {
        fflush(stdout);
        return 1;
    }
    terminal_end(&r->terminal);
    if (!b->notes && !*r->stopped) {
        ClipState nothing_done = b->state;
        clip_state_done(r->a, &nothing_done);
        fail(r->a, "%s", why);
    }
    if (strcmp(why, "interrupted")) terminal_print(why);
    if (*r->stopped && b->notes) fail(r->a, "interrupted; %s finished", amount(r->a, b->notes, "picture"));
    if (*r->stopped) fail(r->a, "interrupted");
    r->options.faults.size = 0;
    r->options.faults.count = 0;
    return 0;
}

/* Returns whether picture i, from 0, is finished.  text: the note of it */
static int draw_one(Batch *b, int i, RunCommand *draw_picture, const char *note, char text[NOTE_TEXT])
{
    Run *r = b->r;
    r->request = b->asked;
    r->request.job.seed += (uint64_t)i;
    unsigned long long seed = r->request.job.seed;
    const char *kept = note && is_finished(r, note) ? " is there already" : "";
    run_say(r, format(r->a, "picture %d of %d: seed %llu, %s%s", i + 1, b->asked.batch, seed, r->out, kept));
    if (r->is_check) {
        draw_picture(r);
        return 0;
    }
    snprintf(text, NOTE_TEXT, "%s", *kept ? note : "0");
    if (*kept) return 1;
    int is_drawn = draw_or_tell(b, draw_picture);
    if (is_drawn) note_finished(r, text);
    return is_drawn;
}

void draw_batch(Run *r, RunCommand *draw_picture)
{
    const char *stem = without_extension(r->a, r->out);
    const char *ending = file_extension(r->out);
    Batch b = begin(r);
    const WeightFile *before = r->is_check ? NULL : clip_state_asked(r->a, &b.state);
    int digits = (int)strlen(format(r->a, "%d", b.asked.batch));
    if (!r->is_check) save_state(&b);
    for (int i = 0; i < b.asked.batch && !(r->is_check && i); i++) {
        const char *name = format(r->a, "picture %d", i + 1);
        char *text = allocate(r->a, NOTE_TEXT, 1);
        size_t start = mark(r->a);
        draw_target_set(r, format(r->a, "%s-%0*d%s", stem, digits, i + 1, ending));
        int is_drawn = draw_one(&b, i, draw_picture, before ? file_metadata(before, name) : NULL, text);
        release(r->a, start);
        if (!is_drawn) continue;
        b.note[b.notes++] = (KeyValue){ name, text };
        save_state(&b);
    }
    if (r->is_check) return;
    size_t failed = (size_t)b.asked.batch - b.notes;
    if (failed)
        fail(r->a, "%s failed; %zu are drawn; the same command draws what is missing", amount(r->a, failed, "picture"),
             b.notes);
    clip_state_done(r->a, &b.state);
}
