/* zip.c - archives of stored entries.
 *
 *     local header, name, extra, data, perhaps a descriptor          once for each entry, back to back from byte 0
 *     central header, name, extra                                    once for each entry, back to back
 *     zip64 end and its locator                                      where there are any
 *     end of central directory                                       22 bytes, the last of the file
 *
 * A zip says everything twice, and readers that believe different copies see different archives.  So there
 * is one reading here: both copies agree in every field, entries tile the file without hole, overlap or byte to
 * spare, and what need not be there is not: comments, encryption, compression, several disks, two entries of one
 * name, extra fields other than zip64's, torch's padding and Unix's times.  What torch does write is accepted in that form
 * only: sizes of nought in a local header, the true ones in a descriptor behind the data.
 *
 * Small entries have their checksums tested; large ones are weights, and reading them all would take as long as using
 * them.  Nothing is unpacked and no name is ever used as a path. */
#include "zip.h"
#include "deflate.h"

#include <stdlib.h>
#include <string.h>

enum { END = 22, LOCATOR = 20, END64 = 56, CENTRAL = 46, LOCAL = 30, DESCRIPTOR = 16, DESCRIPTOR64 = 24 };
enum { STREAMED = 0x0008, UTF8 = 0x0800, ZIP64 = 0x0001, PADDING = 0x4246, UNIX_TIME = 0x5455, UNIX_OWNER = 0x7875 };
static const size_t SMALL = 1 << 20;

typedef struct { Arena *mem; const char *path; Bytes file; } Reader;
typedef struct { const unsigned char *central; const char *name; size_t length, begin, size; } Header;

static unsigned get16(const unsigned char *p) { return p[0] | (unsigned)p[1] << 8; }
static uint32_t get32(const unsigned char *p) { return get16(p) | (uint32_t)get16(p + 2) << 16; }
static uint64_t get64(const unsigned char *p) { return get32(p) | (uint64_t)get32(p + 4) << 32; }

static _Noreturn void bad(const Reader *r, const char *name, const char *what)
{
    fail(r->mem, "%s: %s%s%s: not a zip archive as torch writes them; unpack it if it is an ordinary one, else download it again",
         r->path, name ? name : "", name ? ": " : "", what);
}

int zip_whole(const ZipEntry *e) { return crc32_of(0, e->data.data, e->data.size) == e->crc; }

/* ---- the end, where reading begins ------------------------------------------------------------ */

typedef struct { size_t count, begin, size; } Directory;

/* a field of the old end: the number itself, or all ones when it stands in the zip64 end only */
static int same(uint64_t old, uint64_t ones, uint64_t number) { return old == number || old == ones; }

static Directory directory64(const Reader *r, const unsigned char *end, size_t at)
{
    const unsigned char *p = r->file.data + at;
    Directory d = { get64(p + 32), get64(p + 48), get64(p + 40) };
    if (get32(p) != 0x06064b50 || get64(p + 4) != END64 - 12) bad(r, NULL, "its zip64 end is not where its locator says");
    if (get32(p + 16) || get32(p + 20) || get64(p + 24) != d.count) bad(r, NULL, "it claims to be one of several disks");
    if (!same(get16(end + 10), 0xffff, d.count) || !same(get32(end + 12), 0xffffffff, d.size) || !same(get32(end + 16), 0xffffffff, d.begin))
        bad(r, NULL, "its two ends disagree");
    return d;
}

static Directory directory(const Reader *r)
{
    size_t n = r->file.size, stop = n < END ? 0 : n - END;
    const unsigned char *end = r->file.data + stop, *locator = end - (stop < LOCATOR ? stop : LOCATOR);
    if (n < END || get32(end) != 0x06054b50 || get16(end + 20)) bad(r, NULL, "it does not end as a zip archive does: cut short, or with something behind it");
    if (get16(end + 4) || get16(end + 6) || get16(end + 8) != get16(end + 10)) bad(r, NULL, "it claims to be one of several disks");
    Directory d = { get16(end + 10), get32(end + 16), get32(end + 12) };
    if (stop >= LOCATOR + END64 && get32(locator) == 0x07064b50) {
        stop -= LOCATOR + END64;
        if (get32(locator + 4) || get64(locator + 8) != stop || get32(locator + 16) != 1) bad(r, NULL, "its zip64 locator is wrong");
        d = directory64(r, end, stop);
    }
    if (d.begin > stop || d.size != stop - d.begin) bad(r, NULL, "its central directory is not where its end says");
    if (d.count > d.size / CENTRAL) bad(r, NULL, "it counts more entries than there is room for");
    return d;
}

/* ---- headers ---------------------------------------------------------------------------------- */

/* Walks the extra fields.  -> the zip64 one and its length, or NULL */
static const unsigned char *extra64(const Reader *r, const char *name, const unsigned char *p, size_t n, size_t *length)
{
    const unsigned char *found = NULL;
    *length = 0;
    for (size_t size; n; p += 4 + size, n -= 4 + size) {
        if (n < 4 || (size = get16(p + 2)) > n - 4) bad(r, name, "its extra fields do not fit");
        unsigned id = get16(p);
        if (id == PADDING || id == UNIX_TIME || id == UNIX_OWNER) continue;
        if (id != ZIP64 || found) bad(r, name, "it has an extra field that is not known here, or one twice");
        found = p + 4, *length = size;
    }
    return found;
}

/* fields that are all ones stand in the zip64 extra field, in this order */
static uint64_t wide(const Reader *r, const char *name, const unsigned char *field, const unsigned char **extra, size_t *left)
{
    if (get32(field) != 0xffffffff) return get32(field);
    if (*left < 8) bad(r, name, "its zip64 field is missing or short");
    *left -= 8;
    return get64((*extra += 8) - 8);
}

/* the central header at p with at most room bytes -> its length */
static size_t central(const Reader *r, const unsigned char *p, size_t room, Header *h)
{
    if (room < CENTRAL || get32(p) != 0x02014b50) bad(r, NULL, "its central directory is damaged");
    size_t name = get16(p + 28), extra = get16(p + 30), length;
    if (name + extra > room - CENTRAL) bad(r, NULL, "its central directory is damaged");
    const char *text = format(r->mem, "%.*s", (int)name, (const char *)p + CENTRAL);
    if (!name || strlen(text) != name) bad(r, text, "its name is empty or has a NUL in it");
    if (get16(p + 8) & (1 | 1 << 6 | 1 << 13)) bad(r, text, "it is encrypted");
    if (get16(p + 8) & ~(unsigned)(STREAMED | UTF8)) bad(r, text, "it has flags that torch does not set");
    if (get16(p + 10)) bad(r, text, "it is compressed, expected stored");
    if (get16(p + 32) || get16(p + 34)) bad(r, text, "it has a comment, or is on another disk");
    const unsigned char *more = extra64(r, text, p + CENTRAL + name, extra, &length);
    uint64_t size = wide(r, text, p + 24, &more, &length), stored = wide(r, text, p + 20, &more, &length);
    *h = (Header){ p, text, name, wide(r, text, p + 42, &more, &length), size };
    if (length) bad(r, text, "its zip64 field is too long");
    if (size != stored) bad(r, text, "its two sizes differ, though it is stored");
    return CENTRAL + name + extra;
}

static size_t descriptor(const Reader *r, const Header *h, const unsigned char *p, size_t room, int is64)
{
    size_t length = is64 ? DESCRIPTOR64 : DESCRIPTOR;
    if (room < length || get32(p) != 0x08074b50 || get32(p + 4) != get32(h->central + 16)) bad(r, h->name, "what follows its data contradicts the central directory");
    uint64_t stored = is64 ? get64(p + 8) : get32(p + 8), size = is64 ? get64(p + 16) : get32(p + 12);
    if (stored != h->size || size != h->size) bad(r, h->name, "what follows its data contradicts the central directory");
    return length;
}

/* the entry at h->begin, which may reach to `stop` -> where the next begins */
static size_t local(const Reader *r, const Header *h, size_t stop, ZipEntry *e)
{
    const unsigned char *p = r->file.data + h->begin, *c = h->central, *more;
    size_t room = stop - h->begin, length;
    if (room < LOCAL || get32(p) != 0x04034b50) bad(r, h->name, "its local header is not where the central directory says");
    size_t name = get16(p + 26), extra = get16(p + 28), head = LOCAL + name + extra;
    if (head > room || h->size > room - head) bad(r, h->name, "it does not fit in the file");
    if (name != h->length || memcmp(p + LOCAL, h->name, name)) bad(r, h->name, "its local header gives another name");
    if (memcmp(p + 6, c + 8, 8)) bad(r, h->name, "its two headers differ in flags, method or time");
    more = extra64(r, h->name, p + LOCAL + name, extra, &length);
    int streamed = get16(p + 6) & STREAMED, is64 = more != NULL;
    if (streamed && (get32(p + 14) || get32(p + 18) || get32(p + 22))) bad(r, h->name, "its local header has sizes, and says that they follow");
    if (!streamed) {
        uint64_t size = wide(r, h->name, p + 22, &more, &length), stored = wide(r, h->name, p + 18, &more, &length);
        if (length || get32(p + 14) != get32(c + 16) || size != h->size || stored != h->size) bad(r, h->name, "its two headers differ in size or checksum");
    }
    *e = (ZipEntry){ h->name, { p + head, h->size }, get32(c + 16) };
    size_t next = h->begin + head + h->size;
    return streamed ? next + descriptor(r, h, r->file.data + next, stop - next, is64) : next;
}

/* ---- the archive ------------------------------------------------------------------------------ */

static int by_place(const void *x, const void *y)
{
    size_t a = ((const Header *)x)->begin, b = ((const Header *)y)->begin;
    return a < b ? -1 : a > b;
}

static int by_name(const void *x, const void *y) { return strcmp(((const ZipEntry *)x)->name, ((const ZipEntry *)y)->name); }

Zip zip_read(Arena *a, const char *path, Bytes file)
{
    Reader r = { a, path, file };
    Directory d = directory(&r);
    Header *h = take(a, d.count, sizeof *h);
    Zip z = { take(a, d.count, sizeof *z.entry), d.count };
    size_t at = d.begin, end = d.begin + d.size, next = 0;
    for (size_t i = 0; i < z.count; i++) at += central(&r, file.data + at, end - at, &h[i]);
    if (at != end) bad(&r, NULL, "its central directory is longer than its entries");
    if (z.count) qsort(h, z.count, sizeof *h, by_place);
    for (size_t i = 0; i < z.count; i++) {
        if (h[i].begin != next) bad(&r, h[i].name, "entries overlap, or something lies between them");
        next = local(&r, &h[i], d.begin, &z.entry[i]);
    }
    if (next != d.begin) bad(&r, NULL, "something lies between the last entry and the central directory");
    if (z.count) qsort(z.entry, z.count, sizeof *z.entry, by_name);
    for (size_t i = 0; i < z.count; i++) {
        const ZipEntry *e = &z.entry[i];
        if (i && !strcmp(e[-1].name, e->name)) bad(&r, e->name, "it is there twice");
        if (e->data.size <= SMALL && !zip_whole(e)) bad(&r, e->name, "its checksum does not hold");
    }
    return z;
}

const ZipEntry *zip_find(const Zip *z, const char *name)
{
    ZipEntry key = { .name = name };
    return z->count ? bsearch(&key, z->entry, z->count, sizeof key, by_name) : NULL;
}
