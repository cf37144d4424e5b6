/* SPDX-License-Identifier: Apache-2.0 */
/* distinct: how many different texts there were, of which only hashes are looked at.
 * Source: Flajolet, Fusy, Gandouet, Meunier: "HyperLogLog: the analysis of a near-optimal
 * cardinality estimation algorithm", 2007, with linear counting for few. The standard error is
 * 2.3 %; below some thousand it is much less. Pure; no allocation. Threads: none. */
#pragma once

#include "plugin.h"

enum { DISTINCT_BITS = 11, DISTINCT_CELLS = 1 << DISTINCT_BITS };

struct distinct { /* zeroed is empty */
    uint8_t cells[DISTINCT_CELLS];
};

void distinct_add(struct distinct *distinct, uint64_t hash); /* of well-mixed bits */
double distinct_count(const struct distinct *distinct);
