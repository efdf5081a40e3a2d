/* weight_row.c - a file of weights in one line, for lists.
 *
 *     yumin                   SD 1.x     36.1 MB  yumin, red hair, smiling
 *     pixel-art-xl            SDXL      170.5 MB  a LoRA for SDXL
 *
 * A folder has a thousand files, so each is read in an arena of its own, which is emptied before the next, and only
 * its header is read.  A file that is broken has a line too, with the reason: it was downloaded for something.
 *
 * Names are printed whole, as they are there to be typed; everything else is cut to the width of the line. */
#include "weight_row.h"

#include "chars.h"
#include "files.h"
#include "info.h"
#include "model_card.h"

#include <string.h>

enum { NARROWEST = 16, WIDEST = 40, BASE = 8, SIZE = 9 };          /* columns */
enum { LONGEST = 400, SAMPLE = 1 << 16, WORDS = 6 };

/* ---- reading ------------------------------------------------------------------------------------ */

typedef struct { Arena *keep, *a; WeightRow *row; } Reading;

static const char *short_base(const char *base)
{
    static const struct { const char *base, *name; } names[] = {
        { "Stable Diffusion 1.x", "SD 1.x" },
        { "Stable Diffusion 2.x", "SD 2.x" },
        { "Stable Diffusion 3", "SD 3" },
    };
    if (!base) return "";
    for (size_t i = 0; i < sizeof names / sizeof *names; i++)
        if (!strcmp(base, names[i].base)) return names[i].name;
    return base;
}

/* Copies words of the file into the arena that stays, printable, cut. */
static const char *kept(const Reading *r, const char *words)
{
    char *copied = format(r->keep, "%.*s", LONGEST, words ? words : "");
    make_printable(copied, "");
    return copied;
}

/* A digest that copies share: of the size, the first bytes and the last ones. */
static uint64_t sample_of(Arena *a, const char *path)
{
    if (folder_is(path)) return 0;
    Bytes b = file_map(a, path);
    size_t n = b.size < SAMPLE ? b.size : SAMPLE;
    uint64_t d = digest(b.size, b.data, n);
    return digest(d, b.data + b.size - n, n);
}

/* "8 vectors of 768" of "a textual inversion embedding, 8 vectors of 768, for SDXL" */
static const char *about_vectors(Arena *a, const char *what)
{
    const char *comma = strstr(what, ", ");
    if (!comma) return "";
    const char *end = strstr(comma + 2, ", for ");
    return end ? copy(a, comma + 2, (size_t)(end - comma - 2)) : comma + 2;
}

/* What is said of a file beside its size: the words that call it; or what it is like. */
static const char *words_of(Arena *a, const WeightFile *f, FileKind kind, const char *what)
{
    ModelCard card = model_card(a, f);
    const char *words = model_card_words(a, &card, WORDS);
    const char *pictures = file_metadata(f, "persona.pictures");
    if (*words) return words;
    if (kind == MOTION_FILE) return info_details(a, f);
    if (kind == EMBEDDING_FILE) return about_vectors(a, what);
    if (strstr(what, "motion LoRA")) return "moves the camera";
    if (kind == MODEL_FILE && pictures) return pictures;
    int is_its_name = card.title && !strcmp(card.title, without_extension(a, file_name(f->path)));
    return is_its_name ? NULL : card.title;
}

static int is_embedding(const char *what) { return begins(what, "a textual inversion embedding"); }

static void read_file(void *reading)
{
    Reading *r = reading;
    WeightRow *row = r->row;
    const WeightFile *f = weights_open(r->a, row->path);
    FileAbout about = file_about(f);
    const char *what = info_kind(r->a, f, about);
    if (about.kind == UNKNOWN_FILE && is_embedding(what)) about.kind = EMBEDDING_FILE;
    int is_used = about.kind != UNKNOWN_FILE && about.kind != UNSUPPORTED_FILE && base_is_used(about.base);
    row->bytes = f->bytes;
    row->sample = sample_of(r->a, row->path);
    row->kind = about.kind;
    row->what = kept(r, what);
    row->base = kept(r, short_base(about.base));
    row->words = kept(r, words_of(r->a, f, about.kind, what));
    row->why_not = is_used ? NULL : row->what;
}

/* Without the path in front, which stands in the line already. */
static const char *reason(const char *path, const char *why)
{
    size_t n = strlen(path);
    return !strncmp(why, path, n) && begins(why + n, ": ") ? why + n + 2 : why;
}

WeightRow weight_row(Arena *a, Arena *scratch, const char *path)
{
    char why[MESSAGE];
    WeightRow row = { .path = path, .name = path, .what = "", .base = "", .words = "" };
    Reading r = { .keep = a, .a = scratch, .row = &row };
    size_t before = mark(scratch);
    if (attempt(scratch, read_file, &r, why)) {
        row.kind = UNKNOWN_FILE;
        row.why_not = kept(&r, reason(path, why));
        row.what = row.why_not;
    }
    release(scratch, before);
    return row;
}

/* ---- printing ----------------------------------------------------------------------------------- */

/* The columns that text takes: one for each character. */
static size_t columns_of(const char *text)
{
    size_t n = 0;
    for (; *text; text++) n += ((unsigned char)*text & 0xc0) != 0x80;
    return n;
}

size_t weight_row_width(size_t width, const char *name)
{
    size_t n = columns_of(name);
    if (width < NARROWEST) width = NARROWEST;
    return n > width && n <= WIDEST ? n : width;
}

/* The first `columns` characters, with "..." where something is left out. */
static const char *cut(Arena *a, const char *text, size_t columns)
{
    static const char DOTS[] = "...";
    if (columns_of(text) <= columns) return text;
    if (columns <= strlen(DOTS)) return "";
    size_t n = 0;
    for (size_t left = columns - strlen(DOTS); left; left--) {
        n++;
        while (((unsigned char)text[n] & 0xc0) == 0x80) n++;
    }
    while (n && text[n - 1] == ' ') n--;
    return format(a, "%.*s%s", (int)n, text, DOTS);
}

static const char *padded(Arena *a, const char *text, size_t columns)
{
    size_t n = columns_of(text);
    return format(a, "%s%*s", text, n < columns ? (int)(columns - n) : 0, "");
}

const char *weight_row_text(Arena *a, const WeightRow *r, size_t width, size_t columns)
{
    char *name = format(a, "%s", r->name);
    make_printable(name, "");
    const char *words = r->why_not ? r->why_not : r->words;
    const char *line = format(a, "  %s  %s %*s  ", padded(a, name, width), padded(a, cut(a, r->base, BASE), BASE), SIZE,
                              r->bytes ? data_size(a, (double)r->bytes) : "");
    size_t used = columns_of(line);
    int is_long = r->why_not && columns_of(words) + used > columns;      /* a reason is told whole */
    if (is_long) line = format(a, "%s\n      %s", line, words);
    else         line = format(a, "%s%s", line, cut(a, words, used < columns ? columns - used : 0));
    size_t n = strlen(line);
    while (n && line[n - 1] == ' ') n--;
    const char *note = r->note ? format(a, "      %s\n", r->note) : "";
    return format(a, "%.*s\n%s", (int)n, line, note);
}
