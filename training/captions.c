/* captions.c - the caption of a picture, as token numbers.
 *
 * The word that textual inversion trains has token numbers of its own, behind the vocabulary's (trainable.c).  Its
 * name is found as tokens, as in a prompt: "Sks" matches sks, and a name within a longer word does not match.  All
 * pictures show what the word means, so it is put in front of a caption that does not have it.
 *
 * The order of the tags in a caption should not be learned: shuffle_caption gives each step another order.
 * caption_dropout_rate leaves captions out, as training for classifier-free guidance does (Ho and Salimans, 2022). */
#include "captions.h"

#include "chars.h"

#include <string.h>

/* ---- augmentation ------------------------------------------------------------------------------ */

/* Fisher-Yates, from the end down to the parts that stay */
static void shuffle(char **part, size_t parts, size_t keep, Rng *rng)
{
    for (size_t i = parts; i > keep + 1; i--) {
        size_t j = keep + rng_below(rng, (uint32_t)(i - keep));
        char *swapped = part[i - 1];
        part[i - 1] = part[j];
        part[j] = swapped;
    }
}

static const char *shuffled(Arena *a, const char *caption, int keep, Rng *rng)
{
    size_t parts;
    char **part = comma_parts(a, caption, &parts);
    const char *text = "";
    shuffle(part, parts, (size_t)keep, rng);
    for (size_t i = 0; i < parts; i++) text = format(a, "%s%s%s", text, i ? ", " : "", part[i]);
    return text;
}

const char *caption_augmented(Arena *a, const char *caption, CaptionAugmentation how, Rng *rng)
{
    if (how.caption_dropout_rate > 0 && rng_bits(rng) * 0x1p-32 < how.caption_dropout_rate) return NULL;
    return how.shuffle_caption ? shuffled(a, caption, how.keep_tokens, rng) : caption;
}

/* ---- token numbers ------------------------------------------------------------------------------ */

static void put_vectors(const Captions *c, int *id)
{
    for (int k = 0; k < c->vectors; k++) id[k] = c->first + k;
}

static int stands_here(Tokens name, const int *id, size_t left)
{
    return name.count && name.count <= left && !memcmp(id, name.id, name.count * sizeof *name.id);
}

/* Puts the vectors in place of the word's name. */
static Tokens with_vectors(Arena *a, const Captions *c, Tokens caption, int name_it)
{
    Tokens name = tokenize(a, c->tokenizer, c->word, strlen(c->word));
    size_t vectors = (size_t)c->vectors;
    size_t n = vectors;                  /* in front there is room for the vectors once more */
    int found = 0;
    int *id = allocate(a, (caption.count + 1) * vectors + caption.count, sizeof *id);
    for (size_t i = 0; i < caption.count; ) {
        if (stands_here(name, caption.id + i, caption.count - i)) {
            put_vectors(c, id + n);
            n += vectors;
            i += name.count;
            found = 1;
        }
        else id[n++] = caption.id[i++];
    }
    put_vectors(c, id);
    if (found || !name_it) return (Tokens){ id + vectors, n - vectors };
    return (Tokens){ id, n };
}

void caption_ids(Arena *a, const Captions *c, const char *caption, int name_it, int ids[CONTEXT])
{
    size_t before = mark(a);
    Tokens tokens = { 0 };
    if (caption) tokens = tokenize(a, c->tokenizer, caption, strlen(caption));
    if (caption && c->word) tokens = with_vectors(a, c, tokens, name_it);
    ids[0] = tokenizer_bos(c->tokenizer);
    for (size_t i = 0; i + 1 < CONTEXT; i++) {
        int is_token = i < CHUNK_TOKENS && i < tokens.count;
        ids[i + 1] = is_token ? tokens.id[i] : tokenizer_eos(c->tokenizer);
    }
    release(a, before);
}
