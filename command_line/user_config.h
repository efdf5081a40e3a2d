/* user_config.h - the user's own file of settings, which hold for every picture that does not say otherwise. */
#ifndef USER_CONFIG_H
#define USER_CONFIG_H

#include "files.h"
#include "options.h"

/* A setting of the file.  key: as it stands there.  label: where that is, for messages: "~/.config/persona/config: line
 * 2: Steps" */
typedef struct { const Setting *setting; const char *key, *label, *value; } ConfigSetting;

typedef struct {
    const char   *name;                          /* the file, for messages */
    ConfigSetting *setting;                      /* [settings], each once */
    size_t        settings, setting_room;
    Name          folder[MOST_FOLDERS];          /* Weights, in their order */
    size_t        folders;
    Lines         left_out;                      /* what is wrong with it, and so does not count */
} UserConfig;

/* Reads $XDG_CONFIG_HOME/persona/config, else ~/.config/persona/config; NULL when there is none.  Never fails: what
 * cannot be read, the whole file even, is in left_out. */
UserConfig *user_config_read(Arena *a);

/* The same, of any bytes at all.  path: where they are from; folders without a root are beside it. */
UserConfig *user_config_parse(Arena *a, const char *path, Bytes b);

/* left_out in one line for the user; NULL when nothing was. */
const char *user_config_told(Arena *a, const UserConfig *c);

/* Puts the settings into r that neither its text (Request.given) nor the command line says -> their keys, "Model,
 * Steps"; NULL when there are none.  Of training only those that say where files are, and threads. */
const char *user_config_apply(Arena *a, const UserConfig *c, Request *r, const Options *o);

#endif
