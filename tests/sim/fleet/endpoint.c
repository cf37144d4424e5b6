/* SPDX-License-Identifier: Apache-2.0 */
/* endpoint: while it is away connections are refused. It evens out what comes within a tenth of a
 * second. */
#include "endpoint.h"

#include "plugins/plugin.h"

enum { REFUSED_MS = 2, TAKEN_LEAST_MS = 40, TAKEN_SPREAD_MS = 20, EVENED_MS = 100 };

const char *const manner_names[MANNERS] = { "refuses", "slows", "times_out" };

struct endpoint endpoint_make(enum manner manner, double capacity_per_s, uint64_t seed)
{
    return (struct endpoint){ .manner = manner,
                              .capacity_per_ms = capacity_per_s / 1000,
                              .dies_ms = INT64_MAX,
                              .returns_ms = INT64_MAX,
                              .random = random_make(seed) };
}

static bool has_room(struct endpoint *endpoint, int64_t now_ms)
{
    double most = endpoint->capacity_per_ms * EVENED_MS;

    endpoint->room += (double)(now_ms - endpoint->filled_ms) * endpoint->capacity_per_ms;
    endpoint->filled_ms = now_ms;
    if (endpoint->room > most)
        endpoint->room = most;
    if (endpoint->room < 1)
        return false;
    endpoint->room -= 1;
    return true;
}

static int64_t queue_ms(struct endpoint *endpoint, int64_t now_ms)
{
    double now = (double)now_ms;

    if (endpoint->busy_ms < now)
        endpoint->busy_ms = now;
    endpoint->busy_ms += 1 / endpoint->capacity_per_ms;
    return (int64_t)(endpoint->busy_ms - now);
}

struct reply endpoint_ask(struct endpoint *endpoint, int64_t now_ms, int64_t timeout_ms)
{
    struct reply reply = { .verdict = VERDICT_SENT, .took_ms = TAKEN_LEAST_MS };

    reply.took_ms += (int64_t)(random_next(&endpoint->random) % TAKEN_SPREAD_MS);
    if (now_ms >= endpoint->dies_ms && now_ms < endpoint->returns_ms)
        return (struct reply){ VERDICT_RETRY, REFUSED_MS };
    if (endpoint->manner == MANNER_SLOWS)
        reply.took_ms += queue_ms(endpoint, now_ms);
    else if (!has_room(endpoint, now_ms))
        reply = (struct reply){ VERDICT_RETRY,
                                endpoint->manner == MANNER_REFUSES ? REFUSED_MS : INT64_MAX };
    if (reply.took_ms >= timeout_ms)
        reply = (struct reply){ VERDICT_RETRY, timeout_ms };
    return reply;
}
