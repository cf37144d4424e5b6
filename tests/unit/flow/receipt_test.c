/* SPDX-License-Identifier: Apache-2.0 */
#include "test.h"

#include "flow/receipt.h"

#include <pthread.h>
#include <sched.h>
#include <stdatomic.h>
#include <string.h>
#include <unistd.h>

static _Atomic unsigned settled;

static void note_settled(void *context)
{
    (void)context;
    atomic_fetch_add(&settled, 1);
}

static struct receipts *make(void)
{
    struct receipts *receipts = receipts_new(note_settled, NULL);

    assert_non_null(receipts);
    atomic_store(&settled, 0);
    return receipts;
}

struct mark {
    uint64_t stream;
    int number;
};

static void finish_stream(struct receipts *receipts, struct receipt *receipt, uint64_t stream,
                          int number)
{
    struct mark mark;

    memset(&mark, 0, sizeof(mark));
    mark.stream = stream;
    mark.number = number;
    receipts_hold_done(receipts, receipt, &mark, sizeof(mark));
}

static void finish_read(struct receipts *receipts, struct receipt *receipt, int number)
{
    finish_stream(receipts, receipt, 1, number);
}

/* -1: nothing to take. */
static int pop(struct receipts *receipts)
{
    char bytes[RECEIPT_MARK_BYTES];
    size_t count;
    struct mark mark;

    if (!receipts_pop_settled(receipts, bytes, &count))
        return -1;
    assert_int_equal(count, sizeof(mark));
    memcpy(&mark, bytes, sizeof(mark));
    return mark.number;
}

static int pop_all(struct receipts *receipts)
{
    int last = -1;

    for (int number; (number = pop(receipts)) >= 0;) {
        assert_true(number > last);
        last = number;
    }
    return last;
}

static void no_receipt_is_nothing_to_do(void **unused)
{
    (void)unused;
    receipt_add(NULL, 3);
    receipt_release(NULL, 3);
}

static void the_hold_keeps_a_read_open_though_all_its_events_are_done(void **unused)
{
    (void)unused;
    struct receipts *receipts = make();
    struct receipt *receipt = receipts_open(receipts);
    receipt_add(receipt, 2);
    receipt_release(receipt, 2);
    assert_int_equal(pop(receipts), -1);
    assert_int_equal(atomic_load(&settled), 0);
    finish_read(receipts, receipt, 7);
    assert_int_equal(atomic_load(&settled), 1);
    assert_int_equal(pop(receipts), 7);
    assert_int_equal(pop(receipts), -1);
    receipts_free(&receipts);
}

static void a_read_without_events_is_settled_at_once(void **unused)
{
    (void)unused;
    struct receipts *receipts = make();
    finish_read(receipts, receipts_open(receipts), 1);
    assert_int_equal(pop(receipts), 1);
    receipts_free(&receipts);
}

static void who_settles_many_tells_when_all_are_done(void **unused)
{
    (void)unused;
    struct receipts *receipts = make();
    struct receipt *read = receipts_open(receipts);
    receipt_add(read, 5);
    finish_read(receipts, read, 1);
    assert_null(receipt_settle(read, 4));
    assert_ptr_equal(receipt_settle(read, 1), receipts);
    assert_int_equal(atomic_load(&settled), 0);
    receipts_tell(receipts);
    assert_int_equal(atomic_load(&settled), 1);
    assert_null(receipt_settle(NULL, 1));
    receipts_tell(NULL);
    assert_int_equal(pop(receipts), 1);
    receipts_free(&receipts);
}

static void later_reads_wait_for_the_oldest_and_then_come_in_order(void **unused)
{
    (void)unused;
    struct receipts *receipts = make();
    struct receipt *reads[4];
    for (int i = 0; i < 4; i++) {
        reads[i] = receipts_open(receipts);
        receipt_add(reads[i], 5);
        finish_read(receipts, reads[i], i);
    }
    receipt_release(reads[1], 5);
    receipt_release(reads[2], 5);
    assert_int_equal(pop(receipts), -1);
    receipt_release(reads[0], 5);
    for (int i = 0; i < 3; i++)
        assert_int_equal(pop(receipts), i);
    assert_int_equal(receipts_count(receipts), 1);
    receipt_release(reads[3], 4);
    assert_int_equal(pop(receipts), -1);
    receipt_release(reads[3], 1);
    assert_int_equal(pop(receipts), 3);
    assert_int_equal(receipts_count(receipts), 0);
    receipts_free(&receipts);
}

static void a_full_list_opens_no_more_until_one_is_settled(void **unused)
{
    (void)unused;
    struct receipts *receipts = make();
    struct receipt *reads[RECEIPTS_MAX];
    for (int i = 0; i < RECEIPTS_MAX; i++) {
        reads[i] = receipts_open(receipts);
        assert_non_null(reads[i]);
        receipt_add(reads[i], 1);
        finish_read(receipts, reads[i], i);
    }
    assert_null(receipts_open(receipts));
    receipt_release(reads[0], 1);
    assert_int_equal(pop(receipts), 0);
    assert_non_null(receipts_open(receipts));
    assert_null(receipts_open(receipts));
    receipts_free(&receipts);
}

static void finished_neighbours_behind_an_open_read_become_one(void **unused)
{
    (void)unused;
    struct receipts *receipts = make();
    struct receipt *first = receipts_open(receipts), *last = NULL;
    receipt_add(first, 1);
    finish_read(receipts, first, 0);
    for (int i = 1; i < 10 * RECEIPTS_MAX; i++) {
        last = receipts_open(receipts);
        assert_non_null(last);
        finish_read(receipts, last, i);
    }
    assert_in_range(receipts_count(receipts), 2, RECEIPTS_MAX);
    receipt_release(first, 1);
    assert_int_equal(pop_all(receipts), 10 * RECEIPTS_MAX - 1);
    assert_int_equal(receipts_count(receipts), 0);
    receipts_free(&receipts);
}

static void room_for_more_reads_is_made_before_the_list_is_full(void **unused)
{
    (void)unused;
    struct receipts *receipts = make();
    struct receipt *first = receipts_open(receipts);
    receipt_add(first, 1);
    finish_read(receipts, first, 0);
    for (int i = 1; i < 10 * RECEIPTS_MAX; i++) {
        assert_true(receipts_have_room(receipts, 64));
        finish_read(receipts, receipts_open(receipts), i);
    }
    receipt_release(first, 1);
    assert_int_equal(pop_all(receipts), 10 * RECEIPTS_MAX - 1);
    for (int i = 0; i < RECEIPTS_MAX - 64; i++)
        assert_non_null(receipts_open(receipts));
    assert_true(receipts_have_room(receipts, 64));
    assert_non_null(receipts_open(receipts));
    assert_false(receipts_have_room(receipts, 64)); /* none of them is finished */
    receipts_free(&receipts);
}

static void merging_keeps_the_mark_before_an_open_read(void **unused)
{
    (void)unused;
    struct receipts *receipts = make();
    struct receipt *open[2] = { 0 };
    for (int i = 0; i < RECEIPTS_MAX; i++) {
        struct receipt *receipt = receipts_open(receipts);
        if (i == 0 || i == 500) {
            open[i != 0] = receipt;
            receipt_add(receipt, 1);
        }
        finish_read(receipts, receipt, i);
    }
    finish_read(receipts, receipts_open(receipts), RECEIPTS_MAX);
    receipt_release(open[0], 1);
    assert_int_equal(pop_all(receipts), 499);
    receipt_release(open[1], 1);
    assert_int_equal(pop_all(receipts), RECEIPTS_MAX);
    receipts_free(&receipts);
}

static void reads_of_different_streams_are_not_merged(void **unused)
{
    (void)unused;
    struct receipts *receipts = make();
    struct receipt *first = receipts_open(receipts);
    receipt_add(first, 1);
    finish_read(receipts, first, 0);
    for (int i = 1; i < RECEIPTS_MAX; i++)
        finish_stream(receipts, receipts_open(receipts), (uint64_t)i % 2, i);
    assert_null(receipts_open(receipts));
    receipt_release(first, 1);
    for (int i = 0; i < RECEIPTS_MAX; i++)
        assert_int_equal(pop(receipts), i);
    receipts_free(&receipts);
}

enum { QUEUE = 64, READS = 20000 };
static _Atomic(struct receipt *) queue[QUEUE];

/* Takes one event of each read from its cell. */
static void *release_all(void *unused)
{
    (void)unused;
    for (unsigned i = 0; i < READS;) {
        struct receipt *receipt = atomic_exchange(&queue[i % QUEUE], NULL);
        if (receipt == NULL) {
            (void)sched_yield();
            continue;
        }
        receipt_release(receipt, 1);
        i++;
    }
    return NULL;
}

static void another_thread_may_settle_reads_while_they_are_walked(void **unused)
{
    (void)unused;
    struct receipts *receipts = make();
    pthread_t thread;
    int last = -1;
    assert_int_equal(pthread_create(&thread, NULL, release_all, NULL), 0);
    for (int i = 0; i < READS; i++) {
        struct receipt *receipt;
        while ((receipt = receipts_open(receipts)) == NULL) {
            int mark = pop_all(receipts);
            last = mark > last ? mark : last;
        }
        receipt_add(receipt, 1);
        while (atomic_load(&queue[i % QUEUE]) != NULL)
            (void)sched_yield();
        atomic_store(&queue[i % QUEUE], receipt);
        finish_read(receipts, receipt, i);
    }
    assert_int_equal(pthread_join(thread, NULL), 0);
    int mark = pop_all(receipts);
    assert_int_equal(mark > last ? mark : last, READS - 1);
    assert_int_equal(receipts_count(receipts), 0);
    assert_int_equal(atomic_load(&settled), READS);
    receipts_free(&receipts);
}

static void a_list_says_whether_its_events_go_back_or_the_books_do(void **unused)
{
    (void)unused;
    struct receipts *receipts = receipts_new(NULL, NULL);
    struct receipt *receipt = receipts_open(receipts);
    assert_true(receipt_goes_back(NULL, true));
    assert_false(receipt_goes_back(NULL, false));
    assert_true(receipt_goes_back(receipt, true));
    assert_false(receipt_goes_back(receipt, false));
    receipts_set_way(receipts, RECEIPTS_GO_BACK);
    assert_true(receipt_goes_back(receipt, false));
    receipts_set_way(receipts, RECEIPTS_STAY);
    assert_false(receipt_goes_back(receipt, true));
    receipts_free(&receipts);
}

struct slow_bell {
    struct receipt *receipt;
    _Atomic bool is_told, is_freed, was_told_after;
};

static void tell_for_long(void *context)
{
    struct slow_bell *bell = context;
    atomic_store(&bell->is_told, true);
    (void)usleep(50 * 1000); /* enough for the list to be freed, if that can be */
    atomic_store(&bell->was_told_after, atomic_load(&bell->is_freed));
}

static void *release_one(void *context)
{
    struct slow_bell *bell = context;
    receipt_release(bell->receipt, 1);
    return NULL;
}

static void a_list_is_not_freed_under_who_is_just_telling(void **unused)
{
    (void)unused;
    struct slow_bell bell = { .receipt = NULL };
    struct receipts *receipts = receipts_new(tell_for_long, &bell);
    pthread_t thread;
    bell.receipt = receipts_open(receipts);
    receipt_add(bell.receipt, 1);
    finish_read(receipts, bell.receipt, 7);
    assert_int_equal(pthread_create(&thread, NULL, release_one, &bell), 0);
    while (!atomic_load(&bell.is_told))
        (void)sched_yield();
    assert_int_equal(pop(receipts), 7); /* it is settled already */
    receipts_free(&receipts);
    atomic_store(&bell.is_freed, true);
    assert_int_equal(pthread_join(thread, NULL), 0);
    assert_false(bell.was_told_after);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(no_receipt_is_nothing_to_do),
        cmocka_unit_test(the_hold_keeps_a_read_open_though_all_its_events_are_done),
        cmocka_unit_test(a_read_without_events_is_settled_at_once),
        cmocka_unit_test(who_settles_many_tells_when_all_are_done),
        cmocka_unit_test(later_reads_wait_for_the_oldest_and_then_come_in_order),
        cmocka_unit_test(a_full_list_opens_no_more_until_one_is_settled),
        cmocka_unit_test(finished_neighbours_behind_an_open_read_become_one),
        cmocka_unit_test(room_for_more_reads_is_made_before_the_list_is_full),
        cmocka_unit_test(merging_keeps_the_mark_before_an_open_read),
        cmocka_unit_test(reads_of_different_streams_are_not_merged),
        cmocka_unit_test(a_list_says_whether_its_events_go_back_or_the_books_do),
        cmocka_unit_test(another_thread_may_settle_reads_while_they_are_walked),
        cmocka_unit_test(a_list_is_not_freed_under_who_is_just_telling),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
