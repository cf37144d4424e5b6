/* SPDX-License-Identifier: Apache-2.0 */
/* live_file: the memory of the live books: a mapped, fully allocated file on tmpfs, else anonymous.
 * Only tmpfs: on a disk, a full or frozen file system would kill or stop the agent at the next add.
 * A lock on the file, kept as long as the books, tells a dead start from one that runs: agents that
 * share a runtime_dir without sharing a state_dir (containers) never take each other's books.
 * Threads: main. */
#pragma once

#include "ledger/books_file.h"

#include <limits.h>

struct live_file {
    struct books_file *books;   /* zeroed */
    int fd;                     /* holds the lock; -1: anonymous memory */
    char path[PATH_MAX];        /* of the new books; "": anonymous memory */
    char tmp[PATH_MAX];         /* where they lie until live_file_publish() */
    char predecessor[PATH_MAX]; /* the first file of that name found, path or another; "": none */
    char place[PATH_MAX + 600]; /* "file …", "anonymous memory: reason" */
};

/* The name of the live books: a hash of the resolved path of the state directory and its tail. */
void live_file_name(const char *state_dir, char ret_name[NAME_MAX]);

/* Folders of a user for live books, in the order in which they are tried: in $XDG_RUNTIME_DIR, in
 * /run/user/UID. Looks at nothing. false: there is no such folder. */
enum { LIVE_USER_FOLDERS = 2 };
bool live_file_user_folder(unsigned which, unsigned uid, char ret_folder[PATH_MAX]);

/* Makes zeroed memory for new books, beside those of a dead start. false: out of memory. */
bool live_file_open(struct live_file *ret, const struct ledger_config *config, const char *name,
                    struct err *err);
/* Takes the place of the predecessor, by one rename. If that fails the books have no name any more.
 */
void live_file_publish(struct live_file *live);
void live_file_close(struct live_file *live); /* the file stays */
