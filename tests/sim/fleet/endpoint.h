/* SPDX-License-Identifier: Apache-2.0 */
/* endpoint: takes so many requests a second, is away for a while, and has one of three ways to be
 * overloaded. Pure. */
#pragma once

#include "base/random.h"

enum manner {
    MANNER_REFUSES,   /* 503 for what is too much */
    MANNER_SLOWS,     /* all wait in one queue */
    MANNER_TIMES_OUT, /* what is too much is never answered */
    MANNERS,
};
extern const char *const manner_names[MANNERS];

struct endpoint {
    enum manner manner;
    double capacity_per_ms;
    int64_t dies_ms, returns_ms;
    struct random random;
    double room;       /* requests that may be taken now; bounded */
    int64_t filled_ms; /* until when the room has been filled up */
    double busy_ms;    /* MANNER_SLOWS: when the queue will be empty */
};

struct reply {
    int verdict; /* enum verdict of plugins/plugin.h */
    int64_t took_ms;
};

struct endpoint endpoint_make(enum manner manner, double capacity_per_s, uint64_t seed);
struct reply endpoint_ask(struct endpoint *endpoint, int64_t now_ms, int64_t timeout_ms);
