/* SPDX-License-Identifier: Apache-2.0 */
/* stdin: the lines of standard input.
 * The open file description may be shared with other processes (a shell's terminal), so it is not
 * made non-blocking: poll() first, then one read(). Should another process take the bytes in
 * between, the read waits for more, and the reading with it: nothing is lost by that.
 * Runs in its reading's thread. */
#include "plugin.h"

#include <fcntl.h>
#include <poll.h>

/* LAST_BYTES: at the stop, as much as a pipe holds. */
enum { READ_LEAST = 64 * 1024, EVENT_EXTRA = 64, LAST_BYTES = 1024 * 1024 };

#define STDIN_OPTIONS(X, T)                                                                        \
    X(T, max_line_bytes, size, "64KiB", "1", "1MiB",                                               \
      "Longer lines are cut here, at a whole character, and flagged")                              \
    JOINING_OPTIONS(X, T)
DECLARE_OPTIONS(stdin_config, STDIN_OPTIONS);

struct stdin_lines {
    struct line_buffer buffer;
    uint64_t lines, cut; /* of this collect */
    size_t last_bytes;   /* taken since the stop */
    struct joining joining;
    struct peer nobody; /* the one stream that is joined */
};

static struct joiner_rules rules_of(const struct stdin_config *cfg)
{
    return (struct joiner_rules)JOINING_RULES(cfg, 1);
}

static size_t room_for(const struct host *host)
{
    return host->buffer_bytes > READ_LEAST ? host->buffer_bytes : READ_LEAST;
}

static bool stdin_open(void *state, const void *config, const struct host *host, struct err *err)
{
    const struct stdin_config *cfg = config;
    struct joiner_rules rules = rules_of(cfg);
    struct stdin_lines *in = state;

    if (fcntl(STDIN_FILENO, F_GETFD) < 0)
        return err_set(err, "standard input is closed");
    if (!joining_set(&in->joining, &rules, cfg->max_line_bytes, err))
        return false;
    if (line_buffer_init(&in->buffer, cfg->max_line_bytes, room_for(host)))
        return true;
    joining_fini(&in->joining);
    return err_set(err, "out of memory for lines of standard input");
}

static void join(struct stdin_lines *in, struct sink *sink, const struct line *line)
{
    const struct arrival arrival = { .data = line->text,
                                     .whole_bytes = line->whole_bytes,
                                     .peer = &in->nobody };

    in->cut += line->whole_bytes > line->text.bytes;
    joining_add(&in->joining, sink, &arrival);
}

static void emit(struct stdin_lines *in, struct sink *sink, const struct line *line)
{
    in->lines++;
    if (in->joining.now != NULL) {
        join(in, sink, line);
        return;
    }
    struct event *event = sink_event(sink);
    event->body = line->text;
    if (line->whole_bytes == line->text.bytes)
        return;
    in->cut++;
    event->flags |= EVENT_TRUNCATED;
    event_integer(event, "log.record.original_bytes", (int64_t)line->whole_bytes);
}

static void count_lines(struct stdin_lines *in, struct sink *sink)
{
    sink_add(sink, SINK_LINES, in->lines);
    sink_add(sink, SINK_LINES_TRUNCATED, in->cut);
    in->lines = in->cut = 0;
}

static enum collected end_input(struct stdin_lines *in, struct sink *sink)
{
    struct line line;

    if (line_buffer_rest(&in->buffer, &line)) /* the last one has no newline */
        emit(in, sink, &line);
    joining_end_all(&in->joining, sink);
    count_lines(in, sink);
    return COLLECT_DONE;
}

static enum collected take_lines(struct stdin_lines *in, struct sink *sink)
{
    struct pollfd ready = { .fd = STDIN_FILENO, .events = POLLIN };
    struct line line;
    size_t room;

    if (poll(&ready, 1, 0) == 0)
        return COLLECT_IDLE;
    char *space = line_buffer_space(&in->buffer, &room);
    ssize_t bytes = read(STDIN_FILENO, space, room);
    if (bytes < 0 && (errno == EINTR || errno == EAGAIN))
        return COLLECT_IDLE;
    if (bytes < 0)
        sink_tell(sink, LOG_ERROR, "cannot read", "standard input", strerror(errno));
    if (bytes <= 0)
        return end_input(in, sink);
    line_buffer_add(&in->buffer, (size_t)bytes);
    in->last_bytes += (size_t)bytes;
    while (line_buffer_next(&in->buffer, &line))
        emit(in, sink, &line);
    count_lines(in, sink);
    return COLLECT_MORE;
}

static enum collected stdin_collect(void *state, struct sink *sink)
{
    struct stdin_lines *in = state;

    joining_begin(&in->joining, sink);
    enum collected collected = take_lines(in, sink);
    in->last_bytes = 0;
    joining_tend(&in->joining, sink);
    return collected;
}

static void stdin_wait(void *state, struct waits *waits)
{
    struct stdin_lines *in = state;

    waits->fds[waits->fd_count++] = STDIN_FILENO;
    joining_wait(&in->joining, waits);
}

/* What is in the pipe by then, and a line that is not whole: nobody else has it. Should a reload
 * bring the input back, its rest is another event. */
static enum collected stdin_last(void *state, struct sink *sink)
{
    struct stdin_lines *in = state;

    joining_begin(&in->joining, sink);
    if (in->last_bytes < LAST_BYTES && take_lines(in, sink) == COLLECT_MORE)
        return COLLECT_MORE;
    (void)end_input(in, sink);
    return COLLECT_IDLE;
}

/* What it has read and not offered stays. */
static bool stdin_change(void *state, const void *config, const struct host *host, struct err *err)
{
    const struct stdin_config *cfg = config;
    struct joiner_rules rules = rules_of(cfg);
    struct stdin_lines *in = state;

    if (!joining_set(&in->joining, &rules, cfg->max_line_bytes, err))
        return false;
    if (line_buffer_change(&in->buffer, cfg->max_line_bytes, room_for(host)))
        return true;
    joining_undo(&in->joining);
    return err_set(err, "out of memory for lines of standard input");
}

static void stdin_close(void *state)
{
    struct stdin_lines *in = state;
    line_buffer_fini(&in->buffer);
    joining_fini(&in->joining);
}

static uint64_t stdin_max_event_bytes(const void *config)
{
    const struct stdin_config *cfg = config;
    struct joiner_rules rules = rules_of(cfg);

    return joining_event_bytes(&rules, cfg->max_line_bytes) + EVENT_EXTRA;
}

static uint64_t stdin_memory_bytes(const void *config)
{
    const struct stdin_config *cfg = config;
    struct joiner_rules rules = rules_of(cfg);

    return joining_memory_bytes(&rules, cfg->max_line_bytes);
}

static bool stdin_check(const void *config, struct err *err)
{
    struct joiner_rules rules = rules_of(config);

    return joining_check(&rules, err);
}

const struct input input_stdin = {
    .type = { PLUGIN_TYPE("stdin", "Lines of standard input", stdin_config, stdin_lines),
              .max_event_bytes = stdin_max_event_bytes, .memory_bytes = stdin_memory_bytes,
              .check = stdin_check },
    .open = stdin_open,
    .collect = stdin_collect,
    .wait = stdin_wait,
    .last = stdin_last,
    .close = stdin_close,
    .change = stdin_change,
};
