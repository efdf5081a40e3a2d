/* toml.c - TOML, the part that files of options use.
 *
 * A value is known by the path of keys that lead to it, and an array's elements by their numbers.  So tables, dotted
 * keys, inline tables, arrays and arrays of tables are all one list of paths and values, and no tree is built:
 *
 *     [[datasets]]                        datasets.0 (a table)
 *     resolution = [512, 768]             datasets.0.resolution.0 = 512, datasets.0.resolution.1 = 768
 *       [[datasets.subsets]]              datasets.0.subsets.0 (a table)
 *       image_dir = 'img'                 datasets.0.subsets.0.image_dir = img
 *
 * The text comes from a file that may be made to harm: the cursor never passes its end, arrays and inline tables nest
 * at most DEEPEST times, and the number of values is limited.  The text must be UTF-8 without control characters.
 *
 * Not read: dates and times, which no option of training has, and keys with a dot in them.  More is accepted than the
 * standard allows: an inline table may go over lines and end with a comma. */
#include "toml.h"

#include "chars.h"
#include "lines.h"

#include <string.h>

enum { DEEPEST = 16, MOST_VALUES = 10000, LONGEST_PATH = 512 };

typedef struct {
    Arena        *a;
    const char   *file;
    const char   *at, *end;
    size_t        line;
    const char   *table;                 /* the path of the table that keys belong to now; "" at first */
    ConfigEntries all;
    Lines         headers;               /* paths of [tables] so far */
    Lines         arrays;                /* paths of [[arrays of tables]] ... */
    size_t       *elements, room;        /* ... and how many elements each has */
} Toml;

static _Noreturn void bad(const Toml *t, const char *what)
{
    fail(t->a, "%s, line %zu: no valid TOML: %s", t->file, t->line, what);
}

/* ---- the list ---------------------------------------------------------------------------------- */

const ConfigEntry *config_at(const ConfigEntries *all, const char *path)
{
    for (size_t i = 0; i < all->count; i++)
        if (!strcmp(all->entry[i].path, path)) return &all->entry[i];
    return NULL;
}

void config_add(Arena *a, ConfigEntries *all, const char *file, ConfigEntry entry)
{
    if (config_at(all, entry.path))
        fail(a, "%s, line %zu: %s is there twice", file, entry.line, quoted(a, entry.path));
    if (all->count == MOST_VALUES) fail(a, "%s: more than %d values, expected a file of options", file, MOST_VALUES);
    all->entry = grow_array(a, all->entry, all->count, &all->room, sizeof *all->entry);
    all->entry[all->count++] = entry;
}

/* Is there a value at path, or within it? */
static int is_taken(const Toml *t, const char *path)
{
    size_t n = strlen(path);
    for (size_t i = 0; i < t->all.count; i++) {
        const char *other = t->all.entry[i].path;
        if (!strncmp(other, path, n) && (!other[n] || other[n] == '.')) return 1;
    }
    return 0;
}

static void add(Toml *t, const char *path, ConfigType type, const char *text)
{
    config_add(t->a, &t->all, t->file, (ConfigEntry){ path, type, text, t->line });
}

static const char *join(const Toml *t, const char *path, const char *key)
{
    if (strlen(path) + strlen(key) > LONGEST_PATH) bad(t, "a key of more than 512 bytes");
    return *path ? format(t->a, "%s.%s", path, key) : key;
}

/* ---- white space ------------------------------------------------------------------------------- */

static int peek(const Toml *t) { return t->at < t->end ? (unsigned char)*t->at : -1; }

static int looking_at(const Toml *t, const char *text)
{
    size_t n = strlen(text);
    return (size_t)(t->end - t->at) >= n && !memcmp(t->at, text, n);
}

static int accept(Toml *t, const char *text)
{
    if (!looking_at(t, text)) return 0;
    t->at += strlen(text);
    return 1;
}

static void skip_blanks(Toml *t)
{
    while (peek(t) == ' ' || peek(t) == '\t') t->at++;
}

static void skip_comment(Toml *t)
{
    if (peek(t) != '#') return;
    while (t->at < t->end && *t->at != '\n') t->at++;
}

static int skip_newline(Toml *t)
{
    if (!accept(t, "\n") && !accept(t, "\r\n")) return 0;
    t->line++;
    return 1;
}

/* White space, comments and ends of lines. */
static void skip_lines(Toml *t)
{
    do {
        skip_blanks(t);
        skip_comment(t);
    } while (skip_newline(t));
}

static void expect_end_of_line(Toml *t)
{
    skip_blanks(t);
    skip_comment(t);
    if (!skip_newline(t) && t->at < t->end) bad(t, "more in a line than one value; text needs quotes");
}

/* ---- strings ----------------------------------------------------------------------------------- */

static int hex_value(int c)
{
    if (digit(c)) return c - '0';
    return lower(c) >= 'a' && lower(c) <= 'f' ? lower(c) - 'a' + 10 : -1;
}

static void add_code_point(Toml *t, StringBuilder *text, uint32_t c)
{
    if (!c || c > 0x10FFFF || (c >= 0xD800 && c < 0xE000)) bad(t, "an escape in a string that is no character");
    string_builder_add_code_point(text, c);
}

static void read_code_point(Toml *t, StringBuilder *text, int digits)
{
    uint32_t c = 0;
    for (int i = 0; i < digits; i++) {
        int value = hex_value(peek(t));
        if (value < 0) bad(t, "an escape in a string without its digits");
        c = c * 16 + (uint32_t)value;
        t->at++;
    }
    add_code_point(t, text, c);
}

/* Behind a backslash. */
static void read_escape(Toml *t, StringBuilder *text)
{
    static const char names[] = "\"\\btnfr";
    static const char meant[] = "\"\\\b\t\n\f\r";
    int c = peek(t);
    if (accept(t, "u")) read_code_point(t, text, 4);
    else if (accept(t, "U")) read_code_point(t, text, 8);
    else {
        const char *found = c > 0 ? strchr(names, c) : NULL;
        if (!found) bad(t, "a backslash in \"...\" begins an escape; paths of Windows go in '...', or with / between");
        add_code_point(t, text, (uint32_t)meant[found - names]);
        t->at++;
    }
}

/* A backslash at the end of a line in """: what follows begins behind all white space. */
static int skip_folded_line(Toml *t)
{
    const char *s = t->at;
    while (s < t->end && (*s == ' ' || *s == '\t' || *s == '\r')) s++;
    if (s == t->end || *s != '\n') return 0;
    while (t->at < t->end && blank(*t->at)) {
        if (*t->at == '\n') t->line++;
        t->at++;
    }
    return 1;
}

/* Up to two quotes may stand before the three that end a string. */
static int ends_here(Toml *t, const char *quotes)
{
    if (!looking_at(t, quotes)) return 0;
    int is_long = quotes[1] != 0;
    return !is_long || t->at + 3 >= t->end || t->at[3] != *quotes;
}

static char *read_string(Toml *t)
{
    static const char *const kinds[] = { "\"\"\"", "'''", "\"", "'" };
    const char *quotes = NULL;
    StringBuilder text = string_builder(t->a);
    for (size_t i = 0; i < 4 && !quotes; i++)
        if (accept(t, kinds[i])) quotes = kinds[i];
    int is_long = quotes[1] != 0;
    if (is_long) skip_newline(t);
    while (!ends_here(t, quotes)) {
        if (t->at == t->end) bad(t, "a string that is never closed");
        if (*t->at == '\n' && !is_long) bad(t, "a string goes on over the end of its line");
        if (*t->at == '\n') t->line++;
        if (*quotes == '"' && accept(t, "\\")) {
            if (!is_long || !skip_folded_line(t)) read_escape(t, &text);
            continue;
        }
        string_builder_add_bytes(&text, t->at++, 1);
    }
    accept(t, quotes);
    return text.text;
}

/* ---- keys -------------------------------------------------------------------------------------- */

static int is_bare(int c) { return c == '-' || (c > 0 && word_character(c)); }

static const char *read_key_part(Toml *t)
{
    const char *start = t->at;
    if (peek(t) == '"' || peek(t) == '\'') {
        const char *key = read_string(t);
        if (!*key || strchr(key, '.')) bad(t, "a key with a dot or nothing in it, which no option has");
        return key;
    }
    while (is_bare(peek(t))) t->at++;
    if (t->at == start) bad(t, "expected a key, as in  key = value");
    return copy(t->a, start, (size_t)(t->at - start));
}

/* Keys within a value that is no table. */
static void check_is_table(const Toml *t, const char *path)
{
    const ConfigEntry *value = config_at(&t->all, path);
    if (value && value->type != CONFIG_TABLE)
        fail(t->a, "%s, line %zu: %s is a value already", t->file, t->line, quoted(t->a, path));
}

/* "a.b.c" behind `path` */
static const char *read_key(Toml *t, const char *path)
{
    for (;;) {
        skip_blanks(t);
        path = join(t, path, read_key_part(t));
        skip_blanks(t);
        if (!accept(t, ".")) return path;
        check_is_table(t, path);
    }
}

/* ---- values ------------------------------------------------------------------------------------ */

static void read_value(Toml *t, const char *path, int depth);

/* "key = value" */
static void read_pair(Toml *t, const char *table, int depth)
{
    const char *path = read_key(t, table);
    if (is_taken(t, path)) fail(t->a, "%s, line %zu: %s is there twice", t->file, t->line, quoted(t->a, path));
    if (!accept(t, "=")) bad(t, "expected = behind a key");
    skip_blanks(t);
    read_value(t, path, depth);
}

static void read_array(Toml *t, const char *path, int depth)
{
    size_t n = 0;
    skip_lines(t);
    while (!accept(t, "]")) {
        read_value(t, format(t->a, "%s.%zu", path, n++), depth + 1);
        skip_lines(t);
        if (accept(t, ",")) skip_lines(t);
        else if (peek(t) != ']') bad(t, "expected , or ] in an array");
    }
    if (!n) add(t, path, CONFIG_EMPTY, "");
}

static void read_inline_table(Toml *t, const char *path, int depth)
{
    add(t, path, CONFIG_TABLE, NULL);
    skip_lines(t);
    while (!accept(t, "}")) {
        read_pair(t, path, depth + 1);
        skip_lines(t);
        if (accept(t, ",")) skip_lines(t);
        else if (peek(t) != '}') bad(t, "expected , or } in an inline table");
    }
}

/* Is it a date or a time?  1979-05-27, 07:32:00 */
static int is_date(const char *word)
{
    size_t digits = strspn(word, "0123456789");
    return (digits == 4 && word[4] == '-') || (digits == 2 && word[2] == ':');
}

/* A number of another base as decimal digits. */
static const char *decimal(Toml *t, const char *digits, int base)
{
    uint64_t n = 0;
    if (!*digits) bad(t, "a number without digits");
    for (; *digits; digits++) {
        int value = hex_value(*digits);
        if (value < 0 || value >= base || n >> 56) bad(t, "a broken number, or one that is too large");
        n = n * (uint64_t)base + (uint64_t)value;
    }
    return format(t->a, "%llu", (unsigned long long)n);
}

/* Digits without the underlines between them. */
static char *without_underlines(Toml *t, const char *word)
{
    char *plain = copy(t->a, word, strlen(word));
    size_t n = 0;
    for (size_t i = 0; word[i]; i++) {
        int is_between = i && hex_value(word[i - 1]) >= 0 && hex_value(word[i + 1]) >= 0;
        if (word[i] == '_' && !is_between) bad(t, "a _ in a number that is not between digits");
        if (word[i] != '_') plain[n++] = word[i];
    }
    plain[n] = 0;
    return plain;
}

static const char *number_of(Toml *t, const char *word)
{
    double x;
    const char *plain = without_underlines(t, word);
    if (!strncmp(plain, "0x", 2)) return decimal(t, plain + 2, 16);
    if (!strncmp(plain, "0o", 2)) return decimal(t, plain + 2, 8);
    if (!strncmp(plain, "0b", 2)) return decimal(t, plain + 2, 2);
    size_t n = number_at(plain, &x);
    if (!n || plain[n])
        fail(t->a, "%s, line %zu: no valid TOML: %s is no value; text needs quotes", t->file, t->line,
             quoted(t->a, word));
    return *plain == '+' ? plain + 1 : plain;
}

static void read_word(Toml *t, const char *path)
{
    const char *start = t->at;
    while (is_bare(peek(t)) || (peek(t) > 0 && strchr("+.:", peek(t)))) t->at++;
    const char *word = copy(t->a, start, (size_t)(t->at - start));
    if (!*word) bad(t, "expected a value");
    if (!strcmp(word, "true") || !strcmp(word, "false")) add(t, path, CONFIG_SWITCH, word);
    else if (is_date(word))
        fail(t->a, "%s, line %zu: %s is a date or a time, which no option of training has; text needs quotes", t->file,
             t->line, quoted(t->a, word));
    else add(t, path, CONFIG_NUMBER, number_of(t, word));
}

static void read_value(Toml *t, const char *path, int depth)
{
    if (depth > DEEPEST) bad(t, "brackets are nested too deeply");
    if (accept(t, "[")) read_array(t, path, depth);
    else if (accept(t, "{")) read_inline_table(t, path, depth);
    else if (peek(t) == '"' || peek(t) == '\'') {
        const char *text = read_string(t);
        add(t, path, CONFIG_TEXT, text);
    }
    else read_word(t, path);
}

/* ---- tables ------------------------------------------------------------------------------------ */

/* Which of t->arrays has this path; the number of all when none has. */
static size_t array_number(const Toml *t, const char *path)
{
    size_t i = 0;
    while (i < t->arrays.count && strcmp(t->arrays.line[i], path)) i++;
    return i;
}

/* The last element of an array of tables, or the path itself. */
static const char *last_element(Toml *t, const char *path)
{
    size_t i = array_number(t, path);
    return i < t->arrays.count ? join(t, path, format(t->a, "%zu", t->elements[i] - 1)) : path;
}

/* The path of a header "[a.b.c]", where of each array of tables before c the last element is meant. */
static const char *read_header(Toml *t)
{
    const char *path = "";
    do {
        path = *path ? last_element(t, path) : path;
        skip_blanks(t);
        path = join(t, path, read_key_part(t));
        skip_blanks(t);
    } while (accept(t, "."));
    check_is_table(t, path);
    return path;
}

static void begin_element(Toml *t)
{
    const char *path = read_header(t);
    size_t i = array_number(t, path);
    if (!accept(t, "]]")) bad(t, "expected ]] behind the name of a table");
    if (i == t->arrays.count) {
        size_t count = t->arrays.count;
        if (is_taken(t, path)) fail(t->a, "%s, line %zu: %s is there twice", t->file, t->line, quoted(t->a, path));
        lines_add(t->a, &t->arrays, path);
        t->elements = grow_array(t->a, t->elements, count, &t->room, sizeof *t->elements);
        t->elements[i] = 0;
    }
    t->elements[i]++;
    t->table = last_element(t, path);
    add(t, t->table, CONFIG_TABLE, NULL);
}

static int holds_exactly(const Lines *lines, const char *text)
{
    for (size_t i = 0; i < lines->count; i++)
        if (!strcmp(lines->line[i], text)) return 1;
    return 0;
}

static void begin_table(Toml *t)
{
    t->table = read_header(t);
    if (!accept(t, "]")) bad(t, "expected ] behind the name of a table");
    if (holds_exactly(&t->headers, t->table) || array_number(t, t->table) < t->arrays.count)
        fail(t->a, "%s, line %zu: the table %s is there twice", t->file, t->line, quoted(t->a, t->table));
    if (t->headers.count == MOST_VALUES) bad(t, "too many tables");
    lines_add(t->a, &t->headers, t->table);
}

static void check_text(Toml *t)
{
    size_t n = (size_t)(t->end - t->at);
    size_t line = 1;
    for (size_t i = 0; i < n; ) {
        uint32_t c;
        i += utf8_decode((const unsigned char *)t->at + i, n - i, &c);
        if (c == '\n') line++;
        int is_control = (c < ' ' && c != '\t' && c != '\n' && c != '\r') || c == 0x7F;
        if (!is_control && c != 0xFFFD) continue;
        t->line = line;
        bad(t, "a control character, or text that is not UTF-8; save it again as UTF-8");
    }
}

ConfigEntries toml_read(Arena *a, Bytes text, const char *path)
{
    const char *start = (const char *)text.data;
    Toml t = { .a = a, .file = path, .at = start, .end = start + text.size, .line = 1, .table = "" };
    if (text.size >= 3 && !memcmp(start, "\xef\xbb\xbf", 3)) t.at += 3;
    check_text(&t);
    for (;;) {
        skip_lines(&t);
        if (t.at == t.end) return t.all;
        if (accept(&t, "[[")) begin_element(&t);
        else if (accept(&t, "[")) begin_table(&t);
        else read_pair(&t, t.table, 0);
        expect_end_of_line(&t);
    }
}
