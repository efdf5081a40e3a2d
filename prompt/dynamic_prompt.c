/* dynamic_prompt.c - dynamic prompts.
 *
 * The text is read once from left to right.  A choice is drawn, and the option that came out is read in turn, so
 * nothing is drawn for what is not shown.  What a wildcard's line or a variable holds is text of the same language.
 *
 * Texts of other people may be made to harm.  So these are bounded: how deep texts lie in each other, how often
 * something is drawn, and how long the result gets.  The partner of each brace is found in one pass before the reading,
 * so a million open braces take no longer than a million letters.
 *
 * In "<lora:my__face__v2:1>" and in the middle of a word "__" may be part of a name: there it is a wildcard only if
 * such a file exists. */
#include "dynamic_prompt.h"

#include "chars.h"

#include <string.h>

enum {
    DEEPEST = 48, MOST_DRAWS = 100000, MOST_BYTES = 1 << 20, MOST_READ = 16 << 20, MOST_OPTIONS = 4096,
    MOST_WEIGHED = 1 << 28               /* options in all draws together */
};

/* A text, and for each of its bytes that is "{" the place of the partner, 0 when there is none. */
typedef struct { const char *text; const unsigned *partner; } Source;

/* value: text that is read each time it is named */
typedef struct Variable Variable;
struct Variable { const char *name, *value; Variable *next; };

/* The lines that a wildcard's name meant. */
typedef struct Known Known;
struct Known { const char *name; WildcardLines lines; Known *next; };

typedef struct { const char *text; double weight; } Option;

DynamicPrompt dynamic_prompt_begin(Arena *a, const Wildcards *w, uint64_t seed)
{
    DynamicPrompt d = { .a = a, .wildcards = w, .seed = seed };
    rng_seed(&d.rng, seed);
    return d;
}

/* ---- draws ------------------------------------------------------------------------------------- */

static void count_draw(DynamicPrompt *d)
{
    d->draws++;
    if (d->draws > MOST_DRAWS)
        fail(d->a, "the prompt draws more than %d times; do its wildcards or variables name each other in a circle?",
             MOST_DRAWS);
}

/* Which of n options, by their weights. */
static size_t draw(DynamicPrompt *d, const Option *option, size_t n)
{
    double all = 0;
    count_draw(d);
    d->weighed += n;
    if (d->weighed > MOST_WEIGHED)
        fail(d->a, "the prompt draws too often from lists that are too long: more than %d lines in all draws together",
             MOST_WEIGHED);
    for (size_t i = 0; i < n; i++) all += option[i].weight;
    double at = rng_bits(&d->rng) / 4294967296.0 * all;
    for (size_t i = 0; i < n; i++) {
        at -= option[i].weight;
        if (at < 0) return i;
    }
    return n - 1;
}

/* At random, or in turn by the seed. */
typedef enum { AT_RANDOM, IN_TURN } Method;

static const char *method_of(const char *s, Method *method)
{
    *method = *s == '@' || *s == '!' ? IN_TURN : AT_RANDOM;
    return *s == '@' || *s == '!' || *s == '~' ? s + 1 : s;
}

static void miss(DynamicPrompt *d, const char *what)
{
    if (d->missing && strstr(d->missing, what)) return;
    d->missing = d->missing ? format(d->a, "%s; %s", d->missing, what) : format(d->a, "%s", what);
}

/* ---- the text's parts -------------------------------------------------------------------------- */

static const unsigned *partners(Arena *a, const char *text)
{
    size_t n = strlen(text), depth = 0;
    unsigned *partner = allocate(a, n + 1, sizeof *partner);
    unsigned *open = allocate(a, n + 1, sizeof *open);
    memset(partner, 0, (n + 1) * sizeof *partner);
    for (size_t i = 0; i < n; i++) {
        if (text[i] == '\\' && text[i + 1]) i++;
        else if (text[i] == '{') open[depth++] = (unsigned)i;
        else if (text[i] == '}' && depth) partner[open[--depth]] = (unsigned)i;
    }
    return partner;
}

static Source source_of(Arena *a, const char *text) { return (Source){ text, partners(a, text) }; }

/* The next place of `what` from `from` on that is in no inner braces, or `to`. */
static size_t find_outside(Source s, size_t from, size_t to, const char *what)
{
    size_t n = strlen(what);
    for (size_t i = from; i < to; i++) {
        if (s.text[i] == '\\' && i + 1 < to) i++;
        else if (s.text[i] == '{' && s.partner[i]) i = s.partner[i];
        else if (i + n <= to && !memcmp(s.text + i, what, n)) return i;
    }
    return to;
}

/* Where the tag <word:...> that begins at i ends, 0 when none does. */
static size_t tag_end(Source s, size_t i, size_t to)
{
    size_t p = i + 1;
    while (p < to && word_character(s.text[p])) p++;
    if (p == i + 1 || p >= to || s.text[p] != ':') return 0;
    const char *close = memchr(s.text + p, '>', to - p < 1000 ? to - p : 1000);
    return close ? (size_t)(close - s.text) : 0;
}

static void read_part(DynamicPrompt *d, Source s, size_t from, size_t to, int depth, StringBuilder *out);

static void add(DynamicPrompt *d, StringBuilder *out, const char *text, size_t n)
{
    string_builder_add_bytes(out, text, n);
    if (out->n > MOST_BYTES) fail(d->a, "the prompt draws more than %d MB of text", MOST_BYTES >> 20);
}

static void check_wildcards(DynamicPrompt *d, Source s);

/* Bounds what all draws together read. */
static void count_bytes(DynamicPrompt *d, size_t n)
{
    d->read += n;
    if (d->read > MOST_READ)
        fail(d->a, "drawing the prompt reads more than %d MB; do its wildcards or variables name each other in a "
                   "circle?", MOST_READ >> 20);
}

/* A text that stands elsewhere, drawn. */
static void read_text(DynamicPrompt *d, const char *text, int depth, StringBuilder *out)
{
    Source s = source_of(d->a, text);
    count_draw(d);
    count_bytes(d, strlen(text));
    check_wildcards(d, s);
    read_part(d, s, 0, strlen(text), depth + 1, out);
}

/* ---- {a|b} ------------------------------------------------------------------------------------- */

/* How many are drawn, from least to most, and what stands between them. */
typedef struct { size_t least, most; const char *between; } Bound;

/* "2$$", "1-3$$", "-3$$", "2-$$", and a joiner with "$$" behind -> the length, 0 when s begins with none of them */
static size_t read_bound(DynamicPrompt *d, Source s, size_t from, size_t to, Bound *b)
{
    uint64_t least, most;
    size_t mark = find_outside(s, from, to, "$$");
    if (mark == to || mark - from > 16) return 0;
    const char *range = trimmed(d->a, s.text + from, mark - from);
    const char *hyphen = strchr(range, '-');
    const char *low = hyphen ? copy(d->a, range, (size_t)(hyphen - range)) : range;
    const char *high = hyphen ? hyphen + 1 : range;
    if (!*range || !read_whole(*low ? low : "1", &least) || !read_whole(*high ? high : "4096", &most)) return 0;
    *b = (Bound){ (size_t)(least > MOST_OPTIONS ? MOST_OPTIONS : least), MOST_OPTIONS, "," };
    if (most < MOST_OPTIONS) b->most = (size_t)most;
    size_t second = find_outside(s, mark + 2, to, "$$");
    size_t bar = find_outside(s, mark + 2, to, "|");
    if (second == to || second > bar) return mark + 2 - from;
    b->between = copy(d->a, s.text + mark + 2, second - mark - 2);
    return second + 2 - from;
}

/* The options between the bars, with their weights. */
static Option *read_options(DynamicPrompt *d, Source s, size_t from, size_t to, size_t *count)
{
    size_t room = 0;
    Option *option = NULL;
    *count = 0;
    for (;;) {
        double weight;
        size_t bar = find_outside(s, from, to, "|");
        const char *text = copy(d->a, s.text + from, bar - from);
        const char *number = text + strspn(text, " \t\n");
        size_t n = number_at(number, &weight);
        int is_weighted = n && number[n] == ':' && number[n + 1] == ':' && weight >= 0 && weight < 1e9;
        option = grow_array(d->a, option, *count, &room, sizeof *option);
        option[(*count)++] = (Option){ is_weighted ? number + n + 2 : text, is_weighted ? weight : 1 };
        if (bar == to || *count == MOST_OPTIONS) return option;
        from = bar + 1;
    }
}

static size_t wildcard_length(const char *s, const char *end);
static WildcardLines wildcard_lines(DynamicPrompt *d, const char *s, size_t n, Method *method);

static Option *options_of(DynamicPrompt *d, WildcardLines lines)
{
    Option *option = allocate(d->a, lines.count, sizeof *option);
    count_bytes(d, lines.count);
    for (size_t i = 0; i < lines.count; i++) option[i] = (Option){ lines.line[i].text, lines.line[i].weight };
    return option;
}

/* {2$$__hair__}: the lines of the file are the options, so none comes twice. */
static Option *lines_as_options(DynamicPrompt *d, Option *option, size_t *count)
{
    Method method;
    const char *text = trimmed(d->a, option[0].text, strlen(option[0].text));
    size_t n = *count == 1 ? wildcard_length(text, text + strlen(text)) : 0;
    if (!n || text[n]) return option;
    WildcardLines lines = wildcard_lines(d, text, n, &method);
    if (!lines.count) return option;
    *count = lines.count;
    return options_of(d, lines);
}

static void draw_options(DynamicPrompt *d, Option *option, size_t count, Bound b, Method method, int depth,
                         StringBuilder *out)
{
    size_t most = b.most < count ? b.most : count;
    size_t wanted = b.least < most ? b.least : most;
    if (most > wanted) wanted += rng_below(&d->rng, (uint32_t)(most - wanted + 1));
    for (size_t i = 0; i < wanted; i++) {
        size_t at = method == IN_TURN ? (size_t)((d->seed + i) % count) : draw(d, option, count);
        Option chosen = option[at];
        if (i) add(d, out, b.between, strlen(b.between));
        read_text(d, chosen.text, depth, out);
        if (method == IN_TURN) continue;
        count--;
        memmove(option + at, option + at + 1, (count - at) * sizeof *option);
    }
}

/* The braces from..to, both included -> 1 when they are a choice. */
static int read_choice(DynamicPrompt *d, Source s, size_t from, size_t to, int depth, StringBuilder *out)
{
    Method method;
    size_t count;
    Bound b = { 1, 1, "" };
    size_t inside = (size_t)(method_of(s.text + from + 1, &method) - s.text);
    size_t bound = read_bound(d, s, inside, to, &b);
    if (!bound && find_outside(s, inside, to, "|") == to) return 0;
    Option *option = read_options(d, s, inside + bound, to, &count);
    if (bound) option = lines_as_options(d, option, &count);
    draw_options(d, option, count, b, method, depth, out);
    return 1;
}

/* ---- __wildcards__ ----------------------------------------------------------------------------- */

/* "__name__" or "__name(a=b)__" at s -> its length, 0 when there is none. */
static size_t wildcard_length(const char *s, const char *end)
{
    enum { LONGEST = 200 };
    if (end - s < 5 || s[0] != '_' || s[1] != '_') return 0;
    const char *stop = end - s > LONGEST ? s + LONGEST : end;
    for (const char *p = s + 2; p + 1 < stop; p++) {
        if (p[0] == '_' && p[1] == '_') return p > s + 2 ? (size_t)(p + 2 - s) : 0;
        if (strchr("{}<>|#$\n", *p) || (blank(*p) && p == s + 2)) return 0;
    }
    return 0;
}

static void set_variable(DynamicPrompt *d, const char *name, const char *value)
{
    Variable *v = allocate(d->a, 1, sizeof *v);
    *v = (Variable){ name, value, d->variable };
    d->variable = v;
}

/* The parameters "a=b, c=d" of a wildcard become variables. */
static void set_parameters(DynamicPrompt *d, const char *list)
{
    size_t count;
    char **part = comma_parts(d->a, list, &count);
    for (size_t i = 0; i < count; i++) {
        char *equals = strchr(part[i], '=');
        if (!equals) continue;
        const char *name = trimmed(d->a, part[i], (size_t)(equals - part[i]));
        set_variable(d, name, trimmed(d->a, equals + 1, strlen(equals + 1)));
    }
}

/* The wildcard at s: [n], without what marks it.  *parameters: the list in round brackets behind its name, or NULL */
static const char *wildcard_name(Arena *a, const char *s, size_t n, Method *method, const char **parameters)
{
    const char *name = copy(a, s + 2, n - 4);
    name = method_of(name, method);
    size_t length = strlen(name);
    const char *open = strchr(name, '(');
    *parameters = NULL;
    if (!open || name[length - 1] != ')') return name;
    *parameters = copy(a, open + 1, (size_t)(name + length - open) - 2);
    return copy(a, name, (size_t)(open - name));
}

/* Reads a file once. */
static WildcardLines lines_named(DynamicPrompt *d, const char *name)
{
    for (const Known *k = d->known; k; k = k->next)
        if (!strcmp(k->name, name)) return k->lines;
    Known *k = allocate(d->a, 1, sizeof *k);
    *k = (Known){ name, wildcards_lines(d->a, d->wildcards, name), d->known };
    d->known = k;
    return k->lines;
}

static WildcardLines wildcard_lines(DynamicPrompt *d, const char *s, size_t n, Method *method)
{
    const char *parameters;
    const char *name = wildcard_name(d->a, s, n, method, &parameters);
    if (parameters) set_parameters(d, parameters);
    return lines_named(d, name);
}

/* Misses every wildcard of the source without a file, also those in options that are not drawn. */
static void check_wildcards(DynamicPrompt *d, Source s)
{
    size_t in_tag = 0, end = strlen(s.text);
    Method method;
    const char *parameters;
    for (size_t i = 0; i < end; i++) {
        size_t n = wildcard_length(s.text + i, s.text + end);
        if (s.text[i] == '<' && i >= in_tag) in_tag = tag_end(s, i, end);
        if (!n) continue;
        const char *name = wildcard_name(d->a, s.text + i, n, &method, &parameters);
        int is_sure = i >= in_tag && !(i && word_character(s.text[i - 1])) && !word_character(s.text[i + n]);
        if (is_sure && !lines_named(d, name).count)
            miss(d, wildcards_why_none(d->a, d->wildcards, name, copy(d->a, s.text + i, n)));
        i += n - 1;
    }
}

/* -> 1 when it was drawn */
static int read_wildcard(DynamicPrompt *d, const char *s, size_t n, int depth, StringBuilder *out)
{
    Method method;
    WildcardLines lines = wildcard_lines(d, s, n, &method);
    if (!lines.count) return 0;
    draw_options(d, options_of(d, lines), lines.count, (Bound){ 1, 1, "" }, method, depth, out);
    return 1;
}

/* ---- ${variables} ------------------------------------------------------------------------------ */

static const Variable *find_variable(const DynamicPrompt *d, const char *name)
{
    for (const Variable *v = d->variable; v; v = v->next)
        if (!strcmp(v->name, name)) return v;
    return NULL;
}

/* The value in text[from, to), drawn at once or as it stands. */
static const char *value_of(DynamicPrompt *d, Source s, size_t from, size_t to, int is_drawn_now, int depth)
{
    if (!is_drawn_now) return trimmed(d->a, s.text + from, to - from);
    StringBuilder value = string_builder(d->a);
    read_part(d, s, from, to, depth + 1, &value);
    return trimmed(d->a, value.text, value.n);
}

/* The text between "${" and "}" from..to. */
static void read_variable(DynamicPrompt *d, Source s, size_t from, size_t to, int depth, StringBuilder *out)
{
    size_t equals = find_outside(s, from, to, "=");
    size_t colon = find_outside(s, from, to, ":");
    int is_set = equals < to && equals < colon;
    int keeps = is_set && equals > from && s.text[equals - 1] == '?';
    size_t end = is_set ? equals - (size_t)keeps : colon;
    const char *name = trimmed(d->a, s.text + from, end - from);
    const Variable *v = find_variable(d, name);
    if (is_set) {
        int is_drawn_now = equals + 1 < to && s.text[equals + 1] == '!';
        if (v && keeps) return;
        set_variable(d, name, value_of(d, s, equals + 1 + (size_t)is_drawn_now, to, is_drawn_now, depth));
    } else if (v) {
        read_text(d, v->value, depth, out);
    } else if (colon < to) {
        read_part(d, s, colon + 1, to, depth + 1, out);
    } else {
        miss(d, format(d->a, "nothing sets the variable %s", quoted(d->a, name)));
        add(d, out, s.text + from - 2, to - from + 3);
    }
}

/* ---- all of it --------------------------------------------------------------------------------- */

static void read_part(DynamicPrompt *d, Source s, size_t from, size_t to, int depth, StringBuilder *out)
{
    if (depth > DEEPEST)
        fail(d->a, "the prompt's choices, wildcards or variables lie more than %d deep in each other; is there a "
                   "circle?", DEEPEST);
    for (size_t i = from; i < to; ) {
        const char *at = s.text + i;
        size_t close = *at == '{' ? s.partner[i] : 0;
        size_t name = wildcard_length(at, s.text + to);
        if (*at == '\\' && i + 1 < to) {
            int is_brace = at[1] == '{' || at[1] == '}';
            add(d, out, at + is_brace, 2 - (size_t)is_brace);
            i += 2;
        } else if (*at == '$' && at[1] == '{' && i + 1 < to && s.partner[i + 1]) {
            read_variable(d, s, i + 2, s.partner[i + 1], depth, out);
            i = s.partner[i + 1] + 1;
        } else if (close && close < to && read_choice(d, s, i, close, depth, out)) {
            i = close + 1;
        } else if (name && read_wildcard(d, at, name, depth, out)) {
            i += name;
        } else {
            size_t n = name ? name : 1;                 /* a name that is none is not read again from its end */
            add(d, out, at, n);
            i += n;
        }
    }
}

const char *dynamic_prompt_draw(DynamicPrompt *d, const char *text)
{
    if (!strchr(text, '{') && !strstr(text, "__")) return text;
    if (strlen(text) > MOST_BYTES)
        fail(d->a, "the prompt is longer than %d MB, and has braces or \"__\" in it; for plain braces: "
                   "--dynamic-prompts off", MOST_BYTES >> 20);
    StringBuilder out = string_builder(d->a);
    Source s = source_of(d->a, text);
    check_wildcards(d, s);
    read_part(d, s, 0, strlen(text), 0, &out);
    return strcmp(out.text, text) ? out.text : text;
}

/* ---- comments ---------------------------------------------------------------------------------- */

static int begins_comment(const char *text, const char *s)
{
    if (*s != '#') return 0;
    if (s == text || s[-1] == '\n') return 1;
    return blank(s[-1]) && (blank(s[1]) || !s[1]);
}

const char *dynamic_prompt_uncomment(Arena *a, const char *text)
{
    if (!strchr(text, '#')) return text;
    char *out = allocate(a, strlen(text) + 1, 1), *end = out;
    for (const char *s = text; *s; ) {
        if (!begins_comment(text, s)) {
            *end++ = *s++;
            continue;
        }
        int is_whole_line = s == text || s[-1] == '\n';
        s += strcspn(s, "\n");
        if (*s && is_whole_line) s++;
    }
    *end = 0;
    return strlen(out) == strlen(text) ? text : trimmed(a, out, (size_t)(end - out));
}
