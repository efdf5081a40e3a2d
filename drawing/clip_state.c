/* clip_state.c - how far a drawing job is, in a file beside its result.
 *
 *     course      U32 [629]                 stage, done, draws, and torch's generator
 *     frames      U8 [done,height,width,3]  the frames that are decoded
 *     latents     F32 [frames,h,w,4]        of the pass that is under way, or the final ones
 *     sampler     F32 [buffers,n]           what the sampler keeps between calls of the model
 *     metadata                              all that the job depends on, by name, and a digest of the whole file
 *
 * A job goes on only from a file in which all that it depends on is the same; so it comes to the bytes of a job that
 * was never interrupted.  The state of another job is left alone: the new job's is then "TARGET-2.state".  That is so
 * at every writing, as two jobs may begin at the same time with the same target.
 *
 * A short job writes nothing.  A longer one writes when `every` seconds have passed, and a hundred times as long as the
 * last writing took, so that it costs at most one percent of the time.
 *
 * The file is not trusted: the digest tells damage, and every number and shape is checked against those of the job.  A
 * state that cannot be written is a warning, since the job itself is well. */
#include "clip_state.h"

#include "chars.h"
#include "lines.h"
#include "output.h"
#include "safetensors.h"
#include "system.h"

#include <stdio.h>
#include <string.h>

static const char MARK[] = "persona clip state", VERSION[] = "1", DIGEST[] = "digest";
static const char ASKED[] = "asked", SEED[] = "Seed";

enum { MOST_FILES = 100, TENSORS = 4, COURSE = 4 + 624 };

const char *clip_state_path(Arena *a, const ClipState *s)
{
    if (s->number > 1) return format(a, "%s-%d.state", s->target, s->number);
    return format(a, "%s.state", s->target);
}

/* ---- the layout -------------------------------------------------------------------------------- */

/* The tensors of a file, sorted by name.  Their data are the caller's, but for the course. */
typedef struct {
    Weight   tensor[TENSORS];
    size_t   shape[TENSORS][4];
    int      count;
    uint32_t course[COURSE];
} Layout;

static void add(Layout *l, const char *name, const void *data, DType type, size_t rank, const size_t shape[4])
{
    size_t n = type == U8 ? 1 : sizeof(float);
    for (size_t i = 0; i < rank; i++) n *= shape[i];
    memcpy(l->shape[l->count], shape, sizeof l->shape[l->count]);
    l->tensor[l->count] = (Weight){ .name = name, .data = data, .type = type, .rank = rank,
                                    .shape = l->shape[l->count], .bytes = n };
    l->count++;
}

static void lay_out(Layout *l, const ClipPosition *p)
{
    const Tensor x = p->latents;
    l->count = 0;
    l->course[0] = (uint32_t)p->stage;
    l->course[1] = p->done;
    l->course[2] = p->draws;
    l->course[3] = (uint32_t)p->rng.next;
    memcpy(l->course + 4, p->rng.state, sizeof p->rng.state);
    add(l, "course", l->course, U32, 1, (size_t[4]){ COURSE });
    if (p->stage == FRAMES)
        add(l, "frames", p->rgb, U8, 4, (size_t[4]){ p->done, (size_t)p->height, (size_t)p->width, 3 });
    add(l, "latents", x.x, F32, 4, (size_t[4]){ (size_t)x.n, (size_t)x.h, (size_t)x.w, (size_t)x.c });
    if (p->stage != FRAMES) add(l, "sampler", p->memory, F32, 2, (size_t[4]){ (size_t)p->buffers, size(x) });
}

double clip_state_bytes(const ClipBounds *b)
{
    double most = 0;
    for (ClipStage stage = FIRST_PASS; stage <= FRAMES; stage++) {
        const ClipPosition *p = &b->most[stage];
        double latents = (double)size(p->latents) * sizeof(float) * (1 + p->buffers);
        double frames = stage == FRAMES ? (double)p->done * p->height * p->width * 3 : 0;
        if (latents + frames > most) most = latents + frames;
    }
    return most + 64e3;                              /* the metadata */
}

static uint64_t digest_text(uint64_t h, const char *text)
{
    return digest(h, text, strlen(text));
}

/* Of all tensors, sorted by name, and of all metadata but the digest itself. */
static char *digest_of(Arena *a, const Weight *w, size_t count, const KeyValue *metadata, size_t pairs)
{
    uint64_t h = 0;
    for (size_t i = 0; i < count; i++) {
        h = digest_text(h, w[i].name);
        h = digest_text(h, shape_text(a, &w[i]));
        h = digest_text(h, dtype_name(w[i].type));
        h = digest(h, w[i].data, w[i].bytes);
    }
    for (size_t i = 0; i < pairs; i++) {
        if (!strcmp(metadata[i].key, DIGEST)) continue;
        h = digest_text(h, metadata[i].key);
        h = digest_text(h, metadata[i].value);
    }
    return format(a, "%016llx", (unsigned long long)h);
}

/* ---- reading ----------------------------------------------------------------------------------- */

const WeightFile *clip_state_read(Arena *a, const char *path, Bytes file)
{
    const WeightFile *f = safetensors_read(a, path, file);
    const char *version = file_metadata(f, MARK);
    const char *written = file_metadata(f, DIGEST);
    if (!version) fail(a, "%s: it is no state of a drawing job", path);
    if (strcmp(version, VERSION))
        fail(a, "%s: it is of version %s, expected %s: another persona wrote it", path, version, VERSION);
    if (!written || strcmp(written, digest_of(a, f->weight, f->count, f->metadata, f->pairs)))
        fail(a, "%s: it is damaged: its digest is another", path);
    return f;
}

static int is_like(const Weight *w, const Weight *expected)
{
    if (!w || w->type != expected->type || w->rank != expected->rank || w->bytes != expected->bytes) return 0;
    return !memcmp(w->shape, expected->shape, w->rank * sizeof *w->shape);
}

static const void *data_of(Arena *a, const WeightFile *f, const Layout *l, const char *name)
{
    for (int i = 0; i < l->count; i++) {
        if (strcmp(l->tensor[i].name, name)) continue;
        const Weight *w = file_weight(f, name);
        if (!is_like(w, &l->tensor[i])) fail(a, "%s: its tensor %s is not as this job has it", f->path, name);
        return w->data;
    }
    return NULL;
}

/* The position that a file holds, in *p, whose arrays are those of the file.  Fails when it cannot be one of this
 * job. */
static void read_position(Arena *a, const WeightFile *f, const ClipBounds *bounds, ClipPosition *p)
{
    uint32_t course[COURSE];
    Layout l;
    const Weight *w = file_weight(f, "course");
    if (!w || w->type != U32 || w->bytes != sizeof course) fail(a, "%s: it does not say how far it is", f->path);
    memcpy(course, w->data, sizeof course);
    if (course[0] > FRAMES) fail(a, "%s: its stage is %u, expected 0 to %d", f->path, course[0], FRAMES);
    const ClipPosition *most = &bounds->most[course[0]];
    if (course[1] > most->done) fail(a, "%s: %u are done of %u", f->path, course[1], most->done);
    if (course[3] > 624) fail(a, "%s: its random numbers go on at %u of 624", f->path, course[3]);
    *p = *most;
    p->done = course[1];
    p->draws = course[2];
    p->rng.next = (int)course[3];
    memcpy(p->rng.state, course + 4, sizeof p->rng.state);
    lay_out(&l, p);
    if (f->count != (size_t)l.count) fail(a, "%s: it has %zu tensors, expected %d", f->path, f->count, l.count);
    p->rgb = data_of(a, f, &l, "frames");
    p->latents.x = (float *)(uintptr_t)data_of(a, f, &l, "latents");      /* only read */
    p->memory = data_of(a, f, &l, "sampler");
}

static const WeightFile *open_state(Arena *a, const char *path)
{
    return clip_state_read(a, path, file_map(a, path));
}

/* ---- finding ----------------------------------------------------------------------------------- */

typedef struct {
    Arena            *a;
    const char       *path;
    const ClipBounds *bounds;
    const KeyValue   *identity;
    size_t            entries;
    const WeightFile *file;
    ClipPosition      position;
    const char       *differences;       /* "" when it is this job's */
} Reading;

/* "Steps is 20 there and 25 here, Seed is ..." */
static const char *differences(Reading *r)
{
    const char *text = "";
    for (size_t i = 0; i < r->entries; i++) {
        const KeyValue *here = &r->identity[i];
        const char *there = file_metadata(r->file, here->key);
        if (!there) there = "";
        if (!strcmp(there, here->value)) continue;
        text = format(r->a, "%s%s%s is %s there and %s here", text, *text ? ", " : "", here->key,
                      quoted(r->a, there), quoted(r->a, here->value));
    }
    return text;
}

static void read_state(void *reading)
{
    Reading *r = reading;
    r->file = open_state(r->a, r->path);
    r->differences = differences(r);
    if (!*r->differences) read_position(r->a, r->file, r->bounds, &r->position);
}

/* From now on this file is the job's: it may be replaced and removed. */
static void own(ClipState *s, const WeightFile *f)
{
    snprintf(s->own, sizeof s->own, "%s", file_metadata(f, DIGEST));
    s->is_ours = 1;
}

/* Is the file of this number this job's state?  Says what it is otherwise. */
static int is_own(Arena *a, ClipState *s, Reading *r)
{
    char why[MESSAGE];
    r->path = clip_state_path(a, s);
    if (attempt(a, read_state, r, why)) {
        callbacks_say(s->callbacks, "warning: no job can go on from this: %s; it stays as it is", why);
        return 0;
    }
    if (!*r->differences) return 1;
    callbacks_say(s->callbacks, "%s: is left alone, another job goes on from it: %s", r->path, r->differences);
    return 0;
}

void clip_state_find(Arena *a, ClipState *s, const KeyValue *identity, size_t entries, const ClipBounds *bounds)
{
    Reading r = { .a = a, .bounds = bounds, .identity = identity, .entries = entries };
    s->is_found = 0;
    s->is_ours = 0;
    s->number++;
    file_remove_abandoned(a, s->target);
    for (; s->number < MOST_FILES; s->number++) {
        file_remove_abandoned(a, clip_state_path(a, s));
        if (!system_file_exists(clip_state_path(a, s))) break;
        s->is_ours = is_own(a, s, &r);
        if (s->is_ours) break;
    }
    if (!s->is_ours) return;
    own(s, r.file);
    if (s->is_fresh) {
        callbacks_say(s->callbacks, "%s: is not gone on from; this job begins anew and will replace it", r.path);
        return;
    }
    s->is_found = 1;
    s->file = r.file;
    s->from = r.position;
}

static void open_only(void *reading)
{
    Reading *r = reading;
    r->file = open_state(r->a, r->path);
}

/* The first state for which the same was asked: sets s->number, and returns the file.  NULL: there is none, and the
 * number is the first that is free. */
static const WeightFile *find_asked(Arena *a, ClipState *s)
{
    char why[MESSAGE];
    Reading r = { .a = a };
    for (s->number = 1; s->number < MOST_FILES; s->number++) {
        r.path = clip_state_path(a, s);
        if (!system_file_exists(r.path)) return NULL;
        if (attempt(a, open_only, &r, why)) continue;
        const char *asked = file_metadata(r.file, ASKED);
        if (asked && !strcmp(asked, s->asked)) return r.file;
    }
    return NULL;
}

const WeightFile *clip_state_asked(Arena *a, const ClipState *s)
{
    ClipState looking = *s;
    if (s->is_fresh || !s->asked) return NULL;
    return find_asked(a, &looking);
}

int clip_state_drawn_seed(Arena *a, const ClipState *s, uint64_t *seed)
{
    const WeightFile *f = clip_state_asked(a, s);
    const char *drawn = f ? file_metadata(f, SEED) : NULL;
    return drawn && read_whole(drawn, seed);
}

/* ---- writing ----------------------------------------------------------------------------------- */

/* The digest that a file says it has, unchecked. */
static void read_digest(void *reading)
{
    Reading *r = reading;
    r->file = safetensors_read(r->a, r->path, file_map(r->a, r->path));
}

/* Is the file there still the one that this job read or wrote last?  Another job with the same target may have begun at
 * the same time, when neither had a state yet. */
static int is_still_own(Arena *a, const ClipState *s)
{
    char why[MESSAGE];
    Reading r = { .a = a, .path = clip_state_path(a, s) };
    if (!s->is_ours || attempt(a, read_digest, &r, why)) return 0;
    const char *there = file_metadata(r.file, DIGEST);
    return there && !strcmp(there, s->own);
}

/* The state of another job stays, and this one's gets the next number. */
static void pass_others(Arena *a, ClipState *s)
{
    while (system_file_exists(clip_state_path(a, s)) && !is_still_own(a, s)) s->number++;
}

typedef struct {
    Arena              *a;
    ClipState          *s;
    const KeyValue     *identity;
    size_t              entries;
    const ClipPosition *p;               /* NULL: none is written */
} Writing;

static void write_state(void *writing)
{
    Writing *w = writing;
    enum { OTHERS = 3 };
    Layout *l = allocate(w->a, 1, sizeof *l);
    KeyValue *metadata = allocate(w->a, w->entries + OTHERS, sizeof *metadata);
    size_t pairs = 0;
    metadata[pairs++] = (KeyValue){ MARK, VERSION };
    if (w->s->asked) metadata[pairs++] = (KeyValue){ ASKED, w->s->asked };
    for (size_t i = 0; i < w->entries; i++) metadata[pairs++] = w->identity[i];
    l->count = 0;
    if (w->p) lay_out(l, w->p);
    metadata[pairs] = (KeyValue){ DIGEST, digest_of(w->a, l->tensor, (size_t)l->count, metadata, pairs) };
    pairs++;
    folder_make_again(w->a, folder_of(w->a, w->s->target));
    OutputLock *lock = output_lock(w->a, w->s->target);
    pass_others(w->a, w->s);
    safetensors_save(w->a, clip_state_path(w->a, w->s), l->tensor, (size_t)l->count, metadata, pairs);
    output_unlock(lock);
    snprintf(w->s->own, sizeof w->s->own, "%s", metadata[pairs - 1].value);
}

/* Returns whether it was written. */
static int try_writing(Writing *w, ClipState *s)
{
    char why[MESSAGE];
    size_t before = mark(w->a);
    int is_saved = !attempt(w->a, write_state, w, why);
    if (is_saved) s->is_ours = 1;
    else if (!s->is_warned) callbacks_say(s->callbacks, "warning: how far this job is cannot be kept: %s", why);
    s->is_warned = !is_saved;
    release(w->a, before);
    return is_saved;
}

int clip_state_save(Arena *a, ClipState *s, const KeyValue *identity, size_t entries, const ClipPosition *p)
{
    double began = system_seconds();
    Writing w = { .a = a, .s = s, .identity = identity, .entries = entries, .p = p };
    int is_saved = try_writing(&w, s);
    double now = system_seconds();
    double wait = 100 * (now - began);
    s->next = now + (wait > s->every ? wait : s->every);
    if (s->every <= 0) s->next = 0;
    return is_saved;
}

void clip_state_save_begun(Arena *a, ClipState *s, uint64_t seed, const KeyValue *note, size_t notes)
{
    KeyValue *all = allocate(a, notes + 1, sizeof *all);
    Writing w = { .a = a, .s = s, .identity = all, .entries = notes + 1 };
    all[0] = (KeyValue){ SEED, format(a, "%llu", (unsigned long long)seed) };
    for (size_t i = 0; i < notes; i++) all[i + 1] = note[i];
    if (s->every < 0 || !s->asked) return;
    const WeightFile *f = find_asked(a, s);
    if (f) own(s, f);
    try_writing(&w, s);
}

void clip_state_begin(ClipState *s)
{
    s->begun = system_seconds();
    s->next = s->begun + s->every;
}

int clip_state_due(const ClipState *s)
{
    return s->every >= 0 && system_seconds() >= s->next;
}

int clip_state_worth(const ClipState *s)
{
    return s->every >= 0 && (s->is_ours || system_seconds() >= s->begun + s->every);
}

void clip_state_done(Arena *a, ClipState *s)
{
    if (is_still_own(a, s)) system_file_remove(clip_state_path(a, s));
    s->is_ours = 0;
}
