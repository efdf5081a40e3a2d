/* dataset_config.h - several folders of pictures, each with settings of its own: kohya's --dataset_config. */
#ifndef DATASET_CONFIG_H
#define DATASET_CONFIG_H

#include "lines.h"
#include "training_config.h"

/* One folder of pictures. */
typedef struct {
    const char    *image_dir;
    const char    *class_tokens;         /* said of pictures without a caption; NULL: nothing */
    int            is_reg;               /* they are class images */
    int            dataset;              /* the number of its dataset */
    TrainingConfig config;               /* its options: of the pictures and their captions they count, of all else the
                                          * job's do */
} Subset;

typedef struct { Subset *subset; size_t count; } Subsets;

/* Reads a dataset configuration, TOML or JSON.  An option is looked up in the subset, then in its dataset, in
 * [general], and in `base`.  What can only be one for all, as the batch size, is set in base too.
 * told: what is passed over, with the reason.  faults: all that is wrong; then the subsets are not to be used.
 * Fails when the file is neither of the two. */
Subsets dataset_config_read(Arena *a, const char *path, TrainingConfig *base, Lines *told, Lines *faults);

#endif
