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

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(it_agrees_with_the_examples_of_the_rfc),
        cmocka_unit_test(parts_give_the_same_as_the_whole_wherever_it_is_cut),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
