/* SPDX-License-Identifier: Apache-2.0 */
/* emission: frames become arrivals, and are counted. */
#pragma once

#include "net/listener.h"

struct emission {
    const struct listener_config *config;
    struct sink *sink;
    const struct peer *peer;
    bool is_datagram;
    uint64_t records, cut; /* not in the sink's numbers yet */
};

/* A frame_fn. */
void emission_give(void *emission, const struct frame *frame);
void emission_count(struct emission *emission);
