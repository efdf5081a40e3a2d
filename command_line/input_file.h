/* input_file.h - the file that a command begins with: what it is, and what to say when it is something else. */
#ifndef INPUT_FILE_H
#define INPUT_FILE_H

#include "files.h"

/* Maps the file.  Fails when there is none or when it is a folder, with what was expected, and with `hint`, which may
 * be "", behind it. */
Bytes input_file_open(Arena *a, const char *path, const char *expected, const char *hint);

/* Is this a picture of a kind that may carry settings? */
int input_file_may_carry_settings(Bytes b);

/* Is it a JSON object with a name in it?  "{" alone is not enough: {a|b} may begin a prompt. */
int input_file_is_json(Bytes b);

/* Fails for what is given in place of a prompt file by mistake: weights, a picture without settings, JSON of another
 * kind, 64 MB and more. */
void input_file_refuse_binary(Arena *a, Bytes b, const char *path);

#endif
