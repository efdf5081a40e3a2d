/* picture_info.c - what a picture file says about the picture besides its pixels.
 *
 * Each kind of file keeps the same three things at places of its own: an EXIF block, an XMP text, and a comment.  What
 * is in them does not depend on the kind.
 *
 *           EXIF                 XMP                   text or comment
 *     PNG   chunk eXIf           XML:com.adobe.xmp     the texts "parameters" and "Comment"
 *     JPEG  segment APP1         segment APP1          segment COM
 *     WebP  chunk EXIF           chunk "XMP "          -
 *
 * Nothing here is needed to decode pixels, so what is broken is treated as not there. */
#include "picture_info.h"

#include "bmp.h"
#include "exif.h"
#include "jpeg.h"
#include "png.h"
#include "webp.h"

#include <string.h>

/* A piece that a reader returned inside the file; empty when at is NULL. */
static Bytes piece(const uint8_t *at, size_t n) { return at ? (Bytes){ at, n } : (Bytes){ NULL, 0 }; }

static Bytes text_bytes(const char *text) { return piece((const uint8_t *)text, text ? strlen(text) : 0); }

static PictureInfo png_info(Arena *a, Bytes file)
{
    size_t n = 0;
    const uint8_t *exif = png_exif(file.data, file.size, &n);
    const char *xmp = arena_own(a, png_text(file.data, file.size, "XML:com.adobe.xmp"));
    return (PictureInfo){
        .exif = piece(exif, n),
        .xmp = text_bytes(xmp),
        .comment[0] = arena_own(a, png_text(file.data, file.size, "parameters")),
        .comment[1] = arena_own(a, png_text(file.data, file.size, "Comment")),
    };
}

static PictureInfo jpeg_info(Arena *a, Bytes file)
{
    size_t n[3] = { 0 };
    const uint8_t *exif = jpeg_exif(file.data, file.size, &n[0]);
    const uint8_t *xmp = jpeg_xmp(file.data, file.size, &n[1]);
    const uint8_t *comment = jpeg_comment(file.data, file.size, &n[2]);
    return (PictureInfo){
        .exif = piece(exif, n[0]),
        .xmp = piece(xmp, n[1]),
        .comment[0] = narrow_text(a, piece(comment, n[2])),
    };
}

static PictureInfo webp_info(Bytes file)
{
    size_t n[2] = { 0 };
    const uint8_t *exif = webp_chunk(file.data, file.size, "EXIF", &n[0]);
    const uint8_t *xmp = webp_chunk(file.data, file.size, "XMP ", &n[1]);
    return (PictureInfo){ .exif = piece(exif, n[0]), .xmp = piece(xmp, n[1]) };
}

PictureInfo picture_info(Arena *a, const uint8_t *bytes, size_t n)
{
    Bytes file = { bytes, n };
    if (has_bytes_at(file, 0, "\xFF\xD8", 2)) return jpeg_info(a, file);
    if (has_bytes_at(file, 0, "RIFF", 4)) return webp_info(file);
    if (has_bytes_at(file, 0, "\x89PNG", 4)) return png_info(a, file);
    return (PictureInfo){ .comment[0] = NULL };
}

/* EXIF counts first, then XMP, as in Pillow. */
int picture_orientation(Arena *a, const uint8_t *bytes, size_t n)
{
    PictureInfo info = picture_info(a, bytes, n);
    int orientation = exif_orientation(info.exif);
    if (!orientation) orientation = xmp_orientation(a, info.xmp);
    return orientation ? orientation : 1;
}

/* ---- size ------------------------------------------------------------------------------------- */

static int little(const uint8_t *p, int bytes) { return bytes ? *p | little(p + 1, bytes - 1) << 8 : 0; }

/* A side of a PNG; one of more than 31 bits is broken. */
static int big(const uint8_t *p) { return (p[0] & 127) << 24 | p[1] << 16 | p[2] << 8 | p[3]; }

/* RFC 9649: the first chunk says the size, in one of three forms. */
static void webp_size(Bytes file, int *width, int *height)
{
    size_t n = 0;
    const uint8_t *c;
    if ((c = webp_chunk(file.data, file.size, "VP8X", &n)) && n >= 10) {
        *width = little(c + 4, 3) + 1;
        *height = little(c + 7, 3) + 1;
    } else if ((c = webp_chunk(file.data, file.size, "VP8L", &n)) && n >= 5) {
        *width = (little(c + 1, 2) & 0x3FFF) + 1;
        *height = (little(c + 2, 3) >> 6 & 0x3FFF) + 1;
    } else if ((c = webp_chunk(file.data, file.size, "VP8 ", &n)) && n >= 10) {
        *width = little(c + 6, 2) & 0x3FFF;
        *height = little(c + 8, 2) & 0x3FFF;
    }
}

void picture_size(const uint8_t *bytes, size_t n, int *width, int *height)
{
    Bytes file = { bytes, n };
    *width = 0;
    *height = 0;
    if (has_bytes_at(file, 0, "GIF8", 4) && n >= 10) {
        *width = little(bytes + 6, 2);
        *height = little(bytes + 8, 2);
    } else if (has_bytes_at(file, 0, "\x89PNG", 4) && n >= 24) {
        *width = big(bytes + 16);
        *height = big(bytes + 20);
    } else if (has_bytes_at(file, 0, "BM", 2)) {
        bmp_size(bytes, n, width, height);
    } else if (has_bytes_at(file, 0, "RIFF", 4)) {
        webp_size(file, width, height);
    } else {
        jpeg_size(bytes, n, width, height);
    }
}
