/* test_png.c - png.c against a PNG decoder written here from the PNG and deflate specifications. */
#include "png.h"
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

typedef enum { FLAT, GRADIENT, NOISE, SPARSE, TILES, KINDS } Kind;

static int sample(Kind kind, int x, int y, int k)
{
    uint32_t r = mixed((uint32_t)(x * 3 + y * 4099 + k));
    switch (kind) {
    case FLAT: return 40 * k + 9;
    case GRADIENT: return (x * (k + 1) + y * 2 + (int)(r % 3)) & 255;
    case NOISE: return (int)(r & 255);
    case SPARSE: return r % 97 ? 0 : (int)(r >> 8 & 255);
    default: return (int)(mixed((uint32_t)((x & 31) * 3 + (y & 15) * 100 + k)) & 255);
    }
}

static Byte *picture(Kind kind, int frames, int width, int height)
{
    Byte *rgb = malloc(3 * (size_t)frames * (size_t)width * (size_t)height), *p = rgb;
    for (int f = 0; f < frames; f++)
        for (int y = 0; y < height; y++)
            for (int x = 0; x < width; x++)
                for (int k = 0; k < 3; k++) *p++ = (Byte)sample(kind, x, y + (x < 9 && y > 3 ? f : 0), k);
    return rgb;
}

/* ---- inflate: slow, a bit at a time ---- */

typedef struct { const Byte *data; size_t bit, bits; int wrong; } Bits;

static int bits(Bits *b, int n)
{
    int value = 0;
    for (int i = 0; i < n; i++) {
        if (b->bit >= b->bits) {
            b->wrong = 1;
            return 0;
        }
        value |= (b->data[b->bit / 8] >> b->bit % 8 & 1) << i;
        b->bit++;
    }
    return value;
}

/* A code as how many symbols have each length, and the symbols in order of code. */
typedef struct { int count[16], symbol[320]; } Code;

static void make_code(Code *c, const int *length, int n)
{
    int k = 0;
    memset(c, 0, sizeof *c);
    for (int l = 1; l <= 15; l++)
        for (int i = 0; i < n; i++) {
            if (length[i] != l) continue;
            c->count[l]++;
            c->symbol[k++] = i;
        }
}

/* A code is whole when its lengths leave no room and take none twice. */
static int whole(const Code *c)
{
    int room = 1;
    for (int l = 1; l <= 15; l++) room = 2 * room - c->count[l];
    return room == 0;
}

static int symbol(Bits *b, const Code *c)
{
    int code = 0, first = 0, index = 0;
    for (int l = 1; l <= 15; l++) {
        code |= bits(b, 1);
        if (code - first < c->count[l]) return c->symbol[index + code - first];
        index += c->count[l];
        first = (first + c->count[l]) << 1;
        code <<= 1;
    }
    b->wrong = 1;
    return 0;
}

static void read_codes(Bits *b, Code *literal, Code *distance)
{
    static const int order[19] = { 16, 17, 18, 0, 8, 7, 9, 6, 10, 5, 11, 4, 12, 3, 13, 2, 14, 1, 15 };
    int length[320] = { 0 }, small[19] = { 0 };
    int literals = bits(b, 5) + 257;
    int distances = bits(b, 5) + 1;
    int smalls = bits(b, 4) + 4;
    Code runs;
    for (int i = 0; i < smalls; i++) small[order[i]] = bits(b, 3);
    make_code(&runs, small, 19);
    if (!whole(&runs) || literals > 286 || distances > 30) b->wrong = 1;
    for (int i = 0; i < literals + distances && !b->wrong; ) {
        int s = symbol(b, &runs);
        int value = 0, times = 1;
        if (s < 16) value = s;
        if (s == 16) value = i ? length[i - 1] : 99;
        if (s == 16) times = 3 + bits(b, 2);
        if (s == 17) times = 3 + bits(b, 3);
        if (s == 18) times = 11 + bits(b, 7);
        if (i + times > literals + distances || value > 15) {
            b->wrong = 1;
            return;
        }
        for (; times > 0; times--) length[i++] = value;
    }
    make_code(literal, length, literals);
    make_code(distance, length + literals, distances);
    if (!whole(literal) || !whole(distance) || !length[256]) b->wrong = 1;
}

static void fixed_codes(Code *literal, Code *distance)
{
    int length[288], five[30];
    for (int i = 0; i < 288; i++) {
        length[i] = 8;
        if (i >= 144 && i < 256) length[i] = 9;
        if (i >= 256 && i < 280) length[i] = 7;
    }
    for (int i = 0; i < 30; i++) five[i] = 5;
    make_code(literal, length, 288);
    make_code(distance, five, 30);
}

/* The bytes of a block: literals, and matches of the lengths and distances of RFC 1951, 3.2.5. */
static void inflate_block(Bits *b, const Code *literal, const Code *distance, Byte *out, size_t *filled, size_t size)
{
    static const int length_base[29] = {
        3, 4, 5, 6, 7, 8, 9, 10, 11, 13, 15, 17, 19, 23, 27, 31, 35, 43, 51, 59, 67, 83, 99, 115,
        131, 163, 195, 227, 258 };
    static const int length_extra[29] = {
        0, 0, 0, 0, 0, 0, 0, 0, 1, 1, 1, 1, 2, 2, 2, 2, 3, 3, 3, 3, 4, 4, 4, 4, 5, 5, 5, 5, 0 };
    static const int distance_base[30] = {
        1, 2, 3, 4, 5, 7, 9, 13, 17, 25, 33, 49, 65, 97, 129, 193, 257, 385, 513, 769, 1025, 1537,
        2049, 3073, 4097, 6145, 8193, 12289, 16385, 24577 };
    size_t at = *filled;
    while (!b->wrong) {
        int s = symbol(b, literal);
        if (b->wrong || s == 256) break;
        if (s < 256) {
            if (at < size) out[at++] = (Byte)s;
            else b->wrong = 1;
            continue;
        }
        if (s > 285) {
            b->wrong = 1;
            break;
        }
        size_t length = (size_t)(length_base[s - 257] + bits(b, length_extra[s - 257]));
        int d = symbol(b, distance);
        size_t back = (size_t)(distance_base[d] + bits(b, d < 2 ? 0 : d / 2 - 1));
        if (back > at || back > 32768 || length > size - at) {
            b->wrong = 1;
            break;
        }
        for (size_t i = 0; i < length; i++) out[at + i] = out[at + i - back];
        at += length;
    }
    *filled = at;
}

static uint32_t adler32(const Byte *data, size_t n)
{
    uint32_t a = 1, b = 0;
    for (size_t i = 0; i < n; i++) {
        a = (a + data[i]) % 65521;
        b = (b + a) % 65521;
    }
    return b << 16 | a;
}

static uint32_t u32(const Byte *p) { return (uint32_t)p[0] << 24 | (uint32_t)p[1] << 16 | (uint32_t)p[2] << 8 | p[3]; }

/* zlib stream -> exactly size bytes. 1: all of it is right */
static int inflate(const Byte *data, size_t n, Byte *out, size_t size)
{
    Bits b = { .data = data, .bit = 16, .bits = 8 * n };
    size_t filled = 0;
    int is_last = 0;
    if (n < 6 || (data[0] & 15) != 8 || (data[0] * 256 + data[1]) % 31 || data[1] & 32) return 0;
    while (!is_last && !b.wrong) {
        Code literal, distance;
        is_last = bits(&b, 1);
        int kind = bits(&b, 2);
        if (kind == 2) read_codes(&b, &literal, &distance);
        else if (kind == 1) fixed_codes(&literal, &distance);
        else return 0;
        inflate_block(&b, &literal, &distance, out, &filled, size);
    }
    const Byte *tail = data + (b.bit + 7) / 8;
    return !b.wrong && filled == size && tail + 4 == data + n && u32(tail) == adler32(out, filled);
}

/* ---- PNG ---- */

static uint32_t crc(const Byte *p, size_t n)
{
    uint32_t c = 0xFFFFFFFF;
    while (n--) {
        c ^= *p++;
        for (int k = 0; k < 8; k++) c = c & 1 ? 0xEDB88320 ^ c >> 1 : c >> 1;
    }
    return ~c;
}

static int paeth(int a, int b, int c)
{
    int pa = abs(b - c);
    int pb = abs(a - c);
    int pc = abs(a + b - 2 * c);
    if (pa <= pb && pa <= pc) return a;
    return pb <= pc ? b : c;
}

/* rows: [h, 1 + 3 w] filtered -> to: rows of `stride` bytes. 1: every filter is known */
static int unfilter(const Byte *rows, size_t w, size_t h, Byte *to, size_t stride)
{
    for (size_t y = 0; y < h; y++) {
        int filter = *rows++;
        if (filter > 4) return 0;
        for (size_t x = 0; x < 3 * w; x++) {
            int a = x < 3 ? 0 : to[x - 3];
            int b = y ? to[x - stride] : 0;
            int c = x < 3 || !y ? 0 : to[x - stride - 3];
            const int prediction[5] = { 0, a, b, (a + b) >> 1, paeth(a, b, c) };
            to[x] = (Byte)(*rows++ + prediction[filter]);
        }
        to += stride;
    }
    return 1;
}

typedef struct { uint32_t width, height, frames, plays, numerator, denominator; Byte *rgb; int wrong; } Movie;

/* One zlib stream onto a frame that starts as a copy of the one before. */
static void add_frame(Movie *m, const uint32_t rect[4], const Byte *data, size_t n)
{
    size_t stride = 3 * (size_t)m->width, frame = stride * m->height;
    size_t w = rect[0], h = rect[1], size = h * (1 + 3 * w);
    if (w < 1 || h < 1 || w + rect[2] > m->width || h + rect[3] > m->height) {
        m->wrong = __LINE__;
        return;
    }
    m->rgb = realloc(m->rgb, (m->frames + 1) * frame);
    Byte *to = m->rgb + m->frames * frame;
    Byte *rows = malloc(size);
    if (m->frames) memcpy(to, to - frame, frame);
    if (!inflate(data, n, rows, size)) m->wrong = __LINE__;
    else if (!unfilter(rows, w, h, to + rect[3] * stride + 3 * rect[2], stride)) m->wrong = __LINE__;
    m->frames++;
    free(rows);
}

static int is(const Byte *type, const char *name) { return !memcmp(type, name, 4); }

/* What chunks say of frames that are to come. */
typedef struct { uint32_t rect[4], number, frames; } Announced;

/* A chunk other than IEND. */
static void read_chunk(Movie *m, Announced *t, const Byte *type, const Byte *data, uint32_t n)
{
    if (is(type, "IHDR")) {
        m->width = u32(data);
        m->height = u32(data + 4);
        t->rect[0] = m->width;
        t->rect[1] = m->height;
        if (n != 13 || memcmp(data + 8, "\x08\x02\0\0", 5)) m->wrong = __LINE__;
    } else if (is(type, "acTL")) {
        t->frames = u32(data);
        m->plays = u32(data + 4) + 1;
    } else if (is(type, "fcTL")) {
        if (n != 26 || u32(data) != t->number || data[24] || data[25]) m->wrong = __LINE__;
        t->number++;
        for (int i = 0; i < 4; i++) t->rect[i] = u32(data + 4 + 4 * i);
        m->numerator = u32(data + 20) >> 16;
        m->denominator = u32(data + 20) & 65535;
    } else if (is(type, "IDAT")) {
        add_frame(m, t->rect, data, n);
    } else if (is(type, "fdAT")) {
        if (u32(data) == t->number) add_frame(m, t->rect, data + 4, n - 4);
        else m->wrong = __LINE__;
        t->number++;
    }
}

static Movie decode(const Byte *png, size_t size)
{
    Movie m = { 0 };
    Announced t = { { 0 }, 0, 0 };
    int is_end = 0;
    if (size < 8 || memcmp(png, "\x89PNG\r\n\x1A\n", 8)) m.wrong = __LINE__;
    for (size_t at = 8; !m.wrong && !is_end; ) {
        if (size - at < 12 || u32(png + at) > size - at - 12) {
            m.wrong = __LINE__;
            break;
        }
        uint32_t n = u32(png + at);
        const Byte *type = png + at + 4, *data = type + 4;
        at += 12 + (size_t)n;
        is_end = is(type, "IEND");
        if (crc(type, n + 4) != u32(data + n)) m.wrong = __LINE__;
        else if (!is_end) read_chunk(&m, &t, type, data, n);
        else if (n || at != size) m.wrong = __LINE__;
    }
    if (t.frames && t.frames != m.frames) m.wrong = __LINE__;
    return m;
}

/* ---- the tests ---- */

static void pictures_return(void)
{
    static const int size[][2] = { { 1, 1 }, { 2, 1 }, { 1, 9 }, { 17, 31 }, { 128, 128 }, { 401, 211 } };
    for (Kind kind = 0; kind < KINDS; kind++)
        for (int s = 0; s < 6; s++) {
            int w = size[s][0], h = size[s][1];
            size_t bytes = 0, pixels = 3 * (size_t)w * (size_t)h;
            Byte *rgb = picture(kind, 1, w, h);
            Byte *png = png_encode(rgb, w, h, NULL, &bytes);
            Movie m = decode(png, bytes);
            CHECK_MSG(!m.wrong && m.frames == 1 && !m.plays && m.width == (uint32_t)w && m.height == (uint32_t)h
                      && !memcmp(rgb, m.rgb, pixels), "kind %d, %dx%d: wrong at line %d", kind, w, h, m.wrong);
            CHECK_MSG(bytes < pixels + pixels / 100 + 200, "kind %d, %dx%d: %zu bytes", kind, w, h, bytes);
            if (kind == TILES && s == 5) CHECK_MSG(bytes < pixels / 30, "tiles in %zu bytes", bytes);
            if (kind == FLAT && s == 5) CHECK_MSG(bytes < pixels / 300, "flat in %zu bytes", bytes);
            free(rgb);
            free(png);
            free(m.rgb);
        }
}

/* A code deeper than 15 wants counts that grow like Fibonacci's; deflate has to flatten it. */
static void deep_codes_are_flattened(void)
{
    enum { WIDTH = 5461, HEIGHT = 3 };
    Byte *rgb = malloc(3 * WIDTH * HEIGHT), *p = rgb;
    size_t a = 1, b = 1, bytes;
    for (int value = 0; p < rgb + 3 * WIDTH * HEIGHT; value += 7) {
        for (size_t i = 0; i < a && p < rgb + 3 * WIDTH * HEIGHT; i++) *p++ = (Byte)value;
        size_t next = a + b;
        a = b;
        b = next;
    }
    for (size_t i = 3 * WIDTH * HEIGHT - 1; i > 0; i--) {           /* shuffled, so that nothing repeats */
        size_t k = mixed((uint32_t)i) % (i + 1);
        Byte t = rgb[i];
        rgb[i] = rgb[k];
        rgb[k] = t;
    }
    Byte *png = png_encode(rgb, WIDTH, HEIGHT, NULL, &bytes);
    Movie m = decode(png, bytes);
    CHECK_MSG(!m.wrong && !memcmp(rgb, m.rgb, 3 * WIDTH * HEIGHT), "wrong at line %d", m.wrong);
    free(rgb);
    free(png);
    free(m.rgb);
}

/* Noise that repeats after `apart` rows of 1 + 3 width bytes; deflate reaches back 32768 bytes and not one more. */
static size_t repeated_noise(int width, int height, int apart)
{
    size_t bytes, row = 3 * (size_t)width;
    Byte *rgb = picture(NOISE, 1, width, height);
    for (int y = apart; y < height; y++) memcpy(rgb + row * (size_t)y, rgb + row * (size_t)(y - apart), row);
    Byte *png = png_encode(rgb, width, height, NULL, &bytes);
    Movie m = decode(png, bytes);
    CHECK_MSG(!m.wrong && !memcmp(rgb, m.rgb, row * (size_t)height), "wrong at line %d", m.wrong);
    free(rgb);
    free(png);
    free(m.rgb);
    return bytes;
}

static void repeats_reach_far(void)
{
    CHECK(repeated_noise(21, 1024, 512) < 36000);                   /* 512 * 64 = 32768 */
    CHECK(repeated_noise(110, 198, 99) > 65000);                    /* 99 * 331 = 32769 */
}

static void animations_return(void)
{
    static const struct { double fps; uint32_t numerator, denominator; } time[] = {
        { .fps = 8, .numerator = 1, .denominator = 8 },
        { .fps = 12.5, .numerator = 10, .denominator = 125 },
        { .fps = 23.976, .numerator = 1000, .denominator = 23976 },
        { .fps = 0.1, .numerator = 10, .denominator = 1 },
        { .fps = 100, .numerator = 1, .denominator = 100 },
        { .fps = 59.94, .numerator = 100, .denominator = 5994 },
    };
    for (int i = 0; i < 6; i++) {
        size_t bytes, pixels = 3 * 5 * 33 * 21;
        Byte *rgb = picture(NOISE, 5, 33, 21);
        memcpy(rgb + pixels / 5 * 2, rgb + pixels / 5, pixels / 5); /* one frame repeats the one before */
        memcpy(rgb + pixels / 5 * 4, rgb, pixels / 5);              /* and one the first */
        Byte *png = apng_encode(rgb, 5, 33, 21, time[i].fps, "x", &bytes);
        Movie m = decode(png, bytes);
        CHECK_MSG(!m.wrong && m.frames == 5 && m.plays == 1 && !memcmp(rgb, m.rgb, pixels), "wrong at line %d",
                  m.wrong);
        CHECK_MSG(m.numerator == time[i].numerator && m.denominator == time[i].denominator, "%g fps as %u/%u",
                  time[i].fps, m.numerator, m.denominator);
        CHECK_MSG(bytes < pixels / 2, "%zu bytes: all frames whole?", bytes);
        free(rgb);
        free(png);
        free(m.rgb);
    }
}

/* A copy with nothing behind it, so that the sanitizers see a byte read too many. */
static char *text_of_copy(const Byte *png, size_t size, const char *key)
{
    Byte *copy = malloc(size ? size : 1);
    memcpy(copy, png, size);
    char *text = png_text(copy, size, key);
    free(copy);
    return text;
}

static int holds(const Byte *png, size_t size, const char *name)
{
    for (size_t i = 0; i + 4 <= size; i++) if (is(png + i, name)) return 1;
    return 0;
}

static void texts_return(void)
{
    static const struct { const char *text, *chunk; } t[] = {
        { "", "tEXt" }, { "a portrait\nSteps: 45, Size: 512x512", "tEXt" }, { "é ÿ \xC2\x80", "tEXt" },
        { "猫 and é", "iTXt" }, { "Ā", "iTXt" }, { "🙂", "iTXt" }, { "\xFF\xC3", "iTXt" }, { "é\xC3", "iTXt" } };
    static const Byte rgb[3] = { 1, 2, 3 };
    size_t bytes;
    for (size_t i = 0; i < sizeof t / sizeof *t; i++) {
        Byte *png = png_encode(rgb, 1, 1, t[i].text, &bytes);
        char *text = text_of_copy(png, bytes, "parameters");
        CHECK_MSG(text && !strcmp(text, t[i].text), "%s returns as %s", t[i].text, text ? text : "nothing");
        CHECK_MSG(holds(png, bytes, t[i].chunk), "%s is not in %s", t[i].text, t[i].chunk);
        CHECK(!text_of_copy(png, bytes, "parameter") && !text_of_copy(png, bytes, "parameters2"));
        Movie m = decode(png, bytes);
        CHECK(!m.wrong);
        free(png);
        free(text);
        free(m.rgb);
    }
    Byte *png = png_encode(rgb, 1, 1, NULL, &bytes);
    CHECK(!text_of_copy(png, bytes, "parameters"));
    free(png);
}

/* A PNG of nothing but this chunk. */
static char *text_in_chunk(const char *type, const char *data, size_t n)
{
    Byte png[200] = "\x89PNG\r\n\x1A\n";
    png[11] = (Byte)n;
    memcpy(png + 12, type, 4);
    memcpy(png + 16, data, n);
    uint32_t c = crc(png + 12, n + 4);
    for (int i = 0; i < 4; i++) png[16 + n + (size_t)i] = (Byte)(c >> (24 - 8 * i));
    return text_of_copy(png, 20 + n, "k");
}

#define TEXT(type, data) text_in_chunk(type, data, sizeof data - 1)

static void texts_of_others(void)
{
    char *text = TEXT("iTXt", "k\0\0\0en\0Schl\xC3\xBCssel\0\xE7\x8C\xAB");
    CHECK(text && !strcmp(text, "猫"));
    free(text);
    text = TEXT("tEXt", "k\0a\0b");
    CHECK(text && !strcmp(text, "a"));                              /* the NUL ends it */
    free(text);
    CHECK(!TEXT("iTXt", "k\0\1\0\0\0xyz"));                         /* compressed */
    CHECK(!TEXT("zTXt", "k\0\0xyz"));
    CHECK(!TEXT("iTXt", "k\0\0\0en") && !TEXT("iTXt", "k\0\0\0en\0k"));
    CHECK(!TEXT("iTXt", "k\0\0") && !TEXT("iTXt", "k\0"));
    CHECK(!TEXT("tEXt", "k") && !TEXT("tEXt", "") && !TEXT("tEXt", "\0x") && !TEXT("tEXt", "kk\0x"));
}

/* Cut or changed before the end of the text: none. Behind it: the text. */
static void hostile_files(void)
{
    static const Byte rgb[12] = { 1, 2, 3 };
    static const char *const words[] = { "seed 7", "graine 7 \xE7\x8C\xAB" };
    for (int w = 0; w < 2; w++) {
        size_t bytes, ends = 8 + 25;
        Byte *png = png_encode(rgb, 2, 2, words[w], &bytes);
        ends += 12 + u32(png + ends);
        for (size_t n = 0; n <= bytes; n++) {
            char *text = text_of_copy(png, n, "parameters");
            int is_whole = text && !strcmp(text, words[w]);
            CHECK_MSG(n < ends ? !text : is_whole, "%zu bytes give %s", n, text ? text : "none");
            free(text);
        }
        for (size_t i = 0; i < 8 * bytes; i++) {
            png[i / 8] ^= (Byte)(1 << i % 8);
            char *text = text_of_copy(png, bytes, "parameters");
            int is_whole = text && !strcmp(text, words[w]);
            CHECK_MSG(i / 8 < ends ? !text : is_whole, "bit %zu of byte %zu changed: %s", i % 8, i / 8,
                      text ? text : "none");
            free(text);
            png[i / 8] ^= (Byte)(1 << i % 8);
        }
        free(png);
    }
}

static void refuses(void)
{
    static const Byte rgb[12];
    size_t n;
    CHECK(!png_encode(rgb, 0, 1, NULL, &n) && !png_encode(rgb, 1, 0, NULL, &n) && !png_encode(rgb, -1, 1, NULL, &n));
    CHECK(!png_encode(rgb, 2147483647, 1, NULL, &n) && !png_encode(rgb, 30000, 30000, NULL, &n));
    CHECK(!apng_encode(rgb, 0, 1, 1, 8, NULL, &n) && !apng_encode(rgb, 1, 1, 1, NAN, NULL, &n));
    CHECK(!apng_encode(rgb, 1, 1, 1, 0.09, NULL, &n) && !apng_encode(rgb, 1, 1, 1, 101, NULL, &n));
}

int main(void)
{
    pictures_return();
    deep_codes_are_flattened();
    repeats_reach_far();
    animations_return();
    texts_return();
    texts_of_others();
    hostile_files();
    refuses();
    return done();
}
