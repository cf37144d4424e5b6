/* SPDX-License-Identifier: Apache-2.0 */
/* tls: with a certificate that the test makes, and clients that do not do as they should. */
#include "certificate.h"
#include "descriptors.h"
#include "listener_rig.h"

#include "net/connection.h"
#include "net/streams_state.h"

#include <gnutls/gnutls.h>

static void open_tls(struct listener_rig *rig, struct certificate *pair)
{
    certificate_make(rig->folder, "server", pair);
    rig->config.cert_file = pair->cert;
    rig->config.key_file = pair->key;
    rig_listen_at(rig, "tls://127.0.0.1:0");
    rig_open(rig);
    (void)rig_collect(rig);
}

/* A client of the same thread: both sides take steps in turn. */
struct client {
    gnutls_session_t session;
    gnutls_certificate_credentials_t credentials;
    int fd;
};

static void begin_client(struct client *client, struct listener_rig *rig)
{
    client->fd = rig_connect(rig, 0);
    (void)fcntl(client->fd, F_SETFL, O_NONBLOCK);
    assert_int_equal(gnutls_certificate_allocate_credentials(&client->credentials), 0);
    assert_int_equal(gnutls_init(&client->session, GNUTLS_CLIENT | GNUTLS_NONBLOCK), 0);
    assert_int_equal(gnutls_set_default_priority(client->session), 0);
    assert_int_equal(
        gnutls_credentials_set(client->session, GNUTLS_CRD_CERTIFICATE, client->credentials), 0);
    gnutls_transport_set_int(client->session, client->fd);
}

static void shake_hands(struct client *client, struct listener_rig *rig)
{
    for (int rounds = 0; rounds < 1000; rounds++) {
        int result = gnutls_handshake(client->session);
        (void)rig_collect(rig);
        if (result == 0)
            return;
        assert_true(result == GNUTLS_E_AGAIN || result == GNUTLS_E_INTERRUPTED);
    }
    fail_msg("no handshake");
}

static void end_client(struct client *client)
{
    gnutls_deinit(client->session);
    gnutls_certificate_free_credentials(client->credentials);
    (void)close(client->fd);
}

static void send_all(struct client *client, struct listener_rig *rig, const char *text)
{
    for (size_t at = 0; at < strlen(text);) {
        ssize_t sent = gnutls_record_send(client->session, text + at, strlen(text) - at);
        at += sent > 0 ? (size_t)sent : 0;
        assert_true(sent > 0 || sent == GNUTLS_E_AGAIN);
        (void)rig_collect(rig);
    }
}

static void records_come_through_and_the_last_one_is_whole(void **statep)
{
    struct listener_rig *rig = *statep;
    struct client client;
    struct certificate pair;
    char text[40001];

    open_tls(rig, &pair);
    begin_client(&client, rig);
    shake_hands(&client, rig);
    memset(text, 'x', sizeof(text) - 1);
    text[sizeof(text) - 1] = '\0';
    send_all(&client, rig, "one\ntwo\n");
    send_all(&client, rig, text);
    send_all(&client, rig, "\nlast");
    assert_int_equal(gnutls_bye(client.session, GNUTLS_SHUT_WR), 0);
    rig_await(rig, 4);
    assert_string_equal(fake_sink_body(rig->sink, 1), "two");
    assert_int_equal(rig->sink->events[2].body.bytes, 1024);
    assert_string_equal(fake_sink_body(rig->sink, 3), "last");
    assert_int_equal(rig->sink->events[3].flags & EVENT_TRUNCATED, 0);
    end_client(&client);
}

static void a_connection_that_is_cut_is_told_from_one_that_was_ended(void **statep)
{
    struct listener_rig *rig = *statep;
    struct client client;
    struct certificate pair;

    open_tls(rig, &pair);
    begin_client(&client, rig);
    shake_hands(&client, rig);
    send_all(&client, rig, "half");
    end_client(&client); /* without goodbye */
    rig_await(rig, 1);
    assert_int_equal(rig->sink->events[0].flags & EVENT_TRUNCATED, EVENT_TRUNCATED);
    assert_int_equal(rig->sink->numbers[SINK_CONNECTIONS_FAILED], 0);
}

/* Its time is over though a byte comes now and then. */
static void a_handshake_has_its_time_however_it_drips(void **statep)
{
    struct listener_rig *rig = *statep;
    struct waits waits = { .fd_count = 0 };
    struct certificate pair;

    open_tls(rig, &pair);
    int fd = rig_connect(rig, 0);
    rig_send(fd, "\x16");
    while (streams_count(rig->listener->streams) == 0)
        (void)rig_collect(rig);
    (void)rig_collect(rig);
    listener_wait(rig->listener, &waits);
    assert_in_range(waits.until_ms - clock_now_ms(), 1, 10000);
    rig->listener->streams->table[0]->opened_ms -= 11000;
    rig->listener->streams->is_looked_at = false;
    rig_send(fd, "\x03");
    (void)rig_collect(rig);
    assert_int_equal(streams_count(rig->listener->streams), 0);
    assert_int_equal(rig->sink->numbers[SINK_CONNECTIONS_FAILED], 1);
    assert_true(fake_sink_told(rig->sink, "no TLS handshake in time"));
    assert_int_equal(rig->sink->event_count, 0);
    (void)close(fd);
}

static void plain_bytes_are_no_handshake(void **statep)
{
    struct listener_rig *rig = *statep;
    struct certificate pair;

    open_tls(rig, &pair);
    int fd = rig_connect(rig, 0);
    rig_send(fd, "plain text\n");
    while (rig->sink->numbers[SINK_CONNECTIONS_FAILED] == 0)
        (void)rig_collect(rig);
    assert_int_equal(rig->sink->event_count, 0);
    assert_true(fake_sink_told(rig->sink, "TLS handshake failed"));
    (void)close(fd);
}

static void files_that_cannot_be_used_are_found_at_the_start(void **statep)
{
    struct listener_rig *rig = *statep;
    struct certificate pair, other;
    struct err err = { "" };

    certificate_make(rig->folder, "server", &pair);
    certificate_make(rig->folder, "other", &other);
    assert_null(tls_server_new(pair.cert, other.key, "", &err));
    assert_non_null(strstr(err.text, "cannot use certificate"));
    assert_null(tls_server_new(pair.cert, "/nowhere", "", &err));
    assert_null(tls_server_new(pair.cert, pair.key, pair.key, &err));
    assert_non_null(strstr(err.text, "cannot use the authorities"));
}

/* Those that shook hands before go on as they are. */
static void changed_files_are_taken_up_and_useless_ones_are_not(void **statep)
{
    struct listener_rig *rig = *statep;
    struct certificate pair;
    struct err err = { "" };

    certificate_make(rig->folder, "server", &pair);
    struct tls_server *server = tls_server_new(pair.cert, pair.key, "", &err);
    struct tls_connection *before = tls_connection_new(server, 0);
    int64_t now_ms = 1000000;
    assert_int_equal(tls_server_look(server, now_ms, &err), TLS_SAME);
    certificate_make(rig->folder, "server", &pair);
    assert_int_equal(tls_server_look(server, now_ms + 500, &err), TLS_SAME); /* once a second */
    assert_int_equal(tls_server_look(server, now_ms + 1000, &err), TLS_TAKEN);
    assert_int_equal(tls_server_look(server, now_ms + 2000, &err), TLS_SAME);
    assert_int_equal(unlink(pair.key), 0);
    assert_int_equal(tls_server_look(server, now_ms + 3000, &err), TLS_REFUSED);
    struct tls_connection *after = tls_connection_new(server, 0);
    assert_non_null(after);
    tls_server_free(&server); /* connections outlive it */
    tls_connection_free(&before);
    tls_connection_free(&after);
}

/* They are right, only not just then: an old certificate would go on until they change again. */
static void changed_files_that_could_not_be_loaded_are_loaded_later(void **statep)
{
    struct listener_rig *rig = *statep;
    struct certificate pair;
    struct err err = { "" };
    int64_t now_ms = 1000000;

    certificate_make(rig->folder, "server", &pair);
    struct tls_server *server = tls_server_new(pair.cert, pair.key, "", &err);
    certificate_make(rig->folder, "server", &pair);
    struct rlimit before = descriptors_use_up();
    assert_int_equal(tls_server_look(server, now_ms, &err), TLS_REFUSED);
    assert_int_equal(tls_server_look(server, now_ms + 60000, &err), TLS_SAME); /* told once */
    descriptors_give_back(before);
    assert_int_equal(tls_server_look(server, now_ms + 61000, &err), TLS_SAME);
    assert_int_equal(tls_server_look(server, now_ms + 120000, &err), TLS_TAKEN);
    assert_int_equal(tls_server_look(server, now_ms + 180000, &err), TLS_SAME);
    tls_server_free(&server);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        RIG_TEST(records_come_through_and_the_last_one_is_whole),
        RIG_TEST(a_connection_that_is_cut_is_told_from_one_that_was_ended),
        RIG_TEST(a_handshake_has_its_time_however_it_drips),
        RIG_TEST(plain_bytes_are_no_handshake),
        RIG_TEST(files_that_cannot_be_used_are_found_at_the_start),
        RIG_TEST(changed_files_are_taken_up_and_useless_ones_are_not),
        RIG_TEST(changed_files_that_could_not_be_loaded_are_loaded_later),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
