/* SPDX-License-Identifier: Apache-2.0 */
/* socket_file: the unix socket of an agent, RUNTIME_DIR/HASH.sock, where HASH is that of the live
 * books' name. Mode 0600: only the agent's own user and root ask there.
 * A lock on HASH.sock.lock, kept as long as the socket, tells a dead agent's socket from that of
 * one that runs: only the first is replaced. Threads: main. */
#pragma once

#include "base/err.h"

#include <limits.h>
#include <stdbool.h>

struct socket_file {
    int fd;      /* listens; -1: none. Whoever takes it sets -1. */
    int lock_fd; /* -1: none */
    char path[PATH_MAX];
};

/* The file of the agent with this state directory, beneath folder. */
bool socket_file_path(const char *folder, const char *state_dir, char ret_path[PATH_MAX]);

/* Makes the folder and the socket. false: err says why; there may be another place. */
bool socket_file_open(struct socket_file *ret, const char *folder, const char *state_dir,
                      int backlog, struct err *err);
void socket_file_close(struct socket_file *file); /* takes the name away */
