/* SPDX-License-Identifier: Apache-2.0 */
/* pending: positions that were offered and are not settled yet, oldest first.
 * A mark is how many positions had been pushed so far. So one mark covers all files of a read, and
 * a later mark stands for all earlier ones: marks may be merged on the way. Threads: none. */
#pragma once

#include "table.h"

struct tail_pending_position {
    struct tail_ref ref;
    uint32_t generation;
    struct tail_position position;
};

struct tail_mark {
    uint64_t stream; /* always 0: all marks of a tail are of one stream */
    uint64_t pushed;
};

struct tail_pending {
    struct tail_pending_position *ring;
    size_t room; /* a power of two, or 0 */
    uint64_t pushed, popped;
};

void tail_pending_fini(struct tail_pending *pending);
bool tail_pending_reserve(struct tail_pending *pending, size_t more); /* false: out of memory */
void tail_pending_push(struct tail_pending *pending,
                       struct tail_pending_position position); /* reserved before */
/* What is on its way of the one is about the other now, and about `most` at the most. */
void tail_pending_redirect(struct tail_pending *pending, struct tail_ref from, uint32_t generation,
                           const struct tail_pending_position *most);
/* The next position below the mark. false: there is none. */
bool tail_pending_pop(struct tail_pending *pending, uint64_t mark,
                      struct tail_pending_position *ret);
