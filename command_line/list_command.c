/* list_command.c - persona list: what the names of weights can mean here.
 *
 *     Models: Model: NAME in a prompt file, or --model NAME
 *       persona                 SD 1.x     16.1 MB  drawn portraits
 *
 * The list is that of drawing: the same folders, in the same order, so what stands in a line can be typed.  Two files
 * may have one name.  The one in the folder that is searched first is meant, and the line of the other one says so, and
 * how it is named instead.  Copies are told too.
 *
 * Of a diffusers folder the folder is listed and not its parts.  What cannot be used here comes last, with the reason.
 * stdout is the list; all else is on stderr. */
#include "list_command.h"

#include "chars.h"
#include "weight_names.h"
#include "weight_row.h"
#include "weights_open.h"

#include <stdio.h>
#include <stdlib.h>
#include <string.h>

enum { KINDS = 7 };

/* words: what people call the kind */
typedef struct { FileKind kind; const char *title, *words[4]; } Group;
static const Group groups[KINDS] = {
    { MODEL_FILE, "Models: Model: NAME in a prompt file, or --model NAME",
      { "model", "models", "checkpoint", "checkpoints" } },
    { VAE_FILE, "VAEs: VAE: NAME in a prompt file, or --vae NAME", { "vae", "vaes" } },
    { MOTION_FILE, "Motion modules: Motion module: NAME in a prompt file, or --motion NAME",
      { "motion", "motion module", "motion modules", "modules" } },
    { LORA_FILE, "LoRAs: <lora:NAME:0.8> in the prompt, or --lora NAME:0.8",
      { "lora", "loras", "adapter", "adapters" } },
    { EMBEDDING_FILE, "Embeddings: NAME in the prompt", { "embedding", "embeddings", "textual inversion" } },
    { UPSCALER_FILE, "Upscalers: Upscaler: NAME in a prompt file, or --upscaler NAME", { "upscaler", "upscalers" } },
    { UNSUPPORTED_FILE, "Not used here", { "unused", "other", "others", "unsupported" } },
};

/* ---- which files ---------------------------------------------------------------------------------- */

typedef struct { WeightRow row; Candidate file; int in_embeddings; } Item;
typedef struct { Item *item; size_t count; } Items;

/* Is a candidate inside of this folder? */
static int is_inside(const char *path, const char *folder)
{
    size_t n = strlen(folder);
    return !strncmp(path, folder, n) && path[n] == '/';
}

static int has_pipeline(Arena *a, const char *folder)
{
    return file_is(format(a, "%s/model_index.json", folder));
}

/* diffusers and PEFT call the file of a folder so; the folder has the name. */
static int is_of_its_folder(const char *path)
{
    static const char *const stems[] = { "diffusion_pytorch_model", "model", "pytorch_model", "pytorch_lora_weights",
                                         "adapter_model" };
    const char *name = file_name(path);
    for (size_t i = 0; i < sizeof stems / sizeof *stems; i++) {
        size_t n = strlen(stems[i]);
        if (begins(name, stems[i]) && (name[n] == '.' || name[n] == '-')) return 1;
    }
    return 0;
}

/* Is it a folder that is searched itself, and so no model? */
static int is_root(const SearchPath *p, const char *path)
{
    for (size_t i = 0; i < p->count; i++)
        if (p->folder[i].is_root && same_file(p->folder[i].path, path)) return 1;
    return 0;
}

/* A file that is named by the folder around it, or a part of one. */
static int is_part(Arena *a, const Lines *folders, const char *path)
{
    for (size_t i = 0; i < folders->count; i++) {
        const char *folder = folders->line[i];
        if (is_inside(path, folder) && (has_pipeline(a, folder) || is_of_its_folder(path))) return 1;
    }
    return 0;
}

/* The candidates without roots and parts of folders. */
static Candidates listed_candidates(Arena *a, const SearchPath *p)
{
    Candidates all = weight_candidates(a, p);
    Lines folders = { 0 };
    size_t n = 0;
    for (size_t i = 0; i < all.count; i++)
        if (folder_is(all.file[i].path) && !is_root(p, all.file[i].path)) lines_add(a, &folders, all.file[i].path);
    for (size_t i = 0; i < all.count; i++) {
        const char *path = all.file[i].path;
        if (is_part(a, &folders, path) || (folder_is(path) && is_root(p, path))) continue;
        all.file[n++] = all.file[i];
    }
    all.count = n;
    return all;
}

static void free_scratch(void *scratch) { arena_free(scratch); }

static Arena *scratch_arena(Arena *a)
{
    Arena *scratch = arena_new();
    if (!scratch) fail_as(a, NO_MEMORY, "out of memory");
    on_release(a, free_scratch, scratch);
    return scratch;
}

static Items read_items(Run *r, const SearchPath *p)
{
    Candidates c = listed_candidates(r->a, p);
    Arena *scratch = scratch_arena(r->a);
    Items all = { .item = allocate(r->a, c.count, sizeof *all.item) };
    for (size_t i = 0; i < c.count && !*r->stopped; i++) {
        Item *it = &all.item[all.count++];
        *it = (Item){ .row = weight_row(r->a, scratch, c.file[i].path), .file = c.file[i] };
        it->in_embeddings = p->folder[c.file[i].folder].has_embeddings;
        it->row.name = c.file[i].stem;
        if (it->row.why_not) it->row.kind = UNSUPPORTED_FILE;
    }
    if (*r->stopped) fail_as(r->a, CANCELLED, "interrupted");
    return all;
}

/* ---- what is to be said of an item besides -------------------------------------------------------- */

/* Does a name mean x rather than y?  Files come before folders, then the folder that is searched first counts, then the
 * order of endings. */
static int comes_first(const Item *x, const Item *y)
{
    int x_is_folder = !x->file.ending;
    int y_is_folder = !y->file.ending;
    if (x_is_folder != y_is_folder) return y_is_folder;
    if (x->file.folder != y->file.folder) return x->file.folder < y->file.folder;
    return x->file.ending < y->file.ending;
}

static int by_name_and_kind(const void *x, const void *y)
{
    const Item *a = x;
    const Item *b = y;
    int order = strcmp(a->row.name, b->row.name);
    if (order) return order;
    if (a->row.kind != b->row.kind) return a->row.kind < b->row.kind ? -1 : 1;
    if (comes_first(a, b)) return -1;
    return comes_first(b, a);
}

/* Items of one name and kind stand together, the one that is meant first. */
static void note_hidden(Arena *a, Items *all)
{
    for (size_t i = 1; i < all->count; i++) {
        const Item *meant = &all->item[i - 1];
        Item *it = &all->item[i];
        if (strcmp(meant->row.name, it->row.name) || meant->row.kind != it->row.kind) continue;
        if (it->row.kind == UNSUPPORTED_FILE) continue;
        size_t first = i - 1;
        while (first && !strcmp(all->item[first - 1].row.name, it->row.name)
               && all->item[first - 1].row.kind == it->row.kind) first--;
        it->row.note = format(a, "this name means %s; for this file type %s", all->item[first].row.path, it->row.path);
    }
}

static int by_sample(const void *x, const void *y)
{
    const Item *a = *(Item *const *)x;
    const Item *b = *(Item *const *)y;
    if (a->row.sample != b->row.sample) return a->row.sample < b->row.sample ? -1 : 1;
    return strcmp(a->row.path, b->row.path);
}

static void note_copies(Arena *a, Items *all)
{
    Item **sorted = allocate(a, all->count, sizeof *sorted);
    for (size_t i = 0; i < all->count; i++) sorted[i] = &all->item[i];
    if (all->count) qsort(sorted, all->count, sizeof *sorted, by_sample);
    for (size_t i = 1; i < all->count; i++) {
        WeightRow *row = &sorted[i]->row;
        if (!row->sample || row->sample != sorted[i - 1]->row.sample) continue;
        const char *copy_of = format(a, "the same file as %s", sorted[i - 1]->row.path);
        row->note = row->note ? format(a, "%s; %s", row->note, copy_of) : copy_of;
    }
}

static void note_places(Arena *a, Items *all)
{
    for (size_t i = 0; i < all->count; i++) {
        Item *it = &all->item[i];
        if (it->row.kind != EMBEDDING_FILE || it->in_embeddings) continue;
        const char *folder = folder_of(a, it->row.path);
        it->row.note = format(a, "a prompt does not find it here; put it into %s/embeddings/", folder);
    }
}

/* ---- which of them are asked for ------------------------------------------------------------------ */

static const Group *group_called(const char *word)
{
    for (size_t g = 0; g < KINDS; g++)
        for (size_t i = 0; i < sizeof groups[g].words / sizeof *groups[g].words; i++)
            if (groups[g].words[i] && same(groups[g].words[i], word)) return &groups[g];
    return NULL;
}

static int has_part(const char *name, const char *part)
{
    for (; *name; name++)
        if (begins(name, part)) return 1;
    return 0;
}

/* Kinds narrow the list to any of them, other words to what any of them is part of. */
static int is_asked_for(const WeightRow *r, const Lines *words)
{
    size_t kinds = 0, names = 0, right_kinds = 0, right_names = 0;
    for (size_t i = 0; i < words->count; i++) {
        const Group *g = group_called(words->line[i]);
        kinds += g != NULL;
        names += !g;
        right_kinds += g && r->kind == g->kind;
        right_names += !g && has_part(r->path, words->line[i]);
    }
    return (right_kinds || !kinds) && (right_names || !names);
}

/* The words that nothing is called, as "a" or "b"; NULL: there are none. */
static const char *words_of_nothing(Arena *a, const Items *all, const Lines *words)
{
    StringBuilder list = string_builder(a);
    for (size_t i = 0; i < words->count; i++) {
        const Lines one = { .line = &words->line[i], .count = 1 };
        size_t k = 0;
        while (k < all->count && !is_asked_for(&all->item[k].row, &one)) k++;
        if (k < all->count) continue;
        if (list.n) string_builder_add(&list, " or ");
        string_builder_add(&list, quoted(a, words->line[i]));
    }
    return list.n ? list.text : NULL;
}

/* ---- printing --------------------------------------------------------------------------------------- */

static size_t width_of(const Items *all, const Lines *words)
{
    size_t width = 0;
    for (size_t i = 0; i < all->count; i++)
        if (is_asked_for(&all->item[i].row, words)) width = weight_row_width(width, all->item[i].row.name);
    return width;
}

/* Returns how many lines it has printed. */
static size_t print_group(Arena *a, const Items *all, const Group *g, const Lines *words, size_t width)
{
    size_t printed = 0;
    for (size_t i = 0; i < all->count; i++) {
        const WeightRow *row = &all->item[i].row;
        if (row->kind != g->kind || !is_asked_for(row, words)) continue;
        if (!printed++) printf("%s\n", g->title);
        size_t before = mark(a);
        fputs(weight_row_text(a, row, width, TERMINAL_LINE), stdout);
        release(a, before);
    }
    return printed;
}

static const char advice[] = "put checkpoints, motion modules and LoRAs into weights/, embeddings into "
                             "weights/embeddings/, or name their folder with --weights DIR; docs/files.md says which "
                             "files people use and where they are";

void list_command(Run *r)
{
    const Lines *words = &r->options.several;
    SearchPath *p = run_search_path(r, NULL);
    run_end_if_faulty(r);
    Items all = read_items(r, p);
    if (all.count) qsort(all.item, all.count, sizeof *all.item, by_name_and_kind);
    note_hidden(r->a, &all);
    note_copies(r->a, &all);
    note_places(r->a, &all);
    size_t printed = 0;
    size_t width = width_of(&all, words);
    for (size_t g = 0; g < KINDS; g++) printed += print_group(r->a, &all, &groups[g], words, width);
    const char *searched = search_path_list(r->a, p);
    const char *nothing = words_of_nothing(r->a, &all, words);
    if (nothing && !printed)
        fail(r->a, "no weights are called %s in %s; persona list shows all, or %s", nothing, searched, advice);
    if (nothing) run_say(r, format(r->a, "no weights are called %s", nothing));
    const char *files = amount(r->a, printed, "file");
    if (printed) run_say(r, format(r->a, "%s in %s; persona info NAME says more of one", files, searched));
    else         run_say(r, format(r->a, "no weights in %s; %s", searched, advice));
}

const char *list_find(Run *r, const char *name)
{
    const SearchPath *p = run_search_path(r, NULL);
    run_end_if_faulty(r);
    Candidates c = listed_candidates(r->a, p);
    const char *stem = weight_name_stem(r->a, name);
    for (size_t i = 0; i < c.count; i++)
        if (!strcmp(c.file[i].stem, stem)) return c.file[i].path;
    return NULL;
}
