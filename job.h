/* job.h - a drawing job: everything that decides what is drawn, as plain values.
 *
 * persona.h states the fields, as other programs fill them in too.  The command line and prompt files fill them in here
 * (settings.c), and generate.c carries the job out.  A job begins as all zero: a zero field stands for its default, and
 * generate() writes the chosen value back.  Strings and lists belong to the caller and must stay in place while the job
 * runs. */
#ifndef JOB_H
#define JOB_H

#include "persona.h"

typedef struct persona_lora LoraUse;
typedef struct persona_job  Job;

#endif
