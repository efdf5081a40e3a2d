/* sweep.c - one request over the values of up to three axes: the web UI's X/Y/Z plot.
 *
 * A cell is a request like any other.  It is drawn by the same call as a prompt file with these settings, so it is the
 * same picture to the pixel.  Models are mapped and not read in, so nothing has to be kept from one cell for the
 * next.
 *
 * A finished cell is a PNG or an animated PNG with its settings inside.  That is also how an interrupted sweep goes
 * on: a cell whose settings stand in a file of its folders is taken from that file, whatever the file is called and
 * whichever grid it was drawn for.  It is drawn anew when a file that the job reads (a model, a LoRA, ...) is newer
 * than the picture.
 *
 * Cells of different size or length are refused.  Nothing is removed but what was written to the folder
 * "<cells>.part". */
#include "sweep.h"

#include "axis.h"
#include "chars.h"
#include "clip_state.h"
#include "files.h"
#include "generate.h"
#include "grid.h"
#include "output.h"
#include "png.h"
#include "png_info.h"
#include "system.h"

#include <stdio.h>
#include <string.h>

enum { AXES = 3 };

typedef struct {
    Request     request;
    int         at[AXES];                /* which value of each axis */
    const char *settings;                /* set by sweep_check */
    int         first;                   /* the first cell with these settings: this one, or one before it */
    Plan        plan;
} Cell;

struct Sweep {
    Axis  axis[AXES];                    /* an axis that is not given has count 1, and said NULL */
    int   cells;
    Cell *cell;                          /* x fastest, then y, then z */
    Grid  grid;
};

/* ---- the cells --------------------------------------------------------------------------------- */

int sweep_asked(const Request *r)
{
    return r->axis[0].text || r->axis[1].text || r->axis[2].text;
}

static int is_given(const Axis *x)
{
    return x->said != NULL;
}

/* What the reading of axes, and the making of cells, needs as attempts. */
typedef struct { Arena *a; Sweep *s; const Request *r; int at; } SweepReading;

/* Do both go through the same setting, and if that is a LoRA, through the same one? */
static int same_setting(const Axis *x, const Axis *y)
{
    if (!x->key || !y->key || strcmp(x->key, y->key)) return 0;
    if (!x->lora || !y->lora) return x->lora == y->lora;
    return same(x->lora, y->lora);
}

static void check_axes(void *reading)
{
    SweepReading *reads = reading;
    Arena *a = reads->a;
    const Sweep *s = reads->s;
    for (int i = 0; i < AXES; i++) {
        for (int k = 0; k < i; k++) {
            const Axis *one = &s->axis[k];
            const Axis *other = &s->axis[i];
            if (same_setting(one, other))
                fail(a, "%s and %s both go through %s; leave one out", one->label, other->label, other->key);
        }
    }
    double cells = (double)s->axis[0].count * s->axis[1].count * s->axis[2].count;
    if (cells > SWEEP_CELLS)
        fail(a, "%d x %d x %d values are %.0f pictures, expected at most %d", s->axis[0].count, s->axis[1].count,
             s->axis[2].count, cells, SWEEP_CELLS);
}

static void read_axis(void *reading)
{
    SweepReading *reads = reading;
    reads->s->axis[reads->at] = axis_read(reads->a, reads->r->axis[reads->at]);
}

/* Makes the cell of that number. */
static void fill_cell(void *reading)
{
    SweepReading *reads = reading;
    Sweep *s = reads->s;
    Cell *c = &s->cell[reads->at];
    int i = reads->at;
    c->request = *reads->r;
    c->request.max_size = 0;
    for (int k = 0; k < AXES; k++) {
        const Axis *x = &s->axis[k];
        c->request.axis[k].text = NULL;
        c->at[k] = i % x->count;
        i /= x->count;
        if (is_given(x)) axis_set(reads->a, x, c->at[k], &c->request);
    }
}

/* The axes first, and cells only of axes that are right. */
Sweep *sweep_read(Arena *a, const Request *r)
{
    Faults faults = { 0 };
    Sweep *s = allocate(a, 1, sizeof *s);
    *s = (Sweep){ .cells = 1 };
    SweepReading reads = { .a = a, .s = s, .r = r };
    for (int k = 0; k < AXES; k++) {
        s->axis[k] = (Axis){ .count = 1 };
        reads.at = k;
        if (r->axis[k].text) faults_try(a, &faults, read_axis, &reads);
    }
    faults_try(a, &faults, check_axes, &reads);
    faults_fail(a, &faults);
    for (int k = 0; k < AXES; k++) s->cells *= s->axis[k].count;
    s->cell = allocate(a, (size_t)s->cells, sizeof *s->cell);
    memset(s->cell, 0, (size_t)s->cells * sizeof *s->cell);
    for (reads.at = 0; reads.at < s->cells; reads.at++) faults_try(a, &faults, fill_cell, &reads);
    faults_fail(a, &faults);
    return s;
}

typedef struct { Arena *a; Request *r; const Wildcards *wildcards; const char *label; } PromptDrawing;

static void draw_prompts(void *drawing)
{
    PromptDrawing *d = drawing;
    prompts_draw(d->a, d->r, d->wildcards, d->label);
}

void sweep_draw_prompts(Arena *a, Sweep *s, const Wildcards *w, const char *label, Faults *faults)
{
    for (int i = 0; i < s->cells; i++) {
        Request before = s->cell[i].request;
        PromptDrawing d = { a, &s->cell[i].request, w, label };
        if (faults_try(a, faults, draw_prompts, &d)) s->cell[i].request = before;
    }
}

/* "CFG scale: 3, Steps: 10" */
static const char *cell_name(Arena *a, const Sweep *s, const Cell *c)
{
    const char *name = "";
    for (int k = 0; k < AXES; k++) {
        if (!is_given(&s->axis[k])) continue;
        name = format(a, "%s%s%s", name, *name ? ", " : "", s->axis[k].said[c->at[k]]);
    }
    return name;
}

/* ---- messages of many cells -------------------------------------------------------------------- */

enum { MOST_LINES = 64, BEGINNING = 160 };

/* Passes a message on unless one with the same beginning, up to a comma or colon, was passed on before.  So what is
 * common to all cells is said once.  Of a warning all counts. */
typedef struct {
    const Callbacks *callbacks;
    char             line[MOST_LINES][BEGINNING];
    int              lines;
} OnceOnly;

static void say_once(void *to, const char *line)
{
    OnceOnly *o = to;
    char beginning[BEGINNING];
    size_t n = begins(line, "warning: ") ? strlen(line) : strcspn(line, ",:");
    snprintf(beginning, sizeof beginning, "%.*s", (int)n, line);
    for (int i = 0; i < o->lines; i++)
        if (!strcmp(o->line[i], beginning)) return;
    if (o->lines == MOST_LINES) return;
    memcpy(o->line[o->lines++], beginning, sizeof beginning);
    callbacks_say(o->callbacks, "%s", line);
}

/* ---- the plan ---------------------------------------------------------------------------------- */

/* All pictures of a grid are of one size and length; the first that is not is told. */
static void check_sizes(Arena *a, const Sweep *s, Faults *faults)
{
    const Plan *first = &s->cell[0].plan;
    for (int i = 1; i < s->cells; i++) {
        const Plan *this = &s->cell[i].plan;
        int is_same = this->width == first->width && this->height == first->height && this->frames == first->frames;
        if (is_same) continue;
        const char *frames = amount(a, (size_t)first->frames, "frame");
        const char *name = cell_name(a, s, &s->cell[i]);
        faults_add(faults, format(a, "all pictures of a grid are of one size and length, but \"%s\" comes to %s of "
                                     "%dx%d, and \"%s\" to %d of %dx%d",
                                  cell_name(a, s, &s->cell[0]), frames, first->width, first->height, name,
                                  this->frames, this->width, this->height));
        return;
    }
}

/* A fault of cells. */
typedef struct { const char *text; const Cell *cell; int cells; } CellFault;
typedef struct { CellFault *fault; size_t count, room; } CellFaults;

static void add_fault_of_cell(Arena *a, CellFaults *all, const Cell *c, const char *text)
{
    for (size_t i = 0; i < all->count; i++) {
        if (strcmp(all->fault[i].text, text)) continue;
        all->fault[i].cells++;
        return;
    }
    all->fault = grow_array(a, all->fault, all->count, &all->room, sizeof *all->fault);
    all->fault[all->count++] = (CellFault){ text, c, 1 };
}

static void add_faults_of_cell(Arena *a, CellFaults *all, const Cell *c, const Faults *found)
{
    for (const char *s = found->text; *s; s += fault_size(s) + 1)
        add_fault_of_cell(a, all, c, copy(a, s, fault_size(s)));
}

/* "CFG scale: 3 and 2 more pictures: ...", or without a cell's name what all have */
static void tell_faults_of_cells(Arena *a, const Sweep *s, const CellFaults *all, Faults *faults)
{
    for (size_t i = 0; i < all->count; i++) {
        const CellFault *f = &all->fault[i];
        const char *which = format(a, "%s: ", cell_name(a, s, f->cell));
        const char *more = amount(a, (size_t)(f->cells - 1), "more picture");
        if (f->cells > 1) which = format(a, "%s and %s: ", cell_name(a, s, f->cell), more);
        if (f->cells == s->cells) which = "";
        faults_add(faults, format(a, "%s%s", which, f->text));
    }
}

typedef struct { Arena *a; const char *out; Cell *cell; } Sparing;

static void spare_init(void *sparing)
{
    Sparing *s = sparing;
    output_spare(s->a, s->out, s->cell->request.job.init);
    output_spare(s->a, s->out, s->cell->request.job.last);
    output_spare(s->a, s->out, s->cell->request.job.mask);
}

static void check_cell(Arena *a, const Sweep *s, Cell *c, const SearchPath *p, const char *out,
                       const Callbacks *callbacks, Faults *faults)
{
    Sparing sparing = { a, out, c };
    search_path_try(a, p, &c->request, faults);
    faults_try(a, faults, spare_init, &sparing);
    c->plan = generate_faults(a, &c->request.job, callbacks, faults);
    if (faults->count) return;
    c->settings = prompt_infotext(a, &c->request);
    c->first = 0;
    while (!s->cell[c->first].settings || strcmp(s->cell[c->first].settings, c->settings)) c->first++;
}

static void lay_out(Arena *a, Sweep *s)
{
    const Plan *one = &s->cell[0].plan;
    GridSetup setup = { .frames = one->frames, .width = one->width, .height = one->height };
    for (int k = 0; k < AXES; k++) {
        setup.count[k] = s->axis[k].count;
        setup.label[k] = s->axis[k].said;
    }
    s->grid = grid_layout(a, &setup);
}

static int is_repeated(const Sweep *s, int i)
{
    return s->cell[i].first != i;
}

/* The memory is that of the largest cell and of the grid; operations add up. */
static Plan plan_of_all(const Sweep *s)
{
    Plan all = s->cell[0].plan;
    for (int i = 1; i < s->cells; i++) {
        const Plan *p = &s->cell[i].plan;
        if (p->memory > all.memory) {
            all.memory = p->memory;
            all.mapped = p->mapped;
        }
        if (!is_repeated(s, i)) all.ops += p->ops;
    }
    all.memory += (size_t)s->grid.of.frames * (size_t)s->grid.width * (size_t)s->grid.height * 3;
    return all;
}

/* "grid: 3 x 2 x 1 pictures of 128x128, 410x278 in all" */
static void say_grid(Arena *a, const Sweep *s, const Plan *all, const Callbacks *callbacks)
{
    int repeated = 0;
    for (int i = 0; i < s->cells; i++)
        if (is_repeated(s, i)) repeated++;
    const char *alike = repeated ? format(a, ", %d of them as another one", repeated) : "";
    callbacks_say(callbacks, "grid: %d x %d x %d pictures of %dx%d%s, %dx%d in all", s->axis[0].count, s->axis[1].count,
              s->axis[2].count, all->width, all->height, alike, s->grid.width, s->grid.height);
}

typedef struct { Arena *a; Sweep *s; } Layout;

static void try_to_lay_out(void *layout)
{
    Layout *l = layout;
    lay_out(l->a, l->s);
}

/* A grid that is too large is known after the first cell. */
static void check_cells(Arena *a, Sweep *s, const SearchPath *p, const char *out, const Callbacks *callbacks,
                        Faults *faults)
{
    CellFaults all = { 0 };
    Faults *found = allocate(a, 1, sizeof *found);
    int is_laid_out = 0;
    for (int i = 0; i < s->cells; i++) {
        *found = (Faults){ 0 };
        check_cell(a, s, &s->cell[i], p, out, callbacks, found);
        add_faults_of_cell(a, &all, &s->cell[i], found);
        Layout layout = { a, s };
        if (i == 0 && !found->count) is_laid_out = !faults_try(a, faults, try_to_lay_out, &layout);
        if (i == 0 && !found->count && !is_laid_out) return;
    }
    tell_faults_of_cells(a, s, &all, faults);
    if (!all.count) check_sizes(a, s, faults);
}

void sweep_check(Arena *a, Sweep *s, Request *r, const SearchPath *p, const char *out, const Callbacks *callbacks,
                 Faults *faults)
{
    OnceOnly *once = allocate(a, 1, sizeof *once);
    once->callbacks = callbacks;
    once->lines = 0;
    Callbacks quieter = *callbacks;
    quieter.to = once;
    quieter.say = say_once;
    quieter.progress = NULL;
    quieter.cancel = NULL;
    quieter.state = NULL;                    /* a cell looks for its own when it is drawn */
    check_cells(a, s, p, out, &quieter, faults);
    if (faults->count) return;
    Plan all = plan_of_all(s);
    say_grid(a, s, &all, callbacks);
    plan_say(a, &all, callbacks);
    r->job.frames = all.frames;
    r->job.fps = s->cell[0].request.job.fps;
}

/* ---- finished cells ---------------------------------------------------------------------------- */

typedef struct { const char *path, *settings; struct timespec written; } Finished;
typedef struct { Finished *file; size_t count; } Store;

static const char *unfinished(Arena *a, const char *cells)
{
    return format(a, "%s.part", cells);
}

/* Adds the pictures in a folder that have settings. */
static void list_finished(Arena *a, Store *store, const char *folder)
{
    size_t count;
    const char **names = folder_list(a, folder, &count);
    Finished *all = allocate(a, store->count + count, sizeof *all);
    if (store->count) memcpy(all, store->file, store->count * sizeof *all);
    store->file = all;
    for (size_t i = 0; i < count; i++) {
        FileInfo info;
        const char *path = format(a, "%s/%s", folder, names[i]);
        const char *settings = png_settings(a, path);
        if (!settings || system_file_info(path, &info)) continue;
        all[store->count++] = (Finished){ .path = path, .settings = settings, .written = info.modified };
    }
}

static int is_later(struct timespec x, struct timespec y)
{
    if (x.tv_sec != y.tv_sec) return x.tv_sec > y.tv_sec;
    return x.tv_nsec > y.tv_nsec;
}

/* Was the file written, or put in its place, later than that?  A model may be a folder: then any file in it, `depth`
 * levels deep.  path may be NULL. */
static int is_newer(Arena *a, const char *path, struct timespec than, int depth)
{
    FileInfo info;
    if (!path || system_file_info(path, &info)) return 0;
    if (is_later(info.modified, than) || is_later(info.changed, than)) return 1;
    if (!depth || !info.is_folder) return 0;
    size_t before = mark(a);
    size_t count;
    int any = 0;
    const char **names = folder_list(a, path, &count);
    for (size_t i = 0; i < count && !any; i++) any = is_newer(a, format(a, "%s/%s", path, names[i]), than, depth - 1);
    release(a, before);
    return any;
}

/* Is one of the files that the job reads newer? */
static int is_outdated(Arena *a, const Job *j, struct timespec written)
{
    const char *const files[] = { j->model, j->vae, j->motion, j->init, j->last, j->mask, j->merges };
    for (size_t i = 0; i < sizeof files / sizeof *files; i++)
        if (is_newer(a, files[i], written, 2)) return 1;
    for (size_t i = 0; i < j->loras; i++)
        if (is_newer(a, j->lora[i].path, written, 0)) return 1;
    for (size_t i = 0; i < j->embeddings; i++)
        if (is_newer(a, j->embedding[i], written, 0)) return 1;
    return 0;
}

/* The pictures of a finished cell, and in *from the path of its file; NULL when no file holds it whole. */
static const unsigned char *find_finished(Arena *a, const Store *store, const Cell *c, const char **from)
{
    for (size_t i = 0; i < store->count; i++) {
        const Finished *f = &store->file[i];
        if (strcmp(f->settings, c->settings) || is_outdated(a, &c->request.job, f->written)) continue;
        Bytes png = file_map(a, f->path);
        unsigned char *rgb = apng_decode(png.data, png.size, c->plan.frames, c->plan.width, c->plan.height);
        if (!rgb) continue;
        *from = f->path;
        return arena_own(a, rgb);
    }
    return NULL;
}

/* "x2-y1": which value of each axis, from 1 */
static const char *cell_file_name(Arena *a, const Sweep *s, const Cell *c)
{
    const char *name = "";
    for (int k = 0; k < AXES; k++) {
        if (!is_given(&s->axis[k])) continue;
        name = format(a, "%s%s%c%d", name, *name ? "-" : "", "xyz"[k], c->at[k] + 1);
    }
    return name;
}

/* folder/x2-y1.png; with a number behind where another picture has that name */
static const char *free_path(Arena *a, const Sweep *s, const Cell *c, const char *folder)
{
    const char *name = cell_file_name(a, s, c);
    const char *ending = c->plan.frames > 1 ? "apng" : "png";
    const char *path = format(a, "%s/%s.%s", folder, name, ending);
    for (int n = 2; system_file_exists(path); n++) path = format(a, "%s/%s-%d.%s", folder, name, n, ending);
    return path;
}

static void save_cell(Arena *a, const Sweep *s, const Cell *c, const char *folder, const unsigned char *rgb)
{
    size_t before = mark(a);
    size_t size;
    const Plan *p = &c->plan;
    double fps = c->request.job.fps;
    unsigned char *png = arena_own(a, apng_encode(rgb, p->frames, p->width, p->height, fps, c->settings, &size));
    if (!png) fail(a, "%s: out of memory", folder);
    folder_make(a, folder);
    files_save(a, &(File){ free_path(a, s, c, folder), { png, size } }, 1);
    release(a, before);
}

static int are_settings_of_cell(const Sweep *s, const char *settings)
{
    if (!settings) return 0;
    for (int i = 0; i < s->cells; i++)
        if (!strcmp(s->cell[i].settings, settings)) return 1;
    return 0;
}

typedef struct {
    Arena       *a;
    const Sweep *s;
    const char  *folder;
} Removal;

static void remove_cells(void *removal)
{
    const Removal *r = removal;
    size_t count;
    const char **names = folder_list(r->a, r->folder, &count);
    for (size_t i = 0; i < count; i++) {
        const char *path = format(r->a, "%s/%s", r->folder, names[i]);
        const char *dot = strrchr(names[i], '.');
        if (!dot) continue;
        int is_half_written = !strcmp(dot, ".part");
        if (is_half_written || are_settings_of_cell(r->s, png_settings(r->a, path))) system_file_remove(path);
    }
}

/* The grid is saved by now, so a folder that cannot be read only stays where it is. */
void sweep_done(Arena *a, const Sweep *s, const char *cells)
{
    char why[MESSAGE];
    size_t before = mark(a);
    Removal r = { .a = a, .s = s, .folder = unfinished(a, cells) };
    attempt(a, remove_cells, &r, why);
    system_folder_remove(r.folder);
    release(a, before);
}

/* ---- drawing ----------------------------------------------------------------------------------- */

typedef struct {
    Arena           *a;
    Sweep           *s;
    const char      *folder;             /* where finished cells are saved */
    int              keep;               /* cells that were found in another folder are saved in this one too */
    const char      *command;            /* what goes on from there, for a message */
    const Callbacks *callbacks;
    Store            store;              /* cells that are finished already */
    Cell            *cell;               /* the one under way ... */
    ClipState        state;              /* ... and where it is kept how far it is */
    int              drawn;              /* cells */
    int              passes_before;      /* passes of the cells that were drawn before this one */
    int              passes;             /* of all cells that are to be drawn */
} Drawing;

/* Turns the steps of a cell into steps of the whole sweep. */
static void report_progress(void *to, const char *stage, int done, int of)
{
    Drawing *d = to;
    if (!strcmp(stage, "frame") || !strcmp(stage, "done")) return;
    if (!strcmp(stage, "hires step")) done += d->cell->plan.passes - of;
    callbacks_progress(d->callbacks, "step", d->passes_before + done, d->passes);
}

static void show_preview(void *to, Pictures small)
{
    Drawing *d = to;
    d->callbacks->preview(d->callbacks->to, small);
}

static int ask_cancel(void *to)
{
    Drawing *d = to;
    return d->callbacks->cancel(d->callbacks->to);
}

static const unsigned char *draw(Drawing *d)
{
    Callbacks callbacks = *d->callbacks;
    callbacks.to = d;
    callbacks.say = NULL;                            /* it was all said by sweep_check */
    callbacks.progress = report_progress;
    if (callbacks.preview) callbacks.preview = show_preview;
    if (callbacks.cancel) callbacks.cancel = ask_cancel;
    d->state = *d->callbacks->state;
    d->state.asked = NULL;
    d->state.target = format(d->a, "%s/%s", d->folder, cell_file_name(d->a, d->s, d->cell));
    callbacks.state = &d->state;
    const unsigned char *rgb = generate(d->a, &d->cell->request.job, &callbacks).rgb;
    d->drawn++;
    return rgb;
}

static int is_in_folder(const char *path, const char *folder)
{
    size_t n = strlen(folder);
    return !strncmp(path, folder, n) && path[n] == '/';
}

/* Finds the cell or draws it, saves it, and pastes it to every place of the grid with these settings. */
static void do_cell(void *drawing)
{
    Drawing *d = drawing;
    Sweep *s = d->s;
    Cell *c = d->cell;
    size_t before = mark(d->a);
    const char *from = NULL;
    const unsigned char *rgb = find_finished(d->a, &d->store, c, &from);
    if (!rgb) rgb = draw(d);
    int is_missing = d->keep && from && !is_in_folder(from, d->folder);
    if (!from || is_missing) save_cell(d->a, s, c, d->folder, rgb);
    if (!from) clip_state_done(d->a, &d->state);
    for (int i = c->first; i < s->cells; i++) {
        const Cell *other = &s->cell[i];
        if (other->first == c->first) grid_paste(&s->grid, other->at[0], other->at[1], other->at[2], rgb);
    }
    release(d->a, before);
}

/* The passes of all cells that are not finished. */
static int passes_to_draw(const Drawing *d)
{
    int passes = 0;
    for (int i = 0; i < d->s->cells; i++) {
        size_t before = mark(d->a);
        const Cell *c = &d->s->cell[i];
        const char *from;
        if (!is_repeated(d->s, i) && !find_finished(d->a, &d->store, c, &from)) passes += c->plan.passes;
        release(d->a, before);
    }
    return passes;
}

typedef struct {
    const Drawing *d;
    size_t         count;
} Kept;

static void count_kept(void *kept)
{
    Kept *k = kept;
    size_t count;
    const char **names = folder_list(k->d->a, k->d->folder, &count);
    for (size_t i = 0; i < count; i++)
        if (strcmp(file_extension(names[i]), ".state")) k->count++;
}

/* Fails with the reason and with what is kept.  kind: of the failure */
static _Noreturn void give_up(const Drawing *d, FailKind kind, const char *why)
{
    char why_not[MESSAGE];
    Kept counted = { .d = d };
    attempt(d->a, count_kept, &counted, why_not);
    size_t kept = counted.count;
    const char *rest = "";
    if (kept)
        rest = format(d->a, "; %zu finished pictures are in %s, and %s goes on from there", kept, d->folder,
                      d->command);
    if (!kept && !d->state.is_ours) clip_state_done(d->a, d->callbacks->state);
    if (kind == CANCELLED && !kept) fail_as(d->a, kind, "%s", why);
    if (kind == CANCELLED) fail_as(d->a, kind, "interrupted%s", rest);
    fail(d->a, "%s: %s%s", cell_name(d->a, d->s, d->cell), why, rest);
}

Pictures sweep_draw(Arena *a, Sweep *s, const char *cells, int keep, const char *command, const Callbacks *callbacks)
{
    char why[MESSAGE];
    Drawing d = { .a = a, .s = s, .keep = keep, .command = command, .callbacks = callbacks };
    d.folder = keep ? cells : unfinished(a, cells);
    list_finished(a, &d.store, cells);
    list_finished(a, &d.store, unfinished(a, cells));
    grid_begin(a, &s->grid);
    d.passes = passes_to_draw(&d);
    for (int i = 0; i < s->cells; i++) {
        d.cell = &s->cell[i];
        callbacks_say(callbacks, "cell %d/%d: %s", i + 1, s->cells, cell_name(a, s, d.cell));
        if (is_repeated(s, i)) continue;
        int drawn = d.drawn;
        if (attempt(a, do_cell, &d, why)) give_up(&d, fail_kind(a), why);
        if (d.drawn > drawn) d.passes_before += d.cell->plan.passes;
    }
    if (d.passes) callbacks_progress(callbacks, "done", d.passes, d.passes);
    const Grid *g = &s->grid;
    return (Pictures){ .frames = g->of.frames, .width = g->width, .height = g->height, .rgb = g->rgb };
}
