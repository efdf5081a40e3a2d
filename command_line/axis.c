/* axis.c - one axis of the X/Y/Z plot.
 *
 *     axis   = setting ":" value { "," value }         values as Python's csv reads them, with a newline as a comma
 *     value  = range | word                            ranges only where the setting takes numbers
 *     range  = number "-" number [ "(" step ")" | "[" count "]" ]
 *
 * Source: the web UI's X/Y/Z plot.  A range comes to what its documentation says: the end belongs to it where a step
 * falls on it, and is never passed.  (Its code leaves the end out when it counts down in whole numbers, and may pass
 * it by a step in others.)  Evenly spaced whole numbers are cut, not rounded.
 *
 * Each value is tried on an empty request, by the table that reads prompt files.  So a wrong one is known before
 * anything is drawn. */
#include "axis.h"

#include "chars.h"

#include <math.h>
#include <string.h>

static const char PROMPT_S_R[] = "Prompt S/R";           /* search and replace */

static void add(Arena *a, Axis *x, const char *value)
{
    if (x->count == AXIS_VALUES) fail(a, "%s: more than %d values", x->label, AXIS_VALUES);
    x->value[x->count++] = value;
}

/* ---- ranges ------------------------------------------------------------------------------------ */

typedef struct { double from, to, step, count; } Range;  /* count NAN: a step is given instead */

static const double MOST_EXACT = 9007199254740992;       /* 2^53: whole numbers up to it are exact in double */

static const char *skip_blanks(const char *s)
{
    while (blank(*s)) s++;
    return s;
}

/* Reads [+-]digits[.digits], with blanks around the sign.  Returns what follows the number and its blanks, or NULL when
 * there is no number. */
static const char *read_signed(Arena *a, const char *s, int is_whole, double *x)
{
    s = skip_blanks(s);
    const char *sign = *s == '-' ? "-" : "";
    if (*s == '-' || *s == '+') s++;
    const char *digits = skip_blanks(s);
    const char *end = digits;
    while (digit(*end) || (*end == '.' && !is_whole)) end++;
    if (!read_number(format(a, "%s%.*s", sign, (int)(end - digits), digits), x)) return NULL;
    if (fabs(*x) > MOST_EXACT) return NULL;
    return skip_blanks(end);
}

/* Is s the closing bracket and nothing else?  s: what follows a number; NULL: there was none */
static int closes(const char *s, char close)
{
    return s && *s == close && !*skip_blanks(s + 1);
}

/* Is all of s a range? */
static int read_range(Arena *a, const char *s, int is_whole, Range *r)
{
    *r = (Range){ .count = NAN };
    s = read_signed(a, s, is_whole, &r->from);
    if (!s || *s != '-') return 0;
    s = read_signed(a, s + 1, is_whole, &r->to);
    if (!s) return 0;
    if (*s == '(') return closes(read_signed(a, s + 1, is_whole, &r->step), ')');
    if (*s == '[') return closes(read_signed(a, s + 1, 1, &r->count), ']');
    r->step = 1;
    return !*s;
}

/* The number as text, rounded to the eighth place: additions leave small errors behind it, and the web UI's labels end
 * there too. */
static const char *value_text(Arena *a, double x, int is_whole)
{
    return number_text(a, is_whole ? trunc(x) : round(x * 1e8) / 1e8);
}

/* Writes the missing one of step and count. */
static void complete_range(Range *r)
{
    int has_count = !isnan(r->count);
    if (!has_count) {
        r->count = floor((r->to - r->from) / r->step + 1e-9) + 1;        /* not less by a rounding error */
        return;
    }
    r->step = 0;
    if (r->count > 1) r->step = (r->to - r->from) / (r->count - 1);
}

static void add_range(Arena *a, Axis *x, const char *value, Range r, int is_whole)
{
    int has_count = !isnan(r.count);
    complete_range(&r);
    if (!(r.count >= 1))                         /* NAN fails too: a step of 0 */
        fail(a, "%s: %s: %s holds no value; ranges are like 1-5, 1-5 (+2), 10-5 (-3) or 1-10 [5]", x->label, x->key,
             quoted(a, value));
    if (r.count > AXIS_VALUES)
        fail(a, "%s: %s: %s comes to more than %d values", x->label, x->key, quoted(a, value), AXIS_VALUES);
    for (int i = 0; i < (int)r.count; i++) {
        int is_last = has_count && i > 0 && i + 1 == r.count;            /* exactly the end, not from + step * i */
        add(a, x, value_text(a, is_last ? r.to : r.from + i * r.step, is_whole));
    }
}

/* ---- the list of values ------------------------------------------------------------------------ */

/* Copies what stands between quotes, where "" is a quote, and returns what follows the closing one.  s: what follows
 * the opening one */
static const char *copy_quoted(const char *s, char **out)
{
    while (*s) {
        if (*s == '"') {
            s++;
            if (*s != '"') break;
        }
        *(*out)++ = *s++;
    }
    return s;
}

/* Reads the next value of a list, in quotes or not.  Returns what follows its comma; NULL after the last one.
 * scratch: as long as the list */
static const char *next_value(Arena *a, const char *s, char *scratch, const char **value)
{
    char *end = scratch;
    s = skip_blanks(s);
    if (*s == '"') s = copy_quoted(s + 1, &end);
    while (*s && *s != ',' && *s != '\n') *end++ = *s++;
    *value = trimmed(a, scratch, (size_t)(end - scratch));
    return *s ? s + 1 : NULL;
}

static void add_values(Arena *a, Axis *x, const char *list, ValueType takes)
{
    char *scratch = allocate(a, strlen(list) + 1, 1);
    int is_whole = takes == WHOLE;
    while (list) {
        const char *value;
        Range r;
        list = next_value(a, list, scratch, &value);
        if (takes != WORDS && read_range(a, value, is_whole, &r)) add_range(a, x, value, r, is_whole);
        else if (*value || !x->key) add(a, x, value);
    }
}

/* ---- the setting ------------------------------------------------------------------------------- */

static _Noreturn void unknown_setting(Arena *a, const char *label, const char *name)
{
    Nearest near = nearest_to(name);
    for (const Setting *s = all_settings; s->flag; s++)
        if (!setting_is_axis(s)) nearest_consider(&near, s->key ? s->key : s->flag);
    fail(a, "%s: %s is no setting%s; expected a key of prompt files like Steps or CFG scale, %s, or LoRA NAME", label,
         quoted(a, name), did_you_mean(a, near), PROMPT_S_R);
}

/* Fails for what all pictures of a grid share. */
static void refuse_common(Arena *a, const Axis *x)
{
    static const char *const common[] = { "Frames", "FPS", "Max size", "threads" };
    for (size_t i = 0; i < sizeof common / sizeof *common; i++)
        if (same(x->key, common[i]))
            fail(a, "%s: %s is one for all pictures of a grid, which play in step", x->label, x->key);
    if (same(x->key, "Batch count"))
        fail(a, "%s: a cell of a grid is one picture; for several give it an axis, as --z \"Seed: 1-4\"", x->label);
}

/* Finds the setting of that name, sets key and lora, and returns what kind of values it takes. */
static ValueType find_setting(Arena *a, Axis *x, const char *name)
{
    if (same(name, PROMPT_S_R)) return WORDS;
    if (begins(name, "LoRA ")) x->lora = trimmed(a, name + 5, strlen(name + 5));
    const Setting *s = setting_named(x->lora ? "LoRA" : name);
    if (!s || setting_is_axis(s)) unknown_setting(a, x->label, name);
    x->key = s->key ? s->key : s->flag;
    refuse_common(a, x);
    return x->lora ? NUMBER : setting_value_type(s);
}

/* How the grid shows a value: "CFG scale: 7".  Words of a prompt stand alone, as in the web UI. */
static const char *shown(Arena *a, const Axis *x, const char *value)
{
    if (!x->key) return *value ? value : "(nothing)";
    if (same(x->key, "prompt") || same(x->key, "negative")) return value;
    if (x->lora) return format(a, "%s %s: %s", x->key, x->lora, value);
    return format(a, "%s: %s", x->key, value);
}

typedef struct { Arena *a; const Axis *axis; int at; } ValueTrial;

/* Tries a value on an empty request. */
static void try_value(void *trial)
{
    ValueTrial *t = trial;
    Arena *a = t->a;
    const Axis *x = t->axis;
    size_t before = mark(a);
    Request *scratch = allocate(a, 1, sizeof *scratch);
    *scratch = (Request){ 0 };
    if (same(x->key, "Seed") && same(x->value[t->at], "-1"))
        fail(a, "%s: Seed: -1 would be another seed each time; name them, as in Seed: 1-4", x->label);
    axis_set(a, x, t->at, scratch);
    release(a, before);
}

/* Fails with all values that are wrong. */
static void check_values(Arena *a, const Axis *x, const char *text)
{
    Faults faults = { 0 };
    int searches_nothing = x->count && !x->key && !*x->value[0];
    if (!x->count || searches_nothing) fail(a, "%s is %s, expected values behind the colon", x->label, quoted(a, text));
    for (int i = 0; i < x->count && x->key; i++) {
        ValueTrial t = { a, x, i };
        faults_try(a, &faults, try_value, &t);
    }
    faults_fail(a, &faults);
}

Axis axis_read(Arena *a, Name text)
{
    const char *colon = text.text ? strchr(text.text, ':') : NULL;
    if (!colon)
        fail(a, "%s is %s, expected SETTING: VALUE, VALUE, ... like \"CFG scale: 3, 7, 11\"", text.label,
             quoted(a, text.text));
    Axis x = { .label = text.label };
    x.value = allocate(a, AXIS_VALUES, sizeof *x.value);
    x.said = allocate(a, AXIS_VALUES, sizeof *x.said);
    ValueType takes = find_setting(a, &x, trimmed(a, text.text, (size_t)(colon - text.text)));
    add_values(a, &x, colon + 1, takes);
    check_values(a, &x, text.text);
    for (int i = 0; i < x.count; i++) x.said[i] = shown(a, &x, x.value[i]);
    return x;
}

/* ---- a value into a request -------------------------------------------------------------------- */

/* How often does it stand in the text?  Those that overlap count once. */
static size_t occurrences(const char *text, const char *what)
{
    size_t n = 0;
    for (const char *s = strstr(text, what); s; s = strstr(s + strlen(what), what)) n++;
    return n;
}

/* Returns the text with every `from` as `to`; NULL when `from` does not stand in it.  text may be NULL. */
static const char *replaced(Arena *a, const char *text, const char *from, const char *to)
{
    size_t found = text ? occurrences(text, from) : 0;
    size_t old = strlen(from);
    size_t new = strlen(to);
    if (!found) return NULL;
    size_t longer = new > old ? found * (new - old) : 0;
    char *out = allocate(a, strlen(text) + 1 + longer, 1);
    char *end = out;
    for (const char *s = strstr(text, from); s; s = strstr(text, from)) {
        size_t before = (size_t)(s - text);
        memcpy(end, text, before);
        memcpy(end + before, to, new);
        end += before + new;
        text = s + old;
    }
    strcpy(end, text);
    return out;
}

/* The first value stands in the prompts; value i takes its place. */
static void search_and_replace(Arena *a, const Axis *x, int i, Request *r)
{
    const char *prompt = replaced(a, r->prompt, x->value[0], x->value[i]);
    const char *negative = replaced(a, r->job.negative, x->value[0], x->value[i]);
    if (!prompt && !negative)
        fail(a, "%s: %s looks for %s, and it stands neither in the prompt nor in the negative prompt", x->label,
             PROMPT_S_R, quoted(a, x->value[0]));
    if (prompt)   prompt_set_as(a, r, "prompt", x->label, prompt);
    if (negative) prompt_set_as(a, r, "negative", x->label, negative);
}

void axis_set(Arena *a, const Axis *x, int i, Request *r)
{
    if (!x->key) {
        search_and_replace(a, x, i, r);
        return;
    }
    const char *value = x->value[i];
    if (x->lora) value = format(a, "%s:%s", x->lora, value);
    prompt_set_as(a, r, x->key, format(a, "%s: %s", x->label, x->key), value);
}
