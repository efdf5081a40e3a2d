/* load.c - how busy the machine is with other programs while this one measures something.
 *
 * Two things tell it, and either may be blind.  A thread that computes all the time and gets less than all the time of
 * a processor shares it with somebody; but on a machine of two processors one busy program does not slow down one
 * thread, and does slow down two.  How many threads are running the system counts, where it does (Linux); but they may
 * run on processors that this program does not use, or in front of which a container stands.  So the smaller share
 * counts.
 *
 * A container's limit of processor time (system_processor_limit) looks like a busy machine, and is none: a limit below
 * one processor is taken out of what a thread should get.
 *
 * A share is an estimate from some hundredths of a second. */
#include "load.h"

#include "system.h"

#include <time.h>

/* Processor time of all threads of this program, in seconds. */
static double processor_seconds(void)
{
    return (double)clock() / CLOCKS_PER_SEC;
}

LoadMeter load_begin(void)
{
    return (LoadMeter){ .began = system_seconds(), .used = processor_seconds() };
}

void load_look(LoadMeter *m)
{
    int running = system_running("");
    if (running < 1) return;
    m->running += running;
    m->looks++;
}

double load_share_of(double used, double others, int processors, int threads)
{
    double share = used;
    double wanted = others + threads;
    if (others > 0 && processors > 0 && wanted > processors && processors / wanted < share) share = processors / wanted;
    if (share > 1) return 1;
    return share > 0.01 ? share : 0.01;
}

double load_share(const LoadMeter *m, int threads)
{
    double seconds = system_seconds() - m->began;
    double limit = system_processor_limit("");
    double expected = limit > 0 && limit < 1 ? limit * seconds : seconds;
    double used = expected > 0 ? (processor_seconds() - m->used) / expected : 1;
    double others = m->looks ? m->running / m->looks - 1 : -1;
    return load_share_of(used, others, system_processors(), threads);
}
