/* chunks.c - a prompt as CLIP reads it: chunks of 75 tokens with weights.
 *
 * CLIP's context is 77 tokens: BOS, 75 tokens, EOS.  Longer prompts fill several chunks.  Each chunk is encoded by
 * itself, and cross-attention reads all of them, one after the other, as in the web UI.
 *
 * Each stretch of equal weight is tokenized by itself, as in the web UI, so a word is cut where a bracket stands in
 * it.  The tokens are then laid into chunks.  The web UI's rules for the end of a chunk are kept in its order,
 * because a token at another place gives another picture:
 *
 *   - a comma's place is remembered, even when the comma is the token that does not fit any more
 *   - the token that does not fit moves to the next chunk, with all tokens behind the last comma if they are at most 20
 *   - an embedding that does not fit begins a new chunk, but no tokens move with it
 *
 * One thing differs: when vectors of an embedding move to the next chunk behind a comma, they stay the embedding's
 * vectors.  In the web UI they do not. */
#include "chunks.h"

#include "chars.h"
#include "grammar.h"

#include <math.h>
#include <string.h>

enum { BACKTRACK = 20, MOST_WEIGHT = 1000, NO_COMMA = -1 };

typedef struct {
    Arena           *a;
    const Tokenizer *tokenizer;
    const char      *what;
    Chunk           *chunk;
    int              count;         /* finished chunks; chunk[count] is being filled */
    int              size;          /* tokens in that chunk */
    int              comma;         /* place of its last comma among them, or NO_COMMA */
    int              comma_id;
} Layout;

/* Stable Diffusion 1.x pads with EOS. */
static void pad(Chunk *c, int from, const Tokenizer *t)
{
    for (int i = from; i < CONTEXT; i++) {
        c->id[i] = tokenizer_eos(t);
        c->weight[i] = 1;
    }
}

Chunk chunk_empty(const Tokenizer *t)
{
    Chunk c;
    c.id[0] = tokenizer_bos(t);
    c.weight[0] = 1;
    pad(&c, 1, t);
    return c;
}

/* Slot 0 is BOS, so token i of a chunk is in slot i + 1. */
static void put(Layout *l, int id, float weight)
{
    Chunk *c = &l->chunk[l->count];
    l->size++;
    c->id[l->size] = id;
    c->weight[l->size] = weight;
}

static void begin_chunk(Layout *l)
{
    if (l->count == MOST_CHUNKS)
        fail(l->a, "the %s fills more than %d chunks of %d tokens; shorten it", l->what, MOST_CHUNKS, CHUNK_TOKENS);
    l->chunk[l->count] = chunk_empty(l->tokenizer);
    l->size = 0;
    l->comma = NO_COMMA;
}

static void end_chunk(Layout *l)
{
    pad(&l->chunk[l->count], l->size + 1, l->tokenizer);
    l->count++;
}

static void next_chunk(Layout *l)
{
    end_chunk(l);
    begin_chunk(l);
}

/* What stands behind the last comma moves to the next chunk. */
static void next_chunk_from_comma(Layout *l)
{
    Chunk old = l->chunk[l->count];
    int from = l->comma + 1, to = l->size;
    l->size = from;
    next_chunk(l);
    for (int i = from; i < to; i++) put(l, old.id[i + 1], old.weight[i + 1]);
}

/* Puts one token, or the vectors of the embedding whose name begins here -> the number of tokens used. */
static size_t put_next(Layout *l, Embeddings *e, const int *id, size_t count, float weight)
{
    int full = l->size == CHUNK_TOKENS;
    if (id[0] == l->comma_id) l->comma = l->size;
    else if (full && l->comma != NO_COMMA && l->size - l->comma <= BACKTRACK) next_chunk_from_comma(l);
    if (l->size == CHUNK_TOKENS) next_chunk(l);
    EmbeddingMatch m = embeddings_match(l->a, e, id, count);
    if (!m.tokens) {
        put(l, id[0], weight);
        return 1;
    }
    if (l->size + m.vectors > CHUNK_TOKENS) next_chunk(l);
    for (int i = 0; i < m.vectors; i++) put(l, m.id + i, weight);
    return m.tokens;
}

static void check_weight(Layout *l, WeightedText p)
{
    if (fabs(p.weight) <= MOST_WEIGHT) return;
    fail(l->a, "the %s gives %s the weight %g, expected at most %d; too many brackets?",
         l->what, quoted(l->a, p.text), p.weight, MOST_WEIGHT);
}

static void put_stretch(Layout *l, Embeddings *e, WeightedText p)
{
    check_weight(l, p);
    Tokens tokens = tokenize(l->a, l->tokenizer, p.text, strlen(p.text));
    size_t i = 0;
    while (i < tokens.count) i += put_next(l, e, tokens.id + i, tokens.count - i, (float)p.weight);
}

int chunks_tokenize(Arena *a, const Tokenizer *t, Embeddings *e, const char *text, const char *what, Chunk *chunk)
{
    size_t before = mark(a);
    Layout l = { .a = a, .tokenizer = t, .what = what, .chunk = chunk };
    l.comma_id = tokenize(a, t, ",", 1).id[0];
    WeightedTexts p = grammar_emphasis(a, text, what);
    begin_chunk(&l);
    for (size_t i = 0; i < p.count; i++) {
        if (grammar_is_break(p.at[i])) next_chunk(&l);
        else put_stretch(&l, e, p.at[i]);
    }
    if (l.size || !l.count) end_chunk(&l);
    release(a, before);
    return l.count;
}
