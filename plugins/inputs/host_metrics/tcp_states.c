/* SPDX-License-Identifier: Apache-2.0 */
/* tcp_states: one request of the older form (TCPDIAG_GETSOCK), which lists both protocols in one
 * walk over the kernel's tables; that of today is for one each, and most of a walk goes over
 * tables that are nearly empty. */
#include "tcp_states.h"

#include <linux/inet_diag.h>
#include <linux/netlink.h>
#include <sys/socket.h>

enum {
    PIECE_BYTES = 32 * 1024, /* the kernel gives no more at once */
    STATES_WANTED = ((1 << TCP_STATES) - 1) & ~1
};

enum tcp_piece tcp_states_take(const char *piece, size_t bytes, struct tcp_count *count)
{
    struct nlmsghdr head;
    struct inet_diag_msg row;

    while (bytes >= sizeof(head)) {
        memcpy(&head, piece, sizeof(head));
        if (head.nlmsg_type == NLMSG_DONE)
            return TCP_PIECE_LAST;
        if (head.nlmsg_type != TCPDIAG_GETSOCK || head.nlmsg_len > bytes ||
            head.nlmsg_len < NLMSG_HDRLEN + sizeof(row))
            return TCP_PIECE_BAD;
        memcpy(&row, piece + NLMSG_HDRLEN, sizeof(row));
        if (row.idiag_state < TCP_STATES)
            count->by_state[row.idiag_state]++;
        count->sockets++;
        size_t whole = NLMSG_ALIGN((size_t)head.nlmsg_len);
        if (whole > bytes)
            whole = bytes;
        piece += whole;
        bytes -= whole;
    }
    return bytes == 0 ? TCP_PIECE_MORE : TCP_PIECE_BAD;
}

static bool send_request(int fd)
{
    struct {
        struct nlmsghdr head;
        struct inet_diag_req wanted;
    } request;

    memset(&request, 0, sizeof(request));
    request.head.nlmsg_len = sizeof(request);
    request.head.nlmsg_type = TCPDIAG_GETSOCK;
    request.head.nlmsg_flags = NLM_F_REQUEST | NLM_F_DUMP;
    request.wanted.idiag_states = STATES_WANTED;
    return send(fd, &request, sizeof(request), 0) == (ssize_t)sizeof(request);
}

/* Never waits: each recv() makes the kernel prepare the next piece. */
static bool take_answer(int fd, struct tcp_count *count)
{
    char piece[PIECE_BYTES];

    while (count->sockets <= TCP_SOCKETS_MOST) {
        ssize_t bytes = recv(fd, piece, sizeof(piece), MSG_DONTWAIT | MSG_TRUNC);
        if (bytes < 0 && errno == EINTR)
            continue;
        if (bytes <= 0 || (size_t)bytes > sizeof(piece))
            return false;
        enum tcp_piece taken = tcp_states_take(piece, (size_t)bytes, count);
        if (taken != TCP_PIECE_MORE)
            return taken == TCP_PIECE_LAST;
    }
    return true;
}

bool tcp_states_ask(struct tcp_count *ret)
{
    struct tcp_count count = { .sockets = 0 };
    int fd = socket(AF_NETLINK, SOCK_RAW | SOCK_CLOEXEC, NETLINK_SOCK_DIAG);
    bool counted = fd >= 0 && send_request(fd) && take_answer(fd, &count);

    if (fd >= 0)
        (void)close(fd);
    if (counted)
        *ret = count;
    return counted;
}
