/* options.c - the command line.
 *
 *     persona [COMMAND] [FILE] [OPTIONS]
 *
 * There are three kinds of options.  Those of the table below say where things are and what is printed.  Every
 * setting of prompt files is an option too (settings.c has that table).  In training, those of kohya's trainer come
 * first (training_config.c).  An option is "--name value" or "--name=value"; case, "-" and "_" in a name do not
 * matter.  Some have a name of one letter too, "-s 42" or "-s42".  "--" ends the options.
 *
 * Values of settings are only collected here: they are checked when the request is read, after the file's own.  An
 * option that is not known is never ignored: the message names the one that is meant.  Reading goes on behind what is
 * wrong, and all faults are told together.
 *
 * Behind "train" another trainer's command line may stand (trainer_command.c). */
#include "options.h"

#include "chars.h"
#include "files.h"
#include "foreign_options.h"
#include "trainer_command.h"

#include <stddef.h>
#include <stdio.h>
#include <string.h>

static int is_training_command(const Options *o)
{
    return o->command && !strcmp(o->command, "train");
}

/* "me" trains, and draws: it takes the options of both. */
static int is_me_command(const Options *o)
{
    return o->command && !strcmp(o->command, "me");
}

/* ---- the table --------------------------------------------------------------------------------- */

/* value: NULL for an option that takes none */
typedef void Act(Arena *a, Options *o, const char *value);

static void act_output(Arena *a, Options *o, const char *value)
{
    if (!*value) fail(a, "-o is empty, expected the name of a file");
    o->output = value;
}

static void act_name(Arena *a, Options *o, const char *value)
{
    if (!is_me_command(o)) fail(a, "--name is an option of persona me");
    if (!*value) fail(a, "--name is empty, expected words as \"yumin woman\"");
    o->name = value;
}

static void act_format(Arena *a, Options *o, const char *value)
{
    static const char *const formats[] = { "gif", "png", "apng", NULL };
    for (size_t i = 0; formats[i]; i++)
        if (same(value, formats[i])) o->format = formats[i];
    if (!o->format || !same(value, o->format))
        fail(a, "--format is %s, expected %s", quoted(a, value), one_of(a, formats));
}

static void act_weights(Arena *a, Options *o, const char *value)
{
    if (o->folders == MOST_FOLDERS) fail(a, "--weights was given more than %d times", MOST_FOLDERS);
    o->folder[o->folders++] = value;
}

static void act_attention(Arena *a, Options *o, const char *value)
{
    if (!value[strspn(value, ", ")]) fail(a, "--attention is empty, expected words of the prompt, as hair,sweater");
    o->attention = value;
}

static void act_state_every(Arena *a, Options *o, const char *value)
{
    double seconds = -1;
    int is_off = same(value, "off") || same(value, "none");
    if (!is_off && (!read_number(value, &seconds) || seconds < 0 || seconds > 86400))
        fail(a, "--state-every is %s, expected seconds, 0 to 86400, or off", quoted(a, value));
    o->state_every = seconds;
}

/* Behind "train" and "me", both are about these. */
static void set_command(Options *o, const char *command)
{
    if (is_training_command(o)) o->wants_training_help = 1;
    else if (is_me_command(o)) o->wants_me_help = 1;
    else o->command = command;
}

static void act_help(Arena *a, Options *o, const char *value)
{
    (void)a;
    (void)value;
    set_command(o, "help");
}

static void act_version(Arena *a, Options *o, const char *value)
{
    (void)a;
    (void)value;
    set_command(o, "version");
}

typedef struct {
    const char *flag;
    const char *value;                   /* what to call its value in the help; NULL: it takes none */
    Act        *act;                     /* NULL: sets an int of Options to 1 ... */
    size_t      field;                   /* ... at this offset */
    const char *help;
} Option;

static const Option options[] = {
    { .flag = "output",     .value = "OUT", .act = act_output,
      .help = ".gif, .png (a still, or OUT-001.png and on) or .apng; a folder, or - for standard output" },
    { .flag = "format",     .value = "NAME", .act = act_format,
      .help = "gif, png or apng, where OUT does not say it (gif)" },
    { .flag = "weights",    .value = "DIR", .act = act_weights,
      .help = "another folder to look for names in, once for each; also the web UI's or ComfyUI's.  "
              "PERSONA_WEIGHTS has folders too, with : between them" },
    { .flag = "no-config",  .field = offsetof(Options, no_config),
      .help = "without ~/.config/persona/config, which has settings for all pictures, as Steps: 30, and Weights: DIR" },
    { .flag = "overwrite",  .field = offsetof(Options, overwrite),
      .help = "replaces what another job wrote there; else it is kept as OUT-before" },
    { .flag = "name",       .value = "WORDS", .act = act_name,
      .help = "of persona me: what captions call the person, as \"yumin woman\"" },
    { .flag = "keep-cells", .field = offsetof(Options, keep_cells),
      .help = "the pictures of a grid, one by one, in OUT.cells/ too" },
    { .flag = "keep-latents", .field = offsetof(Options, keep_latents),
      .help = "the final latents too, in OUT.latents.safetensors; persona decodes that again, with another --vae" },
    { .flag = "attention",  .value = "WORDS", .act = act_attention,
      .help = "where in the picture each word was looked at: OUT-attention-WORD.png, and layer by layer; "
              "hair,red sweater, or all" },
    { .flag = "fresh",      .field = offsetof(Options, fresh),
      .help = "begins anew where an interrupted job left its state, OUT.gif.state" },
    { .flag = "state-every", .value = "S", .act = act_state_every,
      .help = "seconds from one state to the next, while a job is drawn; 0: each step; off: none (10)" },
    { .flag = "preview",    .field = offsetof(Options, preview),
      .help = "the picture as it forms, in a terminal with 24-bit colour" },
    { .flag = "quiet",      .field = offsetof(Options, quiet),   .help = "errors only" },
    { .flag = "verbose",    .field = offsetof(Options, verbose), .help = "also the settings as they will be stored" },
    { .flag = "help",       .act = act_help,    .help = "this" },
    { .flag = "version",    .act = act_version, .help = "persona " PERSONA_VERSION },
};
enum { OPTIONS = sizeof options / sizeof *options };

static void obey(Arena *a, Options *o, const Option *option, const char *value)
{
    if (option->act) option->act(a, o, value);
    else *(int *)((char *)o + option->field) = 1;
}

static const Option *option_named(const char *name)
{
    for (size_t i = 0; i < OPTIONS; i++)
        if (same(options[i].flag, name)) return &options[i];
    return NULL;
}

/* ---- names of one letter ------------------------------------------------------------------------ */

typedef enum { STANDS_ALONE, NUMBER_BEHIND, TEXT_BEHIND } Behind;

/* Names of one letter, whose case counts: those of stable-diffusion.cpp.  A letter that other programs use for two
 * things is none of them (foreign_options.c says what to write instead). */
static const struct { char letter; const char *flag; Behind behind; } letters[] = {
    { 'b', "batch", NUMBER_BEHIND },
    { 'o', "output", TEXT_BEHIND }, { 'p', "prompt", TEXT_BEHIND }, { 'n', "negative", TEXT_BEHIND },
    { 'm', "model", TEXT_BEHIND }, { 'i', "init", TEXT_BEHIND }, { 'W', "width", NUMBER_BEHIND },
    { 'H', "height", NUMBER_BEHIND }, { 's', "seed", NUMBER_BEHIND }, { 't', "threads", NUMBER_BEHIND },
    { 'v', "verbose", STANDS_ALONE }, { 'q', "quiet", STANDS_ALONE }, { 'h', "help", STANDS_ALONE },
};
enum { LETTERS = sizeof letters / sizeof *letters };

char option_letter(const char *flag)
{
    for (size_t i = 0; i < LETTERS; i++)
        if (!strcmp(letters[i].flag, flag)) return letters[i].letter;
    return 0;
}

/* ---- for the help ------------------------------------------------------------------------------- */

const char drawing_usage[] =
    "persona prompt.txt            words and settings from a file, to prompt.gif\n"
    "persona --prompt \"...\"        words from here, to persona.gif\n"
    "persona -                     the same from standard input; a picture too\n"
    "persona out.gif               the same picture again, by the settings in it\n"
    "persona check prompt.txt      what would happen: names, memory, time, all faults\n"
    "persona info FILE ...         what a weights file or a picture is, and its use\n"
    "persona list [KIND or NAME]   the models, LoRAs, ... that names can mean here\n"
    "persona me PHOTOS             from photos to a portrait; persona me --help\n"
    "persona train PHOTOS -o OUT   a LoRA or an embedding; persona train --help\n";

const char *option_listed(size_t i, const char **value, const char **help)
{
    if (i >= OPTIONS) return NULL;
    *value = options[i].value;
    *help = options[i].help;
    return options[i].flag;
}

/* ---- reading ----------------------------------------------------------------------------------- */

/* arg: as it was typed; name: without the dashes in front */
static _Noreturn void unknown_option(Arena *a, const Options *o, const char *arg, const char *name)
{
    int is_training = is_training_command(o);
    int takes_none;
    const char *flag, *value, *help;
    const char *ours = foreign_option(name);
    if (ours) fail(a, "%s is no option of persona; here it is %s", quoted(a, arg), ours);
    if (!is_training && training_option_find(name, &takes_none))
        fail(a, "%s is no option of drawing, but of persona train", quoted(a, arg));
    Nearest near = nearest_to(name);
    for (size_t i = 0; i < OPTIONS; i++) nearest_consider(&near, options[i].flag);
    size_t i = 0;
    while (is_training && (flag = training_option(i++, &value, &help))) nearest_consider(&near, flag);
    for (int row = 0; is_training && foreign_training_row(row); row++)
        nearest_consider(&near, foreign_training_row(row)->name);
    for (const Setting *s = all_settings; s->flag; s++) nearest_consider(&near, s->flag);
    if (near.name) fail(a, "%s is no option of persona; did you mean --%s?", quoted(a, arg), near.name);
    fail(a, "%s is no option of persona; persona %s--help lists them", quoted(a, arg), is_training ? "train " : "");
}

/* An option as it was typed. */
typedef struct {
    const char *arg;
    const char *name;                    /* without the dashes and the value */
    const char *value;                   /* in the same word; NULL: none */
    int         is_letter;
} Typed;

/* Is it, but for its dashes, an option with a long name, or meant to be one?  "-steps" is not "-s teps". */
static int is_long_name(const char *name)
{
    Nearest near = nearest_to(name);
    for (size_t i = 0; i < OPTIONS; i++) nearest_consider(&near, options[i].flag);
    for (const Setting *s = all_settings; s->flag; s++) nearest_consider(&near, s->flag);
    return near.name || setting_named(name) || foreign_option(name);
}

/* "-s42", "-s=42", "-s-1", "-omy.gif": the value of a letter, right behind it.  NULL when there is none. */
static const char *joined_value(Behind behind, const char *rest)
{
    if (*rest == '=') return rest + 1;
    int is_number = digit(*rest) || (*rest == '-' && digit(rest[1]));
    return behind == TEXT_BEHIND || (behind == NUMBER_BEHIND && is_number) ? rest : NULL;
}

static Typed take_apart(Arena *a, const char *arg)
{
    const char *equals = strchr(arg, '=');
    const char *start = arg + strspn(arg, "-");
    size_t length = equals ? (size_t)(equals - start) : strlen(start);
    Typed t = { .arg = arg, .name = copy(a, start, length), .value = equals ? equals + 1 : NULL };
    if (arg[1] == '-') return t;
    for (size_t i = 0; i < LETTERS; i++) {
        if (letters[i].letter != *start) continue;
        int is_joined = length > 1;
        const char *value = start[1] ? joined_value(letters[i].behind, start + 1) : NULL;
        if (is_joined && (!value || is_long_name(t.name))) continue;
        return (Typed){ .arg = arg, .name = letters[i].flag, .value = value, .is_letter = 1 };
    }
    return t;
}

/* Is this word an option of drawing, and no value that begins with dashes?  "-q", "-s" and "-s1" are, words behind a
 * letter are not, as "-monochrome" may be what somebody wants less of. */
static int is_known_option(Arena *a, const char *word)
{
    if (word[0] != '-' || !word[1] || !strcmp(word, "--")) return 0;
    Typed t = take_apart(a, word);
    if (word[1] != '-') return t.is_letter && (!word[2] || (t.value && digit(*t.value)));
    return option_named(t.name) || setting_named(t.name);
}

/* Returns the value, NULL for an option that takes none.  A value that stands alone is the next argument, *i. */
static const char *read_value(Arena *a, Typed t, int takes_none, const Lines *words, size_t *i)
{
    if (takes_none && t.value)
        fail(a, "%.*s takes no value, found %s", (int)strcspn(t.arg, "="), t.arg, quoted(a, t.value));
    if (takes_none) return NULL;
    if (t.value) return t.value;
    if (*i + 1 == words->count) fail(a, "%s needs a value behind it", t.arg);
    if (is_known_option(a, words->line[*i + 1]))
        fail(a, "%s needs a value behind it, found the option %s", t.arg, words->line[*i + 1]);
    ++*i;
    return words->line[*i];
}

/* One dash is for names of one letter. */
static int has_wrong_dashes(Typed t)
{
    return t.arg[1] != '-' && !t.is_letter;
}

/* In InvokeAI -n is how many pictures there are to be. */
static void refuse_number_as_negative(Arena *a, Typed t, const char *value)
{
    uint64_t number;
    if (t.is_letter && !strcmp(t.name, "negative") && read_whole(value, &number))
        fail(a, "-n is the negative prompt, found %s; for a number of pictures: --batch %s", quoted(a, value), value);
}

/* Reads the option that is word *i, and its value, which moves *i on. */
static void read_option(Arena *a, Options *o, const Lines *words, size_t *i)
{
    Typed t = take_apart(a, words->line[*i]);
    const Option *own = option_named(t.name);
    int takes_none = own && !own->value;
    int trains = is_training_command(o) || is_me_command(o);
    const char *training = trains ? training_option_find(t.name, &takes_none) : NULL;
    const Setting *setting = own || training ? NULL : setting_named(t.name);
    int is_known = own || training || setting;
    if (!is_known || has_wrong_dashes(t)) unknown_option(a, o, t.arg, t.name);
    int is_switch = training && takes_none;
    const char *value = is_switch ? t.value : read_value(a, t, takes_none, words, i);
    if (own) {
        obey(a, o, own, value);
    } else if (training) {
        training_config_set(a, &o->training, training, value);
        lines_add(a, &o->training_words, value ? format(a, "--%s=%s", training, value) : format(a, "--%s", training));
    } else {
        refuse_number_as_negative(a, t, value);
        o->given[o->givens++] = (Given){ setting, value };
        if (same(setting->flag, "prompt")) o->has_prompt = 1;
    }
}

const char *nearest_command(const char *word)
{
    static const char *const commands[] = { "check", "info", "list", "train", "me", "help" };
    Nearest near = nearest_to(word);
    for (size_t i = 0; i < sizeof commands / sizeof *commands; i++) nearest_consider(&near, commands[i]);
    return near.name;
}

/* A second file, or a command that is typed wrong: then what follows is for that command, and nothing can be said of
 * it.  A third file says no more than the second. */
static void refuse_second_operand(Arena *a, Options *o, const char *arg)
{
    const char *meant = nearest_command(o->input);
    if (o->operands++ > 1) return;
    o->is_command_wrong = meant != NULL;
    if (meant) fail(a, "%s is no command of persona; did you mean %s?", quoted(a, o->input), meant);
    fail(a, "one file at a time, found %s and %s; words for --prompt belong in quotes", quoted(a, o->input),
         quoted(a, arg));
}

/* info takes several files, list several words. */
static int takes_several(const Options *o)
{
    return o->command && (!strcmp(o->command, "info") || !strcmp(o->command, "list"));
}

/* Reads an argument that is no option: a command, or the name of a file. */
static void read_operand(Arena *a, Options *o, const char *arg)
{
    if (!*arg) fail(a, "an argument is empty, expected the name of a file; is a variable of the shell not set?");
    if (takes_several(o)) {
        lines_add(a, &o->several, arg);
        if (!o->input) o->input = arg;
        return;
    }
    if (o->input) {
        refuse_second_operand(a, o, arg);
        return;
    }
    o->operands = 1;
    const char *command = nearest_command(arg);
    int is_command = command && !strcmp(arg, command);
    if (is_command && !o->command) o->command = arg;
    else o->input = arg;
}

/* ---- words, one after the other ----------------------------------------------------------------- */

typedef struct {
    Arena       *a;
    Options     *o;
    const Lines *words;
    size_t       at;
    int          only_operands;          /* behind "--" */
} Reading;

static void read_word(void *reading)
{
    Reading *r = reading;
    const char *word = r->words->line[r->at];
    int is_option = !r->only_operands && word[0] == '-' && word[1];
    if (is_option && !strcmp(word, "--")) r->only_operands = 1;
    else if (is_option) read_option(r->a, r->o, r->words, &r->at);
    else read_operand(r->a, r->o, word);
    r->at++;
}

/* Room for n more settings. */
static void make_room(Arena *a, Options *o, size_t n)
{
    Given *given = allocate(a, o->givens + n + 1, sizeof *given);
    if (o->givens) memcpy(given, o->given, o->givens * sizeof *given);
    o->given = given;
}

/* Behind a word that is wrong, so is its value, which is not to be taken for a file or a folder of pictures. */
static void pass_over_value(const Options *o, Reading *r)
{
    r->at++;
    if (r->at == r->words->count) return;
    const char *word = r->words->line[r->at];
    int may_be_input = !o->input && (folder_is(word) || file_is(word));
    if (*word != '-' && !may_be_input) r->at++;
}

/* Reads the next word.  A fault is added to those of the command line. */
static void try_to_read_word(Reading *r)
{
    size_t before = r->at;
    const char *word = r->words->line[before];
    if (!faults_try(r->a, &r->o->faults, read_word, r)) return;
    r->o->faults.is_misuse = 1;
    int is_unknown = r->at == before && word[0] == '-';
    if (is_unknown && !strchr(word, '=')) pass_over_value(r->o, r);
    else r->at++;
}

/* The words behind "train". */
static void read_training(Arena *a, Options *o, const Lines *words)
{
    TrainerCommand t = trainer_command(a, *words);
    o->told = t.told;
    for (size_t i = 0; i < t.faults.count; i++) faults_add(&o->faults, t.faults.line[i]);
    o->faults.is_misuse |= t.faults.count > 0;
    o->sample_text = t.sample_text;
    if (t.sample_text) o->training.sample_prompts = "--validation_prompt";       /* where they stand, for messages */
    o->output_folder = t.output_folder;
    make_room(a, o, t.words.count);
    Reading r = { .a = a, .o = o, .words = &t.words };
    while (r.at < t.words.count) try_to_read_word(&r);
}

void options_read(Arena *a, Options *o, int argc, char **argv)
{
    *o = (Options){ .program = argv[0], .training = training_config_default, .state_every = 10 };
    Lines words = { 0 };
    for (int i = 1; i < argc; i++) lines_add(a, &words, argv[i]);
    make_room(a, o, words.count);
    Reading r = { .a = a, .o = o, .words = &words };
    while (r.at < words.count && !o->is_command_wrong) {
        try_to_read_word(&r);
        if (!is_training_command(o)) continue;
        words.line += r.at;
        words.count -= r.at;
        read_training(a, o, &words);
        break;
    }
    if (!o->command && !o->input && !o->has_prompt && !o->faults.count)
        fail(a, "persona needs a prompt file, --prompt, or - to read standard input\n\n%s\npersona --help lists all "
                "options", drawing_usage);
}
