/* SPDX-License-Identifier: Apache-2.0 */
/* address: what is taken, what is refused, and what the refusal says. */
#include "base/address.h"

#include "test.h"

#include <string.h>

static const char all[] = "udp://|tcp://|tls://|unix://|unixgram://|fifo://|fd:|systemd:";

static struct address parse(const char *text)
{
    struct address address = { .kind = ADDRESS_UDP };
    struct err err = { "" };

    assert_true(address_parse(text, all, &address, &err));
    return address;
}

static void assert_refused(const char *text, const char *schemes, const char *why)
{
    struct address address;
    struct err err = { "" };

    assert_false(address_parse(text, schemes, &address, &err));
    if (strstr(err.text, why) == NULL)
        fail_msg("'%s' does not say '%s'", err.text, why);
}

static void each_scheme_has_its_kind(void **unused)
{
    (void)unused;
    assert_int_equal(parse("udp://127.0.0.1:5514").kind, ADDRESS_UDP);
    assert_int_equal(parse("tcp://[::1]:0").kind, ADDRESS_TCP);
    assert_int_equal(parse("tls://localhost:6514").kind, ADDRESS_TLS);
    assert_int_equal(parse("unix:///run/app.sock").kind, ADDRESS_UNIX);
    assert_int_equal(parse("unixgram:///dev/log").kind, ADDRESS_UNIXGRAM);
    assert_int_equal(parse("fifo:///run/app").kind, ADDRESS_FIFO);
    assert_int_equal(parse("fd:17").kind, ADDRESS_FD);
    assert_int_equal(parse("fd:17").fd, 17);
    assert_int_equal(parse("systemd:syslog").kind, ADDRESS_SYSTEMD);
    assert_string_equal(parse("unix:///run/app.sock").at, "/run/app.sock");
    assert_string_equal(parse("tcp://[::1]:0").at, "[::1]:0");
    assert_string_equal(parse("systemd:syslog").at, "syslog");
}

static void a_scheme_that_is_not_listed_is_refused_with_those_that_are(void **unused)
{
    (void)unused;
    assert_refused("tls://127.0.0.1:1", "udp://|tcp://",
                   "write one as in udp://127.0.0.1:5514, tcp://127.0.0.1:5514");
    assert_refused("127.0.0.1:514", "tcp://", "write one as in tcp://127.0.0.1:5514");
    assert_refused("", all, "write one as in udp://");
    assert_refused("UDP://127.0.0.1:1", all, "write one as in");
}

static void a_host_needs_a_port_that_can_be(void **unused)
{
    (void)unused;
    assert_refused("udp://127.0.0.1", all, "udp://ADDRESS:PORT");
    assert_refused("tcp://127.0.0.1:65536", all, "ADDRESS:PORT");
    assert_refused("tcp://::1:80", all, "ADDRESS:PORT");
    assert_refused("tcp://", all, "ADDRESS:PORT");
    assert_refused("tcp://1.2.3.256:1", all, "ADDRESS:PORT");
}

static void a_path_is_whole_and_fits_a_socket(void **unused)
{
    char text[200] = "unix:///";

    (void)unused;
    assert_refused("unix://run/app.sock", all, "write the whole path");
    assert_refused("unix:///", all, "write the whole path");
    assert_refused("unix:///run/", all, "write the whole path");
    memset(text + 8, 'a', 106);
    assert_int_equal(parse(text).kind, ADDRESS_UNIX);
    memset(text + 8, 'a', 107);
    assert_refused(text, all, "at most 107 bytes");
}

static void a_descriptor_is_a_number_that_is_not_the_agents_own(void **unused)
{
    (void)unused;
    assert_refused("fd:", all, "as in fd:3");
    assert_refused("fd:-1", all, "as in fd:3");
    assert_refused("fd:3x", all, "as in fd:3");
    assert_refused("fd:99999999999999999999", all, "as in fd:3");
    assert_refused("fd:2", all, "the agent's own");
}

static void a_name_of_systemd_is_one_word(void **unused)
{
    (void)unused;
    assert_refused("systemd:", all, "FileDescriptorName=");
    assert_refused("systemd:a b", all, "FileDescriptorName=");
    assert_refused("systemd://app", all, "FileDescriptorName=");
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(each_scheme_has_its_kind),
        cmocka_unit_test(a_scheme_that_is_not_listed_is_refused_with_those_that_are),
        cmocka_unit_test(a_host_needs_a_port_that_can_be),
        cmocka_unit_test(a_path_is_whole_and_fits_a_socket),
        cmocka_unit_test(a_descriptor_is_a_number_that_is_not_the_agents_own),
        cmocka_unit_test(a_name_of_systemd_is_one_word),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
