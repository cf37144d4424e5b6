/* SPDX-License-Identifier: Apache-2.0 */
/* fields: what an entry of the journal becomes. Names of fields are those of
 * systemd.journal-fields(7), names of attributes those of the OpenTelemetry semantic conventions
 * where these have one; syslog's are named as in the Elastic Common Schema. Pure; the reading's
 * thread. */
#pragma once

#include "plugin.h"

enum { ENTRY_ATTRIBUTE_BYTES = 32 * 1024 }; /* of one entry; more are left out, and counted in it */

struct journal_entry { /* while it is taken apart */
    struct event *event;
    char *memory; /* where values are copied to: the journal's are gone with the next call */
    size_t room, used;
    size_t max_line_bytes;
    bool all_fields;
    size_t attribute_bytes;
    bool is_of_journald; /* not of one who says so */
    bool is_suppression;
    uint64_t dropped;
    struct slice unit_of;
};

/* One "FIELD=value". memory has room for the longest message and ENTRY_ATTRIBUTE_BYTES. */
void journal_entry_field(struct journal_entry *entry, struct slice data);
/* After all fields: how many entries journald's rate limit suppressed, as it says in this one; 0:
 * none. ret_of: whose they were, may be empty. */
uint64_t journal_entry_suppressed(const struct journal_entry *entry, struct slice *ret_of);
