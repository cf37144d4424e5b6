/* SPDX-License-Identifier: Apache-2.0 */
#include "ledger/suspect.h"

#include "test.h"

#include "base/auto.h"
#include "books_image.h"

#include <stdlib.h>

/* ---- a lane ---- */

static struct suspect suspect_of(struct books_file *file)
{
    struct books_image image;
    struct err err = { "" };

    assert_true(books_image_open(&image, all_of(file), false, &err));
    return suspect_lane(&image, 0);
}

static void a_crash_without_progress_makes_suspects_of_all_that_was_read(void **unused)
{
    (void)unused;
    AUTO(auto_free) struct books_file *file = make_file();
    struct books *books = add_lane(file, "app", true);

    ledger_move(books, FLOW_admit, 10, 100);
    ledger_move(books, FLOW_filter, 3, 30);
    ledger_move(books, FLOW_upstream_loss, 5, 50); /* never was in hand */
    ledger_move_cell(books, FLOW_gather, 1, 4, 40);
    numbers_set(&books->numbers, NUMBER_run_events, 7);
    numbers_set(&books->numbers, NUMBER_crashes, 2);
    assert_int_equal(suspect_of(file).crashes, 0); /* killed, not crashed */
    file->header.state = BOOKS_CRASHED;
    assert_int_equal(suspect_of(file).crashes, 3);
    assert_int_equal(suspect_of(file).in_hand, 20);
    file->header.state = BOOKS_CLOSED;
    assert_int_equal(suspect_of(file).crashes, 0);
}

static void progress_and_idleness_clear_a_lane_of_suspicion(void **unused)
{
    (void)unused;
    AUTO(auto_free) struct books_file *file = make_file();
    struct books *books = add_lane(file, "app", true);

    file->header.state = BOOKS_CRASHED;
    numbers_set(&books->numbers, NUMBER_crashes, 2);
    assert_int_equal(suspect_of(file).crashes, 0); /* it had nothing in hand */
    ledger_move(books, FLOW_admit, 10, 100);
    assert_int_equal(suspect_of(file).crashes, 3);
    numbers_set(&books->numbers, NUMBER_positions_moved, 1); /* the next start begins elsewhere */
    assert_int_equal(suspect_of(file).crashes + suspect_of(file).in_hand, 0);
    numbers_set(&books->numbers, NUMBER_positions_moved, 0);
    ledger_move(books, FLOW_evict_oldest, 1, 10);
    assert_int_equal(suspect_of(file).crashes, 0);
}

static void whatever_left_a_lane_is_progress_and_what_only_moved_within_is_not(void **unused)
{
    (void)unused;
    for (enum flow flow = 0; flow < FLOWS; flow++) {
        AUTO(auto_free) struct books_file *file = make_file();
        struct books *books = add_lane(file, "app", true);
        enum account from = flow_infos[flow].from, to = flow_infos[flow].to;
        bool has_left =
            account_infos[from].held && (!account_infos[to].held || to == ACCOUNT_spool);
        file->header.state = BOOKS_CRASHED;
        ledger_move(books, FLOW_admit, 10, 100);
        ledger_move(books, flow, 1, 10);
        if ((suspect_of(file).crashes == 0) != has_left)
            fail_msg("%s is%s progress", flow_infos[flow].name, has_left ? "" : " no");
    }
}

/* ---- a spool ---- */

static struct numbers *add_output(struct books_file *file, const char *name)
{
    struct books_output *output = &file->outputs[file->header.outputs_used++];
    (void)strcpy(output->name, name);
    return &output->numbers;
}

static struct suspect spool_suspect_of(struct books_file *file, const char *output)
{
    struct books_image image;
    struct err err = { "" };

    assert_true(books_image_open(&image, all_of(file), false, &err));
    return suspect_spool(&image, output);
}

static void what_was_carried_over_in_the_spool_was_not_read(void **unused)
{
    (void)unused;
    AUTO(auto_free) struct books_file *file = make_file();
    struct books *books = add_lane(file, "app", true);

    file->header.state = BOOKS_CRASHED;
    ledger_move(books, FLOW_carry, 1000, 10000);
    assert_int_equal(suspect_of(file).crashes, 0);
    ledger_move(books, FLOW_admit, 10, 100);
    assert_int_equal(suspect_of(file).in_hand, 10);
}

static void a_crash_with_batches_of_the_spool_in_hand_makes_suspects_of_them(void **unused)
{
    (void)unused;
    AUTO(auto_free) struct books_file *file = make_file();
    struct books *books = add_lane(file, "app", true);
    struct numbers *numbers = (add_output(file, "first"), add_output(file, "main"));

    ledger_move(books, FLOW_carry, 10, 100);
    numbers_set(numbers, NUMBER_spool_in_hand, 4);
    numbers_set(numbers, NUMBER_spool_crashes, 2);
    assert_int_equal(spool_suspect_of(file, "main").crashes, 0); /* killed, not crashed */
    file->header.state = BOOKS_CRASHED;
    assert_int_equal(spool_suspect_of(file, "main").crashes, 3);
    assert_int_equal(spool_suspect_of(file, "main").in_hand, 4);
    assert_int_equal(spool_suspect_of(file, "first").crashes, 0);
    assert_int_equal(spool_suspect_of(file, "other").crashes, 0);
    numbers_set(numbers, NUMBER_spool_in_hand, 0);
    assert_int_equal(spool_suspect_of(file, "main").crashes, 0);
}

static void whatever_left_the_spool_but_by_quarantine_clears_it(void **unused)
{
    (void)unused;
    AUTO(auto_free) struct books_file *file = make_file();
    struct books *books = add_lane(file, "app", true);
    struct numbers *numbers = add_output(file, "main");
    struct books *other = add_lane(file, "app", true);

    (void)strcpy(other->output, "elsewhere");
    file->header.state = BOOKS_CRASHED;
    numbers_set(numbers, NUMBER_spool_in_hand, 4);
    ledger_move(other, FLOW_spool_deliver, 1, 10); /* of another output */
    ledger_move(books, FLOW_quarantine_spool, 1, 10);
    assert_int_equal(spool_suspect_of(file, "main").crashes, 1);
    ledger_move(books, FLOW_spool_evict, 1, 10);
    assert_int_equal(spool_suspect_of(file, "main").crashes, 0);
}

static void numbers_that_do_not_fit_make_no_suspects(void **unused)
{
    (void)unused;
    AUTO(auto_free) struct books_file *file = make_file();
    struct books *books = add_lane(file, "app", true);
    struct books_header whole;

    numbers_set(add_output(file, "main"), NUMBER_spool_in_hand, 4);
    ledger_move(books, FLOW_admit, 10, 100);
    file->header.state = BOOKS_CRASHED;
    memcpy(&whole, &file->header, sizeof(whole));
    file->header.numbers.rows = 1u << 30;
    assert_int_equal(suspect_of(file).crashes + spool_suspect_of(file, "main").crashes, 0);
    memcpy(&file->header, &whole, sizeof(whole));
    file->header.numbers_at = file->header.output_numbers_at = 1u << 30;
    assert_int_equal(suspect_of(file).crashes + spool_suspect_of(file, "main").crashes, 0);
    memcpy(&file->header, &whole, sizeof(whole));
    file->header.outputs.at = 1u << 31;
    assert_int_equal(spool_suspect_of(file, "main").crashes, 0);
    file->header.outputs.at = whole.outputs.at;
    file->header.outputs_used = 1u << 31;
    assert_int_equal(spool_suspect_of(file, "main").crashes, 1);
    assert_int_equal(spool_suspect_of(file, "other").crashes, 0);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(a_crash_without_progress_makes_suspects_of_all_that_was_read),
        cmocka_unit_test(progress_and_idleness_clear_a_lane_of_suspicion),
        cmocka_unit_test(whatever_left_a_lane_is_progress_and_what_only_moved_within_is_not),
        cmocka_unit_test(what_was_carried_over_in_the_spool_was_not_read),
        cmocka_unit_test(a_crash_with_batches_of_the_spool_in_hand_makes_suspects_of_them),
        cmocka_unit_test(whatever_left_the_spool_but_by_quarantine_clears_it),
        cmocka_unit_test(numbers_that_do_not_fit_make_no_suspects),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
