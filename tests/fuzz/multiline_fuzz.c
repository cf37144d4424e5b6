/* SPDX-License-Identifier: Apache-2.0 */
/* Any bytes as a file whose lines are joined. The first three bytes choose format, rules and pace.
 * Read as it grows, with all that is unfinished read again, it gives the same events as read at
 * once. Read through a small window with small bounds it gets on, ends, and loses no byte of a
 * line. */
#include "plugins/inputs/tail/join.h"

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t bytes);

/* A file grows in so many steps at most: each reads again what is not finished. */
enum { LINES_MOST = 200, WINDOW = 512, EVENT_BYTES = 64, MOST_BYTES = 8 * 1024, STEPS_MOST = 256 };
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

void sink_add(struct sink *sink, enum sink_number number, uint64_t count)
{
    CHECK(sink != NULL && number == SINK_PATTERNS_GIVEN_UP && count > 0);
}

void sink_tell(struct sink *sink, enum log_level level, const char *msg, const char *what,
               const char *why)
{
    CHECK(sink != NULL && level == LOG_WARN && msg != NULL && what != NULL && why != NULL);
}

struct plan {
    struct tail_config config;
    struct tail_join **join; /* of this configuration: made once, since patterns are compiled */
    size_t window, pace;     /* bytes that are read at once; that the file grows by */
};

static void read_file(const struct plan *plan, struct slice file, struct sink *sink)
{
    struct err err;
    struct tail_hold hold = { .any = false };
    size_t at = 0, visible = 0, rounds = 0;

    sink->scratch =
        (struct scratch){ .memory = sink->attributes, .room = sizeof(sink->attributes) };
    if (*plan->join == NULL)
        CHECK(tail_join_new(&plan->config, plan->join, &err) && *plan->join != NULL);
    struct tail_join *join = *plan->join;
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
        CHECK(at <= before + bytes);
        for (size_t i = 0; i < TAIL_HOLD_STREAMS; i++)
            CHECK(hold.of[i].since_ms == 0 || (hold.any && hold.of[i].start >= at));
        CHECK(!last || at == file.bytes);
        if (at == before && bytes == plan->window) /* the reader looks over such a line by itself */
            last = true;
        free(own);
        free(copy);
    }
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

/* Their memory is made once, or nothing else is done. */
static struct sink *clear(struct sink *sink)
{
    buf_clear(&sink->bodies);
    sink->count = 0;
    sink->line_bytes = sink->malformed = sink->largest = 0;
    return sink;
}

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t bytes)
{
    static struct tail_join *joins[2][4][4];
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
    if (!tail_join_is_wanted(&plan.config))
        return 0;
    struct slice file = cut(data + 3, bytes - 3);
    static struct sink sinks[3];
    struct sink *whole = clear(&sinks[0]), *grown = clear(&sinks[1]), *small = clear(&sinks[2]);

    plan.pace = UNBOUND;
    plan.join = &joins[0][data[0] % 4][data[1] % 4];
    read_file(&plan, file, whole);
    plan.pace = (size_t)data[2] + 1 + file.bytes / STEPS_MOST;
    read_file(&plan, file, grown);
    CHECK(slice_equals(buf_slice(&whole->bodies), buf_slice(&grown->bodies)));
    CHECK(whole->malformed == grown->malformed);
    if (plan.config.format == TAIL_LINES)
        CHECK(whole->line_bytes + whole->malformed == line_bytes(file));

    plan.window = WINDOW;
    plan.config.max_line_bytes = plan.config.multiline__max_bytes = EVENT_BYTES;
    plan.config.multiline__max_lines = 4;
    plan.join = &joins[1][data[0] % 4][data[1] % 4];
    read_file(&plan, file, small);
    CHECK(small->largest <= EVENT_BYTES);
    return 0;
}
