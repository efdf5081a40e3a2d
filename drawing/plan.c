/* plan.c - what a drawing job takes, in words.
 *
 * The time is the number of floating point operations over the speed of this machine, which is measured now: the kernel
 * that does most of the work runs for a moment.  What else runs on the machine at that moment is told. */
#include "plan.h"

#include "chars.h"

static const char *duration(Arena *a, double seconds)
{
    if (seconds < 1) seconds = 1;
    if (seconds < 90) return format(a, "%.0f s", seconds);
    if (seconds < 5400) return format(a, "%.0f min", seconds / 60);
    return format(a, "%.1f h", seconds / 3600);
}

double plan_seconds(Arena *a, const Plan *p)
{
    Machine machine = { .mem = a, .threads = p->threads, .bf16 = p->bf16 };
    return p->ops / machine_speed(&machine).now;
}

const char *plan_time(Arena *a, double ops, Machine *machine)
{
    const double LITTLE = 0.8;           /* of the processor; more is about all */
    MachineSpeed speed = machine_speed(machine);
    const char *load = "";
    if (speed.now < LITTLE * speed.alone)
        load = format(a, ", measured while other programs were using the processor; alone it would be about %s",
                      duration(a, ops / speed.alone));
    return format(a, "about %s on %s%s", duration(a, ops / speed.now), amount(a, (size_t)machine->threads, "thread"),
                  load);
}

void plan_say(Arena *a, const Plan *p, const Callbacks *callbacks)
{
    if (!callbacks || !callbacks->say) return;
    size_t before = mark(a);
    Machine machine = { .mem = a, .threads = p->threads, .bf16 = p->bf16 };
    callbacks_say(callbacks, "plan: %.2f GB of memory (%.2f GB of it the mapped weights), %s", (double)p->memory / 1e9,
                  (double)p->mapped / 1e9, plan_time(a, p->ops, &machine));
    release(a, before);
}
