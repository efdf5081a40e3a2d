/* persona.c - the command line: words in, a moving picture out.
 *
 *     persona prompt.txt        the file's words and settings    -> prompt.gif
 *     persona out.gif           the settings stored inside       -> the same bytes again
 *     persona train photos      a folder of pictures             -> a LoRA
 *
 * A run is: options, request, names to paths, generate, encode, save.  All of it runs inside one attempt().  So
 * every error ends in one message and one exit status, and nothing is written.  What can be known before the
 * minutes of work is checked before, and all that is wrong is told together: the options, the format of the result,
 * its folder, every name, every tensor.  A fault that makes a check meaningless leaves that check out.
 *
 * stdout carries the path of the result and nothing else; all messages are on stderr.  The only globals are what
 * signals need.  No picture of another job is replaced: it is kept, or the new one gets another name (result.c); and no
 * output file replaces a file that it is made from. */
#include "chars.h"
#include "clip_state.h"
#include "drawn_prompts.h"
#include "files.h"
#include "generate.h"
#include "info_command.h"
#include "list_command.h"
#include "me_command.h"
#include "next_command.h"
#include "output.h"
#include "request_paths.h"
#include "result.h"
#include "run.h"
#include "standard_streams.h"
#include "sweep.h"
#include "system.h"
#include "terminal.h"
#include "train_command.h"

#include <errno.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

/* ---- signals ----------------------------------------------------------------------------------- */

static volatile sig_atomic_t stopped;            /* set by Ctrl-C; see callbacks.h */
static Arena *mapped;                            /* the arena whose files are mapped */

static void on_interrupt(int signal)
{
    (void)signal;
    stopped = 1;
}

/* A file that is cut short while it is mapped, or whose disk goes away, ends the program that reads it. */
static void on_lost_file(const void *address)
{
    const char *path = mapped_file_at(mapped, address);
    system_write_error("\n");
    system_write_error(path ? path : "memory");
    system_write_error(": was cut short, or its disk went away, while it was in use; put it back and begin again\n");
    _Exit(FAILED);
}

/* The second Ctrl-C does not wait for the layer that is being computed. */
static void handle_signals(void)
{
    system_on_interrupt(on_interrupt);
    system_on_lost_file(on_lost_file);
    system_ignore_size_limit();
}

/* ---- the prompt -------------------------------------------------------------------------------- */

/* A job that was interrupted goes on with the seed that was drawn when it began. */
static void choose_seed(Run *r)
{
    uint64_t seed;
    r->state.asked = prompt_infotext(r->a, &r->request);
    int is_going_on = clip_state_drawn_seed(r->a, &r->state, &seed);
    run_choose_seed(r);
    if (is_going_on) r->request.job.seed = seed;
}

/* Settings that were pasted are those of another model: then it matters which one draws. */
static void say_whose_model(Run *r)
{
    const Request *q = &r->request;
    int is_named = q->model.text || q->model_hash.text || q->hashes.text;
    if (q->job.width && !is_named) run_say(r, "no Model is named, so the small one that comes with persona draws");
}

static void say_seed(Run *r)
{
    unsigned long seed = (unsigned long)r->request.job.seed;
    run_say(r, format(r->a, "seed %lu, drawn at random; --seed %lu draws this picture again", seed, seed));
}

static const char DYNAMIC_PROMPTS[] = "extensions/sd-dynamic-prompts/wildcards";       /* in the web UI */

/* The wildcards of dynamic prompts: in folders of that name beside the prompt file, here, and where weights are. */
static Wildcards *wildcards(Run *r)
{
    const Options *o = &r->options;
    size_t count = 0;
    const char **folder = allocate(r->a, 2 * r->folders + 4, sizeof *folder);
    const char *beside = o->input ? folder_of(r->a, o->input) : ".";
    if (strcmp(beside, ".")) folder[count++] = format(r->a, "%s/wildcards", beside);
    folder[count++] = "wildcards";
    for (size_t i = 0; i < r->folders; i++) {
        folder[count++] = format(r->a, "%s/wildcards", r->folder[i].text);
        folder[count++] = format(r->a, "%s/%s", r->folder[i].text, DYNAMIC_PROMPTS);
    }
    folder[count++] = DYNAMIC_PROMPTS;
    folder[count++] = "weights/wildcards";
    return wildcards_new(r->a, folder, count);
}

/* ---- the result -------------------------------------------------------------------------------- */

static int is_streamed(const Options *o)
{
    return o->output && stream_is_output(o->output);
}

static int names_folder(const char *path)
{
    if (!path || result_has_format(path)) return 0;
    return folder_is(path) || path[strlen(path) - 1] == '/';
}

/* Where the picture goes: to -o, or into the folder that it names, to the picture that it comes from, or beside it: a
 * JPEG carries settings, but no clip. */
static const char *output_path(Run *r)
{
    const Options *o = &r->options;
    int has_name = o->input && !file_is_given(r->a, o->input);
    const char *stem = has_name ? without_extension(r->a, o->input) : "persona";
    const char *ending = o->format ? o->format : "gif";
    int is_kept = r->is_redrawn && (!o->format || same(file_extension(o->input) + 1, ending));
    const char *path = is_kept ? o->input : format(r->a, "%s.%s", stem, ending);
    if (is_streamed(o)) return format(r->a, "standard output.%s", ending);
    if (o->output && o->format && !result_has_format(o->output) && !names_folder(o->output))
        return format(r->a, "%s.%s", o->output, ending);
    if (names_folder(o->output)) return search_path_join(r->a, o->output, file_name(path));
    return o->output ? o->output : path;
}

static Result result_of(Run *r)
{
    const Options *o = &r->options;
    return (Result){
        .path = r->out,
        .is_streamed = is_streamed(&r->options),
        .is_named = o->output && !names_folder(o->output),
        .is_redrawn = r->out == o->input,
        .overwrite = o->overwrite,
        .placed = r->placed,
        .request = &r->request,
        .callbacks = &r->callbacks,
    };
}

static void check_result(void *run)
{
    Run *r = run;
    const Options *o = &r->options;
    Result result = result_of(r);
    int is_contradicted = o->format && result_has_format(r->out) && !same(file_extension(r->out) + 1, o->format);
    if (is_contradicted)
        run_misuse(r, format(r->a, "%s: --format is %s; leave one of them out", r->out, o->format));
    if (is_streamed(o) && system_output_is_terminal())
        run_misuse(r, "standard output is a terminal, which shows no picture; send it on: persona ... -o - >me.gif");
    r->status = result_has_format(r->out) ? FAILED : MISUSED;         /* a wrong ending was typed */
    result_check(r->a, &result, r->is_redrawn ? NULL : o->input);
}

static void save(Run *r, const Result *result, Pictures p, double began)
{
    size_t count;
    double bytes = 0;
    File *files = result_save(r->a, result, p, &count);
    if (result->is_streamed) stream_write(r->a, files[0].content);
    for (size_t i = 0; i < count; i++) {
        bytes += (double)files[i].content.size;
        if (!result->is_streamed) printf("%s\n", files[i].path);
    }
    run_say(r, format(r->a, "done in %.1f s, peak memory %.0f MB: %s of %dx%d, %.0f KB", system_seconds() - began,
                      system_memory_peak() / 1e6, amount(r->a, (size_t)p.frames, "frame"), p.width, p.height, bytes / 1e3));
}

/* Saves the final latents beside the picture, before they are decoded.  Others that are there are kept. */
static void save_latents(void *run, Tensor x)
{
    Run *r = run;
    size_t before = mark(r->a);
    const char *path = format(r->a, "%s.latents.safetensors", without_extension(r->a, r->state.target));
    KeptFile *kept = system_file_exists(path) ? output_keep(r->a, path) : NULL;
    latents_save(r->a, path, &(Latents){ .x = x, .parameters = prompt_infotext(r->a, &r->request) });
    run_say(r, format(r->a, "latents: %s", path));
    if (kept) run_say(r, format(r->a, "%s was there, and is %s now", path, output_kept(kept)));
    release(r->a, before);
}

/* How to make another one.  A seed at random is another one each time. */
static void say_another_seed(Run *r)
{
    const char *command = command_of_another_seed(r->a, r->argc, r->argv);
    if (r->is_seed_random) run_say(r, "another picture of these words: the same command again");
    else if (command) run_say_command(r, "another picture of these words", command);
    else run_say(r, "another picture of these words: the same command with --seed -1");
}

/* ---- what can be known before the work ---------------------------------------------------------- */

static void draw_prompts(void *run)
{
    Run *r = run;
    prompts_draw(r->a, &r->request, wildcards(r), r->prompt_label);
}

static void find_files(void *run)
{
    Run *r = run;
    search_path_try(r->a, run_search_path(r, r->options.input), &r->request, &r->options.faults);
}

static int is_typed(const Run *r, const char *flag)
{
    for (size_t i = 0; i < r->options.givens; i++)
        if (same(r->options.given[i].setting->flag, flag)) return 1;
    return 0;
}

/* Which model a file names that could not be read is not known, so nothing is said of one. */
static void forget_unread_names(Run *r)
{
    if (!r->is_input_wrong) return;
    if (!is_typed(r, "model")) r->request.job.model = "";
    if (!is_typed(r, "motion")) r->request.job.motion = "";
}

static void spare_init(void *run)
{
    Run *r = run;
    output_spare(r->a, r->out, r->request.job.init);
}

/* Standard output is one file. */
static void check_stream(void *run)
{
    Run *r = run;
    const Job *j = &r->request.job;
    int is_clip = j->frames > 1 || (!j->frames && j->motion);
    if (is_streamed(&r->options) && same(file_extension(r->out), ".png") && is_clip)
        fail(r->a, "standard output: a clip as PNG is a file for each frame; --format apng or gif makes it one, "
                   "--frames 1 a still");
}

static void check_one(void *run)
{
    Run *r = run;
    Faults *faults = &r->options.faults;
    Plan plan = generate_faults(r->a, &r->request.job, &r->callbacks, faults);
    if (!faults->count) plan_say(r->a, &plan, &r->callbacks);
}

static void draw_one(void *run)
{
    Run *r = run;
    r->pictures = generate(r->a, &r->request.job, &r->callbacks);
}

/* ---- persona, persona check -------------------------------------------------------------------- */

/* A wrong axis that was given as an option is the fault of the command line. */
static void read_axes(void *run)
{
    Run *r = run;
    const Options *o = &r->options;
    for (size_t i = 0; i < o->givens; i++)
        if (setting_is_axis(o->given[i].setting)) r->status = MISUSED;
    r->sweep = sweep_read(r->a, &r->request);
}

static const char *cells_folder(Run *r)
{
    const char *stem = is_streamed(&r->options) ? "persona" : without_extension(r->a, r->out);
    return format(r->a, "%s.cells", stem);
}

static void check_grid(void *run)
{
    Run *r = run;
    const SearchPath *path = run_search_path(r, r->options.input);
    Faults *faults = &r->options.faults;
    sweep_draw_prompts(r->a, r->sweep, wildcards(r), r->prompt_label, faults);
    sweep_check(r->a, r->sweep, &r->request, path, r->out, &r->callbacks, faults);
}

static void draw_grid(void *run)
{
    Run *r = run;
    const char *command = "the same command";
    unsigned long long seed = r->request.job.seed;
    clip_state_save_seed(r->a, &r->state, seed);
    int is_seed_lost = r->is_seed_random && !r->state.is_ours;
    if (is_seed_lost) command = format(r->a, "the same command with --seed %llu", seed);
    r->pictures = sweep_draw(r->a, r->sweep, cells_folder(r), r->options.keep_cells, command, &r->callbacks);
}

/* Is there to be a preview, and can the terminal show it?  Says so when it cannot. */
static int can_preview(Run *r)
{
    if (!r->options.preview || r->options.quiet) return 0;
    const char *why_not = terminal_why_no_preview();
    if (why_not) run_say(r, why_not);
    return !why_not;
}

/* One picture: its names, and everything that a dry run finds.  Without a fault so far, drawing does the dry run. */
static void check_picture(Run *r, int check)
{
    run_try(r, draw_prompts);
    run_try(r, find_files);
    forget_unread_names(r);
    int is_well = !r->options.faults.count;
    if (is_well && r->is_seed_random && !check) say_seed(r);
    run_try(r, spare_init);
    if (check || !is_well) run_try(r, check_one);
}

/* Where nobody named the path and something is there, it is known before the work what the picture will be called.
 * The settings by which it is known are complete after a dry run. */
static void place(Run *r, int check)
{
    Request complete = r->request;
    Result result = result_of(r);
    int is_open = !result.is_named && !result.is_redrawn && system_file_exists(r->out);
    if (result.is_streamed || !(check || is_open)) return;
    result.request = &complete;
    if (!check && !r->sweep) generate_check(r->a, &complete.job, NULL);
    r->placed = result_place(r->a, &result);
}

/* The picture goes to this path, and how far it is stands beside it. */
static void set_target(Run *r, const char *out)
{
    const Options *o = &r->options;
    r->out = out;
    r->placed = NULL;
    r->state = (ClipState){ .target = out, .every = o->state_every, .is_fresh = o->fresh, .callbacks = &r->callbacks };
    if (is_streamed(o)) r->state.target = format(r->a, "persona%s", file_extension(out));
    r->callbacks = run_callbacks(r);
    r->callbacks.state = &r->state;
    r->state.given = r->latents.x;
    if (o->keep_latents) r->state.on_latents = save_latents;
    r->state.on_latents_to = r;
}

static void check_latents(void *run)
{
    Run *r = run;
    if (r->options.keep_latents && sweep_asked(&r->request))
        run_misuse(r, "--keep-latents is for one picture; draw a cell of the grid alone");
}

/* Everything that can be known before the work.  Ends the run when there are faults.  A grid whose axes are wrong is
 * checked as the one picture that it is without them. */
static void check_drawing(Run *r, int check)
{
    if (r->options.output || !r->is_input_wrong) run_try(r, check_result);
    if (!r->request.seeded) choose_seed(r);
    say_whose_model(r);
    if (sweep_asked(&r->request)) run_try(r, read_axes);
    if (r->sweep && r->is_seed_random && !check) say_seed(r);
    if (r->sweep) run_try(r, check_grid);
    else check_picture(r, check);
    run_try(r, check_stream);
    run_try(r, check_latents);
    run_end_if_faulty(r);
    place(r, check);
}

/* The last line of check. */
static void say_checked(Run *r)
{
    const Options *o = &r->options;
    const char *how = "all is well; without check it draws";
    size_t warnings = (size_t)r->terminal.warnings;
    if (warnings) how = format(r->a, "%s above; without check it draws, all the same,", amount(r->a, warnings, "warning"));
    run_say(r, format(r->a, "%s: %s %s", o->input ? o->input : "--prompt", how,
                      is_streamed(o) ? "to standard output" : r->placed));
}

static void draw_picture(Run *r, int check)
{
    double began = system_seconds();
    const Options *o = &r->options;
    check_drawing(r, check);
    if (!check) {
        r->shows_preview = can_preview(r);
        if (r->shows_preview) r->callbacks.preview = terminal_preview;
        run_try(r, r->sweep ? draw_grid : draw_one);
        run_end_if_faulty(r);
    }
    terminal_end(&r->terminal);
    if (o->verbose) run_say(r, prompt_infotext(r->a, &r->request));
    if (check) {
        say_checked(r);
        return;
    }
    Result result = result_of(r);
    save(r, &result, r->pictures, began);
    clip_state_done(r->a, &r->state);
    if (r->sweep) sweep_done(r->a, r->sweep, cells_folder(r));
    else if (r->request.batch <= 1) say_another_seed(r);
    if (r->shows_preview) {
        fflush(stdout);
        terminal_play(&r->terminal, r->pictures, r->request.job.fps, &stopped);
    }
}

/* ---- several pictures ---------------------------------------------------------------------------- */

static void draw_next(void *run)
{
    draw_picture(run, 0);
}

/* The first one that fails says what is wrong with all.  Later the others are drawn all the same. */
static void draw_or_tell(Run *r, size_t *finished)
{
    char why[MESSAGE];
    if (!attempt(r->a, draw_next, r, why)) {
        ++*finished;
        fflush(stdout);
        return;
    }
    terminal_end(&r->terminal);
    if (!*finished && !stopped) fail(r->a, "%s", why);
    if (strcmp(why, "interrupted")) terminal_print(why);
    if (stopped && *finished) fail(r->a, "interrupted; %s finished", amount(r->a, *finished, "picture"));
    if (stopped) fail(r->a, "interrupted");
    r->options.faults.size = 0;
    r->options.faults.count = 0;
}

/* Batch count: pictures OUT-1, OUT-2, ..., each of which its seed and the same settings make alone, too. */
static void draw_batch(Run *r, int check)
{
    const Request asked = r->request;
    const char *stem = without_extension(r->a, r->out);
    const char *ending = file_extension(r->out);
    int digits = (int)strlen(format(r->a, "%d", asked.batch));
    size_t finished = 0;
    r->is_seed_random = 0;                       /* it was said */
    r->is_redrawn = 0;                           /* none of them is the picture that the settings came from */
    for (int i = 0; i < asked.batch && !(check && i); i++) {
        size_t before = mark(r->a);
        r->request = asked;
        r->request.job.seed += (uint64_t)i;
        set_target(r, format(r->a, "%s-%0*d%s", stem, digits, i + 1, ending));
        unsigned long long seed = r->request.job.seed;
        run_say(r, format(r->a, "picture %d of %d: seed %llu, %s", i + 1, asked.batch, seed, r->out));
        if (check) draw_picture(r, 1);
        else draw_or_tell(r, &finished);
        release(r->a, before);
    }
    size_t failed = check ? 0 : (size_t)asked.batch - finished;
    if (failed) fail(r->a, "%s failed; %zu are drawn", amount(r->a, failed, "picture"), finished);
}

/* A grid has a seed axis of its own, and standard output is one file. */
static void check_batch(void *run)
{
    Run *r = run;
    if (is_typed(r, "batch")) r->status = MISUSED;
    if (sweep_asked(&r->request))
        fail(r->a, "Batch count is %d, and this is a grid; give it an axis, as --z \"Seed: 1-4\"", r->request.batch);
    if (is_streamed(&r->options))
        fail(r->a, "Batch count is %d, and standard output is one file; name files with -o", r->request.batch);
}

static void draw(Run *r, int check)
{
    const Options *o = &r->options;
    int is_nothing = check && !o->input && !o->has_prompt && !o->faults.count;
    if (is_nothing) run_misuse(r, "persona check needs a prompt file, --prompt, or - for standard input");
    system_ignore_broken_pipe();                 /* the work goes on when nobody reads its messages any more */
    run_complete_input(r);
    run_read_request(r, o->input);
    int is_batch = r->request.batch > 1;
    if (is_batch) run_try(r, check_batch);
    set_target(r, output_path(r));
    if (!is_batch || o->faults.count) {
        draw_picture(r, check);
        return;
    }
    if (!r->request.seeded) {
        choose_seed(r);
        if (!check) say_seed(r);
    }
    draw_batch(r, check);
}

/* ---- main -------------------------------------------------------------------------------------- */

static void work(void *run);                     /* persona me runs other commands */

static void do_command(Run *r)
{
    const char *command = r->options.command;
    int is_checked_later = !command || !strcmp(command, "check") || !strcmp(command, "train");
    if (!is_checked_later || r->options.wants_training_help || r->options.is_command_wrong) run_end_if_faulty(r);
    if (!command) draw(r, 0);
    else if (!strcmp(command, "check")) draw(r, 1);
    else if (!strcmp(command, "info")) info_command(r);
    else if (!strcmp(command, "list")) list_command(r);
    else if (r->options.wants_training_help) print_training_help();
    else if (!strcmp(command, "train")) train_command(r);
    else if (r->options.wants_me_help) print_me_help();
    else if (!strcmp(command, "me")) me_command(r, work);
    else if (!strcmp(command, "help")) print_help();
    else puts("persona " PERSONA_VERSION);
}

static void flush_stdout(Run *r)
{
    errno = 0;
    if (!fflush(stdout) && !ferror(stdout)) return;
    fail(r->a, "standard output cannot be written: %s", errno ? strerror(errno) : "it is closed");
}

static void work(void *run)
{
    Run *r = run;
    r->status = MISUSED;
    options_read(r->a, &r->options, r->argc, r->argv);
    r->terminal.quiet = r->options.quiet;
    r->status = FAILED;
    run_find_folders(r);
    if (!r->options.command || !strcmp(r->options.command, "check") || !strcmp(r->options.command, "info"))
        run_read_standard_input(r);
    do_command(r);
    flush_stdout(r);
}

/* Between parallel loops the threads of GNU's OpenMP wait for some milliseconds in a busy loop before they sleep.
 * Jobs that share a machine then take each other's cores for nothing, and each lasts many times as long.  How long
 * they wait is read from the environment before main(), so the program begins again with a shorter time. */
static void shorten_busy_waiting(char **argv)
{
#ifdef _OPENMP
    if (system_environment("GOMP_SPINCOUNT") || system_environment("OMP_WAIT_POLICY")) return;
    system_restart(argv, "GOMP_SPINCOUNT", "500");
#else
    (void)argv;
#endif
}

int main(int argc, char **argv)
{
    char message[MESSAGE];
    shorten_busy_waiting(argv);
    Run r = { .a = arena_new(), .argc = argc, .argv = argv, .stopped = &stopped };
    if (!r.a) {
        fprintf(stderr, "out of memory before anything began\n");
        return FAILED;
    }
    r.terminal.a = r.a;
    mapped = r.a;
    handle_signals();
    int status = DONE;
    if (attempt(r.a, work, &r, message)) {
        terminal_end(&r.terminal);
        status = stopped ? INTERRUPTED : r.status;
        int is_bare = !strcmp(message, "interrupted");
        terminal_print(is_bare ? "interrupted; nothing was written" : message);
    }
    arena_free(r.a);
    return status;
}
