/* SPDX-License-Identifier: Apache-2.0 */
#include "books_copy.h"

#include "base/auto.h"

bool books_copy_init(struct books_copy *copy, struct ledger *ledger, struct disk *disk)
{
    *copy =
        (struct books_copy){ .ledger = ledger,
                             .file = disk_file_new(disk, ledger_save_path(ledger), NULL, NULL) };
    return copy->file != NULL;
}

static uint64_t count_moves(const struct ledger *ledger)
{
    struct lane_snapshot lane;
    uint64_t moves = 0;
    for (unsigned i = 0; i < ledger_lane_count(ledger); i++) {
        ledger_snapshot(ledger, i, &lane);
        for (int flow = 0; flow < FLOWS; flow++)
            moves += lane.flows[flow].events;
    }
    return moves;
}

void books_copy_save(struct books_copy *copy, bool always)
{
    AUTO(buf_fini) struct buf image = { 0 };
    uint64_t moved = count_moves(copy->ledger);
    uint64_t errors = disk_file_errors(copy->file);
    bool failed_before = errors > copy->errors;

    numbers_add(ledger_agent_numbers(copy->ledger), NUMBER_save_errors, errors - copy->errors);
    copy->errors = errors;
    if (moved == copy->moved && !always && !failed_before)
        return;
    if (!ledger_save_image(copy->ledger, &image))
        return;
    copy->moved = moved;
    disk_file_put(copy->file, &image);
}
