/* sampler_names.h - samplers and schedule types as other programs spell them.
 *
 * docs/samplers.md lists the spellings of a dozen programs, and what each becomes here. */
#ifndef SAMPLER_NAMES_H
#define SAMPLER_NAMES_H

#include "sampler.h"

typedef struct {
    int          method;        /* as in sampler.h; -1: no sampler here is this one or near it */
    ScheduleType type;          /* the schedule type that the name holds or means; AUTOMATIC: none */
    int          is_near;       /* 1: persona lacks this sampler, and the method is the nearest one */
    int          is_cfg_pp;     /* 1: near, and the CFG scale is that of CFG++ */
    int          adds_no_noise; /* 1: that sampler adds no noise, so the nearest one is to run with an eta of 0 */
} SpelledSampler;

/* A sampler by any name: that of the web UI, ComfyUI, diffusers, SD.Next, InvokeAI, stable-diffusion.cpp, AI Horde,
 * NovelAI, Draw Things, Fooocus or Civitai.  Case, spaces, "-" and "_" do not matter.  A schedule type may stand behind
 * it: "DPM++ 2M Karras", "dpmpp_2m_karras", "k_dpmpp_2m_ka". */
SpelledSampler sampler_spelled(const char *name);

typedef struct {
    int type;                   /* a ScheduleType; -1: none here is this one or near it */
    int is_near;                /* 1: persona lacks this type, and this is the nearest one */
} SpelledSchedule;

SpelledSchedule schedule_spelled(const char *name);

/* What a bare name of this sampler meant to programs without a choice of schedule types: the web UI before 1.9,
 * ComfyUI, stable-diffusion.cpp, diffusers.  They spaced their steps evenly, where "Automatic" now is Karras or
 * Exponential.  AUTOMATIC: what it means here, too. */
ScheduleType schedule_before_automatic(int method);

#endif
