/* SPDX-License-Identifier: Apache-2.0 */
/* fatal_record: what a thread looked into when the agent died of it: a record of its source, which
 * was no event yet and so nothing that could be counted as in suspect.h, or one event. The thread
 * that dies says which one it was, so nothing else is suspected; the numbers of the lane carry it
 * to the starts that follow. It is forgotten once positions behind it are saved, at a clean end, or
 * when that lane dies of another one.
 * An event has the name of its body for a source, and lies from 0 to the body's length. */
#pragma once

#include "ledger/books_file.h"

/* This thread works for that lane from now on; NULL: for none. What it has in hand, it says by
 * base/in_hand.h. */
void fatal_record_watch(struct numbers *lane);
/* In the handler of the fault, in the thread that died. Safe there. */
void fatal_record_note(void);

/* Did it die of one, of whichever lane? Nothing in the file is trusted. */
bool fatal_record_was(const struct books_image *dead);
/* lane < header.lanes_used. */
bool fatal_record_is_known(const struct books_image *dead, unsigned lane);
void fatal_record_carry(const struct books_image *dead, unsigned lane, struct numbers *ret);
