/* config_file.c - a file of options: TOML, or JSON.
 *
 * kohya's trainer takes --config_file and --dataset_config as TOML, the second as JSON too; its GUI and OneTrainer keep
 * everything in JSON.  Both become the list of toml.h: JSON's {"datasets": [{"resolution": 512}]} is
 * datasets.0.resolution = 512.  So whoever reads options knows nothing of either language.
 *
 * The JSON reader (json.c) checks the text; here only the depth is limited, for values are read by recursion. */
#include "config_file.h"

#include "chars.h"
#include "json.h"

#include <string.h>

enum { LARGEST = 1 << 20, DEEPEST = 16 };

typedef struct {
    Json          json;
    ConfigEntries all;
} JsonFile;

static void add(JsonFile *f, const char *path, ConfigType type, const char *text)
{
    config_add(f->json.mem, &f->all, f->json.path, (ConfigEntry){ .path = path, .type = type, .text = text });
}

static const char *join(JsonFile *f, const char *path, const char *key)
{
    if (strlen(path) + strlen(key) > 512) json_bad(&f->json, "a key of more than 512 bytes");
    return *path ? format(f->json.mem, "%s.%s", path, key) : key;
}

static void read_value(JsonFile *f, const char *path, int depth);

static void read_object(JsonFile *f, const char *path, int depth)
{
    Json *c = &f->json;
    if (*path) add(f, path, CONFIG_TABLE, NULL);
    if (json_accept(c, '}')) return;
    do {
        const char *key = json_string(c);
        if (!*key || strchr(key, '.')) json_bad(c, "a key with a dot or nothing in it, which no option has");
        json_expect(c, ':', "expected : behind a key");
        read_value(f, join(f, path, key), depth + 1);
    } while (json_accept(c, ','));
    json_expect(c, '}', "expected } behind the last value of an object");
}

static void read_array(JsonFile *f, const char *path, int depth)
{
    Json *c = &f->json;
    size_t n = 0;
    if (json_accept(c, ']')) {
        add(f, path, CONFIG_EMPTY, "");
        return;
    }
    do read_value(f, join(f, path, format(c->mem, "%zu", n++)), depth + 1);
    while (json_accept(c, ','));
    json_expect(c, ']', "expected ] behind the last value of an array");
}

static void read_scalar(JsonFile *f, const char *path)
{
    Json *c = &f->json;
    const char *number = json_number(c);
    if (number) add(f, path, CONFIG_NUMBER, number);
    else if (json_literal(c, "true")) add(f, path, CONFIG_SWITCH, "true");
    else if (json_literal(c, "false")) add(f, path, CONFIG_SWITCH, "false");
    else if (!json_literal(c, "null")) json_bad(c, "expected a value");
}

static void read_value(JsonFile *f, const char *path, int depth)
{
    Json *c = &f->json;
    if (depth > DEEPEST) json_bad(c, "brackets are nested too deeply");
    if (json_accept(c, '{')) read_object(f, path, depth);
    else if (json_accept(c, '[')) read_array(f, path, depth);
    else if (json_peek(c) == '"') {
        const char *text = json_string(c);
        add(f, path, CONFIG_TEXT, text);
    }
    else read_scalar(f, path);
}

static ConfigEntries json_read(Arena *a, Bytes text, const char *path)
{
    JsonFile f = { .json = json_begin(a, path, "JSON file of options", text) };
    json_expect(&f.json, '{', "expected an object");
    read_object(&f, "", 0);
    if (json_peek(&f.json) >= 0) json_bad(&f.json, "more behind the object");
    return f.all;
}

int is_json_text(Bytes b)
{
    size_t i = 0;
    while (i < b.size && blank(b.data[i])) i++;
    return i < b.size && b.data[i] == '{';
}

ConfigEntries config_file_read(Arena *a, const char *path)
{
    Bytes b = file_map(a, path);
    if (b.size > LARGEST) fail(a, "%s: expected a file of options, of at most 1 MB", path);
    return is_json_text(b) ? json_read(a, b, path) : toml_read(a, b, path);
}

const char *config_within(const char *path, const char *parent)
{
    size_t n = strlen(parent);
    return !strncmp(path, parent, n) && path[n] == '.' ? path + n + 1 : NULL;
}
