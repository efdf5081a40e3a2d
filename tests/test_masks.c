/* test_masks.c - masks of the loss: found beside the pictures, cropped as they are, shrunk by area as torch does it,
 * and refused where they cannot be meant.  The golden is that of golden_loss.py.  Run from the repository's root. */
#include "hash_weights.h"
#include "image.h"
#include "masks.h"
#include "output.h"
#include "png.h"
#include "system.h"
#include "test.h"
#include "training_config.h"

#include <math.h>
#include <stdlib.h>
#include <string.h>

enum { H = 20, W = 12 };

typedef struct { Arena *a; const char *folder; Photo photo; Photos photos; } Case;

/* Writes a grey picture whose pixels are those of `grey` [height,width]. */
static void write_grey(Case *c, const char *name, int width, int height, const unsigned char *grey)
{
    size_t n = (size_t)width * (size_t)height;
    size_t size;
    unsigned char *rgb = allocate(c->a, n, 3);
    for (size_t i = 0; i < 3 * n; i++) rgb[i] = grey[i / 3];
    unsigned char *png = png_encode(rgb, width, height, NULL, &size);
    FILE *f = fopen(format(c->a, "%s/%s", c->folder, name), "wb");
    CHECK(f && png && fwrite(png, 1, size, f) == size);
    if (f) fclose(f);
    free(png);
}

static Photo photo_of(const char *path, const char *mask)
{
    return (Photo){ .path = path, .name = path, .mask = mask, .width = 8 * W, .height = 8 * H,
                    .bucket = { .width = 8 * W, .height = 8 * H, .wide = 8 * W, .high = 8 * H } };
}

/* torch.nn.functional.interpolate(mode="area"), to half a step of a byte */
static void by_area(Case *c)
{
    unsigned char grey[64 * H * W];
    const WeightFile *golden = safetensors_open(c->a, "tests/golden/loss.golden");
    const Weight *expected = file_weight(golden, "mask");
    for (size_t i = 0; i < sizeof grey; i++) grey[i] = (unsigned char)lround((hash_value("mask", i) / 2 + 0.5) * 255);
    write_grey(c, "a.png", 8 * W, 8 * H, grey);
    Photo photo = photo_of("a.jpg", format(c->a, "%s/a.png", c->folder));
    const float *mask = mask_read(c->a, &photo, 0);
    const float *mirrored = mask_read(c->a, &photo, 1);
    double worst = 0;
    CHECK(expected);
    for (size_t i = 0; expected && i < H * W; i++) {
        worst = fmax(worst, fabs((double)mask[i] - (double)((const float *)expected->data)[i]));
        CHECK(!(fabsf(mask[i] - mirrored[i / W * W + W - 1 - i % W]) > 0));
    }
    printf("  mask by area: %.2g of %.2g\n", worst, 0.5 / 255);
    CHECK(worst < 0.5 / 255);
}

/* The alpha channel of PNGs of several kinds, as Pillow has it. */
static void alpha(Case *c)
{
    static const char *const modes[] = { "RGBA", "LA", "P", "RGB" };
    const WeightFile *golden = safetensors_open(c->a, "tests/golden/loss.golden");
    for (size_t k = 0; k < sizeof modes / sizeof *modes; k++) {
        const Weight *png = file_weight(golden, format(c->a, "alpha.%s.png", modes[k]));
        const Weight *expected = file_weight(golden, format(c->a, "alpha.%s", modes[k]));
        const char *path = format(c->a, "%s/alpha.png", c->folder);
        FILE *f = fopen(path, "wb");
        CHECK(png && expected && f && fwrite(png->data, 1, png->bytes, f) == png->bytes);
        if (f) fclose(f);
        Picture p = image_open_alpha(c->a, path);
        size_t others = 0;
        for (size_t i = 0; i < 3 * expected->bytes; i++)
            if (p.rgb[i] != ((const unsigned char *)expected->data)[i / 3]) others++;
        CHECK_MSG(p.width == W && p.height == H && !others, "%zu values of %s are others", others, modes[k]);
    }
}

/* A photo of 2:1 that is cropped to a square: so is its mask, which is half as large. */
static void cropped(Case *c)
{
    unsigned char grey[32 * 16];
    for (int i = 0; i < 32 * 16; i++) grey[i] = i % 32 >= 16 ? 255 : 0;
    write_grey(c, "wide.png", 32, 16, grey);
    Photo photo = photo_of("wide.jpg", format(c->a, "%s/wide.png", c->folder));
    photo.width = 64;
    photo.height = 32;
    photo.bucket = (Bucket){ .width = 32, .height = 32, .wide = 64, .high = 32 };
    const float *mask = mask_read(c->a, &photo, 0);
    CHECK(mask[0] < 0.01f && mask[3] > 0.99f);
}

static void find(void *to)
{
    Case *c = to;
    masks_find(c->a, &c->photos);
}

static void read_photo(void *to)
{
    Case *c = to;
    mask_read(c->a, &c->photo, 0);
}

static void check_all(void *to)
{
    Case *c = to;
    masks_check(c->a, &c->photos, NULL);
}

static void refuses(Case *c, void (*work)(void *), const char *words)
{
    char message[MESSAGE] = "";
    CHECK(attempt(c->a, work, c, message));
    CHECK_MSG(strstr(message, words), "%s, expected: %s", message, words);
}

static void wrong(Case *c)
{
    unsigned char black[16 * 16] = { 0 };
    TrainingConfig config = { .masked_loss = 1, .conditioning_data_dir = c->folder };
    Photo list[3] = { photo_of("x/a.jpg", NULL), photo_of("x/b.jpg", NULL), photo_of("x/c.jpg", NULL) };
    for (size_t i = 0; i < 3; i++) list[i].config = &config;
    c->photos = (Photos){ .photo = list, .count = 3 };
    refuses(c, find, "has no mask for x/b.jpg, x/c.jpg; expected");
    c->photos.count = 1;
    find(c);
    CHECK(list[0].mask && strstr(list[0].mask, "a.png"));
    list[1].role = CLASS_IMAGE;
    c->photos.count = 2;
    find(c);
    CHECK(!list[1].mask && !mask_read(c->a, &list[1], 0));
    write_grey(c, "black.png", 16, 16, black);
    c->photo = photo_of("black.jpg", format(c->a, "%s/black.png", c->folder));
    refuses(c, read_photo, "black.png: is 16x16, expected the shape of black.jpg, which is 96x160");
    c->photo.width = 16;
    c->photo.height = 16;
    c->photo.bucket = (Bucket){ .width = 16, .height = 16, .wide = 16, .high = 16 };
    refuses(c, read_photo, "black everywhere");
    Photo three[3] = { photo_of("x.jpg", "lost.png"), photo_of("a.jpg", format(c->a, "%s/a.png", c->folder)), c->photo };
    c->photos = (Photos){ .photo = three, .count = 3 };
    refuses(c, check_all, "lost.png: ");
    refuses(c, check_all, "black.png: as a mask it is black everywhere");
    three[0] = three[1];
    c->photos.count = 2;
    check_all(c);
    c->photos = (Photos){ .photo = list, .count = 2 };
    config.conditioning_data_dir = NULL;
    find(c);
    CHECK(list[0].mask_is_alpha && !list[1].mask_is_alpha);
}

static void run(void *to)
{
    Case *c = to;
    c->folder = format(c->a, "%s/persona-masks-%ld", system_temporary_folder(), system_process_id());
    system_folder_make(c->folder);
    by_area(c);
    alpha(c);
    cropped(c);
    wrong(c);
    static const char *const written[] = { "a.png", "wide.png", "black.png", "alpha.png" };
    for (size_t i = 0; i < sizeof written / sizeof *written; i++) remove(format(c->a, "%s/%s", c->folder, written[i]));
    system_folder_remove(c->folder);
}

int main(void)
{
    char message[MESSAGE];
    Case c = { .a = arena_new() };
    CHECK_MSG(!attempt(c.a, run, &c, message), "%s", message);
    arena_free(c.a);
    return done();
}
