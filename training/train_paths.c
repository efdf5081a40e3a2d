/* train_paths.c - what the files of a training job are called.
 *
 *     OUT.safetensors, embeddings/WORD.safetensors                       the result
 *     OUT-000001.safetensors, OUT-step00000001.safetensors               the same, after an epoch or a step
 *     OUT-best.safetensors                                               the same, where held-out pictures say best
 *     OUT-state.safetensors                                              the state, to be resumed
 *     OUT-loss.png                                                       the loss curve
 *     OUT-sample1.png, OUT-000001-sample1.png, ...                       sample images
 *     OUT-class                                                          the folder of class images
 *
 * The first form of each line is what the user named with -o; names after an epoch or a step are kohya's. */
#include "trainer.h"

#include "chars.h"

const char *trainer_stem(Arena *a, const char *path) { return without_extension(a, file_name(path)); }

/* OUT, without its ending, and what is added to it */
static const char *out_and(Trainer *t, const char *what)
{
    return format(t->mem, "%s%s", without_extension(t->mem, t->job->out), what);
}

const char *trainer_path(Trainer *t, const char *what)
{
    return format(t->mem, "%s%s", out_and(t, what), file_extension(t->job->out));
}

const char *trainer_state_path(Trainer *t) { return trainer_path(t, "-state"); }
const char *trainer_class_path(Trainer *t) { return out_and(t, "-class"); }
const char *trainer_curve_path(Trainer *t) { return out_and(t, "-loss.png"); }

const char *trainer_lora_path(Trainer *t, const char *what)
{
    return is_textual_inversion(t->config) ? NULL : trainer_path(t, what);
}

/* A word beside a LoRA is embeddings/WORD.safetensors next to it: programs know an embedding by its file's name, and
 * look for it in a folder of that name. */
const char *trainer_embedding_path(Trainer *t, const char *what)
{
    const char *out = t->job->out;
    int folder = (int)(file_name(out) - out);
    if (!t->word) return NULL;
    if (is_textual_inversion(t->config)) return trainer_path(t, what);
    return format(t->mem, "%.*sembeddings/%s%s.safetensors", folder, out, t->word, what);
}

const char trainer_best[] = "-best";

const char *trainer_after_epoch(Trainer *t, size_t epoch) { return format(t->mem, "-%06zu", epoch); }
const char *trainer_after_step(Trainer *t, size_t step)   { return format(t->mem, "-step%08zu", step); }
