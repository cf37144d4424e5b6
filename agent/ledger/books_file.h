/* SPDX-License-Identifier: Apache-2.0 */
/* books_file: the layout of the books in memory and on disk, and reading such a file.
 * The file describes itself: the header says where each table lies and how long its rows are, the
 * tables name accounts, flows and numbers, and the flows say which counters are theirs. So a reader
 * of another build, with other tables, reads it from its own description alone.
 * Lanes come last: a saved copy leaves out those that are not used.
 * Threads: counters any. Names are written by the main thread before lanes_used counts them. */
#pragma once

#include "ledger/books_layout.h"

/* Writes header and tables into zeroed memory; the identities are the caller's. */
void books_file_describe(struct books_file *file);
/* Appends a checksummed copy, taken while others count. false: out of memory. */
bool books_file_copy(const struct books_file *file, int64_t now_real_ns, struct buf *ret);

/* ---- reading a file of any build; nothing in it is trusted ---- */

/* More are in no file of ours. */
enum { BOOKS_ACCOUNTS_MAX = 64 };
struct books_image {
    struct slice bytes; /* borrowed */
    struct books_header header;
    /* Set by the caller, for books_left: what lies on disk, of all lanes, borrowed. */
    const struct ledger_found *found;
    size_t found_count;
};
/* Checks the description against the bytes; has_checksum: it is a saved copy. false: err says what
 * is wrong. The bytes must not change meanwhile: read the file, do not map it. */
bool books_image_open(struct books_image *ret, struct slice bytes, bool has_checksum,
                      struct err *err);

/* Appends what the open file holds, at most BOOKS_FILE_MAX. Read, not mapped: a file that shrinks
 * under a mapping would be a SIGBUS. */
bool books_file_read(int fd, struct buf *ret, struct err *err);

/* Copies a row of a table that the header says is there. */
void books_image_row(const struct books_image *image, const struct books_table *table,
                     uint32_t index, void *ret_row, size_t bytes);
/* What that flow of the file moved in the lane whose row begins there. */
struct amount books_image_moved(const struct books_image *image, const char *lane,
                                const struct books_flow_row *flow);
