/* template_lines.c - what a prompt was drawn from, as lines of infotext.
 *
 * The web UI's extension Dynamic Prompts stores a picture's prompt as it was drawn, and behind the settings the
 * text that it was drawn from:
 *
 *     a red cat
 *     Steps: 25, Seed: 7
 *     Template: a {red|blue} cat
 *     Negative Template: {dog|bird}
 *
 * persona does the same, so such a picture can be drawn again without the wildcard files.  A template of several lines
 * is written as one, in quotes, because a line in it could be taken for settings; others write it as it stands. */
#include "template_lines.h"

#include "chars.h"
#include "infotext_writer.h"

#include <string.h>

static const char prompt_label[] = "Template:", negative_label[] = "Negative Template:";

size_t template_line(const char *line)
{
    if (begins(line, prompt_label)) return sizeof prompt_label - 1;
    return begins(line, negative_label) ? sizeof negative_label - 1 : 0;
}

/* The text in quotes that infotext_quoted() wrote; any other text as it is. */
static const char *unquoted(Arena *a, char *text)
{
    static const char letters[] = "ntr", meant[] = "\n\t\r";
    size_t n = strlen(text);
    if (n < 2 || text[0] != '"' || text[n - 1] != '"') return text;
    char *out = allocate(a, n, 1), *end = out;
    for (const char *s = text + 1; s < text + n - 1; s++) {
        const char *letter = s[0] == '\\' && s[1] ? strchr(letters, s[1]) : NULL;
        if (*s == '"') return text;
        if (*s == '\\' && s + 2 < text + n) s++;
        *end++ = letter ? meant[letter - letters] : *s;
    }
    *end = 0;
    return out;
}

void template_lines_read(Arena *a, Request *r, const char *text)
{
    while (text && template_line(text)) {
        int is_negative = begins(text, negative_label);
        const char *from = text + template_line(text);
        const char *end = from;
        do {
            end += strcspn(end, "\n");
            end += *end == '\n';
        } while (*end && !template_line(end));
        const char *template = unquoted(a, trimmed(a, from, (size_t)(end - from)));
        if (is_negative) {
            r->negative_template = template;
            r->is_negative_drawn = 1;
        } else {
            r->prompt_template = template;
            r->is_prompt_drawn = 1;
        }
        text = *end ? end : NULL;
    }
}

static char *one_line(Arena *a, const char *label, const char *template)
{
    if (!template) return format(a, "%s", "");
    int needs_quotes = strchr(template, '\n') || *template == '"';
    return format(a, "\n%s %s", label, needs_quotes ? infotext_quoted(a, template) : template);
}

char *template_lines(Arena *a, const Request *r)
{
    char *first = one_line(a, prompt_label, r->prompt_template);
    return format(a, "%s%s", first, one_line(a, negative_label, r->negative_template));
}
