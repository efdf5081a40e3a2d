/* test_sampler_names.c - samplers and schedule types as other programs spell them: tests/sampler_spellings.txt.
 *
 * "build/test_sampler_names table > docs/samplers.md" writes the page about them; the test checks that it is
 * current. */
#include "chars.h"
#include "files.h"
#include "prompt.h"
#include "sampler_names.h"
#include "test.h"

#include <string.h>

enum { MOST = 512 };

typedef struct { char *spelling, *sampler, *schedule, *programs; } Row;
typedef struct { Row row[MOST]; size_t count; } Rows;

/* The next part of a line between "|" -> what follows it. */
static char *next_part(Arena *a, char *line, char **part)
{
    size_t n = strcspn(line, "|");
    *part = trimmed(a, line, n);
    return line[n] ? line + n + 1 : line + n;
}

static void read_rows(Arena *a, Rows *rows)
{
    Bytes b = file_map(a, "tests/sampler_spellings.txt");
    char *text = copy(a, (const char *)b.data, b.size);
    for (char *line = strtok(text, "\n"); line && rows->count < MOST; line = strtok(NULL, "\n")) {
        if (*line == '#') continue;
        Row *r = &rows->row[rows->count++];
        line = next_part(a, line, &r->spelling);
        line = next_part(a, line, &r->sampler);
        line = next_part(a, line, &r->schedule);
        next_part(a, line, &r->programs);
    }
}

static int is_schedule(const Row *r) { return !strcmp(r->sampler, "Schedule type"); }

/* What the reader makes of a spelling, as the file says it. */
static const char *sampler_found(Arena *a, SpelledSampler s)
{
    return s.method < 0 ? "none" : format(a, "%s%s", s.is_near ? "~" : "", sampler_name(s.method));
}

static const char *schedule_found(Arena *a, SpelledSampler s)
{
    const char *type = s.type == AUTOMATIC ? "-" : schedule_name((int)s.type);
    return format(a, "%s%s", type, s.adds_no_noise ? " Eta 0" : "");
}

static void check_sampler(Arena *a, const Row *r)
{
    ScheduleType type = AUTOMATIC;
    SpelledSampler s = sampler_spelled(r->spelling);
    CHECK_MSG(!strcmp(sampler_found(a, s), r->sampler), "%s is %s, expected %s", r->spelling, sampler_found(a, s),
              r->sampler);
    if (s.method < 0) return;
    /* By persona's own names, people mean "Automatic", unless a program wrote them (test_prompt.c). */
    int is_own = sampler_named(r->spelling, &type) >= 0 || strstr(r->spelling, "_gpu") || strstr(r->spelling, "dpm++2");
    if (is_own && !strcmp(r->schedule, "Uniform")) {
        CHECK_MSG(schedule_before_automatic(s.method) == UNIFORM, "%s: Automatic is not Uniform's trap", r->spelling);
        if (s.type == AUTOMATIC) return;
    }
    CHECK_MSG(!strcmp(schedule_found(a, s), r->schedule), "%s has schedule type %s, expected %s", r->spelling,
              schedule_found(a, s), r->schedule);
}

static void forget(void *to, const char *line)
{
    (void)to;
    (void)line;
}

/* In text that a program wrote, every spelling is read as the list says, and none stops the program. */
static void check_pasted(Arena *a, const Row *r)
{
    Request *q = allocate(a, 1, sizeof *q);
    const char *text = format(a, "a\nSteps: 9, Sampler: %s, Model hash: ab12", r->spelling);
    prompt_parse(a, q, text, strlen(text), "p.txt", forget, NULL);
    CHECK_MSG(q->job.steps == 9, "%s: steps %d", r->spelling, q->job.steps);
    if (!strcmp(r->sampler, "none") || *r->sampler == '~') {
        const char *kept = *r->sampler == '~' ? r->spelling : NULL;
        int is_kept = kept ? q->job.sampler && !strcmp(q->job.sampler, kept) : !q->job.sampler;
        CHECK_MSG(is_kept, "%s: pasted, it is %s", r->spelling, q->job.sampler);
        return;
    }
    const char *schedule = q->job.schedule ? q->job.schedule : "-";
    CHECK_MSG(q->job.sampler && !strcmp(q->job.sampler, r->sampler) && !strcmp(schedule, r->schedule),
              "%s: pasted, it is %s %s, expected %s %s", r->spelling, q->job.sampler, schedule, r->sampler, r->schedule);
}

static void check_schedule(Arena *a, const Row *r)
{
    SpelledSchedule s = schedule_spelled(r->spelling);
    const char *name = s.type < 0 ? "none" : format(a, "%s%s", s.is_near ? "~" : "", schedule_name(s.type));
    CHECK_MSG(!strcmp(name, r->schedule), "%s is %s, expected %s", r->spelling, name, r->schedule);
}

/* Words of a sampler's name with more behind them are no sampler. */
static void check_refused(void)
{
    static const char *const names[] = {
        "Oiler", "", "k_", "k", "Scheduler", "_gpu", "Euler a b", "Euler Gamma", "DPM", "DPM++ 4M", "DPM++ 2M Karras 2",
        "Euler a girl", "kEuler", "Euler CFG", "cfg_pp", "Karras", "euler_kk", "EulerSchedule",
    };
    for (size_t i = 0; i < sizeof names / sizeof *names; i++)
        CHECK_MSG(sampler_spelled(names[i]).method < 0, "\"%s\" is read as a sampler", names[i]);
    CHECK(schedule_spelled("Turbo 2").type < 0 && schedule_spelled("").type < 0 && schedule_spelled("k").type < 0);
}

/* ---- the page ---- */

/* All spellings that mean the same as row first, each once whatever its case. */
static void add_spellings(Arena *a, StringBuilder *page, const Rows *rows, size_t first)
{
    const Row *r = &rows->row[first];
    for (size_t i = first; i < rows->count; i++) {
        const Row *other = &rows->row[i];
        if (strcmp(other->sampler, r->sampler) || strcmp(other->schedule, r->schedule)) continue;
        string_builder_add(page, format(a, "%s`%s`", i > first ? ", " : "", other->spelling));
    }
}

/* Does an earlier row mean the same? */
static int is_repeated(const Rows *rows, size_t at)
{
    for (size_t i = 0; i < at; i++)
        if (!strcmp(rows->row[i].sampler, rows->row[at].sampler) && !strcmp(rows->row[i].schedule, rows->row[at].schedule))
            return 1;
    return 0;
}

static const char *without_mark(const char *name) { return *name == '~' ? name + 1 : name; }

static const char *said(const char *name) { return *name == '~' ? "nearest: " : ""; }

static void add_table(Arena *a, StringBuilder *page, const Rows *rows, int schedules)
{
    string_builder_add(page, schedules ? "| here | spellings |\n|---|---|\n" : "| here | schedule type | spellings |\n|---|---|---|\n");
    for (size_t i = 0; i < rows->count; i++) {
        const Row *r = &rows->row[i];
        if (is_schedule(r) != schedules || is_repeated(rows, i)) continue;
        const char *name = schedules ? r->schedule : r->sampler;
        string_builder_add(page, format(a, "| %s%s | ", said(name), without_mark(name)));
        if (!schedules) string_builder_add(page, format(a, "%s | ", strcmp(r->schedule, "-") ? r->schedule : ""));
        add_spellings(a, page, rows, i);
        string_builder_add(page, " |\n");
    }
}

static const char *page_of(Arena *a, const Rows *rows)
{
    StringBuilder page = string_builder(a);
    string_builder_add(&page,
        "# Samplers and schedule types by their names in other programs\n\n"
        "The web UI, Forge, reForge, SD.Next, ComfyUI, InvokeAI, stable-diffusion.cpp, diffusers, AI Horde, Draw Things,\n"
        "NovelAI, Fooocus and Civitai. `build/test_sampler_names table` writes this page from `tests/sampler_spellings.txt`,\n"
        "which a test compares with what `sampler_names.c` reads.\n\n"
        "Case, spaces, `-` and `_` do not matter, and `+` is `p`. Any schedule type may stand behind a sampler: `Euler a Beta`,\n"
        "`dpmpp_2m_sgm_uniform`. \"nearest\": persona lacks the sampler, says so, and takes this one. \"none\": there is no\n"
        "relative; in a pasted text the default is drawn, and said. \"Uniform\" is what the bare name of a DPM++ sampler means\n"
        "in texts that programs without \"Automatic\" wrote: the web UI before 1.9, ComfyUI, stable-diffusion.cpp, diffusers.\n"
        "Where persona's own names stand alone in a text that somebody typed, they mean \"Automatic\": Karras, or Exponential.\n\n"
        "## Samplers\n\n");
    add_table(a, &page, rows, 0);
    string_builder_add(&page, "\n## Schedule types\n\n");
    add_table(a, &page, rows, 1);
    return page.text;
}

typedef struct { Arena *a; int prints; } Work;

static void work(void *job)
{
    Work *j = job;
    Arena *a = j->a;
    Rows *rows = allocate(a, 1, sizeof *rows);
    rows->count = 0;
    read_rows(a, rows);
    const char *page = page_of(a, rows);
    if (j->prints) {
        fputs(page, stdout);
        return;
    }
    CHECK_MSG(rows->count >= 290, "only %zu spellings", rows->count);
    for (size_t i = 0; i < rows->count; i++) {
        if (is_schedule(&rows->row[i])) check_schedule(a, &rows->row[i]);
        else check_sampler(a, &rows->row[i]);
        if (!is_schedule(&rows->row[i])) check_pasted(a, &rows->row[i]);
    }
    check_refused();
    Bytes b = file_map(a, "docs/samplers.md");
    int is_current = b.size == strlen(page) && !memcmp(b.data, page, b.size);
    CHECK_MSG(is_current, "docs/samplers.md is old: build/test_sampler_names table > docs/samplers.md");
}

int main(int argc, char **argv)
{
    char message[MESSAGE];
    Work j = { arena_new(), argc > 1 && !strcmp(argv[1], "table") };
    if (!j.a) return 1;
    if (attempt(j.a, work, &j, message)) CHECK_MSG(0, "%s", message);
    arena_free(j.a);
    return j.prints ? 0 : done();
}
