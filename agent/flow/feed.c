/* SPDX-License-Identifier: Apache-2.0 */
#include "flow/feed.h"

bool feed_add(struct feed *feed, uint64_t events, uint64_t bytes)
{
    uint64_t had_events = atomic_fetch_add(&feed->events, events);
    uint64_t had_bytes = atomic_fetch_add(&feed->bytes, bytes);
    bool was_full = had_events >= feed->full_events || had_bytes >= feed->full_bytes;
    bool is_full =
        had_events + events >= feed->full_events || had_bytes + bytes >= feed->full_bytes;

    return events > 0 && (had_events == 0 || (is_full && !was_full));
}

void feed_take(struct feed *feed, uint64_t events, uint64_t bytes)
{
    atomic_fetch_sub(&feed->events, events);
    atomic_fetch_sub(&feed->bytes, bytes);
}

bool feed_is_full(struct feed *feed)
{
    return atomic_load(&feed->events) >= feed->full_events ||
           atomic_load(&feed->bytes) >= feed->full_bytes;
}

void feed_hurry(struct feed *feed, int64_t boot_ms)
{
    atomic_store(&feed->hurried_boot_ms, boot_ms);
    wake_bump(&feed->wake);
}

bool feed_is_hurried(struct feed *feed, int64_t oldest_boot_ms)
{
    return oldest_boot_ms <= atomic_load(&feed->hurried_boot_ms);
}

bool feed_keep(struct feed *feed, uint64_t *kept_bytes, uint64_t bytes)
{
    uint64_t more = bytes - *kept_bytes; /* or less: it wraps around */

    *kept_bytes = bytes;
    return atomic_fetch_add(&feed->kept_bytes, more) + more <= atomic_load(&feed->kept_most_bytes);
}
