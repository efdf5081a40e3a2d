/* tokenizer.c - text to CLIP's token ids, by byte-pair encoding (BPE).
 *
 *   decode      UTF-8 to code points
 *   normalize   compose (Unicode's NFC), then lower the case of each code point by itself
 *   split       into words: a run of letters, one digit, a run of anything else, an English ending such as 's
 *   merge       a word begins as its UTF-8 bytes; again and again, the byte pair of lowest rank is joined to one token
 *
 * The rank of a pair is its place in the list of merges, which was learned from how often pairs occur.
 *
 * This is what the Rust library behind transformers' CLIPTokenizer does, including its oddities, because other ids
 * are another picture.  Case is lowered after composing and without looking around (no final sigma, and U+0130
 * stays two code points).  Composition, case and letters follow three editions of Unicode (see unicode.h).
 * OpenAI's first Python also mended broken text (ftfy) and unescaped HTML; this does not.
 *
 * Everything is linear in the text except sorting (the marks on one letter, the pairs in one word), so a long word
 * cannot stall the program.  In all steps BOS and EOS are code points beyond Unicode. */
#include "tokenizer.h"

#include "chars.h"

#include <stdlib.h>
#include <string.h>

enum { BYTES = 256, FIRST_MERGE = 2 * BYTES, SPECIALS = 2 };
enum { SPECIAL = 0x110000 };                /* the code point SPECIAL + i stands for special[i] */

static const char *const special[SPECIALS] = { "<|startoftext|>", "<|endoftext|>" };
static const uint32_t NONE = UINT32_MAX;

/* Two neighbouring tokens that merge `rank` joins.  rank NONE: a free slot. */
typedef struct { uint32_t left, right, rank; } BytePair;

struct Tokenizer {
    int       vocabulary;
    size_t    slots;                        /* a power of two, at least twice the merges */
    BytePair *pair;                         /* hash table: ids of two neighbours -> rank */
};

int tokenizer_bos(const Tokenizer *t) { return t->vocabulary - 2; }
int tokenizer_eos(const Tokenizer *t) { return t->vocabulary - 1; }

/* ---- byte pairs --------------------------------------------------------------------------------- */

static size_t slots_for(size_t entries)
{
    size_t slots = 16;
    while (slots < 2 * entries) slots *= 2;
    return slots;
}

/* The slot of this pair, or the free one where it belongs.  Collisions go to the next slot. */
static BytePair *pair_slot(const Tokenizer *t, uint32_t left, uint32_t right)
{
    uint64_t hash = ((uint64_t)left << 32 | right) * 0x9e3779b97f4a7c15u;
    size_t i = (size_t)(hash >> 32) & (t->slots - 1);
    while (t->pair[i].rank != NONE && (t->pair[i].left != left || t->pair[i].right != right))
        i = (i + 1) & (t->slots - 1);
    return &t->pair[i];
}

static uint32_t pair_rank(const Tokenizer *t, uint32_t left, uint32_t right) { return pair_slot(t, left, right)->rank; }

/* ---- reading the merges ------------------------------------------------------------------------- */
/* A line is two tokens with a space between.  Tokens are spelled with one printable character for each byte, and
 * </w> for the end of a word.  The token that a line makes is spelled as the line without its space. */

typedef struct { const unsigned char *at; size_t size; } Span;
typedef struct { Span left, right; } Merge;
typedef struct { uint32_t hash, id; } Spelling;                 /* id NONE: a free slot */

/* The tokens made so far; a hash table: spelling -> id. */
typedef struct { const Merge *merge; Spelling *slot; size_t slots; } Spellings;

/* CLIP's order of the bytes: the printable characters of Latin-1 first, then the rest. */
static uint32_t byte_id(uint32_t b)
{
    if (b < 33)  return 188 + b;
    if (b < 127) return b - 33;
    if (b < 161) return 188 + 33 + b - 127;
    if (b < 173) return 94 + b - 161;
    return b == 173 ? 255 : 106 + b - 174;
}

/* A single byte's spelling, or one with </w> -> id, or NONE.  The unprintable bytes are spelled U+0100 and up. */
static uint32_t byte_spelling_id(Span s)
{
    if (!s.size) return NONE;
    size_t n = s.at[0] < 0x80 ? 1 : 2;
    if (s.size < n) return NONE;
    uint32_t c = n == 1 ? s.at[0] : (s.at[0] - 0xC0u) << 6 | (s.at[1] & 63u);
    uint32_t id = c < 256 ? byte_id(c) : c - 256 + 188;
    if (id >= BYTES || (c < 256 && id >= 188)) return NONE;
    if (s.size == n) return id;
    return s.size == n + 4 && !memcmp(s.at + n, "</w>", 4) ? id + BYTES : NONE;
}

static uint32_t hash_on(uint32_t hash, Span s)                  /* FNV-1a */
{
    for (size_t i = 0; i < s.size; i++) hash = (hash ^ s.at[i]) * 0x01000193u;
    return hash;
}

/* Is left|right the spelling of the token that m makes? */
static int is_spelled(Merge m, Span left, Span right)
{
    size_t size = m.left.size + m.right.size;
    if (size != left.size + right.size) return 0;
    for (size_t i = 0; i < size; i++) {
        unsigned char expected = i < m.left.size ? m.left.at[i] : m.right.at[i - m.left.size];
        unsigned char found = i < left.size ? left.at[i] : right.at[i - left.size];
        if (found != expected) return 0;
    }
    return 1;
}

/* The slot of the token left|right, or a free one, which then has its hash already. */
static Spelling *spelling_slot(const Spellings *s, Span left, Span right)
{
    uint32_t hash = hash_on(hash_on(0x811c9dc5u, left), right);
    size_t i = hash & (s->slots - 1);
    for (;; i = (i + 1) & (s->slots - 1)) {
        Spelling *slot = &s->slot[i];
        if (slot->id == NONE) {
            slot->hash = hash;
            return slot;
        }
        if (slot->hash == hash && is_spelled(s->merge[slot->id - FIRST_MERGE], left, right)) return slot;
    }
}

static uint32_t token_id(const Spellings *s, Span spelling)
{
    uint32_t id = byte_spelling_id(spelling);
    return id != NONE ? id : spelling_slot(s, spelling, (Span){ spelling.at, 0 })->id;
}

/* The line at *at, which moves on behind it. */
static Span next_line(Bytes text, size_t *at)
{
    Span s = { text.data + *at, 0 };
    while (*at + s.size < text.size && s.at[s.size] != '\n') s.size++;
    *at += s.size;
    if (*at < text.size) ++*at;
    return s;
}

/* The bytes of s that a message shows. */
static int shown(Span s) { return s.size < 40 ? (int)s.size : 40; }

/* number: of the merge, from 1, as in all functions below */
static Merge split_line(Arena *a, Span line, size_t number)
{
    const unsigned char *space = line.size ? memchr(line.at, ' ', line.size) : NULL;
    if (!space)
        fail(a, "merges: merge %zu is \"%.*s\", expected two tokens and a space between", number, shown(line),
             (const char *)line.at);
    size_t left = (size_t)(space - line.at);
    return (Merge){ { line.at, left }, { space + 1, line.size - left - 1 } };
}

static uint32_t known_token(Arena *a, const Spellings *s, Span spelling, size_t number)
{
    uint32_t id = token_id(s, spelling);
    if (id == NONE)
        fail(a, "merges: merge %zu joins \"%.*s\", which no line before it makes", number, shown(spelling),
             (const char *)spelling.at);
    return id;
}

static void add_merge(Arena *a, Tokenizer *t, Spellings *s, Merge m, size_t number)
{
    uint32_t rank = (uint32_t)number - 1;
    uint32_t left = known_token(a, s, m.left, number);
    uint32_t right = known_token(a, s, m.right, number);
    Spelling *slot = spelling_slot(s, m.left, m.right);
    if (slot->id != NONE) fail(a, "merges: merge %zu makes a token that there is already", number);
    slot->id = FIRST_MERGE + rank;
    *pair_slot(t, left, right) = (BytePair){ .left = left, .right = right, .rank = rank };
}

static void read_merges(Arena *a, Tokenizer *t, Bytes text, size_t count)
{
    size_t before = mark(a), at = 0;
    Merge *merge = allocate(a, count, sizeof *merge);
    Spellings s = { .merge = merge, .slot = allocate(a, t->slots, sizeof(Spelling)), .slots = t->slots };
    for (size_t i = 0; i < t->slots; i++) s.slot[i].id = NONE;
    if (has_bytes_at(text, 0, "#version", 8)) next_line(text, &at);
    for (size_t i = 0; i < count; i++) {
        if (at == text.size)
            fail(a, "token embedding: it has %zu rows, expected at most %zu: is this CLIP's text encoder?",
                 count + FIRST_MERGE + SPECIALS, i + FIRST_MERGE + SPECIALS);
        merge[i] = split_line(a, next_line(text, &at), i + 1);
        add_merge(a, t, &s, merge[i], i + 1);
    }
    release(a, before);
}

Tokenizer *tokenizer_new(Arena *a, Bytes merges, size_t vocabulary)
{
    const size_t least = FIRST_MERGE + SPECIALS;
    const size_t most = merges.size / 4;                /* a merge is at least four bytes: "a b\n" */
    if (vocabulary < least || vocabulary - least > most)
        fail(a, "token embedding: it has %zu rows, expected 49408 (at least %zu): is this CLIP's text encoder?",
             vocabulary, least);
    Tokenizer *t = allocate(a, 1, sizeof *t);
    *t = (Tokenizer){ .vocabulary = (int)vocabulary, .slots = slots_for(vocabulary - least) };
    t->pair = allocate(a, t->slots, sizeof *t->pair);
    for (size_t i = 0; i < t->slots; i++) t->pair[i].rank = NONE;
    read_merges(a, t, merges, vocabulary - least);
    return t;
}

/* ---- decode ------------------------------------------------------------------------------------- */

typedef struct { uint32_t *at; size_t count; } CodePoints;

static CodePoints code_points_new(Arena *a, size_t count)
{
    return (CodePoints){ allocate(a, count, sizeof(uint32_t)), count };
}

/* A special token spelled out at s -> its length, or 0. */
static size_t decode_special(const unsigned char *s, size_t n, uint32_t *c)
{
    for (uint32_t i = 0; i < SPECIALS; i++) {
        size_t size = strlen(special[i]);
        if (n < size || memcmp(s, special[i], size)) continue;
        *c = SPECIAL + i;
        return size;
    }
    return 0;
}

static CodePoints decode(Arena *a, const char *bytes, size_t n)
{
    const unsigned char *s = (const unsigned char *)bytes;
    CodePoints t = code_points_new(a, n);
    t.count = 0;
    for (size_t i = 0; i < n; t.count++) {
        uint32_t *c = &t.at[t.count];
        size_t used = decode_special(s + i, n - i, c);
        if (!used) used = utf8_decode(s + i, n - i, c);
        i += used;
    }
    return t;
}

/* ---- normalize ---------------------------------------------------------------------------------- */
/* NFC is Unicode Standard Annex 15: decompose, order the marks, compose.  Hangul syllables are computed: chapter
 * 3.12 of the standard. */

enum { SYLLABLE = 0xAC00, LEAD = 0x1100, VOWEL = 0x1161, TAIL = 0x11A7 };      /* TAIL itself means none */
enum { LEADS = 19, VOWELS = 21, TAILS = 28, SYLLABLES = LEADS * VOWELS * TAILS };

static int compare_whole(const void *key, const void *row)
{
    const uint32_t *c = key;
    const UnicodeDecomposition *d = row;
    if (*c < d->whole) return -1;
    return *c > d->whole;
}

/* The canonical combining class: 0 for letters and the like, above for marks. */
static int class_of(uint32_t c)
{
    if (c < 0x300) return 0;
    const UnicodeClass *k = bsearch(&c, unicode_classes, unicode_classes_count, sizeof *k, unicode_in_range);
    return k ? k->class : 0;
}

/* c -> its at most 4 parts */
static size_t decompose_one(uint32_t c, uint32_t part[4])
{
    part[0] = c;
    if (c < 0xC0) return 1;
    uint32_t s = c - SYLLABLE;
    if (s < SYLLABLES) {
        part[0] = LEAD + s / (VOWELS * TAILS);
        part[1] = VOWEL + s / TAILS % VOWELS;
        part[2] = TAIL + s % TAILS;
        return s % TAILS ? 3 : 2;
    }
    const UnicodeDecomposition *d =
        bsearch(&c, unicode_decompositions, unicode_decompositions_count, sizeof *d, compare_whole);
    if (!d) return 1;
    size_t n = decompose_one(d->first, part);
    if (d->second) part[n++] = d->second;
    return n;
}

static CodePoints decompose(Arena *a, CodePoints t)
{
    uint32_t part[4];
    size_t count = 0;
    for (size_t i = 0; i < t.count; i++) count += decompose_one(t.at[i], part);
    CodePoints out = code_points_new(a, count);
    out.count = 0;
    for (size_t i = 0; i < t.count; i++) {
        size_t n = decompose_one(t.at[i], part);
        memcpy(out.at + out.count, part, n * sizeof *part);
        out.count += n;
    }
    return out;
}

static int compare_numbers(const void *x, const void *y)
{
    uint64_t a = *(const uint64_t *)x, b = *(const uint64_t *)y;
    if (a < b) return -1;
    return a > b;
}

/* Sorts marks by class; equal ones stay in order.  They are sorted as numbers: class, 8 bits | place, 35 | code
 * point, 21. */
static void sort_marks(Arena *a, uint32_t *c, size_t n)
{
    size_t before = mark(a);
    uint64_t *key = allocate(a, n, sizeof *key);
    for (size_t i = 0; i < n; i++) key[i] = (uint64_t)class_of(c[i]) << 56 | (uint64_t)i << 21 | c[i];
    qsort(key, n, sizeof *key, compare_numbers);
    for (size_t i = 0; i < n; i++) c[i] = (uint32_t)(key[i] & 0x1FFFFF);
    release(a, before);
}

static void order_marks(Arena *a, CodePoints t)
{
    size_t i = 0;
    while (i < t.count) {
        size_t start = i;                               /* of a run of marks, which may be empty */
        int sorted = 1, last = 0;
        for (; i < t.count; i++) {
            int class = class_of(t.at[i]);
            if (!class) break;
            if (class < last) sorted = 0;
            last = class;
        }
        if (!sorted) sort_marks(a, t.at + start, i - start);
        i++;
    }
}

/* The index of first + second among unicode_compositions, in which a binary search looks; or their count. */
static size_t find_composition(uint32_t first, uint32_t second)
{
    size_t low = 0, high = unicode_compositions_count;
    while (low < high) {
        size_t middle = (low + high) / 2;
        const UnicodeDecomposition *d = &unicode_decompositions[unicode_compositions[middle]];
        if (d->first == first && d->second == second) return middle;
        if (d->first < first || (d->first == first && d->second < second)) low = middle + 1;
        else high = middle;
    }
    return unicode_compositions_count;
}

/* What two neighbours make together, or 0. */
static uint32_t composite(uint32_t first, uint32_t second)
{
    if (first - LEAD < LEADS && second - VOWEL < VOWELS)
        return SYLLABLE + ((first - LEAD) * VOWELS + second - VOWEL) * TAILS;
    if (first - SYLLABLE < SYLLABLES && (first - SYLLABLE) % TAILS == 0 && second - TAIL - 1 < TAILS - 1)
        return first + second - TAIL;
    if (second < 0x300) return 0;
    size_t i = find_composition(first, second);
    return i < unicode_compositions_count ? unicode_decompositions[unicode_compositions[i]].whole : 0;
}

/* A mark joins the last code point of class 0, the starter, unless a mark of its own class or a higher one stands
 * between. */
static CodePoints compose(CodePoints t)
{
    const size_t no_starter = SIZE_MAX;
    size_t n = 0, starter = no_starter;
    int last = 0;                                       /* class of t.at[n-1] */
    for (size_t i = 0; i < t.count; i++) {
        uint32_t c = t.at[i], whole = 0;
        int class = class_of(c);
        if (starter != no_starter && (n == starter + 1 || last < class)) whole = composite(t.at[starter], c);
        if (whole) {
            t.at[starter] = whole;
            continue;
        }
        if (!class) starter = n;
        last = class;
        t.at[n++] = c;
    }
    return (CodePoints){ t.at, n };
}

static uint32_t lower_one(uint32_t c)
{
    if (c < 0x80) return c - 'A' < 26 ? c + 32 : c;
    const UnicodeLower *l = bsearch(&c, unicode_lower, unicode_lower_count, sizeof *l, unicode_in_range);
    if (!l || (c - l->range.first) % l->every) return c;
    return l->to + (c - l->range.first);
}

static CodePoints lowered(Arena *a, CodePoints t)
{
    enum { DOTTED_I = 0x130, DOT_ABOVE = 0x307 };       /* the only code point whose lower case is two */
    size_t dotted = 0, n = 0;
    for (size_t i = 0; i < t.count; i++)
        if (t.at[i] == DOTTED_I) dotted++;
    CodePoints out = code_points_new(a, t.count + dotted);
    for (size_t i = 0; i < t.count; i++) {
        int is_dotted = t.at[i] == DOTTED_I;
        out.at[n++] = is_dotted ? 'i' : lower_one(t.at[i]);
        if (is_dotted) out.at[n++] = DOT_ABOVE;
    }
    return out;
}

static CodePoints normalize(Arena *a, const char *bytes, size_t length)
{
    CodePoints t = decompose(a, decode(a, bytes, length));
    order_marks(a, t);
    return lowered(a, compose(t));
}

/* ---- merge -------------------------------------------------------------------------------------- */

typedef struct { Arena *a; const Tokenizer *t; int *id; size_t count; } Writer;

/* A token of a word, with its neighbours as indexes, or NONE.  id NONE: it was joined to the one before. */
typedef struct { uint32_t id, before, after; } Symbol;

/* A binary heap of the byte pairs that may be joined, the next one on top.  An entry is the number rank, 32 bits |
 * index of the left symbol, 32 bits, so equal pairs are joined from left to right. */
typedef struct { uint64_t *at; size_t count; } Heap;

static void heap_push(Heap *h, uint64_t x)
{
    size_t i = h->count++;
    while (i && h->at[(i - 1) / 2] > x) {
        h->at[i] = h->at[(i - 1) / 2];
        i = (i - 1) / 2;
    }
    h->at[i] = x;
}

static uint64_t heap_pop(Heap *h)
{
    uint64_t top = h->at[0];
    h->count--;
    uint64_t x = h->at[h->count];
    size_t i = 0, child = 1;
    while (child < h->count) {
        if (child + 1 < h->count && h->at[child + 1] < h->at[child]) child++;
        if (h->at[child] >= x) break;
        h->at[i] = h->at[child];
        i = child;
        child = 2 * i + 1;
    }
    h->at[i] = x;
    return top;
}

/* The rank of symbol i and its neighbour, or NONE. */
static uint32_t rank_at(const Tokenizer *t, const Symbol *s, uint32_t i)
{
    if (s[i].id == NONE || s[i].after == NONE) return NONE;
    return pair_rank(t, s[i].id, s[s[i].after].id);
}

static void heap_offer(Heap *h, const Tokenizer *t, const Symbol *s, uint32_t i)
{
    uint32_t rank = i == NONE ? NONE : rank_at(t, s, i);
    if (rank != NONE) heap_push(h, (uint64_t)rank << 32 | i);
}

/* s: [n], the bytes of a word, becomes its tokens.  A heap of 2n entries is enough: a join takes one and adds two. */
static void merge(Arena *a, const Tokenizer *t, Symbol *s, size_t n)
{
    size_t before = mark(a);
    Heap heap = { allocate(a, 2 * n, sizeof(uint64_t)), 0 };
    for (uint32_t i = 0; i < n; i++) heap_offer(&heap, t, s, i);
    while (heap.count) {
        uint64_t top = heap_pop(&heap);
        uint32_t rank = (uint32_t)(top >> 32), left = (uint32_t)top, right = s[left].after;
        if (rank_at(t, s, left) != rank) continue;      /* one of the two was joined to another meanwhile */
        s[left].id = FIRST_MERGE + rank;
        s[left].after = s[right].after;
        s[right].id = NONE;
        if (s[left].after != NONE) s[s[left].after].before = left;
        heap_offer(&heap, t, s, s[left].before);
        heap_offer(&heap, t, s, left);
    }
    release(a, before);
}

static size_t utf8_size(uint32_t c)
{
    if (c < 0x80) return 1;
    if (c < 0x800) return 2;
    return c < 0x10000 ? 3 : 4;
}

/* Byte i of the n bytes that c takes in UTF-8. */
static uint32_t utf8_byte(uint32_t c, size_t i, size_t n)
{
    static const uint32_t lead[5] = { 0, 0, 0xC0, 0xE0, 0xF0 };
    uint32_t bits = c >> 6 * (n - 1 - i);
    return i ? 0x80 | (bits & 0x3F) : lead[n] | bits;
}

/* The bytes of a word as linked symbols -> s: [bytes] */
static void word_symbols(Symbol *s, const uint32_t *c, size_t count)
{
    uint32_t n = 0;
    for (size_t i = 0; i < count; i++) {
        size_t size = utf8_size(c[i]);
        for (size_t k = 0; k < size; k++) {
            s[n] = (Symbol){ .id = byte_id(utf8_byte(c[i], k, size)), .before = n - 1, .after = n + 1 };
            n++;
        }
    }
    s[0].before = NONE;
    s[n - 1].after = NONE;
    s[n - 1].id += BYTES;                               /* a byte that ends a word */
}

static void put_word(Writer *w, const uint32_t *c, size_t count)
{
    size_t before = mark(w->a), bytes = 0;
    for (size_t i = 0; i < count; i++) bytes += utf8_size(c[i]);
    if (bytes >= NONE) fail(w->a, "text: one word of %zu bytes, expected less than 4 GB", bytes);
    Symbol *s = allocate(w->a, bytes, sizeof *s);
    word_symbols(s, c, count);
    merge(w->a, w->t, s, bytes);
    for (uint32_t i = 0; i != NONE; i = s[i].after) w->id[w->count++] = (int)s[i].id;
    release(w->a, before);
}

/* ---- split -------------------------------------------------------------------------------------- */
/* '<|startoftext|>|<|endoftext|>|'s|'t|'re|'ve|'m|'ll|'d|[\p{L}]+|[\p{N}]|[^\s\p{L}\p{N}]+' */

typedef enum { LETTER, NUMBER, SPACE, OTHER, SPECIAL_TOKEN } Kind;

static Kind kind_of(uint32_t c)
{
    if (c >= SPECIAL) return SPECIAL_TOKEN;
    if ((c | 32) - 'a' < 26) return LETTER;
    if (unicode_is(unicode_spaces, c)) return SPACE;
    if (unicode_is(unicode_letters, c)) return LETTER;
    return unicode_is(unicode_numbers, c) ? NUMBER : OTHER;
}

/* The length of s when the text begins with it, or 0. */
static size_t starts_with(const uint32_t *c, size_t n, const char *s)
{
    size_t i = 0;
    while (i < n && s[i] && c[i] == (unsigned char)s[i]) i++;
    return s[i] ? 0 : i;
}

static size_t english_ending(const uint32_t *c, size_t n)
{
    static const char *const ending[] = { "'s", "'t", "'re", "'ve", "'m", "'ll", "'d" };
    size_t size = 0;
    for (size_t i = 0; i < sizeof ending / sizeof *ending && !size; i++) size = starts_with(c, n, ending[i]);
    return size;
}

/* A special token that only lowering the case has made, as of <|EndOfText|>, matches the pattern but is no id any
 * more.  The byte-level step behind it, which splits by nearly the same pattern, makes three words of it. */
static size_t put_lowered_special(Writer *w, const uint32_t *c, size_t n)
{
    for (int i = 0; i < SPECIALS; i++) {
        size_t size = starts_with(c, n, special[i]);
        if (!size) continue;
        put_word(w, c, 2);
        put_word(w, c + 2, size - 4);
        put_word(w, c + size - 2, 2);
        return size;
    }
    return 0;
}

/* Puts the next word, or skips white space -> the code points used. */
static size_t put_run(Writer *w, const uint32_t *c, size_t n)
{
    Kind kind = kind_of(c[0]);
    if (kind == SPACE) return 1;
    if (kind == SPECIAL_TOKEN) {
        w->id[w->count++] = w->t->vocabulary - SPECIALS + (int)(c[0] - SPECIAL);
        return 1;
    }
    size_t size = kind == OTHER ? english_ending(c, n) : 0;
    if (!size) {
        size = 1;
        while (size < n && kind != NUMBER && kind_of(c[size]) == kind) size++;
    }
    put_word(w, c, size);
    return size;
}

Tokens tokenize(Arena *a, const Tokenizer *t, const char *bytes, size_t length)
{
    size_t before = mark(a), most = 0;                  /* a token is at least a byte of the normalized text */
    CodePoints text = normalize(a, bytes, length);
    for (size_t i = 0; i < text.count; i++) most += utf8_size(text.at[i]);
    release(a, before);

    Writer w = { .a = a, .t = t, .id = allocate(a, most, sizeof(int)) };
    before = mark(a);
    text = normalize(a, bytes, length);                 /* again, now above the ids, which stay */
    size_t i = 0;
    while (i < text.count) {
        size_t used = put_lowered_special(&w, text.at + i, text.count - i);
        if (!used) used = put_run(&w, text.at + i, text.count - i);
        i += used;
    }
    release(a, before);
    return (Tokens){ w.id, w.count };
}
