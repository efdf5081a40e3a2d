/* file_hash.c - the hashes by which download sites and the web UI call files of weights.
 *
 * All are the first digits of a SHA-256, of different parts of a file:
 *
 *     AutoV1   8 digits    of the 0x10000 bytes at 0x100000; of what is there, in a shorter file
 *     AutoV2   10 digits   of the whole file                            the web UI's Model hash, VAE hash
 *     AutoV3   12 digits   of all behind a safetensors header           the web UI's Lora hashes, sshs_model_hash
 *
 * A LoRA's metadata usually state the last one, so most are known without reading them.  How many digits there are does
 * not say what they are of: SD.Next writes 8 of either.  So each is compared. */
#include "file_hash.h"

#include "chars.h"
#include "files.h"
#include "sha256.h"
#include "weights_open.h"

#include <string.h>

enum { FEWEST = 8, SLICE_AT = 0x100000, SLICE = 0x10000 };

const char *file_hash_read(Arena *a, const char *text)
{
    char *hash = trimmed(a, text, strlen(text));
    if (begins(hash, "0x")) hash += 2;
    size_t n = strlen(hash);
    if (n < FEWEST || n >= SHA256_TEXT) return NULL;
    for (size_t i = 0; i < n; i++) {
        hash[i] = (char)lower(hash[i]);
        if (!strchr("0123456789abcdef", hash[i])) return NULL;
    }
    return hash;
}

/* Does the SHA-256 of these bytes begin with the hash? */
static int is_of(const char *hash, const unsigned char *data, size_t n)
{
    char text[SHA256_TEXT];
    sha256_text(data, n, text);
    return begins(text, hash);
}

/* Where the data of a safetensors file begin; 0 for other files. */
static size_t data_of(Bytes b)
{
    if (!has_bytes_at(b, 4, "\0\0\0\0{", 5)) return 0;
    size_t header = b.data[0] | (size_t)b.data[1] << 8 | (size_t)b.data[2] << 16 | (size_t)b.data[3] << 24;
    return header <= b.size - 8 ? 8 + header : 0;
}

static int is_of_slice(const char *hash, Bytes b)
{
    size_t from = b.size < SLICE_AT ? b.size : SLICE_AT;
    size_t n = b.size - from < SLICE ? b.size - from : SLICE;
    return n && strlen(hash) == FEWEST && is_of(hash, b.data + from, n);
}

typedef struct { Arena *a; const char *path, *hash; int in_full, is; } Question;

static void answer(void *question)
{
    Question *q = question;
    const char *stated = file_metadata(weights_open(q->a, q->path), "sshs_model_hash");
    Bytes b = file_map(q->a, q->path);
    size_t data = data_of(b);
    if (stated && begins(begins(stated, "0x") ? stated + 2 : stated, q->hash)) q->is = 1;
    else if (is_of_slice(q->hash, b)) q->is = 1;
    else if (!q->in_full) return;
    else if (data && is_of(q->hash, b.data + data, b.size - data)) q->is = 1;
    else q->is = is_of(q->hash, b.data, b.size);
}

int file_hash_is(Arena *a, const char *path, const char *hash, int in_full)
{
    char why[MESSAGE];
    size_t before = mark(a);
    Question q = { .a = a, .path = path, .hash = hash, .in_full = in_full };
    if (!folder_is(path)) attempt(a, answer, &q, why);       /* a broken file is none that was looked for */
    release(a, before);
    return q.is;
}

/* Writes the first digits of the SHA-256 of these bytes. */
static void write_digits(char *to, size_t digits, const unsigned char *data, size_t n)
{
    char text[SHA256_TEXT];
    sha256_text(data, n, text);
    memcpy(to, text, digits);
    to[digits] = 0;
}

static void copy_digits(char *to, size_t digits, const char *hash)
{
    size_t n = strlen(hash) < digits ? strlen(hash) : digits;
    memcpy(to, hash, n);
    to[n] = 0;
}

FileHashes file_hashes(Arena *a, const char *path, int in_full)
{
    FileHashes h = { .auto_v2 = "" };
    const char *stated = file_metadata(weights_open(a, path), "sshs_model_hash");
    Bytes b = file_map(a, path);
    size_t data = data_of(b);
    size_t from = b.size < SLICE_AT ? b.size : SLICE_AT;
    size_t slice = b.size - from < SLICE ? b.size - from : SLICE;
    if (slice) write_digits(h.auto_v1, sizeof h.auto_v1 - 1, b.data + from, slice);
    if (stated) stated = file_hash_read(a, stated);
    if (stated) copy_digits(h.auto_v3, sizeof h.auto_v3 - 1, stated);
    if (!in_full) return h;
    write_digits(h.auto_v2, sizeof h.auto_v2 - 1, b.data, b.size);
    if (data && !*h.auto_v3) write_digits(h.auto_v3, sizeof h.auto_v3 - 1, b.data + data, b.size - data);
    return h;
}
