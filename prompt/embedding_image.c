/* embedding_image.c - a textual inversion embedding inside a picture.
 *
 * The embedding is JSON:
 *
 *     {"string_to_param": {"*": {"TORCHTENSOR": [[...], ...]}}, "name": "...", ...}
 *
 * The picture holds it twice: in base64, as the PNG text sd-ti-embedding, and in the pixels (steganography),
 * because many hosts remove texts.  The pixels are read only when the text is missing.
 *
 * In the pixels: left and right of the visible picture, behind one black column each, lie two blocks of equal size.
 * The low 4 bits of the left block's channels are the low halves of bytes, those of the right block the high
 * halves, both xored with a fixed pseudorandom sequence.  The bytes are a zlib stream of the JSON.  The high 4 bits
 * only decorate.  A black border around everything is ignored.
 *
 * The largest embedding that is read has 16 MB of JSON. */
#include "embedding_image.h"

#include "chars.h"
#include "deflate.h"
#include "json.h"
#include "png.h"

#include <string.h>

enum { CHANNELS = 3, LARGEST = 16 << 20 };

/* A part of a picture.  stride: bytes from row to row. */
typedef struct { const unsigned char *at; int width, height, stride; } Block;

/* ---- in the text ------------------------------------------------------------------------------ */

/* Skips what is no base64 digit. */
static Bytes decode_base64(Arena *a, const char *text)
{
    static const char digits[] = "ABCDEFGHIJKLMNOPQRSTUVWXYZabcdefghijklmnopqrstuvwxyz0123456789+/";
    unsigned char *out = allocate(a, strlen(text), 1);
    size_t size = 0;
    uint32_t bits = 0;
    int held = 0;                       /* bits that wait for a whole byte */
    for (; *text; text++) {
        const char *found = strchr(digits, *text);
        if (!found) continue;
        bits = bits << 6 | (uint32_t)(found - digits);
        held += 6;
        if (held < 8) continue;
        held -= 8;
        out[size++] = (unsigned char)(bits >> held & 255);
    }
    return (Bytes){ out, size };
}

/* ---- in the pixels ---------------------------------------------------------------------------- */

static const unsigned char *pixel(Block b, int x, int y)
{
    return b.at + (size_t)y * (size_t)b.stride + (size_t)x * CHANNELS;
}

static int has_no_zero(const unsigned char *p) { return p[0] && p[1] && p[2]; }

/* A row or column belongs to the border when each of its pixels has a channel of 0. */
static int is_border_column(Block b, int x)
{
    for (int y = 0; y < b.height; y++)
        if (has_no_zero(pixel(b, x, y))) return 0;
    return 1;
}

static int is_border_row(Block b, int y)
{
    for (int x = 0; x < b.width; x++)
        if (has_no_zero(pixel(b, x, y))) return 0;
    return 1;
}

static Block without_border(Block b)
{
    int left = 0, right = b.width, top = 0, bottom = b.height;
    while (left < right && is_border_column(b, left)) left++;
    while (right > left && is_border_column(b, right - 1)) right--;
    while (top < bottom && is_border_row(b, top)) top++;
    while (bottom > top && is_border_row(b, bottom - 1)) bottom--;
    return (Block){ .at = pixel(b, left, top), .width = right - left, .height = bottom - top, .stride = b.stride };
}

/* Is this a column between a block and the visible picture?  All low bits there are 0. */
static int is_separator(Block b, int x)
{
    int bits = 0;
    for (int y = 0; y < b.height; y++)
        for (int c = 0; c < CHANNELS; c++) bits |= pixel(b, x, y)[c] & 15;
    return !bits;
}

/* out |= ((channel ^ seed % 255) & 15) << shift,   seed = (1664525 seed + 1013904223) mod 2^32 */
static void extract_bits(unsigned char *out, Block b, int shift)
{
    uint32_t seed = 0;
    for (int y = 0; y < b.height; y++)
        for (int i = 0; i < b.width * CHANNELS; i++) {
            seed = 1664525u * seed + 1013904223u;
            unsigned half = (pixel(b, 0, y)[i] ^ seed % 255) & 15;
            *out++ |= (unsigned char)(half << shift);
        }
}

/* The two blocks of data -> the JSON in them. */
static Bytes unpack_blocks(Arena *a, const char *path, Block low, Block high)
{
    size_t n = (size_t)low.width * (size_t)low.height * CHANNELS, size;
    size_t room = n < LARGEST / 8 ? 8 * n + 65536 : LARGEST;
    unsigned char *packed = allocate(a, n, 1);
    unsigned char *json = allocate(a, room, 1);
    memset(packed, 0, n);
    extract_bits(packed, low, 0);
    extract_bits(packed, high, 4);
    const char *wrong = zlib_decompress(packed, n, json, room, &size);
    if (wrong) fail(a, "%s: this picture carries no embedding, or a damaged one: %s", path, wrong);
    return (Bytes){ json, size };
}

static Bytes read_pixels(Arena *a, const char *path, Bytes png)
{
    char why[PNG_WHY];
    int width, height;
    unsigned char *rgb = arena_own(a, png_decode(png.data, png.size, &width, &height, why));
    if (!rgb) fail(a, "%s: %s", path, why);
    Block b = without_border((Block){ .at = rgb, .width = width, .height = height, .stride = width * CHANNELS });
    int first = 0, last = b.width - 1;
    while (first < b.width && !is_separator(b, first)) first++;
    while (last > first && !is_separator(b, last)) last--;
    int sides_agree = first > 0 && first < last && first == b.width - 1 - last;
    if (!sides_agree) fail(a, "%s: this picture carries no embedding", path);
    Block low = { .at = b.at, .width = first, .height = b.height, .stride = b.stride };
    Block high = { .at = pixel(b, last + 1, 0), .width = first, .height = b.height, .stride = b.stride };
    return unpack_blocks(a, path, low, high);
}

/* ---- the tensor ------------------------------------------------------------------------------- */

static float read_value(Json *c)
{
    double value = 0;
    const char *number = json_number(c);
    if (!number || !number_at(number, &value)) json_bad(c, "its tensor holds something that is no number");
    return (float)value;
}

/* The cursor is at [[1, 2], [3, 4]]: such a table as a tensor of float32. */
static const Weight *read_table(Json *c)
{
    static const char no_table[] = "its tensor is no table";
    size_t room = (size_t)(c->end - c->at) / 2 + 1;     /* a value takes at least two bytes: "1," */
    size_t count = 0, rows = 0;
    size_t *shape = allocate(c->mem, 2, sizeof *shape);
    float *x = allocate(c->mem, room, sizeof *x);
    json_expect(c, '[', no_table);
    do {
        json_expect(c, '[', no_table);
        do {
            x[count++] = read_value(c);
        } while (json_accept(c, ','));
        json_expect(c, ']', no_table);
        if (!rows) shape[1] = count;
        rows++;
        if (count != rows * shape[1]) json_bad(c, "its tensor has rows of different lengths");
    } while (json_accept(c, ','));
    shape[0] = rows;
    Weight *w = allocate(c->mem, 1, sizeof *w);
    *w = (Weight){ .name = "TORCHTENSOR", .data = x, .type = F32, .rank = 2, .shape = shape };
    w->bytes = count * sizeof *x;
    return w;
}

const Weight *embedding_image_read(Arena *a, const char *path, Bytes png, const char **name)
{
    static const char no_object[] = "its string_to_param is no object";
    const char *text = arena_own(a, png_text(png.data, png.size, "sd-ti-embedding"));
    Bytes json = text ? decode_base64(a, text) : read_pixels(a, path, png);
    Json c = json_begin(a, path, "embedding in a picture", json), at_name = c;
    if (json_member(&at_name, "name") && json_peek(&at_name) == '"') *name = json_string(&at_name);
    if (!json_member(&c, "string_to_param")) json_bad(&c, "it has no string_to_param");
    json_expect(&c, '{', no_object);
    json_string(&c);
    json_expect(&c, ':', no_object);
    if (!json_member(&c, "TORCHTENSOR")) json_bad(&c, "it has no tensor");
    return read_table(&c);
}
