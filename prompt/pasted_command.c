/* pasted_command.c - command lines of other programs as prompt files.
 *
 * Four kinds are understood:
 *
 *     ./sd -m model.safetensors -p "a cat" -W 512 -H 768 --steps 20     a program and its options, as in a shell
 *     a cat, red hat --n dog --w 512 --h 768 --d 1 --l 7.5 --s 28         words, then options: kohya's sample prompts
 *     --prompt "a cat" --negative_prompt "dog" --steps 20               options alone: the web UI's "Prompts from file"
 *     "a cat" -s 50 -S 7 -W 512 -H 512 -C 7.5 -A k_lms                    InvokeAI 1 and 2
 *
 * Programs are stable-diffusion.cpp, persona itself, and Python scripts like those of diffusers and CompVis.  Long
 * names of options are keys of settings, which foreign_settings.c knows; short ones are in a table.  Options become
 * settings ("Steps: 20"), and what is no setting is told as any unknown key is.
 *
 * Words with dashes in them stay words: only an option that is known, with a value behind it, makes a command line of
 * them. */
#include "pasted_command.h"

#include "chars.h"
#include "foreign_json.h"
#include "foreign_settings.h"
#include "infotext_writer.h"
#include "shell_words.h"

#include <string.h>

/* ---- options ----------------------------------------------------------------------------------- */

typedef enum { SCRIPT, SDCPP, KOHYA } Program;

static const char PROMPT[] = "Prompt", NEGATIVE[] = "Negative prompt";

/* Names of one letter, whose case counts. */
static const struct { Program program; const char *name, *key; } letters[] = {
    { KOHYA,  "n",  NEGATIVE },    { KOHYA,  "w", "Width" },      { KOHYA,  "h", "Height" },
    { KOHYA,  "d",  "Seed" },      { KOHYA,  "l", "CFG scale" },  { KOHYA,  "s", "Steps" },
    { KOHYA,  "ss", "Sampler" },
    { SDCPP,  "p",  PROMPT },      { SDCPP,  "n", NEGATIVE },     { SDCPP,  "m", "Model" },
    { SDCPP,  "W",  "Width" },     { SDCPP,  "H", "Height" },     { SDCPP,  "s", "Seed" },
    { SDCPP,  "i",  "Init image" },
    { SCRIPT, "W",  "Width" },     { SCRIPT, "H", "Height" },     { SCRIPT, "p", PROMPT },
    { SCRIPT, "n",  NEGATIVE },
};

static const struct { const char *name, *key; } long_names[] = {
    { "prompt", PROMPT },            { "negative", NEGATIVE },       { "negative-prompt", NEGATIVE },
    { "neg", NEGATIVE },             { "no", NEGATIVE },             { "scale", "CFG scale" },
    { "vae-path", "VAE" },           { "init-img", "Init image" },   { "init-image", "Init image" },
    { "image", "Init image" },       { "pretrained-model-name-or-path", "Model" },
    { "mask-image", "Mask" },        { "mask-img", "Mask" },         { "init-mask", "Mask" },
    { "end-img", "Last image" },     { "end-image", "Last image" },
    { "model-id", "Model" },         { "model-path", "Model" },      { "model-name-or-path", "Model" },
    { "width", "Width" },            { "height", "Height" },         { "scheduler", "Scheduler" },
    { "motion-module-path", "Motion module" },
};

/* The key of a setting that an option means, or NULL. */
static const char *option_key(Program program, const char *name)
{
    for (size_t i = 0; i < sizeof letters / sizeof *letters; i++)
        if (letters[i].program == program && !strcmp(letters[i].name, name)) return letters[i].key;
    if (strlen(name) < 2) return NULL;
    for (size_t i = 0; i < sizeof long_names / sizeof *long_names; i++)
        if (same(long_names[i].name, name)) return long_names[i].key;
    const Setting *s = setting_named(name);
    if (!s || !s->key) s = foreign_key(name);
    return s ? s->key : NULL;
}

typedef struct {
    InfotextWriter t;
    Program        program;
    size_t         known;                /* options that are settings or words */
} Command;

/* Options that choose a sampler by their name alone, in CompVis' scripts. */
static const char *sampler_flag(const char *name)
{
    static const char *const flags[] = { "plms", "ddim", "dpm_solver" };
    static const char *const samplers[] = { "PLMS", "DDIM", "DPM++ 2M" };
    for (size_t i = 0; i < sizeof flags / sizeof *flags; i++)
        if (same(flags[i], name)) return samplers[i];
    return NULL;
}

/* Adds what is no setting, as a piece without a value, which the reader of settings tells. */
static void add_unknown(Command *c, const char *dashes, const char *name)
{
    char *piece = format(c->t.a, "%s%s", dashes, name);
    for (char *s = piece; *s; s++)
        if (strchr(",:\"\n", *s)) *s = ' ';
    if (c->t.settings.n) string_builder_add(&c->t.settings, ", ");
    string_builder_add(&c->t.settings, piece);
}

/* name: without its dashes.  value: "" for none */
static void add_option(Command *c, const char *dashes, const char *name, const char *value)
{
    const char *key = option_key(c->program, name);
    const char *sampler = *value ? NULL : sampler_flag(name);
    if (sampler) {
        key = "Sampler";
        value = sampler;
    }
    c->known += key && *value;
    if (key == PROMPT) c->t.prompt = value;
    else if (key == NEGATIVE) c->t.negative = value;
    else if (key && *value) infotext_set(&c->t, key, value);
    else add_unknown(c, dashes, name);
}

/* ---- as a shell has them ------------------------------------------------------------------------ */

static int is_option(const char *word)
{
    return word[0] == '-' && (word[1] == '-' || (lower(word[1]) >= 'a' && lower(word[1]) <= 'z'));
}

/* The value of an option: "=value" in its own word, or the words up to the next option. */
static const char *take_value(Arena *a, const Lines *words, size_t *i)
{
    StringBuilder value = string_builder(a);
    string_builder_add(&value, "");
    while (*i + 1 < words->count && !is_option(words->line[*i + 1])) {
        ++*i;
        if (value.n) string_builder_add(&value, " ");
        string_builder_add(&value, words->line[*i]);
    }
    return value.text;
}

static void read_words(Command *c, const Lines *words, size_t first)
{
    Arena *a = c->t.a;
    for (size_t i = first; i < words->count; i++) {
        const char *word = words->line[i];
        if (!is_option(word)) {
            add_unknown(c, "", word);
            continue;
        }
        const char *name = word + (word[1] == '-' ? 2 : 1);
        const char *dashes = word[1] == '-' ? "--" : "-";
        size_t n = strcspn(name, "=");
        if (name[n]) add_option(c, dashes, copy(a, name, n), name + n + 1);
        else add_option(c, dashes, name, take_value(a, words, &i));
    }
}

/* The first word of a text, without "$ " before it, and the folders and the ending of a program. */
static char *first_word(Arena *a, const char *text, const char **after)
{
    if ((*text == '$' || *text == '>') && text[1] == ' ') text += 2;
    size_t n = strcspn(text, " \t\n");
    *after = text + n;
    char *word = (char *)infotext_file(a, copy(a, text, n));
    size_t size = strlen(word);
    if (size > 4 && same(word + size - 4, ".exe")) word[size - 4] = 0;
    return word;
}

static int ends_in(const char *text, const char *ending)
{
    size_t n = strlen(text);
    size_t m = strlen(ending);
    return n >= m && same(text + n - m, ending);
}

/* How many words name the program; 0: the text does not begin with one. */
static size_t program_words(Arena *a, const char *text, Program *program)
{
    static const char *const sdcpp[] = { "sd", "sd-cli", "stable-diffusion", "sd.cpp", NULL };
    static const char *const python[] = { "python", "python3", "py", "accelerate", NULL };
    const char *after, *ignored;
    const char *word = first_word(a, text, &after);
    *program = SDCPP;
    for (size_t i = 0; sdcpp[i]; i++)
        if (same(word, sdcpp[i])) return 1;
    *program = SCRIPT;
    if (same(word, "persona") || ends_in(word, ".py")) return 1;
    while (blank(*after)) after++;
    for (size_t i = 0; python[i]; i++)
        if (same(word, python[i])) return ends_in(first_word(a, after, &ignored), ".py") ? 2 : 0;
    return 0;
}

/* "$ ./sd ..." without the prompt of a terminal. */
static const char *without_terminal(const char *text)
{
    return (*text == '$' || *text == '>') && text[1] == ' ' ? text + 2 : text;
}

static int has_option(const char *text)
{
    for (const char *s = text; (s = strchr(s, '-')); s++)
        if ((s == text || blank(s[-1])) && is_option(s)) return 1;
    return 0;
}

static int read_shell(Command *c, const char *text, const char *path)
{
    enum { LONGEST = 1 << 16 };
    size_t n = strlen(text);
    size_t first = n <= LONGEST ? program_words(c->t.a, text, &c->program) : 0;
    int is_bare = is_option(text) && n <= LONGEST;
    if ((!first && !is_bare) || !has_option(text)) return 0;
    text = without_terminal(text);
    ShellText words = shell_words(c->t.a, text, strlen(text), path);
    if (!words.count) return 0;
    read_words(c, &words.command[0], first);
    return first || c->known;
}

/* ---- words, then options ------------------------------------------------------------------------ */

/* Where the next " --name" begins in a line, or NULL. */
static const char *next_option(const char *s)
{
    for (; *s && *s != '\n'; s++)
        if (blank(s[0]) && s[1] == '-' && s[2] == '-' && lower(s[3]) >= 'a' && lower(s[3]) <= 'z') return s + 1;
    return NULL;
}

/* The size of the name in "--name value". */
static size_t name_size(const char *option) { return strcspn(option + 2, " \t\n=") + 2; }

/* Would this value do for the option?  All but words and names are numbers. */
static int may_be_value(const char *key, const char *value)
{
    const Setting *s = setting_key(key);
    int is_words = key == PROMPT || key == NEGATIVE || (s && setting_value_type(s) == WORDS);
    return *value && (is_words || digit(*value) || *value == '-' || *value == '.');
}

/* Reads the options of a line from s on. */
static void read_options(Command *c, const char *s)
{
    Arena *a = c->t.a;
    while (s) {
        size_t n = name_size(s);
        const char *next = next_option(s + 2);
        const char *end = next ? next : s + strcspn(s, "\n");
        char *name = copy(a, s + 2, n - 2);
        char *value = trimmed(a, s + n, (size_t)(end - s) - n);
        if (*value == '=') value = trimmed(a, value + 1, strlen(value + 1));
        size_t size = strlen(value);
        int is_quoted = size > 1 && value[0] == '"' && value[size - 1] == '"';
        add_option(c, "--", name, is_quoted ? copy(a, value + 1, size - 2) : value);
        s = next;
    }
}

/* Does a line end in options, of which one is known and has a value that will do? */
static int has_known_option(Arena *a, const char *line)
{
    for (const char *s = next_option(line); s; s = next_option(s + 2)) {
        size_t n = name_size(s);
        const char *next = next_option(s + 2);
        const char *end = next ? next : s + strcspn(s, "\n");
        size_t before = mark(a);
        const char *key = option_key(KOHYA, copy(a, s + 2, n - 2));
        int is_known = key && may_be_value(key, trimmed(a, s + n, (size_t)(end - s) - n));
        release(a, before);
        if (is_known) return 1;
    }
    return 0;
}

/* The first line that is no comment and has words. */
static const char *first_prompt(const char *text)
{
    while (*text == '#' || *text == '\n') {
        text += strcspn(text, "\n");
        while (blank(*text)) text++;
    }
    return text;
}

static int read_kohya(Command *c, const char *text)
{
    Arena *a = c->t.a;
    const char *last = strrchr(text, '\n');
    const char *line = first_prompt(text);
    int is_one_each = has_known_option(a, line);             /* a prompt on each line */
    if (!is_one_each) line = last ? last + 1 : text;
    if (!is_one_each && !has_known_option(a, line)) return 0;
    const char *options = next_option(line);
    const char *begin = is_one_each ? line : text;
    c->program = KOHYA;
    c->t.prompt = trimmed(a, begin, (size_t)(options - begin));
    read_options(c, options);
    const char *more = line + 1 + strcspn(line + 1, "\n");
    if (is_one_each && *more) add_unknown(c, "", "the prompts of the other lines");
    return 1;
}

/* "a cat" -s 50 -S 7 -W 512 -H 512 -C 7.5 -A k_lms                                          (InvokeAI 1 and 2) */
static int read_dream(Command *c, const char *text)
{
    if (begins(text, "dream> ") || begins(text, "invoke> ")) text = strchr(text, ' ') + 1;
    const char *close = *text == '"' ? strchr(text + 1, '"') : NULL;
    if (!close || close[1] != ' ' || close[2] != '-' || !strchr("sSCAWHn", close[3])) return 0;
    foreign_json_dream(&c->t, text);
    if (c->t.losses) add_unknown(c, "", c->t.lost.text);
    return 1;
}

int pasted_command(Arena *a, const char *text, const char *path, Infotext *parts)
{
    Command c = { .t = infotext_begin(a) };
    if (!strchr(text, '-')) return 0;
    if (!read_dream(&c, text) && !read_shell(&c, text, path) && !read_kohya(&c, text)) return 0;
    *parts = (Infotext){ .prompt = copy(a, "", 0) };
    if (c.t.prompt) parts->prompt = trimmed(a, c.t.prompt, strlen(c.t.prompt));
    if (c.t.negative) parts->negative = trimmed(a, c.t.negative, strlen(c.t.negative));
    if (c.t.settings.n) parts->settings = c.t.settings.text;
    return 1;
}
