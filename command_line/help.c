/* help.c - what --help prints.
 *
 * The options are those of three tables, with what these say: settings.c, options.c and training_config.c.  They are
 * printed in the order of their tables, each in a line, or in as many as it takes in 80 columns.  Here is only where a
 * group of them begins, and what it is called. */
#include "help.h"

#include "options.h"

#include <stdio.h>
#include <string.h>

enum { COLUMNS = 80, NAME_COLUMNS = 29 };        /* of the terminal, and of an option's name and value */

/* A group goes on until the next one begins. */
typedef struct { const char *first, *title; } Group;

static const Group drawing_groups[] = {
    { "prompt", "What is drawn" },
    { "model", "Files" },
    { "init", "From a picture" },
    { "clip-skip", "The model and its noise" },
    { "hires", "A second, larger pass" },
    { "lora", "LoRAs" },
    { "motion", "Clips" },
    { "precision", "Precision" },
    { "x", "Grids, and prompts that vary" },
    { "threads", "Threads" },
    { "output", "What comes out, and where" },
    { "fresh", "After an interruption" },
    { "preview", "In the terminal" },
    { NULL, NULL }
};

static const Group training_groups[] = {
    { "method", "What is learned" },
    { "network_dim", "LoRA" },
    { "network_module", "Its relatives" },
    { "learning_rate", "Learning rates and steps" },
    { "repeats", "Pictures" },
    { "enable_bucket", "Sizes and shapes" },
    { "shuffle_caption", "Captions" },
    { "validation_split", "Held-out pictures" },
    { "optimizer_type", "Optimizer and schedule" },
    { "min_snr_gamma", "Loss" },
    { "noise_offset", "Noise" },
    { "caption_extension", "Files and memory" },
    { "save_every_n_epochs", "What is saved, and drawn, on the way" },
    { NULL, NULL }
};

/* ---- an option --------------------------------------------------------------------------------- */

static void begin_group(const Group *groups, const char *flag)
{
    for (const Group *g = groups; g->first; g++)
        if (!strcmp(g->first, flag)) printf("\n%s\n", g->title);
}

/* Prints words from this column on.  Further lines begin at the same column. */
static void print_words(const char *words, int column)
{
    int at = column;
    while (*words) {
        int n = (int)strcspn(words, " ");
        int is_first = at == column;
        int is_full = at + 1 + n > COLUMNS;
        if (is_full) printf("\n%*s", column, "");
        else if (!is_first) putchar(' ');
        at = is_full ? column + n : at + n + !is_first;
        printf("%.*s", n, words);
        words += n;
        words += strspn(words, " ");
    }
    putchar('\n');
}

/* start: what stands before the name, as "  -p, --" */
static void print_option(const char *start, const char *flag, const char *value, const char *help)
{
    const char *space = value ? " " : "";
    int n = printf("%s%s%s%s", start, flag, space, value ? value : "");
    if (n > NAME_COLUMNS) printf("\n%*s", NAME_COLUMNS + 1, "");
    else printf("%*s", NAME_COLUMNS + 1 - n, "");
    print_words(help, NAME_COLUMNS + 1);
}

static void print_drawing_option(const char *flag, const char *value, const char *help)
{
    const char letter = option_letter(flag);
    char start[] = { ' ', ' ', letter ? '-' : ' ', letter ? letter : ' ', letter ? ',' : ' ', ' ', '-', '-', 0 };
    begin_group(drawing_groups, flag);
    print_option(start, flag, value, help);
}

/* ---- all --------------------------------------------------------------------------------------- */

static const char drawing_end[] =
    "\n"
    "A name is a path, or a file beside the prompt file, in the current folder, or\n"
    "anywhere in weights/.\n"
    "Exit status: 0 done, 1 failed, 2 wrong command line, 130 interrupted.\n";

static const char me_help[] =
    "persona me PHOTOS\n"
    "\n"
    "PHOTOS: a folder with 10 to 20 different photos of one person, or drawings, as\n"
    "for persona train.  Or one photo.\n"
    "It looks at them and says which are left out and why, trains a LoRA, draws a\n"
    "sheet of strengths and seeds, and then the GIF.  Each step is a command that is\n"
    "printed and can be typed by itself.  All is written to PHOTOS-persona, nothing\n"
    "to PHOTOS.\n"
    "Ctrl-C stops it, and the same command goes on.\n"
    "\n"
    "One photo, or photographs with the small model that comes with persona: a\n"
    "portrait is drawn from one of them.\n"
    "\n"
    "  -o FOLDER         instead of PHOTOS-persona\n"
    "  --name WORDS      what captions call the person, as \"yumin woman\" (what all\n"
    "                    captions begin with)\n"
    "  --prompt TEXT     what the portrait shows besides, as \"red sweater, beach,\n"
    "                    waving\" (waving)\n"
    "  --model F         a Stable Diffusion 1.x checkpoint (the one that comes with\n"
    "                    persona)\n"
    "  --seed N          same seed, same bytes (1)\n"
    "\n"
    "It takes the options of drawing (persona --help) and of training (persona train\n"
    "--help) too, and passes them on.\n";

static const char training_usage[] =
    "persona train PHOTOS -o OUT.safetensors\n"
    "\n"
    "PHOTOS: a folder of pictures (PNG, JPEG, WebP, BMP), with captions beside them\n"
    "(a.jpg, a.txt), or of folders called <repeats>_<words>.\n"
    "In brackets what holds when an option is not given.  --model, --vae, --prompt\n"
    "(for pictures without a caption), --clip-skip, --seed, --precision and --threads\n"
    "are as for drawing.\n"
    "\n"
    "Ctrl-C saves the state to OUT-state.safetensors; the same command with --resume\n"
    "goes on to the same bytes, with more steps it learns on.\n"
    "What another training wrote in the place of a result is kept as\n"
    "OUT-before.safetensors; --overwrite replaces it.\n";

void print_help(void)
{
    const char *flag, *value, *help;
    printf("%s\nOptions win over the prompt file; in brackets what holds when neither says.\n", drawing_usage);
    for (const Setting *s = all_settings; s->flag; s++) print_drawing_option(s->flag, s->value, s->help);
    for (size_t i = 0; (flag = option_listed(i, &value, &help)); i++) print_drawing_option(flag, value, help);
    fputs(drawing_end, stdout);
}

void print_me_help(void)
{
    fputs(me_help, stdout);
}

void print_training_help(void)
{
    const char *flag, *value, *help;
    fputs(training_usage, stdout);
    for (size_t i = 0; (flag = training_option(i, &value, &help)); i++) {
        begin_group(training_groups, flag);
        print_option("  --", flag, value, help);
    }
}
