/* known_words.h - which words of a prompt a model does not know. */
#ifndef KNOWN_WORDS_H
#define KNOWN_WORDS_H

#include "lines.h"

/* Adds the words of the prompt that are in none of the texts of `known`, each once and in the prompt's order, as the
 * prompt has them in lower case; behind one that looks mistyped, the word that is meant: "blnode (blonde?)".  Words
 * that ask for nothing to be seen are never added: those of grammar and of praise, numbers, and the web UI's AND and
 * BREAK.  Plurals and other endings of a known word are known.  At most 100 are added. */
void unknown_words(Arena *a, const char *prompt, const Lines *known, Lines *unknown);

#endif
