/* SPDX-License-Identifier: Apache-2.0 */
/* Looks at an output of which the test says how full and how busy it is. */
#include "test.h"

#include "base/auto.h"
#include "base/file.h"
#include "base/log.h"
#include "outlet.h"
#include "own_catalog.h"
#include "own_ledger.h"

#include <string.h>

static const struct plugin_type *const inputs[] = { &input_nothing.type, NULL };
const struct catalog catalog = { inputs, known_processors, known_outputs };

enum { LANES = 2, WORKERS = 2, CALM_MS = 10000, MIB = 1024 * 1024 };

/* ---- what is measured ---- */

static struct {
    double fill[LANES];
    struct books *books[LANES];
    struct worker_times workers[WORKERS];
    struct wait_times waits;
} world;

/* Lanes and workers are numbers here: one more than their index. */
static size_t index_of(const void *pointer)
{
    return (size_t)(uintptr_t)pointer - 1;
}

struct lane_level __wrap_lane_level(struct lane *lane);
struct lane_level __wrap_lane_level(struct lane *lane)
{
    return (struct lane_level){ .fill = world.fill[index_of(lane)] };
}

struct books *__wrap_lane_books(const struct lane *lane);
struct books *__wrap_lane_books(const struct lane *lane)
{
    return world.books[index_of(lane)];
}

struct worker_times __wrap_worker_times(struct worker *worker, int64_t now_ms);
struct worker_times __wrap_worker_times(struct worker *worker, int64_t now_ms)
{
    (void)now_ms;
    return world.workers[index_of(worker)];
}

struct wait_times *__wrap_sender_waits(struct sender *sender);
struct wait_times *__wrap_sender_waits(struct sender *sender)
{
    (void)sender;
    return &world.waits;
}

/* ---- an output ---- */

struct scene {
    struct settings_part part;
    struct outlet outlet;
    int64_t now_ms;
};

static void set(const struct scene *scene, enum number number, uint64_t value)
{
    numbers_set(scene->outlet.numbers, number, value);
}

static uint64_t shown(const struct scene *scene, enum number number)
{
    return numbers_get(scene->outlet.numbers, number);
}

static void set_lag(size_t lane, uint64_t bytes)
{
    numbers_set(ledger_lane_numbers(world.books[lane]), NUMBER_lag_bytes, bytes);
}

/* One look was there: shares are of the time since. */
static struct scene *open_scene(void)
{
    static const char *const names[LANES] = { "first", "second" };
    struct scene *scene = calloc(1, sizeof(*scene));

    assert_non_null(scene);
    memset(&world, 0, sizeof(world));
    scene->part.name = "main";
    scene->part.output.batch__max_wait = 1000;
    scene->outlet.part = &scene->part;
    scene->outlet.numbers = ledger_output_numbers(ledger, "main");
    for (size_t i = 0; i < LANES; i++) {
        world.books[i] = ledger_lane(ledger, names[i], "main", true);
        set_lag(i, 0);
        scene->outlet.lanes[scene->outlet.lane_count++] = (struct lane *)(uintptr_t)(i + 1);
    }
    for (size_t i = 0; i < WORKERS; i++)
        scene->outlet.workers[scene->outlet.worker_count++] = (struct worker *)(uintptr_t)(i + 1);
    set(scene, NUMBER_spool_max_bytes, 0);
    set(scene, NUMBER_breaker_state, 0);
    scene->now_ms = 5000;
    (void)watch_look(&scene->outlet.watch, &scene->outlet, scene->now_ms, CALM_MS);
    return scene;
}

/* Of each second each worker was so long busy, and so long held up. Returns when it looks again. */
static int64_t look(struct scene *scene, int times, int64_t busy_ms, int64_t blocked_ms)
{
    int64_t next_ms = 0;

    for (int i = 0; i < times; i++) {
        scene->now_ms += 1000;
        for (size_t worker = 0; worker < WORKERS; worker++) {
            world.workers[worker].busy_ms += busy_ms;
            world.workers[worker].blocked_ms += blocked_ms;
        }
        next_ms = watch_look(&scene->outlet.watch, &scene->outlet, scene->now_ms, CALM_MS);
    }
    return next_ms - scene->now_ms;
}

static enum saturation_cause cause_of(const struct scene *scene)
{
    assert_int_equal(shown(scene, NUMBER_saturation_cause), scene->outlet.watch.saturation.cause);
    return scene->outlet.watch.saturation.cause;
}

/* ---- tests ---- */

static void workers_that_may_not_go_on_are_held_up_by_the_endpoint(void **unused)
{
    (void)unused;
    AUTO(auto_free) struct scene *scene = open_scene();

    world.workers[0].blocked_ms = 700; /* one of two: a third of the time of both */
    assert_int_equal(look(scene, 1, 0, 0), CALM_MS);
    assert_int_equal(shown(scene, NUMBER_saturation), 350);
    assert_int_equal(look(scene, 2, 0, 600), 1000);
    assert_int_equal(cause_of(scene), SATURATION_ENDPOINT);
    assert_int_equal(shown(scene, NUMBER_saturation), 600);
    assert_int_equal(look(scene, 2, 0, 0), 1000);
    assert_int_equal(cause_of(scene), SATURATION_ENDPOINT);
    assert_int_equal(look(scene, 1, 0, 0), CALM_MS);
    assert_int_equal(cause_of(scene), SATURATION_NONE);
}

static void the_disk_is_the_cause_where_there_is_a_spool_and_the_endpoint_is_away(void **unused)
{
    (void)unused;
    static const struct {
        uint64_t spool_bytes, breaker;
        enum saturation_cause wanted;
    } cases[] = { { 0, 2, SATURATION_ENDPOINT },
                  { MIB, 0, SATURATION_ENDPOINT },
                  { MIB, 1, SATURATION_DISK },
                  { MIB, 2, SATURATION_DISK } };

    for (size_t i = 0; i < sizeof(cases) / sizeof(cases[0]); i++) {
        AUTO(auto_free) struct scene *scene = open_scene();
        set(scene, NUMBER_spool_max_bytes, cases[i].spool_bytes);
        set(scene, NUMBER_breaker_state, cases[i].breaker);
        (void)look(scene, 2, 0, 1000);
        assert_int_equal(cause_of(scene), cases[i].wanted);
    }
}

static void busy_workers_are_a_cause_where_events_come_late(void **unused)
{
    (void)unused;
    AUTO(auto_free) struct scene *scene = open_scene();

    (void)look(scene, 3, 950, 0);
    assert_int_equal(cause_of(scene), SATURATION_NONE);
    assert_int_equal(shown(scene, NUMBER_saturation), 950);
    /* Two batches' waiting and a second are the batching's own. */
    for (int i = 0; i < 3; i++) {
        wait_times_add(&world.waits, 2400, 100);
        (void)look(scene, 1, 950, 0);
    }
    assert_int_equal(cause_of(scene), SATURATION_NONE);
    for (int i = 0; i < 2; i++) {
        wait_times_add(&world.waits, 3500, 100);
        (void)look(scene, 1, 950, 0);
    }
    assert_int_equal(cause_of(scene), SATURATION_CPU);
    assert_in_range(shown(scene, NUMBER_wait_p99), 3500, 4400);
    (void)look(scene, 1, 0, 0); /* nothing arrived: what was last seen stands */
    assert_in_range(shown(scene, NUMBER_wait_p99), 3500, 4400);
}

static void the_fullest_lane_counts_for_the_ring(void **unused)
{
    (void)unused;
    AUTO(auto_free) struct scene *scene = open_scene();

    world.fill[0] = 0.85;
    world.fill[1] = 0.3;
    (void)look(scene, 2, 0, 0);
    assert_int_equal(cause_of(scene), SATURATION_RING);
    assert_int_equal(shown(scene, NUMBER_saturation), 850);
}

static void an_input_that_falls_behind_is_the_cause_by_all_its_lanes(void **unused)
{
    (void)unused;
    AUTO(auto_free) struct scene *scene = open_scene();

    set_lag(0, 3 * MIB);
    (void)look(scene, 5, 100, 0); /* that much, and no more */
    assert_int_equal(cause_of(scene), SATURATION_NONE);
    set_lag(0, 0);
    (void)look(scene, 3, 100, 0);
    for (uint64_t i = 1; i <= 2; i++) {
        set_lag(0, i * MIB);
        set_lag(1, i * MIB);
        (void)look(scene, 1, 100, 0);
    }
    assert_int_equal(cause_of(scene), SATURATION_INPUT);
    (void)look(scene, 5, 100, 0); /* it does not grow, and is still there */
    assert_int_equal(cause_of(scene), SATURATION_INPUT);
    set_lag(0, 0);
    set_lag(1, 0);
    (void)look(scene, 3, 100, 0);
    assert_int_equal(cause_of(scene), SATURATION_NONE);
}

static bool has(const struct buf *log, const char *text)
{
    return strstr(buf_slice(log).data, text) != NULL;
}

static void each_change_is_one_line_that_says_what_was_measured(void **unused)
{
    (void)unused;
    AUTO(auto_free) struct scene *scene = open_scene();
    AUTO(buf_fini) struct buf log = { 0 };
    struct err err = { "" };
    char path[64];

    (void)snprintf(path, sizeof(path), "%s/log", ledger_folder);
    FILE *file = fopen(path, "w");
    assert_non_null(file);
    log_set_fd(fileno(file));
    set(scene, NUMBER_requests_in_flight, 4);
    set(scene, NUMBER_concurrency_limit, 4000);
    world.fill[1] = 0.25;
    set_lag(0, 17);
    (void)look(scene, 20, 100, 800);
    wait_times_add(&world.waits, 3, 1);
    (void)look(scene, 20, 0, 0);
    log_set_fd(STDERR_FILENO);
    assert_int_equal(fclose(file), 0);
    assert_true(file_read(path, &log, &err));
    assert_true(has(&log,
                    "level=warn msg=\"output held up\" output=main cause=endpoint before=none "
                    "ring_fill=0.25 blocked=0.8 busy=0.1 lag_bytes=17 in_flight=4 limit=4 "
                    "breaker=0\n"));
    assert_true(has(&log, "level=info msg=\"output no longer held up\" output=main cause=none "
                          "before=endpoint ring_fill=0.25 blocked=0 busy=0"));
    unsigned lines = 0;
    for (const char *at = buf_slice(&log).data; (at = strchr(at, '\n')) != NULL; at++)
        lines++;
    assert_int_equal(lines, 2);
}

static void the_first_look_has_no_time_behind_it_and_finds_nothing(void **unused)
{
    (void)unused;
    AUTO(auto_free) struct scene *scene = open_scene();

    scene->outlet.watch = (struct watch){ .looked_ms = 0 };
    world.fill[0] = 1;
    world.workers[0] = (struct worker_times){ .busy_ms = 1000000, .blocked_ms = 1000000 };
    assert_int_equal(look(scene, 1, 0, 0), CALM_MS);
    assert_int_equal(cause_of(scene), SATURATION_NONE);
    assert_int_equal(look(scene, 1, 0, 0), 1000); /* suspected */
    assert_int_equal(shown(scene, NUMBER_saturation), 1000);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(workers_that_may_not_go_on_are_held_up_by_the_endpoint),
        cmocka_unit_test(the_disk_is_the_cause_where_there_is_a_spool_and_the_endpoint_is_away),
        cmocka_unit_test(busy_workers_are_a_cause_where_events_come_late),
        cmocka_unit_test(the_fullest_lane_counts_for_the_ring),
        cmocka_unit_test(an_input_that_falls_behind_is_the_cause_by_all_its_lanes),
        cmocka_unit_test(each_change_is_one_line_that_says_what_was_measured),
        cmocka_unit_test(the_first_look_has_no_time_behind_it_and_finds_nothing),
    };
    return RUN_WITH_LEDGER(tests);
}
