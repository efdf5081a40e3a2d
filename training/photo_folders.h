/* photo_folders.h - finds the pictures of a folder and their captions. */
#ifndef PHOTO_FOLDERS_H
#define PHOTO_FOLDERS_H

#include "photos.h"

/* What photos_find() looks for. */
typedef struct {
    const char *folder;
    const char *caption_extension;       /* of caption files; NULL: .txt, or else .caption */
    const char *words;                   /* said of pictures of which nothing else is said; NULL: nothing */
    int         repeats;                 /* of each picture, times what its folder's name says */
    int         keeps_lines;             /* captions are all lines of their files, and not only the first */
    int         of_class;                /* class images: those that training drew are welcome */
    int         is_subset;               /* of a dataset configuration: what folders are called says nothing there, and
                                          * those within do not count */
    const char *out;                     /* the file that training writes, whose other files are passed over; NULL */
} PhotoSearch;

/* Finds the pictures of a folder, sorted by name: those that lie in it, and those of folders in it that are called
 * <repeats>_<class tokens>, as kohya's trainer wants them.  The folder itself may be called so, or be the folder around
 * all that kohya's GUI prepares (img, reg, log, model).
 *
 * A picture is known by its first bytes.  Those of kinds that are not read are found too, so that survey() can name
 * them.  What training itself drew is left out (own_pictures.h).  A picture without a caption file has the class tokens
 * of its folder, or else `words`; one whose caption cannot be read has a fault.
 *
 * Fails when there is no picture, and when an epoch is more than 10^9 examples, so that it can be counted in 32 bits
 * together with the class images beside it. */
Photos photos_find(Arena *a, const PhotoSearch *search);

/* Adds the pictures of another folder.  Fails as photos_find() does when an epoch becomes too long. */
void photos_join(Arena *a, Photos *p, Photos more);

/* The folder of class images beside those pictures, as kohya's GUI lays them out: FOLDER/reg; NULL when there is
 * none. */
const char *photo_folders_class(Arena *a, const char *folder);

#endif
