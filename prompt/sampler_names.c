/* sampler_names.c - samplers and schedule types as other programs spell them.
 *
 *     name = ["k_"] sampler ["_gpu"] ["_cfg_pp"] [schedule type] ["Scheduler"]
 *
 * "k_" says that a sampler is one of k-diffusion (the web UI's API, AI Horde, NovelAI, InvokeAI 2), "_gpu" where the
 * noise is drawn (ComfyUI), "Scheduler" that it is a class of diffusers: none of them changes the sampler.  So a short
 * table of names covers many spellings.  CFG++ (H. Chung et al., 2024) is another way of guidance; the plain sampler is
 * near.
 *
 * A sampler that persona lacks has a nearest one.  A name that is not here and has no relative is refused by the
 * caller, which knows whether it was typed or pasted.
 *
 * Names of one program are those of its source; tests/sampler_spellings.txt lists them all.  Takes no memory and cannot
 * fail. */
#include "sampler_names.h"

#include <stddef.h>

/* ---- schedule types --------------------------------------------------------------------------- */

typedef struct { const char *name; ScheduleType type; } ScheduleSpelling;

/* the same types by other names */
static const ScheduleSpelling same_types[] = {
    { "default",       AUTOMATIC },
    { "discrete",      UNIFORM },                /* stable-diffusion.cpp */
    { "linspace",      UNIFORM },                /* diffusers: timestep_spacing */
    { "leading",       DDIM_UNIFORM },
    { "trailing",      SGM_UNIFORM },
    { "native",        UNIFORM },                /* NovelAI */
    { "betas",         BETA },                   /* SD.Next */
    { "AYS",           ALIGN_YOUR_STEPS },
    { NULL,            AUTOMATIC },
};

/* only behind the name of a sampler */
static const ScheduleSpelling suffixes[] = {
    { "k",             KARRAS },                 /* InvokeAI */
    { "ka",            KARRAS },                 /* the web UI's API */
    { "EDM",           KARRAS },                 /* SD.Next */
    { "exp",           EXPONENTIAL },
    { "SGM",           SGM_UNIFORM },
    { NULL,            AUTOMATIC },
};

/* schedule types that are not here, and the nearest one that is */
static const ScheduleSpelling nearest_types[] = {
    { "Polyexponential",         EXPONENTIAL },
    { "lambdas",                 EXPONENTIAL },
    { "Turbo",                   SGM_UNIFORM },
    { "DDIM Uniform",            DDIM_UNIFORM },
    { "tcd",                     LCM_UNIFORM },
    { "Align Your Steps GITS",   ALIGN_YOUR_STEPS },
    { "Align Your Steps 11",     ALIGN_YOUR_STEPS },
    { "Align Your Steps 32",     ALIGN_YOUR_STEPS },
    { "Align Your Steps Custom", ALIGN_YOUR_STEPS },
    { "GITS",                    ALIGN_YOUR_STEPS },
    { "Beta57",                  BETA },
    { "Smoothstep",              BETA },
    { "Cosine",                  BETA },
    { "Linear Quadratic",        SIMPLE },
    { "Sine",                    SIMPLE },
    { "Bong Tangent",            KL_OPTIMAL },
    { "edm_playground_v2.5",     KARRAS },
    { "Linear Log",              KARRAS },
    { "Phi",                     KARRAS },
    { "Laplace",                 KARRAS },
    { NULL,                      AUTOMATIC },
};

static int find_type(const ScheduleSpelling *table, const char *name)
{
    for (const ScheduleSpelling *s = table; s->name; s++)
        if (names_match(name, s->name)) return (int)s->type;
    return -1;
}

SpelledSchedule schedule_spelled(const char *name)
{
    int type = schedule_named(name);
    if (type < 0) type = find_type(same_types, name);
    if (type >= 0) return (SpelledSchedule){ type, 0 };
    return (SpelledSchedule){ find_type(nearest_types, name), 1 };
}

/* ---- samplers --------------------------------------------------------------------------------- */

enum { MOST_NAMES = 16 };                        /* of one row, with the NULL at the end */

/* method: its name here.  type: what the names mean by themselves; AUTOMATIC: what they mean here. */
typedef struct {
    const char  *method;
    ScheduleType type;
    int          adds_no_noise;
    const char  *names[MOST_NAMES];
} SamplerSpelling;

/* the same samplers by other names than those of sampler.c */
static const SamplerSpelling same_samplers[] = {
    { "DDIM",         AUTOMATIC,   0, { "DDIM Parallel", "BDIA DDIM", "ddim_v3", "DPM++" } },
    { "PLMS",         AUTOMATIC,   0, { "k_plms" } },
    { "Euler",        AUTOMATIC,   0, { "Euler Discrete" } },
    { "Euler",        KARRAS,      0, { "EDM Euler" } },
    { "Euler a",      AUTOMATIC,   0, { "Euler Ancestral Discrete", "Euler A Substep", "nai_smea", "nai_smea_dyn" } },
    { "Heun",         AUTOMATIC,   0, { "Heun Discrete" } },
    { "LMS",          AUTOMATIC,   0, { "LMSD", "LMS Discrete" } },
    { "DPM2",         UNIFORM,     0, { "KDPM2", "KDPM2 Discrete" } },
    { "DPM2 a",       UNIFORM,     0, { "KDPM2 a", "KDPM2 Ancestral", "KDPM2 Ancestral Discrete" } },
    { "DPM++ 2M",     UNIFORM,     0, { "dpmpp_2", "DPM Solver Multistep", "dpmsolver", "dpmsolver++" } },
    { "DPM++ 2M SDE", UNIFORM,     0, { "dpm++2m_sde_bt" } },
    { "DPM++ 2M SDE", EXPONENTIAL, 0, { "DPM++ Cosine", "Cosine DPM Solver Multistep" } },
    { "DPM++ 2S a",   UNIFORM,     0, { "dpmpp_2_a" } },
    { "DPM++ SDE",    UNIFORM,     0, { "DPM SDE", "DPM Solver SDE" } },
    { "DPM++ SDE",    KARRAS,      0, { "DPM++ SDE Substep" } },
    { "UniPC",        AUTOMATIC,   0, { "uni_pc_bh2", "UniPC Multistep" } },
    { NULL },
};

/* samplers that are not here, and the nearest one that is */
static const SamplerSpelling nearest_samplers[] = {
    { "DPM++ 2S a",   AUTOMATIC, 1, { "DPM fast", "DPM++ 1S", "dpmpp_2s", "DPM Solver Singlestep" } },
    { "DPM++ 2M",     KARRAS,    0, { "DPM adaptive", "dpm_ad" } },
    { "DPM++ 2M",     UNIFORM,   0, { "DEIS", "DEIS Multistep", "res_multistep", "res_2s", "DPM++ 3M", "DC Solver",
                                      "dpm++2mv2", "dpmpp_2m_cfg_pp" } },
    { "Heun",         KARRAS,    0, { "Restart" } },
    { "Heun",         AUTOMATIC, 0, { "HeunPP2", "Heun Ancestral" } },
    { "LMS",          AUTOMATIC, 0, { "IPNDM", "IPNDM V", "ABNorsett 4M" } },
    { "DDIM",         AUTOMATIC, 0, { "CogX DDIM" } },
    { "Euler",        AUTOMATIC, 0, { "Gradient Estimation", "euler_ge", "Euler Dy", "Euler SMEA", "Euler SMEA Dy",
                                      "Euler Max", "Euler Negative", "Euler Dy Negative", "Euler SMEA Dy Negative",
                                      "Euler Multipass" } },
    { "Euler a",      AUTOMATIC, 0, { "DDPM", "DDPM Parallel", "res_multistep_ancestral", "Kohaku LoNyu Yog",
                                      "Langevin Euler", "Euler a Multipass" } },
    { "DPM++ SDE",    AUTOMATIC, 0, { "seeds_2", "seeds_3" } },
    { "DPM++ 3M SDE", AUTOMATIC, 0, { "ER SDE", "ER SDE 2M", "ER SDE 3M", "SA Solver", "sa_solver_pece",
                                      "Extended Reverse Time SDE" } },
    { "LCM",          AUTOMATIC, 0, { "TCD Trailing", "TCD", "TDD" } },
    { NULL },
};

/* Reads what stands behind the name of a sampler into found.  -> 0 when it is not understood */
static int read_rest(const char *rest, SpelledSampler *found)
{
    const char *after = text_after_name(rest, "gpu");
    if (after) rest = after;
    after = text_after_name(rest, "cfg_pp");
    if (after) {
        found->is_near = 1;
        found->is_cfg_pp = 1;
        rest = after;
    }
    if (!*rest || names_match(rest, "Scheduler")) return 1;
    int type = find_type(suffixes, rest);
    if (type < 0) type = schedule_spelled(rest).type;
    if (type > 0) found->type = (ScheduleType)type;
    return type >= 0;
}

typedef int ReadRest(const char *rest, SpelledSampler *found);

static int read_nothing(const char *rest, SpelledSampler *found)
{
    (void)found;
    return !*rest;
}

static int find_own(const char *text, ReadRest *read, SpelledSampler *found)
{
    for (int method = 0; sampler_name(method); method++) {
        const char *names[] = { sampler_name(method), sampler_alias(method) };
        for (int i = 0; i < 2; i++) {
            const char *rest = text_after_name(text, names[i]);
            *found = (SpelledSampler){ .method = method };
            if (rest && read(rest, found)) return 1;
        }
    }
    return 0;
}

static int find_foreign(const SamplerSpelling *table, const char *text, ReadRest *read, SpelledSampler *found)
{
    for (const SamplerSpelling *s = table; s->method; s++) {
        for (const char *const *name = s->names; *name; name++) {
            ScheduleType ignored;
            *found = (SpelledSampler){
                .method = sampler_named(s->method, &ignored),
                .type = s->type,
                .is_near = table == nearest_samplers,
                .adds_no_noise = s->adds_no_noise,
            };
            const char *rest = text_after_name(text, *name);
            if (rest && read(rest, found)) return 1;
        }
    }
    return 0;
}

static int find_in_tables(const char *text, ReadRest *read, SpelledSampler *found)
{
    return find_own(text, read, found) || find_foreign(same_samplers, text, read, found) ||
           find_foreign(nearest_samplers, text, read, found);
}

/* A whole name goes before a shorter one with something behind it: "DPM++ Cosine" is not "DPM++" with a schedule. */
static int find_sampler(const char *text, SpelledSampler *found)
{
    return find_in_tables(text, read_nothing, found) || find_in_tables(text, read_rest, found);
}

ScheduleType schedule_before_automatic(int method)
{
    ScheduleType automatic = sampler_schedule(&(SamplerSetup){ .method = method });
    return automatic == KARRAS || automatic == EXPONENTIAL ? UNIFORM : AUTOMATIC;
}

/* Is this how only programs without "Automatic" spell a sampler?  A class of diffusers, or a "k_" in front. */
static int is_program_spelling(const char *name, size_t prefix)
{
    size_t n = 0;
    while (name[n]) n++;
    return prefix || (n > 9 && names_match(name + n - 9, "Scheduler"));
}

SpelledSampler sampler_spelled(const char *name)
{
    SpelledSampler found;
    int has_k = (name[0] == 'k' || name[0] == 'K') && (name[1] == '_' || name[1] == ' ' || name[1] == '-');
    size_t prefix = has_k ? 2 : 0;
    if (!find_sampler(name + prefix, &found)) return (SpelledSampler){ .method = -1 };
    int is_bare = found.type == AUTOMATIC && !found.is_near;
    if (is_bare && is_program_spelling(name, prefix)) found.type = schedule_before_automatic(found.method);
    return found;
}
