/* SPDX-License-Identifier: Apache-2.0 */
/* report: what a line says comes from the flow table; nothing here names a single flow. */
#include "ledger/report.h"

#include "base/check.h"
#include "base/log.h"

#include <stdlib.h>

/* What the last report said of a lane. */
struct told {
    uint64_t moved;   /* sum of all its counters: they only grow, so it changes if anything moves */
    uint64_t reasons; /* bit for each flow into `dropped` that was news already */
    unsigned differences;
};
_Static_assert(FLOWS <= 64, "a bit for each flow");

struct busy { /* a lane in which something moved since it was told */
    unsigned slot;
    uint64_t moves;
    bool is_wrong; /* its audits differ, and that is new */
};

struct report {
    struct ledger *ledger;
    struct told told[LEDGER_SLOTS];
    struct busy busy[LEDGER_SLOTS];
};

/* Names, sums, every flow, what is held, balance and the end. */
enum { LINE_FIELDS = 9 + (int)FLOWS + (int)ACCOUNTS + 3 };
struct line {
    struct log_field fields[LINE_FIELDS]; /* the rest is zeroed: LOG_END */
    size_t count;
};

/* ---- sums ---- */

static void add(struct amount *sum, struct amount more)
{
    sum->events += more.events;
    sum->bytes += more.bytes;
}

struct amount report_into(const struct lane_snapshot *lane, enum account account)
{
    struct amount sum = { 0, 0 };
    for (unsigned flow = 0; flow < FLOWS; flow++) {
        if (flow_infos[flow].to == account)
            add(&sum, lane->flows[flow]);
    }
    return sum;
}

static struct amount closed_into(const struct lane_snapshot *lane, enum account account)
{
    struct amount sum = report_into(lane, account);
    for (unsigned flow = 0; flow < FLOWS; flow++) {
        if (flow_infos[flow].to == account)
            add(&sum, lane->closing[flow]);
    }
    return sum;
}

struct amount report_lost(const struct lane_snapshot *lane)
{
    return closed_into(lane, ACCOUNT_lost);
}

struct amount report_replayed(const struct lane_snapshot *lane)
{
    return closed_into(lane, ACCOUNT_world);
}

struct amount report_received(const struct lane_snapshot *lane)
{
    struct amount replayed = report_into(lane, ACCOUNT_world);
    struct amount sum = { 0 - replayed.events, 0 - replayed.bytes };
    for (unsigned flow = 0; flow < FLOWS; flow++) {
        if (flow_infos[flow].from == ACCOUNT_world)
            add(&sum, lane->flows[flow]);
    }
    return sum;
}

struct lane_totals report_totals(const struct lane_snapshot *lane)
{
    struct lane_totals totals = { .received = report_received(lane).events,
                                  .delivered = report_into(lane, ACCOUNT_delivered).events,
                                  .filtered = report_into(lane, ACCOUNT_filtered).events,
                                  .dropped = report_into(lane, ACCOUNT_dropped).events,
                                  .replayed = report_into(lane, ACCOUNT_world).events };
    for (unsigned account = 0; account < ACCOUNTS; account++) {
        if (account_infos[account].held)
            totals.held += lane->measured[account].events;
    }
    return totals;
}

/* ---- lines ---- */

static void put(struct line *line, struct log_field field)
{
    CHECK(line->count < LINE_FIELDS - 1);
    line->fields[line->count++] = field;
}

static void put_count(struct line *line, const char *key, uint64_t count)
{
    put(line, LU(key, count));
}

static void put_if_any(struct line *line, const char *key, uint64_t count)
{
    if (count > 0)
        put_count(line, key, count);
}

static void start_line(struct line *line, const struct lane_snapshot *lane)
{
    *line = (struct line){ .count = 0 };
    put(line, LS("input", lane->input));
    put(line, LS("output", lane->output));
}

static void put_lane(struct line *line, const struct lane_snapshot *lane)
{
    struct lane_totals totals = report_totals(lane);

    put_count(line, "received", totals.received);
    put_count(line, "delivered", totals.delivered);
    put_count(line, "dropped", totals.dropped);
    for (unsigned flow = 0; flow < FLOWS; flow++) {
        if (flow_infos[flow].to == ACCOUNT_dropped)
            put_if_any(line, flow_infos[flow].name, lane->flows[flow].events);
    }
    put_if_any(line, "filtered", totals.filtered);
    put_if_any(line, "replay", totals.replayed);
    for (unsigned account = 0; account < ACCOUNTS; account++) {
        if (account_infos[account].held)
            put_count(line, account_infos[account].name, lane->measured[account].events);
    }
    put(line, LI("balance", lane->difference_events));
    put_if_any(line, "differences", lane->differences);
}

/* A bug and the closing books are always told. */
static bool write_lane(const struct lane_snapshot *lane, bool final)
{
    bool is_wrong = lane->differences > 0;
    struct line line;

    start_line(&line, lane);
    put_lane(&line, lane);
    return log_write(final || is_wrong ? LOG_ALWAYS : LOG_REPORT, is_wrong ? LOG_ERROR : LOG_INFO,
                     "ledger", line.fields);
}

/* Returns the reasons that were told, those of before and the new ones. */
static uint64_t write_first_drops(const struct lane_snapshot *lane, uint64_t told)
{
    for (unsigned flow = 0; flow < FLOWS; flow++) {
        uint64_t bit = UINT64_C(1) << flow;
        if (flow_infos[flow].to != ACCOUNT_dropped || (told & bit) != 0 ||
            (lane->flows[flow].events == 0 && lane->flows[flow].bytes == 0))
            continue;
        struct line line;
        start_line(&line, lane);
        put(&line, LS("reason", flow_infos[flow].name));
        put(&line, LS("meaning", flow_infos[flow].doc));
        if (log_write(LOG_KEPT, LOG_INFO, "first drop", line.fields))
            told |= bit;
    }
    return told;
}

void report_news(struct report *report)
{
    struct lane_snapshot lane;

    for (unsigned i = 0; i < ledger_lane_count(report->ledger); i++) {
        ledger_snapshot(report->ledger, i, &lane);
        report->told[i].reasons = write_first_drops(&lane, report->told[i].reasons);
    }
}

static uint64_t sum_moves(const struct lane_snapshot *lane)
{
    uint64_t sum = 0;
    for (unsigned flow = 0; flow < FLOWS; flow++)
        sum += lane->flows[flow].events + lane->flows[flow].bytes;
    return sum;
}

/* Counts what the audits say. true: there is something to tell. */
static bool look_at_lane(struct report *report, unsigned slot, bool final, struct busy *ret)
{
    struct told *told = &report->told[slot];
    struct lane_snapshot lane;

    ledger_snapshot(report->ledger, slot, &lane);
    uint64_t moved = sum_moves(&lane);
    bool has_moved = moved != told->moved;
    bool differs = lane.differences != told->differences;
    if (lane.differences > 0 && (has_moved || differs))
        numbers_add(ledger_agent_numbers(report->ledger), NUMBER_audit_differences,
                    lane.differences);
    *ret = (struct busy){ slot, moved - told->moved, lane.differences > 0 };
    return has_moved || differs || (final && moved > 0);
}

static int compare_busy(const void *a, const void *b)
{
    const struct busy *one = a, *other = b;

    if (one->is_wrong != other->is_wrong)
        return one->is_wrong ? -1 : 1;
    if (one->moves != other->moves)
        return one->moves > other->moves ? -1 : 1;
    return one->slot < other->slot ? -1 : 1;
}

/* false: the log has no room for it now. What moved until then is told with it the next time. */
static bool report_lane(struct report *report, unsigned slot, bool final)
{
    struct told *told = &report->told[slot];
    struct lane_snapshot lane;

    ledger_snapshot(report->ledger, slot, &lane);
    told->reasons = write_first_drops(&lane, told->reasons);
    if (!write_lane(&lane, final))
        return false;
    told->moved = sum_moves(&lane);
    told->differences = lane.differences;
    return true;
}

static void add_lane(struct lane_snapshot *sum, const struct lane_snapshot *lane)
{
    for (unsigned flow = 0; flow < FLOWS; flow++)
        add(&sum->flows[flow], lane->flows[flow]);
    for (unsigned account = 0; account < ACCOUNTS; account++)
        add(&sum->measured[account], lane->measured[account]);
    sum->difference_events += lane->difference_events;
}

/* The lanes that no line was written for, in one. */
static void report_rest(struct report *report, const struct busy *busy, size_t count)
{
    struct lane_snapshot sum = { .difference_events = 0 }, lane;
    struct line line = { .count = 0 };

    for (size_t i = 0; i < count; i++) {
        ledger_snapshot(report->ledger, busy[i].slot, &lane);
        add_lane(&sum, &lane);
    }
    put_count(&line, "lanes", count);
    put_lane(&line, &sum);
    (void)log_write(LOG_ALWAYS, LOG_INFO, "ledger of the other lanes", line.fields);
}

/* ---- the start before ---- */

static uint64_t closing_into(const struct lane_snapshot *lane, enum account account)
{
    uint64_t events = 0;

    for (unsigned flow = 0; flow < FLOWS; flow++)
        events += flow_infos[flow].to == account ? lane->closing[flow].events : 0;
    return events;
}

static bool has_closing(const struct lane_snapshot *lane)
{
    return closing_into(lane, ACCOUNT_lost) + closing_into(lane, ACCOUNT_carried) +
               closing_into(lane, ACCOUNT_world) >
           0;
}

static bool write_closing(struct line *line, const struct lane_snapshot *lane,
                          enum predecessor kind, enum log_purse purse)
{
    put_count(line, "replay", closing_into(lane, ACCOUNT_world));
    put_count(line, "lost", closing_into(lane, ACCOUNT_lost));
    put_if_any(line, "carried", closing_into(lane, ACCOUNT_carried));
    for (unsigned flow = 0; flow < FLOWS; flow++)
        put_if_any(line, flow_infos[flow].name, lane->closing[flow].events);
    put(line, LS("books", kind == PREDECESSOR_STALE ? "stale" : "exact"));
    return log_write(purse, LOG_INFO,
                     kind == PREDECESSOR_CLEAN ? "spool of the start before taken over"
                                               : "books of the killed start closed",
                     line->fields);
}

/* A line for each lane while the log has room, and one for the others. */
static void write_closings(const struct ledger *ledger, enum predecessor kind)
{
    struct lane_snapshot rest = { .difference_events = 0 }, lane;
    struct line line;
    uint64_t left = 0;

    for (unsigned i = 0; i < ledger_lane_count(ledger); i++) {
        ledger_snapshot(ledger, i, &lane);
        if (!has_closing(&lane))
            continue;
        start_line(&line, &lane);
        if (write_closing(&line, &lane, kind, LOG_KEPT))
            continue;
        left++;
        for (unsigned flow = 0; flow < FLOWS; flow++)
            add(&rest.closing[flow], lane.closing[flow]);
    }
    if (left == 0)
        return;
    line = (struct line){ .count = 0 };
    put_count(&line, "lanes", left);
    (void)write_closing(&line, &rest, kind, LOG_ALWAYS);
}

static void write_predecessor(const struct ledger *ledger)
{
    const char *note = ledger_predecessor_note(ledger);

    if (note[0] != '\0')
        LOG_AS(LOG_ALWAYS, LOG_WARN, "books of the start before could not be read in full",
               LS("why", note));
    write_closings(ledger, ledger_predecessor(ledger));
}

struct report *report_new(struct ledger *ledger)
{
    struct report *report = calloc(1, sizeof(*report));

    if (report == NULL)
        return NULL;
    report->ledger = ledger;
    write_predecessor(ledger);
    return report;
}

void report_free(struct report **reportp)
{
    free(*reportp);
    *reportp = NULL;
}

void report_write(struct report *report, bool final)
{
    size_t count = 0, told = 0;

    for (unsigned i = 0; i < ledger_lane_count(report->ledger); i++)
        count += look_at_lane(report, i, final, &report->busy[count]) ? 1 : 0;
    qsort(report->busy, count, sizeof(report->busy[0]), compare_busy);
    while (told < count && (final || told < REPORT_LANES || report->busy[told].is_wrong) &&
           report_lane(report, report->busy[told].slot, final))
        told++;
    if (told < count)
        report_rest(report, report->busy + told, count - told);
}
