/* SPDX-License-Identifier: Apache-2.0 */
/* fatal_record: which record of its source an input looked into when the agent died. Nothing was
 * in hand then that could be counted, as in suspect.h: the record was no event yet. The thread that
 * dies says which one it was, so no other is suspected; the numbers of the lane carry it to the
 * starts that follow. Only a clean end forgets it, or the death of another record of that lane. */
#pragma once

#include "ledger/books_file.h"

/* This thread reads for that lane from now on; NULL: for none. What it has in hand, it says by
 * base/in_hand.h. */
void fatal_record_watch(struct numbers *lane);
/* In the handler of the fault, in the thread that died. Safe there. */
void fatal_record_note(void);

/* Did it die of one, of whichever lane? Nothing in the file is trusted. */
bool fatal_record_was(const struct books_image *dead);
/* lane < header.lanes_used. */
bool fatal_record_is_known(const struct books_image *dead, unsigned lane);
void fatal_record_carry(const struct books_image *dead, unsigned lane, struct numbers *ret);
