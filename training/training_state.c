/* training_state.c - a training job in a file, to be resumed.
 *
 *     parameters                         F32 [count]          all trainable parameters, laid out as in memory
 *     mean, square, ...                  F32, U8 or F64       the arrays of the optimizer's state (optimizer.c)
 *     loss                               F32 [steps]          of each step of the job, as far as it is done
 *     course                             U32 [n]              TrainingProgress
 *     validation                         F64 [n,5]            what was measured on held-out pictures; not without them
 *     metadata                                                all that the job depends on: model, options, each picture
 *
 * Whatever else a step needs follows from these and from what the metadata name, so a job that is resumed makes the
 * bytes of one that was never interrupted.  It can be resumed only where all of the metadata are the same; the
 * message names the first that is not.  The number of steps is not among them, so a job can be resumed with more steps.
 *
 * The file is not trusted: sizes are checked before anything is copied, and every index of the progress before it is
 * used. */
#include "training_state.h"

#include "chars.h"

#include <string.h>

static const char MARK[] = "persona training state", VERSION[] = "5", VALIDATION[] = "validation";

size_t progress_bytes(size_t repeated) { return sizeof(TrainingProgress) + repeated * sizeof(uint32_t); }

/* ---- the layout -------------------------------------------------------------------------------- */

enum { TENSORS = STATE_ARRAYS + 4 };

/* The tensors of a file.  The arrays that they point to are the caller's. */
typedef struct {
    Weight tensor[TENSORS];
    size_t count[TENSORS];               /* elements of each, which are its shape */
    int    tensors;
} Layout;

static size_t bytes_of(DType type)
{
    if (type == U8) return 1;
    return type == F64 ? sizeof(double) : sizeof(float);
}

static void add_tensor(Layout *l, const char *name, void *data, DType type, size_t count)
{
    size_t *shape = &l->count[l->tensors];
    *shape = count;
    l->tensor[l->tensors++] = (Weight){ .name = name, .data = data, .type = type, .rank = 1, .shape = shape,
                                        .bytes = count * bytes_of(type) };
}

static void lay_out(Layout *l, const TrainingState *s, TrainingProgress *progress)
{
    const Optimizer *o = s->optimizer;
    l->tensors = 0;
    add_tensor(l, "parameters", s->trainable->x, F32, s->trainable->count);
    for (int i = 0; i < o->arrays; i++)
        add_tensor(l, o->array[i].name, o->array[i].data, o->array[i].type, o->array[i].count);
    add_tensor(l, "loss", s->loss, F32, s->steps);
    add_tensor(l, "course", progress, U32, progress_bytes(s->repeated) / sizeof(uint32_t));
}

double training_state_bytes(const TrainingState *s)
{
    Layout l;
    double bytes = 0;
    lay_out(&l, s, s->progress);
    for (int i = 0; i < l.tensors; i++) bytes += (double)l.tensor[i].bytes;
    if (s->validation) bytes += (double)(s->validation->most * sizeof(Measurement));
    for (size_t i = 0; i < s->entries; i++)
        bytes += (double)(strlen(s->identity[i].key) + strlen(s->identity[i].value));
    return bytes;
}

/* ---- writing ----------------------------------------------------------------------------------- */

void training_state_save(Arena *a, const TrainingState *s, const TrainingProgress *progress, const char *path)
{
    size_t before = mark(a);
    Layout l;
    KeyValue *metadata = allocate(a, s->entries + 1, sizeof *metadata);
    metadata[0] = (KeyValue){ MARK, VERSION };
    memcpy(metadata + 1, s->identity, s->entries * sizeof *metadata);
    lay_out(&l, s, (TrainingProgress *)(uintptr_t)progress);      /* it is only read here */
    if (s->validation && s->validation->count)
        add_tensor(&l, VALIDATION, s->validation->at, F64, s->validation->count * sizeof(Measurement) / sizeof(double));
    safetensors_save(a, path, l.tensor, (size_t)l.tensors, metadata, s->entries + 1);
    release(a, before);
}

/* ---- what a file says of itself ---------------------------------------------------------------- */

const WeightFile *training_state_open(Arena *a, const char *path)
{
    const WeightFile *f = safetensors_open(a, path);
    const char *version = file_metadata(f, MARK);
    if (!version)
        fail(a, "%s: no state of training, expected a file that persona train saved to be resumed from", path);
    if (strcmp(version, VERSION))
        fail(a, "%s: a state of version %s, expected %s: it was saved by another persona", path, version, VERSION);
    return f;
}

uint64_t training_state_seed(Arena *a, const WeightFile *f)
{
    const char *text = file_metadata(f, "seed");
    uint64_t seed;
    if (!text || !read_whole(text, &seed)) fail(a, "%s: its seed is no number", f->path);
    return seed;
}

static size_t count_pictures(const WeightFile *f)
{
    size_t n = 0;
    for (size_t i = 0; i < f->pairs; i++)
        if (!strncmp(f->metadata[i].key, "picture ", strlen("picture "))) n++;
    return n;
}

int training_state_info(Arena *a, const WeightFile *f, TrainingStateInfo *info)
{
    const Weight *progress = file_weight(f, "course");
    const Weight *loss = file_weight(f, "loss");
    if (!file_metadata(f, MARK)) return 0;
    if (!progress || progress->type != U32 || progress->bytes < sizeof(TrainingProgress)) return 0;
    if (!loss || loss->type != F32) return 0;
    *info = (TrainingStateInfo){ .steps = loss->bytes / sizeof(float), .pictures = count_pictures(f) };
    memcpy(&info->step, (const char *)progress->data + offsetof(TrainingProgress, step), sizeof info->step);
    if (info->step > info->steps) return 0;
    if (loss->bytes) info->loss = memcpy(allocate(a, loss->bytes, 1), loss->data, loss->bytes);
    return 1;
}

static const char *or_none(const char *text) { return text && *text ? text : "none"; }

void training_state_match(Arena *a, const WeightFile *f, const KeyValue *identity, size_t entries)
{
    for (size_t i = 0; i < entries; i++) {
        const KeyValue *now = &identity[i];
        const char *was = file_metadata(f, now->key);
        if (was && !strcmp(was, now->value)) continue;
        fail(a, "%s: cannot be resumed, for %s differs: %s now, %s when it was saved; give what was given then, "
                "or begin anew without --resume", f->path, now->key, or_none(now->value), or_none(was));
    }
    if (f->pairs != entries + 1)
        fail(a, "%s: cannot be resumed: it depends on %zu things, of which %zu are known here", f->path, f->pairs - 1,
             entries);
}

/* ---- reading ----------------------------------------------------------------------------------- */

static int is_sound(const TrainingState *s, const TrainingProgress *p, size_t steps)
{
    if (p->rng.next < 0 || p->rng.next > 624) return 0;
    if (p->step > steps || p->taken > p->step || p->next > s->repeated) return 0;
    for (size_t i = 0; i < s->repeated; i++)
        if (p->order[i] >= s->pictures) return 0;
    return 1;
}

static void check_progress(Arena *a, const WeightFile *f, const TrainingState *s, const TrainingProgress *p,
                           size_t steps)
{
    if (!is_sound(s, p, steps)) fail(a, "%s: damaged: its course points outside the job", f->path);
    if (p->step > s->steps)
        fail(a, "%s: %u steps are done, and %zu are asked for now; ask for more", f->path, p->step, s->steps);
}

/* Finds a tensor in the file, checked.  any_length: it may have more elements, or fewer. */
static const Weight *tensor_of(Arena *a, const WeightFile *f, const Weight *expected, int any_length)
{
    const Weight *w = file_weight(f, expected->name);
    if (!w || w->type != expected->type || (w->bytes != expected->bytes && !any_length))
        fail(a, "%s: damaged: expected %s of %zu elements of %s", f->path, expected->name, *expected->shape,
             dtype_name(expected->type));
    return w;
}

/* Copies what is mapped, piece by piece, and gives the memory of each back: else the state would be there twice. */
static void copy_mapped(Arena *a, void *to, const void *from, size_t bytes)
{
    enum { PIECE = 1 << 24 };
    for (size_t at = 0; at < bytes; at += PIECE) {
        size_t n = bytes - at < PIECE ? bytes - at : PIECE;
        memcpy((char *)to + at, (const char *)from + at, n);
        files_trim(a);
    }
}

/* What was measured on held-out pictures.  A state from before there was such a thing has none of it. */
static void load_validation(Arena *a, const WeightFile *f, const TrainingState *s, uint32_t step)
{
    Validation *v = s->validation;
    const Weight *w = file_weight(f, VALIDATION);
    if (!v || !w) return;
    size_t n = w->bytes / sizeof(Measurement);
    if (w->type != F64 || w->bytes % sizeof(Measurement) || n > v->most + step)
        fail(a, "%s: damaged: its measurements of held-out pictures are cut", f->path);
    Measurement *from = memcpy(allocate(a, n, sizeof *from), w->data, w->bytes);
    for (size_t i = 0; i < n; i++) {
        int is_in_order = i ? from[i].step > from[i - 1].step : from[i].step >= 0;
        if (!is_in_order || !(from[i].step <= step))
            fail(a, "%s: damaged: its measurements of held-out pictures are out of order", f->path);
    }
    validation_take(a, v, from, n);
}

size_t training_state_load(Arena *a, const WeightFile *f, TrainingState *s)
{
    size_t before = mark(a);
    size_t steps = 0;
    Layout l;
    TrainingProgress *progress = allocate(a, progress_bytes(s->repeated), 1);
    lay_out(&l, s, progress);
    for (int i = 0; i < l.tensors; i++) {
        const Weight *to = &l.tensor[i];
        int is_loss = to->data == s->loss;      /* the number of steps may be another one now */
        const Weight *from = tensor_of(a, f, to, is_loss);
        size_t bytes = from->bytes < to->bytes ? from->bytes : to->bytes;
        copy_mapped(a, (void *)(uintptr_t)to->data, from->data, bytes);
        if (is_loss) steps = from->bytes / sizeof *s->loss;
    }
    check_progress(a, f, s, progress, steps);
    memcpy(s->progress, progress, progress_bytes(s->repeated));
    release(a, before);
    load_validation(a, f, s, s->progress->step);
    return steps;
}
