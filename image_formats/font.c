/* font.c - letters drawn by hand, for labels beside pictures.
 *
 * The font is the picture below: six rows of sixteen characters from space to ~, and behind it a box that stands for all
 * others.  Each is five pixels wide and nine tall, two of them under the line, in a place of six by ten.  A pixel
 * becomes scale x scale pixels, so letters are as crisp in large pictures as in small ones. */
#include "font.h"

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

static int ink(int c, int x, int y)
{
    int i = (c < FIRST || c > BOX ? BOX : c) - FIRST;
    return y < TALL && art[i / ACROSS][y][i % ACROSS * FONT_WIDTH + x] == '#';
}

void font_draw(unsigned char *rgb, int width, int height, int left, int top, int scale, const char *text)
{
    for (; *text; text++, left += FONT_WIDTH * scale)
        for (int y = 0; y < FONT_HEIGHT * scale; y++)
            for (int x = 0; x < FONT_WIDTH * scale; x++) {
                int at_x = left + x, at_y = top + y;
                if (at_x < 0 || at_y < 0 || at_x >= width || at_y >= height || !ink((unsigned char)*text, x / scale, y / scale)) continue;
                unsigned char *pixel = rgb + 3 * ((size_t)at_y * (size_t)width + (size_t)at_x);
                pixel[0] = pixel[1] = pixel[2] = 0;
            }
}
