/* draw_check.c - everything about a drawing that can be known before the minutes of work.
 *
 * The format of the result and its folder, the axes of a grid, every name, every tensor of every file: each check is
 * tried by itself, so that all that is wrong is told together, and the run ends once.  A fault that makes a check
 * meaningless leaves that check out: which model a file names that cannot be read is not known, so nothing is said of
 * the small one, and a grid whose axes are wrong is checked as the one picture that it is without them.
 *
 * Drawing does a dry run itself, so here it is done only for persona check, or when something is wrong already. */
#include "draw_check.h"

#include "chars.h"
#include "draw_grid.h"
#include "draw_target.h"
#include "drawn_prompts.h"
#include "generate.h"
#include "output.h"
#include "request_paths.h"
#include "sweep.h"
#include "system.h"

#include <string.h>

/* ---- the seed ---------------------------------------------------------------------------------- */

void draw_choose_seed(Run *r)
{
    uint64_t seed;
    r->state.asked = prompt_infotext(r->a, &r->request);
    int is_going_on = clip_state_drawn_seed(r->a, &r->state, &seed);
    run_choose_seed(r);
    if (is_going_on) r->request.job.seed = seed;
}

void draw_say_seed(Run *r)
{
    unsigned long seed = (unsigned long)r->request.job.seed;
    run_say(r, format(r->a, "seed %lu, drawn at random; --seed %lu draws this picture again", seed, seed));
}

/* ---- one check each ---------------------------------------------------------------------------- */

/* Settings that were pasted are those of another model: then it matters which one draws.  A file that cannot be read
 * may name one. */
static void say_whose_model(Run *r)
{
    const Request *q = &r->request;
    int is_named = q->model.text || q->model_hash.text || q->hashes.text;
    if (r->is_input_wrong) return;
    if (q->job.width && !is_named) run_say(r, "no Model is named, so the small one that comes with persona draws");
}

static void check_result(void *run)
{
    Run *r = run;
    const Options *o = &r->options;
    const char *stream = draw_target_stream(r);
    Result result = draw_target_result(r);
    int is_contradicted = o->format && result_has_format(r->out) && !same(file_extension(r->out) + 1, o->format);
    if (is_contradicted)
        run_misuse(r, format(r->a, "%s: --format is %s; leave one of them out", r->out, o->format));
    int is_standard_output = stream && !strcmp(stream, "standard output");
    if (is_standard_output && system_output_is_terminal())
        run_misuse(r, "standard output is a terminal, which shows no picture; send it on: persona ... -o - >me.gif");
    r->status = result_has_format(r->out) ? FAILED : MISUSED;         /* a wrong ending was typed */
    result_check(r->a, &result, r->is_redrawn ? NULL : o->input);
}

static void draw_prompts(void *run)
{
    Run *r = run;
    prompts_draw(r->a, &r->request, run_wildcards(r), r->prompt_label);
}

static void find_files(void *run)
{
    Run *r = run;
    search_path_try(r->a, run_search_path(r, r->options.input), &r->request, &r->options.faults);
}

/* Which model a file names that could not be read is not known, so nothing is said of one. */
static void forget_unread_names(Run *r)
{
    if (!r->is_input_wrong) return;
    if (!run_is_typed(r, "model")) r->request.job.model = "";
    if (!run_is_typed(r, "motion")) r->request.job.motion = "";
}

static void spare_init(void *run)
{
    Run *r = run;
    output_spare(r->a, r->out, r->request.job.init);
    output_spare(r->a, r->out, r->request.job.last);
    output_spare(r->a, r->out, r->request.job.mask);
}

static void check_one(void *run)
{
    Run *r = run;
    Faults *faults = &r->options.faults;
    Plan plan = generate_faults(r->a, &r->request.job, &r->callbacks, faults);
    if (!faults->count) plan_say(r->a, &plan, &r->callbacks);
}

/* A stream is one file. */
static void check_stream(void *run)
{
    Run *r = run;
    const Job *j = &r->request.job;
    int is_clip = j->frames > 1 || (!j->frames && j->motion);
    const char *stream = draw_target_stream(r);
    if (stream && same(file_extension(r->out), ".png") && is_clip)
        fail(r->a, "%s: a clip as PNG is a file for each frame; --format apng or gif makes it one, "
                   "--frames 1 a still", stream);
}

/* What final latents are decoded with; everything else was decided when they were made, and stands in their file. */
static const char *const OF_DECODING[] = { "model", "vae", "vae-hash", "precision", "fps", "max-size", NULL };

static void check_latents(void *run)
{
    Run *r = run;
    const Options *o = &r->options;
    for (size_t i = 0; i < o->givens && r->latents.parameters; i++) {
        const char *flag = o->given[i].setting->flag;
        if (is_one_of(OF_DECODING, flag)) continue;
        run_add_typed(r, format(r->a, "--%s would change the picture, but latents are only decoded; leave it out, or "
                                      "draw anew from the words", flag));
    }
    if (r->options.attention && r->latents.x.x)
        run_misuse(r, "--attention is of drawing, and latents are only decoded; draw anew from the words");
    if (r->options.attention && sweep_asked(&r->request))
        run_misuse(r, "--attention is for one picture; draw a cell of the grid alone");
    if (r->options.keep_latents && sweep_asked(&r->request))
        run_misuse(r, "--keep-latents is for one picture; draw a cell of the grid alone");
}

/* ---- all checks -------------------------------------------------------------------------------- */

/* One picture: its names, and everything that a dry run finds.  Without a fault so far, drawing does the dry run. */
static void check_picture(Run *r)
{
    run_try(r, draw_prompts);
    run_try(r, find_files);
    forget_unread_names(r);
    int is_well = !r->options.faults.count;
    if (is_well && r->is_seed_random && !r->is_check) draw_say_seed(r);
    run_try(r, spare_init);
    if (r->is_check || !is_well) run_try(r, check_one);
}

/* Where nobody named the path and something is there, it is known before the work what the picture will be called.
 * The settings by which it is known are complete after a dry run. */
static void place(Run *r)
{
    Request complete = r->request;
    Result result = draw_target_result(r);
    int is_open = !result.is_named && !result.is_redrawn && system_file_exists(r->out);
    if (result.is_streamed || !(r->is_check || is_open)) return;
    result.request = &complete;
    if (!r->is_check && !r->sweep) generate_check(r->a, &complete.job, NULL);
    r->placed = result_place(r->a, &result);
}

void draw_check(Run *r)
{
    if (r->options.output || !r->is_input_wrong) run_try(r, check_result);
    if (!r->request.seeded) draw_choose_seed(r);
    say_whose_model(r);
    if (sweep_asked(&r->request)) run_try(r, draw_grid_read);
    if (r->sweep && r->is_seed_random && !r->is_check) draw_say_seed(r);
    if (r->sweep) run_try(r, draw_grid_check);
    else check_picture(r);
    run_try(r, check_stream);
    run_try(r, check_latents);
    run_end_if_faulty(r);
    place(r);
}

void draw_check_passed(Run *r)
{
    const Options *o = &r->options;
    const char *how = "all is well; without check it draws";
    size_t warnings = (size_t)r->terminal.warnings;
    const char *count = amount(r->a, warnings, "warning");
    if (warnings) how = format(r->a, "%s above; without check it draws, all the same,", count);
    const char *stream = draw_target_stream(r);
    const char *where = stream ? format(r->a, "to %s", stream) : r->placed;
    run_say(r, format(r->a, "%s: %s %s", o->input ? o->input : "--prompt", how, where));
}
