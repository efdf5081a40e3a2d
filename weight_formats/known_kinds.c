/* known_kinds.c - the kinds of files of weights that people have, each with what gives it away.
 *
 * People download what a page of models offers, and put all of it into one folder.  So this table has far more kinds
 * than are used here: a message that says "a ControlNet for SDXL, it guides a picture by another; not used here" ends
 * a search that "not a checkpoint" begins.
 *
 * The order counts.  A LoRA has the names of the layers of its model, and a ControlNet those of a UNet, so special
 * kinds stand above general ones: what is added to a model, then models, then parts of models, then everything else.
 * Models of one architecture differ in their input sizes: 768, 1024 or 2048 for the text embeddings of cross-attention;
 * 4, 8 or 9 channels for the first convolution; 4, 16 or 32 for the latents of a VAE.
 *
 * The names of tensors are facts of the formats, as ComfyUI's model_detection.py, diffusers' single_file_utils.py and
 * spandrel know them. */
#include "known_kinds.h"

/* ---- words of the table ------------------------------------------------------------------------ */

#define SD_1      "Stable Diffusion 1.x"
#define SD_2      "Stable Diffusion 2.x"
#define SD_3      "Stable Diffusion 3"
#define SDXL      "SDXL"
#define FLUX      "Flux"
#define HUNYUAN   "Hunyuan Video"
#define WAN       "Wan"
#define QWEN      "Qwen-Image"
#define LUMINA    "Lumina 2 or Z-Image"
#define LTX       "LTX-Video"
#define COSMOS    "Cosmos"

#define TAKE_SD_1          "use one for Stable Diffusion 1.x"
#define TAKE_TEXT_TO_IMAGE "use a text-to-image one"
#define TAKE_WHOLE         "use the whole checkpoint"
#define NOTHING_USES_IT    "nothing here can use it"
#define NOT_NEEDED         "nothing here needs it"
#define USE_IN_PROMPT      "use it in the prompt as <lora:name:0.8>"
#define USE_AS_MODEL       "name it as Model or --model"
#define USE_AS_VAE         "name it as VAE or --vae"
#define USE_AS_MOTION      "name it as Motion module or --motion"
#define USE_AS_UPSCALER    "name it as Upscaler or --upscaler"
#define TAKE_UPSCALER      "use one of Real-ESRGAN's or ESRGAN's architectures"
#define USE_AS_EMBEDDING   "put it in embeddings/"

#define DRAWS      "draws pictures from words"
#define FILMS      "makes films from words or a picture"
#define TEACHES    "teaches a model a person, a thing or a style"
#define STEERS     "guides a picture by another: a pose, edges, depth"
#define LIKENS     "makes pictures like a picture that it is shown"
#define MOVES      "makes the pictures of a model move"
#define DECODES    "turns latents into pictures, and pictures into latents"
#define READS      "reads the words of a prompt for a model"
#define SEES       "describes pictures by numbers, for other models"
#define FINDS      "finds things in pictures"
#define ENLARGES   "makes a finished picture larger"
#define MENDS      "repairs faces in a finished picture"
#define REFINES    "draws the last steps of SDXL's pictures"
#define FILLS      "fills in parts of a picture"
#define EDITS      "changes a picture as words say"
#define GOES_ON    "lets a training go on in the program that wrote it"
#define FOR_T5     "reads the words of a prompt for Stable Diffusion 3, Flux or Wan"
#define CAMERA     "moves the camera of a clip, beside a motion module"
#define NUMBERED   "a LoRA of cloneofsimo's trainer, whose layers have numbers and no names"
#define CONVERT_IT "convert it, or look for one in kohya's or diffusers' names"
#define IS_A_WORD  "a word that the model learned"

#define PART(its_part)               { .part = its_part }
#define BOTH(its_part, other)        { .part = its_part, .with = other }
#define SIZED(its_part, n)           { .part = its_part, .inputs = n }
#define SIZED_BOTH(its_part, n, other) { .part = its_part, .inputs = n, .with = other }

/* Rows of what is not used here, by what it is for. */
#define NOT_USED(sign, name, base, purpose, advice)  { sign, UNSUPPORTED_FILE, name, base, purpose, advice }
#define STEERING(sign, name, base)  { sign, UNSUPPORTED_FILE, name, base, STEERS, NOTHING_USES_IT }
#define LIKENESS(sign, name, base)  { sign, UNSUPPORTED_FILE, name, base, LIKENS, NOTHING_USES_IT }
#define ADAPTER(sign, name)         { sign, LORA_FILE, name, NULL, TEACHES, USE_IN_PROMPT }
#define OTHER(sign, name, base)     { sign, UNSUPPORTED_FILE, name, base, DRAWS, TAKE_SD_1 }
#define FILM(sign, name, base)      { sign, UNSUPPORTED_FILE, name, base, FILMS, TAKE_SD_1 }
#define REFINER(sign, name)         { sign, UNSUPPORTED_FILE, name, SDXL, REFINES, TAKE_SD_1 }
#define OTHER_VAE(sign, name, base) { sign, UNSUPPORTED_FILE, name, base, DECODES, TAKE_SD_1 }
#define SMALL_VAE(sign, name)       { sign, UNSUPPORTED_FILE, name, NULL, DECODES, "use a VAE" }
#define READER(sign, name, base)    { sign, UNSUPPORTED_FILE, name, base, READS, TAKE_WHOLE }
#define UPSCALER(sign, name)        { sign, UPSCALER_FILE, name, NULL, ENLARGES, USE_AS_UPSCALER }
#define OTHER_UPSCALER(sign, name)  { sign, UNSUPPORTED_FILE, name, NULL, ENLARGES, TAKE_UPSCALER }
#define DETECTOR(sign, name)        { sign, UNSUPPORTED_FILE, name, NULL, FINDS, NOTHING_USES_IT }

/* ---- kinds ------------------------------------------------------------------------------------- */

const KnownKind known_kinds[] = {
    /* what steers a model, or is made for one */
    STEERING(PART("lora_controlnet"), "a ControlNet as a LoRA", NULL),
    STEERING(PART("lllite_"), "a ControlNet-LLLite", SDXL),
    LIKENESS(BOTH("image_proj.proj.0.", "to_q_lora."), "an IP-Adapter for faces (FaceID)", NULL),
    LIKENESS(BOTH("image_proj.", "perceiver_resampler."), "an IP-Adapter for faces (FaceID plus)", NULL),
    LIKENESS(SIZED("image_proj.proj.0.weight", 512), "an IP-Adapter for faces (FaceID)", NULL),
    LIKENESS(PART("image_proj.latents"), "an IP-Adapter (plus)", NULL),
    LIKENESS(PART("ip_adapter."), "an IP-Adapter", NULL),
    LIKENESS(PART("image_proj."), "an IP-Adapter", NULL),
    LIKENESS(PART("to_k_ip."), "an IP-Adapter", NULL),
    LIKENESS(PART("id_encoder."), "a PhotoMaker", SDXL),
    NOT_USED(BOTH("controlnet_cond_embedding.", "motion_modules."),
             "a SparseCtrl", SD_1, "fixes some frames of a clip of AnimateDiff to given pictures", NOTHING_USES_IT),
    NOT_USED(BOTH("encoder_down_conv_blocks.", "temporal_transformer."),
             "a camera control for AnimateDiff", SD_1, "moves the camera of a clip", NOTHING_USES_IT),
    STEERING(PART("input_hint_block."), "a ControlNet", NULL),
    STEERING(PART("control_model."), "a ControlNet", NULL),
    STEERING(PART("controlnet_cond_embedding."), "a ControlNet", NULL),
    STEERING(PART("controlnet_down_blocks."), "a ControlNet", NULL),
    STEERING(PART("controlnet_x_embedder."), "a ControlNet", FLUX),
    STEERING(PART("controlnet_blocks."), "a ControlNet", NULL),
    STEERING(PART("control_add_embedding."), "a ControlNet", SDXL),
    STEERING(PART("body.0.block1."), "a T2I-Adapter", NULL),
    STEERING(PART("body.0.resnets."), "a T2I-Adapter", NULL),
    LIKENESS(BOTH("style_embedding", "transformer_layes."), "a T2I-Adapter for styles", NULL),

    /* LoRA and its relatives: before the models whose layers they name */
    NOT_USED(PART("unet:0:up"), NUMBERED, SD_1, TEACHES, CONVERT_IT),
    NOT_USED(PART("text_encoder:0:up"), NUMBERED, SD_1, TEACHES, CONVERT_IT),
    { BOTH("motion_modules.", "processor.to_q_lora."), LORA_FILE, "a motion LoRA", NULL, CAMERA, USE_IN_PROMPT },
    { BOTH("motion_modules.", "lora"), LORA_FILE, "a motion LoRA", NULL, CAMERA, USE_IN_PROMPT },
    ADAPTER(PART("lora"), "a LoRA"),
    ADAPTER(PART("lycoris_"), "a LoRA"),
    ADAPTER(PART("hada_w1"), "a LoHa"),
    ADAPTER(PART("lokr_w"), "a LoKr"),
    ADAPTER(PART("oft_blocks"), "an OFT"),
    ADAPTER(PART("oft_diag"), "an OFT"),
    ADAPTER(PART("oft_R."), "an OFT"),
    ADAPTER(PART("boft_R"), "a BOFT"),
    ADAPTER(PART("ia3_l"), "an (IA)^3"),
    ADAPTER(PART("on_input"), "an (IA)^3"),
    ADAPTER(PART("base_model.model."), "a file of PEFT"),

    /* models of other architectures */
    OTHER(PART("double_stream_modulation_img."), "a Flux.2 model", "Flux.2"),
    OTHER(PART("distilled_guidance_layer."), "a Chroma model", "Chroma"),
    FILM(PART("individual_token_refiner."), "a Hunyuan Video model", HUNYUAN),
    FILM(BOTH("single_transformer_blocks.", "token_refiner."), "a Hunyuan Video model", HUNYUAN),
    NOT_USED(SIZED("img_in.weight", 384), "a Flux model for inpainting (Fill)", FLUX, FILLS, TAKE_SD_1),
    OTHER(PART("double_blocks."), "a Flux model", FLUX),
    OTHER(PART("single_transformer_blocks."), "a Flux model", FLUX),
    OTHER(PART("joint_blocks."), "a Stable Diffusion 3 model", SD_3),
    OTHER(BOTH("transformer_blocks.0.ff_context.", "pos_embed."), "a Stable Diffusion 3 model", SD_3),
    OTHER(PART("txt_norm."), "a Qwen-Image model", QWEN),
    OTHER(PART("double_stream_blocks."), "a HiDream model", "HiDream"),
    OTHER(PART("double_layers."), "an AuraFlow model", "AuraFlow"),
    OTHER(PART("mlp_t5."), "a Hunyuan-DiT model", "Hunyuan-DiT"),
    FILM(PART("t5_yproj."), "a Mochi model", "Mochi"),
    FILM(PART("patchify_proj."), "an LTX-Video model", LTX),
    FILM(PART("extra_pos_embedder."), "a Cosmos model", COSMOS),
    OTHER(PART("cap_embedder."), "a Lumina 2 or Z-Image model", LUMINA),
    FILM(PART("head.modulation"), "a Wan model", WAN),
    FILM(PART("condition_embedder.text_embedder."), "a Wan model", WAN),
    OTHER(PART("t_block.1."), "a PixArt model", "PixArt"),
    OTHER(BOTH("adaln_single.", "pos_embed."), "a PixArt model", "PixArt"),
    OTHER(PART("cross_attn.kv_linear."), "a Sana model", "Sana"),
    FILM(BOTH("adaln_single.", "caption_projection."), "an LTX-Video model", LTX),
    OTHER(PART("clip_txt_mapper."), "a Stable Cascade model (stage C)", "Stable Cascade"),
    OTHER(PART("effnet_mapper."), "a Stable Cascade model (stage B)", "Stable Cascade"),
    OTHER_VAE(PART("vquantizer."), "a VAE of Stable Cascade (stage A)", "Stable Cascade"),
    NOT_USED(PART("time_stack."),
             "a Stable Video Diffusion model", "Stable Video Diffusion", "makes a film from a picture", TAKE_SD_1),
    NOT_USED(PART("rotary_pos_emb."),
             "a Stable Audio model", "Stable Audio", "makes sounds from words", NOTHING_USES_IT),

    /* models of the same architecture, of other sizes */
    NOT_USED(SIZED_BOTH("input_blocks.0.0.weight", 9, "conditioner.embedders."),
             "an SDXL checkpoint for inpainting", SDXL, FILLS, TAKE_SD_1),
    REFINER(PART("conditioner.embedders.0.model."), "an SDXL refiner"),
    OTHER(PART("conditioner.embedders."), "an SDXL checkpoint", SDXL),
    REFINER(SIZED("unet.add_embedding.linear_1.weight", 2560), "an SDXL refiner's folder"),
    OTHER(PART("unet.add_embedding."), "an SDXL folder", SDXL),
    REFINER(SIZED("label_emb.0.0.weight", 2560), "an SDXL refiner"),
    OTHER(SIZED("label_emb.0.0.weight", 2816), "an SDXL model", SDXL),
    OTHER(SIZED("attn2.to_k.weight", 2048), "an SDXL model", SDXL),
    REFINER(SIZED("attn2.to_k.weight", 1280), "an SDXL refiner"),
    NOT_USED(SIZED("input_blocks.0.0.weight", 7), "Stable Diffusion's x4 upscaler", SD_2, ENLARGES, NOTHING_USES_IT),
    OTHER_UPSCALER(SIZED("input_blocks.0.0.weight", 6), "a latent diffusion upscaler (LDSR)"),
    NOT_USED(SIZED("input_blocks.0.0.weight", 5), "a Stable Diffusion 2.x checkpoint for depth", SD_2,
             "draws over the depth of a picture", TAKE_TEXT_TO_IMAGE),
    NOT_USED(SIZED_BOTH("input_blocks.0.0.weight", 9, "cond_stage_model.model."),
             "a Stable Diffusion 2.x checkpoint for inpainting", SD_2, FILLS, TAKE_SD_1),
    OTHER(PART("cond_stage_model.model."), "a Stable Diffusion 2.x checkpoint", SD_2),
    OTHER(SIZED("attn2.to_k.weight", 1024), "a Stable Diffusion 2.x model", SD_2),
    NOT_USED(SIZED("input_blocks.0.0.weight", 9), "an inpainting checkpoint", NULL, FILLS, TAKE_TEXT_TO_IMAGE),
    NOT_USED(SIZED("unet.conv_in.weight", 9), "an inpainting folder", NULL, FILLS, TAKE_TEXT_TO_IMAGE),
    NOT_USED(SIZED("input_blocks.0.0.weight", 8),
             "an editing checkpoint (InstructPix2Pix)", NULL, EDITS, TAKE_TEXT_TO_IMAGE),
    NOT_USED(SIZED("unet.conv_in.weight", 8), "an editing folder (InstructPix2Pix)", NULL, EDITS, TAKE_TEXT_TO_IMAGE),
    NOT_USED(PART("scale_weight"), "a checkpoint of scaled fp8", NULL, DRAWS, "use the same as F16, F32 or plain fp8"),
    NOT_USED(SIZED_BOTH("conv_in.weight", 9, "motion_modules."),
             "a PIA motion module", SD_1, "makes a given picture move", NOTHING_USES_IT),
    NOT_USED(PART("temporal_attentions."), "a HotShot motion module, for SDXL", SDXL, MOVES, TAKE_SD_1),
    NOT_USED(SIZED("up_blocks.2.motion_modules.0.temporal_transformer.proj_in.weight", 320),
             "an AnimateDiff motion module for SDXL", SDXL, MOVES, TAKE_SD_1),
    NOT_USED(SIZED("up_blocks.2.motion_modules.0.proj_in.weight", 320),
             "an AnimateDiff motion module for SDXL", SDXL, MOVES, TAKE_SD_1),

    /* what is used here */
    { PART("diffusion_model.input_blocks."), MODEL_FILE,
      "a Stable Diffusion 1.x checkpoint", SD_1, DRAWS, USE_AS_MODEL },
    { PART("unet.down_blocks."), MODEL_FILE, "a Stable Diffusion 1.x folder", SD_1, DRAWS, USE_AS_MODEL },
    { PART("motion_modules."), MOTION_FILE, "an AnimateDiff motion module", SD_1, MOVES, USE_AS_MOTION },
    { PART("emb_params"), EMBEDDING_FILE, "a textual inversion embedding", NULL, IS_A_WORD, USE_AS_EMBEDDING },
    { PART("string_to_param."), EMBEDDING_FILE, "a textual inversion embedding", NULL, IS_A_WORD, USE_AS_EMBEDDING },
    NOT_USED(PART("^clip_g"), "an SDXL embedding", SDXL, IS_A_WORD, TAKE_SD_1),

    /* VAEs */
    OTHER_VAE(PART("decoder.middle.0.residual."), "a VAE of Wan or Qwen-Image", NULL),
    OTHER_VAE(PART("decoder.conv_in.conv."), "a VAE for films", NULL),
    OTHER_VAE(PART("last_scale_shift_table"), "a VAE of LTX-Video", LTX),
    OTHER_VAE(SIZED("decoder.conv_in.weight", 16), "a VAE of Stable Diffusion 3 or Flux", NULL),
    OTHER_VAE(SIZED("decoder.conv_in.weight", 32), "a VAE of Flux.2", "Flux.2"),
    OTHER_VAE(SIZED("decoder.layers.0.weight", 16), "a small VAE (TAESD) of Stable Diffusion 3 or Flux", NULL),
    SMALL_VAE(PART("decoder.layers.0."), "a small VAE (TAESD)"),
    SMALL_VAE(PART("taesd_decoder."), "a small VAE (TAESD)"),
    OTHER_VAE(SIZED_BOTH("^1.weight", 16, "3.conv.0."),
              "a small VAE's decoder (TAESD) of Stable Diffusion 3 or Flux", NULL),
    SMALL_VAE(SIZED_BOTH("^1.weight", 4, "3.conv.0."), "a small VAE's decoder (TAESD)"),
    SMALL_VAE(SIZED_BOTH("^0.weight", 3, "1.conv.0."), "a small VAE's encoder (TAESD)"),
    NOT_USED(BOTH("quantize.embedding.", "ft_layers."), "a face restorer (CodeFormer)", NULL, MENDS, NOTHING_USES_IT),
    { PART("first_stage_model."), VAE_FILE, "a VAE", NULL, DECODES, USE_AS_VAE },
    { PART("decoder.up.0."), VAE_FILE, "a VAE", NULL, DECODES, USE_AS_VAE },
    { PART("decoder.up_blocks."), VAE_FILE, "a VAE", NULL, DECODES, USE_AS_VAE },

    /* jobs under way */
    { BOTH("^course", "^latents"), UNKNOWN_FILE, "the state of a drawing job", NULL,
      "lets an interrupted drawing go on", "give the command again that began it" },
    { PART("^latent_tensor"), UNKNOWN_FILE, "the final latents of a picture", NULL,
      "gives the picture again by another VAE", "persona FILE --vae NAME decodes them" },

    /* parts of models */
    NOT_USED(PART("exp_avg"), "a state of an optimizer", NULL, GOES_ON, NOT_NEEDED),
    NOT_USED(PART("optimizer_states."), "a state of an optimizer", NULL, GOES_ON, NOT_NEEDED),
    NOT_USED(PART("input_blocks."), "a UNet without its checkpoint", NULL, DRAWS, TAKE_WHOLE),
    NOT_USED(PART("concept_embeds"), "a safety checker", NULL, "says whether a picture should be hidden", NOT_NEEDED),
    NOT_USED(BOTH("vision_model.", "text_model.encoder."),
             "a CLIP model for words and pictures", NULL, SEES, NOT_NEEDED),
    NOT_USED(PART("vision_model."), "an image encoder (CLIP vision)", NULL, SEES, NOT_NEEDED),
    NOT_USED(PART("visual.transformer."), "a CLIP model for words and pictures", NULL, SEES, NOT_NEEDED),
    READER(SIZED("text_model.encoder.layers.0.self_attn.q_proj.weight", 768),
           "a text encoder (CLIP-L) without its checkpoint", NULL),
    READER(SIZED("text_model.encoder.layers.0.self_attn.q_proj.weight", 1024),
           "a text encoder (OpenCLIP-H) without its checkpoint", SD_2),
    READER(SIZED("text_model.encoder.layers.0.self_attn.q_proj.weight", 1280),
           "a text encoder (CLIP-G) without its checkpoint", NULL),
    READER(PART("text_model.encoder.layers."), "a text encoder without its checkpoint", NULL),
    NOT_USED(PART("encoder.block.0.layer.0.SelfAttention."), "a text encoder (T5)", NULL, FOR_T5, NOT_NEEDED),
    NOT_USED(PART("enc.blk.0."), "a text encoder (T5)", NULL, FOR_T5, NOT_NEEDED),
    NOT_USED(PART("down_blocks."),
             "a part of a diffusers folder", NULL, DRAWS, "name the folder, or the single-file checkpoint"),
    READER(PART("transformer.resblocks."), "a text encoder (OpenCLIP) without its checkpoint", NULL),

    /* what works on finished pictures, and all else that lies in folders of models */
    NOT_USED(PART("stylegan_decoder."), "a face restorer (GFPGAN)", NULL, MENDS, NOTHING_USES_IT),
    UPSCALER(PART("RDB1.conv1."), "an upscaler (ESRGAN)"),
    UPSCALER(PART("rdb1.conv1."), "an upscaler (Real-ESRGAN)"),
    OTHER_UPSCALER(PART("attn.attns.0."), "an upscaler (DAT)"),
    OTHER_UPSCALER(PART("overlap_attn."), "an upscaler (HAT)"),
    OTHER_UPSCALER(PART("residual_group."), "an upscaler (SwinIR)"),
    OTHER_UPSCALER(PART("block_1.c1_r."), "an upscaler (SPAN)"),
    UPSCALER(BOTH("body.0.weight", "body.2.weight"), "an upscaler (Real-ESRGAN, compact)"),
    DETECTOR(PART("BboxHead."), "a detector (RetinaFace)"),
    DETECTOR(PART("model.22.dfl."), "a detector (YOLO)"),
    DETECTOR(PART("mask_decoder."), "a detector (SAM)"),
    NOT_USED(PART("depth_head."),
             "an estimator of depth", NULL, "finds how far things in a picture are", NOTHING_USES_IT),
    NOT_USED(BOTH("visual_encoder.", "text_decoder."),
             "a model that describes pictures in words (BLIP)", NULL, "writes captions", NOTHING_USES_IT),
    NOT_USED(SIZED_BOTH("layers.0.weight", 768, "layers.7."),
             "an aesthetic predictor", NULL, "gives pictures marks", NOTHING_USES_IT),
    NOT_USED(PART("block0.conv0."),
             "a frame interpolator (RIFE)", NULL, "makes frames between the frames of a film", NOTHING_USES_IT),
    NOT_USED(PART("linear.0.weight"),
             "a hypernetwork", NULL, "a style for Stable Diffusion, older than LoRA", "look for a LoRA instead"),
    NOT_USED(PART("model.layers.0."), "a language model", NULL, "writes or reads text", NOT_NEEDED),
    NOT_USED(PART("blk.0."), "a language model", NULL, "writes or reads text", NOT_NEEDED),
    { .name = NULL }
};

/* ---- which model an adapter is made for -------------------------------------------------------- */

const KnownBase known_bases[] = {
    { PART("individual_token_refiner"), HUNYUAN },
    { PART("double_stream_modulation_img"), "Flux.2" },
    { PART("single_transformer_blocks"), FLUX },
    { PART("double_blocks"), FLUX },
    { PART("joint_blocks"), SD_3 },
    { PART("img_mod.1"), QWEN },
    { PART("img_mod_1"), QWEN },
    { PART("add_k_proj"), SD_3 },
    { PART("te3_"), SD_3 },
    { PART("blocks_0_cross_attn"), WAN },
    { PART("blocks.0.cross_attn."), WAN },
    { PART("layers.0.attention."), LUMINA },
    { PART("layers_0_attention_"), LUMINA },
    { PART("te2_"), SDXL },
    { PART("text_encoder_2."), SDXL },
    { PART("attentions_0_transformer_blocks_1_"), SDXL },
    { PART("attentions.0.transformer_blocks.1."), SDXL },
    { PART("input_blocks_4_1_transformer_blocks_1_"), SDXL },
    { PART("input_blocks.4.1.transformer_blocks.1."), SDXL },
    { PART("label_emb."), SDXL },
    { PART("add_embedding."), SDXL },

    { SIZED("attn2_to_k.lora_down.weight", 768), SD_1 },
    { SIZED("attn2_to_k.lora_down.weight", 1024), SD_2 },
    { SIZED("attn2_to_k.lora_down.weight", 2048), SDXL },
    { SIZED("attn2_to_k.hada_w1_b", 768), SD_1 },
    { SIZED("attn2_to_k.hada_w1_b", 1024), SD_2 },
    { SIZED("attn2_to_k.hada_w1_b", 2048), SDXL },
    { SIZED("attn2.to_k.lora_down.weight", 768), SD_1 },
    { SIZED("attn2.to_k.lora_down.weight", 1024), SD_2 },
    { SIZED("attn2.to_k.lora_down.weight", 2048), SDXL },
    { SIZED("attn2.to_k.lora_A.", 768), SD_1 },
    { SIZED("attn2.to_k.lora_A.", 1024), SD_2 },
    { SIZED("attn2.to_k.lora_A.", 2048), SDXL },
    { SIZED("attn2.to_k.lora.down.weight", 768), SD_1 },
    { SIZED("attn2.to_k.lora.down.weight", 1024), SD_2 },
    { SIZED("attn2.to_k.lora.down.weight", 2048), SDXL },
    { SIZED("attn2.processor.to_k_lora.down.weight", 768), SD_1 },
    { SIZED("attn2.processor.to_k_lora.down.weight", 1024), SD_2 },
    { SIZED("attn2.processor.to_k_lora.down.weight", 2048), SDXL },
    { SIZED("attn2.to_k.weight", 768), SD_1 },
    { SIZED("attn2.to_k.weight", 1024), SD_2 },
    { SIZED("attn2.to_k.weight", 2048), SDXL },
    { SIZED("to_k_ip.weight", 768), SD_1 },
    { SIZED("to_k_ip.weight", 1024), SD_2 },
    { SIZED("to_k_ip.weight", 2048), SDXL },
    { SIZED("emb_params", 768), SD_1 },
    { SIZED("emb_params", 1024), SD_2 },
    { SIZED("emb_params", 1280), SDXL },
    { SIZED("string_to_param.", 768), SD_1 },
    { SIZED("string_to_param.", 1024), SD_2 },
    { SIZED("string_to_param.", 1280), SDXL },
    { SIZED("self_attn_q_proj.lora_down.weight", 768), SD_1 },
    { SIZED("self_attn_q_proj.lora_down.weight", 1024), SD_2 },
    { PART("motion_modules."), SD_1 },
    { .base = NULL }
};

const BaseWords base_words[] = {
    { "flux2", "Flux.2" },
    { "flux-2", "Flux.2" },
    { "flux.2", "Flux.2" },
    { "flux", FLUX },
    { "chroma", "Chroma" },
    { "hunyuan-video", HUNYUAN },
    { "hunyuan_video", HUNYUAN },
    { "hunyuanvideo", HUNYUAN },
    { "hunyuan", "Hunyuan-DiT" },
    { "lumina", LUMINA },
    { "z-image", LUMINA },
    { "zimage", LUMINA },
    { "z_image", LUMINA },
    { "qwen", QWEN },
    { "wan", WAN },
    { "pixart", "PixArt" },
    { "hidream", "HiDream" },
    { "auraflow", "AuraFlow" },
    { "kolors", "Kolors" },
    { "ltx", LTX },
    { "cosmos", COSMOS },
    { "sana", "Sana" },
    { "cascade", "Stable Cascade" },
    { "sdxl", SDXL },
    { "stable-diffusion-xl", SDXL },
    { "sd xl", SDXL },
    { "sd-xl", SDXL },
    { "sd_xl", SDXL },
    { "pony", SDXL },
    { "illustrious", SDXL },
    { "noobai", SDXL },
    { "sd3", SD_3 },
    { "sd 3", SD_3 },
    { "stable-diffusion-3", SD_3 },
    { "stable-diffusion-v3", SD_3 },
    { "sd_v2", SD_2 },
    { "sd2", SD_2 },
    { "sd 2", SD_2 },
    { "stable-diffusion-v2", SD_2 },
    { "stable-diffusion-2", SD_2 },
    { "sd_v1", SD_1 },
    { "sd1", SD_1 },
    { "sd 1", SD_1 },
    { "sd_1", SD_1 },
    { "sd-1", SD_1 },
    { "v1-5", SD_1 },
    { "stable-diffusion-v1", SD_1 },
    { "stable-diffusion-1", SD_1 },
    { .base = NULL }
};
