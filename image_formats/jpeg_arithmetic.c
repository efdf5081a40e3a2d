/* jpeg_arithmetic.c - the arithmetic coding of JPEG (ITU-T T.81, annex D, F.1.4, F.2.4, G.1.3).
 *
 * The file codes decisions, each 0 or 1.  An interval is divided in proportion to how probable both outcomes are, and
 * the code says in which part it lies.  Each kind of decision has a state: which outcome is more probable, and how
 * probable the other one is.  It moves along a table as decisions come, so the coder learns while it runs.
 *
 * A coefficient is a string of decisions: is it the last one, is it zero, its sign, how many bits it has, and these
 * bits.  DC coefficients are differences, and their decisions depend on what the last difference was like.
 *
 * Progressive files use the same decisions in scans of some coefficients and some bits.  Data that makes a number too
 * long, or a run past the end of its block, is broken. */
#include "jpeg_arithmetic.h"

#include <string.h>

typedef uint8_t Byte;

/* T.81, table D.3: the interval of the less probable outcome; the next state when it comes, and when the other comes;
 * whether the outcomes then change their places.  The last state stays as it is. */
typedef struct { uint16_t interval; Byte next_less, next_more, is_switch; } State;
static const State states[] = {
    { 0x5A1D, 1, 1, 1 }, { 0x2586, 14, 2, 0 }, { 0x1114, 16, 3, 0 }, { 0x080B, 18, 4, 0 },
    { 0x03D8, 20, 5, 0 }, { 0x01DA, 23, 6, 0 }, { 0x00E5, 25, 7, 0 }, { 0x006F, 28, 8, 0 },
    { 0x0036, 30, 9, 0 }, { 0x001A, 33, 10, 0 }, { 0x000D, 35, 11, 0 }, { 0x0006, 9, 12, 0 },
    { 0x0003, 10, 13, 0 }, { 0x0001, 12, 13, 0 }, { 0x5A7F, 15, 15, 1 }, { 0x3F25, 36, 16, 0 },
    { 0x2CF2, 38, 17, 0 }, { 0x207C, 39, 18, 0 }, { 0x17B9, 40, 19, 0 }, { 0x1182, 42, 20, 0 },
    { 0x0CEF, 43, 21, 0 }, { 0x09A1, 45, 22, 0 }, { 0x072F, 46, 23, 0 }, { 0x055C, 48, 24, 0 },
    { 0x0406, 49, 25, 0 }, { 0x0303, 51, 26, 0 }, { 0x0240, 52, 27, 0 }, { 0x01B1, 54, 28, 0 },
    { 0x0144, 56, 29, 0 }, { 0x00F5, 57, 30, 0 }, { 0x00B7, 59, 31, 0 }, { 0x008A, 60, 32, 0 },
    { 0x0068, 62, 33, 0 }, { 0x004E, 63, 34, 0 }, { 0x003B, 32, 35, 0 }, { 0x002C, 33, 9, 0 },
    { 0x5AE1, 37, 37, 1 }, { 0x484C, 64, 38, 0 }, { 0x3A0D, 65, 39, 0 }, { 0x2EF1, 67, 40, 0 },
    { 0x261F, 68, 41, 0 }, { 0x1F33, 69, 42, 0 }, { 0x19A8, 70, 43, 0 }, { 0x1518, 72, 44, 0 },
    { 0x1177, 73, 45, 0 }, { 0x0E74, 74, 46, 0 }, { 0x0BFB, 75, 47, 0 }, { 0x09F8, 77, 48, 0 },
    { 0x0861, 78, 49, 0 }, { 0x0706, 79, 50, 0 }, { 0x05CD, 48, 51, 0 }, { 0x04DE, 50, 52, 0 },
    { 0x040F, 50, 53, 0 }, { 0x0363, 51, 54, 0 }, { 0x02D4, 52, 55, 0 }, { 0x025C, 53, 56, 0 },
    { 0x01F8, 54, 57, 0 }, { 0x01A4, 55, 58, 0 }, { 0x0160, 56, 59, 0 }, { 0x0125, 57, 60, 0 },
    { 0x00F6, 58, 61, 0 }, { 0x00CB, 59, 62, 0 }, { 0x00AB, 61, 63, 0 }, { 0x008F, 61, 32, 0 },
    { 0x5B12, 65, 65, 1 }, { 0x4D04, 80, 66, 0 }, { 0x412C, 81, 67, 0 }, { 0x37D8, 82, 68, 0 },
    { 0x2FE8, 83, 69, 0 }, { 0x293C, 84, 70, 0 }, { 0x2379, 86, 71, 0 }, { 0x1EDF, 87, 72, 0 },
    { 0x1AA9, 87, 73, 0 }, { 0x174E, 72, 74, 0 }, { 0x1424, 72, 75, 0 }, { 0x119C, 74, 76, 0 },
    { 0x0F6B, 74, 77, 0 }, { 0x0D51, 75, 78, 0 }, { 0x0BB6, 77, 79, 0 }, { 0x0A40, 77, 48, 0 },
    { 0x5832, 80, 81, 1 }, { 0x4D1C, 88, 82, 0 }, { 0x438E, 89, 83, 0 }, { 0x3BDD, 90, 84, 0 },
    { 0x34EE, 91, 85, 0 }, { 0x2EAE, 92, 86, 0 }, { 0x299A, 93, 87, 0 }, { 0x2516, 86, 71, 0 },
    { 0x5570, 88, 89, 1 }, { 0x4CA9, 95, 90, 0 }, { 0x44D9, 96, 91, 0 }, { 0x3E22, 97, 92, 0 },
    { 0x3824, 99, 93, 0 }, { 0x32B4, 99, 94, 0 }, { 0x2E17, 93, 86, 0 }, { 0x56A8, 95, 96, 1 },
    { 0x4F46, 101, 97, 0 }, { 0x47E5, 102, 98, 0 }, { 0x41CF, 103, 99, 0 }, { 0x3C3D, 104, 100, 0 },
    { 0x375E, 99, 93, 0 }, { 0x5231, 105, 102, 0 }, { 0x4C0F, 106, 103, 0 }, { 0x4639, 107, 104, 0 },
    { 0x415E, 103, 99, 0 }, { 0x5627, 105, 106, 1 }, { 0x50E7, 108, 107, 0 }, { 0x4B85, 109, 103, 0 },
    { 0x5597, 110, 109, 0 }, { 0x504F, 111, 107, 0 }, { 0x5A10, 110, 111, 1 }, { 0x5522, 112, 109, 0 },
    { 0x59EB, 112, 111, 1 }, { 0x5A1D, 113, 113, 0 },
};
enum { STAYS = 113, OUTCOME = 0x80 };           /* a state's byte: its number, and the more probable outcome */

/* ---- decisions ---- */

/* T.81, B.1.1.5: FF 00 is the data byte FF, and FF with another byte a marker, which ends the data. */
static void byte_in(Arithmetic *d)
{
    const Byte *p = *d->at;
    size_t left = (size_t)(d->end - p);
    int is_stuffed = left >= 2 && p[0] == 0xFF && p[1] == 0;
    int is_data = left && (p[0] != 0xFF || is_stuffed);
    if (!is_data) return;
    d->code += (uint32_t)p[0] << 8;
    *d->at += is_stuffed ? 2 : 1;
}

/* D.2.6 */
static void renormalize(Arithmetic *d)
{
    do {
        if (!d->bits) {
            byte_in(d);
            d->bits = 8;
        }
        d->interval <<= 1;
        d->code <<= 1;
        d->bits--;
    } while (d->interval < 0x8000);
}

/* D.2.4 and D.2.5.  The more probable outcome has the lower part of the interval, unless its part has become the
 * smaller one: then the outcomes are exchanged. */
static int decide(Arithmetic *d, Byte *state)
{
    const State *s = &states[*state & ~OUTCOME];
    int likely = *state >> 7;
    d->interval -= s->interval;
    int is_lower = d->code >> 16 < d->interval;
    if (is_lower && d->interval >= 0x8000) return likely;
    int is_exchanged = d->interval < s->interval;
    int is_likely = is_lower != is_exchanged;
    if (!is_lower) {
        d->code -= d->interval << 16;
        d->interval = s->interval;
    }
    int next = is_likely ? s->next_more : s->next_less;
    int next_likely = is_likely || !s->is_switch ? likely : !likely;
    *state = (Byte)(next | next_likely << 7);
    renormalize(d);
    return is_likely ? likely : !likely;
}

void arithmetic_defaults(Arithmetic *d)
{
    memset(d->low, 0, sizeof d->low);
    memset(d->high, 1, sizeof d->high);
    memset(d->split, 5, sizeof d->split);
}

/* D.2.7 */
void arithmetic_begin(Arithmetic *d, const uint8_t **at, const uint8_t *end)
{
    d->at = at;
    d->end = end;
    d->half = STAYS;
    memset(d->dc, 0, sizeof d->dc);
    memset(d->ac, 0, sizeof d->ac);
    d->code = 0;
    for (int i = 0; i < 2; i++) {
        byte_in(d);
        d->code <<= 8;
    }
    d->bits = 0;
    d->interval = 0x10000;
}

int arithmetic_bit(Arithmetic *d) { return decide(d, &d->half); }

/* ---- numbers ---- */

/* The highest bit that a magnitude may have; and how far the decisions of its bits stand behind those of its size. */
enum { LARGEST = 0x4000, BITS = 14 };

/* F.1.4.1.2, figures F.8 and F.9: the size of a magnitude, as its highest bit.  size: the first state of its
 * decisions; m: what is known already.  Returns 0 when it has no end. */
static int take_size(Arithmetic *d, Byte **size, int m)
{
    while (decide(d, *size)) {
        if (m == LARGEST) return 0;
        m <<= 1;
        ++*size;
    }
    return m;
}

/* The bits below the highest one. */
static int take_bits_of(Arithmetic *d, Byte *bits, int highest)
{
    int x = highest;
    for (int m = highest >> 1; m; m >>= 1)
        if (decide(d, bits)) x |= m;
    return x;
}

/* F.1.4.4.1.2: what a difference was like, as the place of the next decisions: zero, small or large, and its sign. */
enum { WAS_ZERO = 0, WAS_SMALL = 4, WAS_LARGE = 12 };

static int context_of(const Arithmetic *d, int table, int m, int is_negative)
{
    if (m < 1 << d->low[table] >> 1) return WAS_ZERO;
    return (m > 1 << d->high[table] >> 1 ? WAS_LARGE : WAS_SMALL) + 4 * is_negative;
}

/* F.2.4.1, figures F.19 to F.24; table F.4 */
int arithmetic_difference(Arithmetic *d, int table, int *context, int *difference)
{
    enum { SIZES = 20 };
    Byte *state = d->dc[table] + *context;
    *context = WAS_ZERO;
    *difference = 0;
    if (!decide(d, state)) return 1;
    int is_negative = decide(d, state + 1);
    Byte *size = state + 2 + is_negative;
    int m = decide(d, size);
    if (m) {
        size = d->dc[table] + SIZES;
        m = take_size(d, &size, 1);
        if (!m) return 0;
    }
    *context = context_of(d, table, m, is_negative);
    int magnitude = take_bits_of(d, size + BITS, m) + 1;
    *difference = is_negative ? -magnitude : magnitude;
    return 1;
}

/* F.2.4.2: a coefficient that is not zero, number k.  state: of its decisions.  Returns 0 when it is broken. */
static int take_coefficient(Arithmetic *d, int table, Byte *state, int k)
{
    enum { LOW_SIZES = 189, HIGH_SIZES = 217 };             /* table F.5: up to Kx, and above */
    int is_negative = arithmetic_bit(d);
    Byte *size = state + 2;
    int m = decide(d, size);
    if (m && decide(d, size)) {
        size = d->ac[table] + (k <= d->split[table] ? LOW_SIZES : HIGH_SIZES);
        m = take_size(d, &size, 2);
        if (!m) return 0;
    }
    int magnitude = take_bits_of(d, size + BITS, m) + 1;
    return is_negative ? -magnitude : magnitude;
}

/* The decisions of the coefficient k: is it behind the last one, is it not zero, and more. */
static Byte *states_of(Arithmetic *d, int table, int k) { return d->ac[table] + 3 * (k - 1); }

/* F.2.4.2, figure F.20 */
int arithmetic_ac(Arithmetic *d, int table, int16_t *block, const uint8_t *order, int first, int last, int shift)
{
    for (int k = first; k <= last; k++) {
        if (decide(d, states_of(d, table, k))) return 1;
        while (!decide(d, states_of(d, table, k) + 1)) {
            k++;
            if (k > last) return 0;
        }
        int value = take_coefficient(d, table, states_of(d, table, k), k);
        if (!value) return 0;
        block[order[k]] = (int16_t)(value * (1 << shift));
    }
    return 1;
}

/* G.1.3.3, figure G.10.  One coefficient: one that is known gets its bit, another may become known.  Returns whether it
 * is not zero now. */
static int refine(Arithmetic *d, Byte *state, int16_t *x, int bit)
{
    if (*x) {
        int step = *x > 0 ? bit : -bit;
        if (decide(d, state + 2)) *x = (int16_t)(*x + step);
        return 1;
    }
    if (!decide(d, state + 1)) return 0;
    *x = (int16_t)(arithmetic_bit(d) ? -bit : bit);
    return 1;
}

/* Up to the last coefficient that is known, the block cannot end. */
int arithmetic_refine_ac(Arithmetic *d, int table, int16_t *block, const uint8_t *order, int first, int last, int shift)
{
    int known = last;
    while (known > 0 && !block[order[known]]) known--;
    for (int k = first; k <= last; k++) {
        if (k > known && decide(d, states_of(d, table, k))) return 1;
        while (!refine(d, states_of(d, table, k), &block[order[k]], 1 << shift)) {
            k++;
            if (k > last) return 0;
        }
    }
    return 1;
}
