/* SPDX-License-Identifier: Apache-2.0 */
#include "test.h"

#include "delivery/batch.h"
#include "flow/receipt.h"

enum { READS = 3 };

static void count(void *context)
{
    ++*(unsigned *)context;
}

/* A batch in which events of a reading's reads follow each other, then another's, then the first's
 * again. */
static void a_reading_is_told_once_for_all_its_reads_that_stand_together(void **unused)
{
    (void)unused;
    unsigned told[2] = { 0, 0 };
    struct receipts *lists[2];
    struct batch_run runs[2 * READS];
    struct batch batch = { .runs = runs, .run_count = 2 * READS };

    for (unsigned i = 0; i < 2; i++)
        assert_non_null(lists[i] = receipts_new(count, &told[i]));
    for (unsigned i = 0; i < batch.run_count; i++) {
        struct receipts *list = lists[i == READS ? 1 : 0];
        runs[i] = (struct batch_run){ .receipt = receipts_open(list), .events = i + 1 };
        receipt_add(runs[i].receipt, i + 1);
        receipts_hold_done(list, runs[i].receipt, NULL, 0);
    }
    batch_settle(&batch);
    assert_int_equal(told[0], 2);
    assert_int_equal(told[1], 1);
    for (unsigned i = 0; i < 2; i++) {
        char mark[RECEIPT_MARK_BYTES];
        size_t bytes;
        while (receipts_pop_settled(lists[i], mark, &bytes))
            ;
        assert_int_equal(receipts_count(lists[i]), 0);
        receipts_free(&lists[i]);
    }
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(a_reading_is_told_once_for_all_its_reads_that_stand_together),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
