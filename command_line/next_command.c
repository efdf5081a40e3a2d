/* next_command.c - the command to type next.
 *
 * A message that says what one could do is read; one that can be copied is done.  So each of these is a whole command
 * that works as it stands: in the same folder, with the program as it was called this time, its words quoted for a
 * shell, the files by their paths, and the model that was named.
 *
 * What stands in a prompt has a grammar, and captions have none: their brackets are brackets.  So brackets get a
 * backslash, and parts that would mean more (<lora:...>, {a|b}, __wildcard__) are left out.
 *
 * An embedding is found by its name in a folder that is called embeddings.  One that was learned elsewhere is copied
 * there by the command. */
#include "next_command.h"

#include "chars.h"
#include "shell_words.h"

#include <string.h>

static const char STRENGTH[] = "0.8";            /* of a LoRA: most people begin there */

/* ---- the command that was typed ---------------------------------------------------------------- */

static void add_word(StringBuilder *d, const char *word)
{
    if (d->n) string_builder_add(d, " ");
    string_builder_add(d, shell_quoted(d->mem, word));
}

/* How many words, from this one on, say which seed: none, "--seed=1", or "--seed 1". */
static int words_of_seed(const char *word)
{
    const char *name = word + strspn(word, "-");
    if (*word != '-' || !begins(name, "seed")) return 0;
    if (name[strlen("seed")] == '=') return 1;
    return name[strlen("seed")] ? 0 : 2;
}

const char *command_of_another_seed(Arena *a, int argc, char **argv)
{
    enum { MOST_READ = 200 };
    StringBuilder d = string_builder(a);
    add_word(&d, argv[0]);
    for (int i = 1; i < argc; ) {
        int seed = words_of_seed(argv[i]);
        if (!strcmp(argv[i], "--") || !strcmp(argv[i], "-")) return NULL;
        if (!seed) add_word(&d, argv[i]);
        i += seed ? seed : 1;
    }
    string_builder_add(&d, " --seed -1");
    return d.n <= MOST_READ ? d.text : NULL;
}

/* ---- a prompt of words that were learned -------------------------------------------------------- */

static int means_more(const char *part)
{
    return strpbrk(part, "<>{}|$\n") || strstr(part, "__") || strstr(part, " AND ");
}

/* The parts of a caption as a prompt. */
static const char *as_prompt(Arena *a, const char *words)
{
    StringBuilder d = string_builder(a);
    size_t count;
    char **part = comma_parts(a, words, &count);
    for (size_t i = 0; i < count; i++) {
        if (!*part[i] || means_more(part[i])) continue;
        if (d.n) string_builder_add(&d, ", ");
        for (const char *s = part[i]; *s; s++) {
            if (strchr("()[]\\", *s)) string_builder_add(&d, "\\");
            string_builder_add_bytes(&d, s, 1);
        }
    }
    return d.text;
}

/* Does the name stand in the text, with no letter or digit beside it? */
static const char *find_word(const char *text, const char *name)
{
    size_t n = strlen(name);
    for (const char *s = text; *s && n; s++) {
        int is_inside = s > text && word_character(s[-1]);
        if (!is_inside && begins(s, name) && !word_character(s[n])) return s;
    }
    return NULL;
}

/* The prompt with the embedding by the name that it is found by now.  Where captions do not have the word, it was
 * learned in front of them. */
static const char *with_word(Arena *a, const char *prompt, const char *word, const char *name)
{
    const char *found = find_word(prompt, word);
    if (!found) return format(a, "%s%s%s", name, *prompt ? " " : "", prompt);
    return format(a, "%.*s%s%s", (int)(found - prompt), prompt, name, found + strlen(word));
}

/* ---- the command that draws -------------------------------------------------------------------- */

static const char EMBEDDINGS[] = "embeddings";

static int is_embeddings_folder(const char *folder)
{
    return !strcmp(file_name(folder), EMBEDDINGS);
}

/* Is it searched without being asked for? */
static int is_usual_folder(const char *folder)
{
    return !strcmp(folder, EMBEDDINGS) || begins(folder, "weights/");
}

static void add_option(StringBuilder *d, const char *option, const char *value)
{
    string_builder_add(d, format(d->mem, " --%s", option));
    add_word(d, value);
}

/* The model, its VAE and how its text encoder is read, as they were given for training. */
static void add_model(StringBuilder *d, const Options *o)
{
    static const char *const kept[] = { "model", "vae", "clip-skip", NULL };
    for (size_t i = 0; i < o->givens; i++) {
        const char *flag = o->given[i].setting->flag;
        if (is_one_of(kept, flag)) add_option(d, flag, o->given[i].value);
    }
    for (size_t i = 0; i < o->folders; i++) add_option(d, "weights", o->folder[i]);
    if (o->no_config) string_builder_add(d, " --no-config");
}

const char *command_of_trained(Arena *a, const Options *o, const Trained *t)
{
    const char *prompt = as_prompt(a, t->words);
    StringBuilder d = string_builder(a);
    if (t->embedding) {
        const char *folder = folder_of(a, t->embedding);
        const char *name = without_extension(a, file_name(t->embedding));
        prompt = with_word(a, prompt, t->word, name);
        if (!is_embeddings_folder(folder))
            string_builder_add(&d, format(a, "mkdir -p %s && cp %s %s/ && ", EMBEDDINGS, shell_quoted(a, t->embedding),
                                          EMBEDDINGS));
    }
    if (!*prompt) prompt = "portrait";
    string_builder_add(&d, shell_quoted(a, o->program));
    add_option(&d, "prompt", prompt);
    if (t->lora) add_option(&d, "lora", format(a, "%s:%s", t->lora, STRENGTH));
    add_model(&d, o);
    if (!t->embedding) return d.text;
    const char *folder = folder_of(a, t->embedding);
    if (is_embeddings_folder(folder) && !is_usual_folder(folder)) add_option(&d, "weights", folder);
    return d.text;
}
