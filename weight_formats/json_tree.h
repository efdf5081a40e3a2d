/* json_tree.h - a JSON text as a tree of values, for files whose members are asked for in any order. */
#ifndef JSON_TREE_H
#define JSON_TREE_H

#include "json.h"

typedef enum { JSON_NULL, JSON_BOOL, JSON_NUMBER, JSON_STRING, JSON_LIST, JSON_OBJECT } JsonKind;

/* A value.
 * key:   its name in the object around it; NULL in a list, and at the top
 * text:  of a string what it says, of a number its digits, of a bool "true" or "false"; else NULL
 * first: of a list or an object, its first value; next: the value behind this one.  count: how many values are in it */
typedef struct JsonValue JsonValue;
struct JsonValue {
    JsonKind         kind;
    const char      *key, *text;
    const JsonValue *first, *next;
    size_t           count;
};

/* The whole text as a tree in the arena.  path and kind are for messages, as in json_begin.  NaN and Infinity, which
 * Python's json module writes, are read as null.  Fails when it is no JSON, when more than 64 brackets are open at
 * once, or when text is longer than 8 MB. */
const JsonValue *json_tree(Arena *a, const char *path, const char *kind, Bytes text);

/* The first member of this name; NULL when there is none, or when v is NULL or no object. */
const JsonValue *json_get(const JsonValue *v, const char *key);

/* Value i of a list or an object; NULL when there is none, or when v is NULL. */
const JsonValue *json_at(const JsonValue *v, size_t i);

/* What a string says, or the digits of a number; NULL for anything else, and for NULL. */
const char *json_words(const JsonValue *v);

#endif
