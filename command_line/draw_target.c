/* draw_target.c - where a drawn picture goes: its path, what stands beside it meanwhile, and what is said in the end.
 *
 * -o names a file, a folder for it, standard output, or a device; --format says what the name does not.  Without -o the
 * picture is beside the file that it is made from.  A picture that is drawn again goes to its own path, if it has a
 * format that is written.
 *
 * While the job runs, "prompt.gif.state" says how far it is (clip_state.h), and --keep-latents puts the final latents
 * at "prompt.latents.safetensors".  No file of another job is lost: result.c keeps it or takes another name.  A picture
 * that cannot be saved there is saved elsewhere, and that is said. */
#include "draw_target.h"

#include "attention_files.h"
#include "chars.h"
#include "next_command.h"
#include "output.h"
#include "standard_streams.h"
#include "system.h"

#include <stdio.h>
#include <string.h>

/* ---- the path ---------------------------------------------------------------------------------- */

const char *draw_target_stream(const Run *r)
{
    const char *output = r->options.output;
    return output ? stream_output(output) : NULL;
}

static int names_folder(const char *path)
{
    if (!path || result_has_format(path)) return 0;
    return folder_is(path) || path[strlen(path) - 1] == '/';
}

const char *draw_target_path(Run *r)
{
    const Options *o = &r->options;
    int has_name = o->input && !file_is_given(r->a, o->input);
    const char *stem = has_name ? without_extension(r->a, o->input) : "persona";
    const char *ending = o->format ? o->format : "gif";
    int is_kept = r->is_redrawn && (!o->format || same(file_extension(o->input) + 1, ending));
    const char *path = is_kept ? o->input : format(r->a, "%s.%s", stem, ending);
    const char *stream = draw_target_stream(r);
    if (stream) return result_has_format(stream) ? stream : format(r->a, "%s.%s", stream, ending);
    if (o->output && o->format && !result_has_format(o->output) && !names_folder(o->output))
        return format(r->a, "%s.%s", o->output, ending);
    if (names_folder(o->output)) return search_path_join(r->a, o->output, file_name(path));
    return o->output ? o->output : path;
}

/* ---- the job on its way ------------------------------------------------------------------------ */

typedef struct { Run *r; Tensor x; } KeptLatents;

static void try_saving_latents(void *latents)
{
    const KeptLatents *l = latents;
    Run *r = l->r;
    const char *path = format(r->a, "%s.latents.safetensors", without_extension(r->a, r->state.target));
    KeptFile *kept = system_file_exists(path) ? output_keep(r->a, path) : NULL;
    latents_save(r->a, path, &(Latents){ .x = l->x, .parameters = prompt_infotext(r->a, &r->request) });
    run_say(r, format(r->a, "latents: %s", path));
    if (kept) run_say(r, format(r->a, "%s was there, and is %s now", path, output_kept(kept)));
}

/* Saves the final latents beside the picture, before they are decoded.  Others that are there are kept.  The picture is
 * well without them. */
static void save_latents(void *run, Tensor x)
{
    char why[MESSAGE];
    KeptLatents l = { run, x };
    Arena *a = l.r->a;
    size_t before = mark(a);
    if (attempt(a, try_saving_latents, &l, why))
        run_say(run, format(a, "warning: the final latents cannot be kept: %s", why));
    release(a, before);
}

void draw_target_set(Run *r, const char *out)
{
    const Options *o = &r->options;
    r->out = out;
    r->placed = NULL;
    r->state = (ClipState){ .target = out, .every = o->state_every, .is_fresh = o->fresh, .callbacks = &r->callbacks };
    if (draw_target_stream(r)) r->state.target = format(r->a, "persona%s", file_extension(out));
    r->callbacks = run_callbacks(r);
    r->callbacks.state = &r->state;
    r->state.given = r->latents.x;
    if (o->keep_latents) r->state.on_latents = save_latents;
    r->state.on_latents_to = r;
    if (o->attention) attention_files_ask(r, o->attention);
}

/* ---- the result -------------------------------------------------------------------------------- */

Result draw_target_result(Run *r)
{
    const Options *o = &r->options;
    return (Result){
        .path = r->out,
        .is_streamed = draw_target_stream(r) != NULL,
        .is_named = o->output && !names_folder(o->output),
        .is_redrawn = r->out == o->input,
        .overwrite = o->overwrite,
        .placed = r->placed,
        .request = &r->request,
        .callbacks = &r->callbacks,
    };
}

/* How to make another one.  A seed at random is another one each time. */
static void say_another_seed(Run *r)
{
    const char *command = command_of_another_seed(r->a, r->argc, r->argv);
    if (r->is_seed_random) run_say(r, "another picture of these words: the same command again");
    else if (command) run_say_command(r, "another picture of these words", command);
    else run_say(r, "another picture of these words: the same command with --seed -1");
}

typedef struct {
    Run    *r;
    Result  result;
    File   *files;
    size_t  count;
} Saving;

static void save(void *saving)
{
    Saving *s = saving;
    s->files = result_save(s->r->a, &s->result, s->r->pictures, &s->count);
}

/* A picture is the only copy of its minutes or hours: where it cannot be saved as wanted, its folder is made again when
 * it is gone, and then other folders are tried, under a name that is free. */
static void save_somewhere(Saving *s)
{
    Arena *a = s->r->a;
    char why[MESSAGE], why_not[MESSAGE];
    const char *const elsewhere[] = { ".", system_temporary_folder() };
    const char *wanted = s->result.path;
    if (!attempt(a, save, s, why)) return;
    if (fail_kind(a) != FAILURE || s->result.is_streamed) fail_as(a, fail_kind(a), "%s", why);
    if (!folder_is(folder_of(a, wanted))) {
        folder_make_again(a, folder_of(a, wanted));
        if (!attempt(a, save, s, why)) return;
    }
    s->result.is_named = 0;
    s->result.overwrite = 0;
    s->result.placed = NULL;
    for (size_t i = 0; i < sizeof elsewhere / sizeof *elsewhere; i++) {
        if (same_file(elsewhere[i], folder_of(a, wanted))) continue;
        s->result.path = search_path_join(a, elsewhere[i], file_name(wanted));
        if (attempt(a, save, s, why_not)) continue;
        run_say(s->r, format(a, "warning: %s; so it was saved as %s", why, s->files->path));
        return;
    }
    fail(a, "%s", why);
}

void draw_target_save(Run *r, double began)
{
    Saving s = { .r = r, .result = draw_target_result(r) };
    const Result result = s.result;
    const Pictures p = r->pictures;
    double bytes = 0;
    save_somewhere(&s);
    File *files = s.files;
    size_t count = s.count;
    r->saved = files;
    r->saved_files = count;
    if (result.is_streamed) stream_write(r->a, r->options.output, files[0].content);
    for (size_t i = 0; i < count; i++) {
        bytes += (double)files[i].content.size;
        if (!result.is_streamed) printf("%s\n", files[i].path);
    }
    const char *frames = amount(r->a, (size_t)p.frames, "frame");
    run_say(r, format(r->a, "done in %.1f s, peak memory %.0f MB: %s of %dx%d, %.0f KB", system_seconds() - began,
                      system_memory_peak() / 1e6, frames, p.width, p.height, bytes / 1e3));
    clip_state_done(r->a, &r->state);
    int is_seeded = !r->sweep && r->request.batch <= 1 && !r->latents.x.x;
    if (is_seeded) say_another_seed(r);
}
