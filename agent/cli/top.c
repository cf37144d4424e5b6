/* SPDX-License-Identifier: Apache-2.0 */
/* top: the books as they are now, read from their file without asking the agent: on a terminal
 * painted anew each interval, else as text or JSON. */
#include "base/clock.h"
#include "cli/cli.h"
#include "cli/config_places.h"
#include "cli/options.h"
#include "cli/top_reading.h"
#include "cli/top_terminal.h"
#include "view/figures_json.h"

#include <errno.h>
#include <getopt.h>
#include <stdio.h>
#include <stdlib.h>
#include <sys/ioctl.h>
#include <time.h>
#include <unistd.h>

enum { PLAIN_WIDTH = 120, INTERVAL_MIN_MS = 100, INTERVAL_MAX_MS = 3600000 };

struct top {
    struct top_reading reading;
    struct view view;
    const char *config; /* NULL: not given */
    struct config_places places;
    int64_t interval_ms;
    bool once, json, plain;
};

static const char help[] =
    "usage: spillway top [OPTION]...\n"
    "Where events are now and where they went, from the agent's books, without asking the agent:\n"
    "also while it hangs, after it died, and from a copied file.\n\n"
    "  -c, --config FILE  the agent's configuration, to find it by\n"
    "  --state-dir DIR    the agent's state directory (default %s)\n"
    "  --runtime-dir DIR  the agent's runtime directory, if it is not the default one\n"
    "  --file FILE        books in this file: a copy, or the live ones of another place\n"
    "  --interval 1s      time between two readings\n"
    "  --sort KEY         dropped, in, out, held, fill or name\n"
    "  --once             show the figures once; rates are of one interval (0s: none)\n"
    "  --json             JSON, one object for each reading\n"
    "  --plain            text, though this is a terminal\n\n"
    "Keys: q quit, h help, f freeze, s sort, arrows scroll. Exit code 1: there are no books, or\n"
    "none that can be read.\n";

enum {
    OPTION_STATE_DIR = 1,
    OPTION_RUNTIME_DIR,
    OPTION_FILE,
    OPTION_INTERVAL,
    OPTION_SORT,
    OPTION_ONCE,
    OPTION_JSON,
    OPTION_PLAIN,
    OPTION_HELP
};
static const struct option long_options[] = {
    { "config", required_argument, NULL, 'c' },
    { "state-dir", required_argument, NULL, OPTION_STATE_DIR },
    { "runtime-dir", required_argument, NULL, OPTION_RUNTIME_DIR },
    { "file", required_argument, NULL, OPTION_FILE },
    { "interval", required_argument, NULL, OPTION_INTERVAL },
    { "sort", required_argument, NULL, OPTION_SORT },
    { "once", no_argument, NULL, OPTION_ONCE },
    { "json", no_argument, NULL, OPTION_JSON },
    { "plain", no_argument, NULL, OPTION_PLAIN },
    { "help", no_argument, NULL, OPTION_HELP },
    { NULL, 0, NULL, 0 },
};

/* ---- the command line ---- */

static bool read_sort(const char *text, struct view *view, struct err *err)
{
    for (unsigned sort = 0; sort < SORTS; sort++) {
        if (strcmp(text, view_sort_name((enum screen_sort)sort)) == 0) {
            view->sort = (enum screen_sort)sort;
            return true;
        }
    }
    return err_set(err, "--sort: '%.40s' is none of dropped, in, out, held, fill, name", text);
}

static bool read_option(struct top *top, int option, struct err *err)
{
    struct books_wanted *wanted = &top->reading.wanted;

    switch (option) {
    case 'c':
        top->config = optarg;
        return true;
    case OPTION_STATE_DIR:
        wanted->state_dir = optarg;
        return true;
    case OPTION_RUNTIME_DIR:
        wanted->runtime_dir = optarg;
        return true;
    case OPTION_FILE:
        wanted->file = optarg;
        return true;
    case OPTION_INTERVAL:
        return options_duration("--interval", optarg, &top->interval_ms, err);
    case OPTION_SORT:
        return read_sort(optarg, &top->view, err);
    case OPTION_ONCE:
        top->once = true;
        return true;
    case OPTION_JSON:
        top->json = true;
        return true;
    case OPTION_PLAIN:
        top->plain = true;
        return true;
    default:
        return err_set(err, "see spillway top --help");
    }
}

static bool check_options(const struct top *top, int argc, char **argv, struct err *err)
{
    if (optind < argc)
        return err_set(err, "'%.80s' is not expected", argv[optind]);
    bool may_be_zero = top->once && top->interval_ms == 0;
    if (top->interval_ms > INTERVAL_MAX_MS || (top->interval_ms < INTERVAL_MIN_MS && !may_be_zero))
        return err_set(err, "--interval: from 100ms to 1h; with --once also 0s, for no rates");
    if (top->json && top->plain)
        return err_set(err, "--json and --plain: one of them");
    return true;
}

/* ---- text and JSON ---- */

static unsigned plain_width(void)
{
    const char *columns = getenv("COLUMNS");
    struct winsize size;

    if (ioctl(STDOUT_FILENO, TIOCGWINSZ, &size) == 0 && size.ws_col > 0)
        return size.ws_col;
    long width = columns != NULL ? strtol(columns, NULL, 10) : 0;
    return width > 0 && width <= SCREEN_WIDTH_MAX ? (unsigned)width : PLAIN_WIDTH;
}

static bool write_text(const struct top *top)
{
    char text[SCREEN_WIDTH_MAX + 1];
    struct screen screen;
    unsigned unused;

    if (!screen_draw(top->reading.figures, &top->reading.source, &top->view, plain_width(), 0,
                     &screen, &unused))
        return false;
    for (unsigned row = 0; row < screen.height; row++) {
        screen_row(&screen, row, text);
        (void)puts(text);
    }
    screen_fini(&screen);
    if (!top->once)
        (void)puts("");
    return fflush(stdout) == 0;
}

static bool write_json(const struct top *top)
{
    struct buf text = { 0 };

    bool ok = figures_json(top->reading.figures, &top->reading.source, &text) &&
              fwrite(text.data, 1, text.bytes, stdout) == text.bytes && fflush(stdout) == 0;
    buf_fini(&text);
    return ok;
}

static void sleep_ms(int64_t ms)
{
    struct timespec time = { ms / MS_PER_S, ms % MS_PER_S * NS_PER_MS };

    while (nanosleep(&time, &time) != 0 && errno == EINTR)
        ;
}

/* A signal ends it: there is nothing to put back in order. */
static int show_lines(struct top *top)
{
    /* Rates are of two readings: the first one alone is shown only if no other follows. */
    if (top->interval_ms > 0 && top_may_move(&top->reading)) {
        sleep_ms(top->interval_ms);
        (void)top_read(&top->reading);
    }
    while (top->json ? write_json(top) : write_text(top)) {
        if (top->once)
            return EXIT_SUCCESS;
        sleep_ms(top->interval_ms);
        (void)top_read(&top->reading);
    }
    return EXIT_FAILURE;
}

/* ---- all of it ---- */

static bool find_agent(struct top *top, struct err *err)
{
    struct books_wanted *wanted = &top->reading.wanted;

    wanted->default_runtime_dir = options_agent_default("runtime_dir");
    if (top->config != NULL) {
        if (!config_places(top->config, &top->places, err))
            return false;
        wanted->default_runtime_dir = top->places.runtime_dir;
    }
    if (wanted->state_dir == NULL)
        wanted->state_dir =
            top->config != NULL ? top->places.state_dir : options_agent_default("state_dir");
    return true;
}

static int show(struct top *top)
{
    struct err *trouble = &top->reading.trouble;
    struct err why = { "" };

    if (!find_agent(top, trouble) || !top_read(&top->reading)) {
        (void)fprintf(stderr, "spillway top: %s\n", trouble->text);
        return EXIT_FAILURE;
    }
    if (top->once || top->json || top->plain)
        return show_lines(top);
    if (top_terminal_is_usable(&why))
        return top_terminal_run(&top->reading, &top->view, top->interval_ms);
    if (isatty(STDOUT_FILENO))
        (void)fprintf(stderr, "spillway top: plain lines, since %s\n", why.text);
    return show_lines(top);
}

int cli_top(int argc, char **argv)
{
    struct top top = { .interval_ms = MS_PER_S };
    struct err err = { "" };
    bool ok = true;

    for (int option; ok && (option = getopt_long(argc, argv, "c:h", long_options, NULL)) != -1;) {
        if (option == OPTION_HELP || option == 'h') {
            (void)printf(help, options_agent_default("state_dir"));
            return EXIT_SUCCESS;
        }
        ok = read_option(&top, option, &err);
    }
    if (!ok || !check_options(&top, argc, argv, &err)) {
        (void)fprintf(stderr, "spillway top: %s\n", err.text);
        return EXIT_USAGE;
    }
    int code = show(&top);
    top_reading_fini(&top.reading);
    return code;
}
