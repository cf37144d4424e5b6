/* SPDX-License-Identifier: Apache-2.0 */
#include "net/socket.h"

#include "base/address.h"
#include "base/auto.h"
#include "base/listen.h"
#include "net/handover.h"
#include "net/unix_file.h"

#include <errno.h>
#include <fcntl.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/socket.h>
#include <sys/stat.h>

enum { BACKLOG = 1024 };

/* All that may be here; which of them an input takes is checked with its configuration. */
static const char schemes[] = "udp://|tcp://|tls://|unix://|unixgram://|fifo://|fd:|systemd:";

/* ---- the buffer of datagrams ---- */

/* FORCE goes beyond net.core.rmem_max and takes CAP_NET_ADMIN. The kernel doubles what it is asked
 * for, and tells the double: for its own bookkeeping, which a datagram pays from the same buffer.
 */
static void ask_for_buffer(struct socket *socket, uint64_t bytes)
{
    int wanted = (int)bytes, granted = 0;
    socklen_t size = sizeof(granted);

    if (socket->kind != SOCKET_DATAGRAMS)
        return;
    if (setsockopt(socket->fd, SOL_SOCKET, SO_RCVBUFFORCE, &wanted, sizeof(wanted)) != 0)
        (void)setsockopt(socket->fd, SOL_SOCKET, SO_RCVBUF, &wanted, sizeof(wanted));
    (void)getsockopt(socket->fd, SOL_SOCKET, SO_RCVBUF, &granted, &size);
    socket->asked_bytes = bytes;
    socket->granted_bytes = (uint64_t)granted / 2;
    socket->is_told = false;
}

/* ---- of each kind ---- */

static bool open_internet(struct socket *socket, const struct address *address, struct err *err)
{
    char bound[LISTEN_TEXT];

    socket->kind = address->kind == ADDRESS_UDP ? SOCKET_DATAGRAMS : SOCKET_ACCEPTS;
    socket->is_tls = address->kind == ADDRESS_TLS;
    socket->counts_drops = address->kind == ADDRESS_UDP;
    socket->fd = socket->kind == SOCKET_DATAGRAMS
                     ? listen_open_datagrams(address->at, bound, NULL, err)
                     : listen_open(address->at, BACKLOG, bound, NULL, err);
    if (socket->fd < 0)
        return false;
    (void)snprintf(socket->name, sizeof(socket->name), "%.6s%s", socket->address, bound);
    return true;
}

/* true: it was other than that. */
static bool note_ownership(struct socket *socket, const struct socket_wishes *wishes)
{
    char owned[sizeof(socket->owned)];

    (void)snprintf(owned, sizeof(owned), "%s %s", wishes->mode, wishes->owner);
    if (strcmp(owned, socket->owned) == 0)
        return false;
    (void)snprintf(socket->owned, sizeof(socket->owned), "%s", owned);
    return true;
}

static bool open_unix(struct socket *socket, const struct address *address,
                      const struct socket_wishes *wishes, struct err *err)
{
    bool is_stream = address->kind == ADDRESS_UNIX;

    socket->kind = is_stream ? SOCKET_ACCEPTS : SOCKET_DATAGRAMS;
    if (!unix_file_bind(address->at, is_stream ? SOCK_STREAM : SOCK_DGRAM, wishes, &socket->fd,
                        err))
        return false;
    (void)note_ownership(socket, wishes);
    if (is_stream && listen(socket->fd, BACKLOG) != 0)
        return err_set(err, "cannot listen on '%s': %s", address->at, strerror(errno));
    struct stat info;
    if (stat(address->at, &info) == 0) {
        socket->device = info.st_dev;
        socket->inode = info.st_ino;
        (void)snprintf(socket->path, sizeof(socket->path), "%s", address->at);
    }
    return true;
}

static bool open_fifo(struct socket *socket, const struct address *address,
                      const struct socket_wishes *wishes, struct err *err)
{
    socket->kind = SOCKET_BYTES;
    return unix_file_fifo(address->at, wishes, &socket->fd, err);
}

/* ---- sockets that were open before ---- */

static int option_of(int fd, int option)
{
    int value = 0;
    socklen_t bytes = sizeof(value);

    return getsockopt(fd, SOL_SOCKET, option, &value, &bytes) == 0 ? value : -1;
}

static bool find_kind_of_socket(struct socket *socket, struct err *err)
{
    int type = option_of(socket->fd, SO_TYPE), domain = option_of(socket->fd, SO_DOMAIN);
    bool accepts = option_of(socket->fd, SO_ACCEPTCONN) == 1;

    if (type == SOCK_DGRAM) {
        socket->kind = SOCKET_DATAGRAMS;
        socket->counts_drops = domain == AF_INET || domain == AF_INET6;
    } else if (type == SOCK_STREAM) {
        socket->kind = accepts ? SOCKET_ACCEPTS : SOCKET_BYTES;
    } else {
        return err_set(err, "'%s' is a socket of neither datagrams nor a stream", socket->address);
    }
    return true;
}

/* A duplicate, so that closing it leaves the one that we were started with. Whether it may block is
 * a matter of the open file, which others may share: pipes are left as they are, and read only when
 * they are readable. */
static bool adopt(struct socket *socket, int fd, bool is_our_own, struct err *err)
{
    struct stat info;

    socket->fd = fcntl(fd, F_DUPFD_CLOEXEC, 3);
    if (socket->fd < 0 || fstat(socket->fd, &info) != 0 || is_our_own)
        return err_set(err, "'%s' is not open: the agent has to be started with it",
                       socket->address);
    socket->is_adopted = true;
    if (S_ISSOCK(info.st_mode)) {
        int flags = fcntl(socket->fd, F_GETFL);
        (void)fcntl(socket->fd, F_SETFL, flags | O_NONBLOCK);
        return find_kind_of_socket(socket, err);
    }
    socket->kind = SOCKET_BYTES;
    if (S_ISREG(info.st_mode) || S_ISDIR(info.st_mode))
        return err_set(err, "'%s' is a file: read it with an input of type tail", socket->address);
    return true;
}

/* ---- all of them ---- */

void socket_close(struct socket **socketp)
{
    struct socket *socket = *socketp;
    struct stat info;

    *socketp = NULL;
    if (socket == NULL)
        return;
    if (socket->path[0] != '\0' && stat(socket->path, &info) == 0 &&
        info.st_dev == socket->device && info.st_ino == socket->inode)
        (void)unlink(socket->path);
    auto_close(&socket->fd);
    free(socket);
}

static struct socket *new_socket(const char *address, struct err *err)
{
    struct socket *socket = calloc(1, sizeof(*socket));

    if (socket == NULL) {
        (void)err_set(err, "out of memory for '%s'", address);
        return NULL;
    }
    socket->fd = -1;
    (void)snprintf(socket->address, sizeof(socket->address), "%s", address);
    (void)snprintf(socket->name, sizeof(socket->name), "%s", address);
    return socket;
}

static bool open_one(struct socket *socket, const struct address *address, int handed_over,
                     const struct socket_wishes *wishes, struct err *err)
{
    switch (address->kind) {
    case ADDRESS_UDP:
    case ADDRESS_TCP:
    case ADDRESS_TLS:
        return open_internet(socket, address, err);
    case ADDRESS_UNIX:
    case ADDRESS_UNIXGRAM:
        return open_unix(socket, address, wishes, err);
    case ADDRESS_FIFO:
        return open_fifo(socket, address, wishes, err);
    case ADDRESS_FD:
        /* What the agent opened itself is closed when it starts another program. */
        return adopt(socket, (int)address->fd, (fcntl((int)address->fd, F_GETFD) & FD_CLOEXEC) != 0,
                     err);
    case ADDRESS_SYSTEMD:
        return adopt(socket, handed_over, false, err);
    }
    return false;
}

static bool open_next(const struct address *address, const char *text, int handed_over,
                      const struct socket_wishes *wishes, struct socket **ret, struct err *err)
{
    AUTO(socket_close) struct socket *socket = new_socket(text, err);

    if (socket == NULL || !open_one(socket, address, handed_over, wishes, err))
        return false;
    ask_for_buffer(socket, wishes->receive_buffer);
    *ret = socket;
    socket = NULL;
    return true;
}

bool socket_open(const char *text, const struct socket_wishes *wishes, struct socket **sockets,
                 size_t room, size_t *ret_count, struct err *err)
{
    struct address address;
    size_t count = 0;
    int fd = 0;
    bool ok = address_parse(text, schemes, &address, err);

    while (ok) {
        bool is_handed_over = address.kind == ADDRESS_SYSTEMD;
        if (is_handed_over) {
            fd = handover_next(address.at, fd);
            if (fd < 0 && count == 0)
                ok = err_set(err, "systemd has handed over no socket of the name '%s'", address.at);
            if (fd < 0)
                break;
        }
        if (count == room)
            ok = err_set(err, "there are more than %d sockets to listen on", SOCKETS_MAX);
        ok = ok && open_next(&address, text, fd, wishes, &sockets[count], err);
        count += ok ? 1 : 0;
        if (!is_handed_over)
            break;
    }
    while (!ok && count > 0)
        socket_close(&sockets[--count]);
    if (ok)
        *ret_count = count;
    return ok;
}

bool socket_adjust(struct socket *socket, const struct socket_wishes *wishes, struct err *err)
{
    if (socket->asked_bytes != wishes->receive_buffer)
        ask_for_buffer(socket, wishes->receive_buffer);
    if (socket->path[0] == '\0' || !note_ownership(socket, wishes))
        return true;
    return unix_file_own(socket->path, wishes, err);
}

bool socket_check_wishes(const struct socket_wishes *wishes, struct err *err)
{
    struct unix_owner owner;
    unsigned mode;

    return unix_file_mode(wishes->mode, &mode, err) && unix_file_owner(wishes->owner, &owner, err);
}
