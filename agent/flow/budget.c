/* SPDX-License-Identifier: Apache-2.0 */
/* budget: plain sums; whoever owns the share holds the lock. */
#include "flow/budget.h"

#include "base/check.h"

#include <stddef.h>

bool share_acquire(struct share *share, uint64_t bytes, struct permit *ret)
{
    uint64_t room =
        share->limit_bytes > share->used_bytes ? share->limit_bytes - share->used_bytes : 0;

    if (bytes > room && share->used_bytes > 0)
        return false;
    *ret = share_overdraw(share, bytes);
    return true;
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
