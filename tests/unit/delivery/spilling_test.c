/* SPDX-License-Identifier: Apache-2.0 */
#include "base/random.h"
#include "delivery/scene.h"
#include "delivery/store.h"

enum { MIB = 1024 * 1024 };

/* A delivery over a spool over a fake disk; store.rig has the books. */
struct stand {
    struct store store;
    struct delivery *delivery;
    int64_t now_ms;
    uint64_t keys;
};

static void start_stand(struct stand *stand, const struct delivery_config *config)
{
    stand->delivery = delivery_new(config, stand->store.rig.numbers);
    assert_non_null(stand->delivery);
    delivery_use_spool(stand->delivery, stand->store.spool);
}

static void open_stand(struct stand *stand, const struct delivery_config *config)
{
    open_store(&stand->store, MIB);
    stand->now_ms = stand->store.now.boot_ms;
    start_stand(stand, config);
}

static void check_stand(struct stand *stand)
{
    delivery_audit(stand->delivery);
    assert_int_equal(rig_difference(&stand->store.rig), 0);
}

/* Does the jobs of the spool until there are none; returns how many. */
static unsigned run_spool(struct stand *stand)
{
    unsigned jobs = 0;
    struct spool_job job;
    int64_t due_ms;

    stand->store.now.boot_ms = stand->now_ms;
    while (delivery_spool_job(stand->delivery, &stand->store.now, stand->now_ms, &job, &due_ms)) {
        do_job(&stand->store, &job);
        delivery_spool_done(stand->delivery, &job, &stand->store.result, &stand->store.now,
                            stand->now_ms);
        body_pool_give(NULL, stand->store.result.body);
        stand->store.result.body = NULL;
        check_stand(stand);
        assert_true(++jobs < 10000);
    }
    assert_true(due_ms > stand->now_ms);
    return jobs;
}

static void put_with(struct stand *stand, uint64_t events, struct receipt *receipt)
{
    struct batch *batch = rig_empty_batch(&stand->store.rig, "{\"body\":\"hello\"}\n");

    rig_add_run(&stand->store.rig, batch, 0, receipt, events);
    batch->oldest_boot_ms = stand->now_ms;
    assert_true(delivery_reserve(stand->delivery, batch->body_bytes, &batch->permit));
    delivery_put(stand->delivery, &batch, stand->now_ms);
}

static struct step take_step(struct stand *stand)
{
    return delivery_next(stand->delivery, stand->now_ms, stand->now_ms);
}

static struct batch *send_next(struct stand *stand)
{
    struct step step = take_step(stand);

    assert_int_equal(step.kind, STEP_SEND);
    return step.batch;
}

static void settle(struct stand *stand, struct batch *batch, enum verdict verdict)
{
    struct answer_summary summary = { .verdict = (int)verdict, .retry_after_ms = -1, .took_ms = 5 };

    delivery_answer(stand->delivery, batch, &summary, stand->now_ms);
    check_stand(stand);
}

static void close_stand(struct stand *stand)
{
    check_stand(stand);
    delivery_abandon(stand->delivery);
    check_stand(stand);
    delivery_free(&stand->delivery);
    close_store(&stand->store);
}

static uint64_t stock(const struct stand *stand, enum account account)
{
    return rig_stock(&stand->store.rig, account);
}

static uint64_t flow(const struct stand *stand, enum flow which)
{
    return rig_flow(&stand->store.rig, which);
}

/* One batch fails for good: the endpoint is away. */
static void break_endpoint(struct stand *stand)
{
    put_with(stand, 1, NULL);
    settle(stand, send_next(stand), VERDICT_HOLD);
    assert_int_equal(numbers_get(stand->store.rig.numbers, NUMBER_breaker_state), 2);
}

/* ---- to disk and back ---- */

static void nothing_goes_to_disk_while_the_endpoint_answers(void **unused)
{
    (void)unused;
    struct stand stand;
    open_stand(&stand, &defaults);
    for (int i = 0; i < 20; i++) {
        put_with(&stand, 5, NULL);
        assert_int_equal(run_spool(&stand), 0);
        settle(&stand, send_next(&stand), VERDICT_SENT);
    }
    assert_int_equal(stand.store.fake.writes, 0);
    close_stand(&stand);
}

static void
all_that_is_ready_goes_to_disk_when_the_endpoint_is_away_and_workers_go_on(void **unused)
{
    (void)unused;
    struct stand stand;
    open_stand(&stand, &defaults);
    break_endpoint(&stand);
    for (int i = 0; i < 20; i++) {
        assert_true(delivery_wants_batches(stand.delivery, stand.now_ms));
        put_with(&stand, 5, NULL);
    }
    (void)run_spool(&stand);
    assert_int_equal(flow(&stand, FLOW_spill), 101);
    assert_int_equal(stock(&stand, ACCOUNT_spool), 101);
    assert_int_equal(stock(&stand, ACCOUNT_ready), 0);
    /* A few are read back, to take turns at the probe; no more of the share is in use. */
    assert_int_equal(delivery_share(stand.delivery)->used_bytes, 4 * 17);
    close_stand(&stand);
}

static void after_the_outage_the_oldest_goes_first_and_new_ones_behind(void **unused)
{
    (void)unused;
    struct stand stand;
    struct delivery_config config = defaults;
    config.concurrency_max = 1;
    open_stand(&stand, &config);
    break_endpoint(&stand);
    for (int i = 0; i < 5; i++)
        put_with(&stand, 5, NULL);
    (void)run_spool(&stand);
    stand.now_ms += 100000;
    for (uint64_t sequence = 1; sequence <= 9; sequence++) {
        (void)run_spool(&stand);
        struct batch *batch = send_next(&stand);
        assert_int_equal(batch->sequence, sequence);
        assert_int_equal(batch->pin != NULL, sequence <= 6);
        settle(&stand, batch, VERDICT_SENT);
        if (sequence <= 3)
            put_with(&stand, 7, NULL);
    }
    (void)run_spool(&stand);
    assert_int_equal(flow(&stand, FLOW_spool_deliver), 26);
    assert_int_equal(flow(&stand, FLOW_deliver), 21);
    assert_int_equal(fake_used(&stand.store.fake), 0);
    assert_true(delivery_is_empty(stand.delivery));
    close_stand(&stand);
}

static void what_comes_back_from_a_failed_request_is_written_before_what_is_newer(void **unused)
{
    (void)unused;
    struct stand stand;
    struct delivery_config config = defaults;
    config.concurrency_max = 1;
    config.memory_bytes = 100;
    open_stand(&stand, &config);
    put_with(&stand, 1, NULL);
    struct batch *first = send_next(&stand);
    for (int i = 0; i < 4; i++)
        put_with(&stand, 1, NULL);
    struct permit permit;
    assert_false(delivery_reserve(stand.delivery, 40, &permit)); /* the share is used up */
    (void)run_spool(&stand);
    assert_int_equal(flow(&stand, FLOW_spill), 0); /* the first is out and may come back */
    settle(&stand, first, VERDICT_HOLD);
    (void)run_spool(&stand);
    stand.now_ms += 100000;
    for (uint64_t sequence = 1; sequence <= 5; sequence++) {
        (void)run_spool(&stand);
        struct batch *batch = send_next(&stand);
        assert_int_equal(batch->sequence, sequence);
        settle(&stand, batch, VERDICT_SENT);
    }
    (void)run_spool(&stand);
    close_stand(&stand);
}

static void a_share_that_is_used_up_sends_its_oldest_to_disk(void **unused)
{
    (void)unused;
    struct stand stand;
    struct delivery_config config = defaults;
    config.memory_bytes = 170;
    struct permit permit = { 0 };
    open_stand(&stand, &config);
    for (int i = 0; i < 10; i++)
        put_with(&stand, 1, NULL);
    struct batch *slow = send_next(&stand);
    assert_false(delivery_reserve(stand.delivery, 17, &permit));
    (void)run_spool(&stand);
    assert_in_range(flow(&stand, FLOW_spill), 3, 3); /* a quarter of the share */
    for (int i = 0; i < 3 && !delivery_reserve(stand.delivery, 17, &permit); i++)
        (void)run_spool(&stand); /* the oldest were read back at once: only so many are */
    assert_int_equal(permit.bytes, 17);
    delivery_unreserve(stand.delivery, &permit);
    settle(&stand, slow, VERDICT_SENT);
    close_stand(&stand);
}

static void memory_for_what_is_read_back_is_at_most_half_of_the_share(void **unused)
{
    (void)unused;
    struct stand stand;
    struct delivery_config config = defaults;
    config.memory_bytes = 170;
    config.concurrency_min = 32;
    config.concurrency_max = 32;
    open_stand(&stand, &config);
    break_endpoint(&stand);
    for (int i = 0; i < 30; i++) {
        put_with(&stand, 1, NULL);
        (void)run_spool(&stand);
    }
    stand.now_ms += 100000;
    settle(&stand, send_next(&stand), VERDICT_SENT); /* the probe */
    (void)run_spool(&stand);
    assert_int_equal(delivery_share(stand.delivery)->used_bytes, 5 * 17);
    close_stand(&stand);
}

/* ---- the ends of a batch from disk ---- */

static struct batch *probe_from_disk(struct stand *stand, uint64_t events)
{
    settle(stand, (put_with(stand, 1, NULL), send_next(stand)), VERDICT_SENT);
    break_endpoint(stand);
    put_with(stand, events, NULL);
    (void)run_spool(stand);
    stand->now_ms += 100000;
    settle(stand, send_next(stand), VERDICT_SENT);
    (void)run_spool(stand);
    struct batch *batch = send_next(stand);
    assert_int_equal(batch->events, events);
    assert_non_null(batch->pin);
    return batch;
}

static void a_split_batch_from_disk_is_counted_when_all_of_its_parts_are_done(void **unused)
{
    (void)unused;
    struct stand stand;
    open_stand(&stand, &defaults);
    struct batch *batch = probe_from_disk(&stand, 4), *halves[2];
    settle(&stand, batch, VERDICT_TOO_LARGE);
    batch = delivery_take_split(stand.delivery);
    rig_cut(batch, halves);
    for (int i = 0; i < 2; i++)
        halves[i]->permit = share_overdraw(delivery_share(stand.delivery), halves[i]->body_bytes);
    delivery_put_halves(stand.delivery, &batch, halves, stand.now_ms);
    settle(&stand, send_next(&stand), VERDICT_SENT);
    (void)run_spool(&stand);
    assert_int_equal(flow(&stand, FLOW_spool_deliver), 1); /* that of break_endpoint() */
    assert_int_equal(stock(&stand, ACCOUNT_spool), 4);
    batch = send_next(&stand);
    settle(&stand, batch, VERDICT_TOO_LARGE);
    batch = delivery_take_split(stand.delivery);
    rig_cut(batch, halves);
    for (int i = 0; i < 2; i++)
        halves[i]->permit = share_overdraw(delivery_share(stand.delivery), halves[i]->body_bytes);
    delivery_put_halves(stand.delivery, &batch, halves, stand.now_ms);
    settle(&stand, send_next(&stand), VERDICT_SENT);
    settle(&stand, send_next(&stand), VERDICT_REJECTED);
    (void)run_spool(&stand);
    assert_int_equal(flow(&stand, FLOW_spool_deliver), 4);
    assert_int_equal(flow(&stand, FLOW_spool_refuse), 1);
    assert_int_equal(stock(&stand, ACCOUNT_spool), 0);
    assert_int_equal(fake_used(&stand.store.fake), 0);
    close_stand(&stand);
}

static void a_part_that_is_not_done_at_the_end_leaves_all_of_it_to_the_next_start(void **unused)
{
    (void)unused;
    struct stand stand;
    open_stand(&stand, &defaults);
    struct batch *batch = probe_from_disk(&stand, 4), *halves[2];
    settle(&stand, batch, VERDICT_TOO_LARGE);
    batch = delivery_take_split(stand.delivery);
    rig_cut(batch, halves);
    for (int i = 0; i < 2; i++)
        halves[i]->permit = share_overdraw(delivery_share(stand.delivery), halves[i]->body_bytes);
    delivery_put_halves(stand.delivery, &batch, halves, stand.now_ms);
    settle(&stand, send_next(&stand), VERDICT_SENT);
    delivery_drain(stand.delivery, stand.now_ms);
    delivery_spill_all(stand.delivery, stand.now_ms);
    (void)run_spool(&stand);
    assert_int_equal(stock(&stand, ACCOUNT_spool), 4);
    delivery_abandon(stand.delivery);
    delivery_free(&stand.delivery);
    restart_store(&stand.store);
    assert_int_equal(live_events(&stand.store), 4);
    start_stand(&stand, &defaults);
    delivery_free(&stand.delivery);
    close_store(&stand.store);
}

static void what_is_too_old_when_it_is_read_is_expired(void **unused)
{
    (void)unused;
    struct stand stand;
    struct delivery_config config = defaults;
    config.max_age_ms = 60000;
    open_stand(&stand, &config);
    break_endpoint(&stand);
    put_with(&stand, 7, NULL);
    (void)run_spool(&stand);
    stand.now_ms += 60000;
    for (int i = 0; i < 5; i++) {
        (void)take_step(&stand);
        (void)run_spool(&stand);
    }
    assert_int_equal(flow(&stand, FLOW_spool_expire), 8);
    assert_int_equal(fake_used(&stand.store.fake), 0);
    close_stand(&stand);
}

/* ---- receipts ---- */

static void count_settled(void *context)
{
    ++*(unsigned *)context;
}

static void receipts_are_released_when_the_policy_says_that_it_is_safe(void **unused)
{
    (void)unused;
    static const enum spool_fsync policies[] = { SPOOL_FSYNC_NEVER, SPOOL_FSYNC_INTERVAL,
                                                 SPOOL_FSYNC_ALWAYS };
    for (int i = 0; i < 3; i++) {
        struct stand stand = { .now_ms = 1000000 };
        unsigned settled = 0;
        struct receipts *receipts = receipts_new(count_settled, &settled);
        open_store(&stand.store, MIB);
        stand.store.config.fsync = policies[i];
        stand.store.config.fsync_interval_ms = 1000;
        restart_store(&stand.store);
        start_stand(&stand, &defaults);
        break_endpoint(&stand);
        struct receipt *receipt = receipts_open(receipts);
        put_with(&stand, 5, receipt);
        receipts_hold_done(receipts, receipt, NULL, 0);
        assert_int_equal(settled, 0);
        (void)run_spool(&stand);
        assert_int_equal(settled, policies[i] != SPOOL_FSYNC_INTERVAL);
        assert_int_equal(delivery_is_empty(stand.delivery), false);
        stand.now_ms += 1000;
        (void)run_spool(&stand);
        assert_int_equal(settled, 1);
        assert_int_equal(stand.store.fake.syncs > 0, policies[i] != SPOOL_FSYNC_NEVER);
        close_stand(&stand);
        receipts_free(&receipts);
    }
}

/* ---- a disk that fails, a stop ---- */

static void a_disk_that_fails_leaves_batches_in_memory_in_their_order(void **unused)
{
    (void)unused;
    struct stand stand;
    struct delivery_config config = defaults;
    config.concurrency_max = 1;
    open_stand(&stand, &config);
    break_endpoint(&stand);
    stand.store.fake.capacity = 10;
    for (int i = 0; i < 5; i++) {
        put_with(&stand, 1, NULL);
        (void)run_spool(&stand);
    }
    assert_int_equal(numbers_get(stand.store.rig.numbers, NUMBER_spool_state), 1);
    assert_false(delivery_wants_batches(stand.delivery, stand.now_ms));
    assert_int_equal(stock(&stand, ACCOUNT_ready), 6);
    stand.now_ms += 100000;
    for (uint64_t sequence = 1; sequence <= 6; sequence++) {
        (void)run_spool(&stand);
        struct batch *batch = send_next(&stand);
        assert_int_equal(batch->sequence, sequence);
        settle(&stand, batch, VERDICT_SENT);
    }
    close_stand(&stand);
}

static void a_stop_writes_all_that_is_left_and_the_next_start_has_it(void **unused)
{
    (void)unused;
    struct stand stand;
    open_stand(&stand, &defaults);
    for (int i = 0; i < 4; i++)
        put_with(&stand, 5, NULL);
    (void)send_next(&stand);
    delivery_drain(stand.delivery, stand.now_ms);
    (void)run_spool(&stand);
    assert_int_equal(flow(&stand, FLOW_spill), 0); /* the endpoint answers: it is sent first */
    delivery_spill_all(stand.delivery, stand.now_ms);
    (void)run_spool(&stand);
    assert_int_equal(stock(&stand, ACCOUNT_spool), 20);
    assert_true(delivery_is_empty(stand.delivery));
    delivery_abandon(stand.delivery);
    delivery_free(&stand.delivery);
    restart_store(&stand.store);
    assert_int_equal(stand.store.scan.walked, 0); /* it was sealed */
    assert_int_equal(live_events(&stand.store), 20);
    close_store(&stand.store);
}

/* ---- at random ---- */

struct play {
    struct stand stand;
    struct random random;
    struct batch *out[8]; /* requests without an answer */
    unsigned out_count;
};

static void put_one(struct play *play)
{
    struct stand *stand = &play->stand;
    struct permit permit;

    if (!delivery_wants_batches(stand->delivery, stand->now_ms) ||
        !delivery_reserve(stand->delivery, 17, &permit))
        return;
    delivery_unreserve(stand->delivery, &permit);
    put_with(stand, 1 + random_below(&play->random, 9), NULL);
}

static void send_one(struct play *play)
{
    struct step step = take_step(&play->stand);

    if (step.kind == STEP_SEND)
        play->out[play->out_count++] = step.batch;
    assert_true(play->out_count <= 4);
}

static void answer_one(struct play *play)
{
    static const enum verdict verdicts[] = { VERDICT_SENT, VERDICT_SENT, VERDICT_RETRY,
                                             VERDICT_HOLD, VERDICT_BUSY };
    if (play->out_count == 0)
        return;
    unsigned which = (unsigned)random_below(&play->random, play->out_count);
    struct batch *batch = play->out[which];
    play->out[which] = play->out[--play->out_count];
    settle(&play->stand, batch, verdicts[random_below(&play->random, 5)]);
}

/* Time passes; now and then the next calls to the disk will fail. */
static void pass_time(struct play *play)
{
    struct fake_disk *fake = &play->stand.store.fake;

    play->stand.now_ms += (int64_t)random_below(&play->random, 20000);
    fake->fail_count = random_below(&play->random, 10) == 0 ? 3 : 0;
    fake->fail_at = fake->calls + 1 + random_below(&play->random, 4);
}

static void play_on(struct play *play)
{
    switch (random_below(&play->random, 6)) {
    case 0:
    case 1:
        put_one(play);
        break;
    case 2:
        (void)run_spool(&play->stand);
        break;
    case 3:
        send_one(play);
        break;
    case 4:
        answer_one(play);
        break;
    case 5:
        pass_time(play);
        break;
    }
    check_stand(&play->stand);
}

/* Endpoint and disk have healed: all that is held goes out. */
static void play_out(struct play *play, uint64_t seed)
{
    struct stand *stand = &play->stand;

    stand->store.fake.fail_count = 0;
    while (play->out_count > 0)
        settle(stand, play->out[--play->out_count], VERDICT_SENT);
    for (int i = 0; i < 3000; i++) {
        if (delivery_is_empty(stand->delivery) && stock(stand, ACCOUNT_spool) == 0)
            return;
        stand->now_ms += 1000;
        (void)run_spool(stand);
        struct step step = take_step(stand);
        if (step.kind == STEP_SEND)
            settle(stand, step.batch, VERDICT_SENT);
    }
    fail_msg("seed %llu: events are left", (unsigned long long)seed);
}

/* The books balance after each step; at the end every event is delivered or counted as dropped. */
static void any_sequence_balances(void **unused)
{
    (void)unused;
    for (uint64_t seed = 1; seed <= 200; seed++) {
        struct play play = { .random = random_make(seed) };
        struct stand *stand = &play.stand;
        struct delivery_config config = defaults;
        config.seed = seed;
        config.memory_bytes = 400;
        config.concurrency_max = seed % 3 == 0 ? 1 : 4;
        config.max_age_ms = seed % 5 == 0 ? 3000000 : 0;
        open_store(&stand->store, MIB);
        stand->store.config.newest_first = seed % 4 == 0;
        stand->store.config.max_age_ms = config.max_age_ms;
        restart_store(&stand->store);
        stand->now_ms = stand->store.now.boot_ms;
        start_stand(stand, &config);
        for (int i = 0; i < 400; i++)
            play_on(&play);
        play_out(&play, seed);
        assert_int_equal(flow(stand, FLOW_deliver) + flow(stand, FLOW_spool_deliver) +
                             flow(stand, FLOW_expire) + flow(stand, FLOW_spool_expire) +
                             flow(stand, FLOW_spool_evict) + flow(stand, FLOW_spool_corrupt),
                         flow(stand, FLOW_admit));
        close_stand(stand);
    }
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(nothing_goes_to_disk_while_the_endpoint_answers),
        cmocka_unit_test(
            all_that_is_ready_goes_to_disk_when_the_endpoint_is_away_and_workers_go_on),
        cmocka_unit_test(after_the_outage_the_oldest_goes_first_and_new_ones_behind),
        cmocka_unit_test(what_comes_back_from_a_failed_request_is_written_before_what_is_newer),
        cmocka_unit_test(a_share_that_is_used_up_sends_its_oldest_to_disk),
        cmocka_unit_test(memory_for_what_is_read_back_is_at_most_half_of_the_share),
        cmocka_unit_test(a_split_batch_from_disk_is_counted_when_all_of_its_parts_are_done),
        cmocka_unit_test(a_part_that_is_not_done_at_the_end_leaves_all_of_it_to_the_next_start),
        cmocka_unit_test(what_is_too_old_when_it_is_read_is_expired),
        cmocka_unit_test(receipts_are_released_when_the_policy_says_that_it_is_safe),
        cmocka_unit_test(a_disk_that_fails_leaves_batches_in_memory_in_their_order),
        cmocka_unit_test(a_stop_writes_all_that_is_left_and_the_next_start_has_it),
        cmocka_unit_test(any_sequence_balances),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
