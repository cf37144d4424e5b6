/* SPDX-License-Identifier: Apache-2.0 */
/* starter: the small process that starts the children of inputs. It is forked before the first
 * thread and before rights are given up, and holds nothing of the agent but its end of a socket.
 * Promise: it ends when the agent has ended, however that was, and takes all children with it.
 * Threads: main. */
#pragma once

#include "base/buf.h"
#include "base/err.h"

#include <sys/types.h>

struct starter {
    int fd;    /* -1: there is none. Any thread may send a request on it */
    pid_t pid; /* 0: there is none */
};

/* allowed: requests, each packed, one after the other; bounds: where each of them ends. Only these
 * are started; any is with any_command. Call it in a process with one thread. false: err says why.
 */
struct starter_config {
    struct slice allowed;
    const size_t *bounds;
    size_t count;
    bool any_command;
};
bool starter_start(struct starter *ret, const struct starter_config *config, struct err *err);
/* Ends it and its children, and waits for that; not for a process that the kernel cannot end. */
void starter_stop(struct starter *starter);

/* What it does, from its fork to its end: starter_loop.c. */
_Noreturn void starter_loop(int fd, const struct starter_config *config);
