/* attention_maps.c - where in the picture the UNet looked at each word of the prompt: cross-attention maps.
 *
 * In each cross-attention, a pixel spreads its attention over the tokens of the prompt: softmax(q k' / sqrt(d)).  The
 * column of a token, as a picture, shows where the token was looked at.  DAAM (Tang et al., 2022) sums these columns
 * over all steps, and takes the mean over heads and layers.
 *
 * The fused kernels never store the softmax.  So a listener sees q and k before each attention and computes the wanted
 * columns once more, in plain loops; the picture stays the same to the byte.  Only the conditional half of the batch
 * counts.  A word's map is the mean over its tokens, each time that it stands in the prompt.  Of prompts that AND
 * joins, those that hold the word count.  Where context windows overlap, each counts as much as its prediction does.
 *
 * Invariant: a dry run sees the same layers in the same order, so the sums are allocated before the first call and lie
 * below everything that a call allocates.  Refused: more words than a chunk has tokens. */
#include "attention_maps.h"

#include "chars.h"
#include "chunks.h"

#include <math.h>
#include <stdio.h>
#include <string.h>

/* ---- the words --------------------------------------------------------------------------------- */

static void add_word(Arena *a, Lines *words, const char *word)
{
    if (!*word) return;
    lines_add_once(a, words, word);
    if (words->count > ATTENTION_WORDS)
        fail(a, "--attention has more than %d words; name those that you want to see", ATTENTION_WORDS);
}

/* Bytes of other alphabets count as letters. */
static int is_letter(unsigned char c)
{
    return c >= 128 || (lower(c) >= 'a' && lower(c) <= 'z');
}

/* The words of a prompt, without numbers and signs. */
static void add_all_words(Arena *a, Lines *words, const char *prompt)
{
    for (const char *at = prompt; *at && words->count < ATTENTION_WORDS; ) {
        size_t n = 0;
        while (is_letter((unsigned char)at[n])) n++;
        if (n) add_word(a, words, copy(a, at, n));
        at += n ? n : 1;
    }
}

Lines attention_words(Arena *a, const char *asked, const char *prompt)
{
    Lines words = { 0 };
    size_t count;
    char **part = comma_parts(a, asked, &count);
    if (count == 1 && same(part[0], "all")) add_all_words(a, &words, prompt);
    else for (size_t i = 0; i < count; i++) add_word(a, &words, part[i]);
    if (!words.count) fail(a, "--attention is %s, expected words of the prompt, as hair,sweater; or all",
                           quoted(a, asked));
    return words;
}

/* ---- one attention ----------------------------------------------------------------------------- */

/* The columns of the words in one picture's prompt: those of word i are token[end[i-1]] .. token[end[i]-1]. */
typedef struct { const int *token, *end; int words; } Columns;

/* NULL columns when the prompt of this picture holds none of the words. */
static Columns columns_of(Arena *a, const AttentionMaps *m, int prompt, int frame)
{
    int words = (int)m->words.count;
    int *end = allocate(a, (size_t)words, sizeof *end);
    int total = 0;
    for (int i = 0; i < words; i++) {
        total += text_word_columns(m->text, (size_t)i, m->window.call, prompt, frame, NULL);
        end[i] = total;
    }
    if (!total) return (Columns){ 0 };
    int *token = allocate(a, (size_t)total, sizeof *token);
    for (int i = 0; i < words; i++)
        text_word_columns(m->text, (size_t)i, m->window.call, prompt, frame, token + (i ? end[i - 1] : 0));
    return (Columns){ token, end, words };
}

/* p = softmax(q k' / sqrt(d)) of one pixel and head.  k: [tokens,row] */
static void softmax_over_tokens(float *p, const float *q, const float *k, size_t row, int tokens, int d)
{
    float scale = 1 / sqrtf((float)d);
    float most = -INFINITY;
    double sum = 0;
    for (int t = 0; t < tokens; t++) {
        float dot = 0;
        for (int i = 0; i < d; i++) dot += q[i] * k[(size_t)t * row + (size_t)i];
        p[t] = dot * scale;
        if (p[t] > most) most = p[t];
    }
    for (int t = 0; t < tokens; t++) {
        p[t] = expf(p[t] - most);
        sum += (double)p[t];
    }
    for (int t = 0; t < tokens; t++) p[t] = (float)((double)p[t] / sum);
}

/* One picture of a layer: its pixels and keys, and where its sums are, `apart` floats from one word to the next. */
typedef struct {
    const float *q, *k;
    float       *sum;
    size_t       apart;
    int          pixels, c, tokens, heads;
    float        weight;
} Seen;

static void add_pixel(const Seen *s, Columns columns, int pixel)
{
    float p[MOST_CHUNKS * CONTEXT];
    int d = s->c / s->heads;
    for (int head = 0; head < s->heads; head++) {
        const float *q = s->q + (size_t)pixel * (size_t)s->c + (size_t)head * (size_t)d;
        softmax_over_tokens(p, q, s->k + (size_t)head * (size_t)d, (size_t)s->c, s->tokens, d);
        for (int i = 0; i < columns.words; i++) {
            int from = i ? columns.end[i - 1] : 0;
            float share = 0;
            for (int j = from; j < columns.end[i]; j++) share += p[columns.token[j]];
            int times = columns.end[i] - from;
            if (times) s->sum[(size_t)i * s->apart + (size_t)pixel] += s->weight * share / (float)(times * s->heads);
        }
    }
}

/* ---- listening --------------------------------------------------------------------------------- */

static AttentionLayer *layer_named(AttentionMaps *m, const char *name)
{
    for (int i = 0; i < m->layers; i++)
        if (!strcmp(m->layer[i].name, name)) return &m->layer[i];
    return NULL;
}

/* "unet.down_blocks.0.attentions.1.transformer_blocks.0.attn2" -> "down_blocks.0.attentions.1" */
static void layer_name(char name[80], const char *layer)
{
    const char *from = !strncmp(layer, "unet.", 5) ? layer + 5 : layer;
    const char *end = strstr(from, ".transformer_blocks");
    snprintf(name, 80, "%.*s", end ? (int)(end - from) : 79, from);
}

static void add_layer(AttentionMaps *m, const char *name, Tensor q)
{
    if (layer_named(m, name) || m->layers == ATTENTION_LAYERS) return;
    AttentionLayer *l = &m->layer[m->layers++];
    *l = (AttentionLayer){ .h = q.h, .w = q.w };
    snprintf(l->name, sizeof l->name, "%s", name);
}

/* Adds what this attention gives each word, in all pictures of the batch. */
static void add_maps(AttentionMaps *m, const AttentionLayer *l, Tensor q, Tensor k, int heads)
{
    Machine *machine = m->run->machine;
    const WindowCall *window = &m->window;
    int pixels = q.h * q.w;
    for (int i = 0; i < q.n; i++) {
        size_t before = mark(machine->mem);
        int at = i % window->length;
        int frame = window->frame[at];
        Columns columns = columns_of(machine->mem, m, i / window->length, frame);
        Seen s = {
            .q = q.x + (size_t)i * (size_t)pixels * (size_t)q.c,
            .k = k.x + (size_t)(i / (q.n / k.n)) * (size_t)k.h * (size_t)k.c,
            .sum = l->sum + (size_t)frame * (size_t)pixels,
            .apart = (size_t)m->frames * (size_t)pixels,
            .pixels = pixels, .c = q.c, .tokens = k.h, .heads = heads,
            .weight = window->weight[at],
        };
#pragma omp parallel for schedule(static) num_threads(machine->threads)
        for (int pixel = 0; pixel < pixels * (columns.words > 0); pixel++) add_pixel(&s, columns, pixel);
        release(machine->mem, before);
    }
}

static void see(void *maps, const char *layer, Tensor q, Tensor k, int heads)
{
    AttentionMaps *m = maps;
    char name[80];
    size_t n = strlen(layer);
    if (n < 6 || strcmp(layer + n - 6, ".attn2")) return;      /* self-attention sees no word */
    layer_name(name, layer);
    if (m->run->machine->dry) {
        add_layer(m, name, q);
        m->run->machine->ops += 2.0 * (double)rows(q) * (double)k.h * (double)q.c;
        return;
    }
    const AttentionLayer *l = layer_named(m, name);
    if (l && l->h == q.h && l->w == q.w && k.h <= MOST_CHUNKS * CONTEXT) add_maps(m, l, q, k, heads);
}

static void at_window(void *maps, const WindowCall *c)
{
    AttentionMaps *m = maps;
    if (!m->calls || c->call != m->window.call) m->calls++;
    m->window = *c;
}

void attention_maps_begin(AttentionMaps *m, Run *r, Denoising *d, const TokenizedPrompts *text, int frames)
{
    m->run = r;
    m->text = text;
    m->frames = frames;
    m->calls = 0;
    m->all_calls = denoise_calls(d);
    m->listener = (AttentionListener){ .see = see, .to = m };
    if (r->machine->dry) m->layers = 0;
    for (int i = 0; i < m->layers; i++) {
        AttentionLayer *l = &m->layer[i];
        size_t floats = m->words.count * (size_t)frames * (size_t)l->h * (size_t)l->w;
        l->sum = allocate(r->machine->mem, floats, sizeof *l->sum);
        memset(l->sum, 0, floats * sizeof *l->sum);
    }
    r->listener = &m->listener;
    d->on_window = at_window;
    d->on_window_to = m;
}

void attention_maps_stop(AttentionMaps *m, Denoising *d)
{
    m->run->listener = NULL;
    d->on_window = NULL;
}

/* ---- maps -------------------------------------------------------------------------------------- */

const float *attention_layer_map(const AttentionMaps *m, size_t word, const AttentionLayer *layer)
{
    return layer->sum + word * (size_t)m->frames * (size_t)layer->h * (size_t)layer->w;
}

/* Cubic convolution (Keys, 1981) with a = -0.75, as torch has it: the weight of a sample at this distance. */
static float cubic_weight(float distance)
{
    const float a = -0.75f;
    float x = fabsf(distance);
    if (x <= 1) return ((a + 2) * x - (a + 3)) * x * x + 1;
    if (x < 2) return ((a * x - 5 * a) * x + 8 * a) * x - 4 * a;
    return 0;
}

/* The four samples of a side that a new sample i is made of, and their weights. */
typedef struct { int at[4]; float weight[4]; } Taps;

static Taps taps_at(int i, int from, int to)
{
    Taps t;
    float middle = ((float)i + 0.5f) * (float)from / (float)to - 0.5f;
    int first = (int)floorf(middle) - 1;
    for (int k = 0; k < 4; k++) {
        int at = first + k;
        t.weight[k] = cubic_weight(middle - (float)at);
        if (at < 0) at = 0;
        t.at[k] = at < from ? at : from - 1;
    }
    return t;
}

float *bicubic(Arena *a, const float *x, int n, int h, int w, int to_h, int to_w)
{
    float *y = allocate(a, (size_t)n * (size_t)to_h * (size_t)to_w, sizeof *y);
    float *out = y;
    for (int picture = 0; picture < n; picture++)
        for (int i = 0; i < to_h; i++)
            for (int j = 0; j < to_w; j++) {
                Taps row = taps_at(i, h, to_h);
                Taps column = taps_at(j, w, to_w);
                float sum = 0;
                for (int k = 0; k < 16; k++) {
                    size_t at = ((size_t)picture * (size_t)h + (size_t)row.at[k / 4]) * (size_t)w;
                    sum += row.weight[k / 4] * column.weight[k % 4] * x[at + (size_t)column.at[k % 4]];
                }
                *out++ = sum;
            }
    return y;
}

static int is_of_daam(const AttentionLayer *l) { return strncmp(l->name, "mid_", 4) != 0; }

float *attention_map(Arena *a, const AttentionMaps *m, size_t word, int *h, int *w)
{
    int layers = 0;
    *h = *w = 1;
    for (int i = 0; i < m->layers; i++) {
        const AttentionLayer *l = &m->layer[i];
        layers += is_of_daam(l);
        if (l->h > *h) *h = l->h;
        if (l->w > *w) *w = l->w;
    }
    size_t pixels = (size_t)m->frames * (size_t)*h * (size_t)*w;
    float *map = allocate(a, pixels, sizeof *map);
    memset(map, 0, pixels * sizeof *map);
    for (int i = 0; i < m->layers; i++) {
        const AttentionLayer *l = &m->layer[i];
        size_t before = mark(a);
        if (!is_of_daam(l)) continue;
        const float *grown = bicubic(a, attention_layer_map(m, word, l), m->frames, l->h, l->w, *h, *w);
        for (size_t k = 0; k < pixels; k++) map[k] += fmaxf(grown[k], 0) / (float)layers;
        release(a, before);
    }
    return map;
}
