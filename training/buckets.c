/* buckets.c - which size a picture is learned at.
 *
 * A face in an upright photo should not be cut to a square: the UNet takes any size.  Buckets are all sizes, in steps, of at most the
 * square's area; a picture goes to that of the nearest aspect (width / height), is resized until it covers it, and loses
 * what stands over at both ends.  Which sizes there are, and which is nearest, is to the pixel what kohya's trainer says. */
#include "buckets.h"

#include <math.h>

static Bucket nearer(Bucket best, int width, int height, double aspect)
{
    if (!best.width) return (Bucket){ width, height, 0, 0 };
    double old = fabs((double)best.width / best.height - aspect), new = fabs((double)width / height - aspect);
    int first = width < best.width || (width == best.width && height < best.height);      /* of equals, the first in order */
    return new < old || (new <= old && first) ? (Bucket){ width, height, 0, 0 } : best;
}

static Bucket chosen(const Buckets *b, int width, int height)
{
    int area = b->side * b->side, square = b->step ? b->side / b->step * b->step : b->side;
    double aspect = (double)width / height;
    Bucket best = nearer((Bucket){ 0 }, square, square, aspect);
    for (int w = b->least; b->step && w <= b->most; w += b->step) {
        int h = area / w / b->step * b->step;
        if (h > b->most) h = b->most;
        if (h < b->least) continue;
        if ((w == width && h == height) || (h == width && w == height)) return (Bucket){ width, height, 0, 0 };
        best = nearer(nearer(best, w, h, aspect), h, w, aspect);
    }
    return best;
}

static int down_to_step(double x, int step)
{
    int whole = (int)(x + 0.5);
    return whole - whole % step;
}

/* as large as it is, or made smaller to the square's area with one side a multiple of step, the one that keeps the aspect better; cut to steps */
static Bucket as_it_is(const Buckets *b, int width, int height)
{
    double area = (double)b->side * b->side, aspect = (double)width / height;
    int wide = width, high = height;
    if ((double)width * height > area) {
        double w = sqrt(area * aspect), h = area / w;
        int by_w = down_to_step(w, b->step), h_of_w = by_w ? down_to_step(by_w / aspect, b->step) : 0;
        int by_h = down_to_step(h, b->step), w_of_h = by_h ? down_to_step(by_h * aspect, b->step) : 0;
        if (!h_of_w || !w_of_h) return (Bucket){ 0 };
        int wider = fabs((double)by_w / h_of_w - aspect) < fabs((double)w_of_h / by_h - aspect);
        wide = wider ? by_w : (int)(by_h * aspect + 0.5), high = wider ? (int)(by_w / aspect + 0.5) : by_h;
    }
    return (Bucket){ wide - wide % b->step, high - high % b->step, wide, high };
}

Bucket bucket_of(const Buckets *b, int width, int height)
{
    if (b->step && b->no_upscale) return as_it_is(b, width, height);
    Bucket to = chosen(b, width, height);
    int wider = (double)width / height > (double)to.width / to.height;
    double scale = wider ? (double)to.height / height : (double)to.width / width;
    to.wide = (int)(width * scale + 0.5), to.high = (int)(height * scale + 0.5);
    return to;
}
