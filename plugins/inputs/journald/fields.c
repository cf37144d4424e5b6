/* SPDX-License-Identifier: Apache-2.0 */
#include "fields.h"

#include <systemd/sd-messages.h>

enum field_kind {
    FIELD_TEXT,
    FIELD_NUMBER,
    FIELD_BODY,
    FIELD_PRIORITY,
    FIELD_TIME,
    FIELD_MESSAGE_ID,
    FIELD_DROPPED,
    FIELD_UNIT_OF,
    FIELD_TRANSPORT
};

struct field {
    struct slice name;
    enum field_kind kind;
    const char *attribute;
};

#define FIELD(name, kind, attribute)                                                               \
    {                                                                                              \
        SLICE(name), FIELD_##kind, attribute                                                       \
    }
static const struct field fields[] = {
    FIELD("MESSAGE", BODY, NULL),
    FIELD("PRIORITY", PRIORITY, NULL),
    FIELD("_SOURCE_REALTIME_TIMESTAMP", TIME, NULL),
    FIELD("MESSAGE_ID", MESSAGE_ID, "journald.message_id"),
    FIELD("N_DROPPED", DROPPED, "journald.n_dropped"),
    FIELD("OBJECT_SYSTEMD_UNIT", UNIT_OF, "journald.object_systemd_unit"),
    FIELD("_TRANSPORT", TRANSPORT, "journald.transport"),
    FIELD("SYSLOG_FACILITY", NUMBER, "log.syslog.facility.code"),
    FIELD("SYSLOG_IDENTIFIER", TEXT, "log.syslog.appname"),
    FIELD("_SYSTEMD_UNIT", TEXT, "systemd.unit"),
    FIELD("_SYSTEMD_USER_UNIT", TEXT, "systemd.user_unit"),
    FIELD("_PID", NUMBER, "process.pid"),
    FIELD("_UID", NUMBER, "process.user.id"),
    FIELD("_COMM", TEXT, "process.executable.name"),
    FIELD("_EXE", TEXT, "process.executable.path"),
    FIELD("_CMDLINE", TEXT, "process.command_line"),
    FIELD("TID", NUMBER, "thread.id"),
    FIELD("CODE_FILE", TEXT, "code.file.path"),
    FIELD("CODE_LINE", NUMBER, "code.line.number"),
    FIELD("CODE_FUNC", TEXT, "code.function.name"),
    FIELD("CONTAINER_ID_FULL", TEXT, "container.id"),
    FIELD("CONTAINER_NAME", TEXT, "container.name"),
    FIELD("IMAGE_NAME", TEXT, "container.image.name"),
    FIELD("_KERNEL_SUBSYSTEM", TEXT, "linux.kmsg.subsystem"),
    FIELD("_KERNEL_DEVICE", TEXT, "linux.kmsg.device"),
};

static const struct field *find_field(struct slice name)
{
    for (size_t i = 0; i < sizeof(fields) / sizeof(fields[0]); i++) {
        if (slice_equals(fields[i].name, name))
            return &fields[i];
    }
    return NULL;
}

/* Empty where it does not fit. */
static struct slice copy(struct journal_entry *entry, struct slice text)
{
    char *to = entry->memory + entry->used;

    if (text.bytes > entry->room - entry->used)
        return SLICE("");
    memcpy(to, text.data, text.bytes);
    entry->used += text.bytes;
    return (struct slice){ to, text.bytes };
}

static bool read_number(struct slice text, int64_t most, int64_t *ret)
{
    int64_t number = 0;

    if (text.bytes == 0 || text.bytes > 18)
        return false;
    for (size_t i = 0; i < text.bytes; i++) {
        if (text.data[i] < '0' || text.data[i] > '9')
            return false;
        number = number * 10 + (text.data[i] - '0');
    }
    if (number > most)
        return false;
    *ret = number;
    return true;
}

/* ---- kinds ---- */

static void set_body(struct journal_entry *entry, struct slice value)
{
    struct event *event = entry->event;

    if (event->body.bytes > 0)
        return; /* an entry may have a field twice: the first is its message */
    if (value.bytes > entry->max_line_bytes) {
        event->flags |= EVENT_TRUNCATED;
        event_integer(event, "log.record.original_bytes", (int64_t)value.bytes);
        value.bytes = slice_cut(value, entry->max_line_bytes);
    }
    event->body = copy(entry, value);
}

static void add_attribute(struct journal_entry *entry, struct slice key, struct value value)
{
    size_t text_bytes = value.kind == VALUE_TEXT ? value.text.bytes : 0;

    if (entry->attribute_bytes + key.bytes + text_bytes > ENTRY_ATTRIBUTE_BYTES) {
        entry->event->lost_attributes++;
        return;
    }
    entry->attribute_bytes += key.bytes + text_bytes;
    if (value.kind == VALUE_TEXT)
        value.text = copy(entry, value.text);
    event_set(entry->event, key, value);
}

static void add_value(struct journal_entry *entry, struct slice key, bool is_number,
                      struct slice text)
{
    struct value value = { .kind = VALUE_TEXT, .text = text };
    int64_t number;

    if (is_number && read_number(text, INT64_MAX, &number))
        value = (struct value){ .kind = VALUE_INT, .integer = number };
    add_attribute(entry, key, value);
}

/* _HOSTNAME is journald.hostname: nothing of journald's own is left out silently. */
static void add_other(struct journal_entry *entry, struct slice name, struct slice value)
{
    static const struct slice prefix = SLICE("journald.");
    char key[96];

    while (name.bytes > 0 && name.data[0] == '_') {
        name.data++;
        name.bytes--;
    }
    size_t bytes = prefix.bytes + name.bytes;
    if (name.bytes == 0 || bytes > sizeof(key)) {
        entry->event->lost_attributes++;
        return;
    }
    memcpy(key, prefix.data, prefix.bytes);
    for (size_t i = 0; i < name.bytes; i++) {
        bool is_upper = name.data[i] >= 'A' && name.data[i] <= 'Z';
        key[prefix.bytes + i] = (char)(name.data[i] + (is_upper ? 'a' - 'A' : 0));
    }
    struct slice kept = event_keep(entry->event, (struct slice){ key, bytes });
    if (kept.bytes == 0)
        entry->event->lost_attributes++;
    else
        add_value(entry, kept, false, value);
}

static void take_field(struct journal_entry *entry, const struct field *field, struct slice value)
{
    int64_t number;

    switch (field->kind) {
    case FIELD_BODY:
        set_body(entry, value);
        return;
    case FIELD_PRIORITY:
        if (read_number(value, 7, &number))
            event_syslog_severity(entry->event, (unsigned)number);
        return;
    case FIELD_TIME:
        if (read_number(value, INT64_MAX / 1000, &number))
            entry->event->time_ns = number * 1000;
        return;
    case FIELD_MESSAGE_ID:
        entry->is_suppression = slice_equals(value, slice_of(SD_MESSAGE_JOURNAL_DROPPED_STR));
        break;
    case FIELD_DROPPED:
        if (read_number(value, INT64_MAX, &number))
            entry->dropped = (uint64_t)number;
        break;
    case FIELD_UNIT_OF:
        entry->unit_of = copy(entry, value);
        break;
    case FIELD_TRANSPORT:
        entry->is_of_journald = slice_equals(value, SLICE("driver"));
        break;
    case FIELD_TEXT:
    case FIELD_NUMBER:
        break;
    }
    add_value(entry, slice_of(field->attribute),
              field->kind == FIELD_NUMBER || field->kind == FIELD_DROPPED, value);
}

void journal_entry_field(struct journal_entry *entry, struct slice data)
{
    const char *equals = memchr(data.data, '=', data.bytes);

    if (equals == NULL)
        return; /* the journal has no such data */
    struct slice name = { data.data, (size_t)(equals - data.data) };
    struct slice value = { equals + 1, data.bytes - name.bytes - 1 };
    const struct field *field = find_field(name);
    if (field != NULL)
        take_field(entry, field, value);
    else if (entry->all_fields)
        add_other(entry, name, value);
}

uint64_t journal_entry_suppressed(const struct journal_entry *entry, struct slice *ret_of)
{
    *ret_of = entry->unit_of;
    return entry->is_of_journald && entry->is_suppression ? entry->dropped : 0;
}
