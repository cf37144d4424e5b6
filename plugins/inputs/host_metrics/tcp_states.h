/* SPDX-License-Identifier: Apache-2.0 */
/* tcp_states: TCP sockets of our own network namespace, of both protocols, counted by the kernel's
 * list of sockets (sock_diag(7)). That needs no right, and about a fifth of the time that the same
 * takes as text of /proc/net/tcp. A kernel may lack it, and a sandbox may refuse it.
 * Threads: the reading's. */
#pragma once

#include "plugin.h"

enum { TCP_STATES = 12, TCP_SOCKETS_MOST = 500 * 1000 };

/* By the numbers of the kernel's include/net/tcp_states.h. */
struct tcp_count {
    uint64_t by_state[TCP_STATES];
    size_t sockets; /* over TCP_SOCKETS_MOST: there are more */
};

/* false: it cannot be had so; nothing is counted. */
bool tcp_states_ask(struct tcp_count *ret);

enum tcp_piece { TCP_PIECE_MORE, TCP_PIECE_LAST, TCP_PIECE_BAD };
/* Counts what is in one message of the answer, which is aligned as such a message is. */
enum tcp_piece tcp_states_take(const char *piece, size_t bytes, struct tcp_count *count);
