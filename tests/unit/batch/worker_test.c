/* SPDX-License-Identifier: Apache-2.0 */
/* A real worker with a real sender against a scripted endpoint on loopback. */
#include "batch/worker.h"

#include "delivery/stage.h"
#include "refused_memory.h"

#include <curl/curl.h>
#include <signal.h>

static const char TOO_LARGE[] = "HTTP/1.1 413 Large\r\nContent-Length: 0\r\n\r\n";
static const char NO[] = "HTTP/1.1 401 No\r\nContent-Length: 0\r\n\r\n";
static const char REFUSED[] = "HTTP/1.1 422 No\r\nContent-Length: 0\r\n\r\n";
static const char OK[] = "HTTP/1.1 200 OK\r\nContent-Length: 2\r\n\r\nok";

enum { BODY = 100, EVENTS = 4, LANE_BYTES = 1 << 20, PIECE = 1 << 16 };

static void fill_request(void *state, struct http_request *ret)
{
    const struct stage *stage = state;

    *ret = (struct http_request){
        .url = stage->url, .method = "POST", .verify = true, .timeout_ms = PATIENCE_MS
    };
}

static const struct output http_plugin = { .request = fill_request };

static void ignore(void *context)
{
    (void)context;
}

static void offer(struct lane *lane, size_t count)
{
    static char body[BODY];
    struct event events[EVENTS];
    struct run_info run = { .boot_ms = clock_boot_ms() };

    for (size_t i = 0; i < count; i++)
        events[i] = (struct event){ .body = { body, sizeof(body) } };
    assert_int_equal(lane_offer(lane, events, 0, count, &run, NULL), count);
}

static void start_stage(struct stage *stage, const struct reply *script, unsigned lines,
                        int64_t rest_ms, struct feed *feed)
{
    struct sender_config config = { .name = "main",
                                    .plugin = &http_plugin,
                                    .state = stage,
                                    .agent_id = "agent",
                                    .workers = &feed->wake,
                                    .delivery = { .memory_bytes = 1,
                                                  .keeps_refused = true,
                                                  .concurrency_min = 1,
                                                  .concurrency_max = 1,
                                                  .retry_base_ms = 1,
                                                  .retry_cap_ms = 1,
                                                  .breaker_failures = 5,
                                                  .breaker_rest_ms = rest_ms,
                                                  .breaker_rest_max_ms = rest_ms,
                                                  .timeout_ms = 1000,
                                                  .seed = 1 } };
    struct err err;

    rig_open(&stage->rig);
    server_start(&stage->server, script, lines);
    (void)snprintf(stage->url, sizeof(stage->url), "http://127.0.0.1:%d/in", stage->server.port);
    config.numbers = stage->rig.numbers;
    stage->sender = sender_start(&config, &err);
    assert_non_null(stage->sender);
}

static struct lane *make_lane(struct stage *stage, struct feed *feed)
{
    struct lane_config config = { .capacity_bytes = LANE_BYTES,
                                  .piece_bytes = PIECE,
                                  .shed = { .high = 1 },
                                  .weight = 1,
                                  .books = stage->rig.lanes[0],
                                  .feed = feed,
                                  .on_room = ignore };
    struct lane *lane = lane_new(&config);

    assert_non_null(lane);
    return lane;
}

static struct worker *start_batches_of_two_with(struct stage *stage, struct lane **lane,
                                                struct feed *feed, struct body_pool *bodies,
                                                struct dead_letter *letters)
{
    static _Atomic uint64_t sequence;
    struct worker_config config = { .batcher = { .lanes = lane,
                                                 .lane_count = 1,
                                                 .feed = feed,
                                                 .bodies = bodies,
                                                 .numbers = stage->rig.numbers,
                                                 .output = "main",
                                                 .agent_id = "agent",
                                                 .start_id = "start",
                                                 .sequence = &sequence,
                                                 .max_bytes = 1 << 16,
                                                 .max_events = 2,
                                                 .max_wait_ms = 1 },
                                    .sender = stage->sender,
                                    .letters = letters };
    struct err err;
    struct worker *worker = worker_start(&config, &err);

    assert_non_null(worker);
    return worker;
}

static struct worker *start_batches_of_two(struct stage *stage, struct lane **lane,
                                           struct feed *feed, struct body_pool *bodies)
{
    return start_batches_of_two_with(stage, lane, feed, bodies, NULL);
}

static void wait_until_delivered(struct stage *stage, struct feed *feed, uint64_t events)
{
    int64_t until_ms = clock_now_ms() + PATIENCE_MS;

    while (rig_flow(&stage->rig, FLOW_deliver) < events && clock_now_ms() < until_ms)
        wake_wait(&feed->wake, wake_read(&feed->wake), 10);
    assert_int_equal(rig_flow(&stage->rig, FLOW_deliver), events);
}

/* The memory has room for one batch. The first is found too large: until it is cut it keeps its
 * memory, and a second one waits for that. */
static void a_worker_without_memory_for_a_batch_still_cuts_another(void **unused)
{
    (void)unused;
    const struct reply script[] = { { TOO_LARGE, AFTER_KEEP }, { OK, AFTER_KEEP } };
    struct stage stage = { 0 };
    struct body_pool bodies = { .spares = { NULL } };
    struct feed feed = { .full_bytes = 1, .full_events = 1 };

    start_stage(&stage, script, 2, 10, &feed);
    struct lane *lane = make_lane(&stage, &feed);
    offer(lane, EVENTS);
    lane_hurry(lane, clock_boot_ms()); /* the second batch follows the first without a pause */
    struct worker *worker = start_batches_of_two(&stage, &lane, &feed, &bodies);
    wait_until_delivered(&stage, &feed, EVENTS);
    assert_int_equal(numbers_get(stage.rig.numbers, NUMBER_splits), 1);
    worker_stop(worker, FLOW_drain_timeout_batch);
    worker_free(&worker);
    lane_free(&lane);
    body_pool_trim(&bodies);
    close_stage(&stage);
}

/* It has something to do and sleeps, for want of something that others have. */
static void wait_until_it_waits(struct worker *worker)
{
    enum { LATER_MS = 1000 * PATIENCE_MS };
    int64_t until_ms = clock_now_ms() + PATIENCE_MS;

    while (worker_times(worker, clock_now_ms() + LATER_MS).blocked_ms < LATER_MS) {
        if (clock_now_ms() >= until_ms)
            fail_msg("the worker does not wait");
        (void)usleep(1000);
    }
}

static void end_stage(struct stage *stage, struct worker **worker, struct lane **lane)
{
    worker_stop(*worker, FLOW_drain_timeout_batch);
    worker_free(worker);
    lane_abandon(*lane, FLOW_drain_timeout_ring);
    lane_free(lane);
    close_stage(stage);
}

/* The endpoint hangs with the first batch, which has all the memory. */
static void a_worker_without_memory_for_a_batch_waits_for_it(void **unused)
{
    (void)unused;
    const struct reply script[] = { { "", AFTER_HANG } };
    struct stage stage = { 0 };
    struct body_pool bodies = { .spares = { NULL } };
    struct feed feed = { .full_bytes = 1, .full_events = 1 };

    start_stage(&stage, script, 1, 10, &feed);
    struct lane *lane = make_lane(&stage, &feed);
    offer(lane, EVENTS);
    lane_hurry(lane, clock_boot_ms());
    struct worker *worker = start_batches_of_two(&stage, &lane, &feed, &bodies);
    wait_until_it_waits(worker);
    assert_int_equal(numbers_get(stage.rig.numbers, NUMBER_batches), 1);
    assert_int_equal(rig_stock(&stage.rig, ACCOUNT_batch), 2);
    end_stage(&stage, &worker, &lane);
    body_pool_trim(&bodies);
}

/* The key is wrong, and the breaker rests for an hour. */
static void while_the_breaker_is_open_a_worker_takes_nothing_out_of_its_lanes(void **unused)
{
    (void)unused;
    const struct reply script[] = { { NO, AFTER_KEEP } };
    struct stage stage = { 0 };
    struct body_pool bodies = { .spares = { NULL } };
    struct feed feed = { .full_bytes = 1, .full_events = 1 };

    start_stage(&stage, script, 1, 3600000, &feed);
    struct lane *lane = make_lane(&stage, &feed);
    struct worker *worker = start_batches_of_two(&stage, &lane, &feed, &bodies);
    offer(lane, 2);
    while (numbers_get(stage.rig.numbers, NUMBER_breaker_opens) == 0)
        (void)usleep(1000);
    offer(lane, EVENTS);
    lane_hurry(lane, clock_boot_ms());
    wait_until_it_waits(worker);
    assert_int_equal(numbers_get(stage.rig.numbers, NUMBER_batches), 1);
    assert_int_equal(rig_stock(&stage.rig, ACCOUNT_batch), 0);
    assert_int_equal(rig_stock(&stage.rig, ACCOUNT_ring), EVENTS);
    end_stage(&stage, &worker, &lane);
    body_pool_trim(&bodies);
}

/* It had the permit already. */
static void
a_worker_that_the_system_refuses_memory_gives_back_its_permit_and_tries_again(void **unused)
{
    (void)unused;
    const struct reply script[] = { { OK, AFTER_KEEP } };
    struct stage stage = { 0 };
    struct body_pool bodies = { .spares = { NULL } };
    struct feed feed = { .full_bytes = 1, .full_events = 1 };

    start_stage(&stage, script, 1, 10, &feed);
    struct lane *lane = make_lane(&stage, &feed);
    struct worker *worker = start_batches_of_two(&stage, &lane, &feed, &bodies);
    memory_is_refused = true;
    offer(lane, 2);
    wait_until_it_waits(worker);
    memory_is_refused = false;
    wait_until_delivered(&stage, &feed, 2);
    assert_int_equal(numbers_get(stage.rig.numbers, NUMBER_sealed_memory_bytes), 0);
    end_stage(&stage, &worker, &lane);
    body_pool_trim(&bodies);
}

/* It is woken once for both, between the gate and its next sleep. */
static void a_worker_let_go_from_its_gate_and_stopped_at_once_ends(void **unused)
{
    (void)unused;
    const struct reply script[] = { { OK, AFTER_KEEP } };
    struct stage stage = { 0 };
    struct body_pool bodies = { .spares = { NULL } };
    struct feed feed = { .full_bytes = 1, .full_events = 1 };

    start_stage(&stage, script, 1, 10, &feed);
    struct lane *lane = make_lane(&stage, &feed);
    (void)alarm(PATIENCE_MS / 1000); /* instead of waiting for its end for ever */
    for (int i = 0; i < 20; i++) {
        struct worker *worker = start_batches_of_two(&stage, &lane, &feed, &bodies);
        gate_shut(worker_gate(worker));
        worker_nudge(worker);
        while (!gate_is_stood_at(worker_gate(worker)))
            gate_await(worker_gate(worker), 10);
        gate_open(worker_gate(worker));
        worker_stop(worker, FLOW_drain_timeout_batch);
        worker_free(&worker);
    }
    (void)alarm(0);
    lane_free(&lane);
    close_stage(&stage);
}

/* ---- the disk of the dead letters ---- */

static struct wake at_letters;
static _Atomic bool letters_hang;
static _Atomic int letters_unwanted;

/* Stands in for the file: see tests/CMakeLists.txt. */
void __wrap_dead_letter_write_batch(struct dead_letter *letters, const struct batch *batch,
                                    bool (*is_wanted)(void *context), void *context);
void __wrap_dead_letter_write_batch(struct dead_letter *letters, const struct batch *batch,
                                    bool (*is_wanted)(void *context), void *context)
{
    (void)letters, (void)batch;
    wake_bump(&at_letters);
    while (atomic_load(&letters_hang))
        (void)usleep(1000);
    atomic_fetch_add(&letters_unwanted, !is_wanted(context));
}

static void start_letters(struct stage *stage, struct feed *feed, struct lane **lane,
                          struct body_pool *bodies, struct worker **ret)
{
    static const struct reply script[] = { { OK, AFTER_KEEP }, { REFUSED, AFTER_KEEP } };
    static struct dead_letter letters = { .path = "/letters", .output = "main" };
    uint32_t seen = wake_read(&at_letters);

    atomic_store(&letters_hang, true);
    start_stage(stage, script, 2, 10, feed);
    *lane = make_lane(stage, feed);
    offer(*lane, EVENTS - 1); /* the second batch has one event, and cannot be cut */
    lane_hurry(*lane, clock_boot_ms());
    *ret = start_batches_of_two_with(stage, lane, feed, bodies, &letters);
    while (wake_read(&at_letters) == seen)
        wake_wait(&at_letters, seen, PATIENCE_MS);
    worker_begin_stop(*ret);
    assert_false(worker_end_stop(*ret, FLOW_drain_timeout_batch, clock_now_ms() + 5));
}

static void a_worker_whose_letters_take_long_is_waited_for(void **unused)
{
    (void)unused;
    struct stage stage = { 0 };
    struct body_pool bodies = { .spares = { NULL } };
    struct feed feed = { .full_bytes = 1, .full_events = 1 };
    struct lane *lane;
    struct worker *worker;

    start_letters(&stage, &feed, &lane, &bodies, &worker);
    atomic_store(&letters_hang, false);
    assert_true(worker_end_stop(worker, FLOW_drain_timeout_batch, INT64_MAX));
    assert_true(worker_end_stop(worker, FLOW_drain_timeout_batch, 0)); /* it may be asked again */
    assert_int_equal(atomic_load(&letters_unwanted), 0);
    assert_int_equal(rig_flow(&stage.rig, FLOW_refuse), 1);
    worker_free(&worker);
    lane_abandon(lane, FLOW_drain_timeout_ring);
    lane_free(&lane);
    body_pool_trim(&bodies);
    close_stage(&stage);
}

/* What it has stays its own, should it come back. */
static void a_worker_whose_letters_hang_is_left_behind_and_counts_nothing_more(void **unused)
{
    (void)unused;
    static struct stage stage;
    static struct body_pool bodies;
    static struct feed feed = { .full_bytes = 1, .full_events = 1 };
    static struct lane *lane;
    static struct worker *worker;

    start_letters(&stage, &feed, &lane, &bodies, &worker);
    assert_false(worker_leave_behind(worker, FLOW_drain_timeout_batch));
    assert_true(sender_begin_stop(stage.sender, INT64_MAX, clock_now_ms()));
    assert_true(sender_end_stop(stage.sender, INT64_MAX));
    assert_int_equal(rig_flow(&stage.rig, FLOW_replay_in_flight), 1);
    atomic_store(&letters_hang, false);
    while (atomic_load(&letters_unwanted) == 0)
        (void)usleep(1000);
    sender_audit(stage.sender);
    assert_int_equal(rig_flow(&stage.rig, FLOW_replay_in_flight), 1);
    assert_int_equal(rig_difference(&stage.rig), 0);
    server_stop(&stage.server);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(a_worker_without_memory_for_a_batch_still_cuts_another),
        cmocka_unit_test(a_worker_without_memory_for_a_batch_waits_for_it),
        cmocka_unit_test(while_the_breaker_is_open_a_worker_takes_nothing_out_of_its_lanes),
        cmocka_unit_test(
            a_worker_that_the_system_refuses_memory_gives_back_its_permit_and_tries_again),
        cmocka_unit_test(a_worker_let_go_from_its_gate_and_stopped_at_once_ends),
        cmocka_unit_test(a_worker_whose_letters_take_long_is_waited_for),
        cmocka_unit_test(a_worker_whose_letters_hang_is_left_behind_and_counts_nothing_more),
    };
    (void)signal(SIGPIPE, SIG_IGN);
    (void)curl_global_init(CURL_GLOBAL_DEFAULT);
    log_set_level(LOG_ERROR);
    int failed = cmocka_run_group_tests(tests, NULL, NULL);
    curl_global_cleanup();
    return failed;
}
