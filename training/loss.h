/* loss.h - how far a prediction is from its target: l2, l1, Huber loss and smooth L1 (kohya: --loss_type). */
#ifndef LOSS_H
#define LOSS_H

typedef enum { LOSS_L2, LOSS_L1, LOSS_HUBER, LOSS_SMOOTH_L1, LOSS_TYPES } LossType;
typedef enum { HUBER_SNR, HUBER_EXPONENTIAL, HUBER_CONSTANT, HUBER_SCHEDULES } HuberSchedule;

extern const char *const loss_type_names[];           /* "l2", ... by LossType; NULL after the last */
extern const char *const huber_schedule_names[];      /* "snr", ... by HuberSchedule; NULL after the last */

/* By the names of kohya's options. */
typedef struct {
    LossType      loss_type;
    HuberSchedule huber_schedule;
    double        huber_c, huber_scale;
} LossConfig;

/* The loss of one timestep: c is where Huber loss turns from a square to a straight line. */
typedef struct { LossType type; double c; } Loss;

/* alpha_bar: of timestep t, which is one of `timesteps`.
 * kohya: library/train_util.py, get_huber_threshold_if_needed. */
Loss loss_at(const LossConfig *l, int timestep, int timesteps, double alpha_bar);

/* The loss of one element, error = prediction - target, and its derivative by the prediction.
 * kohya: library/train_util.py, conditional_loss. */
double loss_of(Loss l, double error, double *derivative);

#endif
