/* SPDX-License-Identifier: Apache-2.0 */
/* weight: the attribute sampling.weight, by which a kept event says for how many it stands. A
 * weight that is there already (another sampler was before us) is multiplied. */
#pragma once

#include "event/event.h"

enum { WEIGHT_ROOM = 1024 };

/* The event gets attributes of its own, in `room` (WEIGHT_ROOM of them); it shares all else. Where
 * there is no room for one more, the last attribute is given up for it, and counted as lost. */
void weight_set(struct event *event, struct attribute *room, double weight);
