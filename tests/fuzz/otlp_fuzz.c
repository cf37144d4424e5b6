/* SPDX-License-Identifier: Apache-2.0 */
/* Any bytes as a request of OTLP: the first byte says of what and in which form. Read twice, as it
 * is when it found no room: the same events both times, none of them larger than its bound. */
#include "plugins/inputs/http/otlp.h"

#include "base/check.h"
#include "input/sink.h"

#include <stdlib.h>

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t bytes);

enum { EVENT_BYTES = 512, EXTRA_BYTES = 128, ROUNDS = 2 };

static const struct attribute base = { SLICE("host.name"), { .text = SLICE("here") } };
static const struct host host = { .name = "in", .base = &base, .base_count = 1 };

/* In place of lanes, of which this sink has none. */
static enum processed check_size(void *state, struct event *event)
{
    uint64_t *bytes = state;

    CHECK(event_bytes(event) <= EVENT_BYTES + EXTRA_BYTES);
    CHECK(event->severity_text.bytes <= UINT8_MAX && event->unit.bytes <= UINT8_MAX);
    *bytes += event_bytes(event);
    return PROCESS_KEEP;
}

static const struct processor checker = { .process = check_size };

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t bytes)
{
    static struct sink sink = { .input = "in", .processor_count = 1 }; /* memory made once */
    struct mapping mapping = { .host = &host, .max_event_bytes = EVENT_BYTES };
    struct err err = { "" };
    uint64_t seen[ROUNDS] = { 0 }, events[ROUNDS] = { 0 }, refused;

    if (bytes == 0)
        return 0;
    char *copy = malloc(bytes), *room = malloc(bytes); /* what is behind them is not ours */
    CHECK(copy != NULL && room != NULL);
    memcpy(copy, data + 1, bytes - 1);
    for (int i = 0; i < ROUNDS; i++) {
        struct processor_instance instance = { &checker, &seen[i] };
        struct take take = { .mapping = &mapping, .room = room };
        sink.processors = &instance;
        CHECK((sink.events != NULL || sink_init(&sink, &err)) && sink_parcel_begin(&sink, 0));
        mapping.sink = &sink;
        bool is_whole = otlp_take(&take, (enum otlp_signal)(data[0] % 3), (data[0] & 4) != 0,
                                  (struct slice){ copy, bytes - 1 });
        (void)sink_parcel_end(&sink, is_whole, &refused);
        resources_tidy(&mapping.resources, &sink, true);
        events[i] = take.events;
    }
    CHECK(seen[0] == seen[1] && events[0] == events[1]);
    resources_fini(&mapping.resources);
    free(copy);
    free(room);
    return 0;
}
