/* SPDX-License-Identifier: Apache-2.0 */
/* ledger_start: ledger_open() in two steps, for a caller who asks what the start before said before
 * he looks at what lies on disk. Between them nothing but ledger_before…() and ledger_close() is
 * called. Threads: main. */
#pragma once

#include "ledger/ledger.h"

struct ledger *ledger_prepare(const struct ledger_config *config, struct err *err);
/* found: what lies on disk; that of the config is not used. */
void ledger_begin(struct ledger *ledger, const struct ledger_found *found, size_t found_count);
/* A number of that output as it was at the end of the start before, 0: unknown. To the last change,
 * or not at all: a saved copy from before a power loss is not asked. Once begun: as it is now. */
uint64_t ledger_before(const struct ledger *ledger, const char *output, enum number number);
/* Between the two steps: the books of the start before have events of that output on disk. */
bool ledger_before_has_spooled(const struct ledger *ledger, const char *output);
