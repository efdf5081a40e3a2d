/* shell_words.c - the words of a command line that is kept as text.
 *
 * People keep a trainer's command line in a file, and it comes from bash, cmd.exe or PowerShell.  Nobody says which,
 * so all three are read at once:
 *     - a line goes on behind \, ^ or ` at its end, whatever blanks follow, and when the next begins with -;
 *     - "..." and '...' hold a word together; a backslash escapes what bash lets it escape, and is itself in C:\x;
 *     - # and REM begin a comment; ;, & and | end a command;
 *     - $NAME, ${NAME}, $env:NAME and %NAME% are what the text gave to NAME.
 *
 * Nothing is run.  A variable that has no value in the text stays as it is written, and is named to the caller.
 * The environment is not looked at, so the same text means the same everywhere. */
#include "shell_words.h"

#include "chars.h"

#include <string.h>

typedef struct {
    Arena      *a;
    const char *path, *at, *end;
    size_t      line;                    /* for messages */
    Lines       names, values;           /* variables; of two of one name the last counts */
    Lines       unset;
    StringBuilder word;
    int         in_word;
} Reader;

/* ---- variables --------------------------------------------------------------------------------- */

static const char *value_of(const Reader *r, const char *name)
{
    for (size_t i = r->names.count; i > 0; i--)
        if (same(r->names.line[i - 1], name)) return r->values.line[i - 1];
    return NULL;
}

static void assign(Reader *r, const char *name, const char *value)
{
    lines_add(r->a, &r->names, name);
    lines_add(r->a, &r->values, value);
}

static size_t name_length(const char *s, const char *end)
{
    size_t n = 0;
    while (s + n < end && word_character((unsigned char)s[n])) n++;
    return n;
}

/* The variable that stands here -> the bytes it takes, or 0 when none stands here. */
static size_t variable_at(const Reader *r, const char **name, size_t *name_size)
{
    const char *s = r->at;
    const char *open = "";
    const char *close = "";
    if (*s == '%') {
        open = "%";
        close = "%";
    }
    else if (*s != '$') return 0;
    else if (r->end - s > 5 && begins(copy(r->a, s, 5), "$env:")) open = "$env:";
    else if (r->end - s > 1 && s[1] == '{') {
        open = "${";
        close = "}";
    }
    else open = "$";
    const char *start = s + strlen(open);
    size_t n = name_length(start, r->end);
    const char *behind = start + n;
    if (!n || (size_t)(r->end - behind) < strlen(close) || (*close && *behind != *close)) return 0;
    *name = start;
    *name_size = n;
    return (size_t)(behind - s) + strlen(close);
}

/* ---- words ------------------------------------------------------------------------------------- */

static void add_text(Reader *r, const char *text, size_t n)
{
    string_builder_add_bytes(&r->word, text, n);
    r->in_word = 1;
}

static void take_byte(Reader *r) { add_text(r, r->at++, 1); }

/* Adds the value of a variable that stands here; returns 0 when none stands here. */
static int add_variable(Reader *r)
{
    const char *name;
    size_t name_size;
    size_t n = variable_at(r, &name, &name_size);
    if (!n) return 0;
    const char *key = copy(r->a, name, name_size);
    const char *value = value_of(r, key);
    if (!value && *r->at != '%') lines_add_once(r->a, &r->unset, key);
    if (value) add_text(r, value, strlen(value));
    else add_text(r, r->at, n);
    r->at += n;
    return 1;
}

static _Noreturn void fail_open_quote(Reader *r, size_t line)
{
    fail(r->a, "%s, line %zu: a quote is opened and never closed", r->path, line);
}

static void read_quoted(Reader *r, char quote)
{
    size_t line = r->line;
    r->in_word = 1;
    r->at++;
    while (r->at < r->end && *r->at != quote) {
        int escapes = quote == '"' && *r->at == '\\' && r->at + 1 < r->end && strchr("\"\\$`", r->at[1]);
        if (*r->at == '\n') r->line++;
        if (quote == '"' && add_variable(r)) continue;
        if (escapes) r->at++;
        take_byte(r);
    }
    if (r->at == r->end) fail_open_quote(r, line);
    r->at++;
}

/* ---- lines ------------------------------------------------------------------------------------- */

static const char *skip_blanks(const char *s, const char *end)
{
    while (s < end && *s != '\n' && blank(*s)) s++;
    return s;
}

/* Behind the end of this line, when the line goes on there: after \, ^ or ` and blanks.  NULL: it does not. */
static const char *continued(const Reader *r)
{
    if (!strchr("\\^`", *r->at)) return NULL;
    const char *s = skip_blanks(r->at + 1, r->end);
    if (s == r->end) return s;
    return *s == '\n' ? s + 1 : NULL;
}

/* Does the line behind this newline begin with an option?  Then it belongs to the same command. */
static int option_follows(const Reader *r)
{
    const char *s = skip_blanks(r->at + 1, r->end);
    return s < r->end && *s == '-';
}

static void skip_comment(Reader *r)
{
    while (r->at < r->end && *r->at != '\n') r->at++;
}

static void end_word(Reader *r, Lines *command)
{
    if (!r->in_word) return;
    lines_add(r->a, command, r->word.text);
    r->word = string_builder(r->a);
    r->in_word = 0;
}

/* Reads what stands here.  Returns 0 when the command ends. */
static int read_one(Reader *r, Lines *command)
{
    const char *behind = continued(r);
    if (behind) {
        end_word(r, command);
        r->line++;
        r->at = behind;
        return 1;
    }
    if (*r->at == '\n') {
        int goes_on = option_follows(r) && command->count + (size_t)r->in_word;
        end_word(r, command);
        r->line++;
        r->at++;
        return goes_on;
    }
    if (blank(*r->at)) {
        end_word(r, command);
        r->at++;
        return 1;
    }
    if (*r->at == '#' && !r->in_word) {
        skip_comment(r);
        return 1;
    }
    if (strchr(";&|", *r->at)) {
        end_word(r, command);
        r->at++;
        return 0;
    }
    if (*r->at == '"' || *r->at == '\'') read_quoted(r, *r->at);
    else if (!add_variable(r)) {
        if (*r->at == '\\' && r->at + 1 < r->end && strchr(" \"'\\$()&#;|", r->at[1])) r->at++;
        take_byte(r);
    }
    return 1;
}

static Lines read_command(Reader *r)
{
    Lines command = { 0 };
    int goes_on = 1;
    while (goes_on && r->at < r->end) goes_on = read_one(r, &command);
    end_word(r, &command);
    return command;
}

/* ---- assignments ------------------------------------------------------------------------------- */

/* "NAME=value" */
static int assign_word(Reader *r, const char *word)
{
    const char *end = word + strlen(word);
    size_t n = name_length(word, end);
    if (!n || digit(*word) || word[n] != '=') return 0;
    assign(r, copy(r->a, word, n), word + n + 1);
    return 1;
}

/* $NAME = value; NAME is in r->unset unless it had a value before */
static int assign_powershell(Reader *r, const Lines *c)
{
    if (c->count != 3 || c->line[0][0] != '$' || strcmp(c->line[1], "=")) return 0;
    const char *name = c->line[0] + (begins(c->line[0], "$env:") ? 5 : 1);
    assign(r, name, c->line[2]);
    lines_remove(&r->unset, name);
    return 1;
}

/* Carries the assignments of a command out and takes them off; returns whether that was all of it. */
static int carry_out(Reader *r, Lines *c)
{
    if (assign_powershell(r, c)) return 1;
    int is_keyword = c->count > 1 && (same(c->line[0], "export") || same(c->line[0], "set"));
    size_t i = (size_t)is_keyword;
    while (i < c->count && assign_word(r, c->line[i])) i++;
    if (is_keyword && i == 1) return 0;
    c->line += i;
    c->count -= i;
    return !c->count;
}

static int is_comment(const Lines *c)
{
    const char *first = c->line[0];
    return same(first, "rem") || begins(first, "::") || begins(first, "@echo") || same(first, "echo");
}

ShellText shell_words(Arena *a, const char *text, size_t n, const char *path)
{
    Reader r = { .a = a, .path = path, .at = text, .end = text + n, .line = 1, .word = string_builder(a) };
    ShellText all = { 0 };
    size_t room = 0;
    if (memchr(text, 0, n)) fail(a, "%s: holds NUL bytes, expected a command line as text", path);
    if (n >= 3 && !memcmp(text, "\xef\xbb\xbf", 3)) r.at += 3;
    while (r.at < r.end) {
        Lines command = read_command(&r);
        if (!command.count || is_comment(&command) || carry_out(&r, &command)) continue;
        all.command = grow_array(a, all.command, all.count, &room, sizeof *all.command);
        all.command[all.count++] = command;
    }
    all.unset = r.unset;
    return all;
}

/* ---- writing ----------------------------------------------------------------------------------- */

/* No shell takes these for anything but themselves, wherever they stand in a word. */
static int is_plain(int c)
{
    return word_character(c) || (c && strchr("-./:=,+@%", c));
}

/* A quote ends the quoted part, stands behind a backslash, and begins it again. */
char *shell_quoted(Arena *a, const char *word)
{
    size_t n = 0;
    while (is_plain((unsigned char)word[n])) n++;
    if (n && !word[n]) return copy(a, word, n);
    StringBuilder text = string_builder(a);
    string_builder_add(&text, "'");
    for (; *word; word++) {
        if (*word == '\'') string_builder_add(&text, "'\\'");
        string_builder_add_bytes(&text, word, 1);
    }
    string_builder_add(&text, "'");
    return text.text;
}
