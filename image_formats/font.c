/* font.c - draws text with a bitmap font, for labels beside pictures.
 *
 * The font is the picture below: six rows of sixteen characters, from space to ~, and after these a box that stands for
 * all other bytes.  A character is five pixels wide and nine tall, two of them below the baseline, in a cell of six by
 * ten.  A pixel of the font becomes scale x scale pixels, so letters are as crisp in large pictures as in small ones.
 *
 * Invariant: nothing is drawn outside the picture, wherever the text begins.
 * It draws black only, and it does not break lines: grid.c does. */
#include "font.h"

#include <string.h>

enum { FIRST = 32, BOX = 127, ACROSS = 16, TALL = 9 };

static const char art[][TALL][ACROSS * FONT_WIDTH + 1] = {
    {
        "        #    # #   # #    #   ##  #  ##     #      #   #                                      # ",
        "        #    # #   # #   #### ##  # #  #    #     #     #     #     #                         # ",
        "        #    # #  ##### # #      #  #  #    #    #       #  # # #   #                        #  ",
        "        #          # #   ###    #    ##          #       #   ###  #####        ###          #   ",
        "        #         #####   # #  #    #  ##        #       #  # # #   #                      #    ",
        "                   # #  ####  #  ## #  #          #     #     #     #     ##          ##  #     ",
        "        #          # #    #   #  ##  ## #          #   #                  ##          ##  #     ",
        "                                                                          #                     ",
        "                                                                         #                      ",
    },
    {
        " ###    #    ###   ###     #  #####   ##  #####  ###   ###                                 ###  ",
        "#   #  ##   #   # #   #   ##  #      #        # #   # #   #   ##    ##     ##       ##    #   # ",
        "#  ## # #       #     #  # #  ####  #        #  #   # #   #   ##    ##   ##   #####   ##      # ",
        "# # #   #     ##    ##  #  #      # ####    #    ###   ####             #               #   ##  ",
        "##  #   #    #        # #####     # #   #   #   #   #     #              ##   #####   ##    #   ",
        "#   #   #   #     #   #    #  #   # #   #  #    #   #    #    ##    ##     ##       ##          ",
        " ###  ##### #####  ###     #   ###   ###   #     ###   ##     ##    ##                      #   ",
        "                                                                    #                           ",
        "                                                                   #                            ",
    },
    {
        " ###    #   ####   ###  ####  ##### #####  ###  #   #  ###    ### #   # #     #   # #   #  ###  ",
        "#   #  # #  #   # #   # #   # #     #     #   # #   #   #      #  #  #  #     ## ## ##  # #   # ",
        "# ### #   # #   # #     #   # #     #     #     #   #   #      #  # #   #     # # # ##  # #   # ",
        "# # # #   # ####  #     #   # ####  ####  # ### #####   #      #  ##    #     # # # # # # #   # ",
        "# ### ##### #   # #     #   # #     #     #   # #   #   #      #  # #   #     #   # #  ## #   # ",
        "#     #   # #   # #   # #   # #     #     #   # #   #   #   #  #  #  #  #     #   # #  ## #   # ",
        " ###  #   # ####   ###  ####  ##### #      #### #   #  ###   ##   #   # ##### #   # #   #  ###  ",
        "                                                                                                ",
        "                                                                                                ",
    },
    {
        "####   ###  ####   ###  ##### #   # #   # #   # #   # #   # #####  ###  #      ###    #         ",
        "#   # #   # #   # #   #   #   #   # #   # #   # #   # #   #     #  #    #        #   # #        ",
        "#   # #   # #   # #       #   #   # #   # #   #  # #   # #     #   #     #       #  #   #       ",
        "####  #   # ####   ###    #   #   # #   # # # #   #     #     #    #      #      #              ",
        "#     # # # # #       #   #   #   #  # #  # # #  # #    #    #     #       #     #              ",
        "#     #  #  #  #  #   #   #   #   #  # #  ## ## #   #   #   #      #        #    #              ",
        "#      ## # #   #  ###    #    ###    #   #   # #   #   #   #####  ###      #  ###              ",
        "                                                                                          ##### ",
        "                                                                                                ",
    },
    {
        " #          #               #         ##        #       #      #  #      ##                     ",
        "  #         #               #        #          #                 #       #                     ",
        "   #   ###  ####   ####  ####  ###  ####   #### # ##   ##     ##  #  #    #   ## #  # ##   ###  ",
        "          # #   # #     #   # #   #  #    #   # ##  #   #      #  # #     #   # # # ##  # #   # ",
        "       #### #   # #     #   # #####  #    #   # #   #   #      #  ##      #   # # # #   # #   # ",
        "      #   # #   # #     #   # #      #    #   # #   #   #      #  # #     #   # # # #   # #   # ",
        "       #### ####   ####  ####  ###   #     #### #   #  ###     #  #  #     #  #   # #   #  ###  ",
        "                                              #             #  #                                ",
        "                                           ###               ##                                 ",
    },
    {
        "                         #                                           ##   #   ##          ##### ",
        "                         #                                          #     #     #         #   # ",
        "####   #### # ##   #### ####  #   # #   # #   # #   # #   # #####   #     #     #    #  # #   # ",
        "#   # #   # ##    #      #    #   # #   # #   #  # #  #   #    #   #      #      #  # # # #   # ",
        "#   # #   # #      ###   #    #   #  # #  # # #   #   #   #   #     #     #     #   #  #  #   # ",
        "#   # #   # #         #  #    #  ##  # #  # # #  # #  #   #  #      #     #     #         #   # ",
        "####   #### #     ####    ##   ## #   #    # #  #   #  #### #####    ##   #   ##          ##### ",
        "#         #                                               #               #                     ",
        "#         #                                            ###                                      ",
    },
};

/* Is the pixel (x, y) of this character's cell black? */
static int is_ink(int c, int x, int y)
{
    if (c < FIRST || c > BOX) c = BOX;
    int i = c - FIRST;
    return y < TALL && art[i / ACROSS][y][i % ACROSS * FONT_WIDTH + x] == '#';
}

/* c: the character whose cell begins at (left, top) */
static void draw_character(unsigned char *rgb, int width, int height, int left, int top, int scale, int c)
{
    for (int y = 0; y < FONT_HEIGHT * scale; y++)
        for (int x = 0; x < FONT_WIDTH * scale; x++) {
            int to_x = left + x;
            int to_y = top + y;
            if (to_x < 0 || to_y < 0 || to_x >= width || to_y >= height) continue;
            if (!is_ink(c, x / scale, y / scale)) continue;
            memset(rgb + 3 * ((size_t)to_y * (size_t)width + (size_t)to_x), 0, 3);
        }
}

void font_draw(unsigned char *rgb, int width, int height, int left, int top, int scale, const char *text)
{
    for (; *text; text++) {
        draw_character(rgb, width, height, left, top, scale, (unsigned char)*text);
        left += FONT_WIDTH * scale;
    }
}
