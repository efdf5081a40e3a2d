/* machine.c - how many cores there are, and how fast they multiply.
 *
 * A job shows a plan of its time before it begins.  The plan divides the operations that a dry run has counted by the
 * speed that is measured here: operations per second of one matrix product, times the threads.
 *
 * The number of threads changes only how long a job takes, never its bytes.
 * plain.c: machine_threads() and machine_speed() do the same for one thread. */
#include "kernel.h"
#include "parallel.h"
#include "system.h"

#include <string.h>

/* Two hardware threads of a core share its multipliers, so a second one gains nothing here. */
int machine_threads(void)
{
#ifdef _OPENMP
    int threads = omp_get_num_procs();
    int most = system_cores();
    return most && most < threads ? most : threads;
#else
    return 1;
#endif
}

/* The seconds of the fastest of several runs of one product, on one thread.  It is the fastest one that counts, because
 * what else the machine does at this moment says little about the next hour. */
static double fastest_run(Machine *one, Tensor y, Tensor x, const Weight *w)
{
    double begun = system_seconds(), fastest = 1e9;
    while (system_seconds() < begun + 0.03) {
        double start = system_seconds();
        one->ops = 0;
        conv(one, y, x, w, NULL, (Conv){ .stride = 1, .scale = 1 });
        double seconds = system_seconds() - start;
        if (seconds < fastest) fastest = seconds;
    }
    return fastest;
}

double machine_speed(Machine *m)
{
    enum { PIXELS = 512, IN = 512, OUT = 256 };
    size_t before = mark(m->mem), shape[] = { OUT, IN };
    Tensor x = { .n = 1, .h = PIXELS, .w = 1, .c = IN, .x = allocate(m->mem, PIXELS * IN, sizeof(float)) };
    Tensor y = { .n = 1, .h = PIXELS, .w = 1, .c = OUT, .x = allocate(m->mem, PIXELS * OUT, sizeof(float)) };
    float *values = allocate(m->mem, OUT * IN, sizeof *values);
    Weight w = { .name = "", .data = values, .type = F32, .rank = 2, .shape = shape };
    w.bytes = OUT * IN * sizeof *values;
    Machine one = { .mem = m->mem, .threads = 1, .bf16 = m->bf16 };
    memset(x.x, 0, size(x) * sizeof *x.x);
    memset(values, 0, w.bytes);
    double seconds = fastest_run(&one, y, x, &w);
    release(m->mem, before);
    return one.ops / seconds * m->threads;
}
