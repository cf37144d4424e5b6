/* SPDX-License-Identifier: Apache-2.0 */
/* receive: the built-in receiver: an endpoint for the quick start, for tests, and for finding out
 * whether it is the sender or the endpoint. The starting thread waits for signals, shows the
 * summary and lets delayed answers go; all else happens in receive_server.c. */
#include "base/auto.h"
#include "base/clock.h"
#include "base/file.h"
#include "cli/cli.h"
#include "cli/options.h"
#include "cli/receive_server.h"

#include <errno.h>
#include <getopt.h>
#include <poll.h>
#include <signal.h>
#include <sys/signalfd.h>

enum { SHOW_MS = 1000, MOST_EXPANDED = 256 * 1024 * 1024 };

struct receiver {
    const char *listen, *port_file;
    int64_t time_limit_ms;
    bool print, json, check, no_duplicates;
    struct server server;
};

static const char help[] =
    "Usage: spillway receive [OPTION]...\n"
    "An endpoint that takes what any HTTP sender of logs sends: POST, PUT or PATCH to any path, "
    "NDJSON,\n"
    "JSON arrays or lines, plain or gzip, deflate, zstd. Shows what came, and can misbehave on "
    "purpose.\n"
    "\n"
    "  --listen ADDRESS:PORT  default 127.0.0.1:8088; port 0 takes a free one\n"
    "  --port-file FILE    write the port there when ready\n"
    "  --for 20s           end after this time (else at SIGINT or SIGTERM)\n"
    "  --summary           a line each second in which something came (default)\n"
    "  --print             show each event as it came; the summary goes to standard error\n"
    "  --json              the closing summary as JSON on standard output\n"
    "  --count-only        count requests, bytes and the header Spillway-Events; expand nothing\n"
    "  --check             exit 1 if numbered lines are missing, or bodies damaged or miscounted\n"
    "  --no-duplicates     with --check: exit 1 also if a number came twice\n"
    "  --check-all         check numbers of all bodies that came whole, not only of those that "
    "were\n"
    "                      acknowledged, that is, got a 2xx answer: whole, or endless\n"
    "  --first N           numbers begin at N (default 1); 0: at the lowest that came\n"
    "  --max-expanded SIZE refuse bodies (413) that expand to more (default 256MiB)\n"
    "  --seed N            for faults with a share (default 1)\n"
    "  --fault WHAT[,WHEN] may be repeated; the first that hits decides, delays add up\n"
    "      WHAT  status=503  status=429,retry-after=7  delay=2s (alone, or with another)\n"
    "            reset (RST, no answer)  half (breaks off in the answer)  hang (no answer)\n"
    "            endless (200, a body without end)  garbage (no HTTP)\n"
    "            max-bytes=1MiB (413 for larger bodies, on the wire)\n"
    "      WHEN  share=50%  first=8 (requests)  after=8 (leaves 8 alone)  from=5s  for=10s\n"
    "\n"
    "Lines are numbered by ' seq=RUN.N ' in them, as 'spillway generate' writes; ' ts=<Unix ns> ' "
    "gives\n"
    "the time from write to arrival. While it runs: GET /summary (JSON), GET /healthz, and\n"
    "PUT /_faults replaces the faults, one a line; times and counts in them start anew.\n";

enum {
    OPTION_LISTEN = 1,
    OPTION_PORT_FILE,
    OPTION_FOR,
    OPTION_SUMMARY,
    OPTION_PRINT,
    OPTION_JSON,
    OPTION_COUNT_ONLY,
    OPTION_CHECK,
    OPTION_NO_DUPLICATES,
    OPTION_CHECK_ALL,
    OPTION_FIRST,
    OPTION_MAX_EXPANDED,
    OPTION_SEED,
    OPTION_FAULT,
    OPTION_HELP
};
static const struct option long_options[] = {
    { "listen", required_argument, NULL, OPTION_LISTEN },
    { "port-file", required_argument, NULL, OPTION_PORT_FILE },
    { "for", required_argument, NULL, OPTION_FOR },
    { "summary", no_argument, NULL, OPTION_SUMMARY },
    { "print", no_argument, NULL, OPTION_PRINT },
    { "json", no_argument, NULL, OPTION_JSON },
    { "count-only", no_argument, NULL, OPTION_COUNT_ONLY },
    { "check", no_argument, NULL, OPTION_CHECK },
    { "no-duplicates", no_argument, NULL, OPTION_NO_DUPLICATES },
    { "check-all", no_argument, NULL, OPTION_CHECK_ALL },
    { "first", required_argument, NULL, OPTION_FIRST },
    { "max-expanded", required_argument, NULL, OPTION_MAX_EXPANDED },
    { "seed", required_argument, NULL, OPTION_SEED },
    { "fault", required_argument, NULL, OPTION_FAULT },
    { "help", no_argument, NULL, OPTION_HELP },
    { NULL, 0, NULL, 0 },
};

static void set_flag(struct receiver *receiver, int option)
{
    receiver->print |= option == OPTION_PRINT;
    receiver->json |= option == OPTION_JSON;
    receiver->check |= option == OPTION_CHECK;
    receiver->no_duplicates |= option == OPTION_NO_DUPLICATES;
    receiver->server.config.count_only |= option == OPTION_COUNT_ONLY;
    receiver->server.summary.check_all |= option == OPTION_CHECK_ALL;
}

static bool set_option(struct receiver *receiver, int option, const char *text, struct err *err)
{
    struct server *server = &receiver->server;
    uint64_t number = 0;

    switch (option) {
    case OPTION_LISTEN:
        receiver->listen = text;
        return true;
    case OPTION_PORT_FILE:
        receiver->port_file = text;
        return true;
    case OPTION_FOR:
        return options_duration("--for", text, &receiver->time_limit_ms, err);
    case OPTION_FIRST:
        return options_count("--first", text, &server->summary.first_number, err);
    case OPTION_MAX_EXPANDED:
        return options_size("--max-expanded", text, &server->config.most_bytes, err);
    case OPTION_SEED:
        if (!options_count("--seed", text, &number, err))
            return false;
        server->random = random_make(number);
        return true;
    case OPTION_FAULT:
        return faults_add(&server->faults, text, err);
    case '?':
        return err_set(err, "see 'spillway receive --help'");
    }
    set_flag(receiver, option);
    return true;
}

static bool options_fit(const struct receiver *receiver, struct err *err)
{
    if (receiver->server.config.count_only && (receiver->print || receiver->check))
        return err_set(err,
                       "--count-only does not look into bodies: leave out --print and --check");
    if (receiver->no_duplicates && !receiver->check)
        return err_set(err, "--no-duplicates needs --check");
    return true;
}

/* Before any thread: they inherit the mask. */
static int open_signals(void)
{
    sigset_t signals;

    (void)signal(SIGPIPE, SIG_IGN);
    (void)sigemptyset(&signals);
    (void)sigaddset(&signals, SIGINT);
    (void)sigaddset(&signals, SIGTERM);
    (void)sigprocmask(SIG_BLOCK, &signals, NULL);
    return signalfd(-1, &signals, SFD_CLOEXEC);
}

static void show_line(struct receiver *receiver, const char *what, uint64_t last_events,
                      double seconds)
{
    FILE *to = receiver->print || receiver->json ? stderr : stdout;
    struct buf line = { 0 };

    summary_line(&receiver->server.summary, last_events, seconds, &line);
    (void)fprintf(to, "%s%s\n", what, buf_slice(&line).data);
    (void)fflush(to);
    buf_fini(&line);
}

static int64_t earlier(int64_t a_ms, int64_t b_ms) /* 0: never */
{
    return a_ms == 0 || (b_ms != 0 && b_ms < a_ms) ? b_ms : a_ms;
}

static void wait_for(int signal_fd, int wake_fd, int64_t now_ms, int64_t until_ms)
{
    struct pollfd fds[] = { { .fd = signal_fd, .events = POLLIN },
                            { .fd = wake_fd, .events = POLLIN } };
    int64_t left_ms = until_ms == 0 ? -1 : until_ms > now_ms ? until_ms - now_ms : 0;

    (void)poll(fds, 2, left_ms > SHOW_MS ? SHOW_MS : (int)left_ms);
}

static bool is_signalled(int signal_fd)
{
    struct pollfd poll_fd = { .fd = signal_fd, .events = POLLIN };

    return poll(&poll_fd, 1, 0) > 0;
}

/* Until the time is over or a signal comes. */
static void serve(struct receiver *receiver, int signal_fd)
{
    int64_t start_ms = clock_now_ms(), shown_ms = start_ms;
    int64_t end_ms = receiver->time_limit_ms == 0 ? 0 : start_ms + receiver->time_limit_ms;
    struct summary_verdict last = { 0 };

    while (!is_signalled(signal_fd)) {
        int64_t now_ms = clock_now_ms();
        if (end_ms != 0 && now_ms >= end_ms)
            return;
        int64_t next_ms = server_tick(&receiver->server, now_ms);
        if (now_ms - shown_ms >= SHOW_MS) {
            struct summary_verdict verdict = summary_verdict(&receiver->server.summary);
            if (verdict.changes != last.changes && !receiver->json)
                show_line(receiver, "", last.events, (double)(now_ms - shown_ms) / 1000);
            last = verdict;
            shown_ms = now_ms;
        }
        next_ms = earlier(earlier(next_ms, end_ms), shown_ms + SHOW_MS);
        wait_for(signal_fd, receiver->server.wake_fd, now_ms, next_ms);
    }
}

static int close_books(struct receiver *receiver)
{
    struct summary_verdict verdict = summary_verdict(&receiver->server.summary);

    show_line(receiver, "in all: ", 0, 0);
    if (receiver->json) {
        AUTO(auto_free)
        char *json = summary_json(&receiver->server.summary);
        if (json == NULL || printf("%s\n", json) < 0 || fflush(stdout) != 0)
            return 1;
    }
    bool bad = verdict.missing > 0 || verdict.mismatches > 0 ||
               (receiver->no_duplicates && verdict.duplicate > 0);
    return receiver->check && bad;
}

static bool write_port(struct receiver *receiver, struct err *err)
{
    char port[16];

    if (receiver->port_file == NULL)
        return true;
    (void)snprintf(port, sizeof(port), "%u\n", receiver->server.port);
    return file_replace(receiver->port_file, slice_of(port), false, err);
}

static int fail(const struct err *err, int code)
{
    (void)fprintf(stderr, "spillway receive: %s\n", err->text);
    return code;
}

int cli_receive(int argc, char **argv)
{
    static struct receiver
        receiver; /* large: key sets, runs; set here, or the program had it all */
    struct server *server = &receiver.server;
    struct err err = { "" };
    int option;

    receiver.listen = "127.0.0.1:8088";
    server->config.most_bytes = MOST_EXPANDED;
    server->summary.first_number = 1;
    server->random = random_make(1);
    while ((option = getopt_long(argc, argv, "", long_options, NULL)) != -1) {
        if (option == OPTION_HELP)
            return fputs(help, stdout) < 0;
        if (!set_option(&receiver, option, optarg, &err))
            return fail(&err, EXIT_USAGE);
    }
    if (optind < argc) {
        (void)err_set(&err, "what is '%s'? see 'spillway receive --help'", argv[optind]);
        return fail(&err, EXIT_USAGE);
    }
    if (!options_fit(&receiver, &err))
        return fail(&err, EXIT_USAGE);
    server->config.print = receiver.print ? stdout : NULL;
    AUTO(auto_close)
    int signal_fd = open_signals();
    bool ok = server_start(server, receiver.listen, &err) && write_port(&receiver, &err);
    int code = 1;
    if (ok) {
        (void)fprintf(stderr, "spillway receive: listening on http://%s\n", server->address);
        serve(&receiver, signal_fd);
        code = close_books(&receiver);
    }
    server_stop(server);
    return ok ? code : fail(&err, 1);
}
