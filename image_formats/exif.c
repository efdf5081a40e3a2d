/* exif.c - what EXIF and XMP say about a picture.
 *
 * An EXIF block is a TIFF file without pixels: directories of entries, each a tag, a type, a count and a value.  The
 * first directory has TIFF's own tags; its tag 0x8769 points at the directory of EXIF's.  Nothing else is followed, so
 * no file can make a circle.
 *
 * Texts are the hard part, since programs do not keep to the standard.  UserComment begins with 8 bytes that name the
 * character set.  For UNICODE the standard says UTF-16 in the byte order of the block, but the web UI's library writes
 * big endian always, others the other way, and some UTF-8.  So the bytes are read in each way, and that one is taken
 * which is most like text.  Only the first megabyte of a text is read.
 *
 * XMP is XML.  Only one property is looked for at a time, by its name with the usual prefix, and no more of XML is
 * read than that needs.
 *
 * All offsets and sizes are checked before use.  What is broken is treated as not there. */
#include "exif.h"

#include "chars.h"
#include "utf16.h"

#include <string.h>

typedef unsigned char Byte;

static const Bytes none;

/* ---- entries of directories ------------------------------------------------------------------- */

enum { EXIF_DIRECTORY = 0x8769, ENTRY_BYTES = 12, LONGEST_TEXT = 1 << 20 };      /* the tag that points at EXIF's own */
enum { BYTE = 1, ASCII = 2, SHORT = 3, LONG = 4, UNDEFINED = 7, SSHORT = 8, SLONG = 9 };

static int is_little_endian(Bytes tiff) { return tiff.data[0] == 'I'; }

/* The number of `bytes` bytes at `at`, which lies inside. */
static size_t number(Bytes tiff, size_t at, int bytes)
{
    size_t x = 0;
    for (int i = 0; i < bytes; i++) x = x << 8 | tiff.data[at + (size_t)(is_little_endian(tiff) ? bytes - 1 - i : i)];
    return x;
}

/* The part of b from `from` on, at most n bytes; an empty one where there is none. */
static Bytes part(Bytes b, size_t from, size_t n)
{
    if (from >= b.size) return none;
    size_t left = b.size - from;
    return (Bytes){ b.data + from, n < left ? n : left };
}

/* The block from "II" or "MM" on; empty when it is none. */
static Bytes tiff_of(Bytes exif)
{
    if (has_bytes_at(exif, 0, "Exif\0\0", 6)) exif = part(exif, 6, exif.size);
    int is_tiff = has_bytes_at(exif, 0, "II*\0", 4) || has_bytes_at(exif, 0, "MM\0*", 4);
    return is_tiff && exif.size >= 8 ? exif : none;
}

/* TIFF 6.0, 2.  tiff:  | "II" (little endian) or "MM" | 42, 2 bytes | offset of the first directory 4 |
 *         a directory:  | n 2 | n times: tag 2, type 2, count 4, value 4 |
 * Returns the offset of the entry with this tag, 0 when the directory has none. */
static size_t find_entry(Bytes tiff, size_t directory, int tag)
{
    if (tiff.size < 8 || directory < 8 || directory > tiff.size - 2) return 0;
    size_t count = number(tiff, directory, 2);
    size_t room = (tiff.size - directory - 2) / ENTRY_BYTES;
    for (size_t i = 0; i < count && i < room; i++) {
        size_t entry = directory + 2 + ENTRY_BYTES * i;
        if (number(tiff, entry, 2) == (size_t)tag) return entry;
    }
    return 0;
}

static size_t first_directory(Bytes tiff) { return tiff.size < 8 ? 0 : number(tiff, 4, 4); }

static size_t exif_directory(Bytes tiff)
{
    size_t pointer = find_entry(tiff, first_directory(tiff), EXIF_DIRECTORY);
    return pointer ? number(tiff, pointer + 8, 4) : 0;
}

int exif_has(Bytes exif, int tag)
{
    Bytes tiff = tiff_of(exif);
    return find_entry(tiff, first_directory(tiff), tag) || find_entry(tiff, exif_directory(tiff), tag);
}

/* ---- orientation ------------------------------------------------------------------------------ */

/* An orientation has been seen as each of these types; a BYTE is not obeyed by others either. */
int exif_orientation(Bytes exif)
{
    Bytes tiff = tiff_of(exif);
    size_t entry = find_entry(tiff, first_directory(tiff), EXIF_ORIENTATION);
    if (!entry) return 0;
    size_t type = number(tiff, entry + 2, 2);
    size_t value = 0;
    if (type == SHORT || type == SSHORT) value = number(tiff, entry + 8, 2);
    if (type == LONG || type == SLONG) value = number(tiff, entry + 8, 4);
    return value <= 8 ? (int)value : 0;
}

/* ---- characters ------------------------------------------------------------------------------- */

static int is_utf8(Bytes b)
{
    for (size_t i = 0; i < b.size;) {
        uint32_t c;
        size_t bytes = utf8_decode(b.data + i, b.size - i, &c);
        if (c == 0xFFFD && b.data[i] != 0xEF) return 0;
        i += bytes;
    }
    return 1;
}

const char *narrow_text(Arena *a, Bytes b)
{
    if (!b.size) return "";
    const Byte *nul = memchr(b.data, 0, b.size);
    if (nul) b.size = (size_t)(nul - b.data);
    if (is_utf8(b)) return trimmed(a, (const char *)b.data, b.size);
    StringBuilder s = string_builder(a);
    for (size_t i = 0; i < b.size; i++) string_builder_add_code_point(&s, b.data[i]);
    return trimmed(a, s.text, s.n);
}

typedef enum { BIG, LITTLE } ByteOrder;

/* UTF-16, up to its first NUL; half of a unit at the end says nothing. */
static const char *utf16_text(Arena *a, Bytes b, ByteOrder order)
{
    size_t size;
    const char *text = utf16_decode(a, b.data, b.size / 2 * 2, order == LITTLE, &size);
    return trimmed(a, text, strlen(text));
}

/* How many characters are plain, white space included, less those that cannot be: what a wrong byte order makes. */
static long plainness(const char *text)
{
    long sum = 0;
    size_t n = strlen(text);
    for (size_t i = 0; i < n;) {
        uint32_t c;
        i += utf8_decode((const Byte *)text + i, n - i, &c);
        if (c < 0x7F) sum++;
        if (c == 0xFFFD) sum -= 10;
    }
    return sum;
}

/* UTF-16 without a word about its byte order, or UTF-8 that calls itself UTF-16.  Settings have one of these words. */
static const char *any_wide_text(Arena *a, Bytes b, ByteOrder of_block)
{
    const char *wide[2] = { utf16_text(a, b, BIG), utf16_text(a, b, LITTLE) };
    if (strstr(wide[BIG], "Steps: ")) return wide[BIG];
    if (strstr(wide[LITTLE], "Steps: ")) return wide[LITTLE];
    int is_narrow = b.size % 2 || (b.size && !memchr(b.data, 0, b.size) && is_utf8(b));
    if (is_narrow) return narrow_text(a, b);
    long difference = plainness(wide[BIG]) - plainness(wide[LITTLE]);
    if (difference) return wide[difference > 0 ? BIG : LITTLE];
    return wide[of_block];
}

static const char *wide_text(Arena *a, Bytes b, ByteOrder of_block)
{
    if (has_bytes_at(b, 0, "\xFE\xFF", 2)) return utf16_text(a, part(b, 2, b.size), BIG);
    if (has_bytes_at(b, 0, "\xFF\xFE", 2)) return utf16_text(a, part(b, 2, b.size), LITTLE);
    while (b.size > 1 && !b.data[b.size - 1] && !b.data[b.size - 2]) b.size -= 2;           /* NULs that only pad */
    return any_wide_text(a, b, of_block);
}

/* ---- texts ------------------------------------------------------------------------------------ */

/* The bytes of an entry of text or of bytes; they stand in the entry itself when there are at most 4. */
static Bytes entry_bytes(Bytes tiff, size_t entry)
{
    size_t type = number(tiff, entry + 2, 2);
    size_t count = number(tiff, entry + 4, 4);
    if (type != BYTE && type != ASCII && type != UNDEFINED) return none;
    size_t from = count <= 4 ? entry + 8 : number(tiff, entry + 8, 4);
    return part(tiff, from, count < LONGEST_TEXT ? count : LONGEST_TEXT);
}

/* EXIF 2.32, table 9: UserComment begins with its character set, 8 bytes.  Some programs leave that out. */
static const char *user_comment(Arena *a, Bytes b, ByteOrder of_block)
{
    static const char narrow[][9] = { "ASCII\0\0\0", "UTF8\0\0\0\0", "JIS\0\0\0\0\0", "\0\0\0\0\0\0\0\0" };
    if (has_bytes_at(b, 0, "UNICODE\0", 8)) return wide_text(a, part(b, 8, b.size), of_block);
    for (size_t i = 0; i < sizeof narrow / sizeof *narrow; i++)
        if (has_bytes_at(b, 0, narrow[i], 8)) return narrow_text(a, part(b, 8, b.size));
    return narrow_text(a, b);
}

static const char *entry_text(Arena *a, Bytes tiff, size_t entry, int tag)
{
    if (!entry) return NULL;
    Bytes b = entry_bytes(tiff, entry);
    if (!b.size) return NULL;
    const char *text;
    if (tag == EXIF_USER_COMMENT) text = user_comment(a, b, is_little_endian(tiff) ? LITTLE : BIG);
    else if (tag == EXIF_XP_COMMENT) text = wide_text(a, b, LITTLE);
    else text = narrow_text(a, b);
    return *text ? text : NULL;
}

const char *exif_text(Arena *a, Bytes exif, int tag)
{
    Bytes tiff = tiff_of(exif);
    const char *text = entry_text(a, tiff, find_entry(tiff, exif_directory(tiff), tag), tag);
    return text ? text : entry_text(a, tiff, find_entry(tiff, first_directory(tiff), tag), tag);
}

/* ---- XMP -------------------------------------------------------------------------------------- */

/* Where `what` begins in b from `from` on; b.size when nowhere. */
static size_t find(Bytes b, size_t from, const char *what)
{
    size_t n = strlen(what);
    for (; from + n <= b.size; from++)
        if (b.data[from] == (Byte)*what && !memcmp(b.data + from, what, n)) return from;
    return b.size;
}

/* The character of "lt", "#10" or "#xA", n bytes; 0 for a name that XML does not have. */
static uint32_t xml_character(const char *name, size_t n)
{
    static const struct { const char *name; char is; } names[] = {
        { "lt", '<' }, { "gt", '>' }, { "amp", '&' }, { "quot", '"' }, { "apos", '\'' },
    };
    for (size_t i = 0; i < sizeof names / sizeof *names; i++)
        if (strlen(names[i].name) == n && !memcmp(names[i].name, name, n)) return (Byte)names[i].is;
    if (n < 2 || *name != '#') return 0;
    int is_hex = name[1] == 'x';
    uint32_t c = 0;
    for (size_t i = is_hex ? 2 : 1; i < n; i++) {
        int value = digit(name[i]) ? name[i] - '0' : lower(name[i]) - 'a' + 10;
        if (value < 0 || value >= (is_hex ? 16 : 10)) return 0;
        c = c * (is_hex ? 16 : 10) + (uint32_t)value;
        if (c > 0x10FFFF) return 0;
    }
    return c >> 11 == 0xD800 >> 11 ? 0 : c;
}

/* The length of "&name;" at the start of text, 0 when it is none. */
static size_t reference_length(const char *text)
{
    enum { LONGEST = 10 };
    for (size_t i = 1; i < LONGEST && text[i]; i++)
        if (text[i] == ';') return i + 1;
    return 0;
}

/* XML, 4.1: text with its references resolved; up to its first NUL. */
static const char *xml_text(Arena *a, Bytes b)
{
    char *at = copy(a, (const char *)b.data, b.size);
    StringBuilder s = string_builder(a);
    for (char *and; (and = strchr(at, '&')); ) {
        size_t n = reference_length(and);
        uint32_t c = n ? xml_character(and + 1, n - 2) : 0;
        *and = 0;
        string_builder_add(&s, at);
        string_builder_add_code_point(&s, c ? c : '&');
        at = c ? and + n : and + 1;
    }
    string_builder_add(&s, at);
    const char *text = trimmed(a, s.text, s.n);
    return *text ? text : NULL;
}

/* name="value", with either kind of quotes; from: behind the name */
static Bytes attribute_value(Bytes xmp, size_t from)
{
    while (from < xmp.size && blank(xmp.data[from])) from++;
    if (from >= xmp.size || xmp.data[from] != '=') return none;
    from++;
    while (from < xmp.size && blank(xmp.data[from])) from++;
    if (from >= xmp.size || (xmp.data[from] != '"' && xmp.data[from] != '\'')) return none;
    const Byte *end = memchr(xmp.data + from + 1, xmp.data[from], xmp.size - from - 1);
    return end ? part(xmp, from + 1, (size_t)(end - xmp.data) - from - 1) : none;
}

/* <name>value</name>, or <name><rdf:Alt><rdf:li>value</rdf:li>...; from: behind the name */
static Bytes element_value(Bytes xmp, size_t from)
{
    for (;;) {
        size_t text = find(xmp, from, ">") + 1;
        size_t end = find(xmp, text, "<");
        if (end >= xmp.size) return none;
        size_t at = text;
        while (at < end && blank(xmp.data[at])) at++;
        if (at < end) return part(xmp, at, end - at);
        if (has_bytes_at(xmp, end, "</", 2)) return none;
        from = end;
    }
}

const char *xmp_text(Arena *a, Bytes xmp, const char *name)
{
    size_t n = strlen(name);
    for (size_t at = find(xmp, 0, name); at < xmp.size; at = find(xmp, at + 1, name)) {
        int is_first = at && (xmp.data[at - 1] == '<' || blank(xmp.data[at - 1]));
        if (!is_first) continue;
        Bytes value = xmp.data[at - 1] == '<' ? element_value(xmp, at + n) : attribute_value(xmp, at + n);
        if (value.size) return xml_text(a, value);
    }
    return NULL;
}

int xmp_orientation(Arena *a, Bytes xmp)
{
    const char *value = xmp_text(a, xmp, "tiff:Orientation");
    if (!value || strlen(value) != 1 || *value < '1' || *value > '8') return 0;
    return *value - '0';
}
