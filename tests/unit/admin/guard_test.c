/* SPDX-License-Identifier: Apache-2.0 */
#include "test.h"

#include "admin/guard.h"

static void a_loopback_port_answers_its_own_names_and_addresses_only(void **unused)
{
    static const char bound[] = "127.0.0.1:9464", listen[] = "agent-host:9464";
    (void)unused;
    assert_true(guard_host("localhost", listen, bound));
    assert_true(guard_host("LocalHost:9464", listen, bound));
    assert_true(guard_host("127.0.0.1:9464", listen, bound));
    assert_true(guard_host("10.1.2.3", listen, bound));
    assert_true(guard_host("[::1]:9464", listen, "[::1]:9464"));
    assert_true(guard_host("agent-host:9464", listen, bound));
    assert_true(guard_host(NULL, listen, bound));
    assert_false(guard_host("evil.example", listen, bound));
    assert_false(guard_host("evil.example:9464", listen, "[::1]:9464"));
    assert_false(guard_host("localhost.evil.example", listen, bound));
    assert_false(guard_host("127.0.0.1.evil.example", listen, bound));
    assert_false(guard_host("", listen, bound));
    assert_false(guard_host("[evil.example]", listen, bound));
}

static void another_address_answers_to_any_name(void **unused)
{
    (void)unused;
    assert_true(guard_host("agent.example:9464", "0.0.0.0:9464", "0.0.0.0:9464"));
    assert_true(guard_host("agent.example", "[::]:9464", "[::]:9464"));
}

static void a_token_is_compared_whole(void **unused)
{
    (void)unused;
    assert_true(guard_token(NULL, ""));
    assert_true(guard_token("Bearer abc", "abc"));
    assert_true(guard_token("bearer abc", "abc"));
    assert_false(guard_token(NULL, "abc"));
    assert_false(guard_token("", "abc"));
    assert_false(guard_token("Bearer ", "abc"));
    assert_false(guard_token("Bearer ab", "abc"));
    assert_false(guard_token("Bearer abd", "abc"));
    assert_false(guard_token("Bearer abcd", "abc"));
    assert_false(guard_token("Basic abc", "abc"));
    assert_false(guard_token("abc", "abc"));
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(a_loopback_port_answers_its_own_names_and_addresses_only),
        cmocka_unit_test(another_address_answers_to_any_name),
        cmocka_unit_test(a_token_is_compared_whole),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
