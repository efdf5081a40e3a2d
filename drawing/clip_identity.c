/* clip_identity.c - all that the pixels of a drawing job depend on, by name.
 *
 * Two jobs whose lists are equal draw the same pixels, so one can go on where the other was interrupted
 * (clip_state.c).  What is in a file counts, and not where the file lies.  The prompts count twice: as text, so that a
 * message can show it, and as the vectors that they became, which hold the embeddings and LoRAs of the text encoder,
 * and tell when another machine computes otherwise.
 *
 * What changes no pixel is not in the list: threads, frames a second, previews, the format of the result.  A field that
 * is added to the job must be added here; tests/test_goes_on.sh tries every option of drawing. */
#include "clip_identity.h"

#include "adapter_file.h"
#include "chars.h"
#include "files.h"

#include <stddef.h>
#include <stdio.h>
#include <string.h>

typedef enum { TEXT, INTEGER, REAL } FieldType;

static const struct { const char *name; FieldType type; size_t field; const char *usual; } fields[] = {
    { "Prompt",                TEXT,    offsetof(Job, prompt),         "" },
    { "Negative prompt",       TEXT,    offsetof(Job, negative),       "" },
    { "Width",                 INTEGER, offsetof(Job, width),          NULL },
    { "Height",                INTEGER, offsetof(Job, height),         NULL },
    { "Frames",                INTEGER, offsetof(Job, frames),         NULL },
    { "Steps",                 INTEGER, offsetof(Job, steps),          NULL },
    { "Sampler",               TEXT,    offsetof(Job, sampler),        "DDIM" },
    { "Schedule type",         TEXT,    offsetof(Job, schedule),       "Automatic" },
    { "CFG scale",             REAL,    offsetof(Job, cfg),            NULL },
    { "CFG rescale",           REAL,    offsetof(Job, cfg_rescale),    NULL },
    { "Eta",                   REAL,    offsetof(Job, eta),            NULL },
    { "Clip skip",             INTEGER, offsetof(Job, clip_skip),      NULL },
    { "RNG",                   TEXT,    offsetof(Job, rng),            "CPU" },
    { "Prediction type",       TEXT,    offsetof(Job, prediction),     "that of the model" },
    { "Noise Schedule",        TEXT,    offsetof(Job, noise_schedule), "that of the model" },
    { "Precision",             TEXT,    offsetof(Job, precision),      "f32" },
    { "Context",               INTEGER, offsetof(Job, context),        NULL },
    { "Stride",                INTEGER, offsetof(Job, stride),         NULL },
    { "Overlap",               INTEGER, offsetof(Job, overlap),        NULL },
    { "Closed loop",           TEXT,    offsetof(Job, loop),           "N" },
    { "Motion strength",       TEXT,    offsetof(Job, motion_strength), "1" },
    { "Mask blur",             REAL,    offsetof(Job, mask_blur),      NULL },
    { "Masked content",        TEXT,    offsetof(Job, masked_content), "original" },
    { "Denoising strength",    REAL,    offsetof(Job, strength),       NULL },
    { "Last strength",         REAL,    offsetof(Job, last_strength),  NULL },
    { "Latent power",          REAL,    offsetof(Job, latent_power),   NULL },
    { "Latent scale",          REAL,    offsetof(Job, latent_scale),   NULL },
    { "Latent power last",     REAL,    offsetof(Job, latent_power_last), NULL },
    { "Latent scale last",     REAL,    offsetof(Job, latent_scale_last), NULL },
    { "Hires upscale",         REAL,    offsetof(Job, hires),          NULL },
    { "Hires steps",           INTEGER, offsetof(Job, hires_steps),    NULL },
    { "Hires upscaler",        TEXT,    offsetof(Job, hires_upscaler), "Latent" },
    { "Upscale by",            REAL,    offsetof(Job, upscale_by),     NULL },
    { "Face pass",             REAL,    offsetof(Job, face_pass),      NULL },
    { "Face prompt",           TEXT,    offsetof(Job, face_prompt),    "" },
};
enum { FIELDS = sizeof fields / sizeof *fields };

static void add(ClipIdentity *id, const char *key, const char *value)
{
    id->entry[id->count++] = (KeyValue){ key, value };
}

static const char *field_text(Arena *a, const Job *job, size_t i)
{
    const char *at = (const char *)job + fields[i].field;
    switch (fields[i].type) {
    case INTEGER: return format(a, "%d", *(const int *)at);
    case REAL:    return format(a, "%.17g", *(const double *)at);
    default:      break;
    }
    const char *text = *(const char *const *)at;
    return text ? text : fields[i].usual;
}

static void digest_text(uint64_t h, char text[DIGEST_TEXT])
{
    snprintf(text, DIGEST_TEXT, "%016llx", (unsigned long long)h);
}

/* "0.8:0.8:, 1:0.5:lbw=IND" */
static const char *strengths(Arena *a, const Job *job)
{
    const char *text = "";
    for (size_t i = 0; i < job->loras; i++) {
        const LoraUse *use = &job->lora[i];
        const char *how = use->how ? use->how : "";
        text = format(a, "%s%s%.9g:%.9g:%s", text, i ? ", " : "", (double)use->text, (double)use->unet, how);
    }
    return text;
}

static const char *picture_said(Arena *a, Picture p, int frames)
{
    if (!p.rgb) return "none";
    uint64_t h = digest(0, p.rgb, (size_t)p.width * (size_t)p.height * 3 * (size_t)frames);
    const char *what = frames > 1 ? "a clip" : "a picture";
    return format(a, "%s of digest %016llx", what, (unsigned long long)h);
}

static const char *mask_said(Arena *a, Mask m)
{
    if (!m.white) return "none";
    uint64_t h = digest(0, m.white, (size_t)m.width * (size_t)m.height);
    return format(a, "a mask of digest %016llx", (unsigned long long)h);
}

void clip_identity_begin(Arena *a, ClipIdentity *id, const Job *job, Picture init, int frames, Picture last,
                         Mask mask, const char *upscaler)
{
    *id = (ClipIdentity){ .count = 0 };
    for (size_t i = 0; i < FIELDS; i++) add(id, fields[i].name, field_text(a, job, i));
    add(id, "Seed", format(a, "%llu", (unsigned long long)job->seed));
    add(id, "Init image", picture_said(a, init, frames));
    add(id, "Last image", picture_said(a, last, 1));
    add(id, "Mask", mask_said(a, mask));
    add(id, "Upscaler", upscaler);
    add(id, "the strengths of the LoRAs", strengths(a, job));
    add(id, "the weights of the model, VAE and motion module", id->model);
    add(id, "the weights of the LoRAs", id->lora);
    add(id, "what the words become (embeddings, or another machine)", id->conditioning);
}

static uint64_t digest_weight(uint64_t h, const Weight *w)
{
    h = digest(h, w->name, strlen(w->name));
    return digest(h, w->data, w->bytes);
}

/* The sum over all tensors, so that their order does not matter.  Their memory is given back on the way: all of them at
 * once would be the most memory of the whole job. */
static uint64_t digest_model(Arena *a, const Weights *weights)
{
    uint64_t sum = 0;
    const Weight *w;
    for (size_t i = 0; (w = weights_at(weights, i)); i++) {
        sum += digest_weight(0, w);
        files_trim(a);
    }
    return sum;
}

static uint64_t digest_lora(Arena *a, uint64_t h, const LoraFile *l)
{
    for (size_t i = 0; i < l->file->count; i++) h = digest_weight(h, &l->file->weight[i]);
    if (l->config.at) h = digest(h, l->config.at, (size_t)(l->config.end - l->config.at));
    files_trim(a);
    return h;
}

void clip_identity_weights(Arena *a, ClipIdentity *id, const Weights *weights, const Lora *lora)
{
    uint64_t h = 0;
    if (*id->model) return;
    for (size_t i = 0; lora && i < lora->count; i++) h = digest_lora(a, h, &lora->file[i]);
    digest_text(h, id->lora);
    digest_text(digest_model(a, weights), id->model);
}

void clip_identity_condition(ClipIdentity *id, const float *x, size_t n)
{
    uint64_t h = digest(0, id->conditioning, strlen(id->conditioning));
    digest_text(digest(h, x, n * sizeof *x), id->conditioning);
}
