/* SPDX-License-Identifier: Apache-2.0 */
/* reload: from the wish for another configuration to its result. Wishes (SIGHUP, POST /reload) are
 * numbered; one reload serves all that came before it began, so none is lost and a storm of them is
 * a few reloads. The new configuration is loaded by the same call as at the start; whatever is
 * wrong with it, the agent goes on as it was.
 * Threads: reload_ask() and reload_page() any, the others main. */
#pragma once

#include "base/lock.h"
#include "generation.h"
#include "ledger/ledger.h"
#include "pipeline.h"
#include "rights/rights.h"
#include "surface.h"

struct reload {
    const char *path; /* of the configuration */
    int bell;
    const struct rights *rights; /* what a new configuration may need */
    struct lock lock;
    /* under lock */
    uint64_t asked, served;
    uint64_t generation;
    struct buf last; /* the result of the last one, a JSON object; empty: there was none */
};

void reload_init(struct reload *reload, const char *path, int bell);
void reload_fini(struct reload *reload);
uint64_t reload_ask(struct reload *reload); /* the number of this wish */
/* JSON: what was asked for and served, and the last result. */
bool reload_page(struct reload *reload, struct buf *ret);

bool reload_is_due(struct reload *reload);
/* Serves all wishes so far. The new generation, which the caller releases some day; NULL: nothing
 * has changed, the log and the page say why. */
struct generation *reload_serve(struct reload *reload, const struct generation *now,
                                struct pipeline *pipeline, struct surface *surface,
                                struct ledger *ledger, const struct patience *patience);
