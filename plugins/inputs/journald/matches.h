/* SPDX-License-Identifier: Apache-2.0 */
/* matches: what of the journal an input wants to see. */
#pragma once

#include "options.h"

#include <systemd/sd-journal.h>

/* < 0: an error of libsystemd. */
int journal_add_matches(sd_journal *journal, const struct journald_config *config);
/* By the journal: then the numbers of entries jump. */
bool journal_is_filtered(const struct journald_config *config);
