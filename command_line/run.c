/* run.c - one run of the program: what all its commands share.
 *
 * A command reads its input file, the options that win over it, and the folders that names are looked for in.  What is
 * wrong with any of them is collected in Options.faults, so that the run ends once, with all of it.  When something was
 * typed wrong the exit status is 2, when only files are wrong it is 1; Run.status is set beforehand to what a failure
 * from here on would be. */
#include "run.h"

#include "chars.h"
#include "drawn_prompts.h"
#include "foreign_metadata.h"
#include "input_file.h"
#include "installation.h"
#include "near_path.h"
#include "picture_kinds.h"
#include "result.h"
#include "standard_streams.h"
#include "sweep.h"
#include "system.h"

#include <string.h>

/* ---- messages ---------------------------------------------------------------------------------- */

void run_say(void *run, const char *line)
{
    Run *r = run;
    terminal_say(&r->terminal, line);
}

void run_say_command(Run *r, const char *what_for, const char *command)
{
    run_say(r, format(r->a, "%s:\n    %s", what_for, command));
}

_Noreturn void run_misuse(Run *r, const char *message)
{
    r->status = MISUSED;
    fail(r->a, "%s", message);
}

Callbacks run_callbacks(Run *r)
{
    return (Callbacks){
        .to = &r->terminal,
        .say = terminal_say,
        .progress = terminal_progress,
        .note = terminal_note,
        .cancel = terminal_tick,
        .stop = r->stopped,
    };
}

/* ---- faults ------------------------------------------------------------------------------------ */

void run_add_typed(Run *r, const char *message)
{
    faults_add(&r->options.faults, message);
    r->options.faults.is_misuse = 1;
}

int run_try(Run *r, RunCommand *check)
{
    Request before = r->request;
    r->status = FAILED;
    int failed = faults_try(r->a, &r->options.faults, check, r);
    if (failed) r->request = before;
    if (failed && r->status == MISUSED) r->options.faults.is_misuse = 1;
    r->status = FAILED;
    return failed;
}

void run_check_training_options(void *run)
{
    Run *r = run;
    Lines faults = { 0 };
    training_config_faults(r->a, &r->options.training, &faults);
    for (size_t i = 0; i < faults.count; i++) run_add_typed(r, faults.line[i]);
}

void run_end_if_faulty(Run *r)
{
    const Faults *f = &r->options.faults;
    if (!f->count) return;
    r->status = f->is_misuse ? MISUSED : FAILED;
    terminal_end(&r->terminal);
    if (f->count == 1) faults_fail(r->a, f);
    terminal_print(faults_told(r->a, f));
    fail(r->a, "%zu faults, so nothing was done", f->count);
}

/* ---- input files ------------------------------------------------------------------------------- */

typedef struct { Arena *a; const char *folder, *prompts; int has_pictures; } Inside;

static void look_inside(void *inside)
{
    enum { LISTED = 3 };
    static const char *const pictures[] = { ".jpg", ".jpeg", ".png", ".webp", ".bmp" };
    Inside *in = inside;
    size_t count;
    size_t listed = 0;
    const char **names = folder_list(in->a, in->folder, &count);
    for (size_t i = 0; i < count; i++) {
        const char *ending = file_extension(names[i]);
        for (size_t k = 0; k < sizeof pictures / sizeof *pictures; k++) in->has_pictures |= same(ending, pictures[k]);
        if (!same(ending, ".txt") || listed == LISTED) continue;
        const char *comma = listed++ ? ", " : "";
        in->prompts = format(in->a, "%s%s%s", in->prompts, comma, search_path_join(in->a, in->folder, names[i]));
    }
}

/* What may have been meant by a folder where a file is expected. */
static const char *folder_hint(Run *r, const char *path)
{
    char why[MESSAGE];
    Inside in = { .a = r->a, .folder = path, .prompts = "" };
    if (attempt(r->a, look_inside, &in, why)) return "";         /* it cannot be read */
    const char *train = format(r->a, "; to learn from its pictures: persona train %s -o NAME.safetensors", path);
    if (in.has_pictures) return train;
    return *in.prompts ? format(r->a, "; name one of the files in it, like %s", in.prompts) : "";
}

/* What may have been meant by a path that is no file. */
static const char *hint(Run *r, const char *path)
{
    if (folder_is(path)) return folder_hint(r, path);
    const char *near = near_path_hint(r->a, path, FILE_PATH);
    if (*near) return near;
    if (strchr(path, ' ')) return "; to draw these words: persona --prompt \"...\"";
    if (!strcmp(path, "-")) return "; only a prompt, a picture or weights are read from standard input";
    const char *command = r->options.command ? NULL : nearest_command(path);
    return command ? format(r->a, "; did you mean persona %s?", command) : "";
}

void run_read_standard_input(Run *r)
{
    const char *path = r->options.input;
    if (!path || !stream_is_input(path)) return;
    if (!strcmp(path, "-") && system_input_is_terminal())
        run_say(r, "reading a prompt from the terminal; it ends with Ctrl-D on a line of its own");
    r->options.input = stream_read(r->a, path, r->stopped);
}

Bytes run_open_input(Run *r, const char *path, const char *expected)
{
    if (file_is_given(r->a, path)) return file_map(r->a, path);          /* it was read from standard input */
    return input_file_open(r->a, path, expected, hint(r, path));
}

void run_complete_input(Run *r)
{
    const char *path = r->options.input;
    const char *text = path ? format(r->a, "%s.txt", path) : NULL;
    if (!text || system_file_exists(path) || file_is_given(r->a, path) || !file_is(text)) return;
    run_say(r, format(r->a, "%s: there is no such file; taken is %s", path, text));
    r->options.input = text;
}

/* ---- the request ------------------------------------------------------------------------------- */

/* The settings of a picture or a workflow; returns 0 when the file holds none. */
static int read_stored_settings(Run *r, Bytes b, const char *path)
{
    ForeignMetadata found;
    if (!foreign_metadata(r->a, path, b, &found)) return 0;
    const char *message = foreign_metadata_message(r->a, path, &found);
    if (!found.infotext) fail(r->a, "%s", message);
    if (message) run_say(r, message);
    r->is_stored = 1;
    PromptText t = { found.infotext, strlen(found.infotext), path, .is_stored = 1 };
    prompt_read(r->a, &r->request, t, &r->options.faults, run_say, r);
    r->request.is_prompt_drawn = !sweep_asked(&r->request);          /* each cell of a grid draws for itself */
    r->request.is_negative_drawn = r->request.is_prompt_drawn;
    r->request.batch = 0;                                            /* the picture is one of them */
    return 1;
}

/* Latents that --keep-latents saved, or ComfyUI; returns 0 when the file holds none.  Theirs say no settings that are
 * read, so what they show must be their shape. */
static int read_latents(Run *r, Bytes b, const char *path)
{
    if (!latents_read(r->a, path, b, &r->latents)) return 0;
    r->is_stored = 1;
    r->request.is_prompt_drawn = 1;
    r->request.is_negative_drawn = 1;
    if (r->latents.parameters) {
        PromptText t = { r->latents.parameters, strlen(r->latents.parameters), path, .is_stored = 1 };
        prompt_read(r->a, &r->request, t, &r->options.faults, run_say, r);
        return 1;
    }
    prompt_set(r->a, &r->request, "size", format(r->a, "%dx%d", r->latents.width, r->latents.height));
    prompt_set(r->a, &r->request, "frames", format(r->a, "%d", r->latents.x.n));
    return 1;
}

static void read_prompt_file(void *run)
{
    Run *r = run;
    const char *path = r->options.input;
    Bytes b = run_open_input(r, path, "a prompt file, or a picture to make again");
    if (read_latents(r, b, path)) return;
    int is_picture = input_file_may_carry_settings(b);
    r->is_redrawn = is_picture && result_has_format(path);       /* a JPEG becomes a GIF beside it */
    if (read_stored_settings(r, b, path)) return;
    if (is_picture)
        fail(r->a, "%s: this %s carries no settings, or is broken; expected one that persona, the Stable Diffusion "
                   "web UI, ComfyUI or another program saved with them; to begin from this picture: --init", path,
             picture_kind(b.data, b.size)->name);
    input_file_refuse_binary(r->a, b, path);
    PromptText t = { (const char *)b.data, b.size, path, .is_stored = 0 };
    prompt_read(r->a, &r->request, t, &r->options.faults, run_say, r);
}

int run_is_typed(const Run *r, const char *flag)
{
    for (size_t i = 0; i < r->options.givens; i++)
        if (same(r->options.given[i].setting->flag, flag)) return 1;
    return 0;
}

/* A setting that was typed is tried on its own, so that each that is wrong is told. */
typedef struct { Run *r; const Given *given; } TypedSetting;

static void read_typed(void *typed)
{
    TypedSetting *t = typed;
    prompt_set(t->r->a, &t->r->request, t->given->setting->flag, t->given->value);
}

static void read_all_typed(Run *r)
{
    Faults *faults = &r->options.faults;
    size_t faults_before = faults->count;
    for (size_t i = 0; i < r->options.givens; i++) {
        Request before = r->request;
        TypedSetting t = { r, &r->options.given[i] };
        if (faults_try(r->a, faults, read_typed, &t)) r->request = before;
    }
    if (faults->count > faults_before) faults->is_misuse = 1;
}

/* What the file leaves open.  A picture that is drawn again has all its settings, also where they are the defaults. */
static void read_config(Run *r)
{
    if (!r->config || r->is_stored || r->is_input_wrong) return;
    const char *keys = user_config_apply(r->a, r->config, &r->request, &r->options);
    if (keys) run_say(r, format(r->a, "from %s: %s", r->config->name, keys));
}

void run_read_request(Run *r, const char *input)
{
    const Options *o = &r->options;
    r->request.job.prompt = "";
    if (input) r->is_input_wrong = run_try(r, read_prompt_file);
    r->request.faults = &r->options.faults;
    read_config(r);
    read_all_typed(r);
    int is_given = o->has_prompt || !input;
    r->prompt_label = is_given ? "--prompt" : input;
    prompt_warn(r->a, &r->request, r->prompt_label, run_say, r);
    prompts_warn(r->a, &r->request, r->prompt_label, run_say, r);
}

static void add_folder(Run *r, const char *path, const char *label)
{
    r->folder = grow_array(r->a, r->folder, r->folders, &r->folder_room, sizeof *r->folder);
    r->folder[r->folders++] = (Name){ path_with_home(r->a, path), label };
}

/* The user's config, unless nothing is drawn, learned or looked for. */
static void open_config(Run *r)
{
    const Options *o = &r->options;
    const char *command = o->command ? o->command : "";
    int is_help = o->wants_training_help || o->wants_me_help || !strcmp(command, "help") || !strcmp(command, "version");
    if (o->no_config || is_help) return;
    r->config = user_config_read(r->a);
    const char *told = r->config ? user_config_told(r->a, r->config) : NULL;
    if (told) run_say(r, told);
}

/* Of --weights, then of PERSONA_WEIGHTS, separated as the folders of PATH are, then of the user's config. */
void run_find_folders(Run *r)
{
    const Options *o = &r->options;
    const char separator[] = { system_list_separator(), 0 };
    r->folder = NULL;
    r->folders = 0;
    r->folder_room = 0;
    for (size_t i = 0; i < o->folders; i++) add_folder(r, o->folder[i], "--weights");
    for (const char *list = system_environment("PERSONA_WEIGHTS"); list && *list; ) {
        size_t n = strcspn(list, separator);
        const char *path = trimmed(r->a, list, n);
        if (*path) add_folder(r, path, "PERSONA_WEIGHTS");
        list += n + (list[n] != 0);
    }
    open_config(r);
    for (size_t i = 0; r->config && i < r->config->folders; i++)
        add_folder(r, r->config->folder[i].text, r->config->folder[i].label);
}

/* Without those that were typed and are not there, which are faults -> how many they are. */
static size_t folders_there(Run *r, Name *folder)
{
    size_t n = 0;
    for (size_t i = 0; i < r->folders; i++) {
        Name f = r->folder[i];
        if (folder_is(f.text) || !begins(f.label, "--")) folder[n++] = f;
        else faults_add(&r->options.faults, format(r->a, "%s is %s, and there is no such folder%s", f.label,
                                                   quoted(r->a, f.text), near_path_hint(r->a, f.text, FOLDER_PATH)));
    }
    return n;
}

SearchPath *run_search_path(Run *r, const char *beside)
{
    Name *folder = allocate(r->a, r->folders, sizeof *folder);
    size_t folders = folders_there(r, folder);
    SearchPath *p = search_path_new(r->a, beside, folder, folders, r->options.program, run_say, r);
    p->is_incomplete = folders < r->folders;
    return p;
}

static const char DYNAMIC_PROMPTS[] = "extensions/sd-dynamic-prompts/wildcards";       /* in the web UI */

/* The wildcards of dynamic prompts: in folders of that name beside the prompt file, here, and where weights are. */
Wildcards *run_wildcards(Run *r)
{
    const Options *o = &r->options;
    size_t count = 0;
    const char **folder = allocate(r->a, 2 * r->folders + 4, sizeof *folder);
    const char *beside = o->input ? folder_of(r->a, o->input) : ".";
    if (strcmp(beside, ".")) folder[count++] = format(r->a, "%s/wildcards", beside);
    folder[count++] = "wildcards";
    for (size_t i = 0; i < r->folders; i++) {
        if (!folder_is(r->folder[i].text)) continue;         /* search_path.c tells it */
        folder[count++] = format(r->a, "%s/wildcards", r->folder[i].text);
        folder[count++] = format(r->a, "%s/%s", r->folder[i].text, DYNAMIC_PROMPTS);
    }
    folder[count++] = DYNAMIC_PROMPTS;
    folder[count++] = "weights/wildcards";
    return wildcards_new(r->a, folder, count);
}

/* A seed of 32 bits, as torch's generator takes no more. */
void run_choose_seed(Run *r)
{
    r->request.job.seed = system_random_bits();
    r->request.seeded = 1;
    r->is_seed_random = 1;
}
