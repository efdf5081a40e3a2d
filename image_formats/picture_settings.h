/* picture_settings.h - the settings that a picture was made with, from any program's picture. */
#ifndef PICTURE_SETTINGS_H
#define PICTURE_SETTINGS_H

#include "tensor.h"

/* The settings that a program of any name stored in a PNG, JPEG, WebP or GIF, as UTF-8 in the arena: infotext, or
 * another program's JSON.  bytes: the file, or any bytes at all, [n].
 * Returns NULL when there are none.  Words that are no settings, like a camera's or a caption, are passed over. */
const char *picture_settings(Arena *a, const uint8_t *bytes, size_t n);

#endif
