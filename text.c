/* text.c - prompts to vectors.
 *
 * CLIP reads 77 tokens at a time: a beginning, 75 of the prompt, an end.  A longer prompt is cut into chunks that are
 * encoded each by itself and stand behind one another in the result.  Both prompts get as many chunks as the longer one
 * needs: were one shorter, a clip would be split in two. */
#include "text.h"

#include "clip.h"
#include "tokenizer.h"

#include <string.h>

enum { MOST_CHUNKS = 64 };

struct Text {
    Wording    wording;
    const int *ids;              /* [prompts, chunks, 77], the negative first; NULL when there is no vocabulary */
    int        prompts, chunks;
};

/* chunks of begin, 75 tokens, end; short ones filled up with end (Stable Diffusion 1.x pads so) */
static void lay_out(int *ids, Tokens t, int chunks, int begin, int end)
{
    for (int c = 0; c < chunks; c++, ids += CONTEXT) {
        ids[0] = begin;
        for (int i = 0; i < CONTEXT - 1; i++) {
            size_t k = (size_t)c * CHUNK_TOKENS + (size_t)i;
            ids[i + 1] = i < CHUNK_TOKENS && k < t.count ? t.id[k] : end;
        }
    }
}

const Text *text_read(Arena *a, const Weights *w, const Wording *wording)
{
    Text *t = take(a, 1, sizeof *t);
    const char *text[2] = { wording->negative ? wording->negative : "", wording->prompt ? wording->prompt : "" };
    int vocabulary = clip_vocabulary(w), first = wording->cfg > 1 ? 0 : 1;
    *t = (Text){ *wording, NULL, 2 - first, 1 };
    if (!vocabulary) return t;                   /* the dry run will say what is missing */
    Tokenizer *tokenizer = tokenizer_new(a, file_map(a, wording->merges), (size_t)vocabulary);
    Tokens tokens[2] = { { 0 } };
    for (int i = first; i < 2; i++) {
        tokens[i] = tokenize(a, tokenizer, text[i], strlen(text[i]));
        if (tokens[i].count > MOST_CHUNKS * CHUNK_TOKENS) fail(a, "the %s has %zu tokens, expected at most %d; shorten it", i ? "prompt" : "negative prompt", tokens[i].count, MOST_CHUNKS * CHUNK_TOKENS);
        int chunks = (int)((tokens[i].count + CHUNK_TOKENS - 1) / CHUNK_TOKENS);
        if (chunks > t->chunks) t->chunks = chunks;
    }
    int *ids = take(a, (size_t)t->prompts * (size_t)t->chunks * CONTEXT, sizeof *ids);
    for (int i = first; i < 2; i++) lay_out(ids + (size_t)((i - first) * t->chunks) * CONTEXT, tokens[i], t->chunks, tokenizer_bos(tokenizer), tokenizer_eos(tokenizer));
    t->ids = ids;
    return t;
}

const Guide *text_encode(Run *r, const Text *t)
{
    static const float one[] = { 1 };
    Arena *a = r->machine->mem;
    Guide *guide = take(a, (size_t)t->wording.calls, sizeof *guide);
    Tensor v = clip_encode(r, t->ids, t->prompts * t->chunks, t->wording.clip_skip);
    for (int i = 0; i < t->wording.calls; i++) guide[i] = (Guide){ { t->prompts, 1, t->chunks * CONTEXT, v.c, v.x }, t->prompts == 2, one };
    return guide;
}
