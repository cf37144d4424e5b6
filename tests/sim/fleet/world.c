/* SPDX-License-Identifier: Apache-2.0 */
/* world: all agents share one lane and one row of numbers in the books; the sums must agree. */
#include "world.h"

#include "base/check.h"
#include "plugins/plugin.h"

#include <ftw.h>
#include <stdio.h>
#include <stdlib.h>
#include <unistd.h>

enum { BATCH_EVENTS = 100, BATCH_BYTES = 10000, BODY_BYTES = 2000 };

/* As the options of an output are by default: see config/settings_options.h. */
static const struct delivery_config defaults = {
    .memory_bytes = 16 * 1024 * 1024,
    .concurrency_min = 0,
    .concurrency_max = 128,
    .retry_base_ms = 1000,
    .retry_cap_ms = 60000,
    .breaker_failures = 5,
    .breaker_rest_ms = 1000,
    .breaker_rest_max_ms = 60000,
    .timeout_ms = 30000,
};

/* ---- one agent ---- */

static void make_batches(struct world *world, struct fleet_agent *agent, int64_t now_ms)
{
    uint32_t due = now_ms < agent->phase_ms
                       ? 0
                       : (uint32_t)((now_ms - agent->phase_ms) / world->period_ms) + 1;

    for (; agent->made < due; agent->made++) {
        if (agent->waiting == WAITING_MOST_MS / world->period_ms) {
            world->dropped++;
            continue;
        }
        agent->waiting++;
        world->waiting++;
    }
}

static struct batch *make_batch(struct world *world)
{
    struct batch *batch = batch_new();

    CHECK(batch != NULL);
    batch->runs = malloc(sizeof(*batch->runs));
    CHECK(batch->runs != NULL);
    batch->runs[0] = (struct batch_run){ world->books, NULL, BATCH_EVENTS, BATCH_BYTES };
    batch->run_count = 1;
    batch->events = BATCH_EVENTS;
    batch->bytes = BATCH_BYTES;
    batch->body_bytes = BODY_BYTES;
    ledger_move(world->books, FLOW_admit, BATCH_EVENTS, BATCH_BYTES);
    ledger_move(world->books, FLOW_gather, BATCH_EVENTS, BATCH_BYTES);
    return batch;
}

static void seal_batches(struct world *world, struct fleet_agent *agent, int64_t now_ms)
{
    struct permit permit;

    while (agent->waiting > 0 && delivery_wants_batches(agent->delivery, now_ms) &&
           delivery_reserve(agent->delivery, 0, BODY_BYTES, &permit)) {
        struct batch *batch = make_batch(world);
        batch->permit = permit;
        delivery_put(agent->delivery, &batch, now_ms);
        agent->waiting--;
        agent->held++;
    }
}

static void send_request(struct world *world, uint32_t index, const struct step *step,
                         int64_t now_ms)
{
    struct reply reply = endpoint_ask(&world->endpoint, now_ms, step->timeout_ms);
    struct second *second = &world->seconds[now_ms / 1000];

    second->offered++;
    second->taken += reply.verdict == VERDICT_SENT;
    heap_push(&world->heap, (struct happening){ .at_ms = now_ms + reply.took_ms,
                                                .batch = step->batch,
                                                .agent = index,
                                                .took_ms = (int32_t)reply.took_ms,
                                                .verdict = reply.verdict });
}

/* With batches waiting only an answer or the delivery's own time can change anything. */
static void look(struct world *world, uint32_t index, int64_t now_ms)
{
    struct fleet_agent *agent = &world->agents[index];
    int64_t next_ms = INT64_MAX;
    struct step step;

    make_batches(world, agent, now_ms);
    do {
        seal_batches(world, agent, now_ms);
        step = delivery_next(agent->delivery, now_ms, now_ms);
        if (step.kind == STEP_SEND)
            send_request(world, index, &step, now_ms);
    } while (step.kind == STEP_SEND);
    if (step.until_ms > 0)
        next_ms = step.until_ms;
    if (agent->waiting == 0) {
        int64_t made_ms = agent->phase_ms + (int64_t)agent->made * world->period_ms;
        next_ms = made_ms < next_ms ? made_ms : next_ms;
    }
    if (next_ms != INT64_MAX && next_ms != agent->looks_ms)
        heap_push(&world->heap, (struct happening){ .at_ms = next_ms, .agent = index });
    agent->looks_ms = next_ms;
}

static void happen(struct world *world, const struct happening *happening)
{
    struct fleet_agent *agent = &world->agents[happening->agent];

    if (happening->batch == NULL && agent->looks_ms != happening->at_ms)
        return; /* it has looked since, and will at another time */
    if (happening->batch != NULL) {
        struct answer_summary answer = { .verdict = happening->verdict,
                                         .retry_after_ms = -1,
                                         .took_ms = happening->took_ms };
        delivery_answer(agent->delivery, happening->batch, &answer, happening->at_ms);
        if (happening->verdict == VERDICT_SENT) {
            agent->held--;
            world->waiting--;
            world->delivered++;
        }
    } else {
        agent->looks_ms = INT64_MIN;
    }
    look(world, happening->agent, happening->at_ms);
}

/* ---- all of them ---- */

static void open_books(struct world *world)
{
    struct err err = { "" };

    (void)snprintf(world->folder, sizeof(world->folder), "/tmp/spillway-fleet-XXXXXX");
    CHECK(mkdtemp(world->folder) != NULL);
    struct ledger_config config = { .state_dir = world->folder, .runtime_dir = world->folder };
    world->ledger = ledger_open(&config, &err);
    CHECK(world->ledger != NULL);
    world->books = ledger_lane(world->ledger, "fleet", "endpoint", false);
    world->numbers = ledger_output_numbers(world->ledger, "endpoint");
}

void world_init(struct world *world, unsigned agents, unsigned period_ms, enum manner manner,
                uint64_t seed)
{
    double steady_per_s = (double)agents * 1000 / period_ms;
    struct delivery_config config = defaults;

    *world = (struct world){ .agent_count = agents,
                             .period_ms = period_ms,
                             .random = random_make(seed) };
    open_books(world);
    world->endpoint = endpoint_make(manner, steady_per_s * 1.5, random_next(&world->random));
    world->endpoint.dies_ms = DIES_MS;
    world->endpoint.returns_ms = RETURNS_MS;
    world->agents = calloc(agents, sizeof(*world->agents));
    CHECK(world->agents != NULL);
    for (uint32_t i = 0; i < agents; i++) {
        config.seed = random_next(&world->random);
        world->agents[i] = (struct fleet_agent){
            .delivery = delivery_new(&config, world->numbers),
            .phase_ms = (int64_t)(random_next(&world->random) % period_ms),
        };
        CHECK(world->agents[i].delivery != NULL);
        look(world, i, 0);
    }
}

static bool is_over(const struct world *world, unsigned second)
{
    if (second * 1000 < RETURNS_MS + 60 * 1000)
        return false;
    for (unsigned i = 1; i <= 60; i++) {
        if (world->seconds[second - i].waiting * 100 >
            world->seconds[RETURNS_MS / 1000 - 1].waiting)
            return false;
    }
    return true;
}

unsigned world_run(struct world *world)
{
    struct happening happening;
    unsigned second = 0;

    while (heap_pop(&world->heap, &happening)) {
        for (; happening.at_ms >= ((int64_t)second + 1) * 1000; second++) {
            world->seconds[second].waiting = world->waiting;
            if (second + 1 == SECONDS || is_over(world, second))
                return second + 1;
        }
        happen(world, &happening);
    }
    return second;
}

static int remove_entry(const char *path, const struct stat *status, int type, struct FTW *ftw)
{
    (void)status;
    (void)type;
    (void)ftw;
    return remove(path);
}

void world_fini(struct world *world)
{
    uint64_t made = 0, waiting = 0, held = 0;

    for (uint32_t i = 0; i < world->agent_count; i++) {
        made += world->agents[i].made;
        waiting += world->agents[i].waiting;
        held += world->agents[i].held;
        delivery_abandon(world->agents[i].delivery);
        delivery_free(&world->agents[i].delivery);
    }
    CHECK(made == waiting + held + world->delivered + world->dropped);
    CHECK(ledger_flow(world->books, FLOW_deliver).events == world->delivered * BATCH_EVENTS);
    CHECK(ledger_flow(world->books, FLOW_drain_timeout_ready).events +
              ledger_flow(world->books, FLOW_drain_timeout_in_flight).events ==
          held * BATCH_EVENTS);
    CHECK(ledger_stock(world->books, ACCOUNT_ready).events == 0);
    CHECK(ledger_stock(world->books, ACCOUNT_in_flight).events == 0);
    ledger_close(&world->ledger);
    (void)nftw(world->folder, remove_entry, 8, FTW_DEPTH | FTW_PHYS);
    heap_fini(&world->heap);
    free(world->agents);
}
