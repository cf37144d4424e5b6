/* SPDX-License-Identifier: Apache-2.0 */
/* dead_letter: the file of what the endpoint of one output refused for good: one line of JSON for
 * each event, with the reason.
 *
 *   {"time":"…","output":"main","input":"app","key":"…","reason":"status 422","answer":"…",
 *    "event":{…}}
 *
 * `event` is the text that was sent, `answer` is how the endpoint's answer began.
 * Promise: path and path.1 together never exceed max_bytes; for more, the oldest lines go with
 * path.1, counted (dead_letter_removed). A line that cannot be written is counted
 * (dead_letter_errors), said once, and stops nobody. No half line stays in the file.
 * Letters are written before the loss is counted, so after a crash an event may be in the file and
 * come again. They are not synced: they outlive the process, not the power.
 * Threads: one at a time (delivery_take_refused() hands out one batch at a time). */
#pragma once

#include "delivery/batch.h"

struct dead_letter {
    /* constant; path and output are borrowed */
    const char *path, *output;
    uint64_t max_bytes;
    struct numbers *numbers;
    /* whose turn it is */
    bool is_failing, has_told_removal;
};

/* Event `index` (from 0) of the batch; text: the whole body, expanded. */
void dead_letter_write(struct dead_letter *letters, const struct batch *batch, struct slice text,
                       uint64_t index, const struct refusal *refusal);
/* As above for every event of a batch that was refused as a whole; expands its body. Ends early
 * once it is not wanted any more, as it is asked before each. */
void dead_letter_write_batch(struct dead_letter *letters, const struct batch *batch,
                             bool (*is_wanted)(void *context), void *context);
