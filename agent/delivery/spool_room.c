/* SPDX-License-Identifier: Apache-2.0 */
/* spool_room: how much may lie on disk now, and whether one more batch has room there. */
#include "delivery/spool_state.h"

enum {
    LOOK_MS = 1000, /* a look at the free space is good for so long */
    RECORD_TEXT_MOST = SPOOL_RECORD_LEAST + BATCH_KEY_BYTES + 16,
    LANE_MOST = 2 * (LEDGER_NAME + 16), /* of a lane in a record and in the sum */
    RUN_MOST = 24,
    NEARLY_FULL_PERCENT = 90,
    SEGMENTS_WANTED = 16, /* so many make up the bound: the oldest one is what is evicted at once */
};
static const uint64_t segment_least = 64 * 1024;
static const uint64_t segment_most = 64 * 1024 * 1024;

/* The bound in bytes now: it shrinks when the disk has less free than is to be left. Without such a
 * wish nothing is evicted for a disk that others fill: then it is full, and that is memory mode. */
uint64_t spool_limit_bytes(const struct spool *spool)
{
    uint64_t used = spool->index.bytes, least_free = spool->config.min_free_bytes, limit;

    if (spool->free_at_ms == SPOOL_FREE_UNKNOWN_MS || spool->is_free_unknown || least_free == 0)
        return spool->config.max_bytes;
    if (spool->free_bytes >= least_free)
        limit = used + (spool->free_bytes - least_free);
    else
        limit = used > least_free - spool->free_bytes ? used - (least_free - spool->free_bytes) : 0;
    return limit < spool->config.max_bytes ? limit : spool->config.max_bytes;
}

/* Where its disk has room for less than max_bytes that is the bound: with one segment alone there
 * would be nothing to evict, because a batch of it is being sent. */
uint64_t spool_segment_bytes(const struct spool *spool)
{
    uint64_t bytes = spool_limit_bytes(spool) / SEGMENTS_WANTED;

    return bytes < segment_least ? segment_least : bytes > segment_most ? segment_most : bytes;
}

bool spool_is_nearly_full(const struct spool *spool)
{
    return spool->index.bytes > spool_limit_bytes(spool) / 100 * NEARLY_FULL_PERCENT;
}

bool spool_asks_to_wait(const struct spool *spool)
{
    return spool->config.waits_when_full && spool_is_nearly_full(spool);
}

void spool_looked(struct spool *spool, const struct spool_result *result, int64_t now_ms)
{
    spool->free_at_ms = now_ms;
    spool->free_bytes = result->bytes;
    if (result->error != 0 && !spool->is_free_unknown)
        spool_tell(spool, "spool cannot tell what is free on its disk, min_free is not kept",
                   "statvfs", result->error, 0);
    spool->is_free_unknown = result->error != 0;
    spool_publish(spool);
}

/* At most what a record of it makes the spool grow, with its part of the sum. */
uint64_t spool_growth_of(const struct batch *batch)
{
    uint64_t lanes = batch->run_count < SPOOL_LANES_MAX ? batch->run_count : SPOOL_LANES_MAX;

    return RECORD_TEXT_MOST + lanes * LANE_MOST + batch->run_count * RUN_MOST +
           spool_padded(batch->body_bytes) + SPOOL_SEGMENT_HEAD + SPOOL_TAIL + 64;
}

bool spool_is_closing(const struct spool *spool)
{
    return spool->config.max_bytes == 0 || spool->index.is_blind;
}

bool spool_takes(const struct spool *spool, const struct batch *batch)
{
    return !spool_is_closing(spool) && batch->run_count <= SPOOL_RUNS_MAX &&
           spool_growth_of(batch) <= spool->config.max_bytes;
}

bool spool_must_evict(const struct spool *spool, uint64_t growth, uint64_t limit)
{
    return spool->index.bytes + growth > limit ||
           (spool->writing == NULL && spool->index.count == SPOOL_SEGMENTS_MAX);
}

bool spool_has_looked(const struct spool *spool, int64_t now_ms)
{
    return spool->free_at_ms != SPOOL_FREE_UNKNOWN_MS && now_ms - spool->free_at_ms < LOOK_MS;
}

/* With nothing of it on disk it is not the spool that is full. */
bool spool_may_wait(const struct spool *spool)
{
    return spool->config.waits_when_full && spool->index.count > 0;
}

bool spool_has_room(const struct spool *spool, const struct batch_list *before,
                    const struct batch *batch, int64_t now_ms)
{
    uint64_t growth = spool_growth_of(batch);

    if (!spool_may_wait(spool))
        return true;
    for (const struct batch *other = before->head; other != NULL; other = other->next)
        growth += spool_growth_of(other);
    /* Without a fresh look at the disk it is tried: that looks. */
    return !spool_must_evict(spool, growth,
                             spool_has_looked(spool, now_ms) ? spool_limit_bytes(spool)
                                                             : spool->config.max_bytes);
}
