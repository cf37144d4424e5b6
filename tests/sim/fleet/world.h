/* SPDX-License-Identifier: Apache-2.0 */
/* world: a fleet of agents, each with its own real delivery, before one endpoint, in virtual time.
 * An agent makes a batch every period_ms, endpoint or not; what waits is bounded, the oldest goes
 * first, as in a lane. */
#pragma once

#include "delivery/delivery.h"
#include "endpoint.h"
#include "heap.h"

enum {
    WAITING_MOST_MS = 120 * 1000, /* of an agent's batches, before they are sealed */
    DIES_MS = 30 * 1000,
    AWAY_MS = 30 * 60 * 1000,
    RETURNS_MS = DIES_MS + AWAY_MS,
    WATCHED_S = 30 * 60, /* after it is back */
    SECONDS = RETURNS_MS / 1000 + WATCHED_S,
};

struct fleet_agent {
    struct delivery *delivery;
    int64_t phase_ms; /* of its batches */
    int64_t looks_ms; /* the one look in the heap that counts */
    uint32_t made;    /* batches so far */
    uint16_t waiting; /* of them, not sealed yet */
    uint16_t held;    /* sealed, not delivered */
};

/* What happened in one second. */
struct second {
    uint32_t offered, taken;
    uint64_t waiting; /* at its end: not delivered and not dropped */
};

struct world {
    unsigned agent_count, period_ms;
    struct fleet_agent *agents;
    struct endpoint endpoint;
    struct heap heap;
    struct random random;
    struct ledger *ledger;
    struct books *books;
    struct numbers *numbers;
    char folder[32];
    uint64_t waiting, dropped, delivered; /* batches */
    struct second seconds[SECONDS];
};

void world_init(struct world *world, unsigned agents, unsigned period_ms, enum manner manner,
                uint64_t seed);
/* Runs to the end of the last second, or until the backlog is gone and a minute more. Returns how
 * many seconds it ran. */
unsigned world_run(struct world *world);
/* CHECKs that every batch has one end and that the books agree. */
void world_fini(struct world *world);
