/* sweep.c - one request over the values of up to three axes.
 *
 * A cell is a request like any other, drawn by the same call as a prompt file with these settings, so it is that picture to the
 * pixel.  Models are mapped and not read in, so that nothing needs to be kept from one cell for the next.
 *
 * A finished cell is a PNG or an animated PNG of its own, with its settings inside.  That is also how a sweep goes on: a cell whose settings stand
 * in a file of one of its folders is taken from there, whatever the file is called and whichever grid it was drawn for, unless one of the
 * files of weights is newer.
 *
 * It refuses cells of different size or length, and removes nothing but what it wrote to the folder ending in ".part". */
#define _XOPEN_SOURCE 700
#include "sweep.h"

#include "axis.h"
#include "chars.h"
#include "generate.h"
#include "grid.h"
#include "png.h"
#include "result.h"

#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/stat.h>
#include <unistd.h>

enum { AXES = 3 };

typedef struct {
    Request     request;
    int         at[AXES];                /* which value of each axis */
    const char *settings;                /* known once it was rehearsed */
    int         first;                   /* the first cell with these settings */
    Plan        plan;
} Cell;

struct Sweep {
    Axis  axis[AXES];                    /* count 1, said NULL: none */
    int   cells;
    Cell *cell;                          /* x fastest, then y, then z */
    Grid  grid;
};

/* ---- the cells -------------------------------------------------------------------------------- */

int sweep_asked(const Request *r) { return r->axis[0].text || r->axis[1].text || r->axis[2].text; }

static int same_text(const char *x, const char *y) { return x == y || (x && y && same(x, y)); }

static void check_axes(Arena *a, const Sweep *s)
{
    for (int i = 0; i < AXES; i++)
        for (int k = 0; k < i; k++)
            if (s->axis[i].key && s->axis[k].key && !strcmp(s->axis[i].key, s->axis[k].key) && same_text(s->axis[i].lora, s->axis[k].lora))
                fail(a, "%s and %s both go through %s; leave one out", s->axis[k].label, s->axis[i].label, s->axis[i].key);
    double cells = (double)s->axis[0].count * s->axis[1].count * s->axis[2].count;
    if (cells > SWEEP_CELLS)
        fail(a, "%d x %d x %d values are %.0f pictures, expected at most %d", s->axis[0].count, s->axis[1].count, s->axis[2].count, cells, SWEEP_CELLS);
}

static void fill_cell(Arena *a, const Sweep *s, Cell *c, int i, const Request *r)
{
    c->request = *r, c->request.max_size = 0;
    for (int k = 0; k < AXES; i /= s->axis[k++].count) {
        c->request.axis[k].text = NULL, c->at[k] = i % s->axis[k].count;
        if (s->axis[k].said) axis_set(a, &s->axis[k], c->at[k], &c->request);
    }
}

Sweep *sweep_read(Arena *a, const Request *r)
{
    Sweep *s = take(a, 1, sizeof *s);
    *s = (Sweep){ .cells = 1 };
    for (int k = 0; k < AXES; k++) s->axis[k] = r->axis[k].text ? axis_read(a, r->axis[k]) : (Axis){ .count = 1 };
    check_axes(a, s);
    for (int k = 0; k < AXES; k++) s->cells *= s->axis[k].count;
    s->cell = take(a, (size_t)s->cells, sizeof *s->cell);
    memset(s->cell, 0, (size_t)s->cells * sizeof *s->cell);
    for (int i = 0; i < s->cells; i++) fill_cell(a, s, &s->cell[i], i, r);
    return s;
}

/* "CFG scale: 3, Steps: 10" */
static const char *cell_name(Arena *a, const Sweep *s, const Cell *c)
{
    const char *name = "";
    for (int k = 0; k < AXES; k++) if (s->axis[k].said) name = format(a, "%s%s%s", name, *name ? ", " : "", s->axis[k].said[c->at[k]]);
    return name;
}

/* ---- the plan --------------------------------------------------------------------------------- */

enum { LINES = 64, BEGINNING = 160 };

/* Passes on what was not said of an earlier cell: a line whose beginning, up to a comma or colon, is new. */
typedef struct { const Watch *watch; char line[LINES][BEGINNING]; int lines; } Once;

static void say_once(void *to, const char *line)
{
    Once *o = to;
    char beginning[BEGINNING];
    snprintf(beginning, sizeof beginning, "%.*s", (int)strcspn(line, ",:"), line);
    for (int i = 0; i < o->lines; i++) if (!strcmp(o->line[i], beginning)) return;
    if (o->lines == LINES) return;
    memcpy(o->line[o->lines++], beginning, sizeof beginning);
    watch_say(o->watch, "%s", line);
}

static void check_alike(Arena *a, const Sweep *s, const Cell *c)
{
    const Cell *first = s->cell;
    if (c->plan.width != first->plan.width || c->plan.height != first->plan.height || c->plan.frames != first->plan.frames)
        fail(a, "all pictures of a grid are of one size and length, but \"%s\" comes to %s of %dx%d, and \"%s\" to %d of %dx%d", cell_name(a, s, first),
             amount(a, (size_t)first->plan.frames, "frame"), first->plan.width, first->plan.height, cell_name(a, s, c), c->plan.frames, c->plan.width, c->plan.height);
}

typedef struct { Arena *a; Job *job; Watch watch; Plan plan; } Rehearsal;

static void rehearse(void *to)
{
    Rehearsal *r = to;
    r->plan = generate_check(r->a, r->job, &r->watch);
}

static void check_cell(Arena *a, const Sweep *s, Cell *c, const Places *p, const char *out, const Watch *watch)
{
    char why[1024];
    Rehearsal r = { a, &c->request.job, *watch, { 0 } };
    lookup_request(a, p, &c->request);
    place_spare(a, out, c->request.job.init);
    if (attempt(a, rehearse, &r, why)) fail(a, "%s: %s", cell_name(a, s, c), why);
    c->plan = r.plan;
    check_alike(a, s, c);
    c->settings = prompt_settings(a, &c->request);
    for (c->first = 0; strcmp(s->cell[c->first].settings, c->settings); ) c->first++;
}

static void lay_out(Arena *a, Sweep *s)
{
    const Plan *one = &s->cell->plan;
    GridSetup setup = { .frames = one->frames, .width = one->width, .height = one->height };
    for (int k = 0; k < AXES; k++) setup.count[k] = s->axis[k].count, setup.label[k] = s->axis[k].said;
    s->grid = grid_layout(a, &setup);
}

static Plan plan_of_all(const Sweep *s, int *alike)
{
    Plan all = s->cell->plan;
    for (int i = 1; i < s->cells; i++) {
        const Plan *p = &s->cell[i].plan;
        if (p->memory > all.memory) all.memory = p->memory, all.mapped = p->mapped;
        if (s->cell[i].first == i) all.ops += p->ops;
        else ++*alike;
    }
    all.memory += (size_t)s->grid.of.frames * (size_t)s->grid.width * (size_t)s->grid.height * 3;
    return all;
}

void sweep_check(Arena *a, Sweep *s, Request *r, const Places *p, const char *out, const Watch *watch)
{
    int alike = 0;
    Once *once = take(a, 1, sizeof *once);
    once->watch = watch, once->lines = 0;
    Watch quieter = *watch;
    quieter.to = once, quieter.say = say_once, quieter.progress = NULL;
    for (int i = 0; i < s->cells; i++) {
        check_cell(a, s, &s->cell[i], p, out, &quieter);
        if (!i) lay_out(a, s);
    }
    Plan all = plan_of_all(s, &alike);
    watch_say(watch, "grid: %d x %d x %d pictures of %dx%d%s, %dx%d in all", s->axis[0].count, s->axis[1].count, s->axis[2].count, all.width, all.height,
              alike ? format(a, ", %d of them as another one", alike) : "", s->grid.width, s->grid.height);
    plan_say(a, &all, watch);
    r->job.frames = all.frames, r->job.fps = s->cell->request.job.fps;
}

/* ---- finished cells --------------------------------------------------------------------------- */

typedef struct { const char *path, *settings; struct timespec written; } Finished;
typedef struct { Finished *file; size_t count; } Store;

static const char *unfinished(Arena *a, const char *cells) { return format(a, "%s.part", cells); }

static void list_finished(Arena *a, Store *store, const char *folder)
{
    size_t count;
    const char **names = names_in(a, folder, &count);
    Finished *all = take(a, store->count + count, sizeof *all);
    if (store->count) memcpy(all, store->file, store->count * sizeof *all);
    store->file = all;
    for (size_t i = 0; i < count; i++) {
        struct stat s;
        const char *path = format(a, "%s/%s", folder, names[i]), *settings = settings_in(a, path);
        if (settings && !stat(path, &s)) all[store->count++] = (Finished){ path, settings, s.st_mtim };
    }
}

static int later(struct timespec x, struct timespec y) { return x.tv_sec > y.tv_sec || (x.tv_sec == y.tv_sec && x.tv_nsec > y.tv_nsec); }

/* Was it written, or put in its place, later?  A model may be a folder, with folders in it. */
static int newer(Arena *a, const char *path, struct timespec than, int depth)
{
    struct stat s;
    size_t before = mark(a), count = 0;
    if (!path || stat(path, &s)) return 0;
    int any = later(s.st_mtim, than) || later(s.st_ctim, than);
    const char **names = !any && depth && S_ISDIR(s.st_mode) ? names_in(a, path, &count) : NULL;
    for (size_t i = 0; i < count && !any; i++) any = newer(a, format(a, "%s/%s", path, names[i]), than, depth - 1);
    release(a, before);
    return any;
}

/* Is a file that the job reads newer? */
static int outdated(Arena *a, const Job *j, struct timespec written)
{
    const char *const one[] = { j->model, j->vae, j->motion, j->init, j->merges };
    int any = 0;
    for (size_t i = 0; i < sizeof one / sizeof *one; i++) any |= newer(a, one[i], written, 2);
    for (size_t i = 0; i < j->loras; i++) any |= newer(a, j->lora[i].path, written, 0);
    for (size_t i = 0; i < j->embeddings; i++) any |= newer(a, j->embedding[i], written, 0);
    return any;
}

/* the pictures of a finished cell; NULL when there is none, or none that is whole.  *from: its file */
static const unsigned char *find_finished(Arena *a, const Store *store, const Cell *c, const char **from)
{
    for (size_t i = 0; i < store->count; i++) {
        const Finished *f = &store->file[i];
        if (strcmp(f->settings, c->settings) || outdated(a, &c->request.job, f->written)) continue;
        Bytes b = file_map(a, f->path);
        unsigned char *rgb = apng_decode(b.data, b.size, c->plan.frames, c->plan.width, c->plan.height);
        if (!rgb) continue;
        *from = f->path;
        return adopt(a, rgb);
    }
    return NULL;
}

/* folder/x2-y1.png, or with a number behind where another picture has that name */
static const char *free_name(Arena *a, const Sweep *s, const Cell *c, const char *folder)
{
    struct stat there;
    const char *name = "", *path = NULL;
    for (int k = 0; k < AXES; k++) if (s->axis[k].said) name = format(a, "%s%s%c%d", name, *name ? "-" : "", "xyz"[k], c->at[k] + 1);
    for (int n = 1; n == 1 || !lstat(path, &there); n++)
        path = format(a, "%s/%s%s.%s", folder, name, n > 1 ? format(a, "-%d", n) : "", c->plan.frames > 1 ? "apng" : "png");
    return path;
}

static void save_cell(Arena *a, const Sweep *s, const Cell *c, const char *folder, const unsigned char *rgb)
{
    size_t before = mark(a), size;
    const Plan *p = &c->plan;
    unsigned char *png = adopt(a, apng_encode(rgb, p->frames, p->width, p->height, c->request.job.fps, c->settings, &size));
    if (!png) fail(a, "%s: out of memory", folder);
    folder_make(a, folder);
    files_save(a, &(File){ free_name(a, s, c, folder), { png, size } }, 1);
    release(a, before);
}

static int is_cell(const Sweep *s, const char *settings)
{
    int i = 0;
    while (settings && i < s->cells && strcmp(s->cell[i].settings, settings)) i++;
    return settings && i < s->cells;
}

void sweep_done(Arena *a, const Sweep *s, const char *cells)
{
    size_t before = mark(a), count;
    const char *folder = unfinished(a, cells), **names = names_in(a, folder, &count);
    for (size_t i = 0; i < count; i++) {
        const char *path = format(a, "%s/%s", folder, names[i]), *dot = strrchr(names[i], '.');
        if (dot && (!strcmp(dot, ".part") || is_cell(s, settings_in(a, path)))) unlink(path);
    }
    rmdir(folder);
    release(a, before);
}

/* ---- drawing ---------------------------------------------------------------------------------- */

typedef struct {
    Arena       *a;
    Sweep       *s;
    const char  *folder;                 /* where those that are drawn go */
    int          keep;                   /* those that were found elsewhere go there too */
    const char  *command;                /* that goes on where this one is stopped */
    const Watch *watch;
    Store        store;
    int          done, of, base, drawn;  /* cells; passes of all, and of those that are done */
    Cell        *cell;                   /* under way */
} Sweeping;

/* steps of this cell as steps of all */
static void count_passes(void *to, const char *stage, int done, int of)
{
    Sweeping *w = to;
    if (!strcmp(stage, "frame") || !strcmp(stage, "done")) return;
    if (!strcmp(stage, "hires step")) done += w->cell->plan.passes - of;
    watch_progress(w->watch, "step", w->base + done, w->of);
}

static void show_cell(void *to, Pictures small)
{
    Sweeping *w = to;
    w->watch->preview(w->watch->to, small);
}

static int within(const char *path, const char *folder)
{
    size_t n = strlen(folder);
    return !strncmp(path, folder, n) && path[n] == '/';
}

static void draw_cell(void *to)
{
    Sweeping *w = to;
    Sweep *s = w->s;
    Cell *c = w->cell;
    size_t before = mark(w->a);
    const char *from = NULL;
    const unsigned char *rgb = find_finished(w->a, &w->store, c, &from);
    if (!rgb) {
        Watch watch = *w->watch;
        watch.to = w, watch.say = NULL, watch.progress = count_passes;
        if (watch.preview) watch.preview = show_cell;
        rgb = generate(w->a, &c->request.job, &watch).rgb;
        w->drawn++;
    }
    if (!from || (w->keep && !within(from, w->folder))) save_cell(w->a, s, c, w->folder, rgb);
    for (int i = c->first; i < s->cells; i++)
        if (s->cell[i].first == c->first) grid_paste(&s->grid, s->cell[i].at[0], s->cell[i].at[1], s->cell[i].at[2], rgb);
    release(w->a, before);
}

/* passes that no finished cell saves */
static int passes_to_do(Sweeping *w)
{
    int passes = 0;
    for (int i = 0; i < w->s->cells; i++) {
        size_t before = mark(w->a);
        const Cell *c = &w->s->cell[i];
        const char *from;
        if (c->first == i && !find_finished(w->a, &w->store, c, &from)) passes += c->plan.passes;
        release(w->a, before);
    }
    return passes;
}

static _Noreturn void stopped(Sweeping *w, const char *why)
{
    size_t kept;
    names_in(w->a, w->folder, &kept);
    const char *rest = kept ? format(w->a, "; %zu finished pictures are in %s, and %s goes on from there", kept, w->folder, w->command) : "";
    if (!strcmp(why, "interrupted")) fail(w->a, "interrupted%s", *rest ? rest : "; nothing was written");
    fail(w->a, "%s: %s%s", cell_name(w->a, w->s, w->cell), why, rest);
}

Pictures sweep_draw(Arena *a, Sweep *s, const char *cells, int keep, const char *command, const Watch *watch)
{
    char why[1024];
    Sweeping w = { .a = a, .s = s, .folder = keep ? cells : unfinished(a, cells), .keep = keep, .command = command, .watch = watch };
    list_finished(a, &w.store, cells);
    list_finished(a, &w.store, unfinished(a, cells));
    grid_begin(a, &s->grid);
    w.of = passes_to_do(&w);
    for (int i = 0; i < s->cells; i++) {
        w.cell = &s->cell[i];
        watch_say(watch, "cell %d/%d: %s", i + 1, s->cells, cell_name(a, s, w.cell));
        if (w.cell->first != i) continue;
        int drawn = w.drawn;
        if (attempt(a, draw_cell, &w, why)) stopped(&w, why);
        if (w.drawn > drawn) w.base += w.cell->plan.passes;
    }
    if (w.of) watch_progress(watch, "done", w.of, w.of);
    return (Pictures){ s->grid.of.frames, s->grid.width, s->grid.height, s->grid.rgb };
}
