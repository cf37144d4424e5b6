/* SPDX-License-Identifier: Apache-2.0 */
/* books_find: the books of an agent, found from outside by its state directory, and whether that
 * agent still lives. Nothing is asked of the agent and nothing is locked: a lock held for a moment
 * would tell an agent that is just starting that its books are taken.
 * Each call opens the file anew, so one that was replaced is noticed.
 * Threads: any; no state. */
#pragma once

#include "ledger/books_reader.h"

#include <limits.h>

enum books_kind {
    BOOKS_LIVE,  /* the mapped file: exact up to this moment */
    BOOKS_SAVED, /* the copy in the state directory, as old as the last report */
    BOOKS_COPY   /* a file that was named, and that no agent counts in */
};

enum holder_state {
    HOLDER_RUNNING,
    HOLDER_STOPPED, /* by a signal (SIGSTOP, a debugger): its books stand still */
    HOLDER_ENDED,   /* the books were closed */
    HOLDER_GONE,    /* and did not close its books */
    HOLDER_UNKNOWN  /* a copy says nothing of it */
};

struct books_wanted {
    const char *state_dir;   /* may be relative */
    const char *runtime_dir; /* NULL: the default one, then those of the users concerned */
    const char *default_runtime_dir;
    const char *file; /* NULL, or the file itself; then nothing is searched for */
};

struct books_found {
    struct books_reader *reader;
    enum books_kind kind;
    enum holder_state holder;
    int64_t pid;             /* of the agent, as seen from here */
    int64_t written_real_ns; /* saved: when; copy: the time of the file; live: 0 */
    char path[PATH_MAX];
    char note[600]; /* why it is not the live file; "": nothing to say */
};

/* false: there are none, or none that can be read; err says where was looked, and why not. */
bool books_find(const struct books_wanted *wanted, struct books_found *ret, struct err *err);
void books_found_fini(struct books_found *found);
