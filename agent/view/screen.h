/* SPDX-License-Identifier: Apache-2.0 */
/* screen: the figures as lines of cells, for a terminal of any size. All characters are printable
 * ASCII, one cell each.
 * Pure: a screen is a function of the figures, the size and the view. Threads: none of its own. */
#pragma once

#include "view/figures.h"
#include "view/source.h"

enum screen_sort {
    SORT_DROPPED,
    SORT_RECEIVED,
    SORT_DELIVERED,
    SORT_HELD,
    SORT_FILL,
    SORT_NAME,
    SORTS
};

/* What the one who watches has chosen. */
struct view {
    enum screen_sort sort;
    bool is_reversed, is_frozen, shows_help;
    unsigned scroll; /* lines of the body above the first one shown */
};

enum screen_style { STYLE_PLAIN, STYLE_TITLE, STYLE_HEADING, STYLE_GOOD, STYLE_WARN, STYLE_BAD };
struct cell_of_screen {
    char character;
    unsigned char style; /* enum screen_style */
};
enum { SCREEN_WIDTH_MAX = 400, SCREEN_HEIGHT_MAX = 400 };
struct screen {
    unsigned width, height;
    struct cell_of_screen *cells; /* height rows of width */
};

/* height 0: as many lines as there are, and no line of keys: for what is no terminal. Sizes above
 * the bounds are cut to them; then the height is bounded by the file. figures NULL: only what
 * trouble says. Returns how far can be scrolled. false: out of memory. */
bool screen_draw(const struct figures *figures, const struct source *source,
                 const struct view *view, unsigned width, unsigned height, struct screen *ret,
                 unsigned *ret_scroll_max);
void screen_fini(struct screen *screen);
/* The text of a row without the spaces at its end. */
void screen_row(const struct screen *screen, unsigned row, char ret_text[SCREEN_WIDTH_MAX + 1]);

const char *view_sort_name(enum screen_sort sort); /* "dropped", "in", … */

enum screen_key { KEY_UP_ = 256, KEY_DOWN_, KEY_PAGE_UP_, KEY_PAGE_DOWN_, KEY_HOME_, KEY_END_ };
enum key_effect { EFFECT_NONE, EFFECT_REDRAW, EFFECT_QUIT };
/* key: a character, or one of the above. */
enum key_effect view_key(struct view *view, int key, unsigned page, unsigned scroll_max);
