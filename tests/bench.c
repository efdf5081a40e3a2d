/* How fast is it here?  make bench [ROWS="unet clip vae upscaler rrdb train again bf16"]
 *
 * First this machine's own peak: multiply-adds in registers, nothing else.  Then the parts of a full-size job, on
 * random weights of Stable Diffusion 1.5's and mm_sd_v15's shapes, F16, made in memory: seconds (the fastest and the
 * median of some runs), operations a second, and their share of the peak.  Operations are those of the layers
 * as they are written, so a way of computing that needs fewer can pass 100 %. */
#define _POSIX_C_SOURCE 200809L
#include "clip.h"
#include "motion.h"
#include "objective.h"
#include "optimizer.h"
#include "unet.h"
#include "upscaler.h"
#include "vae.h"
#include "vector.h"

#include <math.h>
#include <stdio.h>
#include <stdlib.h>
#include <time.h>

enum { MOST = 4096, MOST_RUNS = 9, SUMS = 2 * MR };

static double now(void)
{
    struct timespec t;
    clock_gettime(CLOCK_MONOTONIC, &t);
    return (double)t.tv_sec + 1e-9 * (double)t.tv_nsec;
}

/* ---- the peak --------------------------------------------------------------------------------- */

static double multiply_adds(size_t rounds)
{
    vf sum[SUMS], x = splat(0.999f), y = splat(1e-3f);
    for (int i = 0; i < SUMS; i++) sum[i] = splat((float)i);
    for (size_t r = 0; r < rounds; r++)
#pragma GCC unroll 28
        for (int i = 0; i < SUMS; i++) sum[i] = sum[i] * x + y;
    for (int i = 1; i < SUMS; i++) sum[0] += sum[i];
    return (double)sum[0][0];
}

static double peak_speed(int threads)
{
    enum { ROUNDS = 20000000 };
    double best = 0, sink = 0;
    for (int run = 0; run < 3; run++) {
        double start = now();
#pragma omp parallel num_threads(threads) reduction(+:sink)
        sink += multiply_adds(ROUNDS);
        double speed = 2.0 * ROUNDS * SUMS * LANES * threads / (now() - start);
        best = speed > best ? speed : best;
    }
    return sink == 12345 ? 0 : best;
}

/* ---- random weights --------------------------------------------------------------------------- */

typedef struct { Arena *mem; Weight w[MOST]; size_t count; uint32_t state; } Made;

static void make(Made *m, const char *name, size_t rank, const size_t *shape, float scale, float offset)
{
    size_t n = 1, *kept = allocate(m->mem, rank, sizeof *kept);
    for (size_t i = 0; i < rank; i++) n *= kept[i] = shape[i];
    uint16_t *data = allocate(m->mem, n, sizeof *data), values[256];
    for (int i = 0; i < 256; i++) values[i] = float_to_half(offset + scale * ((float)i - 127.5f) / 128);
    for (size_t i = 0; i < n; i++) {
        m->state = m->state * 1664525u + 1013904223u;
        data[i] = values[m->state >> 24];
    }
    m->w[m->count++] = (Weight){ format(m->mem, "%s", name), data, F16, rank, kept, 2 * n };
}

static void vectors(Made *m, const char *layer, size_t c, int norm)
{
    if (norm) make(m, format(m->mem, "%s.weight", layer), 1, &c, 0.1f, 1);
    make(m, format(m->mem, "%s.bias", layer), 1, &c, 0.05f, 0);
}

/* side 0: linear */
static void layer(Made *m, const char *name, size_t in, size_t out, size_t side, int biased)
{
    size_t taps = side ? side * side : 1;
    make(m, format(m->mem, "%s.weight", name), side ? 4 : 2, (size_t[]){ out, in, side, side },
         1.7f / sqrtf((float)(in * taps)), 0);
    if (biased) vectors(m, name, out, 0);
}

static void make_resnet(Made *m, const char *p, size_t in, size_t out, size_t time)
{
    vectors(m, format(m->mem, "%s.norm1", p), in, 1);
    layer(m, format(m->mem, "%s.conv1", p), in, out, 3, 1);
    if (time) layer(m, format(m->mem, "%s.time_emb_proj", p), time, out, 0, 1);
    vectors(m, format(m->mem, "%s.norm2", p), out, 1);
    layer(m, format(m->mem, "%s.conv2", p), out, out, 3, 1);
    if (in != out) layer(m, format(m->mem, "%s.conv_shortcut", p), in, out, 1, 1);
}

static void make_attention(Made *m, const char *p, size_t c, size_t context)
{
    layer(m, format(m->mem, "%s.to_q", p), c, c, 0, 0);
    layer(m, format(m->mem, "%s.to_k", p), context, c, 0, 0);
    layer(m, format(m->mem, "%s.to_v", p), context, c, 0, 0);
    layer(m, format(m->mem, "%s.to_out.0", p), c, c, 0, 1);
}

static void make_feed_forward(Made *m, const char *p, size_t c)
{
    layer(m, format(m->mem, "%s.ff.net.0.proj", p), c, 8 * c, 0, 1);
    layer(m, format(m->mem, "%s.ff.net.2", p), 4 * c, c, 0, 1);
}

static void make_transformer(Made *m, const char *p, size_t c)
{
    const char *b = format(m->mem, "%s.transformer_blocks.0", p);
    vectors(m, format(m->mem, "%s.norm", p), c, 1);
    layer(m, format(m->mem, "%s.proj_in", p), c, c, 1, 1);
    for (int i = 1; i <= 3; i++) vectors(m, format(m->mem, "%s.norm%d", b, i), c, 1);
    make_attention(m, format(m->mem, "%s.attn1", b), c, c);
    make_attention(m, format(m->mem, "%s.attn2", b), c, 768);
    make_feed_forward(m, b, c);
    layer(m, format(m->mem, "%s.proj_out", p), c, c, 1, 1);
}

static void make_motion(Made *m, const char *block, int j, size_t c)
{
    const char *p = format(m->mem, "motion.%s.motion_modules.%d.temporal_transformer", block, j);
    const char *b = format(m->mem, "%s.transformer_blocks.0", p);
    vectors(m, format(m->mem, "%s.norm", p), c, 1);
    layer(m, format(m->mem, "%s.proj_in", p), c, c, 0, 1);
    for (int i = 0; i < 2; i++) {
        const char *a = format(m->mem, "%s.attention_blocks.%d", b, i);
        vectors(m, format(m->mem, "%s.norms.%d", b, i), c, 1);
        make_attention(m, a, c, c);
        make(m, format(m->mem, "%s.pos_encoder.pe", a), 3, (size_t[]){ 1, 24, c }, 1, 0);
    }
    vectors(m, format(m->mem, "%s.ff_norm", b), c, 1);
    make_feed_forward(m, b, c);
    layer(m, format(m->mem, "%s.proj_out", p), c, c, 0, 1);
}

static void make_unet(Made *m, int moves)
{
    static const size_t width[] = { 320, 640, 1280, 1280 };
    /* of up block i */
    static const size_t skips[4][3] = { { 1280, 1280, 1280 }, { 1280, 1280, 640 }, { 640, 640, 320 },
                                        { 320, 320, 320 } };
    layer(m, "unet.conv_in", 4, 320, 3, 1);
    layer(m, "unet.time_embedding.linear_1", 320, 1280, 0, 1);
    layer(m, "unet.time_embedding.linear_2", 1280, 1280, 0, 1);
    for (int i = 0; i < 4; i++) {
        const char *d = format(m->mem, "down_blocks.%d", i), *u = format(m->mem, "up_blocks.%d", i);
        size_t out = width[3 - i], in = i ? width[4 - i] : 1280;
        for (int j = 0; j < 3; j++) {
            if (j < 2)
                make_resnet(m, format(m->mem, "unet.%s.resnets.%d", d, j), j ? width[i] : width[i ? i - 1 : 0],
                            width[i], 1280);
            if (j < 2 && i < 3) make_transformer(m, format(m->mem, "unet.%s.attentions.%d", d, j), width[i]);
            if (j < 2 && moves) make_motion(m, d, j, width[i]);
            make_resnet(m, format(m->mem, "unet.%s.resnets.%d", u, j), (j ? out : in) + skips[i][j], out, 1280);
            if (i > 0) make_transformer(m, format(m->mem, "unet.%s.attentions.%d", u, j), out);
            if (moves) make_motion(m, u, j, out);
        }
        if (i < 3) layer(m, format(m->mem, "unet.%s.downsamplers.0.conv", d), width[i], width[i], 3, 1);
        if (i < 3) layer(m, format(m->mem, "unet.%s.upsamplers.0.conv", u), out, out, 3, 1);
    }
    make_resnet(m, "unet.mid_block.resnets.0", 1280, 1280, 1280);
    make_transformer(m, "unet.mid_block.attentions.0", 1280);
    make_resnet(m, "unet.mid_block.resnets.1", 1280, 1280, 1280);
    vectors(m, "unet.conv_norm_out", 320, 1);
    layer(m, "unet.conv_out", 320, 4, 3, 1);
}

static void make_text_encoder(Made *m)
{
    enum { WIDTH = 768, LAYERS = 12 };
    make(m, "te.text_model.embeddings.token_embedding.weight", 2, (size_t[]){ 49408, WIDTH }, 0.05f, 0);
    make(m, "te.text_model.embeddings.position_embedding.weight", 2, (size_t[]){ 77, WIDTH }, 0.05f, 0);
    for (int i = 0; i < LAYERS; i++) {
        const char *p = format(m->mem, "te.text_model.encoder.layers.%d", i);
        for (int k = 0; k < 4; k++)
            layer(m, format(m->mem, "%s.self_attn.%s_proj", p, (const char *[]){ "q", "k", "v", "out" }[k]), WIDTH,
                  WIDTH, 0, 1);
        layer(m, format(m->mem, "%s.mlp.fc1", p), WIDTH, 4 * WIDTH, 0, 1),
            layer(m, format(m->mem, "%s.mlp.fc2", p), 4 * WIDTH, WIDTH, 0, 1);
        for (int k = 1; k <= 2; k++) vectors(m, format(m->mem, "%s.layer_norm%d", p, k), WIDTH, 1);
    }
    vectors(m, "te.text_model.final_layer_norm", WIDTH, 1);
}

static void make_decoder(Made *m)
{
    static const size_t width[] = { 512, 512, 256, 128 };
    layer(m, "vae.post_quant_conv", 4, 4, 1, 1);
    layer(m, "vae.decoder.conv_in", 4, 512, 3, 1);
    for (int i = 0; i < 2; i++) make_resnet(m, format(m->mem, "vae.decoder.mid_block.resnets.%d", i), 512, 512, 0);
    vectors(m, "vae.decoder.mid_block.attentions.0.group_norm", 512, 1);
    for (int i = 0; i < 4; i++)
        layer(m, format(m->mem, "vae.decoder.mid_block.attentions.0.%s",
                        (const char *[]){ "to_q", "to_k", "to_v", "to_out.0" }[i]), 512, 512, 1, 1);
    for (int i = 0; i < 4; i++) {
        for (int j = 0; j < 3; j++)
            make_resnet(m, format(m->mem, "vae.decoder.up_blocks.%d.resnets.%d", i, j), j
                        || !i ? width[i] : width[i - 1], width[i], 0);
        if (i < 3) layer(m, format(m->mem, "vae.decoder.up_blocks.%d.upsamplers.0.conv", i), width[i], width[i], 3, 1);
    }
    vectors(m, "vae.decoder.conv_norm_out", 128, 1);
    layer(m, "vae.decoder.conv_out", 128, 3, 3, 1);
}

/* ---- the rows --------------------------------------------------------------------------------- */

/* tera: operations as the layers are written, in 10^12; side: of the latent; clip 0: the decoder */
typedef struct { const char *name, *what; double tera; int pictures, clip, side, runs; } Row;
static const Row rows_of_table[] = {
    { "unet", "UNet 512x512, guidance pair",            1.607, 2,  1,  64, 5 },
    { "clip", "16 frames 256x256, mm_sd_v15, pair",     8.084, 32, 16, 32, 2 },
    { "vae",  "VAE decode 512x512",                     2.515, 1,  0,  64, 3 },
};

static int by_size(const void *x, const void *y)
{
    return (*(const double *)x > *(const double *)y) - (*(const double *)x < *(const double *)y);
}

static void run_row(Arena *a, const Row *row, int threads, int bf16, double peak_of_machine)
{
    size_t before = mark(a);
    Made *m = allocate(a, 1, sizeof *m);
    m->mem = a, m->count = 0, m->state = 1;
    if (row->clip) make_unet(m, row->clip > 1);
    else make_decoder(m);
    double seconds[MOST_RUNS];
    Machine machine = { a, threads, 0, 0, bf16 };
    Run r = { .machine = &machine, .weights = weights_of(a, NULL, m->w, m->count), .frames = row->clip,
              .norm_across_frames = row->clip > 1 };
    Tensor x = tensor(&r, row->pictures / (row->clip ? 2 : 1), row->side, row->side, 4),
        text = tensor(&r, 2, 1, 77, 768);
    for (size_t i = 0; i < size(x); i++) x.x[i] = (float)(i * 2654435761u % 2048) / 1024 - 1;
    for (size_t i = 0; i < size(text); i++) text.x[i] = (float)(i * 2246822519u % 2048) / 1024 - 1;
    for (int i = 0; i < row->runs; i++) {
        size_t here = mark(a);
        double start = now();
        if (row->clip) unet(&r, x, 500, text);
        else vae_decode(&r, x);
        seconds[i] = now() - start;
        release(a, here);
    }
    qsort(seconds, (size_t)row->runs, sizeof *seconds, by_size);
    double median = seconds[row->runs / 2];
    printf("%-38s %6.2f TFLOP  %7.2f s fastest, %7.2f s median  %6.0f GFLOP/s  %5.2f of the peak  %5.2f GB\n",
           row->what, row->tera, seconds[0], median,
           row->tera * 1e3 / median, row->tera * 1e12 / median / peak_of_machine, (double)arena_peak(a) / 1e9);
    fflush(stdout);
    release(a, before);
}

/* realesr-animevideov3's SRVGGNetCompact, and RealESRGAN_x4plus' RRDBNet. */
static void make_upscaler(Made *m, int is_rrdb)
{
    enum { NF = 64, GC = 32, CONVS = 16, BLOCKS = 23, TIMES = 4, COLOURS = 3 };
    for (int i = 0; !is_rrdb && i <= CONVS; i++) {
        layer(m, format(m->mem, "upscaler.body.%d", 2 * i), i ? NF : COLOURS, NF, 3, 1);
        make(m, format(m->mem, "upscaler.body.%d.weight", 2 * i + 1), 1, (size_t[]){ NF }, 0.1f, 0.2f);
    }
    if (!is_rrdb) {
        layer(m, format(m->mem, "upscaler.body.%d", 2 * CONVS + 2), NF, COLOURS * TIMES * TIMES, 3, 1);
        return;
    }
    static const char *const ends[] = { "conv_body", "conv_up1", "conv_up2", "conv_hr" };
    layer(m, "upscaler.conv_first", COLOURS, NF, 3, 1);
    for (size_t i = 0; i < 3 * 5 * BLOCKS; i++) {
        size_t k = i % 5;
        const char *p = format(m->mem, "upscaler.body.%zu.rdb%zu.conv%zu", i / 15, i / 5 % 3 + 1, k + 1);
        layer(m, p, NF + k * GC, k < 4 ? GC : NF, 3, 1);
    }
    for (size_t i = 0; i < 4; i++) layer(m, format(m->mem, "upscaler.%s", ends[i]), NF, NF, 3, 1);
    layer(m, "upscaler.conv_last", NF, COLOURS, 3, 1);
}

/* A picture of 128x128 becomes one of 512x512. */
static void run_upscaler(Arena *a, int is_rrdb, int threads, int bf16)
{
    enum { RUNS = 5, SIDE = 128 };
    Made *m = allocate(a, 1, sizeof *m);
    m->mem = a, m->count = 0, m->state = 1;
    make_upscaler(m, is_rrdb);
    double seconds[RUNS];
    Machine machine = { a, threads, 0, 0, bf16 };
    Run r = { .machine = &machine, .weights = weights_of(a, NULL, m->w, m->count) };
    Upscaler u = upscaler_of(&r, "upscaler.");
    Tensor x = tensor(&r, 1, SIDE, SIDE, 3);
    for (size_t i = 0; i < size(x); i++) x.x[i] = (float)(i * 2654435761u % 2048) / 2048;
    for (int i = 0; i < RUNS; i++) {
        size_t here = mark(a);
        double start = now();
        upscale(&r, &u, x, 0);
        seconds[i] = now() - start;
        release(a, here);
    }
    double tera = machine.ops / RUNS / 1e12;
    qsort(seconds, RUNS, sizeof *seconds, by_size);
    printf("%-38s %6.3f TFLOP  %7.3f s fastest, %7.3f s median  %6.0f GFLOP/s  %5.2f GB\n", upscaler_said(a, &u), tera,
           seconds[0], seconds[RUNS / 2], tera * 1e3 / seconds[RUNS / 2], (double)arena_peak(a) / 1e9);
}

/* A LoRA of rank 32 on UNet and text encoder, one picture of 512x512: a step, and beside it one forward pass of both
 * without the LoRA, in turns; again: blocks are computed again on the way back. */
static void run_training(Arena *a, int threads, int bf16, int again)
{
    enum { RUNS = 5, SIDE = 64, TOKENS = 77 };
    Made *m = allocate(a, 1, sizeof *m);
    m->mem = a, m->count = 0, m->state = 1;
    make_unet(m, 0), make_text_encoder(m);
    double step[RUNS], forward[RUNS];
    Machine machine = { a, threads, 0, 0, bf16 };
    Run r = { .machine = &machine, .weights = weights_of(a, NULL, m->w, m->count), .frames = 1 }, learning = r;
    Trainable *trainable = trainable_new(a, r.weights,
                                         (TrainableConfig){ .unet = 1, .text = 1, .rank = 32, .alpha = 32 });
    Optimizer *optimizer = optimizer_new(a, trainable, OPTIMIZER_ADAMW, optimizer_args_default(OPTIMIZER_ADAMW),
                                         (LearningRates){ 1e-4, 1e-4, 1e-4 });
    Rng *rng = allocate(a, 1, sizeof *rng);
    rng_seed(rng, 1);
    trainable_init(trainable, r.weights, rng);
    int *ids = allocate(a, TOKENS, sizeof *ids);
    for (int i = 0; i < TOKENS; i++) ids[i] = 600 * i;
    TrainingExample l = { .ids = ids, .texts = 1, .clip_skip = 1, .latents = tensor(&r, 1, SIDE, SIDE, 4),
                          .timestep = 500, .alpha_bar = 0.5f };
    float *noise = allocate(a, size(l.latents), sizeof *noise);
    rng_normal(rng, l.latents.x, size(l.latents)), rng_normal(rng, noise, size(l.latents));
    l.noise = noise;
    size_t weights = 0;
    for (size_t i = 0; i < m->count; i++) weights += m->w[i].bytes;
    learning.trainable = trainable, learning.gradient_checkpointing = again;
    objective_dry_run(&learning, &l);
    objective_start(&learning);
    for (int i = 0; i < RUNS; i++) {
        size_t before = mark(a);
        double start = now();
        Tensor text = clip_encode(&r, ids, 1, 1, NULL);
        unet(&r, l.latents, 500, (Tensor){ 1, 1, TOKENS, text.c, text.x });
        forward[i] = now() - start;
        release(a, before);
        start = now();
        objective_backward(&learning, &l, 1);
        optimizer_step(a, optimizer, trainable, 1, i + 1, threads);
        step[i] = now() - start;
    }
    qsort(step, RUNS, sizeof *step, by_size), qsort(forward, RUNS, sizeof *forward, by_size);
    printf("%-38s %7.2f s fastest, %7.2f s median: %.2f times a forward pass, %.2f s median  %5.2f GB, of it weights %.2f, copies %.2f, gradients of tensors %.2f, LoRA %.2f\n",
           again ? "the same, blocks computed again" : "LoRA step, rank 32, 512x512", step[0], step[RUNS / 2],
               step[RUNS / 2] / forward[RUNS / 2], forward[RUNS / 2], (double)arena_peak(a) / 1e9,
               (double)weights / 1e9,
           (double)tape_copies(learning.tape) / 1e9, (double)tape_gradients(learning.tape) / 1e9,
               16 * (double)trainable->count / 1e9);
}

int main(int argc, char **argv)
{
    const char *chosen = argc > 1 ? argv[1] : "unet clip vae upscaler rrdb train again";
    int threads = argc > 2 ? atoi(argv[2]) : machine_threads();
    double peak_of_machine = peak_speed(threads);
    printf("%d threads, %s; float32 multiply-add peak %.0f GFLOP/s\n", threads,
           strstr(chosen, "bf16") ? "bf16" : "float32", peak_of_machine / 1e9);
    for (size_t i = 0; i < sizeof rows_of_table / sizeof *rows_of_table; i++) {
        if (!strstr(chosen, rows_of_table[i].name)) continue;
        Arena *a = arena_new();                  /* a fresh one for each row: its peak is the row's memory */
        run_row(a, &rows_of_table[i], threads, strstr(chosen, "bf16") != NULL, peak_of_machine);
        arena_free(a);
    }
    for (int is_rrdb = 0; is_rrdb < 2; is_rrdb++) {
        if (!strstr(chosen, is_rrdb ? "rrdb" : "upscaler")) continue;
        Arena *a = arena_new();
        run_upscaler(a, is_rrdb, threads, strstr(chosen, "bf16") != NULL);
        arena_free(a);
    }
    for (int again = 0; again < 2; again++) {
        if (!strstr(chosen, again ? "again" : "train")) continue;
        Arena *a = arena_new();
        run_training(a, threads, strstr(chosen, "bf16") != NULL, again);
        arena_free(a);
    }
    return 0;
}
