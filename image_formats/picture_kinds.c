/* picture_kinds.c - what kind of picture a file is, and how to convert the kinds that are not read.
 *
 * One table: first bytes, name, command.  The first row that fits is it, so a row for a special case stands before the
 * general one.  Two families need more than fixed bytes.  HEIC and AVIF are one container (ISO 14496-12), and the
 * brands in its first box tell them apart; a file of the brand "mif1" is an AVIF when "avif" is among the compatible
 * brands.  Cameras' raw files are mostly TIFF files; NEF, ARW, PEF and DNG look like a TIFF until their tags are read.
 *
 * The commands are those of the usual converter for each kind on each system: sips comes with macOS, the others with
 * libheif, libavif, libjxl, OpenJPEG, darktable and ImageMagick. */
#include "picture_kinds.h"

#include "chars.h"
#include "exif.h"

#include <string.h>

#if defined __APPLE__
#define CONVERT(linux, apple, windows) apple
#elif defined _WIN32
#define CONVERT(linux, apple, windows) windows
#else
#define CONVERT(linux, apple, windows) linux
#endif

#define SIPS   "sips -s format png IN --out OUT"
#define MAGICK "magick IN OUT"
#define FIRST  "magick IN[0] OUT"                     /* the first of several pictures or pages */

typedef enum {
    PNG, JPEG, GIF, WEBP, BMP, HEIC, AVIF, JPEG_XL, JPEG_2000, TIFF, RAW, PSD, ICO, PNM, QOI, EXR, HDR, DDS, PDF, SVG
} Name;

static const PictureKind kinds[] = {
    [PNG]       = { .name = "PNG",  .article = "a", .is_read = 1 },
    [JPEG]      = { .name = "JPEG", .article = "a", .is_read = 1 },
    [GIF]       = { .name = "GIF",  .article = "a", .command = CONVERT(FIRST, SIPS, FIRST) },
    [WEBP]      = { .name = "WebP", .article = "a", .is_read = 1 },
    [BMP]       = { .name = "BMP",  .article = "a", .is_read = 1 },
    [HEIC]      = { .name = "HEIC", .article = "a", .command = CONVERT("heif-convert IN OUT", SIPS, MAGICK) },
    [AVIF]      = { .name = "AVIF", .article = "an", .command = CONVERT("avifdec IN OUT", SIPS, MAGICK) },
    [JPEG_XL]   = { .name = "JPEG XL", .article = "a", .command = CONVERT("djxl IN OUT", SIPS, "djxl IN OUT") },
    [JPEG_2000] = { .name = "JPEG 2000", .article = "a",
                    .command = CONVERT("opj_decompress -i IN -o OUT", SIPS, MAGICK) },
    [TIFF]      = { .name = "TIFF", .article = "a",
                    .command = CONVERT("magick IN[0] -auto-orient OUT", SIPS, "magick IN[0] -auto-orient OUT") },
    [RAW]       = { .name = "camera's raw file", .article = "a",
                    .command = CONVERT("darktable-cli IN OUT", SIPS, MAGICK) },
    [PSD]       = { .name = "Photoshop file", .article = "a", .command = CONVERT(FIRST, SIPS, FIRST) },
    [ICO]       = { .name = "ICO",  .article = "an", .command = CONVERT(FIRST, SIPS, FIRST) },
    [PNM]       = { .name = "PNM",  .article = "a", .command = CONVERT(MAGICK, MAGICK, MAGICK) },
    [QOI]       = { .name = "QOI",  .article = "a", .command = CONVERT(MAGICK, MAGICK, MAGICK) },
    [EXR]       = { .name = "OpenEXR", .article = "an", .command = CONVERT(MAGICK, SIPS, MAGICK) },
    [HDR]       = { .name = "Radiance HDR", .article = "a", .command = CONVERT(MAGICK, SIPS, MAGICK) },
    [DDS]       = { .name = "DDS",  .article = "a", .command = CONVERT(MAGICK, SIPS, MAGICK) },
    [PDF]       = { .name = "PDF",  .article = "a", .command = CONVERT(FIRST, SIPS, FIRST) },
    [SVG]       = { .name = "SVG",  .article = "an", .command = CONVERT(MAGICK, MAGICK, MAGICK) },
};

/* ---- what else must hold ---------------------------------------------------------------------- */

/* ISO 14496-12, 4.3:  | size 4 | "ftyp" | major brand 4 | version 4 | compatible brands, 4 each | */
static int has_brand(Bytes file, const char *brand)
{
    if (file.size < 12) return 0;
    size_t end = (size_t)file.data[2] << 8 | file.data[3];
    for (size_t at = 8; at + 4 <= end && at + 4 <= file.size; at += 4)
        if (has_bytes_at(file, at, brand, 4)) return 1;
    return 0;
}

static int is_avif(Bytes file) { return has_brand(file, "avif") || has_brand(file, "avis"); }

static int is_heic(Bytes file)
{
    static const char *const brands[] = { "heic", "heix", "heim", "heis", "hevc", "hevx", "mif1", "msf1" };
    for (size_t i = 0; i < sizeof brands / sizeof *brands; i++)
        if (has_brand(file, brands[i])) return 1;
    return 0;
}

/* A camera's TIFF with the sensor's picture in a directory of its own.  Editors name the camera too, but have none.
 * Canon's CR2 says so in its head. */
static int is_raw_tiff(Bytes file)
{
    if (has_bytes_at(file, 8, "CR\2", 3)) return 1;
    return exif_has(file, EXIF_DNG_VERSION) || (exif_has(file, EXIF_MAKE) && exif_has(file, EXIF_SUB_IFDS));
}

/* An SVG may begin with a declaration and comments. */
static int is_svg(Bytes file)
{
    enum { HEAD = 1024 };
    for (size_t i = 0; i < file.size && i < HEAD; i++)
        if (has_bytes_at(file, i, "<svg", 4)) return 1;
    return 0;
}

/* A PNM's kind is followed by white space, and by its width or a comment. */
static int is_pnm(Bytes file)
{
    if (file.size < 4 || file.data[1] < '1' || file.data[1] > '7' || !blank(file.data[2])) return 0;
    return digit(file.data[3]) || file.data[3] == '#';
}

static int is_riff(Bytes file) { return has_bytes_at(file, 0, "RIFF", 4); }

/* An ICO says how many pictures it has, at least one and never many. */
static int is_ico(Bytes file) { return file.size > 6 && file.data[4] && !file.data[5]; }

/* A BMP's header says how long it is. */
static int is_bmp(Bytes file)
{
    return file.size > 17 && file.data[14] >= 12 && file.data[14] <= 124 && !file.data[15] && !file.data[16];
}

/* ---- the table -------------------------------------------------------------------------------- */

typedef struct {
    size_t at;                      /* where these bytes stand */
    const char *bytes;
    size_t n;
    int (*fits)(Bytes file);        /* and what else must hold; NULL: nothing */
    Name kind;
} Row;

#define AT(where, these) .at = (where), .bytes = (these), .n = sizeof (these) - 1

static const Row table[] = {
    { AT(0, "\x89PNG\r\n\x1A\n"),        .kind = PNG },
    { AT(0, "\xFF\xD8"),                  .kind = JPEG },
    { AT(0, "GIF8"),                      .kind = GIF },
    { AT(8, "WEBP"), is_riff,             .kind = WEBP },
    { AT(0, "BM"), is_bmp,                .kind = BMP },
    { AT(4, "ftypcrx "),                  .kind = RAW },                    /* Canon's CR3 */
    { AT(4, "ftyp"), is_avif,             .kind = AVIF },
    { AT(4, "ftyp"), is_heic,             .kind = HEIC },
    { AT(0, "\xFF\x0A"),                  .kind = JPEG_XL },
    { AT(0, "\0\0\0\x0CJXL \r\n\x87\n"), .kind = JPEG_XL },
    { AT(0, "\0\0\0\x0CjP  \r\n\x87\n"), .kind = JPEG_2000 },
    { AT(0, "\xFF\x4F\xFF\x51"),          .kind = JPEG_2000 },
    { AT(0, "IIRO"),                      .kind = RAW },                    /* Olympus' ORF */
    { AT(0, "IIRS"),                      .kind = RAW },
    { AT(0, "MMOR"),                      .kind = RAW },
    { AT(0, "IIU\0"),                     .kind = RAW },                    /* Panasonic's RW2 */
    { AT(0, "FUJIFILMCCD-RAW"),           .kind = RAW },
    { AT(0, "FOVb"),                      .kind = RAW },                    /* Sigma's X3F */
    { AT(0, "II*\0"), is_raw_tiff,        .kind = RAW },
    { AT(0, "MM\0*"), is_raw_tiff,        .kind = RAW },
    { AT(0, "II*\0"),                     .kind = TIFF },
    { AT(0, "MM\0*"),                     .kind = TIFF },
    { AT(0, "II+\0"),                     .kind = TIFF },                   /* BigTIFF */
    { AT(0, "MM\0+"),                     .kind = TIFF },
    { AT(0, "8BPS"),                      .kind = PSD },
    { AT(0, "\0\0\1\0"), is_ico,         .kind = ICO },
    { AT(0, "P"), is_pnm,                 .kind = PNM },
    { AT(0, "qoif"),                      .kind = QOI },
    { AT(0, "v/1\1"),                     .kind = EXR },
    { AT(0, "#?RADIANCE"),                .kind = HDR },
    { AT(0, "#?RGBE"),                    .kind = HDR },
    { AT(0, "DDS "),                      .kind = DDS },
    { AT(0, "%PDF"),                      .kind = PDF },
    { AT(0, "<"), is_svg,                 .kind = SVG },
};

const PictureKind *picture_kind(const uint8_t *bytes, size_t n)
{
    Bytes file = { bytes, n };
    for (size_t i = 0; i < sizeof table / sizeof *table; i++) {
        const Row *r = &table[i];
        if (has_bytes_at(file, r->at, r->bytes, r->n) && (!r->fits || r->fits(file))) return &kinds[r->kind];
    }
    return NULL;
}

/* ---- commands --------------------------------------------------------------------------------- */

/* A path as one word of a command line. */
static int is_plain(const char *path)
{
    for (; *path; path++)
        if (!word_character(*path) && !strchr(CONVERT("./-+", "./-+", "./-+:\\"), *path)) return 0;
    return 1;
}

/* In quotes where it needs them.  A quote within ends them, stands alone behind a backslash, and begins them again; on
 * Windows no name has one. */
static const char *shell_word(Arena *a, const char *path)
{
    static const char quote[] = CONVERT("'", "'", "\"");
    if (is_plain(path)) return path;
    StringBuilder word = string_builder(a);
    string_builder_add(&word, quote);
    for (; *path; path++) {
        if (*path == *quote) string_builder_add(&word, "'\\'");
        string_builder_add_bytes(&word, path, 1);
    }
    string_builder_add(&word, quote);
    return word.text;
}

const char *picture_conversion(Arena *a, const PictureKind *kind, const char *path)
{
    const char *in = strstr(kind->command, "IN");
    const char *out = strstr(in, "OUT");
    const char *behind_in = in + strlen("IN");
    int is_first = !strncmp(behind_in, "[0]", 3);           /* ImageMagick: the first picture of several */
    const char *from = shell_word(a, is_first ? format(a, "%s[0]", path) : path);
    const char *png = format(a, "%s.png", without_extension(a, path));
    if (!strcmp(png, path)) png = format(a, "%s.png", path);            /* an AVIF called .png is not written over */
    const char *to = shell_word(a, png);
    if (is_first) behind_in += 3;
    return format(a, "%.*s%s%.*s%s%s", (int)(in - kind->command), kind->command, from,
                  (int)(out - behind_in), behind_in, to, out + strlen("OUT"));
}
