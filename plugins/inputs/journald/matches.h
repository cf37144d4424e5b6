/* SPDX-License-Identifier: Apache-2.0 */
/* matches: what of the journal an input wants to see. */
#pragma once

#include "options.h"

#include <systemd/sd-journal.h>

/* < 0: an error of libsystemd. */
int journal_add_matches(sd_journal *journal, const struct journald_config *config);
/* Whether a jump in the numbers of entries is a loss: nothing is filtered, and all files can be
 * read. */
bool journal_numbers_count(const struct journald_config *config);
