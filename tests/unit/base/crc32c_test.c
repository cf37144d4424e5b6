/* SPDX-License-Identifier: Apache-2.0 */
#include "base/crc32c.h"

#include "test.h"

#include <string.h>

static void it_agrees_with_the_examples_of_the_rfc(void **unused)
{
    (void)unused;
    unsigned char bytes[32];

    assert_int_equal(crc32c(0, "123456789", 9), 0xE3069283);
    memset(bytes, 0, sizeof(bytes));
    assert_int_equal(crc32c(0, bytes, sizeof(bytes)), 0x8A9136AA);
    memset(bytes, 0xff, sizeof(bytes));
    assert_int_equal(crc32c(0, bytes, sizeof(bytes)), 0x62A8AB43);
    for (unsigned char i = 0; i < 32; i++)
        bytes[i] = i;
    assert_int_equal(crc32c(0, bytes, sizeof(bytes)), 0x46DD794E);
}

static void parts_give_the_same_as_the_whole_wherever_it_is_cut(void **unused)
{
    (void)unused;
    unsigned char bytes[100];

    for (unsigned i = 0; i < sizeof(bytes); i++)
        bytes[i] = (unsigned char)(i * 37 + 11);
    uint32_t whole = crc32c(0, bytes, sizeof(bytes));
    for (size_t cut = 0; cut <= sizeof(bytes); cut++)
        assert_int_equal(crc32c(crc32c(0, bytes, cut), bytes + cut, sizeof(bytes) - cut), whole);
}

static void tables_and_the_processor_agree_at_every_length_and_alignment(void **unused)
{
    (void)unused;
    unsigned char bytes[4200];
    uint32_t state = 1;

    for (unsigned i = 0; i < sizeof(bytes); i++) {
        state = state * 1664525 + 1013904223;
        bytes[i] = (unsigned char)(state >> 24);
    }
    for (size_t length = 0; length <= sizeof(bytes) - 16; length += 1 + length / 16) {
        for (size_t at = 0; at < 16; at++)
            assert_int_equal(crc32c(7, bytes + at, length),
                             crc32c_by_tables(7, bytes + at, length));
    }
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(it_agrees_with_the_examples_of_the_rfc),
        cmocka_unit_test(parts_give_the_same_as_the_whole_wherever_it_is_cut),
        cmocka_unit_test(tables_and_the_processor_agree_at_every_length_and_alignment),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
