/* SPDX-License-Identifier: Apache-2.0 */
/* books_holder: is the agent of these books alive? Told by the lock on their file, which
 * /proc/locks shows without taking it and across PID namespaces; where there is none, by PID and
 * start time. Threads: any; no state. */
#pragma once

#include "ledger/books_find.h"

#include <sys/stat.h>

/* info: of the open file. ret_pid: as seen from here, else as the books say. ret_is_locked: an
 * agent counts in this very file. */
enum holder_state books_holder(const struct books_header *header, const struct stat *info,
                               int64_t *ret_pid, bool *ret_is_locked);
/* Were they written since this host was booted? */
bool books_holder_is_of_this_boot(const struct books_header *header);
