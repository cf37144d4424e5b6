/* SPDX-License-Identifier: Apache-2.0 */
/* sketch: quantiles of numbers that are not kept.
 * Source: Masson, Rim, Lee: "DDSketch: a fast and fully-mergeable quantile sketch with
 * relative-error guarantees", VLDB 2019. A number falls into the bin of its logarithm, so each is
 * known within SKETCH_ERROR of itself, and so is each quantile. The bins are as many as span a
 * factor of 7.8e8 between the numbers of one sign; beyond that the smallest share one bin, and the
 * higher quantiles stay as exact. Numbers below 1e-9 count as 0.
 * A number that stands for several, by its sample rate, is counted in whole ones, the rest carried
 * on to the next. Pure; no allocation. Threads: none. */
#pragma once

#include "plugin.h"

#define SKETCH_ERROR 0.01
enum { SKETCH_BINS = 1024 };

struct sketch_store {
    int32_t low; /* the key of the first bin; those below it are in it, too */
    int32_t low_used, high_used;
    uint64_t count; /* 0: nothing of the above means anything */
    uint32_t bins[SKETCH_BINS];
};

struct sketch { /* zeroed is empty */
    double sum, min, max;
    double carry;
    uint64_t count, zeros;
    struct sketch_store *below; /* of numbers below 0, which are rare: NULL until its owner gives it
                                   one, before the first */
    struct sketch_store above;
};

void sketch_add(struct sketch *sketch, double number, double weight);
double sketch_quantile(const struct sketch *sketch, double quantile); /* count > 0 */
void sketch_clear(struct sketch *sketch);
