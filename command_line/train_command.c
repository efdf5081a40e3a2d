/* train_command.c - persona train: a folder of pictures into a LoRA or an embedding.
 *
 * What was typed wrong, and what is wrong with the files that were named, is told together, before any work: each
 * check collects its faults, and only then the run ends. */
#include "train_command.h"

#include "chars.h"
#include "dataset_config.h"
#include "input_file.h"
#include "lines.h"
#include "next_command.h"
#include "near_path.h"
#include "output.h"
#include "photo_folders.h"
#include "request_paths.h"
#include "system.h"
#include "train.h"

#include <stdio.h>
#include <string.h>

static void check_photos(void *run)
{
    Run *r = run;
    FileInfo info;
    const char *photos = r->options.input;
    const char *why = system_file_info(photos, &info);
    if (why) fail(r->a, "%s: cannot be opened: %s; expected a folder of pictures%s", photos, why,
                  near_path_hint(r->a, photos, FOLDER_PATH));
    if (!info.is_folder)
        fail(r->a, "%s: is a file, expected a folder of pictures, or a file with a trainer's command line", photos);
}

static void check_trained_file(void *run)
{
    Run *r = run;
    const char *folder = r->options.output_folder;
    if (strcmp(file_extension(r->out), ".safetensors"))
        run_misuse(r, format(r->a, "%s: expected an output that ends in .safetensors, as -o %s.safetensors", r->out,
                         without_extension(r->a, r->out)));
    if (folder && !r->options.faults.count) folder_make(r->a, folder);
    int is_made_later = folder && system_file_info(folder, &(FileInfo){ 0 });
    if (!is_made_later) output_check(r->a, r->out, 0);
}

/* Settings of drawing that say something about training too. */
static const char *const SHARED[] = { "model", "vae", "prompt", "clip-skip", "seed", "precision", "threads", NULL };

static void refuse_drawing_options(Run *r)
{
    const Options *o = &r->options;
    for (size_t i = 0; i < o->givens; i++) {
        const char *flag = o->given[i].setting->flag;
        if (is_one_of(SHARED, flag)) continue;
        run_add_typed(r, format(r->a, "--%s is an option of drawing; persona train --help lists those of training",
                                flag));
    }
}

/* The folders of --dataset_config; the first of them is named where a folder is named. */
static void read_subsets(void *run)
{
    Run *r = run;
    Options *o = &r->options;
    Lines told = { 0 }, faults = { 0 };
    const char *path = o->training.dataset_config;
    r->status = MISUSED;
    if (!path) return;
    if (!file_is(path))
        fail(r->a, "--dataset_config is %s, and there is no such file%s", quoted(r->a, path),
             near_path_hint(r->a, path, FILE_PATH));
    if (o->input || o->training.reg_data_dir)
        run_say(r, "warning: with --dataset_config no other folder of pictures counts, as in kohya's trainer");
    o->training.reg_data_dir = NULL;
    r->subsets = dataset_config_read(r->a, path, &o->training, &told, &faults);
    for (size_t i = 0; i < faults.count; i++) run_add_typed(r, faults.line[i]);
    for (size_t i = 0; i < told.count; i++) run_say(r, told.line[i]);
    for (size_t i = 0; i < r->subsets.count; i++) {
        const Subset *s = &r->subsets.subset[i];
        if (!i) o->input = s->image_dir;
        if (s->image_dir && !folder_is(s->image_dir))
            run_add_typed(r, format(r->a, "%s: image_dir %s is no folder here", path, quoted(r->a, s->image_dir)));
    }
}

/* The pictures to draw while training, with the model and the VAE that training was given. */
static void read_samples(void *run)
{
    Run *r = run;
    const char *text = r->options.sample_text;
    const char *path = text ? NULL : r->options.training.sample_prompts;
    Bytes b = { (const unsigned char *)text, text ? strlen(text) : 0 };
    if (!path && !text) return;
    if (path) {
        b = run_open_input(r, path, "a file of prompts");
        input_file_refuse_binary(r->a, b, path);
    }
    const char *where = r->options.training.sample_prompts;
    SamplePrompts s = sample_prompts_read(r->a, (const char *)b.data, b.size, where, run_say, r);
    const SearchPath *search = run_search_path(r, path);
    for (size_t i = 0; i < s.count; i++) {
        s.request[i].model = r->request.model;
        s.request[i].vae = r->request.vae;
        search_path_resolve(r->a, search, &s.request[i]);
    }
    r->samples = s;
}

static void find_class_images(void *run)
{
    Run *r = run;
    TrainingConfig *c = &r->options.training;
    int finds_class = !c->reg_data_dir && r->options.input && !r->subsets.count;
    if (finds_class) c->reg_data_dir = photo_folders_class(r->a, r->options.input);
}

static void find_weights(void *run)
{
    Run *r = run;
    search_path_resolve(r->a, run_search_path(r, NULL), &r->request);
    output_spare(r->a, r->out, r->request.job.model);
    output_spare(r->a, r->out, r->request.job.vae);
}

/* Everything that can be known before the work: what was typed, and the files that it names. */
static void check_training(Run *r)
{
    const Options *o = &r->options;
    r->out = o->output;
    run_try(r, read_subsets);
    int is_named = o->input || o->training.dataset_config;
    if (!is_named) run_add_typed(r, "persona train needs a folder of pictures, and -o OUT.safetensors");
    else if (!o->output)
        run_add_typed(r, format(r->a, "persona train %s needs -o OUT.safetensors too, where what is learned goes",
                                o->input ? o->input : "PHOTOS"));
    refuse_drawing_options(r);
    run_try(r, find_class_images);
    run_try(r, run_check_training_options);
    run_read_request(r, NULL);                   /* no prompt file, only options */
    if (o->input && !r->subsets.count) run_try(r, check_photos);
    run_try(r, read_samples);                    /* before the model is found: its motion module comes with its name */
    if (o->output) run_try(r, find_weights);
    if (o->output) run_try(r, check_trained_file);
    run_end_if_faulty(r);
}

void train_command(Run *r)
{
    double began = system_seconds();
    const Options *o = &r->options;
    Callbacks callbacks = run_callbacks(r);
    system_ignore_broken_pipe();
    for (size_t i = 0; i < o->told.count; i++) run_say(r, o->told.line[i]);
    check_training(r);
    int is_seed_given = r->request.seeded;
    if (!is_seed_given) run_choose_seed(r);
    TrainingJob training = {
        .photos = o->input,
        .subsets = r->subsets,
        .out = r->out,
        .job = r->request.job,
        .config = o->training,
        .sample_prompts = r->samples,
        .overwrite = o->overwrite,
        .seeded = is_seed_given,
    };
    Trained trained = train(r->a, &training, &callbacks);
    terminal_end(&r->terminal);
    printf("%s\n", trained.path);
    double seconds = system_seconds() - began;
    run_say(r, format(r->a, "done in %.0f s, peak memory %.0f MB", seconds, system_memory_peak() / 1e6));
    run_say_command(r, "to draw with it", command_of_trained(r->a, o, &trained));
}
