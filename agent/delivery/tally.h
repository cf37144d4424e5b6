/* SPDX-License-Identifier: Apache-2.0 */
/* tally: events and bytes for each lane, summed over runs, so that the books of a lane are moved
 * once for a batch and compared once for an audit, however many runs there are. A value on the
 * stack. */
#pragma once

#include "delivery/batch.h"

struct tally_row {
    struct books *books;
    struct amount amount;
};

struct tally {
    unsigned count; /* an output has LEDGER_LANES lanes at most */
    struct tally_row rows[LEDGER_LANES];
};

/* A row for that lane, with nothing in it if it is new. */
struct tally_row *tally_row(struct tally *tally, struct books *books);
void tally_add_run(struct tally *tally, const struct batch_run *run);
void tally_add_batch(struct tally *tally, const struct batch *batch);
void tally_move(const struct tally *tally, enum flow flow, unsigned cell);
/* Says what is held to the books of each lane in it. */
void tally_audit(const struct tally *tally, enum account account);
