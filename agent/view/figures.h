/* SPDX-License-Identifier: Apache-2.0 */
/* figures: what the books say, as an operator asks for it: sums, rates, fill, reasons. From one
 * reading of them, or from two of the same start for the rates.
 * Figures of different outputs are never added: the copies are of the same events.
 * Pure: no clock, no I/O. Threads: none of its own; figures never change. */
#pragma once

#include "ledger/books_reader.h"

/* A rate or a share that is not known is NAN: shown as "-", null in JSON. */
struct moved {
    struct amount total;
    double per_s; /* events */
};
struct lane_figures {
    char input[LEDGER_NAME], output[LEDGER_NAME];
    struct moved received, delivered, filtered, dropped;
    struct amount lost, replayed, held; /* lost, replayed: with the closing entries */
    int64_t balance;                    /* 0, or a bug */
    unsigned differing;                 /* audits that differ, also where the sum is 0 */
    double fill;                        /* of the lane's memory, 0 … 1 */
    double oldest_s;                    /* how long the oldest event has been waiting */
    bool is_shedding;
};

enum breaker_figure { BREAKER_FIGURE_CLOSED, BREAKER_FIGURE_HALF_OPEN, BREAKER_FIGURE_OPEN };
struct output_figures { /* sums over its lanes, and its own numbers */
    char name[LEDGER_NAME];
    struct moved received, delivered, dropped;
    struct amount held;
    double requests_per_s, failures_per_s, retries_per_s, sent_bytes_per_s;
    double in_flight, limit;       /* requests; the limit may be a fraction */
    double memory_fill;            /* of the memory for sealed batches */
    double spool_bytes, spool_max; /* NAN: it has none */
    enum breaker_figure breaker;
};

struct drop_figures { /* one reason in one lane, with a total that is not 0 */
    unsigned lane, flow;
    struct moved moved;
};

struct figures {
    const struct books_reader *reader; /* borrowed */
    double seconds;                    /* between the two readings; NAN: there are no rates */
    unsigned lane_count, output_count, drop_count;
    struct lane_figures *lanes; /* in the order of the file */
    struct output_figures *outputs;
    struct drop_figures *drops; /* the largest rate first, then the largest total */
};

/* before NULL, or of another start: no rates. NULL: out of memory. The reader outlives it. */
struct figures *figures_new(const struct books_reader *now, const struct books_reader *before,
                            double seconds);
void figures_free(struct figures **figuresp);

/* How this build explains a flow of that name; "": it does not know it. */
const char *figures_meaning(const char *flow_name);
/* A number of the file with its unit applied. number < 0: NAN. */
double figures_value(const struct books_reader *reader, int number, uint64_t raw);
