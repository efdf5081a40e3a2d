/* shell_words.h - the words of a command line that is kept as text: in a .sh, .bat, .ps1 or .txt file. */
#ifndef SHELL_WORDS_H
#define SHELL_WORDS_H

#include "lines.h"

/* The commands of a text, each as its words. */
typedef struct {
    Lines *command;                      /* [count] */
    size_t count;
    Lines  unset;                        /* names of variables that are used and have no value in this text */
} ShellText;

/* Splits n bytes of text, any bytes at all, as a shell would: of bash, cmd.exe and PowerShell whatever may be meant.
 * Assignments ("export NAME=value", "set NAME=value", "$NAME = 'value'") are carried out and are no commands.
 * path: for messages.  Fails when a quote is not closed, and when the text holds NUL. */
ShellText shell_words(Arena *a, const char *text, size_t n, const char *path);

/* A word as it is typed in bash, in quotes where it needs them: it's me -> 'it'\''s me'. */
char *shell_quoted(Arena *a, const char *word);

#endif
