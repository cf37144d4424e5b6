/* SPDX-License-Identifier: Apache-2.0 */
#include "test.h"

#include "admin/guard.h"

#include <string.h>

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

static void a_browser_sends_the_token_as_a_password(void **unused)
{
    (void)unused;
    assert_true(guard_password(NULL, ""));
    assert_true(guard_password("Basic OmFiYw==", "abc"));      /* :abc */
    assert_true(guard_password("basic YW5uYTphYmM=", "abc"));  /* anna:abc */
    assert_true(guard_password("Basic YTphOmI=", "a:b"));      /* a:a:b */
    assert_true(guard_password("Basic OmFiYw", "abc"));        /* unpadded */
    assert_false(guard_password("Basic YWJj", "abc"));         /* abc, no colon */
    assert_false(guard_password("Basic YWJjOg==", "abc"));     /* abc: */
    assert_false(guard_password("Basic OmFiYwA=", "abc"));     /* :abc and a NUL */
    assert_false(guard_password("Basic OmFiYwBkZWY=", "abc")); /* :abc, a NUL, def */
    assert_false(guard_password("Basic OmFi*w==", "abc"));
    assert_false(guard_password("Basic ", "abc"));
    assert_false(guard_password("Bearer abc", "abc"));
    assert_false(guard_password(NULL, "abc"));
}

static void a_password_of_any_length_does_no_harm(void **unused)
{
    (void)unused;
    static char header[40000];
    memset(header, 'Q', sizeof(header) - 1);
    memcpy(header, "Basic ", 6);
    assert_false(guard_password(header, "abc"));
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(a_loopback_port_answers_its_own_names_and_addresses_only),
        cmocka_unit_test(another_address_answers_to_any_name),
        cmocka_unit_test(a_token_is_compared_whole),
        cmocka_unit_test(a_browser_sends_the_token_as_a_password),
        cmocka_unit_test(a_password_of_any_length_does_no_harm),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
