/* clip.c - CLIP's text encoder: token numbers to vectors.
 *
 *     h = token embedding + position embedding
 *     each layer:  h += out_proj(causal self-attention(layer_norm1 h));   h += fc2(quick_gelu(fc1(layer_norm2 h)))
 *     final_layer_norm
 *
 * The token embedding table is followed by the vectors of textual inversion: token numbers from the vocabulary's size
 * on are rows of those.  Heads are 64 channels wide.  Clip skip leaves out the last layers, never the final norm.
 * Names as in transformers' CLIPTextModel. */
#include "clip.h"

#include "trainable.h"

#include <stdio.h>
#include <string.h>

static const char TOKENS[] = "te.text_model.embeddings.token_embedding.weight";
static const char POSITIONS[] = "te.text_model.embeddings.position_embedding.weight";
enum { HEAD_WIDTH = 64, MOST_LAYERS = 64 };

/* ---- what the weights say ---------------------------------------------------------------------- */

static int table_size(const Weights *w, size_t dim)
{
    const Weight *e = weights_find(w, TOKENS);
    return e && e->rank == 2 && e->shape[dim] < 1 << 24 ? (int)e->shape[dim] : 0;
}

int clip_vocabulary(const Weights *w)
{
    return table_size(w, 0);
}

int clip_width(const Weights *w)
{
    return table_size(w, 1);
}

void clip_token(const Weights *w, int id, float *to)
{
    const Weight *e = weights_find(w, TOKENS);
    dtype_to_float(to, e->data, e->type, (size_t)id * e->shape[1], e->shape[1]);
}

int clip_layers(const Weights *w)
{
    int n = 0;
    for (int i = 0; i < MOST_LAYERS; i++) {
        char first[80];
        char last[80];
        snprintf(first, sizeof first, "te.text_model.encoder.layers.%d.layer_norm1.weight", i);
        snprintf(last, sizeof last, "te.text_model.encoder.layers.%d.mlp.fc2.weight", i);
        if (weights_find(w, first) || weights_find(w, last)) n = i + 1;
    }
    return n;
}

void clip_check_skip(Arena *a, const Weights *w, int skip)
{
    int layers = clip_layers(w);
    if (layers && skip > layers) fail(a, "Clip skip is %d, but this text encoder has %d layers", skip, layers);
}

/* ---- embeddings -------------------------------------------------------------------------------- */

/* The embedding table of this name, [count or more, width].  Returns NULL after reporting a problem. */
static const Weight *table(Run *r, const char *name, size_t count)
{
    const Weight *t = weights_find(r->weights, name);
    if (!t) {
        problem(r, "%s is missing", name);
        return NULL;
    }
    if (t->rank == 2 && t->shape[0] >= count && t->shape[1] <= 1 << 16) return t;
    const char *found = shape_text(r->machine->mem, t);
    problem(r, "%s is %s, expected [%zu or more,width]", name, found, count);
    return NULL;
}

/* nn.Embedding.  The vector of a token is a row of the vocabulary's table, or of the vectors of textual inversion. */
static void token_embedding(float *to, const Weight *token, const float *learned, size_t id)
{
    size_t c = token->shape[1];
    size_t vocabulary = token->shape[0];
    if (id < vocabulary) dtype_to_float(to, token->data, token->type, id * c, c);
    else memcpy(to, learned + (id - vocabulary) * c, c * sizeof *to);
}

/* The gradient of textual inversion (Gal et al., 2022):  h[i] = learned[ids[i] - first] + position[i mod 77]
 * d learned[ids[i] - first] += dh[i];   everything else is frozen.  trainable.c says what becomes of it. */
static void textual_inversion_backward(Machine *m, const Op *op)
{
    size_t c = (size_t)op->y.t.c;
    if (m->dry) return;
    for (size_t i = 0; i < rows(op->y.t); i++) {
        int row = op->embedding.ids[i] - op->embedding.first;
        if (row < 0) continue;               /* a token of the vocabulary */
        float *d = op->embedding.d + (size_t)row * c;
        for (size_t j = 0; j < c; j++) d[j] += op->y.d[i * c + j];
    }
}

/* CLIPTextEmbeddings:  h[i] = token embedding of ids[i] + position embedding of place i mod 77 */
static Tensor embed(Run *r, const int *ids, int n, const float *learned)
{
    const Weight *token = table(r, TOKENS, 1);
    const Weight *position = table(r, POSITIONS, CONTEXT);
    Tensor h = tensor(r, n, CONTEXT, 1, token ? (int)token->shape[1] : 0);
    if (!token || !position) return h;
    if (token->shape[1] != position->shape[1]) {
        problem(r, "%s and %s differ in width", TOKENS, POSITIONS);
        return h;
    }
    size_t c = (size_t)h.c;
    for (size_t i = 0; i < rows(h) && !r->machine->dry; i++) {
        float *x = h.x + i * c;
        size_t at = i % CONTEXT * c;
        token_embedding(x, token, learned, (size_t)ids[i]);
        for (size_t j = 0; j < c; j++) x[j] += dtype_value(position->data, position->type, at + j);
    }
    float *d = trainable_gradient(r->trainable, learned);
    if (!d) return h;
    Op op = {
        .backward = textual_inversion_backward,
        .is_leaf = 1,
        .embedding = { .ids = ids, .first = (int)token->shape[0], .d = d },
    };
    return record(r->machine, r->tape, h, op);
}

/* ---- the transformer --------------------------------------------------------------------------- */

static Tensor self_attention(Run *r, const char *p, Tensor y)
{
    Tensor q = linear(r, at(r, p, "self_attn.q_proj"), y);
    Tensor k = linear(r, at(r, p, "self_attn.k_proj"), y);
    Tensor v = linear(r, at(r, p, "self_attn.v_proj"), y);
    int heads = y.c < HEAD_WIDTH ? 1 : y.c / HEAD_WIDTH;
    return linear(r, at(r, p, "self_attn.out_proj"), attention(r, q, k, v, heads, CAUSAL));
}

typedef struct { int i; Tensor h; } Layer;

/* CLIPEncoderLayer:  h += self_attn(layer_norm1 h);   h += mlp(layer_norm2 h) */
static Tensor encoder_layer(void *run, const void *args)
{
    Run *r = run;
    const Layer *layer = args;
    Tensor h = layer->h;
    size_t before = mark(r->machine->mem);
    const char *p = format(r->machine->mem, "te.text_model.encoder.layers.%d", layer->i);
    h = add(r, h, self_attention(r, p, layer_norm(r, at(r, p, "layer_norm1"), h)));
    Tensor y = linear(r, at(r, p, "mlp.fc1"), layer_norm(r, at(r, p, "layer_norm2"), h));
    h = add(r, h, linear(r, at(r, p, "mlp.fc2"), quick_gelu(r, y)));
    release(r->machine->mem, before);
    return h;
}

/* Clip skip: the last skip - 1 layers are not run. */
Tensor clip_encode(Run *r, const int *ids, int n, int skip, const float *learned)
{
    size_t before = mark(r->machine->mem);
    int layers = clip_layers(r->weights) - skip + 1;
    Tensor h = embed(r, ids, n, learned);
    for (int i = 0; i < layers; i++) {
        Layer layer = { i, h };
        Tensor inputs[INPUTS] = { h };
        h = checkpointed(r, encoder_layer, &layer, sizeof layer, inputs);
    }
    return compact(r, before, layer_norm(r, "te.text_model.final_layer_norm", h));
}

/* ---- chunks of a caption -------------------------------------------------------------------------- */

/* Row i of the joined text: the begin of the first chunk, the 75 tokens of each, the end of the last. */
static size_t joined_row(size_t i, size_t chunks)
{
    size_t chunk = i ? (i - 1) / CHUNK_TOKENS : 0;
    if (chunk == chunks) return chunks * CONTEXT - 1;
    return i + chunk * (CONTEXT - CHUNK_TOKENS);
}

static void join_chunks_backward(Machine *m, const Op *op)
{
    size_t c = (size_t)op->y.t.c;
    size_t chunks = (size_t)op->in[0].t.n;
    if (m->dry) return;
    for (size_t i = 0; i < rows(op->y.t); i++) {
        float *d = op->in[0].d + joined_row(i, chunks) * c;
        for (size_t j = 0; j < c; j++) d[j] += op->y.d[i * c + j];
    }
}

Tensor clip_join_chunks(Run *r, Tensor t)
{
    size_t c = (size_t)t.c;
    if (t.n == 1) return (Tensor){ .n = 1, .h = 1, .w = t.h, .c = t.c, .x = t.x, .from = t.from };
    Tensor y = tensor(r, 1, 1, t.n * CHUNK_TOKENS + 2, t.c);
    for (size_t i = 0; i < rows(y) && !r->machine->dry; i++)
        memcpy(y.x + i * c, t.x + joined_row(i, (size_t)t.n) * c, c * sizeof *y.x);
    return record(r->machine, r->tape, y, (Op){ .backward = join_chunks_backward, .in = { { t } } });
}
