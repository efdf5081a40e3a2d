/* foreign_json.h - the settings that other programs store as JSON, by the names they have there. */
#ifndef FOREIGN_JSON_H
#define FOREIGN_JSON_H

#include "infotext_writer.h"
#include "json_tree.h"

/* The program that writes such JSON: "Fooocus", "SwarmUI", "RuinedFooocus", "InvokeAI", "NovelAI", "Draw Things" or
 * "TensorArt"; NULL when it is none of them. */
const char *foreign_json_program(const JsonValue *v);

/* Puts what v says into t, by the names of this program.  Members that mean something, and that persona lacks, go to
 * infotext_lose. */
void foreign_json(InfotextWriter *t, const char *program, const JsonValue *v);

/* The setting of one name and value, of a program that stores each by itself (Easy Diffusion). */
void foreign_json_setting(InfotextWriter *t, const char *program, const char *name, const char *value);

/* InvokeAI 2's command:  "words [negative]" -s 50 -S 7 -W 512 -H 512 -C 7.5 -A k_lms */
void foreign_json_dream(InfotextWriter *t, const char *command);

#endif
