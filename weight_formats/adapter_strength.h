/* adapter_strength.h - how strong a LoRA is: in which model, block of the UNet, step and frame. */
#ifndef ADAPTER_STRENGTH_H
#define ADAPTER_STRENGTH_H

#include "tensor.h"

/* Blocks of the UNet by the names that LDM gives them: IN00 .. IN11, M00, OUT00 .. OUT11; BASE is the text encoder. */
enum { BASE_BLOCK, FIRST_IN_BLOCK, MIDDLE_BLOCK = 13, FIRST_OUT_BLOCK, STRENGTH_BLOCKS = 26, CURVE_POINTS = 32 };

/* A strength that changes: linear between its points, constant before the first and behind the last.  Of two points at
 * one place the second counts from there on.  Positions are shares of the steps (0: the first, 1: the last), numbers of
 * steps from 0, or numbers of frames from 0. */
typedef enum { CONSTANT, STEP_SHARES, STEP_NUMBERS, FRAME_NUMBERS } CurveUnit;
typedef struct { CurveUnit unit; int count; float at[CURVE_POINTS], value[CURVE_POINTS]; } StrengthCurve;

typedef struct {
    StrengthCurve text, unet, second;      /* second: of the UNet in the second pass (hires fix) */
    int    has_second;
    double start, stop;                    /* off before this step, off from that step on; below 1: a share; 0: no */
    int    has_blocks;
    float  block[STRENGTH_BLOCKS];         /* times the strength */
    size_t rank;                           /* only the first so many of each pair's ranks; 0: all */
} LoraStrength;

/* Where a run is: step of so many, which pass, and the frames that the model sees. */
typedef struct { int step, steps, is_second_pass; const int *frame; } LoraMoment;

/* how: the parts of a tag behind its strengths, "lbw=IND:start=5", or NULL.  A curve may stand in how as
 * "unet=0@0,1@1". text, unet: what they are where `how` does not say.  Returns NULL, or what is wrong, in the arena. */
const char *strength_read(Arena *a, double text, double unet, const char *how, LoraStrength *s);

/* Is it the name of weights by block: a preset ("IND"), a block ("IN02") or some ("IN05-OUT05")? */
int   strength_is_preset(const char *name);

/* Reads "0.8" or "0@0,1@0.5".  Returns 0 when it is neither. */
int   strength_curve(Arena *a, const char *text, StrengthCurve *c);

/* The strength for the layer of this flat name (adapter_names.h).  Where it changes with the frames: its other factors;
 * strength_in_frame() has the rest. */
float strength_at(const LoraStrength *s, const char *flat, const LoraMoment *m);

/* The UNet's curve where it changes with the frames, else NULL. */
const StrengthCurve *strength_by_frame(const LoraStrength *s, const LoraMoment *m);
float strength_in_frame(const StrengthCurve *c, int frame);

#endif
