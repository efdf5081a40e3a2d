/* extra_model_paths.c - the folders of weights that ComfyUI's extra_model_paths.yaml names.
 *
 *     my disk:                                      a name that means nothing
 *         base_path: /data/models                   what the paths begin at; without it the folder of this file
 *         is_default: true                          searched before ComfyUI's own folders
 *         checkpoints: checkpoints
 *         loras: |                                  several, one a line
 *             loras
 *             /mnt/disk/loras
 *
 * Of YAML this is read: keys in two levels, plain and quoted values, blocks of lines, lists of "- ", comments.
 * Anchors, tags and flow collections ([a], {a: b}) are refused with a word, as is everything else that may be meant
 * otherwise than it would be read.  The file may be made to harm, so its size, the number of folders and the length of
 * a path are bounded.  Kinds that have no use here, as clip_vision, are passed over.
 *
 * Source: ComfyUI's utils/extra_config.py, and extra_model_paths.yaml.example. */
#include "extra_model_paths.h"

#include "chars.h"
#include "installation.h"
#include "system.h"

#include <string.h>

enum { MOST_BYTES = 1 << 20, MOST_FOLDERS = 1000, LONGEST_PATH = 4000 };

static const char *const used_kinds[] = {
    "checkpoints", "loras", "vae", "embeddings", "diffusers", "diffusion_models", "unet", "controlnet",
    "upscale_models", "vae_approx", "animatediff_models", "animatediff_motion_lora", NULL
};

typedef struct {
    Arena       *a;
    const char  *path;
    size_t       line;                   /* that is read, from 1 */
    ExtraFolders all;
    size_t       first;                  /* of the section */
    int          has_section;
    const char  *base;                   /* of the section; NULL: not given */
    int          is_default;
    const char  *block;                  /* the key whose lines follow; NULL: none */
    size_t       indent;                 /* of that key */
} Reader;

_Noreturn static void bad(const Reader *r, const char *what)
{
    fail(r->a, "%s: line %zu: %s", r->path, r->line, what);
}

/* ---- values ------------------------------------------------------------------------------------- */

/* 'it''s' or "a\\b"; nothing but a comment may follow. */
static const char *quoted_value(const Reader *r, const char *text)
{
    char quote = *text++;
    char *value = format(r->a, "%s", text);
    size_t n = 0;
    for (; *text && (*text != quote || (quote == '\'' && text[1] == '\'')); text++) {
        int is_escape = quote == '"' && *text == '\\';
        if (is_escape && text[1] != '\\' && text[1] != '"' && text[1] != '/') bad(r, "an escape that is not read here");
        if (is_escape || *text == '\'') text++;
        value[n++] = *text;
    }
    if (*text != quote) bad(r, "a quotation mark that is not closed");
    text += 1 + strspn(text + 1, " ");
    if (*text && *text != '#') bad(r, "words behind a quoted value");
    value[n] = 0;
    return value;
}

static const char *value_of(const Reader *r, const char *text)
{
    if (*text == '"' || *text == '\'') return quoted_value(r, text);
    if (*text && strchr("&*!{[@`%", *text)) bad(r, "anchors, tags and collections of YAML are not read here");
    const char *comment = *text == '#' ? text : strstr(text, " #");
    return trimmed(r->a, text, comment ? (size_t)(comment - text) : strlen(text));
}

/* ---- folders ------------------------------------------------------------------------------------ */

static void add_folder(Reader *r, const char *kind, const char *path)
{
    ExtraFolders *f = &r->all;
    if (!*path || !is_one_of(used_kinds, kind)) return;
    if (strlen(path) > LONGEST_PATH) bad(r, "a path that is too long");
    if (f->count == MOST_FOLDERS) bad(r, "more folders than anybody has");
    f->folder = grow_array(r->a, f->folder, f->count, &f->room, sizeof *f->folder);
    f->folder[f->count++] = (ExtraFolder){ .kind = kind, .path = path, .line = r->line };
}

static const char *from(const Reader *r, const char *folder, const char *path)
{
    path = path_with_home(r->a, path);
    return system_path_is_absolute(path) || !strcmp(folder, ".") ? path : format(r->a, "%s/%s", folder, path);
}

/* base_path may stand behind what begins at it. */
static void end_section(Reader *r)
{
    const char *base = folder_of(r->a, r->path);
    if (r->base) base = without_slashes(r->a, from(r, base, r->base));
    for (size_t i = r->first; i < r->all.count; i++) {
        ExtraFolder *f = &r->all.folder[i];
        f->path = from(r, base, f->path);
        f->is_default = r->is_default;
    }
    r->first = r->all.count;
    r->base = NULL;
    r->is_default = 0;
}

static int is_yes(const char *value) { return same(value, "true") || same(value, "yes") || same(value, "on"); }

/* ---- lines -------------------------------------------------------------------------------------- */

static void read_member(Reader *r, const char *key, const char *text, size_t indent)
{
    int is_block = *text == '|' || *text == '>';
    const char *value = is_block ? "" : value_of(r, text);
    if (!r->has_section) bad(r, "expected a name without blanks before it, and its folders below");
    r->block = *value ? NULL : key;
    r->indent = indent;
    if (same(value, "null") || same(value, "~")) return;
    if (!strcmp(key, "is_default")) r->is_default = is_yes(value);
    else if (strcmp(key, "base_path")) add_folder(r, key, value);
    else if (strlen(value) > LONGEST_PATH) bad(r, "a path that is too long");
    else if (*value) r->base = value;
}

static void read_key(Reader *r, const char *text, size_t indent)
{
    const char *colon = text;
    while (*colon && (*colon != ':' || (colon[1] && colon[1] != ' '))) colon++;
    if (!*colon) bad(r, "expected a key, a colon and a value");
    const char *key = value_of(r, trimmed(r->a, text, (size_t)(colon - text)));
    const char *rest = colon + 1 + strspn(colon + 1, " ");
    r->block = NULL;
    if (indent) {
        read_member(r, key, rest, indent);
        return;
    }
    if (*value_of(r, rest)) bad(r, "expected nothing behind this name, and its folders below");
    end_section(r);
    r->has_section = 1;
}

static void read_line(Reader *r, const char *text)
{
    size_t indent = strspn(text, " ");
    text += indent;
    if (*text == '\t') bad(r, "begins with a tab, where YAML has blanks");
    if (!*text || *text == '#' || !strcmp(text, "---") || !strcmp(text, "...")) return;
    int is_item = !strncmp(text, "- ", 2);
    int is_in_block = r->block && (indent > r->indent || (is_item && indent == r->indent));
    if (!is_in_block) {
        read_key(r, text, indent);
        return;
    }
    const char *value = is_item ? value_of(r, text + 2 + strspn(text + 2, " ")) : text;
    if (strcmp(r->block, "base_path")) add_folder(r, r->block, value);
    else if (!r->base && strlen(value) <= LONGEST_PATH) r->base = value;
    else bad(r, "one base_path is expected");
}

ExtraFolders extra_model_paths(Arena *a, const char *path)
{
    Reader r = { .a = a, .path = path };
    Bytes b = file_map(a, path);
    const char *text = (const char *)b.data;
    if (b.size > MOST_BYTES) fail(a, "%s: is larger than any file of folders", path);
    if (b.size && memchr(text, 0, b.size)) fail(a, "%s: is no text", path);
    size_t at = b.size >= 3 && !memcmp(text, "\xef\xbb\xbf", 3) ? 3 : 0;
    while (at < b.size) {
        const char *end = memchr(text + at, '\n', b.size - at);
        size_t n = end ? (size_t)(end - text) - at : b.size - at;
        char *line = copy(a, text + at, n);
        while (n && strchr(" \r\t", line[n - 1])) line[--n] = 0;
        r.line++;
        read_line(&r, line);
        at += (end ? (size_t)(end - text) : b.size) - at + 1;
    }
    end_section(&r);
    return r.all;
}
