/* SPDX-License-Identifier: Apache-2.0 */
/* spools: the spools of all outputs at the start: opened and looked through before the books begin,
 * because what lies on disk says how those of the start before are closed. Threads: main. */
#pragma once

#include "config/settings.h"
#include "delivery/spool_files.h"

#include <limits.h>

struct spools {
    size_t count; /* one for each output */
    struct opened_spool {
        struct spool *spool; /* NULL: this output has none, or it cannot be opened */
        struct spool_files *files;
        char path[PATH_MAX];   /* what is new is written there */
        char before[PATH_MAX]; /* it has something there too; "": nowhere */
        bool misses_before;    /* which cannot be opened */
    } * items;
    struct ledger_found *found; /* what lies on disk, for the books */
    size_t found_count;
};

/* ledger: prepared. Says what was found. A disk that cannot be used is said and is no reason not to
 * start; false: out of memory, or another agent has the folder. */
bool spools_open(struct spools *spools, const struct settings *settings,
                 const struct ledger *ledger, struct err *err);
/* While the agent runs: room for all outputs of these settings, none opened yet; then one of them,
 * also one that was there before in this start. */
bool spools_prepare(struct spools *spools, const struct settings *settings, struct err *err);
bool spools_open_one(struct spools *spools, const struct settings *settings, size_t output,
                     const struct ledger *ledger, struct err *err);
/* How the spool of that output is to be used. */
struct spool_config spools_config(const struct settings *settings, size_t output);
/* Once it is carried over: what start after start crashed on, as the numbers of its output tell,
 * is not sent again. */
void spools_set_aside(struct opened_spool *spool, const char *output, struct numbers *numbers);
/* Where else they are. Returns how many. */
size_t spools_list_before(const struct spools *spools, const char *ret[LEDGER_OUTPUTS]);
void spools_close(struct spools *spools); /* those that nobody took */
