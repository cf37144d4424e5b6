/* SPDX-License-Identifier: Apache-2.0 */
/* Any bytes as a file whose lines are joined. The first three bytes choose format, rules and pace.
 * Read as it grows, with all that is unfinished read again, it gives the same events as read at
 * once. Read through a small window with small bounds it gets on, ends, and loses no byte of a
 * line. */
#include "plugins/inputs/tail/join.h"

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t bytes);

enum { LINES_MOST = 200, WINDOW = 512, EVENT_BYTES = 64, MOST_BYTES = 16 * 1024 };
static const size_t UNBOUND = 1024 * 1024;

/* The core's side: events of a read are taken at its end, since they point into its memory. */
struct sink {
    struct event events[1024], *event;
    size_t count;
    char attributes[512 * 1024];
    struct scratch scratch;
    struct buf bodies; /* each ended by a line of its own */
    uint64_t line_bytes, malformed, largest;
};

static void flush(struct sink *sink)
{
    for (size_t i = 0; i < sink->count; i++) {
        struct slice body = sink->events[i].body;
        CHECK(body.bytes > 0);
        for (size_t at = 0; at < body.bytes; at++)
            sink->line_bytes += body.data[at] != '\n' && body.data[at] != '\r';
        sink->largest = body.bytes > sink->largest ? body.bytes : sink->largest;
        CHECK(buf_add(&sink->bodies, body.data, body.bytes) &&
              buf_add_text(&sink->bodies, "\n--\n"));
    }
    sink->count = sink->scratch.used = 0;
}

struct event *sink_event(struct sink *sink)
{
    CHECK(sink->count < sizeof(sink->events) / sizeof(sink->events[0]));
    struct event *event = &sink->events[sink->count++];
    *event = (struct event){ .scratch = &sink->scratch };
    return event;
}

void sink_malformed(struct sink *sink, const char *what, uint64_t events, uint64_t bytes)
{
    CHECK(what != NULL && events == 0);
    sink->malformed += bytes;
}

void sink_tell(struct sink *sink, enum log_level level, const char *msg, const char *what,
               const char *why)
{
    CHECK(sink != NULL && level == LOG_WARN && msg != NULL && what != NULL && why != NULL);
}

struct plan {
    struct tail_config config;
    size_t window, pace; /* bytes that are read at once; that the file grows by */
};

static void read_file(const struct plan *plan, struct slice file, struct sink *sink)
{
    struct err err;
    struct tail_join *join = NULL;
    struct tail_hold hold = { .since_ms = 0 };
    size_t at = 0, visible = 0, rounds = 0;

    sink->scratch =
        (struct scratch){ .memory = sink->attributes, .room = sizeof(sink->attributes) };
    CHECK(tail_join_new(&plan->config, &join, &err) && join != NULL);
    for (bool last = false; !last;) {
        size_t before = at;
        visible = visible + plan->pace < file.bytes ? visible + plan->pace : file.bytes;
        size_t bytes = visible - at < plan->window ? visible - at : plan->window;
        last = at + bytes == file.bytes && visible == file.bytes;
        char *own = malloc(bytes + 1), *copy = malloc(bytes + 1);
        CHECK(own != NULL && copy != NULL && rounds++ < 4 * file.bytes + 16);
        memcpy(own, file.data + at, bytes);
        struct tail_lines lines = { .sink = sink,
                                    .path = "x",
                                    .max_line_bytes = (size_t)plan->config.max_line_bytes };
        const struct tail_join_read read = { .lines = &lines,
                                             .data = own,
                                             .bytes = bytes,
                                             .copy = copy,
                                             .offset = at,
                                             .is_full = bytes == plan->window,
                                             .is_last = last,
                                             .now_ms = 1 };
        at += tail_join_split(join, &read, &hold);
        flush(sink);
        CHECK(at <= before + bytes && (hold.since_ms == 0 || (hold.start >= at && hold.end > at)));
        CHECK(!last || at == file.bytes);
        if (at == before && bytes == plan->window) /* the reader looks over such a line by itself */
            last = true;
        free(own);
        free(copy);
    }
    tail_join_free(&join);
}

static size_t line_bytes(struct slice file)
{
    size_t count = 0;
    for (size_t i = 0; i < file.bytes; i++)
        count += file.data[i] != '\n' && file.data[i] != '\r';
    return count;
}

/* At most so many lines: beyond what stands side by side an event is ended where the read began. */
static struct slice cut(const uint8_t *data, size_t bytes)
{
    size_t end = 0, lines = 0;

    for (; end < bytes && end < MOST_BYTES && lines < LINES_MOST; end++)
        lines += data[end] == '\n';
    return (struct slice){ (const char *)data, end };
}

static struct sink *new_sink(void)
{
    struct sink *sink = calloc(1, sizeof(*sink));
    CHECK(sink != NULL);
    return sink;
}

static void end_sink(struct sink *sink)
{
    buf_fini(&sink->bodies);
    free(sink);
}

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t bytes)
{
    static const char *traces[] = { "java", "python", "go", "ruby", "dotnet", "javascript" };
    struct plan plan = { .config = { .multiline__start = "",
                                     .multiline__continuation = "",
                                     .multiline__max_lines = 1000,
                                     .multiline__max_bytes = UNBOUND,
                                     .multiline__wait = 1000,
                                     .max_line_bytes = UNBOUND },
                         .window = UNBOUND };

    if (bytes < 3)
        return 0;
    plan.config.format = data[0] % 4;
    if (data[1] % 4 == 0 || (data[1] % 4 == 3 && plan.config.format == TAIL_LINES))
        plan.config.multiline__start = "^\\d";
    if (data[1] % 4 == 1)
        plan.config.multiline__traces = (struct text_list){ traces, 6 };
    if (data[1] % 4 == 2)
        plan.config.multiline__continuation = "^\\s";
    struct slice file = cut(data + 3, bytes - 3);
    struct sink *whole = new_sink(), *grown = new_sink(), *small = new_sink();

    plan.pace = UNBOUND;
    read_file(&plan, file, whole);
    plan.pace = (size_t)data[2] + 1;
    read_file(&plan, file, grown);
    CHECK(slice_equals(buf_slice(&whole->bodies), buf_slice(&grown->bodies)));
    CHECK(whole->malformed == grown->malformed);
    if (plan.config.format == TAIL_LINES)
        CHECK(whole->line_bytes + whole->malformed == line_bytes(file));

    plan.window = WINDOW;
    plan.config.max_line_bytes = plan.config.multiline__max_bytes = EVENT_BYTES;
    plan.config.multiline__max_lines = 2 + data[2] % 8;
    read_file(&plan, file, small);
    CHECK(small->largest <= EVENT_BYTES);
    end_sink(whole);
    end_sink(grown);
    end_sink(small);
    return 0;
}
