/* init_clip.h - what a drawing begins as: a picture, or a clip with a picture for each frame. */
#ifndef INIT_CLIP_H
#define INIT_CLIP_H

#include "animation.h"
#include "callbacks.h"

/* What was found, before any pixel is decoded.  A clip is one animated file, or several files with a frame each. */
typedef struct {
    const char  *path;
    const char **file;                   /* [files] */
    size_t       files;
    Animation    animation;              /* of the only file */
    size_t       count;                  /* frames; 1 is a still picture */
    double       seconds;                /* how long it lasts; 0 where the files do not say */
} InitClip;

/* Finds the frames of an animated GIF, PNG or WebP, of a folder of pictures, or of a pattern such as "frames/%04d.png";
 * any other picture is one frame.  Fails with the path and what is wrong. */
InitClip init_clip_find(Arena *a, const char *path);

/* Which frames of the clip are drawn from, of: [frames].  As many as it has are taken one by one; fewer or more are
 * those that a viewer would see at evenly spaced times, the first at the beginning. */
void init_clip_choose(const InitClip *c, int frames, size_t *of);

/* Decodes the frames `of`: [frames], each resized and cropped to width x height.  -> a picture with the others right
 * behind it: rgb is [frames, height, width, 3]; *original receives the size of the first in its file.  stop: who may
 * stop it between two frames; NULL: nobody.  Fails with the file, the frame and the reason. */
Picture init_clip_decode(Arena *a, const InitClip *c, const size_t *of, int frames, int width, int height,
                         const Callbacks *stop, Picture *original);

#endif
