/* json.h - JSON text (RFC 8259), read strictly by a cursor that moves forward; no tree is built.
 *
 * Every function that finds something else than it expects calls fail() with the file's path and kind. */
#ifndef JSON_H
#define JSON_H

#include "files.h"

/* A place in a JSON text.  Copying the struct remembers the place.
 * path: the file, for messages    kind: what the file has to be, "safetensors file", for messages */
typedef struct { Arena *mem; const char *path, *kind; const unsigned char *at, *end; } Json;

/* Returns a cursor at the start of text.  Fails unless text is UTF-8 without NUL.  text must outlive the cursor. */
Json json_begin(Arena *a, const char *path, const char *kind, Bytes text);

/* Skips white space and returns the next byte without stepping over it; -1 at the end of the text. */
int json_peek(Json *c);

/* Steps over the next byte that is not white space if it is `want`; returns whether it was. */
int json_accept(Json *c, int want);

/* The same, but fails with the words else_say when it is another. */
void json_expect(Json *c, int want, const char *else_say);

/* Reads a string and returns it without escapes, in the arena, ended by NUL.  It is UTF-8 and holds no NUL. */
char *json_string(Json *c);

/* Reads a whole number, not negative, that fits in size_t. */
size_t json_size(Json *c);

/* Reads any number and returns it as it is written, in the arena; NULL when the next value is not a number. */
char *json_number(Json *c);

/* Steps over w, one of true, false and null, if it stands here; returns whether it does. */
int json_literal(Json *c, const char *w);

/* Steps over any one value.  depth: how many brackets are open around it; more than 128 in all are refused. */
void json_skip(Json *c, int depth);

/* At an object: moves to the value of its first member with this key and returns 1.
 * Returns 0 and does not move when the object has no such member. */
int json_member(Json *c, const char *key);

/* Returns text as a JSON string with its quotes, in the arena.  Bytes that are not UTF-8 become U+FFFD. */
char *json_quoted(Arena *a, const char *text);

/* Fails: PATH: not a valid KIND: WHAT. */
_Noreturn void json_bad(const Json *c, const char *what);

#endif
