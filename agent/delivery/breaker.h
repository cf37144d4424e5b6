/* SPDX-License-Identifier: Apache-2.0 */
/* breaker: stops asking an endpoint that is away. Closed: requests go. Open: none goes until its
 * rest is over. Half-open: exactly one probe is out. One success closes it; each failed probe
 * doubles the rest, of which a random part between a half and the whole is kept. Pure. While it is
 * not closed only the probe's result is recorded: answers to requests from before say nothing about
 * now. */
#pragma once

#include "base/random.h"

#include <stdbool.h>
#include <stdint.h>

enum breaker_state { BREAKER_CLOSED, BREAKER_HALF_OPEN, BREAKER_OPEN }; /* as numbers.def says */

enum breaker_sign {
    BREAKER_NO_SIGN, /* a probe without a verdict: it rests again, for no longer than before */
    BREAKER_SUCCESS,
    BREAKER_FAILURE, /* opens it with enough others */
    BREAKER_OUTAGE,  /* opens it at once */
};

enum { BREAKER_WINDOW = 20, BREAKER_WINDOW_FAILURES = BREAKER_WINDOW / 2 };

struct breaker_config {
    unsigned failures; /* in a row */
    int64_t rest_ms, rest_max_ms;
};

struct breaker {
    struct breaker_config config;
    enum breaker_state state;
    unsigned failures_in_row;
    uint32_t window; /* the last results since it closed, one bit each, 1: failure */
    unsigned window_count;
    int64_t rest_ms;  /* of the current opening, before its jitter */
    int64_t until_ms; /* BREAKER_OPEN: no probe before */
};

struct breaker breaker_make(const struct breaker_config *config);
/* Ask only with a request at hand: a `true` while it is open is the one probe. */
bool breaker_allows(struct breaker *breaker, int64_t now_ms);
void breaker_record(struct breaker *breaker, enum breaker_sign sign, int64_t now_ms,
                    struct random *random);
/* Opens with that rest instead of its own: a probe to be repeated at once, or the hurry of a drain.
 * Does nothing while it is closed. */
void breaker_rest_until(struct breaker *breaker, int64_t until_ms);
