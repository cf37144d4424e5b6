/* SPDX-License-Identifier: Apache-2.0 */
/* painter: lines of text into the cells of a screen, cut at its right edge; lines above and below
 * the part that is shown are only counted. And numbers in five places.
 * Pure. Threads: none of its own. */
#pragma once

#include "view/screen.h"

struct painter {
    struct screen *screen; /* cells NULL: nothing is painted, lines are counted */
    unsigned first, rows;  /* lines of the body that are shown, from row `top` of the screen on */
    unsigned top;
    unsigned line, column; /* where the next text goes */
};

void painter_text(struct painter *painter, enum screen_style style, const char *format, ...)
    __attribute__((format(printf, 3, 4)));
/* In `width` places, cut or filled, to the right or to the left. */
void painter_field(struct painter *painter, enum screen_style style, unsigned width, bool to_right,
                   const char *text);
void painter_end_line(struct painter *painter);
/* Whole lines, broken at words; those after the first are indented. */
void painter_wrapped(struct painter *painter, enum screen_style style, const char *text);

enum { NUMBER_TEXT = 16 };
const char *number_text(double number, char ret_text[NUMBER_TEXT]); /* "9999", "12.3k"; NAN: "-" */
const char *rate_text(double rate, char ret_text[NUMBER_TEXT]);     /* and "0.4" */
const char *bytes_text(double bytes, char ret_text[NUMBER_TEXT]);   /* "12.3M" of 1024s */
enum { BAR_TEXT = 14 };
const char *bar_text(double share, char ret_text[BAR_TEXT]); /* "[###   ]  45%" */
