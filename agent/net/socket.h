/* SPDX-License-Identifier: Apache-2.0 */
/* socket: what is open of one address: bound, listening, or a pipe to be read. */
#pragma once

#include "base/err.h"

#include <stdatomic.h>
#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>
#include <sys/types.h>
#include <sys/un.h>

enum socket_kind {
    SOCKET_DATAGRAMS,
    SOCKET_ACCEPTS, /* connections */
    SOCKET_BYTES,   /* it is one stream itself: a FIFO, a pipe */
};

enum { SOCKET_NAME_BYTES = 160, SOCKETS_MAX = 64 };

/* What an epoll descriptor tells of; the first field of what it points to. */
enum watched { WATCHED_SOCKET, WATCHED_CONNECTION };

struct socket {
    enum watched watched;
    enum socket_kind kind;
    int fd; /* -1: it went to whoever reads it, or is closed */
    bool is_tls;
    bool is_adopted;                 /* others have it too: it is left as it is */
    bool counts_drops;               /* the kernel drops what does not fit and counts it (UDP) */
    char address[SOCKET_NAME_BYTES]; /* as configured */
    char name[SOCKET_NAME_BYTES];    /* as bound, "udp://127.0.0.1:40123" */
    uint64_t asked_bytes, granted_bytes; /* receive buffer of datagrams */
    uint32_t drops;                      /* of the kernel's count, so many are told */
    atomic_uint_fast64_t *kept_drops;    /* the same for the next start; NULL: not kept */
    bool is_begun, is_watched, is_told;  /* for its listener */
    char path[sizeof(((struct sockaddr_un *)0)->sun_path)]; /* made by us; "": none */
    char owned[SOCKET_NAME_BYTES];                          /* mode and owner that it was given */
    dev_t device;
    ino_t inode;
};

struct socket_wishes {
    const char *mode, *owner; /* of files that are made: "0660"; "USER:GROUP", "" */
    uint64_t receive_buffer;
};

/* Whether mode and owner can be read and are known. */
bool socket_check_wishes(const struct socket_wishes *wishes, struct err *err);
/* Opens all of one address: of systemd there may be several sockets of a name. `room` is for so
 * many. false: nothing is open. */
bool socket_open(const char *address, const struct socket_wishes *wishes, struct socket **sockets,
                 size_t room, size_t *ret_count, struct err *err);
/* Another mode, owner or buffer while it is open. */
bool socket_adjust(struct socket *socket, const struct socket_wishes *wishes, struct err *err);
/* Takes its file away, if that is still the same. */
void socket_close(struct socket **socketp);
