/* SPDX-License-Identifier: Apache-2.0 */
#include "distinct.h"

#include <math.h>

void distinct_add(struct distinct *distinct, uint64_t hash)
{
    uint64_t rest = hash << DISTINCT_BITS | UINT64_C(1) << (DISTINCT_BITS - 1); /* has a bit */
    uint8_t zeros = (uint8_t)(__builtin_clzll(rest) + 1);
    uint8_t *cell = &distinct->cells[hash >> (64 - DISTINCT_BITS)];

    if (zeros > *cell)
        *cell = zeros;
}

double distinct_count(const struct distinct *distinct)
{
    const double cells = DISTINCT_CELLS, alpha = 0.7213 / (1 + 1.079 / cells);
    double sum = 0;
    size_t empty = 0;

    for (size_t i = 0; i < DISTINCT_CELLS; i++) {
        sum += ldexp(1, -distinct->cells[i]);
        empty += distinct->cells[i] == 0 ? 1 : 0;
    }
    double estimate = alpha * cells * cells / sum;
    if (estimate <= 2.5 * cells && empty > 0)
        estimate = cells * log(cells / (double)empty);
    return round(estimate);
}
