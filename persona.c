/* persona.c - the command line: words in, a moving picture out.
 *
 *     persona prompt.txt        the file's words and settings    -> prompt.gif
 *     persona out.gif           the settings stored inside       -> the same bytes again
 *     persona train photos      a folder of pictures             -> a LoRA
 *
 * A run is: options, request, checks, generate, save; draw() and draw_picture() below.  What can be known before
 * the minutes of work is checked before, and all that is wrong is told together (draw_check.c).  All of it runs inside
 * one attempt().  So every error ends in one message and one exit status, and nothing is written.
 *
 * stdout carries the path of the result and nothing else; all messages are on stderr.  The only globals are what
 * signals need.  No picture of another job is replaced: it is kept, or the new one gets another name (result.c); and no
 * output file replaces a file that it is made from. */
#include "draw_batch.h"
#include "draw_check.h"
#include "draw_grid.h"
#include "draw_target.h"
#include "generate.h"
#include "help.h"
#include "info_command.h"
#include "list_command.h"
#include "me_command.h"
#include "run.h"
#include "system.h"
#include "terminal.h"
#include "train_command.h"

#include <errno.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

/* ---- signals ----------------------------------------------------------------------------------- */

static volatile sig_atomic_t stopped;            /* set by Ctrl-C; see callbacks.h */
static Arena *mapped;                            /* the arena whose files are mapped */

static void on_interrupt(int signal)
{
    (void)signal;
    stopped = 1;
}

/* A file that is cut short while it is mapped, or whose disk goes away, ends the program that reads it. */
static void on_lost_file(const void *address)
{
    const char *path = mapped_file_at(mapped, address);
    system_write_error("\n");
    system_write_error(path ? path : "memory");
    system_write_error(": was cut short, or its disk went away, while it was in use; put it back and begin again\n");
    _Exit(FAILED);
}

/* The second Ctrl-C does not wait for the layer that is being computed. */
static void handle_signals(void)
{
    system_on_interrupt(on_interrupt);
    system_on_lost_file(on_lost_file);
    system_ignore_size_limit();
}

/* ---- persona, persona check -------------------------------------------------------------------- */

/* Is there to be a preview, and can the terminal show it?  Says so when it cannot. */
static int can_preview(Run *r)
{
    if (!r->options.preview || r->options.quiet) return 0;
    const char *why_not = terminal_why_no_preview();
    if (why_not) run_say(r, why_not);
    return !why_not;
}

static void play(Run *r)
{
    fflush(stdout);
    terminal_play(&r->terminal, r->pictures, r->request.job.fps, &stopped);
}

static void generate_pictures(void *run)
{
    Run *r = run;
    r->pictures = r->sweep ? draw_grid(r) : generate(r->a, &r->request.job, &r->callbacks);
}

static void end_messages(Run *r)
{
    terminal_end(&r->terminal);
    if (r->options.verbose) run_say(r, prompt_infotext(r->a, &r->request));
}

static void draw_picture(void *run)
{
    Run *r = run;
    double began = system_seconds();
    draw_check(r);
    int has_preview = can_preview(r);
    if (has_preview) r->callbacks.preview = terminal_preview;
    run_try(r, generate_pictures);
    run_end_if_faulty(r);
    end_messages(r);
    draw_target_save(r, began);
    if (r->sweep) draw_grid_done(r);
    if (has_preview) play(r);
}

static void check_picture(void *run)
{
    Run *r = run;
    draw_check(r);
    end_messages(r);
    draw_check_passed(r);
}

/* Words in, a moving picture out. */
static void draw(Run *r)
{
    RunCommand *one = r->is_check ? check_picture : draw_picture;
    system_ignore_broken_pipe();                 /* the work goes on when nobody reads its messages any more */
    run_complete_input(r);
    run_read_request(r, r->options.input);
    int is_batch = r->request.batch > 1;
    if (is_batch) run_try(r, draw_batch_check);
    draw_target_set(r, draw_target_path(r));
    if (is_batch && !r->options.faults.count) draw_batch(r, one);
    else one(r);                                 /* which tells all faults */
}

static void check(Run *r)
{
    const Options *o = &r->options;
    int is_nothing = !o->input && !o->has_prompt && !o->faults.count;
    if (is_nothing) run_misuse(r, "persona check needs a prompt file, --prompt, or - for standard input");
    r->is_check = 1;
    draw(r);
}

/* ---- main -------------------------------------------------------------------------------------- */

static void work(void *run);                     /* persona me runs other commands */

static void do_command(Run *r)
{
    const char *command = r->options.command;
    int is_checked_later = !command || !strcmp(command, "check") || !strcmp(command, "train") || !strcmp(command, "me");
    int wants_help = r->options.wants_training_help || r->options.wants_me_help;
    if (!is_checked_later || wants_help || r->options.is_command_wrong) run_end_if_faulty(r);
    if (!command) draw(r);
    else if (!strcmp(command, "check")) check(r);
    else if (!strcmp(command, "info")) info_command(r);
    else if (!strcmp(command, "list")) list_command(r);
    else if (r->options.wants_training_help) print_training_help();
    else if (!strcmp(command, "train")) train_command(r);
    else if (r->options.wants_me_help) print_me_help();
    else if (!strcmp(command, "me")) me_command(r, work);
    else if (!strcmp(command, "help")) print_help();
    else puts("persona " PERSONA_VERSION);
}

static void flush_stdout(Run *r)
{
    errno = 0;
    if (!fflush(stdout) && !ferror(stdout)) return;
    fail(r->a, "standard output cannot be written: %s", errno ? strerror(errno) : "it is closed");
}

static void work(void *run)
{
    Run *r = run;
    r->status = MISUSED;
    options_read(r->a, &r->options, r->argc, r->argv);
    r->terminal.quiet = r->options.quiet;
    r->status = FAILED;
    run_find_folders(r);
    if (!r->options.command || !strcmp(r->options.command, "check") || !strcmp(r->options.command, "info"))
        run_read_standard_input(r);
    do_command(r);
    flush_stdout(r);
}

/* Between parallel loops the threads of GNU's OpenMP wait for some milliseconds in a busy loop before they sleep.
 * Jobs that share a machine then take each other's cores for nothing, and each lasts many times as long.  How long
 * they wait is read from the environment before main(), so the program begins again with a shorter time. */
static void shorten_busy_waiting(char **argv)
{
#ifdef _OPENMP
    if (system_environment("GOMP_SPINCOUNT") || system_environment("OMP_WAIT_POLICY")) return;
    system_restart(argv, "GOMP_SPINCOUNT", "500");
#else
    (void)argv;
#endif
}

int main(int argc, char **argv)
{
    char message[MESSAGE];
    shorten_busy_waiting(argv);
    Run r = { .a = arena_new(), .argc = argc, .argv = argv, .stopped = &stopped };
    if (!r.a) {
        fprintf(stderr, "out of memory before anything began\n");
        return FAILED;
    }
    r.terminal.a = r.a;
    mapped = r.a;
    handle_signals();
    int status = DONE;
    if (attempt(r.a, work, &r, message)) {
        terminal_end(&r.terminal);
        status = stopped ? INTERRUPTED : r.status;
        int is_bare = !strcmp(message, "interrupted");
        terminal_print(is_bare ? "interrupted; nothing was written" : message);
    }
    arena_free(r.a);
    return status;
}
