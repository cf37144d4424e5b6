/* SPDX-License-Identifier: Apache-2.0 */
#include "run.h"

#include <signal.h>

enum {
    ERROR_LINE_BYTES = 256,
    LINGER_MS = 2500,     /* what holds the output after the end is killed before that */
    LATE_BYTES = 1 << 20, /* and what is left in the pipe is no more than this */
    NOTE_BLOCKED_MS = 5,  /* shorter ones are work, and no waits for a lane */
    TEXT_BYTES = 256
};

bool run_change(struct run *run, const struct exec_config *config)
{
    return line_buffer_change(&run->output, config->max_event_bytes, RUN_READ_BYTES);
}

bool run_init(struct run *run, const struct exec_config *config)
{
    return line_buffer_init(&run->output, config->max_event_bytes, RUN_READ_BYTES) &&
           line_buffer_init(&run->errors, ERROR_LINE_BYTES, RUN_ERROR_BYTES);
}

void run_fini(struct run *run)
{
    child_free(&run->child);
    resource_unref(&run->resource);
    line_buffer_fini(&run->output);
    line_buffer_fini(&run->errors);
}

static const char *name_of(const struct exec_config *config)
{
    const char *slash = strrchr(config->command.items[0], '/');

    return slash == NULL ? config->command.items[0] : slash + 1;
}

/* ---- events ---- */

static struct resource *make_resource(const struct exec_config *config, const struct host *host,
                                      int64_t pid)
{
    enum { OWN = 3 };
    struct attribute *attributes = calloc(host->base_count + OWN, sizeof(*attributes));
    size_t count = host->base_count;
    struct slice name = slice_of(name_of(config)), command = slice_of(config->command.items[0]);

    if (attributes == NULL)
        return NULL;
    if (count > 0)
        memcpy(attributes, host->base, count * sizeof(*attributes));
    attributes[count++] =
        (struct attribute){ SLICE("process.executable.name"), { VALUE_TEXT, { .text = name } } };
    attributes[count++] =
        (struct attribute){ SLICE("process.command"), { VALUE_TEXT, { .text = command } } };
    if (pid > 0)
        attributes[count++] =
            (struct attribute){ SLICE("process.pid"), { VALUE_INT, { .integer = pid } } };
    struct resource *made = resource_new(attributes, count);
    free(attributes);
    return made;
}

static struct event *add_event(struct run *run, struct sink *sink)
{
    struct event *event = sink_event(sink);

    event->resource = run->resource;
    return event;
}

static struct event *emit(struct run *run, struct sink *sink, const struct line *line)
{
    struct event *event = add_event(run, sink);

    run->lines++;
    event->body = line->text;
    if (line->text.bytes < line->whole_bytes) {
        run->cut++;
        event->flags |= EVENT_TRUNCATED;
        event_integer(event, "log.record.original_bytes", (int64_t)line->whole_bytes);
    }
    return event;
}

static void quote(const struct exec_config *config, struct sink *sink, const struct line *line)
{
    sink_quote(sink, LOG_WARN, "a command wrote to its standard error", name_of(config),
               line->text);
}

/* ---- its pipes ---- */

/* Reads once. false: there is nothing now; *ret_ended: and there will be nothing. */
static bool read_pipe(int fd, struct line_buffer *buffer, bool *ret_ended, size_t *ret_bytes)
{
    size_t room;
    char *space = line_buffer_space(buffer, &room);
    ssize_t bytes = read(fd, space, room);

    *ret_ended = bytes == 0 || (bytes < 0 && errno != EAGAIN && errno != EINTR);
    *ret_bytes = bytes > 0 ? (size_t)bytes : 0;
    line_buffer_add(buffer, *ret_bytes);
    return bytes > 0;
}

static bool read_output(struct run *run, const struct exec_config *config, struct sink *sink)
{
    bool ended;
    size_t bytes;
    struct line line;

    if (child_output(run->child) < 0)
        return false;
    bool more = read_pipe(child_output(run->child), &run->output, &ended, &bytes);
    if (run->ended_ms != 0)
        run->late_bytes += bytes;
    while (config->event_per == EXEC_PER_LINE && line_buffer_next(&run->output, &line))
        (void)emit(run, sink, &line);
    if (ended)
        child_close_output(run->child);
    return more;
}

static bool read_errors(struct run *run, const struct exec_config *config, struct sink *sink)
{
    bool ended;
    size_t bytes;
    struct line line;

    if (child_errors(run->child) < 0)
        return false;
    bool more = read_pipe(child_errors(run->child), &run->errors, &ended, &bytes);
    while (line_buffer_next(&run->errors, &line))
        quote(config, sink, &line);
    if (ended)
        child_close_errors(run->child);
    return more;
}

/* ---- its end ---- */

/* Why it failed; "": it did not. */
static void explain(const struct run *run, const struct exec_config *config,
                    const struct child_news *news, char text[TEXT_BYTES])
{
    int used = 0;

    text[0] = '\0';
    if (run->has_timed_out)
        used = snprintf(text, TEXT_BYTES, "took longer than %lld ms, ", (long long)config->timeout);
    switch (news->state) {
    case CHILD_RUNS:
        return;
    case CHILD_FAILED:
        (void)snprintf(text, TEXT_BYTES, "%s: %s", news->what, strerror(news->error));
        return;
    case CHILD_EXITED:
        (void)snprintf(text + used, (size_t)(TEXT_BYTES - used), "exited with status %d",
                       news->number);
        return;
    case CHILD_KILLED:
        (void)snprintf(text + used, (size_t)(TEXT_BYTES - used), "ended by signal %d (%s)",
                       news->number, strsignal(news->number));
        return;
    }
}

static bool has_failed(const struct run *run, const struct child_news *news)
{
    if (run->is_unwanted)
        return news->state == CHILD_FAILED;
    return run->has_timed_out || news->state != CHILD_EXITED || news->number != 0;
}

static void add_exit_code(struct event *event, const struct child_news *news)
{
    if (news->state == CHILD_EXITED)
        event_integer(event, "process.exit.code", news->number);
}

static void emit_exit(struct run *run, struct sink *sink, const struct child_news *news,
                      bool failed, const char *text)
{
    struct event *event = add_event(run, sink);
    char number[16];

    event->body = event_keep(event, slice_of(text));
    event->severity = failed ? SEVERITY_ERROR : SEVERITY_INFO;
    add_exit_code(event, news);
    if (!failed)
        return;
    (void)snprintf(number, sizeof(number), "%d", news->number);
    const char *type = run->has_timed_out            ? "timeout"
                       : news->state == CHILD_FAILED ? strerrorname_np(news->error)
                       : news->state == CHILD_KILLED ? sigabbrev_np(news->number)
                                                     : number;
    event_text(event, "error.type", event_keep(event, slice_of(type)));
}

/* All that a run wrote, without its last line's end. */
static void emit_rest(struct run *run, const struct exec_config *config, struct sink *sink,
                      const struct child_news *news)
{
    struct line line;

    if (!line_buffer_rest(&run->output, &line))
        return;
    bool is_cut = line.text.bytes < line.whole_bytes;
    while (!is_cut && line.text.bytes > 0 &&
           (line.text.data[line.text.bytes - 1] == '\n' ||
            line.text.data[line.text.bytes - 1] == '\r'))
        line.whole_bytes = --line.text.bytes;
    if (line.text.bytes == 0)
        return;
    struct event *event = emit(run, sink, &line);
    if (config->event_per == EXEC_PER_RUN)
        add_exit_code(event, news);
}

static void end_run(struct run *run, const struct exec_config *config, struct sink *sink,
                    const struct child_news *news)
{
    bool failed = has_failed(run, news);
    char text[TEXT_BYTES];
    struct line line;

    explain(run, config, news, text);
    emit_rest(run, config, sink, news);
    if (line_buffer_rest(&run->errors, &line))
        quote(config, sink, &line);
    if (config->exit_event == EXEC_EXIT_ALWAYS ||
        (failed && config->exit_event == EXEC_EXIT_FAILURES))
        emit_exit(run, sink, news, failed, text);
    if (failed) {
        sink_add(sink, SINK_RUNS_FAILED, 1);
        sink_tell(sink, LOG_WARN, "a run failed", name_of(config), text);
    }
    if (child_output(run->child) >= 0)
        sink_tell(sink, LOG_WARN, "something that a run left behind holds its output",
                  name_of(config), "it is not read any more");
    child_free(&run->child);
}

/* ---- its time ---- */

static void keep_time(struct run *run, const struct exec_config *config, int64_t now_ms)
{
    if (run->ended_ms != 0)
        return;
    if (run->told_ms == 0 && config->mode == EXEC_INTERVAL && config->timeout > 0 &&
        now_ms - run->began_ms - run->blocked_ms >= config->timeout) {
        run->has_timed_out = true;
        run->told_ms = now_ms;
        child_signal(run->child, SIGTERM);
    }
    if (run->told_ms != 0 && !run->is_killed && now_ms - run->told_ms >= config->kill_after) {
        run->is_killed = true;
        child_signal(run->child, SIGKILL);
    }
}

void run_tell_to_end(struct run *run)
{
    if (run->child == NULL || run->is_unwanted)
        return;
    run->is_unwanted = true;
    if (run->told_ms != 0)
        return;
    run->told_ms = clock_now_ms();
    child_signal(run->child, SIGTERM);
}

/* Output is read once it is known whose it is. false: it is not yet. */
static bool take_news(struct run *run, const struct exec_config *config, const struct host *host,
                      const struct child_news *news, int64_t now_ms)
{
    if (run->resource == NULL && (news->pid > 0 || news->state != CHILD_RUNS))
        run->resource = make_resource(config, host, news->pid); /* NULL: events without it */
    if (news->state != CHILD_RUNS && run->ended_ms == 0)
        run->ended_ms = now_ms;
    return news->pid > 0 || news->state != CHILD_RUNS;
}

static bool is_over(const struct run *run, bool more, int64_t now_ms)
{
    if (run->ended_ms == 0)
        return false;
    if (child_output(run->child) < 0 && child_errors(run->child) < 0)
        return true;
    return now_ms - run->ended_ms >= LINGER_MS && (!more || run->late_bytes > LATE_BYTES);
}

bool run_start(struct run *run, const struct exec_config *config, const struct host *host,
               struct slice request, struct sink *sink)
{
    struct err err = { "" };

    resource_unref(&run->resource);
    run->began_ms = clock_now_ms();
    run->blocked_ms = run->told_ms = run->ended_ms = 0;
    run->late_bytes = 0;
    run->is_killed = run->has_timed_out = run->is_unwanted = false;
    sink_add(sink, SINK_RUNS, 1);
    run->child = child_start(host->starter, request, &err);
    if (run->child != NULL)
        return true;
    sink_add(sink, SINK_RUNS_FAILED, 1);
    sink_tell(sink, LOG_ERROR, "a run failed", name_of(config), err.text);
    return false;
}

static bool read_pipes(struct run *run, const struct exec_config *config, struct sink *sink)
{
    int64_t began_ms = clock_now_ms();
    bool more = read_output(run, config, sink);

    more = read_errors(run, config, sink) || more;
    if (run->lines > 0)
        (void)sink_flush(sink);
    /* A child that waits because we do is not slow. */
    int64_t took_ms = clock_now_ms() - began_ms;
    if (took_ms >= NOTE_BLOCKED_MS)
        run->blocked_ms += took_ms;
    return more;
}

enum collected run_step(struct run *run, const struct exec_config *config, const struct host *host,
                        struct sink *sink)
{
    struct child_news news = child_look(run->child);
    bool more =
        take_news(run, config, host, &news, clock_now_ms()) && read_pipes(run, config, sink);
    int64_t now_ms = clock_now_ms();

    keep_time(run, config, now_ms);
    if (is_over(run, more, now_ms))
        end_run(run, config, sink, &news);
    sink_add(sink, SINK_LINES, run->lines);
    sink_add(sink, SINK_LINES_TRUNCATED, run->cut);
    run->lines = run->cut = 0;
    return more ? COLLECT_MORE : COLLECT_IDLE;
}

static int64_t sooner_ms(int64_t a_ms, int64_t b_ms)
{
    return a_ms == 0 || (b_ms != 0 && b_ms < a_ms) ? b_ms : a_ms;
}

int64_t run_wait(const struct run *run, const struct exec_config *config, struct waits *waits)
{
    int64_t until_ms = 0;
    int fds[] = { child_output(run->child), child_errors(run->child),
                  run->ended_ms == 0 ? child_line(run->child) : -1 };

    for (size_t i = 0; i < sizeof(fds) / sizeof(fds[0]); i++) {
        if (fds[i] >= 0)
            waits->fds[waits->fd_count++] = fds[i];
    }
    if (run->ended_ms != 0)
        return run->ended_ms + LINGER_MS;
    if (run->told_ms == 0 && config->mode == EXEC_INTERVAL && config->timeout > 0)
        until_ms = run->began_ms + run->blocked_ms + config->timeout;
    if (run->told_ms != 0 && !run->is_killed)
        until_ms = sooner_ms(until_ms, run->told_ms + config->kill_after);
    return until_ms;
}
