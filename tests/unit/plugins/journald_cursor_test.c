/* SPDX-License-Identifier: Apache-2.0 */
#include "inputs/journald/cursor.h"
#include "test.h"

#define ID "0123456789abcdef0123456789abcdef"

static void a_cursor_has_the_sequence_of_its_entry(void **unused)
{
    struct journal_sequence sequence;
    (void)unused;

    assert_true(journal_sequence_of("s=" ID ";i=1a2b;b=77;m=1;t=2;x=3", &sequence));
    assert_string_equal(sequence.id, ID);
    assert_int_equal(sequence.number, 0x1a2b);
    assert_true(journal_sequence_of("b=77;i=ffffffffffffffff;s=" ID, &sequence));
    assert_true(sequence.number == UINT64_MAX);
}

static void a_cursor_has_the_time_of_its_entry(void **unused)
{
    uint64_t usec = 1;
    (void)unused;

    assert_true(journal_time_of("s=" ID ";i=1;b=77;m=1;t=61f2a5b3c4d5e;x=3", &usec));
    assert_true(usec == 0x61f2a5b3c4d5e);
    assert_false(journal_time_of("s=" ID ";i=1;b=77;m=1", &usec));
    assert_false(journal_time_of("s=" ID ";i=1;t=later", &usec));
    assert_true(usec == 0x61f2a5b3c4d5e);
}

static void what_has_no_sequence_is_refused(void **unused)
{
    static const char *const wrong[] = { "",
                                         ";",
                                         "s=" ID,
                                         "i=1",
                                         "s=" ID ";i=",
                                         "s=" ID ";i=xyz",
                                         "s=" ID ";i=AB",
                                         "s=short;i=1",
                                         "s=" ID "0;i=1",
                                         "s=" ID ";i=00000000000000001" };
    struct journal_sequence sequence;
    (void)unused;

    for (size_t i = 0; i < sizeof(wrong) / sizeof(wrong[0]); i++) {
        if (journal_sequence_of(wrong[i], &sequence))
            fail_msg("'%s' was taken", wrong[i]);
    }
}

static void missing_is_what_was_numbered_and_not_seen(void **unused)
{
    struct journal_sequence from = { ID, 100 }, to = { ID, 110 };
    (void)unused;

    assert_int_equal(journal_missing(&from, &to, 10), 0);
    assert_int_equal(journal_missing(&from, &to, 4), 6);
    assert_int_equal(journal_missing(&from, &to, 30), 0); /* of several who number */
}

static void nothing_is_said_where_it_cannot_be_told(void **unused)
{
    struct journal_sequence from = { ID, 100 }, other = { "f" ID, 200 }, none = { "", 0 };
    struct journal_sequence before = { ID, 50 };
    (void)unused;

    other.id[SEQUENCE_ID_BYTES - 1] = '\0';
    assert_int_equal(journal_missing(&from, &other, 1), 0);
    assert_int_equal(journal_missing(&none, &from, 1), 0);
    assert_int_equal(journal_missing(&from, &before, 1), 0);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(a_cursor_has_the_sequence_of_its_entry),
        cmocka_unit_test(a_cursor_has_the_time_of_its_entry),
        cmocka_unit_test(what_has_no_sequence_is_refused),
        cmocka_unit_test(missing_is_what_was_numbered_and_not_seen),
        cmocka_unit_test(nothing_is_said_where_it_cannot_be_told),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
