/* test_picture_files.c - WebP, BMP and rare JPEG files against Pillow, settings inside pictures of other programs, and
 * what is said about pictures that are not read: the files of tests/golden_picture_files.py.  Of pixels the goldens
 * hold the size and a checksum. */
#include "deflate.h"
#include "exif.h"
#include "image.h"
#include "picture_info.h"
#include "picture_kinds.h"
#include "picture_settings.h"
#include "safetensors.h"
#include "test.h"
#include <stdlib.h>

typedef unsigned char Byte;

static int begins(const char *s, const char *with) { return !strncmp(s, with, strlen(with)); }

typedef struct { Arena *a; const char *name; Bytes file; Picture got; } Reading;

static void read_it(void *reading)
{
    Reading *r = reading;
    r->got = image_decode(r->a, r->file, r->name);
}

/* A copy with nothing behind it, so that the sanitizers see a byte read too many. */
static Bytes copied(Arena *a, const void *data, size_t n)
{
    Byte *copy = malloc(n ? n : 1);
    on_release(a, free, copy);
    memcpy(copy, data, n);
    return (Bytes){ copy, n };
}

static void check_picture(Arena *a, const Weight *w, const char *expected)
{
    char why[MESSAGE];
    Reading r = { a, w->name, copied(a, w->data, w->bytes), { 0 } };
    if (attempt(a, read_it, &r, why)) {
        CHECK_MSG(0, "%s", why);
        return;
    }
    size_t bytes = 3 * (size_t)r.got.width * (size_t)r.got.height;
    const char *got = format(a, "%d %d %08x", r.got.width, r.got.height, (unsigned)crc32_of(0, r.got.rgb, bytes));
    CHECK_MSG(!strcmp(got, expected), "%s: width, height and CRC-32 are %s, expected %s", w->name, got, expected);
}

static void check_refusal(Arena *a, const Weight *w, const char *reason)
{
    char why[MESSAGE] = "it is read";
    Reading r = { a, w->name, copied(a, w->data, w->bytes), { 0 } };
    int refused = attempt(a, read_it, &r, why);
    CHECK_MSG(refused && strstr(why, reason), "%s: expected \"%s\"", why, reason);
}

static void check_settings(Arena *a, const Weight *w, const char *expected)
{
    Bytes file = copied(a, w->data, w->bytes);
    const char *got = picture_settings(a, file.data, file.size);
    if (!got) got = "";
    CHECK_MSG(!strcmp(got, expected), "%s: \"%s\", expected \"%s\"", w->name, got, expected);
    int width, height;
    picture_size(file.data, file.size, &width, &height);
    CHECK_MSG(width == 2 && height == 2, "%s: of %dx%d, expected 2x2", w->name, width, height);
}

static void goldens(Arena *a)
{
    const WeightFile *g = safetensors_open(a, "tests/golden/picture_files.golden");
    CHECK(g->count > 150);
    for (size_t i = 0; i < g->count; i++) {
        const Weight *w = &g->weight[i];
        const char *expected = file_metadata(g, w->name);
        size_t before = mark(a);
        if (begins(w->name, "refuse.")) check_refusal(a, w, expected);
        else if (begins(w->name, "settings.")) check_settings(a, w, expected);
        else check_picture(a, w, expected);
        release(a, before);
    }
}

/* ---- kinds ---- */

#define BYTES(text) (const uint8_t *)(text), sizeof(text) - 1

static void kinds(void)
{
    static const struct { const uint8_t *bytes; size_t n; const char *name; } t[] = {
        { BYTES("\x89PNG\r\n\x1A\n...."),                       "PNG" },
        { BYTES("\xFF\xD8\xFF\xE0"),                            "JPEG" },
        { BYTES("GIF89a"),                                      "GIF" },
        { BYTES("RIFF....WEBPVP8 "),                            "WebP" },
        { BYTES("BM............\x28\0\0\0......"),              "BMP" },
        { BYTES("\0\0\0\x18" "ftypheic\0\0\0\0mif1heic"),       "HEIC" },
        { BYTES("\0\0\0\x18" "ftypmif1\0\0\0\0mif1heic"),       "HEIC" },
        { BYTES("\0\0\0\x1C" "ftypavif\0\0\0\0avifmif1miaf"),   "AVIF" },
        { BYTES("\0\0\0\x1C" "ftypmif1\0\0\0\0mif1avifmiaf"),   "AVIF" },
        { BYTES("\0\0\0\x18" "ftypcrx \0\0\0\1crx isom"),       "camera's raw file" },
        { BYTES("\xFF\x0A\x10"),                                "JPEG XL" },
        { BYTES("\0\0\0\x0CJXL \r\n\x87\n"),                    "JPEG XL" },
        { BYTES("\0\0\0\x0CjP  \r\n\x87\n"),                    "JPEG 2000" },
        { BYTES("\xFF\x4F\xFF\x51\0"),                          "JPEG 2000" },
        { BYTES("II*\0\x08\0\0\0\0\0"),                         "TIFF" },
        { BYTES("MM\0*\0\0\0\x08\0\0"),                         "TIFF" },
        { BYTES("II+\0\x08\0\0\0"),                             "TIFF" },
        { BYTES("II*\0\x10\0\0\0" "CR\2\0\0\0\0\0\0\0"),        "camera's raw file" },
        { BYTES("IIRO\x08\0\0\0"),                              "camera's raw file" },
        { BYTES("FUJIFILMCCD-RAW 0201"),                        "camera's raw file" },
        { BYTES("MM\0*\0\0\0\x08\0\1\xC6\x12\0\1\0\0\0\4\1\4\0\0"), "camera's raw file" },       /* DNGVersion */
        { BYTES("8BPS\0\1"),                                    "Photoshop file" },
        { BYTES("\0\0\1\0\1\0\x10\x10"),                        "ICO" },
        { BYTES("P6\n2 2 255\n"),                               "PNM" },
        { BYTES("P3 # a comment"),                              "PNM" },
        { BYTES("qoif\0\0\0\1"),                                "QOI" },
        { BYTES("v/1\1\2\0\0\0"),                               "OpenEXR" },
        { BYTES("#?RADIANCE\n"),                                "Radiance HDR" },
        { BYTES("DDS |\0\0\0"),                                 "DDS" },
        { BYTES("%PDF-1.7"),                                    "PDF" },
        { BYTES("<?xml version=\"1.0\"?><svg width=\"2\">"),    "SVG" },
        { BYTES("<lora:yumin:0.8> a portrait"),                 NULL },
        { BYTES("P2 a portrait"),                               NULL },
        { BYTES("BM a portrait of somebody"),                   NULL },
        { BYTES("RIFF....WAVEfmt "),                            NULL },
        { BYTES("\0\0\0\x18" "ftypmp42\0\0\0\0isommp42"),       NULL },
        { BYTES(""),                                            NULL },
    };
    for (size_t i = 0; i < sizeof t / sizeof *t; i++) {
        const PictureKind *kind = picture_kind(t[i].bytes, t[i].n);
        const char *name = kind ? kind->name : "none";
        const char *expected = t[i].name ? t[i].name : "none";
        CHECK_MSG(!strcmp(name, expected), "kind %zu: %s, expected %s", i, name, expected);
        CHECK(!kind || kind->is_read || kind->command);
    }
}

static void conversions(Arena *a)
{
    const PictureKind *heic = picture_kind(BYTES("\0\0\0\x18" "ftypheic\0\0\0\0mif1heic"));
    const char *plain = picture_conversion(a, heic, "a/me.heic");
    const char *spaced = picture_conversion(a, heic, "IMG 1.heic");
    CHECK_MSG(strstr(plain, " a/me.heic ") && strstr(plain, " a/me.png"), "%s", plain);
    CHECK_MSG(strstr(spaced, " 'IMG 1.heic'") || strstr(spaced, " \"IMG 1.heic\""), "%s", spaced);
    CHECK_MSG(strstr(spaced, "'IMG 1.png'") || strstr(spaced, "\"IMG 1.png\""), "%s", spaced);
    const char *named_png = picture_conversion(a, heic, "me.png");
    CHECK_MSG(strstr(named_png, "me.png.png"), "the picture itself would be written over: %s", named_png);
    const char *quoted = picture_conversion(a, heic, "it's me.heic");
    CHECK_MSG(strstr(quoted, " 'it'\\''s me.heic' ") || strstr(quoted, "\"it's me.heic\""), "%s", quoted);
    char why[MESSAGE];
    Reading r = { a, "me.heic", { BYTES("\0\0\0\x18" "ftypheic\0\0\0\0mif1heic") }, { 0 } };
    int refused = attempt(a, read_it, &r, why);
    CHECK_MSG(refused && begins(why, "me.heic: is a HEIC, expected a PNG, JPEG, WebP or BMP; to convert"), "%s", why);
}

int main(void)
{
    Arena *a = arena_new();
    goldens(a);
    kinds();
    conversions(a);
    arena_free(a);
    return done();
}
