/* foreign_options.c - what options are called in other programs.
 *
 * People are used to the names of other programs: the web UI, kohya's trainer, diffusers' scripts and
 * stable-diffusion.cpp.  Names that mean the same here are options of persona; these tables have the others.
 *
 * Of drawing, such an option is refused, since its value may mean something else here; the message names the one that
 * is meant.  Of training, whole command lines are pasted, so each option that those programs have is in one of five
 * classes (ForeignMeaning), and trainer_command.c does what the class says.  An option of training_config.c is never
 * looked up here, so a row that becomes one there is dead, and may go.
 *
 * The names are those of sd-scripts (library/train_util.py, train_network.py, train_textual_inversion.py), of
 * diffusers (examples/dreambooth, text_to_image and textual_inversion) and of people who mix them up. */
#include "foreign_options.h"

#include "chars.h"

#include <stddef.h>
#include <string.h>

/* ---- drawing ----------------------------------------------------------------------------------- */

enum { MOST_NAMES = 8 };                 /* of one option, with the NULL at the end */

typedef struct {
    const char *ours;                    /* NULL: the end of the table */
    const char *theirs[MOST_NAMES];
} ForeignName;

static const ForeignName drawing[] = {
    { "-W N and -H N, or --size WIDTHxHEIGHT", { "w" } },
    { "--seed N; -s, which is the seed here, may be the steps there", { "S" } },
    { "--cfg X",                    { "C" } },
    { "--sampler NAME",             { "A" } },
    { "--strength X",               { "f" } },
    { "--help, or --version",       { "V" } },
    { "--steps N",                  { "num-inference-steps", "sample-steps" } },
    { "--cfg X",                    { "guidance-scale", "scale" } },
    { "--sampler NAME",             { "sampling-method" } },
    { "--schedule-type NAME",       { "scheduler" } },
    { "--model F",                  { "ckpt", "checkpoint", "diffusion-model", "pretrained-model-name-or-path" } },
    { "--vae F",                    { "vae-path" } },
    { "--init F",                   { "I", "init-img", "image" } },
    { "--last F",                   { "end-img", "end-image", "last-frame", "last-image" } },
    { "--mask F",                   { "mask-image", "mask-img", "init-mask", "inpaint-mask" } },
    { "--weights DIR",              { "lora-dir", "lora-model-dir", "embeddings-dir", "embd-dir", "ckpt-dir", "vae-dir",
                                      "models-dir" } },
    { "--frames N",                 { "video-frames", "video-length", "num-frames" } },
    { "-o OUT",                     { "outdir", "output-dir", "output-name" } },
    { "--batch N",                  { "batch-size", "n-iter" } },
    { "--precision bf16",           { "mixed-precision", "half" } },
    { "not needed",                 { "M", "mode", "xformers", "sdpa", "medvram", "lowvram", "vae-tiling" } },
    { NULL },
};

/* The case of a letter counts. */
static int is_named(const char *theirs, const char *name)
{
    return theirs[1] ? same(theirs, name) : !strcmp(theirs, name);
}

const char *foreign_option(const char *name)
{
    for (const ForeignName *o = drawing; o->ours; o++)
        for (size_t i = 0; o->theirs[i]; i++)
            if (is_named(o->theirs[i], name)) return o->ours;
    return NULL;
}

/* ---- training: the same under another name ------------------------------------------------------ */

#define OURS(n, o)           { .name = n, .meaning = RENAMED, .values = ONE_VALUE, .ours = o }
#define OURS_SWITCH(n, o)    { .name = n, .meaning = RENAMED, .values = NO_VALUE, .ours = o }
#define OURS_AS(n, o, v)     { .name = n, .meaning = RENAMED, .values = NO_VALUE, .ours = o, .value = v }
#define ONLY(n, v, w)        { .name = n, .meaning = FIXED, .values = ONE_VALUE, .value = v, .why = w }
#define PLACE(n)             { .name = n, .meaning = PLACED, .values = ONE_VALUE }
#define PLACE_SWITCH(n)      { .name = n, .meaning = PLACED, .values = NO_VALUE }
#define PLACE_MANY(n)        { .name = n, .meaning = PLACED, .values = VALUES }
#define NEEDLESS_SWITCH(n)   { .name = n, .meaning = NEEDLESS, .values = NO_VALUE }
#define NEEDLESS_VALUE(n)    { .name = n, .meaning = NEEDLESS, .values = ONE_VALUE }
#define NEEDLESS_MANY(n)     { .name = n, .meaning = NEEDLESS, .values = VALUES }
#define MISSING_SWITCH(n, w) { .name = n, .meaning = MISSING, .values = NO_VALUE, .why = w }
#define MISSING_VALUE(n, w)  { .name = n, .meaning = MISSING, .values = ONE_VALUE, .why = w }
#define MISSING_MANY(n, w)   { .name = n, .meaning = MISSING, .values = VALUES, .why = w }

static const char OTHER_MODEL[] = "is for models of another kind than Stable Diffusion 1";
static const char NOT_YET[] = "is not done by persona";
static const char WHOLE_MODEL[] = "is for training a whole model; here a LoRA or a word is trained";

static const ForeignOption training[] = {
    OURS("pretrained_model_name_or_path", "model"),
    OURS("pretrained_vae_model_name_or_path", "vae"),
    OURS("ckpt", "model"),
    OURS("checkpoint", "model"),
    OURS("base_model_name", "model"),
    OURS("instance_prompt", "prompt"),
    OURS("class_data_dir", "reg_data_dir"),
    OURS_AS("with_prior_preservation", "method", "dreambooth"),
    OURS("rank", "network_dim"),
    OURS("dim", "network_dim"),
    OURS("lora_rank", "network_dim"),
    OURS("lora_r", "network_dim"),
    OURS("network_rank", "network_dim"),
    OURS("alpha", "network_alpha"),
    OURS("lora_alpha", "network_alpha"),
    OURS("lora_dropout", "network_dropout"),
    OURS("dropout", "network_dropout"),
    OURS("lr", "learning_rate"),
    OURS("te_lr", "text_encoder_lr"),
    OURS("text_lr", "text_encoder_lr"),
    OURS("text_encoder_learning_rate", "text_encoder_lr"),
    OURS("learning_rate_te", "text_encoder_lr"),
    OURS("unet_learning_rate", "unet_lr"),
    OURS("steps", "max_train_steps"),
    OURS("train_steps", "max_train_steps"),
    OURS("epochs", "max_train_epochs"),
    OURS("epoch", "max_train_epochs"),
    OURS("num_epochs", "max_train_epochs"),
    OURS("num_train_epochs", "max_train_epochs"),
    OURS("batch_size", "train_batch_size"),
    OURS("gradient_accumulation", "gradient_accumulation_steps"),
    OURS("num_repeats", "repeats"),
    OURS("dataset_repeats", "repeats"),
    OURS("size", "resolution"),
    OURS("max_resolution", "resolution"),
    OURS("optimizer", "optimizer_type"),
    OURS_AS("use_8bit_adam", "optimizer_type", "AdamW8bit"),
    OURS_AS("use_lion_optimizer", "optimizer_type", "Lion"),
    OURS("adam_weight_decay", "weight_decay"),
    OURS("scheduler", "lr_scheduler"),
    OURS("lr_warmup", "lr_warmup_steps"),
    OURS("lr_num_cycles", "lr_scheduler_num_cycles"),
    OURS("lr_power", "lr_scheduler_power"),
    OURS("clip_grad_norm", "max_grad_norm"),
    OURS("snr_gamma", "min_snr_gamma"),
    OURS_SWITCH("random_flip", "flip_aug"),
    OURS("caption_extention", "caption_extension"),              /* kohya has both spellings */
    OURS("placeholder_token", "token"),
    OURS("token_string", "token"),
    OURS("initializer_token", "init_word"),
    OURS("num_vectors_per_token", "num_vectors"),
    OURS("checkpointing_steps", "save_every_n_steps"),
    OURS("save_steps", "save_every_n_steps"),
    OURS("validation_epochs", "sample_every_n_epochs"),
    OURS("validation_steps", "sample_every_n_steps"),

    /* what trainer_command.c does itself */
    PLACE("train_data_dir"),
    PLACE("instance_data_dir"),
    PLACE("output_dir"),
    PLACE("output_name"),
    PLACE("resume_from_checkpoint"),
    PLACE("lr_scheduler_type"),
    PLACE("dataset_name"),
    PLACE("validation_prompt"),
    PLACE("adam_beta1"),
    PLACE("adam_beta2"),
    PLACE("adam_epsilon"),
    PLACE_SWITCH("train_text_encoder"),
    PLACE_SWITCH("scale_lr"),
    PLACE_SWITCH("use_object_template"),
    PLACE_MANY("network_args"),
    PLACE_MANY("lr_scheduler_args"),

    /* what is always so here */
    ONLY("save_model_as", "safetensors", "is safetensors here, which every program reads"),
    ONLY("prior_generation_precision", "fp32", "is fp32 here"),

    /* of --network_args */
    ONLY("block_size", "4", "is for other algorithms"),
    MISSING_VALUE("rank_dropout_scale", NOT_YET), MISSING_VALUE("loraplus_lr_ratio", NOT_YET),
    MISSING_VALUE("loraplus_unet_lr_ratio", NOT_YET), MISSING_VALUE("loraplus_text_encoder_lr_ratio", NOT_YET),
    MISSING_VALUE("block_dims", NOT_YET), MISSING_VALUE("block_alphas", NOT_YET),
    MISSING_VALUE("conv_block_dims", NOT_YET), MISSING_VALUE("conv_block_alphas", NOT_YET),
    MISSING_VALUE("down_lr_weight", NOT_YET), MISSING_VALUE("mid_lr_weight", NOT_YET),
    MISSING_VALUE("up_lr_weight", NOT_YET), MISSING_VALUE("block_lr_zero_threshold", NOT_YET),
    MISSING_VALUE("use_tucker", NOT_YET), MISSING_VALUE("use_cp", NOT_YET), MISSING_VALUE("use_scalar", NOT_YET),
    MISSING_VALUE("train_norm", NOT_YET),
    MISSING_VALUE("unbalanced_factorization", NOT_YET),
    MISSING_VALUE("bypass_mode", NOT_YET),
    MISSING_VALUE("constraint", NOT_YET), MISSING_VALUE("rescaled", NOT_YET),

    /* speed, memory and logs of another machine */
    NEEDLESS_SWITCH("xformers"), NEEDLESS_SWITCH("sdpa"), NEEDLESS_SWITCH("mem_eff_attn"),
    NEEDLESS_SWITCH("torch_compile"), NEEDLESS_VALUE("dynamo_backend"), NEEDLESS_SWITCH("lowram"),
    NEEDLESS_SWITCH("highvram"), NEEDLESS_SWITCH("enable_xformers_memory_efficient_attention"),
    NEEDLESS_SWITCH("allow_tf32"), NEEDLESS_SWITCH("set_grads_to_none"), NEEDLESS_VALUE("mixed_precision"),
    NEEDLESS_SWITCH("full_fp16"), NEEDLESS_SWITCH("full_bf16"), NEEDLESS_SWITCH("fp8_base"),
    NEEDLESS_SWITCH("fp8_base_unet"), NEEDLESS_SWITCH("no_half_vae"), NEEDLESS_SWITCH("upcast_before_saving"),
    NEEDLESS_SWITCH("cpu_offload_checkpointing"), NEEDLESS_SWITCH("cache_latents"),
    NEEDLESS_SWITCH("cache_latents_to_disk"), NEEDLESS_VALUE("vae_batch_size"), NEEDLESS_SWITCH("skip_cache_check"),
    NEEDLESS_SWITCH("cache_info"), NEEDLESS_VALUE("max_data_loader_n_workers"),
    NEEDLESS_SWITCH("persistent_data_loader_workers"), NEEDLESS_VALUE("dataloader_num_workers"),
    NEEDLESS_VALUE("ddp_timeout"), NEEDLESS_SWITCH("ddp_gradient_as_bucket_view"), NEEDLESS_SWITCH("ddp_static_graph"),
    NEEDLESS_SWITCH("deepspeed"), NEEDLESS_VALUE("zero_stage"), NEEDLESS_VALUE("local_rank"),
    NEEDLESS_SWITCH("pre_compute_text_embeddings"), NEEDLESS_VALUE("sample_batch_size"),
    NEEDLESS_VALUE("save_precision"),
    NEEDLESS_SWITCH("use_safetensors"), NEEDLESS_SWITCH("mem_efficient_save"), NEEDLESS_VALUE("tokenizer_cache_dir"),
    NEEDLESS_VALUE("tokenizer_name"), NEEDLESS_VALUE("cache_dir"), NEEDLESS_VALUE("revision"),
    NEEDLESS_VALUE("variant"),
    NEEDLESS_VALUE("num_cpu_threads_per_process"), NEEDLESS_VALUE("logging_dir"), NEEDLESS_VALUE("log_with"),
    NEEDLESS_VALUE("log_prefix"), NEEDLESS_VALUE("log_tracker_name"), NEEDLESS_VALUE("log_tracker_config"),
    NEEDLESS_SWITCH("log_config"), NEEDLESS_VALUE("console_log_level"), NEEDLESS_VALUE("console_log_file"),
    NEEDLESS_SWITCH("console_log_simple"), NEEDLESS_VALUE("wandb_api_key"), NEEDLESS_VALUE("wandb_run_name"),
    NEEDLESS_VALUE("report_to"), NEEDLESS_SWITCH("no_metadata"), NEEDLESS_VALUE("training_comment"),
    NEEDLESS_VALUE("metadata_title"), NEEDLESS_VALUE("metadata_author"), NEEDLESS_VALUE("metadata_description"),
    NEEDLESS_VALUE("metadata_license"), NEEDLESS_VALUE("metadata_tags"), NEEDLESS_VALUE("dataset_config_name"),
    NEEDLESS_VALUE("image_column"), NEEDLESS_VALUE("caption_column"), NEEDLESS_VALUE("num_validation_images"),
    NEEDLESS_VALUE("checkpoints_total_limit"), NEEDLESS_SWITCH("save_as_full_pipeline"),
    NEEDLESS_SWITCH("save_state_on_train_end"), NEEDLESS_VALUE("save_last_n_epochs_state"),
    NEEDLESS_VALUE("save_last_n_steps_state"), NEEDLESS_VALUE("sample_sampler"), NEEDLESS_SWITCH("center_crop"),
    NEEDLESS_VALUE("learnable_property"), NEEDLESS_SWITCH("no_safe_serialization"), NEEDLESS_VALUE("prediction_type"),
    NEEDLESS_SWITCH("text_encoder_use_attention_mask"), NEEDLESS_VALUE("skip_until_initial_step"),
    NEEDLESS_VALUE("resize_interpolation"), NEEDLESS_VALUE("dataset_class"),
    NEEDLESS_SWITCH("sample_at_first"),

    /* what would be sent over a network, which persona does not use */
    NEEDLESS_SWITCH("push_to_hub"), NEEDLESS_VALUE("hub_token"), NEEDLESS_VALUE("hub_model_id"),
    NEEDLESS_VALUE("huggingface_repo_id"), NEEDLESS_VALUE("huggingface_repo_type"),
    NEEDLESS_VALUE("huggingface_path_in_repo"), NEEDLESS_VALUE("huggingface_token"),
    NEEDLESS_VALUE("huggingface_repo_visibility"), NEEDLESS_SWITCH("save_state_to_huggingface"),
    NEEDLESS_SWITCH("resume_from_huggingface"), NEEDLESS_SWITCH("async_upload"),

    /* what persona cannot do */
    MISSING_SWITCH("color_aug", NOT_YET), MISSING_SWITCH("random_crop", NOT_YET),
    MISSING_VALUE("face_crop_aug_range", NOT_YET), MISSING_SWITCH("weighted_captions", NOT_YET),
    MISSING_MANY("base_weights", NOT_YET),
    MISSING_MANY("base_weights_multiplier", NOT_YET), MISSING_SWITCH("zero_terminal_snr", NOT_YET),
    MISSING_SWITCH("scale_v_pred_loss_like_noise_pred", NOT_YET), MISSING_VALUE("v_pred_like_loss", NOT_YET),
    MISSING_SWITCH("network_train_text_encoder_only", "is --unet_lr 0 here"),
    MISSING_VALUE("initial_epoch", "is not needed: --resume goes on where the state was saved"),
    MISSING_VALUE("initial_step", "is not needed: --resume goes on where the state was saved"),
    MISSING_VALUE("weights", "is not here; a word is learned from --init_word on, or with --resume"),
    MISSING_SWITCH("use_style_template", "is not here; --prompt says what all pictures show"),
    MISSING_SWITCH("v2", "is for Stable Diffusion 2; persona trains models of Stable Diffusion 1"),
    MISSING_SWITCH("v_parameterization", "is not needed: persona sees in the model's files that it predicts v"),
    MISSING_SWITCH("sdxl", OTHER_MODEL), MISSING_SWITCH("sdxl_no_half_vae", OTHER_MODEL),
    MISSING_SWITCH("fused_backward_pass", OTHER_MODEL), MISSING_VALUE("blocks_to_swap", OTHER_MODEL),
    MISSING_SWITCH("cache_text_encoder_outputs", OTHER_MODEL),
    MISSING_SWITCH("cache_text_encoder_outputs_to_disk", OTHER_MODEL), MISSING_VALUE("t5xxl", OTHER_MODEL),
    MISSING_VALUE("clip_l", OTHER_MODEL), MISSING_VALUE("ae", OTHER_MODEL),
    MISSING_VALUE("guidance_scale", OTHER_MODEL),
    MISSING_VALUE("timestep_sampling", OTHER_MODEL), MISSING_VALUE("discrete_flow_shift", OTHER_MODEL),
    MISSING_VALUE("model_prediction_type", OTHER_MODEL), MISSING_VALUE("weighting_scheme", OTHER_MODEL),
    MISSING_SWITCH("apply_t5_attn_mask", OTHER_MODEL), MISSING_VALUE("train_blocks", OTHER_MODEL),
    MISSING_SWITCH("split_mode", OTHER_MODEL), MISSING_VALUE("stop_text_encoder_training", WHOLE_MODEL),
    MISSING_SWITCH("no_token_padding", WHOLE_MODEL), MISSING_SWITCH("use_ema", WHOLE_MODEL),
    MISSING_SWITCH("debug_dataset", "trains nothing in kohya's trainer; persona says what it finds before it begins"),
    MISSING_VALUE("output_config", "writes a file of options; persona shows them in a line"),
    MISSING_VALUE("in_json", "is kohya's file of captions; put each caption beside its picture, in a .txt file"),
    MISSING_VALUE("max_train_samples", "is not here; train on a folder with fewer pictures"),
    MISSING_SWITCH("offset_noise", "is --noise_offset 0.1 here, without a number"),
    MISSING_VALUE("learning_rate_te1", OTHER_MODEL), MISSING_VALUE("learning_rate_te2", OTHER_MODEL),
    MISSING_VALUE("text_encoder_lr1", OTHER_MODEL), MISSING_VALUE("text_encoder_lr2", OTHER_MODEL),
    MISSING_VALUE("save_n_epoch_ratio", "is not here; --save_every_n_epochs N is"),
    MISSING_VALUE("save_last_n_steps", "is not here; --save_last_n_epochs N is"),
    MISSING_VALUE("tokenizer_max_length", "is not here; --max_token_length is kohya's name for more than 75 tokens"),
    { .name = NULL },
};

const ForeignOption *foreign_training_option(const char *name)
{
    for (const ForeignOption *o = training; o->name; o++)
        if (same(o->name, name)) return o;
    return NULL;
}

const ForeignOption *foreign_training_row(int i)
{
    int rows = (int)(sizeof training / sizeof *training) - 1;
    return i >= 0 && i < rows ? &training[i] : NULL;
}

/* ---- training: scripts -------------------------------------------------------------------------- */

#define KOHYA     .trainer = "kohya's trainer"
#define DIFFUSERS .trainer = "diffusers"

static const char TRAINS_ALL[] = "trains a whole model; persona trains a LoRA: take train_network.py's options";
static const char TRAINS_OTHERS[] = "trains models of another kind; persona trains those of Stable Diffusion 1";

static const ForeignScript scripts[] = {
    { "train_network.py", KOHYA, .defaults = { "network_dim", "4", "network_alpha", "1", "learning_rate", "2e-6",
      "lr_scheduler", "constant", "max_train_steps", "1600" } },
    { "train_textual_inversion.py", KOHYA, .defaults = { "method", "textual_inversion", "num_vectors", "1",
      "learning_rate", "2e-6", "lr_scheduler", "constant", "max_train_steps", "1600" } },
    { "train_dreambooth_lora.py", DIFFUSERS, .defaults = { "network_dim", "4", "learning_rate", "5e-4", "lr_scheduler",
      "constant", "train_batch_size", "4", "max_train_epochs", "1", "resolution", "512", "num_class_images", "100" } },
    { "train_text_to_image_lora.py", DIFFUSERS, .defaults = { "network_dim", "4", "learning_rate", "1e-4",
      "lr_scheduler", "constant", "train_batch_size", "16", "max_train_epochs", "100", "resolution", "512" } },
    { "textual_inversion.py", DIFFUSERS, .defaults = { "method", "textual_inversion", "num_vectors", "1",
      "learning_rate", "1e-4", "lr_scheduler", "constant", "train_batch_size", "16", "max_train_steps", "5000",
      "repeats", "100", "resolution", "512" } },
    { "train.py", .trainer = "OneTrainer", .defaults = { "network_dim", "16", "network_alpha", "1", "learning_rate",
      "3e-6", "lr_scheduler", "constant", "max_train_epochs", "100" } },
    { "train_db.py", KOHYA, .refused = TRAINS_ALL },
    { "fine_tune.py", KOHYA, .refused = TRAINS_ALL },
    { "train_dreambooth.py", DIFFUSERS, .refused = TRAINS_ALL },
    { "train_text_to_image.py", DIFFUSERS, .refused = TRAINS_ALL },
    { "train_control_net.py", KOHYA, .refused = TRAINS_OTHERS },
    { NULL },
};

/* Scripts of this beginning or end are for other models: sdxl_train_network.py, train_dreambooth_lora_flux.py */
static const ForeignScript other_models = { "", .trainer = "another trainer", .refused = TRAINS_OTHERS };

static int is_for_other_models(const char *script)
{
    static const char *const fronts[] = { "sdxl_", "flux_", "sd3_", "lumina_", "hunyuan", "anima_" };
    for (size_t i = 0; i < sizeof fronts / sizeof *fronts; i++)
        if (begins(script, fronts[i])) return 1;
    return begins(script, "train_dreambooth_lora_") || begins(script, "train_text_to_image_lora_")
        || begins(script, "textual_inversion_");
}

const ForeignScript *foreign_script(const char *script)
{
    for (const ForeignScript *s = scripts; s->script; s++)
        if (same(s->script, script)) return s;
    return is_for_other_models(script) ? &other_models : NULL;
}
