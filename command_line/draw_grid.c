/* draw_grid.c - a grid of pictures in place of one: the X/Y/Z plot of sweep.h, as a run of the program draws it.
 *
 * Finished cells are kept in a folder beside the grid until it is saved, so the same command goes on after an
 * interruption.  With a seed at random this needs the seed that the grid began with: it is in the state beside the
 * target.  Where that could not be written, the message of a failure says which seed to give. */
#include "draw_grid.h"

#include "chars.h"
#include "draw_target.h"
#include "sweep.h"

static const char *cells_folder(Run *r)
{
    const char *stem = draw_target_stream(r) ? "persona" : without_extension(r->a, r->out);
    return format(r->a, "%s.cells", stem);
}

/* A wrong axis that was given as an option is the fault of the command line. */
void draw_grid_read(void *run)
{
    Run *r = run;
    const Options *o = &r->options;
    for (size_t i = 0; i < o->givens; i++)
        if (setting_is_axis(o->given[i].setting)) r->status = MISUSED;
    r->sweep = sweep_read(r->a, &r->request);
}

void draw_grid_check(void *run)
{
    Run *r = run;
    const SearchPath *path = run_search_path(r, r->options.input);
    Faults *faults = &r->options.faults;
    sweep_draw_prompts(r->a, r->sweep, run_wildcards(r), r->prompt_label, faults);
    sweep_check(r->a, r->sweep, &r->request, path, r->out, &r->callbacks, faults);
}

Pictures draw_grid(Run *r)
{
    const char *command = "the same command";
    unsigned long long seed = r->request.job.seed;
    clip_state_save_begun(r->a, &r->state, seed, NULL, 0);
    int is_seed_lost = r->is_seed_random && !r->state.is_ours;
    if (is_seed_lost) command = format(r->a, "the same command with --seed %llu", seed);
    return sweep_draw(r->a, r->sweep, cells_folder(r), r->options.keep_cells, command, &r->callbacks);
}

void draw_grid_done(Run *r)
{
    sweep_done(r->a, r->sweep, cells_folder(r));
}
