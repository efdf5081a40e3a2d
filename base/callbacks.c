/* callbacks.c - passes messages and progress on to whoever listens.  See callbacks.h. */
#include "callbacks.h"

#include <stdarg.h>
#include <stdio.h>

static void format_and_call(void (*callback)(void *to, const char *words), void *to, const char *fmt, va_list args)
{
    char words[1024];
    vsnprintf(words, sizeof words, fmt, args);
    if (callback) callback(to, words);
}

void callbacks_say(const Callbacks *w, const char *fmt, ...)
{
    va_list args;
    va_start(args, fmt);
    if (w) format_and_call(w->say, w->to, fmt, args);
    va_end(args);
}

void callbacks_note(const Callbacks *w, const char *fmt, ...)
{
    va_list args;
    va_start(args, fmt);
    if (w) format_and_call(w->note, w->to, fmt, args);
    va_end(args);
}

void callbacks_progress(const Callbacks *w, const char *stage, int done, int of)
{
    if (w && w->progress) w->progress(w->to, stage, done, of);
}
