/* SPDX-License-Identifier: Apache-2.0 */
/* screen: a line on top that stays, a body that can be scrolled, a line of keys at the bottom. The
 * body is laid out twice: once to count its lines, once to paint those that are shown. */
#include "view/screen.h"

#include "view/painter.h"
#include "view/sections.h"

#include <stdio.h>
#include <stdlib.h>

/* Lines of a file that lies, on what is no terminal. */
enum { LINES_MAX = 50000, KEYS_FROM_HEIGHT = 4 };

const char *view_sort_name(enum screen_sort sort)
{
    static const char *const names[] = {
        [SORT_DROPPED] = "dropped", [SORT_RECEIVED] = "in", [SORT_DELIVERED] = "out",
        [SORT_HELD] = "held",       [SORT_FILL] = "fill",   [SORT_NAME] = "name",
    };
    return names[sort];
}

static void draw_title(struct painter *painter, const struct source *source,
                       const struct view *view)
{
    char text[SOURCE_TEXT];

    if (view->is_frozen)
        painter_text(painter, STYLE_WARN, "FROZEN ");
    if (source->found == NULL) {
        painter_text(painter, STYLE_TITLE, "spillway top: no books");
        return;
    }
    const struct books_header *header = &source->found->reader->image.header;
    painter_text(painter, STYLE_TITLE, "%s  ", source_holder_text(source, text));
    painter_text(painter, STYLE_PLAIN, "%s  spillway %s", header->state_dir, header->agent_version);
}

static void draw_keys(struct painter *painter, const struct view *view)
{
    painter_text(painter, STYLE_HEADING, "q quit  h help  f %s  s sort: %s%s",
                 view->is_frozen ? "go on" : "freeze", view_sort_name(view->sort),
                 view->is_reversed ? ", reversed" : "");
}

static void draw_help(struct painter *painter)
{
    static const char *const lines[] = {
        "q  quit",
        "h ?  this help, and back",
        "f space  freeze the figures, and go on",
        "s  next order of the lanes; r  reverse it",
        "d i o w b n  order by dropped, in, out, held, fill bar, name",
        "arrows, j k, page up and down, g G  scroll",
        "",
        "IN OUT DROP  events a second: received, acknowledged by the endpoint, dropped",
        "HELD  events in memory, in requests and on disk, as measured by the last audit",
        "FILL  the lane's memory; a ! means that it sheds",
        "OLDEST  how long the oldest event of the lane has been waiting",
        "REQS  requests in flight, and the limit found for the endpoint",
        "MEMORY  what sealed batches use of their share",
        "Figures of different outputs are never added: they are copies of the same events.",
    };
    for (size_t i = 0; i < sizeof(lines) / sizeof(lines[0]); i++) {
        if (lines[i][0] == '\0')
            painter_end_line(painter);
        painter_wrapped(painter, STYLE_PLAIN, lines[i]);
    }
}

static void draw_body(struct painter *painter, const struct figures *figures,
                      const struct source *source, const struct view *view)
{
    if (view->shows_help) {
        draw_help(painter);
        return;
    }
    if (figures == NULL) {
        painter_wrapped(painter, STYLE_BAD, source->trouble);
        return;
    }
    sections_attention(painter, figures, source);
    sections_outputs(painter, figures);
    sections_lanes(painter, figures, view);
    sections_drops(painter, figures);
}

static bool make_cells(struct screen *screen)
{
    size_t count = (size_t)screen->width * screen->height;

    screen->cells = malloc((count + 1) * sizeof(*screen->cells));
    for (size_t i = 0; screen->cells != NULL && i < count; i++)
        screen->cells[i] = (struct cell_of_screen){ ' ', STYLE_PLAIN };
    return screen->cells != NULL;
}

static unsigned count_body(unsigned width, const struct figures *figures,
                           const struct source *source, const struct view *view)
{
    struct screen nowhere = { .width = width };
    struct painter painter = { .screen = &nowhere };

    draw_body(&painter, figures, source, view);
    return painter.line < LINES_MAX ? painter.line : LINES_MAX;
}

bool screen_draw(const struct figures *figures, const struct source *source,
                 const struct view *view, unsigned width, unsigned height, struct screen *ret,
                 unsigned *ret_scroll_max)
{
    struct screen screen = { .width = width < 1 ? 1 : width };

    if (screen.width > SCREEN_WIDTH_MAX)
        screen.width = SCREEN_WIDTH_MAX;
    unsigned lines = count_body(screen.width, figures, source, view);
    screen.height = height == 0 ? lines + 1 : height;
    if (height > SCREEN_HEIGHT_MAX)
        screen.height = SCREEN_HEIGHT_MAX;
    if (!make_cells(&screen))
        return false;
    bool has_keys = height >= KEYS_FROM_HEIGHT;
    unsigned room = screen.height - 1 - has_keys;
    unsigned scroll_max = lines > room ? lines - room : 0;
    struct painter title = { .screen = &screen, .rows = 1 };
    draw_title(&title, source, view);
    struct painter body = { .screen = &screen,
                            .first = view->scroll < scroll_max ? view->scroll : scroll_max,
                            .rows = room,
                            .top = 1 };
    draw_body(&body, figures, source, view);
    if (has_keys) {
        struct painter keys = { .screen = &screen, .rows = 1, .top = screen.height - 1 };
        draw_keys(&keys, view);
    }
    *ret = screen;
    *ret_scroll_max = scroll_max;
    return true;
}

void screen_fini(struct screen *screen)
{
    free(screen->cells);
    *screen = (struct screen){ 0 };
}

void screen_row(const struct screen *screen, unsigned row, char ret_text[SCREEN_WIDTH_MAX + 1])
{
    const struct cell_of_screen *cells = &screen->cells[(size_t)row * screen->width];
    unsigned used = screen->width;

    while (used > 0 && cells[used - 1].character == ' ')
        used--;
    for (unsigned i = 0; i < used; i++)
        ret_text[i] = cells[i].character;
    ret_text[used] = '\0';
}

/* ---- keys ---- */

static bool scroll(struct view *view, int key, unsigned page, unsigned scroll_max)
{
    unsigned at = view->scroll < scroll_max ? view->scroll : scroll_max;

    switch (key) {
    case 'k':
    case KEY_UP_:
        at -= at > 0;
        break;
    case 'j':
    case KEY_DOWN_:
        at += at < scroll_max;
        break;
    case KEY_PAGE_UP_:
        at = at > page ? at - page : 0;
        break;
    case KEY_PAGE_DOWN_:
        at = scroll_max - at > page ? at + page : scroll_max;
        break;
    case 'g':
    case KEY_HOME_:
        at = 0;
        break;
    case 'G':
    case KEY_END_:
        at = scroll_max;
        break;
    default:
        return false;
    }
    view->scroll = at;
    return true;
}

static bool sort_by(struct view *view, int key)
{
    static const char keys[SORTS + 1] = {
        [SORT_DROPPED] = 'd', [SORT_RECEIVED] = 'i', [SORT_DELIVERED] = 'o',
        [SORT_HELD] = 'w',    [SORT_FILL] = 'b',     [SORT_NAME] = 'n',
    };
    const char *found = key > 0 && key < 256 ? strchr(keys, key) : NULL;

    if (found != NULL)
        view->sort = (enum screen_sort)(found - keys);
    return found != NULL;
}

enum key_effect view_key(struct view *view, int key, unsigned page, unsigned scroll_max)
{
    switch (key) {
    case 'q':
    case 'Q':
        return EFFECT_QUIT;
    case 'h':
    case '?':
        view->shows_help = !view->shows_help;
        view->scroll = 0;
        return EFFECT_REDRAW;
    case 'f':
    case ' ':
        view->is_frozen = !view->is_frozen;
        return EFFECT_REDRAW;
    case 's':
        view->sort = (enum screen_sort)((view->sort + 1) % SORTS);
        return EFFECT_REDRAW;
    case 'r':
        view->is_reversed = !view->is_reversed;
        return EFFECT_REDRAW;
    default:
        return scroll(view, key, page, scroll_max) || sort_by(view, key) ? EFFECT_REDRAW
                                                                         : EFFECT_NONE;
    }
}
