/* test_golden.c - this program against PyTorch: layer by layer, then the whole picture.
 *
 * Every golden (tests/golden/CASE.safetensors, made by tests/golden.py, which says what is in one) is a job and what
 * PyTorch made of it.  Its weights are built here from their recipes.  While the job runs, the probe compares each
 * layer's output with the samples of the golden, so that a difference is reported where it begins.
 *
 * Run from the repository's root.  Arguments, if any, are the cases to run. */
#define _POSIX_C_SOURCE 200809L
#include "generate.h"
#include "hash_weights.h"
#include "test.h"

#include <dirent.h>
#include <math.h>
#include <stdlib.h>
#include <unistd.h>

/* PyTorch's own float32 is this far from float64 (tests/golden.py prints it for each case), in parts of a layer's root
 * mean square: up to 3e-5 in the first step, and 2e-4 in the decoder, which sees the error of all steps.  Its pictures
 * are off by 1/255 somewhere and 0.001/255 on average.  Two float32 programs may be twice as far apart. */
static const double LAYER_TOLERANCE = 1e-4, DECODER_TOLERANCE = 1e-3, MEAN_TOLERANCE = 0.01;
enum { PICTURE_TOLERANCE = 2, SAMPLES = 16, ROW = SAMPLES + 1, MOST_LORAS = 4, MOST_EMBEDDINGS = 4,
       MOST_LAYERS = 2048 };

typedef struct { const char *name; size_t size; const float *row; int seen; } Layer;
typedef struct { const char *name; size_t size, at; float found, expected; double error; } Difference;

typedef struct {
    Layer      layer[MOST_LAYERS];
    size_t     count, next;              /* next: where the search begins, for layers come in the golden's order */
    Difference worst, worst_decoding;
    size_t     diverged;                 /* layers out of tolerance */
    size_t     unknown_count;           /* outputs of layers that the golden does not have */
    char       unknown[160];            /* the first of them */
} Layers;

typedef struct {                         /* a case */
    const char *folder, *name;
    Arena      *a;
    Job         job;
    LoraUse     lora[MOST_LORAS];
    const char *embedding[MOST_EMBEDDINGS];
    const Weight *picture;
    Layers      layers;
    Pictures    drawn;
} Case;

/* ---- the golden ------------------------------------------------------------------------------- */

/* A recipe's file, built once, in the container that its shell makes, where it has one; a name with a dot is a file
 * itself. */
static const char *weights_file(const Case *c, const char *name)
{
    if (strchr(name, '.')) return name;
    const char *path = format(c->a, "%s/%s.safetensors", c->folder, name);
    const char *shell = format(c->a, "tests/golden/formats/%s.shell", name);
    if (file_is(shell)) {
        hash_shell(c->a, shell, c->folder);
        return format(c->a, "%s/%s.ckpt", c->folder, name);
    }
    if (!file_is(path)) hash_weights(c->a, format(c->a, "tests/golden/%s.weights", name), path);
    return path;
}

static void setting(Case *c, const char *key, char *value)
{
    Job *j = &c->job;
    if      (!strcmp(key, "model"))     j->model = weights_file(c, value);
    else if (!strcmp(key, "motion"))    j->motion = weights_file(c, value);
    else if (!strcmp(key, "steps"))     j->steps = atoi(value);
    else if (!strcmp(key, "cfg"))       j->cfg = atof(value);
    else if (!strcmp(key, "seed"))      j->seed = strtoull(value, NULL, 10);
    else if (!strcmp(key, "width"))     j->width = atoi(value);
    else if (!strcmp(key, "height"))    j->height = atoi(value);
    else if (!strcmp(key, "frames"))    j->frames = atoi(value);
    else if (!strcmp(key, "clip_skip")) j->clip_skip = atoi(value);
    else if (!strcmp(key, "eta"))       j->eta = atof(value);
    else if (!strcmp(key, "sampler"))   j->sampler = value;
    else if (!strcmp(key, "schedule"))  j->schedule = value;
    else if (!strcmp(key, "rng"))       j->rng = value;
    else if (!strcmp(key, "prediction"))     j->prediction = value;
    else if (!strcmp(key, "noise_schedule")) j->noise_schedule = value;
    else if (!strcmp(key, "cfg_rescale"))    j->cfg_rescale = atof(value);
    else if (!strcmp(key, "context"))   j->context = atoi(value);
    else if (!strcmp(key, "overlap"))   j->overlap = atoi(value);
    else if (!strcmp(key, "stride"))    j->stride = atoi(value);
    else if (!strcmp(key, "loop"))      j->loop = value;
    else if (!strcmp(key, "motion_strength")) j->motion_strength = value;
    else if (!strcmp(key, "embedding") && j->embeddings < MOST_EMBEDDINGS) c->embedding[j->embeddings++] = value;
    else if (!strcmp(key, "init"))        j->init = value;
    else if (!strcmp(key, "last"))        j->last = value;
    else if (!strcmp(key, "last_strength"))     j->last_strength = atof(value);
    else if (!strcmp(key, "latent_power"))      j->latent_power = atof(value);
    else if (!strcmp(key, "latent_scale"))      j->latent_scale = atof(value);
    else if (!strcmp(key, "latent_power_last")) j->latent_power_last = atof(value);
    else if (!strcmp(key, "latent_scale_last")) j->latent_scale_last = atof(value);
    else if (!strcmp(key, "mask"))        j->mask = value;
    else if (!strcmp(key, "mask_blur"))   j->mask_blur = atof(value);
    else if (!strcmp(key, "strength"))    j->strength = atof(value);
    else if (!strcmp(key, "hires"))       j->hires = atof(value);
    else if (!strcmp(key, "hires_steps")) j->hires_steps = atoi(value);
    else if (!strcmp(key, "upscaler"))    j->hires_upscaler = value;
    else if (!strcmp(key, "lora") && j->loras < MOST_LORAS) {
        char *strength = strchr(value, ' '), *end;
        if (!strength) fail(c->a, "%s: lora without a strength", c->name);
        *strength++ = 0;
        float text = strtof(strength, &end);
        c->lora[j->loras++] = (LoraUse){ weights_file(c, value), text, *end ? strtof(end, NULL) : text, NULL };
    }
    else fail(c->a, "%s: unknown setting %s", c->name, key);
}

/* The next line of *text, without its newline; NULL at the end.  Cuts the text up. */
static char *line_of(char **text)
{
    char *line = *text, *end = strchr(line, '\n');
    if (!*line) return NULL;
    *text = end ? end + 1 : line + strlen(line);
    if (end) *end = 0;
    return line;
}

static char *metadata(const Case *c, const WeightFile *s, const char *key)
{
    const char *value = file_metadata(s, key);
    return format(c->a, "%s", value ? value : "");
}

static void read_layers(Case *c, const WeightFile *s)
{
    const Weight *w = file_weight(s, "layers");
    char *text = metadata(c, s, "layers"), *line;
    while (w && (line = line_of(&text)) && c->layers.count < MOST_LAYERS) {
        char *space = strchr(line, ' ');
        if (!space || w->type != F32 || c->layers.count >= w->shape[0]) fail(c->a, "%s: bad layers", c->name);
        *space = 0;
        float *row = allocate(c->a, ROW, sizeof *row);
        memcpy(row, (const char *)w->data + c->layers.count * ROW * sizeof *row, ROW * sizeof *row);
        c->layers.layer[c->layers.count++] = (Layer){ line, strtoull(space + 1, NULL, 10), row, 0 };
    }
}

static void read_case(Case *c)
{
    const WeightFile *s = safetensors_open(c->a, format(c->a, "tests/golden/%s.safetensors", c->name));
    char *text = metadata(c, s, "settings"), *line;
    c->job = (Job){ .prompt = metadata(c, s, "prompt"), .negative = metadata(c, s, "negative"),
                    .merges = "weights/merges.txt",
                    .lora = c->lora, .embedding = c->embedding, .frames = 1, .clip_skip = 1, .threads = 1 };
    while ((line = line_of(&text))) {
        char *value = strstr(line, ": ");
        if (!value) fail(c->a, "%s: not a setting: %s", c->name, line);
        *value = 0;
        setting(c, line, value + 2);
    }
    c->picture = file_weight(s, "picture");
    if (!c->picture || c->picture->rank != 4 || c->picture->type != U8) fail(c->a, "%s: no picture", c->name);
    read_layers(c, s);
}

/* ---- comparing -------------------------------------------------------------------------------- */

static Layer *layer_named(Layers *l, const char *name)
{
    for (size_t i = 0; i < l->count; i++) {
        Layer *layer = &l->layer[(l->next + i) % l->count];
        if (strcmp(layer->name, name)) continue;
        l->next = (l->next + i + 1) % l->count;
        return layer;
    }
    return NULL;
}

/* Some stand once in this program and for every row, or both halves, of the batch in PyTorch: the time embedding,
 * and what comes before the first look at the text. */
static const char *const computed_once[] = {
    "unet.conv_in", "unet.down_blocks.0.resnets.0.", "unet.down_blocks.0.attentions.0.norm",
    "unet.down_blocks.0.attentions.0.proj_in",
    "unet.down_blocks.0.attentions.0.transformer_blocks.0.norm1",
    "unet.down_blocks.0.attentions.0.transformer_blocks.0.attn1.",
};

static int same_size(const Layer *layer, size_t found)
{
    if (strstr(layer->name, "time_emb")) return found && layer->size % found == 0;
    for (size_t i = 0; i < sizeof computed_once / sizeof *computed_once; i++)
        if (!strncmp(layer->name, computed_once[i], strlen(computed_once[i])))
            return layer->size == 2 * found || layer->size == found;
    return layer->size == found;
}

static Difference compare(const Layer *layer, Tensor t)
{
    Difference d = { .name = layer->name, .size = size(t) };
    if (!same_size(layer, size(t))) {
        d.error = INFINITY;
        return d;
    }
    for (uint64_t j = 0; j < SAMPLES; j++) {
        size_t at = (size_t)((j * 2654435761u + 12345) % layer->size) % size(t);
        double error = fabs((double)t.x[at] - layer->row[j]) / layer->row[SAMPLES];
        if (!(error <= d.error)) {
            d.error = error;
            d.at = at;
            d.found = t.x[at];
            d.expected = layer->row[j];
        }
    }
    return d;
}

static void report(const Case *c, Difference d)
{
    if (isinf(d.error))
        CHECK_MSG(0, "%s: first diverging layer %s has %zu values, not as many as PyTorch's", c->name, d.name, d.size);
    else
        CHECK_MSG(0,
                  "%s: first diverging layer %s: value %zu of %zu is %g, expected %g (off by %.2g of the layer's rms)",
                  c->name, d.name, d.at, d.size,
                   d.found, d.expected, d.error);
}

/* Called for each output; the first of a name is that of the first step, and of the first frame. */
static void probe(void *to, const char *name, Tensor t)
{
    Case *c = to;
    Layers *l = &c->layers;
    Layer *layer = layer_named(l, name);
    if (!layer && l->count && !l->unknown_count++) snprintf(l->unknown, sizeof l->unknown, "%s", name);
    if (!layer || layer->seen++) return;
    Difference d = compare(layer, t);
    int decoding = !strncmp(name, "vae.", 4);
    Difference *worst = decoding ? &l->worst_decoding : &l->worst;
    if (!(d.error <= (decoding ? DECODER_TOLERANCE : LAYER_TOLERANCE)) && !l->diverged++) report(c, d);
    if (!(d.error <= worst->error)) *worst = d;
}

static void check_layers(const Case *c)
{
    const Layers *l = &c->layers;
    CHECK_MSG(!l->diverged, "%s: %zu of %zu layers differ from PyTorch's", c->name, l->diverged, l->count);
    CHECK_MSG(!l->unknown_count, "%s: %zu outputs of layers that PyTorch's model does not have, first %s", c->name,
              l->unknown_count, l->unknown);
    size_t unseen = 0;
    const char *first = "";
    for (size_t i = 0; i < l->count; i++)
        if (!l->layer[i].seen && !unseen++) first = l->layer[i].name;
    CHECK_MSG(!unseen, "%s: %zu of PyTorch's layers never ran, first %s", c->name, unseen, first);
}

/* the picture may hold every row of the frames, or rows that are all as far apart */
static void check_picture(const Case *c)
{
    const size_t *s = c->picture->shape, count = s[0] * s[1] * s[2] * s[3], row = s[2] * s[3],
        apart = s[1] ? (size_t)c->drawn.height / s[1] : 0;
    int right = (size_t)c->drawn.frames == s[0] && (size_t)c->drawn.height == s[1] * apart
        && (size_t)c->drawn.width == s[2] && s[3] == 3, worst = 0;
    CHECK_MSG(right, "%s: %d pictures of %dx%d, expected %zu of %zux%zu", c->name, c->drawn.frames, c->drawn.width,
              c->drawn.height, s[0], s[2], s[1]);
    if (!right) return;
    double sum = 0;
    for (size_t i = 0; i < count; i++) {
        int d = abs(c->drawn.rgb[i / row * apart * row + i % row] - ((const unsigned char *)c->picture->data)[i]);
        sum += d;
        if (d > worst) worst = d;
    }
    printf("%-11s picture off by %d of %d, mean %.5f of %.2f", c->name, worst, PICTURE_TOLERANCE, sum / (double)count,
           MEAN_TOLERANCE);
    if (c->layers.count)
        printf("; layers %.1e of %.0e (%s), decoding %.1e of %.0e", c->layers.worst.error, LAYER_TOLERANCE,
               c->layers.worst.name,
               c->layers.worst_decoding.error, DECODER_TOLERANCE);
    printf("\n");
    CHECK_MSG(worst <= PICTURE_TOLERANCE, "%s: a pixel is off by %d/255", c->name, worst);
    CHECK_MSG(sum / (double)count <= MEAN_TOLERANCE, "%s: pixels are off by %.4f/255 on average", c->name,
              sum / (double)count);
}

/* ---- running ---------------------------------------------------------------------------------- */

static void run(void *to)
{
    Case *c = to;
    read_case(c);
    c->drawn = generate(c->a, &c->job, &(Callbacks){ .to = c, .probe = probe });
    check_layers(c);
    check_picture(c);
}

static void threads(void *to)
{
    Case *c = to;
    read_case(c);
    unsigned char *one = NULL;
    for (int n = 1; n <= 3; n++) {
        Job job = c->job;
        job.threads = n;
        Pictures p = generate(c->a, &job, NULL);
        if (n == 1) one = p.rgb;
        CHECK_MSG(!memcmp(one, p.rgb, (size_t)p.frames * (size_t)p.width * (size_t)p.height * 3),
                  "%s: %d threads give other bytes than one", c->name, n);
    }
}

static void try(Arena *a, const char *folder, const char *name, void (*what)(void *))
{
    char message[MESSAGE];
    size_t before = mark(a);
    Case *c = calloc(1, sizeof *c);
    if (!c) abort();
    c->folder = folder;
    c->name = name;
    c->a = a;
    CHECK_MSG(!attempt(a, what, c, message), "%s: %s", name, message);
    release(a, before);
    free(c);
    fflush(stdout);
}

static int by_name(const void *a, const void *b) { return strcmp(*(char *const *)a, *(char *const *)b); }

/* The names of all goldens, sorted. */
static size_t goldens(Arena *a, const char **name, size_t most)
{
    size_t n = 0;
    DIR *d = opendir("tests/golden");
    for (struct dirent *e; d && n < most && (e = readdir(d));) {
        const char *dot = strstr(e->d_name, ".safetensors");
        if (dot && !dot[12]) name[n++] = format(a, "%.*s", (int)(dot - e->d_name), e->d_name);
    }
    if (d) closedir(d);
    qsort(name, n, sizeof *name, by_name);
    return n;
}

static void clean(const char *folder)
{
    char path[4096];
    DIR *d = opendir(folder);
    for (struct dirent *e; d && (e = readdir(d));)
        if (*e->d_name != '.' && snprintf(path, sizeof path, "%s/%s", folder, e->d_name) < (int)sizeof path)
            unlink(path);
    if (d) closedir(d);
    rmdir(folder);
}

int main(int argc, char **argv)
{
    enum { MOST = 128 };
    const char *found[MOST], *tmp = getenv("TMPDIR");
    char folder[4096];
    snprintf(folder, sizeof folder, "%s/golden-XXXXXX", tmp && strlen(tmp) < 4000 ? tmp : "/tmp");
    Arena *a = arena_new();
    if (!a || !mkdtemp(folder)) {
        perror(folder);
        return 1;
    }
    size_t n = goldens(a, found, MOST);
    CHECK_MSG(n > 0, "no goldens in tests/golden: run from the repository's root");
    for (size_t i = 0; i < n; i++) {
        int wanted = argc == 1;
        for (int k = 1; k < argc; k++) wanted |= !strcmp(argv[k], found[i]);
        if (wanted) try(a, folder, found[i], run);
    }
    if (argc == 1) {
        try(a, folder, "still_f16", threads);
        try(a, folder, "clip_v3", threads);
        try(a, folder, "lora_mixed", threads);
        try(a, folder, "clip_travel", threads);
    }
    clean(folder);
    arena_free(a);
    return done();
}
