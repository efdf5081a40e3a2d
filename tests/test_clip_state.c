/* How far a clip is, in a file: what is written is read, and nothing else is gone on from. */
#define _POSIX_C_SOURCE 200809L
#include "chars.h"
#include "clip_state.h"
#include "damage.h"
#include "latents_file.h"
#include "sampler.h"

#include <sys/stat.h>
#include <unistd.h>

enum { CALLS = 5, CLIP = 2, SIDE = 4 };

static const KeyValue job[] = { { "Prompt", "a \"man\"" }, { "Seed", "7" } };
static const KeyValue other[] = { { "Prompt", "a woman" }, { "Seed", "7" } };

static Tensor shape(float *x)
{
    return (Tensor){ .n = CLIP, .h = SIDE, .w = SIDE, .c = 4, .x = x };
}

static ClipBounds bounds(void)
{
    ClipBounds b = { 0 };
    b.most[FIRST_PASS] = (ClipPosition){ .done = CALLS, .latents = shape(NULL), .buffers = 2 };
    b.most[FRAMES] = (ClipPosition){ .stage = FRAMES, .done = CLIP, .latents = shape(NULL), .width = 32, .height = 8 };
    return b;
}

static float noise[3 * CLIP * SIDE * SIDE * 4];
static unsigned char pixels[CLIP * 32 * 8 * 3];

static ClipPosition position(uint32_t done)
{
    ClipPosition p = { .done = done, .draws = 3, .latents = shape(noise), .memory = noise + CLIP * SIDE * SIDE * 4 };
    p.buffers = 2;
    rng_seed(&p.rng, 7);
    return p;
}

static ClipState state(Arena *a, const char *folder)
{
    return (ClipState){ .target = format(a, "%s/x.gif", folder) };
}

static void find(Arena *a, ClipState *s, const KeyValue *identity)
{
    ClipBounds b = bounds();
    clip_state_find(a, s, identity, 2, &b);
}

static void read_back(Arena *a, const char *folder)
{
    ClipState s = state(a, folder);
    ClipPosition p = position(4);
    find(a, &s, job);
    CHECK(!s.is_found && s.number == 1);
    CHECK(clip_state_save(a, &s, job, 2, &p));
    s.number = 0;
    find(a, &s, job);
    CHECK(s.is_found && s.number == 1 && s.from.done == 4 && s.from.draws == 3 && s.from.rng.next == p.rng.next);
    CHECK(!memcmp(&s.from.rng, &p.rng, sizeof p.rng));
    CHECK(!memcmp(s.from.latents.x, noise, size(p.latents) * sizeof *noise));
    CHECK(!memcmp(s.from.memory, p.memory, 2 * size(p.latents) * sizeof *noise));
    p = (ClipPosition){ .stage = FRAMES, .done = 1, .latents = shape(noise), .rgb = pixels, .width = 32, .height = 8 };
    CHECK(clip_state_save(a, &s, job, 2, &p));
    s.number = 0;
    find(a, &s, job);
    CHECK(s.is_found && s.from.stage == FRAMES && s.from.done == 1 && !memcmp(s.from.rgb, pixels, 32 * 8 * 3));
}

/* Another job's, and a file that is something else, stay; the next number is taken. */
static void others_stay(Arena *a, const char *folder)
{
    ClipState s = state(a, folder);
    ClipPosition p = position(1);
    find(a, &s, other);
    CHECK(!s.is_found && s.number == 2);
    CHECK(clip_state_save(a, &s, other, 2, &p));
    s.number = 0;
    find(a, &s, job);
    CHECK(s.is_found && s.number == 1 && s.from.stage == FRAMES);
    mkdir(format(a, "%s/x.gif-3.state", folder), 0777);
    s.number = 0;
    find(a, &s, (KeyValue[]){ { "Prompt", "" }, { "Seed", "8" } });
    CHECK(!s.is_found && s.number == 4);
    rmdir(format(a, "%s/x.gif-3.state", folder));
    s = state(a, folder);
    find(a, &s, other);
    clip_state_done(a, &s);
    CHECK(!file_is(format(a, "%s/x.gif-2.state", folder)));
}

/* Two jobs with one target that began when neither had a state: each keeps its own, and removes no other. */
static void at_once(Arena *a, const char *folder)
{
    ClipState one = state(a, folder);
    ClipState two = state(a, folder);
    ClipPosition p = position(2);
    const char *first = format(a, "%s/x.gif.state", folder);
    const char *second = format(a, "%s/x.gif-2.state", folder);
    unlink(first);
    find(a, &one, job);
    find(a, &two, other);
    CHECK(one.number == 1 && two.number == 1);
    CHECK(clip_state_save(a, &one, job, 2, &p));
    CHECK(clip_state_save(a, &two, other, 2, &p));
    CHECK(clip_state_save(a, &one, job, 2, &p));
    CHECK(clip_state_save(a, &two, other, 2, &p));
    CHECK(one.number == 1 && two.number == 2 && file_is(first) && file_is(second));
    clip_state_done(a, &one);
    CHECK(!file_is(first) && file_is(second));
    CHECK(!rename(second, first));
    clip_state_done(a, &two);
    CHECK(file_is(first));
    one.number = 0;
    find(a, &one, other);
    CHECK(one.is_found);
    clip_state_done(a, &one);
    CHECK(!file_is(first));
}

/* Files whose digest is right, but whose numbers are not those of the job. */
static void refused(Arena *a, const char *folder, ClipPosition p, const char *what)
{
    ClipState s = state(a, folder);
    s.number = 1;
    unlink(format(a, "%s/x.gif.state", folder));
    CHECK(clip_state_save(a, &s, job, 2, &p) && s.number == 1);
    s.number = 0;
    find(a, &s, job);
    CHECK_MSG(!s.is_found && s.number == 2, "%s is gone on from", what);
    CHECK(file_is(format(a, "%s/x.gif.state", folder)));
}

static void forged(Arena *a, const char *folder)
{
    ClipPosition p = position(CALLS + 1);
    refused(a, folder, p, "a call that is not there");
    p = position(1), p.rng.next = 625;
    refused(a, folder, p, "a random number behind the last");
    p = position(1), p.rng.next = -1;
    refused(a, folder, p, "a random number before the first");
    p = position(1), p.stage = (ClipStage)7;
    refused(a, folder, p, "a stage that is not there");
    p = position(1), p.stage = SECOND_PASS;
    refused(a, folder, p, "a pass that the job does not have");
    p = position(1), p.buffers = 1;
    refused(a, folder, p, "another sampler's memory");
    p = position(1), p.latents.n = 1, p.latents.h = 2 * SIDE;
    refused(a, folder, p, "latents of another shape");
    p = (ClipPosition){ .stage = FRAMES, .done = 1, .latents = shape(noise), .rgb = pixels, .width = 8, .height = 32 };
    refused(a, folder, p, "frames of another shape");
}

static void seeds(Arena *a, const char *folder)
{
    uint64_t seed;
    ClipState s = state(a, folder);
    s.asked = "a man\nSteps: 5";
    unlink(format(a, "%s/x.gif.state", folder));
    CHECK(!clip_state_drawn_seed(a, &s, &seed));
    KeyValue note = { "picture 1", "1 of it" };
    clip_state_save_begun(a, &s, 4294967295u, &note, 1);
    CHECK(!strcmp(file_metadata(clip_state_asked(a, &s), "picture 1"), "1 of it"));
    CHECK(clip_state_drawn_seed(a, &s, &seed) && seed == 4294967295u);
    s.asked = "a man\nSteps: 6";
    CHECK(!clip_state_drawn_seed(a, &s, &seed));
    unlink(format(a, "%s/x.gif.state", folder));
}

static Bytes whole;
static size_t damaged_accepted;

static const WeightFile *read_counted(Arena *a, const char *path, Bytes file)
{
    const WeightFile *f = clip_state_read(a, path, file);
    if (file.size != whole.size || memcmp(file.data, whole.data, whole.size)) damaged_accepted++;
    return f;
}

/* A header that is shorter than it says, or longer. */
static size_t mutate(uint64_t *random, Bytes file, unsigned char *out)
{
    memcpy(out, file.data, file.size);
    size_t at = below(random, file.size - 8);
    put_little(out + at, edge(random, get_little(file.data + at, 8)), 8);
    return file.size;
}

static void damaged(Arena *a, const char *folder)
{
    ClipState s = state(a, folder);
    ClipPosition p = position(1);
    s.number = 1;
    s.asked = "a man";
    clip_state_save(a, &s, job, 2, &p);
    whole = file_map(a, clip_state_path(a, &s));
    damage(a, read_counted, whole, "a state");
    mutations(a, read_counted, whole, mutate, "a state");
    CHECK_MSG(!damaged_accepted, "%zu damaged states are accepted", damaged_accepted);
    unlink(clip_state_path(a, &s));
}

/* ---- the final latents ---- */

static const WeightFile *read_latents(Arena *a, const char *path, Bytes file)
{
    Latents l;
    if (!latents_read(a, path, file, &l)) fail(a, "no latents");
    return safetensors_read(a, path, file);
}

static void latents(Arena *a, const char *folder)
{
    Latents l = { .x = shape(noise), .parameters = "a man\nSteps: 5" };
    Latents again;
    const char *path = format(a, "%s/x.safetensors", folder);
    latents_save(a, path, &l);
    Bytes file = file_map(a, path);
    CHECK(latents_read(a, path, file, &again));
    CHECK(again.x.n == CLIP && again.width == 8 * SIDE && again.height == 8 * SIDE);
    CHECK(!memcmp(again.x.x, noise, size(l.x) * sizeof *noise) && !strcmp(again.parameters, l.parameters));
    const Weight *w = file_weight(safetensors_read(a, path, file), "latent_tensor");
    CHECK(w->rank == 4 && w->shape[1] == 4);
    float second_channel = dtype_value(w->data, w->type, SIDE * SIDE);
    CHECK(second_channel == noise[1]);
    damage(a, read_latents, file, "latents");
    unlink(path);
}

int main(void)
{
    Arena *a = arena_new();
    char folder[] = "/tmp/persona-XXXXXX";
    for (size_t i = 0; i < sizeof noise / sizeof *noise; i++) noise[i] = (float)i / 7;
    for (size_t i = 0; i < sizeof pixels; i++) pixels[i] = (unsigned char)(i * 7);
    if (!mkdtemp(folder)) return 1;
    read_back(a, folder);
    others_stay(a, folder);
    at_once(a, folder);
    forged(a, folder);
    seeds(a, folder);
    damaged(a, folder);
    latents(a, folder);
    CHECK(!rmdir(folder));
    arena_free(a);
    return done();
}
