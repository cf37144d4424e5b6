/* SPDX-License-Identifier: Apache-2.0 */
/* saturation: what holds an output up, if anything does. One look at measurements of a window of
 * time gives a suspicion; it becomes the cause when the next look agrees, and ends after three calm
 * ones. What is the cause already is suspected at lower marks: so a load near a mark does not flap.
 * The order of suspicion follows the flow backwards, because what is full downstream fills all that
 * is before it: endpoint or disk, then cpu, then ring, then input. Workers that are never idle are
 * no bursts: then the first two are told apart by which takes more of their time.
 * wait_times: how long events were in the agent when the endpoint took them, for the 99th
 * percentile. Pure; wait_times may be added to from one thread while another takes them. */
#pragma once

#include <stdatomic.h>
#include <stdbool.h>
#include <stdint.h>

enum saturation_cause {
    SATURATION_NONE,
    SATURATION_INPUT,    /* it is behind its source, and nothing after it is full */
    SATURATION_CPU,      /* encoding and compressing take all the time there is */
    SATURATION_RING,     /* a lane fills, though nothing after it is busy: bursts */
    SATURATION_ENDPOINT, /* what is sealed cannot leave: limit, memory, breaker */
    SATURATION_DISK,     /* the endpoint is away, and the spool does not take what is sealed */
    SATURATION_CAUSES,
};

struct saturation_measure {
    double ring_fill; /* of the fullest lane, 0 … 1 */
    double blocked;   /* share of the window in which workers had events and might not go on */
    bool to_disk;     /* the endpoint is away, and there is a spool to go to */
    double busy;      /* share of the window in which workers gathered, encoded, compressed */
    uint64_t lag_bytes, lag_before_bytes; /* not read yet, now and at the look before */
    int64_t wait_p99_ms;                  /* < 0: nothing was delivered in this window */
    int64_t late_ms;                      /* a wait beyond this is not the batching's */
};

struct saturation {
    enum saturation_cause cause, suspect;
    unsigned looks; /* in a row with that suspect, which is not the cause */
};

/* Returns whether the cause has changed. */
bool saturation_look(struct saturation *saturation, const struct saturation_measure *measure);
/* Nothing is suspected: the next look may come late. */
bool saturation_is_calm(const struct saturation *saturation);
const char *saturation_name(enum saturation_cause cause);

enum { WAIT_BUCKETS = 96 };
struct wait_times {
    _Atomic uint64_t events[WAIT_BUCKETS];
};
void wait_times_add(struct wait_times *waits, int64_t wait_ms, uint64_t events);
/* An upper bound of the 99th percentile, at most a quarter above it, and starts anew; < 0: none. */
int64_t wait_times_take_p99_ms(struct wait_times *waits);
