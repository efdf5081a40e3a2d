/* noise.h - the noise that training adds to a picture, beyond plain normal noise: kohya's --noise_offset,
 * --adaptive_noise_scale, --multires_noise_iterations and --ip_noise_gamma. */
#ifndef NOISE_H
#define NOISE_H

#include "random.h"
#include "tensor.h"

/* By the names of kohya's options; 0: not. */
typedef struct {
    double noise_offset;
    int    noise_offset_random_strength; /* 1: each time a part of noise_offset, uniform between none and all of it */
    double adaptive_noise_scale;         /* noise_offset grows by so much of each channel's mean */
    int    multires_noise_iterations;    /* levels of the pyramid */
    double multires_noise_discount;      /* each level counts so much of the one before it */
    double ip_noise_gamma;               /* the input is noisier than the target says */
    int    ip_noise_gamma_random_strength;
} NoiseConfig;

/* Draws noise [1,h,w,c] for latents of that shape.  The arena holds what is needed while drawing. */
void noise_draw(Arena *a, const NoiseConfig *n, Tensor latents, float *noise, Rng *rng);

/* Input perturbation: what is added to the noise in x_t only.  Returns 0, and draws nothing, without ip_noise_gamma. */
int noise_draw_perturbation(const NoiseConfig *n, size_t count, float *perturbation, Rng *rng);

/* ---- parts of it, for tests ----------------------------------------------------------------------- */

/* Shifts each channel by offset_c drawn_c, where offset_c = max(0, offset + adaptive |mean of the channel|). */
void add_noise_offset(float *noise, Tensor latents, double offset, double adaptive, const float drawn[]);

/* The side of level i of the pyramid: max(1, int(side / r^i)). */
int pyramid_side(int side, double r, int i);

/* noise [h,w,c] += scale * drawn [rows,columns,c], enlarged as torch.nn.Upsample(mode="bilinear") does. */
void pyramid_noise_level(float *noise, Tensor like, const float *drawn, int rows, int columns, double scale);

/* noise / noise.std() */
void divide_by_std(float *noise, size_t n);

#endif
