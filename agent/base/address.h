/* SPDX-License-Identifier: Apache-2.0 */
/* address: where an input listens, as users write it:
 *     udp://127.0.0.1:5514  tcp://[::1]:5514  tls://localhost:6514  unix:///run/app.sock
 *     unixgram:///dev/log  fifo:///run/app.fifo  fd:3  systemd:NAME
 * Parses only: opens nothing and looks no name up. */
#pragma once

#include "base/err.h"

#include <stdbool.h>

enum address_kind {
    ADDRESS_UDP,
    ADDRESS_TCP,
    ADDRESS_TLS,      /* over TCP */
    ADDRESS_UNIX,     /* stream */
    ADDRESS_UNIXGRAM, /* datagrams */
    ADDRESS_FIFO,
    ADDRESS_FD,     /* a descriptor that the agent was started with */
    ADDRESS_SYSTEMD /* the sockets of that name, handed over by systemd */
};

struct address {
    enum address_kind kind;
    const char *at; /* behind the scheme, in the text that was parsed: HOST:PORT, a path, a name */
    unsigned fd;    /* of ADDRESS_FD */
};

/* schemes: which may be used here, "udp://|tcp://|systemd:"; of it says what else is possible. */
bool address_parse(const char *text, const char *schemes, struct address *ret, struct err *err);
