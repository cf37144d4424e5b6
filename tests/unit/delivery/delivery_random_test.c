/* SPDX-License-Identifier: Apache-2.0 */
/* The delivery against an endpoint that answers at random, in simulated time, from seeds. */
#include "delivery/delivery.h"

#include "base/random.h"
#include "delivery/rig.h"
#include "plugins/plugin.h"

static void note_nothing(void *context)
{
    (void)context;
}

enum { READS = 40, IN_FLIGHT_MAX = 16, STEPS = 400 };

struct world {
    struct rig *rig;
    struct delivery *delivery;
    int64_t now_ms;
    struct random random;
    struct receipts *receipts[RIG_LANES];
    struct batch *in_flight[IN_FLIGHT_MAX];
    unsigned in_flight_count;
    struct batch *burying;
    uint64_t put_events;
    unsigned health; /* percent of good answers */
};

static uint64_t below(struct world *world, uint64_t bound)
{
    return random_below(&world->random, bound);
}

static void put_random(struct world *world)
{
    struct batch *batch = rig_empty_batch(world->rig, "some bytes\n");
    unsigned runs = 1 + (unsigned)below(world, 5);

    if (!delivery_reserve(world->delivery, 0, batch->body_bytes, &batch->permit)) {
        batch_free(&batch);
        return;
    }
    batch->oldest_boot_ms = world->now_ms - (int64_t)below(world, 5000);
    for (unsigned i = 0; i < runs; i++) {
        int lane = (int)below(world, RIG_LANES);
        struct receipt *receipt = lane == 2 ? NULL : receipts_open(world->receipts[lane]);
        uint64_t events = 1 + below(world, 20);
        rig_add_run(world->rig, batch, lane, receipt, events);
        world->put_events += events;
        if (receipt != NULL)
            receipts_hold_done(world->receipts[lane], receipt, "12345678", 8);
    }
    delivery_put(world->delivery, &batch, world->now_ms);
}

static void answer_random(struct world *world)
{
    static const enum verdict bad[] = { VERDICT_BUSY, VERDICT_RETRY,     VERDICT_RETRY,
                                        VERDICT_HOLD, VERDICT_TOO_LARGE, VERDICT_REJECTED };
    struct answer_summary summary = { .verdict = VERDICT_SENT, .retry_after_ms = -1 };
    unsigned i;

    if (world->in_flight_count == 0)
        return;
    i = (unsigned)below(world, world->in_flight_count);
    if (below(world, 100) >= world->health) {
        summary.verdict = (int)bad[below(world, 6)];
        if (below(world, 3) == 0)
            summary.retry_after_ms = (int64_t)below(world, 5000);
        summary.died_before_answer = summary.verdict == VERDICT_RETRY && below(world, 2) == 0;
    }
    summary.took_ms = (int64_t)below(world, 300);
    summary.opened_connection = below(world, 4) == 0;
    delivery_answer(world->delivery, world->in_flight[i], &summary, world->now_ms);
    world->in_flight[i] = world->in_flight[--world->in_flight_count];
}

static void split_random(struct world *world)
{
    struct batch *parent = delivery_take_split(world->delivery);
    struct batch *halves[2] = { NULL, NULL };

    if (parent == NULL)
        return;
    if (below(world, 4) > 0) {
        rig_cut(parent, halves);
        for (int i = 0; i < 2; i++)
            halves[i]->permit =
                share_overdraw(delivery_share(world->delivery), halves[i]->body_bytes);
    }
    delivery_put_halves(world->delivery, &parent, halves, world->now_ms);
}

static void bury_random(struct world *world)
{
    struct batch *batch;

    if (world->burying == NULL) {
        world->burying = delivery_take_refused(world->delivery);
    } else if (below(world, 2) == 0) {
        batch = world->burying;
        world->burying = NULL;
        delivery_put_buried(world->delivery, &batch);
    }
}

static void send_random(struct world *world)
{
    struct step step = delivery_next(world->delivery, world->now_ms, world->now_ms);

    if (step.kind == STEP_WAIT)
        return;
    CHECK(world->in_flight_count < IN_FLIGHT_MAX);
    CHECK(step.timeout_ms >= 1);
    world->in_flight[world->in_flight_count++] = step.batch;
}

static void step_random(struct world *world)
{
    switch (below(world, 9)) {
    case 0:
        if (delivery_wants_batches(world->delivery, world->now_ms))
            put_random(world);
        break;
    case 1:
    case 2:
        answer_random(world);
        break;
    case 3:
        split_random(world);
        break;
    case 4:
        world->now_ms += (int64_t)below(world, 500);
        break;
    case 5:
        if (below(world, 20) == 0)
            world->health = (unsigned)below(world, 101);
        break;
    case 6:
        bury_random(world);
        break;
    default:
        send_random(world);
        break;
    }
    delivery_audit(world->delivery);
}

/* The endpoint is well again. Returns false if something stays in it for ever. */
static bool run_dry(struct world *world)
{
    world->health = 100;
    for (int i = 0; i < 10000 && !delivery_is_empty(world->delivery); i++) {
        struct step step = delivery_next(world->delivery, world->now_ms, world->now_ms);
        split_random(world);
        bury_random(world);
        if (step.kind == STEP_SEND)
            world->in_flight[world->in_flight_count++] = step.batch;
        else if (step.until_ms > 0)
            world->now_ms = step.until_ms;
        answer_random(world);
    }
    return delivery_is_empty(world->delivery);
}

/* All receipts must be settled, or as many as were not replayed. */
static unsigned count_open_receipts(struct world *world)
{
    char mark[RECEIPT_MARK_BYTES];
    size_t mark_bytes, open = 0;

    for (int i = 0; i < RIG_LANES; i++) {
        while (receipts_pop_settled(world->receipts[i], mark, &mark_bytes))
            continue;
        open += receipts_count(world->receipts[i]);
    }
    return (unsigned)open;
}

static uint64_t sum_of_ends(const struct rig *rig)
{
    static const enum flow ends[] = { FLOW_deliver,
                                      FLOW_refuse,
                                      FLOW_expire,
                                      FLOW_split_too_large,
                                      FLOW_replay_ready,
                                      FLOW_replay_in_flight,
                                      FLOW_drain_timeout_ready,
                                      FLOW_drain_timeout_in_flight };
    uint64_t events = 0;

    for (size_t i = 0; i < sizeof(ends) / sizeof(ends[0]); i++)
        events += rig_flow(rig, ends[i]);
    return events;
}

#define EXPECT(seed, cond)                                                                         \
    do {                                                                                           \
        if (!(cond))                                                                               \
            fail_msg("seed %llu: %s", (unsigned long long)(seed), #cond);                          \
    } while (0)

static struct delivery_config random_config(struct world *world, uint64_t seed)
{
    return (struct delivery_config){ .memory_bytes = 200,
                                     .concurrency_min = (unsigned)below(world, 2),
                                     .concurrency_max = 1 + (unsigned)below(world, 8),
                                     .retry_base_ms = 1000,
                                     .retry_cap_ms = 60000,
                                     .max_age_ms = below(world, 2) == 0 ? 0 : 20000,
                                     .keeps_refused = below(world, 2) == 0,
                                     .breaker_failures = 5,
                                     .breaker_rest_ms = 1000,
                                     .breaker_rest_max_ms = 60000,
                                     .timeout_ms = 30000,
                                     .seed = seed };
}

static void run_seed(struct rig *rig, uint64_t seed, uint64_t *put_events)
{
    struct world world = { .random = random_make(seed), .put_events = *put_events };
    struct delivery_config config = random_config(&world, seed);
    bool ends_dry = below(&world, 2) == 0;

    world.health = (unsigned)below(&world, 101);
    world.rig = rig;
    world.now_ms = 1000000;
    world.delivery = delivery_new(&config, rig->numbers);
    for (int i = 0; i < RIG_LANES; i++)
        world.receipts[i] = receipts_new(note_nothing, NULL);
    for (int i = 0; i < STEPS; i++)
        step_random(&world);
    if (ends_dry) {
        EXPECT(seed, run_dry(&world));
        EXPECT(seed, count_open_receipts(&world) == 0);
    }
    if (below(&world, 2) == 0)
        delivery_drain(world.delivery, world.now_ms);
    if (below(&world, 2) == 0 || world.burying == NULL)
        delivery_abandon(world.delivery); /* workers may still be at it */
    if (world.burying != NULL)
        delivery_put_buried(world.delivery, &world.burying);
    delivery_abandon(world.delivery);
    delivery_audit(world.delivery);
    EXPECT(seed, rig_difference(rig) == 0);
    EXPECT(seed, rig_flow(rig, FLOW_seal) == world.put_events);
    EXPECT(seed, sum_of_ends(rig) == world.put_events);
    EXPECT(seed, rig_stock(rig, ACCOUNT_ready) == 0 && rig_stock(rig, ACCOUNT_in_flight) == 0);
    EXPECT(seed, delivery_share(world.delivery)->used_bytes == 0);
    *put_events = world.put_events;
    delivery_free(&world.delivery);
    for (int i = 0; i < RIG_LANES; i++)
        receipts_free(&world.receipts[i]);
}

static void in_a_thousand_random_runs_every_event_has_one_end_and_the_books_balance(void **unused)
{
    (void)unused;
    struct rig rig;
    uint64_t put_events = 0;
    rig_open(&rig);
    for (uint64_t seed = 1; seed <= 1000; seed++)
        run_seed(&rig, seed, &put_events);
    assert_true(rig_flow(&rig, FLOW_deliver) > 0 && rig_flow(&rig, FLOW_refuse) > 0);
    assert_true(rig_flow(&rig, FLOW_expire) > 0 && rig_flow(&rig, FLOW_split_too_large) > 0);
    assert_true(rig_flow(&rig, FLOW_replay_ready) > 0);
    rig_close(&rig);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(in_a_thousand_random_runs_every_event_has_one_end_and_the_books_balance),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
