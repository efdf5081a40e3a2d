/* trainer_command.c - a command line of another trainer, as one of persona's.
 *
 *     accelerate launch train_network.py --pretrained_model_name_or_path m.safetensors --train_data_dir img
 *         --output_dir out --output_name yumin --network_module networks.lora --network_dim 32 --xformers
 *     -> persona train img --model m.safetensors --network_dim 32 -o out/yumin.safetensors ...
 *
 * It is a rewriting of words: options.c then reads persona's own and knows nothing of all this.  So the result can be
 * shown as a command line, and everybody sees what became of each word.  foreign_options.c says what each option means.
 *
 * Somebody who pastes the command line of a trainer means that trainer's defaults.  So where the script is named, or
 * the pictures or the result are named in a trainer's way, its defaults come in front of its options.  They are in the
 * command line that is shown, and nothing else is changed behind anybody's back.
 *
 * Faults are collected: a pasted line has many, and each run should not show one. */
#include "trainer_command.h"

#include "chars.h"
#include "config_file.h"
#include "config_words.h"
#include "files.h"
#include "foreign_options.h"
#include "shell_words.h"
#include "training_config.h"

#include <string.h>

enum { LARGEST_FILE = 1 << 18 };         /* bytes of a file with a command line */

/* One word, or an option with its value, of the command line that comes out. */
typedef struct {
    const char *name;                    /* of an option of persona; NULL: the word stays as it is */
    const char *value;                   /* NULL: the option takes none */
    int         is_default;              /* it is a trainer's default, and holds where nothing else is said */
} Word;

typedef struct {
    Arena      *a;
    Lines       in;
    size_t      at;                      /* the next word of in */
    Word       *out;
    size_t      count, room;
    TrainerCommand result;
    Lines       needless;
    const ForeignScript *script;         /* NULL: persona's own command line */
    int         is_changed;              /* something is called in another way here */
    const char *photos, *output_dir, *output_name;
    int         trains_text, scales_rate;
} Rewriting;

static void fault(Rewriting *w, const char *message)
{
    lines_add(w->a, &w->result.faults, message);
}

static void take_out(Rewriting *w, const char *name)
{
    size_t kept = 0;
    for (size_t i = 0; i < w->count; i++)
        if (!w->out[i].name || !same(w->out[i].name, name)) w->out[kept++] = w->out[i];
    w->count = kept;
}

/* Of an option that is given twice the last counts. */
static void put(Rewriting *w, const char *name, const char *value)
{
    if (name) take_out(w, name);
    w->out = grow_array(w->a, w->out, w->count, &w->room, sizeof *w->out);
    w->out[w->count++] = (Word){ .name = name, .value = value };
}

/* The last value of one of our options; NULL when it was not given, or takes no value. */
static const char *value_given(const Rewriting *w, const char *name)
{
    for (size_t i = w->count; i > 0; i--)
        if (w->out[i - 1].name && same(w->out[i - 1].name, name)) return w->out[i - 1].value;
    return NULL;
}

static int is_given(const Rewriting *w, const char *name)
{
    for (size_t i = 0; i < w->count; i++)
        if (w->out[i].name && same(w->out[i].name, name)) return 1;
    return 0;
}

/* ---- files of words ---------------------------------------------------------------------------- */

/* "C:\kohya\train_network.py" -> "train_network.py" */
static const char *base_name(const char *path)
{
    const char *name = file_name(path);
    const char *backslash = strrchr(name, '\\');
    return backslash ? backslash + 1 : name;
}

static int is_script(const char *word)
{
    return *word != '-' && same(file_extension(base_name(word)), ".py");
}

static int is_launcher(const char *word)
{
    static const char *const launchers[] = { "accelerate", "accelerate.exe", "accelerate-launch", "python", "python3",
                                             "python.exe", "torchrun" };
    for (size_t i = 0; i < sizeof launchers / sizeof *launchers; i++)
        if (same(base_name(word), launchers[i])) return 1;
    return 0;
}

static int holds_option(const Lines *words)
{
    for (size_t i = 0; i < words->count; i++)
        if (begins(words->line[i], "--")) return 1;
    return 0;
}

static int is_of_a_trainer(const Lines *words)
{
    int launched = is_launcher(words->line[0]) && !lines_hold(words, "pip");
    for (size_t i = 0; i < words->count; i++)
        if (foreign_script(base_name(words->line[i]))) return 1;
    return begins(base_name(words->line[0]), "persona") || (launched && holds_option(words));
}

/* Installing programs and the like is not training, whatever options it has. */
static int may_be_options(const Lines *words)
{
    static const char *const others[] = { "pip", "pip3", "git", "conda", "python", "python3", "cd", "source", "wget",
                                          "curl", "apt", "apt-get", "sudo", "mkdir", "huggingface-cli", "export" };
    for (size_t i = 0; i < sizeof others / sizeof *others; i++)
        if (same(words->line[0], others[i])) return 0;
    return holds_option(words);
}

/* The commands of a file, but for one, as a list for people. */
static const char *others_of(Arena *a, const ShellText *text, const Lines *but)
{
    Lines others = { 0 };
    for (size_t i = 0; i < text->count; i++)
        if (&text->command[i] != but) lines_add(a, &others, quoted(a, lines_joined(a, &text->command[i], " ")));
    return lines_joined(a, &others, ", ");
}

/* Empty when there is none. */
static Lines command_in(Rewriting *w, const char *path, const ShellText *text)
{
    const Lines *found = NULL;
    for (size_t i = 0; i < text->count; i++) {
        if (!is_of_a_trainer(&text->command[i])) continue;
        if (found) fault(w, format(w->a, "%s: holds command lines of several trainings; one at a time", path));
        found = &text->command[i];
    }
    for (size_t i = 0; !found && i < text->count; i++)
        if (may_be_options(&text->command[i])) found = &text->command[i];
    if (!found) return (Lines){ 0 };
    if (text->count > 1)
        lines_add(w->a, &w->result.told, format(w->a, "%s: only its training is done; not run: %s", path,
                                                others_of(w->a, text, found)));
    for (size_t i = 0; i < text->unset.count; i++)
        if (strstr(lines_joined(w->a, found, " "), text->unset.line[i]))
            fault(w, format(w->a, "%s: $%s is not set in it; add a line %s=VALUE", path, text->unset.line[i],
                            text->unset.line[i]));
    return *found;
}

static Lines words_of_file(Rewriting *w, const char *path)
{
    Bytes b = file_map(w->a, path);
    int is_config = is_json_text(b) || same(file_extension(path), ".toml");
    if (is_config) return config_words(w->a, path, &w->result.told);
    if (b.size > LARGEST_FILE) fail(w->a, "%s: expected a command line, of at most %d KB", path, LARGEST_FILE >> 10);
    ShellText text = shell_words(w->a, (const char *)b.data, b.size, path);
    return command_in(w, path, &text);
}

typedef struct { Rewriting *w; const char *path; Lines words; } FileOfWords;

static void try_file(void *file)
{
    FileOfWords *f = file;
    f->words = words_of_file(f->w, f->path);
}

/* word: the file's name, or "@" and its name.  A file that holds no command line is left to options.c. */
static void add_words_of_file(Rewriting *w, Lines *to, const char *word)
{
    char why[1024];
    FileOfWords f = { .w = w, .path = *word == '@' ? word + 1 : word };
    if (attempt(w->a, try_file, &f, why)) {
        fault(w, format(w->a, "%s", why));
        return;
    }
    w->is_changed |= f.words.count > 0;
    if (!f.words.count) lines_add(w->a, to, f.path);
    for (size_t i = 0; i < f.words.count; i++) lines_add(w->a, to, f.words.line[i]);
}

/* Puts the words of files in the place of their names. */
static Lines with_files(Rewriting *w, Lines words)
{
    Lines all = { 0 };
    for (size_t i = 0; i < words.count; i++) {
        const char *word = words.line[i];
        int is_file_of_words = (*word == '@' && word[1]) || (!i && file_is(word) && !is_script(word));
        if (is_file_of_words) add_words_of_file(w, &all, word);
        else lines_add(w->a, &all, word);
    }
    return all;
}

/* ---- what stands in front of the options ------------------------------------------------------- */

/* The ends of lines that a shell did not take: ^ in bash, ` in cmd.exe, a backslash with a blank behind it. */
static int is_line_end(const char *word)
{
    return !word[strspn(word, "\\^` \t\r\n")];
}

/* "-" as typewriters and web pages have it becomes "--". */
static const char *with_plain_dashes(Arena *a, const char *word)
{
    static const char *const dashes[] = { "\xe2\x80\x93", "\xe2\x80\x94", "\xe2\x88\x92" };  /* U+2013, 2014, 2212 */
    int found = 0;
    for (size_t i = 0; i < 3; i++)
        while (!strncmp(word, dashes[i], 3)) {
            word += 3;
            found = 1;
        }
    return found ? format(a, "--%s", word + strspn(word, "-")) : word;
}

static Lines cleaned(Arena *a, Lines words)
{
    Lines all = { 0 };
    for (size_t i = 0; i < words.count; i++)
        if (!*words.line[i] || !is_line_end(words.line[i])) lines_add(a, &all, with_plain_dashes(a, words.line[i]));
    return all;
}

static void read_script(Rewriting *w, const char *word)
{
    const char *name = base_name(word);
    const ForeignScript *script = foreign_script(name);
    if (!script) fault(w, format(w->a, "%s is no script that persona knows; expected train_network.py, "
                                       "train_textual_inversion.py or one of diffusers", quoted(w->a, name)));
    else if (script->refused) fault(w, format(w->a, "%s %s", name, script->refused));
    w->script = script;
    w->is_changed = 1;
}

/* Takes "accelerate launch --its options X.py" out, and "persona train" in front of a file's words. */
static Lines without_launcher(Rewriting *w, Lines words)
{
    size_t first = 0, behind = 0;
    while (first < words.count && !is_launcher(words.line[first]) && !is_script(words.line[first])) first++;
    for (size_t i = first; i < words.count && !behind; i++)
        if (is_script(words.line[i])) behind = i + 1;
    int launches = first + 1 < words.count && same(words.line[first + 1], "launch");
    if (behind) read_script(w, words.line[behind - 1]);
    else if (launches) behind = first + 2;
    Lines all = { 0 };
    for (size_t i = 0; i < words.count; i++)
        if (!behind || i < first || i >= behind) lines_add(w->a, &all, words.line[i]);
    if (all.count > 1 && begins(base_name(all.line[0]), "persona") && same(all.line[1], "train")) {
        all.line += 2;
        all.count -= 2;
    }
    return all;
}

/* ---- --config_file ----------------------------------------------------------------------------- */

/* A value without quotes around it, which cmd.exe leaves there. */
static const char *without_quotes(Arena *a, const char *value)
{
    size_t n = strlen(value);
    int is_quoted = n >= 2 && (*value == '"' || *value == '\'') && value[n - 1] == *value;
    return is_quoted ? copy(a, value + 1, n - 2) : value;
}

/* --config_file NAME: kohya adds ".toml" where the name has no ending. */
static void add_config_file(Rewriting *w, Lines *to, const char *name)
{
    const char *path = file_is(name) ? name : format(w->a, "%s.toml", name);
    if (file_is(path)) add_words_of_file(w, to, path);
    else fault(w, format(w->a, "--config_file is %s, and there is no such file", quoted(w->a, name)));
}

/* The value behind the option at words[i], or in it; NULL when it is no file of options.  OneTrainer: --config-path */
static const char *config_file_named(Rewriting *w, const Lines *words, size_t i)
{
    const char *word = words->line[i];
    const char *equals = strchr(word, '=');
    const char *name = copy(w->a, word, equals ? (size_t)(equals - word) : strlen(word));
    if (!same(name, "--config_file") && !same(name, "--config_path")) return NULL;
    if (equals) return without_quotes(w->a, equals + 1);
    return i + 1 < words->count ? words->line[i + 1] : "";
}

/* Puts the words of --config_file in front, for they hold where the command line says nothing. */
static Lines with_config_files(Rewriting *w, Lines words)
{
    Lines all = { 0 }, rest = { 0 };
    for (size_t i = 0; i < words.count; i++) {
        const char *path = config_file_named(w, &words, i);
        if (path) add_config_file(w, &all, path);
        else lines_add(w->a, &rest, words.line[i]);
        if (path && !strchr(words.line[i], '=')) i++;
    }
    for (size_t i = 0; i < rest.count; i++) lines_add(w->a, &all, rest.line[i]);
    return all;
}

/* ---- options ----------------------------------------------------------------------------------- */

static int is_option_word(const char *word)
{
    return *word == '-' && word[1] && !digit(word[1]) && word[1] != '.';
}

/* The value behind "=", or the next word; NULL when there is none. */
static const char *next_value(Rewriting *w, const char *equals)
{
    if (equals) return without_quotes(w->a, equals + 1);
    if (w->at == w->in.count || is_option_word(w->in.line[w->at])) return NULL;
    return without_quotes(w->a, w->in.line[w->at++]);
}

static void use_script(Rewriting *w, const char *script)
{
    if (!w->script) w->script = foreign_script(script);
    w->is_changed = 1;
}

/* "conv_dim=4": an option of that name */
static void read_argument(Rewriting *w, const char *option, const char *argument)
{
    int is_bare;
    const char *equals = strchr(argument, '=');
    if (!equals) {
        fault(w, format(w->a, "--%s: expected NAME=VALUE, found %s", option, quoted(w->a, argument)));
        return;
    }
    const char *key = trimmed(w->a, argument, (size_t)(equals - argument));
    const char *value = without_quotes(w->a, trimmed(w->a, equals + 1, strlen(equals + 1)));
    if (same(key, "dropout")) key = "network_dropout";
    const char *ours = training_option_find(key, &is_bare);
    const ForeignOption *foreign = ours ? NULL : foreign_training_option(key);
    if (ours) put(w, ours, value);
    else if (foreign && foreign->meaning == RENAMED) put(w, foreign->ours, value);
    else if (!foreign || foreign->meaning != FIXED || !same(foreign->value, value))
        fault(w, format(w->a, "--%s: %s is not known here", option, quoted(w->a, argument)));
}

static void read_arguments(Rewriting *w, const char *option, const char *first)
{
    for (const char *value = first; value; value = next_value(w, NULL))
        if (*value) read_argument(w, option, value);
}

static void read_module(Rewriting *w, const char *module)
{
    if (same(module, "lycoris.kohya")) put(w, "network_module", module);
    else if (!same(module, "networks.lora"))
        fault(w, format(w->a, "--network_module is %s, expected networks.lora or lycoris.kohya", quoted(w->a, module)));
}

static void read_data_set(Rewriting *w, const char *name)
{
    if (folder_is(name)) w->photos = name;
    else
        fault(w, format(w->a, "--dataset_name is %s, which is no folder here; persona uses no network: load the "
                              "pictures down, and give their folder with --train_data_dir", quoted(w->a, name)));
}

/* "latest": the state beside the result */
static const char *resumed(Rewriting *w, const char *value)
{
    return same(value, "latest") && w->output_dir ? w->output_dir : value;
}

/* What has no option of the same meaning. */
static void place(Rewriting *w, const ForeignOption *o, const char *value)
{
    const char *name = o->name;
    if (same(name, "train_data_dir") || same(name, "instance_data_dir")) w->photos = value;
    else if (same(name, "output_dir")) w->output_dir = value;
    else if (same(name, "output_name")) w->output_name = value;
    else if (same(name, "resume_from_checkpoint")) put(w, "resume", resumed(w, value));
    else if (same(name, "dataset_name")) read_data_set(w, value);
    else if (same(name, "validation_prompt")) w->result.sample_text = value;
    else if (same(name, "train_text_encoder")) w->trains_text = 1;
    else if (same(name, "scale_lr")) w->scales_rate = 1;
    else if (same(name, "network_module")) read_module(w, value);
    else if (same(name, "lr_scheduler_type"))
        fault(w, format(w->a, "--lr_scheduler_type is %s, a class of torch; --lr_scheduler has those of persona",
                        quoted(w->a, value)));
    else read_arguments(w, name, value);
    if (same(name, "instance_data_dir")) use_script(w, "train_dreambooth_lora.py");
    if (same(name, "train_data_dir") || same(name, "output_name") || same(name, "network_module"))
        use_script(w, "train_network.py");
}

static void read_foreign(Rewriting *w, const ForeignOption *o, const char *equals)
{
    const char *value = o->values == NO_VALUE ? NULL : next_value(w, equals);
    const char *label = format(w->a, "--%s", o->name);
    if (o->values == ONE_VALUE && !value) {
        fault(w, format(w->a, "%s needs a value behind it", label));
        return;
    }
    w->is_changed = 1;
    if (value && !*value) return;                /* as the GUI writes what is not given */
    switch (o->meaning) {
    case RENAMED:  put(w, o->ours, o->value ? o->value : value); break;
    case NEEDLESS: lines_add_once(w->a, &w->needless, label); break;
    case MISSING:  fault(w, format(w->a, "%s %s", label, o->why)); break;
    case PLACED:   place(w, o, value); break;
    case FIXED:
        if (!same(o->value, value)) fault(w, format(w->a, "%s is %s, and %s", label, quoted(w->a, value), o->why));
        break;
    }
}

/* One of persona's own options of training.  A switch may have a value: true or false. */
static void read_own(Rewriting *w, const char *name, int is_bare, const char *word, const char *equals)
{
    const char *value = NULL;
    int is_list = strlen(name) > 5 && same(name + strlen(name) - 5, "_args");
    if (equals) value = without_quotes(w->a, equals + 1);
    else if (!is_bare) value = next_value(w, NULL);
    const char *more = is_list && value ? next_value(w, NULL) : NULL;
    for (; more; more = next_value(w, NULL)) value = format(w->a, "%s %s", value, more);
    if (is_bare || value) put(w, name, value);
    else put(w, NULL, word);                     /* options.c says that it needs a value */
}

static void read_word(Rewriting *w)
{
    const char *word = w->in.line[w->at++];
    if (!is_option_word(word)) {
        put(w, NULL, word);
        return;
    }
    int is_bare;
    const char *start = word + strspn(word, "-");
    const char *equals = strchr(start, '=');
    const char *name = copy(w->a, start, equals ? (size_t)(equals - start) : strlen(start));
    const char *own = training_option_find(name, &is_bare);
    const ForeignOption *foreign = own ? NULL : foreign_training_option(name);
    if (begins(word, "--") && own) read_own(w, own, is_bare, word, equals);
    else if (begins(word, "--") && foreign) read_foreign(w, foreign, equals);
    else put(w, NULL, word);
}

/* ---- a trainer's defaults ---------------------------------------------------------------------- */

static void put_default(Rewriting *w, const char *name, const char *value)
{
    if (!value || is_given(w, name)) return;
    put(w, name, value);
    w->out[w->count - 1].is_default = 1;
}

static int is_diffusers(const Rewriting *w) { return same(w->script->trainer, "diffusers"); }

/* Both trainers: epochs or steps, and which of them wins. */
static void choose_steps(Rewriting *w)
{
    const char *loser = is_diffusers(w) ? "max_train_epochs" : "max_train_steps";
    const char *winner = is_diffusers(w) ? "max_train_steps" : "max_train_epochs";
    if (!is_given(w, winner) || !is_given(w, loser)) return;
    lines_add(w->a, &w->result.told, format(w->a, "--%s wins over --%s, as in %s", winner, loser, w->script->trainer));
    take_out(w, loser);
}

/* kohya: the text encoder learns at learning_rate too.  diffusers: it does not learn unless asked. */
static void choose_text_rate(Rewriting *w)
{
    int is_inversion = same(value_given(w, "method") ? value_given(w, "method") : "", "textual_inversion");
    if (is_inversion || is_given(w, "network_train_unet_only")) return;
    if (is_diffusers(w) && !w->trains_text) put(w, "network_train_unet_only", NULL);
    else put_default(w, "text_encoder_lr", value_given(w, "learning_rate"));
}

/* learning_rate * gradient_accumulation_steps * train_batch_size */
static void scale_rate(Rewriting *w)
{
    static const char *const factors[] = { "learning_rate", "train_batch_size", "gradient_accumulation_steps" };
    double rate = 1;
    for (size_t i = 0; i < 3; i++) {
        double x = 1;
        const char *value = value_given(w, factors[i]);
        if (value && number_at(value, &x)) rate *= x;
    }
    take_out(w, "learning_rate");
    put(w, "learning_rate", number_text(w->a, rate));
}

/* diffusers' textual inversion has templates in place of captions. */
static void choose_words(Rewriting *w)
{
    const char *token = value_given(w, "token");
    if (!same(w->script->script, "textual_inversion.py") || !token || is_given(w, "prompt")) return;
    put(w, "prompt", format(w->a, "a photo of %s", token));
}

static void drop_unused_warmup(Rewriting *w)
{
    const char *scheduler = value_given(w, "lr_scheduler");
    if (!is_diffusers(w) || !scheduler || !same(scheduler, "constant") || !is_given(w, "lr_warmup_steps")) return;
    const char *steps = value_given(w, "lr_warmup_steps");
    double x = 0;
    if (steps && number_at(steps, &x) && x > 0)
        lines_add(w->a, &w->result.told, "--lr_warmup_steps is not used by --lr_scheduler constant, as in diffusers");
    take_out(w, "lr_warmup_steps");
}

static void put_defaults(Rewriting *w)
{
    const char *const *defaults = w->script->defaults;
    choose_steps(w);
    for (size_t i = 0; defaults[i]; i += 2) {
        int is_of_steps = same(defaults[i], "max_train_steps") || same(defaults[i], "max_train_epochs");
        int has_steps = is_given(w, "max_train_steps") || is_given(w, "max_train_epochs");
        int is_of_class = same(defaults[i], "num_class_images");
        if (is_of_steps && has_steps) continue;
        if (is_of_class && (!is_given(w, "class_prompt") || is_given(w, "reg_data_dir"))) continue;
        put_default(w, defaults[i], defaults[i + 1]);
    }
    if (!is_diffusers(w) && is_given(w, "conv_dim")) put_default(w, "conv_alpha", "1");
    if (w->scales_rate) scale_rate(w);
    choose_text_rate(w);
    choose_words(w);
    drop_unused_warmup(w);
}

/* ---- pictures and result ------------------------------------------------------------------------ */

/* What the trainers call their result when nobody says. */
static const char *usual_name(const Rewriting *w)
{
    if (!w->script || !is_diffusers(w)) return "last";
    return same(w->script->script, "textual_inversion.py") ? "learned_embeds" : "pytorch_lora_weights";
}

static void place_output(Rewriting *w)
{
    if (!w->output_dir && !w->output_name) return;
    const char *name = w->output_name ? w->output_name : usual_name(w);
    const char *folder = w->output_dir ? w->output_dir : ".";
    const char *slash = folder[strlen(folder) - 1] == '/' ? "" : "/";
    const char *ending = same(file_extension(name), ".safetensors") ? "" : ".safetensors";
    put(w, "output", format(w->a, "%s%s%s%s", folder, slash, name, ending));
    w->result.output_folder = folder;
}

static void place_photos(Rewriting *w)
{
    if (!w->photos) return;
    put(w, NULL, w->photos);
}

/* ---- in words ---------------------------------------------------------------------------------- */

/* A word as a shell reads it. */
static const char *for_a_shell(Arena *a, const char *word)
{
    int is_plain = *word != 0;
    for (const char *c = word; *c; c++)
        if (!word_character((unsigned char)*c) && !strchr("-./=:,@+%", *c)) is_plain = 0;
    return is_plain ? word : format(a, "\"%s\"", word);
}

static const char *shown_word(Arena *a, const Word *word)
{
    if (!word->name) return for_a_shell(a, word->value);
    if (!word->value) return format(a, "--%s", word->name);
    return format(a, "--%s %s", word->name, for_a_shell(a, word->value));
}

static void tell(Rewriting *w)
{
    Lines shown = { 0 }, defaults = { 0 };
    for (size_t i = 0; i < w->count; i++) {
        lines_add(w->a, &shown, shown_word(w->a, &w->out[i]));
        if (w->out[i].is_default) lines_add(w->a, &defaults, format(w->a, "--%s %s", w->out[i].name, w->out[i].value));
    }
    if (w->is_changed)
        lines_add(w->a, &w->result.told, format(w->a, "in persona's words: persona train %s",
                                                lines_joined(w->a, &shown, " ")));
    if (defaults.count)
        lines_add(w->a, &w->result.told, format(w->a, "defaults of %s, for its command line was given: %s",
                                                w->script->trainer, lines_joined(w->a, &defaults, ", ")));
    if (w->needless.count)
        lines_add(w->a, &w->result.told, format(w->a, "without a meaning here: %s",
                                                lines_joined(w->a, &w->needless, ", ")));
}

static void emit(Rewriting *w)
{
    for (size_t i = 0; i < w->count; i++) {
        const Word *word = &w->out[i];
        const char *text = word->value;
        if (word->name && word->value) text = format(w->a, "--%s=%s", word->name, word->value);
        else if (word->name) text = format(w->a, "--%s", word->name);
        lines_add(w->a, &w->result.words, text);
    }
}

TrainerCommand trainer_command(Arena *a, Lines words)
{
    Rewriting w = { .a = a };
    w.in = without_launcher(&w, cleaned(a, with_files(&w, words)));
    w.in = without_launcher(&w, with_config_files(&w, w.in));    /* such a file may say whose it is, as a script's name */
    while (w.at < w.in.count) {
        int ends_options = !strcmp(w.in.line[w.at], "--");
        if (!ends_options) read_word(&w);
        while (ends_options && w.at < w.in.count) put(&w, NULL, w.in.line[w.at++]);
    }
    if (w.script && !w.script->refused) put_defaults(&w);
    place_photos(&w);
    place_output(&w);
    tell(&w);
    emit(&w);
    return w.result;
}
