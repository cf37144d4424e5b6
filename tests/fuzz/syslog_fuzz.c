/* SPDX-License-Identifier: Apache-2.0 */
/* Any bytes as a message of syslog: what is taken lies within the bytes, structured data that were
 * called well-formed can be walked to their end, and nothing of what cannot be read is lost. The
 * first byte chooses where the message comes from; what begins with "TZif" is also a zone's file.
 */
#include "plugins/inputs/syslog/event.h"
#include "plugins/inputs/syslog/zone_rule.h"

#include "base/check.h"

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t bytes);

static const int64_t now_ns = INT64_C(1795867200) * NS_PER_S;
static char scratch_memory[256 * 1024];

static void check_within(struct slice part, struct slice all)
{
    CHECK(part.bytes == 0 || (part.data >= all.data && part.bytes <= all.bytes &&
                              part.data + part.bytes <= all.data + all.bytes));
}

static void check_message(struct slice all, const struct syslog_message *message)
{
    const struct slice parts[] = { message->host, message->app,        message->process,
                                   message->id,   message->structured, message->body };
    struct slice rest = message->structured, id = { NULL, 0 };
    struct syslog_param param;

    for (size_t i = 0; i < sizeof(parts) / sizeof(parts[0]); i++)
        check_within(parts[i], all);
    CHECK(message->level <= SYSLOG_LEVEL_NONE &&
          (!message->has_facility || message->facility < 24));
    while (rest.bytes > 0) {
        CHECK(syslog_param(&rest, &id, &param));
        check_within(param.id, all);
        check_within(param.name, all);
        check_within(param.value, all);
    }
    if (message->problem != NULL && message->version == 0)
        CHECK(message->body.data == all.data || message->body.bytes == 0);
}

static void fill_event(const struct syslog_message *message)
{
    struct scratch scratch = { scratch_memory, sizeof(scratch_memory), 0 };
    struct event event = { .scratch = &scratch };

    syslog_fill_event(message, &event);
    CHECK(event_attribute_bytes(&event) <= SYSLOG_EVENT_EXTRA + message->host.bytes +
                                               message->app.bytes + message->process.bytes +
                                               message->id.bytes);
}

static void read_zone(struct slice file)
{
    struct zone zone = { 0 };

    if (zone_parse(file, &zone) || zone_rule_parse(file, &zone)) {
        for (int64_t at_s = 0; at_s < INT64_C(9000000000); at_s += INT64_C(700000001))
            (void)zone_unix_s(&zone, at_s);
    }
    zone_fini(&zone);
}

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t bytes)
{
    struct zone zone = { .fixed_s = 3600 };
    struct syslog_message message;

    if (bytes == 0)
        return 0;
    struct syslog_context context = { &zone, now_ns, (data[0] & 1) != 0 };
    char *copy = malloc(bytes); /* of its own size, so that a look behind it is seen */
    CHECK(copy != NULL);
    memcpy(copy, data + 1, bytes - 1);
    struct slice all = { copy, bytes - 1 };
    read_zone(all);
    syslog_parse(all, &context, &message);
    check_message(all, &message);
    fill_event(&message);
    free(copy);
    return 0;
}
