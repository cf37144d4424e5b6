/* SPDX-License-Identifier: Apache-2.0 */
#include "books_copy.h"

#include "base/auto.h"
#include "base/log.h"

enum { WRITE_MS = 1000 };

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

/* Told as the disk's thread tells what it cannot write. */
static void tell_memory(struct books_copy *copy, bool lacks_memory)
{
    const char *path = ledger_save_path(copy->ledger);

    if (lacks_memory)
        numbers_add(ledger_agent_numbers(copy->ledger), NUMBER_save_errors, 1);
    if (lacks_memory && !copy->lacks_memory)
        LOG(LOG_ERROR, "cannot save", LS("path", path), LS("error", "out of memory"),
            LS("effect", "shipping goes on; after a power loss the books are older"));
    if (!lacks_memory && copy->lacks_memory)
        LOG(LOG_INFO, "there is memory again to save", LS("path", path));
    copy->lacks_memory = lacks_memory;
}

static bool make_image(struct books_copy *copy, bool tries_again, struct buf *ret)
{
    bool is_made = ledger_save_image(copy->ledger, ret);

    if (!is_made && tries_again) {
        buf_fini(ret);
        (void)disk_file_await(copy->file, WRITE_MS); /* the one before gives its memory back */
        is_made = ledger_save_image(copy->ledger, ret);
    }
    tell_memory(copy, !is_made);
    return is_made;
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
    if (!make_image(copy, always, &image))
        return;
    copy->moved = moved;
    disk_file_put(copy->file, &image);
}
