/* persona.c - the command line: words in, a moving picture out.
 *
 *     persona prompt.txt        the file's words and settings    -> prompt.gif
 *     persona out.gif           the settings stored inside       -> the same bytes again
 *     persona train photos      a folder of pictures             -> a LoRA
 *
 * A run is: options, request, names to paths, generate, encode, save.  All of it runs inside one attempt().  So
 * every error ends in one message and one exit status, and nothing is written.  What can be known before the
 * minutes of work is checked before: the format of the result, its folder, every name, every tensor.
 *
 * stdout carries the path of the result and nothing else; all messages are on stderr.  The only globals are what
 * signals need.  A picture that is drawn again is never replaced by a different one unless -o names it, and no output
 * file replaces a file that it is made from. */
#include "chars.h"
#include "drawn_prompts.h"
#include "files.h"
#include "foreign_metadata.h"
#include "generate.h"
#include "gif.h"
#include "info.h"
#include "input_file.h"
#include "lines.h"
#include "options.h"
#include "output.h"
#include "photo_folders.h"
#include "picture_info.h"
#include "picture_kinds.h"
#include "request_paths.h"
#include "result.h"
#include "sweep.h"
#include "system.h"
#include "terminal.h"
#include "train.h"

#include <errno.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

enum { DONE = 0, FAILED = 1, MISUSED = 2, INTERRUPTED = 130 };          /* exit statuses */

typedef struct {
    Arena      *a;
    int         status;                  /* the exit status, should anything fail from here on */
    int         argc;
    char      **argv;
    Options     options;
    Terminal    terminal;
    Request     request;
    int         is_redrawn;              /* the request is that of a picture: the input file is a GIF or PNG */
    int         is_seed_random;
    const char *prompt_label;            /* where the prompt stands, for messages */
    const char *out;                     /* the path of the result */
    SamplePrompts samples;               /* of training */
    Subsets     subsets;
} Run;

static void say(void *run, const char *line)
{
    Run *r = run;
    terminal_say(&r->terminal, line);
}

/* Fails because the command line is wrong. */
static _Noreturn void misuse(Run *r, const char *message)
{
    r->status = MISUSED;
    fail(r->a, "%s", message);
}

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

/* ---- input files ------------------------------------------------------------------------------- */

/* What may have been meant by the path of a file that is not there. */
static const char *hint(Run *r, const char *path)
{
    if (strchr(path, ' ')) return "; to draw these words: persona --prompt \"...\"";
    if (!strcmp(path, "-")) return "; standard input is not read";
    const char *command = r->options.command ? NULL : nearest_command(path);
    return command ? format(r->a, "; did you mean persona %s?", command) : "";
}

static Bytes open_input(Run *r, const char *path, const char *expected)
{
    return input_file_open(r->a, path, expected, hint(r, path));
}

/* ---- the request ------------------------------------------------------------------------------- */

/* The settings of a picture or a workflow; returns 0 when the file holds none. */
static int read_stored_settings(Run *r, Bytes b, const char *path)
{
    ForeignMetadata found;
    if (!foreign_metadata(r->a, path, b, &found)) return 0;
    const char *message = foreign_metadata_message(r->a, path, &found);
    if (!found.infotext) fail(r->a, "%s", message);
    if (message) say(r, message);
    prompt_parse_stored(r->a, &r->request, found.infotext, path, say, r);
    r->request.is_prompt_drawn = !sweep_asked(&r->request);          /* each cell of a grid draws for itself */
    r->request.is_negative_drawn = r->request.is_prompt_drawn;
    return 1;
}

static void read_prompt_file(Run *r, const char *path)
{
    Bytes b = open_input(r, path, "a prompt file, or a picture to make again");
    int is_picture = input_file_may_carry_settings(b);
    r->is_redrawn = is_picture && result_has_format(path);       /* a JPEG becomes a GIF beside it */
    if (read_stored_settings(r, b, path)) return;
    if (is_picture)
        fail(r->a, "%s: this %s carries no settings, or is broken; expected one that persona, the Stable Diffusion "
                   "web UI, ComfyUI or another program saved with them; to begin from this picture: --init", path,
             picture_kind(b.data, b.size)->name);
    input_file_refuse_binary(r->a, b, path);
    prompt_parse(r->a, &r->request, (const char *)b.data, b.size, path, say, r);
}

/* The settings of the file, and those of the command line after them.  input: may be NULL. */
static void read_request(Run *r, const char *input)
{
    const Options *o = &r->options;
    r->request.job.prompt = "";
    if (input) read_prompt_file(r, input);
    r->status = MISUSED;
    for (size_t i = 0; i < o->givens; i++) prompt_set(r->a, &r->request, o->given[i].setting->flag, o->given[i].value);
    r->status = FAILED;
    int is_given = o->has_prompt || !input;
    r->prompt_label = is_given ? "--prompt" : input;
    prompt_warn(r->a, &r->request, r->prompt_label, say, r);
    prompts_warn(r->a, &r->request, r->prompt_label, say, r);
}

static SearchPath *search_path(Run *r, const char *beside)
{
    const Options *o = &r->options;
    return search_path_new(r->a, beside, o->folder, o->folders, o->program, say, r);
}

/* A seed of 32 bits, as torch's generator takes no more. */
static void choose_seed(Run *r)
{
    r->request.job.seed = system_random_bits();
    r->request.seeded = 1;
    r->is_seed_random = 1;
}

static void say_seed(Run *r)
{
    unsigned long seed = (unsigned long)r->request.job.seed;
    say(r, format(r->a, "seed %lu, drawn at random; --seed %lu draws this picture again", seed, seed));
}

/* The wildcards of dynamic prompts: in folders of that name beside the prompt file, here, and where weights are. */
static Wildcards *wildcards(Run *r)
{
    const Options *o = &r->options;
    size_t count = 0;
    const char **folder = allocate(r->a, o->folders + 3, sizeof *folder);
    const char *beside = o->input ? folder_of(r->a, o->input) : ".";
    if (strcmp(beside, ".")) folder[count++] = format(r->a, "%s/wildcards", beside);
    folder[count++] = "wildcards";
    for (size_t i = 0; i < o->folders; i++) folder[count++] = format(r->a, "%s/wildcards", o->folder[i]);
    folder[count++] = "weights/wildcards";
    return wildcards_new(r->a, folder, count);
}

/* ---- the result -------------------------------------------------------------------------------- */

/* Where the picture goes: to -o, to the picture that it comes from, or beside it: a JPEG carries settings, but no
 * clip. */
static const char *output_path(Run *r)
{
    const Options *o = &r->options;
    if (o->output) return o->output;
    if (r->is_redrawn && result_has_format(o->input)) return o->input;
    if (o->input) return format(r->a, "%s.gif", without_extension(r->a, o->input));
    return "persona.gif";
}

static Result place_result(Run *r, const Callbacks *callbacks)
{
    const Options *o = &r->options;
    r->out = output_path(r);
    Result result = {
        .path = r->out,
        .is_redrawn = r->out == o->input,
        .request = &r->request,
        .callbacks = callbacks,
    };
    r->status = result_has_format(r->out) ? FAILED : MISUSED;         /* a wrong ending was typed */
    result_check(r->a, &result, r->is_redrawn ? NULL : o->input);
    r->status = FAILED;
    return result;
}

static void save(Run *r, const Result *result, Pictures p, double began)
{
    size_t count;
    double bytes = 0;
    File *files = result_save(r->a, result, p, &count);
    for (size_t i = 0; i < count; i++) {
        bytes += (double)files[i].content.size;
        printf("%s\n", files[i].path);
    }
    say(r, format(r->a, "done in %.1f s, peak memory %.0f MB: %s of %dx%d, %.0f KB", system_seconds() - began,
                  system_memory_peak() / 1e6, amount(r->a, (size_t)p.frames, "frame"), p.width, p.height, bytes / 1e3));
}

/* ---- persona, persona check -------------------------------------------------------------------- */

/* Draws one picture; check: only says what that takes. */
static Pictures draw_one(Run *r, const Callbacks *callbacks, int check)
{
    output_spare(r->a, r->out, r->request.job.init);
    if (!check) return generate(r->a, &r->request.job, callbacks);
    Plan plan = generate_check(r->a, &r->request.job, callbacks);
    plan_say(r->a, &plan, callbacks);
    return (Pictures){ 0 };
}

/* A wrong axis that was given as an option is the fault of the command line. */
static Sweep *read_axes(Run *r)
{
    const Options *o = &r->options;
    for (size_t i = 0; i < o->givens; i++)
        if (setting_is_axis(o->given[i].setting)) r->status = MISUSED;
    Sweep *s = sweep_read(r->a, &r->request);
    r->status = FAILED;
    return s;
}

static const char *cells_folder(Run *r)
{
    return format(r->a, "%s.cells", without_extension(r->a, r->out));
}

static Pictures draw_grid(Run *r, Sweep *s, const SearchPath *path, const Callbacks *callbacks, int check)
{
    sweep_check(r->a, s, &r->request, path, r->out, callbacks);
    if (check) return (Pictures){ 0 };
    const char *command = "the same command";
    unsigned long long seed = r->request.job.seed;
    if (r->is_seed_random) command = format(r->a, "the same command with --seed %llu", seed);
    return sweep_draw(r->a, s, cells_folder(r), r->options.keep_cells, command, callbacks);
}

/* Is there to be a preview, and can the terminal show it?  Says so when it cannot. */
static int can_preview(Run *r)
{
    if (!r->options.preview || r->options.quiet) return 0;
    const char *why_not = terminal_why_no_preview();
    if (why_not) say(r, why_not);
    return !why_not;
}

static void draw(Run *r, int check)
{
    double began = system_seconds();
    const Options *o = &r->options;
    Callbacks callbacks = { .to = &r->terminal, .say = terminal_say, .progress = terminal_progress, .stop = &stopped };
    if (check && !o->input && !o->has_prompt) misuse(r, "persona check needs a prompt file, or --prompt");
    system_ignore_broken_pipe();                 /* the work goes on when nobody reads its messages any more */
    read_request(r, o->input);
    Result result = place_result(r, &callbacks);
    const SearchPath *path = search_path(r, o->input);
    int is_grid = sweep_asked(&r->request);
    if (!r->request.seeded) choose_seed(r);
    Wildcards *w = wildcards(r);
    if (!is_grid) {
        prompts_draw(r->a, &r->request, w, r->prompt_label);
        search_path_resolve(r->a, path, &r->request);
    }
    if (r->is_seed_random && !check) say_seed(r);
    int shows_preview = !check && can_preview(r);
    if (shows_preview) callbacks.preview = terminal_preview;
    Sweep *s = is_grid ? read_axes(r) : NULL;
    if (is_grid) sweep_draw_prompts(r->a, s, w, r->prompt_label);
    Pictures p = is_grid ? draw_grid(r, s, path, &callbacks, check) : draw_one(r, &callbacks, check);
    terminal_end(&r->terminal);
    if (o->verbose) say(r, prompt_infotext(r->a, &r->request));
    if (check) {
        say(r, format(r->a, "%s: all is well; without check it draws %s", o->input ? o->input : "--prompt", r->out));
        return;
    }
    save(r, &result, p, began);
    if (is_grid) sweep_done(r->a, s, cells_folder(r));
    if (shows_preview) {
        fflush(stdout);
        terminal_play(&r->terminal, p, r->request.job.fps, &stopped);
    }
}

/* ---- persona info ------------------------------------------------------------------------------ */

static void print_weights(Run *r, const WeightFile *f)
{
    size_t most = r->options.verbose ? 1 << 20 : 200;            /* bytes of a value */
    fputs(info_weights(r->a, f, most), stdout);
}

static void info_picture(Run *r, Bytes b)
{
    const char *path = r->options.input;
    const PictureKind *kind = picture_kind(b.data, b.size);
    int width, height;
    picture_size(b.data, b.size, &width, &height);
    const char *what = info_metadata(r->a, path, b);
    printf("%s: %s %s of %dx%d, %s\n", path, kind->article, kind->name, width, height, what);
    const char *embedding = !strcmp(kind->name, "PNG") ? info_embedding(r->a, path) : NULL;
    if (embedding) printf("carries %s\n", embedding);
}

static void info(Run *r)
{
    const char *path = r->options.input;
    if (!path) misuse(r, "persona info needs a file");
    if (!file_is(path) && weights_exist(r->a, path)) {           /* a folder of weights */
        print_weights(r, weights_open(r->a, path));
        return;
    }
    Bytes b = open_input(r, path, "weights, a picture or a workflow");
    int is_weights = looks_like_weights(b) || strstr(file_name(path), ".safetensors");
    const char *found = "none of them; for a prompt file there is persona check";
    const PictureKind *kind = picture_kind(b.data, b.size);
    if (kind) found = format(r->a, "%s %s, which carries no settings that are read", kind->article, kind->name);
    if (input_file_may_carry_settings(b)) info_picture(r, b);
    else if (input_file_is_json(b)) printf("%s: %s\n", path, info_metadata(r->a, path, b));
    else if (is_weights) print_weights(r, weights_read(r->a, path, b));
    else fail(r->a, "%s: expected weights, a GIF, a PNG, a JPEG or a WebP, found %s", path, found);
}

/* ---- persona train ----------------------------------------------------------------------------- */

/* What is wrong with the command line and with what it names is told together. */
static void add_fault(Run *r, const char *message)
{
    lines_add_once(r->a, &r->options.faults, message);
}

/* Runs check(r); a failure becomes a fault. */
static void collect(Run *r, void (*check)(void *run))
{
    char why[1024];
    if (attempt(r->a, check, r, why)) add_fault(r, format(r->a, "%s", why));
}

static void fail_with_faults(Run *r)
{
    const Lines *faults = &r->options.faults;
    if (!faults->count) return;
    if (faults->count == 1) fail(r->a, "%s", faults->line[0]);
    for (size_t i = 0; i < faults->count; i++) terminal_print(faults->line[i]);
    fail(r->a, "%zu faults, so nothing was done", faults->count);
}

static void check_photos(void *run)
{
    Run *r = run;
    FileInfo info;
    const char *photos = r->options.input;
    const char *why = system_file_info(photos, &info);
    if (why) fail(r->a, "%s: cannot be opened: %s; expected a folder of pictures", photos, why);
    if (!info.is_folder)
        fail(r->a, "%s: is a file, expected a folder of pictures, or a file with a trainer's command line", photos);
}

static void check_trained_file(void *run)
{
    Run *r = run;
    const char *folder = r->options.output_folder;
    if (strcmp(file_extension(r->out), ".safetensors"))
        misuse(r, format(r->a, "%s: expected an output that ends in .safetensors, as -o %s.safetensors", r->out,
                         without_extension(r->a, r->out)));
    if (folder && !r->options.faults.count) folder_make(r->a, folder);
    int is_made_later = folder && system_file_info(folder, &(FileInfo){ 0 });
    if (!is_made_later) output_check(r->a, r->out, 0);
}

/* Does a setting of drawing say something about training too? */
static int is_shared(const char *flag)
{
    static const char *const shared[] = { "model", "vae", "prompt", "clip-skip", "seed", "precision", "threads" };
    for (size_t i = 0; i < sizeof shared / sizeof *shared; i++)
        if (same(shared[i], flag)) return 1;
    return 0;
}

static void refuse_drawing_options(Run *r)
{
    const Options *o = &r->options;
    for (size_t i = 0; i < o->givens; i++) {
        const char *flag = o->given[i].setting->flag;
        if (is_shared(flag)) continue;
        add_fault(r, format(r->a, "--%s is an option of drawing; persona train --help lists those of training", flag));
    }
}

/* The folders of --dataset_config; the first of them is named where a folder is named. */
static void read_subsets(void *run)
{
    Run *r = run;
    Options *o = &r->options;
    Lines told = { 0 };
    const char *path = o->training.dataset_config;
    if (!path) return;
    if (!file_is(path)) fail(r->a, "--dataset_config is %s, and there is no such file", quoted(r->a, path));
    if (o->input || o->training.reg_data_dir)
        say(r, "warning: with --dataset_config no other folder of pictures counts, as in kohya's trainer");
    o->training.reg_data_dir = NULL;
    r->subsets = dataset_config_read(r->a, path, &o->training, &told, &o->faults);
    for (size_t i = 0; i < told.count; i++) say(r, told.line[i]);
    for (size_t i = 0; i < r->subsets.count; i++) {
        const Subset *s = &r->subsets.subset[i];
        if (!i) o->input = s->image_dir;
        if (s->image_dir && !folder_is(s->image_dir))
            add_fault(r, format(r->a, "%s: image_dir %s is no folder here", path, quoted(r->a, s->image_dir)));
    }
}

/* The pictures to draw while training, with the model and the VAE that training was given. */
static void read_samples(void *run)
{
    Run *r = run;
    const char *text = r->options.sample_text;
    const char *path = text ? NULL : r->options.training.sample_prompts;
    Bytes b = { (const unsigned char *)text, text ? strlen(text) : 0 };
    if (!path && !text) return;
    if (path) {
        b = open_input(r, path, "a file of prompts");
        input_file_refuse_binary(r->a, b, path);
    }
    const char *where = r->options.training.sample_prompts;
    SamplePrompts s = sample_prompts_read(r->a, (const char *)b.data, b.size, where, say, r);
    const SearchPath *search = search_path(r, path);
    for (size_t i = 0; i < s.count; i++) {
        s.request[i].model = r->request.model;
        s.request[i].vae = r->request.vae;
        search_path_resolve(r->a, search, &s.request[i]);
    }
    r->samples = s;
}

static void read_settings(void *run)
{
    read_request(run, NULL);                     /* no prompt file, only options */
}

static void find_class_images(void *run)
{
    Run *r = run;
    TrainingConfig *c = &r->options.training;
    int finds_class = !c->reg_data_dir && r->options.input && !r->subsets.count;
    if (finds_class) c->reg_data_dir = photo_folders_class(r->a, r->options.input);
}

static void check_config(void *run)
{
    Run *r = run;
    training_config_faults(r->a, &r->options.training, &r->options.faults);
}

static void find_weights(void *run)
{
    Run *r = run;
    search_path_resolve(r->a, search_path(r, NULL), &r->request);
    output_spare(r->a, r->out, r->request.job.model);
    output_spare(r->a, r->out, r->request.job.vae);
}

/* Everything that can be known before the work: what was typed, and the files that it names. */
static void check_training(Run *r)
{
    const Options *o = &r->options;
    r->out = o->output;
    collect(r, read_subsets);
    int is_named = o->input || o->training.dataset_config;
    if (!is_named) add_fault(r, "persona train needs a folder of pictures, and -o OUT.safetensors");
    else if (!o->output)
        add_fault(r, format(r->a, "persona train %s needs -o OUT.safetensors too, where what is learned goes",
                            o->input ? o->input : "PHOTOS"));
    refuse_drawing_options(r);
    size_t typed = o->faults.count;
    collect(r, find_class_images);               /* a folder that cannot be read was not typed wrong */
    size_t read = o->faults.count;
    collect(r, check_config);
    collect(r, read_settings);
    r->status = typed || o->faults.count > read ? MISUSED : FAILED;
    if (o->input && !r->subsets.count) collect(r, check_photos);
    collect(r, read_samples);                    /* before the model is found: its motion module comes with its name */
    if (o->output) collect(r, find_weights);
    if (o->output) collect(r, check_trained_file);
    fail_with_faults(r);
}

static void learn(Run *r)
{
    double began = system_seconds();
    const Options *o = &r->options;
    Callbacks callbacks = {
        .to = &r->terminal,
        .say = terminal_say,
        .progress = terminal_progress,
        .note = terminal_note,
        .stop = &stopped,
    };
    system_ignore_broken_pipe();
    for (size_t i = 0; i < o->told.count; i++) say(r, o->told.line[i]);
    check_training(r);
    int is_seed_given = r->request.seeded;
    if (!is_seed_given) choose_seed(r);
    TrainingJob training = {
        .photos = o->input,
        .subsets = r->subsets,
        .out = r->out,
        .job = r->request.job,
        .config = o->training,
        .sample_prompts = r->samples,
        .seeded = is_seed_given,
    };
    const char *saved = train(r->a, &training, &callbacks);
    terminal_end(&r->terminal);
    printf("%s\n", saved);
    say(r, format(r->a, "done in %.0f s, peak memory %.0f MB", system_seconds() - began, system_memory_peak() / 1e6));
}

/* ---- main -------------------------------------------------------------------------------------- */

static void do_command(Run *r)
{
    const char *command = r->options.command;
    if (!command) draw(r, 0);
    else if (!strcmp(command, "check")) draw(r, 1);
    else if (!strcmp(command, "info")) info(r);
    else if (r->options.wants_training_help) print_training_help();
    else if (!strcmp(command, "train")) learn(r);
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
    r->options = options_read(r->a, r->argc, r->argv);
    r->terminal.quiet = r->options.quiet;
    r->status = FAILED;
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
    char message[1024];
    shorten_busy_waiting(argv);
    Run r = { .a = arena_new(), .argc = argc, .argv = argv };
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
