/* photo_advice.c - which photos of a person to leave out of training, and why.
 *
 * A LoRA learns what all pictures have in common.  A picture that is there twice counts twice, a blurred one teaches
 * blur, and one that is black teaches nothing.  What people are told to do by hand is measured here:
 *
 *     cannot be read           as the survey of training has it
 *     the same, or nearly      by the bytes, and by thumbnails (survey.c); the first by name stays
 *     too small                less than half of the side that is learned
 *     long and narrow          more than three times as long as wide: a person is a small part of it
 *     dark, bright, empty      by its luma: 19 of 20 pixels below 50 or above 235, or nearly all the same
 *     blurred                  by the variance of the Laplacian (J. Pech-Pacheco et al., 2000), at the size that is
 *                              learned: a tenth of the folder's median, so that drawings and photos have their own
 *
 * It is advice: nothing is deleted, and when nothing would be left, all that can be read is used, but for pictures that
 * are of one colour. */
#include "photo_advice.h"

#include "autoencoder_check.h"
#include "chars.h"
#include "image.h"
#include "model_spec.h"
#include "reconstruction.h"
#include "survey.h"

#include <math.h>
#include <stdlib.h>
#include <string.h>

enum { LOOKED_AT = 320 };                /* the longer side of the copy that is measured */

typedef struct {
    Arena       *a;
    Photo       *photo;
    PhotoAdvice *advice;
    int          side;
    const char  *why_not;                /* a constant, or in the photo's message */
    double       low, high;              /* luma that 19 of 20 pixels are above, and below */
} Look;

/* ---- measures ------------------------------------------------------------------------------------ */

static double luma(const unsigned char *c) { return 0.299 * c[0] + 0.587 * c[1] + 0.114 * c[2]; }

static int scaled(int x, double scale) { return x * scale < 1 ? 1 : (int)(x * scale + 0.5); }

/* The variance of  4 x - left - right - above - below */
static double variance_of_laplacian(Picture p)
{
    double sum = 0, squares = 0;
    double n = 0;
    for (int y = 1; y + 1 < p.height; y++)
        for (int x = 1; x + 1 < p.width; x++) {
            const unsigned char *c = p.rgb + 3 * ((size_t)y * (size_t)p.width + (size_t)x);
            size_t row = 3 * (size_t)p.width;
            double l = 4 * luma(c) - luma(c - 3) - luma(c + 3) - luma(c - row) - luma(c + row);
            sum += l;
            squares += l * l;
            n++;
        }
    return n > 0 ? squares / n - sum / n * (sum / n) : 0;
}

static void measure_luma(Look *l, Picture p)
{
    size_t count[256] = { 0 };
    size_t n = (size_t)p.width * (size_t)p.height;
    for (size_t i = 0; i < n; i++) count[(int)luma(p.rgb + 3 * i)]++;
    size_t below = 0;
    l->low = -1;
    for (int i = 0; i < 256; i++) {
        below += count[i];
        if (l->low < 0 && below * 20 >= n) l->low = i;
        if (below * 20 <= n * 19) l->high = i;
    }
}

static const char BLANK[] = "shows nothing: all of it is nearly one colour";

static int is_blank(const Look *l) { return l->high - l->low < 8; }

/* What can be said of a picture without the others. */
static const char *fault_by_itself(const Look *l)
{
    const Photo *p = l->photo;
    if (is_blank(l)) return BLANK;
    int least = p->width < p->height ? p->width : p->height;
    int most = p->width > p->height ? p->width : p->height;
    if (most > 3 * least) return format(l->a, "is long and narrow, %dx%d", p->width, p->height);
    if (2 * least < l->side)
        return format(l->a, "is too small, %dx%d where %d are learned", p->width, p->height, l->side);
    if (l->high < 50) return "is too dark";
    if (l->low > 235) return "is too bright";
    return NULL;
}

static void look(void *to)
{
    Look *l = to;
    Photo *photo = l->photo;
    Picture p = survey_open(l->a, photo);
    double scale = (double)LOOKED_AT / (p.width > p.height ? p.width : p.height);
    if (scale < 1) p = image_resize(l->a, p, scaled(p.width, scale), scaled(p.height, scale), BOX);
    measure_luma(l, p);
    PhotoAdvice *advice = l->advice;
    advice->sharpness = variance_of_laplacian(p);
    advice->has_head = head_find(l->a, p, &advice->head);
    advice->words = portrait_words(p, advice->has_head ? &advice->head : NULL);
    double back = (double)photo->width / p.width;
    advice->head.x *= back;
    advice->head.y *= back;
    advice->head.width *= back;
}

/* ---- compared with the others -------------------------------------------------------------------- */

static void leave_out_doubles(Arena *a, const Photos *p, PhotoAdvice *advice)
{
    for (size_t i = 0; i < p->count; i++)
        for (size_t k = 0; k < i && !advice[i].why_not; k++) {
            const Photo *x = &p->photo[k];
            const Photo *y = &p->photo[i];
            if (advice[k].why_not || !survey_are_alike(x, y)) continue;
            const char *how = x->digest == y->digest ? "the same" : "nearly the same";
            advice[i].why_not = format(a, "is %s picture as %s", how, x->name);
        }
}

static int by_value(const void *x, const void *y)
{
    double a = *(const double *)x;
    double b = *(const double *)y;
    return (a > b) - (a < b);
}

static void leave_out_blurred(Arena *a, const Photos *p, PhotoAdvice *advice)
{
    enum { TO_COMPARE = 4 };
    double *sharp = allocate(a, p->count, sizeof *sharp);
    size_t n = 0;
    for (size_t i = 0; i < p->count; i++)
        if (!advice[i].why_not) sharp[n++] = advice[i].sharpness;
    if (n < TO_COMPARE) return;
    qsort(sharp, n, sizeof *sharp, by_value);
    for (size_t i = 0; i < p->count; i++)
        if (!advice[i].why_not && advice[i].sharpness < sharp[n / 2] / 10) advice[i].why_not = "is blurred";
}

/* Advice that leaves nothing is none.  But a picture that shows nothing stays out. */
static void use_all_readable(const Photos *p, PhotoAdvice *advice)
{
    for (size_t i = 0; i < p->count; i++)
        if (!advice[i].why_not) return;
    for (size_t i = 0; i < p->count; i++) {
        if (p->photo[i].fault || advice[i].why_not == BLANK) continue;
        advice[i].fault = advice[i].why_not;
        advice[i].why_not = NULL;
    }
}

PhotoAdvice *photo_advice(Arena *a, Photos *p, int side, const Callbacks *callbacks)
{
    char why[MESSAGE];
    PhotoAdvice *advice = allocate(a, p->count, sizeof *advice);
    memset(advice, 0, p->count * sizeof *advice);
    for (size_t i = 0; i < p->count; i++) {
        size_t before = mark(a);
        Photo *photo = &p->photo[i];
        Look l = { .a = a, .photo = photo, .advice = &advice[i], .side = side };
        callbacks_progress(callbacks, "looking", (int)i, (int)p->count);
        if (callbacks_stopped(callbacks)) fail_as(a, CANCELLED, "interrupted");
        if (attempt(a, look, &l, why)) photo->fault = format(a, "%s", why);
        else release(a, before);
        advice[i].why_not = photo->fault ? photo->fault : fault_by_itself(&l);
    }
    callbacks_progress(callbacks, "done", (int)p->count, (int)p->count);
    leave_out_doubles(a, p, advice);
    leave_out_blurred(a, p, advice);
    use_all_readable(p, advice);
    return advice;
}

/* ---- the best ------------------------------------------------------------------------------------ */

/* How much of the portrait that head_portrait() would cut is in the picture. */
static double part_inside(const Photo *p, Head h)
{
    double half = h.width * 64 / 58;
    double left = fmax(0, h.x - half), right = fmin(p->width, h.x + half);
    double top = fmax(0, h.y - half), bottom = fmin(p->height, h.y + half);
    return fmax(0, right - left) * fmax(0, bottom - top) / (4 * half * half);
}

size_t photo_advice_best(const Photos *p, const PhotoAdvice *advice)
{
    size_t best = 0;
    double most = -1;
    for (size_t i = 0; i < p->count; i++) {
        const PhotoAdvice *x = &advice[i];
        if (x->why_not) continue;
        double inside = part_inside(&p->photo[i], x->head);
        double score = x->has_head * (1 + 4 * x->head.likeness + inside) + 0.2 * fmin(1, x->sharpness / 500);
        if (score <= most) continue;
        most = score;
        best = i;
    }
    return best;
}

/* ---- the model ------------------------------------------------------------------------------------ */

ModelLook photo_advice_model(Arena *a, const char *model)
{
    ModelLook look;
    size_t before = mark(a);
    const Weights *weights = weights_add(a, NULL, model, MODEL_FILE);
    look.side = model_spec(a, weights, NULL).size.width;
    look.is_small = autoencoder_is_small(weights);
    release(a, before);
    return look;
}

int photo_advice_are_photographs(Arena *a, const char *model, const Photos *p, const Callbacks *callbacks)
{
    size_t before = mark(a);
    Machine machine = { .mem = a, .threads = machine_threads() };
    const Weights *weights = weights_add(a, NULL, model, MODEL_FILE);
    Run run = { .machine = &machine, .weights = weights, .frames = 1, .callbacks = callbacks };
    double error = autoencoder_error(&run, p);
    release(a, before);
    return error > MOST_RECONSTRUCTION_ERROR;
}
