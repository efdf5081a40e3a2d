/* foreign_options.c - what options are called in other programs.
 *
 * People are used to the names of other programs: the web UI, kohya's trainer, diffusers' scripts and
 * stable-diffusion.cpp.  Names that mean the same here are options of persona; these tables have the others.  Such an
 * option is refused, since its value may mean something else here.  The message names the option that is meant. */
#include "foreign_options.h"

#include "chars.h"

#include <stddef.h>

enum { MOST_NAMES = 8 };                 /* of one option, with the NULL at the end */

typedef struct {
    const char *ours;                    /* NULL: the end of the table */
    const char *theirs[MOST_NAMES];
} ForeignOption;

static const ForeignOption drawing[] = {
    { "--prompt TEXT",              { "p" } },
    { "--negative TEXT",            { "n" } },
    { "--size WIDTHxHEIGHT",        { "w", "width", "height" } },
    { "--steps N",                  { "num-inference-steps", "sample-steps" } },
    { "--cfg X",                    { "guidance-scale", "scale" } },
    { "--sampler NAME",             { "sampling-method" } },
    { "--schedule-type NAME",       { "scheduler" } },
    { "--model F",                  { "ckpt", "checkpoint", "diffusion-model", "pretrained-model-name-or-path" } },
    { "--vae F",                    { "vae-path" } },
    { "--init F",                   { "init-img", "image" } },
    { "--weights DIR",              { "lora-dir", "lora-model-dir", "embeddings-dir", "embd-dir", "ckpt-dir", "vae-dir",
                                      "models-dir" } },
    { "--frames N",                 { "video-frames", "video-length", "num-frames" } },
    { "-o OUT",                     { "outdir", "output-dir", "output-name" } },
    { "a grid: --y \"Seed: 1-4\"",  { "batch-count", "batch-size", "n-iter" } },
    { "--precision bf16",           { "mixed-precision", "half" } },
    { "not needed",                 { "xformers", "sdpa", "medvram", "lowvram", "vae-tiling" } },
    { NULL },
};

static const ForeignOption training[] = {
    { "the folder behind \"train\"", { "train-data-dir", "instance-data-dir" } },
    { "--prompt TEXT",              { "instance-prompt" } },
    { "--sample_prompts FILE",      { "validation-prompt" } },
    { "--reg_data_dir DIR",         { "class-data-dir" } },
    { "--method dreambooth",        { "with-prior-preservation" } },
    { "--network_dim N",            { "rank", "dim" } },
    { "--network_alpha X",          { "alpha" } },
    { "--learning_rate X",          { "lr" } },
    { "--optimizer_type AdamW8bit", { "use-8bit-adam" } },
    { "--max_train_steps N",        { "steps" } },
    { "--max_train_epochs N",       { "epochs", "num-train-epochs" } },
    { "--train_batch_size N",       { "batch-size" } },
    { "--resolution N",             { "width", "height", "size" } },
    { "--token NAME",               { "placeholder-token", "token-string" } },
    { "--init_word TEXT",           { "initializer-token" } },
    { "--num_vectors N",            { "num-vectors-per-token" } },
    { "--save_every_n_steps N",     { "checkpointing-steps" } },
    { "--resume PATH",              { "resume-from-checkpoint" } },
    { "not needed",                 { "cache-latents", "network-module", "save-model-as" } },
    { NULL },
};

static const char *find(const ForeignOption *table, const char *name)
{
    for (const ForeignOption *o = table; o->ours; o++)
        for (size_t i = 0; o->theirs[i]; i++)
            if (same(o->theirs[i], name)) return o->ours;
    return NULL;
}

const char *foreign_option(const char *name, int is_training)
{
    const char *ours = is_training ? find(training, name) : NULL;
    return ours ? ours : find(drawing, name);
}
