/* SPDX-License-Identifier: Apache-2.0 */
/* books_copy: the copy of the books in the state directory: what is left of them after a power
 * loss. An idle agent writes none. Threads: main; the disk's thread writes. */
#pragma once

#include "base/disk.h"
#include "ledger/ledger.h"

struct books_copy {
    struct ledger *ledger;
    struct disk_file *file;
    uint64_t moved, errors; /* when it was saved last */
    bool lacks_memory;      /* at the last try, as was told */
};

/* Both are borrowed. false: out of memory. */
bool books_copy_init(struct books_copy *copy, struct ledger *ledger, struct disk *disk);
/* always: also if nothing has moved since; and without memory it is tried once more. A copy that
 * there was no memory for is counted as one that could not be written. */
void books_copy_save(struct books_copy *copy, bool always);
