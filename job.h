/* job.h - a drawing job: everything that decides what is drawn, as plain values.
 *
 * persona.h states the fields, as other programs fill them in, too.  Here they are the command line and prompt files
 * (settings.c), and generate.c carries the job out.  All zero is a valid start: a zero field means "choose what is
 * usual", and generate() writes the choice back.  Strings and lists belong to the caller and must stay while the job
 * runs. */
#ifndef JOB_H
#define JOB_H

#include "persona.h"

typedef struct persona_lora LoraUse;
typedef struct persona_job  Job;

#endif
