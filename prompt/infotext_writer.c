/* infotext_writer.c - writes infotext.
 *
 * Each program stores the settings of a picture in its own way.  What is understood of them is written as infotext, and
 * prompt_parse reads that as it reads any prompt file.  So there is one road to a request, with one set of checks and
 * messages.
 *
 * A file that comes from elsewhere names models and LoRAs in the folders of another machine.  Only the last part of a
 * path is kept: it is looked for among the files that are here, and no picture can name a path of this machine.
 *
 * What cannot be written as a setting is collected, so that it can be told in one message. */
#include "infotext_writer.h"

#include <string.h>

InfotextWriter infotext_begin(Arena *a)
{
    return (InfotextWriter){ .a = a, .settings = string_builder(a), .lost = string_builder(a) };
}

/* web UI: quote() */
char *infotext_quoted(Arena *a, const char *value)
{
    static const char escaped[] = "\n\t\r\"\\", letter[] = "ntr\"\\";
    size_t n = strlen(value);
    if (n && !strpbrk(value, ",:\"\n\r\t") && !blank(value[0]) && !blank(value[n - 1])) return format(a, "%s", value);
    char *out = allocate(a, 2 * n + 3, 1), *end = out;
    *end++ = '"';
    for (; *value; value++) {
        const char *special = strchr(escaped, *value);
        if (special) *end++ = '\\';
        *end++ = special ? letter[special - escaped] : *value;
    }
    *end++ = '"';
    *end = 0;
    return out;
}

const char *infotext_file(Arena *a, const char *path)
{
    if (!path) return NULL;
    for (const char *s = path; *s; s++)
        if (*s == '/' || *s == '\\') path = s + 1;
    return trimmed(a, path, strlen(path));
}

void infotext_set(InfotextWriter *t, const char *key, const char *value)
{
    if (!value || !*value) return;
    if (t->settings.n) string_builder_add(&t->settings, ", ");
    string_builder_add(&t->settings, key);
    string_builder_add(&t->settings, ": ");
    string_builder_add(&t->settings, infotext_quoted(t->a, value));
}

void infotext_lose(InfotextWriter *t, const char *what)
{
    enum { LISTED = 16 };
    const char *item = format(t->a, "%s%s", t->losses ? ", " : "", what);
    if (t->losses && strstr(t->lost.text, what)) return;
    t->losses++;
    if (t->losses <= LISTED) string_builder_add(&t->lost, item);
    else if (t->losses == LISTED + 1) string_builder_add(&t->lost, " and more");
}

void infotext_lora(InfotextWriter *t, const char *file, const char *text, const char *unet)
{
    double ignored;
    const char *name = infotext_file(t->a, file);
    if (!name || !*name || same(name, "None")) return;
    if (text && !read_number(text, &ignored)) text = NULL;
    if (unet && !read_number(unet, &ignored)) unet = NULL;
    if (!text) text = "1";
    if (!unet) unet = text;
    infotext_set(t, "LoRA", format(t->a, "%s:%s:%s", name, text, unet));
}

char *infotext_text(const InfotextWriter *t)
{
    const char *prompt = t->prompt ? t->prompt : "";
    const char *negative = t->negative ? t->negative : "";
    const char *first = *prompt ? format(t->a, "%s\n", prompt) : "";
    const char *second = *negative ? format(t->a, "Negative prompt: %s\n", negative) : "";
    return format(t->a, "%s%s%s", first, second, t->settings.text);
}
