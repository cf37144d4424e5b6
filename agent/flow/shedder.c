/* SPDX-License-Identifier: Apache-2.0 */
#include "flow/shedder.h"

struct shedder shedder_make(const struct shedder_config *config)
{
    return (struct shedder){ .config = *config };
}

enum shed_change shedder_update(struct shedder *shedder, double fill)
{
    if (!shedder->is_shedding && shedder->config.high < 1 && fill >= shedder->config.high) {
        shedder->is_shedding = true;
        return SHED_STARTED;
    }
    if (shedder->is_shedding && fill <= shedder->config.low) {
        shedder->is_shedding = false;
        return SHED_STOPPED;
    }
    return SHED_SAME;
}

bool shedder_keeps(const struct shedder *shedder, struct random *random)
{
    return random_unit(random) < shedder->config.keep;
}

double shedder_weight(const struct shedder *shedder)
{
    return shedder->config.keep > 0 ? 1 / shedder->config.keep : 1;
}
