/* idle_options.h - options that were given and change nothing in this job. */
#ifndef IDLE_OPTIONS_H
#define IDLE_OPTIONS_H

#include "lines.h"
#include "training_config.h"

/* The idle options of a configuration that training_config_check() accepts, as "--keep_tokens (without
 * --shuffle_caption)". */
Lines idle_options(Arena *a, const TrainingConfig *c);

#endif
