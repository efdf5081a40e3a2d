/* grammar.c - the prompt language of the web UI.
 *
 * Prompt editing.  The web UI reads it with a context-free grammar and an Earley parser, which finds every edit that
 * the text can be read as.  Here one pass with a stack finds the same: a bracket is a group when its content is
 * made of groups and plain text.  A bracket that fails (no partner, the wrong partner, colons that mean nothing)
 * turns itself and all brackets still open around it into plain characters.  A bar outside of an alternation, or a
 * backslash before a line's end, cannot be read by that grammar at all, and then the whole prompt has no edits.
 *
 * Emphasis is a second reading, of the text that editing leaves, by other rules: round and square brackets need not
 * nest in each other, and those left open reach to the end.  Weights are multiplied in double, in the order in
 * which the brackets close.  So they equal the web UI's to the last bit, and the same stretches come out with equal
 * weights.
 *
 * Nothing recurses, and everything but emphasis takes linear time.  The cost of emphasis is bounded, see grammar.h. */
#include "grammar.h"

#include "chars.h"

#include <math.h>
#include <string.h>

/* ---- characters, as Python's regular expressions see them ------------------------------------- */

static int is_space(uint32_t c)     /* \s */
{
    return unicode_is(unicode_spaces, c) || (c >= 0x1c && c <= 0x1f);
}

static int is_word(uint32_t c)      /* \w */
{
    return c == '_' || unicode_is(unicode_letters, c) || unicode_is(unicode_numbers, c);
}

/* The character at s -> its size in bytes; 0 bytes and character 0 at the end. */
static size_t char_after(const char *s, const char *end, uint32_t *c)
{
    *c = 0;
    return s < end ? utf8_decode((const unsigned char *)s, (size_t)(end - s), c) : 0;
}

/* The character that ends before s -> its size in bytes; 0 bytes and character 0 at the start. */
static size_t char_before(const char *start, const char *s, uint32_t *c)
{
    size_t n = 0, most = (size_t)(s - start);
    *c = 0;
    if (!most) return 0;
    do {
        n++;
    } while (n < most && n < 4 && (s[-(long)n] & 0xc0) == 0x80);
    if (utf8_decode((const unsigned char *)s - n, n, c) == n) return n;
    *c = 0xFFFD;
    return 1;
}

static const char *skip_space(const char *s, const char *end)
{
    uint32_t c;
    size_t n = char_after(s, end, &c);
    while (n && is_space(c)) {
        s += n;
        n = char_after(s, end, &c);
    }
    return s;
}

static const char *trim_space(const char *start, const char *end)
{
    uint32_t c;
    size_t n = char_before(start, end, &c);
    while (n && is_space(c)) {
        end -= n;
        n = char_before(start, end, &c);
    }
    return end;
}

/* The first place of `what` from s on, or end. */
static const char *find(const char *s, const char *end, const char *what)
{
    size_t n = strlen(what);
    while ((size_t)(end - s) >= n) {
        s = memchr(s, *what, (size_t)(end - s) - n + 1);
        if (!s) return end;
        if (!memcmp(s, what, n)) return s;
        s++;
    }
    return end;
}

/* The first place of r"\bwhat\b", or end. */
static const char *find_word(const char *s, const char *end, const char *what)
{
    uint32_t left, right;
    for (const char *at = find(s, end, what); at < end; at = find(at + 1, end, what)) {
        char_before(s, at, &left);
        char_after(at + strlen(what), end, &right);
        if (!is_word(left) && !is_word(right)) return at;
    }
    return end;
}

/* Are these n characters [+-]digits[.digits]? */
static int read_decimal(const char *s, size_t n, double *value)
{
    char text[64];
    if (n >= sizeof text) return 0;
    memcpy(text, s, n);
    text[n] = 0;
    return read_number(text, value);
}

/* ---- AND: composable diffusion ---------------------------------------------------------------- */

/* text, ":" and a number, with white space anywhere between -> the text before the colon, and the number */
static WeightedText weighted(Arena *a, const char *s, const char *end)
{
    const char *stop = trim_space(s, end), *number = stop;
    double weight;
    while (number > s && (digit(number[-1]) || number[-1] == '.')) number--;
    if (number > s && number < stop && (number[-1] == '+' || number[-1] == '-')) number--;
    const char *colon = trim_space(s, number);
    if (colon == s || colon[-1] != ':' || !read_decimal(number, (size_t)(stop - number), &weight))
        return (WeightedText){ copy(a, s, (size_t)(stop - s)), 1 };
    stop = trim_space(s, colon - 1);
    return (WeightedText){ copy(a, s, (size_t)(stop - s)), weight };
}

WeightedTexts grammar_split_and(Arena *a, const char *text)
{
    static const char word[] = "AND";
    const size_t size = strlen(word);
    const char *end = text + strlen(text);
    size_t count = 1;
    for (const char *s = find_word(text, end, word); s < end; s = find_word(s + size, end, word)) count++;
    WeightedTexts p = { allocate(a, count, sizeof *p.at), 0 };
    const char *s = text;
    while (p.count < count) {
        const char *next = find_word(s, end, word);
        p.at[p.count++] = weighted(a, s, next);
        s = next + size;
    }
    return p;
}

/* ---- editing: reading ------------------------------------------------------------------------- */

enum { PASSES = 2 };
static const char mark_characters[] = "()[]|:";

/* What a character of those means: PLAIN is text, the others belong to an edit or an alternation and are not shown. */
typedef enum { PLAIN, OPEN, SEPARATOR, CLOSE } MarkKind;

typedef struct {
    size_t   at;                        /* place in the text */
    MarkKind kind;
    int      bars, colons;              /* of OPEN only: the separators of its bracket */
    int      when[PASSES];              /* of OPEN only: in each pass, the last step before the change */
} Mark;

struct PromptEdits {
    const char *text;
    Mark       *mark;                   /* in the order of the text */
    size_t      marks;
    size_t      opens;                  /* marks that are OPEN; 0: nothing changes */
};

/* An open bracket.  mark and colon are indexes of marks; colon has the first two of them. */
typedef struct { size_t mark, colon[2]; int bars, colons; } Group;

typedef struct {
    PromptEdits *e;
    Group       *open;                  /* a stack */
    size_t       depth;
    int          steps[PASSES];
} EditReader;

/* The "when" of an edit -> its length, 0 when s is no number.  when: in each pass the last step before the change,
 * 0 to its steps.  With a point the number is a share of the steps: 0.5 is the middle of the first pass, 1.5 that
 * of the second. */
static size_t when_at(const char *s, const int steps[PASSES], int when[PASSES])
{
    double value;
    size_t n = number_at(s, &value);
    if (!n) return 0;
    int is_share = memchr(s, '.', n) != NULL;
    for (int pass = 0; pass < PASSES; pass++) {
        double at = is_share ? (value - pass) * steps[pass] : value - pass * steps[0];
        when[pass] = (int)(at < 1 ? 0 : fmin(at, steps[pass]));
    }
    return n;
}

/* Is there nothing but a number between a colon and the end of its bracket? */
static int is_when(const EditReader *r, size_t colon, size_t close, int when[PASSES])
{
    const char *end = r->e->text + close, *s = skip_space(r->e->text + colon + 1, end);
    size_t n = when_at(s, r->steps, when);
    return n && skip_space(s + n, end) == end;
}

/* The last mark closes the innermost bracket -> 1 when that is a group.  If it is an edit or an alternation, its
 * marks are set. */
static int close_group(EditReader *r)
{
    Mark *mark = r->e->mark, *close = &mark[r->e->marks - 1];
    const Group *g = &r->open[r->depth - 1];
    Mark *open = &mark[g->mark];
    char opening = r->e->text[open->at], closing = r->e->text[close->at];
    if (opening == '(') return closing == ')' && !g->bars && g->colons <= 1;
    if (closing != ']' || g->colons > 2 || (g->bars && g->colons)) return 0;
    if (!g->bars && !g->colons) return 1;               /* [less]: emphasis, read later */
    int when[PASSES] = { 0 };
    if (g->colons && !is_when(r, mark[g->colon[g->colons - 1]].at, close->at, when)) return 0;
    open->kind = OPEN;
    open->bars = g->bars;
    open->colons = g->colons;
    memcpy(open->when, when, sizeof when);
    close->kind = CLOSE;
    for (int i = 0; i < g->colons; i++) mark[g->colon[i]].kind = SEPARATOR;
    r->e->opens++;
    return 1;
}

/* All open brackets become plain characters -> 0 when one of them holds bars, which then cannot be read. */
static int give_up_open(EditReader *r)
{
    int readable = 1;
    while (r->depth) {
        r->depth--;
        if (r->open[r->depth].bars) readable = 0;
    }
    return readable;
}

/* Reads the last mark, which is the character c -> 0 when the whole text cannot be read. */
static int read_mark(EditReader *r, char c)
{
    size_t mark = r->e->marks - 1;
    Group *top = r->depth ? &r->open[r->depth - 1] : NULL;
    switch (c) {
    case '(':
    case '[':
        r->open[r->depth++] = (Group){ .mark = mark };
        return 1;
    case '|':
        if (!top) return 0;
        top->bars++;
        r->e->mark[mark].kind = SEPARATOR;
        return 1;
    case ':':
        if (!top) return 1;
        if (top->colons < 2) top->colon[top->colons] = mark;
        top->colons++;
        return 1;
    default:                                            /* ) or ] */
        if (!top || !close_group(r)) return give_up_open(r);
        r->depth--;
        return 1;
    }
}

/* -> 0 when the whole text cannot be read */
static int read_edits(EditReader *r)
{
    const char *text = r->e->text;
    for (size_t i = 0; text[i]; i++) {
        if (text[i] == '\\') {
            i++;
            if (!text[i] || text[i] == '\n') return 0;
            continue;
        }
        if (!strchr(mark_characters, text[i])) continue;
        r->e->mark[r->e->marks++] = (Mark){ .at = i };
        if (!read_mark(r, text[i])) return 0;
    }
    return give_up_open(r);
}

const PromptEdits *grammar_edits(Arena *a, const char *text, int steps, int again)
{
    size_t count = 0;
    for (const char *s = text; *s; s++)
        if (strchr(mark_characters, *s)) count++;
    PromptEdits *e = allocate(a, 1, sizeof *e);
    *e = (PromptEdits){ .text = text, .mark = allocate(a, count, sizeof *e->mark) };
    size_t before = mark(a);
    EditReader r = { .e = e, .open = allocate(a, count, sizeof *r.open), .steps = { steps, again } };
    if (!read_edits(&r)) e->opens = 0;
    release(a, before);
    return e;
}

/* ---- editing: writing ------------------------------------------------------------------------- */

int grammar_has_edits(const PromptEdits *e) { return e->opens > 0; }

/* Which part of a bracket is shown at a step; steps count from 1.  Before its step, [to:when] shows no part: -1. */
static int part_at_step(const Mark *open, int pass, int step)
{
    if (open->bars) return (step - 1) % (open->bars + 1);
    int after = open->colons - 1;                       /* the last part is the number */
    return step <= open->when[pass] ? after - 1 : after;
}

/* A bracket around the current place. */
typedef struct {
    int shown_part, part;
    int outside;                        /* is the text around the bracket shown? */
} Level;

static char *append(char *to, const char *from, size_t n)
{
    memcpy(to, from, n);
    return to + n;
}

const char *grammar_at_step(Arena *a, const PromptEdits *e, int pass, int step)
{
    if (!e->opens) return e->text;
    if (step < 1) step = 1;
    size_t n = strlen(e->text), from = 0, depth = 0;
    char *out = allocate(a, n + 1, 1), *end = out;
    size_t before = mark(a);
    Level *level = allocate(a, e->opens, sizeof *level);
    int shown = 1;
    for (const Mark *m = e->mark; m < e->mark + e->marks; m++) {
        if (m->kind == PLAIN) continue;
        if (shown) end = append(end, e->text + from, m->at - from);
        from = m->at + 1;
        if (m->kind == OPEN) level[depth++] = (Level){ .shown_part = part_at_step(m, pass, step), .outside = shown };
        Level *inner = &level[depth - 1];
        if (m->kind == SEPARATOR) inner->part++;
        shown = inner->outside;
        if (m->kind == CLOSE) depth--;
        else if (inner->part != inner->shown_part) shown = 0;
    }
    if (shown) end = append(end, e->text + from, n - from);
    *end = 0;
    release(a, before);
    return out;
}

/* ---- emphasis: attention weighting ------------------------------------------------------------ */

enum { MOST_OPEN = 1024, MOST_STRETCHES = 1 << 16 };
static const double MORE = 1.1, LESS = 1 / 1.1;         /* (more) and [less] */
static const double BREAK_WEIGHT = -1;                  /* marks the stretch that stands for BREAK */

typedef struct { const char *at; size_t size; double weight; } Stretch;

/* The open brackets of one kind: where the stretches behind each of them begin. */
typedef struct { size_t from[MOST_OPEN], depth; } Brackets;

typedef struct {
    Arena      *a;
    const char *what;
    Stretch    *stretch;
    size_t      count;
    Brackets    round, square;
} Emphasis;

static void add_stretch(Emphasis *e, const char *at, size_t size, double weight)
{
    if (e->count == MOST_STRETCHES)
        fail(e->a, "the %s has more than %d stretches of text between its brackets; shorten it", e->what,
             MOST_STRETCHES);
    e->stretch[e->count++] = (Stretch){ .at = at, .size = size, .weight = weight };
}

static void open_bracket(Emphasis *e, Brackets *b)
{
    if (b->depth == MOST_OPEN)
        fail(e->a, "the %s has more than %d brackets open at once; a letter is written \\( and \\[", e->what,
             MOST_OPEN);
    b->from[b->depth++] = e->count;
}

/* Multiplies the weights of all stretches since the bracket was opened -> 0 when none is open. */
static int close_bracket(Emphasis *e, Brackets *b, double weight)
{
    if (!b->depth) return 0;
    b->depth--;
    for (size_t i = b->from[b->depth]; i < e->count; i++) e->stretch[i].weight *= weight;
    return 1;
}

/* r":\s*([+-]?[.\d]+)\s*\)" -> its length, 0 when s does not match */
static size_t weight_at(const char *s, const char *end, double *weight)
{
    const char *from = skip_space(s + 1, end), *to = from;
    if (*to == '+' || *to == '-') to++;
    while (digit(*to) || *to == '.') to++;
    const char *close = skip_space(to, end);
    if (*close != ')' || !read_decimal(from, (size_t)(to - from), weight)) return 0;
    return (size_t)(close - s) + 1;
}

/* Adds text without brackets, split at r"\s*\bBREAK\b\s*". */
static void add_text(Emphasis *e, const char *s, size_t size)
{
    static const char word[] = "BREAK";
    const size_t length = strlen(word);
    const char *end = s + size;
    for (const char *at = find_word(s, end, word); at < end; at = find_word(s, end, word)) {
        add_stretch(e, s, (size_t)(trim_space(s, at) - s), 1);
        add_stretch(e, at, length, BREAK_WEIGHT);
        s = skip_space(at + length, end);
    }
    add_stretch(e, s, (size_t)(end - s), 1);
}

/* "\(" is "("; a backslash before anything else is left out.  -> the length */
static size_t read_escape(Emphasis *e, const char *s)
{
    size_t n = s[1] && strchr("()[]\\", s[1]) ? 2 : 1;
    add_stretch(e, s + 1, n - 1, 1);
    return n;
}

/* Reads one bracket, weight, escape or run of text -> its length. */
static size_t read_token(Emphasis *e, const char *s, const char *end)
{
    double weight;
    size_t weighted = *s == ':' ? weight_at(s, end, &weight) : 0;
    if (*s == '\\') return read_escape(e, s);
    if (weighted && close_bracket(e, &e->round, weight)) return weighted;
    if (*s == ')' && close_bracket(e, &e->round, MORE)) return 1;
    if (*s == ']' && close_bracket(e, &e->square, LESS)) return 1;
    if (*s == '(' || *s == '[') {
        open_bracket(e, *s == '(' ? &e->round : &e->square);
        return 1;
    }
    size_t n = strcspn(s, "\\()[]:");
    if (!n) n = weighted ? weighted : 1;                /* ":1.2)" or ")" without an opening bracket is text */
    add_text(e, s, n);
    return n;
}

/* Neighbours of equal weight become one.  size: of the whole text. */
static WeightedTexts join_equal_weights(Arena *a, const Emphasis *e, size_t size)
{
    WeightedTexts p = { allocate(a, e->count, sizeof *p.at), 0 };
    char *out = allocate(a, size + e->count, 1);
    size_t i = 0;
    while (i < e->count) {
        double weight = e->stretch[i].weight;
        p.at[p.count++] = (WeightedText){ out, weight };
        do {
            out = append(out, e->stretch[i].at, e->stretch[i].size);
            i++;
        } while (i < e->count && e->stretch[i].weight == weight);
        *out++ = 0;
    }
    return p;
}

WeightedTexts grammar_emphasis(Arena *a, const char *text, const char *what)
{
    size_t size = strlen(text), most = 3 * size + 2;
    const char *s = text, *end = text + size;
    Emphasis *e = allocate(a, 1, sizeof *e);
    *e = (Emphasis){ .a = a, .what = what };
    e->stretch = allocate(a, most < MOST_STRETCHES ? most : MOST_STRETCHES, sizeof *e->stretch);
    while (s < end) s += read_token(e, s, end);
    while (close_bracket(e, &e->round, MORE)) {}
    while (close_bracket(e, &e->square, LESS)) {}
    if (!e->count) add_stretch(e, text, 0, 1);
    return join_equal_weights(a, e, size);
}

int grammar_is_break(WeightedText p) { return p.weight == BREAK_WEIGHT && !strcmp(p.text, "BREAK"); }

/* ---- prompt travel ---------------------------------------------------------------------------- */

/* NUMBERED: "8:" and anything.  KEY_LINE: "8: text".  Only key lines are keys, but both end the head. */
typedef enum { ORDINARY, NUMBERED, KEY_LINE } LineKind;

static const char *line_end(const char *s, const char *end)
{
    const char *newline = memchr(s, '\n', (size_t)(end - s));
    return newline ? newline : end;
}

static const char *next_line(const char *s, const char *end)
{
    const char *stop = line_end(s, end);
    return stop < end ? stop + 1 : end;
}

static LineKind line_kind(const char *s, const char *end)
{
    size_t n = strspn(s, "0123456789");
    if (!n || s[n] != ':') return ORDINARY;
    size_t size = (size_t)(line_end(s, end) - s);
    return n + 2 < size && s[n + 1] == ' ' ? KEY_LINE : NUMBERED;
}

/* The key line at s; it must come after the keys that t has. */
static TravelKey read_key(Arena *a, const char *s, const char *end, const Travel *t, int frames)
{
    uint64_t frame;
    size_t n = strspn(s, "0123456789");
    const char *number = copy(a, s, n);
    if (!read_whole(number, &frame) || frame >= (uint64_t)frames)
        fail(a, "the prompt has a key at frame %s, but the clip's %d frames are 0 to %d", quoted(a, number), frames,
             frames - 1);
    if (t->count && (int)frame <= t->key[t->count - 1].frame)
        fail(a, "the prompt's key at frame %d stands behind the one at %d, expected rising order", (int)frame,
             t->key[t->count - 1].frame);
    const char *line = s + n + 2;
    return (TravelKey){ (int)frame, copy(a, line, (size_t)(line_end(s, end) - line)) };
}

/* ", ".join(lines) */
static char *join_lines(Arena *a, const char *from, const char *to)
{
    size_t newlines = 0;
    for (const char *s = from; s < to; s++)
        if (*s == '\n') newlines++;
    char *out = allocate(a, (size_t)(to - from) + newlines + 1, 1), *end = out;
    if (to > from && to[-1] == '\n') to--;
    for (const char *s = from; s < to; s++) {
        if (*s == '\n') end = append(end, ", ", 2);
        else *end++ = *s;
    }
    *end = 0;
    return out;
}

Travel grammar_travel(Arena *a, const char *text, int frames)
{
    Travel t = { .head = "", .tail = "" };
    size_t room = 0;
    const char *s = text, *end = text + strlen(text);
    while (s < end && line_kind(s, end) == ORDINARY) s = next_line(s, end);
    if (s == end) return t;
    t.head = join_lines(a, text, s);
    while (s < end && line_kind(s, end) == KEY_LINE) {
        t.key = grow_array(a, t.key, t.count, &room, sizeof *t.key);
        t.key[t.count] = read_key(a, s, end, &t, frames);
        t.count++;
        s = next_line(s, end);
    }
    t.tail = join_lines(a, s, end);
    return t;
}

const char *grammar_key_prompt(Arena *a, const Travel *t, size_t i)
{
    return format(a, "%s, %s, %s", t->head, t->key[i].line, t->tail);
}
