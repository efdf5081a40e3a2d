/* job_faults.c - how the faults of a drawing job are collected.
 *
 * A check that fails ends there, and the job goes on to the next one: in the end all that is wrong is told together. */
#include "work.h"

int job_try(Work *w, void (*check)(void *work))
{
    return faults_try(w->mem, w->faults, check, w);
}

void job_fault(Work *w, const char *what)
{
    faults_add(w->faults, what);
}

int is_unfound(const char *path)
{
    return path && !*path;
}
