/* SPDX-License-Identifier: Apache-2.0 */
/* shedder: decides at the door of a lane whether to admit an event. Starts to shed when the lane is
 * filled to `high`, stops when it has fallen to `low`: between the two it stays as it is.
 * Pure: fill and chance are passed in. */
#pragma once

#include "base/random.h"

#include <stdbool.h>

struct shedder_config {
    double high, low; /* 0 … 1 of the lane's memory; high 1: never sheds */
    double keep;      /* 0 … 1 of the events while shedding */
};

struct shedder {
    struct shedder_config config;
    bool is_shedding;
};

enum shed_change { SHED_SAME, SHED_STARTED, SHED_STOPPED };

struct shedder shedder_make(const struct shedder_config *config);
enum shed_change shedder_update(struct shedder *shedder, double fill);
/* While shedding: keep this one? */
bool shedder_keeps(const struct shedder *shedder, struct random *random);
/* By how much one kept event counts for those that were shed: 1 / keep. */
double shedder_weight(const struct shedder *shedder);
