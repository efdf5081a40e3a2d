/* axis.c - what one axis of a grid goes through.
 *
 *     axis   = setting ":" value { "," value }         values as Python's csv reads them, a newline as a comma
 *     value  = range | word                            ranges only where the setting takes numbers
 *     range  = number "-" number [ "(" step ")" | "[" count "]" ]
 *
 * That is the web UI's, and so is what a range comes to by its documentation: its end belongs to it where a step falls on it, and it is
 * never passed.  (Its code leaves the end out counting down in whole numbers, and may pass it by a step in others.)  Whole
 * numbers of an even spacing are cut, not rounded.  Each value is tried on a request here, by the table that reads prompt files, so what
 * is wrong with one is known before anything is drawn. */
#include "axis.h"

#include "chars.h"

#include <math.h>
#include <string.h>

static const char replacing[] = "Prompt S/R";

static void add(Arena *a, Axis *x, const char *value)
{
    if (x->count == AXIS_VALUES) fail(a, "%s: more than %d values", x->label, AXIS_VALUES);
    x->value[x->count++] = value;
}

/* ---- ranges ----------------------------------------------------------------------------------- */

typedef struct { double from, to, step, count; } Range;      /* step 0, count NAN: not said */

static const double exact = 9007199254740992;                /* 2^53: whole numbers up to it are exact */

static const char *past_blanks(const char *s)
{
    while (blank(*s)) s++;
    return s;
}

/* [+-]digits[.digits], blanks before and after the sign -> what follows, with its blanks skipped; NULL when there is none */
static const char *number(Arena *a, const char *s, int whole, double *x)
{
    s = past_blanks(s);
    const char *sign = *s == '-' ? "-" : "", *from = past_blanks(s + (*s == '-' || *s == '+'));
    const char *end = from;
    while (digit(*end) || (*end == '.' && !whole)) end++;
    return read_number(format(a, "%s%.*s", sign, (int)(end - from), from), x) && fabs(*x) <= exact ? past_blanks(end) : NULL;
}

/* is all of s a range? */
static int range_in(Arena *a, const char *s, int whole, Range *r)
{
    *r = (Range){ 0, 0, 0, NAN };
    if (!(s = number(a, s, whole, &r->from)) || *s++ != '-' || !(s = number(a, s, whole, &r->to))) return 0;
    if (*s == '(') return (s = number(a, s + 1, whole, &r->step)) && *s == ')' && !*past_blanks(s + 1);
    if (*s == '[') return (s = number(a, s + 1, 1, &r->count)) && *s == ']' && !*past_blanks(s + 1);
    r->step = 1;
    return !*s;
}

/* without what additions have left behind the eighth place, where the web UI's labels end too */
static const char *value_text(Arena *a, double x, int whole) { return number_text(a, whole ? trunc(x) : round(x * 1e8) / 1e8); }

static void add_range(Arena *a, Axis *x, const char *value, Range r, int whole)
{
    double count = isnan(r.count) ? floor((r.to - r.from) / r.step + 1e-9) + 1 : r.count;
    double step = isnan(r.count) ? r.step : count > 1 ? (r.to - r.from) / (count - 1) : 0;
    if (!(count >= 1)) fail(a, "%s: %s: %s holds no value; ranges are like 1-5, 1-5 (+2), 10-5 (-3) or 1-10 [5]", x->label, x->key, quoted(a, value));
    if (count > AXIS_VALUES) fail(a, "%s: %s: %s comes to more than %d values", x->label, x->key, quoted(a, value), AXIS_VALUES);
    for (int i = 0; i < (int)count; i++) add(a, x, value_text(a, i && i + 1 == r.count ? r.to : r.from + i * step, whole));
}

/* ---- the list --------------------------------------------------------------------------------- */

/* the next value of a list, in quotes or not -> what follows its comma, NULL after the last.  out: as long as the list */
static const char *next_value(Arena *a, const char *s, char *out, const char **value)
{
    char *end = out;
    s = past_blanks(s);
    if (*s == '"') for (s++; *s && !(*s == '"' && *++s != '"'); ) *end++ = *s++;
    while (*s && *s != ',' && *s != '\n') *end++ = *s++;
    *value = trimmed(a, out, (size_t)(end - out));
    return *s ? s + 1 : NULL;
}

static void add_values(Arena *a, Axis *x, const char *list, Takes takes)
{
    char *scratch = take(a, strlen(list) + 1, 1);
    const char *value;
    Range r;
    while (list) {
        list = next_value(a, list, scratch, &value);
        if (takes != WORDS && range_in(a, value, takes == WHOLE, &r)) add_range(a, x, value, r, takes == WHOLE);
        else if (*value || !x->key) add(a, x, value);
    }
}

/* ---- the setting ------------------------------------------------------------------------------ */

static _Noreturn void unknown_setting(Arena *a, const char *label, const char *name)
{
    Nearest near = nearest_to(name);
    for (const Setting *s = all_settings; s->flag; s++) if (!setting_is_axis(s)) nearest_of(&near, s->key ? s->key : s->flag);
    fail(a, "%s: %s is no setting%s; expected a key of prompt files like Steps or CFG scale, %s, or LoRA NAME", label, quoted(a, name), did_you_mean(a, near), replacing);
}

static Takes find_setting(Arena *a, Axis *x, const char *name)
{
    static const char *const common[] = { "Frames", "FPS", "Max size", "threads" };
    if (same(name, replacing)) return WORDS;
    x->lora = begins(name, "LoRA ") ? trimmed(a, name + 5, strlen(name + 5)) : NULL;
    const Setting *s = setting_named(x->lora ? "LoRA" : name);
    if (!s || setting_is_axis(s)) unknown_setting(a, x->label, name);
    x->key = s->key ? s->key : s->flag;
    for (size_t i = 0; i < sizeof common / sizeof *common; i++)
        if (same(x->key, common[i])) fail(a, "%s: %s is one for all pictures of a grid, which play in step", x->label, x->key);
    return x->lora ? NUMBER : setting_takes(s);
}

/* the web UI says which setting it is, except for words of the prompt */
static const char *said(Arena *a, const Axis *x, const char *value)
{
    if (!x->key) return *value ? value : "(nothing)";
    if (same(x->key, "prompt") || same(x->key, "negative")) return value;
    return format(a, "%s%s%s: %s", x->key, x->lora ? " " : "", x->lora ? x->lora : "", value);
}

static void check_values(Arena *a, const Axis *x, const char *text)
{
    if (!x->count || (!x->key && !*x->value[0])) fail(a, "%s is %s, expected values behind the colon", x->label, quoted(a, text));
    for (int i = 0; i < x->count && x->key; i++) {
        size_t before = mark(a);
        Request *scratch = take(a, 1, sizeof *scratch);
        *scratch = (Request){ 0 };
        if (same(x->key, "Seed") && same(x->value[i], "-1")) fail(a, "%s: Seed: -1 would be another seed each time; name them, as in Seed: 1-4", x->label);
        axis_set(a, x, i, scratch);
        release(a, before);
    }
}

Axis axis_read(Arena *a, Name text)
{
    const char *colon = text.text ? strchr(text.text, ':') : NULL;
    Axis x = { .label = text.label, .value = take(a, AXIS_VALUES, sizeof *x.value), .said = take(a, AXIS_VALUES, sizeof *x.said) };
    if (!colon) fail(a, "%s is %s, expected SETTING: VALUE, VALUE, ... like \"CFG scale: 3, 7, 11\"", text.label, quoted(a, text.text));
    Takes takes = find_setting(a, &x, trimmed(a, text.text, (size_t)(colon - text.text)));
    add_values(a, &x, colon + 1, takes);
    check_values(a, &x, text.text);
    for (int i = 0; i < x.count; i++) x.said[i] = said(a, &x, x.value[i]);
    return x;
}

/* ---- into a request --------------------------------------------------------------------------- */

/* text with every `from` as `to`; NULL when there is none */
static const char *replaced(Arena *a, const char *text, const char *from, const char *to)
{
    size_t found = 0, old = strlen(from), new = strlen(to);
    const char *s = text;
    for (; s && (s = strstr(s, from)); s += old) found++;
    if (!found) return NULL;
    char *out = take(a, strlen(text) + 1 + (new > old ? found * (new - old) : 0), 1), *end = out;
    for (; (s = strstr(text, from)); text = s + old) {
        memcpy(end, text, (size_t)(s - text)), end += s - text;
        memcpy(end, to, new), end += new;
    }
    strcpy(end, text);
    return out;
}

static void search_and_replace(Arena *a, const Axis *x, int i, Request *r)
{
    const char *prompt = replaced(a, r->prompt, x->value[0], x->value[i]), *negative = replaced(a, r->job.negative, x->value[0], x->value[i]);
    if (!prompt && !negative) fail(a, "%s: %s looks for %s, and it stands neither in the prompt nor in the negative prompt", x->label, replacing, quoted(a, x->value[0]));
    if (prompt)   prompt_set_as(a, r, "prompt", x->label, prompt);
    if (negative) prompt_set_as(a, r, "negative", x->label, negative);
}

void axis_set(Arena *a, const Axis *x, int i, Request *r)
{
    if (!x->key) search_and_replace(a, x, i, r);
    else prompt_set_as(a, r, x->key, format(a, "%s: %s", x->label, x->key), x->lora ? format(a, "%s:%s", x->lora, x->value[i]) : x->value[i]);
}
