/* trainer_words.c - the words of a pasted command line, wherever they stand.
 *
 * A trainer's command line comes as arguments, as a file of them (job.txt, @file, .sh, .bat), and in files of options
 * (--config_file, what the GUI saved).  In front stands what starts the trainer: "accelerate launch --its_own_options
 * train_network.py".  And what is pasted brings ends of lines and dashes along that no shell took away.
 *
 * Here all of it becomes one list of words: options and values, those of files of options first, for the command line
 * wins.  The script's name says whose options they are. */
#include "trainer_words.h"

#include "chars.h"
#include "config_file.h"
#include "config_words.h"
#include "files.h"
#include "near_path.h"
#include "shell_words.h"

#include <string.h>

enum { LARGEST_FILE = 1 << 18 };         /* bytes of a file with a command line */

typedef struct {
    Arena       *a;
    TrainerWords result;
} Gathering;

static void fault(Gathering *w, const char *message)
{
    lines_add(w->a, &w->result.faults, message);
}

/* ---- dashes ------------------------------------------------------------------------------------ */

/* The size of a dash of web pages and word processors that stands here: U+2013, 2014 or 2212; 0 when there is none. */
static size_t dash_at(const char *text, size_t n)
{
    static const char *const dashes[] = { "\xe2\x80\x93", "\xe2\x80\x94", "\xe2\x88\x92" };
    for (size_t i = 0; i < 3; i++)
        if (n >= 3 && !memcmp(text, dashes[i], 3)) return 3;
    return 0;
}

/* Makes "--" of such dashes at the beginning of words, which they replaced. */
static char *with_plain_dashes(Arena *a, const char *text, size_t n)
{
    char *plain = allocate(a, n + 1, 1);
    size_t out = 0;
    for (size_t i = 0; i < n; ) {
        int begins_word = !i || blank((unsigned char)text[i - 1]);
        if (!begins_word || !dash_at(text + i, n - i)) {
            plain[out++] = text[i++];
            continue;
        }
        while (dash_at(text + i, n - i)) i += 3;
        while (i < n && text[i] == '-') i++;
        plain[out++] = '-';
        plain[out++] = '-';
    }
    plain[out] = 0;
    return plain;
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
static Lines command_in(Gathering *w, const char *path, const ShellText *text)
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

static Lines words_of_file(Gathering *w, const char *path)
{
    Bytes b = file_map(w->a, path);
    int is_config = is_json_text(b) || same(file_extension(path), ".toml");
    if (is_config) return config_words(w->a, path, &w->result.told);
    if (b.size > LARGEST_FILE) fail(w->a, "%s: expected a command line, of at most %d KB", path, LARGEST_FILE >> 10);
    if (b.size && memchr(b.data, 0, b.size)) return (Lines){ 0 };
    const char *plain = with_plain_dashes(w->a, (const char *)b.data, b.size);
    ShellText text = shell_words(w->a, plain, strlen(plain), path);
    return command_in(w, path, &text);
}

typedef struct { Gathering *w; const char *path; Lines words; } FileOfWords;

static void try_file(void *file)
{
    FileOfWords *f = file;
    f->words = words_of_file(f->w, f->path);
}

/* word: the file's name, or "@" and its name.  A file that holds no command line is left to options.c. */
static void add_words_of_file(Gathering *w, Lines *to, const char *word)
{
    char why[MESSAGE];
    FileOfWords f = { .w = w, .path = *word == '@' ? word + 1 : word };
    if (attempt(w->a, try_file, &f, why)) {
        fault(w, format(w->a, "%s", why));
        return;
    }
    w->result.is_changed |= f.words.count > 0;
    if (!f.words.count) lines_add(w->a, to, f.path);
    for (size_t i = 0; i < f.words.count; i++) lines_add(w->a, to, f.words.line[i]);
}

/* Puts the words of files in the place of their names. */
static Lines with_files(Gathering *w, Lines words)
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

static Lines cleaned(Arena *a, Lines words)
{
    Lines all = { 0 };
    for (size_t i = 0; i < words.count; i++) {
        const char *word = words.line[i];
        if (!*word || !is_line_end(word)) lines_add(a, &all, with_plain_dashes(a, word, strlen(word)));
    }
    return all;
}

static void read_script(Gathering *w, const char *word)
{
    const char *name = base_name(word);
    const ForeignScript *script = foreign_script(name);
    if (!script) fault(w, format(w->a, "%s is no script that persona knows; expected train_network.py, "
                                       "train_textual_inversion.py or one of diffusers", quoted(w->a, name)));
    else if (script->refused) fault(w, format(w->a, "%s %s", name, script->refused));
    w->result.script = script;
    w->result.is_changed = 1;
}

/* Takes "accelerate launch --its options X.py" out, and "persona train" in front of a file's words. */
static Lines without_launcher(Gathering *w, Lines words)
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

const char *without_quotes(Arena *a, const char *value)
{
    size_t n = strlen(value);
    int is_quoted = n >= 2 && (*value == '"' || *value == '\'') && value[n - 1] == *value;
    return is_quoted ? copy(a, value + 1, n - 2) : value;
}

/* --config_file NAME: kohya adds ".toml" where the name has no ending. */
static void add_config_file(Gathering *w, Lines *to, const char *name)
{
    const char *path = file_is(name) ? name : format(w->a, "%s.toml", name);
    if (file_is(path)) add_words_of_file(w, to, path);
    else fault(w, format(w->a, "--config_file is %s, and there is no such file%s", quoted(w->a, name),
                            near_path_hint(w->a, name, FILE_PATH)));
}

/* The value behind the option at words[i], or in it; NULL when it is no file of options.  OneTrainer: --config-path */
static const char *config_file_named(Gathering *w, const Lines *words, size_t i)
{
    const char *word = words->line[i];
    const char *equals = strchr(word, '=');
    const char *name = copy(w->a, word, equals ? (size_t)(equals - word) : strlen(word));
    if (!same(name, "--config_file") && !same(name, "--config_path")) return NULL;
    if (equals) return without_quotes(w->a, equals + 1);
    return i + 1 < words->count ? words->line[i + 1] : "";
}

/* Puts the words of --config_file in front, for they hold where the command line says nothing. */
static Lines with_config_files(Gathering *w, Lines words)
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

/* ---- all of it --------------------------------------------------------------------------------- */

TrainerWords trainer_words(Arena *a, Lines words)
{
    Gathering w = { .a = a };
    Lines all = without_launcher(&w, cleaned(a, with_files(&w, words)));
    w.result.words = without_launcher(&w, with_config_files(&w, all));      /* the GUI's file says whose it is */
    return w.result;
}
