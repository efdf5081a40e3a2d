/* config_words.h - a file of options, as the words of a command line. */
#ifndef CONFIG_WORDS_H
#define CONFIG_WORDS_H

#include "lines.h"

/* Reads kohya's --config_file (TOML), what its GUI saves, or a configuration of OneTrainer (both JSON).
 * told: keys that say nothing here.  Fails when the file is neither TOML nor JSON. */
Lines config_words(Arena *a, const char *path, Lines *told);

#endif
