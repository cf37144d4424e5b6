/* SPDX-License-Identifier: Apache-2.0 */
/* capacity: what a configuration can hold, and for how long, under an even load. Pure.
 * Little's law: what holds N events and lets R of them out in a second holds each for N / R.
 * The figures are bounds by bytes: a lane gives up whole pieces, so it may hold a little less. */
#pragma once

#include "config/settings.h"

struct capacity_load {
    uint64_t rate_per_s;    /* events, at each input */
    uint64_t record_bytes;  /* of one event in a lane, all of it */
    uint64_t encoded_bytes; /* of one event in a batch, before compression */
    double ratio; /* of compression: 4 is 4:1. Not used where an output does not compress */
};

struct capacity_store {
    uint64_t bytes, events;
    double seconds; /* what it holds, at the rate of all that goes through it */
};

struct lane_capacity {
    struct capacity_store lane;
    bool waits; /* when it is full its input waits, without end: nothing is dropped */
};

struct output_capacity {
    struct capacity_store sealed, spool; /* batches in memory, on disk */
    uint64_t lane_bytes, dead_letter_bytes;
    double worst_wait_s; /* from the fullest lane through the sealed batches; not through a spool */
    /* How long the endpoint may be away until the first lane is full: the spool, then the lane.
     * Without a spool nothing is sealed while the breaker is open. */
    double outage_s;
    size_t waiting; /* lanes whose inputs wait, see lane_capacity */
};

struct lane_capacity capacity_of_lane(const struct settings_part *input,
                                      const struct capacity_load *load);
struct output_capacity capacity_of_output(const struct settings *settings, size_t output,
                                          const struct capacity_load *load);
