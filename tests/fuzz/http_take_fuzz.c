/* SPDX-License-Identifier: Apache-2.0 */
/* Any bytes as a body of an http input: the first byte says in which form, the rest is the body.
 * No event is larger than its bound, and a parcel that is refused was said to be broken. */
#include "plugins/inputs/http/expand.h"
#include "plugins/inputs/http/take.h"

#include "base/check.h"
#include "input/sink.h"

#include <stdlib.h>

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t bytes);

enum { EVENT_BYTES = 512, EXTRA_BYTES = 128, EXPANDED_BYTES = 1 << 20 };

static const char *names[] = { "body", "message" }, *time_names[] = { "time", "ts" },
                  *severity_names[] = { "severity_text", "level" };
static const struct text_list bodies = { names, 2 }, times = { time_names, 2 },
                              severities = { severity_names, 2 };
static const struct attribute base = { SLICE("host.name"), { .text = SLICE("here") } };
static const struct host host = { .name = "in", .base = &base, .base_count = 1 };

/* In place of lanes, of which this sink has none. */
static enum processed check_size(void *state, struct event *event)
{
    (void)state;
    CHECK(event_bytes(event) <= EVENT_BYTES + EXTRA_BYTES);
    CHECK(event->severity_text.bytes <= UINT8_MAX && event->unit.bytes <= UINT8_MAX);
    return PROCESS_KEEP;
}

static const struct processor checker = { .process = check_size };

static void take_text(struct mapping *mapping, struct sink *sink, enum take_format format,
                      struct slice text)
{
    char *room = malloc(text.bytes + 1);
    struct take take = { .mapping = mapping, .room = room, .client = SLICE("::1") };
    uint64_t refused = 0;

    CHECK(room != NULL && sink_parcel_begin(sink, 0));
    bool is_whole = take_body(&take, format == TAKE_AUTO ? take_look(text) : format, text);
    CHECK(is_whole || take.broken_at <= text.bytes);
    CHECK(take.room <= room + text.bytes);
    (void)sink_parcel_end(sink, is_whole, &refused);
    resources_tidy(&mapping->resources, sink, true);
    free(room);
}

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t bytes)
{
    struct mapping mapping = { .host = &host, .max_event_bytes = EVENT_BYTES };
    struct err err = { "" };

    if (bytes == 0)
        return 0;
    char *copy = malloc(bytes);           /* what is behind it is not ours */
    static char expanded[EXPANDED_BYTES]; /* as the sink: made once, or nothing else is done */
    CHECK(copy != NULL);
    memcpy(copy, data + 1, bytes - 1);
    struct slice text = { copy, bytes - 1 };
    CHECK(fields_make(&mapping.fields, &bodies, &times, &severities, &err));
    static struct processor_instance instance = { &checker, NULL };
    static struct sink sink = { .input = "in", .processors = &instance, .processor_count = 1 };
    CHECK(sink.events != NULL || sink_init(&sink, &err));
    mapping.sink = &sink;
    enum expand_coding coding = (enum expand_coding)(data[0] >> 2 & 3);
    size_t expanded_bytes = 0;
    if (coding == CODING_IDENTITY ||
        expand(coding, text, expanded, EXPANDED_BYTES, &expanded_bytes) == EXPANDED) {
        if (coding != CODING_IDENTITY)
            text = (struct slice){ expanded, expanded_bytes };
        take_text(&mapping, mapping.sink, (enum take_format)(data[0] & 3), text);
    }
    resources_fini(&mapping.resources);
    free(copy);
    return 0;
}
