/* SPDX-License-Identifier: Apache-2.0 */
/* recent: the JSON page /recent: what was dropped in the last hour, what is in trouble since when,
 * and the latest notable lines of the log. No content of events. Threads: the endpoint's. */
#pragma once

#include "admin/history.h"

/* Looks at the books first. history NULL: without what it tells. false: the buf is full. */
bool recent_write(struct history *history, const struct ledger *ledger, struct buf *ret);
