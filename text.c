/* text.c - prompts to vectors.
 *
 *     prompt -> a prompt for each key of travel -> its ANDs -> for each call the text after editing       grammar.c
 *     text -> chunks of tokens with weights                                                              chunks.c
 *     tokens -> vectors, times their weights                                                             clip.c
 *     vectors -> what a call is told: negative and prompts, of all frames or of each
 *
 * A text is encoded once, however many calls, ANDs and keys say it; a guide is built once for all calls that are told the same.
 * All texts of a job fill the same number of chunks, with empty ones behind: were the negative prompt shorter, or one
 * version of an edited prompt, a clip would come out as two scenes.
 *
 * Between the keys of travel, vectors go along the arc of the whole [tokens,width] tensor at even speed (Shoemake 1985, slerp), or
 * on the straight line where it is as good as that (cosine past 0.9995).  Before the first key and behind the last they
 * stay, or, if the clip is closed, go round. */
#include "text.h"

#include "chars.h"
#include "chunks.h"
#include "grammar.h"

#include <math.h>
#include <string.h>

enum { AT_ONCE = 16, MOST_PROMPTS = 64 };        /* chunks encoded together: what that takes is much more than what it gives; prompts between ANDs */

typedef struct { const char *text; const Chunk *chunk; int chunks; } Line;

struct Text {
    Wording      wording;
    Line        *line;          /* every text there is, the first one said first */
    const int   *id;            /* [lines, chunks, 77]; NULL when there is no vocabulary, which the dry run will complain about */
    const float *weight;        /* the same */
    const float *learned;       /* rows behind the vocabulary, or NULL */
    int          lines, chunks;
    size_t       room;          /* for lines */

    int          guided;
    Phrases      prompt;        /* the ANDs: their weights are those of every key */
    const float *prompt_weight;
    Travel       travel;        /* no keys: the only prompt is that of all frames */
    int        **told;          /* what calls are told, each once: lines[guided + keys * ANDs], the negative first, then key by key */
    const int   *call;          /* [calls + again] which of them */
    int          tolds;
};

static int keys(const Text *t)   { return t->travel.count ? (int)t->travel.count : 1; }
static int calls(const Text *t)  { return t->wording.calls + t->wording.again; }
static int voices(const Text *t) { return t->guided + keys(t) * (int)t->prompt.count; }

/* what a model without a vocabulary is told, in the dry run that will say what it lacks */
static const Text *nothing(Arena *a, Text *t)
{
    static const float one[] = { 1 };
    static Phrase empty = { "", 1 };
    int *call = take(a, (size_t)calls(t), sizeof *call), *row = take(a, 1, sizeof *row);
    memset(call, 0, (size_t)calls(t) * sizeof *call);
    t->told = take(a, 1, sizeof *t->told);
    t->prompt = (Phrases){ &empty, 1 }, t->prompt_weight = one;
    *row = 0, *t->told = row, t->tolds = t->lines = t->chunks = 1, t->call = call;
    return t;
}

/* ---- reading ---------------------------------------------------------------------------------- */

typedef struct {
    Arena           *a;
    Text            *t;
    const Tokenizer *tokenizer;
    Embeddings      *embeddings;
    Chunk           *chunk;     /* [MOST_CHUNKS] to work in */
} Reader;

typedef struct { const char *what; const Edits *edits; } Voice;      /* one text that may change from call to call */

/* the number of a text's line; a new one where nobody has said it yet.  The text stays if it is new. */
static int line_of(Reader *r, const char *text, const char *what)
{
    Text *t = r->t;
    for (int i = 0; i < t->lines; i++) if (!strcmp(t->line[i].text, text)) return i;
    t->line = roomier(r->a, t->line, (size_t)t->lines, &t->room, sizeof *t->line);
    int count = chunks_of(r->a, r->tokenizer, r->embeddings, text, what, r->chunk);
    Chunk *chunk = take(r->a, (size_t)count, sizeof *chunk);
    memcpy(chunk, r->chunk, (size_t)count * sizeof *chunk);
    t->line[t->lines] = (Line){ text, chunk, count };
    if (count > t->chunks) t->chunks = count;
    return t->lines++;
}

static Voice voice_of(Reader *r, const char *text, const char *what)
{
    return (Voice){ what, grammar_edits(r->a, text, r->t->wording.counted, r->t->wording.counted_again) };
}

static int same_weights(Phrases a, Phrases b)
{
    int same_ones = a.count == b.count;
    for (size_t i = 0; same_ones && i < a.count; i++) same_ones = a.at[i].weight == b.at[i].weight;
    return same_ones;
}

/* the prompts that stand between the ANDs of every key's */
static Phrases *read_keys(Reader *r, const char *prompt)
{
    Text *t = r->t;
    t->travel = t->wording.frames > 1 ? grammar_travel(r->a, prompt, t->wording.frames) : (Travel){ 0 };
    Phrases *p = take(r->a, (size_t)keys(t), sizeof *p);
    for (size_t k = 0; k < (size_t)keys(t); k++) {
        p[k] = grammar_and(r->a, t->travel.count ? grammar_key(r->a, &t->travel, k) : prompt);
        if (p[k].count > MOST_PROMPTS) fail(r->a, "the prompt has %zu prompts between its ANDs, expected at most %d", p[k].count, MOST_PROMPTS);
        if (!same_weights(p[k], p[0]))
            fail(r->a, "the prompt's keys at frames %d and %d differ in the number or the weights of what stands between AND, expected the same",
                 t->travel.key[0].frame, t->travel.key[k].frame);
    }
    return p;
}

static Voice *read_voices(Reader *r)
{
    Text *t = r->t;
    const Wording *w = &t->wording;
    Phrases *p = read_keys(r, w->prompt ? w->prompt : "");
    t->prompt = p[0];
    t->guided = w->cfg > 1 || p[0].count > 1 || p[0].at[0].weight != 1;
    float *weight = take(r->a, p[0].count, sizeof *weight);
    for (size_t i = 0; i < p[0].count; i++) weight[i] = (float)p[0].at[i].weight;
    t->prompt_weight = weight;
    Voice *voice = take(r->a, (size_t)voices(t), sizeof *voice), *end = voice;
    if (t->guided) *end++ = voice_of(r, w->negative ? w->negative : "", "negative prompt");
    for (size_t k = 0; k < (size_t)keys(t); k++)
        for (size_t i = 0; i < p[k].count; i++) *end++ = voice_of(r, p[k].at[i].text, "prompt");
    return voice;
}

static int line_at(Reader *r, const Voice *v, int call)
{
    size_t before = mark(r->a);
    int first = r->t->wording.calls, lines = r->t->lines;
    int line = line_of(r, grammar_at(r->a, v->edits, call >= first, call < first ? call : call - first), v->what);
    if (lines == r->t->lines) release(r->a, before);
    return line;
}

/* what this call is told, as the number of a row of lines */
static int told_of(Reader *r, const Voice *voice, int call)
{
    Text *t = r->t;
    int *row = take(r->a, (size_t)voices(t), sizeof *row);
    for (int i = 0; i < voices(t); i++) row[i] = line_at(r, &voice[i], call);
    for (int i = 0; i < t->tolds; i++) if (!memcmp(t->told[i], row, (size_t)voices(t) * sizeof *row)) return i;
    t->told[t->tolds] = row;
    return t->tolds++;
}

static void read_calls(Reader *r)
{
    Text *t = r->t;
    int edited = 0, *call = take(r->a, (size_t)calls(t), sizeof *call);
    const Voice *voice = read_voices(r);
    t->told = take(r->a, (size_t)calls(t), sizeof *t->told);
    for (int i = 0; i < voices(t); i++) edited |= grammar_edited(voice[i].edits);
    for (int i = 0; i < calls(t); i++) call[i] = i && !edited ? 0 : told_of(r, voice, i);
    t->call = call;
}

/* all lines as one table, short ones with empty chunks behind */
static void lay_out(Reader *r)
{
    Text *t = r->t;
    size_t each = (size_t)t->chunks * CONTEXT, count = 0;
    int *id = take(r->a, (size_t)t->lines * each, sizeof *id);
    float *weight = take(r->a, (size_t)t->lines * each, sizeof *weight);
    for (int i = 0; i < t->lines; i++)
        for (int c = 0; c < t->chunks; c++)
            for (int k = 0; k < CONTEXT; k++, count++) {
                const Chunk *chunk = c < t->line[i].chunks ? &t->line[i].chunk[c] : NULL;
                id[count] = chunk ? chunk->id[k] : k ? tokenizer_eos(r->tokenizer) : tokenizer_bos(r->tokenizer);
                weight[count] = chunk ? chunk->weight[k] : 1;
            }
    t->id = id, t->weight = weight;
}

/* "prompt: 2 at once, weights 1 and 1.2; 20 texts over the steps; travel by way of 3 keys", whatever of it there is */
static void report(Arena *a, const Text *t, void (*say)(void *to, const char *line), void *to)
{
    const char *line = "";
    for (size_t i = 0; i < t->prompt.count && (t->prompt.count > 1 || t->prompt.at[0].weight != 1); i++)
        line = format(a, "%s%s%g", line, i ? ", " : t->prompt.count > 1 ? format(a, " %zu at once, weights ", t->prompt.count) : " weight ", t->prompt.at[i].weight);
    if (t->tolds > 1) line = format(a, "%s%s %d versions over the steps", line, *line ? ";" : "", t->tolds);
    if (t->travel.count) line = format(a, "%s%s travel over %zu keys%s", line, *line ? ";" : "", t->travel.count, t->wording.closed ? " and round" : "");
    if (*line && say) say(to, format(a, "prompt:%s", line));
}

const Text *text_read(Arena *a, const Weights *w, const Wording *wording, void (*say)(void *to, const char *line), void *to)
{
    int vocabulary = clip_vocabulary(w);
    Text *t = take(a, 1, sizeof *t);
    *t = (Text){ .wording = *wording };
    if (!vocabulary) return nothing(a, t);
    Tokenizer *tokenizer = tokenizer_new(a, file_map(a, wording->merges), (size_t)vocabulary);
    Embeddings *embeddings = embeddings_open(a, tokenizer, wording->embedding, wording->embeddings, wording->lora, wording->loras, w);
    Reader r = { a, t, tokenizer, embeddings, take(a, MOST_CHUNKS, sizeof *r.chunk) };
    read_calls(&r);
    lay_out(&r);
    t->learned = embeddings_rows(a, r.embeddings);
    embeddings_report(a, r.embeddings, say, to);
    report(a, t, say, to);
    return t;
}

/* ---- encoding --------------------------------------------------------------------------------- */

/* z = z * weight, * (mean before / mean after): x is one chunk's vectors */
static void emphasize(float *x, const float *weight, size_t width)
{
    double before = 0, after = 0;
    int plain = 1;
    for (size_t k = 0; k < CONTEXT; k++) plain &= weight[k] == 1;
    if (plain) return;
    for (size_t i = 0; i < CONTEXT * width; i++) {
        before += (double)x[i];
        x[i] *= weight[i / width];
        after += (double)x[i];
    }
    for (size_t i = 0; i < CONTEXT * width; i++) x[i] *= (float)(before / after);
}

/* -> [lines, 1, chunks * 77, width] */
static Tensor encode_lines(Run *r, const Text *t)
{
    Arena *a = r->machine->mem;
    Tensor v = tensor(r, t->lines, 1, t->chunks * CONTEXT, clip_width(r->weights));
    int chunks = t->lines * t->chunks;
    size_t each = CONTEXT * (size_t)v.c;
    for (int i = 0; i < chunks; i += AT_ONCE) {
        size_t before = mark(a);
        int n = chunks - i < AT_ONCE ? chunks - i : AT_ONCE;
        Tensor part = clip_encode(r, t->id + (size_t)i * CONTEXT, n, t->wording.clip_skip, t->learned);
        for (size_t k = 0; k < (size_t)n && !r->machine->dry; k++) {
            float *x = v.x + ((size_t)i + k) * each;
            memcpy(x, part.x + k * each, each * sizeof *x);
            emphasize(x, t->weight + ((size_t)i + k) * CONTEXT, (size_t)v.c);
        }
        release(a, before);
    }
    return v;
}

/* the keys before and behind a frame, and how far it is from the first to the second, 0 to 1 */
typedef struct { size_t from, to; double way; } Between;

static Between between(const Text *t, int frame)
{
    const Travel *v = &t->travel;
    size_t last = v->count - 1, from = t->wording.closed ? last : 0, to = t->wording.closed ? 0 : last, i = 0;
    for (; i < v->count && v->key[i].frame <= frame; i++) from = i;
    if (i < v->count) to = i;
    int gone = frame - v->key[from].frame, left = v->key[to].frame - frame;
    if (gone < 0) gone += t->wording.frames;
    if (left < 0) left += t->wording.frames;
    return (Between){ from, to, from == to || gone + left == 0 ? 0 : (double)gone / (gone + left) };
}

/* (sin((1-t) w) a + sin(t w) b) / sin w,  cos w = a b / |a| |b| */
static void slerp(float *out, const float *a, const float *b, size_t n, double t)
{
    double aa = 0, bb = 0, ab = 0;
    for (size_t i = 0; i < n; i++) aa += (double)a[i] * (double)a[i], bb += (double)b[i] * (double)b[i], ab += (double)a[i] * (double)b[i];
    double cosine = ab / sqrt(aa * bb), angle = acos(cosine), left = 1 - t, right = t;
    if (fabs(cosine) <= 0.9995) left = sin(left * angle) / sin(angle), right = sin(right * angle) / sin(angle);
    for (size_t i = 0; i < n; i++) out[i] = (float)(left * (double)a[i] + right * (double)b[i]);
}

/* one voice of the guide for a frame: the negative, or one of the ANDs between two keys */
static void tell(float *out, const Text *t, Tensor lines, const int *row, int prompt, int frame)
{
    size_t each = size(lines) / (size_t)lines.n;
    if (!t->travel.count || prompt < t->guided) {
        memcpy(out, lines.x + (size_t)row[prompt] * each, each * sizeof *out);
        return;
    }
    Between b = between(t, frame);
    const int *from = row + b.from * t->prompt.count, *to = row + b.to * t->prompt.count;
    slerp(out, lines.x + (size_t)from[prompt] * each, lines.x + (size_t)to[prompt] * each, each, b.way);
}

static Tensor guide_of(Run *r, const Text *t, Tensor lines, const int *row)
{
    Tensor g = tensor(r, t->guided + (int)t->prompt.count, t->travel.count > 1 ? t->wording.frames : 1, lines.w, lines.c);
    size_t each = size(lines) / (size_t)lines.n;
    for (int i = 0; i < g.n * g.h && !r->machine->dry; i++) tell(g.x + (size_t)i * each, t, lines, row, i / g.h, i % g.h);
    return g;
}

const Guide *text_encode(Run *r, const Text *t)
{
    Arena *a = r->machine->mem;
    Guide *guide = take(a, (size_t)calls(t), sizeof *guide);
    Tensor lines = encode_lines(r, t), *told = take(a, (size_t)t->tolds, sizeof *told);
    for (int i = 0; i < t->tolds; i++) told[i] = guide_of(r, t, lines, t->told[i]);
    for (int i = 0; i < calls(t); i++) guide[i] = (Guide){ told[t->call[i]], t->guided, t->prompt_weight };
    return guide;
}
