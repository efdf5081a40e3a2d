/* clip.c - words to vectors.
 *
 *     h = token embedding + position embedding
 *     each layer:  h += out_proj(causal attention(layer_norm1 h));  h += fc2(quick_gelu(fc1(layer_norm2 h)))
 *     final_layer_norm
 *
 * The table of tokens goes on with the vectors of embeddings in use.  Heads are 64 channels wide.  Clip skip leaves out the
 * last layers, never the final norm. */
#include "clip.h"

#include <stdio.h>
#include <string.h>

static const char TOKENS[] = "te.text_model.embeddings.token_embedding.weight", POSITIONS[] = "te.text_model.embeddings.position_embedding.weight";
enum { HEAD = 64, MOST_LAYERS = 64 };

static int table_size(const Weights *w, size_t dim)
{
    const Weight *e = weights_find(w, TOKENS);
    return e && e->rank == 2 && e->shape[dim] < 1 << 24 ? (int)e->shape[dim] : 0;
}

int clip_vocabulary(const Weights *w) { return table_size(w, 0); }
int clip_width(const Weights *w)      { return table_size(w, 1); }

void clip_token(const Weights *w, int id, float *to)
{
    const Weight *e = weights_find(w, TOKENS);
    dtype_widen(to, e->data, e->type, (size_t)id * e->shape[1], e->shape[1]);
}

int clip_layers(const Weights *w)
{
    int n = 0;
    for (int i = 0; i < MOST_LAYERS; i++) {
        char first[80], last[80];
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

/* a table [at least count, c]; NULL after a complaint */
static const Weight *table(Run *r, const char *name, size_t count)
{
    const Weight *t = weights_find(r->weights, name);
    if (!t) problem(r, "%s is missing", name);
    else if (t->rank != 2 || t->shape[0] < count || t->shape[1] > 1 << 16)
        problem(r, "%s is %s, expected [%zu or more,width]", name, shape_text(r->machine->mem, t->rank, t->shape), count);
    else return t;
    return NULL;
}

/* the row of the table that id stands for: of the vocabulary, or behind it of what was learned */
static void token_row(float *to, const Weight *token, const float *learned, size_t id)
{
    size_t c = token->shape[1], known = token->shape[0];
    if (id < known) dtype_widen(to, token->data, token->type, id * c, c);
    else memcpy(to, learned + (id - known) * c, c * sizeof *to);
}

/* h = learned[id - first] + position:  d learned[id - first] += dh */
static void embed_back(Machine *m, const Note *n)
{
    size_t c = (size_t)n->y.t.c;
    for (size_t i = 0; i < rows(n->y.t) && !m->dry; i++)
        for (size_t j = 0; j < c && n->rows.ids[i] >= n->rows.first; j++) n->rows.d[(size_t)(n->rows.ids[i] - n->rows.first) * c + j] += n->y.d[i * c + j];
}

static Tensor embed(Run *r, const int *ids, int n, const float *learned)
{
    const Weight *token = table(r, TOKENS, 1), *position = table(r, POSITIONS, CONTEXT);
    Tensor h = tensor(r, n, CONTEXT, 1, token ? (int)token->shape[1] : 0);
    if (!token || !position || token->shape[1] != position->shape[1]) {
        if (token && position) problem(r, "%s and %s differ in width", TOKENS, POSITIONS);
        return h;
    }
    size_t c = (size_t)h.c;
    for (size_t i = 0; i < rows(h) && !r->machine->dry; i++) {
        token_row(h.x + i * c, token, learned, (size_t)ids[i]);
        for (size_t j = 0; j < c; j++) h.x[i * c + j] += dtype_value(position->data, position->type, i % CONTEXT * c + j);
    }
    float *d = learning_gradient(r->learner, learned);
    return d ? noted(r->machine, r->tape, h, (Note){ embed_back, .learns = 1, .rows = { ids, (int)token->shape[0], d } }) : h;
}

typedef struct { int i; Tensor h; } Layer;

static Tensor encoder_layer(void *run, const void *told)
{
    Run *r = run;
    Tensor h = ((const Layer *)told)->h;
    size_t before = mark(r->machine->mem);
    const char *p = format(r->machine->mem, "te.text_model.encoder.layers.%d", ((const Layer *)told)->i);
    Tensor y = layer_norm(r, at(r, p, "layer_norm1"), h);
    Tensor q = linear(r, at(r, p, "self_attn.q_proj"), y), k = linear(r, at(r, p, "self_attn.k_proj"), y), v = linear(r, at(r, p, "self_attn.v_proj"), y);
    h = add(r, h, linear(r, at(r, p, "self_attn.out_proj"), attention(r, q, k, v, h.c < HEAD ? 1 : h.c / HEAD, CAUSAL)));
    y = linear(r, at(r, p, "mlp.fc1"), layer_norm(r, at(r, p, "layer_norm2"), h));
    h = add(r, h, linear(r, at(r, p, "mlp.fc2"), quick_gelu(r, y)));
    release(r->machine->mem, before);
    return h;
}

Tensor clip_encode(Run *r, const int *ids, int n, int skip, const float *learned)
{
    size_t before = mark(r->machine->mem);
    Tensor h = embed(r, ids, n, learned);
    for (int i = 0, layers = clip_layers(r->weights); i + skip <= layers; i++)
        h = recomputed(r, encoder_layer, &(Layer){ i, h }, sizeof(Layer), (Tensor[INPUTS]){ h });
    return keep(r, before, layer_norm(r, "te.text_model.final_layer_norm", h));
}
