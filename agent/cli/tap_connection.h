/* SPDX-License-Identifier: Apache-2.0 */
/* tap_connection: a tap of the running agent, by its unix socket: asked for once, read line by
 * line. HTTP/1.0, so that the answer ends with the connection. Waits are cut short by a signal. */
#pragma once

#include "base/buf.h"
#include "base/err.h"

struct tap_connection {
    int fd; /* -1: none */
    struct buf in;
    size_t at; /* what was not returned yet */
};

/* Appends NAME=TEXT to a target, "/tap?" at first. */
void tap_target_add(struct buf *target, const char *name, const char *text);

/* false: no connection, or the agent refuses; *ret_is_refused tells the two apart. */
bool tap_connect(struct tap_connection *connection, const char *path, const char *target,
                 bool *ret_is_refused, struct err *err);

enum tap_line { TAP_LINE, TAP_LINE_INTERRUPTED, TAP_LINE_LOST };
/* The next line, without its newline; valid until the next call. */
enum tap_line tap_next_line(struct tap_connection *connection, struct slice *ret);
void tap_disconnect(struct tap_connection *connection);
