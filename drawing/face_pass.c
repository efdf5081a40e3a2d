/* face_pass.c - draws a small face anew at the model's own size, and puts it back.
 *
 *     look       the final latents, noised to 0.1 and denoised again in four calls, which are thrown away: what counts
 *                is where the UNet looks at the word for the face (attention_maps.c)
 *     box        one square for the whole clip, which stands still
 *     draw       that square of each frame, resized to the model's size (Lanczos), encoded, noised by Face pass,
 *                denoised as a clip with the same motion module, LoRAs, seed and guidance, decoded
 *     put back   resized, with a soft edge of an eighth of the square
 *
 * No other model finds the face: where the cross-attention goes is what the model itself thinks of as "face".  A model
 * that says its words and has none for it is asked for the person instead.  Looking anew depends on the final latents
 * alone, so a job that was interrupted comes to the same box.
 *
 * All of this is before the upscaler: the square is one of the picture as it was drawn, which is as large as the model
 * knows it, and the upscaler makes it larger with the rest.  The pictures change only when all frames are drawn. */
#include "face_pass.h"

#include "chars.h"
#include "vae.h"

#include <math.h>
#include <string.h>

enum { LOOK_STEPS = 40, LOOK_LEFT = 4 };

static const float THRESHOLD = 0.5f, MARGIN = 0.3f, FEATHER = 0.125f, FLAT = 1.15f;

/* ---- the box ----------------------------------------------------------------------------------- */

/* What any frame shows: the maximum over the frames, blurred by 1 2 1 in both directions. */
static float *shown_by_any(Arena *a, const float *map, int frames, int h, int w)
{
    size_t pixels = (size_t)h * (size_t)w;
    float *most = allocate(a, pixels, sizeof *most);
    float *blurred = allocate(a, pixels, sizeof *blurred);
    memcpy(most, map, pixels * sizeof *most);
    for (size_t i = pixels; i < pixels * (size_t)frames; i++) most[i % pixels] = fmaxf(most[i % pixels], map[i]);
    for (int y = 0; y < h; y++)
        for (int x = 0; x < w; x++) {
            float sum = 0;
            float weights = 0;
            for (int k = 0; k < 9; k++) {
                int v = y + k / 3 - 1;
                int u = x + k % 3 - 1;
                float weight = (float)((k / 3 == 1 ? 2 : 1) * (k % 3 == 1 ? 2 : 1));
                if (v < 0 || u < 0 || v >= h || u >= w) continue;
                sum += weight * most[v * w + u];
                weights += weight;
            }
            blurred[y * w + x] = sum / weights;
        }
    return blurred;
}

/* A part that hangs together. */
typedef struct { int count, left, top, right, bottom; } Part;

/* The part around pixel `from`, whose pixels are taken out of `is_in`.  todo: [pixels] */
static Part take_part(unsigned char *is_in, int *todo, int from, int h, int w)
{
    Part p = { 0, w, h, -1, -1 };
    int count = 0;
    todo[count++] = from;
    is_in[from] = 0;
    while (count) {
        int at = todo[--count];
        int x = at % w;
        int y = at / w;
        const int near[4] = { x > 0 ? at - 1 : -1, x < w - 1 ? at + 1 : -1, y > 0 ? at - w : -1,
                              y < h - 1 ? at + w : -1 };
        p.count++;
        if (x < p.left) p.left = x;
        if (x > p.right) p.right = x;
        if (y < p.top) p.top = y;
        if (y > p.bottom) p.bottom = y;
        for (int k = 0; k < 4; k++) {
            if (near[k] < 0 || !is_in[near[k]]) continue;
            is_in[near[k]] = 0;
            todo[count++] = near[k];
        }
    }
    return p;
}

/* The largest part above the threshold; its count is 0 when the map is flat. */
static Part largest_part(Arena *a, const float *map, int h, int w)
{
    Part best = { .count = 0 };
    int pixels = h * w;
    float least = INFINITY;
    float most = -INFINITY;
    unsigned char *is_in = allocate(a, (size_t)pixels, 1);
    int *todo = allocate(a, (size_t)pixels, sizeof *todo);
    for (int i = 0; i < pixels; i++) {
        least = fminf(least, map[i]);
        most = fmaxf(most, map[i]);
    }
    if (!(most > 0) || most < FLAT * least) return best;
    for (int i = 0; i < pixels; i++) is_in[i] = map[i] - least > THRESHOLD * (most - least);
    for (int i = 0; i < pixels; i++) {
        if (!is_in[i]) continue;
        Part p = take_part(is_in, todo, i, h, w);
        if (p.count > best.count) best = p;
    }
    return best;
}

static int between(int x, int least, int most)
{
    if (x > most) x = most;
    return x < least ? least : x;
}

FaceBox face_box(Arena *a, const float *map, int frames, int h, int w, int width, int height)
{
    size_t before = mark(a);
    Part p = largest_part(a, shown_by_any(a, map, frames, h, w), h, w);
    release(a, before);
    if (!p.count) return (FaceBox){ 0 };
    float across = (float)(p.right - p.left + 1) * (float)width / (float)w;
    float down = (float)(p.bottom - p.top + 1) * (float)height / (float)h;
    float middle_x = (float)(p.left + p.right + 1) / 2 * (float)width / (float)w;
    float middle_y = (float)(p.top + p.bottom + 1) / 2 * (float)height / (float)h;
    int shorter = width < height ? width : height;
    int side = between((int)lrintf((1 + MARGIN) * fmaxf(across, down)), 8, shorter);
    return (FaceBox){
        .left = between((int)lrintf(middle_x) - side / 2, 0, width - side),
        .top = between((int)lrintf(middle_y) - side / 2, 0, height - side),
        .side = side,
    };
}

/* ---- words ------------------------------------------------------------------------------------- */

/* A model that says which words it knows draws portraits alone: no other word tells the face from the rest, as every
 * picture that it learned from has one.  Hair is around it. */
static const char *const FACE_WORDS[] = { "hair", "face", NULL };

static int knows(Arena *a, const ModelSpec *m, const char *word)
{
    if (!m->words) return !strcmp(word, "face");
    return strstr(format(a, " %s ", m->words), format(a, " %s ", word)) != NULL;
}

static const TokenizedPrompts *tokenize_prompt(Work *w, const char *prompt, double cfg, int calls,
                                               const char *const *watched)
{
    const Job *j = w->job;
    const char **lora = allocate(w->mem, j->loras, sizeof *lora);
    for (size_t i = 0; i < j->loras; i++) lora[i] = j->lora[i].path;
    PromptSpecification s = {
        .prompt = prompt, .negative = j->negative, .merges = j->merges, .embedding = j->embedding,
        .embeddings = j->embeddings, .lora = lora, .loras = j->loras, .cfg = cfg, .calls = calls,
        .editing_steps = calls, .clip_skip = j->clip_skip, .frames = j->frames, .watched = watched,
        .watches = watched ? 1 : 0, .faults = w->faults,
    };
    return text_tokenize(w->mem, w->run.weights, &s, NULL, NULL);
}

static void choose_words(void *work)
{
    Work *w = work;
    FacePass *f = &w->face;
    const Job *j = w->job;
    const char *prompt = j->face_prompt ? j->face_prompt : j->prompt;
    const char *const *word = FACE_WORDS;
    while (word[1] && !knows(w->mem, &w->spec, *word)) word++;
    const char *const *watched = word;
    f->drawn = tokenize_prompt(w, prompt, j->cfg, denoise_calls(&f->denoising), NULL);
    f->sought = tokenize_prompt(w, format(w->mem, "%s, %s", *word, prompt ? prompt : ""), 1,
                                denoise_calls(&f->look), watched);
    f->word = *word;
}

/* ---- settings ---------------------------------------------------------------------------------- */

void face_pass_choose(Work *w)
{
    const Job *j = w->job;
    FacePass *f = &w->face;
    if (!(j->face_pass > 0) || !w->has_model || !w->text) return;
    int left = (int)(j->steps * j->face_pass);
    if (j->face_prompt && strstr(j->face_prompt, "<lora:")) {
        job_fault(w, "Face prompt names a LoRA; name it in the prompt or as LoRA: the face has it too");
        return;
    }
    int shorter = w->spec.size.width < w->spec.size.height ? w->spec.size.width : w->spec.size.height;
    f->side = shorter / FACTOR * FACTOR;
    f->denoising = w->denoising;
    f->denoising.img2img = 1;
    f->denoising.moments = (Tensor){ 0 };
    f->denoising.mask = NULL;
    f->denoising.first_weight = NULL;
    f->denoising.stage = "face step";
    f->denoising.on_x0 = NULL;
    f->denoising.on_window = NULL;
    f->look = f->denoising;
    f->look.stage = "look";
    f->look.sampling.steps = LOOK_STEPS;
    f->look.first_step = LOOK_STEPS - LOOK_LEFT;
    f->denoising.sampling.steps = j->steps;
    f->denoising.first_step = j->steps - (left > 0 ? left : 1);
    w->has_face = !job_try(w, choose_words);
    if (!w->has_face) return;
    const char *when = w->upscaling.method == NOT_UPSCALED ? "then" : "before the upscaler";
    callbacks_say(w->callbacks, "%s the face, where it is smaller than %d pixels, drawn anew at %dx%d, strength %g: %s",
                  when, f->side, f->side, f->side, j->face_pass, amount(w->mem, (size_t)(left > 0 ? left : 1), "step"));
}

/* ---- looking ----------------------------------------------------------------------------------- */

static void denoise_copy(Work *w, const Denoising *d, Tensor x, const Conditioning *conditioning)
{
    Progress *progress = w->machine.dry || !w->callbacks ? NULL : w->callbacks->progress;
    denoise(&w->run, d, denoising_begin(&w->run, x), conditioning, progress, w->callbacks ? w->callbacks->to : NULL);
}

static FaceBox look(Work *w, Tensor latents, int width, int height)
{
    FacePass *f = &w->face;
    size_t before = mark(w->mem);
    Tensor x = tensor(&w->run, latents.n, latents.h, latents.w, latents.c);
    if (!w->machine.dry) memcpy(x.x, latents.x, size(x) * sizeof *x.x);
    lines_add(w->mem, &f->maps.words, f->word);
    const Conditioning *conditioning = text_encode(&w->run, f->sought);
    attention_maps_begin(&f->maps, &w->run, &f->look, f->sought, latents.n);
    denoise_copy(w, &f->look, x, conditioning);
    attention_maps_stop(&f->maps, &f->look);
    FaceBox box = { 0 };
    if (!w->machine.dry) {
        int map_height, map_width;
        const float *map = attention_map(w->mem, &f->maps, 0, &map_height, &map_width);
        box = face_box(w->mem, map, latents.n, map_height, map_width, width, height);
    }
    f->maps.words = (Lines){ 0 };
    release(w->mem, before);
    return box;
}

/* ---- drawing ----------------------------------------------------------------------------------- */

/* The square of one frame, at the size that it is drawn at. */
static Picture crop(Work *w, const unsigned char *rgb, int width, FaceBox box, int side)
{
    size_t row = (size_t)box.side * 3;
    Picture p = { box.side, box.side, allocate(w->mem, row, (size_t)box.side) };
    const unsigned char *corner = rgb + ((size_t)box.top * (size_t)width + (size_t)box.left) * 3;
    for (size_t y = 0; y < (size_t)box.side; y++) memcpy(p.rgb + y * row, corner + y * (size_t)width * 3, row);
    return image_resize(w->mem, p, side, side, LANCZOS);
}

/* VAE encode of one frame's square -> its latents, the means */
static void encode_square(Work *w, Tensor to, const unsigned char *rgb, int width, FaceBox box)
{
    size_t before = mark(w->mem);
    int side = w->face.side;
    Tensor x = tensor(&w->run, 1, side, side, 3);
    if (!w->machine.dry) {
        Picture p = crop(w, rgb, width, box, side);
        for (size_t i = 0; i < size(x); i++) x.x[i] = 2 * ((float)p.rgb[i] / 255) - 1;
    }
    Tensor moments = vae_encode(&w->run, x);
    if (!w->machine.dry) vae_means(to, moments);
    release(w->mem, before);
}

static void decode_square(Work *w, Tensor z, unsigned char *rgb)
{
    size_t before = mark(w->mem);
    Tensor picture = vae_decode(&w->run, z);
    for (size_t i = 0; i < size(picture) && !w->machine.dry; i++) {
        float v = fminf(fmaxf(picture.x[i] / 2 + 0.5f, 0), 1);
        rgb[i] = (unsigned char)nearbyintf(255 * v);
    }
    release(w->mem, before);
}

/* 0 at the edge of the square, 1 from an eighth of it on, in between as 3x^2 - 2x^3. */
static float softness(int at, int side)
{
    float from_edge = (float)(at < side - 1 - at ? at : side - 1 - at) + 0.5f;
    float x = fminf(from_edge / (FEATHER * (float)side), 1);
    return x * x * (3 - 2 * x);
}

static void put_back(Work *w, unsigned char *rgb, int width, FaceBox box, Picture drawn)
{
    size_t before = mark(w->mem);
    Picture p = image_resize(w->mem, drawn, box.side, box.side, LANCZOS);
    for (int y = 0; y < box.side; y++)
        for (int x = 0; x < box.side * 3; x++) {
            float share = softness(y, box.side) * softness(x / 3, box.side);
            unsigned char *to = rgb + ((size_t)(box.top + y) * (size_t)width + (size_t)box.left) * 3 + x;
            float mixed = share * (float)p.rgb[y * box.side * 3 + x] + (1 - share) * (float)*to;
            *to = (unsigned char)nearbyintf(mixed);
        }
    release(w->mem, before);
}

/* The frames of x, one after the other. */
static Tensor frame_at(Tensor x, int f)
{
    return (Tensor){ .n = 1, .h = x.h, .w = x.w, .c = x.c, .x = x.x + (size_t)f * size(x) / (size_t)x.n };
}

static void draw_face(Work *w, int frames, unsigned char *rgb, int width, int height, FaceBox box)
{
    int side = w->face.side;
    size_t picture = (size_t)width * (size_t)height * 3;
    size_t square = (size_t)side * (size_t)side * 3;
    int counted = w->machine.dry ? 1 : frames;
    Tensor x = tensor(&w->run, frames, side / FACTOR, side / FACTOR, LATENT);
    unsigned char *drawn = allocate(w->mem, square, (size_t)frames);
    double ops = w->machine.ops;
    for (int f = 0; f < counted; f++) encode_square(w, frame_at(x, f), rgb + (size_t)f * picture, width, box);
    if (w->machine.dry) w->machine.ops += (w->machine.ops - ops) * (frames - 1);
    const Conditioning *conditioning = text_encode(&w->run, w->face.drawn);
    denoise_copy(w, &w->face.denoising, x, conditioning);
    ops = w->machine.ops;
    for (int f = 0; f < counted; f++) {
        if (!w->machine.dry) callbacks_progress(w->callbacks, "face", f, frames);
        decode_square(w, frame_at(x, f), drawn + (size_t)f * square);
    }
    if (w->machine.dry) w->machine.ops += (w->machine.ops - ops) * (frames - 1);
    for (int f = 0; f < frames && !w->machine.dry; f++)
        put_back(w, rgb + (size_t)f * picture, width, box, (Picture){ side, side, drawn + (size_t)f * square });
}

typedef struct { Work *w; Tensor latents; unsigned char *rgb; int width, height; } FaceWork;

static void run_face(void *work)
{
    FaceWork *f = work;
    Work *w = f->w;
    FaceBox box = look(w, f->latents, f->width, f->height);
    int is_found = box.side > 0 || w->machine.dry;
    if (!is_found) {
        callbacks_say(w->callbacks, "Face pass: no face was found, so the picture stays as it was");
        return;
    }
    if (box.side >= w->face.side) {
        callbacks_say(w->callbacks, "Face pass: the face fills %dx%d pixels, and the model draws it at %d: it stays as "
                      "it was", box.side, box.side, w->face.side);
        return;
    }
    if (!w->machine.dry)
        callbacks_say(w->callbacks, "face: %dx%d pixels at %d,%d, found by \"%s\", drawn anew at %dx%d", box.side,
                      box.side, box.left, box.top, w->face.word, w->face.side, w->face.side);
    draw_face(w, f->latents.n, f->rgb, f->width, f->height, box);
}

void face_pass(Work *w, Tensor latents, unsigned char *rgb, int width, int height)
{
    size_t before = mark(w->mem);
    FaceWork f = { w, latents, rgb, width, height };
    job_run_stage(w, run_face, &f);
    release(w->mem, before);
}
