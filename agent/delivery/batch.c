/* SPDX-License-Identifier: Apache-2.0 */
/* batch: only memory. When its receipts and its permit are settled is up to whoever holds it. */
#include "delivery/batch.h"

#include "base/check.h"

#include <stdlib.h>

enum { BATCH_MAGIC = 0x62617463 };

struct batch *batch_new(void)
{
    struct batch *batch = calloc(1, sizeof(*batch));

    if (batch != NULL)
        batch->magic = BATCH_MAGIC;
    return batch;
}

void batch_note_dropped(const struct batch *batch)
{
    for (size_t i = 0; i < batch->run_count; i++)
        receipt_note_dropped(batch->runs[i].receipt, batch->runs[i].events);
}

void batch_settle(const struct batch *batch)
{
    struct receipts *to_tell = NULL;

    for (size_t i = 0; i < batch->run_count; i++) {
        struct receipts *list = receipt_settle(batch->runs[i].receipt, batch->runs[i].events);
        if (list == NULL)
            continue;
        if (list == to_tell) {
            receipts_spare(list);
            continue;
        }
        receipts_tell(to_tell);
        to_tell = list;
    }
    receipts_tell(to_tell);
}

void batch_free(struct batch **batchp)
{
    struct batch *batch = *batchp;

    *batchp = NULL;
    if (batch == NULL)
        return;
    CHECK(batch->magic == BATCH_MAGIC && batch->permit.share == NULL);
    batch->magic = 0;
    body_pool_give(batch->pool, batch->body);
    free(batch->refusal);
    free(batch->runs);
    free(batch);
}
