/* SPDX-License-Identifier: Apache-2.0 */
/* stdin: the lines of standard input.
 * The open file description may be shared with other processes (a shell's terminal), so it is not
 * made non-blocking: poll() first, then one read(). Should another process take the bytes in
 * between, the read waits for more, and the reading with it: nothing is lost by that.
 * Runs in its reading's thread. */
#include "plugin.h"

#include <fcntl.h>
#include <poll.h>

enum { READ_LEAST = 64 * 1024, HEAD_EXTRA = 2, EVENT_EXTRA = 64 };

#define STDIN_OPTIONS(X, T)                                                                        \
    X(T, max_line_bytes, size, "64KiB", "1", "1MiB",                                               \
      "Longer lines are cut here, at a whole character, and flagged")
DECLARE_OPTIONS(stdin_config, STDIN_OPTIONS);

struct stdin_lines {
    size_t max_line_bytes;
    char *buffer;
    size_t room, filled;
    size_t taken;        /* bytes at the front that are offered: they go at the next collect */
    uint64_t dropped;    /* bytes of the unfinished line at the front that were thrown away */
    uint64_t lines, cut; /* of this collect */
};

static size_t room_for(const struct stdin_config *cfg, const struct host *host)
{
    size_t room = cfg->max_line_bytes + HEAD_EXTRA + READ_LEAST;

    return room > host->buffer_bytes ? room : host->buffer_bytes;
}

static bool stdin_open(void *state, const void *config, const struct host *host, struct err *err)
{
    const struct stdin_config *cfg = config;
    struct stdin_lines *in = state;

    if (fcntl(STDIN_FILENO, F_GETFD) < 0)
        return err_set(err, "standard input is closed");
    in->max_line_bytes = cfg->max_line_bytes;
    in->room = room_for(cfg, host);
    in->buffer = malloc(in->room);
    return in->buffer != NULL || err_set(err, "out of memory for %zu bytes", in->room);
}

static void emit(struct stdin_lines *in, struct sink *sink, const char *line, const char *end)
{
    uint64_t whole_bytes = (uint64_t)(end - line) + in->dropped;

    in->dropped = 0;
    if (whole_bytes > 0 && end > line && end[-1] == '\r')
        whole_bytes--;
    if (whole_bytes == 0)
        return;
    struct event *event = sink_event(sink);
    in->lines++;
    if (whole_bytes <= in->max_line_bytes) {
        event->body = (struct slice){ line, (size_t)whole_bytes };
        return;
    }
    in->cut++;
    struct slice head = { line, in->max_line_bytes + 1 };
    event->body = (struct slice){ line, slice_cut(head, in->max_line_bytes) };
    event->flags |= EVENT_TRUNCATED;
    event_integer(event, "log.record.original_bytes", (int64_t)whole_bytes);
}

/* Makes room behind what is not offered yet. Of a line that fills the buffer the head stays, and
 * the last byte, for it may be the '\r' of a line's end. */
static void make_room(struct stdin_lines *in)
{
    in->filled -= in->taken;
    memmove(in->buffer, in->buffer + in->taken, in->filled);
    in->taken = 0;
    if (in->filled < in->room)
        return;
    size_t head = in->max_line_bytes + HEAD_EXTRA;
    in->buffer[head - 1] = in->buffer[in->filled - 1];
    in->dropped += in->filled - head;
    in->filled = head;
}

static void take_lines(struct stdin_lines *in, struct sink *sink, size_t fresh)
{
    const char *at = in->buffer, *end = in->buffer + in->filled;
    const char *look = end - fresh; /* what was there before has no newline */
    const char *newline;

    while ((newline = memchr(look, '\n', (size_t)(end - look))) != NULL) {
        emit(in, sink, at, newline);
        at = look = newline + 1;
    }
    in->taken = (size_t)(at - in->buffer);
}

static void count_lines(struct stdin_lines *in, struct sink *sink)
{
    sink_add(sink, SINK_LINES, in->lines);
    sink_add(sink, SINK_LINES_TRUNCATED, in->cut);
    in->lines = in->cut = 0;
}

static enum collected end_input(struct stdin_lines *in, struct sink *sink)
{
    if (in->filled > 0) /* the last line has no newline */
        emit(in, sink, in->buffer, in->buffer + in->filled);
    in->taken = in->filled;
    count_lines(in, sink);
    return COLLECT_DONE;
}

static enum collected stdin_collect(void *state, struct sink *sink)
{
    struct stdin_lines *in = state;
    struct pollfd ready = { .fd = STDIN_FILENO, .events = POLLIN };

    if (poll(&ready, 1, 0) == 0)
        return COLLECT_IDLE;
    make_room(in);
    ssize_t bytes = read(STDIN_FILENO, in->buffer + in->filled, in->room - in->filled);
    if (bytes < 0 && (errno == EINTR || errno == EAGAIN))
        return COLLECT_IDLE;
    if (bytes < 0)
        sink_tell(sink, LOG_ERROR, "cannot read", "standard input", strerror(errno));
    if (bytes <= 0)
        return end_input(in, sink);
    in->filled += (size_t)bytes;
    take_lines(in, sink, (size_t)bytes);
    count_lines(in, sink);
    return COLLECT_MORE;
}

static void stdin_wait(void *state, struct waits *waits)
{
    (void)state;
    waits->fds[waits->fd_count++] = STDIN_FILENO;
}

/* What it has read and not offered stays. The buffer never shrinks, so that there is a way back. */
static bool stdin_change(void *state, const void *config, const struct host *host, struct err *err)
{
    const struct stdin_config *cfg = config;
    struct stdin_lines *in = state;
    size_t room = room_for(cfg, host);

    if (room > in->room) {
        char *larger = realloc(in->buffer, room);
        if (larger == NULL)
            return err_set(err, "out of memory for %zu bytes", room);
        in->buffer = larger;
        in->room = room;
    }
    in->max_line_bytes = cfg->max_line_bytes;
    return true;
}

static void stdin_close(void *state)
{
    struct stdin_lines *in = state;
    free(in->buffer);
}

static uint64_t stdin_max_event_bytes(const void *config)
{
    const struct stdin_config *cfg = config;
    return cfg->max_line_bytes + EVENT_EXTRA;
}

const struct input input_stdin = {
    .type = { PLUGIN_TYPE("stdin", "Lines of standard input", stdin_config, stdin_lines),
              .max_event_bytes = stdin_max_event_bytes },
    .open = stdin_open,
    .collect = stdin_collect,
    .wait = stdin_wait,
    .close = stdin_close,
    .change = stdin_change,
};
