/* SPDX-License-Identifier: Apache-2.0 */
/* folders: where the files of a journal are. libsystemd watches the folders that are there when it
 * opens them; one that is made later, or made anew, as when a host begins to keep its journal, it
 * never hears of. Threads: none of its own. */
#pragma once

#include "options.h"

enum { JOURNAL_FOLDERS = 2 };
struct journal_folders {
    struct {
        uint64_t device, inode;
        int64_t born_ns;     /* 0: not known; inodes are used again */
    } each[JOURNAL_FOLDERS]; /* zeros: it is not there */
};

struct journal_folders journal_folders_of(const struct journald_config *config);
bool journal_folders_same(const struct journal_folders *a, const struct journal_folders *b);
