/* SPDX-License-Identifier: Apache-2.0 */
/* listen: a listening TCP socket, or one for UDP, from ADDRESS:PORT, with errors that say what is
 * wrong. */
#pragma once

#include "base/err.h"

#include <stddef.h>

/* Is it ADDRESS:PORT, [v6]:PORT or NAME:PORT? Opens nothing, so a name is not looked up. */
bool listen_check(const char *listen_at, struct err *err);

/* The socket, not blocking and close-on-exec; -1: err says why, and
 * errno where it could not be bound. Port 0 takes a free one. Of a name
 * the first address that can be had, IPv4 before IPv6; looking it up may take a while.
 * ret_bound: as bound, "127.0.0.1:9464"; ret_port may be NULL. */
enum { LISTEN_TEXT = 96 };
int listen_open(const char *listen_at, int backlog, char ret_bound[LISTEN_TEXT], unsigned *ret_port,
                struct err *err);
/* The same for UDP: bound, and nobody else may bind it too. */
int listen_open_datagrams(const char *listen_at, char ret_bound[LISTEN_TEXT], unsigned *ret_port,
                          struct err *err);
