/* comfyui_graph.c - a workflow of ComfyUI as a graph of nodes.
 *
 * ComfyUI stores a picture's workflow twice.  The API format is what was run:
 *
 *     {"3": {"class_type": "KSampler", "inputs": {"seed": 5, "model": ["4", 0], ...}}, ...}
 *
 * and a list of an id and a number is a link to an output of another node.  The format of the web page is a drawing:
 *
 *     {"nodes": [{"id": 3, "type": "KSampler", "mode": 0, "inputs": [{"name": "model", "type": "MODEL", "link": 1}],
 *                 "widgets_values": [5, "fixed", 20, ...]}, ...],  "links": [[1, 4, 0, 3, 0, "MODEL"], ...]}
 *
 * Its values have no names.  They are in the order in which the class of the node declares them (ComfyUI,
 * nodes.py), and behind a seed stands what is done with it after a run.  Both formats become the same graph here.
 *
 * The file may be made to harm.  Nodes are found by a binary search, so a long list costs no more than its length.
 * What follows links has to bound its steps itself. */
#include "comfyui_graph.h"

#include "chars.h"

#include <stdlib.h>
#include <string.h>

const Input *node_input(const Node *n, const char *name)
{
    if (!n) return NULL;
    for (size_t i = 0; i < n->inputs; i++)
        if (!strcmp(n->input[i].name, name)) return &n->input[i];
    return NULL;
}

/* ---- nodes by their ids ------------------------------------------------------------------------ */

static int by_id(const void *x, const void *y)
{
    const Node *a = x;
    const Node *b = y;
    return strcmp(a->id, b->id);
}

static Node *find_node(const Graph *g, const char *id)
{
    Node key = { .id = id };
    return id && g->nodes ? bsearch(&key, g->node, g->nodes, sizeof *g->node, by_id) : NULL;
}

static void sort_nodes(Graph *g)
{
    if (g->nodes) qsort(g->node, g->nodes, sizeof *g->node, by_id);
}

/* A whole number as an index; -1 when it is none. */
static int small_number(const JsonValue *v)
{
    uint64_t n;
    const char *text = json_words(v);
    return text && read_whole(text, &n) && n < 1 << 30 ? (int)n : -1;
}

/* ---- the API format ---------------------------------------------------------------------------- */

static int is_api_node(const JsonValue *v) { return json_words(json_get(v, "class_type")) != NULL; }

static int is_link(const JsonValue *v)
{
    return v->kind == JSON_LIST && v->count == 2 && json_words(v->first) && v->first->next->kind == JSON_NUMBER;
}

static void read_api_inputs(Arena *a, const Graph *g, Node *n, const JsonValue *inputs)
{
    if (n->input || !inputs || inputs->kind != JSON_OBJECT) return;      /* of two nodes with one id, one counts */
    n->input = allocate(a, inputs->count, sizeof *n->input);
    for (const JsonValue *v = inputs->first; v; v = v->next) {
        Input *input = &n->input[n->inputs++];
        *input = (Input){ .name = v->key, .value = v };
        if (!is_link(v)) continue;
        *input = (Input){
            .name = v->key,
            .from = find_node(g, json_words(v->first)),
            .slot = small_number(v->first->next),
        };
    }
}

static Graph read_api(Arena *a, const JsonValue *v)
{
    Graph g = { .node = allocate(a, v->count, sizeof *g.node) };
    for (const JsonValue *n = v->first; n; n = n->next)
        if (is_api_node(n)) g.node[g.nodes++] = (Node){ .id = n->key, .type = json_words(json_get(n, "class_type")) };
    sort_nodes(&g);
    for (const JsonValue *n = v->first; n; n = n->next)
        if (is_api_node(n)) read_api_inputs(a, &g, find_node(&g, n->key), json_get(n, "inputs"));
    return g;
}

/* ---- the format of the web page ---------------------------------------------------------------- */

/* The values of a node in widgets_values, by class; a seed takes two places. */
static const struct { const char *type, *names[12]; } widgets[] = {
    { "KSampler", { "seed", "steps", "cfg", "sampler_name", "scheduler", "denoise" } },
    { "KSamplerAdvanced", { "add_noise", "noise_seed", "steps", "cfg", "sampler_name", "scheduler", "start_at_step",
                            "end_at_step", "return_with_leftover_noise" } },
    { "SamplerCustom", { "add_noise", "noise_seed", "cfg" } },
    { "RandomNoise", { "noise_seed" } },
    { "KSamplerSelect", { "sampler_name" } },
    { "BasicScheduler", { "scheduler", "steps", "denoise" } },
    { "CFGGuider", { "cfg" } },
    { "CLIPTextEncode", { "text" } },
    { "CLIPSetLastLayer", { "stop_at_clip_layer" } },
    { "CheckpointLoaderSimple", { "ckpt_name" } },
    { "CheckpointLoader", { "config_name", "ckpt_name" } },
    { "CheckpointLoaderSimpleWithNoiseSelect", { "ckpt_name", "beta_schedule" } },
    { "UNETLoader", { "unet_name", "weight_dtype" } },
    { "VAELoader", { "vae_name" } },
    { "LoraLoader", { "lora_name", "strength_model", "strength_clip" } },
    { "LoraLoaderModelOnly", { "lora_name", "strength_model" } },
    { "EmptyLatentImage", { "width", "height", "batch_size" } },
    { "ADE_EmptyLatentImageLarge", { "width", "height", "batch_size" } },
    { "LatentUpscale", { "upscale_method", "width", "height", "crop" } },
    { "LatentUpscaleBy", { "upscale_method", "scale_by" } },
    { "ImageScale", { "upscale_method", "width", "height", "crop" } },
    { "ImageScaleBy", { "upscale_method", "scale_by" } },
    { "UpscaleModelLoader", { "model_name" } },
    { "LoadImage", { "image", "upload" } },
    { "RescaleCFG", { "multiplier" } },
    { "ModelSamplingDiscrete", { "sampling", "zsnr" } },
    { "PrimitiveNode", { "value" } },
    { "ADE_AnimateDiffLoaderGen1", { "model_name", "beta_schedule" } },
    { "ADE_AnimateDiffLoaderWithContext", { "model_name", "beta_schedule", "motion_scale" } },
    { "AnimateDiffLoaderV1", { "model_name", "unlimited_area_hack" } },
    { "ADE_LoadAnimateDiffModel", { "model_name" } },
    { "ADE_UseEvolvedSampling", { "beta_schedule" } },
    { "ADE_AnimateDiffLoRALoader", { "name", "strength" } },
    { "ADE_StandardStaticContextOptions", { "context_length", "context_overlap" } },
    { "ADE_StandardUniformContextOptions", { "context_length", "context_stride", "context_overlap" } },
    { "ADE_LoopedUniformContextOptions", { "context_length", "context_stride", "context_overlap", "closed_loop" } },
    { "ADE_AnimateDiffUniformContextOptions", { "context_length", "context_stride", "context_overlap",
                                                "context_schedule", "closed_loop" } },
    { "VHS_VideoCombine", { "frame_rate", "loop_count" } },
    { "ADE_AnimateDiffCombine", { "frame_rate", "loop_count" } },
    { "SaveAnimatedWEBP", { "filename_prefix", "fps" } },
    { "SaveAnimatedPNG", { "filename_prefix", "fps" } },
};
enum { MUTED = 2, BYPASSED = 4 };

/* A node as the web page draws it. */
typedef struct { const JsonValue *json; const char *id; int mode; } Drawn;

/* A link between two nodes, by its number. */
typedef struct { int number; const char *from; int slot; const char *type; } Link;

typedef struct {
    Arena *a;
    Graph  g;
    Drawn *drawn;                        /* [drawns], by id, muted and bypassed nodes too */
    Link  *link;                         /* [links], by number */
    size_t drawns, links;
} Page;

static int by_number(const void *x, const void *y)
{
    const Link *a = x;
    const Link *b = y;
    return (a->number > b->number) - (a->number < b->number);
}

static int by_drawn_id(const void *x, const void *y)
{
    const Drawn *a = x;
    const Drawn *b = y;
    return strcmp(a->id, b->id);
}

static void read_links(Page *p, const JsonValue *links)
{
    if (!links || links->kind != JSON_LIST) return;
    p->link = allocate(p->a, links->count, sizeof *p->link);
    for (const JsonValue *v = links->first; v; v = v->next) {
        int is_list = v->kind == JSON_LIST;
        const JsonValue *number = is_list ? json_at(v, 0) : json_get(v, "id");
        const JsonValue *from = is_list ? json_at(v, 1) : json_get(v, "origin_id");
        const JsonValue *slot = is_list ? json_at(v, 2) : json_get(v, "origin_slot");
        const JsonValue *type = is_list ? json_at(v, 5) : json_get(v, "type");
        p->link[p->links++] = (Link){ small_number(number), json_words(from), small_number(slot), json_words(type) };
    }
    if (p->links) qsort(p->link, p->links, sizeof *p->link, by_number);
}

static const Link *find_link(const Page *p, int number)
{
    Link key = { .number = number };
    return number >= 0 && p->links ? bsearch(&key, p->link, p->links, sizeof key, by_number) : NULL;
}

/* Which link a bypassed node passes on: that of its first input of this type; NULL when it has none. */
static const Link *passed_on(const Page *p, const Drawn *d, const char *type)
{
    const JsonValue *inputs = json_get(d->json, "inputs");
    for (const JsonValue *v = inputs ? inputs->first : NULL; v; v = v->next) {
        const Link *link = find_link(p, small_number(json_get(v, "link")));
        const char *of = json_words(json_get(v, "type"));
        if (link && of && type && !strcmp(of, type)) return link;
    }
    return NULL;
}

/* The node and its output where a link begins, through all that is bypassed. */
static Input follow_link(const Page *p, const char *name, const Link *link)
{
    enum { MOST_BYPASSED = 64 };
    for (int i = 0; link && link->from && i < MOST_BYPASSED; i++) {
        Drawn key = { .id = link->from };
        const Drawn *d = p->drawns ? bsearch(&key, p->drawn, p->drawns, sizeof key, by_drawn_id) : NULL;
        if (!d || d->mode != BYPASSED) return (Input){ .name = name, .from = find_node(&p->g, link->from),
                                                       .slot = link->slot };
        link = passed_on(p, d, link->type);
    }
    return (Input){ .name = name };
}

static void add_input(Page *p, Node *n, size_t *room, Input input)
{
    if (node_input(n, input.name)) return;
    n->input = grow_array(p->a, n->input, n->inputs, room, sizeof input);
    n->input[n->inputs++] = input;
}

/* The name of value `at` of a node: from its class, or else from its inputs that have a widget.  NULL when not
 * known. */
static const char *widget_name(const JsonValue *json, const char *type, size_t at)
{
    for (size_t i = 0; i < sizeof widgets / sizeof *widgets; i++)
        if (!strcmp(widgets[i].type, type)) return at < 12 ? widgets[i].names[at] : NULL;
    const JsonValue *inputs = json_get(json, "inputs");
    for (const JsonValue *v = inputs ? inputs->first : NULL; v; v = v->next) {
        if (!json_get(v, "widget")) continue;
        if (!at) return json_words(json_get(v, "name"));
        at--;
    }
    return NULL;
}

/* What is done with a seed after a run stands behind it, and has no name. */
static int is_after_run(const JsonValue *v)
{
    static const char *const words[] = { "fixed", "increment", "decrement", "randomize" };
    for (size_t i = 0; i < sizeof words / sizeof *words; i++)
        if (v->kind == JSON_STRING && !strcmp(v->text, words[i])) return 1;
    return 0;
}

static void read_widgets(Page *p, Node *n, size_t *room, const JsonValue *json)
{
    enum { MOST_WIDGETS = 256 };
    const JsonValue *values = json_get(json, "widgets_values");
    size_t at = 0;
    int is_after_number = 0;
    if (!values) return;
    for (const JsonValue *v = values->first; v && at < MOST_WIDGETS; v = v->next) {
        const char *name = v->key;                      /* some classes write an object */
        if (!name && is_after_number && is_after_run(v)) continue;
        is_after_number = v->kind == JSON_NUMBER;
        if (!name) name = widget_name(json, n->type, at++);
        if (name) add_input(p, n, room, (Input){ .name = name, .value = v });
    }
}

/* Links first: an input that is linked keeps its old value among those of the widgets. */
static void read_drawn(Page *p, const Drawn *d)
{
    size_t room = 0;
    Node *n = find_node(&p->g, d->id);
    if (!n || n->inputs) return;
    const JsonValue *inputs = json_get(d->json, "inputs");
    for (const JsonValue *v = inputs ? inputs->first : NULL; v; v = v->next) {
        const char *name = json_words(json_get(v, "name"));
        const Link *link = find_link(p, small_number(json_get(v, "link")));
        if (name && link && n->inputs < 256) add_input(p, n, &room, follow_link(p, name, link));
    }
    read_widgets(p, n, &room, d->json);
}

static Graph read_page(Arena *a, const JsonValue *v)
{
    const JsonValue *nodes = json_get(v, "nodes");
    Page p = { .a = a };
    p.drawn = allocate(a, nodes->count, sizeof *p.drawn);
    p.g.node = allocate(a, nodes->count, sizeof *p.g.node);
    for (const JsonValue *n = nodes->first; n; n = n->next) {
        const char *id = json_words(json_get(n, "id"));
        const char *type = json_words(json_get(n, "type"));
        int mode = small_number(json_get(n, "mode"));
        if (!id || !type) continue;
        p.drawn[p.drawns++] = (Drawn){ n, id, mode };
        if (mode != MUTED && mode != BYPASSED) p.g.node[p.g.nodes++] = (Node){ .id = id, .type = type };
    }
    if (p.drawns) qsort(p.drawn, p.drawns, sizeof *p.drawn, by_drawn_id);
    sort_nodes(&p.g);
    read_links(&p, json_get(v, "links"));
    for (size_t i = 0; i < p.drawns; i++) read_drawn(&p, &p.drawn[i]);
    return p.g;
}

/* ---- both -------------------------------------------------------------------------------------- */

static int is_page(const JsonValue *v)
{
    const JsonValue *nodes = json_get(v, "nodes");
    return nodes && nodes->kind == JSON_LIST && json_get(v, "links");
}

int comfyui_is_graph(const JsonValue *v)
{
    if (!v || v->kind != JSON_OBJECT) return 0;
    if (is_page(v)) return 1;
    for (const JsonValue *n = v->first; n; n = n->next)
        if (is_api_node(n)) return 1;
    return 0;
}

Graph comfyui_graph(Arena *a, const JsonValue *v) { return is_page(v) ? read_page(a, v) : read_api(a, v); }
