/* SPDX-License-Identifier: Apache-2.0 */
/* history: what was dropped in the last hour, by lane and reason, minute by minute; and since when
 * lanes shed, breakers are not closed and outputs are held up. The books only know sums and states,
 * so somebody has to look at them now and then, and a time here is that of the look.
 * Promise: bounded memory; a look allocates only for a lane's first drop for a reason.
 * Pure: no clock, no lock. Threads: one, the endpoint's. */
#pragma once

#include "ledger/ledger.h"

enum {
    HISTORY_MINUTES = 60,
    HISTORY_ROWS = 192, /* pairs of a lane and a reason; what is beyond is told as left out */
    HISTORY_LOOK_MS = 2 * 1000,
    HISTORY_CALM_MS = 120 * 1000, /* drops after as long without one are new trouble */
};

struct history;
struct history *history_new(void); /* NULL: out of memory */
void history_free(struct history **historyp);

/* boot_ms: clock_boot_ms(). */
void history_look(struct history *history, const struct ledger *ledger, int64_t boot_ms);
/* Members of a JSON object: `drops`, `drops_left_out`, `troubles`. */
void history_write(const struct history *history, const struct ledger *ledger, int64_t boot_ms,
                   struct buf *ret);
