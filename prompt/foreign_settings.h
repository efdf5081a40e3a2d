/* foreign_settings.h - settings as other programs write them: their keys and values, and what they are here. */
#ifndef FOREIGN_SETTINGS_H
#define FOREIGN_SETTINGS_H

#include "settings.h"

/* The setting that a pasted key means: a key of persona, or of another program; NULL when there is none.  Upper and
 * lower case, "-", "_" and blanks do not matter, so cfgScale is "CFG scale". */
const Setting *foreign_key(const char *key);

/* The same, for a key whose meaning depends on its value: in stable-diffusion.cpp "Hires upscale" is the name of an
 * upscaler. */
const Setting *foreign_setting(const char *key, const char *value);

/* 1 for a key that other programs write into settings and that has no meaning here.  It helps to tell settings from
 * words. */
int foreign_key_is_known(const char *key);

/* 1 for a key of a line that other tools write behind the settings. */
int foreign_key_is_tail(const char *key);

/* 1 for a value that says that there is none. */
int foreign_value_is_nothing(const char *value);

/* What a value that the setting does not take means here, as text for the setting; NULL when it means nothing. */
const char *foreign_value(Arena *a, const Setting *s, const char *value);

#endif
