/* elsewhere.c - what options are called in other programs.
 *
 * People come with the names in their fingers: of the web UI, of kohya's trainer, of diffusers' scripts, of stable-diffusion.cpp.  Those
 * that are called so here too are options; these are the others.  None of them is taken, as its value may mean something else; the one that
 * is meant is told. */
#include "elsewhere.h"

#include "chars.h"

typedef struct { const char *theirs, *ours; } Other;

static const Other drawing[] = {
    { "p", "--prompt TEXT" },                  { "n", "--negative TEXT" },
    { "w", "--size WIDTHxHEIGHT" },            { "width", "--size WIDTHxHEIGHT" },          { "height", "--size WIDTHxHEIGHT" },
    { "num-inference-steps", "--steps N" },    { "sample-steps", "--steps N" },             { "guidance-scale", "--cfg X" },      { "scale", "--cfg X" },
    { "sampling-method", "--sampler NAME" },   { "scheduler", "--schedule-type NAME" },
    { "ckpt", "--model F" },                   { "checkpoint", "--model F" },               { "diffusion-model", "--model F" },
    { "pretrained-model-name-or-path", "--model F" },                                       { "vae-path", "--vae F" },
    { "init-img", "--init F" },                { "image", "--init F" },
    { "lora-dir", "--weights DIR" },           { "lora-model-dir", "--weights DIR" },       { "embeddings-dir", "--weights DIR" }, { "embd-dir", "--weights DIR" },
    { "ckpt-dir", "--weights DIR" },           { "vae-dir", "--weights DIR" },              { "models-dir", "--weights DIR" },
    { "video-frames", "--frames N" },          { "video-length", "--frames N" },            { "num-frames", "--frames N" },
    { "outdir", "-o OUT" },                    { "output-dir", "-o OUT" },                  { "output-name", "-o OUT" },
    { "batch-count", "a grid: --y \"Seed: 1-4\"" }, { "batch-size", "a grid: --y \"Seed: 1-4\"" }, { "n-iter", "a grid: --y \"Seed: 1-4\"" },
    { "mixed-precision", "--precision bf16" }, { "half", "--precision bf16" },
    { "xformers", "not needed" },              { "sdpa", "not needed" },                    { "medvram", "not needed" },          { "lowvram", "not needed" },
    { "vae-tiling", "not needed" },            { 0 },
};

static const Other training_too[] = {
    { "train-data-dir", "the folder behind \"train\"" },   { "instance-data-dir", "the folder behind \"train\"" },
    { "instance-prompt", "--prompt TEXT" },                { "validation-prompt", "--sample_prompts FILE" },
    { "class-data-dir", "--reg_data_dir DIR" },            { "with-prior-preservation", "--method dreambooth" },
    { "rank", "--network_dim N" },                         { "dim", "--network_dim N" },                    { "alpha", "--network_alpha X" },
    { "lr", "--learning_rate X" },                         { "use-8bit-adam", "--optimizer_type AdamW8bit" },
    { "steps", "--max_train_steps N" },                    { "epochs", "--max_train_epochs N" },            { "num-train-epochs", "--max_train_epochs N" },
    { "batch-size", "--train_batch_size N" },              { "width", "--resolution N" },                   { "height", "--resolution N" },
    { "size", "--resolution N" },                          { "placeholder-token", "--token NAME" },         { "token-string", "--token NAME" },
    { "initializer-token", "--init_word TEXT" },           { "num-vectors-per-token", "--num_vectors N" },
    { "checkpointing-steps", "--save_every_n_steps N" },   { "resume-from-checkpoint", "--resume PATH" },
    { "cache-latents", "not needed" },                     { "network-module", "not needed" },              { "save-model-as", "not needed" },
    { 0 },
};

static const char *find(const Other *o, const char *name)
{
    while (o->theirs && !same(o->theirs, name)) o++;
    return o->ours;
}

const char *option_elsewhere(const char *name, int training)
{
    const char *ours = training ? find(training_too, name) : NULL;
    return ours ? ours : find(drawing, name);
}
