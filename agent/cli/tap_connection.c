/* SPDX-License-Identifier: Apache-2.0 */
#include "cli/tap_connection.h"

#include "base/auto.h"
#include "cli/ask.h"

#include <ctype.h>
#include <errno.h>
#include <poll.h>
#include <stdio.h>
#include <string.h>
#include <sys/socket.h>
#include <unistd.h>

enum {
    LINE_BYTES_MOST = 1 << 20,
    BLOCK_BYTES = 16 * 1024,
    SILENCE_MS = 10 * 1000, /* the agent writes at least an empty line each second */
};

void tap_target_add(struct buf *target, const char *name, const char *text)
{
    const char *before = target->bytes == 0 ? "/tap?" : "&";

    (void)buf_printf(target, "%s%s=", before, name);
    for (const char *c = text; *c != '\0'; c++) {
        if (isalnum((unsigned char)*c))
            (void)buf_add(target, c, 1);
        else
            (void)buf_printf(target, "%%%02X", (unsigned char)*c);
    }
}

static enum tap_line read_more(struct tap_connection *connection)
{
    struct pollfd poller = { .fd = connection->fd, .events = POLLIN };
    char block[BLOCK_BYTES];

    int ready = poll(&poller, 1, SILENCE_MS);
    if (ready < 0 && errno == EINTR)
        return TAP_LINE_INTERRUPTED;
    ssize_t bytes = ready > 0 ? recv(connection->fd, block, sizeof(block), 0) : 0;
    if (bytes < 0 && errno == EINTR)
        return TAP_LINE_INTERRUPTED;
    return bytes > 0 && buf_add(&connection->in, block, (size_t)bytes) ? TAP_LINE : TAP_LINE_LOST;
}

enum tap_line tap_next_line(struct tap_connection *connection, struct slice *ret)
{
    for (;;) {
        struct buf *in = &connection->in;
        const char *from = buf_slice(in).data + connection->at;
        const char *end = memchr(from, '\n', in->bytes - connection->at);
        if (end != NULL) {
            *ret = (struct slice){ from, (size_t)(end - from) };
            connection->at += ret->bytes + 1;
            return TAP_LINE;
        }
        if (connection->at > 0) {
            in->bytes -= connection->at;
            memmove(in->data, in->data + connection->at, in->bytes);
            connection->at = 0;
        }
        enum tap_line got = read_more(connection);
        if (got != TAP_LINE)
            return got;
    }
}

static bool read_head(struct tap_connection *connection, int *ret_status)
{
    struct slice line = SLICE("");
    bool is_first = true;

    while (tap_next_line(connection, &line) == TAP_LINE) {
        if (line.bytes <= 1)
            return !is_first; /* "\r" */
        if (is_first && sscanf(line.data, "HTTP/1.%*d %d", ret_status) != 1)
            return false;
        is_first = false;
    }
    return false;
}

bool tap_connect(struct tap_connection *connection, const char *path, const char *target,
                 bool *ret_is_refused, struct err *err)
{
    AUTO(buf_fini) struct buf request = { 0 };
    struct slice why = SLICE("");
    int status = 0;

    *ret_is_refused = false;
    tap_disconnect(connection);
    connection->in.limit = LINE_BYTES_MOST;
    (void)buf_printf(&request, "GET %s HTTP/1.0\r\nHost: localhost\r\n\r\n", target);
    connection->fd = ask_connect(path, err);
    if (connection->fd < 0)
        return false;
    if (request.failed ||
        send(connection->fd, request.data, request.bytes, MSG_NOSIGNAL) != (ssize_t)request.bytes ||
        !read_head(connection, &status))
        return err_set(err, "the agent at '%s' does not answer", path);
    if (status == 200)
        return true;
    *ret_is_refused = status < 500; /* what is full or stops may be tried again */
    (void)tap_next_line(connection, &why);
    return err_set(err, "%.*s", (int)why.bytes, why.data);
}

void tap_disconnect(struct tap_connection *connection)
{
    auto_close(&connection->fd);
    buf_fini(&connection->in);
    connection->at = 0;
}
