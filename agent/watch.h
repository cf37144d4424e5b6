/* SPDX-License-Identifier: Apache-2.0 */
/* watch: looks at one output from time to time, measures how full and how busy it is, and tells
 * what holds it up (see delivery/saturation.h) in the log and in three gauges.
 * Threads: main only. While all is calm it looks as seldom as the reports are made, so that it
 * wakes an idle agent no further. */
#pragma once

#include "delivery/saturation.h"

struct outlet;

struct watch {
    struct saturation saturation;
    /* at the last look; 0: there was none */
    int64_t looked_ms, busy_ms, blocked_ms;
    uint64_t lag_bytes;
};

/* calm_ms: between two looks while nothing is suspected. Returns when to look again. */
int64_t watch_look(struct watch *watch, struct outlet *outlet, int64_t now_ms, int64_t calm_ms);
