/* SPDX-License-Identifier: Apache-2.0 */
/* unix_file: unix sockets and FIFOs as files: made, owned, and what a dead process left replaced.
 */
#pragma once

#include "base/err.h"

#include <stdbool.h>
#include <sys/types.h>

struct socket_wishes;

struct unix_owner {
    uid_t user; /* (uid_t)-1: as it is */
    gid_t group;
};
bool unix_file_mode(const char *text, unsigned *ret_mode, struct err *err);
bool unix_file_owner(const char *text, struct unix_owner *ret, struct err *err);

/* type: SOCK_STREAM or SOCK_DGRAM. A socket that nobody listens at any more is replaced; one of a
 * process that lives, and what is no socket, is not. */
bool unix_file_bind(const char *path, int type, const struct socket_wishes *wishes, int *ret_fd,
                    struct err *err);
/* Opens a FIFO, and makes it if there is none. It never ends: our own end for writing stays open.
 */
bool unix_file_fifo(const char *path, const struct socket_wishes *wishes, int *ret_fd,
                    struct err *err);
bool unix_file_own(const char *path, const struct socket_wishes *wishes, struct err *err);
