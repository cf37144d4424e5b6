/* SPDX-License-Identifier: Apache-2.0 */
/* tally: runs of a lane often follow each other, so rows are tried from the last. */
#include "delivery/tally.h"

#include "base/check.h"

struct tally_row *tally_row(struct tally *tally, struct books *books)
{
    struct tally_row *row;

    for (unsigned i = tally->count; i-- > 0;) {
        if (tally->rows[i].books == books)
            return &tally->rows[i];
    }
    CHECK(tally->count < LEDGER_LANES);
    row = &tally->rows[tally->count++];
    *row = (struct tally_row){ .books = books };
    return row;
}

void tally_add_run(struct tally *tally, const struct batch_run *run)
{
    struct tally_row *row = tally_row(tally, run->books);

    row->amount.events += run->events;
    row->amount.bytes += run->bytes;
}

void tally_add_batch(struct tally *tally, const struct batch *batch)
{
    struct tally_row *row = NULL;

    for (size_t i = 0; i < batch->run_count; i++) {
        const struct batch_run *run = &batch->runs[i];
        if (row == NULL || row->books != run->books)
            row = tally_row(tally, run->books);
        row->amount.events += run->events;
        row->amount.bytes += run->bytes;
    }
}

void tally_move(const struct tally *tally, enum flow flow, unsigned cell)
{
    for (unsigned i = 0; i < tally->count; i++) {
        const struct tally_row *row = &tally->rows[i];
        ledger_move_cell(row->books, flow, cell, row->amount.events, row->amount.bytes);
    }
}

void tally_audit(const struct tally *tally, enum account account)
{
    for (unsigned i = 0; i < tally->count; i++)
        (void)ledger_audit(tally->rows[i].books, account, 0, tally->rows[i].amount);
}
