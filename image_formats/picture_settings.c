/* picture_settings.c - the settings that a picture was made with.
 *
 * The web UI and its relatives write infotext into EXIF's UserComment, Fooocus into the same tag in another directory,
 * older forks of it into a JPEG's comment.  ComfyUI's WebP has its graph where cameras put their name.
 * stable-diffusion.cpp and Draw Things use XMP.  PNG files have texts, GIF files a comment.
 *
 * Cameras, phones and editors write words in all these places too.  So what is found counts only when it looks like
 * settings: infotext has keys like "Steps: ", the others are JSON.  The first that does is taken.  Any bytes may be
 * asked: a broken file has no settings, and this is not a failure. */
#include "picture_settings.h"

#include "exif.h"
#include "gif_comment.h"
#include "picture_info.h"

#include <string.h>

/* Infotext has one of these keys, JSON begins with a bracket, and ComfyUI's WebP names its graph before it. */
static int is_settings(const char *text)
{
    static const char *const keys[] = { "Steps: ", "Negative prompt: ", "Seed: ", "Sampler: " };
    for (size_t i = 0; i < sizeof keys / sizeof *keys; i++)
        if (strstr(text, keys[i])) return 1;
    return *text == '{' || !strncmp(text, "prompt:{", 8) || !strncmp(text, "workflow:{", 10);
}

static const char *settings_in(Arena *a, const PictureInfo *info)
{
    static const int tags[] = {
        EXIF_USER_COMMENT, EXIF_IMAGE_DESCRIPTION, EXIF_XP_COMMENT, EXIF_MODEL, EXIF_MAKE,
    };
    static const char *const properties[] = { "sdcpp:parameters", "exif:UserComment", "dc:description" };
    for (size_t i = 0; i < sizeof info->comment / sizeof *info->comment; i++)
        if (info->comment[i] && is_settings(info->comment[i])) return info->comment[i];
    for (size_t i = 0; i < sizeof tags / sizeof *tags; i++) {
        const char *text = exif_text(a, info->exif, tags[i]);
        if (text && is_settings(text)) return text;
    }
    for (size_t i = 0; i < sizeof properties / sizeof *properties; i++) {
        const char *text = xmp_text(a, info->xmp, properties[i]);
        if (text && is_settings(text)) return text;
    }
    return NULL;
}

const char *picture_settings(Arena *a, const uint8_t *bytes, size_t n)
{
    PictureInfo info = picture_info(a, bytes, n);
    if (n >= 4 && !memcmp(bytes, "GIF8", 4)) info.comment[0] = arena_own(a, gif_comment(bytes, n));
    return settings_in(a, &info);
}
