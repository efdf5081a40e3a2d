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
 * A picture is never replaced by a different one unless -o names it. */
#define _XOPEN_SOURCE 700
#include "chars.h"
#include "checkpoint.h"
#include "gif.h"
#include "info.h"
#include "lookup.h"
#include "png.h"
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

typedef struct { const char *flag, *value; } Given;

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
    int         again;                          /* the result stands where the picture it comes from stands */
    Terminal    terminal;
    Request     request;
    Bytes       picture;                        /* what the input was, when it was a picture */
} Run;

typedef void Act(Run *r, const char *value);

static void act_output (Run *r, const char *value) { r->out = value; }
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

static int same_option(const char *a, const char *b) { return edit_distance(a, b) == 0; }

static size_t option_named(const char *name)
{
    if (!strcmp(name, "o")) name = "output";
    if (!strcmp(name, "h")) name = "help";
    size_t i = 0;
    while (i < OPTIONS && !same_option(options[i].flag, name)) i++;
    return i;
}

static _Noreturn void unknown_option(Run *r, const char *arg, const char *name)
{
    const char *near = NULL, *flag, *value, *help;
    size_t least = strlen(name) / 2 + 1;
    for (size_t i = 0; i < OPTIONS; i++)
        if (*name && least && begins(options[i].flag, name)) near = options[i].flag, least = 0;
        else if (edit_distance(options[i].flag, name) < least) near = options[i].flag, least = edit_distance(near, name);
    for (size_t i = 0; (flag = prompt_flag(i, &value, &help)); i++)
        if (edit_distance(flag, name) < least) near = flag, least = edit_distance(near, name);
    for (size_t i = 0; is_training(r) && (flag = recipe_flag(i, &value, &help)); i++)
        if (edit_distance(flag, name) < least) near = flag, least = edit_distance(near, name);
    if (near) fail(r->a, "%s is no option of persona; did you mean --%s?", quoted(r->a, arg), near);
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
    const char *flag = own < OPTIONS ? options[own].flag : recipe ? recipe : arg[1] == '-' ? prompt_flag_find(name) : NULL;
    if (!flag || (arg[1] != '-' && name[1])) unknown_option(r, arg, name);
    if (bare && equals) fail(r->a, "--%s takes no value, found %s", flag, quoted(r->a, equals + 1));
    if (!bare && !equals && i + 1 == argc) fail(r->a, "%s needs a value behind it", arg);
    const char *value = bare ? flag : equals ? equals + 1 : argv[++i];
    if (own < OPTIONS) options[own].act(r, value);
    else if (recipe) recipe_set(r->a, &r->recipe, flag, value);
    else r->given[r->givens++] = (Given){ flag, value };
    r->prompted |= !strcmp(flag, "prompt");
    return i;
}

static const char *nearest_command(const char *word)
{
    static const char *const commands[] = { "check", "info", "train", "help" };
    size_t near = 0;
    for (size_t i = 1; i < sizeof commands / sizeof *commands; i++) if (edit_distance(commands[i], word) < edit_distance(commands[near], word)) near = i;
    return commands[near];
}

static void read_operand(Run *r, const char *arg)
{
    int command = !r->command && !r->input && !strcmp(arg, nearest_command(arg));
    if (command) { r->command = arg; return; }
    if (r->input && 2 * edit_distance(r->input, nearest_command(r->input)) < strlen(r->input))
        fail(r->a, "%s is no command of persona; did you mean %s?", quoted(r->a, r->input), nearest_command(r->input));
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
           "Ctrl-C saves the state to OUT-state.safetensors; the same command with --resume goes on to the same bytes.\n\n");
    for (size_t i = 0; (flag = recipe_flag(i, &value, &text)); i++) printf("  --%-28s %-5s %s\n", flag, value ? value : "", text);
}

static void help(void)
{
    const char *flag, *value, *text;
    printf("%s\nOptions win over the prompt file; in brackets what holds when neither says:\n\n", usage);
    for (size_t i = 0; (flag = prompt_flag(i, &value, &text)); i++) printf("  --%-16s %-8s %s\n", flag, value, text);
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

static int starts(Bytes b, const char *with, size_t n) { return b.size >= n && !memcmp(b.data, with, n); }
static int is_gif(Bytes b)         { return starts(b, "GIF8", 4); }
static int is_png(Bytes b)         { return starts(b, "\x89PNG\r\n\x1a\n", 8); }
static int is_jpeg(Bytes b)        { return starts(b, "\xff\xd8\xff", 3); }

static Bytes open_input(Run *r, const char *path)
{
    struct stat s;
    if (stat(path, &s)) {
        const char *hint = strchr(path, ' ') ? "; to draw these words: persona --prompt \"...\"" : "";
        fail(r->a, "%s: cannot be opened: %s%s", path, strerror(errno), hint);
    }
    if (S_ISDIR(s.st_mode)) fail(r->a, "%s: is a folder, expected %s", path, r->command ? "a file" : "a prompt file or a picture");
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
    if (b.size > LARGEST_PROMPT) fail(r->a, "%s: %.0f MB is too much for a prompt file, expected at most %d", path, (double)b.size / 1e6, LARGEST_PROMPT >> 20);
}

static void read_request(Run *r)
{
    r->request.job.prompt = "";
    if (r->input) {
        Bytes b = open_input(r, r->input);
        const char *text = (const char *)b.data;
        size_t n = b.size;
        if (is_gif(b) || is_png(b)) r->picture = b, text = stored_settings(r, b);
        else refuse_binary(r, b, r->input);
        if (!text) fail(r->a, "%s: this picture carries no settings, or is broken; expected one that persona or the Stable Diffusion web UI saved", r->input);
        if (r->picture.data) n = strlen(text);
        prompt_parse(r->a, &r->request, text, n, r->input, say, r);
    }
    r->status = MISUSED;
    for (size_t i = 0; i < r->givens; i++) prompt_set(r->a, &r->request, r->given[i].flag, r->given[i].value);
    r->status = FAILED;
    if (r->request.left) say(r, format(r->a, "ignored in the prompt, as persona knows LoRA tags and their strengths only: %s", r->request.left));
}

/* 32 bits, as torch's generator takes no more */
static void draw_seed(Run *r, int told)
{
    uint32_t seed = (uint32_t)time(NULL) * 2654435761u ^ (uint32_t)getpid();
    int fd = open("/dev/urandom", O_RDONLY | O_CLOEXEC);
    if (fd >= 0 && read(fd, &seed, sizeof seed) < 0) seed ^= (uint32_t)clock();
    if (fd >= 0) close(fd);
    r->request.job.seed = seed, r->request.seeded = 1;
    if (told) say(r, format(r->a, "seed %lu, drawn at random; --seed %lu draws this picture again", (unsigned long)seed, (unsigned long)seed));
}

/* ---- the result ------------------------------------------------------------------------------- */

typedef unsigned char *Encode(Run *r, Pictures p, const char *settings, size_t *size);

static void say_effort(Run *r, GifEffort e, size_t most, size_t size)
{
    const char *loss = e.loss ? format(r->a, ", matched within %d/255", e.loss) : "", *frames = e.every > 1 ? format(r->a, ", one frame of %d", e.every) : "";
    if (e.colours < 256) say(r, format(r->a, "to keep to %s: %d colours%s%s", bytes_text(r->a, most), e.colours, loss, frames));
    if (size > most) say(r, format(r->a, "Max size is %s, but %.0f KB is as small as this GIF gets; a smaller Size or fewer Frames would do more", bytes_text(r->a, most), (double)size / 1024));
}

static unsigned char *to_gif(Run *r, Pictures p, const char *settings, size_t *size)
{
    size_t most = r->request.max_size ? (size_t)r->request.max_size : SIZE_MAX;
    GifEffort e;
    unsigned char *gif = gif_encode_within(p.rgb, p.frames, p.width, p.height, r->request.job.fps, settings, most, &e, size);
    if (gif) say_effort(r, e, most, *size);
    return gif;
}

static unsigned char *to_apng(Run *r, Pictures p, const char *s, size_t *n) { return apng_encode(p.rgb, p.frames, p.width, p.height, r->request.job.fps, s, n); }
static unsigned char *to_png (Run *r, Pictures p, const char *s, size_t *n) { (void)r; return png_encode(p.rgb, p.width, p.height, s, n); }

static const struct { const char *ending; Encode *encode; int numbered; } results[] = {
    { ".gif", to_gif, 0 }, { ".png", to_png, 1 }, { ".apng", to_apng, 0 },
};
enum { RESULTS = sizeof results / sizeof *results };

static const char *base(const char *path) { const char *slash = strrchr(path, '/'); return slash ? slash + 1 : path; }

/* "dir/name" of "dir/name.txt" */
static char *without_ending(Arena *a, const char *path)
{
    const char *dot = strrchr(base(path), '.');
    return format(a, "%.*s", (int)(dot && dot > base(path) ? dot - path : (long)strlen(path)), path);
}

static size_t result_kind(const char *path)
{
    const char *dot = strrchr(base(path), '.');
    size_t i = 0;
    while (i < RESULTS && !(dot && dot > base(path) && same_option(dot, results[i].ending))) i++;
    return i;
}

static void default_output(Run *r)
{
    if (r->out) return;
    if (!r->input) r->out = "persona.gif";
    else r->out = r->picture.data ? r->input : format(r->a, "%s.gif", without_ending(r->a, r->input));
    r->again = r->picture.data != NULL;
}

/* a file under a name as long as any to come, there and gone */
static void try_writing(Run *r, const char *out)
{
    const char *path = format(r->a, "%s-001.%ld.part", out, (long)getpid());
    int fd = open(path, O_WRONLY | O_CREAT | O_EXCL | O_CLOEXEC, 0666);
    if (fd < 0) fail(r->a, "%s: cannot be written: %s; choose another place with -o", out, strerror(errno));
    close(fd);
    unlink(path);
}

static void check_folder(Run *r)
{
    struct stat folder;
    const char *name = base(r->out);
    char *dir = name == r->out ? format(r->a, ".") : format(r->a, "%.*s", (int)(name - r->out), r->out);
    if (stat(dir, &folder) || !S_ISDIR(folder.st_mode)) fail(r->a, "%s: there is no folder %s; make it first, or choose another with -o", r->out, quoted(r->a, dir));
    try_writing(r, r->out);
}

/* all that can go wrong with the result and can be known now; an output that was typed wrong is the command line's fault */
static void check_output(Run *r)
{
    struct stat file, input;
    const char *out = r->out;
    if (result_kind(out) == RESULTS) {
        r->status = MISUSED;
        fail(r->a, "%s: expected an output that ends in .gif, .png or .apng%s", out, r->again ? "; name one with -o" : "");
    }
    if (r->request.max_size && results[result_kind(out)].encode != to_gif) fail(r->a, "%s: Max size makes GIFs smaller, other pictures keep every pixel; take it out, or --max-size 0", out);
    check_folder(r);
    if (stat(out, &file)) return;
    if (!S_ISREG(file.st_mode)) fail(r->a, "%s: is there and no file; choose another name with -o", out);
    if (r->input && !r->picture.data && !stat(r->input, &input) && file.st_dev == input.st_dev && file.st_ino == input.st_ino)
        fail(r->a, "%s: the picture would replace the prompt file; choose another name with -o", out);
}

/* "name" of "name-001" that was one of several: a series is made again as a series */
static char *series(Run *r, char *stem)
{
    size_t n = strlen(stem), digits = 0;
    while (digits < n && stem[n - 1 - digits] >= '0' && stem[n - 1 - digits] <= '9') digits++;
    if (r->again && digits >= 3 && n > digits + 1 && stem[n - 1 - digits] == '-') stem[n - 1 - digits] = 0;
    return stem;
}

static Bytes encode(Run *r, size_t kind, Pictures p, const char *settings)
{
    size_t n = 0;
    unsigned char *bytes = adopt(r->a, results[kind].encode(r, p, settings, &n));
    if (!bytes) fail(r->a, "%s: %d frames of %dx%d cannot be made into a %s: out of memory, or larger than it can be", r->out, p.frames, p.width, p.height, results[kind].ending + 1);
    return (Bytes){ bytes, n };
}

/* stem.ending, or one file a frame: stem-001.ending */
static File *encode_all(Run *r, Pictures p, const char *stem, const char *settings, size_t *count)
{
    size_t kind = result_kind(r->out), frame = (size_t)p.width * (size_t)p.height * 3;
    const char *ending = strrchr(r->out, '.');
    *count = results[kind].numbered ? (size_t)p.frames : 1;
    File *files = take(r->a, *count, sizeof *files);
    for (size_t i = 0; i < *count; i++) {
        Pictures part = *count > 1 ? (Pictures){ 1, p.width, p.height, p.rgb + i * frame } : p;
        const char *path = *count > 1 ? format(r->a, "%s-%03zu%s", stem, i + 1, ending) : r->out;
        files[i] = (File){ path, encode(r, kind, part, settings) };
    }
    return files;
}

/* Is a picture there already that these bytes differ from? */
static int differs(Run *r, const File *files, size_t count)
{
    for (size_t i = 0; i < count; i++) {
        if (!file_is(files[i].path)) continue;
        Bytes old = file_map(r->a, files[i].path);
        if (old.size != files[i].content.size || memcmp(old.data, files[i].content.data, old.size)) return 1;
    }
    return 0;
}

/* A picture that was made again and came out different, by other weights, machine or options, is no reason to lose the first. */
static void keep_old(Run *r, File *files, size_t count)
{
    if (!r->again) return;
    if (!differs(r, files, count)) { say(r, "the same bytes as before"); return; }
    for (size_t i = 0; i < count; i++) {
        const char *stem = without_ending(r->a, files[i].path);
        files[i].path = format(r->a, "%s-again%s", stem, strrchr(files[i].path, '.'));
    }
    say(r, format(r->a, "%s: came out different than it was, so the first is kept; to replace it: -o %s", r->out, r->out));
}

static void save(Run *r, Pictures p, double began)
{
    const char *settings = prompt_settings(r->a, &r->request);
    size_t count;
    File *files = encode_all(r, p, series(r, without_ending(r->a, r->out)), settings, &count);
    double bytes = 0;
    keep_old(r, files, count);
    files_save(r->a, files, count);
    for (size_t i = 0; i < count; i++) bytes += (double)files[i].content.size, printf("%s\n", files[i].path);
    say(r, format(r->a, "done in %.1f s, peak memory %.0f MB: %d frame%s of %dx%d, %.0f KB", clock_now() - began, peak_bytes() / 1e6,
                  p.frames, p.frames == 1 ? "" : "s", p.width, p.height, bytes / 1e3));
}

/* ---- the commands ----------------------------------------------------------------------------- */

/* one picture, or only what it takes */
static Pictures draw_one(Run *r, const Watch *watch, int check)
{
    if (!check) return generate(r->a, &r->request.job, watch);
    Plan plan = generate_check(r->a, &r->request.job, watch);
    plan_say(r->a, &plan, watch);
    return (Pictures){ 0 };
}

/* axes of the command line are its fault when they are wrong */
static Sweep *read_axes(Run *r)
{
    for (size_t i = 0; i < r->givens; i++) if (strlen(r->given[i].flag) == 1) r->status = MISUSED;
    Sweep *s = sweep_read(r->a, &r->request);
    r->status = FAILED;
    return s;
}

static const char *cells_folder(Run *r) { return format(r->a, "%s.cells", without_ending(r->a, r->out)); }

static Pictures draw_grid(Run *r, const Places *p, const Watch *watch, int check)
{
    Sweep *s = read_axes(r);
    sweep_check(r->a, s, &r->request, p, watch);
    return check ? (Pictures){ 0 } : sweep_draw(r->a, s, cells_folder(r), r->keep_cells, watch);
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
    read_request(r);
    default_output(r);
    check_output(r);
    const Places *where = places(r->a, r->input, r->folder, r->folders, r->program);
    int grid = sweep_asked(&r->request);
    if (!grid) lookup_request(r->a, where, &r->request);
    if (!r->request.seeded) draw_seed(r, !check);
    if (!check && can_preview(r)) watch.preview = terminal_preview;
    Pictures p = grid ? draw_grid(r, where, &watch, check) : draw_one(r, &watch, check);
    terminal_end(&r->terminal);
    if (r->verbose) say(r, prompt_settings(r->a, &r->request));
    if (check) say(r, format(r->a, "%s: all is well; without check it draws %s", r->input ? r->input : "--prompt", r->out));
    else save(r, p, began);
    if (grid && !check) sweep_done(r->a, cells_folder(r));
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
    for (char *c = settings; c && *c; c++) if (((unsigned char)*c < 0x20 && *c != '\n') || *c == 0x7f) *c = ' ';
    printf("%s: a %s of %ux%u, %s\n%s%s", r->input, is_gif(b) ? "GIF" : "PNG", width, height, settings ? "made with" : "without settings",
           settings ? settings : "", settings ? "\n" : "");
    const char *embedding = is_png(b) ? info_embedding(r->a, r->input) : NULL;
    if (embedding) printf("carries %s\n", embedding);
}

static void info(Run *r)
{
    if (!r->input) { r->status = MISUSED; fail(r->a, "persona info needs a file"); }
    if (!file_is(r->input) && weights_exist(r->a, r->input)) { print_weights(r, weights_open(r->a, r->input)); return; }
    Bytes b = open_input(r, r->input);
    if (is_gif(b) || is_png(b)) info_picture(r, b);
    else if (weights_like(b) || strstr(base(r->input), ".safetensors")) print_weights(r, weights_read(r->a, r->input, b));
    else fail(r->a, "%s: expected weights, a GIF or a PNG, found %s", r->input, is_jpeg(b) ? "a JPEG, which carries no settings" : "none of them; for a prompt file there is persona check");
}

static void check_trained(Run *r)
{
    const char *name = base(r->out), *dot = strrchr(name, '.');
    if (!dot || strcmp(dot, ".safetensors")) { r->status = MISUSED; fail(r->a, "%s: expected an output that ends in .safetensors", r->out); }
    check_folder(r);
}

/* what options of drawing say something about training too */
static void check_shared(Run *r)
{
    static const char *const shared[] = { "model", "vae", "prompt", "clip-skip", "seed", "precision", "threads" };
    for (size_t i = 0; i < r->givens; i++) {
        int found = 0;
        for (size_t k = 0; k < sizeof shared / sizeof *shared; k++) found |= same(shared[k], r->given[i].flag);
        if (!found) { r->status = MISUSED; fail(r->a, "--%s is an option of drawing; persona train --help lists those of training", r->given[i].flag); }
    }
}

/* by the names of model and VAE that training was given */
static Samples read_samples(Run *r)
{
    const char *path = r->recipe.samples;
    if (!path) return (Samples){ NULL, 0 };
    Bytes b = open_input(r, path);
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
    if (!photos || !r->out) { r->status = MISUSED; fail(r->a, "persona train needs a folder of pictures, and -o OUT.safetensors"); }
    if (stat(photos, &s)) fail(r->a, "%s: cannot be opened: %s; expected a folder of pictures", photos, strerror(errno));
    if (!S_ISDIR(s.st_mode)) fail(r->a, "%s: is a file, expected a folder of pictures", photos);
    check_trained(r);
    check_shared(r);
    r->input = NULL;                            /* no prompt file, only options */
    read_request(r);
    Samples samples = read_samples(r);
    lookup_request(r->a, places(r->a, NULL, r->folder, r->folders, r->program), &r->request);
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
    struct sigaction on = { .sa_handler = stop, .sa_flags = (int)SA_RESETHAND }, off = { .sa_handler = SIG_IGN };
    sigaction(SIGINT, &on, NULL);
    sigaction(SIGTERM, &on, NULL);
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

int main(int argc, char **argv)
{
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
