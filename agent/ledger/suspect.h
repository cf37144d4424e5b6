/* SPDX-License-Identifier: Apache-2.0 */
/* suspect: what a start may have died of, by its books: what had been read of a lane, or from the
 * spool of an output, while nothing left it. A kill or a power loss says nothing about the data;
 * only a crash does (BOOKS_CRASHED), and not one of a record that is known, whosever
 * (fatal_record.h). Nothing in the file is trusted. Threads: main. */
#pragma once

#include "ledger/books_file.h"

/* All 0: it did not crash, had nothing in hand, or got on with its work before. */
struct suspect {
    /* Starts in a row that crashed before anything left, and before the next one would begin to
     * read elsewhere (what was filtered or set aside is done, too). This one is counted. */
    uint64_t crashes;
    uint64_t in_hand; /* lane: events read in this one, and those just being offered;
                         spool: batches read from it that were not done */
};
/* lane < header.lanes_used. */
struct suspect suspect_lane(const struct books_image *image, unsigned lane);
/* The spool of that output. */
struct suspect suspect_spool(const struct books_image *image, const char *output);
/* Of outputs whose spools have something on disk, as found for `dead`: those alone can have had it
 * in hand. Entered in the new books. */
void suspect_note_spools(const struct books_image *dead, struct ledger *ledger);
