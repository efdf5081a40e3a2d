/* civitai_resources.c - the models that civitai says a picture was made with.
 *
 *     Civitai resources: [{"type": "checkpoint", "modelName": "ToonYou", "modelVersionName": "Beta 3"},
 *                         {"type": "lora", "weight": 0.6, "modelName": "Detail Tweaker", ...}]
 *
 * A picture made on the site has its LoRAs only here, and no tags in the prompt.  The names are titles of pages; a
 * file that somebody downloaded is called otherwise ("add_detail.safetensors").  So no file is looked for by such a
 * name: the list says which LoRAs belong to the picture, and what to write for them.  Newer pictures give an address
 * instead of a name ("urn:air:sd1:lora:civitai:58390@62833"), and then that is shown. */
#include "civitai_resources.h"

#include "chars.h"
#include "json_tree.h"

#include <string.h>

typedef struct { Arena *a; const char *json; const JsonValue *tree; } Parsing;

static void parse(void *to)
{
    Parsing *p = to;
    Bytes text = { (const unsigned char *)p->json, strlen(p->json) };
    p->tree = json_tree(p->a, "Civitai resources", "list", text);
}

/* What to write for a model of this type; NULL when nothing has to be written. */
static const char *tag_for(Arena *a, const char *type, const char *weight)
{
    static const char *const loras[] = { "lora", "locon", "lycoris", "dora" };
    for (size_t i = 0; i < sizeof loras / sizeof *loras; i++)
        if (same(type, loras[i])) return format(a, "<lora:FILE:%s>", weight ? weight : "1");
    int is_embedding = same(type, "embed") || same(type, "embedding") || same(type, "textualinversion");
    return is_embedding ? "its word" : NULL;
}

char *civitai_resources(Arena *a, const char *json, int has_tags, int has_model)
{
    enum { LISTED = 16 };
    char why[MESSAGE];
    Parsing p = { .a = a, .json = json };
    char *list = format(a, "%s", "");
    size_t count = 0;
    if (attempt(a, parse, &p, why) || p.tree->kind != JSON_LIST) return NULL;
    for (const JsonValue *v = p.tree->first; v && count < LISTED; v = v->next) {
        const char *type = json_words(json_get(v, "type"));
        const char *name = json_words(json_get(v, "modelName"));
        const char *address = json_words(json_get(v, "air"));
        int is_model = type && (same(type, "checkpoint") || same(type, "model"));
        const char *tag = type && !has_tags ? tag_for(a, type, json_words(json_get(v, "weight"))) : NULL;
        if (is_model && !has_model) tag = "Model: FILE";
        if (!tag) continue;
        const char *version = json_words(json_get(v, "modelVersionName"));
        if (name && is_model && version) name = format(a, "%s %s", name, version);
        if (!name) name = address ? address : "one without a name";
        list = format(a, "%s%s%s (write %s)", list, *list ? ", " : "", quoted(a, name), tag);
        count++;
    }
    return list;
}
