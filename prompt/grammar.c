/* grammar.c - the prompt language of the web UI.
 *
 * Its parser for editing is a grammar with an Earley parser behind it, which takes whatever can be read as an edit for one.  What
 * it finds is found here with a stack in one pass: a bracket is a group when its content is made of groups and plain text, so
 * one that fails (no partner, the wrong partner, colons that mean nothing) makes letters of all brackets still open around it.
 * A bar outside of an alternation, or a backslash before a line's end, cannot be read at all, and then nothing is an edit.
 *
 * Emphasis is a second reading of what editing leaves, by other rules: round and square brackets need not nest in each
 * other, and those left open reach to the end.  Weights are multiplied in the order in which the brackets close, in
 * double, so that they are the web UI's to the last bit and the same stretches come out as equal.
 *
 * Nothing recurses, and nothing but emphasis is slower than linear; what that may cost is bounded, see grammar.h. */
#include "grammar.h"

#include "chars.h"

#include <string.h>

/* ---- characters, as Python's regular expressions see them ------------------------------------- */

static int is_space(uint32_t c) { return unicode_is(unicode_spaces, c) || (c >= 0x1c && c <= 0x1f); }
static int is_word(uint32_t c)  { return c == '_' || unicode_is(unicode_letters, c) || unicode_is(unicode_numbers, c); }

static size_t after(const char *s, const char *end, uint32_t *c)
{
    *c = 0;
    return s < end ? utf8_decode((const unsigned char *)s, (size_t)(end - s), c) : 0;
}

/* the character that ends before s -> its size, 0 at the start */
static size_t before(const char *start, const char *s, uint32_t *c)
{
    size_t n = 0, most = (size_t)(s - start);
    *c = 0;
    if (!most) return 0;
    do n++; while (n < most && n < 4 && (s[-(long)n] & 0xc0) == 0x80);
    if (utf8_decode((const unsigned char *)s - n, n, c) == n) return n;
    *c = 0xFFFD;
    return 1;
}

static const char *skip_space(const char *s, const char *end)
{
    uint32_t c;
    for (size_t n; (n = after(s, end, &c)) && is_space(c); ) s += n;
    return s;
}

static const char *trim_space(const char *start, const char *end)
{
    uint32_t c;
    for (size_t n; (n = before(start, end, &c)) && is_space(c); ) end -= n;
    return end;
}

/* where `what` stands as a word of its own; end when it does not */
static const char *find_word(const char *s, const char *end, const char *what)
{
    size_t n = strlen(what);
    uint32_t c, d;
    const char *start = s;
    for (; (size_t)(end - s) >= n && (s = memchr(s, *what, (size_t)(end - s) - n + 1)); s++) {
        if (memcmp(s, what, n)) continue;
        int left = before(start, s, &c) && is_word(c), right = after(s + n, end, &d) && is_word(d);
        if (!left && !right) return s;
    }
    return end;
}

/* [+-]digits.digits in so many characters */
static int number(const char *s, size_t n, double *value)
{
    char text[64];
    if (n >= sizeof text) return 0;
    memcpy(text, s, n);
    text[n] = 0;
    return read_number(text, value);
}

/* ---- AND -------------------------------------------------------------------------------------- */

/* text, ":" and a number, white space anywhere between -> the text without them */
static Phrase weighted(Arena *a, const char *s, const char *end)
{
    const char *stop = trim_space(s, end), *p = stop;
    double weight = 1, x;
    while (p > s && (digit(p[-1]) || p[-1] == '.')) p--;
    if (p > s && p < stop && (p[-1] == '+' || p[-1] == '-')) p--;
    const char *colon = trim_space(s, p);
    if (colon > s && colon[-1] == ':' && number(p, (size_t)(stop - p), &x)) weight = x, stop = trim_space(s, colon - 1);
    return (Phrase){ copy(a, s, (size_t)(stop - s)), weight };
}

Phrases grammar_and(Arena *a, const char *text)
{
    static const char mark[] = "AND";
    const char *end = text + strlen(text);
    size_t count = 1;
    for (const char *s = text; (s = find_word(s, end, mark)) < end; s += 3) count++;
    Phrases p = { take(a, count, sizeof *p.at), 0 };
    for (const char *s = text; p.count < count; ) {
        const char *next = find_word(s, end, mark);
        p.at[p.count++] = weighted(a, s, next);
        s = next + 3;
    }
    return p;
}

/* ---- editing: reading ------------------------------------------------------------------------- */

typedef enum { LETTER, OPEN, SEPARATOR, CLOSE } MarkKind;
enum { PASSES = 2 };

typedef struct { size_t at; MarkKind kind; int bars, colons, when[PASSES]; } Mark;      /* the last three of OPEN only */

struct Edits { const char *text; Mark *mark; size_t marks, opens; };            /* marks in the order of the text */

typedef struct { size_t mark, colon[2]; int bars, colons; } Group;              /* an open bracket; indexes of marks */

typedef struct { Edits *e; Group *open; size_t depth; int steps[PASSES]; } EditReader;

static size_t digits_at(const char *s)
{
    size_t n = 0;
    while (digit(s[n])) n++;
    return n;
}

/* The number of an edit -> its length, 0 when there is none.  With a point it is a part of all steps; what is past the first
 * pass belongs to the second.  when: in each pass the last step before the change, 0 to its steps. */
static size_t when_at(const char *s, const int steps[PASSES], int when[PASSES])
{
    double value;
    size_t n = number_at(s, &value);
    int part = n && memchr(s, '.', n);
    for (int pass = 0; n && pass < PASSES; pass++) {
        double at = part ? (value - pass) * steps[pass] : value - pass * steps[0];
        when[pass] = at >= steps[pass] ? steps[pass] : at < 1 ? 0 : (int)at;
    }
    return n;
}

/* Stands there, from a colon to the end of its bracket, nothing but a number? */
static int is_when(const EditReader *r, size_t colon, size_t close, int when[PASSES])
{
    const char *end = r->e->text + close, *s = skip_space(r->e->text + colon + 1, end);
    size_t n = when_at(s, r->steps, when);
    return n && skip_space(s + n, end) == end;
}

/* The innermost bracket closes with the last mark: 1 when it is a group.  If that is an edit, its marks are set. */
static int close_group(EditReader *r)
{
    Mark *mark = r->e->mark, *close = mark + r->e->marks - 1;
    const Group *g = &r->open[r->depth - 1];
    const char *text = r->e->text;
    int when[PASSES] = { 0 };
    if (text[mark[g->mark].at] == '(') return text[close->at] == ')' && !g->bars && g->colons <= 1;
    if (text[close->at] != ']' || g->colons > 2 || (g->bars && g->colons)) return 0;
    if (!g->bars && !g->colons) return 1;
    if (g->colons && !is_when(r, mark[g->colon[g->colons - 1]].at, close->at, when)) return 0;
    mark[g->mark] = (Mark){ mark[g->mark].at, OPEN, g->bars, g->colons, { when[0], when[1] } };
    close->kind = CLOSE;
    for (int i = 0; i < g->colons; i++) mark[g->colon[i]].kind = SEPARATOR;
    r->e->opens++;
    return 1;
}

/* All open brackets are letters: 0 when one has bars, which then nobody can read. */
static int give_up_open(EditReader *r)
{
    int bars = 0;
    while (r->depth) bars |= r->open[--r->depth].bars;
    return !bars;
}

/* the character that was just marked; 0 when nothing can be made of the text */
static int read_mark(EditReader *r, char c)
{
    size_t i = r->e->marks - 1;
    Group *top = r->depth ? &r->open[r->depth - 1] : NULL;
    if (c == '(' || c == '[') r->open[r->depth++] = (Group){ .mark = i };
    else if (c == '|' && !top) return 0;
    else if (c == '|') top->bars++, r->e->mark[i].kind = SEPARATOR;
    else if (c == ':' && top) {
        if (top->colons < 2) top->colon[top->colons] = i;
        top->colons++;
    }
    else if (c == ')' || c == ']') {
        if (!top || !close_group(r)) return give_up_open(r);
        r->depth--;
    }
    return 1;
}

static int read_edits(EditReader *r)
{
    const char *text = r->e->text;
    for (size_t i = 0; text[i]; i++) {
        if (text[i] == '\\') {
            if (!text[++i] || text[i] == '\n') return 0;
            continue;
        }
        if (!strchr("()[]|:", text[i])) continue;
        r->e->mark[r->e->marks++] = (Mark){ .at = i };
        if (!read_mark(r, text[i])) return 0;
    }
    return give_up_open(r);
}

const Edits *grammar_edits(Arena *a, const char *text, int steps, int again)
{
    size_t count = 0;
    for (const char *s = text; *s; s++) count += strchr("()[]|:", *s) != NULL;
    Edits *e = take(a, 1, sizeof *e);
    *e = (Edits){ text, take(a, count, sizeof *e->mark), 0, 0 };
    size_t here = mark(a);
    EditReader r = { e, take(a, count, sizeof *r.open), 0, { steps, again } };
    if (!read_edits(&r)) e->opens = 0;
    release(a, here);
    return e;
}

/* ---- editing: writing ------------------------------------------------------------------------- */

int grammar_edited(const Edits *e) { return e->opens > 0; }

typedef struct { int chosen, part, outside; } Level;            /* which part of an edit is shown, which one this is, and whether any could be */

const char *grammar_at(Arena *a, const Edits *e, int pass, int step)
{
    if (!e->opens) return e->text;
    size_t n = strlen(e->text), from = 0, depth = 0;
    char *out = take(a, n + 1, 1), *end = out;
    size_t here = mark(a);
    Level *level = take(a, e->opens, sizeof *level);
    int shown = 1;
    step = step < 1 ? 1 : step;
    for (size_t i = 0; i <= e->marks; i++) {
        Mark m = i < e->marks ? e->mark[i] : (Mark){ .at = n };
        if (shown) memcpy(end, e->text + from, m.at - from), end += m.at - from;
        from = m.at + (m.kind != LETTER);
        if (m.kind == OPEN) level[depth++] = (Level){ m.bars ? (step - 1) % (m.bars + 1) : m.colons - (step <= m.when[pass] ? 2 : 1), 0, shown };
        if (m.kind == SEPARATOR) level[depth - 1].part++;
        if (m.kind == CLOSE) shown = level[--depth].outside;
        else if (m.kind != LETTER) shown = level[depth - 1].outside && level[depth - 1].part == level[depth - 1].chosen;
    }
    *end = 0;
    release(a, here);
    return out;
}

/* ---- emphasis --------------------------------------------------------------------------------- */

enum { MOST_OPEN = 1024, MOST_STRETCHES = 1 << 16 };

typedef struct { const char *at; size_t size; double weight; } Stretch;
typedef struct { size_t from[MOST_OPEN], depth; } Brackets;     /* the stretches behind each open bracket */

typedef struct {
    Arena      *a;
    const char *what;
    Stretch    *stretch;
    size_t      count;
    Brackets    round, square;
} Emphasis;

static void add(Emphasis *e, const char *at, size_t size, double weight)
{
    if (e->count == MOST_STRETCHES) fail(e->a, "the %s has more than %d stretches of text between its brackets; shorten it", e->what, MOST_STRETCHES);
    e->stretch[e->count++] = (Stretch){ at, size, weight };
}

static void open_bracket(Emphasis *e, Brackets *b)
{
    if (b->depth == MOST_OPEN) fail(e->a, "the %s has more than %d brackets open at once; a letter is written \\( and \\[", e->what, MOST_OPEN);
    b->from[b->depth++] = e->count;
}

static int close_bracket(Emphasis *e, Brackets *b, double weight)
{
    if (!b->depth) return 0;
    for (size_t i = b->from[--b->depth]; i < e->count; i++) e->stretch[i].weight *= weight;
    return 1;
}

/* r":\s*([+-]?[.\d]+)\s*\)" -> its length, 0 when it does not stand there */
static size_t weight_at(const char *s, const char *end, double *weight)
{
    const char *from = skip_space(s + 1, end), *to = from + (*from == '+' || *from == '-');
    while (digit(*to) || *to == '.') to++;
    const char *close = skip_space(to, end);
    return number(from, (size_t)(to - from), weight) && *close == ')' ? (size_t)(close - s) + 1 : 0;
}

/* text without brackets, cut at BREAK (r"\s*\bBREAK\b\s*") */
static void add_text(Emphasis *e, const char *s, size_t size)
{
    for (const char *end = s + size; ; ) {
        const char *mark = find_word(s, end, "BREAK"), *stop = mark < end ? trim_space(s, mark) : end;
        add(e, s, (size_t)(stop - s), 1);
        if (mark == end) return;
        add(e, mark, strlen("BREAK"), -1);
        s = skip_space(mark + strlen("BREAK"), end);
    }
}

/* one token of the language -> its length */
static size_t read_token(Emphasis *e, const char *s, const char *end)
{
    double weight;
    size_t n = *s == ':' ? weight_at(s, end, &weight) : 0;
    if (*s == '\\') {
        n = s[1] && strchr("()[]\\", s[1]) ? 2 : 1;
        add(e, s + 1, n - 1, 1);
        return n;
    }
    if (n && close_bracket(e, &e->round, weight)) return n;
    if (*s == '(') return open_bracket(e, &e->round), 1;
    if (*s == '[') return open_bracket(e, &e->square), 1;
    if (*s == ')' && close_bracket(e, &e->round, 1.1)) return 1;
    if (*s == ']' && close_bracket(e, &e->square, 1 / 1.1)) return 1;
    if (!n) n = *s == ':' || *s == ')' || *s == ']' ? 1 : strcspn(s, "\\()[]:");
    add_text(e, s, n);
    return n;
}

/* neighbours of equal weight become one */
static Phrases joined(Arena *a, const Emphasis *e, size_t size)
{
    Phrases p = { take(a, e->count, sizeof *p.at), 0 };
    char *out = take(a, size + e->count, 1);
    for (size_t i = 0; i < e->count; ) {
        double weight = e->stretch[i].weight;
        p.at[p.count++] = (Phrase){ out, weight };
        do memcpy(out, e->stretch[i].at, e->stretch[i].size), out += e->stretch[i].size;
        while (++i < e->count && e->stretch[i].weight == weight);
        *out++ = 0;
    }
    return p;
}

Phrases grammar_emphasis(Arena *a, const char *text, const char *what)
{
    size_t size = strlen(text), most = 3 * size + 2;
    Emphasis *e = take(a, 1, sizeof *e);
    *e = (Emphasis){ a, what, take(a, most < MOST_STRETCHES ? most : MOST_STRETCHES, sizeof *e->stretch), 0, { .depth = 0 }, { .depth = 0 } };
    for (const char *s = text, *end = text + size; s < end; ) s += read_token(e, s, end);
    while (e->round.depth) close_bracket(e, &e->round, 1.1);
    while (e->square.depth) close_bracket(e, &e->square, 1 / 1.1);
    if (!e->count) add(e, text, 0, 1);
    return joined(a, e, size);
}

int grammar_break(Phrase p) { return p.weight == -1 && !strcmp(p.text, "BREAK"); }

/* ---- travel ----------------------------------------------------------------------------------- */

/* one line of a prompt: 0 none of travel's, 1 "8:...", 2 "8: text", which is a key */
static int key_line(const char *line, size_t size)
{
    size_t n = digits_at(line);
    if (!n || line[n] != ':') return 0;
    return n + 2 < size && line[n + 1] == ' ' ? 2 : 1;
}

static Key key_of(Arena *a, const char *line, size_t size, const Travel *t, int frames)
{
    uint64_t frame;
    size_t n = digits_at(line);
    const char *number = copy(a, line, n);
    if (!read_whole(number, &frame) || frame >= (uint64_t)frames)
        fail(a, "the prompt has a key at frame %s, but the clip's %d frames are 0 to %d", quoted(a, number), frames, frames - 1);
    if (t->count && (int)frame <= t->key[t->count - 1].frame)
        fail(a, "the prompt's key at frame %d stands behind the one at %d, expected rising order", (int)frame, t->key[t->count - 1].frame);
    return (Key){ (int)frame, copy(a, line + n + 2, size - n - 2) };
}

/* lines as ", ".join(lines) */
static char *join(Arena *a, const char *from, const char *to)
{
    size_t lines = 0;
    for (const char *s = from; s < to; s++) lines += *s == '\n';
    char *out = take(a, (size_t)(to - from) + lines + 1, 1), *end = out;
    if (to > from && to[-1] == '\n') to--;
    for (; from < to; from++) {
        *end++ = *from == '\n' ? ',' : *from;
        if (*from == '\n') *end++ = ' ';
    }
    *end = 0;
    return out;
}

Travel grammar_travel(Arena *a, const char *text, int frames)
{
    enum { HEAD, KEYS, TAIL } part = HEAD;
    Travel t = { NULL, 0, "", "" };
    size_t room = 0;
    const char *end = text + strlen(text), *tail = end;
    for (const char *s = text, *next; s < end && part != TAIL; s = next) {
        const char *stop = memchr(s, '\n', (size_t)(end - s));
        next = stop ? stop + 1 : end;
        int kind = key_line(s, (size_t)((stop ? stop : end) - s));
        if (part == HEAD && kind) t.head = join(a, text, s), part = KEYS;
        if (part == KEYS && kind != 2) tail = s, part = TAIL;
        if (part != KEYS) continue;
        t.key = roomier(a, t.key, t.count, &room, sizeof *t.key);
        t.key[t.count] = key_of(a, s, (size_t)((stop ? stop : end) - s), &t, frames);
        t.count++;
    }
    t.tail = join(a, tail, end);
    return t;
}

const char *grammar_key(Arena *a, const Travel *t, size_t i) { return format(a, "%s, %s, %s", t->head, t->key[i].line, t->tail); }
