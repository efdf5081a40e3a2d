/* painted.c - an embedding within a picture.
 *
 *     {"string_to_param": {"*": {"TORCHTENSOR": [[...]]}}, "name": "...", ...}
 *
 * stands there twice: in base64 as the picture's text sd-ti-embedding, and, for hosts that take texts out, in the
 * pixels.  Left and right of the picture, behind a black column each, lie two blocks of the picture's height.  The low four
 * bits of their channels, xored with numbers of a fixed generator, are the low and the high halves of the bytes of a zlib
 * stream; the high four bits are decoration.  A black border around it all is cut off. */
#include "painted.h"

#include "chars.h"
#include "deflate.h"
#include "json.h"
#include "png.h"

#include <string.h>

enum { CHANNELS = 3, LARGEST = 16 << 20 };

typedef struct { const unsigned char *at; int width, height, pitch; } Block;      /* pitch: bytes from row to row */

/* ---- in the text ------------------------------------------------------------------------------ */

/* the bytes that text says in base64; what is no letter of it is passed over */
static Bytes from_base64(Arena *a, const char *text)
{
    static const char letters[] = "ABCDEFGHIJKLMNOPQRSTUVWXYZabcdefghijklmnopqrstuvwxyz0123456789+/";
    unsigned char *out = take(a, strlen(text), 1);
    size_t size = 0;
    uint32_t bits = 0;
    int held = 0;
    for (; *text; text++) {
        const char *letter = strchr(letters, *text);
        if (!letter) continue;
        bits = bits << 6 | (uint32_t)(letter - letters), held += 6;
        if (held >= 8) out[size++] = (unsigned char)(bits >> (held -= 8) & 255);
    }
    return (Bytes){ out, size };
}

/* ---- in the pixels ---------------------------------------------------------------------------- */

static const unsigned char *pixel(Block b, int x, int y) { return b.at + (size_t)y * (size_t)b.pitch + (size_t)x * CHANNELS; }

/* Is there a pixel in this column, or row, none of whose channels is black? */
static int lit(Block b, int at, int column)
{
    for (int i = 0; i < (column ? b.height : b.width); i++) {
        const unsigned char *p = column ? pixel(b, at, i) : pixel(b, i, at);
        if (p[0] && p[1] && p[2]) return 1;
    }
    return 0;
}

static Block without_border(Block b)
{
    int left = 0, right = b.width, top = 0, bottom = b.height;
    while (left < right && !lit(b, left, 1)) left++;
    while (right > left && !lit(b, right - 1, 1)) right--;
    while (top < bottom && !lit(b, top, 0)) top++;
    while (bottom > top && !lit(b, bottom - 1, 0)) bottom--;
    return (Block){ pixel(b, left, top), right - left, bottom - top, b.pitch };
}

static int empty_column(Block b, int x)
{
    int bits = 0;
    for (int y = 0; y < b.height; y++) for (int c = 0; c < CHANNELS; c++) bits |= pixel(b, x, y)[c] & 15;
    return !bits;
}

/* out |= the block's four bits a channel, shifted; seed = (1664525 seed + 1013904223) mod 2^32, of which mod 255 is taken */
static void reveal(unsigned char *out, Block b, int shift)
{
    uint32_t seed = 0;
    for (int y = 0; y < b.height; y++)
        for (int i = 0; i < b.width * CHANNELS; i++) {
            seed = 1664525u * seed + 1013904223u;
            *out++ |= (unsigned char)(((pixel(b, 0, y)[i] ^ seed % 255) & 15) << shift);
        }
}

static Bytes from_pixels(Arena *a, const char *path, Bytes png)
{
    char why[PNG_WHY];
    int width, height;
    unsigned char *rgb = adopt(a, png_decode(png.data, png.size, &width, &height, why));
    if (!rgb) fail(a, "%s: %s", path, why);
    Block b = without_border((Block){ rgb, width, height, width * CHANNELS });
    int first = 0, last = b.width - 1;
    while (first < b.width && !empty_column(b, first)) first++;
    while (last > first && !empty_column(b, last)) last--;
    if (first >= last || !first || first != b.width - 1 - last) fail(a, "%s: this picture carries no embedding", path);
    size_t n = (size_t)first * (size_t)b.height * CHANNELS, size, room = n < LARGEST / 8 ? 8 * n + 65536 : LARGEST;
    unsigned char *packed = take(a, n, 1), *text = take(a, room, 1);
    memset(packed, 0, n);
    reveal(packed, (Block){ b.at, first, b.height, b.pitch }, 0);
    reveal(packed, (Block){ pixel(b, last + 1, 0), first, b.height, b.pitch }, 4);
    const char *wrong = zlib_unpack(packed, n, text, room, &size);
    if (wrong) fail(a, "%s: this picture carries no embedding, or a damaged one: %s", path, wrong);
    return (Bytes){ text, size };
}

/* ---- the tensor ------------------------------------------------------------------------------- */

/* at [[1, 2], [3, 4]]: such a table as a tensor */
static const Weight *json_table(Json *c)
{
    size_t room = (size_t)(c->end - c->at) / 2 + 1, count = 0, rows = 0, *shape = take(c->mem, 2, sizeof *shape);
    float *x = take(c->mem, room, sizeof *x);
    json_expect(c, '[', "its tensor is no table");
    do {
        json_expect(c, '[', "its tensor is no table");
        do {
            double value = 0;
            const char *number = json_number(c);
            if (!number || !number_at(number, &value)) json_bad(c, "its tensor holds something that is no number");
            x[count++] = (float)value;
        } while (json_next(c, ','));
        json_expect(c, ']', "its tensor is no table");
        if (!rows++) shape[1] = count;
        if (count != rows * shape[1]) json_bad(c, "its tensor has rows of different lengths");
    } while (json_next(c, ','));
    shape[0] = rows;
    Weight *w = take(c->mem, 1, sizeof *w);
    *w = (Weight){ "TORCHTENSOR", x, F32, 2, shape, count * sizeof *x };
    return w;
}

const Weight *painted_embedding(Arena *a, const char *path, Bytes png, const char **name)
{
    const char *kept = adopt(a, png_text(png.data, png.size, "sd-ti-embedding"));
    Json c = json_begin(a, path, "embedding in a picture", kept ? from_base64(a, kept) : from_pixels(a, path, png)), said = c;
    if (json_member(&said, "name") && json_peek(&said) == '"') *name = json_string(&said);
    if (!json_member(&c, "string_to_param")) json_bad(&c, "it has no string_to_param");
    json_expect(&c, '{', "its string_to_param is no object");
    json_string(&c);
    json_expect(&c, ':', "its string_to_param is no object");
    if (!json_member(&c, "TORCHTENSOR")) json_bad(&c, "it has no tensor");
    return json_table(&c);
}
