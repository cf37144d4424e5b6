/* SPDX-License-Identifier: Apache-2.0 */
/* doors: a listening socket with its guests; libmicrohttpd behind it. Threads: door_open() any, the
 * others the endpoint's. */
#pragma once

#include "admin/admin_state.h"

/* Takes the socket and the pair, also when it fails. NULL: err says why. */
struct door *door_open(struct admin *admin, int fd, bool is_tcp, struct admin_tls *tls,
                       struct err *err);
/* Nobody comes in any more; who is in stays until its answer is whole. */
void door_shut(struct door *door);
bool door_is_empty(const struct door *door);
/* Returns how long may be slept; -1: until something comes. door NULL: there is none. */
int64_t door_serve(struct door *door, int64_t now_ms);
/* What tells that something has come, after door_serve(); -1: there is none, or only time may help.
 */
int door_fd(const struct door *door);
/* Whoever is still in is sent away. */
void door_free(struct door **doorp);
