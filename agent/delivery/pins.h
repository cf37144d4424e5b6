/* SPDX-License-Identifier: Apache-2.0 */
/* pins: batches that were read from the spool and stay on disk while they are sent. A record is
 * done when all parts of its batch are: then it is marked on disk first, and counted after. A part
 * that is done before the others keeps only what is counted. Threads: the caller holds the
 * delivery's lock. */
#pragma once

#include "delivery/batch.h"

struct pins {
    struct spool_pin *head, *tail; /* records that are done and not marked on disk, in order */
};

/* Gives a batch that was just read its home. */
void pins_adopt(struct pins *pins, struct batch *batch);
/* The end of one part, by the flow that a batch in memory would take. Takes the batch, out of any
 * list; its permit is released. */
void pins_finish(struct batch *part, enum flow flow);
/* The halves of a part stand for it. */
void pins_share(struct batch *parent, struct batch *halves[2]);
/* It is not sent any more in this start: the next one reads it again. Takes the batch. */
void pins_drop(struct batch *part);
/* The first record to mark: its done parts are linked by `next`. NULL: none. */
struct spool_pin *pins_first(const struct pins *pins);
/* It is marked: counts its parts and frees all. */
void pins_count_first(struct pins *pins);
/* Frees what waits for its mark, uncounted: it stays in the spool, and is sent again. */
void pins_forget_all(struct pins *pins);
