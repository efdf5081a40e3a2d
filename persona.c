/* persona.c - the command line: words in, a moving picture out.
 *
 *     persona prompt.txt        the file's words and settings    -> prompt.gif
 *     persona out.gif           the settings stored inside       -> the same bytes again
 *     persona train photos      a folder of pictures             -> a LoRA
 *
 * A run is: options, request, names to paths, generate, encode, save.  All of it stands inside one attempt(), so
 * whatever goes wrong ends in one message and one exit status, with nothing written.  What can be known before the
 * minutes of work is checked before: the kind of result, its folder, every name, every weight.
 *
 * stdout carries the path of the result and nothing else; all talk is on stderr.  What signals need are the only globals.
 * A picture that is made again is never replaced by a different one unless -o names it, and no file is by what comes of it. */
#define _XOPEN_SOURCE 700
#include "chars.h"
#include "checkpoint.h"
#include "elsewhere.h"
#include "generate.h"
#include "gif.h"
#include "info.h"
#include "lookup.h"
#include "png.h"
#include "result.h"
#include "sweep.h"
#include "terminal.h"
#include "train.h"

#include <errno.h>
#include <fcntl.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/resource.h>
#include <sys/stat.h>
#include <time.h>
#include <unistd.h>

#define VERSION "0.1"

enum { DONE = 0, FAILED = 1, MISUSED = 2, INTERRUPTED = 130 };
enum { LARGEST_PROMPT = 64 << 20, FOLDERS = 64 };

static volatile sig_atomic_t stopped;

static void stop(int signal) { (void)signal; stopped = 1; }

static Arena *mapped;                           /* whose files are read as memory */

/* A file that is cut while it is mapped, or whose disk goes away, ends the one that reads it. */
static _Noreturn void lost(int signal, siginfo_t *where, void *context)
{
    static const char why[] = ": was cut short, or its disk went away, while it was in use; put it back and begin again\n";
    const char *path = file_at(mapped, where->si_addr);
    (void)signal, (void)context;
    if (!path) path = "memory";
    if (write(STDERR_FILENO, "\n", 1) + write(STDERR_FILENO, path, strlen(path)) + write(STDERR_FILENO, why, sizeof why - 1) < 0) _exit(FAILED);
    _exit(FAILED);
}

/* ---- options ---------------------------------------------------------------------------------- */

typedef struct { const Setting *setting; const char *value; } Given;

typedef struct {
    Arena      *a;
    int         status;                         /* what a failure from here on means */
    const char *command, *input, *out;          /* NULL: not given */
    Recipe      recipe;                         /* of training */
    int         helped;                         /* persona train --help */
    const char *program, *folder[FOLDERS];
    size_t      folders;
    Given      *given;                          /* settings, applied after the file's */
    size_t      givens;
    int         verbose, prompted, keep_cells, preview;
    Terminal    terminal;
    Request     request;
    Bytes       picture;                        /* what the input was, when it was a picture */
    int         chance;                         /* the seed was drawn */
} Run;

typedef void Act(Run *r, const char *value);

static void act_quiet  (Run *r, const char *value) { (void)value; r->terminal.quiet = 1; }
static void act_verbose(Run *r, const char *value) { (void)value; r->verbose = 1; }
static void act_preview(Run *r, const char *value) { (void)value; r->preview = 1; }
static void act_cells  (Run *r, const char *value) { (void)value; r->keep_cells = 1; }
static int is_training(const Run *r) { return r->command && !strcmp(r->command, "train"); }

static void act_command(Run *r, const char *value)
{
    if (is_training(r)) r->helped = 1;
    else r->command = value;
}

static void act_output(Run *r, const char *value)
{
    if (!*value) fail(r->a, "-o is empty, expected the name of a file");
    r->out = value;
}

static void act_weights(Run *r, const char *value)
{
    if (r->folders == FOLDERS) fail(r->a, "--weights was given more than %d times", FOLDERS);
    r->folder[r->folders++] = value;
}

static const struct { const char *flag, *value; Act *act; const char *help; } options[] = {
    { "output",  "OUT", act_output,  "-o too: .gif, .png (a still, or OUT-001.png and on) or .apng" },
    { "weights", "DIR", act_weights, "another folder to look for names in; once for each" },
    { "keep-cells", NULL, act_cells, "the pictures of a grid, one by one, in OUT.cells/ too" },
    { "preview", NULL,  act_preview, "the picture as it forms, in a terminal with 24-bit colour" },
    { "quiet",   NULL,  act_quiet,   "errors only" },
    { "verbose", NULL,  act_verbose, "also the settings as they will be stored" },
    { "help",    NULL,  act_command, "this" },
    { "version", NULL,  act_command, "persona " VERSION },
};
enum { OPTIONS = sizeof options / sizeof *options };

static const char usage[] =
    "persona prompt.txt             words and settings from a file, to prompt.gif\n"
    "persona --prompt \"...\"         words from here, to persona.gif\n"
    "persona out.gif                the same picture again, from the settings it carries (PNG too)\n"
    "persona check prompt.txt       everything up to the first step of work: names, weights, memory, time\n"
    "persona info FILE              what a weights file, GIF or PNG holds\n"
    "persona train PHOTOS -o OUT    a LoRA or an embedding from a folder of pictures; persona train --help lists its options\n";

static size_t option_named(const char *name)
{
    if (!strcmp(name, "o")) name = "output";
    if (!strcmp(name, "h")) name = "help";
    size_t i = 0;
    while (i < OPTIONS && !same(options[i].flag, name)) i++;
    return i;
}

static _Noreturn void unknown_option(Run *r, const char *arg, const char *name)
{
    const char *flag, *value, *help;
    const char *ours = option_elsewhere(name, is_training(r));
    if (ours) fail(r->a, "%s is no option of persona; here it is %s", quoted(r->a, arg), ours);
    if (!is_training(r) && recipe_flag_find(name, &(int){ 0 })) fail(r->a, "%s is no option of drawing, but of persona train", quoted(r->a, arg));
    Nearest near = nearest_to(name);
    for (size_t i = 0; i < OPTIONS; i++) nearest_of(&near, options[i].flag);
    for (size_t i = 0; is_training(r) && (flag = recipe_flag(i, &value, &help)); i++) nearest_of(&near, flag);
    for (const Setting *s = all_settings; s->flag; s++) nearest_of(&near, s->flag);
    if (near.name) fail(r->a, "%s is no option of persona; did you mean --%s?", quoted(r->a, arg), near.name);
    fail(r->a, "%s is no option of persona; persona --help lists them", quoted(r->a, arg));
}

/* Takes the option at argv[i] and its value -> index of the last argument taken. */
static int read_option(Run *r, int argc, char **argv, int i)
{
    const char *arg = argv[i], *equals = strchr(arg, '=');
    const char *start = arg + strspn(arg, "-");
    char *name = format(r->a, "%.*s", (int)(equals ? equals - start : (long)strlen(start)), start);
    size_t own = option_named(name);
    int bare = own < OPTIONS && !options[own].value;
    const char *recipe = is_training(r) ? recipe_flag_find(name, &bare) : NULL;
    const Setting *setting = own < OPTIONS || recipe ? NULL : setting_named(name);
    if ((own == OPTIONS && !recipe && !setting) || (arg[1] != '-' && (setting || name[1]))) unknown_option(r, arg, name);
    if (bare && equals) fail(r->a, "%.*s takes no value, found %s", (int)(equals - arg), arg, quoted(r->a, equals + 1));
    if (!bare && !equals && i + 1 == argc) fail(r->a, "%s needs a value behind it", arg);
    const char *value = bare ? NULL : equals ? equals + 1 : argv[++i];
    if (own < OPTIONS) options[own].act(r, value ? value : options[own].flag);
    else if (recipe) recipe_set(r->a, &r->recipe, recipe, value);
    else r->given[r->givens++] = (Given){ setting, value }, r->prompted |= same(setting->flag, "prompt");
    return i;
}

/* NULL: none is near */
static const char *nearest_command(const char *word)
{
    static const char *const commands[] = { "check", "info", "train", "help" };
    Nearest near = nearest_to(word);
    for (size_t i = 0; i < sizeof commands / sizeof *commands; i++) nearest_of(&near, commands[i]);
    return near.name;
}

static void read_operand(Run *r, const char *arg)
{
    const char *meant = nearest_command(r->input ? r->input : arg);
    if (!*arg) fail(r->a, "an argument is empty, expected the name of a file; is a variable of the shell not set?");
    if (meant && !r->command && !r->input && !strcmp(arg, meant)) { r->command = arg; return; }
    if (meant && r->input) fail(r->a, "%s is no command of persona; did you mean %s?", quoted(r->a, r->input), meant);
    if (r->input) fail(r->a, "one file at a time, found %s and %s; words for --prompt belong in quotes", quoted(r->a, r->input), quoted(r->a, arg));
    r->input = arg;
}

static void read_options(Run *r, int argc, char **argv)
{
    int plain = 0;
    r->given = take(r->a, (size_t)argc + 1, sizeof *r->given);
    for (int i = 1; i < argc; i++) {
        if (!plain && !strcmp(argv[i], "--")) plain = 1;
        else if (!plain && argv[i][0] == '-' && argv[i][1]) i = read_option(r, argc, argv, i);
        else read_operand(r, argv[i]);
    }
    if (!r->command && !r->input && !r->prompted) fail(r->a, "persona needs a prompt file, or --prompt\n\n%s\npersona --help lists all options", usage);
}

static void help_training(void)
{
    const char *flag, *value, *text;
    printf("persona train PHOTOS -o OUT.safetensors\n\n"
           "PHOTOS: a folder of PNG and JPEG files, with captions beside them (a.jpg, a.txt), or of folders called <repeats>_<words>.\n"
           "In brackets what holds when an option is not given.  --model, --vae, --prompt (for pictures without a caption), --clip-skip,\n"
           "--seed, --precision and --threads are as for drawing.\n\n"
           "Ctrl-C saves the state to OUT-state.safetensors; the same command with --resume goes on to the same bytes, with more steps it learns on.\n\n");
    for (size_t i = 0; (flag = recipe_flag(i, &value, &text)); i++) printf("  --%-28s %-5s %s\n", flag, value ? value : "", text);
}

static void help(void)
{
    printf("%s\nOptions win over the prompt file; in brackets what holds when neither says:\n\n", usage);
    for (const Setting *s = all_settings; s->flag; s++) printf("  --%-16s %-8s %s\n", s->flag, s->value, s->help);
    for (size_t i = 0; i < OPTIONS; i++) printf("  --%-16s %-8s %s\n", options[i].flag, options[i].value ? options[i].value : "", options[i].help);
    printf("\nA name is a path, or a file beside the prompt file, in the current folder, or anywhere in weights/.\n"
           "Exit status: 0 done, 1 failed, 2 wrong command line, 130 interrupted.\n");
}

/* ---- talk ------------------------------------------------------------------------------------- */

static void say(void *to, const char *line) { terminal_say(&((Run *)to)->terminal, line); }

static double peak_bytes(void)
{
#ifdef __linux__                                /* getrusage would count what the parent had before it became us */
    char line[128];
    double kilobytes = 0;
    FILE *f = fopen("/proc/self/status", "r");
    while (f && fgets(line, sizeof line, f) && sscanf(line, "VmHWM: %lf", &kilobytes) != 1) { }
    if (f) fclose(f);
    if (kilobytes > 0) return kilobytes * 1024;
#endif
    struct rusage u;
    getrusage(RUSAGE_SELF, &u);
#ifdef __APPLE__
    return (double)u.ru_maxrss;
#else
    return (double)u.ru_maxrss * 1024;
#endif
}

/* ---- the request ------------------------------------------------------------------------------ */

static int is_gif (Bytes b) { return stands_at(b, 0, "GIF8", 4); }
static int is_png (Bytes b) { return stands_at(b, 0, "\x89PNG\r\n\x1a\n", 8); }
static int is_jpeg(Bytes b) { return stands_at(b, 0, "\xff\xd8\xff", 3); }

/* an object with a name in it: {a|b} may begin a prompt */
static int is_json(Bytes b)
{
    size_t i = 0;
    while (i < b.size && blank(b.data[i])) i++;
    if (i == b.size || b.data[i++] != '{') return 0;
    while (i < b.size && blank(b.data[i])) i++;
    return i < b.size && b.data[i] == '"';
}

/* of a file that is not there: what else may have been meant */
static const char *hint(Run *r, const char *path)
{
    if (strchr(path, ' ')) return "; to draw these words: persona --prompt \"...\"";
    if (!strcmp(path, "-")) return "; standard input is not read";
    const char *command = r->command ? NULL : nearest_command(path);
    return command ? format(r->a, "; did you mean persona %s?", command) : "";
}

static Bytes open_input(Run *r, const char *path, const char *expected)
{
    struct stat s;
    if (stat(path, &s)) {
        int error = errno;
        fail(r->a, "%s: cannot be opened: %s; expected %s%s", path, strerror(error), expected, hint(r, path));
    }
    if (S_ISDIR(s.st_mode)) fail(r->a, "%s: is a folder, expected %s", path, expected);
    return file_map(r->a, path);
}

/* NULL when there are none */
static char *stored_settings(Run *r, Bytes b)
{
    char *text = adopt(r->a, is_gif(b) ? gif_comment(b.data, b.size) : png_text(b.data, b.size, "parameters"));
    return text && *text ? text : NULL;
}

static void refuse_binary(Run *r, Bytes b, const char *path)
{
    if (weights_like(b)) fail(r->a, "%s: this is a weights file, expected a prompt file; name it in one as Model, VAE, Motion module or LoRA, or see persona info", path);
    if (is_jpeg(b)) fail(r->a, "%s: this is a JPEG, expected a prompt file, or a GIF or PNG that persona made; to begin from this picture: --init", path);
    if (is_json(b)) fail(r->a, "%s: this is JSON, as ComfyUI keeps its workflows, expected a prompt file: words, then a line like Steps: 25, Seed: 1", path);
    if (b.size > LARGEST_PROMPT) fail(r->a, "%s: %.0f MB is too much for a prompt file, expected at most %d", path, (double)b.size / 1e6, LARGEST_PROMPT >> 20);
}

static void read_request(Run *r)
{
    r->request.job.prompt = "";
    if (r->input) {
        Bytes b = open_input(r, r->input, "a prompt file, or a GIF or PNG to make again");
        const char *text = (const char *)b.data;
        size_t n = b.size;
        if (is_gif(b) || is_png(b)) r->picture = b, text = stored_settings(r, b);
        else refuse_binary(r, b, r->input);
        if (!text) fail(r->a, "%s: this picture carries no settings, or is broken; expected one that persona or the Stable Diffusion web UI saved", r->input);
        if (r->picture.data) n = strlen(text);
        prompt_parse(r->a, &r->request, text, n, r->input, say, r);
    }
    r->status = MISUSED;
    for (size_t i = 0; i < r->givens; i++) prompt_set(r->a, &r->request, r->given[i].setting->flag, r->given[i].value);
    r->status = FAILED;
    prompt_warn(r->a, &r->request, r->prompted || !r->input ? "--prompt" : r->input, say, r);
}

/* 32 bits, as torch's generator takes no more */
static void draw_seed(Run *r, int told)
{
    uint32_t seed = (uint32_t)time(NULL) * 2654435761u ^ (uint32_t)getpid();
    int fd = open("/dev/urandom", O_RDONLY | O_CLOEXEC);
    if (fd >= 0 && read(fd, &seed, sizeof seed) < 0) seed ^= (uint32_t)clock();
    if (fd >= 0) close(fd);
    r->request.job.seed = seed, r->request.seeded = r->chance = 1;
    if (told) say(r, format(r->a, "seed %lu, drawn at random; --seed %lu draws this picture again", (unsigned long)seed, (unsigned long)seed));
}

/* ---- the result ------------------------------------------------------------------------------- */

/* beside the prompt, unless another is asked for; an output that was typed wrong is the command line's fault */
static Result place_result(Run *r, const Watch *watch)
{
    int again = !r->out && r->picture.data;
    if (again) r->out = r->input;
    else if (!r->out) r->out = r->input ? format(r->a, "%s.gif", without_ending(r->a, r->input)) : "persona.gif";
    Result result = { r->out, again, &r->request, watch };
    r->status = result_known(r->out) ? FAILED : MISUSED;
    result_check(r->a, &result, r->picture.data ? NULL : r->input);
    r->status = FAILED;
    return result;
}

static void save(Run *r, const Result *result, Pictures p, double began)
{
    size_t count;
    double bytes = 0;
    File *files = result_save(r->a, result, p, &count);
    for (size_t i = 0; i < count; i++) bytes += (double)files[i].content.size, printf("%s\n", files[i].path);
    say(r, format(r->a, "done in %.1f s, peak memory %.0f MB: %s of %dx%d, %.0f KB", clock_now() - began, peak_bytes() / 1e6,
                  amount(r->a, (size_t)p.frames, "frame"), p.width, p.height, bytes / 1e3));
}

/* ---- the commands ----------------------------------------------------------------------------- */

/* Hours of work do not end because nobody reads what is said meanwhile; when the result cannot be told, that is said at the end. */
static void go_on_unheard(void) { sigaction(SIGPIPE, &(struct sigaction){ .sa_handler = SIG_IGN }, NULL); }

/* one picture, or only what it takes */
static Pictures draw_one(Run *r, const Watch *watch, int check)
{
    place_spare(r->a, r->out, r->request.job.init);
    if (!check) return generate(r->a, &r->request.job, watch);
    Plan plan = generate_check(r->a, &r->request.job, watch);
    plan_say(r->a, &plan, watch);
    return (Pictures){ 0 };
}

/* axes of the command line are its fault when they are wrong */
static Sweep *read_axes(Run *r)
{
    for (size_t i = 0; i < r->givens; i++) if (setting_is_axis(r->given[i].setting)) r->status = MISUSED;
    Sweep *s = sweep_read(r->a, &r->request);
    r->status = FAILED;
    return s;
}

static const char *cells_folder(Run *r) { return format(r->a, "%s.cells", without_ending(r->a, r->out)); }

static Pictures draw_grid(Run *r, Sweep *s, const Places *p, const Watch *watch, int check)
{
    const char *command = r->chance ? format(r->a, "the same command with --seed %llu", (unsigned long long)r->request.job.seed) : "the same command";
    sweep_check(r->a, s, &r->request, p, r->out, watch);
    return check ? (Pictures){ 0 } : sweep_draw(r->a, s, cells_folder(r), r->keep_cells, command, watch);
}

static int can_preview(Run *r)
{
    const char *lacks = r->preview && !r->terminal.quiet ? terminal_lacks() : NULL;
    if (lacks) say(r, lacks);
    return r->preview = r->preview && !r->terminal.quiet && !lacks;
}

static void draw(Run *r)
{
    double began = clock_now();
    Watch watch = { .to = &r->terminal, .say = terminal_say, .progress = terminal_progress, .stop = &stopped };
    int check = r->command != NULL;
    if (check && !r->input && !r->prompted) { r->status = MISUSED; fail(r->a, "persona check needs a prompt file, or --prompt"); }
    go_on_unheard();
    read_request(r);
    Result result = place_result(r, &watch);
    const Places *where = places(r->a, r->input, r->folder, r->folders, r->program);
    int grid = sweep_asked(&r->request);
    if (!grid) lookup_request(r->a, where, &r->request);
    if (!r->request.seeded) draw_seed(r, !check);
    if (!check && can_preview(r)) watch.preview = terminal_preview;
    Sweep *s = grid ? read_axes(r) : NULL;
    Pictures p = grid ? draw_grid(r, s, where, &watch, check) : draw_one(r, &watch, check);
    terminal_end(&r->terminal);
    if (r->verbose) say(r, prompt_settings(r->a, &r->request));
    if (check) say(r, format(r->a, "%s: all is well; without check it draws %s", r->input ? r->input : "--prompt", r->out));
    else save(r, &result, p, began);
    if (grid && !check) sweep_done(r->a, s, cells_folder(r));
    if (r->preview && !check) fflush(stdout), terminal_play(&r->terminal, p, r->request.job.fps, &stopped);
}

static void print_weights(Run *r, const WeightFile *f) { fputs(info_weights(r->a, f, r->verbose ? 1 << 20 : 200), stdout); }

static void info_picture(Run *r, Bytes b)
{
    const unsigned char *d = b.data;
    unsigned width = 0, height = 0;
    if (is_gif(b) && b.size >= 10)  width = d[6] | (unsigned)d[7] << 8, height = d[8] | (unsigned)d[9] << 8;
    if (is_png(b) && b.size >= 24)  for (int i = 0; i < 4; i++) width = width << 8 | d[16 + i], height = height << 8 | d[20 + i];
    char *settings = stored_settings(r, b);
    if (settings) make_printable(settings, "\n");
    printf("%s: a %s of %ux%u, %s\n%s%s", r->input, is_gif(b) ? "GIF" : "PNG", width, height, settings ? "made with" : "without settings",
           settings ? settings : "", settings ? "\n" : "");
    const char *embedding = is_png(b) ? info_embedding(r->a, r->input) : NULL;
    if (embedding) printf("carries %s\n", embedding);
}

static void info(Run *r)
{
    if (!r->input) { r->status = MISUSED; fail(r->a, "persona info needs a file"); }
    if (!file_is(r->input) && weights_exist(r->a, r->input)) { print_weights(r, weights_open(r->a, r->input)); return; }
    Bytes b = open_input(r, r->input, "weights, a GIF or a PNG");
    if (is_gif(b) || is_png(b)) info_picture(r, b);
    else if (weights_like(b) || strstr(file_name(r->input), ".safetensors")) print_weights(r, weights_read(r->a, r->input, b));
    else fail(r->a, "%s: expected weights, a GIF or a PNG, found %s", r->input,
              is_jpeg(b) ? "a JPEG, which carries no settings" : "none of them; for a prompt file there is persona check");
}

static void check_trained(Run *r)
{
    r->status = strcmp(ending_of(r->out), ".safetensors") ? MISUSED : FAILED;
    if (r->status == MISUSED) fail(r->a, "%s: expected an output that ends in .safetensors, as -o %s.safetensors", r->out, without_ending(r->a, r->out));
    place_check(r->a, r->out, 0);
}

/* what options of drawing say something about training too */
static void check_shared(Run *r)
{
    static const char *const shared[] = { "model", "vae", "prompt", "clip-skip", "seed", "precision", "threads" };
    for (size_t i = 0; i < r->givens; i++) {
        const char *flag = r->given[i].setting->flag;
        int found = 0;
        for (size_t k = 0; k < sizeof shared / sizeof *shared; k++) found |= same(shared[k], flag);
        if (found) continue;
        r->status = MISUSED;
        const char *ours = option_elsewhere(flag, 1);
        fail(r->a, "--%s is an option of drawing; %s%s", flag, ours ? "in training it is " : "persona train --help lists those of training", ours ? ours : "");
    }
}

/* by the names of model and VAE that training was given */
static Samples read_samples(Run *r)
{
    const char *path = r->recipe.samples;
    if (!path) return (Samples){ NULL, 0 };
    Bytes b = open_input(r, path, "a file of prompts");
    refuse_binary(r, b, path);
    Samples s = samples_read(r->a, (const char *)b.data, b.size, path, say, r);
    const Places *where = places(r->a, path, r->folder, r->folders, r->program);
    for (size_t i = 0; i < s.count; i++) {
        s.request[i].model = r->request.model, s.request[i].vae = r->request.vae;
        lookup_request(r->a, where, &s.request[i]);
    }
    return s;
}

static void learn(Run *r)
{
    struct stat s;
    double began = clock_now();
    Watch watch = { .to = &r->terminal, .say = terminal_say, .progress = terminal_progress, .note = terminal_note, .stop = &stopped };
    const char *photos = r->input;
    if (r->helped) { help_training(); return; }
    go_on_unheard();
    if (!photos || !r->out) r->status = MISUSED;
    if (!photos) fail(r->a, "persona train needs a folder of pictures, and -o OUT.safetensors");
    if (!r->out) fail(r->a, "persona train %s needs -o OUT.safetensors too, where what is learned goes", photos);
    if (stat(photos, &s)) fail(r->a, "%s: cannot be opened: %s; expected a folder of pictures", photos, strerror(errno));
    if (!S_ISDIR(s.st_mode)) fail(r->a, "%s: is a file, expected a folder of pictures", photos);
    check_trained(r);
    check_shared(r);
    r->status = MISUSED;
    recipe_check(r->a, &r->recipe);
    r->status = FAILED;
    r->input = NULL;                            /* no prompt file, only options */
    read_request(r);
    Samples samples = read_samples(r);
    lookup_request(r->a, places(r->a, NULL, r->folder, r->folders, r->program), &r->request);
    place_spare(r->a, r->out, r->request.job.model), place_spare(r->a, r->out, r->request.job.vae);
    int seeded = r->request.seeded;
    if (!seeded) draw_seed(r, 0);
    train(r->a, &(Training){ photos, r->out, r->request.job, r->recipe, samples, seeded }, &watch);
    terminal_end(&r->terminal);
    printf("%s\n", r->out);
    say(r, format(r->a, "done in %.0f s, peak memory %.0f MB", clock_now() - began, peak_bytes() / 1e6));
}

static void version(void) { puts("persona " VERSION); }

static void work(Run *r)
{
    if (!r->command) draw(r);
    else if (!strcmp(r->command, "check")) draw(r);
    else if (!strcmp(r->command, "info")) info(r);
    else if (is_training(r)) learn(r);
    else if (!strcmp(r->command, "help")) help();
    else version();
    errno = 0;
    if (fflush(stdout) || ferror(stdout)) fail(r->a, "standard output cannot be written: %s", errno ? strerror(errno) : "it is closed");
}

/* A second Ctrl-C does not wait for the layer that is being computed. */
static void listen(void)
{
    struct sigaction on = { .sa_handler = stop, .sa_flags = (int)SA_RESETHAND }, off = { .sa_handler = SIG_IGN }, was;
    sigaction(SIGINT, &on, NULL);
    sigaction(SIGTERM, &on, NULL);
    if (!sigaction(SIGHUP, NULL, &was) && was.sa_handler != SIG_IGN) sigaction(SIGHUP, &on, NULL);      /* unless nohup wants it to go on */
    sigaction(SIGBUS, &(struct sigaction){ .sa_sigaction = lost, .sa_flags = SA_SIGINFO }, NULL);
    sigaction(SIGXFSZ, &off, NULL);             /* a file size limit is then an error of write, not the end */
}

typedef struct { Run run; int argc; char **argv; } Start;

static void begin(void *start)
{
    Start *s = start;
    s->run.status = MISUSED;
    read_options(&s->run, s->argc, s->argv);
    s->run.status = FAILED;
    work(&s->run);
}

/* Between parallel loops the threads of GNU's OpenMP run in circles for some milliseconds before they sleep.  Jobs that share a machine
 * then take each other's cores for nothing, and each lasts many times as long.  How long is read before main, so the program begins again. */
static void wait_briefly(char **argv)
{
#if defined _OPENMP && defined __linux__
    char path[4096];                                        /* its own, so that it keeps its name */
    ssize_t length = readlink("/proc/self/exe", path, sizeof path - 1);
    if (length <= 0 || getenv("GOMP_SPINCOUNT") || getenv("OMP_WAIT_POLICY") || setenv("GOMP_SPINCOUNT", "500", 1)) return;
    path[length] = 0;
    execv(path, argv);
#else
    (void)argv;
#endif
}

int main(int argc, char **argv)
{
    wait_briefly(argv);
    char message[1024];
    Start start = { .run = { .a = arena_new(), .program = argv[0], .recipe = recipe_default }, .argc = argc, .argv = argv };
    Run *r = &start.run;
    r->terminal.a = r->a;
    if (!r->a) { fprintf(stderr, "out of memory before anything began\n"); return FAILED; }
    mapped = r->a;
    listen();
    int status = DONE;
    if (attempt(r->a, begin, &start, message)) {
        terminal_end(&r->terminal);
        status = stopped ? INTERRUPTED : r->status;
        terminal_print(strcmp(message, "interrupted") ? message : "interrupted; nothing was written");
    }
    arena_free(r->a);
    return status;
}
