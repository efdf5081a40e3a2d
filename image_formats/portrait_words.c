/* portrait_words.c - a portrait in words, by a look at its colours.
 *
 * Each part of a portrait has its place, counted from the face in widths of it: hair above and beside, clothes below,
 * background to the left and right.  In that place each pixel votes for the nearest colour that has a name, and the
 * name with the most votes is said.  So a stripe or a shadow changes nothing, as it would change a mean.
 *
 * "Nearest" is by CIELAB (CIE 15), where distances are about as people see them; lightness counts half, for light and
 * shadow move it.  The names are those that the model in weights/ has learned (weights/README.md), so that a picture
 * of it can be asked for in the same words.  What looks like the background or like skin is no hair. */
#include "portrait_words.h"

#include <math.h>
#include <stddef.h>

typedef struct { const char *name; unsigned char rgb[3]; } NamedColour;

enum { MOST_NAMES = 12 };

static const NamedColour hair_colours[] = {
    { "black", { 40, 34, 34 } },    { "brown", { 92, 62, 42 } },   { "brown", { 124, 88, 60 } },
    { "blonde", { 186, 150, 96 } }, { "blonde", { 240, 204, 104 } }, { "red", { 160, 66, 36 } },
    { "grey", { 140, 140, 142 } },  { "white", { 226, 224, 226 } },  { "blue", { 58, 104, 214 } },
    { "pink", { 244, 124, 178 } },  { "green", { 62, 160, 84 } },    { "purple", { 136, 74, 184 } }, { NULL, { 0 } }
};
static const NamedColour skin_colours[] = {
    { "pale", { 250, 226, 210 } }, { "light", { 226, 180, 152 } }, { "light", { 190, 140, 120 } },
    { "tan", { 206, 152, 114 } },  { "brown", { 156, 104, 72 } },  { "dark", { 96, 62, 46 } }, { NULL, { 0 } }
};
static const NamedColour cloth_colours[] = {
    { "red", { 204, 44, 48 } },   { "orange", { 236, 124, 40 } }, { "yellow", { 244, 204, 56 } },
    { "green", { 52, 140, 76 } }, { "blue", { 50, 92, 190 } },    { "purple", { 126, 62, 176 } },
    { "pink", { 240, 130, 176 } }, { "white", { 236, 236, 238 } }, { "black", { 34, 34, 40 } },
    { "grey", { 136, 138, 144 } }, { "brown", { 118, 80, 54 } },   { NULL, { 0 } }
};
static const NamedColour back_colours[] = {
    { "white", { 242, 242, 244 } }, { "grey", { 160, 164, 172 } },   { "black", { 34, 34, 40 } },
    { "red", { 200, 70, 66 } },     { "orange", { 246, 160, 84 } },  { "yellow", { 246, 220, 120 } },
    { "green", { 110, 180, 116 } }, { "blue", { 100, 160, 230 } },   { "blue", { 40, 80, 170 } },
    { "purple", { 172, 134, 220 } }, { "pink", { 246, 184, 210 } }, { NULL, { 0 } }
};

/* ---- CIELAB -------------------------------------------------------------------------------------- */

typedef struct { double l, a, b; } Lab;

/* sRGB, IEC 61966-2-1 */
static double linear(unsigned char c)
{
    double x = c / 255.0;
    return x <= 0.04045 ? x / 12.92 : pow((x + 0.055) / 1.055, 2.4);
}

static double curve(double t) { return t > 216.0 / 24389 ? cbrt(t) : (24389.0 / 27 * t + 16) / 116; }

/* White is D65. */
static Lab lab_of(const unsigned char *c)
{
    double r = linear(c[0]), g = linear(c[1]), b = linear(c[2]);
    double x = curve((0.412453 * r + 0.357580 * g + 0.180423 * b) / 0.950456);
    double y = curve(0.212671 * r + 0.715160 * g + 0.072169 * b);
    double z = curve((0.019334 * r + 0.119193 * g + 0.950227 * b) / 1.088754);
    return (Lab){ 116 * y - 16, 500 * (x - y), 200 * (y - z) };
}

static double distance(Lab x, Lab y)
{
    double l = (x.l - y.l) / 2;
    return sqrt(l * l + (x.a - y.a) * (x.a - y.a) + (x.b - y.b) * (x.b - y.b));
}

/* ---- votes --------------------------------------------------------------------------------------- */

/* In widths of the face, from its middle. */
typedef struct { double left, top, right, bottom; } Part;

typedef struct { Picture p; Head head; } Portrait;

/* What a pixel must not look like, for it to vote. */
typedef struct { Lab colour[3]; double least[3]; size_t count; } Unlike;

static int may_vote(Lab pixel, const Unlike *u)
{
    for (size_t i = 0; i < u->count; i++)
        if (distance(pixel, u->colour[i]) < u->least[i]) return 0;
    return 1;
}

static size_t nearest(Lab pixel, const Lab *named, size_t count)
{
    size_t best = 0;
    for (size_t i = 1; i < count; i++)
        if (distance(pixel, named[i]) < distance(pixel, named[best])) best = i;
    return best;
}

static int inside(double x, int most)
{
    if (x < 0) return 0;
    return x > most ? most : (int)x;
}

enum { GRID = 24 };                      /* pixels that vote, in each direction */

/* Pixel (i, k) of a grid over a part, NULL where that is outside of the picture. */
static const unsigned char *pixel_at(const Portrait *o, Part part, int i, int k)
{
    double w = o->head.width;
    double x = o->head.x + w * (part.left + (part.right - part.left) * (i + 0.5) / GRID);
    double y = o->head.y + w * (part.top + (part.bottom - part.top) * (k + 0.5) / GRID);
    if (x < 0 || y < 0 || x >= o->p.width || y >= o->p.height) return NULL;
    size_t at = (size_t)inside(y, o->p.height - 1) * (size_t)o->p.width + (size_t)inside(x, o->p.width - 1);
    return o->p.rgb + 3 * at;
}

typedef struct { size_t votes[MOST_NAMES + 1], all; } Poll;

/* What has not the colour of skin, as everything in a picture without colours, has no tone of it. */
static size_t skin_pixels(const Portrait *o, Part part)
{
    size_t n = 0;
    for (int k = 0; k < GRID; k++)
        for (int i = 0; i < GRID; i++) {
            const unsigned char *c = pixel_at(o, part, i, k);
            if (c) n += (size_t)head_is_skin(c);
        }
    return n;
}

static void vote(Poll *poll, const Portrait *o, Part part, const NamedColour *colours, const Unlike *unlike)
{
    Lab named[MOST_NAMES + 1];
    size_t count = 0;
    for (; colours[count].name; count++) named[count] = lab_of(colours[count].rgb);
    for (int k = 0; k < GRID; k++)
        for (int i = 0; i < GRID; i++) {
            const unsigned char *c = pixel_at(o, part, i, k);
            if (!c) continue;
            Lab pixel = lab_of(c);
            if (!may_vote(pixel, unlike)) continue;
            poll->votes[nearest(pixel, named, count)]++;
            poll->all++;
        }
}

/* The name with the most votes, which several rows may share. */
static const char *elected(const Poll *poll, const NamedColour *colours)
{
    enum { FEWEST = 12 };
    const char *best = NULL;
    size_t most = 0;
    if (poll->all < FEWEST) return NULL;
    for (size_t i = 0; colours[i].name; i++) {
        size_t sum = 0;
        for (size_t k = 0; colours[k].name; k++)
            if (colours[k].name == colours[i].name) sum += poll->votes[k];
        if (sum <= most) continue;
        most = sum;
        best = colours[i].name;
    }
    return best;
}

/* ---- what a part looks like ---------------------------------------------------------------------- */

/* The mean of the pixels there; returns whether there are any. */
static int mean_of(const Portrait *o, Part part, Lab *result)
{
    size_t n = 0;
    Lab sum = { 0 };
    for (int k = 0; k < GRID; k++)
        for (int i = 0; i < GRID; i++) {
            const unsigned char *c = pixel_at(o, part, i, k);
            if (!c) continue;
            Lab x = lab_of(c);
            sum = (Lab){ sum.l + x.l, sum.a + x.a, sum.b + x.b };
            n++;
        }
    if (n) *result = (Lab){ sum.l / (double)n, sum.a / (double)n, sum.b / (double)n };
    return n > 0;
}

static const Part CHEEKS = { -0.3, 0.1, 0.3, 0.3 }, CLOTHES = { -0.7, 1.1, 0.7, 1.7 };
static const Part BACK[] = { { -2, -1.2, -1, 0.3 }, { 1, -1.2, 2, 0.3 } };
static const Part BESIDE[] = { { -1.4, -1, -0.9, -0.3 }, { 0.9, -1, 1.4, -0.3 } };      /* the background there */
static const Part HAIR[] = { { -0.4, -0.9, 0.4, -0.6 }, { -0.7, -0.6, -0.5, 0 }, { 0.5, -0.6, 0.7, 0 } };
static const Part LONG_HAIR[] = { { -0.8, 0.5, -0.5, 0.9 }, { 0.5, 0.5, 0.8, 0.9 } };

/* Long hair is beside the neck what it is above the face. */
static const char *length_of(const Portrait *o, const char *hair, const Unlike *unlike)
{
    Poll poll = { 0 };
    size_t votes = 0;
    for (size_t i = 0; i < 2; i++) vote(&poll, o, LONG_HAIR[i], hair_colours, unlike);
    for (size_t i = 0; hair_colours[i].name; i++)
        if (hair_colours[i].name == hair) votes += poll.votes[i];
    return votes > GRID * GRID ? "long" : "short";       /* half of both parts */
}

/* Adds the mean colour of a part, unless that is outside of the picture. */
static void add_unlike(Unlike *u, const Portrait *o, Part part, double least)
{
    if (!mean_of(o, part, &u->colour[u->count])) return;
    u->least[u->count++] = least;
}

static const char *name_of(const Portrait *o, const Part *parts, size_t count, const NamedColour *colours,
                           const Unlike *unlike)
{
    Poll poll = { 0 };
    for (size_t i = 0; i < count; i++) vote(&poll, o, parts[i], colours, unlike);
    return elected(&poll, colours);
}

/* Where a head would be in a portrait. */
static Head usual_head(Picture p)
{
    return (Head){ .x = 0.5 * p.width, .y = 0.47 * p.height, .width = 0.45 * p.width };
}

PortraitWords portrait_words(Picture p, const Head *head)
{
    const double AS_SKIN = 8, AS_BACKGROUND = 14;
    Portrait o = { p, head ? *head : usual_head(p) };
    Unlike nothing = { .count = 0 };
    Unlike others = { .count = 0 };
    PortraitWords words = { .background = name_of(&o, BACK, 2, back_colours, &nothing) };
    if (!head) return words;
    add_unlike(&others, &o, CHEEKS, AS_SKIN);
    int has_tone = 4 * skin_pixels(&o, CHEEKS) > GRID * GRID;
    if (has_tone) words.skin = name_of(&o, &CHEEKS, 1, skin_colours, &nothing);
    words.clothes = name_of(&o, &CLOTHES, 1, cloth_colours, &others);
    for (size_t i = 0; i < 2; i++) add_unlike(&others, &o, BESIDE[i], AS_BACKGROUND);
    words.hair = name_of(&o, HAIR, 3, hair_colours, &others);
    if (words.hair) words.hair_length = length_of(&o, words.hair, &others);
    return words;
}
