/* foreign_metadata.c - the settings inside a picture, whichever program made it.
 *
 * Every program has its own place for them: a text chunk of PNG, the comment of a GIF, a tag of EXIF, XMP.  Some
 * pictures have several, when one program saved what another had made.  The table `sources` has all places in the
 * order of trust: infotext first, which says what was drawn in the web UI's own words, then what one program alone
 * writes, then a graph, which has to be interpreted.  The first place that can be read counts.
 *
 * A place only says where a text is.  What the text is, it says itself: infotext, JSON of one program or another,
 * or a graph.  Easy Diffusion keeps each setting in a chunk of its own, and Dream is a command line; these two are
 * readers of their own.
 *
 * All of it comes from files that anybody can make.  A text that is no JSON where JSON is expected is passed over. */
#include "foreign_metadata.h"

#include "chars.h"
#include "comfyui_settings.h"
#include "foreign_json.h"
#include "picture_settings.h"
#include "png.h"

#include <string.h>

/* The picture, and what is known of it so far. */
typedef struct {
    Arena           *a;
    const char      *path, *where;
    Bytes            file;
    ForeignMetadata *found;
} Search;

/* ---- the places -------------------------------------------------------------------------------- */

static char *chunk_text(Search *s, const char *keyword)
{
    return arena_own(s->a, png_text(s->file.data, s->file.size, keyword));
}

/* A GIF that exiftool wrote has each newline as the two characters \n (sd-webui-animatediff's optimized palette).  In
 * JSON these two are an escape, and stay. */
static char *with_newlines(char *text)
{
    char *end = text;
    int is_one_line = !strchr(text, '\n') && (strstr(text, "\\nNegative prompt:") || strstr(text, "\\nSteps:"));
    if (!is_one_line || *text == '{') return text;
    for (const char *s = text; *s; s++) {
        int is_newline = s[0] == '\\' && s[1] == 'n';
        *end++ = is_newline ? '\n' : *s;
        s += is_newline;
    }
    *end = 0;
    return text;
}

/* What stands in the comment of a GIF or JPEG, in EXIF or in XMP.  ComfyUI's WebP says before its graph which it is. */
static char *other_text(Search *s, const char *name)
{
    (void)name;
    const char *text = picture_settings(s->a, s->file.data, s->file.size);
    if (!text) return NULL;
    if (begins(text, "prompt:{")) text += strlen("prompt:");
    if (begins(text, "workflow:{")) text += strlen("workflow:");
    return with_newlines(copy(s->a, text, strlen(text)));
}

/* A file of JSON is its own place. */
static char *whole_text(Search *s, const char *name)
{
    enum { MOST = 8 << 20 };
    (void)name;
    size_t i = 0;
    while (i < s->file.size && blank(s->file.data[i])) i++;
    if (i == s->file.size || s->file.data[i] != '{' || s->file.size > MOST) return NULL;
    return copy(s->a, (const char *)s->file.data, s->file.size);
}

/* ---- what a text is ---------------------------------------------------------------------------- */

typedef struct { Search *s; const char *text; const JsonValue *tree; } Parsing;

static void parse(void *to)
{
    Parsing *p = to;
    Bytes text = { (const unsigned char *)p->text, strlen(p->text) };
    p->tree = json_tree(p->s->a, p->s->path, "workflow", text);
}

/* The JSON object that a text is; NULL when it is none. */
static const JsonValue *object_of(Search *s, const char *text)
{
    char why[MESSAGE];
    Parsing p = { .s = s, .text = text };
    text += strspn(text, " \t\r\n");
    if (*text != '{' || attempt(s->a, parse, &p, why)) return NULL;
    return p.tree->kind == JSON_OBJECT ? p.tree : NULL;
}

static int keep(Search *s, const char *program, const InfotextWriter *t)
{
    *s->found = (ForeignMetadata){
        .program = program,
        .where = s->where,
        .infotext = infotext_text(t),
        .lost = t->losses ? t->lost.text : NULL,
    };
    return 1;
}

/* A graph that is not plain is kept only when no place further down is better. */
static int read_graph(Search *s, const JsonValue *v)
{
    InfotextWriter t = infotext_begin(s->a);
    Graph g = comfyui_graph(s->a, v);
    const char *why_not = comfyui_settings(&t, &g);
    if (!why_not) return keep(s, "ComfyUI", &t);
    if (s->found->program) return 0;
    *s->found = (ForeignMetadata){
        .program = "ComfyUI",
        .where = s->where,
        .lost = format(s->a, "%s; it has %s", why_not, comfyui_nodes(s->a, &g)),
    };
    return 0;
}

static int read_object(Search *s, const char *program, const JsonValue *v)
{
    InfotextWriter t = infotext_begin(s->a);
    foreign_json(&t, program, v);
    return t.prompt || t.settings.n ? keep(s, program, &t) : 0;
}

/* Reads a text of any kind; returns whether it is one with settings. */
typedef int Read(Search *s, const char *text);

static int read_json(Search *s, const char *text)
{
    const JsonValue *v = object_of(s, text);
    const char *program = foreign_json_program(v);
    if (comfyui_is_graph(v)) return read_graph(s, v);
    if (program) return read_object(s, program, v);
    const JsonValue *prompt = json_get(v, "prompt");            /* a list of both formats of a workflow */
    const JsonValue *inner = prompt && prompt->kind == JSON_STRING ? object_of(s, prompt->text) : prompt;
    return comfyui_is_graph(inner) ? read_graph(s, inner) : 0;
}

/* Text that is no JSON of a program is infotext. */
static int read_any(Search *s, const char *text)
{
    if (object_of(s, text)) return read_json(s, text);
    *s->found = (ForeignMetadata){ .where = s->where, .infotext = text };
    return 1;
}

/* A comment may be about anything: it counts when it has JSON or a line of settings. */
static int read_comment(Search *s, const char *text)
{
    return object_of(s, text) || strstr(text, "Steps: ") ? read_any(s, text) : 0;
}

static int read_dream(Search *s, const char *text)
{
    InfotextWriter t = infotext_begin(s->a);
    foreign_json_dream(&t, text);
    return keep(s, "InvokeAI", &t);
}

/* Software: NovelAI.  Description: the prompt, Comment: JSON */
static int read_novelai(Search *s, const char *text)
{
    const char *comment = chunk_text(s, "Comment");
    const char *words = chunk_text(s, "Description");
    const JsonValue *v = comment ? object_of(s, comment) : NULL;
    if (!begins(text, "NovelAI")) return 0;
    InfotextWriter t = infotext_begin(s->a);
    if (words) foreign_json_setting(&t, "NovelAI", "prompt", words);
    foreign_json(&t, "NovelAI", v);
    s->where = "Comment";
    return keep(s, "NovelAI", &t);
}

/* Each setting in a chunk of its own, by the names of one version or another.  text: the prompt */
static int read_easy_diffusion(Search *s, const char *text)
{
    static const char *const names[] = {
        "negative_prompt", "Negative Prompt", "seed", "Seed", "num_inference_steps", "Steps", "guidance_scale",
        "Guidance Scale", "sampler_name", "Sampler", "use_stable_diffusion_model",
        "Stable Diffusion model", "use_vae_model", "VAE model", "clip_skip",
        "use_hypernetwork_model", "use_upscale", "use_face_correction",
    };
    InfotextWriter t = infotext_begin(s->a);
    const char *width = chunk_text(s, "width"), *height = chunk_text(s, "height");
    if (!width) width = chunk_text(s, "Width");
    if (!height) height = chunk_text(s, "Height");
    t.prompt = text;
    for (size_t i = 0; i < sizeof names / sizeof *names; i++) {
        const char *value = chunk_text(s, names[i]);
        if (value) foreign_json_setting(&t, "Easy Diffusion", names[i], value);
    }
    if (width && height) infotext_set(&t, "Size", format(s->a, "%sx%s", width, height));
    infotext_lora(&t, chunk_text(s, "use_lora_model"), chunk_text(s, "lora_alpha"), NULL);
    return t.settings.n ? keep(s, "Easy Diffusion", &t) : 0;
}

/* ComfyUI's two chunks.  A graph that is empty or broken is its own all the same. */
static int read_workflow_chunk(Search *s, const char *text)
{
    const JsonValue *v = object_of(s, text);
    if (read_json(s, text)) return 1;
    const char *start = text + strspn(text, " \t\r\n");
    int is_broken = !v && *start == '{' && start[1 + strspn(start + 1, " \t\r\n")] == '"';
    int is_of_comfyui = is_broken || (v && !v->first);
    const char *why = is_broken ? "its JSON is broken" : "it is empty";
    if (is_of_comfyui && !s->found->program)
        *s->found = (ForeignMetadata){ .program = "ComfyUI", .where = s->where, .lost = why };
    return 0;
}

static int read_prompt_chunk(Search *s, const char *text)
{
    return read_workflow_chunk(s, text) || (!object_of(s, text) && read_easy_diffusion(s, text));
}

/* ---- the order of trust ------------------------------------------------------------------------ */

static const struct {
    char       *(*text)(Search *s, const char *name);
    const char *name;                    /* of the chunk or the property */
    Read       *read;
} sources[] = {
    { chunk_text, "parameters", read_any },
    { chunk_text, "invokeai_metadata", read_json },
    { chunk_text, "sd-metadata", read_json },
    { chunk_text, "Dream", read_dream },
    { chunk_text, "Software", read_novelai },
    { chunk_text, "generation_data", read_json },
    { chunk_text, "prompt", read_prompt_chunk },
    { chunk_text, "Prompt", read_easy_diffusion },
    { chunk_text, "workflow", read_workflow_chunk },
    { chunk_text, "Comment", read_comment },
    { other_text, "EXIF, XMP or comment", read_any },
    { whole_text, "file", read_json },
};

int foreign_metadata(Arena *a, const char *path, Bytes file, ForeignMetadata *found)
{
    Search s = { .a = a, .path = path, .file = file, .found = found };
    *found = (ForeignMetadata){ .program = NULL };
    for (size_t i = 0; i < sizeof sources / sizeof *sources; i++) {
        const char *text = sources[i].text(&s, sources[i].name);
        s.where = sources[i].name;
        if (text && *text && sources[i].read(&s, text)) return 1;
    }
    return found->program != NULL;
}

char *foreign_metadata_message(Arena *a, const char *path, const ForeignMetadata *m)
{
    if (!m->program) return NULL;
    if (!m->infotext)
        return format(a, "%s: made by %s, and its graph is not plain enough to be read: %s; write its words and "
                         "settings into a prompt file", path, m->program, m->lost);
    if (!m->lost) return format(a, "%s: made by %s, read from its \"%s\"", path, m->program, m->where);
    return format(a, "%s: made by %s, read from its \"%s\"; not translated, as persona has nothing like it: %s", path,
                  m->program, m->where, m->lost);
}
