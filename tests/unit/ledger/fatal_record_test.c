/* SPDX-License-Identifier: Apache-2.0 */
#include "ledger/fatal_record.h"

#include "test.h"

#include "base/auto.h"
#include "base/in_hand.h"
#include "books_image.h"
#include "ledger/suspect.h"

static void die_of(struct books *lane, uint64_t source, uint64_t from, uint64_t to)
{
    fatal_record_watch(&lane->numbers);
    in_hand_of(source);
    in_hand_take(from, to);
    fatal_record_note();
    in_hand_drop();
    fatal_record_watch(NULL);
}

static struct books_image image_of(struct books_file *file, enum books_state state)
{
    struct books_image image;
    struct err err = { "" };

    file->header.state = state;
    assert_true(books_image_open(&image, all_of(file), false, &err));
    return image;
}

static uint64_t number(const struct books *lane, enum number number)
{
    return numbers_get(&lane->numbers, number);
}

static void deaths_of_the_same_record_are_counted_and_another_begins_anew(void **unused)
{
    (void)unused;
    AUTO(auto_free) struct books_file *file = make_file();
    struct books *lane = add_lane(file, "app", true);

    die_of(lane, 7, 100, 120);
    assert_int_equal(number(lane, NUMBER_record_crashes), 1);
    die_of(lane, 7, 100, 130); /* it has grown meanwhile */
    assert_int_equal(number(lane, NUMBER_record_crashes), 2);
    assert_int_equal(number(lane, NUMBER_record_to), 130);
    die_of(lane, 8, 100, 130);
    assert_int_equal(number(lane, NUMBER_record_crashes), 1);
    die_of(lane, 8, 130, 140);
    assert_int_equal(number(lane, NUMBER_record_crashes), 1);
    assert_int_equal(number(lane, NUMBER_record_source), 8);
    assert_int_equal(number(lane, NUMBER_record_from), 130);
}

static void a_death_without_a_record_or_in_another_thread_accuses_none(void **unused)
{
    (void)unused;
    AUTO(auto_free) struct books_file *file = make_file();
    struct books *lane = add_lane(file, "app", true);

    die_of(lane, 7, 0, 0);
    in_hand_take(1, 2);
    fatal_record_note(); /* nobody watches */
    in_hand_drop();
    assert_int_equal(number(lane, NUMBER_record_crashes), 0);
    assert_int_equal(number(lane, NUMBER_died_of_record), 0);
}

static void it_is_carried_over_crashes_and_kills_and_not_over_a_clean_end(void **unused)
{
    (void)unused;
    AUTO(auto_free) struct books_file *file = make_file(), *next = make_file();
    struct books *lane = add_lane(file, "app", true), *carried = add_lane(next, "app", true);

    struct books_image image = image_of(file, BOOKS_CRASHED);
    assert_false(fatal_record_is_known(&image, 0));
    die_of(lane, 7, 100, 120);
    die_of(lane, 7, 100, 120);
    image = image_of(file, BOOKS_CLOSED);
    assert_false(fatal_record_is_known(&image, 0));
    image = image_of(file, BOOKS_OPEN);
    assert_true(fatal_record_is_known(&image, 0));
    image = image_of(file, BOOKS_CRASHED);
    assert_true(fatal_record_is_known(&image, 0));
    fatal_record_carry(&image, 0, &carried->numbers);
    assert_int_equal(number(carried, NUMBER_record_crashes), 2);
    assert_int_equal(number(carried, NUMBER_record_source), 7);
    assert_int_equal(number(carried, NUMBER_record_from), 100);
    assert_int_equal(number(carried, NUMBER_record_to), 120);
    assert_int_equal(number(carried, NUMBER_died_of_record), 0); /* this one lives */
    die_of(carried, 7, 100, 120);
    assert_int_equal(number(carried, NUMBER_record_crashes), 3);
}

static void a_known_record_clears_all_else_of_suspicion(void **unused)
{
    (void)unused;
    AUTO(auto_free) struct books_file *file = make_file();
    struct books *lane = add_lane(file, "app", true), *other = add_lane(file, "other", true);
    struct books_output *output = &file->outputs[file->header.outputs_used++];

    (void)strcpy(output->name, "main");
    numbers_set(&output->numbers, NUMBER_spool_in_hand, 4);
    ledger_move(lane, FLOW_admit, 10, 100);
    ledger_move(other, FLOW_admit, 10, 100);
    struct books_image image = image_of(file, BOOKS_CRASHED);
    assert_int_equal(suspect_lane(&image, 0).crashes, 1);
    assert_int_equal(suspect_lane(&image, 1).crashes, 1);
    assert_int_equal(suspect_spool(&image, "main").crashes, 1);
    die_of(lane, 7, 100, 120);
    image = image_of(file, BOOKS_CRASHED);
    assert_int_equal(suspect_lane(&image, 0).crashes, 0);
    assert_int_equal(suspect_lane(&image, 1).crashes, 0);
    assert_int_equal(suspect_spool(&image, "main").crashes, 0);
    /* Of a start before this one: now it died of something else. */
    numbers_set(&lane->numbers, NUMBER_died_of_record, 0);
    image = image_of(file, BOOKS_CRASHED);
    assert_int_equal(suspect_lane(&image, 0).crashes, 1);
}

static void names_of_sources_fit_the_books(void **unused)
{
    (void)unused;
    uint64_t one = in_hand_name("a", 1), two = in_hand_name("b", 1);

    assert_true(one < UINT64_C(1) << 48 && two < UINT64_C(1) << 48);
    assert_int_not_equal(one, two);
    assert_int_equal(one, in_hand_name("a", 1));
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(deaths_of_the_same_record_are_counted_and_another_begins_anew),
        cmocka_unit_test(a_death_without_a_record_or_in_another_thread_accuses_none),
        cmocka_unit_test(it_is_carried_over_crashes_and_kills_and_not_over_a_clean_end),
        cmocka_unit_test(a_known_record_clears_all_else_of_suspicion),
        cmocka_unit_test(names_of_sources_fit_the_books),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
