/* SPDX-License-Identifier: Apache-2.0 */
#include "descriptors.h"

#include "admin/doors.h"
#include "base/clock.h"

#include <arpa/inet.h>
#include <netinet/in.h>
#include <stdlib.h>
#include <sys/socket.h>
#include <unistd.h>

static int connect_to(int listening)
{
    struct sockaddr_in address;
    socklen_t bytes = sizeof(address);
    int fd = socket(AF_INET, SOCK_STREAM | SOCK_CLOEXEC, 0);

    assert_int_equal(getsockname(listening, (struct sockaddr *)&address, &bytes), 0);
    assert_int_equal(connect(fd, (struct sockaddr *)&address, bytes), 0);
    return fd;
}

/* microhttpd would have us try without end. */
static void without_a_descriptor_for_the_first_connection_it_rests(void **unused)
{
    struct admin *admin = calloc(1, sizeof(*admin));
    struct admin_tls tls = { .cert = { .data = NULL } };
    struct sockaddr_in any = { .sin_family = AF_INET };
    struct err err = { "" };
    int listening = socket(AF_INET, SOCK_STREAM | SOCK_NONBLOCK | SOCK_CLOEXEC, 0);

    (void)unused;
    any.sin_addr.s_addr = htonl(INADDR_LOOPBACK);
    assert_int_equal(bind(listening, (struct sockaddr *)&any, sizeof(any)), 0);
    assert_int_equal(listen(listening, 4), 0);
    struct door *door = door_open(admin, listening, true, &tls, &err);
    assert_non_null(door);
    int fd = connect_to(listening);
    struct rlimit before = descriptors_use_up();
    int64_t wait_ms = door_serve(door, clock_now_ms());
    int waited_on = door_fd(door);
    descriptors_give_back(before);
    assert_int_equal(wait_ms, 1000);
    assert_int_equal(waited_on, -1);
    (void)door_serve(door, clock_now_ms());
    assert_false(door_is_empty(door));
    assert_int_equal(door_fd(door), door->epoll_fd);
    (void)close(fd);
    door_free(&door);
    free(admin);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(without_a_descriptor_for_the_first_connection_it_rests),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
