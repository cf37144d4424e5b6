/* SPDX-License-Identifier: Apache-2.0 */
/* batch_limit: how large batches may be, as the endpoint lets us know. A refusal for size (413)
 * lowers the limit to half of what was refused, or to just below the largest that was accepted if
 * that is more. It grows back by a sixteenth of the configured size at a time, if nearly full
 * batches are accepted, after a minute at first; each refusal doubles that time, up to an hour, so
 * that trying costs next to nothing where the endpoint will never take more.
 * Sizes are bytes before compression, as `batch.max_bytes` is. Pure. */
#pragma once

#include <stdbool.h>
#include <stdint.h>

enum { BATCH_LIMIT_LEAST_BYTES = 1024 };

struct batch_limit {
    uint64_t most_bytes;     /* as configured */
    uint64_t bytes;          /* a batch is closed at this size */
    uint64_t accepted_bytes; /* the largest that was, since one of this size was refused */
    int64_t changed_ms, wait_ms;
};

struct batch_limit batch_limit_make(uint64_t most_bytes);
/* true: the limit has changed. */
bool batch_limit_refused(struct batch_limit *limit, uint64_t bytes, int64_t now_ms);
bool batch_limit_accepted(struct batch_limit *limit, uint64_t bytes, int64_t now_ms);
