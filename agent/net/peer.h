/* SPDX-License-Identifier: Apache-2.0 */
/* peer: who sent something, and who may. Pure. */
#pragma once

#include "base/err.h"
#include "base/slice.h"

#include <stdbool.h>
#include <stdint.h>
#include <sys/socket.h>

struct text_list;

enum { PEER_TEXT = 64 }; /* an IPv6 address with its zone */

struct peer {
    char address[PEER_TEXT]; /* "192.0.2.7", "2001:db8::1"; "": it has none (unix, fifo, fd) */
    uint8_t address_bytes;
    uint16_t port;
    uint8_t ip[16]; /* IPv4 as ::ffff:a.b.c.d */
};

/* An IPv4 peer of a socket for both families is shown as IPv4. */
void peer_of(const struct sockaddr_storage *from, struct peer *ret);

/* ---- who may: "192.0.2.0/24", "2001:db8::/32", "192.0.2.7" ---- */
struct network {
    uint8_t ip[16];
    uint8_t bits; /* of 128 */
};
bool network_parse(const char *text, struct network *ret, struct err *err);
bool network_has(const struct network *network, const uint8_t ip[16]);
