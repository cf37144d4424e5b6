/* SPDX-License-Identifier: Apache-2.0 */
/* generate: writes numbered log lines at an even pace.
 * How many lines are due follows from the time since the start alone, so slow writes and coarse
 * sleeps never add up to a drift. Lines leave in slices of about 2 ms, one write each, appended: a
 * shipper sees what it would see of a busy program. One thread. */
#include "base/auto.h"
#include "base/clock.h"
#include "cli/cli.h"
#include "cli/options.h"
#include "event/lines.h"

#include <errno.h>
#include <fcntl.h>
#include <getopt.h>
#include <signal.h>
#include <stdio.h>
#include <sys/stat.h>
#include <time.h>

enum {
    BUFFER_BYTES = 64 * 1024,
    SLICES_PER_S = 500,
    REST_MS = 100, /* longest sleep: a signal just before it is noticed after that */
    KEEP_MOST = 1000,
};

struct generator {
    /* constant after start */
    const char *path; /* NULL: standard output */
    uint64_t rate;    /* lines a second, 0: no limit */
    uint64_t lines_limit;
    int64_t time_limit_ms; /* 0: none, as lines_limit */
    uint64_t rotate_bytes, keep;
    /* the rest */
    struct lines lines;
    int fd;
    uint64_t file_bytes;
    uint64_t written, written_bytes; /* whole lines, and all bytes */
    size_t filled;
    char buffer[BUFFER_BYTES + LINES_ROOM];
};

static volatile sig_atomic_t stop_asked;

static void ask_stop(int number)
{
    (void)number;
    stop_asked = 1;
}

static void catch_signals(void)
{
    struct sigaction action = { .sa_handler = ask_stop }; /* no SA_RESTART: a blocked write ends */

    (void)sigaction(SIGINT, &action, NULL);
    (void)sigaction(SIGTERM, &action, NULL);
    action.sa_handler = SIG_IGN;
    (void)sigaction(SIGPIPE, &action, NULL);
}

static bool open_file(struct generator *generator, struct err *err)
{
    struct stat stat;

    if (generator->path == NULL) {
        generator->fd = STDOUT_FILENO;
        return true;
    }
    generator->fd = open(generator->path, O_WRONLY | O_CREAT | O_APPEND | O_CLOEXEC, 0644);
    if (generator->fd < 0 || fstat(generator->fd, &stat) != 0)
        return err_set(err, "cannot open '%s': %s", generator->path, strerror(errno));
    generator->file_bytes = (uint64_t)stat.st_size;
    return true;
}

/* Rotates as logrotate does by default: FILE becomes FILE.1, FILE.1 becomes FILE.2, the last goes.
 */
static bool rotate(struct generator *generator, struct err *err)
{
    char from[4096], to[4096];

    for (uint64_t i = generator->keep; i > 0; i--) {
        int length =
            i == 1 ? snprintf(from, sizeof(from), "%s", generator->path)
                   : snprintf(from, sizeof(from), "%s.%ju", generator->path, (uintmax_t)i - 1);
        int longer = snprintf(to, sizeof(to), "%s.%ju", generator->path, (uintmax_t)i);
        if (length >= (int)sizeof(from) || longer >= (int)sizeof(to))
            return err_set(err, "the path '%s' is too long to be rotated", generator->path);
        if (rename(from, to) != 0 && errno != ENOENT)
            return err_set(err, "cannot rename '%s' to '%s': %s", from, to, strerror(errno));
    }
    auto_close(&generator->fd);
    return open_file(generator, err);
}

static void count_written(struct generator *generator, const char *data, size_t bytes)
{
    generator->written_bytes += bytes;
    generator->file_bytes += bytes;
    for (const char *at = data; (at = memchr(at, '\n', bytes - (size_t)(at - data))) != NULL; at++)
        generator->written++;
}

static bool flush_buffer(struct generator *generator, struct err *err)
{
    size_t done = 0;

    while (done < generator->filled) {
        ssize_t bytes = write(generator->fd, generator->buffer + done, generator->filled - done);
        if (bytes < 0 && errno == EINTR && !stop_asked)
            continue;
        if (bytes < 0 && errno == EINTR)
            break; /* the reader of the pipe sleeps: what it did not take was never written */
        if (bytes < 0)
            return err_set(err, "cannot write to '%s': %s",
                           generator->path == NULL ? "standard output" : generator->path,
                           strerror(errno));
        count_written(generator, generator->buffer + done, (size_t)bytes);
        done += (size_t)bytes;
    }
    generator->filled = 0;
    if (generator->rotate_bytes > 0 && generator->file_bytes >= generator->rotate_bytes)
        return rotate(generator, err);
    return true;
}

/* Writes the next `count` lines; stops early when asked to. */
static bool write_lines(struct generator *generator, uint64_t count, struct err *err)
{
    int64_t now_ns = clock_real_ns();

    for (uint64_t i = 0; i < count && !stop_asked; i++) {
        if (generator->lines.stamp && generator->rate == 0)
            now_ns = clock_real_ns();
        generator->filled +=
            lines_write(&generator->lines, now_ns, generator->buffer + generator->filled);
        if (generator->filled < BUFFER_BYTES)
            continue;
        if (!flush_buffer(generator, err))
            return false;
        now_ns = clock_real_ns();
    }
    return flush_buffer(generator, err);
}

static void sleep_until(int64_t until_ms)
{
    int64_t left_ms = until_ms - clock_now_ms();

    if (left_ms <= 0)
        return;
    left_ms = left_ms < REST_MS ? left_ms : REST_MS;
    struct timespec rest = { .tv_nsec = left_ms * NS_PER_MS };
    (void)nanosleep(&rest, NULL);
}

/* Lines that should have been asked for after so much time. */
static uint64_t lines_due(const struct generator *generator, int64_t elapsed_ms, uint64_t asked)
{
    uint64_t due = generator->rate > 0
                       ? (uint64_t)((double)generator->rate * (double)elapsed_ms / 1000)
                       : asked + BUFFER_BYTES / generator->lines.mean_bytes + 1;

    if (generator->lines_limit > 0 && due > generator->lines_limit)
        return generator->lines_limit;
    return due;
}

static bool generate(struct generator *generator, struct err *err)
{
    int64_t start_ms = clock_now_ms();
    uint64_t slice = generator->rate < SLICES_PER_S ? 1 : generator->rate / SLICES_PER_S;
    uint64_t asked = 0;

    while (!stop_asked && (generator->lines_limit == 0 || asked < generator->lines_limit)) {
        int64_t elapsed_ms = clock_now_ms() - start_ms;
        bool over = generator->time_limit_ms > 0 && elapsed_ms >= generator->time_limit_ms;
        uint64_t due = lines_due(generator, over ? generator->time_limit_ms : elapsed_ms, asked);

        if (over && generator->rate == 0)
            return true;
        if (due > asked && !write_lines(generator, due - asked, err))
            return false;
        asked = due > asked ? due : asked;
        if (over)
            return true;
        if (generator->rate == 0)
            continue;
        int64_t next_ms = (int64_t)((double)(asked + slice) * 1000 / (double)generator->rate) + 1;
        if (generator->time_limit_ms > 0 && next_ms > generator->time_limit_ms)
            next_ms = generator->time_limit_ms;
        sleep_until(start_ms + next_ms);
    }
    return true;
}

static const char help[] =
    "Usage: spillway generate [OPTION]...\n"
    "Writes log lines as real programs do (nginx, syslog, JSON, Java), 200 to 300 bytes each.\n"
    "Each has ' seq=RUN.N ' in it: 'spillway receive' tells which are missing or came twice.\n"
    "\n"
    "  --to FILE           append to this file (default: -, standard output)\n"
    "  --rate 1000/s       lines a second, evenly (default); 0: as fast as it goes\n"
    "  --lines N           end after N lines\n"
    "  --for 30s           end after this time\n"
    "  --run NAME          name of the run in the lines (default: by chance)\n"
    "  --start N           number of the first line (default: 1)\n"
    "  --bytes 230         mean length of a line, newline included\n"
    "  --seed N            same seed, same lines, but for the times in them (default: 1)\n"
    "  --stamp             put ts=<Unix time in ns> into the lines, to measure their way\n"
    "  --rotate-bytes 1MiB rename FILE to FILE.1, FILE.1 to FILE.2 ... when it is this large\n"
    "  --keep N            so many old files stay (default: 5)\n"
    "\n"
    "SIGINT and SIGTERM end it after a whole line. How many were written is said on standard "
    "error.\n";

enum {
    OPTION_TO = 1,
    OPTION_RATE,
    OPTION_LINES,
    OPTION_FOR,
    OPTION_RUN,
    OPTION_START,
    OPTION_BYTES,
    OPTION_SEED,
    OPTION_STAMP,
    OPTION_ROTATE,
    OPTION_KEEP,
    OPTION_HELP
};
static const struct option long_options[] = {
    { "to", required_argument, NULL, OPTION_TO },
    { "rate", required_argument, NULL, OPTION_RATE },
    { "lines", required_argument, NULL, OPTION_LINES },
    { "for", required_argument, NULL, OPTION_FOR },
    { "run", required_argument, NULL, OPTION_RUN },
    { "start", required_argument, NULL, OPTION_START },
    { "bytes", required_argument, NULL, OPTION_BYTES },
    { "seed", required_argument, NULL, OPTION_SEED },
    { "stamp", no_argument, NULL, OPTION_STAMP },
    { "rotate-bytes", required_argument, NULL, OPTION_ROTATE },
    { "keep", required_argument, NULL, OPTION_KEEP },
    { "help", no_argument, NULL, OPTION_HELP },
    { NULL, 0, NULL, 0 },
};

static bool set_option(struct generator *generator, int option, const char *text, struct err *err)
{
    uint64_t number = 0;

    switch (option) {
    case OPTION_TO:
        generator->path = strcmp(text, "-") == 0 ? NULL : text;
        return true;
    case OPTION_RATE:
        return options_rate("--rate", text, &generator->rate, err);
    case OPTION_LINES:
        return options_count("--lines", text, &generator->lines_limit, err);
    case OPTION_FOR:
        return options_duration("--for", text, &generator->time_limit_ms, err);
    case OPTION_RUN:
        generator->lines.run = text;
        return options_name_is_valid(slice_of(text)) ||
               err_set(err, "--run: '%s' is not a name of at most 32 letters, digits, '_' or '-'",
                       text);
    case OPTION_START:
        return options_count("--start", text, &generator->lines.next, err);
    case OPTION_BYTES:
        if (!options_size("--bytes", text, &number, err))
            return false;
        generator->lines.mean_bytes = number;
        return (number >= LINES_SHORTEST && number <= LINES_LONGEST) ||
               err_set(err, "--bytes: %s is not between %d and %d", text, LINES_SHORTEST,
                       LINES_LONGEST);
    case OPTION_SEED:
        if (!options_count("--seed", text, &number, err))
            return false;
        generator->lines.random = random_make(number);
        return true;
    case OPTION_STAMP:
        generator->lines.stamp = true;
        return true;
    case OPTION_ROTATE:
        return options_size("--rotate-bytes", text, &generator->rotate_bytes, err);
    case OPTION_KEEP:
        return options_count("--keep", text, &generator->keep, err);
    }
    return err_set(err, "see 'spillway generate --help'");
}

static bool options_fit(const struct generator *generator, struct err *err)
{
    if (generator->rotate_bytes > 0 && generator->path == NULL)
        return err_set(err, "--rotate-bytes needs a file: add --to FILE");
    if (generator->keep < 1 || generator->keep > KEEP_MOST)
        return err_set(err, "--keep: between 1 and %d", KEEP_MOST);
    return true;
}

static int fail(const struct err *err, int code)
{
    (void)fprintf(stderr, "spillway generate: %s\n", err->text);
    return code;
}

int cli_generate(int argc, char **argv)
{
    static struct generator generator; /* large; set here, or the program had all of it */
    static char run[9];                /* the generator points to it */
    uint32_t chance;
    struct err err = { "" };
    int option;

    generator.fd = -1;
    generator.rate = 1000;
    generator.keep = 5;
    generator.lines.mean_bytes = 230;
    generator.lines.next = 1;
    generator.lines.random = random_make(1);
    random_bytes(&chance, sizeof(chance));
    (void)snprintf(run, sizeof(run), "%08x", (unsigned)chance);
    generator.lines.run = run;
    while ((option = getopt_long(argc, argv, "", long_options, NULL)) != -1) {
        if (option == OPTION_HELP)
            return fputs(help, stdout) < 0;
        if (!set_option(&generator, option, optarg, &err))
            return fail(&err, EXIT_USAGE);
    }
    if (optind < argc) {
        (void)err_set(&err, "what is '%s'? see 'spillway generate --help'", argv[optind]);
        return fail(&err, EXIT_USAGE);
    }
    if (!options_fit(&generator, &err))
        return fail(&err, EXIT_USAGE);
    catch_signals();
    bool ok = open_file(&generator, &err) && generate(&generator, &err);
    (void)fprintf(stderr, "spillway generate: run %s: wrote %ju lines, %ju bytes\n",
                  generator.lines.run, (uintmax_t)generator.written,
                  (uintmax_t)generator.written_bytes);
    return ok ? 0 : fail(&err, 1);
}
