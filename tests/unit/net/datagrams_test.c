/* SPDX-License-Identifier: Apache-2.0 */
/* datagrams, by way of a listener: what is sent is received, refused, or counted as dropped. */
#include "listener_rig.h"

static void each_datagram_is_a_record_without_the_line_ends_behind_it(void **statep)
{
    struct listener_rig *rig = *statep;

    rig_listen_at(rig, "udp://127.0.0.1:0");
    rig_open(rig);
    int fd = rig_connect(rig, 0);
    rig_send(fd, "one");
    rig_send(fd, "two\nlines\r\n\n");
    rig_await(rig, 2);
    assert_string_equal(fake_sink_body(rig->sink, 0), "one");
    assert_string_equal(fake_sink_body(rig->sink, 1), "two\nlines");
    assert_true(slice_equals(fake_sink_attribute(&rig->sink->events[0], "network.peer.address"),
                             SLICE("127.0.0.1")));
    assert_int_equal(rig->sink->numbers[SINK_LINES], 2);
    (void)close(fd);
}

static void what_is_no_record_is_counted(void **statep)
{
    struct listener_rig *rig = *statep;

    rig_listen_at(rig, "udp://127.0.0.1:0");
    rig_open(rig);
    int fd = rig_connect(rig, 0);
    rig_send(fd, "");
    rig_send(fd, "\n");
    rig_send(fd, "real");
    rig_await(rig, 1);
    assert_int_equal(rig_sum(rig->sink->malformed, rig->sink->malformed_count), 2);
    (void)close(fd);
}

static void a_longer_one_is_cut_and_its_length_is_told(void **statep)
{
    struct listener_rig *rig = *statep;
    static char text[60001];
    struct value value;

    rig_listen_at(rig, "udp://127.0.0.1:0");
    rig_open(rig);
    int fd = rig_connect(rig, 0);
    memset(text, 'x', sizeof(text) - 1);
    rig_send(fd, text);
    text[1024] = '\0';
    rig_send(fd, text);
    text[1023] = '\n';
    rig_send(fd, text);
    rig_await(rig, 3);
    assert_int_equal(rig->sink->events[0].body.bytes, 1024);
    assert_true(event_field(&rig->sink->events[0], SLICE("log.record.original_bytes"), &value));
    assert_int_equal(value.integer, 60000);
    assert_int_equal(rig->sink->events[0].flags & EVENT_TRUNCATED, EVENT_TRUNCATED);
    assert_int_equal(rig->sink->events[1].flags & EVENT_TRUNCATED, 0);
    assert_int_equal(rig->sink->events[1].body.bytes, 1024);
    assert_int_equal(rig->sink->events[2].body.bytes, 1023);
    assert_int_equal(rig->sink->numbers[SINK_LINES_TRUNCATED], 1);
    (void)close(fd);
}

/* Nobody reads meanwhile: most of it finds no room. */
static void what_the_kernel_drops_is_counted_exactly_and_once(void **statep)
{
    struct listener_rig *rig = *statep;
    enum { SENT = 3000 };
    char text[200];

    rig->config.receive_buffer = 64 * 1024;
    rig_listen_at(rig, "udp://127.0.0.1:0");
    rig_open(rig);
    assert_int_equal(rig_collect(rig), COLLECT_IDLE);
    int fd = rig_connect(rig, 0);
    for (int round = 1; round <= 2; round++) {
        for (int i = 0; i < SENT; i++) {
            (void)snprintf(text, sizeof(text), "%d %150d", i, 0);
            rig_send(fd, text);
        }
        (void)rig_collect(rig);
        uint64_t lost = rig_sum(rig->sink->losses, rig->sink->loss_count);
        assert_true(lost > 0);
        assert_int_equal(rig->sink->event_count + lost, round * SENT);
    }
    (void)close(fd);
}

/* It has 32 bits: after years, or a morning of a flood. */
static void the_kernels_count_goes_round(void **statep)
{
    struct listener_rig *rig = *statep;

    rig_listen_at(rig, "udp://127.0.0.1:0");
    rig_open(rig);
    assert_int_equal(rig_collect(rig), COLLECT_IDLE);
    rig->listener->sockets[0]->drops = UINT32_MAX - 4; /* and now it is at 0 */
    assert_int_equal(datagrams_dropped(rig->listener->sockets[0]), 5);
    assert_int_equal(datagrams_dropped(rig->listener->sockets[0]), 0);
}

/* Nothing comes in any more that would tell of it. */
static void drops_are_told_without_a_datagram_after_them(void **statep)
{
    struct listener_rig *rig = *statep;

    rig_listen_at(rig, "udp://127.0.0.1:0");
    rig_open(rig);
    assert_int_equal(rig_collect(rig), COLLECT_IDLE);
    int fd = rig_connect(rig, 0);
    datagrams_shut(rig->listener->sockets[0]); /* from here on all is dropped */
    rig_send(fd, "lost");
    rig->listener->look_ms = clock_now_ms();
    assert_int_equal(rig_collect(rig), COLLECT_IDLE);
    assert_int_equal(rig_sum(rig->sink->losses, rig->sink->loss_count), 1);
    struct waits waits = { .fd_count = 0 };
    listener_wait(rig->listener, &waits);
    assert_true(waits.until_ms > clock_now_ms() && waits.until_ms <= clock_now_ms() + 5000);
    (void)close(fd);
}

/* The collect() of before waits for room in a lane, as it were. */
static void drops_are_told_while_nobody_reads(void **statep)
{
    struct listener_rig *rig = *statep;

    rig_listen_at(rig, "udp://127.0.0.1:0");
    rig_open(rig);
    (void)rig_collect(rig);
    int fd = rig_connect(rig, 0);
    datagrams_shut(rig->listener->sockets[0]);
    rig_send(fd, "lost");
    listener_attend(rig->listener, rig->sink);
    assert_int_equal(rig_sum(rig->sink->losses, rig->sink->loss_count), 1);
    listener_attend(rig->listener, rig->sink);
    (void)rig_collect(rig);
    assert_int_equal(rig_sum(rig->sink->losses, rig->sink->loss_count), 1);
    (void)close(fd);
}

static void only_peers_of_the_networks_may_send(void **statep)
{
    struct listener_rig *rig = *statep;

    rig->networks[0] = "10.0.0.0/8";
    rig->allow.count = 1;
    rig_listen_at(rig, "udp://127.0.0.1:0");
    rig_open(rig);
    int fd = rig_connect(rig, 0);
    rig_send(fd, "stranger");
    (void)rig_collect(rig);
    assert_int_equal(rig->sink->event_count, 0);
    assert_int_equal(rig_sum(rig->sink->malformed, rig->sink->malformed_count), 1);
    rig->networks[0] = "127.0.0.0/8";
    assert_true(rig_change(rig));
    rig_send(fd, "friend");
    rig_await(rig, 1);
    (void)close(fd);
}

static void framed_datagrams_have_several_records(void **statep)
{
    struct listener_rig *rig = *statep;

    rig->config.has_framed_datagrams = true;
    rig_listen_at(rig, "udp://127.0.0.1:0");
    rig_open(rig);
    int fd = rig_connect(rig, 0);
    rig_send(fd, "a:1|c\nb:2|c");
    rig_send(fd, "c:3|c\n");
    rig_await(rig, 3);
    assert_string_equal(fake_sink_body(rig->sink, 1), "b:2|c");
    assert_int_equal(rig->sink->malformed_count, 0);
    (void)close(fd);
}

/* More peers than the cache of their texts has places, in turn. */
static void each_record_has_its_own_peer(void **statep)
{
    struct listener_rig *rig = *statep;
    enum { PEERS = 100 };
    int fds[PEERS];
    char text[16];

    rig_listen_at(rig, "udp://127.0.0.1:0");
    rig_open(rig);
    for (int i = 0; i < PEERS; i++)
        fds[i] = rig_connect(rig, 0);
    for (int round = 0; round < 2; round++) {
        for (int i = 0; i < PEERS; i++) {
            struct sockaddr_in own;
            socklen_t bytes = sizeof(own);
            assert_int_equal(getsockname(fds[i], (struct sockaddr *)&own, &bytes), 0);
            (void)snprintf(text, sizeof(text), "%u", (unsigned)ntohs(own.sin_port));
            rig_send(fds[i], text);
        }
    }
    rig_await(rig, 2 * PEERS);
    for (size_t i = 0; i < rig->sink->event_count; i++) {
        struct value port;
        assert_true(event_field(&rig->sink->events[i], SLICE("network.peer.port"), &port));
        (void)snprintf(text, sizeof(text), "%lld", (long long)port.integer);
        assert_string_equal(fake_sink_body(rig->sink, i), text);
    }
    for (int i = 0; i < PEERS; i++)
        (void)close(fds[i]);
}

static void the_last_read_takes_what_is_there_and_counts_what_comes_after(void **statep)
{
    struct listener_rig *rig = *statep;

    rig_listen_at(rig, "udp://127.0.0.1:0");
    rig_open(rig);
    (void)rig_collect(rig);
    int fd = rig_connect(rig, 0);
    for (int i = 0; i < 500; i++)
        rig_send(fd, "there");
    assert_int_equal(rig_last(rig), COLLECT_IDLE);
    assert_int_equal(rig->sink->event_count, 500);
    assert_int_equal(rig->sink->numbers[SINK_SOURCES_OPEN], 0);
    assert_int_equal(send(fd, "x", 1, 0), 1); /* the first finds out that nobody is there */
    assert_int_equal(send(fd, "x", 1, 0), -1);
    (void)close(fd);
}

static void what_is_granted_is_told(void **statep)
{
    struct listener_rig *rig = *statep;

    rig_listen_at(rig, "udp://127.0.0.1:0");
    rig_open(rig);
    (void)rig_collect(rig);
    assert_true(fake_sink_told(rig->sink, "asked for 262144 bytes, granted"));
    assert_true(fake_sink_told(rig->sink, rig->listener->sockets[0]->name));
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        RIG_TEST(each_datagram_is_a_record_without_the_line_ends_behind_it),
        RIG_TEST(what_is_no_record_is_counted),
        RIG_TEST(a_longer_one_is_cut_and_its_length_is_told),
        RIG_TEST(what_the_kernel_drops_is_counted_exactly_and_once),
        RIG_TEST(the_kernels_count_goes_round),
        RIG_TEST(drops_are_told_without_a_datagram_after_them),
        RIG_TEST(drops_are_told_while_nobody_reads),
        RIG_TEST(only_peers_of_the_networks_may_send),
        RIG_TEST(framed_datagrams_have_several_records),
        RIG_TEST(each_record_has_its_own_peer),
        RIG_TEST(the_last_read_takes_what_is_there_and_counts_what_comes_after),
        RIG_TEST(what_is_granted_is_told),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
