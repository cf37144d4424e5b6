/* SPDX-License-Identifier: Apache-2.0 */
/* child: a process that the starter started for this one, as the agent sees it.
 * Promise: no call waits. When it is freed, nothing of its process group is left soon after.
 * Threads: whoever has it. */
#pragma once

#include "base/err.h"
#include "base/slice.h"
#include "children/starter.h"

#include <stdint.h>

struct child;

enum child_state {
    CHILD_RUNS,
    CHILD_FAILED, /* it was not started: `error`, an errno, and `what` */
    CHILD_EXITED, /* `number`: its exit status */
    CHILD_KILLED, /* `number`: the signal */
};

struct child_news {
    enum child_state state;
    int number;
    int error;
    const char *what; /* "cannot run the program" */
    int64_t pid;      /* 0: not known yet */
};

/* request: as request_pack() makes it. NULL: err says why. */
struct child *child_start(const struct starter *starter, struct slice request, struct err *err);
/* Its group is killed if it is still there. */
void child_free(struct child **childp);

/* Descriptors to read from without waiting, and to wait for: what it writes, and its news. */
int child_output(const struct child *child); /* standard output; -1: closed */
int child_errors(const struct child *child); /* standard error; -1: closed */
int child_line(const struct child *child);
void child_close_output(struct child *child); /* after its end was read */
void child_close_errors(struct child *child);

struct child_news child_look(struct child *child);  /* the last that is known */
void child_signal(struct child *child, int number); /* to its group */
