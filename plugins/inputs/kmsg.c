/* SPDX-License-Identifier: Apache-2.0 */
/* kmsg: the kernel's own log, from /dev/kmsg.
 * Each read() gives one message with its number since the boot. The kernel keeps them in a ring of
 * its own and overwrites the oldest: a jump in the numbers is how many are gone before they were
 * read. The position is the boot's id and the next number, so a restart goes on where it was, and
 * after a reboot what was overwritten before the start is known too.
 * Runs in its reading's thread. */
#include "plugin.h"

#include "kmsg/record.h"

#include <fcntl.h>

enum {
    RECORD_BYTES = 8192, /* the kernel's CONSOLE_EXT_LOG_MAX: a smaller buffer gets EINVAL */
    EVENT_EXTRA = 1024,
    BOOT_ID_BYTES = 64,
    KEY_BYTES = 64
};
/* Smaller changes between the two clocks are noise of reading them: times of messages keep their
 * distances. */
static const int64_t CLOCK_STEP_NS = 20 * NS_PER_MS;

enum kmsg_start { KMSG_START_BEGINNING, KMSG_START_END };

#define KMSG_OPTIONS(X, T)                                                                         \
    X(T, path, text, "/dev/kmsg", ANY, ANY, "The device to read")                                  \
    X(T, start_at, choice, "beginning", "beginning|end", ANY,                                      \
      "Where to begin at the first start: with all that the kernel still has of this boot, or "    \
      "with what comes")
DECLARE_OPTIONS(kmsg_config, KMSG_OPTIONS);

struct kmsg {
    const struct kmsg_config *config;
    int fd;
    char *buffer;
    size_t room;
    char boot_id[BOOT_ID_BYTES];
    int64_t boot_ns;  /* wall-clock time at which the kernel's clock was 0 */
    bool knows_place; /* `next` is the number that has to come now */
    bool passes_over; /* start_at: end, and what was there is not all passed over yet */
    uint64_t next;
    bool has_settled; /* `settled` is a position that may be saved */
    uint64_t settled;
    uint64_t lines, unparsed; /* of this collect */
};

struct kmsg_mark {
    uint64_t stream; /* there is one */
    uint64_t next;
};
_Static_assert(sizeof(struct kmsg_mark) <= MARK_BYTES, "a mark fits");

static bool is_for_want_of_rights(int error)
{
    /* ENOENT: the service does not see devices. */
    return error == EPERM || error == EACCES || error == ENOENT;
}

static bool read_boot_id(struct kmsg *kmsg, struct err *err)
{
    static const char path[] = "/proc/sys/kernel/random/boot_id";
    FILE *file = fopen(path, "re");
    bool read = file != NULL && fscanf(file, "%63s", kmsg->boot_id) == 1;

    if (file != NULL)
        (void)fclose(file);
    return read ||
           err_set(err, "cannot read '%s', which tells one boot's numbers from another's", path);
}

static bool kmsg_open(void *state, const void *config, const struct host *host, struct err *err)
{
    struct kmsg *kmsg = state;

    kmsg->config = config;
    kmsg->room = host->buffer_bytes > RECORD_BYTES ? host->buffer_bytes : RECORD_BYTES;
    kmsg->passes_over = kmsg->config->start_at == KMSG_START_END;
    if (!read_boot_id(kmsg, err))
        return false;
    kmsg->fd = open(kmsg->config->path, O_RDONLY | O_NONBLOCK | O_CLOEXEC);
    if (kmsg->fd < 0) {
        bool lacks_rights = is_for_want_of_rights(errno);
        return err_set(err, "cannot open '%s': %s%s%s", kmsg->config->path, strerror(errno),
                       lacks_rights ? "; reading the kernel's log takes " : "",
                       lacks_rights ? capability_advice(CAP_SYSLOG) : "");
    }
    kmsg->buffer = malloc(kmsg->room);
    if (kmsg->buffer == NULL) {
        (void)close(kmsg->fd);
        return err_set(err, "out of memory for %zu bytes", kmsg->room);
    }
    return true;
}

static bool kmsg_restore(void *state, struct slice checkpoint, struct err *err)
{
    struct kmsg *kmsg = state;
    char text[256], boot_id[BOOT_ID_BYTES];
    unsigned long long next;
    int used = 0;

    if (checkpoint.bytes == 0)
        return true; /* saved before there was a position */
    if (checkpoint.bytes >= sizeof(text))
        return err_set(err, "it is too long for a position in the kernel's log");
    memcpy(text, checkpoint.data, checkpoint.bytes);
    text[checkpoint.bytes] = '\0';
    if (sscanf(text, "spillway-kmsg 1 %63s %llu %n", boot_id, &next, &used) != 2 ||
        text[used] != '\0')
        return err_set(err, "it is not 'spillway-kmsg 1 BOOT-ID NUMBER'");
    /* Numbers begin anew with each boot: all of this one has to come, whatever start_at says. */
    kmsg->next = strcmp(boot_id, kmsg->boot_id) == 0 ? next : 0;
    kmsg->settled = kmsg->next;
    kmsg->has_settled = kmsg->knows_place = true;
    kmsg->passes_over = false;
    return true;
}

/* ---- messages ---- */

static void watch_clocks(struct kmsg *kmsg)
{
    int64_t boot_ns = clock_real_ns() - clock_now_ms() * NS_PER_MS;
    int64_t change_ns = boot_ns - kmsg->boot_ns;

    if (change_ns > CLOCK_STEP_NS || change_ns < -CLOCK_STEP_NS)
        kmsg->boot_ns = boot_ns;
}

/* "T123" or "C1", by the names of OpenTelemetry's conventions. */
static void add_caller(struct event *event, struct slice caller)
{
    int64_t number = 0;

    if (caller.bytes < 2 || caller.bytes > 10)
        return;
    for (size_t i = 1; i < caller.bytes; i++) {
        if (caller.data[i] < '0' || caller.data[i] > '9')
            return;
        number = number * 10 + (caller.data[i] - '0');
    }
    if (caller.data[0] == 'T')
        event_integer(event, "thread.id", number);
    else if (caller.data[0] == 'C')
        event_integer(event, "cpu.logical_number", number);
}

/* SUBSYSTEM=usb is linux.kmsg.subsystem: usb. */
static void add_dictionary(struct event *event, struct slice dictionary)
{
    static const struct slice prefix = SLICE("linux.kmsg.");
    struct slice key, value;
    char name[KEY_BYTES];

    memcpy(name, prefix.data, prefix.bytes);
    while (kmsg_pair(&dictionary, &key, &value)) {
        size_t bytes = prefix.bytes + key.bytes;
        struct slice kept = { NULL, 0 };
        if (bytes <= sizeof(name)) {
            for (size_t i = 0; i < key.bytes; i++) {
                bool is_upper = key.data[i] >= 'A' && key.data[i] <= 'Z';
                name[prefix.bytes + i] = (char)(key.data[i] + (is_upper ? 'a' - 'A' : 0));
            }
            kept = event_keep(event, (struct slice){ name, bytes });
        }
        if (kept.bytes == 0)
            event->lost_attributes++;
        else
            event_set(event, kept, (struct value){ .kind = VALUE_TEXT, .text = value });
    }
}

static void emit(struct kmsg *kmsg, struct sink *sink, const struct kmsg_record *record)
{
    struct event *event = sink_event(sink);

    event->body = record->message;
    event->time_ns = kmsg->boot_ns + (int64_t)(record->since_boot_us * 1000);
    event_syslog_severity(event, record->level);
    event_integer(event, "log.syslog.facility.code", record->facility);
    event_integer(event, "linux.kmsg.sequence", (int64_t)record->sequence);
    add_caller(event, record->caller);
    add_dictionary(event, record->dictionary);
    kmsg->lines++;
}

/* What cannot be read as a record is shipped as it is. */
static void emit_raw(struct kmsg *kmsg, struct sink *sink, const char *data, size_t bytes)
{
    struct event *event = sink_event(sink);

    if (bytes > 0 && data[bytes - 1] == '\n')
        bytes--;
    event->body = (struct slice){ data, bytes };
    event_text(event, "log.parse_error", SLICE("not a record of /dev/kmsg"));
    kmsg->lines++;
    kmsg->unparsed++;
}

/* Its number is not asked for: to look for that may be what starts before this one died of. */
static bool set_aside_if_fatal(struct kmsg *kmsg, struct sink *sink, const char *data, size_t bytes)
{
    const struct fatal_place *place = sink_fatal_place(sink);

    if (place == NULL || place->source != in_hand_name(data, bytes))
        return false;
    sink_set_aside(sink, (struct slice){ data, bytes }, NULL);
    sink_set_aside_done(sink, kmsg->config->path);
    kmsg->next += kmsg->knows_place;
    return true;
}

static void take_record(struct kmsg *kmsg, struct sink *sink, char *data, size_t bytes)
{
    struct kmsg_record record;

    if (set_aside_if_fatal(kmsg, sink, data, bytes))
        return;
    in_hand_of(in_hand_name(data, bytes));
    in_hand_take(0, bytes);

    if (!kmsg_parse(data, bytes, &record)) {
        emit_raw(kmsg, sink, data, bytes);
        return;
    }
    if (kmsg->knows_place && record.sequence < kmsg->next)
        return; /* it was settled before the restart */
    if (kmsg->knows_place && record.sequence > kmsg->next)
        sink_lost(sink, kmsg->config->path, record.sequence - kmsg->next, 0);
    kmsg->knows_place = true;
    kmsg->next = record.sequence + 1;
    if (!kmsg->passes_over)
        emit(kmsg, sink, &record);
}

/* Reads while there is room for one more message. */
static enum collected read_records(struct kmsg *kmsg, struct sink *sink)
{
    size_t used = 0;

    while (kmsg->room - used >= RECORD_BYTES) {
        ssize_t bytes = read(kmsg->fd, kmsg->buffer + used, RECORD_BYTES);
        if (bytes > 0) {
            take_record(kmsg, sink, kmsg->buffer + used, (size_t)bytes);
            used += (size_t)bytes;
        } else if (bytes == 0 || errno == EAGAIN) {
            kmsg->passes_over = false;
            return COLLECT_IDLE;
        } else if (errno == EPIPE || errno == EINTR) {
            continue; /* EPIPE: overwritten meanwhile; the next number says how many are gone */
        } else {
            sink_tell(sink, LOG_ERROR, "cannot read", kmsg->config->path, strerror(errno));
            return COLLECT_FAILED;
        }
    }
    return COLLECT_MORE;
}

static enum collected kmsg_collect(void *state, struct sink *sink)
{
    struct kmsg *kmsg = state;
    uint64_t before = kmsg->next;

    watch_clocks(kmsg);
    enum collected collected = read_records(kmsg, sink);
    in_hand_drop();
    sink_add(sink, SINK_LINES, kmsg->lines);
    sink_add(sink, SINK_LINES_UNPARSED, kmsg->unparsed);
    kmsg->lines = kmsg->unparsed = 0;
    if (kmsg->next != before || !kmsg->has_settled) {
        struct kmsg_mark mark = { .next = kmsg->next };
        if (kmsg->knows_place && !sink_mark(sink, &mark, sizeof(mark)))
            return COLLECT_IDLE;
    }
    return collected;
}

static void kmsg_wait(void *state, struct waits *waits)
{
    const struct kmsg *kmsg = state;
    waits->fds[waits->fd_count++] = kmsg->fd;
}

static void kmsg_settle(void *state, const void *mark, size_t bytes)
{
    struct kmsg *kmsg = state;
    struct kmsg_mark settled;

    CHECK(bytes == sizeof(settled));
    memcpy(&settled, mark, sizeof(settled));
    kmsg->settled = settled.next;
    kmsg->has_settled = true;
}

static bool kmsg_save(void *state, struct buf *ret_checkpoint)
{
    const struct kmsg *kmsg = state;

    if (!kmsg->has_settled)
        return true;
    return buf_printf(ret_checkpoint, "spillway-kmsg 1 %s %llu\n", kmsg->boot_id,
                      (unsigned long long)kmsg->settled);
}

static void kmsg_close(void *state)
{
    struct kmsg *kmsg = state;

    (void)close(kmsg->fd);
    free(kmsg->buffer);
}

static void kmsg_reads(const void *config, struct buf *ret_globs)
{
    (void)buf_printf(ret_globs, "%s\n", ((const struct kmsg_config *)config)->path);
}

static uint64_t kmsg_max_event_bytes(const void *config)
{
    (void)config;
    return RECORD_BYTES + EVENT_EXTRA;
}

const struct input input_kmsg = {
    .type = { PLUGIN_TYPE("kmsg", "The kernel's log, /dev/kmsg", kmsg_config, kmsg),
              .traits = INPUT_REREADABLE | INPUT_KERNEL_LOG, .reads = kmsg_reads,
              .max_event_bytes = kmsg_max_event_bytes },
    .open = kmsg_open,
    .restore = kmsg_restore,
    .collect = kmsg_collect,
    .wait = kmsg_wait,
    .settle = kmsg_settle,
    .save = kmsg_save,
    .close = kmsg_close,
};
