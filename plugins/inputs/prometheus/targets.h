/* SPDX-License-Identifier: Apache-2.0 */
/* targets: those of one configuration. With another there are others, and what was known of one
 * that stays goes over to the one in its place. Threads: as target. */
#pragma once

#include "target.h"

struct targets {
    struct target *items; /* NULL: there are none */
    size_t count;
    uint64_t wishes; /* by which they were opened */
};

/* Of all that cannot be changed once they are open. */
uint64_t targets_wishes(const struct prometheus_config *config, const struct host *host);
/* false: nothing is open. */
bool targets_open(struct targets *targets, const struct prometheus_config *config,
                  const struct host *host, struct known *known, struct err *err);
/* What of them may change: their wishes are the same. */
void targets_use(struct targets *targets, const struct prometheus_config *config);
/* Their transfers are ended, without a word: nobody of them has begun, or the sink is gone. */
void targets_close(struct targets *targets, CURLM *multi);
/* Those that `now` has too go on there; the series of the others are marked as gone. */
void targets_leave(struct targets *left, struct targets *now, CURLM *multi, struct sink *sink);
/* Ends the transfers, with what they took counted. */
void targets_abandon(struct targets *targets, CURLM *multi, struct sink *sink);
