/* stray_settings.h - settings that people wrote among the words of a prompt file. */
#ifndef STRAY_SETTINGS_H
#define STRAY_SETTINGS_H

#include "infotext.h"
#include "lines.h"

/* Takes lines out of the words of a text that are settings beyond doubt, and puts them before the other settings;
 * lines that are labelled as words go to the prompt or to the negative prompt.  read: gets what is a setting now.
 * left_out: gets comments, and marks around the text. */
void stray_settings(Arena *a, Infotext *parts, Lines *read, Lines *left_out);

#endif
