/* machine.c - how many cores there are, and how fast they multiply.
 *
 * A job shows a plan of its time before it begins.  The plan divides the operations that a dry run has counted by the
 * speed that is measured here: operations per second of one matrix product, times the threads.  Other programs that
 * use the processor meanwhile make a job slower, as long as they do; both speeds are told.
 *
 * The number of threads changes only how long a job takes, never its bytes.
 * plain.c: machine_threads() and machine_speed() do the same for one thread. */
#include "kernel.h"
#include "load.h"
#include "parallel.h"
#include "system.h"

#include <math.h>
#include <string.h>

#ifdef _OPENMP

static int least(int x, int y) { return x < y ? x : y; }

/* The number at the start of OMP_NUM_THREADS, "4" or "4,2" for loops within loops; 0 when it is not set, or no number
 * above 0, which OpenMP itself ignores (OpenMP 5.2, 21.1.2). */
static int asked_threads(void)
{
    enum { MOST = 1024 };                /* as of --threads */
    const char *text = system_environment("OMP_NUM_THREADS");
    int threads = 0;
    if (!text) return 0;
    text += strspn(text, " \t+");
    for (; *text >= '0' && *text <= '9'; text++) threads = least(10 * threads + *text - '0', MOST);
    text += strspn(text, " \t");
    return !*text || *text == ',' ? threads : 0;
}

/* Two hardware threads of a core share its multipliers, so a second one gains nothing here.  A part of a processor's
 * time counts as one: with a limit of 1.5, two threads do more than one. */
static int usable_threads(void)
{
    int threads = omp_get_num_procs();
    int cores = system_cores("");
    double limit = system_processor_limit("");
    if (cores) threads = least(threads, cores);
    if (limit > 0 && limit < threads) threads = (int)ceil(limit);
    return threads;
}

int machine_threads(void)
{
    int asked = asked_threads();
    return least(asked ? asked : usable_threads(), omp_get_thread_limit());      /* OMP_THREAD_LIMIT */
}

#else

int machine_threads(void) { return 1; }

#endif

/* The seconds of the fastest of several runs of one product, on one thread.  It is the fastest one that counts: what
 * else the machine does at this moment only makes them slower, and is told apart. */
static double fastest_run(Machine *one, Tensor y, Tensor x, const Weight *w, LoadMeter *load)
{
    double begun = system_seconds(), fastest = 1e9;
    while (system_seconds() < begun + 0.03) {
        double start = system_seconds();
        one->ops = 0;
        conv(one, y, x, w, NULL, (Conv){ .stride = 1, .scale = 1 });
        double seconds = system_seconds() - start;
        load_look(load);
        if (seconds < fastest) fastest = seconds;
    }
    return fastest;
}

/* Threads that compute at the same time: OpenMP gives no more than its limit, a container no more than its time. */
static double threads_at_once(int threads)
{
    double limit = system_processor_limit("");
    double at_once = threads;
#ifdef _OPENMP
    at_once = least(threads, omp_get_thread_limit());
#endif
    return limit > 0 && limit < at_once ? limit : at_once;
}

MachineSpeed machine_speed(Machine *m)
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
    LoadMeter load = load_begin();
    double seconds = fastest_run(&one, y, x, &w, &load);
    release(m->mem, before);
    double alone = one.ops / seconds * threads_at_once(m->threads);
    return (MachineSpeed){ .alone = alone, .now = alone * load_share(&load, m->threads) };
}
