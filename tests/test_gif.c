/* test_gif.c - gif.c against a GIF decoder written here from the GIF89a specification, stricter than browsers are. */
#include "gif_comment.h"
#include "gif_limit.h"
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
        uint32_t k = i < (size_t)colours ? (uint32_t)i : mixed((uint32_t)i) % (uint32_t)colours;
        uint32_t rgb = mixed(k + 77);
        for (int b = 0; b < 3; b++) c.rgb[3 * i + (size_t)b] = (Byte)(rgb >> 8 * b);
    }
    return c;
}

/* A gradient in all three colours, a flat square, and a shaded ball that moves: the colour at (u, v), time t, 0..1. */
static void scene_colour(double u, double v, double t, double rgb[3])
{
    static const double square[3] = { 200, 40, 60 }, lit[3] = { 250, 200, 170 };
    double dx = u - 0.25 - 0.5 * t;
    double dy = v - 0.6;
    double ball = 1 - (dx * dx + dy * dy) / 0.03;
    rgb[0] = 30 + 120 * u;
    rgb[1] = 40 + 90 * v;
    rgb[2] = 150 - 80 * u * v;
    for (int k = 0; k < 3 && ball > 0; k++) rgb[k] = lit[k] - 90 * (1 - ball);
    if (u > 0.7 && v < 0.3) memcpy(rgb, square, sizeof square);
}

/* The scene, with `noise` levels of noise. */
static Clip scene(int frames, int width, int height, int noise)
{
    Clip c = new_clip(frames, width, height);
    Byte *p = c.rgb;
    for (int f = 0; f < frames; f++)
        for (int y = 0; y < height; y++)
            for (int x = 0; x < width; x++) {
                double rgb[3];
                scene_colour((double)x / width, (double)y / height, (double)f / frames, rgb);
                uint32_t r = mixed((uint32_t)(p - c.rgb));
                for (int k = 0; k < 3; k++) {
                    int n = noise ? (int)(r >> 8 * k & 255) % (2 * noise + 1) - noise : 0;
                    *p++ = (Byte)fmin(255, fmax(0, rgb[k] + n));
                }
            }
    return c;
}

/* ---- the decoder ---- */

typedef struct {
    int frames, width, height;
    int loops;                          /* -1: the file does not say */
    int comments;
    int clears, widest;                 /* how many clear codes; bits of the widest code */
    int delay[64], rect[64][4];         /* of each frame */
    Byte *rgb;                          /* [frames, height, width, 3] */
    Byte table[256][3];
    int colours;                        /* of the table */
    int tables;                         /* how many frames have one of their own */
    const char *wrong;                  /* what is wrong with the file, or NULL */
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

/* Data sub-blocks (GIF89a, 15) in one piece, malloc'd. */
static Byte *gather(In *in, size_t *size)
{
    Byte *data = malloc((size_t)(in->end - in->at) + 1);
    *size = 0;
    for (;;) {
        int n = byte(in);
        if (!n || in->m->wrong) return data;
        for (int i = 0; i < n; i++) data[(*size)++] = (Byte)byte(in);
    }
}

/* An LZW decoder (GIF89a, Appendix F).  The run of a code is the run of its prefix and one more index; codes below the
 * clear code are single indices. */
typedef struct {
    const Byte *data;
    size_t bit, bits;                   /* the next bit; how many there are */
    int clear, end;                     /* the clear code and the end code */
    int first_size;                     /* bits of a code after a clear code */
    int code_size, next;                /* bits of a code now; the next free code */
    int before;                         /* the code before, -1: none since a clear code */
    int prefix[4096], length[4096];
    Byte last[4096];
} Lzw;

/* Returns the next code, -1 when the bits end in it. */
static int take_code(Lzw *z)
{
    int code = 0;
    if (z->bit + (size_t)z->code_size > z->bits) return -1;
    for (int i = 0; i < z->code_size; i++) {
        code |= (z->data[z->bit / 8] >> z->bit % 8 & 1) << i;
        z->bit++;
    }
    return code;
}

static void clear_table(Lzw *z)
{
    z->code_size = z->first_size;
    z->next = z->clear + 2;
    z->before = -1;
}

/* May this code stand here? */
static int is_known(const Lzw *z, int code)
{
    if (z->before < 0) return code < z->clear;
    return code < z->next || (code == z->next && z->next < 4096);
}

/* Adds the run of the code before and the first index of this one. */
static void add_entry(Lzw *z, int code)
{
    if (z->before < 0 || z->next == 4096) return;
    int first = code < z->next ? code : z->before;
    while (first > z->end) first = z->prefix[first];
    z->prefix[z->next] = z->before;
    z->last[z->next] = (Byte)first;
    z->length[z->next] = z->before < z->clear ? 2 : z->length[z->before] + 1;
    z->next++;
    if (z->next == 1 << z->code_size && z->code_size < 12) z->code_size++;
}

/* Writes the run of a code so that it ends before `to`. */
static void put_run(const Lzw *z, int code, Byte *to)
{
    for (; code > z->end; code = z->prefix[code]) *--to = z->last[code];
    *--to = (Byte)code;
}

/* Codes -> exactly n indices, the end code, then nothing but the rest of a byte.  Returns what is wrong, or NULL. */
static const char *unpack_lzw(Movie *m, const Byte *data, size_t size, int index_bits, Byte *out, size_t n)
{
    static Lzw z;
    size_t filled = 0;
    z.data = data;
    z.bit = 0;
    z.bits = 8 * size;
    z.clear = 1 << index_bits;
    z.end = z.clear + 1;
    z.first_size = index_bits + 1;
    clear_table(&z);
    for (;;) {
        int code = take_code(&z);
        if (code < 0) return "codes end early";
        if (z.code_size > m->widest) m->widest = z.code_size;
        if (code == z.end) break;
        if (code == z.clear) {
            clear_table(&z);
            m->clears++;
            continue;
        }
        if (!is_known(&z, code)) return "bad code";
        add_entry(&z, code);
        size_t run = code < z.clear ? 1 : (size_t)z.length[code];
        if (run > n - filled) return "too many indices";
        filled += run;
        put_run(&z, code, out + filled);
        z.before = code;
    }
    if (filled != n) return "too few indices";
    return z.bit + 8 <= z.bits ? "bytes after the end code" : NULL;
}

/* GIF89a, 20 and 22.  transparent: an index, or -1 */
static void add_image(In *in, int transparent)
{
    Movie *m = in->m;
    int x = word(in);
    int y = word(in);
    int w = word(in);
    int h = word(in);
    int flags = byte(in);
    Byte own[256][3];
    const Byte (*table)[3] = m->table;
    int colours = m->colours;
    if (flags & 128) {
        colours = 2 << (flags & 7);
        for (int i = 0; i < 3 * colours; i++) own[i / 3][i % 3] = (Byte)byte(in);
        table = own;
        m->tables++;
    }
    int index_bits = byte(in);
    int is_inside = w >= 1 && h >= 1 && x + w <= m->width && y + h <= m->height;
    if (flags & ~0x87 || index_bits < 2 || index_bits > 8 || !is_inside || m->frames == 64) {
        m->wrong = "bad picture";
        return;
    }
    size_t size, row = 3 * (size_t)m->width, frame = row * (size_t)m->height, f = (size_t)m->frames;
    Byte *data = gather(in, &size);
    Byte *index = calloc((size_t)w, (size_t)h);
    if (!m->wrong) m->wrong = unpack_lzw(m, data, size, index_bits, index, (size_t)w * (size_t)h);
    m->rgb = realloc(m->rgb, (f + 1) * frame);
    if (f) memcpy(m->rgb + f * frame, m->rgb + (f - 1) * frame, frame);
    else memset(m->rgb, 0, frame);
    for (int i = 0; i < w * h; i++) {
        if (index[i] == transparent) continue;
        if (index[i] >= colours) m->wrong = "index outside the table";
        size_t px = (size_t)(x + i % w);
        size_t py = (size_t)(y + i / w);
        memcpy(m->rgb + f * frame + py * row + 3 * px, table[index[i]], 3);
    }
    int rect[4] = { x, y, w, h };
    memcpy(m->rect[m->frames++], rect, sizeof rect);
    free(data);
    free(index);
}

/* An extension (GIF89a, 23, 24, 26).  Sets *transparent from a Graphic Control Extension. */
static void read_extension(In *in, int *transparent)
{
    Movie *m = in->m;
    size_t n;
    int label = byte(in);
    Byte *data = gather(in, &n);
    if (label == 0xF9) {
        if (n != 4 || (data[0] & ~1) != 4) m->wrong = "bad control";
        m->delay[m->frames] = data[1] | data[2] << 8;
        *transparent = data[0] & 1 ? data[3] : -1;
    } else if (label == 0xFE) {
        m->comments++;
    } else if (n == 14 && !memcmp(data, "NETSCAPE2.0\1", 12)) {
        m->loops = data[12] | data[13] << 8;
    } else {
        m->wrong = "unknown extension";
    }
    free(data);
}

static Movie decode(const Byte *gif, size_t size)
{
    Movie m = { .loops = -1 };
    In in = { gif, gif + size, &m };
    if (size < 13 || memcmp(gif, "GIF89a", 6)) {
        m.wrong = "no GIF89a";
        return m;
    }
    in.at += 6;
    m.width = word(&in);
    m.height = word(&in);
    int flags = byte(&in);
    int transparent = -1;
    in.at += 2;
    if (flags & 128) m.colours = 2 << (flags & 7);
    for (int i = 0; i < 3 * m.colours; i++) m.table[i / 3][i % 3] = (Byte)byte(&in);
    while (!m.wrong) {
        int introducer = byte(&in);
        if (introducer == 0x3B) break;
        if (introducer == 0x2C) {
            add_image(&in, transparent);
            transparent = -1;
        } else if (introducer == 0x21) {
            read_extension(&in, &transparent);
        } else {
            m.wrong = "no block";
        }
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
                free(c.rgb);
                free(m.rgb);
            }
    Clip still = confetti(1, 40, 40, 256);                          /* a still needs no transparent index */
    size_t bytes;
    Movie m = through(&still, 8, &bytes);
    CHECK(m.frames && !memcmp(m.rgb, still.rgb, 3 * area(&still)));
    free(still.rgb);
    free(m.rgb);
}

/* The dictionary fills and is cleared; 255 colours of noise do not repeat, so that takes 4096 pixels or so. */
static void dictionary_fills(void)
{
    Clip c = confetti(3, 150, 151, 255);
    size_t bytes;
    Movie m = through(&c, 8, &bytes);
    CHECK_MSG(m.clears > 10 && m.widest == 12, "%d clears, %d bits", m.clears, m.widest);
    CHECK(m.frames && !memcmp(m.rgb, c.rgb, 9 * area(&c)));
    free(c.rgb);
    free(m.rgb);
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
        free(gif);
        free(c.rgb);
        free(m.rgb);
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
                for (int k = 0; k < 3; k++) {
                    int d = 0;
                    for (int i = 0; i < 64; i++) {
                        size_t row = (size_t)(f * c->height + y + i / 8);
                        size_t at = 3 * (row * (size_t)c->width + (size_t)(x + i % 8)) + (size_t)k;
                        d += m->rgb[at] - c->rgb[at];
                    }
                    sum += abs(d) / 64.0;
                    n++;
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
            exact++;
            if (memcmp(m->rgb + 3 * i, c->rgb + 3 * i, 3)) changed++;
            break;
        }
    CHECK_MSG(exact > 0 && !changed, "%zu pixels have a colour of the table, %zu came out as another", exact, changed);
}

static void many_colours_come_close(void)
{
    static const struct { int noise; double error, afar; } limit[] = {
        { .noise = 0, .error = 1.6, .afar = 0.25 },
        { .noise = 1, .error = 1.9, .afar = 0.28 },
        { .noise = 8, .error = 3.3, .afar = 0.48 },
    };
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
        }
        free(m.rgb);
        c.frames = 1;                                               /* so that a pixel has one colour */
        m = through(&c, 8, &bytes);
        if (m.frames) check_flat(&m, &c);
        free(c.rgb);
        free(m.rgb);
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
            if (memcmp(m.rgb + 3 * i, m.rgb + 3 * (i - n), 3)) shimmer++;
        }
        CHECK_MSG(still > 4 * n && !shimmer, "noise %d: %zu of %zu still pixels shimmer", noise, shimmer, still);
        free(c.rgb);
        free(m.rgb);
    }
}

/* Frames have tables of their own unless one holds all colours; and a pixel that is drawn once has its mean colour. */
static void a_stay_has_its_mean(void)
{
    Clip c = scene(8, 96, 80, 0);
    for (int f = 0; f < 8; f++)
        for (int k = 0; k < 3; k++) c.rgb[3 * area(&c) * (size_t)f + (size_t)k] = (Byte)(f % 2 ? 16 : 12);
    size_t bytes;
    Movie m = through(&c, 8, &bytes);
    CHECK_MSG(m.tables == 7, "%d frames have their own tables", m.tables);
    for (size_t f = 0; f < (size_t)m.frames; f++) {
        const Byte *p = m.rgb + 3 * area(&c) * f;
        CHECK_MSG(abs(p[0] - 14) <= 1 && abs(p[1] - 14) <= 1 && abs(p[2] - 14) <= 1, "frame %zu shows %d %d %d", f,
                  p[0], p[1], p[2]);
        CHECK(!memcmp(p, m.rgb, 3));
    }
    free(c.rgb);
    free(m.rgb);
    c = confetti(3, 40, 40, 255);
    m = through(&c, 8, &bytes);
    CHECK_MSG(!m.tables, "%d tables where one holds all colours", m.tables);
    free(c.rgb);
    free(m.rgb);
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
        CHECK_MSG(!memcmp(m.rect[f], rect[f], sizeof rect[f]), "frame %d stores %d,%d %dx%d", f,
                  m.rect[f][0], m.rect[f][1], m.rect[f][2], m.rect[f][3]);
    free(c.rgb);
    free(m.rgb);
}

/* A change by one level is still a change where all colours fit. */
static void small_changes_are_exact(void)
{
    Clip c = new_clip(5, 16, 16);
    for (size_t i = 0; i < 15 * area(&c); i++) c.rgb[i] = (Byte)(100 + mixed((uint32_t)i) % 3);
    size_t bytes;
    Movie m = through(&c, 8, &bytes);
    CHECK(m.frames && !memcmp(m.rgb, c.rgb, 15 * area(&c)));
    free(c.rgb);
    free(m.rgb);
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
            CHECK_MSG(off >= -0.5 - 1e-9 && off < 0.5 + 1e-9, "%g fps: frame %d ends %g hundredths off",
                      fps[i], f, off);
        }
        CHECK_MSG(m.loops == 0, "%d loops", m.loops);
        if (fps[i] == 8) CHECK(m.delay[0] == 12 && m.delay[1] == 13 && m.delay[2] == 12 && m.delay[47] == 13);
        free(c.rgb);
        free(m.rgb);
    }
    Clip still = confetti(1, 3, 3, 9);
    size_t bytes;
    Movie m = through(&still, 8, &bytes);
    CHECK(m.loops == -1);
    free(still.rgb);
    free(m.rgb);
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
        free(text);
        free(back);
        free(gif);
        free(m.rgb);
    }
    size_t bytes;
    Byte *gif = gif_encode(c.rgb, 2, 5, 4, 8, NULL, &bytes);
    CHECK(!gif_comment(gif, bytes));
    CHECK(decode(gif, 0).wrong != NULL);
    free(gif);
    free(c.rgb);
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
        int is_whole = text && !strcmp(text, "what made it");
        CHECK_MSG(n < ends + 3 ? !text : is_whole, "%zu bytes give %s", n, text ? text : "none");
        free(text);
    }
    for (size_t i = 0; i < 8 * bytes; i++) {
        gif[i / 8] ^= (Byte)(1 << i % 8);
        char *text = comment_of_copy(gif, bytes);
        CHECK(!text || strlen(text) < bytes);
        free(text);
        gif[i / 8] ^= (Byte)(1 << i % 8);
    }
    free(gif);
    free(c.rgb);
}

/* ---- a size to keep to ---- */

/* Frame f of the clip as the movie shows it, which may hold fewer. */
static const Byte *shown(const Movie *m, const Clip *c, int f, int every)
{
    return m->rgb + 3 * area(c) * (size_t)(f / every);
}

static double mean_error_over_time(const Movie *m, const Clip *c, int every)
{
    double sum = 0;
    for (int f = 0; f < c->frames; f++) {
        const Byte *is = shown(m, c, f, every);
        const Byte *was = c->rgb + 3 * area(c) * (size_t)f;
        for (size_t i = 0; i < 3 * area(c); i++) sum += abs(is[i] - was[i]);
    }
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
    static const double part[] = { 2, 1, 0.9, 0.7, 0.5, 0.4, 0.3, 0.25, 0.1, 0.05, 0.02 };
    Clip c = scene(12, 96, 80, 8);
    for (int f = 1; f < 12; f++) memcpy(c.rgb + 3 * area(&c) * (size_t)f, c.rgb, 3 * area(&c) / 2);
    size_t whole, before = SIZE_MAX;
    Byte *plain = gif_encode(c.rgb, 12, 96, 80, 8, "x", &whole);
    double error = 0;
    for (size_t i = 0; i < sizeof part / sizeof *part; i++) {
        size_t most = (size_t)(part[i] * (double)whole), size = 0;
        GifEffort e = { .colours = 0, .loss = 0, .every = 1 };
        Byte *gif = gif_encode_within(c.rgb, 12, 96, 80, 8, "x", most, &e, &size);
        Movie m = decode(gif, size);
        double error_now = mean_error_over_time(&m, &c, e.every);
        int time = 0;
        for (int f = 0; f < m.frames; f++) time += m.delay[f];
        printf("  at most %6zu bytes: %6zu with %d colours, loss %d, every %d: mean error %.2f\n",
               most, size, e.colours, e.loss, e.every, error_now);
        CHECK_MSG(!m.wrong && m.frames == (11 + e.every) / e.every && time == 150, "%s, %d frames in %d hundredths",
                  m.wrong ? m.wrong : "read", m.frames, time);
        CHECK_MSG(size <= most, "%zu bytes, allowed %zu", size, most);
        CHECK(part[i] < 1 || (size == whole && !memcmp(gif, plain, size) && e.colours == 256 && !e.loss));
        CHECK(part[i] >= 1 || e.loss > 0);
        CHECK(m.colours <= (e.colours <= 128 ? 128 : 256) && size <= before && error_now >= error - 0.05);
        CHECK_MSG(!moving(&m, &c), "%zu still pixels move", moving(&m, &c));
        before = size;
        error = error_now;
        free(gif);
        free(m.rgb);
    }
    GifEffort e;
    Byte *still = gif_encode_within(c.rgb, 1, 96, 80, 8, NULL, 1, &e, &whole);
    Byte *two = gif_encode_within(c.rgb, 2, 96, 80, 8, NULL, 1, &e, &before);
    CHECK(still && whole > 1 && two && before > 1 && e.every == 1);
    free(still);
    free(two);
    free(plain);
    free(c.rgb);
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
    GifEffort wrong[] = { { 1, 0, 1 }, { 257, 0, 1 }, { 256, -1, 1 }, { 256, 256, 1 }, { 256, 0, 0 } };
    for (int i = 0; i < 5; i++) CHECK(!gif_encode_with(rgb, 1, 1, 1, 8, NULL, wrong[i], &n));
    CHECK(sizeof(size_t) < 8 || !gif_encode(rgb, 2147483647, 65535, 65535, 8, NULL, &n));
}

int main(void)
{
    few_colours_are_exact();
    dictionary_fills();
    every_length();
    many_colours_come_close();
    nothing_shimmers();
    a_stay_has_its_mean();
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
