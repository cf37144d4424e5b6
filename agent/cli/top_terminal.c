/* SPDX-License-Identifier: Apache-2.0 */
/* top_terminal: ncurses only paints: what stands where was decided in view/screen.c. Signals are
 * taken in only while it waits, so the terminal is always put back in order by this thread. */
#include "cli/top_terminal.h"

#include "built_with.h"

#if HAVE_NCURSES

#include "agent.h"
#include "base/clock.h"

#include <curses.h>
#include <errno.h>
#include <poll.h>
#include <signal.h>
#include <stdlib.h>
#include <term.h>

static volatile sig_atomic_t caught; /* the signal that ends it; 0: none */
static const int ending_signals[] = { SIGINT, SIGTERM, SIGHUP, SIGQUIT };
enum { ENDING_SIGNALS = sizeof(ending_signals) / sizeof(ending_signals[0]) };

static void note_signal(int number)
{
    caught = number;
}

bool top_terminal_is_usable(struct err *why)
{
    const char *term = getenv("TERM");

    if (!isatty(STDOUT_FILENO))
        return err_set(why, "standard output is no terminal");
    if (!isatty(STDIN_FILENO))
        return err_set(why, "standard input is no terminal");
    if (term == NULL || term[0] == '\0' || strcmp(term, "dumb") == 0)
        return err_set(why, "TERM is '%.40s'", term == NULL ? "" : term);
    int problem;
    if (setupterm(term, STDOUT_FILENO, &problem) != OK)
        return err_set(why, "the terminal '%.40s' is not known here", term);
    bool can_move = cursor_address != NULL && clear_screen != NULL;
    (void)del_curterm(cur_term);
    return can_move || err_set(why, "the cursor of '%.40s' cannot be moved", term);
}

const char *top_terminal_library(void)
{
    return curses_version();
}

/* ---- painting ---- */

static void prepare_colours(void)
{
    const char *none = getenv("NO_COLOR");

    if ((none != NULL && none[0] != '\0') || !has_colors() || start_color() == ERR)
        return;
    (void)use_default_colors();
    (void)init_pair(STYLE_HEADING, COLOR_CYAN, -1);
    (void)init_pair(STYLE_GOOD, COLOR_GREEN, -1);
    (void)init_pair(STYLE_WARN, COLOR_YELLOW, -1);
    (void)init_pair(STYLE_BAD, COLOR_RED, -1);
}

/* Without colours what is bad is bold and reversed, so nothing is told by colour alone. */
static attr_t attributes_of(enum screen_style style)
{
    static const attr_t attributes[] = {
        [STYLE_PLAIN] = A_NORMAL, [STYLE_TITLE] = A_BOLD, [STYLE_HEADING] = A_UNDERLINE,
        [STYLE_GOOD] = A_NORMAL,  [STYLE_WARN] = A_BOLD,  [STYLE_BAD] = A_BOLD | A_REVERSE,
    };
    return attributes[style];
}

static void paint(const struct screen *screen)
{
    (void)erase();
    for (unsigned row = 0; row < screen->height; row++) {
        for (unsigned column = 0; column < screen->width; column++) {
            const struct cell_of_screen *cell =
                &screen->cells[(size_t)row * screen->width + column];
            (void)attr_set(attributes_of(cell->style), has_colors() ? cell->style : 0, NULL);
            /* The last cell of the last line would scroll: ncurses says so, and paints it. */
            (void)mvaddch((int)row, (int)column, (chtype)(unsigned char)cell->character);
        }
    }
    (void)refresh();
}

/* Returns how far can be scrolled. */
static unsigned draw(struct top_reading *reading, const struct view *view)
{
    int height, width;
    struct screen screen;
    unsigned scroll_max = 0;

    getmaxyx(stdscr, height, width);
    if (!screen_draw(reading->figures, &reading->source, view, (unsigned)(width > 0 ? width : 1),
                     (unsigned)(height > 0 ? height : 1), &screen, &scroll_max))
        return 0;
    paint(&screen);
    screen_fini(&screen);
    return scroll_max;
}

/* ---- keys ---- */

static int key_of(int curses_key)
{
    switch (curses_key) {
    case KEY_UP:
        return KEY_UP_;
    case KEY_DOWN:
        return KEY_DOWN_;
    case KEY_PPAGE:
        return KEY_PAGE_UP_;
    case KEY_NPAGE:
        return KEY_PAGE_DOWN_;
    case KEY_HOME:
        return KEY_HOME_;
    case KEY_END:
        return KEY_END_;
    default:
        return curses_key < 256 ? curses_key : 0;
    }
}

/* All keys that wait. false: it is to end. */
static bool take_keys(struct view *view, unsigned scroll_max)
{
    for (int key; (key = getch()) != ERR;) {
        unsigned page = LINES > 3 ? (unsigned)LINES - 3 : 1;
        if (view_key(view, key_of(key), page, scroll_max) == EFFECT_QUIT)
            return false;
    }
    return true;
}

/* false: the terminal has gone away. */
static bool wait_for_keys(int64_t until_ms, const sigset_t *while_waiting)
{
    struct pollfd keys = { .fd = STDIN_FILENO, .events = POLLIN };
    int64_t left_ms = until_ms - clock_now_ms();
    struct timespec left = { 0, 0 };

    if (left_ms > 0)
        left = (struct timespec){ left_ms / MS_PER_S, left_ms % MS_PER_S * NS_PER_MS };
    int ready = ppoll(&keys, 1, &left, while_waiting);
    return ready < 0 ? errno == EINTR : (keys.revents & (POLLHUP | POLLERR | POLLNVAL)) == 0;
}

static void watch(struct top_reading *reading, struct view *view, int64_t interval_ms,
                  const sigset_t *while_waiting)
{
    int64_t next_ms = clock_now_ms() + interval_ms;

    while (caught == 0) {
        unsigned scroll_max = draw(reading, view);
        if (!wait_for_keys(next_ms, while_waiting) || !take_keys(view, scroll_max))
            return;
        if (clock_now_ms() < next_ms)
            continue;
        if (!view->is_frozen)
            (void)top_read(reading);
        next_ms = clock_now_ms() + interval_ms;
    }
}

int top_terminal_run(struct top_reading *reading, struct view *view, int64_t interval_ms)
{
    struct sigaction action = { .sa_handler = note_signal };
    sigset_t blocked, before;

    (void)sigemptyset(&blocked);
    for (size_t i = 0; i < ENDING_SIGNALS; i++) {
        (void)sigaddset(&blocked, ending_signals[i]);
        (void)sigaction(ending_signals[i], &action, NULL);
    }
    (void)sigaddset(&blocked, SIGWINCH); /* as well: else a resize just before the wait is missed */
    (void)sigprocmask(SIG_BLOCK, &blocked, &before);
    SCREEN *terminal = newterm(NULL, stdout, stdin);
    if (terminal == NULL) {
        (void)fprintf(stderr, "spillway top: the terminal cannot be used\n");
        return EXIT_FAILED;
    }
    (void)cbreak();
    (void)noecho();
    (void)keypad(stdscr, TRUE);
    (void)nodelay(stdscr, TRUE);
    (void)set_escdelay(50);
    (void)curs_set(0);
    prepare_colours();
    watch(reading, view, interval_ms, &before);
    (void)endwin();
    delscreen(terminal);
    if (caught != 0) { /* now as if it had not been caught */
        (void)signal(caught, SIG_DFL);
        (void)raise(caught);
    }
    (void)sigprocmask(SIG_SETMASK, &before, NULL);
    return EXIT_CLEAN;
}

#else

bool top_terminal_is_usable(struct err *why)
{
    return err_set(why, "ncurses was not found when this was built");
}

int top_terminal_run(struct top_reading *reading, struct view *view, int64_t interval_ms)
{
    (void)reading;
    (void)view;
    (void)interval_ms;
    return 1;
}

const char *top_terminal_library(void)
{
    return "not built in";
}

#endif
