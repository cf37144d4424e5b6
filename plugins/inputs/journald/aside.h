/* SPDX-License-Identifier: Apache-2.0 */
/* aside: the entry that starts before this one died of, passed over without a look into it. For
 * base/in_hand.h the source of an entry is the last place before this read, its position the number
 * behind that. Threads: the reading's. */
#pragma once

#include "plugin.h"

#include <systemd/sd-journal.h>

bool journal_aside_is(const struct sink *sink, uint64_t number); /* of the source in hand */
/* The entry at which the journal stands. It stays there, so its cursor is all that is kept of it.
 */
void journal_aside_take(sd_journal *journal, struct sink *sink);
