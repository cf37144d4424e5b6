/* SPDX-License-Identifier: Apache-2.0 */
/* tap: shows what the agent's tap sends: events on standard output, what was left out on standard
 * error. The agent samples and bounds; a slow reader here costs it samples, never events. */
#include "base/auto.h"
#include "base/clock.h"
#include "cli/ask.h"
#include "cli/cli.h"
#include "cli/config_places.h"
#include "cli/options.h"
#include "cli/tap_connection.h"
#include "cli/tap_options.h"

#include <signal.h>
#include <stdio.h>
#include <stdlib.h>
#include <time.h>

enum { RETRY_MS = 300 };

struct counts {
    uint64_t seen, not_matching, over_rate, dropped;
};

struct tap_command {
    struct tap_options options;
    struct config_places places; /* of -c */
    char path[PATH_MAX];         /* of the socket */
    int64_t ends_ms;
    struct tap_connection connection;
    uint64_t written;
    bool is_counted;           /* the agent told once what passed */
    struct counts before, now; /* of connections that are over; of this one */
};

static volatile sig_atomic_t is_interrupted;

static void note_signal(int number)
{
    (void)number;
    is_interrupted = 1;
}

static void take_signals(void)
{
    struct sigaction action = { .sa_handler = note_signal }; /* without SA_RESTART: waits end */

    (void)sigemptyset(&action.sa_mask);
    (void)sigaction(SIGINT, &action, NULL);
    (void)sigaction(SIGTERM, &action, NULL);
    (void)signal(SIGPIPE, SIG_IGN);
}

/* ---- where the agent is ---- */

static bool find_agent(struct tap_command *tap, struct err *err)
{
    const struct tap_options *options = &tap->options;
    const char *state_dir = options_agent_default("state_dir");
    const char *runtime_dir = options_agent_default("runtime_dir");

    if (options->config != NULL) {
        if (!config_places(options->config, &tap->places, err))
            return false;
        state_dir = tap->places.state_dir;
        runtime_dir = tap->places.runtime_dir;
    }
    if (options->state_dir != NULL)
        state_dir = options->state_dir;
    if (options->runtime_dir != NULL)
        runtime_dir = options->runtime_dir;
    return ask_find(state_dir, runtime_dir, tap->path, err);
}

static bool connect_agent(struct tap_command *tap, bool *ret_is_refused, struct err *err)
{
    static const char *const names[TAP_OPTION_FILTERS] = { "filter", "filter2", "filter3",
                                                           "filter4" };
    const struct tap_options *options = &tap->options;
    AUTO(buf_fini) struct buf target = { .limit = 8192 };
    int64_t left_ms = tap->ends_ms - clock_now_ms();
    char number[32];

    tap_target_add(&target, "name", options->name);
    if (options->stage != NULL)
        tap_target_add(&target, "stage", options->stage);
    for (unsigned i = 0; i < options->filter_count; i++)
        tap_target_add(&target, names[i], options->filters[i]);
    (void)snprintf(number, sizeof(number), "%llu", (unsigned long long)options->rate);
    tap_target_add(&target, "rate", number);
    (void)snprintf(number, sizeof(number), "%lld", (long long)(left_ms > 0 ? left_ms : 1));
    tap_target_add(&target, "for_ms", number);
    return tap_connect(&tap->connection, tap->path, target.data, ret_is_refused, err);
}

/* ---- what comes ---- */

static struct counts sum(struct counts a, struct counts b)
{
    return (struct counts){ a.seen + b.seen, a.not_matching + b.not_matching,
                            a.over_rate + b.over_rate, a.dropped + b.dropped };
}

/* false: it is no line of counts. */
static bool read_counts(struct tap_command *tap, struct slice line, bool *ret_is_end)
{
    unsigned long long seen, not_matching, over_rate, dropped;

    if (sscanf(line.data,
               "{\"tap\":{\"seen\":%llu,\"shown\":%*u,\"not_matching\":%llu,\"over_rate\":%llu,"
               "\"dropped\":%llu",
               &seen, &not_matching, &over_rate, &dropped) != 4)
        return false;
    if (dropped > tap->now.dropped)
        (void)fprintf(stderr,
                      "spillway tap: %llu samples were dropped, they are not read fast "
                      "enough\n",
                      dropped - (unsigned long long)tap->now.dropped);
    tap->now = (struct counts){ seen, not_matching, over_rate, dropped };
    tap->is_counted = true;
    *ret_is_end = memmem(line.data, line.bytes, "\"end\":", 6) != NULL;
    return true;
}

enum ending { ENDING_DONE, ENDING_LOST };

static enum ending show_lines(struct tap_command *tap)
{
    for (;;) {
        struct slice line;
        bool is_end = false;
        enum tap_line got =
            is_interrupted ? TAP_LINE_INTERRUPTED : tap_next_line(&tap->connection, &line);
        if (got == TAP_LINE_LOST)
            return ENDING_LOST;
        if (got == TAP_LINE_INTERRUPTED && is_interrupted)
            return ENDING_DONE;
        if (got != TAP_LINE || line.bytes == 0 || read_counts(tap, line, &is_end)) {
            if (is_end)
                return ENDING_DONE;
            continue;
        }
        if (fwrite(line.data, 1, line.bytes, stdout) != line.bytes || fputc('\n', stdout) < 0 ||
            fflush(stdout) != 0)
            return ENDING_DONE; /* nobody reads any more */
        if (++tap->written == tap->options.count)
            return ENDING_DONE;
    }
}

static void rest(void)
{
    struct timespec time = { 0, RETRY_MS * NS_PER_MS };

    (void)nanosleep(&time, NULL);
}

/* false: there is no use in going on. */
static bool connect_again(struct tap_command *tap)
{
    struct err err = { "" };
    bool is_refused = false;

    tap->before = sum(tap->before, tap->now);
    tap->now = (struct counts){ 0 };
    (void)fprintf(stderr, "spillway tap: the agent is gone, waiting for it\n");
    while (!is_interrupted && clock_now_ms() < tap->ends_ms) {
        if (connect_agent(tap, &is_refused, &err)) {
            (void)fprintf(stderr, "spillway tap: connected again\n");
            return true;
        }
        if (is_refused) {
            (void)fprintf(stderr, "spillway tap: %s\n", err.text);
            return false;
        }
        rest();
    }
    return false;
}

static void tell_counts(const struct tap_command *tap)
{
    struct counts all = sum(tap->before, tap->now);

    (void)fprintf(stderr, "spillway tap: %llu events shown; ", (unsigned long long)tap->written);
    if (!tap->is_counted) {
        (void)fputs("it ended before what passed was counted, which is each second\n", stderr);
        return;
    }
    (void)fprintf(stderr,
                  "of %llu that passed (counted each second) %llu "
                  "were over the rate of %llu/s, %llu did not match, %llu were dropped because "
                  "this was read too slowly\n",
                  (unsigned long long)all.seen, (unsigned long long)all.over_rate,
                  (unsigned long long)tap->options.rate, (unsigned long long)all.not_matching,
                  (unsigned long long)all.dropped);
}

static int show(struct tap_command *tap)
{
    struct err err = { "" };
    bool is_refused;

    tap->ends_ms = clock_now_ms() + tap->options.for_ms;
    if (!find_agent(tap, &err) || !connect_agent(tap, &is_refused, &err)) {
        (void)fprintf(stderr, "spillway tap: %s\n", err.text);
        return EXIT_FAILURE;
    }
    (void)fprintf(stderr, "spillway tap: looking at '%s', at most %llu events a second\n",
                  tap->options.name, (unsigned long long)tap->options.rate);
    while (show_lines(tap) == ENDING_LOST && connect_again(tap))
        ;
    tell_counts(tap);
    return EXIT_SUCCESS;
}

int cli_tap(int argc, char **argv)
{
    struct tap_command tap = { .connection = { .fd = -1 } };
    int exit_code;

    if (!tap_options_read(argc, argv, &tap.options, &exit_code))
        return exit_code;
    take_signals();
    exit_code = show(&tap);
    tap_disconnect(&tap.connection);
    return exit_code;
}
