/* zip.c - zip archives of stored entries (PKWARE, APPNOTE.TXT 6.3, with zip64).
 *
 *     byte 0                                                                               end of file
 *     +----------------------+----------------------+-----+--------------------+--------------------------+
 *     | entry: local header, | entry: local header, |     | central directory: | zip64 end, its locator,  |
 *     | data, descriptor     | data, descriptor     | ... | central headers    | end of central directory |
 *     +----------------------+----------------------+-----+--------------------+--------------------------+
 *
 *     local header
 *      0       4        6      8       10    12    14      18      22      26       28        30
 *     |PK\3\4 |version |flags |method |time |date |CRC-32 |stored |size   |length  |length   |name, extra fields,
 *     |       |needed  |      |       |     |     |       |size   |       |of name |of extra |then the data
 *
 * The central header of an entry has the same fields, and the offset of the local header.  Two readers that
 * trust different copies see different archives.  So both copies must agree here in every field, and the entries must
 * lie back to back and fill the file.  Everything that is not needed is refused: comments, encryption, compression,
 * several disks, two entries of one name, extra fields other than zip64's, torch's padding and Unix's times and owners.
 *
 * torch writes local headers before it knows sizes and CRC-32.  That is accepted in this form only: zeros in the local
 * header, bit 3 of the flags, and a data descriptor behind the data that agrees with the central header.
 *
 * The CRC-32 of small entries is checked.  Large ones are weights, and reading all of them here would take as long as
 * using them.  Nothing is unpacked, and no name is ever used as a path. */
#include "zip.h"

#include "deflate.h"

#include <stdlib.h>
#include <string.h>

/* ---- records: signature, byte offset of each field, size of the record -------------------------- */

enum {
    LOCAL_SIGNATURE = 0x04034b50,          /* PK\3\4 */
    LOCAL_FLAGS = 6, LOCAL_CRC = 14, LOCAL_STORED_SIZE = 18, LOCAL_SIZE = 22,
    LOCAL_NAME_LENGTH = 26, LOCAL_EXTRA_LENGTH = 28,
    LOCAL_HEADER = 30                      /* without name and extra fields */
};
enum {
    CENTRAL_SIGNATURE = 0x02014b50,        /* PK\1\2 */
    CENTRAL_FLAGS = 8, CENTRAL_METHOD = 10, CENTRAL_CRC = 16, CENTRAL_STORED_SIZE = 20, CENTRAL_SIZE = 24,
    CENTRAL_NAME_LENGTH = 28, CENTRAL_EXTRA_LENGTH = 30, CENTRAL_COMMENT_LENGTH = 32,
    CENTRAL_DISK = 34, CENTRAL_LOCAL_OFFSET = 42,
    CENTRAL_HEADER = 46                    /* without name and extra fields */
};
enum {
    DESCRIPTOR_SIGNATURE = 0x08074b50,     /* PK\7\10 */
    DESCRIPTOR_CRC = 4, DESCRIPTOR_SIZES = 8,
    DESCRIPTOR = 16, DESCRIPTOR64 = 24     /* the two sizes have 4 bytes each, or 8 in zip64 */
};
enum {
    END_SIGNATURE = 0x06054b50,            /* PK\5\6 */
    END_DISK = 4, END_DIRECTORY_DISK = 6,
    END_DISK_COUNT = 8, END_COUNT = 10,    /* entries on this disk, entries in all */
    END_DIRECTORY_SIZE = 12, END_DIRECTORY_OFFSET = 16, END_COMMENT_LENGTH = 20,
    END_RECORD = 22
};
enum {
    LOCATOR_SIGNATURE = 0x07064b50,        /* PK\6\7 */
    LOCATOR_DISK = 4, LOCATOR_OFFSET = 8, LOCATOR_DISKS = 16,
    LOCATOR = 20
};
enum {
    END64_SIGNATURE = 0x06064b50,          /* PK\6\6 */
    END64_REST = 4,                        /* size of the record from byte 12 on */
    END64_DISK = 16, END64_DIRECTORY_DISK = 20, END64_DISK_COUNT = 24, END64_COUNT = 32,
    END64_DIRECTORY_SIZE = 40, END64_DIRECTORY_OFFSET = 48,
    END64_RECORD = 56
};

/* flags */
enum { ENCRYPTED = 1, STREAMED = 1 << 3, STRONGLY_ENCRYPTED = 1 << 6, UTF8 = 1 << 11, MASKED = 1 << 13 };
enum { EXTRA_ZIP64 = 0x0001, EXTRA_PADDING = 0x4246, EXTRA_UNIX_TIME = 0x5455, EXTRA_UNIX_OWNER = 0x7875 };

static const size_t SMALL_ENTRY = 1 << 20;

static unsigned get16(const unsigned char *p) { return p[0] | (unsigned)p[1] << 8; }
static uint32_t get32(const unsigned char *p) { return get16(p) | (uint32_t)get16(p + 2) << 16; }
static uint64_t get64(const unsigned char *p) { return get32(p) | (uint64_t)get32(p + 4) << 32; }

/* ---- the reader ------------------------------------------------------------------------------- */

typedef struct { Arena *mem; const char *path; Bytes file; } Reader;

/* Fails with a message.  name: the entry, or NULL for the whole archive */
static _Noreturn void bad(const Reader *r, const char *name, const char *what)
{
    const char *entry = name ? format(r->mem, "%s: ", name) : "";
    fail(r->mem, "%s: %s%s: not a zip archive as torch writes them; "
         "unpack it if it is an ordinary one, else download it again", r->path, entry, what);
}

/* ---- the end of the file, where reading begins ------------------------------------------------ */

/* The central directory: how many headers it has, and where it lies in the file. */
typedef struct { size_t count, begin, size; } Directory;

/* A number that stands in both ends must be the same in both, or be all ones in the old end. */
static int agrees(uint64_t in_old_end, uint64_t all_ones, uint64_t in_end64)
{
    return in_old_end == in_end64 || in_old_end == all_ones;
}

/* end: the end of central directory record    p: the zip64 end record */
static Directory directory_of_end64(const Reader *r, const unsigned char *end, const unsigned char *p)
{
    Directory d = {
        .count = get64(p + END64_COUNT),
        .begin = get64(p + END64_DIRECTORY_OFFSET),
        .size = get64(p + END64_DIRECTORY_SIZE),
    };
    if (get32(p) != END64_SIGNATURE || get64(p + END64_REST) != END64_RECORD - 12)
        bad(r, NULL, "its zip64 end is not where its locator says");
    if (get32(p + END64_DISK) || get32(p + END64_DIRECTORY_DISK) || get64(p + END64_DISK_COUNT) != d.count)
        bad(r, NULL, "it claims to be one of several disks");
    if (!agrees(get16(end + END_COUNT), 0xffff, d.count)
        || !agrees(get32(end + END_DIRECTORY_SIZE), 0xffffffff, d.size)
        || !agrees(get32(end + END_DIRECTORY_OFFSET), 0xffffffff, d.begin))
        bad(r, NULL, "its two ends disagree");
    return d;
}

static void check_end(const Reader *r, const unsigned char *end)
{
    if (get32(end) != END_SIGNATURE || get16(end + END_COMMENT_LENGTH))
        bad(r, NULL, "it does not end as a zip archive does: cut short, or with something behind it");
    if (get16(end + END_DISK) || get16(end + END_DIRECTORY_DISK)
        || get16(end + END_DISK_COUNT) != get16(end + END_COUNT))
        bad(r, NULL, "it claims to be one of several disks");
}

/* Is there a zip64 locator in front of the end record, which is at byte `end`, and room for a zip64 end before that? */
static int has_locator(const Reader *r, size_t end)
{
    return end >= LOCATOR + END64_RECORD && get32(r->file.data + end - LOCATOR) == LOCATOR_SIGNATURE;
}

static Directory directory(const Reader *r)
{
    if (r->file.size < END_RECORD)
        bad(r, NULL, "it does not end as a zip archive does: cut short, or with something behind it");
    size_t stop = r->file.size - END_RECORD;      /* the central directory must end here, or at the zip64 end */
    const unsigned char *end = r->file.data + stop;
    check_end(r, end);
    Directory d = {
        .count = get16(end + END_COUNT),
        .begin = get32(end + END_DIRECTORY_OFFSET),
        .size = get32(end + END_DIRECTORY_SIZE),
    };
    if (has_locator(r, stop)) {
        const unsigned char *locator = end - LOCATOR;
        stop -= LOCATOR + END64_RECORD;
        if (get32(locator + LOCATOR_DISK) || get64(locator + LOCATOR_OFFSET) != stop
            || get32(locator + LOCATOR_DISKS) != 1)
            bad(r, NULL, "its zip64 locator is wrong");
        d = directory_of_end64(r, end, r->file.data + stop);
    }
    if (d.begin > stop || d.size != stop - d.begin) bad(r, NULL, "its central directory is not where its end says");
    if (d.count > d.size / CENTRAL_HEADER) bad(r, NULL, "it counts more entries than there is room for");
    return d;
}

/* ---- extra fields ----------------------------------------------------------------------------- */

static int is_harmless_extra(unsigned id)
{
    return id == EXTRA_PADDING || id == EXTRA_UNIX_TIME || id == EXTRA_UNIX_OWNER;
}

/* Walks the n bytes of extra fields at p: id (2 bytes), size (2 bytes), content, and again.
 * Returns the content of the zip64 field, with data == NULL when there is none. */
static Bytes zip64_field(const Reader *r, const char *name, const unsigned char *p, size_t n)
{
    Bytes found = { NULL, 0 };
    while (n) {
        if (n < 4) bad(r, name, "its extra fields do not fit");
        unsigned id = get16(p);
        size_t size = get16(p + 2);
        if (size > n - 4) bad(r, name, "its extra fields do not fit");
        if (!is_harmless_extra(id)) {
            if (id != EXTRA_ZIP64 || found.data)
                bad(r, name, "it has an extra field that is not known here, or one twice");
            found = (Bytes){ p + 4, size };
        }
        p += 4 + size;
        n -= 4 + size;
    }
    return found;
}

/* Reads a number of 4 bytes.  It is all ones when the number stands in the zip64 field instead, in 8 bytes.  The zip64
 * field has only such numbers, in a fixed order: size, stored size, offset.  *zip64 is moved behind the number. */
static uint64_t wide_number(const Reader *r, const char *name, const unsigned char *field, Bytes *zip64)
{
    if (get32(field) != 0xffffffff) return get32(field);
    if (zip64->size < 8) bad(r, name, "its zip64 field is missing or short");
    uint64_t number = get64(zip64->data);
    zip64->data += 8;
    zip64->size -= 8;
    return number;
}

/* ---- central and local headers ---------------------------------------------------------------- */

/* What a central header says.  central: where it is    begin: where the local header is    size: of the data */
typedef struct { const unsigned char *central; const char *name; size_t name_length, begin, size; } Header;

static void check_stored(const Reader *r, const char *name, const unsigned char *p)
{
    unsigned flags = get16(p + CENTRAL_FLAGS);
    if (flags & (ENCRYPTED | STRONGLY_ENCRYPTED | MASKED)) bad(r, name, "it is encrypted");
    if (flags & ~(unsigned)(STREAMED | UTF8)) bad(r, name, "it has flags that torch does not set");
    if (get16(p + CENTRAL_METHOD)) bad(r, name, "it is compressed, expected stored");
    if (get16(p + CENTRAL_COMMENT_LENGTH) || get16(p + CENTRAL_DISK))
        bad(r, name, "it has a comment, or is on another disk");
}

/* Reads the central header at p, of at most `room` bytes.  Returns its length. */
static size_t central_header(const Reader *r, const unsigned char *p, size_t room, Header *h)
{
    if (room < CENTRAL_HEADER || get32(p) != CENTRAL_SIGNATURE) bad(r, NULL, "its central directory is damaged");
    size_t name_length = get16(p + CENTRAL_NAME_LENGTH);
    size_t extra_length = get16(p + CENTRAL_EXTRA_LENGTH);
    if (name_length + extra_length > room - CENTRAL_HEADER) bad(r, NULL, "its central directory is damaged");

    const char *name = format(r->mem, "%.*s", (int)name_length, (const char *)p + CENTRAL_HEADER);
    if (!name_length || strlen(name) != name_length) bad(r, name, "its name is empty or has a NUL in it");
    check_stored(r, name, p);

    Bytes zip64 = zip64_field(r, name, p + CENTRAL_HEADER + name_length, extra_length);
    uint64_t size = wide_number(r, name, p + CENTRAL_SIZE, &zip64);
    uint64_t stored_size = wide_number(r, name, p + CENTRAL_STORED_SIZE, &zip64);
    uint64_t begin = wide_number(r, name, p + CENTRAL_LOCAL_OFFSET, &zip64);
    if (zip64.size) bad(r, name, "its zip64 field is too long");
    if (size != stored_size) bad(r, name, "its two sizes differ, though it is stored");
    *h = (Header){ .central = p, .name = name, .name_length = name_length, .begin = begin, .size = size };
    return CENTRAL_HEADER + name_length + extra_length;
}

/* Checks the data descriptor at p, of at most `room` bytes, against the central header.  Returns its length. */
static size_t data_descriptor(const Reader *r, const Header *h, const unsigned char *p, size_t room, int is_zip64)
{
    static const char CONTRADICTS[] = "what follows its data contradicts the central directory";
    size_t length = is_zip64 ? DESCRIPTOR64 : DESCRIPTOR;
    if (room < length || get32(p) != DESCRIPTOR_SIGNATURE) bad(r, h->name, CONTRADICTS);
    if (get32(p + DESCRIPTOR_CRC) != get32(h->central + CENTRAL_CRC)) bad(r, h->name, CONTRADICTS);
    const unsigned char *sizes = p + DESCRIPTOR_SIZES;
    uint64_t stored_size = is_zip64 ? get64(sizes) : get32(sizes);
    uint64_t size = is_zip64 ? get64(sizes + 8) : get32(sizes + 4);
    if (stored_size != h->size || size != h->size) bad(r, h->name, CONTRADICTS);
    return length;
}

/* Sizes and CRC-32 of the local header p must be zeros when the entry is streamed, else those of the central header. */
static void check_local_sizes(const Reader *r, const Header *h, const unsigned char *p, Bytes zip64)
{
    uint32_t crc = get32(p + LOCAL_CRC);
    if (get16(p + LOCAL_FLAGS) & STREAMED) {
        if (crc || get32(p + LOCAL_STORED_SIZE) || get32(p + LOCAL_SIZE))
            bad(r, h->name, "its local header has sizes, and says that they follow");
        return;
    }
    uint64_t size = wide_number(r, h->name, p + LOCAL_SIZE, &zip64);
    uint64_t stored_size = wide_number(r, h->name, p + LOCAL_STORED_SIZE, &zip64);
    if (zip64.size || crc != get32(h->central + CENTRAL_CRC) || size != h->size || stored_size != h->size)
        bad(r, h->name, "its two headers differ in size or checksum");
}

/* Reads the entry at h->begin, which must end at byte `stop` or before.  Returns where the next entry begins. */
static size_t local_entry(const Reader *r, const Header *h, size_t stop, ZipEntry *e)
{
    const unsigned char *p = r->file.data + h->begin;
    size_t room = stop - h->begin;
    if (room < LOCAL_HEADER || get32(p) != LOCAL_SIGNATURE)
        bad(r, h->name, "its local header is not where the central directory says");

    size_t name_length = get16(p + LOCAL_NAME_LENGTH);
    size_t extra_length = get16(p + LOCAL_EXTRA_LENGTH);
    size_t head = LOCAL_HEADER + name_length + extra_length;
    if (head > room || h->size > room - head) bad(r, h->name, "it does not fit in the file");
    if (name_length != h->name_length || memcmp(p + LOCAL_HEADER, h->name, name_length))
        bad(r, h->name, "its local header gives another name");
    /* flags, method, time and date: 8 bytes in a row in both headers */
    if (memcmp(p + LOCAL_FLAGS, h->central + CENTRAL_FLAGS, 8))
        bad(r, h->name, "its two headers differ in flags, method or time");

    Bytes zip64 = zip64_field(r, h->name, p + LOCAL_HEADER + name_length, extra_length);
    check_local_sizes(r, h, p, zip64);
    *e = (ZipEntry){ .name = h->name, .data = { p + head, h->size }, .crc = get32(h->central + CENTRAL_CRC) };

    size_t next = h->begin + head + h->size;
    if (get16(p + LOCAL_FLAGS) & STREAMED)
        next += data_descriptor(r, h, r->file.data + next, stop - next, zip64.data != NULL);
    return next;
}

/* ---- the archive ------------------------------------------------------------------------------ */

static int by_begin(const void *x, const void *y)
{
    const Header *a = x;
    const Header *b = y;
    if (a->begin == b->begin) return 0;
    return a->begin < b->begin ? -1 : 1;
}

static int by_name(const void *x, const void *y)
{
    const ZipEntry *a = x;
    const ZipEntry *b = y;
    return strcmp(a->name, b->name);
}

/* Reads the headers of the central directory, which they must fill.  Returns them in the order of their entries. */
static Header *central_headers(const Reader *r, Directory d)
{
    Header *h = allocate(r->mem, d.count, sizeof *h);
    size_t at = d.begin;
    size_t end = d.begin + d.size;
    for (size_t i = 0; i < d.count; i++) at += central_header(r, r->file.data + at, end - at, &h[i]);
    if (at != end) bad(r, NULL, "its central directory is longer than its entries");
    if (d.count) qsort(h, d.count, sizeof *h, by_begin);
    return h;
}

/* Reads the entries that the headers describe.  They must fill the file from byte 0 to the central directory. */
static ZipEntry *entries(const Reader *r, Directory d, const Header *h)
{
    ZipEntry *entry = allocate(r->mem, d.count, sizeof *entry);
    size_t next = 0;
    for (size_t i = 0; i < d.count; i++) {
        if (h[i].begin != next) bad(r, h[i].name, "entries overlap, or something lies between them");
        next = local_entry(r, &h[i], d.begin, &entry[i]);
    }
    if (next != d.begin) bad(r, NULL, "something lies between the last entry and the central directory");
    if (d.count) qsort(entry, d.count, sizeof *entry, by_name);
    return entry;
}

Zip zip_read(Arena *a, const char *path, Bytes file)
{
    Reader r = { .mem = a, .path = path, .file = file };
    Directory d = directory(&r);
    Zip z = { entries(&r, d, central_headers(&r, d)), d.count };
    for (size_t i = 0; i < z.count; i++) {
        const ZipEntry *e = &z.entry[i];
        if (i && !strcmp(e[-1].name, e->name)) bad(&r, e->name, "it is there twice");
        if (e->data.size <= SMALL_ENTRY && !zip_whole(e)) bad(&r, e->name, "its checksum does not hold");
    }
    return z;
}

const ZipEntry *zip_find(const Zip *z, const char *name)
{
    ZipEntry key = { .name = name };
    if (!z->count) return NULL;
    return bsearch(&key, z->entry, z->count, sizeof key, by_name);
}

int zip_whole(const ZipEntry *e) { return crc32_of(0, e->data.data, e->data.size) == e->crc; }
