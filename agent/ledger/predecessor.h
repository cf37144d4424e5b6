/* SPDX-License-Identifier: Apache-2.0 */
/* predecessor: finds the books of the start before: the live file of this boot, else the saved
 * copy. Nothing that it finds, or does not, stops a start. Threads: main. */
#pragma once

#include "ledger/books_file.h"

struct predecessor_books {
    enum predecessor kind;
    struct buf bytes;         /* what image borrows */
    struct books_image image; /* with EXACT, STALE and CLEAN: to be closed */
    char note[1200];
};

/* live_path "": there is none. boot_id "": unknown, then no file is of this boot. */
void predecessor_find(const char *live_path, const char *save_path, const char *boot_id,
                      struct predecessor_books *ret);
/* By its books, events of that output were on disk. Before its `found` is set. */
bool predecessor_has_spooled(const struct predecessor_books *books, const char *output);
void predecessor_fini(struct predecessor_books *books);
