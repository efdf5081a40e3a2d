/* json_tree.c - a JSON text as a tree of values.
 *
 * json.c reads forward only, which suits a table of tensors.  The graph of ComfyUI is different: its nodes name each
 * other in any order, so it has to lie in memory as a whole.
 *
 * The text may be made to harm, so the length and the depth are bounded.  A value takes 128 bytes of the arena at
 * most, and at least two bytes of the text: 8 MB of text are 512 MB at the very worst, and a few megabytes in any file
 * that was not made for it.
 *
 * Python's json module writes NaN and Infinity where it has no number.  They are no JSON, and are read as null. */
#include "json_tree.h"

#include <string.h>

enum { MOST_BYTES = 8 << 20, DEEPEST = 64 };

static int is_number(int b) { return b == '-' || (b >= '0' && b <= '9'); }

/* Steps over a word that stands for no value; returns whether there was one. */
static int skip_nothing(Json *c)
{
    return json_literal(c, "null") || json_literal(c, "NaN") || json_literal(c, "Infinity") ||
           json_literal(c, "-Infinity");
}

static void read_scalar(Json *c, JsonValue *v)
{
    int b = json_peek(c);
    if (b == '"') {
        v->kind = JSON_STRING;
        v->text = json_string(c);
    } else if (skip_nothing(c)) {
        v->kind = JSON_NULL;
    } else if (is_number(b)) {
        v->kind = JSON_NUMBER;
        v->text = json_number(c);
    } else {
        v->kind = JSON_BOOL;
        if (json_literal(c, "true")) v->text = "true";
        else if (json_literal(c, "false")) v->text = "false";
        else json_bad(c, "its JSON is not what it should be");
    }
}

static JsonValue *read_value(Json *c, const char *key, int depth);

/* The values between two brackets, the first of which was read. */
static void read_members(Json *c, JsonValue *v, int closing, int depth)
{
    const JsonValue **end = &v->first;
    if (depth == DEEPEST) json_bad(c, "its JSON is nested too deep");
    if (json_accept(c, closing)) return;
    do {
        const char *key = NULL;
        if (v->kind == JSON_OBJECT) {
            key = json_string(c);
            json_expect(c, ':', "its JSON lacks a colon after a name");
        }
        JsonValue *member = read_value(c, key, depth + 1);
        *end = member;
        end = &member->next;
        v->count++;
    } while (json_accept(c, ','));
    json_expect(c, closing, "its JSON lacks a comma or its end");
}

static JsonValue *read_value(Json *c, const char *key, int depth)
{
    JsonValue *v = allocate(c->mem, 1, sizeof *v);
    *v = (JsonValue){ .key = key };
    if (json_accept(c, '{')) {
        v->kind = JSON_OBJECT;
        read_members(c, v, '}', depth);
    } else if (json_accept(c, '[')) {
        v->kind = JSON_LIST;
        read_members(c, v, ']', depth);
    } else {
        read_scalar(c, v);
    }
    return v;
}

const JsonValue *json_tree(Arena *a, const char *path, const char *kind, Bytes text)
{
    if (text.size > MOST_BYTES)
        fail(a, "%s: its %s has %zu bytes, expected at most %d", path, kind, text.size, MOST_BYTES);
    Json c = json_begin(a, path, kind, text);
    const JsonValue *v = read_value(&c, NULL, 0);
    if (json_peek(&c) >= 0) json_bad(&c, "something stands behind its JSON");
    return v;
}

const JsonValue *json_get(const JsonValue *v, const char *key)
{
    if (!v || v->kind != JSON_OBJECT) return NULL;
    for (v = v->first; v; v = v->next)
        if (!strcmp(v->key, key)) return v;
    return NULL;
}

const JsonValue *json_at(const JsonValue *v, size_t i)
{
    if (!v || i >= v->count) return NULL;
    for (v = v->first; v && i; i--) v = v->next;
    return v;
}

const char *json_words(const JsonValue *v)
{
    return v && (v->kind == JSON_STRING || v->kind == JSON_NUMBER) ? v->text : NULL;
}
