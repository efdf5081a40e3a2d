/* attention_pictures.c - attention maps as pictures for people: heat over what was drawn.
 *
 * Heat goes from black over red and yellow to white, as glowing iron does, over the picture in grey.  Min and max of a
 * map become the ends: those of all frames together, so that a clip does not flicker; in the sheet, those of each
 * layer.  So a map says where a word was looked at more than elsewhere, and not how much in all.
 *
 * The sheet is for learning: shallow layers (64x64 in a picture of 512 pixels) follow outlines, deep ones (8x8) see
 * where things are. */
#include "attention_pictures.h"

#include "attention_maps.h"
#include "chars.h"
#include "grid.h"

#include <math.h>
#include <stdio.h>
#include <string.h>

enum { STRIP_COLUMNS = 8, STRIP_FRAMES = 32, SHEET_SIDE = 192, BLOCKS = 9, DOWN = 4 };

static const float HEAT_SHARE = 0.7f;

/* ---- heat -------------------------------------------------------------------------------------- */

static unsigned char byte_of(float x)
{
    return (unsigned char)lrintf(255 * fminf(fmaxf(x, 0), 1));
}

/* Grey picture and heat, v from 0 to 1, in one pixel. */
static void heat_pixel(unsigned char *out, const unsigned char *rgb, float v)
{
    float grey = (0.299f * (float)rgb[0] + 0.587f * (float)rgb[1] + 0.114f * (float)rgb[2]) / 255;
    for (int c = 0; c < 3; c++) {
        float glow = fminf(fmaxf(3 * v - (float)c, 0), 1);
        out[c] = byte_of((1 - HEAT_SHARE) * grey + HEAT_SHARE * glow);
    }
}

/* Makes the least of n values 0 and the most 1. */
static void normalise(float *x, size_t n)
{
    float least = INFINITY;
    float most = -INFINITY;
    for (size_t i = 0; i < n; i++) {
        least = fminf(least, x[i]);
        most = fmaxf(most, x[i]);
    }
    float span = most > least ? most - least : 1;
    for (size_t i = 0; i < n; i++) x[i] = (x[i] - least) / span;
}

static Picture frame_of(Pictures p, int frame)
{
    size_t bytes = (size_t)p.width * (size_t)p.height * 3;
    return (Picture){ p.width, p.height, p.rgb + (size_t)frame * bytes };
}

/* A picture with a map of any size over it. */
static Picture heated(Arena *a, Picture p, const float *map, int h, int w)
{
    size_t pixels = (size_t)p.width * (size_t)p.height;
    Picture out = { p.width, p.height, allocate(a, pixels, 3) };
    const float *heat = bicubic(a, map, 1, h, w, p.height, p.width);
    for (size_t i = 0; i < pixels; i++) heat_pixel(out.rgb + 3 * i, p.rgb + 3 * i, heat[i]);
    return out;
}

/* ---- a strip of frames ------------------------------------------------------------------------- */

/* How many frames a strip shows: as many as there are and fit. */
static int strip_frames(Pictures p)
{
    double most = GRID_MAX_PIXELS / ((double)p.width * p.height);
    int frames = p.frames < STRIP_FRAMES ? p.frames : STRIP_FRAMES;
    while (frames > 1 && frames > most) frames--;
    return frames;
}

Picture attention_strip(Arena *a, const AttentionMaps *m, size_t word, Pictures p)
{
    int h, w;
    float *map = attention_map(a, m, word, &h, &w);
    int count = strip_frames(p);
    int columns = count < STRIP_COLUMNS ? count : STRIP_COLUMNS;
    int lines = (count + columns - 1) / columns;
    Picture out = { columns * p.width, lines * p.height, NULL };
    size_t row = (size_t)out.width * 3;
    size_t part = (size_t)p.width * 3;
    out.rgb = allocate(a, row, (size_t)out.height);
    memset(out.rgb, 255, row * (size_t)out.height);
    normalise(map, (size_t)m->frames * (size_t)h * (size_t)w);
    for (int i = 0; i < count; i++) {
        size_t before = mark(a);
        int frame = (int)((int64_t)i * p.frames / count);
        Picture one = heated(a, frame_of(p, frame), map + (size_t)frame * (size_t)h * (size_t)w, h, w);
        unsigned char *corner = out.rgb + (size_t)(i / columns * p.height) * row + (size_t)(i % columns) * part;
        for (size_t y = 0; y < (size_t)p.height; y++) memcpy(corner + y * row, one.rgb + y * part, part);
        release(a, before);
    }
    return out;
}

/* ---- a sheet of layers ------------------------------------------------------------------------- */

/* Block of a layer in the order of computing: those of the way down, the mid block, those of the way up; -1: unknown.
 * attention: its number in the block */
static int block_of(const AttentionLayer *l, int *attention)
{
    int block;
    if (sscanf(l->name, "down_blocks.%d.attentions.%d", &block, attention) == 2 && block < DOWN) return block;
    if (sscanf(l->name, "mid_block.attentions.%d", attention) == 1) return DOWN;
    if (sscanf(l->name, "up_blocks.%d.attentions.%d", &block, attention) == 2 && block < DOWN)
        return DOWN + 1 + block;
    return -1;
}

/* The rows of the sheet: the blocks that have attentions. */
typedef struct { int row[BLOCKS]; const char *label[BLOCKS]; int count; } Blocks;

static const char *block_label(Arena *a, int block, const AttentionLayer *l)
{
    if (block == DOWN) return format(a, "mid %dx%d", l->w, l->h);
    if (block < DOWN)  return format(a, "down %d %dx%d", block, l->w, l->h);
    return format(a, "up %d %dx%d", block - DOWN - 1, l->w, l->h);
}

static Blocks find_blocks(Arena *a, const AttentionMaps *m)
{
    Blocks b = { .count = 0 };
    int attention;
    for (int block = 0; block < BLOCKS; block++)
        for (int i = 0; i < m->layers; i++) {
            if (block_of(&m->layer[i], &attention) != block) continue;
            if (!b.count || b.row[b.count - 1] != block) {
                b.label[b.count] = block_label(a, block, &m->layer[i]);
                b.row[b.count++] = block;
            }
        }
    return b;
}

static int row_of(const Blocks *b, int block)
{
    for (int i = 0; i < b->count; i++)
        if (b->row[i] == block) return i;
    return -1;
}

/* The middle frame, with its longer side at most SHEET_SIDE pixels. */
static Picture small_middle(Arena *a, Pictures p)
{
    Picture middle = frame_of(p, p.frames / 2);
    int longer = p.width > p.height ? p.width : p.height;
    if (longer <= SHEET_SIDE) return middle;
    int width = p.width * SHEET_SIDE / longer;
    int height = p.height * SHEET_SIDE / longer;
    return image_resize(a, middle, width > 0 ? width : 1, height > 0 ? height : 1, BOX);
}

static Picture layer_picture(Arena *a, const AttentionMaps *m, size_t word, const AttentionLayer *l, Picture under)
{
    size_t pixels = (size_t)l->h * (size_t)l->w;
    float *map = allocate(a, pixels, sizeof *map);
    memcpy(map, attention_layer_map(m, word, l) + (size_t)(m->frames / 2) * pixels, pixels * sizeof *map);
    normalise(map, pixels);
    return heated(a, under, map, l->h, l->w);
}

Picture attention_sheet(Arena *a, const AttentionMaps *m, size_t word, Pictures p)
{
    static const char *const columns[] = { "layer 0", "layer 1", "layer 2" };
    Picture under = small_middle(a, p);
    Blocks blocks = find_blocks(a, m);
    const char *const title[] = { m->words.line[word] };
    GridSetup setup = {
        .count = { 3, blocks.count ? blocks.count : 1, 1 },
        .label = { columns, blocks.count ? blocks.label : NULL, title },
        .frames = 1, .width = under.width, .height = under.height,
    };
    Grid g = grid_layout(a, &setup);
    grid_begin(a, &g);
    for (int i = 0; i < m->layers; i++) {
        int attention = 0;
        size_t before = mark(a);
        int row = row_of(&blocks, block_of(&m->layer[i], &attention));
        if (row >= 0 && attention >= 0 && attention < 3)
            grid_paste(&g, attention, row, 0, layer_picture(a, m, word, &m->layer[i], under).rgb);
        release(a, before);
    }
    return (Picture){ g.width, g.height, g.rgb };
}

/* ---- a wish ------------------------------------------------------------------------------------ */

void attention_grant(Arena *a, const AttentionMaps *m, Pictures p, const AttentionWish *wish,
                     const Callbacks *callbacks)
{
    if (!m->calls) {
        callbacks_say(callbacks, "warning: there are no attention maps: all steps were done before, and only the rest "
                      "was drawn; --fresh draws anew");
        return;
    }
    if (m->calls < m->all_calls)
        callbacks_say(callbacks, "warning: the attention maps are those of the last %d of %d steps, as the others were "
                      "done before; --fresh draws anew", m->calls, m->all_calls);
    if (wish->on_maps) wish->on_maps(wish->to, m);
    for (size_t i = 0; i < m->words.count; i++) {
        size_t before = mark(a);
        if (text_holds(m->text, i))
            wish->on_map(wish->to, m->words.line[i], attention_strip(a, m, i, p), attention_sheet(a, m, i, p));
        release(a, before);
    }
}
