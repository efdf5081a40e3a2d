/* text.c - conditioning: from prompts to vectors.
 *
 *     prompt -> one prompt for each key of prompt travel -> split at AND -> for each call, its text     grammar.c
 *     text -> chunks of 75 tokens, each token with its weight                                          chunks.c
 *     tokens -> vectors                                                                                clip.c
 *     vectors -> emphasis: times their weights -> interpolated for each frame -> conditioning          here
 *
 * Each distinct text is tokenized and encoded once, however many calls, keys and frames use it.  The conditioning
 * tensor of each distinct combination of texts is built once, too.
 *
 * All texts of a job are padded to the same number of chunks, so that they fit into one batch.  If the negative prompt,
 * or one version of an edited prompt, were shorter, a clip would show two different scenes.
 *
 * Between two keys, prompt travel interpolates the whole [tokens,width] tensor by slerp, spherical linear interpolation
 * (Shoemake 1985).  Nearly parallel tensors (cosine above 0.9995) are interpolated on a straight line.  Before the
 * first key and behind the last one the prompt stays as it is; in a closed loop it travels on from the last key to
 * the first. */
#include "text.h"

#include "chars.h"
#include "chunks.h"
#include "finite.h"
#include "grammar.h"

#include <math.h>
#include <string.h>

enum { CHUNKS_PER_BATCH = 16 };         /* of the text encoder: a larger batch takes memory and saves no time */
enum { MOST_PROMPTS = 64 };             /* between ANDs */

typedef struct {
    const char  *text;
    const Chunk *chunk;                 /* [chunks] */
    int          chunks;
} TokenizedText;

struct TokenizedPrompts {
    PromptSpecification specification;

    TokenizedText *text;                /* every distinct text, in the order of its first use */
    int            texts;
    size_t         room;                /* allocated length of text */
    int            chunks;              /* of the longest text; all others are padded to it */
    const int     *id;                  /* [texts, chunks, 77]; NULL without a vocabulary, which the dry run reports */
    const float   *weight;              /* [texts, chunks, 77] */
    const Chunk   *watched;             /* [specification.watches]: their tokens */
    const float   *learned;             /* [rows, width]: vectors of textual inversions; NULL without any */

    int            negatives;           /* 1 with guidance: the negative prompt leads each combination; else 0 */
    WeightedTexts  prompts;             /* the prompts that AND joins.  Every key has the same weights. */
    const float   *prompt_weight;       /* the same weights, as the sampling loop needs them */
    Travel         travel;              /* without keys: one prompt for all frames */
    int          **combination;         /* distinct ones.  Each has [texts_per_call] indexes of text: the negative,
                                           then the prompts of the first key, of the second, ... */
    int            combinations;
    const int     *combination_of;      /* [all_calls] */
};

static int keys(const TokenizedPrompts *t) { return t->travel.count ? (int)t->travel.count : 1; }
static int all_calls(const TokenizedPrompts *t) { return t->specification.calls + t->specification.second_pass_calls; }
static int texts_per_call(const TokenizedPrompts *t) { return t->negatives + keys(t) * (int)t->prompts.count; }

/* A model without a vocabulary gets one empty text, so that the dry run can say what the model lacks. */
static const TokenizedPrompts *without_vocabulary(Arena *a, TokenizedPrompts *t)
{
    static const float one[] = { 1 };
    static WeightedText empty = { "", 1 };
    int *combination_of = allocate(a, (size_t)all_calls(t), sizeof *combination_of);
    int *combination = allocate(a, 1, sizeof *combination);
    memset(combination_of, 0, (size_t)all_calls(t) * sizeof *combination_of);
    *combination = 0;
    t->texts = 1;
    t->chunks = 1;
    t->prompts = (WeightedTexts){ &empty, 1 };
    t->prompt_weight = one;
    t->combination = allocate(a, 1, sizeof *t->combination);
    t->combination[0] = combination;
    t->combinations = 1;
    t->combination_of = combination_of;
    return t;
}

/* ---- reading ---------------------------------------------------------------------------------- */

typedef struct {
    Arena            *a;
    TokenizedPrompts *t;
    const Tokenizer  *tokenizer;
    Embeddings       *embeddings;
    Chunk            *scratch;          /* [MOST_CHUNKS] */
} Reader;

/* A prompt that may change from call to call.  kind: "prompt" or "negative prompt", for messages. */
typedef struct { const char *kind; const PromptEdits *edits; } ScheduledPrompt;

/* The index of this text.  A new one is tokenized and added, and its characters must stay in memory. */
static int index_of_text(Reader *r, const char *text, const char *kind)
{
    TokenizedPrompts *t = r->t;
    for (int i = 0; i < t->texts; i++)
        if (!strcmp(t->text[i].text, text)) return i;
    t->text = grow_array(r->a, t->text, (size_t)t->texts, &t->room, sizeof *t->text);
    int chunks = chunks_tokenize(r->a, r->tokenizer, r->embeddings, text, kind, r->scratch);
    Chunk *chunk = allocate(r->a, (size_t)chunks, sizeof *chunk);
    memcpy(chunk, r->scratch, (size_t)chunks * sizeof *chunk);
    t->text[t->texts] = (TokenizedText){ .text = text, .chunk = chunk, .chunks = chunks };
    if (chunks > t->chunks) t->chunks = chunks;
    return t->texts++;
}

static ScheduledPrompt schedule(Reader *r, const char *text, const char *kind)
{
    const PromptSpecification *s = &r->t->specification;
    return (ScheduledPrompt){ kind, grammar_edits(r->a, text, s->editing_steps, s->second_pass_editing_steps) };
}

static int same_weights(WeightedTexts a, WeightedTexts b)
{
    if (a.count != b.count) return 0;
    for (size_t i = 0; i < a.count; i++)
        if (a.at[i].weight != b.at[i].weight) return 0;
    return 1;
}

/* -> [keys]: for each key of prompt travel, the prompts between its ANDs */
static WeightedTexts *read_keys(Reader *r, const char *prompt)
{
    TokenizedPrompts *t = r->t;
    t->travel = t->specification.frames > 1 ? grammar_travel(r->a, prompt, t->specification.frames) : (Travel){ 0 };
    WeightedTexts *p = allocate(r->a, (size_t)keys(t), sizeof *p);
    for (size_t k = 0; k < (size_t)keys(t); k++) {
        p[k] = grammar_split_and(r->a, t->travel.count ? grammar_key_prompt(r->a, &t->travel, k) : prompt);
        if (p[k].count > MOST_PROMPTS)
            fail(r->a, "the prompt has %zu prompts between its ANDs, expected at most %d", p[k].count, MOST_PROMPTS);
        if (!same_weights(p[k], p[0]))
            fail(r->a, "the prompt's keys at frames %d and %d differ in the number or the weights of what stands "
                 "between AND, expected the same", t->travel.key[0].frame, t->travel.key[k].frame);
    }
    return p;
}

/* The weights of AND as the sampling loop needs them. */
static const float *weights_as_float(Arena *a, WeightedTexts p)
{
    float *weight = allocate(a, p.count, sizeof *weight);
    for (size_t i = 0; i < p.count; i++) weight[i] = (float)p.at[i].weight;
    return weight;
}

/* -> [texts_per_call], in the order of a combination */
static ScheduledPrompt *read_prompts(Reader *r)
{
    TokenizedPrompts *t = r->t;
    const PromptSpecification *s = &t->specification;
    WeightedTexts *p = read_keys(r, s->prompt ? s->prompt : "");
    t->prompts = p[0];
    if (s->cfg > 1 || p[0].count > 1 || p[0].at[0].weight != 1) t->negatives = 1;
    t->prompt_weight = weights_as_float(r->a, p[0]);
    ScheduledPrompt *scheduled = allocate(r->a, (size_t)texts_per_call(t), sizeof *scheduled);
    size_t n = 0;
    if (t->negatives) scheduled[n++] = schedule(r, s->negative ? s->negative : "", "negative prompt");
    for (size_t k = 0; k < (size_t)keys(t); k++)
        for (size_t i = 0; i < p[k].count; i++) scheduled[n++] = schedule(r, p[k].at[i].text, "prompt");
    return scheduled;
}

/* The text of this prompt at this call, counted over both passes, as an index. */
static int text_at_call(Reader *r, const ScheduledPrompt *p, int call)
{
    TokenizedPrompts *t = r->t;
    size_t before = mark(r->a);
    int texts = t->texts;
    int first_pass = t->specification.calls;
    const char *text;
    if (call < first_pass) text = grammar_at_step(r->a, p->edits, 0, call);
    else                   text = grammar_at_step(r->a, p->edits, 1, call - first_pass);
    int index = index_of_text(r, text, p->kind);
    if (t->texts == texts) release(r->a, before);       /* a known text needs no second copy of its characters */
    return index;
}

/* The combination of texts at this call, as an index. */
static int combination_at_call(Reader *r, const ScheduledPrompt *scheduled, int call)
{
    TokenizedPrompts *t = r->t;
    size_t n = (size_t)texts_per_call(t);
    int *row = allocate(r->a, n, sizeof *row);
    for (size_t i = 0; i < n; i++) row[i] = text_at_call(r, &scheduled[i], call);
    for (int i = 0; i < t->combinations; i++)
        if (!memcmp(t->combination[i], row, n * sizeof *row)) return i;
    t->combination[t->combinations] = row;
    return t->combinations++;
}

/* The words to watch become tokens as the prompt's own do.  A phrase of more than a chunk is cut. */
static void read_watched(Reader *r)
{
    const PromptSpecification *s = &r->t->specification;
    Chunk *watched = allocate(r->a, s->watches, sizeof *watched);
    for (size_t i = 0; i < s->watches; i++) {
        chunks_tokenize(r->a, r->tokenizer, r->embeddings, s->watched[i], "word", r->scratch);
        watched[i] = r->scratch[0];
    }
    r->t->watched = watched;
}

static int any_edits(const ScheduledPrompt *scheduled, int n)
{
    for (int i = 0; i < n; i++)
        if (grammar_has_edits(scheduled[i].edits)) return 1;
    return 0;
}

static void read_calls(Reader *r)
{
    TokenizedPrompts *t = r->t;
    int *combination_of = allocate(r->a, (size_t)all_calls(t), sizeof *combination_of);
    const ScheduledPrompt *scheduled = read_prompts(r);
    t->combination = allocate(r->a, (size_t)all_calls(t), sizeof *t->combination);
    int edited = any_edits(scheduled, texts_per_call(t));
    for (int i = 0; i < all_calls(t); i++)
        combination_of[i] = i == 0 || edited ? combination_at_call(r, scheduled, i) : 0;
    t->combination_of = combination_of;
}

/* Copies the chunks of all texts into one table of ids and one of weights.  Short texts end in empty chunks. */
static void lay_out(Reader *r)
{
    TokenizedPrompts *t = r->t;
    size_t tokens = (size_t)t->texts * (size_t)t->chunks * CONTEXT;
    size_t at = 0;
    int *id = allocate(r->a, tokens, sizeof *id);
    float *weight = allocate(r->a, tokens, sizeof *weight);
    Chunk empty = chunk_empty(r->tokenizer);
    for (int i = 0; i < t->texts; i++)
        for (int c = 0; c < t->chunks; c++) {
            const Chunk *chunk = c < t->text[i].chunks ? &t->text[i].chunk[c] : &empty;
            memcpy(id + at, chunk->id, sizeof chunk->id);
            memcpy(weight + at, chunk->weight, sizeof chunk->weight);
            at += CONTEXT;
        }
    t->id = id;
    t->weight = weight;
}

/* " 2 at once, weights 1, 1.2" or " weight 1.2"; "" for a single prompt of weight 1 */
static const char *and_text(Arena *a, WeightedTexts p)
{
    if (p.count == 1 && p.at[0].weight == 1) return "";
    const char *line = p.count > 1 ? format(a, " %zu at once, weights ", p.count) : " weight ";
    for (size_t i = 0; i < p.count; i++) line = format(a, "%s%s%g", line, i ? ", " : "", p.at[i].weight);
    return line;
}

/* "prompt: 2 at once, weights 1, 1.2; 20 versions over the steps; travel over 3 keys", or the parts of it that apply */
static void report(Arena *a, const TokenizedPrompts *t, void (*say)(void *to, const char *line), void *to)
{
    const char *line = and_text(a, t->prompts);
    if (t->combinations > 1)
        line = format(a, "%s%s %d versions over the steps", line, *line ? ";" : "", t->combinations);
    if (t->travel.count)
        line = format(a, "%s%s travel over %zu keys%s", line, *line ? ";" : "", t->travel.count,
                      t->specification.closed_loop ? " and round" : "");
    if (*line && say) say(to, format(a, "prompt:%s", line));
}

const TokenizedPrompts *text_tokenize(Arena *a, const Weights *w, const PromptSpecification *specification,
                                      void (*say)(void *to, const char *line), void *to)
{
    int vocabulary = clip_vocabulary(w);
    TokenizedPrompts *t = allocate(a, 1, sizeof *t);
    *t = (TokenizedPrompts){ .specification = *specification };
    if (!vocabulary) return without_vocabulary(a, t);
    Reader r = { .a = a, .t = t };
    r.tokenizer = tokenizer_new(a, file_map(a, specification->merges), (size_t)vocabulary);
    r.embeddings = embeddings_open(a, r.tokenizer, specification->embedding, specification->embeddings,
                                   specification->lora, specification->loras, w);
    embeddings_collect(r.embeddings, specification->faults);
    r.scratch = allocate(a, MOST_CHUNKS, sizeof *r.scratch);
    read_calls(&r);
    read_watched(&r);
    lay_out(&r);
    t->learned = embeddings_rows(a, r.embeddings);
    embeddings_report(a, r.embeddings, say, to);
    report(a, t, say, to);
    return t;
}

/* ---- encoding --------------------------------------------------------------------------------- */

/* Emphasis, as in (word:1.2): the attention weights of a prompt, applied to the vectors of one chunk, x [77, width].
 *     z = x * weight.unsqueeze(-1);    x = z * (x.mean() / z.mean())            web UI: emphasis mode "Original" */
static void emphasize(float *x, const float *weight, size_t width)
{
    double before = 0;
    double after = 0;
    int plain = 1;
    for (size_t k = 0; k < CONTEXT; k++)
        if (weight[k] != 1) plain = 0;
    if (plain) return;
    for (size_t i = 0; i < CONTEXT * width; i++) {
        before += (double)x[i];
        x[i] *= weight[i / width];
        after += (double)x[i];
    }
    for (size_t i = 0; i < CONTEXT * width; i++) x[i] *= (float)(before / after);
}

/* -> [texts, 1, chunks * 77, width] */
static Tensor encode_texts(Run *r, const TokenizedPrompts *t)
{
    Arena *a = r->machine->mem;
    Tensor v = tensor(r, t->texts, 1, t->chunks * CONTEXT, clip_width(r->weights));
    int chunks = t->texts * t->chunks;
    size_t each = CONTEXT * (size_t)v.c;
    for (int i = 0; i < chunks; i += CHUNKS_PER_BATCH) {
        size_t before = mark(a);
        int n = chunks - i < CHUNKS_PER_BATCH ? chunks - i : CHUNKS_PER_BATCH;
        Tensor batch = clip_encode(r, t->id + (size_t)i * CONTEXT, n, t->specification.clip_skip, t->learned);
        check_finite(r, batch, (FiniteCheck){ .what = "the text encoder's result is not finite", .part = "te." });
        for (size_t k = 0; k < (size_t)n && !r->machine->dry; k++) {
            float *x = v.x + ((size_t)i + k) * each;
            memcpy(x, batch.x + k * each, each * sizeof *x);
            emphasize(x, t->weight + ((size_t)i + k) * CONTEXT, (size_t)v.c);
        }
        release(a, before);
    }
    return v;
}

/* Prompt travel: the keys before and after a frame, and where the frame lies between them, from 0 to 1. */
typedef struct { size_t from, to; double share; } Segment;

static Segment segment_at(const TokenizedPrompts *t, int frame)
{
    const Travel *v = &t->travel;
    size_t next = 0;                                    /* the first key after the frame */
    while (next < v->count && v->key[next].frame <= frame) next++;
    size_t last = v->count - 1;
    size_t from = next ? next - 1 : 0;
    size_t to = next < v->count ? next : last;
    if (t->specification.closed_loop && !next) from = last;
    if (t->specification.closed_loop && next == v->count) to = 0;
    int behind = frame - v->key[from].frame;
    int ahead = v->key[to].frame - frame;
    if (behind < 0) behind += t->specification.frames;
    if (ahead < 0) ahead += t->specification.frames;
    int stays = from == to || behind + ahead == 0;
    return (Segment){ .from = from, .to = to, .share = stays ? 0 : (double)behind / (behind + ahead) };
}

/* Where the tokens of a watched word stand in a text -> how many columns, and, unless it is NULL, the columns. */
static int columns_in_text(const TokenizedPrompts *t, size_t word, int text, int *column)
{
    const int *id = t->id + (size_t)text * (size_t)t->chunks * CONTEXT;
    const int *wanted = t->watched[word].id + 1;                /* behind BOS */
    int end = t->watched[word].id[CONTEXT - 1];                 /* EOS is the last of each chunk */
    int length = 0;
    while (length < CONTEXT - 2 && wanted[length] != end) length++;
    int count = 0;
    for (int i = 0; length && i + length <= t->chunks * CONTEXT; i++) {
        if (memcmp(id + i, wanted, (size_t)length * sizeof *id)) continue;
        for (int k = 0; k < length && column; k++) column[count + k] = i + k;
        count += length;
        i += length - 1;
    }
    return count;
}

int text_word_columns(const TokenizedPrompts *t, size_t word, int call, int prompt, int frame, int *column)
{
    if (prompt < t->negatives || !t->watched) return 0;
    const int *text = t->combination[t->combination_of[call]] + prompt;
    if (t->travel.count) {
        Segment s = segment_at(t, frame);
        text += (s.share < 0.5 ? s.from : s.to) * t->prompts.count;
    }
    return columns_in_text(t, word, *text, column);
}

int text_holds(const TokenizedPrompts *t, size_t word)
{
    for (int i = 0; i < t->combinations && t->watched; i++)
        for (int k = t->negatives; k < texts_per_call(t); k++)
            if (columns_in_text(t, word, t->combination[i][k], NULL)) return 1;
    return 0;
}

/* Slerp:  (sin((1-t) w) a + sin(t w) b) / sin w,   cos w = a.b / (|a| |b|) */
static void slerp(float *out, const float *a, const float *b, size_t n, double t)
{
    double aa = 0;
    double bb = 0;
    double ab = 0;
    for (size_t i = 0; i < n; i++) {
        aa += (double)a[i] * (double)a[i];
        bb += (double)b[i] * (double)b[i];
        ab += (double)a[i] * (double)b[i];
    }
    double cosine = ab / sqrt(aa * bb);
    double a_weight = 1 - t;
    double b_weight = t;
    if (fabs(cosine) <= 0.9995) {
        double angle = acos(cosine);
        a_weight = sin((1 - t) * angle) / sin(angle);
        b_weight = sin(t * angle) / sin(angle);
    }
    for (size_t i = 0; i < n; i++) out[i] = (float)(a_weight * (double)a[i] + b_weight * (double)b[i]);
}

/* One prompt of a combination at one frame -> out: [tokens, width].  prompt: the negative first, then those of AND. */
static void prompt_at_frame(float *out, const TokenizedPrompts *t, Tensor encoded, const int *combination,
                            int prompt, int frame)
{
    size_t each = size(encoded) / (size_t)encoded.n;
    if (!t->travel.count || prompt < t->negatives) {
        memcpy(out, encoded.x + (size_t)combination[prompt] * each, each * sizeof *out);
        return;
    }
    Segment s = segment_at(t, frame);
    const int *from = combination + s.from * t->prompts.count;
    const int *to = combination + s.to * t->prompts.count;
    slerp(out, encoded.x + (size_t)from[prompt] * each, encoded.x + (size_t)to[prompt] * each, each, s.share);
}

/* A batch of prompts: the negative prompt, then those of AND -> [prompts, 1 or frames, tokens, width] */
static Tensor combine(Run *r, const TokenizedPrompts *t, Tensor encoded, const int *combination)
{
    int frames = t->travel.count > 1 ? t->specification.frames : 1;
    Tensor batch = tensor(r, t->negatives + (int)t->prompts.count, frames, encoded.w, encoded.c);
    size_t each = size(encoded) / (size_t)encoded.n;
    if (r->machine->dry) return batch;
    for (int prompt = 0; prompt < batch.n; prompt++)
        for (int frame = 0; frame < frames; frame++)
            prompt_at_frame(batch.x + ((size_t)prompt * (size_t)frames + (size_t)frame) * each, t, encoded,
                            combination, prompt, frame);
    return batch;
}

const Conditioning *text_encode(Run *r, const TokenizedPrompts *t)
{
    Arena *a = r->machine->mem;
    Conditioning *conditioning = allocate(a, (size_t)all_calls(t), sizeof *conditioning);
    Tensor encoded = encode_texts(r, t);
    Tensor *combined = allocate(a, (size_t)t->combinations, sizeof *combined);
    for (int i = 0; i < t->combinations; i++) combined[i] = combine(r, t, encoded, t->combination[i]);
    for (int i = 0; i < all_calls(t); i++)
        conditioning[i] = (Conditioning){
            .text = combined[t->combination_of[i]],
            .has_negative = t->negatives,
            .weight = t->prompt_weight,
        };
    return conditioning;
}
