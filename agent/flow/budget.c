/* SPDX-License-Identifier: Apache-2.0 */
/* budget: plain sums; whoever owns the share holds the lock. */
#include "flow/budget.h"

#include "base/check.h"

#include <stdatomic.h>
#include <stddef.h>

uint64_t share_limit(const struct share *share)
{
    uint64_t kept = share->kept_bytes == NULL ? 0 : atomic_load(share->kept_bytes);
    uint64_t most = share->limit_bytes / 2;

    return share->limit_bytes - (kept < most ? kept : most);
}

uint64_t share_room(const struct share *share)
{
    uint64_t limit = share_limit(share);

    return limit > share->used_bytes ? limit - share->used_bytes : 0;
}

bool share_acquire(struct share *share, uint64_t bytes, struct permit *ret)
{
    if (bytes > share_room(share) && share->used_bytes > 0)
        return false;
    *ret = share_overdraw(share, bytes);
    return true;
}

static bool has_the_turn(const struct share *share, unsigned who)
{
    for (unsigned i = 0; i < SHARE_WAITERS; i++) {
        if (i != who && share->turns[i] != 0 &&
            (share->turns[who] == 0 || share->turns[i] < share->turns[who]))
            return false;
    }
    return true;
}

bool share_acquire_in_turn(struct share *share, unsigned who, uint64_t bytes, struct permit *ret)
{
    CHECK(who < SHARE_WAITERS);
    if (has_the_turn(share, who) && share_acquire(share, bytes, ret)) {
        share->turns[who] = 0;
        return true;
    }
    if (share->turns[who] == 0)
        share->turns[who] = ++share->last_turn;
    return false;
}

struct permit share_overdraw(struct share *share, uint64_t bytes)
{
    CHECK(bytes <= UINT64_MAX - share->used_bytes);
    share->used_bytes += bytes;
    return (struct permit){ share, bytes };
}

void permit_shrink(struct permit *permit, uint64_t bytes)
{
    if (permit->share == NULL || bytes >= permit->bytes)
        return;
    CHECK(permit->share->used_bytes >= permit->bytes);
    permit->share->used_bytes -= permit->bytes - bytes;
    permit->bytes = bytes;
}

void permit_release(struct permit *permit)
{
    permit_shrink(permit, 0);
    *permit = (struct permit){ 0 };
}
