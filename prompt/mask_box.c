/* mask_box.c - a mask in numbers: the box of a picture that is drawn anew.
 *
 *     box    = number "," number "," number "," number          left, top, right, bottom
 *     number = digits [ "." digits ] [ "%" ]
 *
 * Pixels are those of the picture that is drawn.  A picture of 100 pixels has 0,0,100,100 as the box around all of it:
 * right and bottom are where the box ends, as in Python's slices and in Pillow.  Percent are rounded to pixels.
 *
 * It refuses another count of numbers, a box without a pixel, and one that reaches out of the picture. */
#include "mask_box.h"

#include "chars.h"

#include <math.h>
#include <string.h>

int mask_is_box(const char *text)
{
    return strpbrk(text, "0123456789") && !text[strspn(text, "0123456789.,% -")] && strpbrk(text, ", %");
}

static int read_one(const char *text, double *x, int *is_percent)
{
    size_t n = number_at(text, x);
    *is_percent = n && text[n] == '%';
    return n && !text[n + (size_t)*is_percent] && *x >= 0 && *x <= 1e5;
}

const char *mask_box_read(Arena *a, const char *text, MaskBox *box)
{
    size_t count;
    char **part = comma_parts(a, text, &count);
    int right = count == 4;
    for (size_t i = 0; right && i < count; i++) right = read_one(part[i], &box->at[i], &box->is_percent[i]);
    if (!right) return "expected a picture whose white is drawn anew, alpha, or a box LEFT,TOP,RIGHT,BOTTOM as "
                       "20,30,90,120 or 10%,20%,60%,90%";
    return NULL;
}

const char *mask_box_pixels(Arena *a, const MaskBox *box, int width, int height, int pixel[4])
{
    for (int i = 0; i < 4; i++) {
        int side = i % 2 ? height : width;
        double x = box->is_percent[i] ? box->at[i] / 100 * side : box->at[i];
        pixel[i] = (int)lround(x);
        if (pixel[i] > side)
            return format(a, "and the picture is %dx%d: expected LEFT,TOP,RIGHT,BOTTOM within it", width, height);
    }
    if (pixel[2] > pixel[0] && pixel[3] > pixel[1]) return NULL;
    return "which holds no pixel: expected LEFT,TOP,RIGHT,BOTTOM, with RIGHT behind LEFT and BOTTOM below TOP";
}
