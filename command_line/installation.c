/* installation.c - where other programs keep their weights.
 *
 * People have a Stable Diffusion web UI or ComfyUI already, with gigabytes of models in its tree of folders.  The root
 * of such a tree is known by one folder that only this program has.  Then not all below it is searched (its Python
 * environment alone has thousands of folders) but the folders of a table.
 *
 * Sources: the web UI's modules/paths.py, sd_models.py and extensions-builtin/Lora; SD.Next and Forge, which have the
 * same tree; ComfyUI's folder_paths.py; sd-webui-animatediff; ComfyUI-AnimateDiff-Evolved and ComfyUI-AnimateDiff. */
#include "installation.h"

#include "chars.h"
#include "system.h"

static const char *const webui[] = {
    "models/Stable-diffusion", "models/Lora", "models/LyCORIS", "models/VAE", "embeddings", "models/embeddings",
    "models/Diffusers", "models/ControlNet", "models/AnimateDiff", "models/RealESRGAN", "models/ESRGAN",
    "models/VAE-approx",
    "extensions/sd-webui-animatediff/model", "extensions/sd-webui-controlnet/models",
    "extensions/sd-webui-additional-networks/models/lora", NULL
};

static const char *const comfyui[] = {
    "models/checkpoints", "models/loras", "models/vae", "models/embeddings", "models/diffusers",
    "models/diffusion_models", "models/unet", "models/controlnet", "models/upscale_models", "models/vae_approx",
    "models/animatediff_models", "models/animatediff_motion_lora",
    "custom_nodes/ComfyUI-AnimateDiff-Evolved/models", "custom_nodes/ComfyUI-AnimateDiff-Evolved/motion_lora",
    "custom_nodes/comfyui-animatediff-evolved/models", "custom_nodes/comfyui-animatediff-evolved/motion_lora",
    "custom_nodes/ComfyUI-AnimateDiff/models", "custom_nodes/comfyui-animatediff/models", "input", NULL
};

static const Installation installations[] = {
    { "the Stable Diffusion web UI", "models/Stable-diffusion", webui, NULL },
    { "ComfyUI", "models/checkpoints", comfyui, "extra_model_paths.yaml" },
};

const Installation *installation_at(Arena *a, const char *folder)
{
    for (size_t i = 0; i < sizeof installations / sizeof *installations; i++) {
        size_t before = mark(a);
        int is_there = folder_is(format(a, "%s/%s", folder, installations[i].marker));
        release(a, before);
        if (is_there) return &installations[i];
    }
    return NULL;
}

const char *installation_usual_place(size_t i)
{
    static const char *const places[] = {
        "stable-diffusion-webui", "stable-diffusion-webui-forge", "automatic", "sdnext", "ComfyUI", "Documents/ComfyUI",
    };
    return i < sizeof places / sizeof *places ? places[i] : NULL;
}

const char *path_with_home(Arena *a, const char *path)
{
    const char *home = system_environment("HOME");
    int is_at_home = path[0] == '~' && (!path[1] || path[1] == '/');
    return is_at_home && home ? format(a, "%s%s", home, path + 1) : path;
}

int installation_is_clutter(const char *name)
{
    static const char *const names[] = { "venv", "node_modules", "__pycache__", "site-packages" };
    for (size_t i = 0; i < sizeof names / sizeof *names; i++)
        if (same(name, names[i])) return 1;
    return 0;
}
