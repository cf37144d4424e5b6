/* SPDX-License-Identifier: Apache-2.0 */
#include "inputs/host_metrics/tcp_states.h"

#include "test.h"

#include <linux/inet_diag.h>
#include <linux/netlink.h>
#include <netinet/in.h>
#include <sys/socket.h>

enum { LISTEN = 10, OWN = 30, ROW_BYTES = NLMSG_SPACE(sizeof(struct inet_diag_msg)) };

static int listen_on(int family)
{
    struct sockaddr_in6 any = { .sin6_family = (sa_family_t)family };
    int fd = socket(family, SOCK_STREAM | SOCK_CLOEXEC, 0);

    if (fd >= 0 && (bind(fd, (struct sockaddr *)&any,
                         family == AF_INET ? sizeof(struct sockaddr_in) : sizeof(any)) != 0 ||
                    listen(fd, 1) != 0)) {
        (void)close(fd);
        return -1;
    }
    return fd;
}

static void the_kernel_counts_sockets_of_both_protocols(void **unused)
{
    struct tcp_count count;
    int fds[2 * OWN];
    uint64_t own = 0;

    (void)unused;
    if (!tcp_states_ask(&count))
        skip(); /* this kernel does not have it */
    for (int i = 0; i < 2 * OWN; i++) {
        fds[i] = listen_on(i < OWN ? AF_INET : AF_INET6); /* a host may be without IPv6 */
        own += fds[i] >= 0;
    }
    assert_true(own >= OWN);
    assert_true(tcp_states_ask(&count));
    assert_true(count.by_state[LISTEN] >= own);
    assert_true(count.sockets >= own);
    for (int i = 0; i < 2 * OWN; i++) {
        if (fds[i] >= 0)
            (void)close(fds[i]);
    }
}

static size_t add_row(char *piece, size_t bytes, uint16_t type, uint32_t claimed, uint8_t state)
{
    struct nlmsghdr head = { .nlmsg_type = type, .nlmsg_len = claimed };
    struct inet_diag_msg row = { .idiag_family = AF_INET, .idiag_state = state };

    memset(piece + bytes, 0, ROW_BYTES);
    memcpy(piece + bytes, &head, sizeof(head));
    memcpy(piece + bytes + NLMSG_HDRLEN, &row, sizeof(row));
    return bytes + ROW_BYTES;
}

static void rows_are_counted_up_to_the_end_of_the_answer(void **unused)
{
    struct tcp_count count = { .sockets = 0 };
    char piece[4 * ROW_BYTES];
    size_t bytes = 0;

    (void)unused;
    bytes = add_row(piece, bytes, TCPDIAG_GETSOCK, ROW_BYTES, 1);
    bytes = add_row(piece, bytes, TCPDIAG_GETSOCK, ROW_BYTES, 200); /* a state that is not known */
    assert_int_equal(tcp_states_take(piece, bytes, &count), TCP_PIECE_MORE);
    bytes = add_row(piece, bytes, NLMSG_DONE, ROW_BYTES, 1);
    bytes = add_row(piece, bytes, TCPDIAG_GETSOCK, ROW_BYTES, 1);
    assert_int_equal(tcp_states_take(piece, bytes, &count), TCP_PIECE_LAST);
    assert_int_equal(count.by_state[1], 2);
    assert_int_equal(count.sockets, 4);
}

static void what_is_no_answer_is_refused(void **unused)
{
    static const struct {
        uint16_t type;
        uint32_t claimed;
        size_t bytes;
    } bad[] = {
        { NLMSG_ERROR, ROW_BYTES, ROW_BYTES },        { TCPDIAG_GETSOCK, 0, ROW_BYTES },
        { TCPDIAG_GETSOCK, NLMSG_HDRLEN, ROW_BYTES }, { TCPDIAG_GETSOCK, ROW_BYTES + 1, ROW_BYTES },
        { TCPDIAG_GETSOCK, UINT32_MAX, ROW_BYTES },   { TCPDIAG_GETSOCK, ROW_BYTES, 1 },
        { TCPDIAG_GETSOCK, ROW_BYTES, NLMSG_HDRLEN },
    };

    (void)unused;
    for (size_t i = 0; i < sizeof(bad) / sizeof(bad[0]); i++) {
        struct tcp_count count = { .sockets = 0 };
        char *piece = malloc(ROW_BYTES), *exact = malloc(bad[i].bytes);
        assert_true(piece != NULL && exact != NULL);
        (void)add_row(piece, 0, bad[i].type, bad[i].claimed, 1);
        memcpy(exact, piece, bad[i].bytes); /* what is behind it is not ours */
        assert_int_equal(tcp_states_take(exact, bad[i].bytes, &count), TCP_PIECE_BAD);
        free(piece);
        free(exact);
    }
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(the_kernel_counts_sockets_of_both_protocols),
        cmocka_unit_test(rows_are_counted_up_to_the_end_of_the_answer),
        cmocka_unit_test(what_is_no_answer_is_refused),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
