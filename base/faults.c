/* faults.c - everything that is wrong, collected and told in one message.
 *
 * Somebody with five wrong names wants to hear of five.  So checks that do not depend on each other run one by one,
 * each as an attempt of its own; what fails is added here, and the job ends once, behind the last check.  A check whose
 * subject is wrong already is left out by its caller, because whatever it found would follow from the first fault.
 *
 * A fault begins with what it is about and a colon: a file, mostly.  Those about one file stand together, in the order
 * in which they were found.  What begins with a dash, in quotes or not, was typed as an option.
 *
 * The texts lie in the list and not in the arena: an attempt that fails gives back all memory since it began, and a
 * list in the arena might have grown since then. */
#include "faults.h"

#include <string.h>

size_t fault_size(const char *text)
{
    size_t n = strcspn(text, "\n");
    while (text[n] && text[n + 1] == ' ') n += 1 + strcspn(text + n + 1, "\n");
    return n;
}

/* What follows the fault at text. */
static const char *after_fault(const char *text)
{
    size_t n = fault_size(text);
    return text + n + (text[n] == '\n');
}

static int holds(const Faults *f, const char *fault, size_t n)
{
    for (const char *s = f->text; *s; s = after_fault(s))
        if (fault_size(s) == n && !memcmp(s, fault, n)) return 1;
    return 0;
}

static void add(Faults *f, const char *fault, size_t n)
{
    if (!n || holds(f, fault, n)) return;
    f->count++;
    if (n + 2 > sizeof f->text - f->size) return;
    memcpy(f->text + f->size, fault, n);
    memcpy(f->text + f->size + n, "\n", 2);
    f->size += n + 1;
}

void faults_add(Faults *f, const char *message)
{
    for (const char *s = message; *s; s = after_fault(s)) add(f, s, fault_size(s));
    f->kind = FAILURE;
}

void faults_add_to_last(Faults *f, const char *words)
{
    size_t n = strlen(words);
    if (!f->size || n + 1 > sizeof f->text - f->size) return;
    memcpy(f->text + f->size - 1, words, n);
    memcpy(f->text + f->size - 1 + n, "\n", 2);
    f->size += n;
}

int faults_try(Arena *a, Faults *f, void (*check)(void *to), void *to)
{
    char why[MESSAGE];
    if (!attempt(a, check, to, why)) return 0;
    FailKind kind = fail_kind(a);
    if (kind == CANCELLED) fail_as(a, kind, "%s", why);
    int is_kept = !f->count || f->kind == kind;
    faults_add(f, why);
    if (is_kept) f->kind = kind;
    return -1;
}

/* ---- telling ----------------------------------------------------------------------------------- */

static int is_typed(const char *fault) { return fault[fault[0] == '"'] == '-'; }

/* Are both about one thing? */
static int belong_together(const char *one, const char *other)
{
    if (is_typed(one) || is_typed(other)) return is_typed(one) && is_typed(other);
    size_t n = strcspn(one, ":\n");
    return one[n] == ':' && strcspn(other, ":\n") == n && !memcmp(one, other, n) && other[n] == ':';
}

/* Is there a fault before this one that it belongs to, so that it is told with that? */
static int is_told_before(const Faults *f, const char *fault)
{
    for (const char *s = f->text; s < fault; s = after_fault(s))
        if (belong_together(s, fault)) return 1;
    return 0;
}

/* Writes the group that begins with this fault -> its end */
static char *tell_group(char *end, const char *first)
{
    for (const char *s = first; *s; s = after_fault(s)) {
        if (s != first && !belong_together(first, s)) continue;
        size_t n = (size_t)(after_fault(s) - s);
        memcpy(end, s, n);
        end += n;
    }
    return end;
}

char *faults_told(Arena *a, const Faults *f)
{
    char *out = allocate(a, f->size + 1, 1);
    char *end = out;
    for (int typed = 0; typed < 2; typed++)
        for (const char *s = f->text; *s; s = after_fault(s))
            if (is_typed(s) == typed && !is_told_before(f, s)) end = tell_group(end, s);
    if (end > out) end--;
    *end = 0;
    return out;
}

void faults_fail(Arena *a, const Faults *f)
{
    if (f->count) fail_as(a, f->kind, "%s", faults_told(a, f));
}
