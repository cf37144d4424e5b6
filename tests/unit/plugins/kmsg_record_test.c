/* SPDX-License-Identifier: Apache-2.0 */
#include "inputs/kmsg/record.h"
#include "test.h"

#include <stdio.h>
#include <stdlib.h>

static char buffer[512];

static bool parse(const char *text, struct kmsg_record *ret)
{
    size_t bytes = strlen(text);

    memcpy(buffer, text, bytes);
    return kmsg_parse(buffer, bytes, ret);
}

static void assert_text(struct slice got, const char *wanted)
{
    if (!slice_equals(got, slice_of(wanted)))
        fail_msg("got '%.*s', wanted '%s'", (int)got.bytes, got.data, wanted);
}

static void a_record_has_its_numbers_and_its_message(void **unused)
{
    struct kmsg_record record;
    (void)unused;

    assert_true(parse("30,339,5140900,-;NET: Registered protocol family 10\n", &record));
    assert_int_equal(record.facility, 3);
    assert_int_equal(record.level, 6);
    assert_int_equal(record.sequence, 339);
    assert_int_equal(record.since_boot_us, 5140900);
    assert_text(record.message, "NET: Registered protocol family 10");
    assert_text(record.dictionary, "");
    assert_text(record.caller, "");
}

static void the_caller_is_found_among_fields_that_are_not_known(void **unused)
{
    struct kmsg_record record;
    (void)unused;

    assert_true(parse("6,1,2,-,color=red,caller=T42,later=x;hello\n", &record));
    assert_text(record.caller, "T42");
    assert_true(parse("6,1,2,-,caller=;hello\n", &record));
    assert_text(record.caller, "");
}

static void escapes_are_undone_and_what_is_none_stays(void **unused)
{
    struct kmsg_record record;
    (void)unused;

    assert_true(parse("6,1,2,c;a\\x09b\\x0ac \\x5cx41 \\xZZ \\x4 \\", &record));
    assert_text(record.message, "a\tb\nc \\x41 \\xZZ \\x4 \\");
    assert_true(parse("6,1,2,-;gr\\xc3\\xBC\\xc3\\x9fe", &record));
    assert_text(record.message, "gr\xc3\xbc\xc3\x9f"
                                "e");
}

static void semicolons_and_commas_in_the_message_are_its_own(void **unused)
{
    struct kmsg_record record;
    (void)unused;

    assert_true(parse("6,1,2,-;a;b,c=d\n", &record));
    assert_text(record.message, "a;b,c=d");
    assert_true(parse("6,1,2,-;\n", &record));
    assert_text(record.message, "");
    assert_true(parse("6,1,2;no flag\n", &record));
    assert_text(record.message, "no flag");
}

static void the_dictionary_is_pairs(void **unused)
{
    struct kmsg_record record;
    struct slice key, value;
    (void)unused;

    assert_true(parse(
        "6,1,2,-;usb 1-1: new\n SUBSYSTEM=usb\nrubbish\n =x\n \n DEVICE=c189:0=\\x09\n", &record));
    assert_true(kmsg_pair(&record.dictionary, &key, &value));
    assert_text(key, "SUBSYSTEM");
    assert_text(value, "usb");
    assert_true(kmsg_pair(&record.dictionary, &key, &value));
    assert_text(key, "DEVICE");
    assert_text(value, "c189:0=\t");
    assert_false(kmsg_pair(&record.dictionary, &key, &value));
}

static void what_is_no_record_is_refused_and_left_alone(void **unused)
{
    static const char *const wrong[] = {
        "",
        "\n",
        "plain text",
        "6,1,2,-",
        ";",
        "6;x",
        "6,1;x",
        "-6,1,2,-;x",
        "6,,2,-;x",
        "6, 1,2,-;x",
        "1024,1,2,-;x",
        "6,12345678901234567890,2,-;x",
        "6,1,9999999999999999999,-;x",
        "a,1,2,-;\\x41",
    };
    struct kmsg_record record;
    (void)unused;

    for (size_t i = 0; i < sizeof(wrong) / sizeof(wrong[0]); i++) {
        if (parse(wrong[i], &record))
            fail_msg("'%s' was taken", wrong[i]);
        assert_memory_equal(buffer, wrong[i], strlen(wrong[i]));
    }
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(a_record_has_its_numbers_and_its_message),
        cmocka_unit_test(the_caller_is_found_among_fields_that_are_not_known),
        cmocka_unit_test(escapes_are_undone_and_what_is_none_stays),
        cmocka_unit_test(semicolons_and_commas_in_the_message_are_its_own),
        cmocka_unit_test(the_dictionary_is_pairs),
        cmocka_unit_test(what_is_no_record_is_refused_and_left_alone),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
