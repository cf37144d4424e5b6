/* SPDX-License-Identifier: Apache-2.0 */
/* books_reader: the books of any build as names and numbers, out of a file that describes itself.
 * Promise: nothing in the file is trusted. What opens can be read to its end, whatever it says; a
 * table that this build does not know is shown under the name that the file gives it.
 * A file that is counted in meanwhile is no exact picture of one instant: what is held is told as
 * it was measured by the last audits. Threads: none of its own; a reader never changes. */
#pragma once

#include "ledger/books_file.h"

/* More than these is no file of ours; they bound the work on a file that lies. */
enum {
    READER_ACCOUNTS = 64,
    READER_FLOWS = 256,
    READER_NUMBERS = 256,
    READER_OUTPUTS = 1024,
    READER_HISTOGRAMS = 32,
    READER_BUCKETS = 64
};

struct books_reader {
    struct buf bytes; /* owned */
    struct books_image image;
    unsigned account_count, flow_count, number_count, lane_count, output_count;
    /* Texts of the rows and of the header are terminated and printable ASCII. */
    struct books_account_row accounts[READER_ACCOUNTS];
    struct books_flow_row flows[READER_FLOWS];
    struct books_number_row numbers[READER_NUMBERS];
    unsigned histogram_count, bucket_count; /* 0: a build that had none */
    struct books_histogram_row histograms[READER_HISTOGRAMS];
    uint64_t bounds_ms[READER_BUCKETS];
};

/* Takes the bytes. NULL: err says what is wrong with them. */
struct books_reader *books_reader_new(struct buf *bytes, struct err *err);
void books_reader_free(struct books_reader **readerp);

/* The row of that name; -1: this file has none. */
int books_reader_account(const struct books_reader *reader, const char *name);
int books_reader_number(const struct books_reader *reader, const char *name);

/* Indexes below the counts of the reader. */
void books_reader_lane_names(const struct books_reader *reader, unsigned lane,
                             char ret_input[LEDGER_NAME], char ret_output[LEDGER_NAME]);
struct amount books_reader_flow(const struct books_reader *reader, unsigned lane, unsigned flow);
/* Entries that closed the books of the start before. */
struct amount books_reader_closing(const struct books_reader *reader, unsigned lane, unsigned flow);
/* As measured by the last audits, with the sum of their differences; for an account that nobody
 * audits from the books. ret_differing: audits that differ, also where the sum is 0. */
struct amount books_reader_stock(const struct books_reader *reader, unsigned lane, unsigned account,
                                 int64_t *ret_difference, unsigned *ret_differing);
uint64_t books_reader_lane_value(const struct books_reader *reader, unsigned lane, unsigned number);
void books_reader_output_name(const struct books_reader *reader, unsigned output,
                              char ret_name[LEDGER_NAME]);
uint64_t books_reader_output_value(const struct books_reader *reader, unsigned output,
                                   unsigned number);
uint64_t books_reader_agent_value(const struct books_reader *reader, unsigned number);

/* Of the scope of that histogram: a lane or an output. */
struct histogram_reading {
    uint64_t counts[READER_BUCKETS], count, sum_ms;
};
void books_reader_histogram(const struct books_reader *reader, unsigned histogram, unsigned index,
                            struct histogram_reading *ret);
