/* optimizer_args.c - hyperparameters of the optimizers, as kohya's trainer takes them:
 *
 *     --optimizer_args "weight_decay=0.1" "betas=0.9,0.99" "decouple=True"
 *
 * One table says which names there are, which optimizers have them, and what they may be.  kohya reads the values as
 * Python, so True, None, (0.9, 0.99) and quotes are understood.  Some arguments only say how a package computes the
 * same; they are in a list of their own. */
#include "optimizer_args.h"

#include "chars.h"

#include <math.h>
#include <string.h>

const char *const optimizer_names[] = {
    [OPTIMIZER_ADAMW]       = "AdamW",
    [OPTIMIZER_ADAMW_8BIT]  = "AdamW8bit",
    [OPTIMIZER_LION]        = "Lion",
    [OPTIMIZER_ADAFACTOR]   = "Adafactor",
    [OPTIMIZER_PRODIGY]     = "Prodigy",
    [OPTIMIZER_DADAPT_ADAM] = "DAdaptAdam",
    [OPTIMIZER_DADAPT_LION] = "DAdaptLion",
    [OPTIMIZERS]            = NULL,
};

/* Other names in kohya's --optimizer_type.  "Paged" only says where the state lies. */
static const struct { const char *name; OptimizerType instead; const char *note; } other_names[] = {
    { "PagedAdamW",         OPTIMIZER_ADAMW,       NULL },
    { "PagedAdamW32bit",    OPTIMIZER_ADAMW,       NULL },
    { "torch.optim.AdamW",  OPTIMIZER_ADAMW,       NULL },
    { "PagedAdamW8bit",     OPTIMIZER_ADAMW_8BIT,  NULL },
    { "Lion8bit",           OPTIMIZER_LION,        "Lion8bit is Lion here, with its state in 32 bits" },
    { "PagedLion8bit",      OPTIMIZER_LION,        "PagedLion8bit is Lion here, with its state in 32 bits" },
    { "DAdaptation",        OPTIMIZER_DADAPT_ADAM, "DAdaptation, kohya's older rule, is DAdaptAdam here" },
    { "DAdaptAdamPreprint", OPTIMIZER_DADAPT_ADAM, "DAdaptAdamPreprint, kohya's older rule, is DAdaptAdam here" },
};

OptimizerType optimizer_instead(const char *name, const char **note)
{
    for (size_t i = 0; i < sizeof other_names / sizeof *other_names; i++)
        if (same(other_names[i].name, name)) {
            *note = other_names[i].note;
            return other_names[i].instead;
        }
    return OPTIMIZERS;
}

/* ---- defaults ---------------------------------------------------------------------------------- */

OptimizerArgs optimizer_args_default(OptimizerType type)
{
    OptimizerArgs usual = { .beta1 = 0.9, .beta2 = 0.999, .eps = 1e-8, .d0 = 1e-6, .d_coef = 1,
                            .growth_rate = HUGE_VAL };
    OptimizerArgs args = usual;
    switch (type) {
    case OPTIMIZER_ADAMW:
    case OPTIMIZER_ADAMW_8BIT:
        args.weight_decay = 0.01;
        break;
    case OPTIMIZER_LION:
    case OPTIMIZER_DADAPT_LION:
        args.beta2 = 0.99;
        break;
    case OPTIMIZER_ADAFACTOR:
        args = (OptimizerArgs){ .eps = 1e-30, .eps2 = 1e-3, .clip_threshold = 1, .decay_rate = -0.8,
                                .scale_parameter = 1, .relative_step = 1 };
        break;
    case OPTIMIZER_PRODIGY:
        args.decouple = 1;
        break;
    default:
        break;
    }
    return args;
}

int finds_own_rate(OptimizerType type)
{
    return type == OPTIMIZER_PRODIGY || type == OPTIMIZER_DADAPT_ADAM || type == OPTIMIZER_DADAPT_LION;
}

/* ---- the table --------------------------------------------------------------------------------- */

enum {
    ADAMW = 1 << OPTIMIZER_ADAMW | 1 << OPTIMIZER_ADAMW_8BIT,
    LION = 1 << OPTIMIZER_LION,
    ADAFACTOR = 1 << OPTIMIZER_ADAFACTOR,
    PRODIGY = 1 << OPTIMIZER_PRODIGY,
    DADAPT_ADAM = 1 << OPTIMIZER_DADAPT_ADAM,
    DADAPT_LION = 1 << OPTIMIZER_DADAPT_LION,
    D_ADAPTING = PRODIGY | DADAPT_ADAM | DADAPT_LION
};

typedef enum { ONE_NUMBER, TWO_NUMBERS, TRUE_OR_FALSE } ArgumentKind;

typedef struct {
    const char  *name;
    ArgumentKind kind;
    size_t       at, second;             /* of the field, and of the second number's */
    double       least, most;
    int          of;                     /* the optimizers that have it */
} Argument;

#define ARG(field) .name = #field, .at = offsetof(OptimizerArgs, field)

static const Argument arguments[] = {
    { ARG(weight_decay), .most = 1e3, .of = ADAMW | LION | ADAFACTOR | D_ADAPTING },
    { .name = "betas", .kind = TWO_NUMBERS, .at = offsetof(OptimizerArgs, beta1),
      .second = offsetof(OptimizerArgs, beta2), .most = 0.9999999, .of = ADAMW | LION | D_ADAPTING },
    { ARG(beta1), .most = 0.9999999, .of = ADAFACTOR },
    { ARG(beta3), .most = 0.9999999, .of = PRODIGY },
    { ARG(eps), .most = 1, .of = ADAMW | PRODIGY | DADAPT_ADAM },
    { .name = "eps", .kind = TWO_NUMBERS, .at = offsetof(OptimizerArgs, eps), .second = offsetof(OptimizerArgs, eps2),
      .most = 1, .of = ADAFACTOR },
    { ARG(d0), .least = 1e-30, .most = 1e3, .of = D_ADAPTING },
    { ARG(d_coef), .least = 1e-6, .most = 1e6, .of = PRODIGY },
    { ARG(growth_rate), .least = 1, .most = HUGE_VAL, .of = PRODIGY | DADAPT_ADAM },
    { ARG(decouple), .kind = TRUE_OR_FALSE, .of = PRODIGY | DADAPT_ADAM },
    { ARG(use_bias_correction), .kind = TRUE_OR_FALSE, .of = PRODIGY | DADAPT_ADAM },
    { ARG(safeguard_warmup), .kind = TRUE_OR_FALSE, .of = PRODIGY },
    { ARG(clip_threshold), .least = 1e-6, .most = 1e6, .of = ADAFACTOR },
    { ARG(decay_rate), .least = -10, .most = -1e-6, .of = ADAFACTOR },
    { ARG(scale_parameter), .kind = TRUE_OR_FALSE, .of = ADAFACTOR },
    { ARG(relative_step), .kind = TRUE_OR_FALSE, .of = ADAFACTOR },
    { ARG(warmup_init), .kind = TRUE_OR_FALSE, .of = ADAFACTOR },
    { ARG(decoupled_weight_decay), .kind = TRUE_OR_FALSE, .of = LION },
};
enum { ARGUMENTS = sizeof arguments / sizeof *arguments };

/* How a package computes, not what: where the state lies, and how often the log is written. */
static const char *const without_effect[] = {
    "foreach", "fused", "capturable", "differentiable", "log_every", "fsdp_in_use", "use_triton", "is_paged",
    "block_wise", "optim_bits", "min_8bit_size", "slice_p", NULL
};

/* Arguments that change what is computed when they are not False; nothing here does what they ask for. */
static const char *const only_false[] = { "amsgrad", "maximize", NULL };

static const Argument *argument_named(OptimizerType type, const char *name)
{
    for (size_t i = 0; i < ARGUMENTS; i++)
        if (same(arguments[i].name, name) && (arguments[i].of >> type & 1)) return &arguments[i];
    return NULL;
}

/* "weight_decay, betas and eps" of this optimizer */
static const char *arguments_of(Arena *a, OptimizerType type)
{
    const char *list[ARGUMENTS + 1];
    size_t n = 0;
    for (size_t i = 0; i < ARGUMENTS; i++)
        if (arguments[i].of >> type & 1) list[n++] = arguments[i].name;
    list[n] = NULL;
    return one_of(a, list);
}

/* ---- reading ----------------------------------------------------------------------------------- */

/* All that is wrong, in one message. */
typedef struct { Arena *a; StringBuilder wrong; } Reader;

static void complain(Reader *r, const char *text)
{
    if (r->wrong.n) string_builder_add(&r->wrong, "; ");
    string_builder_add(&r->wrong, text);
}

/* Without the quotes or brackets around it. */
static char *unwrapped(Arena *a, const char *text, size_t n)
{
    char *s = trimmed(a, text, n);
    size_t length = strlen(s);
    static const char open[] = "\"'([";
    static const char close[] = "\"')]";
    const char *at = length > 1 ? strchr(open, s[0]) : NULL;
    if (!at || s[length - 1] != close[at - open]) return s;
    return unwrapped(a, s + 1, length - 2);
}

static int number_in(const Argument *g, const char *text, double *x)
{
    if (same(text, "inf") || same(text, "float('inf')") || same(text, "math.inf")) *x = HUGE_VAL;
    else {
        size_t n = number_at(text, x);
        if (!n || text[n]) return 0;
    }
    return *x >= g->least && *x <= g->most;
}

static const char *bound_text(Arena *a, double x)
{
    static const double SMALLEST_DECIMAL = 1e-9;
    if (isinf(x) || (x > 0 && x < SMALLEST_DECIMAL)) return format(a, "%g", x);
    return number_text(a, x);
}

static const char *expected_of(Arena *a, const Argument *g)
{
    if (g->kind == TRUE_OR_FALSE) return "True or False";
    const char *how_many = g->kind == TWO_NUMBERS ? "two numbers" : "a number";
    return format(a, "%s from %s to %s", how_many, bound_text(a, g->least), bound_text(a, g->most));
}

/* Returns 0 when the value is none. */
static int set_argument(Arena *a, OptimizerArgs *args, const Argument *g, const char *value)
{
    double first, second;
    size_t count;
    char *base = (char *)args;
    if (g->kind == TRUE_OR_FALSE) {
        int is_true = same(value, "True") || !strcmp(value, "1");
        int is_false = same(value, "False") || !strcmp(value, "0");
        if (is_true || is_false) *(int *)(base + g->at) = is_true;
        return is_true || is_false;
    }
    if (g->kind == ONE_NUMBER) {
        if (!number_in(g, value, &first)) return 0;
        *(double *)(base + g->at) = first;
        return 1;
    }
    char **part = comma_parts(a, value, &count);
    if (count != 2 || !number_in(g, part[0], &first) || !number_in(g, part[1], &second)) return 0;
    *(double *)(base + g->at) = first;
    *(double *)(base + g->second) = second;
    return 1;
}

static void read_one(Reader *r, OptimizerArgs *args, OptimizerType type, const char *text, size_t n)
{
    const char *pair = unwrapped(r->a, text, n);
    const char *equals = strchr(pair, '=');
    if (!equals) {
        complain(r, format(r->a, "%s is no name=value", quoted(r->a, pair)));
        return;
    }
    const char *name = trimmed(r->a, pair, (size_t)(equals - pair));
    const char *value = unwrapped(r->a, equals + 1, strlen(equals + 1));
    const Argument *g = argument_named(type, name);
    if (is_one_of(without_effect, name)) return;
    if (g && same(value, "None")) return;
    if (is_one_of(only_false, name) && same(value, "False")) return;
    if (!g)
        complain(r, format(r->a, "%s has no %s, expected %s", optimizer_names[type], quoted(r->a, name),
                           arguments_of(r->a, type)));
    else if (!set_argument(r->a, args, g, value))
        complain(r, format(r->a, "%s is %s, expected %s", g->name, quoted(r->a, value), expected_of(r->a, g)));
}

/* The length of the argument that text begins with: up to a blank that is in neither brackets nor quotes. */
static size_t argument_length(const char *text)
{
    int depth = 0;
    char quote = 0;
    size_t n = 0;
    for (; text[n]; n++) {
        char c = text[n];
        if (quote) {
            if (c == quote) quote = 0;
            continue;
        }
        if (c == '"' || c == '\'') quote = c;
        else if (c == '(' || c == '[') depth++;
        else if (c == ')' || c == ']') depth--;
        else if (blank((unsigned char)c) && depth <= 0) break;
    }
    return n;
}

void optimizer_args_read(Arena *a, OptimizerArgs *args, OptimizerType type, const char *text)
{
    Reader r = { .a = a, .wrong = string_builder(a) };
    while (text && *text) {
        size_t n = argument_length(text);
        if (n) read_one(&r, args, type, text, n);
        text += n;
        if (*text) text++;
    }
    if (args->warmup_init) args->relative_step = 1;      /* as kohya has it */
    if (r.wrong.n) fail(a, "--optimizer_args: %s", r.wrong.text);
}
