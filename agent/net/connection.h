/* SPDX-License-Identifier: Apache-2.0 */
/* connection: one stream that is read: its peer, its TLS, and what is held of a record that is not
 * whole yet. */
#pragma once

#include "net/framing.h"
#include "net/peer.h"
#include "net/socket.h"
#include "net/tls.h"

struct connection {
    enum watched watched;
    int fd;
    size_t index;               /* in its table */
    struct tls_connection *tls; /* NULL: plain */
    bool is_pipe;               /* not a socket of ours: may be shared with others, and may block */
    bool is_paused;             /* too fast: until paused_until_ms */
    bool is_outgoing;           /* a handshake that has something to write is waited for */
    bool is_ending;             /* no more is read than `left` */
    char socket_address[SOCKET_NAME_BYTES], socket_name[SOCKET_NAME_BYTES]; /* whence it is */
    struct peer peer;
    struct framing framing;
    struct framer framer;
    char *hold; /* `least`, or of hold_room */
    size_t held, hold_room;
    char least[FRAMING_HELD_LEAST];
    int64_t opened_ms, heard_ms, paused_until_ms;
    int64_t tokens, tokens_ms; /* bytes that may be read, as of then */
    uint64_t left;
};

struct connection *connection_new(int fd, const struct socket *socket); /* NULL: out of memory */
void connection_free(struct connection **connectionp);
void connection_free_hold(struct connection *connection); /* `least` is left to it */
/* "192.0.2.7:514", or where it was accepted. */
enum { CONNECTION_NAME_BYTES = SOCKET_NAME_BYTES };
const char *connection_name(const struct connection *connection,
                            char ret_name[CONNECTION_NAME_BYTES]);

enum received { RECEIVED_SOME, RECEIVED_NOTHING, RECEIVED_END, RECEIVED_FAILURE };
/* Reads at most `room` bytes, which is at least TLS_RECORD_BYTES. Also of an end or a failure
 * *ret_bytes may have come before it. */
enum received connection_receive(struct connection *connection, char *data, size_t room,
                                 size_t *ret_bytes, const char **ret_why);
/* Bytes that the kernel has for it. */
uint64_t connection_waiting_bytes(const struct connection *connection);
