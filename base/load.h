/* load.h - how busy the machine is with other programs while this one measures something. */
#ifndef LOAD_H
#define LOAD_H

/* A measurement by one thread.  Begin it, look now and then, and ask for the share at its end. */
typedef struct {
    double began;                        /* by the clock, in seconds */
    double used;                         /* processor time of this program when it began, in seconds */
    double running;                      /* programs that were running at all looks together, this one too */
    int    looks;
} LoadMeter;

LoadMeter load_begin(void);
void      load_look (LoadMeter *m);

/* The part of `threads` processors that this program gets, above 0 and at most 1, where all who run share alike.  1:
 * it has them for itself, or nothing is known. */
double load_share(const LoadMeter *m, int threads);

/* The same by numbers.  used: the processor time of one thread that computed all the time, for each second.  others:
 * how many threads of other programs run, negative where that is not known.  processors: of the machine. */
double load_share_of(double used, double others, int processors, int threads);

#endif
