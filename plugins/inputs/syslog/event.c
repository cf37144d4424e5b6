/* SPDX-License-Identifier: Apache-2.0 */
#include "event.h"

enum { KEY_BYTES = 256 };

static void add_text(struct event *event, const char *key, struct slice text)
{
    if (text.bytes > 0)
        event_text(event, key, text);
}

/* log.syslog.structured_data.ID.NAME, in the event's own memory. Empty: no room for it. */
static struct slice param_key(const struct syslog_param *param, struct event *event)
{
    static const struct slice prefix = SLICE("log.syslog.structured_data.");
    char key[KEY_BYTES];
    size_t bytes = prefix.bytes + param->id.bytes;

    if (bytes + 1 + param->name.bytes > sizeof(key))
        return SLICE("");
    memcpy(key, prefix.data, prefix.bytes);
    memcpy(key + prefix.bytes, param->id.data, param->id.bytes);
    if (param->name.bytes > 0) {
        key[bytes++] = '.';
        memcpy(key + bytes, param->name.data, param->name.bytes);
        bytes += param->name.bytes;
    }
    return event_keep(event, (struct slice){ key, bytes });
}

static struct slice plain_value(const struct syslog_param *param, struct event *event)
{
    if (!param->has_escapes)
        return param->value;
    struct slice kept = event_keep(event, param->value);
    return (struct slice){ kept.data, syslog_unescape(kept, (char *)kept.data) };
}

/* Returns the bytes that it takes of the event; 0: it was left out. */
static size_t add_param(const struct syslog_param *param, size_t room, struct event *event)
{
    struct slice key = param_key(param, event);
    struct value there;

    if (key.bytes == 0 || key.bytes + param->value.bytes > room || event_field(event, key, &there))
        return 0;
    struct slice value = plain_value(param, event);
    if (value.bytes == 0 && param->value.bytes > 0)
        return 0;
    event_set(event, key, (struct value){ .kind = VALUE_TEXT, .text = value });
    return key.bytes + value.bytes;
}

static void add_params(const struct syslog_message *message, struct event *event)
{
    struct slice rest = message->structured, id = { NULL, 0 };
    struct syslog_param param;
    size_t room = SYSLOG_PARAM_BYTES;

    while (rest.bytes > 0 && syslog_param(&rest, &id, &param)) {
        size_t bytes = add_param(&param, room, event);
        event->lost_attributes += bytes == 0 ? 1 : 0;
        room -= bytes;
    }
}

void syslog_fill_event(const struct syslog_message *message, struct event *event)
{
    event->body = message->body;
    event->time_ns = message->time_ns;
    if (message->level != SYSLOG_LEVEL_NONE)
        event_syslog_severity(event, message->level);
    if (message->has_facility)
        event_integer(event, "log.syslog.facility.code", message->facility);
    add_text(event, "log.syslog.hostname", message->host);
    add_text(event, "log.syslog.appname", message->app);
    add_text(event, "log.syslog.procid", message->process);
    add_text(event, "log.syslog.msgid", message->id);
    if (message->version > 0)
        event_integer(event, "log.syslog.version", message->version);
    if (message->has_sequence)
        event_integer(event, "log.syslog.sequence", (int64_t)message->sequence);
    if (message->is_time_unsure)
        event_boolean(event, "log.syslog.time_unsure", true);
    if (message->problem != NULL)
        event_text(event, "log.parse_error", slice_of(message->problem));
    add_params(message, event);
}
