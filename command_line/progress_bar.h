/* progress_bar.h - the words of a progress bar: a step, how fast it goes and how long it takes, in a line that fits. */
#ifndef PROGRESS_BAR_H
#define PROGRESS_BAR_H

enum { BAR_TEXT = 1024, NOTE_TEXT = 128 };

typedef struct {
    const char *stage;                   /* what is counted: "step", "frame" */
    int         done, of;
    const char *note;                    /* what to say beside, parts with ", " between, the first counts most; "" */
    double      seconds;                 /* that one takes; 0: not known yet */
    double      left;                    /* seconds until all are done; 0: not known, or none */
} ProgressBar;

/* "step 7/25 [=======>         ] loss 0.1034, rate 0.0001, 1.21 s/it, 22 s left", of at most so many columns.  What is
 * too long loses what counts least: the length of the gauge, the parts of the note, the speed, the gauge.  At the end
 * it is cut. */
void progress_bar(char text[BAR_TEXT], const ProgressBar *b, int columns);

/* The same as a line of a file, without a gauge. */
void progress_line(char text[BAR_TEXT], const ProgressBar *b);

#endif
