/* callbacks.c - passes messages and progress on to whoever listens.
 *
 * The caller decides what becomes of a message: the command line prints it, and another program may show it in a window
 * or ignore it.  Texts are formatted here, so that a message is one line where it is sent.
 *
 * Nothing here fails: callbacks that are NULL are not called, and a text that is too long is cut. */
#include "callbacks.h"

#include <stdarg.h>
#include <stdio.h>

int callbacks_stopped(const Callbacks *w)
{
    if (!w) return 0;
    if (w->stop && *w->stop) return 1;
    return w->cancel && w->cancel(w->to);
}

Callbacks callbacks_silent(const Callbacks *w)
{
    if (!w) return (Callbacks){ .to = NULL };
    return (Callbacks){ .to = w->to, .cancel = w->cancel, .stop = w->stop };
}

static void format_and_call(void (*callback)(void *to, const char *words), void *to, const char *fmt, va_list args)
{
    char words[MESSAGE];
    vsnprintf(words, sizeof words, fmt, args);
    if (callback) callback(to, words);
}

void callbacks_say(const Callbacks *c, const char *fmt, ...)
{
    va_list args;
    va_start(args, fmt);
    if (c) format_and_call(c->say, c->to, fmt, args);
    va_end(args);
}

void callbacks_note(const Callbacks *c, const char *fmt, ...)
{
    va_list args;
    va_start(args, fmt);
    if (c) format_and_call(c->note, c->to, fmt, args);
    va_end(args);
}

void callbacks_progress(const Callbacks *c, const char *stage, int done, int of)
{
    if (c && c->progress) c->progress(c->to, stage, done, of);
}
