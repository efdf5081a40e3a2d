/* draw_batch.c - several pictures in one run: the web UI's batch count.
 *
 * Each is what its seed and the same settings make alone: the first has the seed that was given or drawn at random, the
 * others those behind it.  A seed at random is kept in a state beside the target until all are drawn, so the same
 * command goes on with it after an interruption.  The first picture that fails says what is wrong with all, and nothing
 * more is tried.  Later the others are drawn all the same, and in the end it is said how many failed. */
#include "draw_batch.h"

#include "chars.h"
#include "draw_check.h"
#include "draw_target.h"
#include "sweep.h"

#include <stdio.h>
#include <string.h>

/* A grid has a seed axis of its own, and standard output is one file. */
void draw_batch_check(void *run)
{
    Run *r = run;
    if (run_is_typed(r, "batch")) r->status = MISUSED;
    if (sweep_asked(&r->request))
        fail(r->a, "Batch count is %d, and this is a grid; give it an axis, as --z \"Seed: 1-4\"", r->request.batch);
    if (draw_target_is_streamed(r))
        fail(r->a, "Batch count is %d, and standard output is one file; name files with -o", r->request.batch);
}

static void draw_or_tell(Run *r, RunCommand *draw_picture, size_t *finished)
{
    char why[MESSAGE];
    if (!attempt(r->a, draw_picture, r, why)) {
        ++*finished;
        fflush(stdout);
        return;
    }
    terminal_end(&r->terminal);
    if (!*finished && !*r->stopped) fail(r->a, "%s", why);
    if (strcmp(why, "interrupted")) terminal_print(why);
    if (*r->stopped && *finished) fail(r->a, "interrupted; %s finished", amount(r->a, *finished, "picture"));
    if (*r->stopped) fail(r->a, "interrupted");
    r->options.faults.size = 0;
    r->options.faults.count = 0;
}

void draw_batch(Run *r, RunCommand *draw_picture)
{
    if (!r->request.seeded) {
        draw_choose_seed(r);
        if (!r->is_check) draw_say_seed(r);
    }
    const Request asked = r->request;
    ClipState seed_kept = r->state;
    if (r->is_seed_random && !r->is_check) clip_state_save_seed(r->a, &seed_kept, asked.job.seed);
    const char *stem = without_extension(r->a, r->out);
    const char *ending = file_extension(r->out);
    int digits = (int)strlen(format(r->a, "%d", asked.batch));
    size_t finished = 0;
    r->is_seed_random = 0;                       /* it was said */
    r->is_redrawn = 0;                           /* none of them is the picture that the settings came from */
    for (int i = 0; i < asked.batch && !(r->is_check && i); i++) {
        size_t before = mark(r->a);
        r->request = asked;
        r->request.job.seed += (uint64_t)i;
        draw_target_set(r, format(r->a, "%s-%0*d%s", stem, digits, i + 1, ending));
        unsigned long long seed = r->request.job.seed;
        run_say(r, format(r->a, "picture %d of %d: seed %llu, %s", i + 1, asked.batch, seed, r->out));
        if (r->is_check) draw_picture(r);
        else draw_or_tell(r, draw_picture, &finished);
        release(r->a, before);
    }
    clip_state_done(r->a, &seed_kept);
    size_t failed = r->is_check ? 0 : (size_t)asked.batch - finished;
    if (failed) fail(r->a, "%s failed; %zu are drawn", amount(r->a, failed, "picture"), finished);
}
