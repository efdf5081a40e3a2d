/* masks.c - masked loss.
 *
 * A mask says how much each place of a picture counts in the loss: white (or opaque) all of it, black (or transparent)
 * not at all.  So a face can be learned and the wall behind it not.  The model still sees the wall; it is only never
 * told that it was wrong there.  The mean is over all places, so a small mask learns more slowly.
 *
 * As in kohya's trainer (library/custom_train_functions.py, apply_masked_loss) a mask is a picture's red channel, or
 * the alpha channel of the training image itself.  It is resized and cropped with the picture, and then to latent
 * pixels by the mean over each 8 x 8 block:
 *     mask_image = torch.nn.functional.interpolate(mask_image, size=loss.shape[2:], mode="area")
 *
 * Unlike there, a picture without its mask is an error instead of being learned whole, and so is a mask that is black
 * everywhere.  All masks are read once before training, so that the last one is not refused after hours. */
#include "masks.h"

#include "chars.h"
#include "files.h"
#include "image.h"
#include "training_config.h"
#include "vae.h"

static const char *const endings[] = { ".png", ".jpg", ".jpeg", ".webp", ".bmp", NULL };

static const char *mask_beside(Arena *a, const char *folder, const Photo *photo)
{
    const char *stem = without_extension(a, file_name(photo->path));
    for (size_t i = 0; endings[i]; i++) {
        const char *path = format(a, "%s/%s%s", folder, stem, endings[i]);
        if (file_is(path)) return path;
    }
    return NULL;
}

/* masked_loss alone means the alpha channel.  (kohya's trainer then masks nothing, without a word.) */
static void find_mask(Arena *a, Photo *photo)
{
    const TrainingConfig *c = photo->config;
    if (c->conditioning_data_dir) photo->mask = mask_beside(a, c->conditioning_data_dir, photo);
    else photo->mask_is_alpha = c->alpha_mask || c->masked_loss;
}

void masks_find(Arena *a, Photos *p)
{
    enum { MOST_NAMED = 10 };
    const char *folder = "";
    StringBuilder missing = string_builder(a);
    size_t count = 0;
    for (size_t i = 0; i < p->count; i++) {
        Photo *photo = &p->photo[i];
        if (photo->role == CLASS_IMAGE) continue;
        find_mask(a, photo);
        if (photo->mask || !photo->config->conditioning_data_dir || ++count > MOST_NAMED) continue;
        folder = photo->config->conditioning_data_dir;
        string_builder_add(&missing, count > 1 ? ", " : "");
        string_builder_add(&missing, photo->name);
    }
    const char *more = count > MOST_NAMED ? format(a, " and %zu more", count - MOST_NAMED) : "";
    if (count)
        fail(a, "%s: has no mask for %s%s; expected a picture of the same name for each, white where it is to be "
                "learned", folder, missing.text, more);
}

/* The mask as a grey picture, in the pixels that the photo is resized and cropped to. */
static Picture mask_picture(Arena *a, const Photo *photo)
{
    const Bucket *b = &photo->bucket;
    Picture p = photo->mask_is_alpha ? image_open_alpha(a, photo->path) : image_open(a, photo->mask);
    /* as wide for its height as the photo is, to a pixel */
    long long across = (long long)p.width * photo->height;
    long long down = (long long)p.height * photo->width;
    long long apart = across > down ? across - down : down - across;
    if (apart > (photo->width > photo->height ? photo->width : photo->height))
        fail(a, "%s: is %dx%d, expected the shape of %s, which is %dx%d", photo->mask, p.width, p.height, photo->path,
             photo->width, photo->height);
    int shrinks = p.width >= b->wide && p.height >= b->high;
    p = image_resize(a, p, b->wide, b->high, shrinks ? BOX : LANCZOS);
    return image_center_crop(a, p, b->width, b->height);
}

/* The mean of the red channel over the 8 x 8 pixels of latent pixel (x, y), 0 to 1. */
static float block_mean(Picture p, int x, int y)
{
    unsigned sum = 0;
    for (int j = y * FACTOR; j < (y + 1) * FACTOR; j++)
        for (int i = x * FACTOR; i < (x + 1) * FACTOR; i++)
            sum += p.rgb[3 * ((size_t)j * (size_t)p.width + (size_t)i)];
    return (float)sum / (255.0f * FACTOR * FACTOR);
}

static int has_mask(const Photo *photo) { return photo->mask || photo->mask_is_alpha; }

float *mask_read(Arena *a, const Photo *photo, int mirrored)
{
    if (!has_mask(photo)) return NULL;
    int height = photo->bucket.height / FACTOR;
    int width = photo->bucket.width / FACTOR;
    float *mask = allocate(a, (size_t)height * (size_t)width, sizeof *mask);
    float most = 0;
    size_t before = mark(a);
    Picture p = mask_picture(a, photo);
    for (int y = 0; y < height; y++)
        for (int x = 0; x < width; x++) {
            int column = mirrored ? width - 1 - x : x;
            float mean = block_mean(p, x, y);
            mask[(size_t)y * (size_t)width + (size_t)column] = mean;
            if (mean > most) most = mean;
        }
    release(a, before);
    const char *where = photo->mask_is_alpha ? photo->path : photo->mask;
    if (!(most > 0)) fail(a, "%s: as a mask it is black everywhere, so nothing would be learned of the picture", where);
    return mask;
}

/* covers: 1 when the mask leaves a place out */
typedef struct { Arena *a; const Photo *photo; int covers; } Trial;

static void try_mask(void *trial)
{
    Trial *t = trial;
    const float *mask = mask_read(t->a, t->photo, 0);
    int places = t->photo->bucket.height / FACTOR * (t->photo->bucket.width / FACTOR);
    for (int i = 0; mask && i < places; i++)
        if (mask[i] < 1) t->covers = 1;
}

static void say_masks(Arena *a, const Callbacks *callbacks, size_t masks, size_t covering)
{
    if (masks && !covering)
        callbacks_say(callbacks, "warning: no mask leaves anything out: all of each picture is learned; a mask is "
                      "transparent, or black in --conditioning_data_dir, where nothing is to be learned");
    else if (masks)
        callbacks_say(callbacks, "masked loss: %s of %zu leave a part out", amount(a, covering, "mask"), masks);
}

void masks_check(Arena *a, const Photos *p, const Callbacks *callbacks)
{
    enum { MOST_SAID = MESSAGE / 2 };
    char why[MESSAGE];
    size_t wrong = 0;
    size_t masks = 0;
    size_t covering = 0;
    size_t said = 0;
    StringBuilder text = string_builder(a);
    for (size_t i = 0; i < p->count; i++) {
        size_t before = mark(a);
        Trial t = { .a = a, .photo = &p->photo[i] };
        if (!has_mask(t.photo)) continue;
        if (callbacks_stopped(callbacks)) fail_as(a, CANCELLED, "interrupted");
        int is_wrong = attempt(a, try_mask, &t, why) != 0;
        if (!is_wrong) release(a, before);
        wrong += (size_t)is_wrong;
        masks++;
        covering += (size_t)t.covers;
        if (!is_wrong || text.n > MOST_SAID) continue;
        string_builder_add(&text, format(a, "\n  %s", why));
        said++;
    }
    if (said < wrong) string_builder_add(&text, format(a, "\n  and %zu more", wrong - said));
    if (wrong) fail(a, "masks that cannot be used:%s", text.text);
    say_masks(a, callbacks, masks, covering);
}
