/* SPDX-License-Identifier: Apache-2.0 */
#include "test.h"

#include "books_scene.h"
#include "view/figures.h"

#include <math.h>

static void sums_are_those_of_the_ledger_line(void **unused)
{
    (void)unused;
    struct books_file *file = scene_new();
    struct books *lane = scene_lane(file, "in", "main");
    ledger_move(lane, FLOW_admit, 100, 1000);
    ledger_move(lane, FLOW_shed_sample, 7, 70);
    ledger_move(lane, FLOW_filter, 5, 50);
    ledger_move(lane, FLOW_replay_ring, 10, 100); /* will be received again */
    ledger_move(lane, FLOW_evict_oldest, 20, 200);
    ledger_move(lane, FLOW_deliver, 60, 600);
    ledger_move(lane, FLOW_crash_ready, 1, 10);
    lane->closing[FLOW_crash_ring] = (struct cell){ 3, 30 };
    lane->closing[FLOW_replay_batch] = (struct cell){ 4, 40 };
    (void)ledger_audit(lane, ACCOUNT_ring, 0, (struct amount){ 8, 80 });
    (void)ledger_audit(lane, ACCOUNT_ready, 0, (struct amount){ 2, 20 });
    struct books_reader *reader = scene_read(file);
    struct figures *figures = figures_new(reader, NULL, 1);
    assert_non_null(figures);
    const struct lane_figures *f = &figures->lanes[0];
    assert_int_equal(f->received.total.events, 100 + 7 + 5 - 10);
    assert_int_equal(f->delivered.total.bytes, 600);
    assert_int_equal(f->filtered.total.events, 5);
    assert_int_equal(f->dropped.total.events, 27);
    assert_int_equal(f->lost.events, 4);
    assert_int_equal(f->replayed.events, 14);
    assert_int_equal(f->held.events, 10);
    assert_true(f->differing > 0); /* the scene is no balance */
    assert_true(isnan(f->received.per_s) && isnan(figures->seconds));
    assert_true(isnan(f->fill)); /* no capacity is known */
    figures_free(&figures);
    books_reader_free(&reader);
    free(file);
}

static void rates_are_what_moved_between_two_readings_of_one_start(void **unused)
{
    (void)unused;
    struct books_file *file = scene_new();
    struct books *lane = scene_lane(file, "in", "main");
    struct numbers *output = scene_output(file, "main");
    ledger_move(lane, FLOW_admit, 100, 1000);
    numbers_add(output, NUMBER_attempts, 5);
    struct books_reader *before = scene_read(file);
    ledger_move(lane, FLOW_admit, 50, 500);
    ledger_move(lane, FLOW_evict_oldest, 30, 300);
    numbers_add(output, NUMBER_attempts, 3);
    ledger_move(scene_lane(file, "new", "main"), FLOW_admit, 8, 80); /* counts from 0 on */
    struct books_reader *now = scene_read(file);
    struct figures *figures = figures_new(now, before, 2);
    assert_float_equal(figures->lanes[0].received.per_s, 25, 1e-6);
    assert_float_equal(figures->lanes[0].dropped.per_s, 15, 1e-6);
    assert_float_equal(figures->lanes[1].received.per_s, 4, 1e-6);
    assert_float_equal(figures->outputs[0].received.per_s, 29, 1e-6);
    assert_float_equal(figures->outputs[0].requests_per_s, 1.5, 1e-6);
    assert_int_equal(figures->drop_count, 1);
    assert_float_equal(figures->drops[0].moved.per_s, 15, 1e-6);
    figures_free(&figures);
    /* Never from the books of one start to those of another, nor backwards. */
    (void)strcpy(file->header.start_id, "start-2");
    struct books_reader *other = scene_read(file);
    figures = figures_new(other, before, 2);
    assert_true(isnan(figures->lanes[0].received.per_s));
    figures_free(&figures);
    figures = figures_new(before, now, 2);
    assert_float_equal(figures->lanes[0].received.per_s, 0, 1e-6);
    figures_free(&figures);
    books_reader_free(&before);
    books_reader_free(&now);
    books_reader_free(&other);
    free(file);
}

static void figures_of_different_outputs_are_never_added(void **unused)
{
    (void)unused;
    struct books_file *file = scene_new();
    ledger_move(scene_lane(file, "a", "main"), FLOW_admit, 1, 1);
    ledger_move(scene_lane(file, "b", "main"), FLOW_admit, 2, 2);
    ledger_move(scene_lane(file, "a", "copy"), FLOW_admit, 4, 4);
    struct numbers *main_numbers = scene_output(file, "main");
    numbers_set(scene_output(file, "copy"), NUMBER_breaker_state, 2);
    numbers_set(main_numbers, NUMBER_sealed_memory_bytes, 1);
    numbers_set(main_numbers, NUMBER_sealed_memory_limit_bytes, 4);
    struct books_reader *reader = scene_read(file);
    struct figures *figures = figures_new(reader, NULL, 1);
    assert_int_equal(figures->outputs[0].received.total.events, 3);
    assert_int_equal(figures->outputs[1].received.total.events, 4);
    assert_int_equal(figures->outputs[0].breaker, BREAKER_FIGURE_CLOSED);
    assert_int_equal(figures->outputs[1].breaker, BREAKER_FIGURE_OPEN);
    assert_float_equal(figures->outputs[0].memory_fill, 0.25, 1e-6);
    assert_true(isnan(figures->outputs[1].memory_fill));
    figures_free(&figures);
    books_reader_free(&reader);
    free(file);
}

static void the_largest_drop_comes_first(void **unused)
{
    (void)unused;
    struct books_file *file = scene_new();
    struct books *a = scene_lane(file, "a", "main"), *b = scene_lane(file, "b", "main");
    ledger_move(a, FLOW_expire, 1000, 1);
    ledger_move(b, FLOW_refuse, 10, 1);
    ledger_move(b, FLOW_upstream_loss, 0, 77); /* bytes alone are a loss, too */
    struct books_reader *before = scene_read(file);
    ledger_move(b, FLOW_refuse, 5, 1);
    struct books_reader *now = scene_read(file);
    struct figures *figures = figures_new(now, before, 1);
    assert_int_equal(figures->drop_count, 3);
    assert_int_equal(figures->drops[0].flow, FLOW_refuse);
    assert_int_equal(figures->drops[1].flow, FLOW_expire);
    assert_int_equal(figures->drops[2].flow, FLOW_upstream_loss);
    figures_free(&figures);
    figures = figures_new(now, NULL, 0); /* no rates: by totals */
    assert_int_equal(figures->drops[0].flow, FLOW_expire);
    figures_free(&figures);
    books_reader_free(&before);
    books_reader_free(&now);
    free(file);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(sums_are_those_of_the_ledger_line),
        cmocka_unit_test(rates_are_what_moved_between_two_readings_of_one_start),
        cmocka_unit_test(figures_of_different_outputs_are_never_added),
        cmocka_unit_test(the_largest_drop_comes_first),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
