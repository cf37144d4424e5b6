/* SPDX-License-Identifier: Apache-2.0 */
#include "net/emission.h"

void emission_give(void *context, const struct frame *frame)
{
    struct emission *emission = context;
    struct arrival arrival = { .data = frame->data,
                               .whole_bytes = frame->whole_bytes,
                               .is_unfinished = frame->is_unfinished,
                               .is_datagram = emission->is_datagram,
                               .peer = emission->peer };

    emission->records++;
    emission->cut += frame->whole_bytes > frame->data.bytes || frame->is_unfinished;
    emission->config->take(emission->config->context, emission->sink, &arrival);
}

void emission_count(struct emission *emission)
{
    if (emission->records > 0)
        sink_add(emission->sink, SINK_LINES, emission->records);
    if (emission->cut > 0)
        sink_add(emission->sink, SINK_LINES_TRUNCATED, emission->cut);
    emission->records = emission->cut = 0;
}

void arrival_peer(const struct arrival *arrival, struct event *event)
{
    const struct peer *peer = arrival->peer;

    if (peer->address_bytes == 0)
        return;
    event_text(event, "network.peer.address", (struct slice){ peer->address, peer->address_bytes });
    event_integer(event, "network.peer.port", peer->port);
}

void arrival_describe(const struct arrival *arrival, struct event *event)
{
    event->body = arrival->data;
    if (arrival->whole_bytes > arrival->data.bytes || arrival->is_unfinished) {
        event->flags |= EVENT_TRUNCATED;
        event_integer(event, "log.record.original_bytes", (int64_t)arrival->whole_bytes);
    }
    arrival_peer(arrival, event);
}

enum { NAMES_BYTES = 96, VALUES_BYTES = PEER_TEXT + 3 * 8 };

uint64_t listener_event_bytes(uint64_t max_record_bytes)
{
    return max_record_bytes + NAMES_BYTES + VALUES_BYTES;
}
