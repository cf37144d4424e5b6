/* SPDX-License-Identifier: Apache-2.0 */
/* histograms: all is relaxed, as in counters.c. */
#include "ledger/books_layout.h"

const struct histogram_info histogram_infos[HISTOGRAMS] = {
#define HISTOGRAM(histogram, of, family, text)                                                     \
    [HISTOGRAM_##histogram] = { #histogram, SCOPE_##of, family, text },
#include "ledger/histograms.def"
};

const uint64_t histogram_bounds_ms[HISTOGRAM_BUCKETS] = {
    1,    5,    10,    25,    50,    100,    250,     500,     1000,
    2500, 5000, 10000, 30000, 60000, 300000, 1800000, 7200000, UINT64_MAX,
};

void numbers_observe(struct numbers *numbers, enum histogram histogram, int64_t ms, uint64_t count)
{
    struct histogram_cells *cells = &numbers->histograms[histogram];
    uint64_t took_ms = ms < 0 ? 0 : (uint64_t)ms;
    unsigned bucket = 0;

    while (took_ms > histogram_bounds_ms[bucket])
        bucket++;
    atomic_fetch_add_explicit(&cells->counts[bucket], count, memory_order_relaxed);
    atomic_fetch_add_explicit(&cells->sum_ms, took_ms * count, memory_order_relaxed);
}

void numbers_histogram(const struct numbers *numbers, enum histogram histogram,
                       struct histogram_copy *ret)
{
    const struct histogram_cells *cells = &numbers->histograms[histogram];

    ret->count = 0;
    for (unsigned i = 0; i < HISTOGRAM_BUCKETS; i++) {
        ret->counts[i] = atomic_load_explicit(&cells->counts[i], memory_order_relaxed);
        ret->count += ret->counts[i];
    }
    ret->sum_ms = atomic_load_explicit(&cells->sum_ms, memory_order_relaxed);
}
