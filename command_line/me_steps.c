/* me_steps.c - the steps of persona me: each is a command that can be typed, and is done once.
 *
 * A step has no code of its own: its words are read and carried out in this process, as if they had been typed.  What
 * is printed is what is done.
 *
 * FOLDER/steps.txt is the record.  A line is a command, and behind it two digests: of what it was made from, and of
 * what came out.  When the same command is to be done again from the same files, and what it made is still there, it is
 * passed over.  A line is "begun" before its step, so that training that was stopped, in whatever way, goes on from its
 * state, and no state of other photos is taken for it. */
#include "me_steps.h"

#include "chars.h"
#include "shell_words.h"
#include "system.h"

#include <stdio.h>
#include <string.h>

static const char HEAD[] =
    "# persona me did this. Each line is a command; the numbers are digests of what it read and of what it made.";

static const char *record_path(const MeSteps *s) { return format(s->a, "%s/steps.txt", s->folder); }

static void read_record(MeSteps *s)
{
    const char *path = record_path(s);
    if (!file_is_there(s->a, path)) return;
    Bytes b = file_map(s->a, path);
    const char *text = (const char *)b.data;
    for (size_t at = 0; at < b.size;) {
        const char *end = memchr(text + at, '\n', b.size - at);
        size_t n = end ? (size_t)(end - text) - at : b.size - at;
        if (n && text[at] != '#') lines_add(s->a, &s->record, copy(s->a, text + at, n));
        at += n + 1;
    }
}

static void save_record(MeSteps *s)
{
    const char *text = format(s->a, "%s\n%s\n", HEAD, lines_joined(s->a, &s->record, "\n"));
    File file = { record_path(s), { (const unsigned char *)text, strlen(text) } };
    files_save(s->a, &file, 1);
}

MeSteps me_steps_open(Run *r, RunCommand *run_command, const char *folder)
{
    MeSteps s = { .a = r->a, .r = r, .run_command = run_command, .folder = folder };
    folder_make(s.a, folder);
    read_record(&s);
    return s;
}

uint64_t me_digest(Arena *a, uint64_t of, const char *path)
{
    enum { MOST = 64 << 20 };
    FileInfo info;
    size_t before = mark(a);
    if (system_file_info(path, &info) || !info.is_regular) return digest(of, path, strlen(path));
    if (info.size > MOST) {
        of = digest(of, &info.size, sizeof info.size);
        return digest(of, &info.modified.tv_sec, sizeof info.modified.tv_sec);
    }
    Bytes b = file_map(a, path);
    of = digest(of, b.data, b.size);
    release(a, before);
    return of;
}

/* ---- one step ------------------------------------------------------------------------------------ */

static const char *typed(const MeSteps *s, const Lines *words)
{
    StringBuilder line = string_builder(s->a);
    string_builder_add(&line, shell_quoted(s->a, s->r->options.program));
    for (size_t i = 0; i < words->count; i++) {
        string_builder_add(&line, " ");
        string_builder_add(&line, shell_quoted(s->a, words->line[i]));
    }
    make_printable(line.text, "");
    return line.text;
}

static char *digest_text(const MeSteps *s, uint64_t x) { return format(s->a, "%016llx", (unsigned long long)x); }

static const char *begun_line(const MeSteps *s, const MeStep *step)
{
    return format(s->a, "%s # begun %s", typed(s, &step->words), digest_text(s, step->made_from));
}

static const char *done_line(const MeSteps *s, const MeStep *step)
{
    const char *made = digest_text(s, me_digest(s->a, 0, step->result));
    return format(s->a, "%s # done %s %s", typed(s, &step->words), digest_text(s, step->made_from), made);
}

static int is_recorded(const MeSteps *s, const char *line)
{
    for (size_t i = 0; i < s->record.count; i++)
        if (!strcmp(s->record.line[i], line)) return 1;
    return 0;
}

/* The arguments as main() gets them. */
static void run_words(MeSteps *s, const Lines *words)
{
    char why[MESSAGE];
    size_t before = mark(s->a);
    char **argv = allocate(s->a, words->count + 3, sizeof *argv);
    int argc = 0;
    argv[argc++] = format(s->a, "%s", s->r->options.program);
    for (size_t i = 0; i < words->count; i++) argv[argc++] = format(s->a, "%s", words->line[i]);
    if (s->r->options.quiet) argv[argc++] = format(s->a, "--quiet");
    argv[argc] = NULL;
    Run run = { .a = s->a, .argc = argc, .argv = argv, .stopped = s->r->stopped };
    run.terminal = (Terminal){ .a = s->a, .told = &s->told };
    if (!attempt(s->a, s->run_command, &run, why)) {
        release(s->a, before);
        return;
    }
    FailKind kind = fail_kind(s->a);
    s->r->status = run.status;
    terminal_end(&run.terminal);
    if (kind != CANCELLED) fail_as(s->a, kind, "%s", why);
    fail_as(s->a, kind, "%s; the same persona me command goes on", why);
}

static void say_step(MeSteps *s, const MeStep *step, const Lines *words)
{
    run_say(s->r, format(s->a, "\nstep %zu: %s", ++s->steps, step->what));
    run_say(s->r, format(s->a, "  %s", typed(s, words)));
}

void me_step(MeSteps *s, const MeStep *step)
{
    const char *begun = begun_line(s, step);
    Lines words = { 0 };
    for (size_t i = 0; i < step->words.count; i++) lines_add(s->a, &words, step->words.line[i]);
    int is_done = file_is_there(s->a, step->result) && is_recorded(s, done_line(s, step));
    int goes_on = step->state && is_recorded(s, begun) && file_is_there(s->a, step->state);
    if (goes_on && !is_done) {
        lines_add(s->a, &words, "--resume");
        lines_add(s->a, &words, step->state);
    }
    say_step(s, step, &words);
    if (is_done) {
        run_say(s->r, "  done before");
        printf("%s\n", step->result);
        return;
    }
    if (!is_recorded(s, begun)) lines_add(s->a, &s->record, begun);
    save_record(s);
    run_words(s, &words);
    if (!file_is(step->result))
        fail(s->a, "%s: is not there, though its step is done; was it saved elsewhere?", step->result);
    lines_remove(&s->record, begun);
    lines_add(s->a, &s->record, done_line(s, step));
    save_record(s);
}
