/* SPDX-License-Identifier: Apache-2.0 */
/* Any bytes as a file of /proc, to the group that the first byte chooses: what it makes of them are
 * finite numbers with a name and a unit. */
#include "plugins/inputs/host_metrics/groups.h"
#include "plugins/inputs/host_metrics/tcp_states.h"
#include "plugins/inputs/host_metrics/unit_name.h"

#include "base/check.h"

#include <math.h>
#include <stdlib.h>

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t bytes);

/* The core's side: a sample is looked at when the next one is asked for. */
struct sink {
    struct event event;
    struct scratch scratch;
    char attributes[64 * 1024];
};

static void check_sample(struct sink *sink)
{
    const struct event *event = &sink->event;

    if (event->scratch != NULL)
        CHECK(event->body.bytes > 0 && event->unit.bytes > 0 && isfinite(event->number) &&
              event_bytes(event) > 0);
    sink->scratch =
        (struct scratch){ .memory = sink->attributes, .room = sizeof(sink->attributes) };
    sink->event = (struct event){ .scratch = &sink->scratch };
}

struct event *sink_event(struct sink *sink)
{
    check_sample(sink);
    return &sink->event;
}

void sink_tell(struct sink *sink, enum log_level level, const char *msg, const char *what,
               const char *why)
{
    CHECK(sink != NULL && level == LOG_WARN && msg != NULL && what != NULL && why != NULL);
}

void sink_add(struct sink *sink, enum sink_number number, uint64_t amount)
{
    CHECK(sink != NULL && number < SINK_NUMBERS && amount > 0);
}

static void take_name(struct slice text)
{
    char place[64] = "";
    struct unit_name name = unit_name_of(text);

    CHECK(name.systemd.bytes <= text.bytes && name.container.bytes <= text.bytes);
    if (unit_mount_point(text, place, sizeof(place)))
        CHECK(memchr(place, '\0', sizeof(place)) != NULL && place[0] == '/');
}

static void take_states(struct slice piece)
{
    struct tcp_count count = { .sockets = 0 };
    uint64_t sum = 0;

    (void)tcp_states_take(piece.data, piece.bytes, &count);
    for (size_t i = 0; i < TCP_STATES; i++)
        sum += count.by_state[i];
    CHECK(sum <= count.sockets && count.sockets <= piece.bytes);
}

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t bytes)
{
    static bool (*const groups[])(struct round * round, struct err * err) = {
        group_cpu,  group_load,    group_memory, group_paging,   group_filesystem,
        group_disk, group_network, group_uptime, group_pressure,
    };
    enum { GROUPS = sizeof(groups) / sizeof(groups[0]) };
    static const char *types[] = { "ext4" };
    static const struct text_list chosen = { types, 1 };
    static struct sink sink;
    struct disks *disks = NULL;
    struct round round = { .sink = &sink,
                           .disks = &disks,
                           .root = "/nowhere", /* no mount point of the text is there */
                           .now_ns = 2,
                           .boot_ns = 1,
                           .filesystem_types = &chosen };
    struct err err = { "" };

    if (bytes < 2)
        return 0;
    char *copy = malloc(bytes - 1); /* what is behind it is not ours */
    CHECK(copy != NULL);
    memcpy(copy, data + 1, bytes - 1);
    for (size_t i = 0; i < HOST_FILES; i++)
        round.texts[i] = (struct slice){ copy, bytes - 1 };
    if (data[0] % (GROUPS + 2) == GROUPS)
        take_name(round.texts[0]);
    else if (data[0] % (GROUPS + 2) == GROUPS + 1)
        take_states(round.texts[0]);
    else if (!groups[data[0] % (GROUPS + 2)](&round, &err))
        CHECK(err.text[0] != '\0');
    check_sample(&sink);
    sink.event.scratch = NULL;
    disks_free(&disks);
    free(copy);
    return 0;
}
