/* SPDX-License-Identifier: Apache-2.0 */
/* listener_change: reloads, there and back; files of unix sockets; what was open before. */
#include "listener_rig.h"

#include <pwd.h>
#include <sys/resource.h>

static bool users_are_gone; /* from the host, or no memory to look them up */

struct passwd *__real_getpwnam(const char *name);
struct passwd *__wrap_getpwnam(const char *name);
struct passwd *__wrap_getpwnam(const char *name)
{
    return users_are_gone ? NULL : __real_getpwnam(name);
}

static const char *path_in(struct listener_rig *rig, const char *scheme, const char *name)
{
    char *text = malloc(160); /* for the whole test */

    (void)snprintf(text, 160, "%s%s/%s", scheme, rig->folder, name);
    return text;
}

static void refuses_to_open(struct listener_rig *rig, const char *why)
{
    struct err err = { "" };

    assert_null(listener_open(&rig->config, &rig_host, &err));
    if (strstr(err.text, why) == NULL)
        fail_msg("'%s' does not say '%s'", err.text, why);
}

static void a_socket_whose_address_stays_is_kept_with_its_connections(void **statep)
{
    struct listener_rig *rig = *statep;

    rig_listen_at(rig, "tcp://127.0.0.1:0");
    rig_open(rig);
    (void)rig_collect(rig);
    int fd = rig_connect(rig, 0);
    rig_send(fd, "before, ");
    const struct socket *kept = rig->listener->sockets[0];
    rig_listen_at(rig, "udp://127.0.0.1:0");
    rig->config.framing.max_record_bytes = 2048;
    (void)rig_collect(rig);
    assert_true(rig_change(rig));
    assert_ptr_equal(rig->listener->sockets[0], kept);
    rig_send(fd, "after\n");
    int gram = rig_connect(rig, 1);
    rig_send(gram, "new");
    rig_await(rig, 2);
    assert_non_null(fake_sink_find(rig->sink, "before, after"));
    (void)close(fd);
    (void)close(gram);
}

static void what_leaves_is_read_to_its_end(void **statep)
{
    struct listener_rig *rig = *statep;

    rig_listen_at(rig, "tcp://127.0.0.1:0");
    rig_listen_at(rig, "udp://127.0.0.1:0");
    rig_open(rig);
    (void)rig_collect(rig);
    int stream = rig_connect(rig, 0), gram = rig_connect(rig, 1);
    rig_send(stream, "of tcp\n");
    rig_send(gram, "of udp");
    rig->addresses[0] = "tcp://[::1]:0";
    rig->listen.count = 1;
    assert_true(rig_change(rig));
    assert_int_equal(rig->sink->event_count, 0);
    rig_await(rig, 2);
    assert_true(rig_is_closed(stream));
    assert_int_equal(rig->sink->numbers[SINK_SOURCES_OPEN], 1);
    assert_string_equal(rig->listener->sockets[0]->address, "tcp://[::1]:0");
    (void)close(stream);
    (void)close(gram);
}

/* Also with every descriptor gone: the way back opens nothing. */
static void the_way_back_is_always_open(void **statep)
{
    struct listener_rig *rig = *statep;
    enum { TAKEN = 256 };
    int taken[TAKEN], count = 0;

    rig_listen_at(rig, "tcp://127.0.0.1:0");
    rig_open(rig);
    (void)rig_collect(rig);
    int port = open("/dev/null", O_RDONLY);
    const struct socket *before = rig->listener->sockets[0];
    rig->addresses[0] = "udp://127.0.0.1:0";
    assert_true(rig_change(rig));
    struct rlimit before_limit, tight;
    assert_int_equal(getrlimit(RLIMIT_NOFILE, &before_limit), 0);
    tight = (struct rlimit){ TAKEN, before_limit.rlim_max };
    assert_int_equal(setrlimit(RLIMIT_NOFILE, &tight), 0);
    while (count < TAKEN && (taken[count] = dup(port)) >= 0)
        count++;
    rig->addresses[0] = "tcp://127.0.0.1:0";
    assert_true(rig_change(rig));
    assert_ptr_equal(rig->listener->sockets[0], before);
    while (count > 0)
        (void)close(taken[--count]);
    assert_int_equal(setrlimit(RLIMIT_NOFILE, &before_limit), 0);
    (void)close(port);
    int fd = rig_connect(rig, 0);
    rig_send(fd, "still here\n");
    rig_await(rig, 1);
    (void)close(fd);
}

static void the_way_back_does_not_ask_who_the_owner_is(void **statep)
{
    struct listener_rig *rig = *statep;

    rig_listen_at(rig, "tcp://127.0.0.1:0");
    rig->config.socket_owner = "root";
    rig_open(rig);
    (void)rig_collect(rig);
    rig->config.socket_owner = "";
    assert_true(rig_change(rig));
    users_are_gone = true;
    rig->config.socket_owner = "root";
    bool is_back = rig_change(rig);
    (void)rig_collect(rig); /* there is no way back from here */
    bool is_taken = rig_change(rig);
    users_are_gone = false;
    assert_true(is_back);
    assert_false(is_taken);
}

static void a_change_that_fails_leaves_all_as_it_was(void **statep)
{
    struct listener_rig *rig = *statep;
    char taken[SOCKET_NAME_BYTES];

    rig_listen_at(rig, "udp://127.0.0.1:0");
    rig_open(rig);
    (void)rig_collect(rig);
    (void)snprintf(taken, sizeof(taken), "%s", rig->listener->sockets[0]->name);
    rig_listen_at(rig, taken); /* in use, by ourselves */
    assert_false(rig_change(rig));
    assert_int_equal(rig->listener->socket_count, 1);
    int fd = rig_connect(rig, 0);
    rig_send(fd, "still here");
    rig_await(rig, 1);
    (void)close(fd);
}

static void contradictions_are_found_without_opening_anything(void **statep)
{
    struct listener_rig *rig = *statep;

    rig_listen_at(rig, "tls://127.0.0.1:0");
    refuses_to_open(rig, "needs tls.cert_file and tls.key_file");
    rig->addresses[0] = "tcp://127.0.0.1:0";
    rig->config.cert_file = "/nowhere";
    refuses_to_open(rig, "no address in 'listen' begins with tls://");
    rig->config.cert_file = "";
    rig->config.socket_mode = "rw";
    refuses_to_open(rig, "is no mode");
    rig->config.socket_mode = "1777";
    refuses_to_open(rig, "is no mode");
    rig->config.socket_mode = "0600";
    rig->config.socket_owner = "nobody:no-such-group";
    refuses_to_open(rig, "there is no group 'no-such-group'");
    rig->config.socket_owner = "";
    rig->networks[0] = "10.0.0.1/8";
    rig->allow.count = 1;
    refuses_to_open(rig, "allow: '10.0.0.1/8' has bits behind");
    rig->allow.count = 0;
    rig_listen_at(rig, "tcp://127.0.0.1:0");
    refuses_to_open(rig, "is there twice");
}

static void a_dead_socket_is_replaced_and_a_live_one_is_not(void **statep)
{
    struct listener_rig *rig = *statep;
    const char *address = path_in(rig, "unix://", "s"), *gram = path_in(rig, "unixgram://", "d");
    struct sockaddr_un dead = { .sun_family = AF_UNIX };
    int live;

    for (int type = 0; type < 2; type++) {
        const char *text = type == 0 ? address : gram;
        rig->addresses[0] = text;
        rig->listen.count = 1;
        (void)snprintf(dead.sun_path, sizeof(dead.sun_path), "%s", strstr(text, "//") + 2);
        live = socket(AF_UNIX, type == 0 ? SOCK_STREAM : SOCK_DGRAM, 0);
        assert_int_equal(bind(live, (struct sockaddr *)&dead, sizeof(dead)), 0);
        if (type == 0)
            assert_int_equal(listen(live, 1), 0);
        refuses_to_open(rig, "belongs to a process that runs");
        (void)close(live);
        rig_open(rig);
        (void)rig_collect(rig);
        int fd = rig_connect(rig, 0);
        rig_send(fd, "hello\n");
        rig_await(rig, (size_t)type + 1);
        (void)close(fd);
        listener_close(&rig->listener);
        assert_int_equal(access(dead.sun_path, F_OK), -1);
    }
    free((void *)(uintptr_t)address);
    free((void *)(uintptr_t)gram);
}

static void what_is_no_socket_is_not_touched(void **statep)
{
    struct listener_rig *rig = *statep;
    const char *address = path_in(rig, "unix://", "file"), *fifo = path_in(rig, "fifo://", "file");

    (void)close(open(strstr(address, "//") + 2, O_CREAT | O_WRONLY, 0600));
    rig_listen_at(rig, address);
    refuses_to_open(rig, "is there and is no socket");
    rig->addresses[0] = fifo;
    refuses_to_open(rig, "is there and is no FIFO");
    free((void *)(uintptr_t)address);
    free((void *)(uintptr_t)fifo);
}

static unsigned mode_of(const char *path)
{
    struct stat info;

    assert_int_equal(stat(path, &info), 0);
    return info.st_mode & 0777;
}

static void the_mode_of_a_socket_is_as_wished_also_after_a_change(void **statep)
{
    struct listener_rig *rig = *statep;
    const char *address = path_in(rig, "unix://", "s");
    const char *path = strstr(address, "//") + 2;

    rig->config.socket_mode = "0620";
    rig_listen_at(rig, address);
    rig_open(rig);
    assert_int_equal(mode_of(path), 0620);
    rig->config.socket_mode = "0666";
    assert_true(rig_change(rig));
    (void)rig_collect(rig);
    assert_int_equal(mode_of(path), 0666);
    assert_int_equal(chmod(path, 0640),
                     0); /* somebody else's wish, and ours is the same as before */
    assert_true(rig_change(rig));
    (void)rig_collect(rig);
    assert_int_equal(mode_of(path), 0640);
    listener_close(&rig->listener);
    free((void *)(uintptr_t)address);
}

/* A writer that ends does not end it. */
static void a_fifo_is_made_and_outlives_its_writers(void **statep)
{
    struct listener_rig *rig = *statep;
    const char *address = path_in(rig, "fifo://", "f");

    rig_listen_at(rig, address);
    rig_open(rig);
    (void)rig_collect(rig);
    for (size_t i = 0; i < 2; i++) {
        int fd = open(strstr(address, "//") + 2, O_WRONLY);
        assert_int_equal(write(fd, "line\n", 5), 5);
        (void)close(fd);
        rig_await(rig, i + 1);
    }
    assert_int_equal(rig_collect(rig), COLLECT_IDLE);
    free((void *)(uintptr_t)address);
}

static void a_pipe_that_was_open_before_is_read_to_its_end(void **statep)
{
    struct listener_rig *rig = *statep;
    char address[16];
    int ends[2];

    assert_int_equal(pipe(ends), 0);
    (void)snprintf(address, sizeof(address), "fd:%d", ends[0]);
    rig_listen_at(rig, address);
    rig_open(rig);
    assert_int_equal(write(ends[1], "one\ntwo", 7), 7);
    rig_await(rig, 1);
    assert_int_equal(rig_collect(rig), COLLECT_IDLE);
    (void)close(ends[1]);
    assert_int_equal(rig_collect(rig), COLLECT_DONE);
    assert_non_null(fake_sink_find(rig->sink, "two"));
    assert_true(fcntl(ends[0], F_GETFD) >= 0); /* it was not ours to close */
    (void)close(ends[0]);
}

static void descriptors_that_cannot_be_are_refused(void **statep)
{
    struct listener_rig *rig = *statep;
    char address[16];
    int own = open("/dev/null", O_RDONLY | O_CLOEXEC), file = open("/proc/self/exe", O_RDONLY);

    rig_listen_at(rig, "fd:999");
    refuses_to_open(rig, "has to be started with it");
    (void)snprintf(address, sizeof(address), "fd:%d", own);
    rig->addresses[0] = address;
    refuses_to_open(rig, "has to be started with it");
    (void)snprintf(address, sizeof(address), "fd:%d", file);
    refuses_to_open(rig, "is a file");
    (void)close(own);
    (void)close(file);
}

static void set_number(const char *name, long number)
{
    char text[32];

    (void)snprintf(text, sizeof(text), "%ld", number);
    (void)setenv(name, text, 1);
}

/* As systemd does it: from descriptor 3 on. */
static void sockets_of_systemd_are_found_by_their_name(void **statep)
{
    struct listener_rig *rig = *statep;
    struct sockaddr_in any = { .sin_family = AF_INET };
    int saved[3];

    any.sin_addr.s_addr = htonl(INADDR_LOOPBACK);
    for (int i = 0; i < 3; i++) {
        saved[i] = fcntl(3 + i, F_DUPFD_CLOEXEC, 64);
        int made = socket(AF_INET, i == 1 ? SOCK_STREAM : SOCK_DGRAM, 0);
        assert_int_equal(bind(made, (struct sockaddr *)&any, sizeof(any)), 0);
        if (i == 1)
            assert_int_equal(listen(made, 8), 0);
        if (made != 3 + i) {
            assert_int_equal(dup2(made, 3 + i), 3 + i);
            (void)close(made);
        }
    }
    set_number("LISTEN_PID", (long)getpid());
    set_number("LISTEN_FDS", 3);
    (void)setenv("LISTEN_FDNAMES", "app:app:other", 1);
    rig_listen_at(rig, "systemd:nobody");
    refuses_to_open(rig, "no socket of the name 'nobody'");
    rig->addresses[0] = "systemd:app";
    rig_open(rig);
    (void)rig_collect(rig);
    assert_int_equal(rig->listener->socket_count, 2);
    int gram = rig_connect(rig, 0), stream = rig_connect(rig, 1);
    rig_send(gram, "datagram");
    rig_send(stream, "stream\n");
    rig_await(rig, 2);
    (void)rig_last(rig);
    assert_true(fcntl(3, F_GETFD) >= 0); /* for the next start */
    rig_send(gram, "for the next");
    struct pollfd ready = { .fd = 3, .events = POLLIN };
    assert_int_equal(poll(&ready, 1, 60000), 1);
    set_number("LISTEN_PID", 1);
    refuses_to_open(rig, "no socket of the name 'app'");
    (void)unsetenv("LISTEN_PID");
    (void)unsetenv("LISTEN_FDS");
    (void)unsetenv("LISTEN_FDNAMES");
    (void)close(gram);
    (void)close(stream);
    for (int i = 0; i < 3; i++) {
        (void)close(3 + i);
        if (saved[i] >= 0) {
            (void)dup2(saved[i], 3 + i);
            (void)close(saved[i]);
        }
    }
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        RIG_TEST(a_socket_whose_address_stays_is_kept_with_its_connections),
        RIG_TEST(what_leaves_is_read_to_its_end),
        RIG_TEST(the_way_back_is_always_open),
        RIG_TEST(the_way_back_does_not_ask_who_the_owner_is),
        RIG_TEST(a_change_that_fails_leaves_all_as_it_was),
        RIG_TEST(contradictions_are_found_without_opening_anything),
        RIG_TEST(a_dead_socket_is_replaced_and_a_live_one_is_not),
        RIG_TEST(what_is_no_socket_is_not_touched),
        RIG_TEST(the_mode_of_a_socket_is_as_wished_also_after_a_change),
        RIG_TEST(a_fifo_is_made_and_outlives_its_writers),
        RIG_TEST(a_pipe_that_was_open_before_is_read_to_its_end),
        RIG_TEST(descriptors_that_cannot_be_are_refused),
        RIG_TEST(sockets_of_systemd_are_found_by_their_name),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
