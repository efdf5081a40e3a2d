/* user_config.c - the user's own file of settings, which hold for every picture that does not say otherwise.
 *
 *     # ~/.config/persona/config
 *     Weights: /data/models
 *     Model: toonyou_beta3
 *     Steps: 30
 *
 * It comes last: a setting of it counts where neither the prompt file nor the command line has one.  So it is applied
 * after the file, and only to what the file left open.  Some settings belong to another: a schedule type to its
 * sampler, a prediction type to its model.  Where that other one is given, they are not joined to it.
 *
 * Nobody types this file for the job at hand, so what is wrong in it is told, with its line, and left out, as in a
 * prompt file.  What belongs to one picture (its prompt, its LoRAs, the axes of a grid) is refused the same way.  The
 * file is hostile until read: of any kind and size.  It has at most 64 KB. */
#include "user_config.h"

#include "chars.h"
#include "files.h"
#include "foreign_settings.h"
#include "installation.h"
#include "plain_text.h"
#include "search_path.h"
#include "system.h"

#include <string.h>

enum { LARGEST = 64 << 10, LISTED = 12 };

/* ---- where it is --------------------------------------------------------------------------------- */

/* The opposite, as people know the path. */
static const char *path_without_home(Arena *a, const char *path)
{
    const char *home = system_environment("HOME");
    size_t n = home ? strlen(home) : 0;
    int is_at_home = n > 1 && !strncmp(path, home, n) && path[n] == '/';
    return is_at_home ? format(a, "~%s", path + n) : path;
}

/* XDG Base Directory Specification: a variable that is empty, or no absolute path, does not count.  NULL: nowhere */
static const char *config_path(Arena *a)
{
    const char *config = system_environment("XDG_CONFIG_HOME");
    const char *home = system_environment("HOME");
    if (config && system_path_is_absolute(config)) return format(a, "%s/persona/config", config);
    if (home && system_path_is_absolute(home)) return format(a, "%s/.config/persona/config", home);
    return NULL;
}

/* A message without the words that it begins with, "WHERE: ". */
static const char *without_place(Arena *a, const char *message, const char *where)
{
    size_t n = strlen(where) + 2;
    return format(a, "%s", strlen(message) > n ? message + n : message);
}

/* ---- a line -------------------------------------------------------------------------------------- */

typedef struct {
    Arena      *a;
    UserConfig *c;
    const char *path;
    Bytes       bytes;
    char       *line;                    /* what is left of the text */
    size_t      number;                  /* of the line, from 1 */
} ConfigReader;

static void leave_out(ConfigReader *rd, const char *why)
{
    lines_add(rd->a, &rd->c->left_out, format(rd->a, "line %zu: %s", rd->number, why));
}

/* The value without quotes around it, or without a comment behind it, which begins with a # behind a blank. */
static const char *bare_value(Arena *a, const char *text)
{
    char quote = *text;
    const char *close = quote == '"' || quote == '\'' ? strchr(text + 1, quote) : NULL;
    const char *behind = close ? close + 1 + strspn(close + 1, " \t") : NULL;
    if (behind && (!*behind || *behind == '#')) return copy(a, text + 1, (size_t)(close - text - 1));
    for (const char *s = text; (s = strchr(s, '#')); s++)
        if (s == text || blank(s[-1])) return trimmed(a, text, (size_t)(s - text));
    return text;
}

/* Settings that belong to one picture, and not to all. */
static const char *const OF_ONE_PICTURE[] = { "prompt", "init", "last", "mask", "lora", "batch", "x", "y", "z",
                                               "model-hash",
                                              "vae-hash", "lora-hashes", "ti-hashes", "hashes", NULL };

static void leave_out_unknown(ConfigReader *rd, const char *key)
{
    Nearest near = nearest_to(key);
    nearest_consider(&near, "Weights");
    for (const Setting *s = all_settings; s->flag; s++) nearest_consider(&near, s->key ? s->key : s->flag);
    leave_out(rd, format(rd->a, "%s is no setting%s", quoted(rd->a, key), did_you_mean(rd->a, near)));
}

/* Of the user's folders.  One without a root is beside the file, wherever persona is called. */
static void read_folder(ConfigReader *rd, const char *value)
{
    UserConfig *c = rd->c;
    if (!*value) {
        leave_out(rd, "Weights is empty, expected a folder");
        return;
    }
    if (c->folders == MOST_FOLDERS) {
        leave_out(rd, format(rd->a, "more than %d folders", MOST_FOLDERS));
        return;
    }
    if (*value != '~') value = search_path_join(rd->a, folder_of(rd->a, rd->path), value);
    c->folder[c->folders++] = (Name){ value, format(rd->a, "%s: line %zu: Weights", c->name, rd->number) };
}

/* The last one of a key counts, as in a prompt file. */
static void add_setting(ConfigReader *rd, ConfigSetting s)
{
    UserConfig *c = rd->c;
    for (size_t i = 0; i < c->settings; i++) {
        if (c->setting[i].setting != s.setting) continue;
        leave_out(rd, format(rd->a, "%s stands above too; this line counts", s.key));
        c->setting[i] = s;
        return;
    }
    c->setting = grow_array(rd->a, c->setting, c->settings, &c->setting_room, sizeof *c->setting);
    c->setting[c->settings++] = s;
}

typedef struct { Arena *a; ConfigSetting s; Request *r; } Trial;

static void try_to_set(void *trial)
{
    Trial *t = trial;
    t->s.setting->kind->set(t->a, t->r, t->s.setting, t->s.label, t->s.value);
}

/* The value as it stands, or as other programs write it. */
static void read_value(ConfigReader *rd, const Setting *setting, const char *key, const char *value)
{
    char why[MESSAGE], ignored[MESSAGE];
    Request unused = { .job = { .prompt = "" } };
    const char *label = format(rd->a, "%s: line %zu: %s", rd->c->name, rd->number, key);
    Trial t = { rd->a, { setting, key, label, path_with_home(rd->a, value) }, &unused };
    if (attempt(rd->a, try_to_set, &t, why)) {
        t.s.value = foreign_value(rd->a, setting, value);
        if (!t.s.value || attempt(rd->a, try_to_set, &t, ignored)) {
            lines_add(rd->a, &rd->c->left_out, without_place(rd->a, why, rd->c->name));
            return;
        }
    }
    add_setting(rd, t.s);
}

static void read_setting(ConfigReader *rd, const char *key, const char *value)
{
    const Setting *setting = foreign_setting(key, value);
    if (!setting) setting = setting_named(key);
    if (!setting) {
        leave_out_unknown(rd, key);
        return;
    }
    if (is_one_of(OF_ONE_PICTURE, setting->flag)) {
        leave_out(rd, format(rd->a, "%s belongs to one picture, and this file to all", key));
        return;
    }
    read_value(rd, setting, key, value);
}

static void read_line(ConfigReader *rd, const char *line)
{
    const char *colon = strpbrk(line, ":=");
    if (!*line || *line == '#') return;
    if (!colon) {
        leave_out(rd, format(rd->a, "%s, expected Key: value", quoted(rd->a, line)));
        return;
    }
    const char *key = trimmed(rd->a, line, (size_t)(colon - line));
    const char *value = bare_value(rd->a, trimmed(rd->a, colon + 1, strlen(colon + 1)));
    if (same(key, "Weights")) read_folder(rd, value);
    else read_setting(rd, key, value);
}

/* ---- the file ------------------------------------------------------------------------------------ */

typedef struct { Arena *a; const char *path; Bytes bytes; } OpenFile;

static void map_file(void *file)
{
    OpenFile *f = file;
    f->bytes = file_map(f->a, f->path);
}

static void decode_text(void *reader)
{
    ConfigReader *rd = reader;
    rd->line = plain_text(rd->a, (const char *)rd->bytes.data, rd->bytes.size, rd->path);
}

/* Empty lines that the text begins with, which plain_text() leaves out. */
static size_t empty_lines(Bytes b)
{
    size_t lines = 0;
    for (size_t i = 0; i < b.size && (blank(b.data[i]) || !b.data[i] || b.data[i] > 0x7f); i++)
        lines += b.data[i] == '\n';
    return lines;
}

static void read_lines(ConfigReader *rd)
{
    rd->number = empty_lines(rd->bytes);
    while (*rd->line) {
        size_t n = strcspn(rd->line, "\n");
        rd->number++;
        read_line(rd, trimmed(rd->a, rd->line, n));
        rd->line += n + (rd->line[n] == '\n');
    }
}

static UserConfig *without_settings(Arena *a, const char *path)
{
    UserConfig *c = allocate(a, 1, sizeof *c);
    *c = (UserConfig){ .name = path_without_home(a, path) };
    return c;
}

static void leave_out_all(Arena *a, UserConfig *c, const char *why)
{
    lines_add(a, &c->left_out, format(a, "all of it: %s", why));
}

UserConfig *user_config_parse(Arena *a, const char *path, Bytes b)
{
    char why[MESSAGE];
    UserConfig *c = without_settings(a, path);
    ConfigReader rd = { .a = a, .c = c, .path = path, .bytes = b };
    if (b.size > LARGEST) leave_out_all(a, c, format(a, "%zu bytes, expected at most %d", b.size, LARGEST));
    else if (attempt(a, decode_text, &rd, why)) leave_out_all(a, c, "no text; expected lines as Steps: 30");
    else read_lines(&rd);
    return c;
}

UserConfig *user_config_read(Arena *a)
{
    char why[MESSAGE];
    const char *path = config_path(a);
    OpenFile f = { .a = a, .path = path };
    if (!path || !system_file_exists(path)) return NULL;
    if (!attempt(a, map_file, &f, why)) return user_config_parse(a, path, f.bytes);
    UserConfig *c = without_settings(a, path);
    leave_out_all(a, c, without_place(a, why, path));
    return c;
}

const char *user_config_told(Arena *a, const UserConfig *c)
{
    Lines listed = c->left_out;
    if (!listed.count) return NULL;
    if (listed.count > LISTED) listed.count = LISTED;
    const char *all = lines_joined(a, &listed, "; ");
    size_t more = c->left_out.count - listed.count;
    const char *rest = more ? format(a, " and %zu more", more) : "";
    return format(a, "%s: left out: %s%s", c->name, all, rest);
}

/* ---- into a request ------------------------------------------------------------------------------ */

/* "Steps: 10-50 (+10)": is this the setting of the axis? */
static int is_of_axis(Arena *a, const Setting *s, const char *axis)
{
    const char *colon = axis ? strchr(axis, ':') : NULL;
    return colon && setting_key(trimmed(a, axis, (size_t)(colon - axis))) == s;
}

/* Do the text of the request, the command line or an axis of either say it? */
static int is_given(Arena *a, const Setting *s, const Request *r, const Options *o)
{
    if (r->given && r->given[s - all_settings]) return 1;
    for (size_t i = 0; i < 3; i++)
        if (is_of_axis(a, s, r->axis[i].text)) return 1;
    for (size_t i = 0; i < o->givens; i++) {
        const Given *g = &o->given[i];
        int is_axis = same(g->setting->flag, "x") || same(g->setting->flag, "y") || same(g->setting->flag, "z");
        if (g->setting == s || (is_axis && is_of_axis(a, s, g->value))) return 1;
    }
    return 0;
}

/* Where the second is given, the first is not joined to it. */
static int is_of_another(Arena *a, const Setting *s, const Request *r, const Options *o)
{
    static const struct { const char *flag, *of; } belongs[] = {
        { "schedule-type", "sampler" }, { "eta", "sampler" },        { "prediction", "model" },
        { "noise-schedule", "model" },  { "model", "model-hash" },   { "model", "hashes" },
        { "vae", "vae-hash" },          { "frames", "motion" },      { "width", "size" },
        { "height", "size" },
    };
    for (size_t i = 0; i < sizeof belongs / sizeof *belongs; i++)
        if (same(belongs[i].flag, s->flag) && is_given(a, setting_named(belongs[i].of), r, o)) return 1;
    return 0;
}

static const char *const OF_TRAINING[] = { "model", "vae", "threads", NULL };

const char *user_config_apply(Arena *a, const UserConfig *c, Request *r, const Options *o)
{
    int trains = o->command && !strcmp(o->command, "train");
    int has_schedule = is_given(a, setting_named("schedule-type"), r, o);
    const char *schedule = r->job.schedule;
    Lines keys = { 0 };
    for (size_t i = 0; i < c->settings; i++) {
        const ConfigSetting *s = &c->setting[i];
        if (trains && !is_one_of(OF_TRAINING, s->setting->flag)) continue;
        if (is_given(a, s->setting, r, o) || is_of_another(a, s->setting, r, o)) continue;
        s->setting->kind->set(a, r, s->setting, s->label, s->value);
        lines_add(a, &keys, s->key);
    }
    if (has_schedule) r->job.schedule = schedule;        /* "DPM++ 2M Karras" brings its own */
    return keys.count ? lines_joined(a, &keys, ", ") : NULL;
}
