/* SPDX-License-Identifier: Apache-2.0 */
#include "test.h"

#include "admin/admin.h"
#include "ledger/ledger.h"
#include "passing_books.h"

#include <arpa/inet.h>
#include <netinet/in.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/socket.h>
#include <unistd.h>

static bool is_alive(void *context)
{
    (void)context;
    return true;
}

static bool add_config(void *context, struct buf *ret)
{
    (void)context;
    return buf_add_text(ret, "{\"it\":\"config\"}\n");
}

static unsigned wishes;

static uint64_t ask_reload(void *context)
{
    (void)context;
    return ++wishes;
}

static bool add_reload(void *context, struct buf *ret)
{
    (void)context;
    return buf_add_text(ret, "{\"it\":\"reload\"}\n");
}

/* Its unix socket cannot be made in /proc: that is no reason not to serve. */
static struct admin *start_admin(const char *listen_at, const struct ledger *ledger,
                                 struct err *err)
{
    struct admin_config config = { .listen = listen_at,
                                   .cert_file = "",
                                   .key_file = "",
                                   .token = "",
                                   .token_file = "",
                                   .socket_folder = "/proc/no-such-folder",
                                   .state_dir = "/nonexistent",
                                   .ledger = ledger,
                                   .version_page = SLICE("{\"it\":\"version\"}\n"),
                                   .is_alive = is_alive,
                                   .add_config = add_config,
                                   .ask_reload = ask_reload,
                                   .add_reload = add_reload };
    return admin_start(&config, err);
}

static int connect_to(const struct admin *admin)
{
    const char *colon = strrchr(admin_address(admin), ':');
    struct sockaddr_in address = { .sin_family = AF_INET,
                                   .sin_port = htons((uint16_t)atoi(colon + 1)),
                                   .sin_addr.s_addr = htonl(INADDR_LOOPBACK) };
    int fd = socket(AF_INET, SOCK_STREAM | SOCK_CLOEXEC, 0);
    assert_true(fd >= 0);
    assert_int_equal(connect(fd, (struct sockaddr *)&address, sizeof(address)), 0);
    return fd;
}

/* One request on a connection of its own; the answer is whole, or what came before the end. */
static void ask(const struct admin *admin, const char *request, char *ret_answer, size_t room)
{
    int fd = connect_to(admin);
    size_t bytes = 0;
    assert_int_equal(send(fd, request, strlen(request), MSG_NOSIGNAL), (ssize_t)strlen(request));
    for (;;) {
        ssize_t got = recv(fd, ret_answer + bytes, room - 1 - bytes, 0);
        if (got <= 0)
            break;
        bytes += (size_t)got;
    }
    ret_answer[bytes] = '\0';
    (void)close(fd);
}
#define REQUEST(line) line " HTTP/1.1\r\nHost: localhost\r\nConnection: close\r\n"

static void expect_refused(const char *listen_at, const char *why)
{
    struct err err = { "" };
    assert_null(start_admin(listen_at, NULL, &err));
    if (strstr(err.text, listen_at) == NULL || strstr(err.text, why) == NULL)
        fail_msg("'%s': got '%s', wanted '%s'", listen_at, err.text, why);
}

static void addresses_that_cannot_be_used_are_explained(void **unused)
{
    (void)unused;
    expect_refused("9464", "ADDRESS:PORT");
    expect_refused(":9464", "ADDRESS:PORT");
    expect_refused("127.0.0.1:", "ADDRESS:PORT");
    expect_refused("::1:9464", "ADDRESS:PORT");
    expect_refused("[]:9464", "ADDRESS:PORT");
    expect_refused("127.0.0.1:http", "ADDRESS:PORT");
    expect_refused("127.0.0.300:9464", "ADDRESS:PORT");
    expect_refused("[localhost]:9464", "ADDRESS:PORT");
    expect_refused("*:9464", "ADDRESS:PORT");
    expect_refused("127.0.0.1:70000", "ADDRESS:PORT");
    expect_refused("192.0.2.1:0", "no address of this host");
    expect_refused("no-such-host.invalid:0", "no address of 'no-such-host.invalid'");
}

static void a_name_of_this_host_is_an_address_too(void **context)
{
    struct err err = { "" };
    struct admin *admin = start_admin("localhost:0", *context, &err);

    if (admin == NULL)
        fail_msg("%s", err.text);
    assert_non_null(strstr(admin_address(admin), "127.0.0.1:"));
    admin_stop(&admin);
}

static void an_address_in_use_is_named(void **context)
{
    struct err err = { "" };
    struct admin *admin = start_admin("127.0.0.1:0", *context, &err);
    char taken[64];
    assert_non_null(admin);
    (void)snprintf(taken, sizeof(taken), "%s", admin_address(admin));
    expect_refused(taken, "Address already in use");
    admin_stop(&admin);
    assert_null(admin);
    admin = start_admin(taken, *context, &err); /* free again at once */
    assert_non_null(admin);
    admin_stop(&admin);
}

static void what_is_not_there_is_refused_with_help(void **context)
{
    struct err err = { "" };
    struct admin *admin = start_admin("127.0.0.1:0", *context, &err);
    char answer[4096];
    assert_non_null(admin);
    ask(admin, REQUEST("GET /nothing") "\r\n", answer, sizeof(answer));
    assert_non_null(strstr(answer, "HTTP/1.1 404 "));
    assert_non_null(strstr(answer, "/metrics"));
    assert_non_null(strstr(answer, "/healthz"));
    ask(admin, REQUEST("GET /metrics/x") "\r\n", answer, sizeof(answer));
    assert_non_null(strstr(answer, "HTTP/1.1 404 "));
    ask(admin, REQUEST("POST /metrics") "Content-Length: 5\r\n\r\nhello", answer, sizeof(answer));
    assert_non_null(strstr(answer, "HTTP/1.1 405 "));
    assert_non_null(strstr(answer, "Allow: GET, HEAD\r\n"));
    assert_non_null(strstr(answer, "use GET"));
    ask(admin, "\x16\x03\x01 garbage\r\n\r\n", answer, sizeof(answer));
    assert_null(strstr(answer, " 200 "));
    admin_stop(&admin);
}

static void a_header_over_the_limit_is_refused(void **context)
{
    struct err err = { "" };
    struct admin *admin = start_admin("127.0.0.1:0", *context, &err);
    static char request[128 * 1024], answer[4096];
    assert_non_null(admin);
    int used =
        snprintf(request, sizeof(request), "GET /metrics HTTP/1.1\r\nHost: localhost\r\nX-Long: ");
    memset(request + used, 'x', sizeof(request) - (size_t)used - 1);
    int fd = connect_to(admin);
    (void)!send(fd, request, sizeof(request) - 1, MSG_NOSIGNAL);
    ssize_t got = recv(fd, answer, sizeof(answer) - 1, 0);
    answer[got < 0 ? 0 : got] = '\0';
    assert_null(strstr(answer, " 200 "));
    (void)close(fd);
    ask(admin, REQUEST("HEAD /metrics") "\r\n", answer, sizeof(answer));
    assert_non_null(strstr(answer, "HTTP/1.1 200 "));
    admin_stop(&admin);
}

static void metrics_are_served(void **context)
{
    struct err err = { "" };
    struct ledger *ledger = *context;
    ledger_move(ledger_lane(ledger, "in", "out", false), FLOW_admit, 7, 70);
    struct admin *admin = start_admin("127.0.0.1:0", ledger, &err);
    static char answer[256 * 1024];
    assert_non_null(admin);
    assert_memory_equal(admin_address(admin), "127.0.0.1:", 10);
    ask(admin, REQUEST("GET /metrics") "\r\n", answer, sizeof(answer));
    assert_non_null(strstr(answer, "HTTP/1.1 200 OK\r\n"));
    assert_non_null(strstr(answer, "Content-Type: text/plain; version=0.0.4; charset=utf-8\r\n"));
    assert_non_null(
        strstr(answer, "\nspillway_received_events_total{input=\"in\",output=\"out\"} 7\n"));
    ask(admin, REQUEST("HEAD /metrics") "\r\n", answer, sizeof(answer));
    assert_non_null(strstr(answer, "HTTP/1.1 200 OK\r\n"));
    assert_null(strstr(answer, "spillway_"));
    admin_stop(&admin);
}

static void expect(const struct admin *admin, const char *request, const char *one,
                   const char *another)
{
    static char answer[256 * 1024];

    ask(admin, request, answer, sizeof(answer));
    if (strstr(answer, one) == NULL || strstr(answer, another) == NULL)
        fail_msg("no '%s' and '%s' in %s", one, another, answer);
}

static void each_page_is_served(void **context)
{
    struct err err = { "" };
    struct admin *admin = start_admin("127.0.0.1:0", *context, &err);
    assert_non_null(admin);
    expect(admin, REQUEST("GET /healthz") "\r\n", " 200 ", "\"alive\":true");
    /* the books are in memory, and it never came out of its start */
    expect(admin, REQUEST("GET /readyz") "\r\n", " 503 ", "still starting");
    admin_set_phase(admin, ADMIN_RUNNING);
    expect(admin, REQUEST("GET /readyz") "\r\n", " 503 ", "anonymous memory");
    expect(admin, REQUEST("GET /stats") "\r\n", " 200 ", "\"lanes\":[");
    expect(admin, REQUEST("GET /ledger") "\r\n", " 200 ", "application/json");
    expect(admin, REQUEST("GET /config") "\r\n", " 200 ", "{\"it\":\"config\"}");
    expect(admin, REQUEST("GET /version") "\r\n", " 200 ", "{\"it\":\"version\"}");
    expect(admin, "GET /stats HTTP/1.1\r\nHost: evil.example\r\nConnection: close\r\n\r\n", " 403 ",
           "agent.admin.listen");
    expect(admin, REQUEST("GET /metrics") "Accept: application/openmetrics-text\r\n\r\n", " 200 ",
           "\n# EOF\n");
    admin_stop(&admin);
}

static void more_connections_than_the_limit_do_not_stop_it(void **context)
{
    struct err err = { "" };
    struct admin *admin = start_admin("127.0.0.1:0", *context, &err);
    static char answer[256 * 1024];
    int idle[64];
    assert_non_null(admin);
    for (unsigned i = 0; i < 64; i++)
        idle[i] = connect_to(admin);
    for (unsigned i = 0; i < 64; i++)
        (void)close(idle[i]);
    do /* the places of those that left are free when its thread has seen them go */
        ask(admin, REQUEST("GET /metrics") "\r\n", answer, sizeof(answer));
    while (answer[0] == '\0');
    assert_non_null(strstr(answer, "HTTP/1.1 200 OK\r\n"));
    admin_stop(&admin);
}

static void an_open_connection_does_not_hold_up_the_stop(void **context)
{
    struct err err = { "" };
    struct admin *admin = start_admin("[::1]:0", *context, &err);
    if (admin == NULL) /* a host without IPv6 */
        admin = start_admin("127.0.0.1:0", *context, &err);
    else
        assert_memory_equal(admin_address(admin), "[::1]:", 6);
    assert_non_null(admin);
    admin_stop(&admin);
    admin = start_admin("127.0.0.1:0", *context, &err);
    assert_non_null(admin);
    int fd = connect_to(admin);
    assert_int_equal(send(fd, "GET /met", 8, MSG_NOSIGNAL), 8);
    admin_stop(&admin);
    char byte;
    assert_true(recv(fd, &byte, 1, 0) <= 0);
    (void)close(fd);
}

int main(void)
{
#define ADMIN_TEST(name) cmocka_unit_test_setup_teardown(name, open_books, close_books)
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(addresses_that_cannot_be_used_are_explained),
        ADMIN_TEST(a_name_of_this_host_is_an_address_too),
        ADMIN_TEST(an_address_in_use_is_named),
        ADMIN_TEST(what_is_not_there_is_refused_with_help),
        ADMIN_TEST(a_header_over_the_limit_is_refused),
        ADMIN_TEST(more_connections_than_the_limit_do_not_stop_it),
        ADMIN_TEST(an_open_connection_does_not_hold_up_the_stop),
        ADMIN_TEST(metrics_are_served),
        ADMIN_TEST(each_page_is_served),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
