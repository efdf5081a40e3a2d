/* model_recipe.h - the options of training that a model wants where nobody gave any. */
#ifndef MODEL_RECIPE_H
#define MODEL_RECIPE_H

#include "callbacks.h"
#include "checkpoint.h"
#include "training_config.h"

/* The options with those that were not given filled in: from the model's metadata (model_spec.h), else as usual.
 * taken: receives what came from there, "--max_train_steps 600 --learning_rate 0.001", or "".  model: its path.  Warns
 * of what makes no sense there, and leaves it out. */
TrainingConfig model_recipe(Arena *a, const TrainingConfig *given, const Weights *w, const char *model,
                            const Callbacks *callbacks, const char **taken);

#endif
