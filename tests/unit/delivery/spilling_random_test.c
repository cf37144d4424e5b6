/* SPDX-License-Identifier: Apache-2.0 */
#include "delivery/stand.h"

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
        !delivery_reserve(stand->delivery, 0, 17, &permit))
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
    unsigned waited = 0;
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
        stand->store.config.waits_when_full = seed % 2 == 0;
        if (seed % 7 == 0)
            stand->store.config.max_bytes = 8000; /* a few batches fill it */
        restart_store(&stand->store);
        stand->now_ms = stand->store.now.boot_ms;
        start_stand(stand, &config);
        for (int i = 0; i < 400; i++) {
            play_on(&play);
            waited += spool_asks_to_wait(stand->store.spool);
        }
        play_out(&play, seed);
        assert_int_equal(flow(stand, FLOW_deliver) + flow(stand, FLOW_spool_deliver) +
                             flow(stand, FLOW_expire) + flow(stand, FLOW_spool_expire) +
                             flow(stand, FLOW_spool_evict) + flow(stand, FLOW_spool_corrupt),
                         flow(stand, FLOW_admit));
        assert_true(seed % 2 != 0 || flow(stand, FLOW_spool_evict) == 0);
        close_stand(stand);
    }
    assert_true(waited > 0); /* some of them were full */
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(any_sequence_balances),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
