/* me_command.c - persona me: from photos of a person to a moving portrait.
 *
 *     look      which photos are used, and what captions call the person
 *     train     a LoRA, with settings that suit the model and the machine
 *     sheet     the LoRA's strengths beside seeds, stills
 *     portrait  a clip
 *
 * It decides what can be decided and says so; what it cannot know has an option.  All steps after the look are commands
 * (me_steps.c), so a person who wants it otherwise types one of them with other words.  Steps, rates and guidance are
 * those of the model's metadata, as for everybody (model_recipe.c, model_spec.c).
 *
 * The small model that comes with persona draws no photographs, and one picture is too few to learn from.  For both
 * there is another way: the portrait begins as one photo, cut to the head, with words that a look at its colours gives.
 *
 * Nothing is written to the folder of photos.  When some are left out, or have no captions, the others are copied to a
 * folder of our own, with captions. */
#include "me_command.h"

#include "chars.h"
#include "me_words.h"
#include "own_pictures.h"
#include "photo_advice.h"
#include "photo_folders.h"
#include "png.h"
#include "request_paths.h"
#include "shell_words.h"
#include "system.h"

#include <string.h>

enum { FEW = 8 };                        /* below it more photos are asked for */

typedef struct {
    Arena       *a;
    Run         *r;
    MeSteps      steps;
    const char  *photos_path;            /* as it was typed */
    const char  *folder;                 /* of all results */
    Photos       photos;                 /* those that are used */
    PhotoAdvice *advice;                 /* of each of them */
    size_t       left_out;
    ModelLook    model;
    Subject      subject;
    uint64_t     made_from;              /* a digest of the photos, captions and the model */
} Guide;

/* ---- words of a command -------------------------------------------------------------------------- */

static void add(Guide *g, Lines *words, const char *word) { lines_add(g->a, words, word); }

static void add_option(Guide *g, Lines *words, const char *option, const char *value)
{
    add(g, words, option);
    add(g, words, value);
}

/* What was typed of drawing is passed on: of it only those named, or all but those. */
static void pass_on(Guide *g, Lines *words, const char *const *only, const char *const *but)
{
    const Options *o = &g->r->options;
    for (size_t i = 0; i < o->givens; i++) {
        const char *flag = o->given[i].setting->flag;
        if (only && !is_one_of(only, flag)) continue;
        if (but && is_one_of(but, flag)) continue;
        add_option(g, words, format(g->a, "--%s", flag), o->given[i].value);
    }
    if (o->no_config) add(g, words, "--no-config");
    for (size_t i = 0; i < o->folders; i++) add_option(g, words, "--weights", o->folder[i]);
}

/* Unless it was typed. */
static void add_usual(Guide *g, Lines *words, const char *flag, const char *value)
{
    if (!run_is_typed(g->r, flag)) add_option(g, words, format(g->a, "--%s", flag), value);
}

static const char *seed_text(const Guide *g, unsigned more)
{
    unsigned long long seed = g->r->request.seeded ? g->r->request.job.seed : 1;
    return format(g->a, "%llu", seed + more);
}

static const char *path_in(const Guide *g, const char *name) { return format(g->a, "%s/%s", g->folder, name); }

/* ---- the look ------------------------------------------------------------------------------------ */

static void refuse_option(Guide *g, const char *flag)
{
    run_add_typed(g->r, format(g->a, "--%s is an option of drawing that persona me does not take; the commands that it "
                                     "prints do", flag));
}

/* Options that are refused are taken out of those given, so that nothing else is said of them. */
static void check_options(Guide *g)
{
    static const char *const others[] = { "init", "last", "mask", "lora", "x", "y", "z", "strength", NULL };
    Options *o = &g->r->options;
    if (!o->input)
        run_add_typed(g->r, "persona me needs a folder of photos, or one photo; persona me --help says more");
    size_t kept = 0;
    for (size_t i = 0; i < o->givens; i++) {
        const char *flag = o->given[i].setting->flag;
        if (is_one_of(others, flag)) refuse_option(g, flag);
        else o->given[kept++] = o->given[i];
    }
    o->givens = kept;
}

/* PHOTOS-persona beside PHOTOS */
static const char *folder_of_results(Guide *g)
{
    const Options *o = &g->r->options;
    const char *path = g->photos_path;
    const char *name = file_name(path);
    if (o->output) return without_slashes(g->a, o->output);
    if (!strcmp(name, ".") || !strcmp(name, "..") || !*name)
        run_misuse(g->r, format(g->a, "persona me %s needs -o FOLDER too, where the results go", path));
    if (!folder_is(path)) path = without_extension(g->a, path);
    return format(g->a, "%s-persona", path);
}

/* A folder, or one photo as a folder of one. */
static Photos find_photos(Guide *g)
{
    const TrainingConfig *c = &g->r->options.training;
    const char *path = g->photos_path;
    if (folder_is(path)) {
        PhotoSearch search = { .folder = path, .caption_extension = c->caption_extension, .repeats = 1,
                               .out = path_in(g, "me.safetensors") };
        return photos_find(g->a, &search);
    }
    run_open_input(g->r, path, "a folder of photos, or a photo");
    Photo *photo = allocate(g->a, 1, sizeof *photo);
    *photo = (Photo){ .path = path, .name = file_name(path), .caption = "" };
    return (Photos){ .photo = photo, .count = 1 };
}

/* "left out: again.png is the same picture as 1.png"; some reasons begin with the path. */
static void say_why(Guide *g, const char *how, const Photo *p, const char *why)
{
    int has_name = !strncmp(why, p->path, strlen(p->path));
    run_say(g->r, has_name ? format(g->a, "  %s: %s", how, why) : format(g->a, "  %s: %s %s", how, p->name, why));
}

static void say_left_out(Guide *g, const Photos *all, const PhotoAdvice *advice)
{
    for (size_t i = 0; i < all->notes; i++) run_say(g->r, all->note[i]);
    run_say(g->r, format(g->a, "%s: %zu of %s used", g->photos_path, g->photos.count,
                         amount(g->a, all->count, "picture")));
    for (size_t i = 0; i < all->count; i++) {
        if (advice[i].why_not) say_why(g, "left out", &all->photo[i], advice[i].why_not);
        if (advice[i].fault)   say_why(g, "used all the same", &all->photo[i], advice[i].fault);
    }
}

/* Keeps those that are used. */
static void look_at_photos(Guide *g)
{
    Callbacks callbacks = run_callbacks(g->r);
    Photos all = find_photos(g);
    g->model = photo_advice_model(g->a, g->r->request.job.model);
    int asked = g->r->options.training.resolution;
    PhotoAdvice *advice = photo_advice(g->a, &all, asked > 0 ? asked : g->model.side, &callbacks);
    terminal_end(&g->r->terminal);
    g->photos = (Photos){ .photo = allocate(g->a, all.count, sizeof *all.photo) };
    g->advice = allocate(g->a, all.count, sizeof *advice);
    for (size_t i = 0; i < all.count; i++) {
        if (advice[i].why_not) continue;
        g->advice[g->photos.count] = advice[i];
        g->photos.photo[g->photos.count++] = all.photo[i];
    }
    g->left_out = all.count - g->photos.count;
    if (!g->photos.count && all.count == 1)
        fail(g->a, "%s", all.photo->fault ? advice->why_not : format(g->a, "%s %s", all.photo->path, advice->why_not));
    say_left_out(g, &all, advice);
    if (!g->photos.count) fail(g->a, "%s: none of its pictures can be used", g->photos_path);
}

static const char *caption_for(Guide *g, size_t i)
{
    const Photo *p = &g->photos.photo[i];
    if (*p->caption) return p->caption;
    return me_caption(g->a, &g->subject, &g->advice[i].words);
}

static void digest_inputs(Guide *g)
{
    uint64_t h = me_digest(g->a, 0, g->r->request.job.model);
    for (size_t i = 0; i < g->photos.count; i++) {
        const Photo *p = &g->photos.photo[i];
        h = digest(h, &p->digest, sizeof p->digest);
        h = digest(h, p->name, strlen(p->name));
        h = digest(h, caption_for(g, i), strlen(caption_for(g, i)));
    }
    g->made_from = h;
}

/* ---- photos of our own --------------------------------------------------------------------------- */

static int needs_copies(const Guide *g)
{
    if (g->left_out) return 1;
    for (size_t i = 0; i < g->photos.count; i++)
        if (!*g->photos.photo[i].caption) return 1;
    return 0;
}

/* Writes a copy that is not there.  What is there under its name, and is another, is what the person made of it: it
 * stays and is used.  Returns whether it is. */
static int is_changed_copy(Guide *g, const char *path, Bytes content)
{
    File file = { path, content };
    size_t before = mark(g->a);
    int is_there = file_is_there(g->a, path);
    if (!is_there) files_save(g->a, &file, 1);
    int is_changed = is_there && own_picture_keeps(g->a, file, 0);
    if (is_changed) g->made_from = me_digest(g->a, g->made_from, path);
    release(g->a, before);
    return is_changed;
}

/* The photos that are used, and a caption beside each, in a folder of their own.  It is new for other photos or other
 * captions, so that nothing there needs to be deleted. */
static const char *copy_photos(Guide *g)
{
    const char *folder = format(g->a, "%s/photos-%08llx", g->folder, (unsigned long long)(g->made_from >> 32));
    size_t changed = 0;
    folder_make(g->a, folder);
    for (size_t i = 0; i < g->photos.count; i++) {
        size_t before = mark(g->a);
        const Photo *p = &g->photos.photo[i];
        const char *to = format(g->a, "%s/%s", folder, p->name);
        if (strchr(p->name, '/')) folder_make(g->a, folder_of(g->a, to));
        const char *caption = caption_for(g, i);
        Bytes text = { (const unsigned char *)caption, strlen(caption) };
        changed += (size_t)is_changed_copy(g, to, file_map(g->a, p->path));
        changed += (size_t)is_changed_copy(g, format(g->a, "%s.txt", without_extension(g->a, to)), text);
        release(g->a, before);
    }
    run_say(g->r, format(g->a, "%s: copies of the photos that are used, with their captions, as %s", folder,
                         quoted(g->a, caption_for(g, 0))));
    if (changed)
        run_say(g->r, format(g->a, "%s: what was changed there is used as it is now: %s", folder,
                             amount(g->a, changed, "file")));
    return folder;
}

/* ---- training ------------------------------------------------------------------------------------ */

static const char *const SHARED[] = { "model", "vae", "clip-skip", "precision", "threads", NULL };

static void add_trained(Guide *g, Lines *words, const char *option, const char *value)
{
    const TrainingConfig *c = &g->r->options.training;
    if (!training_option_given(c, option)) add_option(g, words, format(g->a, "--%s", option), value);
}

/* What a checkpoint of full size takes was measured at 512x512: docs/measured.md. */
static void add_for_full_size(Guide *g, Lines *words)
{
    const double ROOM = 5e9, LITTLE_ROOM = 3.5e9;
    double memory = (double)system_memory_size();
    add_trained(g, words, "network_dim", "16");
    if (memory < ROOM && !g->r->options.training.gradient_checkpointing) add(g, words, "--gradient_checkpointing");
    if (memory < LITTLE_ROOM) add_trained(g, words, "resolution", "384");
    if (memory < ROOM)
        run_say(g->r, format(g->a, "this machine has %.1f GB of memory, so training takes less of it and is slower",
                             memory / 1e9));
}

static const char *train(Guide *g)
{
    const char *result = path_in(g, "me.safetensors");
    const char *class = folder_is(g->photos_path) ? photo_folders_class(g->a, g->photos_path) : NULL;
    int copies = needs_copies(g);
    Lines words = { 0 };
    add(g, &words, "train");
    add(g, &words, copies ? copy_photos(g) : g->photos_path);
    add_option(g, &words, "-o", result);
    pass_on(g, &words, SHARED, NULL);
    if (!g->model.is_small) add_for_full_size(g, &words);
    if (g->subject.prefix) add_trained(g, &words, "caption_prefix", g->subject.prefix);
    if (copies && class) add_trained(g, &words, "reg_data_dir", class);
    add_trained(g, &words, "save_every_n_epochs", "5");
    add_trained(g, &words, "save_last_n_epochs", "1");
    add_option(g, &words, "--seed", seed_text(g, 0));
    const Lines *typed = &g->r->options.training_words;
    for (size_t i = 0; i < typed->count; i++) add(g, &words, typed->line[i]);
    MeStep step = { .what = "train a LoRA from the photos", .words = words, .result = result,
                    .made_from = g->made_from, .state = path_in(g, "me-state.safetensors") };
    me_step(&g->steps, &step);
    return result;
}

/* ---- drawing ------------------------------------------------------------------------------------- */

static const char *const NOT_OF_SHEET[] = { "prompt", "seed", "frames", "fps", "motion", "max-size", "context",
                                            "overlap", "stride", "closed-loop", "motion-strength", NULL };
static const char *const NOT_OF_PORTRAIT[] = { "prompt", "seed", NULL };

static int is_still(const Guide *g)
{
    const Job *job = &g->r->request.job;
    return job->frames == 1 || (!g->model.is_small && !job->motion);
}

/* option, value: what it is drawn with.  axis: how much of it */
static void draw_sheet(Guide *g, const char *prompt, const char *option, const char *value, const char *axis,
                       uint64_t made_from)
{
    const char *result = path_in(g, "me-sheet.png");
    unsigned last = g->model.is_small ? 2 : 1;
    Lines words = { 0 };
    add_option(g, &words, "--prompt", prompt);
    add_option(g, &words, option, value);
    pass_on(g, &words, NULL, NOT_OF_SHEET);
    add_option(g, &words, "--frames", "1");
    add_option(g, &words, "--seed", seed_text(g, 0));
    add_option(g, &words, "--x", axis);
    add_option(g, &words, "--y", format(g->a, "Seed: %s-%s", seed_text(g, 0), seed_text(g, last)));
    add_option(g, &words, "-o", result);
    MeStep step = { .what = "a sheet of strengths and seeds", .words = words, .result = result,
                    .made_from = made_from };
    me_step(&g->steps, &step);
}

static void draw_portrait(Guide *g, const char *prompt, const Lines *more, uint64_t made_from)
{
    const char *result = path_in(g, is_still(g) ? "me.png" : "me.gif");
    Lines words = { 0 };
    add_option(g, &words, "--prompt", prompt);
    for (size_t i = 0; i < more->count; i++) add(g, &words, more->line[i]);
    pass_on(g, &words, NULL, NOT_OF_PORTRAIT);
    if (is_still(g)) add_usual(g, &words, "frames", "1");
    add_option(g, &words, "--seed", seed_text(g, 0));
    add_option(g, &words, "-o", result);
    const char *what = is_still(g) ? "the portrait" : "the moving portrait";
    MeStep step = { .what = what, .words = words, .result = result, .made_from = made_from };
    me_step(&g->steps, &step);
}

static void say_end(Guide *g, const char *hint)
{
    run_say(g->r, format(g->a, "\nall is in %s; %s", g->folder, hint));
    if (is_still(g) && g->r->request.job.frames != 1)
        run_say(g->r, "for a clip a model of your own needs a motion module: --motion mm_sd_v15_v2");
}

/* ---- two ways ------------------------------------------------------------------------------------ */

static void learn_and_draw(Guide *g)
{
    if (g->photos.count < FEW)
        run_say(g->r, format(g->a, "%s: few; 10 to 20, with other clothes and places in each, are learned better",
                             amount(g->a, g->photos.count, "picture")));
    run_say(g->r, me_subject_said(g->a, &g->subject));
    const char *lora = train(g);
    uint64_t made_from = me_digest(g->a, g->made_from, lora);
    const char *asked = g->r->options.has_prompt ? g->r->request.job.prompt : NULL;
    const char *still = me_prompt(g->a, &g->subject, asked, "");
    const char *moving = me_prompt(g->a, &g->subject, asked, is_still(g) ? "" : "waving");
    /* by its name, which is short in the labels, unless another file here has it */
    const char *called = file_is(file_name(lora)) ? lora : "me";
    draw_sheet(g, still, "--weights", g->folder, format(g->a, "LoRA %s: 0.6, 0.8, 0.9, 1", called), made_from);
    Lines words = { 0 };
    add_option(g, &words, "--lora", format(g->a, "%s:%s", lora, g->model.is_small ? "0.9" : "0.8"));
    draw_portrait(g, moving, &words, made_from);
    say_end(g, "another strength or seed of the sheet, or other words: the last command with them");
}

/* The photo, cut to the head, as a picture to begin from. */
static const char *cut_photo(Guide *g, size_t i)
{
    Photo *p = &g->photos.photo[i];
    const PhotoAdvice *advice = &g->advice[i];
    if (!advice->has_head) {
        run_say(g->r, format(g->a, "%s: no face is found, so the whole picture is taken, and of the person nothing is "
                                   "put into words; --prompt can", p->name));
        return p->path;
    }
    size_t size;
    Picture cut = head_portrait(g->a, image_open(g->a, p->path), advice->head, g->model.side);
    unsigned char *png = arena_own(g->a, png_encode(cut.rgb, cut.width, cut.height, NULL, &size));
    if (!png) fail_as(g->a, NO_MEMORY, "out of memory for a picture of %dx%d", cut.width, cut.height);
    File file = { path_in(g, "me-photo.png"), { png, size } };
    Callbacks callbacks = run_callbacks(g->r);
    own_picture_save(g->a, file, 0, &callbacks);
    run_say(g->r, format(g->a, "%s: the head of %s, cut out around %.0f, %.0f", file.path, p->name, advice->head.x,
                         advice->head.y));
    return file.path;
}

static void draw_from_photo(Guide *g)
{
    size_t best = photo_advice_best(&g->photos, g->advice);
    const char *init = cut_photo(g, best);
    const char *asked = g->r->options.has_prompt ? g->r->request.job.prompt : NULL;
    const char *move = is_still(g) ? "" : "waving";
    const char *prompt = me_described(g->a, &g->subject, &g->advice[best].words, asked, move);
    run_say(g->r, format(g->a, "in words, by its colours: %s", prompt));
    if (!asked && same(g->subject.who, "person"))
        run_say(g->r, "nothing says whether it is a woman or a man: --name woman, or --name man");
    uint64_t made_from = me_digest(g->a, g->made_from, init);
    draw_sheet(g, prompt, "--init", init, "Strength: 0.5, 0.6, 0.7, 0.8", made_from);
    Lines words = { 0 };
    add_option(g, &words, "--init", init);
    add_option(g, &words, "--strength", "0.7");
    draw_portrait(g, prompt, &words, made_from);
    say_end(g, "a lower strength keeps more of the photo, and other words change the rest: the last command with them");
}

/* All that was typed is checked here, and not by the step that it is for, before which others work for an hour. */
static void check_typed(Guide *g)
{
    Run *r = g->r;
    check_options(g);
    run_read_request(r, NULL);
    run_try(r, run_check_training_options);
    search_path_try(g->a, run_search_path(r, NULL), &r->request, &r->options.faults);
    run_end_if_faulty(r);
}

static int are_photographs(Guide *g)
{
    Callbacks callbacks = run_callbacks(g->r);
    return g->model.is_small &&
           photo_advice_are_photographs(g->a, g->r->request.job.model, &g->photos, &callbacks);
}

static void say_photographs(Guide *g)
{
    run_say(g->r, "these are photographs, and the small model that comes with persona draws drawn faces only: it would "
                  "learn nothing of them but colours, however long it trains");
    run_say(g->r, format(g->a, "a likeness takes a Stable Diffusion 1.5 checkpoint, as "
                               "weights/v1-5-pruned-emaonly.safetensors (docs/files.md says where it is), and then:\n"
                               "    %s me %s --model v1-5-pruned-emaonly", shell_quoted(g->a, g->r->options.program),
                         shell_quoted(g->a, g->photos_path)));
    run_say(g->r, "what works now: a drawn portrait that begins as one of the photos, in its colours and its pose");
}

void me_command(Run *r, RunCommand *run_command)
{
    Guide g = { .a = r->a, .r = r };
    check_typed(&g);
    g.photos_path = without_slashes(g.a, r->options.input);
    g.folder = folder_of_results(&g);
    if (same_file(g.folder, g.photos_path))
        run_misuse(r, format(g.a, "-o %s is the folder of photos, where nothing is written; name another", g.folder));
    look_at_photos(&g);
    g.subject = me_subject(g.a, &g.photos, r->options.name);
    digest_inputs(&g);
    g.steps = me_steps_open(r, run_command, g.folder);
    if (are_photographs(&g)) {
        say_photographs(&g);
        draw_from_photo(&g);
    } else if (g.photos.count == 1) {
        run_say(r, "one picture is too few to learn from, so the portrait begins as it");
        draw_from_photo(&g);
    } else {
        learn_and_draw(&g);
    }
}
