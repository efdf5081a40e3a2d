/* photo_folders.c - finds the pictures of a folder and their captions.
 *
 * There are two common layouts: a plain folder, each picture with a text file of its name beside it, and the tree of
 * kohya's trainer, where a folder's name says how often its pictures are seen in an epoch and what they show:
 *
 *     photos/a.jpg, a.txt                                a plain folder
 *     img/10_sks person/a.jpg                            kohya's tree; both may stand in one folder
 *     train/{img,reg,log,model}                          what kohya's GUI prepares around it
 *
 * People name any of these levels, so all of them are understood.  Names are sorted, so that the same folder gives the
 * same training everywhere.
 *
 * A picture is what its first bytes say, whatever its name: .jfif, .jpe, no ending, a wrong one.  Nothing in a folder
 * is passed over without a word, but captions and what this training writes there itself. */
#include "photo_folders.h"

#include "caption_file.h"
#include "chars.h"
#include "near_path.h"
#include "own_pictures.h"
#include "picture_kinds.h"
#include "system.h"

#include <stdlib.h>
#include <string.h>

enum {
    MOST_REPEATS = 1 << 16, MOST_REPEATED = 1000000000,
    MOST_REPEATS_OF_ROOT = 1000,         /* "2024_trip" is a year */
    NAMED = 3                            /* names in a message */
};

/* What calls itself a picture must be one. */
static const char *const picture_endings[] = {
    ".png", ".jpg", ".jpeg", ".jpe", ".jfif", ".webp", ".bmp", ".tif", ".tiff", ".heic", ".heif", ".avif", ".jxl", NULL
};

static int ends_as_picture(const char *name)
{
    for (size_t i = 0; picture_endings[i]; i++)
        if (same(file_extension(name), picture_endings[i])) return 1;
    return 0;
}

/* ---- what a file is ------------------------------------------------------------------------------ */

typedef enum { NO_PICTURE, A_PICTURE, AN_OWN_PICTURE } FileClass;

typedef struct {
    Arena      *a;
    const char *path;
    FileClass   class;
    OwnPicture  own;
} Sniffed;

static void sniff_file(void *to)
{
    Sniffed *s = to;
    Bytes b = file_map(s->a, s->path);
    const PictureKind *kind = picture_kind(b.data, b.size);
    if (kind) s->own = own_picture_kind(s->a, b);
    if (s->own) s->class = AN_OWN_PICTURE;
    else if (kind) s->class = A_PICTURE;
}

/* A file that cannot be opened is what its name says; survey() says why. */
static Sniffed sniff(Arena *a, const char *path)
{
    char why[MESSAGE];
    size_t before = mark(a);
    Sniffed s = { .a = a, .path = path };
    if (!attempt(a, sniff_file, &s, why)) release(a, before);
    if (!s.class && ends_as_picture(path)) s.class = A_PICTURE;
    return s;
}

/* ---- captions ----------------------------------------------------------------------------------- */

/* Where a caption was found; text is NULL when there is none, or when it has a fault. */
typedef struct {
    const char *path, *fault;
    char       *text;
} Caption;

static Caption caption_beside(Arena *a, const char *stem, const char *ending)
{
    Caption c = { 0 };
    const char *why;
    const char *path = format(a, "%s%s%s", stem, *ending == '.' ? "" : ".", ending);
    if (!file_is_there(a, path)) {
        if (!system_file_exists(path)) return c;
        c.path = path;
        c.fault = format(a, "%s: expected a caption in a file, found a folder, a pipe or a device", path);
        return c;
    }
    c.path = path;
    c.text = caption_file_text(a, file_map(a, path), &why);
    if (!c.text) c.fault = format(a, "%s: %s", path, why);
    return c;
}

static Caption caption_called(Arena *a, const char *stem, const char *caption_extension)
{
    if (caption_extension) return caption_beside(a, stem, caption_extension);
    Caption c = caption_beside(a, stem, ".txt");
    return c.path ? c : caption_beside(a, stem, ".caption");
}

/* Tools that cut faces out of "a.png" call them "a_0_10_20_30.png".  kohya, read_caption: a stem of five parts or more
 * with "_" between, without the last four, is tried second.  NULL when it is not of that form. */
static const char *stem_before_cropping(Arena *a, const char *stem)
{
    enum { LEFT_OUT = 4 };
    char *shorter = copy(a, stem, strlen(stem));
    for (int i = 0; i < LEFT_OUT; i++) {
        char *underline = strrchr(shorter, '_');
        if (!underline || strchr(underline, '/')) return NULL;
        *underline = 0;
    }
    return shorter;
}

static Caption caption_of(Arena *a, const char *picture, const char *caption_extension)
{
    const char *stem = without_extension(a, picture);
    Caption c = caption_called(a, stem, caption_extension);
    const char *shorter = c.path ? NULL : stem_before_cropping(a, stem);
    return shorter ? caption_called(a, shorter, caption_extension) : c;
}

/* Cuts a caption behind its first line -> how many lines that leaves out. */
static int keep_first_line(char *caption)
{
    int lines = 0;
    for (const char *s = caption; *s; s++)
        if (*s == '\n') lines++;
    caption[strcspn(caption, "\n")] = 0;
    return lines;
}

/* ---- what was found ------------------------------------------------------------------------------ */

/* Names, of which a message shows a few. */
typedef struct {
    const char *text;
    size_t      count;
} Names;

typedef struct {
    Arena             *a;
    const PhotoSearch *search;
    const char        *root;             /* the folder in which pictures are looked for */
    Photos             photos;
    size_t             room, notes_room; /* for photos.photo and photos.note */
    size_t             own[OWN_KINDS];   /* pictures that training drew */
    Names              others;           /* files that are no pictures */
    Names              unread;           /* folders of pictures that are not read, and whose names can change that */
    Names              too_deep;         /* and those whose names cannot */
} Finding;

static void add_name(Arena *a, Names *n, const char *name)
{
    if (n->count < NAMED) n->text = n->text ? format(a, "%s, %s", n->text, name) : format(a, "%s", name);
    n->count++;
}

static const char *named(Arena *a, const Names *n)
{
    return n->count > NAMED ? format(a, "%s and %zu more", n->text, n->count - NAMED) : n->text;
}

static void add_note(Finding *f, const char *note)
{
    Photos *p = &f->photos;
    p->note = grow_array(f->a, p->note, p->notes, &f->notes_room, sizeof *p->note);
    p->note[p->notes++] = note;
}

/* A path within the folder that was asked for. */
static const char *name_within(const Finding *f, const char *path)
{
    const char *name = path + strlen(f->search->folder);
    return name + strspn(name, "/");
}

/* "{a|b}", of which --enable_wildcard chooses one */
static int holds_alternatives(const char *text)
{
    const char *open = strchr(text, '{');
    const char *bar = open ? strchr(open, '|') : NULL;
    return bar && strchr(bar, '}');
}

static void add_photo(Finding *f, const char *path, const Caption *c, const char *words, int repeats)
{
    Photos *p = &f->photos;
    p->photo = grow_array(f->a, p->photo, p->count, &f->room, sizeof *p->photo);
    Photo *photo = &p->photo[p->count++];
    *photo = (Photo){ .path = path, .name = name_within(f, path), .repeats = repeats, .fault = c->fault };
    photo->captioned = c->text != NULL;
    photo->caption = c->text;
    if (c->text && !f->search->keeps_lines) photo->lines_left = keep_first_line(c->text);
    if (c->text && !f->search->keeps_lines) photo->has_alternatives = holds_alternatives(c->text);
    if (!c->text) photo->caption = words ? words : "";
    p->captioned += (size_t)photo->captioned;
    p->instances++;
    p->repeated += (size_t)repeats;
}

/* ---- one folder ---------------------------------------------------------------------------------- */

static int by_text(const void *x, const void *y) { return strcmp(*(const char *const *)x, *(const char *const *)y); }

/* Is it written by this training: OUT.safetensors, OUT-state.safetensors? */
static int is_written(const Finding *f, const char *path)
{
    const char *out = f->search->out;
    if (!out || !same_file(folder_of(f->a, path), folder_of(f->a, out))) return 0;
    const char *stem = without_extension(f->a, file_name(out));
    size_t n = strlen(stem);
    const char *name = file_name(path);
    return !strncmp(name, stem, n) && (name[n] == '.' || name[n] == '-');
}

/* Files that are neither pictures nor captions of one.  caption: paths [captions], sorted */
static void add_others(Finding *f, const char **other, size_t others, const char **caption, size_t captions)
{
    for (size_t i = 0; i < others; i++) {
        int is_caption = captions && bsearch(&other[i], caption, captions, sizeof *caption, by_text);
        if (!is_caption && !is_written(f, other[i])) add_name(f->a, &f->others, name_within(f, other[i]));
    }
}

static int is_welcome(const Finding *f, Sniffed s)
{
    if (s.class == A_PICTURE) return 1;
    return s.own == OWN_CLASS_IMAGE && f->search->of_class;
}

static void add_folder(Finding *f, const char *folder, const char *words, int repeats)
{
    size_t count;
    size_t others = 0;
    size_t captions = 0;
    const char **names = folder_list(f->a, folder, &count);
    if (!count) return;
    const char **other = allocate(f->a, count, sizeof *other);
    const char **caption = allocate(f->a, count, sizeof *caption);
    for (size_t i = 0; i < count; i++) {
        const char *path = format(f->a, "%s/%s", folder, names[i]);
        if (!listed_file_is(f->a, path)) {
            if (!folder_is(path)) other[others++] = path;           /* a pipe or a device, which may never end */
            continue;
        }
        Sniffed s = sniff(f->a, path);
        if (is_welcome(f, s)) {
            Caption c = caption_of(f->a, path, f->search->caption_extension);
            if (c.path) caption[captions++] = c.path;
            add_photo(f, path, &c, words, repeats);
        }
        else if (s.own) f->own[s.own]++;
        else other[others++] = path;
        if (f->photos.repeated > MOST_REPEATED)
            fail(f->a, "%s: an epoch of more than %d pictures, with their repeats; fewer repeats, please", folder,
                 MOST_REPEATED);
    }
    if (captions) qsort(caption, captions, sizeof *caption, by_text);
    add_others(f, other, others, caption, captions);
}

/* ---- folders that are not read ------------------------------------------------------------------- */

/* Counts what training drew, and says whether there is any other picture. */
static int holds_pictures(Finding *f, const char *folder)
{
    size_t count;
    int found = 0;
    const char **names = folder_list(f->a, folder, &count);
    for (size_t i = 0; i < count; i++) {
        const char *path = format(f->a, "%s/%s", folder, names[i]);
        if (!listed_file_is(f->a, path)) continue;
        Sniffed s = sniff(f->a, path);
        if (s.own) f->own[s.own]++;
        found |= s.class == A_PICTURE;
    }
    return found;
}

static void note_folders_within(Finding *f, const char *folder)
{
    size_t count;
    const char **names = folder_list(f->a, folder, &count);
    for (size_t i = 0; i < count; i++) {
        const char *within = format(f->a, "%s/%s", folder, names[i]);
        if (folder_is(within) && holds_pictures(f, within)) add_name(f->a, &f->too_deep, within);
    }
}

/* ---- kohya's layouts ----------------------------------------------------------------------------- */

/* "20_sks woman" -> 20 and the class tokens behind it; 0 when the name is not of this form. */
static int repeats_in(const char *name, const char **class_tokens)
{
    char *end;
    if (!digit(*name)) return 0;
    long n = strtol(name, &end, 10);
    if (n < 1 || n > MOST_REPEATS || *end != '_') return 0;
    *class_tokens = end + 1;
    return (int)n;
}

/* A folder within the folder: its pictures count when its name says how often. */
static void add_subfolder(Finding *f, const char *name, int repeats)
{
    const char *class_tokens;
    int times = repeats_in(name, &class_tokens);
    if (times > MOST_REPEATED / repeats)
        fail(f->a, "%s/%s: %d times %d repeats of each picture, expected at most %d together; fewer repeats, please",
             f->root, name, times, repeats, MOST_REPEATED);
    const char *folder = format(f->a, "%s/%s", f->root, name);
    if (!folder_is(folder)) return;
    if (times) {
        add_folder(f, folder, class_tokens, times * repeats);
        note_folders_within(f, folder);
    }
    else if (holds_pictures(f, folder)) add_name(f->a, &f->unread, folder);
}

static int has_folder_of_repeats(Arena *a, const char *folder)
{
    size_t count;
    const char *class_tokens;
    const char **names = folder_list(a, folder, &count);
    for (size_t i = 0; i < count; i++)
        if (repeats_in(names[i], &class_tokens) && folder_is(format(a, "%s/%s", folder, names[i]))) return 1;
    return 0;
}

/* FOLDER/img, where the folder is the one around all that kohya's GUI prepares; else the folder itself. */
static const char *root_of(Arena *a, const char *folder)
{
    const char *within = format(a, "%s/img", folder);
    if (has_folder_of_repeats(a, folder) || !has_folder_of_repeats(a, within)) return folder;
    return within;
}

const char *photo_folders_class(Arena *a, const char *folder)
{
    const char *class = format(a, "%s/reg", folder);
    if (root_of(a, folder) == folder || !has_folder_of_repeats(a, class)) return NULL;
    return class;
}

/* The folder's own name, "10_sks man" of "photos/10_sks man/" */
static const char *own_name(Arena *a, const char *folder)
{
    size_t n = strlen(folder);
    while (n > 1 && folder[n - 1] == '/') n--;
    return file_name(copy(a, folder, n));
}

/* Pictures that lie in the root itself: its name may be one of repeats, as kohya's trainer has it a level below.  What
 * was asked for with --prompt goes before the class tokens. */
static void add_root(Finding *f)
{
    const char *class_tokens;
    const char *name = own_name(f->a, f->root);
    const char *words = f->search->words && *f->search->words ? f->search->words : NULL;
    int repeats = f->search->repeats;
    int times = repeats_in(name, &class_tokens);
    size_t before = f->photos.count;
    if (times > MOST_REPEATS_OF_ROOT || f->search->is_subset) times = 0;
    if (times && !words) words = class_tokens;
    add_folder(f, f->root, words, times ? times * repeats : repeats);
    if (times && f->photos.count > before)
        add_note(f, format(f->a, "%s: by this name each picture comes %d times in an epoch, and one without a caption "
                                 "shows %s", name, times, quoted(f->a, words)));
}

/* ---- in words ------------------------------------------------------------------------------------ */

static void note_own(Finding *f)
{
    const char *what = NULL;
    for (OwnPicture kind = OWN_CURVE; kind < OWN_KINDS; kind++) {
        if (!f->own[kind]) continue;
        const char *some = amount(f->a, f->own[kind], own_picture_names[kind]);
        what = what ? format(f->a, "%s, %s", what, some) : some;
    }
    if (!what) return;
    add_note(f, format(f->a, "left out, for they are no photos, but drawn by training or as a grid: %s", what));
}

static void note_all(Finding *f)
{
    Arena *a = f->a;
    note_own(f);
    if (f->others.count)
        add_note(f, format(a, "neither pictures nor captions of one, so left out: %s", named(a, &f->others)));
    if (f->too_deep.count)
        add_note(f, format(a, "warning: pictures in %s are left out, for folders in a folder of repeats are not read; "
                              "to learn from them move them up", named(a, &f->too_deep)));
    if (!f->unread.count) return;
    const char *first = file_name(copy(a, f->unread.text, strcspn(f->unread.text, ",")));
    add_note(f, format(a, "warning: pictures in %s are left out; to learn from them call it <repeats>_<words>, as 1_%s",
                       named(a, &f->unread), first));
}

static _Noreturn void fail_without_pictures(Finding *f, const char **names, size_t count)
{
    Arena *a = f->a;
    const char *found = "nothing";
    if (count) found = quoted(a, names[0]);
    if (count > 1) found = format(a, "%s and %s", found, amount(a, count - 1, "other"));
    for (size_t i = 0; i < f->photos.notes; i++) found = format(a, "%s; %s", found, f->photos.note[i]);
    fail(a, "%s: no pictures to learn from: looked for pictures by what is in the files, and for folders of them "
            "called <repeats>_<words>, found %s", f->root, found);
}

Photos photos_find(Arena *a, const PhotoSearch *search)
{
    Finding f = { .a = a, .search = search };
    size_t count;
    if (!folder_is(search->folder)) 
        fail(a, "%s: there is no such folder of pictures%s", search->folder,
             near_path_hint(a, search->folder, FOLDER_PATH));
    f.root = search->is_subset ? search->folder : root_of(a, search->folder);
    if (f.root != search->folder)
        add_note(&f, format(a, "%s: as kohya's GUI lays it out, so pictures are those of %s", search->folder, f.root));
    const char **names = folder_list(a, f.root, &count);
    add_root(&f);
    for (size_t i = 0; !search->is_subset && i < count; i++) add_subfolder(&f, names[i], search->repeats);
    note_all(&f);
    if (!f.photos.count) fail_without_pictures(&f, names, count);
    return f.photos;
}

void photos_join(Arena *a, Photos *p, Photos more)
{
    Photo *all = allocate(a, p->count + more.count, sizeof *all);
    if (p->count) memcpy(all, p->photo, p->count * sizeof *all);
    if (more.count) memcpy(all + p->count, more.photo, more.count * sizeof *all);
    const char **notes = allocate(a, p->notes + more.notes, sizeof *notes);
    for (size_t i = 0; i < p->notes; i++) notes[i] = p->note[i];
    p->photo = all;
    p->count += more.count;
    p->repeated += more.repeated;
    p->captioned += more.captioned;
    p->instances += more.instances;
    for (size_t i = 0; i < more.notes; i++) notes[p->notes + i] = more.note[i];
    p->note = notes;
    p->notes += more.notes;
    if (p->repeated > MOST_REPEATED)
        fail(a, "an epoch of more than %d pictures, with their repeats; fewer repeats, please", MOST_REPEATED);
}
