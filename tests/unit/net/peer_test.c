/* SPDX-License-Identifier: Apache-2.0 */
#include "net/peer.h"

#include "test.h"

#include <arpa/inet.h>
#include <netinet/in.h>
#include <string.h>

static struct peer peer4(const char *address, uint16_t port)
{
    struct sockaddr_storage from = { .ss_family = AF_INET };
    struct sockaddr_in *in = (struct sockaddr_in *)&from;
    struct peer peer;

    in->sin_port = htons(port);
    assert_int_equal(inet_pton(AF_INET, address, &in->sin_addr), 1);
    peer_of(&from, &peer);
    return peer;
}

static struct peer peer6(const char *address, uint16_t port)
{
    struct sockaddr_storage from = { .ss_family = AF_INET6 };
    struct sockaddr_in6 *in = (struct sockaddr_in6 *)&from;
    struct peer peer;

    in->sin6_port = htons(port);
    assert_int_equal(inet_pton(AF_INET6, address, &in->sin6_addr), 1);
    peer_of(&from, &peer);
    return peer;
}

static bool has(const char *text, const struct peer *peer)
{
    struct network network;
    struct err err = { "" };

    if (!network_parse(text, &network, &err))
        fail_msg("%s", err.text);
    return network_has(&network, peer->ip);
}

static void assert_refused(const char *text, const char *why)
{
    struct network network;
    struct err err = { "" };

    assert_false(network_parse(text, &network, &err));
    assert_non_null(strstr(err.text, why));
}

static void a_peer_is_shown_as_it_is_known(void **unused)
{
    struct sockaddr_storage none = { .ss_family = AF_UNIX };
    struct peer peer;

    (void)unused;
    assert_string_equal(peer4("192.0.2.7", 514).address, "192.0.2.7");
    assert_int_equal(peer4("192.0.2.7", 514).port, 514);
    assert_string_equal(peer6("2001:db8::1", 1).address, "2001:db8::1");
    assert_string_equal(peer6("::ffff:192.0.2.7", 1).address, "192.0.2.7");
    assert_int_equal(peer6("::1", 65535).address_bytes, 3);
    peer_of(&none, &peer);
    assert_string_equal(peer.address, "");
}

static void a_network_has_its_peers_and_no_others(void **unused)
{
    struct peer inside = peer4("192.0.2.7", 1), outside = peer4("192.0.3.7", 1);
    struct peer mapped = peer6("::ffff:192.0.2.7", 1), six = peer6("2001:db8:8000::1", 1);

    (void)unused;
    assert_true(has("192.0.2.0/24", &inside) && has("192.0.2.0/24", &mapped));
    assert_false(has("192.0.2.0/24", &outside) || has("192.0.2.0/24", &six));
    assert_true(has("192.0.2.0/23", &outside) && has("0.0.0.0/0", &outside));
    assert_false(has("0.0.0.0/0", &six));
    assert_true(has("192.0.2.7", &inside) && has("192.0.2.6/31", &inside));
    assert_false(has("192.0.2.8", &inside) || has("192.0.2.4/31", &inside));
    assert_true(has("2001:db8:8000::/33", &six) && has("::/0", &six) && has("::/0", &inside));
    assert_false(has("2001:db8::/33", &six));
}

static void what_is_no_network_is_refused(void **unused)
{
    (void)unused;
    assert_refused("192.0.2.1/24", "bits behind the /24");
    assert_refused("192.0.2.0/33", "is no network");
    assert_refused("192.0.2.0/", "is no network");
    assert_refused("192.0.2/24", "is no network");
    assert_refused("::/129", "is no network");
    assert_refused("localhost", "is no network");
    assert_refused("", "is no network");
    assert_refused("192.0.2.0/4294967320", "is no network");
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(a_peer_is_shown_as_it_is_known),
        cmocka_unit_test(a_network_has_its_peers_and_no_others),
        cmocka_unit_test(what_is_no_network_is_refused),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
