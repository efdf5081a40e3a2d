/* train_setup.c - everything that is done before the first step of training.
 *
 * All errors that can be known early are found here, before the minutes of encoding and the hours of training: a tensor
 * that is missing, a picture that cannot be read, a sample that cannot be drawn.
 *
 * Random numbers are drawn in one order: the seed, the LoRA pairs, then the latents of each picture (dataset.c). */
#include "trainer.h"

#include "autoencoder_check.h"
#include "chars.h"
#include "clip.h"
#include "generate.h"
#include "masks.h"
#include "model_limits.h"
#include "model_recipe.h"
#include "photo_folders.h"
#include "prior.h"
#include "reconstruction.h"
#include "survey.h"
#include "unet.h"
#include "vae.h"

#include <math.h>
#include <string.h>

/* ---- model ------------------------------------------------------------------------------------- */

static Objective objective_of(const TrainingConfig *c)
{
    Objective o = { .min_snr_gamma = c->min_snr_gamma, .prior_loss_weight = c->prior_loss_weight,
                    .debiased_estimation_loss = c->debiased_estimation_loss, .train_batch_size = c->train_batch_size,
                    .gradient_accumulation_steps = c->gradient_accumulation_steps, .min_timestep = c->min_timestep,
                    .max_timestep = c->max_timestep };
    o.noise = (NoiseConfig){ .noise_offset = c->noise_offset,
                             .noise_offset_random_strength = c->noise_offset_random_strength,
                             .adaptive_noise_scale = c->adaptive_noise_scale,
                             .multires_noise_iterations = c->multires_noise_iterations,
                             .multires_noise_discount = c->multires_noise_discount,
                             .ip_noise_gamma = c->ip_noise_gamma,
                             .ip_noise_gamma_random_strength = c->ip_noise_gamma_random_strength };
    o.loss = (LossConfig){ .loss_type = c->loss_type, .huber_schedule = c->huber_schedule, .huber_c = c->huber_c,
                           .huber_scale = c->huber_scale };
    objective_schedule(&o);
    return o;
}

static const char *word_of(Trainer *t)
{
    if (t->config->token) return t->config->token;
    return is_textual_inversion(t->config) ? trainer_stem(t->mem, t->job->out) : NULL;
}

/* What the model says of itself: its limits, and the options that nobody gave. */
static void read_spec(Trainer *t, const Weights *weights)
{
    Lines ignored = { 0 };
    const char *path = t->job->job.model;
    TrainingConfig *config = allocate(t->mem, 1, sizeof *config);
    t->spec = model_spec(t->mem, weights, &ignored);
    if (ignored.count)
        callbacks_say(t->callbacks, "warning: %s: its metadata make no sense here and are left out: %s", path,
                      lines_joined(t->mem, &ignored, "; "));
    *config = model_recipe(t->mem, &t->job->config, weights, path, t->callbacks, &t->recipe);
    t->config = config;
    TrainingConfig without_rate = t->job->config;
    const char *taken;
    without_rate.learning_rate = -1;
    without_rate = model_recipe(t->mem, &without_rate, weights, path, NULL, &taken);
    t->usual_rate = training_learning_rate(&without_rate);
}

void trainer_open_model(Trainer *t)
{
    const Job *job = &t->job->job;
    Weights *weights = weights_add(t->mem, NULL, job->model, MODEL_FILE);
    read_spec(t, weights);
    if (job->vae) weights = weights_add(t->mem, weights, job->vae, VAE_FILE);
    t->side = t->config->resolution > 0 ? t->config->resolution : t->spec.size.width;
    t->clip_skip = job->clip_skip ? job->clip_skip : t->spec.clip_skip;
    if (!t->clip_skip) t->clip_skip = 1;
    t->run = (Run){ .machine = &t->machine, .weights = weights, .frames = 1, .callbacks = t->callbacks };
    t->word = word_of(t);
    t->objective = objective_of(t->config);
    objective_check_prediction(t->mem, t->spec.v_prediction, job->model);
    clip_check_skip(t->mem, weights, t->clip_skip);
    callbacks_say(t->callbacks, "model %s, pictures of %dx%d", job->model, t->side, t->side);
    limits_tell_size(t->mem, &t->spec, job->model, (PixelSize){ t->side, t->side }, "Resolution", t->callbacks);
}

/* A dry run of one step: every layer looks its weights up. */
void trainer_check_model(Trainer *t)
{
    size_t before = mark(t->mem);
    Problems problems = { 0, allocate(t->mem, 4096, 1) };
    problems.text[0] = 0;
    t->machine.dry = 1;
    t->run.problems = &problems;
    vae_encode(&t->run, tensor(&t->run, 1, t->side, t->side, 3));
    Tensor text = clip_encode(&t->run, NULL, 1, 1, NULL);
    Tensor latents = tensor(&t->run, 1, t->side / FACTOR, t->side / FACTOR, LATENT);
    unet(&t->run, latents, 1, (Tensor){ .n = 1, .h = 1, .w = text.h, .c = text.c, .x = text.x });
    if (problems.count)
        fail(t->mem, "%s: %d tensors are missing or do not fit%s", t->job->job.model, problems.count, problems.text);
    t->machine.dry = 0;
    t->run.problems = NULL;
    release(t->mem, before);
}

void trainer_check_samples(Trainer *t)
{
    const Job *job = &t->job->job;
    for (size_t i = 0; i < t->job->sample_prompts.count; i++) {
        Request *sample = &t->job->sample_prompts.request[i];
        if (!sample->seeded) sample->job.seed = t->seed;
        sample->seeded = 1;
        if (!sample->job.clip_skip) sample->job.clip_skip = t->clip_skip;
        sample->job.threads = job->threads;
        sample->job.model = job->model;
        sample->job.vae = job->vae;
        Job copy_of_job = sample->job;       /* generate_check() fills in what is usual */
        arena_peak_reset(t->mem);
        Plan plan = generate_check(t->mem, &copy_of_job, NULL);
        plan.memory -= mark(t->mem);         /* what was there before */
        if (plan.memory > t->sampling.memory) t->sampling = plan;
        PixelSize size = { copy_of_job.width, copy_of_job.height };
        limits_tell_size(t->mem, &t->spec, job->model, size, format(t->mem, "sample %zu: Size", i + 1), t->callbacks);
    }
    arena_peak_reset(t->mem);                /* dry runs take no memory */
}

/* ---- pictures ---------------------------------------------------------------------------------- */

enum { CLASS_IMAGES_A_PHOTO = 4, MOST_CLASS_IMAGES = 100 };

static size_t count_class_images(const TrainingConfig *c, size_t instances)
{
    if (c->num_class_images > 0) return (size_t)c->num_class_images;
    size_t count = CLASS_IMAGES_A_PHOTO * instances;
    return count < MOST_CLASS_IMAGES ? count : MOST_CLASS_IMAGES;
}

/* The folder of class images, in which all are by now. */
static const char *class_folder(Trainer *t, size_t instances)
{
    if (t->config->reg_data_dir) return t->config->reg_data_dir;
    Job job = t->job->job;
    job.prompt = t->config->class_prompt;
    job.width = t->side;
    job.height = t->side;
    job.seed = t->seed;
    job.loras = 0;
    limits_tell_words(t->mem, &t->spec, &job, t->callbacks);
    const char *folder = trainer_class_path(t);
    prior_draw(t->mem, &job, folder, count_class_images(t->config, instances), t->callbacks);
    return folder;
}

/* A folder of class images by itself: the one of --reg_data_dir, or of what was drawn. */
static Subset class_subset(Trainer *t, size_t instances)
{
    Subset s = { .image_dir = class_folder(t, instances), .is_reg = 1, .config = *t->config };
    s.config.repeats = 1;
    return s;
}

/* What is said of pictures of which nothing else is said. */
static const char *words_of(Trainer *t, const Subset *s)
{
    if (s->class_tokens) return s->class_tokens;
    return s->is_reg ? t->config->class_prompt : t->job->job.prompt;
}

/* The pictures of one folder.  Where there are several, their names begin with the folder's. */
static Photos find_photos_in(Trainer *t, const Subset *s, int is_one_of_several)
{
    Arena *a = t->mem;
    Buckets *buckets = allocate(a, 1, sizeof *buckets);
    const PhotoSearch search = { .folder = s->image_dir, .caption_extension = s->config.caption_extension,
                                 .words = words_of(t, s), .repeats = s->config.repeats,
                                 .keeps_lines = s->config.enable_wildcard, .of_class = s->is_reg,
                                 .is_subset = t->job->subsets.count > 0,
                                 .out = s->is_reg ? NULL : t->job->out };
    Photos photos = photos_find(a, &search);
    *buckets = training_buckets(a, &s->config, s->config.resolution > 0 ? s->config.resolution : t->side);
    for (size_t i = 0; i < photos.count; i++) {
        Photo *p = &photos.photo[i];
        p->config = &s->config;
        p->buckets = buckets;
        if (is_one_of_several) p->name = format(a, "%s/%s", file_name(s->image_dir), p->name);
    }
    return photos;
}

static Photos find_photos(Trainer *t, int are_class_images)
{
    Photos all = { 0 };
    const Subsets *subsets = &t->subsets;
    for (size_t i = 0; i < subsets->count; i++)
        if (subsets->subset[i].is_reg == are_class_images)
            photos_join(t->mem, &all, find_photos_in(t, &subsets->subset[i], subsets->count > 1));
    return all;
}

static void add_class_images(Trainer *t, Photos *photos)
{
    Photos class_images = find_photos(t, 1);
    const char *folder = "class images";
    if (t->config->reg_data_dir || t->config->class_prompt) {
        Subset *s = allocate(t->mem, 1, sizeof *s);
        *s = class_subset(t, photos->instances);
        folder = s->image_dir;
        photos_join(t->mem, &class_images, find_photos_in(t, s, 0));
    }
    if (!class_images.count && t->config->method == METHOD_DREAMBOOTH)
        fail(t->mem, "--method dreambooth needs pictures of the class, and no subset of %s has is_reg = true",
             t->config->dataset_config);
    if (!class_images.count) return;
    survey_look(t->mem, &class_images, t->config->skip_unreadable, t->callbacks);
    for (size_t i = 0; i < class_images.count; i++) class_images.photo[i].role = CLASS_IMAGE;
    survey_tell(t->mem, &class_images, folder, t->callbacks);
    photos_add_class(t->mem, photos, class_images);
    const char *not_needed = "";
    if (photos->classes < class_images.count)
        not_needed = format(t->mem, "; %zu more are not needed", class_images.count - photos->classes);
    callbacks_say(t->callbacks, "%s of the class, counting %g: with them %zu pictures in an epoch%s",
                  amount(t->mem, photos->classes, "picture"), t->config->prior_loss_weight, photos->repeated,
                  not_needed);
}

/* Those of --dataset_config, or the one folder on the command line. */
static Subsets subsets_of(Trainer *t)
{
    const TrainingJob *job = t->job;
    Subsets s = job->subsets;
    if (!s.count) {
        s = (Subsets){ allocate(t->mem, 1, sizeof *s.subset), 1 };
        *s.subset = (Subset){ .image_dir = job->photos, .config = *t->config };
    }
    return s;
}

/* The small model that comes with persona draws portraits like those of examples/ and no photographs. */
static void check_autoencoder(Trainer *t, const Photos *photos)
{
    const char *kind = t->spec.pictures ? t->spec.pictures : "drawn portraits";
    if (!autoencoder_is_small(t->run.weights)) return;
    double error = autoencoder_error(&t->run, photos);
    if (error <= MOST_RECONSTRUCTION_ERROR) return;
    callbacks_say(t->callbacks, "warning: %s cannot draw pictures like these, whatever it learns: its autoencoder "
                  "gives them back with an error of %.0f of 255, %s with one below 10; photographs need %s",
                  t->job->job.model, error, kind, large_model);
}

/* By name: whoever looks at the result should know what it has not seen. */
static void say_held_out(Trainer *t, const Photos *photos)
{
    enum { MOST_NAMES = 12 };
    Lines names = { 0 };
    size_t before = mark(t->mem);
    size_t more = photos->validations > MOST_NAMES ? photos->validations - MOST_NAMES : 0;
    for (size_t i = 0; i < photos->count && names.count < MOST_NAMES; i++)
        if (photos->photo[i].role == VALIDATION_IMAGE) lines_add(t->mem, &names, photos->photo[i].name);
    callbacks_say(t->callbacks, "held out, to measure likeness with and not to learn from: %s%s",
                  lines_joined(t->mem, &names, ", "), more ? format(t->mem, " and %zu more", more) : "");
    release(t->mem, before);
}

void trainer_find_photos(Trainer *t)
{
    const TrainingConfig *c = t->config;
    t->subsets = subsets_of(t);
    Photos photos = find_photos(t, 0);
    const char *folder = t->job->photos;
    if (t->subsets.count > 1) folder = amount(t->mem, t->subsets.count, "folder");
    if (!photos.count) fail(t->mem, "%s: only class images, and nothing to learn from", folder);
    survey_look(t->mem, &photos, c->skip_unreadable, t->callbacks);
    if (c->validation_split > 0) photos_hold_out(t->mem, &photos, c->validation_split, c->validation_seed);
    survey_tell(t->mem, &photos, folder, t->callbacks);
    if (photos.validations) say_held_out(t, &photos);
    masks_find(t->mem, &photos);
    masks_check(t->mem, &photos, t->callbacks);
    check_autoencoder(t, &photos);
    add_class_images(t, &photos);
    t->dataset = (Dataset){ .mem = t->mem, .run = &t->run, .config = c, .objective = &t->objective,
                            .callbacks = t->callbacks, .photos = photos };
    t->dataset.clip_skip = t->clip_skip;
}

/* ---- trainable parameters ---------------------------------------------------------------------- */

/* The token vectors begin as those of words that the model knows, by turns. */
static void begin_word(Trainer *t)
{
    const char *init_word = t->config->init_word;
    const Weight *words = &t->trainable->words;
    size_t width = words->shape[1];
    Tokens known = tokenize(t->mem, t->dataset.captions.tokenizer, init_word, strlen(init_word));
    if (!known.count) fail(t->mem, "--init_word says nothing; expected a word that the model knows");
    for (size_t i = 0; i < words->shape[0]; i++)
        clip_token(t->run.weights, known.id[i % known.count], t->trainable->x + i * width);
}

static Captions captions_of(Trainer *t)
{
    int vocabulary = clip_vocabulary(t->run.weights);
    Bytes merges = file_map(t->mem, t->job->job.merges);
    return (Captions){ .tokenizer = tokenizer_new(t->mem, merges, (size_t)vocabulary), .word = t->word,
                       .first = vocabulary, .vectors = t->config->num_vectors,
                       .chunks = t->config->max_token_length / CHUNK_TOKENS };
}

/* The adapters, as the options say or as a file has them. */
static Trainable *make_trainable(Trainer *t, const LoraFile *file)
{
    const TrainingConfig *c = t->config;
    TrainableConfig what = training_trainable(c);
    if (t->word) what.vectors = c->num_vectors;
    Trainable *trainable = c->dim_from_weights ? trainable_like(t->mem, t->run.weights, what, file)
                                               : trainable_new(t->mem, t->run.weights, what);
    trainable->dropout.element = (float)c->network_dropout;
    trainable->dropout.rank = (float)c->rank_dropout;
    trainable->module_dropout = c->module_dropout;
    return trainable;
}

/* Goes on from the file of --network_weights. */
static void take_weights(Trainer *t, const LoraFile *file)
{
    size_t missing = trainable_take(t->mem, t->trainable, file);
    size_t taken = t->trainable->modules - missing;
    const char *others = "";
    const char *unused = "";
    if (missing) others = format(t->mem, "; %zu more begin anew", missing);
    if (file->modules > taken) unused = format(t->mem, "; %zu of its layers do not learn here", file->modules - taken);
    callbacks_say(t->callbacks, "%s: goes on from its %s%s%s", t->config->network_weights,
                  amount(t->mem, taken, "layer"), others, unused);
}

static LoraFile *open_network_weights(Trainer *t)
{
    if (!t->config->network_weights) return NULL;
    LoraFile *file = allocate(t->mem, 1, sizeof *file);
    *file = adapter_open(t->mem, (LoraUse){ .path = t->config->network_weights, .text = 1, .unet = 1 });
    return file;
}

void trainer_begin(Trainer *t)
{
    const LoraFile *file = open_network_weights(t);
    t->dataset.captions = captions_of(t);
    t->dataset.steps = t->steps;
    dataset_check_captions(&t->dataset);
    t->trainable = make_trainable(t, file);
    rng_seed(&t->progress->rng, t->seed);
    if (t->word) begin_word(t);
    trainable_init(t->trainable, t->run.weights, &t->progress->rng);
    if (file) take_weights(t, file);
    t->optimizer = optimizer_new(t->mem, t->trainable, t->config->optimizer_type,
                                 training_optimizer_args(t->mem, t->config), training_learning_rates(t->config));
    t->state.trainable = t->trainable;
    t->state.optimizer = t->optimizer;
}
