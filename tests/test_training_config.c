/* test_training_config.c - the training configuration: choices become enums whatever string they come from, the check
 * names what is allowed, and what follows from the options. */
#include "idle_options.h"
#include "test.h"
#include "training_config.h"

#include <math.h>

typedef struct {
    Arena         *a;
    TrainingConfig config;
    const char    *name, *value;         /* of an option */
    const char    *text;
} Case;

static void set(void *to)
{
    Case *c = to;
    training_config_set(c->a, &c->config, c->name, c->value);
}

static void check(void *to)
{
    Case *c = to;
    training_config_check(c->a, &c->config);
}

static TrainingConfig with(Arena *a, const char *name, const char *value)
{
    char why[MESSAGE];
    Case c = { .a = a, .config = training_config_default, .name = name, .value = value };
    CHECK_MSG(!attempt(a, set, &c, why), "--%s %s: %s", name, value, why);
    return c.config;
}

static void refuses(Arena *a, const char *name, const char *value, const char *words)
{
    char why[MESSAGE] = "";
    Case c = { .a = a, .config = training_config_default, .name = name, .value = value };
    int failed = attempt(a, set, &c, why);
    CHECK_MSG(failed && strstr(why, words), "--%s %s: expected \"%s\", found %s", name, value, words,
              failed ? why : "nothing");
}

static void check_refuses(Arena *a, TrainingConfig config, const char *words)
{
    char why[MESSAGE] = "";
    Case c = { .a = a, .config = config };
    int failed = attempt(a, check, &c, why);
    CHECK_MSG(failed && strstr(why, words), "expected \"%s\", found %s", words, failed ? why : "nothing");
}

/* A host program's own string, which lies nowhere in persona, chooses as well as persona's. */
static void test_choices(Arena *a)
{
    char method[] = "dreambooth", inversion[] = "Textual-Inversion";
    char optimizer[] = "adamw8bit", scheduler[] = "polynomial";
    TrainingConfig c = with(a, "method", method);
    CHECK(c.method == METHOD_DREAMBOOTH && has_prior_preservation(&c) && !is_textual_inversion(&c));
    c = with(a, "method", inversion);
    CHECK(c.method == METHOD_TEXTUAL_INVERSION && is_textual_inversion(&c));
    method[0] = 0;
    CHECK(with(a, "optimizer_type", optimizer).optimizer_type == OPTIMIZER_ADAMW_8BIT);
    CHECK(with(a, "lr_scheduler", scheduler).lr_scheduler == LR_POLYNOMIAL);
    c.train_batch_size = 0;
    check_refuses(a, c, "--train_batch_size is 0, expected from 1 to 1024");
    c.train_batch_size = 1;
    c.gradient_accumulation_steps = 0;
    check_refuses(a, c, "--gradient_accumulation_steps is 0, expected from 1 to 1024");
    c = training_config_default;
    c.learning_rate = NAN;
    check_refuses(a, c, "--learning_rate is ");
    c = training_config_default;
    CHECK(c.method == METHOD_LORA && c.optimizer_type == OPTIMIZER_ADAMW && c.lr_scheduler == LR_COSINE);
}

static void test_refused(Arena *a)
{
    refuses(a, "method", "hypernetwork",
            "--method is \"hypernetwork\", expected lora, dreambooth or textual_inversion");
    refuses(a, "optimizer_type", "SGD", "--optimizer_type is \"SGD\", expected AdamW, AdamW8bit, Lion,");
    refuses(a, "lr_scheduler", "step",
            "expected constant, constant_with_warmup, linear, cosine, cosine_with_restarts, polynomial, inverse_sqrt");
    refuses(a, "strange", "1", "\"strange\" is no option of training");
    refuses(a, "network_dim", "1.5", "--network_dim is \"1.5\", expected a whole number from 1 to 1024");
    refuses(a, "weight_decay", "2", "--weight_decay is \"2\", expected a number from 0 to 1");
    refuses(a, "resolution", "100", "--resolution is \"100\", expected a multiple of 8");
    refuses(a, "resolution", "512,768", "expected one side as 512");
}

/* Enums that a program sets by hand are checked, too. */
static void test_checked(Arena *a)
{
    TrainingConfig c = training_config_default;
    c.method = (TrainingMethod)7;
    check_refuses(a, c, "--method is number 7, expected lora, dreambooth or textual_inversion");
    c = training_config_default;
    c.optimizer_type = OPTIMIZERS;
    check_refuses(a, c, "--optimizer_type is number 7, expected AdamW, AdamW8bit, Lion,");
    c = training_config_default;
    c.lr_scheduler = LR_SCHEDULERS;
    check_refuses(a, c, "expected constant, constant_with_warmup, linear, cosine, cosine_with_restarts, polynomial, inverse_sqrt");
    c = training_config_default;
    c.lr_scheduler = LR_CONSTANT;
    c.lr_warmup_steps = 3;
    check_refuses(a, c, "--lr_scheduler constant has no warm-up");
    c = training_config_default;
    c.learning_rate = 0;
    check_refuses(a, c, "nothing learns; expected one of --unet_lr and --text_encoder_lr above 0");
    c = training_config_default;
    c.method = METHOD_DREAMBOOTH;
    check_refuses(a, c, "--method dreambooth needs pictures of the class");
}

static void test_values(Arena *a)
{
    CHECK(with(a, "resolution", "512, 512").resolution == 512 && with(a, "min-snr-gamma", "5").min_snr_gamma >= 5);
    CHECK(with(a, "LEARNING_RATE", "1e-3").learning_rate <= 1e-3 && with(a, "flip_aug", NULL).flip_aug == 1);
    TrainingConfig c = with(a, "learning_rate", "0.002");
    LearningRates rates = training_learning_rates(&c);
    CHECK(rates.unet >= 0.002 && rates.text >= 0.001 && rates.text <= 0.001 && rates.words >= 0.005);
    c.network_train_unet_only = 1;
    CHECK(!(training_learning_rates(&c).text > 0));
    c = with(a, "method", "textual_inversion");
    CHECK(training_learning_rate(&c) >= 0.005);
}

/* What the result depends on is text of a saved state; what it does not depend on is none. */
static void test_text(Arena *a)
{
    TrainingConfig c = with(a, "optimizer_type", "adamw8bit");
    const char *name, *value, *help;
    int found = 0;
    for (size_t i = 0; (name = training_option(i, &value, &help)); i++) {
        const char *text = training_option_text(a, &c, i);
        if (!strcmp(name, "optimizer_type")) found += text && !strcmp(text, "\"AdamW8bit\"") ? 1 : 0;
        if (!strcmp(name, "unet_lr")) found += text && !strcmp(text, "as usual") ? 1 : 0;
        if (!strcmp(name, "network_dim")) found += text && !strcmp(text, "16") ? 1 : 0;
        if (!strcmp(name, "max_train_steps") || !strcmp(name, "resume")) found += !text ? 1 : 0;
    }
    CHECK_MSG(found == 5, "%d of 5", found);
}

/* What was given and changes nothing, in the words of the message. */
static void idle(Arena *a, TrainingConfig c, const char *expected)
{
    Lines found = idle_options(a, &c);
    const char *text = lines_joined(a, &found, ", ");
    CHECK_MSG(!strcmp(text, expected), "expected \"%s\", found \"%s\"", expected, text);
}

static void test_idle(Arena *a)
{
    idle(a, training_config_default, "");
    TrainingConfig c = with(a, "keep_tokens", "1");
    idle(a, c, "--keep_tokens (without --shuffle_caption)");
    c.shuffle_caption = 1;
    idle(a, c, "");
    c = with(a, "keep_tokens_separator", "|||");
    c.caption_separator = ";";                   /* the separator of what is kept takes tags apart, too */
    idle(a, c, "--keep_tokens_separator (without --shuffle_caption it is only left out of the captions)");
    c = with(a, "text_encoder_lr", "1e-5");
    idle(a, c, "");
    c.network_train_unet_only = 1;
    idle(a, c, "--text_encoder_lr (with --network_train_unet_only)");
    c = with(a, "conv_alpha", "1");
    c.prior_loss_weight = 0.5;
    idle(a, c, "--conv_alpha (without --conv_dim), --prior_loss_weight (without pictures of the class: --reg_data_dir or "
               "--class_prompt)");
    c = with(a, "lr_scheduler_num_cycles", "3");
    idle(a, c, "--lr_scheduler_num_cycles (this --lr_scheduler has no cycles)");
    c.lr_scheduler = LR_COSINE_WITH_RESTARTS;
    idle(a, c, "");
}

/* All that does not go together is in one message. */
static void test_faults(Arena *a)
{
    TrainingConfig c = training_config_default;
    Lines faults = { 0 };
    c.lr_scheduler = LR_CONSTANT;
    c.lr_warmup_steps = 5;
    c.sample_every_n_epochs = 1;
    c.max_token_length = 100;
    c.token = "a/b";
    training_config_faults(a, &c, &faults);
    CHECK_MSG(faults.count == 4, "%zu of 4", faults.count);
    c.num_vectors = -1;
    c.prior_loss_weight = -1;
    faults.count = 0;
    training_config_faults(a, &c, &faults);
    CHECK_MSG(faults.count == 2, "%zu of 2", faults.count);
}

/* Switches as files of options say them, and a warm-up in per cent. */
static void test_written(Arena *a)
{
    CHECK(with(a, "flip_aug", "false").flip_aug == 0 && with(a, "flip_aug", "True").flip_aug == 1);
    CHECK(fabs(with(a, "lr_warmup_steps", "5%").lr_warmup_steps - 0.05) < 1e-12);
    refuses(a, "flip_aug", "yes", "--flip_aug is \"yes\", expected true, false or no value");
    refuses(a, "learning_rate", "5%", "--learning_rate is \"5%\"");
}

int main(void)
{
    Arena *a = arena_new();
    CHECK(a != NULL);
    test_choices(a);
    test_refused(a);
    test_checked(a);
    test_values(a);
    test_text(a);
    test_idle(a);
    test_faults(a);
    test_written(a);
    arena_free(a);
    return done();
}
