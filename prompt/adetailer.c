/* adetailer.c - the settings of ADetailer, an extension of the web UI that draws faces anew.
 *
 *     ADetailer model: face_yolov8n.pt, ADetailer prompt: "a face", ADetailer denoising strength: 0.3
 * means
 *     Face pass: 0.3, Face prompt: a face
 *
 * It has several tabs, each with a model of its own; the keys of the second end with " 2nd" (Bing-su/adetailer,
 * adetailer/args.py).  Models whose names begin with "face_" or "mediapipe_face" find faces, others hands or people:
 * these have no meaning here.  What has ADetailer's default is not written, and so is a strength of 0.4.
 *
 * In its prompt "[PROMPT]" stands for the picture's, "[SEP]" is between the first face and the next, and a prompt of
 * "[SKIP]" leaves the face alone.  Tags are taken out: the face has the LoRAs of the picture.
 *
 * Nothing here fails. */
#include "adetailer.h"

#include "chars.h"

#include <string.h>

static const char *const kinds[] = { "ADetailer model", "ADetailer prompt", "ADetailer denoising strength" };
enum { MODEL, PROMPT, STRENGTH, KINDS };

/* Which of the kinds a key is, and the suffix of its tab: "" or " 2nd".  -> -1: none */
static int kind_of(const char *key, const char **suffix)
{
    for (int i = 0; i < KINDS; i++) {
        if (!begins(key, kinds[i])) continue;
        *suffix = key + strlen(kinds[i]);
        const char *number = *suffix + (**suffix == ' ');
        if (!**suffix || digit(*number)) return i;
    }
    return -1;
}

int adetailer_keep(ADetailer *d, const char *key, const char *value)
{
    const char *suffix;
    if (kind_of(key, &suffix) < 0 || !value || d->count == sizeof d->key / sizeof *d->key) return 0;
    d->key[d->count] = key;
    d->value[d->count++] = value;
    return 1;
}

/* The value of a tab's setting, or NULL */
static const char *value_of(const ADetailer *d, int kind, const char *tab)
{
    const char *suffix;
    for (size_t i = 0; i < d->count; i++)
        if (kind_of(d->key[i], &suffix) == kind && !strcmp(suffix, tab)) return d->value[i];
    return NULL;
}

static int finds_faces(const char *model)
{
    return begins(model, "face_") || begins(model, "mediapipe_face");
}

/* Takes the tags, <...>, out of a text -> the tags, or NULL */
static char *take_tags(Arena *a, char *text)
{
    char *tags = NULL;
    for (char *open = text; (open = strchr(open, '<'));) {
        char *close = strchr(open, '>');
        if (!close) break;
        char *tag = trimmed(a, open, (size_t)(close - open) + 1);
        tags = tags ? format(a, "%s, %s", tags, tag) : tag;
        memmove(open, close + 1, strlen(close + 1) + 1);
    }
    return tags;
}

static void read_prompt(Arena *a, ADetailerFace *face, const char *value, const char *prompt)
{
    const char placeholder[] = "[PROMPT]";
    const char *end = strstr(value, "[SEP]");
    char *text = trimmed(a, value, end ? (size_t)(end - value) : strlen(value));
    face->tags = take_tags(a, text);
    const char *at = strstr(text, placeholder);
    if (at) text = format(a, "%.*s%s%s", (int)(at - text), text, prompt, at + strlen(placeholder));
    size_t n = strlen(text);
    while (n && strchr(", \n", text[n - 1])) n--;
    if (n && strcmp(text, prompt)) face->prompt = trimmed(a, text, n);
}

ADetailerFace adetailer_face(Arena *a, const ADetailer *d, const char *prompt)
{
    ADetailerFace face = { 0 };
    const char *suffix;
    for (size_t i = 0; i < d->count && !face.suffix; i++) {
        if (kind_of(d->key[i], &suffix) != MODEL || !finds_faces(d->value[i])) continue;
        face = (ADetailerFace){ .suffix = suffix, .model = d->value[i] };
    }
    if (!face.suffix) return face;
    const char *words = value_of(d, PROMPT, face.suffix);
    face.strength = value_of(d, STRENGTH, face.suffix);
    if (!face.strength) face.strength = "0.4";
    if (words && begins(words, "[SKIP]")) return (ADetailerFace){ 0 };
    if (words) read_prompt(a, &face, words, prompt);
    return face;
}

int adetailer_is_used(const ADetailerFace *face, const char *key)
{
    const char *suffix;
    return face->suffix && kind_of(key, &suffix) >= 0 && !strcmp(suffix, face->suffix);
}
