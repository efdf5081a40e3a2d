/* captions.c - the caption of a picture: as each step sees it, and as token numbers.
 *
 * The order of the tags in a caption should not be learned: shuffle_caption gives each step another order.
 * caption_dropout_rate leaves captions out, as training for classifier-free guidance does (Ho and Salimans, 2022).
 * These and the other options are those of kohya's trainer, in the order in which it applies them: dropout of the
 * whole, one of the lines, prefix and suffix, {a|b}, tags (warm-up, shuffle, tag dropout), secondary separator.  Its
 * faults are mended:
 *     - of several lines the prefix reaches only the first there, and the suffix only the last; here each has both
 *     - keep_tokens_separator stays in the text there when nothing else moves the tags; here it never does
 *
 * The word that textual inversion trains has token numbers of its own, behind the vocabulary's (trainable.c).  Its
 * name is found as tokens, as in a prompt: "Sks" matches sks, and a name within a longer word does not match.  All
 * pictures show what the word means, so it is put in front of a caption that does not have it. */
#include "captions.h"

#include "chars.h"

#include <math.h>
#include <string.h>

static double uniform(Rng *rng) { return rng_bits(rng) * 0x1p-32; }

static const char *separator_of(const CaptionAugmentation *how)
{
    return how->caption_separator && *how->caption_separator ? how->caption_separator : ",";
}

/* ---- the whole caption -------------------------------------------------------------------------- */

static int is_dropped(const CaptionAugmentation *how, size_t epoch, Rng *rng)
{
    int every = how->caption_dropout_every_n_epochs;
    if (how->caption_dropout_rate > 0 && uniform(rng) < how->caption_dropout_rate) return 1;
    return every > 0 && epoch % (size_t)every == 0;
}

static const char *one_line(Arena *a, const char *caption, const CaptionAugmentation *how, Rng *rng)
{
    uint32_t lines = 1;
    for (const char *s = caption; *s; s++)
        if (*s == '\n') lines++;
    uint32_t chosen = how->enable_wildcard && lines > 1 ? rng_below(rng, lines) : 0;
    for (; chosen; chosen--) caption = strchr(caption, '\n') + 1;
    return copy(a, caption, strcspn(caption, "\n"));
}

/* kohya:  caption = prefix + " " + caption;  caption = caption + " " + suffix */
static const char *framed(Arena *a, const char *text, const CaptionAugmentation *how)
{
    if (how->caption_prefix) text = format(a, "%s %s", how->caption_prefix, text);
    if (how->caption_suffix) text = format(a, "%s %s", text, how->caption_suffix);
    return text;
}

/* "{{" and "}}" are one byte meanwhile, which no text in UTF-8 has. */
enum { OPEN = 0xFE, CLOSE = 0xFF };

static void escape_braces(char *text)
{
    char *to = text;
    for (const char *s = text; *s; s++) {
        char brace = *s;
        if ((brace == '{' || brace == '}') && s[1] == brace) {
            brace = (char)(brace == '{' ? OPEN : CLOSE);
            s++;
        }
        *to++ = brace;
    }
    *to = 0;
}

/* One of the alternatives in s: [n], which '|' separates -> its end in `to`, which may lie in s. */
static char *put_alternative(char *to, const char *s, size_t n, Rng *rng)
{
    uint32_t count = 1;
    for (size_t i = 0; i < n; i++)
        if (s[i] == '|') count++;
    const char *end = s + n;
    for (uint32_t chosen = rng_below(rng, count); chosen; chosen--) s = strchr(s, '|') + 1;
    const char *bar = memchr(s, '|', (size_t)(end - s));
    size_t length = (size_t)((bar ? bar : end) - s);
    memmove(to, s, length);
    return to + length;
}

/* kohya:  re.sub(r"\{([^}]+)\}", lambda match: random.choice(match.group(1).split("|")), caption) */
static const char *with_alternatives(Arena *a, const char *caption, Rng *rng)
{
    char *text = copy(a, caption, strlen(caption));
    escape_braces(text);
    char *to = text;                     /* never beyond s */
    for (const char *s = text; *s; ) {
        size_t n = *s == '{' ? strcspn(s + 1, "}") : 0;
        if (n && s[1 + n]) {
            to = put_alternative(to, s + 1, n, rng);
            s += n + 2;
        }
        else *to++ = *s++;
    }
    *to = 0;
    for (char *s = text; *s; s++) {
        if (*s == (char)OPEN) *s = '{';
        if (*s == (char)CLOSE) *s = '}';
    }
    return text;
}

/* ---- tags --------------------------------------------------------------------------------------- */

/* The tags of a caption: those that stay in front, those that may move, those that stay behind. */
typedef struct {
    char **tag;
    size_t front, movable, behind;
} Tags;

/* Appends the tags in text: [n] -> how many.  skips_empty: those that say nothing are left out. */
static size_t add_tags(Arena *a, char **to, const char *text, size_t n, const char *separator, int skips_empty)
{
    size_t count = 0;
    size_t width = strlen(separator);
    for (size_t at = 0; at <= n; ) {
        size_t end = at;
        while (end < n && (n - end < width || memcmp(text + end, separator, width))) end++;
        char *tag = trimmed(a, text + at, end - at);
        if (*tag || !skips_empty) to[count++] = tag;
        if (end == n) break;
        at = end + width;
    }
    return count;
}

static Tags tags_of(Arena *a, const char *text, const CaptionAugmentation *how)
{
    const char *separator = separator_of(how);
    const char *keep = how->keep_tokens_separator;
    const char *first = keep && *keep ? strstr(text, keep) : NULL;
    size_t n = strlen(text);
    Tags t = { .tag = allocate(a, n + 3, sizeof *t.tag) };
    if (!first) {
        t.movable = add_tags(a, t.tag, text, n, separator, 0);
        t.front = (size_t)how->keep_tokens < t.movable ? (size_t)how->keep_tokens : t.movable;
        t.movable -= t.front;
        return t;
    }
    const char *flexible = first + strlen(keep);
    const char *second = strstr(flexible, keep);
    const char *end = second ? second : text + n;
    t.front = add_tags(a, t.tag, text, (size_t)(first - text), separator, 1);
    t.movable = add_tags(a, t.tag + t.front, flexible, (size_t)(end - flexible), separator, 1);
    if (!second) return t;
    const char *last = second + strlen(keep);
    t.behind = add_tags(a, t.tag + t.front + t.movable, last, strlen(last), separator, 1);
    return t;
}

/* Leaves out the tags from .. to-1 of all that may move. */
static void leave_out(Tags *t, size_t from, size_t to)
{
    char **tag = t->tag + t->front;
    memmove(tag + from, tag + to, (t->movable + t->behind - to) * sizeof *tag);
    t->movable -= to - from;
}

/* kohya:  floor(step * ((len(flex_tokens) - token_warmup_min) / token_warmup_step)) + token_warmup_min */
static void warm_up(Tags *t, const CaptionAugmentation *how, size_t step)
{
    if (step >= (size_t)how->token_warmup_step) return;
    double more = (double)t->movable - how->token_warmup_min;
    double seen = floor((double)step * (more / how->token_warmup_step)) + how->token_warmup_min;
    if (seen < (double)t->movable) leave_out(t, (size_t)seen, t->movable);
}

/* Fisher-Yates, from the end down */
static void shuffle(char **tag, size_t n, Rng *rng)
{
    for (size_t i = n; i > 1; i--) {
        size_t j = rng_below(rng, (uint32_t)i);
        char *swapped = tag[i - 1];
        tag[i - 1] = tag[j];
        tag[j] = swapped;
    }
}

static void drop_tags(Tags *t, double rate, Rng *rng)
{
    for (size_t i = 0; i < t->movable; ) {
        if (uniform(rng) < rate) leave_out(t, i, i + 1);
        else i++;
    }
}

/* kohya:  ", ".join(fixed_tokens + flex_tokens + fixed_suffix_tokens), whatever the separator is */
static const char *joined(Arena *a, const Tags *t)
{
    StringBuilder text = string_builder(a);
    for (size_t i = 0; i < t->front + t->movable + t->behind; i++) {
        if (i) string_builder_add(&text, ", ");
        string_builder_add(&text, t->tag[i]);
    }
    return text.text;
}

static int moves_tags(const CaptionAugmentation *how)
{
    return how->shuffle_caption || how->token_warmup_step > 0 || how->caption_tag_dropout_rate > 0;
}

static int has_kept(const CaptionAugmentation *how, const char *text)
{
    const char *keep = how->keep_tokens_separator;
    return keep && *keep && strstr(text, keep);
}

static const char *with_tags_moved(Arena *a, const char *text, const CaptionAugmentation *how, size_t step, Rng *rng)
{
    Tags t = tags_of(a, text, how);
    warm_up(&t, how, step);
    if (how->shuffle_caption) shuffle(t.tag + t.front, t.movable, rng);
    if (how->caption_tag_dropout_rate > 0) drop_tags(&t, how->caption_tag_dropout_rate, rng);
    return joined(a, &t);
}

static const char *replaced(Arena *a, const char *text, const char *from, const char *to)
{
    const char *next;
    StringBuilder result = string_builder(a);
    for (; (next = strstr(text, from)); text = next + strlen(from)) {
        string_builder_add_bytes(&result, text, (size_t)(next - text));
        string_builder_add(&result, to);
    }
    string_builder_add(&result, text);
    return result.text;
}

/* ---- one step ----------------------------------------------------------------------------------- */

int caption_stays(const CaptionAugmentation *how)
{
    int may_be_dropped = how->caption_dropout_rate > 0 || how->caption_dropout_every_n_epochs > 0;
    return !may_be_dropped && !how->enable_wildcard && !moves_tags(how);
}

const char *caption_augmented(Arena *a, const char *caption, const CaptionAugmentation *how, size_t epoch, size_t step,
                              Rng *rng)
{
    const char *second = how->secondary_separator;
    if (is_dropped(how, epoch, rng)) return NULL;
    const char *text = framed(a, one_line(a, caption, how, rng), how);
    if (how->enable_wildcard) text = with_alternatives(a, text, rng);
    if (moves_tags(how) || has_kept(how, text)) text = with_tags_moved(a, text, how, step, rng);
    if (second && *second) text = replaced(a, text, second, separator_of(how));
    return text;
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

static Tokens tokens_of(Arena *a, const Captions *c, const char *caption, int name_it)
{
    if (!caption) return (Tokens){ 0 };
    Tokens tokens = tokenize(a, c->tokenizer, caption, strlen(caption));
    return c->word ? with_vectors(a, c, tokens, name_it) : tokens;
}

size_t caption_length(Arena *a, const Captions *c, const char *caption, int name_it)
{
    size_t before = mark(a);
    size_t count = tokens_of(a, c, caption, name_it).count;
    release(a, before);
    return count;
}

void caption_ids(Arena *a, const Captions *c, const char *caption, int name_it, int *ids)
{
    size_t before = mark(a);
    Tokens tokens = tokens_of(a, c, caption, name_it);
    for (size_t i = 0; i < (size_t)c->chunks * CONTEXT; i++) {
        size_t place = i % CONTEXT;
        size_t token = i / CONTEXT * CHUNK_TOKENS + place - 1;
        int is_token = place > 0 && place <= CHUNK_TOKENS && token < tokens.count;
        ids[i] = is_token ? tokens.id[token] : tokenizer_eos(c->tokenizer);
        if (place == 0) ids[i] = tokenizer_bos(c->tokenizer);
    }
    release(a, before);
}
