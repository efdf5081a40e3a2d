/* test_gif.c - gif.c against a GIF decoder written here from the GIF89a specification, stricter than browsers are. */
#include "gif.h"
#include "test.h"
#include <math.h>
#include <stdint.h>
#include <stdlib.h>

typedef unsigned char Byte;

/* ---- pictures to encode ---- */

static uint32_t mixed(uint32_t x)
{
    x = (x ^ x >> 16) * 0x7FEB352Du;
    x = (x ^ x >> 15) * 0x846CA68Bu;
    return x ^ x >> 16;
}

typedef struct { int frames, width, height; Byte *rgb; } Clip;

static Clip new_clip(int frames, int width, int height)
{
    return (Clip){ frames, width, height, calloc((size_t)frames * (size_t)width * (size_t)height, 3) };
}

static size_t area(const Clip *c) { return (size_t)c->width * (size_t)c->height; }

/* Noise of so many colours, which all occur if there is room. */
static Clip confetti(int frames, int width, int height, int colours)
{
    Clip c = new_clip(frames, width, height);
    size_t n = (size_t)frames * area(&c);
    for (size_t i = 0; i < n; i++) {
        uint32_t k = i < (size_t)colours ? (uint32_t)i : mixed((uint32_t)i) % (uint32_t)colours, rgb = mixed(k + 77);
        for (int b = 0; b < 3; b++) c.rgb[3 * i + (size_t)b] = (Byte)(rgb >> 8 * b);
    }
    return c;
}

/* A gradient in all three colours with `noise` levels of noise, a flat square, and a shaded ball that moves. */
static Clip scene(int frames, int width, int height, int noise)
{
    Clip c = new_clip(frames, width, height);
    Byte *p = c.rgb;
    for (int f = 0; f < frames; f++)
        for (int y = 0; y < height; y++)
            for (int x = 0; x < width; x++, p += 3) {
                double u = (double)x / width, v = (double)y / height;
                double dx = u - 0.25 - 0.5 * f / frames, dy = v - 0.6, d = 1 - (dx * dx + dy * dy) / 0.03;
                double rgb[3] = { 30 + 120 * u, 40 + 90 * v, 150 - 80 * u * v };
                if (d > 0) rgb[0] = 250 - 90 * (1 - d), rgb[1] = 200 - 90 * (1 - d), rgb[2] = 170 - 90 * (1 - d);
                if (u > 0.7 && v < 0.3) rgb[0] = 200, rgb[1] = 40, rgb[2] = 60;
                uint32_t r = mixed((uint32_t)(p - c.rgb));
                for (int k = 0; k < 3; k++, r >>= 8) {
                    int n = noise ? (int)(r & 255) % (2 * noise + 1) - noise : 0;
                    p[k] = (Byte)fmin(255, fmax(0, rgb[k] + n));
                }
            }
    return c;
}

/* ---- the decoder ---- */

typedef struct {
    int frames, width, height, loops, comments, clears, widest;     /* loops -1: says nothing; widest code in bits */
    int delay[64], rect[64][4];
    Byte *rgb, table[256][3];                                       /* [frames,height,width,3] */
    int colours;
    const char *wrong;                                              /* what is wrong with the file, or NULL */
} Movie;

typedef struct { const Byte *at, *end; Movie *m; } In;

static int byte(In *in)
{
    if (in->at < in->end) return *in->at++;
    in->m->wrong = "truncated";
    return 0;
}

static int word(In *in)
{
    int low = byte(in);
    return low | byte(in) << 8;
}

/* All sub-blocks in one piece, malloc'd. */
static Byte *gather(In *in, size_t *size)
{
    Byte *data = malloc((size_t)(in->end - in->at) + 1);
    *size = 0;
    for (int n; (n = byte(in)) && !in->m->wrong; )
        while (n--) data[(*size)++] = (Byte)byte(in);
    return data;
}

/* Codes -> exactly n indices, the end code, and then nothing but the rest of a byte. */
static void unpack(Movie *m, const Byte *data, size_t size, int depth, Byte *out, size_t n)
{
    static int prefix[4096], length[4096];
    static Byte last[4096];
    const int clear = 1 << depth, end = clear + 1;
    int width = depth + 1, next = clear + 2, before = -1;
    size_t bit = 0, done_so_far = 0;
    for (;;) {
        int code = 0;
        if (bit + (size_t)width > 8 * size) { m->wrong = "codes end early"; return; }
        for (int i = 0; i < width; i++, bit++) code |= (data[bit / 8] >> bit % 8 & 1) << i;
        if (width > m->widest) m->widest = width;
        if (code == end) break;
        if (code == clear) { width = depth + 1, next = clear + 2, before = -1, m->clears++; continue; }
        if (before < 0 ? code >= clear : code > next || (code == next && next == 4096)) { m->wrong = "bad code"; return; }
        int from = code < next || before < 0 ? code : before, first = from;
        while (first > end) first = prefix[first];
        if (before >= 0 && next < 4096) {
            prefix[next] = before, last[next] = (Byte)first;
            length[next] = (before < clear ? 1 : length[before]) + 1;
            next++;
            if (next == 1 << width && width < 12) width++;
        }
        size_t run = code < clear ? 1 : (size_t)length[code];
        if (run > n - done_so_far) { m->wrong = "too many indices"; return; }
        done_so_far += run;
        Byte *to = out + done_so_far;
        int k = code;
        for (; k > end; k = prefix[k]) *--to = last[k];
        *--to = (Byte)k;
        before = code;
    }
    if (done_so_far != n) m->wrong = "too few indices";
    if (bit + 8 <= 8 * size) m->wrong = "bytes after the end code";
}

static void picture(In *in, int transparent)
{
    Movie *m = in->m;
    int x = word(in), y = word(in), w = word(in), h = word(in), flags = byte(in), depth = byte(in);
    if (flags || depth < 2 || depth > 8 || w < 1 || h < 1 || x + w > m->width || y + h > m->height || m->frames == 64) {
        m->wrong = "bad picture";
        return;
    }
    size_t size, row = 3 * (size_t)m->width, frame = row * (size_t)m->height, f = (size_t)m->frames;
    Byte *data = gather(in, &size), *index = calloc((size_t)w, (size_t)h);
    if (!m->wrong) unpack(m, data, size, depth, index, (size_t)w * (size_t)h);
    m->rgb = realloc(m->rgb, (f + 1) * frame);
    if (f) memcpy(m->rgb + f * frame, m->rgb + (f - 1) * frame, frame);
    else memset(m->rgb, 0, frame);
    for (int i = 0; i < w * h; i++) {
        if (index[i] == transparent) continue;
        if (index[i] >= m->colours) m->wrong = "index outside the table";
        size_t px = (size_t)(x + i % w), py = (size_t)(y + i / w);
        memcpy(m->rgb + f * frame + py * row + 3 * px, m->table[index[i]], 3);
    }
    int rect[4] = { x, y, w, h };
    memcpy(m->rect[m->frames++], rect, sizeof rect);
    free(data), free(index);
}

static Movie decode(const Byte *gif, size_t size)
{
    Movie m = { .loops = -1 };
    In in = { gif, gif + size, &m };
    if (size < 13 || memcmp(gif, "GIF89a", 6)) { m.wrong = "no GIF89a"; return m; }
    in.at += 6;
    m.width = word(&in), m.height = word(&in);
    int flags = byte(&in), transparent = -1;
    in.at += 2;
    if (flags & 128) m.colours = 2 << (flags & 7);
    for (int i = 0; i < 3 * m.colours; i++) m.table[i / 3][i % 3] = (Byte)byte(&in);
    while (!m.wrong) {
        int kind = byte(&in);
        if (kind == 0x3B) break;
        if (kind == 0x2C) { picture(&in, transparent); transparent = -1; continue; }
        int label = byte(&in);
        size_t n;
        if (kind != 0x21) { m.wrong = "no block"; break; }
        Byte *data = gather(&in, &n);
        if (label == 0xF9) {
            if (n != 4 || (data[0] & ~1) != 4) m.wrong = "bad control";
            m.delay[m.frames] = data[1] | data[2] << 8;
            transparent = data[0] & 1 ? data[3] : -1;
        }
        else if (label == 0xFE) m.comments++;
        else if (n == 14 && !memcmp(data, "NETSCAPE2.0\1", 12)) m.loops = data[12] | data[13] << 8;
        else m.wrong = "unknown extension";
        free(data);
    }
    if (!m.wrong && in.at != in.end) m.wrong = "bytes after the end";
    return m;
}

/* Encoded and decoded; a movie without frames if either fails. */
static Movie through(const Clip *c, double fps, size_t *size)
{
    Movie m = { .wrong = "not encoded" };
    Byte *gif = gif_encode(c->rgb, c->frames, c->width, c->height, fps, NULL, size);
    if (gif) m = decode(gif, *size);
    CHECK_MSG(!m.wrong && m.frames == c->frames && m.width == c->width && m.height == c->height,
              "%dx%dx%d: %s, %d frames of %dx%d", c->width, c->height, c->frames, m.wrong ? m.wrong : "read",
              m.frames, m.width, m.height);
    if (m.wrong || m.frames != c->frames) m.frames = 0;
    free(gif);
    return m;
}

/* ---- the tests ---- */

static void few_colours_are_exact(void)
{
    static const int colours[] = { 1, 2, 3, 4, 5, 8, 9, 16, 17, 63, 64, 65, 128, 200, 254, 255 };
    static const int size[][2] = { { 1, 1 }, { 1, 7 }, { 9, 1 }, { 31, 17 }, { 64, 64 } };
    for (size_t k = 0; k < sizeof colours / sizeof *colours; k++)
        for (int s = 0; s < 5; s++)
            for (int frames = 1; frames <= 3; frames++) {
                Clip c = confetti(frames, size[s][0], size[s][1], colours[k]);
                size_t bytes;
                Movie m = through(&c, 8, &bytes);
                CHECK_MSG(m.frames && !memcmp(m.rgb, c.rgb, 3 * (size_t)frames * area(&c)), "%d colours, %dx%dx%d",
                          colours[k], c.width, c.height, frames);
                free(c.rgb), free(m.rgb);
            }
    Clip still = confetti(1, 40, 40, 256);                          /* a still needs no transparent index */
    size_t bytes;
    Movie m = through(&still, 8, &bytes);
    CHECK(m.frames && !memcmp(m.rgb, still.rgb, 3 * area(&still)));
    free(still.rgb), free(m.rgb);
}

/* The dictionary fills and is cleared; 255 colours of noise do not repeat, so that takes 4096 pixels or so. */
static void dictionary_fills(void)
{
    Clip c = confetti(3, 150, 151, 255);
    size_t bytes;
    Movie m = through(&c, 8, &bytes);
    CHECK_MSG(m.clears > 10 && m.widest == 12, "%d clears, %d bits", m.clears, m.widest);
    CHECK(m.frames && !memcmp(m.rgb, c.rgb, 9 * area(&c)));
    free(c.rgb), free(m.rgb);
}

/* Every length of picture from 1 to some past each width of code, so that the end code falls at each growth. */
static void every_length(void)
{
    for (int n = 1; n < 500; n++) {
        Clip c = confetti(1, n, 1, n % 2 ? 4 : 30);
        size_t bytes;
        Byte *gif = gif_encode(c.rgb, 1, n, 1, 8, NULL, &bytes);
        Movie m = decode(gif, bytes);
        CHECK_MSG(!m.wrong && !memcmp(m.rgb, c.rgb, 3 * area(&c)), "%d pixels: %s", n, m.wrong ? m.wrong : "differ");
        free(gif), free(c.rgb), free(m.rgb);
    }
}

static double mean_error(const Movie *m, const Clip *c)
{
    size_t n = 3 * (size_t)c->frames * area(c);
    double sum = 0;
    for (size_t i = 0; i < n; i++) sum += abs(m->rgb[i] - c->rgb[i]);
    return sum / (double)n;
}

/* The same after averaging 8x8 pixels, as the eye does: what dithering is for. */
static double mean_error_from_afar(const Movie *m, const Clip *c)
{
    double sum = 0;
    int n = 0;
    for (int f = 0; f < c->frames; f++)
        for (int y = 0; y + 8 <= c->height; y += 8)
            for (int x = 0; x + 8 <= c->width; x += 8)
                for (int k = 0; k < 3; k++, n++) {
                    int d = 0;
                    for (int i = 0; i < 64; i++) {
                        size_t row = (size_t)(f * c->height + y + i / 8), at = 3 * (row * (size_t)c->width + (size_t)(x + i % 8));
                        d += m->rgb[at + (size_t)k] - c->rgb[at + (size_t)k];
                    }
                    sum += abs(d) / 64.0;
                }
    return sum / n;
}

static void within(const char *what, double is, double most)
{
    printf("  %-44s %.3f, %3.0f%% of what is allowed\n", what, is, 100 * is / most);
    CHECK_MSG(is <= most, "%s: %g, allowed %g", what, is, most);
}

/* A colour that is in the table is never mixed from others. */
static void check_flat(const Movie *m, const Clip *c)
{
    size_t exact = 0, changed = 0;
    for (size_t i = 0; i < area(c); i++)
        for (int k = 0; k < m->colours; k++) {
            if (memcmp(m->table[k], c->rgb + 3 * i, 3)) continue;
            exact++, changed += memcmp(m->rgb + 3 * i, c->rgb + 3 * i, 3) != 0;
            break;
        }
    CHECK_MSG(exact > 0 && !changed, "%zu pixels have a colour of the table, %zu came out as another", exact, changed);
}

static void many_colours_come_close(void)
{
    static const struct { int noise; double error, afar; } limit[] = { { 0, 1.6, 0.25 }, { 1, 1.9, 0.28 }, { 8, 3.3, 0.48 } };
    for (int i = 0; i < 3; i++) {
        Clip c = scene(6, 129, 95, limit[i].noise);
        size_t bytes;
        char what[64];
        Movie m = through(&c, 8, &bytes);
        if (m.frames) {
            snprintf(what, sizeof what, "noise %d: mean error in 255", limit[i].noise);
            within(what, mean_error(&m, &c), limit[i].error);
            snprintf(what, sizeof what, "noise %d: mean error of 8x8 pixels", limit[i].noise);
            within(what, mean_error_from_afar(&m, &c), limit[i].afar);
            check_flat(&m, &c);
        }
        free(c.rgb), free(m.rgb);
    }
}

/* Where the source keeps still, or flickers by one level as noise does, the decoded pixel keeps still. */
static void nothing_shimmers(void)
{
    for (int noise = 0; noise <= 1; noise++) {
        Clip c = scene(8, 96, 80, noise);
        size_t bytes, n = area(&c), still = 0, shimmer = 0;
        Movie m = through(&c, 8, &bytes);
        for (size_t i = n; m.frames && i < 8 * n; i++) {
            int move = 0;                                           /* the most that this pixel moves before here */
            for (size_t f = i % n; f <= i; f += n)
                for (size_t k = 0; k < 3; k++) move = (int)fmax(move, abs(c.rgb[3 * f + k] - c.rgb[3 * i + k]));
            if (move > 2 * noise) continue;
            still++;
            shimmer += memcmp(m.rgb + 3 * i, m.rgb + 3 * (i - n), 3) != 0;
        }
        CHECK_MSG(still > 4 * n && !shimmer, "noise %d: %zu of %zu still pixels shimmer", noise, shimmer, still);
        free(c.rgb), free(m.rgb);
    }
}

static void only_changes_are_stored(void)
{
    Clip c = confetti(4, 50, 40, 200);
    for (int f = 1; f < 4; f++) memcpy(c.rgb + 3 * area(&c) * (size_t)f, c.rgb, 3 * area(&c));
    for (int f = 2; f < 4; f++) {                                   /* two corners change; then nothing */
        Byte *p = c.rgb + 3 * area(&c) * (size_t)f;
        memcpy(p + 3 * (7 * 50 + 11), p, 3);
        memcpy(p + 3 * (9 * 50 + 20), p, 3);
    }
    static const int rect[4][4] = { { 0, 0, 50, 40 }, { 0, 0, 1, 1 }, { 11, 7, 10, 3 }, { 0, 0, 1, 1 } };
    size_t bytes;
    Movie m = through(&c, 8, &bytes);
    CHECK(m.frames && !memcmp(m.rgb, c.rgb, 12 * area(&c)));
    for (int f = 0; f < 4; f++)
        CHECK_MSG(!memcmp(m.rect[f], rect[f], sizeof rect[f]), "frame %d stores %d,%d %dx%d", f, m.rect[f][0], m.rect[f][1],
                  m.rect[f][2], m.rect[f][3]);
    free(c.rgb), free(m.rgb);
}

/* A change by one level is still a change where all colours fit. */
static void small_changes_are_exact(void)
{
    Clip c = new_clip(5, 16, 16);
    for (size_t i = 0; i < 15 * area(&c); i++) c.rgb[i] = (Byte)(100 + mixed((uint32_t)i) % 3);
    size_t bytes;
    Movie m = through(&c, 8, &bytes);
    CHECK(m.frames && !memcmp(m.rgb, c.rgb, 15 * area(&c)));
    free(c.rgb), free(m.rgb);
}

static void time_is_exact(void)
{
    static const double fps[] = { 8, 10, 12.5, 24, 23.976, 30, 7, 60, 100, 0.1, 16 };
    for (size_t i = 0; i < sizeof fps / sizeof *fps; i++) {
        Clip c = confetti(48, 2, 2, 9);
        size_t bytes;
        Movie m = through(&c, fps[i], &bytes);
        long sum = 0;
        for (int f = 0; f < m.frames; f++) {
            sum += m.delay[f];
            double off = (double)sum - 100 * (f + 1) / fps[i];
            CHECK_MSG(off >= -0.5 - 1e-9 && off < 0.5 + 1e-9, "%g fps: frame %d ends %g hundredths off", fps[i], f, off);
        }
        CHECK_MSG(m.loops == 0, "%d loops", m.loops);
        if (fps[i] == 8) CHECK(m.delay[0] == 12 && m.delay[1] == 13 && m.delay[2] == 12 && m.delay[47] == 13);
        free(c.rgb), free(m.rgb);
    }
    Clip still = confetti(1, 3, 3, 9);
    size_t bytes;
    Movie m = through(&still, 8, &bytes);
    CHECK(m.loops == -1);
    free(still.rgb), free(m.rgb);
}

static void comments_return(void)
{
    static const size_t length[] = { 0, 1, 2, 30, 254, 255, 256, 509, 510, 511, 100000 };
    static const char words[] = "é 猫 🙂";
    Clip c = confetti(2, 5, 4, 6);
    for (size_t i = 0; i < sizeof length / sizeof *length; i++) {
        char *text = calloc(length[i] + 1, 1), *back;
        for (size_t k = 0; k < length[i]; k++) text[k] = (char)(' ' + mixed((uint32_t)k) % 90);
        if (length[i] > 20) memcpy(text + length[i] - 20, words, sizeof words - 1);
        size_t bytes;
        Byte *gif = gif_encode(c.rgb, 2, 5, 4, 8, text, &bytes);
        Movie m = decode(gif, bytes);
        CHECK_MSG(!m.wrong && m.comments == 1, "%zu bytes: %s", length[i], m.wrong ? m.wrong : "no comment");
        back = gif_comment(gif, bytes);
        CHECK_MSG(back && !strcmp(back, text), "a comment of %zu bytes comes back changed", length[i]);
        free(text), free(back), free(gif), free(m.rgb);
    }
    size_t bytes;
    Byte *gif = gif_encode(c.rgb, 2, 5, 4, 8, NULL, &bytes);
    CHECK(!gif_comment(gif, bytes));
    CHECK(decode(gif, 0).wrong != NULL);
    free(gif), free(c.rgb);
}

/* A copy with nothing behind it, so that the sanitizers see a byte read too many. */
static char *comment_of_copy(const Byte *gif, size_t size)
{
    Byte *copy = malloc(size ? size : 1);
    memcpy(copy, gif, size);
    char *text = gif_comment(copy, size);
    free(copy);
    return text;
}

/* A comment behind a picture with a table of its own, which is where other programs leave theirs. */
static void comments_of_others(void)
{
    static const char file[] =
        "GIF87a\1\0\1\0\0\0\0" ",\0\0\0\0\1\0\1\0\200" "abcdef" "\2\2D\1\0" "!\xFE\2hi\3\0ab\0" "!\xFE\1x\0" ";";
    char *text = comment_of_copy((const Byte *)file, sizeof file - 1);
    CHECK(text && !strcmp(text, "hi"));                             /* the NUL ends it */
    free(text);
}

static void hostile_files(void)
{
    Clip c = confetti(3, 9, 8, 40);
    size_t bytes, ends;
    Byte *gif = gif_encode(c.rgb, 3, 9, 8, 8, "what made it", &bytes);
    for (ends = 0; memcmp(gif + ends, "it\0", 3); ends++) { }
    for (size_t n = 0; n <= bytes; n++) {
        char *text = comment_of_copy(gif, n);
        CHECK_MSG(n < ends + 3 ? !text : text && !strcmp(text, "what made it"), "%zu bytes give %s", n, text ? text : "none");
        free(text);
    }
    for (size_t i = 0; i < 8 * bytes; i++) {
        gif[i / 8] ^= (Byte)(1 << i % 8);
        char *text = comment_of_copy(gif, bytes);
        CHECK(!text || strlen(text) < bytes);
        free(text);
        gif[i / 8] ^= (Byte)(1 << i % 8);
    }
    free(gif), free(c.rgb);
}

/* ---- a size to keep to ---- */

/* Frame f of the clip as the movie shows it, which may hold fewer. */
static const Byte *shown(const Movie *m, const Clip *c, int f, int every) { return m->rgb + 3 * area(c) * (size_t)(f / every); }

static double mean_error_over_time(const Movie *m, const Clip *c, int every)
{
    double sum = 0;
    for (int f = 0; f < c->frames; f++)
        for (size_t i = 0; i < 3 * area(c); i++) sum += abs(shown(m, c, f, every)[i] - c->rgb[3 * area(c) * (size_t)f + i]);
    return sum / (3.0 * c->frames * (double)area(c));
}

/* Half of the clip keeps still: whatever loss there is, those pixels show one colour all the time. */
static size_t moving(const Movie *m, const Clip *c)
{
    size_t n = 0, frame = 3 * area(c);
    for (size_t f = 1; f < (size_t)m->frames; f++)
        for (size_t i = 0; i < frame / 2; i++) n += m->rgb[f * frame + i] != m->rgb[i];
    return n;
}

static void sizes_are_kept(void)
{
    static const double part[] = { 2, 1, 0.9, 0.7, 0.5, 0.4, 0.3, 0.25, 0.1 };
    Clip c = scene(12, 96, 80, 8);
    for (int f = 1; f < 12; f++) memcpy(c.rgb + 3 * area(&c) * (size_t)f, c.rgb, 3 * area(&c) / 2);
    size_t whole, before = SIZE_MAX;
    Byte *plain = gif_encode(c.rgb, 12, 96, 80, 8, "x", &whole);
    double error = 0;
    for (size_t i = 0; i < sizeof part / sizeof *part; i++) {
        size_t most = (size_t)(part[i] * (double)whole), size = 0;
        GifEffort e = { 0, 0, 1 };
        Byte *gif = gif_encode_within(c.rgb, 12, 96, 80, 8, "x", most, &e, &size);
        Movie m = decode(gif, size);
        int time = 0;
        for (int f = 0; f < m.frames; f++) time += m.delay[f];
        printf("  at most %6zu bytes: %6zu with %d colours, loss %d, every %d: mean error %.2f\n", most, size, e.colours, e.loss, e.every, mean_error_over_time(&m, &c, e.every));
        CHECK_MSG(!m.wrong && m.frames == (11 + e.every) / e.every && time == 150, "%s, %d frames in %d hundredths", m.wrong ? m.wrong : "read", m.frames, time);
        CHECK_MSG(size <= most || e.every == 4, "%zu bytes, allowed %zu", size, most);
        CHECK(part[i] < 1 || (size == whole && !memcmp(gif, plain, size) && e.colours == 256 && !e.loss));
        CHECK(part[i] >= 1 || e.colours < 256);
        CHECK(m.colours <= (e.colours <= 128 ? 128 : 256) && size <= before && mean_error_over_time(&m, &c, e.every) >= error - 0.05);
        CHECK_MSG(!moving(&m, &c), "%zu still pixels move", moving(&m, &c));
        before = size, error = mean_error_over_time(&m, &c, e.every);
        free(gif), free(m.rgb);
    }
    GifEffort e;
    Byte *still = gif_encode_within(c.rgb, 1, 96, 80, 8, NULL, 1, &e, &whole), *two = gif_encode_within(c.rgb, 2, 96, 80, 8, NULL, 1, &e, &before);
    CHECK(still && whole > 1 && two && before > 1 && e.every == 1);
    free(still), free(two), free(plain), free(c.rgb);
}

static void refuses(void)
{
    static const Byte rgb[12];
    size_t n;
    CHECK(!gif_encode(rgb, 0, 1, 1, 8, NULL, &n) && !gif_encode(rgb, -1, 1, 1, 8, NULL, &n));
    CHECK(!gif_encode(rgb, 1, 0, 1, 8, NULL, &n) && !gif_encode(rgb, 1, 1, -1, 8, NULL, &n));
    CHECK(!gif_encode(rgb, 1, 65536, 1, 8, NULL, &n) && !gif_encode(rgb, 1, 1, 65536, 8, NULL, &n));
    CHECK(!gif_encode(rgb, 1, 1, 1, 0.09, NULL, &n) && !gif_encode(rgb, 1, 1, 1, 101, NULL, &n));
    CHECK(!gif_encode(rgb, 1, 1, 1, NAN, NULL, &n) && !gif_encode(rgb, 1, 1, 1, -8, NULL, &n));
    CHECK(sizeof(size_t) < 8 || !gif_encode(rgb, 2147483647, 65535, 65535, 8, NULL, &n));
}

int main(void)
{
    few_colours_are_exact();
    dictionary_fills();
    every_length();
    many_colours_come_close();
    nothing_shimmers();
    only_changes_are_stored();
    small_changes_are_exact();
    time_is_exact();
    comments_return();
    comments_of_others();
    hostile_files();
    sizes_are_kept();
    refuses();
    return done();
}
