/* What stands on a terminal while a job runs: a pseudo-terminal, and an emulator of the few sequences that are printed,
 * which breaks lines like a terminal when its window becomes narrower, or cuts them off as others do. */
#define _XOPEN_SOURCE 700
#define _DEFAULT_SOURCE
#include "chars.h"
#include "terminal.h"
#include "test.h"

#include <fcntl.h>
#include <poll.h>
#include <stdlib.h>
#include <sys/ioctl.h>
#include <sys/wait.h>
#include <unistd.h>

/* ---- an emulator ------------------------------------------------------------------------------- */

enum { ROWS = 3000, CELLS = 400, BOTH = 2 };

typedef struct { uint32_t cell[CELLS]; int used, goes_on; } Row;      /* goes_on: the next row is the same line */

typedef struct {
    Row  row[ROWS];                      /* all that was ever on the screen; it shows the last ones */
    int  y, x, rows;                     /* the cursor, and rows that were reached */
    int  columns, reflows, wraps, unknown;
    char sequence[80];                   /* an escape sequence, or a character, that has begun */
    int  length;
} Emulator;

static void line_feed(Emulator *e)
{
    if (e->y + 1 < ROWS) e->y++;
    if (e->y >= e->rows) e->rows = e->y + 1;
}

static void put(Emulator *e, uint32_t c, int width)
{
    if (!width) return;
    if (e->x + width > e->columns) {
        e->row[e->y].goes_on = 1;
        e->wraps++;
        line_feed(e);
        e->x = 0;
    }
    Row *r = &e->row[e->y];
    while (r->used < e->x + width) r->cell[r->used++] = ' ';
    r->cell[e->x++] = c;
    if (width == BOTH) r->cell[e->x++] = 0;
}

static void clear_from(Emulator *e, int y, int x)
{
    Row *r = &e->row[y];
    if (r->used > x) r->used = x;
    r->goes_on = 0;
}

static void obey(Emulator *e, char letter, int n)
{
    if (letter == 'm') return;
    if (letter == 'A') e->y = e->y > n ? e->y - n : 0;
    else if (letter == 'B') e->y = e->y + n < e->rows ? e->y + n : e->rows - 1;
    else if (letter == 'K' || letter == 'J') clear_from(e, e->y, e->x);
    else e->unknown++;
    for (int y = e->y + 1; letter == 'J' && y < e->rows; y++) clear_from(e, y, 0);
}

static void feed(Emulator *e, char byte)
{
    uint32_t c;
    e->sequence[e->length++] = byte;
    e->sequence[e->length] = 0;
    const char *s = e->sequence;
    if (*s == '\033') {
        int is_open = e->length < 3 || strchr("0123456789;", byte);
        if (is_open && e->length < 70) return;
        obey(e, byte, s[2] >= '0' && s[2] <= '9' ? atoi(s + 2) : 1);
    }
    else if (*s == '\r') e->x = 0;
    else if (*s == '\n') line_feed(e);
    else if ((unsigned char)*s < 0x20) e->unknown++;
    else {
        size_t whole = (unsigned char)*s >= 0xF0 ? 4 : (unsigned char)*s >= 0xE0 ? 3 : (unsigned char)*s >= 0xC0 ? 2 : 1;
        if ((size_t)e->length < whole) return;
        utf8_decode((const unsigned char *)s, whole, &c);
        put(e, c, text_columns(s, whole));
    }
    e->length = 0;
}

/* The window becomes so wide: what was one line stays one, or is cut off.  The cursor stays at its character. */
static void resize(Emulator *e, int columns)
{
    Emulator *old = malloc(sizeof *old);
    *old = *e;
    memset(e->row, 0, sizeof e->row);
    e->columns = columns;
    if (!e->reflows) {
        memcpy(e->row, old->row, sizeof e->row);
        for (int y = 0; y < e->rows; y++) if (e->row[y].used > columns) e->row[y].used = columns;
        if (e->x > columns - 1) e->x = columns - 1;
        free(old);
        return;
    }
    int to = 0, at = 0;
    for (int y = 0; y < old->rows; y++) {
        for (int x = 0; x <= old->row[y].used; x++) {
            if (y == old->y && x == old->x) { e->y = to; e->x = at; }
            if (x == old->row[y].used) break;
            if (at == columns) { e->row[to++].goes_on = 1; at = 0; }
            if (y == old->y && x == old->x) { e->y = to; e->x = at; }
            e->row[to].cell[at++] = old->row[y].cell[x];
            e->row[to].used = at;
        }
        if (old->row[y].goes_on) continue;
        to++;
        at = 0;
    }
    e->rows = to;
    free(old);
}

/* All that is there as text, without blanks at the ends of lines. */
static char *shown(Arena *a, const Emulator *e)
{
    StringBuilder d = string_builder(a);
    for (int y = 0; y < e->rows; y++) {
        int used = e->row[y].used;
        while (used && e->row[y].cell[used - 1] == ' ') used--;
        for (int x = 0; x < used; x++) if (e->row[y].cell[x]) string_builder_add_code_point(&d, e->row[y].cell[x]);
        string_builder_add(&d, "\n");
    }
    while (d.n > 1 && d.text[d.n - 2] == '\n') d.text[--d.n] = 0;
    return d.text;
}

static int count(const char *text, const char *words)
{
    int n = 0;
    for (const char *s = text; (s = strstr(s, words)); s++) n++;
    return n;
}

/* So few lines that a picture is smaller than what a terminal takes before somebody reads it. */
enum { LINES = 10 };

/* ---- a pseudo-terminal ------------------------------------------------------------------------- */

typedef struct { Arena *a; int master, slave, saved; Emulator *e; Terminal t; } Screen;

static void set_size(Screen *s, int columns, int lines)
{
    struct winsize size = { .ws_col = (unsigned short)columns, .ws_row = (unsigned short)lines };
    ioctl(s->master, TIOCSWINSZ, &size);
}

static Screen begin(Arena *a, int columns, int reflows)
{
    Screen s = { .a = a, .master = posix_openpt(O_RDWR | O_NOCTTY), .e = calloc(1, sizeof *s.e), .t = { .a = a } };
    if (s.master < 0 || grantpt(s.master) || unlockpt(s.master)) abort();
    s.slave = open(ptsname(s.master), O_RDWR | O_NOCTTY);
    s.e->columns = columns;
    s.e->reflows = reflows;
    s.e->rows = 1;
    set_size(&s, columns, LINES);
    s.saved = dup(2);
    return s;
}

/* Reads what is there, or, wait, until the other end closes. */
static void read_screen(Screen *s, int milliseconds)
{
    char bytes[4096];
    struct pollfd p = { .fd = s->master, .events = POLLIN };
    while (poll(&p, 1, milliseconds) > 0) {
        ssize_t n = read(s->master, bytes, sizeof bytes);
        if (n <= 0) return;
        for (ssize_t i = 0; i < n; i++) feed(s->e, bytes[i]);
    }
}

/* Between these two stderr is the terminal. */
static void enter(Screen *s) { dup2(s->slave, 2); }
static void leave(Screen *s)
{
    dup2(s->saved, 2);
}

static void end(Screen *s)
{
    close(s->master);
    close(s->slave);
    close(s->saved);
    free(s->e);
}

static void change(Screen *s, int columns)
{
    read_screen(s, 20);
    set_size(s, columns, LINES);
    resize(s->e, columns);
}

/* What stands there now. */
static char *look(Screen *s)
{
    read_screen(s, 20);
    return shown(s->a, s->e);
}

/* As a job does it: so many steps are done. */
static void go_on(Screen *s, const char *stage, int done, int of)
{
    enter(s);
    s->t.drawn -= 1;                     /* a second later */
    s->t.begun -= 7;
    terminal_progress(&s->t, stage, done, of);
    leave(s);
}

static void say(Screen *s, const char *line)
{
    enter(s);
    terminal_say(&s->t, line);
    leave(s);
}

/* ---- tests ------------------------------------------------------------------------------------- */

static const int widths[] = { 200, 80, 40, 9 };

/* At every width, the window changing on the way: one line a bar, and nothing is left behind. */
static void test_bar(Arena *a, int reflows)
{
    for (size_t i = 0; i < sizeof widths / sizeof *widths; i++)
        for (size_t k = 0; k < sizeof widths / sizeof *widths; k++) {
            Screen s = begin(a, widths[i], reflows);
            for (int done = 0; done < 6; done++) {
                go_on(&s, "step", done, 12);
                terminal_note(&s.t, "loss 0.1034, rate 0.0001, keys scaled 12, average key norm 0.123");
                if (done == 3) change(&s, widths[k]);
            }
            const char *all = look(&s);
            CHECK_MSG(count(all, "\n") == 1 && !s.e->wraps && !s.e->unknown, "%d, then %d columns: %d wraps\n%s",
                      widths[i], widths[k], s.e->wraps, all);
            size_t kept = widths[k] > 9 ? 9 : (size_t)widths[k] - 1;
            CHECK_MSG(!strncmp(all, "step 5/12", kept), "%s", all);
            CHECK_MSG(s.e->row[0].used < widths[k], "the last column is free: %s", all);
            CHECK(s.e->y == 0 && s.e->x == 0);
            say(&s, "a word");
            CHECK_MSG(!strncmp(look(&s), "a word\nstep 5/12", 7 + kept), "%s", look(&s));
            go_on(&s, "done", 12, 12);
            CHECK_MSG(count(look(&s), "\n") == 2 && strstr(look(&s), "\nstep 12/"), "%s", look(&s));
            end(&s);
        }
}

/* Between steps the bar follows the window, and counts down. */
static void test_tick(Arena *a)
{
    Screen s = begin(a, 80, 1);
    go_on(&s, "step", 0, 4);
    go_on(&s, "step", 1, 4);
    char *before = look(&s);
    CHECK_MSG(strstr(before, " s/it, ") && strstr(before, " s left"), "%s", before);
    change(&s, 40);
    CHECK(count(look(&s), "\n") == 2);
    enter(&s);
    s.t.drawn -= 0.2;
    CHECK(!terminal_tick(&s.t));
    leave(&s);
    CHECK_MSG(count(look(&s), "\n") == 1, "%s", look(&s));
    char *narrow = look(&s);
    enter(&s);
    s.t.stepped -= 3;
    s.t.begun -= 3;
    s.t.drawn -= 2;
    terminal_tick(&s.t);
    leave(&s);
    CHECK_MSG(strcmp(narrow, look(&s)), "does not count down: %s", narrow);
    enter(&s);
    terminal_end(&s.t);
    terminal_tick(&s.t);
    leave(&s);
    CHECK_MSG(!strcmp(look(&s), "\n"), "%s", look(&s));
    end(&s);
}

static void see(Screen *s, Pictures p)
{
    enter(s);
    terminal_preview(&s->t, p);
    leave(s);
    read_screen(s, 20);
}

static void test_preview(Arena *a, int reflows)
{
    unsigned char rgb[4 * 16 * 16 * 3] = { 200, 100, 50 };
    Pictures p = { .frames = 4, .width = 16, .height = 16, .rgb = rgb };
    const volatile sig_atomic_t stop = 0;
    for (size_t i = 0; i < 3; i++)
        for (size_t k = 0; k < 3; k++) {
            Screen s = begin(a, widths[i], reflows);
            say(&s, "first");
            for (int done = 0; done < 6; done++) {
                go_on(&s, "step", done, 6);
                if (done == 3) change(&s, widths[k]);
                if (done == 2 || done == 4) see(&s, p);
            }
            char *seen = look(&s);
            CHECK_MSG(count(seen, "step ") == 1 && !strncmp(seen, "first\n\xe2\x96\x80", 9), "%s", seen);
            CHECK_MSG(count(seen, "\n") == s.t.picture_lines + 2, "%d lines of picture: %s", s.t.picture_lines, seen);
            say(&s, "second");
            CHECK_MSG(!strncmp(look(&s), "first\nsecond\nstep 5/6", 21), "%s", look(&s));
            go_on(&s, "done", 6, 6);
            enter(&s);
            terminal_play(&s.t, p, 100, &stop);
            leave(&s);
            CHECK(count(look(&s), "\xe2\x96\x80\n") > 2 && s.e->x == 0 && !s.e->row[s.e->y].used);
            CHECK(!s.e->wraps && !s.e->unknown);
            end(&s);
        }
}

static void test_messages(Arena *a)
{
    static const struct { int columns; const char *line, *shown; } cases[] = {
        { 20, "plain", "plain\n" },
        { 20, "the quick brown fox jumps", "the quick brown fox\n  jumps\n" },
        { 20, "a \"name with blanks\" b", "a \"name with\n  blanks\" b\n" },
        { 24, "it is \"name of it\" and on", "it is \"name of it\" and\n  on\n" },
        { 23, "here it is \"my name of\" b", "here it is\n  \"my name of\" b\n" },
        { 14, "    persona --prompt \"a b\"", "    persona --\nprompt \"a b\"\n" },
        { 14, "x aaaaaaaaaaaaaaaaaaaa y", "x aaaaaaaaaaaa\naaaaaaaa\n  y\n" },
        { 14, "  - one two three", "  - one two\n    three\n" },
        { 12, "\xe6\x97\xa5\xe6\x9c\xac \xe8\xaa\x9e\xe8\xaa\x9e\xe8\xaa\x9e x", "\xe6\x97\xa5\xe6\x9c\xac \xe8\xaa\x9e\xe8\xaa\x9e\xe8\xaa\x9e\n  x\n" },
        { 20, "one\ntwo", "one\ntwo\n" },
        { 20, "a\033[2Jb\tc", "a?[2Jb?c\n" },
        { 2, "to be", "to\n b\ne\n" },
    };
    for (size_t i = 0; i < sizeof cases / sizeof *cases; i++) {
        Screen s = begin(a, cases[i].columns, 1);
        say(&s, cases[i].line);
        const char *all = look(&s);
        CHECK_MSG(!strcmp(all, cases[i].shown), "case %zu:\n%s", i, all);
        end(&s);
    }
}

static void test_columns(void)
{
    static const struct { int columns; const char *text; } cases[] = {
        { 3, "abc" }, { 4, "\xe6\x97\xa5\xe6\x9c\xac" }, { 1, "e\xcc\x81" }, { 2, "\xf0\x9f\x98\x80" }, { 1, "\xc3\xa9" },
        { 0, "\xe2\x80\x8b\xef\xbb\xbf" }, { 2, "\xef\xbc\xa1" }, { 2, "\xed\x95\x9c" }, { 2, "\xe1\x84\x92\xe1\x85\xa1\xe1\x86\xab" },
        { 1, "\xc2\xad" }, { 2, "\xf0\xa0\x80\x80" }, { 0, "" },
    };
    for (size_t i = 0; i < sizeof cases / sizeof *cases; i++) {
        int columns = text_columns(cases[i].text, strlen(cases[i].text));
        CHECK_MSG(columns == cases[i].columns, "%s: %d columns", cases[i].text, columns);
    }
    CHECK(fitting_size("\xe6\x97\xa5\xe6\x9c\xac", 3) == 3 && fitting_size("e\xcc\x81x", 1) == 3 && fitting_size("ab", 5) == 2);
}

static void test_words(void)
{
    static const struct { ProgressBar b; int columns; const char *text; } cases[] = {
        { { "step", 7, 25, "", 1.214, 22 }, 79, "step 7/25 [========>                      ] 1.21 s/it, 22 s left" },
        { { "step", 7, 25, "", 0.05, 0.9 }, 39, "step 7/25 [=>     ] 20.0 it/s, 1 s left" },
        { { "step", 100, 600, "loss 0.1034, rate 0.0001", 1.21, 605 }, 79,
          "step 100/600 [==>            ] loss 0.1034, rate 0.0001, 1.21 s/it, 10 min left" },
        { { "step", 100, 600, "loss 0.1034, rate 0.0001", 1.21, 605 }, 64,
          "step 100/600 [==>          ] loss 0.1034, 1.21 s/it, 10 min left" },
        { { "step", 100, 600, "loss 0.1034, rate 0.0001", 1.21, 605 }, 39, "step 100/600 [=>          ] 10 min left" },
        { { "step", 100, 600, "loss 0.1034", 1.21, 605 }, 24, "step 100/600 10 min left" },
        { { "step", 100, 600, "loss 0.1034", 1.21, 605 }, 20, "step 100/600" },
        { { "step", 100, 600, "loss 0.1034", 1.21, 605 }, 6, "step 1" },
        { { "step", 100, 600, "", 1.21, 605 }, 0, "" },
        { { "step", 0, 4, "", 0, 0 }, 79, "step 0/4 [>                              ]" },
        { { "\xe6\xad\xa5", 1, 2, "\xe6\x97\xa5\xe6\x9c\xac", 1, 1 }, 42, "\xe6\xad\xa5 1/2 [===>   ] \xe6\x97\xa5\xe6\x9c\xac, 1.00 s/it, 1 s left" },
        { { "frame", 2, 2, "", 75.34, 0 }, 34, "frame 2/2 [============] 75.3 s/it" },
    };
    char text[BAR_TEXT];
    for (size_t i = 0; i < sizeof cases / sizeof *cases; i++) {
        progress_bar(text, &cases[i].b, cases[i].columns);
        int columns = text_columns(text, strlen(text));
        CHECK_MSG(columns <= cases[i].columns, "case %zu: %d columns", i, columns);
        int is_same = !strcmp(text, cases[i].text);
        CHECK_MSG(is_same, "case %zu: %s", i, text);
    }
    progress_line(text, &cases[2].b);
    CHECK_MSG(!strcmp(text, "step 100/600 loss 0.1034, rate 0.0001, 1.21 s/it, 10 min left"), "%s", text);
}

/* Without colours there is no escape sequence at all, and still one line a bar. */
static void test_no_colour(Arena *a)
{
    static const char *const how[][2] = { { "NO_COLOR", "1" }, { "CLICOLOR", "0" } };
    for (int i = 0; i < 2; i++) {
        setenv(how[i][0], how[i][1], 1);
        Screen s = begin(a, 60, 1);
        for (int done = 0; done < 5; done++) go_on(&s, "step", done, 6);
        say(&s, "a");
        enter(&s);
        const char *why = terminal_why_no_preview();
        terminal_end(&s.t);
        leave(&s);
        CHECK(why && strstr(why, how[i][0]));
        CHECK_MSG(!strcmp(look(&s), "a\n"), "%s", look(&s));
        end(&s);
        unsetenv(how[i][0]);
    }
    setenv("TERM", "dumb", 1);
    Screen s = begin(a, 20, 1);
    for (int done = 0; done < 3; done++) go_on(&s, "step", done, 3);
    say(&s, "one two three four five");
    go_on(&s, "done", 3, 3);
    CHECK_MSG(!strncmp(look(&s), "one two three four f\nive\nstep 3/3 ", 34) && s.e->wraps, "%s", look(&s));
    end(&s);
    setenv("TERM", "xterm", 1);
}

/* The program itself: its words, all that is left at its end, and that no bar is ever broken. */
static void test_program(Arena *a, int columns, int then, const char *words, const char *bar, int bars)
{
    Screen s = begin(a, columns, 1);
    pid_t child = fork();
    if (!child) {
        setsid();
        dup2(s.slave, 1);
        dup2(s.slave, 2);
        execl("/bin/sh", "sh", "-c", format(a, "exec ./persona %s", words), (char *)NULL);
        _exit(127);
    }
    int status;
    int looks = 0;
    while (waitpid(child, &status, WNOHANG) == 0 && looks < 3000) {
        read_screen(&s, 20);
        if (++looks == 20) change(&s, then);
    }
    read_screen(&s, 50);
    char *all = look(&s);
    CHECK_MSG(looks < 3000 && !status, "status %d: %s", status, all);
    CHECK_MSG(count(all, bar) == bars && !s.e->unknown && !strstr(all, ">") && !strstr(all, " left"), "%d columns, then %d: %s",
              columns, then, all);
    end(&s);
}

int main(void)
{
    Arena *a = arena_new();
    if (!a) return 1;
    setenv("TERM", "xterm", 1);
    setenv("COLORTERM", "truecolor", 1);
    unsetenv("NO_COLOR");
    unsetenv("CLICOLOR");
    test_columns();
    test_words();
    for (int reflows = 0; reflows < 2; reflows++) {
        test_bar(a, reflows);
        test_preview(a, reflows);
    }
    test_tick(a);
    test_messages(a);
    test_no_colour(a);
    const char *out = format(a, "/tmp/persona-test-%ld", (long)getpid());
    const char *small = format(a, "--prompt 'a man' --steps 6 --seed 1 --size 64x64 -o %s", out);
    test_program(a, 40, 80, format(a, "%s.png --frames 1", small), "step 6/6 [", 1);
    test_program(a, 80, 40, format(a, "%s.gif --frames 2 --preview", small), "step 6/6 [", 1);
    test_program(a, 200, 40, format(a, "%s.grid.png --frames 1 --x 'CFG scale: 1, 2, 3'", small), "step 18/18 [", 1);
    test_program(a, 80, 40, format(a, "train examples/yumin -o %s.safetensors --max_train_steps 9 --resolution 64 "
                                      "--network_dim 1 --seed 1", out), "step 9/9 [", 1);
    CHECK(!system(format(a, "rm -f %s*", out)));
    arena_free(a);
    return done();
}
