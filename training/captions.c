/* captions.c - what is said of a picture, as token numbers.
 *
 * A word that is learned has token numbers of its own, behind the vocabulary's.  Its name is found as tokens, as in a prompt, so
 * "Sks" is sks, and a name within a longer word is none.  A caption that does not name it is about it all the same: it
 * goes in front.
 *
 * Captions that are lists of words, as taggers write them, should not be learned as an order: each step may see another. */
#include "captions.h"

#include "chars.h"

#include <string.h>

static const char *shuffled(Arena *a, const char *caption, int keep, Rng *rng)
{
    size_t parts;
    char **part = comma_parts(a, caption, &parts);
    const char *text = "";
    for (size_t i = parts; i > (size_t)keep + 1; i--) {
        size_t j = (size_t)keep + rng_below(rng, (uint32_t)(i - (size_t)keep));
        char *kept = part[i - 1];
        part[i - 1] = part[j], part[j] = kept;
    }
    for (size_t i = 0; i < parts; i++) text = format(a, "%s%s%s", text, i ? ", " : "", part[i]);
    return text;
}

const char *caption_drawn(Arena *a, const char *caption, CaptionChance chance, Rng *rng)
{
    if (chance.drop > 0 && rng_bits(rng) * 0x1p-32 < chance.drop) return NULL;
    return chance.shuffle ? shuffled(a, caption, chance.keep, rng) : caption;
}

static size_t put_word(const Captions *c, int *id)
{
    for (int k = 0; k < c->vectors; k++) id[k] = c->first + k;
    return (size_t)c->vectors;
}

static Tokens with_word(Arena *a, const Captions *c, Tokens caption, int learned)
{
    Tokens name = tokenize(a, c->tokenizer, c->word, strlen(c->word));
    size_t vectors = (size_t)c->vectors, n = vectors, found = 0;
    int *id = take(a, (caption.count + 1) * vectors + caption.count, sizeof *id);
    for (size_t i = 0; i < caption.count; i++) {
        int here = name.count && name.count <= caption.count - i && !memcmp(caption.id + i, name.id, name.count * sizeof *name.id);
        if (!here) { id[n++] = caption.id[i]; continue; }
        n += put_word(c, id + n);
        i += name.count - 1, found = 1;
    }
    put_word(c, id);
    return found || !learned ? (Tokens){ id + vectors, n - vectors } : (Tokens){ id, n };
}

void caption_ids(Arena *a, const Captions *c, const char *caption, int learned, int ids[CONTEXT])
{
    size_t before = mark(a);
    Tokens tokens = caption ? tokenize(a, c->tokenizer, caption, strlen(caption)) : (Tokens){ 0 };
    if (c->word && caption) tokens = with_word(a, c, tokens, learned);
    ids[0] = tokenizer_bos(c->tokenizer);
    for (size_t i = 0; i + 1 < CONTEXT; i++) ids[i + 1] = i < CHUNK_TOKENS && i < tokens.count ? tokens.id[i] : tokenizer_eos(c->tokenizer);
    release(a, before);
}
