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
#include "files.h"
#include "foreign_options.h"
#include "trainer_words.h"
#include "training_config.h"

#include <math.h>
#include <string.h>

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
    Lines       needless, repeated;
    const char *beta1, *beta2, *epsilon;  /* --adam_beta1 and so on; NULL: not given */
    const ForeignScript *script;         /* NULL: persona's own command line */
    int         is_changed;              /* something is called in another way here */
    const char *photos, *output_dir, *output_name;
    int         trains_text, scales_rate, uses_template;
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

/* What was given; of two words for the same thing it is told which one counts. */
static void put_given(Rewriting *w, const char *name, const char *value)
{
    const char *before = value_given(w, name);
    if (before && value && !same(before, value))
        lines_add_once(w->a, &w->repeated, format(w->a, "--%s %s (not %s)", name, value, before));
    put(w, name, value);
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

/* Is it what a value is when nothing is asked for? */
static int is_off(const char *value)
{
    double x;
    size_t n = number_at(value, &x);
    int is_zero = n && !value[n] && !(x < 0 || x > 0);
    return !*value || is_zero || same(value, "false") || same(value, "none");
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
    const ForeignOption *foreign = foreign_training_option(key);
    if (foreign && foreign->meaning == RENAMED) {
        key = foreign->ours;
        foreign = foreign_training_option(key);
    }
    const char *ours = training_option_find(key, &is_bare);
    int is_so_here = foreign && foreign->meaning == FIXED && same(foreign->value, value);
    int is_unasked = foreign && foreign->meaning == MISSING && is_off(value);
    int is_locon = same(key, "algo") && same(value, "locon");            /* LyCORIS: another name of lora */
    if (ours) put_given(w, ours, is_locon ? "lora" : value);
    else if (!is_so_here && !is_unasked)
        fault(w, format(w->a, "--%s: %s is not %s here", option, quoted(w->a, argument), foreign ? "done" : "known"));
}

static void read_arguments(Rewriting *w, const char *option, const char *first)
{
    for (const char *value = first; value; value = next_value(w, NULL))
        if (*value) read_argument(w, option, value);
}

static void read_data_set(Rewriting *w, const char *name)
{
    w->photos = name;
    if (folder_is(name)) return;
    lines_add(w->a, &w->result.told, "--dataset_name: persona uses no network; load the pictures down, and give their "
                                     "folder with --train_data_dir");
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
    else if (same(name, "adam_beta1")) w->beta1 = value;
    else if (same(name, "adam_beta2")) w->beta2 = value;
    else if (same(name, "adam_epsilon")) w->epsilon = value;
    else if (same(name, "train_text_encoder")) w->trains_text = 1;
    else if (same(name, "scale_lr")) w->scales_rate = 1;
    else if (same(name, "use_object_template")) w->uses_template = 1;
    else if (same(name, "lr_scheduler_type"))
        fault(w, format(w->a, "--lr_scheduler_type is %s, a class of torch; --lr_scheduler has those of persona",
                        quoted(w->a, value)));
    else read_arguments(w, name, value);
    if (same(name, "instance_data_dir")) use_script(w, "train_dreambooth_lora.py");
    if (same(name, "train_data_dir") || same(name, "output_name")) use_script(w, "train_network.py");
}

static void read_foreign(Rewriting *w, const ForeignOption *o, const char *equals)
{
    const char *value = o->values == NO_VALUE ? NULL : next_value(w, equals);
    const char *label = format(w->a, "--%s", o->name);
    if (o->values == ONE_VALUE && !value) {
        fault(w, format(w->a, "%s needs a value behind it", label));
        return;
    }
    int is_switched_off = o->values == NO_VALUE && equals && is_off(without_quotes(w->a, equals + 1));
    w->is_changed = 1;
    if (is_switched_off || (value && !*value)) return;           /* as the GUI writes what is not given */
    switch (o->meaning) {
    case RENAMED:  put_given(w, o->ours, o->value ? o->value : value); break;
    case NEEDLESS: lines_add_once(w->a, &w->needless, label); break;
    case MISSING:
        if (!value || !is_off(value)) fault(w, format(w->a, "%s %s", label, o->why));
        break;
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
    if (is_bare || value) put_given(w, name, value);
    else put(w, NULL, word);                     /* options.c says that it needs a value */
}

/* Is it --vae "" in a trainer's command line, as the GUI writes what is not given? */
static int is_left_empty(const Rewriting *w, const char *equals)
{
    if (!w->script) return 0;
    if (equals) return !equals[1];
    return w->at < w->in.count && !*w->in.line[w->at];
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
    else if (is_left_empty(w, equals)) w->at += !equals;
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
    double x;
    const char *rate = value_given(w, "learning_rate");
    if (is_diffusers(w) && !w->trains_text) put(w, "network_train_unet_only", NULL);
    else if (rate && number_at(rate, &x)) put_default(w, "text_encoder_lr", rate);   /* else: wrong once, not twice */
}

static int is_number(const char *text, double x)
{
    double y;
    size_t n = number_at(text, &y);
    return n && !text[n] && !(x < y) && !(x > y);
}

/* --adam_beta1 0.8 --adam_epsilon 1e-6  ->  --optimizer_args "betas=0.8,0.999 eps=1e-6" */
static void put_adam(Rewriting *w)
{
    const char *beta1 = w->beta1 ? w->beta1 : "0.9";
    const char *beta2 = w->beta2 ? w->beta2 : "0.999";
    const char *args = value_given(w, "optimizer_args");
    if (!args) args = "";
    if (!is_number(beta1, 0.9) || !is_number(beta2, 0.999))
        args = format(w->a, "%s%sbetas=%s,%s", args, *args ? " " : "", beta1, beta2);
    if (w->epsilon && !is_number(w->epsilon, 1e-8))
        args = format(w->a, "%s%seps=%s", args, *args ? " " : "", w->epsilon);
    if (*args) put(w, "optimizer_args", args);
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

/* diffusers' textual inversion has templates in place of captions, and kohya's when it is asked. */
static void choose_words(Rewriting *w)
{
    const char *token = value_given(w, "token");
    int has_templates = w->uses_template || same(w->script->script, "textual_inversion.py");
    if (!has_templates || !token || is_given(w, "prompt")) return;
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

/* "512,768": with buckets kohya's trainer takes the area of it, here of the square of about that area. */
static void keep_area(Rewriting *w)
{
    double width, height;
    const char *sides = value_given(w, "resolution");
    size_t n = sides ? number_at(sides, &width) : 0;
    if (!n || sides[n] != ',' || !is_given(w, "enable_bucket")) return;
    const char *second = sides + n + 1 + strspn(sides + n + 1, " ");
    if (!number_at(second, &height) || !(width * height > 0) || (width >= height && width <= height)) return;
    const char *side = number_text(w->a, floor(sqrt(width * height) / 8) * 8);
    lines_add(w->a, &w->result.told, format(w->a, "--resolution %s: buckets of about that area, --resolution %s", sides,
                                            side));
    put(w, "resolution", side);
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
    keep_area(w);
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
    if (w->repeated.count)
        lines_add(w->a, &w->result.told, format(w->a, "given more than once, and the last counts: %s",
                                                lines_joined(w->a, &w->repeated, ", ")));
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
    TrainerWords t = trainer_words(a, words);
    Rewriting w = { .a = a, .in = t.words, .script = t.script, .is_changed = t.is_changed };
    w.result.told = t.told;
    w.result.faults = t.faults;
    while (w.at < w.in.count) {
        int ends_options = !strcmp(w.in.line[w.at], "--");
        if (!ends_options) read_word(&w);
        while (ends_options && w.at < w.in.count) put(&w, NULL, w.in.line[w.at++]);
    }
    put_adam(&w);
    if (w.script && !w.script->refused) put_defaults(&w);
    place_photos(&w);
    place_output(&w);
    tell(&w);
    emit(&w);
    return w.result;
}
