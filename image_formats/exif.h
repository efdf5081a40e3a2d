/* exif.h - what EXIF and XMP say about a picture: which way is up, and the texts that programs store there.
 *
 * Useful copied alone with files.[ch], chars.[ch], unicode.[ch], system.[ch] and tensor.[ch].
 * Sources: TIFF 6.0; EXIF 2.32 (CIPA DC-008); XMP part 1 (ISO 16684-1). */
#ifndef EXIF_H
#define EXIF_H

#include "files.h"

/* Tags, by their names in TIFF and EXIF. */
enum {
    EXIF_IMAGE_DESCRIPTION = 0x010E,
    EXIF_MAKE              = 0x010F,
    EXIF_MODEL             = 0x0110,
    EXIF_ORIENTATION       = 0x0112,
    EXIF_SUB_IFDS          = 0x014A,
    EXIF_USER_COMMENT      = 0x9286,
    EXIF_XP_COMMENT        = 0x9C9C,        /* Windows: UTF-16 */
    EXIF_DNG_VERSION       = 0xC612
};

/* In all functions, exif is any bytes: a block that begins with "II" or "MM", with or without "Exif" and two NULs
 * before it; or an empty one.  xmp is any bytes: the XML text. */

/* Is there such a tag? */
int exif_has(Bytes exif, int tag);

/* The text of a tag as UTF-8, in the arena, without white space at its ends.  Returns NULL when there is no such tag,
 * when it is empty, or when it is no text.  It looks first where EXIF keeps its own tags, then among those of TIFF. */
const char *exif_text(Arena *a, Bytes exif, int tag);

/* Text of one byte a character or UTF-8, up to its first NUL, as UTF-8 in the arena, without white space at its ends;
 * what is no UTF-8 is taken as Latin-1. */
const char *narrow_text(Arena *a, Bytes text);

/* The orientation, 1..8 (TIFF 6.0, 8), of any integer type of 16 or 32 bits; 0 when the block does not say. */
int exif_orientation(Bytes exif);
int xmp_orientation(Arena *a, Bytes xmp);

/* The value of an XMP property, like "tiff:Orientation": of its attribute, or the first text in its element.  In the
 * arena, with characters like &lt; resolved.  Returns NULL when there is none, or an empty one. */
const char *xmp_text(Arena *a, Bytes xmp, const char *name);

#endif
