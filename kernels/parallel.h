/* parallel.h - OpenMP where the compiler has it, else plain loops on one thread.  For the kernels only.
 *
 * The parallel loops share out results, never the terms of one sum.  Each number is computed by one thread, in an order
 * that does not depend on the number of threads, so 1 thread and 64 give the same bytes.  Memory is allocated before a
 * loop begins: an arena serves one thread, and failing would leave the loop. */
#ifndef PARALLEL_H
#define PARALLEL_H

#ifdef _OPENMP
#include <omp.h>
#else
#pragma GCC diagnostic ignored "-Wunknown-pragmas"      /* without OpenMP, its pragmas are left out on purpose */
#endif

/* The number of this thread in the parallel loop, 0 .. threads - 1.  It selects the thread's own scratch memory. */
static inline int thread_id(void)
{
#ifdef _OPENMP
    return omp_get_thread_num();
#else
    return 0;
#endif
}

#endif
