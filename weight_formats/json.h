/* json.h - JSON, read strictly by a cursor. */
#ifndef JSON_H
#define JSON_H

#include "files.h"

/* kind: of the file that this must be, for messages.  Everything that is not as expected fails with path and kind. */
typedef struct { Arena *mem; const char *path, *kind; const unsigned char *at, *end; } Json;

Json   json_begin (Arena *a, const char *path, const char *kind, Bytes text);
int    json_peek  (Json *c);                     /* the next byte after white space, -1 at the end */
int    json_next  (Json *c, int want);           /* is it this one?  Then it is stepped over. */
void   json_expect(Json *c, int want, const char *else_say);
char  *json_string(Json *c);                     /* in the arena */
size_t json_whole (Json *c);                     /* a whole number */
char  *json_number(Json *c);                     /* any number, as it is written; NULL when something else stands here */
int    json_word  (Json *c, const char *w);      /* true, false, null: is it this one? */
void   json_skip  (Json *c, int depth);          /* any one value; depth: how many brackets are open around it */
/* At an object: moves to the value of that key, the first of them; returns 0, and stays, when it has none. */
int    json_member(Json *c, const char *key);
char  *json_quoted(Arena *a, const char *text);  /* text as a string of JSON, with its quotes */
_Noreturn void json_bad(const Json *c, const char *what);

#endif
