/* SPDX-License-Identifier: Apache-2.0 */
/* histograms: how long things took, in buckets that are the same everywhere. They lie in the books
 * behind the numbers of each lane and output, and are described there, see books_file.h.
 * Threads: any, without locks. */
#pragma once

#include "ledger/tables.h"

#include <stdatomic.h>

enum histogram {
#define HISTOGRAM(name, ...) HISTOGRAM_##name,
#include "ledger/histograms.def"
    HISTOGRAMS
};
enum { HISTOGRAM_BUCKETS = 18 };

struct histogram_info {
    const char *name;
    enum number_scope scope;
    const char *metric, *doc;
};
extern const struct histogram_info histogram_infos[HISTOGRAMS];
/* A bucket counts what took at most this long and longer than the bound before; the last bound is
 * UINT64_MAX. */
extern const uint64_t histogram_bounds_ms[HISTOGRAM_BUCKETS];

struct numbers;
/* count things took that long; below 0 is 0. */
void numbers_observe(struct numbers *numbers, enum histogram histogram, int64_t ms, uint64_t count);

/* A reader's copy. */
struct histogram_copy {
    uint64_t counts[HISTOGRAM_BUCKETS], count, sum_ms; /* count: of all buckets */
};
void numbers_histogram(const struct numbers *numbers, enum histogram histogram,
                       struct histogram_copy *ret);

/* ---- in the books ---- */

struct books_histogram_row {
    char name[32]; /* BOOKS_ROW_NAME */
    uint32_t scope;
    uint32_t at; /* from the numbers of a row: a count for each bound, then the sum in ms */
};
struct histogram_cells {
    _Atomic uint64_t counts[HISTOGRAM_BUCKETS], sum_ms;
};
