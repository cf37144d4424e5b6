/* SPDX-License-Identifier: Apache-2.0 */
/* files: the files of a journal that libsystemd cannot read. It passes over them without a word, be
 * it for want of a right, for a damaged head, or for a feature of a later version; what they hold
 * is missing, and how much that is nobody knows. Threads: the reading's. */
#pragma once

#include "options.h"

enum { JOURNAL_BAD_KEPT = 64 }; /* more are counted, but not told one by one */
struct journal_bad {
    uint64_t inode;
    bool is_told;
};

struct journal_files {
    int64_t looked_s; /* Unix; 0: never */
    struct journal_bad bad[JOURNAL_BAD_KEPT];
    size_t kept;
    uint64_t more;    /* beside them */
    uint64_t refused; /* of all, for want of a right */
};

/* Tries the files that have changed since the last look, and those that were bad; tells of each
 * once, and of those that can be read again. Files that are younger than a moment are not told yet.
 */
void journal_files_look(struct journal_files *files, const struct journald_config *config,
                        int64_t now_s, struct sink *sink);
