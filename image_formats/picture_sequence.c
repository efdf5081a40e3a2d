/* picture_sequence.c - the files of a clip that is kept as a picture for each frame.
 *
 * Programs that take films apart write frame-1.png .. frame-10.png, or 0001.png ..; a sort by bytes would play the
 * first as 1, 10, 2.  So digits are compared as the numbers that they are.  A pattern of printf picks some files of a
 * folder; it is only compared with names, never given to printf.  A file whose own name has a "%" is that file. */
#include "picture_sequence.h"

#include "chars.h"

#include <stdlib.h>
#include <string.h>

/* ---- order ---- */

static const char *past_zeros(const char *s)
{
    while (*s == '0' && digit(s[1])) s++;
    return s;
}

static size_t digits_at(const char *s)
{
    size_t n = 0;
    while (digit(s[n])) n++;
    return n;
}

/* As strcmp, where "9" is before "10". */
static int compare_names(const char *x, const char *y)
{
    const char *whole_x = x, *whole_y = y;
    while (*x && *y) {
        if (digit(*x) && digit(*y)) {
            x = past_zeros(x);
            y = past_zeros(y);
            size_t n = digits_at(x), m = digits_at(y);
            int order = n == m ? strncmp(x, y, n) : (n < m ? -1 : 1);
            if (order) return order;
            x += n;
            y += m;
            continue;
        }
        if (*x != *y) return (unsigned char)*x < (unsigned char)*y ? -1 : 1;
        x++;
        y++;
    }
    if (*x || *y) return *x ? 1 : -1;
    return strcmp(whole_x, whole_y);
}

static int compare(const void *x, const void *y)
{
    return compare_names(*(const char *const *)x, *(const char *const *)y);
}

/* ---- which files ---- */

static int ends_like_picture(const char *name)
{
    static const char *const endings[] = { ".png", ".jpg", ".jpeg", ".webp", ".bmp", ".gif", ".apng" };
    const char *dot = strrchr(name, '.');
    for (size_t i = 0; dot && i < sizeof endings / sizeof *endings; i++)
        if (same(dot, endings[i])) return 1;
    return 0;
}

/* "%d", "%4d" or "%04d" in a pattern: where it begins, its width, and what follows it. */
typedef struct { const char *percent, *behind; size_t width; } Number;

static int find_number(const char *pattern, Number *n)
{
    n->percent = strchr(pattern, '%');
    if (!n->percent) return 0;
    const char *at = n->percent + 1;
    size_t digits = digits_at(at);
    if (digits > 3 || at[digits] != 'd') return 0;
    n->width = (size_t)strtoul(at, NULL, 10);
    n->behind = at + digits + 1;
    return !strchr(n->behind, '%');
}

/* Would printf make this name?  Its number has at least so many digits, and more only where it needs them. */
static int is_made_by(const char *name, const char *pattern, const Number *n)
{
    size_t before = (size_t)(n->percent - pattern);
    if (strncmp(name, pattern, before)) return 0;
    size_t digits = digits_at(name + before);
    if (!digits || digits < n->width || (digits > n->width && name[before] == '0' && digits > 1)) return 0;
    return !strcmp(name + before + digits, n->behind);
}

static const char **listed(Arena *a, const char *folder, const char *pattern, const Number *n, size_t *count)
{
    size_t names;
    const char **name = folder_list(a, folder, &names);
    const char **file = allocate(a, names + 1, sizeof *file);
    *count = 0;
    for (size_t i = 0; i < names; i++) {
        int is_wanted = pattern ? is_made_by(name[i], pattern, n) : ends_like_picture(name[i]);
        const char *path = format(a, "%s%s%s", folder, folder[strlen(folder) - 1] == '/' ? "" : "/", name[i]);
        if (is_wanted && file_is(path)) file[(*count)++] = path;
    }
    qsort(file, *count, sizeof *file, compare);
    return *count ? file : NULL;
}

const char **picture_sequence(Arena *a, const char *path, size_t *count)
{
    Number n;
    const char *pattern = file_name(path);
    *count = 0;
    if (file_is_given(a, path) || file_is(path)) {
        const char **one = allocate(a, 1, sizeof *one);
        *one = path;
        *count = 1;
        return one;
    }
    if (folder_is(path)) return listed(a, path, NULL, NULL, count);
    if (!find_number(pattern, &n)) return NULL;
    return listed(a, folder_of(a, path), pattern, &n, count);
}
