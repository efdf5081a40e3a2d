/* photos.h - the training images: a folder of pictures and their captions. */
#ifndef PHOTOS_H
#define PHOTOS_H

#include "buckets.h"
#include "tensor.h"
#include "training_config.h"

/* What a picture is for.  diffusers calls the first two instance images and class images, kohya's trainer the class
 * images reg images (regularisation). */
typedef enum { INSTANCE_IMAGE, CLASS_IMAGE, VALIDATION_IMAGE } ImageRole;

enum { THUMBNAIL = 8 * 8 * 3 };

typedef struct {
    const char   *path;
    const char   *name;                  /* the path within the folder */
    const char   *caption;
    const char   *learned;               /* of the caption, without what is cut off; dataset_check_captions() */
    int           captioned;             /* the caption was found beside the picture */
    int           has_alternatives;      /* {a|b} in the caption, which is learned as it stands */
    int           lines_left;            /* of the caption's file, for only the first is the caption */
    const char   *fault;                 /* why it cannot be used, with the path of what is wrong; NULL: it can */
    int           repeats;               /* how often it comes in an epoch; of a VALIDATION_IMAGE 0 */
    ImageRole     role;
    const TrainingConfig *config;        /* its options, of the picture and its caption */
    const Buckets *buckets;              /* to which it may go */
    const char   *mask;                  /* of masks_find(): the picture that says which parts are learned; NULL: all */
    int           mask_is_alpha;         /* its own alpha channel does */
    /* survey_look() fills in: */
    int           width, height;
    Bucket        bucket;
    uint64_t      digest;                /* of the file */
    unsigned char thumbnail[THUMBNAIL];  /* the picture resized to 8 x 8, RGB */
} Photo;

typedef struct {
    Photo      *photo;                   /* [count] in the order of their names; class images come last */
    size_t      count;
    size_t      repeated;                /* all repeats together: the examples of an epoch */
    size_t      captioned;
    size_t      instances, classes, validations;      /* pictures of each role */
    const char **note;                   /* [notes] what the user should know of the folder, a sentence each */
    size_t      notes;
} Photos;

/* Takes the pictures with a fault out of the list. */
void photos_remove_faulty(Photos *p);

/* Makes about this part of the pictures validation images: spread evenly over their names, or chosen by a seed of 0 and
 * up.  Fails when that is none, or all, or when the pictures are fewer than 5. */
void photos_hold_out(Arena *a, Photos *p, double validation_split, int validation_seed);

/* Adds class images, all together as often in an epoch as the others: repeated when they are fewer, and the last left
 * out when they are more (kohya sd-scripts, library/train_util.py, DreamBoothDataset). */
void photos_add_class(Arena *a, Photos *p, Photos class_images);

/* The parts between commas that the captions of all instance images have, in the order of the first one's; where they
 * share none, the whole caption of the first. */
const char *photos_shared_words(Arena *a, const Photos *p);

/* The buckets in use, that of most pictures first: pictures in it, and how many they are with their repeats. */
typedef struct {
    int    width, height;
    size_t pictures, repeated;
} BucketCount;
const BucketCount *photos_buckets(Arena *a, const Photos *p, size_t *count);

#endif
