/* samples.c - sample images.
 *
 * A sample is a request like any other, drawn by the code that draws all pictures, with what has been trained so far
 * read from a file.  So it is, to the byte, the picture that this file will draw, and says so in its settings.
 *
 * Prompt files for kohya's trainer hold one prompt on each line, with options behind it (library/train_util.py,
 * sample_images).  Infotext can say more, and is recognized by its settings line or its negative prompt. */
#include "samples.h"

#include "chars.h"
#include "generate.h"
#include "gif.h"
#include "own_pictures.h"
#include "png.h"

#include <string.h>

/* ---- reading ---------------------------------------------------------------------------------- */

/* kohya's short names, and ours; --w and --h are read by read_side() */
static const struct { const char *kohya, *ours; } options[] = {
    { "n", "negative" }, { "d", "seed" }, { "l", "cfg" }, { "s", "steps" }, { "ss", "sampler" },
};

static const char *option_named(const char *name)
{
    for (size_t i = 0; i < sizeof options / sizeof *options; i++)
        if (!strcmp(options[i].kohya, name)) return options[i].ours;
    return strlen(name) > 2 && setting_named(name) ? name : NULL;
}

/* The sides of a picture as the line says them; NULL: not yet. */
typedef struct { const char *width, *height; } Sides;

static int is_side(const char *name) { return !strcmp(name, "w") || !strcmp(name, "h"); }

/* A picture of which only one side is said is square. */
static void read_side(const char *name, const char *value, Sides *sides)
{
    const char **said = *name == 'w' ? &sides->width : &sides->height;
    const char **other = *name == 'w' ? &sides->height : &sides->width;
    *said = value;
    if (!*other) *other = value;
}

/* option: "w 512", without its dashes */
static void read_option(Arena *a, Request *r, char *option, Sides *sides, const char *where)
{
    size_t n = strcspn(option, " \t");
    const char *name = copy(a, option, n);
    const char *value = trimmed(a, option + n, strlen(option + n));
    const char *flag = option_named(name);
    const char *label = format(a, "%s: --%s", where, name);
    if (!*value && (flag || is_side(name))) fail(a, "%s needs a value behind it", label);
    if (is_side(name)) read_side(name, value, sides);
    else if (flag) prompt_set_as(a, r, flag, label, value);
    else
        fail(a, "%s: %s is no option of a sample; expected --n, --w, --h, --d, --l, --s, or one of drawing by its full "
                "name", where, quoted(a, format(a, "--%s", name)));
}

/* Where the next option begins, behind the words or behind an option's value; NULL: nowhere. */
static char *next_option(char *s)
{
    while ((s = strstr(s, "--"))) {
        if (s[2] >= 'a' && s[2] <= 'z' && blank(s[-1])) return s;
        s += 2;
    }
    return NULL;
}

static void read_line(Arena *a, Request *r, char *line, const char *where)
{
    Sides sides = { NULL, NULL };
    char *option = next_option(line + 1);
    *r = (Request){ .job = { .prompt = "", .frames = 1 } };
    if (option) option[-1] = 0;
    prompt_set_as(a, r, "prompt", where, line);
    while (option) {
        char *next = next_option(option + 2);
        if (next) next[-1] = 0;
        read_option(a, r, option + 2, &sides, where);
        option = next;
    }
    if (!sides.width) return;
    const char *size = format(a, "%sx%s", sides.width, sides.height);
    prompt_set_as(a, r, "size", format(a, "%s: --w and --h", where), size);
}

static size_t count_lines(const char *text, size_t n)
{
    size_t lines = 1;
    for (size_t i = 0; i < n; i++)
        if (text[i] == '\n') lines++;
    return lines;
}

static void read_lines(Arena *a, SamplePrompts *s, const char *text, size_t n, const char *path)
{
    const char *stop = text + n;
    const char *at = text;
    for (size_t number = 1; at < stop; number++) {
        const char *end = memchr(at, '\n', (size_t)(stop - at));
        if (!end) end = stop;
        char *line = trimmed(a, at, (size_t)(end - at));
        const char *where = format(a, "%s, line %zu", path, number);
        if (*line && *line != '#') read_line(a, &s->request[s->count++], line, where);
        at = end + 1;
    }
}

static int has_axis(const Request *r) { return r->axis[0].text || r->axis[1].text || r->axis[2].text; }

SamplePrompts sample_prompts_read(Arena *a, const char *text, size_t n, const char *path, LineCallback *warn, void *to)
{
    SamplePrompts s = { allocate(a, count_lines(text, n), sizeof *s.request), 0 };
    if (prompt_is_infotext(a, text, n, path)) prompt_parse(a, &s.request[s.count++], text, n, path, warn, to);
    else read_lines(a, &s, text, n, path);
    if (!s.count) fail(a, "%s: no prompt to draw samples of; expected one on each line", path);
    for (size_t i = 0; i < s.count; i++) {
        if (has_axis(&s.request[i])) fail(a, "%s: a grid is no sample; take its axes out", path);
        if (warn) prompt_warn(a, &s.request[i], path, warn, to);
    }
    return s;
}

/* ---- drawing ---------------------------------------------------------------------------------- */

/* Adds the LoRA where its tag will have it: behind the other tags, before LoRA keys. */
static void add_lora(Arena *a, Request *r, TrainedFiles trained)
{
    Job *j = &r->job;
    LoraUse *use = allocate(a, j->loras + 1, sizeof *use);
    size_t tags = j->loras - r->keys;
    for (size_t i = 0; i < tags; i++) use[i] = j->lora[i];
    use[tags] = (LoraUse){ .path = trained.lora, .text = 1, .unet = 1 };
    for (size_t i = tags; i < j->loras; i++) use[i + 1] = j->lora[i];
    j->lora = use;
    j->loras++;
    r->prompt = format(a, "%s <lora:%s:1>", r->prompt, trained.lora_name);
}

/* The new embedding comes first, for of two with one name the first one counts. */
static void add_embedding(Arena *a, Request *r, TrainedFiles trained)
{
    const char **list = allocate(a, r->job.embeddings + 1, sizeof *list);
    list[0] = trained.embedding;
    for (size_t i = 0; i < r->job.embeddings; i++) list[i + 1] = r->job.embedding[i];
    r->job.embedding = list;
    r->job.embeddings++;
}

static Bytes encode(Arena *a, const Request *r, Pictures p, const char *path)
{
    size_t size = 0;
    unsigned char *bytes;
    const char *settings = prompt_infotext(a, r);
    if (p.frames == 1) bytes = png_encode(p.rgb, p.width, p.height, settings, &size);
    else bytes = gif_encode(p.rgb, p.frames, p.width, p.height, r->job.fps, settings, &size);
    arena_own(a, bytes);
    if (!bytes)
        fail(a, "%s: %d frames of %dx%d cannot be made into a picture: out of memory, or larger than it can be", path,
             p.frames, p.width, p.height);
    return own_picture_mark(a, (Bytes){ bytes, size }, OWN_SAMPLE);
}

File sample_draw(Arena *a, const Request *request, TrainedFiles trained, const char *stem, const Callbacks *callbacks)
{
    Request r = *request;
    Callbacks silent = callbacks_silent(callbacks);
    int is_still = r.job.frames == 1 || !r.job.motion;
    const char *path = format(a, "%s.%s", stem, is_still ? "png" : "gif");
    if (trained.embedding) add_embedding(a, &r, trained);
    if (trained.lora) add_lora(a, &r, trained);
    return (File){ path, encode(a, &r, generate(a, &r.job, &silent), path) };
}
