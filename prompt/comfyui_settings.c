/* comfyui_settings.c - the settings of a picture of ComfyUI, read off its graph.
 *
 * A graph can compute anything, but most are plain: a sampler with a model, two prompts and an empty latent.  The
 * sampler that starts from noise or from a loaded picture is the first pass.  One that starts from its latents,
 * made larger, is the second pass, Hires.  From the first one the links are followed back:
 *
 *     model      through LoRAs and AnimateDiff's loaders to the checkpoint
 *     positive   through what changes conditioning to a node with text
 *     latent     to the size, or to the picture that it begins from
 *
 * A node that is passed and does something that persona does not do is told by its class.  A graph where one of the
 * three ends nowhere is not guessed at: the caller says what was found.
 *
 * ComfyUI's texts are written in its own way: [ and ] are plain characters, and an embedding is "embedding:name".
 *
 * Links may lead in a circle and thousands of nodes deep.  Every step takes one of `steps`, so following ends. */
#include "comfyui_settings.h"

#include <string.h>

enum { MOST_STEPS = 2000 };

typedef struct {
    Arena       *a;
    const Graph *g;
    InfotextWriter    *t;
    int          steps;                  /* that may still be taken */
    int          has_motion, has_context;
} Walk;

static int may_step(Walk *w) { return w->steps-- > 0; }

static int is_type(const Node *n, const char *type) { return n && !strcmp(n->type, type); }

static int has(const char *text, const char *part) { return strstr(text, part) != NULL; }

static const Node *linked(const Node *n, const char *name)
{
    const Input *i = node_input(n, name);
    return i ? i->from : NULL;
}

/* The first input that is linked; NULL when there is none. */
static const Input *first_link(const Node *n)
{
    for (size_t i = 0; i < n->inputs; i++)
        if (n->input[i].from) return &n->input[i];
    return NULL;
}

static int is_passing(const Node *n) { return has(n->type, "Reroute") || has(n->type, "Any Switch"); }

/* Past nodes that only pass something on. */
static const Node *past_reroutes(Walk *w, const Node *n)
{
    while (n && is_passing(n) && may_step(w)) {
        const Input *next = first_link(n);
        n = next ? next->from : NULL;
    }
    return n;
}

static const Node *source(Walk *w, const Node *n, const char *name) { return past_reroutes(w, linked(n, name)); }

/* ---- values ------------------------------------------------------------------------------------ */

/* Nodes that hold one value call it so; "" stands for the name that is asked for.  What was shown or drawn at random in
 * the end comes before what that was made from. */
static const char *const value_names[] = {
    "text_0", "populated_text", "", "value", "Value", "string", "text", "prompt", "seed", "noise_seed", "int", "float",
};
enum { LONGEST_TEXT = 1 << 18 };         /* a text may be met again and again, so it is bounded */

static const char *words_of(Walk *w, const Input *i);

/* text_a + delimiter + text_b ...; NULL when the node is no joiner. */
static const char *joined_words(Walk *w, const Node *n)
{
    static const char *const parts[] = { "text_a", "text_b", "text_c", "text_d", "string_a", "string_b", "string_1",
                                         "string_2", "string_3", "string_4", "text1", "text2" };
    const char *between = words_of(w, node_input(n, "delimiter"));
    const char *all = NULL;
    for (size_t i = 0; i < sizeof parts / sizeof *parts; i++) {
        const char *part = words_of(w, node_input(n, parts[i]));
        if (!part) continue;
        if (all && strlen(all) + strlen(part) > LONGEST_TEXT) return NULL;
        all = all ? format(w->a, "%s%s%s", all, between ? between : "", part) : part;
    }
    return all;
}

/* What an input says, as text: its own value, or that of the node it is linked to; NULL when neither is found. */
static const char *words_of(Walk *w, const Input *i)
{
    if (!i || !may_step(w)) return NULL;
    if (i->value && i->value->kind == JSON_BOOL) return i->value->text;
    if (i->value && i->value->kind == JSON_OBJECT) return json_words(json_get(i->value, "content"));
    if (i->value) {
        const char *said = json_words(i->value);
        return said && strlen(said) <= LONGEST_TEXT ? said : NULL;
    }
    const Node *n = past_reroutes(w, i->from);
    if (!n) return NULL;
    const char *found = NULL;
    for (size_t k = 0; k < sizeof value_names / sizeof *value_names && !found; k++)
        found = words_of(w, node_input(n, *value_names[k] ? value_names[k] : i->name));
    return found ? found : joined_words(w, n);
}

static const char *words(Walk *w, const Node *n, const char *name) { return words_of(w, node_input(n, name)); }

/* The same for a number, without an exponent; NULL when it is none. */
static const char *number(Walk *w, const Node *n, const char *name)
{
    double x;
    uint64_t whole;
    const char *text = words(w, n, name);
    if (!text || read_whole(text, &whole)) return text;
    size_t length = number_at(text, &x);
    return length && !text[length] ? number_text(w->a, x) : NULL;
}

static double number_or(Walk *w, const Node *n, const char *name, double otherwise)
{
    double x;
    const char *text = number(w, n, name);
    return text && read_number(text, &x) ? x : otherwise;
}

/* ---- text -------------------------------------------------------------------------------------- */

/* ComfyUI's text as the web UI writes it: "embedding:folder/name.pt" is the name alone, [ and ] are escaped, and tags,
 * which ComfyUI reads as words, are left out. */
static const char *translated(Walk *w, const char *text)
{
    static const char mark[] = "embedding:";
    char *out = allocate(w->a, 2 * strlen(text) + 1, 1), *end = out;
    while (*text) {
        const char *close = *text == '<' ? strchr(text, '>') : NULL;
        if (close && (begins(text, "<lora:") || begins(text, "<lyco:"))) {
            infotext_lose(w->t, quoted(w->a, copy(w->a, text, (size_t)(close + 1 - text))));
            text = close + 1;
        } else if (begins(text, mark)) {
            text += sizeof mark - 1;
            size_t n = strcspn(text, " ,:()\n\t");
            const char *name = without_extension(w->a, infotext_file(w->a, copy(w->a, text, n)));
            memcpy(end, name, strlen(name));
            end += strlen(name);
            text += n;
        } else if (*text == '\\' && text[1]) {
            *end++ = *text++;
            *end++ = *text++;
        } else {
            if (*text == '[' || *text == ']') *end++ = '\\';
            *end++ = *text++;
        }
    }
    *end = 0;
    return out;
}

/* "0": "a", "8": "b" and what stands before and behind each -> prompt travel, as lines. */
static const char *travel(Walk *w, const Node *n, const char *keys)
{
    const char *before = words(w, n, "pre_text");
    const char *behind = words(w, n, "app_text");
    const char *object = format(w->a, "{%s}", keys);
    Bytes text = { (const unsigned char *)object, strlen(object) };
    const JsonValue *v = json_tree(w->a, n->type, "prompt schedule", text);
    StringBuilder lines = string_builder(w->a);
    if (before && *before) string_builder_add(&lines, format(w->a, "%s\n", translated(w, before)));
    for (v = v->first; v; v = v->next)
        if (json_words(v)) string_builder_add(&lines, format(w->a, "%s: %s\n", v->key, translated(w, v->text)));
    if (behind && *behind) string_builder_add(&lines, translated(w, behind));
    return lines.text;
}

typedef struct { Walk *w; const Node *n; const char *keys, *text; } Travelling;

static void try_travel(void *to)
{
    Travelling *t = to;
    t->text = travel(t->w, t->n, t->keys);
}

static const char *text_of(Walk *w, const Input *conditioning);

static const char *two_texts(Walk *w, const Node *n, const char *first, const char *between, const char *second)
{
    const char *x = text_of(w, node_input(n, first));
    const char *y = text_of(w, node_input(n, second));
    if (!x || !y) return x ? x : y;
    if (strlen(x) + strlen(y) > LONGEST_TEXT) return NULL;
    return format(w->a, "%s%s%s", x, between, y);
}

/* The text of a node that makes conditioning from words; NULL when it is none. */
static const char *encoded_text(Walk *w, const Input *from, const Node *n)
{
    static const char *const names[] = { "text", "text_g", "clip_l", "prompt", "text_positive" };
    char why[MESSAGE];
    int is_efficient = has(n->type, "Efficient") || has(n->type, "Eff. Loader");
    if (is_efficient) return words(w, n, from->slot == 2 ? "negative" : "positive");
    for (size_t i = 0; i < sizeof names / sizeof *names; i++) {
        const char *text = words(w, n, names[i]);
        if (!text) continue;
        Travelling t = { .w = w, .n = n, .keys = text };
        if (has(n->type, "PromptSchedule") && !attempt(w->a, try_travel, &t, why)) return t.text;
        return translated(w, text);
    }
    return NULL;
}

/* The input that conditioning comes through in a node that changes it. */
static const Input *conditioning_of(const Node *n, int slot)
{
    const Input *i = node_input(n, "conditioning");
    if (!i) i = node_input(n, slot == 1 ? "negative" : "positive");
    return i ? i : node_input(n, "conditioning_to");
}

/* The text behind an input that takes conditioning; NULL when none is found. */
static const char *text_of(Walk *w, const Input *conditioning)
{
    while (conditioning && may_step(w)) {
        const Node *n = conditioning->from;
        if (!n) return NULL;
        if (is_passing(n)) {
            conditioning = first_link(n);
            continue;
        }
        if (is_type(n, "ConditioningZeroOut")) return "";
        if (is_type(n, "ConditioningConcat"))
            return two_texts(w, n, "conditioning_to", "\nBREAK\n", "conditioning_from");
        if (is_type(n, "ConditioningCombine")) return two_texts(w, n, "conditioning_1", "\nAND ", "conditioning_2");
        const char *text = encoded_text(w, conditioning, n);
        if (text) return text;
        infotext_lose(w->t, n->type);
        conditioning = conditioning_of(n, conditioning->slot);
    }
    return NULL;
}

/* Where a text was encoded, for its CLIP; NULL when that is not found. */
static const Node *encoder_of(Walk *w, const Input *conditioning)
{
    while (conditioning && conditioning->from && may_step(w)) {
        const Node *n = conditioning->from;
        if (node_input(n, "clip") || node_input(n, "clip_skip")) return n;
        conditioning = is_passing(n) ? first_link(n) : conditioning_of(n, conditioning->slot);
    }
    return NULL;
}

/* CLIPSetLastLayer: -2 is Clip skip 2. */
static void read_clip_skip(Walk *w, const Input *conditioning)
{
    const Node *n = encoder_of(w, conditioning);
    while (n && may_step(w)) {
        const char *layer = number(w, n, "stop_at_clip_layer");
        if (!layer) layer = number(w, n, "clip_skip");
        if (layer && *layer == '-') {
            infotext_set(w->t, "Clip skip", layer + 1);
            return;
        }
        n = source(w, n, "clip");
    }
}

/* ---- the model --------------------------------------------------------------------------------- */

/* {"on": true, "lora": "x.safetensors", "strength": 1, "strengthTwo": 0.5}             (rgthree's Power Lora) */
static void read_power_lora(Walk *w, const JsonValue *v)
{
    const char *name = json_words(json_get(v, "lora"));
    const JsonValue *on = json_get(v, "on");
    int is_off = on && on->text && !strcmp(on->text, "false");
    if (!name || is_off) return;
    const char *unet = json_words(json_get(v, "strength"));
    const char *text = json_words(json_get(v, "strengthTwo"));
    infotext_lora(w->t, name, text ? text : unet, unet);
}

/* Nodes with numbered LoRAs: the name, and its strengths. */
static const struct { const char *name, *unet, *text, *is_on; } numbered[] = {
    { "lora_name_%d", "lora_wt_%d", "lora_wt_%d", NULL },               /* LoRA Stacker */
    { "lora_name_%d", "model_str_%d", "clip_str_%d", NULL },
    { "lora_name_%d", "model_weight_%d", "clip_weight_%d", "switch_%d" },       /* CR LoRA Stack */
    { "lora_0%d", "strength_0%d", "strength_0%d", NULL },               /* Lora Loader Stack (rgthree) */
};

static void read_numbered_loras(Walk *w, const Node *n)
{
    for (size_t k = 0; k < sizeof numbered / sizeof *numbered; k++) {
        for (int i = 1; i < 10; i++) {
            const char *on = numbered[k].is_on ? words(w, n, format(w->a, numbered[k].is_on, i)) : "On";
            const char *name = words(w, n, format(w->a, numbered[k].name, i));
            const char *unet = number(w, n, format(w->a, numbered[k].unet, i));
            const char *text = number(w, n, format(w->a, numbered[k].text, i));
            double x;
            int is_used = unet && read_number(unet, &x) && (x < 0 || x > 0);
            if (name && is_used && on && !strcmp(on, "On")) infotext_lora(w->t, name, text, unet);
        }
    }
}

/* Some loaders take LoRAs as tags in a text; these are added to the prompt. */
static void read_tags(Walk *w, const Node *n)
{
    const char *text = has(n->type, "Lora") ? words(w, n, "text") : NULL;
    const char *tag = text ? strchr(text, '<') : NULL;
    const char *close = tag ? strchr(tag, '>') : NULL;
    for (; close && may_step(w); close = tag ? strchr(tag, '>') : NULL) {
        w->t->prompt = format(w->a, "%s %.*s", w->t->prompt, (int)(close + 1 - tag), tag);
        tag = strchr(close, '<');
    }
}

/* The LoRAs of one node; 0 when it has none. */
static int read_loras(Walk *w, const Node *n)
{
    size_t before = w->t->settings.n;
    const char *name = words(w, n, "lora_name");
    const char *unet = number(w, n, "strength_model");
    const char *text = number(w, n, "strength_clip");
    if (!unet) unet = number(w, n, "lora_model_strength");
    if (!text) text = number(w, n, "lora_clip_strength");
    if (name) infotext_lora(w->t, name, text || !has(n->type, "ModelOnly") ? text : "0", unet);
    for (size_t i = 0; i < n->inputs; i++)
        if (n->input[i].value && n->input[i].value->kind == JSON_OBJECT) read_power_lora(w, n->input[i].value);
    read_numbered_loras(w, n);
    read_tags(w, n);
    return name || w->t->settings.n > before || has(n->type, "Lora");
}

static void read_context(Walk *w, const Node *n)
{
    w->has_context = n != NULL;
    if (!n) return;
    const char *closed = words(w, n, "closed_loop");
    infotext_set(w->t, "Context", number(w, n, "context_length"));
    infotext_set(w->t, "Stride", number(w, n, "context_stride"));
    infotext_set(w->t, "Overlap", number(w, n, "context_overlap"));
    if (closed && same(closed, "true")) infotext_set(w->t, "Closed loop", "A");
}

static void read_motion_loras(Walk *w, const Node *n)
{
    for (; n && may_step(w); n = source(w, n, "prev_motion_lora")) {
        const char *name = words(w, n, "name");
        if (!name) name = words(w, n, "lora_name");
        infotext_lora(w->t, name, NULL, number(w, n, "strength"));
    }
}

/* AnimateDiff-Evolved's multival: a number, or a node that holds one; NULL: 1, or it is said that it cannot be read.
 * Other nodes of it make a number for each pixel. */
static const char *multival(Walk *w, const Node *n, const char *name)
{
    const Node *from = source(w, n, name);
    const char *x = from ? number(w, from, "float_val") : number(w, n, name);
    if (from && (!x || linked(from, "mask_optional"))) infotext_lose(w->t, format(w->a, "%s of %s", name, from->type));
    return x;
}

/* What is multiplied by scale_multival, which was motion_scale before, is what Motion strength multiplies here. */
static void read_motion_strength(Walk *w, const Node *n)
{
    const char *scale = multival(w, n, "scale_multival");
    const char *effect = multival(w, n, "effect_multival");
    if (!scale) scale = number(w, n, "motion_scale");
    infotext_set(w->t, "Motion strength", scale);
    if (effect && strcmp(effect, "1")) infotext_lose(w->t, format(w->a, "effect_multival %s", effect));
}

/* AnimateDiff's loaders: the first generation is one node in the chain of the model, the second a node and its models.
 * Returns 0 when n is none of them. */
static int read_motion(Walk *w, const Node *n)
{
    if (!has(n->type, "AnimateDiff") && !is_type(n, "ADE_UseEvolvedSampling")) return 0;
    const Node *applied = source(w, n, "m_models");
    const Node *loader = applied ? source(w, applied, "motion_model") : n;
    const char *name = words(w, loader, "model_name");
    if (!name) return 0;
    w->has_motion = 1;
    infotext_set(w->t, "Motion module", infotext_file(w->a, name));
    read_context(w, source(w, n, "context_options"));
    read_motion_loras(w, source(w, applied ? applied : n, "motion_lora"));
    read_motion_strength(w, applied ? applied : n);
    return 1;
}

/* Nodes in the chain of the model that are settings here.  Returns 0 when n is none of them. */
static int read_model_setting(Walk *w, const Node *n)
{
    if (is_type(n, "RescaleCFG")) {
        infotext_set(w->t, "CFG rescale", number(w, n, "multiplier"));
        return 1;
    }
    if (!is_type(n, "ModelSamplingDiscrete")) return 0;
    const char *zero_snr = words(w, n, "zsnr");
    const char *sampling = words(w, n, "sampling");
    if (sampling && !strcmp(sampling, "v_prediction")) infotext_set(w->t, "Prediction type", "v");
    if (zero_snr && !strcmp(zero_snr, "true")) infotext_set(w->t, "Noise Schedule", "Zero Terminal SNR");
    return 1;
}

/* The name of the file that a node loads the model from; NULL when it loads none. */
static const char *checkpoint(Walk *w, const Node *n)
{
    static const char *const names[] = { "ckpt_name", "unet_name", "model_path", "base_ckpt_name" };
    for (size_t i = 0; i < sizeof names / sizeof *names; i++) {
        const char *name = words(w, n, names[i]);
        if (name) return name;
    }
    return NULL;
}

/* Follows the model back to its checkpoint.  Returns 0 when it ends nowhere. */
static int read_model(Walk *w, const Node *n)
{
    for (; n && may_step(w); n = source(w, n, "model")) {
        const char *name = checkpoint(w, n);
        int is_known = read_motion(w, n) + read_loras(w, n) + read_model_setting(w, n);
        const Node *stack = source(w, n, "lora_stack");
        for (; stack && may_step(w); stack = source(w, stack, "lora_stack")) read_loras(w, stack);
        if (name) {
            const char *vae = words(w, n, "vae_name");
            infotext_set(w->t, "Model", infotext_file(w->a, name));
            if (vae && !has(vae, "Baked")) infotext_set(w->t, "VAE", infotext_file(w->a, vae));
            return 1;
        }
        if (!is_known) infotext_lose(w->t, n->type);
    }
    return 0;
}

/* ---- samplers ---------------------------------------------------------------------------------- */

/* A node with the inputs of a sampler.  Detailers draw faces anew, and upscalers tiles: they have them too. */
static int is_sampler(const Node *n)
{
    if (has(n->type, "Detailer") || has(n->type, "UltimateSDUpscale")) return 0;
    return node_input(n, "latent_image") || (node_input(n, "sampler_name") && node_input(n, "steps") &&
                                             node_input(n, "cfg"));
}

static int makes_latent(const Node *n)
{
    return has(n->type, "EmptyLatent") || (node_input(n, "width") && node_input(n, "batch_size"));
}

/* What a sampler's latents come from. */
typedef struct {
    const Node *sampler;                 /* the one before it */
    const Node *empty;                   /* or an empty latent */
    const Node *picture;                 /* or a loaded picture */
    const Node *upscale;                 /* what makes them larger on the way, and says how much */
    const Node *network;                 /* an upscaler, which works on pictures, and does not */
    const Node *mask;                    /* what of them is drawn anew */
} Origin;

static Origin origin_of(Walk *w, const Node *sampler)
{
    static const char *const back[] = { "samples", "latent_image", "latent", "pixels", "image", "images" };
    Origin o = { 0 };
    const Node *n = source(w, sampler, "latent_image");
    while (n && may_step(w)) {
        const char *image = words_of(w, node_input(n, "image"));
        if (is_sampler(n)) {
            o.sampler = n;
            return o;
        }
        if (makes_latent(n) || has(n->type, "Efficient Loader")) {
            o.empty = n;
            return o;
        }
        if (has(n->type, "LoadImage") && image) {
            o.picture = n;
            return o;
        }
        if (is_type(n, "ImageUpscaleWithModel")) o.network = n;
        else if (has(n->type, "Upscale") || has(n->type, "ImageScale")) o.upscale = n;
        if (linked(n, "mask")) o.mask = source(w, n, "mask");
        const Node *next = NULL;
        for (size_t i = 0; i < sizeof back / sizeof *back && !next; i++) next = source(w, n, back[i]);
        n = next;
    }
    return o;
}

/* Of the samplers that begin from noise or a picture the first; *second: the one that goes on from there, or NULL. */
static const Node *first_pass(Walk *w, const Node **second)
{
    const Node *first = NULL;
    *second = NULL;
    for (size_t i = 0; i < w->g->nodes; i++) {
        const Node *n = &w->g->node[i];
        if (!is_sampler(n) || origin_of(w, n).sampler) continue;
        if (first) infotext_lose(w->t, format(w->a, "a second %s (node %s)", n->type, n->id));
        else first = n;
    }
    for (size_t i = 0; i < w->g->nodes && first; i++) {
        const Node *n = &w->g->node[i];
        if (n == first || !is_sampler(n) || origin_of(w, n).sampler != first) continue;
        Origin o = origin_of(w, n);
        if (!*second && (o.upscale || o.network)) *second = n;
        else infotext_lose(w->t, format(w->a, "a further %s (node %s)", n->type, n->id));
    }
    return first;
}

/* The numbers of a sampler, which may stand in nodes of their own (SamplerCustom). */
static void read_sampler(Walk *w, const Node *n)
{
    const Node *sigmas = source(w, n, "sigmas");
    const Node *noise = source(w, n, "noise");
    const Node *method = source(w, n, "sampler");
    const Node *guider = source(w, n, "guider");
    const char *seed = number(w, n, "seed");
    if (!seed) seed = number(w, n, "noise_seed");
    if (!seed) seed = number(w, noise, "noise_seed");
    const char *cfg = number(w, n, "cfg");
    if (!cfg && guider) cfg = node_input(guider, "cfg") ? number(w, guider, "cfg") : "1";
    const char *sampler = words(w, method ? method : n, "sampler_name");
    const char *schedule = words(w, sigmas ? sigmas : n, "scheduler");
    infotext_set(w->t, "Steps", number(w, sigmas ? sigmas : n, "steps"));
    infotext_set(w->t, "Sampler", sampler);
    if (sigmas && !schedule) infotext_lose(w->t, sigmas->type);
    infotext_set(w->t, "Schedule type", schedule);
    infotext_set(w->t, "CFG scale", cfg);
    infotext_set(w->t, "Seed", seed);
    infotext_set(w->t, "RNG", "CPU");
    double begin = number_or(w, n, "start_at_step", 0);
    double end = number_or(w, n, "end_at_step", 10000);
    int is_part = begin > 0 || end < number_or(w, n, "steps", 0);
    if (is_part) infotext_lose(w->t, "the steps at which the sampler begins or ends");
}

static void set_size(Walk *w, double width, double height)
{
    if (width >= 1 && height >= 1 && width < 1e5 && height < 1e5)
        infotext_set(w->t, "Size", format(w->a, "%.0fx%.0f", width, height));
}

/* A channel of a loaded picture, or what is transparent in the one that is begun from. */
static void read_mask(Walk *w, const Node *mask, const Node *picture)
{
    const char *file = infotext_file(w->a, words(w, mask, "image"));
    const char *begun = infotext_file(w->a, words(w, picture, "image"));
    const char *channel = words(w, mask, "channel");
    int is_alpha = !channel || same(channel, "alpha");
    if (file && !is_alpha) infotext_set(w->t, "Mask", file);
    else if (file && begun && !strcmp(file, begun)) infotext_set(w->t, "Mask", "alpha");
    else infotext_lose(w->t, format(w->a, "the mask of %s", mask->type));
}

static void read_latent(Walk *w, Origin o, const Node *sampler)
{
    const char *strength = number(w, sampler, "denoise");
    if (!strength) strength = number(w, source(w, sampler, "sigmas"), "denoise");
    if (o.picture) {
        infotext_set(w->t, "Init image", infotext_file(w->a, words(w, o.picture, "image")));
        if (o.mask) read_mask(w, o.mask, o.picture);
        infotext_set(w->t, "Denoising strength", strength);
    } else if (o.empty) {
        double width = number_or(w, o.empty, "width", number_or(w, o.empty, "empty_latent_width", 0));
        double height = number_or(w, o.empty, "height", number_or(w, o.empty, "empty_latent_height", 0));
        set_size(w, width, height);
    }
    const char *frames = number(w, o.empty, "batch_size");
    if (w->has_motion) infotext_set(w->t, "Frames", frames);
    if (w->has_motion && !w->has_context && number_or(w, o.empty, "batch_size", 0) > 16)
        infotext_set(w->t, "Context", frames);          /* ComfyUI draws all of them together then */
    if (!w->has_motion) infotext_set(w->t, "Frames", "1");
    if (!w->has_motion && frames && strcmp(frames, "1")) infotext_lose(w->t, format(w->a, "a batch of %s", frames));
}

/* The web UI's second pass has the seed, the guidance and the sampler of the first. */
static void compare_passes(Walk *w, const Node *first, const Node *second)
{
    static const char *const names[] = { "seed", "cfg", "sampler_name", "scheduler" };
    for (size_t i = 0; i < sizeof names / sizeof *names; i++) {
        const char *x = words(w, first, names[i]);
        const char *y = words(w, second, names[i]);
        if (x && y && strcmp(x, y)) infotext_lose(w->t, format(w->a, "%s of the second pass (%s)", names[i], y));
    }
}

/* ---- larger pictures --------------------------------------------------------------------------- */

/* The file of the network of ImageUpscaleWithModel; NULL when it is not found. */
static const char *network_file(Walk *w, const Node *n)
{
    return infotext_file(w->a, words(w, source(w, n, "upscale_model"), "model_name"));
}

/* So many times as large a network makes a picture: the graph does not say it, but names of their files do, "4x-Ultra"
 * or "RealESRGAN_x4plus".  0: this one does not. */
static double network_scale(const char *name)
{
    for (const char *at = name; at && *at; at++) {
        int is_begin = at == name || !digit(at[-1]);
        if (is_begin && digit(*at) && lower(at[1]) == 'x') return *at - '0';
        if (lower(*at) == 'x' && digit(at[1]) && !digit(at[2])) return at[1] - '0';
    }
    return 0;
}

/* How many times as large a picture becomes on its way; 0: that is not found.
 * from: its width before     upscale, network: nodes on the way, or NULL */
static double enlarged(Walk *w, double from, const Node *upscale, const Node *network)
{
    double to = number_or(w, upscale, "width", 0);
    double factor = number_or(w, upscale, "scale_by", upscale ? 0 : 1);
    if (from > 0 && to > 0) return to / from;
    return network ? factor * network_scale(network_file(w, network)) : factor;
}

/* "Lanczos" or "Nearest" for a method of ComfyUI; other ways to resize a picture are Lanczos, and told. */
static const char *picture_method(Walk *w, const Node *upscale)
{
    const char *method = words(w, upscale, "upscale_method");
    if (method && has(method, "nearest")) return "Nearest";
    if (method && strcmp(method, "lanczos"))
        infotext_lose(w->t, format(w->a, "%s of %s, which is Lanczos", method, upscale->type));
    return "Lanczos";
}

/* The second pass, over latents or pictures that were made larger.  Returns how much; 1 without one. */
static double read_hires(Walk *w, Origin first, const Node *second)
{
    if (!second) return 1;
    Origin o = origin_of(w, second);
    if (!o.upscale && !o.network) return 1;     /* no steps are left to find it once more */
    double factor = enlarged(w, number_or(w, first.empty, "width", 0), o.upscale, o.network);
    if (!(factor >= 1)) {
        const Node *by = o.network ? o.network : o.upscale;
        infotext_lose(w->t, format(w->a, "the second pass through %s", by->type));
        return 1;
    }
    const char *method = words(w, o.upscale, "upscale_method");
    int is_nearest = method && has(method, "nearest");
    const char *by = is_nearest ? "Latent (nearest)" : "Latent";
    if (o.network) by = network_file(w, o.network);
    else if (!has(o.upscale->type, "Latent")) by = picture_method(w, o.upscale);
    infotext_set(w->t, "Hires upscale", number_text(w->a, factor));
    infotext_set(w->t, "Hires steps", number(w, second, "steps"));
    infotext_set(w->t, "Hires upscaler", by);
    infotext_set(w->t, "Denoising strength", number(w, second, "denoise"));
    return factor;
}

/* What makes pictures larger on the way to the node n, which shows or saves them, where they are those of the last
 * pass.  Returns 0 when nothing does.
 * not_last: a pass before the last one; or NULL     from: the width that the last one draws */
static int read_upscaler(Walk *w, const Node *n, const Node *not_last, double from)
{
    const Node *upscale = NULL;
    const Node *network = NULL;
    while (n && !has(n->type, "VAEDecode") && may_step(w)) {
        if (is_type(n, "ImageUpscaleWithModel")) network = n;
        else if (has(n->type, "ImageScale")) upscale = n;
        n = source(w, n, node_input(n, "image") ? "image" : "images");
    }
    const Node *pass = source(w, n, "samples");
    if (!pass || pass == not_last || (!upscale && !network)) return 0;
    double factor = enlarged(w, from, upscale, network);
    infotext_set(w->t, "Upscaler", network ? network_file(w, network) : picture_method(w, upscale));
    if (upscale && factor > 0) infotext_set(w->t, "Upscale by", number_text(w->a, factor));
    else if (upscale) infotext_lose(w->t, upscale->type);
    return 1;
}

static void read_upscalers(Walk *w, Origin first, const Node *sampler, const Node *second, double hires)
{
    double width = number_or(w, first.empty, "width", 0) * hires;
    int is_found = 0;
    for (size_t i = 0; i < w->g->nodes && !is_found; i++) {
        const Node *n = &w->g->node[i];
        if (linked(n, "images")) is_found = read_upscaler(w, n, second ? sampler : NULL, width);
    }
}

/* What is made of the latents in the end: by which VAE, and how fast the clip runs. */
static void read_output(Walk *w)
{
    const char *vae = NULL;
    const char *fps = NULL;
    for (size_t i = 0; i < w->g->nodes; i++) {
        const Node *n = &w->g->node[i];
        if (has(n->type, "VAEDecode") && !vae) vae = words(w, source(w, n, "vae"), "vae_name");
        if (!fps) fps = number(w, n, "frame_rate");
        if (!fps && has(n->type, "SaveAnimated")) fps = number(w, n, "fps");
        const char *pingpong = words(w, n, "pingpong");
        if (pingpong && same(pingpong, "true")) infotext_lose(w->t, "pingpong");
        if (has(n->type, "Detailer") || has(n->type, "UltimateSDUpscale")) infotext_lose(w->t, n->type);
    }
    infotext_set(w->t, "VAE", infotext_file(w->a, vae));
    if (w->has_motion) infotext_set(w->t, "FPS", fps);
}

/* The input with the words of a sampler; BasicGuider knows positive ones only. */
static const Input *conditioning(Walk *w, const Node *sampler, const char *name)
{
    const Input *i = node_input(sampler, name);
    const Node *guider = source(w, sampler, "guider");
    if (i || !guider) return i;
    i = node_input(guider, name);
    return i || strcmp(name, "positive") ? i : node_input(guider, "conditioning");
}

const char *comfyui_settings(InfotextWriter *t, const Graph *g)
{
    const Node *second;
    Walk *w = allocate(t->a, 1, sizeof *w);
    *w = (Walk){ .a = t->a, .g = g, .t = t, .steps = MOST_STEPS };
    const Node *sampler = first_pass(w, &second);
    if (!sampler) return "no sampler that begins from an empty latent or from a picture was found";
    w->steps = MOST_STEPS;
    Origin origin = origin_of(w, sampler);
    const Input *positive = conditioning(w, sampler, "positive");
    t->prompt = text_of(w, positive);
    if (!t->prompt) return "no words were found behind the sampler's positive input";
    t->negative = text_of(w, conditioning(w, sampler, "negative"));
    if (strchr(t->prompt, '(')) infotext_lose(t, "how ComfyUI weighs words in brackets, which is a little different");
    read_sampler(w, sampler);
    const Node *guider = source(w, sampler, "guider");
    if (!read_model(w, source(w, guider ? guider : sampler, "model")))
        return "no checkpoint was found behind the sampler's model input";
    read_clip_skip(w, positive);
    read_latent(w, origin, sampler);
    double hires = read_hires(w, origin, second);
    read_upscalers(w, origin, sampler, second, hires);
    if (second) compare_passes(w, sampler, second);
    read_output(w);
    return w->steps > 0 ? NULL : "its links lead in a circle, or too deep";
}

char *comfyui_nodes(Arena *a, const Graph *g)
{
    enum { LISTED = 24 };
    InfotextWriter seen = infotext_begin(a);
    size_t listed = g->nodes < LISTED ? g->nodes : LISTED;
    for (size_t i = 0; i < listed; i++) infotext_lose(&seen, quoted(a, g->node[i].type));
    return format(a, "%s: %s%s", amount(a, g->nodes, "node"), seen.lost.text, g->nodes > LISTED ? ", ..." : "");
}
