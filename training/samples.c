/* samples.c - pictures that show how training goes.
 *
 * A sample is a request like any other, drawn by the code that draws all pictures, with what is learned so far from a file.  So it is
 * the picture that this file will draw, to the byte, and says so in its settings.
 *
 * Files of prompts for kohya's trainer hold one on each line, with options behind it; infotext says more, and is told from
 * them by its settings line or its negative prompt. */
#include "samples.h"

#include "chars.h"
#include "generate.h"
#include "gif.h"
#include "png.h"

#include <string.h>

/* ---- reading ---------------------------------------------------------------------------------- */

/* kohya's names (library/train_util.py) and ours */
static const char *const options[][2] = { { "n", "negative" }, { "d", "seed" }, { "l", "cfg" }, { "s", "steps" }, { "ss", "sampler" } };

static const char *option_named(const char *name)
{
    for (size_t i = 0; i < sizeof options / sizeof *options; i++) if (!strcmp(options[i][0], name)) return options[i][1];
    return strlen(name) > 2 && setting_named(name) ? name : NULL;
}

/* "w 512" -> 1 when it was a side: of a picture without the other, both */
static int read_side(const char *name, const char *value, const char *side[2])
{
    if (strcmp(name, "w") && strcmp(name, "h")) return 0;
    side[*name == 'h'] = value;
    if (!side[*name == 'w']) side[*name == 'w'] = value;
    return 1;
}

static void read_option(Arena *a, Request *r, char *option, const char *side[2], const char *where)
{
    size_t n = strcspn(option, " \t");
    const char *name = copy(a, option, n), *value = trimmed(a, option + n, strlen(option + n)), *flag = option_named(name), *label = format(a, "%s: --%s", where, name);
    if (!*value && (flag || !strcmp(name, "w") || !strcmp(name, "h"))) fail(a, "%s needs a value behind it", label);
    if (read_side(name, value, side)) return;
    if (!flag) fail(a, "%s: %s is no option of a sample; expected --n, --w, --h, --d, --l, --s, or one of drawing by its full name", where, quoted(a, format(a, "--%s", name)));
    prompt_set_as(a, r, flag, label, value);
}

/* the end of the words, or of an option's value: where the next option begins */
static char *next_option(char *s)
{
    while ((s = strstr(s, "--")) && !(s[2] >= 'a' && s[2] <= 'z' && (blank(s[-1])))) s += 2;
    return s;
}

static void read_line(Arena *a, Request *r, char *line, const char *where)
{
    const char *side[2] = { NULL, NULL };
    char *option = next_option(line + 1);
    *r = (Request){ .job = { .prompt = "", .frames = 1 } };
    if (option) option[-1] = 0;
    prompt_set_as(a, r, "prompt", where, line);
    while (option) {
        char *next = next_option(option + 2);
        if (next) next[-1] = 0;
        read_option(a, r, option + 2, side, where);
        option = next;
    }
    if (side[0]) prompt_set_as(a, r, "size", format(a, "%s: --w and --h", where), format(a, "%sx%s", side[0], side[1]));
}

Samples samples_read(Arena *a, const char *text, size_t n, const char *path, Say *warn, void *to)
{
    size_t most = 1, number = 0;
    for (size_t i = 0; i < n; i++) most += text[i] == '\n';
    Samples s = { take(a, most, sizeof *s.request), 0 };
    if (prompt_is_infotext(a, text, n, path)) prompt_parse(a, &s.request[s.count++], text, n, path, warn, to);
    else for (const char *at = text, *end; number++, at < text + n; at = end + 1) {
        end = memchr(at, '\n', (size_t)(text + n - at));
        if (!end) end = text + n;
        char *line = trimmed(a, at, (size_t)(end - at));
        if (*line && *line != '#') read_line(a, &s.request[s.count++], line, format(a, "%s, line %zu", path, number));
    }
    if (!s.count) fail(a, "%s: no prompt to draw samples of; expected one on each line", path);
    for (const Request *r = s.request; r < s.request + s.count; r++) {
        if (r->axis[0].text || r->axis[1].text || r->axis[2].text) fail(a, "%s: a grid is no sample; take its axes out", path);
        if (warn) prompt_warn(a, r, path, warn, to);
    }
    return s;
}

/* ---- drawing ---------------------------------------------------------------------------------- */

/* In the place that its tag will have: behind the other tags, before LoRA keys. */
static void add_lora(Arena *a, Request *r, Newcomer l)
{
    Job *j = &r->job;
    LoraUse *use = take(a, j->loras + 1, sizeof *use);
    size_t tags = j->loras - r->keys;
    for (size_t i = 0; i < j->loras; i++) use[i + (i >= tags)] = j->lora[i];
    use[tags] = (LoraUse){ l.lora, 1, 1 };
    j->lora = use, j->loras++;
    r->prompt = format(a, "%s <lora:%s:1>", r->prompt, l.as);
}

/* the first of its name is the one that counts */
static void add_word(Arena *a, Request *r, Newcomer l)
{
    const char **list = take(a, r->job.embeddings + 1, sizeof *list);
    list[0] = l.word;
    for (size_t i = 0; i < r->job.embeddings; i++) list[i + 1] = r->job.embedding[i];
    r->job.embedding = list, r->job.embeddings++;
}

const char *sample_draw(Arena *a, const Request *request, Newcomer l, const char *stem, const Watch *watch)
{
    Request r = *request;
    Watch silent = { .stop = watch ? watch->stop : NULL };
    const char *path = format(a, "%s.%s", stem, r.job.frames == 1 || !r.job.motion ? "png" : "gif");
    size_t before = mark(a), size = 0;
    if (l.word) add_word(a, &r, l);
    if (l.lora) add_lora(a, &r, l);
    Pictures p = generate(a, &r.job, &silent);
    const char *settings = prompt_settings(a, &r);
    unsigned char *bytes = adopt(a, p.frames == 1 ? png_encode(p.rgb, p.width, p.height, settings, &size)
                                                  : gif_encode(p.rgb, p.frames, p.width, p.height, r.job.fps, settings, &size));
    if (!bytes) fail(a, "%s: %d frames of %dx%d cannot be made into a picture: out of memory, or larger than it can be", path, p.frames, p.width, p.height);
    files_save(a, &(File){ path, { bytes, size } }, 1);
    release(a, before);
    return path;
}
