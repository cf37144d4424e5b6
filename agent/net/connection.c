/* SPDX-License-Identifier: Apache-2.0 */
#include "net/connection.h"

#include "base/auto.h"

#include <errno.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/ioctl.h>

struct connection *connection_new(int fd, const struct socket *socket)
{
    struct connection *connection = calloc(1, sizeof(*connection));

    if (connection == NULL)
        return NULL;
    connection->watched = WATCHED_CONNECTION;
    connection->fd = fd;
    connection->hold = connection->least;
    connection->is_pipe = socket->kind == SOCKET_BYTES;
    (void)snprintf(connection->socket_address, sizeof(connection->socket_address), "%s",
                   socket->address);
    (void)snprintf(connection->socket_name, sizeof(connection->socket_name), "%s", socket->name);
    return connection;
}

void connection_free_hold(struct connection *connection)
{
    if (connection->hold != connection->least)
        free(connection->hold);
    connection->hold = connection->least;
    connection->hold_room = 0;
}

void connection_free(struct connection **connectionp)
{
    struct connection *connection = *connectionp;

    *connectionp = NULL;
    if (connection == NULL)
        return;
    tls_connection_free(&connection->tls);
    auto_close(&connection->fd);
    connection_free_hold(connection);
    free(connection);
}

const char *connection_name(const struct connection *connection,
                            char ret_name[CONNECTION_NAME_BYTES])
{
    const struct peer *peer = &connection->peer;
    bool is_v6 = strchr(peer->address, ':') != NULL;

    if (peer->address_bytes == 0)
        return connection->socket_name;
    (void)snprintf(ret_name, CONNECTION_NAME_BYTES, is_v6 ? "[%s]:%u" : "%s:%u", peer->address,
                   (unsigned)peer->port);
    return ret_name;
}

static ssize_t receive_plain(struct connection *connection, char *data, size_t room,
                             const char **ret_why)
{
    ssize_t bytes = read(connection->fd, data, room);

    if (bytes >= 0)
        return bytes;
    if (errno == EAGAIN || errno == EINTR)
        return TLS_WAIT;
    if (errno == EIO) /* the other end of a terminal is closed */
        return 0;
    *ret_why = strerror(errno);
    return TLS_FAILED;
}

static enum received meaning_of(ssize_t result)
{
    if (result > 0)
        return RECEIVED_SOME;
    return result == 0 ? RECEIVED_END : result == TLS_WAIT ? RECEIVED_NOTHING : RECEIVED_FAILURE;
}

enum received connection_receive(struct connection *connection, char *data, size_t room,
                                 size_t *ret_bytes, const char **ret_why)
{
    enum received received;
    size_t filled = 0;

    *ret_bytes = 0;
    if (connection->tls == NULL) {
        ssize_t result = receive_plain(connection, data, room, ret_why);
        *ret_bytes = result > 0 ? (size_t)result : 0;
        return meaning_of(result);
    }
    do { /* a record at a time */
        ssize_t result = tls_read(connection->tls, data + filled, room - filled, ret_why);
        filled += result > 0 ? (size_t)result : 0;
        received = meaning_of(result);
    } while (received == RECEIVED_SOME && room - filled >= TLS_RECORD_BYTES);
    *ret_bytes = filled;
    return received == RECEIVED_NOTHING && filled > 0 ? RECEIVED_SOME : received;
}

uint64_t connection_waiting_bytes(const struct connection *connection)
{
    int bytes = 0;

    return ioctl(connection->fd, FIONREAD, &bytes) == 0 && bytes > 0 ? (uint64_t)bytes : 0;
}
