/* SPDX-License-Identifier: Apache-2.0 */
/* pages: what the books say, as JSON for programs. Each page has `format`, which grows when a key
 * is renamed or taken away; new keys come without. There are no events in the books.
 * Pure reading without locks: each figure is exact, two of them may be some events apart.
 * false: the buf is full or memory is short. Threads: any. */
#pragma once

#include "ledger/ledger.h"

enum { PAGES_FORMAT = 1 };
enum admin_phase { ADMIN_STARTING, ADMIN_IDLE, ADMIN_RUNNING, ADMIN_STOPPING };

bool pages_health(bool is_alive, struct buf *ret);
/* With a reason for each check that fails. *ret_ready: none does. */
bool pages_ready(const struct ledger *ledger, enum admin_phase phase, bool is_alive,
                 struct buf *ret, bool *ret_ready);
/* For each lane the sums, flows, what is held as the last audits measured it, and the numbers. */
bool pages_stats(const struct ledger *ledger, struct buf *ret);
/* The full books: every flow by cell, closing entries, every account with its audits. */
bool pages_ledger(const struct ledger *ledger, struct buf *ret);
