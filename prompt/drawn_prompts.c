/* drawn_prompts.c - the prompts of a request as they are drawn.
 *
 * A prompt file is written by hand, with comments and with choices; a picture stores what came out.  The step
 * between the two happens once, when the seed is known and before any name is looked up, because a choice may hold
 * a LoRA's tag.
 *
 * Words that belong to another program are told before anything is drawn. */
#include "drawn_prompts.h"

#include "chars.h"
#include "dynamic_prompt.h"
#include "foreign_prompt.h"

#include <string.h>

/* ComfyUI's "embedding:name" is the name alone. */
static const char *without_embedding_marks(Arena *a, const char *text)
{
    static const char mark[] = "embedding:";
    const size_t n = sizeof mark - 1;
    if (!strstr(text, mark)) return text;
    char *out = allocate(a, strlen(text) + 1, 1), *end = out;
    for (const char *s = text; *s; ) {
        int starts = s == text || !word_character(s[-1]);
        if (starts && !strncmp(s, mark, n) && word_character(s[n])) s += n;
        else *end++ = *s++;
    }
    *end = 0;
    return out;
}

static int is_off(const Request *r) { return r->dynamic && same(r->dynamic, "off"); }

/* The text as it is drawn; *template: what it was drawn from, NULL when nothing was drawn. */
static const char *drawn(DynamicPrompt *d, const Request *r, const char *text, const char **template)
{
    const char *plain = without_embedding_marks(d->a, dynamic_prompt_uncomment(d->a, text));
    const char *result = is_off(r) ? plain : dynamic_prompt_draw(d, plain);
    *template = strcmp(result, plain) ? plain : NULL;
    return trimmed(d->a, result, strlen(result));
}

static void set(Arena *a, Request *r, const char *name, const char *label, const char *value)
{
    const Setting *s = setting_named(name);
    s->kind->set(a, r, s, label, value);
}

void prompts_draw(Arena *a, Request *r, const Wildcards *w, const char *label)
{
    const char *template;
    DynamicPrompt d = dynamic_prompt_begin(a, w, r->job.seed);
    if (!r->is_prompt_drawn && r->prompt) {
        const char *text = drawn(&d, r, r->prompt, &template);
        if (strcmp(text, r->prompt)) set(a, r, "prompt", label, text);
        r->prompt_template = template;
    }
    if (!r->is_negative_drawn && r->job.negative) {
        const char *text = drawn(&d, r, r->job.negative, &template);
        if (strcmp(text, r->job.negative)) set(a, r, "negative", label, text);
        r->negative_template = template;
    }
    if (d.missing)
        fail(a, "%s: the prompt cannot be drawn: %s.  With --dynamic-prompts off all of it is read as words", label,
             d.missing);
    r->is_prompt_drawn = 1;
    r->is_negative_drawn = 1;
}

void prompts_warn(Arena *a, const Request *r, const char *label, void (*warn)(void *to, const char *line), void *to)
{
    const char *negative = r->job.negative ? r->job.negative : "";
    const struct { const char *text, *what; int is_drawn; } prompts[] = {
        { r->prompt ? r->prompt : "", "prompt", r->is_prompt_drawn },
        { negative, "negative prompt", r->is_negative_drawn },
    };
    for (size_t i = 0; i < 2; i++) {
        char *found = prompts[i].is_drawn ? NULL : foreign_prompt_warning(a, prompts[i].text);
        if (found) warn(to, format(a, "%s: read as words in the %s: %s", label, prompts[i].what, found));
    }
}
