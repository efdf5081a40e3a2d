/* head.c - where the head is in a picture of a person.
 *
 * Skin of every tone lies close together in the plane of chroma (Cb, Cr): D. Chai and K. Ngan, "Face segmentation using
 * skin-color map in videophone applications", 1999.  What differs is the brightness.  So a face is an upright ellipse
 * that is full of such pixels, with other ones around its upper part (hair, background), and darker across the eyes
 * than on the cheeks.  Every place and size of a small copy of the picture is tried, by sums over rectangles
 * (F. Crow, "Summed-area tables for texture mapping", 1984), so the ellipse is taken as three rectangles.
 *
 * That is no detector of faces: wood and sand have the colour of skin.  It serves to cut a portrait out of a photo that
 * shows one person, and whoever uses it says where it cut. */
#include "head.h"

#include "chars.h"

#include <math.h>
#include <string.h>

enum { SMALL = 128 };                    /* the longer side of the small copy */

/* BT.601, as JPEG has it */
int head_is_skin(const unsigned char *c)
{
    double cb = 128 - 0.168736 * c[0] - 0.331264 * c[1] + 0.5 * c[2];
    double cr = 128 + 0.5 * c[0] - 0.418688 * c[1] - 0.081312 * c[2];
    int is_in_map = cb >= 85 && cb <= 127 && cr >= 134 && cr <= 170;
    return is_in_map && c[0] > 45 && c[0] > c[2];
}

/* ---- sums over rectangles ------------------------------------------------------------------------ */

/* sum[y][x]: of all values above and to the left */
typedef struct { int width, height; double *sum; } Sums;

static Sums sums_of(Arena *a, const double *value, int width, int height)
{
    size_t row = (size_t)width + 1;
    Sums s = { width, height, allocate(a, row * ((size_t)height + 1), sizeof *s.sum) };
    memset(s.sum, 0, row * ((size_t)height + 1) * sizeof *s.sum);
    for (size_t y = 0; y < (size_t)height; y++)
        for (size_t x = 0; x < (size_t)width; x++)
            s.sum[(y + 1) * row + x + 1] = value[y * (size_t)width + x] + s.sum[y * row + x + 1] +
                                           s.sum[(y + 1) * row + x] - s.sum[y * row + x];
    return s;
}

static size_t within(double x, int most)
{
    if (x <= 0) return 0;
    return x >= most ? (size_t)most : (size_t)(x + 0.5);
}

/* The mean over a rectangle, as far as it is in the picture; `outside` where it is not at all. */
static double mean(const Sums *s, double left, double top, double right, double bottom, double outside)
{
    size_t x0 = within(left, s->width), x1 = within(right, s->width);
    size_t y0 = within(top, s->height), y1 = within(bottom, s->height);
    size_t row = (size_t)s->width + 1;
    if (x1 <= x0 || y1 <= y0) return outside;
    double sum = s->sum[y1 * row + x1] - s->sum[y0 * row + x1] - s->sum[y1 * row + x0] + s->sum[y0 * row + x0];
    return sum / (double)((x1 - x0) * (y1 - y0));
}

/* ---- how much like a face ------------------------------------------------------------------------ */

/* edges: the change of luma from the row above */
typedef struct { Sums skin, luma, edges; int width, height; } Small;

/* Of a rectangle around (x, y), in widths of the face. */
typedef struct { double left, top, right, bottom; } Part;

static double part_of(const Sums *s, double x, double y, double w, Part p, double outside)
{
    return mean(s, x + p.left * w, y + p.top * w, x + p.right * w, y + p.bottom * w, outside);
}

/* The ellipse, 1.3 widths high, is full of skin. */
static double face_of(const Small *s, double x, double y, double w)
{
    double middle = part_of(&s->skin, x, y, w, (Part){ -0.45, -0.25, 0.45, 0.35 }, 0);
    double chin = part_of(&s->skin, x, y, w, (Part){ -0.25, 0.35, 0.25, 0.6 }, 0);
    double forehead = part_of(&s->skin, x, y, w, (Part){ -0.3, -0.45, 0.3, -0.25 }, 0);
    return 0.6 * middle + 0.25 * chin + 0.15 * forehead;
}

/* How much there is of it around; what is outside of the picture is half of it. */
static double around_of(const Small *s, double x, double y, double w)
{
    double left = part_of(&s->skin, x, y, w, (Part){ -0.85, -0.6, -0.55, 0.4 }, 0.5);
    double right = part_of(&s->skin, x, y, w, (Part){ 0.55, -0.6, 0.85, 0.4 }, 0.5);
    double above = part_of(&s->skin, x, y, w, (Part){ -0.5, -1.0, 0.5, -0.65 }, 0.5);
    return (left + right + above) / 3;
}

/* Eyes are darker than the cheeks, both of them, and there are edges between; a wall has neither. */
static double eyes_of(const Small *s, double x, double y, double w)
{
    double left = part_of(&s->luma, x, y, w, (Part){ -0.4, -0.15, -0.08, 0.08 }, 0);
    double right = part_of(&s->luma, x, y, w, (Part){ 0.08, -0.15, 0.4, 0.08 }, 0);
    double cheek = part_of(&s->luma, x, y, w, (Part){ -0.35, 0.12, -0.08, 0.32 }, 0);
    double other = part_of(&s->luma, x, y, w, (Part){ 0.08, 0.12, 0.35, 0.32 }, 0);
    double edges = part_of(&s->edges, x, y, w, (Part){ -0.4, -0.2, 0.4, 0.15 }, 0);
    double darker = fmin(cheek - left, other - right);
    double unlike = fabs(left - right) + fabs(cheek - other);
    return fmin(1, fmax(-1, darker / 30)) + fmin(1, edges / 12) - fmin(1, unlike / 120);
}

/* (x, y): the middle of the face, w: its width.  Above 1 for a clear face, below 0 for none. */
static double likeness(const Small *s, double x, double y, double w)
{
    double size = fmin(1, w / (0.35 * s->width));
    double centred = -fabs(x / s->width - 0.5);
    double low = 0.7 * fmax(0, y / s->height - 0.45);             /* hands and knees */
    double face = face_of(s, x, y, w);
    if (face < 0.35) return 0;
    return face - 0.8 * around_of(s, x, y, w) + 0.25 * eyes_of(s, x, y, w) + 0.45 * size +
           0.2 * centred - low;
}

static double luma_of(const unsigned char *c) { return 0.299 * c[0] + 0.587 * c[1] + 0.114 * c[2]; }

static Small small_of(Arena *a, Picture p)
{
    size_t n = (size_t)p.width * (size_t)p.height;
    size_t row = (size_t)p.width;
    double *skin = allocate(a, n, sizeof *skin);
    double *luma = allocate(a, n, sizeof *luma);
    double *edges = allocate(a, n, sizeof *edges);
    for (size_t i = 0; i < n; i++) {
        const unsigned char *c = p.rgb + 3 * i;
        skin[i] = head_is_skin(c);
        luma[i] = luma_of(c);
        edges[i] = i < row ? 0 : fabs(luma[i] - luma[i - row]);
    }
    Sums s = sums_of(a, skin, p.width, p.height);
    return (Small){ s, sums_of(a, luma, p.width, p.height), sums_of(a, edges, p.width, p.height), p.width, p.height };
}

static int at_least_one(double x) { return x < 1 ? 1 : (int)(x + 0.5); }

int head_find(Arena *a, Picture p, Head *head)
{
    const double LEAST = 0.6;
    size_t before = mark(a);
    double scale = (double)SMALL / (p.width > p.height ? p.width : p.height);
    Picture copy = image_resize(a, p, at_least_one(p.width * scale), at_least_one(p.height * scale), BOX);
    Small s = small_of(a, copy);
    Head best = { 0.5 * s.width, 0.47 * s.height, 0.45 * s.width, 0 };
    double most = LEAST;
    for (double w = fmax(8, 0.12 * s.width); w <= 0.7 * s.width; w *= 1.12)
        for (double y = 0.4 * w; y < s.height - 0.4 * w; y += fmax(1, w / 16))
            for (double x = 0.45 * w; x < s.width - 0.45 * w; x += fmax(1, w / 16)) {
                double score = likeness(&s, x, y, w);
                if (score <= most) continue;
                most = score;
                best = (Head){ x, y, w, score };
            }
    release(a, before);
    *head = (Head){ best.x / scale, best.y / scale, best.width / scale, best.likeness };
    return most > LEAST;
}

/* ---- the portrait -------------------------------------------------------------------------------- */

static int clamp(double x, int most)
{
    if (x < 0) return 0;
    return x > most ? most : (int)x;
}

/* The model's portraits have the middle of the face at (64, 62) of 128, and a face 58 wide. */
Picture head_portrait(Arena *a, Picture p, Head head, int side)
{
    enum { MOST = 1024 };
    const double PART = 58.0 / 128, MIDDLE = 62.0 / 128;
    double whole = head.width / PART;
    int n = whole > MOST ? MOST : at_least_one(whole);
    Picture cut = { n, n, allocate(a, (size_t)n * (size_t)n, 3) };
    for (int y = 0; y < n; y++)
        for (int x = 0; x < n; x++) {
            int from_x = clamp(head.x - whole / 2 + (x + 0.5) * whole / n, p.width - 1);
            int from_y = clamp(head.y - whole * MIDDLE + (y + 0.5) * whole / n, p.height - 1);
            size_t from = (size_t)from_y * (size_t)p.width + (size_t)from_x;
            memcpy(cut.rgb + 3 * ((size_t)y * (size_t)n + (size_t)x), p.rgb + 3 * from, 3);
        }
    return image_resize(a, cut, side, side, n < side ? LANCZOS : BOX);
}
