/* chunks.c - a prompt as CLIP reads it.
 *
 * Stretches of equal weight are tokenized each by itself, as the web UI does, so a word is cut where a bracket stands in it.  Tokens are
 * then laid one behind another into chunks.  Every rule of the web UI's about where a chunk ends is here, in its order, for
 * a token in another place is another picture:
 *
 *   - a comma is remembered where it stands, even when it is the token that does not fit any more
 *   - the token that does not fit takes along what stands behind that comma, when that is at most 20 tokens
 *   - an embedding that does not fit begins a new chunk, but takes nothing along
 *
 * One thing is mended: vectors of an embedding that move to the next chunk with their comma stay the embedding's. */
#include "chunks.h"

#include "chars.h"
#include "grammar.h"

#include <math.h>
#include <string.h>

enum { BACKTRACK = 20, MOST_WEIGHT = 1000 };

typedef struct {
    Arena           *a;
    const Tokenizer *t;
    const char      *what;
    Chunk           *chunk;
    int              count;         /* chunks that are done */
    int              size, comma;   /* tokens in the one that is not; the place of its last comma, -1: far off */
    int              comma_id;
} Layout;

/* the chunk's slots begin behind the beginning of text */
static void put(Layout *l, int id, float weight)
{
    Chunk *c = &l->chunk[l->count];
    c->id[++l->size] = id;
    c->weight[l->size] = weight;
}

static void begin(Layout *l)
{
    if (l->count == MOST_CHUNKS) fail(l->a, "the %s fills more than %d chunks of %d tokens; shorten it", l->what, MOST_CHUNKS, CHUNK_TOKENS);
    l->chunk[l->count].id[0] = tokenizer_bos(l->t);
    l->chunk[l->count].weight[0] = 1;
    l->size = 0, l->comma = -1;
}

/* the rest is filled up with the end of text (Stable Diffusion 1.x pads so) */
static void end(Layout *l)
{
    Chunk *c = &l->chunk[l->count++];
    for (int i = l->size + 1; i < CONTEXT; i++) c->id[i] = tokenizer_eos(l->t), c->weight[i] = 1;
}

static void next(Layout *l) { end(l), begin(l); }

/* what stands behind the last comma goes to the next chunk */
static void next_from_comma(Layout *l)
{
    Chunk *c = &l->chunk[l->count];
    int from = l->comma + 1, to = l->size;
    Chunk old = *c;
    l->size = from;
    next(l);
    for (int i = from; i < to; i++) put(l, old.id[i + 1], old.weight[i + 1]);
}

/* one token, or the tokens of an embedding's name -> how many they are */
static size_t put_next(Layout *l, Embeddings *e, const int *id, size_t count, float weight)
{
    if (id[0] == l->comma_id) l->comma = l->size;
    else if (l->size == CHUNK_TOKENS && l->size - l->comma <= BACKTRACK) next_from_comma(l);
    if (l->size == CHUNK_TOKENS) next(l);
    EmbeddingMatch m = embeddings_match(l->a, e, id, count);
    if (!m.tokens) {
        put(l, id[0], weight);
        return 1;
    }
    if (l->size + m.vectors > CHUNK_TOKENS) next(l);
    for (int i = 0; i < m.vectors; i++) put(l, m.id + i, weight);
    return m.tokens;
}

static void check_weight(Layout *l, Phrase p)
{
    if (fabs(p.weight) <= MOST_WEIGHT) return;
    fail(l->a, "the %s gives %s the weight %g, expected at most %d; too many brackets?", l->what, quoted(l->a, p.text), p.weight, MOST_WEIGHT);
}

int chunks_of(Arena *a, const Tokenizer *t, Embeddings *e, const char *text, const char *what, Chunk *chunk)
{
    size_t before = mark(a);
    Layout l = { a, t, what, chunk, 0, 0, -1, *tokenize(a, t, ",", 1).id };
    Phrases p = grammar_emphasis(a, text, what);
    begin(&l);
    for (size_t i = 0; i < p.count; i++) {
        if (grammar_break(p.at[i])) { next(&l); continue; }
        check_weight(&l, p.at[i]);
        Tokens tokens = tokenize(a, t, p.at[i].text, strlen(p.at[i].text));
        for (size_t k = 0; k < tokens.count; ) k += put_next(&l, e, tokens.id + k, tokens.count - k, (float)p.at[i].weight);
    }
    if (l.size || !l.count) end(&l);
    release(a, before);
    return l.count;
}
