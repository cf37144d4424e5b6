/* SPDX-License-Identifier: Apache-2.0 */
/* batch_limit: many requests may be out when the first is refused; those that are larger than the
 * limit already is say nothing new. A batch may be one event larger than the limit, which the
 * margin below the largest accepted size allows for. */
#include "delivery/batch_limit.h"

#include "base/check.h"

enum { STEPS = 16, MARGIN = 16, WAIT_MS = 60 * 1000, WAIT_MOST_MS = 60 * WAIT_MS };

struct batch_limit batch_limit_make(uint64_t most_bytes)
{
    CHECK(most_bytes >= BATCH_LIMIT_LEAST_BYTES);
    return (struct batch_limit){ .most_bytes = most_bytes,
                                 .bytes = most_bytes,
                                 .wait_ms = WAIT_MS / 2 };
}

bool batch_limit_refused(struct batch_limit *limit, uint64_t bytes, int64_t now_ms)
{
    uint64_t lower = bytes / 2, accepted;

    if (limit->accepted_bytes >= bytes)
        limit->accepted_bytes = 0; /* what counts may be the compressed size */
    accepted = limit->accepted_bytes - limit->accepted_bytes / MARGIN;
    if (accepted > lower)
        lower = accepted;
    if (lower < BATCH_LIMIT_LEAST_BYTES)
        lower = BATCH_LIMIT_LEAST_BYTES;
    if (lower >= limit->bytes)
        return false;
    limit->bytes = lower;
    limit->changed_ms = now_ms;
    limit->wait_ms = limit->wait_ms > WAIT_MOST_MS / 2 ? WAIT_MOST_MS : limit->wait_ms * 2;
    return true;
}

bool batch_limit_accepted(struct batch_limit *limit, uint64_t bytes, int64_t now_ms)
{
    uint64_t step = limit->most_bytes / STEPS;

    if (bytes > limit->accepted_bytes)
        limit->accepted_bytes = bytes;
    if (limit->bytes == limit->most_bytes || bytes < limit->bytes - limit->bytes / MARGIN ||
        now_ms - limit->changed_ms < limit->wait_ms)
        return false;
    limit->bytes =
        limit->most_bytes - limit->bytes > step ? limit->bytes + step : limit->most_bytes;
    limit->changed_ms = now_ms;
    if (limit->bytes == limit->most_bytes)
        limit->wait_ms = WAIT_MS / 2;
    return true;
}
