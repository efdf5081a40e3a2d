/* upscale_method.c - how a finished picture becomes larger.
 *
 * Two ways need no file, and have the names that the web UI gives them.  Everything else is the name of a network's
 * file; a file of one of these names is meant by its path, "./Lanczos". */
#include "upscale_method.h"

#include "chars.h"

static const char *const names[] = {
    [NOT_UPSCALED] = "None", [BY_NEAREST] = "Nearest", [BY_LANCZOS] = "Lanczos", [BY_NETWORK] = "a network",
};

const char *upscale_method_name(UpscaleMethod method) { return names[method]; }

UpscaleMethod upscale_method(const char *name)
{
    if (!name) return NOT_UPSCALED;
    for (int i = NOT_UPSCALED; i < BY_NETWORK; i++)
        if (same(name, names[i])) return (UpscaleMethod)i;
    return BY_NETWORK;
}
