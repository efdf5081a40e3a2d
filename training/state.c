/* state.c - a job of learning in a file, to be gone on with.
 *
 *     parameters                         F32 [count]          what learns, laid out as in memory
 *     mean, square                       F32 [floats]         AdamW's moments, in floats
 *     mean.codes, square.codes           U8  [codes]          and in 8 bits, with
 *     mean.largest, square.largest       F32 [blocks]         the largest of each block
 *     course                             U32 [n]              the random generator, the steps done, the order of the pictures
 *     loss                               F32 [steps]          of each step of the job, as far as it is done
 *     metadata                                                all that the job depends on: model, options, each picture
 *
 * Whatever else a step needs follows from these and from what the metadata name, so a job that goes on makes the bytes of
 * one that was never interrupted.  It goes on only where all of the metadata hold; the first that does not is named.  How many steps there
 * are to be is not among them: who finds too little learned asks for more.
 *
 * The file is hostile until checked: sizes before anything is copied, and every index of the course before it is used. */
#include "state.h"

#include "chars.h"

#include <string.h>

static const char MARK[] = "persona training state", VERSION[] = "4";

size_t course_bytes(size_t repeated) { return sizeof(Course) + repeated * sizeof(uint32_t); }

enum { TENSORS = 9 };

/* the file's tensors, count: of each one's elements; data point into the learner and the course */
static void lay_out(const State *s, Course *course, size_t count[TENSORS], Weight w[TENSORS])
{
    const Learner *l = s->learner;
    const Moments *m = &l->moments;
    const struct { const char *name; void *data; DType type; size_t count; } all[TENSORS] = {
        { "parameters", l->x, F32, l->count },
        { "mean", m->mean.value, F32, m->floats },          { "square", m->square.value, F32, m->floats },
        { "mean.codes", m->mean.code, U8, m->codes },       { "square.codes", m->square.code, U8, m->codes },
        { "mean.largest", m->mean.most, F32, m->blocks },   { "square.largest", m->square.most, F32, m->blocks },
        { "loss", s->loss, F32, s->steps },
        { "course", course, U32, course_bytes(s->repeated) / sizeof(uint32_t) },
    };
    for (size_t i = 0; i < TENSORS; i++) {
        count[i] = all[i].count;
        w[i] = (Weight){ all[i].name, all[i].data, all[i].type, 1, &count[i], count[i] * (all[i].type == U8 ? 1 : sizeof(float)) };
    }
}

double state_bytes(const State *s)
{
    size_t count[TENSORS];
    Weight w[TENSORS];
    double bytes = 0;
    lay_out(s, s->course, count, w);
    for (size_t i = 0; i < TENSORS; i++) bytes += (double)w[i].bytes;
    for (size_t i = 0; i < s->pairs; i++) bytes += (double)(strlen(s->said[i].key) + strlen(s->said[i].value));
    return bytes;
}

void state_save(Arena *a, const State *s, const Course *course, const char *path)
{
    size_t before = mark(a), count[TENSORS];
    Weight w[TENSORS];
    Pair *metadata = take(a, s->pairs + 1, sizeof *metadata);
    metadata[0] = (Pair){ MARK, VERSION };
    memcpy(metadata + 1, s->said, s->pairs * sizeof *metadata);
    lay_out(s, (Course *)(uintptr_t)course, count, w);
    safetensors_save(a, path, w, TENSORS, metadata, s->pairs + 1);
    release(a, before);
}

const WeightFile *state_open(Arena *a, const char *path)
{
    const WeightFile *f = safetensors_open(a, path);
    const char *version = file_metadata(f, MARK);
    if (!version) fail(a, "%s: no state of training, expected a file that persona train saved to be resumed from", path);
    if (strcmp(version, VERSION)) fail(a, "%s: a state of version %s, expected %s: it was saved by another persona", path, version, VERSION);
    return f;
}

uint64_t state_seed(Arena *a, const WeightFile *f)
{
    const char *text = file_metadata(f, "seed");
    uint64_t seed;
    if (!text || !read_whole(text, &seed)) fail(a, "%s: its seed is no number", f->path);
    return seed;
}

int state_said(Arena *a, const WeightFile *f, StateSaid *s)
{
    const Weight *course = file_weight(f, "course"), *loss = file_weight(f, "loss");
    if (!file_metadata(f, MARK) || !course || course->type != U32 || course->bytes < sizeof(Course) || !loss || loss->type != F32) return 0;
    *s = (StateSaid){ .steps = loss->bytes / sizeof(float) };
    memcpy(&s->step, (const char *)course->data + offsetof(Course, step), sizeof s->step);
    for (size_t i = 0; i < f->pairs; i++) s->pictures += !strncmp(f->metadata[i].key, "picture ", strlen("picture "));
    if (s->step > s->steps) return 0;
    s->loss = loss->bytes ? memcpy(take(a, loss->bytes, 1), loss->data, loss->bytes) : NULL;
    return 1;
}

void state_match(Arena *a, const WeightFile *f, const Pair *said, size_t pairs)
{
    for (size_t i = 0; i < pairs; i++) {
        const char *was = file_metadata(f, said[i].key);
        if (was && !strcmp(was, said[i].value)) continue;
        fail(a, "%s: cannot be resumed, for %s differs: %s now, %s when it was saved; give what was given then, or begin anew without --resume", f->path, said[i].key,
             *said[i].value ? said[i].value : "none", was && *was ? was : "none");
    }
    if (f->pairs != pairs + 1) fail(a, "%s: cannot be resumed: it depends on %zu things, of which %zu are known here", f->path, f->pairs - 1, pairs);
}

static void check_course(Arena *a, const WeightFile *f, const State *s, const Course *c, size_t steps)
{
    int wrong = c->rng.next < 0 || c->rng.next > 624 || c->step > steps || c->taken > c->step || c->next > s->repeated;
    for (size_t i = 0; i < s->repeated; i++) wrong |= c->order[i] >= s->pictures;
    if (wrong) fail(a, "%s: damaged: its course points outside the job", f->path);
    if (c->step > s->steps) fail(a, "%s: %u steps are done, and %zu are asked for now; ask for more", f->path, c->step, s->steps);
}

size_t state_load(Arena *a, const WeightFile *f, State *s)
{
    size_t before = mark(a), steps = 0, count[TENSORS];
    Weight w[TENSORS];
    Course *course = take(a, course_bytes(s->repeated), 1);
    lay_out(s, course, count, w);
    for (size_t i = 0; i < TENSORS; i++) {
        const Weight *in = file_weight(f, w[i].name);
        int loss = w[i].data == s->loss;
        if (!in || in->type != w[i].type || (in->bytes != w[i].bytes && !loss))
            fail(a, "%s: damaged: expected %s of %zu elements of %s", f->path, w[i].name, count[i], dtype_name(w[i].type));
        size_t bytes = in->bytes < w[i].bytes ? in->bytes : w[i].bytes;
        if (bytes) memcpy((void *)(uintptr_t)w[i].data, in->data, bytes);
        if (loss) steps = in->bytes / sizeof *s->loss;
    }
    check_course(a, f, s, course, steps);
    memcpy(s->course, course, course_bytes(s->repeated));
    release(a, before);
    return steps;
}
