/* SPDX-License-Identifier: Apache-2.0 */
/* tls: the server's side of TLS 1.2 and 1.3, on GnuTLS, for sockets that do not block.
 * Certificate, key and authorities are looked at again when connections come, once a second at
 * most; what changed is put into use for new connections. Files that are of no use leave the old
 * ones, and are loaded again a minute later. Threads: one for each server with its connections. */
#pragma once

#include "base/err.h"

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>
#include <sys/types.h>

struct tls_server;
struct tls_connection;

/* client_ca_file: "" asks clients for no certificate. NULL: err says why. Texts are copied. */
struct tls_server *tls_server_new(const char *cert_file, const char *key_file,
                                  const char *client_ca_file, struct err *err);
void tls_server_free(struct tls_server **serverp);
bool tls_server_is_of(const struct tls_server *server, const char *cert_file, const char *key_file,
                      const char *client_ca_file);

enum tls_news { TLS_SAME, TLS_TAKEN, TLS_REFUSED }; /* REFUSED: once for each change */
enum tls_news tls_server_look(struct tls_server *server, int64_t now_ms, struct err *ret_why);

/* The descriptor is borrowed. NULL: out of memory. */
struct tls_connection *tls_connection_new(struct tls_server *server, int fd);
/* Says goodbye, as far as the socket takes it without waiting. */
void tls_connection_free(struct tls_connection **connectionp);

enum { TLS_WAIT = -1, TLS_FAILED = -2, TLS_RECORD_BYTES = 16 * 1024 };
/* room: at least TLS_RECORD_BYTES, so that nothing is left that the socket does not tell of.
 * Bytes; 0: the peer said goodbye; TLS_WAIT: nothing now (the handshake may not be over);
 * TLS_FAILED: ret_why says what the peer did wrong. */
ssize_t tls_read(struct tls_connection *connection, void *data, size_t room, const char **ret_why);
bool tls_is_ready(const struct tls_connection *connection); /* the handshake is over */
bool tls_wants_to_write(const struct tls_connection *connection);
