/* SPDX-License-Identifier: Apache-2.0 */
/* report: the ledger as log lines, for people. Pure formatting of snapshots. */
#pragma once

#include "ledger/ledger.h"

/* Sums over a lane, of this start: received = delivered + filtered + dropped + held, while the
 * audits agree. What closed the books of the start before is told once, when the report is made. */
struct lane_totals {
    uint64_t received, delivered, filtered, dropped, replayed, held;
};
/* The same for events and bytes; received is the outflow of world less this start's replays. */
struct amount report_received(const struct lane_snapshot *lane);
struct amount report_into(const struct lane_snapshot *lane, enum account account);
struct amount report_lost(const struct lane_snapshot *lane);     /* with the closing entries */
struct amount report_replayed(const struct lane_snapshot *lane); /* with the closing entries */
struct lane_totals report_totals(const struct lane_snapshot *lane);

/* Writes one `ledger` line for each lane in which anything moved since its last one (all lanes that
 * ever moved, if final), and one of news for the first drop of a kind in a lane. Of more than
 * REPORT_LANES, or of as many as the log has room for, the busiest have lines of their own, and the
 * others one sum, "ledger of the other lanes". level=info msg=ledger input=nginx output=main
 * received=… delivered=… dropped=… <flow>=… … Audits that differ are logged at level error and
 * counted. Main thread. */
enum { REPORT_LANES = 20 };
struct report;
/* Writes what the start before left. NULL: out of memory. */
struct report *report_new(struct ledger *ledger);
void report_free(struct report **reportp);
void report_write(struct report *report, bool final);
void report_news(struct report *report); /* the news alone, of first drops since the last call */
