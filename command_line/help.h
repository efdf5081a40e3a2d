/* help.h - what --help prints, on stdout, in lines of 80 columns. */
#ifndef HELP_H
#define HELP_H

void print_help(void);                       /* persona --help */
void print_training_help(void);              /* persona train --help */
void print_me_help(void);                    /* persona me --help */

#endif
